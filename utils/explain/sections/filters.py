"""Filters and activations: their pictures and their section."""

from pathlib import Path

import numpy as np

from utils import viz
from utils.explain.activations import Activations, Filters, activations, first_filters, neighbour_correlation
from utils.explain.draw import GAP, TILE, around_grey
from utils.explain.sections import Finding, Picture, Section, rounded
from utils.explain.subject import Subject

SHOWN = 32
"""Maps of a convolution in the picture of its activations."""


def section(subject: Subject, folder: Path) -> Section:
    filters = first_filters(subject.fixed, subject.seed)
    trained, random = (neighbour_correlation(kernels) for kernels in (filters.trained, filters.random))
    finding = Finding(
        "First-layer filters are smooth: they look for edges and colours",
        f"correlation between neighbouring weights {trained:+.3f}",
        f"random weights {random:+.3f}",
    )
    pictures = (
        Picture(
            draw_first_filters(filters, folder / "filters.png"),
            f"All {len(filters.trained)} filters of convolution 1 as pictures, and the same layer with random weights; "
            "grey is 0, each filter scaled by its largest weight.",
        ),
        Picture(
            draw_activations(activations(subject.fixed, subject.true[0]), folder / "activations.png"),
            "One true image through the network: the maps of each convolution that answer most, each scaled by itself; "
            "grey is 0, white positive.",
        ),
    )
    values = [{"weights": "trained", "correlation": trained}, {"weights": "random", "correlation": random}]
    return Section(findings=(finding,), values={"first filters": rounded(values)}, pictures=pictures)


def draw_first_filters(record: Filters, file: str | Path) -> Path:
    """The filters of the first convolution, trained and random; each scaled by its own largest weight."""
    pictures = []
    for title, filters in (("trained", record.trained), ("random weights", record.random)):
        height, width = filters.shape[1:3]
        grid = viz.grid(around_grey(filters, (1, 2, 3)), columns=16, tile=12 * max(height, width), gap=GAP)
        pictures.append(np.concatenate([viz.letters(title, grid.shape[1], 22), grid]))
    viz.write_png(file, np.concatenate(pictures))
    return Path(file)


def draw_activations(record: Activations, file: str | Path) -> Path:
    """One image through the network: of each convolution the maps that answer most, each scaled by itself."""
    pictures = [viz.letters("image", TILE + 2 * GAP, 22), viz.grid(record.image[None], tile=TILE, gap=GAP)]
    for convolution, maps in zip(record.convolutions, record.maps):
        order = np.argsort(-np.abs(maps).max((0, 1)), kind="stable")[:SHOWN]
        tiles = around_grey(np.moveaxis(maps[..., order], -1, 0), (1, 2))[..., None].repeat(3, -1)
        grid = viz.grid(tiles, columns=16, tile=64, gap=GAP)
        pictures += [viz.letters(f"{convolution}, the strongest {len(order)}", 360, 22), grid]
    width = max(picture.shape[1] for picture in pictures)
    pictures = [np.pad(p, ((0, 0), (0, width - p.shape[1]), (0, 0)), constant_values=255) for p in pictures]
    viz.write_png(file, np.concatenate(pictures))
    return Path(file)
