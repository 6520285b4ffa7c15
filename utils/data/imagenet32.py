"""ImageNet at 32x32: 1,281,167 pictures for training and 50,000 for validation (Chrabaszcz, Loshchilov, Hutter,
arXiv:1707.08819), of 1,000 classes, from the .npz files that image-net.org distributes."""

import zipfile
from pathlib import Path

import numpy as np

from utils.data.arrays import npy_header, unpack_npy
from utils.data.dataset import Description
from utils.data.fetching import in_words
from utils.data.pictures import unreadable
from utils.data.pixels import fit
from utils.errors import InputError
from utils.files import NO_ARRAY, is_the_systems

FILES = {"train": tuple(f"train_data_batch_{number}.npz" for number in range(1, 11)), "val": ("val_data.npz",)}
NAMES = "map_clsloc.txt"  # of the classes, as the authors number them; the archives do not hold it
CLASSES = 1000


class ImageNet32:
    """One split of ImageNet at 32x32, in the order of its files. All of it lives in `<data_dir>/imagenet32/`.

    Each file holds `data`, uint8 (N, 3072) as the red plane, the green, the blue, and `labels` from 1 to 1,000, and is
    read without pickle. Before the first image is read, the files that are needed are unpacked to disk, 3 KB for each
    image of theirs. Sizes other than 32 are averaged over areas or enlarged linearly (see `pixels.fit`).

    The files do not name the classes; if the authors' list `map_clsloc.txt` is beside them, names come from there.

    Args:
        size: side of the images to give.
        data_dir: where datasets live.
        split: "train" or "val".
        count: how many images, the first of the split; all of them if None. Files behind them need not be there.

    Raises:
        InputError: a file is missing or is not what it should be.
    """

    def __init__(self, size: int, data_dir: str | Path, split: str = "train", count: int | None = None):
        self.size, self.split = size, split
        home = Path(data_dir).resolve() / "imagenet32"
        self.paths, self.starts = [], [0]  # the files that are needed, and the row that each begins with
        for name in FILES[split]:
            if count is None or self.starts[-1] < count:
                self.paths.append(home / name)
                self.starts.append(self.starts[-1] + _rows(home / name))
        self.count = self.starts[-1] if count is None else min(count, self.starts[-1])
        self.names = _names(home / NAMES)

    @staticmethod
    def available(data_dir: str | Path) -> tuple[str, ...]:
        """The splits whose first file is there."""
        return tuple(split for split in FILES if (Path(data_dir) / "imagenet32" / FILES[split][0]).exists())

    def describe(self) -> Description:
        """The first `count` images; files that were fetched again are read again."""
        status = [path.stat() for path in self.paths]
        return Description(
            title="ImageNet 32x32" if self.split == "train" else f"ImageNet 32x32 {self.split}",
            count=self.count,
            identity={
                "reader": "imagenet32",
                "files": [(str(path), file.st_size, file.st_mtime_ns) for path, file in zip(self.paths, status)],
            },
            fields={"labels": ((), "int64")},
            label_names=self.names,
        )

    def unpack(self, folder: Path) -> None:
        """Unpack the images to files that can be mapped, and load the labels."""
        self.folder = folder
        labels = []
        for path, start, end in zip(self.paths, self.starts, self.starts[1:]):
            unpacked = folder / f"{path.stem}.npy"
            labels.append(_labels(path, end - start))
            try:
                if not unpacked.exists():
                    unpack_npy(path, "data", unpacked)
            except (*NO_ARRAY, KeyError) as error:
                if is_the_systems(error):
                    raise
                raise _damaged(path, error) from error
        self.labels = np.concatenate(labels).astype(np.int64)

    def read(self, rows: range) -> tuple[dict[str, np.ndarray], dict[int, str]]:
        """Take images out of the files; a label that is no class makes an image fail."""
        planes = np.empty((len(rows), 3072), np.uint8)
        for path, start, end in zip(self.paths, self.starts, self.starts[1:]):
            first, last = max(rows.start, start), min(rows.stop, end)
            if first < last:
                data = np.load(self.folder / f"{path.stem}.npy", mmap_mode="r")
                planes[first - rows.start : last - rows.start] = data[first - start : last - start]
        images = planes.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        labels = self.labels[rows.start : rows.stop]
        failed = {
            row: f"image {row} of {self.split}: no class has label {label}"
            for row, label in zip(rows, labels)
            if not 1 <= label <= CLASSES
        }
        return {"images": np.stack([fit(image, self.size) for image in images]), "labels": labels - 1}, failed


def _labels(path: Path, count: int) -> np.ndarray:
    """The labels in a file of so many images, as the authors number them."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            labels = np.asarray(arrays["labels"])
        if labels.shape != (count,) or labels.dtype.kind not in "iu":
            raise ValueError(f"labels should be {count:,} whole numbers")
    except (*NO_ARRAY, KeyError) as error:
        raise _damaged(path, error) from error
    return labels


def _rows(path: Path) -> int:
    """How many images a file holds."""
    try:
        with zipfile.ZipFile(path) as file, file.open("data.npy") as data:
            shape, dtype = npy_header(data)
    except FileNotFoundError as error:
        raise InputError(f"{path.name} is not in {path.parent}: fetch it with {in_words(path.parent)}.") from error
    except PermissionError:
        raise
    except (*NO_ARRAY, KeyError) as error:
        raise _damaged(path, error) from error
    if len(shape) != 2 or shape[1] != 3072 or dtype != np.uint8:
        raise _damaged(path, ValueError(f"data should be uint8 (N, 3072), but is {dtype} {shape}"))
    return shape[0]


def _names(path: Path) -> tuple[str, ...]:
    """Names of the classes: from the authors' lines such as "n02119789 1 kit_fox", else their numbers."""
    if not path.exists():
        return tuple(f"class {number}" for number in range(1, CLASSES + 1))
    try:
        names = {int(number): name for _, number, name in map(str.split, path.read_text(encoding="utf-8").splitlines())}
        return tuple(names[number] for number in range(1, CLASSES + 1))
    except (KeyError, ValueError) as error:
        raise InputError(f"{path} is not the list of ImageNet's classes ({error!r}): mend or remove it.") from error


def _damaged(path: Path, error: Exception) -> InputError:
    cure = f"delete it and run {in_words(path.parent)} again"
    return unreadable(path, error, cure, "is not ImageNet's file, or is damaged")
