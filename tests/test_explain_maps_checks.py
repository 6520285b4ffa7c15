"""The checks of the maps on maps and networks of which the answer is known, and the command with its page."""

import dataclasses
import importlib
import inspect
import json
import re

import keras
import numpy as np
import pytest
from keras import layers
from known_networks import finder, squares
from scipy import stats

from utils import cli
from utils.config import preset, replace
from utils.data import Dataset, scale
from utils.errors import InputError
from utils.explain import ANALYSES, OF_A_LAYER
from utils.explain.checks import (
    Randomisation,
    cascading_randomisation,
    deletion_insertion,
    edges,
    methods,
    occlusion,
    pointing_game,
    rank_correlation,
)
from utils.explain.fixed import fixed_discriminator
from utils.explain.gradcam import grad_cam
from utils.explain.pages import explain
from utils.explain.sections import Finding, Picture, Section, bracketed, checks
from utils.explain.subject import Subject, subject_for
from utils.features.extract import Part
from utils.features.questions import Questions
from utils.intervals import Interval, wilson
from utils.models import build_discriminator, build_generator, load_network
from utils.networks import TrainedNetwork
from utils.runs import Run
from utils.viz import write_png


def spotted(count, seed):
    """Noisy uint8 (N, 16, 16, 3) images, half of them with a bright 4x4 spot; labels; the spots' boxes (N, 1, 4)."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 120, (count, 16, 16, 3)).astype(np.uint8)
    labels = np.arange(count) % 2
    boxes = np.full((count, 1, 4), -1)
    for i in np.flatnonzero(labels):
        left, top = random.integers(0, 13, 2)
        images[i, top : top + 4, left : left + 4] = random.integers(190, 256, (4, 4, 3))
        boxes[i, 0] = left, top, left + 4, top + 4
    return images, labels, boxes


@pytest.fixture(scope="module")
def trained():
    """A small network that has learnt to tell images with a bright spot from those without."""
    keras.utils.set_random_seed(0)
    network = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            layers.Conv2D(8, 3, padding="same"),
            layers.LeakyReLU(0.2),
            layers.Conv2D(16, 3, strides=2, padding="same"),
            layers.LeakyReLU(0.2),
            layers.GlobalAveragePooling2D(),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    images, labels, _ = spotted(1024, 0)
    network.compile(keras.optimizers.Adam(0.01), "binary_crossentropy")
    network.fit(scale(images), labels, epochs=6, batch_size=64, verbose=0)
    unseen, labels, _ = spotted(200, 1)
    assert np.mean((np.asarray(network(scale(unseen)))[:, 0] > 0.5) == labels) > 0.97
    return fixed_discriminator(network)


# --- randomisation ----------------------------------------------------------------------------------------------------


def test_rank_correlation_is_spearmans():
    random = np.random.default_rng(0)
    one, other = random.standard_normal((2, 3, 5, 4)).round(1)  # with ties
    expected = [stats.spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(one, other)]
    np.testing.assert_allclose(rank_correlation(one, other), expected, rtol=1e-9)
    assert np.isnan(rank_correlation(np.ones((1, 2, 2)), one[:1, :2, :2])[0])  # a constant map has no ranks


def test_randomising_the_layers_changes_the_maps_of_a_trained_network(trained):
    images = spotted(32, 2)[0][1::2]
    compared = {"Grad-CAM": methods()["Grad-CAM"], "edges": edges}
    record = cascading_randomisation(trained, images, compared, draws=2)
    assert record.stages == ("head", "convolution 2", "convolution 1")
    assert record.correlations["Grad-CAM"].shape == (3, 2, 16)
    assert max(size.value for size in record.sizes("Grad-CAM")) < 0.7
    # a "map" that only shows the image never changes: the check tells the two apart
    np.testing.assert_allclose(record.correlations["edges"], 1)
    assert np.array_equal(
        record.correlations["Grad-CAM"],
        cascading_randomisation(trained, images, compared, draws=2).correlations["Grad-CAM"],
    )


def test_no_two_seeds_of_the_randomisation_share_random_networks(trained, monkeypatch):
    seen = {}
    drawn = type(trained).randomised
    monkeypatch.setattr(
        type(trained), "randomised", lambda network, seed, *a: seen[now].add(seed) or drawn(network, seed, *a)
    )
    for now in (0, 1, 2):
        seen[now] = set()
        cascading_randomisation(trained, spotted(32, 2)[0][1:2], {"edges": edges}, draws=3, seed=now)
    assert [len(each) for each in seen.values()] == [3, 3, 3] and len(set.union(*seen.values())) == 9


def test_a_map_with_a_sign_that_ignores_its_image_and_the_weights_fails_the_randomisation(trained):
    """A random head turns its sign as often as not: with their signs the correlations are zero on average."""
    place = np.arange(64).reshape(1, 8, 8)

    def turned(discriminator, images, score):
        logits = discriminator.logits(images)
        return np.sign(logits[0]) * place.repeat(len(images), 0)

    record = cascading_randomisation(trained, spotted(6, 3)[0], {"turned": turned}, draws=12)
    of = record.correlations["turned"]
    assert set(np.unique(of.round(6))) == {-1, 1} and abs(of.mean()) < 0.7
    assert [size.value for size in record.sizes("turned")] == pytest.approx([1, 1, 1])
    assert record.between_images["turned"] == pytest.approx(1)


def test_the_interval_is_over_draws_of_the_weights_not_over_their_images():
    random = np.random.default_rng(0)
    held, many = 0, 200
    for _ in range(many):  # a draw moves all of its images alike
        of = random.uniform(0.2, 0.6, (1, 8, 1)) + random.normal(0, 0.02, (1, 8, 32))
        (size,) = Randomisation(("head",), {"map": of}, {}).sizes("map")
        held += size.low <= 0.4 <= size.high
    assert 0.9 * many <= held <= 0.99 * many
    nothing = Randomisation(("head",), {"map": np.full((1, 8, 4), np.nan)}, {}).sizes("map")[0]
    assert np.isnan([nothing.value, nothing.low, nothing.high]).all()


def test_the_correlation_between_images_is_high_for_maps_that_ignore_their_image(trained):
    images = spotted(8, 3)[0]
    place = np.arange(16).reshape(1, 4, 4)
    fixed = {"fixed": lambda discriminator, images, score: place.repeat(len(images), 0)}
    own = {"own": lambda discriminator, images, score: np.random.default_rng(0).standard_normal((len(images), 8, 8))}
    record = cascading_randomisation(trained, images, fixed | own, draws=2)
    assert record.between_images["fixed"] == pytest.approx(1)
    assert 0.05 < record.between_images["own"] < 0.15  # of chance: the mean of |z| / 8 is 0.1


# --- deletion and insertion -------------------------------------------------------------------------------------------


def test_deleting_a_known_square_first_takes_the_whole_answer_and_inserting_it_gives_it_back():
    images = squares([(row, column) for row in range(3) for column in range(3)])
    fixed = fixed_discriminator(finder(np.full((4, 4), 3.0)))
    record = grad_cam(fixed, images)
    # 16 steps of 16 pixels, so the first step is one place; maps are at the images' size, so nothing is interpolated
    maps = record.maps("true").repeat(4, 1).repeat(4, 2)
    curves = deletion_insertion(fixed, images, maps, others=10, steps=16)
    np.testing.assert_allclose(curves.fractions, np.arange(17) / 16)
    # black places give -1, which ReLU cuts off; so does mid grey, at 0: only the square counts
    np.testing.assert_allclose(curves.deletion[:, 0], 3, atol=1e-5)
    np.testing.assert_allclose(curves.deletion[:, 1:], 0, atol=1e-5)
    np.testing.assert_allclose(curves.insertion[:, 1:], 3, atol=1e-5)
    np.testing.assert_allclose(curves.area("deletion"), 3 / 32, rtol=1e-5)  # a triangle
    assert curves.swapped_deletion.shape == (9, 8, 17)  # all others
    np.testing.assert_allclose(curves.swapped_deletion[..., 1], 3, atol=1e-5)  # what others mark is not its square
    for name in ("deletion", "insertion"):
        interval = curves.advantage(name)
        sign = -1 if name == "deletion" else 1
        assert sign * interval.value > 1 and sign * interval.low > 0 and sign * interval.high > 0


def test_grad_cam_of_a_known_network_beats_the_maps_of_other_images_and_a_random_map_does_not():
    random = np.random.default_rng(0)
    images = squares(random.integers(0, 4, (24, 2)))
    fixed = fixed_discriminator(finder(np.full((4, 4), 3.0)))
    own = deletion_insertion(fixed, images, grad_cam(fixed, images).maps("true"))
    chance = deletion_insertion(fixed, images, random.standard_normal((24, 4, 4)).astype(np.float32))
    assert own.advantage("deletion").high < -0.5 and own.advantage("insertion").low > 0.3
    assert chance.advantage("deletion").low < 0 < chance.advantage("deletion").high
    probability = own.probability()
    assert probability.area("deletion").min() > 0 and probability.area("insertion").max() < 1


def test_maps_are_no_better_than_those_of_other_images_where_all_images_are_the_same(trained):
    """Whatever the maps: smooth ones, those that mark the spot, all alike. Each is among the others' as often as it is
    an image's own."""
    images = spotted(2, 4)[0][1:].repeat(6, 0)
    random = np.random.default_rng(0)
    one_order = 1e-3 * random.standard_normal((6, 16, 16))  # equals would be taken in another order each time
    coarse, marks = random.standard_normal((6, 4, 4)), occlusion(trained, images, places=4)
    coarse, marks = (maps.repeat(4, 1).repeat(4, 2) + one_order for maps in (coarse, marks))
    for maps in (coarse, marks, marks[:1].repeat(6, 0)):
        curves = deletion_insertion(trained, images, maps, others=5)
        assert curves.swapped_insertion.shape[:2] == (6, 5)
        for name in ("deletion", "insertion"):
            assert curves.advantage(name).value == pytest.approx(0, abs=1e-4 * np.abs(curves.area(name)).max())


