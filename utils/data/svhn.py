"""SVHN, cropped digits: ten classes of 32x32 pictures of house numbers, from its MATLAB files.

73,257 for training, 26,032 for testing, 531,131 extra ones that are easier (Netzer et al. 2011). Label 10 of the files
is the digit 0.
"""

import contextlib
import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from utils.data.dataset import Description
from utils.data.fetching import in_words
from utils.data.pixels import fit
from utils.errors import InputError
from utils.files import appears_whole, is_the_systems, save_array

SPLITS = ("train", "test", "extra")
PIECE = 1 << 20  # bytes that are held at a time

# The MATLAB 5 format (The MathWorks: "MAT-File Format"): data types of its elements.
UINT8, MATRIX, COMPRESSED = 2, 14, 15


class Svhn:
    """One split of SVHN, in the order of its file `<data_dir>/svhn/<split>_32x32.mat`.

    The file holds X, uint8 (32, 32, 3, N), and y, (N, 1) from 1 to 10. X is compressed, and unpacked it is 1.6 GB for
    the extra images; it goes to disk a piece at a time and is mapped there, so memory holds none of it. Sizes other
    than 32 are averaged over areas or enlarged linearly (see `pixels.fit`).

    Args:
        size: side of the images to give.
        data_dir: where datasets live.
        split: "train", "test" or "extra".

    Raises:
        InputError: the file is not what it should be.
    """

    def __init__(self, size: int, data_dir: str | Path, split: str = "train"):
        from scipy.io import whosmat

        self.size, self.split = size, split
        self.path = Path(data_dir).resolve() / "svhn" / f"{split}_32x32.mat"
        with self._judged():
            shapes = {name: shape for name, shape, _ in whosmat(str(self.path))}
        self.count = (*shapes.get("X", ()), 0, 0, 0, 0)[3]
        if shapes.get("X") != (32, 32, 3, self.count) or shapes.get("y") != (self.count, 1):
            raise self._damaged(f"X should be (32, 32, 3, N) and y (N, 1), but there is {shapes}")

    @staticmethod
    def available(data_dir: str | Path) -> tuple[str, ...]:
        """The splits whose files are there."""
        return tuple(split for split in SPLITS if (Path(data_dir) / "svhn" / f"{split}_32x32.mat").exists())

    def describe(self) -> Description:
        """The file's images; a file that was fetched again is read again."""
        status = self.path.stat()
        return Description(
            title="SVHN" if self.split == "train" else f"SVHN {self.split}",
            count=self.count,
            identity={"reader": "svhn", "path": str(self.path), "file": (status.st_size, status.st_mtime_ns)},
            fields={"labels": ((), "int64")},
            label_names=tuple(map(str, range(10))),
        )

    def unpack(self, folder: Path) -> None:
        """Write X and y as arrays that can be mapped."""
        from scipy.io import loadmat

        self.images, self.labels = folder / "images.npy", folder / "labels.npy"
        with self._judged():
            if not self.images.exists():
                with self.path.open("rb") as file, appears_whole(self.images) as temporary:
                    _unpack_images(file, self.count, temporary)
            with appears_whole(self.labels) as temporary:
                save_array(temporary, loadmat(str(self.path), variable_names=["y"])["y"][:, 0].astype(np.int64))

    def read(self, rows: range) -> tuple[dict[str, np.ndarray], dict[int, str]]:
        """Turn columns first into rows first; a label that is no digit makes an image fail."""
        part = slice(rows.start, rows.stop)
        images = np.load(self.images, mmap_mode="r")[part].transpose(0, 3, 2, 1)
        labels = np.load(self.labels, mmap_mode="r")[part]
        failed = {
            row: f"{self.path.name}, image {row}: no digit has label {label}"
            for row, label in zip(rows, labels)
            if not 1 <= label <= 10
        }
        return {"images": np.stack([fit(image, self.size) for image in images]), "labels": labels % 10}, failed

    @contextlib.contextmanager
    def _judged(self) -> Iterator[None]:
        """Say that the file is damaged, whatever is raised about it, but not for what the system says of its place."""
        try:
            yield
        except Exception as error:  # for malformed files SciPy raises many kinds
            if is_the_systems(error):
                raise
            raise self._damaged(error) from error

    def _damaged(self, why: object) -> InputError:
        command = in_words(self.path.parent, "--extra" if self.split == "extra" else "")
        return InputError(f"{self.path} is not SVHN's file, or is damaged ({why}): delete it and run {command} again.")


def _unpack_images(file: BinaryIO, count: int, path: Path) -> None:
    """Copy the numbers of X out of a MATLAB 5 file into a .npy file, uint8 (count, 3, 32, 32) as colour, x, y.

    MATLAB lays out arrays with the first index fastest, so each image is 3,072 bytes in one piece.

    Raises:
        ValueError, EOFError, zlib.error: the file is not laid out like that, ends too early or has a wrong checksum.
    """
    file.seek(128)  # a header for humans, and the version
    while tag := file.read(8):
        kind, size = struct.unpack("<II", tag)
        following = file.tell() + size
        element = _Pieces(_decompressed(file) if kind == COMPRESSED else iter(lambda: file.read(PIECE), b""))
        if kind == COMPRESSED:
            kind, _ = struct.unpack("<II", element.take(8))
        if kind == MATRIX and _name_of(element) == b"X":
            break
        file.seek(following)
    else:
        raise ValueError("there is no X")
    kind, size = struct.unpack("<II", element.take(8))
    if kind != UINT8 or size != count * 3072:
        raise ValueError(f"X should be {count * 3072:,} bytes of uint8, but is {size:,} of type {kind}")
    with path.open("wb") as unpacked:
        header = {"descr": "|u1", "fortran_order": False, "shape": (count, 3, 32, 32)}
        np.lib.format.write_array_header_1_0(unpacked, header)
        for start in range(0, size, PIECE):
            unpacked.write(element.take(min(PIECE, size - start)))
    element.finish()


def _name_of(element: "_Pieces") -> bytes:
    """The name of an array, whose numbers come next."""
    element.part()  # flags
    element.part()  # dimensions
    return element.part()


class _Pieces:
    """Bytes that come in pieces of any length, taken in portions of a wanted length."""

    def __init__(self, pieces: Iterator[bytes]):
        self.pieces = pieces
        self.held = io.BytesIO()

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        taken = self.held.read(size)
        while len(taken) < size:
            piece = next(self.pieces, b"")
            if not piece:
                raise EOFError("it ends too early")
            self.held = io.BytesIO(piece)
            taken += self.held.read(size - len(taken))
        return taken

    def part(self) -> bytes:
        """The content of the next small element: a tag of 8 bytes that may hold up to 4 bytes itself, and padding."""
        tag = self.take(8)
        kind, size = struct.unpack("<II", tag)
        if kind >> 16:
            return tag[4 : 4 + (kind >> 16)]
        return self.take(-(-size // 8) * 8)[:size]

    def finish(self) -> None:
        """Take all that is left, so that the checksum at the end of compressed bytes is compared."""
        for _ in self.pieces:
            pass


def _decompressed(file: BinaryIO) -> Iterator[bytes]:
    """The content of a zlib stream, in pieces of at most `PIECE` bytes, none of them empty."""
    engine = zlib.decompressobj()
    while not engine.eof:
        packed = engine.unconsumed_tail or file.read(PIECE)
        piece = engine.decompress(packed, PIECE)
        if piece:
            yield piece
        elif not packed:
            raise EOFError("it ends too early")
