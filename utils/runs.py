"""The run folder: what a training leaves on disk, where anybody can read it.

    saved_models/<dataset>/<NNNN>-<preset>/
        experiment.json   every setting, resolved       steps.jsonl       losses and scores of every update
        environment.json  versions, device, data        epochs.jsonl      the summary after every epoch
        log.txt           what happened, with times      latents.npy       latents of the grids
        state.json        how it stands                  watch.jsonl       what the watch saw
        grids/            true.png, epoch_0000.png …     losses.png        curves
        training.mp4/.gif the grids as a film            tensorboard/      the same for TensorBoard
        models/           the networks of the last summary: generator.keras, discriminator.keras, and those of other
                          players (encoder.keras, rotation.keras) that a recipe has
                          (a run on texts has models/text_encoder.keras and .json)
                          (a conditional run has conditions.npy: conditions of training images)
                          (a run that counts updates has update_000000.png … in place of epoch_0000.png …)
        models/best/      the best networks, and best.json: what they are
        checkpoints/      what `resume` goes on from      quality.json      what `evaluate` measured
        report/           what `report` made of all this  features.json     what `features --json` gave, for `report`

Each file appears whole or not at all; the .jsonl files grow line by line and are cut back to the checkpoint on resume.
Nothing that is done after each epoch may take longer the more epochs there have been, so record files are read from
where they were left (`Rows`) and drawn with a bounded number of points (`Thinned`).
"""

import contextlib
import dataclasses
import errno
import json
import os
import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from utils import config, viz
from utils.config import Experiment, ModelConfig
from utils.data.catalogue import is_own
from utils.data.dataset import Dataset
from utils.errors import InputError
from utils.files import NO_ARRAY, expanded, holder, is_locked, locked, make_folder, read_object, write_json
from utils.lengths import unit_of
from utils.text import one_line, shorten, slug

if TYPE_CHECKING:  # it takes a while to load
    from matplotlib.figure import Figure

PROJECT = Path(__file__).resolve().parent.parent
POINTS = 16_384
"""Curves are drawn with all points until there are twice as many, and from then on with means over some at a time."""


def runs_folder(runs_dir: str | Path | None = None) -> Path:
    """Where runs go: as given, else the environment's DCGAN_RUNS_DIR, else `saved_models/` of the project."""
    return expanded(runs_dir or os.environ.get("DCGAN_RUNS_DIR") or PROJECT / "saved_models")


def not_writable(home: str | Path, error: OSError) -> InputError:
    """What is said of a folder where runs were to go, and why they cannot."""
    return InputError(f"Runs cannot be written to {home}: {error.strerror}; choose another --runs-dir.")


@dataclass(frozen=True)
class State:
    """How a run stands; `state.json` holds it.

    Attributes:
        status: "running", "finished" (it has all its epochs, or updates), "stopped" (somebody asked for it) or
            "failed". A process that is killed leaves "running" behind; see `Run.in_words`.
        update: updates that are saved, from where `resume` goes on.
        epoch: whole epochs among them.
        seconds: from the first of them to the last, with the summaries and checkpoints in between, in all processes
            that trained; what a killed one did after its last checkpoint is not in it.
        why: of a run that was stopped or failed, the reason in one sentence.
        written: when this was written, in seconds since 1970.
        rollbacks: each time that the training failed and went back: "from" one update "to" another, with "step_sizes"
            (a factor) from there on, and "why".
        replicas: by how many "workers" with how many "devices" each updates were computed, from each "update" on at
            which that changed; before the first it was one device.
    """

    status: str
    update: int = 0
    epoch: int = 0
    seconds: float = 0.0
    why: str = ""
    written: float = 0.0
    rollbacks: list[dict] = dataclasses.field(default_factory=list)
    replicas: list[dict] = dataclasses.field(default_factory=list)


