"""Images through an encoder and back: what G(E(x)) keeps of them, beside what the mean picture would."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from utils.data import scale, scale_back


@dataclass(frozen=True)
class Reconstruction:
    """Images, and what the generator draws from their codes.

    Attributes:
        images, drawn: uint8 (N, S, S, 3).
        typical: uint8 (S, S, 3), one picture for all: what they are compared with.
    """

    images: np.ndarray
    drawn: np.ndarray
    typical: np.ndarray

    @property
    def error(self) -> float:
        """Root mean square difference, in [0, 255]."""
        return _difference(self.drawn, self.images)

    @property
    def error_of_typical(self) -> float:
        """The same of the one picture: what an encoder that sees nothing could reach."""
        return _difference(self.typical, self.images)


def reconstruct(
    generator: Callable, encoder: Callable, images: np.ndarray, typical: np.ndarray, batch_size: int = 256
) -> Reconstruction:
    """Draw images again from their codes, both networks in inference mode.

    Args:
        generator: latents -> images.
        encoder: images -> codes, which the generator takes for latents.
        images: uint8 (N, S, S, 3) in [0, 255].
        typical: (S, S, 3) in [0, 255], the mean of the images trained on.
        batch_size: images at a time; decides speed and memory, not the result.
    """
    batches = (images[start : start + batch_size] for start in range(0, len(images), batch_size))
    drawn = [scale_back(np.asarray(generator(encoder(scale(b), training=False), training=False))) for b in batches]
    return Reconstruction(images, np.concatenate(drawn), np.asarray(typical, np.uint8))


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.sqrt(np.mean((one.astype(float) - other) ** 2)))
