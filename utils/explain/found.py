"""Which discriminator is meant by a name. Imports no TensorFlow, so that what is wrong is said at once."""

from dataclasses import dataclass
from pathlib import Path

from utils import pretrained
from utils.config import Experiment
from utils.errors import InputError
from utils.runs import Run


@dataclass(frozen=True)
class Found:
    """A discriminator's file, and what is known of its training.

    Attributes:
        title: what to call it in a heading.
        discriminator: its .keras file; the generator's may lie beside it.
        folder: where to write by default.
        run: the run it belongs to, or None.
        experiment: how it was trained, or None where that is not known.
    """

    title: str
    discriminator: Path
    folder: Path
    run: Run | None = None
    experiment: Experiment | None = None


def find(name: str, runs_dir: Path | None = None) -> Found:
    """Find a discriminator by the name of its model, run or file.

    Raises:
        InputError: there is no such thing; the message names those that exist.
    """
    if model := pretrained.find(name):
        return Found(name, model.model("discriminator"), Path.cwd() / "explain", experiment=model.experiment)
    path = Path(name)
    if path.suffix == ".keras":
        if not path.is_file():
            raise InputError(f"There is no file {path}.")
        run = Run(path.resolve().parent.parent)
        if not (run.folder / "experiment.json").is_file():
            return Found(str(path), path, Path.cwd() / "explain")
        return Found(str(path), path, Path.cwd() / "explain", run, run.experiment)
    run = Run.find(name, runs_dir)
    title = f"{run.folder.parent.name}/{run.folder.name}"
    if not run.model("discriminator").is_file():
        raise InputError(f"{run.folder} has no discriminator yet; go on with `./dcgan resume {title}`.")
    return Found(title, run.model("discriminator"), run.folder / "explain", run, run.experiment)
