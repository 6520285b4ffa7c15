"""A folder of pictures, as people have them: any size, any mode, some of them broken."""

import hashlib
import json
import os
import stat
import warnings
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from utils.data.dataset import Description
from utils.data.pixels import fit, on_white
from utils.errors import InputError

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif"}
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")  # by content; the suffix only says what to look at
SHARPNESS = 4  # decode JPEGs no smaller than this multiple of the size that is wanted; at 2, differences become visible


class Folder:
    """All pictures in a folder and its sub-folders, ordered by their path.

    - JPEG, PNG, WebP, BMP and the first frame of GIF; grey, palette, CMYK, 16 bits a channel. Alpha is laid on white,
      the orientation in EXIF is applied, colour profiles are not.
    - The middle square is cut out and averaged over areas down to `size`. A picture with a side shorter than `size` is
      skipped: enlarged, it would teach a network to draw blur.
    - Big JPEGs are decoded at 1/2, 1/4 or 1/8, though never below four times `size`: for 12 megapixels about nine times
      as fast. Pixels stay within a few levels of those of a whole decoding (52 dB on mosaics of photographs); where the
      square does not fall on whole pixels of the smaller decoding, it moves by up to an eighth of a final pixel.
    - What cannot be decoded, ends too early or has more than 89 million pixels (a decompression bomb) is skipped, too.
      `Dataset.skipped` lists every skipped picture with the reason.
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
        self.files, state, self.ignored = _scan(self.path)
        if not self.files:
            raise InputError(
                f"{self.path} holds no picture (it should have files ending in {', '.join(sorted(SUFFIXES))}; "
                f"{self.ignored} other files are in it)."
            )
        self.state = hashlib.sha256(json.dumps(state).encode()).hexdigest()
        tops = {name.split("/")[0] if "/" in name else "" for name in self.files}
        self.classes = sorted(tops) if len(tops) > 1 and "" not in tops else []

    def describe(self) -> Description:
        """How many pictures there are, and which classes. A changed, new or missing file changes the identity."""
        return Description(
            title=self.path.name or "pictures",
            count=len(self.files),
            identity={"reader": "folder", "version": 1, "path": str(self.path), "files": self.state},
            fields={"labels": ((), "int64")} if self.classes else {},
            label_names=tuple(map(_printable, self.classes)),
            terms="the terms of whoever made the pictures",
        )

    def read(self, rows: range) -> tuple[dict[str, np.ndarray], dict[int, str]]:
        """Decode, cut and shrink some of the pictures."""
        images = np.zeros((len(rows), self.size, self.size, 3), np.uint8)
        failed = {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks on odd metadata
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            for index, row in enumerate(rows):
                try:
                    images[index] = self._picture(self.files[row])
                except MemoryError:
                    raise
                except Exception as error:  # for malformed files Pillow raises nearly every kind there is
                    failed[row] = f"{_printable(self.files[row])}: {_reason(error)}"
        arrays = {"images": images}
        if self.classes:
            numbers = {name: number for number, name in enumerate(self.classes)}
            arrays["labels"] = np.array([numbers[self.files[row].split("/")[0]] for row in rows], np.int64)
        return arrays, failed

    def _picture(self, name: str) -> np.ndarray:
        """One picture as uint8 (size, size, 3)."""
        with (self.path / name).open("rb") as file, Image.open(file, formats=FORMATS) as image:
            if min(image.size) < self.size:
                raise InputError(f"smaller than {self.size}x{self.size} ({image.width}x{image.height})")
            image.draft(None, (SHARPNESS * self.size, SHARPNESS * self.size))
            upright = ImageOps.exif_transpose(_eight_bits(image, file))
        if upright.has_transparency_data:
            return fit(on_white(np.asarray(upright.convert("RGBA"))), self.size)
        return fit(np.asarray(upright.convert("RGB")), self.size)


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


def _eight_bits(image: Image.Image, file: BinaryIO) -> Image.Image:
    """The image with 8 bits a channel, its orientation still to be applied.

    Of 16 bits Pillow keeps grey as it is and cuts off the lower half of colours, so such PNGs go through OpenCV. They
    are loaded by Pillow all the same, because it notices when a file ends too early.
    """
    image.load()
    file.seek(24)  # PNG: 8 bytes of signature, 8 of chunk header, 4 of width, 4 of height, then the bits per channel
    if image.format != "PNG" or file.read(1) != b"\x10":
        return image
    file.seek(0)
    wide = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_UNCHANGED)
    narrow = np.rint(wide / 257).astype(np.uint8)
    if narrow.ndim == 3:
        narrow = cv2.cvtColor(narrow, cv2.COLOR_BGRA2RGBA if narrow.shape[2] == 4 else cv2.COLOR_BGR2RGB)
    result = Image.fromarray(narrow)
    result.getexif()[ExifTags.Base.Orientation] = image.getexif().get(ExifTags.Base.Orientation, 1)
    return result


def _reason(error: Exception) -> str:
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, UnidentifiedImageError):
        return "not a picture"
    return f"cannot be decoded ({error})"


def _printable(name: str) -> str:
    """A file name that can be written as UTF-8, whatever bytes it has on disk."""
    return os.fsencode(name).decode("utf-8", "replace")
