"""The datasets that are known by name, and `load`, which also takes own pictures.

To add a dataset: write its reader in a file of this folder, and add one entry to `_CATALOGUE`.
"""

import dataclasses
import importlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from utils.config import DataConfig, Experiment
from utils.data.dataset import ALL, Dataset, Source
from utils.data.drawn import Drawn
from utils.data.fetching import data_folder, fetch_command
from utils.data.likeness import look_at
from utils.data.prepare import prepare, prepared_count
from utils.data.rows import copy_rows, leave_out, places_of, some_of
from utils.errors import InputError
from utils.files import expanded
from utils.text import one_line, say_once, shorten

MEASURED = 200  # files at most whose size is looked up before anything is read, spread evenly


@dataclass(frozen=True)
class Entry:
    """One dataset of the catalogue. All values are plain, so it can be written as a table or as JSON.

    Attributes:
        name: what `load` and `--data` call it.
        title: what to call it in a heading.
        built_in: drawn by this project, so there is nothing to fetch.
        native_size: side of its images in pixels, or of the square that is cut out of them; None if they are drawn, or
            come, in many sizes.
        splits: its parts, the one to train on first, with how many images each has; None if it draws as many as are
            asked for.
        big: so large that only the images that are asked for are prepared. Of others all are, once, and counted off.
        download: how much is to be fetched, or None.
        terms: licence and terms in one line; they go into the `Dataset`.
        reader: module and class of its reader (see `Source`). They are imported only when used: readers need libraries
            that take a while to load.
        options: of the script that fetches it (see `fetching`), by split, for those that it does not fetch by itself.
    """

    name: str
    title: str
    built_in: bool
    native_size: int | None
    splits: dict[str, int | None]
    big: bool
    download: str | None
    terms: str
    reader: str
    options: dict[str, str] = field(default_factory=dict)

    @property
    def images(self) -> int | None:
        """How many images its first split has."""
        return next(iter(self.splits.values()))

    def available(self, data_dir: str | Path | None = None) -> tuple[str, ...]:
        """The splits that can be loaded without fetching anything."""
        return tuple(self.splits) if self.built_in else self._reader().available(data_folder(data_dir))

    def fetch(self, split: str | None = None, data_dir: str | Path | None = None) -> str | None:
        """The command that fetches a split, by default the first, to where datasets are; None if there is no need."""
        if self.built_in:
            return None
        return fetch_command(self.name, data_dir, self.options.get(split or next(iter(self.splits)), ""))

    def source(
        self, size: int, count: int | None, seed: int, choices: str, data_dir: str | Path, split: str = "train"
    ) -> Source:
        """Its reader. A built-in dataset draws `count` images, of a big one the first `count` are read, of others all.

        Raises:
            InputError: there is no such split, it was not fetched, or its files are damaged.
        """
        data_dir = Path(data_dir)
        if split not in self.splits:
            raise InputError(f"The splits of {self.title} are {', '.join(self.splits)}. Received: split={split!r}.")
        if self.built_in:
            number = {} if count is None else {"count": count}
            return self._reader()(size, seed=seed, choices=choices, split=split, **number)
        available = self.available(data_dir)
        if split not in available:
            there = f"; its split {available[0]} is there (--split {available[0]})" if available else ""
            raise InputError(
                f"The split {split} of {self.title} is not in {data_dir / self.name}: fetch it with "
                f"`{self.fetch(split, data_dir)}` (`--help` says how to get which part){there}."
            )
        return self._reader()(size, data_dir, split, *([count] if self.big else []))

    def _reader(self) -> type:
        module, name = self.reader.split(":")
        return getattr(importlib.import_module(module), name)


