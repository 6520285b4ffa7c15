"""A discriminator's features in one of the paper's experiments, beside its controls: a table like the paper's.

The control that decides whether anything was learned is the same network with random weights. What is measured is kept
row by row in `<data_dir>/features/outcomes/`, so a comparison that was stopped goes on where it was.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from utils.config import DataConfig
from utils.data import Dataset
from utils.data.catalogue import (
    find_entry,
    find_source,
    is_own,
    load_of,
    place_of,
    reading,
    share_too_small,
)
from utils.data.dataset import UNKNOWN
from utils.data.dedup import exact
from utils.data.fetching import data_folder
from utils.errors import InputError
from utils.evaluation.features import Extractor, extractor_for
from utils.evaluation.held_out import held_out, split_apart, unseen
from utils.explain.fixed import FixedDiscriminator, fixed_discriminator
from utils.features import KINDS, controls
from utils.features.extract import Part, digest_of, discriminator_features, extract
from utils.features.protocols import (
    FEW,
    LABELS,
    MEASURED_ON,
    PUBLISHED,
    SVHN_STRENGTHS,
    Outcome,
    Split,
    check_folds,
    check_labels,
    cifar,
    draw,
    svhn,
)
from utils.features.sizes import (
    SIZES,
    SVHN_LABELS,
    Sizes,
    enough_to_judge,
    expect_classes,
    expect_enough,
    labels_of_each,
    parts,
)
from utils.files import read_json, write_json
from utils.intervals import Interval, bootstrap_mean
from utils.models import load_network
from utils.networks import TrainedNetwork
from utils.streams import stream
from utils.tables import duration

ROUNDS = 100
"""Supervised training goes through its images so many times at most."""


def compare(
    trained: TrainedNetwork,
    data: DataConfig,
    protocol: str,
    *,
    labels: int | None = None,
    scale: str = "quick",
    without: tuple[str, ...] = (),
    seed: int = 0,
    data_dir: str | Path | None = None,
    progress: bool = True,
) -> dict:
    """Measure a discriminator's features, and what is beside them.

    Args:
        trained: which discriminator.
        data: labelled images.
        protocol: "cifar" or "svhn" (see `protocols`).
        labels: how many labelled images a classifier learns from, as many of each class: by default all (cifar), or
            1,000 (svhn).
        scale: how much is done, one of `SIZES`.
        without: kinds of rows to leave out, of `features.KINDS`.
        seed: decides parts, draws, folds, centroids and everything else that is random.
        data_dir: where datasets are, and where features are kept.
        progress: whether to say on standard error what is at work.

    Returns:
        The record, of plain values: "rows", each with "kind", "name", "features", "strength", "accuracy" (an interval
        over test images, without its ends where these are too few to tell them) and what the protocol adds; "margin",
        by how much the features are ahead of the same network with random weights; "published"; "missing", kinds that
        could not be measured, with the reason; and "data", what the images are: among it "test_set_apart", whether
        those that judge are a part of those to learn from, and "test_seen", whether the network was trained on them,
        without their labels ("unknown" where nobody knows what it was trained on).

    Raises:
        InputError: the images have no labels, or too few, or of one class, or are smaller than the network's.
    """
    sizes = SIZES[scale]
    network = fixed_discriminator(load_network(trained.file))
    split = split_for(data, network.side, protocol, labels, sizes, seed=seed, data_dir=data_dir, progress=progress)
    bench = _Bench(split, protocol, sizes, seed, data_folder(data_dir) / "features", progress)
    rows, rights, missing = [], {}, {}

    def measure(kind: str, extractor: Extractor, keep: bool = False) -> None:
        outcome, seconds, width = bench.outcome(extractor, keep)
        note(kind, extractor.name, width, outcome, seconds)

    def note(kind: str, name: str, width: int | None, outcome: Outcome, seconds: float) -> None:
        rights.setdefault(kind, []).append(outcome.right)
        row = {"kind": kind, "name": name, "features": width} | _row(outcome, seed) | {"seconds": seconds}
        if protocol == "svhn" and outcome.strength:
            row["strength_at_an_end"] = outcome.strength in (SVHN_STRENGTHS[0], SVHN_STRENGTHS[-1])
        rows.append(row)

    kinds = [kind for kind in KINDS if kind not in without]
    bench.say(f"{1 + len(kinds)} kinds of rows; the first tells how long the others may take.")
    own = discriminator_features(network, split.train, f"{trained.title}, pooled to 4x4")
    measure("model", own, keep=True)
    if "random" in kinds:
        for number in range(1, sizes.random_seeds + 1):
            name = f"the same network, random weights ({number})"
            drawn = network.randomised(sizes.random_seeds * seed + number)  # no seed shares networks with another
            measure("random", discriminator_features(drawn, split.train, name))
    if "pixels" in kinds:
        measure("pixels", controls.pixels(network.side))
    if "components" in kinds:
        measure("components", controls.principal_components(split.train, rows[0]["features"], network.side))
    if "k_means" in kinds:
        measure("k_means", controls.k_means(split.train, sizes.centroids, sizes.patches, seed))
    if "imagenet" in kinds:
        try:
            measure("imagenet", extractor_for(data.name, network.side, features="imagenet", data_dir=data_dir))
        except InputError as error:
            missing["imagenet"] = str(error)
    if "supervised" in kinds:
        outcome, seconds = bench.supervised(network, own.fingerprint)
        note("supervised", "the same network, trained with the labels", None, outcome, seconds)

    margin = None
    if "random" in rights:
        ahead = rights["model"][0] - np.mean(rights["random"], 0)
        margin = _told(ahead, seed) | {"over": "the same network with random weights"}
    train = split.train.dataset
    set_apart = split.test.dataset is train
    return {
        "model": trained.title,
        "protocol": protocol,
        "scale": scale,
        "seed": seed,
        "data": {
            "title": train.title,
            "fingerprint": train.fingerprint,
            "train": len(split.train),
            "validation": len(split.validation) if split.validation else 0,
            "test": len(split.test),
            "test_set_apart": set_apart,
            "test_seen": _seen(trained, data, set_apart),
            "labels": len(split.train) if split.labels is None else split.labels * split.classes,
            "classes": split.classes,
        },
        "rows": rows,
        "margin": margin,
        "published": [vars(row) | {"measured_on": MEASURED_ON[protocol]} for row in PUBLISHED[protocol]],
        "missing": missing,
        "left_out": list(without),
    }


def as_table(record: dict) -> list[dict]:
    """The rows of a table like the paper's: what was measured, then what is published, of the record of `compare`."""
    svhn = record["protocol"] == "svhn"
    measured = [_measured(row, svhn) for row in record["rows"]]
    return measured + [_published(row, svhn) for row in record["published"]]


