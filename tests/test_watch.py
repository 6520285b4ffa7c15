"""What the watch measures while a training runs, and what it says."""

import base64

import numpy as np
import pytest

from benchmarks.doctor import COLLAPSE, GAP, WON, outcome_of_kept
from utils.config import replace
from utils.data import Dataset, scale
from utils.studies import results
from utils.studies.amount_of_data import amount_of_data
from utils.studies.batch_normalisation import batch_normalisation
from utils.studies.losses import losses
from utils.training import resume, train
from utils.training.copies import SIDE
from utils.training.doctor import Diagnosis
from utils.training.players import build_players
from utils.training.watch import Watch

IMAGES = np.random.default_rng(3).integers(0, 256, (64, 32, 32, 3), np.uint8)


def measured(experiment, change=lambda networks: None):
    networks = build_players(experiment)
    change(networks)
    before = [v.numpy() for v in networks.variables().values()]
    watch = Watch(experiment, networks, IMAGES)
    row = watch.measure(25)
    assert all(np.array_equal(a, b) for a, b in zip(before, networks.variables().values(), strict=True))
    return row, networks, watch


def spoil_averages(networks):
    """Moving averages that no batch would have."""
    for layer in [*networks.discriminator.layers, *networks.generator.layers]:
        if hasattr(layer, "moving_mean"):
            layer.moving_mean.assign(layer.moving_mean + 3.0)


def test_without_batch_normalisation_there_is_nothing_to_see(tiny):
    row, _, _ = measured(replace(tiny, batch_norm="off"))
    assert row["gap"] == 0 and row["fake_batch"] == row["fake_moving"] and row["true_batch"] == row["true_moving"]


def test_the_gap_is_the_difference_between_what_the_two_updates_see(tiny):
    """Keras's own modes say the same: `training=True` is by the batch, `training=False` by the averages."""
    for statistics, draws, judges in (
        ("batch", True, True), ("moving_judge", True, False), ("moving_fakes", False, True), ("moving", False, False)
    ):  # fmt: skip
        experiment = replace(tiny, batch_norm="on", statistics=statistics, discriminator={"dropout": 0.0})
        row, networks, watch = measured(experiment, spoil_averages)
        # Training mode moves the averages, so what goes by them is computed first.
        drawn_by_average = np.asarray(networks.generator(watch._latents, training=False))
        drawn_by_batch = np.asarray(networks.generator(watch._latents, training=True))
        judged = float(np.mean(networks.discriminator(drawn_by_batch, training=judges)))
        seen = float(np.mean(networks.discriminator(drawn_by_batch if draws else drawn_by_average, training=True)))
        assert row["gap"] == pytest.approx(abs(judged - seen), abs=1e-5)
        assert (row["gap"] > 1e-3) == (statistics != "batch")


def test_a_joined_batch_is_seen_as_joined(tiny):
    experiment = replace(
        tiny, batch_norm="on", discriminator_updates="joint", join_batches=True, discriminator={"dropout": 0.0}
    )
    row, networks, watch = measured(experiment)
    fake = np.asarray(networks.generator(watch._latents, training=True))
    joined = np.concatenate([watch._true, fake])
    seen = np.asarray(networks.discriminator(joined, training=True))[len(fake) :].mean()
    alone = np.asarray(networks.discriminator(fake, training=True)).mean()
    assert row["gap"] == pytest.approx(abs(seen - alone), abs=1e-6) and row["gap"] > 1e-5


def test_fakes_of_a_joined_batch_are_drawn_as_its_update_draws_them(tiny):
    network = {"batch_norm": "on", "discriminator": {"dropout": 0.0}}
    experiment = replace(tiny, **network, statistics="moving_fakes", discriminator_updates="joint", join_batches=True)
    row, networks, watch = measured(experiment, spoil_averages)
    fake = np.asarray(networks.generator(watch._latents, training=False))
    joined = np.asarray(networks.discriminator(np.concatenate([watch._true, fake]), training=True))
    assert row["gap"] == pytest.approx(abs(joined[len(fake) :].mean() - row["fake_batch"]), abs=1e-5)
    assert row["gap"] > 1e-3


@pytest.mark.parametrize("join", [False, True])
def test_players_that_descend_one_pass_see_no_gap(tiny, join):
    together = replace(tiny, batch_norm="on", discriminator_updates="joint", shared_latents=True, simultaneous=True)
    assert measured(replace(together, join_batches=join))[0]["gap"] == 0


def test_diversity_is_the_deviation_over_samples(tiny):
    row, networks, watch = measured(tiny)
    fake = np.asarray(networks.generator(watch._latents))
    assert row["diversity"] == pytest.approx(fake.std(axis=0).mean(), rel=1e-5) and row["diversity"] > 0
    assert row["diversity_true"] == pytest.approx(watch._true.std(axis=0).mean(), rel=1e-6)
    assert {image.tobytes() for image in watch._true} <= {image.tobytes() for image in scale(IMAGES)}


