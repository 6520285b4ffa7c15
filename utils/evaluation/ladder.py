"""Does a distance do what it should? Known orderings of spoilt true images, measured in any feature space.

Of each ordering it is known which images are further from true ones, without any network: an image that is spoilt more,
a set with fewer classes, a grey field against any face that can be recognised. Where a space says otherwise, its figure
is not to be believed there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import cv2
import numpy as np
from tqdm.auto import tqdm

from utils.errors import InputError
from utils.evaluation.distances import LEAST_SAMPLES, frechet_distance, kernel_distance
from utils.intervals import Interval
from utils.streams import stream

SIDE = 64
"""Side of the images that blur and shift are given for, in pixels; on others they grow with the side."""
MEASURES = {"kernel": kernel_distance, "frechet": frechet_distance}
"""Which distances are measured."""
TRUE, HALF, TEN, ONE, GREY, WHITE_NOISE = (
    "true", "half of the classes", "ten pictures", "one picture", "uniform grey", "white noise",
)  # fmt: skip
"""Rungs that have no strength."""


@dataclass(frozen=True)
class Rung:
    """Images of which it is known how they were spoilt.

    Attributes:
        name: unique ("blurred 1", "JPEG 50").
        family: what was done ("blurred"); rungs of one family get worse in their order.
        images: uint8 (K, S, S, 3); where they are fewer than are measured, they are repeated in turn.
    """

    name: str
    family: str
    images: np.ndarray


@dataclass(frozen=True)
class Ladder:
    """How far each rung is from true images, in one feature space. No figure has a unit.

    Attributes:
        space: name of the feature space.
        fingerprint: of its network.
        samples: images of each rung, and true ones that they are compared with.
        families: the family of each rung, in their order.
        distances: for each of `MEASURES` the distance of each rung. Intervals take pictures as independent draws, which
            those that are repeated are not.
    """

    space: str
    fingerprint: str
    samples: int
    families: dict[str, str]
    distances: dict[str, dict[str, Interval]]

    def plain(self) -> dict:
        """As plain values, for a record."""
        plain = {m: {rung: d.plain() for rung, d in of.items()} for m, of in self.distances.items()}
        return {**vars(self), "distances": plain}

    @classmethod
    def of(cls, plain: dict) -> "Ladder":
        """The ladder that `plain` wrote; what else is in there does not matter."""
        distances = {
            measure: {rung: Interval.of(values) for rung, values in of.items()}
            for measure, of in plain["distances"].items()
        }
        names = ("space", "fingerprint", "samples", "families")
        return cls(**{name: plain[name] for name in names}, distances=distances)


@dataclass(frozen=True)
class Ordering:
    """Two rungs of which it is known that the second is further from true images, and what a distance says.

    Attributes:
        measure: one of `MEASURES`.
        better, worse: the rungs.
        near, far: their distances.
    """

    measure: str
    better: str
    worse: str
    near: Interval
    far: Interval

    @property
    def verdict(self) -> Literal["kept", "unseen", "reversed"]:
        """ "unseen" where the intervals overlap; "reversed" where the worse rung is nearer beyond chance."""
        if self.far.low > self.near.high:
            return "kept"
        return "reversed" if self.far.high < self.near.low else "unseen"


def rungs(images: np.ndarray, samples: int, in_half: np.ndarray | None = None, seed: int = 0):
    """True images to compare with, and the rungs.

    Args:
        images: uint8 (N, S, S, 3), true images, in any order; N at least twice `samples`.
        samples: images of each rung.
        in_half: bool (N,), which of them are of the half of the classes that is kept; the rung is left out without it,
            or where there are too few of them.
        seed: of the choice of images and of the noise.

    Returns:
        uint8 (samples, S, S, 3), and the rungs, of which the first, "true", is other true images.

    Raises:
        InputError: there are too few images.
    """
    if len(images) < 2 * samples or samples < LEAST_SAMPLES:
        raise InputError(
            f"The ladder compares two sets of true images, of at least {LEAST_SAMPLES} each. Received: {samples} and "
            f"{len(images):,} images."
        )
    order = stream(seed, "ladder: true images").permutation(len(images))
    true = images[np.sort(order[:samples])]
    base = images[np.sort(order[samples : 2 * samples])]
    random = stream(seed, "ladder: noise")
    found = [Rung(TRUE, TRUE, base)]
    for family, (spoil, strengths) in SPOILT.items():
        for strength in strengths:
            spoilt = np.stack([spoil(image, strength, random) for image in base])
            found.append(Rung(f"{family} {strength:g}", family, spoilt))
    if in_half is not None:
        kept = np.sort([row for row in order[samples:] if in_half[row]][:samples])
        if len(kept) == samples:
            found.append(Rung(HALF, "fewer classes", images[kept]))
    found += [Rung(TEN, "fewer pictures", base[:: max(1, len(base) // 10)][:10]), Rung(ONE, "fewer pictures", base[:1])]
    noise = random.integers(0, 256, base.shape, np.uint8)
    return true, [*found, Rung(GREY, "nothing", np.full_like(base[:1], 128)), Rung(WHITE_NOISE, "nothing", noise)]


def climb(true: np.ndarray, steps: Sequence[Rung], extractor, progress: bool = True) -> Ladder:
    """Measure each rung in a feature space.

    Args:
        true: uint8 (N, S, S, 3), true images.
        steps: as `rungs` gives them.
        extractor: the space, an `Extractor`.
        progress: whether to show a progress bar.
    """
    reference, distances = extractor(true), {measure: {} for measure in MEASURES}
    for rung in tqdm(steps, f"Ladder, {extractor.name}", unit=" rungs", disable=not progress):
        features = extractor(rung.images)
        features = features[np.arange(len(true)) % len(features)]
        for measure, distance in MEASURES.items():
            distances[measure][rung.name] = distance(features, reference)
    families = {rung.name: rung.family for rung in steps}
    return Ladder(extractor.name, extractor.fingerprint, len(true), families, distances)


def orderings(ladder: Ladder) -> list[Ordering]:
    """Every known ordering of two rungs, with what the space says of it, measure by measure.

    Within a family each rung is further than the one before, the first further than true images. And an image that can
    be recognised is nearer than one that shows nothing: than a grey field, and than white noise. But white noise has
    more variety than ten pictures, and how far one picture is depends on which it is: there nothing is known; nor
    between ten pictures, which may be of all classes, and many of half of them.
    """
    pairs = []
    for family in dict.fromkeys(ladder.families.values()):
        steps = [rung for rung, of in ladder.families.items() if of == family]
        if family not in (TRUE, "nothing"):
            chain = [TRUE, *steps]
            pairs += pairwise(chain)
            pairs += [(rung, GREY) for rung in steps if rung != ONE]
            pairs += [(rung, WHITE_NOISE) for rung in steps if rung not in (TEN, ONE)]
    return [
        Ordering(measure, better, worse, of[better], of[worse])
        for measure, of in ladder.distances.items()
        for better, worse in pairs
    ]


def reversed_orderings(ladder: Ladder) -> list[Ordering]:
    """The known orderings that a space turns round: where it stops being monotone."""
    return [ordering for ordering in orderings(ladder) if ordering.verdict == "reversed"]


def _blurred(image: np.ndarray, strength: float, random: np.random.Generator) -> np.ndarray:
    """By a Gaussian of that standard deviation, in pixels."""
    return cv2.GaussianBlur(image, (0, 0), strength * len(image) / SIDE)


def _jpeg(image: np.ndarray, strength: float, random: np.random.Generator) -> np.ndarray:
    """Stored as JPEG of that quality, and read."""
    _, stored = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(strength)])
    return cv2.imdecode(stored, cv2.IMREAD_COLOR)[..., ::-1]


def _shifted(image: np.ndarray, strength: float, random: np.random.Generator) -> np.ndarray:
    """To the right and down by so many pixels; what is left free repeats the edge."""
    by = max(1, round(strength * len(image) / SIDE))
    return np.pad(image, ((by, 0), (by, 0), (0, 0)), "edge")[: len(image), : len(image)]


def _blotched(image: np.ndarray, strength: float, random: np.random.Generator) -> np.ndarray:
    """With noise of that standard deviation, of 255, that is as smooth as what generators add: about 3 pixels of 64."""
    noise = cv2.GaussianBlur(random.standard_normal(image.shape), (0, 0), len(image) / SIDE)
    return np.clip(image + strength / noise.std() * noise + 0.5, 0, 255).astype(np.uint8)


def _noisy(image: np.ndarray, strength: float, random: np.random.Generator) -> np.ndarray:
    """With noise of that standard deviation, of 255."""
    return np.clip(image + strength * random.standard_normal(image.shape) + 0.5, 0, 255).astype(np.uint8)


SPOILT: dict[str, tuple[Callable, tuple[float, ...]]] = {
    "blurred": (_blurred, (1, 2, 4)),
    "JPEG": (_jpeg, (95, 50, 20, 10)),  # 95: as public copies of CIFAR-10 are stored
    "shifted": (_shifted, (2, 4, 8)),
    "blotches": (_blotched, (16, 32, 48)),
    "noise": (_noisy, (8, 16, 32, 64)),
}
"""What is done to pictures, and in which strengths, the mildest first; all of them can still be recognised."""
