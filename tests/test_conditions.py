"""Conditional networks: what they are told to draw goes from the images into both, and back to the user."""

import dataclasses
import json
import tracemalloc

import keras
import numpy as np
import pytest
import tensorflow as tf
from genuine import CIFAR10_CLASSES, encoded, write_cifar10, write_svhn
from light import leave_undrawn

from utils import cli, pretrained
from utils.cli.publish import measured_for_card
from utils.config import ModelConfig, from_dict, preset, replace, to_dict
from utils.data import Dataset, load_for, scale
from utils.data.cifar10 import Cifar10
from utils.data.conditions import Conditions, asked_for, grid_rows, kept_rows, rows_having, with_names
from utils.errors import InputError
from utils.evaluation import evaluation
from utils.evaluation.asked import Asked, Named, asked_and_seen, compare_asked
from utils.evaluation.judge import Judge
from utils.evaluation.passport import Passport
from utils.evaluation.variety import another, variety, within_and_over
from utils.files import digest
from utils.intervals import LEAST_CASES, Interval
from utils.models import build_combined, build_discriminator, build_generator, forward, load_network
from utils.networks import TrainedNetwork
from utils.parameters import discriminator_parameters, generator_parameters
from utils.pretrained import Pretrained, publish
from utils.sampling import Sampler
from utils.tables import card_text, variety_in_words
from utils.training import resume, train
from utils.training.batches import Schedule, batches
from utils.training.players import build_players
from utils.training.recipes import recipe_of
from utils.training.step import run_phase
from utils.training.view import Drawing
from utils.viz import read_png

NAMES = ("ant", "bee", "cat")


@pytest.fixture(scope="module")
def dataset():
    """24 images of 16 pixels in three classes, each of one grey that tells its class, and two attributes."""
    labels = np.arange(24) % 3
    images = np.broadcast_to(100 * labels[:, None, None, None], (24, 16, 16, 3)).astype(np.uint8)
    attributes = np.stack([labels == 2, labels > 0], axis=1).astype(np.uint8)
    known = {"labels": labels, "label_names": NAMES, "attributes": attributes, "attribute_names": ("tail", "light")}
    return Dataset(name="animals", title="animals", images=images, fingerprint="0" * 64, **known)


def tiny(**changes):
    """A conditional experiment without batch normalisation and dropout, so that a pass is a formula."""
    network = {"filters": (8, 8), "strides": (2, 2)}
    start = replace(
        preset("report32"), image_size=16, generator=network, discriminator={**network, "dropout": 0.0}, width=1.0,
        latent_dim=5, condition_dim=6, batch_size=4, updates=2, summary_samples=8, watch_updates=1, name="animals",
        discriminator_updates="joint", conditions="labels", condition_names=NAMES,
    )  # fmt: skip
    return replace(start, **changes)


UNCONDITIONAL = {"conditions": "none", "condition_names": (), "condition_dim": ModelConfig.condition_dim}


def some(model, count=6):
    """Images, latents and conditions for a model."""
    random = np.random.default_rng(1)
    images = random.uniform(-1, 1, (count, model.image_size, model.image_size, 3)).astype(np.float32)
    latents = random.standard_normal((count, model.latent_dim), dtype=np.float32)
    return images, latents, np.eye(model.condition_size, dtype=np.float32)[np.arange(count) % model.condition_size]


@pytest.mark.parametrize("conditioning", ["projection", "concatenation"])
@pytest.mark.parametrize("settings", [{"batch_norm": "on"}, {"spectral_norm": True}])
def test_a_conditional_network_is_passed_through_as_keras_does_it_also_once_it_is_loaded(
    tmp_path, conditioning, settings
):
    model = tiny(conditioning=conditioning, **settings).model
    generator, discriminator = build_generator(model), build_discriminator(model)
    images, latents, conditions = some(model)
    for network, x in ((generator, latents), (discriminator, images)):
        expected = np.asarray(network([x, conditions], training=False))
        np.testing.assert_array_equal(forward(network, x, conditions), expected)
        network.save(tmp_path / "network.keras")
        np.testing.assert_array_equal(forward(load_network(tmp_path / "network.keras"), x, conditions), expected)
    logits = np.asarray(forward(discriminator, images, conditions, logits=True))
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), expected, atol=1e-6)
    drawn = np.asarray(generator([latents, conditions]))
    combined = build_combined(generator, discriminator)([latents, conditions])
    np.testing.assert_allclose(combined, discriminator([drawn, conditions]), atol=1e-6)
    assert generator_parameters(model) == generator.count_params()
    vectors = sum(int(np.prod(layer.u.shape)) for layer in discriminator.layers if hasattr(layer, "u"))
    assert discriminator_parameters(model) == discriminator.count_params() - vectors


