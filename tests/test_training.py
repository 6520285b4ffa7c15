"""Real trainings: in this process where that is enough, as killed processes where that is the point."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time

import imageio.v2 as imageio
import numpy as np
import pytest

from utils import config
from utils.config import replace
from utils.errors import InputError
from utils.runs import PROJECT, Run
from utils.training import checkpoint, performance_summarizer, resume, train
from utils.training.batches import Schedule, batches
from utils.training.step import build_networks


def contents(run: Run) -> dict:
    """Every file whose bits a run decides; a .keras file is a zip with times in it, so its weights stand for it."""
    from utils.models import load_network

    files = {
        str(path.relative_to(run.folder)): path.read_bytes()
        for path in sorted(run.folder.rglob("*"))
        if path.suffix in (".jsonl", ".png", ".npy") or path.name == "experiment.json"
    }
    for name in ("generator", "discriminator"):
        for i, weights in enumerate(load_network(run.model(name)).get_weights()):
            files[f"{name} {i}"] = weights.tobytes()
    newest = max((run.folder / "checkpoints").iterdir())
    with np.load(newest) as file:
        files |= {f"{newest.name} {name}": file[name].tobytes() for name in file.files if name != "state"}
    return files


def assert_same_contents(one: Run, other: Run) -> None:
    a, b = contents(one), contents(other)
    assert a.keys() == b.keys()
    assert [name for name in a if a[name] != b[name]] == []


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
        assert one[0] == other[0]
        assert all(np.array_equal(a, b) for a, b in zip(one[1:], other[1:], strict=True))
    assert not np.array_equal(whole[0][2], whole[1][2])  # latents are fresh in each update


# --- what a run leaves ------------------------------------------------------------------------------------------------


def test_a_training_leaves_a_complete_run_folder(tiny, noise_dataset, tmp_path):
    run = train(tiny, dataset=noise_dataset, runs_dir=tmp_path, progress=False)
    assert run.folder == tmp_path / "faces" / "0001-report32"
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


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(tiny, noise_dataset, tmp_path):
    one, same, other = (
        train(replace(tiny, seed=seed), dataset=noise_dataset, runs_dir=tmp_path, progress=False) for seed in (3, 3, 4)
    )
    assert_same_contents(one, same)
    assert contents(one)["steps.jsonl"] != contents(other)["steps.jsonl"]


def test_the_summary_counts_right_scores_and_changes_nothing(tiny, noise_images, tmp_path):
    experiment = replace(tiny, batch_norm="batch")
    run = Run.create(experiment, {}, tmp_path)
    np.save(run.latents_file, np.zeros((4, 100), np.float32))
    networks = build_networks(experiment)
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


def test_tensorboard_gets_scalars_and_grids(tiny, noise_dataset, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = train(tiny, dataset=noise_dataset, runs_dir=tmp_path, progress=False)
    events = EventAccumulator(str(run.board), size_guidance={"tensors": 0})
    events.Reload()
    losses = events.Tensors("updates/loss_true")
    assert [event.step for event in losses] == [1, 2, 3, 4, 5, 6]
    recorded = run.steps()["loss_true"]
    np.testing.assert_allclose([np.frombuffer(e.tensor_proto.tensor_content, "<f4")[0] if e.tensor_proto.tensor_content
                                else e.tensor_proto.float_val[0] for e in losses], recorded, rtol=1e-6)  # fmt: skip
    assert [event.step for event in events.Tensors("grid")] == [0, 1, 2]


# --- stopping and going on --------------------------------------------------------------------------------------------


def test_more_epochs_continue_as_if_asked_for_from_the_start(tiny, noise_dataset, tmp_path):
    whole = train(replace(tiny, epochs=3), dataset=noise_dataset, runs_dir=tmp_path / "a", progress=False)
    part = train(tiny, dataset=noise_dataset, runs_dir=tmp_path / "b", progress=False)
    resume(part, changed=replace(tiny, epochs=3), dataset=noise_dataset, progress=False)
    assert_same_contents(whole, part)


def test_resume_refuses_changed_settings_and_names_them(tiny, noise_dataset, tmp_path):
    run = train(tiny, dataset=noise_dataset, runs_dir=tmp_path, progress=False)
    before = contents(run)
    with pytest.raises(InputError, match=r"training.learning_rate: 0.0002 in the run, 0.001 asked for"):
        resume(run, changed=replace(tiny, learning_rate=0.001), dataset=noise_dataset, progress=False)
    with pytest.raises(InputError, match="epochs can only be raised"):
        resume(run, changed=replace(tiny, epochs=1), dataset=noise_dataset, progress=False)
    assert contents(run) == before


def test_resume_refuses_other_images(tiny, noise_dataset, tmp_path):
    import dataclasses

    run = train(tiny, dataset=noise_dataset, runs_dir=tmp_path, progress=False)
    with pytest.raises(InputError, match="fingerprint feedfeedfeed, the run has 0123456789ab"):
        resume(run, dataset=dataclasses.replace(noise_dataset, fingerprint="feedfeedfeed00"), progress=False)


def test_losses_that_are_not_finite_stop_the_run_and_keep_the_last_good_checkpoint(tiny, noise_dataset, tmp_path):
    with pytest.raises(InputError, match="no longer finite at update .*smaller --learning-rate"):
        train(replace(tiny, learning_rate=1e30), dataset=noise_dataset, runs_dir=tmp_path, progress=False)
    run = Run.find("last", tmp_path)
    assert checkpoint.latest(run.checkpoints) == 0
    assert all(np.isfinite(values).all() for values in run.steps().values())


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(tiny, noise_dataset, tmp_path):
    whole = train(tiny, dataset=noise_dataset, runs_dir=tmp_path / "a", progress=False)
    run = train(tiny, dataset=noise_dataset, runs_dir=tmp_path / "b", progress=False)
    newest = max(run.checkpoints.iterdir())
    newest.write_bytes(newest.read_bytes()[:-1000])
    resume(run, dataset=noise_dataset, progress=False)
    assert "cannot be read" in (run.folder / "log.txt").read_text()
    assert_same_contents(whole, run)


def test_a_full_disk_stops_the_run_in_one_sentence_and_the_run_goes_on_afterwards(tiny, noise_dataset, tmp_path):
    """A real full disk: a small file system in memory."""
    disk, whole = tmp_path / "disk", train(tiny, dataset=noise_dataset, runs_dir=tmp_path / "a", progress=False)
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
        short = replace(tiny, epochs=2)
        run.save_experiment(short)
        if checkpoint.latest(run.checkpoints) is None or checkpoint.latest(run.checkpoints) < 6:
            resume(run, dataset=noise_dataset, progress=False)
            assert_same_contents(whole, run)
    finally:
        subprocess.run(["umount", disk], check=True)


# --- real processes ---------------------------------------------------------------------------------------------------

SETTINGS = ["--data", "house_numbers", "--count", "64", "--width", "0.0625", "--batch-size", "8", "--averaging", "0.9"]
SETTINGS += ["--summary-samples", "16", "--batch-norm", "batch", "--checkpoint-seconds", "0"]


def dcgan(*arguments, data_dir, runs_dir, **options):
    environment = dict(os.environ, DCGAN_DATA_DIR=str(data_dir), DCGAN_RUNS_DIR=str(runs_dir), PYTHONPATH=str(PROJECT))
    return subprocess.Popen(
        [sys.executable, "-m", "utils", *arguments], env=environment, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, **options,
    )  # fmt: skip


def wait_for(condition, process, seconds=120):
    until = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, "waited too long"
        time.sleep(0.002)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A run of six epochs that nobody stopped, as the command line trains it."""
    places = {"data_dir": tmp_path_factory.mktemp("data"), "runs_dir": tmp_path_factory.mktemp("runs")}
    process = dcgan("train", *SETTINGS, "--epochs", "6", **places)
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    return Run.find("last", places["runs_dir"]), places["data_dir"], output


