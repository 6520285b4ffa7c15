"""`./dcgan explain`."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import Positional, arg

from utils.cli.places import DataDir, RunsDir
from utils.cli.text import place_for, written
from utils.errors import InputError
from utils.explain import ANALYSES, OF_A_LAYER
from utils.files import expect_folder


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
    """The convolution that gradcam, guided and checks explain: its number from 1 at the image, its name, or "last"."""
    only: tyro.conf.DisallowNone[tuple[Literal[tuple(ANALYSES)], ...]] = ()  # type: ignore[valid-type]
    """Only these sections; all of them by default. Others that are there stay on the page, if they are of the same
    networks and images with the same settings."""
    boxes: Path | None = None
    """For removing a part: a JSON file, named after the part, of boxes drawn by hand on the pictures that
    `./dcgan sample RUN -n 1000 --as files` writes with the same seed: {"0": [[left, top, right, bottom]], "7": []}. By
    default a detector finds the parts, which a built-in dataset has."""
    out: Path | None = None
    """The folder to write to; by default explain/ in the run's folder, or here, named after the model."""
    seed: int = 0
    """Seed of images, latents and random controls."""
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print claims, measurements and controls as JSON."""
    runs_dir: RunsDir = None
    data_dir: DataDir = None

    def run(self) -> None:
        _explain(self)


def _explain(options: Explain) -> None:
    if options.count < 2:
        raise InputError(
            f"--count must be at least 2, because an image's maps are compared with others'. Received: {options.count}."
        )
    if options.boxes and options.only and "removal" not in options.only:
        raise InputError(
            "--boxes is for removing a part: leave it out, or name removal behind --only. Received: --only "
            f"{' '.join(options.only)}."
        )
    if options.layer != Explain.layer and options.only and not set(options.only) & set(OF_A_LAYER):
        raise InputError(
            f"--layer is for {', '.join(OF_A_LAYER)}: leave it out, or name one of these behind --only. Received: "
            f"--layer {options.layer} --only {' '.join(options.only)}."
        )
    expect_folder(options.out)
    from utils.networks import find_network

    trained = find_network(options.name, "discriminator", options.runs_dir)
    folder = options.out or place_for(trained, "explain", "explain")
    was_there = (folder / "index.html").is_file()

    from utils import runtime

    runtime.start()
    from utils.explain.pages import explain
    from utils.explain.subject import subject_for

    subject = subject_for(
        trained,
        options.data,
        count=options.count,
        layer=options.layer,
        seed=options.seed,
        data_dir=options.data_dir,
        boxes=options.boxes,
    )
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
    print(f"\n{written(folder / 'index.html', was_there)}")
