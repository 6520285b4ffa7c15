"""Picture files as people have them: any size, any mode, some of them broken. Decoded one by one, wherever they lie."""

import os
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from utils.data.pixels import fit, on_white
from utils.errors import InputError

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif"}
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")  # by content; the suffix only says what to look at
LARGEST = 100 << 20  # bytes of a member of a zip
SHARPNESS = 4  # decode JPEGs no smaller than this multiple of the size that is wanted; at 2, differences become visible


class Pictures:
    """Base of readers whose rows are picture files. A reader sets `size`, and says how rows are called and opened.

    - JPEG, PNG, WebP, BMP and the first frame of GIF; grey, palette, CMYK, 16 bits a channel. Alpha is laid on white,
      the orientation in EXIF is applied, colour profiles are not.
    - The middle square is cut out and averaged over areas down to `size`. A picture with a side shorter than `size` is
      skipped: enlarged, it would teach a network to draw blur.
    - Big JPEGs are decoded at 1/2, 1/4 or 1/8, though never below four times `size`: for 12 megapixels about nine times
      as fast. Pixels stay within a few levels of those of a whole decoding (52 dB on mosaics of photographs); where the
      square does not fall on whole pixels of the smaller decoding, it moves by up to an eighth of a final pixel.
    - What cannot be decoded, ends too early or has more than 89 million pixels (a decompression bomb) is skipped, too.
    """

    size: int

    def files(self, rows: range) -> Iterator[tuple[str, Callable[[], BinaryIO]]]:
        """Of each row in turn: what to call it in `Dataset.skipped`, and a function that opens its file."""
        raise NotImplementedError

    def read(self, rows: range) -> tuple[dict[str, np.ndarray], dict[int, str]]:
        """Decode, cut and shrink some of the pictures (see `Source`)."""
        images = np.zeros((len(rows), self.size, self.size, 3), np.uint8)
        failed = {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks on odd metadata
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            for index, (name, opened) in enumerate(self.files(rows)):
                try:
                    with opened() as file:
                        images[index] = decode(file, self.size)
                except MemoryError:
                    raise
                except Exception as error:  # for malformed files Pillow raises nearly every kind there is
                    failed[rows[index]] = f"{printable(name)}: {_reason(error)}"
        return {"images": images}, failed

    def sizes(self, rows: range) -> Counter[tuple[int, int]]:
        """Width and height of the files, as stored, with how many have them; files that are no pictures do not count.

        Only the beginning of each file is read.
        """
        found = Counter()
        for _, opened in self.files(rows):
            try:
                with opened() as file, Image.open(file, formats=FORMATS) as image:
                    found[image.size] += 1
            except Exception:  # whatever is wrong with a file, `read` reports it
                continue
        return found


class Zip:
    """A zip whose members are opened by name. It may be sent to other processes; each opens the file for itself.

    Nothing is unpacked to disk, and no member above `LARGEST` bytes is unpacked at all.
    """

    def __init__(self, path: Path):
        self.path = path

    def __getstate__(self) -> dict:
        return {"path": self.path}

    @cached_property
    def file(self) -> zipfile.ZipFile:
        """The opened zip."""
        try:
            return zipfile.ZipFile(self.path)
        except (zipfile.BadZipFile, EOFError, ValueError) as error:
            raise InputError(f"{self.path} is damaged ({error}): delete it and fetch it again.") from error

    def names(self) -> list[str]:
        """Names of all members.

        Raises:
            InputError: the zip is damaged.
        """
        return self.file.namelist()

    def open(self, name: str) -> BinaryIO:
        """A member, unpacked in memory.

        Raises:
            InputError: there is no such member, it is too large, or damaged.
        """
        try:
            if self.file.getinfo(name).file_size > LARGEST:
                raise InputError(f"{name} in {self.path} is larger than {LARGEST:,} bytes.")
            return BytesIO(self.file.read(name))
        except KeyError as error:
            raise InputError(f"{name} is not in {self.path}.") from error
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:  # the last: locked by a password
            raise InputError(f"{name} in {self.path} is damaged ({error}).") from error


def decode(file: BinaryIO, size: int) -> np.ndarray:
    """One picture file as uint8 (size, size, 3); see `Pictures` for what is done to it.

    Raises:
        InputError: a side is shorter than `size`.
        Exception: what Pillow raises for a file that it cannot decode.
    """
    with Image.open(file, formats=FORMATS) as image:
        if min(image.size) < size:
            raise InputError(f"smaller than {size}x{size} ({image.width}x{image.height})")
        image.draft(None, (SHARPNESS * size, SHARPNESS * size))
        upright = ImageOps.exif_transpose(_eight_bits(image, file))
    if upright.has_transparency_data:
        return fit(on_white(np.asarray(upright.convert("RGBA"))), size)
    return fit(np.asarray(upright.convert("RGB")), size)


def printable(name: str) -> str:
    """A file name that can be written as UTF-8, whatever bytes it has on disk."""
    return os.fsencode(name).decode("utf-8", "replace")


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
