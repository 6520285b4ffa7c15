"""Every link of a text that is committed leads to a file, and to a heading of it where it names one."""

import json
import re
from pathlib import Path

import pytest

from utils.runs import PROJECT

TEXTS = sorted(
    path.relative_to(PROJECT)
    for pattern in ("*.md", "benchmarks/*.md", "saved_models/**/*.md", "notebooks/**/*.md", "notebooks/**/*.ipynb")
    for path in PROJECT.glob(pattern)
    if "report" not in path.parts and ".ipynb_checkpoints" not in path.parts
)


def prose(path: Path) -> tuple[str, set[str]]:
    """The text of a document without its code, and the names of pictures that are inside."""
    text = path.read_text(encoding="utf-8")
    attached: set[str] = set()
    if path.suffix == ".ipynb":
        cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells)
        attached = {f"attachment:{name}" for cell in cells for name in cell.get("attachments", {})}
    return re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), attached


def anchors(path: Path) -> set[str]:
    """What GitHub calls the headings of a document: in small letters, without punctuation, with hyphens for spaces."""
    headings = re.findall(r"^#+ (.+)$", prose(path)[0], re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("text", TEXTS, ids=str)
def test_links_lead_to_files_and_to_headings(text):
    path = PROJECT / text
    written, attached = prose(path)
    dead = []
    for target in re.findall(r"\]\(([^)\s]+)\)", written):
        if target.startswith(("https://", "http://localhost", "http://127.0.0.1")) or target in attached:
            continue
        name, _, heading = target.partition("#")
        there = path.parent / name if name else path
        named = heading and there.suffix in (".md", ".ipynb") and there.exists()
        if not there.exists() or (named and heading not in anchors(there)):
            dead.append(target)
    assert dead == []


def test_the_names_of_headings_are_those_that_pages_give_them(tmp_path):
    text = tmp_path / "a.md"
    text.write_text("# What came: `python a.py`, 2 of 3\n```\n# no heading\n```\n## An hour with R1\n")
    assert anchors(text) == {"what-came-python-apy-2-of-3", "an-hour-with-r1"}
