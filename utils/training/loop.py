"""The loop around the step: run folder, progress, summaries, checkpoints; stopping and going on.

A training goes through the same states in the same order however often it is interrupted. Everything random is decided
by (seed, epoch, update); everything else that an update changes is in the checkpoint; the record files are cut back to
where they were at the checkpoint.
"""

import contextlib
import dataclasses
import errno
import json
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
from tqdm.auto import tqdm

from utils import config, runtime
from utils.cluster import launched
from utils.config import CHECKPOINT_SECONDS, Experiment, check_checkpoint_seconds
from utils.data import Dataset, load_for
from utils.data.catalogue import is_own, place_of
from utils.data.conditions import GRID_COLUMNS, Conditions, kept_rows, rows_having, with_names
from utils.data.likeness import refuse_hopeless
from utils.errors import InputError, Interrupted, TrainingFailed, WorkerLost
from utils.files import appears_whole, force, remove_unfinished
from utils.lengths import Length, seconds_of, share_beside, unit_of
from utils.runs import Curves, Run, State, check_place, draw_film
from utils.sampling import Sampler, make_latent_samples
from utils.tables import duration, roughly
from utils.text import command, one_line, unkept
from utils.training import checkpoint
from utils.training.batches import Schedule, batches
from utils.training.board import Board
from utils.training.copies import Copies
from utils.training.doctor import Diagnosis, Finding
from utils.training.losses import undecided_logit
from utils.training.players import build_players, learning_rate
from utils.training.step import Record, Update
from utils.training.summary import keep_best, performance_summarizer, save_networks
from utils.training.team import Team, losses_in_words, team_for
from utils.training.watch import Watch, of_updates
from utils.viz import grid, write_png

GRID_SAMPLES = 64
"""Pictures in a grid; that of a conditional model has rows of GRID_COLUMNS, one for each class or attribute."""
FORECAST_SECONDS = 5.0
"""How long the speed is measured before the time of the whole training is said."""
TOO_SLOW = 1.25
"""A training that takes so many times as long as was measured before is said to."""
_SLOWER = "That is more than the {} that were measured before: the machine is busier now. The number of updates stays."
ROLLBACKS, SMALLER = 3, 0.5
"""With `on_collapse` "rollback" a training goes back at most so many times, and each time on with this part of its step
sizes."""
Distance = Callable[[Experiment], Callable[[Sampler], dict]]
"""What `train` takes to tell which networks are the best."""
_ALONE = {"workers": 1, "devices": 1}  # who computes where nothing else is written down
_READ_SECONDS = 0.25  # losses are fetched from the device so often, not after every update: a GPU would have to wait


def train(
    experiment: Experiment,
    *,
    dataset: Dataset | None = None,
    runs_dir: str | Path | None = None,
    data_dir: str | Path | None = None,
    progress: bool = True,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    force_precision: bool = False,
    why: Sequence[str] = (),
    update_seconds: float | None = None,
    distance: Distance | None = None,
    strategy: str = "one",
) -> Run | None:
    """Train an experiment from the beginning, in a new run folder.

    Args:
        experiment: what to train.
        dataset: the images, if they are loaded already; else `experiment.data` is loaded.
        runs_dir: where run folders go; `saved_models/` by default.
        data_dir: where datasets are; `data/` by default.
        progress: whether to show progress bars and say where things go.
        checkpoint_seconds: time between checkpoints.
        force_precision: whether to train in a precision that this machine has to emulate.
        why: sentences for the log: what was chosen, and for which reason.
        update_seconds: what an update should take, if that was measured; where it takes longer, that is said.
        distance: gives for an experiment that keeps its best networks what measures how far samples are from true
            images, such as `evaluation.best.distance_for`: of a sampler a dict of plain values, the smaller "value" the
            better. It is called once the devices are set up, and by the chief alone.
        strategy: which devices or workers compute the updates together (see `team.team_for`). The batch is that of the
            settings however many they are, and the result the same but for rounding.

    Returns:
        The finished run; None in a worker that is not the chief.

    Raises:
        InputError: the experiment cannot be run as asked, losses are no longer finite, the training has failed and was
            to stop then, the disk is full, or the device has too little memory.
        Interrupted: a signal asked to stop.
        WorkerLost: a worker has ended, or is not heard of any more.
    """
    _check_asked(experiment, distance, checkpoint_seconds)
    runtime.check_precision(experiment.training.precision, force_precision)
    device, remarks = runtime.start(experiment.training.precision), []
    team = team_for(strategy, experiment, remarks.append)
    dataset = dataset if dataset is not None else load_for(experiment, data_dir, progress)
    schedule = Schedule.of(experiment, len(dataset))  # refuses before a folder is made
    _check_size(experiment, dataset)
    refuse_hopeless(dataset.images, dataset.title)
    experiment = with_names(config.replace(experiment, name=place_of(experiment.data.name)), dataset)
    if team and not team.is_chief:
        return follow(experiment, dataset, team)
    measure = _measure_of(experiment, distance)
    encoder = _encoder(experiment, dataset, data_dir, progress)
    measured = {"update_seconds": update_seconds} if update_seconds else {}
    environment = runtime.environment() | {"commit": runtime.commit()} | _identity(dataset) | measured
    run = Run.create(experiment, environment, runs_dir)
    if encoder:
        encoder.save(run.models)
    device = _in_words(device, team)
    run.log(f"Started on {device}: {experiment.preset}, {len(dataset)} images of {dataset.title}.")
    left_out = (f"Left out {reason}." for reason in (*dataset.skipped, *dataset.others))
    for line in (*remarks, *why, *dataset.notes, *left_out):
        run.log(line)
    if progress:
        for remark in (*remarks, *dataset.remarks("log.txt")):
            print(remark)
        size, updates = experiment.model.image_size, Length.of(experiment, schedule.updates_per_epoch).updates
        print(
            f"Training {experiment.preset} on {len(dataset):,} images of {dataset.title}, {size}x{size} pixels: "
            f"{updates:,} update{'s' * (updates != 1)} on {device} (how long they take is said after some seconds)."
            f"\nRun folder: {one_line(str(run.folder))}"
        )
    return _train(run, dataset, progress, checkpoint_seconds, measure, unkept(data_dir, force_precision), team)


