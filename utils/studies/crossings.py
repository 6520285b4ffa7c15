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
from scipy.stats import rankdata

from utils import config
from utils.config import STATISTICS
from utils.figure import new_figure
from utils.studies import results
from utils.studies.losses import crossings, loss_curves, plot_panels
from utils.tables import spread
from utils.viz import plain_ticks

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
DEALT = 10_000
"""How often it is dealt out anew which runs crossed, for a p-value: so none is below 0.0001."""


def kept_runs() -> list[dict]:
    """Every kept run with cross-entropies for losses and a measured distance, each training once.

    Returns:
        Rows of "study", "data", "arm", "seed"; "size", the side of its images in pixels; "kind", one of `KINDS`;
        "images" and "updates"; "crossings", how many, with the "first" and the "last" update (None without); and
        "distance", the kernel distance at the end.
    """
    kept, rows = [], []
    for file in sorted(results.RESULTS.glob("*.json")):
        study, data = re.fullmatch(r"(\w+?)-(.+)", file.stem).groups()
        if study not in STUDIES:
            continue
        found = results.load(file.stem)
        scale = found.get("scale", "report")
        data = data if scale == "report" else data.removesuffix(f"-{scale}")  # as `study.study_name` writes it
        for run in found["runs"]:
            if "snapshots" not in run:  # was not trained here, or not measured
                continue
            experiment = _experiment_of(run, study, data, scale)
            if experiment is None or experiment.training.loss not in CROSS_ENTROPY:
                continue
            named = run["settings"]["data"]["name"] if "settings" in run else data
            size = experiment.model.image_size
            kept.append(run | {"study": study, "data": named, "size": size, "kind": _kind(experiment)})
    for run in results.trainings(kept):
        at = crossings(*loss_curves(run))
        rows.append(
            {name: run[name] for name in ("study", "data", "size", "arm", "seed", "kind", "images", "updates")}
            | {
                "crossings": len(at),
                "first": round(at[0]) if len(at) else None,
                "last": round(at[-1]) if len(at) else None,
                "distance": run["snapshots"][-1]["kernel"][0],
            }
        )
    return rows


def _experiment_of(run: dict, study: str, data: str, scale: str) -> config.Experiment | None:
    """What a kept run trained: as it is kept, or else as its study has it now; None of an arm that there is no more."""
    if "settings" in run:
        return config.from_dict(run["settings"])
    return _experiments(study, data, scale).get(run["arm"])


@functools.cache
def _experiments(study: str, data: str, scale: str) -> dict[str, config.Experiment]:
    made = getattr(importlib.import_module(f"utils.studies.{study}"), study)(data, scale)
    return {arm.name: arm.experiment for arm in made.arms}


def _kind(experiment) -> str:
    model, training = experiment.model, experiment.training
    if model.batch_norm == "off":
        return "off"
    if STATISTICS[training.statistics] != STATISTICS["batch"] or training.join_batches:
        return "apart"
    return "batch" if model.discriminator.norm else "generator"


def by_pictures(rows: list[dict]) -> dict[str, list[dict]]:
    """Rows by what their runs are measured on ("faces 32x32"): a dataset at one size has one classifier and one set of
    held-out images, and only distances that share both can be compared."""
    found: dict[str, list[dict]] = {}
    for row in rows:
        found.setdefault(f"{row['data']} {row['size']}x{row['size']}", []).append(row)
    return found


