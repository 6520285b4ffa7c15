"""Some rows of a dataset: as they lie there, or as a prepared copy on disk of its own."""

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.data.dataset import Dataset, Description
from utils.data.prepare import prepare
from utils.errors import InputError
from utils.text import find_name, one_line

_FIELDS = ("labels", "attributes", "captions", "boxes")  # what a dataset may hold beside its images


def some_of(dataset: Dataset, rows: slice | list[int], called: str = "") -> Dataset:
    """Some rows of a dataset, without a second copy on disk.

    Args:
        dataset: any dataset.
        rows: which; those of a list are read into memory.
        called: what they are, for the fingerprint; by default the rows themselves.
    """
    arrays = {name: getattr(dataset, name) for name in ("images", *_FIELDS)}
    arrays = {name: array[rows] for name, array in arrays.items() if array is not None}
    fingerprint = hashlib.sha256(f"{dataset.fingerprint} {called or f'rows {rows}'}".encode()).hexdigest()
    return dataclasses.replace(dataset, fingerprint=fingerprint, **arrays)


def copy_rows(
    dataset: Dataset, rows: np.ndarray, identity: dict, title: str, folder: str | Path, progress: bool = True
) -> Dataset:
    """Copy rows of a dataset. The work is done once; then the copy is found by its identity.

    Args:
        dataset: any dataset; its images are never all in memory.
        rows: int64 (n,), which rows, in the order wanted.
        identity: plain JSON values that decide the rows, the dataset's fingerprint among them.
        title: what to call the copy in a heading.
        folder: where prepared folders live.
        progress: whether to show a progress bar.

    Returns:
        The copy, memory-mapped, with a fingerprint of its own; what is known of the whole dataset stays known.

    Raises:
        InputError: the disk is full.
    """
    source = _Rows(dataset, rows, identity, title)
    # In this process: workers would be sent the images.
    copy = prepare(source, dataset.images.shape[1], folder, progress, verb="Copying", workers=1)
    kept = {name: getattr(dataset, name) for name in ("name", "skipped", "found", "split", "others", "notes")}
    return dataclasses.replace(copy, **kept)


def leave_out(dataset: Dataset, combinations: Sequence[str], folder: str | Path, progress: bool = True) -> Dataset:
    """A dataset without the images that have all attributes of a combination.

    Args:
        dataset: one whose attributes are known.
        combinations: such as "hat & sunglasses".
        folder, progress: as for `copy_rows`.

    Raises:
        InputError: there is no such attribute, or no image would be left.
    """
    places = [places_of(combination, dataset.attribute_names, dataset.title) for combination in combinations]
    attributes = np.asarray(dataset.attributes).astype(bool)
    rows = np.flatnonzero(~np.any([attributes[:, each].all(1) for each in places], axis=0))
    if not len(rows):
        raise InputError(f"Without {', '.join(map(one_line, combinations))} no image of {dataset.title} is left.")
    named = [" & ".join(dataset.attribute_names[place] for place in sorted(each)) for each in places]
    identity = {"fingerprint": dataset.fingerprint, "without": sorted(named), "version": 1}
    copy = copy_rows(dataset, rows, identity, f"{dataset.title} without {'; '.join(named)}", folder, progress)
    note = f"{len(dataset) - len(rows):,} of {len(dataset):,} images are left out: they have {'; or '.join(named)}."
    return dataclasses.replace(copy, notes=(*copy.notes, note))


def places_of(combination: str, names: Sequence[str], title: str) -> list[int]:
    """The places of the attributes of a combination, such as "hat & sunglasses".

    Args:
        combination: names of attributes, with "&" between them; see `find_name`.
        names: of all attributes.
        title: whose they are, for a message.

    Raises:
        InputError: there is no such attribute.
    """
    places = {name: find_name(name, names) for name in map(str.strip, combination.split("&"))}
    if odd := [name for name, place in places.items() if place is None]:
        raise InputError(
            f"A combination is made of attributes with & between them, such as 'hat & sunglasses'; {title} has "
            f"{', '.join(names) or 'none'}. Received: {one_line(odd[0])!r} in {one_line(combination)!r}."
        )
    return list(dict.fromkeys(places.values()))


@dataclass(frozen=True)
class _Rows:
    """Some rows of a dataset as a source."""

    dataset: Dataset
    rows: np.ndarray
    identity: dict
    title: str

    def describe(self) -> Description:
        known = self.dataset
        arrays = {name: getattr(known, name) for name in _FIELDS}
        return Description(
            title=self.title,
            count=len(self.rows),
            identity=self.identity,
            fields={name: (a.shape[1:], str(a.dtype)) for name, a in arrays.items() if a is not None},
            label_names=known.label_names,
            attribute_names=known.attribute_names,
            box_names=known.box_names,
            terms=known.terms,
            encoding=known.encoding,
        )

    def read(self, rows: range) -> tuple[dict[str, np.ndarray], dict[int, str]]:
        wanted = self.rows[rows.start : rows.stop]
        arrays = {name: getattr(self.dataset, name) for name in ("images", *_FIELDS)}
        return {name: array[wanted] for name, array in arrays.items() if array is not None}, {}
