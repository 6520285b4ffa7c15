"""Generator, discriminator, encoder, combined model: Keras `Sequential` models driven by a preset's `.model`."""

import dataclasses
import math
from collections.abc import Iterable, Iterator
from pathlib import Path

from utils import runtime
from utils.config import DiscriminatorConfig, ModelConfig
from utils.errors import InputError
from utils.parameters import scaled
from utils.streams import stream

runtime.import_tensorflow()  # before anything else of the project can: it starts with less noise this way

import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import layers  # noqa: E402


def build_generator(model: ModelConfig, seed: int = 0) -> keras.Sequential:
    """Build the generator G: latents -> images.

    Args:
        model: the `.model` section of an experiment.
        seed: decides the initial weights.

    Shapes:
        float32 (N, latent_dim) -> float32 (N, image_size, image_size, 3) in (-1, 1), RGB.

    Reference:
        Radford, Metz, Chintala (arXiv:1511.06434), §3 and Fig 1; the preset names the source of each number.
    """
    config = model.generator
    seeds = _seeds(seed, "generator")
    network = keras.Sequential([keras.Input((model.latent_dim,), name="latents")], name="generator")
    side, start_filters = config.start, scaled(config.start_filters, model)

    norm = model.batch_norm == "on"
    if config.projection == "dense":
        network.add(layers.Dense(side * side * start_filters, use_bias=config.bias, **_kernel(model, seeds)))
        if norm and config.norm_start == "flat":
            network.add(_normalisation(model, seeds))
            network.add(_activation(config.activation, model))
            network.add(layers.Reshape((side, side, start_filters)))
        else:
            network.add(layers.Reshape((side, side, start_filters)))
            if norm:
                network.add(_normalisation(model, seeds))
            network.add(_activation(config.activation, model))
    else:
        network.add(layers.Reshape((1, 1, model.latent_dim)))
        network.add(
            layers.Conv2DTranspose(start_filters, side, padding="valid", use_bias=config.bias, **_kernel(model, seeds))
        )
        if norm:
            network.add(_normalisation(model, seeds))
        network.add(_activation(config.activation, model))

    for filters, stride in zip(config.filters, config.strides):
        network.add(
            layers.Conv2DTranspose(
                scaled(filters, model),
                config.kernel,
                strides=stride,
                padding="same",
                use_bias=config.bias,
                **_kernel(model, seeds),
            )
        )
        if norm:
            network.add(_normalisation(model, seeds))
        network.add(_activation(config.activation, model))

    last = layers.Conv2DTranspose if config.output == "conv_transpose" else layers.Conv2D
    network.add(
        last(
            3,
            config.output_kernel,
            strides=config.output_stride,
            padding="same",
            use_bias=config.bias,
            **_kernel(model, seeds),
        )
    )
    network.add(layers.Activation("tanh", dtype=_full_precision(), name="image"))
    return network


def build_discriminator(model: ModelConfig, seed: int = 0) -> keras.Sequential:
    """Build the discriminator D: images -> scores. Its last layer is the sigmoid; the layer before gives the logit.

    Args:
        model: the `.model` section of an experiment.
        seed: decides the initial weights and the dropout masks.

    Shapes:
        float32 (N, image_size, image_size, 3) in [-1, 1] -> float32 (N, 1) in (0, 1): 1 for true, 0 for fake.

    Reference:
        Radford, Metz, Chintala (arXiv:1511.06434), §3; the preset names the source of each number.
    """
    config = model.discriminator
    seeds = _seeds(seed, "discriminator")
    size = model.image_size
    convolution = SpectralConv2D if model.spectral_norm else layers.Conv2D
    dense = SpectralDense if model.spectral_norm else layers.Dense
    network = keras.Sequential([keras.Input((size, size, 3), name="images")], name="discriminator")

    _add_convolutions(network, config, model, seeds, convolution)
    dropout = (
        [layers.Dropout(config.dropout, seed=next(seeds))] if config.dropout and config.dropout_at == "head" else []
    )
    if config.head == "conv":
        side = size // math.prod(config.strides)
        logit = convolution(1, side, padding="valid", use_bias=config.bias, **_kernel(model, seeds))
        head = [*dropout, logit, layers.Flatten()]
    else:
        head = [layers.Flatten(), *dropout, dense(1, use_bias=config.bias, **_kernel(model, seeds))]
    for layer in head:
        network.add(layer)
    network.add(layers.Activation("sigmoid", dtype=_full_precision(), name="score"))
    return network


