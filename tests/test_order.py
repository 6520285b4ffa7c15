"""The order of images: full as it always was, in blocks with long reads, each image once."""

import numpy as np
import pytest

from utils.config import preset, replace
from utils.data.order import MIXED, InBlocks, shuffled
from utils.errors import InputError


class Watched:
    """Rows 0 to count - 1 that note which slices of them are read."""

    def __init__(self, count):
        self.rows, self.read = np.arange(count), []
        self.shape, self.dtype = self.rows.shape, self.rows.dtype

    def __getitem__(self, part):
        self.read.append((part.start, part.stop))
        return self.rows[part]


def test_a_full_shuffle_has_the_bits_that_it_always_had():
    assert shuffled(8, np.random.default_rng([1, 0, 2])).tolist() == [7, 3, 1, 5, 2, 0, 6, 4]


@pytest.mark.parametrize(("count", "block"), [(1000, 7), (1000, 10), (5, 7), (16 * 6, 6), (16 * 6 + 1, 6), (3, 1)])
def test_a_shuffle_in_blocks_has_every_row_once_and_so_many_blocks_at_a_time(count, block):
    order = shuffled(count, np.random.default_rng(3), block)
    assert sorted(order.tolist()) == list(range(count)) and order.dtype == np.int64
    assert np.array_equal(order, shuffled(count, np.random.default_rng(3), block))
    whole, place, met = MIXED * block, 0, []
    while place < count:  # groups of MIXED blocks, of which one may be short
        short = count % block and count - count % block in order[place : place + whole]
        size = min(whole - (block - count % block if short else 0), count - place)
        group = set((order[place : place + size] // block).tolist())
        assert len(group) <= MIXED and not group & set(met)
        met += group
        place += size
    assert sorted(met) == list(range(-(-count // block)))


def test_images_of_mixed_blocks_lie_as_a_full_shuffle_of_these_would():
    order = shuffled(MIXED * 50, np.random.default_rng(0), 50)
    gaps = np.abs(np.diff(order))
    assert np.mean(gaps) == pytest.approx(MIXED * 50 / 3, rel=0.1)  # two independent uniform places


@pytest.mark.parametrize(("count", "block", "batch"), [(700, 10, 24), (703, 10, 32), (64, 2, 5)])
def test_each_block_is_read_once_an_epoch_in_one_piece_and_few_are_kept(count, block, batch):
    images, order = Watched(count), shuffled(count, np.random.default_rng(1), block)
    reader, most = InBlocks(images, block), 0
    for start in range(0, count, batch):
        rows = order[start : start + batch]
        assert np.array_equal(reader[rows], rows)
        most = max(most, len(reader._kept))
    assert sorted(images.read) == [(start, start + block) for start in range(0, count, block)]
    assert most <= 2 * MIXED


def test_rows_may_have_any_shape_and_pictures_stay_whole():
    images = np.random.default_rng(0).integers(0, 256, (40, 2, 2, 3), np.uint8)
    rows = np.random.default_rng(1).permutation(40)[:24].reshape(2, 3, 4)
    assert np.array_equal(InBlocks(images, 7)[rows], images[rows])


def test_the_length_of_blocks_needs_blocks():
    quick = preset("quick")
    assert replace(quick, shuffle="blocks", shuffle_block=64).training.shuffle_block == 64
    with pytest.raises(InputError, match="shuffle_block is the length of the blocks .*: add --shuffle blocks"):
        replace(quick, shuffle_block=64)
    with pytest.raises(InputError, match="shuffle_block must be at least 1. Received: 0"):
        replace(quick, shuffle="blocks", shuffle_block=0)
