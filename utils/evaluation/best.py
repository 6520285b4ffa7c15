"""What says which of a training's networks are the best: the distance of their samples to held-out images."""

from collections.abc import Callable
from pathlib import Path

from utils.config import Experiment
from utils.errors import InputError
from utils.evaluation.distances import kernel_distance
from utils.evaluation.features import extractor_for
from utils.evaluation.held_out import unseen
from utils.sampling import Sampler
from utils.streams import stream

SAMPLES, LEAST_SAMPLES = 1_000, 50
"""Fake and held-out images that are compared at a summary where there are so many, and the least that say anything."""


def distance_for(
    experiment: Experiment, data_dir: str | Path | None = None, *, progress: bool = True
) -> Callable[[Sampler], dict]:
    """What `training.train` takes as `distance` for an experiment with `keep` "best".

    Held-out images and the feature space are those of `./dcgan evaluate`; the first time a classifier may have to be
    trained, which is said. The samples have the same latents every time, and others than those of `evaluate`: the best
    of many summaries is a little better by chance than it is, so its figure is for choosing only.

    Args:
        experiment: what will be trained.
        data_dir: where datasets are.
        progress: whether to show progress bars.

    Returns:
        distance(sampler) -> the kernel distance, "value", "low" and "high", with "samples" (how many of each), "space"
        and "fingerprint".

    Raises:
        InputError: there are too few images that it is not trained on.
    """
    data, size = experiment.data, experiment.model.image_size
    there = unseen(data, size, SAMPLES, data_dir=data_dir, progress=progress)
    if there is None or len(there) < LEAST_SAMPLES:
        raise InputError(
            f"The best networks are told by at least {LEAST_SAMPLES} images that are not trained on. Received: "
            f"{data.name}, of which {0 if there is None else len(there)} are left: use a smaller --count, or a folder "
            "with train/ and test/, or leave --keep best out."
        )
    places = {"data_dir": data_dir, "progress": progress}
    extractor = extractor_for(data.name, size, small=data.small, **places)
    true = extractor(there.images[:SAMPLES])

    def distance(sampler: Sampler) -> dict:
        fake = extractor(sampler.draw(len(true), stream(0, "best: latents")))
        about = {"samples": len(true), "space": extractor.name, "fingerprint": extractor.fingerprint}
        return kernel_distance(fake, true).plain() | about

    return distance
