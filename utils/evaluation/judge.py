"""A judge: the classifier of a dataset, asked what it sees in a picture, true or fake.

It has learnt from true images, so how far it can be trusted on fakes is a question of its own: see `latent.trust`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.config import DataConfig
from utils.data import Dataset
from utils.data.dataset import ALL, UNKNOWN
from utils.errors import InputError
from utils.evaluation.features import Extractor, classifier, extractor_for, taking
from utils.evaluation.names import names_for

SIDE = 32
"""Pixels that larger images are shrunk to, so that one classifier serves models of all sizes and is trained in a minute
or two; what the attributes say can be seen at that size."""


@dataclass(frozen=True)
class Judge:
    """Says what pictures show: uint8 (N, S, S, 3) in [0, 255] -> log-odds.

    Attributes:
        name: what to call it ("classifier of the built-in faces, 13 attributes").
        names: of the K attributes, or classes, in words.
        space: the feature space of its last hidden layer; takes images of any size.
        card: what is known of it, in plain values; "accuracies" on true images by attribute, where it has attributes.
        exclusive: whether a picture shows one of these alone, as it does of classes: no two have log-odds above 0, and
            what one gains the others lose.
    """

    name: str
    names: tuple[str, ...]
    space: Callable[[np.ndarray], np.ndarray]
    card: dict
    _log_odds: Callable[[np.ndarray], np.ndarray]
    exclusive: bool = False

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Log-odds of each attribute, float32 (N, K): above 0 it is more probably there than not."""
        return self._log_odds(images)

    def shown(self, images: np.ndarray) -> np.ndarray:
        """Whether each picture shows each attribute, bool (N, K)."""
        return self(images) > 0

    def number(self, name: str) -> int:
        """The place of an attribute among `names`.

        Raises:
            InputError: there is no such attribute; the message lists those that there are.
        """
        if name not in self.names:
            raise InputError(f"There is no attribute {name!r}; choose one of {', '.join(self.names)}.")
        return self.names.index(name)


def judge_for(
    dataset: str | Path,
    size: int = SIDE,
    *,
    attributes: bool = False,
    small: str = DataConfig.small,
    data_dir: str | Path | None = None,
    progress: bool = True,
) -> Judge:
    """The judge of a dataset's classes, or else attributes; the first time its classifier is trained.

    Args:
        dataset: name of a dataset, or the path of own pictures with labels or attributes.
        size: side of the images that will be judged; above `SIDE` they are shrunk to it.
        attributes: whether it is of the attributes also where there are classes.
        small, data_dir, progress: as for `features.extractor_for`.

    Raises:
        InputError: the dataset has neither attributes nor labels, too few images, or was not fetched.
    """
    names, side = names_for(dataset, data_dir, attributes), min(size, SIDE)
    how = {"small": small, "attributes": attributes, "data_dir": data_dir, "progress": progress}
    space = taking(classifier(dataset, side, **how), None)
    classes = "accuracies" not in space.card
    if not names:
        black = np.zeros((1, side, side, 3), np.uint8)
        names = tuple(f"class {number}" for number in range(space.answers(black).shape[1]))
    log_odds = (lambda images: _of_classes(space.answers(images))) if classes else space.answers
    return Judge(space.name, names, space, space.card, log_odds, exclusive=classes)


def true_in_words(true: Dataset, trained_on: bool | str) -> str:
    """True images that are judged beside fakes, for a sentence, with who has learnt from them.

    Args:
        true: the images.
        trained_on: whether the generator has; UNKNOWN where that is not known.
    """
    of_generator = {True: ["it was trained on"], UNKNOWN: ["it may have been trained on"]}.get(trained_on, [])
    learnt = of_generator + ["the judge may have learnt from"] * (true.split in ("train", ALL))
    which = f", which {' and '.join(learnt)}" if learnt else ""
    return f"{'held-out images' if trained_on is False else 'images'} of {true.title}{which}"


def space_for(
    dataset: str | Path,
    size: int = SIDE,
    *,
    features: str = "auto",
    small: str = DataConfig.small,
    data_dir: str | Path | None = None,
    progress: bool = True,
) -> Extractor:
    """The feature space of `extractor_for`, at `SIDE` pixels where images are larger; it takes images of any size."""
    places = {"small": small, "data_dir": data_dir, "progress": progress}
    return taking(extractor_for(dataset, min(size, SIDE), features=features, **places), None)


def _of_classes(logits: np.ndarray) -> np.ndarray:
    """Log-odds of each class against all others together, from the logits of a softmax; float32 (N, K)."""
    most = logits.max(1, keepdims=True)
    powers = np.exp((logits - most).astype(np.float64))
    others = np.maximum(powers.sum(1, keepdims=True) - powers, np.finfo(np.float64).tiny)
    return (logits - most - np.log(others)).astype(np.float32)
