"""Each analysis as a section of the page: what was claimed, what was measured, its control, pictures.

A file of this folder holds the drawings of one analysis and the function that makes its section; `explain.ANALYSES`
lists them. Captions and findings state what was computed, whatever it turned out to be.
"""

from dataclasses import dataclass, field
from numbers import Integral, Real
from pathlib import Path

from utils.intervals import Interval


@dataclass(frozen=True)
class Finding:
    """One line of the table at the top: what was claimed, what was measured here, what its control gave."""

    claim: str
    measured: str
    control: str


@dataclass(frozen=True)
class Picture:
    """A picture or film of the page with what there is to see."""

    file: Path
    caption: str


@dataclass(frozen=True, kw_only=True)
class Section:
    """One part of the page.

    Attributes:
        name, title: for links and as heading; `pages.explain` sets them, from `ANALYSES`.
        text: paragraphs.
        findings, tables, pictures: what was found; tables are rows of equal keys by caption, for people to read.
        values: the same as numbers, for programs: rows of plain values by what they are of, as `rounded` gives them.
        missing: why something could not be done.
    """

    name: str = ""
    title: str = ""
    text: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    tables: dict[str, list[dict]] = field(default_factory=dict)
    values: dict[str, list[dict]] = field(default_factory=dict)
    pictures: tuple[Picture, ...] = ()
    missing: str = ""


def bracketed(interval: Interval, spec: str) -> str:
    """An interval as the page writes it: "12% [10%, 15%]", else as it writes itself in that format of its numbers."""
    if interval.is_alone or interval.value != interval.value:
        return f"{interval:{spec}}"
    return f"{interval.value:{spec}} [{interval.low:{spec}}, {interval.high:{spec}}]"


def rounded(rows: list[dict]) -> list[dict]:
    """Rows of plain values with three decimals, None for NaN, as JSON takes them."""

    def plain(value):
        if not isinstance(value, Real) or isinstance(value, Integral):
            return value
        return None if value != value else round(float(value), 3)

    return [{name: plain(value) for name, value in row.items()} for row in rows]
