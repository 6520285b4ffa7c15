"""Real trainings in this process: what they leave, and that they repeat and go on exactly."""

import dataclasses
import gc
import json
import os
import re
import shutil
import subprocess
from types import SimpleNamespace

import imageio.v2 as imageio
import keras
import numpy as np
import pytest
import tensorflow as tf
from comparing import assert_same_contents, contents
from light import Light
from PIL import Image
from tensorflow import make_ndarray

from utils import config
from utils.choice import busy_in_words
from utils.config import replace
from utils.data import load_for
from utils.errors import InputError
from utils.files import appear_together, appears_whole
from utils.runs import Curves, Run
from utils.training import board, checkpoint, estimate, loop, performance_summarizer, resume, train
from utils.training.batches import Schedule, batches
from utils.training.estimate import try_updates
from utils.training.players import build_players
from utils.training.recipes import due_at, recipe_of, what_is_due
from utils.training.step import Update

# --- order ------------------------------------------------------------------------------------------------------------


def test_an_epoch_shows_every_image_once_and_epochs_differ_in_order():
    schedule = Schedule(image_count=24, batch_size=4, batches_per_update=2, seed=1)
    assert schedule.updates_per_epoch == 3

    def rows(epoch):
        order = schedule.order(epoch)
        return np.concatenate([schedule.rows(3 * (epoch - 1) + u, order).ravel() for u in (1, 2, 3)]).tolist()

    assert sorted(rows(1)) == sorted(rows(2)) == list(range(24))
    assert rows(1) != rows(2)


def test_an_update_sees_the_same_batch_wherever_the_training_was_taken_up(tiny, noise_images):
    schedule = Schedule.of(tiny, 24)
    whole = list(batches(noise_images, tiny, schedule, 1, 6))
    late = list(batches(noise_images, tiny, schedule, 5, 6))
    for one, other in zip(whole[4:], late, strict=True):
        assert one.update == other.update
        assert all(np.array_equal(getattr(one, n), getattr(other, n)) for n in ("images", "latents", "key"))
    assert not np.array_equal(whole[0].latents, whole[1].latents)  # latents are fresh in each update
    assert not np.array_equal(whole[0].key, whole[1].key)


def test_a_shuffle_in_blocks_gives_the_same_batches_to_any_workers_and_wherever_it_was_taken_up(tiny, noise_images):
    blocks = replace(tiny, shuffle="blocks", shuffle_block=2)
    schedule = Schedule.of(blocks, 24)
    whole = [batch.images for batch in batches(noise_images, blocks, schedule, 1, 6)]
    order = [schedule.order(epoch) for epoch in (1, 2)]
    for update, images in enumerate(whole, 1):
        assert np.array_equal(images, noise_images[schedule.rows(update, order[schedule.epoch_of(update) - 1])])
    late = [batch.images for batch in batches(noise_images, blocks, schedule, 5, 6)]
    parts = [
        [batch.images for batch in batches(noise_images, blocks, schedule, 1, 6, worker=worker, workers=2)]
        for worker in (0, 1)
    ]
    assert np.array_equal(late, whole[4:]) and np.array_equal(np.concatenate(parts, axis=2), whole)
    full = Schedule.of(tiny, 24)
    assert not np.array_equal(full.order(1), order[0])


# --- what a run leaves ------------------------------------------------------------------------------------------------


def test_a_training_leaves_a_complete_run_folder(tiny, noise_dataset, trained):
    run = trained
    assert (run.folder.parent.name, run.folder.name) == ("faces", "0001-report32")
    steps, epochs = run.steps(), run.epochs()
    assert steps["update"].tolist() == [1, 2, 3, 4, 5, 6] and steps["epoch"].tolist() == [1, 1, 1, 2, 2, 2]
    assert [record["epoch"] for record in epochs] == [0, 1, 2]
    assert config.from_dict(json.loads((run.folder / "experiment.json").read_text())) == tiny
    assert run.environment["fingerprint"] == noise_dataset.fingerprint and run.environment["tensorflow"]
    assert {path.name for path in (run.folder / "grids").iterdir()} == {"true.png"} | {
        f"epoch_{e:04d}.png" for e in (0, 1, 2)
    }
    assert len(imageio.mimread(run.film, memtest=False)) == 3 + 8  # epochs 0 to 2, the last one held for two seconds
    assert run.losses_plot.stat().st_size > 10_000
    assert sorted(f.name for f in run.checkpoints.iterdir()) == ["update_00000003.npz", "update_00000006.npz"]
    assert not [f for f in run.folder.rglob(".*") if f.name != ".lock"]  # no temporary file is left