def resume(
    run: Run | str | Path,
    *,
    changed: Experiment | None = None,
    dataset: Dataset | None = None,
    runs_dir: str | Path | None = None,
    data_dir: str | Path | None = None,
    progress: bool = True,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    force_precision: bool = False,
    distance: Distance | None = None,
    strategy: str = "one",
) -> Run | None:
    """Go on with a run where its last checkpoint left it; the result has the same bits as if it had never stopped.

    Args:
        run: the run, or what `Run.find` takes.
        changed: the experiment as it should be; only more epochs are accepted, or more updates where the run counts
            these, summaries after others of them, and another place of the same pictures.
        dataset, runs_dir, data_dir, progress, checkpoint_seconds, force_precision, distance, strategy: as for `train`;
            but "auto" takes as many devices as before, unless there are workers. Other devices or workers than before
            are no change of the run, but of its rounding; state.json lists them.

    Returns:
        The finished run; None in a worker that is not the chief.

    Raises:
        InputError: settings or data have changed (the message names them), or as for `train`.
        Interrupted: a signal asked to stop.
        WorkerLost: a worker has ended, or is not heard of any more.
    """
    run = run if isinstance(run, Run) else Run.find(run, runs_dir)
    experiment = run.experiment
    if checkpoint.latest(run.checkpoints) is None:
        _expect_untrained(run)
    if changed is not None:
        experiment = _as_changed(run, changed)
    _check_asked(experiment, distance, checkpoint_seconds)
    runtime.check_precision(experiment.training.precision, force_precision)
    device, remarks = runtime.start(experiment.training.precision), []
    team = team_for(strategy, experiment, remarks.append, _devices_of(run))
    moved = experiment.data.name != run.experiment.data.name
    if dataset is None:
        if not moved:
            check_place(run.name, experiment.data.name)
        dataset = load_for(experiment, data_dir, progress)
    if _identity(dataset) != {name: run.environment.get(name) for name in _identity(dataset)}:
        raise InputError(
            f"The images of {experiment.data.name} are not those that {run.folder} was trained on "
            f"(fingerprint {dataset.fingerprint[:12]}, the run has {str(run.environment.get('fingerprint'))[:12]}); "
            "restore them, or start a new run with `train`."
        )
    if team and not team.is_chief:
        return follow(experiment, dataset, team)
    _check_size(experiment, dataset)
    device, measure = _in_words(device, team), _measure_of(experiment, distance)
    encoder = _encoder(experiment, dataset, data_dir, progress, run)

    def begin() -> None:
        if experiment != run.experiment:
            run.save_experiment(experiment)
        if encoder:
            encoder.save(run.models)
        run.log(f"Resumed on {device}{f', with the pictures in {experiment.data.name}' if moved else ''}.")
        if progress:
            print(f"Resuming {one_line(str(run.folder))} on {device}.")
        _tell_other_environment(run, progress)
        for remark in remarks:
            _say(run, remark, progress)

    return _train(run, dataset, progress, checkpoint_seconds, measure, unkept(data_dir, force_precision), team, begin)