def test_for_fake_the_curves_follow_minus_the_logit(trained):
    images = spotted(6, 4)[0]
    maps = np.random.default_rng(0).standard_normal((6, 4, 4)).astype(np.float32)
    true, fake = (deletion_insertion(trained, images, maps, score, others=1) for score in ("true", "fake"))
    np.testing.assert_allclose(true.deletion, -fake.deletion, rtol=1e-5)
    np.testing.assert_allclose(true.deletion[:, 0], trained.logits(images), rtol=1e-5)
    np.testing.assert_allclose(true.insertion[:, -1], trained.logits(images), rtol=1e-5)
    with pytest.raises(InputError, match="one map .* for each of 6 images"):
        deletion_insertion(trained, images, maps[:2])
    with pytest.raises(InputError, match="two at least. Received: 1"):
        deletion_insertion(trained, images[:1], maps[:1])


def test_occlusion_finds_the_square_and_its_size():
    fixed = fixed_discriminator(finder(np.full((4, 4), 3.0)))
    lost = occlusion(fixed, squares([(2, 1)]), places=4)
    expected = np.zeros((1, 4, 4))
    expected[0, 2, 1] = 3
    np.testing.assert_allclose(lost, expected, atol=1e-5)
    np.testing.assert_allclose(occlusion(fixed, squares([(2, 1)]), "fake", places=4), -expected, atol=1e-5)


