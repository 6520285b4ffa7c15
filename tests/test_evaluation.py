"""Feature spaces, held-out images, and the distance of a generator; `./dcgan evaluate`."""

import hashlib
import json
import re
import shutil
from dataclasses import replace as with_fields
from pathlib import Path
from types import SimpleNamespace

import cv2
import genuine
import keras
import numpy as np
import pytest
from commands import said
from PIL import Image

from utils import models, runtime
from utils.cli import walk
from utils.cli.walk import Walk
from utils.config import DataConfig, preset, replace
from utils.data import load, load_for, scale, scale_back
from utils.data.catalogue import find_source
from utils.data.dedup import deduplicated
from utils.errors import InputError
from utils.evaluation import evaluation, features, judge
from utils.evaluation.distances import frechet_at_infinity
from utils.evaluation.evaluation import origin_of
from utils.evaluation.features import Extractor, classifier, extractor_for, inception, train_classifier
from utils.evaluation.held_out import held_out, true_images_for, unseen
from utils.evaluation.names import names_for
from utils.evaluation.neighbourhoods import neighbourhoods
from utils.evaluation.passport import INTERVAL, Origin, Passport
from utils.evaluation.quality import Quality, distance, quality_for
from utils.evaluation.records import kept, read_record
from utils.explain import subject
from utils.features.comparison import split_for
from utils.features.sizes import SIZES, expect_enough
from utils.files import digest, write_json
from utils.models import build_discriminator, build_generator, weights_digest
from utils.networks import TrainedNetwork, find_network
from utils.runs import Run
from utils.sampling import Sampler, fake_samples_generator, make_latent_samples
from utils.studies import cross_domain
from utils.studies.ladder import LadderStudy, _true_images
from utils.viz import write_png


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Where datasets are."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module", autouse=True)
def brief():
    """Classifiers that learn for a second or two, and no network that knows ImageNet, installed or not."""

    def without_imagenet(dataset, size, *, features, **options):
        if features == "imagenet":
            raise InputError("Its weights are not installed.")
        return extractor_for(dataset, size, features=features, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "extractor_for", without_imagenet)
        patch.setattr(features, "EPOCHS", 0)
        patch.setattr(features, "LEAST_UPDATES", 60)
        patch.setattr(features, "BATCH_SIZE", 64)
        yield


@pytest.fixture(scope="module")
def faces(home):
    """800 to learn from and 400 more."""
    both = load("faces", 32, 1200, data_dir=home, progress=False)
    parts = slice(0, 800), slice(800, None)
    return tuple(with_fields(both, images=both.images[p], attributes=both.attributes[p]) for p in parts)


@pytest.fixture(scope="module")
def trained(faces):
    """A classifier of them, and its card."""
    return train_classifier(*faces, progress=False)


@pytest.fixture(scope="module")
def squares(home):
    """240 pictures in the file of a user, of two classes: a square that is red or blue, on noise. In order of class."""
    random = np.random.default_rng(0)
    images = random.integers(0, 80, (240, 16, 16, 3), np.uint8)
    labels = np.repeat([0, 1], 120)
    for image, label, (top, left) in zip(images, labels, random.integers(0, 8, (240, 2))):
        image[top : top + 8, left : left + 8, 2 * label] = 255
    np.savez(home / "squares.npz", images=images, labels=labels, label_names=np.array(["red", "blue"]))
    return home / "squares.npz"


# --- feature spaces ---------------------------------------------------------------------------------------------------


def test_the_card_tells_the_accuracy_on_images_set_apart_beside_that_of_the_most_frequent_answer(faces, trained):
    network, card = trained
    test = faces[1]
    assert card["name"] == "classifier of the built-in faces, 13 attributes"
    assert card["images"] == 800 and card["held_out_images"] == 400 and len(card["accuracies"]) == 13
    right = (np.asarray(network(scale(np.asarray(test.images)))) > 0) == test.attributes
    assert card["accuracy"] == pytest.approx(right.mean(), abs=1e-4)
    share = test.attributes.mean(0)
    assert card["accuracy_of_the_most_frequent_answer"] == pytest.approx(np.maximum(share, 1 - share).mean(), abs=1e-4)
    assert card["accuracy"] > card["accuracy_of_the_most_frequent_answer"] + 0.05


def test_distances_grow_with_blur_with_noise_and_with_lack_of_variety(faces, trained):
    extractor = features._extractor(*trained)
    true, others = np.asarray(faces[1].images), np.asarray(faces[0].images[:400])
    noise = np.random.default_rng(0).standard_normal(others.shape)

    def noisy(deviation):
        return np.clip(others + deviation * noise, 0, 255).astype(np.uint8)

    def blurred(deviation):
        return np.stack([cv2.GaussianBlur(image, (0, 0), deviation) for image in others])

    floor = distance(others, true, extractor)
    assert floor.kernel.low < 0 < floor.kernel.high
    for worse in (
        [blurred(0.5), blurred(1), blurred(2)],
        [noisy(15), noisy(30), noisy(60)],
        [others[np.arange(400) % different] for different in (100, 10, 1)],
    ):
        found = [floor, *(distance(images, true, extractor) for images in worse)]
        for measure in ("kernel", "frechet"):
            values = [getattr(d, measure).value for d in found]
            assert values == sorted(values) and len(set(values)) == 4, values
        assert found[1].kernel.value > floor.kernel.high


def test_own_pictures_with_labels_get_a_classifier_of_their_own_that_is_kept(squares, home, monkeypatch, capsys):
    said_before = []

    def reading(*arguments, **options):
        said_before.append(capsys.readouterr().err)
        return load(*arguments, **options)

    monkeypatch.setattr(features, "load", reading)
    first = extractor_for(squares, 16, data_dir=home)
    # Images may take minutes to draw or to read: what they are for is said before.
    assert "First a classifier of squares is trained, once: distances are measured in" in said_before[0]
    assert re.search(r"60 updates: about \d+ s on .+, as busy as it is\.", capsys.readouterr().err)
    assert first.name == "classifier of squares, 2 classes"
    # A fifth is set apart, of both classes though the file is in their order.
    assert first.card["images"] == 192 and first.card["held_out_images"] == 48
    assert first.card["accuracy"] > 0.95 and first.card["accuracy_of_the_most_frequent_answer"] < 0.75
    images = load(squares, 16, data_dir=home, progress=False).images
    vectors = first(images)
    assert vectors.shape == (240, features.FEATURES) and vectors.dtype == np.float32
    np.testing.assert_allclose(first(images[100:103]), vectors[100:103], rtol=1e-4, atol=1e-5)

    monkeypatch.setattr(features, "train_classifier", None)  # the second time nothing is trained
    again = extractor_for(squares, 16, data_dir=home, progress=False)
    assert again.fingerprint == first.fingerprint
    np.testing.assert_array_equal(again(images), vectors)


