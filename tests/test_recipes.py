"""New parts of an update, each against an independent computation."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from comparing import assert_same_contents, killed_late

from utils import registries
from utils.config import ModelConfig, preset, replace
from utils.errors import InputError
from utils.models import SpectralConv2D, build_discriminator, forward, load_network
from utils.training import augmentations, losses, resume, train
from utils.training.batches import Batch
from utils.training.losses import Loss
from utils.training.players import build_players
from utils.training.recipes import Phase, Term, due_at, recipe_of
from utils.training.step import Update, run_phase
from utils.training.view import Given, View

JOINT = {"discriminator_updates": "joint"}


def batch_of(experiment, update=1):
    training, side = experiment.training, experiment.model.image_size
    shape = (training.discriminator_steps, training.batch_size, side, side, 3)
    return Batch.of(experiment, update, np.random.default_rng(update).integers(0, 256, shape, np.uint8))


def view_of(experiment, players=None, **given):
    """A view of random pictures, with fakes that no generator drew."""
    players, batch = players or build_players(experiment), batch_of(experiment)
    fake = tf.constant(np.random.default_rng(1).uniform(-1, 1, batch.images[0].shape), players.generator.variable_dtype)
    images = tf.constant(batch.images[0])
    return View(players, experiment.training, images=images, draw_fake=lambda: fake, key=batch.key, **given)


# --- losses -----------------------------------------------------------------------------------------------------------


def softplus(x):
    return np.log1p(np.exp(x))


FORMULAS = {  # of the logits t of true and f of fake images, from the papers
    "non_saturating": (lambda t, f: (softplus(-t), softplus(f)), lambda t, f: softplus(-f)),
    "saturating": (lambda t, f: (softplus(-t), softplus(f)), lambda t, f: np.log(1 - 1 / (1 + np.exp(-f)))),
    "relativistic": (lambda t, f: (softplus(-(t - f)),), lambda t, f: softplus(-(f - t))),
    "hinge": (lambda t, f: (np.maximum(0, 1 - t), np.maximum(0, 1 + f)), lambda t, f: -f),
    "least_squares": (lambda t, f: ((t - 1) ** 2 / 2, f**2 / 2), lambda t, f: (f - 1) ** 2 / 2),
    "wasserstein": (lambda t, f: (-t, f), lambda t, f: -f),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_a_loss_is_its_formula(tiny, name, float64):
    view = view_of(replace(tiny, discriminator={"dropout": 0.0}))
    t, f = (np.asarray(view.judge(images)) for images in (view.true, view.fake))
    loss, (of_discriminator, of_generator) = registries.chosen(registries.LOSSES, name), FORMULAS[name]
    found = [float(term.value(view)) for term in loss.discriminator]
    np.testing.assert_allclose(found, [np.mean(part) for part in of_discriminator(t, f)], rtol=1e-9)
    (term,) = loss.generator
    assert float(term.value(view)) == pytest.approx(np.mean(of_generator(t, f)), rel=1e-9)


@pytest.mark.parametrize("name", FORMULAS)
def test_both_networks_are_trained_by_every_loss_and_its_terms_are_recorded(tiny, name, eagerly):
    experiment = replace(tiny, loss=name, **JOINT)
    players = build_players(experiment)
    before = {n: [v.numpy() for v in players[n].network.trainable_weights] for n in ("generator", "discriminator")}
    record = Update(players, experiment)(batch_of(experiment)).read()
    for network, weights in before.items():
        moved = [np.abs(a - b).max() for a, b in zip(weights, players[network].network.trainable_weights, strict=True)]
        # Where only differences of scores count, the last bias has no slope (hinge: as long as both margins are open).
        blind = network == "discriminator" and name in ("wasserstein", "relativistic", "hinge")
        assert [m > 1e-5 for m in moved] == [True] * (len(moved) - blind) + [False] * blind, network
    terms = [term.name for phase in recipe_of(experiment) for those in phase.terms.values() for term in those]
    assert list(record) == [*terms, "score_true", "score_fake", "gradient_norm"]
    assert all(np.isfinite(list(record.values())))


# --- penalties: closed form on a tiny network, finite differences on a real one ---------------------------------------


def linear_players(experiment, weights):
    """A discriminator that is one linear map of the pixels: its slope is the same everywhere."""
    players = build_players(experiment)
    flat = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Flatten(), keras.layers.Dense(1),
                             keras.layers.Activation("sigmoid")])  # fmt: skip
    flat.layers[1].kernel.assign(weights[:, None])
    player = dataclasses.replace(players["discriminator"], network=flat)
    return dataclasses.replace(players, by_name=players.by_name | {"discriminator": player})


def test_penalties_of_a_linear_discriminator_are_known_in_closed_form(tiny, float64):
    weights = np.random.default_rng(3).normal(0, 0.02, 32 * 32 * 3)
    squared = float(weights @ weights)
    experiment = replace(tiny, r1=3.0, r2=0.5, loss="wasserstein", gradient_penalty=7.0, **JOINT)
    view = view_of(experiment, linear_players(experiment, weights))
    assert float(losses.r1(view)) == pytest.approx(3.0 / 2 * squared, rel=1e-6)
    assert float(losses.r2(view)) == pytest.approx(0.5 / 2 * squared, rel=1e-6)
    assert float(losses.gradient_penalty(view)) == pytest.approx(7.0 * (np.sqrt(squared) - 1) ** 2, rel=1e-6)


@pytest.mark.parametrize("penalty", ["r1", "r2", "gradient_penalty"])
def test_gradients_of_penalties_agree_with_finite_differences(tiny, penalty, float64):
    loss = {"loss": "wasserstein"} if penalty == "gradient_penalty" else {}
    experiment = replace(tiny, r1=2.0, r2=2.0, discriminator={"dropout": 0.0}, **loss, **JOINT)
    players, term = build_players(experiment), getattr(losses, penalty)
    kernel = players.discriminator.layers[2].kernel
    with tf.GradientTape() as tape:
        value = term(view_of(experiment, players))
    found = tape.gradient(value, kernel.value)
    direction = np.random.default_rng(0).normal(size=kernel.shape)
    start, step = kernel.numpy(), 1e-6
    ends = []
    for sign in (1, -1):
        kernel.assign(start + sign * step * direction)
        ends.append(float(term(view_of(experiment, players))))
    slope = (ends[0] - ends[1]) / (2 * step)
    # LeakyReLU has kinks, which a difference may step over
    assert float(np.sum(found * direction)) == pytest.approx(slope, rel=1e-3) and abs(slope) > 1e-9


def test_a_lazy_penalty_has_its_turns_with_the_weight_of_those_it_missed(tiny, float64, eagerly):
    """The gradient of a due update is that of the loss plus k penalties; between turns nothing of it is recorded."""
    options = {"r1": 50.0, "discriminator": {"dropout": 0.0}, **JOINT}
    lazy, eager = replace(tiny, penalty_every=3, **options), replace(tiny, **(options | {"r1": 150.0}))
    networks, records = [], []
    for experiment in (lazy, eager):
        players = build_players(experiment)
        records.append(Update(players, experiment)(batch_of(experiment)).read())
        networks.append(players.discriminator.get_weights())
    for a, b in zip(*networks, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-9)
    assert records[0]["penalty_r1"] == pytest.approx(records[1]["penalty_r1"] / 3)
    update = Update(build_players(lazy), lazy)
    there = ["penalty_r1" in update(batch_of(lazy, number)).read() for number in range(1, 8)]
    assert there == [True, False, False, True, False, False, True]
    assert len(update._compiled) == 2  # each combination that occurs, once


# --- spectral normalisation -------------------------------------------------------------------------------------------


def test_spectral_normalisation_divides_by_the_largest_singular_value_and_leaves_the_kernel(tiny):
    experiment = replace(tiny, spectral_norm=True, **JOINT)
    network = build_discriminator(experiment.model)
    kernels = [layer.kernel.numpy() for layer in network.layers if hasattr(layer, "iterate")]
    assert len(kernels) == 5  # four convolutions and the last dense layer
    for _ in range(200):
        for layer in network.layers:
            if hasattr(layer, "iterate"):
                layer.iterate()
    spectral = [layer for layer in network.layers if hasattr(layer, "iterate")]
    for layer, kernel in zip(spectral, kernels):
        assert np.array_equal(layer.kernel.numpy(), kernel)  # not overwritten
        largest = np.linalg.svd(kernel.reshape(-1, kernel.shape[-1]), compute_uv=False)[0]
        assert float(layer.largest_singular_value(tf.constant(kernel))) == pytest.approx(largest, rel=1e-3)
    convolution = spectral[1]
    plain = keras.layers.Conv2D(convolution.filters, 3, strides=2, padding="same", use_bias=False)
    x = np.random.default_rng(0).normal(size=(2, 8, 8, convolution.kernel.shape[2])).astype(np.float32)
    plain.build(x.shape)
    kernel = kernels[1]
    plain.kernel.assign(kernel / np.linalg.svd(kernel.reshape(-1, kernel.shape[-1]), compute_uv=False)[0])
    np.testing.assert_allclose(convolution(x), plain(x) + convolution.bias.numpy(), atol=1e-4)


def test_the_gradient_of_a_normalised_kernel_is_that_of_the_quotient(float64):
    """Miyato et al., eq. 12: finite differences of the output with the singular vectors held fixed agree with it."""
    layer = SpectralConv2D(4, 3, padding="same", use_bias=False)
    x = np.random.default_rng(0).normal(size=(2, 6, 6, 3))
    layer.build(x.shape)
    for _ in range(300):
        layer.iterate()
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(tf.square(layer(x)))
    found = tape.gradient(value, layer.kernel.value)
    start, direction = layer.kernel.numpy(), np.random.default_rng(1).normal(size=layer.kernel.shape)
    ends = []
    for sign in (1, -1):
        layer.kernel.assign(start + sign * 1e-6 * direction)
        ends.append(float(tf.reduce_sum(tf.square(layer(x)))))
    # At the true singular vectors the largest singular value has the same slope whether they move or not.
    assert float(np.sum(found * direction)) == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5)


def test_power_iteration_takes_one_step_an_update_and_a_saved_network_scores_the_same(tiny, tmp_path, eagerly):
    experiment = replace(tiny, spectral_norm=True, **JOINT)
    players = build_players(experiment)
    layer = next(layer for layer in players.discriminator.layers if hasattr(layer, "iterate"))
    kernel, u = layer.kernel.numpy(), layer.u.numpy()
    Update(players, experiment)(batch_of(experiment))
    matrix = kernel.reshape(-1, kernel.shape[-1])
    expected = matrix.T @ (matrix @ u)
    np.testing.assert_allclose(layer.u.numpy(), expected / np.linalg.norm(expected), atol=1e-5)
    players.discriminator.save(tmp_path / "d.keras")
    images = np.random.default_rng(0).uniform(-1, 1, (4, 32, 32, 3)).astype(np.float32)
    np.testing.assert_array_equal(load_network(tmp_path / "d.keras")(images), players.discriminator(images))


# --- augmentation -----------------------------------------------------------------------------------------------------

IMAGES = np.random.default_rng(2).uniform(-1, 1, (64, 16, 16, 3)).astype(np.float32)


def test_colour_changes_brightness_saturation_and_contrast_by_the_formula():
    seed = tf.constant([3, 4])
    b, s, c = np.asarray(tf.random.stateless_uniform([64, 3], seed)).T[..., None, None, None]
    x = IMAGES + (b - 0.5)
    grey = x.mean(-1, keepdims=True)
    x = (x - grey) * (2 * s) + grey
    mean = x.mean((1, 2, 3), keepdims=True)
    np.testing.assert_allclose(
        augmentations.colour(tf.constant(IMAGES), seed), (x - mean) * (c + 0.5) + mean, atol=1e-5
    )


def test_translation_shifts_whole_images_by_up_to_an_eighth_and_fills_with_grey():
    moved, shifts = np.asarray(augmentations.translation(tf.constant(IMAGES), tf.constant([1, 2]))), set()
    for image, shifted in zip(IMAGES, moved):
        padded = np.pad(image, ((2, 2), (2, 2), (0, 0)))
        at = [(r, c) for r in range(5) for c in range(5) if np.array_equal(padded[r : r + 16, c : c + 16], shifted)]
        assert len(at) == 1
        shifts |= {(at[0][0] - 2, at[0][1] - 2)}
    assert {r for r, _ in shifts} == {c for _, c in shifts} == {-2, -1, 0, 1, 2}


def test_cutout_makes_one_square_of_half_the_side_grey_and_leaves_the_rest():
    cut = np.asarray(augmentations.cutout(tf.constant(IMAGES), tf.constant([1, 2])))
    full = 0
    for image, holed in zip(IMAGES, cut):
        hole = (holed == 0).all(-1)
        rows, columns = np.flatnonzero(hole.any(1)), np.flatnonzero(hole.any(0))
        assert hole[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        assert hole.sum() == len(rows) * len(columns) and len(rows) <= 8 and len(columns) <= 8
        assert np.array_equal(holed[~hole], image[~hole])
        full += hole.sum() == 64
    assert 0 < full < 64  # at an edge less of it is seen


def test_mirror_turns_about_half_of_the_images_round_and_leaves_the_others():
    turned = np.asarray(augmentations.mirror(tf.constant(IMAGES), tf.constant([1, 2])))
    same = [np.array_equal(a, b) for a, b in zip(turned, IMAGES)]
    mirrored = [np.array_equal(a, b[:, ::-1]) for a, b in zip(turned, IMAGES)]
    assert all(s != m for s, m in zip(same, mirrored)) and 20 < sum(same) < 44


def test_noise_has_mean_0_and_deviation_a_tenth():
    added = np.asarray(augmentations.noise(tf.constant(IMAGES), tf.constant([1, 2]))) - IMAGES
    assert abs(added.mean()) < 0.002 and 0.098 < added.std() < 0.102


@pytest.mark.parametrize("name", registries.AUGMENTATIONS)
def test_augmentations_follow_their_seed_and_let_gradients_through(name):
    function, images = registries.chosen(registries.AUGMENTATIONS, name), tf.constant(IMAGES)
    one, same, other = (np.asarray(function(images, tf.constant(seed))) for seed in ([1, 2], [1, 2], [1, 3]))
    assert np.array_equal(one, same) and not np.array_equal(one, other)
    with tf.GradientTape() as tape:
        tape.watch(images)
        value = tf.reduce_sum(function(images, tf.constant([1, 2])))
    gradient = np.asarray(tape.gradient(value, images))
    assert np.isfinite(gradient).all() and np.abs(gradient).sum((1, 2, 3)).min() > 0


def test_true_and_fake_images_are_augmented_each_by_numbers_of_their_own_in_both_networks_updates(tiny, eagerly):
    experiment = replace(tiny, augment=("cutout",), **JOINT)
    view = view_of(experiment)
    holes = [(np.asarray(images) == 0).all(-1) for images in (view.true, view.fake)]
    assert all(hole.any((1, 2)).all() for hole in holes) and not np.array_equal(*holes)
    plain, seen = replace(experiment, augment=()), {}
    for settings in (experiment, plain):
        players = build_players(settings)
        seen[settings.training.augment] = Update(players, settings)(batch_of(settings)).read()
    one, other = seen.values()
    assert all(one[name] != other[name] for name in ("loss_true", "loss_fake", "loss_generator"))


# --- steps and rates --------------------------------------------------------------------------------------------------


def test_the_two_networks_have_step_sizes_of_their_own_that_decay(tiny, eagerly):
    experiment = replace(tiny, discriminator_learning_rate=1e-3, learning_rate_decay=0.5, **JOINT)
    players = build_players(experiment)
    update = Update(players, experiment)
    for number, factor in ((1, 1.0), (1001, 0.5), (2001, 0.25)):
        update(batch_of(experiment, number)).read()
        rates = [float(players[name].optimizer.learning_rate) for name in ("generator", "discriminator")]
        assert rates == pytest.approx([2e-4 * factor, 1e-3 * factor], rel=1e-5)


def test_more_steps_of_the_generator_are_that_many_adam_steps_on_latents_of_their_own(tiny, eagerly):
    experiment = replace(tiny, generator_steps=3)
    players, batch = build_players(experiment), batch_of(experiment)
    assert batch.latents.shape == (4, 8, 100)
    Update(players, experiment)(batch)
    assert int(players["generator"].optimizer.iterations) == 3
    assert int(players["discriminator"].optimizer.iterations) == 2  # on true, then on fake


def test_the_simultaneous_update_is_that_of_one_pass_before_either_network_has_changed(tiny, float64, eagerly):
    experiment = replace(tiny, simultaneous=True, shared_latents=True, discriminator={"dropout": 0.0}, **JOINT)
    players, expected, batch = build_players(experiment), build_players(experiment), batch_of(experiment)
    Update(players, experiment)(batch)
    true = 2.0 * batch.images[0] / 255 - 1
    cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    generator, judge = expected.generator, keras.Sequential(expected.discriminator.layers[:-1])
    with tf.GradientTape(persistent=True) as tape:
        fake = generator(batch.latents[0], training=True)
        t, f = judge(true, training=True), judge(fake, training=True)
        for_discriminator = cross_entropy(tf.ones_like(t), t) + cross_entropy(tf.zeros_like(f), f)
        for_generator = cross_entropy(tf.ones_like(f), f)
    for name, value in (("generator", for_generator), ("discriminator", for_discriminator)):
        player = expected[name]
        gradients = tape.gradient(value, player.network.trainable_weights)
        keras.optimizers.Adam(2e-4, beta_1=0.5).apply_gradients(zip(gradients, player.network.trainable_weights))
        for a, b in zip(players[name].network.weights, player.network.weights, strict=True):
            np.testing.assert_allclose(np.asarray(a), np.asarray(b), atol=1e-6)


def test_turned_labels_are_the_share_asked_for(tiny, float64):
    experiment = replace(tiny, label_noise=0.25, batch_size=24)
    players = linear_players(experiment, np.zeros(32 * 32 * 3))
    players.discriminator.layers[1].bias.assign([3.0])
    view = view_of(experiment, players)
    drawn = np.asarray(tf.random.stateless_uniform([24, 1], view.random("label noise"), dtype=tf.float64)) < 0.25
    assert 0 < drawn.sum() < 24
    expected = np.where(drawn, softplus(3.0), softplus(-3.0)).mean()
    assert float(losses.true(view)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"loss": "relativistic"}, "--discriminator-updates joint"),
        ({"loss": "wasserstein", "batch_norm": "on", **JOINT}, "cannot be batch-normalised"),
        ({"loss": "hinge", "label_smoothing": 0.1}, "leave it off"),
        ({"conditioning": "concatenation"}, "conditioning is about conditions, of which there are none"),
        ({"condition_dim": 64}, "condition_dim is about conditions, of which there are none"),
        ({"simultaneous": True, **JOINT}, "--shared-latents"),
        ({"shared_latents": True, "generator_steps": 2}, "generator_steps 1"),
        ({"r1": -1.0}, "r1 must be at least 0"),
        ({"learning_rate_decay": 0.0}, "learning_rate_decay must be a number above 0"),
    ],
)
def test_what_a_recipe_requires_is_said(tiny, changes, words):
    with pytest.raises(InputError) as refusal:
        replace(tiny, **changes)
    assert words in str(refusal.value)


# --- parts from outside -----------------------------------------------------------------------------------------------


def test_a_loss_registered_from_outside_is_trained_with_and_recorded_by_its_name(
    tiny, noise_dataset, tmp_path, monkeypatch
):
    exponential = Term("loss_exponential", lambda view: tf.reduce_mean(tf.exp(-view.true_logits + view.fake_logits)))
    mine = Loss((exponential,), (Term("loss_generator", losses.non_saturating),))
    monkeypatch.setitem(registries.LOSSES, "mine", mine)
    run = train(replace(tiny, loss="mine", **JOINT), dataset=noise_dataset, runs_dir=tmp_path, progress=False)
    steps = run.steps()
    assert list(steps)[2:] == ["loss_exponential", "loss_generator", "score_true", "score_fake", "gradient_norm"]
    assert (steps["loss_exponential"] > 0).all() and run.losses_plot.is_file()


def build_encoder(model: ModelConfig, seed: int) -> keras.Sequential:
    start = keras.initializers.RandomNormal(0, 0.02, seed=seed)
    return keras.Sequential(
        [keras.Input((model.image_size, model.image_size, 3)), keras.layers.Conv2D(4, 4, 4, kernel_initializer=start),
         keras.layers.Flatten(), keras.layers.Dense(model.latent_dim, kernel_initializer=start)]
    )  # fmt: skip


def with_encoder(experiment):
    """The DCGAN, and an encoder that learns to find the latents of fakes again."""
    find = Term("loss_encoder", lambda view: tf.reduce_mean(tf.square(view.encode(view.fake) - view.latents)))
    return (*registries.chosen(registries.RECIPES, "dcgan")(experiment), Phase({"encoder": (find,)}, every=2))


def own_discriminator(model: ModelConfig, seed: int) -> keras.Model:
    """The project's own as a functional model."""
    network = build_discriminator(model, seed)
    x = inputs = keras.Input(network.input_shape[1:])
    for layer in network.layers:
        x = type(layer).from_config(layer.get_config())(x)
    graph = keras.Model(inputs, x, name="discriminator")
    graph.set_weights(network.get_weights())
    return graph


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"batch_norm": "on"},
        {"batch_norm": "on", "statistics": "moving_judge"},
        {"batch_norm": "on", "batch_norm_parts": 2, "join_batches": True, "recipe": "rotation", **JOINT},
        {"loss": "wasserstein", "augment": ("colour",), **JOINT},
    ],
    ids=str,
)
def test_a_functional_discriminator_from_outside_is_updated_as_a_sequential_one(tiny, monkeypatch, eagerly, changes):
    experiment = replace(tiny, **changes)
    done = []
    for build in (build_discriminator, own_discriminator):
        monkeypatch.setitem(registries.PLAYERS, "discriminator", build)
        players = build_players(experiment)
        record = Update(players, experiment)(batch_of(experiment)).read()
        done.append((record, [np.asarray(each) for each in players.variables().values()]))
    (expected, variables), (found, own) = done
    assert found == expected
    assert all(map(np.array_equal, variables, own)) and len(variables) == len(own)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__(name="mine")
        self.flat, self.dense = keras.layers.Flatten(), keras.layers.Dense(1, "sigmoid")

    def call(self, images):
        return self.dense(self.flat(images))


