"""A folder of pictures, with everything below it."""

import errno
import hashlib
import json
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np

from utils.config import DataConfig
from utils.data.dataset import ALL, UNKNOWN, Description
from utils.data.foreign import why_foreign, why_own
from utils.data.pictures import CURES, FORMATS, HEAD, SUFFIXES, Pictures, kind_of, printable
from utils.errors import InputError

_OLD_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif"}  # all that rules 1 take for pictures
# One of them lies beside each picture where there are captions or annotations, so they are not opened to be looked at.
_TEXTS = {".txt", ".caption", ".json", ".xml", ".csv", ".yaml", ".yml"}
# They begin as TIFF does; what could be decoded of them is a thumbnail.
_RAWS = {
    ".nef", ".nrw", ".dng", ".arw", ".sr2", ".pef", ".srw", ".iiq", ".3fr", ".erf", ".kdc", ".dcr", ".mos", ".rwl",
    ".cr2", ".mef",
}  # fmt: skip
_SPLITS = {
    name: split
    for split, names in {
        "train": "train training trainset",
        "test": "test testing testset",
        "valid": "valid val validation dev eval evaluation",
    }.items()
    for name in names.split()
}
"""Names of folders, in small letters, that are splits."""
SAID = 3  # names that a note gives; of more it says how many there are


