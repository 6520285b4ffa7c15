"""The turn vector: from samples that lean to the left to samples that lean to the right, added to others.

The paper takes the mean latents of four faces that look left and of four that look right; walking along the difference
turns other faces. The built-in faces do not look aside, but each is turned in its plane by up to 7 degrees, and by how
much is known exactly. A ridge regression on the pixels of true faces reads the turn off a picture, so what a vector
does to it can be measured in degrees.

Reference:
    Radford, Metz, Chintala (arXiv:1511.06434), §6.3.2 and Fig 8.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.linear_model import Ridge

from utils.data import load, scale, scale_back
from utils.data.faces import Faces
from utils.data.pixels import fit
from utils.errors import InputError
from utils.evaluation.judge import SIDE, Judge
from utils.intervals import Interval, student
from utils.sampling import Sampler
from utils.streams import stream

LEARNT_FROM = 4_000  # true faces
SMOOTHING = 10.0  # of the ridge regression
STRENGTHS = (-1.0, -0.5, 0.0, 0.5, 1.0)
SAMPLES = 64
SHOWN = 6


@dataclass(frozen=True)
class Gauge:
    """Reads the turn off built-in faces: uint8 (N, S, S, 3) -> float (N,), degrees, clockwise.

    Attributes:
        error: root mean square error on true faces that it has not seen, in degrees.
        spread: standard deviation of their turn: the error of an answer that is always the mean.
    """

    error: float
    spread: float
    _degrees: Callable[[np.ndarray], np.ndarray]

    def __call__(self, images: np.ndarray) -> np.ndarray:
        return self._degrees(images)


def turn_gauge(
    size: int = SIDE, data_dir: str | Path | None = None, progress: bool = True, count: int | None = None
) -> Gauge:
    """Learn to read the turn off the built-in faces; takes seconds once they are drawn.

    Args:
        size: side of the images that will be looked at; above `judge.SIDE` they are shrunk to it.
        data_dir: where datasets are.
        progress: whether to show a progress bar while faces are drawn.
        count: true faces to learn from, and a quarter as many to test on; `LEARNT_FROM` by default.
    """
    count = count or LEARNT_FROM
    side = min(size, SIDE)

    def faces(number: int, split: str) -> tuple[np.ndarray, np.ndarray]:
        drawn, source = (
            load("faces", side, number, data_dir=data_dir, split=split, progress=progress),
            Faces(side, number, split=split),
        )
        return _values(np.asarray(drawn.images), side), np.array([source.look(row).turn for row in range(number)])

    regression = Ridge(SMOOTHING).fit(*faces(count, "train"))
    pixels, turns = faces(count // 4, "test")
    error = float(np.sqrt(np.mean((regression.predict(pixels) - turns) ** 2)))
    return Gauge(error, float(turns.std()), lambda images: regression.predict(_values(images, side)))


@dataclass(frozen=True)
class Turning:
    """What a turn vector does.

    Attributes:
        exemplars: how many samples of each side it was made from.
        vector: float32 (D,), from the left to the right.
        left, right: uint8 (k, S, S, 3), the exemplars.
        strengths: how much of the vector was added.
        degrees: float (N, T), how far that turns each of N fresh samples, against adding nothing.
        random: float (N, T), the same for random vectors of the same length, another for each sample. Their signs say
            nothing, and their mean with them is 0 whatever they do: how far they turn is told either way.
        kept, random_kept: float (N, T), share of what a judge sees in the sample that it still sees; NaN without judge.
        images: uint8 (n, T, S, S, 3), the first of those samples.
    """

    exemplars: int
    vector: np.ndarray
    left: np.ndarray
    right: np.ndarray
    strengths: tuple[float, ...]
    degrees: np.ndarray
    random: np.ndarray
    kept: np.ndarray
    random_kept: np.ndarray
    images: np.ndarray

    def at(self, values: np.ndarray) -> list[Interval]:
        """Mean over the samples at each strength, with Student's interval; of what is kept, a share, within 0 and 1."""
        shares = values is self.kept or values is self.random_kept
        return [student(column, (0, 1) if shares else (-np.inf, np.inf)) for column in values.T]

    @property
    def slope(self) -> Interval:
        """Degrees that the whole vector turns by, from -1 to 1, halved."""
        return student((self.degrees[:, -1] - self.degrees[:, 0]) / 2)

    @property
    def random_slope(self) -> Interval:
        """The same for the random vectors, either way."""
        return student(np.abs(self.random[:, -1] - self.random[:, 0]) / 2)

    def table(self) -> list[dict]:
        """A row for each strength, in words."""
        by_chance = np.abs(self.random)
        rows = zip(self.strengths, *map(self.at, (self.degrees, by_chance, self.kept, self.random_kept)))
        return [
            {
                "exemplars": self.exemplars,
                "length": f"{np.linalg.norm(self.vector):.1f}",
                "times the vector": f"{strength:+.1f}",
                "turned by": f"{turned:+.1f}°",
                "others kept": f"{kept:.0%}",
                "random vector: turned either way by": f"{by_chance:.1f}°",
                "others kept ": f"{kept_by_chance:.0%}",
            }
            for strength, turned, by_chance, kept, kept_by_chance in rows
        ]

    def plain(self) -> dict:
        """As plain values, for a record."""
        measured = {"degrees": self.degrees, "random": np.abs(self.random)}
        measured |= {"kept": self.kept, "random_kept": self.random_kept}
        found = {name: self.at(values) for name, values in measured.items() if np.isfinite(values).all()}
        return {
            "exemplars": self.exemplars,
            "length": float(np.linalg.norm(self.vector)),
            "samples": len(self.degrees),
            "slope": self.slope.plain(),
            "random_slope": self.random_slope.plain(),
            "strengths": [
                {"strength": strength, **{name: intervals[place].plain() for name, intervals in found.items()}}
                for place, strength in enumerate(self.strengths)
            ],
        }


