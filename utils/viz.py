"""Grids, curves and films: arrays and records in, picture files out. Nothing here knows about models."""

import contextlib
import math
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import imageio.v2 as imageio
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from utils.errors import InputError
from utils.files import appears_whole
from utils.text import one_line, shorten

if TYPE_CHECKING:  # it takes a while to load
    from matplotlib.figure import Figure

NAME_LETTERS = 24
"""Letters of a name beside a row of a grid; longer ones are cut off."""


def grid(
    images: np.ndarray,
    columns: int | None = None,
    tile: int = 64,
    gap: int = 2,
    numbers: Sequence[int | str] | None = None,
    names: Sequence[str] | None = None,
) -> np.ndarray:
    """Lay images out row by row on white.

    Args:
        images: uint8 (N, H, W, 3) in [0, 255].
        columns: images in a row; by default as square as possible.
        tile: smaller images are enlarged by a whole factor to about this side, so that 32 pixels can be looked at.
        gap: white pixels between images, and around them.
        numbers: one for each image, drawn into its corner.
        names: one for each row, written at its left, or, where one of them is long, above it; they say how many rows
            there are.

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
    if numbers is not None:
        images = np.stack([numbered(image, str(number)) for image, number in zip(images, numbers, strict=True)])
    count, height, width, _ = images.shape
    columns = columns or (count // len(names) if names else math.ceil(math.sqrt(count)))
    rows = math.ceil(count / columns)
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), 255, np.uint8)
    for i, image in enumerate(images):
        top, left = gap + i // columns * (height + gap), gap + i % columns * (width + gap)
        sheet[top : top + height, left : left + width] = image
    if names and max(map(len, names)) > NAME_LETTERS:
        rows_of_sheet = np.split(sheet[gap:], rows)
        most = (sheet.shape[1] - 8) // 7  # letters of 12 pixels are about 7 wide
        above = [letters(shorten(one_line(name), most), sheet.shape[1], 18) for name in names]
        sheet = np.concatenate([part for both in zip(above, rows_of_sheet) for part in both])
    elif names:
        named = [shorten(one_line(name), NAME_LETTERS) for name in names]
        wide = 12 + 8 * max(map(len, named))
        beside = [letters(name, wide, height + gap) for name in named]
        sheet = np.concatenate([np.concatenate([*beside, letters("", wide, gap)]), sheet], axis=1)
    return np.pad(sheet, ((0, sheet.shape[0] % 2), (0, sheet.shape[1] % 2), (0, 0)), constant_values=255)


def write_png(path: str | Path, image: np.ndarray) -> None:
    """Write uint8 (H, W, 3) RGB as PNG; the file appears whole or not at all."""
    with appears_whole(path) as temporary:
        imageio.imwrite(temporary, image, format="png")


def read_png(path: str | Path) -> np.ndarray:
    """Read a picture as uint8 (H, W, 3) RGB."""
    return np.asarray(imageio.imread(path))[..., :3]


def letters(text: str, width: int, height: int, size: int = 12) -> np.ndarray:
    """Dark letters on white, at the left, in the middle of the height: uint8 (height, width, 3).

    Args:
        text: one line or several; what does not fit is cut off.
        width, height: of the picture, in pixels.
        size: of the letters, in pixels.
    """
    from utils.figure import font_file  # it takes a while to load

    picture = Image.new("RGB", (width, height), "white")
    text = "\n".join(map(one_line, text.split("\n")))
    ImageDraw.Draw(picture).text((size // 3, height / 2), text, (40, 40, 40), _font(font_file(text), size), anchor="lm")
    return np.asarray(picture)


@cache
def _font(file: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(file, size)


def numbered(image: np.ndarray, number: str) -> np.ndarray:
    """A copy of uint8 (H, W, 3) with a number on a white ground in its upper left corner."""
    picture = Image.fromarray(image)
    drawing, place = ImageDraw.Draw(picture), (3, 1)
    from utils.figure import font_file  # it takes a while to load

    font = _font(font_file(number), 11)
    _, _, right, bottom = drawing.textbbox(place, number, font)
    drawing.rectangle((0, 0, right + 2, bottom + 1), fill="white")
    drawing.text(place, number, (40, 40, 40), font)
    return np.asarray(picture)


def caption(image: np.ndarray, text: str) -> np.ndarray:
    """A copy of uint8 (H, W, 3) with a line of text on a white strip above it; the height stays even."""
    return np.concatenate([letters(text, image.shape[1], 32, 16), image])


def write_film(
    path: str | Path | Sequence[str | Path],
    frames: Iterable[np.ndarray],
    fps: float = 4,
    hold_last: float = 2.0,
    quality: float = 8,
) -> None:
    """Write frames as H.264 MP4 that browsers play, or as GIF, by the suffix of `path`.

    Args:
        path: ends in .mp4 or .gif; the file appears whole or not at all. Several paths get the same film.
        frames: uint8 (H, W, 3), all of one size, H and W even; taken one by one, so that a film may be long.
        fps: frames per second.
        hold_last: seconds for which the last frame stays.
        quality: of an MP4, from 0 to 10: 8 can hardly be told from the frames, 5 takes a quarter of the bytes.

    Raises:
        InputError: no frames, or another suffix.
    """
    paths = [Path(one) for one in ([path] if isinstance(path, str | Path) else path)]
    for file in paths:
        if file.suffix not in _FILMS:
            raise InputError(f"A film needs a name in .mp4 or .gif. Received: {file}.")
    frame = None
    with contextlib.ExitStack() as stack:
        places = [(stack.enter_context(appears_whole(file)), file.suffix) for file in paths]
        films = [
            stack.enter_context(imageio.get_writer(place, **_FILMS[suffix](fps, quality))) for place, suffix in places
        ]
        for frame in frames:
            for film in films:
                film.append_data(frame)
        if frame is None:
            raise InputError(f"A film needs at least one frame. Received: none, for {paths[0]}.")
        for film in films:
            for _ in range(round(fps * hold_last)):
                film.append_data(frame)


_FILMS = {
    ".gif": lambda fps, _: {"format": "gif", "mode": "I", "duration": 1000 / fps, "loop": 0},
    ".mp4": lambda fps, quality: {
        "format": "ffmpeg",
        "mode": "I",
        "fps": fps,
        "codec": "libx264",
        "pixelformat": "yuv420p",  # the only layout that all browsers decode
        "quality": quality,
        "macro_block_size": 2,
        "output_params": ["-movflags", "+faststart"],  # plays before it is loaded whole
    },
}


def smooth(values: np.ndarray, window: int) -> np.ndarray:
    """Centred moving average of float (N,), over fewer values near the ends; NaN where all values are NaN."""
    values = np.asarray(values, float)
    if window <= 1 or len(values) < 2:
        return values
    kernel, known = np.ones(min(window, len(values))), ~np.isnan(values)
    sums = np.convolve(np.where(known, values, 0), kernel, "same")
    counts = np.convolve(known.astype(float), kernel, "same")
    return np.divide(sums, counts, out=np.full(len(values), np.nan), where=counts > 0)


def plain_ticks(axis, at: Sequence[float] | None = None) -> None:
    """Label a logarithmic axis of a Matplotlib figure in plain numbers, at 1, 2, 5 of each power of ten, closer
    where what is drawn spans less than a factor of four, or where asked.

    Left to itself, Matplotlib labels whole powers only, of which an axis that spans less than one has one or none. Side
    by side, where what is drawn spans more than three powers, these are enough.
    """
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

    low, high = axis.get_data_interval()
    crowded = axis.axis_name == "x" and 0 < low < high / 1000
    narrow = 0 < low < high < 4 * low
    locator = MaxNLocator(4) if narrow else LogLocator(subs=(1,) if crowded else (1, 2, 5), numticks=99)
    axis.set_major_locator(FixedLocator(at) if at is not None else locator)
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_locator(NullLocator())


CROSS_ENTROPIES = ("non_saturating", "saturating", "relativistic")
"""Losses all of whose terms are log 2 where the discriminator cannot tell true from fake images: cross-entropies, of
single images or of pairs. (Of those on texts, what is said of fakes has half the weight.)"""


def plot_training(
    steps: dict[str, np.ndarray], epochs: dict[str, np.ndarray], title: str, unit: str = "epoch", loss: str = ""
) -> "Figure":
    """Plot losses and mean scores of every update, and the accuracies of every summary.

    Args:
        steps: float (U,) for each name that updates record, NaN where it was not due, and `unit`: the position.
        epochs: float (E,) `unit`, "accuracy_true" and "accuracy_fake".
        title: heading.
        unit: what the training is counted in, "epoch" or "update".
        loss: what is descended, by its name.
    """
    from utils.figure import new_figure  # it takes a while to load

    figure = new_figure(12, 3.8, title)
    losses, scores, accuracies = figure.subplots(1, 3)
    window = max(1, len(steps[unit]) // 100)

    def curves(axes, names: dict[str, tuple[str, str]]) -> None:
        for name, (label, colour) in names.items():
            due = np.isfinite(steps[name])  # some terms have their turn every few updates
            place, values = steps[unit][due], steps[name][due]
            axes.plot(place, values, color=colour, alpha=0.2, linewidth=0.6)
            axes.plot(place, smooth(values, window), color=colour, label=label, linewidth=1.4)

    named = {
        "loss_true": ("discriminator, true", "tab:blue"),
        "loss_fake": ("discriminator, fake", "tab:orange"),
        "loss_discriminator": ("discriminator", "tab:blue"),
        "loss_generator": ("generator", "tab:green"),
    }
    others = [name for name in steps if name.startswith("loss_") and name not in named]
    named |= {name: (name.removeprefix("loss_"), f"C{4 + n}") for n, name in enumerate(others)}
    named = {name: label for name, label in named.items() if name in steps}
    curves(losses, named)
    if loss in CROSS_ENTROPIES:
        losses.axhline(math.log(2), color="grey", linestyle=":", linewidth=1, label="log 2 (undecided)")
    low, top = (
        end(np.nanquantile(steps[name], share) for name in named) for end, share in ((min, 0.005), (max, 0.995))
    )
    losses.set(title="Losses", ylim=(1.1 * min(low, 0), 1.1 * max(top, 1)))  # single spikes may leave the picture
    curves(scores, {"score_true": ("true", "tab:blue"), "score_fake": ("fake", "tab:orange")})
    scores.axhline(0.5, color="grey", linestyle=":", linewidth=1)
    scores.set(title="Mean score while training", ylim=(0, 1))
    for name, colour in (("true", "tab:blue"), ("fake", "tab:orange")):
        accuracies.plot(epochs[unit], epochs[f"accuracy_{name}"], "o-", color=colour, label=name, markersize=3)
    accuracies.set(title="Accuracy" + " after each epoch" * (unit == "epoch"), ylim=(-0.03, 1.03))
    for axes in (losses, scores, accuracies):
        axes.set_xlabel(unit)
        axes.grid(alpha=0.25)
        # Below, where no curve is.
        axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=2, frameon=False)
    return figure
