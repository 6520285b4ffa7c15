"""CIFAR-10 from its binary distribution: ten classes of 32x32 pictures, 50,000 for training and 10,000 for testing."""

import contextlib
import gzip
import os
import shutil
import tarfile
import tempfile
import time
import zlib
from pathlib import Path

import numpy as np

from utils.data.dataset import Description
from utils.data.pixels import fit
from utils.errors import InputError

ARCHIVE = "cifar-10-binary.tar.gz"
UNPACKED = "cifar-10-batches-bin"  # the folder in the archive
NAMES = "batches.meta.txt"
FILES = {"train": tuple(f"data_batch_{number}.bin" for number in range(1, 6)), "test": ("test_batch.bin",)}
FETCH = "`bash data_scripts/get_cifar10.sh`"
_UNPACKING = ".unpacking-"  # how the names of folders begin that the archive is being unpacked to
_ABANDONED = 3600  # seconds after which nobody is still writing a folder of such a name


class Cifar10:
    """One split of CIFAR-10, in the order of its files. All of it lives in `<data_dir>/cifar10/`.

    A record is one byte of label and 3,072 of pixels: the red plane, the green, the blue, each 32 rows of 32. Sizes
    other than 32 are averaged over areas or enlarged linearly (see `pixels.fit`).

    Args:
        size: side of the images to give.
        data_dir: where datasets live. If only the archive is there, it is unpacked first.
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
        self.folder = home / UNPACKED
        self._clear_up(home)  # always, for the run after a kill unpacks too early to call what was left abandoned
        if not self.folder.exists():
            self._unpack(home / ARCHIVE)
        for name in FILES[split]:
            path = self.folder / name
            found = path.stat().st_size if path.exists() else 0
            if found != self._file_bytes():
                raise InputError(
                    f"{path} should have {self._file_bytes():,} bytes. Received: {found:,}. Delete {self.folder} and "
                    f"fetch CIFAR-10 again with {FETCH}."
                )
        try:
            self.classes = tuple((self.folder / NAMES).read_text(encoding="ascii").split())
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{self.folder / NAMES} cannot be read ({error}): fetch CIFAR-10 again.") from error

    @staticmethod
    def available(data_dir: str | Path) -> tuple[str, ...]:
        """Both splits if the files or the archive are there, none otherwise."""
        home = Path(data_dir) / "cifar10"
        return tuple(FILES) if (home / UNPACKED).exists() or (home / ARCHIVE).exists() else ()

    def describe(self) -> Description:
        """The split's records; files that were fetched again are read again."""
        status = [(self.folder / name).stat() for name in FILES[self.split]]
        return Description(
            title="CIFAR-10" if self.split == "train" else "CIFAR-10 test",
            count=self.records * len(FILES[self.split]),
            identity={
                "reader": "cifar10",
                "split": self.split,
                "folder": str(self.folder),
                "files": [(file.st_size, file.st_mtime_ns) for file in status],
            },
            fields={"labels": ((), "int64")},
            label_names=self.classes,
        )

    def read(self, rows: range) -> tuple[dict[str, np.ndarray], dict[int, str]]:
        """Take records out of the files; a label without a name makes a record fail."""
        files = [np.memmap(self.folder / name, np.uint8, "r").reshape(self.records, -1) for name in FILES[self.split]]
        records = np.stack([files[row // self.records][row % self.records] for row in rows])
        labels = records[:, 0].astype(np.int64)
        images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        failed = {
            row: f"{FILES[self.split][row // self.records]}, record {row % self.records}: no class {label}"
            for row, label in zip(rows, labels)
            if label >= len(self.classes)
        }
        return {"images": np.stack([fit(image, self.size) for image in images]), "labels": labels}, failed

    def _file_bytes(self) -> int:
        return self.records * (1 + self.PIXELS)

    @staticmethod
    def _clear_up(home: Path) -> None:
        """Remove what processes that were killed have left of unpacking, unless another may still be at it."""
        for left in home.glob(f"{_UNPACKING}*"):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                if time.time() - left.stat().st_mtime > _ABANDONED:
                    shutil.rmtree(left, ignore_errors=True)

    def _unpack(self, archive: Path) -> None:
        """Unpack what is needed; the folder appears whole or not at all.

        Only members of known name and size are copied out, to paths made here. So nothing in the archive decides where
        something is written or how much, on any version of Python.
        """
        building = Path(tempfile.mkdtemp(prefix=_UNPACKING, dir=archive.parent))
        try:
            with tarfile.open(archive, "r:gz") as tar:
                for name in (*FILES["train"], *FILES["test"], NAMES):
                    member = tar.getmember(f"{UNPACKED}/{name}")
                    if not member.isfile() or member.size > self._file_bytes():
                        raise tarfile.TarError(f"{name} is not the file it should be")
                    with (building / name).open("wb") as file:
                        shutil.copyfileobj(tar.extractfile(member), file)
                        os.fsync(file.fileno())
                    os.utime(building / name, (member.mtime, member.mtime))  # unpacking twice gives the same identity
            building.chmod(0o755)
            with contextlib.suppress(OSError):  # another process may have been faster, and has made the same files
                building.rename(self.folder)
        except (tarfile.TarError, KeyError, EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InputError(f"{archive} is damaged ({error}): delete it and run {FETCH} again.") from error
        except OSError as error:
            raise InputError(f"{archive} cannot be unpacked ({error}).") from error
        finally:
            shutil.rmtree(building, ignore_errors=True)
