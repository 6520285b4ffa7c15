"""The readers of the real datasets, on small archives in exactly the genuine formats."""

import errno
import io
import os
import pickle
import re
import shlex
import shutil
import struct
import zipfile

import cv2
import genuine
import lmdb
import numpy as np
import pytest
from PIL import Image

from utils.config import DataConfig, preset, replace
from utils.data import load, load_for
from utils.data.catalogue import catalogue, find_source, shorter_sides
from utils.data.celeba import CelebA
from utils.data.imagenet32 import ImageNet32
from utils.data.lsun import LsunBedroom
from utils.data.pictures import Zip
from utils.data.prepare import prepare
from utils.data.svhn import Svhn
from utils.errors import InputError
from utils.evaluation.held_out import unseen

RANDOM = np.random.default_rng(11)
FETCHED = [entry for entry in catalogue() if not entry.built_in]
BIG = [entry.name for entry in FETCHED if entry.big]


def _noise(count, size=32):
    return RANDOM.integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def _blocks(count, height=218, width=178):
    """Pictures that survive JPEG nearly unchanged: smooth, and all different."""
    corners = RANDOM.integers(0, 256, (count, 3, 3, 3), dtype=np.uint8)
    return [cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR) for small in corners]


def _load(name, data_dir, **settings):
    return load(name, data_dir=data_dir, progress=False, **settings)


def _keys(count):
    return [f"{RANDOM.integers(0, 1 << 60):040x}" for _ in range(count)]


# --- SVHN -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compressed", [True, False])
def test_svhn_images_come_upright_in_rgb_with_the_digit_as_label(tmp_path, compressed):
    images, digits = _noise(200), np.arange(200) % 10
    genuine.write_svhn(tmp_path / "svhn", images, digits, compressed=compressed)
    dataset = _load("svhn", tmp_path)
    assert np.array_equal(dataset.images, images)
    assert np.array_equal(dataset.labels, digits)
    assert dataset.label_names == tuple("0123456789") and dataset.split == "train"


def test_svhn_is_the_same_whether_y_or_x_comes_first_and_whatever_else_is_in_the_file(tmp_path):
    from scipy.io import savemat

    images, labels = _noise(9), np.arange(1, 10, dtype=np.uint8)[:, None]
    (tmp_path / "svhn").mkdir()
    content = {"words": "long enough to be no small element", "y": labels, "X": images.transpose(1, 2, 3, 0)}
    savemat(tmp_path / "svhn" / "train_32x32.mat", content, do_compression=True)
    dataset = _load("svhn", tmp_path)
    assert np.array_equal(dataset.images, images) and dataset.labels.tolist() == list(range(1, 10))


def test_svhn_splits_are_its_files(tmp_path):
    parts = {split: _noise(3 + i) for i, split in enumerate(("train", "test", "extra"))}
    for split, images in parts.items():
        genuine.write_svhn(tmp_path / "svhn", images, np.zeros(len(images), int), split)
    loaded = {split: _load("svhn", tmp_path, split=split) for split in parts}
    for split, dataset in loaded.items():
        assert np.array_equal(dataset.images, parts[split]) and dataset.split == split
        assert set(dataset.labels.tolist()) == {0}
    assert loaded["extra"].title == "SVHN extra"
    assert len({dataset.fingerprint for dataset in loaded.values()}) == 3


def test_svhn_that_ends_too_early_or_has_a_wrong_byte_or_is_a_page_is_refused_in_one_sentence(tmp_path):
    path = genuine.write_svhn(tmp_path / "svhn", _noise(50), np.zeros(50, int))
    content = path.read_bytes()
    flipped = bytearray(content)
    flipped[60_000] ^= 1
    # Cut inside X, y is lost too; so y is cut in a file that has X last.
    for damaged in (content[:-300], content[:50_000], content[:100], bytes(flipped), b"<html>quota</html>" * 100, b""):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="train_32x32.mat is not SVHN's file, or is damaged.*get_svhn.sh"):
            _load("svhn", tmp_path)
    assert not list((tmp_path / "prepared").glob("*/meta.json"))
    path.rename(path.with_name("extra_32x32.mat"))
    command = f"bash data_scripts/get_svhn.sh --extra --data-dir {shlex.quote(str(tmp_path))}"
    with pytest.raises(InputError, match=re.escape(f"delete it and run `{command}` again")):
        _load("svhn", tmp_path, split="extra")


def test_svhn_with_other_arrays_is_refused_with_what_was_found(tmp_path):
    genuine.write_svhn(tmp_path / "svhn", _noise(5, size=16), np.zeros(5, int))
    with pytest.raises(InputError, match=r"X should be \(32, 32, 3, N\).*\(16, 16, 3, 5\)"):
        _load("svhn", tmp_path)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.EINVAL, None])
