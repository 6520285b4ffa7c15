"""`./dcgan train` and `./dcgan resume`."""

import contextlib
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import tyro
from tyro.conf import Positional, arg

from utils import config
from utils.cli.options import read
from utils.cli.text import short
from utils.config import CHECKPOINT_SECONDS, DataConfig, Experiment, ModelConfig, TrainingConfig
from utils.errors import InputError
from utils.fitting import at_size, recommended
from utils.lengths import FEW_UPDATES, OWN_UPDATES, for_updates, updates_per_epoch, with_few_summaries
from utils.presets import preset, presets
from utils.tables import duration
from utils.text import command, one_line

SOME = 0.1
"""With more than this share of pictures that are too small, a size is not recommended."""


@dataclass(frozen=True)
class _Data(DataConfig):
    # The one option whose name on the command line is not that of its field.
    name: Annotated[str, arg(name="data", metavar="NAME|FOLDER")] = "faces"
    """A dataset (`./dcgan datasets` lists them), or a folder of pictures, or an .npz / .npy file."""


@dataclass(frozen=True)
class _Places:
    """Where things are."""

    runs_dir: Path | None = None
    """Folder of the runs; saved_models/ by default."""
    data_dir: Path | None = None
    """Folder of the datasets; data/ by default."""


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

    Own pictures are trained on for 4,000 updates, or the preset's epochs if these are more. --image-size fits the
    networks to a size: 28, 32, 48, 64, 96, 128 and others; without --preset, sizes above 32 take the paper's networks
    at a quarter of their width (paper64), which draw faces after minutes: ./dcgan train --data FOLDER --image-size 64.

    Defaults are those of the preset; every option changes one setting. The fifteen that matter most come first, from
    --preset to --data-dir.
    """

    first: ClassVar[tuple[str, ...]] = (
        *(
            "preset",
            "name",
            "count",
            "image_size",
            "epochs",
            "updates",
            "batch_size",
            "learning_rate",
            "width",
            "batch_norm",
        ),
        *("seed", "precision", "dry_run", "runs_dir", "data_dir"),
    )
    settings: Annotated[_Settings, arg(name="")]
    places: Annotated[_Places, arg(name="")]
    updates: int | None = None
    """In place of --epochs: at least so many updates, rounded up to whole epochs."""
    preset: Literal[tuple(presets())] = "quick"  # type: ignore[valid-type]
    """The experiment to start from; `./dcgan presets` compares them."""
    dry_run: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print what it will cost on this machine, and stop."""
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print the dry run as JSON, with the resolved experiment."""
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    """Seconds between checkpoints; there is one after every epoch too."""
    force_precision: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Train in mixed_bfloat16 also where the processor has to emulate it, 6 times slower or worse."""
    given: tyro.conf.Suppress[tuple[str, ...]] = ()  # names of the options that were given

    @classmethod
    def default(cls, options: list[str]) -> "Train":
        """The settings of the preset that the options name, with its networks fitted to the size that they name."""
        given = tuple(option.split("=", 1)[0].replace("_", "-") for option in options if option.startswith("--"))
        name, size = option_value(options, "--preset"), option_value(options, "--image-size")
        experiment = preset(name or "quick")
        own_networks = any(option.startswith(("--generator.", "--discriminator.")) for option in given)
        if size and size.isdecimal() and int(size) and not own_networks:
            experiment = at_size(experiment, int(size)) if name else recommended(int(size))
        if option_value(options, "--data") not in (None, experiment.data.name):
            # The preset's count belongs to the preset's images.
            experiment = replace(experiment, data=replace(experiment.data, count=None))
        return cls(_Settings.of(experiment), _Places(), preset=experiment.preset, given=given)

    def run(self) -> None:
        experiment = self.settings.experiment(self.preset)
        if self.json and not self.dry_run:
            raise InputError("--json prints a dry run: add --dry-run.")
        if self.updates is not None and "--epochs" in self.given:
            raise InputError("--epochs and --updates both say how long to train: give one of them.")
        if self.updates is not None and self.updates < 1:
            raise InputError(f"updates must be at least 1. Received: {self.updates}.")
        if self.dry_run:
            return self._dry_run(experiment)
        from utils import runtime
        from utils.data import load_for

        # Before images are read: what is wrong is said at once.
        runtime.check_precision(experiment.training.precision, self.force_precision)
        dataset = load_for(experiment, self.places.data_dir)
        experiment = self._resolved(experiment, len(dataset))
        updates = experiment.training.epochs * updates_per_epoch(experiment, len(dataset))
        if 0 < updates < FEW_UPDATES:
            print(_few(updates))
        from utils.training import train

        began = time.monotonic()
        run = train(
            experiment,
            dataset=dataset,
            runs_dir=self.places.runs_dir,
            checkpoint_seconds=self.checkpoint_seconds,
            force_precision=self.force_precision,
        )
        _say_finished(run, time.monotonic() - began)

    def _resolved(self, experiment: Experiment, images: int) -> Experiment:
        """The experiment with as many epochs as its updates need, and not too many summaries."""
        from utils.data.catalogue import is_own

        updates = self.updates
        if updates is None and "--epochs" not in self.given and is_own(experiment.data.name):
            updates = max(OWN_UPDATES, experiment.training.epochs * updates_per_epoch(experiment, images))
        if updates is not None:
            experiment = for_updates(experiment, images, updates)
        return experiment if "--summary-epochs" in self.given else with_few_summaries(experiment)

    def _dry_run(self, experiment: Experiment) -> None:
        from utils.data.catalogue import count_for, share_too_small

        experiment = self._resolved(experiment, count_for(experiment, self.places.data_dir)[0])
        from utils.training.estimate import estimate

        costs = estimate(experiment, self.places.data_dir, self.force_precision)
        if self.json:
            print(json.dumps({"experiment": config.to_dict(experiment), "estimate": costs}, indent=2))
            return
        size, data = experiment.model.image_size, experiment.data
        enlarged = data.small == "enlarge" or not Path(data.name).is_dir()
        if not enlarged and (small := share_too_small(data, size)) > SOME:
            print(
                f"Note: {small:.0%} of the pictures are smaller than {size}x{size} and will be left out; --small "
                "enlarge takes them, too, or choose a smaller --image-size."
            )
        print(_costs_in_words(experiment, costs))


