"""Does the point where the two losses intersect mean anything (report §5.3, Fig 14)? Over all kept runs of all studies.

The report's reading: on small sets the losses intersect, and the generator's then falls or stays; on large sets they
do not meet in the first epochs, which may be why pictures stop improving. So of every kept run it is asked how often
its smoothed losses cross, and how good its samples are at the end.
"""

import functools
import importlib
import re

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import mannwhitneyu

from utils import config
from utils.config import STATISTICS
from utils.figure import new_figure
from utils.studies import results
from utils.studies.losses import crossings, loss_curves, plot_panels
from utils.tables import spread

STUDIES = (
    "batch_normalisation", "amount_of_data", "report_amounts", "losses", "recipes", "features", "long_training",
    "memorisation",
)  # fmt: skip
"""Studies of kept runs whose losses are cross-entropies, in some of their arms."""
CROSS_ENTROPY = frozenset({"non_saturating", "saturating"})
"""Losses that are both log 2 where the discriminator guesses: only of these a crossing means what the report meant."""
KINDS = {
    "apart": "the two updates see different discriminators",
    "off": "no batch normalisation, as in the report's final runs",
    "generator": "the generator alone is normalised",
    "batch": "both normalised, by the batch",
}
"""Kinds of training, the first that holds."""
COLOURS = {"apart": "C3", "off": "C0", "generator": "C1", "batch": "C2"}
FEW = 1_000
"""Images up to which a set is small here; the report's small sets have tens of thousands."""
ON_THE_REPORTS_TERMS = ("report_few", "report")
"""Arms of the study of long trainings that are the report's networks without batch normalisation, on few images and on
all."""


def kept_runs() -> list[dict]:
    """Every kept run with cross-entropies for losses and a measured distance, each training once.

    Returns:
        Rows of "study", "data", "arm", "seed"; "kind", one of `KINDS`; "images" and "updates"; "crossings", how many,
        with the "first" and the "last" update (None without); and "distance", the kernel distance at the end.
    """
    kept, rows = [], []
    for file in sorted(results.RESULTS.glob("*.json")):
        study, data = re.fullmatch(r"(\w+?)-(.+)", file.stem).groups()
        if study not in STUDIES:
            continue
        for run in results.load(file.stem)["runs"]:
            if "snapshots" not in run:  # was not trained here, or not measured
                continue
            experiment = _experiment_of(run, study, data)
            if experiment is None or experiment.training.loss not in CROSS_ENTROPY:
                continue
            named = run["settings"]["data"]["name"] if "settings" in run else data
            kept.append(run | {"study": study, "data": named, "kind": _kind(experiment)})
    for run in results.trainings(kept):
        at = crossings(*loss_curves(run))
        rows.append(
            {name: run[name] for name in ("study", "data", "arm", "seed", "kind", "images", "updates")}
            | {
                "crossings": len(at),
                "first": round(at[0]) if len(at) else None,
                "last": round(at[-1]) if len(at) else None,
                "distance": run["snapshots"][-1]["kernel"][0],
            }
        )
    return rows


def _experiment_of(run: dict, study: str, data: str) -> config.Experiment | None:
    """What a kept run trained: as it is kept, or else as its study has it now; None of an arm that there is no more."""
    if "settings" in run:
        return config.from_dict(run["settings"])
    return _experiments(study, data).get(run["arm"])


@functools.cache
def _experiments(study: str, data: str) -> dict[str, config.Experiment]:
    made = getattr(importlib.import_module(f"utils.studies.{study}"), study)(data)
    return {arm.name: arm.experiment for arm in made.arms}


def _kind(experiment) -> str:
    model, training = experiment.model, experiment.training
    if model.batch_norm == "off":
        return "off"
    if STATISTICS[training.statistics] != STATISTICS["batch"] or training.join_batches:
        return "apart"
    return "batch" if model.discriminator.norm else "generator"


