"""Which images and latents an update sees: decided by (seed, epoch, update) alone, so resuming needs no state."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from utils.config import Experiment
from utils.data.conditions import Conditions
from utils.data.order import InBlocks, shuffled
from utils.errors import InputError
from utils.sampling import make_latent_samples
from utils.streams import key, stream
from utils.training.recipes import images_per_update, latents_per_update, recipe_of


@dataclass(frozen=True)
class Schedule:
    """The order of a training.

    Attributes:
        image_count: images in the dataset.
        batch_size: images in a batch.
        batches_per_update: batches of images that one update takes.
        seed: decides the order of the images.
        block: images that lie beside each other and are read together; 0 where any order will do (see `data.order`).
    """

    image_count: int
    batch_size: int
    batches_per_update: int
    seed: int
    block: int = 0

    @classmethod
    def of(cls, experiment: Experiment, image_count: int) -> "Schedule":
        """The schedule of an experiment.

        Raises:
            InputError: there are fewer images than one update takes.
        """
        training, groups = experiment.training, images_per_update(recipe_of(experiment))
        if image_count < training.batch_size * groups:
            raise InputError(
                f"batch_size must be at most the number of images"
                f"{f' divided by {groups}, the batches of an update' if groups > 1 else ''}. "
                f"Received: batch_size={training.batch_size}, images={image_count}."
            )
        block = training.shuffle_block if training.shuffle == "blocks" else 0
        return cls(image_count, training.batch_size, groups, training.seed, block)

    @property
    def updates_per_epoch(self) -> int:
        return self.image_count // (self.batch_size * self.batches_per_update)

    def epoch_of(self, update: int) -> int:
        """The epoch, counted from 1, that update number `update`, counted from 1, belongs to."""
        return (update - 1) // self.updates_per_epoch + 1

    def rows(self, update: int, order: np.ndarray) -> np.ndarray:
        """Rows of the images of an update: int64 (batches_per_update, batch_size)."""
        size = self.batch_size * self.batches_per_update
        start = (update - 1) % self.updates_per_epoch * size
        return order[start : start + size].reshape(self.batches_per_update, self.batch_size)

    def order(self, epoch: int) -> np.ndarray:
        """The order in which an epoch goes through the images: a permutation, int64 (image_count,)."""
        return shuffled(self.image_count, stream(self.seed, "order of images", epoch), self.block)


@dataclass(frozen=True)
class Batch:
    """Everything that one update takes. Nothing else decides it, so the same batch always gives the same update.

    Attributes:
        update: its number, counted from 1.
        images: uint8 (K, B, S, S, 3) in [0, 255], K batches of true images: of each the rows that this worker computes.
        latents: float32 (L, B, latent_dim), L batches of latents.
        conditions: float32 (K, B, condition_size), what goes with the images, or None.
        key: int32 (2,), decides all random numbers that are drawn inside the update.
        mismatching: int32 (K, B), for each image the place, in its batch, of a condition that is wrong of it, or -1;
            None without conditions.
    """

    update: int
    images: np.ndarray
    latents: np.ndarray
    conditions: np.ndarray | None
    key: np.ndarray
    mismatching: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        experiment: Experiment,
        update: int,
        images: np.ndarray,
        conditions: np.ndarray | None = None,
        mismatching: np.ndarray | None = None,
    ):
        """The batch of an update on these images; everything random follows from the seed and the update's number.

        Which conditions are wrong of an image is for whoever knows what they mean to say: here, that of the next image.
        """
        if conditions is not None and mismatching is None:
            mismatching = np.tile(np.roll(np.arange(len(images[0]), dtype=np.int32), -1), (len(images), 1))
        model, training = experiment.model, experiment.training
        size, groups = training.batch_size, latents_per_update(recipe_of(experiment))
        random = stream(training.seed, "latents", update)
        latents = make_latent_samples(groups * size, model.latent_dim, random, model.latents)
        latents = latents.reshape(groups, size, model.latent_dim)
        return cls(update, images, latents, conditions, key(training.seed, update), mismatching)


def batches(
    images: np.ndarray,
    experiment: Experiment,
    schedule: Schedule,
    first: int,
    last: int,
    conditions: Conditions | None = None,
    worker: int = 0,
    workers: int = 1,
) -> Iterator[Batch]:
    """Everything that updates `first` to `last` take; the next one is read from disk while one is computed.

    Args:
        images: uint8 (N, S, S, 3) in [0, 255].
        experiment, schedule: decide what an update sees.
        first, last: numbers of the first and the last update.
        conditions: what goes with the images (`data.conditions.Conditions`), or None.
        worker, workers: which of how many equal parts of each batch's images is read.
    """
    order, order_epoch = None, 0
    if schedule.block:
        images = InBlocks(images, schedule.block)

    def read(update: int) -> Batch:
        nonlocal order, order_epoch
        if schedule.epoch_of(update) != order_epoch:
            order_epoch = schedule.epoch_of(update)
            order = schedule.order(order_epoch)
        rows = schedule.rows(update, order)
        own = rows if workers == 1 else np.split(rows, workers, axis=1)[worker]
        if conditions is None:
            return Batch.of(experiment, update, images[own])
        mismatching = np.stack([conditions.mismatching(group) for group in rows])
        return Batch.of(experiment, update, images[own], conditions[rows], mismatching)

    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(read, first)
        for update in range(first + 1, last + 2):
            ready = coming.result()
            coming = reader.submit(read, update) if update <= last else None
            yield ready
