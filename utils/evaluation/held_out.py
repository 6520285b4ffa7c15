"""True images that a training has not seen."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.config import DataConfig
from utils.data import Dataset, load
from utils.data.catalogue import catalogue, find_source, found_splits, reading
from utils.data.dataset import ALL
from utils.errors import InputError

SPLITS = ("test", "valid", "val", "train")
"""Names of splits to hold out, in the order of preference."""


@dataclass(frozen=True)
class TrueImages:
    """Images to compare samples with.

    Attributes:
        images: uint8 (N, S, S, 3) in [0, 255], RGB; may be a memory map.
        about: what they are, for a sentence ("held-out images (CelebA test)").
        seen: whether the training has seen them, so that copies of them count as good samples.
    """

    images: np.ndarray
    about: str
    seen: bool


def held_out(
    name: str | Path,
    size: int,
    count: int | None = None,
    *,
    choices: str = "independent",
    trained_on: str = "train",
    small: str = DataConfig.small,
    rules: int = DataConfig.rules,
    data_dir: str | Path | None = None,
    progress: bool = True,
) -> Dataset | None:
    """The images of a dataset that are set apart from training.

    Args:
        name: a dataset, or own pictures.
        size: side of the images in pixels.
        count: how many; all of them if there are fewer, or by default (a built-in dataset draws 10,000).
        choices: which named set of choices a built-in dataset draws from.
        trained_on: the split that is trained on.
        small, rules: how own pictures are read, as in `DataConfig`.
        data_dir: where datasets are.
        progress: whether to show a progress bar.

    Returns:
        The images; None if the dataset has only one split, all are trained on, or the others have not been fetched.
    """
    found = () if trained_on == ALL else found_splits(name, data_dir, rules)
    split = next((split for split in SPLITS if split in found and split != trained_on), None)
    if split is None:
        return None
    own = {"split": split, "small": small, "tolerated": 1.0, "rules": rules}
    if not _draws_as_many_as_asked(name) and count is not None:
        there = find_source(name, size, data_dir=data_dir, **own).describe().count
        count = count if count < there else None
    return load(name, size, count, choices=choices, data_dir=data_dir, progress=progress, **own)


def _draws_as_many_as_asked(name: str | Path) -> bool:
    return any(entry.name == str(name) and entry.built_in for entry in catalogue())


def true_images_for(
    data: DataConfig, size: int, count: int, *, data_dir: str | Path | None = None, progress: bool = True
) -> TrueImages:
    """The best true images to compare a generator with: of another split, else behind those that it was trained on.

    Args:
        data: what the generator was trained on.
        size: side of the images in pixels.
        count: how many are needed.
        data_dir: where datasets are.
        progress: whether to show a progress bar.

    Returns:
        At least `count` images; those trained on where there are not enough others, and `seen` says so.

    Raises:
        InputError: there are not so many.
    """
    places = {"data_dir": data_dir, "progress": progress}
    alike = {"choices": data.choices, "small": data.small, "rules": data.rules}
    apart = held_out(data.name, size, count, trained_on=data.split, **alike, **places)
    if apart is not None and len(apart) >= count:
        return TrueImages(apart.images, f"held-out images ({apart.title})", seen=False)
    of_run = reading(data)
    there = find_source(data.name, size, data_dir=data_dir, **of_run).describe().count
    trained = min(data.count or there, there)
    if there < count:
        raise InputError(f"{count:,} true images are needed. Received: {data.name}, which has {there:,}.")
    if there - trained >= count:
        dataset = load(data.name, size, trained + count, **of_run, **places)
        if len(dataset) == trained + count:  # else so many cannot be used
            about = f"images of {dataset.title} that it was not trained on"
            return TrueImages(dataset.images[trained:], about, seen=False)
    dataset = load(data.name, size, data.count and max(trained, count), **of_run, **places)
    if len(dataset) < count:
        raise InputError(f"{count:,} true images are needed. Received: {data.name}, which has {len(dataset):,}.")
    part = "in part " if trained < count else ""
    return TrueImages(dataset.images, f"images of {dataset.title} that it was {part}trained on", seen=True)
