"""Checks a run, and its report, against a rubric: what a machine can check is checked, and what takes a teacher is
listed, without a mark.

A rubric is a JSON file: "title", and "items", each with "says" and either "check", one of `CHECKS`, or "judge", the
name of what a teacher has to judge. `rubric.json` comes with the project. To add a check: a function that takes a
`Graded`, and one line in `CHECKS`.
"""

import json
import math
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from utils.errors import InputError
from utils.files import digest, read_json
from utils.report.analyses import explained
from utils.report.document import JSON, PAGE, PDF, PICTURES, Report, read
from utils.report.kept import NotKeptError
from utils.report.of_networks import Subject, made_of
from utils.report.write import asks_for_fonts, mark_of, page_of, pdf_of
from utils.runs import Rows, Run
from utils.runtime import VERSIONS
from utils.text import one_line

RUBRIC = Path(__file__).resolve().parent / "rubric.json"
"""The rubric that comes with the project."""
YES, NO, UNKNOWN, TEACHER = "yes", "no", "cannot be told", "for the teacher"
HEAT_MAPS = {"gradcam", "guided"}
"""Sections of `explain` that draw them."""
ALIKE = 0.5
"""Of 255: pictures of the same weights on other processors are nearer to each other than this."""
_NUMBERS = ("update", "epoch")  # of a row of steps.jsonl, which no events have
_SETTER = re.compile(rb"Typst [\d.]+")  # how a PDF names the version that set it


@dataclass(frozen=True)
class Graded:
    """What is checked.

    Attributes:
        subject: the run.
        report: folder of its report.
        remake: adds what a report says of a subject to one.
        data_dir: where datasets are.
    """

    subject: Subject
    report: Path
    remake: Callable[[Subject, Report], None]
    data_dir: Path | None = None

    @property
    def run(self) -> Run:
        return self.subject.run


@dataclass(frozen=True)
class Answer:
    """What came of an item of a rubric.

    Attributes:
        item: the check, or the name of what is to be judged.
        says: what is asked.
        answer: YES, NO, UNKNOWN or TEACHER.
        why: what was found, in a sentence; "" for the teacher.
    """

    item: str
    says: str
    answer: str
    why: str = ""


Found = tuple[str, str]  # an answer, and why


def read_rubric(file: str | Path = RUBRIC) -> dict:
    """A rubric.

    Raises:
        InputError: there is none, or it asks for what there is not.
    """
    try:
        rubric = read_json(file)
    except (OSError, ValueError) as error:
        raise InputError(
            f"A rubric is a JSON file. Received: {file}, which cannot be read as such ({error})."
        ) from error
    items = rubric.get("items") if isinstance(rubric, dict) else None
    if not isinstance(items, list) or not items:
        raise InputError(f'A rubric has a list of "items". Received: {file}, which has none.')
    for item in items:
        kinds = {"check", "judge"} & item.keys() if isinstance(item, dict) else set()
        if len(kinds) != 1 or not isinstance(item.get("says"), str):
            raise InputError(f'An item of a rubric has "says" and either "check" or "judge". Received: {item!r}.')
        if "check" in item and item["check"] not in list(CHECKS):  # a list takes what has no hash, too
            raise InputError(f"There is no check {item['check']!r}; choose from {', '.join(CHECKS)}.")
    return rubric


def grade(graded: Graded, rubric: dict) -> list[Answer]:
    """Check every item of a rubric that a machine can check."""
    answers = []
    for item in rubric["items"]:
        if "judge" in item:
            answers.append(Answer(str(item["judge"]), item["says"], TEACHER))
        else:
            answers.append(Answer(item["check"], item["says"], *_found(CHECKS[item["check"]], graded)))
    return answers


def _found(check: Callable[[Graded], Found], graded: Graded) -> Found:
    """What a check finds; NO where what it reads is damaged, so that the others are made all the same."""
    try:
        return check(graded)
    except InputError as error:
        return NO, str(error)
    except Exception as error:  # what is handed in may be damaged in any way
        return NO, f"something in it cannot be read ({type(error).__name__}: {error})"