def test_files_that_were_left_out_are_told_and_listed_in_the_log(tiny, noise_dataset, tmp_path, capsys, light):
    skipped = tuple(f"{number}.jpg: cannot be decoded" for number in range(5))
    notes = ("29 pictures, 1 other file left out: 1 text.",)
    dataset = dataclasses.replace(noise_dataset, skipped=skipped, others=("a.txt: text",), notes=notes)
    run = train(replace(tiny, epochs=1), dataset=dataset, runs_dir=tmp_path)
    out, log = capsys.readouterr().out, (run.folder / "log.txt").read_text()
    assert "29 pictures, 1 other file left out: 1 text.\n5 of 29 pictures left out: 0.jpg: cannot be decoded; " in out
    assert "2.jpg: cannot be decoded; and 2 more.\nAll that was left out is listed in log.txt.\n" in out
    assert notes[0] in log and all(f"Left out {reason}." in log for reason in (*skipped, *dataset.others))


def test_pictures_that_are_all_alike_are_refused_before_there_is_a_run(tiny, noise_dataset, tmp_path):
    alike = dataclasses.replace(noise_dataset, images=noise_dataset.images[:1].repeat(24, 0))
    with pytest.raises(InputError, match="All pictures of noise are alike"):
        train(tiny, dataset=alike, runs_dir=tmp_path, progress=False)
    assert not list(tmp_path.iterdir())


def test_a_run_of_an_earlier_version_on_own_pictures_goes_on_with_the_images_it_had(
    tiny, noise_images, tmp_path, light
):
    folder = tmp_path / "pets"
    for row, image in enumerate(noise_images):
        path = folder / ("cat", "dog")[row >= 12] / f"{row:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    Image.fromarray(noise_images[0]).save(folder / "cat" / "00.tif")  # was not taken for a picture
    experiment = replace(tiny, name=str(folder), count=10, batch_size=5, epochs=1, rules=1)
    places = {"runs_dir": folder / "runs", "data_dir": tmp_path / "data", "progress": False}
    run = train(experiment, **places)
    settings = json.loads((run.folder / "experiment.json").read_text())
    for name in ("rules", "small", "tolerated"):  # as that version wrote it
        del settings["data"][name]
    (run.folder / "experiment.json").write_text(json.dumps(settings))

    old = Run(run.folder)
    assert old.experiment == experiment and old.experiment.data.rules == 1
    assert np.array_equal(load_for(old.experiment, tmp_path / "data", False).images, noise_images[:10])
    resumed = resume(old, changed=replace(old.experiment, epochs=2), data_dir=tmp_path / "data", progress=False)
    assert resumed.epochs()[-1]["epoch"] == 2
    again = train(replace(experiment, rules=2), **places)
    assert set(load_for(again.experiment, tmp_path / "data", False).labels.tolist()) == {0, 1}
    with pytest.raises(InputError, match="not those that .* was trained on"):
        resume(old, changed=replace(old.experiment, epochs=3, rules=2), data_dir=tmp_path / "data", progress=False)


