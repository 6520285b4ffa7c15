"""`./dcgan train` and `./dcgan resume`."""

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
from utils.config import DataConfig, Experiment, ModelConfig, TrainingConfig
from utils.errors import InputError
from utils.presets import preset, presets
from utils.tables import duration
from utils.text import command


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

    Defaults are those of the preset; every option changes one setting. The fifteen that matter most come first, from
    --preset to --data-dir.
    """

    first: ClassVar[tuple[str, ...]] = (
        *("preset", "name", "count", "image_size", "epochs", "batch_size", "learning_rate", "width", "batch_norm"),
        *("seed", "precision", "dry_run", "json", "runs_dir", "data_dir"),
    )
    settings: Annotated[_Settings, arg(name="")]
    places: Annotated[_Places, arg(name="")]
    preset: Literal[tuple(presets())] = "quick"  # type: ignore[valid-type]
    """The experiment to start from; `./dcgan presets` compares them."""
    dry_run: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print the resolved experiment and what it will cost on this machine, and stop."""
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print the dry run as JSON."""
    checkpoint_seconds: float = 120.0
    """Seconds between checkpoints; there is one after every epoch too."""

    @classmethod
    def default(cls, options: list[str]) -> "Train":
        """The settings of the preset that the options name."""
        name = option_value(options, "--preset") or "quick"
        experiment = preset(name)
        if option_value(options, "--data") not in (None, experiment.data.name):
            # The preset's count belongs to the preset's images.
            experiment = replace(experiment, data=replace(experiment.data, count=None))
        return cls(_Settings.of(experiment), _Places(), preset=name)

    def run(self) -> None:
        experiment = self.settings.experiment(self.preset)
        if self.json and not self.dry_run:
            raise InputError("--json prints a dry run: add --dry-run.")
        if self.dry_run:
            return _dry_run(experiment, self.places, self.json)
        from utils.data import load_for

        dataset = load_for(
            experiment, self.places.data_dir
        )  # before TensorFlow is imported: what is wrong is said at once
        from utils.training import train

        began = time.monotonic()
        run = train(
            experiment,
            dataset=dataset,
            runs_dir=self.places.runs_dir,
            checkpoint_seconds=self.checkpoint_seconds,
        )
        _say_finished(run, time.monotonic() - began)


@dataclass(frozen=True)
class Resume:
    """Go on with a run that was stopped, or train a finished one for more epochs (--epochs).

    Defaults are those of the run; `./dcgan resume RUN --help` shows them.
    """

    first: ClassVar[tuple[str, ...]] = ("epochs", "name", "runs_dir", "data_dir", "checkpoint_seconds")
    settings: Annotated[_Settings, arg(name="")]
    places: Annotated[_Places, arg(name="")]
    run_name: Annotated[Positional[str], arg(metavar="RUN")] = "last"
    """The run: its folder, "dataset/number-preset", or "last"."""
    checkpoint_seconds: float = 120.0
    """Seconds between checkpoints; there is one after every epoch too."""

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
        return replace(anything, settings=_Settings.of(run.experiment))

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
        )
        _say_finished(run, time.monotonic() - began)


def _say_finished(run, seconds: float) -> None:
    folder = short(run.folder)
    epochs = run.epochs()
    following = {
        command("sample", run.folder, "-n", "100"): "draw new pictures",
        command("resume", run.folder, "--epochs", str(2 * run.experiment.training.epochs)): "train on",
        "./dcgan train --data FOLDER_OF_PICTURES": "train on your own",
    }
    width = max(map(len, following))
    print(
        f"\nDone in {duration(seconds)}.\n"
        f"  run     {folder}\n"
        f"  grid    {short(run.grid(epochs[-1]['epoch']))}   (beside it true.png: what it learned from)\n"
        f"  film    {short(run.film)}\n"
        f"  curves  {short(run.losses_plot)}\n"
        "Next:\n" + "\n".join(f"  {typed:<{width}}  {purpose}" for typed, purpose in following.items())
    )


def _dry_run(experiment: Experiment, places: _Places, as_json: bool) -> None:
    from utils.training.estimate import estimate

    costs = estimate(experiment, places.data_dir)
    if as_json:
        print(json.dumps({"experiment": config.to_dict(experiment), "estimate": costs}, indent=2))
        return
    print(json.dumps(config.to_dict(experiment), indent=2))
    print(
        f"\n{costs['images']:,} images, {costs['updates_per_epoch']:,} updates per epoch, {costs['updates']:,} in all."
        f"\nParameters: generator {costs['generator_parameters']:,}, "
        f"discriminator {costs['discriminator_parameters']:,}."
        f"\nMemory: about {costs['memory_bytes'] / 2**30:.1f} GiB, of which weights, gradients and optimisers "
        f"{costs['state_bytes'] / 2**20:.0f} MiB; disk for checkpoints {costs['checkpoint_bytes'] / 2**20:.0f} MiB."
        f"\nTime: about {duration(costs['seconds'])} on {costs['device']} ({costs['images_per_second']:.0f} images/s, "
        f"measured with {costs['trial_updates']} updates on random images)."
        "\nNothing was trained or written (--dry-run)."
    )


def option_value(options: list[str], name: str) -> str | None:
    """The value of an option that decides the defaults of others, before all options are read."""
    for option, following in zip(options, [*options[1:], None]):
        if option == name:
            return following
        if option.startswith(f"{name}="):
            return option.split("=", 1)[1]
    return None