def _finished(graded: Graded) -> Found:
    run = graded.run
    rows = run.epochs(1)
    last = rows[-1][run.unit] if rows else 0
    at = f"it stands at {run.unit} {last:,} of {run.goal:,}"
    if not run.is_finished:
        return NO, f"{at}: {run.in_words()}"
    return (YES, at) if last >= run.goal else (NO, f"{at}, though its state.json calls it finished")


def _trained_on(graded: Graded) -> Found:
    from utils.data import load_for

    recorded = graded.run.environment.get("fingerprint")
    if not recorded:
        return NO, "the run does not record the fingerprint of its images"
    try:
        now = load_for(graded.subject.experiment, graded.data_dir, progress=False).fingerprint
    except InputError as error:
        return UNKNOWN, f"the images are not here: {error}"
    if now != recorded:
        return NO, f"the images now have the fingerprint {now[:12]}, the run records {recorded[:12]}"
    return YES, f"fingerprint {recorded[:12]}, computed anew"


def _records_agree(graded: Graded) -> Found:
    run = graded.run
    steps, summaries = run.steps(), [row[run.unit] for row in run.epochs()]
    if not steps or not summaries:
        return NO, "there are no records"
    updates = steps["update"]
    if not np.array_equal(updates, np.arange(1, len(updates) + 1)):
        return NO, "updates are missing from steps.jsonl, or stand there twice"
    if (done := max(run.state.update, run.updates)) > len(updates):
        return NO, f"{done:,} updates are said to be done, {len(updates):,} are recorded"
    if sorted(set(summaries)) != summaries:
        return NO, "summaries are out of order, or stand there twice"
    if lost := [number for number in summaries if not run.grid(number).is_file()]:
        return NO, f"there is no grid of {run.unit} {lost[0]}"
    told = f"{len(updates):,} updates, {len(summaries):,} summaries with their grids"
    answer, why = _as_in_events(run, steps)
    return answer, (why if answer == NO else told + why)


def _as_in_events(run: Run, steps: dict[str, np.ndarray]) -> Found:
    """Whether the records are as TensorBoard's events, which were written beside them, have them."""
    import tensorflow as tf

    summaries, since, seen = {row[run.unit]: row for row in run.epochs()}, {}, set()
    for file in sorted(run.board.glob("events.*")):
        try:
            events = [tf.compat.v1.Event.FromString(raw.numpy()) for raw in tf.data.TFRecordDataset(str(file))]
        except (tf.errors.OpError, ValueError):
            return NO, f"{file.name} of TensorBoard cannot be read"
        for at, value in [(event.step, value) for event in events for value in event.summary.value]:
            kind, _, name = value.tag.partition("/")
            if kind not in ("updates", "summaries"):
                continue
            if kind == "updates":  # a mean since the one before
                part = steps[name][since.get(name, 0) : at] if name in steps else np.empty(0)
                part = part[np.isfinite(part)]  # as the events have it: a lazy term is not there in most updates
                own = part.mean() if len(part) else None
                since[name], where = at, f"up to update {at:,}"
            else:
                own, where = summaries.get(at, {}).get(name), f"of {run.unit} {at:,}"
                seen.add((at, name))
            if own is None or not np.isclose(own, tf.make_ndarray(value.tensor), 1e-4, 1e-6, equal_nan=True):
                return NO, f"{name} {where} is another than TensorBoard's events say: the records were changed"
    kept = {(number, name) for number, row in summaries.items() for name in row if name != run.unit}
    after = [values[since.get(name, 0) : run.updates] for name, values in steps.items() if name not in _NUMBERS]
    if kept - seen or any(np.isfinite(values).any() for values in after):
        return UNKNOWN, "; TensorBoard's events, which would tell whether they were changed, do not have all of them"
    return YES, ", as TensorBoard's events have them"