def test_the_time_of_the_whole_training_is_said_once_by_the_speed_of_its_first_updates(
    tiny, noise_dataset, light, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(loop, "FORECAST_SECONDS", 0.0)
    monkeypatch.setattr(loop, "_READ_SECONDS", 0.0)
    run = train(tiny, dataset=noise_dataset, runs_dir=tmp_path, update_seconds=1e-6)
    out = capsys.readouterr().out
    assert re.match(r"Training report32 on 24 images of noise, 32x32 pixels: 6 updates on \d", out), out
    assert len(re.findall(r"^6 updates of 8 images, about \d+ .*s on \d", out, re.MULTILINE)) == 1
    assert out.count("That is more than the 0 s that were measured before: the machine is busier now.") == 1
    resume(run, changed=replace(tiny, epochs=4), dataset=noise_dataset)
    assert "\n6 updates of 8 images, about" in capsys.readouterr().out  # of those that are left


def test_to_compile_what_is_due_late_is_no_part_of_the_speed_that_is_told_and_shown(
    tiny, noise_dataset, light, tmp_path, capsys, monkeypatch
):
    """An update takes a second, and ten minutes where it is compiled before; a run that goes on after 28 updates comes
    to its lazy penalty at 33."""
    now, rates, again = [0.0], [], {"updates": 100, "summary_updates": 100}

    class Clocked(Light):
        def __init__(self, players, experiment, team=None):
            super().__init__(players, experiment)
            self.recipe, self.compiled = recipe_of(experiment), set()

        @property
        def combinations(self):
            return len(self.compiled)

        def __call__(self, batch, stop=False):
            which = what_is_due(due_at(self.recipe, batch.update))
            now[0] += 1.0 if which in self.compiled else 600.0
            self.compiled.add(which)
            return super().__call__(batch, stop)

    class Bar(loop.tqdm):
        def close(self):
            rates.append(self.format_dict["rate"])
            super().close()

    monkeypatch.setattr(loop, "Update", Clocked)
    monkeypatch.setattr(loop, "tqdm", Bar)
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr("tqdm.std.time", lambda: now[0])
    experiment = replace(tiny, r1=1.0, penalty_every=16, watch_updates=0, **again)
    run = train(replace(experiment, updates=28), dataset=noise_dataset, runs_dir=tmp_path, update_seconds=1.0)
    assert capsys.readouterr().out.count("28 updates of 8 images, about ") == 1
    rates.clear()
    resume(run, changed=experiment, dataset=noise_dataset)
    out = capsys.readouterr().out
    assert out.count("\n72 updates of 8 images, about 1 min 20 s on ") == 1 and "machine is busier" not in out
    assert rates[0] == pytest.approx(8.0, rel=0.1)  # images a second


def test_compiled_combinations_are_counted(tiny, noise_images):
    experiment = replace(tiny, r1=1.0, penalty_every=2)
    update, counts = Update(build_players(experiment), experiment), []
    update._compile = lambda due: ([], lambda *given: tf.zeros(0))
    for batch in batches(noise_images, experiment, Schedule.of(experiment, 24), 1, 4):
        update(batch)
        counts.append(update.combinations)
    assert counts == [1, 2, 2, 2]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(tiny, noise_dataset, trained, tmp_path):
    same, other = (
        train(replace(tiny, seed=seed), dataset=noise_dataset, runs_dir=tmp_path, progress=False)
        for seed in (tiny.training.seed, 4)
    )
    assert_same_contents(trained, same)
    assert contents(trained)["steps.jsonl"] != contents(other)["steps.jsonl"]


def test_the_summary_counts_right_scores_and_changes_nothing(tiny, noise_images, tmp_path):
    experiment = replace(tiny, batch_norm="on")
    run = Run.create(experiment, {}, tmp_path)
    np.save(run.latents_file, np.zeros((4, 100), np.float32))
    networks = build_players(experiment)
    before = [np.asarray(v) for v in networks.variables().values()]
    head = networks.discriminator.layers[-2]
    for bias, (true, fake) in ((20.0, (1, 0)), (-20.0, (0, 1))):  # calls everything true, then everything fake
        head.bias.assign([bias])
        record = performance_summarizer(run, 0, networks, noise_images)
        assert (record["accuracy_true"], record["accuracy_fake"]) == (true, fake)
        assert record["score_true"] == pytest.approx(true, abs=1e-3)
    head.bias.assign([0.0])
    assert all(np.array_equal(a, b) for a, b in zip(before, networks.variables().values(), strict=True))
    assert len(run.epochs()) == 2


@pytest.mark.parametrize("loss", ["relativistic", "wasserstein"])
def test_where_only_differences_of_logits_count_a_shift_of_all_changes_no_accuracy(tiny, noise_images, tmp_path, loss):
    experiment = replace(tiny, loss=loss, discriminator_updates="joint")
    run, players = Run.create(experiment, {}, tmp_path), build_players(experiment)
    np.save(run.latents_file, np.zeros((4, 100), np.float32))
    records = []
    for shift in (0.0, -20.0, 20.0):  # at the last all scores are 1
        players.discriminator.layers[-2].bias.assign([shift])
        records.append(performance_summarizer(run, 0, players, noise_images))
    plain, *shifted = [(record["accuracy_true"], record["accuracy_fake"]) for record in records]
    assert shifted == [plain, plain] and 0 < plain[0] == plain[1]  # as many are above the median as below


def test_least_squares_call_true_what_is_nearer_to_their_label_of_true_images(tiny, noise_images, tmp_path):
    experiment = replace(tiny, loss="least_squares")
    run, players = Run.create(experiment, {}, tmp_path), build_players(experiment)
    np.save(run.latents_file, np.zeros((4, 100), np.float32))
    head = players.discriminator.layers[-2]
    head.kernel.assign(head.kernel * 0.0)
    for logit, accuracies in ((0.6, (1, 0)), (0.4, (0, 1))):
        head.bias.assign([logit])
        record = performance_summarizer(run, 0, players, noise_images)
        assert (record["accuracy_true"], record["accuracy_fake"]) == accuracies


def test_curves_show_what_an_undecided_discriminator_has_under_the_losses_of_which_it_is_known(tiny, trained):
    for loss, shown in (("non_saturating", True), ("hinge", False)):
        trained.save_experiment(replace(tiny, loss=loss))
        _, labels = Curves(trained).figure().axes[0].get_legend_handles_labels()
        assert ("log 2 (undecided)" in labels) == shown


def test_tensorboard_gets_scalars_and_grids(tiny, noise_dataset, trained):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(trained.board), size_guidance={"tensors": 0})
    events.Reload()
    losses = events.Tensors("updates/loss_true")
    assert [event.step for event in losses] == [1, 2, 3, 4, 5, 6]
    recorded = trained.steps()["loss_true"]
    np.testing.assert_allclose([np.frombuffer(e.tensor_proto.tensor_content, "<f4")[0] if e.tensor_proto.tensor_content
                                else e.tensor_proto.float_val[0] for e in losses], recorded, rtol=1e-6)  # fmt: skip
    assert [event.step for event in events.Tensors("grid")] == [0, 1, 2]