def _as_changed(run: Run, changed: Experiment) -> Experiment:
    """The experiment that a run may go on as: what is asked for, if it changes only what `resume` accepts.

    Raises:
        InputError: it says what else would change.
    """
    changed = config.replace(changed, name=place_of(changed.data.name, run.experiment.data.name))
    odd = config.differences(run.experiment, changed)
    wanted = {unit: odd.pop(f"training.{unit}s", None) for unit in ("epoch", "update")}
    other = "update" if run.unit == "epoch" else "epoch"
    odd.pop(f"training.summary_{run.unit}s", None)
    if f"training.summary_{other}s" in odd:
        raise InputError(
            f"{run.folder} counts {run.unit}s: say with --summary-{run.unit}s how many are between its summaries."
        )
    if all(map(is_own, odd.get("data.name", [run.experiment.data.name]))):
        odd.pop("data.name", None)  # own pictures may be moved; their fingerprint tells whether they are the same
    if odd:
        listed = "; ".join(f"{name}: {old!r} in the run, {new!r} asked for" for name, (old, new) in odd.items())
        raise InputError(f"A run goes on under its own settings ({listed}); start a new run with `train` instead.")
    if unit_of(changed.training) != run.unit or wanted.pop(other):
        raise InputError(f"{run.folder} counts {run.unit}s: say with --{run.unit}s how many it is to have.")
    before, after = wanted[run.unit] or (0, 0)
    if after < before:
        raise InputError(f"{run.unit}s can only be raised. Received: {after}, the run has {before}.")
    return changed


def _tell_other_environment(run: Run, progress: bool) -> None:
    """Say what is another version or machine than the run began with, and that bits may differ for it."""
    now, then = runtime.environment(), run.environment
    other = {name: (then.get(name), now[name]) for name in now if then.get(name) != now[name] and name != "platform"}
    if other:
        run.log(f"The environment differs, so bits may: {other}.")
    for name, (old, new) in other.items() if progress else ():
        print(f"Note: {name} was {old}, now {new}: the result may differ in the last bits.")


def _encoder(
    experiment: Experiment, dataset: Dataset, data_dir: str | Path | None, progress: bool, run: Run | None = None
):
    """The encoder that an experiment on texts needs, and its run, if there is one, does not have yet; or None."""
    if experiment.model.conditions != "text":
        return None
    from utils.text_encoder import TextEncoder, encoder_for

    return None if run and TextEncoder.load(run.models) else encoder_for(dataset, data_dir=data_dir, progress=progress)


def _conditions(run: Run, dataset: Dataset):
    """What goes with the images of a run: `Conditions`, or what takes their place; None where nothing does."""
    if run.experiment.model.conditions != "text":
        return Conditions.of(dataset, run.experiment.model)
    from utils.text_encoder import TextConditions, encoder_beside

    return TextConditions.of(dataset, encoder_beside(run.model("generator")), run.experiment)


def _expect_untrained(run: Run) -> None:
    """Refuse to begin anew where that would replace networks and records of a training.

    Raises:
        InputError: the run has had updates.
    """
    if run.state.update:
        raise InputError(
            f"{run.folder} has had {run.state.update:,} updates, and none of its checkpoints is there or can be used: "
            f"bring {run.checkpoints.name}/ back, or start a new run with `train`."
        )


def expected_seconds(run: Run, updates: int, between: int) -> float:
    """What so many updates of a run were expected to take, by those that were timed before it, with so many between
    its summaries; infinite where none were timed, or by another device than computes now, or where the best networks
    are kept, which is measured beside."""
    each, training = run.environment.get("update_seconds"), run.experiment.training
    elsewhere = run.state.replicas or run.environment.get("device") != runtime.environment()["device"]
    if each is None or elsewhere or training.keep == "best":
        return math.inf
    return seconds_of(updates, each, share_beside(between, training.watch_updates))


def _devices_of(run: Run) -> int | None:
    """How many devices of one machine compute the updates of a run, so far; None where several workers do."""
    last = [_ALONE, *run.state.replicas][-1]
    return last["devices"] if last["workers"] == 1 else None


def _in_words(device: runtime.Device, team: Team | None) -> str:
    """What computes the updates."""
    return f"{device}{f', {team}' if team else ''}"


def _identity(dataset: Dataset) -> dict:
    return {"images": len(dataset), "fingerprint": dataset.fingerprint}


def _check_asked(experiment: Experiment, distance: Distance | None, checkpoint_seconds: float) -> None:
    check_checkpoint_seconds(checkpoint_seconds)
    if experiment.training.keep == "best" and distance is None:
        raise InputError(
            'An experiment with keep="best" needs something that measures its samples: pass '
            "distance=utils.evaluation.best.distance_for."
        )


