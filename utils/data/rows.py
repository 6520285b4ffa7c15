"""Some rows of a dataset, as a prepared copy on disk of its own."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.data.dataset import Dataset, Description
from utils.data.prepare import prepare

_FIELDS = ("labels", "attributes", "captions", "boxes")  # what a dataset may hold beside its images


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
