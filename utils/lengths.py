"""How long to train, counted in updates: what a network learns depends on them, not on how often it sees the images."""

import math
from dataclasses import dataclass

from utils.config import Experiment, TrainingConfig, replace

MANY_UPDATES = 4_000
"""With so many, what one size of images can show is mostly there, so that a larger one is worth its time: the recipe
draws faces after 1,000 and gets better for several thousand more."""
FEW_UPDATES = 500
"""With fewer than this, the best recipe here draws rough shapes, others nothing but grey."""
MOST_TIMES = 250
"""So often images that are not augmented are gone through at most where nobody says how long: on the safe side, since
samples of 1,203 faces became one picture after some 560 times, and those of 282 bedrooms, which the discriminator knew
by heart after 170, got worse after some 900 (notebook 06; one seed)."""
SUMMARY_SHARE = 0.1
"""Share of a training's time that goes into summaries, measurements of the watch and checkpoints, where nothing else is
known."""
SUMMARY_UPDATES = 5
"""A summary takes about as long as so many updates at 64x64 pixels, a measurement as long as one."""
SUMMARIES = 50
"""The most summaries (a grid, scores, models) of a training, where nothing else is asked for."""


def updates_per_epoch(experiment: Experiment, images: int) -> int:
    """Updates of one epoch over so many images; 0 if they do not fill one."""
    return images // (experiment.training.batch_size * experiment.training.discriminator_steps)


def updates_before_worse(experiment: Experiment, images: int) -> int | None:
    """After how many updates images have been gone through `MOST_TIMES`; None where they are augmented, or too few for
    a batch."""
    each = updates_per_epoch(experiment, images)
    return None if experiment.training.augment or not each else max(FEW_UPDATES, MOST_TIMES * each)


def unit_of(training: TrainingConfig) -> str:
    """What a training and its summaries are counted in: "update" or "epoch"."""
    return "epoch" if training.updates is None else "update"


@dataclass(frozen=True)
class Length:
    """How long a training is, and after which of its updates there is a summary.

    An epoch may be two updates or thousands, so it is not a good measure for either. Summaries are numbered by what
    their training is counted in; they are files and rows of records, and change nothing in the
    networks, but that a training goes back to one when it has failed (`on_collapse="rollback"`).

    Attributes:
        unit: what it is counted in: "update" or "epoch".
        each: updates of one unit.
        count: units in all.
        every: units between summaries.
    """

    unit: str
    each: int
    count: int
    every: int

    @classmethod
    def of(cls, experiment: Experiment, updates_per_epoch: int) -> "Length":
        """The length of an experiment whose images give so many updates an epoch."""
        training = experiment.training
        if training.updates is None:
            return cls("epoch", updates_per_epoch, training.epochs, training.summary_epochs)
        return cls("update", 1, training.updates, training.summary_updates)

    @property
    def updates(self) -> int:
        """Updates in all."""
        return self.each * self.count

    def summary_after(self, update: int) -> int | None:
        """The number of the summary that is due after an update, in units; None where none is. The last has one."""
        number, rest = divmod(update, self.each)
        return None if rest or (number % self.every and number != self.count) else number


def with_few_summaries(experiment: Experiment) -> Experiment:
    """The experiment with so much between summaries that there are at most `SUMMARIES` of them."""
    training = experiment.training
    if training.updates is None:
        return replace(experiment, summary_epochs=math.ceil(training.epochs / SUMMARIES))
    return replace(experiment, summary_updates=max(training.summary_updates, math.ceil(training.updates / SUMMARIES)))


def share_beside(between: int, watched: int) -> float:
    """Share of a training's time that does not go into updates, where so many are between two summaries, and so many
    between two measurements (0: there are none); at least `SUMMARY_SHARE`."""
    beside = SUMMARY_UPDATES / between + (1 / watched if watched else 0)
    return max(SUMMARY_SHARE, beside / (1 + beside))


def updates_in(minutes: float, update_seconds: float, beside: float = SUMMARY_SHARE) -> int:
    """How many updates go into so many minutes, where a share of the time is spent beside them; rounded down to two
    digits, since it is part of a command that people read and repeat."""
    whole = max(1, int(minutes * 60 * (1 - beside) / update_seconds))
    step = 10 ** max(0, len(str(whole)) - 2)
    return whole // step * step


def seconds_of(updates: int, update_seconds: float, beside: float = SUMMARY_SHARE) -> float:
    """How long so many updates take, where a share of the time is spent beside them."""
    return updates * update_seconds / (1 - beside)