def _redrawn(graded: Graded) -> Found:
    """Lets the generator that is kept draw the last grid again."""
    from utils.models import load_network
    from utils.sampling import Sampler
    from utils.training.summary import sheet
    from utils.viz import read_png

    run = graded.run
    file, rows = graded.subject.trained("generator"), run.epochs(1)
    if file is None or not rows or not run.grid(rows[-1][run.unit]).is_file():
        return NO, "there is no generator, or no grid"
    now = sheet(run, Sampler.of(load_network(file), run.experiment, run.conditions)).astype(float)
    then = read_png(run.grid(rows[-1][run.unit]))
    away = float(np.abs(now - then).mean()) if now.shape == then.shape else math.inf
    told = f"its grid of {run.unit} {rows[-1][run.unit]:,}, drawn again, is {away:.2f} of 255 away on average"
    return (YES if away < ALIKE else NO), told


def _reproducible(graded: Graded) -> Found:
    about = graded.run.environment
    if lacks := [name for name in (*VERSIONS, "device") if not about.get(name)]:
        return NO, f"not recorded: {', '.join(lacks)}"
    commit = about.get("commit")
    if not commit:
        return NO, "the commit of the project was not recorded"
    if commit.endswith("+changes"):
        return NO, f"the project had changes that commit {commit.removesuffix('+changes')} does not hold"
    seed = graded.subject.experiment.training.seed
    return YES, f"settings, seed {seed}, versions, device, commit {commit}; not trained anew here"


def _finite(graded: Graded) -> Found:
    rows = Rows(graded.run.steps_file).read()
    losses = [[value for name, value in row.items() if name.startswith("loss")] for row in rows]
    if not any(losses):
        return UNKNOWN, "no losses are recorded"
    bad = [row["update"] for row, values in zip(rows, losses) if not all(map(math.isfinite, values))]
    return (NO, f"update {bad[0]:,} is the first with one") if bad else (YES, f"{len(rows):,} updates looked at")


def _healthy(graded: Graded) -> Found:
    from utils.training.doctor import End

    rows = [row for row in graded.run.watch() if "gap" in row]
    if not rows:
        return UNKNOWN, "nothing watched this training"
    end = End.of(rows)
    told = f"last quarter: gap {end.gap:.2f}, diversity {end.diversity:.2f} of the true images'"
    return (YES if end.is_healthy else NO), told


def _distance(graded: Graded) -> Found:
    from utils.evaluation.passport import Passport

    record = graded.subject.record
    if record is None:
        there = graded.run.quality_file.is_file()
        return NO, "what was measured is of other weights" if there else "none was measured"
    if Passport.read(record["distance"].get("passport")) is None:
        return NO, "it has no passport"
    kernel = record["distance"]["kernel"]
    return YES, f"kernel distance {kernel['value']:.3f} ({kernel['low']:.3f} to {kernel['high']:.3f})"


def _control(graded: Graded) -> Found:
    record = graded.subject.record
    floor = (record or {}).get("distance", {}).get("floor", {}).get("kernel")
    if not floor:
        return NO, "there is none"
    return YES, f"between true images {floor['value']:.3f} ({floor['low']:.3f} to {floor['high']:.3f})"


def _explained(graded: Graded) -> Found:
    try:
        found = explained(graded.subject)
    except NotKeptError as error:
        return NO, str(error)
    if not found.made & HEAT_MAPS:
        return NO, f"no heat maps were made, but {one_line(', '.join(sorted(found.made)) or 'nothing')}"
    if not all(finding["control"] for finding in found.findings):
        return NO, "findings without a control"
    return YES, f"{len(found.findings)} findings, each with its control"


