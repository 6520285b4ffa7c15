"""Grids, curves and films: arrays and records in, picture files out. Nothing here knows about models."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import imageio.v2 as imageio
import numpy as np

from utils.errors import InputError
from utils.files import appears_whole

if TYPE_CHECKING:  # it takes a while to load
    from matplotlib.figure import Figure


def grid(images: np.ndarray, columns: int | None = None, tile: int = 64, gap: int = 2) -> np.ndarray:
    """Lay images out row by row on white.

    Args:
        images: uint8 (N, H, W, 3) in [0, 255].
        columns: images in a row; by default as square as possible.
        tile: smaller images are enlarged by a whole factor to about this side, so that 32 pixels can be looked at.
        gap: white pixels between images, and around them.

    Returns:
        uint8 (rows, columns, 3); both sides are even, as film codecs ask.

    Raises:
        InputError: not uint8 images in that shape, or none.
    """
    if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != np.uint8 or not len(images):
        raise InputError(
            f"A grid takes uint8 images of shape (N, H, W, 3), at least one. Received: {images.dtype} {images.shape}."
        )
    factor = max(1, round(tile / images.shape[2]))
    images = images.repeat(factor, axis=1).repeat(factor, axis=2)
    count, height, width, _ = images.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), 255, np.uint8)
    for i, image in enumerate(images):
        top, left = gap + i // columns * (height + gap), gap + i % columns * (width + gap)
        sheet[top : top + height, left : left + width] = image
    return np.pad(sheet, ((0, sheet.shape[0] % 2), (0, sheet.shape[1] % 2), (0, 0)), constant_values=255)


def write_png(path: str | Path, image: np.ndarray) -> None:
    """Write uint8 (H, W, 3) RGB as PNG; the file appears whole or not at all."""
    with appears_whole(path) as temporary:
        imageio.imwrite(temporary, image, format="png")


def read_png(path: str | Path) -> np.ndarray:
    """Read a picture as uint8 (H, W, 3) RGB."""
    return np.asarray(imageio.imread(path))[..., :3]


def caption(image: np.ndarray, text: str) -> np.ndarray:
    """A copy of uint8 (H, W, 3) with a line of text on a white strip above it; the height stays even."""
    strip = np.full((32, image.shape[1], 3), 255, np.uint8)
    cv2.putText(strip, text, (6, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (40, 40, 40), 1, cv2.LINE_AA)
    return np.concatenate([strip, image])


def write_film(path: str | Path, frames: Sequence[np.ndarray], fps: float = 4, hold_last: float = 2.0) -> None:
    """Write frames as H.264 MP4 that browsers play, or as GIF, by the suffix of `path`.

    Args:
        path: ends in .mp4 or .gif; the file appears whole or not at all.
        frames: uint8 (H, W, 3), all of one size, H and W even.
        fps: frames per second.
        hold_last: seconds for which the last frame stays.

    Raises:
        InputError: no frames, or another suffix.
    """
    path = Path(path)
    if not frames or path.suffix not in (".mp4", ".gif"):
        raise InputError(
            f"A film needs at least one frame and a name in .mp4 or .gif. Received: {len(frames)}, {path}."
        )
    frames = [*frames, *[frames[-1]] * round(fps * hold_last)]
    with appears_whole(path) as temporary:
        if path.suffix == ".gif":
            imageio.mimwrite(temporary, frames, format="gif", duration=1000 / fps, loop=0)
        else:
            imageio.mimwrite(
                temporary,
                frames,
                format="ffmpeg",
                fps=fps,
                codec="libx264",
                pixelformat="yuv420p",  # the only layout that all browsers decode
                quality=8,
                macro_block_size=2,
                output_params=["-movflags", "+faststart"],  # plays before it is loaded whole
            )


def write_figure(path: str | Path, figure: "Figure") -> Path:
    """Write a Matplotlib figure as PNG; the file appears whole or not at all. Returns its path."""
    with appears_whole(path) as temporary:
        figure.savefig(temporary, dpi=110, metadata={"Software": None})
    return Path(path)


def smooth(values: np.ndarray, window: int) -> np.ndarray:
    """Centred moving average of float (N,), over fewer values near the ends; NaN where all values are NaN."""
    if window <= 1 or len(values) < 2:
        return np.asarray(values, float)
    kernel = np.ones(min(window, len(values)))
    return np.convolve(values, kernel, "same") / np.convolve(np.ones(len(values)), kernel, "same")


def plain_ticks(axis, at: Sequence[float] | None = None) -> None:
    """Label a logarithmic axis of a Matplotlib figure in plain numbers, at 1, 2, 5 of each power of ten or where asked.

    Left to itself, Matplotlib labels whole powers only, of which an axis that spans less than one has one or none.
    """
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

    axis.set_major_locator(FixedLocator(at) if at is not None else LogLocator(subs=(1, 2, 5), numticks=99))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_locator(NullLocator())


def plot_training(path: str | Path, steps: dict[str, np.ndarray], epochs: dict[str, np.ndarray], title: str) -> None:
    """Plot losses and mean scores of every update, and the accuracies after every epoch.

    Args:
        path: the PNG to write; it appears whole or not at all.
        steps: float (U,) for each name of `training.step.RECORDED`, and "epoch" as a float position.
        epochs: float (E,) "epoch", "accuracy_true" and "accuracy_fake".
        title: heading.
    """
    from matplotlib.figure import Figure  # no pyplot: nothing global is touched, no display is needed

    figure = Figure(figsize=(12, 3.8), layout="constrained")
    figure.suptitle(title, fontsize=10)
    losses, scores, accuracies = figure.subplots(1, 3)
    window = max(1, len(steps["epoch"]) // 100)

    def curves(axes, names: dict[str, tuple[str, str]]) -> None:
        for name, (label, colour) in names.items():
            axes.plot(steps["epoch"], steps[name], color=colour, alpha=0.2, linewidth=0.6)
            axes.plot(steps["epoch"], smooth(steps[name], window), color=colour, label=label, linewidth=1.4)

    curves(
        losses,
        {
            "loss_true": ("discriminator, true", "tab:blue"),
            "loss_fake": ("discriminator, fake", "tab:orange"),
            "loss_generator": ("generator", "tab:green"),
        },
    )
    losses.axhline(math.log(2), color="grey", linestyle=":", linewidth=1, label="log 2 (undecided)")
    top = max(np.quantile(steps[name], 0.995) for name in ("loss_true", "loss_fake", "loss_generator"))
    losses.set(title="Binary cross-entropy", ylim=(0, 1.1 * max(top, 1)))  # single spikes may leave the picture
    curves(scores, {"score_true": ("true", "tab:blue"), "score_fake": ("fake", "tab:orange")})
    scores.axhline(0.5, color="grey", linestyle=":", linewidth=1)
    scores.set(title="Mean score while training", ylim=(0, 1))
    for name, colour in (("true", "tab:blue"), ("fake", "tab:orange")):
        accuracies.plot(epochs["epoch"], epochs[f"accuracy_{name}"], "o-", color=colour, label=name, markersize=3)
    accuracies.set(title="Accuracy after each epoch", ylim=(-0.03, 1.03))
    for axes in (losses, scores, accuracies):
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.25)
        # Below, where no curve is.
        axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=2, frameon=False)
    write_figure(path, figure)
