"""One kind of interval for everything that is measured, and the ways to make one. Plain NumPy and SciPy."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.95
"""Confidence of every interval, where nothing else is said."""
REPLICATES = 2000
"""Of a bootstrap, where nothing else is said."""
_AT_ONCE = 1 << 22  # values that a bootstrap holds at a time
LEAST_CASES = 8
"""Values that a bootstrap's interval is told of, at least: of fewer it is much too narrow, of two just these two."""


@dataclass(frozen=True)
class Interval:
    """A measured value with its interval.

    As text it takes a format for its numbers: `f"{interval:.1%}"` is "12.0% (9.5% to 15.1%)", or "12.0%" where its ends
    are not told, or "–" where nothing could be measured.

    Attributes:
        value: what was measured; NaN for nothing.
        low, high: ends of the interval; NaN where they are not told.
        level: its confidence.
    """

    value: float
    low: float = np.nan
    high: float = np.nan
    level: float = LEVEL

    @classmethod
    def of(cls, plain: dict) -> "Interval":
        """The interval that `plain` wrote with its ends; what else is in there does not matter."""
        return cls(*(plain[name] for name in ("value", "low", "high")))

    def plain(self) -> dict[str, float]:
        """As plain values, for a record: "value", "low", "high"; without the ends where they are not told."""
        ends = {} if self.is_alone else {"low": self.low, "high": self.high}
        return {"value": self.value} | ends

    def columns(self, name: str) -> dict[str, float]:
        """As columns of a table: `name`, "NAME_low", "NAME_high"."""
        return {name: self.value, f"{name}_low": self.low, f"{name}_high": self.high}

    @property
    def is_alone(self) -> bool:
        """Whether a value was measured whose ends are not told."""
        return bool(np.isnan([self.low, self.high]).any() and not np.isnan(self.value))

    def told(self, cases: int) -> "Interval":
        """The interval of a bootstrap of so many values as it is told: of fewer than `LEAST_CASES` without its ends."""
        return self if cases >= LEAST_CASES else Interval(self.value, level=self.level)

    def at_least_of(self, count: int) -> "Interval":
        """The interval of a share, at least as wide as Wilson's of so many independent cases: where nothing or
        everything counts, neither a bootstrap nor a jackknife has a width."""
        of_count = wilson(round(self.value * count), count, self.level)
        return Interval(self.value, min(self.low, of_count.low), max(self.high, of_count.high), self.level)

    def __format__(self, spec: str) -> str:
        if np.isnan(self.value):
            return "–"
        if self.is_alone:
            return f"{self.value:{spec}}"
        return f"{self.value:{spec}} ({self.low:{spec}} to {self.high:{spec}})"


def measured(found: Mapping[str, Interval]) -> dict[str, dict[str, float]]:
    """Intervals by name as plain values, for a record; what could not be measured is left out."""
    return {name: interval.plain() for name, interval in found.items() if np.isfinite(interval.value)}


def wilson(hits: int, count: int, level: float = LEVEL) -> Interval:
    """The share `hits` / `count` of independent cases, with Wilson's score interval; it never leaves [0, 1]."""
    ends = stats.binomtest(hits, count).proportion_ci(level, "wilson")
    return Interval(hits / count, float(ends.low), float(ends.high), level)


def percentiles(value: float, drawn: np.ndarray, level: float = LEVEL) -> Interval:
    """A value between the percentiles of what a bootstrap drew, float (R,), one for each replicate."""
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2]).tolist()
    return Interval(value, low, high, level)


def bootstrap_mean(values: np.ndarray, seed: int = 0, level: float = LEVEL) -> Interval:
    """Mean of independent values, float (N,), between the percentiles of the means of `REPLICATES` resamples.

    NaN values are left out; all three numbers are NaN where there is no other.
    """
    values = np.asarray(values, float)
    values = values[np.isfinite(values)]
    if not len(values):
        return Interval(np.nan, level=level)
    random, means = np.random.default_rng(seed), []
    at_once = max(1, _AT_ONCE // len(values))
    for done in range(0, REPLICATES, at_once):
        means.append(random.choice(values, (min(at_once, REPLICATES - done), len(values))).mean(1))
    return percentiles(float(values.mean()), np.concatenate(means), level)


def told_mean(values: np.ndarray) -> Interval:
    """Mean of independent values, float (N,), as `bootstrap_mean` measures it and `LEAST_CASES` lets it be told."""
    return bootstrap_mean(values).told(int(np.isfinite(values).sum()))


def student(values: np.ndarray, bounds: tuple[float, float] = (-np.inf, np.inf), level: float = LEVEL) -> Interval:
    """Mean of independent values, float (N,), with Student's interval, which is cut off at `bounds`.

    Student's interval knows nothing of bounds: that of a share may leave [0, 1]. A mean of shares never does, so what
    is cut off there holds no value that the mean can have, and the interval covers the mean as often as before.

    Args:
        values: at least one; of one alone the ends are not told.
        bounds: of what each value can be.
        level: the confidence.
    """
    if len(values) < 2:
        return Interval(float(np.mean(values)), level=level)
    mean, margin = np.mean(values), stats.t.ppf((1 + level) / 2, len(values) - 1) * stats.sem(values)
    low, high = np.clip((mean - margin, mean + margin), *bounds).tolist()
    return Interval(float(mean), low, high, level)
