"""Generator, discriminator, encoder and combined model, driven by a preset's `.model` section.

They are Keras `Sequential` models; conditional ones are functional models of plain layers, each used once.
"""

import dataclasses
import hashlib
import math
from collections.abc import Iterable, Iterator
from pathlib import Path

from utils import replicas, runtime
from utils.config import DiscriminatorConfig, ModelConfig
from utils.errors import InputError
from utils.files import digest
from utils.parameters import scaled
from utils.streams import stream

runtime.import_tensorflow()  # before anything else of the project can: it starts with less noise this way

import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import layers  # noqa: E402

QUARTER_TURNS = 4
"""By so many quarters, from 0, are images turned that the recipe rotation shows its discriminator."""


def build_generator(model: ModelConfig, seed: int = 0) -> keras.Model:
    """Build the generator G: latents -> images; a conditional one takes [latents, conditions].

    Args:
        model: the `.model` section of an experiment.
        seed: decides the initial weights.

    Shapes:
        float32 (N, latent_dim) and, if conditional, (N, condition_size) -> float32 (N, image_size, image_size, 3) in
        (-1, 1), RGB.

    Reference:
        Radford, Metz, Chintala (arXiv:1511.06434), §3 and Fig 1; the preset names the source of each number. A
        condition is projected and joined to the latents: Mirza and Osindero (arXiv:1411.1784), §3.2 and 4.1; Reed et
        al. (arXiv:1605.05396), §4.1.
    """
    config = model.generator
    seeds = _seeds(seed, "generator")
    side, start_filters = config.start, scaled(config.start_filters, model)
    stack: list[keras.Layer] = []

    norm = model.batch_norm == "on"
    if config.projection == "dense":
        stack.append(layers.Dense(side * side * start_filters, use_bias=config.bias, **_kernel(model, seeds)))
        if norm and config.norm_start == "flat":
            stack.append(_normalisation(model, seeds))
            stack.append(_activation(config.activation, model))
            stack.append(layers.Reshape((side, side, start_filters)))
        else:
            stack.append(layers.Reshape((side, side, start_filters)))
            if norm:
                stack.append(_normalisation(model, seeds))
            stack.append(_activation(config.activation, model))
    else:
        stack.append(layers.Reshape((1, 1, model.latent_dim + model.is_conditional * model.condition_dim)))
        stack.append(
            layers.Conv2DTranspose(start_filters, side, padding="valid", use_bias=config.bias, **_kernel(model, seeds))
        )
        if norm:
            stack.append(_normalisation(model, seeds))
        stack.append(_activation(config.activation, model))

    for filters, stride in zip(config.filters, config.strides):
        stack.append(
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
            stack.append(_normalisation(model, seeds))
        stack.append(_activation(config.activation, model))

    last = layers.Conv2DTranspose if config.output == "conv_transpose" else layers.Conv2D
    stack.append(
        last(
            3,
            config.output_kernel,
            strides=config.output_stride,
            padding="same",
            use_bias=config.bias,
            **_kernel(model, seeds),
        )
    )
    stack.append(layers.Activation("tanh", dtype=_full_precision(), name="image"))

    latents = keras.Input((model.latent_dim,), name="latents")
    if not model.is_conditional:
        return keras.Sequential([latents, *stack], name="generator")
    condition = _condition(model)
    joined = layers.Concatenate()([latents, _projected(condition, model, layers.Dense, seeds)])
    return keras.Model([latents, condition], _chain(stack, joined), name="generator")


def build_discriminator(model: ModelConfig, seed: int = 0) -> keras.Model:
    """Build the discriminator D: images -> scores; a conditional one takes [images, conditions].

    Its last layer is the sigmoid; the layer before gives the logit.

    Args:
        model: the `.model` section of an experiment.
        seed: decides the initial weights and the dropout masks.

    Shapes:
        float32 (N, image_size, image_size, 3) in [-1, 1] and, if conditional, (N, condition_size) -> float32 (N, 1) in
        (0, 1): 1 for true, 0 for fake.

    Reference:
        Radford, Metz, Chintala (arXiv:1511.06434), §3; the preset names the source of each number. Conditioning
        "projection": Miyato and Koyama (arXiv:1802.05637), eq. 4 and Fig 1d, the features summed over the map.
        "concatenation": Reed et al. (arXiv:1605.05396), §4.1, at the last map whatever its side; a 1x1 convolution
        follows, without which the logit would be a sum of one part for the image and one for the condition.
    """
    config = model.discriminator
    seeds = _seeds(seed, "discriminator")
    size = model.image_size
    convolution = SpectralConv2D if model.spectral_norm else layers.Conv2D
    dense = SpectralDense if model.spectral_norm else layers.Dense
    images = keras.Input((size, size, 3), name="images")
    stack = [*_convolutions(config, model, seeds, convolution)]
    dropout = (
        [layers.Dropout(config.dropout, seed=next(seeds))] if config.dropout and config.dropout_at == "head" else []
    )
    if config.head == "conv":
        side = size // math.prod(config.strides)
        logit = convolution(1, side, padding="valid", use_bias=config.bias, **_kernel(model, seeds))
        head = [*dropout, logit, layers.Flatten()]
    else:
        head = [layers.Flatten(), *dropout, dense(1, use_bias=config.bias, **_kernel(model, seeds))]
    score = layers.Activation("sigmoid", dtype=_full_precision(), name="score")
    if not model.is_conditional:
        return keras.Sequential([images, *stack, *head, score], name="discriminator")
    condition, features = _condition(model), _chain(stack, images)
    if model.conditioning == "concatenation":
        _, side, _, channels = features.shape
        projected = layers.Reshape((1, 1, model.condition_dim))(_projected(condition, model, dense, seeds))
        mixing = [
            layers.Concatenate(),
            convolution(channels, 1, use_bias=config.bias, **_kernel(model, seeds)),
            *([_normalisation(model, seeds)] if model.batch_norm == "on" and config.norm else []),
            _activation("leaky_relu", model),
        ]
        features = _chain(mixing, [features, layers.UpSampling2D(side)(projected)])
    logit = _chain(head, features)
    if model.conditioning == "projection":
        summed = layers.Rescaling(features.shape[1] * features.shape[2])(layers.GlobalAveragePooling2D()(features))
        embedded = dense(features.shape[3], use_bias=False, **_kernel(model, seeds))(condition)
        logit = layers.Add()([logit, layers.Dot(axes=1)([embedded, summed])])
    return keras.Model([images, condition], score(logit), name="discriminator")


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
    images, blocks = keras.Input((size, size, 3), name="images"), [*_convolutions(config, model, seeds, layers.Conv2D)]
    dense = layers.Dense(model.latent_dim, use_bias=config.bias, **_kernel(model, seeds))
    code = layers.Activation("tanh", dtype=_full_precision(), name="code")
    return keras.Sequential([images, *blocks, layers.Flatten(), dense, code], name="encoder")


def build_rotation_head(model: ModelConfig, seed: int = 0) -> keras.Sequential:
    """Build what tells from the discriminator's features by how many quarter turns an image was turned.

    Args:
        model: the `.model` section of an experiment.
        seed: decides the initial weights.

    Shapes:
        float32 (N, F), as `features_before_head` gives them -> float32 (N, 4), logits.

    Reference:
        Chen et al. (arXiv:1811.11212), §3: a linear layer on top of the features that the logit is made of.
    """
    config = model.discriminator
    side = model.image_size // math.prod(config.strides)
    features = keras.Input((side * side * scaled(config.filters[-1], model),), name="features")
    dense = layers.Dense(QUARTER_TURNS, dtype=_full_precision(), **_kernel(model, _seeds(seed, "rotation head")))
    return keras.Sequential([features, dense], name="rotation")


def features_before_head(discriminator: keras.Model, images, statistics: str = "batch", batches: int = 1):
    """The features that an unconditional discriminator's logit is a weighted sum of; nothing in it is changed.

    Args:
        discriminator: as `build_discriminator` makes it.
        images: (N, S, S, 3) in [-1, 1].
        statistics, batches: as for `forward`.

    Returns:
        float32 (N, F), what enters its last layer with weights, flattened.
    """
    stop = max(place for place, layer in enumerate(discriminator.layers) if layer.weights)
    if isinstance(discriminator, keras.Sequential):
        features = forward(discriminator.layers[:stop], images, statistics=statistics, batches=batches)
    else:
        features = _of_graph(discriminator, [images], stop, False, statistics, batches)
    features = keras.ops.reshape(features, (-1, int(np.prod(features.shape[1:]))))
    return keras.ops.cast(features, discriminator.variable_dtype)


def build_combined(generator: keras.Model, discriminator: keras.Model) -> keras.Model:
    """Chain the two networks: latents -> images -> scores. It shares their weights.

    Shapes:
        float32 (N, latent_dim) and, if conditional, (N, condition_size) -> float32 (N, 1) in (0, 1).
    """
    if is_conditional(generator):
        latents, condition = (keras.Input(tensor.shape[1:], name=tensor.name) for tensor in generator.inputs)
        scores = discriminator([generator([latents, condition]), condition])
        return keras.Model([latents, condition], scores, name="combined")
    return keras.Sequential([keras.Input(generator.input_shape[1:]), generator, discriminator], name="combined")


def is_conditional(network: keras.Model) -> bool:
    """Whether a network takes conditions beside its other input."""
    return len(getattr(network, "inputs", None) or ()) == 2


def is_generator(network: keras.Model) -> bool:
    """Whether a network makes images of latents, or of latents and conditions, whose lengths it says."""
    inputs, outputs = (getattr(network, name, None) or () for name in ("inputs", "outputs"))
    flat = len(inputs) in (1, 2) and all(len(tensor.shape) == 2 and tensor.shape[1] for tensor in inputs)
    return flat and len(outputs) == 1 and len(outputs[0].shape) == 4


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


def load_generator(path: str | Path) -> keras.Model:
    """Load a saved generator of square RGB images, as `load_network` does.

    Raises:
        InputError: as `load_network`, or it is another network, or one of other images.
    """
    network = load_network(path)
    if not is_generator(network):
        raise InputError(f"{path} should be a generator, latents -> images. Received: {network.name}.")
    _, height, width, channels = network.outputs[0].shape
    if height is None or (height, channels) != (width, 3):
        raise InputError(
            f"{path} should draw square RGB images of one size, (S, S, 3), which is all that is looked at here. "
            f"Received: one of ({height}, {width}, {channels})."
        )
    return network


def load_with_digest(path: str | Path) -> tuple[keras.Model, str]:
    """A saved generator as `load_generator` loads it, and the digest of its file, which a training may replace.

    Raises:
        InputError: as `load_generator`.
    """
    while True:
        before, generator = digest(path), load_generator(path)
        if digest(path) == before:
            return generator, before


def weights_digest(network: keras.Model) -> str:
    """The SHA-256 of a network's weights, in their order, in hex digits."""
    found = hashlib.sha256()
    for weights in network.get_weights():
        found.update(np.ascontiguousarray(weights))
    return found.hexdigest()


def forward(
    network: keras.Model | Iterable[keras.Layer],
    x,
    conditions=None,
    *,
    training: bool = False,
    statistics: str = "moving",
    logits: bool = False,
    batches: int = 1,
):
    """Send `x` through a network, with a say in how batch normalisation works.

    Calling a model ties batch normalisation to `training`. Here it is chosen apart, which is what tells the arms of the
    study apart (see `config.STATISTICS`).

    Args:
        network: a Sequential model, or layers of one; or, with conditions or for logits, a functional model that uses
            each layer once. Another model is called as it is, by the statistics that go with `training`.
        x: its input.
        conditions: float32 (N, condition_size), the second input of a conditional network, or None.
        training: whether this is a pass of an update: dropout is active, and normalising by the batch also moves the
            moving averages. Otherwise nothing in the network changes.
        statistics: what batch normalisation goes by: "batch", the images of this call, or "moving", the averages. By
            default the network is in inference mode.
        logits: whether to stop before the last layer, which of a discriminator is the sigmoid.
        batches: how many batches lie in `x` one after the other. Where several replicas compute an update together,
            they drop what one would drop, and normalise by the whole batch.

    Returns:
        Output of the last layer, or the one before.

    Raises:
        InputError: conditions, or logits, are asked of a model that is none of these.
    """
    in_a_row = not isinstance(network, keras.Model) or isinstance(network, keras.Sequential)
    if conditions is not None or (logits and not in_a_row):
        given = [x] if conditions is None else [x, conditions]
        return _of_graph(network, given, -1 if logits else None, training, statistics, batches)
    if logits:
        network = network.layers[:-1]
    elif not in_a_row:
        return network(x, training=training)
    for layer in network.layers if isinstance(network, keras.Model) else network:
        x = _passed(layer, x, training, statistics, batches)
    return x


def _of_graph(network: keras.Model, given: list, stop: int | None, training: bool, statistics: str, batches: int):
    """What a functional model makes of its inputs, or what goes into its layer at place `stop`; see `forward`."""
    _check_graph(network)
    tensors = dict(zip(map(id, network.inputs), map(keras.ops.convert_to_tensor, given)))
    for layer in network.layers[:stop]:  # they are in an order that can be computed
        if id(layer.output) not in tensors:
            given = layer.input
            given = [tensors[id(each)] for each in given] if isinstance(given, list) else tensors[id(given)]
            tensors[id(layer.output)] = _passed(layer, given, training, statistics, batches)
    return tensors[id(network.output if stop is None else network.layers[stop].input)]


def _check_graph(network: keras.Model) -> None:
    """Refuse a model that cannot be passed through layer by layer.

    Raises:
        InputError: it is no functional model, or not all of it are layers that are used once each.
    """
    reached = set(map(id, getattr(network, "inputs", None) or ()))
    for layer in network.layers if reached else ():
        if reached.issuperset(map(id, keras.tree.flatten(layer.input))):
            reached.add(id(layer.output))
    if not reached or not reached.issuperset(map(id, network.outputs)):
        raise InputError(
            "A network that is passed through layer by layer should be a Sequential model, or a functional one of "
            f"layers that are used once each. Received: {network.name}, a {type(network).__name__}."
        )


def _passed(layer: keras.Layer, x, training: bool, statistics: str, batches: int):
    """What one layer makes of its input; see `forward`."""
    alone = replicas.count() == 1
    if isinstance(layer, layers.Dropout) and training and layer.rate and not alone:
        kept = keras.ops.ones(replicas.whole(keras.ops.shape(x)), x.dtype)
        return x * replicas.own(keras.random.dropout(kept, layer.rate, seed=layer.seed_generator), batches)
    if not isinstance(layer, layers.BatchNormalization):
        return layer(x, training=training)
    parts = _parts(layer, x, batches)
    if statistics == "moving" or (training and alone and parts == 1):
        return layer(x, training=statistics == "batch")
    x = keras.ops.cast(x, layer.variable_dtype)  # in float32 whatever the precision, as the layer itself does
    # Parts are statistics of their own, as a dimension; where there is one, replicas share it.
    apart = x if parts == 1 else keras.ops.reshape(x, (batches, parts // replicas.count(), -1, *x.shape[1:]))
    axes = [axis for axis in range(len(apart.shape) - 1) if parts == 1 or axis != 1]
    mean, variance = keras.ops.moments(apart, axes=axes, keepdims=parts > 1)
    if parts == 1 and not alone:
        mean = replicas.mean(keras.ops.mean(x, axis=axes))
        # As in TensorFlow's moments the mean is held fixed, which only a gradient of a gradient can tell.
        variance = replicas.mean(keras.ops.mean(keras.ops.square(x - keras.ops.stop_gradient(mean)), axis=axes))
    if training:
        for average, found in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
            found = found if parts == 1 else replicas.mean(keras.ops.mean(found, axis=range(len(apart.shape) - 1)))
            average.assign(average * layer.momentum + found * (1.0 - layer.momentum))
    if parts == 1:
        x = keras.ops.batch_normalization(
            x, mean, variance, axis=-1, offset=layer.beta, scale=layer.gamma, epsilon=layer.epsilon
        )
    else:
        apart = (apart - mean) * keras.ops.rsqrt(variance + layer.epsilon) * layer.gamma + layer.beta
        x = keras.ops.reshape(apart, keras.ops.shape(x))
    return keras.ops.cast(x, layer.compute_dtype)


def _parts(layer: keras.Layer, x, batches: int = 1) -> int:
    """Into how many parts batch normalisation cuts each of the batches in `x`; 1 where they cannot be parted so."""
    parts = getattr(layer, "parts", 1)
    return parts if parts > 1 and x.shape[0] and x.shape[0] * replicas.count() % (batches * parts) == 0 else 1


@keras.saving.register_keras_serializable("dcgan")
class PartsNormalization(layers.BatchNormalization):
    """Batch normalisation whose updates take the statistics of equal parts of the batch, each for itself.

    It computes what so many replicas do that each normalise by their own rows and average their moving averages. In
    inference mode, and for batches that cannot be parted so, it is `BatchNormalization`.

    Reference:
        Hoffer, Hubara, Soudry (arXiv:1705.08741), Algorithm 1: ghost batch normalisation.
    """

    def __init__(self, parts: int = 1, **options):
        super().__init__(**options)
        self.parts = parts

    def get_config(self):
        return super().get_config() | {"parts": self.parts}


def fix_statistics(network: keras.Model | Iterable[keras.Layer], batches: Iterable) -> None:
    """Give batch normalisation fixed statistics: means and variances of batches, averaged over the batches.

    On its way through the network each batch is normalised by its own; where that is done in parts, their means count,
    as in updates. All batches count alike, a smaller last one, too. Averages are what the layers go by in inference
    mode afterwards; nothing else in the network changes.

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
            parts = keras.ops.split(keras.ops.cast(x, "float32"), _parts(network[place], x))
            moments = (keras.ops.moments(part, axes=list(range(len(x.shape) - 1))) for part in parts)
            found.append(np.mean([np.asarray(each, np.float64) for each in moments], 0))
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


def _condition(model: ModelConfig):
    """The input for conditions.

    Raises:
        InputError: nobody has said how long they are.
    """
    if not model.condition_size:
        raise InputError("Conditional networks need condition_names, one for each value of a condition.")
    return keras.Input((model.condition_size,), name="condition")


def _projected(condition, model: ModelConfig, dense: type[layers.Dense], seeds: Iterator[int]):
    """Conditions as they are joined to latents or features: (N, condition_dim)."""
    # They are to come in at the size that latents and features have: N(0, 0.02) would leave them unheard for long.
    weights = keras.initializers.HeNormal(seed=next(seeds))
    return _activation("leaky_relu", model)(dense(model.condition_dim, kernel_initializer=weights)(condition))


def _chain(stack: Iterable[keras.Layer], x):
    """One layer after the other, called on `x`."""
    for layer in stack:
        x = layer(x)
    return x


def _convolutions(
    config: DiscriminatorConfig, model: ModelConfig, seeds: Iterator[int], convolution: type
) -> Iterator[keras.Layer]:
    """The blocks of strided convolutions that shrink images."""
    for block, (filters, stride) in enumerate(zip(config.filters, config.strides)):
        yield convolution(
            scaled(filters, model),
            config.kernel,
            strides=stride,
            padding="same",
            use_bias=config.bias,
            **_kernel(model, seeds),
        )
        if model.batch_norm == "on" and config.norm and (block > 0 or config.norm_first):
            yield _normalisation(model, seeds)
        yield _activation("leaky_relu", model)
        if config.dropout and config.dropout_at == "blocks":
            yield layers.Dropout(config.dropout, seed=next(seeds))


def _kernel(model: ModelConfig, seeds: Iterator[int]) -> dict:
    if model.weights == "normal":
        return {"kernel_initializer": keras.initializers.RandomNormal(0.0, 0.02, seed=next(seeds))}  # P §4
    return {"kernel_initializer": keras.initializers.GlorotUniform(seed=next(seeds))}


def _normalisation(model: ModelConfig, seeds: Iterator[int]) -> layers.BatchNormalization:
    gains = "ones"
    if model.weights == "normal":
        gains = keras.initializers.RandomNormal(1.0, 0.02, seed=next(seeds))  # the paper's code: gain_ifn
    options = {"momentum": model.batch_norm_momentum, "gamma_initializer": gains}
    parts = model.batch_norm_parts
    return PartsNormalization(parts, **options) if parts > 1 else layers.BatchNormalization(**options)


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
