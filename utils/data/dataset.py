"""What a dataset is once it is prepared, how its pixels change their range, and what a reader has to offer."""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from utils.text import one_line

ALL = "all"
"""The split of own pictures that holds those of every split."""
UNKNOWN = "unknown"
"""The encoding of pictures of which nobody says how they were stored before."""


@dataclass(frozen=True)
class Dataset:
    """Images at rest, with what is known about each of them. Rows of all arrays belong together.

    Attributes:
        name: the name it was loaded by ("faces", or the path of a folder).
        title: what to call it in a heading ("built-in faces").
        images: uint8 (N, S, S, 3) in [0, 255], RGB; a memory map, so N may exceed what memory holds.
        fingerprint: hex digest of the images and all that goes with them; the same digest means the same rows.
        labels: int64 (N,), index into `label_names`, or None.
        attributes: uint8 (N, K) of 0 and 1, or None.
        captions: bytes (N,), one English sentence part each ("a smiling face with glasses"), UTF-8, or None.
        boxes: int16 (N, P, 4) as left, top, right, bottom in pixels (right and bottom exclusive), -1 where the image
            does not show the part; or None.
        label_names, attribute_names, box_names: names of classes, of the K attributes, of the P parts.
        terms: licence and terms in one line.
        skipped: every picture that could not be used, with the reason ("a.jpg: cannot be decoded").
        found: how many pictures there were before any was skipped or chosen; 0 if these are all of them.
        others: every file and folder beside the pictures that was left out, with what it is ("a.heic: HEIC").
        notes: sentences that whoever uses the images should read.
        split: which part of the dataset this is ("train", "test").
        encoding: what is known of how the pictures were stored before ("JPEG, quality 95"), since it leaves traces that
            feature networks see; UNKNOWN else.
    """

    name: str
    title: str
    images: np.ndarray
    fingerprint: str
    labels: np.ndarray | None = None
    attributes: np.ndarray | None = None
    captions: np.ndarray | None = None
    boxes: np.ndarray | None = None
    label_names: tuple[str, ...] = ()
    attribute_names: tuple[str, ...] = ()
    box_names: tuple[str, ...] = ()
    terms: str = ""
    skipped: tuple[str, ...] = ()
    found: int = 0
    split: str = "train"
    others: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    encoding: str = UNKNOWN

    def __post_init__(self):
        _in_lines(self, "title", "terms", "label_names", "attribute_names", "box_names", "skipped", "others", "notes")
        _in_lines(self, "encoding")

    def __len__(self) -> int:
        return len(self.images)

    def remarks(self, listed: str) -> list[str]:
        """What to tell a user: the notes, how many pictures were left out with the first three, and where all are.

        Args:
            listed: where `skipped` and `others` can be read in full ("log.txt").
        """
        remarks = list(self.notes)
        if self.skipped:
            count, more = len(self.skipped), len(self.skipped) - 3
            pictures = f"{count:,} of {self.found or count + len(self):,} pictures" if count > 1 else "1 picture"
            remarks.append(
                f"{pictures} left out: {'; '.join(self.skipped[:3])}{f'; and {more:,} more' if more > 0 else ''}."
            )
        if self.skipped[3:] or self.others:
            remarks.append(f"All that was left out is listed in {listed}.")
        return remarks


@dataclass(frozen=True)
class Description:
    """What a source knows before any image is read.

    Attributes:
        title: what to call it in a heading.
        count: rows that `read` can be asked for.
        identity: plain JSON values that decide every pixel (settings, seed, version of the drawing code; for files:
            paths, sizes and modification times). The prepared copy is cached under their digest.
        fields: what `read` gives beside the images: {"labels": ((), "int64"), "boxes": ((P, 4), "int16")} as shape of
            one row and dtype. Names are those of `Dataset`.
        label_names, attribute_names, box_names, terms: as in `Dataset`.
        others, notes, encoding: as in `Dataset`, as far as the source knows; they decide no pixel.
    """

    title: str
    count: int
    identity: dict
    fields: dict[str, tuple[tuple[int, ...], str]] = field(default_factory=dict)
    label_names: tuple[str, ...] = ()
    attribute_names: tuple[str, ...] = ()
    box_names: tuple[str, ...] = ()
    terms: str = ""
    others: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    encoding: str = UNKNOWN

    def __post_init__(self):
        _in_lines(self, "title", "encoding")  # names stay as they are: they belong to the identity of what is prepared


