"""Directions in latents and what they change; from pictures back to latents."""

import json

import keras
import numpy as np
import pytest
from known_latents import DIM, GAINS, NAMES, SIDE, brightness, entangled, judge, network, quarters, sampler

from utils.data import scale_back
from utils.errors import InputError
from utils.evaluation.judge import Judge
from utils.intervals import student
from utils.latent import figures, pictures
from utils.latent.arithmetic import make_pool
from utils.latent.directions import (
    Direction,
    Effects,
    _apart,
    conditional,
    differences_of_means,
    edited,
    effects,
    find_directions,
    follow,
    pca,
    random_directions,
    regressions,
    sefa,
    spread_of,
)
from utils.latent.inversion import POOL, STARTS, STEPS, VERDICTS, inside, invert, recovery
from utils.sampling import Sampler


@pytest.fixture(scope="module")
def pool():
    return make_pool(sampler(), judge(), 600)


@pytest.fixture(scope="module")
def generator():
    return network()


def texts(figure):
    return " ".join(text.get_text() for text in figure.findobj(lambda o: hasattr(o, "get_text")))


# --- finding directions -----------------------------------------------------------------------------------------------


def test_a_regression_and_the_means_find_the_latent_that_an_attribute_depends_on(pool):
    for found in (regressions(pool, NAMES), differences_of_means(pool, NAMES)):
        vectors = np.array([direction.vector for direction in found])
        assert [direction.name for direction in found] == list(NAMES)
        assert (np.diag(vectors[:, :4]) > 0.95).all()
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-6)
    about = regressions(pool, NAMES)[0].about
    assert about["accuracy"] > 0.95 and 0.5 <= about["majority"] < 0.65


def test_attributes_that_too_few_samples_show_get_no_direction(pool):
    rare = type(pool)(pool.latents, pool.images, pool.log_odds.copy())
    rare.log_odds[:, 2] = -1
    rare.log_odds[:19, 2] = 1
    assert [direction.name for direction in regressions(rare, NAMES)] == ["one", "two", "four"]


def test_conditional_directions_have_nothing_in_common_with_the_others():
    random = np.random.default_rng(0)
    mixed = random.standard_normal((3, DIM))
    found = [Direction("regression", name, v / np.linalg.norm(v), {}) for name, v in zip(NAMES, mixed)]
    for number, direction in enumerate(conditional(found)):
        others = [other.vector for place, other in enumerate(found) if place != number]
        np.testing.assert_allclose(np.array(others) @ direction.vector, 0, atol=1e-6)
        assert direction.vector @ found[number].vector == pytest.approx(direction.about["left"], abs=1e-5)
    twice = [*found, Direction("regression", "again", found[0].vector, {})]
    assert [direction.name for direction in conditional(twice)] == [NAMES[1], NAMES[2]]  # of the others nothing is left


def test_sefa_takes_the_latents_that_the_first_layer_stretches_most_in_their_order(generator):
    found = sefa(generator, 4)
    np.testing.assert_allclose([direction.vector for direction in found], np.eye(DIM)[:4], atol=1e-6)
    shares = np.square(GAINS) / np.square(GAINS).sum()
    np.testing.assert_allclose([direction.about["share"] for direction in found], shares, rtol=1e-6)


def test_components_of_the_activations_lead_back_to_the_latents_that_they_depend_on(generator):
    found = pca(Sampler(generator, DIM), sampler().make_latents(500), 3)
    for number, direction in enumerate(found):
        assert abs(direction.vector[number]) > 0.9, direction


def functional(generator):
    return keras.Model(generator.inputs, generator.outputs)


def with_activation_inside(generator):
    dense, *rest = generator.layers
    return keras.Sequential([keras.Input((DIM,)), keras.layers.Dense(dense.units, activation="relu"), *rest])


@pytest.mark.parametrize("other", [lambda generator: quarters, functional, with_activation_inside])
def test_a_generator_that_is_not_linear_at_first_is_refused(other, generator):
    for find in (sefa, lambda network: pca(Sampler(network, DIM), sampler().make_latents(8))):
        with pytest.raises(InputError, match="first layers are linear, followed by a nonlinearity"):
            find(other(generator))


# --- what they change -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found(generator, pool):
    return find_directions(Sampler(generator, DIM), pool, NAMES)


@pytest.fixture(scope="module")
def changed(generator, found):
    return effects(Sampler(generator, DIM), judge(), found, samples=60, progress=False)


def test_the_matrix_has_the_gain_on_its_diagonal_and_no_leakage_where_nothing_is_entangled(changed):
    assert changed.gain("regression").low > 0.9 and changed.leakage("regression").high < 0.1
    assert changed.leakage("random").low > changed.leakage("regression").high
    one = next(n for n, d in enumerate(changed.directions) if d.kind == "SeFa")
    assert changed.means[one][0] > 0.9 and np.abs(changed.means[one][1:]).max() < 0.1
    assert changed.of(0)[0] == student(changed.changes[0, :, 0].astype(float), (-1, 1))
    assert changed.gain("SeFa").value > 0.5  # the direction has no name, and is taken for what it changes most
    plain = json.loads(json.dumps(changed.plain()))
    assert plain["directions"][0]["changes"]["one"]["value"] > 0.9 and len(changed.table()) == 5


