"""The ladder: known orderings of spoilt images, what a space makes of them, and the study that shows it."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from utils import cli
from utils.errors import InputError
from utils.evaluation import features
from utils.evaluation.distances import frechet_distance, kernel_distance
from utils.evaluation.features import Extractor
from utils.evaluation.ladder import GREY, HALF, ONE, SPOILT, TEN, WHITE_NOISE, Ladder, climb, orderings, rungs
from utils.evaluation.ladder import reversed_orderings as turned
from utils.intervals import Interval
from utils.studies import results
from utils.studies.ladder import answer, half_of_the_classes, ladder, side_of
from utils.viz import read_png


@pytest.fixture(scope="module")
def pictures():
    """uint8 (200, 32, 32, 3): squares of any colour on smooth grounds."""
    random = np.random.default_rng(0)
    grounds = random.integers(60, 200, (200, 4, 4, 3)).astype(np.float32)
    images = np.stack([cv2.resize(ground, (32, 32), interpolation=cv2.INTER_CUBIC) for ground in grounds])
    for image, colour, (top, left) in zip(images, random.integers(0, 256, (200, 3)), random.integers(2, 18, (200, 2))):
        image[top : top + 12, left : left + 12] = colour
    return images.clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def steps(pictures):
    return rungs(pictures, 60, np.arange(200) % 2 == 0)


def space(function, name="a space"):
    return Extractor(name, "0", {"name": name}, function)


def shrunk(images):
    """float32 (N, 48): means of 16 parts of each picture."""
    side = images.shape[1] // 4
    parts = images.reshape(len(images), 4, side, 4, side, 3).mean((2, 4))
    return parts.reshape(len(images), 48).astype(np.float32) / 255


def contrast(images):
    """float32 (N, 2): how much neighbours differ. It sees whatever changes edges, and nothing else."""
    pixels = images.astype(np.float32) / 255
    return np.stack([np.abs(np.diff(pixels, axis=axis)).mean((1, 2, 3)) for axis in (1, 2)], 1)


def test_each_rung_is_spoilt_as_its_name_says(pictures, steps):
    true, found = steps
    by_name = {rung.name: rung.images for rung in found}
    base = by_name["true"]
    assert len(by_name) == len(found) == 1 + 3 + 4 + 3 + 3 + 4 + 3 + 2 and true.shape == base.shape == (60, 32, 32, 3)
    assert not {image.tobytes() for image in true} & {image.tobytes() for rung in found[:-2] for image in rung.images}
    np.testing.assert_array_equal(by_name["shifted 8"][:, 4:, 4:], base[:, :-4, :-4])  # half of it at 32 pixels
    np.testing.assert_array_equal(by_name["blurred 4"][7], cv2.GaussianBlur(base[7], (0, 0), 2))
    grey = np.full((60, 32, 32, 3), 128, np.uint8)
    apart = [by_name["noise 16"].astype(float) - base, by_name["blotches 16"].astype(float) - base]
    inside = (base > 60) & (base < 195)  # where nothing is clipped
    for noise, neighbours in zip(apart, ((-0.05, 0.05), (0.2, 0.35))):
        assert noise[inside].std() == pytest.approx(16, rel=0.05) and abs(noise[inside].mean()) < 1
        pairs = inside[:, 1:] & inside[:, :-1]
        assert neighbours[0] < np.corrcoef(noise[:, 1:][pairs], noise[:, :-1][pairs])[0, 1] < neighbours[1]
    np.testing.assert_array_equal(by_name[GREY], grey[:1])
    for family, (_, strengths) in SPOILT.items():
        error = [np.square(by_name[f"{family} {s:g}"].astype(float) - base).mean() for s in strengths]
        assert error[0] > 0 and error == sorted(error)
    assert by_name[TEN].shape[0] == len(np.unique(by_name[TEN], axis=0)) == 10 and len(by_name[ONE]) == 1
    rows = {image.tobytes(): row for row, image in enumerate(pictures)}
    assert all(rows[image.tobytes()] % 2 == 0 for image in by_name[HALF]) and len(by_name[HALF]) == 60


def test_a_seed_decides_the_rungs_and_what_is_not_known_or_too_few_is_left_out(pictures, steps):
    again, other = (rungs(pictures, 60, np.arange(200) % 2 == 0, seed) for seed in (0, 1))
    for one, same, different in zip(steps[1], again[1], other[1]):
        np.testing.assert_array_equal(one.images, same.images)
        assert one.name == GREY or not np.array_equal(one.images, different.images)
    for in_half in (None, np.arange(200) < 30):
        assert HALF not in [rung.name for rung in rungs(pictures, 60, in_half)[1]]
    with pytest.raises(InputError, match="of at least 40 each. Received: 60 and 119 images"):
        rungs(pictures[:119], 60)


def test_repeated_pictures_are_measured_as_often_as_the_others(steps):
    true, found = steps
    measured = climb(true, found, space(shrunk), progress=False)
    ten = next(rung.images for rung in found if rung.name == TEN)
    repeated = shrunk(np.concatenate([ten] * 6))
    assert measured.distances["kernel"][TEN] == kernel_distance(repeated, shrunk(true))
    assert measured.distances["frechet"][TEN] == frechet_distance(repeated, shrunk(true))
    assert Ladder.of(json.loads(json.dumps(measured.plain()))) == measured


def test_what_a_space_turns_round_is_found_with_its_figures(steps):
    """Contrast alone calls a grey field nearer than pictures with noise."""
    measured = climb(*steps, space(contrast), progress=False)
    found = {(o.better, o.worse): o for o in turned(measured) if o.measure == "kernel"}
    assert ("noise 64", GREY) in found and ("blotches 48", GREY) in found
    o = found["noise 64", GREY]
    assert o.near == measured.distances["kernel"]["noise 64"] and o.far == measured.distances["kernel"][GREY]
    assert o.far.high < o.near.low and ("noise 64", WHITE_NOISE) not in found
    seen = {(o.better, o.worse): o.verdict for o in orderings(measured) if o.measure == "kernel"}
    assert seen["true", "shifted 2"] == "unseen" and seen["noise 16", "noise 32"] == "kept"


def test_only_what_is_known_for_certain_is_an_ordering():
    families = {"true": "true", "blurred 1": "blurred", "blurred 2": "blurred", HALF: "fewer classes"}
    families |= {TEN: "fewer pictures", ONE: "fewer pictures", GREY: "nothing", WHITE_NOISE: "nothing"}
    values = [0, 2, 1, 3, 4, 5, 1.5, 4]
    of = {rung: Interval(v, v - 0.6, v + 0.6) for rung, v in zip(families, values)}
    known = {(o.better, o.worse): o.verdict for o in orderings(Ladder("s", "0", 9, families, {"kernel": of}))}
    assert known == {
        ("true", "blurred 1"): "kept", ("blurred 1", "blurred 2"): "unseen",
        ("blurred 1", GREY): "unseen", ("blurred 2", GREY): "unseen", (HALF, GREY): "reversed", (TEN, GREY): "reversed",
        ("blurred 1", WHITE_NOISE): "kept", ("blurred 2", WHITE_NOISE): "kept", (HALF, WHITE_NOISE): "unseen",
        ("true", HALF): "kept", ("true", TEN): "kept", (TEN, ONE): "unseen",
    }  # fmt: skip


# --- the study --------------------------------------------------------------------------------------------------------


def test_the_half_of_the_classes_is_of_labels_else_of_the_attribute_that_divides_best(noise_dataset):
    labels = np.arange(24) % 5
    kept, about = half_of_the_classes(replace(noise_dataset, labels=labels))
    assert about == "3 of 5 classes" and kept.tolist() == (labels < 3).tolist()
    attributes = np.stack([np.arange(24) < 3, np.arange(24) < 11], 1).astype(np.uint8)
    known = replace(noise_dataset, attributes=attributes, attribute_names=("hat", "smile"))
    kept, about = half_of_the_classes(known)
    assert about == "without smile" and kept.tolist() == [False] * 11 + [True] * 13
    assert half_of_the_classes(noise_dataset) == (None, "")
    for no_classes in (np.full(24, 3), 20240101 + np.arange(24)):  # all of one class, and dates
        assert half_of_the_classes(replace(noise_dataset, labels=no_classes)) == (None, "")
        assert half_of_the_classes(replace(known, labels=no_classes))[1] == "without smile"
    with_gaps = 7 + 100 * labels
    kept, about = half_of_the_classes(replace(noise_dataset, labels=with_gaps))
    assert about == "3 of 5 classes" and kept.tolist() == (labels < 3).tolist()


def test_images_are_looked_at_in_the_size_that_they_have(tmp_path):
    np.save(tmp_path / "small.npy", np.zeros((4, 32, 32, 3), np.uint8))
    np.save(tmp_path / "large.npy", np.zeros((4, 96, 96, 3), np.uint8))
    found = [
        side_of(str(name)) for name in ("faces", "cifar10", "celeba", tmp_path / "small.npy", tmp_path / "large.npy")
    ]
    assert found == [64, 32, 64, 32, 64]


def test_the_command_measures_each_space_keeps_the_others_and_prints_where_they_fail(
    pictures, tmp_path, monkeypatch, capsys
):
    np.savez(tmp_path / "squares.npz", images=pictures, labels=np.arange(200) % 4)
    spaces = {"auto": space(shrunk, "classifier of squares"), "imagenet": space(contrast, "contrast")}
    monkeypatch.setattr(features, "extractor_for", lambda data, size, features, **_: spaces[features])
    command = ["study", "ladder", "--data", tmp_path / "squares.npz", "--scale", "smallest"]
    command += ["--data-dir", tmp_path / "data", "--out", tmp_path / "kept", "--json"]
    for arm in ("imagenet", "classifier"):
        assert cli.main([*map(str, command), "--arms", arm]) == 0
    about = json.loads(capsys.readouterr().out.split("\n}\n")[1] + "\n}")
    name = tmp_path / "kept" / "ladder-squares-smallest"
    assert about["files"] == [f"{name}.json", f"{name}.png"] and read_png(f"{name}.png").shape[2] == 3
    rows = {row["rung"]: row for row in about["rows"]}
    assert len(rows) == 23 and next(iter(rows)) == "true"
    assert "< " in rows[GREY]["imagenet: kernel"] and "noise 64" in rows[GREY]["imagenet: kernel"]
    assert "= true" in rows["shifted 2"]["imagenet: kernel"] and "<" not in rows[TEN]["classifier: kernel"]
    kept = results.load(name.name, name.parent)
    assert [(run["arm"], run["samples"], run["size"], run["half"]) for run in kept["runs"]] == [
        ("imagenet", 40, 32, "2 of 4 classes"), ("classifier", 40, 32, "2 of 4 classes")
    ]  # fmt: skip
    assert read_png(name / "rungs-0.png").shape == (2 * 32, 23 * 32, 3)
    kernel = answer(kept)[1].axes[0]
    rings = [line for line in kernel.lines if line.get_fillstyle() == "none" and len(line.get_xdata())]
    reversed_there = sum(len([o for o in turned(Ladder.of(run)) if o.measure == "kernel"]) for run in kept["runs"])
    assert len(rings) == reversed_there > 0


def test_a_space_that_is_not_there_is_said_before_anything_is_measured_or_kept(pictures, tmp_path, monkeypatch, capsys):
    np.savez(tmp_path / "squares.npz", images=pictures)

    def there(data, size, features, **_):
        if features == "imagenet":
            raise InputError("The network that knows ImageNet is not here.")
        return space(shrunk)

    monkeypatch.setattr(features, "extractor_for", there)
    monkeypatch.setattr("utils.evaluation.ladder.climb", lambda *_: pytest.fail("it was measured"))
    command = ["study", "ladder", "--data", tmp_path / "squares.npz", "--scale", "smallest"]
    command += ["--data-dir", tmp_path / "data", "--out", tmp_path / "kept"]
    assert cli.main([*map(str, command)]) == 2
    assert "knows ImageNet is not here" in capsys.readouterr().err
    assert not [file for file in (tmp_path / "kept").rglob("*") if file.is_file()]


def test_too_few_pictures_are_refused_in_one_sentence(tmp_path, capsys):
    np.save(tmp_path / "few.npy", np.zeros((79, 32, 32, 3), np.uint8))
    study = ["study", "ladder", "--data", str(tmp_path / "few.npy"), "--data-dir", str(tmp_path)]
    assert cli.main(study) == 2
    assert "two sets of at least 40 true images. Received" in capsys.readouterr().err


def test_both_kept_spaces_call_a_grey_field_nearer_than_faces_that_can_be_recognised():
    """What the study found, on the built-in faces."""
    kept = results.load("ladder-faces")
    found = {run["arm"]: {(o.better, o.worse) for o in turned(Ladder.of(run))} for run in kept["runs"]}
    assert ("blotches 48", GREY) in found["imagenet"] and ("noise 64", GREY) in found["classifier"]
    assert ladder().samples == kept["runs"][0]["samples"] == 500
