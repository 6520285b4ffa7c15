"""From a report in plain values to its files: report.json and pictures/, and of these report.html and report.pdf.

The PDF is set by Typst, a library that needs nothing of the system: it brings its fonts, embeds those that are used,
fetches nothing, and gives the same bytes for the same input. Both makers read the values as data: the page by Jinja2,
which escapes everything, the PDF by a fixed template that reads the JSON file, so no text can become code. (WeasyPrint
was the other candidate: it needs Pango from the system and sets with whatever fonts are installed there.)
"""

import base64
import hashlib
import json
from pathlib import Path

from utils.errors import InputError
from utils.files import appears_whole, names_in, write_text
from utils.report.document import JSON, MARK, PAGE, PDF, PICTURES, Report, read

_KINDS = {".png": "png", ".jpg": "jpeg", ".svg": "svg+xml"}
_HERE = Path(__file__).resolve().parent


def write(report: Report) -> list[Path]:
    """Write all files of a report.

    Returns:
        The page, the PDF and the JSON file.
    """
    plain = report.plain()
    file = report.folder / JSON
    write_text(file, as_json(plain))
    page = report.folder / PAGE
    write_text(page, page_of(report.folder))
    return [page, write_pdf(report.folder), file]


def as_json(plain: dict) -> str:
    """A report as it is kept. What is no Unicode (bytes of file names) is shown as U+FFFD."""
    text = json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    return text.encode("utf-8", "replace").decode("utf-8")


def fingerprint(text: str) -> str:
    """Of a report, from its JSON: it is written into the PDF, so that one can tell what the PDF was made of."""
    return hashlib.sha256(text.encode()).hexdigest()


def mark_of(folder: str | Path) -> str:
    """What the PDF of a folder says it was made of: the JSON file, and its pictures."""
    folder, pictures = Path(folder), hashlib.sha256()
    for name in names_in(folder / PICTURES):
        pictures.update((folder / PICTURES / name).read_bytes())
    return MARK.format(fingerprint((folder / JSON).read_text(encoding="utf-8")), pictures.hexdigest())


def page_of(folder: str | Path) -> str:
    """The page, which needs no other file and runs no scripts, of the JSON file and the pictures of a folder.

    Raises:
        InputError: there is no report, or it cannot be read.
    """
    import jinja2

    folder = Path(folder)
    plain = read(folder)
    template = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        (_HERE / "page.html").read_text(encoding="utf-8")
    )

    def content(file: str) -> str:
        return base64.b64encode((folder / PICTURES / Path(file).name).read_bytes()).decode()  # of no other folder

    def kind(file: str) -> str:
        return _KINDS[Path(file).suffix]

    return template.render(**plain, content=content, kind=kind)


def pdf_of(folder: str | Path) -> bytes:
    """The PDF of the JSON file and the pictures of a folder.

    Raises:
        InputError: there is no report, or it cannot be set.
    """
    import typst

    from utils.figure import FONT, font_file

    folder = Path(folder).resolve()
    # Typst's own fonts, and Matplotlib's for letters that those have not; another where letters ask for one.
    fonts = {str(Path(font_file(letters)).parent) for letters in ("", *_foreign(_text_of(folder)))}
    template = (_HERE / "paper.typ").read_bytes()
    try:
        return typst.compile(
            template,
            root=folder,
            font_paths=sorted(fonts),
            ignore_system_fonts=True,
            sys_inputs={"report": f"/{JSON}", "mark": mark_of(folder), "fallback": FONT},
            timestamp=0,
            pdf_tags=False,  # a fifth of the bytes; who has pages read out takes the page, which has all of it, too
        )
    except typst.TypstError as error:
        raise InputError(f"The PDF could not be set: {error.message}.") from error


def write_pdf(folder: str | Path) -> Path:
    """Make the PDF from the JSON file and the pictures of a folder."""
    made, file = pdf_of(folder), Path(folder) / PDF
    with appears_whole(file) as temporary:
        temporary.write_bytes(made)
    return file


def asks_for_fonts(folder: str | Path) -> bool:
    """Whether a report has letters that are set with whatever fonts a machine has: its PDF then differs from machine to
    machine."""
    return bool(_foreign(_text_of(Path(folder))))


def _text_of(folder: Path) -> str:
    """All that is written in a report, in its pictures, too."""
    drawings = [folder / PICTURES / name for name in names_in(folder / PICTURES) if name.endswith(".svg")]
    return "".join([json.dumps(read(folder), ensure_ascii=False), *(f.read_text(encoding="utf-8") for f in drawings)])


def _foreign(text: str) -> list[str]:
    """Runs of letters beyond the Latin, Greek and Cyrillic alphabets, for which a font has to be found."""
    runs = "".join(c if c > "\u052f" and not "\u1e00" <= c <= "\u2fff" else " " for c in text)
    return sorted(set(runs.split()))
