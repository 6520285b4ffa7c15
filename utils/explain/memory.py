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
they and the held-out images need not be alike: look at its control.

Two controls go through the same steps: a generator that copies by construction, which has to be caught, and true images
in the place of samples, which must not be.

Reference:
    Meehan, Chaudhuri, Dasgupta: A Non-Parametric Test to Detect Data-Copying in Generative Models (arXiv:2004.05675).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from keras import layers
from scipy.stats import binomtest

from utils import viz
from utils.data import scale, scale_back
from utils.errors import InputError
from utils.evaluation.distances import nearest_neighbours
from utils.explain.draw import sheet
from utils.explain.fixed import fixed_discriminator
from utils.figure import new_figure, write_figure
from utils.models import forward
from utils.sampling import fake_samples_generator, make_latent_samples

LEAST_SAMPLES, LEAST_HELD_OUT = 100, 400  # a quarter of the held-out images is compared with: at least 100
COPIED = 100  # training images that the copying control knows; it draws so many samples
ONE_IN = 100  # a picture is close if no more than one in so many held-out images is as close
CAUGHT = -3.0  # standard deviations; without copying Z comes out below once in 700 cases
REPLICATES = 1000  # of a bootstrap
CONFIDENCE = 0.95
_PART = 2048  # images whose features are held at once
_REFERENCE = 256  # training images that fix the discriminator's batch statistics

# Streams of random numbers that must not depend on each other carry a number of their own beside the seed.
_CHOICE, _CONTROL, _BOOTSTRAP = 1, 2, 3

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
class Nearest:
    """The nearest images of N pictures, among the training images and among the held-out images beside them.

    Attributes:
        rows, distances: which training image is nearest, int64 (N,), and how far it is, float64 (N,) (Euclidean; pixels
            in [0, 255]).
        beside_rows, beside_distances: the same of the held-out images.
    """

    rows: np.ndarray
    distances: np.ndarray
    beside_rows: np.ndarray
    beside_distances: np.ndarray

    @property
    def relative(self) -> np.ndarray:
        """Distance to the nearest training image as a part of both distances, float64 (N,) in [0, 1]: 0 for a copy, 0.5
        halfway between the two sets."""
        both = self.distances + self.beside_distances
        return np.divide(self.distances, both, out=np.full(len(both), 0.5), where=both > 0)


