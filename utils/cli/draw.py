"""`./dcgan draw`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from utils.cli.text import label, written
from utils.config import Experiment
from utils.errors import InputError
from utils.presets import preset, presets


@dataclass(frozen=True)
class Draw:
    """Draw networks, or how they are trained, as a diagram for a page or a slide (SVG or PNG)."""

    name: Annotated[Positional[str], arg(metavar="PRESET|RUN|MODEL")] = "last"
    """A preset, a run, a model that comes with the project, a .keras file, or "last" for the newest run."""
    what: Literal["networks", "update"] = "networks"
    """networks: layers, sizes, parameters. update: the steps of one update; who learns, who is fixed, which labels."""
    out: Annotated[Path | None, arg(metavar="FILE.svg|FILE.png")] = None
    """The file; by default NAME-networks.svg (or -update.svg) here."""
    runs_dir: Path | None = None
    """Folder of the runs; saved_models/ by default."""

    def run(self) -> None:
        if self.out and self.out.suffix.lower() not in (".svg", ".png"):
            raise InputError(f"--out must end in .svg or .png. Received: {self.out}.")
        title, name, experiment, networks = _meant(self.name, self.runs_dir)
        if self.what == "update" and experiment is None:
            raise InputError(
                f"Nothing says how {self.name} was trained: draw the update of a preset, a run or a model."
            )
        from utils import runtime

        runtime.start()
        from utils.figure import write_figure

        if self.what == "networks":
            from utils.diagrams.architecture import draw_architectures

            figure = draw_architectures(networks(), title)
        else:
            from utils.diagrams.game import draw_game

            figure = draw_game(experiment, title)
        file = self.out or Path(f"{name}-{self.what}.svg")
        was_there = file.exists()
        print(written(write_figure(file, figure), was_there))


def _meant(name: str, runs_dir: Path | None):
    """What to draw: a title, a file's name, how it is or was trained, and a function that gives the networks."""
    if name in presets():
        experiment = preset(name)
        return name, name, experiment, lambda: _built(experiment)
    from utils.networks import find_network

    try:
        trained = find_network(name, "generator", runs_dir)
    except InputError as error:
        raise InputError(f"{error} Presets: {', '.join(presets())}.") from error
    files = [trained.file]
    if Path(name).suffix != ".keras":
        files.append(find_network(name, "discriminator", runs_dir).file)
    return trained.title, label(trained), trained.experiment, lambda: _loaded(files)


def _built(experiment: Experiment) -> list:
    from utils.training.players import build_players

    return [player.network for player in build_players(experiment).by_name.values()]


def _loaded(files: list[Path]) -> list:
    from utils.models import load_network

    return [load_network(file) for file in files]
