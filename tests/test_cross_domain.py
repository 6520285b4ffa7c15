"""Pictures of one domain drawn as another's: the losses of DTN, what is trained, what is counted as kept."""

import dataclasses
import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from utils.config import preset, replace
from utils.data import Dataset
from utils.errors import InputError
from utils.evaluation import features
from utils.fitting import at_size
from utils.models import load_network
from utils.studies import cross_domain as study_of
from utils.studies import results
from utils.studies.cross_domain import CELEBA, Task, cross_domain, in_common, kept_share, measure, target_for
from utils.training import transfer
from utils.training.transfer import Weights

random = np.random.default_rng(0)
SIDE, FEATURES = 32, 6


def view():
    """What a term sees: 4 images of each domain."""
    return SimpleNamespace(
        fake_logits=tf.constant(random.normal(size=(8, 3)), tf.float32),
        true_logits=tf.constant(random.normal(size=(4, 3)), tf.float32),
        latents=tf.constant(random.normal(size=(8, FEATURES)), tf.float32),
        fake=tf.constant(random.uniform(-1, 1, (8, 5, 5, 3)), tf.float32),
        images=tf.constant(random.uniform(-1, 1, (4, 5, 5, 3)), tf.float32),
    )


def minus_log(logits, kind):
    powers = np.exp(np.asarray(logits, float))
    return -np.log(powers[:, kind] / powers.sum(1)).mean()


def test_the_discriminator_tells_three_kinds_and_g_wants_both_fakes_taken_for_the_third():
    seen = view()
    of_source, of_target = np.split(np.asarray(seen.fake_logits), 2)
    apart = minus_log(of_source, 0) + minus_log(of_target, 1) + minus_log(seen.true_logits, 2)
    assert float(transfer.told_apart(seen)) == pytest.approx(apart, rel=1e-5)
    as_target = minus_log(of_source, 2) + minus_log(of_target, 2)
    assert float(transfer.told_as_target(seen)) == pytest.approx(as_target, rel=1e-5)


def test_f_is_to_see_the_same_in_what_becomes_of_a_source_image_and_target_images_are_to_stay():
    seen, kernel = view(), random.normal(size=(75, FEATURES))

    def f(images):
        return tf.reshape(images, (len(images), -1)) @ tf.constant(kernel, tf.float32)

    fakes = np.asarray(seen.fake, float)
    again = fakes[:4].reshape(4, -1) @ kernel
    expected = np.square(again - np.asarray(seen.latents)[:4]).mean()
    assert float(transfer.constancy(f, seen)) == pytest.approx(expected, rel=1e-5)
    expected = np.square(fakes[4:] - np.asarray(seen.images)).mean()
    assert float(transfer.identity(seen)) == pytest.approx(expected, rel=1e-5)


def test_variation_is_the_length_of_the_steps_to_the_pixels_below_and_beside():
    images = np.zeros((2, 3, 3, 1), np.float32)
    images[:, 0, 0] = [[3.0], [4.0]]  # differs from both of its neighbours; of 4 pixels that have both
    expected = np.mean([np.hypot(3, 3), np.hypot(4, 4)]) / 4
    assert float(transfer.variation(SimpleNamespace(fake=tf.constant(images)))) == pytest.approx(expected, rel=1e-3)


def test_what_weighs_nothing_is_left_out_and_the_rest_weighs_as_said():
    def names(weights):
        return [term.name for term in transfer.recipe(None, weights)[1].terms["generator"]]

    assert names(Weights(0, 0, 0)) == ["loss_generator"]
    assert names(Weights(15, 0, 0.05)) == ["loss_generator", "loss_constancy", "loss_variation"]
    seen = view()
    (identity,) = (t for t in transfer.recipe(None, Weights(0, 7, 0))[1].terms["generator"] if "identity" in t.name)
    assert float(identity.value(seen)) == pytest.approx(7 * float(identity.recorded(seen)), rel=1e-5)


# --- held-out images --------------------------------------------------------------------------------------------------