_CATALOGUE = [
    Entry(
        name="faces",
        title="built-in faces",
        built_in=True,
        native_size=None,
        splits={"train": None, "test": None},
        big=False,
        download=None,
        terms="Drawn here from the style Avataaars by Pablo Stanley (avataaars.com), free for personal and commercial "
        "use; packaged by DiceBear (MIT).",
        reader="utils.data.faces:Faces",
    ),
    Entry(
        name="house_numbers",
        title="built-in house numbers",
        built_in=True,
        native_size=None,
        splits={"train": None, "test": None},
        big=False,
        download=None,
        terms="Drawn here with the fonts DejaVu (Bitstream Vera licence), STIX (SIL Open Font License 1.1) and "
        "Computer Modern (BaKoMa licence) that come with matplotlib.",
        reader="utils.data.house_numbers:HouseNumbers",
    ),
    Entry(
        name="cifar10",
        title="CIFAR-10",
        built_in=False,
        native_size=32,
        splits={"train": 50_000, "test": 10_000},
        big=False,
        download="162 MiB",
        terms="Alex Krizhevsky, 2009: Learning Multiple Layers of Features from Tiny Images; no licence stated.",
        reader="utils.data.cifar10:Cifar10",
    ),
    Entry(
        name="svhn",
        title="SVHN",
        built_in=False,
        native_size=32,
        splits={"train": 73_257, "test": 26_032, "extra": 531_131},
        big=False,
        download="235 MiB, extra 1.2 GiB",
        terms="Netzer et al., 2011, from Google Street View; for non-commercial use only.",
        reader="utils.data.svhn:Svhn",
        options={"extra": "--extra"},
    ),
    Entry(
        name="celeba",
        title="CelebA",
        built_in=False,
        native_size=178,
        splits={"train": 162_770, "valid": 19_867, "test": 19_962},
        big=True,
        download="1.4 GiB",
        terms="Liu, Luo, Wang, Tang, ICCV 2015; non-commercial research only, not to be passed on.",
        reader="utils.data.celeba:CelebA",
    ),
    Entry(
        name="lsun_bedroom",
        title="LSUN bedrooms",
        built_in=False,
        native_size=256,
        splits={"train": 3_033_042, "val": 300},
        big=True,
        download="val 4.5 MiB, 20% sample 4.5 GiB, train 43 GiB",
        terms="Yu et al., arXiv:1506.03365; no licence stated, the photographs belong to their authors.",
        reader="utils.data.lsun:LsunBedroom",
        options={"train": "--source kaggle"},  # what the report used
    ),
    Entry(
        name="anime",
        title="anime faces",
        built_in=False,
        native_size=None,
        splits={"train": 63_632},
        big=False,
        download="400 MiB",
        terms="Crawled from getchu.com (Kaggle splcher/animefacedataset); the drawings belong to their artists.",
        reader="utils.data.anime:Anime",
    ),
    Entry(
        name="imagenet32",
        title="ImageNet 32x32",
        built_in=False,
        native_size=32,
        splits={"train": 1_281_167, "val": 50_000},
        big=True,
        download="3.5 GiB",
        terms="Chrabaszcz et al., arXiv:1707.08819; ImageNet's terms: an account, non-commercial research only.",
        reader="utils.data.imagenet32:ImageNet32",
    ),
]


def catalogue() -> list[Entry]:
    """The datasets that can be loaded by name, in the order to read them."""
    return list(_CATALOGUE)


def find_entry(name: str | Path) -> Entry | None:
    """The dataset of that name; None for what can only be own pictures."""
    return next((entry for entry in _CATALOGUE if entry.name == str(name)), None)