def _check_size(experiment: Experiment, dataset: Dataset) -> None:
    """Refuse images of another size than the networks are for, which `dataset` may be given with."""
    side, size = dataset.images.shape[1], experiment.model.image_size
    if side != size:
        raise InputError(
            f"The images have {side}x{side} pixels, and image_size is {size}: load them at that size, or fit the "
            f"networks to theirs (`utils.fitting.at_size(experiment, {side})`)."
        )


def _measure_of(experiment: Experiment, distance: Distance | None) -> Callable[[Sampler], dict] | None:
    """What measures samples, where the best networks are kept; in full precision, whatever these are trained in."""
    if experiment.training.keep == "last":
        return None
    with runtime.full_precision():
        return distance(experiment)


def _train(
    run: Run,
    dataset: Dataset,
    progress: bool,
    checkpoint_seconds: float,
    measure: Callable[[Sampler], dict] | None,
    again: Sequence[str],
    team: Team | None,
    begin: Callable[[], None] = lambda: None,
) -> Run:
    """Train from the last checkpoint, or from the beginning, to the end.

    Args:
        again: what has to be said again to go on (`unkept`).
        begin: called before anything else, when no other process can be at work on the run.
    """

    def say(sentence: str) -> None:
        _say(run, sentence, progress)

    words, memory = losses_in_words(team, run.folder), runtime.memory_in_words(run.experiment)
    with run.locked(say), _ends_in_state(run), _disk_in_words(run, again), words, memory, _signals() as asked:
        begin()
        remove_unfinished(run.written_by_training)
        training = _Training(run, dataset, progress, measure, team)
        training.go(asked, checkpoint_seconds)
        if team:
            team.share({})  # until then the others wait, so that none is missed
    return run


def follow(experiment: Experiment, dataset: Dataset, team: Team) -> None:
    """A worker's part in a training that another process is the chief of: it computes updates, and writes nothing.

    Args:
        experiment: what is trained, the same as the chief's.
        dataset: the images, the same as the chief's, from a disk of its own or a shared one.
        team: with whom.

    Raises:
        InputError: the chief trains something else, or on other images.
        Interrupted: a worker was asked to stop.
        WorkerLost: a worker has ended, or is not heard of any more.
    """
    with losses_in_words(team), runtime.memory_in_words(experiment), _signals() as asked:
        players = build_players(experiment)
        told = json.loads(str(team.share()["told"]))
        ours = json.loads(json.dumps(_to_agree_on(experiment, dataset)))
        if odd := [name for name in ours if ours[name] != told["agreed"].get(name)]:
            raise InputError(
                f"Worker {team.index} is not asked for what the chief trains ({', '.join(odd)} differ): start all "
                "workers with the same command, and with the same images."
            )
        team.align(players, experiment)
        step, previous = Update(players, experiment, team=team), None
        schedule, conditions = Schedule.of(experiment, len(dataset)), Conditions.of(dataset, experiment.model)
        part = {"worker": team.index, "workers": team.workers}
        upcoming = batches(dataset.images, experiment, schedule, told["update"] + 1, told["last"], conditions, **part)
        with contextlib.closing(upcoming):
            for batch in upcoming:
                record = step(batch, stop=bool(asked))
                if previous and previous.stop and batch.update < told["last"]:
                    team.share()  # the chief has saved it then
                    raise Interrupted(asked[0] if asked else signal.SIGTERM, Path(told["folder"]), batch.update)
                previous = record
        team.share()


def _to_agree_on(experiment: Experiment, dataset: Dataset) -> dict:
    """What has to be the same in all workers."""
    return config.to_dict(experiment)["model"] | config.to_dict(experiment)["training"] | _identity(dataset)


def _say(run: Run, sentence: str, progress: bool) -> None:
    run.log(sentence)
    if progress:
        print(sentence)


class _RollBack(Exception):
    """The training has failed, and is to go on from where it was healthy.

    Attributes:
        update: where it has failed.
        why: in a sentence.
    """

    def __init__(self, update: int, why: str):
        super().__init__(why)
        self.update, self.why = update, why