@dataclass(frozen=True)
class Run:
    """One run folder.

    Attributes:
        folder: its path.
    """

    folder: Path

    def __post_init__(self):
        object.__setattr__(self, "folder", Path(self.folder))

    @classmethod
    def create(cls, experiment: Experiment, environment: dict, root: str | Path | None = None) -> "Run":
        """Make a new, numbered folder for `experiment`; no existing run is touched, also if two start at once."""
        home = runs_folder(root) / dataset_slug(experiment.data.name)
        try:
            make_folder(home)
            run = cls(_new_folder(home, experiment.preset))
        except OSError as error:
            raise not_writable(home, error) from error
        write_json(run.folder / "environment.json", environment)
        run.save_experiment(experiment)
        run.save_state(State("running"))
        return run

    @classmethod
    def all(cls, root: str | Path | None = None) -> list["Run"]:
        """All runs below a folder of runs, those last that were heard of last; of one that does not say how it stands,
        when its state.json was written counts."""
        folders = (cls(file.parent) for file in sorted(runs_folder(root).glob("*/*/experiment.json")))
        return sorted(folders, key=_last_heard_of)

    @classmethod
    def find(cls, name: str | Path, root: str | Path | None = None) -> "Run":
        """Find a run by its path, by its path below the runs' folder ("faces/0001-quick"), or as "last".

        Raises:
            InputError: there is no such run; the message names those that exist.
        """
        root = runs_folder(root)
        if str(name) == "last" and (known := cls.all(root)):
            return known[-1]
        for folder in (expanded(name), root / name):
            if (folder / "experiment.json").is_file():
                return cls(folder.resolve())
        listed = ", ".join(run.name for run in cls.all(root)[-5:]) or "none yet; `./dcgan train` makes one"
        raise InputError(f"There is no run {str(name)!r}. Runs in {root}: {listed}.")

    @property
    def name(self) -> str:
        """What it is called among the runs: "faces/0001-quick"."""
        return f"{self.folder.parent.name}/{self.folder.name}"

    @cached_property
    def experiment(self) -> Experiment:
        """The settings of the run."""
        return config.from_dict(read_object(self.folder / "experiment.json"))

    def save_experiment(self, experiment: Experiment) -> None:
        """Write the settings."""
        self.__dict__.pop("experiment", None)
        write_json(self.folder / "experiment.json", config.to_dict(experiment))

    @cached_property
    def environment(self) -> dict:
        """Versions, device and data fingerprint of the machine that the run was started on."""
        return read_object(self.folder / "environment.json")

    @property
    def unit(self) -> str:
        """What it and its summaries are counted in, "epoch" or "update"; records have their number by that name."""
        return unit_of(self.experiment.training)

    @property
    def goal(self) -> int:
        """How many of these it is to have."""
        training = self.experiment.training
        return training.epochs if training.updates is None else training.updates

    @property
    def is_finished(self) -> bool:
        """Whether it has all that its settings ask for."""
        state = self.state
        return state.status == "finished" and (state.epoch if self.unit == "epoch" else state.update) >= self.goal

    # --- places -------------------------------------------------------------------------------------------------------

    @property
    def steps_file(self) -> Path:
        return self.folder / "steps.jsonl"

    @property
    def epochs_file(self) -> Path:
        return self.folder / "epochs.jsonl"

    @property
    def watch_file(self) -> Path:
        return self.folder / "watch.jsonl"

    @property
    def latents_file(self) -> Path:
        return self.folder / "latents.npy"

    @property
    def conditions_file(self) -> Path:
        return self.folder / "conditions.npy"

    @property
    def conditions(self) -> np.ndarray | None:
        """Conditions of training images, which what is not asked for is drawn from; see `read_conditions`."""
        return read_conditions(self.conditions_file, self.experiment.model)

    @property
    def quality_file(self) -> Path:
        """Where `evaluate` keeps what it measured."""
        return self.folder / "quality.json"

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def true_grid(self) -> Path:
        return self.folder / "grids" / "true.png"

    @property
    def losses_plot(self) -> Path:
        return self.folder / "losses.png"

    @property
    def film(self) -> Path:
        return self.folder / "training.mp4"

    @property
    def board(self) -> Path:
        return self.folder / "tensorboard"

    def grid(self, number: int) -> Path:
        """The grid of a summary, by its number."""
        return self.folder / "grids" / f"{self._numbered(number)}.png"

    @property
    def healthy(self) -> Path:
        return self.checkpoints / "healthy"

    @property
    def best_file(self) -> Path:
        return self.folder / "models" / "best" / "best.json"

    @property
    def models(self) -> Path:
        """Where its networks are; of a run on texts, the encoder of these, too."""
        return self.folder / "models"

    def model(self, name: str, which: int | str | None = None) -> Path:
        """The file of a player, a name of `registries.PLAYERS`: the newest, the one kept at a summary (its number, of a
        run with `keep_models`), or the "best" (of a run with `keep` "best")."""
        folder = self._numbered(which) if isinstance(which, int) else which or ""
        return self.folder / "models" / folder / f"{name}.keras"

    def kept(self, player: str) -> dict[int, Path]:
        """The networks of a player ("generator", …) that were kept at summaries, each by how many updates it has had,
        the fewest first; {} of a run without `keep_models`."""
        numbers = [row[self.unit] for row in self.epochs()]
        files = {number: self.model(player, number) for number in numbers}
        there = {number: file for number, file in files.items() if file.is_file()}
        each = self._updates_of_a_unit() if there else 1
        return {number * each: file for number, file in there.items()}

    @property
    def written_by_training(self) -> tuple[Path, ...]:
        """Files that a training writes whole, and folders of such. In the rest of the folder other commands write, also
        while it is being trained."""
        settings, state, film = self.folder / "experiment.json", self.folder / "state.json", self.film
        files = (settings, state, self.latents_file, self.conditions_file, self.losses_plot, film)
        return (*files, film.with_suffix(".gif"), self.true_grid.parent, self.models, self.checkpoints)

    @property
    def updates(self) -> int:
        """How many updates its newest networks have had: those before its last summary, which wrote them, or, after a
        rollback, before the one that it went back to. Records and checkpoint of a training that was stopped are further
        on."""
        last = self.epochs(1)
        return last[0][self.unit] * self._updates_of_a_unit() if last else 0

    def _updates_of_a_unit(self) -> int:
        """Of an epoch those of the first, or those of it that there are."""
        return 1 if self.unit == "update" else int(np.count_nonzero(self.steps().get("epoch", np.empty(0)) == 1))

    def _numbered(self, number: int) -> str:
        return f"epoch_{number:04d}" if self.unit == "epoch" else f"update_{number:06d}"

    # --- records ------------------------------------------------------------------------------------------------------

    def steps(self, last: int | None = None) -> dict[str, np.ndarray]:
        """Updates so far, all or the last so many, as an array for each recorded name ("update", "loss_true", …)."""
        return columns(_rows(self.steps_file, last))

    def epochs(self, last: int | None = None) -> list[dict]:
        """Summaries so far, all or the last so many, as `training.summary.performance_summarizer` made them."""
        return _rows(self.epochs_file, last)

    def watch(self) -> list[dict]:
        """All measurements so far, those of the watch and those of copies, which `training.doctor` reads."""
        return _rows(self.watch_file)

    @property
    def state(self) -> State:
        """How it stands; of a run that was made before there was a state.json, as far as its other files tell."""
        file = self.folder / "state.json"
        if not file.exists():
            return _state_by_its_log(self)
        known = {field.name: type(field.default) for field in dataclasses.fields(State) if field.name != "status"}
        known |= {"status": str, "rollbacks": list, "replicas": list, "seconds": (int, float), "written": (int, float)}
        values = {name: value for name, value in read_object(file).items() if name in known}
        odd = [name for name, value in values.items() if not isinstance(value, known[name])]
        if odd or "status" not in values:
            raise InputError(f"{file} does not say how the run stands ({', '.join(odd) or 'no status'}): remove it.")
        return State(**values)

    def save_state(self, state: State) -> None:
        """Write how it stands, with the time."""
        write_json(self.folder / "state.json", dataclasses.asdict(state) | {"written": time.time()})

    @property
    def best(self) -> dict | None:
        """What is known of the best networks: the summary that they are of, by its number ("epoch") and "update",
        "rollbacks" before it, and their "distance"."""
        return read_object(self.best_file) if self.best_file.exists() else None

    @property
    def seconds(self) -> float | None:
        """How long the training took, as `State.seconds` counts; None if it is not finished."""
        return self.state.seconds if self.state.status == "finished" else None

    def in_words(self) -> str:
        """How it stands, in words. Whether a process is at work on it is told by the lock, which a killed one frees."""
        state = self.state
        if state.status != "running":
            return state.status + (f" ({state.why.rstrip('.')})" if state.why else "")
        words = {True: "running", False: "no process is at work on it: it was killed"}
        return words.get(is_locked(self._lock), "running, or killed (this disk has no locks that would tell)")

    @property
    def is_running(self) -> bool:
        """Whether a process is at work on it, as far as the lock tells."""
        return self.state.status == "running" and is_locked(self._lock) is not False

    @property
    def process(self) -> int | None:
        """The number of the process that is training it, where that is on this machine; None if there is none."""
        return holder(self._lock)

    def log(self, sentence: str) -> None:
        """Add a line with date and time to log.txt."""
        with (self.folder / "log.txt").open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {one_line(sentence)}\n")

    def logged(self) -> list[str]:
        """What log.txt says, without dates and times: to be read by people, never by a program."""
        log, sentences = self.folder / "log.txt", []
        for line in log.read_text(encoding="utf-8", errors="replace").split("\n") if log.exists() else ():
            dated = re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (.*)", line)
            if dated:
                sentences.append(dated[1])
            elif line and sentences:  # names used to be written with their line breaks
                sentences[-1] += f" {line}"
        return sentences

    @property
    def _lock(self) -> Path:
        return self.folder / ".lock"

    def expect_there(self) -> None:
        """Make sure that the folder is still the one that this process has locked.

        Raises:
            FileNotFoundError: it is gone (a disk that was taken away), and maybe a part of it made anew by a writer.
        """
        if not self._lock.exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.folder))

    def locked(self, say: Callable[[str], None] | None = None) -> AbstractContextManager[None]:
        """Keep other processes from training in this folder.

        Args:
            say: is told if the disk has no locks; the log by default.

        Raises:
            InputError: another process does already.
        """

        def taken() -> None:
            raise InputError(f"Another process is training in {self.folder}; wait for it or stop it.")

        return locked(self._lock, taken, say or self.log)