def load(
    name: str | Path,
    size: int = 32,
    count: int | None = None,
    seed: int = 0,
    choices: str = "independent",
    data_dir: str | Path | None = None,
    progress: bool = True,
    split: str = "train",
    small: str = DataConfig.small,
    tolerated: float = DataConfig.tolerated,
    rules: int = DataConfig.rules,
) -> Dataset:
    """Load a dataset; the first time it is prepared, which a progress bar shows.

    Args:
        name: a dataset of the catalogue, or the path of a folder of pictures, or of an .npz / .npy file.
        size: side of the images, in pixels.
        count: how many images. Built-in datasets draw so many (10,000 by default). Of other datasets these are the
            first so many, in their fixed order; of own pictures they are drawn, so that all classes have their share,
            and the first n of a larger number are those of n. All of them by default, own pictures in the order of
            their names. There are less if too many are left out; of a big dataset (CelebA, LSUN, ImageNet) only these
            are read, and there are as many less as are broken among them.
        seed: of the drawings of a built-in dataset, and of which own pictures `count` takes. Other datasets do not
            depend on it.
        choices: which named set of choices a built-in dataset draws from.
        data_dir: where datasets live; by default DCGAN_DATA_DIR, or `data/` in this project. Prepared copies go to
            `prepared/` in there and may be deleted at any time.
        progress: whether to show a progress bar.
        split: which part of it: "train", "test", or another that the catalogue names; of a folder of pictures see
            `Folder`. An array has only train.
        small, tolerated, rules: how own pictures are read, as in `config.DataConfig`.

    Returns:
        The dataset, its arrays memory-mapped.

    Raises:
        InputError: there is no such dataset or split, it was not fetched, or it cannot be used as asked.
    """
    check_asked(size, count)
    folder = data_folder(data_dir)
    entry = find_entry(name)
    built_in = entry is not None and entry.built_in
    source = find_source(name, size, count, seed, choices, folder, split, small, tolerated, rules)
    check_count(source, count)
    dataset = prepare(source, size, folder / "prepared", progress, "Drawing" if built_in else "Reading")
    terms = entry.terms if entry else dataset.terms
    dataset = dataclasses.replace(dataset, name=str(name), terms=terms, split=split)
    if entry is None:
        more = (*_lost_classes(source, dataset), *look_at(dataset.images).notes())
        dataset = dataclasses.replace(dataset, notes=(*dataset.notes, *more))
    if count is None or (entry and entry.big):
        return dataset
    if entry or rules == 1:
        return _first(dataset, count)
    return _sample(dataset, count, seed, folder / "prepared", progress)


def _lost_classes(source: Source, dataset: Dataset) -> tuple[str, ...]:
    """A sentence on the classes of own pictures that have pictures, and none that can be used.

    They stay classes: which there are is asked before any picture is read, and is the same for all splits and sizes.
    """
    if not dataset.skipped or dataset.labels is None:
        return ()
    lost = [dataset.label_names[label] for label in np.setdiff1d(source.labels, dataset.labels)]
    if not lost:
        return ()
    which = f"the {'class' if len(lost) == 1 else 'classes'} {shorten(', '.join(lost), 100)}"
    return (f"No picture of {which} can be used: nothing can be learned of {'it' if len(lost) == 1 else 'them'}.",)


def load_for(experiment: Experiment, data_dir: str | Path | None = None, progress: bool = True) -> Dataset:
    """Load the images that an experiment asks for, at the size its model takes; see `load_of`."""
    return load_of(experiment.data, experiment.model.image_size, data_dir, progress)


def load_of(data: DataConfig, size: int, data_dir: str | Path | None = None, progress: bool = True) -> Dataset:
    """Load the images that settings stand for, at this size in pixels; see `load` and `dedup.deduplicated`."""
    check_without(data, data_dir)
    dataset = load(data.name, size, data.count, data_dir=data_dir, progress=progress, **reading(data))
    if data.without:
        dataset = leave_out(dataset, data.without, data_folder(data_dir) / "prepared", progress)
    if data.dedup == "off":
        return dataset
    from utils.data.dedup import deduplicated  # imported when used: most trainings do without it

    return deduplicated(dataset, data.dedup, data_folder(data_dir) / "prepared", progress)


def check_without(data: DataConfig, data_dir: str | Path | None = None) -> None:
    """Refuse combinations of attributes that are to be left out and cannot be, before any image is read.

    Raises:
        InputError: the dataset has no such attribute; the message names those that it has.
    """
    if data.without:
        there = find_source(data.name, count=data.count, data_dir=data_dir, **reading(data)).describe()
        for combination in data.without:
            places_of(combination, there.attribute_names, there.title)


def check_small(name: str | Path, small: str) -> None:
    """Refuse to enlarge the pictures of a dataset that leaves small ones out.

    Raises:
        InputError: `small` is not the default, and `name` is no folder or array of own pictures.
    """
    if small != DataConfig.small and find_entry(name):
        raise InputError(
            f"--small says what becomes of your own pictures only. Received: --small {small} with the dataset {name}; "
            "leave it out, or name the folder of its pictures."
        )


def check_effect(data: DataConfig) -> None:
    """Refuse settings without which the same images would be read.

    Raises:
        InputError: `choices` is not the default, and the images are not drawn here; or `tolerated`, and they are no
            folder of own pictures.
    """
    entry = find_entry(data.name)
    for setting, has_effect, what in (
        ("choices", entry is not None and entry.built_in, "what a built-in dataset is drawn from"),
        ("tolerated", entry is None and not expanded(data.name).is_file(), "how many of a folder may be left out"),
    ):
        value = getattr(data, setting)
        if value != getattr(DataConfig, setting) and not has_effect:
            raise InputError(
                f"--{setting} says only {what}. Received: --{setting} {value} with {one_line(data.name)}; leave it out."
            )


