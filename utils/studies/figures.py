"""Figures of kept results: curves of the arms over their seeds, and their samples one above the other."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure, SubFigure

from utils import viz
from utils.figure import new_figure
from utils.studies.results import runs_by_arm

COLOURS = (*(f"C{number}" for number in range(10)), "black", "gold", "navy", "lime", "tan", "pink")
"""Of arms, in their order."""
FEW_ARMS = 5
"""So many arms at most are explained in the legend of their figure."""


@dataclass(frozen=True)
class Panel:
    """One plot of several.

    Attributes:
        title: its heading, with the unit.
        source: which record of a run: "curves", "watch" or "epochs".
        names: values to draw; the first with solid lines, the second dashed.
        low, high: ends of the axis; None leaves an end to the values.
        log: whether the axis is logarithmic.
        mark: a value to mark with a dotted line.
    """

    title: str
    source: str
    names: tuple[str, ...]
    low: float | None = None
    high: float | None = None
    log: bool = False
    mark: float | None = None


def plot_arms(
    results: dict,
    arms: Sequence[str],
    panels: Sequence[Panel],
    columns: int = 3,
    figure: Figure | SubFigure | None = None,
) -> Figure | SubFigure:
    """Draw how arms went: one colour for each arm, a thin line for each seed, a thick one for their mean.

    Where the lines of several arms are one, a note in the panel says so. The legend says what the arms are, where there
    are few of them.

    Args:
        results: as `results.load` gives them.
        arms: which, in the order of the legend.
        panels: what to draw.
        columns: panels in a row.
        figure: what to draw into; a new one by default.
    """
    rows, explained = -(-len(panels) // columns), len(arms) <= FEW_ARMS
    figure = figure or new_figure(4.2 * columns, 3 * rows + (0.4 if not explained else 0.3 + 0.2 * len(arms)))
    everybody = runs_by_arm(results)
    for axes, panel in zip(np.ravel(figure.subplots(rows, columns, squeeze=False)), panels):
        lines = {}
        for number, arm in enumerate(arms):
            runs = everybody.get(arm, [])
            lines[arm] = _draw(axes, runs, panel, COLOURS[number % len(COLOURS)], _label(results, arm, explained))
        if note := _one_line(lines):
            axes.annotate(note, (0.97, 0.36), xycoords="axes fraction", ha="right", fontsize=8)
        if panel.mark is not None:
            axes.axhline(panel.mark, color="grey", linestyle=":", linewidth=1)
        axes.set(title=panel.title, xlabel=_position(results["runs"], panel))
        axes.title.set_fontsize(10)
        if panel.log:
            axes.set_yscale("log")
            low, high = axes.yaxis.get_data_interval()
            if high < 30 * low:  # a span of which whole powers of ten alone would leave one number, or none
                viz.plain_ticks(axes.yaxis)
        axes.set_ylim(panel.low, panel.high)
        axes.grid(alpha=0.25)
    for axes in np.ravel(figure.axes)[len(panels) :]:
        axes.remove()
    handles, labels = figure.axes[0].get_legend_handles_labels()
    columns = 1 if explained else min(len(labels), 6)
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=9, frameon=False)
    return figure


def plot_samples(
    results: dict,
    arms: Sequence[str],
    seeds: Sequence[int] | None = None,
    columns: int = 2,
    figure: Figure | SubFigure | None = None,
) -> Figure | SubFigure:
    """Draw the kept samples of arms, each under its name; the same latents in all arms, a row for each seed.

    Args:
        results: as `results.load` gives them.
        arms: which; those without a run are left out, and if none has one, the figure says so.
        seeds: which of theirs; all by default.
        columns: arms side by side.
        figure: what to draw into; a new one by default.
    """
    chosen = [run for run in results["runs"] if seeds is None or run["seed"] in seeds]
    strips = {arm: [f"{arm}-{run['seed']}.png" for run in chosen if run["arm"] == arm] for arm in arms}
    strips = {
        arm: [viz.read_png(results["pictures"] / name) for name in names] for arm, names in strips.items() if names
    }
    if not strips:
        figure = figure or new_figure(6.4 * columns, 1)
        figure.text(0.5, 0.5, f"no samples are kept of {', '.join(arms)}", ha="center", va="center", fontsize=9)
        return figure
    rows, most = -(-len(strips) // columns), max(map(len, strips.values()))
    figure = figure or new_figure(6.4 * columns, rows * (0.56 * most + 0.3))
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(strips) :]:
        axes.remove()
    for axes, (arm, pictures) in zip(grid.flat, strips.items()):
        axes.axis("off")
        axes.imshow(np.concatenate(pictures))
        axes.set_title(arm, fontsize=9, loc="left", pad=2)
    return figure


def _position(runs: list[dict], panel: Panel) -> str:
    """What the rows of a record are counted in."""
    rows = [row for run in runs for row in run["epochs"]] if panel.source == "epochs" else [{}]
    return "epoch" if all("epoch" in row for row in rows) else "update"


def _label(results: dict, arm: str, explained: bool) -> str:
    """An arm in a legend: its name, and what it is."""
    about = results["arms"].get(arm, "")
    return f"{arm}: {about}" if explained and about else arm


def _one_line(lines: dict[str, np.ndarray | None]) -> str:
    """Which arms' lines are the same all the way, in words; "" if none are."""
    groups: dict[tuple, list[str]] = {}
    for arm, line in lines.items():
        if line is not None:
            groups.setdefault(tuple(np.round(line, 6)), []).append(arm)
    return "\n".join(f"one line: {', '.join(arms)}" for arms in groups.values() if len(arms) > 1)


def _draw(axes, runs: list[dict], panel: Panel, colour: str, label: str) -> np.ndarray | None:
    """Draw an arm; give the mean of its first value, None where its runs were not recorded at the same places."""
    mean = None
    records = [run[panel.source] for run in runs]
    if panel.source != "curves":  # rows of records become columns
        records = [{name: [row[name] for row in rows] for name in rows[0]} for rows in records if rows]
    at = _position(runs, panel)
    alike = all(record[at] == records[0][at] for record in records)  # a training that failed is shorter than others
    for name, style in zip(panel.names, ("-", "--")):
        lines, first = [np.array(record[name], float) for record in records], style == "-"
        for record, line in zip(records, lines):
            axes.plot(record[at], line, style, color=colour, alpha=0.25, linewidth=0.7)
        if not lines:
            continue
        whole = np.mean(lines, axis=0) if alike else []
        place = records[0][at] if alike else []
        axes.plot(place, whole, style, color=colour, linewidth=1.6, label=label if first else None)
        mean = whole if first and alike else mean
    return mean