# --- pointing game ----------------------------------------------------------------------------------------------------


def test_the_pointing_game_counts_constructed_maps_exactly():
    maps = np.zeros((5, 4, 4))
    for image, (row, column) in enumerate([(0, 0), (1, 1), (3, 3), (0, 0)]):
        maps[image, row, column] = 1  # points at (4 column + 2, 4 row + 2) of 16 pixels; the last map points nowhere
    boxes = np.full((5, 3, 4), -1)
    boxes[:, 0] = [0, 0, 4, 4]
    boxes[:3, 1] = [[2, 2, 3, 3], [6, 6, 7, 7], [14, 14, 16, 16]]  # each image's own place
    boxes[0, 2] = [0, 0, 16, 16]  # shown once only
    first, second = pointing_game(maps, boxes, ("corner", "own", "rare"), 16)
    assert (first.part, first.shown, first.pointed, first.hits) == ("corner", 5, 4, 2)
    assert first.share == wilson(2, 4) and first.chance == 1 / 16 and first.centre == 0
    assert first.swapped == 0.5  # every box takes the maps 0 and 3: 8 pairs of 16, less the 2 hits, of 12
    assert (second.shown, second.pointed, second.hits, second.swapped) == (3, 3, 3, 0)
    assert first.p_swapped == 1 and second.p_swapped == pytest.approx(1 / 6, abs=0.03)  # one order of 3! hits thrice
    assert not second.beats_others(1) and second.beats_chance(1)
    assert first.beats_chance(1) and not first.beats_chance(1000)  # 2 of 4 beside 1/16: one of many parts may
    with pytest.raises(InputError, match=r"boxes of shape \(5, 1, 4\)"):
        pointing_game(maps, None, ("corner",), 16)


def test_grad_cam_of_a_trained_network_points_at_what_it_has_learnt_to_find(trained):
    images, _, boxes = spotted(128, 5)
    (record,) = pointing_game(grad_cam(trained, images, 1).maps("true"), boxes, ("spot",), 16)
    assert record.shown == 64 and record.share.low > 0.6
    assert record.share.low > record.swapped and record.share.low > record.chance == pytest.approx(1 / 16)
    assert record.beats_others(10) and record.beats_chance(10)