class Rows:
    """Reads a record file that grows: each row once, from where the last reading ended.

    Args:
        path: of a .jsonl file; it need not be there yet.
    """

    def __init__(self, path: str | Path):
        self._path, self._offset = Path(path), 0

    def read(self, most: int | None = None) -> list[dict]:
        """The next rows, at most so many; none if there are none yet."""
        rows: list[dict] = []
        if not self._path.exists():
            return rows
        with self._path.open("rb") as file:
            file.seek(self._offset)
            # A line without its end is one that is being written, or that a killed process did not finish.
            while (most is None or len(rows) < most) and (line := file.readline()).endswith(b"\n"):
                rows.append(_row(line, self._path))
                self._offset += len(line)
        return rows


class Thinned:
    """A record file that grows, as columns of fewer than 2 POINTS values; later calls read only what came since.

    Beyond that many rows a value is the mean over 2, 4, 8 … of them. They are added in one fixed order, so the values
    depend on the rows alone, and not on when the file was read.

    Args:
        path: of a .jsonl file whose rows are numbers by name. The first row has all names, later ones may lack some.
        points: see POINTS.
    """

    def __init__(self, path: str | Path, points: int = POINTS):
        self._rows, self._points = Rows(path), points
        self._names: tuple[str, ...] = ()
        self._each = 1  # rows in a value
        # Of whole values, and the rows that do not make one yet; each number with how many there are in it, because
        # not every row has every name.
        self._sums = self._rest = np.empty((0, 0, 2))

    def columns(self) -> dict[str, np.ndarray]:
        """float64 (N,) for each name, N below 2 POINTS; {} while there is no row."""
        while rows := self._rows.read(min(self._points, self._room())):
            self._names = self._names or tuple(rows[0])
            new = np.array([[(row.get(name, 0.0), name in row) for name in self._names] for row in rows], float)
            new = np.concatenate([self._rest.reshape(-1, len(self._names), 2), new])
            whole = len(new) // self._each * self._each
            self._rest, sums, rows_in_one = new[whole:], new[:whole], 1
            while rows_in_one < self._each:
                sums, rows_in_one = _in_pairs(sums), 2 * rows_in_one
            self._sums = np.concatenate([self._sums.reshape(-1, len(self._names), 2), sums])
            if len(self._sums) == 2 * self._points:
                self._sums, self._each = _in_pairs(self._sums), 2 * self._each
        sums, counts = self._sums[..., 0], self._sums[..., 1]
        with np.errstate(invalid="ignore"):  # NaN where no row has it
            return dict(zip(self._names, (sums / counts).T))

    def _room(self) -> int:
        """Rows until values have to be joined."""
        return (2 * self._points - len(self._sums)) * self._each - len(self._rest)


