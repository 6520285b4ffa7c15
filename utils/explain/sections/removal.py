"""Removing a part: the sheet of samples without it, the curves of the effect, and the section."""

import itertools
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from utils import viz
from utils.errors import InputError
from utils.explain.draw import TILE, sheet
from utils.explain.parts import BOXED, TRAIN_COUNT, detector_for
from utils.explain.removal import DRAWS, Removal, remove_part
from utils.explain.sections import Finding, Picture, Section, bracketed, rounded
from utils.explain.subject import Subject
from utils.figure import new_figure, write_figure
from utils.intervals import Interval
from utils.text import shorten, slug

FEW = 3  # of a detector's parts are removed where `Subject.most` limits what is looked at


def section(subject: Subject, folder: Path) -> Section:
    sampler, experiment = subject.trained("Removing a part")
    finders = subject.boxes
    if not finders:
        count = min(TRAIN_COUNT, 10 * subject.most) if subject.most else TRAIN_COUNT
        detector = detector_for(experiment.data.name, count=count, data_dir=subject.data_dir)
        finders = dict.fromkeys(itertools.islice(detector.parts, FEW if subject.most else None), detector)
    samples = BOXED if subject.boxes else min(BOXED, subject.most or BOXED)
    draws = DRAWS if subject.most is None else 2  # the fewest that give an interval
    findings, shown, rows, pictures, missing = [], [], [], [], []
    for part, finder in finders.items():
        try:
            record = remove_part(sampler, finder, part=part, samples=samples, draws=draws, seed=subject.seed)
        except InputError as error:  # a part that the samples hardly show
            missing.append(str(error))
            continue
        last = record.droppings[-1]
        claim = f"Paper §6.3.1: without the feature maps that draw it, the generator forgets a part ({part})"
        rows += record.table()
        shown += readable(record)
        whose = "boxes were drawn by hand" if subject.boxes else f"the detector finds {part}"
        captions = (
            f"Samples in which {whose} ({record.measured} of them were measured), and what is left. What a "
            "detector finds in a sample need not be what people see there.",
            f"What dropping ever more maps does ({part}).",
        )
        pictures += [Picture(*pair) for pair in zip(draw_removal(record, folder, shorten(subject.title, 60)), captions)]
        if subject.boxes:  # nobody counts how often the part is gone
            measured = f"{last.maps} of {len(record.weights)} maps dropped: pixels change by {last.chosen.inside:.0f} "
            measured += f"inside the boxes, {last.chosen.outside:.0f} outside, of 255"
            control = (
                f"as many random maps: {last.of_random('inside').value:.0f} and {last.of_random('outside').value:.0f}"
            )
            findings.append(Finding(claim, measured, control))
            continue
        findings.append(
            Finding(
                claim,
                f"gone in {bracketed(record.gone(last), '.0%')} of {record.measured} samples, {last.maps} of "
                f"{len(record.weights)} maps dropped; other parts kept {last.chosen.kept:.0%}",
                f"as many random maps: gone in {bracketed(last.of_random('gone'), '.0%')}, others kept "
                f"{last.of_random('kept').value:.0%}",
            )
        )
    about = (
        f"Dropping maps, chosen by the regression | at random (the mean of {draws} sets, of which one may lie further "
        "out): how often the part is gone, what else is still found, "
    )
    return Section(
        findings=tuple(findings),
        tables={f"{about}how much pixels change (of 255)": shown},
        values={"removal": rounded(rows)},
        pictures=tuple(pictures),
        missing=" ".join(missing),
    )


def readable(record: Removal) -> list[dict]:
    """A row for each number of maps: chosen by the regression | at random, with 95% intervals."""
    rows = []
    for dropping in record.droppings:
        gone = [bracketed(share, ".0%") for share in (record.gone(dropping), dropping.of_random("gone"))]
        row = {"part": record.part, "samples": record.measured, "maps": f"{dropping.maps} of {len(record.weights)}"}
        row["gone"] = " | ".join(gone)
        for title, name, spec in (
            ("others kept", "kept", ".0%"),
            ("inside", "inside", ".0f"),
            ("outside", "outside", ".0f"),
        ):
            row[title] = f"{getattr(dropping.chosen, name):{spec}} | {dropping.of_random(name).value:{spec}}"
        rows.append(row)
    return rows


