"""The statistics of `explain.memory`, on rows and distances alone: NumPy and SciPy.

Training images and held-out images beside them are looked up together: rows and distances of those that are nearest.
`explain.memory` says what each of the three questions means, and what it cannot tell.

Reference:
    Meehan, Chaudhuri, Dasgupta: A Non-Parametric Test to Detect Data-Copying in Generative Models (arXiv:2004.05675).
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import hypergeom

from utils.intervals import Interval, percentiles
from utils.streams import stream

ONE_IN = 100  # a picture is close if no more than one in so many held-out images is as close
CAUGHT = -3.0  # standard deviations; without copying Z comes out below once in 700 cases
CHANCE = 1 / 700  # and so seldom as many pictures may be close
REPLICATES = 1000  # of a bootstrap


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
class Copying:
    """Whether some pictures are copies of training images.

    Attributes:
        copied: estimated share of copies. 0: none; below 0: by chance, or the held-out images are favoured.
        z: how far it is from 0 in standard deviations, negative for copies, if training and held-out images are
            exchangeable.
        close: share of pictures whose relative distance is among the smallest hundredth of held-out images. Where there
            is no difference it is a hundredth; of M held-out images, of which a hundredth is rounded up to K,
            K / (M + 1) on average.
        chance: of as many or more that are close, if the pictures and the held-out images are exchangeable.
        further: probability that a picture is further from its nearest training image than a held-out image is from
            its own, ties counting half. 0.5: no difference, near 0: copies, or blurred or typical pictures; above 0.5:
            unlike true images.
        further_z: the same as Mann and Whitney's standardised statistic, which is Meehan et al.'s Z.
    """

    copied: Interval
    z: float
    close: Interval
    chance: float
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
        """Z is below CAUGHT; or the whole interval of the share that is close is above twice a hundredth, and by chance
        so many are close as seldom. A bootstrap alone cannot tell: it never draws a held-out image that is
        closer than the closest of all, which of 100 decides what is close."""
        return self.z < CAUGHT or (self.close.low > 2 / ONE_IN and self.chance < CHANCE)

    def __str__(self) -> str:
        return (
            f"copied {self.copied:.0%}, Z {self.z:+.1f}; close {self.close:.1%}; "
            f"further {self.further:.2f}, Z {self.further_z:+.1f}"
        )


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
    z, is_beside, of_train, of_beside = _names(nearest, trained, beside)
    expected = beside / (trained + beside)
    squares = (of_train**2).sum() + (of_beside**2).sum()

    random = stream(seed, "memory: bootstraps")
    train_drawn, beside_drawn = (
        random.poisson(1, (REPLICATES, len(counts))) @ counts for counts in (of_train, of_beside)
    )
    drawn = beside_drawn / np.maximum(train_drawn + beside_drawn, 1)
    share = _share(float(is_beside.mean()), drawn, round(len(nearest.rows) ** 2 / squares))  # Kish's effective number
    copied = Interval(*(1 - end / expected for end in (share.value, share.high, share.low)))
    return copied, z


def names_z(nearest: Nearest, trained: int, beside: int) -> float:
    """Z of `share_copied` alone, without the share and its bootstrap."""
    return _names(nearest, trained, beside)[0]


def _names(nearest: Nearest, trained: int, beside: int) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """Z; which pictures have a held-out image nearest, bool (N,); how many pictures each image that is the nearest of
    any is nearest to, of the training images and of the held-out ones."""
    count, total = len(nearest.rows), trained + beside
    is_beside = nearest.beside_distances <= nearest.distances
    of_train = np.unique(nearest.rows[~is_beside], return_counts=True)[1]
    of_beside = np.unique(nearest.beside_rows[is_beside], return_counts=True)[1]
    squares = (of_train**2).sum() + (of_beside**2).sum()
    deviation = np.sqrt(trained * beside / (total * (total - 1)) * (squares - count**2 / total))
    return float((is_beside.sum() - count * beside / total) / deviation), is_beside, of_train, of_beside


def share_close(relative: np.ndarray, held_out: np.ndarray, seed: int = 0) -> Interval:
    """Share of pictures that are as close as the closest hundredth of held-out images, and its bootstrap interval.

    Args:
        relative: float (N,), relative distances of the pictures that are asked about.
        held_out: float (M,), those of held-out true images.
        seed: of the bootstrap, which draws both anew.
    """
    random = stream(seed, "memory: bootstraps")
    times, others = (_resampled(len(values), random) for values in (relative, held_out))
    order = np.argsort(held_out, kind="stable")
    enough = others[:, order].cumsum(1) * ONE_IN >= len(held_out)
    marks = held_out[order][enough.argmax(1)]
    drawn = (times * (relative <= marks[:, None])).sum(1) / len(relative)
    return _share(float(np.mean(relative <= closest_hundredth(held_out))), drawn, len(relative))


def chance_of_close(relative: np.ndarray, held_out: np.ndarray) -> float:
    """How likely as many pictures are as close as the closest hundredth of held-out images, or more, if the relative
    distances of both are exchangeable.

    The mark is the K-th smallest of M held-out values. C or more of N others lie below it if among the C + K - 1
    smallest of all there are at most K - 1 held-out ones, which is hypergeometric whatever the distances are. Of values
    that are tied with the mark, as of exact copies among true images, all count on both sides.

    Args:
        relative: float (N,), as for `share_close`.
        held_out: float (M,).
    """
    mark = closest_hundredth(held_out)
    close, of_mark = int((relative <= mark).sum()), int((held_out <= mark).sum())
    drawn = close + of_mark - 1
    return float(hypergeom.cdf(of_mark - 1, len(held_out) + len(relative), len(held_out), drawn))


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
    random = stream(seed, "memory: bootstraps")
    order = np.argsort(held_out, kind="stable")
    least, most = _ranks(distances, held_out[order])
    value, z = float((least + most).mean() / (2 * others)), further_z(distances, held_out)
    times = _resampled(count, random)
    below = np.pad(_resampled(others, random)[:, order].cumsum(1), ((0, 0), (1, 0)))  # of the first 0, 1, … in order
    drawn = (times * (below[:, least] + below[:, most])).sum(1) / (2 * count * others)
    return percentiles(value, drawn), z


def further_z(distances: np.ndarray, held_out: np.ndarray) -> float:
    """Z of `how_much_further` alone: Mann and Whitney's statistic, standardised; negative for nearer pictures."""
    count, others = len(distances), len(held_out)
    least, most = _ranks(distances, np.sort(held_out))
    value = float((least + most).mean() / (2 * others))
    return float((value - 0.5) * np.sqrt(12 * count * others / (count + others + 1)))


def _ranks(values: np.ndarray, ordered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many of the ordered values are below each value, and how many are not above it."""
    least, most = (np.searchsorted(ordered, values, side) for side in ("left", "right"))
    return least, most


def _resampled(count: int, random: np.random.Generator) -> np.ndarray:
    """How often each of `count` values is in each replicate of a bootstrap: int64 (REPLICATES, count)."""
    rows = random.integers(count, size=(REPLICATES, count)) + count * np.arange(REPLICATES)[:, None]
    return np.bincount(rows.ravel(), minlength=REPLICATES * count).reshape(REPLICATES, count)


def _share(share: float, drawn: np.ndarray, count: int) -> Interval:
    """A share with the percentiles of its bootstrap, and no narrower than one of so many cases can be."""
    return percentiles(share, drawn).at_least_of(count)