@dataclass(frozen=True)
class Interval:
    """A measured value and its interval, 95%."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Copying:
    """Whether some pictures are copies of training images.

    Attributes:
        copied: estimated share of copies. 0: none; below 0: by chance, or the held-out images are favoured.
        z: how far it is from 0 in standard deviations, negative for copies, if training and held-out images are
            exchangeable.
        close: share of pictures whose relative distance is among the smallest hundredth of held-out images. 0.01: no
            difference.
        further: probability that a picture is further from its nearest training image than a held-out image is from
            its own, ties counting half. 0.5: no difference, near 0: copies, or blurred or typical pictures; above 0.5:
            unlike true images.
        further_z: the same as Mann and Whitney's standardised statistic, which is Meehan et al.'s Z.
    """

    copied: Interval
    z: float
    close: Interval
    further: Interval
    further_z: float

    @property
    def caught(self) -> bool:
        """Whether anything speaks for copies; `verdict` says what."""
        return self._copies or self.further_z < CAUGHT

    @property
    def verdict(self) -> str:
        """What it comes to, in words."""
        if self._copies:
            return "copies"
        if self.caught:
            return "nearer to training images than true images are, as copies or as blurred, typical or few pictures"
        return "no sign of copies"

    @property
    def _copies(self) -> bool:
        """Z is below CAUGHT, or the whole interval of the share that is close is above twice what is expected."""
        return self.z < CAUGHT or self.close.low > 2 / ONE_IN

    def __str__(self) -> str:
        copied, close, further = self.copied, self.close, self.further
        return (
            f"copied {copied.value:.0%} ({copied.low:.0%} to {copied.high:.0%}), Z {self.z:+.1f}; "
            f"close {close.value:.1%} ({close.low:.1%} to {close.high:.1%}); "
            f"further {further.value:.2f} ({further.low:.2f} to {further.high:.2f}), Z {self.further_z:+.1f}"
        )


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
            for group, found in space.copying.items():
                row = {"space": space.title, "pictures": GROUPS[group], "count": len(self.images[group])}
                for name, value in vars(found).items():
                    interval = isinstance(value, Interval)
                    row |= {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high} if interval else {}
                    row |= {} if interval else {name: value}
                rows.append(row | {"caught": found.caught, "verdict": found.verdict})
        return rows


def memorisation(
    generator: Callable,
    discriminator: keras.Model,
    train_images: np.ndarray,
    held_out_images: np.ndarray,
    *,
    extractor: Features,
    samples: int = 1000,
    seed: int = 0,
    latents: str = "normal",
) -> Memorisation:
    """Look for copies of training images among fake samples.

    Args:
        generator: latents -> float (N, S, S, 3) in [-1, 1]; a Keras model, or any callable, which is given latents of
            length 100 if it has no `input_shape`.
        discriminator: the network that it was trained against; its features are the activations of its last
            convolution, normalised as for a batch of true images.
        train_images: uint8 (M, S, S, 3) in [0, 255], what the generator was trained on; a memory map will do.
        held_out_images: uint8 (H, S, S, 3), true images from the same source that it never saw. A quarter is compared
            with, a quarter is the control that must not be caught, at most `samples` of each; the others are looked up
            beside the training images. The more of them, the smaller a share of copies can be seen.
        extractor: the fixed network (see `evaluation.features`), with a `name`.
        samples: how many fake samples.
        seed: decides latents, the choice of held-out images, the copying control and the bootstraps.
        latents: distribution of the latents that the generator was trained on, "normal" or "uniform".

    Raises:
        InputError: images that are no uint8 arrays of the generator's size, or too few of them.
    """
    if samples < LEAST_SAMPLES:
        raise InputError(f"Looking for copies needs at least {LEAST_SAMPLES} samples. Received: {samples}.")
    drawn, _ = fake_samples_generator(generator, make_latent_samples(samples, _latent_dim(generator), seed, latents))
    fake = scale_back(drawn)
    _check("train_images", train_images, fake.shape[1:], 1)
    _check("held_out_images", held_out_images, fake.shape[1:], LEAST_HELD_OUT)

    quarter = min(samples, len(held_out_images) // 4)
    order = np.random.default_rng([seed, _CHOICE]).permutation(len(held_out_images))
    held_out, fresh, beside = (
        held_out_images[np.sort(rows)] for rows in np.split(order, [quarter, 2 * quarter])
    )  # sorted, as memory maps like it
    copies, copied = _copies(train_images, seed)
    images = {"fake": fake, "held_out": held_out, "copies": copies, "fresh": fresh}
    reference = train_images[:: max(1, len(train_images) // _REFERENCE)][:_REFERENCE]
    features = {
        "pixels": ("pixels", _flat),
        "discriminator": ("the discriminator's last convolution", _last_convolution(discriminator, reference)),
        "fixed": (getattr(extractor, "name", "fixed features"), extractor),
    }
    spaces = {name: _space(title, of, images, train_images, beside, seed) for name, (title, of) in features.items()}
    return Memorisation(spaces, images, train_images, len(beside), copied)


def share_copied(nearest: Nearest, trained: int, beside: int, seed: int = 0) -> tuple[Interval, float]:
    """Estimate the share of copies from where the nearest images of pictures are.

    If a share c is copied and of the others each image is as likely to be the nearest, the nearest is a held-out one in
    (1 - c) * beside / (trained + beside) of the cases. Z compares the number of these cases with what it would be if
    the names of training and held-out images were dealt out anew, which is known in closed form. Pictures that share a
    nearest image are not independent, so the interval comes from a bootstrap of images, not of pictures: each goes in,
    with all pictures that it is nearest to, a Poisson-distributed number of times. It is wide where a generator draws
    few different pictures. A tie counts as held-out.

    Args:
        nearest: of the pictures that are asked about.
        trained, beside: how many training images there are, and how many held-out images beside them.
        seed: of the bootstrap.

    Returns:
        The share, and Z.
    """
    count, total = len(nearest.rows), trained + beside
    is_beside = nearest.beside_distances <= nearest.distances
    of_train = np.unique(nearest.rows[~is_beside], return_counts=True)[1]
    of_beside = np.unique(nearest.beside_rows[is_beside], return_counts=True)[1]
    expected = beside / total
    squares = (of_train**2).sum() + (of_beside**2).sum()
    deviation = np.sqrt(trained * beside / (total * (total - 1)) * (squares - count**2 / total))

    random = np.random.default_rng([seed, _BOOTSTRAP])
    train_drawn, beside_drawn = (
        random.poisson(1, (REPLICATES, len(counts))) @ counts for counts in (of_train, of_beside)
    )
    drawn = beside_drawn / np.maximum(train_drawn + beside_drawn, 1)
    share = _interval(float(is_beside.mean()), drawn, round(count**2 / squares))  # Kish's effective number of images
    copied = Interval(*(1 - end / expected for end in (share.value, share.high, share.low)))
    return copied, float((is_beside.sum() - count * expected) / deviation)


def share_close(relative: np.ndarray, held_out: np.ndarray, seed: int = 0) -> Interval:
    """Share of pictures that are as close as the closest hundredth of held-out images, and its bootstrap interval.

    Args:
        relative: float (N,), relative distances of the pictures that are asked about.
        held_out: float (M,), those of held-out true images.
        seed: of the bootstrap, which draws both anew.
    """
    random = np.random.default_rng([seed, _BOOTSTRAP])
    times, others = (_resampled(len(values), random) for values in (relative, held_out))
    order = np.argsort(held_out, kind="stable")
    enough = others[:, order].cumsum(1) * ONE_IN >= len(held_out)
    marks = held_out[order][enough.argmax(1)]
    drawn = (times * (relative <= marks[:, None])).sum(1) / len(relative)
    return _interval(float(np.mean(relative <= closest_hundredth(held_out))), drawn, len(relative))


def closest_hundredth(held_out: np.ndarray) -> float:
    """The relative distance up to which a picture counts as close."""
    return float(np.sort(held_out)[-(-len(held_out) // ONE_IN) - 1])


def how_much_further(distances: np.ndarray, held_out: np.ndarray, seed: int = 0) -> tuple[Interval, float]:
    """Meehan et al.'s test in the whole space: are pictures further from the training images than held-out ones?

    The bootstrap draws both sets of distances anew. The training images stay as they are: it is about these that
    copying is asked, and given them the distances of each set are independent, as the bootstrap needs.

    Args:
        distances: float (N,), to the nearest training image, of the pictures that are asked about.
        held_out: float (M,), of held-out true images.
        seed: of the bootstrap.

    Returns:
        The probability, and Z.
    """
    count, others = len(distances), len(held_out)
    random = np.random.default_rng([seed, _BOOTSTRAP])
    order = np.argsort(held_out, kind="stable")
    least, most = (np.searchsorted(held_out[order], distances, side) for side in ("left", "right"))
    value = float((least + most).mean() / (2 * others))
    times = _resampled(count, random)
    below = np.pad(_resampled(others, random)[:, order].cumsum(1), ((0, 0), (1, 0)))  # of the first 0, 1, … in order
    drawn = (times * (below[:, least] + below[:, most])).sum(1) / (2 * count * others)
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]).tolist()
    return Interval(value, low, high), float((value - 0.5) * np.sqrt(12 * count * others / (count + others + 1)))


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


def draw_neighbours(record: Memorisation, folder: str | Path, shown: int = 5) -> list[Path]:
    """Draw samples beside their nearest training images, held-out images likewise, and the distances.

    Args:
        record: what `memorisation` found.
        folder: where to write.
        shown: how many pictures are shown as they come; as many again are those with the smallest relative distance in
            the fixed feature space.

    Returns:
        neighbours_fake.png, neighbours_held_out.png, distances.png.
    """
    files = []
    for group, title in (("fake", "fake sample"), ("held_out", "held-out image")):
        closest = np.argsort(record.spaces["fixed"].nearest[group].relative, kind="stable")[:shown]
        rows = np.concatenate([np.arange(shown), closest])
        headings = {
            "pixels": "nearest in\npixels",
            "discriminator": "nearest to the\ndiscriminator",
            "fixed": "nearest in fixed\nfeatures",
        }
        columns = {title: record.images[group][rows]}
        for name, space in record.spaces.items():
            nearest = space.nearest[group].rows[rows]
            columns[headings[name]] = np.stack([record.train_images[row] for row in nearest])
        labels = [f"{kind} {i}" for kind in ("number", "closest") for i in range(1, shown + 1)]
        files.append(Path(folder) / f"neighbours_{group}.png")
        viz.write_png(files[-1], sheet(columns, labels))
    return [*files, _draw_distances(record, Path(folder) / "distances.png")]


# --- looking up -------------------------------------------------------------------------------------------------------


def _space(
    title: str, features: Features, images: dict, train_images: np.ndarray, beside: np.ndarray, seed: int
) -> Space:
    """Look up every group of pictures in one space, and compare."""
    queries = np.concatenate([part for group in images.values() for part in _in_parts(group, features)])
    found = (*_look_up(queries, train_images, features), *_look_up(queries, beside, features))
    ends = np.cumsum([len(group) for group in images.values()])[:-1]
    nearest = {group: Nearest(*arrays) for group, *arrays in zip(images, *(np.split(values, ends) for values in found))}
    others = nearest["held_out"]
    copying = {
        group: Copying(
            *share_copied(one, len(train_images), len(beside), seed),
            share_close(one.relative, others.relative, seed),
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
        found = nearest_neighbours(queries, references)
        closer = found.distances[:, 0] < distances
        rows[closer] = found.rows[closer, 0] + start
        distances[closer] = found.distances[closer, 0]
    return rows, distances


def _in_parts(images: np.ndarray, features: Features) -> Iterator[np.ndarray]:
    for start in range(0, len(images), _PART):
        yield features(np.asarray(images[start : start + _PART]))


def _flat(values: np.ndarray) -> np.ndarray:
    return values.reshape(len(values), -1)


def _last_convolution(discriminator: keras.Model, reference: np.ndarray) -> Features:
    """The activations of the discriminator's last convolution, as a function of one image alone."""
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
    random = np.random.default_rng([seed, _CONTROL])
    known = np.sort(random.choice(len(train_images), min(COPIED, len(train_images)), replace=False))
    network = copying_generator(train_images[known], seed=seed)
    latents = make_latent_samples(COPIED, network.input_shape[-1], random)
    drawn, _ = fake_samples_generator(network, latents)
    return scale_back(drawn), known[np.argmax(latents @ network.get_weights()[0], axis=1)]