def test_changes_are_counted_on_the_same_samples_one_way_and_the_other(generator):
    nothing = Direction("random", "1", np.eye(DIM, dtype=np.float32)[5], {})  # the latent that does nothing
    record = effects(Sampler(generator, DIM), judge(), [nothing], samples=20, progress=False)
    assert not record.changes.any() and record.changes.shape == (1, 20, 4)


def by_chance(seed):
    """What 12 directions without a name change on which nothing depends."""
    changes = np.random.default_rng(seed).choice([-1, 0, 1], (12, 100, 4)).astype(np.int8)
    directions = tuple(Direction("random", str(number), np.eye(DIM)[0], {}) for number in range(12))
    return Effects("chance", NAMES, directions, 3.0, changes)


def test_directions_that_change_nothing_gain_nothing_though_each_is_taken_for_its_largest_change():
    gains = [by_chance(seed).gain("random") for seed in range(20)]
    assert sum(gain.low <= 0 <= gain.high for gain in gains) >= 17  # 19 are expected of 95% intervals
    assert abs(np.mean([gain.value for gain in gains])) < 0.03
    record = by_chance(0)
    record.changes[::2, :, 2] = -1
    record.changes[1::2, :, 1] = 1
    assert record.gain("random").value == pytest.approx(1), "its largest change, whichever way it goes"
    assert record.plain()["kinds"]["random"]["samples"] == 50 and record.plain()["samples"] == 100


def test_of_leakage_that_is_chance_alone_over_a_third_is_taken_off():
    records = [by_chance(seed) for seed in range(10)]
    found = [record.leakage("random") for record in records]
    chance = np.mean([np.abs(record.changes[:, 1::2].mean(1)).mean() for record in records])
    assert chance > 0.05 and 0.3 * chance < np.mean([each.value for each in found]) < 0.67 * chance
    assert all(each.low < each.value < each.high for each in found)


def test_the_matrix_names_attributes_directions_gain_and_leakage(changed):
    said = texts(figures.effects_figure(changed, "quarters"))
    assert "60 samples show an attribute" in said and "SeFa 1" in said and "leakage" in said
    assert said.count("three") >= 3  # a row, and a column of both regressions


def test_the_further_a_sample_is_moved_the_surer_it_shows_the_attribute_and_random_directions_do_less(generator, found):
    drawn = Sampler(generator, DIM)
    towards, by_chance = (follow(drawn, judge(), found, kind, each=10) for kind in ("regression", "random"))
    gained = [interval.value for interval in towards.gained()]
    assert gained[0] == 0 and gained[-1] > 0.95 and gained == sorted(gained)
    assert towards.of("kept")[0].value == 1 and towards.of("moved")[0].value == 0
    assert towards.of("kept")[3].value > 0.9 and by_chance.gained()[3].high < towards.gained()[3].low
    assert json.dumps(towards.plain()) and towards.has.shape == (6, 40)
    said = texts(figures.following_figure([towards, by_chance], "quarters"))
    assert "other attributes kept" in said
    with pytest.raises(InputError, match="no direction of the kind 'means'"):
        follow(drawn, judge(), found, "means")


def test_every_attribute_is_followed_on_samples_that_no_other_has_begun_at(found):
    calls, begun = [], []

    def watched(latents):
        calls.append(np.asarray(latents))
        return quarters(latents)

    for kind in ("regression", "conditional", "random"):
        calls.clear()
        record = follow(Sampler(watched, DIM), judge(), found, kind, each=10, strengths=(0.0, 2.0))
        starts = np.concatenate([moved[:10] for moved in calls[1:]])  # after the pool, attribute by attribute
        assert len(np.unique(starts, axis=0)) == 40 == record.has.shape[1] == record.plain()["distinct"]
        begun.append(starts)
    assert all(np.array_equal(starts, begun[0]) for starts in begun), "or kinds could not be compared"


def test_where_samples_are_too_few_for_all_attributes_the_rarest_choose_first_and_the_rest_is_shared():
    able = np.array([[1, 1, 1, 1, 1, 0], [1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0]], bool).T
    rows = [part.tolist() for part in _apart(able, 2)]
    assert rows == [[3, 4], [0, 1], [], [0, 2]]


def test_an_attribute_that_every_sample_shows_is_left_out_and_if_all_are_that_is_said(found):
    def seeing(always):
        def odds(images):
            return np.where(np.arange(4) < always, 1, brightness(images))

        return Judge("quarters", NAMES, brightness, {}, odds)

    assert follow(sampler(), seeing(1), found, "regression", each=5, strengths=(0.0, 1.0)).has.shape == (2, 15)
    with pytest.raises(InputError, match="all 100 show every attribute .* 'regression' is named after: choose another"):
        follow(sampler(), seeing(4), found, "regression", each=5)


