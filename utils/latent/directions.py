"""Directions in latents: found with and without a judge, and what each changes.

With a judge, a logistic regression tells latents whose samples show an attribute from the others; its normal is the
direction. Attributes that go together give directions that go together, so each can be made perpendicular to all
others (conditional). Without a judge, SeFa takes the directions that the first layer stretches most, and GANSpace those
along which what that layer makes of latents varies most.

What a direction does is measured on fresh samples, moved one way and the other: the gain is by how much more often they
show the attribute, leakage by how much the others change. Random directions are the control. A direction without a name
is taken for what it changes most, in half of the samples; what it changes is measured on the others, since the largest
of several changes that are chance is not 0 where it was found.

References:
    Shen et al., InterFaceGAN (arXiv:1907.10786), with its conditional manipulation; Shen, Zhou, SeFa
    (arXiv:2007.06600); Härkönen et al., GANSpace (arXiv:2004.02546).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from keras import layers
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from tqdm.auto import tqdm

from utils.data import scale_back
from utils.errors import InputError
from utils.evaluation.judge import Judge
from utils.files import NO_ARRAY, digest, read_json
from utils.intervals import Interval, measured, percentiles, student, wilson
from utils.latent.arithmetic import Pool
from utils.models import forward
from utils.sampling import Sampler
from utils.streams import stream
from utils.text import one_line

KINDS = {
    "regression": "regression",
    "conditional": "regression, perpendicular to the others",
    "means": "difference of means",
    "SeFa": "SeFa: first layer",
    "PCA": "PCA of activations",
    "random": "random",
}
LEAST = 20  # samples with, and without an attribute, that a direction is learnt from
UNSUPERVISED = 6
LOOKED_AT = 2_000  # latents that components are found in
RANDOM = 3
STRENGTH = 3.0  # standard deviations of the latents: InterFaceGAN moves by 3 in N(0, 1)
STRENGTHS = (0.0, 1.0, 2.0, 3.0, 4.0, 6.0)
SAMPLES = 128
EACH = 24  # samples for each attribute that directions are followed on
REPLICATES = 500


@dataclass(frozen=True)
class Direction:
    """One direction.

    Attributes:
        kind: one of `KINDS`.
        name: of the attribute, or a number.
        vector: float32 (D,), of length 1.
        about: what is known of it: "accuracy" and "majority" of a regression, on latents that it has not seen;
            "share" of the variance of a component.
    """

    kind: str
    name: str
    vector: np.ndarray
    about: dict[str, float]

    @property
    def title(self) -> str:
        return self.name if self.kind in ("regression", "conditional", "means") else f"{self.kind} {self.name}"


def regressions(pool: Pool, names: Sequence[str]) -> list[Direction]:
    """The normals of logistic regressions, from latents that do not show an attribute to those that do.

    A fifth of the pool is left out to test on. Attributes with fewer than `LEAST` samples on either side are left out.

    Args:
        pool: samples with what a judge sees in them.
        names: of the attributes, in the order of `pool.log_odds`.
    """
    tested = np.arange(len(pool)) % 5 == 4
    found = []
    for name, shown in _learnable(pool, names):
        model = LogisticRegression(C=0.1, max_iter=1000).fit(pool.latents[~tested], shown[~tested])
        often = shown[tested].mean()
        about = {
            "accuracy": float(model.score(pool.latents[tested], shown[tested])),
            "majority": float(max(often, 1 - often)),
        }
        found.append(Direction("regression", name, _unit(model.coef_[0]), about))
    return found


def conditional(directions: Sequence[Direction]) -> list[Direction]:
    """Each direction without what it has in common with the others: what is left of it when the span of all the others
    is projected out. One of which nothing is left (attributes that add up to a constant) is left out."""
    found = []
    for number, direction in enumerate(directions):
        others = np.array([other.vector for place, other in enumerate(directions) if place != number], np.float64)
        rest = direction.vector.astype(np.float64)
        if len(others):
            rest = rest - others.T @ np.linalg.lstsq(others.T, rest, rcond=None)[0]
        left = float(np.linalg.norm(rest))
        if left > 1e-3:
            found.append(Direction("conditional", direction.name, _unit(rest), {"left": left}))
    return found


def differences_of_means(pool: Pool, names: Sequence[str]) -> list[Direction]:
    """The mean latents with an attribute, less those without: arithmetic with all samples of the pool."""
    return [
        Direction("means", name, _unit(pool.latents[shown].mean(0) - pool.latents[~shown].mean(0)), {})
        for name, shown in _learnable(pool, names)
    ]


def sefa(generator: keras.Sequential, count: int = UNSUPERVISED) -> list[Direction]:
    """The directions that the first layer stretches most: eigenvectors of AᵀA, where A is its matrix.

    All that is linear counts as the first layer: the projection, and normalisation by moving averages behind it.
    """
    stop = _linear(generator)
    dim = generator.input_shape[-1]
    rows = np.concatenate([np.zeros((1, dim)), np.eye(dim)]).astype(np.float32)
    out = np.asarray(forward(generator.layers[:stop], rows), np.float64).reshape(dim + 1, -1)
    matrix = out[1:] - out[0]  # (D, units): row i is what latent i does
    vectors, stretched, _ = np.linalg.svd(matrix, full_matrices=False)
    shares = stretched**2 / (stretched**2).sum()
    return [
        Direction("SeFa", str(number + 1), _oriented(vectors[:, number]), {"share": float(shares[number])})
        for number in range(min(count, vectors.shape[1]))
    ]


def pca(sampler: Sampler, latents: np.ndarray, count: int = UNSUPERVISED) -> list[Direction]:
    """The directions that the principal components of the first layer's activations have in the latents.

    The components are found behind the first nonlinearity, and carried back by regressing latents on coordinates.

    Args:
        sampler: of the generator.
        latents: float32 (N, D), what its activations are looked at for.
        count: how many.
    """
    stop = _linear(sampler.generator)
    below = sampler.generator.layers[: stop + 1]
    batches = [np.asarray(forward(below, latents[start : start + 256])) for start in range(0, len(latents), 256)]
    activations = np.concatenate([batch.reshape(len(batch), -1) for batch in batches])
    model = PCA(min(count, *activations.shape), svd_solver="randomized", random_state=0).fit(activations)
    coordinates = model.transform(activations).astype(np.float64)
    back, *_ = np.linalg.lstsq(coordinates, latents - latents.mean(0), rcond=None)
    return [
        Direction("PCA", str(number + 1), _oriented(vector), {"share": float(model.explained_variance_ratio_[number])})
        for number, vector in enumerate(back)
    ]


def random_directions(latent_dim: int, count: int = RANDOM, seed: int = 0) -> list[Direction]:
    """The control."""
    vectors = stream(seed, "directions: random").standard_normal((count, latent_dim))
    return [Direction("random", str(number + 1), _unit(vector), {}) for number, vector in enumerate(vectors)]


def find_directions(sampler: Sampler, pool: Pool | None, names: Sequence[str] = (), seed: int = 0) -> list[Direction]:
    """The directions of a generator: with a pool those that a judge finds, and always those that need none.

    Args:
        sampler: of the generator.
        pool: samples with what a judge sees in them, or None.
        names: of the judge's attributes.
        seed: of latents and random directions.
    """
    supervised = regressions(pool, names) if pool else []
    latents = pool.latents if pool else sampler.make_latents(LOOKED_AT, seed)
    unsupervised = [*sefa(sampler.generator), *pca(sampler, latents)]
    by_chance = random_directions(sampler.latent_dim, seed=seed)
    return [*supervised, *conditional(supervised), *unsupervised, *by_chance]


def read_directions(folder: str | Path, latent_dim: int) -> list[Direction]:
    """Directions that `./dcgan directions` has kept in a folder; none if it has none, or those of other latents.

    Raises:
        InputError: they are damaged, or the names and the vectors were not written together.
    """
    names, vectors = Path(folder) / "directions.json", Path(folder) / "directions.npy"
    if not (names.is_file() and vectors.is_file()):
        return []
    try:
        record = read_json(names)
        about = record["directions"]
        if "vectors_sha256" in record and record["vectors_sha256"] != digest(vectors):  # older records have none
            raise ValueError(f"{vectors.name} was not written together with {names.name}")
        rows = np.load(vectors, mmap_mode="r", allow_pickle=False)
        if rows.shape != (len(about), latent_dim):
            return []
        return [
            Direction(
                one["kind"], one["name"], np.array(row), {k: v for k, v in one.items() if k not in ("kind", "name")}
            )
            for one, row in zip(about, rows)
        ]
    except (*NO_ARRAY, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"The directions kept in {folder} are damaged ({one_line(str(error))}): delete {names.name} and "
            f"{vectors.name}, and run ./dcgan directions again."
        ) from error


# --- what they change -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Effects:
    """What directions change in samples.

    Attributes:
        judge: its name.
        names: of the K attributes.
        directions: the E directions.
        strength: how far samples were moved either way, in standard deviations of the latents.
        changes: int8 (E, M, K): for each direction and sample whether it shows the attribute when moved forwards, less
            whether it does when moved backwards: 1, 0 or -1.
    """

    judge: str
    names: tuple[str, ...]
    directions: tuple[Direction, ...]
    strength: float
    changes: np.ndarray

    def of(self, direction: int) -> list[Interval]:
        """By how much more often samples show each attribute, with Student's interval."""
        return [student(column, (-1, 1)) for column in self.changes[direction].astype(float).T]

    @property
    def means(self) -> np.ndarray:
        """float (E, K)."""
        return self.changes.mean(1)

    def gain(self, kind: str) -> Interval:
        """Mean change of the attribute that a direction is named after, over the directions of a kind. One that is
        named after none is taken for the attribute that it changes most in half of the samples, in that direction; how
        much it does is measured on the others."""
        changes, own = self._of_kind(kind)
        return _bootstrap(changes, lambda means: means[own].mean())

    def leakage(self, kind: str) -> Interval:
        """Mean size of the changes of all other attributes, without most of what chance alone adds; on the same samples
        as the gain. NaN where there is no other attribute."""
        changes, own = self._of_kind(kind)
        if own.all():
            return Interval(np.nan)
        return _bootstrap(changes, lambda means: np.abs(means[~own]).mean())

    def _of_kind(self, kind: str) -> tuple[np.ndarray, np.ndarray]:
        """Changes along the directions of a kind, float (E, M, K), and which attribute is each one's own, bool (E, K).
        Where they are named after no attribute, only those of every second sample: what is each one's own, and which
        way it grows, was found in the samples between."""
        chosen = [number for number, direction in enumerate(self.directions) if direction.kind == kind]
        changes, names = self.changes[chosen].astype(float), [self.directions[number].name for number in chosen]
        if set(names) <= set(self.names):
            return changes, np.array([[name == other for other in self.names] for name in names])
        found, changes = changes[:, ::2].mean(1), changes[:, 1::2]
        own = np.eye(len(self.names), dtype=bool)[np.abs(found).argmax(1)]
        return changes * np.where(found[own] < 0, -1, 1)[:, None, None], own

    def table(self) -> list[dict]:
        """A row for each kind of direction, in words."""
        kinds = list(dict.fromkeys(direction.kind for direction in self.directions))
        return [
            {
                "directions": KINDS[kind],
                "how many": sum(direction.kind == kind for direction in self.directions),
                "gain": f"{self.gain(kind):.2f}",
                "leakage": f"{self.leakage(kind):.3f}",
            }
            for kind in kinds
        ]

    def plain(self) -> dict:
        """As plain values, for a record; what could not be measured is left out."""
        kinds = list(dict.fromkeys(direction.kind for direction in self.directions))
        return {
            "judge": self.judge,
            "samples": self.changes.shape[1],
            "strength": self.strength,
            "kinds": {
                kind: {
                    "samples": self._of_kind(kind)[0].shape[1],
                    **measured({"gain": self.gain(kind), "leakage": self.leakage(kind)}),
                }
                for kind in kinds
            },
            "directions": [
                {
                    "kind": direction.kind,
                    "name": direction.name,
                    **direction.about,
                    "changes": dict(zip(self.names, (change.plain() for change in self.of(number)))),
                }
                for number, direction in enumerate(self.directions)
            ],
        }


