"""The command line: one dataclass per command, read by tyro; `./dcgan` calls it.

Nothing at the top of this module imports TensorFlow, so that help and refusals come at once.
"""

import errno
import json
import os
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import Positional, arg

from utils import config
from utils.config import DataConfig, Experiment, ModelConfig, TrainingConfig
from utils.errors import InputError, Interrupted

# --- the commands and their options -----------------------------------------------------------------------------------


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
    """Train a DCGAN in a new run folder. Defaults are those of the preset; every option below changes one setting."""

    settings: Annotated[_Settings, arg(name="")]
    places: Annotated[_Places, arg(name="")]
    preset: Literal[tuple(config.presets())] = "quick"  # type: ignore[valid-type]
    """The experiment to start from; `./dcgan presets` compares them."""
    dry_run: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print the resolved experiment and what it will cost on this machine, and stop."""
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print the dry run as JSON."""
    checkpoint_seconds: float = 120.0
    """Seconds between checkpoints; there is one after every epoch too."""

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
    """Go on with a run that was stopped, or train a finished one for more epochs (--epochs)."""

    settings: Annotated[_Settings, arg(name="")]
    places: Annotated[_Places, arg(name="")]
    name: Annotated[Positional[str], arg(metavar="RUN")] = "last"
    """The run: its folder, "dataset/number-preset", or "last"."""
    checkpoint_seconds: float = 120.0
    """Seconds between checkpoints; there is one after every epoch too."""

    def run(self) -> None:
        from utils.runs import Run
        from utils.training import resume

        run = Run.find(self.name, self.places.runs_dir)
        began = time.monotonic()
        resume(
            run,
            changed=self.settings.experiment(run.experiment.preset),
            data_dir=self.places.data_dir,
            checkpoint_seconds=self.checkpoint_seconds,
        )
        _say_finished(run, time.monotonic() - began)


@dataclass(frozen=True)
class Sample:
    """Draw pictures with a trained generator: one grid, or single PNG files."""

    name: Annotated[Positional[str], arg(metavar="RUN|MODEL")] = "last"
    """A run, a .keras file of a generator, or "last" for the newest run."""
    n: Annotated[int, arg(aliases=["-n"])] = 64
    """How many pictures."""
    seed: int = 0
    """Seed of the latents."""
    mode: tyro.conf.DisallowNone[Annotated[Literal["grid", "files"], arg(name="as")]] = "grid"
    """One grid, or N single PNG files."""
    out: Path | None = None
    """The grid's file, or the folder of the single files; by default in the run's samples/, or here for a model."""
    runs_dir: Path | None = None
    """Folder of the runs; saved_models/ by default."""

    def run(self) -> None:
        _sample(self)


@dataclass(frozen=True)
class Film:
    """Make a run's film (MP4 and GIF) and curves anew from its epoch grids."""

    name: Annotated[Positional[str], arg(metavar="RUN")] = "last"
    """The run."""
    fps: float = 4.0
    """Epochs per second."""
    out: Path | None = None
    """Folder to write to; the run's by default."""
    runs_dir: Path | None = None
    """Folder of the runs; saved_models/ by default."""

    def run(self) -> None:
        from utils.runs import Run, draw_curves, draw_film

        if not 0 < self.fps <= 60:
            raise InputError(f"fps must lie between 0 and 60. Received: {self.fps}.")
        run = Run.find(self.name, self.runs_dir)
        for file in [*draw_film(run, self.fps, self.out), draw_curves(run)]:
            if file:
                print(file)


@dataclass(frozen=True)
class Show:
    """Print a run's settings, where it stands and its last figures."""

    name: Annotated[Positional[str], arg(metavar="RUN")] = "last"
    """The run."""
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print JSON."""
    runs_dir: Path | None = None
    """Folder of the runs; saved_models/ by default."""

    def run(self) -> None:
        _show(self)


@dataclass(frozen=True)
class Presets:
    """Print the presets with their parameter counts."""

    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print JSON."""

    def run(self) -> None:
        _presets(self.json)


