"""`./dcgan explain`."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import Positional, arg

from utils.cli.text import short
from utils.config import Experiment
from utils.errors import InputError
from utils.runs import Run

SEARCHED = 2000  # true images that are looked through


@dataclass(frozen=True)
class Explain:
    """Explain a discriminator and question its generator: pictures, measurements and controls in one folder."""

    name: Annotated[Positional[str], arg(metavar="RUN|MODEL")] = "last"
    """A run, a model that comes with the project, a discriminator's .keras file (with generator.keras beside it or
    not), or "last" for the newest run."""
    data: Annotated[str | None, arg(metavar="NAME|FOLDER")] = None
    """The true images to look at: a dataset, a folder of pictures, or an .npz / .npy file; by default what the run was
    trained on, its test split if there is one."""
    count: int = 64
    """How many true, and how many fake images are explained."""
    layer: str = "last"
    """The convolution to explain: its number from 1 at the image, its name, or "last"."""
    only: tyro.conf.DisallowNone[
        tuple[Literal["gradcam", "guided", "checks", "filters", "memory", "removal"], ...]
    ] = ()
    """Only these sections; all of them by default."""
    out: Path | None = None
    """The folder to write to; by default explain/ in the run's folder, or here for a model."""
    seed: int = 0
    """Seed of images, latents and random controls."""
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print claims, measurements and controls as JSON."""
    runs_dir: Path | None = None
    """Folder of the runs; saved_models/ by default."""
    data_dir: Path | None = None
    """Folder of the datasets; data/ by default."""

    def run(self) -> None:
        _explain(self)


def _explain(options: Explain) -> None:
    if options.count < 2:
        raise InputError(
            f"--count must be at least 2, because an image's maps are compared with others'. Received: {options.count}."
        )
    found = _find(options.name, options.runs_dir)
    folder = options.out or found.folder

    from utils import runtime

    runtime.start()
    from utils.explain.pages import explain

    subject = _subject(options, found)
    sections = explain(subject, folder, options.only, say=lambda title: print(f"{title} …", file=sys.stderr))
    findings = [{"section": section.name} | vars(finding) for section in sections for finding in section.findings]
    if options.json:
        print(json.dumps({"folder": str(folder), "findings": findings}, indent=2))
        return
    for finding in findings:
        print(f"{finding['claim']}\n  measured  {finding['measured']}\n  control   {finding['control']}")
    for section in sections:
        if section.missing:
            print(f"{section.title}: {section.missing}")
    print(f"\n{short(folder / 'index.html')}")


@dataclass(frozen=True)
class _Found:
    """A discriminator's file, what is known of its training, and where to write by default."""

    title: str
    discriminator: Path
    folder: Path
    run: Run | None = None
    experiment: Experiment | None = None


def _find(name: str, runs_dir: Path | None) -> _Found:
    """A discriminator by the name of its model, run or file."""
    from utils import pretrained

    if model := pretrained.find(name):
        return _Found(name, model.model("discriminator"), Path.cwd() / "explain", experiment=model.experiment)
    path = Path(name)
    if path.suffix == ".keras":
        if not path.is_file():
            raise InputError(f"There is no file {path}.")
        run = Run(path.resolve().parent.parent)
        if not (run.folder / "experiment.json").is_file():
            return _Found(str(path), path, Path.cwd() / "explain")
        return _Found(str(path), path, Path.cwd() / "explain", run, run.experiment)
    run = Run.find(name, runs_dir)
    if not run.model("discriminator").is_file():
        raise InputError(f"{run.folder} has no discriminator yet; go on with `./dcgan resume {short(run.folder)}`.")
    return _Found(short(run.folder), run.model("discriminator"), run.folder / "explain", run, run.experiment)


def _subject(options: Explain, found: _Found):
    from utils.explain.judge import judge_of
    from utils.explain.subject import Subject
    from utils.models import load_network

    discriminator = load_network(found.discriminator)
    judge_of(discriminator).convolution(options.layer)  # before any image is read: what is wrong is said at once
    beside = found.discriminator.with_name("generator.keras")
    return Subject(
        title=found.title,
        discriminator=discriminator,
        generator=load_network(beside) if beside.is_file() else None,
        data=_true_images(options, found, discriminator.input_shape[1]),
        experiment=found.experiment,
        count=options.count,
        layer=options.layer,
        seed=options.seed,
        run=found.run,
        data_dir=options.data_dir,
    )


def _true_images(options: Explain, found: _Found, size: int):
    """Images that nothing was trained on, if there are such, else those that there are."""
    from utils.data import load
    from utils.data.catalogue import catalogue, find_source
    from utils.evaluation.held_out import SPLITS

    own = found.experiment and found.experiment.data
    name = options.data or (own and own.name)
    if name is None:
        raise InputError(f"{found.title} belongs to no run, so say which images to show it: --data NAME|FOLDER.")
    entry = next((entry for entry in catalogue() if entry.name == name), None)
    there = entry.found(options.data_dir) if entry else ()
    split = next((split for split in SPLITS if split in there), "train")
    drawing = {"seed": own.data_seed, "choices": own.choices} if own and name == own.name else {}
    count = find_source(name, size, data_dir=options.data_dir, split=split, **drawing).describe().count
    return load(name, size, min(SEARCHED, count), data_dir=options.data_dir, split=split, **drawing)
