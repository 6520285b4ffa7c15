"""The discriminator as a fixed function of one image, which can be cut at any of its convolutions.

Explanations need a network whose answer about an image depends on this image alone. A discriminator that normalises by
batch statistics is no such function, so the statistics are fixed once, on reference images.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np
from keras import layers

from utils.data import scale
from utils.errors import InputError
from utils.models import fix_statistics, forward, is_conditional

Score = Literal["true", "fake"]
"""What an explanation is of: "true" explains the logit, "fake" minus the logit."""


def sign_of(score: Score) -> int:
    """1 for "true", -1 for "fake"."""
    signs = {"true": 1, "fake": -1}
    if score not in signs:
        raise InputError(f"The score to explain must be 'true' or 'fake'. Received: {score!r}.")
    return signs[score]


@dataclass(frozen=True)
class Convolution:
    """One convolution of a discriminator, with the normalisation and the activation that follow it.

    Attributes:
        name: the layer's name in the network.
        number: its place among the convolutions, from 1 at the image.
        maps: how many feature maps it has.
        side: side of its maps, in places.
        start, stop: the discriminator's layers from the convolution to its activations.
    """

    name: str
    number: int
    maps: int
    side: int
    start: int
    stop: int

    def __str__(self) -> str:
        return f"convolution {self.number} ({self.maps} maps of {self.side}x{self.side})"


@dataclass(frozen=True)
class FixedDiscriminator:
    """A discriminator as a fixed function: images -> logits, positive for true. `fixed_discriminator` makes one.

    Attributes:
        layers: from the image to the logit; copies, so training on leaves them alone. Every activation is a layer.
        side: side of the images it takes, in pixels.
        convolutions: those that explanations can look at, from the image up.
        reference: uint8 (R, S, S, 3), the images whose statistics it normalises by, or None.
    """

    layers: tuple[keras.Layer, ...]
    side: int
    convolutions: tuple[Convolution, ...]
    reference: np.ndarray | None = None

    def convolution(self, layer: str | int = "last") -> Convolution:
        """A convolution by its name, its number from 1, or as "last".

        Raises:
            InputError: there is no such convolution; the message lists those that there are.
        """
        for convolution in self.convolutions:
            if str(layer) in (convolution.name, str(convolution.number)):
                return convolution
        if layer == "last":
            return self.convolutions[-1]
        listed = ", ".join(f"{c.number} ({c.name})" for c in self.convolutions)
        raise InputError(f"There is no convolution {layer!r}; choose one by number or name, or last: {listed}.")

    def body(self, convolution: Convolution) -> tuple[keras.Layer, ...]:
        """The layers from the image to the convolution's activations."""
        return self.layers[: convolution.stop]

    def head(self, convolution: Convolution) -> tuple[keras.Layer, ...]:
        """The layers from the convolution's activations to the logit."""
        return self.layers[convolution.stop :]

    def check(self, images: np.ndarray) -> None:
        """Refuse what the discriminator cannot look at.

        Raises:
            InputError: not uint8 (N, S, S, 3) images of its side, or none of them.
        """
        wanted = (self.side, self.side, 3)
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != wanted or not len(images):
            raise InputError(
                f"This discriminator looks at uint8 images in [0, 255] of shape (N, {self.side}, {self.side}, 3), at "
                f"least one; load them at that size and do not scale them. Received: {images.dtype} {images.shape}."
            )

    def logits(self, images: np.ndarray, batch_size: int = 256) -> np.ndarray:
        """Logits of uint8 (N, S, S, 3) images as float32 (N,): log-odds of being true."""
        self.check(images)
        return self.logits_of(scale(images), batch_size)

    def logits_of(self, scaled: np.ndarray, batch_size: int = 256) -> np.ndarray:
        """Logits of float32 (N, S, S, 3) images in [-1, 1], as `logits` gives them."""
        batches = (scaled[start : start + batch_size] for start in range(0, len(scaled), batch_size))
        return np.concatenate([np.asarray(forward(self.layers, b, training=False), np.float32)[:, 0] for b in batches])

    def randomised(self, seed: int, start: int = 0) -> "FixedDiscriminator":
        """The same network with fresh random weights from layer number `start` up to the logit.

        Weights are drawn as before training, by each layer's own initialiser, with another seed: its own would give
        back the weights that the training began with. A layer's new weights do not depend on `start`. Normalisation is
        fixed anew on the reference images.
        """
        seeds = iter(np.random.default_rng(seed).integers(2**31, size=8 * len(self.layers)).tolist())
        fresh = [_fresh(layer, seeds) if layer.weights else layer for layer in self.layers]
        kept = [_copy(layer) if layer.weights else layer for layer in self.layers[:start]]
        return FixedDiscriminator(
            _settled((*kept, *fresh[start:]), self.reference), self.side, self.convolutions, self.reference
        )


