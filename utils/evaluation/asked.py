"""Does a conditional generator draw what it is asked for? Judged by the classifier of its dataset, beside true images.

Fakes are drawn for the conditions of true images that it was not trained on, so both sides hold as many of each class,
or of each combination of attributes, and what the judge makes of one can be compared with what it makes of the other.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.config import Experiment
from utils.data import load_for, scale_back
from utils.data.conditions import Conditions
from utils.data.dataset import UNKNOWN
from utils.evaluation.distances import LEAST_SAMPLES, SAMPLES, kernel_distance
from utils.evaluation.held_out import unseen
from utils.evaluation.judge import judge_for, true_in_words
from utils.evaluation.variety import ASKED, EACH, variety, within_and_over
from utils.intervals import Interval, wilson
from utils.sampling import Sampler
from utils.streams import stream


@dataclass(frozen=True)
class Named:
    """One class or attribute.

    Attributes:
        name: what it is called.
        count: how many fakes were asked for it, and as many true images have it.
        seen: share of those in which the judge sees it: of the fakes, and of the true images.
        wrongly: share of the others in which it sees it all the same, likewise.
        variety: mean distance between two fakes that were asked for it, as a share of that between two true images that
            have it; None for less than `LEAST_SAMPLES`.
        distance: kernel distance of these fakes to these true images, without bias; None likewise.
    """

    name: str
    count: int
    seen: tuple[Interval | None, Interval | None]
    wrongly: tuple[Interval | None, Interval | None]
    variety: Interval | None
    distance: Interval | None


@dataclass(frozen=True)
class Asked:
    """What a judge sees of what a generator was asked for.

    Attributes:
        kind: "labels" or "attributes".
        true_images: what they are, for a sentence.
        trained_on: whether the generator has seen these true images; UNKNOWN where that is not known.
        samples: how many fakes, and as many true images.
        judge: name of the classifier; distances are in its features.
        right: share of images in which it sees the class, or all attributes, as they should be: fakes, true images.
        by_chance: the same for fakes beside the condition of another: what one would get that does not listen.
        variety: of `variety.within_and_over`, where a condition is a class, or all attributes together.
        names: one for each class or attribute.
    """

    kind: str
    true_images: str
    trained_on: bool | str
    samples: int
    judge: str
    right: tuple[Interval, Interval]
    by_chance: Interval
    variety: dict[str, Interval]
    names: tuple[Named, ...]

    def table(self) -> list[dict]:
        """As `table_of` has it."""
        return table_of(self.plain())

    def plain(self) -> dict:
        """As plain values, for a record; of each pair "fake" and "true"."""

        def of(pair: tuple[Interval | None, Interval | None]) -> dict:
            return {side: each and each.plain() for side, each in zip(("fake", "true"), pair)}

        names = [
            {
                "name": each.name,
                "count": each.count,
                "seen": of(each.seen),
                "wrongly": of(each.wrongly),
                "variety": each.variety.plain() if each.variety and np.isfinite(each.variety.value) else None,
                "distance": each.distance and each.distance.plain(),
            }
            for each in self.names
        ]
        varied = {name: each.plain() if np.isfinite(each.value) else None for name, each in self.variety.items()}
        plain = {"right": of(self.right), "by_chance": self.by_chance.plain(), "variety": varied, "names": names}
        return vars(self) | plain


def table_of(asked: dict) -> list[dict]:
    """A row for each class or attribute, in words, of what `Asked.plain` gave: "asked" of a record or a card."""

    def shown(plain: dict | None, form: str) -> str:
        return "" if plain is None else format(Interval.of(plain), form)

    what = {"labels": "class", "attributes": "attribute"}[asked["kind"]]
    return [
        {
            what: each["name"],
            "images": f"{each['count']:,}",
            "asked and seen": shown(each["seen"]["fake"], ".0%"),
            "of true images": shown(each["seen"]["true"], ".0%"),
            "seen, not asked": shown(each["wrongly"]["fake"], ".0%"),
            "variety": shown(each["variety"], ".0%"),
            "distance": shown(each["distance"], ".2f"),
        }
        for each in asked["names"]
    ]


def asked_and_seen(
    sampler: Sampler,
    experiment: Experiment,
    *,
    samples: int = SAMPLES,
    seed: int = 0,
    known: bool = True,
    data_dir: str | Path | None = None,
    progress: bool = True,
) -> Asked:
    """Draw what is asked for, and let a classifier that has seen only true images say what it sees.

    Of own pictures without a test split it has learnt from most of the true images that fakes are compared with, so
    that what it sees in these is more than it would see in new ones: too high a ceiling. `Asked.true_images` says so.

    Args:
        sampler: draws from the generator.
        experiment: how it was trained, with conditions.
        samples: at most how many fakes, and as many true images.
        seed: of the latents.
        known: whether it is known which images it was trained on (see `evaluation.was_trained_on`).
        data_dir: where datasets and classifiers are.
        progress: whether to show progress bars.

    Raises:
        InputError: there are too few images for a classifier.
    """
    data, model, places = experiment.data, experiment.model, {"data_dir": data_dir, "progress": progress}
    apart = unseen(data, model.image_size, samples, **places)
    true = load_for(experiment, data_dir, progress) if apart is None else apart
    seen_before = True if apart is None else False if known else UNKNOWN
    rows = np.sort(stream(seed, "asked: true images").permutation(len(true))[:samples])  # they may be in an order
    conditions, images = Conditions.of(true, model)[rows], np.asarray(true.images[rows])
    attributes = model.conditions == "attributes"
    judge = judge_for(data.name, model.image_size, attributes=attributes, small=data.small, **places)

    def seen(pictures: np.ndarray) -> np.ndarray:
        odds = judge(pictures)
        if not attributes:
            # The judge counts classes without names for itself, and may know of more or fewer.
            return odds.argmax(1)[:, None] == np.arange(len(model.condition_names))
        return odds[:, [true.attribute_names.index(name) for name in model.condition_names]] > 0

    latents = sampler.make_latents(len(conditions), stream(seed, "asked: latents"))
    fakes, of_true = scale_back(sampler.images(latents, conditions)), judge.space(images)
    some = conditions[np.sort(np.unique(conditions, axis=0, return_index=True)[1])[:ASKED]]
    latents = sampler.make_latents(len(some) * EACH, stream(seed, "asked: variety"))
    alike = judge.space(scale_back(sampler.images(latents, some.repeat(EACH, 0)))).reshape(len(some), EACH, -1)
    return compare_asked(
        conditions == 1,
        (seen(fakes), seen(images)),
        (judge.space(fakes), of_true),
        model.condition_names,
        variety=within_and_over(alike, of_true, (conditions[:, None] == some).all(2)),
        kind=model.conditions,
        true_images=true_in_words(true, seen_before),
        trained_on=seen_before,
        judge=judge.name,
    )


def compare_asked(
    asked: np.ndarray,
    seen: tuple[np.ndarray, np.ndarray],
    features: tuple[np.ndarray, np.ndarray],
    names: tuple[str, ...],
    **known,
) -> Asked:
    """The comparison itself.

    Args:
        asked: bool (N, C), what fakes were asked for, and true images have.
        seen: bool (N, C), what the judge sees in fakes, and in true images.
        features: float (N, D) of both.
        names: of the classes or attributes.
        **known: the other fields of `Asked`.
    """
    count = len(asked)
    right = [(each == asked).all(1) for each in seen]
    elsewhere = (seen[0] == np.random.default_rng(0).permutation(asked)).all(1)
    return Asked(
        samples=count,
        right=tuple(wilson(int(each.sum()), count) for each in right),
        by_chance=wilson(int(elsewhere.sum()), count),
        names=tuple(
            _named(name, asked[:, place], [each[:, place] for each in seen], features)
            for place, name in enumerate(names)
        ),
        **known,
    )


def _named(name: str, asked: np.ndarray, seen: list[np.ndarray], features: tuple[np.ndarray, np.ndarray]) -> Named:
    def share(rows: np.ndarray, of: np.ndarray) -> Interval | None:
        return wilson(int(of[rows].sum()), int(rows.sum())) if rows.any() else None

    fake, true = (each[asked] for each in features)
    enough = asked.sum() >= LEAST_SAMPLES
    return Named(
        name=name,
        count=int(asked.sum()),
        seen=tuple(share(asked, each) for each in seen),
        wrongly=tuple(share(~asked, each) for each in seen),
        variety=variety(fake, true) if enough else None,
        distance=kernel_distance(fake, true) if enough else None,
    )
