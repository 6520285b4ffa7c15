"""Was dropout of 0.4 in the discriminator needed for good results, as the report says (§5.8)?"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from utils.config import replace
from utils.figure import new_figure
from utils.runs import Run
from utils.studies.figures import plot_samples
from utils.studies.results import runs_by_arm
from utils.studies.study import Arm, Study, at_scale, base_for, study_name
from utils.tables import spread

SIZES = {"report": (64, 100, 10, 400), "quick": (64, 25, 5, 100), "smallest": (16, 2, 1, 4)}
"""Images per update, updates per epoch on many images and on few, updates of all; at each scale."""
WITHOUT = "-without"
"""How the name of an arm without dropout ends; what stands before is the arm that it is compared with."""
BY_HEART = "score of images trained on, less that of others"
"""How well a discriminator knows its images by heart: others are as true."""
APART = 0.17
"""How far what is measured with dropout, and without, stand from their tick."""
COLOURS = {"with dropout": "C0", "without": "C3"}


def dropout(data: str = "faces", scale: str = "report") -> Study:
    """Pairs of trainings that differ in the discriminator's dropout alone: 0.4 before its last layer, or none.

    Of the report's networks (at half their width), of the same with working batch normalisation, and of these on few
    images, which a discriminator comes to know by heart: dropout is there to keep it from that.

    Args:
        data: name of a dataset, or the path of own pictures.
        scale: one of `presets.SCALES`.
    """
    batch_size, *per_epoch, updates = at_scale(SIZES, scale)
    many, few = ({"count": each * batch_size, "epochs": updates // each} for each in per_epoch)
    report = base_for("report32", data, scale, width=0.5, batch_size=batch_size, **many)
    recipe = replace(report, batch_norm="on", weights="normal")
    arms = []
    for name, about, experiment in (
        ("report", "the report's networks", report),
        ("recipe", "with batch normalisation that works", recipe),
        ("few", f"the same on {few['count']:,} images", replace(recipe, **few)),
    ):
        rate = experiment.model.discriminator.dropout
        arms.append(Arm(name, f"{about}, dropout of {rate:g}", experiment))
        arms.append(Arm(name + WITHOUT, f"{about}, no dropout", replace(experiment, discriminator={"dropout": 0.0})))
    return Study(
        study_name("dropout", data, scale),
        "Are samples worse, or is a discriminator more likely to know its images by heart, without dropout in it?",
        tuple(arms),
        scale=scale,
    )


def carry_out(
    study: Study, home: str | Path | None = None, out: str | Path | None = None, **options
) -> tuple[dict[tuple[str, int], Run], Path]:
    """Train the arms, and keep their distances in every space that there is.

    Args:
        study, home, out, options: as for `studies.train.train_and_evaluate`.
    """
    from utils.studies.train import train_and_evaluate

    return train_and_evaluate(study, home, out, **options)


def pairs(results: dict) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """What was measured of each pair of kept runs that differ in dropout alone.

    Returns:
        For each arm of which there are pairs, by what is measured: (with dropout, without) for each seed, in their
        order. Measured are the kernel distances at the end, by the name of the space, and `BY_HEART`.
    """
    by = {(run["arm"], run["seed"]): run for run in results["runs"]}
    found = {}
    for arm in runs_by_arm(results):
        seeds = sorted(seed for name, seed in by if name == arm and (arm + WITHOUT, seed) in by)
        both = [(_measured(by[arm, seed]), _measured(by[arm + WITHOUT, seed])) for seed in seeds]
        if both:
            found[arm] = {what: [(told[what], without[what]) for told, without in both] for what in both[0][0]}
    return found


def by_pair(results: dict) -> list[dict]:
    """A row for each arm of `pairs` and each thing measured: means over the seeds, with the lowest and the highest, and
    in how many pairs it is lower without dropout."""
    rows = []
    for arm, measured in pairs(results).items():
        for what, values in measured.items():
            told, without = np.transpose(values)
            rows.append(
                {
                    "arm": arm,
                    "measured": what,
                    "with dropout": spread(told, ".3f"),
                    "without": spread(without, ".3f"),
                    "lower without": f"{np.sum(without < told)} of {len(values)}",
                }
            )
    return rows


def plot_pairs(results: dict) -> Figure:
    """Draw what was measured of each pair, joined by a line, and samples of the first seed of each arm."""
    found = pairs(results)
    figure = new_figure(12.6, 6.6)
    above, below = figure.subfigures(2, 1, height_ratios=(3.4, 3.2))
    panels = list(next(iter(found.values())))
    for axes, what in zip(above.subplots(1, len(panels), squeeze=False)[0], panels):
        for place, measured in enumerate(found.values()):
            for values in measured[what]:
                axes.plot([place - APART, place + APART], values, "-", color="grey", linewidth=0.8)
            for shift, of, (label, colour) in zip((-APART, APART), zip(*measured[what]), COLOURS.items()):
                axes.plot([place + shift] * len(of), of, "o", color=colour, markersize=5, label=label)
        axes.set_xticks(range(len(found)), found)
        axes.set(xlim=(-0.6, len(found) - 0.4), title=what)
        axes.axhline(0, color="grey", linewidth=0.6)
        axes.title.set_fontsize(9)
        axes.grid(axis="y", alpha=0.25)
    handles, labels = above.axes[0].get_legend_handles_labels()
    above.legend(handles[:2], labels[:2], loc="outside lower center", ncols=2, fontsize=9, frameon=False)
    arms = [arm for with_dropout in found for arm in (with_dropout, with_dropout + WITHOUT)]
    plot_samples(results, arms, seeds=[results["runs"][0]["seed"]], figure=below)
    return figure


def answer(results: dict) -> tuple[list[dict], Figure]:
    """The table and the figure that answer the question, of kept results."""
    return by_pair(results), plot_pairs(results)


def _measured(run: dict) -> dict[str, float]:
    """Of a run at its end, what `pairs` tells."""
    spaces, judged = (run["distance"], *run["distance"]["other_spaces"]), run["snapshots"][-1]["judged"]
    distances = {f"kernel distance: {space['space']}": space["kernel"]["value"] for space in spaces}
    return distances | {BY_HEART: judged["trained_on"] - judged["held_out"]}
