"""Figures as this project draws them: every text is shown as it is, whatever a user called things.

Importing this takes a while (Matplotlib), so modules that do more than draw import it where they draw.
"""

import warnings
from functools import cache
from pathlib import Path

from matplotlib import font_manager, rc_context
from matplotlib.figure import Figure, SubFigure
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, FuncFormatter

from utils.files import appears_whole
from utils.text import one_line

FONT = "DejaVu Sans"
"""Comes with Matplotlib, so figures look the same on every machine, as long as their letters are in it."""
_FALLBACKS = (
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "WenQuanYi Micro Hei",
    "Hiragino Sans",
    "PingFang SC",
    "Microsoft YaHei",
    "Yu Gothic",
    "Malgun Gothic",
    "Noto Sans Devanagari",
    "Noto Sans Arabic",
    "Noto Sans Hebrew",
    "Noto Sans Thai",
    "Arial Unicode MS",
)  # for letters that FONT has not, where they are installed; else a box is drawn


def new_figure(width: float, height: float, heading: str = "") -> Figure:
    """An empty figure, sizes in inches. Nothing global is touched, and no display is needed.

    In none of its texts does `$` begin a formula; only numbers on an axis may be formulas (10 to a power).
    """
    figure = _Figure(figsize=(width, height), layout="constrained")
    if heading:
        figure.suptitle(heading, fontsize=10)
    return figure


def write_figure(path: str | Path, figure: Figure, part: SubFigure | None = None, outlines: bool = True) -> Path:
    """Write a Matplotlib figure as PNG, or as SVG where the file is called so; the same figure gives the same bytes.

    Args:
        path: the file; it appears whole or not at all.
        figure: what to write.
        part: of the figure, to write that alone.
        outlines: whether letters of an SVG are drawn as outlines, so that it looks the same where FONT is missing; else
            they stay text, which can be searched and takes fewer bytes.

    Returns:
        The path.
    """
    kind = "svg" if Path(path).suffix.lower() == ".svg" else "png"
    about = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}[kind]
    settings = {"svg.hashsalt": "dcgan", "svg.fonttype": "path" if outlines else "none", "font.sans-serif": [FONT]}
    if part is not None:
        figure.draw_without_rendering()  # only then it is known where the part is
    others = [other for other in figure.subfigs if part is not None and other is not part]
    for other in others:
        other.set_visible(False)
    box = part.bbox.transformed(figure.dpi_scale_trans.inverted()) if part is not None else None
    try:
        with appears_whole(path) as temporary, rc_context(settings):
            figure.savefig(temporary, format=kind, dpi=110, metadata=about, bbox_inches=box)
    finally:
        for other in others:
            other.set_visible(True)
    return Path(path)


def font_file(text: str) -> str:
    """The file of a font that has all letters of a text; FONT's where none is installed that has."""
    for name in (FONT, *_installed()):
        if _letters(name) >= {ord(c) for c in text}:
            return _file(name)
    return _file(FONT)


class _Figure(Figure):
    """Texts are looked at when the figure is drawn, because every call of Matplotlib may add some."""

    def draw(self, renderer) -> None:
        numbers = {id(text) for axes in self.axes for axis in (axes.xaxis, axes.yaxis) for text in _numbers(axis)}
        for text in self.findobj(Text):
            if id(text) in numbers:
                continue
            text.set_parse_math(False)
            text.set_text("\n".join(map(one_line, text.get_text().split("\n"))))
            if not _letters(FONT) >= {ord(c) for c in text.get_text()}:
                text.set_fontfamily([FONT, *_installed()])
        with warnings.catch_warnings():  # a box in place of a letter tells as much
            warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from")
            warnings.filterwarnings("ignore", r"Matplotlib currently does not support .* natively")
            super().draw(renderer)


def _numbers(axis) -> list[Text]:
    """Labels that an axis makes of numbers, and not of names that were given to it."""
    found = [axis.offsetText]
    for formatter, ticks in (
        (axis.get_major_formatter(), axis.get_major_ticks()),
        (axis.get_minor_formatter(), axis.get_minor_ticks()),
    ):
        if not isinstance(formatter, FixedFormatter | FuncFormatter):
            found += [label for tick in ticks for label in (tick.label1, tick.label2)]
    return found


@cache
def _installed() -> tuple[str, ...]:
    there = {font.name for font in font_manager.fontManager.ttflist}
    return tuple(name for name in _FALLBACKS if name in there)


@cache
def _file(name: str) -> str:
    return str(font_manager.findfont(name))


@cache
def _letters(name: str) -> frozenset[int]:
    return frozenset({ord("\n"), *font_manager.get_font(_file(name)).get_charmap()})
