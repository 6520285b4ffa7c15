"""What a linear classifier reads off features of a built-in dataset, of which all is known: each of its factors.

One support vector machine for each value of each factor (`svm.many`, all in one descent); the likeliest value of a
factor counts. C is chosen for each factor among images that the machines have not seen, from small to large, until all
factors have clearly fallen: for two steps below their best by more than its standard error (see `svm.choose_strength`).
"""

from dataclasses import dataclass

import numpy as np

from utils.explain.fixed import FixedDiscriminator
from utils.features import svm
from utils.features.extract import cells_of
from utils.intervals import Interval, told_mean

APART = 0.2
"""Share of the labelled images that C is chosen on."""


@dataclass(frozen=True)
class Reading:
    """How well factors are read.

    Attributes:
        right: bool (F, T), whether each factor was read right of each test image.
        strengths: float (F,), the C of each.
    """

    right: np.ndarray
    strengths: np.ndarray

    @property
    def accuracy(self) -> Interval:
        """Mean over the factors, with an interval over test images, if these are enough to tell one."""
        return told_mean(self.right.mean(0))


def read_factors(train: np.ndarray, known: np.ndarray, test: np.ndarray, answers: np.ndarray) -> Reading:
    """Learn to read factors off features, and judge it on other images.

    Args:
        train: float32 (n, D), features of labelled images, in no particular order.
        known: int64 (F, n), which value of each factor they have.
        test: float32 (T, D), features of others.
        answers: int64 (F, T), the same of these.
    """
    learnt = round((1 - APART) * len(train))
    values = [int(max(of.max(), other.max())) + 1 for of, other in zip(known, answers)]
    parts = np.split(np.arange(sum(values)), np.cumsum(values)[:-1])
    targets = np.concatenate(
        [np.where(of[:learnt, None] == np.arange(count), 1, -1) for of, count in zip(known, values)], 1, dtype=np.int8
    )
    x, chosen_on = train[:learnt], np.concatenate([train[learnt:], test])
    bend, unit = svm.Bend.of(x), 1 / svm.total_variance(x)
    weights, best = None, np.full(len(known), -1.0)
    strengths, right = np.zeros(len(known)), np.zeros(answers.shape, bool)
    judges, behind = len(train) - learnt, np.zeros(len(known), int)
    for strength in svm.STRENGTHS:
        weights = svm.many(x, targets, strength * unit, weights, bend)
        scores = chosen_on @ weights[:-1].astype(np.float32) + weights[-1].astype(np.float32)
        for factor, part in enumerate(parts):
            found = scores[:, part].argmax(1)
            accuracy = np.mean(found[:judges] == known[factor, learnt:])
            if accuracy > best[factor]:
                best[factor], strengths[factor], behind[factor] = accuracy, strength * unit, 0
                right[factor] = found[judges:] == answers[factor]
            behind[factor] += accuracy < best[factor] - np.sqrt(best[factor] * (1 - best[factor]) / judges)
        if (behind >= 2).all():
            break
    return Reading(right, strengths)


def standardised(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Features whose every value has mean 0 and deviation 1 over the images to learn from; what never varies is 0.

    A support vector machine pays for weights, so it reads what is large: as they are, features of a layer whose values
    vary a hundred times less than another's are hardly seen. This way each value has its say.

    Args:
        train: float32 (n, D), features of labelled images.
        test: float32 (T, D), features of others.
    """
    mean, deviation = train.mean(0), train.std(0)
    deviation[deviation == 0] = 1
    return (train - mean) / deviation, (test - mean) / deviation


def read_layers(
    network: FixedDiscriminator, train: np.ndarray, known: np.ndarray, test: np.ndarray, answers: np.ndarray
) -> list[tuple[str, Reading]]:
    """Read factors off the features of each convolution alone.

    Args:
        network: whose features they are.
        train, known, test, answers: as for `read_factors`, of all convolutions (`extract.discriminator_features`).

    Returns:
        Each convolution in words, such as "8x8, 128 maps", from the image on, and what it tells.
    """
    ends = np.cumsum([cells_of(each) for each in network.convolutions])
    parts = [slice(end - cells_of(each), end) for each, end in zip(network.convolutions, ends)]
    return [
        (f"{each.side}x{each.side}, {each.maps} maps", read_factors(train[:, part], known, test[:, part], answers))
        for each, part in zip(network.convolutions, parts)
    ]


def by_majority(known: np.ndarray, answers: np.ndarray) -> Reading:
    """What guessing each factor's most frequent value gives."""
    most = np.array([np.bincount(of).argmax() for of in known])
    return Reading(answers == most[:, None], np.zeros(len(known)))
