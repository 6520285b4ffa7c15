"""What may be read off the losses (report §5.3, Fig 14)?"""

from collections.abc import Collection

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from utils.config import replace
from utils.figure import new_figure
from utils.studies.study import Arm, Study, at_scale, base_for, study_name
from utils.tables import spread
from utils.viz import smooth

SIZES = {"report": (64, 10, 100, 10), "quick": (64, 2, 20, 10), "smallest": (16, 1, 2, 2)}
"""Images per update, updates per epoch with small and with large data, epochs with large data; at each scale. Networks
are kept as often as the large data has epochs."""
SMOOTHED = 5
"""Points of a kept curve (of 80) that a smoothed loss is the mean of."""
READINGS = {
    "generator's loss": lambda generator, discriminator: generator,
    "discriminator's loss": lambda generator, discriminator: discriminator,
    "their difference": lambda generator, discriminator: abs(generator - discriminator),
    "discriminator's distance from log 2": lambda generator, discriminator: abs(discriminator - np.log(2)),
}
"""What somebody might read off the two losses, as a measure of how bad samples are."""
UPDATES_DONE = "updates done (negative)"
"""What stands beside the readings."""


def losses(data: str = "faces", scale: str = "report") -> Study:
    """Small and large data, saturating and non-saturating generator loss; networks are kept many times on the way.

    The networks are those of the preset `quick` without averaging, so that samples and losses belong to the same
    weights.

    Args:
        data: name of a dataset, or the path of own pictures.
        scale: one of `presets.SCALES`.
    """
    batch_size, *per_epochs, epochs = at_scale(SIZES, scale)
    updates = per_epochs[-1] * epochs
    base = base_for("quick", data, scale, batch_size=batch_size, ema_decay=0.0, keep_models=True)
    return Study(
        study_name("losses", data, scale),
        "What may be read off a GAN's losses, and what may not?",
        tuple(
            Arm(
                f"{per_epoch * batch_size}-{loss}",
                f"{per_epoch * batch_size:,} images, {loss.replace('_', '-')} generator loss",
                replace(
                    base,
                    count=per_epoch * batch_size,
                    epochs=updates // per_epoch,
                    summary_epochs=updates // per_epoch // epochs,
                    loss=loss,
                ),
            )
            for per_epoch in per_epochs
            for loss in ("non_saturating", "saturating")
        ),
        scale=scale,
    )


