"""Planted bugs: each does what it says to one update, and the kept courses show the signatures."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from utils.config import replace
from utils.errors import InputError
from utils.registries import LOSSES, RECIPES
from utils.studies import planted_bugs, results
from utils.studies.planted_bugs import BUGS, HEALTHY, planted, signature, treated
from utils.training import loop
from utils.training.recipes import dcgan, recipe_of


@pytest.fixture(scope="module")
def kept():
    return results.load("planted_bugs-faces")


def losses_of(letter, true_logits, fake_logits):
    """The three terms of a patient's loss, of these logits."""
    import tensorflow as tf

    view = SimpleNamespace(true_logits=tf.constant([[true_logits]]), fake_logits=tf.constant([[fake_logits]]))
    loss = BUGS[letter].loss()
    return [float(term.value(view)) for term in (*loss.discriminator, *loss.generator)]


@pytest.mark.parametrize("letter", list(BUGS))
def test_the_kept_course_has_its_signature_and_no_other_has(kept, letter):
    assert signature(kept, letter)
    courses = {run["arm"]: planted_bugs.course(run) for run in kept["runs"]}
    assert [arm for arm in courses if BUGS[letter].shows(courses[arm], courses[HEALTHY])] == [letter]


def test_nothing_that_is_shown_before_the_answers_names_a_bug(kept):
    assert set(kept["arms"]) == {HEALTHY, *BUGS} and kept["arms"]["A"] == "patient A"
    assert not set(planted_bugs.doctors_table(kept)[0]) & set(planted_bugs.answers()[0]) - {"patient"}


def test_swapped_labels_and_a_second_sigmoid_are_these_cross_entropies():
    swapped = [np.log1p(np.exp(2.0)), np.log1p(np.exp(1.0)), np.log1p(np.exp(1.0))]
    assert losses_of("C", 2.0, -1.0) == pytest.approx(swapped, rel=1e-5)
    assert losses_of("I", 50.0, -50.0) == pytest.approx([np.log1p(np.exp(-1)), np.log(2), np.log(2)], rel=1e-5)


def test_recipes_leave_the_discriminator_alone_or_let_the_generator_teach_it():
    experiment = planted_bugs.planted_bugs("faces", "smallest").arms[0].experiment
    frozen, taught, sound = (of(experiment) for of in (BUGS["F"].recipe, BUGS["J"].recipe, dcgan))
    view = SimpleNamespace(
        **dict.fromkeys(("true_logits", "fake_logits"), np.float32([[0.5]])), settings=experiment.training
    )
    for phase, usual in zip(frozen[:-1], sound[:-1]):
        (term,), (known,) = phase.terms["discriminator"], usual.terms["discriminator"]
        assert float(term.value(view)) == 0 and float(term.recorded(view)) == float(known.value(view)) > 0
    assert frozen[-1] == sound[-1] and taught[:-1] == sound[:-1]
    assert set(taught[-1].terms) == {"generator", "discriminator"} and set(sound[-1].terms) == {"generator"}


def test_a_loader_that_never_moves_on_gives_a_few_images_again_and_again():
    images = np.arange(50, dtype=np.uint8).reshape(50, 1, 1, 1)
    given = BUGS["G"].images(images)
    assert given.shape == images.shape and len(np.unique(given)) == planted_bugs.FEW


def test_bugs_can_be_chosen_while_they_are_planted_and_never_else():
    before = set(LOSSES), set(RECIPES)
    with planted():
        study = planted_bugs.planted_bugs("faces", "smallest")
        assert all(recipe_of(arm.experiment) for arm in study.arms)
        assert len(set(LOSSES) - before[0]) == 4 and len(set(RECIPES) - before[1]) == 2
    assert (set(LOSSES), set(RECIPES)) == before


def test_a_treatment_changes_the_patient_and_nothing_else():
    ill, cured = treated("faces", "smallest", "B", {"learning_rate": 4e-4}).arms
    healthy = planted_bugs.planted_bugs("faces", "smallest").arms[0]
    assert ill.experiment != healthy.experiment == cured.experiment


def test_a_training_that_fails_by_its_numbers_is_a_finding_and_the_same_one_when_asked_again(tmp_path, monkeypatch):
    np.savez(tmp_path / "own.npz", images=np.random.default_rng(2).integers(0, 256, (40, 16, 16, 3), np.uint8))
    monkeypatch.chdir(tmp_path)
    before = None
    for place in (str(tmp_path / "own.npz"), "own.npz", "./own.npz"):
        study = planted_bugs.planted_bugs(place, "smallest").only([HEALTHY, "B"])
        healthy, wild = study.arms
        wild = dataclasses.replace(wild, experiment=replace(wild.experiment, learning_rate=1e30, updates=4))
        study = dataclasses.replace(study, arms=(healthy, wild), seeds=(0,))
        runs, file = planted_bugs.carry_out(study, tmp_path / "runs", data_dir=tmp_path / "data", progress=False)
        kept = results.load(study.name, file.parent)
        found = {run["arm"]: (run["ended"], run["updates"], bool(run["curves"])) for run in kept["runs"]}
        assert found[HEALTHY] == ("", 4, True)
        assert "no longer finite" in found["B"][0] and found["B"][1:] == (0, False)
        last = [row["ended"] for row in planted_bugs.doctors_table(kept)]
        assert last == ["after 4 updates", found["B"][0]]
        folders = {arm: run.folder for (arm, _), run in runs.items()}
        assert before in (None, folders)  # nothing is trained anew, wherever the pictures are
        before = folders


def test_what_ends_a_training_otherwise_is_no_finding_and_goes_on_later(tmp_path, monkeypatch):
    study = dataclasses.replace(planted_bugs.planted_bugs("house_numbers", "smallest").only([HEALTHY]), seeds=(0,))
    places = {"data_dir": tmp_path / "data", "progress": False}
    summarize = loop.performance_summarizer

    def full(*_, **__):
        monkeypatch.setattr(loop, "performance_summarizer", summarize)
        raise InputError("The disk is full.")

    monkeypatch.setattr(loop, "performance_summarizer", full)
    with pytest.raises(InputError, match="The disk is full"):
        planted_bugs.carry_out(study, tmp_path / "runs", **places)
    runs, file = planted_bugs.carry_out(study, tmp_path / "runs", **places)
    (kept,) = results.load(study.name, file.parent)["runs"]
    assert kept["ended"] == "" and kept["updates"] == runs[HEALTHY, 0].state.update == 4


def test_what_ends_a_training_without_a_run_that_failed_is_no_finding(tmp_path, monkeypatch):
    def train(*_, **__):
        raise InputError("Runs cannot be written.")

    monkeypatch.setattr("utils.training.train", train)
    study = planted_bugs.planted_bugs("house_numbers", "smallest").only([HEALTHY])
    with pytest.raises(InputError, match="Runs cannot be written"):
        planted_bugs.carry_out(study, tmp_path / "runs", data_dir=tmp_path / "data", progress=False)
