"""The studies: what their arms differ in, that runs are taken up again, and that figures come from the records."""

import gc
import importlib
import json
import re
import shutil
import subprocess
import sys
import threading
import time
import warnings
from dataclasses import replace as replace_fields
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from commands import said
from matplotlib.text import Text
from scipy.stats import mannwhitneyu

from utils import cli, config
from utils.config import DataConfig, preset, replace
from utils.data import load
from utils.errors import InputError
from utils.evaluation import features
from utils.evaluation.features import Extractor
from utils.presets import SCALES
from utils.report.of_study import command_of
from utils.runs import PROJECT
from utils.studies import COUNTING, STUDIES, measure, results, train
from utils.studies.amount_of_data import amount_of_data, by_amount, plot_amounts
from utils.studies.batch_normalisation import batch_normalisation, verdicts
from utils.studies.crossings import KINDS, by_kind, kept_runs, plot_kept_runs, relation
from utils.studies.figures import Panel, plot_arms, plot_samples
from utils.studies.losses import correlations, crossings, losses, plot_losses, readings
from utils.studies.perfect_generator import perfect_generator, plot_perfect
from utils.studies.recipes import (
    answer,
    by_arm,
    by_augmentation,
    carry_out,
    plot_augmentation,
    plot_recipes,
    recipes,
)
from utils.studies.study import Arm, Study, images_for, samples_for, train_arms
from utils.studies.train import train_study
from utils.tables import table
from utils.training.estimate import seconds_per_update
from utils.training.step import Update
from utils.viz import read_png, write_png


def changes(study, arm, base="off"):
    experiments = {arm.name: arm.experiment for arm in study.arms}
    return {name: new for name, (_, new) in config.differences(experiments[base], experiments[arm]).items()}


def test_the_arms_of_batch_normalisation_differ_in_one_thing_each():
    study = batch_normalisation()
    assert changes(study, "moving") == {"model.batch_norm": "on", "training.statistics": "moving"}
    assert changes(study, "batch") == {"model.batch_norm": "on"}
    assert changes(study, "recipe", "batch") == {"model.weights": "normal"}
    for arm in ("moving_normal", "moving_momentum_0.9", "moving_momentum_0.8", "moving_slow", "moving_generator_only"):
        assert len(changes(study, arm, "moving")) == 1
    for arm in ("recipe_joint", "recipe_norm_first", "recipe_generator_only", "recipe_moving_fakes"):
        assert len(changes(study, arm, "recipe")) == 1
    assert changes(study, "recipe_joined", "recipe_joint") == {"training.join_batches": True}
    report = preset("report32")
    experiment = study.arms[0].experiment
    assert experiment.model == config.replace(report, width=0.5).model
    assert experiment.training.learning_rate == report.training.learning_rate == 2e-4


@pytest.mark.parametrize("make", [batch_normalisation, amount_of_data, losses])
def test_a_study_has_the_same_question_at_every_scale_and_its_results_a_name_of_their_own(make, tmp_path):
    studies = [make("faces", scale) for scale in SCALES]
    assert len({study.question for study in studies}) == 1
    name = make.__name__
    assert [study.name for study in studies] == [f"{name}-faces-quick", f"{name}-faces", f"{name}-faces-smallest"]
    assert make(str(tmp_path / "my pictures"), "quick").name == f"{name}-my-pictures-quick"
    with pytest.raises(InputError, match="scale must be one of quick, report, smallest. Received: 'big'"):
        make("faces", "big")


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_has_the_scale_that_was_asked_for_whatever_its_pictures_are_called(name, tmp_path):
    make = getattr(importlib.import_module(f"utils.studies.{name}"), name)
    images = np.random.default_rng(0).integers(0, 256, (400, 8, 8, 3), np.uint8)
    for called in ("photos-quick", "photos-smallest", "photos-report"):
        np.savez(tmp_path / f"{called}.npz", images=images)
        for scale in SCALES:
            made = make(str(tmp_path / f"{called}.npz"), scale)
            assert made.scale == scale and made.only(seeds=[5]).scale == scale
            assert made.only(seeds=[5, 0, 5, 0]).seeds == (5, 0)  # none is trained twice
            if all(hasattr(arm, "experiment") for arm in made.arms):  # else nothing is trained
                most = {arm.name: made.only([arm.name]).only([arm.name]).on_most_images() for arm in made.arms}
                assert set(most.values()) == {made.on_most_images()}
                assert made.only([made.arms[0].name]).changed(epochs=7).on_most_images().training.epochs == 7
            file = results.write(made, {}, tmp_path / scale)
            shown = command_of(made.name, results.load(made.name, file.parent)["scale"])
            assert f"--data {called} " in shown and ("--scale" in shown) == (scale != "report")
    assert "--data faces --scale quick " in command_of(f"{name}-faces-quick"), "as results say it that were kept before"


@pytest.mark.parametrize("scale", SCALES)
def test_networks_are_kept_at_the_same_updates_in_all_arms_whatever_the_scale(scale):
    for study in (amount_of_data("faces", scale), losses("faces", scale)):
        kept = set()
        for arm in study.arms:
            training = arm.experiment.training
            per_epoch = arm.experiment.data.count // training.batch_size
            if not arm.name.endswith("-epochs"):
                kept.add(tuple(e * per_epoch for e in range(0, training.epochs + 1, training.summary_epochs)))
        assert len(kept) == 1 and len(kept.pop()) >= 3


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
        assert training.epochs // training.summary_epochs == 10 and training.keep_models and training.ema_decay == 0


@pytest.fixture
def study(tiny):
    return Study(
        "little", "Does it work?", (Arm("a", "one", tiny), Arm("b", "two", replace(tiny, weights="normal"))), (0, 1)
    )


def living_networks() -> int:
    gc.collect()
    return sum(isinstance(thing, (keras.Layer, keras.optimizers.Optimizer)) for thing in gc.get_objects())