def test_a_run_without_one_of_its_grids_goes_on(tiny, noise_dataset, trained):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trained.grid(1).unlink()  # somebody needed the space
    resume(trained, changed=replace(tiny, epochs=3), dataset=noise_dataset, progress=False)
    events = EventAccumulator(str(trained.board), size_guidance={"tensors": 0})
    events.Reload()
    assert {event.step for event in events.Tensors("grid")} >= {0, 2, 3}


def test_tensorboard_shows_a_lazy_penalty_as_the_mean_of_the_updates_that_had_it(
    tiny, noise_dataset, tmp_path, monkeypatch
):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setattr(board, "POINTS", 2)  # of three updates the first two, then the third
    run = train(
        replace(tiny, r1=1.0, penalty_every=4, discriminator_updates="joint", updates=8, summary_updates=8),
        dataset=noise_dataset, runs_dir=tmp_path, progress=False,
    )  # fmt: skip
    events = EventAccumulator(str(run.board), size_guidance={"tensors": 0})
    events.Reload()
    shown = events.Tensors("updates/penalty_r1")
    recorded = run.steps()["penalty_r1"]
    assert np.flatnonzero(np.isfinite(recorded)).tolist() == [0, 4] and [event.step for event in shown] == [4, 8]
    np.testing.assert_allclose([make_ndarray(event.tensor_proto) for event in shown], recorded[[0, 4]], rtol=1e-6)


# --- stopping and going on --------------------------------------------------------------------------------------------


def test_a_run_that_another_process_trains_is_left_as_it_is(tiny, noise_dataset, trained, capsys):
    before = contents(trained) | {"log": (trained.folder / "log.txt").read_text()}
    longer = replace(tiny, epochs=5, summary_epochs=2)
    with trained.locked(), pytest.raises(InputError, match="Another process is training"):
        resume(trained, changed=longer, dataset=noise_dataset)
    assert contents(trained) | {"log": (trained.folder / "log.txt").read_text()} == before
    assert trained.experiment == tiny and trained.is_finished and "Resuming" not in capsys.readouterr().out


def test_going_on_removes_what_a_killed_training_left_and_nothing_that_other_commands_are_writing(
    noise_dataset, trained
):
    run = trained
    ours = (run.film, run.losses_plot, run.latents_file, run.folder / "state.json", run.grid(0), run.true_grid)
    ours += (run.model("generator"), run.model("generator", "best"), run.checkpoints / "a.npz", run.healthy / "a.npz")
    killed = [appears_whole(path) for path in ours]
    for each in killed:
        each.__enter__().write_bytes(b"half")
    reported, drawn = appear_together(run.folder / "report"), appear_together(run.folder / "samples")
    with reported as report, drawn as samples, appears_whole(run.quality_file) as quality:
        for path in (report / "report.html", samples / "0000.png", quality):
            path.write_text("{}")
        resume(run, dataset=noise_dataset, progress=False)
        assert set(run.folder.rglob(".unfinished-*")) == {report, samples, quality}
    for path in ("report/report.html", "samples/0000.png", "quality.json"):
        assert (run.folder / path).read_text() == "{}"


