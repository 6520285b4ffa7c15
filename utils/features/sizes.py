"""How much a comparison of features does, and what cannot be asked for. Needs no TensorFlow: that is said at once."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.config import DataConfig
from utils.data.catalogue import find_source, is_own, reading
from utils.data.conditions import MOST_UNNAMED, are_classes
from utils.errors import InputError
from utils.evaluation.held_out import source_there, split_apart

SVHN_LABELS = 1000
"""That classifiers learn from, by default, where the protocol is svhn."""
FOLDS = 3
"""Of the cross-validation that chooses C (cifar)."""
LEAST = {"cifar": FOLDS, "svhn": 1}
"""Labels of each class that a protocol cannot do without."""
TEST_SHARE = 0.3
"""Of the images are set apart for judging where there are no others for it."""
VALIDATION, VALIDATION_SHARE = 10_000, 0.2
"""Images of the training part that C is chosen on (svhn), by the authors' code; and at most this share of it."""


@dataclass(frozen=True)
class Sizes:
    """How much a comparison does.

    Attributes:
        train, test: images at most; None for all.
        few_draws: cifar: how often 400 labels a class are drawn.
        choosing_draws, draws: svhn: how often labels are drawn for each C, and at the best.
        random_seeds: networks with random weights.
        centroids, patches: of k-means.
        updates: of supervised training, at most.
        supervised: svhn: how many of the draws a network is trained on.
    """

    train: int | None
    test: int | None
    few_draws: int
    choosing_draws: int
    draws: int
    random_seeds: int
    centroids: int
    patches: int
    updates: int
    supervised: int


SIZES = {
    "quick": Sizes(10_000, 2_000, 3, 3, 20, 1, 400, 50_000, 400, 2),
    "report": Sizes(None, None, 10, 10, 100, 2, 1_600, 400_000, 8_000, 10),
    "smallest": Sizes(600, 200, 1, 1, 2, 1, 10, 500, 5, 1),
}
"""By the names of `presets.SCALES`; report is the paper's."""


def parts(images: int, known: bool, protocol: str, labels: int | None, sizes: Sizes) -> tuple[int, int, int]:
    """Of how many images of a dataset classifiers are judged, on how many C is chosen, and from how many they learn.

    Args:
        images: how many there are.
        known: whether there are others to judge by, such as a test part with labels.
        protocol: "cifar", where C is chosen by cross-validation, or "svhn".
        labels: how many labels are drawn from those to learn from, if they are.
        sizes: how many images at most.
    """
    test = 0 if known else round(TEST_SHARE * images)
    rest, most = images - test, images if sizes.train is None else sizes.train
    if protocol != "svhn":
        return test, 0, min(rest, most) if labels is None else rest
    validation = min(VALIDATION, int(VALIDATION_SHARE * rest))
    if sizes.train is not None:
        rest = min(rest, most)
        validation = int(VALIDATION_SHARE * rest)
    return test, validation, rest - validation


def enough_to_judge(images: int, sizes: Sizes) -> int:
    """How many others are worth more than a part of so many images: as many as would be set apart and looked at."""
    apart = round(TEST_SHARE * images)
    return apart if sizes.test is None else min(apart, sizes.test)


def labels_of_each(labels: int, classes: int, protocol: str) -> int:
    """Labels of each class.

    Raises:
        InputError: there are fewer than the protocol takes, see `LEAST`.
    """
    if labels < (least := LEAST[protocol]) * classes:
        each = "one of each class" if least == 1 else f"{least} of each class, for cross-validation"
        raise InputError(f"--labels must be at least {least * classes}, {each}. Received: {labels}.")
    return labels // classes


def expect_classes(labels: np.ndarray, title: str) -> None:
    """Refuse labels, int (N,), of one class alone, which leave nothing to tell apart.

    Raises:
        InputError: it says which label they are.
    """
    if len(there := np.unique(labels)) < 2:
        raise InputError(
            f"A classifier tells two classes apart, or more. Received: {len(labels):,} images of {title}, all labelled "
            f"{there[0]}; add images of other classes, or name others with --data."
        )


def expect_enough(
    data: DataConfig, protocol: str, labels: int | None, sizes: Sizes, data_dir: str | Path | None = None
) -> None:
    """Refuse images without labels, and labels too few or too many or of one class, as far as it is known without any
    image.

    Args:
        data, protocol, labels, data_dir: as in `comparison.compare`.
        sizes: how many images at most.

    Raises:
        InputError: it says what is there.
    """
    source = find_source(data.name, count=data.count, data_dir=data_dir, **reading(data))
    there = source.describe()
    if "labels" not in there.fields:
        known = " (its attributes are no classes)" if "attributes" in there.fields else ""
        raise InputError(
            f"{there.title} has no labels{known}, which a classifier learns from: name a dataset that has, such as "
            "--data house_numbers or cifar10, or an .npz file with an array of labels."
        )
    if is_own(data.name) and not are_classes(source.labels, there.label_names):
        raise InputError(
            f"The labels of {there.title} should be numbers of at most {MOST_UNNAMED:,} classes: number these from 0 "
            f"without gaps, or name them in label_names. Received: labels up to {int(np.max(source.labels))}."
        )
    if is_own(data.name):
        expect_classes(source.labels, there.title)
    asked = labels if labels is not None or protocol != "svhn" else SVHN_LABELS
    if asked is None:
        return
    classes = len(there.label_names) or 1  # at least, where nobody says how many
    each = labels_of_each(asked, classes, protocol)
    if not there.label_names:
        return
    images = min(there.count, data.count or there.count)
    known = split_apart(data.name, data.split, data.rules, data_dir) is not None
    wanted = enough_to_judge(images, sizes)
    enough = known or _behind(data, wanted, data_dir) >= wanted
    *_, most = parts(images, enough, protocol, labels, sizes)
    if each * classes > most:
        raise InputError(
            f"--labels {asked} asks for {each:,} images of each class, and there are only {most:,} of all {classes} "
            f"classes to draw from in {there.title}: ask for at most {most:,} labels."
        )


def _behind(data: DataConfig, wanted: int, data_dir: str | Path | None) -> int:
    """How many images of a split are left by those that `data.count` takes; it may stop at so many as are wanted."""
    if data.count is None:
        return 0
    counts = (data.count + wanted, data.count)
    return source_there(data.name, counts=counts, data_dir=data_dir, **reading(data)).describe().count - data.count
