"""What a report is made of, in plain values: a page and a PDF are made of these alone.

A block is a dict with a "kind". Text stands in spans, dicts with "text" and perhaps "strong", "emphasis", "code" or
"link"; it is data everywhere and never markup.
"""

import io
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from utils.errors import InputError
from utils.text import one_line, shorten, slug

LINKS = ("https://", "http://", "mailto:")
"""How links of a text may begin; others are shown as what they are, text."""
LARGEST = 1650
"""Pixels: larger pictures are made so wide, which is more than a page shows."""
SMALLEST = 480
"""Pixels: smaller pictures are enlarged by whole factors up to about this width."""
_MOST_PIXELS = 50_000_000
_MOST_BYTES = 100_000  # of a picture without loss; a larger one is kept as JPEG where that is smaller


@dataclass(frozen=True)
class Stamp:
    """Where a figure comes from; it stands below the figure.

    Attributes:
        of: the run, the model, the kept result or the cell of a notebook.
        seed: of the training, or of what was measured.
        data: fingerprint of the images, of which the first digits are shown; several are parted by ", ".
        commit: of the project that made it; "" where that was not recorded.
    """

    of: str
    seed: int | str | None = None
    data: str = ""
    commit: str = ""

    def in_words(self) -> str:
        seed = "seed not recorded" if self.seed is None else f"seed {self.seed}"
        short = ", ".join(each[:12] for each in self.data.split(", "))
        data = f"data {short}" if self.data else "data not recorded"
        commit = f"commit {self.commit}" if self.commit else "commit not recorded"
        return one_line("; ".join([self.of, seed, data, commit]))


@dataclass
class Section:
    """A numbered part of a report.

    Attributes:
        title: its heading.
        blocks: what is in it.
    """

    title: str
    blocks: list[dict] = field(default_factory=list)


@dataclass
class Report:
    """A report that is being made; its pictures are copied into a folder as they are added.

    Attributes:
        title: on top.
        about: below it: what it was made of.
        folder: where its files go.
        sections: in their order.
    """

    title: str
    about: str
    folder: Path
    sections: list[Section] = field(default_factory=list)
    _pictures: int = 0

    def section(self, title: str, *blocks: dict, of: str = "") -> Section:
        """Add a section; where there are several of a title, `of` says of what it is."""
        title = f"{of}: {title[0].lower()}{title[1:]}" if of else title
        self.sections.append(Section(one_line(title), list(blocks)))
        return self.sections[-1]

    def picture(
        self, picture: np.ndarray | str | Path, name: str, caption: str, stamp: Stamp | None, wide: bool = True
    ) -> dict:
        """A picture as a block; its file is written.

        Args:
            picture: uint8 (H, W, 3), or the path of a picture file.
            name: what to call the file.
            caption: below it.
            stamp: where it comes from; None of a user's own.
            wide: whether it takes the width of the page, or half of it.

        Raises:
            InputError: the file is no picture.
        """
        image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else opened(picture)
        if image.width < SMALLEST:
            factor = max(1, round(SMALLEST / image.width))
            image = image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
        if image.width > LARGEST:
            image = image.resize((LARGEST, round(image.height * LARGEST / image.width)), Image.Resampling.LANCZOS)
        self._pictures += 1
        file = self.folder / "pictures" / f"{self._pictures:03d}-{slug(shorten(name, 60)) or 'picture'}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        content, smaller = io.BytesIO(), io.BytesIO()
        image.save(content, "PNG")
        if content.tell() > _MOST_BYTES:
            image.save(smaller, "JPEG", quality=85, subsampling=0)
            if smaller.tell() < content.tell():
                content, file = smaller, file.with_suffix(".jpg")
        file.write_bytes(content.getvalue())
        return {
            "kind": "picture",
            "file": f"pictures/{file.name}",
            "width": image.width,
            "height": image.height,
            "wide": wide,
            "caption": one_line(caption),
            "stamp": stamp.in_words() if stamp else "",
        }

    def figure(self, figure, name: str, caption: str, stamp: Stamp) -> dict:
        """A Matplotlib figure as a block, as `picture`."""
        from utils.figure import write_figure  # it takes a while to load

        with tempfile.TemporaryDirectory() as folder:
            return self.picture(write_figure(Path(folder) / "figure.png", figure), name, caption, stamp)

    def plain(self) -> dict:
        """The report in plain values."""
        sections = [{"title": section.title, "blocks": section.blocks} for section in self.sections]
        return {"title": one_line(self.title), "about": one_line(self.about), "sections": sections}


def fresh_folder(folder: str | Path) -> Path:
    """The folder of a report, without the pictures of an earlier one.

    Raises:
        InputError: it is a file, or `pictures/` in it was not made by a report.
    """
    folder = Path(folder)
    if folder.is_file():
        raise InputError(f"--out must be a folder. Received: {folder}, which is a file.")
    pictures = folder / "pictures"
    if pictures.exists():
        if not (folder / "report.json").is_file():
            raise InputError(f"{pictures} is not a report's, which writes its pictures there: choose another --out.")
        shutil.rmtree(pictures)
    return folder


def opened(file: str | Path) -> Image.Image:
    """A picture file as RGB, on white where it is transparent.

    Raises:
        InputError: it is none, or too large to be one.
    """
    try:
        with Image.open(file) as image:
            if image.width * image.height > _MOST_PIXELS:
                raise InputError(f"{file} has {image.width}x{image.height} pixels: a report takes smaller pictures.")
            image = image.convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"{file} is not a picture that can be read.") from error
    ground = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(ground, image).convert("RGB")


def text(*parts: str | dict) -> dict:
    """A paragraph of strings and spans."""
    return {"kind": "text", "spans": spans(*parts)}


def spans(*parts: str | dict) -> list[dict]:
    return [span(part) if isinstance(part, str) else part for part in parts]


def span(words: str, link: str = "", **style: bool) -> dict:
    """A piece of text; `style` is strong, emphasis or code. A link that is none of LINKS is left out."""
    made = {"text": words} | {name: True for name, on in style.items() if on}
    return made | ({"link": link} if link.lower().startswith(LINKS) else {})


def missing(sentence: str) -> dict:
    """What is not there, in a sentence that says what makes it."""
    return {"kind": "missing", "text": one_line(sentence)}


def code(lines: str) -> dict:
    """Commands, or what a program printed."""
    return {"kind": "code", "text": lines}


def listing(items: Sequence[str | list[dict]], ordered: bool = False) -> dict:
    """A list; its items are strings or lists of spans."""
    return {"kind": "list", "ordered": ordered, "items": [spans(i) if isinstance(i, str) else i for i in items]}


def table(rows: Sequence[dict], caption: str = "", stamp: Stamp | None = None, small: bool = False) -> dict:
    """Rows of equal keys; numbers stand right.

    Args:
        rows: at least one.
        caption: above the table.
        stamp: where its figures come from.
        small: whether it has so many columns, or so long ones, that it takes small letters.
    """
    names = list(rows[0])
    numbers = [all(isinstance(row[name], (int, float)) or not row[name] for row in rows) for name in names]
    return {
        "kind": "table",
        "caption": one_line(caption),
        "columns": [one_line(str(name)) for name in names],
        "numbers": numbers,
        "rows": [[one_line(_cell(row[name])) for name in names] for row in rows],
        "small": small,
        "stamp": stamp.in_words() if stamp else "",
    }


def _cell(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "" if value is None else str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