class _Training:
    """One process's work on a run."""

    def __init__(
        self,
        run: Run,
        dataset: Dataset,
        progress: bool,
        distance: Callable[[Sampler], dict] | None,
        team: Team | None = None,
    ):
        self.run, self.images, self.progress, self.distance, self.team = run, dataset.images, progress, distance, team
        self.experiment = run.experiment
        self.conditions = _conditions(run, dataset)
        self.schedule = Schedule.of(self.experiment, len(dataset))
        self.length = Length.of(self.experiment, self.schedule.updates_per_epoch)
        self.last = self.length.updates
        self.players = build_players(self.experiment)
        self.variables = self.players.variables()
        self.watch = Watch(self.experiment, self.players, self.images, self.conditions)
        watched, seed = self.experiment.training.watch_updates, self.experiment.training.samples_seed
        self.copies = Copies(self.images, seed) if watched else None
        state = checkpoint.restore(run.checkpoints, self.variables, self._say, self._lost)
        if state is None:
            _expect_untrained(run)
        self._take_up(state or {"update": 0, "seconds": 0.0})
        self._told = False  # how long it will take
        if not state:
            self._save_state("running")  # from now on it says who computes, also if this ends before any checkpoint
            self._begin()
            self._summarize(0)
            self._checkpoint(healthy=True)
        if team:
            self._gather(dataset)

    def _gather(self, dataset: Dataset) -> None:
        """Bring all replicas, and other workers, to where this training stands."""
        told = {"update": self.update, "last": self.last, "folder": str(self.run.folder)}
        told["agreed"] = _to_agree_on(self.experiment, dataset)
        self.team.share({"told": json.dumps(told)})
        self.team.align(self.players, self.experiment)

    def _note_replicas(self) -> None:
        """Write down by how many workers and devices updates are computed from here on, if that changes."""
        now = {"workers": self.team.workers, "devices": self.team.devices} if self.team else _ALONE
        before = [_ALONE, *self.replicas][-1]
        if now == {name: before[name] for name in now}:
            return
        self.replicas = [*self.replicas, {"update": self.update} | now]
        if self.update:
            self._tell(
                f"From update {self.update + 1} on {now['workers']} x {now['devices']} devices compute the updates, "
                f"before {before['workers']} x {before['devices']}: bits may differ, by rounding."
            )

    def _take_up(self, state: dict) -> None:
        """Stand where a checkpoint was written, whose variables are those of the networks."""
        self.update, self.seconds = state["update"], state["seconds"]
        self.rollbacks: list[dict] = state.get("rollbacks", [])
        self.replicas: list[dict] = state.get("replicas", [])
        self.watch.memory = state.get("watch_memory")
        self._failed: str = state.get("failed", "")
        if self.rollbacks and self.rollbacks[-1]["to"] == self.update:
            save_networks(self.run, self.players)  # in place of those of a later summary, whose record is cut off now
        for name, file in self._records.items():
            _cut(file, state.get(f"{name}_bytes", 0))
        self._begun = self.update
        self._timed_from: tuple[int, float] | None = None  # update and time that the speed is measured from
        self.diagnosis = Diagnosis(self.experiment, self.run.watch())
        self.board, self.curves = Board(self.run, self.length), Curves(self.run)
        self._note_replicas()  # others may have computed up to that checkpoint

    @property
    def _records(self) -> dict[str, Path]:
        return {"steps": self.run.steps_file, "epochs": self.run.epochs_file, "watch": self.run.watch_file}

    def _lost(self, state: dict) -> str:
        """What a disk has lost of the records that belong to a checkpoint, though it had said otherwise; in words."""
        lost = [file.name for name, file in self._records.items() if _size(file) < state.get(f"{name}_bytes", 0)]
        return f"the end of {', '.join(lost)} is lost" if lost else ""

    def go(self, asked: list[int], checkpoint_seconds: float) -> None:
        if self._failed:
            if self.run.state.status != "failed":  # killed on its way to say so
                self._fail(self.update, self._failed)
            self._failed = ""
            self._checkpoint(healthy=False)  # who was told goes on, and is not told again after a kill
        if self.update >= self.last:
            if self.run.state.status != "finished":
                self._finish()
            unit = self.length.unit
            self._say(f"The run has all its {self.length.count:,} {unit}s; --{unit}s asks for more.")
            return
        size = self.schedule.batch_size * self.schedule.batches_per_update
        with tqdm(
            total=self.last * size,
            initial=self.update * size,
            unit=" images",
            unit_scale=True,
            disable=not self.progress,
            mininterval=0.5 if os.isatty(2) else 20,
            dynamic_ncols=True,
            smoothing=0.1,
        ) as bar:
            while self.update < self.last:
                bar.update(self.update * size - bar.n)  # also back, which setting its place would not redraw
                try:
                    self._go_on(asked, checkpoint_seconds, bar)
                except _RollBack as failure:
                    self._roll_back(failure)
        self._finish()

    def _go_on(self, asked: list[int], checkpoint_seconds: float, bar: tqdm) -> None:
        """Train to the last update, or until a signal or the doctor asks for something else."""
        self._save_state("running")
        training = self.experiment.training
        step = Update(self.players, _slowed(self.experiment, len(self.rollbacks)), team=self.team)
        unread: list[Record] = []
        began = last_checkpoint = last_read = time.monotonic()
        seconds_before = self.seconds
        workers, previous = self.team.workers if self.team else 1, None
        upcoming = batches(
            self.images, self.experiment, self.schedule, self.update + 1, self.last, self.conditions, workers=workers
        )
        with contextlib.closing(upcoming):
            for batch in upcoming:
                update, known, before = batch.update, step.combinations, time.monotonic()
                unread.append(step(batch, stop=bool(asked)))
                if step.combinations > known:  # to compile a combination is no part of the speed, whenever it occurs
                    self._timed_from = None
                    if self.progress:
                        bar.last_print_t += time.monotonic() - before
                # Workers stop after the same update: the one after that in which all were told.
                stopping = asked if workers == 1 else previous is not None and previous.stop
                previous = unread[-1]
                summary = self.length.summary_after(update)
                watched = training.watch_updates and update % training.watch_updates == 0
                now = time.monotonic()
                self.seconds = seconds_before + now - began
                if not (summary or watched or stopping or now - last_read > _READ_SECONDS):
                    continue
                self._record(unread, bar)
                self.update, last_read = update, now
                self._say_how_long(update, time.monotonic())  # they are done, now that their losses are read
                failure = self._measure() if watched else None
                if failure and self._can_roll_back:
                    self._fail(update, failure.sentence)
                if summary:
                    if not checkpoint.all_finite(self.variables):  # before networks of an earlier summary are replaced
                        self._stop_not_finite(update)
                    self._summarize(summary)
                if summary or stopping or failure or now - last_checkpoint > checkpoint_seconds:
                    why = failure.sentence if failure else ""
                    self._checkpoint(healthy=bool(summary) and self.diagnosis.healthy, failed=why)
                    last_checkpoint = time.monotonic()
                if failure:
                    self._fail(update, failure.sentence)
                if stopping and update < self.last:
                    number = asked[0] if asked else int(signal.SIGTERM)  # which another worker got
                    self.curves.draw()
                    self._save_state("stopped", f"by signal {number}")
                    self.run.log(f"Stopped by signal {number} after update {update}.")
                    if workers > 1:
                        self.team.share({})
                    raise Interrupted(number, self.run.folder, update)

    @property
    def _can_roll_back(self) -> bool:
        return self.experiment.training.on_collapse == "rollback" and len(self.rollbacks) < ROLLBACKS

    def _fail(self, update: int, why: str) -> NoReturn:
        """Do what is to be done when the training has failed: go back, or stop."""
        if self._can_roll_back:
            raise _RollBack(update, why)
        self.curves.draw()
        often = f" It had gone back {len(self.rollbacks)} times." if self.rollbacks else ""
        unit = self.length.unit
        kept = f" Its networks are those of {unit} {self.run.epochs(1)[-1][unit]:,}."
        self.run.log(f"Stopped, since the training has failed.{often} {why}{kept}")
        raise TrainingFailed(f"The training has failed, so it stopped.{often} {why}{kept}")

    def _roll_back(self, failure: _RollBack) -> None:
        """Go back to the last summary at which the training was healthy, and on with smaller step sizes.

        That checkpoint is made at summaries only and before any other, so it is the same however often the training was
        interrupted. The new checkpoint takes the place of those of the failed course before the records are cut back:
        whichever a process finds that goes on after a kill, its records are there, and its bits are the same.
        """
        before, seconds = self.rollbacks, self.seconds
        state = checkpoint.restore(self.run.healthy, self.variables, self._say)
        if state is None:
            raise InputError(f"{self.run.healthy} has no checkpoint to go back to. {failure.why}")
        factor = SMALLER ** (len(before) + 1)
        done = {"from": failure.update, "to": state["update"], "step_sizes": factor, "why": failure.why}
        state |= {"rollbacks": [*before, done], "seconds": seconds}
        slowed = _slowed(self.experiment, len(state["rollbacks"])).training
        for name, player in self.players.by_name.items():
            player.optimizer.learning_rate = learning_rate(slowed, name)
        checkpoint.save(self.run.checkpoints, state["update"], self.variables, state)
        if self.team:
            self.team.align(self.players, self.experiment)
        self._take_up(state)
        self._tell(
            f"{failure.why} Went back to update {self.update}, where training was healthy, and on with step sizes "
            f"multiplied by {factor:g} (rollback {len(self.rollbacks)} of at most {ROLLBACKS})."
        )

    def _finish(self) -> None:
        self.curves.draw()
        draw_film(self.run)
        if verdict := self.diagnosis.verdict:
            self.run.log(f"At the end of training: {verdict}")
        self._save_state("finished")
        self.run.log(f"Finished after {self.update} updates and {self.seconds:.0f} s of training.")

    def _say_how_long(self, update: int, now: float) -> None:
        """Say once how long the training will take, by the speed of its first seconds without compiling."""
        if self.progress and self._timed_from is None:
            self._timed_from = (update, now)
        elif self.progress and not self._told and now - self._timed_from[1] > FORECAST_SECONDS:
            self._told = True
            each = (now - self._timed_from[1]) / (update - self._timed_from[0])
            between = self.length.every * self.length.each
            seconds = seconds_of(self.last - self._begun, each, share_beside(between, 0))  # measurements are in `each`
            expected = expected_seconds(self.run, self.last - self._begun, between)
            slower = f" {_SLOWER.format(roughly(expected))}" if seconds > TOO_SLOW * expected else ""
            tqdm.write(
                f"{self.last - self._begun:,} updates of {self.experiment.training.batch_size} images, about "
                f"{duration(seconds)} on {_in_words(runtime.device(), self.team)}.{slower}"
            )

    def _begin(self) -> None:
        """Write what does not change during the run."""
        model, seed = self.experiment.model, self.experiment.training.samples_seed
        self._save(self.run.latents_file, make_latent_samples(GRID_SAMPLES, model.latent_dim, seed, model.latents))
        rows, names = np.random.default_rng(seed).permutation(len(self.images)), None
        if self.conditions is not None:
            self._save(self.run.conditions_file, kept_rows(self.conditions, seed))
            rows, names = rows_having(self.conditions, rows, GRID_COLUMNS)
        write_png(self.run.true_grid, grid(self.images[rows[:GRID_SAMPLES] if names is None else rows], names=names))

    def _save(self, file: Path, array: np.ndarray) -> None:
        with appears_whole(file) as temporary, temporary.open("wb") as opened:
            np.save(opened, array)

    def _record(self, unread: list[Record], bar: tqdm) -> None:
        """Write the updates whose losses have not been read yet to steps.jsonl; stop if one is not finite."""
        rows = []
        while unread:
            record = unread.pop(0)
            values = record.read()
            if not np.isfinite(list(values.values())).all():
                self._stop_not_finite(record.update)
            rows.append({"update": record.update, "epoch": self.schedule.epoch_of(record.update)} | values)
            rows[-1] |= {"step_sizes": SMALLER ** len(self.rollbacks)} if self.rollbacks else {}
        self.run.expect_there()
        with self.run.steps_file.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
        losses = ", ".join(
            f"{name.removeprefix('loss_')} {value:.2f}" for name, value in values.items() if name.startswith("loss_")
        )
        at = f"{self.length.unit} {rows[-1][self.length.unit]:,}/{self.length.count:,}"
        bar.set_postfix_str(f"{at}, losses: {losses}", refresh=False)
        bar.update(len(rows) * self.schedule.batch_size * self.schedule.batches_per_update)

    def _measure(self) -> Finding | None:
        """Measure, and say what it means; gives a failure that begins and that something is to be done about."""
        training = self.experiment.training
        row = self.watch.measure(self.update) | of_updates(
            self.run.steps(training.watch_updates), undecided_logit(training.loss)
        )
        self._diagnose(row)
        for finding in self.diagnosis.begun:
            if getattr(finding.sign, {"stop": "stops", "rollback": "rolls_back"}.get(training.on_collapse, ""), False):
                return finding
        return None

    def _diagnose(self, row: dict) -> None:
        with self.run.watch_file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        for sentence in self.diagnosis.diagnose(row):
            self._tell(sentence)

    def _summarize(self, number: int) -> None:
        sampler = Sampler.of(self.players.averaged, self.experiment, self.run.conditions)
        measured = self.distance(sampler) if self.distance else None
        record = performance_summarizer(self.run, number, self.players, self.images, measured, self.conditions)
        if measured and number:
            about = {self.length.unit: number, "update": self.update, "rollbacks": len(self.rollbacks)}
            keep_best(self.run, self.players, about | {"distance": measured})
        self.board.write_summary(record)
        self.curves.keep_up()
        unit = self.length.unit
        figures = ", ".join(f"{name} {value:.3f}" for name, value in record.items() if name != unit)
        at = f"Update {self.update}" if unit == "update" else f"Epoch {number}, update {self.update}"
        self.run.log(f"{at}, {self.seconds:.0f} s: {figures}.")
        if self.copies and number and (row := self.copies.measure(sampler)):
            self._diagnose({"update": self.update} | row)

    def _checkpoint(self, healthy: bool, failed: str = "") -> None:
        """Write a checkpoint; `failed` says why the training is about to stop, so that it does also after a kill."""
        self.run.expect_there()
        for file in self._records.values():
            force(file)  # a checkpoint on disk says that its records are, too
        state = {name + "_bytes": _size(file) for name, file in self._records.items()}
        state |= {"seconds": self.seconds, "rollbacks": self.rollbacks, "watch_memory": self.watch.memory}
        state |= {"replicas": self.replicas} if self.replicas else {}
        state |= {"failed": failed} if failed else {}
        if healthy and self.experiment.training.on_collapse == "rollback":  # before the other: see _roll_back
            checkpoint.save(self.run.healthy, self.update, self.variables, state, kept=1)
        if checkpoint.save(self.run.checkpoints, self.update, self.variables, state) is None:
            self._stop_not_finite(self.update)
        self._save_state("running")

    def _save_state(self, status: str, why: str = "") -> None:
        self.run.expect_there()
        epoch = self.update // self.schedule.updates_per_epoch
        state = State(status, self.update, epoch, self.seconds, why, rollbacks=self.rollbacks, replicas=self.replicas)
        self.run.save_state(state)

    def _stop_not_finite(self, update: int) -> None:
        if self.experiment.training.on_collapse == "rollback":
            self._fail(update, f"Update {update}: losses or weights are no longer finite.")
        kept = checkpoint.latest(self.run.checkpoints)
        sentence = (
            f"Losses or weights are no longer finite at update {update}, so training stopped; the checkpoint of update "
            f"{kept} is kept. Try a smaller --learning-rate"
        )
        sentence += "." if self.experiment.training.precision == "float32" else ", or --precision float32."
        self.run.log(sentence)
        raise TrainingFailed(sentence)

    def _say(self, sentence: str) -> None:
        _say(self.run, sentence, self.progress)

    def _tell(self, sentence: str) -> None:
        """Say something while the progress bar stands."""
        self.run.log(sentence)
        if self.progress:
            tqdm.write(sentence)


