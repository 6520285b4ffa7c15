"""A run as the page shows it: how it stands, its curves, its grids and warnings; and how it is stopped and taken up."""

import math
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import numpy as np

from utils import config, lengths, start
from utils.errors import InputError
from utils.evaluation.records import read_record
from utils.files import read_json
from utils.runs import Run, State, Thinned
from utils.studio.offers import Offer, may_show_true, without_folders
from utils.tables import roughly
from utils.text import command, one_line, shorten
from utils.training.doctor import Diagnosis

POINTS = 300
"""A curve has fewer than twice as many values on the page."""
SETTLED = 8
"""Saved updates whose time says how long the others take: of fewer, compiling is most of it."""
SAVING = 120
"""Seconds that a training may take to save before it is asked to stop again."""
PAUSE = 600
"""Seconds without anything new after which a training is taken to have stood still: they tell nothing of its speed."""
LINES = 8
"""Of the log, the last so many."""
REPORT = ("report.html", "report.pdf")
"""What `./dcgan report` leaves in the run's folder report/ for readers."""
_REPORT_RECORD = "report/report.json"  # and for programs
_NO_FAILURE = (0, -signal.SIGTERM, -signal.SIGINT, 128 + signal.SIGTERM, 128 + signal.SIGINT)  # it was asked to end
MEASURED = (
    *("samples", "features", "seed", "true_images", "true_images_trained_on", "distance", "other_spaces", "spaces"),
    *("asked", "texts", "combinations"),
)
"""Of what `./dcgan evaluate` keeps, what the page shows: whose samples they are it knows, and the settings."""


class Watched:
    """A run that is watched. Records are read from where they were left, and only when one has changed.

    Args:
        run: the run.
        own_text: heading of the author's words in a report (see `begins_with`); "" where none is to be made.
    """

    def __init__(self, run: Run, own_text: str = ""):
        self.run, self._own_text = run, own_text
        self._lock, self._stamp, self._last = threading.Lock(), None, {}
        self._since: tuple[float, int] | None = None  # when which update was seen first while it ran without a pause
        self._moved = 0.0  # when its records were last seen to have changed
        self._turns: tuple[int, int] | None = None
        self._begin()

    def _begin(self) -> None:
        self._steps, self._epochs = Thinned(self.run.steps_file, POINTS), Thinned(self.run.epochs_file, POINTS)

    def stamp(self) -> tuple:
        """Changes whenever there is something new to see."""
        run = self.run
        files = [run.steps_file, run.epochs_file, run.watch_file, run.quality_file, *report_files(run).values()]
        files += [run.folder / name for name in ("experiment.json", "state.json", "log.txt", _REPORT_RECORD)]
        return (run.is_running, *(_about(file) for file in files))

    def snapshot(self) -> dict:
        """Everything, in plain values; None stands for what is not a number."""
        with self._lock:
            stamp = self.stamp()
            if stamp != self._stamp:
                if self._stamp and _shorter(stamp[1:3], self._stamp[1:3]):
                    self._begin()  # a record was cut back: the training went back to a checkpoint
                self._last, self._stamp = self._look(), stamp
            return self._last

    def _look(self) -> dict:
        self.run = run = Run(self.run.folder)  # which reads its settings once, and `resume` may have changed them
        state = run.state
        # After a rollback, or with other devices, rows may have been cut back and written on past their old end since.
        if (turns := (len(state.rollbacks), len(state.replicas))) != self._turns:
            self._begin()
            self._turns = turns
        steps = self._steps.columns()
        summaries = _plain(self._epochs.columns())
        there = [int(row[run.unit]) for row in run.epochs() if run.grid(row[run.unit]).is_file()]
        # What is saved may be ahead of the curve, whose last value is a mean, and is not ahead of the training.
        updates, total = max(int(steps["update"][-1]) if steps else 0, state.update), self._updates()
        running, seconds = run.is_running, state.seconds
        self._since = self._since if running else None
        left = self._left(state, updates, total) if running and total else None
        diagnosis = Diagnosis(run.experiment, run.watch())
        return {
            "title": one_line(run.name),
            "unit": run.unit,
            "goal": run.goal,
            "state": {
                "words": one_line(run.in_words()),
                "running": running,
                "finished": run.is_finished,
                "update": updates,
                "updates": total,
                "saved": state.update,
                "seconds": seconds,
                "left": roughly(left) if left is not None and math.isfinite(left) else "",
                "rollbacks": state.rollbacks,
            },
            "curves": _plain(steps),
            "summaries": summaries,
            "grids": there,
            "grid_names": {number: run.grid(number).name for number in there},
            "true_grid": run.true_grid.is_file(),
            "film": run.film.name if run.film.is_file() else "",
            "film_made": _about(run.film)[0] / 1e9,
            "warnings": [finding.sentence for finding in diagnosis.findings.values()],
            "log": [shorten(line, 400) for line in run.logged()[-LINES:]],
            "quality": _measured(run),
            "settings": config.to_dict(run.experiment),
            "report": _about_report(run) | {"own_text": begins_with(run, self._own_text)},
        }

    def _left(self, state: State, updates: int, total: int) -> float | None:
        """Seconds that are left, by what has been seen of its speed, else by what is saved; None if neither tells."""
        now = time.monotonic()
        paused, self._moved = now - self._moved > PAUSE, now
        if self._since is None or updates < self._since[1] or paused:
            self._since = (now, updates) if updates else None  # the first update also compiles
        began, first = self._since or (now, updates)
        if updates > first:
            return (now - began) / (updates - first) * (total - updates)
        return state.seconds / state.update * (total - updates) if state.update >= SETTLED else None

    def _updates(self) -> int | None:
        """How many updates it is to have in all."""
        run = self.run
        if run.unit == "update":
            return run.goal
        each = lengths.updates_per_epoch(run.experiment, run.environment.get("images", 0))
        return each * run.goal or None