def loss_curves(run: dict) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The smoothed losses of a kept run: updates, the generator's loss, and the discriminator's.

    The discriminator's is the mean of its losses on true and on fake samples, so that both are log 2 where it can do no
    better than guess (Goodfellow et al., arXiv:1406.2661, §4.1: their sum is then 2 log 2, and scores are 1/2).
    """
    curves = {name: np.array(values) for name, values in run["curves"].items()}
    discriminator = (curves["loss_true"] + curves["loss_fake"]) / 2
    return curves["update"], smooth(curves["loss_generator"], SMOOTHED), smooth(discriminator, SMOOTHED)


def crossings(updates: np.ndarray, generator: np.ndarray, discriminator: np.ndarray) -> np.ndarray:
    """The updates at which two curves intersect, interpolated; float (N,), in order."""
    apart = generator - discriminator
    before = np.flatnonzero((apart[:-1] < 0) != (apart[1:] < 0))
    share = apart[before] / (apart[before] - apart[before + 1])
    return updates[before] + share * (updates[before + 1] - updates[before])


def readings(results: dict) -> list[dict]:
    """What the losses of each kept run seem to say, beside how good its samples are.

    Returns:
        A row for each run: "crossings", how many; "last crossing", its update; kernel distances "there" (of the kept
        networks nearest to that crossing), "best" and "at the end" of the run; and the smoothed losses at the end.
    """
    rows = []
    for run in results["runs"]:
        updates, generator, discriminator = loss_curves(run)
        crossed = crossings(updates, generator, discriminator)
        at, distance = _snapshots(run)
        there = distance[np.argmin(abs(at - crossed[-1]))] if len(crossed) else None
        rows.append(
            {
                "arm": run["arm"],
                "seed": run["seed"],
                "crossings": len(crossed),
                "last crossing": round(crossed[-1]) if len(crossed) else "none",
                "distance there": "" if there is None else f"{there:.2g}",
                "best": f"{distance.min():.2g}",
                "at the end": f"{distance[-1]:.2g}",
                "generator's loss": f"{generator[-1]:.2f}",
                "discriminator's loss": f"{discriminator[-1]:.2f}",
            }
        )
    return rows


def within_runs(results: dict) -> dict[str, list[float]]:
    """Spearman's rank correlation with the kernel distance in each run, of each of `READINGS` and of
    `UPDATES_DONE`; NaN where all of one are equal."""
    values, distance = _readings_of(results)
    return {name: [_rank_correlation(v, d) for v, d in zip(of, distance)] for name, of in values.items()}


def correlations(results: dict) -> list[dict]:
    """How well each reading of the losses orders samples by their quality.

    Two questions. Within a run: are samples better at the updates where the reading is low? All runs get better with
    time, so the number of updates done stands beside the readings as what any of them has to beat. Between runs: of two
    runs at the same update, has the one with the lower reading the better samples?

    Returns:
        A row for each of `READINGS`, and one for the number of updates: the mean of Spearman's rank correlation with
        the kernel distance over the runs, with the lowest and the highest; and its mean over the updates between runs.
    """
    (table, distance), within = _readings_of(results), within_runs(results)
    rows = []
    for name, values in table.items():
        between = spread([_rank_correlation(v, d) for v, d in zip(values.T, distance.T)], "+.2f")
        rows.append({"what is read": name, "within a run": spread(within[name], "+.2f"), "between runs": between})
    return rows


def _readings_of(results: dict) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """What is read at the kept moments, float (runs, moments), by its name; and the kernel distances there."""
    runs = [(run, *loss_curves(run), *_snapshots(run)) for run in results["runs"]]
    table = {}
    for name, read in READINGS.items():
        values = [read(*(np.interp(at, updates, loss) for loss in losses)) for _, updates, *losses, at, _ in runs]
        table[name] = np.array(values)
    table[UPDATES_DONE] = np.array([-at for *_, at, _ in runs])
    return table, np.array([distance for *_, distance in runs])


def plot_losses(results: dict, log: Collection[str] = ()) -> Figure:
    """Draw each kept run: both smoothed losses, their crossings, and the kernel distance on an axis of its own.

    A column for each arm, a row for each seed.

    Args:
        results: as `results.load` gives them.
        log: arms whose losses are drawn on a logarithmic axis, such as those that cross where both are near 0.
    """
    arms = list(dict.fromkeys(run["arm"] for run in results["runs"]))
    seeds = sorted({run["seed"] for run in results["runs"]})
    runs = {(run["seed"], run["arm"]): run for run in results["runs"]}
    titles = {arm: arm.replace("-", " images, ").replace("_", "-") for arm in arms}
    panels = [
        [(f"{titles[arm]}, seed {seed}", runs[seed, arm]) if (seed, arm) in runs else None for arm in arms]
        for seed in seeds
    ]
    return plot_panels(panels, log)


def plot_panels(panels: list[list[tuple[str, dict] | None]], log: Collection[str] = ()) -> Figure:
    """Draw kept runs as `plot_losses` does, in the order that they come in.

    Args:
        panels: rows of as many (title, run); None leaves a place empty.
        log: as for `plot_losses`.
    """
    columns = len(panels[0])
    figure = new_figure(4.0 * columns + 0.5, 2.5 * len(panels) + (0.5, 0.8, 1.2)[max(0, 3 - columns)])
    grid = figure.subplots(len(panels), columns, squeeze=False, sharex="col")
    worst = max(row["kernel"][0] for row in panels for one in row if one for row in one[1]["snapshots"])
    for line, row in zip(grid, panels):
        for place, (axes, one) in enumerate(zip(line, row)):
            if one is None:
                axes.set_axis_off()
                continue
            title, run = one
            updates, generator, discriminator = loss_curves(run)
            axes.plot(updates, generator, color="tab:green", label="generator's loss")
            axes.plot(updates, discriminator, color="tab:blue", label="discriminator's loss, mean of true and fake")
            axes.axhline(np.log(2), color="grey", linestyle=":", linewidth=1, label="log 2")
            for update in crossings(updates, generator, discriminator):
                axes.axvline(update, color="tab:red", linewidth=0.8, alpha=0.6, label="crossing")
            if run["arm"] in log:
                axes.set_yscale("log")
            else:
                axes.set_ylim(0, None)
            axes.set_title(title, fontsize=9)
            quality = axes.twinx()
            at, distance = _snapshots(run)
            quality.semilogy(at, distance, "o--", color="black", markersize=3, linewidth=0.8, label="kernel distance")
            quality.set(ylim=(0.01, 2 * worst))
            if place == columns - 1:
                quality.set_ylabel("kernel distance", fontsize=9)
            else:
                quality.set_yticklabels([])
            if place == 0:
                axes.set_ylabel("loss", fontsize=9)
    for axes in grid[-1]:
        axes.set_xlabel("update")
    labels = {}
    for axes in figure.axes:
        labels |= {label: handle for handle, label in zip(*axes.get_legend_handles_labels())}
    across = (1, 3, 5)[min(columns, 3) - 1]
    figure.legend(labels.values(), labels, loc="outside lower center", ncols=across, fontsize=9, frameon=False)
    return figure


def answer(results: dict) -> tuple[list[dict], Figure]:
    """The table and the figure that answer the question, of kept results."""
    return correlations(results), plot_losses(results)


def _snapshots(run: dict) -> tuple[np.ndarray, np.ndarray]:
    """Updates and kernel distances of the kept networks, but for those before the first update."""
    rows = [row for row in run["snapshots"] if row["update"]]
    return np.array([row["update"] for row in rows], float), np.array([row["kernel"][0] for row in rows])


def _rank_correlation(values: np.ndarray, distance: np.ndarray) -> float:
    same = np.ptp(values) == 0 or np.ptp(distance) == 0
    return np.nan if same else float(spearmanr(values, distance).statistic)
