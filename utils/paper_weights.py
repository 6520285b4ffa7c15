"""The networks that the paper's authors released for SVHN, as a model of this project.

They come as arrays of NumPy, numbered in the order of the layers, and mean what they mean in Theano. Five things differ
from what Keras would make of them, and each spoils the pictures if it is overlooked:

- Theano's convolution turns its kernel by 180 degrees, Keras's does not. So kernels are turned when they are read.
- Theano pads 2 places on every side and rounds the size down, which for a stride of 2 leaves 2 before and 1 after.
  Keras's "same" has 1 before and 2 after: pictures come out shifted, with a grey edge. So places are padded, and cut
  off, by layers of their own.
- A map is laid out as channels, rows, columns, here as rows, columns, channels: that changes the order of the units
  behind the latents and in front of the score.
- The epsilon of batch normalisation is 1e-8.
- The authors kept no averages of batch normalisation: they drew by the statistics of the batch. Here they are fixed
  once (see `models.fix_statistics`), so that a picture depends on its latents alone.

Reference:
    Radford, Metz, Chintala (arXiv:1511.06434); github.com/Newmu/dcgan_code (MIT licence, Copyright (c) 2015 Alec
    Radford).
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from keras import layers

from utils import pretrained, runtime
from utils.config import Experiment
from utils.data.catalogue import find_entry
from utils.errors import InputError
from utils.files import NO_ARRAY
from utils.models import build_discriminator, build_generator, fix_statistics
from utils.presets import preset
from utils.pretrained import Pretrained
from utils.sampling import Sampler
from utils.streams import stream
from utils.text import one_line

FILES = {"generator": "200_gen_params.jl", "discriminator": "200_discrim_params.jl"}
"""How the names of the arrays begin, before their number ("200_gen_params.jl_01.npy")."""
FETCH = "`bash data_scripts/get_paper_weights.sh`"
EPSILON = 1e-8
BATCHES, BATCH_SIZE = 16, 128
"""Of latents, and of what is drawn from them, whose statistics are averaged."""


class Slot(NamedTuple):
    """Where one array goes.

    Attributes:
        variable: of the network.
        shape: what the array's has to be.
        convert: the array -> the variable's value.
    """

    variable: keras.Variable
    shape: tuple[int, ...]
    convert: Callable[[np.ndarray], np.ndarray]


def import_paper(
    folder: str | Path, name: str, experiment: Experiment | None = None, models_dir: str | Path = pretrained.SHIPPED
) -> Pretrained:
    """Make a model of the released arrays.

    Args:
        folder: where they are, as `data_scripts/get_paper_weights.sh` leaves them, or a copy of the authors' folder.
        name: what to call the model; an earlier one of that name is replaced.
        experiment: networks of another width; by default the preset paper_svhn.
        models_dir: where models with a name are.

    Raises:
        InputError: the name cannot be that of a model, or an array is missing or not what it should be.
    """
    pretrained.check_name(name)
    experiment = experiment or preset("paper_svhn")
    generator, discriminator = read_networks(folder, experiment)
    sampler, random = Sampler.of(generator, experiment), stream(0, "imported networks: latents")
    latents = [sampler.make_latents(BATCH_SIZE, random) for _ in range(BATCHES)]
    fix_statistics(generator, latents)
    fix_statistics(discriminator, map(sampler.images, latents))
    networks = {"generator": generator, "discriminator": discriminator}
    entry = find_entry(experiment.data.name)
    card = {
        "name": name,
        "about": "The networks that the paper's authors released for SVHN (github.com/Newmu/dcgan_code, MIT licence, "
        "Copyright (c) 2015 Alec Radford), converted from Theano.",
        "data": f"{entry.title}, as the authors had it",
        "terms of the data": entry.terms,
        "preset": experiment.preset,
        "not in the settings": f"Theano's padding; batch normalisation's epsilon {EPSILON:g}; its statistics, fixed "
        f"on {BATCHES} batches of {BATCH_SIZE} latents, the discriminator's on what is drawn from them",
        "parameters": {network: each.count_params() for network, each in networks.items()},
        "distance": {},
    }
    return pretrained.keep(name, networks, experiment, card, models_dir)


def read_networks(folder: str | Path, experiment: Experiment) -> tuple[keras.Sequential, keras.Sequential]:
    """The released generator and discriminator, batch normalisation's averages still unknown.

    Args:
        folder: of the arrays.
        experiment: whose networks they are.

    Returns:
        Two Sequential models, as `models.build_generator` and `models.build_discriminator` give them.

    Raises:
        InputError: an array is missing or not what it should be.
    """
    folder, networks = Path(folder), []
    for network, build in (("generator", build_generator), ("discriminator", build_discriminator)):
        with runtime.full_precision():
            built = _as_theano_has_it(build(experiment.model))
        for number, slot in enumerate(_slots(built), start=1):
            slot.variable.assign(slot.convert(_read(folder / f"{FILES[network]}_{number:02d}.npy", slot.shape)))
        networks.append(built)
    return tuple(networks)


def _read(file: Path, shape: tuple[int, ...]) -> np.ndarray:
    """One array.

    Raises:
        InputError: it is missing, or is not float32 of that shape, or has values that are no numbers.
    """
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise ValueError("it is an archive of several")
    except FileNotFoundError as error:
        raise InputError(f"{file} is missing: {FETCH} fetches all {file.name[:-7]}_….npy.") from error
    except NO_ARRAY as error:
        reason = one_line(str(error))
        raise InputError(
            f"{file} cannot be read as an array of NumPy ({reason}): fetch it again with {FETCH}."
        ) from error
    if array.shape != shape or array.dtype != np.float32:
        raise InputError(f"{file} should be float32 {shape}. Received: {array.dtype} {array.shape}.")
    if not np.isfinite(array).all():
        raise InputError(f"{file} holds values that are no numbers: fetch it again with {FETCH}.")
    return np.array(array)


def _as_theano_has_it(network: keras.Sequential) -> keras.Sequential:
    """A network of the same layers with Theano's padding and epsilon; its weights are new."""
    made = keras.Sequential([keras.Input(network.input_shape[1:])], name=network.name)
    for layer in network.layers:
        config = layer.get_config()
        if isinstance(layer, layers.Conv2D | layers.Conv2DTranspose):
            (kernel, _), (stride, _) = layer.kernel_size, layer.strides
            before = (kernel - 1) // 2
            edge = (before, kernel - stride - before)
            valid = type(layer).from_config(config | {"padding": "valid"})
            if isinstance(layer, layers.Conv2DTranspose):
                made.add(valid)
                made.add(layers.Cropping2D((edge, edge)))
            else:
                made.add(layers.ZeroPadding2D((edge, edge)))
                made.add(valid)
        elif isinstance(layer, layers.BatchNormalization):
            made.add(type(layer).from_config(config | {"epsilon": EPSILON}))
        else:
            made.add(type(layer).from_config(config))
    return made


