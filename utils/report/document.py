"""What a report is made of, in plain values: a page and a PDF are made of these alone.

A block is a dict with a "kind". Text stands in spans, dicts with "text" and perhaps "strong", "emphasis", "code" or
"link"; it is data everywhere and never markup.
"""

import base64
import io
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from utils.errors import InputError
from utils.files import appears_whole, read_json
from utils.text import one_line, shorten, slug

if TYPE_CHECKING:  # it takes a while to load
    from matplotlib.figure import Figure

JSON, PAGE, PDF, PICTURES = "report.json", "report.html", "report.pdf", "pictures"
"""Names of what is in the folder of a report."""
MARK = "{} pictures {}"
"""What a PDF says it was made of: SHA-256 of the JSON file, and of the pictures."""
LINKS = ("https://", "http://", "mailto:")
"""How links of a text may begin; others are shown as what they are, text."""
LARGEST = 1650
"""Pixels: larger pictures are made so wide, which is more than a page shows."""
SMALLEST = 480
"""Pixels: smaller pictures are shown enlarged, by whole factors up to about this width."""
WIDEST, TALLEST = 13.0, 7.4
"""Inches: wider figures are drawn so wide, for on a page across their letters of 10 points then have nearly 8; higher
ones of several parts are shown part by part."""
UPRIGHT = 9.0
"""Inches: figures up to this width stand on an upright page, wider ones on a page across."""
_MOST_PIXELS = 50_000_000
_MOST_BYTES = 20_000  # of a picture without loss; a larger one is kept as JPEG where that is smaller
_IN_SVG = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=\s]+)")


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
        of: what the runs and models that it is about were called when it was made; [] of one about studies.
        sections: in their order.
    """

    title: str
    about: str
    folder: Path
    of: list[str] = field(default_factory=list)
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
        if image.width > LARGEST:
            height = max(1, round(image.height * LARGEST / image.width))
            image = image.resize((LARGEST, height), Image.Resampling.LANCZOS)
        image = without_repeats(image)
        factor = max(1, round(SMALLEST / image.width))
        content, suffix = in_few_bytes(image)
        block = {
            "kind": "picture",
            "file": self._keep(name, suffix, content),
            "width": image.width * factor,
            "height": image.height * factor,
            "wide": wide,
            "caption": one_line(caption),
            "stamp": stamp.in_words() if stamp else "",
        }
        return block | ({"squares": True} if factor > 1 else {})  # whose pixels are shown as squares

    def figure(self, figure: "Figure", name: str, caption: str, stamp: Stamp) -> list[dict]:
        """A Matplotlib figure as a block, or as one for each of its parts where it is too tall for a page.

        It is kept as lines and letters (SVG), sharp at any size; one that is too wide is drawn anew, narrower.
        """
        width, height = figure.get_size_inches()
        figure.set_size_inches(min(width, WIDEST), height)
        parts = figure.subfigs if height > TALLEST and len(figure.subfigs) > 1 else [None]
        return [
            self._drawing(figure, part, name, caption + (f" Part {n} of {len(parts)}." if part else ""), stamp)
            for n, part in enumerate(parts, 1)
        ]

    def _drawing(self, figure: "Figure", part, name: str, caption: str, stamp: Stamp) -> dict:
        from matplotlib.image import AxesImage  # these take a while to load

        from utils.figure import write_figure

        for image in figure.findobj(AxesImage):
            image.set_interpolation("none")  # its own pixels are kept, not those of the size that it is drawn at
        with tempfile.TemporaryDirectory() as folder:
            file = write_figure(Path(folder) / "figure.svg", figure, part, outlines=False)
            content = _IN_SVG.sub(_lighter, file.read_text(encoding="utf-8"))
        box = (part or figure).bbox
        width, height = (round(96 * pixels / figure.dpi) for pixels in (box.width, box.height))  # as pages count them
        return {
            "kind": "picture",
            "file": self._keep(name, ".svg", content.encode()),
            "width": width,
            "height": height,
            "wide": True,
            "across": width > 96 * UPRIGHT,
            "caption": one_line(caption),
            "stamp": stamp.in_words(),
        }

    def _keep(self, name: str, suffix: str, content: bytes) -> str:
        """Write a file of a picture; its path as seen from the report."""
        self._pictures += 1
        file = self.folder / PICTURES / f"{self._pictures:03d}-{slug(shorten(name, 60)) or 'picture'}{suffix}"
        with appears_whole(file) as temporary:
            temporary.write_bytes(content)
        return f"{PICTURES}/{file.name}"

    def plain(self) -> dict:
        """The report in plain values."""
        sections = [{"title": section.title, "blocks": section.blocks} for section in self.sections]
        return {"title": one_line(self.title), "about": one_line(self.about), "of": self.of, "sections": sections}


def expect_folder(folder: str | Path) -> Path:
    """The folder that a report may be written to, which replaces the files and pictures of an earlier one.

    Raises:
        InputError: it is a file, or has files or pictures by these names that are not an earlier report's.
    """
    folder = Path(folder)
    if folder.is_file():
        raise InputError(f"--out must be a folder. Received: {folder}, which is a file.")
    there = [name for name in (JSON, PAGE, PDF, PICTURES) if os.path.lexists(folder / name)]
    if there and not _is_a_reports(folder, there):
        raise InputError(f"{folder / there[0]} is not a report's, which would replace it: choose another --out.")
    return folder


def read(folder: str | Path) -> dict:
    """The report in a folder, in plain values, as `Report.plain` gives them; what is in its blocks is not looked at.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    file = Path(folder) / JSON
    try:
        plain = read_json(file)
        words = [plain["title"], plain["about"], *(section["title"] for section in plain["sections"])]
        words += [block["kind"] for section in plain["sections"] for block in section["blocks"]]
        if not all(isinstance(each, str) for each in words):
            raise TypeError("titles and kinds of blocks are text")
    except (OSError, LookupError, TypeError, ValueError) as error:
        raise InputError(f"{file} cannot be read as a report's: make it again with `./dcgan report`.") from error
    return plain


