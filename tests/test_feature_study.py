"""The study of features: who is asked what, and what is made of the answers."""

import dataclasses

import numpy as np
import pytest

from utils.config import differences, preset, replace
from utils.data import Dataset
from utils.errors import InputError
from utils.explain.fixed import fixed_discriminator
from utils.features.factors import by_majority, standardised
from utils.features.questions import apart, questions_for
from utils.models import build_discriminator, load_network
from utils.runs import Run
from utils.studies import features as study
from utils.studies.recipes import recipes
from utils.studies.results import load
from utils.studies.study import Arm


def test_its_arms_are_those_of_the_recipes_so_that_runs_of_one_serve_the_other():
    of_recipes = {arm.name: arm.experiment for arm in recipes("cifar10").arms}
    found = study.features("cifar10")
    *shared, rotation = found.arms
    assert [arm.name for arm in shared] == [name for name in of_recipes if name in study.ARMS]
    assert all(of_recipes[arm.name] == arm.experiment for arm in shared) and len(shared) == len(study.ARMS)
    assert set(differences(shared[0].experiment, rotation.experiment)) == {"training.recipe"}
    assert [arm.name for arm in study.features("faces", "smallest").arms] == ["base"]


def test_what_judges_features_is_no_part_that_was_trained_on(tmp_path):
    of_test = replace(preset("report32"), name="house_numbers", split="test", count=200)
    assert apart(of_test, 20, tmp_path, progress=False).split == "train"
    of_train = replace(of_test, split="train")
    assert apart(of_train, 20, tmp_path, progress=False).split == "test"


def test_discriminators_are_read_after_every_summary_by_layer_and_by_labels(tmp_path, monkeypatch):
    small = study.features("faces", "smallest")
    experiment = replace(small.arms[0].experiment, image_size=32, count=24, epochs=1,
                         generator={"filters": (8, 8), "strides": (2, 2)},
                         discriminator={"filters": (16, 32), "strides": (4, 4)})  # fmt: skip
    small = dataclasses.replace(small, arms=(Arm("base", "tiny", experiment),))
    monkeypatch.setitem(study.MEASURED, "smallest", (16, 8))
    run = Run.create(experiment, {}, tmp_path / "runs")
    monkeypatch.setattr(Run, "epochs", lambda self, last=None: [{"epoch": 0}, {"epoch": 1}][-(last or 2) :])
    monkeypatch.setattr(Run, "steps", lambda self, last=None: {"update": np.arange(1, 7), "epoch": np.ones(6)})
    for number in (None, 0, 1):
        run.model("discriminator", number).parent.mkdir(parents=True, exist_ok=True)
        build_discriminator(experiment.model, number or 0).save(run.model("discriminator", number))
    asked = []
    monkeypatch.setattr("utils.features.factors.read_factors", lambda *a: asked.append(a) or by_majority(a[1], a[3]))
    read = study.reader(small, "smallest", tmp_path / "data", progress=False)
    found = read(run)
    assert [row["update"] for row in found["by_update"]] == [0, 6]
    assert [row["layer"] for row in found["by_layer"]] == ["8x8, 1 maps", "2x2, 2 maps"]
    assert list(found["by_labels"]) == list(found["random"]["by_labels"]) == list(found["pixels"]) == ["1", "4", "16"]
    # Pixels and both networks by three amounts, the networks by two layers and standardised, and a kept one; the other
    # one is the last.
    assert len(asked) == 3 + 3 + 3 + 2 + 2 + 2 + 1
    assert found["by_update"][0] == {"update": 0} | found["by_labels"]["16"]
    widths = [a[0].shape[1] for a in asked]
    assert widths.count(16) == 2 and widths.count(2 * 2 * 2) == 2  # 4x4 cells of one map, 2x2 of two
    fixed = fixed_discriminator(load_network(run.model("discriminator")))
    assert set(widths) == {32 * 32 * 3, 16, 8, sum((16, 8))} and len(fixed.convolutions) == 2
    before = len(asked)
    assert read(run)["random"] is found["random"] and len(asked) == before


