"""`./dcgan datasets`, and the statistics it shows."""

import json
import re
import tracemalloc
import warnings
from dataclasses import replace
from pathlib import Path

import genuine
import numpy as np
import pytest
from commands import said
from PIL import Image

from utils.data import Dataset, load
from utils.data.catalogue import catalogue, find_source
from utils.data.statistics import captions, draw, statistics, summary

RANDOM = np.random.default_rng(3)


def _dataset(count=50, **fields):
    images = RANDOM.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    return Dataset(name="noise", title="noise", images=images, fingerprint="f", **fields)


# --- the record -------------------------------------------------------------------------------------------------------


def test_mean_and_deviation_are_those_of_all_images_whatever_the_parts(monkeypatch):
    dataset = _dataset(50)
    pixels = dataset.images.astype(np.float64)
    for chunk in (7, 1000):
        monkeypatch.setattr("utils.data.statistics.CHUNK", chunk)
        figures = statistics(dataset)
        np.testing.assert_allclose(figures.mean, pixels.mean(axis=0), rtol=1e-6)
        np.testing.assert_allclose(figures.deviation, pixels.std(axis=0), rtol=1e-5)
    plain = summary(figures)
    np.testing.assert_allclose(plain["mean_rgb"], pixels.mean(axis=(0, 1, 2)), atol=0.006)
    np.testing.assert_allclose(plain["deviation_rgb"], pixels.std(axis=(0, 1, 2)), atol=0.006)
    assert plain["images"] == 50 and plain["size"] == 8


def test_of_large_images_a_few_are_in_memory_at_a_time_and_the_figures_are_the_same_to_the_bit(monkeypatch):
    large = RANDOM.integers(0, 256, (512, 512, 3), dtype=np.uint8)
    many = replace(_dataset(1), images=np.broadcast_to(large, (96, *large.shape)))
    tracemalloc.start()
    figures = statistics(many)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 130 << 20, f"{most >> 20} MiB"  # the squares of all are 288
    assert np.array_equal(figures.mean, large)
    dataset = _dataset(50)
    whole = statistics(dataset)
    monkeypatch.setattr("utils.data.statistics.CHUNK_BYTES", 3 * dataset.images[0].nbytes)
    parts = statistics(dataset)
    assert np.array_equal(parts.mean, whole.mean) and np.array_equal(parts.deviation, whole.deviation)


def test_sums_do_not_overflow_on_white_images():
    white = replace(_dataset(), images=np.full((300, 4, 4, 3), 255, np.uint8))
    figures = statistics(white)
    assert figures.mean.min() == figures.mean.max() == 255 and figures.deviation.max() == 0


def test_every_class_is_counted_even_without_images_and_classes_may_share_a_name():
    dataset = _dataset(6, labels=np.array([0, 0, 3, 3, 3, 1]), label_names=("crane", "maillot", "owl", "crane"))
    assert statistics(dataset).labels == (("crane", 2), ("maillot", 1), ("owl", 0), ("crane", 3))


def test_labels_without_names_are_counted_by_number():
    dataset = _dataset(4, labels=np.array([7, 10**12, 7, 0]))
    assert statistics(dataset).labels == (("0", 1), ("7", 2), (str(10**12), 1))


def test_attributes_are_counted_and_the_rarest_are_written_beneath_an_image():
    attributes = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 0, 1], [1, 0, 0, 0]], np.uint8)
    names = ("Young", "No_Beard", "Bald", "Eyeglasses")
    dataset = _dataset(4, attributes=attributes, attribute_names=names)
    figures = statistics(dataset)
    assert figures.attributes == (("Young", 4), ("No_Beard", 3), ("Bald", 1), ("Eyeglasses", 2))
    assert captions(figures, dataset, np.arange(4)) == [
        "Bald\nEyeglasses\nNo Beard",
        "No Beard\nYoung",
        "Eyeglasses\nNo Beard\nYoung",
        "Young",
    ]


def test_the_class_stands_first_beneath_an_image():
    dataset = _dataset(2, labels=np.array([1, 0]), label_names=("cat", "dog"))
    assert captions(statistics(dataset), dataset, np.array([0, 1])) == ["dog", "cat"]


