"""The studies: what their arms differ in, that runs are taken up again, and that figures come from the records."""

import numpy as np
import pytest

from utils import config
from utils.config import preset, replace
from utils.errors import InputError
from utils.studies import results
from utils.studies.amount_of_data import amount_of_data
from utils.studies.batch_normalisation import batch_normalisation, verdicts
from utils.studies.figures import stack_samples
from utils.studies.losses import losses
from utils.studies.study import Arm, Study, train_arms
from utils.viz import read_png


def changes(study, arm, base="off"):
    experiments = {arm.name: arm.experiment for arm in study.arms}
    return {name: new for name, (_, new) in config.differences(experiments[base], experiments[arm]).items()}


def test_the_arms_of_batch_normalisation_differ_in_one_thing_each():
    study = batch_normalisation()
    assert changes(study, "moving") == {"model.batch_norm": "moving"}
    assert changes(study, "batch") == {"model.batch_norm": "batch"}
    assert changes(study, "recipe", "batch") == {"model.weights": "normal"}
    for arm in ("moving_normal", "moving_momentum_0.9", "moving_momentum_0.8", "moving_slow", "moving_generator_only"):
        assert len(changes(study, arm, "moving")) == 1
    for arm in ("recipe_joint", "recipe_norm_first", "recipe_generator_only"):
        assert len(changes(study, arm, "recipe")) == 1
    assert changes(study, "recipe_joined", "recipe_joint") == {"training.join_batches": True}
    report = preset("report32")
    experiment = study.arms[0].experiment
    assert experiment.model == config.replace(report, width=0.5).model
    assert experiment.training.learning_rate == report.training.learning_rate == 2e-4


def test_amounts_are_compared_at_the_same_updates_and_at_the_same_epochs():
    arms = {arm.name: arm.experiment for arm in amount_of_data().arms}
    updates, epochs = {}, {}
    for name, experiment in arms.items():
        per_epoch = experiment.data.count // experiment.training.batch_size
        every = experiment.training.summary_epochs
        if name.endswith("-epochs"):
            epochs[experiment.data.count] = experiment.training.epochs
        else:
            updates[experiment.data.count] = [
                epoch * per_epoch for epoch in range(0, experiment.training.epochs + 1, every)
            ]
    assert set(map(tuple, updates.values())) == {(0, 250, 500, 750, 1000)}
    assert sorted(updates) == [128, 640, 3200, 16000] and epochs == {128: 4, 640: 4, 3200: 4}
    assert arms["16000"].training.epochs == 4  # so it is in both comparisons


def test_losses_are_recorded_where_samples_are_kept_ten_times():
    for arm in losses().arms:
        training = arm.experiment.training
        assert training.epochs // training.summary_epochs == 10 and training.keep_models and training.averaging == 0


@pytest.fixture
def study(tiny):
    return Study(
        "little", "Does it work?", (Arm("a", "one", tiny), Arm("b", "two", replace(tiny, weights="normal"))), (0, 1)
    )


@pytest.mark.slow
def test_arms_are_trained_once_taken_up_where_they_stopped_and_kept(study, tmp_path):
    first = train_arms(study.only(["a"], [1]), tmp_path, data_dir=tmp_path / "data", progress=False)
    log = (first["a", 1].folder / "log.txt").read_text()
    begun = study.changed(epochs=1).only(["b"], [0])  # of another length: another experiment, left alone
    train_arms(begun, tmp_path, data_dir=tmp_path / "data", progress=False)
    runs = train_arms(study, tmp_path, data_dir=tmp_path / "data", progress=False)
    assert sorted(runs) == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]
    assert runs["a", 1].folder == first["a", 1].folder
    assert (first["a", 1].folder / "log.txt").read_text() == log
    assert {run.experiment.training.seed for (_, seed), run in runs.items() if seed == 1} == {1}

    kept = results.load("little", results.keep(study, runs, tmp_path / "results", lambda run: {"seven": 7}).parent)
    assert [(run["arm"], run["seed"], run["seven"]) for run in kept["runs"]] == [(*key, 7) for key in runs]
    steps = runs["b", 1].steps()
    assert kept["runs"][3]["curves"]["loss_true"] == pytest.approx(steps["loss_true"], rel=1e-4)
    picture = read_png(tmp_path / "results" / "little" / "a-1.png")
    assert picture.shape == (34 + 2, results.SAMPLES * 34 + 2, 3)
    results.keep(study.only(["a"], [0]), {("a", 0): runs["a", 0]}, tmp_path / "results", lambda run: {"seven": 8})
    again = results.load("little", tmp_path / "results")
    assert [run["seven"] for run in again["runs"]] == [8, 7, 7, 7] and list(again["arms"]) == ["a", "b"]
    assert stack_samples(again, ["a", "b"], tmp_path / "results").shape[1] == results.SAMPLES * 34 + 2


def test_an_arm_that_does_not_exist_is_refused_with_those_that_do(study):
    with pytest.raises(InputError, match="no arm 'c'; choose from a, b"):
        study.only(["c"])


def test_curves_are_means_of_equal_parts():
    steps = {"update": np.arange(1, 201), "epoch": np.ones(200), "loss": np.arange(200.0)}
    kept = results.curves(steps, points=4)
    assert kept == {"update": [25.5, 75.5, 125.5, 175.5], "loss": [24.5, 74.5, 124.5, 174.5]}


def test_verdicts_count_the_runs_that_fail_in_either_way():
    def run(arm, seed, gap, diversity):
        row = {"gap": gap, "fake_batch": 0.1, "fake_moving": 0.2, "diversity": diversity, "diversity_true": 0.5}
        names = ("update", "loss_true", "loss_fake", "loss_generator", "gradient_norm")
        return {"arm": arm, "seed": seed, "watch": [row] * 8, "curves": {name: [1.0] * 8 for name in names}}

    kept = {
        "arms": {"x": "an arm", "y": "another", "z": "not run"},
        "runs": [run("x", 0, 0.9, 0.01), run("x", 1, 0.1, 0.01), run("x", 2, 0.1, 0.4), run("y", 0, 0.0, 0.5)],
    }
    assert [(row["arm"], row["verdict"]) for row in verdicts(kept)] == [
        ("x", "updates disagree 1/3, samples alike 1/3, neither 1/3"),
        ("y", "neither 1/1"),
    ]
    assert verdicts(kept)[1]["diversity"] == "1"