def test_batch_normalisation_of_a_conditional_network_goes_by_the_batch_where_that_is_asked_for():
    model = tiny(batch_norm="on", conditioning="concatenation").model
    discriminator, (images, _, conditions) = build_discriminator(model), some(model)
    before = discriminator.get_weights()
    by_batch = np.asarray(forward(discriminator, images, conditions, statistics="batch"))
    assert all(map(np.array_equal, before, discriminator.get_weights()))
    np.testing.assert_allclose(by_batch, discriminator([images, conditions], training=True), atol=1e-5)
    assert abs(by_batch - np.asarray(discriminator([images, conditions]))).max() > 1e-4


def test_projection_adds_the_inner_product_of_the_embedded_condition_and_the_summed_features():
    model = tiny().model
    discriminator, (images, _, conditions) = build_discriminator(model), some(model)
    (last,) = (layer for layer in discriminator.layers if isinstance(layer, keras.layers.Flatten))
    features = keras.Model(discriminator.inputs, last.input)
    assert features.output.shape[1:] == (4, 4, 8)
    (embedding,) = (layer for layer in discriminator.layers if layer.weights and layer.weights[0].shape == (3, 8))
    logits = forward(discriminator, images, conditions, logits=True)
    without = forward(discriminator, images, 0 * conditions, logits=True)
    summed = np.asarray(features([images, conditions])).sum((1, 2))
    expected = (conditions @ np.asarray(embedding.kernel) * summed).sum(1, keepdims=True)
    assert abs(expected).max() > 1e-2
    np.testing.assert_allclose(np.asarray(logits) - np.asarray(without), expected, atol=1e-5)


def test_concatenation_lets_what_a_condition_adds_to_the_logit_depend_on_the_image():
    model = tiny(conditioning="concatenation").model
    discriminator, (images, _, conditions) = build_discriminator(model), some(model)
    one, other = (forward(discriminator, images, np.roll(conditions[:1], n).repeat(6, 0), logits=True) for n in (0, 1))
    assert np.ptp(np.asarray(one) - np.asarray(other)) > 1e-3


def test_a_network_without_conditions_is_the_sequential_one_that_it_was():
    model = tiny(**UNCONDITIONAL).model
    for build, count in ((build_generator, generator_parameters), (build_discriminator, discriminator_parameters)):
        network = build(model)
        assert isinstance(network, keras.Sequential) and network.count_params() == count(model)
    old = to_dict(replace(preset("quick"), batch_size=8))
    for name in ("conditions", "condition_names", "condition_dim", "conditioning"):
        del old["model"][name]
    assert from_dict(old) == replace(preset("quick"), batch_size=8)