def test_maps_that_have_nothing_to_do_with_their_images_seldom_beat_those_of_others():
    random, found = np.random.default_rng(0), 0
    for _ in range(100):
        maps, corners = random.random((40, 4, 4)), 4 * random.integers(0, 2, (40, 2))
        boxes = np.concatenate((corners, corners + 8), 1)[:, None]
        (record,) = pointing_game(maps, boxes, ("part",), 16)
        found += record.beats_others(1)
    assert 1 <= found <= 10  # 5 are expected


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder with untrained networks, and an array of images with labels beside it."""
    root = tmp_path_factory.mktemp("runs")
    random = np.random.default_rng(0)
    images = root / "images.npz"
    np.savez(images, images=random.integers(0, 256, (12, 32, 32, 3), np.uint8), labels=np.arange(12) % 2)
    experiment = replace(preset("report32"), name=str(images), width=0.0625, batch_size=4, batch_norm="on")
    run = Run.create(experiment, {}, root)
    run.model("generator").parent.mkdir()
    build_generator(experiment.model).save(run.model("generator"))
    build_discriminator(experiment.model).save(run.model("discriminator"))
    return run


def said(capsys, *arguments):
    code = cli.main(["explain", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


def test_the_command_writes_a_page_whose_pictures_are_there(capsys, run, tmp_path):
    out = tmp_path / "page"
    options = ["--only", "gradcam", "guided", "filters", "memory", "--count", 4, "--out", out]
    code, printed, _ = said(capsys, run.folder, *options, "--json", "--data-dir", tmp_path)
    assert code == 0
    page = (out / "index.html").read_text()
    shown = re.findall(r'src="([^"]+)"', page)
    assert {"gradcam_true.png", "gradcam_fake.png", "guided.png", "guided_random.png", "filters.png"} <= set(shown)
    assert all((out / name).stat().st_size > 100 for name in shown)
    findings = json.loads(printed)["findings"]
    said_of = {finding["section"]: finding["measured"] for finding in findings}
    assert said_of["guided"] == "pictures only: 12 images are too few to tell which filters prefer an attribute"
    assert "[" not in said_of["gradcam"]  # the mean over 4 images stands without an interval
    assert {finding["section"] for finding in findings} == {"gradcam", "guided", "filters"}
    assert all(finding["claim"] and finding["measured"] and finding["control"] for finding in findings)
    # what cannot be done is said where it would have stood
    assert "has kept no models of its epochs" in page and "no images set apart from training" in page
    record = json.loads((out / "explain.json").read_text())
    assert [section["name"] for section in record["sections"]] == ["gradcam", "guided", "filters", "memory"]
    values = {section["name"]: section["values"] for section in record["sections"]}
    trained, untrained = values["filters"]["first filters"]
    assert (trained["weights"], untrained["weights"]) == ("trained", "random")
    assert said_of["filters"] == f"correlation between neighbouring weights {trained['correlation']:+.3f}"
    of_true, of_fake = values["gradcam"]["Grad-CAM"]
    assert (of_true["images"], of_true["count"], of_fake["images"]) == ("true", 4, "fake")
    assert 0 <= of_true["empty for true"] <= 4 and -1 <= of_true["correlation"] <= 1
    assert said_of["gradcam"] == f"rank correlation with the contributions of the places {of_fake['correlation']:.3f}"
    assert values["guided"] == values["memory"] == {}


def test_the_checks_section_has_a_row_for_every_method_and_every_part(run, tmp_path, monkeypatch):
    random = np.random.default_rng(1)
    boxes = np.tile(np.array([[0, 0, 16, 16], [16, 16, 32, 32], [8, 8, 24, 24]]), (12, 1, 1))
    boxes[1:, 1] = -1  # the second part is shown once, too seldom to play
    data = Dataset(
        "noise",
        "noise",
        random.integers(0, 256, (12, 32, 32, 3), np.uint8),
        "f",
        boxes=boxes,
        box_names=("a", "b", "c"),
    )
    networks = {name: load_network(run.model(name)) for name in ("generator", "discriminator")}
    subject = Subject("a model", data=data, experiment=run.experiment, count=3, **networks)
    headings, write = [], checks.write_figure
    monkeypatch.setattr(checks, "write_figure", lambda file, of: headings.append(of.get_suptitle()) or write(file, of))
    (section,) = explain(subject, tmp_path, ("checks",))
    assert set(headings) == {"a model on noise, seed 0"} and len(headings) == 4  # each figure by itself
    randomised, curves, *pointing = section.tables.values()
    compared = [name for name in methods() if name != "occlusion"]
    assert [row["method"] for row in randomised] == [*compared, "edges, which have to fail"]
    assert randomised[-1]["all random"] == "1.000 [1.000, 1.000]"
    assert [(row["images"], row["method"]) for row in curves] == [(k, m) for k in ("true", "fake") for m in methods()]
    assert len(pointing) == 3 and all([row["part"] for row in table] == ["a", "c"] for table in pointing)
    stages, areas, played = section.values.values()
    assert len(stages) == len(randomised) * len({row["random down to"] for row in stages})
    assert [row["correlation"] for row in stages if "have to fail" in row["method"]] == [1.0] * (
        len(stages) // len(randomised)
    )
    assert len(areas) == len(curves) * 4 and {row["count"] for row in areas} == {3}
    for row in areas:
        (said,) = [
            c[f"{row['change']}, {row['in']}"]
            for c in curves
            if (c["images"], c["method"]) == (row["images"], row["method"])
        ]
        assert said == f"{row['area less that with maps of others']:.3f}"
    assert [row["part"] for row in played if row["weights"] == "trained"] == ["a", "c"] * 3
    for row, told in zip(
        [row for row in played if row["weights"] == "trained"], [row for table in pointing for row in table]
    ):
        assert f"{row['hits']:.0%} [" in told["hits"] and row["shown"] == told["shown"]
    assert all((tmp_path / picture.file.name).stat().st_size > 1000 for picture in section.pictures)


@pytest.mark.parametrize(("activation", "words"), [("leaky_relu", "the leak never enters"), ("elu", "none (ReLU, Re")])
def test_guided_backpropagation_of_a_network_without_rectifiers_says_that_it_is_the_plain_gradient(
    activation, words, tmp_path
):
    network = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(2, 3, activation=activation), layers.Flatten(), layers.Dense(1)]
    )
    data = Dataset("noise", "noise", np.random.default_rng(0).integers(0, 256, (9, 8, 8, 3), np.uint8), "f")
    (section,) = explain(Subject("a model", network, None, data, count=4), tmp_path, ("guided",))
    assert len(section.text) == 1 and words in section.text[0]
    assert section.findings[0].measured.endswith("no classes or attributes are known that tell the images apart")


def filters_of(data, folder, layer="last"):
    """What the section about filters finds of a network with two convolutions."""
    convolutions = [layers.Conv2D(maps, 3, activation="relu") for maps in (3, 2)]
    network = keras.Sequential([keras.Input((8, 8, 3)), *convolutions, layers.Flatten(), layers.Dense(1)])
    (section,) = explain(Subject("a model", network, None, data, count=4, layer=layer), folder, ("guided",))
    return section.findings[0]


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ({"labels": 20240101 + np.arange(9)}, "no classes or attributes are known that tell the images apart"),
        ({"labels": np.full(9, 3)}, "no classes or attributes are known that tell the images apart"),
        (
            {"labels": np.ones(9, int), "label_names": ("cat", "dog")},
            "no classes or attributes are known that tell the images apart",
        ),
        (
            {"attributes": np.ones((9, 1), np.uint8), "attribute_names": ("hat",)},
            "no classes or attributes are known that tell the images apart",
        ),
        ({"labels": 4000 * np.arange(9)}, "9 images are too few to tell which filters prefer an attribute"),
    ],
    ids=["dates", "one class", "one class of two names", "equal attributes", "numbers of classes with gaps"],
)
def test_labels_that_are_no_classes_or_tell_no_images_apart_are_not_counted_by(known, words, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 3), np.uint8)
    assert filters_of(Dataset("noise", "noise", noise, "f", **known), tmp_path).measured == f"pictures only: {words}"


def test_whose_filters_were_counted_is_said_where_they_are_not_the_last_convolutions(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (300, 8, 8, 3), np.uint8)
    data = Dataset("noise", "noise", noise, "f", labels=np.arange(300) % 2)
    for layer in ("last", "2"):
        assert re.fullmatch(r"\d of 2 filters prefer an attribute", filters_of(data, tmp_path, layer).measured)
    of_first = filters_of(data, tmp_path, "1")
    words = r"\d of 3 filters of convolution 1 \(3 maps of 6x6\) prefer an attribute"
    assert re.fullmatch(words, of_first.measured) and re.fullmatch(f"random weights: {words}", of_first.control)


def test_a_bootstraps_interval_is_shown_from_eight_values_on():
    interval = Interval(0.5, 0.25, 0.75)
    assert bracketed(interval.told(7), ".2f") == "0.50" and bracketed(interval.told(8), ".2f") == "0.50 [0.25, 0.75]"
    assert bracketed(interval, ".2f") == "0.50 [0.25, 0.75]"  # of another kind


def brightness(subject, folder):
    """An analysis of somebody else's."""
    means = [float(images.mean()) for _, _, images in subject.sides()]
    return Section(findings=(Finding("True images are brighter", *(f"{mean:.2f}" for mean in means)),))


