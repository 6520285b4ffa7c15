"""`./dcgan draw`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from utils.cli.places import RunsDir
from utils.cli.text import label, written
from utils.config import Experiment
from utils.errors import InputError
from utils.presets import preset, presets
from utils.registries import PLAYERS


@dataclass(frozen=True)
class Draw:
    """Draw networks, or how they are trained, as a diagram for a page or a slide (SVG or PNG)."""

    name: Annotated[Positional[str], arg(metavar="PRESET|RUN|MODEL")] = "last"
    """A preset, a run, a model that comes with the project, a .keras file, or "last" for the newest run."""
    what: Literal["networks", "update", "convolutions", "gradcam", "guided"] = "networks"
    """networks: layers, sizes, parameters. update: the steps of one update; who learns, who is fixed, which labels.
    convolutions: what a place of a strided layer is computed from. gradcam: how its heat maps come about. guided: what
    guided backpropagation lets pass, which is the same for all networks, so that no name is needed."""
    out: Annotated[Path | None, arg(metavar="FILE.svg|FILE.png")] = None
    """The file; by default NAME-networks.svg (or -update.svg and so on; guided.svg) here."""
    runs_dir: RunsDir = None

    def run(self) -> None:
        if self.out and self.out.suffix.lower() not in (".svg", ".png"):
            raise InputError(f"--out must end in .svg or .png. Received: {self.out}.")
        if self.what == "guided":
            title, file, experiment, networks = "", Path("guided.svg"), None, list
        else:
            title, name, experiment, networks = _meant(self.name, self.runs_dir)
            file = Path(f"{name}-{self.what}.svg")
        if self.what == "update" and experiment is None:
            raise InputError(
                f"Nothing says how {self.name} was trained: draw the update of a preset, a run or a model."
            )
        from utils import runtime

        runtime.start()
        from utils.figure import write_figure

        figure = self._figure(title, experiment, networks)
        file = self.out or file
        was_there = file.exists()
        print(written(write_figure(file, figure), was_there))

    def _figure(self, title: str, experiment: Experiment | None, networks: Callable[[], list]):
        from utils.diagrams import architecture, game, methods

        if self.what == "networks":
            return architecture.draw_architectures(networks(), title)
        if self.what == "update":
            return game.draw_game(experiment, title)
        if self.what == "convolutions":
            return methods.draw_convolutions(networks())
        if self.what == "guided":
            return methods.draw_guided()
        discriminators = [network for network in networks() if network.output_shape[-1] == 1]
        if not discriminators:
            raise InputError(f"Grad-CAM explains a discriminator, and {self.name} has none.")
        return methods.draw_grad_cam(discriminators[0])


def _meant(name: str, runs_dir: Path | None) -> tuple[str, str, Experiment | None, Callable[[], list]]:
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
        beside = [trained.file.with_name(f"{player}.keras") for player in PLAYERS]
        files = [file for file in beside if file.is_file()]
    return trained.title, label(trained), trained.experiment, lambda: _loaded(files)


def _built(experiment: Experiment) -> list:
    from utils.training.players import build_players

    return [player.network for player in build_players(experiment).by_name.values()]


def _loaded(files: list[Path]) -> list:
    from utils.models import load_network

    return [load_network(file) for file in files]
