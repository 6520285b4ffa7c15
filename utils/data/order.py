"""In which order a training goes through its images, and how they are read in that order. Needs no TensorFlow.

Drawing every image from anywhere (a full shuffle) means one short read of the disk for each, which a hard disk or a
network disk does not deliver once the array is larger than memory. A shuffle in blocks reads neighbours in long reads:
the blocks are drawn in any order, and the images of MIXED of them at a time are mixed with each other.
"""

import numpy as np

MIXED = 16
"""Blocks whose images are mixed with each other: a batch has images of so many places of the array."""


def shuffled(count: int, random: np.random.Generator, block: int = 0) -> np.ndarray:
    """An order of rows: a permutation, int64 (count,).

    Args:
        count: how many rows there are.
        random: decides the order.
        block: rows that are read together; 0 for a full shuffle, in which any order is as likely as any other.
    """
    if not block:
        return random.permutation(count)
    blocks = random.permutation(-(-count // block))
    parts = []
    for start in range(0, len(blocks), MIXED):
        rows = (blocks[start : start + MIXED, None] * block + np.arange(block)).ravel()
        parts.append(random.permutation(rows[rows < count]))  # the last block may be shorter
    return np.concatenate(parts)


class InBlocks:
    """Rows of an array on disk, read in whole blocks, of which those that are being mixed are kept in memory.

    With 64x64 pixels and blocks of 256 a block has 3 MB, and 100 MB are kept.

    Args:
        images: (N, ...), a memory map.
        block: rows of a block, as for `shuffled`, in whose order each block is read once.
    """

    def __init__(self, images: np.ndarray, block: int):
        self.images, self.block = images, block
        self._kept: dict[int, np.ndarray] = {}  # by number, in the order in which they were read

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """The images of some rows, in their order: (*rows.shape, ...)."""
        numbers, places = np.divmod(rows, self.block)
        taken = np.empty((*rows.shape, *self.images.shape[1:]), self.images.dtype)
        for number in np.unique(numbers).tolist():
            if number not in self._kept:
                self._kept[number] = np.array(self.images[number * self.block : (number + 1) * self.block])
            here = numbers == number
            taken[here] = self._kept[number][places[here]]
        for number in [*self._kept][: -2 * MIXED]:  # a batch may have images of two groups that are mixed
            del self._kept[number]
        return taken