def test_an_analysis_is_one_function_and_one_line_of_the_list(run, tmp_path, monkeypatch):
    monkeypatch.setitem(ANALYSES, "brightness", ("Which are brighter?", f"{__name__}:brightness"))
    networks = {name: load_network(run.model(name)) for name in ("generator", "discriminator")}
    data = Dataset("grey", "grey", np.full((4, 32, 32, 3), 128, np.uint8), "f")
    subject = Subject("a model", data=data, experiment=run.experiment, count=4, **networks)
    (section,) = explain(subject, tmp_path, ("brightness",))
    assert (section.name, section.title) == ("brightness", "Which are brighter?")
    assert section.findings[0].measured == "128.00"
    assert '<h2 id="brightness">Which are brighter?</h2>' in (tmp_path / "index.html").read_text()


def noted(name, subject, folder):
    """An analysis with a picture, and with figures and words for every part of a page."""
    write_png(folder / f"{name}.png", np.full((4, 4, 3), len(name), np.uint8))
    return Section(
        text=(f"about {name}",),
        findings=(Finding(f"{name} is so", "yes", "no"),),
        tables={"a table": [{"row": 1, "share": 0.5}]},
        values={name: [{"value": 1.5}]},
        pictures=(Picture(folder / f"{name}.png", "a picture"),),
    )


