"""Other ways to train a DCGAN, which this project is measured against, each written from its public description.

R: the report's loop, three calls of Keras. T: TensorFlow's tutorial (tensorflow.org/tutorials/generative/dcgan), made
for grey digits of 28 pixels. P: PyTorch's example (github.com/pytorch/examples, dcgan), made for pictures of 64.

`*_update` are their updates of any networks; the functions of `PEERS` bring the networks and numbers that are their
own. A process holds TensorFlow or PyTorch, never both, so they are imported by whoever is chosen; what is for PyTorch
needs nothing else but NumPy.
"""

import itertools
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

LATENT_DIM = 100  # of all of them
SAMPLES_SEED = 1
"""Of the latents that samples are drawn from: the same at every mark, so that grids show one picture getting better."""


@dataclass(frozen=True)
class Trainer:
    """Something that trains a generator.

    Attributes:
        update: does one update, of both networks, and waits until it is done.
        draw: gives the first so many of its samples, always from the same latents: float32 (N, S, S, 3) in [-1, 1].
        batch_size: true images per update.
        facts: what else should stand beside a figure, in plain values.
        save: keeps its networks in a folder, if it can.
    """

    update: Callable[[], object]
    draw: Callable[[int], np.ndarray]
    batch_size: int
    facts: dict
    save: Callable[[Path], None] | None = None


# --- their updates ----------------------------------------------------------------------------------------------------


def report_update(generator, discriminator, adam: dict) -> Callable:
    """R: update(true, latents) with Keras models; true is float32 (B, S, S, 3) in [-1, 1], scores go to a sigmoid."""
    import keras
    import tensorflow as tf

    from utils.models import build_combined

    discriminator.compile(keras.optimizers.Adam(**adam), "binary_crossentropy", metrics=["accuracy"])
    frozen = []

    def update(true, latents) -> None:
        ones, zeros = tf.ones((len(true), 1)), tf.zeros((len(true), 1))
        discriminator.train_on_batch(true, ones)
        discriminator.train_on_batch(generator.predict(latents, verbose=0), zeros)
        if not frozen:  # Keras 3 reads `trainable` when it traces: frozen any earlier, the discriminator never learns
            discriminator.trainable = False
            frozen.append(build_combined(generator, discriminator))
            frozen[0].compile(keras.optimizers.Adam(**adam), "binary_crossentropy")
        frozen[0].train_on_batch(latents, ones)

    return update


def tutorial_update(generator, discriminator, adam: dict, latent_dim: int) -> Callable:
    """T: update(true) with Keras models, the discriminator giving logits."""
    import keras
    import tensorflow as tf

    optimizers = keras.optimizers.Adam(**adam), keras.optimizers.Adam(**adam)
    cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)

    @tf.function
    def update(true):
        noise = tf.random.normal((true.shape[0], latent_dim))
        with tf.GradientTape() as generator_tape, tf.GradientTape() as discriminator_tape:
            fake = generator(noise, training=True)
            logit_true, logit_fake = discriminator(true, training=True), discriminator(fake, training=True)
            generator_loss = cross_entropy(tf.ones_like(logit_fake), logit_fake)
            discriminator_loss = cross_entropy(tf.ones_like(logit_true), logit_true)
            discriminator_loss += cross_entropy(tf.zeros_like(logit_fake), logit_fake)
        for network, tape, loss, optimizer in (
            (generator, generator_tape, generator_loss, optimizers[0]),
            (discriminator, discriminator_tape, discriminator_loss, optimizers[1]),
        ):
            weights = network.trainable_variables
            optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))

    return update


