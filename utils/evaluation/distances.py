"""Distances between two sets of feature vectors, and exact nearest neighbours. Plain NumPy: no TensorFlow, no images.

Both distances compare distributions, of which the rows are independent draws. Neither has a unit: a figure can be read
only beside others in the same feature space, of which the first is that of two sets of true images (the floor).
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, t
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from utils.errors import InputError
from utils.intervals import LEVEL, Interval

GROUPS = 20
"""Parts that each set is cut into for the interval of the Fréchet distance."""
SAMPLES = 2_000
"""Fake and true images that distances are measured on, where nothing else is asked for."""
LEAST_SAMPLES = 2 * GROUPS
"""Vectors of each set that the Fréchet distance needs."""
ENOUGH = 12
"""Vectors of each set, for each feature, that its extrapolation needs: the smallest parts then have three."""
_PARTS = (1, 2, 4)  # that sets are cut into for it
_ROWS = 1024  # of a kernel matrix that are held at once
_BYTES = 1 << 28  # of references that are searched at once


@dataclass(frozen=True)
class Neighbours:
    """The nearest references of each query, the nearest first.

    Attributes:
        rows: int64 (Q, k), which references.
        distances: float64 (Q, k), how far they are (Euclidean).
    """

    rows: np.ndarray
    distances: np.ndarray


def kernel_distance(x: np.ndarray, y: np.ndarray) -> Interval:
    """The squared maximum mean discrepancy under the kernel (a·b / D + 1)³, without bias; 0 for equal distributions.

    It is what Binkowski et al. use on Inception features (KID). Their code averages it over random subsets of 1,000;
    here it is computed once, on all pairs: the expectation is the same, and no unbiased estimate varies less. An
    estimate may be negative.

    The interval is the jackknife's, value ± 1.96 standard errors, each vector being left out once, in closed form. The
    spread over random subsets would be no substitute: they overlap, so they do not vary as new samples would. Where the
    distributions differ, the interval covers the true distance in about 95 of 100 cases. Where they are equal, the
    jackknife doubles the variance: it covers 0 in about 98, and lies below it in the others.

    Args:
        x: (M, D), features of one set; M at least 3.
        y: (N, D), of the other; N at least 3.

    Raises:
        InputError: these are no such arrays, or hold NaN or infinity.

    Reference:
        Binkowski, Sutherland, Arbel, Gretton: Demystifying MMD GANs (arXiv:1801.01401), §4; the estimator is Gretton et
        al., A Kernel Two-Sample Test (JMLR 13, 2012), eq. 3; the jackknife of U-statistics Arvesen (1969).
    """
    x, y = two_sets(x, y, least=3)
    m, n = len(x), len(y)
    # What each vector has in common with the others of its own set, and with the other set.
    (own_x, _), (own_y, _), (cross_x, cross_y) = _kernel_sums(x, x), _kernel_sums(y, y), _kernel_sums(x, y)
    own_x, own_y = own_x - _kernel((x * x).sum(1), x), own_y - _kernel((y * y).sum(1), y)
    value = own_x.sum() / (m * (m - 1)) + own_y.sum() / (n * (n - 1)) - 2 * cross_x.sum() / (m * n)
    # How much the value would change without each vector, up to a constant that the variance does not see.
    without_x = 2 * cross_x / ((m - 1) * n) - 2 * own_x / ((m - 1) * (m - 2))
    without_y = 2 * cross_y / ((n - 1) * m) - 2 * own_y / ((n - 1) * (n - 2))
    error = np.sqrt((m - 1) * without_x.var() + (n - 1) * without_y.var())
    return _around(value, norm.ppf((1 + LEVEL) / 2) * error)


def frechet_distance(x: np.ndarray, y: np.ndarray) -> Interval:
    """The Fréchet distance |μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁Σ₂)^½) of the normal distributions fitted to both sets.

    It is what Heusel et al. use on Inception features (FID). On few samples it is too large, by about as much as two
    true sets of that size are apart: compare figures of equal numbers of samples only, and see the floor.

    The interval tells how much the figure varies with the samples at this number of them. It is the jackknife's over
    20 groups, each left out once of both sets: value ± 2.09 standard errors (Student's t with 19 degrees of freedom).
    It does not take the bias away.

    Args:
        x: (M, D), features of one set; M at least `LEAST_SAMPLES`.
        y: (N, D), of the other; N at least `LEAST_SAMPLES`.

    Raises:
        InputError: these are no such arrays, or hold NaN or infinity.

    Reference:
        Heusel et al.: GANs Trained by a Two Time-Scale Update Rule (arXiv:1706.08500), eq. 6; Dowson, Landau (1982).
    """
    x, y = two_sets(x, y, least=LEAST_SAMPLES)
    groups = groups_of(x, y)
    with threadpool_limits(1, "blas"):  # on matrices so small, and a busy machine, threads mostly wait for each other
        value = _frechet(x, y)
        without = [_frechet(x[groups[0] != group], y[groups[1] != group]) for group in range(GROUPS)]
    return _around(value, float(jackknife_margin(without)))


def frechet_at_infinity(x: np.ndarray, y: np.ndarray) -> Interval | None:
    """The Fréchet distance that infinitely many samples would have: a line over 1/N, followed to 0.

    On N samples of each set the distance is too large by about c / N, so distances on fewer samples tell what it would
    be on more. Both sets are cut into 1, 2 and 4 parts: the distances of the parts, in pairs, are averaged, and a line
    is fitted. (Chong and Forsyth draw 15 random subsets of the fake set alone, against statistics of a whole training
    set; parts that share no vector use all of both.) The bias is a line only where N is far above D, so there is no
    figure for fewer than `ENOUGH` vectors for each feature: on normal distributions so many leave 1% of the bias.

    The interval is the jackknife's over 20 groups, as for `frechet_distance`; it may reach below 0.

    Args:
        x, y: as for `frechet_distance`. Of the larger set the first count, as many as the smaller has.

    Returns:
        The extrapolated distance; None if there are too few vectors for so many features.

    Reference:
        Chong, Forsyth: Effectively Unbiased FID and Inception Score (arXiv:1911.07023), §3.
    """
    x, y = two_sets(x, y, least=LEAST_SAMPLES)
    count = min(len(x), len(y))
    if count < ENOUGH * x.shape[1]:
        return None
    random = np.random.default_rng(0)
    x, y = (vectors[random.permutation(len(vectors))[:count]] for vectors in (x[:count], y[:count]))
    groups = np.arange(count) % GROUPS  # they are in random order now

    def intercept(kept: np.ndarray) -> float:
        left = [vectors[kept] for vectors in (x, y)]
        sizes, values = [], []
        for parts in _PARTS:
            cut = [np.array_split(vectors, parts) for vectors in left]
            sizes.append(len(left[0]) / parts)
            values.append(np.mean([_frechet(*pair) for pair in zip(*cut)]))
        return np.polyfit(1 / np.array(sizes), values, 1)[1]

    with threadpool_limits(1, "blas"):
        value = intercept(np.full(count, True))
        without = [intercept(groups != group) for group in range(GROUPS)]
    return _around(value, float(jackknife_margin(without)))


def groups_of(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The group of each vector of two sets, int64 (M,) and (N,), from 0 to GROUPS - 1, for the jackknife.

    Sets may be in an order, so the groups are not.
    """
    random = np.random.default_rng(0)
    return tuple(random.permutation(len(vectors)) % GROUPS for vectors in (x, y))


def jackknife_margin(without: np.ndarray) -> np.ndarray:
    """Half the width of the interval of a figure, from what it is without each group, float (GROUPS, ...)."""
    return t.ppf((1 + LEVEL) / 2, GROUPS - 1) * np.sqrt((GROUPS - 1) * np.var(without, axis=0))


def nearest_neighbours(queries: np.ndarray, references: np.ndarray, k: int = 1) -> Neighbours:
    """Find the k nearest references of each query by Euclidean distance, exactly.

    scikit-learn searches by brute force, a part of the references at a time, so they may be a memory map. The distances
    of those found are computed anew from the differences: a copy is at distance 0, not at a rounding error.

    Args:
        queries: (Q, …), feature vectors or images; every row is flattened.
        references: (N, …), rows of the same shape.
        k: how many; at most N.

    Returns:
        The neighbours.

    Raises:
        InputError: the arrays are empty, or of different shapes, or hold NaN or infinity, or k is too large.
    """
    if queries.shape[1:] != references.shape[1:] or not len(queries):
        raise InputError(
            "queries and references must be arrays of rows of one shape, and there must be a query. "
            f"Received: {queries.shape} and {references.shape}."
        )
    if not 1 <= k <= len(references):
        raise InputError(f"k must lie between 1 and the number of references. Received: {k} of {len(references)}.")
    queries = _flat(queries)
    part = max(k, _BYTES // (4 * queries.shape[1]))
    parts = [
        _nearest(queries, _flat(references[start : start + part]), k, start)
        for start in range(0, len(references), part)
    ]
    rows, distances = (np.concatenate(arrays, axis=1) for arrays in zip(*parts))
    order = np.lexsort((rows, distances))[:, :k]
    return Neighbours(np.take_along_axis(rows, order, 1), np.take_along_axis(distances, order, 1))


def two_sets(x: np.ndarray, y: np.ndarray, least: int) -> tuple[np.ndarray, np.ndarray]:
    """Both sets of feature vectors in float64, once they are what they should be.

    Raises:
        InputError: they are not (M, D) and (N, D) with M and N at least `least`, or hold NaN or infinity.
    """
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or min(len(x), len(y)) < least:
        raise InputError(
            f"A distance is between two arrays of feature vectors, (M, D) and (N, D), with M and N at least {least}. "
            f"Received: {x.shape} and {y.shape}."
        )
    return _finite(np.asarray(x, np.float64)), _finite(np.asarray(y, np.float64))


def _finite(features: np.ndarray) -> np.ndarray:
    if not np.isfinite(features).all():
        raise InputError("Features must be finite. Received: NaN or infinity among them; is the network broken?")
    return features


def _around(value: float, margin: float) -> Interval:
    return Interval(float(value), float(value - margin), float(value + margin))


def _kernel(products: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """The kernel of pairs of `vectors`, of which the scalar products are given."""
    return (products / vectors.shape[1] + 1) ** 3


def _kernel_sums(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums of the kernel of each vector of x with all of y (M,), and of each of y with all of x (N,)."""
    sums_x, sums_y = np.empty(len(x)), np.zeros(len(y))
    for start in range(0, len(x), _ROWS):
        kernel = _kernel(x[start : start + _ROWS] @ y.T, y)
        sums_x[start : start + _ROWS] = kernel.sum(1)
        sums_y += kernel.sum(0)
    return sums_x, sums_y


def _frechet(x: np.ndarray, y: np.ndarray) -> float:
    """The distance itself.

    With Σ = RᵀR for each set, the trace of (Σ₁Σ₂)^½ is the sum of the singular values of R₁R₂ᵀ. So no root of a matrix
    is needed, which would be ill conditioned, or complex, where there are fewer vectors than features.
    """
    roots = [np.linalg.qr((vectors - vectors.mean(0)) / np.sqrt(len(vectors) - 1), "r") for vectors in (x, y)]
    apart = np.sum((x.mean(0) - y.mean(0)) ** 2)
    return float(apart + sum(np.sum(r**2) for r in roots) - 2 * np.linalg.norm(roots[0] @ roots[1].T, "nuc"))


def _flat(rows: np.ndarray) -> np.ndarray:
    return _finite(np.asarray(rows, np.float32)).reshape(len(rows), -1)


def _nearest(queries: np.ndarray, references: np.ndarray, k: int, first: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and distances of the k nearest among a part of the references that begins at row `first`."""
    search = NearestNeighbors(n_neighbors=min(k, len(references)), algorithm="brute").fit(references)
    rows = search.kneighbors(queries, return_distance=False).astype(np.int64)
    apart = np.stack([np.linalg.norm(queries.astype(np.float64) - references[column], axis=1) for column in rows.T], 1)
    return rows + first, apart
