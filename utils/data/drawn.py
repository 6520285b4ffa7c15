"""What the built-in, drawn datasets have in common: settings, seeds, reading rows, boxes."""

from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import ClassVar

import cv2
import numpy as np

from utils.data.dataset import Description
from utils.errors import InputError

ENCODING = "none: drawn here, never compressed"
"""Of every picture that is drawn (see `Dataset.encoding`)."""

SIZES = range(16, 257, 8)  # sides of an image that can be drawn, in pixels
SPLITS = {"train": (), "test": (1,)}  # spawn keys of the random numbers of each split
SHOWN = 0.1  # share of a pixel that a part must colour to count as shown there


@dataclass(frozen=True)
class Factor:
    """Something of which every image has exactly one value (its skin, its digit).

    Attributes:
        name: what it is called.
        values: each value with the attributes or labels that are true of it alone among the values; () is the one of
            which none of them is true.
    """

    name: str
    values: dict[str, tuple[str, ...]]

    def read(self, scores: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """The likeliest value of each image.

        Args:
            scores: float (N,) for each attribute or label, above 0 where it is likely: logits of a classifier, whose
                errors are taken for independent, or `certain` ones.

        Returns:
            int64 (N,), which of the values; and float64 (N,), how likely it is among them.
        """
        count = len(next(iter(scores.values())))
        # The logarithm of how much likelier a value is than the one of which nothing is true.
        of_values = np.stack([sum((scores[name] for name in names), np.zeros(count)) for names in self.values.values()])
        return of_values.argmax(0), 1 / np.exp(of_values - of_values.max(0)).sum(0)


def certain(known: np.ndarray) -> np.ndarray:
    """Scores for `Factor.read` of what is known to be true (1) or not (0)."""
    return np.where(known, 1.0, -1.0)


@dataclass(frozen=True)
class Drawn:
    """A dataset that is drawn rather than read: image i follows from (seed, choices, i) alone.

    So the first n images of a larger set are the set of n, rows can be drawn in any order and process, and an image at
    another size shows the same thing.

    The split "test" draws from other random numbers: for row i, train takes NumPy's SeedSequence([seed, i]) and test
    its child 1 (spawn key 1), which is no such sequence for any seed and row below 2**64. So whatever the seeds and
    counts, no test image was drawn for training; nothing else differs.

    Attributes:
        size: side of the images in pixels, a multiple of 8 from 16 to 256.
        count: how many images there are.
        seed: another seed gives other images.
        choices: name of the set of choices to draw from, one of `known_choices`.
        split: "train" or "test".
        title: what to call the dataset in a heading.
        known_choices: names of the sets of choices, each with what it is for.
        factors: what every image has one value of; together they are its combination. None follows from the others.
        chunks_each: fewer of the chunks that are prepared are not worth a process of their own, which takes seconds to
            start.
    """

    title: ClassVar[str]
    known_choices: ClassVar[dict[str, str]]
    factors: ClassVar[tuple[Factor, ...]] = ()
    chunks_each: ClassVar[int] = 4

    size: int
    count: int = 10_000
    seed: int = 0
    choices: str = "independent"
    split: str = "train"

    def __post_init__(self):
        if self.size not in SIZES:
            raise InputError(
                f"Built-in images have a size that is a multiple of {SIZES.step} from {SIZES[0]} to {SIZES[-1]}; "
                f"take one of these. Received: size={self.size!r}."
            )
        if not isinstance(self.count, int) or self.count < 1:
            raise InputError(f"A built-in dataset needs a count of at least 1. Received: count={self.count!r}.")
        if not isinstance(self.seed, int) or self.seed < 0:
            raise InputError(f"The seed of a built-in dataset must be a whole number from 0. Received: {self.seed!r}.")
        if self.choices not in self.known_choices:
            raise InputError(
                f"The {self.title} can be drawn with choices {', '.join(self.known_choices)}; take one of these. "
                f"Received: choices={self.choices!r}."
            )
        if self.split not in SPLITS:
            raise InputError(f"The {self.title} have the splits {', '.join(SPLITS)}. Received: split={self.split!r}.")

    @property
    def heading(self) -> str:
        """The title, with the split if it is not train."""
        return self.title if self.split == "train" else f"{self.title} {self.split}"

    def describe(self) -> Description:
        """What there is (see `Source`)."""
        raise NotImplementedError

    def draw(self, row: int) -> dict[str, np.ndarray]:
        """One row: "images" as uint8 (size, size, 3), and the fields of the description."""
        raise NotImplementedError

    def known(self, row: int) -> dict[str, bool]:
        """What is true of one row, by the names of its attributes and labels, without drawing it."""
        raise NotImplementedError

    def identity(self, drawing_version: int, *packages: str) -> dict:
        """Everything that decides the pixels: settings, version of the drawing code and of the libraries that draw."""
        versions = {name: version(name) for name in (*packages, "numpy")} | {"opencv": cv2.__version__}
        return {"drawing": self.title, "version": drawing_version, **asdict(self), "libraries": versions}

    def generator(self, row: int) -> np.random.Generator:
        """The random numbers of one row, the same for every size and every set of choices."""
        return np.random.default_rng(np.random.SeedSequence([self.seed, row], spawn_key=SPLITS[self.split]))

    def read(self, rows: range) -> tuple[dict[str, np.ndarray], dict[int, str]]:
        """Draw some rows (see `Source`); drawing never fails."""
        shapes = {"images": ((self.size, self.size, 3), "uint8"), **self.describe().fields}
        arrays = {name: np.empty((len(rows), *shape), dtype) for name, (shape, dtype) in shapes.items()}
        for place, row in enumerate(rows):
            for name, value in self.draw(row).items():
                arrays[name][place] = value
        return arrays, {}


def pick(rng: np.random.Generator, values):
    """One of `values`, all equally likely. It takes one random number however many values there are."""
    return values[int(rng.random() * len(values))]


def box_of(coverage: np.ndarray) -> np.ndarray:
    """The smallest box around the pixels that a part is shown in.

    Args:
        coverage: float32 (H, W) in [0, 1], how much of each pixel the part colours.

    Returns:
        int16 (4,): left, top, right, bottom (right and bottom exclusive); -1 if the part is shown nowhere.
    """
    left, top, width, height = cv2.boundingRect((coverage >= SHOWN).view(np.uint8))
    return np.array([left, top, left + width, top + height] if width else [-1, -1, -1, -1], np.int16)