def first(subject, folder):
    return noted("first", subject, folder)


def second(subject, folder):
    return noted("second", subject, folder)


def third(subject, folder):
    return Section(findings=(Finding("third", "yes", "no"),), missing="no pictures")


@pytest.fixture
def page(tmp_path, monkeypatch):
    """Makes sections of a page anew, and gives those that are then on it; the second explains a layer."""
    analyses = {name: (name.title(), f"{__name__}:{name}") for name in ("first", "second", "third")}
    monkeypatch.setattr("utils.explain.pages.ANALYSES", analyses)
    monkeypatch.setattr("utils.explain.pages.OF_A_LAYER", ("second",))
    data = Dataset("squares", "squares", squares([(0, 0), (1, 1), (2, 2)]), "f")
    subject = Subject("a model", finder(np.ones((4, 4))), None, data, digests={"discriminator": "d"})

    def made(*only, **changes):
        sections = explain(dataclasses.replace(subject, **changes), tmp_path, only)
        assert [section.name for section in sections] == list(only or analyses)
        record, html = (json.loads((tmp_path / "explain.json").read_text()), (tmp_path / "index.html").read_text())
        there = [section["name"] for section in record["sections"]]
        assert re.findall(r'<h2 id="(\w+)"', html) == there
        assert re.findall(r'src="(\w+).png"', html) == [name for name in there if name != "third"]
        assert all(f"<td>{name} is so</td>" in html and f"about {name}" in html for name in there if name != "third")
        return there

    return made