def repeated():
    """A functional model that uses a layer twice."""
    x, layer = keras.Input((32, 32, 3)), keras.layers.Conv2D(3, 3, padding="same")
    flat = keras.layers.Flatten()(layer(layer(x)))
    return keras.Model(x, keras.layers.Activation("sigmoid")(keras.layers.Dense(1)(flat)), name="mine")


def computing():
    """A functional model with an operation that is no layer."""
    x = keras.Input((32, 32, 3))
    flat = keras.ops.abs(keras.layers.Flatten()(x))
    return keras.Model(x, keras.layers.Activation("sigmoid")(keras.layers.Dense(1)(flat)), name="mine")


@pytest.mark.parametrize("build", [Subclassed, repeated, computing])
def test_a_discriminator_whose_logit_cannot_be_told_is_refused_in_a_sentence(build):
    network, images = build(), np.zeros((2, 32, 32, 3), np.float32)
    assert network(images).shape == (2, 1)  # also built, then
    with pytest.raises(InputError, match="should be a Sequential model, or a functional one .* Received: mine, a "):
        forward(network, images, logits=True)


@pytest.mark.slow
def test_a_player_from_outside_learns_is_kept_in_checkpoints_and_goes_on_exactly(
    tiny, noise_dataset, tmp_path, monkeypatch, undrawn
):
    monkeypatch.setitem(registries.PLAYERS, "encoder", build_encoder)
    monkeypatch.setitem(registries.RECIPES, "with_encoder", with_encoder)
    experiment = replace(tiny, recipe="with_encoder", learning_rate=2e-3)
    whole = train(replace(experiment, epochs=4), dataset=noise_dataset, runs_dir=tmp_path / "a", progress=False)
    part = killed_late(whole, tmp_path / "b")
    resume(part, dataset=noise_dataset, progress=False)
    kept = []
    for run in (whole, part):
        with np.load(max(run.checkpoints.iterdir())) as file:
            kept.append({name: file[name] for name in file.files if name.startswith("encoder")})
    assert len(kept[0]) == 4 + 2 + 2 * 4  # weights; Adam's counter and step size, two moments for each weight
    assert all(np.array_equal(kept[0][name], kept[1][name]) for name in kept[0])
    found = whole.steps()["loss_encoder"]
    assert np.isnan(found).tolist() == [False, True] * 6  # its turn is every other update
    assert whole.steps_file.read_bytes() == part.steps_file.read_bytes()


