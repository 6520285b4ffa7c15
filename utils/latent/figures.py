"""Figures of what is measured in the latent space: records in, Matplotlib figures out (see `utils.figure`)."""

from collections.abc import Sequence

import numpy as np

from utils.figure import Figure, new_figure
from utils.intervals import Interval
from utils.latent.arithmetic import ARMS, Scores
from utils.latent.directions import KINDS as DIRECTIONS
from utils.latent.directions import Effects, Following
from utils.latent.turn import Turning
from utils.latent.walk import KINDS as PATHS
from utils.latent.walk import Smoothness
from utils.text import shorten

_PATH_COLOURS = {"straight": "C0", "spherical": "C2", "fading": "C1", "true": "C3"}
_ARM_COLOURS = {"latents": "C0", "usual length": "C2", "random": "grey", "pixels": "C1", "base": "lightgrey"}
_KIND_COLOURS = {"regression": "C0", "conditional": "C2", "means": "C4", "random": "grey"}


def smoothness_figure(record: Smoothness, title: str) -> Figure:
    """One walk beside its two controls, how long each step is, and how far from true images the way leads."""
    pairs, steps = record.paths["straight"].steps.shape
    figure = new_figure(12, 7, f"{title}: {pairs} walks between random latents, {steps} steps each, measured in the "
                               f"{record.space}; {record.true}")  # fmt: skip
    above, below = figure.subfigures(2, 1, height_ratios=(4, 4))
    shown = np.rint(np.linspace(0, steps, 9)).astype(int)
    rows = ("straight", "fading", "true")
    for axes_row, kind in zip(above.subplots(len(rows), len(shown)), rows):
        for axes, frame in zip(axes_row, shown):
            axes.imshow(record.paths[kind].images[frame], interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        axes_row[0].set_ylabel(PATHS[kind].replace(", ", ",\n").replace("nearest ", "nearest\n"), fontsize=8,
                               rotation=0, ha="right", va="center")  # fmt: skip
    profile, evenness, away = below.subplots(1, 3)
    share = (np.arange(steps) + 0.5) / steps
    for kind, paths in record.paths.items():
        if kind == "spherical":
            continue
        relative = np.sort(paths.steps / np.maximum(paths.steps.mean(1, keepdims=True), 1e-12), 1)[:, ::-1]
        profile.plot(share * steps + 0.5, relative.mean(0), "o-", markersize=3, color=_PATH_COLOURS[kind],
                     label=PATHS[kind])  # fmt: skip
    profile.set(title="steps of a walk, the largest first", xlabel="step", ylabel="length, of the mean step")
    profile.axhline(1, color="grey", linestyle=":", linewidth=1)
    profile.legend(fontsize=7, frameon=False)
    compared = {evenness: list(record.paths), away: [kind for kind in record.paths if kind != "true"]}
    for axes, what, form in ((evenness, "largest", ".2f"), (away, "middle", "+.3f")):
        for place, kind in enumerate(compared[axes]):
            if what in record.findings[kind]:
                _bar(axes, place, record.findings[kind][what], _PATH_COLOURS[kind], form)
        labels = [PATHS[kind].replace(" ", "\n", 1) for kind in compared[axes]]
        axes.set_xticks(range(len(labels)), labels, fontsize=7)
        axes.margins(y=0.12)
    evenness.set_title("largest step, of the mean step")
    evenness.axhline(1, color="grey", linestyle=":", linewidth=1)
    away.axhline(0, color="grey", linewidth=1)
    away.set(title="further from true images in the middle than at the ends",
             ylabel="1: from a true image to the next")  # fmt: skip
    for axes in (profile, evenness, away):
        axes.grid(alpha=0.25)
        axes.title.set_fontsize(9)
    return figure


def scores_figure(scores: Scores, title: str) -> Figure:
    """How often arithmetic works, by the number of exemplars and beside its controls, and for each of several
    expressions."""
    counts, several = scores.counts, len(scores.scores) > 1
    trials = len(scores.scores[0].arms[counts[0]]["latents"].has)
    what = f"{len(scores.scores)} expressions" if several else shorten(scores.scores[0].expression, 80)
    height = max(3.8, 1.2 + 0.26 * len(scores.scores))
    heading = f"{title}: {what}, {trials} trials{' each' * several}, judged by the {scores.judge}"
    figure = new_figure(13 if several else 10, height, heading)
    panels = figure.subplots(1, 4 if several else 3, width_ratios=(1, 1, 1, 1.5)[: 4 if several else 3])
    has, kept, away = panels[:3]
    for axes, measure, heading in (
        (has, scores.has, "the result has what it should"),
        (kept, scores.kept, "other attributes are kept"),
        (away, scores.away, "distance from the generator's samples"),
    ):
        for place, arm in enumerate(ARMS):
            found = [measure(count, arm) for count in counts]
            _curve(axes, np.arange(len(counts)) + 0.06 * (place - 2), found, _ARM_COLOURS[arm], ARMS[arm])
        axes.set_xticks(range(len(counts)), list(map(str, counts)))
        axes.set(title=heading, xlabel="exemplars of each concept")
    for axes in (has, kept):
        axes.set_ylim(-0.03, 1.03)
        _percent(axes)
    away.set(ylim=(0, None), ylabel="1: as from a sample to the next")
    away.axhline(1, color="grey", linestyle=":", linewidth=1)
    if several:
        _each(panels[3], scores, counts[len(counts) // 2])
    for axes in panels:
        axes.grid(alpha=0.25)
        axes.title.set_fontsize(9)
    figure.legend(*has.get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=8, frameon=False)
    return figure


def turning_figure(records: Sequence[Turning], title: str) -> Figure:
    """How far turn vectors of ever more exemplars turn fresh samples, and what else they change."""
    figure = new_figure(9, 3.8, title)
    turned, kept = figure.subplots(1, 2)
    for number, record in enumerate(records):
        label = f"{record.exemplars} exemplar{'s' * (record.exemplars > 1)} a side"
        _curve(turned, record.strengths, record.at(record.degrees), f"C{number}", label)
        _curve(kept, record.strengths, record.at(record.kept), f"C{number}", label)
    last = records[-1]
    label = f"random, as long as that of {last.exemplars}"
    _curve(turned, last.strengths, last.at(np.abs(last.random)), "grey", f"{label}, either way")
    _curve(kept, last.strengths, last.at(last.random_kept), "grey", label)
    turned.set(title="turned by", ylabel="degrees, clockwise")
    kept.set(title="what the judge sees is kept", ylim=(-0.03, 1.03))
    _percent(kept)
    for axes in (turned, kept):
        axes.set_xlabel("times the vector")
        axes.grid(alpha=0.25)
        axes.title.set_fontsize(9)
    turned.legend(fontsize=7, frameon=False)
    return figure


def effects_figure(record: Effects, title: str) -> Figure:
    """The matrix attribute x direction: how much more often samples show an attribute when moved along a direction."""
    kinds = [kind for kind in DIRECTIONS if any(d.kind == kind for d in record.directions)]
    columns = {kind: [n for n, d in enumerate(record.directions) if d.kind == kind] for kind in kinds}
    named = [kind for kind in kinds if record.directions[columns[kind][0]].name in record.names]
    rest = [kind for kind in kinds if kind not in named]
    panels = [(kind, columns[kind]) for kind in named]
    if rest:
        panels.append(("", [number for kind in rest for number in columns[kind]]))
    widths = [len(numbers) for _, numbers in panels]
    figure = new_figure(2.2 + 0.36 * sum(widths) + 0.3 * len(widths), 2.4 + 0.3 * len(record.names))
    figure.suptitle(
        f"{title}: by how much more often {record.changes.shape[1]} samples show an attribute, moved "
        f"{record.strength:g} standard deviations forwards rather than backwards.\nPercentage points; nothing is "
        f"written where 0 lies inside the 95% interval. Judged by the {record.judge}.",
        fontsize=9,
    )
    axes_row = np.atleast_1d(figure.subplots(1, len(panels), width_ratios=widths))
    for place, (axes, (kind, numbers)) in enumerate(zip(axes_row, panels)):
        values = record.means[numbers].T
        image = axes.imshow(values, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
        for column, number in enumerate(numbers):
            for row, change in enumerate(record.of(number)):
                if not change.low <= 0 <= change.high:
                    dark = abs(change.value) > 0.6
                    axes.text(column, row, f"{100 * change.value:.0f}", ha="center", va="center", fontsize=6,
                              color="white" if dark else "black")  # fmt: skip
        titles = [record.directions[number].title for number in numbers]
        axes.set_xticks(range(len(numbers)), titles, rotation=60, ha="right", rotation_mode="anchor", fontsize=7)
        axes.set_yticks(range(len(record.names)), list(record.names) if place == 0 else [], fontsize=7)
        axes.tick_params(length=0)
        axes.set_title(_gains(record, [kind] if kind else rest), fontsize=7)
    bar = figure.colorbar(image, ax=list(axes_row), fraction=0.015, pad=0.01)
    bar.set_ticks([-1, 0, 1], labels=["−100", "0", "+100"])
    return figure


def following_figure(records: Sequence[Following], title: str) -> Figure:
    """Strength of an edit: how many samples get the attribute, what they keep of the others, how far they move."""
    figure = new_figure(13, 3.9, title)
    has, kept, moved, trade = figure.subplots(1, 4)
    for record in records:
        colour, label = _KIND_COLOURS.get(record.kind, "C5"), DIRECTIONS[record.kind]
        _curve(has, record.strengths, record.gained(), colour, label)
        _curve(kept, record.strengths, record.of("kept"), colour, label)
        _curve(moved, record.strengths, record.of("moved"), colour, label)
        gained, others = ([i.value for i in intervals] for intervals in (record.gained(), record.of("kept")))
        trade.plot(others, gained, "o-", markersize=3, color=colour)
    has.set(title="samples that show the attribute", ylim=(-0.03, 1.03))
    kept.set(title="other attributes kept", ylim=(-0.03, 1.03))
    moved.set(title="distance in the judge's features", ylim=(0, None), ylabel="1: another sample")
    trade.set(title="one against the other", xlabel="other attributes kept", ylabel="attribute gained",
              ylim=(-0.03, 1.03))  # fmt: skip
    trade.invert_xaxis()
    for axes in (has, kept, trade):
        _percent(axes)
    _percent(trade, of="x")
    for axes in (has, kept, moved):
        axes.set_xlabel("strength, standard deviations")
    for axes in (has, kept, moved, trade):
        axes.grid(alpha=0.25)
        axes.title.set_fontsize(9)
    figure.legend(*has.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    return figure


def _each(axes, scores: Scores, count: int) -> None:
    """How often each expression works, beside random directions."""
    for row in range(len(scores.scores)):
        for arm, shift in (("latents", -0.15), ("random", 0.15)):
            found = scores.has(count, arm, row)
            axes.errorbar(
                [found.value], [row + shift], xerr=_reach([found]), fmt="o", markersize=4, capsize=2,
                color=_ARM_COLOURS[arm],
            )  # fmt: skip
    labels = [shorten(_short(score.expression), 40) for score in scores.scores]
    axes.set_yticks(range(len(labels)), labels, fontsize=7)
    axes.set(title=f"the result has it, {count} exemplars", xlim=(-0.03, 1.03), ylim=(len(labels) - 0.5, -0.5))
    _percent(axes, of="x")


def _gains(record: Effects, kinds: Sequence[str]) -> str:
    lines = []
    for kind in kinds:
        leakage = record.leakage(kind).value
        others = "" if np.isnan(leakage) else f", leakage {100 * leakage:.1f}"
        lines.append(f"{DIRECTIONS[kind]}\ngain {100 * record.gain(kind).value:.0f}{others}")
    return "\n".join(lines) if len(lines) == 1 else "; ".join(line.replace("\n", ": ") for line in lines)


def _curve(axes, x, found: Sequence[Interval], colour: str, label: str) -> None:
    if not all(np.isfinite(interval.value) for interval in found):
        return
    axes.errorbar(x, [interval.value for interval in found], yerr=_reach(found), fmt="o-", markersize=3, capsize=2,
                  linewidth=1.2, color=colour, label=label)  # fmt: skip


def _bar(axes, place: float, found: Interval, colour: str, form: str) -> None:
    axes.bar([place], [found.value], 0.6, yerr=_reach([found]), color=colour, alpha=0.7, capsize=4)
    top = found.value if found.is_alone else found.high
    axes.text(place, max(top, 0), f"{found.value:{form}}", ha="center", va="bottom", fontsize=8)


def _reach(found: Sequence[Interval]) -> list[list[float]]:
    """Distances from the values to the ends: below, above; NaN, which is not drawn, to those that are not told. A
    bootstrap's interval may miss its value by rounding."""
    away = np.array([[i.value - i.low for i in found], [i.high - i.value for i in found]])
    return np.maximum(away, 0).tolist()


def _percent(axes, of: str = "y") -> None:
    from matplotlib.ticker import PercentFormatter

    (axes.yaxis if of == "y" else axes.xaxis).set_major_formatter(PercentFormatter(1, 0))


def _short(expression: str) -> str:
    """An expression of `one_for_each` is known by its attribute."""
    first, *rest = expression.split(" − ")
    return first if rest and rest[0] == f"without {first} + without {first}" else expression