@pytest.mark.slow
def test_arms_are_trained_once_taken_up_where_they_stopped_and_kept(study, tmp_path, undrawn):
    first = train_arms(study.only(["a"], [1]), tmp_path, data_dir=tmp_path / "data", progress=False)
    log = (first["a", 1].folder / "log.txt").read_text()
    begun = study.changed(epochs=1).only(["b"], [0])  # of another length: another experiment, left alone
    train_arms(begun, tmp_path, data_dir=tmp_path / "data", progress=False)
    before = living_networks()
    runs = train_arms(study, tmp_path, data_dir=tmp_path / "data", progress=False)
    assert living_networks() == before  # nothing of an arm stays in memory, so that a study may have many
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
    strips = [axes for axes in plot_samples(again, ["a", "b", "c"]).axes if axes.images]
    assert [axes.get_title("left") for axes in strips] == ["a", "b"]
    both = [read_png(tmp_path / "results" / "little" / f"a-{seed}.png") for seed in (0, 1)]
    np.testing.assert_array_equal(strips[0].images[0].get_array(), np.concatenate(both))


def made_up_run(number):
    """What `results.keep` reads of a run, without a training."""
    steps = {"update": np.arange(1, 4), "epoch": np.ones(3, int), "loss_true": np.full(3, 0.5)}
    environment = {"device": {"name": "a device"}, "images": 24, "fingerprint": "f"}
    environment |= dict.fromkeys(("tensorflow", "keras", "numpy", "python"), "1")
    return SimpleNamespace(
        folder=Path("runs", "faces", f"{number:04}"), seconds=1, environment=environment,
        steps=lambda: steps, watch=list, epochs=list,
    )  # fmt: skip


@pytest.mark.parametrize("error", [InputError, KeyboardInterrupt])
def test_what_was_kept_stays_whole_until_every_run_is_measured(study, tmp_path, monkeypatch, error):
    def drawn(value):
        monkeypatch.setattr(results, "_samples", lambda run: np.full((results.SAMPLES, 32, 32, 3), value, np.uint8))

    def files():
        return {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}

    def broken(run):
        if run is runs["b", 0]:
            raise error("while the second run is measured")
        return {"seven": 8}

    runs = {("a", 0): made_up_run(1), ("b", 0): made_up_run(2)}
    drawn(10)
    more = {"more.png": np.zeros((8, 8, 3), np.uint8)}
    results.keep(study, runs, tmp_path, lambda run: {"seven": 7}, pictures=more)
    before = files()
    assert {str(file.relative_to(tmp_path)) for file in before} == {
        ".lock", "little.json", "little/a-0.png", "little/b-0.png", "little/more.png"
    }  # fmt: skip
    drawn(200)
    with pytest.raises(error, match="second run"):
        results.keep(study, runs, tmp_path, broken)
    assert files() == before
    results.keep(study, {("b", 0): runs["b", 0]}, tmp_path, lambda run: {"seven": 8})
    changed = {file.name for file, content in files().items() if content != before[file]}
    assert changed == {"little.json", "b-0.png"} and files().keys() == before.keys()


def test_too_few_images_are_refused_before_any_arm_is_trained(study, tmp_path):
    few = tmp_path / "few.npz"
    np.savez(few, images=np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), np.uint8))
    places = {"data_dir": tmp_path / "data", "progress": False}
    for changes, words in (
        ({"name": str(few), "count": 24}, "has no 400 images set apart from training here \\(40 in all\\)"),
        ({"name": str(few), "count": 60}, "count must be at most the 40 images"),
    ):
        with pytest.raises(InputError, match=words):
            train_study(study.changed(**changes), tmp_path / "runs", samples=200, **places)
    assert not (tmp_path / "runs").exists()


def pictures(folder, count, broken):
    """A folder of different pictures of 32 pixels, the last of them broken."""
    folder.mkdir(parents=True)
    for number, image in enumerate(np.random.default_rng(7).integers(0, 256, (count, 32, 32, 3), np.uint8)):
        write_png(folder / f"{number:03}.png", image)
    for number in range(count - broken, count):
        (folder / f"{number:03}.png").write_bytes(b"no picture")
    return str(folder)


def test_own_pictures_that_cannot_be_used_do_not_count_once_they_have_been_read(tmp_path, monkeypatch):
    monkeypatch.setenv("DCGAN_DATA_DIR", str(tmp_path / "data"))
    beds = pictures(tmp_path / "beds", 340, 20)
    assert (images_for(beds, "report", 1, 1), samples_for(beds, "report")) == (340 - 2 * 42, 42)
    load(beds, 32, progress=False)
    assert (images_for(beds, "report", 1, 1), samples_for(beds, "report")) == (320 - 2 * 40, 40)


@pytest.mark.parametrize("name", COUNTING)
def test_which_own_pictures_can_be_used_is_looked_up_where_the_command_was_told_that_datasets_are(
    tmp_path, monkeypatch, capsys, name
):
    beds, apart, seen = pictures(tmp_path / "beds", 340, 20), str(tmp_path / "data"), []

    def carry_out(study, *_, **__):
        seen.append(study.on_most_images().data.count)
        raise InputError("seen")

    module = importlib.import_module(f"utils.studies.{name}")
    monkeypatch.setattr(train, "train_study", carry_out)
    monkeypatch.setattr(module, "carry_out", carry_out, raising=False)
    for most in (340 - 2 * 42, 320 - 2 * 40):
        assert cli.main(["study", name, "--data", beds, "--data-dir", apart]) == 2
        assert "seen" in capsys.readouterr().err and seen.pop() == most
        load(beds, 32, data_dir=apart, progress=False)


def test_a_study_that_was_made_for_pictures_which_cannot_be_used_says_so_and_is_made_anew(study, tmp_path):
    study = study.changed(name=pictures(tmp_path / "beds", 32, 2), count=12)
    for words in ("Of its 32 pictures 30 can be used, as is known now", "nothing to measure against.$"):
        with pytest.raises(InputError, match=words):
            train_study(study, tmp_path / "runs", data_dir=tmp_path / "data", samples=10, progress=False)
    assert not (tmp_path / "runs").exists()


