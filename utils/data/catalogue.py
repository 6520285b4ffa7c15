"""The datasets that are known by name, and `load`, which also takes own pictures.

To add a dataset: write its reader in a file of this folder, and add one entry to `_CATALOGUE`.
"""

import dataclasses
import hashlib
import importlib
import os
from dataclasses import dataclass
from pathlib import Path

from utils.config import Experiment
from utils.data.dataset import Dataset, Source
from utils.data.prepare import prepare
from utils.errors import InputError


@dataclass(frozen=True)
class Entry:
    """One dataset of the catalogue. All values are plain, so it can be written as a table or as JSON.

    Attributes:
        name: what `load` and `--data.name` call it.
        title: what to call it in a heading.
        built_in: drawn by this project, so there is nothing to fetch.
        native_size: side of its images in pixels; None if they are drawn, or come, in many sizes.
        images: how many it has; None if it draws as many as are asked for.
        terms: licence and terms in one line; they go into the `Dataset`.
        script: the command that fetches it, or None.
        reader: module and class of its reader. They are imported only when used: readers need libraries that take a
            while to load.
    """

    name: str
    title: str
    built_in: bool
    native_size: int | None
    images: int | None
    terms: str
    script: str | None
    reader: str

    def present(self, data_dir: str | Path | None = None) -> bool:
        """Whether it can be loaded without fetching anything."""
        return self.built_in or self._reader().present(data_folder(data_dir))

    def source(self, size: int, count: int | None, seed: int, choices: str, data_dir: Path) -> Source:
        """Its reader. A built-in dataset draws `count` images by itself; of others all are read."""
        if not self.built_in:
            return self._reader()(size, data_dir)
        number = {} if count is None else {"count": count}
        return self._reader()(size, seed=seed, choices=choices, **number)

    def _reader(self) -> type:
        module, name = self.reader.split(":")
        return getattr(importlib.import_module(module), name)


_CATALOGUE = [
    Entry(
        name="faces",
        title="built-in faces",
        built_in=True,
        native_size=None,
        images=None,
        terms="Drawn here from the style Avataaars by Pablo Stanley (avataaars.com), free for personal and commercial "
        "use; packaged by DiceBear (MIT).",
        script=None,
        reader="utils.data.faces:Faces",
    ),
    Entry(
        name="house_numbers",
        title="built-in house numbers",
        built_in=True,
        native_size=None,
        images=None,
        terms="Drawn here with the fonts DejaVu (Bitstream Vera licence), STIX (SIL Open Font License 1.1) and Computer "
        "Modern (BaKoMa licence) that come with matplotlib.",
        script=None,
        reader="utils.data.house_numbers:HouseNumbers",
    ),
    Entry(
        name="cifar10",
        title="CIFAR-10",
        built_in=False,
        native_size=32,
        images=50_000,
        terms="Alex Krizhevsky, 2009: Learning Multiple Layers of Features from Tiny Images; no licence stated.",
        script="bash data_scripts/get_cifar10.sh",
        reader="utils.data.cifar10:Cifar10",
    ),
]


def catalogue() -> list[Entry]:
    """The datasets that can be loaded by name, in the order to read them."""
    return list(_CATALOGUE)


def data_folder(data_dir: str | Path | None = None) -> Path:
    """Where datasets live: as given, else the environment's DCGAN_DATA_DIR, else `data/` in this project."""
    return Path(data_dir or os.environ.get("DCGAN_DATA_DIR") or Path(__file__).parents[2] / "data").expanduser()


def load(
    name: str | Path,
    size: int = 32,
    count: int | None = None,
    seed: int = 0,
    choices: str = "independent",
    data_dir: str | Path | None = None,
    progress: bool = True,
) -> Dataset:
    """Load a dataset; the first time it is prepared, which a progress bar shows.

    Args:
        name: a dataset of the catalogue, or the path of a folder of pictures, or of an .npz / .npy file.
        size: side of the images, in pixels.
        count: how many images. Built-in datasets draw so many (10,000 by default). Of others these are the first so
            many, in their fixed order; all of them by default.
        seed: of the drawings of a built-in dataset. Others do not depend on it.
        choices: which named set of choices a built-in dataset draws from.
        data_dir: where datasets live; by default DCGAN_DATA_DIR, or `data/` in this project. Prepared copies go to
            `prepared/` in there and may be deleted at any time.
        progress: whether to show a progress bar.

    Returns:
        The dataset, its arrays memory-mapped.

    Raises:
        InputError: there is no such dataset, it was not fetched, or it cannot be used as asked.
    """
    if size < 1 or (count is not None and count < 1):
        raise InputError(f"size and count must be at least 1. Received: size={size}, count={count}.")
    folder = data_folder(data_dir)
    entry = _entry(name)
    built_in = entry is not None and entry.built_in
    source = find_source(name, size, count, seed, choices, folder)
    dataset = prepare(source, size, folder / "prepared", progress, "Drawing" if built_in else "Reading")
    dataset = dataclasses.replace(dataset, name=str(name), terms=entry.terms if entry else dataset.terms)
    return dataset if built_in or count is None else _first(dataset, count)


def load_for(experiment: Experiment, data_dir: str | Path | None = None, progress: bool = True) -> Dataset:
    """Load the images that an experiment asks for, at the size its model takes; see `load`."""
    data = experiment.data
    return load(data.name, experiment.model.image_size, data.count, data.data_seed, data.choices, data_dir, progress)


def find_source(
    name: str | Path,
    size: int = 32,
    count: int | None = None,
    seed: int = 0,
    choices: str = "independent",
    data_dir: str | Path | None = None,
) -> Source:
    """What `load` would prepare its images from, without reading any; takes and refuses what `load` does."""
    entry = _entry(name)
    return entry.source(size, count, seed, choices, data_folder(data_dir)) if entry else _own_pictures(name, size)


def _entry(name: str | Path) -> Entry | None:
    return next((entry for entry in _CATALOGUE if entry.name == str(name)), None)


def _own_pictures(name: str | Path, size: int) -> Source:
    path = Path(name).expanduser()
    if path.is_dir():
        from utils.data.folder import Folder  # imported when used, as in the catalogue

        return Folder(path, size)
    if path.is_file() and path.suffix.lower() in (".npy", ".npz"):
        from utils.data.arrays import ArrayFile

        return ArrayFile(path, size)
    names = ", ".join(entry.name for entry in _CATALOGUE)
    raise InputError(
        f"There is no dataset {str(name)!r}: choose one of {names}, or give the path of a folder of pictures or of an "
        ".npz or .npy file."
    )


def _first(dataset: Dataset, count: int) -> Dataset:
    """The first rows of a dataset, without a second copy on disk."""
    if count > len(dataset):
        raise InputError(f"count must be at most the {len(dataset)} images of {dataset.title}. Received: {count}.")
    if count == len(dataset):
        return dataset
    rows = {name: getattr(dataset, name) for name in ("images", "labels", "attributes", "captions", "boxes")}
    rows = {name: array[:count] for name, array in rows.items() if array is not None}
    fingerprint = hashlib.sha256(f"{dataset.fingerprint} first {count}".encode()).hexdigest()
    return dataclasses.replace(dataset, fingerprint=fingerprint, **rows)