@pytest.mark.slow
def test_more_epochs_continue_as_if_asked_for_from_the_start(tiny, noise_dataset, trained, tmp_path):
    whole = train(replace(tiny, epochs=3), dataset=noise_dataset, runs_dir=tmp_path / "a", progress=False)
    part = trained
    resume(part, changed=replace(tiny, epochs=3), dataset=noise_dataset, progress=False)
    assert_same_contents(whole, part)
    assert part.state.status == "finished" and (part.state.update, part.state.epoch) == (9, 3)

    resume(whole, changed=replace(tiny, epochs=5), dataset=noise_dataset, progress=False)
    resume(part, changed=replace(tiny, epochs=5, summary_epochs=3), dataset=noise_dataset, progress=False)
    assert part.steps_file.read_bytes() == whole.steps_file.read_bytes()
    assert part.epochs() == [row for row in whole.epochs() if row["epoch"] != 4]
    with pytest.raises(InputError, match="counts epochs: say with --epochs how many"):
        resume(part, changed=replace(tiny, updates=50), dataset=noise_dataset, progress=False)


@pytest.mark.slow
def test_a_training_by_updates_has_exactly_so_many_and_more_continue_as_if_asked_for_from_the_start(
    tiny, noise_dataset, tmp_path
):
    """It may end amid an epoch, and its summaries are named after updates."""
    tiny = replace(tiny, updates=2, summary_updates=2, keep_models=True)
    whole = train(replace(tiny, updates=5), dataset=noise_dataset, runs_dir=tmp_path / "a", progress=False)
    part = train(tiny, dataset=noise_dataset, runs_dir=tmp_path / "b", progress=False)
    resume(part, changed=replace(tiny, updates=5), dataset=noise_dataset, progress=False)
    assert_same_contents(whole, part)

    assert whole.steps()["update"].tolist() == [1, 2, 3, 4, 5] and whole.steps()["epoch"].tolist() == [1, 1, 1, 2, 2]
    assert [row["update"] for row in whole.epochs()] == [0, 2, 4, 5] and "epoch" not in whole.epochs()[0]
    grids = {f"update_{number:06d}.png" for number in (0, 2, 4, 5)}
    assert {path.name for path in (whole.folder / "grids").iterdir()} == {"true.png"} | grids
    assert whole.model("generator", 4) == whole.folder / "models" / "update_000004" / "generator.keras"
    assert whole.model("generator", 4).is_file() and whole.losses_plot.is_file() and whole.film.is_file()
    assert whole.is_finished and whole.state.epoch == 1 and whole.unit == "update" and whole.goal == 5

    with pytest.raises(InputError, match="updates can only be raised. Received: 4, the run has 5"):
        resume(part, changed=replace(tiny, updates=4), dataset=noise_dataset, progress=False)
    for changes in ({"epochs": 9}, {"epochs": 2}):
        with pytest.raises(InputError, match="counts updates: say with --updates how many"):
            resume(part, changed=replace(tiny, **changes), dataset=noise_dataset, progress=False)


def test_a_trial_leaves_no_trace_in_the_networks_that_are_built_after_it(tiny):
    """Not even in what layers are called: files of a training are the same with and without a trial before."""
    built = []
    for tried in (False, True):
        keras.utils.clear_session()  # as in a new process
        if tried:
            assert 0 < try_updates(tiny).update_seconds < 60
        players = build_players(tiny)
        names = [layer.name for layer in players.discriminator.layers]
        built.append((names, [np.asarray(v).tobytes() for v in players.variables().values()]))
    assert built[0] == built[1] and built[0][0][0] == "conv2d_1"  # the generator has one, too


def test_a_trial_weighs_updates_by_how_often_they_have_their_turn(tiny, monkeypatch):
    """Penalties every 4 updates, on a clock that says that an update with them takes eight times as long."""
    timed = []

    class Fake:
        def __init__(self, players, experiment):
            self.recipe = recipe_of(experiment)

        def __call__(self, batch):
            self.due = "r1" in str(what_is_due(due_at(self.recipe, batch.update))).lower()
            return self

        def read(self):
            timed.append(1.0 if self.due else 0.125)

    monkeypatch.setattr(estimate, "Update", Fake)
    monkeypatch.setattr(estimate.time, "perf_counter", lambda: sum(timed))
    lazy = replace(tiny, r1=1.0, penalty_every=4, discriminator_updates="joint")
    trial = try_updates(lazy)
    assert trial.update_seconds == pytest.approx((1.0 + 3 * 0.125) / 4)
    assert 2 * try_updates(replace(lazy, on_collapse="rollback")).checkpoint_bytes == 3 * trial.checkpoint_bytes
    assert trial.updates == 5 + 16  # five, and until they took two seconds


