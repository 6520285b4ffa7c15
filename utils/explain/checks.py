"""Do the maps mean anything? Three checks, each beside what it would give by chance.

- Randomisation: a map that explains what the network has learnt must change when the weights become random. How much
  is told by the size of the correlation: with a random head a map that has a sign is turned over as often as not, so
  that its correlation is zero on average whatever the map shows.
- Deletion and insertion: what a map calls important must move the score more than what the map of another image calls
  important. Pixels drawn at random are no control: they lie scattered, which looks false by itself.
- Pointing game: where the parts of an image are known exactly, does a map's strongest place lie on one of them?

References:
    Adebayo et al., Sanity Checks for Saliency Maps (arXiv:1810.03292); Petsiuk et al., RISE (arXiv:1806.07421);
    Zhang et al., Top-down Neural Attention by Excitation Backprop (arXiv:1608.00507); for occlusion Zeiler and Fergus,
    Visualizing and Understanding Convolutional Networks (arXiv:1311.2901).
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy import stats
from scipy.special import expit

from utils.data import scale
from utils.errors import InputError
from utils.explain.fixed import FixedDiscriminator, Score, sign_of
from utils.explain.gradcam import enlarge, grad_cam
from utils.explain.guided import score_saliency
from utils.intervals import LEVEL, REPLICATES, Interval, student, told_mean, wilson

DRAWS = 8  # times that random weights are drawn

Method = Callable[[FixedDiscriminator, np.ndarray, Score], np.ndarray]
"""Discriminator, uint8 (N, S, S, 3) and score -> float (N, H, W) maps, high where a pixel speaks for the score."""


def methods(layer: str | int = "last") -> dict[str, Method]:
    """The methods to check, by name.

    Grad-CAM stands without the ReLU of its eq. 2, so that places that speak against the score have an order too.
    "contributions" are those of `gradcam.GradCam`. Of gradients the magnitude counts, summed over the three colours.
    "occlusion" is the control that must pass: it measures what deletion measures, one patch at a time.

    Args:
        layer: the convolution that Grad-CAM and the contributions look at.
    """
    return {
        "Grad-CAM": lambda discriminator, images, score: (
            sign_of(score) * grad_cam(discriminator, images, layer).combination
        ),
        "contributions": lambda discriminator, images, score: (
            sign_of(score) * grad_cam(discriminator, images, layer).contributions
        ),
        "guided backpropagation": lambda discriminator, images, score: _magnitude(
            score_saliency(discriminator, images, score)
        ),
        "gradient": lambda discriminator, images, score: _magnitude(
            score_saliency(discriminator, images, score, guided=False)
        ),
        "occlusion": occlusion,
    }


def occlusion(
    discriminator: FixedDiscriminator, images: np.ndarray, score: Score = "true", places: int = 8
) -> np.ndarray:
    """How much of the logit is lost when a square patch becomes mid grey: float32 (N, places, places).

    Args:
        discriminator: the discriminator.
        images: uint8 (N, S, S, 3) in [0, 255].
        score: "true" for what the logit loses, "fake" for what minus the logit loses.
        places: patches along a side.
    """
    discriminator.check(images)
    original = scale(images)
    edges = np.linspace(0, discriminator.side, places + 1).round().astype(int)
    without = []
    for top, bottom in itertools.pairwise(edges):
        covered = np.stack([original] * places, 1)  # (N, places, S, S, 3): each patch of the row
        for column, (left, right) in enumerate(itertools.pairwise(edges)):
            covered[:, column, top:bottom, left:right] = 0
        without.append(discriminator.logits_of(covered.reshape(-1, *original.shape[1:])).reshape(-1, places))
    lost = discriminator.logits_of(original)[:, None, None] - np.stack(without, 1)
    return sign_of(score) * lost


# --- randomisation ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Randomisation:
    """How maps change as layers lose what they learnt, from the head down, each in the same draw for good.

    Attributes:
        stages: what has been randomised last: "head", then "convolution 4" down to "convolution 1".
        correlations: by method, float (stages, D, N): Spearman rank correlation of each image's map with its map under
            the trained weights, for D draws of random weights. NaN where a map is constant.
        between_images: by method, the mean size of the correlation between the trained maps of different images: what
            a map keeps that has nothing to do with its image.
    """

    stages: tuple[str, ...]
    correlations: dict[str, np.ndarray]
    between_images: dict[str, float]

    def sizes(self, method: str) -> list[Interval]:
        """Of each stage the mean size of the correlations. Each draw is one case, whatever the number of images:
        Student's interval over draws. NaN where too few draws have a map that is not constant."""
        of_draws = known_mean(np.abs(self.correlations[method]), 2)
        return [
            student(known, (0, 1)) if len(known := draws[np.isfinite(draws)]) > 1 else Interval(*[np.nan] * 3)
            for draws in of_draws
        ]


