"""The fused update against the same mathematics written out call by call."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from utils.config import replace
from utils.data import scale
from utils.models import build_combined
from utils.training.batches import Batch
from utils.training.losses import R2
from utils.training.players import build_players
from utils.training.recipes import recipe_of
from utils.training.step import Update, run_phase
from utils.training.view import Given

UPDATES = 4
UNTRAINED = 1e-5  # a weight that Adam (learning rate 2e-4) moves at all moves by more than this in one update
ATOL = 5e-7  # Keras clips scores at 1e-7 before their logarithm, which moves a step of 2e-4 by a thousandth at most


def batches_of(experiment, count=UPDATES):
    random = np.random.default_rng(7)
    training = experiment.training
    steps, size, side = training.discriminator_steps, training.batch_size, experiment.model.image_size
    for update in range(1, count + 1):
        yield Batch.of(experiment, update, random.integers(0, 256, (steps, size, side, side, 3), np.uint8))


def fused(experiment):
    networks = build_players(experiment)
    update = Update(networks, experiment)
    return networks, [update(batch).read() for batch in batches_of(experiment)]


@pytest.mark.parametrize("updates", ["separate", "joint"])
def test_scores_are_those_before_the_discriminators_steps_also_where_a_penalty_is_due(tiny, updates, eagerly):
    plain = replace(tiny, discriminator_updates=updates, discriminator={"dropout": 0.0})
    (_, (without, *_)), (_, (beside, *_)) = (fused(replace(plain, r1=r1)) for r1 in (0.0, 10.0))
    assert beside["penalty_r1"] > 0
    for name in ("score_true", "score_fake"):
        assert beside[name] == pytest.approx(without[name], abs=1e-6)


def test_what_falls_on_slopes_at_fakes_sees_no_true_image(tiny):
    """In a phase of its own: normalised by the batch, the discriminator would move its averages with them."""
    experiment = replace(tiny, r2=1.0, batch_norm="on")
    (phase,) = [phase for phase in recipe_of(experiment) if R2 in phase.terms.get("discriminator", ())]
    batch, fake = next(batches_of(experiment)), tf.random.stateless_normal((8, 32, 32, 3), (0, 1))
    averages = []
    for images in (batch.images[0], 255 - batch.images[0] // 2):
        players = build_players(experiment)
        recorded = run_phase(phase, players, experiment.training, images=tf.constant(images), draw=lambda: Given(fake))
        assert list(recorded) == ["penalty_r2"] and recorded["penalty_r2"] > 0
        layers = [layer for layer in players.discriminator.layers if hasattr(layer, "moving_mean")]
        averages.append(np.concatenate([layer.moving_mean for layer in layers]))
    assert np.array_equal(*averages) and averages[0].any()


def assert_same_weights(one, other, atol):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=0, atol=atol)


def reports_loop(experiment):
    """train_on_batch on true samples, on fake samples, and on the combined model with the discriminator frozen."""
    networks = build_players(experiment)
    generator, discriminator = networks.generator, networks.discriminator
    adam = {"learning_rate": experiment.training.learning_rate, "beta_1": experiment.training.beta_1}
    size = experiment.training.batch_size
    ones, zeros = np.ones((size, 1), np.float32), np.zeros((size, 1), np.float32)
    discriminator.compile(keras.optimizers.Adam(**adam), "binary_crossentropy")
    combined = None
    losses = []
    for batch in batches_of(experiment):
        discriminator.trainable = True  # Keras 3 reads the flag when it traces: the first call decides
        loss_true = discriminator.train_on_batch(scale(batch.images[0]), ones)
        # Calling the model as it stands for `predict`: inference mode
        loss_fake = discriminator.train_on_batch(np.asarray(generator(batch.latents[0])), zeros)
        discriminator.trainable = False
        if combined is None:
            combined = build_combined(generator, discriminator)
            combined.compile(keras.optimizers.Adam(**adam), "binary_crossentropy")
        losses.append([loss_true, loss_fake, combined.train_on_batch(batch.latents[1], ones)])
    discriminator.trainable = True
    return networks, losses


@pytest.mark.slow
@pytest.mark.parametrize("batch_norm", ["off", "moving"])
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_fused_updates_give_the_weights_of_the_reports_three_calls(tiny, batch_norm, precision, request):
    if precision == "float64":
        request.getfixturevalue("float64")
    experiment = replace(tiny, **({"batch_norm": "on", "statistics": "moving"} if batch_norm == "moving" else {}))
    networks, recorded = fused(experiment)
    expected, losses = reports_loop(experiment)
    # In float32 a weight whose gradient is rounding only may go its own way, at the learning rate.
    atol = 1e-7 if precision == "float64" else UPDATES * 2e-4
    for one, other in ((networks.generator, expected.generator), (networks.discriminator, expected.discriminator)):
        assert_same_weights(one.weights, other.weights, atol)
        distances = [np.abs(np.asarray(a) - np.asarray(b)).ravel() for a, b in zip(one.weights, other.weights)]
        assert np.concatenate(distances).mean() < 2e-6  # they have moved by about UPDATES * 2e-4
    # train_on_batch gives running means over the calls since compile, so only the first can be compared one to one
    first = [recorded[0][name] for name in ("loss_true", "loss_generator")]
    np.testing.assert_allclose(first, [losses[0][0], losses[0][2]], rtol=1e-4)


def written_out(experiment):
    """The update in three separate eager parts, batch statistics everywhere: models are called, losses are Keras's."""
    networks = build_players(experiment)
    generator, discriminator = networks.generator, networks.discriminator
    training = experiment.training
    adam = {"learning_rate": training.learning_rate, "beta_1": training.beta_1}
    for_generator, for_discriminator = keras.optimizers.Adam(**adam), keras.optimizers.Adam(**adam)
    cross_entropy = keras.losses.BinaryCrossentropy()

    def descend(network, optimizer, loss):
        with tf.GradientTape() as tape:
            value = loss()
        optimizer.apply_gradients(zip(tape.gradient(value, network.trainable_weights), network.trainable_weights))

    for batch in batches_of(experiment):
        for k in range(training.discriminator_steps):
            fake = generator(batch.latents[k], training=training.statistics != "moving_fakes")
            true = scale(batch.images[k])

            def on_true():
                scores = discriminator(true, training=True)
                return cross_entropy(tf.fill(scores.shape, 1.0 - training.label_smoothing), scores)

            def on_fake():
                scores = discriminator(fake, training=True)
                return cross_entropy(tf.zeros(scores.shape), scores)

            def on_one_batch():
                scores = discriminator(tf.concat([tf.cast(true, fake.dtype), fake], 0), training=True)
                labels = tf.concat([tf.ones(scores.shape[0] // 2), tf.zeros(scores.shape[0] // 2)], 0)[:, None]
                return 2 * cross_entropy(labels, scores)  # the sum of two means is twice the mean of all

            if training.join_batches:
                descend(discriminator, for_discriminator, on_one_batch)
            elif training.discriminator_updates == "joint":
                descend(discriminator, for_discriminator, lambda: on_true() + on_fake())
            else:
                descend(discriminator, for_discriminator, on_true)
                descend(discriminator, for_discriminator, on_fake)
        # Shared latents: the same pictures again. A second pass in training mode draws the same ones, but would move
        # batch normalisation's averages twice, so these are put back.
        latents = batch.latents[-1]  # with shared latents the first are the last
        averages = [np.asarray(v) for v in generator.non_trainable_variables]

        def on_generator():
            scores = discriminator(generator(latents, training=True), training=True)
            if training.loss == "saturating":
                return tf.reduce_mean(tf.math.log(1 - scores))
            return cross_entropy(tf.ones(scores.shape), scores)

        # A frozen batch normalisation goes by its moving averages; in eager calls Keras reads the flag every time.
        normalising = [n for n in discriminator.layers if isinstance(n, keras.layers.BatchNormalization)]
        for layer in normalising:
            layer.trainable = training.statistics != "moving_judge"
        descend(generator, for_generator, on_generator)
        for layer in normalising:
            layer.trainable = True
        if training.shared_latents:
            for variable, value in zip(generator.non_trainable_variables, averages):
                variable.assign(value)
    return networks


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"shared_latents": True},
        {"discriminator_updates": "joint"},
        {"discriminator_updates": "joint", "shared_latents": True, "label_smoothing": 0.1},
        {"discriminator_updates": "joint", "join_batches": True},
        {"discriminator_steps": 2},
        {"loss": "saturating"},
    ],
    ids=lambda options: ",".join(options) or "report's order",
)
@pytest.mark.parametrize("batch_norm", ["off", "on"])
def test_fused_updates_give_the_weights_of_the_update_written_out(tiny, batch_norm, options, float64):
    experiment = replace(tiny, batch_norm=batch_norm, **options)
    networks, _ = fused(experiment)
    expected = written_out(experiment)
    assert_same_weights(networks.generator.weights, expected.generator.weights, atol=ATOL)
    assert_same_weights(networks.discriminator.weights, expected.discriminator.weights, atol=ATOL)


