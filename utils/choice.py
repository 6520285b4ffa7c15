"""What to train where nobody has said it: size of the images, networks, augmentation and length, by the pictures and
the machine."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from utils import presets
from utils.config import DataConfig, Experiment, replace
from utils.data.catalogue import count_of, shorter_sides
from utils.errors import InputError
from utils.fitting import TOO_SMALL, few_images, largest_size, least_of_wider, wider_in_words
from utils.lengths import (
    FEW_UPDATES,
    MANY_UPDATES,
    MOST_TIMES,
    seconds_of,
    share_beside,
    updates_before_worse,
    updates_in,
)
from utils.tables import roughly

SIZES = {128: MANY_UPDATES, 64: FEW_UPDATES, 32: 0}
"""Sizes to choose from, and how many updates each is to get: with fewer, the next smaller one shows more. An update
takes about four times as long at twice the size."""
TRIED = 64
"""The largest size that is tried in order to choose one, and the largest that is chosen without knowing the time."""
MOST_TOO_SMALL = 0.5
"""The least of the sizes is chosen where up to this share of the pictures are smaller, the others up to `TOO_SMALL`."""
FEW_TO_LEARN_FROM = 1_000
"""Below so many images, samples may be copies of them."""
TO_SEARCH = 400
"""Held-out images that a search for copies takes (`explain.memory.LEAST_HELD_OUT`, which brings networks)."""

BUSY = 0.25
"""A machine whose processors had more than this to do already, each, is said to be busy."""


@dataclass(frozen=True)
class Trial:
    """A few updates of an experiment, timed.

    Attributes:
        update_seconds: what one takes; where some have more to do than others, the mean over their turns.
        updates: how many were timed.
        device: what they ran on.
        load: processes that wanted to run in the minute before, as the system counts them; None where it does not.
        processors: that these shared.
        state_bytes: weights, gradients and optimisers.
        checkpoint_bytes: on disk.
        memory_bytes: the most that this process held.
    """

    update_seconds: float
    updates: int
    device: str
    load: float | None
    processors: int
    state_bytes: int
    checkpoint_bytes: int
    memory_bytes: int


def busy_in_words(load: float | None, processors: int) -> str:
    """That a machine had other work while it was measured, as the end of a sentence; "" where it had none."""
    if load is None or load <= BUSY * processors:
        return ""
    return f"; the machine is busy (load {load:.1f} on {processors} processors), and faster when it is not"


Measure = Callable[[Experiment], Trial]


@dataclass(frozen=True)
class Choice:
    """An experiment, and why it is that one.

    Attributes:
        experiment: what to train; how many updates is among its settings, so that it is the same on every machine.
        why: in words, for "Size", "Networks", "Augment" and "Length", as far as these were chosen, and "Expect".
        minutes: that the number of updates was chosen for; None where it was not.
        trial: what was measured for it, or None.
    """

    experiment: Experiment
    why: dict[str, str]
    minutes: float | None = None
    trial: Trial | None = None

    def lines(self) -> list[str]:
        """What was chosen and why, to be printed."""
        return [f"{name:<10}{reason}" for name, reason in self.why.items()]

    def plain(self) -> dict:
        """All but the experiment as plain values."""
        return {"minutes": self.minutes, "trial": self.trial and asdict(self.trial), "why": self.why}


def choose(
    data: DataConfig,
    recommend: Callable[[int, int, int | None], Experiment],
    measure: Measure,
    minutes: float | None = None,
    size: int | None = None,
    data_dir: str | Path | None = None,
    augment_asked: bool = False,
    usable: int | None = None,
) -> Choice:
    """Choose what to train on these images; nothing is read but the beginnings of some files.

    Args:
        data: the images.
        recommend: gives the experiment for a size, a number of images and the number of updates that the time allows
            (None: not known), such as `fitting.recommended`, with all that was asked for in it.
        measure: times an experiment on this machine, as `training.estimate.try_updates` does.
        minutes: how long it is to take on this machine, which is then measured; None where its length was asked for.
        size: side of the images, if it was asked for.
        data_dir: where datasets are.
        augment_asked: whether it was asked for how images are augmented, or that they are not.
        usable: how many of the images can be used, where that is known; counted by default (`catalogue.count_of`).

    Raises:
        InputError: the data is not there, or too small for any network.
    """
    _check(minutes)
    trials: dict[Experiment, Trial] = {}

    def count(size: int) -> tuple[int, bool]:
        return count_of(data, size, data_dir) if usable is None else (usable, True)

    def at(size: int) -> Experiment:
        images, certain = count(size)
        experiment = recommend(size, images, None)
        check_enough(experiment, images, certain)
        return experiment

    def seconds(size: int) -> float:
        experiment = at(size)
        trials[experiment] = trials.get(experiment) or measure(experiment)
        return trials[experiment].update_seconds

    why = {}
    if size is None:
        sides = shorter_sides(data, data_dir)
        size, reason = choose_size(
            sides if data.small == "leave_out" else np.maximum(sides, min(SIZES)), minutes, seconds
        )
        why["Size"] = f"{size}x{size} pixels: {reason}"
    else:
        why["Size"] = f"{size}x{size} pixels, as asked for"
    experiment, (images, certain) = at(size), count(size)
    training, counted = experiment.training, f"{'' if certain else 'up to '}{images:,} images"
    why["Networks"] = _networks(experiment)
    few = few_images(size)
    if augment_asked:
        reason = ", as asked for"
    elif images < few:
        reason = f": {counted} are few (below {few:,})"
    else:
        reason = f": {counted} are enough ({few:,} or more)"
    why["Augment"] = f"{', '.join(training.augment) or 'nothing'}{reason}"
    if minutes is None:
        return Choice(experiment, why)
    timed = choose_length(
        experiment,
        minutes,
        lambda experiment: trials.get(experiment) or measure(experiment),
        lambda updates: recommend(size, images, updates),
        images,
    )
    why |= timed.why
    if images < FEW_TO_LEARN_FROM:
        why["Expect"] += "; of so few images some may be repeated"
        if images >= TO_SEARCH + timed.experiment.training.batch_size:
            why["Expect"] += f": once {TO_SEARCH} of them are put into FOLDER/test and the others into "
            why["Expect"] += "FOLDER/train, or are beyond --count, and it is trained anew, ./dcgan explain last --only "
            why["Expect"] += "memory looks for that"
    return Choice(timed.experiment, why, minutes, timed.trial)


def check_enough(experiment: Experiment, images: int, certain: bool) -> None:
    """Refuse images that are too few for one update, before anything is timed or read for them.

    Args:
        experiment: what would be trained.
        images: how many there are; up to so many where that is not `certain`.

    Raises:
        InputError: it says how many an update takes.
    """
    training = experiment.training
    if images < training.batch_size * training.discriminator_steps:
        times = f", {training.discriminator_steps} times" if training.discriminator_steps > 1 else ""
        raise InputError(
            f"There are {'' if certain else 'up to '}{images:,} images, fewer than one update takes: "
            f"{training.batch_size} (--batch-size){times}."
        )


def choose_length(
    experiment: Experiment,
    minutes: float,
    measure: Measure,
    longer: Callable[[int], Experiment] | None = None,
    images: int | None = None,
) -> Choice:
    """Turn minutes into a number of updates, by a few that are timed.

    Args:
        experiment, minutes, measure: as for `choose`.
        longer: gives the experiment to take where this one would do so many updates; None keeps it.
        images: how many there are; so few that more updates would make samples worse get fewer.
    """
    _check(minutes)

    def timed(experiment: Experiment) -> tuple[Trial, int, int]:
        trial = measure(experiment)
        in_time = updates_in(minutes, trial.update_seconds, _beside(experiment))
        worse = None if images is None else updates_before_worse(experiment, images)
        return trial, in_time, min(in_time, worse or in_time)

    why = {}
    trial, in_time, updates = timed(experiment)
    if longer and (other := longer(updates)) != experiment:
        of_other = timed(other)
        if of_other[-1] >= least_of_wider(other):
            why["Networks"] = f"{_networks(experiment)}, but {wider_in_words(experiment)}"
            experiment, (trial, in_time, updates) = other, of_other
    busy = busy_in_words(trial.load, trial.processors)
    length = (
        f"{updates:,} updates, about {roughly(seconds_of(updates, trial.update_seconds, _beside(experiment)))} with "
        f"summaries: {trial.update_seconds:.2g} s each, measured on {trial.device}{busy}"
    )
    if experiment.training.keep == "best":
        length += "; what tells the best networks, some seconds at each summary, comes on top"
    if updates < in_time:
        length += (
            f". Gone through more than {MOST_TIMES} times, so few images give worse samples (notebook 06); {minutes:g} "
            f"minutes are --updates {in_time} in the command below"
        )
    why |= {"Length": length, "Expect": _expected(updates, experiment.model.image_size)}
    return Choice(replace(experiment, updates=updates), why, minutes, trial)


def _beside(experiment: Experiment) -> float:
    """Share of the time that does not go into updates, where these are what is counted."""
    return share_beside(experiment.training.summary_updates, experiment.training.watch_updates)


def choose_size(sides: np.ndarray, minutes: float | None, seconds: Callable[[int], float]) -> tuple[int, str]:
    """The largest of SIZES that the pictures have and that gets its updates in the time.

    Args:
        sides: shorter sides of the pictures, float (N,), as `shorter_sides` gives them.
        minutes: the time; None takes what is at most TRIED.
        seconds: what an update takes at a size.

    Returns:
        The size, and why it is no larger.
    """
    reason = "the pictures are as large, and this machine fast enough"
    updates: dict[int, int] = {}
    for size, needed in SIZES.items():
        small = float(np.mean(sides < size)) if len(sides) else 0.0
        if small > (TOO_SMALL if size > min(SIZES) else MOST_TOO_SMALL):
            reason = f"{small:.0%} of the pictures are smaller than {size}x{size}"
            continue
        if minutes is None:
            if size <= TRIED:
                return size, reason
            reason = f"{size}x{size} takes up to four times as long (--image-size {size})"
            continue
        tried = min(size, TRIED)
        updates[size] = updates_in(minutes, seconds(tried) * (size / tried) ** 2) if needed else 0
        if updates[size] >= needed:
            return size, reason
        reason = f"{size}x{size} would get {updates[size]:,} updates in {minutes:g} min and needs {needed:,}"
    size = largest_size(int(np.quantile(sides, TOO_SMALL)))
    if size is None:
        raise InputError(
            f"The pictures are too small for any network here (the smaller half has at most {np.median(sides):.0f} "
            "pixels on the shorter side): use larger ones, or --small enlarge."
        )
    return size, reason


def _networks(experiment: Experiment) -> str:
    about = presets.presets()[experiment.preset].split(":")[0]
    return (
        f"preset {experiment.preset}, {about[0].lower()}{about[1:]}; {experiment.training.batch_size} images an update"
    )


def _expected(updates: int, size: int) -> str:
    if updates < FEW_UPDATES:
        expected = "rough shapes and colours; more takes some thousand updates"
    elif updates < MANY_UPDATES:
        expected = "what the pictures have in common: recognisable faces, of rooms or animals colours and textures"
    else:
        expected = "clear pictures where all show one kind of thing, such as faces; of rooms or animals, shapes"
    measured = f", by what was measured at {TRIED}x{TRIED} pixels and below" if size > TRIED else ""
    return expected + measured


def _check(minutes: float | None) -> None:
    if minutes is not None and not 0 < minutes < float("inf"):
        raise InputError(f"minutes must be a number above 0. Received: {minutes}.")