def torch_update(generator, discriminator, adam: dict, latents: tuple[int, ...], frozen: bool = False) -> Callable:
    """P: update(true) with modules, true being float32 (B, 3, S, S) in [-1, 1], the discriminator giving scores.

    Args:
        generator, discriminator: the networks.
        adam: lr and betas.
        latents: shape of one latent as the generator takes it.
        frozen: whether to leave out the discriminator's gradients in the generator's update, which P itself computes
            and nobody uses.
    """
    import torch

    optimizers = [torch.optim.Adam(network.parameters(), **adam) for network in (generator, discriminator)]
    loss = torch.nn.BCELoss()

    def update(true) -> None:
        ones, zeros = torch.ones(len(true)), torch.zeros(len(true))
        discriminator.zero_grad()
        fake = generator(torch.randn(len(true), *latents))
        loss(discriminator(true).view(-1), ones).backward()
        loss(discriminator(fake.detach()).view(-1), zeros).backward()
        optimizers[1].step()
        generator.zero_grad()
        discriminator.requires_grad_(not frozen)
        loss(discriminator(fake).view(-1), ones).backward()
        discriminator.requires_grad_(True)
        optimizers[0].step()

    return update


def use_all_cores() -> None:
    """Let PyTorch use the cores that this process may use."""
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))


def torch_images(images: np.ndarray, layout):
    """Uint8 (N, S, S, 3) images as PyTorch takes them: float32 (N, 3, S, S) in [-1, 1]."""
    import torch

    return torch.from_numpy(images).permute(0, 3, 1, 2).float().div(127.5).sub(1).contiguous(memory_format=layout)


# --- themselves -------------------------------------------------------------------------------------------------------


def shuffled(images: np.ndarray, batch_size: int, seed: int) -> Iterator[np.ndarray]:
    """Batches of uint8 images without end, each epoch in an order of its own; what fills no batch is left out."""
    random = np.random.default_rng(seed)
    while True:
        order = random.permutation(len(images))
        for start in range(0, len(order) - batch_size + 1, batch_size):
            yield images[order[start : start + batch_size]]


def fixed_latents(count: int) -> np.ndarray:
    """The first so many latents that samples are drawn from: float32 (count, LATENT_DIM) from N(0, 1)."""
    return np.random.default_rng(SAMPLES_SEED).standard_normal((count, LATENT_DIM), np.float32)


def report_loop(images: np.ndarray, seed: int, experiment) -> Trainer:
    """R: the networks and numbers of an experiment, the report's, in its loop (no batch normalisation, as in its final
    runs)."""
    import keras

    from utils.data import scale
    from utils.models import build_discriminator, build_generator
    from utils.sampling import Sampler

    keras.utils.set_random_seed(seed)
    model, training = experiment.model, experiment.training
    generator, discriminator = build_generator(model, seed), build_discriminator(model, seed)
    adam = {"learning_rate": training.learning_rate, "beta_1": training.beta_1}
    step = report_update(generator, discriminator, adam)
    batches = shuffled(images, training.batch_size, seed)
    random = np.random.default_rng(seed)

    def update() -> None:
        step(scale(next(batches)), random.standard_normal((training.batch_size, model.latent_dim), np.float32))

    sampler = Sampler.of(generator, experiment)
    facts = {"drawn_by": "generator.predict", "parameters": generator.count_params() + discriminator.count_params()}
    return Trainer(update, lambda count: sampler.images(fixed_latents(count)), training.batch_size, facts)


