"""Precision, recall, density and coverage: whether samples lie where true images lie, and the other way round.

A distance mixes two faults, samples that look like no true image and true images that no sample looks like. These four
tell them apart. Each set is described by balls, one around each vector that reaches to the k-th nearest other vector of
its own set. Own code on plain NumPy: PyPI's `prdc` has had one release, in 2020, and gives no intervals.
"""

from dataclasses import dataclass

import numpy as np

from utils.evaluation.distances import GROUPS, LEAST_SAMPLES, groups_of, jackknife_margin, two_sets
from utils.intervals import Interval

K_PRECISION, K_DENSITY = 3, 5
"""Neighbours that a ball reaches to: as in arXiv:1904.06991 §2.1, and as in arXiv:2002.09797 §4."""
NAMES = ("precision", "recall", "density", "coverage")
MOST = 5_000
"""Vectors of each set that are looked at: all distances between so many take half a gigabyte."""


@dataclass(frozen=True)
class Neighbourhoods:
    """What balls around vectors tell of two sets.

    Attributes:
        precision: share of the samples that lie in a ball of true images. 1 is best.
        recall: share of the true images that lie in a ball of samples. 1 is best.
        density: how many balls of true images a sample lies in, divided by k; 1 for samples that are as true images,
            more where they crowd at the densest places.
        coverage: share of the true images whose ball holds a sample. Near 1 for samples that are as true images.
        samples: how many vectors of each set, fake and true.
    """

    precision: Interval
    recall: Interval
    density: Interval
    coverage: Interval
    samples: tuple[int, int]

    def plain(self) -> dict:
        """As plain values, for a record."""
        return {name: getattr(self, name).plain() | {"samples": list(self.samples)} for name in NAMES}


def neighbourhoods(fake: np.ndarray, true: np.ndarray) -> Neighbourhoods:
    """Precision, recall, density and coverage of one set of vectors, seen from another.

    A ball holds what lies on its surface, so that copies of true images count as such whatever else is there.

    The intervals tell how much a figure varies with the vectors, at this number of them: all four depend on it, so
    compare figures of equal numbers only, and see what two sets of true images have. They are the jackknife's over 20
    groups, each left out once of both sets and of the search for neighbours. (A bootstrap would repeat vectors, which
    would then be their own nearest neighbours.) Of precision, recall and coverage they are at least as wide as Wilson's
    of as many cases: where nothing or everything counts a jackknife has no width. Where the sets overlap they are too
    wide, on made-up vectors (2,000 of 128 dimensions, 40 times) by 1.2 to 2.3 times, mostly by 1.5 to 2. Where they lie
    apart a few balls around outlying vectors decide, and they are too narrow: made-up precisions of 0.03 to 0.29 lay
    in 67 to 83 of 100.

    Args:
        fake: (M, D), features of samples.
        true: (N, D), features of true images. M and N at least `LEAST_SAMPLES`; of more than `MOST` so many count.

    Raises:
        InputError: these are no such arrays, or hold NaN or infinity.

    Reference:
        Kynkäänniemi et al.: Improved Precision and Recall Metric for Assessing Generative Models (arXiv:1904.06991),
        eq. 1 and 2; Naeem et al.: Reliable Fidelity and Diversity Metrics for Generative Models (arXiv:2002.09797),
        eq. 3 and 4.
    """
    fake, true = two_sets(_at_most(fake), _at_most(true), least=LEAST_SAMPLES)
    group_of_fake, group_of_true = groups_of(fake, true)
    radii_of_true = _radii(true, group_of_true, (K_PRECISION, K_DENSITY))
    radii_of_fake = _radii(fake, group_of_fake, (K_PRECISION,))
    apart, rounding = _squared(true, fake)

    values = []
    for left_out in (None, *range(GROUPS)):
        rows, columns = group_of_true != left_out, group_of_fake != left_out
        of_true, wider = (radii[:, None] + rounding for radii in radii_of_true[left_out])
        (of_fake,) = radii_of_fake[left_out]
        inside = (apart <= wider)[:, columns]  # no image is inside a ball that is left out: its radius is negative
        values.append(
            (
                (apart <= of_true).any(0)[columns].mean(),
                (apart <= of_fake + rounding).any(1)[rows].mean(),
                inside.sum(0).mean() / K_DENSITY,
                inside.any(1)[rows].mean(),
            )
        )
    whole, margins, ends = values[0], jackknife_margin(values[1:]), (1, 1, np.inf, 1)
    precision, recall, density, coverage = (
        Interval(float(v), max(float(v - m), 0.0), min(float(v + m), end)) for v, m, end in zip(whole, margins, ends)
    )
    return Neighbourhoods(
        precision.at_least_of(len(fake)),
        recall.at_least_of(len(true)),
        density,
        coverage.at_least_of(len(true)),
        (len(fake), len(true)),
    )


def _at_most(vectors: np.ndarray) -> np.ndarray:
    """`MOST` of more vectors, drawn by a fixed seed, since sets may be in an order; fewer as they are."""
    if len(vectors) <= MOST:
        return vectors
    return vectors[np.random.default_rng(0).permutation(len(vectors))[:MOST]]


def _radii(vectors: np.ndarray, groups: np.ndarray, ks: tuple[int, ...]) -> dict[int | None, list[np.ndarray]]:
    """Squared distance from each vector to its k-th nearest other one, by the group that is left out (None for none).

    Returns:
        float64 (N,) for each k; negative infinity for the vectors of the group.
    """
    apart, _ = _squared(vectors, vectors)
    np.fill_diagonal(apart, np.inf)  # none is its own neighbour
    enough = min(max(ks) + int(np.bincount(groups).max()), len(vectors) - 1)  # whichever group is left out
    near = np.argpartition(apart, enough - 1, axis=1)[:, :enough]
    distances = np.take_along_axis(apart, near, 1)
    order = np.argsort(distances, axis=1)
    distances, near = np.take_along_axis(distances, order, 1), groups[np.take_along_axis(near, order, 1)]
    found = {}
    for left_out in (None, *range(GROUPS)):
        rank = (near != left_out).cumsum(1)
        nearest = [np.take_along_axis(distances, (rank == k).argmax(1)[:, None], 1)[:, 0] for k in ks]
        found[left_out] = [np.where(groups == left_out, -np.inf, radii) for radii in nearest]
    return found


def _squared(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float]:
    """Squared distances, float64 (M, N), at least 0; and what rounding may add to one, that of a copy for instance."""
    squares_x, squares_y = (x * x).sum(1), (y * y).sum(1)
    apart = np.maximum(squares_x[:, None] + squares_y - 2 * (x @ y.T), 0)
    return apart, 1e-13 * float(squares_x.max() + squares_y.max())
