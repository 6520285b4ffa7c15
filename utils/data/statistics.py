"""What is in a dataset: counts, mean image and sizes of the files as a record, and pictures of them.

`statistics` computes, `draw` draws, `summary` gives plain values for JSON.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.data.dataset import Dataset, Source
from utils.figure import new_figure, write_figure
from utils.text import shorten

CHUNK, CHUNK_BYTES = 1024, 16 << 20  # images that are held at a time, and of large ones fewer: so many bytes
MEASURED = 20_000  # files at most whose size is looked up, spread evenly
NEIGHBOURS = 100  # of them are looked up together, because they lie close together on disk
SHOWN = 40  # images on the contact sheet, spread evenly
TELLING = 3  # attributes beneath an image: its rarest
LONGEST = 20  # letters of a line beneath an image
BARS = 60  # more classes than this are drawn as a curve


@dataclass(frozen=True)
class Statistics:
    """Figures of a dataset.

    Attributes:
        images: how many.
        mean: float32 (S, S, 3) in [0, 255], the mean image.
        deviation: float32 (S, S, 3), the standard deviation of each value around it.
        labels: name of each class with how many images it has (two classes may share a name); empty if there are none.
        attributes: name of each attribute with how many images have it; empty if there are none.
        sizes: how many of the files have a (width, height), in pixels as stored; empty if the images do not come from
            files of pictures.
        measured: how many files were looked at for that.
    """

    images: int
    mean: np.ndarray
    deviation: np.ndarray
    labels: tuple[tuple[str, int], ...]
    attributes: tuple[tuple[str, int], ...]
    sizes: dict[tuple[int, int], int]
    measured: int


def statistics(dataset: Dataset, source: Source | None = None) -> Statistics:
    """Compute the figures of a dataset; the images go through memory a part at a time.

    Args:
        dataset: at least one image.
        source: what it was prepared from, if sizes of files are wanted. Of many files, MEASURED are looked at.
    """
    count = len(dataset)
    total = np.zeros(dataset.images.shape[1:])
    squares = np.zeros(dataset.images.shape[1:])
    each = max(1, min(CHUNK, CHUNK_BYTES // dataset.images[0].nbytes))
    for start in range(0, count, each):  # whole numbers below 2**53 are added without rounding, whatever the parts
        part = np.asarray(dataset.images[start : start + each])
        total += part.sum(axis=0, dtype=np.uint64)
        squares += np.square(part, dtype=np.uint32).sum(axis=0, dtype=np.uint64)
    mean = total / count
    sizes, measured = _sizes(source) if hasattr(source, "sizes") else ({}, 0)
    return Statistics(
        images=count,
        mean=mean.astype(np.float32),
        deviation=np.sqrt(np.maximum(squares / count - mean**2, 0)).astype(np.float32),
        labels=_count_labels(dataset),
        attributes=_count_attributes(dataset),
        sizes=sizes,
        measured=measured,
    )


def _count_labels(dataset: Dataset) -> tuple[tuple[str, int], ...]:
    """Every class in its order; without names, every label that occurs."""
    if dataset.labels is None:
        return ()
    if dataset.label_names:
        counts = np.bincount(dataset.labels, minlength=len(dataset.label_names))
        return tuple(zip(dataset.label_names, counts.tolist()))
    values, counts = np.unique(dataset.labels, return_counts=True)
    return tuple(zip(map(str, values.tolist()), counts.tolist()))


def _count_attributes(dataset: Dataset) -> tuple[tuple[str, int], ...]:
    if dataset.attributes is None:
        return ()
    return tuple(zip(dataset.attribute_names, dataset.attributes.sum(axis=0, dtype=np.int64).tolist()))


def _sizes(source: Source) -> tuple[dict[tuple[int, int], int], int]:
    """Sizes of at most MEASURED files, the most frequent first; and how many were looked at."""
    count = source.describe().count
    found, measured = Counter(), 0
    for start in range(0, count, NEIGHBOURS * -(-count // MEASURED)):
        rows = range(start, min(start + NEIGHBOURS, count))
        found += source.sizes(rows)
        measured += len(rows)
    return dict(found.most_common()), measured


def summary(figures: Statistics) -> dict:
    """The figures as plain values: the images by their mean over all pixels, as red, green, blue."""

    def rgb(image: np.ndarray) -> list[float]:
        return [round(float(value), 2) for value in image.mean(axis=(0, 1))]

    variance = figures.deviation.astype(float) ** 2 + figures.mean.astype(float) ** 2
    overall = figures.mean.astype(float).mean(axis=(0, 1))
    deviation = np.sqrt(np.maximum(variance.mean(axis=(0, 1)) - overall**2, 0))
    return {
        "images": figures.images,
        "size": figures.mean.shape[0],
        "mean_rgb": rgb(figures.mean),
        "deviation_rgb": [round(float(value), 2) for value in deviation],
        "labels": [{"label": name, "images": count} for name, count in figures.labels],
        "attributes": [{"attribute": name, "images": count} for name, count in figures.attributes],
        "file_sizes": [{"width": w, "height": h, "files": n} for (w, h), n in figures.sizes.items()],
        "files_measured": figures.measured,
    }


def draw(figures: Statistics, dataset: Dataset, folder: str | Path) -> list[Path]:
    """Draw the figures.

    Args:
        figures: of the dataset.
        dataset: for the contact sheet.
        folder: where to write; files of the same names are replaced, each at once.

    Returns:
        What was written: `samples.png` (images with what is known about them), `mean.png` (mean image and standard
        deviation), `labels.png` and `attributes.png` (counts) and `sizes.png` (widths and heights of the files), as far
        as there is something to draw.
    """
    side = dataset.images.shape[1]
    heading = f"{shorten(dataset.title, 50)}: {len(dataset):,} images of {side}x{side}"
    drawings = {"samples": _draw_samples(figures, dataset, heading), "mean": _draw_mean(figures, heading)}
    if figures.labels:
        drawings["labels"] = _draw_counts(figures.labels, figures.images, f"{heading}, by class")
    if figures.attributes:
        drawings["attributes"] = _draw_counts(figures.attributes, figures.images, f"{heading}, by attribute")
    if figures.sizes:
        drawings["sizes"] = _draw_sizes(figures, heading)
    return [write_figure(Path(folder) / f"{name}.png", figure) for name, figure in drawings.items()]


def captions(figures: Statistics, dataset: Dataset, rows: np.ndarray) -> list[str]:
    """What to write beneath each of some images: its class, and its rarest attributes, a line each.

    Attributes that nearly every image has say little about one of them; so the rare ones go first.
    """
    frequencies = np.array([count for _, count in figures.attributes])
    texts = []
    for row in rows:
        lines = []
        if dataset.labels is not None:
            label = dataset.labels[row]
            lines.append(dataset.label_names[label] if dataset.label_names else f"class {label}")
        if dataset.attributes is not None:
            there = np.flatnonzero(dataset.attributes[row])
            telling = there[np.argsort(frequencies[there], kind="stable")][:TELLING]
            lines += [dataset.attribute_names[number].replace("_", " ") for number in telling]
        texts.append("\n".join(lines))
    return texts


def _draw_samples(figures: Statistics, dataset: Dataset, heading: str):
    rows = np.unique(np.linspace(0, len(dataset) - 1, SHOWN).round().astype(int))
    texts = captions(figures, dataset, rows)
    columns = min(8, len(rows))
    down = -(-len(rows) // columns)
    lines = max(len(text.split("\n")) if text else 0 for text in texts)
    figure = new_figure(max(6, 1.4 * columns), 0.5 + down * (1.4 + 0.13 * lines), heading)
    places = figure.subplots(down, columns, squeeze=False).flat
    for axes in places:
        axes.set(xticks=[], yticks=[], frame_on=False)
    for axes, row, text in zip(figure.axes, rows, texts):
        axes.imshow(dataset.images[row], interpolation="nearest")
        short = "\n".join(shorten(line, LONGEST) for line in text.split("\n"))
        axes.set_xlabel(short, fontsize=7, labelpad=2)
    return figure


def _draw_mean(figures: Statistics, heading: str):
    figure = new_figure(6, 3.4, heading)
    strongest = max(float(figures.deviation.max()), 1)
    panels = (
        ("mean image", figures.mean / 255),
        (f"standard deviation (white: {strongest:.0f})", figures.deviation / strongest),
    )
    for axes, (title, image) in zip(figure.subplots(1, 2), panels):
        axes.imshow(image, interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        axes.set_title(title, fontsize=9)
    return figure


def _draw_counts(counts: tuple[tuple[str, int], ...], images: int, heading: str):
    """A bar for each name with its count and share; of more than BARS only how the counts fall off."""
    numbers = np.array([count for _, count in counts])
    if len(counts) > BARS:
        figure = new_figure(7, 3.5, heading)
        axes = figure.subplots()
        axes.plot(np.arange(1, len(counts) + 1), np.sort(numbers)[::-1])
        axes.set(xlabel="class, the largest first", ylabel="images", ylim=(0, None))
        axes.grid(alpha=0.25)
        return figure
    figure = new_figure(7, 0.8 + 0.19 * len(counts), heading)
    axes = figure.subplots()
    bars = axes.barh(np.arange(len(counts)), numbers)
    axes.bar_label(bars, [f"{n:,} ({n / images:.1%})" for n in numbers], fontsize=7, padding=3)
    axes.set_yticks(np.arange(len(counts)), [shorten(name.replace("_", " "), 40) for name, _ in counts], fontsize=8)
    axes.margins(y=0.01)
    axes.invert_yaxis()
    axes.set(xlabel="images", xlim=(0, 1.25 * max(numbers.max(), 1)))
    return figure


def _draw_sizes(figures: Statistics, heading: str):
    widths, heights = np.array(list(figures.sizes)).T
    files = np.array(list(figures.sizes.values()))
    figure = new_figure(7, 3.5, f"{heading}; sizes of {figures.measured:,} files")
    axes = figure.subplots()
    largest = max(widths.max(), heights.max())
    bins = np.linspace(0, largest + 1, min(largest + 1, 60) + 1)
    axes.hist(widths, bins, weights=files, histtype="stepfilled", alpha=0.4, label="width")  # seen through the other
    axes.hist(heights, bins, weights=files, histtype="step", linewidth=1.5, label="height")
    axes.axvline(figures.mean.shape[0], color="grey", linestyle=":", label="side of the prepared images")
    axes.set(xlabel="pixels", ylabel="files")
    axes.legend(fontsize=8)
    return figure
