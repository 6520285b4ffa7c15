"""Picture files as people have them: any size, any mode, some of them broken. Decoded one by one, wherever they lie."""

import contextlib
import errno
import os
import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError, features

from utils.data.pixels import fit, on_white
from utils.errors import InputError
from utils.files import DAMAGED_ZIP, is_the_systems

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".jp2",
    ".j2k", ".ppm", ".pgm", ".pbm", ".pnm"}
)  # fmt: skip
"""A file of such a name is taken for a picture before it is opened; of others the content decides (`kind_of`)."""
_OF_THE_PICTURE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG})
"""What a system says of one file. All else is about its place, and may pass: a picture that was left out for it would
be left out for good."""
_BUILT = {"WEBP": "webp", "AVIF": "avif", "JPEG2000": "jpg_2000"}  # what a Pillow can have been built without
FORMATS = tuple(
    name
    for name in ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF", "JPEG2000", "PPM")
    if features.check(_BUILT.get(name, "jpg"))
)
HEAD = 64  # bytes of a file that tell what it is
LARGEST_PICTURE = 89_478_485  # pixels that are decoded at once: 256 MB of them, which is Pillow's own limit
LARGEST = 100 << 20  # bytes of a member of a zip
SHARPNESS = 4  # decode JPEGs no smaller than this multiple of the size that is wanted; at 2, differences become visible