@pytest.mark.parametrize("statistics", ["moving_judge", "moving_fakes"])
def test_each_half_of_the_moving_arm_is_that_half_written_out(tiny, statistics, float64):
    experiment = replace(tiny, batch_norm="on", statistics=statistics)
    networks, _ = fused(experiment)
    expected = written_out(experiment)
    assert_same_weights(networks.generator.weights, expected.generator.weights, atol=ATOL)
    assert_same_weights(networks.discriminator.weights, expected.discriminator.weights, atol=ATOL)


def test_an_update_moves_every_trainable_weight_of_both_networks(tiny, eagerly):
    networks = build_players(tiny)
    before = [v.numpy() for n in (networks.generator, networks.discriminator) for v in n.trainable_weights]
    Update(networks, tiny)(next(batches_of(tiny)))
    after = [v.numpy() for n in (networks.generator, networks.discriminator) for v in n.trainable_weights]
    assert all(np.abs(a - b).max() > UNTRAINED for a, b in zip(after, before, strict=True))


def test_the_generators_update_leaves_the_discriminator_alone(tiny, eagerly):
    """A discriminator that does not learn stays to the bit while the generator moves; its steps are two, its own."""
    networks = build_players(tiny)
    networks["discriminator"].optimizer.learning_rate = 0.0
    frozen, moving = ([v.numpy() for v in n.trainable_weights] for n in (networks.discriminator, networks.generator))
    Update(networks, tiny)(next(batches_of(tiny)))
    assert all(np.array_equal(a, b) for a, b in zip(frozen, networks.discriminator.trainable_weights, strict=True))
    after = networks.generator.trainable_weights
    assert all(np.abs(a - b.numpy()).max() > UNTRAINED for a, b in zip(moving, after, strict=True))
    steps = {name: int(networks[name].optimizer.iterations) for name in ("discriminator", "generator")}
    assert steps == {"discriminator": 2, "generator": 1}  # true, fake; and none in the generator's phase


