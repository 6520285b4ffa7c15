"""CelebA, aligned and cropped: 202,599 faces of 178x218 with 40 attributes (Liu, Luo, Wang, Tang, ICCV 2015)."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import BinaryIO

import numpy as np

from utils.data.dataset import Description
from utils.data.fetching import in_words
from utils.data.pictures import Pictures, Zip
from utils.errors import InputError

SPLITS = ("train", "valid", "test")  # numbered so in list_eval_partition: 162,770, 19,867 and 19,962 images
IMAGES, ATTRIBUTES, PARTITION = "img_align_celeba", "list_attr_celeba", "list_eval_partition"
HEADER_LINES = {ATTRIBUTES: 2, PARTITION: 0}  # of the .txt files; the .csv files have one each
KAGGLE = "archive.zip"  # what Kaggle calls its download of jessicali9530/celeba-dataset,
KAGGLE_IMAGES = f"{IMAGES}/{IMAGES}"  # and where the images are in it


class CelebA(Pictures):
    """One of the official splits of CelebA, in the order of the file names. All of it lives in `<data_dir>/celeba/`,
    where nothing is written, so it may be a link to a disk for reading:

    - the images: the folder `img_align_celeba/`, else `img_align_celeba.zip`, else Kaggle's `archive.zip`; zips are
      read directly;
    - `list_attr_celeba.txt` and `list_eval_partition.txt`, or Kaggle's `.csv` of the same names, which are read in its
      `archive.zip` if they are not there.

    Of each image of 178x218 the centre square of 178x178 is kept and averaged over areas down to `size`: the crop of
    PyTorch's DCGAN tutorial and example (Resize(64), CenterCrop(64)). Others are in use, so figures of different
    sources need not agree: DCGAN-tensorflow takes the centre 108x108, dcgan.torch 138x138 from (30, 40); both show less
    hair and background.

    Attributes are uint8 (N, 40), 1 where the list says 1 and 0 where it says -1, in the order of the list.

    Args:
        size: side of the images to give, at most 178.
        data_dir: where datasets live.
        split: "train", "valid" or "test".
        count: how many images, the first of the split; all of them if None.

    Raises:
        InputError: a list is missing or damaged, or the images are.
    """

    def __init__(self, size: int, data_dir: str | Path, split: str = "train", count: int | None = None):
        self.size, self.split = size, split
        self.home = Path(data_dir).resolve() / "celeba"
        self.place = next((place for place in _places(self.home) if place.exists()), self.home / IMAGES)
        self.zip = Zip(self.place) if self.place.suffix == ".zip" else None
        self.unwatched = self.zip is None  # looking at each of 200,000 files would take longer than all else at a start
        self.partition, self.attribute_list = _find_list(self.home, PARTITION), _find_list(self.home, ATTRIBUTES)
        listed = self.partition.read(columns=1)
        self.rows = np.flatnonzero(listed["values"] == SPLITS.index(split))[:count]
        self.names = listed["name"][self.rows]
        self.attribute_names = self.attribute_list.columns()

    @staticmethod
    def available(data_dir: str | Path) -> tuple[str, ...]:
        """All splits if the images are there, none otherwise."""
        return SPLITS if any(place.exists() for place in _places(Path(data_dir) / "celeba")) else ()

    def describe(self) -> Description:
        """The split's images; archives and lists that were fetched again are read again."""
        status = [path.stat() for path in (self.place, self.partition.path, self.attribute_list.path)]
        return Description(
            title="CelebA" if self.split == "train" else f"CelebA {self.split}",
            count=len(self.names),
            identity={
                "reader": "celeba",
                "split": self.split,
                "images": str(self.place),
                "files": [(file.st_size, file.st_mtime_ns) for file in status],
            },
            fields={"attributes": ((len(self.attribute_names),), "uint8")},
            attribute_names=self.attribute_names,
            encoding="JPEG, as CelebA's authors distribute it",
        )

    def unpack(self, folder: Path) -> None:
        """Read the attributes, and find out that a zip is damaged before many processes do."""
        listed = self.attribute_list.read(columns=len(self.attribute_names))
        if len(listed) <= self.rows.max(initial=-1) or (listed["name"][self.rows] != self.names).any():
            raise InputError(
                f"{self.attribute_list} and {self.partition} should list the same files in the same order: delete both "
                f"and fetch them again with {in_words(self.partition.path.parent)}."
            )
        self.attributes = (listed["values"][self.rows] > 0).astype(np.uint8)
        if self.zip:
            self.zip.names()

    def files(self, rows: range) -> Iterator[tuple[str, Callable[[], BinaryIO]]]:
        inside = KAGGLE_IMAGES if self.place.name == KAGGLE else IMAGES
        for name in self.names[rows.start : rows.stop]:
            yield (
                name,
                partial(self.zip.open, f"{inside}/{name}") if self.zip else partial((self.place / name).open, "rb"),
            )

    def read(self, rows: range) -> tuple[dict[str, np.ndarray], dict[int, str]]:
        """Decode, cut and shrink some of the images."""
        arrays, failed = super().read(rows)
        return arrays | {"attributes": self.attributes[rows.start : rows.stop]}, failed