def effects(
    sampler: Sampler,
    judge: Judge,
    directions: Sequence[Direction],
    samples: int = SAMPLES,
    strength: float = STRENGTH,
    seed: int = 0,
    progress: bool = True,
) -> Effects:
    """Measure what directions change: fresh samples, moved forwards and backwards.

    Args:
        sampler: draws the pictures.
        judge: says what they show.
        directions: what to move along.
        samples: the same ones for all directions; at least 4, half of which say what those without a name are for.
        strength: how far, in standard deviations of the latents.
        seed: of the samples.
        progress: whether to show a progress bar.
    """
    start = sampler.make_latents(samples, stream(seed, "directions: latents"))
    step = strength * spread_of(sampler)
    changes = []
    for direction in tqdm(directions, "Moving samples", unit=" directions", disable=not progress):
        moved = np.concatenate([start + step * direction.vector, start - step * direction.vector])
        forwards, backwards = np.split(judge.shown(scale_back(sampler.images(moved))), 2)
        changes.append(forwards.astype(np.int8) - backwards)
    return Effects(judge.name, judge.names, tuple(directions), strength, np.stack(changes))


@dataclass(frozen=True)
class Following:
    """What becomes of samples that are moved ever further along directions of one kind.

    The intervals take the M for independent, which they are as long as they begin at M different samples.

    Attributes:
        kind: of the directions, one of `KINDS`.
        strengths: in standard deviations of the latents.
        has: bool (T, M), whether each sample shows the attribute that it was moved towards, at each strength.
        kept: float (T, M), share of the other attributes that are as they were; NaN where there are none.
        moved: float (T, M), distance from where it was in the judge's feature space, as a multiple of the mean distance
            between two samples: 0 for the same picture, 1 for another one.
        distinct: how many different samples the M begin at.
    """

    kind: str
    strengths: tuple[float, ...]
    has: np.ndarray
    kept: np.ndarray
    moved: np.ndarray
    distinct: int

    def gained(self) -> list[Interval]:
        """Share of samples that show it, at each strength."""
        return [wilson(int(row.sum()), len(row)) for row in self.has]

    def of(self, what: str) -> list[Interval]:
        """Mean of "kept" or "moved" at each strength."""
        bounds = {"kept": (0, 1), "moved": (0, np.inf)}[what]
        return [student(row, bounds) for row in getattr(self, what)]

    def plain(self) -> dict:
        """As plain values, for a record; what could not be measured is left out."""
        columns = {"has": self.gained(), "kept": self.of("kept"), "moved": self.of("moved")}
        rows = [
            {"strength": strength, **measured({name: column[number] for name, column in columns.items()})}
            for number, strength in enumerate(self.strengths)
        ]
        return {"kind": self.kind, "samples": self.has.shape[1], "distinct": self.distinct, "strengths": rows}