def test_a_batch_brings_the_conditions_of_its_own_images_however_late_one_begins(dataset):
    experiment = tiny(discriminator_steps=2)
    schedule, conditions = Schedule.of(experiment, 24), Conditions.of(dataset, experiment.model)
    whole = list(batches(dataset.images, experiment, schedule, 1, 5, conditions))
    for batch in whole:
        assert batch.conditions.shape == (2, 4, 3) and batch.conditions.dtype == np.float32
        np.testing.assert_array_equal(batch.conditions.argmax(-1), batch.images[:, :, 0, 0, 0] // 100)
    late = list(batches(dataset.images, experiment, schedule, 4, 5, conditions))
    for a, b in zip(whole[3:], late, strict=True):
        np.testing.assert_array_equal(a.conditions, b.conditions)


@pytest.mark.parametrize("joined", [False, True])
def test_both_networks_are_updated_with_fakes_for_the_conditions_of_the_true_images(joined):
    experiment = tiny(join_batches=joined)
    players = build_players(experiment)
    images, latents, conditions = some(experiment.model, 4)
    images = np.rint(images * 127.5 + 127.5).astype(np.uint8)
    fake = players.generator([latents, conditions])

    def softplus(pictures, sign):
        logits = forward(players.discriminator, pictures, conditions, logits=True)
        return float(tf.reduce_mean(tf.nn.softplus(sign * logits)))

    expected = {"loss_true": softplus(scale(images), -1), "loss_fake": softplus(fake, 1)}
    for phase, player in zip(recipe_of(experiment), ("discriminator", "generator")):
        if player == "generator":  # by now the discriminator is another
            expected = {"loss_generator": softplus(fake, -1)}
        before = players[player].network.get_weights()
        recorded = run_phase(
            phase, players, experiment.training, images=tf.constant(images), latents=latents, conditions=conditions,
            draw=lambda: Drawing(players, latents, "batch", conditions),
        )  # fmt: skip
        for name, value in expected.items():
            np.testing.assert_allclose(recorded[name], value, rtol=1e-5)
        changed = [not np.array_equal(a, b) for a, b in zip(before, players[player].network.get_weights())]
        assert all(changed)  # what projects conditions is trained, too


def test_conditions_are_one_hot_classes_or_chosen_attributes(dataset):
    model = tiny(condition_names=()).model
    classes = Conditions.of(dataset, model)
    assert classes.names == NAMES and len(classes) == 24
    np.testing.assert_array_equal(classes[[1, 5]], [[0, 1, 0], [0, 0, 1]])
    chosen = Conditions.of(dataset, dataclasses.replace(model, conditions="attributes", condition_names=("light",)))
    np.testing.assert_array_equal(chosen[:3], [[0], [1], [1]])
    unnamed = dataclasses.replace(dataset, label_names=())
    assert with_names(tiny(condition_names=()), unnamed).model.condition_names == ("0", "1", "2")
    assert Conditions.of(dataset, tiny(**UNCONDITIONAL).model) is None


@pytest.mark.parametrize("name", ["cifar10", "svhn", "folder"])
def test_labels_of_fetched_datasets_and_of_folders_are_conditions_known_before_any_image_is_read(
    name, tmp_path, monkeypatch
):
    monkeypatch.setattr(Cifar10, "RECORDS", 10)
    random, data_dir = np.random.default_rng(0), tmp_path / "data"
    images, labels = random.integers(0, 256, (60, 32, 32, 3), np.uint8), random.permutation(np.arange(60) % 10)
    where, names = name, tuple("0123456789")
    if name == "cifar10":
        write_cifar10(data_dir / name, images, labels)
        images, labels, names = images[:50], labels[:50], CIFAR10_CLASSES  # the others are for testing
    elif name == "svhn":
        write_svhn(data_dir / name, images, labels)
    else:
        where, names = str(tmp_path / "pictures"), tuple(f"kind {number}" for number in range(10))
        for number, (image, label) in enumerate(zip(images, labels)):
            home = tmp_path / "pictures" / names[label]
            home.mkdir(parents=True, exist_ok=True)
            (home / f"{number}.png").write_bytes(encoded(image, "png"))
    experiment = replace(preset("quick"), name=where, count=None, batch_size=8, conditions="labels")
    before = with_names(experiment, data_dir=data_dir)
    assert before.model.condition_names == names and not (data_dir / "prepared").exists()
    loaded = load_for(experiment, data_dir, progress=False)
    conditions = Conditions.of(loaded, with_names(experiment, loaded).model)
    assert conditions.names == names and len(conditions) == len(images)
    for image, one_hot in zip(loaded.images, conditions[:]):
        (place,) = np.flatnonzero((images == image).all((1, 2, 3)))
        np.testing.assert_array_equal(one_hot, np.arange(10) == labels[place])
    ship = asked_for(before.model, kept_rows(conditions), label=names[8].upper())[0]
    np.testing.assert_array_equal(ship, np.eye(10)[[8]])


def test_classes_of_one_name_are_told_apart_by_their_numbers_and_keep_it_in_the_dataset(dataset, tmp_path):
    plain = tiny(condition_names=())
    cranes = dataclasses.replace(dataset, label_names=("crane", "bee", "crane"))
    named = with_names(plain, cranes).model
    assert named.condition_names == ("crane (0)", "bee", "crane (2)")
    conditions = Conditions.of(cranes, named)
    assert conditions.names == named.condition_names and cranes.label_names == ("crane", "bee", "crane")
    np.testing.assert_array_equal(conditions[:3], np.eye(3))
    np.testing.assert_array_equal(asked_for(named, kept_rows(conditions), label="crane (2)")[0], [[0, 0, 1]])
    awkward = with_names(plain, dataclasses.replace(dataset, label_names=("a", "a", "a (0)"))).model.condition_names
    assert len(set(awkward)) == 3 and all(name.startswith("a (") for name in awkward)
    images, names = np.zeros((6, 16, 16, 3), np.uint8), np.array(["owl", "owl"])
    np.savez(tmp_path / "a.npz", images=images, labels=np.arange(6) % 2, label_names=names)
    own = replace(plain, name=str(tmp_path / "a.npz"), count=None)
    before = with_names(own, data_dir=tmp_path)  # of the description
    loaded = load_for(own, tmp_path, progress=False)
    assert before.model.condition_names == ("owl (0)", "owl (1)") and loaded.label_names == ("owl", "owl")
    assert with_names(before, loaded) == before


def test_what_keeps_sub_folders_from_being_classes_is_told_where_these_are_asked_for(tmp_path):
    for number, name in enumerate(("cats/1.png", "dogs/1.png", "cover.png")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(encoded(np.full((32, 32, 3), number, np.uint8), "png"))
    asked = replace(preset("quick"), name=str(tmp_path), count=None, conditions="labels")
    with pytest.raises(InputError, match=r"leave --conditions out. 1 picture is in no sub-folder \(cover.png\), so "):
        with_names(asked)


def test_what_a_dataset_does_not_know_is_refused_in_a_sentence(dataset):
    without = dataclasses.replace(dataset, labels=None)
    with pytest.raises(
        InputError, match="No labels are known of animals.* attributes are, so use --conditions attributes"
    ):
        with_names(tiny(), without)
    with pytest.raises(InputError, match="leave --conditions out"):
        with_names(tiny(), dataclasses.replace(without, attributes=None))
    with pytest.raises(InputError, match="There is no wings in animals: choose from tail, light"):
        with_names(tiny(conditions="attributes", condition_names=("wings",)), dataset)
    with pytest.raises(InputError, match="a part of them cannot be conditioned on"):
        with_names(tiny(condition_names=("bee",)), dataset)
    with pytest.raises(InputError, match="add --conditions labels or --conditions attributes"):
        tiny(conditions="none")
    assert with_names(replace(preset("quick"), conditions="attributes")).model.condition_size == 13  # nothing is drawn


def test_a_grid_has_a_row_for_each_class_or_of_images_that_have_each_attribute(dataset):
    model = tiny().model
    rows, names = grid_rows(model, np.empty((0, 3)), 2)
    assert names == NAMES and rows.argmax(1).tolist() == [0, 0, 1, 1, 2, 2]
    attributes = dataclasses.replace(model, conditions="attributes", condition_names=("tail", "light"))
    rows, _ = grid_rows(attributes, np.array([[0, 1], [1, 1], [0, 0]], np.uint8), 2)
    assert rows.tolist() == [[1, 1], [1, 1], [0, 1], [1, 1]]
    which, names = rows_having(Conditions.of(dataset, attributes), np.arange(24)[::-1], 3)
    assert which.tolist() == [23, 20, 17, 23, 22, 20] and names == ("tail", "light")


def test_of_many_classes_only_the_rows_that_are_asked_for_are_made():
    names = tuple(map(str, range(4_000)))
    model = ModelConfig(conditions="labels", condition_names=names)
    tracemalloc.start()
    rows, shown = grid_rows(model, np.empty((0, 4_000)), 2)
    asked, _ = asked_for(model, np.empty((0, 4_000)), label="3999")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert shown == names[:20] and rows.shape == (40, 4_000) and rows.dtype == asked.dtype == np.float32
    assert rows.argmax(1).tolist() == [*np.arange(20).repeat(2)] and rows.sum() == 40
    assert asked.shape == (1, 4_000) and asked.argmax() == 3_999 and asked.sum() == 1
    assert peak < 8e6  # all of them would take 64


def test_rows_of_true_images_are_of_the_first_classes_that_occur_and_there_is_always_one():
    many = Conditions(tuple(map(str, range(40))), np.array([39, 25, 39, 31]))
    which, names = rows_having(many, np.arange(4), 2)
    assert which.tolist() == [1, 1, 3, 3, 0, 2] and names == ("25", "31", "39")
    none = Conditions(("hat", "beard"), np.zeros((4, 2), np.uint8))
    assert rows_having(none, np.array([2, 0, 1, 3]), 2)[0].tolist() == [2, 0]


def test_what_is_not_asked_for_is_as_it_occurs_in_the_training_data():
    names = ("hat", "long beard", "glasses")
    model = tiny(conditions="attributes", condition_names=names).model
    kept = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 0]], np.uint8)
    rows, about = asked_for(model, kept, attributes="Hat=1")
    assert rows.tolist() == [[1, 0, 0], [1, 1, 0]] and "in the 2 of 4 training images that have this" in about
    rows, about = asked_for(model, kept, attributes="glasses, long_beard=0")  # no image has both
    assert rows.tolist() == [[1, 0, 1], [0, 0, 1]] and "None of 4 training images has this" in about
    rows, about = asked_for(model, kept, attributes="hat=1,long beard=1,glasses=0")
    assert rows.tolist() == [[1, 1, 0]] and about == ""
    classes = tiny().model
    assert asked_for(classes, kept, label="BEE")[0].tolist() == [[0, 1, 0]]
    for wrong, sentence in (
        (
            (model, {"attributes": "wings=1"}),
            "no attribute 'wings' in this model: choose from hat, long beard, glasses",
        ),
        ((model, {"attributes": "hat=2"}), "An attribute is 1 or 0.* Received: 'hat=2'"),
        ((model, {"attributes": "hat=1,Hat=0"}), "named once.* Received: 'hat=1,Hat=0'"),
        ((model, {"attributes": "glasses, hat, glasses"}), "named once"),
        ((model, {"label": "bee"}), "trained with --conditions attributes: ask with --attributes"),
        ((classes, {"label": "dog"}), "no label 'dog' in this model: choose from ant, bee, cat"),
        ((classes, {"attributes": "hat=1"}), "trained with --conditions labels: ask with --label NAME"),
        ((preset("quick").model, {"label": "bee"}), "for models that were trained with --conditions"),
    ):
        with pytest.raises(InputError, match=sentence):
            asked_for(wrong[0], kept, **wrong[1])


