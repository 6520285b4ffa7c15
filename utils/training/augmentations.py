"""Differentiable augmentations: what is done alike to true and fake images before the discriminator sees them.

Each is a function (images, seed) -> images: float32 (B, S, S, 3) in [-1, 1] before the first of them, and int32 (2,);
every image is changed in its own way, decided by the seed alone. Gradients go through, so the generator learns from
what it has drawn, not from what was made of it. Random numbers are drawn for the whole batch (`replicas`).

Reference:
    Zhao et al., Differentiable Augmentation for Data-Efficient GAN Training (arXiv:2006.10738), §4 and Appendix; ranges
    are those of its released code.
"""

import tensorflow as tf

from utils import replicas

SHIFT = 1 / 8
"""Largest shift of `translation`, as a share of the side."""
HOLE = 1 / 2
"""Side of the square that `cutout` makes grey, as a share of the image's."""


def colour(images, seed):
    """Brightness by -0.5 to 0.5, saturation times 0 to 2, contrast times 0.5 to 1.5, in this order."""
    brightness, saturation, contrast = tf.unstack(_uniform(images, seed, 3), axis=-1)
    images += brightness[:, None, None, None] - 0.5
    grey = tf.reduce_mean(images, axis=-1, keepdims=True)
    images = grey + (images - grey) * (2.0 * saturation)[:, None, None, None]
    mean = tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True)
    return mean + (images - mean) * (0.5 + contrast)[:, None, None, None]


def translation(images, seed):
    """Shift by up to an eighth of the side in each direction; what comes in is grey (0)."""
    side = images.shape[1]
    furthest = int(side * SHIFT + 0.5)
    shape = replicas.whole([tf.shape(images)[0], 2])
    shifts = replicas.own(tf.random.stateless_uniform(shape, seed, -furthest, furthest + 1, tf.int32))
    padded = tf.pad(images, [[0, 0], [furthest, furthest], [furthest, furthest], [0, 0]])
    places = tf.range(side)
    rows = places + furthest - shifts[:, :1]
    columns = places + furthest - shifts[:, 1:]
    return tf.gather(tf.gather(padded, rows, axis=1, batch_dims=1), columns, axis=2, batch_dims=1)


def cutout(images, seed):
    """Make a square of half the side grey (0), its middle anywhere in the image."""
    side = images.shape[1]
    hole = int(side * HOLE + 0.5)
    # As in the released code an even hole may stick out by one pixel more on one side.
    shape = replicas.whole([tf.shape(images)[0], 2])
    middles = replicas.own(tf.random.stateless_uniform(shape, seed, 0, side + (1 - hole % 2), tf.int32))
    first = middles - hole // 2
    places = tf.range(side)
    inside = [(places >= first[:, i : i + 1]) & (places < first[:, i : i + 1] + hole) for i in (0, 1)]
    keep = ~(inside[0][:, :, None] & inside[1][:, None, :])
    return images * tf.cast(keep, images.dtype)[..., None]


def mirror(images, seed):
    """Turn left and right round, of every image by chance 1/2: twice the images, where a mirrored one is as true.

    Not where left and right matter, as in letters and digits: the generator may then draw either.
    """
    turned = _uniform(images, seed, 1) < 0.5
    return tf.where(turned[:, :, None, None], images[:, :, ::-1], images)


def noise(images, seed):
    """Add N(0, 0.1) to every value: instance noise (Sønderby et al., arXiv:1610.04490), here of one strength."""
    shape = replicas.whole(tf.shape(images))
    return images + 0.1 * replicas.own(tf.random.stateless_normal(shape, seed, dtype=images.dtype))


def _uniform(images, seed, count: int):
    shape = replicas.whole([tf.shape(images)[0], count])
    return replicas.own(tf.random.stateless_uniform(shape, seed, dtype=images.dtype))
