"""Which test of copying can be trusted, and from which share of copies on: copies are planted, and each test is asked.

A verdict "no sign of copies" says as much as the test behind it can see. So known shares of copies of training images
are planted among pictures that cannot be copies, again and again, and it is counted how often each test calls it
copying: its power. Where nothing was planted the same count is its false alarms, of pictures that are as true images,
blurred, or few that come often, and of a generator's own. NumPy, SciPy and distances alone.

References:
    Meehan, Chaudhuri, Dasgupta: A Non-Parametric Test to Detect Data-Copying in Generative Models (arXiv:2004.05675),
    for C_T. Alaa et al.: How Faithful is your Synthetic Data? (arXiv:2102.08921), §3.3, for authenticity. Yoon et al.:
    Diffusion Probabilistic Models Generalize when They Fail to Memorize (2023), for the ratio.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.special import gammaln, ndtr

from utils.errors import InputError
from utils.evaluation.copying import Nearest, further_z, names_z
from utils.intervals import Interval, wilson
from utils.streams import stream

LEVEL = 0.01
"""A test calls it copying below this p-value, so that it may give a false alarm once in a hundred times."""
DOSES = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
"""Shares of copies that are planted."""
ENOUGH = 0.8
"""A share is detectable where the power, by the lower end of its interval, is at least this much there and above."""
CELLS, LEAST_IN_CELL = 5, 10
"""Parts of the space that C_T compares in, and how many held-out images a part needs to count (there, §4)."""
LEAST_CLOSEST = 10
"""Pictures that `closest` looks at, at least: a hundredth of 500 samples and as many held-out images. From seven on it
can be significant that all are samples; for ten p is 0.0009, while nine of ten just fail (0.0104)."""
ALIKE = 20
"""Different pictures of the host "alike"."""
RATIO = 0.6
"""A picture much nearer to one training image than to any other: nearer than this part of the second distance. The
doctor of trainings takes the same (`training.copies.NEAR`)."""
NEVER = frozenset({"blurred", "alike"})
"""Hosts that nothing is planted among: they ask for false alarms only."""
_PART = 1024  # references whose distances are held at once
_PROJECTED = 64  # dimensions


# --- what is planted --------------------------------------------------------------------------------------------------


def exact(images: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The images as they are."""
    return images


