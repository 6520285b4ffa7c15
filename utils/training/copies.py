"""Looking for copies of training images among samples while a training runs: cheap, so it finds plain ones only.

`explain.memory` asks the same question with held-out images, in three spaces and with intervals, of a trained network.
"""

from functools import cached_property

import numpy as np

from utils.data.pixels import fit
from utils.sampling import Sampler

SIDE = 8
"""Of the small pictures that are compared, in pixels: they leave out the noise that copies of a GAN come with."""
LEAST_IMAGES, MOST_IMAGES = 3, 20_000
"""Smaller sets have no two nearest for their own images, and larger ones are not copied within hours."""
NEAR = 0.6
"""A picture is a copy if its nearest training image is nearer than this share of the distance to the second nearest."""
SAMPLES = 128
"""Samples that are looked up, and at most twice as many training images, as held-out ones would be."""


def small(images: np.ndarray) -> np.ndarray:
    """Images uint8 (N, S, S, 3) as small pictures: float32 (N, SIDE * SIDE * 3) in [0, 255]."""
    return np.stack([fit(image, SIDE) for image in images]).reshape(len(images), -1).astype(np.float32)


class Copies:
    """Measures how many samples are copies of training images.

    A picture that lies much nearer to one training image than to any other is a copy of it: blurred, typical and noisy
    pictures are about as near to several. The control is the same of training images among the others. To an image
    that is left out the others are what the training set is to one that was held out, so no held-out images are needed.
    Images whose small pictures are equal count once.

    Args:
        images: uint8 (N, S, S, 3), the images trained on; a memory map will do.
        seed: of the latents.

    Reference:
        Yoon et al., Diffusion Probabilistic Models Generalize when They Fail to Memorize (2023), who take a third, in
        full pixels; a GAN's copies are less exact.
    """

    def __init__(self, images: np.ndarray, seed: int = 0):
        self._images, self._seed = images, seed

    @cached_property
    def _references(self) -> np.ndarray | None:
        """Small pictures of the training images; None if there are too many or too few of them."""
        references = np.unique(small(self._images), axis=0) if len(self._images) <= MOST_IMAGES else []
        return references if len(references) >= LEAST_IMAGES else None

    @cached_property
    def _of_true(self) -> float:
        rows = np.unique(np.linspace(0, len(self._references) - 1, 2 * SAMPLES).astype(int))
        return _share_of_copies(self._references[rows], self._references, without=rows)

    def measure(self, sampler: Sampler) -> dict[str, float] | None:
        """Shares of copies, in [0, 1]: "copied" among samples, always of the same latents, and "copied_true" of the
        control; None where they are not looked for."""
        if self._references is None:
            return None
        samples = sampler.draw(SAMPLES, self._seed)
        return {"copied": _share_of_copies(small(samples), self._references), "copied_true": self._of_true}


def _share_of_copies(pictures: np.ndarray, references: np.ndarray, without: np.ndarray | None = None) -> float:
    """Share of small pictures that are copies of a reference; of those that are references `without` says which."""
    squares = (references**2).sum(axis=1)
    apart = (pictures**2).sum(axis=1)[:, None] + squares - 2 * pictures @ references.T
    if without is not None:
        apart[np.arange(len(pictures)), without] = np.inf
    nearest, second = np.partition(apart, 1, axis=1)[:, :2].T
    return float(np.mean(nearest < NEAR**2 * second))
