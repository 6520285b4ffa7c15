"""The reader of CIFAR-10's binary distribution, on tiny files in its format."""

import io
import tarfile

import numpy as np
import pytest

from utils.data import load
from utils.data.cifar10 import Cifar10
from utils.data.prepare import prepare
from utils.errors import InputError

RECORDS = 20
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FILES = [f"data_batch_{number}.bin" for number in range(1, 6)] + ["test_batch.bin"]


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.setattr(Cifar10, "RECORDS", RECORDS)


@pytest.fixture
def content():
    """Random files as {name: bytes}, with the names of the classes as the real file has them (a blank line last)."""
    random = np.random.default_rng(2)
    files = {}
    for name in FILES:
        records = random.integers(0, 256, (RECORDS, 3073), dtype=np.uint8)
        records[:, 0] %= 10
        files[name] = records.tobytes()
    return files | {"batches.meta.txt": ("\n".join(CLASSES) + "\n\n").encode()}


def _write(data_dir, content):
    folder = data_dir / "cifar10" / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    for name, value in content.items():
        (folder / name).write_bytes(value)
    return folder


def _archive(data_dir, content, prefix="cifar-10-batches-bin/"):
    path = data_dir / "cifar10" / "cifar-10-binary.tar.gz"
    path.parent.mkdir(parents=True)
    with tarfile.open(path, "w:gz") as tar:
        for name, value in content.items():
            member = tarfile.TarInfo(prefix + name)
            member.size, member.mtime = len(value), 1_250_000_000
            tar.addfile(member, io.BytesIO(value))
    return path


def _decode(value):
    """Labels and pixels, decoded byte by byte from the description of the format."""
    labels, images = [], np.zeros((RECORDS, 32, 32, 3), np.uint8)
    for record in range(RECORDS):
        start = record * 3073
        labels.append(value[start])
        for channel in range(3):
            for y in range(32):
                row = start + 1 + channel * 1024 + y * 32
                images[record, y, :, channel] = list(value[row : row + 32])
    return labels, images


def test_planes_become_nhwc_in_the_order_of_the_files(tmp_path, content):
    _write(tmp_path, content)
    dataset = load("cifar10", data_dir=tmp_path, progress=False)
    assert len(dataset) == 5 * RECORDS
    for number in range(5):
        labels, images = _decode(content[FILES[number]])
        rows = slice(number * RECORDS, (number + 1) * RECORDS)
        assert np.array_equal(dataset.images[rows], images)
        assert dataset.labels[rows].tolist() == labels
    assert dataset.label_names == CLASSES


def test_the_test_split_is_the_test_file(tmp_path, content):
    _write(tmp_path, content)
    dataset = prepare(Cifar10(32, tmp_path, split="test"), 32, tmp_path / "prepared", progress=False)
    labels, images = _decode(content["test_batch.bin"])
    assert np.array_equal(dataset.images, images) and dataset.labels.tolist() == labels


def test_rows_read_across_two_files_belong_to_their_files(tmp_path, content):
    _write(tmp_path, content)
    arrays, failed = Cifar10(32, tmp_path).read(range(RECORDS - 1, RECORDS + 1))
    assert np.array_equal(arrays["images"][0], _decode(content[FILES[0]])[1][-1])
    assert np.array_equal(arrays["images"][1], _decode(content[FILES[1]])[1][0])
    assert not failed


def test_the_archive_alone_gives_the_same_as_the_files(tmp_path, content):
    _write(tmp_path / "files", content)
    _archive(tmp_path / "archive", content)
    loaded = [load("cifar10", data_dir=tmp_path / kind, progress=False) for kind in ("files", "archive")]
    assert loaded[0].fingerprint == loaded[1].fingerprint
    assert not list((tmp_path / "archive").rglob("*.bin"))


def test_without_files_the_script_that_fetches_them_is_named(tmp_path):
    with pytest.raises(InputError, match="`bash data_scripts/get_cifar10.sh --data-dir "):
        load("cifar10", data_dir=tmp_path)


