"""Which images of an array repeat others."""

from dataclasses import dataclass

import numpy as np

from utils.data.dedup import near
from utils.data.dedup.exact import find_exact
from utils.errors import InputError

METHODS = ("exact", "near", "autoencoder")


@dataclass(frozen=True)
class Duplicates:
    """What `find_duplicates` found in N images.

    Attributes:
        method: one of METHODS.
        kept: rows that stay, int64, ascending: the first of each group, and all that are in no group.
        groups: rows that show the same, int64 (at least 2,) each, ascending: the first stays.
        count: N.
        settings: what else decided the result, as plain values.
    """

    method: str
    kept: np.ndarray
    groups: tuple[np.ndarray, ...]
    count: int
    settings: dict

    @property
    def removed(self) -> int:
        """How many images would go."""
        return self.count - len(self.kept)


def find_duplicates(images: np.ndarray, method: str, seed: int = 0, progress: bool = True) -> Duplicates:
    """Find images that repeat earlier ones.

    Args:
        images: uint8 (N, S, S, 3) in [0, 255]; a memory map is read a piece at a time.
        method: "exact", "near" or "autoencoder" (see `utils.data.dedup`).
        seed: of what is random in the method. The same seed gives the same result.
        progress: whether to show progress bars.

    Raises:
        InputError: not such images, no such method, or a negative seed.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3 or not images.size:
        raise InputError(
            "De-duplication takes uint8 images of shape (N, S, S, 3), at least one. "
            f"Received: {images.dtype} {images.shape}."
        )
    if method not in METHODS:
        raise InputError(f"The methods of de-duplication are {', '.join(METHODS)}. Received: {method!r}.")
    if seed < 0:
        raise InputError(f"The seed of de-duplication must be a whole number from 0. Received: {seed}.")
    if method == "exact":
        leaders, settings = find_exact(images, progress), {}
    elif method == "near":
        leaders, settings = near.find_near(images, seed, progress), {"seed": seed}
    else:
        from utils.data.dedup.autoencoder import find_equal_codes

        leaders, settings = find_equal_codes(images, seed, progress), {"seed": seed}
    kept, counts = np.unique(leaders, return_counts=True)
    by_leader = np.split(np.argsort(leaders, kind="stable"), np.cumsum(counts)[:-1])
    groups = tuple(rows for rows in by_leader if len(rows) > 1)
    return Duplicates(method, kept, groups, len(images), settings)
