"""Groups of duplicates as one picture."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from utils.data.dedup.find import Duplicates
from utils.errors import InputError
from utils.files import appears_whole

MOST_GROUPS, MOST_SHOWN = 60, 8  # groups on a sheet, images of a group
WIDTH, TILE = 1280, 64  # of the sheet and of an image, in pixels; small images are enlarged by a whole factor
FRAME, STRIP, GAP = 3, 18, 14  # around each image, for the caption, between groups
KEPT, GONE = (20, 150, 60), (225, 225, 225)  # colours of the frames


def draw_groups(images: np.ndarray, duplicates: Duplicates, path: str | Path) -> None:
    """Draw groups of duplicates, the largest first: the image that stays is framed in green, the others in grey.

    A caption tells the row that stays, and how many go: "row 17, 2 go". Large groups are shown in part.

    Args:
        images: uint8 (N, S, S, 3), those that the duplicates were found in.
        duplicates: what `find_duplicates` found.
        path: the PNG to write; it appears whole or not at all.

    Raises:
        InputError: there are no duplicates to draw.
    """
    if not duplicates.groups:
        raise InputError(f"There are no duplicates to draw: {duplicates.method} found none in {len(images):,} images.")
    groups = sorted(duplicates.groups, key=len, reverse=True)[:MOST_GROUPS]
    lines = [[]]
    for strip in (_strip(images, group) for group in groups):
        if lines[-1] and sum(part.shape[1] for part in [*lines[-1], strip]) > WIDTH:
            lines.append([])
        lines[-1].append(strip)
    width = max(sum(part.shape[1] for part in line) for line in lines)
    joined = [np.concatenate(line, axis=1) for line in lines]
    padded = [np.pad(j, ((0, 0), (0, width - j.shape[1]), (0, 0)), constant_values=255) for j in joined]
    with appears_whole(path) as temporary:
        Image.fromarray(np.concatenate(padded)).save(temporary, "PNG")


def _strip(images: np.ndarray, group: np.ndarray) -> np.ndarray:
    """One group side by side below its caption, with white to its right and below."""
    factor = max(1, round(TILE / images.shape[1]))
    tiles = []
    for place, row in enumerate(group[:MOST_SHOWN]):
        tile = images[row].repeat(factor, axis=0).repeat(factor, axis=1)
        frame = {"borderType": cv2.BORDER_CONSTANT, "value": GONE if place else KEPT}
        tiles.append(cv2.copyMakeBorder(tile, FRAME, FRAME, FRAME, FRAME, **frame))
    strip = np.concatenate(tiles, axis=1)
    strip = cv2.copyMakeBorder(strip, STRIP, GAP, 0, GAP, cv2.BORDER_CONSTANT, value=(255, 255, 255))
    text = f"row {group[0]}, {len(group) - 1} go{'es' if len(group) == 2 else ''}"
    cv2.putText(strip, text, (2, STRIP - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (40, 40, 40), 1, cv2.LINE_AA)
    return strip
