"""What a training will cost on this machine, found by trying a few updates on random images."""

import functools
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import keras
import numpy as np
from tqdm.auto import tqdm

from utils import runtime
from utils.choice import Trial
from utils.config import Experiment
from utils.data.captions import grammar_for
from utils.data.catalogue import count_for, find_source, reading
from utils.data.conditions import with_names
from utils.lengths import Length, seconds_of, share_beside
from utils.parameters import network_parameters
from utils.training.batches import Batch, Schedule
from utils.training.checkpoint import KEPT
from utils.training.players import build_players
from utils.training.recipes import due_at, images_per_update, period, recipe_of, what_is_due
from utils.training.step import Update
from utils.training.traffic import traffic

TRIAL_UPDATES, TRIAL_SECONDS, MOST_SECONDS = 5, 2.0, 10.0
"""Updates of a kind are timed until there are so many and they took so long, or until they took the last of these."""
SIDE_BY_SIDE_ROUNDS, SIDE_BY_SIDE_UPDATES = 5, 4
"""Turns that experiments take when they are timed side by side, and the least updates of each."""


def try_updates(experiment: Experiment, force_precision: bool = False, data_dir: str | Path | None = None) -> Trial:
    """Build the networks of an experiment and time a few updates; a training that follows does not notice.

    What has its turn every few updates (lazy penalties) is timed by itself and counts as often as it has its turn.

    Args:
        experiment: what would be trained.
        force_precision: whether to try a precision that this machine has to emulate.
        data_dir: where datasets are; what a conditional experiment can be asked for is read there.

    Raises:
        InputError: the device has too little memory, or as `check_precision`.
    """
    experiment = with_names(experiment, data_dir=data_dir)
    runtime.check_precision(experiment.training.precision, force_precision)
    load = _load()
    device = runtime.start(experiment.training.precision)
    try:
        with runtime.memory_in_words(experiment):
            timed = _timed(experiment)
    finally:
        keras.utils.clear_session()  # layers of the training get the names that they would have had without a trial
        runtime.start(experiment.training.precision)
    return Trial(
        **timed,
        device=str(device),
        load=load if device.kind == "CPU" else None,
        processors=os.cpu_count() or 1,
        memory_bytes=runtime.peak_memory(),
    )


def _timed(experiment: Experiment) -> dict:
    training, size, recipe = experiment.training, experiment.model.image_size, recipe_of(experiment)
    players = build_players(experiment)
    update = Update(players, experiment)
    shape = (images_per_update(recipe), training.batch_size, size, size, 3)
    pictures = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    conditions = _conditions(experiment, shape[:2])

    def seconds(number: int) -> float:
        began = time.perf_counter()
        update(Batch.of(experiment, number, pictures, conditions)).read()
        return time.perf_counter() - began

    turns: dict[tuple, list[int]] = {}  # updates that have the same to do
    for number in range(1, period(recipe) + 1):
        turns.setdefault(what_is_due(due_at(recipe, number)), []).append(number)
    medians, count = {}, 0
    for which, numbers in turns.items():
        seconds(numbers[0])  # compiles
        times: list[float] = []
        while sum(times) < MOST_SECONDS and (len(times) < TRIAL_UPDATES or sum(times) < TRIAL_SECONDS):
            times.append(seconds(numbers[0]))
        medians[which], count = float(np.median(times)), count + len(times)

    def bytes_of(variables: Iterable[keras.Variable]) -> int:
        return sum(np.asarray(v).nbytes for v in variables)

    gradients = sum(bytes_of(player.network.trainable_variables) for player in players.by_name.values())
    variables = bytes_of(players.variables().values())
    return {
        "update_seconds": sum(len(numbers) * medians[which] for which, numbers in turns.items()) / period(recipe),
        "updates": count,
        "state_bytes": variables + gradients,
        "checkpoint_bytes": (KEPT + (experiment.training.on_collapse == "rollback")) * variables,  # and a healthy one
    }