def build_encoder(model: ModelConfig, seed: int = 0) -> keras.Sequential:
    """Build the encoder E: images -> codes, which the generator takes in place of latents.

    It has the discriminator's blocks, but for normalisation in the first one, for dropout and for spectral
    normalisation; then a dense layer as wide as the latents, and tanh.

    Args:
        model: the `.model` section of an experiment.
        seed: decides the initial weights.

    Shapes:
        float32 (N, image_size, image_size, 3) in [-1, 1] -> float32 (N, latent_dim) in (-1, 1).

    Reference:
        The released code of RDCGAN (Mehralian and Karasfi 2018, github.com/MMehralian/RDCGAN, model.py).
    """
    seeds, size = _seeds(seed, "encoder"), model.image_size
    config = dataclasses.replace(model.discriminator, norm_first=False, dropout=0.0)
    network = keras.Sequential([keras.Input((size, size, 3), name="images")], name="encoder")
    _add_convolutions(network, config, model, seeds, layers.Conv2D)
    network.add(layers.Flatten())
    network.add(layers.Dense(model.latent_dim, use_bias=config.bias, **_kernel(model, seeds)))
    network.add(layers.Activation("tanh", dtype=_full_precision(), name="code"))
    return network


def build_combined(generator: keras.Sequential, discriminator: keras.Sequential) -> keras.Sequential:
    """Chain the two networks: latents -> images -> scores. It shares their weights.

    Shapes:
        float32 (N, latent_dim) -> float32 (N, 1) in (0, 1).
    """
    return keras.Sequential([keras.Input(generator.input_shape[1:]), generator, discriminator], name="combined")


def load_network(path: str | Path) -> keras.Model:
    """Load a saved network, in Keras's safe mode: a file cannot bring code of its own.

    Raises:
        InputError: the file is not a Keras model that is safe to load.
    """
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises many kinds for a file that is not what it should be
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"{path} should be a network saved as .keras, but cannot be loaded: {reason}") from error


def forward(network: keras.Model | Iterable[keras.Layer], x, *, training: bool = False, statistics: str = "moving"):
    """Send `x` through a network, with a say in how batch normalisation works.

    Calling a model ties batch normalisation to `training`. Here it is chosen apart, which is what tells the arms of the
    study apart (see `config.STATISTICS`).

    Args:
        network: a Sequential model, or layers of one (`discriminator.layers[:-1]` ends at the logit). Another model is
            called as it is, by the statistics that go with `training`.
        x: its input.
        training: whether this is a pass of an update: dropout is active, and normalising by the batch also moves the
            moving averages. Otherwise nothing in the network changes.
        statistics: what batch normalisation goes by: "batch", the images of this call, or "moving", the averages. By
            default the network is in inference mode.

    Returns:
        Output of the last layer.
    """
    if isinstance(network, keras.Model) and not isinstance(network, keras.Sequential):
        return network(x, training=training)
    for layer in network.layers if isinstance(network, keras.Model) else network:
        if not isinstance(layer, layers.BatchNormalization):
            x = layer(x, training=training)
        elif statistics == "moving" or training:
            x = layer(x, training=statistics == "batch")
        else:
            axes = list(range(len(x.shape) - 1))
            x = keras.ops.cast(x, layer.variable_dtype)  # in float32 whatever the precision, as the layer itself does
            mean, variance = keras.ops.moments(x, axes=axes)
            x = keras.ops.batch_normalization(
                x, mean, variance, axis=-1, offset=layer.beta, scale=layer.gamma, epsilon=layer.epsilon
            )
            x = keras.ops.cast(x, layer.compute_dtype)
    return x


def fix_statistics(network: keras.Model | Iterable[keras.Layer], batches: Iterable) -> None:
    """Give batch normalisation fixed statistics: means and variances of batches, averaged over the batches.

    On its way through the network each batch is normalised by its own. All batches count alike, a smaller last one,
    too. Averages are what the layers go by in inference mode afterwards; nothing else in the network changes.

    Args:
        network: a Sequential model, or layers of one.
        batches: what goes through it, float32 arrays, at least one; none is read where nothing is normalised.

    Reference:
        Radford, Metz, Chintala: the released code of their SVHN experiment (svhn_semisup_analysis.py).
    """
    network = list(network.layers if isinstance(network, keras.Model) else network)
    normalising = [place for place, layer in enumerate(network) if isinstance(layer, layers.BatchNormalization)]
    if not normalising:
        return

    sums, count = [0.0] * len(normalising), 0
    for x in batches:
        found, done = [], 0
        for place in normalising:
            x, done = forward(network[done:place], x, statistics="batch"), place
            moments = keras.ops.moments(keras.ops.cast(x, "float32"), axes=list(range(len(x.shape) - 1)))
            found.append(np.asarray(moments, np.float64))
        sums, count = [before + new for before, new in zip(sums, found)], count + 1
    for place, (mean, variance) in zip(normalising, sums):
        network[place].moving_mean.assign(mean / count)
        network[place].moving_variance.assign(variance / count)