def test_a_sampler_draws_its_conditions_and_none_of_its_own_choice_for_latents_that_are_given():
    def generator(given):  # draws its condition as a grey
        return np.broadcast_to(given[1][:, :1, None, None], (len(given[1]), 2, 2, 3)) * 2 - 1

    experiment = tiny()
    sampler = Sampler.of(generator, experiment, np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]]))
    assert 0.2 < (sampler.draw(200) == 255).mean() < 0.45  # a third of the conditions
    assert sampler.row_by_row(experiment.model, sampler.make_latents(2))[0][:, 0, 0, 0].tolist() == [255, 255, *[0] * 4]
    with pytest.raises(InputError, match="all pictures must be of one condition here"):
        sampler.images(sampler.make_latents(2))
    one = Sampler.of(generator, experiment, np.array([[1, 0, 0]]))
    assert (one.images(one.make_latents(3)) == 1).all()
    with pytest.raises(InputError, match="conditional: what it is to draw must be said"):
        Sampler.of(generator, experiment)


def test_the_judgement_counts_what_was_asked_for_and_seen():
    asked = np.array([[1, 0], [1, 1], [0, 1], [0, 0]] * 30, bool)
    deaf = np.zeros_like(asked)  # whatever it is asked for, it draws the second alone
    deaf[:, 1] = True
    features = np.random.default_rng(0).standard_normal((120, 4))
    one_picture_each, fits = np.eye(4).repeat(16, 0).reshape(4, 16, 4), np.tile(np.eye(4, dtype=bool), (30, 1))
    found = compare_asked(
        asked, (deaf, asked), (0.5 * features, features), ("hat", "beard"),
        variety=within_and_over(one_picture_each, features, fits),
        kind="attributes", true_images="true images", trained_on=False, judge="judge",
    )  # fmt: skip
    assert found.samples == 120 and (found.right[0].value, found.right[1].value) == (0.25, 1.0)
    assert found.by_chance.value == 0.25  # of a generator that does not listen it is as much as of what was asked for
    hat, beard = found.names
    assert [each.value for each in (*hat.seen, *hat.wrongly)] == [0, 1, 0, 0] and hat.count == 60
    assert [each.value for each in (*beard.seen, *beard.wrongly)] == [1, 1, 1, 0]
    assert abs(hat.variety.value - 0.5) < 1e-9 and hat.variety.low < 0.5 < hat.variety.high
    varied = {name: interval.value for name, interval in found.variety.items()}
    assert varied["within"] == 0 and varied["over"] == pytest.approx(2**0.5), "one picture for each condition is seen"
    two_each = within_and_over(one_picture_each, features[:8], fits[:8])
    pairs = np.linalg.norm(features[:4] - features[4:8], axis=1)
    assert two_each["true_within"].value == pytest.approx(pairs.mean())
    alone = within_and_over(one_picture_each, features[:4], fits[:4])  # no two true images are of one condition
    plain = dataclasses.replace(found, variety=alone).plain()["variety"]
    assert plain["true_within"] is None
    assert variety_in_words(plain, "labels").startswith(
        "two fakes of one class are 0.0 apart in the judge's features, of two 1.4; "
    )
    assert "true images of one class an unknown distance, any" in variety_in_words(plain, "labels")
    assert (
        hat.distance.value > 0.05 and json.loads(json.dumps(found.plain()))["names"][1]["wrongly"]["true"]["value"] == 0
    )