def test_sections_of_an_earlier_call_about_the_same_stay_on_the_page_as_they_were(page, tmp_path):
    assert page() == ["first", "second", "third"]
    before = [(tmp_path / name).read_text() for name in ("index.html", "explain.json")]
    for only in (("third",), ("second", "first"), ("first",)):
        assert page(*only) == ["first", "second", "third"]
        assert [(tmp_path / name).read_text() for name in ("index.html", "explain.json")] == before


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({"seed": 1}, []),
        ({"count": 2}, []),
        ({"title": "another"}, []),
        ({"digests": {"discriminator": "of a training that went on"}}, []),
        ({"digests": {}}, []),  # of networks in no file nobody knows which they are
        ({"data": Dataset("squares", "squares", squares([(0, 1), (1, 1), (2, 2)]), "g")}, []),
        ({"most": 5}, []),
        ({"layer": "1"}, ["first"]),
        ({}, ["first", "second"]),
    ],
)
def test_sections_about_something_else_leave_the_page(page, changes, left):
    page()
    assert page("third", **changes) == [*left, "third"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_call_that_is_stopped_leaves_an_earlier_page_whole(page, tmp_path, monkeypatch, error):
    def stopped(*_):
        raise error

    page()
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    monkeypatch.setattr(f"{__name__}.second", stopped)
    write = write_png
    monkeypatch.setattr(f"{__name__}.write_png", lambda file, picture: write(file, picture + 1))
    with pytest.raises(error):
        page("first", "second")
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_sections_whose_pictures_are_no_longer_theirs_and_damaged_records_leave_the_page(page, tmp_path):
    page()
    (tmp_path / "first.png").write_bytes(b"of a call that was stopped")
    (tmp_path / "second.png").unlink()
    assert page("third") == ["third"]
    for damaged in ("{", "[]", "5", '{"sections": 1}'):
        (tmp_path / "explain.json").write_text(damaged)
        assert page("first") == ["first"]
    record = json.loads((tmp_path / "explain.json").read_text())
    del record["sections"][0]["pictures"]  # as earlier versions wrote it
    (tmp_path / "explain.json").write_text(json.dumps(record))
    assert page("third") == ["third"]


def test_as_many_true_images_are_looked_at_as_are_to_be_explained(run, tmp_path, monkeypatch):
    np.savez(tmp_path / "many.npz", images=np.random.default_rng(0).integers(0, 256, (30, 32, 32, 3), np.uint8))
    monkeypatch.setattr("utils.explain.subject.SEARCHED", 8)
    trained = TrainedNetwork("a model", run.model("discriminator"), tmp_path)
    for count, there, explained in ((4, 8, 4), (20, 20, 20), (40, 30, 30)):
        subject = subject_for(trained, str(tmp_path / "many.npz"), count=count, data_dir=tmp_path)
        assert (len(subject.data), len(subject.true)) == (there, explained)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--layer", "conv9"], "There is no convolution 'conv9'; choose one by number or name, or last: 1 (conv2d"),
        (
            ["--count", "0"],
            "--count must be at least 2, because an image's maps are compared with others'. Received: 0.",
        ),
        (["--data", "nowhere"], "There is no dataset 'nowhere'"),
        (["--boxes", "nowhere.json", "--only", "memory", "guided"], "Received: --only memory guided."),
        (["--boxes", "nowhere.json"], "nowhere.json should be a JSON file of boxes, but cannot be read"),
        (
            ["--layer", "conv9", "--only", "memory", "filters"],
            "--layer is for gradcam, guided, checks: leave it out, or name one of these behind --only. Received: "
            "--layer conv9 --only memory filters.",
        ),
        (["--layer", "conv9", "--only", "memory", "checks"], "There is no convolution 'conv9'"),
        (
            ["--only", "memory"],
            "has no images set apart from training to compare samples with; at least 400 are needed.",
        ),
    ],
)
def test_bad_input_gets_one_sentence(capsys, run, tmp_path, options, words):
    code, out, err = said(capsys, run.folder, "--data-dir", tmp_path, "--out", tmp_path / "page", *options)
    assert code == 2 and out == "" and words in err.splitlines()[-1]
    assert not (tmp_path / "page" / "index.html").exists()


@pytest.mark.parametrize("name", ANALYSES)
def test_a_layer_is_taken_for_every_section_that_explains_one_and_refused_for_every_other(
    capsys, run, tmp_path, monkeypatch, name
):
    section = inspect.getsource(importlib.import_module(ANALYSES[name][1].partition(":")[0]))
    assert ("subject.layer" in section) == (name in OF_A_LAYER)
    monkeypatch.setattr("utils.explain.subject.subject_for", lambda *_, **given: pytest.fail(given["layer"], False))
    asked = [run.folder, "--out", tmp_path / "page", "--only", name, "--layer"]
    if name in OF_A_LAYER:
        with pytest.raises(pytest.fail.Exception, match="^1$"):
            said(capsys, *asked, 1)
    else:
        code, out, err = said(capsys, *asked, 1)
        assert code == 2 and out == "" and err.count("\n") == 1 and f"Received: --layer 1 --only {name}." in err


def test_a_model_without_a_run_has_to_be_told_which_images(capsys, run, tmp_path):
    model = tmp_path / "models" / "discriminator.keras"
    model.parent.mkdir()
    model.write_bytes(run.model("discriminator").read_bytes())
    code, _, err = said(capsys, model)
    assert code == 2 and "belongs to no run, so say which images to show it: --data NAME|FOLDER." in err
    code, _, err = said(capsys, run.model("generator"), "--data", run.experiment.data.name)
    assert code == 2 and "must be a Sequential model from square RGB images to one score" in err