def test_svhn_that_cannot_be_opened_is_not_called_damaged(tmp_path, monkeypatch, number):
    path = genuine.write_svhn(tmp_path / "svhn", _noise(3), np.zeros(3, int))

    def fails(*_, **__):
        raise OSError(number, os.strerror(number), str(path)) if number else OSError("could not read bytes")

    source = Svhn(32, tmp_path)
    raised = InputError if number in (None, errno.EINVAL) else OSError
    for function, call in (("whosmat", lambda: Svhn(32, tmp_path)), ("loadmat", lambda: source.unpack(tmp_path))):
        with monkeypatch.context() as patch, pytest.raises(raised) as error:
            patch.setattr(f"scipy.io.{function}", fails)
            call()
        assert ("is damaged" in str(error.value)) == (raised is InputError)


def test_svhn_images_without_a_digit_are_skipped_and_listed(tmp_path):
    genuine.write_svhn(tmp_path / "svhn", _noise(30), np.where(np.arange(30) == 4, 77, 1))
    dataset = _load("svhn", tmp_path)
    assert len(dataset) == 29 and dataset.skipped == ("train_32x32.mat, image 4: no digit has label 77",)


def test_svhn_is_unpacked_a_piece_at_a_time(tmp_path, monkeypatch):
    images = _noise(40)
    genuine.write_svhn(tmp_path / "svhn", images, np.zeros(40, int))
    monkeypatch.setattr("utils.data.svhn.PIECE", 1000)  # much less than one image
    source = Svhn(32, tmp_path)
    (tmp_path / "unpacked").mkdir()
    source.unpack(tmp_path / "unpacked")
    arrays, _ = pickle.loads(pickle.dumps(source)).read(range(3, 40))
    assert np.array_equal(arrays["images"], images[3:])


# --- CelebA -----------------------------------------------------------------------------------------------------------

PARTITION = [0, 1, 2, 0, 0, 2, 0, 1, 0, 0]


@pytest.fixture(scope="module")
def faces():
    """Ten pictures, their files, and attributes."""
    pictures = _blocks(len(PARTITION))
    files = [genuine.encoded(picture, quality=95, subsampling=0) for picture in pictures]
    return pictures, files, RANDOM.integers(0, 2, (len(files), 40))


@pytest.mark.parametrize("form", ["zip", "folder", "kaggle"])
@pytest.mark.parametrize(("split", "rows"), [("train", [0, 3, 4, 6, 8, 9]), ("valid", [1, 7]), ("test", [2, 5])])
def test_celeba_splits_are_the_official_ones_with_all_attributes_as_0_and_1(tmp_path, faces, form, split, rows):
    pictures, files, attributes = faces
    genuine.write_celeba(tmp_path / "celeba", files, PARTITION, attributes, form)
    dataset = _load("celeba", tmp_path, size=64, split=split)
    assert np.array_equal(dataset.attributes, attributes[rows]) and dataset.attributes.dtype == np.uint8
    assert dataset.attribute_names == genuine.CELEBA_ATTRIBUTES and len(dataset.attribute_names) == 40
    for image, row in zip(dataset.images, rows):
        square = pictures[row][20:198]
        expected = cv2.resize(square, (64, 64), interpolation=cv2.INTER_AREA)
        assert np.abs(image.astype(int) - expected).mean() < 2


def test_celeba_is_the_same_from_zip_folder_and_kaggle(tmp_path, faces):
    prints = set()
    for form in ("zip", "folder", "kaggle"):
        genuine.write_celeba(tmp_path / form / "celeba", faces[1], PARTITION, faces[2], form)
        prints.add(_load("celeba", tmp_path / form).fingerprint)
    assert len(prints) == 1


def test_celeba_and_its_opened_zip_can_be_sent_to_other_processes(tmp_path, faces):
    genuine.write_celeba(tmp_path / "celeba", faces[1], PARTITION, faces[2])
    source = CelebA(32, tmp_path)
    source.unpack(tmp_path)
    here, _ = source.read(range(1, 6))  # the zip is open now
    there, failed = pickle.loads(pickle.dumps(source)).read(range(1, 6))
    assert not failed and here.keys() == there.keys() == {"images", "attributes"}
    assert all(np.array_equal(here[name], there[name]) for name in here)


def test_celeba_keeps_the_centre_square_of_178(tmp_path):
    picture = np.zeros((218, 178, 3), np.uint8)
    picture[:20] = picture[198:] = 255  # what must not be seen
    genuine.write_celeba(tmp_path / "celeba", [genuine.encoded(picture, "png")] * 3, [0] * 3, np.zeros((3, 40)))
    assert _load("celeba", tmp_path, size=178).images.max() == 0


