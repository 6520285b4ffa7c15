"""A study from its arms to its kept results, as the command line and the notebooks do it."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from utils import config
from utils.data.catalogue import count_for, is_own
from utils.errors import InputError
from utils.evaluation.distances import LEAST_SAMPLES, SAMPLES
from utils.runs import Run
from utils.studies import measure, results
from utils.studies.study import Study, samples_for, train_arms


def train_study(
    study: Study,
    home: str | Path | None = None,
    out: str | Path | None = None,
    *,
    data_dir: str | Path | None = None,
    samples: int | None = SAMPLES,
    progress: bool = True,
    also: Callable[[Run], dict] | None = None,
    pictures: Mapping[str, np.ndarray] | None = None,
) -> tuple[dict[tuple[str, int], Run], Path]:
    """Train the arms of a study, those of them that are not trained yet, and keep what is measured.

    Args:
        study: what to train.
        home, out: as for `results.folders`; the runs of each study are in a folder of its name.
        data_dir: where datasets are.
        samples: fake and true images to measure distances on; None measures none. At scale "smallest" as few as can be.
        progress: whether to show progress bars.
        also: what else is measured of each run, as plain values.
        pictures: what is kept beside those of samples, as for `results.write`; `also` may add to it.

    Returns:
        The run of each (arm, seed), and the file of the results, which `results.load` reads.

    Raises:
        InputError: there are too few images, or the results that are kept under the study's name are of others.
        Interrupted: a signal asked to stop; the same call goes on from there.
    """
    home, out = results.folders(home, out)
    if samples and study.scale == "smallest":
        samples = min(samples, LEAST_SAMPLES)
    for arm in study.arms:  # what is missing is said before hours of training
        count_for(arm.experiment, data_dir)
    everything = config.replace(study.arms[0].experiment, count=None)

    def own_pictures() -> int:
        return count_for(everything, data_dir)[0] if is_own(everything.data.name) else 0

    before = own_pictures()
    size = everything.model.image_size
    images = results.images_expected(study, everything.data, size, out, data_dir, progress)  # they are read now
    try:
        measured = measure.measure_for(study, data_dir, samples, progress) if samples else None
    except InputError as error:
        if (there := own_pictures()) == before:
            raise
        raise InputError(
            f"{error} Of its {before:,} pictures {there:,} can be used, as is known now that they have been read: "
            "start again, so that arms are made for so many."
        ) from error
    runs = train_arms(study, home / study.name, data_dir=data_dir, progress=progress)
    timed = study.base is None or results.has_speeds(study, measure.device_of(study), out)
    speeds = None if timed else measure.speeds(study)

    def measure_all(run: Run) -> dict:
        return (measured(run) if measured else {}) | (also(run) if also else {})

    return runs, results.keep(study, runs, out, measure_all, speeds, progress, images, pictures)


def train_and_evaluate(
    study: Study,
    home: str | Path | None = None,
    out: str | Path | None = None,
    *,
    data_dir: str | Path | None = None,
    progress: bool = True,
    also: Callable[[Run], dict] | None = None,
) -> tuple[dict[tuple[str, int], Run], Path]:
    """`train_study`, and the last networks' distances in every space that there is, with what these depend on: each run
    is measured as `./dcgan evaluate` does, too (see `measure.evaluated_for`).

    Args:
        study, home, out, data_dir, progress, also: as for `train_study`.

    Returns:
        The run of each (arm, seed), and the file of the results.
    """
    experiment = study.arms[0].experiment
    samples = samples_for(experiment.data.name, study.scale, experiment.model.image_size, data_dir)
    evaluated = measure.evaluated_for(study, data_dir, samples, progress)

    def measured(run: Run) -> dict:
        return evaluated(run) | (also(run) if also else {})

    return train_study(study, home, out, data_dir=data_dir, samples=samples, progress=progress, also=measured)