@dataclass(frozen=True)
class Datasets:
    """Print the datasets: what is there, what is missing and how to get it."""

    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print JSON."""
    data_dir: Path | None = None
    """Folder of the datasets; data/ by default."""

    def run(self) -> None:
        _datasets(self.json, self.data_dir)


COMMANDS = {
    "train": Train,
    "resume": Resume,
    "sample": Sample,
    "film": Film,
    "show": Show,
    "presets": Presets,
    "datasets": Datasets,
}


# What the system says of places that the user chose: full, not allowed, not a folder.
_USERS_PLACES = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.EEXIST,
)


def main(arguments: list[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code: 0; 2 for bad input, with one sentence on standard error; 128 + n when signal n stopped it.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    name, *options = arguments
    try:
        if name not in COMMANDS:
            raise InputError(f"There is no command {name!r}; choose one of {', '.join(COMMANDS)}, test.")
        command = COMMANDS[name]
        default = _default(command, options)
        tyro.cli(command, args=options, prog=f"./dcgan {name}", default=default).run()
        return 0
    except InputError as error:
        print(f"dcgan: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("dcgan: stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno not in _USERS_PLACES:
            raise
        print(f"dcgan: {error.filename or 'writing'}: {error.strerror}; choose another place.", file=sys.stderr)
        return 2
    except Interrupted as stop:
        print(f"{stop}\nGo on with: ./dcgan resume {_short(stop.folder)}")
        return 128 + stop.signal


def _default(command: type, options: list[str]) -> object | None:
    """The command's options before any is given: a preset's settings for train, the run's for resume."""
    if command is Train:
        name = _option(options, "--preset") or "quick"
        experiment = config.preset(name)
        if _option(options, "--data") not in (None, experiment.data.name):
            # The preset's count belongs to the preset's images.
            experiment = replace(experiment, data=replace(experiment.data, count=None))
        return Train(_Settings.of(experiment), _Places(), preset=name)
    if command is Resume:
        from utils.runs import Run

        # Which run it is decides the defaults, so its name has to be read first, wherever it stands among the options.
        anything = Resume(_Settings.of(config.preset("quick")), _Places())
        asked = tyro.cli(Resume, args=options, prog="./dcgan resume", default=anything)
        run = Run.find(asked.name, asked.places.runs_dir)
        return replace(anything, settings=_Settings.of(run.experiment))
    return None


def _option(options: list[str], name: str) -> str | None:
    """The value of an option that decides the defaults of others, before all options are read."""
    for option, following in zip(options, [*options[1:], None]):
        if option == name:
            return following
        if option.startswith(f"{name}="):
            return option.split("=", 1)[1]
    return None


# --- what the commands print ------------------------------------------------------------------------------------------


def table(rows: list[dict]) -> str:
    """Rows of equal keys as aligned text; numbers stand right."""
    names = list(rows[0])
    cells = [
        [f"{v:,}" if isinstance(v, int) and not isinstance(v, bool) else str(v) for v in row.values()] for row in rows
    ]
    widths = [max(len(line[i]) for line in [names, *cells]) for i in range(len(names))]
    right = [all(isinstance(row[name], (int, float)) for row in rows) for name in names]
    lines = [names, ["-" * width for width in widths], *cells]
    return "\n".join(
        "  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in zip(line, widths, right)).rstrip() for line in lines
    )