@pytest.mark.slow
def test_a_training_with_all_parts_at_once_goes_on_to_the_same_bits(tiny, noise_dataset, tmp_path, undrawn):
    parts = {
        "loss": "relativistic", "r1": 1.0, "r2": 0.5, "penalty_every": 2, "augment": tuple(registries.AUGMENTATIONS),
        "spectral_norm": True, "simultaneous": True, "shared_latents": True, "batch_norm": "on", "ema_decay": 0.9,
        "discriminator_learning_rate": 4e-4, "learning_rate_decay": 0.5, **JOINT,
    }  # fmt: skip
    whole = train(replace(tiny, **parts), dataset=noise_dataset, runs_dir=tmp_path / "a", progress=False)
    part = killed_late(whole, tmp_path / "b")
    resume(part, dataset=noise_dataset, progress=False)
    assert_same_contents(whole, part)


def test_phases_and_terms_have_their_turns():
    a, b = Term("a", None), Term("b", None, every=2)
    recipe = (Phase({"discriminator": (a, b)}), Phase({"generator": (b,)}), Phase({"encoder": (a,)}, every=3))

    def names(update):
        return {
            n: [t.name for terms in phase.terms.values() for t in terms] for n, phase in due_at(recipe, update).items()
        }

    assert [names(update) for update in (1, 2, 3, 4)] == [
        {0: ["a", "b"], 1: ["b"], 2: ["a"]},
        {0: ["a"]},
        {0: ["a", "b"], 1: ["b"]},
        {0: ["a"], 2: ["a"]},
    ]


