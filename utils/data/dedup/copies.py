"""A dataset without its duplicates, as a prepared copy on disk."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.data.dataset import Dataset, Description
from utils.data.dedup.find import find_duplicates
from utils.data.prepare import prepare
from utils.files import appears_whole

VERSION = 1  # raise it when a method finds other duplicates than before

_FIELDS = ("labels", "attributes", "captions", "boxes")  # what a dataset may hold beside its images


def deduplicated(dataset: Dataset, method: str, folder: str | Path, progress: bool = True) -> Dataset:
    """A dataset without its duplicates. The work is done once; then the copy is found by fingerprint and method.

    Args:
        dataset: any dataset; its images are never all in memory.
        method: as in `find_duplicates`.
        folder: where prepared folders live.
        progress: whether to show progress bars.

    Returns:
        The rows that stay, memory-mapped from a prepared folder, with a fingerprint of their own; the dataset itself
        if it has no duplicates.

    Raises:
        InputError: there is no such method, or the disk is full.
    """
    identity = {"fingerprint": dataset.fingerprint, "method": method, "version": VERSION}
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    found = Path(folder) / f"kept-{method}-{digest[:12]}.npy"
    if not found.exists():
        kept = find_duplicates(dataset.images, method, progress=progress).kept
        with appears_whole(found) as temporary:
            np.save(temporary, kept)
    kept = np.load(found, allow_pickle=False)
    if len(kept) == len(dataset):
        return dataset
    source = _Rows(dataset, kept, identity)
    # In this process: workers would be sent the images.
    copy = prepare(source, dataset.images.shape[1], folder, progress, verb="Copying", workers=1)
    return dataclasses.replace(copy, name=dataset.name, skipped=dataset.skipped, split=dataset.split)


@dataclass(frozen=True)
class _Rows:
    """Some rows of a dataset as a source."""

    dataset: Dataset
    rows: np.ndarray  # int64, ascending
    identity: dict

    def describe(self) -> Description:
        known = self.dataset
        arrays = {name: getattr(known, name) for name in _FIELDS}
        return Description(
            title=f"{known.title} without duplicates ({self.identity['method']})",
            count=len(self.rows),
            identity=self.identity,
            fields={name: (a.shape[1:], str(a.dtype)) for name, a in arrays.items() if a is not None},
            label_names=known.label_names,
            attribute_names=known.attribute_names,
            box_names=known.box_names,
            terms=known.terms,
        )

    def read(self, rows: range) -> tuple[dict[str, np.ndarray], dict[int, str]]:
        wanted = self.rows[rows.start : rows.stop]
        arrays = {name: getattr(self.dataset, name) for name in ("images", *_FIELDS)}
        return {name: array[wanted] for name, array in arrays.items() if array is not None}, {}
