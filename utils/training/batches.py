"""Which images and latents an update sees: decided by (seed, epoch, update) alone, so resuming needs no state."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from utils.config import Experiment
from utils.errors import InputError
from utils.sampling import make_latent_samples

# Streams of random numbers that must not depend on each other carry a number of their own beside the seed.
_ORDER, _LATENTS = 0, 1


@dataclass(frozen=True)
class Schedule:
    """The order of a training.

    Attributes:
        image_count: images in the dataset.
        batch_size: images in a batch.
        batches_per_update: batches that one update takes (`discriminator_steps`).
        seed: decides the order of the images.
    """

    image_count: int
    batch_size: int
    batches_per_update: int
    seed: int

    @classmethod
    def of(cls, experiment: Experiment, image_count: int) -> "Schedule":
        """The schedule of an experiment.

        Raises:
            InputError: there are fewer images than one update takes.
        """
        training = experiment.training
        needed = training.batch_size * training.discriminator_steps
        if image_count < needed:
            raise InputError(
                f"batch_size must be at most the number of images"
                f"{' divided by discriminator_steps' if training.discriminator_steps > 1 else ''}. "
                f"Received: batch_size={training.batch_size}, images={image_count}."
            )
        return cls(image_count, training.batch_size, training.discriminator_steps, training.seed)

    @property
    def updates_per_epoch(self) -> int:
        return self.image_count // (self.batch_size * self.batches_per_update)

    def epoch_of(self, update: int) -> int:
        """The epoch, counted from 1, that update number `update`, counted from 1, belongs to."""
        return (update - 1) // self.updates_per_epoch + 1

    def ends_epoch(self, update: int) -> bool:
        """Whether the update is the last one of its epoch."""
        return update % self.updates_per_epoch == 0

    def rows(self, update: int, order: np.ndarray) -> np.ndarray:
        """Rows of the images of an update: int64 (batches_per_update, batch_size)."""
        size = self.batch_size * self.batches_per_update
        start = (update - 1) % self.updates_per_epoch * size
        return order[start : start + size].reshape(self.batches_per_update, self.batch_size)

    def order(self, epoch: int) -> np.ndarray:
        """The order in which an epoch goes through the images: a permutation, int64 (image_count,)."""
        return np.random.default_rng([self.seed, _ORDER, epoch]).permutation(self.image_count)


def latents_of(experiment: Experiment, update: int) -> tuple[np.ndarray, np.ndarray]:
    """Latents of an update.

    Returns:
        For the discriminator's updates float32 (discriminator_steps, batch_size, latent_dim), for the generator's
        float32 (batch_size, latent_dim).
    """
    model, training = experiment.model, experiment.training
    random = np.random.default_rng([training.seed, _LATENTS, update])
    size, steps = training.batch_size, training.discriminator_steps
    latents = make_latent_samples((steps + 1) * size, model.latent_dim, random, model.latents)
    return latents[: steps * size].reshape(steps, size, model.latent_dim), latents[steps * size :]


def batches(
    images: np.ndarray, experiment: Experiment, schedule: Schedule, first: int, last: int
) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
    """Everything that updates `first` to `last` take; the next one is read from disk while one is computed.

    Yields:
        The update's number, images uint8 (discriminator_steps, batch_size, S, S, 3) in [0, 255], and the latents of
        `latents_of`.
    """
    order, order_epoch = None, 0

    def read(update: int):
        nonlocal order, order_epoch
        if schedule.epoch_of(update) != order_epoch:
            order_epoch = schedule.epoch_of(update)
            order = schedule.order(order_epoch)
        return update, images[schedule.rows(update, order)], *latents_of(experiment, update)

    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(read, first)
        for update in range(first + 1, last + 2):
            ready = coming.result()
            coming = reader.submit(read, update) if update <= last else None
            yield ready
