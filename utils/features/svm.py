"""Linear support vector machines with squared hinge loss, one for each class against the others.

All minimise ||w||² / 2 + C Σ max(0, 1 - y (w·x + b))² over w and b, where b is penalised as well: what scikit-learn's
`LinearSVC` minimises with its default settings, and the L2-SVM of the paper. The regularisation of b is LIBLINEAR's
(Fan et al., JMLR 9, 2008).

`few` is `LinearSVC` itself. `many` is for more images than it can take: LIBLINEAR copies what it is given to float64,
which doubles 5.7 GB of features. It descends by L-BFGS (SciPy's), and reads the features where they are, a piece at a
time, once for each step, for all classes, and all folds of a cross-validation, together. Features of a network vary a
lot in a few directions and hardly in most, which makes a descent slow; in those few directions (see `Bend`) it takes
smaller steps, and comes to the same machine with a fifth to a tenth of them.
"""

import warnings
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.linalg import solve_triangular
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC
from threadpoolctl import ThreadpoolController
from tqdm.auto import tqdm

from utils.errors import InputError
from utils.features.sizes import FOLDS
from utils.streams import stream

PIECE_BYTES = 1 << 26
"""Features that are read at a time."""
TOLERANCE = 1e-3
"""`many` ends when the largest slope is this small a share of what it was at zero weights."""
ROUNDING = 1e-12
"""Features whose variance is no larger a share of their mean square are the same of all images, but for rounding."""
MOST_STEPS = 400
SKETCH, DIRECTIONS = 1000, 50
"""Images that the directions in which features vary most are found from, and how many of these."""
STRENGTHS = tuple(10 ** (exponent / 2) for exponent in range(-4, 6))
"""What C is chosen among, in units of 1 / (the features' variance, added up): from 0.01 to 300. The unit makes the
choice independent of how features are scaled."""