class _Spectral:
    """A layer whose kernel is divided by its largest singular value wherever it is used; the kernel itself stays.

    The kernel counts as a matrix with a row for each input and a column for each output. `u` approximates its first
    right singular vector. `iterate` takes one step of power iteration, once per update; passes only read `u`, so all
    passes of an update see the same network, and gradients go through the quotient with the vectors held fixed.

    Reference:
        Miyato et al. (arXiv:1802.05957), §2.1 and Algorithm 1.
    """

    def build(self, input_shape):
        super().build(input_shape)
        seed = getattr(self.kernel_initializer, "seed", None)
        start = keras.initializers.RandomNormal(0.0, 1.0, seed=seed)
        self.u = self.add_weight(name="u", shape=(self.kernel.shape[-1],), initializer=start, trainable=False)

    def iterate(self) -> None:
        """Bring `u` one step nearer to the first right singular vector."""
        matrix = keras.ops.reshape(self.kernel, (-1, self.kernel.shape[-1]))
        v = _unit(keras.ops.matmul(matrix, self.u))
        self.u.assign(_unit(keras.ops.matmul(keras.ops.transpose(matrix), v)))

    def largest_singular_value(self, kernel):
        """What the power iteration makes of it so far: the length of kernel @ u for a unit vector u."""
        product = keras.ops.matmul(
            keras.ops.reshape(kernel, (-1, kernel.shape[-1])), _unit(keras.ops.cast(self.u, kernel.dtype))
        )
        return keras.ops.sum(keras.ops.stop_gradient(_unit(product)) * product)

    def save_own_variables(self, store):
        super().save_own_variables(store)
        store["u"] = self.u

    def load_own_variables(self, store):
        super().load_own_variables(store)
        self.u.assign(store["u"])


@keras.saving.register_keras_serializable("dcgan")
class SpectralConv2D(_Spectral, layers.Conv2D):
    """A convolution with spectral normalisation (see `_Spectral`)."""

    def convolution_op(self, inputs, kernel):
        kernel = keras.ops.convert_to_tensor(kernel)
        return super().convolution_op(inputs, kernel / self.largest_singular_value(kernel))


@keras.saving.register_keras_serializable("dcgan")
class SpectralDense(_Spectral, layers.Dense):
    """A dense layer with spectral normalisation (see `_Spectral`)."""

    def call(self, inputs, training=None):
        kernel = keras.ops.convert_to_tensor(self.kernel)
        outputs = keras.ops.matmul(inputs, kernel / self.largest_singular_value(kernel))
        return keras.ops.add(outputs, self.bias) if self.use_bias else outputs


def _unit(vector):
    """The vector at length 1; a zero vector stays."""
    return vector / (keras.ops.norm(vector) + 1e-12)


def _add_convolutions(
    network: keras.Sequential, config: DiscriminatorConfig, model: ModelConfig, seeds: Iterator[int], convolution: type
) -> None:
    """Add the blocks of strided convolutions that shrink images."""
    for block, (filters, stride) in enumerate(zip(config.filters, config.strides)):
        network.add(
            convolution(
                scaled(filters, model),
                config.kernel,
                strides=stride,
                padding="same",
                use_bias=config.bias,
                **_kernel(model, seeds),
            )
        )
        if model.batch_norm == "on" and config.norm and (block > 0 or config.norm_first):
            network.add(_normalisation(model, seeds))
        network.add(_activation("leaky_relu", model))
        if config.dropout and config.dropout_at == "blocks":
            network.add(layers.Dropout(config.dropout, seed=next(seeds)))


def _kernel(model: ModelConfig, seeds: Iterator[int]) -> dict:
    if model.weights == "normal":
        return {"kernel_initializer": keras.initializers.RandomNormal(0.0, 0.02, seed=next(seeds))}  # P §4
    return {"kernel_initializer": keras.initializers.GlorotUniform(seed=next(seeds))}


def _normalisation(model: ModelConfig, seeds: Iterator[int]) -> layers.BatchNormalization:
    gains = "ones"
    if model.weights == "normal":
        gains = keras.initializers.RandomNormal(1.0, 0.02, seed=next(seeds))  # the paper's code: gain_ifn
    return layers.BatchNormalization(momentum=model.batch_norm_momentum, gamma_initializer=gains)


def _full_precision() -> str:
    """float32 also under mixed precision: images and scores leave the networks in the precision of the weights."""
    return keras.mixed_precision.dtype_policy().variable_dtype


def _activation(kind: str, model: ModelConfig) -> keras.Layer:
    return layers.ReLU() if kind == "relu" else layers.LeakyReLU(negative_slope=model.leaky_slope)


def _seeds(seed: int, network: str) -> Iterator[int]:
    """Seeds for the layers of one network: the same seed gives both networks different weights."""
    numbers = stream(seed, f"weights of the {network}")
    while True:
        yield int(numbers.integers(2**31))