def test_edits_are_in_standard_deviations_of_the_latents():
    latents, vector = sampler().make_latents(2), np.eye(DIM, dtype=np.float32)[1]
    for distribution, spread in (("normal", 1), ("uniform", 3**-0.5)):
        drawn = edited(sampler(distribution), latents, vector, (-2, 0, 2))
        moved = quarters(latents + 2 * spread * vector)
        assert drawn.shape == (2, 3, SIDE, SIDE, 3) and np.array_equal(drawn[:, 2], scale_back(moved))
        assert spread_of(sampler(distribution)) == pytest.approx(spread)
    assert np.std(sampler("uniform").make_latents(5000)) == pytest.approx(spread_of(sampler("uniform")), rel=0.02)
    sheet = pictures.directions_sheet(random_directions(DIM, 2), drawn, (-2, 0, 2))
    assert sheet.dtype == np.uint8 and 2 * 64 < sheet.shape[0] < 3 * 64


# --- inversion --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["normal", "uniform"])
def entangled_sampler(request):
    return Sampler(entangled(), DIM, request.param)


def test_least_squares_recover_the_latents_of_samples(entangled_sampler):
    found = recovery(entangled_sampler, 12, progress=False)
    assert found.rate.value >= 11 / 12 and np.median(found.distance) < 0.02
    assert found.error.value < 1 and found.row()["latents recovered"].endswith("%)")
    again = recovery(entangled_sampler, 12, progress=False)
    assert np.array_equal(again.inversion.latents, found.inversion.latents)
    assert json.dumps(found.plain()) == json.dumps(again.plain())


def test_gradient_descent_comes_nearer_than_the_nearest_sample_and_repeats(entangled_sampler):
    pictures = scale_back(entangled_sampler.images(entangled_sampler.make_latents(3, 5)))
    one, other = (invert(entangled_sampler, pictures, "gradient descent", progress=False) for _ in range(2))
    assert np.array_equal(one.latents, other.latents) and (one.error < 0.5 * one.nearest).all()
    assert np.abs(one.latents).max() <= (1 if entangled_sampler.latents == "uniform" else 3)


def test_what_gradient_descent_finds_of_a_picture_does_not_depend_on_the_others():
    asked = []

    class Counting(Sampler):
        def make_latents(self, count, seed=0):
            asked.append(count)
            return super().make_latents(count, seed)

    sampler = Counting(entangled(), DIM, "uniform")  # of which many latents leave the range, and are drawn anew
    pictures = scale_back(sampler.images(sampler.make_latents(3, 5)))
    asked.clear()
    together = invert(sampler, pictures, "gradient descent", progress=False).latents
    assert asked == [POOL, *[STARTS] * STEPS], "each picture gets the same ones, however many pictures there are"
    alone = [invert(sampler, picture[None], "gradient descent", progress=False).latents[0] for picture in pictures]
    np.testing.assert_allclose(together, alone, atol=0.01)


def test_what_cannot_be_drawn_is_said_to_be_so_and_latents_stay_where_they_come_from(entangled_sampler):
    noise = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3), np.uint8)
    sample = scale_back(entangled_sampler.images(entangled_sampler.make_latents(1, 5)))
    record = invert(entangled_sampler, np.concatenate([noise, sample]), names=("a", "b", "c"), progress=False)
    assert record.verdicts == ("cannot be drawn", "cannot be drawn", "drawn")
    np.testing.assert_allclose(inside(record.latents, entangled_sampler.latents), record.latents, rtol=1e-5)
    assert record.explained[2] > 0.999 > 0.5 > record.explained[:2].max()
    assert record.table()[0]["verdict"] == VERDICTS[0] and record.plain()["pictures"][2]["name"] == "c"
    assert pictures.inversion_sheet(record).dtype == np.uint8


def test_latents_outside_are_brought_to_the_nearest_place_inside():
    far = np.array([[30.0, 0, 0, 0], [0.5, 0, 0, 0]])
    assert np.linalg.norm(inside(far, "normal")[0]) == pytest.approx(18.467**0.5, rel=1e-4)  # χ² of 4, 1 in 1000
    assert np.array_equal(inside(far, "normal")[1], far[1])
    assert inside(far, "uniform")[0].tolist() == [1, 0, 0, 0]


def test_pictures_of_another_size_are_refused():
    with pytest.raises(InputError, match=r"uint8 \(P, 8, 8, 3\), at least one. Received: float32 \(1, 8, 8, 3\)"):
        invert(Sampler(entangled(), DIM), np.zeros((1, 8, 8, 3), np.float32))
    with pytest.raises(InputError, match="method must be one of least squares, gradient descent"):
        invert(Sampler(entangled(), DIM), np.zeros((1, 8, 8, 3), np.uint8), "magic")