def follow(
    sampler: Sampler,
    judge: Judge,
    directions: Sequence[Direction],
    kind: str,
    each: int = EACH,
    strengths: tuple[float, ...] = STRENGTHS,
    seed: int = 0,
) -> Following:
    """Move samples that do not show an attribute ever further towards it: strength of an edit against what is kept.

    Each attribute begins at the same samples in every kind, and at none that another begins at while there are enough.
    One that all samples show is left out.

    Args:
        sampler: draws the pictures.
        judge: says what they show.
        directions: of any kinds.
        kind: which of them: one that is named after attributes, or "random", for which the same samples are moved along
            random directions instead.
        each: at most so many samples for each attribute; those that do not show it.
        strengths: how far, in standard deviations of the latents.
        seed: of samples and random directions.

    Raises:
        InputError: no direction of that kind is named after an attribute, or all samples show all of these.
    """
    named = [d for d in directions if d.kind == ("regression" if kind == "random" else kind) and d.name in judge.names]
    if not named:
        raise InputError(f"There is no direction of the kind {kind!r} that is named after an attribute.")
    columns = sorted({judge.number(d.name) for d in directions if d.name in judge.names})
    pool = sampler.make_latents(2 * each * max(10, len(columns)), stream(seed, "directions: latents"))
    pictures = scale_back(sampler.images(pool))
    shown, features = judge.shown(pictures), judge.space(pictures)
    between = float(np.linalg.norm(features - np.roll(features, 1, axis=0), axis=1).mean())
    starts = dict(zip(columns, _apart(~shown[:, columns], each)))
    named = [d for d in named if len(starts[judge.number(d.name)])]
    if not named:
        raise InputError(
            f"Samples are moved towards attributes that they do not show, and all {len(pool):,} show every attribute "
            f"that a direction of the kind {kind!r} is named after: choose another classifier or another seed."
        )
    random = stream(seed, "directions: random")
    has, kept, moved = [], [], []
    for direction in named:
        column = judge.number(direction.name)
        rows = starts[column]
        vectors = np.broadcast_to(direction.vector, (len(rows), pool.shape[1]))
        if kind == "random":
            vectors = random.standard_normal(vectors.shape)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        steps = spread_of(sampler) * np.array(strengths)[:, None, None]
        drawn = scale_back(sampler.images((pool[rows] + steps * vectors).reshape(-1, pool.shape[1]).astype(np.float32)))
        seen = judge.shown(drawn).reshape(len(strengths), len(rows), -1)
        now = judge.space(drawn).reshape(len(strengths), len(rows), -1)
        has.append(seen[..., column])
        others = np.delete(seen == shown[rows], column, axis=2)
        kept.append(others.mean(2) if others.size else np.full(others.shape[:2], np.nan))
        moved.append(np.linalg.norm(now - features[rows], axis=2) / between)
    distinct = len(np.unique(np.concatenate([starts[judge.number(direction.name)] for direction in named])))
    return Following(kind, tuple(strengths), *(np.concatenate(parts, 1) for parts in (has, kept, moved)), distinct)