@pytest.mark.parametrize(("data", "kind", "conditions"), [("house_numbers", "labels", 10), ("faces", "attributes", 13)])
def test_a_generator_is_judged_on_images_that_it_has_not_seen(data, kind, conditions, tmp_path):
    experiment = with_names(replace(preset("quick"), name=data, count=100, conditions=kind), data_dir=tmp_path)

    def generator(given):  # whatever the latents are: what is asked for, as bright or dark stripes
        stripes = given[1].repeat(32, axis=0).reshape(-1, 32, given[1].shape[1])
        return np.pad(stripes, ((0, 0), (0, 0), (0, 32 - conditions)))[..., None].repeat(3, 3) * 2.0 - 1

    sampler = Sampler.of(generator, experiment, np.eye(conditions))
    found = asked_and_seen(sampler, experiment, samples=200, data_dir=tmp_path, progress=False)
    assert (found.kind, found.samples, found.trained_on, len(found.names)) == (kind, 200, False, conditions)
    places = {"data_dir": tmp_path, "progress": False}
    changed = asked_and_seen(sampler, experiment, samples=16, known=False, **places)  # own pictures that have changed
    assert changed.trained_on == "unknown" and "which it may have been trained on" in changed.true_images
    assert found.right[1].low > 0.9 and found.right[0].high < 0.5  # of true images, of stripes
    varied = {name: interval.value for name, interval in found.variety.items()}
    assert varied["within"] == 0 < varied["over"] and 0 < varied["true_within"] < varied["true_over"]