def test_results_of_other_images_of_the_same_name_are_refused_before_any_arm_is_trained(study, tmp_path, monkeypatch):
    monkeypatch.setenv("DCGAN_DATA_DIR", str(tmp_path / "data"))
    for place, seed in (("a", 0), ("b", 1)):
        (tmp_path / place).mkdir()
        images = np.random.default_rng(seed).integers(0, 256, (40, 32, 32, 3), np.uint8)
        np.savez(tmp_path / place / "photos.npz", images=images)
    (tmp_path / "moved").mkdir()
    shutil.copy(tmp_path / "a" / "photos.npz", tmp_path / "moved")
    first, other, moved = (
        results.images_of(DataConfig(str(tmp_path / place / "photos.npz")), 32, progress=False)
        for place in ("a", "b", "moved")
    )
    assert first == moved != other and results.images_of(DataConfig("faces"), 32) == "faces"

    file = results.write(study, {("a", 0): {}}, tmp_path / "kept", images=first)
    results.write(study, {("a", 1): {}}, tmp_path / "kept")  # on what is kept there
    results.write(study, {("b", 0): {}}, tmp_path / "kept", images=moved)
    before = file.read_text()
    for add in (results.write, results.keep):
        with pytest.raises(InputError, match="have to be of the same images. Received: little on .*--out"):
            add(study, {}, tmp_path / "kept", images=other)
    elsewhere = study.changed(name=str(tmp_path / "b" / "photos.npz"), count=16)
    with pytest.raises(InputError, match="have to be of the same images. Received: little on .*--out"):
        train_study(elsewhere, tmp_path / "runs", tmp_path / "kept", samples=None, progress=False)
    assert file.read_text() == before and not (tmp_path / "runs").exists()


def test_the_table_of_augmentation_is_the_same_in_whatever_order_its_arms_were_trained():
    kept = results.load("recipes-faces")
    of = {run["arm"]: run for run in kept["runs"] if run["arm"][0].isdigit()}
    there = ["128", "128-moved", "1024", "1024-moved"]
    usual, other = (
        kept | {"arms": dict.fromkeys(order, ""), "runs": [of[arm] for arm in order]}
        for order in (there, ["128-moved", "128", "1024", "1024-moved"])
    )
    assert by_augmentation(usual) == by_augmentation(other)
    part = kept | {"arms": dict.fromkeys(there[:3], ""), "runs": [of[arm] for arm in there[:3]]}
    told, figure = answer(part)
    assert told[1]["moved, best"] == "–" and len(table(told).splitlines()) == 4
    lines = {line.get_label(): line.get_color() for axes in plot_augmentation(other).axes for line in axes.lines}
    assert lines == {"as they are": "black", "moved": "tab:green"}
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["as they are", "moved"]


def test_equal_updates_are_not_drawn_on_the_line_of_equal_epochs():
    kept = results.load("amount_of_data-faces")

    def epochs_of(arms):
        part = kept | {"runs": [run for run in kept["runs"] if run["arm"] in arms]}
        ends = plot_amounts(part).axes[2]
        (line,) = [line for line in ends.lines if line.get_label() == "equal epochs"]
        return line.get_xdata().tolist()

    assert epochs_of({"128", "640", "128-epochs"}) == [128]  # of the largest there 100 epochs, which are not 4
    assert epochs_of({run["arm"] for run in kept["runs"]}) == [128, 640, 3200, 16000]


def test_a_training_that_ended_early_is_drawn_over_its_own_updates():
    def run(seed, last):
        names = ("loss_generator",)
        return {
            "arm": "x",
            "seed": seed,
            "curves": {"update": list(range(1, last + 1)), **{n: [1.0] * last for n in names}},
        }

    kept = {"study": "s", "arms": {"x": ""}, "runs": [run(0, 100), run(1, 50)]}
    axes = plot_arms(kept, ["x"], (Panel("loss", "curves", ("loss_generator",)),)).axes[0]
    ends = [line.get_xdata()[-1] for line in axes.lines if len(line.get_xdata())]
    assert sorted(ends) == [50, 100]  # each by itself, and no mean of both


def test_who_only_looks_at_a_training_loses_nothing_that_was_measured_of_it(study, tmp_path):
    training = {"run": "x/0001-quick", "updates": 8, "fingerprint": "f"}
    results.write(study, {("a", 0): training | {"snapshots": [1], "seconds": 3}}, tmp_path)
    results.write(study, {("a", 0): training | {"seconds": 4}}, tmp_path)
    (run,) = results.load(study.name, tmp_path)["runs"]
    assert run["snapshots"] == [1] and run["seconds"] == 4
    results.write(study, {("a", 0): training | {"curves": {"update": [2]}}}, tmp_path)  # another, by the same name
    (run,) = results.load(study.name, tmp_path)["runs"]
    assert "snapshots" not in run and run["curves"] == {"update": [2]}