@pytest.mark.parametrize(("size", "looked_at"), [(1, 8), (3, 9), (7, 14)])
@pytest.mark.parametrize("join", [False, True])
def test_small_batches_are_judged_as_updates_do_and_as_many_are_looked_at_as_tell_whether_samples_differ(
    tiny, size, looked_at, join
):
    experiment = replace(
        tiny, batch_norm="on", batch_size=size, discriminator={"dropout": 0.0}, discriminator_updates="joint",
        join_batches=join,
    )  # fmt: skip
    row, networks, watch = measured(experiment)
    true = watch._true
    assert len(true) == len(watch._latents) == looked_at
    fake = [
        np.asarray(networks.generator(watch._latents[start : start + size], training=True))
        for start in range(0, looked_at, size)
    ]

    def judged(behind=lambda number: true[:0]):
        pairs = [np.concatenate([behind(number), batch]) for number, batch in enumerate(fake)]
        return np.mean([networks.discriminator(pair, training=True)[-size:] for pair in pairs])

    assert row["fake_batch"] == pytest.approx(judged(), abs=1e-5)
    beside = judged(lambda number: true[number * size : (number + 1) * size])
    assert row["gap"] == pytest.approx(abs(beside - row["fake_batch"]) if join else 0, abs=1e-5)
    assert row["diversity"] == pytest.approx(np.concatenate(fake).std(axis=0).mean(), rel=1e-3)
    assert row["diversity"] > 0 and row["diversity_true"] > 0.2  # noise


@pytest.mark.parametrize("size", [1, 2, 8])
def test_samples_that_differ_as_true_images_do_are_no_collapse_however_small_batches_are(tiny, size, monkeypatch):
    watch = Watch(replace(tiny, batch_size=size), build_players(tiny), IMAGES)
    monkeypatch.setattr(watch, "_draw", lambda statistics: watch._true[::-1])
    assert said(tiny, [watch.measure(update) for update in range(25, 250, 25)]) == [None] * 9


def test_a_checkpoint_of_a_version_that_followed_fewer_samples_is_gone_on_from(tiny):
    _, _, watch = measured(replace(tiny, batch_size=2))
    kept, watch.memory = watch.memory, base64.b64encode(base64.b64decode(watch.memory)[: 2 * SIDE * SIDE * 3]).decode()
    assert "moved" not in watch.measure(50) and watch.memory == kept and watch.measure(75)["moved"] == 0


def test_parts_of_a_joined_batch_are_each_of_true_and_fake_images(tiny):
    experiment = replace(
        tiny, batch_norm="on", batch_norm_parts=2, discriminator_updates="joint", join_batches=True,
        discriminator={"dropout": 0.0},
    )  # fmt: skip
    row, networks, watch = measured(experiment)
    halves = [slice(0, 4), slice(4, 8)]
    fake = [np.asarray(networks.generator(watch._latents[half], training=True)) for half in halves]
    pairs = [np.concatenate([watch._true[half], drawn]) for half, drawn in zip(halves, fake)]
    seen = np.mean([networks.discriminator(pair, training=True)[4:] for pair in pairs])
    alone = np.mean([networks.discriminator(drawn, training=True) for drawn in fake])
    assert row["fake_batch"] == pytest.approx(alone, abs=1e-6)
    assert row["gap"] == pytest.approx(abs(seen - alone), abs=1e-6)
    whole = np.mean(networks.discriminator(np.concatenate(fake), training=True))  # what parts cut of both would be
    assert abs(seen - whole) > 1e-5


def row(update, gap=0.0, diversity=0.5, true=0.8, fake=0.2):
    scores = {"true_batch": true, "fake_batch": fake, "fake_moving": fake}
    return {"update": update, "gap": gap, "diversity": diversity, "diversity_true": 0.5} | scores


def said(experiment, rows):
    """What is said at each measurement."""
    diagnosis = Diagnosis(experiment)
    return [" ".join(diagnosis.diagnose(row)) or None for row in rows]


def test_two_measurements_of_two_discriminators_are_said_once_with_the_cure(tiny):
    rows = [row(25, 0.9), row(50, 0.9), row(75, 0.9)]
    first, second, third = said(replace(tiny, batch_norm="moving"), rows)
    assert first is None and third is None
    assert "Update 50" in second and "0.90" in second and "--statistics batch" in second
    joined = replace(tiny, batch_norm="on", discriminator_updates="joint", join_batches=True)
    assert "--no-join-batches" in said(joined, rows)[1]