@pytest.mark.parametrize("known", [2, 4], ids=["fewer classes known to the judge", "more"])
def test_classes_without_names_are_those_of_the_training_also_where_held_out_images_lack_some(
    dataset, monkeypatch, known
):
    rows = dataset.labels < 2  # the class with the largest number is missing
    apart = dataclasses.replace(
        dataset, images=dataset.images[rows], labels=dataset.labels[rows], label_names=(), attributes=None
    )
    experiment = tiny(condition_names=("0", "1", "2"))
    conditions = Conditions.of(apart, experiment.model)
    assert conditions.names == ("0", "1", "2") and conditions[:].shape == (16, 3)

    def generator(given):  # as grey as the class that it is asked for
        grey = 100 * given[1].argmax(1)[:, None, None, None] / 127.5 - 1
        return np.broadcast_to(grey, (len(given[1]), 16, 16, 3)).astype(np.float32)

    def odds(images):
        return -abs(images.mean((1, 2, 3))[:, None] - 100 * np.arange(known))

    judge = Judge("greys", (), lambda images: images[:, 0, :4, 0].astype(np.float32), {}, odds)
    monkeypatch.setattr("utils.evaluation.asked.unseen", lambda *_, **__: apart)
    monkeypatch.setattr("utils.evaluation.asked.judge_for", lambda *_, **__: judge)
    found = asked_and_seen(Sampler.of(generator, experiment, np.eye(3)), experiment, samples=16)
    assert [each.value for each in found.right] == [1, 1] and [each.count for each in found.names] == [8, 8, 0]


def test_all_classes_of_a_file_without_names_can_be_asked_for_also_those_that_no_chosen_image_is_of(tmp_path):
    """Images behind --count are what the training is measured with."""
    images = np.random.default_rng(0).integers(0, 256, (30, 16, 16, 3), np.uint8)
    labels = np.arange(30) % 2
    labels[29] = 2  # one image of thirty
    np.savez(tmp_path / "classes.npz", images=images, labels=labels)
    for seed in range(4):
        experiment = tiny(name=str(tmp_path / "classes.npz"), count=8, data_seed=seed, condition_names=())
        chosen = load_for(experiment, tmp_path / "data", progress=False)
        if chosen.labels.max() < 2:
            break
    named = with_names(experiment, chosen, tmp_path / "data").model
    assert named.condition_names == ("0", "1", "2")
    assert Conditions.of(chosen, named)[:].shape == (8, 3)


# --- a run, as a user sees it -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(dataset, tmp_path_factory):
    experiment = tiny(condition_names=(), ema_decay=0.9, summary_updates=2)
    with pytest.MonkeyPatch.context() as patch:
        leave_undrawn(patch)
        return train(experiment, dataset=dataset, runs_dir=tmp_path_factory.mktemp("runs"), progress=False)


