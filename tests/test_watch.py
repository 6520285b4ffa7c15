"""What the watch measures while a training runs, and what it says."""

import numpy as np
import pytest

from utils.config import replace
from utils.data import Dataset, scale
from utils.training import train
from utils.training.players import build_players
from utils.training.watch import Watch, remark

IMAGES = np.random.default_rng(3).integers(0, 256, (64, 32, 32, 3), np.uint8)


def look(experiment, change=lambda networks: None):
    networks = build_players(experiment)
    change(networks)
    before = [v.numpy() for v in networks.variables().values()]
    watch = Watch(experiment, networks, IMAGES)
    row = watch.look(25)
    assert all(np.array_equal(a, b) for a, b in zip(before, networks.variables().values(), strict=True))
    return row, networks, watch


def spoil_averages(networks):
    """Moving averages that no batch would have."""
    for layer in [*networks.discriminator.layers, *networks.generator.layers]:
        if hasattr(layer, "moving_mean"):
            layer.moving_mean.assign(layer.moving_mean + 3.0)


def test_without_batch_normalisation_there_is_nothing_to_see(tiny):
    row, _, _ = look(replace(tiny, batch_norm="off"))
    assert row["gap"] == 0 and row["fake_batch"] == row["fake_moving"] and row["true_batch"] == row["true_moving"]


def test_the_gap_is_the_difference_between_what_the_two_updates_see(tiny):
    """Keras's own modes say the same: `training=True` is by the batch, `training=False` by the averages."""
    for statistics, draws, judges in (
        ("batch", True, True), ("moving_judge", True, False), ("moving_fakes", False, True), ("moving", False, False)
    ):  # fmt: skip
        experiment = replace(tiny, batch_norm="on", statistics=statistics, discriminator={"dropout": 0.0})
        row, networks, watch = look(experiment, spoil_averages)
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
    row, networks, watch = look(experiment)
    fake = np.asarray(networks.generator(watch._latents, training=True))
    joined = np.concatenate([watch._true, fake])
    seen = np.asarray(networks.discriminator(joined, training=True))[len(fake) :].mean()
    alone = np.asarray(networks.discriminator(fake, training=True)).mean()
    assert row["gap"] == pytest.approx(abs(seen - alone), abs=1e-6) and row["gap"] > 1e-5


def test_diversity_is_the_deviation_over_samples(tiny):
    row, _, watch = look(tiny)
    assert row["diversity_true"] == pytest.approx(watch._true.std(axis=0).mean(), rel=1e-6)
    assert {image.tobytes() for image in watch._true} <= {image.tobytes() for image in scale(IMAGES)}


def row(update, gap=0.0, diversity=0.5):
    return {"update": update, "gap": gap, "diversity": diversity, "diversity_true": 0.5}


def test_two_looks_at_two_discriminators_are_said_once_with_the_cure(tiny):
    experiment = replace(tiny, batch_norm="on", statistics="moving")
    rows = [row(25, 0.9), row(50, 0.9), row(75, 0.9)]
    assert remark(rows[:1], experiment) is None
    said = remark(rows[:2], experiment)
    assert "Update 50" in said and "0.90" in said and "--statistics batch" in said
    assert remark(rows, experiment) is None
    joined = replace(tiny, batch_norm="on", discriminator_updates="joint", join_batches=True)
    assert "--no-join-batches" in remark(rows[:2], joined)


def test_a_collapse_is_a_fall_not_the_grey_beginning(tiny):
    beginning = [row(25, diversity=0.01), row(50, diversity=0.02)]
    assert remark(beginning, tiny) is None
    fallen = [*beginning, row(75, diversity=0.4), row(100, diversity=0.05)]
    assert "--weights normal" in remark(fallen, replace(tiny, batch_norm="on"))
    assert "--batch-norm on" in remark(fallen, replace(tiny, batch_norm="off", weights="normal"))
    assert "another --seed" in remark(fallen, replace(tiny, batch_norm="on", weights="normal"))


def test_what_passes_is_said_to_be_over(tiny):
    collapsed = [row(25, diversity=0.4), row(50, diversity=0.05)]
    apart = [row(25, 0.9), row(50, 0.9)]
    for rows in (collapsed, apart):
        assert remark(rows, tiny).startswith("Warning. Update 50: ")
        recovered = [*rows, row(75, diversity=0.4)]
        said = remark(recovered, tiny)
        assert said.startswith("Update 75: what the last warning was about is over") and "diversity 0.40" in said
        assert remark([*recovered, row(100, diversity=0.4)], tiny) is None


def test_watching_does_not_change_the_training(tiny, tmp_path):
    dataset = Dataset(name="noise", title="noise", images=IMAGES, fingerprint="f")
    records = []
    for every in (0, 2):
        experiment = replace(tiny, batch_norm="on", watch_updates=every, count=None, epochs=1)
        run = train(experiment, dataset=dataset, runs_dir=tmp_path / str(every), progress=False)
        records.append(run.steps())
        looks = range(2, len(records[-1]["update"]) + 1, 2) if every else []
        assert [row["update"] for row in run.watch()] == list(looks)
    assert all(np.array_equal(records[0][name], records[1][name]) for name in records[0])


def test_kept_models_and_rare_summaries(tiny, tmp_path):
    """With three epochs and a summary every two there are summaries at 0, 2 and 3, each with its networks."""
    dataset = Dataset(name="noise", title="noise", images=IMAGES, fingerprint="f")
    experiment = replace(tiny, count=None, epochs=3, summary_epochs=2, keep_models=True)
    run = train(experiment, dataset=dataset, runs_dir=tmp_path, progress=False)
    assert [epoch["epoch"] for epoch in run.epochs()] == [0, 2, 3]
    kept = {path.parent.name for path in (run.folder / "models").glob("epoch_*/discriminator.keras")}
    assert kept == {"epoch_0000", "epoch_0002", "epoch_0003"}
    assert run.model("generator", epoch=2).is_file() and not run.grid(1).exists()