def cropped(images: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Seven eighths of each image's sides, from a random corner, brought back to its size."""
    side = images.shape[1]
    kept = side * 7 // 8
    corners = random.integers(0, side - kept + 1, (len(images), 2))
    cuts = [image[y : y + kept, x : x + kept] for image, (y, x) in zip(images, corners)]
    return np.stack([cv2.resize(cut, (side, side), interpolation=cv2.INTER_LINEAR) for cut in cuts])


def recoloured(images: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Each channel of an image brighter or darker by up to a quarter."""
    factors = random.uniform(0.75, 1.25, (len(images), 1, 1, 3))
    return np.clip(np.round(images * factors), 0, 255).astype(np.uint8)


def blurred(images: np.ndarray) -> np.ndarray:
    """Images as a poor generator draws them: without their fine detail (Gaussian, one pixel wide). No copies."""
    return np.stack([cv2.GaussianBlur(image, (0, 0), 1.0) for image in images])


KINDS: dict[str, Callable] = {"exact": exact, "cropped": cropped, "recoloured": recoloured}
"""How training images are copied: functions (uint8 (N, S, S, 3), generator of random numbers) -> the copies."""


# --- what is looked up ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bank:
    """Pictures, looked up in one feature space; tests draw from it.

    Attributes:
        rows: int64 (N,), which training image is nearest.
        distances, second: float32 (N,), to the nearest and to the second nearest training image.
        to_pool: float32 (N, P), to each image of the pool: true images that were held out.
    """

    rows: np.ndarray
    distances: np.ndarray
    second: np.ndarray
    to_pool: np.ndarray

    def take(self, chosen: np.ndarray, beside: np.ndarray) -> "Pictures":
        """Some of its pictures, with some images of the pool beside the training images."""
        near = self.to_pool[np.ix_(chosen, beside)]
        return Pictures(
            self.rows[chosen], self.distances[chosen], beside[near.argmin(1)], near.min(1), self.second[chosen]
        )


@dataclass(frozen=True)
class Pictures(Nearest):
    """The nearest images of N pictures, and float32 (N,) the distance to the second nearest training image."""

    second: np.ndarray

    def with_copies(self, copies: "Pictures", count: int) -> "Pictures":
        """The same number of pictures, the first `count` of them replaced by copies."""
        pairs = zip(vars(copies).values(), vars(self).values())
        return Pictures(*(np.concatenate([a[:count], b[count:]]) for a, b in pairs))


@dataclass(frozen=True)
class Space:
    """What was looked up in one feature space.

    Attributes:
        own: float32 (T,), from each training image that is nearest to any picture to the nearest other training image;
            NaN of the others.
        cells: int64 (T,), the part of the space that each training image belongs to, from 0 on.
        pool: true images that were held out; the distance of each to itself is infinite.
        hosts: pictures that copies are planted among, by name: "blurred", the first of the pool blurred, and whoever
            else, such as a "model".
        copies: for each of `KINDS`, copies of training images.
    """

    own: np.ndarray
    cells: np.ndarray
    pool: Bank
    hosts: dict[str, Bank]
    copies: dict[str, Bank]


def look_up(
    train: np.ndarray,
    pool: np.ndarray,
    hosts: dict[str, np.ndarray],
    copies: dict[str, np.ndarray],
    seed: int = 0,
    progress: Callable[[Iterable], Iterable] = iter,
) -> Space:
    """Look up everything that is asked about in one feature space.

    Args:
        train, pool: (T, D) and (P, D), features of training images and of held-out ones.
        hosts, copies: features of pictures, by name.
        seed: of the parts of the space.
        progress: wraps the parts of the work.
    """
    from sklearn.cluster import KMeans  # takes a while to import

    banks = {"pool": pool, **hosts, **copies}
    middle = np.mean(train, 0, np.float32)  # differences of large numbers lose digits
    train = train.astype(np.float32) - middle
    queries = np.concatenate([np.asarray(bank, np.float32) for bank in banks.values()]) - middle
    rows, distances, second = _two_nearest(queries, train, progress)
    to_pool = _apart(queries, queries[: len(pool)])
    to_pool[np.arange(len(pool)), np.arange(len(pool))] = np.inf
    ends = np.cumsum([len(bank) for bank in banks.values()])[:-1]
    parts = zip(*(np.split(of, ends) for of in (rows, distances, second, to_pool)))
    found = {name: Bank(*of) for name, of in zip(banks, parts)}

    own, nearest = np.full(len(train), np.nan, np.float32), np.unique(rows)
    own[nearest] = _two_nearest(train[nearest], train, without=nearest)[1]
    projected = train
    if train.shape[1] > _PROJECTED:  # k-means is as good there and takes a fraction of the time
        random = stream(seed, "audit: projection")
        projected = train @ random.standard_normal((train.shape[1], _PROJECTED)).astype(np.float32)
    cells = KMeans(min(CELLS, len(train)), n_init=1, max_iter=30, random_state=seed % 2**32).fit(projected).labels_
    return Space(own, cells, found["pool"], {name: found[name] for name in hosts}, {n: found[n] for n in copies})


def _two_nearest(
    queries: np.ndarray,
    references: np.ndarray,
    progress: Callable[[Iterable], Iterable] = iter,
    without: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row of the nearest reference, its distance, and that of the second nearest. Queries that are references
    themselves are not their own neighbours: `without` says which they are."""
    rows, (nearest, second) = np.zeros(len(queries), np.int64), np.full((2, len(queries)), np.inf, np.float32)
    every = np.arange(len(queries))
    for start in progress(range(0, len(references), _PART)):
        apart = _apart(queries, references[start : start + _PART])
        if without is not None:
            here = (without >= start) & (without < start + _PART)
            apart[every[here], without[here] - start] = np.inf
        first = apart.argmin(1)
        least = apart[every, first]
        apart[every, first] = np.inf
        second = np.minimum(np.maximum(nearest, least), np.minimum(second, apart.min(1)))
        rows, nearest = np.where(least < nearest, start + first, rows), np.minimum(nearest, least)
    return rows, nearest, second


def _apart(queries: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Euclidean distances, float32 (N, R)."""
    apart = queries @ references.T
    apart *= -2
    apart += (queries**2).sum(1)[:, None]
    apart += (references**2).sum(1)
    return np.sqrt(np.maximum(apart, 0, out=apart), out=apart)


# --- the tests --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """What a test is given.

    Attributes:
        samples, held_out: the pictures that are asked about, and true ones that they are compared with.
        beside: how many other held-out images are looked up beside the training images.
        space: where they were looked up.
    """

    samples: Pictures
    held_out: Pictures
    beside: int
    space: Space


def names(asked: Asked) -> float:
    """Nearest-neighbour statistic: is the nearest image a training image more often than a held-out one? p-value."""
    return float(ndtr(names_z(asked.samples, len(asked.space.own), asked.beside)))


def closest(asked: Asked) -> float:
    """Of the hundredth of both sets that is relatively nearest to training images, are too many samples? p-value."""
    both = np.concatenate([asked.held_out.relative, asked.samples.relative])  # of equal ones held-out images come first
    count, among = len(asked.samples.rows), max(LEAST_CLOSEST, round(len(both) / 100))
    found = int((np.argsort(both, kind="stable")[:among] >= len(both) - count).sum())
    return _at_least(found, len(both), count, among)


def further(asked: Asked) -> float:
    """Mann and Whitney's test in the whole space: are samples nearer to training images than held-out ones? p-value."""
    return float(ndtr(further_z(asked.samples.distances, asked.held_out.distances)))


def c_t(asked: Asked) -> float:
    """After Meehan et al.'s C_T: the mean of that Z over parts of the space, each by its share of samples; p-value.

    Their parts are cells of k-means on the training images, and weigh by their share of held-out images; a picture here
    is in the cell of its nearest training image, so that copies are in that of what they copy, and count.
    C_T is a weighted mean of standard normal values, so it is divided by the root of the sum of the squared weights.
    """
    cells = [asked.space.cells[bank.rows] for bank in (asked.samples, asked.held_out)]
    weights, values = [], []
    for cell in range(int(asked.space.cells.max()) + 1):
        of_samples, of_others = (where == cell for where in cells)
        if of_samples.any() and of_others.sum() >= LEAST_IN_CELL:
            weights.append(of_samples.mean())
            values.append(further_z(asked.samples.distances[of_samples], asked.held_out.distances[of_others]))
    if not weights:
        return 1.0
    weights = np.array(weights) / np.sum(weights)
    return float(ndtr(weights @ values / np.sqrt((weights**2).sum())))


def authenticity(asked: Asked) -> float:
    """Alaa et al.'s: a picture is not authentic if it is nearer to its nearest training image than any other training
    image is; are there more such samples than held-out images? p-value."""
    return _more(*(bank.distances < asked.space.own[bank.rows] for bank in (asked.samples, asked.held_out)))


def ratio(asked: Asked) -> float:
    """Are more samples than held-out images much nearer to one training image than to the second nearest? p-value."""
    return _more(*(bank.distances < RATIO * bank.second for bank in (asked.samples, asked.held_out)))


TESTS: dict[str, Callable[[Asked], float]] = {
    "names": names,
    "closest": closest,
    "ratio": ratio,
    "authenticity": authenticity,
    "further": further,
    "C_T": c_t,
}
"""The tests, each a function of an `Asked` that gives a p-value. Functions in other modules may be added."""


def _more(of_samples: np.ndarray, of_others: np.ndarray) -> float:
    """Fisher's exact test, one-sided: is the share of the first greater?"""
    total = int(of_samples.sum() + of_others.sum())
    count = len(of_samples) + len(of_others)
    return _at_least(int(of_samples.sum()), count, total, len(of_samples))


def _at_least(found: int, total: int, marked: int, drawn: int) -> float:
    """Probability that of `drawn` out of `total`, of which some are marked, at least `found` are marked. SciPy's
    `hypergeom.sf`, at a tenth of its time."""
    k = np.arange(found, min(marked, drawn) + 1)
    ways = [gammaln(n + 1) - gammaln(m + 1) - gammaln(n - m + 1) for n, m in ((marked, k), (total - marked, drawn - k))]
    of_all = gammaln(total + 1) - gammaln(drawn + 1) - gammaln(total - drawn + 1)
    return float(min(1.0, np.exp(sum(ways) - of_all)[drawn - k <= total - marked].sum()))


# --- the audit --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Alarms:
    """How often a test called it copying.

    Attributes:
        host: what the pictures were: "true", "blurred", "alike", or another host of the space.
        kind: what was planted among them: one of `KINDS`, or "" for nothing.
        dose: the share of copies.
        test: one of `TESTS`.
        hits, draws: so often, of so many times.
    """

    host: str
    kind: str
    dose: float
    test: str
    hits: int
    draws: int

    @property
    def rate(self) -> Interval:
        """Power, or false alarms where nothing was planted.

        The interval is of draws given these training images and this pool: with others the rate may be another.
        """
        return wilson(self.hits, self.draws)


def dose_response(
    space: Space, samples: int, draws: int, seed: int = 0, progress: Callable[[Iterable], Iterable] = iter
) -> list[Alarms]:
    """Plant copies again and again, and count how often each test sees it.

    In each draw the pool is dealt out anew: pictures of the host "true", held-out images, and those beside the training
    images, as many as these or as are left. The training images stay as they are.

    Args:
        space: as `look_up` gives it.
        samples: pictures of each host, and held-out images; the pool has more than three times as many.
        draws: how often.
        seed: of the draws.
        progress: wraps the draws.

    Raises:
        InputError: the pool has not so many.
    """
    if len(space.pool.rows) <= 3 * samples:
        raise InputError(
            f"The pool must have more than three times as many images as there are samples, more than {3 * samples:,}: "
            f"hold more images out, or take fewer samples. Received: {len(space.pool.rows):,}."
        )
    hits: dict[tuple[str, str, float], dict[str, int]] = {}
    pool, trained, most = len(space.pool.rows), len(space.own), max(1, round(max(DOSES) * samples))
    for draw in progress(range(1, draws + 1)):
        random = stream(seed, "audit: draws", draw)
        dealt = random.permutation(np.arange(samples, pool))  # of the first the blurred host was made
        mine, held_out, beside = np.split(dealt, [samples, 2 * samples])
        beside = np.sort(beside[:trained])
        hosts = {
            "true": space.pool.take(mine, beside),
            "alike": space.pool.take(np.resize(mine[:ALIKE], samples), beside),
        }
        hosts |= {name: bank.take(_some(random, bank, samples), beside) for name, bank in space.hosts.items()}
        planted = {(name, "", 0.0): pictures for name, pictures in hosts.items()}
        for kind, bank in space.copies.items():
            copies = bank.take(_some(random, bank, most), beside)
            for name in hosts.keys() - NEVER:
                for dose in filter(None, DOSES):
                    planted[name, kind, dose] = hosts[name].with_copies(copies, round(dose * samples))
        others = space.pool.take(held_out, beside)
        for what, pictures in planted.items():
            asked = Asked(pictures, others, len(beside), space)
            of = hits.setdefault(what, dict.fromkeys(TESTS, 0))
            for name, test in TESTS.items():
                of[name] += test(asked) < LEVEL
    return [Alarms(*what, test, int(count), draws) for what, of in hits.items() for test, count in of.items()]


def ask(space: Space, host: str) -> dict[str, float]:
    """The p-value of each test for all pictures of a host, beside all held-out images: half are compared with, half are
    looked up beside the training images."""
    half = len(space.pool.rows) // 2
    beside, pictures = np.arange(half, 2 * half), np.arange(len(space.hosts[host].rows))
    asked = Asked(space.hosts[host].take(pictures, beside), space.pool.take(np.arange(half), beside), half, space)
    return {name: test(asked) for name, test in TESTS.items()}


def detectable(alarms: list[Alarms], host: str, kind: str, test: str) -> float | None:
    """The smallest share of copies from which on a test sees it nearly always; None if it does not."""
    found = None
    of = [one for one in alarms if (one.host, one.kind, one.test) == (host, kind, test)]
    for one in sorted(of, key=lambda one: -one.dose):
        if one.rate.low < ENOUGH:
            break
        found = one.dose
    return found


def _some(random: np.random.Generator, bank: Bank, count: int) -> np.ndarray:
    """Rows of a bank, none twice unless there are too few."""
    there = len(bank.rows)
    return random.permutation(there)[:count] if there >= count else random.integers(0, there, count)