def by_kind(rows: list[dict]) -> list[dict]:
    """A row for each kind of training and each dataset at a size: how many runs cross, when, and how good the samples
    are."""
    table, groups = [], by_pictures(rows)
    for kind, about in KINDS.items():
        for pictures, of_these in groups.items():
            some = [row for row in of_these if row["kind"] == kind]
            crossed = [row for row in some if row["crossings"]]
            apart = [row["distance"] for row in some if not row["crossings"]]
            if not some:
                continue
            small = [row["crossings"] > 0 for row in some if row["images"] <= FEW]
            table.append(
                {
                    "training": about,
                    "pictures": pictures,
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

    Two runs are compared where they are of the same dataset at the same size, since other distances have other units.

    Returns:
        A row for each: numbers of runs that "cross" and "do not"; "pairs", how many of one of each can be compared;
        "worse", the share of these in which the run that crosses has the larger distance (0.5: no relation), which is
        the sum of Mann and Whitney's U over the datasets; and the two-sided p-value of that sum, where it is dealt out
        anew within each dataset which runs crossed (`DEALT`). Runs of an arm that differ in their seed only count as
        independent, which favours small p-values.
    """
    table = []
    groups = {"all runs": rows}
    groups |= {about: [row for row in rows if row["kind"] == kind] for kind, about in KINDS.items()}
    for name, some in groups.items():
        crossed = sum(row["crossings"] > 0 for row in some)
        row = {"runs": name, "cross": crossed, "do not": len(some) - crossed, "pairs": 0, "worse": "–", "p": "–"}
        pairs, larger, dealt = _compared(some)
        if pairs:
            as_far = np.abs(dealt - pairs / 2) >= abs(larger - pairs / 2)
            p = (1 + as_far.sum()) / (1 + len(dealt))
            row |= {"pairs": pairs, "worse": f"{larger / pairs:.2f}", "p": f"{p:.2g}"}
        table.append(row)
    return table


def _compared(rows: list[dict]) -> tuple[int, float, np.ndarray]:
    """Pairs of a run that crosses and one on the same pictures that does not; in how many the first has the larger
    distance (of equal ones half counts); and float (DEALT,), the same where chance says which runs crossed."""
    random, pairs, larger, dealt = np.random.default_rng(0), 0, 0.0, np.zeros(DEALT)
    for of_these in by_pictures(rows).values():
        ranks = rankdata([row["distance"] for row in of_these])
        crossed = np.array([row["crossings"] > 0 for row in of_these])
        count = int(crossed.sum())
        if count in (0, len(ranks)):
            continue
        least = count * (count + 1) / 2
        pairs += count * (len(ranks) - count)
        larger += ranks[crossed].sum() - least
        dealt += random.permuted(np.tile(ranks, (DEALT, 1)), axis=1)[:, :count].sum(1) - least
    return pairs, larger, dealt


def plot_kept_runs(rows: list[dict]) -> Figure:
    """Draw the distance at the end of each run against how often its losses crossed, and below against when they did.

    A column for each dataset at a size, since others have another unit; those where no run crosses are named only.
    """
    groups = by_pictures(rows)
    drawn = {pictures: some for pictures, some in groups.items() if any(row["crossings"] for row in some)} or groups
    others = {pictures: len(some) for pictures, some in groups.items() if pictures not in drawn}
    named = ", ".join(f"{count} of {pictures}" for pictures, count in others.items())
    heading = "Every kept training is a dot; distances can be compared within a column. Lines go to the last crossing."
    figure = new_figure(13, 6.4, heading + (f"\nNot drawn, since none of them crosses: {named}." if named else ""))
    often_line, when_line = figure.subplots(2, len(drawn), squeeze=False, sharex="row", sharey="col")
    for often, when, (pictures, some) in zip(often_line, when_line, drawn.items()):
        beside = np.random.default_rng(0).uniform(-0.3, 0.3, len(some))  # dots that would lie on each other
        for shift, row in zip(beside, some):
            how = {"color": COLOURS[row["kind"]], "marker": "o", "alpha": 0.6, "markersize": 4}
            often.plot(row["crossings"] + shift, row["distance"], linestyle="", **how)
            if row["first"] is not None:
                when.plot([row["first"], row["last"]], [row["distance"]] * 2, linewidth=0.8, markevery=[0], **how)
        often.set_title(f"{pictures}, {len(some)} trainings", fontsize=10)
        often.set(xlabel="times that the losses cross", yscale="log")
        when.set(xlabel="update of the first crossing", xscale="log")
        low, high = often.yaxis.get_data_interval()
        if high < 30 * low:  # a span of which whole powers of ten alone would leave one number, or none
            plain_ticks(often.yaxis)
        for axes in (often, when):
            axes.grid(alpha=0.25)
    for axes in (often_line[0], when_line[0]):
        axes.set_ylabel("kernel distance at the end")
    legend = [often_line[0].plot([], [], "o", color=COLOURS[kind], label=about)[0] for kind, about in KINDS.items()]
    figure.legend(handles=legend, loc="outside lower center", ncols=2, fontsize=9, frameon=False)
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