@pytest.mark.parametrize(
    ("images", "size", "words"),
    [
        (240, 16, "With 240 images of 16x16 pixels that takes about 3 s on two cores of"),
        (60_000, 16, "With 50,000 images of 16x16 pixels that takes about 11 s on two cores of"),
        (60_000, 64, "With 50,000 images of 64x64 pixels that takes about 2 min 30 s on two cores of"),
    ],
)
def test_how_long_a_classifier_takes_is_said_before_an_image_is_read_and_before_its_first_update(
    images, size, words, tmp_path, monkeypatch, capsys
):
    def reading(*_, **__):
        raise InterruptedError("the images are asked for")

    there = find_source("faces", size, data_dir=tmp_path).describe()
    for name, value in {"EPOCHS": 6, "LEAST_UPDATES": 300, "BATCH_SIZE": 128, "load": reading}.items():
        monkeypatch.setattr(features, name, value)
    monkeypatch.setattr(features, "_described", lambda *_: with_fields(there, count=images))
    with pytest.raises(InterruptedError, match="asked for"):
        classifier("faces", size, seed=1, data_dir=tmp_path)  # with a seed whose classifier does not come along
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("First a classifier of ") and words in said


def test_a_judge_says_which_class_larger_pictures_show_by_the_kept_classifier(squares, home, monkeypatch):
    monkeypatch.setattr(judge, "SIDE", 16)
    sees = judge.judge_for(squares, 64, data_dir=home, progress=False)
    assert sees.names == ("red", "blue") and sees.name == "classifier of squares, 2 classes"
    images = load(squares, 16, data_dir=home, progress=False).images[[0, 1, 130, 131]]
    large = images.repeat(4, 1).repeat(4, 2)
    logits = np.asarray(features.kept_classifier(squares, 16, data_dir=home, progress=False)[0](scale(images)))
    np.testing.assert_allclose(sees(large)[:, 0], logits[:, 0] - logits[:, 1], rtol=1e-3, atol=1e-3)
    assert (sees.shown(large) == [[True, False]] * 2 + [[False, True]] * 2).all()
    np.testing.assert_array_equal(sees.space(large), extractor_for(squares, 16, data_dir=home, progress=False)(images))


def test_a_kept_classifier_that_was_changed_is_refused(squares, home, tmp_path):
    classifier(squares, 16, data_dir=home, progress=False)
    (kept,) = (home / "features").glob("*squares*")
    copy = shutil.copytree(kept, tmp_path / "features" / kept.name)
    card = json.loads((copy / "card.json").read_text())
    (copy / "card.json").write_text(json.dumps(card | {"fingerprint": "0"}))
    with pytest.raises(InputError, match="was changed after its classifier was trained: delete that folder"):
        classifier(squares, 16, data_dir=tmp_path, progress=False)
    (copy / "classifier.keras").write_bytes(b"no network")
    with pytest.raises(InputError, match="delete that folder"):
        classifier(squares, 16, data_dir=tmp_path, progress=False)


@pytest.mark.parametrize(("dataset", "size"), [("faces", 32), ("faces", 64), ("house_numbers", 32)])
def test_the_classifiers_of_the_built_in_sets_come_with_the_project(dataset, size, tmp_path, monkeypatch):
    """It fails when their images are drawn otherwise: then they are to be trained anew."""
    monkeypatch.setattr(features, "train_classifier", None)
    network, card = features.kept_classifier(dataset, size, data_dir=tmp_path, progress=False)
    assert not (tmp_path / "features").exists() and card["accuracy"] > 0.99
    apart = held_out(dataset, size, 200, data_dir=tmp_path, progress=False)
    logits = np.asarray(network(scale(np.asarray(apart.images)), training=False))
    if apart.labels is None:
        assert np.mean((logits > 0) == apart.attributes) > 0.99
    else:
        assert np.mean(logits.argmax(1) == apart.labels) > 0.95


def test_pictures_of_which_nothing_is_known_are_judged_by_the_classifier_of_the_built_in_faces(
    tmp_path, home, monkeypatch
):
    np.save(tmp_path / "unknown.npy", np.zeros((300, 16, 16, 3), np.uint8))
    asked = []
    monkeypatch.setattr(features, "classifier", lambda dataset, size, **_: asked.append((dataset, size)))
    extractor_for(tmp_path / "unknown.npy", 16, data_dir=home)
    extractor_for(tmp_path / "unknown.npy", 16, features="house_numbers", data_dir=home)
    extractor_for("house_numbers", 24, data_dir=home)
    assert asked == [("faces", 16), ("house_numbers", 16), ("house_numbers", 24)]
    monkeypatch.undo()
    with pytest.raises(InputError, match="unknown.npy.* neither labels of classes nor attributes"):
        extractor_for("faces", 16, features=str(tmp_path / "unknown.npy"), data_dir=home)


def known_of(kind, folder):
    """Own pictures of which something is known, and where they are."""
    if "folder" in kind:  # the second class is nowhere, or in the test split only
        animals = {"a folder": ["cat", "dog"], "a folder of one class to train on": ["cat"]}[kind]
        for place in [f"train/{animal}" for animal in animals] + ["test/cat", "test/dog"]:
            (folder / "pets" / place).mkdir(parents=True)
            for number in range(4):
                Image.new("RGB", (16, 16)).save(folder / "pets" / place / f"{number}.png")
        return folder / "pets"
    rows, names = np.arange(8), np.array(["hat"])
    known = {
        "classes": {"labels": rows % 2},
        "numbers of classes with gaps": {"labels": 1000 * (rows % 2)},
        "attributes": {"attributes": rows[:, None] % 2, "attribute_names": names},
        "one class": {"labels": np.full(8, 3)},
        "one class of two names": {"labels": np.ones(8, int), "label_names": np.array(["cat", "dog"])},
        "dates": {"labels": 20240101 + rows},
        "equal attributes": {"attributes": np.ones((8, 1), int), "attribute_names": names},
    }[kind]
    np.savez(folder / "mine.npz", images=np.zeros((8, 16, 16, 3), np.uint8), **known)
    return folder / "mine.npz"


@pytest.mark.parametrize("kind", ["classes", "numbers of classes with gaps", "attributes", "a folder"])
def test_own_pictures_that_classes_or_attributes_tell_apart_are_judged_by_their_own_classifier(
    kind, tmp_path, monkeypatch
):
    asked, mine = [], known_of(kind, tmp_path)
    monkeypatch.setattr(features, "LEAST_IMAGES", 4)
    monkeypatch.setattr(features, "classifier", lambda dataset, size, **_: asked.append((dataset, size)))
    extractor_for(mine, 16)
    assert asked == [(str(mine), 16)]