def test_celeba_reads_only_as_many_as_are_asked_for(tmp_path, faces):
    files = [*faces[1][:5], b"broken", *faces[1][6:]]
    genuine.write_celeba(tmp_path / "celeba", files, [0] * 10, faces[2], "folder")
    some = _load("celeba", tmp_path, count=4)
    (prepared,) = (tmp_path / "prepared").iterdir()
    assert np.load(prepared / "images.npy", mmap_mode="r").shape == (4, 32, 32, 3)
    every = _load("celeba", tmp_path)
    assert np.array_equal(some.images, every.images[:4]) and np.array_equal(some.attributes, every.attributes[:4])
    assert some.skipped == () and every.skipped == ("000006.jpg: not a picture",)
    assert len(_load("celeba", tmp_path, count=7)) == 6  # of the first seven, one is broken
    with pytest.raises(InputError, match="at most the 10 images of CelebA. Received: 11"):
        _load("celeba", tmp_path, count=11)


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_celeba_in_a_folder_says_how_a_mended_picture_is_read_again(tmp_path, faces, form):
    files = [*faces[1][:5], b"broken", *faces[1][6:]]
    genuine.write_celeba(tmp_path / "celeba", files, [0] * 10, faces[2], form)
    dataset = _load("celeba", tmp_path)
    (prepared,) = (tmp_path / "prepared").iterdir()
    said = f"Pictures that were left out and are mended are read again once {prepared} is deleted."
    assert len(dataset) == 9 and (said in dataset.notes) == (form == "folder")
    if form == "folder":
        (tmp_path / "celeba" / "img_align_celeba" / "000006.jpg").write_bytes(faces[1][5])
        shutil.rmtree(prepared)
        dataset = _load("celeba", tmp_path)
        assert len(dataset) == 10 and said not in dataset.notes


def test_celeba_images_that_the_archive_lacks_or_that_are_damaged_in_it_are_skipped_and_listed(tmp_path, faces):
    path = genuine.write_celeba(tmp_path / "celeba", faces[1], [0] * 10, faces[2])
    with zipfile.ZipFile(path) as whole:
        members = [(name, whole.read(name)) for name in whole.namelist() if "000003" not in name]
        place = whole.getinfo("img_align_celeba/000002.jpg").header_offset + 300
    content = bytearray(path.read_bytes())
    content[place] ^= 255
    path.write_bytes(content)
    assert "000002.jpg: " in _load("celeba", tmp_path).skipped[0]
    with zipfile.ZipFile(path, "w") as lacking:
        for name, value in members:
            lacking.writestr(name, value)
    dataset = _load("celeba", tmp_path)
    assert len(dataset) == 9 and np.array_equal(dataset.attributes, np.delete(faces[2], 2, axis=0))
    assert dataset.skipped[0].startswith("000003.jpg: img_align_celeba/000003.jpg is not in")


def test_celeba_with_damaged_parts_is_refused_in_one_sentence(tmp_path, faces):
    home = tmp_path / "celeba"

    def refused(words):
        with pytest.raises(InputError, match=words) as error:
            _load("celeba", tmp_path)
        assert "\n" not in str(error.value)

    def spoil(name, content, words):
        whole = (home / name).read_bytes()
        (home / name).write_bytes(content(whole))
        refused(words)
        (home / name).write_bytes(whole)

    genuine.write_celeba(home, faces[1], PARTITION, faces[2])
    spoil("img_align_celeba.zip", lambda whole: whole[:-100], "img_align_celeba.zip is damaged")
    spoil("list_attr_celeba.txt", lambda whole: whole[:-30], "list_attr_celeba.txt is damaged.*get_celeba.sh")
    spoil("list_attr_celeba.txt", lambda whole: whole.replace(b"000004", b"000014"), "same files in the same order")
    spoil("list_attr_celeba.txt", lambda whole: whole[: whole.index(b"000009")], "same files in the same order")
    spoil("list_eval_partition.txt", lambda whole: b"<html>quota exceeded</html>", "list_eval_partition.txt is damaged")
    spoil("list_eval_partition.txt", lambda whole: b"", "list_eval_partition.txt is damaged")
    for name in ("list_attr_celeba.txt", "list_eval_partition.txt"):
        spoil(name, lambda whole: b"\xff \xfe\n" * 12, f"{name} is damaged")  # no text
    (home / "list_attr_celeba.txt").unlink()
    refused("list_attr_celeba.txt is not in .*get_celeba.sh")


def test_celeba_reads_the_lists_in_an_archive_that_was_fetched_again(tmp_path, faces):
    for attributes in (faces[2], 1 - faces[2]):
        genuine.write_celeba(tmp_path / "celeba", faces[1], [0] * 10, attributes, "kaggle")
        assert np.array_equal(_load("celeba", tmp_path).attributes, attributes)


def test_celeba_with_a_damaged_list_in_its_archive_names_both(tmp_path, faces):
    path = genuine.write_celeba(tmp_path / "celeba", faces[1], [0] * 10, faces[2], "kaggle")
    with zipfile.ZipFile(path, "w") as file:
        for name in ("list_attr_celeba.csv", "list_eval_partition.csv"):
            file.writestr(name, "image_id,partition\n000001.jpg,none\n")
    with pytest.raises(InputError, match="list_eval_partition.csv in .*archive.zip is damaged .*: delete archive.zip"):
        CelebA(32, tmp_path)


