"""One update of both networks, compiled.

It computes what the report's three calls compute (`discriminator.train_on_batch` on true samples, the same on fake
samples, `combined.train_on_batch` on latents), without leaving the compiled graph in between. Gradients are taken with
respect to one network's variables at a time, so no `trainable` flag is ever flipped: Keras 3 reads that flag when it
traces, and the freeze idiom would leave the discriminator untrained.
"""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import tensorflow as tf

from utils import runtime
from utils.config import Experiment
from utils.data import scale
from utils.models import build_discriminator, build_generator, forward

RECORDED = ("loss_true", "loss_fake", "loss_generator", "score_true", "score_fake", "gradient_norm")
"""What one update reports, in this order: the discriminator's binary cross-entropy on true and on fake samples, the
generator's, the discriminator's mean scores of true and fake samples while it was updated, and the Euclidean norm of
the gradient that the generator was updated with (0 where mixed_float16 skipped an update that overflowed)."""


@dataclass(frozen=True)
class Networks:
    """Everything that training changes.

    Attributes:
        generator, discriminator: the networks.
        averaged: the moving average of the generator that samples are drawn from; the generator itself where the
            experiment does not average.
        generator_optimizer, discriminator_optimizer: Adam with its moments.
    """

    generator: keras.Sequential
    discriminator: keras.Sequential
    averaged: keras.Sequential
    generator_optimizer: keras.optimizers.Optimizer
    discriminator_optimizer: keras.optimizers.Optimizer

    def variables(self) -> dict[str, keras.Variable]:
        """All variables by a name that is unique and the same in every process; the state of dropout is among them."""
        owners = {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "generator_optimizer": self.generator_optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
        }
        if self.averaged is not self.generator:
            owners["averaged"] = self.averaged
        return {f"{name}/{i:03d}": v for name, owner in owners.items() for i, v in enumerate(owner.variables)}


def build_networks(experiment: Experiment) -> Networks:
    """Build both networks and their optimisers, with the initial weights that the experiment's seed decides."""
    model, training = experiment.model, experiment.training
    generator = build_generator(model, training.seed)
    discriminator = build_discriminator(model, training.seed)
    averaged = build_generator(model, training.seed) if training.ema_decay else generator

    def adam(network: keras.Sequential) -> keras.optimizers.Optimizer:
        optimizer = keras.optimizers.Adam(training.learning_rate, beta_1=training.beta_1, beta_2=training.beta_2)
        if training.precision == "mixed_float16":  # gradients below float16's range would be lost
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        optimizer.build(network.trainable_variables)
        return optimizer

    return Networks(generator, discriminator, averaged, adam(generator), adam(discriminator))


def make_step(networks: Networks, experiment: Experiment) -> Callable[..., tf.Tensor]:
    """Compile one update.

    Args:
        networks: what the update changes.
        experiment: its `.model` and `.training` sections decide the order and the options.

    Returns:
        step(images, discriminator_latents, generator_latents) -> float32 (6,), the values of `RECORDED`.

    Shapes:
        images: uint8 (K, B, S, S, 3) in [0, 255] with K = discriminator_steps; discriminator_latents: float32
        (K, B, latent_dim); generator_latents: float32 (B, latent_dim), which shared_latents leaves unused.

    Reference:
        Goodfellow et al. (arXiv:1406.2661), Algorithm 1 with the non-saturating generator loss of §3; Radford, Metz,
        Chintala (arXiv:1511.06434), §4.
    """
    training = experiment.training
    generator = networks.generator
    drawn_by, judged_by = normalisation(experiment.model.batch_norm)
    update_discriminator = discriminator_update(networks, experiment)

    def draw(latents, normalise_by: str):
        with tf.GradientTape() as tape:
            fake = forward(generator.layers, latents, training=True, normalise_by=normalise_by)
        return fake, tape

    def update_generator(fake, drawing: tf.GradientTape):
        optimizer, variables = networks.generator_optimizer, generator.trainable_variables
        with tf.GradientTape() as tape:
            tape.watch(fake)
            logit = _judge(networks.discriminator, fake, judged_by)
            loss_generator = _loss(logit, 1.0)
            descended = loss_generator if training.generator_loss == "non_saturating" else -_loss(logit, 0.0)
            value = optimizer.scale_loss(descended)
        gradients = drawing.gradient(fake, variables, output_gradients=tape.gradient(value, fake))
        optimizer.apply(gradients, variables)
        norm = tf.linalg.global_norm(gradients) / tf.cast(optimizer.scale_loss(1.0), variables[0].dtype)
        return loss_generator, tf.where(tf.math.is_finite(norm), norm, 0.0)

    def update_average():
        updates = tf.cast(networks.generator_optimizer.iterations, generator.variable_dtype)
        decay = tf.minimum(training.ema_decay, (1.0 + updates) / (10.0 + updates))
        for average, value in zip(networks.averaged.variables, generator.variables):
            average.assign(decay * average + (1.0 - decay) * value)

    def step(images, discriminator_latents, generator_latents):
        for k in range(training.discriminator_steps):
            fake, drawing = draw(discriminator_latents[k], drawn_by)
            loss_true, loss_fake, score_true, score_fake = update_discriminator(scale(images[k]), fake)
        if not training.shared_latents:
            fake, drawing = draw(generator_latents, "mode")
        loss_generator, gradient_norm = update_generator(fake, drawing)
        if training.ema_decay:
            update_average()
        return tf.stack([loss_true, loss_fake, loss_generator, score_true, score_fake, gradient_norm])

    return tf.function(step, jit_compile=use_xla(training.xla))


