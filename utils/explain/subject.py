"""The model to explain, and the images to show it."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import keras
import numpy as np

from utils.config import STATISTICS, DataConfig, Experiment
from utils.data import Dataset, load
from utils.data.catalogue import available_splits, reading
from utils.data.dataset import ALL
from utils.errors import InputError
from utils.evaluation.held_out import SPLITS, source_there, unseen
from utils.explain.fixed import FixedDiscriminator, fixed_discriminator, normalises
from utils.explain.parts import BOXED, read_boxes
from utils.files import digest
from utils.models import load_generator, load_network
from utils.networks import TrainedNetwork, with_data
from utils.runs import Run
from utils.sampling import Sampler
from utils.text import shorten

REFERENCE = 256  # images that fix batch statistics
SEARCHED = 2000  # true images that are looked through, or as many as are explained


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
        boxes: boxes drawn by hand on samples (see `parts.read_boxes`), by what they are drawn around, or None.
        most: images that copies are looked for among, and samples that a part is looked for in, at most, by a detector
            that learns from ten times as many, of three parts, beside two draws of random maps; None for as many as
            tell something.
        digests: SHA-256 of the networks' files, by player; {} of networks that are in no file.
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
    boxes: dict[str, dict[int, np.ndarray]] | None = None
    most: int | None = None
    digests: dict[str, str] = field(default_factory=dict)

    @property
    def about(self) -> str:
        """What figures are of: model, images, seed."""
        return f"{shorten(self.title, 60)} on {shorten(self.data.title, 60)}, seed {self.seed}"

    @property
    def sampler(self) -> Sampler:
        """Draws the generator's samples."""
        return Sampler.of(self.generator, self.experiment)

    @property
    def by_batch(self) -> bool:
        """Whether batch normalisation uses the statistics of batches (see `fixed_discriminator`): in the `batch` arm,
        and where the arm is not known, because all arms train the discriminator that way."""
        known = self.experiment
        by_batch = known is None or STATISTICS[known.training.statistics].scores == "batch"
        return by_batch and normalises(self.discriminator)

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
        return self.sampler.draw(max(REFERENCE, self.count), self.seed)

    @cached_property
    def fake(self) -> np.ndarray:
        """The fake images that are explained, uint8 (count, S, S, 3)."""
        return self._all_fake[: self.count]

    @cached_property
    def fixed(self) -> FixedDiscriminator:
        """The discriminator as it judges true images in its own updates."""
        return fixed_discriminator(self.discriminator, self.reference)

    @cached_property
    def fixed_for_fake(self) -> FixedDiscriminator:
        """The discriminator as it judges fake images in its own updates."""
        return fixed_discriminator(self.discriminator, self._reference(self._all_fake) if self.by_batch else None)

    @property
    def reference(self) -> np.ndarray | None:
        """Images whose batch statistics count where true ones are judged, or None."""
        return self._reference(np.asarray(self.data.images[self.rows[:REFERENCE]])) if self.by_batch else None

    def _reference(self, images: np.ndarray) -> np.ndarray:
        """Images of one kind; where a batch of the discriminator's updates has both kinds, as many of both."""
        known = self.experiment
        if known is None or not known.training.join_batches or self.generator is None:
            return images[:REFERENCE]
        true = np.asarray(self.data.images[self.rows[: REFERENCE // 2]])
        return np.concatenate([true, self._all_fake[: REFERENCE // 2]])

    def trained(self, what: str) -> tuple[Sampler, Experiment]:
        """What draws the generator's samples, and how both networks were trained.

        Args:
            what: needs them, for the sentence.

        Raises:
            InputError: one of the two is not known.
        """
        if self.generator is None or self.experiment is None:
            raise InputError(f"{what} needs a generator and to know what it was trained on; name a run.")
        return self.sampler, self.experiment

    def sides(self) -> list[tuple[str, FixedDiscriminator, np.ndarray]]:
        """What is explained: "true" or "fake" images, how they are judged, the images."""
        true = [("true", self.fixed, self.true)]
        return true if self.generator is None else [*true, ("fake", self.fixed_for_fake, self.fake)]


def subject_for(
    trained: TrainedNetwork,
    data: str | None = None,
    *,
    count: int = 64,
    layer: str = "last",
    seed: int = 0,
    data_dir: str | Path | None = None,
    boxes: str | Path | None = None,
    most: int | None = None,
) -> Subject:
    """Load a discriminator, its generator where there is one, and true images to show it.

    Args:
        trained: which discriminator, as `utils.networks.find_network` gives it.
        data: a dataset or own pictures; by default what it was trained on. Images that nothing was trained on are
            taken where there are such.
        boxes: a file of boxes drawn by hand around a part, named after it.
        count, layer, seed, data_dir, most: as in `Subject`.

    Raises:
        InputError: nobody says which images to show it, they cannot be had, the layer does not exist, or the boxes
            cannot be read.
    """
    beside = trained.file.with_name("generator.keras")
    files = {"discriminator": trained.file} | ({"generator": beside} if beside.is_file() else {})
    load = {"discriminator": load_network, "generator": load_generator}
    networks = {player: load[player](file) for player, file in files.items()}
    digests = {player: digest(file) for player, file in files.items()}  # at once: a training may write others
    discriminator = networks["discriminator"]
    # Before any image is read: what is wrong is said at once.
    fixed_discriminator(discriminator).convolution(layer)
    drawn = boxes and {Path(boxes).stem: read_boxes(boxes, BOXED, discriminator.input_shape[1])}
    trained, data = with_data(trained, data, data_dir)
    return Subject(
        title=trained.title,
        discriminator=discriminator,
        generator=networks.get("generator"),
        data=_true_images(trained, data, discriminator.input_shape[1], max(SEARCHED, count), data_dir),
        experiment=trained.experiment,
        count=count,
        layer=layer,
        seed=seed,
        run=trained.run,
        data_dir=data_dir,
        boxes=drawn,
        most=most,
        digests=digests,
    )


def _true_images(trained: TrainedNetwork, data: str | None, size: int, most: int, data_dir: Path | None) -> Dataset:
    """Images that nothing was trained on, if there are such, else those that there are; at most so many."""
    own = trained.experiment and trained.experiment.data
    name = data or (own and own.name)
    if name is None:
        raise InputError(f"{trained.title} belongs to no run, so say which images to show it: --data NAME|FOLDER.")
    if own and name == own.name:
        apart = unseen(own, size, most, data_dir=data_dir)
        if apart is not None and len(apart) >= REFERENCE:
            return apart
    how = reading(own) if own and name == own.name else {}
    there = () if how.get("split") == ALL else available_splits(name, data_dir, how.get("rules", DataConfig.rules))
    how |= {"split": next((split for split in SPLITS if split in there), "train")}
    count = source_there(name, size, (most + 1,), data_dir=data_dir, **how).describe().count
    return load(name, size, most if count > most else None, data_dir=data_dir, **how)
