"""What the evidence of several claims reads, and how it is put into words."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from utils.intervals import Interval
from utils.report.kept import Finding, Kept, Notebook, NotKeptError, study_of

NAMES = {
    "faces": "built-in faces",
    "cifar10": "CIFAR-10",
    "house_numbers": "built-in house numbers",
    "celeba": "CelebA",
    "bedrooms": "bedrooms",
}
"""What studies were carried out on."""
_NO_SIGN = "no sign of copies"
REAL_SUMS, DECKS_SUM = "arithmetic-celeba-attributes", "arithmetic-celeba-deck"
"""What `./dcgan arithmetic RUN --score --json` found of a run on CelebA, for each attribute and for the deck's sum."""


def of_arm(results: dict, arm: str) -> list[dict]:
    """The runs of an arm.

    Raises:
        NotKeptError: there are none.
    """
    runs = [run for run in results["runs"] if run["arm"] == arm]
    if not runs:
        raise NotKeptError(f"{results['study']} has no runs of the arm {arm}")
    return runs


def on_datasets(kept: Kept, study: str, names: Iterable[str] = ("faces", "cifar10")) -> dict[str, dict]:
    """The results of a study on those datasets that it was carried out on."""
    found = {}
    for name in names:
        try:
            found[name] = kept.study(f"{study}-{name}")
        except NotKeptError:
            continue
    if not found:
        raise NotKeptError(f"the study {study} has not been carried out")
    return found


def span(values: Sequence[float], form: str = ".2g") -> str:
    """Mean, lowest and highest in words; as a whole number from 10 on, if no other form is asked for."""
    mean, low, high = (float(end(values)) for end in (np.mean, np.min, np.max))
    written = [format(v, form) if abs(v) < 10 or form != ".2g" else f"{v:.0f}" for v in (mean, low, high)]
    return written[0] if written[1] == written[2] else f"{written[0]} ({written[1]} to {written[2]})"


def updates_of(studies: dict[str, dict]) -> str:
    """How many updates the runs of studies have."""
    return " or ".join(f"{n:,}" for n in sorted({max(run["updates"] for run in of["runs"]) for of in studies.values()}))


def kernel_ends(runs: Sequence[dict]) -> list[float]:
    """Kernel distances at the end of runs."""
    return [run["snapshots"][-1]["kernel"][0] for run in runs]


def by_data(texts: dict[str, str]) -> str:
    """What is said of each dataset, in one line."""
    return "; ".join(f"{NAMES.get(name, name)}: {text}" for name, text in texts.items())


def is_healthy(run: dict) -> bool:
    """Whether a kept run was well at its end; see `training.doctor.End`."""
    from utils.training.doctor import End

    return End.of(run["watch"]).is_healthy


def healthy_of(runs: Sequence[dict]) -> tuple[int, int]:
    """How many runs were well at their end, and how many there are."""
    return sum(map(is_healthy, runs)), len(runs)


def interval_in(text: str) -> Interval:
    """An interval as a table of a notebook shows it: "35% (25% to 46%)"."""
    value, low, high = (float(number) for number in re.findall(r"[-+]?\d+\.?\d*", text)[:3])
    return Interval(value, low, high)


def findings_starting(findings: Sequence[Finding], start: str) -> list[Finding]:
    """The findings whose claim begins so, at least one."""
    found = [finding for finding in findings if finding.claim.startswith(start)]
    if not found:
        raise NotKeptError(f"no finding begins with {start!r}")
    return found


def amounts_in(results: dict) -> list[int]:
    """Numbers of images, which arms of results are named by, the fewest first."""
    return sorted({int(run["arm"].split("-")[0]) for run in results["runs"]})


def long_trainings(kept: Kept, *arms: str) -> dict[str, dict]:
    """The runs of the longest training on each dataset by arm, by the name of its data, where it has these arms."""
    from utils.studies.long_training import find

    of_study = (kept.study(name) for name in kept.studies() if study_of(name) == "long_training")
    there = [run for results in of_study for run in results["runs"] if "settings" in run]
    found = {}
    for name in dict.fromkeys(run["settings"]["data"]["name"] for run in there):
        longest = find(name, kept.results) or {"runs": []}  # what is kept at the smallest scale alone says nothing
        runs = {run["arm"]: run for run in longest["runs"] if "settings" in run}
        if runs.keys() >= set(arms):
            found[name] = runs
    if not found:
        raise NotKeptError(f"the study long_training has not been carried out with {' and '.join(arms)}")
    return found


