"""What a training will cost on this machine, found by trying a few updates on random images."""

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import keras
import numpy as np
from tqdm.auto import tqdm

from utils import runtime
from utils.config import Experiment
from utils.data.catalogue import count_for
from utils.parameters import discriminator_parameters, generator_parameters
from utils.training.batches import Batch, Schedule
from utils.training.checkpoint import KEPT
from utils.training.players import build_players
from utils.training.recipes import images_per_update, recipe_of
from utils.training.step import Update

TRIAL_SECONDS = 10.0
TRIAL_UPDATES = 5
SIDE_BY_SIDE_ROUNDS, SIDE_BY_SIDE_UPDATES = 5, 4
"""Turns that experiments take when they are timed side by side, and the least updates of each."""


def estimate(experiment: Experiment, data_dir: str | Path | None = None, force_precision: bool = False) -> dict:
    """Build the networks and time a few updates; neither data nor a run folder is made.

    Args:
        experiment: what would be trained.
        data_dir: where datasets are.
        force_precision: whether to try a precision that this machine has to emulate.

    Returns:
        Plain values: "images" and "images_certain" (see `count_for`), "updates_per_epoch", "updates",
        "generator_parameters", "discriminator_parameters", "memory_bytes" (the most that this process held),
        "state_bytes" (weights, gradients and optimisers), "checkpoint_bytes", "device", "trial_updates",
        "images_per_second", "seconds" (of updates; what is written down after each epoch comes on top).

    Raises:
        InputError: the data is not there, or too few for one update.
    """
    training, size = experiment.training, experiment.model.image_size
    images, certain = count_for(experiment, data_dir)
    schedule = Schedule.of(experiment, images)
    runtime.check_precision(training.precision, force_precision)
    device = runtime.start(training.precision)
    players = build_players(experiment)
    step = Update(players, experiment)
    shape = (schedule.batches_per_update, training.batch_size, size, size, 3)
    pictures = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    step(Batch.of(experiment, 1, pictures)).read()  # compiles
    times: list[float] = []
    while len(times) < TRIAL_UPDATES and sum(times) < TRIAL_SECONDS:
        began = time.perf_counter()
        step(Batch.of(experiment, 2 + len(times), pictures)).read()
        times.append(time.perf_counter() - began)

    update_seconds = float(np.median(times))
    updates = schedule.updates_per_epoch * training.epochs

    def bytes_of(variables: Iterable[keras.Variable]) -> int:
        return sum(np.asarray(v).nbytes for v in variables)

    gradients = bytes_of(players.generator.trainable_variables) + bytes_of(players.discriminator.trainable_variables)
    variables = bytes_of(players.variables().values())
    return {
        "images": images,
        "images_certain": certain,
        "updates_per_epoch": schedule.updates_per_epoch,
        "updates": updates,
        "generator_parameters": generator_parameters(experiment.model),
        "discriminator_parameters": discriminator_parameters(experiment.model),
        "memory_bytes": runtime.peak_memory(),
        "state_bytes": variables + gradients,
        "checkpoint_bytes": KEPT * variables,
        "device": str(device),
        "trial_updates": len(times),
        "images_per_second": training.batch_size * schedule.batches_per_update / update_seconds,
        "seconds": updates * update_seconds,
    }


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
    training, size = experiment.training, experiment.model.image_size
    each = -(-updates // training.penalty_every) * training.penalty_every
    step = Update(build_players(experiment), experiment)
    groups = images_per_update(recipe_of(experiment))
    pictures = np.random.default_rng(0).integers(0, 256, (groups, training.batch_size, size, size, 3), np.uint8)

    def turn(number: int) -> float:
        batches = [Batch.of(experiment, (number - 1) * each + k, pictures) for k in range(1, each + 1)]
        began = time.perf_counter()
        for batch in batches:
            record = step(batch)
        record.read()  # waits for the device
        return (time.perf_counter() - began) / each

    return turn