def _in_pairs(sums: np.ndarray) -> np.ndarray:
    return sums[0::2] + sums[1::2]


class Curves:
    """Draws a run's curves again and again while it trains; see `draw_curves`."""

    SHARE = 0.05
    """Of the time of a training, that `keep_up` spends at most."""

    def __init__(self, run: Run):
        self._last, self._cost = time.monotonic(), 0.5  # seconds, before it is known
        self._run, self._steps, self._epochs = run, Thinned(run.steps_file), Thinned(run.epochs_file)
        self._first_epoch, self._per_epoch, self._is_whole = Rows(run.steps_file), 0, False

    def keep_up(self) -> None:
        """Draw, if the last time was long enough ago. Whoever ends a training draws at its end."""
        begun = time.monotonic()
        if begun - self._last > self._cost / self.SHARE:
            self.draw()
            self._last = time.monotonic()
            self._cost = self._last - begun

    def draw(self, folder: str | Path | None = None) -> Path | None:
        """Draw losses, scores and accuracies so far to losses.png; None before the first update."""
        from utils.figure import write_figure  # it takes a while to load

        figure, plot = self.figure(), self._run.losses_plot
        return figure and write_figure(Path(folder) / plot.name if folder else plot, figure)

    def figure(self) -> "Figure | None":
        """Losses, scores and accuracies so far; None before the first update."""
        steps, experiment = self._steps.columns(), self._run.experiment
        if not steps:
            return None
        unit = self._run.unit
        if unit == "epoch":
            steps["epoch"] = steps["update"] / self._updates_per_epoch()
        about = f"{experiment.preset} on {shorten(dataset_name(experiment.data.name), 50)}"
        title = f"{about}, seed {experiment.training.seed}"
        return viz.plot_training(steps, self._epochs.columns(), title, unit, experiment.training.loss)

    def _updates_per_epoch(self) -> int:
        """Updates of the first epoch, or those of it that there are."""
        while not self._is_whole and (rows := self._first_epoch.read(POINTS)):
            inside = sum(row["epoch"] == 1 for row in rows)
            self._per_epoch, self._is_whole = self._per_epoch + inside, inside < len(rows)
        return self._per_epoch