class Pictures:
    """Base of readers whose rows are picture files. A reader sets `size`, and says how rows are called and opened.

    - JPEG, PNG, WebP, BMP, AVIF, JPEG 2000, PGM and PPM, and the first picture of GIF and TIFF; grey, palette, CMYK, 16
      bits a channel. Alpha is laid on white, the orientation in EXIF is applied, colour profiles are not.
    - The middle square is cut out and averaged over areas down to `size`. A picture with a side shorter than `size` is
      skipped, since it would teach a network to draw blur, unless `enlarge` is set.
    - Big JPEGs are decoded at 1/2, 1/4 or 1/8, though never below four times `size`: for 12 megapixels about nine times
      as fast. Pixels stay within a few levels of those of a whole decoding (52 dB on mosaics of photographs); where the
      square does not fall on whole pixels of the smaller decoding, it moves by up to an eighth of a final pixel.
    - What cannot be decoded, or ends too early, is skipped, too; and so is what has more than 89 million pixels (a
      small file may claim to have any number of them), unless it is a JPEG or a JPEG 2000 that can be decoded smaller.
    """

    size: int
    enlarge = False

    def files(self, rows: range) -> Iterator[tuple[str, Callable[[], BinaryIO]]]:
        """Of each row in turn: what to call it in `Dataset.skipped`, and a function that opens its file."""
        raise NotImplementedError

    def read(self, rows: range) -> tuple[dict[str, np.ndarray], dict[int, str]]:
        """Decode, cut and shrink some of the pictures (see `Source`)."""
        images = np.zeros((len(rows), self.size, self.size, 3), np.uint8)
        failed = {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks on odd metadata
            for index, (name, opened) in enumerate(self.files(rows)):
                try:
                    with opened() as file:
                        images[index] = decode(file, self.size, self.enlarge)
                except MemoryError:
                    raise
                except Exception as error:  # for malformed files Pillow raises nearly every kind there is
                    if _may_pass(error):
                        raise InputError(
                            f"{printable(name)} cannot be read ({error.strerror}): mend that, or move it away."
                        ) from error
                    failed[rows[index]] = f"{printable(name)}: {_reason(error)}"
        return {"images": images}, failed

    def sizes(self, rows: range) -> Counter[tuple[int, int]]:
        """Width and height of the files, as stored, with how many have them; files that are no pictures do not count.

        Only the beginning of each file is read.
        """
        found = Counter()
        for _, opened in self.files(rows):
            try:
                with opened() as file, _opened(file) as image:
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
        except (FileNotFoundError, PermissionError):
            raise
        except DAMAGED_ZIP as error:
            raise unreadable(self.path, error, "delete it and fetch it again") from error

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
            member = self.file.getinfo(name)
        except KeyError as error:
            raise InputError(f"{name} is not in {self.path}.") from error
        if member.file_size > LARGEST:
            raise InputError(f"{name} in {self.path} is larger than {LARGEST:,} bytes.")
        try:
            return BytesIO(self.file.read(member))
        except DAMAGED_ZIP as error:
            if _may_pass(error):  # no fault of the zip
                raise
            raise InputError(f"{name} in {self.path} is damaged ({error}).") from error


def _may_pass(error: Exception) -> bool:
    return is_the_systems(error) and error.errno not in _OF_THE_PICTURE


def unreadable(path: str | Path, error: Exception, cure: str, what: str = "is damaged") -> InputError:
    """What to say of an archive that could not be read: that it is damaged, unless it is its disk that fails.

    Args:
        path: the archive.
        error: what was raised. zipfile and tarfile turn what the system says into words on the archive.
        cure: what to do about an archive that is damaged, without a full stop.
        what: in other words, that it is damaged.
    """
    for said in (error, error.__cause__, error.__context__):
        if is_the_systems(said):
            return InputError(f"{path} cannot be read ({said.strerror}): mend that, and start again.")
    return InputError(f"{path} {what} ({error}): {cure}.")


def decode(file: BinaryIO, size: int, enlarge: bool = False) -> np.ndarray:
    """One picture file as uint8 (size, size, 3); see `Pictures` for what is done to it.

    Raises:
        InputError: it is no picture, a side is shorter than `size` and `enlarge` is not set, or it has too many pixels.
        Exception: what Pillow raises for a file that it cannot decode.
    """
    with _opened(file) as image:
        if min(image.size) < size and not enlarge:
            raise InputError(f"smaller than {size}x{size} ({image.width}x{image.height})")
        _shrink(image, SHARPNESS * size)
        upright = _eight_bits(image, file)
        if (turn := _TURNS.get(_orientation(image))) is not None:  # one of them is 0
            upright = upright.transpose(turn)
        if upright.has_transparency_data:
            return fit(on_white(np.asarray(upright.convert("RGBA"))), size)
        return fit(np.asarray(upright.convert("RGB")), size)


_SIGNATURES = {
    kind: re.compile(signature, re.DOTALL)
    for kind, signature in {
        "JPEG": rb"\xff\xd8\xff",
        "PNG": rb"\x89PNG\r\n\x1a\n",
        "GIF": rb"GIF8[79]a",
        "WEBP": rb"RIFF....WEBP",
        "BMP": rb"BM.{4}\0{4}",
        "JPEG2000": rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51",
        "PPM": rb"P[1-6]\s",
        "AVIF": rb".{4}ftyp.{0,40}avi[fs]",
        "HEIC": rb".{4}ftyp(hei|hev|mif1|msf1)",
        "camera raw": rb".{4}ftypcrx|FUJIFILMCCD-RAW|II(RO|RS|U\0)|II\*\0....CR",  # others: by suffix, in `folder`
        "TIFF": rb"II[*+]\0|MM\0[*+]",
        "JPEG XL": rb"\xff\x0a|\0\0\0\x0cJXL ",
        "Photoshop": rb"8BPS",
        "SVG": rb"\s*(<\?xml.*)?<svg",
        "PDF": rb"%PDF",
        "video": rb".{4}ftyp|RIFF....AVI |\x1a\x45\xdf\xa3|\0\0\x01[\xb3\xba]",
        "archive": rb"PK\x03\x04|\x1f\x8b|7z\xbc\xaf|Rar!|BZh|\xfd7zXZ",
        "NumPy array": rb"\x93NUMPY",
        "empty": rb"$",
    }.items()
}
"""How files of each kind begin; the first that fits counts."""
_CONVERT = ("HEIC", "camera raw", "JPEG XL", "Photoshop", "SVG", *(kind for kind in _BUILT if kind not in FORMATS))
CURES = dict.fromkeys(_CONVERT, "not readable here: convert them") | {
    "archive": "unpack them",
    "PDF": "take the pictures out of them",
    "video": "take single frames out of them",
}
"""What to do about files that hold pictures and cannot be read, by kind."""


def kind_of(head: bytes) -> str:
    """What a file is by its first HEAD bytes: one of FORMATS if it can be read, else a word for it ("HEIC", "text")."""
    for kind, signature in _SIGNATURES.items():
        if signature.match(head):
            return kind
    return "text" if b"\0" not in head and head.decode("utf-8", "ignore") else "unknown"


def printable(name: str) -> str:
    """A file name that can be written as UTF-8, whatever bytes it has on disk."""
    return os.fsencode(name).decode("utf-8", "replace")


@contextlib.contextmanager
def _opened(file: BinaryIO) -> Iterator[Image.Image]:
    """A picture whose header is read, however many pixels that claims: `_shrink` has the limit.

    Raises:
        InputError: it is no picture of a kind that is read.
    """
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        image = Image.open(file, formats=FORMATS)
    except UnidentifiedImageError as error:
        file.seek(0)
        kind = kind_of(file.read(HEAD))
        if kind in FORMATS:
            cure = "save it with 8 bits a channel, or as PNG"
            raise InputError(f"{kind} of a kind that cannot be read here, or damaged: {cure}") from error
        raise InputError(f"{kind}, {CURES[kind]}" if kind in CURES else "not a picture") from error
    finally:
        Image.MAX_IMAGE_PIXELS = limit
    with image:
        yield image


def _shrink(image: Image.Image, least: int) -> None:
    """Have a picture decoded smaller, if its format can, though no side shorter than `least` pixels.

    Raises:
        InputError: it would still have more than LARGEST_PICTURE pixels.
    """
    whole = pixels = image.width * image.height
    kept_whole = image.info.get("progressive") or (image.format == "JPEG" and not _has_one_scan(image))
    image.draft(None, (least, least))
    if not kept_whole:  # of several scans libjpeg holds all coefficients, however small the result
        pixels = image.width * image.height
    if image.format == "JPEG2000":
        while pixels > LARGEST_PICTURE:
            pixels, image.reduce = pixels // 4, (image.reduce if isinstance(image.reduce, int) else 0) + 1
    if pixels > LARGEST_PICTURE:
        raise InputError(
            f"too large ({whole / 1e6:,.0f} million pixels; at most {LARGEST_PICTURE / 1e6:,.0f} million can be "
            "decoded: make it smaller, or save it as a JPEG that is not progressive)"
        )


def _has_one_scan(image: Image.Image) -> bool:
    """Whether a JPEG whose header has been read has all its components in one scan, as nearly all have: then behind the
    marker of its first scan stand the length of its head and their number."""
    behind, layers = image.fp.tell(), image.layers  # Pillow stops behind that head
    expected = b"\xff\xda" + (6 + 2 * layers).to_bytes(2, "big") + bytes([layers])
    image.fp.seek(behind - 8 - 2 * layers)
    found = image.fp.read(len(expected))
    image.fp.seek(behind)
    return found == expected


def _eight_bits(image: Image.Image, file: BinaryIO) -> Image.Image:
    """The image with 8 bits a channel, its orientation still to be applied.

    Of 16 bits Pillow keeps grey as it is and cuts off the lower half of colours, so such PNGs go through OpenCV. They
    are loaded by Pillow all the same, because it notices when a file ends too early. Grey as it is means that in a TIFF
    white may be 4095, or 0.
    """
    image.load()
    white, clear = 65_535, None
    if image.mode == "F" or (image.mode == "I" and image.format != "PPM"):
        raise InputError("32 bits a value, of which nobody says what is white: save it with 8 bits")
    if image.format == "PNG":
        file.seek(24)  # 8 bytes of signature, 8 of chunk header, 4 of width, 4 of height, then the bits per channel
        depth, clear = file.read(1)[0], image.info.get("transparency")
        if depth in (2, 4) and image.mode == "L" and isinstance(clear, int):  # Pillow brings to 8 bits all but this
            image.info["transparency"] = clear * (255 // (2**depth - 1))
        if depth != 16:
            return image
        file.seek(0)
        wide = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_UNCHANGED)
        clear = image.info.get("transparency")
    elif image.mode.startswith("I"):
        wide = np.asarray(image)
        if image.format == "TIFF":
            white = 2 ** image.tag_v2[ExifTags.Base.BitsPerSample][0] - 1
            if image.tag_v2.get(ExifTags.Base.PhotometricInterpretation, 0) == 0:  # white is; Pillow's default, too
                wide = white - wide
    else:
        return image
    narrow = np.empty(wide.shape, np.uint8)
    for line, row in zip(narrow, wide):  # at once it would be two pictures of float64
        line[:] = np.rint(row / (white / 255))
    if narrow.ndim == 3:
        narrow = cv2.cvtColor(narrow, cv2.COLOR_BGRA2RGBA if narrow.shape[2] == 4 else cv2.COLOR_BGR2RGB)
    elif clear is not None:  # of a transparent colour OpenCV has made alpha, of a transparent grey it does not
        narrow = np.dstack([narrow, np.where(wide == clear, 0, 255).astype(np.uint8)])
    return Image.fromarray(narrow)


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture upright, by its orientation in EXIF. Pillow's own `exif_transpose` also writes all other tags
anew, and fails on those that cameras write against the rules."""


def _orientation(image: Image.Image) -> int:
    """The orientation of a loaded picture; 1, upright, where EXIF is unreadable, and of a TIFF, which loading turns."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # for malformed EXIF Pillow raises nearly every kind there is
        return 1


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, InputError) else f"cannot be decoded ({error})"