def edited(sampler: Sampler, latents: np.ndarray, vector: np.ndarray, strengths: Sequence[float]) -> np.ndarray:
    """Pictures along a direction: uint8 (N, T, S, S, 3) for latents (N, D) and T strengths, in standard deviations."""
    steps = spread_of(sampler) * np.asarray(strengths, np.float32)[:, None]
    moved = latents[:, None] + steps * vector
    pictures = scale_back(sampler.images(moved.reshape(-1, latents.shape[1]).astype(np.float32)))
    return pictures.reshape(len(latents), len(strengths), *pictures.shape[1:])


def spread_of(sampler: Sampler) -> float:
    """Standard deviation of each of a generator's latents."""
    return 3**-0.5 if sampler.latents == "uniform" else 1.0


def _apart(able: np.ndarray, each: int) -> list[np.ndarray]:
    """For each column of bool (N, K) at most `each` rows where it is true, int64, in their order; rows that no other
    column has while there are any. The columns that are true most rarely choose first."""
    taken, rows = np.zeros(len(able), bool), [np.empty(0, int)] * able.shape[1]
    for column in np.argsort(able.sum(0), kind="stable"):
        there = np.flatnonzero(able[:, column])
        rows[column] = np.sort(there[np.argsort(taken[there], kind="stable")][:each])
        taken[rows[column]] = True
    return rows


