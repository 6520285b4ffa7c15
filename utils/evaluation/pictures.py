"""Pictures of what was measured: samples side by side, curves over each other, combinations that are missed."""

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from utils import viz
from utils.data.drawn import Drawn
from utils.evaluation.combinations import DOUBT, HELD_OUT, Combination, Combinations
from utils.evaluation.texts import Said, Texts
from utils.runs import Run, Thinned
from utils.tables import variety_in_words
from utils.text import shorten

if TYPE_CHECKING:  # it takes a while to load
    from matplotlib.figure import Figure

COLUMNS = 3
"""Grids of samples in a row."""
_PANELS = {
    "loss of the generator": ("loss_generator",),
    "loss of the discriminator": ("loss_discriminator", "loss_true", "loss_fake"),
    "mean score of true images": ("score_true",),
    "mean score of fake images": ("score_fake",),
    "diversity, as a share of the true images'": ("diversity",),
}


def draw_side_by_side(path: str | Path, grids: dict[str, np.ndarray]) -> Path:
    """Draw grids of samples beside each other, each under its name.

    Args:
        path: the PNG to write.
        grids: uint8 (H, W, 3) by name.
    """
    height, width = (max(picture.shape[axis] for picture in grids.values()) for axis in (0, 1))
    tiles = []
    for name, picture in grids.items():
        sheet = np.full((height, width, 3), 255, np.uint8)
        sheet[: picture.shape[0], : picture.shape[1]] = picture
        tiles.append(viz.caption(sheet, shorten(name, width // 10)))
    rows = [tiles[start : start + COLUMNS] for start in range(0, len(tiles), COLUMNS)]
    if len(rows) > 1:
        rows[-1] += [np.full_like(tiles[0], 255)] * (COLUMNS - len(rows[-1]))
    gap = np.full((tiles[0].shape[0], 16, 3), 255, np.uint8)
    lines = [np.concatenate([part for tile in row for part in (tile, gap)][:-1], axis=1) for row in rows]
    viz.write_png(path, np.concatenate(lines))
    return Path(path)


def draw_curves(runs: dict[str, Run]) -> "Figure":
    """Draw losses, scores and diversity of runs over each other, over updates, one colour for each run.

    Args:
        runs: by name; each has had an update at least.
    """
    from utils.figure import new_figure  # it takes a while to load

    figure = new_figure(13.5, 6.6)
    grid = figure.subplots(2, 3)
    for number, (name, run) in enumerate(runs.items()):
        steps, watched = Thinned(run.steps_file).columns(), Thinned(run.watch_file).columns()
        if "diversity" in watched:  # of a short run there may be other measurements alone
            watched["diversity"] = watched["diversity"] / watched["diversity_true"]
        for axes, names in zip(grid.flat, _PANELS.values()):
            source = watched if names == ("diversity",) else steps
            recorded = [source[each] for each in names if each in source][:2]
            if not recorded:
                continue
            # Of a discriminator that is updated on true and on fake images by turns the sum of both losses.
            values = recorded[0] if names[0] in source else np.sum(recorded, axis=0)
            due = np.isfinite(values)
            at, values = source["update"][due], values[due]
            if source is steps:
                axes.plot(at, values, color=f"C{number}", alpha=0.15, linewidth=0.6)
                values = viz.smooth(values, max(1, len(values) // 50))
            axes.plot(at, values, color=f"C{number}", label=shorten(name, 40), linewidth=1.5)
    for axes, title in zip(grid.flat, _PANELS):
        axes.set(title=title, xlabel="update", ylim=(-0.03, 1.03) if "score" in title else (0, None))
        axes.title.set_fontsize(10)
        axes.grid(alpha=0.25)
    grid.flat[-1].axis("off")
    grid.flat[-1].legend(*grid.flat[0].get_legend_handles_labels(), loc="center left", fontsize=9, frameon=False)
    return figure


def draw_combinations(path: str | Path, record: Combinations, title: str, source: Drawn) -> Path:
    """Draw a table of all combinations, seen and expected, the missing ones marked; and what some of these look like.

    Args:
        path: the PNG to write.
        record: what was counted.
        title: what to call the generator.
        source: the images it was trained on, of which those of missing combinations are drawn.
    """
    from utils.figure import new_figure, write_figure  # they take a while to load

    first, *others = record.factors.values()
    columns = list(itertools.product(*others))
    counts = {verdict: len(record.with_verdict(verdict)) for verdict in ("missing", "too few", "too many")}
    wrong, true, fake = record.wrong, record.doubtful_true, record.doubtful_fake
    upper, lower = 0.4 * len(first) + 0.27 * len(others) + 0.8, 3.6  # inches
    figure = new_figure(max(11.0, 2.2 + 0.42 * len(columns)), upper + lower + 0.9)
    figure.suptitle(
        f"{title}: {record.samples:,} samples beside the {len(record.combinations)} combinations in its "
        f"{record.trained:,} training images\nmissing: {counts['missing']} (crossed out), less than half as often as "
        f"expected: {counts['too few']} (red frame), more than twice as often: {counts['too many']} (blue frame)",
        fontsize=11,
    )
    figure.supxlabel(
        f"Judged by the {' and the '.join(record.judges)}.\nOf {HELD_OUT:,} true images that these had not seen they "
        f"get {wrong:.1%} wrong, which the expected numbers allow for, and are not sure (below {DOUBT:.0%}) of a value "
        f"of {true.value:.0%}; of the samples {fake.value:.0%}.",
        fontsize=8,
    )
    above, below = figure.subfigures(2, 1, height_ratios=(upper, lower))
    _table(above.subplots(), record, list(first), columns)
    values, examples = below.subfigures(1, 2, width_ratios=(1, 1.25))
    _one_by_one(values.subplots(), record)
    _missed(examples, record.missed(), source)
    return write_figure(path, figure)


def _table(axes, record: Combinations, rows: list[str], columns: list[tuple[str, ...]]) -> None:
    """Each combination's cell: how many were seen, below how many were to be expected; its colour is the ratio."""
    from matplotlib.colors import TwoSlopeNorm
    from matplotlib.patches import Rectangle

    cells = np.full((len(rows), len(columns)), np.nan)
    for each in record.combinations:
        row, column = rows.index(each.values[0]), columns.index(each.values[1:])
        cells[row, column] = math.log2((each.seen + 1) / (each.expected + 1))  # + 1: few are no strong evidence
        missing = each.verdict == "missing"
        colour = "white" if abs(cells[row, column]) > 1.6 else "black"
        centred = {"ha": "center", "color": colour}
        axes.text(column, row, f"{each.seen:,}", va="bottom", fontsize=7, fontweight="bold", **centred)
        axes.text(column, row + 0.05, f"of {each.expected:,.0f}", va="top", fontsize=5, **centred)
        if each.verdict:
            edge = {"missing": "black", "too few": "#b2182b", "too many": "#2166ac"}[each.verdict]
            box = Rectangle((column - 0.45, row - 0.45), 0.9, 0.9, fill=False, edgecolor=edge, linewidth=1.6)
            axes.add_patch(box)
        if missing:
            axes.plot([column - 0.42, column + 0.42], [row + 0.42, row - 0.42], color="silver", linewidth=0.7)
            axes.plot([column - 0.42, column + 0.42], [row - 0.42, row + 0.42], color="silver", linewidth=0.7)
    image = axes.imshow(cells, cmap="RdBu", norm=TwoSlopeNorm(0, -2.5, 2.5), aspect="auto")
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    axes.set_xticks([])
    axes.tick_params(length=0)
    levels = len(columns[0])
    for level in range(levels):  # headers above the columns: the factor that changes slowest on top
        height, last = -1.75 - 0.62 * (levels - 2 - level), level == levels - 1
        start = 0
        for value, group in itertools.groupby(column[: level + 1] for column in columns):
            span = len(list(group))
            middle = start + span / 2 - 0.5
            at = {"y": -0.6, "rotation": 90, "fontsize": 7} if last else {"y": height, "fontsize": 9}
            axes.text(middle, s=value[-1], ha="center", va="bottom", **at)
            if start and not last:
                border = [start - 0.5] * 2
                axes.plot(border, [-0.5, len(rows) - 0.5], color="white", linewidth=3 - level)
                axes.plot(border, [-0.5, height - 0.5], color="grey", linewidth=0.6, clip_on=False)
            start += span
    axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5))
    for spine in axes.spines.values():
        spine.set_visible(False)
    bar = axes.figure.colorbar(image, ax=axes, shrink=0.8, aspect=25, pad=0.01)
    bar.set_ticks([-2, -1, 0, 1, 2], labels=["a quarter", "half", "as often", "twice", "4 times"], fontsize=7)


def _one_by_one(axes, record: Combinations) -> None:
    """Each value's share of the training set, and of the fakes with its interval."""
    rows = record.values
    for place, row in enumerate(rows):
        share = row["share"]
        axes.plot(row["expected"], place, "|", color="black", markersize=11, markeredgewidth=1.6)
        axes.errorbar(
            share.value,
            place,
            xerr=[[share.value - share.low], [share.high - share.value]],
            fmt="o",
            color="tab:red",
            markersize=4,
            capsize=2,
        )
        if place and rows[place - 1]["factor"] != row["factor"]:
            axes.axhline(place - 0.5, color="lightgrey", linewidth=0.8)
    axes.set_yticks(range(len(rows)), [row["value"] for row in rows], fontsize=7)
    axes.set(ylim=(len(rows) - 0.5, -0.5), xlim=(0, None))
    axes.tick_params(axis="x", labelsize=7)
    axes.set_title("One by one: share to be expected (|), and seen among the samples (dot, 95% interval)", fontsize=8)
    axes.grid(alpha=0.25, axis="x")


def _missed(figure, those: Sequence[Combination], source: Drawn) -> None:
    """What the training set holds and the generator draws least of: a true image of each."""
    rows, columns = 2, 5
    those = those[: rows * columns]
    if not those:
        figure.text(0.5, 0.5, "No combination comes less than half as often as expected.", ha="center", fontsize=9)
        return
    figure.suptitle("What it draws least of: images that it was trained on", fontsize=8)
    wanted, found = {each.values for each in those}, {}
    for row in range(source.count):
        known = {name: np.array([1.0 if true else -1.0]) for name, true in source.known(row).items()}
        values = tuple(list(factor.values)[factor.read(known)[0][0]] for factor in source.factors)
        if values in wanted and values not in found:
            found[values] = source.draw(row)["images"]
        if len(found) == len(wanted):
            break
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for axes, each in zip(grid.flat, those):
        axes.imshow(found[each.values], interpolation="nearest")
        words = "\n".join(", ".join(each.values[start : start + 2]) for start in range(0, len(each.values), 2))
        axes.set_title(f"{each.seen} of {each.expected:.0f}\n{words}", fontsize=6)


def draw_texts(path: str | Path, record: Texts, title: str) -> Path:
    """Draw fakes of some sentences, and how often fakes agree with what their sentences say.

    Args:
        path: the PNG to write.
        record: what was measured.
        title: what to call the generator.
    """
    from utils.figure import new_figure, write_figure  # they take a while to load

    sentences, fakes = record.examples
    varied = variety_in_words(record.plain()["variety"], "text")
    figure = new_figure(13.5, max(6.5, 1.15 * len(sentences)))
    figure.suptitle(f"{title}: does it draw what a text says? {record.samples:,} sentences", fontsize=11)
    figure.supxlabel(
        f"Judged by the {record.judge}; 95% intervals. True images: {record.true_images}.\nVariety: {varied}.",
        fontsize=8,
    )
    left, right = figure.subfigures(1, 2, width_ratios=(5, 6))
    for axes, sentence, pictures in zip(left.subplots(len(sentences)), sentences, fakes):
        axes.imshow(viz.grid(pictures, columns=len(pictures)), interpolation="nearest")
        axes.set_title(shorten(sentence, 90), fontsize=9, loc="left")
        axes.axis("off")
    shares = right.subplots()
    rows = [*record.attributes, Said("all that it says", record.samples, **record.right)]
    rows += [Said(_of(each), each.count, each.all, each.others, each.true) for each in record.combinations]
    for shift, (name, colour, label) in enumerate(
        (
            ("true", "tab:grey", "true images, with their own text"),
            ("fake", "tab:blue", "fakes, with their own text"),
            ("other", "tab:orange", "fakes, with another's text"),
        )
    ):
        for place, row in enumerate(rows):
            share, at = getattr(row, name), place + 0.2 * (shift - 1)
            shares.plot([share.low, share.high], [at, at], color=colour, linewidth=2)
            shares.plot(share.value, at, "o", color=colour, markersize=4, label=label if place == 0 else None)
    shares.set_yticks(range(len(rows)), [f"{row.name} ({row.count:,})" for row in rows], fontsize=9)
    shares.set(xlim=(-0.02, 1.02), ylim=(len(rows) - 0.4, -0.6), title="share of images that agree with what is said")
    shares.title.set_fontsize(10)
    shares.grid(alpha=0.25)
    shares.legend(fontsize=8, loc="upper right", bbox_to_anchor=(1.0, -0.06), ncols=3, frameon=False)
    return write_figure(path, figure)


def _of(combination) -> str:
    return f"{combination.name}, {'left out' if combination.left_out else 'together'}"