def discriminator_update(networks: Networks, experiment: Experiment) -> Callable[..., tuple]:
    """The part of an update that changes the discriminator; not compiled, since it becomes part of a compiled step.

    Args:
        networks: what the update changes.
        experiment: its `.training` section decides the order and the options.

    Returns:
        update(true, fake) -> loss_true, loss_fake, score_true, score_fake, as in `RECORDED`.

    Shapes:
        true, fake: float32 (B, S, S, 3) in [-1, 1].
    """
    training, discriminator = experiment.training, networks.discriminator
    optimizer, variables = networks.discriminator_optimizer, discriminator.trainable_variables
    true_label = 1.0 - training.label_smoothing

    def descend(tape, value):
        optimizer.apply(tape.gradient(value, variables), variables)

    def update(true, fake):
        if training.discriminator_updates == "separate":
            with tf.GradientTape() as tape:
                logit_true = _judge(discriminator, true)
                loss_true = _loss(logit_true, true_label)
                value = optimizer.scale_loss(loss_true)
            descend(tape, value)
            with tf.GradientTape() as tape:
                logit_fake = _judge(discriminator, fake)
                loss_fake = _loss(logit_fake, 0.0)
                value = optimizer.scale_loss(loss_fake)
            descend(tape, value)
        else:
            with tf.GradientTape() as tape:
                if training.join_batches:
                    both = tf.concat([tf.cast(true, fake.dtype), fake], 0)
                    logit_true, logit_fake = tf.split(_judge(discriminator, both), 2)
                else:
                    logit_true, logit_fake = _judge(discriminator, true), _judge(discriminator, fake)
                loss_true, loss_fake = _loss(logit_true, true_label), _loss(logit_fake, 0.0)
                value = optimizer.scale_loss(loss_true + loss_fake)
            descend(tape, value)
        return loss_true, loss_fake, tf.reduce_mean(tf.sigmoid(logit_true)), tf.reduce_mean(tf.sigmoid(logit_fake))

    return update


def normalisation(batch_norm: str) -> tuple[str, str]:
    """Where an arm of batch normalisation lets the two updates see different statistics, as `forward` names them.

    Returns:
        How the generator is normalised when it draws fakes for the discriminator's update, and how the discriminator is
        when it judges fakes in the generator's update; "mode": by the statistics of the batch, as everything else is.
    """
    return (
        "moving" if batch_norm in ("moving", "moving_fakes") else "mode",
        "moving" if batch_norm in ("moving", "moving_judge") else "mode",
    )


def use_xla(setting: str) -> bool:
    """Whether to compile with XLA: as the setting says, and for "auto" where there is a GPU."""
    return setting == "on" or (setting == "auto" and runtime.device().kind == "GPU")


def _judge(discriminator: keras.Sequential, images, normalise_by: str = "mode"):
    logit = forward(discriminator.layers[:-1], images, training=True, normalise_by=normalise_by)
    return tf.cast(logit, discriminator.variable_dtype)  # losses are in full precision also under mixed precision


def _loss(logit, label: float):
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(tf.zeros_like(logit) + label, logit))