def test_celeba_does_not_unpack_a_member_that_claims_to_be_huge(tmp_path, faces, monkeypatch):
    genuine.write_celeba(tmp_path / "celeba", faces[1], [0] * 10, faces[2], "kaggle")
    monkeypatch.setattr("utils.data.pictures.LARGEST", 500)
    read, unpacked = zipfile.ZipFile.read, []
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda file, name: unpacked.append(name.filename) or read(file, name))
    with pytest.raises(InputError, match=r"list_attr_celeba\.csv in .*archive\.zip is larger than 500 bytes\."):
        CelebA(32, tmp_path)
    assert unpacked == ["list_eval_partition.csv"]  # which is small


# --- LSUN -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bedrooms():
    """300 encoded pictures of 256 and more by key: one half WebP, as the real ones, one half JPEG."""
    pictures = _blocks(6, 256, 341)
    files = [genuine.encoded(p, kind, quality=75) for p, kind in zip(pictures, ["webp", "jpeg"] * 3)]
    return dict(zip(_keys(300), files * 50))


def _expected(value, size=64):
    picture = np.asarray(Image.open(io.BytesIO(value)).convert("RGB"))
    left = (picture.shape[1] - 256) // 2
    return cv2.resize(picture[:, left : left + 256], (size, size), interpolation=cv2.INTER_AREA)


def test_lsun_rows_are_ordered_by_key_at_any_row(tmp_path, bedrooms):
    genuine.write_lsun(tmp_path / "lsun_bedroom", bedrooms)
    source = LsunBedroom(16, tmp_path)
    assert source.describe().count == 300
    source = pickle.loads(pickle.dumps(source))  # as it goes to another process
    ordered = sorted(bedrooms)
    for rows in (range(3), range(250, 300), range(256, 257), range(299, 300), range(100, 100)):
        files = [(name, opened().read()) for name, opened in source.files(rows)]
        assert files == [(key, bedrooms[key]) for key in ordered[rows.start : rows.stop]]


def test_lsun_decodes_webp_and_jpeg_to_the_middle_square_without_labels(tmp_path, bedrooms):
    genuine.write_lsun(tmp_path / "lsun_bedroom", dict(list(bedrooms.items())[:12]), "val")
    dataset = _load("lsun_bedroom", tmp_path, size=64, split="val")
    assert dataset.images.shape == (12, 64, 64, 3) and dataset.labels is None and dataset.title == "LSUN bedrooms val"
    for image, key in zip(dataset.images, sorted(list(bedrooms)[:12])):
        assert np.abs(image.astype(int) - _expected(bedrooms[key])).max() <= 3


def test_lsun_counts_off_by_key_and_never_looks_behind(tmp_path, bedrooms, monkeypatch):
    monkeypatch.setattr("utils.data.lsun.STRIDE", 64)
    ordered = sorted(bedrooms)[:200]
    pictures = {key: bedrooms[key] for key in ordered[:100]} | dict.fromkeys(ordered[100:], b"broken")
    path = genuine.write_lsun(tmp_path / "lsun_bedroom", pictures)
    some = _load("lsun_bedroom", tmp_path, size=16, count=100)
    assert len(some) == 100 and some.skipped == ()
    again = _load("lsun_bedroom", tmp_path, size=16, count=90)
    assert np.array_equal(again.images, some.images[:90])
    source = find_source("lsun_bedroom", 16, 100, data_dir=tmp_path)
    assert source.store.keys == [ordered[0].encode(), ordered[64].encode()]
    with pytest.raises(InputError, match="cannot be used.* not a picture"):
        _load("lsun_bedroom", tmp_path, size=16)
    with pytest.raises(InputError, match="at most the 200 images"):
        _load("lsun_bedroom", tmp_path, size=16, count=201)
    assert sorted(file.name for file in path.iterdir()) == ["data.mdb", "lock.mdb"]


def test_lsun_needs_no_lock_file_and_writes_nothing_into_the_database(tmp_path, bedrooms):
    path = genuine.write_lsun(tmp_path / "lsun_bedroom", dict(list(bedrooms.items())[:5]))
    (path / "lock.mdb").unlink()
    content = (path / "data.mdb").read_bytes()
    assert len(_load("lsun_bedroom", tmp_path, size=16)) == 5
    assert [file.name for file in path.iterdir()] == ["data.mdb"] and (path / "data.mdb").read_bytes() == content


def test_lsun_databases_are_of_the_format_that_the_library_reads(tmp_path, bedrooms):
    """LSUN was written by LMDB 0.9, data format 1; LMDB 1.0 has another format and cannot read it."""
    path = genuine.write_lsun(tmp_path, dict(list(bedrooms.items())[:1]))
    magic, version = struct.unpack("<II", (path / "data.mdb").read_bytes()[16:24])
    assert (magic, version) == (0xBEEFC0DE, 1)


@pytest.mark.parametrize("kept", [0, 100, 4096, 20_000])
def test_lsun_that_ends_too_early_is_refused_before_it_can_kill_a_process(tmp_path, bedrooms, kept):
    path = genuine.write_lsun(tmp_path / "lsun_bedroom", dict(list(bedrooms.items())[:20])) / "data.mdb"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match="(should have at least|is damaged).*_bedroom.sh --split train --.*` again"):
        _load("lsun_bedroom", tmp_path, size=16)