def test_a_run_keeps_what_can_be_asked_for_and_goes_on(run, dataset, undrawn):
    assert run.experiment.model.condition_names == NAMES
    np.testing.assert_array_equal(run.conditions, kept_rows(Conditions.of(dataset, run.experiment.model), 1))
    assert run.conditions.shape == (24, 3) and (run.conditions.sum(0) == 8).all()
    resume(run, changed=replace(run.experiment, updates=3), dataset=dataset, progress=False)
    assert run.steps()["update"].tolist() == [1, 2, 3] and run.state.status == "finished"
    with pytest.raises(InputError, match="No labels are known"):
        train(tiny(), dataset=dataclasses.replace(dataset, labels=None), runs_dir=run.folder / "other", progress=False)
    assert not (run.folder / "other").exists()


def test_a_published_model_draws_the_same_and_knows_as_much(run, dataset, tmp_path):
    (tmp_path / "animals").mkdir()
    (tmp_path / "animals" / "text_encoder.json").write_text("{}")
    model = publish(run, "animals", dataset, folder=tmp_path)
    np.testing.assert_array_equal(model.conditions, run.conditions)
    drawn = [
        Sampler.of(load_network(file), run.experiment, conditions).draw(5)
        for file, conditions in (
            (run.model("generator"), run.conditions),
            (model.model("generator"), TrainedNetwork("animals", model.model("generator"), tmp_path).conditions),
        )
    ]
    np.testing.assert_array_equal(*drawn)
    assert Pretrained(model.folder).experiment.model.condition_names == NAMES
    assert model.card["conditions"] == "labels: ant, bee, cat; the discriminator judges by projection"
    assert read_png(model.samples).shape[0] == 3 * 66 + 2  # a row for each class
    assert not (model.folder / "text_encoder.json").exists(), "it belonged to an earlier model of that name"


def test_the_commands_ask_a_model_with_a_name(run, dataset, tmp_path, monkeypatch, capsys):
    publish(run, "animals", dataset, folder=tmp_path)
    found = pretrained.find
    monkeypatch.setattr(pretrained, "find", lambda name: found(name, tmp_path))
    assert cli.main(["sample", "animals", "--label", "Cat", "-n", "3", "--out", str(tmp_path / "cats.png")]) == 0
    assert cli.main(["sample", "animals", "-n", "3", "--out", str(tmp_path / "all.png")]) == 0
    assert read_png(tmp_path / "all.png").shape[0] == 3 * 66 + 2  # a row for each class
    assert cli.main(["sample", "animals", "--label", "dog"]) == 2
    assert cli.main(["show", "animals"]) == 0
    said = capsys.readouterr()
    assert "choose from ant, bee, cat" in said.err and "conditions: labels: ant, bee, cat;" in said.out


def test_publishing_measures_what_is_asked_for_and_takes_what_was_kept(run, monkeypatch):
    measured = []

    class Found:
        def plain(self):
            return {"kind": "labels"}

    def measure(trained, data, **_):
        measured.append("distance")
        now = {"generator_sha256": digest(run.model("generator")), "samples": 2_000, "features": "auto"}
        return now | {"distance": {"space": "x"}, "other_spaces": [], "true_images_trained_on": False}

    monkeypatch.setattr(evaluation, "evaluate", measure)
    monkeypatch.setattr(evaluation, "agreement", lambda *_, **__: measured.append("agreement") or Found())
    assert measured_for_card(run, None) == ({"space": "x"}, {"asked": {"kind": "labels"}})
    assert measured == ["distance", "agreement"]
    assert json.loads(run.quality_file.read_text())["distance"] == {"space": "x"}  # for who publishes again
    interval = {"value": 0.5, "low": 0.4, "high": 0.6}
    passport = dict.fromkeys([f.name for f in dataclasses.fields(Passport)], "y") | {"samples": [2_000, 2_000]}
    kept = {"kernel": interval, "space": "y", "fingerprint": "f", "floor": {"kernel": interval}, "passport": passport}
    record = {
        "generator_sha256": digest(run.model("generator")), "samples": 2_000, "features": "auto",
        "true_images_trained_on": False, "distance": kept, "other_spaces": [], "asked": {"kind": "kept"},
    }  # fmt: skip
    run.quality_file.write_text(json.dumps(record))
    try:
        assert measured_for_card(run, None) == (kept, {"asked": {"kind": "kept"}})
        unknown = kept | {"passport": passport | {"weather": "rain"}}  # of a version that measured in another way
        for unfit in ({"samples": 100}, {"distance": unknown}, {"other_spaces": [unknown]}):
            run.quality_file.write_text(json.dumps(record | unfit))  # the first is too few for a card
            assert measured_for_card(run, None)[0] == {"space": "x"}
    finally:
        run.quality_file.unlink()
    assert measured == ["distance", "agreement"] * 4