@dataclass(frozen=True)
class Machine:
    """A linear classifier.

    Attributes:
        weights: float32 (D, K), for each class.
        bias: float32 (K,).
    """

    weights: np.ndarray
    bias: np.ndarray

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Classes of feature vectors (n, D), which may be memory-mapped: int64 (n,)."""
        return np.concatenate([self._decide(features[piece]).argmax(1) for piece in pieces(features)])

    def _decide(self, x: np.ndarray) -> np.ndarray:
        return x @ self.weights + self.bias


def few(features: np.ndarray, labels: np.ndarray, strength: float, classes: int) -> Machine:
    """`LinearSVC` with its defaults, for few images.

    LIBLINEAR's time and memory grow with the number of features. All that it can tell about n images is in the space
    that they span, so it is given their n coordinates in there, by a Cholesky factor of their products: it takes the
    same steps and comes to the same machine.

    Args:
        features: float32 (n, D) in memory.
        labels: int64 (n,) from 0 to classes - 1, each of which has an image.
        strength: C.
        classes: how many.
    """
    x = np.concatenate([features, np.ones((len(features), 1))], 1, dtype=np.float64)
    machine = LinearSVC(C=strength, fit_intercept=False, dual=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # after 1,000 rounds it ends, here as in the paper's code
        if len(x) < x.shape[1]:
            products = x @ x.T
            products[np.diag_indices_from(products)] *= 1 + 1e-10  # images may be equal
            factor = np.linalg.cholesky(products)
            coordinates = machine.fit(factor, labels).coef_
            weights = x.T @ solve_triangular(factor, coordinates.T, lower=True, trans="T")
        else:
            weights = machine.fit(x, labels).coef_.T
    weights = weights.astype(np.float32)
    if classes == 2:  # of which LinearSVC has one machine
        weights = np.concatenate([-weights, weights], 1)
    return Machine(weights[:-1], weights[-1])


@dataclass(frozen=True)
class Bend:
    """A change of variables that makes a descent short: weights = stretch(variables).

    Attributes:
        directions: float64 (D + 1, R), orthonormal, in which feature vectors with their 1 for the bias vary most.
        sizes: float64 (R,), the sum of their squares in each, from large to small.
    """

    directions: np.ndarray
    sizes: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray) -> "Bend":
        """As `SKETCH` of the feature vectors, evenly spread, have it."""
        some = np.unique(np.linspace(0, len(features) - 1, min(SKETCH, len(features))).astype(int))
        x = np.concatenate([features[some], np.ones((len(some), 1))], 1, dtype=np.float64)
        sizes, vectors = np.linalg.eigh(x @ x.T)
        kept = (np.arange(len(some))[::-1] < DIRECTIONS) & (sizes > 1e-6 * sizes[-1])
        sizes, vectors = sizes[kept][::-1], vectors[:, kept][:, ::-1]
        return cls(x.T @ vectors / np.sqrt(sizes), sizes * len(features) / len(some))

    def stretch(self, variables: np.ndarray, strength: float, back: bool = False) -> np.ndarray:
        """Variables (D + 1, K) -> weights, or `back`. The matrix is symmetric, so slopes are stretched like variables.

        The curvature in a direction is about 1 + C times its size; all become like the smallest of them.
        """
        curvature = 1 + strength * self.sizes
        factor = np.sqrt(curvature[-1] / curvature)
        factor = (1 / factor if back else factor) - 1
        return variables + self.directions @ (factor[:, None] * (self.directions.T @ variables))


def many(
    features: np.ndarray,
    targets: np.ndarray,
    strength: float,
    start: np.ndarray | None = None,
    bend: Bend | None = None,
    progress: str | None = None,
) -> np.ndarray:
    """The machines of several two-class problems over the same features.

    Args:
        features: float32 (n, D); a memory map larger than memory will do.
        targets: int8 (n, K): 1, -1, or 0 where an image is none of the problem's.
        strength: C.
        start: float64 (D + 1, K), weights to begin with.
        bend: of the features; it is found if it is not given.
        progress: what to call it on a progress bar; without one by default.

    Returns:
        float64 (D + 1, K), the weights, the bias last.
    """
    shape, bend = (features.shape[1] + 1, targets.shape[1]), bend or Bend.of(features)
    bar = tqdm(desc=progress, unit=" passes", disable=progress is None, leave=False)

    def value_and_slope(flat: np.ndarray) -> tuple[float, np.ndarray]:
        both = bend.stretch(flat.reshape(shape), strength)
        weights, bias = both[:-1].astype(np.float32), both[-1].astype(np.float32)
        loss, slope = 0.0, np.zeros_like(both)
        for piece in pieces(features):
            x, y = features[piece], targets[piece].astype(np.float32)
            short = np.maximum(0, np.abs(y) - y * (x @ weights + bias))  # of a margin of 1
            loss += float(np.square(short, dtype=np.float64).sum())
            short *= y
            slope[:-1] += x.T @ short
            slope[-1] += short.sum(0)
        bar.update()
        slope = bend.stretch(both - 2 * strength * slope, strength)
        return 0.5 * float(np.square(both).sum()) + strength * loss, slope.ravel()

    zero = np.zeros(shape)
    steepest = np.abs(value_and_slope(zero.ravel())[1]).max()
    with bar, _steps_on_one_thread():
        found = minimize(
            value_and_slope,
            (zero if start is None else bend.stretch(start, strength, back=True)).ravel(),
            jac=True,
            method="L-BFGS-B",
            options={"gtol": TOLERANCE * steepest, "ftol": 0, "maxiter": MOST_STEPS, "maxfun": 2 * MOST_STEPS},
        )
    return bend.stretch(found.x.reshape(shape), strength)


def _steps_on_one_thread() -> AbstractContextManager:
    """SciPy brings a BLAS of its own, of which L-BFGS asks little more than sums of two vectors. Its threads wait for
    that busily, in the way of those of NumPy's, which have the features to multiply: 13 to 16 s in place of 5.4 s for
    4,000 images with 3,840 features on 2 cores."""
    blas = ThreadpoolController()
    files = [library.filepath for library in blas.lib_controllers if _is_scipys(Path(library.filepath))]
    return blas.select(filepath=files).limit(limits=1)


def _is_scipys(library: Path) -> bool:
    """Whether a library came with SciPy: it is in scipy.libs, or in a folder of the package itself."""
    return any(folder == "scipy" or folder.startswith("scipy.") for folder in library.parts[-3:-1])


def fitted(features: np.ndarray, labels: np.ndarray, strength: float, classes: int, progress: str | None = None):
    """The machine of all classes, by `many`."""
    return _machine(many(features, _targets(labels, classes), strength, progress=progress))


def choose_strength(
    features: np.ndarray, labels: np.ndarray, classes: int, seed: int = 0, progress: str | None = None
) -> float:
    """C by cross-validation in three folds, from small to large, until the accuracy has clearly fallen.

    That is, until it was for two steps below the best by more than the best's standard error.

    Args:
        features: float32 (n, D); a memory map larger than memory will do.
        labels: int64 (n,).
        classes: how many.
        seed: of the folds.
        progress: what to call it on progress bars.
    """
    fold = stream(seed, "features: folds").permutation(len(labels)) % FOLDS
    answers = _targets(labels, classes)
    targets = np.concatenate([answers * (fold != number)[:, None] for number in range(FOLDS)], 1)
    unit, bend = 1 / total_variance(features), Bend.of(features)
    best, chosen, weights, behind = -1, None, None, 0
    for strength in STRENGTHS:
        title = progress and f"{progress}, C {strength * unit:.1e}"
        weights = many(features, targets, strength * unit, weights, bend, title)
        right = 0
        for piece in pieces(features):
            scores = features[piece] @ weights[:-1].astype(np.float32) + weights[-1].astype(np.float32)
            scores = scores.reshape(len(scores), FOLDS, classes)
            apart = scores[np.arange(len(scores)), fold[piece]]  # by the machine that has not seen the image
            right += int((apart.argmax(1) == labels[piece]).sum())
        if right > best:
            best, chosen, behind = right, strength * unit, 0
        behind += right < best - np.sqrt(best * (1 - best / len(labels)))
        if behind == 2:
            break
    return chosen


def total_variance(features: np.ndarray) -> float:
    """The variance of each feature, added up.

    Raises:
        InputError: it is not finite, or 0: nothing can be learnt from such features.
    """
    sums = sum(np.asarray(features[piece]).sum(0, dtype=np.float64) for piece in pieces(features))
    squares = sum(float(np.square(features[piece], dtype=np.float64).sum()) for piece in pieces(features))
    variance = squares / len(features) - float(np.square(sums / len(features)).sum())
    if not (np.isfinite(variance) and variance > ROUNDING * squares / len(features)):
        raise InputError(
            f"Features must be finite, and not the same of all images. Received: those of {len(features):,} images, "
            f"with a variance of {variance:g}; is the network broken?"
        )
    return variance


def pieces(features: np.ndarray) -> list[slice]:
    """Rows to read at a time."""
    rows = max(1, PIECE_BYTES // (4 * features.shape[1]))
    return [slice(start, min(start + rows, len(features))) for start in range(0, len(features), rows)]


def _targets(labels: np.ndarray, classes: int) -> np.ndarray:
    return np.where(labels[:, None] == np.arange(classes), 1, -1).astype(np.int8)


def _machine(weights: np.ndarray) -> Machine:
    return Machine(weights[:-1].astype(np.float32), weights[-1].astype(np.float32))