def _places(home: Path) -> tuple[Path, ...]:
    """Where the images may be, the first that is there being used."""
    return (home / KAGGLE_IMAGES, home / IMAGES, home / f"{IMAGES}.zip", home / KAGGLE)


def _find_list(home: Path, name: str) -> "_List":
    """The list of that name: its .txt, else Kaggle's .csv, else that in Kaggle's archive."""
    text, table, archive = home / f"{name}.txt", home / f"{name}.csv", home / KAGGLE
    for path, file in ((text, text.name), (table, table.name), (archive, table.name)):
        if path.exists():
            return _List(path, file)
    raise InputError(f"{text.name} is not in {home}: fetch it with {in_words(home)}.")


@dataclass(frozen=True)
class _List:
    """A list of all images.

    Attributes:
        path: the file of that name, or the archive that holds it.
        name: such as "list_attr_celeba.csv".
    """

    path: Path
    name: str

    def __str__(self) -> str:
        return str(self.path) if self.path.name == self.name else f"{self.name} in {self.path}"

    def columns(self) -> tuple[str, ...]:
        """The names of its columns, without that of the first."""
        with self._open() as lines:
            first, second = lines.readline(), lines.readline()
        return tuple(first.strip().split(",")[1:] if self._is_table else second.split())

    def read(self, columns: int) -> np.ndarray:
        """Its lines as records of a "name" and whole "values".

        Raises:
            InputError: it is damaged.
        """
        record = np.dtype([("name", "U32"), ("values", np.int8, (columns,) if columns > 1 else ())])
        header, separator = (1, ",") if self._is_table else (HEADER_LINES[Path(self.name).stem], None)
        try:
            with self._open() as lines, warnings.catch_warnings():
                warnings.simplefilter("error")  # that there is no line at all
                return np.loadtxt(lines, record, skiprows=header, delimiter=separator, ndmin=1)
        except (ValueError, UserWarning) as error:
            if isinstance(error, InputError):
                raise
            cure = f"delete {self.path.name} and run {in_words(self.path.parent)} again"
            raise InputError(f"{self} is damaged ({error}): {cure}.") from error

    @property
    def _is_table(self) -> bool:
        return self.name.endswith(".csv")

    def _open(self) -> TextIOWrapper:
        as_text = {"encoding": "utf-8", "errors": "replace"}  # what is no text is found out when it is read as a list
        if self.path.name == self.name:
            return self.path.open(**as_text)
        status = self.path.stat()
        return TextIOWrapper(BytesIO(_packed(self.path, status.st_size, status.st_mtime_ns)[self.name]), **as_text)


@lru_cache(maxsize=1)  # a command makes several readers, and it takes a second to open an archive of 200,000 members
def _packed(archive: Path, size: int, changed: int) -> dict[str, bytes]:
    """Both lists in an archive, by their names; another size or time of change makes it another archive."""
    members = Zip(archive)
    return {name: members.open(name).read() for name in (f"{PARTITION}.csv", f"{ATTRIBUTES}.csv")}