def test_a_database_or_a_split_without_images_is_refused(tmp_path, faces):
    genuine.write_lsun(tmp_path / "lsun_bedroom", {})
    genuine.write_celeba(tmp_path / "celeba", faces[1], [0] * 10, faces[2])
    for name, split in (("lsun_bedroom", "train"), ("celeba", "valid")):
        with pytest.raises(InputError, match="holds no image"):
            _load(name, tmp_path, split=split)


def test_lsun_that_the_system_does_not_let_open_is_not_called_damaged(tmp_path):
    data = tmp_path / "lsun_bedroom" / "bedroom_train_lmdb" / "data.mdb"
    data.parent.mkdir(parents=True)
    data.symlink_to(data)  # opening it fails for everyone, also for root
    with pytest.raises(InputError, match="data.mdb cannot be read .Too many levels of symbolic links.: mend that"):
        _load("lsun_bedroom", tmp_path)


@pytest.mark.parametrize("split", ["train", "val"])
def test_lsun_that_is_no_database_is_refused(tmp_path, split):
    place = tmp_path / "lsun_bedroom" / f"bedroom_{split}_lmdb"
    place.mkdir(parents=True)
    for content in (None, b"<html>not here</html>" * 1000):
        if content:
            (place / "data.mdb").write_bytes(content)
        with pytest.raises(InputError, match=f"{place.name} is damaged.*_bedroom.sh --split {split} --.*` again"):
            _load("lsun_bedroom", tmp_path, split=split)


@pytest.mark.parametrize("zipped", [True, False])
def test_the_kaggle_sample_of_lsun_is_ordered_by_path_without_labels(tmp_path, bedrooms, zipped):
    pictures = dict(list(bedrooms.items())[:8])
    genuine.write_lsun_sample(tmp_path / "lsun_bedroom", pictures, zipped)
    every = _load("lsun_bedroom", tmp_path, size=64)
    assert len(every) == 8 and every.labels is None and every.title == "LSUN bedrooms, 20% sample"
    for image, key in zip(every.images, sorted(pictures)):
        assert np.abs(image.astype(int) - _expected(pictures[key])).max() <= 3
    assert np.array_equal(_load("lsun_bedroom", tmp_path, size=64, count=3).images, every.images[:3])


def test_lsun_takes_the_database_where_both_are_there(tmp_path, bedrooms):
    first, second = dict(list(bedrooms.items())[:3]), dict(list(bedrooms.items())[3:5])
    genuine.write_lsun_sample(tmp_path / "lsun_bedroom", first)
    genuine.write_lsun(tmp_path / "lsun_bedroom", second)
    assert len(_load("lsun_bedroom", tmp_path, size=16)) == 2


def test_an_archive_without_lsuns_tree_is_refused(tmp_path):
    (tmp_path / "lsun_bedroom").mkdir()
    with zipfile.ZipFile(tmp_path / "lsun_bedroom" / "archive.zip", "w") as file:
        file.writestr("sample/data0/lsun/bedroom/0/0/0/000.jpg", b"")
    with pytest.raises(
        InputError, match="should hold pictures in data0/lsun/bedroom/, .*sh --source kaggle --.*` again"
    ):
        _load("lsun_bedroom", tmp_path)


# --- anime faces ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["images", "data", "data/data"])
def test_anime_faces_are_ordered_by_name_and_small_ones_skipped(tmp_path, folder):
    big = {f"{number}_2004.jpg": genuine.encoded(picture) for number, picture in enumerate(_blocks(9, 90, 90))}
    small = {"5.jpg": genuine.encoded(_blocks(1, 40, 40)[0])}
    genuine.write_anime(tmp_path / "anime", big | small, folder)
    dataset = _load("anime", tmp_path, size=64)
    assert len(dataset) == 9 and dataset.labels is None and dataset.title == "anime faces"
    assert dataset.skipped == ("5.jpg: smaller than 64x64 (40x40)",)
    assert len(_load("anime", tmp_path, size=32)) == 10


def test_anime_faces_that_are_measured_against_are_of_all_years(tmp_path):
    """Their numbers rise with the years; by name those up to 99 would come last."""
    pictures = np.broadcast_to(np.arange(200, dtype=np.uint8)[:, None, None, None], (200, 64, 64, 3))
    named = {f"{n}_{2000 + n // 10}.png": genuine.encoded(picture, "png") for n, picture in enumerate(pictures)}
    genuine.write_anime(tmp_path / "anime", named)
    apart = unseen(DataConfig("anime", count=150), 64, 50, data_dir=tmp_path, progress=False)
    numbers = apart.images[:, 0, 0, 0]
    assert len(set(numbers.tolist())) == 50 and 75 < numbers.mean() < 125 and numbers.max() > 180


def test_anime_faces_of_an_archive_that_holds_them_twice_count_once(tmp_path):
    pictures = {f"{number}.png": genuine.encoded(picture, "png") for number, picture in enumerate(_noise(3, 64))}
    for folder in ("data", "data/data"):
        genuine.write_anime(tmp_path / "anime", pictures, folder)
    assert len(_load("anime", tmp_path, size=64)) == len(pictures)


