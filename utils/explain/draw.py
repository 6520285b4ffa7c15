"""What the drawings of the records share: heat maps, overlays, labelled sheets. Numbers in, pixels out.

Two conventions hold everywhere. Heat maps go from blue (nothing) to red (the image's strongest place). Whatever has a
sign is grey at 0.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from utils import viz

TILE = 96  # side of an image in a sheet, in pixels
GAP = 2


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
