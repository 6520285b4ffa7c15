"""The one style of all diagrams: a page measured in inches, boxes, arrows, texts, a colour for each player."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Polygon, Rectangle

from utils.figure import new_figure

COLOURS = {"generator": "#2563a8", "discriminator": "#c2570c", "encoder": "#2f7d4f"}
"""Of the players; other networks have `OTHER`."""
OTHER = "#6b4fa0"
DATA, INK, FAINT = "#5b6470", "#1f2430", "#8a919c"
LINE = 0.19
"""Height of a line of text, in inches."""
_LETTER = 0.0086  # width of a letter of DejaVu Sans in inches, for each point of its size; on the safe side


def colour_of(player: str) -> str:
    """A player's colour."""
    return COLOURS.get(player, OTHER)


def tint(colour: str, share: float) -> tuple[float, float, float]:
    """A colour mixed with white: 1 leaves it, 0 is white."""
    channels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return tuple(1 - share * (1 - channel) for channel in channels)


def width_of(text: str, size: float = 9) -> float:
    """About how wide a text is, in inches."""
    return _LETTER * size * max(map(len, text.split("\n")))


class Canvas:
    """A page to draw on. All places and lengths are in inches, from the lower left corner.

    Attributes:
        figure: what `write_figure` takes.
    """

    def __init__(self, width: float, height: float):
        self.figure: Figure = new_figure(width, height)
        self.figure.set_layout_engine("none")  # everything has its place already
        self._axes = self.figure.add_axes((0, 0, 1, 1))
        self._axes.set(xlim=(0, width), ylim=(0, height))
        self._axes.axis("off")

    def text(self, x: float, y: float, text: str, size: float = 9, colour=INK, **kind) -> None:
        """A text, centred at a place; `kind` as Matplotlib's `Text` takes it."""
        self._axes.text(x, y, text, fontsize=size, color=colour, **{"ha": "center", "va": "center"} | kind)

    def lines(self, x: float, top: float, lines: Sequence[tuple[str, dict]]) -> float:
        """Lines of text one below the other, centred; returns where the next would begin."""
        for text, kind in lines:
            self.text(x, top - LINE / 2, text, **kind)
            top -= LINE
        return top

    def box(self, x: float, y: float, width: float, height: float, colour: str, *, strong: bool = True, **kind) -> None:
        """A rounded box around a place; a box that is not strong is dashed and pale."""
        self._axes.add_patch(
            FancyBboxPatch(
                (x - width / 2, y - height / 2),
                width,
                height,
                boxstyle="round,pad=0,rounding_size=0.09",
                facecolor=tint(colour, 0.25 if strong else 0.06),
                edgecolor=colour,
                linewidth=1.8 if strong else 1.0,
                linestyle="-" if strong else (0, (4, 3)),
                **kind,
            )
        )

    def cell(self, x: float, y: float, side: float, face, edge=FAINT, width: float = 0.8) -> None:
        """A square with its lower left corner at a place."""
        self._axes.add_patch(Rectangle((x, y), side, side, facecolor=face, edgecolor=edge, linewidth=width))

    def cuboid(self, x: float, y: float, width: float, height: float, depth: float, colour: str) -> None:
        """A box in space whose front has its lower left corner at a place; its depth goes up and to the right."""
        along, up = 0.42 * depth, 0.30 * depth
        right, top = x + width, y + height
        faces = [
            ([(x, y), (right, y), (right, top), (x, top)], 0.55),
            ([(x, top), (right, top), (right + along, top + up), (x + along, top + up)], 0.30),
            ([(right, y), (right + along, y + up), (right + along, top + up), (right, top)], 0.80),
        ]
        for corners, share in faces:
            self._axes.add_patch(
                Polygon(corners, facecolor=tint(colour, share), edgecolor=colour, linewidth=0.9, joinstyle="round")
            )

    def arrow(self, start, end, colour=DATA, *, bend: float = 0.0) -> None:
        """An arrow from a place to another."""
        self._axes.add_patch(
            FancyArrowPatch(
                start,
                end,
                arrowstyle="-|>",
                mutation_scale=10,
                color=colour,
                linewidth=1.2,
                connectionstyle=f"arc3,rad={bend}",
                shrinkA=0,
                shrinkB=0,
            )
        )

    def polyline(self, places: Sequence[tuple[float, float]], colour: str) -> None:
        """A dashed way with corners; an arrow at its end."""
        self._axes.plot(*zip(*places[:-1]), color=colour, linewidth=1.2, linestyle=(0, (3, 2)))
        self.arrow(places[-2], places[-1], colour)

    def rule(self, x0: float, x1: float, y: float, colour=FAINT) -> None:
        """A thin horizontal line."""
        self._axes.plot([x0, x1], [y, y], color=colour, linewidth=0.6)