def _is_a_reports(folder: Path, there: list[str]) -> bool:
    """Whether a report wrote what is there; a PDF may be all that was kept of it."""
    if there == [PDF] and (folder / PDF).is_file():
        return re.search(MARK.format("[0-9a-f]{64}", "[0-9a-f]{64}").encode(), (folder / PDF).read_bytes()) is not None
    try:
        read(folder)
    except InputError:
        return False
    return True


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
    except (InputError, MemoryError):
        raise
    except Exception as error:  # decoders raise anything, of a damaged AVIF also RuntimeError
        raise InputError(f"{file} is not a picture that can be read.") from error
    ground = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(ground, image).convert("RGB")


def without_repeats(image: Image.Image) -> Image.Image:
    """A picture that was enlarged by a whole factor, as it was before: each square of equal pixels becomes one."""
    pixels = np.asarray(image)
    for factor in range(min(16, *image.size), 1, -1):
        if any(side % factor for side in image.size):
            continue
        small = pixels[::factor, ::factor]
        if np.array_equal(small.repeat(factor, 0).repeat(factor, 1), pixels):
            return Image.fromarray(small)
    return image


def in_few_bytes(image: Image.Image) -> tuple[bytes, str]:
    """A picture as PNG, or as JPEG where that is smaller and the picture large; and the suffix of its file.

    Small pictures are shown enlarged, so that each of their pixels keeps its colour; of larger ones colours are kept
    for two pixels by two.
    """
    png, jpeg = io.BytesIO(), io.BytesIO()
    image.save(png, "PNG", optimize=True)
    if png.tell() > _MOST_BYTES:
        small = image.width < SMALLEST
        image.save(jpeg, "JPEG", quality=85 if small else 80, subsampling=0 if small else 2)
        if jpeg.tell() < png.tell():
            return jpeg.getvalue(), ".jpg"
    return png.getvalue(), ".png"


def _lighter(found: re.Match) -> str:
    """A picture in a drawing, in fewer bytes."""
    with Image.open(io.BytesIO(base64.b64decode(found[1]))) as image:
        if image.mode == "RGBA" and image.getextrema()[3][0] < 255:
            return found[0]  # something is seen through it
        content, suffix = in_few_bytes(without_repeats(image.convert("RGB")))
    kind = "jpeg" if suffix == ".jpg" else "png"
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


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