@pytest.mark.parametrize(
    "kind",
    ["one class", "one class of two names", "dates", "equal attributes", "a folder of one class to train on"],
)
def test_what_tells_no_images_apart_or_is_no_number_of_a_class_makes_no_classifier(kind, tmp_path, monkeypatch):
    asked, mine = [], known_of(kind, tmp_path)
    monkeypatch.setattr(features, "LEAST_IMAGES", 4)
    monkeypatch.setattr(features, "train_classifier", lambda *_, **__: pytest.fail("it is trained"))
    with pytest.raises(InputError, match="neither labels of classes nor attributes that tell its images apart"):
        classifier(mine, 16, data_dir=tmp_path, progress=False)
    monkeypatch.setattr(features, "classifier", lambda dataset, size, **_: asked.append((dataset, size)))
    extractor_for(mine, 16)
    assert asked == [("faces", 16)]


def test_where_attributes_are_asked_for_it_is_these_that_have_to_differ(tmp_path, monkeypatch):
    known = {"labels": np.arange(8) % 2, "attributes": np.ones((8, 1), int), "attribute_names": np.array(["hat"])}
    np.savez(tmp_path / "mine.npz", images=np.zeros((8, 16, 16, 3), np.uint8), **known)
    monkeypatch.setattr(features, "LEAST_IMAGES", 4)
    with pytest.raises(InputError, match="There is no classifier of"):
        classifier(tmp_path / "mine.npz", 16, attributes=True, data_dir=tmp_path, progress=False)


@pytest.mark.parametrize(
    ("split", "trained_on", "words"),
    [
        ("test", False, "held-out images of squares"),
        ("test", True, "images of squares, which it was trained on"),
        ("test", "unknown", "images of squares, which it may have been trained on"),
        ("train", False, "held-out images of squares, which the judge may have learnt from"),
        ("all", True, "images of squares, which it was trained on and the judge may have learnt from"),
    ],
)
def test_of_true_images_it_is_said_who_has_learnt_from_them(squares, home, split, trained_on, words):
    true = with_fields(load(squares, 16, data_dir=home, progress=False), split=split)
    assert judge.true_in_words(true, trained_on) == words


def test_a_classifier_of_a_folder_is_anothers_once_a_split_brings_another_class(tmp_path):
    """It learns from train/ alone, but classes are numbered over all splits."""

    def home():
        return features._home(tmp_path, features._described(tmp_path, 16, "leave_out", tmp_path / "data"), 16)

    for name in ("train/cat", "train/dog", "test/cat"):
        (tmp_path / name).mkdir(parents=True)
        for number in range(3):
            write_png(tmp_path / name / f"{number}.png", np.full((16, 16, 3), 40 * number + len(name), np.uint8))
    before = home()
    assert home() == before
    (tmp_path / "test" / "bird").mkdir()
    write_png(tmp_path / "test" / "bird" / "0.png", np.full((16, 16, 3), 200, np.uint8))
    assert home() != before


def test_of_a_dataset_whose_images_to_learn_from_are_not_there_there_is_no_classifier(monkeypatch, tmp_path):
    monkeypatch.setattr("utils.data.catalogue.Entry.available", lambda self, data_dir=None: ("val",))
    assert features._has_classifier("lsun_bedroom", 64, tmp_path) is False


def test_the_digest_of_a_network_is_that_of_the_file_it_was_loaded_from_also_while_a_training_writes(
    tmp_path, monkeypatch
):
    file, loaded = tmp_path / "generator.keras", []

    def load(path):
        loaded.append(file.read_bytes())
        if len(loaded) == 1:
            file.write_bytes(b"newer")
        return loaded[-1]

    file.write_bytes(b"older")
    monkeypatch.setattr(models, "load_generator", load)
    assert models.load_with_digest(file) == (b"newer", hashlib.sha256(b"newer").hexdigest())


def test_a_classifier_repeats_its_bits_with_its_seed_in_full_precision_whatever_a_training_asked_for(squares, home):
    first = classifier(squares, 16, data_dir=home, progress=False)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network, card = train_classifier(load(squares, 16, data_dir=home, progress=False), progress=False)
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy(before)
    assert {layer.compute_dtype for layer in network.layers} == {"float32"}
    assert card == first.card and card["fingerprint"] == first.fingerprint == weights_digest(network)
    one, other = (weights_digest(features._build(16, 2, seed)) for seed in (0, 1))
    assert one != other


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((4, 16, 16, 3), np.float32),
        np.zeros((0, 16, 16, 3), np.uint8),
        np.zeros((4, 24, 24, 3), np.uint8),
        np.zeros((16, 16, 3), np.uint8),
    ],
)
def test_images_that_do_not_fit_are_refused_in_one_sentence(images):
    network = features._build(16, 2, seed=0)
    extractor = features._extractor(network, {"name": "classifier of x", "fingerprint": "", "size": 16})
    with pytest.raises(InputError, match=f"of shape \\(N, 16, 16, 3\\).*Received: {images.dtype}"):
        extractor(images)


def test_inception_gives_2048_features_of_images_of_any_size():
    extractor = inception(weights=None)
    small = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    vectors = extractor(small)
    assert vectors.shape == (2, 2048) and np.isfinite(vectors).all() and vectors.std() > 0
    large = np.stack([cv2.resize(image, (299, 299), interpolation=cv2.INTER_LINEAR) for image in small])
    np.testing.assert_allclose(extractor(large), vectors, rtol=1e-5)


def test_inception_without_a_network_is_answered_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(tmp_path))  # nothing was downloaded before
    monkeypatch.setattr("urllib.request._opener", None)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody listens there
    with pytest.raises(InputError, match="Inception's weights cannot be had .*refused.*--features auto") as refused:
        extractor_for("faces", 32, features="inception")
    assert "\n" not in str(refused.value)


# --- true images ------------------------------------------------------------------------------------------------------


def test_held_out_images_are_of_the_test_split_and_of_the_choices_that_were_trained_on(home):
    apart = held_out("faces", 16, 60, choices="correlated", data_dir=home, progress=False)
    assert apart.split == "test" and len(apart) == 60
    long_hair, beard = (apart.attributes[:, apart.attribute_names.index(name)] for name in ("long_hair", "beard"))
    assert long_hair.any() and beard.any() and not (long_hair & beard).any()
    trained = load("faces", 16, 60, choices="correlated", data_dir=home, progress=False)
    assert not {image.tobytes() for image in apart.images} & {image.tobytes() for image in trained.images}


