"""What a linear classifier reads off the discriminator's features, layer by layer: the figure and the section."""

from pathlib import Path

import numpy as np

from utils.errors import InputError
from utils.explain.fixed import fixed_discriminator
from utils.explain.sections import Finding, Picture, Section, bracketed, rounded
from utils.explain.subject import Subject
from utils.features import controls
from utils.features.extract import discriminator_features
from utils.features.factors import Reading, by_majority, read_factors, read_layers
from utils.features.questions import Questions, questions_for
from utils.figure import new_figure, write_figure
from utils.intervals import Interval

LABELLED, TESTED = 1_000, 500
"""Images that a classifier learns from, and that judge it, at most."""
ALL = "all layers"


def section(subject: Subject, folder: Path) -> Section:
    experiment = subject.experiment
    if experiment is None or subject.data.name != experiment.data.name:
        raise InputError(
            "Features are read on the images that the discriminator was trained on: name a run, and leave --data out. "
            f"Received: {subject.title}, {subject.data.name}."
        )
    labelled = min(LABELLED, subject.most or LABELLED)
    asked = questions_for(experiment, labelled, min(TESTED, labelled), subject.data_dir, progress=False)
    trained = fixed_discriminator(subject.discriminator)
    read = {
        "trained": _read(trained, asked),
        "random weights": _read(trained.randomised(subject.seed + 1), asked),
    }
    pixels = controls.pixels(trained.side)
    without = {
        "pixels": read_factors(pixels(asked.labelled.images()), asked.known, pixels(asked.test), asked.answers),
        "the most frequent": by_majority(asked.known, asked.answers),
    }
    what = "the class" if len(asked.names) == 1 else f"{len(asked.names)} exact attributes, on average"
    last = {name: bracketed(_accuracy(of[ALL]), ".1%") for name, of in read.items()}
    finding = Finding(
        f"Paper, §5.1: the discriminator's features tell what an image shows; a linear classifier reads {what}",
        f"right for {last['trained']} of held-out images",
        "; ".join(
            f"{name}: {value}"
            for name, value in {
                "the same network with random weights": last["random weights"],
                **{name: f"{found.accuracy.value:.1%}" for name, found in without.items()},
            }.items()
        ),
    )
    columns = {f"{name}, {ALL}": of[ALL] for name, of in read.items()} | without
    table = [
        {"attribute": name} | {title: f"{found.right[place].mean():.0%}" for title, found in columns.items()}
        for place, name in enumerate(asked.names)
    ]
    values = [
        {"features": name, "of": layer} | _accuracy(found).columns("accuracy")
        for name, of in read.items()
        for layer, found in of.items()
    ]
    values += [{"features": name, "of": ALL} | _accuracy(found).columns("accuracy") for name, found in without.items()]
    return Section(
        text=(
            f"One linear support vector machine a value learns from {len(asked.labelled):,} labelled images and is "
            f"judged on {len(asked.test):,} that the network was not trained on. Features are the largest activations "
            "in a grid of 4x4 cells, as in the paper. What counts is the margin over random weights.",
        ),
        findings=(finding,),
        tables={"Read right, by attribute": table},
        values={"read right": rounded(values)},
        pictures=(
            Picture(
                draw_layers(read, without, folder / "features.png", subject.about),
                "Mean accuracy by layer, with 95% intervals over test images, beside the same network with random "
                "weights, the pixels, and guessing the most frequent value.",
            ),
        ),
    )


def _read(network, asked: Questions) -> dict[str, Reading]:
    """What each layer's features tell, and all of them together."""
    features = discriminator_features(network, asked.labelled, "explained")
    train, test = features(asked.labelled.images()), features(asked.test)
    layers = {
        f"{number}: {title}": found
        for number, (title, found) in enumerate(read_layers(network, train, asked.known, test, asked.answers), start=1)
    }
    return layers | {ALL: read_factors(train, asked.known, test, asked.answers)}


def _accuracy(reading: Reading) -> Interval:
    """Its accuracy, with the interval if it is of test images enough to tell one."""
    return reading.accuracy.told(reading.right.shape[1])


def draw_layers(
    read: dict[str, dict[str, Reading]], without: dict[str, Reading], file: str | Path, heading: str = ""
) -> Path:
    """Accuracies by layer of several networks, and what is had without one as lines."""
    from matplotlib.ticker import PercentFormatter

    figure = new_figure(8, 3.8, heading)
    axes = figure.subplots()
    for shift, (name, of) in zip((-0.06, 0.06), read.items()):
        found = [_accuracy(reading) for reading in of.values()]
        values = np.array([each.value for each in found])
        around = np.abs([[each.low for each in found], [each.high for each in found]] - values)
        colour = "C0" if name == "trained" else "grey"
        axes.errorbar(np.arange(len(values)) + shift, values, around, fmt="o", capsize=3, color=colour, label=name)
    for (name, reading), style in zip(without.items(), ("--", ":")):
        axes.axhline(reading.accuracy.value, color="black", linestyle=style, linewidth=1, label=name)
    titles = list(next(iter(read.values())))
    axes.set_xticks(range(len(titles)), [title.replace(", ", "\n") for title in titles])
    axes.set(ylabel="read right", xlim=(-0.5, len(titles) - 0.5))
    axes.yaxis.set_major_formatter(PercentFormatter(1, 0))
    axes.grid(alpha=0.25)
    figure.legend(loc="outside lower center", ncols=4, fontsize=9, frameon=False)
    return write_figure(file, figure)
