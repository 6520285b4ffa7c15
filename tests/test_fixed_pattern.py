"""Textures that all images have in common."""

import itertools

import numpy as np
import pytest

from utils.errors import InputError
from utils.evaluation.fixed_pattern import fine_detail, fixed_pattern


def noise(count, strength, seed=0, size=32):
    return np.random.default_rng(seed).normal(0, strength, (count, size, size, 3))


def test_it_is_the_mean_product_of_the_details_of_all_pairs_as_a_share_of_their_power():
    images = 128 + noise(6, 20) + noise(1, 15, seed=1)
    details = fine_detail(images).reshape(6, -1).astype(float)
    pairs = [np.mean(one * other) for one, other in itertools.combinations(details, 2)]
    assert fixed_pattern(images) == pytest.approx(np.mean(pairs) / np.mean(details**2), rel=1e-5)


@pytest.mark.parametrize(("strength", "share"), [(0, 0), (10, 0.2), (20, 0.5), (40, 0.8)])
def test_a_texture_on_every_image_is_found_with_its_share_of_the_power(strength, share):
    images = 128 + noise(400, 20) + strength * noise(1, 1, seed=1)
    assert fixed_pattern(images) == pytest.approx(share, abs=0.02)


def test_what_is_coarse_is_no_texture_and_a_pattern_of_two_pixels_is():
    columns, rows = np.meshgrid(np.arange(32), np.arange(32))
    gradient, board = 3.0 * (columns + rows), 8.0 * (-1.0) ** (columns + rows)
    images = 60 + noise(400, 8)
    plain, graded, chequered = (fixed_pattern(images + of[..., None]) for of in (np.zeros((32, 32)), gradient, board))
    assert abs(plain) < 0.01 and graded < 0.2 and chequered > 0.5


def test_it_does_not_depend_on_the_number_of_images_and_needs_two():
    images = 128 + noise(400, 20) + noise(1, 20, seed=1)
    assert fixed_pattern(images[:50]) == pytest.approx(fixed_pattern(images), abs=0.02)
    with pytest.raises(InputError, match="2 or more. Received: 1"):
        fixed_pattern(images[:1])
    assert fixed_pattern(np.full((5, 8, 8, 3), 127, np.uint8)) == 0
