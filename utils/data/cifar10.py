"""CIFAR-10 from its binary distribution: ten classes of 32x32 pictures, 50,000 for training and 10,000 for testing."""

import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from utils.data.dataset import Description
from utils.data.fetching import in_words
from utils.data.pictures import unreadable
from utils.data.pixels import fit
from utils.errors import InputError
from utils.files import DAMAGED_ZIP, appears_whole

ARCHIVE = "cifar-10-binary.tar.gz"
UNPACKED = "cifar-10-batches-bin"  # the folder in the archive
FILES = {"train": tuple(f"data_batch_{number}.bin" for number in range(1, 6)), "test": ("test_batch.bin",)}
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


class Cifar10:
    """One split of CIFAR-10, in the order of its files. All of it lives in `<data_dir>/cifar10/`: the unpacked folder
    `cifar-10-batches-bin/`, else the archive. Nothing is written there, so it may be a link to a disk for reading.

    A record is one byte of label and 3,072 of pixels: the red plane, the green, the blue, each 32 rows of 32. Sizes
    other than 32 are averaged over areas or enlarged linearly (see `pixels.fit`).

    Args:
        size: side of the images to give.
        data_dir: where datasets live.
        split: "train" or "test".

    Raises:
        InputError: the files are damaged.
    """

    RECORDS = 10_000  # in each file
    PIXELS = 3 * 32 * 32

    def __init__(self, size: int, data_dir: str | Path, split: str = "train"):
        self.size, self.split = size, split
        self.records = self.RECORDS
        home = Path(data_dir).resolve() / "cifar10"
        self.folder = home / UNPACKED  # of the files that are read
        self.packed = not self.folder.exists()
        self.place = home / ARCHIVE if self.packed else self.folder
        for path in [] if self.packed else [self.folder / name for name in FILES[split]]:
            found = path.stat().st_size if path.exists() else 0
            if found != self._file_bytes():
                raise InputError(
                    f"{path} should have {self._file_bytes():,} bytes. Received: {found:,}. Delete {self.folder} and "
                    f"fetch CIFAR-10 again with {in_words(home)}."
                )

    @staticmethod
    def available(data_dir: str | Path) -> tuple[str, ...]:
        """Both splits if the files or the archive are there, none otherwise."""
        home = Path(data_dir) / "cifar10"
        return tuple(FILES) if (home / UNPACKED).exists() or (home / ARCHIVE).exists() else ()

    def describe(self) -> Description:
        """The split's records; files that were fetched again are read again."""
        files = [self.place] if self.packed else [self.place / name for name in FILES[self.split]]
        status = [file.stat() for file in files]
        return Description(
            title="CIFAR-10" if self.split == "train" else "CIFAR-10 test",
            count=self.records * len(FILES[self.split]),
            identity={
                "reader": "cifar10",
                "split": self.split,
                "folder": str(self.place),
                "files": [(file.st_size, file.st_mtime_ns) for file in status],
            },
            fields={"labels": ((), "int64")},
            label_names=CLASSES,
        )

    def unpack(self, folder: Path) -> None:
        """Unpack the split's files where there is only the archive, which can only be read from its start."""
        if not self.packed:
            return
        self.folder = folder
        missing = {f"{UNPACKED}/{name}": folder / name for name in FILES[self.split] if not (folder / name).exists()}
        for name, content in self._members(set(missing)):
            with appears_whole(missing[name]) as temporary:
                temporary.write_bytes(content)

    def read(self, rows: range) -> tuple[dict[str, np.ndarray], dict[int, str]]:
        """Take records out of the files; a label without a name makes a record fail."""
        files = [np.memmap(self.folder / name, np.uint8, "r").reshape(self.records, -1) for name in FILES[self.split]]
        records = np.stack([files[row // self.records][row % self.records] for row in rows])
        labels = records[:, 0].astype(np.int64)
        images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        failed = {
            row: f"{FILES[self.split][row // self.records]}, record {row % self.records}: no class {label}"
            for row, label in zip(rows, labels)
            if label >= len(CLASSES)
        }
        return {"images": np.stack([fit(image, self.size) for image in images]), "labels": labels}, failed

    def _file_bytes(self) -> int:
        return self.records * (1 + self.PIXELS)

    def _members(self, wanted: set[str]) -> Iterator[tuple[str, bytes]]:
        """Names and contents of files in the archive, in its order: going back in it means to begin again.

        Only members of known name and size are read. So nothing in the archive decides where something is written or
        how much, on any version of Python.

        Raises:
            InputError: the archive is damaged, or cannot be read.
        """
        try:
            with tarfile.open(self.place, "r:gz") as tar:
                while wanted:
                    member = tar.next()
                    if member is None:
                        raise tarfile.TarError(f"it lacks {', '.join(sorted(wanted))}")
                    if member.name not in wanted:
                        continue
                    if not member.isfile() or member.size != self._file_bytes():
                        raise tarfile.TarError(f"{member.name} is not the file it should be")
                    wanted.remove(member.name)
                    yield member.name, tar.extractfile(member).read()
        except (tarfile.TarError, *DAMAGED_ZIP) as error:
            raise unreadable(self.place, error, f"delete it and run {in_words(self.place.parent)} again") from error
