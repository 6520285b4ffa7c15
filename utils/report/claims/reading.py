"""What the evidence of several claims reads, and how it is put into words."""

import re
from collections.abc import Iterable, Sequence

import numpy as np

from utils.intervals import Interval
from utils.report.kept import Finding, Kept, NotKeptError, study_of

NAMES = {
    "faces": "built-in faces",
    "cifar10": "CIFAR-10",
    "house_numbers": "built-in house numbers",
    "celeba": "CelebA",
    "bedrooms": "bedrooms",
}
"""What studies were carried out on."""
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
    return "; ".join(f"{NAMES[name]}: {text}" for name, text in texts.items())


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


def long_trainings(kept: Kept) -> dict[str, dict]:
    """The runs of each long training by arm, by the name of its data."""
    found = {}
    for name in (name for name in kept.studies() if study_of(name) == "long_training"):
        runs = {run["arm"]: run for run in kept.study(name)["runs"] if "settings" in run}
        found[next(iter(runs.values()))["settings"]["data"]["name"]] = runs
    if not found:
        raise NotKeptError("the study long_training has not been carried out")
    return found


def copies_found(kept: Kept) -> tuple[list[Finding], int, int]:
    """The findings on copies: spaces without a sign of them, and spaces where planted ones are caught."""
    found = findings_starting(
        kept.notebook("09").findings("code-09"), "Report: the maps show that the network does not memorise"
    )
    clean = sum(finding.measured.startswith("no sign of copies") for finding in found)
    caught = sum(finding.control.split(": copied ")[1].startswith("100%") for finding in found)
    return found, clean, caught


def copies_in_words(kept: Kept) -> tuple[str, str]:
    """What was found of copies, and of the control, in words."""
    found, clean, caught = copies_found(kept)
    shares = ", ".join(re.search(r"copied (-?\d+% \(.*?\))", finding.measured)[1] for finding in found)
    faces = kept.card("faces")
    about = f"model `faces`, {faces['updates']:,} updates"
    asked, power = _audit(kept)
    return (
        f"{about}: no sign of copies in {clean} of {len(found)} feature spaces (share copied, 95%: {shares}){asked}",
        f"copies that were planted are found in {caught} of {len(found)}{power}",
    )


def _audit(kept: Kept) -> tuple[str, str]:
    """What other tests of notebook 09 say of the model, and from which share on they would have seen copies; in words,
    "" where they were not made."""
    try:
        tests = kept.notebook("09").table("verdict", "sees exact")
    except NotKeptError:
        return "", ""
    clean = sum(row["says"] == "no sign of copies" for row in tests)
    seen = [row["sees exact"] for row in tests if row["sees exact"] != "–"]
    power = (
        f"exact ones from {min(seen, key=_number)} on by {len(seen)} of {len(tests)} tests" if seen else "by no test"
    )
    return f"; none in {clean} of {len(tests)} tests of an audit", f"; in the audit {power}"


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