def _slots(network: keras.Sequential) -> Iterator[Slot]:
    """The places of the arrays, in their order."""
    map_shape = next(
        layer.target_shape if isinstance(layer, layers.Reshape) else layer.input.shape[1:]
        for layer in network.layers
        if isinstance(layer, layers.Reshape | layers.Flatten)
    )
    units = int(np.prod(map_shape))
    # Unit number i here is unit number order[i] there.
    order = np.arange(units).reshape(np.roll(map_shape, 1)).transpose(1, 2, 0).ravel()
    for layer in network.layers:
        if isinstance(layer, layers.Conv2D | layers.Conv2DTranspose):
            # Both have the map on the far side of the image first: output of a convolution, input of a transposed one.
            yield Slot(
                layer.kernel,
                tuple(layer.kernel.shape[place] for place in (3, 2, 0, 1)),
                lambda kernel: kernel[:, :, ::-1, ::-1].transpose(2, 3, 1, 0),
            )
        elif isinstance(layer, layers.Dense):
            side = tuple(layer.kernel.shape).index(units)
            yield Slot(layer.kernel, tuple(layer.kernel.shape), lambda array, side=side: array.take(order, side))
        elif isinstance(layer, layers.BatchNormalization):
            flat = layer.gamma.shape == (units,) and len(layer.output.shape) == 2
            for variable in (layer.gamma, layer.beta):
                yield Slot(variable, tuple(variable.shape), lambda a, flat=flat: a[order] if flat else a)
