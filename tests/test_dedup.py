"""De-duplication: what each method finds and leaves alone, the copy without duplicates, the command."""

import dataclasses
import json
import re
import shutil
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from benchmarks import dedup as benchmark
from benchmarks.dedup import KINDS, brightened, judge, plant, recompressed, shifted
from utils import cli
from utils.config import preset, replace
from utils.data import Dataset, faces, load, load_for
from utils.data import rows as data_rows
from utils.data.dedup import Duplicates, autoencoder, copies, deduplicated, draw_groups, exact, find_duplicates, near
from utils.data.dedup.autoencoder import train_encoder
from utils.data.dedup.near import show_the_same
from utils.data.house_numbers import HouseNumbers
from utils.errors import InputError
from utils.runs import PROJECT

COPIES = 40  # planted of each kind


@pytest.fixture(scope="module")
def originals() -> np.ndarray:
    """600 house numbers; all are drawn by themselves, so none is a duplicate."""
    return HouseNumbers(32, 600).read(range(600))[0]["images"]


@pytest.fixture(scope="module")
def planted(originals):
    """The house numbers with copies, and the row that each copy was made of."""
    return plant(originals, COPIES, seed=0)


@pytest.fixture(scope="module")
def found_near(planted) -> Duplicates:
    return find_duplicates(planted[0], "near", progress=False)


