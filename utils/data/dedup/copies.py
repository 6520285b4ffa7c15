"""A dataset without its duplicates, as a prepared copy on disk."""

import hashlib
import json
from pathlib import Path

import numpy as np

from utils.data.dataset import Dataset
from utils.data.dedup.find import find_duplicates
from utils.data.rows import copy_rows
from utils.files import NO_ARRAY, appears_whole, save_array

VERSION = 1  # raise it when a method finds other duplicates than before


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
    kept = _found_before(found)
    if kept is None:
        kept = find_duplicates(dataset.images, method, progress=progress).kept
        with appears_whole(found) as temporary:
            save_array(temporary, kept)
    if len(kept) == len(dataset):
        return dataset
    title = f"{dataset.title} without duplicates ({method})"
    return copy_rows(dataset, kept, identity, title, folder, progress)


def _found_before(path: Path) -> np.ndarray | None:
    """The rows that stay, as they were found before; None if they were not, or the file was damaged since."""
    try:
        return np.load(path, allow_pickle=False)
    except NO_ARRAY:  # among them that there is no file
        return None