def test_anime_faces_may_be_too_small_up_to_one_half(tmp_path):
    big = {f"{number}.jpg": genuine.encoded(picture) for number, picture in enumerate(_blocks(10, 64, 64))}
    small = {f"small {number}.jpg": genuine.encoded(_blocks(1, 50, 50)[0]) for number in range(11)}
    genuine.write_anime(tmp_path / "anime", big | dict(list(small.items())[:10]))
    assert len(_load("anime", tmp_path, size=64)) == 10
    (tmp_path / "anime" / "images" / "small 10.jpg").write_bytes(small["small 10.jpg"])
    with pytest.raises(InputError, match="11 or more of the 21 pictures of anime faces cannot be used"):
        _load("anime", tmp_path, size=64)


# --- ImageNet at 32x32 ------------------------------------------------------------------------------------------------


def test_imagenet32_planes_become_nhwc_in_the_order_of_the_files(tmp_path):
    images, labels = _noise(203), RANDOM.integers(0, 1000, 203)
    genuine.write_imagenet32(tmp_path / "imagenet32", images, labels)
    dataset = _load("imagenet32", tmp_path)
    assert np.array_equal(dataset.images, images) and np.array_equal(dataset.labels, labels)
    assert len(dataset.label_names) == 1000 and dataset.label_names[0] == "class 1"


def test_imagenet32_val_is_its_own_file(tmp_path):
    images, labels = _noise(5), np.array([999, 0, 1, 2, 3])
    genuine.write_imagenet32(tmp_path / "imagenet32", images, labels, "val")
    dataset = _load("imagenet32", tmp_path, split="val")
    assert np.array_equal(dataset.images, images) and np.array_equal(dataset.labels, labels)


def test_imagenet32_reads_only_the_files_that_the_count_needs(tmp_path):
    images = _noise(100)
    genuine.write_imagenet32(tmp_path / "imagenet32", images, np.zeros(100, int))
    for number in range(4, 11):
        (tmp_path / "imagenet32" / f"train_data_batch_{number}.npz").unlink()
    assert np.array_equal(_load("imagenet32", tmp_path, count=25).images, images[:25])
    assert shorter_sides(DataConfig(name="imagenet32", count=25), tmp_path).tolist() == [32]
    with pytest.raises(InputError, match="train_data_batch_4.npz is not in .*get_imagenet32.sh"):
        _load("imagenet32", tmp_path, count=31)


def test_imagenet32_takes_names_from_the_authors_list(tmp_path):
    genuine.write_imagenet32(tmp_path / "imagenet32", _noise(10), np.arange(10))
    lines = [f"n{number:08d} {number} thing_{number}\n" for number in range(1000, 0, -1)]
    (tmp_path / "imagenet32" / "map_clsloc.txt").write_text("".join(lines))
    names = _load("imagenet32", tmp_path).label_names
    assert names[0] == "thing_1" and names[999] == "thing_1000"
    (tmp_path / "imagenet32" / "map_clsloc.txt").write_text("".join(lines[:-1]))
    with pytest.raises(InputError, match="map_clsloc.txt is not the list of ImageNet's classes"):
        _load("imagenet32", tmp_path)


def test_imagenet32_files_that_are_damaged_pickled_or_of_another_shape_are_refused(tmp_path):
    path = tmp_path / "imagenet32" / "train_data_batch_1.npz"
    genuine.write_imagenet32(tmp_path / "imagenet32", _noise(10), np.arange(10))
    content, data = path.read_bytes(), genuine.planes(_noise(4))
    evil = np.array([os.getcwd, 1, 2, 3], dtype=object)
    flipped = bytearray(content)
    flipped[400] ^= 255

    def refused(words):
        with pytest.raises(InputError, match=words):
            _load("imagenet32", tmp_path)

    path.write_bytes(content[:-40])
    refused("train_data_batch_1.npz is not ImageNet's file, or is damaged.*get_imagenet32.sh")
    path.write_bytes(flipped)
    refused("Bad CRC-32")
    for arrays, words in (
        ({"data": data, "labels": evil}, "allow_pickle=False"),
        ({"data": evil, "labels": np.arange(4)}, "should be uint8"),
        ({"data": data[:, :192], "labels": np.arange(4)}, r"should be uint8 \(N, 3072\)"),
        ({"data": data, "labels": np.arange(3)}, "labels should be 4 whole numbers"),
        ({"data": data}, "labels"),
        ({"labels": np.arange(4)}, "data"),
    ):
        np.savez(path, **arrays)
        refused(words)


def test_imagenet32_images_without_a_class_are_skipped_and_listed(tmp_path):
    genuine.write_imagenet32(tmp_path / "imagenet32", _noise(40), np.where(np.arange(40) == 7, 1000, 5))
    assert _load("imagenet32", tmp_path).skipped == ("image 7 of train: no class has label 1001",)