def cascading_randomisation(
    discriminator: FixedDiscriminator, images: np.ndarray, methods: dict[str, Method], draws: int = DRAWS, seed: int = 0
) -> Randomisation:
    """Randomise the layers one after the other, from the head down to the image, and compare each method's maps.

    Args:
        discriminator: the trained discriminator.
        images: uint8 (N, S, S, 3) in [0, 255].
        methods: what to compare, by name.
        draws: how many times the weights are drawn anew.
        seed: decides the random weights.
    """
    discriminator.check(images)
    starts = [discriminator.convolutions[-1].stop] + [c.start for c in reversed(discriminator.convolutions)]
    stages = ("head", *(f"convolution {c.number}" for c in reversed(discriminator.convolutions)))
    trained = {name: method(discriminator, images, "true") for name, method in methods.items()}
    correlations = {name: np.empty((len(stages), draws, len(images))) for name in methods}
    for draw in range(draws):
        for stage, start in enumerate(starts):
            random = discriminator.randomised(draws * seed + draw, start)  # no seed shares draws with another
            for name, method in methods.items():
                correlations[name][stage, draw] = rank_correlation(trained[name], method(random, images, "true"))
    return Randomisation(stages, correlations, {name: _between_images(maps) for name, maps in trained.items()})


def edges(discriminator: FixedDiscriminator, images: np.ndarray, score: Score) -> np.ndarray:
    """How steep an image is at each pixel, float (N, S, S): a "map" that knows no network, and so has to fail."""
    brightness = scale(images).mean(-1)
    return np.hypot(*np.gradient(brightness, axis=(1, 2)))


