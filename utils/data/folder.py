"""A folder of pictures, with everything below it."""

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np

from utils.data.dataset import Description
from utils.data.pictures import SUFFIXES, Pictures, printable
from utils.errors import InputError


class Folder(Pictures):
    """All pictures in a folder and its sub-folders, ordered by their path; see `Pictures` for what is done to them.

    - `Dataset.skipped` lists every skipped picture with the reason.
    - Hidden files and folders are left out, and so is everything without the suffix of a picture (`ignored` counts it).
      Links are followed, but no folder is entered twice.
    - Sub-folders are classes if there are at least two and every picture is in one.

    Args:
        path: the folder.
        size: side of the images to give.

    Raises:
        InputError: there is no picture in it.
    """

    def __init__(self, path: str | Path, size: int):
        self.path = Path(path).resolve()
        self.size = size
        self.names, state, self.ignored = _scan(self.path)
        if not self.names:
            raise InputError(
                f"{self.path} holds no picture (it should have files ending in {', '.join(sorted(SUFFIXES))}; "
                f"{self.ignored} other files are in it)."
            )
        self.state = hashlib.sha256(json.dumps(state).encode()).hexdigest()
        tops = {name.split("/")[0] if "/" in name else "" for name in self.names}
        self.classes = sorted(tops) if len(tops) > 1 and "" not in tops else []

    def describe(self) -> Description:
        """How many pictures there are, and which classes. A changed, new or missing file changes the identity."""
        return Description(
            title=self.path.name or "pictures",
            count=len(self.names),
            identity={"reader": "folder", "version": 1, "path": str(self.path), "files": self.state},
            fields={"labels": ((), "int64")} if self.classes else {},
            label_names=tuple(map(printable, self.classes)),
            terms="the terms of whoever made the pictures",
        )

    def files(self, rows: range) -> Iterator[tuple[str, Callable[[], BinaryIO]]]:
        for row in rows:
            yield self.names[row], partial((self.path / self.names[row]).open, "rb")

    def read(self, rows: range) -> tuple[dict[str, np.ndarray], dict[int, str]]:
        """Decode, cut and shrink some of the pictures."""
        arrays, failed = super().read(rows)
        if self.classes:
            numbers = {name: number for number, name in enumerate(self.classes)}
            arrays["labels"] = np.array([numbers[self.names[row].split("/")[0]] for row in rows], np.int64)
        return arrays, failed


def _scan(root: Path) -> tuple[list[str], list[tuple[str, int, int]], int]:
    """Find pictures.

    Returns:
        Their paths relative to `root`, sorted, with "/" on every system; the state of each file as (path, bytes, time
        of change in ns); and how many other files there are.
    """

    def give_up(error: OSError) -> None:
        raise InputError(f"{error.filename} cannot be read ({error.strerror}).") from error

    state, ignored, entered = [], 0, set()
    for folder, folders, names in os.walk(root, onerror=give_up, followlinks=True):
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in entered:
            folders.clear()
            continue
        entered.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            path = Path(folder, name)
            if name.startswith("."):
                continue
            if path.suffix.lower() not in SUFFIXES:
                ignored += 1
                continue
            try:
                status = path.stat()
            except OSError:  # a dangling link: it stays in the list, to be reported when it cannot be read
                state.append((path.relative_to(root).as_posix(), -1, -1))
                continue
            if stat.S_ISREG(status.st_mode):  # not a pipe, which would be waited for
                state.append((path.relative_to(root).as_posix(), status.st_size, status.st_mtime_ns))
    state.sort()
    return [name for name, _, _ in state], state, ignored