def draw_curves(run: Run, folder: str | Path | None = None) -> Path | None:
    """Draw losses, scores and accuracies of a run so far.

    Args:
        run: the run.
        folder: where to write losses.png; the run folder by default.

    Returns:
        The file; None before the first update.
    """
    return Curves(run).draw(folder)


def draw_film(run: Run, fps: float = 4, folder: str | Path | None = None) -> list[Path]:
    """Make training.mp4 and training.gif from the grids, with the epoch or the update written in.

    Args:
        run: the run.
        fps: grids per second.
        folder: where to write; the run folder by default.

    Returns:
        The files.

    Raises:
        InputError: the run has no grids yet.
    """
    numbers, experiment = filmed(run), run.experiment
    about = f"{experiment.preset} on {shorten(dataset_name(experiment.data.name), 30)}"
    files = [Path(folder or run.folder) / name for name in ("training.mp4", "training.gif")]
    for file in files:
        # One by one: a long training has more grids than memory holds.
        # The number first: what a narrow grid has no room for is cut off.
        frames = (viz.caption(viz.read_png(run.grid(n)), f"{run.unit} {n:,}: {about}") for n in numbers)
        viz.write_film(file, frames, fps)
    return files


def filmed(run: Run) -> list[int]:
    """The summaries that the film of a run shows, by their numbers: those whose grids are there.

    Raises:
        InputError: the run has no grids yet.
    """
    numbers = [row[run.unit] for row in run.epochs() if run.grid(row[run.unit]).exists()]
    if not numbers:
        raise InputError(f"{run.folder} has no grids yet: let it train for a while first.")
    return numbers


def _new_folder(home: Path, preset: str) -> Path:
    """Make the folder of the next number; another run may take a number at the same time."""
    while True:
        number = 1 + max((int(m[1]) for f in home.iterdir() if (m := re.match(r"(\d{4,})-", f.name))), default=0)
        folder = home / f"{number:04d}-{preset}"
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
            return folder


def check_place(title: str, data: str, cure: str = "--data") -> None:
    """Refuse what a run was trained on if its own pictures are no longer where they were.

    Args:
        title: of the run.
        data: what it was trained on.
        cure: the option, or the command, that says where they are.

    Raises:
        InputError: it says so, and how to say where they are.
    """
    if is_own(data) and not expanded(data).exists():
        seen_from = "" if Path(data).is_absolute() else ", as seen from where it was started"
        raise InputError(
            f"The pictures of {title} were in {data}{seen_from}, where there is nothing now; say where they are now "
            f"with {cure}."
        )


def dataset_name(name: str) -> str:
    """What to call a dataset in a heading: its name, or the last part of its path, in one line."""
    return one_line(_last_part(name))