def rank_correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation of each map of float (N, H, W) with its counterpart: float (N,), NaN if constant."""
    a, b = _standardised_ranks(one), _standardised_ranks(other)
    return (a * b).mean(1)


# --- deletion and insertion -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Curves:
    """How the answer follows as pixels are deleted or inserted, the most important first.

    The curves hold logits. Petsiuk et al. draw probabilities, but a discriminator that is sure of itself has those at 0
    or 1 all along the way; `probability` gives them.

    Attributes:
        score: "true": the logit; "fake": minus the logit.
        fractions: float (T,), share of the pixels that have been changed, from 0 to 1.
        deletion, insertion: float (N, T), the score's logit along the way.
        swapped_deletion, swapped_insertion: float (N, R, T), the same in the order of the maps of R other images.
    """

    score: Score
    fractions: np.ndarray
    deletion: np.ndarray
    insertion: np.ndarray
    swapped_deletion: np.ndarray
    swapped_insertion: np.ndarray

    def probability(self) -> "Curves":
        """The same with probabilities of the score in the place of logits."""
        names = ("deletion", "insertion", "swapped_deletion", "swapped_insertion")
        return replace(self, **{name: expit(getattr(self, name)) for name in names})

    def area(self, name: str) -> np.ndarray:
        """Area under "deletion", "insertion", "swapped_deletion" or "swapped_insertion": their mean height."""
        return np.trapezoid(getattr(self, name), self.fractions, axis=-1)

    def advantage(self, name: str) -> Interval:
        """Area of an image's "deletion" or "insertion" less the mean area with the maps of others, over images.

        Maps that find what matters in their images are below 0 in deletion, and above 0 in insertion. Maps that mark
        the same places in every image are at 0, however much these matter.
        """
        return told_mean(self.area(name) - self.area(f"swapped_{name}").mean(1))


def deletion_insertion(
    discriminator: FixedDiscriminator,
    images: np.ndarray,
    maps: np.ndarray,
    score: Score = "true",
    others: int = 4,
    steps: int = 10,
    seed: int = 0,
) -> Curves:
    """Delete pixels, and insert them, in the order of an image's map, and in the orders of the maps of other images.

    Deletion replaces pixels by mid grey; insertion starts from the blurred image (standard deviation an eighth of its
    side) and puts pixels back (Petsiuk et al., §4.3). The maps of other images are as coarse and as smooth as its own,
    and lie where such maps usually lie. Among equal values the order is random.

    Args:
        discriminator: the discriminator.
        images: uint8 (N, S, S, 3) in [0, 255].
        maps: float (N, H, W), high where a pixel matters for `score`; enlarged to the images' size.
        score: "true" follows the logit, "fake" minus the logit.
        others: of how many other images each image gets the maps, or of all where there are fewer.
        steps: in how many equal portions the pixels are changed.
        seed: decides which others, and the order among equals.

    Raises:
        InputError: there are fewer than two images, or not one map for each.
    """
    discriminator.check(images)
    if maps.ndim != 3 or len(maps) != len(images):
        raise InputError(f"There must be one map (H, W) for each of {len(images)} images. Received: {maps.shape}.")
    if len(images) < 2:
        raise InputError(
            f"Maps are compared with those of other images, so there must be two at least. Received: {len(images)}."
        )
    random = np.random.default_rng(seed)
    # Each image is moved by the same number of places, so every map is used as often as every other.
    moves = 1 + random.permutation(len(maps) - 1)[:others]
    swapped = [np.roll(maps, move, axis=0) for move in moves]
    side = discriminator.side
    original = scale(images)
    blurred = np.stack([cv2.GaussianBlur(image, (0, 0), side / 8) for image in original])
    thresholds = np.rint(np.linspace(0, side * side, steps + 1)).astype(int)

    def follow(order_by: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        ranks = _ranks_from_the_top(enlarge(order_by, side), random)
        reached = ranks[:, None, ..., None] < thresholds[:, None, None, None]
        changed = np.where(reached, after[:, None], before[:, None])  # (N, T, S, S, 3)
        logits = discriminator.logits_of(changed.reshape(-1, *original.shape[1:]))
        return sign_of(score) * logits.reshape(reached.shape[:2])

    def curves(order_by: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return follow(order_by, original, np.zeros_like(original)), follow(order_by, blurred, original)

    deletion, insertion = curves(maps)
    swapped_deletion, swapped_insertion = (np.stack(c, 1) for c in zip(*map(curves, swapped)))
    fractions = thresholds / thresholds[-1]
    return Curves(score, fractions, deletion, insertion, swapped_deletion, swapped_insertion)


# --- pointing game ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pointing:
    """How often a map's strongest place lies in the box of one part.

    All shares are over the images that show the part and whose map points anywhere.

    Attributes:
        part: name of the part.
        shown: how many images show it.
        pointed: how many of these have a map that points anywhere: one that is 0 everywhere does not.
        hits: in how many of those the strongest place lies in the part's box.
        chance: expected share of hits for a place of the map drawn at random: the boxes' share of the image.
        centre: share of hits for the centre of the image.
        swapped: share of hits when each image gets the map of another, over all pairs: what the usual place of the part
            explains.
        p_swapped: chance of at least so many hits if the maps had nothing to do with their images: the share of random
            permutations of the maps among the images that hit as often.
    """

    part: str
    shown: int
    pointed: int
    hits: int
    chance: float
    centre: float
    swapped: float
    p_swapped: float

    @property
    def share(self) -> Interval:
        """Share of hits."""
        return wilson(self.hits, self.pointed)

    def beats_others(self, parts: int) -> bool:
        """Whether it hits more often than the maps of other images, at 5% after Bonferroni's correction for the number
        of parts that are looked at."""
        return self.p_swapped * parts < 1 - LEVEL

    def beats_chance(self, parts: int) -> bool:
        """The same beside a place at random, whose share is known: Wilson's interval at the corrected level."""
        return wilson(self.hits, self.pointed, 1 - (1 - LEVEL) / parts).low > self.chance


