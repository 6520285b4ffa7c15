"""True images that a training has not seen.

Own pictures may repeat each other: of what is called unseen, exact copies of images to train on are left out. That
takes a digest of each of those images, of 60,000 at 32x32 in 0.6 seconds; of very many it takes as long as to read them
once. The splits of the datasets in the catalogue are taken as they were published, so that figures stay comparable with
others' (CIFAR-10 has no such copies); those of built-in ones are drawn from random numbers of their own.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from utils.config import DataConfig
from utils.data import Dataset, load
from utils.data.catalogue import available_splits, find_entry, find_source, is_own, reading
from utils.data.dataset import ALL, UNKNOWN, Source
from utils.data.fetching import data_folder
from utils.data.rows import some_of
from utils.errors import InputError
from utils.text import one_line

SPLITS = ("test", "valid", "val", "train")
"""Names of splits to hold out, in the order of preference."""
COPIES = "copies of images to train on"
"""What was left out of held-out images, where there were such copies among them."""
MANY = 100_000  # images whose digests take long enough for a progress bar


class TooFewImages(InputError):
    """There are fewer true images than are needed.

    Attributes:
        there: how many there are.
    """

    def __init__(self, message: str, there: int):
        super().__init__(message)
        self.there = there


@dataclass(frozen=True)
class TrueImages:
    """Images to compare samples with.

    Attributes:
        images: uint8 (N, S, S, 3) in [0, 255], RGB; may be a memory map.
        about: what they are, for a sentence ("held-out images (CelebA test)").
        seen: whether the training has seen them, so that copies of them count as good samples; how many ("60 of 100")
            where it has seen a part; UNKNOWN where nobody knows what it was trained on. Both are as good as a yes to
            whoever asks `if seen`.
        title, split, fingerprint, encoding: as in `Dataset`.
        dedup: what was left out because it repeats others: as in `DataConfig` of images that a training without repeats
            has seen; COPIES of held-out ones, among which nothing else is looked for.
    """

    images: np.ndarray
    about: str
    seen: bool | str
    title: str = UNKNOWN
    split: str = UNKNOWN
    fingerprint: str = UNKNOWN
    encoding: str = UNKNOWN
    dedup: str = "off"

    @classmethod
    def of(cls, dataset: Dataset, about: str, seen: bool | str, dedup: str = "off") -> "TrueImages":
        """All images of a dataset."""
        known = {name: getattr(dataset, name) for name in ("title", "split", "fingerprint", "encoding")}
        return cls(dataset.images, about, seen, **known, dedup=dedup)


def source_there(name: str | Path, size: int = 32, counts: Sequence[int | None] = (), **which) -> Source:
    """What `find_source` gives for all images of a dataset, or of a big one, where only some of its files are there,
    for the first of them.

    Nothing else is counted off here, so that what is kept of a dataset is found again by the same identity.

    Args:
        name: a dataset, or own pictures.
        size: side of the images in pixels.
        counts: how many images of a big dataset will do, one number after the other.
        **which: as `find_source` takes it.

    Raises:
        InputError: as `find_source`; of a big dataset, not even the last of `counts` is there.
    """
    entry = find_entry(name)
    *others, last = (None, *counts) if entry and entry.big else (None,)
    for count in others:
        with contextlib.suppress(InputError):  # the last one says what is missing
            return find_source(name, size, count, **which)
    return find_source(name, size, last, **which)


def split_apart(
    name: str | Path, trained_on: str = "train", rules: int = DataConfig.rules, data_dir: str | Path | None = None
) -> str | None:
    """The split of a dataset that is set apart from one that is trained on, or None; arguments as for `held_out`."""
    available = () if trained_on == ALL else available_splits(name, data_dir, rules)
    return next((split for split in SPLITS if split in available and split != trained_on), None)


def held_out(
    name: str | Path,
    size: int,
    count: int | None = None,
    *,
    choices: str = "independent",
    trained_on: str = "train",
    small: str = DataConfig.small,
    rules: int = DataConfig.rules,
    data_dir: str | Path | None = None,
    progress: bool = True,
) -> Dataset | None:
    """The images of a dataset that are set apart from training.

    Args:
        name: a dataset, or own pictures.
        size: side of the images in pixels.
        count: how many; all of them if there are fewer, or by default (a built-in dataset draws 10,000).
        choices: which named set of choices a built-in dataset draws from.
        trained_on: the split that is trained on.
        small, rules: how own pictures are read, as in `DataConfig`.
        data_dir: where datasets are.
        progress: whether to show a progress bar.

    Returns:
        The images; None if the dataset has only one split, all are trained on, or the others have not been fetched.
    """
    split = split_apart(name, trained_on, rules, data_dir)
    if split is None:
        return None
    own = {"split": split, "small": small, "tolerated": 1.0, "rules": rules}
    entry = find_entry(name)
    if count is not None and not (entry and entry.built_in):  # which draws as many as are asked for
        there = source_there(name, size, (count + 1,), data_dir=data_dir, **own).describe().count
        count = count if count < there else None
    return load(name, size, count, choices=choices, data_dir=data_dir, progress=progress, **own)


def unseen(
    data: DataConfig, size: int, count: int, *, data_dir: str | Path | None = None, progress: bool = True
) -> Dataset | None:
    """True images that a model was not trained on; every command and analysis asks here.

    They are of another split, else those behind the `data.count` that were trained on; see above for copies among them.

    Args:
        data: what the model was trained on.
        size: side of the images in pixels.
        count: how many are wanted; where neither place has so many, what the larger one has is given.
        data_dir: where datasets are.
        progress: whether to show a progress bar, and to say how many copies were left out.

    Returns:
        At most `count` images; None if the model has seen all that there are.
    """
    apart, copies = _unseen(data, size, count, {"data_dir": data_dir, "progress": progress})
    if copies and progress:
        print(f"Held-out images of {one_line(data.name)}{_left_out(copies)}.", file=sys.stderr)
    return apart


def _unseen(data: DataConfig, size: int, count: int, places: dict) -> tuple[Dataset | None, int]:
    """What `unseen` gives, and how many copies were left out of it."""
    of_run, copies = reading(data), 0
    alike = {"small": data.small, "rules": data.rules}

    def number(most: int, which: dict) -> int:
        counts = (most, data.count)  # what was trained on is there
        return source_there(data.name, size, counts, data_dir=places["data_dir"], **which).describe().count

    def first(most: int, which: dict) -> Dataset:  # in the order in which own pictures are drawn, even if it is all
        return load(data.name, size, min(most, number(most, which)), **which, **places)

    def behind(most: int) -> Dataset:
        return some_of(first(data.count + most, of_run), slice(data.count, None))

    apart = held_out(data.name, size, count, choices=data.choices, trained_on=data.split, **alike, **places)
    if apart is not None and is_own(data.name):
        of_split = {"split": apart.split, "tolerated": 1.0, **alike}
        trained = first(data.count, of_run) if data.count else load(data.name, size, **of_run, **places)
        apart, copies = _without_copies(
            apart, lambda most: first(most, of_split), trained.images, count, places["progress"]
        )
    found = 0 if apart is None else len(apart)
    if found >= count or data.count is None or number(data.count + count, of_run) - data.count <= found:
        return apart, copies
    everything = first(data.count + count, of_run)
    if len(everything) - data.count <= found:
        return apart, copies
    # Also with --dedup: what it leaves out repeats what stays, so copies of either are copies of images trained on.
    trained, rest = everything.images[: data.count], some_of(everything, slice(data.count, None))
    rest, more = _without_copies(rest, behind, trained, count, places["progress"])
    return (rest, more) if rest is not None and len(rest) > found else (apart, copies)


def true_images_for(
    data: DataConfig,
    size: int,
    count: int,
    *,
    trained_on: bool | None = True,
    data_dir: str | Path | None = None,
    progress: bool = True,
) -> TrueImages:
    """The best true images to compare a generator with: `unseen` ones, else those that it was trained on.

    Args:
        data: what the generator was trained on, or others.
        size: side of the images in pixels.
        count: how many are needed.
        trained_on: whether it was trained on `data`; None where nobody knows, so that it may have seen them.
        data_dir: where datasets are.
        progress: whether to show a progress bar.

    Returns:
        At least `count` images; those trained on where there are not enough others, and `seen` says so. If the training
        was without repeats, so are these, where enough are left.

    Raises:
        TooFewImages: there are not so many.
    """
    places = {"data_dir": data_dir, "progress": progress}
    apart, copies = _unseen(data, size, count, places)
    if apart is not None and len(apart) >= count:
        about, seen = f"held-out images ({apart.title})", False
        if trained_on is None and is_own(data.name):  # which of them was trained on is not known, so neither is this
            about, seen = f"images of {apart.title}, which it may have been trained on", UNKNOWN
        elif apart.split == data.split:
            about = f"images of {apart.title} that it was not trained on"
        return TrueImages.of(apart, about + _left_out(copies), seen=seen, dedup=COPIES if copies else "off")
    of_run = reading(data)
    counts = data.count and (max(data.count, count), data.count)
    there = source_there(data.name, size, counts or (), data_dir=data_dir, **of_run).describe().count
    trained = min(data.count or there, there)
    dataset = load(data.name, size, data.count and min(there, max(trained, count)), **of_run, **places)
    if (there := len(dataset)) < count:  # without those that cannot be used
        raise TooFewImages(f"{count:,} true images are needed. Received: {data.name}, which has {there:,}.", there)
    dedup = "off"
    if data.dedup != "off":
        from utils.data.dedup import deduplicated  # imported when used: most trainings do without it

        left = deduplicated(dataset, data.dedup, data_folder(data_dir) / "prepared", progress)
        if len(left) >= count:
            dataset, dedup = left, data.dedup
    about, seen = f"images of {dataset.title}", trained_on
    if trained_on is None:
        about, seen = f"{about}, which it may have been trained on", UNKNOWN
    elif trained_on:
        about = f"{about} that it was {'in part ' if trained < count else ''}trained on"
        if dedup == "off" and trained < there:  # copies of few help less than copies of many
            seen = f"{trained:,} of {there:,}"
    return TrueImages.of(dataset, about, seen, dedup)


def unseen_images_for(data: DataConfig, size: int, count: int, **how) -> TrueImages:
    """True images that the training has not seen.

    Args:
        data, size, count, **how: as for `true_images_for`.

    Raises:
        InputError: there are not so many.
    """
    there = ""
    try:
        if not (true := true_images_for(data, size, count, **how)).seen:
            return true
    except TooFewImages as error:
        there = f" ({error.there:,} in all)"
    raise InputError(
        f"{data.name} has no {count:,} images set apart from training here{there}, so there is nothing to measure "
        "against."
    )


def _left_out(copies: int) -> str:
    """How many copies were left out, for the end of a sentence; "" if none."""
    return f", exact {COPIES} left out: {copies:,}" if copies else ""


def _without_copies(
    drawn: Dataset, draw: Callable[[int], Dataset], trained: np.ndarray, count: int, progress: bool
) -> tuple[Dataset | None, int]:
    """Leave exact copies of images trained on out.

    Args:
        drawn: at most `count` images.
        draw: gives so many of them, or all that there are.
        trained: uint8 (N, S, S, 3), what was trained on.
        count: how many are wanted.
        progress: whether to show a progress bar.

    Returns:
        The images, and how many were left out up to the last of them. `drawn` itself if there are no copies in it; else
        others take the place of copies as far as there are others; None if only copies are there.
    """
    known, before = set(_digests(trained, progress)), -1
    while True:
        fresh = [row for row, digest in enumerate(_digests(drawn.images, progress)) if digest not in known]
        if len(fresh) == len(drawn) <= count:
            return drawn, 0
        if len(fresh) >= count or len(drawn) == before:
            break
        before, drawn = len(drawn), draw(2 * max(count, len(drawn)))
    looked_at, fresh = fresh[count - 1] + 1 if len(fresh) >= count else len(drawn), fresh[:count]
    return some_of(drawn, fresh) if fresh else None, looked_at - len(fresh)


def _digests(images: np.ndarray, progress: bool) -> Iterator[bytes]:
    """A digest of the pixels of each image, as exact de-duplication makes them; a memory map is read image by image."""
    from utils.data.dedup.exact import digest_of  # imported when used: imagehash comes with it

    disable = not progress or len(images) < MANY
    for image in tqdm(np.asarray(images), "Looking for copies", unit=" images", disable=disable):
        yield digest_of(image)