@pytest.fixture(scope="module")
def few_updates():
    """Train the autoencoder a fifth as long as it takes with thousands of images."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(autoencoder, "UPDATES", 100)
        yield


@pytest.fixture(scope="module")
def found_equal_codes(planted, few_updates) -> Duplicates:
    return find_duplicates(planted[0], "autoencoder", progress=False)


def _find(images, method="near", **options) -> Duplicates:
    return find_duplicates(np.asarray(images), method, progress=False, **options)


def _groups(duplicates) -> list[list[int]]:
    return [group.tolist() for group in duplicates.groups]


def _equal_rows(keys) -> list[list[int]]:
    """Groups of rows with equal keys, found with a dictionary."""
    rows = {}
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    return sorted(group for group in rows.values() if len(group) > 1)


# --- what the methods find --------------------------------------------------------------------------------------------


def test_exact_finds_all_equal_pixels_and_nothing_else(planted):
    images, made_of = planted
    found = _find(images, "exact")
    assert _groups(found) == _equal_rows(image.tobytes() for image in images)
    assert found.removed == COPIES and judge(found, made_of)["recall"]["identical"] == 1


def test_near_finds_changed_copies_and_removes_no_original(planted, found_near):
    judged = judge(found_near, planted[1])
    assert judged["originals removed"] == 0 and judged["precision"] == 1
    least = {"identical": 1, "JPEG 75": 1, "JPEG 50": 0.95, "+10%": 0.9, "-10%": 1, "1 pixel": 0.8, "crop 90%": 0.6}
    assert {kind: recall for kind, recall in judged["recall"].items() if recall < least[kind]} == {}


def test_every_image_that_near_removes_shows_the_same_as_the_one_that_stays(planted, found_near):
    images, _ = planted
    assert all(show_the_same(images[group[0]], images[row]) for group in found_near.groups for row in group[1:])


def test_the_autoencoder_finds_darkened_copies_and_puts_nothing_with_a_wrong_image(planted, found_equal_codes):
    judged = judge(found_equal_codes, planted[1])
    assert judged["originals removed"] <= 2 and judged["precision"] >= 0.98
    assert judged["recall"]["identical"] == 1 and judged["recall"]["-10%"] >= 0.7
    assert judged["recall"]["crop 90%"] <= 0.2  # as its documentation says


def test_the_autoencoder_puts_together_what_has_equal_codes(planted, found_equal_codes, few_updates):
    images, _ = planted
    weights, biases = train_encoder(images, seed=0, progress=False)
    pixels = images.reshape(len(images), -1).astype(float)
    centred = pixels - pixels.mean(1, keepdims=True)
    activations = centred / centred.std(1, keepdims=True) @ weights + biases
    assert activations.shape == (len(images), 128) and 0.2 < (activations > 0).mean() < 0.8
    sure = np.abs(activations).min(1) > 1e-3  # the others' signs are a matter of rounding
    expected = _equal_rows(code.tobytes() if s else row for row, (code, s) in enumerate(zip(activations > 0, sure)))
    found = [[row for row in group if sure[row]] for group in _groups(found_equal_codes)]
    assert sure.mean() > 0.9 and [group for group in found if len(group) > 1] == expected


def test_another_seed_trains_another_autoencoder(originals, monkeypatch):
    monkeypatch.setattr(autoencoder, "UPDATES", 2)
    one, same, other = (train_encoder(originals, seed, progress=False)[0] for seed in (1, 1, 2))
    assert np.array_equal(one, same) and np.abs(one - other).max() > 0.01


@pytest.mark.parametrize("method", ["exact", "near", "autoencoder"])
def test_kept_rows_and_groups_share_out_all_rows_and_the_first_stays(planted, found_near, found_equal_codes, method):
    found = {"near": found_near, "autoencoder": found_equal_codes}.get(method) or _find(planted[0], method)
    gone = [group[1:] for group in found.groups]
    assert sorted([*found.kept, *np.concatenate(gone)]) == list(range(len(planted[0])))
    assert all((np.diff(group) > 0).all() and group[0] in found.kept for group in found.groups)
    assert found.kept.dtype == np.int64 and (np.diff(found.kept) > 0).all()
    assert found.removed == sum(map(len, gone)) > 0 and found.method == method


@pytest.mark.parametrize("method", ["exact", "near"])
def test_the_result_does_not_depend_on_the_pieces_that_images_are_read_in(planted, method, monkeypatch, tmp_path):
    images = planted[0][:700]
    expected = _groups(_find(images, method))
    np.save(tmp_path / "images.npy", images)
    monkeypatch.setattr(exact, "CHUNK", 37)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    assert _groups(find_duplicates(mapped, method, progress=False)) == expected != []


def test_of_large_pictures_one_at_a_time_is_in_memory():
    large = np.random.default_rng(0).integers(0, 256, (512, 512, 3), np.uint8)
    images, rows = np.broadcast_to(large, (64, *large.shape)), np.array([0, 5, *range(20, 64)])
    tracemalloc.start()
    hashes, thumbnails = near._describe(images, rows, progress=False)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 8 << 20, f"{most >> 20} MiB"  # these of all are 35
    assert len(hashes) == len(thumbnails) == 46 and (hashes == hashes[0]).all() and (thumbnails == thumbnails[0]).all()


def test_larger_pictures_are_compared_by_the_same_rules():
    drawn = HouseNumbers(64, 60).read(range(60))[0]["images"]
    images = np.concatenate([drawn, [recompressed(75)(picture) for picture in drawn[:20]]])
    assert _groups(_find(images)) == [[row, 60 + row] for row in range(20)]


def test_many_takes_of_one_picture_become_one_group(originals):
    noise = np.random.default_rng(0).normal(0, 2, (300, 32, 32, 3))
    takes = np.clip(originals[:1] + noise, 0, 255).astype(np.uint8)
    assert len(np.unique(takes.reshape(300, -1), axis=0)) == 300
    assert _groups(_find(takes)) == [list(range(300))]


def test_one_image_has_no_duplicates(originals):
    for method in ("exact", "near"):
        assert _find(originals[:1], method).removed == 0


# --- whether two pictures show the same -------------------------------------------------------------------------------


def test_brightness_may_differ_by_a_fifth_but_not_by_half(originals):
    changed = {f: np.mean([show_the_same(p, brightened(f)(p)) for p in originals[:40]]) for f in (0.8, 0.5)}
    assert changed[0.8] >= 0.95 and changed[0.5] == 0


def test_pictures_that_differ_only_in_colour_are_not_the_same(originals):
    assert not any(
        show_the_same(picture, picture[..., ::-1]) for picture in originals[:40] if np.ptp(picture, -1).mean() > 30
    )


def test_faces_that_differ_only_in_hair_beard_or_sunglasses_are_not_the_same():
    same = 0
    for row in range(8):
        look = dataclasses.replace(faces.draw_look(np.random.default_rng(row)), hat=None, hair="bob", beard=None)
        look = dataclasses.replace(look, sunglasses=None, glasses=None)
        picture, _ = faces.paint(look, 32)
        for change in ({"hair": "shortFlat"}, {"beard": "beardMedium"}, {"sunglasses": "wayfarers"}):
            same += show_the_same(picture, faces.paint(dataclasses.replace(look, **change), 32)[0])
    assert same == 0


def test_flat_pictures_are_the_same_if_their_brightness_nearly_is():
    flat = {level: np.full((32, 32, 3), level, np.uint8) for level in (0, 100, 110, 255)}
    assert show_the_same(flat[100], flat[110]) and not show_the_same(flat[0], flat[255])
    red = np.zeros((32, 32, 3), np.uint8) + np.array([200, 20, 20], np.uint8)
    assert not show_the_same(red, red[..., ::-1])
    speckled = flat[100] + np.random.default_rng(0).integers(0, 3, (32, 32, 3), np.uint8)
    assert show_the_same(flat[100], speckled)


def test_few_pairs_are_looked_at_however_alike_the_images_are(originals):
    images = np.stack([shifted(picture) for picture in originals[:50] for _ in range(20)])
    hashes, thumbnails = near._describe(images, np.arange(1000), progress=False)
    pairs = near._pairs(hashes, thumbnails, np.random.default_rng(0), progress=False)
    earlier, later = pairs.T
    assert (earlier < later).all() and (np.diff(later) >= 0).all()
    assert np.bincount(later).max() <= near.MOST_LIKE and len(pairs) >= 950


# --- bad input, imports -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("images", "method", "seed", "words"),
    [
        (np.zeros((3, 8, 8, 3), np.float32), "exact", 0, "takes uint8 images .* Received: float32"),
        (np.zeros((3, 8, 8), np.uint8), "near", 0, r"Received: uint8 \(3, 8, 8\)"),
        (np.zeros((0, 8, 8, 3), np.uint8), "near", 0, "at least one"),
        (np.zeros((3, 8, 8, 3), np.uint8), "fuzzy", 0, "are exact, near, autoencoder. Received: 'fuzzy'"),
        (np.zeros((3, 8, 8, 3), np.uint8), "near", -1, "whole number from 0. Received: -1"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(images, method, seed, words):
    with pytest.raises(InputError, match=words):
        find_duplicates(images, method, seed)


def test_only_the_autoencoder_needs_tensorflow():
    code = (
        "import sys, numpy; from utils.data.dedup import find_duplicates\n"
        "images = numpy.zeros((4, 32, 32, 3), 'uint8')\n"
        "assert all(find_duplicates(images, m, progress=False).removed == 3 for m in ('exact', 'near'))\n"
        "print('tensorflow' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, check=True)
    assert ran.stdout == "False\n"


# --- pictures of the groups -------------------------------------------------------------------------------------------


def test_groups_are_drawn_with_the_image_that_stays_in_a_green_frame(originals, tmp_path):
    images = originals[[0, 1, 0, 1, 1]]
    draw_groups(images, _find(images, "exact"), tmp_path / "groups.png")
    sheet = np.asarray(Image.open(tmp_path / "groups.png"))
    side, frame, top = 64, 3, 18 + 3  # the largest group comes first
    for place, row in enumerate((1, 3, 4)):
        left = frame + place * (side + 2 * frame)
        tile = sheet[top : top + side, left : left + side]
        assert np.array_equal(tile[::2, ::2], images[row]) and np.array_equal(tile[1::2, 1::2], images[row])
        red, green, _ = sheet[top, left - 1].astype(int)
        assert (green > red + 50) == (place == 0)


def test_without_duplicates_nothing_is_drawn(originals, tmp_path):
    with pytest.raises(InputError, match="exact found none in 20 images"):
        draw_groups(originals[:20], _find(originals[:20], "exact"), tmp_path / "groups.png")
    assert list(tmp_path.iterdir()) == []


# --- a dataset without its duplicates ---------------------------------------------------------------------------------


@pytest.fixture
def dataset(tmp_path, originals) -> Dataset:
    """House numbers, prepared, of which 30 repeat others, with all that is known about them."""
    rows = np.concatenate([np.arange(570), np.arange(0, 300, 10)])
    arrays, _ = HouseNumbers(32, 600).read(range(1))
    arrays = {name: np.repeat(array, 600, axis=0) for name, array in arrays.items()} | {"images": originals[rows]}
    arrays["labels"] = rows % 10
    arrays["captions"] = np.array([b"number %d" % row for row in rows])
    arrays["boxes"] = np.tile(rows[:, None, None], (1, 3, 4)).astype(np.int16)
    known = HouseNumbers(32, 600).describe()
    names = {name: getattr(known, name) for name in ("label_names", "attribute_names", "box_names", "terms")}
    return Dataset(name="mine", title="My, numbers", fingerprint="f", skipped=("a: broken",), **arrays, **names)


def test_the_copy_holds_the_rows_that_stay_of_all_arrays(dataset, tmp_path):
    copy = deduplicated(dataset, "exact", tmp_path, progress=False)
    for name in ("images", "labels", "attributes", "captions", "boxes"):
        assert np.array_equal(getattr(copy, name), getattr(dataset, name)[:570]), name
        assert isinstance(getattr(copy, name), np.memmap), name
    for name in ("name", "label_names", "attribute_names", "box_names", "terms", "skipped", "split"):
        assert getattr(copy, name) == getattr(dataset, name), name
    assert copy.title == "My, numbers without duplicates (exact)" and copy.fingerprint != dataset.fingerprint


def test_the_second_time_the_copy_is_found_by_fingerprint_and_method(dataset, tmp_path, monkeypatch):
    first = deduplicated(dataset, "exact", tmp_path, progress=False)
    monkeypatch.setattr(copies, "find_duplicates", None)
    again = deduplicated(dataset, "exact", tmp_path, progress=False)
    assert again.fingerprint == first.fingerprint and again.images.filename == first.images.filename
    for other in (lambda: deduplicated(dataset, "near", tmp_path), lambda: deduplicated(changed, "exact", tmp_path)):
        changed = dataclasses.replace(dataset, fingerprint="g")
        with pytest.raises(TypeError):  # there is nothing to be found, so it would have to look
            other()


def test_a_dataset_without_duplicates_is_not_copied(dataset, tmp_path):
    unique = dataclasses.replace(dataset, images=dataset.images[:100], labels=dataset.labels[:100])
    assert deduplicated(unique, "exact", tmp_path, progress=False) is unique
    assert [path.suffix for path in tmp_path.iterdir()] == [".npy"]  # that there are none is remembered


def test_a_copy_that_was_interrupted_is_finished_and_has_the_same_bytes(dataset, tmp_path, monkeypatch):
    whole = deduplicated(dataset, "exact", tmp_path / "whole", progress=False)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(data_rows._Rows, "read", _stops_at(256, data_rows._Rows.read))
        deduplicated(dataset, "exact", tmp_path / "stopped", progress=False)
    assert not list((tmp_path / "stopped").glob("*/meta.json"))
    again = deduplicated(dataset, "exact", tmp_path / "stopped", progress=False)
    assert again.fingerprint == whole.fingerprint and again.images.tobytes() == whole.images.tobytes()


def _stops_at(row, read):
    def stopping(self, rows):
        if rows.start >= row:
            raise KeyboardInterrupt
        return read(self, rows)

    return stopping


@pytest.fixture
def folder(tmp_path, originals):
    """A folder of 12 pictures in two classes; three of them are there twice, two again as JPEG."""
    for row in range(12):
        name = tmp_path / "pictures" / ("odd" if row % 2 else "even") / f"{row:02d}.png"
        name.parent.mkdir(parents=True, exist_ok=True)
        picture = originals[row % 9]
        Image.fromarray(picture).save(name)
    Image.fromarray(originals[1]).save(tmp_path / "pictures" / "odd" / "again.jpg", quality=80)
    Image.fromarray(originals[3]).save(tmp_path / "pictures" / "odd" / "more.jpg", quality=80)
    return tmp_path / "pictures"


@pytest.mark.parametrize(("method", "count"), [("off", 14), ("exact", 11), ("near", 9)])
def test_a_training_gets_its_images_without_duplicates_if_it_asks_for_that(folder, tmp_path, method, count):
    experiment = replace(preset("report32"), name=str(folder), batch_size=4, dedup=method)
    dataset = load_for(experiment, tmp_path / "data", progress=False)
    assert len(dataset) == len(dataset.labels) == count and dataset.label_names == ("even", "odd")
    assert dataset.name == str(folder)
    plain = load_for(replace(experiment, dedup="off"), tmp_path / "data", progress=False)
    assert (dataset.fingerprint == plain.fingerprint) == (method == "off")


# --- the command ------------------------------------------------------------------------------------------------------


def _said(capsys, *arguments) -> tuple[int, str, str]:
    code = cli.main(["dedup", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


def test_the_command_writes_groups_by_row_and_their_picture(capsys, folder, tmp_path):
    code, out, _ = _said(capsys, folder, "--method", "exact", "--data-dir", tmp_path / "data")
    assert code == 0 and "3, all but the first of each group" in out and "21.43%" in out
    dataset = load(folder, 32, data_dir=tmp_path / "data", progress=False)
    home = tmp_path / "data" / "duplicates" / f"pictures-train-32-exact-{dataset.fingerprint[:8]}"
    record = json.loads((home / "duplicates.json").read_text())
    assert record["images"] == 14 and record["removed"] == 3 and len(record["groups"]) == 3
    images = load_for(replace(preset("report32"), name=str(folder), batch_size=4), tmp_path / "data", False).images
    assert all(np.array_equal(images[one], images[other]) for one, other in record["groups"])
    assert Image.open(home / "groups.png").size[0] >= 3 * 2 * 70


@pytest.mark.parametrize("place", [".", "../pictures", "./", "~/pictures/", "even/.."])
def test_however_the_place_is_typed_the_command_writes_under_the_name_of_the_folder(
    capsys, folder, tmp_path, place, monkeypatch
):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert _said(capsys, place, "--method", "exact", "--data-dir", tmp_path / "data")[0] == 0
    (home,) = (tmp_path / "data" / "duplicates").iterdir()
    assert re.fullmatch("pictures-train-32-exact-[0-9a-f]{8}", home.name)


def test_what_is_written_about_other_images_of_the_same_name_stays(capsys, folder, tmp_path):
    """Of another folder, another number, and another number of a dataset."""
    other = tmp_path / "other" / folder.name
    shutil.copytree(folder, other)
    next(path for path in sorted(other.rglob("*")) if path.is_file()).unlink()
    calls = [(folder,), (other,), (folder, "--count", 9), ("faces", "--count", 9), ("faces", "--count", 8)]
    for call in calls:
        assert _said(capsys, *call, "--method", "exact", "--data-dir", tmp_path / "data")[0] == 0
    homes = sorted(path.parent.name for path in (tmp_path / "data" / "duplicates").glob("*/duplicates.json"))
    assert len(homes) == 5 and homes[:2] == ["faces-train-32-exact-8", "faces-train-32-exact-9"]


def test_what_is_written_about_another_seed_stays_where_it_decides_anything(capsys, folder, tmp_path):
    data = tmp_path / "data"
    for method, seed in (("near", 0), ("near", 1), ("near", 2), ("exact", 0)):
        assert _said(capsys, folder, "--method", method, "--seed", seed, "--data-dir", data)[0] == 0
    written = {
        path.parent.name[:-9]: json.loads(path.read_text()) for path in data.glob("duplicates/*/duplicates.json")
    }
    assert {name: record["settings"] for name, record in written.items()} == {
        "pictures-train-32-near": {"seed": 0},
        "pictures-train-32-near-seed1": {"seed": 1},
        "pictures-train-32-near-seed2": {"seed": 2},
        "pictures-train-32-exact": {},
    }


def test_the_command_speaks_json(capsys, folder, tmp_path):
    code, out, _ = _said(capsys, folder, "--json", "--out", tmp_path / "here", "--data-dir", tmp_path / "data")
    record = json.loads(out)
    assert code == 0 and record["method"] == "near" and record["removed"] == 5 and record["share"] == 5 / 14
    assert record["picture"] == str(tmp_path / "here" / "groups.png") and (tmp_path / "here" / "groups.png").exists()


def test_nothing_is_written_among_the_pictures_themselves(capsys, folder, tmp_path):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    code, out, err = _said(capsys, folder, "--out", folder / "even" / "..", "--data-dir", tmp_path / "data")
    assert code == 2 and not out and err.count("\n") == 1
    assert f"choose a folder of its own, such as {folder / 'even' / '..' / 'duplicates'}. Received: " in err
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert _said(capsys, folder, "--out", folder / "duplicates", "--data-dir", tmp_path / "data")[0] == 0
    assert json.loads(_said(capsys, folder, "--json", "--data-dir", tmp_path / "data")[1])["images"] == 14


def test_where_there_are_no_duplicates_an_old_picture_of_groups_goes(capsys, folder, tmp_path):
    places = ("--out", tmp_path / "here", "--data-dir", tmp_path / "data")
    _said(capsys, folder, "--method", "exact", *places)
    code, out, _ = _said(capsys, folder, "--method", "exact", "--count", 4, *places)
    assert code == 0 and "removed   0" in out and not (tmp_path / "here" / "groups.png").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["cats"], "There is no dataset 'cats'"),
        (["faces", "--size", 33], "size=33"),
        (["faces", "--count", 8, "--seed", -1], "Received: -1"),
        (
            ["faces", "--count", 8, "--method", "exact", "--seed", 5],
            "--seed has an effect only with --method near or autoencoder: choose one of them, or leave --seed out.",
        ),
    ],
)
def test_bad_input_gets_one_sentence_and_exit_code_2(capsys, tmp_path, arguments, words):
    code, out, err = _said(capsys, *arguments, "--data-dir", tmp_path)
    assert code == 2 and out == "" and err.splitlines()[-1].startswith("dcgan: ") and words in err


# --- the benchmark ----------------------------------------------------------------------------------------------------


def test_the_kinds_of_planted_copies_are_what_they_are_called(originals):
    picture = originals[0]
    assert np.array_equal(KINDS["identical"](picture), picture)
    assert np.array_equal(KINDS["1 pixel"](picture)[:, 1:], picture[:, :-1])
    assert np.abs(KINDS["-10%"](picture) - picture * 0.9).max() <= 0.5
    ramp = np.repeat(np.arange(32, dtype=np.uint8)[None, :, None] * 8, 32, axis=0).repeat(3, axis=2)
    places = 0.05 * 32 + 0.9 * (np.arange(32) + 0.5) - 0.5  # where the centres of the new pixels lie in the old ones
    assert np.abs(KINDS["crop 90%"](ramp)[16, :, 0] - 8 * places).max() <= 0.75


def test_judging_counts_hits_wrong_groups_and_originals():
    made_of = np.arange(7)  # one copy of each kind, rows 10 to 16
    groups = (np.array([0, 10]), np.array([3, 11]), np.array([4, 5]), np.array([6, 16]))
    judged = judge(Duplicates("near", np.empty(0, np.int64), groups, 17, {}), made_of)
    assert judged["recall"] == dict(zip(KINDS, (1, 0, 0, 0, 0, 0, 1)))
    assert judged["wrong"] == dict(zip(KINDS, (0, 1, 0, 0, 0, 0, 0)))
    assert judged["originals"] == 10 and judged["originals removed"] == 1 and judged["precision"] == 2 / 4


def test_more_copies_than_there_are_images_are_refused(originals):
    with pytest.raises(InputError, match="take 280 different images. Received: 41; use --copies 5 at most"):
        plant(originals[:41], COPIES, seed=0)


def test_the_benchmark_takes_datasets_from_the_folder_that_is_named(originals, tmp_path, capsys, monkeypatch):
    np.save(tmp_path / "own.npy", originals[:21])
    data_dir = str(tmp_path / "data")
    asked = [
        "--data",
        str(tmp_path / "own.npy"),
        "--data-dir",
        data_dir,
        "--copies",
        "3",
        "--methods",
        "exact",
        "--json",
    ]
    monkeypatch.setattr(sys, "argv", ["dedup", *asked])
    assert benchmark.main() == 0
    found = json.loads(capsys.readouterr().out)
    (result,) = found["rows"]
    assert (found["copies"], found["size"]) == (3, 32)
    assert result["recall"]["identical"] == 1 and result["originals"] == 21
    assert list((tmp_path / "data").rglob("*.npy"))