def pointing_game(
    maps: np.ndarray, boxes: np.ndarray, names: tuple[str, ...], side: int, seed: int = 0
) -> list[Pointing]:
    """Play the pointing game for every part. A map points at the centre of its strongest place.

    Args:
        maps: float (N, H, W), at least 0.
        boxes: int (N, P, 4) as left, top, right, bottom in pixels (right and bottom exclusive), -1 where the image does
            not show the part, as `Dataset.boxes`.
        names: of the P parts.
        side: side of the images in pixels.
        seed: decides the permutations.

    Returns:
        One record for each part that at least two images show and point anywhere.

    Raises:
        InputError: the boxes are not those of the maps' images.
    """
    if boxes is None or boxes.shape != (len(maps), len(names), 4):
        raise InputError(
            f"The pointing game needs boxes of shape ({len(maps)}, {len(names)}, 4), those of the images; the built-in "
            f"datasets have some. Received: {None if boxes is None else boxes.shape}."
        )
    height, width = maps.shape[1:]
    x = (np.arange(width) + 0.5) * side / width
    y = (np.arange(height) + 0.5) * side / height
    places = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    points = places[maps.reshape(len(maps), -1).argmax(1)]
    points_anywhere = maps.max((1, 2)) > 0

    records, random = [], np.random.default_rng(seed)
    for part, name in enumerate(names):
        shown = boxes[:, part, 0] >= 0
        used = shown & points_anywhere
        count = int(used.sum())
        if count < 2:
            continue
        box = boxes[used, part].astype(float)
        pairs = _inside(points[used][None], box[:, None])  # [i, j]: the map of image j in the box of image i
        hits = int(pairs.trace())
        images = np.arange(count)
        orders = random.permuted(np.tile(images, (REPLICATES, 1)), axis=1)
        as_often = int((pairs[images, orders].sum(1) >= hits).sum())
        records.append(
            Pointing(
                part=name,
                shown=int(shown.sum()),
                pointed=count,
                hits=hits,
                chance=float(_inside(places[None], box[:, None]).mean()),
                centre=float(_inside(np.full(2, side / 2), box).mean()),
                swapped=float((pairs.sum() - hits) / (count * (count - 1))),
                p_swapped=(1 + as_often) / (1 + REPLICATES),  # the maps as they are count as one permutation
            )
        )
    return records


# --- statistics -------------------------------------------------------------------------------------------------------


def known_mean(values: np.ndarray, axis: int | tuple[int, ...]) -> np.ndarray:
    """Mean over an axis without the NaN values; NaN where there is no other."""
    return np.ma.filled(np.ma.masked_invalid(values).mean(axis), np.nan)


def _inside(points: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Whether points (..., 2) as x, y lie in boxes (..., 4)."""
    return ((points >= boxes[..., :2]) & (points < boxes[..., 2:])).all(-1)


def _standardised_ranks(maps: np.ndarray) -> np.ndarray:
    ranks = stats.rankdata(maps.reshape(len(maps), -1), axis=1)
    centred = ranks - ranks.mean(1, keepdims=True)
    spread = ranks.std(1, keepdims=True)
    return np.divide(centred, spread, out=np.full_like(centred, np.nan), where=spread > 0)


def _between_images(maps: np.ndarray) -> float:
    ranks = _standardised_ranks(maps)
    correlations = ranks @ ranks.T / ranks.shape[1]
    return float(known_mean(np.abs(correlations[~np.eye(len(maps), dtype=bool)]), 0))


def _ranks_from_the_top(maps: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Rank of every pixel, 0 for the largest; equals in random order. float (N, H, W) -> int (N, H, W)."""
    flat = maps.reshape(len(maps), -1)
    order = np.lexsort((random.random(flat.shape), -flat))
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(flat.shape[1])[None], 1)
    return ranks.reshape(maps.shape)


def _magnitude(gradient: np.ndarray) -> np.ndarray:
    return np.abs(gradient).sum(-1)
