"""True images that a training has not seen."""

import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.config import DataConfig
from utils.data import Dataset, load
from utils.data.catalogue import available_splits, find_entry, find_source, reading
from utils.data.dataset import ALL, UNKNOWN
from utils.errors import InputError

SPLITS = ("test", "valid", "val", "train")
"""Names of splits to hold out, in the order of preference."""


class TooFewImages(InputError):
    """There are fewer true images than are needed.

    Attributes:
        there: how many there are.
    """

    def __init__(self, message: str, there: int):
        super().__init__(message)
        self.there = there


@dataclass(frozen=True)
class TrueImages:
    """Images to compare samples with.

    Attributes:
        images: uint8 (N, S, S, 3) in [0, 255], RGB; may be a memory map.
        about: what they are, for a sentence ("held-out images (CelebA test)").
        seen: whether the training has seen them, so that copies of them count as good samples; UNKNOWN, which is as
            good as a yes to whoever asks `if seen`, where nobody knows what it was trained on.
        title, split, fingerprint, encoding: as in `Dataset`.
        dedup: what was left out because it repeats others, as in `DataConfig`.
    """

    images: np.ndarray
    about: str
    seen: bool | str
    title: str = UNKNOWN
    split: str = UNKNOWN
    fingerprint: str = UNKNOWN
    encoding: str = UNKNOWN
    dedup: str = "off"

    @classmethod
    def of(cls, dataset: Dataset, about: str, seen: bool | str) -> "TrueImages":
        """All images of a dataset."""
        known = {name: getattr(dataset, name) for name in ("title", "split", "fingerprint", "encoding")}
        return cls(dataset.images, about, seen, **known)


def split_apart(
    name: str | Path, trained_on: str = "train", rules: int = DataConfig.rules, data_dir: str | Path | None = None
) -> str | None:
    """The split of a dataset that is set apart from one that is trained on, or None; arguments as for `held_out`."""
    available = () if trained_on == ALL else available_splits(name, data_dir, rules)
    return next((split for split in SPLITS if split in available and split != trained_on), None)


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
    split = split_apart(name, trained_on, rules, data_dir)
    if split is None:
        return None
    own = {"split": split, "small": small, "tolerated": 1.0, "rules": rules}
    entry = find_entry(name)
    if count is not None and not (entry and entry.built_in):  # which draws as many as are asked for
        there = find_source(name, size, data_dir=data_dir, **own).describe().count
        count = count if count < there else None
    return load(name, size, count, choices=choices, data_dir=data_dir, progress=progress, **own)


def unseen(
    data: DataConfig, size: int, count: int, *, data_dir: str | Path | None = None, progress: bool = True
) -> Dataset | None:
    """True images that a model was not trained on; every command and analysis asks here.

    They are of another split, else those behind the `data.count` that were trained on.

    Args:
        data: what the model was trained on.
        size: side of the images in pixels.
        count: how many are wanted; where neither place has so many, what the larger one has is given.
        data_dir: where datasets are.
        progress: whether to show a progress bar.

    Returns:
        At most `count` images; None if the model has seen all that there are.
    """
    places = {"data_dir": data_dir, "progress": progress}
    alike = {"choices": data.choices, "small": data.small, "rules": data.rules}
    apart = held_out(data.name, size, count, trained_on=data.split, **alike, **places)
    if apart is not None and len(apart) >= count:
        return apart
    of_run = reading(data)
    there = find_source(data.name, size, data_dir=data_dir, **of_run).describe().count
    if data.count is None or there - data.count <= (0 if apart is None else len(apart)):
        return apart
    everything = load(data.name, size, min(there, data.count + count), **of_run, **places)
    behind = len(everything) - data.count
    return _rows(everything, slice(data.count, None)) if behind > (0 if apart is None else len(apart)) else apart


def true_images_for(
    data: DataConfig,
    size: int,
    count: int,
    *,
    trained_on: bool | None = True,
    data_dir: str | Path | None = None,
    progress: bool = True,
) -> TrueImages:
    """The best true images to compare a generator with: `unseen` ones, else those that it was trained on.

    Args:
        data: what the generator was trained on, or others.
        size: side of the images in pixels.
        count: how many are needed.
        trained_on: whether it was trained on `data`; None where nobody knows, so that it may have seen them.
        data_dir: where datasets are.
        progress: whether to show a progress bar.

    Returns:
        At least `count` images; those trained on where there are not enough others, and `seen` says so.

    Raises:
        TooFewImages: there are not so many.
    """
    places = {"data_dir": data_dir, "progress": progress}
    apart = unseen(data, size, count, **places)
    if apart is not None and len(apart) >= count:
        if apart.split != data.split:
            return TrueImages.of(apart, f"held-out images ({apart.title})", seen=False)
        return TrueImages.of(apart, f"images of {apart.title} that it was not trained on", seen=False)
    of_run = reading(data)
    there = find_source(data.name, size, data_dir=data_dir, **of_run).describe().count
    trained = min(data.count or there, there)
    dataset = load(data.name, size, data.count and min(there, max(trained, count)), **of_run, **places)
    if (there := len(dataset)) < count:  # without those that cannot be used
        raise TooFewImages(f"{count:,} true images are needed. Received: {data.name}, which has {there:,}.", there)
    if trained_on is False:
        return TrueImages.of(dataset, f"images of {dataset.title}", seen=False)
    if trained_on is None:
        return TrueImages.of(dataset, f"images of {dataset.title}, which it may have been trained on", seen=UNKNOWN)
    part = "in part " if trained < count else ""
    return TrueImages.of(dataset, f"images of {dataset.title} that it was {part}trained on", seen=True)


def _rows(dataset: Dataset, rows: slice) -> Dataset:
    """Some rows of a dataset."""
    arrays = {name: getattr(dataset, name) for name in ("images", "labels", "attributes", "captions", "boxes")}
    arrays = {name: array[rows] for name, array in arrays.items() if array is not None}
    fingerprint = hashlib.sha256(f"{dataset.fingerprint} rows {rows}".encode()).hexdigest()
    return dataclasses.replace(dataset, fingerprint=fingerprint, **arrays)