def test_features_are_read_layer_by_layer_beside_random_weights_and_pixels(run, tmp_path, monkeypatch):
    """Red and blue images: pixels tell them apart, so does every layer, and half are right by guessing."""
    colours = np.zeros((40, 32, 32, 3), np.uint8)
    labels = np.arange(40) % 2
    colours[labels == 0, ..., 0] = colours[labels == 1, ..., 2] = 200
    colours += np.random.default_rng(2).integers(0, 20, colours.shape, np.uint8)
    part = Part(Dataset("colours", "colours", colours, "f", labels=labels), np.arange(24))
    asked = Questions(("class",), part, colours[24:], labels[None, :24], labels[None, 24:])
    monkeypatch.setattr("utils.explain.sections.features.questions_for", lambda *a, **k: asked)
    networks = {name: load_network(run.model(name)) for name in ("generator", "discriminator")}
    data = dataclasses.replace(part.dataset, name=run.experiment.data.name)
    subject = Subject("a model", data=data, experiment=run.experiment, count=2, **networks)
    (section,) = explain(subject, tmp_path, ("features",))
    assert section.findings[0].measured.startswith("right for 100.0% [100.0%, 100.0%]")
    assert "random weights: 100.0%" in section.findings[0].control
    assert section.findings[0].control.endswith("pixels: 100.0%; the most frequent: 50.0%")
    (table,) = section.tables.values()
    assert [row["attribute"] for row in table] == ["class"] and table[0]["the most frequent"] == "50%"
    assert section.pictures[0].file.parent == tmp_path and section.pictures[0].file.stat().st_size > 1000
    others = dataclasses.replace(subject, data=dataclasses.replace(data, name="other"))
    with pytest.raises(InputError, match="Features are read on the images that the discriminator was trained on"):
        explain(others, tmp_path, ("features",))


def test_memory_compares_with_the_images_that_evaluate_takes(run, tmp_path, monkeypatch):
    """Own pictures have one split; those behind the ones trained on were not seen."""
    random = np.random.default_rng(2)
    images, pictures = random.integers(0, 256, (700, 32, 32, 3), np.uint8), tmp_path / "many.npz"
    np.savez(pictures, images=images)
    experiment = replace(run.experiment, name=str(pictures), count=100, rules=1)  # the first 100
    trained = TrainedNetwork("a model", run.model("discriminator"), tmp_path, experiment=experiment)
    subject = subject_for(trained, count=4, data_dir=tmp_path)
    np.testing.assert_array_equal(subject.data.images, images[100:])

    nearly_all = replace(run.experiment, name=str(pictures), count=699, rules=1)
    few = TrainedNetwork("a model", run.model("discriminator"), tmp_path, experiment=nearly_all)
    with pytest.raises(InputError, match="many has 1 image set apart from training .*; at least 400 are needed"):
        explain(subject_for(few, count=4, data_dir=tmp_path), tmp_path / "page", ("memory",))

    class Asked(Exception):
        pass

    def memorisation(generator, discriminator, trained_on, held_out_images, **_):
        raise Asked(np.array_equal(trained_on, images[:100]), np.array_equal(held_out_images, images[100:500]))

    monkeypatch.setattr("utils.explain.sections.memory.memorisation", memorisation)
    monkeypatch.setattr("utils.explain.sections.memory.extractor_for", lambda *_, **__: None)
    with pytest.raises(Asked) as asked:
        explain(subject, tmp_path / "page", ("memory",))
    assert asked.value.args == (True, True)


def test_held_out_images_of_a_kind_that_was_left_out_of_training_are_nobodys_neighbours(run, tmp_path, monkeypatch):
    """Else samples, which have none of that kind either, would lie nearer to training images than they do."""
    experiment = replace(run.experiment, name="faces", count=64, without=("hat",))
    trained = TrainedNetwork("a model", run.model("discriminator"), tmp_path, experiment=experiment)
    subject = subject_for(trained, count=4, data_dir=tmp_path)
    hats = subject.data.attributes[:, list(subject.data.attribute_names).index("hat")] == 1
    assert hats.any()
    with_hats = {image.tobytes() for image in np.asarray(subject.data.images)[hats]}

    class Asked(Exception):
        pass

    def memorisation(generator, discriminator, trained_on, held_out_images, **_):
        raise Asked(len(held_out_images), sum(image.tobytes() in with_hats for image in held_out_images))

    monkeypatch.setattr("utils.explain.sections.memory.memorisation", memorisation)
    monkeypatch.setattr("utils.explain.sections.memory.extractor_for", lambda *_, **__: None)
    with pytest.raises(Asked) as asked:
        explain(subject, tmp_path / "page", ("memory",))
    assert asked.value.args[0] >= 300 and asked.value.args[1] == 0


@pytest.mark.parametrize("joined", [True, False])
def test_a_discriminator_that_sees_both_kinds_in_one_batch_is_fixed_on_both(run, joined):
    experiment = replace(run.experiment, batch_norm="on", discriminator_updates="joint", join_batches=joined)
    build = {"generator": build_generator, "discriminator": build_discriminator}
    networks = {name: builder(experiment.model) for name, builder in build.items()}
    random = np.random.default_rng(0)
    data = Dataset("noise", "noise", random.integers(0, 256, (40, 32, 32, 3), np.uint8), "f")
    subject = Subject("a model", data=data, experiment=experiment, count=4, **networks)
    of_true, of_fake = (each.logits(subject.true) for each in (subject.fixed, subject.fixed_for_fake))
    assert np.allclose(of_true, of_fake) == joined
