"""The reader of .npy and .npz files."""

import dataclasses
import io
import os
import tracemalloc
import zipfile

import numpy as np
import pytest
from PIL import Image

from utils.config import preset, replace
from utils.data import load
from utils.data.arrays import ArrayFile
from utils.data.conditions import MOST_UNNAMED, with_names
from utils.data.folder import Folder
from utils.data.prepare import _key, prepare
from utils.errors import InputError

RANDOM = np.random.default_rng(1)
RGB = RANDOM.integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)


def _load(path, size=8):
    return load(path, size=size, data_dir=path.parent / "data", progress=False)


def _npy(folder, array):
    np.save(folder / "a.npy", array)
    return folder / "a.npy"


def _npz(folder, save=np.savez, **arrays):
    save(folder / "a.npz", **arrays)
    return folder / "a.npz"


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (RGB, RGB),
        (np.asfortranarray(RGB), RGB),
        (RGB[..., 0], RGB[..., :1].repeat(3, -1)),
        (RGB[..., :1], RGB[..., :1].repeat(3, -1)),
    ],
    ids=["rgb", "fortran", "grey", "grey with a channel"],
)
def test_images_of_the_right_size_come_through_bit_for_bit(tmp_path, array, expected):
    assert np.array_equal(_load(_npy(tmp_path, array)).images, expected)


def test_alpha_is_laid_on_white(tmp_path):
    rgba = np.zeros((3, 8, 8, 4), np.uint8)
    rgba[..., 0] = 200
    rgba[0, ..., 3], rgba[1, ..., 3], rgba[2, ..., 3] = 0, 255, 100
    images = _load(_npy(tmp_path, rgba)).images
    assert [tuple(map(int, image[0, 0])) for image in images] == [
        (255, 255, 255),
        (200, 0, 0),
        (round((200 * 100 + 255 * 155) / 255), 155, 155),
    ]


def test_other_sizes_are_cut_to_the_middle_and_averaged_over_areas(tmp_path):
    wide = RANDOM.integers(0, 256, (3, 8, 12, 3), dtype=np.uint8)
    blocks = wide[:, :, 2:10].reshape(3, 4, 2, 4, 2, 3).mean((2, 4))
    assert np.abs(_load(_npy(tmp_path, wide), size=4).images - blocks).max() <= 0.5


def test_smaller_images_are_enlarged_without_new_extremes(tmp_path):
    small = RANDOM.integers(50, 200, (2, 5, 5, 3), dtype=np.uint8)
    images = _load(_npy(tmp_path, small)).images
    assert images.shape == (2, 8, 8, 3)
    assert images.min() >= small.min() and images.max() <= small.max()


@pytest.mark.parametrize("shape", [(24, 512, 512, 4), (24, 512, 512)], ids=["RGBA", "grey"])
def test_of_large_pictures_one_at_a_time_is_in_memory(tmp_path, shape):
    large = RANDOM.integers(0, 256, shape, dtype=np.uint8)
    source = ArrayFile(_npy(tmp_path, large), 8)
    tracemalloc.start()
    images = source.read(range(24))[0]["images"]
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 8 << 20, f"{most >> 20} MiB"  # 8 per pixel of one; a colour of all is 18
    for image, picture in zip(images, large):
        assert np.array_equal(image, _load(_npy(tmp_path, picture[None])).images[0])


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_npz_gives_images_labels_attributes_and_their_names(tmp_path, save):
    attributes = RANDOM.integers(0, 2, (6, 2))
    path = _npz(
        tmp_path, save, images=RGB, labels=np.array([0, 1, 2, 0, 1, 2], np.int32), attributes=attributes,
        label_names=np.array(["a", "b", "ç"]), attribute_names=np.array(["x", "y"]),
    )  # fmt: skip
    dataset = _load(path)
    assert np.array_equal(dataset.images, RGB)
    assert dataset.labels.tolist() == [0, 1, 2, 0, 1, 2] and dataset.labels.dtype == np.int64
    assert np.array_equal(dataset.attributes, attributes) and dataset.attributes.dtype == np.uint8
    assert dataset.label_names == ("a", "b", "ç") and dataset.attribute_names == ("x", "y")


def test_the_only_uint8_array_of_four_dimensions_is_taken_for_the_images(tmp_path):
    assert np.array_equal(_load(_npz(tmp_path, arr_0=RGB, arr_1=np.arange(6))).images, RGB)


def test_two_candidates_without_the_name_images_are_refused(tmp_path):
    with pytest.raises(InputError, match="'images'.*a, b"):
        _load(_npz(tmp_path, a=RGB, b=RGB))


def test_nothing_unpacked_is_left_behind(tmp_path):
    _load(_npz(tmp_path, np.savez_compressed, images=RGB))
    (home,) = (tmp_path / "data" / "prepared").iterdir()
    assert sorted(path.name for path in home.iterdir()) == ["images.npy", "lock", "meta.json"]