def reading(data: DataConfig) -> dict:
    """The settings that say which images a name stands for, as `load` and `find_source` take them (but for `count`)."""
    return {
        "seed": data.data_seed,
        "choices": data.choices,
        "split": data.split,
        "small": data.small,
        "tolerated": data.tolerated,
        "rules": data.rules,
    }


def drawn_source(experiment: Experiment) -> Drawn:
    """What an experiment trains on, as the source that knows everything of each image, without drawing any.

    Raises:
        InputError: it does not train on a built-in dataset, or not on all images of it.
    """
    data, entry = experiment.data, find_entry(experiment.data.name)
    if entry is None or not entry.built_in:
        raise InputError(
            "Only of the built-in datasets everything is known. Received: a generator that was trained on "
            f"{one_line(data.name)}."
        )
    if data.dedup != "off":
        raise InputError(f"What is left of {data.name} without repeats (--dedup {data.dedup}) is not known exactly.")
    if data.without:
        raise InputError(f"Combinations are counted of all of {data.name}. Received: one --without some of it.")
    options = {name: value for name, value in reading(data).items() if name in ("seed", "choices", "split")}
    return find_source(data.name, experiment.model.image_size, data.count, **options)


def count_for(experiment: Experiment, data_dir: str | Path | None = None) -> tuple[int, bool]:
    """How many images `load_for` would give; see `count_of`."""
    return count_of(experiment.data, experiment.model.image_size, data_dir)


def count_of(data: DataConfig, size: int, data_dir: str | Path | None = None) -> tuple[int, bool]:
    """How many images of a size the settings of an experiment's data stand for, without reading any.

    Returns:
        The number, and whether it is certain: pictures that cannot be used are found when they are read, and repeated
        ones when they are compared, so there may be fewer.

    Raises:
        InputError: as `load`, as far as it can be known without reading.
    """
    check_without(data, data_dir)
    source = find_source(data.name, size, data.count, data_dir=data_dir, **reading(data))
    check_count(source, data.count)
    prepared = prepared_count(source, size, data_folder(data_dir) / "prepared")
    there = source.describe().count if prepared is None else prepared
    certain = data.dedup == "off" and not data.without and (prepared is not None or not hasattr(source, "files"))
    return min(there, data.count or there), certain


def shorter_sides(data: DataConfig, data_dir: str | Path | None = None) -> np.ndarray:
    """How large the images are that an experiment would be given, before they are cut and shrunk.

    Returns:
        The shorter side in pixels, float64 (N,): of at most MEASURED files, by their beginnings; where all images have
        one size, a single value. Infinite where they are drawn at any size.

    Raises:
        InputError: as `find_source`.
    """
    source = find_source(data.name, count=data.count, data_dir=data_dir, **reading(data))
    entry = find_entry(data.name)
    if entry and (entry.native_size or entry.built_in):
        return np.array([entry.native_size or np.inf])
    if not hasattr(source, "sizes"):
        return np.array([min(source.shape[1:3])], float)
    count, sizes = source.describe().count, Counter()
    for row in np.unique(np.linspace(0, count - 1, min(count, MEASURED)).round().astype(int)).tolist():
        sizes += source.sizes(range(row, row + 1))
    return np.array([min(sides) for sides in sizes.elements()], float)


def share_too_small(data: DataConfig, size: int) -> float:
    """Share of own pictures that have a side shorter than `size`, see `shorter_sides`; 0 for a dataset."""
    sides = shorter_sides(data) if is_own(data.name) else np.empty(0)
    return float(np.mean(sides < size)) if len(sides) else 0.0


def check_asked(size: int, count: int | None) -> None:
    """Refuse what no dataset can give: images without pixels, or no images."""
    if size < 1 or (count is not None and count < 1):
        raise InputError(f"size and count must be at least 1. Received: size={size}, count={count}.")