@pytest.mark.slow
def test_a_run_killed_at_random_moments_ends_with_the_same_bits(undisturbed, tmp_path):
    """SIGKILL, four times; checkpoints are written after every update, so kills hit them too."""
    whole, data_dir, _ = undisturbed
    moments = random.Random(20)
    places = {"data_dir": data_dir, "runs_dir": tmp_path}
    process = dcgan("train", *SETTINGS, "--epochs", "6", **places)
    kills = []
    for _ in range(4):
        wait_for(lambda: any(tmp_path.glob("*/*/experiment.json")), process)
        run = Run.find("last", tmp_path)
        enough = len(run.steps().get("update", ())) + moments.randrange(1, 12)
        wait_for(lambda: len(run.steps().get("update", ())) >= min(enough, 47), process)
        time.sleep(moments.random() * 0.1)
        process.kill()
        process.communicate()
        kills.append(len(run.steps().get("update", ())))
        process = dcgan("resume", "last", "--checkpoint-seconds", "0", **places)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert kills[0] < 48
    assert_same_contents(whole, Run.find("last", tmp_path))


@pytest.mark.slow
def test_a_process_killed_while_it_writes_a_checkpoint_leaves_the_one_before(undisturbed, tmp_path):
    whole, data_dir, _ = undisturbed
    places = {"data_dir": data_dir, "runs_dir": tmp_path}
    process = dcgan("train", *SETTINGS, "--epochs", "6", **places)
    # A temporary file beside the checkpoints that is not empty: one is being written at this moment.
    wait_for(lambda: any(f.stat().st_size for f in _existing(tmp_path.glob("*/*/checkpoints/.update_*"))), process)
    process.kill()
    process.communicate()
    process = dcgan("resume", **places)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert_same_contents(whole, Run.find("last", tmp_path))


def _existing(paths):
    return [path for path in paths if path.exists()]


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_and_sigterm_save_say_how_to_go_on_and_lose_nothing(undisturbed, tmp_path, number, code):
    whole, data_dir, _ = undisturbed
    places = {"data_dir": data_dir, "runs_dir": tmp_path}
    settings = [*SETTINGS[:-1], "1000"]  # no checkpoint but that of the signal and those of the epochs
    process = dcgan("train", *settings, "--epochs", "6", **places)
    wait_for(lambda: any(tmp_path.glob("*/*/steps.jsonl")), process)
    run = Run.find("last", tmp_path)
    wait_for(lambda: len(run.steps().get("update", ())) >= 2, process)
    process.send_signal(number)
    output, errors = process.communicate()
    assert process.returncode == code
    assert "Traceback" not in errors
    command = re.search(r"Go on with: \./dcgan (resume \S+)", output)[1].split()
    assert checkpoint.latest(run.checkpoints) == len(run.steps()["update"])
    process = dcgan(*command, **places)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert_same_contents(whole, run)


def test_the_command_line_ends_by_naming_files_that_exist_and_commands(undisturbed):
    run, _, output = undisturbed
    for label, path in (("run", run.folder), ("film", run.film), ("curves", run.losses_plot)):
        assert f"  {label:<8}{path}" in output and path.exists()
    assert str(run.grid(6)) in output
    assert output.count("./dcgan ") == 3
