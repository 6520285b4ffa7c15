"""First-layer filters as pictures, and what every convolution makes of one image."""

from dataclasses import dataclass

import numpy as np

from utils.data import scale
from utils.explain.fixed import Convolution, FixedDiscriminator
from utils.models import forward


@dataclass(frozen=True)
class Filters:
    """Filters of the first convolution, which look at the image itself.

    Attributes:
        trained: float32 (K, H, W, 3), RGB weights.
        random: float32 (K, H, W, 3), the same layer with fresh random weights: the control.
    """

    trained: np.ndarray
    random: np.ndarray


@dataclass(frozen=True)
class Activations:
    """What the convolutions make of one image.

    Attributes:
        image: uint8 (S, S, 3).
        convolutions: from the image up.
        maps: for each of them float32 (H, W, K), after normalisation and nonlinearity.
    """

    image: np.ndarray
    convolutions: tuple[Convolution, ...]
    maps: tuple[np.ndarray, ...]


def first_filters(discriminator: FixedDiscriminator, seed: int = 0) -> Filters:
    """The filters of the first convolution, beside random ones.

    Args:
        discriminator: the discriminator.
        seed: decides the random ones.
    """
    return Filters(_kernels(discriminator), _kernels(discriminator.randomised(seed)))


def neighbour_correlation(filters: np.ndarray) -> float:
    """Correlation between weights that are neighbours, right or below, over all filters float (K, H, W, 3).

    Filters that look for edges or colours are smooth, so theirs is above 0; independent random weights have 0.
    """
    pairs = [(filters[:, :, :-1], filters[:, :, 1:]), (filters[:, :-1], filters[:, 1:])]
    one, other = (np.concatenate([pair[i].ravel() for pair in pairs]) for i in (0, 1))
    return float(np.corrcoef(one, other)[0, 1])


def activations(discriminator: FixedDiscriminator, image: np.ndarray) -> Activations:
    """What every convolution makes of one image.

    Args:
        discriminator: the discriminator.
        image: uint8 (S, S, 3) in [0, 255].
    """
    discriminator.check(image[None])
    x, done, maps = scale(image[None]), 0, []
    for convolution in discriminator.convolutions:
        x = forward(discriminator.layers[done : convolution.stop], x, training=False)
        done = convolution.stop
        maps.append(np.asarray(x, np.float32)[0])
    return Activations(image, discriminator.convolutions, tuple(maps))


def _kernels(discriminator: FixedDiscriminator) -> np.ndarray:
    return np.moveaxis(np.asarray(discriminator.layers[discriminator.convolutions[0].start].kernel, np.float32), -1, 0)
