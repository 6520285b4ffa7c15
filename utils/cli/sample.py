"""`./dcgan sample` and `./dcgan film`."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import Positional, arg

from utils.cli import asked
from utils.cli.latent import one_for_all
from utils.cli.places import RunsDir
from utils.cli.text import place_for, written
from utils.errors import InputError
from utils.text import telling_slug

PICTURES, OF_A_TEXT = 64, 8
"""How many are drawn unless -n says so: in all, or of each text."""
RECORD = "samples.json"
"""Lies beside single files, and says what they are."""


@dataclass(frozen=True)
class Sample:
    """Draw pictures with a trained generator: one grid, or single PNG files.

    The grid of a conditional model has a row for each class, or of pictures with each attribute, all of the same
    latents; with --label or --attributes all pictures are what is asked for.
    """

    name: Annotated[Positional[str], arg(metavar="RUN|MODEL")] = "last"
    """A run, a .keras file of a generator, a model that comes with the project, or "last" for the newest run."""
    n: Annotated[int | None, arg(aliases=["-n"])] = None
    """How many pictures, 64 by default; with --text of each text, 8 by default. A grid with a row for each class or
    attribute has at least so many, in whole rows."""
    seed: int = 0
    """Seed of the latents."""
    label: asked.Label = None
    """The class to draw, of a model that was trained with --conditions labels."""
    attributes: asked.Attributes = None
    """What the pictures are to have (1) and not to have (0), of a model that was trained with --conditions attributes:
    glasses=1,beard=0. Attributes that are not named are as they occur in the training data; with --numbers as in one
    training image."""
    text: tuple[str, ...] = ()
    """What to draw, in words, of a model that was trained with --conditions text: --text "a smiling woman with red hair
    and sunglasses"; several texts give a row each, of the same latents."""
    kept: Annotated[str | None, arg(metavar="best|NUMBER")] = None
    """Networks that a run kept beside the last: the best (--keep best), or those of a summary by its number, an epoch
    or an update (--keep-models)."""
    numbers: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Draw its number on each picture of the grid: what walk, arithmetic and directions call it, with the same seed.
    All pictures are then of one condition, as walk's are."""
    mode: tyro.conf.DisallowNone[Annotated[Literal["grid", "files"], arg(name="as")]] = "grid"
    """One grid, or N single PNG files with a samples.json, which says what they are."""
    out: Path | None = None
    """The grid's file, or the folder of the single files, whose earlier pictures are replaced; by default in the run's
    samples/, or here, named after the model."""
    runs_dir: RunsDir = None

    def run(self) -> None:
        usual, draw = (OF_A_TEXT, _sample_texts) if self.text else (PICTURES, _sample)
        asked_for = usual if self.n is None else self.n
        if asked_for < 1:
            raise InputError(f"-n must be at least 1. Received: {asked_for}.")
        draw(replace(self, n=asked_for))


@dataclass(frozen=True)
class Film:
    """Make a run's film (MP4 and GIF) and curves anew from its grids and records."""

    name: Annotated[Positional[str], arg(metavar="RUN")] = "last"
    """The run."""
    fps: float = 4.0
    """Grids per second."""
    out: Path | None = None
    """Folder to write to; the run's by default."""
    runs_dir: RunsDir = None

    def run(self) -> None:
        from utils.files import appear_together
        from utils.runs import Run, draw_curves, draw_film, filmed

        if not 0.01 <= self.fps <= 60:
            raise InputError(f"fps must lie between 0.01 and 60. Received: {self.fps}.")
        run = Run.find(self.name, self.runs_dir)
        filmed(run)  # of a run without grids no folder is made
        replaced = {path.name for path in self.out.iterdir()} if self.out and self.out.is_dir() else set()
        folder = self.out or run.folder
        # In a folder of their own until they are whole: a training that begins removes what is unfinished by the names
        # of these files, since it takes that for its own.
        with appear_together(folder) as made:
            files = [*draw_film(run, self.fps, made), draw_curves(run, made)]
        for file in filter(None, files):
            print(written(folder / file.name, file.name in replaced))


def _sample_texts(options: Sample) -> None:
    """A grid with a row for each text."""
    from utils import runtime, viz
    from utils.networks import find_network

    if options.mode == "files" or options.numbers:
        raise InputError("--text draws a grid with a row for each text: leave --as files and --numbers out.")
    if options.label is not None or options.attributes is not None:
        raise InputError("--text says what is to be drawn: leave --label and --attributes out.")
    trained = find_network(options.name, "generator", options.runs_dir, options.kept)
    if trained.experiment is None or trained.experiment.model.conditions != "text":
        raise InputError(f"{trained.title} knows no words: --text is for models trained with --conditions text.")
    name = f"{options.kept}-" if options.kept else ""
    name += f"{options.n}-seed-{options.seed}-{telling_slug('-'.join(options.text))}.png"
    target = options.out or place_for(trained, f"samples/{name}", name)
    if target.is_dir() or target.suffix.lower() != ".png":
        raise InputError(f"--out must be the name of a .png file for a grid. Received: {target}.")
    was_there = target.is_file()
    runtime.start()
    from utils.models import load_generator
    from utils.sampling import Sampler
    from utils.text_encoder import encoder_beside

    vectors = encoder_beside(trained.file)(options.text)  # words that it does not know are refused here
    sampler = Sampler.of(load_generator(trained.file), trained.experiment, vectors)
    images = sampler.rows_of(vectors, sampler.make_latents(options.n, options.seed))
    viz.write_png(target, viz.grid(images, columns=options.n, names=options.text))
    print(written(target, was_there))