@dataclass(frozen=True)
class Resume:
    """Go on with a run that was stopped, or train a finished one for more epochs (--epochs).

    Defaults are those of the run; `./dcgan resume RUN --help` shows them. Many more epochs get fewer summaries.
    """

    first: ClassVar[tuple[str, ...]] = ("epochs", "name", "runs_dir", "data_dir", "checkpoint_seconds")
    settings: Annotated[_Settings, arg(name="")]
    places: Annotated[_Places, arg(name="")]
    run_name: Annotated[Positional[str], arg(metavar="RUN")] = "last"
    """The run: its folder, "dataset/number-preset", or "last"."""
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    """Seconds between checkpoints; there is one after every epoch too."""
    force_precision: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Go on in mixed_bfloat16 also where the processor has to emulate it, 6 times slower or worse."""

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
        experiment, epochs = run.experiment, option_value(arguments, "--epochs")
        if epochs and epochs.isdecimal() and int(epochs) > experiment.training.epochs:
            # A training of two epochs had a summary after each; after each of thousands it would take hours.
            more = with_few_summaries(config.replace(experiment, epochs=int(epochs))).training.summary_epochs
            experiment = config.replace(experiment, summary_epochs=max(more, experiment.training.summary_epochs))
        return replace(anything, settings=_Settings.of(experiment))

    def run(self) -> None:
        from utils.runs import Run
        from utils.training import resume

        run = Run.find(self.run_name, self.places.runs_dir)
        began = time.monotonic()
        resume(
            run,
            changed=self.settings.experiment(run.experiment.preset),
            data_dir=self.places.data_dir,
            checkpoint_seconds=self.checkpoint_seconds,
            force_precision=self.force_precision,
        )
        _say_finished(run, time.monotonic() - began)


def _say_finished(run, seconds: float) -> None:
    from utils.data.catalogue import is_own, share_too_small
    from utils.training.watch import Diagnosis

    experiment, larger = run.experiment, 64
    epochs, verdict = run.epochs(), Diagnosis(experiment, run.watch()).verdict
    more = for_updates(experiment, run.environment["images"], OWN_UPDATES).training.epochs
    more = max(more, 2 * experiment.training.epochs)
    following = {
        command("sample", run.folder, "-n", "100"): "draw new pictures",
        command("resume", run.folder, "--epochs", str(more)): "train on",
    }
    if not is_own(experiment.data.name):
        following["./dcgan train --data FOLDER_OF_PICTURES"] = "train on your own"
    elif experiment.model.image_size < larger:
        with contextlib.suppress(InputError):  # they may have been moved in the meantime
            if share_too_small(experiment.data, larger) <= SOME:
                typed = command("train", "--data", experiment.data.name, "--image-size", str(larger))
                following[typed] = "larger pictures"
    width = max(map(len, following))
    print(
        f"\nDone in {duration(seconds)}{', but the training has failed' if verdict else ''}.\n"
        + (f"{verdict}\n" if verdict else "")
        + f"  run     {short(run.folder)}\n"
        f"  grid    {short(run.grid(epochs[-1]['epoch']))}   (beside it true.png: what it learned from)\n"
        f"  film    {short(run.film)}\n"
        f"  curves  {short(run.losses_plot)}\n"
        "Next:\n" + "\n".join(f"  {typed:<{width}}  {purpose}" for typed, purpose in following.items())
    )


def _few(updates: int) -> str:
    return (
        f"Note: {updates:,} update{'s are' if updates != 1 else ' is'} too few for more than rough shapes; it takes "
        f"some thousands (--updates {OWN_UPDATES})."
    )


def _costs_in_words(experiment: Experiment, costs: dict) -> str:
    training, size = experiment.training, experiment.model.image_size
    few = [_few(costs["updates"])] if costs["updates"] < FEW_UPDATES else []
    lines = [
        f"What    {experiment.preset} on {one_line(experiment.data.name)}, {size}x{size} pixels; generator "
        f"{costs['generator_parameters']:,} parameters, discriminator {costs['discriminator_parameters']:,}",
        f"Images  {'' if costs['images_certain'] else 'up to '}{costs['images']:,}; {costs['updates']:,} updates of "
        f"{training.batch_size} images = {training.epochs:,} epochs of {costs['updates_per_epoch']:,}",
        f"Time    about {duration(costs['seconds'])} on {costs['device']} ({costs['images_per_second']:.0f} images/s, "
        f"measured with {costs['trial_updates']} updates on random images)",
        f"Memory  about {costs['memory_bytes'] / 2**30:.1f} GiB, of which weights, gradients and optimisers "
        f"{costs['state_bytes'] / 2**20:.0f} MiB",
        f"Disk    {costs['checkpoint_bytes'] / 2**20:.0f} MiB for checkpoints",
        *few,
        "Nothing was trained or written (--dry-run); --json prints all settings, too.",
    ]
    return "\n".join(lines)


def command_for(experiment: Experiment) -> str:
    """The command that trains an experiment, to be pasted into a shell: all settings that are not the preset's."""
    options = ["--preset", experiment.preset]
    base, size = config.preset(experiment.preset), experiment.model.image_size
    if experiment.data.name != base.data.name:
        options += ["--data", experiment.data.name]
        base = config.replace(base, name=experiment.data.name, count=None)
    if size != base.model.image_size:
        options += ["--image-size", str(size)]
        fitted = at_size(base, size)
        if not _networks(config.differences(fitted, experiment)):
            base = fitted
    changed = {name: now for name, (_, now) in config.differences(base, experiment).items()}
    changed.pop("model.image_size", None)
    # How long to train, and how often to sum up, may depend on the images: always said, unless it is the preset's.
    changed |= {"training.epochs": experiment.training.epochs}
    if experiment.training.summary_epochs == with_few_summaries(experiment).training.summary_epochs:
        changed.pop("training.summary_epochs", None)
    else:
        changed["training.summary_epochs"] = experiment.training.summary_epochs
    for name, value in changed.items():
        _, _, option = name.partition(".")
        option = option.replace("_", "-")
        if isinstance(value, bool):
            network, _, flag = option.rpartition(".")
            options.append(f"--{network + '.' if network else ''}{'' if value else 'no-'}{flag}")
        else:
            options += [f"--{option}", *map(str, value if isinstance(value, tuple) else (value,))]
    return command("train", *options)


def _networks(changed: dict) -> list[str]:
    """Settings of one of the two networks among those that changed."""
    return [name for name in changed if name.startswith(("model.generator.", "model.discriminator."))]


def option_value(options: list[str], name: str) -> str | None:
    """The (last) value of an option that decides the defaults of others, before all options are read."""
    for option, following in reversed([*zip(options, [*options[1:], None])]):
        if option == name:
            return following
        if option.startswith(f"{name}="):
            return option.split("=", 1)[1]
    return None