def report_files(run: Run) -> dict[str, Path]:
    """The files of a run's report, by name, whether they are there or not."""
    return {name: run.folder / "report" / name for name in REPORT}


def _measured(run: Run) -> dict | None:
    """The part of what was measured of a run that is shown; None if nothing was, or the record is damaged."""
    try:
        record = read_record(run.quality_file)
    except InputError:
        return None
    return {name: record[name] for name in MEASURED if name in record}


def begins_with(run: Run, own_text: str) -> bool:
    """Whether a run's report begins with its author's words, below the heading `own_text`."""
    sections = _report(run).get("sections")
    first = sections[0] if isinstance(sections, list) and sections else None
    return isinstance(first, dict) and first.get("title") == own_text


def _report(run: Run) -> dict:
    """A run's report in plain values; {} if there is none that can be read."""
    try:
        plain = read_json(run.folder / _REPORT_RECORD)
    except (OSError, ValueError):
        return {}
    return plain if isinstance(plain, dict) else {}


def _about_report(run: Run) -> dict:
    made = {name: _about(file)[0] for name, file in report_files(run).items() if file.is_file()}
    return {"files": list(made), "made": max(made.values(), default=0) / 1e9}


def for_others(snapshot: dict, offer: Offer) -> dict:
    """A snapshot as others than this machine's user may see it.

    True images, and a report, which holds some, are left out unless they may be passed on; so are the log, and the
    folders that other records name.
    """
    shown = may_show_true(offer, public=True)
    told = {name: snapshot[name] for name in ("state", "warnings", "quality", "settings")}
    return snapshot | {
        **without_folders(told, snapshot["settings"]["data"]["name"]),
        "true_grid": snapshot["true_grid"] and shown,
        "report": snapshot["report"] if shown else None,
        "log": [],
    }