def test_own_pictures_are_compared_with_those_that_were_not_trained_on_else_with_these(squares, home):
    def rows(images):
        return [image.tobytes() for image in np.asarray(images)]

    everything = load(squares, 16, data_dir=home, progress=False).images
    trained = load(squares, 16, 100, data_dir=home, progress=False).images
    apart = true_images_for(DataConfig(str(squares), count=100), 16, 90, data_dir=home, progress=False)
    assert len(apart.images) == 90 and set(rows(apart.images)) <= set(rows(everything)) - set(rows(trained))
    assert not apart.seen and apart.about == "images of squares that it was not trained on"
    for count, words, given in (
        (None, "that it was trained on", everything),
        (200, "that it was trained on", load(squares, 16, 200, data_dir=home, progress=False).images),
        (60, "that it was in part trained on", load(squares, 16, 190, data_dir=home, progress=False).images),
    ):
        seen = true_images_for(DataConfig(str(squares), count=count), 16, 190, data_dir=home, progress=False)
        np.testing.assert_array_equal(seen.images, given)
        assert seen.seen == ("60 of 190" if count == 60 else True) and seen.about == f"images of squares {words}"
    for trained_on, about, seen in ((False, "", False), (None, ", which it may have been trained on", "unknown")):
        other = true_images_for(DataConfig(str(squares)), 16, 190, trained_on=trained_on, data_dir=home, progress=False)
        np.testing.assert_array_equal(other.images, everything)
        assert other.about == f"images of squares{about}" and other.seen == seen
    with pytest.raises(InputError, match="300 true images are needed. Received: .*which has 240"):
        true_images_for(DataConfig(str(squares)), 16, 300, data_dir=home)


def test_what_a_model_has_not_seen_is_one_answer(squares, home):
    """Another split, else those that are not among the ones trained on; with all that is known of them."""
    places = {"data_dir": home, "progress": False}
    everything, trained = load(squares, 16, **places), load(squares, 16, 100, **places)
    label_of = {image.tobytes(): label for image, label in zip(everything.images, everything.labels)}
    apart = unseen(DataConfig(str(squares), count=100), 16, 90, **places)
    assert not {image.tobytes() for image in apart.images} & {image.tobytes() for image in trained.images}
    assert len(apart) == 90 and [label_of[image.tobytes()] for image in apart.images] == apart.labels.tolist()
    assert apart.label_names == everything.label_names
    drawn = load(squares, 16, 190, **places)  # no copies are among them, so they are what they always were
    np.testing.assert_array_equal(apart.images, drawn.images[100:])
    named = f"{drawn.fingerprint} rows slice(100, None, None)"
    assert apart.fingerprint == hashlib.sha256(named.encode()).hexdigest()
    old = unseen(DataConfig(str(squares), count=100, rules=1), 16, 90, **places)
    np.testing.assert_array_equal(old.images, everything.images[100:190])
    assert len(unseen(DataConfig(str(squares), count=100), 16, 900, **places)) == 140
    for count in (None, 240):
        assert unseen(DataConfig(str(squares), count=count), 16, 90, **places) is None
    assert unseen(DataConfig("faces", count=50), 16, 60, **places).split == "test"


@pytest.fixture
def pets(tmp_path):
    """A folder with splits: 8 pictures of two classes to train on, 6 to test with, of which one is too small."""
    for split, count in (("train", 8), ("test", 6)):
        for number in range(count):
            path = tmp_path / "pets" / split / ("cat", "dog")[number % 2] / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            side = 9 if (split, number) == ("test", 3) else 16
            random = np.random.default_rng([number, split == "test"])
            Image.fromarray(random.integers(0, 256, (side, side, 3), np.uint8)).save(path)
    return tmp_path / "pets"


def test_own_pictures_with_a_test_split_are_compared_with_that(pets, tmp_path):
    places = {"data_dir": tmp_path / "data", "progress": False}
    apart = true_images_for(DataConfig(str(pets)), 16, 5, **places)
    assert not apart.seen and apart.about == "held-out images (pets)"
    test = load(pets, 16, split="test", **places).images
    assert {image.tobytes() for image in apart.images} == {image.tobytes() for image in test}
    assert len(true_images_for(DataConfig(str(pets), small="enlarge"), 16, 6, **places).images) == 6
    assert held_out(pets, 16, trained_on="test", **places).split == "train"
    assert held_out(pets, 16, trained_on="all", **places) is None


def test_files_of_train_that_are_in_test_too_are_not_held_out(pets, tmp_path, capsys):
    places, test = {"data_dir": tmp_path / "data", "progress": False}, set(pixels(pets, tmp_path, "test"))
    for number in range(4):  # among the first, by name
        name = f"{number}.png"
        shutil.copy(pets / "train" / ("cat", "dog")[number % 2] / name, pets / "test" / "cat" / f"0 copy {name}")
    trained = set(pixels(pets, tmp_path, "train"))
    apart = true_images_for(DataConfig(str(pets)), 16, 5, **places)
    assert {image.tobytes() for image in apart.images} == test and not test & trained
    about = re.fullmatch(r"held-out images \(pets\)(, exact copies of images to train on left out: [1-4])", apart.about)
    assert apart.seen is False and apart.dedup == "copies of images to train on"
    assert unseen(DataConfig(str(pets)), 16, 5, data_dir=tmp_path / "data").fingerprint == apart.fingerprint
    assert f"Held-out images of {pets}{about[1]}.\n" in capsys.readouterr().err
    for wanted in (1, 3):  # others take the place of copies
        few = unseen(DataConfig(str(pets)), 16, wanted, **places)
        assert len(few) == len(few.labels) == wanted and {image.tobytes() for image in few.images} <= test
    part = unseen(DataConfig(str(pets), count=2), 16, 90, **places)  # copies of what is not trained on may stay
    first_two = {image.tobytes() for image in load(pets, 16, 2, **places).images}
    assert {image.tobytes() for image in part.images} == set(pixels(pets, tmp_path, "test")) - first_two
    assert len(part) > 5
    shutil.rmtree(pets / "test")
    shutil.copytree(pets / "train", pets / "test")
    assert unseen(DataConfig(str(pets)), 16, 5, **places) is None


def pixels(folder, tmp_path, split):
    """Of each picture of a split."""
    return [image.tobytes() for image in load(folder, 16, split=split, data_dir=tmp_path / "data").images]


@pytest.fixture
def repeated(tmp_path):
    """120 pictures in the file of a user: 80 different ones, of which 40 are there twice."""
    images = np.random.default_rng(0).integers(0, 256, (80, 16, 16, 3), np.uint8)
    np.savez(tmp_path / "repeated.npz", images=np.concatenate([images, images[:40]]))
    return str(tmp_path / "repeated.npz")


@pytest.mark.parametrize("dedup", ["off", "exact", "near"])
def test_no_copy_of_an_image_trained_on_is_among_those_behind_it(repeated, tmp_path, dedup):
    places = {"data_dir": tmp_path / "data", "progress": False}
    data = DataConfig(repeated, count=60, dedup=dedup)
    trained, everything = (
        [image.tobytes() for image in load(repeated, 16, count, **places).images] for count in (60, 120)
    )
    rows = [row for row, image in enumerate(everything[60:]) if image not in trained]
    fresh = [everything[60 + row] for row in rows]
    assert 20 < len(fresh) < 60 and any(image in trained for image in everything[60:80])
    for wanted in (20, 60):
        apart = unseen(data, 16, wanted, **places)
        assert [image.tobytes() for image in apart.images] == fresh[:wanted]
    true = true_images_for(data, 16, 20, **places)
    told = f"that it was not trained on, exact copies of images to train on left out: {rows[19] - 19}"
    assert true.about == f"images of repeated {told}"
    assert true.seen is False and true.dedup == "copies of images to train on"
    assert true.fingerprint == unseen(data, 16, 20, **places).fingerprint