def _latent_dim(generator: Callable) -> int:
    return getattr(generator, "input_shape", (None, 100))[-1]


def _check(name: str, images: np.ndarray, shape: tuple[int, ...], least: int) -> None:
    if images.dtype != np.uint8 or images.shape[1:] != shape or len(images) < least:
        raise InputError(
            f"{name} must be at least {least} uint8 images in [0, 255] of shape (N, {', '.join(map(str, shape))}), the "
            f"size that the generator draws. Received: {images.dtype} {images.shape}."
        )


# --- intervals --------------------------------------------------------------------------------------------------------


def _resampled(count: int, random: np.random.Generator) -> np.ndarray:
    """How often each of `count` values is in each replicate of a bootstrap: int64 (REPLICATES, count)."""
    rows = random.integers(count, size=(REPLICATES, count)) + count * np.arange(REPLICATES)[:, None]
    return np.bincount(rows.ravel(), minlength=REPLICATES * count).reshape(REPLICATES, count)


def _interval(share: float, drawn: np.ndarray, count: int) -> Interval:
    """A share with the percentiles of its bootstrap, at least as wide as Wilson's interval of a share of so many: where
    nothing or everything counts, a bootstrap has no width."""
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]).tolist()
    wilson = binomtest(round(share * count), count).proportion_ci(CONFIDENCE, "wilson")
    return Interval(share, min(low, float(wilson.low)), max(high, float(wilson.high)))