def test_a_collapse_is_said_at_once_and_the_grey_beginning_is_not_one(tiny):
    rows = [row(25, diversity=0.01), row(50, diversity=0.02)]
    assert said(tiny, rows) == [None, None]
    rows += [row(75, diversity=0.4), row(100, diversity=0.05), row(125, diversity=0.05)]
    for settings, cure in (
        ({"batch_norm": "on"}, "; use --weights normal (helped in notebook 05); leads, not proven: a smaller"),
        ({"batch_norm": "off", "weights": "normal"}, "; use --batch-norm on (helped in notebook 05); leads,"),
        ({"batch_norm": "off"}, "; use --batch-norm on (helped in notebook 05) and --weights normal (helped in"),
        ({"batch_norm": "on", "weights": "normal"}, "; leads, not proven: a smaller --learning-rate, another --seed."),
    ):
        *before, collapsed = said(replace(tiny, **settings), rows)
        assert before == [None] * 4 and cure in collapsed and "have become nearly alike" in collapsed


def test_samples_that_were_alike_from_the_start_are_said_to_be_after_a_stated_number_of_updates(tiny):
    nothing = said(tiny, [row(u, diversity=6e-5) for u in range(25, 200, 25)])
    assert [sentence is not None for sentence in nothing] == [False] * 4 + [True] + [False] * 2  # at 100 and 125
    assert "are still nearly alike (diversity 6e-05, true images 0.5)" in nothing[4]
    little = said(tiny, [row(u, diversity=0.1) for u in range(25, 600, 25)])
    assert [n for n, sentence in enumerate(little) if sentence] == [525 // 25 - 1]


def test_a_discriminator_that_has_won_for_long_is_said_to_have(tiny):
    won = {"true": 1.0, "fake": 1e-6}
    lost_once = said(tiny, [row(25, **won), row(50, **won), row(75, fake=0.1), row(100, **won), row(125, **won)])
    assert lost_once == [None] * 5
    rows = [row(u, **won) for u in (25, 50, 75, 100)]
    *before, at_last = said(tiny, rows)
    assert before == [None] * 3 and "the discriminator has won (mean scores: true samples 1.00, fake ones" in at_last
    assert "leads, not proven: a smaller --discriminator-learning-rate" in at_last and "use " not in at_last
    assert "; use --loss non_saturating (" in said(replace(tiny, loss="saturating"), rows)[-1]
    # It is the discriminator that the generator is updated with whose scores count.
    assert said(replace(tiny, batch_norm="moving_judge"), [row | {"fake_moving": 0.3} for row in rows]) == [None] * 4
    # What a Wasserstein critic gives is no score.
    critic = {"loss": "wasserstein", "discriminator_updates": "joint"}
    assert said(replace(tiny, **critic), rows) == [None] * 4


def test_what_passes_is_said_to_be_over_at_the_third_measurement_without_it(tiny):
    collapsed = [row(25, diversity=0.4), row(50, diversity=0.05), row(75, diversity=0.05)]
    apart = [row(25), row(50, 0.9), row(75, 0.9)]
    for rows, what in (
        (collapsed, "the collapse is over (diversity 0.4,"),
        (apart, "the gap between the two updates is"),
    ):
        after = [row(u, diversity=0.4) for u in (100, 125, 150, 175)]
        *_, warning, first, second, over, nothing = said(tiny, [*rows, *after])
        assert warning.startswith("Warning. Update 75: ") and first is second is nothing is None
        assert over.startswith(f"Update 150: {what}")
        diagnosis = Diagnosis(tiny, [*rows, *after[:2]])
        assert "Update 75: " in diagnosis.verdict and not diagnosis.healthy
        assert Diagnosis(tiny, [*rows, *after[:3]]).healthy


def test_one_failure_that_turns_into_another_is_said(tiny):
    rows = [row(25, 0.9), row(50, 0.9), *(row(u, diversity=0.05) for u in (75, 100, 125))]
    rows += [row(150, 0.9, 0.05), row(175, 0.9, 0.05)]
    _, apart, *none, alike, nothing, again = said(replace(tiny, batch_norm="moving"), rows)
    assert "different networks" in apart and none == [None, None] and nothing is None
    assert alike.startswith("Warning. Update 125: the samples have become nearly alike")
    assert again.startswith("Warning. Update 175: batch normalisation shows")


@pytest.mark.parametrize("name", ["gap", "diversity"])
def test_measurements_about_a_limit_are_not_a_failure_and_its_end_by_turns(tiny, name):
    about = {"gap": (0.51, 0.49), "diversity": (0.124, 0.13)}[name]
    rows = [row(25), row(50, **{name: about[0]})]
    rows += [row(25 * n, **{name: about[n % 2]}) for n in range(2, 40)]
    sentences = [sentence for sentence in said(tiny, rows) if sentence]
    assert len(sentences) == 1 and sentences[0].startswith("Warning")


CLAIMS = {COLLAPSE: "have become nearly alike", WON: "the discriminator has won"}


@pytest.mark.parametrize(
    ("study", "data"),
    [(batch_normalisation, "faces"), (batch_normalisation, "cifar10"), (amount_of_data, "faces"),
     (amount_of_data, "cifar10"), (losses, "faces")],
)  # fmt: skip
def test_kept_courses_are_judged_as_their_samples_were(study, data):
    """Healthy runs are never warned about, those with the report's fault always are, and soon."""
    asked = study(data)
    experiments = {arm.name: arm.experiment for arm in asked.arms}
    for run in results.load(asked.name)["runs"]:
        known = outcome_of_kept(study.__name__, data, run["arm"], run["seed"])
        sentences = [sentence for sentence in said(experiments[run["arm"]], run["watch"]) if sentence]
        where = f"{asked.name}, {run['arm']}, seed {run['seed']}: {sentences}"
        assert known is None or bool(known) == bool(sentences), where
        if known == (GAP,):
            at = int(sentences[0].split()[2].rstrip(":"))
            assert sentences[0].startswith("Warning") and "different networks" in sentences[0] and at <= 100, where
            assert len([sentence for sentence in sentences if "different networks" in sentence]) == 1, where
        elif known:
            assert len(sentences) == 1 and CLAIMS[known[0]] in sentences[0], where


def test_an_interrupted_training_hears_what_an_uninterrupted_one_does(tiny):
    rows = [row(25, 0.9), row(50, 0.9), row(75, 0.45), row(100), row(125, diversity=0.1), row(150, diversity=0.14)]
    rows += [row(u, diversity=0.16, true=1.0, fake=1e-6) for u in (175, 200, 225, 250)] + [row(275, diversity=0.2)]
    whole = said(tiny, rows)
    assert sum(sentence is not None for sentence in whole) >= 3
    for cut in range(len(rows)):
        taken_up = Diagnosis(tiny, iter(rows[:cut]))
        assert [" ".join(taken_up.diagnose(row)) or None for row in rows[cut:]] == whole[cut:]


def test_a_training_that_fails_from_the_start_says_so_while_it_runs_and_at_its_end(tiny, tmp_path, undrawn):
    dataset = Dataset(name="noise", title="noise", images=IMAGES, fingerprint="f")
    settings = {"count": None, "epochs": 16, "summary_epochs": 16, "learning_rate": 0.3}
    run = train(replace(tiny, **settings), dataset=dataset, runs_dir=tmp_path, progress=False)
    *lines, last = (run.folder / "log.txt").read_text().splitlines()
    assert [line for line in lines if "Warning. Update 100: the discriminator has won" in line]
    assert "At the end of training: Update 125" in lines[-1]
    assert "Finished after 128 updates" in last
    resume(run, changed=replace(run.experiment, epochs=17), dataset=dataset, progress=False)
    again = (run.folder / "log.txt").read_text().splitlines()[len(lines) + 1 :]
    assert not [line for line in again if "Warning" in line] and "At the end of training: " in again[-2]


@pytest.mark.slow
def test_watching_does_not_change_the_training(tiny, tmp_path, undrawn):
    dataset = Dataset(name="noise", title="noise", images=IMAGES, fingerprint="f")
    records = []
    for every in (0, 2):
        experiment = replace(tiny, batch_norm="on", watch_updates=every, count=None, epochs=1)
        run = train(experiment, dataset=dataset, runs_dir=tmp_path / str(every), progress=False)
        records.append(run.steps())
        measured_at = range(2, len(records[-1]["update"]) + 1, 2) if every else []
        assert [row["update"] for row in run.watch() if "gap" in row] == list(measured_at)
    assert all(np.array_equal(records[0][name], records[1][name]) for name in records[0])


def test_kept_models_and_rare_summaries(tiny, tmp_path, light):
    """With three epochs and a summary every two there are summaries at 0, 2 and 3, each with its networks."""
    dataset = Dataset(name="noise", title="noise", images=IMAGES, fingerprint="f")
    experiment = replace(tiny, count=None, epochs=3, summary_epochs=2, keep_models=True)
    run = train(experiment, dataset=dataset, runs_dir=tmp_path, progress=False)
    assert [epoch["epoch"] for epoch in run.epochs()] == [0, 2, 3]
    kept = {path.parent.name for path in (run.folder / "models").glob("epoch_*/discriminator.keras")}
    assert kept == {"epoch_0000", "epoch_0002", "epoch_0003"}
    assert run.model("generator", 2).is_file() and not run.grid(1).exists()
