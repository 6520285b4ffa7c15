"""Training the arms of a study."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm.auto import tqdm

from utils import config, presets
from utils.config import DataConfig, Experiment
from utils.errors import InputError
from utils.presets import SCALES
from utils.runs import Run, dataset_slug

if TYPE_CHECKING:
    from utils.data import Dataset

WATCHED = 120
"""Measurements of the watch that are kept of a long run, at most."""
_AT_SCALE = {
    "report": {},
    "quick": {"watch_updates": 5},
    "smallest": {"width": 0.0625, "watch_updates": 1, "summary_samples": 16},
}


def at_scale(sizes: dict[str, tuple], scale: str) -> tuple:
    """A study's own sizes at a scale.

    Raises:
        InputError: no such scale.
    """
    if scale not in SCALES:
        raise InputError(f"scale must be one of {', '.join(SCALES)}. Received: {scale!r}.")
    return sizes[scale]


def base_for(start: str | Experiment, data: str, scale: str, **changes) -> Experiment:
    """What arms of a study start from: a preset, or an experiment, on a dataset, with what a scale changes in all."""
    start = presets.preset(start) if isinstance(start, str) else start
    return config.replace(start, name=str(data), **{**changes, **_AT_SCALE[scale]})


def study_name(study: str, data: str, scale: str) -> str:
    """What the results of a study on a dataset are kept under: "losses-faces", "losses-faces-quick"."""
    return "-".join([study, dataset_slug(data), *([] if scale == "report" else [scale])])


def images_for(
    data: str, scale: str, drawn: int, big: int, size: int = 32, data_dir: str | Path | None = None
) -> int | None:
    """How many images a long training of a dataset is on, so that enough are left to measure against.

    Args:
        data: name of a dataset, or the path of own pictures.
        scale: one of `presets.SCALES`.
        drawn, big: how many of a built-in dataset, and of one that is big, at most.
        size: side of the images in pixels.
        data_dir: where datasets are, and what is known of own pictures that were read.

    Returns:
        The number; None is the whole first split of a dataset that has another to measure against.

    Raises:
        InputError: of own pictures there are too few.
    """
    from utils.data.catalogue import find_entry
    from utils.evaluation.distances import SAMPLES

    entry = find_entry(data)
    if entry is None:
        there, apart = _own_pictures(data, size, data_dir), 2 * samples_for(data, scale, size, data_dir)
        if there - apart < 16:
            raise InputError(f"A long training takes {apart + 16} pictures, {apart} of them to measure against. "
                             f"Received: {data}, which has {there}.")  # fmt: skip
        return there - apart
    if entry.built_in:
        return drawn
    others = [images for images in list(entry.splits.values())[1:] if images >= 2 * SAMPLES]
    return min(big, entry.images - 2 * SAMPLES) if entry.big else None if others else entry.images - 2 * SAMPLES


def watch_every(updates: int) -> int:
    """Updates between measurements of the watch, so that at most `WATCHED` are kept of a run."""
    return max(25, -(-updates // WATCHED))


def samples_for(data: str, scale: str, size: int = 32, data_dir: str | Path | None = None) -> int:
    """Samples, and as many true images, that distances are measured on after a long training: of own pictures an
    eighth, at most as many as of datasets; arguments as for `images_for`."""
    from utils.data.catalogue import find_entry
    from utils.evaluation.distances import LEAST_SAMPLES, SAMPLES

    if scale == "smallest":
        return LEAST_SAMPLES
    if find_entry(data):
        return SAMPLES
    return max(LEAST_SAMPLES, min(SAMPLES, _own_pictures(data, size, data_dir) // 8))


def _own_pictures(data: str, size: int, data_dir: str | Path | None) -> int:
    """How many own pictures there are; without those that cannot be used once they have been read at that size, which
    is not done here: a folder may be large, and whoever lists the arms waits for this."""
    from utils.data.catalogue import count_of

    return count_of(DataConfig(str(data)), size, data_dir)[0]


@dataclass(frozen=True)
class Arm:
    """One way to train.

    Attributes:
        name: short, unique in its study ("moving").
        about: what it is, for a table ("the generator's update on moving averages, as freezing does").
        experiment: what to train; its seed is replaced by each of the study's.
    """

    name: str
    about: str
    experiment: Experiment


@dataclass(frozen=True)
class Study:
    """Arms to compare, all trained with the same seeds.

    Attributes:
        name: of the study and its data ("batch_normalisation-faces"); its results are kept under it.
        question: what it asks, in one sentence.
        arms: the ways to train.
        seeds: of initial weights, order of the images, latents and dropout.
        base: the arm that the speeds of all others are measured against, side by side, where arms are compared at equal
            time, too.
        scale: one of `presets.SCALES`, which it was made at; its name does not tell it, since that of own pictures may
            end in one.
        whole: of a study with some of its arms, the one with all of them, which says what arms are measured against.
    """

    name: str
    question: str
    arms: tuple[Arm, ...]
    seeds: tuple[int, ...] = (0, 1, 2)
    base: Arm | None = None
    scale: str = "report"
    whole: "Study | None" = None

    def only(self, arms: Sequence[str] = (), seeds: Sequence[int] = ()) -> "Study":
        """The study with some of its arms and other seeds, each once."""
        known = [arm.name for arm in self.arms]
        if odd := sorted(set(arms) - set(known)):
            raise InputError(f"{self.name} has no arm {odd[0]!r}; choose from {', '.join(known)}.")
        chosen = tuple(arm for arm in self.arms if not arms or arm.name in arms)
        seeds = tuple(dict.fromkeys(seeds)) or self.seeds
        return dataclasses.replace(self, arms=chosen, seeds=seeds, whole=self.whole or self)

    def on_most_images(self) -> Experiment:
        """Of all arms' experiments one on the most images: what that has not seen no other has."""
        arms = (self.whole or self).arms
        return max((arm.experiment for arm in arms), key=lambda experiment: experiment.data.count or math.inf)

    def changed(self, **settings) -> "Study":
        """The study with settings changed in every arm, as `config.replace` takes them."""

        def with_settings(arm: Arm) -> Arm:
            return dataclasses.replace(arm, experiment=config.replace(arm.experiment, **settings))

        arms = tuple(with_settings(arm) for arm in self.arms)
        whole = self.whole and self.whole.changed(**settings)
        return dataclasses.replace(self, arms=arms, base=self.base and with_settings(self.base), whole=whole)


