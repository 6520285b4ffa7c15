"""How different pictures are, in a feature space: what is asked for can be followed with one and the same picture."""

import numpy as np

from utils.intervals import REPLICATES, Interval, percentiles, told_mean

ASKED, EACH = 60, 16
"""For the variety within a condition: so many conditions, and so many fakes of each."""


def variety(fake: np.ndarray, true: np.ndarray) -> Interval:
    """How far two fakes are apart, as a share of two true images: means over pairs that share none, a bootstrap,
    whose ends are not told where either are fewer than `intervals.LEAST_CASES`; NaN where true images are all alike.

    Args:
        fake, true: float (N, D) and (M, D), features of both.
    """
    random, distances = np.random.default_rng(0), []
    for each in (fake, true):
        half = len(each) // 2
        distances.append(np.linalg.norm(each[:half].astype(float) - each[half : 2 * half], axis=1))
    if not distances[1].any():
        return Interval(np.nan)
    drawn = [random.choice(each, (REPLICATES, len(each))).mean(1) for each in distances]
    share = percentiles(float(distances[0].mean() / distances[1].mean()), drawn[0] / drawn[1])
    return share.told(min(map(len, distances)))


def another(count: int) -> np.ndarray:
    """For each of so many rows another one, int64 (count,), drawn by a fixed seed: next to it may be one like it."""
    order = np.random.default_rng(0).permutation(count)
    found = np.empty_like(order)
    found[order] = np.roll(order, 1)  # round one ring of all, in which none is next to itself
    return found


def within_and_over(fakes: np.ndarray, true: np.ndarray, fits: np.ndarray) -> dict[str, Interval]:
    """Mean distances of pairs that share no image, "within" a condition and "over" conditions, of fakes and, with
    "true_" before it, of true images; intervals over conditions, whose ends are not told of few. NaN where no two true
    images are of one condition.

    Args:
        fakes: float (R, n, D), features of n fakes of each condition.
        true: float (N, D), features of true images, in whatever order.
        fits: bool (N, R), of which conditions each of these is.
    """
    order = np.random.default_rng(0).permutation(len(true))  # class by class, halves would have no class in common
    true, fits = true[order], fits[order]
    half, middle, other = fakes.shape[1] // 2, len(true) // 2, fakes[another(len(fakes))]
    alike = [np.flatnonzero(column)[:EACH] for column in fits.T]
    pairs = [(rows[: len(rows) // 2], rows[len(rows) // 2 : len(rows) // 2 * 2]) for rows in alike if len(rows) > 1]
    return {
        "within": told_mean([_apart(each[:half], each[half:]) for each in fakes]),
        "over": told_mean([_apart(each[:half], another[half:]) for each, another in zip(fakes, other)]),
        "true_within": told_mean([_apart(true[some], true[others]) for some, others in pairs]),
        "true_over": told_mean(np.linalg.norm(true[:middle] - true[middle : 2 * middle], axis=1)),
    }


def _apart(some: np.ndarray, others: np.ndarray) -> float:
    return float(np.linalg.norm(some.astype(float) - others, axis=1).mean())
