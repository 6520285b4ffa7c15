"""Sheets and films of the latent space: records in, pixels out."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from utils import viz
from utils.latent.arithmetic import Arithmetic, Concept
from utils.latent.directions import Direction
from utils.latent.inversion import Inversion
from utils.latent.paths import legs
from utils.latent.turn import Turning
from utils.latent.walk import Walk
from utils.text import shorten

TILE = 96  # side of an image in a sheet, in pixels
SMALL_TILE = 64  # in a sheet with many rows
GAP = 2
LINE = 16
FPS = 20.0
FILM_SIDE = 256
LISTED = 6  # of what is seen in a picture
TALL = 4  # exemplars that stand on each other; more make another column


def walk_strip(walk: Walk, pictures: int = 10) -> np.ndarray:
    """A walk as a sheet, uint8 (H, W, 3): a row for each leg, from a stop on the left to the next on the right.

    Args:
        walk: what to draw.
        pictures: in a row, at most.
    """
    count = len(walk.stops)
    numbers = range(legs(count, walk.closed))
    rows = [walk.images[walk.leg(number, pictures)] for number in numbers]
    names = walk.names or tuple(f"stop {number}" for number in range(count))
    labels = [f"{names[number]} → {names[(number + 1) % count]}" for number in numbers]
    return sheet(np.stack(rows), labels)


def write_walk(walk: Walk, *paths: str | Path, fps: float = FPS) -> None:
    """Write a walk as a film that plays in a loop without a jump; see `viz.write_film` for the kinds of file."""
    factor = max(1, FILM_SIDE // walk.images.shape[1])
    frames = (frame.repeat(factor, 0).repeat(factor, 1) for frame in walk.film)
    viz.write_film(
        paths, (np.pad(f, ((0, f.shape[0] % 2), (0, f.shape[1] % 2), (0, 0)), "edge") for f in frames), fps, 0
    )


def arithmetic_sheet(record: Arithmetic) -> np.ndarray:
    """Exemplars above their means, the result with noise around it, and what pixels give: uint8 (H, W, 3)."""
    blocks: list[tuple[str, np.ndarray, str]] = []  # what stands before it, its picture, what is seen in it
    for number, concept in enumerate(record.concepts):
        sign = "+" if concept.sign > 0 else "−"
        blocks.append(("" if number == 0 and concept.sign > 0 else sign, _concept(concept), _seen(record, number)))
    around = _enlarged(record.around)
    blocks.append(("=", _under("result, in the middle; ±0.25 around it", around, 3), _seen(record, -2)))
    blocks.append(("", _under("the same\nwith pixels", _enlarged(record.pixels[None]), 1), _seen(record, -1)))
    height = max(picture.shape[0] for _, picture, _ in blocks)
    notes = [_wrapped(seen, picture.shape[1]) for _, picture, seen in blocks]
    text = max(note.shape[0] for note in notes) if record.seen else 0
    columns = []
    for (sign, picture, _), note in zip(blocks, notes):
        above = np.full((height - picture.shape[0], picture.shape[1], 3), 255, np.uint8)
        below = np.pad(note, ((0, text - len(note)), (0, 0), (0, 0)), constant_values=255) if text else note[:0]
        column = np.concatenate([above, picture, below])
        between = np.full((height + text, 34 if sign else 14, 3), 255, np.uint8)
        if sign:
            between[height - TILE : height] = viz.letters(sign, 34, TILE, 26)
        columns += [between, column]
    return _even(np.concatenate([*columns, np.full((height + text, 10, 3), 255, np.uint8)], 1))


def turning_sheet(record: Turning) -> np.ndarray:
    """Samples with the turn vector added, a row each: uint8 (H, W, 3). Above them what the vector was made from."""
    heads = [f"{strength:+g}" if strength else "sample" for strength in record.strengths]
    shown = min(len(heads), len(record.left))
    sides = [_padded(images[:shown], len(heads)) for images in (record.left, record.right)]
    labels = ["lean to the left", "lean to the right"]
    above = sheet(np.stack(sides), labels)
    below = sheet(record.images, [""] * len(record.images), heads, like=labels)
    return _even(np.concatenate([above, np.full((8, above.shape[1], 3), 255, np.uint8), below]))


def directions_sheet(directions: Sequence[Direction], pictures: np.ndarray, strengths: Sequence[float]) -> np.ndarray:
    """One sample moved along directions, a row each: uint8 (H, W, 3).

    Args:
        directions: E of them.
        pictures: uint8 (E, T, S, S, 3).
        strengths: T, in standard deviations of the latents.
    """
    heads = [f"{strength:+g}" if strength else "sample" for strength in strengths]
    return sheet(pictures, [direction.title for direction in directions], heads, tile=SMALL_TILE)


def inversion_sheet(record: Inversion) -> np.ndarray:
    """Pictures above what the generator draws instead, with the verdict: uint8 (H, W, 3).

    Between them what it draws from an encoder's codes alone, where there was one.
    """
    shown = {"picture": record.pictures, "encoder alone": record.encoded, "drawn": record.drawn}
    shown = {label: images for label, images in shown.items() if images is not None}
    columns = min(8, len(record.pictures))
    names = record.names or tuple(map(str, range(len(record.pictures))))
    parts = []
    for start in range(0, len(record.pictures), columns):
        rows = slice(start, start + columns)
        images = np.stack([_padded(of_row[rows], columns) for of_row in shown.values()])
        heads = [shorten(name, 14) for name in names[rows]]
        labels = [*shown, "explained\nof details\nverdict"]
        part = sheet(images, labels[:-1], heads + [""] * (columns - len(heads)), like=labels)
        pitch, height = _enlarged(record.pictures[:1]).shape[2] + GAP, 3 * LINE
        found = zip(record.explained[rows], record.detail[rows], record.verdicts[rows])
        said = [f"{whole:.0%}\n{detail:.0%}\n{verdict}" for whole, detail, verdict in found]
        notes = [_letters(text, pitch, height) for text in said]
        edge = _letters(labels[-1], part.shape[1] - columns * pitch - GAP, height)
        parts.append(np.concatenate([part, _beside([edge, *notes], part.shape[1])]))
    return _even(np.concatenate(parts))


def sheet(
    images: np.ndarray, rows: Sequence[str], columns: Sequence[str] = (), like: Sequence[str] = (), tile: int = TILE
) -> np.ndarray:
    """Images in rows and columns with labels at the left, and above: uint8 (H, W, 3).

    Args:
        images: uint8 (R, C, S, S, 3).
        rows: R labels.
        columns: C labels, or none.
        like: the labels of another sheet that this one is to be as wide as.
        tile: about the side of an image, in pixels.
    """
    tiles = _enlarged(images.reshape(-1, *images.shape[2:]), tile)
    grid = viz.grid(tiles, images.shape[1], tiles.shape[2], GAP)
    pitch = tiles.shape[1] + GAP
    lines = [textwrap.fill(label, 17) for label in rows]
    width = 16 + 7 * max(map(len, "\n".join([*lines, *like]).split("\n")))
    edge = np.concatenate([_letters(label, width, pitch) for label in lines])
    edge = np.pad(edge, ((0, grid.shape[0] - len(edge)), (0, 0), (0, 0)), constant_values=255)
    picture = np.concatenate([edge, grid], 1)
    if not columns:
        return _even(picture)
    head = [_letters("", width, LINE + 4), *(_letters(label, pitch, LINE + 4) for label in columns)]
    return _even(np.concatenate([_beside(head, picture.shape[1]), picture]))


def _concept(concept: Concept) -> np.ndarray:
    """Exemplars with their numbers, and their mean below."""
    tiles = _enlarged(concept.images)
    count = len(tiles)
    columns = -(-count // TALL)
    tiles = np.stack([viz.numbered(tile, name) for tile, name in zip(tiles, concept.names)])
    above = _under(concept.name, tiles, columns)
    mean = _under("mean", _enlarged(concept.mean_image[None]), 1)
    mean = np.pad(mean, ((0, 0), (0, above.shape[1] - mean.shape[1]), (0, 0)), constant_values=255)
    return np.concatenate([above, mean])


def _under(title: str, tiles: np.ndarray, columns: int) -> np.ndarray:
    grid = viz.grid(tiles, columns, tiles.shape[2], GAP)
    return np.concatenate([_wrapped(title, grid.shape[1]), grid])


def _wrapped(text: str, width: int) -> np.ndarray:
    """Text in as many lines as it takes."""
    lines = "\n".join(textwrap.fill(line, max(8, int(width / 6.6))) for line in text.split("\n"))
    return _letters(lines, width, LINE * (lines.count("\n") + 1) + 4)


def _seen(record: Arithmetic, column: int) -> str:
    if not record.seen:
        return ""
    seen = [name for name, shown in record.seen.items() if shown[column]]
    more = f" and {len(seen) - LISTED} more" if len(seen) > LISTED else ""
    return "seen: " + (", ".join(seen[:LISTED]) + more or "none of these")


def _enlarged(images: np.ndarray, tile: int = TILE) -> np.ndarray:
    """Images enlarged by a whole factor to about `tile` pixels."""
    factor = max(1, round(tile / images.shape[2]))
    return images.repeat(factor, 1).repeat(factor, 2)


def _padded(images: np.ndarray, count: int) -> np.ndarray:
    missing = np.full((count - len(images), *images.shape[1:]), 255, np.uint8)
    return np.concatenate([images, missing])


def _beside(parts: Sequence[np.ndarray], width: int) -> np.ndarray:
    row = np.concatenate(parts, 1)
    return np.pad(row, ((0, 0), (0, max(0, width - row.shape[1])), (0, 0)), constant_values=255)[:, :width]


def _letters(text: str, width: int, height: int) -> np.ndarray:
    return viz.letters(text, width, height, 11)


def _even(picture: np.ndarray) -> np.ndarray:
    return np.pad(picture, ((0, picture.shape[0] % 2), (0, picture.shape[1] % 2), (0, 0)), constant_values=255)
