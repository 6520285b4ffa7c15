"""Does more data help, and does it "stop improving after the first epochs" (report §5.2, Fig 13)?"""

import numpy as np
from matplotlib.figure import Figure

from utils.config import replace
from utils.figure import new_figure
from utils.studies.results import runs_by_arm
from utils.studies.study import Arm, Study, at_scale, base_for, study_name
from utils.tables import spread
from utils.viz import plain_ticks

SIZES = {
    "report": (64, (2, 10, 50, 250), 1000, 4),
    "quick": (64, (1, 10, 50), 200, 4),
    "smallest": (16, (1, 2), 4, 2),
}
"""Images per update, updates per epoch of the amounts that are compared, updates of all where these are equal, and how
often networks are kept; at each scale."""

SHOWN = 1e-3
"""The least distance of a logarithmic axis: that of true images is 0, give or take."""


def amount_of_data(data: str = "faces", scale: str = "report") -> Study:
    """Several amounts of images, at equal updates and at equal epochs, which the report's comparison mixes.

    The networks and settings are those of the preset `quick` (the recipe of the study of batch normalisation): a
    quality that does not depend on the amount for want of learning anything could not answer the question. Every arm
    of equal updates keeps its networks at the same updates. Epochs are equal where the largest amount has had all its
    updates, so that this run is in both comparisons.

    Args:
        data: name of a dataset, or the path of own pictures.
        scale: one of `presets.SCALES`.
    """
    batch_size, amounts, updates, snapshots = at_scale(SIZES, scale)
    base = base_for("quick", data, scale, batch_size=batch_size, keep_models=True)
    equal_epochs = updates // amounts[-1]
    arms = []
    for per_epoch in amounts:
        count, epochs = per_epoch * batch_size, updates // per_epoch
        arms.append(
            Arm(
                f"{count}",
                f"{count:,} images, {updates:,} updates = {epochs} epochs",
                replace(base, count=count, epochs=epochs, summary_epochs=epochs // snapshots),
            )
        )
    for per_epoch in amounts[:-1]:
        count = per_epoch * batch_size
        arms.append(
            Arm(
                f"{count}-epochs",
                f"{count:,} images, {equal_epochs * per_epoch} updates = {equal_epochs} epochs",
                replace(base, count=count, epochs=equal_epochs),
            )
        )
    return Study(
        study_name("amount_of_data", data, scale),
        "Do samples get better with more training images, at equal updates and at equal epochs?",
        tuple(arms),
        scale=scale,
    )


def by_amount(results: dict) -> list[dict]:
    """A row for each arm of the kept results, the smallest amount first.

    "distance" is the kernel distance at the end, the mean over seeds with the lowest and the highest; "nearest" is how
    far samples are from the nearest image that was trained on, divided by how far held-out images are from it. It
    depends on the number of images, so compare only arms that have the same: with the one that has hardly been trained
    (few epochs) as the control, copying would show as a smaller value.
    """
    rows = []
    everybody = runs_by_arm(results)
    for arm in sorted(everybody, key=lambda arm: (_images(arm), arm)):
        runs = everybody[arm]
        distances = [run["snapshots"][-1]["kernel"][0] for run in runs]
        nearest = np.mean([run["nearest"]["fake"] / run["nearest"]["held_out"] for run in runs])
        rows.append(
            {
                "images": _images(arm),
                "compared at": "equal epochs" if arm.endswith("-epochs") else "equal updates",
                "updates": runs[0]["updates"],
                "epochs": round(runs[0]["snapshots"][-1]["epoch"]),
                "distance": spread(distances, ".3g"),
                "nearest": f"{nearest:.2f}",
                "runs": len(runs),
            }
        )
    return rows


def plot_amounts(results: dict, late: bool = False) -> Figure:
    """Draw the kernel distance over updates and over epochs, what it is at the end of each comparison, and neighbours.

    Thin lines and dots are single runs (with the 95% interval of the distance), thick lines their means.

    Args:
        results: as `results.load` gives them.
        late: whether the median distance of the second half of a run stands for its end, with the lowest and highest.
    """
    figure = new_figure(16, 4.4)
    by_update, by_epoch, ends, nearest = figure.subplots(1, 4)
    everybody = runs_by_arm(results)
    at_updates = sorted({_images(arm) for arm in everybody})
    for number, images in enumerate(at_updates):
        runs = everybody.get(f"{images}", [])
        for axes, name in ((by_update, "update"), (by_epoch, "epoch")):
            _course(axes, runs, name, f"C{number}", f"{images:,} images")
        early = everybody.get(f"{images}-epochs", [])
        _course(by_epoch, early, "epoch", f"C{number}", None if runs else f"{images:,} images")
    largest = str(at_updates[-1])
    for shift, colour, line, label, suffix in (  # colours stand for amounts, in the other panels
        (0.96, "black", "-", "equal updates", ""),
        (1.04, "grey", "--", "equal epochs", "-epochs"),
    ):
        runs = [run for run in results["runs"] if run["arm"] in {f"{n}{suffix}" for n in at_updates}]
        if suffix:  # the largest amount of the study ends with equal updates and epochs
            epochs = [run["snapshots"][-1]["epoch"] for run in runs]
            both = [run for run in results["runs"] if run["arm"] == largest]
            runs += [run for run in both if np.allclose(run["snapshots"][-1]["epoch"], epochs, rtol=0.1)]
        if not runs:
            continue
        amounts = np.array([_images(run["arm"]) for run in runs])
        kernel = np.array([_end(run, late) for run in runs])
        ratio = np.array([run["nearest"]["fake"] / run["nearest"]["held_out"] for run in runs])
        value, low, high = np.maximum(kernel.T, SHOWN)
        bars = np.stack([value - low, high - value])
        ends.errorbar(shift * amounts, value, bars, fmt="o", color=colour, markersize=3, linewidth=0.8, alpha=0.6)
        nearest.plot(shift * amounts, ratio, "o", color=colour, markersize=3, alpha=0.6)
        for axes, values in ((ends, value), (nearest, ratio)):
            there = np.unique(amounts)
            means = [values[amounts == n].mean() for n in there]
            axes.plot(there, means, line, color=colour, linewidth=1.6, label=label)
    nearest.axhline(1, color="grey", linestyle=":", linewidth=1)
    by_update.set(title="kernel distance, by updates", xlabel="update", yscale="log")
    by_epoch.set(title="the same, by epochs", xlabel="epoch", xscale="log", yscale="log")
    at_the_end = "over the second half:\nmedian, lowest and highest" if late else "at the end"
    ends.set(title=f"kernel distance {at_the_end}", xlabel="images", xscale="log", yscale="log")
    nearest.set(title="distance to nearest training image,\nsamples / held-out images", xlabel="images", xscale="log")
    for axes in (by_update, by_epoch, ends):
        plain_ticks(axes.yaxis)
    for axes in (ends, nearest):
        plain_ticks(axes.xaxis, at_updates)
    plain_ticks(by_epoch.xaxis)
    for axes in (by_update, by_epoch, ends, nearest):
        axes.title.set_fontsize(10)
        axes.grid(alpha=0.25)
        axes.tick_params(labelsize=9)
    if not by_epoch.lines:
        figure.suptitle("none of the arms is compared at equal updates or at equal epochs", fontsize=10)
    for axes, place in ((by_epoch, "outside lower left"), (ends, "outside lower right")):  # no curve is there
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc=place, ncols=len(labels), fontsize=9, frameon=False)
    return figure


def answer(results: dict) -> tuple[list[dict], Figure]:
    """The table and the figure that answer the question, of kept results."""
    return by_amount(results), plot_amounts(results)


def _images(arm: str) -> int:
    return int(arm.split("-")[0])


def second_half(run: dict) -> list[float]:
    """Kernel distances of the networks that were kept in the second half of a run's updates."""
    return [row["kernel"][0] for row in run["snapshots"] if 2 * row["update"] > run["updates"]]


def _end(run: dict, late: bool) -> list[float]:
    """The distance at the end of a run, and the ends of its bar."""
    if not late:
        return run["snapshots"][-1]["kernel"]
    values = second_half(run)
    return [np.median(values), min(values), max(values)]


def _course(axes, runs: list[dict], at: str, colour: str, label: str | None) -> None:
    """Distances of kept networks over updates or epochs, but for those before the first update."""
    lines = [[(row[at], max(row["kernel"][0], SHOWN)) for row in run["snapshots"] if row["update"]] for run in runs]
    for line in lines:
        axes.plot(*np.transpose(line), color=colour, alpha=0.3, linewidth=0.7)
    if lines:
        axes.plot(*np.mean(lines, axis=0).T, "o-", color=colour, markersize=3, linewidth=1.6, label=label)