def test_true_images_of_a_training_without_repeats_are_without_repeats_too(repeated, tmp_path):
    places = {"data_dir": tmp_path / "data", "progress": False}
    data = DataConfig(repeated, dedup="exact")
    true = true_images_for(data, 16, 80, **places)
    assert true.seen is True and true.dedup == "exact"
    assert true.about == "images of repeated without duplicates (exact) that it was trained on"
    trained = deduplicated(load(repeated, 16, **places), "exact", tmp_path / "data" / "prepared", progress=False)
    assert true.fingerprint == trained.fingerprint and len(true.images) == 80
    with_repeats = true_images_for(data, 16, 81, **places)  # there are not so many without
    assert len(with_repeats.images) == 120 and with_repeats.dedup == "off"
    extractor = Extractor("pixels", "f" * 64, {}, lambda images: images.reshape(len(images), -1)[:, :5].astype(float))
    assert Quality(true, extractor, samples=40).measure(true.images[:40]).passport.dedup == "exact"
    assert true_images_for(DataConfig(repeated), 16, 80, **places).dedup == "off"


def test_pictures_that_cannot_be_used_do_not_count_among_the_true_images_there_are(pets, tmp_path):
    places = {"data_dir": tmp_path / "data", "progress": False}
    only_test = DataConfig(str(pets / "test"), count=2)
    apart = true_images_for(only_test, 16, 3, **places)
    assert not apart.seen and len(apart.images) == 3
    for asked in (6, 7):  # there are 6 files
        with pytest.raises(InputError, match=f"{asked} true images are needed. Received: .*which has 5"):
            true_images_for(DataConfig(str(pets / "test")), 16, asked, **places)


# --- a generator ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(home, squares):
    """A run on half of the squares that ended before it learned anything."""
    experiment = replace(preset("report32"), name=str(squares), count=120, batch_size=8, width=0.0625)
    experiment = replace(experiment, image_size=16, generator={"start": 2})
    fingerprint = load_for(experiment, home, False).fingerprint
    run = Run.create(experiment, {"images": 120, "fingerprint": fingerprint}, home / "runs")
    for name, build in (("generator", build_generator), ("discriminator", build_discriminator)):
        run.model(name).parent.mkdir(exist_ok=True)
        build(experiment.model).save(run.model(name))
    return run


def test_quality_is_the_distance_of_the_samples_to_one_half_of_the_true_images(run, squares, home):
    extractor = classifier(squares, 16, data_dir=home, progress=False)
    true = load(squares, 16, data_dir=home, progress=False).images
    quality = Quality(true, extractor, samples=120, seed=5)
    generator = keras.saving.load_model(run.model("generator"), compile=False)
    fake = scale_back(fake_samples_generator(generator, make_latent_samples(120, 100, 5))[0])
    assert quality.of(Sampler(generator, 100)) == quality.of_images(fake)
    assert quality.of_images(fake).plain()["space"] == "classifier of squares, 2 classes"
    floor = quality.floor()
    assert floor.kernel.low < 0 < floor.kernel.high < quality.of_images(fake).kernel.low
    assert floor == Quality(true, extractor, 120, seed=5).floor() != Quality(true, extractor, 120, seed=6).floor()
    with pytest.raises(InputError, match="at most half of the 240 held-out images.*Received: 121"):
        Quality(true, extractor, samples=121)


def test_experiments_are_measured_against_another_split_of_the_choices_they_train_on(run, home, monkeypatch):
    monkeypatch.setattr(features, "classifier", lambda *_, **__: lambda images: np.asarray(images).reshape(-1, 768))
    experiment = replace(run.experiment, name="faces", choices="correlated", count=30)
    quality = quality_for(experiment, home, samples=30, progress=False)
    apart = held_out("faces", 16, 60, choices="correlated", data_dir=home, progress=False).images.reshape(60, 768)
    rows = np.concatenate([quality.true, quality._other_true])
    assert sorted(row.tobytes() for row in rows) == sorted(row.tobytes() for row in np.asarray(apart))
    with pytest.raises(InputError, match="squares.npz has no 160 images set apart from training"):
        quality_for(run.experiment, home, samples=80)
    beside = quality_for(run.experiment, home, samples=60, progress=False)  # it was trained on half of them
    everything, trained = (
        {row.tobytes() for row in load(run.experiment.data.name, 16, count, data_dir=home, progress=False).images}
        for count in (None, 120)
    )
    rows = {row.tobytes() for row in np.concatenate([beside.true, beside._other_true]).astype(np.uint8)}
    assert len(rows) == 120 and rows == everything - trained


