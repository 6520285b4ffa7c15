"""A study from its arms to its kept results, as the command line and the notebooks do it."""

from collections.abc import Callable
from pathlib import Path

from utils.data.catalogue import count_for
from utils.runs import Run, runs_folder
from utils.studies import measure, results
from utils.studies.study import Study, train_arms


def train_study(
    study: Study,
    home: str | Path | None = None,
    out: str | Path | None = None,
    *,
    data_dir: str | Path | None = None,
    samples: int | None = measure.SAMPLES,
    progress: bool = True,
    also: Callable[[Run], dict] | None = None,
) -> tuple[dict[tuple[str, int], Run], Path]:
    """Train the arms of a study, those of them that are not trained yet, and keep what is measured.

    Args:
        study: what to train.
        home: folder of the runs of studies, each in a folder of its name; by default `studies/` where runs go.
        out: folder of the results; by default `results/` in `home`.
        data_dir: where datasets are.
        samples: fake and true images to measure distances on; None measures none.
        progress: whether to show progress bars.
        also: what else is measured of each run, as plain values.

    Returns:
        The run of each (arm, seed), and the file of the results, which `results.load` reads.
    """
    home = Path(home or runs_folder() / "studies")
    for arm in study.arms:  # what is missing is said before hours of training
        count_for(arm.experiment, data_dir)
    measured = measure.measure_for(study, data_dir, samples, progress) if samples else None
    runs = train_arms(study, home / study.name, data_dir=data_dir, progress=progress)
    out = Path(out or home / "results")
    speeds = measure.speeds(study) if study.base and not results.has_speeds(study, out) else None

    def measure_all(run: Run) -> dict:
        return (measured(run) if measured else {}) | (also(run) if also else {})

    return runs, results.keep(study, runs, out, measure_all, speeds, progress)