@pytest.mark.parametrize(
    "array",
    [RGB.astype(np.float32), RGB.astype(np.int64), RGB[0], RGB.transpose(0, 3, 1, 2), RGB[:0], RGB[..., :2]],
    ids=["float", "int64", "one picture", "channels first", "none", "two channels"],
)
@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_images_of_another_kind_are_refused_in_a_sentence_with_what_was_received(tmp_path, array, kind):
    path = _npy(tmp_path, array) if kind == "npy" else _npz(tmp_path, images=array)
    with pytest.raises(InputError, match="should be uint8") as error:
        _load(path)
    assert str(array.dtype) in str(error.value) and str(array.shape) in str(error.value)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"labels": np.zeros(6)}, "labels"),
        ({"labels": np.zeros(5, int)}, "labels"),
        ({"labels": np.full(6, 2), "label_names": np.array(["a", "b"])}, "2 to 2, with 2 names"),
        ({"labels": np.full(6, -1)}, "-1"),
        ({"labels": np.full(6, 2**64 - 1, np.uint64)}, "without label_names below 2,147,483,648. Received: 184467"),
        ({"labels": np.full(6, 2**31)}, "Received: 2147483648 to 2147483648, with 0 names"),
        ({"attributes": np.full((6, 1), 2), "attribute_names": np.array(["a"])}, "0 or 1"),
        ({"attributes": np.zeros((6, 2), int), "attribute_names": np.array(["a"])}, "attribute_names"),
        ({"label_names": np.arange(3)}, "strings"),
        ({"label_names": np.array(["a"])}, "names of its labels, .*leave label_names out"),
        ({"attribute_names": np.array(["hat"])}, "names of its attributes, .*leave attribute_names out"),
    ],
    ids=[
        *("float", "too few", "beyond the names", "negative", "too large for int64", "too large", "not binary"),
        *("more than names", "names of numbers", "names of no labels", "names of no attributes"),
    ],
)
def test_labels_and_attributes_that_do_not_fit_are_refused(tmp_path, wrong, said):
    with pytest.raises(InputError, match=said):
        _load(_npz(tmp_path, images=RGB, **wrong))


def test_labels_that_are_no_numbers_of_classes_are_no_conditions(tmp_path):
    experiment = replace(preset("quick"), name=str(tmp_path / "a.npz"), count=None, conditions="labels")
    _npz(tmp_path, images=RGB, labels=np.arange(6) + MOST_UNNAMED - 6)
    assert len(with_names(experiment).model.condition_names) == MOST_UNNAMED
    _npz(tmp_path, images=RGB, labels=np.full(6, 20231105))
    with pytest.raises(InputError, match="number the classes of a from 0 .*label_names. Received: labels up to 202311"):
        with_names(experiment)


class _Bomb:
    """Unpickling this makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("place", ["npy", "images", "label_names"])
def test_pickled_objects_are_refused_and_never_run(tmp_path, place):
    objects = np.array([_Bomb(tmp_path / "ran")], object)
    if place == "npy":
        path = _npy(tmp_path, objects)
    else:
        path = _npz(tmp_path, **({"images": RGB} | {place: objects}))
    with pytest.raises(InputError):
        _load(path)
    assert not (tmp_path / "ran").exists()


def test_a_file_that_ends_too_early_is_refused(tmp_path):
    path = _npy(tmp_path, RGB)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InputError, match="cannot be read"):
        _load(path)


def test_what_is_no_array_file_at_all_is_refused(tmp_path):
    for name in ("a.npy", "a.npz"):
        (tmp_path / name).write_bytes(b"something else entirely")
        with pytest.raises(InputError, match="cannot be read"):
            _load(tmp_path / name)


def test_damage_inside_a_compressed_npz_is_told_in_a_sentence(tmp_path):
    path = _npz(tmp_path, np.savez_compressed, images=RGB.repeat(50, 0))
    with zipfile.ZipFile(path) as file:
        middle = file.getinfo("images.npy").compress_size // 2
    content = bytearray(path.read_bytes())
    content[middle : middle + 40] = bytes(40)
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        _load(path)


def test_damage_inside_an_npz_that_bzip2_packed_is_told_in_a_sentence(tmp_path):
    images, array = RANDOM.integers(0, 256, (4_000, 16, 16, 3), dtype=np.uint8), io.BytesIO()
    np.save(array, images)
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_BZIP2) as file:
        file.writestr("images.npy", array.getvalue())
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[-20_000:-19_000] = bytes(1_000)
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(InputError, match="a.npz is damaged"):  # of which bz2 raises an OSError without a number
        _load(tmp_path / "a.npz")


def test_a_file_that_changed_is_read_again(tmp_path):
    path = _npy(tmp_path, RGB)
    before = _load(path)
    os.utime(_npy(tmp_path, 255 - RGB), (1, 1))
    after = _load(path)
    assert np.array_equal(after.images, 255 - RGB)
    assert before.fingerprint != after.fingerprint


def test_how_pictures_were_stored_before_is_told_beside_them_and_decides_no_pixel(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), np.uint8)
    np.savez(tmp_path / "a.npz", images=images, encoding=np.array("JPEG, quality 95"))
    described = ArrayFile(tmp_path / "a.npz", 16).describe()
    assert described.encoding == "JPEG, quality 95" and "JPEG" not in str(described.identity)
    prepared = prepare(ArrayFile(tmp_path / "a.npz", 16), 16, tmp_path / "p", progress=False)
    assert prepared.encoding == "JPEG, quality 95"
    told = dataclasses.replace(described, encoding="PNG")
    assert _key(told, {}) == _key(described, {})
    np.save(tmp_path / "b.npy", images)
    assert ArrayFile(tmp_path / "b.npy", 16).describe().encoding == "unknown"
    np.savez(tmp_path / "c.npz", images=images, encoding=np.array([1, 2]))
    with pytest.raises(InputError, match="encoding of .* should be a string. Received: int64 \\(2,\\)"):
        ArrayFile(tmp_path / "c.npz", 16)
    for number, suffix in enumerate((".jpg", ".JPG", ".png")):
        Image.fromarray(images[number]).save(tmp_path / f"{number}{suffix}")
    assert Folder(tmp_path, 16).describe().encoding == "files in .jpg, .png"
    assert load("faces", 16, 2, data_dir=tmp_path, progress=False).encoding == "none: drawn here, never compressed"