def margin_in_words(record: dict) -> str:
    """By how much the features are ahead of those of random weights, of the record of `compare`, which has a margin.

    Its interval is over test images. How far networks with other random weights differ is in the rows."""
    margin = _interval(record["margin"])
    value, low, high = (f"{100 * each:+.1f}" for each in (margin.value, margin.low, margin.high))
    ends = "" if margin.is_alone else f" (95%, over test images: {low} to {high})"
    return f"{record['model']}: ahead of {record['margin']['over']} by {value} points{ends}."


def caution_in_words(record: dict) -> str:
    """That published figures are not to be set beside those of a record of `compare`; "" where they may be, since it is
    of the images, labels and sizes of the protocol."""
    data, where, labels = record["data"], record["published"][0]["measured_on"], LABELS[record["protocol"]]
    if (data["title"], data["labels"], record["scale"]) == (where, labels, "report"):
        return ""
    return (
        f"The published rows are from {labels:,} labels of {where}, by protocols of their own; not to be set beside "
        "these figures."
    )


def split_for(
    data: DataConfig,
    size: int,
    protocol: str,
    labels: int | None,
    sizes: Sizes,
    *,
    seed: int = 0,
    data_dir: str | Path | None = None,
    progress: bool = True,
) -> Split:
    """The images of an experiment.

    Judged are those of the dataset's own test part, or those behind the `data.count` to learn from (of own pictures
    whichever are more); where there are none, or too few behind, 3 of 10 images are set apart. None of them has an
    exact copy among those to learn from, but for test parts of the catalogue, which stay as they were published.

    Args:
        data: labelled images.
        size: side of the images that the network takes, in pixels.
        protocol, labels, seed, data_dir, progress: as in `compare`.
        sizes: how many images at most.

    Raises:
        InputError: the images have no labels, or too few, or of one class, or are smaller than the network's, or copies
            of each other.
    """
    expect_enough(data, protocol, labels, sizes, data_dir)
    there = find_source(data.name, size, data.count, data_dir=data_dir, **reading(data)).describe()
    _check_size(data, size, there.title)
    dataset = load_of(data, size, data_dir, progress)
    expect_classes(dataset.labels, dataset.title)  # `data.count` may have left one alone
    others = _others(data, dataset, sizes, data_dir, progress)
    order = stream(seed, "features: parts").permutation(len(dataset))
    tested, validated, learned = parts(len(dataset), others is not None, protocol, labels, sizes)
    if others is None:
        test, order = Part(dataset, np.sort(order[:tested])), order[tested:]
        test = _without_copies(test, Part(dataset, order[: validated + learned]), progress)
    else:
        test = Part(others, np.arange(len(others)))
    if sizes.test is not None and sizes.test < len(test):
        some = stream(seed, "features: test part").permutation(len(test))[: sizes.test]
        test = test.take(np.sort(some))
    classes = len(dataset.label_names) or int(np.asarray(dataset.labels).max()) + 1
    train = Part(dataset, order[validated : validated + learned])
    if protocol == "svhn":
        labels = SVHN_LABELS if labels is None else labels
        each = labels_of_each(labels, classes, protocol)
        check_labels(train, each, classes, f"--labels {labels}")
        return Split(train, test, Part(dataset, order[:validated]), each, classes)
    if labels is not None:
        each = labels_of_each(labels, classes, protocol)
        check_labels(train, each, classes, f"--labels {labels}")
        chosen = draw(train.labels, each, classes, stream(seed, "features: labels"))
        train = train.take(np.sort(chosen))
    check_folds(train, classes)
    return Split(train, test, None, None, classes)