class FailingDisk(io.BytesIO):
    """A file of which nothing can be read."""

    def read(self, *_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.mark.parametrize("read", [lambda home: Zip(home / "a.zip").names(), lambda home: ImageNet32(32, home, "val")])
def test_a_zip_on_a_disk_that_fails_is_not_called_damaged(tmp_path, monkeypatch, read):
    with monkeypatch.context() as patch, pytest.raises(InputError, match=r"cannot be read \(Input/output error\)"):
        patch.setattr("zipfile.io.open", lambda *_, **__: FailingDisk(bytes(100)))
        read(tmp_path)


# --- CIFAR-10, and what all have in common ----------------------------------------------------------------------------


def test_cifar10_test_split_is_loaded_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr("utils.data.cifar10.Cifar10.RECORDS", 10)
    images, labels = _noise(60), RANDOM.integers(0, 10, 60)
    genuine.write_cifar10(tmp_path / "cifar10", images, labels)
    train, test = _load("cifar10", tmp_path), _load("cifar10", tmp_path, split="test")
    assert np.array_equal(train.images, images[:50]) and np.array_equal(test.images, images[50:])
    assert np.array_equal(test.labels, labels[50:]) and test.title == "CIFAR-10 test"


LABELS = np.arange(12) % 10
WRITTEN = {
    "cifar10, archive": lambda home, faces, bedrooms: genuine.write_cifar10(home, _noise(12), LABELS),
    "cifar10, folder": lambda home, faces, bedrooms: genuine.write_cifar10(home, _noise(12), LABELS, unpacked=True),
    "svhn": lambda home, faces, bedrooms: genuine.write_svhn(home, _noise(12), LABELS),
    "imagenet32": lambda home, faces, bedrooms: genuine.write_imagenet32(home, _noise(12), LABELS),
    "lsun_bedroom, database": lambda home, faces, bedrooms: genuine.write_lsun(home, bedrooms),
    "lsun_bedroom, sample": lambda home, faces, bedrooms: genuine.write_lsun_sample(home, bedrooms),
    "lsun_bedroom, archive": lambda home, faces, bedrooms: genuine.write_lsun_sample(home, bedrooms, zipped=True),
    "anime": lambda home, faces, bedrooms: genuine.write_anime(home, {"a.jpg": faces[1][0], "b.jpg": faces[1][1]}),
} | {
    f"celeba, {form}": lambda home, faces, bedrooms, form=form: genuine.write_celeba(
        home, faces[1], [0] * 10, faces[2], form
    )
    for form in ("zip", "folder", "kaggle")
}


def test_every_dataset_that_is_fetched_is_among_those_that_are_written_here():
    assert {name.split(",")[0] for name in WRITTEN} == {entry.name for entry in FETCHED}


@pytest.mark.parametrize("form", WRITTEN)
def test_reading_writes_nothing_into_the_folder_of_a_dataset(tmp_path, monkeypatch, faces, bedrooms, form):
    """A link to a disk for reading only will do. (Tests may run as root, who may write everywhere; so they look.)"""
    monkeypatch.setattr("utils.data.cifar10.Cifar10.RECORDS", 2)
    name = form.split(",")[0]
    share, mine = tmp_path / "share" / name, tmp_path / "mine"
    WRITTEN[form](share, faces, dict(list(bedrooms.items())[:4]))
    mine.mkdir()
    (mine / name).symlink_to(share)

    def state():
        """A folder has another time after something in it was made or removed, also if it is as before."""
        return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in (share, *share.rglob("*"))}

    before = state()
    assert len(_load(name, mine, size=16)) > 0
    assert state() == before and sorted(path.name for path in mine.iterdir()) == sorted([name, "prepared"])


@pytest.mark.parametrize("form", [*WRITTEN, "own.npy", "own.npz"])
def test_every_reader_can_be_sent_to_other_processes(tmp_path, monkeypatch, faces, bedrooms, form):
    """Of 257 images and more several processes read, if there are cores for them."""
    monkeypatch.setattr("utils.data.cifar10.Cifar10.RECORDS", 2)
    name = form.split(",")[0]
    if form in WRITTEN:
        WRITTEN[form](tmp_path / name, faces, dict(list(bedrooms.items())[:4]))
    else:
        name, images = tmp_path / form, _noise(4)
        np.save(name, images) if form == "own.npy" else np.savez(name, images=images, labels=np.arange(4))
    source = find_source(name, 16, data_dir=tmp_path)
    if hasattr(source, "unpack"):
        (tmp_path / "unpacked").mkdir()
        source.unpack(tmp_path / "unpacked")
    sent = pickle.loads(pickle.dumps(source))
    here, there = (each.read(range(source.describe().count)) for each in (source, sent))
    assert here[1] == there[1] == {} and here[0].keys() == there[0].keys()
    assert all(np.array_equal(here[0][field], there[0][field]) for field in here[0])


@pytest.mark.parametrize("form", [form for form in WRITTEN if form.split(",")[0] in BIG])
def test_a_big_dataset_has_as_many_images_as_are_asked_for_or_as_there_are(tmp_path, faces, bedrooms, form):
    name = form.split(",")[0]
    WRITTEN[form](tmp_path / name, faces, dict(list(bedrooms.items())[:4]))
    counts = [find_source(name, 16, count, data_dir=tmp_path).describe().count for count in (None, 10_000, 3)]
    assert counts[0] == counts[1] > counts[2] == 3