# --- pictures ---------------------------------------------------------------------------------------------------------


def _draw_distances(record: Memorisation, file: Path) -> Path:
    """Histograms of both kinds of distance in each space, with the mark up to which a picture counts as close."""
    figure = new_figure(13, 7.2)
    rows = figure.subplots(2, 3)
    for (above, below), space in zip(rows.T, record.spaces.values()):
        copied, close, further = str(space.copying["fake"]).split("; ")
        _histogram(above, {group: nearest.relative for group, nearest in space.nearest.items()})
        above.set_title(f"{space.title}\nfake samples: {copied},\n{close}", fontsize=8)
        above.set_xlabel("relative distance to the nearest training image")
        mark = closest_hundredth(space.nearest["held_out"].relative)
        above.axvline(mark, color="black", linestyle=":", linewidth=1, label="closest 1% of held-out")
        _histogram(below, {group: nearest.distances for group, nearest in space.nearest.items()})
        below.set_title(f"fake samples: {further}", fontsize=8)
        below.set_xlabel("distance to the nearest training image")
    figure.legend(*rows[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=8)
    return write_figure(file, figure)


def _histogram(axes, values: dict[str, np.ndarray]) -> None:
    styles = {"held_out": ("C0", 0.55), "fresh": ("C2", 0), "fake": ("C1", 0.55), "copies": ("C3", 0)}
    bins = np.linspace(0, max(group.max() for group in values.values()), 60)
    for group, (colour, opacity) in styles.items():
        kind = {"histtype": "stepfilled", "alpha": opacity} if opacity else {"histtype": "step", "linewidth": 1.4}
        weights = np.full(len(values[group]), 1 / len(values[group]))
        axes.hist(values[group], bins, weights=weights, color=colour, label=GROUPS[group], **kind)
    axes.set(ylabel="share of pictures", yscale="log")
    axes.grid(alpha=0.25)
