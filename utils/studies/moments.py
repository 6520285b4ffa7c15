"""What a run drew of the same latents at several moments: the pictures that a study keeps of its course."""

from pathlib import Path

import numpy as np

from utils import viz
from utils.files import appears_whole
from utils.runs import Run

COLUMNS, QUALITY = 5, 85
"""Pictures of a moment; JPEG quality of the kept moments, colours at full resolution."""


def keep_moments(folder: str | Path, arm: str, seed: int, run: Run) -> None:
    """Write a row of `COLUMNS` pictures for each summary of a run, out of its grids.

    Args:
        folder: of the pictures of the study's results.
        arm, seed: what was trained.
        run: the run of these.
    """
    from PIL import Image

    size, rows = run.experiment.model.image_size, []
    for number in (row[run.unit] for row in run.epochs()):
        sheet = viz.read_png(run.grid(number))
        pitch = sheet.shape[1] // 8  # eight pictures across, each with a gap of 2 before it
        tiles = [sheet[2:pitch, 2 + place * pitch : (place + 1) * pitch] for place in range(COLUMNS)]
        each = (pitch - 2) // size  # they were enlarged
        rows.append(np.concatenate([tile[::each, ::each] for tile in tiles], axis=1))
    with appears_whole(moments_file(folder, arm, seed)) as temporary:
        Image.fromarray(np.concatenate(rows)).save(temporary, "jpeg", quality=QUALITY, subsampling=0, optimize=True)


def moments(kept: dict, run: dict) -> np.ndarray:
    """What a kept run drew of the same latents before its first update and at every moment that is kept.

    Args:
        kept: as `results.load` gives them.
        run: one of its trained runs.

    Returns:
        uint8 (moments, `COLUMNS`, S, S, 3); a row of `run["snapshots"]` for each moment.
    """
    sheet = viz.read_png(moments_file(kept["pictures"], run["arm"], run["seed"]))
    side = sheet.shape[1] // COLUMNS
    return sheet.reshape(-1, side, COLUMNS, side, 3).swapaxes(1, 2)


def moments_file(folder: str | Path, arm: str, seed: int) -> Path:
    """Where they are kept; arguments as for `keep_moments`."""
    return Path(folder) / f"{arm}-{seed}-moments.jpg"
