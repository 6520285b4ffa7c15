"""The rotation task: a head on the discriminator's features that tells by how much an image was turned."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from utils.config import preset, replace
from utils.data import Dataset
from utils.errors import InputError
from utils.models import build_discriminator, build_rotation_head, features_before_head
from utils.training.batches import Batch
from utils.training.loop import train
from utils.training.players import build_players
from utils.training.recipes import recipe_of
from utils.training.step import Update
from utils.training.view import View

TINY = replace(
    preset("report32"), image_size=16, width=0.0625, batch_size=6, recipe="rotation", batch_norm="on",
    generator={"start": 4, "filters": (64, 64), "strides": (2, 2)},
    discriminator={"filters": (64, 64), "strides": (2, 2), "dropout": 0.0},
)  # fmt: skip
LARGER = replace(TINY, discriminator_updates="joint")


def terms(experiment):
    return [{player: [t.name for t in of] for player, of in phase.terms.items()} for phase in recipe_of(experiment)]


def test_the_head_learns_in_the_discriminators_step_and_the_generator_serves_it():
    joint = [
        {"discriminator": ["loss_true", "loss_fake", "loss_rotation"], "rotation": ["loss_rotation"]},
        {"generator": ["loss_generator", "loss_rotation_fake"]},
    ]
    assert terms(LARGER) == joint
    apart = terms(TINY)
    assert apart[0] == {"discriminator": ["loss_true", "loss_rotation"], "rotation": ["loss_rotation"]}
    assert apart[1:] == [{"discriminator": ["loss_fake"]}, joint[1]]
    hinge = terms(replace(LARGER, loss="hinge", r1=1.0))
    assert hinge[0]["discriminator"] == ["loss_true", "loss_fake", "penalty_r1", "loss_rotation"]


@pytest.mark.parametrize("head", ["dense", "conv"])
def test_features_are_what_the_logit_is_a_weighted_sum_of(tiny, head):
    model = replace(tiny, discriminator={"head": head, "dropout": 0.4}, batch_norm="on").model
    discriminator = build_discriminator(model, 3)
    before = discriminator.get_weights()
    images = np.random.default_rng(0).uniform(-1, 1, (5, 32, 32, 3)).astype(np.float32)
    features = np.asarray(features_before_head(discriminator, images, "moving"))
    (kernel, bias), *_ = [layer.get_weights() for layer in discriminator.layers[::-1] if layer.weights]
    expected = 1 / (1 + np.exp(-(features @ kernel.reshape(-1, 1) + bias)))
    np.testing.assert_allclose(expected, discriminator(images), atol=1e-6)
    features_before_head(discriminator, images)  # by the statistics of the batch, which moves no averages
    assert all(map(np.array_equal, before, discriminator.get_weights()))
    assert build_rotation_head(model).input_shape == (None, features.shape[1])


@pytest.mark.parametrize("parts", [1, 2])
def test_a_part_of_a_batch_has_its_images_in_all_turns(parts):
    """Of eight images the first and the fifth are turned: of two parts each has one of them."""
    experiment = replace(LARGER, batch_size=8, batch_norm_parts=parts)
    players = build_players(experiment)
    images = np.random.default_rng(1).integers(0, 256, (8, 16, 16, 3), np.uint8)
    view = View(players, experiment.training, images=tf.constant(images), draw_fake=lambda: None)
    found = np.asarray(view.turned_true_logits).reshape(4, 2, 4)
    below = keras.Sequential(players.discriminator.layers[:-2])  # the last are the dense layer and the sigmoid
    some = (2.0 * images[::4] / 255 - 1).astype(np.float32)
    for part in np.split(np.arange(2), parts):
        turned = np.concatenate([np.rot90(some[part], quarters, (1, 2)) for quarters in range(4)])
        expected = players["rotation"].network(below(turned, training=True))
        np.testing.assert_allclose(found[:, part], np.reshape(expected, (4, len(part), 4)), atol=1e-5)


def test_an_update_with_rotations_is_the_papers_sum_computed_by_hand(float64, eagerly):
    players, expected = build_players(LARGER), build_players(LARGER)
    images = np.random.default_rng(1).integers(0, 256, (1, 6, 16, 16, 3), np.uint8)
    batch = Batch.of(LARGER, 1, images)
    recorded = Update(players, LARGER)(batch).read()

    true, generator, discriminator = 2.0 * images[0] / 255 - 1, expected.generator, expected.discriminator
    judge, head = keras.Sequential(discriminator.layers[:-1]), expected["rotation"].network
    below = keras.Sequential(discriminator.layers[:-2])  # the last are the dense layer and the sigmoid

    def turned(x):
        """The mean over four turns of two of the six images of -log of the probability of the right turn."""
        numbers = tf.concat([tf.image.rot90(x[::4], quarters) for quarters in range(4)], 0)
        logits = head(below(numbers, training=True))
        right = tf.gather(logits, [0, 0, 1, 1, 2, 2, 3, 3], axis=1, batch_dims=1)
        return tf.reduce_mean(tf.reduce_logsumexp(logits, 1) - right)

    def score(x, label):
        logits = judge(x, training=True)
        return -tf.reduce_mean(tf.math.log(tf.sigmoid(logits if label else -logits)))

    def descend(networks, loss):
        with tf.GradientTape() as tape:
            value = loss()
        weights = [w for network in networks for w in network.trainable_weights]
        keras.optimizers.Adam(2e-4, beta_1=0.5).apply_gradients(zip(tape.gradient(value, weights), weights))

    assert LARGER.training.learning_rate == 2e-4
    found = float(turned(true))
    fakes = generator(batch.latents[0], training=True)
    descend([discriminator, head], lambda: score(true, 1) + score(fakes, 0) + turned(true))
    later = {}

    def of_generator():
        x = generator(batch.latents[1], training=True)
        later["value"] = 0.2 * turned(x)
        return score(x, 1) + later["value"]

    descend([generator], of_generator)
    assert recorded["loss_rotation"] == pytest.approx(found, rel=1e-5)
    assert recorded["loss_rotation_fake"] == pytest.approx(float(later["value"]), rel=1e-5)
    for name, player in players.by_name.items():
        for a, b in zip(player.network.trainable_weights, expected[name].network.trainable_weights, strict=True):
            np.testing.assert_allclose(np.asarray(a), np.asarray(b), atol=2e-6, err_msg=name)


def test_a_training_with_rotations_keeps_and_records_them(tmp_path, noise_images, undrawn):
    data = Dataset(name="noise", title="noise", images=noise_images[:12, ::2, ::2], fingerprint="0")
    short = replace(TINY, count=12, epochs=1, summary_samples=4)
    run = train(short, dataset=data, runs_dir=tmp_path, progress=False)
    assert np.isfinite(run.steps()["loss_rotation"]).all() and run.steps()["loss_rotation"][0] == pytest.approx(
        np.log(4), abs=1.0
    )
    assert run.model("rotation").is_file()


def test_a_conditional_discriminator_is_refused(tiny):
    with pytest.raises(InputError, match="rotation looks at the features of a discriminator that is told nothing"):
        replace(tiny, recipe="rotation", conditions="attributes")