@pytest.fixture
def by_class(monkeypatch):
    """400 source images in the order of their classes, as own pictures come, and networks that nobody has trained."""
    labels = np.repeat(np.arange(10), 40)
    images = random.integers(0, 256, (400, SIDE, SIDE, 3), np.uint8)
    network = keras.Sequential([keras.Input((SIDE, SIDE, 3)), keras.layers.Flatten(), keras.layers.Dense(10)])
    card = {"name": "it", "accuracy": 0.1, "images": 320, "seed": 0, "fingerprint": "0"}
    monkeypatch.setattr(features, "kept_classifier", lambda *_, **__: (network, card))
    monkeypatch.setattr(features, "classifier", lambda *_, **__: SimpleNamespace(card=card))
    return Dataset("digits", "digits", images, "0" * 64, labels=labels)


@pytest.mark.parametrize("split", [False, True], ids=["set apart", "of a split"])
def test_of_own_pictures_all_classes_are_judged_however_few_are(split, by_class, tmp_path, monkeypatch):
    source = tmp_path / "digits.npz"
    np.savez(source, images=by_class.images, labels=by_class.labels)
    monkeypatch.setattr(features, "learned_from", lambda *_, **__: (by_class, by_class if split else None))

    def rows(judged):
        """Rows of the held-out images, and whether what is known of them is theirs."""
        task = study_of.task_for(str(source), tiny(), judged, tmp_path, progress=False)
        found = [np.flatnonzero((by_class.images == image).all((1, 2, 3))).item() for image in task.held_out]
        return found, (task.known.argmax(1) == by_class.labels[found]).all()

    some, fits = rows(30)
    assert fits and len(set(some)) == 30 and len(set(by_class.labels[some])) >= 8
    assert rows(30) == (some, True)
    apart = np.arange(400) if split else features.rows_apart(400)[0]
    assert rows(400) == (apart.tolist(), True)  # all, in their order


def test_of_a_built_in_source_the_first_held_out_images_are_judged(by_class, tmp_path, monkeypatch):
    monkeypatch.setattr(features, "learned_from", lambda *_, **__: (by_class, by_class))
    task = study_of.task_for("house_numbers", tiny(), 30, tmp_path, progress=False)
    np.testing.assert_array_equal(task.held_out, by_class.images[:30])


# --- training ---------------------------------------------------------------------------------------------------------


def tiny():
    start = at_size(preset("quick64"), SIDE)
    return replace(start, width=0.03125, updates=3, batch_size=4, count=24, name="house_numbers")


@pytest.fixture(scope="module")
def task():
    """24 grey images of each domain: the class is in the brightness, which f reads, and the judge, too."""
    labels = np.random.default_rng(1).permutation(np.arange(24) % 3)
    images = np.broadcast_to((40 + 80 * labels)[:, None, None, None], (24, SIDE, SIDE, 3)).astype(np.uint8)
    stack = [keras.layers.Flatten(), keras.layers.Dense(FEATURES), keras.layers.BatchNormalization()]
    f = keras.Sequential([keras.Input((SIDE, SIDE, 3)), *stack], name="f")
    known = labels[:, None] == np.arange(3)
    about = {"name": "it", "title": "greys", "fingerprint": "0" * 64}
    return Task(
        f=f,
        source=Dataset(**about, images=images),
        target=Dataset(**about, images=images),
        source_rows=np.arange(24),
        held_out=images,
        true=images,
        names=("dark", "grey", "light"),
        known=known,
        true_known=known,
        classes=True,
        seen=lambda pictures: np.rint((pictures[:, 0, 0, :1] - 40.0) / 80) == np.arange(3),
        space=lambda pictures: pictures[:, ::16, ::16].reshape(len(pictures), -1).astype(np.float32),
        about={"f": {"name": "f"}, "judge": {"name": "judge"}, "images": {"source": "greys", "target": "greys too"}},
    )


