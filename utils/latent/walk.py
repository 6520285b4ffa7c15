"""Walks: what a generator draws along a path through latents, and whether that changes smoothly.

The paper (§6.1, Fig 4) looks at walks for sharp transitions, which would be a sign of memorisation. Here this is asked
with numbers. A walk is cut into steps of equal length in the latents, and each step is measured in a fixed feature
space. Smoothness alone is cheap: fading from one picture into another is smooth, too, but shows ghosts on the way. So
there are two questions, and for each a control that must fail it:

- Are the steps even? A path that jumps from true image to true image (each picture replaced by the true image nearest
  to it, as a generator would draw that only repeats its training images) is not.
- Do the pictures on the way stay near true images? Those of fading do not.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from utils.data import scale_back
from utils.errors import InputError
from utils.evaluation.distances import nearest_neighbours
from utils.evaluation.features import Extractor
from utils.intervals import Interval, told_mean
from utils.latent.paths import along, expect_frames, legs, usual_path
from utils.sampling import Sampler
from utils.streams import stream

FRAMES = 60
PAIRS, STEPS = 32, 24
"""Walks that smoothness is measured on, and steps that each of them is cut into."""
TRUE_IMAGES = 1_000
"""That pictures are compared with."""
KINDS = {
    "straight": "straight walk",
    "spherical": "spherical walk",
    "fading": "fading, pixel by pixel",
    "true": "nearest true images",
}
"""What is compared: two kinds of walk, and the two controls."""


@dataclass(frozen=True)
class Walk:
    """What a generator draws along a path.

    Attributes:
        kind: of the path.
        closed: whether it goes back to where it began.
        stops: float32 (K, D), the latents that it leads through.
        places: float (T,), where on the path each picture is: i is stop i.
        latents: float32 (T, D).
        images: uint8 (T, S, S, 3).
        names: of the stops.
    """

    kind: str
    closed: bool
    stops: np.ndarray
    places: np.ndarray
    latents: np.ndarray
    images: np.ndarray
    names: tuple[str, ...] = ()

    @property
    def film(self) -> np.ndarray:
        """The frames of a film that can be played in a loop without a jump: an open path there and back."""
        return self.images if self.closed else np.concatenate([self.images, self.images[-2:0:-1]])

    def plain(self) -> dict:
        """As plain values, for a record."""
        return {"stops": list(self.names), "path": self.kind, "closed": self.closed, "frames": len(self.film)}

    def leg(self, number: int, pictures: int) -> np.ndarray:
        """Rows of the pictures of a leg, from stop `number` to the next, as evenly spaced as can be: int (P,)."""
        count = legs(len(self.stops), self.closed)
        each = (len(self.images) if self.closed else len(self.images) - 1) // count
        rows = number * each + np.unique(np.rint(np.linspace(0, each, min(pictures, each + 1))).astype(int))
        return rows % len(self.images)


def walk(
    sampler: Sampler,
    stops: np.ndarray,
    frames: int = FRAMES,
    kind: str | None = None,
    closed: bool | None = None,
    names: tuple[str, ...] = (),
) -> Walk:
    """Walk through latents.

    Args:
        sampler: draws the pictures.
        stops: float (K, D), what to walk through; for example `sampler.make_latents(5, seed)`.
        frames: of the film, at least; there may be a few more, so that every leg has as many.
        kind: one of `paths.PATHS`; by default a spline through three or more stops, and between two the spherical path
            for N(0, 1) latents, the straight one for uniform latents.
        closed: whether to go back to the first stop; by default through three or more.
        names: of the stops.

    Raises:
        InputError: fewer than two stops, or fewer than two frames for each.
    """
    stops = np.asarray(stops, np.float32)
    if len(stops) < 2:
        raise InputError(f"A walk leads through at least two stops. Received: {len(stops)}.")
    closed = len(stops) > 2 if closed is None else closed
    kind = kind or usual_path(len(stops), sampler.latents)
    expect_frames(frames, len(stops))
    pieces = legs(len(stops), closed)
    each = -(-frames // (pieces if closed else 2 * pieces))  # a film of an open path goes there and back
    places = np.arange(pieces * each + (not closed)) / each
    latents = along(stops, places, kind, closed, sampler.latents)
    return Walk(kind, closed, stops, places, latents, scale_back(sampler.images(latents)), tuple(names))


@dataclass(frozen=True)
class Paths:
    """How one kind of path runs through a feature space, for P pairs of ends.

    Attributes:
        steps: float (P, T), length of each step.
        apart: float (P,), distance between the ends.
        away: float (P, T + 1), distance of each picture to the nearest true image.
        images: uint8 (T + 1, S, S, 3), the pictures of the first pair.
    """

    steps: np.ndarray
    apart: np.ndarray
    away: np.ndarray
    images: np.ndarray

    @property
    def largest(self) -> Interval:
        """The largest step as a multiple of the mean step: 1 if all are equal, T if all happens in one step."""
        return told_mean(_ratio(self.steps.max(1), self.steps.mean(1)))

    @property
    def detour(self) -> Interval:
        """Length of the path as a multiple of the distance between its ends."""
        return told_mean(_ratio(self.steps.sum(1), self.apart))


@dataclass(frozen=True)
class Smoothness:
    """How walks compare with fading and with a path over true images.

    Attributes:
        space: name of the feature space.
        true: how many true images there are, and what they are ("2,000 held-out images (…)").
        usual: mean distance of a true image to the nearest other one: the unit of `away`.
        paths: by the names of `KINDS`.
    """

    space: str
    true: str
    usual: float
    paths: dict[str, Paths]

    def away(self, kind: str) -> tuple[Interval, Interval]:
        """How far pictures are from the nearest true image, as a multiple of how far a true image is from the nearest
        other one; means over the pairs.

        Returns:
            At the ends of the way; and by how much more in its middle third.
        """
        away = self.paths[kind].away / self.usual
        third = away.shape[1] // 3
        ends, middle = away[:, [0, -1]].mean(1), away[:, third : away.shape[1] - third].mean(1)
        return told_mean(ends), told_mean(middle - ends)

    @cached_property
    def findings(self) -> dict[str, dict[str, Interval]]:
        """By kind of path: "largest" and "detour" (see `Paths`), "ends" and "middle" (see `away`). What cannot be said,
        because no path of a kind leads anywhere, is left out."""
        found = {
            kind: {"largest": paths.largest, "detour": paths.detour, **dict(zip(("ends", "middle"), self.away(kind)))}
            for kind, paths in self.paths.items()
        }
        return {
            kind: {what: interval for what, interval in those.items() if np.isfinite(interval.value)}
            for kind, those in found.items()
        }

    def table(self) -> list[dict]:
        """A row for each kind of path, in words."""
        columns = {
            "largest step / mean step": ("largest", ".2f"),
            "length / distance of the ends": ("detour", ".2f"),
            "from true images, at the ends": ("ends", ".2f"),
            "further in the middle": ("middle", "+.3f"),
        }
        return [
            {"path": KINDS[kind]}
            | {title: f"{found[what]:{form}}" if what in found else "–" for title, (what, form) in columns.items()}
            for kind, found in self.findings.items()
        ]

    def plain(self) -> dict:
        """As plain values, for a record."""
        pairs, steps = self.paths["straight"].steps.shape
        paths = {
            kind: {name: interval.plain() for name, interval in found.items()} for kind, found in self.findings.items()
        }
        return {"space": self.space, "true_images": self.true, "pairs": pairs, "steps": steps, "paths": paths}


def smoothness(
    sampler: Sampler,
    extractor: Extractor,
    true: np.ndarray,
    about: str = "true images",
    pairs: int = PAIRS,
    steps: int = STEPS,
    seed: int = 0,
) -> Smoothness:
    """Measure whether walks between random latents change smoothly, beside two controls.

    Args:
        sampler: draws the pictures.
        extractor: the feature space, for images of the generator's size.
        true: uint8 (N, S, S, 3), true images, if possible such that the generator was not trained on.
        about: what they are, for the record.
        pairs: how many walks, between different latents.
        steps: that each walk is cut into. The numbers depend on it: more steps are more even.
        seed: of the latents.

    Raises:
        InputError: the true images are all the same to the feature space, so nothing can be compared with them.
    """
    true = np.asarray(true)
    ends = sampler.make_latents(2 * pairs, stream(seed, "walk: ends")).reshape(pairs, 2, -1)
    shares = np.linspace(0, 1, steps + 1)
    images = {}
    for kind in ("straight", "spherical"):
        latents = np.concatenate([along(pair, shares, kind, False, sampler.latents) for pair in ends])
        images[kind] = scale_back(sampler.images(latents))
    flat = images["straight"].reshape(pairs, steps + 1, *true.shape[1:])
    share = shares[:, None, None, None].astype(np.float32)
    fading = (1 - share) * flat[:, :1] + share * flat[:, -1:]
    images["fading"] = np.rint(fading).astype(np.uint8).reshape(images["straight"].shape)

    of_true = extractor(true)
    usual = float(nearest_neighbours(of_true, of_true, 2).distances[:, 1].mean())
    if not usual:
        raise InputError(
            f"The true images must differ from one another. Received: {len(true):,}, of each of which there is a copy."
        )
    features = {kind: extractor(drawn) for kind, drawn in images.items()}
    nearest = {kind: nearest_neighbours(found, of_true) for kind, found in features.items()}
    rows = nearest["straight"].rows[:, 0]
    images["true"], features["true"] = true[rows], of_true[rows]

    paths = {}
    for kind in KINDS:
        found = features[kind].reshape(pairs, steps + 1, -1).astype(np.float64)
        away = nearest[kind].distances if kind in nearest else np.zeros(len(rows))
        paths[kind] = Paths(
            steps=np.linalg.norm(np.diff(found, axis=1), axis=2),
            apart=np.linalg.norm(found[:, -1] - found[:, 0], axis=1),
            away=away.reshape(pairs, steps + 1),
            images=images[kind][: steps + 1],
        )
    return Smoothness(extractor.name, f"{len(true):,} {about}", usual, paths)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Quotients; NaN, which counts for nothing, where the whole is 0: a path over true images may stay where it is."""
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
