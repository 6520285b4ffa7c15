"""Looking at a training while it runs: do both updates see the same discriminator, are the samples still different?

Batch normalisation fails silently in two ways, and losses do not tell which (notebook 05 shows both). This measures
them directly, and says so in words.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from utils.config import STATISTICS, Experiment
from utils.data import scale
from utils.models import forward
from utils.sampling import make_latent_samples
from utils.streams import stream
from utils.training.players import Players

GAP = 0.5
"""Two looks in a row with a gap above this are a failure: one update takes for true what the other takes for fake."""
COLLAPSE = 0.25
"""Samples have become alike if their diversity has fallen below this share of the true images'."""


class Watch:
    """Measures, on the same latents and the same true images every time, without changing anything.

    Args:
        experiment: what is trained.
        networks: the networks, as they change.
        images: uint8 (N, S, S, 3), the images trained on.
    """

    def __init__(self, experiment: Experiment, networks: Players, images: np.ndarray):
        model, training = experiment.model, experiment.training
        seed = training.samples_seed
        self._experiment, self._networks = experiment, networks
        self._latents = make_latent_samples(
            training.batch_size, model.latent_dim, stream(seed, "watch: latents"), model.latents
        )
        rows = stream(seed, "watch: true samples").choice(len(images), training.batch_size, replace=False)
        self._true = scale(images[np.sort(rows)])

    def look(self, update: int) -> dict:
        """Measure once; costs about a third of an update.

        Returns:
            "update"; "gap", the absolute difference between the mean score of fake samples as the discriminator's
            update judges them and as the generator's update judges those of the same latents (in [0, 1]; 0 where both
            see the same network); mean scores "true_batch", "fake_batch" (batch normalisation by the statistics of that
            batch) and "true_moving", "fake_moving" (by moving averages) of the same true and the same fake samples;
            "diversity" and "diversity_true", standard deviation over samples, mean over pixels of images in [-1, 1].
        """
        training = self._experiment.training
        statistics = STATISTICS[training.statistics]
        fake = self._draw("batch")
        scores = {
            f"{kind}_{by}": self._judge(samples, by)
            for kind, samples in (("true", self._true), ("fake", fake))
            for by in ("batch", "moving")
        }
        seen_by_discriminator = scores["fake_batch"]
        if statistics.fakes == "moving":
            seen_by_discriminator = self._judge(self._draw("moving"), "batch")
        if training.join_batches:
            seen_by_discriminator = self._judge(np.concatenate([self._true, fake]), "batch", len(self._true))
        return {
            "update": update,
            "gap": abs(seen_by_discriminator - scores[f"fake_{statistics.judge}"]),
            **scores,
            "diversity": float(fake.std(axis=0).mean()),
            "diversity_true": float(self._true.std(axis=0).mean()),
        }

    def _draw(self, statistics: str) -> np.ndarray:
        drawn = forward(self._networks.generator, self._latents, training=False, statistics=statistics)
        return np.asarray(drawn, np.float32)

    def _judge(self, images: np.ndarray, statistics: str, first: int = 0) -> float:
        network = self._networks.discriminator
        scores = forward(network, tf.constant(images), training=False, statistics=statistics)  # no dropout
        return float(np.mean(np.asarray(scores, np.float32)[first:]))


def remark(rows: Sequence[dict], experiment: Experiment) -> str | None:
    """What the newest look shows that the ones before did not.

    Args:
        rows: all looks so far, as `Watch.look` gave them, the newest last.
        experiment: what is trained.

    Returns:
        A warning, which says what is wrong and what to do; or that what the last warning was about is over; or None.
    """
    now, before = (_failure(rows[:n], experiment) for n in (len(rows), len(rows) - 1))
    if now and not before:
        return f"Warning. {now}"
    if before and not now:
        row = rows[-1]
        return (
            f"Update {row['update']}: what the last warning was about is over (scores of the same fake samples differ "
            f"by {row['gap']:.2f}; diversity {row['diversity']:.2f}, true images {row['diversity_true']:.2f})."
        )
    return None


def _failure(rows: Sequence[dict], experiment: Experiment) -> str | None:
    if len(rows) < 2:
        return None
    now, model = rows[-1], experiment.model
    if min(row["gap"] for row in rows[-2:]) > GAP:
        cure = "--no-join-batches" if experiment.training.statistics == "batch" else "--statistics batch"
        return (
            f"Update {now['update']}: batch normalisation shows the two updates different networks (the scores "
            f"of the same fake samples differ by {now['gap']:.2f}), so the generator learns nothing; use {cure}."
        )
    limit = COLLAPSE * now["diversity_true"]
    if now["diversity"] < limit < max(row["diversity"] for row in rows):
        if model.weights != "normal":
            cure = "--weights normal"
        else:
            cure = "--batch-norm on" if model.batch_norm == "off" else "another --seed"
            if model.batch_norm == "on" and experiment.training.statistics != "batch":
                cure = "--statistics batch"
        return (
            f"Update {now['update']}: the samples have become nearly alike (diversity {now['diversity']:.2f}, true "
            f"images {now['diversity_true']:.2f}): the generator has collapsed; if it stays so, use {cure} or a "
            "smaller --learning-rate."
        )
    return None