def test_what_was_measured_is_kept_where_what_comes_after_it_is_stopped(capsys, run, home, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    run.quality_file.unlink(missing_ok=True)
    with monkeypatch.context() as patch:
        patch.setattr("utils.cli.evaluate._asked", stop)
        code, _, err = said(capsys, "evaluate", run.folder, "--samples", 60, "--data-dir", home)
    assert code == 130 and err.endswith("dcgan: stopped.\n")
    assert json.loads(run.quality_file.read_text())["samples"] == 60
    run.quality_file.unlink()


def test_evaluate_prints_the_distance_beside_the_floor(capsys, run, home):
    code, out, err = said(capsys, "evaluate", run.folder, "--samples", 60, "--data-dir", home, "--json")
    assert code == 0, err
    record = json.loads(out)
    assert record["true_images"] == "images of squares that it was not trained on"
    assert record["spaces"][0]["accuracy"] > 0.9 and record["samples"] == 60
    distance = record["distance"]
    assert distance["floor"]["kernel"]["high"] < distance["kernel"]["low"]
    assert distance["frechet"]["samples"] == [60, 60]
    assert json.loads(run.quality_file.read_text()) == record == kept(find_network(str(run.folder), "generator"))

    keep = home / "kept.json"
    network = run.model("generator")
    code, out, _ = said(capsys, "evaluate", network, "--samples", 60, "--data-dir", home, "--out", keep)
    assert code == 0 and "in the features of the classifier of squares, 2 classes" in out
    lines = {line.split("  ")[0]: line for line in out.splitlines()}
    for side in (distance, distance["floor"]):
        assert f"{side['kernel']['value']:.4f}" in lines["kernel distance"]
        assert f"{side['recall']['value']:.3f}" in lines["recall"]
    assert "copies" not in out and read_record(keep)["distance"] == distance

    code, out, _ = said(capsys, "evaluate", run.folder, "--samples", 100, "--data-dir", home)
    assert code == 0 and "There are no 200 true images that it was not trained on" in out

    with np.load(run.experiment.data.name) as file:
        np.savez(home / "others.npz", **{name: file[name][::-1] for name in file.files})
    others = ("--samples", 100, "--data-dir", home, "--data", home / "others.npz")
    code, out, _ = said(capsys, "evaluate", run.folder, *others)
    assert code == 0 and "100 images of others\n" in out and "trained on" not in out
    alone = home / "alone.keras"
    shutil.copy(network, alone)
    code, out, _ = said(capsys, "evaluate", alone, *others, "--out", keep)
    assert code == 0 and "images of others, which it may have been trained on" in out and "It may have been" in out
    record = read_record(keep)
    assert record["true_images_trained_on"] == record["distance"]["passport"]["seen"] == "unknown"


@pytest.mark.parametrize("place", ["run", "file"])
def test_measuring_again_keeps_what_else_is_known_of_the_same_weights_and_of_no_others(
    capsys, run, home, tmp_path, monkeypatch, place
):
    mine = Run(shutil.copytree(run.folder, tmp_path / "runs" / "squares" / run.folder.name))
    file = mine.quality_file if place == "run" else tmp_path / "kept.json"
    interval = {"value": 0.5, "low": 0.4, "high": 0.6}
    space = {"kernel": interval, "space": "y", "fingerprint": "f", "floor": {"kernel": interval}}
    weights = digest(mine.model("generator"))

    def measure(trained, data, *, samples, **_):
        found = {"distance": space, "other_spaces": [], "true_images": "x", "true_images_trained_on": False}
        return {"generator_sha256": weights, "samples": samples, **found}

    monkeypatch.setattr(evaluation, "evaluate", measure)
    besides = {"combinations": {"missing": 3}, "asked": {"kind": "labels"}}
    for before, stays in ((weights, besides), ("0" * 64, {})):
        write_json(file, measure(None, None, samples=2_000) | {"generator_sha256": before} | besides)
        options = ("--data-dir", home, "--json", *(() if place == "run" else ("--out", file)))
        code, out, err = said(capsys, "evaluate", mine.folder, "--samples", 60, *options)
        assert code == 0 and json.loads(out) == measure(None, None, samples=60), err
        assert json.loads(file.read_text()) == json.loads(out) | stays


@pytest.mark.parametrize(
    ("agreement", "conditions"),
    [
        ("asked", {"conditions": "attributes", "condition_names": ("hat", "beard")}),
        ("texts", {"conditions": "text", "conditioning": "concatenation", "loss": "gan_cls"}),
    ],
)
def test_all_of_a_record_is_of_the_network_that_was_loaded_though_a_training_has_written_another_since(
    capsys, monkeypatch, tmp_path, home, agreement, conditions
):
    experiment = replace(preset("report32"), name="faces", count=60, batch_size=8, width=0.0625, **conditions)
    experiment = replace(experiment, image_size=16, generator={"start": 2})
    run = Run.create(experiment, {"images": 60, "fingerprint": ""}, tmp_path / "runs")
    file, measured, draw = run.model("generator"), [], Sampler.draw
    file.parent.mkdir()
    np.save(run.conditions_file, np.eye(2, experiment.model.condition_size, dtype=np.float32))
    own, other = (build_generator(experiment.model, seed) for seed in (0, 1))
    own.save(file)
    sha256 = digest(file)

    def extractors_for(*_, **__):  # a classifier may have to be trained first
        other.save(file)
        return [Extractor("x", "f" * 64, {}, lambda images: images.reshape(len(images), -1)[:, :5].astype(float))]

    def drawn(sampler, *how):
        measured.append(sampler.generator)
        return draw(sampler, *how)

    def seen(sampler, *_, **__):
        measured.append(sampler.generator)
        return SimpleNamespace(plain=lambda: {"samples": 40})

    monkeypatch.setattr(evaluation, "extractors_for", extractors_for)
    monkeypatch.setattr(evaluation, "encoder_beside", lambda file: None)
    monkeypatch.setattr(Sampler, "draw", drawn)
    for name in ("evaluation.asked_and_seen", "evaluation.texts_and_seen", "combinations.combinations_of"):
        monkeypatch.setattr(f"utils.evaluation.{name}", seen)
    for name in ("draw_texts", "draw_combinations"):
        monkeypatch.setattr(f"utils.evaluation.pictures.{name}", lambda *_: None)
    counted = [] if agreement == "texts" else ["--attributes"]
    options = (*counted, "--samples", 40, "--data-dir", home, "--json")
    code, _, err = said(capsys, "evaluate", run.folder, *options)
    assert code == 0, err
    record = json.loads(run.quality_file.read_text())
    assert record["generator_sha256"] == sha256 != digest(file)
    there = {"distance", agreement, *(["combinations"] if counted else [])}
    assert there < record.keys() and len(measured) == 2 + len(counted)
    for generator in measured:
        for weights, expected in zip(generator.get_weights(), own.get_weights(), strict=True):
            np.testing.assert_array_equal(weights, expected)


@pytest.mark.parametrize(
    ("count", "validation", "about"),
    [
        (100, True, "held-out images (ImageNet 32x32 val)"),
        (100, False, "images of ImageNet 32x32 that it was not trained on"),
        (240, False, "images of ImageNet 32x32 that it was trained on"),
    ],
)
def test_the_files_of_a_big_dataset_that_a_training_needs_are_enough_to_measure_what_it_learned(
    capsys, tmp_path, monkeypatch, count, validation, about
):
    monkeypatch.setattr(features, "TRAIN_COUNT", 220)
    monkeypatch.setattr(features, "LEAST_UPDATES", 1)
    random, there = np.random.default_rng(0), tmp_path / "imagenet32"
    for split, images in (("train", 2_500), ("val", 90)):
        pictures = random.integers(0, 256, (images, 32, 32, 3), np.uint8)
        genuine.write_imagenet32(there, pictures, np.arange(images) % 5, split)
    whole = find_source("imagenet32", 16, data_dir=tmp_path).describe()
    assert features._described("imagenet32", 16, "skip", tmp_path) == whole, "what was kept of all of it is found again"
    for number in range(2, 11):
        (there / f"train_data_batch_{number}.npz").unlink()
    if not validation:
        (there / "val_data.npz").unlink()

    experiment = replace(preset("report32"), name="imagenet32", count=count, batch_size=8, width=0.0625)
    experiment = replace(experiment, image_size=16, generator={"start": 2})
    run = Run.create(experiment, {"images": count, "fingerprint": ""}, tmp_path / "runs")
    run.model("generator").parent.mkdir(exist_ok=True)
    build_generator(experiment.model).save(run.model("generator"))
    places = ("--data-dir", tmp_path)
    code, out, err = said(capsys, "evaluate", run.folder, "--samples", 40, "--json", *places)
    assert code == 0, err
    record = json.loads(out)
    assert (
        record["true_images"] == about and record["distance"]["space"] == "classifier of ImageNet 32x32, 1000 classes"
    )
    if validation:
        both = (run.folder, run.folder, "--samples", 41, "--out", tmp_path)
        assert said(capsys, "compare", *both, *places)[0] == 0
    data = experiment.data
    with pytest.raises(InputError, match="Cross-validation takes 3 images of each class"):  # all images are there
        split_for(data, 16, "cifar", None, SIZES["smallest"], data_dir=tmp_path, progress=False)
    with pytest.raises(InputError, match="--labels 3000 asks for 3 images of each class"):
        expect_enough(data, "cifar", 3_000, SIZES["smallest"], tmp_path)
    assert len(names_for("imagenet32", tmp_path)) == 1_000
    study = LadderStudy("x", "?", (), data="imagenet32", samples=40)
    assert _true_images(study, 16, tmp_path, progress=False)[1] == 40
    network = find_network(run.folder, "generator")
    for data in (None, "imagenet32"):
        assert len(subject._true_images(network, data, 16, 60, tmp_path)) == 60, "to be explained"
    with pytest.raises(InputError, match="Nothing is known of ImageNet"):  # and no file is missed
        cross_domain.in_common("imagenet32", cross_domain.FACES, tmp_path)


def test_pictures_of_a_size_that_no_face_is_drawn_at_are_brought_to_one(tmp_path):
    pictures = np.random.default_rng(0).integers(0, 256, (6, 28, 28, 3), np.uint8)
    np.savez(tmp_path / "own.npz", images=pictures)
    space, faces = (
        extractor_for(name, size, data_dir=tmp_path, progress=False)
        for name, size in ((tmp_path / "own.npz", 28), ("faces", 32))
    )
    large = np.stack([cv2.resize(picture, (32, 32), interpolation=cv2.INTER_LINEAR) for picture in pictures])
    np.testing.assert_array_equal(space(pictures), faces(large))
    np.testing.assert_array_equal(space.answers(pictures), faces.answers(large))
    assert space.size == 28 and space.fingerprint == faces.fingerprint
    assert space.resizer.startswith("OpenCV") and "up to 32" in space.resizer and faces.resizer.startswith("none")


def test_variety_is_measured_in_the_features_of_the_network_that_judges(tmp_path, monkeypatch):
    """Where there are classes and attributes, each have a classifier of their own."""
    random, known = np.random.default_rng(0), np.arange(240) % 2
    images = random.integers(0, 256, (240, 16, 16, 3), np.uint8)
    two = {"attributes": np.stack([known, 1 - known], 1), "attribute_names": np.array(["odd", "even"])}
    np.savez(tmp_path / "both.npz", images=images, labels=known, **two)
    monkeypatch.setattr(features, "LEAST_UPDATES", 1)
    classes, attributes = (
        judge.judge_for(tmp_path / "both.npz", 16, attributes=attributes, data_dir=tmp_path, progress=False)
        for attributes in (False, True)
    )
    for each, name in ((classes, "classifier of both, 2 classes"), (attributes, "classifier of both, 2 attributes")):
        assert each.space.name == each.name == name and each.space.fingerprint == each.card["fingerprint"]


def test_to_publish_a_distance_takes_images_set_apart_whatever_is_missing(run, home):
    trained, data = find_network(str(run.folder), "generator"), run.experiment.data
    # 120 of 240 were trained on: of 200 there are too few, of 400 not even all. Of a study, on the most of its images.
    for samples, of in ((100, data), (200, data), (100, with_fields(data, count=None))):
        with pytest.raises(InputError, match=rf"no {2 * samples} images set apart from training here"):
            evaluation.evaluate(trained, of, samples=samples, only_unseen=True, data_dir=home, progress=False)


def test_images_are_those_that_were_trained_on_by_their_dataset_not_by_how_it_is_read(run, home, monkeypatch):
    trained, data = find_network(str(run.folder), "generator"), run.experiment.data
    monkeypatch.chdir(home)
    same = (data, with_fields(data, count=None, tolerated=0.1), DataConfig("squares.npz"))
    assert [evaluation.was_trained_on(trained, of, home, False) for of in same] == [True, True, True]
    assert evaluation.was_trained_on(trained, with_fields(data, name="faces")) is False
    assert evaluation.was_trained_on(with_fields(trained, experiment=None), data) is None
    published, elsewhere = with_fields(trained, run=None), with_fields(data, name="moved/squares.npz")
    known = [evaluation.was_trained_on(published, of) for of in (*same, elsewhere, with_fields(data, name="faces"))]
    assert known == [True, True, True, None, False]  # without its run nobody would know moved pictures again


def test_of_a_folder_that_has_changed_since_nobody_knows_what_was_trained_on(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    for number in range(30):
        write_png(tmp_path / "own" / f"{number:02}.png", random.integers(0, 256, (16, 16, 3), np.uint8))
    experiment = replace(preset("report32"), name=str(tmp_path / "own"), count=20, batch_size=8)
    experiment = replace(experiment, image_size=16, generator={"start": 2})
    places = {"data_dir": tmp_path / "data", "progress": False}
    dataset = load_for(experiment, **places)
    run = Run.create(experiment, {"images": 20, "fingerprint": dataset.fingerprint}, tmp_path / "runs")
    trained = TrainedNetwork("x", tmp_path / "x.keras", tmp_path, run, run.experiment)
    assert evaluation.was_trained_on(trained, experiment.data, **places) is True
    write_png(tmp_path / "own" / "!.png", np.zeros((16, 16, 3), np.uint8))
    assert evaluation.was_trained_on(trained, experiment.data, **places) is None
    true = true_images_for(experiment.data, 16, 8, trained_on=None, **places)
    assert true.seen == "unknown" and "may have been trained on" in true.about


def test_a_walk_is_measured_beside_other_images_as_such(run, squares, tmp_path, monkeypatch):
    with np.load(squares) as file:
        np.savez(tmp_path / "others.npz", images=file["images"][::-1])
    monkeypatch.setattr(judge, "space_for", lambda *_, **__: None)
    monkeypatch.setattr("utils.latent.walk.TRUE_IMAGES", 200)
    monkeypatch.setattr("utils.latent.walk.smoothness", lambda sampler, space, true, about, seed: (len(true), about))
    options = Walk(str(run.folder), data=str(tmp_path / "others.npz"), data_dir=tmp_path, json=True)
    sampler = Sampler(build_generator(run.experiment.model), 100)
    measured = walk._measure(options, find_network(str(run.folder), "generator"), sampler)
    assert measured == (200, "images of others")


def test_pictures_that_are_too_small_to_compare_with_are_refused_with_advice_for_whoever_is_asked(
    capsys, run, home, tmp_path
):
    for number in range(6):
        picture = tmp_path / "small" / f"{number}.png"
        picture.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((9, 9, 3), 40 * number, np.uint8)).save(picture)
    code, _, err = said(capsys, "evaluate", run.folder, "--data-dir", home, "--data", tmp_path / "small")
    assert code == 2 and "None of the 6 pictures of small can be used" in err
    assert "Give larger ones where they are too small; a training can also enlarge them (--small enlarge)" in err


def test_the_passport_says_what_was_measured_and_how(run, squares, home, monkeypatch):
    """On true images that are all known: those of a file that says how its pictures were stored."""
    with np.load(squares) as file:
        np.savez(home / "stored.npz", **file, encoding=np.array("JPEG, quality 95"))
    experiment = replace(run.experiment, name=str(home / "stored.npz"), ema_decay=0.9, batch_norm="on")
    true = true_images_for(experiment.data, 16, 120, data_dir=home, progress=False)
    extractor = Extractor("pixels", "f" * 64, {}, lambda images: images.reshape(len(images), -1)[:, :5].astype(float))
    quality = Quality(true, extractor, samples=60, seed=3)
    generator = build_generator(experiment.model)
    trained = TrainedNetwork("x", run.model("generator", 7), home, run, experiment)
    images = Sampler.of(generator, experiment).draw(60, 3)
    found = quality.measure(images, origin_of(trained, generator))
    assert found.passport == Passport(
        space="pixels",
        weights="f" * 64,
        resizer="none: images have the network's size",
        value_range="[0, 255] -> [-1, 1]",
        reference="stored",
        split="train",
        reference_fingerprint=unseen(experiment.data, 16, 120, data_dir=home, progress=False).fingerprint,
        encoding="JPEG, quality 95",
        dedup="off",
        seen=False,
        samples=(60, 60),
        latents_seed=3,
        true_seed=3,
        interval=INTERVAL,
        checkpoint="epoch 7",
        ema_decay=0.9,
        statistics="moving",
        versions={name: runtime.environment()[name] for name in ("tensorflow", "keras", "numpy")},
    )
    assert found.distance.kernel == quality.of_images(images).kernel and found.floor.kernel == quality.floor().kernel
    assert found.distance.neighbourhoods == neighbourhoods(extractor(images), quality.true)
    assert found.distance.frechet_at_infinity == frechet_at_infinity(extractor(images), quality.true)
    assert origin_of(TrainedNetwork("x", run.model("generator"), home, run, run.experiment), generator) == Origin(
        "last", 0.0, "moving"
    )
    best = TrainedNetwork("x", run.folder / "models" / "best" / "generator.keras", home, run, run.experiment)
    run.epochs_file.write_text('{"epoch": 1}\n{"epoch": 2}\n')
    assert origin_of(best, generator).checkpoint == "best of 2"
    for folder, checkpoint in (("epoch_0002", "epoch 2"), ("update_000400", "update 400")):
        kept = TrainedNetwork("x", run.folder / "models" / folder / "generator.keras", home, run, run.experiment)
        assert origin_of(kept, generator).checkpoint == checkpoint
        kept.file.parent.mkdir(parents=True, exist_ok=True)
        monkeypatch.chdir(kept.file.parent)
        near = TrainedNetwork("x", Path(kept.file.name), home, run, run.experiment)
        assert origin_of(near, generator).checkpoint == checkpoint
    alone = TrainedNetwork("x", home / "generator.keras", home)
    assert origin_of(alone, build_generator(run.experiment.model)) == Origin("unknown", None, "none")


def test_auto_means_two_spaces_where_the_network_that_knows_imagenet_is_installed(monkeypatch, capsys):
    monkeypatch.setattr(evaluation, "extractor_for", lambda dataset, size, *, features, progress: features)
    assert evaluation.extractors_for("faces", 32) == ["auto", "imagenet"]
    assert evaluation.extractors_for("faces", 32, "inception,cifar10") == ["inception", "cifar10"]

    def without(dataset, size, *, features, progress):
        if features == "imagenet":
            raise InputError("It needs a package.")
        return features

    monkeypatch.setattr(evaluation, "extractor_for", without)
    assert evaluation.extractors_for("faces", 32) == ["auto"]
    assert capsys.readouterr().err == "Measured in one feature space only. It needs a package.\n"
    with pytest.raises(InputError, match="needs a package"):
        evaluation.extractors_for("faces", 32, "auto,imagenet")


def stored(images, quality):
    """As JPEG, and read again."""
    files = [cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1] for image in images]
    return np.stack([cv2.imdecode(file, cv2.IMREAD_COLOR) for file in files])


