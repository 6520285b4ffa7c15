"""A discriminator whose answer is known by construction, and images for it."""

import keras
import numpy as np
from keras import layers


def squares(places):
    """Black uint8 (N, 16, 16, 3) images, each with one white 4x4 square at (row, column) of a 4x4 raster."""
    images = np.zeros((len(places), 16, 16, 3), np.uint8)
    for image, (row, column) in zip(images, places):
        image[4 * row : 4 * row + 4, 4 * column : 4 * column + 4] = 255
    return images


def finder(weights, bias=0.0):
    """A discriminator that finds white squares: filter 0 gives 1 on a square and 0 elsewhere, filter 1 always gives 0.

    `weights` (4, 4) is what the head makes of filter 0 at each place.
    """
    network = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            layers.Conv2D(2, 4, strides=4, use_bias=False, name="finder"),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dense(1),
            layers.Activation("sigmoid"),
        ]
    )
    kernel = np.zeros((4, 4, 3, 2))
    kernel[..., 0] = 1 / 48
    head = np.zeros((4, 4, 2))
    head[..., 0] = weights
    network.set_weights([kernel, head.reshape(-1, 1), np.array([bias])])
    return network