def _sample(options: Sample) -> None:
    from utils import runtime, viz
    from utils.data import scale_back
    from utils.data.conditions import MOST_ROWS
    from utils.files import appear_together, write_json
    from utils.networks import find_network
    from utils.sampling import Sampler

    if options.numbers and options.mode == "files":
        raise InputError("--numbers is for a grid: single files are named by their numbers already.")
    trained = find_network(options.name, "generator", options.runs_dir, options.kept)
    conditions, about = asked.conditions_for(trained, options.label, options.attributes)
    wanted = options.label or options.attributes
    known = trained.experiment is not None  # a file that was copied from its run may have left the settings there
    by_name = conditions is not None and known and wanted is None and options.mode == "grid"
    if by_name and options.numbers and trained.experiment.model.conditions == "text":
        raise InputError(
            "--numbers draws what walk, arithmetic and directions go by, which take no model of texts: leave it out."
        )
    if by_name and options.numbers:
        raise InputError(
            "Rows of this grid show the same latents for different conditions, so numbers would not tell pictures "
            "apart: name one with --label or --attributes."
        )
    if options.numbers and conditions is not None:
        conditions = one_for_all(conditions)
        about = about and f"{about} All pictures are as in the first of these, as walk takes it."
    which = "" if options.kept is None else f"{options.kept}-"
    kind = "" if options.mode == "files" else "-numbers.png" if options.numbers else ".png"
    name = f"{which}{options.n}-seed-{options.seed}{f'-{telling_slug(wanted)}' if wanted else ''}{kind}"
    target = options.out or place_for(trained, f"samples/{name}", name)
    if options.mode == "files" and target.is_file():
        raise InputError(f"--out must be a folder for single files. Received: {target}, which is a file.")
    if options.mode == "grid" and (target.is_dir() or target.suffix.lower() != ".png"):
        raise InputError(f"--out must be the name of a .png file for a grid. Received: {target}.")
    former = _former(target) if options.mode == "files" else []
    was_there = target.is_file() or bool(former)
    runtime.start()
    from utils.models import load_with_digest
    from utils.networks import say_what_is_assumed

    generator, sha256 = load_with_digest(trained.file)
    sampler = Sampler.of(generator, trained.experiment, conditions)
    say_what_is_assumed(trained)
    if by_name:
        model = trained.experiment.model
        columns = math.ceil(options.n / min(len(model.condition_names), MOST_ROWS))
        images, names = sampler.row_by_row(model, sampler.make_latents(columns, options.seed))
        viz.write_png(target, viz.grid(images, names=names))
        more = len(model.condition_names) - len(names)
        about = f"{more} more can be asked for with --label or --attributes." if more else ""
        print("\n".join(filter(None, (written(target, was_there), about))))
        return
    if options.mode == "grid":
        numbers = range(options.n) if options.numbers else None
        viz.write_png(target, viz.grid(sampler.draw(options.n, options.seed), numbers=numbers))
        print("\n".join(filter(None, (written(target, was_there), about))))
        return
    latents, given = sampler.inputs(options.n, options.seed)
    with appear_together(target, instead_of=former) as made:
        for start in range(0, options.n, 256):  # so that of all pictures no more than the latents are in memory at once
            part = slice(start, start + 256)
            images = scale_back(sampler.images(latents[part], None if given is None else given[part]))
            for i, image in enumerate(images, start):
                viz.write_png(made / _file_of(i, options.n), image)
        of = {"generator": str(trained.file), "generator_sha256": sha256}
        write_json(made / RECORD, of | {"pictures": options.n, "seed": options.seed, "asked": wanted})
    print("\n".join(filter(None, (f"{options.n:,} pictures in {written(target, was_there)}", about))))


def _former(folder: Path) -> list[str]:
    """Names of the single files that are in a folder, and of their record; [] of a new or an empty one.

    Raises:
        InputError: it holds what no earlier command has written, as far as the record tells.
    """
    from utils.files import names_in

    names, count = names_in(folder), _recorded(folder)
    own = {RECORD, *(_file_of(number, count) for number in range(count))} if count else set()
    if others := [name for name in names if name not in own]:
        raise InputError(
            f"--out must be a new folder for single files, or one with nothing but earlier ones and their {RECORD}, "
            f"which are replaced. Received: {folder}, which holds {', '.join(others[:3])}."
        )
    return names


def _recorded(folder: Path) -> int:
    """How many single files an earlier command has written to a folder; 0 if none has."""
    from utils.files import read_json

    try:
        record = read_json(folder / RECORD)
    except (OSError, ValueError):  # there is none, or it is somebody else's
        return 0
    ours = isinstance(record, dict) and "generator" in record and isinstance(record.get("pictures"), int)
    return record["pictures"] if ours else 0


def _file_of(number: int, count: int) -> str:
    """The name of one of so many single files."""
    return f"{number:0{max(4, len(str(count - 1)))}d}.png"
