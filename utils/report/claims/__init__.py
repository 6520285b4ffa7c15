"""Every claim of the sources: where it is tested here, what was measured, its control, and what that comes to.

Each source has a file: functions that read what is kept and decide by a rule that stands there, so that a verdict
changes when the results do, and below them its `CLAIMS`. Nothing that was measured is written down here. What several
of them read is in `reading`; `as_markdown` makes CLAIMS.md.

To add a claim: one line in its source's `CLAIMS`, and a function that gives `Evidence`; a result that is not there yet
raises `NotKeptError`, and the verdict is then "missing".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from utils.errors import InputError
from utils.report.claims import assignment, course_report, lab_report, paper, regularised
from utils.report.claims.claim import CONFIRMED, MISSING, OPEN, REFUTED, Claim, Evidence
from utils.report.kept import Kept, NotKeptError

SOURCES = {
    "R": "R, the course report of 2021 (unpublished)",
    "S": "S, the paper (arXiv:1511.06434) as its slides tell it",
    "L": "L, the lab report on SVHN (unpublished)",
    "A": "A, the assignment deck (unpublished)",
    "G": "G, the paper on regularised DCGANs and anime faces (Mehralian, Karasfi 2018, doi 10.1109/AIAR.2018.8769811)",
}
"""What the letters stand for."""
CLAIMS = (
    *course_report.CLAIMS,
    *paper.CLAIMS,
    *lab_report.CLAIMS,
    *assignment.CLAIMS,
    *regularised.CLAIMS,
)


@dataclass(frozen=True)
class Row:
    """A claim with what is known of it.

    Attributes:
        claim: it.
        evidence: what is known.
        notebook: file of its notebook, where there is one.
        heading: what its cell stands under in there; "" where no cell is named.
    """

    claim: Claim
    evidence: Evidence
    notebook: Path | None
    heading: str = ""

    def plain(self) -> dict:
        claim, evidence = self.claim, self.evidence
        return {
            "id": claim.id,
            "place": claim.place,
            "claim": claim.says,
            "tested": claim.tested,
            "measured": evidence.measured,
            "control": evidence.control,
            "verdict": evidence.verdict,
            "why": evidence.why,
            "notebook": self.notebook and self.notebook.name,
            "cell": claim.cell and claim.cell[1],
        }


def rows(kept: Kept | None = None) -> list[Row]:
    """All claims with what is known of them now."""
    kept, made = kept or Kept(), []
    for claim in CLAIMS:
        try:
            evidence = claim.evidence(kept)
        except NotKeptError as error:
            evidence = Evidence("–", "–", MISSING, f"not measured yet: {error}")
        except InputError:  # damaged, which its sentence says
            raise
        except (LookupError, ValueError, StopIteration) as error:
            why = f"what is kept does not answer it yet, as of a study of which some arms are trained ({error!r})"
            evidence = Evidence("–", "–", MISSING, why)
        made.append(Row(claim, evidence, *_place(kept, claim)))
    return made


def as_markdown(made: Sequence[Row]) -> str:
    """CLAIMS.md: one table for each source, and how many claims have which verdict.

    Args:
        made: as `rows` gives them.
    """
    counted = ", ".join(f"{n} {verdict}" for verdict, n in verdict_counts(made).items())
    lines = [
        "# What is claimed, and what was measured",
        "",
        "<!-- Made by `./dcgan claims --out CLAIMS.md` from utils/report/claims/ and what is kept; do not edit. -->",
        "",
        f"Every claim of the five sources ({counted}). All of it is CPU-sized: few updates, narrow networks, few "
        "seeds; a verdict holds for that size and no further. Figures in brackets are the lowest and the highest of "
        "the seeds, or a 95% interval where it says so. `./dcgan claims --json` gives all of it to a program.",
    ]
    for letter, source in SOURCES.items():
        lines += ["", f"## {source}", "", "| | claim | tested by | measured | control | verdict | shown in |"]
        lines.append("|" + "---|" * 7)
        for row in made:
            if row.claim.id[0] == letter:
                lines.append(f"| {' | '.join(map(_escaped, _cells(row)))} |")
    return "\n".join(lines) + "\n"


def verdict_counts(made: Sequence[Row]) -> dict[str, int]:
    """How many claims have each verdict."""
    found = [row.evidence.verdict for row in made]
    return {verdict: found.count(verdict) for verdict in (CONFIRMED, REFUTED, OPEN, MISSING)}


def _cells(row: Row) -> list[str]:
    claim, evidence = row.claim, row.evidence
    link = "–"
    if row.notebook:
        link = f"[{row.notebook.stem}](notebooks/{row.notebook.name})" + (row.heading and f", {row.heading}")
    verdict = f"**{evidence.verdict}**: {evidence.why}"
    return [f"**{claim.id}**", f"{claim.says} ({claim.place})", claim.tested, evidence.measured, evidence.control,
            verdict, link]  # fmt: skip


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def _place(kept: Kept, claim: Claim) -> tuple[Path | None, str]:
    """The notebook that shows a claim, and the heading there."""
    try:
        notebook = kept.notebook(claim.cell[0]) if claim.cell else None
    except NotKeptError:
        notebook = None
    return (notebook.file, notebook.heading(claim.cell[1])) if notebook else (None, "")
