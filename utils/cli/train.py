"""`./dcgan train` and `./dcgan resume`."""

import contextlib
import functools
import json
import math
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import tyro
from tyro.conf import Positional, arg

from utils import config
from utils.cli.options import read
from utils.cli.places import DataDir, RunsDir
from utils.cli.text import short
from utils.cluster import cluster_for, launched
from utils.config import (
    CHECKPOINT_SECONDS,
    DataConfig,
    Experiment,
    ModelConfig,
    TrainingConfig,
    check_checkpoint_seconds,
)
from utils.errors import InputError
from utils.files import expect_folder, expect_writable
from utils.fitting import TOO_SMALL, at_size, few_images, for_images, recommended, with_fitting_batches
from utils.lengths import (
    FEW_UPDATES,
    MANY_UPDATES,
    Length,
    unit_of,
    updates_before_worse,
    updates_per_epoch,
    with_few_summaries,
)
from utils.presets import FIRST, preset, presets, told_by
from utils.registries import RECIPES, chosen
from utils.tables import duration, roughly
from utils.text import command, one_line, unkept

Strategy = Literal["auto", "one", "mirrored", "workers"]
MINUTES = 20.0
"""How long own pictures are trained on, where nothing else is asked for."""
_MEASURED_TOGETHER = {
    *("--width", "--learning-rate", "--discriminator-learning-rate"),
    *("--loss", "--r1", "--r2", "--gradient-penalty", "--penalty-every"),
}
"""Options of what `fitting.recommended` changes with the time: it was measured as a whole, so who says one says all."""


@dataclass(frozen=True)
class _Data(DataConfig):
    # The one option whose name on the command line is not that of its field.
    name: Annotated[str, arg(name="data", metavar="NAME|FOLDER")] = "faces"
    """A dataset (`./dcgan datasets` lists them), or a folder of pictures, or an .npz / .npy file."""


@dataclass(frozen=True)
class _Places:
    """Where things are."""

    runs_dir: RunsDir = None
    data_dir: DataDir = None


@dataclass(frozen=True)
class _Settings:
    """All settings of an experiment, as flat options."""

    data: Annotated[_Data, arg(name="")]
    training: Annotated[TrainingConfig, arg(name="")]
    model: Annotated[ModelConfig, arg(name="")]

    @classmethod
    def of(cls, experiment: Experiment) -> "_Settings":
        return cls(_Data(**vars(experiment.data)), experiment.training, experiment.model)

    def experiment(self, preset: str) -> Experiment:
        return Experiment(preset, DataConfig(**vars(self.data)), self.model, self.training)