def test_storing_true_images_as_jpeg_alone_puts_them_at_a_distance(faces, trained):
    extractor = features._extractor(*trained)
    true, others = np.asarray(faces[1].images), np.asarray(faces[0].images[:400])
    floor, *costs = (distance(images, true, extractor) for images in (others, stored(others, 95), stored(others, 50)))
    for measure in ("kernel", "frechet"):
        values = [getattr(each, measure).value for each in (floor, *costs)]
        assert values == sorted(values) and len(set(values)) == 3, values
    worst = distance(np.zeros_like(others), true, extractor)
    assert 0 < costs[0].kernel.value - floor.kernel.value < worst.kernel.value / 10


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--out", "."], "--out must be the name of a file. Received: ., which is a folder."),
        (["--attributes"], "Only of the built-in datasets everything is known. Received: a generator that was"),
        (["--samples", 39], "--samples must be at least 40. Received: 39."),
        (["--samples", 121], "121 samples are compared with twice as many true images"),
        (["--features", "dogs"], "There is no dataset 'dogs'"),
        (["--data", "dogs"], "There is no dataset 'dogs'"),
    ],
)
def test_evaluate_answers_bad_input_in_one_sentence(capsys, run, home, options, words):
    code, out, err = said(capsys, "evaluate", run.folder, "--data-dir", home, *["--samples", 40], *options)
    said_in = [line for line in err.splitlines() if line.strip() and "images/s" not in line]  # beside bars
    assert code == 2 and out == "" and len(said_in) == 1 and words in said_in[0]


def test_evaluate_asks_for_what_a_model_file_does_not_say(capsys, run, tmp_path, home):
    alone = tmp_path / "generator.keras"
    alone.write_bytes(run.model("generator").read_bytes())
    code, _, err = said(capsys, "evaluate", alone, "--data-dir", home)
    assert code == 2 and "does not say what it was trained on: name the true images with --data" in err
    code, _, err = said(capsys, "evaluate", run.model("discriminator"), "--data-dir", home)
    assert code == 2 and "should be a generator, latents -> images. Received: discriminator." in err