def train_arms(
    study: Study,
    runs_dir: str | Path,
    *,
    data_dir: str | Path | None = None,
    progress: bool = True,
) -> dict[tuple[str, int], Run]:
    """Train every arm with every seed; what was trained before is taken, what was begun is finished.

    Seeds come one after the other, so that a study that is stopped has whole seeds.

    Args:
        study: what to train.
        runs_dir: where the runs go; give each study a folder of its own.
        data_dir: where datasets are.
        progress: whether to show a progress bar over the runs.

    Returns:
        The run of each (arm, seed).

    Raises:
        Interrupted: a signal asked to stop; the same call goes on from there.
    """
    from utils.data import load_for

    begun = runs_begun(runs_dir)
    wanted = [(arm, seed) for seed in study.seeds for arm in study.arms]
    runs, datasets = {}, {}
    bar = tqdm(wanted, desc=study.name, unit="run", disable=not progress)
    for arm, seed in bar:
        bar.set_postfix_str(f"{arm.name}, seed {seed}")
        experiment = config.replace(arm.experiment, seed=seed)
        source = (experiment.data, experiment.model.image_size)
        if source not in datasets:
            datasets[source] = load_for(experiment, data_dir, progress)
        dataset = datasets[source]
        run = begun.get(run_key(experiment, dataset.fingerprint))
        runs[arm.name, seed] = finish(experiment, dataset, run, runs_dir)
    return runs


def run_key(experiment: Experiment, fingerprint: str | None) -> Experiment:
    """What decides a run's result: its settings, and which images they are, wherever they lie."""
    return config.replace(experiment, name=str(fingerprint))


def runs_begun(runs_dir: str | Path) -> dict[Experiment, Run]:
    """The runs in a folder, each by its `run_key`."""
    return {run_key(run.experiment, run.environment.get("fingerprint")): run for run in Run.all(runs_dir)}


def finish(experiment: Experiment, dataset: "Dataset", run: Run | None, runs_dir: str | Path) -> Run:
    """Train an experiment on images, or what is left of a run of it.

    Args:
        experiment: what to train.
        dataset: its images.
        run: what was begun of it, or finished; None if nothing was.
        runs_dir: where a new run goes.

    Raises:
        InputError: as `training.train`.
        Interrupted: a signal asked to stop.
    """
    from utils.data.catalogue import place_of
    from utils.training import resume, train

    options = {"dataset": dataset, "progress": False}
    experiment = config.replace(experiment, name=place_of(experiment.data.name))
    if run is None:
        return train(experiment, runs_dir=runs_dir, **options)
    if run.experiment != experiment:
        run.save_experiment(experiment)  # the pictures were moved
    if not run.is_finished:
        resume(run, **options)
    return run