def _slowed(experiment: Experiment, times: int) -> Experiment:
    """An experiment with the step sizes that it has after so many rollbacks."""
    rates = {name: getattr(experiment.training, name) for name in ("learning_rate", "discriminator_learning_rate")}
    return config.replace(experiment, **{name: rate and rate * SMALLER**times for name, rate in rates.items()})


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _cut(path: Path, size: int) -> None:
    """Shorten a record file to what it held at the checkpoint."""
    path.touch()
    os.truncate(path, size)


@contextlib.contextmanager
def _disk_in_words(run: Run, again: Sequence[str]) -> Iterator[None]:
    """Say what became of the disk that a run is on."""
    try:
        yield
    except OSError as error:
        then = f"then go on with `{command(*launched(), 'resume', run.folder, *again)}`."
        gone = error.errno == errno.ENOENT and _is_gone(run)
        if gone or error.errno in (errno.EIO, errno.ENODEV, errno.ENXIO, errno.ESTALE):
            raise InputError(
                f"{run.folder} is not there any more, or its disk fails ({error.strerror}), so training stopped; bring "
                f"it back, {then}"
            ) from error
        if error.errno not in _CURES:
            raise
        what, cure = _CURES[error.errno]
        kept = checkpoint.latest(run.checkpoints)
        raise InputError(
            f"The disk of {run.folder} {what}, so training stopped; "
            + (f"the checkpoint of update {kept} is kept. " if kept is not None else "")
            + f"{cure}, {then}"
        ) from error


