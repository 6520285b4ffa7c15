"""Which features of a discriminator tell classes apart, and when in its training."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from utils.config import replace
from utils.figure import new_figure
from utils.intervals import student
from utils.runs import Run
from utils.studies.recipes import recipes
from utils.studies.results import rounded, runs_by_arm
from utils.studies.study import Arm, Study, study_name
from utils.tables import spread
from utils.viz import plain_ticks

if TYPE_CHECKING:
    from utils.features.factors import Reading

ARMS = ("base", "d_plain", "d_spectral", "relativistic", "r1", "faster", "faster_r1")
"""Recipes of the study of recipes: with batch normalisation, without, with spectral normalisation, and so on."""
MEASURED = {"report": (4_000, 2_000), "quick": (1_000, 500), "smallest": (64, 32)}
"""Labelled images, and test images of a linear classifier, at each scale."""
FEWER = (4, 16)
"""A quarter and a sixteenth of the labelled images, for accuracy by amount of labels."""


def features(data: str = "cifar10", scale: str = "report") -> Study:
    """Some arms of the study of recipes, whose discriminators are asked what they have learned after every epoch; and
    one with a second task for them (`training.recipes.rotation`).

    Args:
        data: name of a dataset with labels or exact attributes.
        scale: one of `presets.SCALES`.
    """
    study = recipes(data, scale)
    arms = [arm for arm in study.arms if arm.name in ARMS]
    if scale == "report":
        turned = replace(arms[0].experiment, recipe="rotation")
        arms.append(Arm("rotation", "the discriminator also tells by how many quarters images were turned", turned))
    return dataclasses.replace(
        study,
        arms=tuple(arms),
        name=study_name("features", data, scale),
        question="Which layers, which epochs and which recipes give features that tell classes apart?",
        base=None,
    )


def carry_out(
    study: Study, home: str | Path | None = None, out: str | Path | None = None, **options
) -> tuple[dict[tuple[str, int], Run], Path]:
    """Train the arms, and keep distances and what is read off the discriminators.

    Args:
        study, home, out, options: as for `studies.train.train_study`.

    Raises:
        InputError: nothing is known of the images that could be read.
    """
    from utils.studies.train import train_study

    # It refuses a dataset of which nothing is known before anything is trained.
    read = reader(study, study.scale, options.get("data_dir"), options.get("progress", True))
    return train_study(study, home, out, **options, also=lambda run: {"read": read(run)})


def reader(
    study: Study, scale: str, data_dir: str | Path | None = None, progress: bool = True
) -> Callable[[Run], dict]:
    """What reads factors off the features of a run's discriminators, always on the same images.

    Args:
        study: its arms are of one dataset.
        scale: one of `presets.SCALES`.
        data_dir: where datasets are.
        progress: whether to show progress bars.

    Returns:
        read(run) -> accuracies, means over the factors: "by_update", a list of {"update", "value"} for every kept
        network; of the last one "by_layer", "by_labels" (number of labels: value) and "standardised" (with all labels,
        see `factors.standardised`), and the same three of the network with random weights, as "random"; "pixels" by
        labels; each value with its interval over test images.
    """
    from utils.explain.fixed import fixed_discriminator
    from utils.features import controls
    from utils.features.extract import discriminator_features
    from utils.features.factors import read_factors, read_layers, standardised
    from utils.features.questions import questions_for
    from utils.models import load_network

    asked = questions_for(study.arms[0].experiment, *MEASURED[scale], data_dir, progress)
    images = asked.labelled.images()
    amounts = sorted({len(images), *(len(images) // share for share in FEWER)})
    # Pixels, and networks with the same weights in several arms, as those that training begins with, are read once.
    ready: dict[str, dict] = {}

    def reading(train: np.ndarray, test: np.ndarray, amount: int) -> dict:
        return _plain(read_factors(train[:amount], asked.known[:, :amount], test, asked.answers))

    def by_labels(train: np.ndarray, test: np.ndarray) -> dict:
        return {str(amount): reading(train, test, amount) for amount in amounts}

    def in_full(fixed, name: str) -> dict:
        """By layer and by labels."""
        extractor = discriminator_features(fixed, asked.labelled, name)
        if "by_layer" not in ready.get(extractor.fingerprint, {}):
            train, test = extractor(images), extractor(asked.test)
            layers = read_layers(fixed, train, asked.known, test, asked.answers)
            ready[extractor.fingerprint] = {
                "by_layer": [{"layer": title} | _plain(found) for title, found in layers],
                "by_labels": by_labels(train, test),
                "standardised": reading(*standardised(train, test), amounts[-1]),
            }
        return ready[extractor.fingerprint]

    def with_all_labels(fixed) -> dict:
        """All layers together."""
        extractor = discriminator_features(fixed, asked.labelled, "kept")
        if extractor.fingerprint not in ready:
            value = reading(extractor(images), extractor(asked.test), amounts[-1])
            ready[extractor.fingerprint] = {"by_labels": {str(amounts[-1]): value}}
        return ready[extractor.fingerprint]["by_labels"][str(amounts[-1])]

    def read(run: Run) -> dict:
        last = fixed_discriminator(load_network(run.model("discriminator")))
        if "pixels" not in ready:
            pixels = controls.pixels(run.experiment.model.image_size)
            ready["pixels"] = by_labels(pixels(images), pixels(asked.test))
        found = {
            "factors": list(asked.names),
            **in_full(last, "trained"),
            "random": in_full(last.randomised(run.experiment.training.seed + 1), "random"),
            "pixels": ready["pixels"],
        }
        found["by_update"] = [
            {"update": update} | with_all_labels(fixed_discriminator(load_network(file)))
            for update, file in run.kept("discriminator").items()
        ]
        return found

    return read


def by_arm(results: dict) -> list[dict]:
    """A row for each arm: accuracy of all layers at the end, its margin over random weights as the features are and
    standardised, and the distance.

    Means over the seeds with the lowest and the highest; "best after" is the update at which the accuracy was highest,
    "nearest after" that at which the distance was lowest, of the first seed.
    """
    rows = []
    for arm, runs in runs_by_arm(results).items():
        full = [_at_most(run["read"]["by_labels"]) for run in runs]
        random = [_at_most(run["read"]["random"]["by_labels"]) for run in runs]
        course, snapshots = runs[0]["read"]["by_update"], [row for row in runs[0]["snapshots"] if row["update"]]
        rows.append(
            {
                "arm": arm,
                "what": results["arms"][arm],
                "accuracy": spread(full, ".1%"),
                "ahead of random weights": spread(100 * np.subtract(full, random), "+.1f"),
                "standardised": spread(_standardised(runs), "+.1f"),
                "distance": spread([run["snapshots"][-1]["kernel"][0] for run in runs], ".2g"),
                "best after": f"{max(course[1:], key=lambda row: row['value'])['update']:,}" if course[1:] else "",
                "nearest after": f"{min(snapshots, key=lambda row: row['kernel'][0])['update']:,}",
                "runs": len(runs),
            }
        )
    return sorted(rows, key=lambda row: -float(row["accuracy"].split("%")[0]))


def agreement(results: dict) -> dict:
    """Whether better generators have discriminators that learned more: Spearman's rank correlation of the distance and
    the accuracy ahead of the same network with random weights, -1 if always.

    Returns:
        "over_recipes": among the last networks of each arm, the mean over seeds, and "over_recipes_standardised", the
        same for standardised features; "within_runs": over the course of each run, the mean with Student's interval
        over runs.
    """
    from scipy.stats import spearmanr

    by_seed: dict[int, list[tuple[float, float, float]]] = {}
    within = []
    for runs in runs_by_arm(results).values():
        for run, alike in zip(runs, _standardised(runs)):
            distances = {row["update"]: row["kernel"][0] for row in run["snapshots"]}
            random = _at_most(run["read"]["random"]["by_labels"])
            read = [row for row in run["read"]["by_update"] if row["update"]]
            course = [(distances[row["update"]], row["value"] - random) for row in read]
            if len(course) > 2:
                within.append(spearmanr(*zip(*course)).statistic)
            by_seed.setdefault(run["seed"], []).append((*course[-1], alike))

    def over_recipes(column: int) -> float | None:
        ends = [np.array(rows) for rows in by_seed.values() if len(rows) > 2]
        return float(np.mean([spearmanr(rows[:, 0], rows[:, column]).statistic for rows in ends])) if ends else None

    return {
        "over_recipes": over_recipes(1),
        "over_recipes_standardised": over_recipes(2),
        "within_runs": student(within, (-1.0, 1.0)).plain() if len(within) > 1 else None,
    }


def plot_features(results: dict) -> Figure:
    """Draw what was learned, which is the accuracy ahead of the same network with random weights, over the training,
    by recipe and against the distance; and the accuracy by layer and by amount of labels."""
    from matplotlib.ticker import PercentFormatter

    figure = new_figure(12.5, 7)
    (courses, ends, against), (layers, labels, names) = figure.subplots(2, 3)
    everybody = runs_by_arm(results)
    others = [arm for arm in everybody if arm != "base"]
    for number, (arm, runs) in enumerate(everybody.items()):
        look = {"color": "black" if arm == "base" else f"C{others.index(arm)}", "marker": "o", "markersize": 3}
        random = [_at_most(run["read"]["random"]["by_labels"]) for run in runs]
        margins = [
            [(row["update"], 100 * (row["value"] - of_random)) for row in run["read"]["by_update"]]
            for run, of_random in zip(runs, random)
        ]
        courses.plot(*np.mean(margins, 0).T, **look, label=arm)
        last = [margin[-1][1] for margin in margins]
        if len(last) > 1:
            interval = student(last)
            ends.plot([interval.low, interval.high], [number, number], color=look["color"], linewidth=2, alpha=0.5)
        ends.plot(last, [number] * len(last), "o", color=look["color"], markersize=4)
        each_alike = {"markersize": 4, "fillstyle": "none", "label": "standardised" if not number else None}
        ends.plot(_standardised(runs), [number + 0.25] * len(last), "s", color=look["color"], **each_alike)
        for run, margin in zip(runs, margins):
            distances = {row["update"]: row["kernel"][0] for row in run["snapshots"]}
            pairs = [(distances[update], value) for update, value in margin if update]
            against.plot(*zip(*pairs[:-1]), "o", color=look["color"], markersize=3, alpha=0.3, markeredgewidth=0)
            against.plot(*pairs[-1], "o", color=look["color"], markersize=5)
        layers.plot(_of_layers([run["read"] for run in runs]), **look)
        labels.plot(*_of_labels([run["read"] for run in runs]), **look)
    first = next(iter(everybody.values()))
    random = [run["read"]["random"] for run in first]
    layers.plot(_of_layers(random), "x--", color="grey", markersize=4, label=f"{first[0]['arm']}, random weights")
    labels.plot(*_of_labels(random), "x--", color="grey", markersize=4)
    pixels = [first[0]["read"]["pixels"][amount]["value"] for amount in _amounts(first)]
    labels.plot(list(map(int, _amounts(first))), pixels, ":", color="grey", label="pixels")
    courses.axhline(0, color="grey", linewidth=1)
    ends.axvline(0, color="grey", linewidth=1)
    against.axhline(0, color="grey", linewidth=1)
    ends.set_yticks(range(len(everybody)), list(everybody))
    ends.invert_yaxis()
    titles = [layer["layer"].replace(", ", "\n") for layer in first[0]["read"]["by_layer"]]
    layers.set_xticks(range(len(titles)), titles)
    labels.set(xscale="log")
    labels.set_xticks(list(map(int, _amounts(first))), [f"{int(amount):,}" for amount in _amounts(first)])
    labels.minorticks_off()
    against.set(xscale="log")
    plain_ticks(against.xaxis)
    ahead = "points ahead of random weights"
    courses.set(title="what was learned, all layers", xlabel="update", ylabel=ahead)
    ends.set(title="at the end: seeds, 95% interval", xlabel=ahead)
    against.set(title="does it go with good samples?", xlabel="kernel distance of samples", ylabel=ahead)
    layers.set(title="one layer alone, at the end", ylabel="accuracy")
    labels.set(title="all layers, at the end", xlabel="labelled images", ylabel="accuracy")
    for axes in (courses, ends, against, layers, labels):
        axes.title.set_fontsize(10)
        axes.grid(alpha=0.25)
    for axes in (layers, labels):
        axes.yaxis.set_major_formatter(PercentFormatter(1, 0))
    names.axis("off")
    named = [pair for axes in (courses, ends, layers, labels) for pair in zip(*axes.get_legend_handles_labels())]
    names.legend(*zip(*named), loc="center", frameon=False)
    return figure


def answer(results: dict) -> tuple[list[dict], Figure]:
    """The table and the figure that answer the question, of kept results."""
    return by_arm(results), plot_features(results)


def _plain(found: "Reading") -> dict:
    return {name: rounded(value) for name, value in found.accuracy.plain().items()}


def _amounts(runs: list[dict]) -> list[str]:
    return sorted(runs[0]["read"]["by_labels"], key=int)


def _standardised(runs: list[dict]) -> list[float]:
    """By how many points each run is ahead of random weights, if every value of the features has its say."""
    read = [run["read"] for run in runs]
    return [100 * (of["standardised"]["value"] - of["random"]["standardised"]["value"]) for of in read]


def _of_layers(read: list[dict]) -> np.ndarray:
    """Mean accuracies of each layer alone."""
    return np.mean([[layer["value"] for layer in of["by_layer"]] for of in read], 0)


def _of_labels(read: list[dict]) -> tuple[list[int], list[float]]:
    """Numbers of labels, and mean accuracies."""
    amounts = sorted(read[0]["by_labels"], key=int)
    return list(map(int, amounts)), [float(np.mean([of["by_labels"][a]["value"] for of in read])) for a in amounts]


def _at_most(by_labels: dict) -> float:
    """The accuracy with the most labels."""
    return by_labels[max(by_labels, key=int)]["value"]