@dataclass(frozen=True)
class Train:
    """Train a DCGAN in a new run folder.

    Without options it learns to draw faces at 64x64 pixels in 2 to 5 minutes. With --data FOLDER it looks at the
    pictures, times a few updates on this machine, chooses size, networks, augmentation and how many updates go into
    the minutes, and says what and why. Every option overrides a choice; --dry-run shows the choice and stops. With
    a preset only the length for own pictures is chosen; datasets are trained on for as many updates or epochs as the
    preset has.

    Defaults are those of the preset; every option changes one setting. The fifteen that matter most come first, from
    --preset to --data-dir.
    """

    first: ClassVar[tuple[str, ...]] = (
        *("preset", "name", "count", "image_size", "minutes", "updates", "epochs"),
        *("batch_size", "learning_rate", "width", "seed", "precision", "dry_run", "runs_dir", "data_dir"),
    )
    settings: Annotated[_Settings, arg(name="")]
    places: Annotated[_Places, arg(name="")]
    minutes: float | None = None
    """In place of --updates and --epochs: how long to train on this machine, about. A few updates are timed before, and
    the number that fits becomes a setting of the run; where it is large and no --preset is named, networks are wider.
    20 for own pictures, and for datasets other than faces without --preset, where none of the three is given."""
    preset: Literal[tuple(presets())] = FIRST  # type: ignore[valid-type]
    """The experiment to start from; `./dcgan presets` compares them."""
    dry_run: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print what would be chosen and what it will cost on this machine, and stop."""
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print the dry run as JSON, with the resolved experiment."""
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    """Seconds between checkpoints; there is one at every summary too."""
    force_precision: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Train in mixed_bfloat16 also where the processor has to emulate it, 6 times slower or worse."""
    strategy: Strategy = "auto"
    """Who computes the updates. one: one device. mirrored: all GPUs of this machine (without any, two parts of the
    processor, to try it). workers: all workers that TF_CONFIG or SLURM tell of, each started with the same command;
    `./dcgan launch` starts some here. auto: whichever there are, of GPUs as many as can share the batch, but one where
    updates were timed for minutes. It is shared equally, and the result is the same but for rounding."""
    options: tyro.conf.Suppress[tuple[str, ...]] = ()  # as they were typed

    @classmethod
    def default(cls, options: list[str]) -> "Train":
        """The settings of the preset that the options name, with its networks fitted to the size that they name."""
        name, size = option_value(options, "--preset"), option_value(options, "--image-size")
        experiment = preset(name or FIRST)
        if size and size.isdecimal() and int(size) and not _decide_side(_given(options)):
            experiment = at_size(experiment, int(size)) if name else recommended(int(size))
        return cls._from(experiment, options)

    @classmethod
    def _from(cls, experiment: Experiment, options: list[str]) -> "Train":
        """The settings of an experiment, as the options change it before they are read."""
        if option_value(options, "--data") not in (None, experiment.data.name):
            # The preset's count belongs to the preset's images.
            experiment = replace(experiment, data=replace(experiment.data, count=None))
        if "--epochs" in _given(options):
            experiment = config.replace(experiment, epochs=experiment.training.epochs)
        return cls(_Settings.of(experiment), _Places(), preset=experiment.preset, options=tuple(options))

    def run(self) -> None:
        if self.json and not self.dry_run:
            raise InputError("--json prints a dry run: add --dry-run.")
        lengths = [option for option in ("--minutes", "--updates", "--epochs") if option in _given(self.options)]
        if len(lengths) > 1:
            raise InputError(f"{' and '.join(lengths)} both say how long to train: give one of them.")
        if self.settings.model.conditions == "text" and "--condition-names" in _given(self.options):
            raise InputError(
                "--condition-names are those of labels or attributes, and of texts they are examples: leave it out, or "
                "use --conditions attributes."
            )
        several = _several(self.strategy)
        if self.dry_run:
            return self._dry_run(several)
        from utils.runs import not_writable, runs_folder

        home = runs_folder(self.places.runs_dir)
        expect_folder(home, "--runs-dir")
        try:
            expect_writable(home)
        except OSError as error:
            raise not_writable(home, error) from error
        from utils import runtime
        from utils.data import load_for
        from utils.data.catalogue import count_of
        from utils.data.conditions import with_names
        from utils.training import train
        from utils.training.team import team_for

        # Before images are read: what is wrong is said at once.
        check_checkpoint_seconds(self.checkpoint_seconds)
        runtime.check_precision(self.settings.training.precision, self.force_precision)
        measure = functools.cache(self._measure)
        choice = self._choose(timed=not several, measure=measure)
        with_names(choice.experiment, data_dir=self.places.data_dir)
        if choice.why:
            print("\n".join(choice.lines()))
        size = choice.experiment.model.image_size
        certain = not choice.why or count_of(choice.experiment.data, size, self.places.data_dir)[1]
        if several:  # set up before TensorFlow computes anything, as it may to find images that repeat others
            runtime.start(choice.experiment.training.precision)
            team_for(self.strategy, choice.experiment)
        dataset = load_for(choice.experiment, self.places.data_dir)
        if not certain:  # what is chosen depends on how many can be used, which is known now
            again = self._choose(not several, measure, size, len(dataset))
            if again.experiment != choice.experiment:
                of_size = {name: reason for name, reason in choice.why.items() if name == "Size"}  # it stays
                choice = replace(again, why=again.why | of_size)
                lines = "\n".join(choice.lines())
                print(f"{len(dataset):,} images are left to train on, so it is chosen anew:\n{lines}")
        experiment = self._fitting(choice.experiment, len(dataset))
        if choice.why:
            print(f"{'Command':<10}{self._command(experiment, choice)}")
        updates = Length.of(experiment, updates_per_epoch(experiment, len(dataset))).updates
        if 0 < updates < FEW_UPDATES and "Expect" not in choice.why:
            print(_few(updates))
        began = time.monotonic()
        run = train(
            experiment,
            dataset=dataset,
            runs_dir=self.places.runs_dir,
            data_dir=self.places.data_dir,
            checkpoint_seconds=self.checkpoint_seconds,
            force_precision=self.force_precision,
            why=choice.lines(),
            update_seconds=choice.trial and choice.trial.update_seconds,
            distance=partial(_distance_for, data_dir=self.places.data_dir),
            strategy="one" if self._is_timed_for_one(choice.minutes) else self.strategy,
        )
        _say_finished(run, time.monotonic() - began, again=self.unkept)

    def _choose(self, timed: bool = True, measure=None, size: int | None = None, usable: int | None = None):
        """What to train: as the options say, and the rest of it chosen (`choice.Choice`).

        Args:
            timed: whether updates may be timed for that, which one device does.
            measure: times an experiment; `_measure` by default.
            size: of the images, if it is settled.
            usable: how many images can be used, if that is known.
        """
        measure = measure or self._measure
        from utils import runtime
        from utils.choice import Choice, check_enough, choose, choose_length
        from utils.data.catalogue import check_effect, check_small, check_without, count_of, is_own

        data, given = self.settings.data, _given(self.options)
        chosen(RECIPES, self.settings.training.recipe)
        check_small(data.name, data.small)  # before updates are timed
        check_effect(data)
        check_without(data, self.places.data_dir)
        minutes = self.minutes
        if minutes is None and not {"--updates", "--epochs"} & given and (self._is_free or is_own(data.name)):
            minutes = MINUTES
        unit = "update" if minutes is not None else unit_of(self.settings.training)
        other = "epoch" if unit == "update" else "update"
        if f"--summary-{other}s" in given:
            raise InputError(
                f"--summary-{other}s is for trainings that are counted in {other}s, and this one is counted in "
                f"{unit}s: use --summary-{unit}s."
            )
        if minutes is not None and not timed:
            raise InputError(
                "How many updates go into the minutes is measured on one device: say with --updates, or --epochs, how "
                f"long several are to train (--strategy {self.strategy}), or use --strategy one, without launch."
            )
        if self._is_free:
            asked = self.settings.model.image_size
            size = size or (asked if "--image-size" in given or _decide_side(given) else None)
            places, augment = self.places, "--augment" in given
            choice = choose(data, self._recommended, measure, minutes, size, places.data_dir, augment, usable)
        else:
            experiment = self.settings.experiment(self.preset)
            choice = Choice(experiment, {})
            if minutes is not None:
                size = experiment.model.image_size
                images, certain = (usable, True) if usable else count_of(data, size, self.places.data_dir)
                check_enough(experiment, images, certain)
                as_made = "--preset" in given or (data.count or few_images(size)) < few_images(size)
                longer = None if as_made else partial(self._recommended, size, data.count)
                choice = choose_length(experiment, minutes, measure, longer, images)
        if self._is_timed_for_one(minutes) and (there := runtime.device()).kind == "GPU" and there.count > 1:
            reason = f"one of {there.count} GPUs, as updates were timed on one; with --updates all can train"
            choice = replace(choice, why=choice.why | {"Device": reason})
        if f"--summary-{unit}s" in given:
            return choice
        return replace(choice, experiment=with_few_summaries(choice.experiment))

    def _is_timed_for_one(self, minutes: float | None) -> bool:
        """Whether minutes became updates by what one device takes, and nobody asked for several to do these."""
        return minutes is not None and self.strategy == "auto"

    @property
    def _is_free(self) -> bool:
        """Whether networks and size are to be chosen: no preset is named, and other images than the first command's."""
        return "--preset" not in _given(self.options) and self.settings.data.name != preset(FIRST).data.name

    def _recommended(self, size: int, images: int | None, updates: int | None) -> Experiment:
        """What is recommended, with all that the options say. Networks whose side they decide are as they say alone;
        where they say how wide these are, how large steps, or what is paid for, much time changes none of it."""
        given = _given(self.options)
        if given & _MEASURED_TOGETHER:
            updates = None
        if _decide_side(given):
            own = {name: getattr(self.settings.model, name) for name in ("generator", "discriminator")}
            start = for_images(config.replace(preset(FIRST), image_size=size, **own), images)
        else:
            start = recommended(size, images, updates)
        watched = option_value(list(self.options), "--watch-updates") != "0"
        if self._is_free and cluster_for(self.strategy) is None and watched:
            start = config.replace(start, on_collapse="rollback")  # nobody asked to watch it
        asked = read(Train, list(self.options), "train", Train._from(start, list(self.options)))
        experiment = asked.settings.experiment(asked.preset)
        return experiment if images is None else self._fitting(experiment, images)

    def _fitting(self, experiment: Experiment, images: int) -> Experiment:
        """The experiment, in batches that so many images fill: what could not be used may have left fewer."""
        chosen = self._is_free and "--batch-size" not in _given(self.options)
        return with_fitting_batches(experiment, images) if chosen else experiment

    def _measure(self, experiment: Experiment):
        from utils.data.conditions import with_names
        from utils.training.estimate import try_updates

        with_names(experiment, data_dir=self.places.data_dir)  # what is wrong is said before anything is timed
        size = experiment.model.image_size
        print(f"Timing a few updates at {size}x{size} pixels on this machine…", file=sys.stderr)
        return try_updates(experiment, self.force_precision, self.places.data_dir)

    @property
    def unkept(self) -> list[str]:
        """Options that no setting of the run keeps, and that whoever goes on with it has to give again."""
        return unkept(self.places.data_dir, self.force_precision)

    def _command(self, experiment: Experiment, choice) -> str:
        """The command that trains the experiment as this one does: the same bits on the same machine."""
        from utils import runtime

        strategy = self.strategy
        if self._is_timed_for_one(choice.minutes) and (there := runtime.device()).kind == "GPU" and there.count > 1:
            strategy = "one"  # with a number of updates all would train
        by_whom = [] if launched() or strategy == "auto" else ["--strategy", strategy]  # launch says it itself
        return command_for(experiment, *self.unkept, *by_whom).replace(command(), command(*launched()), 1)

    def _dry_run(self, several: bool) -> None:
        from utils.data.catalogue import share_too_small
        from utils.training.estimate import estimate

        choice = self._choose(timed=not several)
        experiment = choice.experiment
        if several:
            from utils.training.team import check_shared

            check_shared(self.strategy, experiment)
        costs = estimate(experiment, self.places.data_dir, self.force_precision, choice.trial)
        if self.json:
            plain = {"experiment": config.to_dict(experiment), "choice": choice.plain(), "estimate": costs}
            print(json.dumps(plain | {"command": self._command(experiment, choice)}, indent=2))
            return
        size, data = experiment.model.image_size, experiment.data
        enlarged = data.small == "enlarge" or not Path(data.name).is_dir()
        if not enlarged and (small := share_too_small(data, size)) > TOO_SMALL:
            print(
                f"Note: {small:.0%} of the pictures are smaller than {size}x{size} and will be left out; --small "
                "enlarge takes them, too, or choose a smaller --image-size."
            )
        print(_costs_in_words(experiment, costs, choice.why, self._command(experiment, choice)))
        if several:
            gradients, statistics = costs["shared_bytes"]["gradients"], costs["shared_bytes"]["statistics"]
            print(
                "Time and memory are those of one device that trains alone; several share a batch equally, and add up "
                f"{gradients / 1e6:.1f} MB of gradients and {statistics / 1e3:.0f} kB of statistics in each update."
            )


