"""Guided backpropagation: which pixels drive a filter of the discriminator, or its score.

The rule (§3.4 of the reference) is for ReLU: going back through a rectifier, a gradient passes only where the forward
activation was positive and the gradient itself is positive. The paper (Radford, Metz, Chintala, §6.2) applies it to a
discriminator with LeakyReLU. Here the rule is kept to the letter: a LeakyReLU unit that was negative passes nothing, so
its slope never enters, and the result is that of a ReLU network on the units that were on. So with all rectifiers (see
`fixed.is_rectifier`); all other layers pass their gradient on unchanged.

Reference:
    Springenberg, Dosovitskiy, Brox, Riedmiller: Striving for Simplicity (arXiv:1412.6806).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from scipy import stats

from utils.data import scale
from utils.errors import InputError
from utils.explain.fixed import Convolution, FixedDiscriminator, Score, is_rectifier, sign_of
from utils.models import forward


@dataclass(frozen=True)
class Strongest:
    """The images of a dataset to which each filter of a convolution answers most.

    Attributes:
        convolution: whose filters.
        rows: int64 (K, M), rows of the images, the strongest first.
        responses: float32 (K, M), the largest activation over places.
        places: int64 (K, M, 2), where that was: row and column in the map.
        searched: how many images were looked through.
    """

    convolution: Convolution
    rows: np.ndarray
    responses: np.ndarray
    places: np.ndarray
    searched: int


@dataclass(frozen=True)
class FilterSaliency:
    """What in its strongest images drives each of some filters.

    Attributes:
        convolution: whose filters.
        filters: int64 (F,), which of them.
        images: uint8 (F, M, S, S, 3), their strongest images.
        responses: float32 (F, M), the activations explained.
        places: int64 (F, M, 2), where they are in the map: row and column.
        saliency: float32 (F, M, S, S, 3), guided gradient of that one activation by the image in [-1, 1].
    """

    convolution: Convolution
    filters: np.ndarray
    images: np.ndarray
    responses: np.ndarray
    places: np.ndarray
    saliency: np.ndarray


def strongest(
    discriminator: FixedDiscriminator,
    images: np.ndarray,
    layer: str | int = "last",
    top: int = 9,
    batch_size: int = 256,
) -> Strongest:
    """Find the images that each filter of a convolution answers to most, in one pass over a dataset.

    Memory holds one batch and the best so far, so the images may be a memory map of any length.

    Args:
        discriminator: the discriminator.
        images: uint8 (N, S, S, 3) in [0, 255].
        layer: a convolution by name, number from 1, or "last".
        top: how many images for each filter; at most N are best.
        batch_size: images at once.
    """
    discriminator.check(images)
    convolution = discriminator.convolution(layer)
    body = discriminator.body(convolution)
    best = None
    for start in range(0, len(images), batch_size):
        batch = np.asarray(images[start : start + batch_size])
        activations = np.asarray(forward(body, scale(batch), training=False), np.float32)
        flat = activations.reshape(len(batch), -1, convolution.maps)
        of_batch = (
            flat.max(1).T,
            flat.argmax(1).T,
            np.broadcast_to(np.arange(start, start + len(batch)), (convolution.maps, len(batch))),
        )
        merged = of_batch if best is None else [np.concatenate(pair, 1) for pair in zip(best, of_batch)]
        order = np.argsort(-merged[0], axis=1, kind="stable")[:, :top]  # among equals the earlier image stays
        best = [np.take_along_axis(values, order, 1) for values in merged]
    responses, places, rows = best
    places = np.stack(np.unravel_index(places, activations.shape[1:3]), -1)
    return Strongest(convolution, rows, responses, places, len(images))


def filter_saliency(
    discriminator: FixedDiscriminator, images: np.ndarray, best: Strongest, filters: Sequence[int], top: int = 9
) -> FilterSaliency:
    """Guided backpropagation of single activations: of each filter, at its strongest place in its strongest images.

    Args:
        discriminator: the discriminator that `best` comes from.
        images: the images that were searched.
        best: what `strongest` gave.
        filters: which filters; the paper's Fig 5 shows the first six of the last convolution.
        top: in how many of each filter's strongest images.

    Raises:
        InputError: a filter that does not exist.
    """
    filters = np.asarray(filters, int)
    if not len(filters) or filters.min() < 0 or filters.max() >= best.convolution.maps:
        raise InputError(
            f"Filters of {best.convolution} have numbers from 0 to {best.convolution.maps - 1}; choose at least one. "
            f"Received: {filters.tolist()}."
        )
    rows, places = best.rows[filters, :top], best.places[filters, :top]
    shown = np.asarray(images[rows.ravel()])
    units = np.column_stack([places.reshape(-1, 2), filters.repeat(rows.shape[1])])  # row, column and map
    body = discriminator.body(best.convolution)
    saliency = [
        _back(body, scale(shown[start : start + 128]), units[start : start + 128])
        for start in range(0, len(shown), 128)
    ]
    shape = (*rows.shape, discriminator.side, discriminator.side, 3)
    return FilterSaliency(
        best.convolution,
        filters,
        shown.reshape(shape),
        best.responses[filters, :top],
        places,
        np.concatenate(saliency).reshape(shape),
    )


@dataclass(frozen=True)
class Selectivity:
    """Which filters answer to what: a share among each filter's strongest images against the share among all.

    Attributes:
        names: of the attributes, or of the classes.
        base: float (A,), share of all searched images that have the attribute.
        share: float (K, A), share of each filter's strongest images that have it.
        p_values: float (K, A), chance of at least so many in a random choice of images (hypergeometric).
        alive: bool (K,), whether any searched image makes the filter positive.
        least: float (A,), the smallest p-value that there can be: all that a filter's strongest images can hold have
            the attribute.
    """

    names: tuple[str, ...]
    base: np.ndarray
    share: np.ndarray
    p_values: np.ndarray
    alive: np.ndarray
    least: np.ndarray

    @property
    def selective(self) -> np.ndarray:
        """bool (K,): filters with an attribute at p < 5%, corrected for all filters and attributes (Bonferroni)."""
        return self.alive & (self.p_values.min(1) * self.p_values.size < 0.05)

    @property
    def telling(self) -> bool:
        """Whether the test can find anything: with few images no filter is selective, whatever it answers to."""
        return bool(self.least.min() * self.p_values.size < 0.05)

    @property
    def best(self) -> np.ndarray:
        """int (K,): for each filter the attribute with the smallest p-value."""
        return self.p_values.argmin(1)


def selectivity(best: Strongest, attributes: np.ndarray, names: tuple[str, ...]) -> Selectivity:
    """Test whether filters' strongest images share an attribute more often than chance would have it.

    The paper (§6.2) says that a significant minority of its filters answers to beds, and filters of a random network to
    nothing; this counts such filters, for either network. Ask `strongest` for some 50 images per filter.

    Args:
        best: the strongest images among all that `attributes` describe.
        attributes: 0 or 1, (N, A).
        names: of the A attributes.
    """
    if attributes.shape != (best.searched, len(names)):
        raise InputError(
            f"Attributes must be those of the {best.searched} searched images, one column for each of {len(names)} "
            f"names. Received: {attributes.shape}."
        )
    top = best.rows.shape[1]
    total = attributes.sum(0, dtype=int)
    having = attributes[best.rows].sum(1, dtype=int)
    return Selectivity(
        names=names,
        base=total / best.searched,
        share=having / top,
        p_values=stats.hypergeom.sf(having - 1, best.searched, total, top),
        alive=best.responses[:, 0] > 0,
        least=stats.hypergeom.sf(np.minimum(top, total) - 1, best.searched, total, top),
    )


def score_saliency(
    discriminator: FixedDiscriminator,
    images: np.ndarray,
    score: Score = "true",
    guided: bool = True,
    batch_size: int = 128,
) -> np.ndarray:
    """Gradient of the score by the pixels: guided, or plain.

    Args:
        discriminator: the discriminator.
        images: uint8 (N, S, S, 3) in [0, 255].
        score: "true" explains the logit, "fake" minus the logit.
        guided: by the rule above; False gives the plain gradient.
        batch_size: images at once.

    Returns:
        float32 (N, S, S, 3), gradient by the image in [-1, 1].
    """
    discriminator.check(images)
    sign = sign_of(score)
    batches = (scale(images[start : start + batch_size]) for start in range(0, len(images), batch_size))
    return np.concatenate(
        [_back(discriminator.layers, batch, np.zeros((len(batch), 1), int), sign, guided) for batch in batches]
    )


def _back(layers, scaled: np.ndarray, units: np.ndarray, sign: int = 1, guided: bool = True) -> np.ndarray:
    """Gradient by the pixels of one unit of each image, or of minus that unit.

    Args:
        layers: from the image up.
        scaled: float32 (N, S, S, 3) in [-1, 1].
        units: int (N, R - 1), where each image's unit is in the last layer's output of rank R.
        sign: of the gradient that starts there.
        guided: by the rule above.
    """
    x = tf.convert_to_tensor(scaled)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x
        for layer in layers:
            y = layer(y, training=False)
            if guided and is_rectifier(layer):
                y = guide(y)
    start = np.zeros(y.shape, y.dtype.as_numpy_dtype)
    start[(np.arange(len(units)), *units.T)] = sign
    return np.asarray(tape.gradient(y, x, output_gradients=tf.convert_to_tensor(start)), np.float32)


@tf.custom_gradient
def guide(activation):
    """The activation as it is; backwards, the positive part of the gradient where the activation is positive."""

    def back(gradient):
        return tf.where((activation > 0) & (gradient > 0), gradient, tf.zeros_like(gradient))

    return tf.identity(activation), back
