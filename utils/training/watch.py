"""Watching a training: do both updates see the same discriminator, are samples different, do they still change?

Trainings fail silently, and losses do not tell how (notebook 05 shows two ways). `Watch` measures directly; what the
measurements mean is the doctor's business.
"""

import base64

import keras
import numpy as np
import tensorflow as tf

from utils.config import STATISTICS, Experiment
from utils.data import scale, scale_back
from utils.data.conditions import Conditions
from utils.models import forward
from utils.sampling import make_latent_samples
from utils.streams import stream
from utils.training.copies import small
from utils.training.players import Players

FOLLOWED = 64
"""At most so many samples are followed from one measurement to the next."""
ENOUGH = 8
"""So many samples say whether samples differ: where batches are smaller, several are looked at."""


class Watch:
    """Measures, on the same latents and the same true images every time, without changing anything: on a batch as
    updates have it, or on several that hold `ENOUGH` of each, as far as there are images.

    Args:
        experiment: what is trained.
        networks: the networks, as they change.
        images: uint8 (N, S, S, 3), the images trained on.
        conditions: what goes with them, or None; fakes are drawn for those of the true images that are looked at.

    Attributes:
        memory: what the next measurement needs of the last one, as text for a checkpoint; None before the first.
    """

    def __init__(
        self, experiment: Experiment, networks: Players, images: np.ndarray, conditions: Conditions | None = None
    ):
        training = experiment.training
        seed = training.samples_seed
        self._experiment, self._networks = experiment, networks
        model, random = experiment.model, stream(seed, "watch: latents")
        size = training.batch_size
        count = size * min(-(-ENOUGH // size), len(images) // size)
        self._batches = [slice(start, start + size) for start in range(0, count, size)]
        self._latents = make_latent_samples(count, model.latent_dim, random, model.latents)
        rows = np.sort(stream(seed, "watch: true samples").choice(len(images), count, replace=False))
        true, self._conditions = images[rows], None if conditions is None else conditions[rows]
        self._true = scale(true)
        shown = small(true)
        self._spread = max(float(abs(shown - shown.mean(axis=0)).mean()), 1e-6)  # black images have none
        self.memory: str | None = None

    def measure(self, update: int) -> dict:
        """Measure once; costs about a third of an update for each batch that is looked at.

        Returns:
            "update"; "gap", the absolute difference between the mean score of fake samples as the discriminator's
            update judges them and as the generator's update judges those of the same latents (in [0, 1]; 0 where both
            see the same network); mean scores "true_batch", "fake_batch" (batch normalisation by the statistics of that
            batch) and "true_moving", "fake_moving" (by moving averages) of the same true and the same fake samples;
            "diversity" and "diversity_true", standard deviation over samples, mean over pixels of images in [-1, 1];
            and from the second measurement on "moved": how much the samples of the same latents have changed since the
            last one, as a multiple of how much true images differ from their mean (mean absolute differences of small
            pictures; 1.4 is as far as two true images that have nothing to do with each other). In mixed_float16 also
            "filled": the largest activation of both networks as a share of the largest float16; of networks whose
            layers are in a row, which conditional ones are not.
        """
        training = self._experiment.training
        statistics = STATISTICS[training.statistics]
        fake = self._draw("batch")
        scores = {
            f"{kind}_{by}": self._judge(samples, by)
            for kind, samples in (("true", self._true), ("fake", fake))
            for by in ("batch", "moving")
        }
        drawn = self._draw("moving") if statistics.fakes == "moving" else fake
        if training.join_batches:
            seen_by_discriminator = self._judge(drawn, "batch", beside=self._true)
        else:
            seen_by_discriminator = scores["fake_batch"] if drawn is fake else self._judge(drawn, "batch")
        # In a simultaneous update both descend what one pass has judged.
        seen_by_generator = seen_by_discriminator if training.simultaneous else scores[f"fake_{statistics.judge}"]
        return {
            "update": update,
            "gap": abs(seen_by_discriminator - seen_by_generator),
            **scores,
            "diversity": float(fake.std(axis=0).mean()),
            "diversity_true": float(self._true.std(axis=0).mean()),
            **self._moved(small(scale_back(fake[:FOLLOWED]))),
            **self._filled(),
        }

    def _moved(self, now: np.ndarray) -> dict[str, float]:
        before, self.memory = self.memory, base64.b64encode(now.astype(np.uint8)).decode()
        if before is None:
            return {}
        before = np.frombuffer(base64.b64decode(before), np.uint8)
        if before.size != now.size:  # in a checkpoint of an earlier version, which looked at one batch however small
            return {}
        return {"moved": float(abs(now - before.reshape(now.shape)).mean()) / self._spread}

    def _filled(self) -> dict[str, float]:
        networks = (self._networks.generator, self._networks.discriminator)
        in_a_row = all(isinstance(network, keras.Sequential) for network in networks)
        if self._experiment.training.precision != "mixed_float16" or not in_a_row:
            return {}
        most, x = [], tf.constant(self._latents)
        for layer in (layer for network in networks for layer in network.layers):
            x = forward([layer], x, training=False, statistics="batch")
            most.append(np.abs(np.asarray(x, np.float32)).max())
        filled = np.max(most) / np.finfo(np.float16).max
        return {"filled": float(filled) if filled < 1 else 1.0}  # also where it is not finite any more

    def _draw(self, statistics: str) -> np.ndarray:
        drawn = []
        for batch in self._batches:
            given = None if self._conditions is None else self._conditions[batch]
            drawn.append(forward(self._networks.generator, self._latents[batch], given, statistics=statistics))
        return np.concatenate([np.asarray(each, np.float32) for each in drawn])

    def _judge(self, images: np.ndarray, statistics: str, beside: np.ndarray | None = None) -> float:
        """The mean score of images, without dropout; each batch of them behind, and as one with, that of others."""
        network, found = self._networks.discriminator, []
        for batch in self._batches:
            parts = [each[batch] for each in (beside, images) if each is not None]
            given = None if self._conditions is None else np.concatenate([self._conditions[batch]] * len(parts))
            whole = tf.constant(np.concatenate(parts))
            scores = forward(network, whole, given, statistics=statistics, batches=len(parts))
            found.append(np.asarray(scores, np.float32)[-len(parts[-1]) :])
        return float(np.mean(np.concatenate(found)))


def of_updates(steps: dict[str, np.ndarray], undecided: float | None = 0.0) -> dict[str, float]:
    """What the records of the updates since the last measurement say, as more columns of a measurement.

    Args:
        steps: as `Run.steps` gives them.
        undecided: of their loss (see `losses.Loss`). Where there is none, all logits may be shifted alike, which is no
            growth: of -mean t, mean f and -mean f only the sum of the first two is looked at, which does not shift.

    Returns:
        "largest", the largest absolute value of any loss or penalty; "gradient", the mean norm of the gradient that the
        generator was updated with; "skipped", the share of updates where that is exactly 0: mixed_float16 skips those
        whose gradients overflow. What no update has recorded is left out.
    """
    named = {name: values for name, values in steps.items() if name.startswith(("loss", "penalty"))}
    if undecided is None and "loss_true" in named:
        shifted = {name: named.pop(name) for name in ("loss_true", "loss_fake", "loss_generator")}
        named["loss"] = shifted["loss_true"] + shifted["loss_fake"]
    terms = [abs(values) for values in named.values()]
    norms = steps.get("gradient_norm", np.array([]))
    return {
        **({"largest": float(np.nanmax(terms))} if terms else {}),
        **({"gradient": float(np.nanmean(norms)), "skipped": float(np.mean(norms == 0))} if len(norms) else {}),
    }
