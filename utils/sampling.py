"""True samples, fake samples and the latents that fake samples are made from.

"True" means real, from a dataset, and "fake" made by a generator: the words of the report that this project started
from, everywhere in it. They say where a sample comes from, never what the discriminator thinks of it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from utils.config import Experiment, ModelConfig
from utils.data import scale, scale_back
from utils.data.conditions import grid_rows
from utils.errors import InputError


def make_latent_samples(
    count: int, latent_dim: int, seed: int | np.random.Generator = 0, distribution: str = "normal"
) -> np.ndarray:
    """Draw latents, the generator's input.

    Args:
        count: how many.
        latent_dim: length of each.
        seed: a seed, or a NumPy generator that is drawn from.
        distribution: "normal" for N(0, 1), "uniform" for U(-1, 1) (the paper's).

    Returns:
        float32 (count, latent_dim).

    Raises:
        InputError: another distribution, or a count below 1.
    """
    if count < 1:
        raise InputError(f"count must be at least 1. Received: {count}.")
    random = np.random.default_rng(seed)
    if distribution == "normal":
        return random.standard_normal((count, latent_dim), dtype=np.float32)
    if distribution == "uniform":
        return random.random((count, latent_dim), dtype=np.float32) * 2 - 1
    raise InputError(f"distribution must be 'normal' or 'uniform'. Received: {distribution!r}.")


def true_samples_generator(
    images: np.ndarray, count: int, seed: int | np.random.Generator = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Draw images from a dataset, all different, with the label of true samples.

    Args:
        images: uint8 (N, H, W, 3) in [0, 255]; a memory map will do.
        count: how many; at most N.
        seed: a seed, or a NumPy generator that is drawn from.

    Returns:
        float32 (count, H, W, 3) in [-1, 1], and float32 (count, 1) of ones.

    Raises:
        InputError: more samples asked for than there are images, or a count below 1.
    """
    if not 1 <= count <= len(images):
        raise InputError(f"count must lie between 1 and the number of images. Received: {count} of {len(images)}.")
    rows = np.random.default_rng(seed).choice(len(images), count, replace=False)
    return scale(images[rows]), np.ones((count, 1), np.float32)


def fake_samples_generator(
    generator: Callable, latents: np.ndarray, batch_size: int = 256, conditions: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Let a generator draw images from latents, in inference mode, with the label of fake samples.

    Args:
        generator: a Keras model, or any callable that takes latents and gives images.
        latents: float32 (N, latent_dim), as `make_latent_samples` gives them.
        batch_size: latents per call; decides speed and memory, not the result.
        conditions: (N, ...) for a conditional generator, which is then called with [latents, conditions].

    Returns:
        float32 (N, H, W, 3) in [-1, 1], and float32 (N, 1) of zeros.

    Raises:
        InputError: the latents are not of the length that the generator takes.
    """
    wanted = None if conditions is not None else getattr(generator, "input_shape", (None, None))[-1]
    if latents.ndim != 2 or not len(latents) or wanted not in (None, latents.shape[1]):
        raise InputError(
            f"latents must be an array of shape (N, {wanted or 'latent_dim'}) with N at least 1. "
            f"Received: {latents.shape}."
        )
    starts = range(0, len(latents), batch_size)
    batches = [latents[start : start + batch_size] for start in starts]
    if conditions is not None:
        batches = [[batch, conditions[start : start + batch_size]] for start, batch in zip(starts, batches)]
    # Calling a Keras model runs it in inference mode; `predict` would print and retrace for nothing here.
    images = np.concatenate([np.asarray(generator(batch), np.float32) for batch in batches])
    return images, np.zeros((len(latents), 1), np.float32)


@dataclass(frozen=True)
class Sampler:
    """The one way to draw samples from a generator: it knows what the generator takes.

    Attributes:
        generator: a Keras model, or any callable that takes latents, or [latents, conditions].
        latent_dim: length of its latents.
        latents: their distribution, "normal" or "uniform".
        conditions: what a conditional generator takes beside the latents, float32 (M, C): rows are drawn from it. One
            row is the condition of all pictures. None for a generator that takes latents alone.
    """

    generator: Callable
    latent_dim: int
    latents: str = "normal"
    conditions: np.ndarray | None = None

    @classmethod
    def of(
        cls, generator: Callable, experiment: Experiment | None = None, conditions: np.ndarray | None = None
    ) -> "Sampler":
        """A generator as it was trained; N(0, 1) latents where that is not known.

        Args:
            generator: the network.
            experiment: how it was trained.
            conditions: (M, C), what a conditional one is to draw for; another draws as if there were none.

        Raises:
            InputError: it is conditional, and nobody says what it is to draw.
        """
        conditional = experiment.model.is_conditional if experiment else isinstance(generator.input_shape, list)
        if not conditional:
            conditions = None
        elif conditions is None:
            raise InputError("This generator is conditional: what it is to draw must be said, and is not known here.")
        else:
            conditions = np.asarray(conditions, np.float32)
        if experiment:
            return cls(generator, experiment.model.latent_dim, experiment.model.latents, conditions)
        shape = generator.input_shape
        return cls(generator, shape[0][-1] if conditional else shape[-1], conditions=conditions)

    def make_latents(self, count: int, seed: int | np.random.Generator = 0) -> np.ndarray:
        """Latents as the generator was trained on: float32 (count, latent_dim)."""
        return make_latent_samples(count, self.latent_dim, seed, self.latents)

    def draw(self, count: int, seed: int | np.random.Generator = 0) -> np.ndarray:
        """Draw pictures.

        Args:
            count: how many.
            seed: of the latents (and of the choice among the conditions), or a NumPy generator that is drawn from.

        Returns:
            uint8 (count, H, W, 3) in [0, 255].
        """
        return scale_back(self.images(*self.inputs(count, seed)))

    def inputs(self, count: int, seed: int | np.random.Generator = 0) -> tuple[np.ndarray, np.ndarray | None]:
        """What `draw` sends through the generator: latents, and conditions where it takes any."""
        random = np.random.default_rng(seed)
        latents = self.make_latents(count, random)
        if self.conditions is None:
            return latents, None
        return latents, self.conditions[random.integers(0, len(self.conditions), count)]

    def row_by_row(self, model: ModelConfig, latents: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
        """Pictures with a row for each class, or of images that have each attribute; see `conditions.grid_rows`.

        Args:
            model: the `.model` section of the experiment.
            latents: float32 (columns, latent_dim), the same in each row.

        Returns:
            uint8 (rows * columns, H, W, 3) in [0, 255], and what to write beside each row.
        """
        conditions, names = grid_rows(model, self.conditions, len(latents))
        return scale_back(self.images(np.tile(latents, (len(names), 1)), conditions)), names

    def rows_of(self, conditions: np.ndarray, latents: np.ndarray) -> np.ndarray:
        """Pictures with a row for each condition, float32 (R, C), of the same latents, (columns, latent_dim).

        Returns:
            uint8 (R * columns, H, W, 3) in [0, 255].
        """
        tiled = np.tile(latents, (len(conditions), 1))
        return scale_back(self.images(tiled, conditions.repeat(len(latents), 0)))

    def images(self, latents: np.ndarray, conditions: np.ndarray | None = None) -> np.ndarray:
        """What the generator makes of latents (and conditions, a row each): float32 (N, H, W, 3) in [-1, 1].

        Raises:
            InputError: it is conditional, no conditions are given, and it is not told one for all.
        """
        if conditions is None and self.conditions is not None:
            if len(self.conditions) > 1:
                raise InputError(
                    "This generator is conditional, and all pictures must be of one condition here: name one with "
                    "--label, or all of its --attributes."
                )
            conditions = np.broadcast_to(self.conditions, (len(latents), self.conditions.shape[1]))
        return fake_samples_generator(self.generator, latents, conditions=conditions)[0]
