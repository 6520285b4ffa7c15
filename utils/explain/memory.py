"""Does the generator copy its training images?

A generator that copies draws pictures that lie closer to its training images than new pictures of the same kind would.
So held-out true images, which it has never seen, are looked up beside the training images:

- The share that is copied. Training and held-out images are draws from one source, so for a picture that is no copy
  each of them is as likely to be the nearest as any other. Of copies the nearest is a training image. Blurred, noisy or
  typical pictures change nothing here: what moves them towards training images moves them towards held-out ones too.
- The share that is close. A few copies among many samples hardly change the share above, but each of them is far closer
  to a training image than to any held-out one; so close as other true images hardly ever are.
- How much further samples are from the training images than other true images are: Meehan et al.'s test. Its Z far
  below 0 says copying, but it also does so of blurred and of typical pictures, and of a generator that draws few
  different ones; far above 0 it says that samples are unlike true images. So by itself it is no more than a suspicion.

All of this is asked in three spaces: pixels, features of the discriminator, and features of a fixed network that had no
part in the training. The discriminator has seen the training images and may have learnt them by heart, so in its space
they and the held-out images need not be alike: look at its control. The classifier of a dataset, such as that of the
built-in faces, has seen training images, too, but it has learnt only what is known of them.

Two controls go through the same steps: a generator that copies by construction, which has to be caught, and true images
in the place of samples, which must not be. The statistics, and their source, are in `evaluation.copying`; how small a
share of copies each of them sees, `evaluation.audit` measures.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers

from utils.data import scale, scale_back
from utils.errors import InputError
from utils.evaluation.copying import Copying, Nearest, chance_of_close, how_much_further, share_close, share_copied
from utils.evaluation.distances import nearest_neighbours
from utils.explain.fixed import fixed_discriminator
from utils.intervals import Interval
from utils.models import forward
from utils.sampling import Sampler
from utils.streams import stream

SAMPLES = 1000  # of the generator, where nothing else is asked for
LEAST_SAMPLES, LEAST_HELD_OUT = 100, 400  # a quarter of the held-out images is compared with: at least 100
COPIED = 100  # training images that the copying control knows; it draws so many samples
_PART = 2048  # images whose features are held at once
_REFERENCE = 256  # training images that fix the discriminator's batch statistics

Features = Callable[[np.ndarray], np.ndarray]
"""uint8 (N, S, S, 3) in [0, 255] -> (N, D)."""

GROUPS = {
    "fake": "fake samples",
    "held_out": "held-out true images",
    "copies": f"copies of {COPIED} training images",
    "fresh": "more held-out images",
}
"""The groups of pictures that are looked up: what is asked about, what it is compared with, and the controls that must
and must not be caught."""


@dataclass(frozen=True)
class Space:
    """What was found in one space.

    Attributes:
        title: what the space is.
        nearest: the nearest images of each of GROUPS.
        copying: for each of GROUPS but "held_out", what follows.
    """

    title: str
    nearest: dict[str, Nearest]
    copying: dict[str, Copying]


@dataclass(frozen=True)
class Memorisation:
    """What `memorisation` found.

    Attributes:
        spaces: by "pixels", "discriminator" and "fixed".
        images: for each of GROUPS the pictures, uint8 (N, S, S, 3).
        train_images: uint8 (M, S, S, 3), the training images.
        beside: how many held-out images were looked up beside them.
        copied: int64 (COPIED,), which training image each picture of "copies" is a copy of.
    """

    spaces: dict[str, Space]
    images: dict[str, np.ndarray]
    train_images: np.ndarray
    beside: int
    copied: np.ndarray

    def table(self) -> list[dict]:
        """One row for each space and group, of plain values: "space", "pictures", "count", the values of `Copying`
        with their intervals, "caught" and "verdict"."""
        rows = []
        for space in self.spaces.values():
            for group, copying in space.copying.items():
                row = {"space": space.title, "pictures": GROUPS[group], "count": len(self.images[group])}
                for name, value in vars(copying).items():
                    row |= value.columns(name) if isinstance(value, Interval) else {name: value}
                rows.append(row | {"caught": copying.caught, "verdict": copying.verdict})
        return rows


def memorisation(
    sampler: Sampler,
    discriminator: keras.Model,
    train_images: np.ndarray,
    held_out_images: np.ndarray,
    *,
    extractor: Features,
    samples: int = SAMPLES,
    seed: int = 0,
) -> Memorisation:
    """Look for copies of training images among fake samples.

    Args:
        sampler: draws the fake samples.
        discriminator: the network that it was trained against; its features are the activations of its last
            convolution, normalised as for a batch of true images.
        train_images: uint8 (M, S, S, 3) in [0, 255], what the generator was trained on; a memory map will do.
        held_out_images: uint8 (H, S, S, 3), true images from the same source that it never saw. A quarter is compared
            with, a quarter is the control that must not be caught, at most `samples` of each; the others are looked up
            beside the training images. The more of them, the smaller a share of copies can be seen.
        extractor: the fixed network (see `evaluation.features`), with a `name`.
        samples: how many fake samples.
        seed: decides latents, the choice of held-out images, the copying control and the bootstraps.

    Raises:
        InputError: images that are no uint8 arrays of the generator's size, or too few of them.
    """
    if samples < LEAST_SAMPLES:
        raise InputError(f"Looking for copies needs at least {LEAST_SAMPLES} samples. Received: {samples}.")
    fake = sampler.draw(samples, seed)
    _check("train_images", train_images, fake.shape[1:], 1)
    _check("held_out_images", held_out_images, fake.shape[1:], LEAST_HELD_OUT)

    quarter = min(samples, len(held_out_images) // 4)
    order = stream(seed, "memory: held-out images").permutation(len(held_out_images))
    held_out, fresh, beside = (
        held_out_images[np.sort(rows)] for rows in np.split(order, [quarter, 2 * quarter])
    )  # sorted, as memory maps like it
    copies, copied = _copies(train_images, seed)
    images = {"fake": fake, "held_out": held_out, "copies": copies, "fresh": fresh}
    features = {
        "pixels": ("pixels", _flat),
        "discriminator": ("the discriminator's last convolution", last_convolution(discriminator, train_images)),
        "fixed": (getattr(extractor, "name", "fixed features"), extractor),
    }
    spaces = {name: _space(title, of, images, train_images, beside, seed) for name, (title, of) in features.items()}
    return Memorisation(spaces, images, train_images, len(beside), copied)


def copying_generator(images: np.ndarray, latent_dim: int = 100, seed: int = 0) -> keras.Sequential:
    """A generator that copies by construction: whatever the latents, it draws one of the images it knows.

    Each image has a latent of its own, and the one whose latent points most nearly the same way is drawn: two dense
    layers, the first with the latents as weights, the second with the images, and a very sharp softmax between them.

    Args:
        images: uint8 (N, S, S, 3), what it knows.
        latent_dim: length of its latents.
        seed: decides which latents belong to the images.

    Shapes:
        float32 (B, latent_dim) -> float32 (B, S, S, 3) in [-1, 1], as any generator.
    """
    own = np.random.default_rng(seed).standard_normal((latent_dim, len(images)))
    own *= 1e6 / np.linalg.norm(own, axis=0)  # so sharp that the softmax is 1 for one image and 0 for the others
    network = keras.Sequential(
        [
            keras.Input((latent_dim,), name="latents"),
            layers.Dense(len(images), "softmax", use_bias=False),
            layers.Dense(images[0].size, use_bias=False),
            layers.Reshape(images.shape[1:]),
        ],
        name="copying",
    )
    network.set_weights([own, scale(np.asarray(images)).reshape(len(images), -1)])
    return network


# --- looking up -------------------------------------------------------------------------------------------------------


def _space(
    title: str, features: Features, images: dict, train_images: np.ndarray, beside: np.ndarray, seed: int
) -> Space:
    """Look up every group of pictures in one space, and compare."""
    queries = np.concatenate([part for group in images.values() for part in _in_parts(group, features)])
    nearest = (*_look_up(queries, train_images, features), *_look_up(queries, beside, features))
    ends = np.cumsum([len(group) for group in images.values()])[:-1]
    of_groups = zip(images, *(np.split(values, ends) for values in nearest))
    nearest = {group: Nearest(*arrays) for group, *arrays in of_groups}
    others = nearest["held_out"]
    copying = {
        group: Copying(
            *share_copied(one, len(train_images), len(beside), seed),
            share_close(one.relative, others.relative, seed),
            chance_of_close(one.relative, others.relative),
            *how_much_further(one.distances, others.distances, seed),
        )
        for group, one in nearest.items()
        if group != "held_out"
    }
    return Space(title, nearest, copying)


def _look_up(queries: np.ndarray, images: np.ndarray, features: Features) -> tuple[np.ndarray, np.ndarray]:
    """The nearest of the images and its distance, for each query; features of images are made a part at a time."""
    rows, distances = np.zeros(len(queries), np.int64), np.full(len(queries), np.inf)
    for start, references in zip(range(0, len(images), _PART), _in_parts(images, features)):
        nearest = nearest_neighbours(queries, references)
        closer = nearest.distances[:, 0] < distances
        rows[closer] = nearest.rows[closer, 0] + start
        distances[closer] = nearest.distances[closer, 0]
    return rows, distances


def _in_parts(images: np.ndarray, features: Features) -> Iterator[np.ndarray]:
    for start in range(0, len(images), _PART):
        yield features(np.asarray(images[start : start + _PART]))


def _flat(values: np.ndarray) -> np.ndarray:
    return values.reshape(len(values), -1)


def last_convolution(discriminator: keras.Model, train_images: np.ndarray) -> Features:
    """The activations of the discriminator's last convolution, as a function of one image alone.

    Args:
        discriminator: the network.
        train_images: uint8 (M, S, S, 3); some of them fix the statistics of batch normalisation.
    """
    reference = train_images[:: max(1, len(train_images) // _REFERENCE)][:_REFERENCE]
    fixed = fixed_discriminator(discriminator, reference)
    body = fixed.body(fixed.convolution("last"))

    def features(images: np.ndarray) -> np.ndarray:
        batches = (scale(images[start : start + 256]) for start in range(0, len(images), 256))
        return np.concatenate(
            [_flat(np.asarray(forward(body, batch, training=False), np.float32)) for batch in batches]
        )

    return features


def _copies(train_images: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Samples of the copying control, and which training image each is a copy of."""
    random = stream(seed, "memory: copying control")
    known = np.sort(random.choice(len(train_images), min(COPIED, len(train_images)), replace=False))
    network = copying_generator(train_images[known], seed=seed)
    sampler = Sampler.of(network)
    latents = sampler.make_latents(COPIED, random)
    return scale_back(sampler.images(latents)), known[np.argmax(latents @ network.get_weights()[0], axis=1)]


def _check(name: str, images: np.ndarray, shape: tuple[int, ...], least: int) -> None:
    if images.dtype != np.uint8 or images.shape[1:] != shape or len(images) < least:
        raise InputError(
            f"{name} must be at least {least} uint8 images in [0, 255] of shape (N, {', '.join(map(str, shape))}), the "
            f"size that the generator draws. Received: {images.dtype} {images.shape}."
        )