def duration(seconds: float) -> str:
    """Seconds in words: "45 s", "3 min 20 s", "2 h 5 min"."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


def _short(path: Path) -> str:
    """A path as the user would type it from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _say_finished(run, seconds: float) -> None:
    folder = _short(run.folder)
    epochs = run.epochs()
    following = {
        f"./dcgan sample {folder} -n 100": "draw new pictures",
        f"./dcgan resume {folder} --epochs {2 * run.experiment.training.epochs}": "train on",
        "./dcgan train --data FOLDER_OF_PICTURES": "train on your own",
    }
    width = max(map(len, following))
    print(
        f"\nDone in {duration(seconds)}.\n"
        f"  run     {folder}\n"
        f"  grid    {_short(run.grid(epochs[-1]['epoch']))}   (beside it true.png: what it learned from)\n"
        f"  film    {_short(run.film)}\n"
        f"  curves  {_short(run.losses_plot)}\n"
        "Next:\n" + "\n".join(f"  {command:<{width}}  {purpose}" for command, purpose in following.items())
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


def _sample(options: Sample) -> None:
    from utils import runtime, viz
    from utils.data import scale_back
    from utils.sampling import fake_samples_generator, make_latent_samples

    if options.n < 1:
        raise InputError(f"-n must be at least 1. Received: {options.n}.")
    file, distribution, folder = _generator_file(options.name, options.runs_dir)
    target = options.out or folder / f"{options.n}-seed-{options.seed}{'.png' if options.mode == 'grid' else ''}"
    if options.mode == "files" and target.is_file():
        raise InputError(f"--out must be a folder for single files. Received: {target}, which is a file.")
    if options.mode == "grid" and (target.is_dir() or target.suffix.lower() != ".png"):
        raise InputError(f"--out must be the name of a .png file for a grid. Received: {target}.")

    runtime.start()
    from utils.models import load_network

    generator = load_network(file)
    latents = make_latent_samples(options.n, generator.input_shape[-1], options.seed, distribution)
    if options.mode == "grid":
        images = scale_back(fake_samples_generator(generator, latents)[0])
        viz.write_png(target, viz.grid(images))
        print(_short(target))
        return
    digits = max(4, len(str(options.n - 1)))
    for start in range(0, options.n, 256):  # so that a million pictures need no more memory than 256
        images = scale_back(fake_samples_generator(generator, latents[start : start + 256])[0])
        for i, image in enumerate(images, start):
            viz.write_png(target / f"{i:0{digits}d}.png", image)
    print(f"{options.n:,} pictures in {_short(target)}")


def _generator_file(name: str, runs_dir: Path | None) -> tuple[Path, str, Path]:
    """A generator by the name of its run or file: the file, the distribution of its latents, a folder for samples."""
    from utils.runs import Run

    path = Path(name)
    if path.suffix == ".keras":
        if not path.is_file():
            raise InputError(f"There is no file {path}.")
        folder = path.resolve().parent.parent
        in_run = (folder / "experiment.json").is_file()
        return path, Run(folder).experiment.model.latents if in_run else "normal", Path.cwd()
    run = Run.find(name, runs_dir)
    if not run.model("generator").is_file():
        raise InputError(f"{run.folder} has no generator yet; go on with `./dcgan resume {_short(run.folder)}`.")
    return run.model("generator"), run.experiment.model.latents, run.folder / "samples"


def _show(options: Show) -> None:
    from utils.runs import Run

    run = Run.find(options.name, options.runs_dir)
    experiment, steps, epochs = run.experiment, run.steps(), run.epochs()
    updates = int(steps["update"][-1]) if steps else 0
    last = epochs[-1] if epochs else {}
    done = last.get("epoch", 0) >= experiment.training.epochs
    if options.json:
        record = {
            "folder": str(run.folder),
            "experiment": config.to_dict(experiment),
            "environment": run.environment,
            "updates": updates,
            "finished": done,
            "last_epoch": last,
            "last_update": {name: values[-1].item() for name, values in steps.items()},
        }
        print(json.dumps(record, indent=2))
        return
    about = run.environment
    changed = config.differences(config.preset(experiment.preset), experiment)
    changes = ", ".join(f"{name}={now}" for name, (_, now) in changed.items())
    window = slice(-min(100, updates), None)
    losses = ", ".join(
        f"{name.removeprefix('loss_')} {values[window].mean():.3f}"
        for name, values in steps.items()
        if name.startswith("loss")
    )
    stands = "finished" if done else f"go on with ./dcgan resume {_short(run.folder)}"
    print(
        f"{run.folder}\n\n"
        f"preset    {experiment.preset}{', with ' if changes else ''}{changes}\n"
        f"data      {experiment.data.name}: {about['images']:,} images, fingerprint {about['fingerprint'][:12]}\n"
        f"started   on {about['device']['name']}, TensorFlow {about['tensorflow']}, Keras {about['keras']}\n"
        f"stands    at epoch {last.get('epoch', 0)} of {experiment.training.epochs}, update {updates:,}, {stands}"
    )
    if losses:
        print(f"losses    mean of the last {min(100, updates)} updates: {losses}")
    if epochs:
        print("\n" + table([{n: v if n == "epoch" else f"{v:.3f}" for n, v in row.items()} for row in epochs[-10:]]))


def _presets(as_json: bool) -> None:
    from utils.models import build_discriminator, build_generator

    rows = []
    for name, about in config.presets().items():
        experiment = config.preset(name)
        rows.append(
            {
                "preset": name,
                "image": experiment.model.image_size,
                "generator": build_generator(experiment.model).count_params(),
                "discriminator": build_discriminator(experiment.model).count_params(),
                "batch_norm": experiment.model.batch_norm,
                "data": experiment.data.name,
                "about": about,
            }
        )
    print(json.dumps(rows, indent=2) if as_json else table(rows))


def _datasets(as_json: bool, data_dir: Path | None) -> None:
    from utils.data.catalogue import catalogue

    entries = catalogue()
    if as_json:
        names = ("name", "title", "built_in", "native_size", "images", "terms", "script")
        print(
            json.dumps(
                [{n: getattr(e, n) for n in names} | {"present": e.present(data_dir)} for e in entries], indent=2
            )
        )
        return

    def state(entry) -> str:
        return "built in" if entry.built_in else "present" if entry.present(data_dir) else f"missing: {entry.script}"

    print(
        table(
            [
                {
                    "dataset": entry.name,
                    "state": state(entry),
                    "images": f"{entry.images:,}" if entry.images else "any number",
                    "size": f"{entry.native_size}" if entry.native_size else "any",
                    "terms": entry.terms,
                }
                for entry in entries
            ]
        )
    )
    print("\nA folder of pictures, or an .npz or .npy file, needs no entry: ./dcgan train --data FOLDER")