def by_kind(rows: list[dict]) -> list[dict]:
    """A row for each kind of training and each dataset: how many runs cross, when, and how good the samples are."""
    table = []
    for kind, about in KINDS.items():
        for data in dict.fromkeys(row["data"] for row in rows):
            some = [row for row in rows if (row["kind"], row["data"]) == (kind, data)]
            crossed = [row for row in some if row["crossings"]]
            apart = [row["distance"] for row in some if not row["crossings"]]
            if not some:
                continue
            small = [row["crossings"] > 0 for row in some if row["images"] <= FEW]
            table.append(
                {
                    "training": about,
                    "data": data,
                    "runs": len(some),
                    "cross": len(crossed),
                    f"of those with up to {FEW:,} images": f"{sum(small)} of {len(small)}" if small else "none there",
                    "first crossing, update": spread([row["first"] for row in crossed], ".0f", np.median),
                    "distance where they cross": spread([row["distance"] for row in crossed], ".2g", np.median),
                    "where they do not": spread(apart, ".2g", np.median),
                }
            )
    return table


def relation(rows: list[dict]) -> list[dict]:
    """Whether runs that cross end with better or worse samples: over all of them, and within each kind.

    Returns:
        A row for each: numbers of runs that "cross" and "do not"; "worse", the probability that a run that crosses has
        the larger distance of two (0.5: no relation); and the two-sided p-value of Mann and Whitney's test. Runs of an
        arm that differ in their seed only count as independent, which favours small p-values.
    """
    table = []
    groups = {"all runs": rows}
    groups |= {about: [row for row in rows if row["kind"] == kind] for kind, about in KINDS.items()}
    for name, some in groups.items():
        crossed = [row["distance"] for row in some if row["crossings"]]
        others = [row["distance"] for row in some if not row["crossings"]]
        row = {"runs": name, "cross": len(crossed), "do not": len(others), "worse": "–", "p": "–"}
        if crossed and others:
            test = mannwhitneyu(crossed, others)
            row |= {"worse": f"{test.statistic / len(crossed) / len(others):.2f}", "p": f"{test.pvalue:.2g}"}
        table.append(row)
    return table


def plot_kept_runs(rows: list[dict]) -> Figure:
    """Draw the distance at the end of each run against how often its losses crossed, and against when they did."""
    figure = new_figure(13, 4.4)
    often, when = figure.subplots(1, 2, sharey=True)
    beside = np.random.default_rng(0).uniform(-0.3, 0.3, len(rows))  # dots that would lie on each other
    for shift, row in zip(beside, rows):
        how = {"color": COLOURS[row["kind"]], "marker": "os"[row["data"] != "faces"], "alpha": 0.6, "markersize": 4}
        often.plot(row["crossings"] + shift, row["distance"], linestyle="", **how)
        if row["first"] is not None:
            when.plot([row["first"], row["last"]], [row["distance"]] * 2, linewidth=0.8, markevery=[0], **how)
    for kind, about in KINDS.items():
        often.plot([], [], "o", color=COLOURS[kind], label=about)
    for marker, about in (("o", "built-in faces"), ("s", "other images")):
        often.plot([], [], marker, color="grey", label=about)
    often.set(xlabel="times that the smoothed losses cross", ylabel="kernel distance at the end")
    often.set_title("every kept training is a dot", fontsize=10)
    when.set(xlabel="update of the first crossing (line: to the last)", xscale="log")
    when.set_title("those that cross", fontsize=10)
    for axes in (often, when):
        axes.set_yscale("log")
        axes.grid(alpha=0.25)
    figure.legend(*often.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    return figure


def plot_on_the_reports_terms() -> Figure | None:
    """Draw the losses of the report's networks without batch normalisation: a column for each dataset of the long
    trainings that are kept, few images above, all below (report, Fig 14). None if no training is kept."""
    columns = []
    for file in sorted(results.RESULTS.glob("long_training-*.json")):
        runs = {run["arm"]: run for run in results.load(file.stem)["runs"]}
        if runs.keys() >= set(ON_THE_REPORTS_TERMS):
            of = (runs[arm] for arm in ON_THE_REPORTS_TERMS)
            columns.append([(f"{run['settings']['data']['name']}, {run['images']:,} images", run) for run in of])
    return plot_panels([list(row) for row in zip(*columns)]) if columns else None
