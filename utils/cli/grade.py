"""`./dcgan grade`."""

import json
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from utils.cli.places import DataDir, Json, RunsDir
from utils.cli.train import command_for
from utils.errors import InputError


@dataclass(frozen=True)
class Grade:
    """Check a run, and its report, against a rubric.

    What a machine can check is checked; what takes a teacher is listed, and gets no mark.
    """

    name: Annotated[Positional[str], arg(metavar="RUN")] = "last"
    """A run, or "last" for the newest."""
    rubric: Annotated[Path | None, arg(metavar="FILE.json")] = None
    """The rubric; by default the one that comes with the project, utils/report/rubric.json."""
    report: Annotated[Path | None, arg(metavar="FOLDER")] = None
    """Folder of the report; by default report/ in the run's folder."""
    json: Json = False
    runs_dir: RunsDir = None
    data_dir: DataDir = None

    def run(self) -> None:
        from utils.report.grade import RUBRIC, TEACHER, YES, Graded, grade, read_rubric
        from utils.report.of_networks import report_of, subject_of
        from utils.text import one_line

        rubric = read_rubric(self.rubric or RUBRIC)
        subject = subject_of(self.name, self.runs_dir)
        if subject.run is None:
            raise InputError(f"{self.name} is a model without its run, of which there is nothing to check: name a run.")
        from utils import runtime

        runtime.start()  # what is healthy is the doctor's to say, who imports TensorFlow
        folder = self.report or subject.run.folder / "report"
        graded = Graded(subject, folder, lambda of, report: report_of([of], report, command_for), self.data_dir)
        answers = grade(graded, rubric)
        checked = [answer for answer in answers if answer.answer != TEACHER]
        right = sum(answer.answer == YES for answer in checked)
        if self.json:
            plain = {"run": str(subject.run.folder), "rubric": rubric.get("title", ""), "yes": right}
            print(
                json.dumps(plain | {"checked": len(checked), "items": [vars(answer) for answer in answers]}, indent=2)
            )
            return
        print(f"{one_line(str(subject.run.folder))}\n{one_line(str(rubric.get('title', '')))}\n")
        for answer in answers:
            head = answer.item if answer.answer == TEACHER else answer.answer
            for start, sentence in ((f"{head:18}  ", answer.says), (" " * 20 + "→ ", answer.why)):
                if sentence:
                    print(textwrap.fill(one_line(sentence), 118, initial_indent=start, subsequent_indent=" " * 20))
        print(f"\n{right} of {len(checked)} checks passed; {len(answers) - len(checked)} items are for the teacher.")