def test_two_runs_of_a_study_that_end_together_both_add_to_what_is_kept(study, tmp_path, monkeypatch):
    results.write(study, {("a", 0): {}}, tmp_path)
    load_kept = results.load

    def slowly(*of):
        kept = load_kept(*of)
        time.sleep(0.3)  # a second writer reads now, unless it waits
        return kept

    monkeypatch.setattr(results, "load", slowly)
    writers = [threading.Thread(target=results.write, args=(study, {("b", seed): {}}, tmp_path)) for seed in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [run["seed"] for run in load_kept(study.name, tmp_path)["runs"] if run["arm"] == "b"] == [0, 1, 2]


def test_an_arm_that_does_not_exist_is_refused_with_those_that_do(study):
    with pytest.raises(InputError, match="no arm 'c'; choose from a, b"):
        study.only(["c"])


def test_runs_stand_under_their_arms_in_the_order_of_these_without_arms_that_have_none():
    runs = [{"arm": arm, "seed": seed} for seed in (0, 1) for arm in ("b", "a")]
    found = results.runs_by_arm({"arms": {"a": "", "none": "", "b": ""}, "runs": runs})
    assert list(found) == ["a", "b"] and found["b"] == [{"arm": "b", "seed": 0}, {"arm": "b", "seed": 1}]


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


@pytest.mark.parametrize("name", sorted(file.stem for file in results.RESULTS.glob("*.json")))
def test_committed_figures_have_no_legend_over_curves_and_more_than_one_number_on_an_axis(name):
    _, figure = importlib.import_module(f"utils.studies.{name.split('-')[0]}").answer(results.load(name))
    figure.draw_without_rendering()  # lays it out
    assert not [axes for axes in figure.axes if axes.get_legend() and axes.has_data()]
    for axes in figure.axes:
        for axis, scale in ((axes.xaxis, axes.get_xscale()), (axes.yaxis, axes.get_yscale())):
            low, high = sorted(axis.get_view_interval())
            shown = [t for t in axis.get_majorticklocs() if low <= t <= high]
            assert scale == "linear" or len(shown) >= 2, (axes.get_title(), shown)


def parts_of_kept_studies() -> list:
    """Each arm of each study alone, and all others than the first, which is the base where there is one. Of a study of
    several datasets the others give their first arm alone."""
    parts, seen = [], set()
    for file in sorted(results.RESULTS.glob("*.json")):
        first, *others = arms = list(json.loads(file.read_text(encoding="utf-8"))["arms"])
        study = file.stem.split("-")[0]
        alone = arms[:1] if study in seen else arms
        parts += [pytest.param(file.stem, [arm], id=f"{file.stem}-{arm}") for arm in alone]
        seen.add(study)
        parts.append(pytest.param(file.stem, others, id=f"{file.stem}-without-{first}"))
    return parts


@pytest.mark.parametrize(("name", "arms"), parts_of_kept_studies())
def test_some_arms_of_a_study_have_a_table_and_a_figure_whichever_are_missing(name, arms):
    kept = results.load(name)
    part = {"arms": {arm: kept["arms"][arm] for arm in arms}, "runs": [r for r in kept["runs"] if r["arm"] in arms]}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of a legend of nothing
        rows, figure = importlib.import_module(f"utils.studies.{name.split('-')[0]}").answer(kept | part)
    assert rows
    words = [text.get_text() for text in figure.findobj(Text)]
    assert any(axes.has_data() for axes in figure.axes) or any("none of the arms" in word for word in words)


def test_samples_of_arms_that_have_none_are_said_to_be_missing(tmp_path):
    figure = plot_samples({"arms": {}, "runs": [], "pictures": tmp_path}, ["a", "b"])
    assert [text.get_text() for text in figure.texts] == ["no samples are kept of a, b"]


def kept_run(arm, seed, generator, discriminator, distances, epochs=(1, 2, 3, 4)):
    """A run of 400 updates as results keep it, with distances at updates 100, 200, 300 and 400."""
    updates = np.arange(2.5, 400, 5)
    snapshots = [{"epoch": 0, "update": 0, "kernel": [9.0, 9.0, 9.0]}]
    for epoch, update, value in zip(epochs, (100, 200, 300, 400), distances):
        snapshots.append({"epoch": epoch, "update": update, "kernel": [value, value - 0.1, value + 0.1]})
    losses_of = {"loss_generator": generator(updates), "loss_true": discriminator(updates) - 0.1}
    losses_of["loss_fake"] = discriminator(updates) + 0.1
    return {
        "arm": arm,
        "seed": seed,
        "updates": 400,
        "curves": {"update": updates.tolist()} | {name: values.tolist() for name, values in losses_of.items()},
        "epochs": [{"epoch": epochs[-1]}],
        "snapshots": snapshots,
        "nearest": {"fake": 2.0, "held_out": 4.0},
    }


def test_crossings_are_interpolated_and_counted_once():
    updates = np.array([0.0, 10, 20, 30, 40])
    found = crossings(updates, np.array([1.0, 1, -3, -1, 1]), np.zeros(5))
    np.testing.assert_allclose(found, [12.5, 35])
    assert len(crossings(updates, np.full(5, 2.0), np.ones(5))) == 0


def test_of_kept_runs_hardly_any_crosses_whose_networks_are_both_normalised_by_the_batch():
    rows = kept_runs()
    crossing = sum(bool(row["crossings"]) for row in rows)
    told = " ".join((PROJECT / "README.md").read_text(encoding="utf-8").split())
    assert f"of {len(rows)} kept trainings {crossing} do" in told
    both = [row for row in rows if row["kind"] == "batch"]
    assert {row["arm"] for row in both if row["crossings"]} == {"d_slower", "r2"}
    assert f"2 of the {len(both)} normalised in both networks by the batch" in told
    assert {row["kind"] for row in rows if row["crossings"]} == {"apart", "generator", "batch"}
    counts = {(row["training"], row["pictures"]): (row["runs"], row["cross"]) for row in by_kind(rows)}
    assert counts[KINDS["generator"], "faces 32x32"] == (3, 3) and counts[KINDS["generator"], "faces 64x64"] == (4, 2)
    assert counts[KINDS["off"], "cifar10 32x32"] == (5, 0)
    cells = [cell for row in by_kind(rows) for cell in row.values()]
    assert not [cell for cell in cells if re.search(r"\((\S+) to \1\)", str(cell))]  # of one run no range is told
    figure = plot_kept_runs(rows)  # two plots of each column, and what it leaves out is said
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert len(figure.axes) == 2 * len(titles) == 8 and {axes.get_yscale() for axes in figure.axes} == {"log"}
    shown = sum(int(re.search(r", (\d+) trainings", title)[1]) for title in titles)
    left_out = sum(int(count) for count in re.findall(r"(\d+) of \w", figure.get_suptitle()))
    assert shown + left_out == len(rows) and left_out


def test_results_of_another_scale_are_of_the_arms_of_that_scale_and_of_the_data_without_its_ending(
    tmp_path, monkeypatch
):
    kept = json.loads((results.RESULTS / "losses-faces.json").read_text())
    names = [arm.name for arm in losses("faces", "quick").arms]
    other = next(name for name in names if name not in kept["arms"])  # an amount that the long one has not
    runs = [kept["runs"][0] | {"arm": other}]
    made = kept | {"arms": {other: ""}, "runs": runs, "scale": "quick", "study": "losses-faces-quick"}
    (tmp_path / "losses-faces-quick.json").write_text(json.dumps(made))
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    monkeypatch.setattr(results.load, "__defaults__", (tmp_path,))
    (row,) = kept_runs()
    assert (row["data"], row["arm"], row["size"]) == ("faces", other, 32)


def test_what_is_kept_of_one_training_under_several_names_is_one_training():
    def run(arm, *losses):
        return {"arm": arm, "curves": {"loss_generator": list(losses)}}

    one, same, other = run("base", 1.0, 0.5), run("no_average", 1.0, 0.5), run("9", 1.0)
    assert results.trainings(iter([run("9-epochs", 2.0), one, same, other])) == [one, other]


def test_every_kept_training_is_counted_once_among_the_runs_whose_losses_are_read():
    rows, curves = kept_runs(), {}
    for file in results.RESULTS.glob("*.json"):
        for run in results.load(file.stem)["runs"]:
            if "snapshots" in run:
                at = (file.stem.split("-")[0], run["arm"], run["seed"], run["snapshots"][-1]["kernel"][0])
                curves[at] = tuple(run["curves"]["loss_generator"])
    read = [curves[row["study"], row["arm"], row["seed"], row["distance"]] for row in rows]
    assert len(set(read)) == len(rows) > 200
    assert not [row["arm"] for row in rows if row["arm"].endswith("-epochs")]


def crossing_run(kind, crossings, distance, data="faces", size=32):
    return {"kind": kind, "crossings": crossings, "distance": distance, "data": data, "size": size}


def test_a_relation_over_all_kinds_may_be_that_of_the_kinds():
    rows = [crossing_run("apart", n, d) for n in (0, 2) for d in (100.0, 200.0)]
    rows += [crossing_run("batch", 0, d) for d in (1.0, 2.0, 3.0, 4.0)]
    everything, apart, *_ = relation(rows)
    assert (everything["cross"], everything["do not"], everything["worse"]) == (2, 6, "0.83")
    assert (apart["runs"], apart["pairs"], apart["worse"], apart["p"]) == (KINDS["apart"], 4, "0.50", "1")


@pytest.mark.parametrize("other", [{"data": "cifar10"}, {"size": 64}])
def test_a_relation_is_between_distances_of_one_dataset_at_one_size(other):
    """Runs that cross are the better ones of either kind of pictures, and would look worse if both were one."""
    rows = [crossing_run("generator", n, d) for n, d in ((0, 2.0), (0, 3.0), (4, 1.0))]
    rows += [crossing_run("generator", n, d, **other) for n, d in ((0, 300.0), (2, 100.0), (3, 200.0))]
    rows += [crossing_run("generator", 1, 1e6, data="celeba")]  # beside no other of its kind
    everything, *_ = relation(rows)
    assert (everything["cross"], everything["do not"], everything["pairs"]) == (4, 3, 4)
    assert everything["worse"] == "0.00" and 0.2 < float(everything["p"]) < 0.25  # exactly 2 / 9: all larger, or none


def test_a_relation_in_one_dataset_is_the_one_of_mann_and_whitney():
    random = np.random.default_rng(0)
    crossed, others = random.normal(0.6, 1, 12), random.normal(0, 1, 25)
    rows = [crossing_run("batch", n, d) for n, of in ((1, crossed), (0, others)) for d in of]
    test, found = mannwhitneyu(crossed, others), relation(rows)[0]
    assert found["worse"] == f"{test.statistic / 12 / 25:.2f}"
    assert float(found["p"]) == pytest.approx(test.pvalue, rel=0.25)


def test_a_figure_says_which_arms_share_a_line_and_what_arms_are():
    def run(arm, value):
        return {"arm": arm, "seed": 0, "curves": {"update": [1.0, 2.0], "x": [value, value]}}

    kept = {"arms": {"a": "one", "b": "two", "c": ""}, "runs": [run("a", 0.0), run("b", 0.0), run("c", 1.0)]}
    figure = plot_arms(kept, ["a", "b", "c"], [Panel("x", "curves", ("x",))])
    assert [note.get_text() for note in figure.axes[0].texts] == ["one line: a, b"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a: one", "b: two", "c"]


@pytest.mark.parametrize("values", [(0.11, 0.14), (0.5, 4.0), (2.0, 9.0), (0.9, 1.1), (1e-6, 50.0)])
def test_a_value_can_be_read_off_every_logarithmic_panel(values):
    run = {"arm": "a", "seed": 0, "curves": {"update": [1.0, 2.0], "x": list(values)}}
    figure = plot_arms({"arms": {"a": "one"}, "runs": [run]}, ["a"], [Panel("x", "curves", ("x",), log=True)])
    (axes,) = figure.axes
    low, high = axes.get_ylim()
    places = [place for place in axes.get_yticks() if low <= place <= high]
    assert 2 <= len(places) <= 12 and all(axes.yaxis.get_major_formatter().format_ticks(places))


def test_readings_find_the_crossing_and_the_samples_beside_it():
    crossed = kept_run("a", 0, lambda u: u / 100, lambda u: np.full_like(u, 2.2), (4, 1, 2, 3))
    never = kept_run("b", 1, lambda u: u / 100, lambda u: np.full_like(u, 9.0), (5, 4, 3, 2))
    results = {"runs": [crossed, never]}
    first, second = readings(results)
    assert first["crossings"] == 1 and first["last crossing"] == 220 and first["distance there"] == "1"
    assert first["best"] == "1" and first["at the end"] == "3" and second["last crossing"] == "none"
    assert first["discriminator's loss"] == "2.20"  # the mean of both
    assert len(plot_losses(results).axes) == 4 + 2  # two arms, two seeds, and for each run an axis for the distance
    drawn = {axes.get_title(): axes.get_yscale() for axes in plot_losses(results, log=("a",)).axes if axes.get_title()}
    assert drawn == {"a, seed 0": "log", "b, seed 1": "linear"}


def test_correlations_are_within_runs_and_between_them():
    low = kept_run("a", 0, lambda u: u / 100, np.ones_like, (1, 2, 3, 4))
    high = kept_run("b", 0, lambda u: 5 + u / 100, np.ones_like, (0.5, 0.6, 0.7, 0.8))
    rows = {row["what is read"]: row for row in correlations({"runs": [low, high]})}
    assert rows["generator's loss"]["within a run"] == "+1.00"  # it rises as samples get worse
    assert rows["generator's loss"]["between runs"] == "-1.00"  # the run with more has better ones
    assert rows["updates done (negative)"]["within a run"] == "-1.00"
    assert rows["discriminator's loss"]["between runs"] == rows["updates done (negative)"]["between runs"] == "–"


def test_amounts_stand_in_order_with_their_end_and_their_neighbours():
    flat = np.ones_like
    results = {
        "arms": {name: name for name in ("1600", "64", "64-epochs", "320")},
        "runs": [
            kept_run("1600", 0, flat, flat, (4, 3, 2, 1)),
            kept_run("64", 0, flat, flat, (4, 3, 2, 2), epochs=(100, 200, 300, 400)),
            kept_run("64", 1, flat, flat, (4, 3, 2, 4), epochs=(100, 200, 300, 400)),
            kept_run("64-epochs", 0, flat, flat, (4, 4, 4, 7)),
        ],
    }
    rows = by_amount(results)
    assert [(row["images"], row["compared at"], row["epochs"], row["runs"]) for row in rows] == [
        (64, "equal updates", 400, 2), (64, "equal epochs", 4, 1), (1600, "equal updates", 4, 1)
    ]  # fmt: skip
    assert [row["distance"] for row in rows] == ["3 (2 to 4)", "7", "1"]  # of one run the value alone
    assert rows[0]["nearest"] == "0.50"
    of_amounts, _, *of_comparisons = plot_amounts(results).axes
    assert len(of_comparisons) == 2
    amounts = {line.get_color() for line in of_amounts.lines}
    assert amounts and not any(line.get_color() in amounts for axes in of_comparisons for line in axes.lines)


def recipe_run(arm, seed, distances):
    """A run with a distance every 200 updates."""
    row = {"update": 400, "fake_batch": 0.25, "diversity": 0.3, "diversity_true": 0.4}
    snapshots = [{"epoch": 0, "update": 0, "kernel": [9.0] * 3}]
    snapshots += [{"update": 200 * n, "kernel": [value] * 3} for n, value in enumerate(distances, 1)]
    return {"arm": arm, "seed": seed, "updates": 200 * len(distances), "watch": [row] * 4, "snapshots": snapshots}


def test_recipes_are_compared_at_equal_updates_and_when_the_first_arm_is_through(tmp_path):
    kept = {
        "arms": {"base": "as it was", "batch_32": "another", "hinge": "not run"},
        "runs": [recipe_run("base", 0, (0.4, 0.1)), recipe_run("batch_32", 0, (0.3, 0.2, 0.05)),
                 recipe_run("base", 1, (0.4, 0.1)), recipe_run("batch_32", 1, (0.3, 0.2, 0.15))],
        # Updates of the base take 0.3 s: batch_32 does its 600 in one minute, when the base has done 200.
        "speeds": {"seconds_per_update": 0.3, "relative": {"base": 1.0, "batch_32": 3.0}},
        "pictures": tmp_path,
    }  # fmt: skip
    rows = by_arm(kept)
    assert [(row["arm"], row["equal updates"], row["equal minutes"]) for row in rows] == [
        ("batch_32", "0.2", "0.1 (0.05 to 0.15)"), ("base", "0.1", "0.4")
    ]  # fmt: skip
    assert {row["diversity"] for row in rows} == {"0.75"} and rows[0]["speed"] == "3.00"
    for run in kept["runs"]:
        write_png(tmp_path / f"{run['arm']}-{run['seed']}.png", np.zeros((34, 100, 3), np.uint8))
    at_updates, at_minutes, courses, *strips = plot_recipes(kept).axes
    assert [label.get_text() for label in at_updates.get_yticklabels()] == ["batch_32", "base"]
    assert "after 1.0 minutes" in at_minutes.get_title() and len(strips) == 2
    base = next(line for line in courses.lines if line.get_label() == "base")
    np.testing.assert_allclose(base.get_xdata(), [1, 2])  # minutes
    assert len({(line.get_linestyle(), line.get_marker()) for line in courses.lines}) == 2  # colours may be the same
    assert courses.get_ylabel() == "kernel distance"
    assert "ImageNet, end" not in rows[0]
    imagenet = {"space": "EfficientNet-Lite0, trained on ImageNet", "kernel": {"value": 0.7, "low": 0.6, "high": 0.8}}
    kept["runs"][0]["distance"] = {"other_spaces": [{"space": "another", "kernel": {"value": 9.0}}, imagenet]}
    assert [(row["arm"], row["ImageNet, end"]) for row in by_arm(kept)] == [("batch_32", "–"), ("base", "0.7")]
    at_updates, at_minutes, at_the_end, courses, *strips = plot_recipes(kept).axes
    assert "ImageNet" in at_the_end.get_title() and len(strips) == 2
    assert [list(line.get_ydata()) for line in at_the_end.lines if len(line.get_ydata()) == 1] == [
        [1],
        [1],
    ]  # base's row: value, mean
    kept["runs"][0].pop("distance")
    kept["speeds"]["relative"]["batch_32"] = 6.0  # when it is through, base has done 100 updates, of which none is kept
    assert by_arm(kept)[-1]["equal minutes"] == f"{(9.0 * 0.4) ** 0.5:.3g}"
    kept["speeds"]["relative"].pop("batch_32")  # it was timed on another machine alone
    base, other = by_arm(kept)
    assert (base["arm"], base["equal minutes"]) == ("base", "0.1")
    assert (other["speed"], other["equal updates"], other["equal minutes"]) == ("–", "0.2", "–")
    at_updates, at_minutes, courses, *strips = plot_recipes(kept).axes
    assert (len(at_updates.lines), len(at_minutes.lines), len(courses.lines), len(strips)) == (5, 3, 1, 2)


def test_the_last_networks_of_recipes_are_measured_in_every_space(monkeypatch):
    given = {}
    monkeypatch.setattr(measure, "evaluated_for", lambda study, *_: lambda run: {"distance": f"of {study.name}, {run}"})
    monkeypatch.setattr(
        "utils.studies.train.train_study", lambda study, *places, **how: given.update(how, places=places)
    )
    carry_out(recipes(scale="smallest"), "runs", "kept", data_dir="data", progress=False)
    assert given.pop("also")("the run") == {"distance": "of recipes-faces-smallest, the run"}
    samples = samples_for("faces", "smallest", 32)
    assert given == {"places": ("runs", "kept"), "data_dir": "data", "progress": False, "samples": samples}


def test_what_augmentation_does_is_told_by_amount_of_data_and_apart_from_the_recipes():
    kept = {
        "study": "recipes-faces",
        "arms": {"base": "", "64": "", "64-moved": "", "1024": "", "1024-moved": ""},
        "runs": [recipe_run("base", 0, (0.4, 0.1)), recipe_run("64", 0, (0.3, 0.6)), recipe_run("64", 1, (0.5, 0.4)),
                 recipe_run("64-moved", 0, (0.4, 0.2)), recipe_run("1024", 0, (0.3, 0.2))],
        "speeds": {"seconds_per_update": 0.3, "relative": dict.fromkeys(("base", "64", "64-moved", "1024"), 1.0)},
    }  # fmt: skip
    assert [row["arm"] for row in by_arm(kept)] == ["base"]
    few, many = by_augmentation(kept)
    assert few["images"] == "64" and few["as they are, best"] == "0.35 (0.3 to 0.4)"
    assert few["as they are, last"] == "0.5 (0.4 to 0.6)"
    assert few["moved, last"] == "0.2"  # of one run the value alone: no interval
    none = {"moved, best": "–", "moved, last": "–"}
    assert many == {"images": "1,024", "as they are, best": "0.2", "as they are, last": "0.2"} | none
    imagenet = {"space": "EfficientNet-Lite0, trained on ImageNet", "kernel": {"value": 0.7, "low": 0.6, "high": 0.8}}
    kept["runs"][3]["distance"] = {"other_spaces": [imagenet]}
    few, many = by_augmentation(kept)
    assert few["moved, last, ImageNet"] == "0.7" and "as they are, last, ImageNet" not in few
    assert "moved, last, ImageNet" not in many
    assert [len(axes.lines) for axes in plot_augmentation(kept).axes] == [3, 1]


@pytest.mark.parametrize(("data", "size"), [("faces", 64), ("cifar10", 32)])
def test_every_recipe_sees_as_many_images_and_differs_from_the_base(data, size):
    study = recipes(data)
    assert {arm.experiment.model.image_size for arm in study.arms} == {size}
    assert study.base.experiment.training.learning_rate == 2e-4 and study.base.experiment.model.latents == "uniform"
    for arm in study.arms:
        assert arm.experiment.training.epochs * arm.experiment.data.count == 51_200, arm.name
        assert arm is study.base or arm.experiment != study.base.experiment
    assert [arm.name for arm in recipes(scale="smallest").arms] == ["base", "faster_kernel_4_batch_32"]


def test_speeds_are_measured_side_by_side_once_and_kept(study, tmp_path, monkeypatch):
    took = {False: 0.2, True: 0.1}  # seconds of an update: two kinds of updates, whatever images they are on
    asked = []

    def timed(experiments):
        asked.append(len(experiments))
        return {name: took[experiment.model.weights == "normal"] for name, experiment in experiments.items()}

    monkeypatch.setattr("utils.training.estimate.seconds_per_update", timed)
    a, b = study.arms
    more = Arm("c", "three", replace(a.experiment, count=48, epochs=1, learning_rate=1e-3))
    study = replace_fields(study, arms=(a, b, more), base=a)
    speeds = measure.speeds(study.only(["b", "c"]))
    assert speeds["relative"] == {"a": 1.0, "b": 2.0, "c": 1.0} and speeds["seconds_per_update"] == 0.2
    assert asked == [2]
    here = measure.device_of(study)
    assert speeds["device"] == here and not results.has_speeds(study, here, tmp_path)
    results.keep(study, {}, tmp_path, speeds=speeds)
    results.keep(study, {}, tmp_path)  # they stay
    assert results.has_speeds(study, here, tmp_path) and results.load("little", tmp_path)["speeds"] == speeds


def test_speeds_of_another_device_are_measured_anew_and_none_of_them_stays(study, tmp_path, monkeypatch):
    device, asked = "one core", []

    def speeds(of):
        asked.append(device)
        return {"device": device, "seconds_per_update": 0.2, "relative": {arm.name: 1.0 for arm in (of.base, *of.arms)}}

    monkeypatch.setattr(measure, "device_of", lambda of: device)
    monkeypatch.setattr(measure, "speeds", speeds)
    monkeypatch.setattr("utils.studies.train.train_arms", lambda *_, **__: {})
    study = replace_fields(study, base=study.arms[0])
    for device, arms, there in (
        ("one core", ["b"], ["a", "b"]),
        ("one core", ["a", "b"], ["a", "b"]),
        ("a GPU", ["a"], ["a"]),
        ("a GPU", ["b"], ["a", "b"]),
    ):
        train_study(study.only(arms), tmp_path, tmp_path / "kept", data_dir=tmp_path, samples=None, progress=False)
        kept = results.load("little", tmp_path / "kept")["speeds"]
        assert kept["device"] == device and sorted(kept["relative"]) == there
    assert asked == ["one core", "a GPU", "a GPU"]


def test_updates_are_timed_in_turns_that_hold_every_term(tiny, monkeypatch):
    """The first turn of each compiles; a penalty that is due every three updates makes turns of three."""
    lazy, done = replace(tiny, r1=1.0, penalty_every=3), []

    class Noting(Update):
        def __init__(self, players, experiment):
            super().__init__(players, experiment)
            self.name = "lazy" if experiment == lazy else "plain"

        def __call__(self, batch):
            done.append((self.name, batch.update))
            return super().__call__(batch)

    monkeypatch.setattr("utils.training.estimate.Update", Noting)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of a variable that a penalty alone does not reach
        seconds = seconds_per_update({"plain": tiny, "lazy": lazy}, rounds=2, updates=1)
    assert set(seconds) == {"plain", "lazy"} and all(0.0005 < value < 5 for value in seconds.values())
    turns = {"plain": [(1,), (2,), (3,)], "lazy": [(1, 2, 3), (4, 5, 6), (7, 8, 9)]}
    assert done == [(name, update) for turn in range(3) for name in turns for update in turns[name][turn]]


@pytest.mark.slow
def test_against_a_perfect_generator_losses_are_log_2_unless_the_images_are_known_by_heart(tmp_path):
    base = replace(preset("quick"), width=0.25, batch_size=16)
    few = perfect_generator(base, 16, 150, tmp_path, progress=False)
    many = perfect_generator(base, 2400, 150, tmp_path, progress=False)
    assert few["update"].tolist() == list(range(1, 151)) and few["loss_true"].shape == (150,)
    end = {
        name: (r["loss_true"][-30:].mean() + r["loss_fake"][-30:].mean()) / 2
        for name, r in (("few", few), ("many", many))
    }
    assert 0.6 < end["many"] < 0.9 and end["few"] < 0.45  # log 2 is 0.693
    assert (
        few["score_trained_on"] - few["score_held_out"] > 0.3 > abs(many["score_trained_on"] - many["score_held_out"])
    )
    scores = plot_perfect({16: few, 2400: many}).axes[1]
    assert [round(bar.get_height(), 6) for bar in scores.patches] == [
        round(result[f"score_{name}"], 6) for result in (few, many) for name in ("trained_on", "held_out")
    ]


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"spectral_norm": True}, "--spectral-norm"),
        ({"augment": ("colour",)}, "--augment"),
        (
            {"discriminator_updates": "joint", "shared_latents": True, "simultaneous": True},
            "updated together with another player",
        ),
    ],
)
def test_a_perfect_generator_is_not_made_for_what_draws_at_random_or_counts_updates(tmp_path, settings, what):
    base = replace(preset("report32"), name="faces", width=0.0625, batch_size=8, **settings)
    with pytest.raises(InputError, match=f"is updated alone here, which is not made for .*{what}"):
        perfect_generator(base, 16, 2, tmp_path, progress=False)


