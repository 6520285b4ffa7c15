"""Watching a training: do both updates see the same discriminator, are samples different, who has won?

Trainings fail silently, and losses do not tell how (notebook 05 shows two ways). `Watch` measures directly; `Diagnosis`
says in words what the measurements mean.
"""

from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from utils.config import STATISTICS, Experiment
from utils.data import scale
from utils.models import forward
from utils.sampling import Sampler
from utils.streams import stream
from utils.training.players import Players

# Limits below are set by the kept courses in notebooks/results. Each failure ends at another value than it begins at:
# measurements near a limit would otherwise be called a failure and its end by turns.
GAP, GAP_OVER = 0.5, 0.4
"""Two measurements in a row with a gap above the first are a failure, until it is below the second: one update takes
for true what the other takes for fake."""
COLLAPSE, DIVERSE = 0.25, 0.35
"""Samples have become alike if two measurements in a row of their diversity are below the first share of the true
images', until one is above the second."""
BEGINNING = ((100, 0.02), (500, COLLAPSE))
"""Samples are grey and alike when a training begins, without batch normalisation for long: (after so many updates, they
are to be above this share). The slowest kept courses have 0.017 after 50 updates and 0.10 after 100."""
WON, WON_OVER, WON_UPDATES = 1e-4, 1e-3, 75
"""The discriminator has won if the mean score of fakes has been below the first (so that the generator's loss is above
9), and that of true images above 0.99, for so many updates; until the score of fakes is above the second. Of the kept
courses only the worst of those with the saturating loss is like that; healthy ones stay above 0.008."""


class Watch:
    """Measures, on the same latents and the same true images every time, without changing anything.

    Args:
        experiment: what is trained.
        networks: the networks, as they change.
        images: uint8 (N, S, S, 3), the images trained on.
    """

    def __init__(self, experiment: Experiment, networks: Players, images: np.ndarray):
        training = experiment.training
        seed = training.samples_seed
        self._experiment, self._networks = experiment, networks
        sampler = Sampler.of(networks.generator, experiment)
        self._latents = sampler.make_latents(training.batch_size, stream(seed, "watch: latents"))
        rows = stream(seed, "watch: true samples").choice(len(images), training.batch_size, replace=False)
        self._true = scale(images[np.sort(rows)])

    def measure(self, update: int) -> dict:
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


class Diagnosis:
    """What the measurements of a training mean, taken one after the other.

    It keeps no measurement but the newest, so it costs the same however long a training lasts. The same measurements
    give the same diagnoses, so a training that is taken up again goes through those of `watch.jsonl` first.

    Args:
        experiment: what is trained.
        rows: measurements so far, as `Watch.measure` gave them.
    """

    def __init__(self, experiment: Experiment, rows: Iterable[dict] = ()):
        self._experiment = experiment
        self._failure: str | None = None  # "apart", "alike", "won"
        self._row: dict = {}  # the newest
        self._apart = self._alike = 0  # measurements in a row with a gap, and with samples that are alike
        self._won_since: int | None = None  # the update of the first measurement in a row that the discriminator won
        self._was_diverse = False
        for row in rows:
            self.diagnose(row)

    @property
    def verdict(self) -> str | None:
        """What is wrong by the newest measurement and what to do, in a sentence; None where nothing is."""
        return self._in_words() if self._failure else None

    def diagnose(self, row: dict) -> str | None:
        """Take the next measurement.

        Returns:
            A warning, where something is wrong that was not before; or that what the last warning was about is over; or
            None.
        """
        before, self._row = self._failure, row
        self._failure = self._find(row)
        if self._failure == before:
            return None
        if self._failure:
            return f"Warning. {self._in_words()}"
        return (
            f"Update {row['update']}: what the last warning was about is over (scores of the same fake samples differ "
            f"by {row['gap']:.2f}; diversity {row['diversity']:.2g}, true images {row['diversity_true']:.2g})."
        )

    def _find(self, row: dict) -> str | None:
        apart = row["gap"] > (GAP_OVER if self._failure == "apart" else GAP)
        self._apart = self._apart + 1 if apart else 0

        score = self._score_of_fakes(row)
        if row["true_batch"] > 0.99 and score < (WON_OVER if self._failure == "won" else WON):
            self._won_since = row["update"] if self._won_since is None else self._won_since
        else:
            self._won_since = None

        def below(share: float) -> bool:
            return row["diversity"] < share * row["diversity_true"]

        if self._failure == "alike":
            alike = below(DIVERSE)
        elif self._was_diverse:
            alike = below(COLLAPSE)
        else:
            alike = any(row["update"] >= updates and below(share) for updates, share in BEGINNING)
        self._alike = self._alike + 1 if alike else 0
        self._was_diverse = self._was_diverse or not below(COLLAPSE)

        if self._apart >= 2:
            return "apart"
        if self._alike >= (1 if self._failure else 2):  # one failure may turn into the other
            return "alike"
        if self._won_since is not None and row["update"] - self._won_since >= WON_UPDATES:
            return "won"
        return None

    def _score_of_fakes(self, row: dict) -> float:
        """Mean score of the fake samples as the generator's update sees it."""
        return row[f"fake_{STATISTICS[self._experiment.training.statistics].judge}"]

    def _in_words(self) -> str:
        row, model, training = self._row, self._experiment.model, self._experiment.training
        if self._failure == "apart":
            cure = "--no-join-batches" if training.statistics == "batch" else "--statistics batch"
            return (
                f"Update {row['update']}: batch normalisation shows the two updates different networks (the scores "
                f"of the same fake samples differ by {row['gap']:.2f}), so the generator learns nothing; use {cure}."
            )
        if self._failure == "won":
            return (
                f"Update {row['update']}: the discriminator has won (mean scores: true samples "
                f"{row['true_batch']:.2f}, fake ones {self._score_of_fakes(row):.1g}), so the generator has nothing to "
                "go by; if it stays so, use a smaller --learning-rate or --label-smoothing 0.1."
            )
        recipe = {
            "--batch-norm on": model.batch_norm == "off",
            "--statistics batch": model.batch_norm == "on" and training.statistics != "batch",
            "--weights normal": model.weights != "normal",
        }
        cure = " ".join(option for option, missing in recipe.items() if missing) or "another --seed"
        how = (
            "have become nearly alike", "the generator has collapsed"
        ) if self._was_diverse else ("are still nearly alike", "the generator has not begun to draw")  # fmt: skip
        return (
            f"Update {row['update']}: the samples {how[0]} (diversity {row['diversity']:.2g}, true images "
            f"{row['diversity_true']:.2g}): {how[1]}; if it stays so, use {cure} or a smaller --learning-rate."
        )