def fixed_discriminator(
    discriminator: keras.Model, reference: np.ndarray | None = None, outputs: int = 1
) -> FixedDiscriminator:
    """Make a discriminator a fixed function of one image, up to the logit.

    Args:
        discriminator: a Sequential model, images (S, S, 3) of one size -> one score; nothing in it is changed. Or an
            encoder, which has convolutions to look at like a discriminator's, and `outputs` values in place of a logit.
        reference: uint8 (R, S, S, 3) in [0, 255]. Batch normalisation then uses the statistics of these images,
            together, and gives them the very scores that they have as one batch. A discriminator of the `batch` arm
            has to be judged that way: true images by true ones, fakes by fakes. Without it the moving averages stand.
        outputs: how many values it gives.

    Raises:
        InputError: the model is no such discriminator or has no convolution, or the reference images do not fit.
    """
    if is_conditional(discriminator):
        raise InputError(
            "This discriminator is conditional: it judges an image by what it is told, too, so it is not looked into "
            "here. What its generator has learned is measured by `./dcgan evaluate`."
        )
    shape = getattr(discriminator, "input_shape", None)
    fits = isinstance(discriminator, keras.Sequential) and discriminator.output_shape == (None, outputs)
    if not fits or len(shape) != 4 or shape[1] is None or shape[1] != shape[2] or shape[3] != 3:
        raise InputError(
            "A discriminator to explain must be a Sequential model from square RGB images to one score (an encoder: "
            "to as many values as its code is long), which says how large its images are. Received: "
            f"{type(discriminator).__name__} from {shape} to {getattr(discriminator, 'output_shape', None)}."
        )
    network = [part for layer in discriminator.layers for part in _apart(layer)]
    if getattr(network[-1], "activation", None) is keras.activations.sigmoid:
        network.pop()
    # A convolution over the whole map is the head, not a place to look at: its own map has one place.
    sides = {
        layer.name: layer.output.shape[1]
        for layer in discriminator.layers
        if isinstance(layer, layers.Conv2D) and layer.output.shape[1] > 1
    }
    if not sides:
        raise InputError(
            "There is no convolution to look at in this model; its layers are "
            f"{', '.join(type(layer).__name__ for layer in discriminator.layers)}."
        )
    convolutions = []
    for start, layer in enumerate(network):
        if layer.name in sides:
            stop = _end_of_block(network, start)
            about = layer.name, len(convolutions) + 1, layer.filters, sides[layer.name]
            convolutions.append(Convolution(*about, start, stop))
    fixed = FixedDiscriminator(tuple(network), shape[1], tuple(convolutions))
    if reference is None:
        return fixed
    fixed.check(reference)
    return FixedDiscriminator(_settled(fixed.layers, reference), fixed.side, fixed.convolutions, reference)


def normalises(network: keras.Model) -> bool:
    """Whether the network has batch normalisation."""
    return any(isinstance(layer, layers.BatchNormalization) for layer in network.layers)


def is_rectifier(layer: keras.Layer) -> bool:
    """Whether the layer is ReLU, ReLU6, LeakyReLU or PReLU, itself or as its activation: it passes what is positive."""
    activation = getattr(layer, "activation", None)
    functions = (keras.activations.relu, keras.activations.relu6, keras.activations.leaky_relu)
    kinds = (layers.ReLU, layers.LeakyReLU, layers.PReLU)
    return isinstance(layer, kinds) or isinstance(activation, kinds) or activation in functions


def _apart(layer: keras.Layer) -> list[keras.Layer]:
    """A copy of a layer; if it has an activation built in, that becomes a layer of its own."""
    activation = getattr(layer, "activation", keras.activations.linear)
    if not layer.weights or activation is keras.activations.linear:
        return [_copy(layer)]
    precision = layer.variable_dtype
    if isinstance(activation, keras.Layer):
        return [_copy(layer, activation="linear"), _copy(activation, dtype=precision)]
    return [_copy(layer, activation="linear"), layers.Activation(activation, dtype=precision)]


def _copy(layer: keras.Layer, **changes) -> keras.Layer:
    """A copy of a layer with its weights, computing in the precision of the weights."""
    config = layer.get_config() | {"dtype": layer.variable_dtype} | changes
    copy = type(layer).from_config(config)
    if layer.weights:
        copy.build_from_config(layer.get_build_config())
        copy.set_weights(layer.get_weights()[: len(copy.weights)])  # behind its own are those of an activation
    return copy


def _fresh(layer: keras.Layer, seeds: Iterator[int]) -> keras.Layer:
    """A layer of the same kind and shape with new weights."""
    config = layer.get_config()
    for name, value in config.items():
        if name.endswith("_initializer") and value and "seed" in value["config"]:
            config[name] = value | {"config": value["config"] | {"seed": next(seeds)}}
    fresh = type(layer).from_config(config)
    fresh.build_from_config(layer.get_build_config())
    return fresh


def _settled(network: tuple[keras.Layer, ...], reference: np.ndarray | None) -> tuple[keras.Layer, ...]:
    """Give batch normalisation the statistics of the reference images."""
    if reference is not None:
        fix_statistics(network, [scale(reference)])
    return network


def _end_of_block(network: list[keras.Layer], start: int) -> int:
    """Where the normalisation and activation after layer `start` end."""
    block = (layers.BatchNormalization, layers.Activation, layers.ReLU, layers.LeakyReLU, layers.PReLU, layers.ELU)
    stop = start + 1
    while stop < len(network) and isinstance(network[stop], block):
        stop += 1
    return stop
