"""Pictures that are all alike, of one colour or grey: told, and refused where there is nothing to learn."""

import numpy as np
import pytest
from PIL import Image

from utils.data import load
from utils.data.likeness import LOOKED_AT, look_at, refuse_hopeless
from utils.errors import InputError

RANDOM = np.random.default_rng(8)


def _noise(count):
    return RANDOM.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)


def _flat(count):
    return _noise(count)[:, :1, :1].repeat(8, 1).repeat(8, 2)


def _mixed(share, some, others):
    """200 images, that share of them from `some`, in random order."""
    count = round(200 * share)
    return RANDOM.permutation(np.concatenate([some(count), others(200 - count)]))


def _same(count):
    return np.full((count, 8, 8, 3), (200, 90, 60), np.uint8) - np.arange(64, dtype=np.uint8).reshape(8, 8, 1) // 2


def _white(count):
    return np.full((count, 8, 8, 3), 255, np.uint8)


def _grey(count):
    return _noise(count)[..., :1].repeat(3, -1)


@pytest.mark.parametrize(
    ("images", "notes"),
    [
        (_noise(200), ()),
        (_same(200), ("All pictures are alike.",)),
        (_same(200) + RANDOM.integers(0, 3, (200, 8, 8, 3), np.uint8), ("All pictures are alike.",)),  # as JPEG gives
        (_white(200), ("All pictures are alike, most of them white, as what is transparent becomes.",)),
        (_flat(200), ("All pictures are of one colour all over.",)),
        (_grey(200), ("All pictures are grey.",)),
        (_mixed(0.7, _same, _noise), ("70% of the pictures are alike; --dedup exact leaves repeated ones out.",)),
        (_mixed(0.6, _flat, _noise), ("60% of the pictures are of one colour all over.",)),
        (_mixed(0.9, _grey, _noise), ("90% of the pictures are grey.",)),
        (_mixed(0.3, _same, _noise), ()),
        (_mixed(0.3, _grey, _noise), ()),
        (_noise(1), ()),
        (_grey(1), ("All pictures are grey.",)),
    ],
)
def test_what_most_pictures_have_in_common_is_told(images, notes):
    assert look_at(images).notes() == notes


def test_of_many_pictures_a_part_is_looked_at_and_that_is_said():
    look = look_at(np.lib.stride_tricks.as_strided(_grey(1), (100_000, 8, 8, 3), (0, 24, 3, 1)))
    assert look.looked == LOOKED_AT
    assert look.notes() == ("All pictures (of 500 that were looked at) are alike.",)


@pytest.mark.parametrize("images", [_noise(50), _flat(50), _grey(50), _mixed(0.99, _same, _noise), _same(1)])
def test_what_can_be_learned_from_is_not_refused(images):
    refuse_hopeless(images, "pets")


def test_pictures_that_are_all_the_same_are_refused_before_a_training():
    with pytest.raises(InputError, match="All pictures of pets are alike, so there is nothing to learn"):
        refuse_hopeless(_same(50), "pets")


def test_transparent_pictures_are_named_for_what_they_are(tmp_path):
    for number in range(6):
        transparent = np.dstack([_noise(1)[0], np.zeros((8, 8), np.uint8)])
        Image.fromarray(transparent).save(tmp_path / f"{number}.png")
    dataset = load(tmp_path, 8, data_dir=tmp_path / "data", progress=False)
    assert dataset.notes == ("All pictures are alike, most of them white, as what is transparent becomes.",)
    with pytest.raises(InputError, match="alike and white, as what is transparent becomes"):
        refuse_hopeless(dataset.images, dataset.title)