class Started:
    """Commands of the project that run in processes of their own, which outlive the studio; one of a kind for a run."""

    def __init__(self):
        self._processes: dict[Path, tuple[subprocess.Popen, IO[bytes]]] = {}
        self._killed: dict[subprocess.Popen, int] = {}  # when that was seen

    def start(self, run: Run, *words: str) -> None:
        """Start a command, such as ("resume", FOLDER), for a run."""
        said = tempfile.TemporaryFile()  # noqa: SIM115  (it is read once the process has ended)
        process = subprocess.Popen(
            start.command("utils", *words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,  # Ctrl-C stops the studio, not the training
        )
        self._processes[run.folder] = (process, said)

    def is_alive(self, run: Run) -> bool:
        """Whether the process that was started last for a run has not ended."""
        return run.folder in self._processes and self._processes[run.folder][0].poll() is None

    def complaint(self, run: Run, *written: Path) -> str:
        """Why it failed; "" if it did not, or if a file that it was to write has been written since."""
        if run.folder not in self._processes:
            return ""
        process, said = self._processes[run.folder]
        code = process.poll()
        if code is None or code in _NO_FAILURE:
            return ""
        about, killed = os.fstat(said.fileno()), code < 0
        # Who is killed says nothing at the end, and may have written such files before it.
        failed = self._killed.setdefault(process, time.time_ns()) if killed else about.st_mtime_ns
        if any(_about(file)[0] > failed for file in written):
            return ""
        if killed:
            return f"It was killed by signal {-code}; often there was too little memory."
        text = os.pread(said.fileno(), about.st_size, 0).decode(errors="replace")  # others may read it at once
        lines = [line for line in text.splitlines() if line.startswith("dcgan: ")]
        return one_line(lines[-1].removeprefix("dcgan: ")) if lines else "It ended with an error."


class Trainings:
    """Stops trainings, takes them up again, and has reports of them made.

    Args:
        data_dir: where datasets are; by default as for every command.
        own_text: heading of the author's words in a report (see `begins_with`).
    """

    def __init__(self, data_dir: str | Path | None = None, own_text: str = ""):
        self._data_dir, self._own_text = data_dir, own_text
        self._resumed, self._reported = Started(), Started()
        self._stopped: dict[Path, tuple[int, float]] = {}  # which process of a run was asked to stop, and when
        self._lock = threading.Lock()  # of two who ask at once, the second finds what the first has started

    def stop(self, run: Run) -> str:
        """Ask the process that trains a run to save everything and to end, as Ctrl-C does.

        Raises:
            InputError: no process on this machine is training it.
        """
        with self._lock:
            process = run.process
            if process is None:
                raise InputError(f"No process on this machine is training {run.name}.")
            before, when = self._stopped.get(run.folder, (None, 0.0))
            if before == process and time.monotonic() - when < SAVING:  # asked twice, it ends at once and saves nothing
                return f"{run.name} was asked to stop already; it saves everything first."
            try:
                os.kill(process, signal.SIGTERM)
            except (ProcessLookupError, PermissionError) as error:
                raise InputError(f"{run.name} cannot be stopped from here: {error.strerror}.") from error
            self._stopped[run.folder] = (process, time.monotonic())
        return f"{run.name} is asked to stop; it saves everything first."

    def go_on(self, run: Run) -> str:
        """Take a run up again, as `./dcgan resume` does.

        Raises:
            InputError: it is being trained already, or has all that it is to have.
        """
        data = [] if self._data_dir is None else ["--data-dir", str(self._data_dir)]
        with self._lock:
            if run.is_running or self._resumed.is_alive(run):
                raise InputError(f"{run.name} is being trained already.")
            if run.is_finished:
                raise InputError(f"{run.name} is finished; `./dcgan resume` trains it for longer.")
            self._resumed.start(run, "resume", str(run.folder), *data)
        return f"{run.name} goes on; the first update takes some seconds."

    def report(self, run: Run) -> str:
        """Have a report of a run made, as `./dcgan report` does; one that is there keeps its heading.

        Raises:
            InputError: it is being made already, or there is one that begins with its author's words.
        """
        if begins_with(run, self._own_text):  # they are in a file of the author's, and would be lost
            again = command("report", run.folder, "--text", "FILE.md")
            raise InputError(
                f"The report of {run.name} begins with its author's words: make it anew from the file that these are "
                f"in, with `{again}`."
            )
        heading = _report(run).get("title")
        kept = [f"--title={heading}"] if heading and isinstance(heading, str) else []
        with self._lock:
            if self._reported.is_alive(run):
                raise InputError(f"The report of {run.name} is being made already.")
            self._reported.start(run, "report", str(run.folder), *kept)
        return f"The report of {run.name} is being made; that takes about half a minute."

    def about(self, run: Run) -> dict:
        """What is under way for a run, and what has failed and was not made good since."""
        kept_from_training = "" if run.is_running else self._resumed.complaint(run, run.folder / "state.json")
        return {
            "starting": self._resumed.is_alive(run),
            "complaint": kept_from_training or self._reported.complaint(run, *report_files(run).values()),
            "reporting": self._reported.is_alive(run),
        }


def _shorter(now: tuple, before: tuple) -> bool:
    return any(one[1] < other[1] for one, other in zip(now, before))


def _about(file: Path) -> tuple[int, int]:
    try:
        about = file.stat()
    except FileNotFoundError:
        return (0, 0)
    return (about.st_mtime_ns, about.st_size)


def _plain(columns: Mapping[str, np.ndarray]) -> dict[str, list]:
    """Numbers for JSON, to six digits."""
    return {
        name: [float(f"{value:.6g}") if math.isfinite(value) else None for value in values.tolist()]
        for name, values in columns.items()
    }