def draw_removal(record: Removal, folder: str | Path, model: str = "") -> list[Path]:
    """Draw samples with and without the maps, and the effect of dropping ever more of them.

    Returns:
        removed_<part>.png, removed_<part>_effect.png.
    """
    pictures, effect = (Path(folder) / f"removed_{slug(record.part)}{kind}.png" for kind in ("", "_effect"))
    factor = max(1, round(TILE / record.pictures.shape[1]))
    framed = record.pictures.repeat(factor, 1).repeat(factor, 2)
    for picture, boxes in zip(framed, record.picture_boxes):
        for left, top, right, bottom in (boxes.astype(int) * factor).tolist():
            cv2.rectangle(picture, (left, top), (right - 1, bottom - 1), (255, 0, 0), 1)
    columns = {"sample": framed}
    for dropping in record.droppings:
        columns[f"{dropping.maps} maps\ndropped"] = dropping.pictures.repeat(factor, 1).repeat(factor, 2)
    last = record.droppings[-1]
    columns[f"{last.maps} random\nmaps dropped"] = last.random_pictures.repeat(factor, 1).repeat(factor, 2)
    viz.write_png(pictures, sheet(columns))
    return [pictures, _draw_effect(record, effect, model)]


def _draw_effect(record: Removal, file: Path, model: str) -> Path:
    """Against the number of dropped maps: how often the part is gone, what is kept, what changes where."""
    about = f"{shorten(record.part, 40)}: maps of {record.layer}, dropped; {record.measured} samples that show it"
    figure = new_figure(13, 4.1, f"{model}; {about}" if model else about)
    maps = [dropping.maps for dropping in record.droppings]
    gone, kept, moved = figure.subplots(1, 3)

    def ends(intervals: Iterable[Interval]) -> np.ndarray:
        return np.array([tuple(interval.plain().values()) for interval in intervals]).T

    def chosen(axes, name: str, **how) -> None:
        axes.plot(maps, [getattr(dropping.chosen, name) for dropping in record.droppings], "o-", **how)

    def at_random(axes, name: str, **how) -> None:
        mean, low, high = ends(dropping.of_random(name) for dropping in record.droppings)
        axes.errorbar(maps, mean, [mean - low, high - mean], fmt="s:", capsize=3, **how)

    _, low, high = ends(record.gone(dropping) for dropping in record.droppings)
    gone.fill_between(maps, low, high, color="C3", alpha=0.2, linewidth=0)
    for axes, name in ((gone, "gone"), (kept, "kept")):
        chosen(axes, name, color="C3", label="chosen by the regression")
        at_random(axes, name, color="grey", label="chosen at random")
        axes.set(ylim=(-0.03, 1.03))
    gone.set(title="the part is no longer found", ylabel="share of samples")
    kept.set(title="other parts are still found", ylabel="share of other parts")
    for name, colour in (("inside", "C1"), ("outside", "C0")):
        chosen(moved, name, color=colour, label=f"{name} the boxes, chosen")
        at_random(moved, name, color=colour, label=f"{name} the boxes, random", alpha=0.6)
    moved.set(title="pixels change", ylabel="mean change, of 255", ylim=(0, None))
    for axes in (gone, kept, moved):
        axes.set_xscale("log", base=2)
        axes.set_xticks(maps, map(str, maps))
        axes.minorticks_off()
        axes.set_xlabel("maps dropped")
        axes.grid(alpha=0.25)
    entries = {}
    for axes in (gone, kept, moved):
        entries |= {label: handle for handle, label in zip(*axes.get_legend_handles_labels())}
    figure.legend(entries.values(), entries, loc="outside lower center", ncols=len(entries), fontsize=8, frameon=False)
    return write_figure(file, figure)
