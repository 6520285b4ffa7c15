"""Images that are already an array: .npy and .npz files of NumPy."""

import math
import shutil
import zipfile
from pathlib import Path

import numpy as np

from utils.data.dataset import UNKNOWN, Description
from utils.data.pixels import fit, on_white
from utils.errors import InputError
from utils.files import DAMAGED_ZIP, NO_ARRAY, appears_whole, is_the_systems


class ArrayFile:
    """One .npy or .npz file of images.

    Images are uint8 (N, H, W) or (N, H, W, 1) grey, (N, H, W, 3) RGB or (N, H, W, 4) RGBA, laid on white. In an .npz
    they are called `images`, or are the only uint8 array of four dimensions. An .npz may also hold `labels` (N,) of
    whole numbers, `attributes` (N, K) of 0 and 1, and `label_names` and `attribute_names` as arrays of strings, and
    `encoding`, a string that says how the pictures were stored before ("JPEG, quality 95").

    A .npy is mapped, never loaded. The images of an .npz are unpacked to a file first, a piece at a time, and mapped
    there; its other arrays are small and loaded. Files with pickled objects are refused.

    Args:
        path: the file.
        size: side of the images to give; others are centre-cropped and resized (see `pixels.fit`), smaller ones too,
            since leaving them out, as from a folder, would leave none.
    """

    def __init__(self, path: str | Path, size: int):
        self.path = Path(path).resolve()
        self.size = size
        self.labels: np.ndarray | None = None  # int64 (N,)
        self.attributes: np.ndarray | None = None  # uint8 (N, K)
        self.label_names: tuple[str, ...] = ()
        self.attribute_names: tuple[str, ...] = ()
        self.encoding = UNKNOWN
        try:
            if self.path.suffix.lower() == ".npz":
                self._open_npz()
            else:
                self.mapped = self.path
                with self.path.open("rb") as file:
                    self.shape, dtype = npy_header(file)
                _check_images(self.path, self.shape, dtype)
                if math.prod(self.shape) > self.path.stat().st_size:  # what numpy would find, with a warning first
                    raise ValueError("it ends too early")
                np.load(self.path, mmap_mode="r", allow_pickle=False)
        except NO_ARRAY as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{self.path} cannot be read as an array file of NumPy ({error}).") from error

    def describe(self) -> Description:
        """The array's length, and the fields that were found."""
        fields = {}
        if self.labels is not None:
            fields["labels"] = ((), "int64")
        if self.attributes is not None:
            fields["attributes"] = (self.attributes.shape[1:], "uint8")
        stat = self.path.stat()
        return Description(
            title=self.path.stem,
            count=self.shape[0],
            identity={"reader": "array", "path": str(self.path), "bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns},
            fields=fields,
            label_names=self.label_names,
            attribute_names=self.attribute_names,
            terms="the terms of whoever made the file",
            notes=self._notes(),
            encoding=self.encoding,
        )

    def _notes(self) -> tuple[str, ...]:
        height, width = self.shape[1:3]
        if min(height, width) >= self.size:
            return ()
        return (f"Its images of {width}x{height} are enlarged to {self.size}x{self.size}.",)

    def unpack(self, folder: Path) -> None:
        """Unpack the images of an .npz, because a compressed file can only be read from its start."""
        if self.path.suffix.lower() != ".npz":
            return
        self.mapped = folder / "images.npy"
        if self.mapped.exists():
            return
        try:
            unpack_npy(self.path, self.key, self.mapped)
        except DAMAGED_ZIP as error:
            if is_the_systems(error):
                raise
            raise InputError(f"{self.path} is damaged ({error}).") from error

    def read(self, rows: range) -> tuple[dict[str, np.ndarray], dict[int, str]]:
        """Cut, resize and give RGB; no row of an array can fail."""
        part = slice(rows.start, rows.stop)
        pictures = np.load(self.mapped, mmap_mode="r", allow_pickle=False)[part]
        # One by one: a chunk of rows is small in the size that is wanted, and may be gigabytes in their own.
        arrays = {"images": np.stack([fit(_rgb(picture), self.size) for picture in pictures])}
        if self.labels is not None:
            arrays["labels"] = self.labels[part]
        if self.attributes is not None:
            arrays["attributes"] = self.attributes[part]
        return arrays, {}

    def _open_npz(self) -> None:
        """Find the images by the headers of the members, and load everything else."""
        with zipfile.ZipFile(self.path) as file:
            headers = {}
            for member in file.namelist():
                if member.endswith(".npy"):
                    with file.open(member) as stream:
                        headers[member.removesuffix(".npy")] = npy_header(stream)
        likely = [key for key, (shape, dtype) in headers.items() if len(shape) == 4 and dtype == np.uint8]
        if "images" not in headers and len(likely) != 1:
            raise InputError(
                f"{self.path} should hold an array called 'images'. Received: {', '.join(headers) or 'no array'}."
            )
        self.key = "images" if "images" in headers else likely[0]
        self.shape, dtype = headers[self.key]
        _check_images(self.path, self.shape, dtype)
        for key in _OTHERS:
            shape, dtype = headers.get(key, ((0,), np.dtype(np.uint8)))
            if math.prod(shape) * dtype.itemsize > _MOST:
                raise InputError(f"{key} of {self.path} are more than {_MOST >> 20} MiB: {dtype} {shape}.")
        with np.load(self.path, allow_pickle=False) as arrays:
            others = {key: arrays[key] for key in _OTHERS if key in headers}
        self._take_others(others)

    def _take_others(self, others: dict[str, np.ndarray]) -> None:
        """Check and keep labels, attributes and their names."""
        count = self.shape[0]
        for key, named in (("label_names", "labels"), ("attribute_names", "attributes")):
            names = others.get(key, np.array([], "U1"))
            if names.ndim != 1 or names.dtype.kind != "U":
                raise InputError(f"{key} of {self.path} should be strings (K,). Received: {_kind(names)}.")
            if len(names) and named not in others:
                raise InputError(
                    f"{key} of {self.path} should be the names of its {named}, an array that it does not hold: add "
                    f"{named}, or leave {key} out. Received: {', '.join(others)}."
                )
            setattr(self, key, tuple(map(str, names)))
        encoding = others.get("encoding", np.array(UNKNOWN))
        if encoding.shape or encoding.dtype.kind != "U":
            raise InputError(f"encoding of {self.path} should be a string. Received: {_kind(encoding)}.")
        self.encoding = str(encoding)
        if "labels" in others:
            labels = others["labels"]
            if labels.shape != (count,) or labels.dtype.kind not in "iu":
                raise InputError(
                    f"labels of {self.path} should be whole numbers ({count},). Received: {_kind(labels)}."
                )
            if labels.min() < 0 or labels.max() >= (len(self.label_names) or _LABELS):
                raise InputError(
                    f"labels of {self.path} should be numbers of classes: from 0 to the number of label_names less "
                    f"one, and without label_names below {_LABELS:,}. Received: {labels.min()} to {labels.max()}, "
                    f"with {len(self.label_names)} names."
                )
            self.labels = labels.astype(np.int64)
        if "attributes" in others:
            attributes = others["attributes"]
            columns = len(self.attribute_names)
            binary = attributes.dtype.kind in "biuf" and np.isin(attributes, (0, 1)).all()
            if attributes.shape != (count, columns) or not binary:
                raise InputError(
                    f"attributes of {self.path} should be 0 or 1, ({count}, {columns}) for its {columns} "
                    f"attribute_names. Received: {_kind(attributes)}."
                )
            self.attributes = attributes.astype(np.uint8)


_MOST = 1 << 30  # bytes that labels, attributes and names may take in memory
_LABELS = 1 << 31  # labels without names lie below this: no classes are so many, and what is above 2**63 would wrap
_OTHERS = ("labels", "attributes", "label_names", "attribute_names", "encoding")


def npy_header(stream) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and dtype from the first bytes of a .npy stream.

    Raises:
        ValueError: it is no .npy stream; or another of `files.NO_ARRAY`.
    """
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    version = np.lib.format.read_magic(stream)
    if version not in read:
        raise ValueError(f"unknown version {version} of the .npy format")
    shape, _, dtype = read[version](stream)
    return shape, dtype


def unpack_npy(archive: str | Path, key: str, target: str | Path) -> None:
    """Unpack an array of an .npz to a file that can be mapped; it appears whole or not at all.

    Raises:
        ValueError: it holds less than its header says; or another of `files.NO_ARRAY`.
        KeyError: there is no such array.
    """
    with zipfile.ZipFile(archive) as file, file.open(f"{key}.npy") as packed:
        with appears_whole(target) as temporary, temporary.open("w+b") as unpacked:
            shutil.copyfileobj(packed, unpacked, 1 << 20)
            size = unpacked.tell()
            unpacked.seek(0)
            shape, dtype = npy_header(unpacked)
            if size - unpacked.tell() < math.prod(shape) * dtype.itemsize:
                raise ValueError(f"{key} ends too early")


def _rgb(picture: np.ndarray) -> np.ndarray:
    """One picture of any kind that an array may hold as uint8 (H, W, 3)."""
    if picture.ndim == 2:
        picture = picture[..., None]
    if picture.shape[-1] == 1:
        return picture.repeat(3, axis=-1)
    return on_white(picture) if picture.shape[-1] == 4 else picture


def _kind(array: np.ndarray) -> str:
    return f"{array.dtype} {array.shape}"


def _check_images(path: Path, shape: tuple[int, ...], dtype: np.dtype) -> None:
    grey = len(shape) == 3 and shape[-1] > 4  # a last side of 1, 3 or 4 is a single picture (H, W, C)
    colour = len(shape) == 4 and shape[-1] in (1, 3, 4)
    if dtype != np.uint8 or not (grey or colour) or min(shape) < 1:
        raise InputError(
            f"The images of {path} should be uint8 in [0, 255], (N, H, W, 3) or (N, H, W). Received: {dtype} {shape}."
        )