def test_training_changes_g_and_never_f_and_g_after_f_is_one_network(task, tmp_path):
    before = [weights.copy() for weights in task.f.get_weights()]
    network, course = study_of.train_transfer(task, tiny(), Weights(), progress=False)
    for old, new in zip(before, task.f.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert course["updates"] == 3 and set(course["losses"]) == {"generator", "discriminator", "constancy", "identity"}
    assert course["losses"]["discriminator"] == pytest.approx(3 * np.log(3), abs=0.6), "three kinds, none told yet"
    fresh = transfer.build_transfer(transfer.fitted_to(tiny(), FEATURES))
    moved = [
        not np.array_equal(ours, theirs)
        for ours, theirs in zip(network.layers[-1].get_weights(), fresh.generator.get_weights(), strict=True)
    ]
    assert all(moved)
    assert fresh.discriminator.output_shape == (None, 3)
    network.save(tmp_path / "transfer.keras")
    made = study_of.drawn(network, task.held_out)
    np.testing.assert_array_equal(study_of.drawn(load_network(tmp_path / "transfer.keras"), task.held_out), made)
    assert made.shape == (24, SIDE, SIDE, 3)


def test_a_loaded_f_may_have_layers_that_are_called_like_those_of_g():
    f, g = (
        keras.Sequential([keras.Input((ins,)), keras.layers.Dense(outs, name="dense")], name=name)
        for ins, outs, name in ((4, 3, "f"), (3, 2, "generator"))
    )
    x = random.normal(size=(5, 4)).astype(np.float32)
    np.testing.assert_allclose(transfer.whole(f, g)(x), g(f(x)), rtol=1e-6)


def test_batches_follow_from_seed_and_update_and_hold_both_domains(task):
    features = random.normal(size=(2, 24, FEATURES)).astype(np.float32)
    first, second, third = transfer.transfer_batches(*features, np.asarray(task.target.images), tiny())
    again = list(transfer.transfer_batches(*features, np.asarray(task.target.images), tiny()))
    assert first.latents.shape == (1, 8, FEATURES) and first.images.shape == (1, 4, SIDE, SIDE, 3)
    np.testing.assert_array_equal(third.latents, again[2].latents)
    assert not np.array_equal(first.latents, second.latents)
    for row, image in zip(third.latents[0, 4:], third.images[0]):  # target images with their own features
        place = np.flatnonzero((features[1] == row).all(1))[0]
        np.testing.assert_array_equal(image, task.target.images[place])


# --- what is counted --------------------------------------------------------------------------------------------------


def test_what_is_kept_is_counted_beside_pairs_at_random_and_untouched_images(task):
    perfect, deaf = measure(task, task.held_out), measure(task, np.full_like(task.held_out, 40))
    assert perfect["kept"]["transferred"]["value"] == 1 == perfect["kept"]["true"]["value"]
    assert perfect["kept"]["untouched"]["value"] == 1
    assert 0.05 < perfect["kept"]["others"]["value"] < 0.7  # a third by chance
    assert deaf["kept"]["transferred"]["value"] == pytest.approx(1 / 3)
    assert [row["seen"]["value"] for row in deaf["by_name"]] == [1, 0, 0]
    assert deaf["by_name"][0]["wrongly"]["value"] == 1
    assert perfect["variety"]["transferred"]["value"] == pytest.approx(1)
    assert deaf["variety"]["transferred"]["value"] == 0
    assert perfect["distance"]["transferred"]["value"] < deaf["distance"]["transferred"]["value"]
    traded = measure(
        task,
        np.roll(np.array([40, 120, 200], np.uint8), 1)[task.known.argmax(1)][:, None, None, None]
        + np.zeros_like(task.held_out),
    )
    assert traded["kept"]["transferred"]["value"] == 0 and traded["renamed"] == 1 == perfect["renamed"]
    assert deaf["renamed"] == pytest.approx(1 / 3)
    json.dumps(deaf)


def test_of_attributes_rare_ones_count_as_much_as_common_ones():
    known = np.array([[1, 0], [0, 0], [0, 0], [0, 1]], bool)
    assert kept_share(known, np.zeros_like(known), classes=False).value == 0.5  # sees nothing, ever
    assert kept_share(known, known, classes=False).value == 1
    seen = known.copy()
    seen[0, 0] = False  # half of all that is there is not seen, and all else is right
    assert kept_share(known, seen, classes=False).value == pytest.approx((0 + 1 + 1 + 1) / 4)


def npz(path, **arrays):
    np.savez(path, images=np.zeros((12, 32, 32, 3), np.uint8), **arrays)
    return str(path)


def test_a_source_is_drawn_as_what_knows_the_same(tmp_path):
    digits = npz(tmp_path / "digits.npz", labels=np.arange(12) % 10)
    names = np.array([pair[0] for pair in CELEBA.values()])
    faces = npz(tmp_path / "people.npz", attributes=np.eye(12, len(names), dtype=np.uint8), attribute_names=names)
    pets = npz(tmp_path / "pets.npz", labels=np.arange(12) % 2, label_names=np.array(["cat", "dog"]))
    assert [target_for(each).name for each in (digits, faces)] == ["house_numbers", "faces"]
    assert (target_for("faces").name, target_for("faces").choices) == ("faces", "plain")
    more = {"attributes": np.eye(12, len(names), dtype=np.uint8), "attribute_names": names}
    for labels, target in (
        ({"labels": np.arange(12) % 10}, "house_numbers"),
        ({"labels": np.arange(12) % 10, "label_names": np.array(list("0123456789"))}, "house_numbers"),
        ({"labels": np.arange(12) * 900}, "faces"),  # of whom they are
        ({"labels": np.arange(12) % 2, "label_names": np.array(["cat", "dog"])}, "faces"),
    ):
        both = npz(tmp_path / "both.npz", **labels, **more)
        assert target_for(both).name == target
        in_common(both, target)
    same, classes, *_ = in_common(digits, "house_numbers")
    assert same == tuple("0123456789") and classes
    same, classes, of_source, of_target = in_common(faces, "faces")
    assert same == tuple(CELEBA) and not classes
    known = of_source(np.eye(12, len(names), dtype=bool))
    assert known[0, 0] and not known[1, 0]
    beard = list(CELEBA).index("beard")
    assert known[0, beard] and not known[beard, beard], "No_Beard says the opposite"
    attributes = np.zeros((1, 13), bool)
    attributes[0, 1] = True  # sunglasses are glasses for CelebA
    assert of_target(attributes)[0].tolist() == [True] + 7 * [False]
    for source, sentence in (
        (pets, "Nothing is known of pets that is known of the built-in house numbers, too.* Received: cat, dog"),
        (npz(tmp_path / "no.npz"), "Nothing is known of the images of"),
    ):
        with pytest.raises(InputError, match=sentence):
            in_common(source, target_for(source).name)


def test_examples_are_an_image_of_each_and_no_image_twice_if_it_can_be():
    known = np.array([[0, 0, 0, 0], [1, 1, 0, 0], [0, 1, 0, 1], [0, 1, 0, 0]], bool)
    assert study_of.examples(known).tolist() == [1, 2, 2]  # nobody has the third; the last has but one


def test_a_study_keeps_what_it_has_and_draws_it(task, tmp_path, monkeypatch):
    trained = []

    def stays(task, experiment, weights, progress, title):
        trained.append((title, weights))
        network = keras.Sequential([keras.Input((SIDE, SIDE, 3)), keras.layers.Activation("linear")])
        return network, {"updates": 2, "seconds": 1.0, "losses": {"generator": 1.0}}

    monkeypatch.setattr(study_of, "task_for", lambda *_: task)
    monkeypatch.setattr(study_of, "train_transfer", stays)
    study = cross_domain("house_numbers", "smallest").only(["dtn", "game_alone"])
    for _ in range(2):
        records, file = study_of.carry_out(study, tmp_path, progress=False)
    assert trained == [("dtn, seed 0", Weights()), ("game_alone, seed 0", Weights(0, 0))], "each is trained once"
    assert set(records) == {("dtn", 0), ("game_alone", 0)}
    rows, figure = study_of.answer(results.load(study.name, file.parent))
    assert [row["arm"] for row in rows] == ["dtn", "game_alone"] and rows[0]["kept"].startswith("100.0%")
    assert len(figure.axes) == 2
    assert (tmp_path / study.name / "dtn-0" / "transfer.keras").is_file()


@pytest.mark.parametrize("field", ["held_out", "known", "true", "true_known"])
def test_what_was_measured_on_other_images_or_with_other_labels_is_not_taken(field, task, tmp_path, monkeypatch):
    trained = []

    def stays(task, experiment, weights, progress, title):
        trained.append(title)
        network = keras.Sequential([keras.Input((SIDE, SIDE, 3)), keras.layers.Activation("linear")])
        return network, {"updates": 2, "seconds": 1.0, "losses": {"generator": 1.0}}

    monkeypatch.setattr(study_of, "train_transfer", stays)
    study = cross_domain("house_numbers", "smallest").only(["dtn"])
    other = dataclasses.replace(task, **{field: np.roll(getattr(task, field), 1, axis=0)})
    for of in (task, task, other, other):
        monkeypatch.setattr(study_of, "task_for", lambda *_, of=of: of)
        study_of.carry_out(study, tmp_path, progress=False)
    assert trained == 2 * ["dtn, seed 0"]
