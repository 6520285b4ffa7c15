"""`./dcgan report` and `./dcgan claims`."""

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional, arg

from utils.cli.places import Json, RunsDir
from utils.cli.text import written
from utils.cli.train import command_for
from utils.errors import InputError
from utils.files import appear_together
from utils.runs import runs_folder
from utils.text import from_here, one_line, slug


@dataclass(frozen=True)
class Report:
    """Write a report that can be graded, as a page and a PDF: of runs and models, of a study, or of the whole project.

    It shows what is on disk, and says what is missing and which command makes it; nothing is trained or measured.
    """

    names: Annotated[Positional[tuple[str, ...]], arg(metavar="RUN|MODEL …", help_behavior_hint="")] = ()
    """Runs or models that come with the project; "last" for the newest run. Several are also set side by side."""
    study: Annotated[str | None, arg(metavar="STUDY|RESULTS")] = None
    """In place of runs a study, such as losses, or its results on one dataset: losses-faces."""
    all: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """The project's own report: all models, all kept studies, and every claim."""
    text: Annotated[Path | None, arg(metavar="FILE.md")] = None
    """Your own text, Markdown; it comes first. Its pictures have to be in its folder."""
    title: str | None = None
    """Heading of the report."""
    out: Path | None = None
    """Folder of the report; by default report/ in the run's folder, or here, named after what it is about."""
    results: Path | None = None
    """Folder of the results of studies; by default notebooks/results/."""
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print the files, and what is missing, as JSON."""
    runs_dir: RunsDir = None

    def run(self) -> None:
        _report(self)


@dataclass(frozen=True)
class Claims:
    """Print every claim of the sources with what was measured, its control and the verdict, from what is kept."""

    out: Annotated[Path | None, arg(metavar="FILE.md")] = None
    """Write the table as Markdown; the project's own is CLAIMS.md."""
    json: Json = False

    def run(self) -> None:
        from utils import runtime

        runtime.start()  # what some rules need imports TensorFlow
        from utils.files import write_text
        from utils.report.claims import as_markdown, rows, verdict_counts
        from utils.tables import table

        made = rows()
        if self.out:
            was_there = self.out.exists()
            write_text(self.out, as_markdown(made))
            if not self.json:
                print(written(self.out, was_there))
        if self.json:
            print(json.dumps({"claims": [row.plain() for row in made], "verdicts": verdict_counts(made)}, indent=2))
        elif not self.out:
            short = [{"": row.claim.id, "claim": row.claim.says, "verdict": row.evidence.verdict} for row in made]
            counts = ", ".join(f"{n} {verdict}" for verdict, n in verdict_counts(made).items())
            print(f"{table(short)}\n\n{counts}; with all figures: ./dcgan claims --out FILE.md, or --json")


def _report(options: Report) -> None:
    asked = [bool(options.names), options.study is not None, options.all]
    if sum(asked) != 1:
        raise InputError(
            "A report is about runs, or a study, or everything: give names, or --study NAME, or --all. "
            f"Received: {'none of these' if not any(asked) else 'more than one of these'}."
        )
    from utils.report.kept import RESULTS, Kept
    from utils.report.markdown import blocks_of, read_text
    from utils.report.of_networks import subject_of
    from utils.report.of_study import names_of

    kept = Kept(results=options.results or RESULTS)
    words = read_text(options.text) if options.text else None
    subjects = [subject_of(name, options.runs_dir) for name in options.names]
    studies = names_of(options.study, kept) if options.study is not None else []

    from utils import runtime

    runtime.start()
    from utils.report import of_project
    from utils.report.claims import rows
    from utils.report.document import PICTURES, expect_folder
    from utils.report.document import Report as Document
    from utils.report.grade import OWN_TEXT
    from utils.report.of_networks import made_of, report_of
    from utils.report.of_study import add_study
    from utils.report.write import write

    if subjects:
        title = " and ".join(subject.title for subject in subjects)
        about = made_of(subjects)
    elif studies:
        title, about = f"Study: {options.study}", f"Made by ./dcgan report of {', '.join(studies)}."
    else:
        title, about = of_project.TITLE, "Made by ./dcgan report --all of what is kept in the project."
    place = expect_folder(options.out or _place(options, subjects))
    was_there = (place / "report.pdf").is_file()
    with appear_together(place, instead_of=(PICTURES,)) as folder:  # a report may be without any
        report = Document(options.title or title, about, folder)
        if words is not None:
            report.section(OWN_TEXT, *blocks_of(words, options.text.parent, report))
        if subjects:
            report_of(subjects, report, command_for)
        elif studies:
            claims = rows(kept)
            for name in studies:
                add_study(name, report, kept, claims, alone=len(studies) == 1)
        else:
            of_project.add_project(report, kept, rows(kept))
        files = write(report)
    files = [place / file.name for file in files]
    lacks = [b["text"] for section in report.sections for b in section.blocks if b["kind"] == "missing"]
    if options.json:
        print(json.dumps({"files": [str(file) for file in files], "missing": lacks}, indent=2))
        return
    print("\n".join(written(file, was_there) for file in files))
    if lacks:
        print("\nMissing in it:\n" + "\n".join(f"- {sentence}" for sentence in lacks))
        for home in _elsewhere(subjects):
            print(f"\nThese commands find their runs with --runs-dir {shlex.quote(one_line(from_here(home)))}")


def _elsewhere(subjects: list) -> list[Path]:
    """Folders of runs that commands do not look in by themselves; a report names no folders, for it may be read
    anywhere."""
    homes = {subject.run.folder.resolve().parent.parent for subject in subjects if subject.run}
    return sorted(homes - {runs_folder().resolve()})


def _place(options: Report, subjects: list) -> Path:
    if len(subjects) == 1 and subjects[0].run:
        return subjects[0].run.folder / "report"
    name = slug(options.study or "-and-".join(subject.title for subject in subjects))[:80]
    return Path(f"{name}-report" if name else "report")
