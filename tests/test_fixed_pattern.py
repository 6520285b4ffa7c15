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
    assert fixed_pattern(images).value == pytest.approx(np.mean(pairs) / np.mean(details**2), rel=1e-5)


@pytest.mark.parametrize(("strength", "share"), [(0, 0), (10, 0.2), (20, 0.5), (40, 0.8)])
def test_a_texture_on_every_image_is_found_with_its_share_of_the_power(strength, share):
    images = 128 + noise(400, 20) + strength * noise(1, 1, seed=1)
    assert fixed_pattern(images).value == pytest.approx(share, abs=0.02)


def test_what_is_coarse_is_no_texture_and_a_pattern_of_two_pixels_is():
    columns, rows = np.meshgrid(np.arange(32), np.arange(32))
    gradient, board = 3.0 * (columns + rows), 8.0 * (-1.0) ** (columns + rows)
    images = 60 + noise(400, 8)
    plain, graded, chequered = (fixed_pattern(images + of[..., None]) for of in (np.zeros((32, 32)), gradient, board))
    assert plain.high < 0.01 and graded.high < 0.2 and chequered.low > 0.5


def test_its_interval_is_that_of_leaving_each_image_out_once():
    images = 128 + noise(12, 20) + noise(1, 15, seed=1)
    whole = fixed_pattern(images)
    others = [fixed_pattern(np.delete(images, row, axis=0)).value for row in range(12)]
    error = np.sqrt(11 / 12 * np.sum(np.square(np.array(others) - np.mean(others))))
    assert (whole.high - whole.value, whole.value - whole.low) == pytest.approx((1.96 * error,) * 2, rel=1e-3)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    pattern = 128 + noise(1, 10, seed=1, size=8)
    truth = fixed_pattern(pattern + noise(20_000, 20, seed=2, size=8)).value
    found = [fixed_pattern(pattern + noise(60, 20, seed, 8)) for seed in range(10, 210)]
    assert 0.88 < np.mean([one.low <= truth <= one.high for one in found]) < 0.99


def test_it_does_not_depend_on_the_number_of_images_and_needs_three():
    images = 128 + noise(400, 20) + noise(1, 20, seed=1)
    assert fixed_pattern(images[:50]).value == pytest.approx(fixed_pattern(images).value, abs=0.02)
    with pytest.raises(InputError, match="3 or more. Received: 2"):
        fixed_pattern(images[:2])
    assert fixed_pattern(np.full((5, 8, 8, 3), 127, np.uint8)).high == 0