def test_sizes_of_many_files_are_those_of_an_even_part(tmp_path, monkeypatch):
    for number in range(30):
        Image.new("RGB", (10 + number // 10, 20)).save(tmp_path / f"{number:02}.png")
    source = find_source(tmp_path, 8)
    figures = statistics(_dataset(30), source)
    assert figures.sizes == {(10, 20): 10, (11, 20): 10, (12, 20): 10} and figures.measured == 30
    monkeypatch.setattr("utils.data.statistics.NEIGHBOURS", 2)
    monkeypatch.setattr("utils.data.statistics.MEASURED", 12)
    figures = statistics(_dataset(30), source)
    assert figures.sizes == {(10, 20): 4, (11, 20): 4, (12, 20): 2} and figures.measured == 10
    assert summary(figures)["file_sizes"][0] == {"width": 10, "height": 20, "files": 4}


# --- the pictures -----------------------------------------------------------------------------------------------------


def test_names_with_formulas_and_foreign_letters_are_drawn_as_they_are(tmp_path):
    names = ("$\\frac{", "猫", "a name that is much longer than an image is wide")
    dataset = _dataset(9, labels=np.arange(9) % 3, label_names=names)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*[Mm]athtext.*")
        warnings.filterwarnings("ignore", message="Glyph")
        written = draw(statistics(dataset), dataset, tmp_path)
    assert [path.name for path in written] == ["samples.png", "mean.png", "labels.png"]
    for path in written:
        assert np.asarray(Image.open(path).convert("L")).std() > 5


def test_only_what_is_known_is_drawn(tmp_path):
    assert [path.name for path in draw(statistics(_dataset(1)), _dataset(1), tmp_path)] == ["samples.png", "mean.png"]


def test_the_mean_image_is_drawn_in_its_colours(tmp_path):
    red = replace(_dataset(), images=np.full((3, 8, 8, 3), (200, 30, 60), np.uint8))
    draw(statistics(red), red, tmp_path)
    pixels = np.asarray(Image.open(tmp_path / "mean.png").convert("RGB"))
    assert (pixels == (200, 30, 60)).all(axis=-1).mean() > 0.2
    pixels = np.asarray(Image.open(tmp_path / "samples.png").convert("RGB"))
    assert (pixels == (200, 30, 60)).all(axis=-1).mean() > 0.2


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_list_names_every_dataset_with_state_counts_terms_and_script_in_narrow_lines(capsys, tmp_path, monkeypatch):
    elsewhere = said(capsys, "datasets", "--data-dir", tmp_path)[1]
    monkeypatch.setenv("DCGAN_DATA_DIR", str(tmp_path))
    code, out, _ = said(capsys, "datasets")
    assert code == 0 and max(map(len, out[: out.index("\n\n")].splitlines())) <= 120
    words = " ".join(out.split())
    for entry in catalogue():
        assert entry.name in out and entry.terms in words
        if not entry.built_in:
            assert re.search(rf"^{entry.name} .* missing; to get it:\n +{re.escape(entry.fetch())}$", out, re.MULTILINE)
            assert f"{entry.fetch()} --data-dir {tmp_path}\n" in elsewhere and f"{entry.download} to fetch" in words
            assert all(f"{split} {count:,}" in out for split, count in entry.splits.items())


def test_the_list_tells_what_is_there(capsys, tmp_path):
    images = RANDOM.integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    genuine.write_svhn(tmp_path / "svhn", images, np.zeros(3, int), "test")
    (tmp_path / "anime" / "images").mkdir(parents=True)
    _, out, _ = said(capsys, "datasets", "--data-dir", tmp_path)
    states = {line.split()[0]: line for line in out.splitlines() if line[:1].isalpha()}
    assert states["svhn"].endswith("present: test") and states["anime"].endswith("present")
    assert states["faces"].endswith("built in") and "missing" in states["celeba"]
    record = {
        entry["name"]: entry for entry in json.loads(said(capsys, "datasets", "--json", "--data-dir", tmp_path)[1])
    }
    assert record["svhn"]["present"] is True and record["svhn"]["found"] == ["test"]
    assert record["celeba"]["present"] is False and record["celeba"]["splits"]["valid"] == 19_867


def test_one_dataset_can_be_listed_by_name_and_pictures_by_their_place(capsys, tmp_path):
    _, out, _ = said(capsys, "datasets", "celeba", "--data-dir", tmp_path)
    assert "get_celeba.sh" in out and "get_svhn.sh" not in out
    np.save(tmp_path / "own.npy", np.zeros((5, 8, 8, 3), np.uint8))
    assert said(capsys, "datasets", tmp_path / "own.npy")[1] == "own: 5 images\n"
    assert "There is no dataset 'celebra'" in said(capsys, "datasets", "celebra")[2]


def test_a_folder_is_described_with_what_was_left_out_and_why_its_classes_and_splits(capsys, tmp_path):
    for split, count in (("train", 3), ("test", 2), ("val", 1)):
        for kind in ("cat", "dog"):
            (tmp_path / "pets" / split / kind).mkdir(parents=True)
            for number in range(count):
                Image.new("RGB", (40, 40)).save(tmp_path / "pets" / split / kind / f"{number}.png")
    (tmp_path / "pets" / "about.txt").write_text("pets")
    (tmp_path / "pets" / "@eaDir").mkdir()
    code, out, _ = said(capsys, "datasets", tmp_path / "pets")
    assert code == 0 and out.splitlines() == [
        "pets: 6 images, classes: cat, dog",
        "12 pictures, 1 other file left out: 1 text; 1 folder left out: 1 thumbnails that a system, a camera or a "
        "network disk made.",
        "Folders at the top are splits: train 6, test 4, valid 2. --split (train, test, valid, all) says which is "
        "used: train.",
        "  @eaDir/: thumbnails that a system, a camera or a network disk made",
        "  about.txt: text",
    ]
    record = json.loads(said(capsys, "datasets", tmp_path / "pets", "--split", "all", "--json")[1])
    assert record["images"] == 12 and record["classes"] == ["cat", "dog"] and len(record["others"]) == 2


def test_prepare_as_json_lists_all_that_was_left_out_and_what_is_odd(capsys, tmp_path):
    home = tmp_path / "pets"
    for number in range(20):
        home.mkdir(exist_ok=True)
        Image.fromarray(RANDOM.integers(0, 256, (16, 16), dtype=np.uint8)).save(home / f"{number:02}.png")
    for number in range(4):
        (home / f"x{number}.png").write_bytes(b"broken")
    (home / "über.txt").write_text("pets")
    arguments = (home, "--prepare", "--size", 16, "--data-dir", tmp_path / "data")
    code, out, _ = said(capsys, "datasets", *arguments)
    assert code == 0 and "All that was left out is listed in what the same command prints with --json." in out
    record = json.loads(said(capsys, "datasets", *arguments, "--json")[1])
    assert record["images"] == 20 and record["others"] == ["über.txt: text"]
    assert record["skipped"] == [f"x{number}.png: not a picture" for number in range(4)]
    assert "All pictures are grey." in record["notes"]


def test_show_names_its_folder_after_the_place_and_says_what_is_odd_about_the_pictures(capsys, tmp_path, monkeypatch):
    (tmp_path / "grey ones").mkdir()
    for number in range(4):
        grey = RANDOM.integers(0, 256, (40, 40), dtype=np.uint8)
        Image.fromarray(grey).save(tmp_path / "grey ones" / f"{number}.png")
    monkeypatch.chdir(tmp_path / "grey ones")
    code, out, _ = said(capsys, "datasets", ".", "--show", "--data-dir", tmp_path / "data")
    assert code == 0 and "All pictures are grey." in out
    fingerprint = load(tmp_path / "grey ones", 32, data_dir=tmp_path / "data", progress=False).fingerprint
    home = tmp_path / "data" / "statistics"
    assert [path.name for path in home.iterdir()] == [f"grey-ones-train-32-{fingerprint[:8]}"]


def test_show_leaves_what_it_wrote_about_other_images_of_the_same_name(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("utils.data.statistics.draw", lambda *_: [])  # it takes a while
    for place in ("a", "b"):
        (tmp_path / place / "cats").mkdir(parents=True)
        for number in range(4):
            picture = Image.fromarray(RANDOM.integers(0, 256, (16, 16, 3), dtype=np.uint8))
            picture.save(tmp_path / place / "cats" / f"{number}.png")
    calls = [[tmp_path / "a" / "cats"], [tmp_path / "b" / "cats"], ["faces", "--count", 8], ["faces", "--count", 9]]
    for call in calls:
        assert said(capsys, "datasets", *call, "--show", "--size", 16, "--data-dir", tmp_path / "data")[0] == 0
    homes = sorted(path.parent.name for path in (tmp_path / "data" / "statistics").glob("*/statistics.json"))
    assert len(homes) == 4 and homes[2:] == ["faces-train-16-8", "faces-train-16-9"]


def test_show_writes_sheet_statistics_and_pictures_of_a_folder_with_classes(capsys, tmp_path):
    for number in range(12):
        (tmp_path / "pets" / ("cat", "dog")[number % 3 == 0]).mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(RANDOM.integers(0, 256, (40, 50, 3), dtype=np.uint8))
        picture.save(tmp_path / "pets" / ("cat", "dog")[number % 3 == 0] / f"{number}.png")
    Image.new("RGB", (9, 9)).save(tmp_path / "pets" / "cat" / "small.png")
    code, out, _ = said(capsys, "datasets", tmp_path / "pets", "--show", "--size", 16, "--data-dir", tmp_path / "data")
    dataset = load(tmp_path / "pets", 16, data_dir=tmp_path / "data", progress=False)
    folder = tmp_path / "data" / "statistics" / f"pets-train-16-{dataset.fingerprint[:8]}"
    assert code == 0 and str(folder) in out
    written = sorted(path.name for path in folder.iterdir())
    assert written == ["labels.png", "mean.png", "samples.png", "sizes.png", "statistics.json"]
    record = json.loads((folder / "statistics.json").read_text())
    assert record["labels"] == [{"label": "cat", "images": 8}, {"label": "dog", "images": 4}]
    assert record["file_sizes"][0] == {"width": 50, "height": 40, "files": 12} and record["files_measured"] == 13
    assert record["skipped"] == ["cat/small.png: smaller than 16x16 (9x9)"]
    np.testing.assert_allclose(record["mean_rgb"], np.asarray(dataset.images, float).mean(axis=(0, 1, 2)), atol=0.006)
    assert "cat         8  66.7%" in out and "50x40 (12)" in out


def test_show_of_a_built_in_split_as_json_is_what_is_in_the_file(capsys, tmp_path):
    arguments = ("house_numbers", "--show", "--split", "test", "--count", 20, "--size", 16)
    code, out, _ = said(capsys, "datasets", *arguments, "--out", tmp_path / "x", "--json", "--data-dir", tmp_path)
    record = json.loads(out)
    assert code == 0 and record.pop("folder") == str(tmp_path / "x")
    assert record == json.loads((tmp_path / "x" / "statistics.json").read_text())
    assert record["split"] == "test" and record["images"] == 20 and sum(c["images"] for c in record["labels"]) == 20
    assert next(a["attribute"] for a in record["attributes"]) == "stripes"


def test_to_be_shown_a_part_imagenet_needs_no_file_behind_it(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("utils.cli.datasets.BIG_COUNT", 4)
    monkeypatch.setattr("utils.data.statistics.draw", lambda *_: [])  # it takes a while
    images = RANDOM.integers(0, 256, (50, 32, 32, 3), dtype=np.uint8)
    genuine.write_imagenet32(tmp_path / "imagenet32", images, np.zeros(50, int))
    for number in range(2, 11):
        (tmp_path / "imagenet32" / f"train_data_batch_{number}.npz").unlink()
    code, out, err = said(capsys, "datasets", "imagenet32", "--show", "--json", "--data-dir", tmp_path)
    assert code == 0 and json.loads(out)["images"] == 4, err


def test_show_looks_at_a_part_of_a_big_dataset_unless_told(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("utils.cli.datasets.BIG_COUNT", 4)
    pictures = [genuine.encoded(np.full((218, 178, 3), value, np.uint8)) for value in range(0, 200, 25)]
    genuine.write_celeba(tmp_path / "celeba", pictures, [0] * 6 + [1] * 2, RANDOM.integers(0, 2, (8, 40)))
    for split, images in (("train", 4), ("valid", 2)):
        arguments = ("celeba", "--show", "--json", "--split", split, "--out", tmp_path / split, "--data-dir", tmp_path)
        record = json.loads(said(capsys, "datasets", *arguments)[1])
        assert record["images"] == images
        assert record["file_sizes"] == [{"width": 178, "height": 218, "files": images}]


@pytest.mark.parametrize("place", [".", "cats/..", "{}"])
def test_nothing_is_drawn_among_the_pictures_themselves(capsys, tmp_path, monkeypatch, place):
    for name in ("cats/a.png", "dogs/a.png", "samples.png"):
        (tmp_path / "p" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(RANDOM.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(tmp_path / "p" / name)
    before = {path: path.read_bytes() for path in (tmp_path / "p").rglob("*") if path.is_file()}
    monkeypatch.chdir(tmp_path / "p")
    place = place.format(tmp_path / "p")
    where = ("--size", 16, "--data-dir", tmp_path / "data")
    code, out, err = said(capsys, "datasets", tmp_path / "p", "--show", "--out", place, *where)
    assert code == 2 and not out and err.count("\n") == 1
    assert f"choose a folder of its own, such as {Path(place) / 'statistics'}. Received: {place}." in err
    assert {path: path.read_bytes() for path in (tmp_path / "p").rglob("*") if path.is_file()} == before
    # A folder of its own has its mark before the first drawing, so that what is stopped is known, too.
    own = tmp_path / "p" / "statistics"
    monkeypatch.setattr("utils.data.statistics.draw", lambda *_: [own / "statistics.json"] * own.exists())
    code, out, _ = said(capsys, "datasets", tmp_path / "p", "--show", "--out", own, *where)
    assert code == 0 and out.endswith(": statistics.json, statistics.json\n")
    assert find_source(tmp_path / "p", 16).others == ("statistics/: written by this project",)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--show"], "--show needs the name of a dataset"),
        (["~nouserx/p"], "There is no dataset '~nouserx/p': choose one of"),
        (["svhn", "--show"], "fetch it with `bash data_scripts/get_svhn.sh --data-dir "),
        (["svhn", "--show", "--split", "extra"], "fetch it with `bash data_scripts/get_svhn.sh --extra --data-dir "),
        (["faces", "--show", "--split", "val"], "The splits of built-in faces are train, test. Received: split='val'."),
        (
            ["lsun_bedroom", "--show"],
            "fetch it with `bash data_scripts/get_lsun_bedroom.sh --source kaggle --data-dir ",
        ),
        (["faces", "--show", "--count", "0"], "size and count must be at least 1"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_one_sentence(capsys, tmp_path, arguments, words):
    code, out, err = said(capsys, "datasets", *arguments, "--data-dir", tmp_path)
    assert code == 2 and out == "" and words in err and err.count("\n") == 1


@pytest.mark.parametrize("name", [[], ["faces"], ["pictures"]], ids=["all", "of the catalogue", "own pictures"])
@pytest.mark.parametrize(
    ("option", "asked", "either"),
    [
        ("--out=here", [], "--show"),
        ("--out=here", ["--prepare"], "--show"),
        ("--count=9", [], "--show or --prepare"),
        ("--size=64", [], "--show or --prepare"),
        ("--small=enlarge", [], "--show or --prepare"),
        ("--split=test", [], "--show or --prepare"),
        ("--part=1/2", [], "--prepare"),
        ("--part=1/2", ["--show"], "--prepare"),
    ],
)
def test_an_option_that_would_have_no_effect_is_refused(capsys, tmp_path, monkeypatch, name, option, asked, either):
    monkeypatch.chdir(tmp_path)
    for split in ("train", "test"):
        (tmp_path / "pictures" / split).mkdir(parents=True)
        Image.new("RGB", (40, 40)).save(tmp_path / "pictures" / split / "a.png")
    code, out, err = said(capsys, "datasets", *name, option, *asked, "--data-dir", tmp_path / "data")
    if option == "--split=test" and name == ["pictures"]:  # these are counted by split
        assert code == 0 and out.startswith("pictures: 1 images")
        return
    option = option.partition("=")[0]
    assert code == 2 and not out
    assert err == f"dcgan: {option} has an effect only with {either}: add that, or leave {option} out.\n"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--size", "0"], "size and count must be at least 1. Received: size=0"),
        (["--size", "-4"], "size and count must be at least 1. Received: size=-4"),
        (["--count", "-5"], "size and count must be at least 1. Received: size=32, count=-5"),
        (["--count", "9"], "count must be at most the 3 images of"),
    ],
)
def test_a_part_of_what_no_dataset_has_is_refused(capsys, tmp_path, more, words):
    for number in range(3):
        picture = tmp_path / "pictures" / f"{number}.png"
        picture.parent.mkdir(exist_ok=True)
        Image.fromarray(RANDOM.integers(0, 256, (40, 40, 3), np.uint8)).save(picture)
    where = ("--prepare", "--part", "1/2", "--data-dir", tmp_path / "data")
    code, out, err = said(capsys, "datasets", tmp_path / "pictures", *where, *more)
    assert code == 2 and not out and words in err and err.count("\n") == 1, err
    assert not (tmp_path / "data" / "prepared").exists()