def _is_gone(run: Run) -> bool:
    try:
        run.expect_there()
    except FileNotFoundError:
        return True
    return False


_CURES = {
    errno.ENOSPC: ("is full", "Free some space"),
    errno.EDQUOT: ("is full for you (quota)", "Free some space"),
    errno.EROFS: ("cannot be written to any more", "Mend that"),
}


@contextlib.contextmanager
def _ends_in_state(run: Run) -> Iterator[None]:
    """Write down that a training ended otherwise than by its last update, or by a signal that it has answered."""
    try:
        yield
    except Interrupted:
        raise
    except BaseException as error:
        status, why = "failed", str(error) or type(error).__name__
        if isinstance(error, WorkerLost):
            status = "stopped"
        if isinstance(error, KeyboardInterrupt):  # a second Ctrl-C
            status, why = "stopped", "at once, by Ctrl-C"
        with contextlib.suppress(OSError):  # a full disk
            if not _is_gone(run):  # else a new one would be made for it
                run.save_state(dataclasses.replace(run.state, status=status, why=why))
        raise


@contextlib.contextmanager
def _signals() -> Iterator[list[int]]:
    """Give a list that holds the signal's number once Ctrl-C, SIGTERM, or that of a terminal that is closed has come; a
    second Ctrl-C stops at once."""
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # only the main thread may handle signals
        yield asked
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    if before[signal.SIGHUP] == signal.SIG_IGN:  # what was started with nohup is to outlive its terminal
        del before[signal.SIGHUP]

    def note(number, _frame):
        asked.append(number)
        # Of a terminal that is closed both the shell and the system tell.
        signal.signal(number, signal.SIG_IGN if number == signal.SIGHUP else before[number])
        with contextlib.suppress(OSError):  # print may be what was interrupted, and cannot be entered twice
            os.write(1, b"\nStopping after this update.\n")

    for number in before:
        signal.signal(number, note)
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
