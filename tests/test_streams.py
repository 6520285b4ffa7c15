"""Streams of random numbers never meet."""

import itertools

import numpy as np
import pytest

from utils.streams import STREAMS, WITHIN_AN_UPDATE, key, stream


def test_no_two_streams_of_a_seed_and_no_two_counters_give_the_same_numbers():
    first = {}
    for name, about in STREAMS.items():
        for seed, *counters in itertools.product(range(3), *[range(1, 5)] * len(about.counters)):
            first[(about.seed, seed, name, *counters)] = stream(seed, name, *counters).integers(2**62)
    for kind in {about.seed for about in STREAMS.values()}:
        drawn = [number for (of, *_), number in first.items() if of == kind]
        assert len(set(drawn)) == len(drawn)


def test_a_stream_takes_its_counters_and_no_others():
    with pytest.raises(TypeError, match="takes .'epoch',"):
        stream(0, "order of images")
    with pytest.raises(TypeError, match="takes no counter"):
        stream(0, "summary: latents", 3)


def test_streams_have_the_numbers_that_runs_were_made_with():
    """The numbers as they were written by hand before there was this list."""
    assert np.array_equal(stream(3, "order of images", 2).random(4), np.random.default_rng([3, 0, 2]).random(4))
    assert np.array_equal(stream(3, "latents", 7).random(4), np.random.default_rng([3, 1, 7]).random(4))
    assert np.array_equal(stream(1, "watch: true samples").random(4), np.random.default_rng([1, 5]).random(4))


def test_the_key_of_an_update_is_its_own_and_fits_tensorflow():
    keys = [tuple(key(seed, update)) for seed in range(3) for update in range(1, 50)]
    assert len(set(keys)) == len(keys) and key(0, 1).dtype == np.int32 and key(0, 1).min() >= 0
    assert len(set(WITHIN_AN_UPDATE)) == len(WITHIN_AN_UPDATE)