@pytest.mark.parametrize("steps", [1, 2])
def test_the_average_follows_its_formula(tiny, steps):
    """By updates, however many steps of the generator there are in each."""
    experiment = replace(tiny, ema_decay=0.5, generator_steps=steps)
    networks = build_players(experiment)
    update = Update(networks, experiment)
    expected = [v.numpy() for v in networks.generator.weights]
    for t, batch in enumerate(batches_of(experiment), 1):
        update(batch)
        decay = min(0.5, (1 + t) / (10 + t))
        expected = [decay * e + (1 - decay) * v.numpy() for e, v in zip(expected, networks.generator.weights)]
    assert_same_weights(networks.averaged.weights, expected, atol=1e-7)


@pytest.mark.parametrize(
    "options",
    [{}, {"batch_norm": "on"}, {"discriminator_updates": "joint"}, {"loss": "saturating"}],
    ids=lambda options: ",".join(options) or "report's order",
)
def test_all_that_an_update_records_is_what_the_formulas_give_written_out(tiny, options, float64, eagerly):
    experiment = replace(tiny, discriminator={"dropout": 0.0}, **options)
    networks, other = build_players(experiment), build_players(experiment)
    batch = next(batches_of(experiment))
    recorded = Update(networks, experiment)(batch).read()
    generator, discriminator, expected = other.generator, other.discriminator, {}

    def descend(tapes_and_losses):
        variables = discriminator.trainable_variables
        gradients = [tape.gradient(loss, variables) for tape, loss in tapes_and_losses]
        other["discriminator"].optimizer.apply([sum(parts) for parts in zip(*gradients)], variables)

    losses = []
    for kind, samples in (("true", scale(batch.images[0])), ("fake", generator(batch.latents[0], training=True))):
        with tf.GradientTape() as tape:
            scores = discriminator(samples, training=True)
            loss = -tf.reduce_mean(tf.math.log(scores if kind == "true" else 1 - scores))
        losses.append((tape, loss))
        expected |= {f"loss_{kind}": loss, f"score_{kind}": tf.reduce_mean(scores)}
        if experiment.training.discriminator_updates == "separate":
            descend([losses.pop()])
    if losses:
        descend(losses)
    with tf.GradientTape() as tape:
        scores = discriminator(generator(batch.latents[1], training=True), training=True)
        expected["loss_generator"] = loss = -tf.reduce_mean(tf.math.log(scores))
        if experiment.training.loss == "saturating":  # is descended instead, not recorded
            loss = tf.reduce_mean(tf.math.log(1 - scores))
    expected["gradient_norm"] = tf.linalg.global_norm(tape.gradient(loss, generator.trainable_variables))
    assert recorded == pytest.approx({name: float(value) for name, value in expected.items()}, rel=1e-7)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_keeps_float32_weights_moves_them_as_float32_does_and_stays_near_its_losses(tiny, precision):
    tiny = replace(tiny, discriminator={"dropout": 0.0})  # float16 draws other masks
    start, (single, exact) = build_players(tiny), fused(tiny)
    keras.mixed_precision.set_dtype_policy(precision)
    try:
        networks, rounded = fused(replace(tiny, precision=precision))
        assert {v.dtype for v in networks.generator.weights} == {"float32"}
        assert networks.generator.layers[0].compute_dtype == precision.removeprefix("mixed_")
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    for name in ("generator", "discriminator"):
        before, expected, found = (trained_weights(players[name].network) for players in (start, single, networks))
        there, along = np.linalg.norm(expected - before), np.linalg.norm(found - before)
        assert 0.9 * there < along < 1.1 * there, name
        assert (expected - before) @ (found - before) > 0.9 * there * along, name
    for one, other in zip(rounded, exact, strict=True):
        assert one.pop("gradient_norm") == pytest.approx(other.pop("gradient_norm"), rel=0.1)
        assert one == pytest.approx(other, abs=0.001)


