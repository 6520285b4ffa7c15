"""How far samples are from true images that their generator has not seen."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.config import Experiment
from utils.errors import InputError
from utils.evaluation.distances import frechet_distance, kernel_distance
from utils.evaluation.features import Extractor, extractor_for
from utils.evaluation.held_out import true_images_for
from utils.intervals import Interval
from utils.sampling import Sampler
from utils.streams import stream

SAMPLES = 2_000
"""Fake and true images that distances are measured on, where nothing else is asked for."""


@dataclass(frozen=True)
class Distance:
    """Distances between two sets of images.

    Attributes:
        kernel: the kernel distance, without bias (see `kernel_distance`).
        frechet: the Fréchet distance, which depends on the number of samples (see `frechet_distance`).
        samples: how many images of each set they were measured on.
        space: name of the feature space.
        fingerprint: of the feature space; figures of different ones cannot be compared.
    """

    kernel: Interval
    frechet: Interval
    samples: tuple[int, int]
    space: str
    fingerprint: str

    def plain(self) -> dict:
        """As plain values, for a record."""
        return {
            "space": self.space,
            "fingerprint": self.fingerprint,
            "kernel": self.kernel.plain() | {"samples": self.samples},
            "frechet": self.frechet.plain() | {"samples": self.samples},
        }


def distance(fake: np.ndarray, true: np.ndarray, extractor: Extractor) -> Distance:
    """Distances between two sets of uint8 (N, S, S, 3) images."""
    return _between(extractor(fake), extractor(true), extractor)


class Quality:
    """Measures generators against the same true images, in the same space.

    Args:
        true: uint8 (N, S, S, 3), true images that no generator was trained on.
        extractor: the feature space.
        samples: how many of them to take; as many fake ones go with them.
        seed: of the latents, and of the choice among the true images.

    Attributes:
        true: float32 (samples, D), features of the true images that are compared with.

    Raises:
        InputError: there are fewer than twice as many true images, which the floor needs.
    """

    def __init__(self, true: np.ndarray, extractor: Extractor, samples: int = SAMPLES, seed: int = 0):
        if len(true) < 2 * samples:
            raise InputError(
                f"samples must be at most half of the {len(true):,} held-out images, since the floor compares two sets "
                f"of them. Received: {samples:,}."
            )
        self.extractor, self.samples, self.seed = extractor, samples, seed
        rows = stream(seed, "evaluation: true samples").permutation(len(true))  # they may be in an order
        self.true, self._other_true = (
            extractor(true[np.sort(part)]) for part in (rows[:samples], rows[samples : 2 * samples])
        )

    def floor(self) -> Distance:
        """Between two sets of true images: what no generator can go below, but by chance."""
        return _between(self._other_true, self.true, self.extractor)

    def of_images(self, images: np.ndarray) -> Distance:
        """Of uint8 (N, S, S, 3) images."""
        return _between(self.extractor(images), self.true, self.extractor)

    def of(self, sampler: Sampler) -> Distance:
        """Of a generator's samples."""
        return self.of_images(sampler.draw(self.samples, self.seed))


def _between(features: np.ndarray, true: np.ndarray, extractor: Extractor) -> Distance:
    kernel, frechet = kernel_distance(features, true), frechet_distance(features, true)
    return Distance(kernel, frechet, (len(features), len(true)), extractor.name, extractor.fingerprint)


def quality_for(
    experiment: Experiment,
    data_dir: str | Path | None = None,
    *,
    samples: int = SAMPLES,
    features: str = "auto",
    seed: int = 0,
    progress: bool = True,
) -> Quality:
    """What measures the generators of an experiment: held-out images of its dataset, in that dataset's feature space.

    They are of another split where there is one; of own pictures they are those behind the ones that are trained on. So
    experiments on different numbers of images are measured against the same with what is made for the largest number.

    Args:
        experiment: names the images that are trained on, and their size.
        data_dir: where datasets are.
        samples, seed: as for `Quality`.
        features: as for `extractor_for`.
        progress: whether to show progress bars.

    Raises:
        InputError: the dataset has no images set apart from training, or too few.
    """
    data, size = experiment.data, experiment.model.image_size
    true = true_images_for(data, size, 2 * samples, data_dir=data_dir, progress=progress)
    if true.seen:
        raise InputError(
            f"{data.name} has no {2 * samples:,} images set apart from training here, so there is nothing to measure "
            "against."
        )
    options = {"small": data.small, "data_dir": data_dir, "progress": progress}
    extractor = extractor_for(data.name, size, features=features, **options)
    return Quality(true.images, extractor, samples, seed)
