"""A generator whose answer is known by construction, and a judge that sees it."""

import keras
import numpy as np
from keras import layers

from utils.evaluation.judge import Judge
from utils.sampling import Sampler

DIM, SIDE = 6, 8
NAMES = ("one", "two", "three", "four")  # the quarters of a picture
GAINS = (4.0, 2.0, 1.0, 0.5)


def quarters(latents):
    """Latent i makes quarter i bright or dark, for i below 4, and by `GAINS[i]`; latents 4 and 5 do nothing."""
    bright = np.tanh(np.asarray(latents)[:, :4] * GAINS).reshape(-1, 2, 2)
    return np.repeat(bright.repeat(4, 1).repeat(4, 2)[..., None], 3, -1).astype(np.float32)


def brightness(images):
    """Mean of each quarter in [-1, 1], float32 (N, 4)."""
    parts = images.astype(np.float32).reshape(len(images), 2, 4, 2, 4, 3).mean((2, 4, 5))
    return parts.reshape(len(images), 4) / 127.5 - 1


def judge():
    """Sees which quarters are bright."""
    return Judge("quarters", NAMES, brightness, {}, lambda images: 10 * brightness(images))


def sampler(distribution="normal"):
    return Sampler(quarters, DIM, distribution)


def network():
    """The same generator as a Keras model."""
    built = keras.Sequential(
        [
            keras.Input((DIM,)),
            layers.Dense(4, name="gains"),
            layers.Reshape((2, 2, 1)),
            layers.Activation("tanh"),
            layers.UpSampling2D(4),
            layers.Conv2D(3, 1, use_bias=False, name="colours"),
        ]
    )
    gains = np.zeros((DIM, 4))
    np.fill_diagonal(gains, GAINS)
    built.set_weights([gains, np.zeros(4), np.ones((1, 1, 1, 3))])
    return built


def entangled(seed=0):
    """A generator of 6 latents and 8x8 pictures whose every pixel depends on all latents, not linearly."""
    random = np.random.default_rng(seed)
    built = keras.Sequential(
        [
            keras.Input((DIM,)),
            layers.Dense(16),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Dense(SIDE * SIDE * 3, activation="tanh"),
            layers.Reshape((SIDE, SIDE, 3)),
        ]
    )
    built.set_weights([random.normal(0, 0.6, w.shape) for w in built.get_weights()])
    return built