def tutorial(images: np.ndarray, seed: int, narrow: bool = False) -> Trainer:
    """T, for colours and other sizes: the first map has 8x8 for 7x7, and 64 pixels take one block of stride 2 more.

    Args:
        images: uint8 (N, S, S, 3); S is 32 or 64.
        seed: of weights, order and latents.
        narrow: give the discriminator a quarter of its channels, as this project's contenders have; the generator has
            their width already.
    """
    import keras
    import tensorflow as tf
    from keras import layers

    from utils.data import scale
    from utils.sampling import fake_samples_generator

    keras.utils.set_random_seed(seed)
    size, batch_size = images.shape[1], 256
    blocks = int(math.log2(size / 8))

    generator = keras.Sequential(
        [keras.Input((LATENT_DIM,)), layers.Dense(8 * 8 * 256, use_bias=False), layers.BatchNormalization()]
    )
    generator.add(layers.LeakyReLU())
    generator.add(layers.Reshape((8, 8, 256)))
    for block in range(blocks):
        stride = 1 if block == 0 else 2
        generator.add(layers.Conv2DTranspose(128 >> block, 5, strides=stride, padding="same", use_bias=False))
        generator.add(layers.BatchNormalization())
        generator.add(layers.LeakyReLU())
    generator.add(layers.Conv2DTranspose(3, 5, strides=2, padding="same", use_bias=False, activation="tanh"))

    discriminator = keras.Sequential([keras.Input((size, size, 3))])
    for block in range(blocks):
        filters = 64 << block
        discriminator.add(layers.Conv2D(filters // 4 if narrow else filters, 5, strides=2, padding="same"))
        discriminator.add(layers.LeakyReLU())
        discriminator.add(layers.Dropout(0.3))
    discriminator.add(layers.Flatten())
    discriminator.add(layers.Dense(1))

    step = tutorial_update(generator, discriminator, {"learning_rate": 1e-4}, LATENT_DIM)
    batches = shuffled(images, batch_size, seed)
    facts = {
        "drawn_by": "the generator in inference mode, on its moving averages",
        "parameters": generator.count_params() + discriminator.count_params(),
    }
    return Trainer(
        lambda: step(tf.constant(scale(next(batches)))),
        lambda count: fake_samples_generator(generator, fixed_latents(count))[0],
        batch_size,
        facts,
    )


def torch_example(images: np.ndarray, seed: int, channels_last: bool = False, narrow: bool = False) -> Trainer:
    """P. For 32 pixels both networks have one block less.

    Args:
        images: uint8 (N, S, S, 3); S is a power of 2 from 16.
        seed: of weights, order and latents.
        channels_last: the layout of images in memory that is the faster one on most processors.
        narrow: give both networks the channels that the paper's have at a quarter of their width.
    """
    import torch
    from torch import nn

    use_all_cores()
    torch.manual_seed(seed)
    size, batch_size = images.shape[1], 64
    blocks = int(math.log2(size)) - 2  # from and to a map of 4x4
    ngf, ndf = (256 >> (blocks - 1), 16) if narrow else (64, 64)

    channels = [ngf << block for block in reversed(range(blocks))]
    layers = [
        nn.ConvTranspose2d(LATENT_DIM, channels[0], 4, 1, 0, bias=False),
        nn.BatchNorm2d(channels[0]),
        nn.ReLU(True),
    ]
    for before, after in itertools.pairwise(channels):
        layers += [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(True)]
    generator = nn.Sequential(*layers, nn.ConvTranspose2d(channels[-1], 3, 4, 2, 1, bias=False), nn.Tanh())

    channels = [ndf << block for block in range(blocks)]
    layers = [nn.Conv2d(3, channels[0], 4, 2, 1, bias=False), nn.LeakyReLU(0.2, True)]
    for before, after in itertools.pairwise(channels):
        layers += [nn.Conv2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.LeakyReLU(0.2, True)]
    discriminator = nn.Sequential(*layers, nn.Conv2d(channels[-1], 1, 4, 1, 0, bias=False), nn.Sigmoid())

    layout = torch.channels_last if channels_last else torch.contiguous_format
    for network in (generator, discriminator):
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.weight, 1.0, 0.02)
            elif hasattr(module, "weight"):
                nn.init.normal_(module.weight, 0.0, 0.02)
        network.to(memory_format=layout)

    step = torch_update(generator, discriminator, {"lr": 2e-4, "betas": (0.5, 0.999)}, (LATENT_DIM, 1, 1))
    batches = shuffled(images, batch_size, seed)

    def draw(count: int) -> np.ndarray:
        whole = math.ceil(count / batch_size) * batch_size  # they are normalised by their batch, so all are full
        latents = torch.from_numpy(fixed_latents(whole)).view(-1, batch_size, LATENT_DIM, 1, 1)
        with torch.no_grad():
            return torch.cat([generator(part) for part in latents])[:count].permute(0, 2, 3, 1).numpy()

    facts = {
        "drawn_by": "the generator in training mode, on batches of 64",
        "parameters": sum(
            weights.numel() for network in (generator, discriminator) for weights in network.parameters()
        ),
    }
    return Trainer(lambda: step(torch_images(next(batches), layout)), draw, batch_size, facts)