@pytest.mark.parametrize("cases", [2, LEAST_CASES - 1, LEAST_CASES])
def test_varieties_of_few_conditions_or_pairs_are_told_without_ends(cases):
    random = np.random.default_rng(0)
    fakes, true, many = (random.normal(size=shape) for shape in ((cases, 4, 3), (2 * cases, 3), (40, 3)))
    found = within_and_over(fakes, true, np.eye(cases, dtype=bool).repeat(2, 0))
    shares = {"share": variety(true, true), "of many": variety(true, many), "many": variety(many, true)}
    assert {name: each.is_alone for name, each in (found | shares).items()} == dict.fromkeys(
        ["within", "over", "true_within", "true_over", *shares], cases < LEAST_CASES
    )


def test_a_variety_beside_true_images_that_are_all_alike_is_not_measured():
    assert np.isnan(variety(np.eye(40), np.ones((40, 40))).value)
    of_ones = Named("a", 40, (None, None), (None, None), variety(np.eye(40), np.ones((40, 40))), None)
    asked = Asked("labels", "x test", False, 40, "judge", (Interval(1), Interval(1)), Interval(0), {}, (of_ones,))
    assert asked.plain()["names"][0]["variety"] is None and json.dumps(asked.plain()["names"], allow_nan=False)


def test_pairs_over_conditions_are_of_any_two_also_where_they_come_in_order():
    conditions = np.repeat([0.0, 1.0], 20)
    fakes, true = np.repeat(conditions, 4).reshape(40, 4, 1), conditions[:, None]
    found = {name: each.value for name, each in within_and_over(fakes, true, true == conditions).items()}
    assert found["within"] == found["true_within"] == 0
    assert 0.25 < found["over"] < 0.75 and 0.25 < found["true_over"] < 0.75
    for count in range(2, 40):
        assert sorted(another(count)) == list(range(count)) and (another(count) != np.arange(count)).all()
    assert another(1).tolist() == [0] and not len(another(0))


def test_a_card_says_whether_it_draws_what_it_is_asked_for(run, dataset, tmp_path):
    asked = np.eye(3, dtype=bool)[np.arange(60) % 3]
    features = np.random.default_rng(0).standard_normal((60, 4))
    found = compare_asked(
        asked, (np.roll(asked, 1, 1), asked), (features, features), NAMES,
        variety=within_and_over(features.reshape(6, 10, 4), features, asked.repeat(2, 1)),
        kind="labels", true_images="animals", trained_on=False, judge="classifier of animals",
    )  # fmt: skip
    measured = json.loads(json.dumps({"asked": found.plain()}))
    model = publish(run, "animals", dataset, folder=tmp_path, agreement=measured)
    assert model.card["asked"] == measured["asked"]
    said = card_text(model.card)
    assert "conditions: labels: ant, bee, cat" in said
    assert "the class asked for, as the classifier of animals sees it: in 0.0%" in said
    assert "of 60 samples; in 100.0%" in said and "by chance in" in said
    assert f"variety: {variety_in_words(measured['asked']['variety'], 'labels')}" in said


def test_the_commands_ask_a_run_and_refuse_what_it_does_not_know(run, tmp_path, capsys):
    def said(*words):
        code = cli.main([*words])
        out, err = capsys.readouterr()
        return code, out + err

    place = str(run.folder)
    code, text = said("sample", place, "--label", "cat", "-n", "3", "--as", "files", "--out", str(tmp_path / "cats"))
    assert code == 0 and len(list((tmp_path / "cats").glob("*.png"))) == 3
    assert said("sample", place, "-n", "7", "--out", str(tmp_path / "grid.png"))[0] == 0
    assert read_png(tmp_path / "grid.png").shape[0] == 3 * 66 + 2  # a row for each class, three pictures in each
    code, text = said("sample", place, "--label", "dog")
    assert code == 2 and "choose from ant, bee, cat" in text
    for words in (("walk", place), ("directions", place), ("invert", place, "--check", "2")):
        code, text = said(*words)
        assert code == 2 and "is conditional" in text and "--label" in text, words
    code, text = said("walk", place, "--label", "ant", "--frames", "4", "--stops", "2", "--out", str(tmp_path / "walk"))
    assert code == 0 and (tmp_path / "walk" / "walk.gif").is_file()
    code, text = said("explain", place)
    assert code == 2 and "judges an image by what it is told" in text