@pytest.mark.parametrize(("load", "busy"), [(None, False), (0.3, False), (0.6, True)])
def test_a_busy_machine_is_said_to_be(load, busy):
    sentence = busy_in_words(load, 2)
    assert sentence.startswith("; the machine is busy (load 0.6 on 2 processors)") if busy else sentence == ""


def test_a_run_killed_between_its_last_update_and_its_film_is_finished_by_resume(noise_dataset, trained):
    run = trained
    film = run.film.read_bytes()
    run.film.unlink()
    run.save_state(dataclasses.replace(run.state, status="running"))
    resume(run, dataset=noise_dataset, progress=False)
    assert run.film.read_bytes() == film and run.state.status == "finished" and run.state.update == 6


def test_resume_refuses_changed_settings_and_names_them(tiny, noise_dataset, trained):
    before = contents(trained)
    with pytest.raises(InputError, match=r"training.learning_rate: 0.0002 in the run, 0.001 asked for"):
        resume(trained, changed=replace(tiny, learning_rate=0.001), dataset=noise_dataset, progress=False)
    with pytest.raises(InputError, match="epochs can only be raised"):
        resume(trained, changed=replace(tiny, epochs=1), dataset=noise_dataset, progress=False)
    assert contents(trained) == before


def test_resume_refuses_other_images(tiny, noise_dataset, trained):
    with pytest.raises(InputError, match="fingerprint feedfeedfeed, the run has 0123456789ab"):
        resume(trained, dataset=dataclasses.replace(noise_dataset, fingerprint="feedfeedfeed00"), progress=False)


def test_losses_that_are_not_finite_stop_the_run_and_keep_the_last_good_checkpoint(tiny, noise_dataset, tmp_path):
    with pytest.raises(InputError, match="no longer finite at update .*smaller --learning-rate"):
        train(replace(tiny, learning_rate=1e30), dataset=noise_dataset, runs_dir=tmp_path, progress=False)
    run = Run.find("last", tmp_path)
    assert checkpoint.latest(run.checkpoints) == run.state.update == 0 and run.seconds is None
    assert run.state.status == "failed" and "no longer finite at update" in run.state.why
    assert all(np.isfinite(values).all() for values in run.steps().values())


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(noise_dataset, trained, tmp_path):
    run = Run(shutil.copytree(trained.folder, tmp_path / "damaged" / "faces" / trained.folder.name))
    newest = max(run.checkpoints.iterdir())
    newest.write_bytes(newest.read_bytes()[:-1000])
    resume(run, dataset=noise_dataset, progress=False)
    assert "cannot be used" in (run.folder / "log.txt").read_text()
    assert_same_contents(trained, run)


def test_a_full_disk_stops_the_run_in_one_sentence_and_the_run_goes_on_afterwards(tiny, noise_dataset, tmp_path):
    """A real full disk: a small file system in memory."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk], check=False).returncode:
        pytest.skip("needs the right to mount a file system")
    try:
        filler = disk / "filler"
        filler.write_bytes(bytes(2_200_000))  # room for the beginning of a run, not for its end
        with pytest.raises(InputError, match="disk of .* is full.*resume"):
            train(replace(tiny, epochs=40), dataset=noise_dataset, runs_dir=disk, progress=False)
        run = Run.find("last", disk)
        assert not list(run.folder.rglob(".*.npz"))
        filler.unlink()
        kept = checkpoint.latest(run.checkpoints)  # None, or the update of the newest
        longer = replace(tiny, epochs=(kept or 0) // 3 + 1)  # an epoch that the full disk did not let it have
        run.save_experiment(longer)
        resume(run, dataset=noise_dataset, progress=False)
        assert_same_contents(train(longer, dataset=noise_dataset, runs_dir=tmp_path / "whole", progress=False), run)
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.slow
def test_a_training_leaves_no_graph_behind_in_its_process(tiny, noise_dataset, tmp_path):
    """What TensorFlow's registry of gradients holds is never freed: 15 MB each, in a notebook that trains again."""

    def graphs() -> int:
        gc.collect()
        return sum(type(each).__name__ == "FuncGraph" for each in gc.get_objects())

    before = graphs()
    for seed in (0, 1):
        train(replace(tiny, seed=seed), dataset=noise_dataset, runs_dir=tmp_path, progress=False)
    assert graphs() <= before + 1  # the newest may stay until the next