def _others(
    data: DataConfig, dataset: Dataset, sizes: Sizes, data_dir: str | Path | None, progress: bool
) -> Dataset | None:
    """Labelled images beside those to learn from, which judge them; None if there are none, or too few behind them."""
    size, places = dataset.images.shape[1], {"data_dir": data_dir, "progress": progress}
    if split_apart(data.name, data.split, data.rules, data_dir) is None:
        wanted = enough_to_judge(len(dataset), sizes)
        found = unseen(data, size, wanted, **places)
        found = None if found is None or len(found) < wanted else found
    elif is_own(data.name):
        found = unseen(data, size, sizes.test or sys.maxsize, **places)
    else:  # as it was published, so that figures stay comparable; of what is drawn no more than is learned from
        most = sizes.train if find_entry(data.name).built_in else None
        found = held_out(data.name, size, most, choices=data.choices, trained_on=data.split, **places)
    return None if found is None or found.labels is None else found


def _without_copies(test: Part, learned: Part, progress: bool) -> Part:
    """The images to be judged that have no exact copy among those to learn from."""
    known = {exact.digest_of(image) for batch in learned.batches() for image in batch}
    judged = (image for batch in test.batches() for image in batch)
    fresh = [place for place, image in enumerate(judged) if exact.digest_of(image) not in known]
    copies, title = len(test) - len(fresh), test.dataset.title
    if not copies:
        return test
    if not fresh:
        raise InputError(
            f"All {copies:,} images of {title} that were set apart to be judged are exact copies of others to learn "
            "from: give pictures that differ, or --data with other ones."
        )
    if progress:
        print(f"Set apart of {title}, exact copies of images to learn from left out: {copies:,}.", file=sys.stderr)
    return test.take(np.array(fresh))


