"""How far samples are from true images that their generator has not seen."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from utils import runtime
from utils.config import Experiment
from utils.errors import InputError
from utils.evaluation.distances import SAMPLES, frechet_at_infinity, frechet_distance, kernel_distance
from utils.evaluation.features import Extractor, extractor_for
from utils.evaluation.held_out import TrueImages, unseen_images_for
from utils.evaluation.neighbourhoods import Neighbourhoods, neighbourhoods
from utils.evaluation.passport import INTERVAL, Origin, Passport
from utils.intervals import Interval
from utils.sampling import Sampler
from utils.streams import stream


@dataclass(frozen=True)
class Distance:
    """Distances between two sets of images.

    Attributes:
        kernel: the kernel distance, without bias (see `kernel_distance`).
        frechet: the Fréchet distance, which depends on the number of samples (see `frechet_distance`).
        samples: how many images of each set they were measured on.
        space: name of the feature space.
        fingerprint: of the feature space; figures of different ones cannot be compared.
        frechet_at_infinity: see there; None if it was not asked for, or there are too few samples for it.
        neighbourhoods: precision, recall, density and coverage; None if they were not asked for.
    """

    kernel: Interval
    frechet: Interval
    samples: tuple[int, int]
    space: str
    fingerprint: str
    frechet_at_infinity: Interval | None = None
    neighbourhoods: Neighbourhoods | None = None

    def plain(self) -> dict:
        """As plain values, for a record."""
        samples = {"samples": list(self.samples)}
        infinite = self.frechet_at_infinity
        return {
            "space": self.space,
            "fingerprint": self.fingerprint,
            "kernel": self.kernel.plain() | samples,
            "frechet": self.frechet.plain() | samples,
            **({"frechet_at_infinity": infinite.plain() | samples} if infinite else {}),
            **(self.neighbourhoods.plain() if self.neighbourhoods else {}),
        }


@dataclass(frozen=True)
class Measured:
    """The distance of a generator's samples, with all that is needed to trust it.

    Attributes:
        distance: of the samples to true images.
        floor: of other true images to the same, at the same number.
        passport: what both depend on.
    """

    distance: Distance
    floor: Distance
    passport: Passport

    def plain(self) -> dict:
        """As plain values, for a record or a card: the distance's, and "floor" and "passport"."""
        return self.distance.plain() | {"floor": self.floor.plain(), "passport": self.passport.plain()}


def distance(fake: np.ndarray, true: np.ndarray, extractor: Extractor) -> Distance:
    """Distances between two sets of uint8 (N, S, S, 3) images."""
    return _between(extractor(fake), extractor(true), extractor)


class Quality:
    """Measures generators against the same true images, in the same space.

    Args:
        true: true images, if possible such that no generator was trained on; or such images alone, uint8 (N, S, S, 3),
            of which nothing more is known.
        extractor: the feature space.
        samples: how many of them to take; as many fake ones go with them.
        seed: of the latents, and of the choice among the true images.

    Attributes:
        true: float32 (samples, D), features of the true images that are compared with.

    Raises:
        InputError: there are fewer than twice as many true images, which the floor needs.
    """

    def __init__(self, true: TrueImages | np.ndarray, extractor: Extractor, samples: int = SAMPLES, seed: int = 0):
        self.reference = true if isinstance(true, TrueImages) else TrueImages(true, "true images", seen=False)
        images = self.reference.images
        if len(images) < 2 * samples:
            raise InputError(
                f"samples must be at most half of the {len(images):,} held-out images, since the floor compares two "
                f"sets of them. Received: {samples:,}."
            )
        self.extractor, self.samples, self.seed = extractor, samples, seed
        rows = stream(seed, "evaluation: true samples").permutation(len(images))  # they may be in an order
        self.true, self._other_true = (
            extractor(images[np.sort(part)]) for part in (rows[:samples], rows[samples : 2 * samples])
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

    def measure(self, images: np.ndarray, origin: Origin | None = None) -> Measured:
        """All that is known how to measure, with the floor and a passport.

        Args:
            images: uint8 (samples, S, S, 3), what a sampler draws with the seed of this.
            origin: what is known of the generator.
        """
        distance = _between(self.extractor(images), self.true, self.extractor, all_figures=True)
        return Measured(distance, self._whole_floor, self._passport(distance, origin or Origin()))

    @cached_property
    def _whole_floor(self) -> Distance:
        return _between(self._other_true, self.true, self.extractor, all_figures=True)

    def _passport(self, distance: Distance, origin: Origin) -> Passport:
        reference, space, known = self.reference, self.extractor, runtime.environment()
        return Passport(
            space=space.name,
            weights=space.fingerprint,
            resizer=space.resizer,
            value_range=space.value_range,
            reference=reference.title,
            split=reference.split,
            reference_fingerprint=reference.fingerprint,
            encoding=reference.encoding,
            dedup=reference.dedup,
            seen=reference.seen,
            samples=distance.samples,
            latents_seed=self.seed,
            true_seed=self.seed,
            interval=INTERVAL,
            versions={name: known[name] for name in ("tensorflow", "keras", "numpy")},
            **vars(origin),
        )


def _between(features: np.ndarray, true: np.ndarray, extractor: Extractor, all_figures: bool = False) -> Distance:
    kernel, frechet = kernel_distance(features, true), frechet_distance(features, true)
    others = (frechet_at_infinity(features, true), neighbourhoods(features, true)) if all_figures else ()
    return Distance(kernel, frechet, (len(features), len(true)), extractor.name, extractor.fingerprint, *others)


def quality_for(
    experiment: Experiment,
    data_dir: str | Path | None = None,
    *,
    samples: int = SAMPLES,
    features: str = "auto",
    progress: bool = True,
) -> Quality:
    """What measures the generators of an experiment: held-out images of its dataset, in that dataset's feature space.

    They are of another split where there is one; of own pictures they are those behind the ones that are trained on. So
    experiments on different numbers of images are measured against the same with what is made for the largest number.

    Args:
        experiment: names the images that are trained on, and their size.
        data_dir: where datasets are.
        samples: as for `Quality`.
        features: as for `extractor_for`.
        progress: whether to show progress bars.

    Raises:
        InputError: the dataset has no images set apart from training, or too few.
    """
    data, size = experiment.data, experiment.model.image_size
    true = unseen_images_for(data, size, 2 * samples, data_dir=data_dir, progress=progress)
    options = {"small": data.small, "data_dir": data_dir, "progress": progress}
    extractor = extractor_for(data.name, size, features=features, **options)
    return Quality(true, extractor, samples)
