"""Loading by name or path, counting off rows, and the two conversions of pixels."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from utils.data import Dataset, load, scale, scale_back
from utils.data.catalogue import catalogue, find_source, place_of
from utils.data.dedup import deduplicated
from utils.data.fetching import data_folder
from utils.data.rows import places_of
from utils.errors import InputError

ALL = np.arange(256, dtype=np.uint8)


@pytest.fixture
def array_file(tmp_path):
    """40 images of 8x8 with labels, as (path, images)."""
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    np.savez(tmp_path / "own.npz", images=images, labels=np.arange(40) % 4)
    return tmp_path / "own.npz", images


def test_scale_maps_black_to_minus_one_and_white_to_one_exactly():
    scaled = scale(np.array([0, 255], np.uint8))
    assert scaled.dtype == np.float32
    assert scaled.tolist() == [-1.0, 1.0]


def test_scale_is_x_over_127_5_minus_1_within_the_precision_of_float32():
    np.testing.assert_allclose(scale(ALL), ALL.astype(np.float64) / 127.5 - 1, rtol=0, atol=2**-23)


def test_scale_back_undoes_scale_for_every_value():
    assert np.array_equal(scale_back(scale(ALL)), ALL)


@pytest.mark.parametrize("jit", [False, True])
def test_scale_in_a_compiled_tensorflow_function_equals_numpy_in_every_bit(jit):
    import tensorflow as tf

    compiled = tf.function(scale, jit_compile=jit)(tf.constant(ALL))
    assert np.array_equal(compiled.numpy().view(np.uint32), scale(ALL).view(np.uint32))
    assert np.array_equal(scale_back(compiled), ALL)


def test_scale_back_rounds_to_the_nearest_and_clips_what_lies_outside():
    values = np.array([-3, -1, -1 + 0.4 / 127.5, -1 + 0.6 / 127.5, 1.2, np.inf, -np.inf, np.nan])
    assert scale_back(values).tolist() == [0, 0, 0, 1, 255, 255, 0, 0]


def test_scaling_twice_is_refused():
    with pytest.raises(TypeError, match="float32"):
        scale(scale(ALL))
    with pytest.raises(TypeError, match="uint8"):
        scale_back(ALL)


def test_scale_of_a_memory_map_gives_a_plain_array(array_file, tmp_path):
    dataset = load(array_file[0], size=8, data_dir=tmp_path, progress=False)
    assert type(scale(dataset.images[:3])) is np.ndarray


def test_a_dataset_is_named_as_it_was_asked_for_and_mapped_read_only(array_file, tmp_path):
    path, images = array_file
    dataset = load(str(path), size=8, data_dir=tmp_path, progress=False)
    assert dataset.name == str(path)
    assert isinstance(dataset.images, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        dataset.images[0] = 0
    assert np.array_equal(dataset.images, images)


def test_by_the_old_rules_count_takes_the_first_rows_of_all_arrays_without_a_second_copy(array_file, tmp_path):
    path, images = array_file
    every = load(path, size=8, data_dir=tmp_path, progress=False)
    folders = list((tmp_path / "prepared").iterdir())
    some = load(path, size=8, count=7, data_dir=tmp_path, progress=False, rules=1)
    assert np.array_equal(some.images, images[:7])
    assert np.array_equal(some.labels, every.labels[:7])
    assert list((tmp_path / "prepared").iterdir()) == folders


def test_count_of_own_pictures_is_a_fair_sample_and_those_of_a_smaller_number_are_its_first(tmp_path):
    labels = np.arange(400) // 100  # in the order of their classes
    images = np.arange(400).view(np.uint8).reshape(400, 1, 8).repeat(8, 1)[:, :, 0:2].repeat(4, 2)  # all different
    np.savez(tmp_path / "own.npz", images=images[..., None].repeat(3, 3), labels=labels)
    whole, large, small, other = (
        load(tmp_path / "own.npz", 8, count, seed, data_dir=tmp_path, progress=False)
        for count, seed in ((None, 0), (200, 0), (100, 0), (100, 1))
    )
    assert whole.labels.tolist() == labels.tolist()
    assert np.bincount(small.labels).min() > 12  # of 25; the first would all be of one class
    assert np.array_equal(small.images, large.images[:100]) and np.array_equal(small.labels, large.labels[:100])
    numbers = [image[0, 0, 0] + 256 * image[0, 4, 0].astype(int) for image in large.images]
    assert len(set(numbers)) == 200 and np.array_equal(labels[numbers], large.labels)
    assert len({whole.fingerprint, large.fingerprint, small.fingerprint, other.fingerprint}) == 4
    assert small.fingerprint == load(tmp_path / "own.npz", 8, 100, data_dir=tmp_path, progress=False).fingerprint


def test_the_fingerprint_tells_counts_apart(array_file, tmp_path):
    path, _ = array_file
    for rules in (1, 2):
        counts = (None, 7, 8)
        prints = [load(path, 8, n, data_dir=tmp_path, progress=False, rules=rules).fingerprint for n in counts]
        assert len(set(prints)) == 3


def test_sizes_have_fingerprints_of_their_own(array_file, tmp_path):
    path, _ = array_file
    assert load(path, 8, data_dir=tmp_path).fingerprint != load(path, 4, data_dir=tmp_path).fingerprint


@pytest.mark.parametrize("count", [0, -1, 41])
def test_an_impossible_count_is_refused_with_the_number_received(array_file, tmp_path, count):
    with pytest.raises(InputError, match=f"{count}"):
        load(array_file[0], size=8, count=count, data_dir=tmp_path, progress=False)


def test_an_unknown_name_is_answered_with_the_names_and_the_other_ways(tmp_path):
    with pytest.raises(InputError, match="faces, house_numbers, cifar10") as error:
        load("facse", data_dir=tmp_path)
    assert ".npz" in str(error.value) and "folder of pictures" in str(error.value)


def test_datasets_live_where_the_environment_says(array_file, tmp_path, monkeypatch):
    monkeypatch.setenv("DCGAN_DATA_DIR", str(tmp_path / "elsewhere"))
    load(array_file[0], size=8, progress=False)
    assert list((tmp_path / "elsewhere" / "prepared").iterdir())


def test_the_home_of_nobody_is_a_path_like_any_other():
    with pytest.raises(InputError, match="There is no dataset '~nouserx/p': choose one of"):
        find_source("~nouserx/p")
    assert place_of("~nouserx/p") == "~nouserx/p" and data_folder("~nouserx/p") == Path("~nouserx/p")
    assert place_of("~") == str(Path.home().resolve()) and data_folder("~/x") == Path.home() / "x"


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"no array"])
def test_a_damaged_file_of_the_rows_that_stay_is_made_again(tmp_path, content):
    images = np.arange(40, dtype=np.uint8).repeat(48).reshape(40, 4, 4, 3) % 30
    dataset = Dataset(name="a", title="a", images=images, fingerprint="f")
    first = deduplicated(dataset, "exact", tmp_path, progress=False)
    (kept,) = tmp_path.glob("kept-*.npy")
    whole = kept.read_bytes()
    kept.write_bytes(content)
    again = deduplicated(dataset, "exact", tmp_path, progress=False)
    assert len(first) == 30 and again.fingerprint == first.fingerprint and kept.read_bytes() == whole


def test_attributes_are_named_with_spaces_or_underscores_in_any_letters():
    names = ("red hat", "long_hair", "Beard", "beard")
    assert places_of("red hat", names, "t") == places_of("Red_Hat & red hat", names, "t") == [0]
    assert places_of("beard & LONG HAIR & Beard", names, "t") == [3, 1, 2]  # as it is written counts first
    with pytest.raises(InputError, match="Received: 'BEARD' in 'BEARD & red hat'"):  # which of the two?
        places_of("BEARD & red hat", names, "t")


def test_the_catalogue_is_plain_values_and_knows_what_is_there(tmp_path):
    entries = {entry.name: entry for entry in catalogue()}
    json.dumps([dataclasses.asdict(entry) for entry in entries.values()])
    assert entries["faces"].available(tmp_path) and not entries["cifar10"].available(tmp_path)
    (tmp_path / "cifar10" / "cifar-10-batches-bin").mkdir(parents=True)
    assert entries["cifar10"].available(tmp_path)


@pytest.mark.parametrize("name", [entry.name for entry in catalogue() if entry.built_in])
def test_built_in_datasets_draw_as_many_as_asked_and_bear_the_terms_of_the_catalogue(name, tmp_path):
    dataset = load(name, size=16, count=3, data_dir=tmp_path, progress=False)
    assert dataset.images.shape == (3, 16, 16, 3)
    entry = next(entry for entry in catalogue() if entry.name == name)
    assert dataset.terms == entry.terms
    assert not np.array_equal(dataset.images[0], dataset.images[1])


def test_the_progress_bar_says_whether_images_are_read_or_drawn(array_file, tmp_path, capsys):
    load(array_file[0], size=8, data_dir=tmp_path)
    assert "Reading own" in capsys.readouterr().err
    load("faces", size=16, count=2, data_dir=tmp_path)
    assert "Drawing built-in faces" in capsys.readouterr().err
    load("faces", size=16, count=3, data_dir=tmp_path, progress=False)
    assert capsys.readouterr().err == ""
