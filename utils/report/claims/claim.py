"""What a claim is, and what may be known of it."""

from collections.abc import Callable
from dataclasses import dataclass

from utils.report.kept import Kept

CONFIRMED, REFUTED, OPEN, MISSING = "confirmed at this size", "refuted", "open", "missing"
BN, AMOUNT, LOSSES = "study `batch_normalisation`", "study `amount_of_data`", "study `losses`"
LONG = "study `long_training`"
REPORTS = "study `report_amounts`"
EXPLAIN, LATENT = "`./dcgan explain`", "`./dcgan arithmetic --score`"


@dataclass(frozen=True)
class Evidence:
    """What is known of a claim.

    Attributes:
        measured, control: in words, with the figures as they were kept; "–" for none.
        verdict: CONFIRMED, REFUTED, OPEN or MISSING.
        why: the verdict in a plain sentence.
    """

    measured: str
    control: str
    verdict: str
    why: str


@dataclass(frozen=True)
class Claim:
    """A claim of a source.

    Attributes:
        id: "R1a": its letter and number, and a letter more where a claim has several parts.
        place: in the source.
        says: what is claimed.
        tested: where it is tested here.
        cell: number of a notebook and id of the cell that shows it; None of what no notebook shows.
        evidence: reads what is kept.
    """

    id: str
    place: str
    says: str
    tested: str
    cell: tuple[str, str] | None
    evidence: Callable[[Kept], Evidence]


def never(what: str) -> Callable[[Kept], Evidence]:
    """Of a claim that nothing here tests."""
    return lambda kept: Evidence("–", "–", MISSING, what)


def no_measure(what: str) -> Callable[[Kept], Evidence]:
    """Of a sentence that no measurement can decide."""
    return lambda kept: Evidence("–", "–", OPEN, what)
