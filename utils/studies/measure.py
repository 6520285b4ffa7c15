"""What is measured on the runs of a study: distances to held-out images, and to the images trained on."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from utils import config
from utils.config import Experiment
from utils.data import load_for, scale
from utils.evaluation.distances import SAMPLES, nearest_neighbours
from utils.evaluation.fixed_pattern import fixed_pattern
from utils.evaluation.quality import Quality, quality_for
from utils.intervals import Interval
from utils.models import load_network
from utils.runs import Run, dataset_slug
from utils.sampling import Sampler
from utils.studies.results import rounded
from utils.studies.study import Study

NEIGHBOURS = 500
"""Fake and held-out images whose nearest training image is looked for, and whose details are compared."""
JUDGED = 256
"""Images trained on, and held out, that the discriminator judges."""


def measure_for(
    study: Study, data_dir: str | Path | None = None, samples: int = SAMPLES, progress: bool = True
) -> Callable[[Run], dict]:
    """What measures each run of a study, always against the same held-out images and in the same feature space.

    Args:
        study: its arms are of one dataset.
        data_dir: where datasets are.
        samples: fake and true images that distances are measured on.
        progress: whether to show progress bars.

    Returns:
        measure(run) -> "space", the feature space; "floor", the kernel distance between two sets of held-out images;
        "snapshots", for every kept network, or the last one, "update", "epoch" (how often the images were gone
        through), "kernel", and "judged", the discriminator's mean score of images "trained_on" and "held_out";
        "nearest", the mean distance in the feature space to the nearest training image, of "fake" and of "held_out"
        images; and "fixed_pattern", of both, what their fine details have in common (see there). Kernel distances and
        what is in common are [value, low, high], the ends of the 95% interval.
    """
    from utils.training.batches import Schedule

    quality = quality_for(study.on_most_images(), data_dir, samples=samples, progress=progress)
    held_out = quality.reference.images[:NEIGHBOURS]

    def measure(run: Run) -> dict:
        kept = run.kept("generator") or {int(run.steps(1)["update"][-1]): run.model("generator")}
        trained_on = load_for(run.experiment, data_dir, progress=False).images
        per_epoch = Schedule.of(run.experiment, run.environment["images"]).updates_per_epoch
        snapshots = []
        for update, file in kept.items():
            distance = quality.of(Sampler.of(load_network(file), run.experiment)).kernel
            epoch = update // per_epoch if run.unit == "epoch" else rounded(update / per_epoch)
            judged = _judged(file.with_name("discriminator.keras"), trained_on, held_out)
            snapshots.append({"epoch": epoch, "update": update, "kernel": _plain(distance), "judged": judged})
        fake = Sampler.of(load_network(run.model("generator")), run.experiment).draw(NEIGHBOURS, quality.seed)
        return {
            "space": quality.extractor.name,
            "floor": _plain(quality.floor().kernel),
            "snapshots": snapshots,
            "nearest": _nearest(fake, quality, trained_on),
            "fixed_pattern": {"fake": _plain(fixed_pattern(fake)), "held_out": _plain(fixed_pattern(held_out))},
        }

    return measure


def evaluated_for(
    study: Study, data_dir: str | Path | None = None, samples: int = SAMPLES, progress: bool = True
) -> Callable[[Run], dict]:
    """What measures each run of a study as `./dcgan evaluate` does.

    Args:
        study, data_dir, samples, progress: as for `measure_for`.

    Returns:
        measure(run) -> "settings" of the run, and "distance" of its last networks to images that no arm was trained on,
        in every space that there is, with what it depends on.
    """
    from utils.evaluation.evaluation import evaluate
    from utils.networks import TrainedNetwork

    most = study.on_most_images().data

    def measure(run: Run) -> dict:
        trained = TrainedNetwork(run.name, run.model("generator"), run.folder, run, run.experiment)
        record = evaluate(trained, most, samples=samples, only_unseen=True, data_dir=data_dir, progress=progress)
        unnamed = config.replace(run.experiment, name=dataset_slug(most.name))  # own pictures have a place here
        return {
            "settings": config.to_dict(unnamed),
            "distance": record["distance"] | {"other_spaces": record["other_spaces"]},
        }

    return measure


def device_of(study: Study) -> str:
    """What the speeds of a study that has a base would be measured on here, in words."""
    from utils import runtime

    return str(runtime.start(study.base.experiment.training.precision))


def speeds(study: Study) -> dict:
    """Speeds of the arms, measured side by side.

    Returns:
        "seconds_per_update" of the base, on "device"; "relative", for each arm how many updates it does in the time of
        one of the base's.
    """
    from utils.training.estimate import seconds_per_update

    device = device_of(study)
    updates = {arm.name: _cost_of(arm.experiment, study.base.experiment) for arm in (study.base, *study.arms)}
    distinct = {experiment: name for name, experiment in updates.items()}
    seconds = seconds_per_update({name: experiment for experiment, name in distinct.items()})
    of = {name: seconds[distinct[experiment]] for name, experiment in updates.items()}
    base = of[study.base.name]
    return {
        "device": device,
        "seconds_per_update": float(f"{base:.4g}"),
        "relative": {name: float(f"{base / value:.4g}") for name, value in of.items()},
    }


def _cost_of(experiment: Experiment, base: Experiment) -> Experiment:
    """The experiment without what decides nothing about the time of an update: how many images there are, how often
    they are seen, and numbers that are multiplied by. Arms that are the same then have the same speed, which timing
    them apart would not give."""
    kept = {"name": base.data.name, "count": None, "epochs": 1, "summary_epochs": 1, "seed": 0, "latents": "uniform"}
    numbers = {"learning_rate": 2e-4, "discriminator_learning_rate": None, "beta_1": 0.5}
    averaged = {"ema_decay": 0.99} if experiment.training.ema_decay else {}
    return config.replace(experiment, **kept, **numbers, **averaged)


def _judged(discriminator: Path, trained_on: np.ndarray, held_out: np.ndarray) -> dict[str, float]:
    """Mean scores of images that were trained on, and of as many others; batch normalisation goes by these, as it does
    in training. A discriminator that knows its images by heart takes others for fake."""
    network, count = load_network(discriminator), min(JUDGED, len(trained_on), len(held_out))
    images = {"trained_on": np.asarray(trained_on[:count]), "held_out": held_out[:count]}
    return {name: rounded(np.mean(network(scale(of), training=True))) for name, of in images.items()}


def _nearest(fake: np.ndarray, quality: Quality, trained_on: np.ndarray) -> dict[str, float]:
    features = quality.extractor(np.asarray(trained_on))
    queries = {"fake": quality.extractor(fake), "held_out": quality.true[:NEIGHBOURS]}
    return {name: rounded(nearest_neighbours(of, features).distances.mean()) for name, of in queries.items()}


def _plain(interval: Interval) -> list[float]:
    return [rounded(value) for value in interval.plain().values()]
