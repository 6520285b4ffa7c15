"""What is kept of studies, models and notebooks: read from its files, so that no figure is written down twice."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from utils import pretrained
from utils.errors import InputError
from utils.files import read_object
from utils.intervals import Interval
from utils.runs import PROJECT
from utils.studies import STUDIES

RESULTS = PROJECT / "notebooks" / "results"
"""Kept results of studies."""
NOTEBOOKS = PROJECT / "notebooks"
"""The notebooks, as they were last run."""


class NotKeptError(Exception):
    """A result is not there; the message says which."""


@dataclass(frozen=True)
class Finding:
    """A line of what an analysis found, as a notebook shows it.

    Attributes:
        claim, measured, control: in words.
    """

    claim: str
    measured: str
    control: str


@dataclass(frozen=True)
class Notebook:
    """A notebook as it was last run.

    Attributes:
        file: the .ipynb file.
    """

    file: Path

    @cached_property
    def cells(self) -> dict[str, dict]:
        """Its cells by their id."""
        return {cell["id"]: cell for cell in read_object(self.file)["cells"]}

    def heading(self, cell: str) -> str:
        """The heading that a cell stands under, in its notebook's words; "" where there is none, or no such cell."""
        found = ""
        for name, each in self.cells.items():
            if each["cell_type"] == "markdown":
                text = re.sub(r"^```.*?^```", "", "".join(each["source"]), flags=re.M | re.S)
                found = [found, *re.findall(r"^#+ +(.*?) *$", text, re.M)][-1]
            if name == cell:
                return found
        return ""

    def printed(self, cell: str) -> list[str]:
        """What a cell printed, and showed as text, output by output.

        Raises:
            NotKeptError: there is no such cell, or it has not been run.
        """
        if not self.cells.get(cell, {}).get("outputs"):
            raise NotKeptError(f"{self.file.name} has no output of a cell {cell}")
        outputs = self.cells[cell]["outputs"]
        return ["".join(o["text"] if "text" in o else o.get("data", {}).get("text/plain", "")) for o in outputs]

    def findings(self, cell: str) -> list[Finding]:
        """What `show_findings` showed in a cell.

        Raises:
            NotKeptError: nothing of that kind.
        """
        pattern = re.compile(r"^(?P<claim>\S.*)\n  measured  (?P<measured>.*)\n  control   (?P<control>.*)$", re.M)
        found = [Finding(**match.groupdict()) for text in self.printed(cell) for match in pattern.finditer(text)]
        if not found:
            raise NotKeptError(f"{self.file.name} shows no findings in its cell {cell}")
        return found

    def table(self, cell: str, column: str) -> list[dict[str, str]]:
        """The table, as `utils.tables.table` writes it, that has a column of that name.

        Raises:
            NotKeptError: there is none.
        """
        for text in self.printed(cell):
            lines = text.split("\n")
            for number, line in enumerate(lines[1:], 1):
                if not re.fullmatch(r"-+(  -+)*", line):
                    continue
                ends = [(match.start(), match.end()) for match in re.finditer("-+", line)]

                def cut(row: str, ends: list = ends) -> list[str]:
                    return [row[start:end].strip() for start, end in ends]

                names = cut(lines[number - 1])
                if column in names:
                    rows = lines[number + 1 :]
                    rows = rows[: rows.index("")] if "" in rows else rows
                    return [dict(zip(names, cut(row))) for row in rows]
        raise NotKeptError(f"{self.file.name} shows no table with a column {column!r} in its cell {cell}")

    def row(self, cell: str, start: str) -> list[str]:
        """The cells of a row of a Markdown table in a text cell, by how the row begins.

        Raises:
            NotKeptError: there is none.
        """
        for line in "".join(self.cells.get(cell, {}).get("source", "")).split("\n"):
            columns = [part.strip() for part in line.strip().strip("|").split(" | ")]
            if line.startswith("|") and columns[0].startswith(start):
                return columns
        raise NotKeptError(f"{self.file.name} has no row {start!r} in its cell {cell}")

    def pictures(self, cell: str) -> list[bytes]:
        """The pictures that a cell showed, PNG or JPEG.

        Raises:
            NotKeptError: none.
        """
        import base64

        found = [
            base64.b64decode("".join(content))
            for output in self.cells.get(cell, {}).get("outputs", ())
            for kind, content in output.get("data", {}).items()
            if kind in ("image/png", "image/jpeg")
        ]
        if not found:
            raise NotKeptError(f"{self.file.name} shows no picture in its cell {cell}")
        return found


@dataclass(frozen=True)
class Kept:
    """Everything that is kept.

    Attributes:
        results: folder of the results of studies.
        notebooks: folder of the notebooks.
        models: folder of the models that come with the project.
    """

    results: Path = RESULTS
    notebooks: Path = NOTEBOOKS
    models: Path = pretrained.SHIPPED

    def study(self, name: str) -> dict:
        """The results of a study, as `studies.results.load` gives them.

        Raises:
            NotKeptError: there are none.
            InputError: they are damaged.
        """
        file = self.results / f"{name}.json"
        if not file.is_file():
            raise NotKeptError(f"the study {name} has not been carried out")
        results = read_object(file)
        if not isinstance(results.get("runs"), list) or not results["runs"]:
            raise InputError(f"{file} has no list of runs, as results of a study have: take it from a copy.")
        return results | {"pictures": self.results / name}

    def record(self, name: str) -> dict:
        """What a command printed as JSON about one model, kept in `records/` beside the results of studies.

        Raises:
            NotKeptError: it was not kept.
        """
        file = self.results / "records" / f"{name}.json"
        if not file.is_file():
            raise NotKeptError(f"there is no {file.name} among the kept records")
        return read_object(file)

    def studies(self) -> list[str]:
        """Names of all results, study by study."""
        order = list(STUDIES)
        found = [file.stem for file in self.results.glob("*.json") if study_of(file.stem)]
        return sorted(found, key=lambda name: (order.index(study_of(name)), name))

    def card(self, model: str) -> dict:
        """The card of a model that comes with the project.

        Raises:
            NotKeptError: there is none.
        """
        file = self.models / model / "card.json"
        if not file.is_file():
            raise NotKeptError(f"there is no model {model}")
        return read_object(file)

    def cards(self) -> list[dict]:
        """The cards of all models that come with the project."""
        return [self.card(file.parent.name) for file in sorted(self.models.glob("*/card.json"))]

    def distance(self, model: str) -> Interval:
        """The kernel distance of a model's samples, from its card."""
        return Interval.of(self.card(model)["distance"]["kernel"])

    def notebook(self, number: str) -> Notebook:
        """The notebook whose name begins with a number.

        Raises:
            NotKeptError: there is none.
        """
        found = list(self.notebooks.glob(f"{number}_*.ipynb"))
        if not found:
            raise NotKeptError(f"there is no notebook {number} yet")
        return Notebook(min(found, key=lambda file: (len(file.name), file.name)))  # a copy beside it has a longer name


def study_of(name: str) -> str | None:
    """The study that a name of results ("losses-faces") belongs to; None of another file."""
    return next((study for study in STUDIES if name == study or name.startswith(f"{study}-")), None)
