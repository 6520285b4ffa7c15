"""Intervals against SciPy's own, and against values known beforehand."""

import tracemalloc

import numpy as np
import pytest
from scipy import stats

from utils.intervals import LEAST_CASES, Interval, bootstrap_mean, measured, percentiles, student, told_mean, wilson


@pytest.mark.parametrize(("hits", "count"), [(0, 3), (3, 3), (2, 4), (17, 200), (1, 1)])
@pytest.mark.parametrize("level", [0.95, 0.8])
def test_wilsons_interval_solves_its_equation_and_stays_within_0_and_1(hits, count, level):
    """Both ends p are where |share - p| is z standard deviations of a share whose probability is p."""
    interval = wilson(hits, count, level)
    z = stats.norm.ppf((1 + level) / 2)
    assert interval.value == hits / count and interval.level == level
    assert 0 <= interval.low <= interval.value <= interval.high <= 1
    for p in (interval.low, interval.high):
        assert (hits / count - p) ** 2 == pytest.approx(z**2 * p * (1 - p) / count, abs=1e-12)


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilsons_interval_is_that_of_published_examples(hits, count, low, high):
    """Newcombe, Statistics in Medicine 17 (1998), table I, method 3."""
    interval = wilson(hits, count)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)


def test_a_bootstrap_of_a_mean_is_scipys():
    values = np.random.default_rng(3).gamma(2, 1, 40)
    whole = stats.bootstrap((values,), np.mean, n_resamples=2000, method="percentile", rng=np.random.default_rng(7))
    with_gaps = np.insert(values, [0, 20], [np.nan, np.inf])
    low, high = whole.confidence_interval
    for given in (values, with_gaps):
        interval = bootstrap_mean(given, seed=7)
        assert (interval.value, interval.low, interval.high) == pytest.approx((values.mean(), low, high), rel=1e-14)
    values = np.random.default_rng(0).random(30_011)
    whole = np.random.default_rng(3).choice(values, (2000, len(values))).mean(1)
    tracemalloc.start()
    pieces = bootstrap_mean(values, seed=3)
    assert tracemalloc.get_traced_memory()[1] < 150e6  # at once it would be a gigabyte
    tracemalloc.stop()
    assert (pieces.low, pieces.high) == tuple(np.quantile(whole, [0.025, 0.975]))
    assert bootstrap_mean([4.0]) == Interval(4.0, 4.0, 4.0)
    assert np.isnan(bootstrap_mean([np.nan]).value)


def test_percentiles_leave_equal_parts_of_what_was_drawn_on_both_sides():
    assert percentiles(50.0, np.arange(101.0), 0.5) == Interval(50.0, 25.0, 75.0, 0.5)


def test_students_interval_is_that_of_scipys_t_test():
    values = np.random.default_rng(5).normal(3, 1, 10)
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert student(values) == Interval(values.mean(), pytest.approx(low, rel=1e-12), pytest.approx(high, rel=1e-12))
    assert student([0.5, 0.5, 0.5]) == Interval(0.5, 0.5, 0.5)


def test_an_interval_of_shares_never_leaves_0_and_1():
    few = student([0.0, 0.0, 0.02], bounds=(0, 1))
    assert few.low == 0 and few.high == pytest.approx(student([0.0, 0.0, 0.02]).high) and student([0, 0, 0.02]).low < 0
    most = student([1.0, 1.0, 0.9], bounds=(0, 1))
    assert most.high == 1 and most.low == pytest.approx(student([1.0, 1.0, 0.9]).low)


def test_cutting_off_at_the_bounds_costs_no_coverage():
    """Shares that pile up at 0: means of ten of them, in 2,000 repetitions, are covered as often with bounds."""
    random = np.random.default_rng(0)
    shares = random.binomial(20, 0.02, (2000, 10)) / 20
    free, bound = ([student(row, *bounds) for row in shares] for bounds in ((), ((0, 1),)))
    covered = [np.mean([i.low <= 0.02 <= i.high for i in intervals]) for intervals in (free, bound)]
    assert covered[0] == covered[1] and min(i.low for i in free) < 0 == min(i.low for i in bound)


def test_an_interval_is_written_with_the_format_of_its_numbers():
    interval = Interval(0.12345, 0.0951, 0.2)
    assert f"{interval:.1%}" == "12.3% (9.5% to 20.0%)"
    assert Interval.of(interval.plain() | {"samples": [2, 3]}) == interval


@pytest.mark.parametrize("cases", range(1, 11))
def test_a_mean_of_few_values_is_told_without_the_ends_of_its_bootstrap(cases):
    values = np.random.default_rng(cases).normal(size=cases)
    mean, whole = told_mean([*values, np.nan]), bootstrap_mean(values)
    if cases < LEAST_CASES:
        assert f"{mean:.2f}" == f"{values.mean():.2f}" and mean.plain() == {"value": values.mean()} and mean.is_alone
    else:
        assert mean == whole and f"{mean:.2f}" == f"{whole:.2f}" and mean.plain() == whole.plain()


def test_what_could_not_be_measured_is_a_dash_and_left_out_of_a_record():
    nothing, one, share = told_mean([np.nan]), student([0.5]), wilson(1, 2)
    assert [f"{each:.1%}" for each in (nothing, one)] == ["–", "50.0%"] and not nothing.is_alone
    assert measured({"a": nothing, "b": one, "c": share}) == {"b": {"value": 0.5}, "c": share.plain()}