def trained_weights(network):
    """All trainable weights of a network, one behind the other."""
    return np.concatenate([v.numpy().ravel() for v in network.trainable_weights])


def test_the_recorded_gradient_is_that_of_the_loss_also_where_its_scale_is_raised(tiny, monkeypatch):
    """Keras doubles the scale of losses within the step."""
    tiny = replace(tiny, discriminator={"dropout": 0.0})  # float16 draws other masks
    _, exact = fused(tiny)
    keras.mixed_precision.set_dtype_policy("mixed_float16")

    class Raising(keras.optimizers.LossScaleOptimizer):
        def __init__(self, of):
            super().__init__(of, dynamic_growth_steps=1)

    monkeypatch.setattr(keras.optimizers, "LossScaleOptimizer", Raising)
    try:
        networks, rounded = fused(replace(tiny, precision="mixed_float16"))
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    assert float(networks["generator"].optimizer.dynamic_scale) > 2.0**15  # was raised
    assert rounded[0]["gradient_norm"] == pytest.approx(exact[0]["gradient_norm"], rel=0.1)  # before weights differ


def test_xla_computes_the_same_update(tiny, float64):
    experiment = replace(tiny, discriminator={"dropout": 0.0})  # XLA may draw other dropout masks
    networks, _ = fused(experiment)
    compiled, _ = fused(replace(experiment, xla="on"))
    assert_same_weights(networks.generator.weights, compiled.generator.weights, atol=1e-7)
    assert_same_weights(networks.discriminator.weights, compiled.discriminator.weights, atol=1e-7)
