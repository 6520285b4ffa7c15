"""Textures that repeat: the part of the fine detail that all images have in common.

Both the report (§5.7) and the paper (Fig 3, "visual under-fitting") see noise textures that repeat across samples. A
camera whose pixels differ leaves such a texture on every picture, too, where it is called fixed-pattern noise. In a
generator, transposed convolutions make it: an output pixel is reached by other weights than its neighbour (Odena et
al., "Deconvolution and checkerboard artifacts", Distill 2016).
"""

import cv2
import numpy as np
from scipy.stats import norm

from utils.errors import InputError
from utils.intervals import LEVEL, Interval

DETAIL = 1.0
"""What is finer than this many pixels is detail: the standard deviation of the blur that is taken away."""
NO_DETAIL = 1e-6
"""Mean square of a detail that is nothing but rounding."""


def fine_detail(images: np.ndarray) -> np.ndarray:
    """What a blur takes away of images: float32, of the same shape, in [-255, 255].

    Args:
        images: (N, S, S, 3), values in [0, 255].
    """
    sharp = np.asarray(images, np.float32)
    return sharp - np.stack([cv2.GaussianBlur(image, (0, 0), DETAIL) for image in sharp])


def fixed_pattern(images: np.ndarray) -> Interval:
    """The share of the power of the fine detail that all images have in common, without bias.

    It is the mean product of two different images' details as a share of the mean square: 0 if textures lie anywhere,
    1 if every image has the same; 0, too, where there is no detail at all. Of true images it is above 0 where edges
    have their places (aligned faces), so samples are compared with those. It depends on no feature space, and not on
    the strength of the texture. The interval is the jackknife's, value ± 1.96 standard errors, each image being left
    out once.

    Args:
        images: (N, S, S, 3), values in [0, 255]; N at least 3.

    Raises:
        InputError: there are fewer images.
    """
    if len(images) < 3:
        raise InputError(f"What images have in common is asked of 3 or more. Received: {len(images)}.")
    detail = fine_detail(images).reshape(len(images), -1)
    count, own = len(detail), np.square(detail).sum(1, dtype=np.float64)
    if own.mean() < NO_DETAIL * detail.shape[1]:
        return Interval(0.0, 0.0, 0.0)
    total = detail.sum(0, dtype=np.float64)
    squared, power = total @ total, own.sum()
    value = (squared / power - 1) / (count - 1)
    without = ((squared - 2 * (detail @ total) + own) / (power - own) - 1) / (count - 2)
    error = norm.ppf((1 + LEVEL) / 2) * np.sqrt((count - 1) * without.var())
    return Interval(float(value), float(value - error), float(value + error))
