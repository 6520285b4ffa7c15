"""Does a generator draw what a text says? Judged by the classifier of its dataset, beside true images.

Each sentence is about a true image that the generator was not trained on, and one fake is drawn for it. A text can be
ignored: then fakes agree with their own sentences no more often than with those of others. It can be followed by one
picture for each sentence: then there is no variety within a sentence. And it can be known by heart: then combinations
that were left out of the training cannot be drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.config import Experiment
from utils.data import Dataset, load_for, scale_back
from utils.data.captions import captions_of, contradict
from utils.data.dataset import UNKNOWN
from utils.data.rows import places_of
from utils.errors import InputError
from utils.evaluation.distances import SAMPLES
from utils.evaluation.held_out import unseen
from utils.evaluation.judge import Judge, judge_for, true_in_words
from utils.evaluation.variety import ASKED, EACH, another, within_and_over
from utils.intervals import Interval, wilson
from utils.sampling import Sampler
from utils.streams import stream
from utils.text_encoder import TextEncoder

TOGETHER = 200
"""Sentences that name a combination of attributes, at most."""
EXAMPLES = 6
"""Sentences that are shown."""
_TRIES = 40  # wordings that are looked through for such sentences


@dataclass(frozen=True)
class Said:
    """One attribute, in the sentences that say that it is there or that it is not.

    Attributes:
        name: what it is called.
        count: how many sentences speak of it.
        fake: share of their fakes that are as the sentence says.
        other: the same beside the sentence of another image that speaks of it: what one would get that does not listen.
        true: share of the true images that the judge sees as their sentence says, which is true: the best there is.
    """

    name: str
    count: int
    fake: Interval
    other: Interval
    true: Interval


@dataclass(frozen=True)
class Together:
    """A combination of attributes that sentences name together.

    Attributes:
        name: the attributes, with " & " between them.
        left_out: whether the training had no image that has it.
        count: sentences that name it, one fake each.
        all: share of these fakes in which the judge sees all of it.
        parts: share in which it sees each attribute.
        others: share of the fakes of other sentences in which it sees all of it.
        true: share of true images that have it in which it sees all of it.
    """

    name: str
    left_out: bool
    count: int
    all: Interval
    parts: dict[str, Interval]
    others: Interval
    true: Interval


@dataclass(frozen=True)
class Texts:
    """What a judge sees of what sentences say.

    Attributes:
        samples: how many sentences, with a fake and a true image each.
        true_images: what these are, for a sentence.
        trained_on: whether the generator has seen them; UNKNOWN where that is not known.
        judge: name of the classifier; distances are in its features.
        right: share of images that agree with all that a sentence says: "fake" with its own, "other" fakes with that of
            another, "true" images with their own.
        attributes: one for each attribute that sentences speak of.
        variety: of `variety.within_and_over`; true images are of a sentence that is true of them.
        combinations: those that were asked for.
        examples: sentences, and uint8 (R, n, S, S, 3) fakes of each.
    """

    samples: int
    true_images: str
    trained_on: bool | str
    judge: str
    right: dict[str, Interval]
    attributes: tuple[Said, ...]
    variety: dict[str, Interval]
    combinations: tuple[Together, ...]
    examples: tuple[tuple[str, ...], np.ndarray]

    def table(self) -> list[dict]:
        """As `table_of` has it."""
        return table_of(self.plain())

    def plain(self) -> dict:
        """As plain values, for a record; without pictures."""
        return {name: _plain(value) for name, value in vars(self).items() if name != "examples"}


def table_of(texts: dict) -> list[dict]:
    """A row for each attribute, and one for all that is said, in words, of what `Texts.plain` gave: "texts" of a record
    or a card."""

    def shown(plain: dict | None) -> str:
        return "" if plain is None else format(Interval.of(plain), ".0%")

    everything = {"name": "all that it says", "count": texts["samples"], **texts["right"]}
    return [
        {
            "the text speaks of": row["name"],
            "texts": row["count"],
            "fakes agree": shown(row["fake"]),
            "with another's text": shown(row["other"]),
            "true images": shown(row["true"]),
        }
        for row in [*texts["attributes"], everything]
    ]


def texts_and_seen(
    sampler: Sampler,
    encoder: TextEncoder,
    experiment: Experiment,
    *,
    combinations: Sequence[str] = (),
    samples: int = SAMPLES,
    seed: int = 0,
    known: bool = True,
    data_dir: str | Path | None = None,
    progress: bool = True,
) -> Texts:
    """Let a generator draw sentences, and a classifier that has seen only true images say what it sees.

    Args:
        sampler: draws from the generator.
        encoder: reads texts for it.
        experiment: how it was trained.
        combinations: of attributes, such as "hat & sunglasses", that it is asked to draw together; those that were left
            out of its training by default.
        samples: at most how many sentences.
        seed: of the sentences and the latents.
        known: whether it is known which images it was trained on (see `evaluation.was_trained_on`).
        data_dir: where datasets and classifiers are.
        progress: whether to show progress bars.

    Raises:
        InputError: there are too few images for a classifier, or none that has a combination.
    """
    data, size, places = experiment.data, experiment.model.image_size, {"data_dir": data_dir, "progress": progress}
    apart = unseen(data, size, samples, **places)
    dataset = load_for(experiment, data_dir, progress) if apart is None else apart
    seen_before = True if apart is None else False if known else UNKNOWN
    judge = judge_for(data.name, size, attributes=True, small=data.small, **places)
    return measure_texts(
        sampler,
        encoder,
        judge,
        dataset,
        combinations=combinations or data.without,
        left_out=data.without,
        samples=samples,
        seed=seed,
        true_images=true_in_words(dataset, seen_before),
        trained_on=seen_before,
    )


def measure_texts(
    sampler: Sampler,
    encoder: TextEncoder,
    judge: Judge,
    dataset: Dataset,
    *,
    combinations: Sequence[str] = (),
    left_out: Sequence[str] = (),
    samples: int = SAMPLES,
    seed: int = 0,
    **known,
) -> Texts:
    """The measurement itself, with true images that are given.

    Args:
        sampler, encoder, combinations, samples, seed: as for `texts_and_seen`.
        judge: says which attributes pictures have, in the order of the dataset's.
        dataset: true images with attributes.
        left_out: combinations that the training had no image of.
        **known: other fields of `Texts`.
    """
    names = dataset.attribute_names
    asked = [sorted(places_of(each, names, dataset.title)) for each in combinations]
    wanted = {" & ".join(names[place] for place in places): places for places in asked}
    without = [set(places_of(each, names, dataset.title)) for each in left_out]
    rows = np.sort(stream(seed, "texts: true images").permutation(len(dataset))[:samples])
    images, attributes = np.asarray(dataset.images[rows]), np.asarray(dataset.attributes)[rows].astype(bool)
    captions, random = captions_of(attributes, names, seed), stream(seed, "texts: latents")

    def draw(texts: Sequence[str]) -> np.ndarray:
        return scale_back(sampler.images(sampler.make_latents(len(texts), random), encoder(texts)))

    fakes = draw(captions.texts)
    seen_fake, seen_true = judge.shown(fakes), judge.shown(images)
    says, others = captions.says, captions.says[another(len(rows))]
    agrees = {
        "fake": (seen_fake == (says > 0), says != 0),
        "other": (seen_fake == (others > 0), others != 0),
        "true": (seen_true == (says > 0), says != 0),
    }
    together = []
    for name, places in wanted.items():
        having = attributes[:, places].all(1)
        texts = _naming(attributes[having], names, places, seed)
        if not texts:
            raise InputError(
                f"None of {len(rows):,} {known.get('true_images', 'true images')} has {name} in a way that can be "
                "said: ask for another combination, or for more --samples."
            )
        shown = judge.shown(draw(texts))[:, places]
        elsewhere = ~(says[:, places] > 0).all(1)
        together.append(
            Together(
                name=name,
                left_out=any(each <= set(places) for each in without),
                count=len(texts),
                all=_share(shown.all(1)),
                parts={names[place]: _share(column) for place, column in zip(places, shown.T)},
                others=_share(seen_fake[elsewhere][:, places].all(1)),
                true=_share(seen_true[having][:, places].all(1)),
            )
        )
    named = [text for places in wanted.values() for text in _naming(attributes, names, places, seed)[:2]]
    examples = list(dict.fromkeys([*named, *captions.texts]))[:EXAMPLES]
    drawn = sampler.rows_of(encoder(examples), sampler.make_latents(8, random))
    alike = judge.space(draw([text for text in captions.texts[:ASKED] for _ in range(EACH)]))
    alike = alike.reshape(-1, EACH, alike.shape[1])
    return Texts(
        samples=len(rows),
        judge=judge.name,
        right={name: _share((right | ~spoken).all(1)) for name, (right, spoken) in agrees.items()},
        attributes=tuple(
            Said(
                judge.names[place],
                int((says[:, place] != 0).sum()),
                **{name: _share(right[spoken[:, place], place]) for name, (right, spoken) in agrees.items()},
            )
            for place in np.flatnonzero((says != 0).any(0)).tolist()
        ),
        variety=within_and_over(alike, judge.space(images), ~contradict(captions.says[:ASKED], attributes)),
        combinations=tuple(together),
        examples=(tuple(examples), drawn.reshape(len(examples), -1, *drawn.shape[1:])),
        **known,
    )


def _naming(attributes: np.ndarray, names: Sequence[str], places: list[int], seed: int) -> list[str]:
    """Sentences that say that all of a combination is there, about images that have it."""
    having, texts = attributes[attributes[:, places].all(1)], []
    for number in range(_TRIES if len(having) else 0):
        captions = captions_of(having, names, seed + number)
        naming = (captions.says[:, places] > 0).all(1)
        texts += [text for text, named in zip(captions.texts, naming) if named]
        if len(texts) >= TOGETHER:
            break
    return list(dict.fromkeys(texts))[:TOGETHER]


def _share(right: np.ndarray) -> Interval:
    if not len(right):
        return Interval(np.nan, np.nan, np.nan)
    return wilson(int(right.sum()), len(right))


def _plain(value: object):
    if isinstance(value, Interval):
        return value.plain() if np.isfinite(value.value) else None
    if isinstance(value, Said | Together):
        return {name: _plain(each) for name, each in vars(value).items()}
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, tuple) else value