def _report(graded: Graded) -> Found:
    """Makes the report's sections on the run again and compares them, with their pictures, with what is there.

    They are made under the name that the run had then: it may lie anywhere now.
    """
    plain = _plain_report(graded)
    if plain is None:
        return NO, f"there is no report in {graded.report}"
    if len(plain.get("of", [])) != 1:
        return NO, "it is no report of one run: make it again"
    subject, there = replace(graded.subject, title=plain["of"][0]), plain["sections"]
    if plain["about"] != made_of([subject]):
        return NO, "what stands below its title was changed by hand"
    if there and there[0]["title"] == OWN_TEXT:
        if any(block.get("stamp") for block in there[0]["blocks"]):
            return NO, "its author's text has a figure with a stamp, which only those of a run have"
        there = there[1:]
    with tempfile.TemporaryDirectory() as folder:
        again = Report("", "", Path(folder))
        graded.remake(subject, again)
        if differs := _unlike_titles([section["title"] for section in there], [s.title for s in again.sections]):
            return NO, differs
        for section, then in zip(again.sections, there):
            if _of_section(section.blocks, Path(folder)) != _of_section(then["blocks"], graded.report):
                return NO, f"its section {section.title!r} is not what the run gives now: make it again"
    page, pdf = graded.report / PAGE, graded.report / PDF
    for file in (page, pdf):
        if not file.is_file():
            return NO, f"it has no {file.name}"
    if page.read_bytes() != page_of(graded.report).encode():
        return NO, f"{PAGE} was changed by hand, or made of something else"
    if mark_of(graded.report).encode() not in (content := pdf.read_bytes()):
        return NO, f"{PDF} was made of something else"
    if content != (set_again := pdf_of(graded.report)):
        if set(_SETTER.findall(content)) != set(_SETTER.findall(set_again)):
            return UNKNOWN, f"{PDF} was set by another Typst than is here, so whether it was changed cannot be told"
        if asks_for_fonts(graded.report):
            why = "has letters that each machine sets with its own fonts, so whether it was changed cannot be told"
            return UNKNOWN, f"{PDF} {why}"
        return NO, f"{PDF} was changed by hand, or set with other fonts: make it again"
    return YES, f"{len(again.sections)} sections, made again and compared"


def _unlike_titles(there: list[str], again: list[str]) -> str:
    """Where the sections of a report part from those that its run gives; "" if nowhere."""
    if lost := [title for title in again if title not in there]:
        return f"it has no section {lost[0]!r}"
    if more := [title for title in there if title not in again]:
        return f"its section {more[0]!r} is none that a report of the run has"
    return "" if there == again else "its sections stand in another order, or twice"


def _of_section(blocks: list[dict], folder: Path) -> list[dict]:
    """Blocks with what their pictures show in place of how these are called.

    A picture that is said to lie elsewhere is lost: the page would show that of its name among the pictures.
    """
    shown = []
    for block in json.loads(json.dumps(blocks)):
        if block["kind"] == "picture":
            place = block.pop("file")
            file = folder / PICTURES / Path(place).name
            there = place == f"{PICTURES}/{file.name}" and file.is_file()
            block["content"] = digest(file) if there else "lost"
        shown.append(block)
    return shown


def _own_text(graded: Graded) -> Found:
    plain = _plain_report(graded)
    first = plain["sections"][0] if plain and plain["sections"] else None
    if first is None or first["title"] != OWN_TEXT:
        return NO, "there is none (`./dcgan report RUN --text FILE.md`)"
    lines = [line for b in first["blocks"] for line in (b.get("spans", []), *b.get("items", []))]
    words = sum(len(span["text"].split()) for line in lines for span in line)
    return (YES if words else NO), f"{words:,} words; what they are worth is for the teacher"


OWN_TEXT = "In the author's words"
"""Heading of the text of its author in a report."""
CHECKS: dict[str, Callable[[Graded], Found]] = {
    "finished": _finished,
    "trained_on": _trained_on,
    "records_agree": _records_agree,
    "redrawn": _redrawn,
    "reproducible": _reproducible,
    "finite": _finite,
    "healthy": _healthy,
    "distance": _distance,
    "control": _control,
    "explained": _explained,
    "report": _report,
    "own_text": _own_text,
}
"""What a machine can check, by the names that rubrics use."""


def _plain_report(graded: Graded) -> dict | None:
    return read(graded.report) if (graded.report / JSON).is_file() else None