def turn_vector(
    sampler: Sampler,
    gauge: Gauge,
    judge: Judge | None = None,
    exemplars: int = 4,
    pool: int = 1_000,
    samples: int = SAMPLES,
    seed: int = 0,
) -> Turning:
    """Make a turn vector from the samples that lean most to either side, and measure what it does to others.

    Args:
        sampler: of a generator of the built-in faces.
        gauge: reads the turn.
        judge: says whether the rest of the picture stays as it is.
        exemplars: of each side.
        pool: samples that exemplars are found among.
        samples: fresh ones, that the vector is added to.
        seed: of all samples and random vectors.
    """
    if 2 * exemplars > pool:
        raise InputError(f"exemplars must be at most half of the {pool:,} samples of the pool. Received: {exemplars}.")
    latents = sampler.make_latents(pool, seed)
    images = scale_back(sampler.images(latents))
    order = np.argsort(gauge(images), kind="stable")
    left, right = order[:exemplars], order[::-1][:exemplars]
    vector = latents[right].mean(0) - latents[left].mean(0)

    random = stream(seed, "turn: latents")
    start = sampler.make_latents(samples, random)
    others = random.standard_normal(start.shape).astype(np.float32)
    others *= np.linalg.norm(vector) / np.linalg.norm(others, axis=1, keepdims=True)
    before = scale_back(sampler.images(start))
    turn_before, seen_before = gauge(before), judge.shown(before) if judge else None

    def follow(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        drawn = [scale_back(sampler.images((start + strength * vectors).astype(np.float32))) for strength in STRENGTHS]
        turned = np.stack([gauge(pictures) - turn_before for pictures in drawn], 1)
        kept = np.full(turned.shape, np.nan)
        if judge:
            kept = np.stack([(judge.shown(pictures) == seen_before).mean(1) for pictures in drawn], 1)
        return turned, kept, np.stack([pictures[:SHOWN] for pictures in drawn], 1)

    degrees, kept, shown = follow(vector)
    random_degrees, random_kept, _ = follow(others)
    return Turning(
        exemplars, vector, images[left], images[right], STRENGTHS, degrees, random_degrees, kept, random_kept, shown
    )


def _values(images: np.ndarray, side: int) -> np.ndarray:
    return scale(np.stack([fit(image, side) for image in images])).reshape(len(images), -1)
