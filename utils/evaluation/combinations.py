"""Which combinations of exact attributes a generator misses: for the built-in datasets, of which everything is known.

What the training set holds is counted exactly. What the generator draws is judged by a classifier of the dataset. How
often that takes one value for another is measured on true images, and what is to be expected is what it would see of
the training set. That it errs on samples as it does on true images is an assumption: how often it is in doubt about
each is told beside it.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from utils.config import Experiment, ModelConfig
from utils.data import Dataset, scale_back
from utils.data.catalogue import drawn_source
from utils.data.drawn import Drawn, certain
from utils.errors import InputError
from utils.evaluation.held_out import held_out
from utils.intervals import LEVEL, Interval, wilson
from utils.sampling import Sampler

SAMPLES = 20_000
"""Fakes that are judged: of the rarest combinations of the built-in faces a perfect generator draws ten of so many."""
HELD_OUT = 4_000
"""True images that the judge is judged by."""
DOUBT = 0.9
"""A value that the judge gives less than this probability is doubtful."""
LARGE = 2
"""Fewer than the expected share divided by this is too few, more than the share times this too many."""
_BATCH = 256


@dataclass(frozen=True)
class Combination:
    """One combination, in the training set and among the fakes.

    Attributes:
        values: one value of each factor.
        trained: images of the training set that have it.
        expected: how many fakes would be judged to have it if they were like the training set.
        seen: how many fakes are judged to have it.
        share: of the fakes, with Wilson's 95% interval.
        verdict: "missing" (never seen), "too few", "too many" (by a factor of `LARGE`), or "" if none of them is
            certain. All verdicts together are wrong in about one of twenty generators: each is at a level of 95% for
            all combinations at once (Bonferroni).
    """

    values: tuple[str, ...]
    trained: int
    expected: float
    seen: int
    share: Interval
    verdict: str


@dataclass(frozen=True)
class Combinations:
    """What a generator draws of all combinations that its training set holds.

    Attributes:
        title: of the dataset.
        factors: name of each factor with its values.
        combinations: those of the training set, the most frequent first.
        samples, trained: how many fakes, and images of the training set.
        values: for each value of each factor that the training set has, its share of that ("trained"), of what is to be
            judged to have it ("expected"), and of the fakes that are ("share", with Wilson's interval), whatever else
            they have.
        outside: share of fakes judged to have a combination that the training set does not hold.
        apart: total variation distance of what is seen from what is expected, over combinations, in [0, 1]: the share
            of fakes that would have to change theirs.
        apart_if_perfect: what as many images like the training set have on average.
        wrong: share of true held-out images of which the judge gets the combination wrong.
        wrong_of: the same for each factor.
        doubtful_true, doubtful_fake: share of images with a doubtful value: how much less sure the judge is of fakes.
        judges: names of the classifiers.
    """

    title: str
    factors: dict[str, tuple[str, ...]]
    combinations: tuple[Combination, ...]
    values: tuple[dict, ...]
    samples: int
    trained: int
    outside: Interval
    apart: float
    apart_if_perfect: float
    wrong: Interval
    wrong_of: dict[str, Interval]
    doubtful_true: Interval
    doubtful_fake: Interval
    judges: tuple[str, ...]

    def with_verdict(self, verdict: str) -> list[Combination]:
        """Those with a verdict, the most surprising first."""
        found = [each for each in self.combinations if each.verdict == verdict]
        # In standard deviations of a count, that of one sample at least: none is expected of what the judge never sees.
        return sorted(found, key=lambda each: -abs(each.seen - each.expected) / max(each.expected, 1) ** 0.5)

    def missed(self) -> list[Combination]:
        """Those that come less than half as often as expected: missing ones, then certain ones, then others."""
        few = [each for each in self.with_verdict("") if each.seen < each.expected / LARGE]
        return self.with_verdict("missing") + self.with_verdict("too few") + few

    def plain(self) -> dict:
        """As plain values, for a record."""
        return {name: _plain(value) for name, value in vars(self).items()}


def combinations_of(
    sampler: Sampler,
    experiment: Experiment,
    *,
    samples: int = SAMPLES,
    seed: int = 0,
    data_dir: str | Path | None = None,
    progress: bool = True,
) -> Combinations:
    """Compare the combinations that a generator draws with those of its training set.

    One that is conditional is asked for what its training images are, every one of them.

    Args:
        sampler: draws from the generator.
        experiment: what it was trained on; a built-in dataset.
        samples: how many fakes are judged.
        seed: of the latents.
        data_dir: where datasets and classifiers are.
        progress: whether to show progress bars.

    Raises:
        InputError: it was trained on something of which not everything is known, or on texts.
    """
    check_countable(experiment)
    from utils.evaluation.features import classifier  # brings TensorFlow, which drawing what was counted does without

    source = drawn_source(experiment)
    data, size, places = experiment.data, experiment.model.image_size, {"data_dir": data_dir, "progress": progress}
    labelled = "labels" in source.describe().fields
    judges = [classifier(data.name, size, **places)] if labelled else []
    judges.append(classifier(data.name, size, attributes=True, **places))

    true = held_out(data.name, size, HELD_OUT, choices=data.choices, trained_on=data.split, **places)
    names = [*true.label_names, *true.attribute_names]

    def judge(images: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        scores = dict(zip(names, np.concatenate([each.answers(images) for each in judges], axis=1).T))
        return [factor.read(scores) for factor in source.factors]

    judged = judge(true.images)
    answers = exact_values(source, true)
    wrong = np.stack([found != answer for (found, _), answer in zip(judged, answers)])

    (latents, conditions), parts = _asking(sampler, experiment.model, source).inputs(samples, seed), []
    for start in tqdm(range(0, samples, _BATCH), "Judging samples", unit=f" x {_BATCH}", disable=not progress):
        part = slice(start, start + _BATCH)
        given = None if conditions is None else conditions[part]
        parts.append(judge(scale_back(sampler.images(latents[part], given))))
    fakes = [tuple(np.concatenate(arrays) for arrays in zip(*of_factor)) for of_factor in zip(*parts)]

    return compare_combinations(
        source,
        trained_on(source),
        Counter(zip(*(found.tolist() for found, _ in fakes))),
        title=source.title,
        confusions=[
            confusion(answer, found, len(factor.values))
            for factor, answer, (found, _) in zip(source.factors, answers, judged)
        ],
        wrong=wilson(int(wrong.any(0).sum()), len(true)),
        wrong_of={factor.name: wilson(int(w.sum()), len(true)) for factor, w in zip(source.factors, wrong)},
        doubtful_true=_doubtful(judged),
        doubtful_fake=_doubtful(fakes),
        judges=tuple(each.name for each in judges),
    )


def check_countable(experiment: Experiment) -> None:
    """Refuse a generator whose combinations say nothing.

    Raises:
        InputError: it is on texts, of which it keeps some: what these lack it is never asked for.
    """
    if experiment.model.conditions == "text":
        raise InputError(
            "A generator on texts draws what it is told, so what it misses of its training set cannot be counted: "
            "without --attributes it is measured by sentences, and --combination asks for what goes together."
        )


def _asking(sampler: Sampler, model: ModelConfig, source: Drawn) -> Sampler:
    """The sampler; of a conditional generator with the conditions of all images that it was trained on, where it keeps
    those of some: what these lack it would be said to miss."""
    if sampler.conditions is None:
        return sampler
    rows = (source.known(row) for row in range(source.count))
    asked = np.array([[known[name] for name in model.condition_names] for known in rows], np.float32)
    return dataclasses.replace(sampler, conditions=asked)


def exact_values(source: Drawn, dataset: Dataset) -> np.ndarray:
    """Which value of each factor images have: int64 (F, N), places of the values.

    Args:
        source: names the factors.
        dataset: images of it, with their attributes and labels.
    """
    exact = {name: dataset.attributes[:, place] for place, name in enumerate(dataset.attribute_names)}
    exact |= {name: dataset.labels == place for place, name in enumerate(dataset.label_names)}
    return np.stack(
        [factor.read({name: certain(known) for name, known in exact.items()})[0] for factor in source.factors]
    )


def trained_on(source: Drawn) -> Counter:
    """How many images of a source have each combination, given as places of the values; nothing is drawn."""
    rows = [source.known(row) for row in range(source.count)]
    scores = {name: certain(np.array([row[name] for row in rows])) for name in rows[0]}
    return Counter(zip(*(factor.read(scores)[0].tolist() for factor in source.factors)))


def confusion(exact: np.ndarray, judged: np.ndarray, values: int) -> np.ndarray:
    """How often each value is judged to be each other: float (K, K), rows exact, columns judged, rows add up to 1.

    Args:
        exact, judged: int (N,), places of the values of the same images; a value that no image has is never mistaken.
        values: how many values there are, K.
    """
    counts = np.zeros((values, values))
    np.add.at(counts, (exact, judged), 1)
    counts[counts.sum(1) == 0] = np.eye(values)[counts.sum(1) == 0]
    return counts / counts.sum(1, keepdims=True)


def compare_combinations(
    source: Drawn, trained: Counter, fakes: Counter, confusions: Sequence[np.ndarray], **known
) -> Combinations:
    """The comparison itself.

    Args:
        source: names the factors.
        trained, fakes: how many images have each combination, given as places of the values; fakes as they are judged.
        confusions: of the judge, for each factor, as `confusion` gives them; its errors are taken for independent.
        **known: the other fields of `Combinations`.
    """
    count, samples = trained.total(), fakes.total()
    level = 1 - (1 - LEVEL) / len(trained)  # for all at once
    as_judged = np.zeros([len(each) for each in confusions])
    for places, number in trained.items():
        as_judged[places] = number / count
    for axis, each in enumerate(confusions):
        as_judged = np.moveaxis(np.tensordot(as_judged, each, (axis, 0)), -1, axis)
    found = []
    for places, number in trained.most_common():
        share, at_once = wilson(fakes[places], samples), wilson(fakes[places], samples, level)
        found.append(
            Combination(
                values=tuple(list(factor.values)[place] for factor, place in zip(source.factors, places)),
                trained=number,
                expected=float(samples * as_judged[places]),
                seen=fakes[places],
                share=share,
                verdict=_verdict(fakes[places], samples, float(as_judged[places]), at_once, 1 - level),
            )
        )
    inside = sum(each.seen for each in found)
    seen, exact = np.zeros_like(as_judged), np.zeros_like(as_judged)
    for array, counted in ((seen, fakes), (exact, trained)):
        for places, number in counted.items():
            array[places] = number / counted.total()
    perfect = np.random.default_rng(0).multinomial(samples, as_judged.ravel(), size=200) / samples
    return Combinations(
        factors={factor.name: tuple(factor.values) for factor in source.factors},
        combinations=tuple(found),
        values=tuple(_one_by_one(source, exact, as_judged, seen, samples)),
        samples=samples,
        trained=count,
        outside=wilson(samples - inside, samples),
        apart=float(np.abs(seen - as_judged).sum() / 2),
        apart_if_perfect=float(np.abs(perfect - as_judged.ravel()).sum(1).mean() / 2),
        **known,
    )


def _one_by_one(
    source: Drawn, trained: np.ndarray, expected: np.ndarray, seen: np.ndarray, samples: int
) -> Iterator[dict]:
    """`Combinations.values`, of the shares of all combinations, also of those that the training set lacks."""
    for axis, factor in enumerate(source.factors):
        others = tuple(other for other in range(trained.ndim) if other != axis)
        for value, *shares in zip(factor.values, *(array.sum(others) for array in (trained, expected, seen))):
            if shares[0]:
                share = wilson(round(shares[2] * samples), samples)
                row = {"factor": factor.name, "value": value, "trained": float(shares[0])}
                yield row | {"expected": float(shares[1]), "share": share}


def _verdict(seen: int, samples: int, share: float, at_once: Interval, chance: float) -> str:
    if seen == 0 and (1 - share) ** samples < chance:
        return "missing"
    if at_once.high < share / LARGE:
        return "too few"
    return "too many" if at_once.low > share * LARGE else ""


def _doubtful(judged: list[tuple[np.ndarray, np.ndarray]]) -> Interval:
    doubtful = np.any([probability < DOUBT for _, probability in judged], axis=0)
    return wilson(int(doubtful.sum()), len(doubtful))


def _plain(value: object):
    if isinstance(value, Interval):
        return value.plain()
    if isinstance(value, Combination):
        return {name: _plain(each) for name, each in vars(value).items()}
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, (tuple, list)) else value