def test_a_phase_without_a_generator_runs_on_given_fakes(tiny):
    experiment = replace(tiny, **JOINT)
    players, batch = build_players(experiment), batch_of(experiment)
    fake = tf.zeros(batch.images[0].shape)
    phase = recipe_of(experiment)[0]
    recorded = run_phase(
        phase, players, experiment.training, images=tf.constant(batch.images[0]), draw=lambda: Given(fake)
    )
    assert set(recorded) == {"loss_true", "loss_fake", "score_true", "score_fake"}
    assert forward(players.discriminator, fake, training=False, statistics="moving").shape == (8, 1)


def test_conditions_reach_the_terms_row_by_row(tiny):
    experiment = replace(tiny, **JOINT)
    batch = batch_of(experiment)
    conditions = np.arange(8)[None]
    seen = []
    term = Term("loss_seen", lambda view: seen.append(view.conditions) or losses.true(view))
    phase = Phase({"discriminator": (term,)})
    images = tf.constant(batch.images[0])
    run_phase(phase, build_players(experiment), experiment.training, images=images, draw=None, conditions=conditions[0])
    assert np.array_equal(seen[0], np.arange(8))


def test_unknown_parts_are_refused_with_those_that_there_are(tiny):
    with pytest.raises(InputError, match="no loss 'cubist'; choose one of non_saturating, saturating"):
        recipe_of(replace(tiny, loss="cubist"))
    with pytest.raises(InputError, match="no recipe 'cubist'; choose one of dcgan, "):
        recipe_of(replace(tiny, recipe="cubist"))
    assert preset("quick").training.recipe == "dcgan"