@pytest.mark.parametrize("entry", FETCHED, ids=lambda entry: entry.name)
def test_a_missing_dataset_names_the_script_that_fetches_it(tmp_path, entry):
    for split in entry.splits:
        with pytest.raises(InputError) as error:
            _load(entry.name, tmp_path, split=split)
        told = f"`{entry.fetch(split)} --data-dir {shlex.quote(str(tmp_path))}`"
        assert told in str(error.value) and f"split {split}" in str(error.value)
        assert told.startswith(f"`bash data_scripts/get_{entry.name}.sh ")
    assert entry.available(tmp_path) == ()


@pytest.mark.parametrize("name", [entry.name for entry in catalogue()])
def test_a_wrong_split_is_refused_with_the_splits_there_are(tmp_path, name):
    splits = next(entry.splits for entry in catalogue() if entry.name == name)
    with pytest.raises(InputError, match=f"are {', '.join(splits)}. Received: split='tset'"):
        _load(name, tmp_path, split="tset")


def test_an_array_has_no_other_split_than_train(tmp_path):
    np.save(tmp_path / "own.npy", _noise(4))
    with pytest.raises(InputError, match="An array has one split, train. Received: split='test'"):
        _load(tmp_path / "own.npy", tmp_path, split="test")


def test_a_split_that_was_not_fetched_is_told_apart_from_those_that_were(tmp_path):
    genuine.write_svhn(tmp_path / "svhn", _noise(3), np.zeros(3, int), "test")
    (entry,) = [entry for entry in catalogue() if entry.name == "svhn"]
    assert entry.available(tmp_path) == ("test",)
    with pytest.raises(InputError, match=r"train of SVHN is not in .*; its split test is there \(--split test\)"):
        _load("svhn", tmp_path)


def test_every_preset_trains_on_a_dataset_of_the_catalogue():
    names = {entry.name for entry in catalogue()}
    from utils.config import presets

    assert {preset(name).data.name for name in presets()} <= names


def test_the_split_of_an_experiment_is_loaded(tmp_path):
    experiment = replace(preset("quick"), name="house_numbers", count=8, batch_size=8)
    train, test = (load_for(replace(experiment, split=split), tmp_path, False) for split in ("train", "test"))
    assert (train.split, test.split) == ("train", "test")
    assert train.fingerprint != test.fingerprint


def test_no_drawn_test_image_was_drawn_for_training(tmp_path):
    """Rows of test are of their own, whatever the seed of either; those of train are what they were."""
    images = {
        (split, seed): _load("house_numbers", tmp_path, size=16, count=40, seed=seed, split=split).images
        for split in ("train", "test")
        for seed in (0, 1)
    }
    every = np.concatenate(list(images.values())).reshape(160, -1)
    assert len(np.unique(every, axis=0)) == 160
    draws = [np.random.default_rng([seed, row]).random() for seed in range(20) for row in range(20)]
    from utils.data.house_numbers import HouseNumbers

    assert HouseNumbers(16, seed=3).generator(5).random() == np.random.default_rng([3, 5]).random()
    tests = [HouseNumbers(16, seed=s, split="test").generator(r).random() for s in range(20) for r in range(20)]
    assert len({*draws, *tests}) == 800


def test_sizes_of_files_are_counted_without_decoding_them(tmp_path, faces, bedrooms):
    genuine.write_celeba(tmp_path / "celeba", [*faces[1][:9], b"broken"], [0] * 10, faces[2])
    genuine.write_lsun(tmp_path / "lsun_bedroom", dict(list(bedrooms.items())[:5]))
    genuine.write_anime(tmp_path / "anime", {"a.png": genuine.encoded(_blocks(1, 70, 90)[0], "png")})
    sizes = {}
    for name in ("celeba", "lsun_bedroom", "anime"):
        source = find_source(name, 16, data_dir=tmp_path)
        sizes[name] = dict(source.sizes(range(source.describe().count)))
    assert sizes == {"celeba": {(178, 218): 9}, "lsun_bedroom": {(341, 256): 5}, "anime": {(90, 70): 1}}


def test_a_database_prepared_by_many_processes_is_that_of_one(tmp_path, bedrooms):
    genuine.write_lsun(tmp_path / "lsun_bedroom", bedrooms)
    source = LsunBedroom(16, tmp_path)
    one, two = (prepare(source, 16, tmp_path / str(n), progress=False, workers=n) for n in (1, 2))
    assert one.fingerprint == two.fingerprint and np.array_equal(one.images, two.images)


def test_lmdb_is_opened_without_leaving_it_open(tmp_path, bedrooms):
    path = genuine.write_lsun(tmp_path / "lsun_bedroom", dict(list(bedrooms.items())[:5]))
    LsunBedroom(16, tmp_path).read(range(5))
    with lmdb.open(str(path)) as database:  # a second handle in one process would be refused
        assert database.stat()["entries"] == 5