@dataclass(frozen=True)
class Resume:
    """Go on with a run that was stopped, or train a finished one for more updates or epochs, whichever it counts.

    Defaults are those of the run; `./dcgan resume RUN --help` shows them. Many more of them get fewer summaries.
    """

    first: ClassVar[tuple[str, ...]] = ("updates", "epochs", "name", "runs_dir", "data_dir", "checkpoint_seconds")
    settings: Annotated[_Settings, arg(name="")]
    places: Annotated[_Places, arg(name="")]
    run_name: Annotated[Positional[str], arg(metavar="RUN")] = "last"
    """The run: its folder, "dataset/number-preset", or "last"."""
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    """Seconds between checkpoints; there is one at every summary too."""
    force_precision: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Go on in mixed_bfloat16 also where the processor has to emulate it, 6 times slower or worse."""
    strategy: Strategy = "auto"
    """Who computes the updates, as for `train`; but auto: the workers that there are, else as many devices as before,
    which gives the same bits. Others than before change them, by rounding."""
    # Which run it is, found once: the last may be another one by the time that TensorFlow is there.
    folder: tyro.conf.Suppress[Path | None] = None

    @classmethod
    def default(cls, options: list[str]) -> "Resume":
        """The settings of the run that the options name."""
        from utils.runs import Run

        # Which run it is decides the defaults, so its name has to be read first, wherever it stands among the options.
        anything = cls(_Settings.of(preset("quick")), _Places())
        arguments = [option for option in options if option not in ("-h", "--help")]
        asked = read(cls, arguments, "resume", anything)
        try:
            run = Run.find(asked.run_name, asked.places.runs_dir)
        except InputError:
            if arguments != options:
                return anything  # there is help where there is no run yet
            raise
        experiment, wanted = run.experiment, option_value(arguments, f"--{run.unit}s")
        if wanted and wanted.isdecimal() and int(wanted) > run.goal:
            # A training of two epochs had a summary after each; after each of thousands it would take hours.
            longer = vars(with_few_summaries(config.replace(experiment, **{f"{run.unit}s": int(wanted)})).training)
            every = f"summary_{run.unit}s"
            training = replace(experiment.training, **{every: max(longer[every], vars(experiment.training)[every])})
            experiment = replace(experiment, training=training)
        return replace(anything, settings=_Settings.of(experiment), folder=run.folder)

    def run(self) -> None:
        from utils.runs import Run
        from utils.training import resume

        run = Run(self.folder) if self.folder else Run.find(self.run_name, self.places.runs_dir)
        changed = self.settings.experiment(run.experiment.preset)
        before, seconds_before, began = run.state.update, run.state.seconds, time.monotonic()
        finished = resume(
            run,
            changed=changed,
            data_dir=self.places.data_dir,
            checkpoint_seconds=self.checkpoint_seconds,
            force_precision=self.force_precision,
            distance=partial(_distance_for, data_dir=self.places.data_dir),
            strategy=self.strategy,
        )
        _say_finished(finished, time.monotonic() - began, before, seconds_before, self.unkept)

    @property
    def unkept(self) -> list[str]:
        """As that of `Train`."""
        return unkept(self.places.data_dir, self.force_precision)


def _several(strategy: str) -> bool:
    """Whether several devices or workers are asked for to compute the updates, by name or by the surroundings."""
    cluster = cluster_for(strategy)
    return strategy in ("mirrored", "workers") or cluster is not None


def _distance_for(experiment: Experiment, data_dir: Path | None):
    """What tells which networks are the best: `training.train` asks for it where they are to be kept."""
    from utils.evaluation.best import distance_for

    return distance_for(experiment, data_dir)


def _say_finished(run, seconds: float, before: int = 0, seconds_before: float = 0.0, again: Sequence[str] = ()) -> None:
    """Say what a process has made of a run, in so many seconds, and what can be done next; `before` it had so many
    updates, which took so many seconds. `again` is what has to be said again to go on."""
    if run is None:  # another worker is the chief
        return
    from utils.data.catalogue import is_own, share_too_small
    from utils.training.doctor import Diagnosis
    from utils.training.loop import TOO_SLOW, expected_seconds

    experiment, larger = run.experiment, 64
    diagnosis, back = Diagnosis(experiment, run.watch()), run.state.rollbacks
    length = Length.of(experiment, updates_per_epoch(experiment, run.environment["images"]))
    more = max(math.ceil(MANY_UPDATES / length.each), 2 * run.goal)
    if worse := updates_before_worse(experiment, run.environment["images"]):
        more = min(more, worse // length.each)
    following = {command("sample", run.folder, "-n", "100"): "draw new pictures"}
    if more > run.goal:
        following[command(*launched(), "resume", run.folder, f"--{run.unit}s", str(more), *again)] = "train on"
    if best := run.best:
        following[command("sample", run.folder, "--kept", "best")] = f"the same, as of {run.unit} {best[run.unit]:,}"
    if not is_own(experiment.data.name):
        following["./dcgan train --data FOLDER_OF_PICTURES"] = "train on your own"
    elif experiment.model.image_size < larger:
        with contextlib.suppress(InputError):  # they may have been moved in the meantime
            if share_too_small(experiment.data, larger) <= TOO_SMALL:
                typed = command("train", "--data", experiment.data.name, "--image-size", str(larger))
                following[typed] = "larger pictures"
    width = max(map(len, following))
    expected = expected_seconds(run, run.state.update - before, length.every * length.each)
    took = min(seconds, run.state.seconds - seconds_before)  # what comes before the first update is in no expectation
    busier = 0 < TOO_SLOW * expected < took and not back
    slower = f"; {roughly(expected)} had been expected, but the machine was busier" if busier else ""
    print(
        f"\nDone in {duration(seconds)}{slower}{', but the training has failed' if diagnosis.failed else ''}.\n"
        + (f"It went back {len(back)} time{'s' * (len(back) > 1)}; log.txt says why.\n" if back else "")
        + (f"{diagnosis.verdict}\n" if diagnosis.verdict else "")
        + f"  run     {short(run.folder)}\n"
        f"  grid    {short(run.grid(run.epochs(1)[-1][run.unit]))}   (beside it true.png: what it learned from)\n"
        f"  film    {short(run.film)}\n"
        f"  curves  {short(run.losses_plot)}\n"
        "Next:\n" + "\n".join(f"  {typed:<{width}}  {purpose}" for typed, purpose in following.items())
    )


def _few(updates: int) -> str:
    return (
        f"Note: {updates:,} update{'s are' if updates != 1 else ' is'} too few for more than rough shapes; it takes "
        f"some thousands (--updates {MANY_UPDATES})."
    )


def _costs_in_words(experiment: Experiment, costs: dict, chosen: dict[str, str], typed: str) -> str:
    from utils.choice import busy_in_words

    training, size = experiment.training, experiment.model.image_size
    each, busy = costs["updates_per_epoch"], busy_in_words(costs["load"], costs["processors"])
    epochs = f" = {training.epochs:,} epochs of {each:,}" if training.updates is None else f", {each:,} an epoch"
    lines = {
        "What": f"{experiment.preset} on {one_line(experiment.data.name)}, {size}x{size} pixels; parameters: "
        + ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in costs["parameters"].items()),
        "Images": f"{'' if costs['images_certain'] else 'up to '}{costs['images']:,}; {costs['updates']:,} updates of "
        f"{training.batch_size} images{epochs}",
        "Time": f"about {roughly(costs['seconds'])} on {costs['device']} ({costs['images_per_second']:.0f} images/s, "
        f"measured with {costs['trial_updates']} updates on random images{busy})",
        "Memory": f"about {costs['memory_bytes'] / 2**30:.1f} GiB, of which weights, gradients and optimisers "
        f"{costs['state_bytes'] / 2**20:.0f} MiB",
        "Disk": f"{costs['checkpoint_bytes'] / 2**20:.0f} MiB for checkpoints",
        "Command": typed,
    }
    if "Length" in chosen:
        del lines["Time"]  # which that says
    few = [_few(costs["updates"])] if costs["updates"] < FEW_UPDATES and "Expect" not in chosen else []
    listed = [f"{name:<10}{text}" for name, text in (chosen | lines).items()]
    return "\n".join([*listed, *few, "Nothing was trained or written (--dry-run); --json prints all settings, too."])


def command_for(experiment: Experiment, *also: str) -> str:
    """The command that trains an experiment, to be pasted into a shell: all settings that are not the preset's.

    Args:
        experiment: what to train.
        *also: options that are no settings, such as where its dataset is.
    """
    from utils.data.catalogue import is_own

    (base, experiment), size = told_by(experiment), experiment.model.image_size
    options = ["--preset", base.preset]
    if experiment.data.name != base.data.name:
        options += ["--data", experiment.data.name]
        base = config.replace(base, name=experiment.data.name, count=None)
    if size != base.model.image_size:
        options += ["--image-size", str(size)]
        with contextlib.suppress(InputError):  # own networks also make sizes that the preset's cannot be fitted to
            fitted = at_size(base, size)
            if not _decide_side({f"--{_option(name)}" for name in config.differences(fitted, experiment)}):
                base = fitted
    changed = {name: now for name, (_, now) in config.differences(base, experiment).items()}
    changed.pop("model.image_size", None)
    if is_own(experiment.data.name) and experiment.data.rules != base.data.rules:  # which differences() passes over
        changed["data.rules"] = experiment.data.rules
    if experiment.model.conditions in ("labels", "text"):
        changed.pop("model.condition_names", None)  # they are always all classes, or examples of its sentences
    # How long to train, and how often to sum up, may depend on the images: always said, unless it is the preset's.
    unit, training = unit_of(experiment.training), vars(experiment.training)
    for setting in ("epochs", "updates", "summary_epochs", "summary_updates"):
        changed.pop(f"training.{setting}", None)
    changed[f"training.{unit}s"] = training[f"{unit}s"]
    every = f"summary_{unit}s"
    usual = replace(experiment, training=replace(experiment.training, **{every: vars(base.training)[every]}))
    if training[every] != vars(with_few_summaries(usual).training)[every]:
        changed[f"training.{every}"] = training[every]
    for name, value in changed.items():
        option = _option(name)
        if isinstance(value, bool):
            network, _, flag = option.rpartition(".")
            options.append(f"--{network + '.' if network else ''}{'' if value else 'no-'}{flag}")
        else:
            options += [f"--{option}", *map(str, value if isinstance(value, tuple) else (value,))]
    return command("train", *options, *also)


def _option(setting: str) -> str:
    """What a setting is called on the command line: "model.generator.output_stride" is generator.output-stride."""
    return setting.partition(".")[2].replace("_", "-")


def _given(options: Iterable[str]) -> set[str]:
    """Names of the options that were typed."""
    return {option.split("=", 1)[0].replace("_", "-") for option in options if option.startswith("--")}


def _decide_side(given: set[str]) -> bool:
    """Whether one of the networks' own options that decide the side of the images is among these; where none is, they
    are fitted to a side."""
    blocks = [f"--{network}.{of}" for network in ("generator", "discriminator") for of in ("filters", "strides")]
    return not given.isdisjoint([*blocks, "--generator.start", "--generator.output-stride"])


def option_value(options: list[str], name: str) -> str | None:
    """The (last) value of an option that decides the defaults of others, before all options are read."""
    for option, following in reversed([*zip(options, [*options[1:], None])]):
        if option == name:
            return following
        if option.startswith(f"{name}="):
            return option.split("=", 1)[1]
    return None