def _bootstrap(changes: np.ndarray, value: Callable[[np.ndarray], float]) -> Interval:
    """A value of the mean changes float (E, K), with its interval over resamples of the samples.

    A mean of sizes is too large, because chance moves what is 0 away from it. A resample is moved once more, so what
    resamples add to the value is taken off it: all that chance adds to large changes, and over a third where there are
    none.
    """
    random, count, found = np.random.default_rng(0), changes.shape[1], float(value(changes.mean(1)))
    drawn = np.array([value(changes[:, random.integers(count, size=count)].mean(1)) for _ in range(REPLICATES)])
    bias = float(drawn.mean()) - found
    return percentiles(found - bias, drawn - 2 * bias).told(count)


def _learnable(pool: Pool, names: Sequence[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Attributes that enough samples show, and enough do not, each with what shows it."""
    for name, shown in zip(names, pool.shown.T):
        if LEAST <= shown.sum() <= len(pool) - LEAST:
            yield name, shown


def _linear(generator: keras.Sequential) -> int:
    """How many layers of a generator are linear in the latents, counted from them."""
    linear = (layers.Dense, layers.Conv2DTranspose, layers.Conv2D, layers.Reshape, layers.BatchNormalization)
    for number, layer in enumerate(generator.layers if isinstance(generator, keras.Sequential) else ()):
        if not isinstance(layer, linear) or getattr(layer, "activation", None) not in (None, keras.activations.linear):
            if number:
                return number
            break
    raise InputError(
        "SeFa and PCA need a Sequential generator whose first layers are linear, followed by a nonlinearity that is a "
        f"layer of its own. Received: {type(generator).__name__}, {getattr(generator, 'name', 'without a name')}."
    )


def _unit(vector: np.ndarray) -> np.ndarray:
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def _oriented(vector: np.ndarray) -> np.ndarray:
    """The vector at length 1, its largest entry positive: a component has no sign of its own."""
    return _unit(vector * np.sign(vector[np.argmax(np.abs(vector))]))
