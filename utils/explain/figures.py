"""Figures of matplotlib as files."""

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from utils.files import appears_whole


def write_figure(figure: Figure, file: Path) -> Path:
    """Write a figure as PNG; the file appears whole or not at all. Nothing global of matplotlib is touched."""
    FigureCanvasAgg(figure)
    with appears_whole(file) as temporary:
        figure.savefig(temporary, dpi=110, metadata={"Software": None})
    return file
