"""LSUN bedrooms: photographs whose shorter side is 256 pixels (Yu et al., arXiv:1506.03365).

3,033,042 for training and 300 for validation, as LMDB databases of encoded pictures; or the 20% sample on Kaggle
(jhoward/lsun_bedroom, 303,125 pictures) as a tree of JPEG files.
"""

import contextlib
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import lmdb

from utils.data.dataset import Description
from utils.data.fetching import in_words
from utils.data.folder import Folder
from utils.data.pictures import SUFFIXES, Pictures, Zip, unreadable
from utils.errors import InputError

SPLITS = ("train", "val")
SAMPLE = "data0/lsun/bedroom"  # Kaggle's tree of files; its archive also holds a smaller one, a part of the same
ARCHIVE = "archive.zip"
OPTIONS = {"bedroom_train_lmdb": "--split train", "bedroom_val_lmdb": "--split val", ARCHIVE: "--source kaggle"}
"""With which the script fetches what."""
STRIDE = 256  # rows from one key that is kept to the next


class LsunBedroom(Pictures):
    """One split of LSUN's bedrooms, in a fixed order, so that the first 19,000 are the same on every machine.

    All of it lives in `<data_dir>/lsun_bedroom/`: the databases `bedroom_train_lmdb/` and `bedroom_val_lmdb/`, ordered
    by key; or the 20% sample, unpacked (`data0/lsun/bedroom/`) or as Kaggle's `archive.zip`, ordered by path, which
    serves for train where there is no database. The first N of the sample are not the first N of all.

    Args:
        size: side of the images to give, at most 256.
        data_dir: where datasets live.
        split: "train" or "val".
        count: how many images, the first of the split; all of them if None. No picture behind them is looked at.

    Raises:
        InputError: the files are damaged.
    """

    def __init__(self, size: int, data_dir: str | Path, split: str = "train", count: int | None = None):
        self.size, self.split = size, split
        places = _places(Path(data_dir).resolve(), split)
        place = next((place for place in places if place.exists()), places[0])
        if place.name.endswith("_lmdb"):
            self.title, self.store = "LSUN bedrooms", _Database(place, count)
        else:
            self.title = "LSUN bedrooms, 20% sample"
            self.store = _ZippedTree(place) if place.suffix == ".zip" else Folder(place, size, rules=1)
        self.count = count

    @staticmethod
    def available(data_dir: str | Path) -> tuple[str, ...]:
        """The splits whose files are there."""
        return tuple(split for split in SPLITS if any(place.exists() for place in _places(Path(data_dir), split)))

    def describe(self) -> Description:
        """The first `count` pictures; files that were fetched again are read again."""
        whole = self.store.describe()
        return Description(
            title=self.title if self.split == "train" else f"{self.title} {self.split}",
            count=whole.count if self.count is None else min(self.count, whole.count),
            identity={"reader": "lsun", "files": whole.identity},
        )

    def files(self, rows: range) -> Iterator[tuple[str, Callable[[], BinaryIO]]]:
        return self.store.files(rows)


def _places(data_dir: Path, split: str) -> list[Path]:
    """Where a split may be, the first that is there being used."""
    home = data_dir / "lsun_bedroom"
    return [home / f"bedroom_{split}_lmdb", *([home / SAMPLE, home / ARCHIVE] if split == "train" else [])]


def _fetch_again(place: Path) -> str:
    """What to do to fetch one of the places again."""
    return f"run {in_words(place.parent, OPTIONS[place.name])} again"


class _ZippedTree:
    """The pictures below SAMPLE in a zip, ordered by their path."""

    def __init__(self, path: Path):
        self.zip = Zip(path)
        self.names = sorted(
            name for name in self.zip.names() if name.startswith(f"{SAMPLE}/") and Path(name).suffix.lower() in SUFFIXES
        )
        if not self.names:
            raise InputError(f"{path} should hold pictures in {SAMPLE}/, but holds none: {_fetch_again(path)}.")

    def describe(self) -> Description:
        status = self.zip.path.stat()
        identity = {"path": str(self.zip.path), "file": (status.st_size, status.st_mtime_ns)}
        return Description(title="", count=len(self.names), identity=identity)

    def files(self, rows: range) -> Iterator[tuple[str, Callable[[], BinaryIO]]]:
        for name in self.names[rows.start : rows.stop]:
            yield name, partial(self.zip.open, name)


class _Database:
    """The values of an LMDB database by number, in the order of their keys.

    A database finds values by key, not by number. So the keys are walked over once, as far as they are wanted, every
    STRIDE-th is kept, and a cursor goes on from there.

    Args:
        path: the database, a folder.
        count: how far keys will be wanted; to the last if None.
    """

    def __init__(self, path: Path, count: int | None):
        self.path, self.count = path, count
        with self._opened() as database:
            self.entries = database.stat()["entries"]

    def __getstate__(self) -> dict:
        return vars(self) | {"keys": self.keys}  # found here once, not in every process that this is sent to

    def describe(self) -> Description:
        status = (self.path / "data.mdb").stat()
        identity = {"path": str(self.path), "file": (status.st_size, status.st_mtime_ns)}
        return Description(title="", count=self.entries, identity=identity)

    def files(self, rows: range) -> Iterator[tuple[str, Callable[[], BinaryIO]]]:
        nearest = self.keys[rows.start // STRIDE]  # before the database is opened: it must not be open twice
        with self._opened() as database, database.begin() as transaction, transaction.cursor() as cursor:
            cursor.set_key(nearest)
            for key, value in islice(cursor, rows.start % STRIDE, rows.start % STRIDE + len(rows)):
                yield key.decode("ascii", "replace"), partial(BytesIO, value)

    @cached_property
    def keys(self) -> list[bytes]:
        """Every STRIDE-th key."""
        with self._opened() as database, database.begin() as transaction:
            return list(islice(transaction.cursor().iternext(values=False), 0, self.count, STRIDE))

    @contextlib.contextmanager
    def _opened(self) -> Iterator[lmdb.Environment]:
        """The database, for reading; opened anew each time, because an open one cannot be sent to another process.

        Raises:
            InputError: it cannot be read, is no database, or ends too early, which would kill the process that reads it
                (it is mapped).
        """
        data = self.path / "data.mdb"
        try:
            data.open("rb").close()  # LMDB has words of its own for what the system says
        except FileNotFoundError:
            pass  # no database, as LMDB says
        except OSError as error:
            raise unreadable(data, error, f"delete {self.path} and {_fetch_again(self.path)}") from error
        try:
            with lmdb.open(str(self.path), readonly=True, create=False, lock=False, readahead=False) as database:
                needed = (database.info()["last_pgno"] + 1) * database.stat()["psize"]
                found = data.stat().st_size
                if found < needed:
                    raise InputError(
                        f"{data} should have at least {needed:,} bytes. Received: {found:,}. Delete "
                        f"{self.path} and {_fetch_again(self.path)}."
                    )
                yield database
        except lmdb.Error as error:
            raise InputError(f"{self.path} is damaged ({error}): delete it and {_fetch_again(self.path)}.") from error
