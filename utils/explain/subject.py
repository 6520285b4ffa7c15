"""The model to explain, and the images to show it."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import keras
import numpy as np

from utils.config import Experiment
from utils.data import Dataset, scale_back
from utils.explain.judge import Judge, judge_of, normalises
from utils.runs import Run
from utils.sampling import fake_samples_generator, make_latent_samples

REFERENCE = 256  # images that fix batch statistics


@dataclass(frozen=True)
class Subject:
    """The model to explain, and what to show it.

    Attributes:
        title: what to call it in a heading.
        discriminator: the network.
        generator: the network it was trained against, or None.
        data: true images, if possible such that it was not trained on.
        experiment: how both were trained, or None where that is not known.
        count: how many true and how many fake images are explained.
        layer: the convolution that maps are made for.
        seed: decides images, latents and every random control.
        run: the run whose epochs make the film, or None.
        data_dir: where datasets live.
    """

    title: str
    discriminator: keras.Model
    generator: keras.Model | None
    data: Dataset
    experiment: Experiment | None = None
    count: int = 64
    layer: str = "last"
    seed: int = 0
    run: Run | None = None
    data_dir: Path | None = None

    @property
    def latents(self) -> str:
        """Distribution of the generator's latents."""
        return self.experiment.model.latents if self.experiment else "normal"

    @property
    def by_batch(self) -> bool:
        """Whether batch normalisation uses the statistics of the images looked at (see `judge_of`): in the `batch` arm,
        and where the arm is not known, because all arms train the discriminator that way."""
        return self.experiment.model.batch_norm == "batch" if self.experiment else normalises(self.discriminator)

    @cached_property
    def rows(self) -> np.ndarray:
        """Which true images are looked at, in random order; the first `count` are explained."""
        return np.random.default_rng(self.seed).permutation(len(self.data))[: max(REFERENCE, self.count)]

    @cached_property
    def true(self) -> np.ndarray:
        """The true images that are explained, uint8 (count, S, S, 3)."""
        return np.asarray(self.data.images[self.rows[: self.count]])

    @cached_property
    def _all_fake(self) -> np.ndarray:
        latents = make_latent_samples(
            max(REFERENCE, self.count), self.generator.input_shape[-1], self.seed, self.latents
        )
        return scale_back(fake_samples_generator(self.generator, latents)[0])

    @cached_property
    def fake(self) -> np.ndarray:
        """The fake images that are explained, uint8 (count, S, S, 3)."""
        return self._all_fake[: self.count]

    @cached_property
    def judge(self) -> Judge:
        """The discriminator as it judges true images."""
        return judge_of(self.discriminator, self.reference)

    @cached_property
    def judge_of_fake(self) -> Judge:
        """The discriminator as it judges fake images."""
        return judge_of(self.discriminator, self._all_fake[:REFERENCE] if self.by_batch else None)

    @property
    def reference(self) -> np.ndarray | None:
        """True images whose batch statistics count, or None."""
        return np.asarray(self.data.images[self.rows[:REFERENCE]]) if self.by_batch else None

    def sides(self) -> list[tuple[str, Judge, np.ndarray]]:
        """What is explained: "true" or "fake" images, how they are judged, the images."""
        true = [("true", self.judge, self.true)]
        return true if self.generator is None else [*true, ("fake", self.judge_of_fake, self.fake)]