def _seen(trained: TrainedNetwork, data: DataConfig, set_apart: bool) -> bool | str:
    """Whether a network was trained on the images that judge it; UNKNOWN where nobody knows what it was trained on."""
    if trained.experiment is None:
        return UNKNOWN
    return set_apart and place_of(trained.experiment.data.name) == place_of(data.name)


def _check_size(data: DataConfig, size: int, title: str) -> None:
    """Refuse images that are smaller than those that the network looks at."""
    entry = find_entry(data.name)
    smaller = entry.native_size is not None and entry.native_size < size if entry else share_too_small(data, size) == 1
    if smaller:
        side = f"{entry.native_size}x{entry.native_size}" if entry else "smaller"
        raise InputError(
            f"This model looks at images of {size}x{size} pixels, and those of {title} are {side}: take a model "
            "of their size."
        )


class _Bench:
    """Measures rows, each once."""

    def __init__(self, split: Split, protocol: str, sizes: Sizes, seed: int, folder: Path, progress: bool):
        self.split, self.protocol, self.sizes, self.seed = split, protocol, sizes, seed
        self.folder, self.progress = folder, progress
        parts = [part.fingerprint for part in (split.train, split.validation, split.test) if part]
        each, wanted = FEW, (sizes.few_draws,)
        if protocol == "svhn":
            each, wanted = split.labels, (sizes.choosing_draws, sizes.draws)
        there = np.bincount(split.train.labels)
        # Never where a class has fewer than are drawn; once where none has more, so that all draws would be one.
        most = 0 if there.min() < each else 1 if there.max() == each else max(wanted)
        self.draws = tuple(min(most, number) for number in wanted)
        counts = (FEW, *self.draws) if protocol == "cifar" else self.draws
        self.identity = [protocol, seed, split.labels, parts, counts]

    def say(self, sentence: str) -> None:
        if self.progress:
            print(sentence, file=sys.stderr)

    def outcome(self, extractor: Extractor, keep: bool) -> tuple[Outcome, float, int]:
        """The outcome of an experiment with an extractor's features, the seconds it took, and how many they are.

        Args:
            extractor: what makes the features.
            keep: whether to keep the features, too.
        """
        made = []

        def features(part: Part) -> np.ndarray:
            made.append(extract(extractor, part, self.folder, self.progress))
            return made[-1].values

        def experiment() -> dict:
            title = extractor.name if self.progress else None
            measured = svhn if self.protocol == "svhn" else cifar
            outcome = measured(self.split, features, self.seed, *self.draws, progress=title)
            plain = outcome.plain() | {"width": made[0].values.shape[1]}
            if not keep:
                for each in made:
                    each.forget()
            return plain

        plain = self._once(extractor.name, extractor.fingerprint, experiment)
        return Outcome.of(plain), plain["seconds"], plain["width"]

    def supervised(self, network: FixedDiscriminator, fingerprint: str) -> tuple[Outcome, float]:
        """The outcome of training the same architecture with the labels, and the seconds that it took.

        Adam's step size is chosen on the validation part, or on a tenth of the labelled images, by shorter trainings.
        """
        split, sizes, title = self.split, self.sizes, "trained with the labels"

        def train(part: Part, updates: int, rate: float, number: int) -> object:
            random = stream(self.seed, "features: supervised", number)
            words = f"{title}, step size {rate:g}" if self.progress else None
            most = min(updates, max(1, ROUNDS * len(part) // controls.BATCH_SIZE))
            return controls.train_with_labels(network, part, split.classes, most, rate, random, words)

        def of(number: int) -> Part:
            """The labelled images of a draw; without draws all of them."""
            if split.labels is None:
                return split.train
            random = stream(self.seed, "features: draws", number)
            return split.train.take(draw(split.train.labels, split.labels, split.classes, random))

        def experiment() -> dict:
            first, judge = of(1), split.validation
            if judge is None:
                order = stream(self.seed, "features: folds").permutation(len(first))
                tenth = max(1, len(first) // 10)
                judge, first = first.take(order[:tenth]), first.take(order[tenth:])
            scores = []
            for rate in controls.RATES:
                classifier = train(first, max(1, sizes.updates // 4), rate, 1)
                scores.append(np.mean(controls.predictions(classifier, judge) == judge.labels))
            rate = controls.RATES[int(np.argmax(scores))]
            hits = []
            for number in range(1, 1 + (sizes.supervised if split.labels else 1)):
                classifier = train(of(number), sizes.updates, rate, number)
                hits.append(controls.predictions(classifier, split.test) == split.test.labels)
            each = np.mean(hits, 1) if split.labels else np.empty(0)
            return Outcome(np.mean(hits, 0), each=each).plain()

        identity = digest_of("supervised, version 2", fingerprint, sizes.updates, sizes.supervised)
        plain = self._once(title, identity, experiment)
        return Outcome.of(plain), plain["seconds"]

    def _once(self, title: str, identity: str, experiment: Callable[[], dict]) -> dict:
        file = self.folder / "outcomes" / f"{digest_of(self.identity, identity)[:24]}.json"
        if file.is_file():
            self.say(f"{title}: measured before")
            return read_json(file)
        self.say(f"{title} …")
        began = time.perf_counter()
        plain = experiment()
        plain["seconds"] = round(time.perf_counter() - began, 1)
        write_json(file, plain)
        self.say(f"{title}: {duration(plain['seconds'])}")
        return plain


def _row(outcome: Outcome, seed: int) -> dict:
    """What a record says of an outcome.

    Of accuracies that differ by what was drawn: their mean, how many, and "spread", 1.96 standard deviations, what the
    paper's ± is taken for; None of a single one, which has none.
    """
    row = {"strength": outcome.strength, "accuracy": _told(outcome.right, seed)}
    for name in ("each", "few"):
        if len(values := getattr(outcome, name)):
            spread = 1.96 * float(values.std(ddof=1)) if len(values) > 1 else None
            row[name] = {"mean": float(values.mean()), "spread": spread, "draws": len(values)}
    return row


def _told(values: np.ndarray, seed: int) -> dict[str, float]:
    """Mean over test images, float (T,), for a record, as far as it is told of so many."""
    return bootstrap_mean(values, seed).told(len(values)).plain()


def _interval(plain: dict) -> Interval:
    """What `_told` wrote."""
    return Interval(**{name: plain[name] for name in ("value", "low", "high") if name in plain})


def _measured(row: dict, svhn: bool) -> dict:
    """A row of the table."""
    accuracy = _interval(row["accuracy"])
    first = {"features": row["name"], "values": f"{row['features']:,}" if row["features"] else ""}
    first["C"] = f"{row['strength']:.1e}" if row["strength"] else ""

    def ends(low: float, high: float) -> str:
        return "" if accuracy.is_alone else f"{100 * low:.1f} to {100 * high:.1f}"

    if svhn:
        return first | {
            "error %": f"{100 * (1 - accuracy.value):.2f}",
            "±": _points(row["each"]["spread"], ".2f"),
            "95%": ends(1 - accuracy.high, 1 - accuracy.low),
            "from": "measured",
        }
    few = row.get("few")
    return first | {
        "accuracy %": f"{100 * accuracy.value:.1f}",
        "95%": ends(accuracy.low, accuracy.high),
        "400 a class": f"{100 * few['mean']:.1f}" if few else "",
        "±": _points(few["spread"], ".1f") if few else "",
        "from": "measured",
    }


def _points(share: float | None, form: str) -> str:
    """A share in percent; nothing for None."""
    return "" if share is None else f"{100 * share:{form}}"


def _published(row: dict, svhn: bool) -> dict:
    """A row of the paper's table."""
    first = {"features": f"{row['name']}{f' ({about})' if (about := row['about']) else ''}", "values": "", "C": ""}
    source = {"from": f"published, {row['measured_on']}"}
    if svhn:
        return first | {"error %": f"{row['value']:.2f}", "±": "", "95%": ""} | source
    few = {"400 a class": f"{row['few']:.1f}", "±": f"{row['spread']:.1f}"}
    return first | {"accuracy %": f"{row['value']:.1f}", "95%": ""} | few | source
