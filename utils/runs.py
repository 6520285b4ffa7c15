"""The run folder: what a training leaves on disk, where anybody can read it.

    saved_models/<dataset>/<NNNN>-<preset>/
        experiment.json   every setting, resolved       steps.jsonl       losses and scores of every update
        environment.json  versions, device, data        epochs.jsonl      the summary after every epoch
        log.txt           what happened, with times      latents.npy       latents of the grids
        grids/            true.png, epoch_0000.png …     losses.png        curves
        training.mp4/.gif the grids as a film            tensorboard/      the same for TensorBoard
        models/           generator.keras, discriminator.keras
        checkpoints/      what `resume` goes on from

Each file appears whole or not at all; the .jsonl files grow line by line and are cut back to the checkpoint on resume.
"""

import contextlib
import fcntl
import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from utils import config, viz
from utils.config import Experiment
from utils.errors import InputError
from utils.files import read_json, write_json

PROJECT = Path(__file__).resolve().parent.parent


def runs_folder() -> Path:
    """Where runs go: the environment variable DCGAN_RUNS_DIR, else `saved_models/` of the project."""
    return Path(os.environ.get("DCGAN_RUNS_DIR") or PROJECT / "saved_models")


@dataclass(frozen=True)
class Run:
    """One run folder.

    Attributes:
        folder: its path.
    """

    folder: Path

    @classmethod
    def create(cls, experiment: Experiment, environment: dict, root: Path | None = None) -> "Run":
        """Make a new, numbered folder for `experiment`; no existing run is touched, also if two start at once."""
        home = (root or runs_folder()) / dataset_slug(experiment.data.name)
        try:
            home.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError, PermissionError) as error:
            raise InputError(
                f"Runs cannot be written to {home}: {error.strerror}; choose another --runs-dir."
            ) from error
        while True:
            number = 1 + max((int(m[1]) for f in home.iterdir() if (m := re.match(r"(\d{4,})-", f.name))), default=0)
            folder = home / f"{number:04d}-{experiment.preset}"
            try:
                folder.mkdir()
                break
            except FileExistsError:  # another run took the number in the meantime
                continue
        run = cls(folder)
        write_json(folder / "environment.json", environment)
        run.save_experiment(experiment)
        return run

    @classmethod
    def find(cls, name: str | Path, root: Path | None = None) -> "Run":
        """Find a run by its path, by its path below the runs' folder ("faces/0001-quick"), or as "last".

        Raises:
            InputError: there is no such run; the message names those that exist.
        """
        root = root or runs_folder()
        known = sorted(root.glob("*/*/experiment.json"), key=_last_touched)
        if str(name) == "last" and known:
            return cls(known[-1].parent)
        for folder in (Path(name), root / name):
            if (folder / "experiment.json").is_file():
                return cls(folder.resolve())
        listed = ", ".join(str(f.parent.relative_to(root)) for f in known[-5:]) or "none yet; `./dcgan train` makes one"
        raise InputError(f"There is no run {str(name)!r}. Runs in {root}: {listed}.")

    @cached_property
    def experiment(self) -> Experiment:
        """The settings of the run."""
        try:
            return config.from_dict(read_json(self.folder / "experiment.json"))
        except json.JSONDecodeError as error:
            raise InputError(f"{self.folder / 'experiment.json'} is not readable JSON: {error}.") from error

    def save_experiment(self, experiment: Experiment) -> None:
        """Write the settings."""
        self.__dict__.pop("experiment", None)
        write_json(self.folder / "experiment.json", config.to_dict(experiment))

    @cached_property
    def environment(self) -> dict:
        """Versions, device and data fingerprint of the machine that the run was started on."""
        return read_json(self.folder / "environment.json")

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

    def grid(self, epoch: int) -> Path:
        return self.folder / "grids" / f"epoch_{epoch:04d}.png"

    def model(self, name: str, epoch: int | None = None) -> Path:
        """The newest "generator" or "discriminator", or the one kept at an epoch (a run with `keep_models`)."""
        return self.folder / "models" / ("" if epoch is None else f"epoch_{epoch:04d}") / f"{name}.keras"

    # --- records ------------------------------------------------------------------------------------------------------

    def steps(self) -> dict[str, np.ndarray]:
        """All updates so far, as one array for each recorded name ("update", "epoch", "loss_true", …)."""
        return _columns(_rows(self.steps_file))

    def epochs(self) -> list[dict]:
        """The summaries of all epochs so far, as `training.summary.performance_summarizer` made them."""
        return _rows(self.epochs_file)

    @property
    def seconds(self) -> float | None:
        """How long the training took, without preparing and summaries; None if it is not finished."""
        log = self.folder / "log.txt"
        found = re.findall(r"Finished after \d+ updates and (\d+) s", log.read_text(encoding="utf-8"))
        return float(found[-1]) if found else None

    def watch(self) -> list[dict]:
        """All measurements of the watch so far, as `training.watch.Watch.measure` made them."""
        return _rows(self.watch_file)

    def log(self, sentence: str) -> None:
        """Add a line with date and time to log.txt."""
        with (self.folder / "log.txt").open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {sentence}\n")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from training in this folder.

        Raises:
            InputError: another process does already.
        """
        with (self.folder / ".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise InputError(f"Another process is training in {self.folder}; wait for it or stop it.") from error
            yield


def draw_curves(run: Run) -> Path | None:
    """Draw losses, scores and accuracies of a run so far to losses.png; None before the first update."""
    steps, epochs = run.steps(), run.epochs()
    if not steps:
        return None
    per_epoch = np.bincount(steps["epoch"].astype(int)).max()
    steps["epoch"] = steps["update"] / per_epoch
    experiment = run.experiment
    title = f"{experiment.preset} on {experiment.data.name}, seed {experiment.training.seed}"
    viz.plot_training(run.losses_plot, steps, _columns(epochs), title)
    return run.losses_plot


def draw_film(run: Run, fps: float = 4, folder: Path | None = None) -> list[Path]:
    """Make training.mp4 and training.gif from the epoch grids, with the epoch written in.

    Args:
        run: the run.
        fps: epochs per second.
        folder: where to write; the run folder by default.

    Returns:
        The files.

    Raises:
        InputError: the run has no grids yet.
    """
    grids = [(row["epoch"], run.grid(row["epoch"])) for row in run.epochs()]
    grids = [(epoch, path) for epoch, path in grids if path.exists()]
    if not grids:
        raise InputError(f"{run.folder} has no epoch grids yet: let it train for a while first.")
    experiment = run.experiment
    about = f"{experiment.preset} on {dataset_slug(experiment.data.name)}"
    frames = [viz.caption(viz.read_png(path), f"{about}, epoch {epoch}") for epoch, path in grids]
    files = [(folder or run.folder) / name for name in ("training.mp4", "training.gif")]
    for file in files:
        viz.write_film(file, frames, fps)
    return files


def dataset_slug(name: str) -> str:
    """A folder name for a dataset: its name, or the last part of its path."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", Path(name).stem if os.sep in name else name).strip("-.") or "data"


def _last_touched(experiment_file: Path) -> float:
    """When a run was last heard of: its log gets a line whenever something happens."""
    log = experiment_file.parent / "log.txt"
    return (log if log.exists() else experiment_file).stat().st_mtime


def _rows(path: Path) -> list[dict]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8") as file:
        # A line without its end is one that is being written, or that a killed process did not finish.
        return [json.loads(line) for line in file if line.endswith("\n")]


def _columns(rows: list[dict]) -> dict[str, np.ndarray]:
    return {name: np.array([row[name] for row in rows]) for name in rows[0]} if rows else {}