def test_a_perfect_generator_needs_more_images_than_are_trained_on(tmp_path):
    np.savez(tmp_path / "own.npz", images=np.zeros((40, 32, 32, 3), np.uint8))
    experiment = replace(preset("quick"), name=str(tmp_path / "own.npz"), count=None, batch_size=8)
    with pytest.raises(InputError, match="72 images are needed, 32 to train on.*has 40"):
        perfect_generator(experiment, 32, 5, tmp_path)


def test_the_command_lists_the_arms_of_a_study(capsys):
    code, out, _ = said(capsys, "study", "losses", "--list", "--json", "--scale", "quick")
    rows = json.loads(out)["rows"]
    assert code == 0 and [row["arm"] for row in rows] == [
        "128-non_saturating", "128-saturating", "1280-non_saturating", "1280-saturating"
    ]  # fmt: skip
    code, out, _ = said(capsys, "study", "losses", "--list")
    assert code == 0 and out.startswith("What may be read off") and "6,400 images, saturating generator loss" in out
    code, out, err = said(capsys, "study", "losses", "--arms", "640")
    assert code == 2 and out == "" and "has no arm '640'; choose from 640-non_saturating" in err


def test_no_study_imports_tensorflow_past_the_project():
    others = STUDIES.keys() - {"batch_normalisation"}  # which asks `utils.training`, where it is started
    code = "; ".join(
        [f"import utils.studies.{name}" for name in others] + ["import sys; print('tensorflow' in sys.modules)"]
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("False\n", "")


@pytest.mark.parametrize("name", ["batch_normalisation", "regularised"])  # trained as all are, and in a way of its own
def test_a_study_starts_tensorflow_as_the_project_does_and_says_what_is_wrong_in_one_sentence(name, tmp_path):
    command = [sys.executable, "-m", "utils", "study", name, "--data", "nowhere", "--runs-dir", str(tmp_path / "runs")]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    lines = done.stderr.splitlines()
    assert done.returncode == 2 and lines[-1].startswith("dcgan: There is no dataset 'nowhere': choose one of faces")
    assert (
        not [line for line in lines[:-1] if line and "run/s" not in line] and not done.stdout
    )  # nothing else but the bar
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_the_command_trains_measures_and_leaves_a_table_a_figure_and_samples(capsys, monkeypatch, tmp_path, undrawn):
    monkeypatch.setattr(features, "classifier", lambda *_, **__: Extractor("pixels", "0", {}, shrunk))
    options = ["--scale", "smallest", "--arms", "16", "--seeds", "3", "--runs-dir", tmp_path / "runs"]
    options += ["--data-dir", tmp_path / "data", "--out", tmp_path / "kept"]
    code, out, err = said(capsys, "study", "amount_of_data", *options, "--json")
    assert code == 0, err
    about = json.loads(out)
    name = tmp_path / "kept" / "amount_of_data-faces-smallest"
    assert about["files"] == [f"{name}.json", f"{name}.png"] and read_png(f"{name}.png").shape[2] == 3
    assert [(row["images"], row["updates"], row["runs"]) for row in about["rows"]] == [(16, 4, 1)]
    assert sorted(file.name for file in name.iterdir()) == ["16-3.png"]
    kept = results.load(name.name, name.parent)
    for run in kept["runs"]:
        assert [row["update"] for row in run["snapshots"]] == [0, 2, 4]
        assert run["snapshots"][-1]["kernel"][0] > 10 * abs(run["floor"][0]) and run["space"] == "pixels"


def shrunk(images):
    """What a network for features would give: float32 (N, 48), means of 16 parts of each picture."""
    return images.reshape(len(images), 4, 8, 4, 8, 3).mean((2, 4)).reshape(len(images), 48).astype(np.float32) / 255