def check_count(source: Source, count: int | None) -> None:
    """Refuse a source that has no image, or fewer than are asked for."""
    there = source.describe()
    if not there.count:
        raise InputError(f"{there.title} holds no image: fetch it again, or choose another dataset.")
    if count is not None and count > there.count:
        raise InputError(f"count must be at most the {there.count:,} images of {there.title}. Received: {count}.")


def check_out(name: str | Path, out: str | Path | None, kind: str) -> None:
    """Refuse to write into the folder of pictures that is read: what is drawn would be taken for pictures, and could
    take the place of one.

    Args:
        name: of the dataset, as it was typed.
        out: where to write; None for a place of this project's.
        kind: what is written, for the name of a better folder.
    """
    if out is not None and is_own(name) and Path(out).resolve() == expanded(name).resolve():
        raise InputError(
            "--out must not be the folder of the pictures itself, where what is drawn would be taken for pictures: "
            f"choose a folder of its own, such as {Path(out) / kind}. Received: {out}."
        )


def find_source(
    name: str | Path,
    size: int = 32,
    count: int | None = None,
    seed: int = 0,
    choices: str = "independent",
    data_dir: str | Path | None = None,
    split: str = "train",
    small: str = DataConfig.small,
    tolerated: float = DataConfig.tolerated,
    rules: int = DataConfig.rules,
) -> Source:
    """What `load` would prepare its images from, without reading any; takes and refuses what `load` does."""
    entry = find_entry(name)
    if entry:
        say_if_ambiguous(name, data_dir)
        return entry.source(size, count, seed, choices, data_folder(data_dir), split)
    path = expanded(name)
    if path.is_dir():
        from utils.data.folder import Folder  # imported when used, as in the catalogue

        return Folder(path, size, split, small, tolerated, rules)
    if path.is_file() and path.suffix.lower() in (".npy", ".npz"):
        from utils.data.arrays import ArrayFile

        if split not in ("train", ALL):
            raise InputError(f"An array has one split, train. Received: split={split!r} for {name}.")
        return ArrayFile(path, size)
    names = ", ".join(entry.name for entry in _CATALOGUE)
    raise InputError(
        f"There is no dataset {str(name)!r}: choose one of {names}, or give the path of a folder of pictures or of an "
        ".npz or .npy file."
    )


def say_if_ambiguous(name: str | Path, data_dir: str | Path | None = None) -> None:
    """Say, once, that a dataset of the catalogue is taken where a folder here has the same name."""
    entry, here = find_entry(name), Path(name)
    if entry and here.is_dir() and here.resolve() != (data_folder(data_dir) / name).resolve():
        say_once(f"{name} means the {entry.title} of the catalogue; for the folder {name} here write ./{name}.")


def is_own(name: str | Path) -> bool:
    """Whether a name means own pictures, by their path, and no dataset of the catalogue."""
    return find_entry(name) is None


def place_of(name: str | Path, known: str = "") -> str:
    """What to write down as the name of a dataset: of own pictures the whole path, which holds wherever it is read.

    Args:
        name: as it was typed.
        known: what was written down before; it stays if that is what was typed.
    """
    path = expanded(name)
    return str(path.resolve()) if is_own(name) and str(name) != known and path.exists() else str(name)


def available_splits(
    name: str | Path, data_dir: str | Path | None = None, rules: int = DataConfig.rules
) -> tuple[str, ...]:
    """The splits of a dataset, or of own pictures, that can be loaded without fetching anything.

    Raises:
        InputError: there is no such dataset.
    """
    if entry := find_entry(name):
        return entry.available(data_dir)
    return getattr(find_source(name, rules=rules), "splits", ("train",))


def _first(dataset: Dataset, count: int) -> Dataset:
    """The first rows of a dataset; all if there are less."""
    return dataset if count >= len(dataset) else some_of(dataset, slice(count), f"first {count}")


def _sample(dataset: Dataset, count: int, seed: int, folder: Path, progress: bool) -> Dataset:
    """Rows drawn by the seed, in the order they are drawn in, as a copy of their own; all if there are less."""
    # RandomState is the generator of NumPy's whose results stay as they are in every version.
    rows = np.random.RandomState(seed % 2**32).permutation(len(dataset))[:count]
    identity = {"fingerprint": dataset.fingerprint, "sample": len(rows), "seed": seed, "version": 1}
    return copy_rows(dataset, rows, identity, dataset.title, folder, progress)
