"""Pictures of the records: heat maps, overlays, labelled sheets, curves. Numbers in, picture files out.

Two conventions hold everywhere. Heat maps go from blue (nothing) to red (the image's strongest place). Whatever has a
sign is grey at 0.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from utils import viz
from utils.explain.activations import Activations, Filters
from utils.explain.checks import Curves, Pointing, Randomisation, known_mean
from utils.explain.gradcam import GradCam, enlarge
from utils.explain.guided import FilterSaliency
from utils.figure import new_figure, write_figure

TILE = 96  # side of an image in a sheet, in pixels
GAP = 2


# --- from numbers to pixels -------------------------------------------------------------------------------------------


def colour(heat: np.ndarray) -> np.ndarray:
    """Heat float (N, H, W) in [0, 1] through OpenCV's colour map Turbo: uint8 (N, H, W, 3) RGB."""
    levels = np.rint(np.clip(heat, 0, 1) * 255).astype(np.uint8)
    return np.stack([cv2.cvtColor(cv2.applyColorMap(level, cv2.COLORMAP_TURBO), cv2.COLOR_BGR2RGB) for level in levels])


def overlay(images: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Heat laid over its images: the more heat, the less of the image; where there is none the image stays as it is.

    Args:
        images: uint8 (N, S, S, 3).
        heat: float (N, S, S) in [0, 1].
    """
    share = 0.75 * np.clip(heat, 0, 1)[..., None]
    return np.rint((1 - share) * images + share * colour(heat)).astype(np.uint8)


def around_grey(values: np.ndarray, axes: tuple[int, ...] | None = None) -> np.ndarray:
    """Signed values as uint8 of the same shape: 0 is mid grey, the largest magnitude over `axes` (all) the end."""
    most = np.abs(values).max(axis=axes, keepdims=True)
    relative = np.divide(values, most, out=np.zeros(values.shape), where=most > 0)
    return np.rint(127.5 + 127.5 * relative).astype(np.uint8)


def sheet(columns: dict[str, np.ndarray], rows: Sequence[str] = ()) -> np.ndarray:
    """Lay batches of images side by side: a titled column for each, a row for each image.

    Args:
        columns: uint8 (N, S, S, 3) by title.
        rows: N labels for the left edge; none leaves the edge out.

    Returns:
        uint8 (rows, columns, 3) with even sides.
    """
    grid = viz.grid(np.concatenate([np.stack(tiles) for tiles in zip(*columns.values())]), len(columns), TILE, GAP)
    tile = (grid.shape[1] - GAP) // len(columns)
    heading = [viz.letters(title, tile, 2 * 18) for title in columns]
    if rows:
        edge = np.concatenate([viz.letters(label, TILE, tile) for label in rows])
        edge = np.pad(edge, ((0, grid.shape[0] - len(edge)), (0, 0), (0, 0)), constant_values=255)
        grid = np.concatenate([edge, grid], 1)
        heading.insert(0, viz.letters("", TILE, 2 * 18))
    heading = np.concatenate(heading, 1)
    heading = np.pad(heading, ((0, 0), (0, grid.shape[1] - heading.shape[1]), (0, 0)), constant_values=255)
    return np.concatenate([heading, grid])


# --- Grad-CAM ---------------------------------------------------------------------------------------------------------


def grad_cam_sheet(record: GradCam, shown: int = 8) -> np.ndarray:
    """Original | map | overlay, for true and for fake, and the contributions, of the first images: uint8 RGB."""
    first = slice(0, shown)
    images = record.images[first]
    columns = {"image": images}
    for score in ("true", "fake"):
        heat = record.heat(score)[first]
        columns |= {f"speaks\nfor {score}": colour(heat), f"overlaid,\nfor {score}": overlay(images, heat)}
    parts = around_grey(enlarge(record.contributions[first], images.shape[1]), (1, 2))
    columns["contributions:\nwhite for true"] = parts[..., None].repeat(3, -1)
    return sheet(columns, [f"logit {logit:+.1f}" for logit in record.logits[first]])


def draw_grad_cam(record: GradCam, file: str | Path, shown: int = 8) -> Path:
    """Write `grad_cam_sheet` as PNG."""
    viz.write_png(file, grad_cam_sheet(record, shown))
    return Path(file)


def draw_layers(records: Sequence[GradCam], file: str | Path, shown: int = 4) -> Path:
    """The first images layer by layer: for each image a row of overlays for true, and one for fake."""
    images = records[0].images[:shown].repeat(2, 0)
    columns = {"image": images}
    for record in records:
        heats = np.stack([record.heat(score)[:shown] for score in ("true", "fake")], 1)
        side = record.convolution.side
        title = f"convolution {record.convolution.number}\n{side}×{side} places"
        columns[title] = overlay(images, heats.reshape(images.shape[:3]))
    viz.write_png(
        file, sheet(columns, [f"for {score}" for _ in range(shown) for score in ("true", "fake")][: len(images)])
    )
    return Path(file)


def draw_grad_cam_film(records: dict[int, GradCam], folder: str | Path, fps: float = 2, shown: int = 6) -> list[Path]:
    """The sheet of every epoch as a film, MP4 and GIF."""
    files = [Path(folder) / f"gradcam_epochs{suffix}" for suffix in (".mp4", ".gif")]
    for file in files:
        frames = (viz.caption(grad_cam_sheet(record, shown), f"epoch {epoch}") for epoch, record in records.items())
        viz.write_film(file, frames, fps)
    return files


# --- guided backpropagation -------------------------------------------------------------------------------------------


def draw_filter_saliency(record: FilterSaliency, file: str | Path) -> Path:
    """For each filter a row of its strongest images, and below it the guided gradient of its activation there."""
    images = record.images
    rows = np.stack([images, around_grey(record.saliency, (2, 3, 4))], 1).reshape(-1, *images.shape[1:])
    labels = [label for filter in record.filters for label in (f"filter {filter}", "what drives it")]
    titles = ["strongest", *(f"number {i}" for i in range(2, images.shape[1] + 1))]
    viz.write_png(file, sheet({title: rows[:, i] for i, title in enumerate(titles)}, labels))
    return Path(file)


def draw_score_saliency(columns: dict[str, np.ndarray], images: np.ndarray, file: str | Path) -> Path:
    """Images beside gradients by their pixels: float (N, S, S, 3) by title, each picture scaled by itself."""
    shown = {title: around_grey(gradient, (1, 2, 3)) for title, gradient in columns.items()}
    viz.write_png(file, sheet({"image": images} | shown))
    return Path(file)


# --- checks -----------------------------------------------------------------------------------------------------------


def draw_randomisation(record: Randomisation, file: str | Path) -> Path:
    """Rank correlation with the trained maps, layer after layer, with the correlation between images as a level."""
    figure = new_figure(7.5, 4)
    axes = figure.subplots()
    x = np.arange(len(record.stages) + 1)
    for i, (method, correlations) in enumerate(record.correlations.items()):
        means = known_mean(correlations, (1, 2))
        axes.plot(x, [1, *means], "o-", color=f"C{i}", label=method)
        axes.axhline(record.between_images[method], color=f"C{i}", linestyle=":", linewidth=1)
    axes.axhline(0, color="grey", linewidth=0.8)
    axes.set_xticks(x, ["trained", *record.stages], rotation=20)
    axes.set(
        ylabel="rank correlation with the trained map",
        xlabel="randomised down to (dotted: maps of different images)",
        ylim=(None, 1.05),
    )
    axes.legend(fontsize=8)
    axes.grid(alpha=0.25)
    return write_figure(file, figure)


def draw_curves(records: dict[str, Curves], file: str | Path) -> Path:
    """Mean deletion and insertion curves of several methods, each with its random maps dotted."""
    figure = new_figure(10, 4)
    for axes, name in zip(figure.subplots(1, 2), ("deletion", "insertion")):
        for i, (method, curves) in enumerate(records.items()):
            x = 100 * curves.fractions
            axes.plot(x, getattr(curves, name).mean(0), color=f"C{i}", label=method)
            axes.plot(x, getattr(curves, f"random_{name}").mean((0, 1)), ":", color=f"C{i}", linewidth=1)
        score = next(iter(records.values())).score
        changed = "replaced by grey" if name == "deletion" else "put into the blurred image"
        axes.set(title=name, xlabel=f"% of the pixels {changed}", ylabel=f"logit of {score}, mean over images")
        axes.grid(alpha=0.25)
    axes.plot([], [], ":", color="grey", label="their random maps")
    axes.legend(fontsize=8)
    return write_figure(file, figure)


def draw_pointing(records: dict[str, list[Pointing]], file: str | Path) -> Path:
    """Share of hits of each part with its interval, beside chance, the image's centre and the maps of other images."""
    figure = new_figure(4.6 * len(records), 3.8)
    for axes, (title, parts) in zip(figure.subplots(1, len(records), sharey=True, squeeze=False)[0], records.items()):
        x = np.arange(len(parts))
        share = np.array([p.share for p in parts])
        spread = np.abs(np.array([[p.low for p in parts], [p.high for p in parts]]) - share)
        axes.bar(x, share, 0.5, yerr=spread, capsize=3, color="C0", alpha=0.6, label="its own map")
        axes.plot(x, [p.swapped for p in parts], "D", color="C3", markersize=5, label="maps of other images")
        axes.plot(x, [p.chance for p in parts], "_", color="black", markersize=22, label="a random place")
        axes.plot(x, [p.centre for p in parts], "x", color="grey", label="the image's centre")
        axes.set_xticks(x, [f"{p.part}\n{p.pointed}" for p in parts], fontsize=8)
        axes.set(title=title, ylabel="share of hits", ylim=(-0.03, 1.03))
        axes.grid(alpha=0.25, axis="y")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    return write_figure(file, figure)


# --- filters and activations ------------------------------------------------------------------------------------------


def draw_first_filters(record: Filters, file: str | Path) -> Path:
    """The filters of the first convolution, trained and random; each scaled by its own largest weight."""
    pictures = []
    for title, filters in (("trained", record.trained), ("random weights", record.random)):
        height, width = filters.shape[1:3]
        grid = viz.grid(around_grey(filters, (1, 2, 3)), columns=16, tile=12 * max(height, width), gap=GAP)
        pictures.append(np.concatenate([viz.letters(title, grid.shape[1], 22), grid]))
    viz.write_png(file, np.concatenate(pictures))
    return Path(file)


def draw_activations(record: Activations, file: str | Path, shown: int = 32) -> Path:
    """One image through the network: of each convolution the maps that answer most, each scaled by itself."""
    pictures = [viz.letters("image", TILE + 2 * GAP, 22), viz.grid(record.image[None], tile=TILE, gap=GAP)]
    for convolution, maps in zip(record.convolutions, record.maps):
        order = np.argsort(-np.abs(maps).max((0, 1)), kind="stable")[:shown]
        tiles = around_grey(np.moveaxis(maps[..., order], -1, 0), (1, 2))[..., None].repeat(3, -1)
        grid = viz.grid(tiles, columns=16, tile=64, gap=GAP)
        pictures += [viz.letters(f"{convolution}, the strongest {len(order)}", 360, 22), grid]
    width = max(picture.shape[1] for picture in pictures)
    pictures = [np.pad(p, ((0, 0), (0, width - p.shape[1]), (0, 0)), constant_values=255) for p in pictures]
    viz.write_png(file, np.concatenate(pictures))
    return Path(file)