@dataclass(frozen=True)
class Copies:
    """What tests of notebook 09 say of copies among the samples of a model.

    Attributes:
        spaces: the finding in each feature space, beside copies that were planted.
        audit: a row for each of other tests; [] where they were not made.
    """

    spaces: list[Finding]
    audit: list[dict[str, str]]

    @property
    def clean(self) -> int:
        """In how many spaces there is no sign of copies."""
        return sum(finding.measured.startswith(_NO_SIGN) for finding in self.spaces)

    @property
    def caught(self) -> int:
        """In how many spaces planted copies are found, all of them."""
        return sum(finding.control.split(": copied ")[1].startswith("100%") for finding in self.spaces)

    @property
    def clean_audit(self) -> int:
        """By how many of the other tests there is no sign of copies."""
        return sum(row["says"] == _NO_SIGN for row in self.audit)

    @property
    def are_excluded(self) -> bool:
        """Whether no test sees copies, and planted ones are found in every space."""
        return self.sign == _NO_SIGN

    @property
    def sign(self) -> str:
        """What it comes to, in words."""
        if (self.clean, self.clean_audit) != (len(self.spaces), len(self.audit)):
            return "a sign of copies"
        missed = len(self.spaces) - self.caught
        either = f", but in {missed} of {len(self.spaces)} spaces not all of planted ones either"
        return _NO_SIGN + (either if missed else "")


def of_faces(kept: Kept, number: str) -> Notebook:
    """A notebook about one model, which is `faces` and its own images, as claims say.

    Raises:
        NotKeptError: it was last run on another model, or on other images.
    """
    notebook = kept.notebook(number)
    first = next("".join(cell["source"]) for cell in notebook.cells.values() if cell["cell_type"] == "code")
    if not (re.search(r'^model = "faces"', first, re.M) and re.search(r"^data = None", first, re.M)):
        raise NotKeptError(f"{notebook.file.name} was last run on another model than `faces`, or on other images")
    return notebook


def copies_found(kept: Kept) -> Copies:
    """What was found of copies among the samples of the model `faces`."""
    notebook = of_faces(kept, "09")
    spaces = findings_starting(notebook.findings("code-09"), "Report: the maps show that the network does not memorise")
    try:
        return Copies(spaces, notebook.table("verdict", "sees exact"))
    except NotKeptError:
        return Copies(spaces, [])


def copies_in_words(kept: Kept) -> tuple[str, str]:
    """What was found of copies, and of the control, in words."""
    found = copies_found(kept)
    shares = ", ".join(re.search(r"copied (-?\d+% \(.*?\))", finding.measured)[1] for finding in found.spaces)
    measured = (
        f"model `faces`, {kept.card('faces')['updates']:,} updates: no sign of copies in {found.clean} of "
        f"{len(found.spaces)} feature spaces (share copied, 95%: {shares})"
    )
    control = f"copies that were planted are found in {found.caught} of {len(found.spaces)}"
    if not found.audit:
        return measured, control
    seen = [row["sees exact"] for row in found.audit if row["sees exact"].endswith("%")]
    shares = dict.fromkeys(sorted(seen, key=_number))
    power = f"exact ones from {' to '.join(shares)} on by {len(seen)} of {len(found.audit)} tests" if seen else ""
    return (
        f"{measured}; none in {found.clean_audit} of {len(found.audit)} tests of an audit",
        f"{control}; in the audit {power or 'by no test'}",
    )


def _number(text: str) -> float:
    return float(re.search(r"[\d.]+", text)[0])


def count_in_words(kept: Kept, exemplars: int, what: str) -> str:
    """How often sums of so many exemplars have what they should, as notebook 13 counts it."""
    table = kept.notebook("13").table("count", "has it")
    for row in table:
        if row["exemplars"] == str(exemplars) and row[""] == what:
            return row["has it"]
    raise NotKeptError(f"notebook 13 has no count of {exemplars} exemplars")


def interval_of_sums(kept: Kept, record: str, exemplars: int, arm: str) -> Interval:
    """How often sums of a kept record have what they should."""
    return Interval.of(kept.record(record)["score"]["all"][str(exemplars)][arm]["has"])


def attributes_in(kept: Kept) -> int:
    """How many attributes sums were asked for on CelebA."""
    return len(kept.record(REAL_SUMS)["score"]["expressions"])
