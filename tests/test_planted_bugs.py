"""Planted bugs: each does what it says to one update, and the kept courses show the signatures."""

from types import SimpleNamespace

import numpy as np
import pytest

from utils.registries import LOSSES, RECIPES
from utils.studies import planted_bugs, results
from utils.studies.planted_bugs import BUGS, HEALTHY, planted, signature, treated
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