@pytest.mark.parametrize("change", [-1, 1])
def test_a_file_of_the_wrong_size_is_refused(tmp_path, content, change):
    folder = _write(tmp_path, content)
    (folder / FILES[2]).write_bytes(bytes(RECORDS * 3073 + change))
    with pytest.raises(InputError, match=f"data_batch_3.bin should have 61,460 bytes. Received: {61460 + change:,}"):
        load("cifar10", data_dir=tmp_path)


def test_a_label_without_a_class_is_skipped_and_listed(tmp_path, content):
    content[FILES[1]] = bytes([77]) + content[FILES[1]][1:]
    _write(tmp_path, content)
    dataset = load("cifar10", data_dir=tmp_path, progress=False)
    assert dataset.skipped == ("data_batch_2.bin, record 0: no class 77",)
    assert len(dataset) == 5 * RECORDS - 1 and dataset.labels.max() < 10


def test_an_archive_that_ends_too_early_is_refused_and_leaves_nothing(tmp_path, content):
    path = _archive(tmp_path, content)
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(InputError, match="damaged"):
        load("cifar10", data_dir=tmp_path)
    assert not list(tmp_path.rglob("*.bin"))


def test_an_archive_on_a_disk_that_fails_is_not_called_damaged(tmp_path, content):
    path = _archive(tmp_path, content)
    path.unlink()
    path.symlink_to("/proc/self/mem")  # every attempt to read its beginning ends in EIO
    with pytest.raises(InputError, match=r"tar.gz cannot be read \(Input/output error\)"):
        Cifar10(32, tmp_path).unpack(tmp_path / "unpacked")


def test_unpacking_goes_on_where_it_was_killed(tmp_path, content):
    _archive(tmp_path, content)
    folder = tmp_path / "unpacked"
    Cifar10(32, tmp_path).unpack(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {name: content[name] for name in FILES[:5]}
    (folder / FILES[1]).unlink()
    before = {path: path.stat().st_ino for path in folder.iterdir()}
    Cifar10(32, tmp_path).unpack(folder)
    assert (folder / FILES[1]).read_bytes() == content[FILES[1]]
    assert all(path.stat().st_ino == number for path, number in before.items())


def test_an_archive_cannot_write_outside_its_folder(tmp_path, content):
    _archive(tmp_path, content | {"escaped": b"x"}, prefix="../")
    with pytest.raises(InputError, match="damaged"):
        load("cifar10", data_dir=tmp_path)
    assert not list(tmp_path.rglob("escaped")) and not list(tmp_path.rglob("*.bin"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_links_folders_and_pipes_in_the_archive_are_refused(tmp_path, content, kind):
    (tmp_path / "secret").write_bytes(bytes(RECORDS * 3073))
    path = _archive(tmp_path, {})
    with tarfile.open(path, "w:gz") as tar:
        for name in content:
            member = tarfile.TarInfo("cifar-10-batches-bin/" + name)
            member.type, member.linkname = kind, str(tmp_path / "secret") if kind == tarfile.SYMTYPE else ""
            tar.addfile(member)
    with pytest.raises(InputError, match="damaged"):
        load("cifar10", data_dir=tmp_path)


def test_a_member_larger_than_the_format_allows_is_not_unpacked(tmp_path, content):
    _archive(tmp_path, content | {FILES[0]: bytes(10 * RECORDS * 3073)})
    with pytest.raises(InputError, match="damaged"):
        load("cifar10", data_dir=tmp_path)


def test_other_sizes_are_averaged_or_enlarged(tmp_path, content):
    _write(tmp_path, content)
    half = load("cifar10", size=16, data_dir=tmp_path, progress=False).images
    _, images = _decode(content[FILES[0]])
    blocks = images.reshape(RECORDS, 16, 2, 16, 2, 3).mean((2, 4))
    assert np.abs(half[:RECORDS] - blocks).max() <= 0.5
    assert load("cifar10", size=64, data_dir=tmp_path, progress=False).images.shape[1:] == (64, 64, 3)