def _in_lines(record: object, *names: str) -> None:
    """Make texts of a frozen record, which may come from files and folders of users, printable in one line each."""
    for name in names:
        value = getattr(record, name)
        object.__setattr__(record, name, one_line(value) if isinstance(value, str) else tuple(map(one_line, value)))


def scale(images):
    """Pixels as the networks see them: [0, 255] -> [-1, 1]. Works inside a compiled TensorFlow function, too.

    It is images / 127.5 - 1, written so that it rounds only once: the difference is exact in float32. Whatever a
    compiler makes of it (a fused multiply-add, a product for a quotient), NumPy and TensorFlow agree in every bit.

    Args:
        images: uint8, any shape, in [0, 255]; a NumPy array or a TensorFlow tensor.

    Returns:
        float32, the same shape, in [-1, 1]; of the kind that was given.

    Raises:
        TypeError: the images are not uint8, so they were probably scaled before.
    """
    if images.dtype != "uint8":
        raise TypeError(f"scale takes uint8 images in [0, 255]. Received: {images.dtype}.")
    if isinstance(images, np.ndarray):
        return (np.asarray(images, np.float32) - np.float32(127.5)) * np.float32(1 / 127.5)
    import tensorflow as tf  # only here: workers that prepare images must do without it

    return (tf.cast(images, tf.float32) - 127.5) * (1 / 127.5)


def scale_back(images) -> np.ndarray:
    """What the networks make, as pixels: [-1, 1] -> [0, 255]. `scale_back(scale(x)) == x` for all 256 values.

    Rounds to the nearest value (a tie to the even one). What lies outside [-1, 1] is clipped; NaN becomes 0, so that
    the samples of a broken network can still be drawn.

    Args:
        images: floating point, any shape, in [-1, 1]; a NumPy array or a TensorFlow tensor that has a value.

    Returns:
        uint8 NumPy array, the same shape, in [0, 255].

    Raises:
        TypeError: the images are whole numbers, so they were probably scaled back before.
    """
    images = np.asarray(images)
    if images.dtype.kind in "iub":
        raise TypeError(f"scale_back takes floating-point images in [-1, 1]. Received: {images.dtype}.")
    inside = np.nan_to_num(np.clip(images.astype(np.float32), -1, 1), copy=False, nan=-1)
    return np.rint(inside * np.float32(127.5) + np.float32(127.5)).astype(np.uint8)


class Source(Protocol):
    """Anything that images can be prepared from. It must survive pickling between processes (it is sent to workers).

    A dataset of the catalogue has a reader, a class with this protocol that is made as `Reader(size, data_dir, split)`,
    or as `Reader(size, data_dir, split, count)` if only its first `count` rows are to be prepared (see
    `catalogue.Entry`). Its static method `available(data_dir) -> tuple[str, ...]` names the splits whose files are
    there.

    A source that cannot be read at any row straight away (a compressed archive) may also have a method
    `unpack(folder: Path) -> None`. It is called once before the first `read`, in the process that prepares, with a
    folder of its own that is there for as long as `read` may be called; after a kill it finds there what it left. Where
    it raises InputError, since what it reads is damaged, that folder is removed.

    A source of picture files may have a method `sizes(rows: range) -> Counter` of their (width, height) in pixels. A
    source of which many rows may be of no use says what share of them may fail, as `tolerated`, and what to do when
    more do, as `cure`, a sentence. One whose identity stays the same when single pictures change is `unwatched`: where
    some were left out, users are told how to have them read again.
    Where a chunk takes less time than a process to start, `chunks_each` says how many are worth one.
    """

    def describe(self) -> Description:
        """What there is; quick, reads no image."""
        ...

    def read(self, rows: range) -> tuple[dict[str, np.ndarray], dict[int, str]]:
        """Read some rows; called in worker processes, on any rows in any order, always with the same result.

        Args:
            rows: which rows, a part of range(count).

        Returns:
            Arrays with one entry per row: "images" as uint8 (len(rows), S, S, 3), and the fields of the description.
            And the rows that failed, each with its reason; their entries in the arrays are ignored.
        """
        ...
