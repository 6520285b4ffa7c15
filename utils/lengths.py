"""How long to train, counted in updates: what a network learns depends on them, not on how often it sees the images."""

import math

from utils.config import Experiment, replace

OWN_UPDATES = 4_000
"""The least number of updates on own pictures, where nothing else is asked for: the recipe draws faces after 1,000 and
gets better for several thousand more."""
FEW_UPDATES = 500
"""With fewer than this, the best recipe here draws rough shapes, others nothing but grey."""
SUMMARIES = 50
"""The most summaries (a grid, scores, models) of a training, where nothing else is asked for."""


def updates_per_epoch(experiment: Experiment, images: int) -> int:
    """Updates of one epoch over so many images; 0 if they do not fill one."""
    return images // (experiment.training.batch_size * experiment.training.discriminator_steps)


def for_updates(experiment: Experiment, images: int, updates: int) -> Experiment:
    """The experiment with as many whole epochs as give at least so many updates."""
    each = updates_per_epoch(experiment, images)
    return replace(experiment, epochs=math.ceil(updates / each)) if each else experiment


def with_few_summaries(experiment: Experiment) -> Experiment:
    """The experiment with so many epochs between summaries that there are at most `SUMMARIES` of them."""
    return replace(experiment, summary_epochs=math.ceil(experiment.training.epochs / SUMMARIES))