class Folder(Pictures):
    """All pictures in a folder and its sub-folders, ordered by their path; see `Pictures` for what is done to them.

    - What is a picture is decided by the content where the suffix is not that of one (no file that has one is opened:
      it is reported when it cannot be decoded). Links are followed, but no folder is entered twice.
    - What does not belong to the pictures is left out (see `foreign`). `Dataset.others` lists it, and files of other
      kinds, in full; `Dataset.skipped` lists the pictures that cannot be used.
    - Folders at the top called train, test, valid and the like are splits, if one to train on is there; "all" is the
      pictures of all of them.
    - Sub-folders (of the split) are classes if there are at least two and every picture is in one.

    Args:
        path: the folder.
        size: side of the images to give.
        split: which split; a folder without splits has "train" and "all", which are the same.
        small: "leave_out" or "enlarge" what has a side shorter than `size`.
        tolerated: share of the pictures that may be left out because they are too small or broken.
        rules: 1 goes by six suffixes, knows no splits and leaves out only what is hidden or written by this project.

    Raises:
        InputError: there is no picture in it, or no such split.
    """

    cure = (
        "Give larger ones where they are too small; a training can also enlarge them (--small enlarge), take a smaller "
        "--image-size, or do with fewer (--tolerated is the share that may be left out)."
    )

    def __init__(
        self,
        path: str | Path,
        size: int,
        split: str = "train",
        small: str = DataConfig.small,
        tolerated: float = DataConfig.tolerated,
        rules: int = DataConfig.rules,
    ):
        self.path = Path(path).resolve()
        self.size, self.tolerated, self.rules = size, tolerated, rules
        self.enlarge = small == "enlarge"
        found = _scan(self.path, rules)
        self.others = found.listed()
        if not found.pictures:
            raise InputError(f"{self.path} holds no picture that can be read: {found.left_out() or 'it is empty'}.")
        self.split_of = _splits({_top(name) for name, _, _ in found.pictures}) if rules > 1 else {}
        there = set(self.split_of.values()) or {"train"}
        self.splits = tuple(name for name in ("train", "test", "valid") if name in there)
        pictures = self._take(split, found.pictures)
        self.names = [name for name, _, _ in pictures]
        self.state = hashlib.sha256(json.dumps(pictures).encode()).hexdigest()
        self.classes = self._classes(name for name, _, _ in found.pictures)
        self.labels = self._labels()  # int64 (N,), or None
        self.notes = self._say(split, found)

    def describe(self) -> Description:
        """How many pictures there are, and which classes. A changed, new or missing file changes the identity."""
        identity = {"reader": "folder", "version": self.rules, "path": str(self.path), "files": self.state}
        return Description(
            title=self.path.name or "pictures",
            count=len(self.names),
            identity=identity | ({"small": "enlarge"} if self.enlarge else {}),
            fields={"labels": ((), "int64")} if self.classes else {},
            label_names=tuple(map(printable, self.classes)),
            terms="the terms of whoever made the pictures",
            others=self.others,
            notes=self.notes,
            encoding=self._encoding(),
        )

    def _encoding(self) -> str:
        """The kinds of files, by their suffixes, where all have one."""
        suffixes = {os.path.splitext(name)[1].lower() for name in self.names}
        return f"files in {', '.join(sorted(suffixes))}" if suffixes <= SUFFIXES else UNKNOWN

    def files(self, rows: range) -> Iterator[tuple[str, Callable[[], BinaryIO]]]:
        for row in rows:
            yield self.names[row], partial(_open, self.path / self.names[row])

    def read(self, rows: range) -> tuple[dict[str, np.ndarray], dict[int, str]]:
        """Decode, cut and shrink some of the pictures."""
        arrays, failed = super().read(rows)
        if self.classes:
            arrays["labels"] = self.labels[rows.start : rows.stop]
        return arrays, failed

    def _take(self, split: str, pictures: list[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
        """The pictures of a split."""
        if split not in (*self.splits, ALL):
            without = "" if self.split_of else " (it has no folders train/ and test/ or valid/)"
            raise InputError(
                f"The splits of {self.path} are {', '.join(self.splits)} and {ALL}{without}. Received: split={split!r}."
            )
        if not self.split_of:
            return pictures
        folders = {top for top, name in self.split_of.items() if split in (ALL, name)}
        return [state for state in pictures if _top(state[0]) in folders]

    def _classes(self, everything: Iterator[str]) -> list[str]:
        """Names of the classes, the same for all splits; none if a picture of this one is in no class."""
        own, inside = {self._class(name) for name in self.names}, self._inside(everything)
        return inside if "" not in own and len(inside) > 1 else []

    def _inside(self, everything: Iterator[str]) -> list[str]:
        """Names of the sub-folders, of all splits, that may be classes."""
        inside = {self._class(name) for name in everything if not self.split_of or _top(name) in self.split_of}
        return sorted(inside - {""})

    def _labels(self) -> np.ndarray | None:
        """The class of each picture."""
        numbers = {name: number for number, name in enumerate(self.classes)}
        return np.array([numbers[self._class(name)] for name in self.names], np.int64) if numbers else None

    def _class(self, name: str) -> str:
        """The folder at the top, or below that of the split, that a picture is in; "" if it is in none."""
        return _top(name.split("/", 1)[1] if self.split_of else name)

    def _say(self, split: str, found: "_Found") -> tuple[str, ...]:
        """What anybody who uses this folder should know."""
        notes = []
        if left_out := found.left_out():
            notes.append(f"{len(found.pictures):,} picture{'s' * (len(found.pictures) > 1)}, {left_out}.")
        if self.split_of:
            counts = Counter(self.split_of.get(_top(name)) for name, _, _ in found.pictures)
            named = ", ".join(f"{name} {counts[name]:,}" for name in self.splits)
            alone = f"; {counts[None]:,} pictures are in none of them" if counts[None] else ""
            notes.append(
                f"Folders at the top are splits: {named}{alone}. --split ({', '.join(self.splits)}, {ALL}) says which "
                f"is used: {split}."
            )
        elif named := sorted(top for top in {_top(name) for name, _, _ in found.pictures} if top.lower() in _SPLITS):
            notes.append(
                f"{_some(named)} is a folder like all others here: to hold its pictures apart, put those to train on "
                "into a folder train beside it."
            )
        folders = self._inside(name for name, _, _ in found.pictures)
        if not self.classes and len(folders) > 1:
            loose = [name for name in self.names if not self._class(name)]
            are = "picture is" if len(loose) == 1 else "pictures are"
            notes.append(
                f"{len(loose):,} {are} in no sub-folder ({_some(loose)}), so the sub-folders {_some(folders)} are not "
                "taken for classes."
            )
        return tuple(notes)


def _some(names: list[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - SAID:,} more" if len(names) > SAID else ""
    return ", ".join(map(printable, names[:SAID])) + more


@dataclass
class _Found:
    """What is in a folder.

    Attributes:
        pictures: (path, bytes, time of change in ns) of each, sorted; paths are relative, with "/" on every system.
        files, folders: (path, why it is left out) of other files, and of folders that were not entered.
    """

    pictures: list[tuple[str, int, int]] = field(default_factory=list)
    files: list[tuple[str, str]] = field(default_factory=list)
    folders: list[tuple[str, str]] = field(default_factory=list)

    def listed(self) -> tuple[str, ...]:
        """A line for each thing that is left out."""
        return tuple(
            f"{printable(path)}{end}: {why}"
            for group, end in ((self.folders, "/"), (self.files, ""))
            for path, why in sorted(group)
        )

    def left_out(self) -> str:
        """What is left out, in words: "10 other files left out: 8 text, 2 HEIC (not readable here: convert them)"."""
        parts = []
        for group, one, many in (
            (self.files, "other file", "other files"),
            (self.folders, "folder", "folders"),
        ):
            if group:
                kinds = Counter(why for _, why in group).most_common()
                listed = ", ".join(f"{n:,} {why}{f' ({CURES[why]})' if why in CURES else ''}" for why, n in kinds)
                parts.append(f"{len(group):,} {one if len(group) == 1 else many} left out: {listed}")
        return "; ".join(parts)


def _scan(root: Path, rules: int) -> _Found:
    """Walk over a folder."""

    def give_up(error: OSError) -> None:
        raise InputError(f"{error.filename} cannot be read ({error.strerror}).") from error

    found, entered = _Found(), set()
    for folder, folders, names in os.walk(root, onerror=give_up, followlinks=True):
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in entered:
            folders.clear()
            continue
        entered.add((status.st_dev, status.st_ino))
        inside = os.path.relpath(folder, root).replace(os.sep, "/")
        prefix = "" if inside == "." else f"{inside}/"
        if prefix and (why := why_own(folder, names)):
            found.folders.append((inside, why))
            folders.clear()
            continue
        foreign = {name: why for name in folders if (why := _why_foreign(name, rules))}
        found.folders += [(prefix + name, why) for name, why in foreign.items()]
        folders[:] = sorted(set(folders) - set(foreign))
        for name in names:
            if why := _why_foreign(name, rules) or _no_picture(os.path.join(folder, name), rules):
                found.files.append((prefix + name, why))
                continue
            try:
                status = os.stat(os.path.join(folder, name))
            except OSError:  # a dangling link: it stays in the list, to be reported when it cannot be read
                found.pictures.append((prefix + name, -1, -1))
                continue
            if stat.S_ISREG(status.st_mode):
                found.pictures.append((prefix + name, status.st_size, status.st_mtime_ns))
            else:  # a pipe would be waited for
                found.files.append((prefix + name, "not a regular file"))
    found.pictures.sort()
    return found


def _why_foreign(name: str, rules: int) -> str | None:
    return why_foreign(name) if rules > 1 or name.startswith(".") else None


def _no_picture(path: str, rules: int) -> str | None:
    """What a file is if it is no picture; None if it is one, or is taken for one by its name."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix in (SUFFIXES if rules > 1 else _OLD_SUFFIXES):
        return None
    if suffix in _TEXTS:
        return "text"
    if suffix in _RAWS:
        return "camera raw"
    if not os.path.isfile(path):  # a pipe, or a link to nothing
        return "not a regular file"
    try:
        with open(path, "rb", buffering=0) as file:
            kind = kind_of(file.read(HEAD))
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return None if kind in FORMATS and rules > 1 else kind


def _open(path: Path) -> BinaryIO:
    """A file that was there when the folder was looked at.

    Raises:
        OSError: it cannot be opened; ESTALE if it has gone since, as with a disk that is taken out.
    """
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        if path.is_symlink():  # it leads nowhere, and did before
            raise
        raise OSError(errno.ESTALE, "it was there a moment ago", str(path)) from error


def _top(name: str) -> str:
    """The first folder of a path; "" if there is none."""
    return name.split("/", 1)[0] if "/" in name else ""


def _splits(tops: set[str]) -> dict[str, str]:
    """The split of each folder at the top that is one.

    A class may well be called "train" or "test". So a folder to train on must be there, with another split beside it or
    with nothing beside it.
    """
    splits = {top: _SPLITS[top.lower()] for top in tops if top.lower() in _SPLITS}
    kinds = set(splits.values())
    return splits if "train" in kinds and (len(kinds) > 1 or len(splits) == len(tops)) else {}