def dataset_slug(name: str) -> str:
    """A folder name for a dataset: its name, or the last part of its path."""
    return slug(_last_part(name)) or "data"


def results_slug(dataset: Dataset, count: int | None, *more: str) -> str:
    """A folder name for what is found out about a dataset: NAME-SPLIT-SIZE, with `more` behind it.

    What else decides the images comes last, so that nothing is overwritten: `count`, where one is asked for; of own
    pictures digits of their fingerprint, since many folders have the same name.
    """
    last = (dataset.fingerprint[:8],) if is_own(dataset.name) else () if count is None else (str(count),)
    return "-".join([dataset_slug(dataset.name), dataset.split, str(dataset.images.shape[1]), *more, *last])


def _last_part(name: str) -> str:
    path = Path(os.path.abspath(name))
    return path.stem if path.suffix.lower() in (".npy", ".npz") else path.name


def _last_heard_of(run: Run) -> float:
    state = run.folder / "state.json"
    if state.exists():
        try:
            return run.state.written
        except (InputError, OSError):  # told to whoever uses this run, and not to everybody who looks for others
            return state.stat().st_mtime
    log = run.folder / "log.txt"  # of a run made before: it gets a line whenever something happens
    return (log if log.exists() else run.folder / "experiment.json").stat().st_mtime


def _state_by_its_log(run: Run) -> State:
    """How a run stands that was made before there was a state.json: by its last sentence, and its records."""
    steps, epochs = _rows(run.steps_file, 1), run.epochs(1)
    update, epoch = (steps[-1]["update"] if steps else 0), (epochs[-1]["epoch"] if epochs else 0)
    sentences = run.logged()
    for sentence in reversed(sentences):
        finished = re.match(r"Finished after (\d+) updates and (\d+) s", sentence)
        if finished and int(finished[1]) == update:
            return State("finished", update, epoch, float(finished[2]))
    if sentences and sentences[-1].startswith("Stopped "):
        return State("stopped", update, epoch, why=sentences[-1])
    return State("running", update, epoch)


def read_conditions(file: str | Path, model: ModelConfig | None = None) -> np.ndarray | None:
    """What is kept beside a network of the conditions of its training images.

    Args:
        file: conditions.npy.
        model: the `.model` section of the experiment, where that is known.

    Returns:
        uint8 (M, C) of 0 and 1, or float32 of texts, M at least 1; None if there is no such file.

    Raises:
        InputError: it is damaged, or of another model.
    """
    if not Path(file).exists():
        return None
    try:
        found = np.load(file, mmap_mode="r", allow_pickle=False)  # a header may promise more than memory holds
    except NO_ARRAY as error:
        raise InputError(f"{file} is no readable .npy file ({one_line(str(error))}): take it from a copy.") from error
    fits = isinstance(found, np.ndarray) and found.dtype in (np.uint8, np.float32) and found.ndim == 2 and len(found)
    wide = "C" if model is None or not model.is_conditional else model.condition_size
    if not fits or wide not in ("C", found.shape[1]) or not np.isfinite(found).all():
        received = f"{found.dtype} {found.shape}" if isinstance(found, np.ndarray) else "several arrays"
        raise InputError(
            f"{file} should hold finite conditions, uint8 or float32 (M, {wide}): take it from a copy. "
            f"Received: {received}."
        )
    return np.array(found)


def _row(line: bytes, path: Path) -> dict:
    """A line of a record file."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        raise InputError(
            f"{path} is damaged: a line is no JSON object ({line[:50]!r}…); remove it, or take the file from a copy."
        )
    return row


def _rows(path: Path, last: int | None = None) -> list[dict]:
    """Rows of a record file, all or the last so many."""
    if last is None:
        return Rows(path).read()
    if not path.exists():
        return []
    with path.open("rb") as file:
        start = file.seek(0, os.SEEK_END)
        tail = b""
        while start and tail.count(b"\n") <= last:
            step = min(start, 1 << 16)
            start = file.seek(start - step)
            tail = file.read(step) + tail
    whole = tail[: tail.rfind(b"\n") + 1].splitlines()
    return [_row(line, path) for line in whole[-last:]]


def columns(rows: list[dict]) -> dict[str, np.ndarray]:
    """One array for each name of any row; NaN where a row does not have it (what was not due in an update)."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: np.array([row.get(name, np.nan) for row in rows]) for name in names}