def test_as_much_is_read_as_the_scale_says_whatever_the_pictures_are_called(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(study, "reader", lambda study, scale, *places: asked.append(scale))
    monkeypatch.setattr("utils.studies.train.train_study", lambda *places, **options: None)
    for scale in ("report", "quick"):
        for name in ("photos-quick.npz", "photos-smallest.npz", "photos.npz"):
            study.carry_out(study.features(str(tmp_path / name), scale))
    assert asked == ["report"] * 3 + ["quick"] * 3


def test_standardised_features_have_one_scale_and_keep_what_never_varies_out():
    random = np.random.default_rng(0)
    train = np.stack([random.normal(5, 100, 50), random.normal(0, 0.01, 50), np.full(50, 3.0)], 1).astype(np.float32)
    test = train[:4] + np.float32([100, 0.01, 1])
    a, b = standardised(train, test)
    np.testing.assert_allclose(a.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(a.std(0), [1, 1, 0], atol=1e-5)
    np.testing.assert_allclose((b - a[:4])[:, :2], np.broadcast_to([100, 0.01], (4, 2)) / train.std(0)[:2], rtol=1e-3)


def test_images_of_which_nothing_is_known_are_refused_in_one_sentence(tmp_path, monkeypatch):
    images = np.zeros((8, 32, 32, 3), np.uint8)
    experiment = replace(recipes("cifar10").base.experiment, name="mine")
    for labels in (None, 20240101 + np.arange(8)):  # these are dates
        unknown = Dataset(name="mine", title="mine", images=images, fingerprint="0", labels=labels)
        monkeypatch.setattr("utils.data.load_for", lambda *a, unknown=unknown: unknown)
        monkeypatch.setattr("utils.features.questions.apart", lambda *a, unknown=unknown: unknown)
        with pytest.raises(InputError, match="neither labels of classes nor exact attributes"):
            questions_for(experiment, 4, 4, tmp_path, progress=False)
    known = Dataset(name="mine", title="mine", images=images, fingerprint="0", labels=np.arange(8) % 2)
    monkeypatch.setattr("utils.data.load_for", lambda *a: known)
    monkeypatch.setattr("utils.features.questions.apart", lambda *a: known)
    asked = questions_for(experiment, 4, 4, tmp_path, progress=False)
    assert asked.names == ("class",) and asked.known.shape == (1, 4) and asked.answers.shape == (1, 8)


@pytest.mark.parametrize("labelled", [60, 200, 500])
def test_own_pictures_in_the_order_of_their_classes_are_asked_about_in_no_order(tmp_path, monkeypatch, labelled):
    """A machine learns from the first 80% of them, and C is chosen on the rest: both need every class."""
    labels = np.arange(200) // 50
    images = np.broadcast_to(np.arange(200, dtype=np.uint8)[:, None, None, None], (200, 4, 4, 3))
    pictures = Dataset(name="mine", title="mine", images=images, fingerprint="0", labels=labels)
    monkeypatch.setattr("utils.data.load_for", lambda *a: pictures)
    monkeypatch.setattr("utils.features.questions.apart", lambda *a: pictures)

    def ask(name):
        return questions_for(replace(recipes("cifar10").base.experiment, name=name), labelled, 4, tmp_path, False)

    asked, again = ask("mine"), ask("mine")
    count = min(labelled, 200)
    assert len(set(asked.labelled.rows.tolist())) == len(asked.labelled) == asked.known.shape[1] == count
    for known in np.split(asked.known[0], [round(0.8 * count)]):
        assert set(known.tolist()) == {0, 1, 2, 3}
    np.testing.assert_array_equal(asked.known[0], labels[asked.labelled.images()[:, 0, 0, 0]])
    np.testing.assert_array_equal(asked.labelled.rows, again.labelled.rows)
    # Datasets of the catalogue come mixed; what was read of them before stays what it was.
    np.testing.assert_array_equal(ask("cifar10").labelled.rows, np.arange(count))


def test_the_study_keeps_distances_and_readings_side_by_side(tmp_path, monkeypatch, light):
    """Carried out on one tiny arm, with a stand-in for the feature space and the machines."""
    small = study.features("faces", "smallest").only(["base"], [0])
    monkeypatch.setattr("utils.features.factors.read_factors", lambda *a: by_majority(a[1], a[3]))
    monkeypatch.setattr("utils.studies.measure.measure_for", lambda *a: lambda run: {"snapshots": ["stand-in"]})
    options = {"data_dir": tmp_path / "data", "progress": False}
    runs, file = study.carry_out(small, tmp_path / "runs", tmp_path / "kept", **options)
    (kept,) = load(small.name, file.parent)["runs"]
    assert kept["snapshots"] == ["stand-in"] and list(runs) == [("base", 0)]
    assert [row["update"] for row in kept["read"]["by_update"]] == [0, 2, 4]
    assert kept["read"]["factors"] == ["hair", "skin", "eyes", "chin", "mouth"]


@pytest.fixture
def made_up():
    """Two arms: in one the accuracy rises as the distance falls, in the other it falls."""

    def reading(value):
        return {"value": value, "low": value - 0.01, "high": value + 0.01}

    runs = []
    for arm, values in (("base", (0.3, 0.4, 0.5, 0.6)), ("r1", (0.3, 0.7, 0.6, 0.5))):
        updates = (0, 100, 200, 300)
        layers = [{"layer": "16x16, 8 maps"} | reading(0.3), {"layer": "8x8, 16 maps"} | reading(0.4)]
        full = {"by_labels": {"250": reading(0.2), "1000": reading(values[-1])}, "by_layer": layers}
        random = {"by_labels": {"250": reading(0.1), "1000": reading(0.35)}, "by_layer": full["by_layer"]}
        full["standardised"], random["standardised"] = reading(0.7), reading(0.3)
        read = {"by_update": [{"update": u} | reading(v) for u, v in zip(updates, values)], **full, "random": random,
                "pixels": random["by_labels"]}  # fmt: skip
        snapshots = [{"update": u, "kernel": [value] * 3} for u, value in zip(updates, (9.0, 3.0, 2.0, 1.0))]
        runs.append({"arm": arm, "seed": 0, "read": read, "snapshots": snapshots})
    return {"arms": {"base": "as it was", "r1": "R1", "faster": "not run"}, "runs": runs}


def test_the_table_tells_the_margin_over_random_weights_and_when_each_was_best(made_up):
    base, r1 = study.by_arm(made_up)
    assert (base["arm"], base["accuracy"], base["ahead of random weights"]) == ("base", "60.0%", "+25.0")
    assert base["standardised"] == "+40.0"
    assert (base["best after"], r1["best after"], r1["nearest after"]) == ("300", "100", "300")
    agreed = study.agreement(made_up)
    assert agreed["within_runs"]["value"] == pytest.approx(0.0) and agreed["over_recipes"] is None  # -1 and +1


def test_the_figure_shows_what_is_ahead_of_random_weights_over_time_by_recipe_and_distance(made_up):
    courses, ends, against, layers, labels, _ = study.plot_features(made_up).axes
    np.testing.assert_allclose(courses.lines[0].get_ydata(), [-5, 5, 15, 25])
    np.testing.assert_allclose([*ends.lines[2].get_data()], [[15], [1]])  # one seed: a dot, no interval
    np.testing.assert_allclose([*ends.lines[3].get_data()], [[40], [1.25]])  # standardised
    earlier, last = against.lines[2:4]
    np.testing.assert_allclose([*earlier.get_data()], [[3, 2], [35, 25]])
    np.testing.assert_allclose([*last.get_data()], [[1], [15]])
    assert [text.get_text() for text in layers.get_xticklabels()] == ["16x16\n8 maps", "8x8\n16 maps"]
    np.testing.assert_allclose(labels.lines[-2].get_ydata(), [0.1, 0.35])


def test_an_arm_whose_random_twin_is_good_has_not_learned_more(made_up):
    """Three arms with the same accuracy at the end: the nearer the samples, the worse the twin, so the more learned."""
    first = made_up["runs"][0]
    for arm, distance, twin in (("r1", 2.0, 0.45), ("faster", 3.0, 0.55)):
        twins = {"by_labels": {"1000": {"value": twin}}, "standardised": {"value": 0.6 - twin}}
        read = first["read"] | {"random": twins}
        snapshots = [row | {"kernel": [row["kernel"][0] + distance] * 3} for row in first["snapshots"]]
        made_up["runs"].append(first | {"arm": arm, "read": read, "snapshots": snapshots})
    del made_up["runs"][1]
    found = study.agreement(made_up)
    assert found["over_recipes"] == pytest.approx(-1) and found["over_recipes_standardised"] == pytest.approx(1)
    twins = [run["read"]["random"]["by_labels"]["1000"]["value"] for run in made_up["runs"]]
    assert twins == [0.35, 0.45, 0.55] and len({run["read"]["by_update"][-1]["value"] for run in made_up["runs"]}) == 1