def estimate(
    experiment: Experiment,
    data_dir: str | Path | None = None,
    force_precision: bool = False,
    trial: Trial | None = None,
) -> dict:
    """What a training would cost; neither data nor a run folder is made.

    Args:
        experiment: what would be trained.
        data_dir: where datasets are.
        force_precision: whether to try a precision that this machine has to emulate.
        trial: of this experiment, if there was one already.

    Returns:
        Plain values: "images" and "images_certain" (see `count_for`), "updates_per_epoch", "updates",
        "parameters" (of each network by its name; "text_encoder" is trained before), "memory_bytes" (the most that this
        process held), "state_bytes" (weights, gradients and optimisers), "checkpoint_bytes", "shared_bytes" (what
        several devices add up in an update, see `traffic`), "device", "load" and "processors" (see `Trial`),
        "trial_updates", "images_per_second", "seconds" (with summaries, without preparing the images).

    Raises:
        InputError: the data is not there, or too few for one update.
    """
    experiment = with_names(experiment, data_dir=data_dir)
    images, certain = count_for(experiment, data_dir)
    schedule = Schedule.of(experiment, images)
    length = Length.of(experiment, schedule.updates_per_epoch)
    beside = share_beside(length.every * length.each, experiment.training.watch_updates)
    trial, shared = trial or try_updates(experiment, force_precision, data_dir), traffic(experiment)
    return {
        "images": images,
        "images_certain": certain,
        "updates_per_epoch": schedule.updates_per_epoch,
        "updates": length.updates,
        "parameters": _parameters(experiment, data_dir),
        "memory_bytes": trial.memory_bytes,
        "state_bytes": trial.state_bytes,
        "checkpoint_bytes": trial.checkpoint_bytes,
        "shared_bytes": {"gradients": shared.gradients, "statistics": shared.statistics},
        "device": trial.device,
        "load": trial.load,
        "processors": trial.processors,
        "trial_updates": trial.updates,
        "images_per_second": schedule.batch_size * schedule.batches_per_update / trial.update_seconds,
        "seconds": seconds_of(length.updates, trial.update_seconds, beside),
    }


def _parameters(experiment: Experiment, data_dir: str | Path | None) -> dict[str, int]:
    """Of each network, by its name; that of texts among them, where there are any."""
    counts, data = network_parameters(experiment), experiment.data
    if experiment.model.conditions == "text":
        from utils.text_encoder import build_text_network

        there = find_source(data.name, count=data.count, data_dir=data_dir, **reading(data)).describe()
        words = len(grammar_for(there.attribute_names).vocabulary)
        counts["text_encoder"] = build_text_network(words).count_params()
    return counts


def seconds_per_update(
    experiments: Mapping[str, Experiment], rounds: int = SIDE_BY_SIDE_ROUNDS, updates: int = SIDE_BY_SIDE_UPDATES
) -> dict[str, float]:
    """Time the updates of several experiments side by side, so that what else the machine does hits all alike.

    They take turns on random images; a turn has at least `updates` updates, and all combinations of terms that have
    their turn every few updates only.

    Args:
        experiments: what to time, by name; all of one precision.
        rounds: turns of each.
        updates: at least so many in a turn.

    Returns:
        For each the median over its turns, in seconds.
    """
    turns, times = {}, {name: [] for name in experiments}
    for name, experiment in tqdm(experiments.items(), "Compiling the updates to time", unit="arm", leave=False):
        turns[name] = _turn(experiment, updates)
        turns[name](1)
    for number in tqdm(range(1, rounds + 1), "Timing them side by side", unit="round", leave=False):
        for name, turn in turns.items():
            times[name].append(turn(1 + number))
    return {name: float(np.median(found)) for name, found in times.items()}


def _turn(experiment: Experiment, updates: int) -> Callable[[int], float]:
    """A function that does one turn of updates and gives the seconds of each."""
    training, size, recipe = experiment.training, experiment.model.image_size, recipe_of(experiment)
    each = -(-updates // period(recipe)) * period(recipe)
    step = Update(build_players(experiment), experiment)
    groups = images_per_update(recipe)
    pictures = np.random.default_rng(0).integers(0, 256, (groups, training.batch_size, size, size, 3), np.uint8)
    conditions = _conditions(experiment, pictures.shape[:2])

    def turn(number: int) -> float:
        numbers = range((number - 1) * each + 1, number * each + 1)
        batches = [Batch.of(experiment, update, pictures, conditions) for update in numbers]
        began = time.perf_counter()
        for batch in batches:
            record = step(batch)
        record.read()  # waits for the device
        return (time.perf_counter() - began) / each

    return turn


def _conditions(experiment: Experiment, shape: tuple[int, ...]) -> np.ndarray | None:
    """Conditions for random images, none of which has anything; None where the experiment takes none."""
    model = experiment.model
    return np.zeros((*shape, model.condition_size), np.float32) if model.is_conditional else None


@functools.cache
def _load() -> float | None:
    try:
        return os.getloadavg()[0]
    except OSError:
        return None
