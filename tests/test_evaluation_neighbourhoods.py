"""Precision, recall, density and coverage, on sets of which the answer is known."""

import numpy as np
import pytest

from utils.errors import InputError
from utils.evaluation import neighbourhoods as module
from utils.evaluation.distances import GROUPS, groups_of
from utils.evaluation.neighbourhoods import K_DENSITY, K_PRECISION, NAMES, neighbourhoods
from utils.intervals import wilson


def by_definition(fake, true):
    """The four figures, one vector at a time."""

    def radius(own, i, k):
        return sorted(np.linalg.norm(own[i] - own[j]) for j in range(len(own)) if j != i)[k - 1]

    def apart(i, j):
        return np.linalg.norm(true[i] - fake[j])

    of_true, of_fake = range(len(true)), range(len(fake))
    near = {k: [radius(true, i, k) for i in of_true] for k in (K_PRECISION, K_DENSITY)}
    near_fake = [radius(fake, j, K_PRECISION) for j in of_fake]
    return (
        np.mean([any(apart(i, j) <= near[K_PRECISION][i] for i in of_true) for j in of_fake]),
        np.mean([any(apart(i, j) <= near_fake[j] for j in of_fake) for i in of_true]),
        np.mean([sum(apart(i, j) <= near[K_DENSITY][i] for i in of_true) / K_DENSITY for j in of_fake]),
        np.mean([any(apart(i, j) <= near[K_DENSITY][i] for j in of_fake) for i in of_true]),
    )


def values(found):
    return [getattr(found, name).value for name in NAMES]


def test_the_four_figures_are_those_of_their_definitions():
    random = np.random.default_rng(0)
    fake, true = random.normal(0.8, 1.2, (41, 3)), random.normal(size=(47, 3))
    expected = by_definition(fake, true)
    assert values(neighbourhoods(fake, true)) == pytest.approx(expected, rel=1e-12)
    assert all(0.05 < value < 0.95 for value in expected), "figures at an end would show little"


def test_their_intervals_are_the_jackknifes_over_groups():
    """Leave every group out of both sets, and count anew."""
    random = np.random.default_rng(1)
    fake, true = random.normal(0.5, 1, (60, 2)), random.normal(size=(70, 2))
    groups = groups_of(fake, true)
    without = [values(neighbourhoods(fake[groups[0] != group], true[groups[1] != group])) for group in range(GROUPS)]
    cases = {"precision": 60, "recall": 70, "coverage": 70}
    margins = 2.093024 * np.sqrt((GROUPS - 1) * np.var(without, axis=0))
    found = neighbourhoods(fake, true)
    for name, value, margin, most in zip(NAMES, values(found), margins, (1, 1, np.inf, 1)):
        interval = getattr(found, name)
        low, high = max(value - margin, 0), min(value + margin, most)
        if name != "density":  # a share, of as many as could be in a ball
            least = wilson(round(value * cases[name]), cases[name])
            low, high = min(low, least.low), max(high, least.high)
        assert interval.low == pytest.approx(low, rel=1e-6) and interval.high == pytest.approx(high, rel=1e-6)


def test_where_no_vector_counts_or_all_do_the_interval_is_that_of_so_many_cases():
    """Nothing changes then, whatever group is left out, so the jackknife has no width."""
    random = np.random.default_rng(4)
    true = random.normal(size=(60, 3))
    apart = neighbourhoods(random.normal(size=(80, 3)) + 90, true)
    for name, count in (("precision", 80), ("recall", 60), ("coverage", 60)):
        found = getattr(apart, name)
        assert (found.value, found.low) == (0, 0) and found.high == wilson(0, count).high > 0.04
    copies = neighbourhoods(true, true)
    assert copies.precision.low <= wilson(60, 60).low < 1 == copies.precision.high


def test_samples_that_lack_half_of_the_true_images_have_precision_without_recall_and_the_other_way_round():
    random = np.random.default_rng(2)
    one, other = random.normal(size=(2, 80, 3)) + np.array([[[0]], [[50]]])
    again, nowhere = random.normal(size=(80, 3)), random.normal(size=(80, 3)) * 0.1 - 80
    lacking = neighbourhoods(again, np.concatenate([one, other]))
    assert lacking.precision.value > 0.85 and 0.35 < lacking.recall.value <= 0.5 and lacking.coverage.value <= 0.5
    inventing = neighbourhoods(np.concatenate([again, nowhere]), one)
    assert 0.35 < inventing.precision.value <= 0.5 and inventing.recall.value > 0.85 < inventing.coverage.value


def test_copies_are_as_good_as_can_be_also_where_all_true_images_are_there_several_times():
    true = np.repeat(np.random.default_rng(3).normal(100, 1, (10, 8)), 8, axis=0)  # every ball has radius 0
    found = neighbourhoods(true + 0, true)
    assert values(found)[:2] == [1, 1] and found.coverage.value == 1 and found.density.value >= 1
    assert neighbourhoods(true + 1e-3, true).precision.value == 0


def test_of_many_vectors_in_an_order_those_that_count_are_drawn_from_all(monkeypatch):
    random = np.random.default_rng(4)
    fake, true = (random.normal(size=(200, 3)) + np.repeat([0, 50], 100)[:, None] for _ in range(2))
    whole = neighbourhoods(fake[:100], true[:100])
    monkeypatch.setattr(module, "MOST", 100)
    assert neighbourhoods(fake[:100], true[:100]) == whole, "not more than count are as they are"
    for few, many in ((fake[::2], true), (fake, true[::2]), (fake, true)):
        found = neighbourhoods(few, many)
        assert found.samples == (100, 100)
        assert min(found.precision.value, found.recall.value, found.density.value, found.coverage.value) > 0.75
    assert neighbourhoods(fake, true) == found, "the same ones again"


def test_wrong_uses_are_refused_in_one_sentence():
    x = np.random.default_rng(0).normal(size=(50, 4))
    with pytest.raises(InputError, match="at least 40. Received: \\(39, 4\\)"):
        neighbourhoods(x[:39], x)
    with pytest.raises(InputError, match="must be finite"):
        neighbourhoods(x, x * np.inf)
