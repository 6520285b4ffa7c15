"""Which trained network is meant by a name. Imports no TensorFlow, so that what is wrong is said at once."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils import config, pretrained
from utils.config import Experiment
from utils.data import load_for
from utils.data.catalogue import is_own, place_of
from utils.errors import InputError
from utils.pretrained import Pretrained
from utils.runs import Run, check_place
from utils.text import command, one_line, say_once


@dataclass(frozen=True)
class TrainedNetwork:
    """A network's file, and what is known of its training.

    Attributes:
        title: what to call it in a heading.
        file: its .keras file; the other network's may lie beside it.
        home: where to put what is made of it: the run's folder, or where the user is.
        run: the run it belongs to, or None.
        experiment: how it was trained, or None where that is not known.
    """

    title: str
    file: Path
    home: Path
    run: Run | None = None
    experiment: Experiment | None = None

    @property
    def conditions(self) -> np.ndarray | None:
        """Conditions as they occur in the training data, uint8 (M, C), of a conditional network; None of another."""
        return self.run.conditions if self.run else Pretrained(self.file.parent).conditions


def find_network(
    name: str, network: str, runs_dir: str | Path | None = None, kept: str | None = None
) -> TrainedNetwork:
    """Find a network by the name of its model, its run or its file.

    Args:
        name: a model that comes with the project, a run as `Run.find` takes it, or the path of a .keras file.
        network: "generator", "discriminator" or another player; a file is taken for what is asked for.
        runs_dir: where runs are.
        kept: of a run, "best" or the number of a summary, for networks that it kept beside the last ones.

    Raises:
        InputError: there is no such thing; the message names those that exist.
    """
    model = find_model(name)
    if kept is not None and (model or Path(name).suffix == ".keras"):
        raise InputError(f"Only a run keeps networks beside its last. Received: --kept {kept} for {name}.")
    if model:
        return TrainedNetwork(name, model.model(network), Path.cwd(), experiment=model.experiment)
    path = Path(name)
    if path.suffix == ".keras":
        if not path.is_file():
            raise InputError(f"There is no file {path}.")
        return TrainedNetwork(one_line(str(path)), path, Path.cwd(), *_owner(path.resolve()))
    run = find_run(name, runs_dir)
    file = run.model(network, _which(run, kept))
    if not file.is_file():
        raise InputError(f"{run.folder} has no {network} yet; go on with `{command('resume', run.folder)}`.")
    return TrainedNetwork(run.name, file, run.folder, run, run.experiment)


def say_what_is_assumed(trained: TrainedNetwork) -> None:
    """Say of a generator of which nothing is known, before latents are drawn for it, which these are."""
    if trained.experiment is None:
        say_once(
            f"{trained.title} does not say how it was trained, so its latents are drawn from N(0, 1). Most presets "
            "here train with uniform ones, and other latents make other pictures: copy its run's experiment.json "
            "beside it as settings.json, or the settings.json of its model."
        )


def encoder_beside(trained: TrainedNetwork) -> Path:
    """The file of the encoder that was trained with a network, and lies beside it.

    Raises:
        InputError: there is none.
    """
    file = trained.file.with_name("encoder.keras")
    if not file.is_file():
        raise InputError(
            f"{trained.title} has no encoder beside its other networks: that takes training with --recipe regularised."
        )
    return file


def find_model(name: str) -> Pretrained | None:
    """The model of that name that comes with the project, or None; says, once, if a folder here has the name, too."""
    model, here = pretrained.find(name), Path(name)
    if model and here.is_dir() and here.resolve() != model.folder.resolve():
        say_once(f"{name} means the model that comes with the project; for the folder {name} here write ./{name}.")
    return model


def find_run(name: str, runs_dir: str | Path | None = None) -> Run:
    """A run, as `Run.find` finds it, where the name of a model could have been meant as well.

    Raises:
        InputError: there is no such run; the message names runs and models that exist.
    """
    try:
        return Run.find(name, runs_dir)
    except InputError as error:
        raise InputError(f"{error} Models that come with the project: {', '.join(pretrained.names())}.") from error


def with_data(
    trained: TrainedNetwork, asked: str | Path | None, data_dir: str | Path | None = None, progress: bool = True
) -> tuple[TrainedNetwork, str | None]:
    """Settle which images are to be looked at: those that a network was trained on, wherever they are now, or others.

    A place is no identity: own pictures that are asked for by another path, and have the fingerprint of those that the
    network was trained on, are those.

    Args:
        trained: the network.
        asked: name of a dataset, or the path of own pictures; None for what it was trained on.
        data_dir: where datasets are.
        progress: whether to show a progress bar if pictures have to be read.

    Returns:
        The network, its experiment naming the place that was asked for if the pictures were moved there; and the name
        of other images to look at, or None for its own.

    Raises:
        InputError: its own pictures are no longer where they were.
    """
    experiment = trained.experiment
    if experiment is None or asked is None:
        if experiment is not None:
            check_place(trained.title, experiment.data.name)
        return trained, None if asked is None else str(asked)
    place, name = place_of(asked, experiment.data.name), experiment.data.name
    if place == place_of(name):
        return trained, None
    if trained.run is None or not is_own(place) or not is_own(name):
        return trained, place
    moved = config.replace(experiment, name=place)
    same = are_as_trained_on(trained.run, moved, data_dir, progress)
    return (dataclasses.replace(trained, experiment=moved), None) if same else (trained, place)


def are_as_trained_on(
    run: Run, experiment: Experiment, data_dir: str | Path | None = None, progress: bool = True
) -> bool:
    """Whether own pictures are those that a run was trained on, where its experiment says that they are.

    Args:
        run: keeps their fingerprint.
        experiment: its own, or one that names the place they were moved to.
        data_dir, progress: as for `with_data`.
    """
    try:
        return load_for(experiment, data_dir, progress).fingerprint == run.environment.get("fingerprint")
    except InputError:  # fewer than it was trained on, or such that cannot be read at its size
        return False


def _which(run: Run, asked: str | None) -> int | str | None:
    """What is asked for, as `Run.model` takes it, if the run has kept it."""
    if asked is None:
        return None
    there = {int(folder.name.split("_")[1]) for folder in (run.folder / "models").glob(f"{run.unit}_*")}
    kept = sorted(there & {row[run.unit] for row in run.epochs()})  # not those of a course that was undone
    if asked == "best" and run.best:
        return "best"
    if asked.isdecimal() and int(asked) in kept:
        return int(asked)
    there = [*(["best"] if run.best else []), *map(str, kept)]
    raise InputError(
        f"{run.name} has not kept its networks of --kept {asked}: "
        + (f"choose from {', '.join(there)}." if there else "that takes training with --keep best or --keep-models.")
    )


def _owner(file: Path) -> tuple[Run | None, Experiment | None]:
    """The run that a file belongs to (also one kept at an epoch), or else nothing; and how it was trained, if known."""
    for folder in file.parents[1:3]:
        if (folder / "experiment.json").is_file():
            return Run(folder), Run(folder).experiment
    named = Pretrained(file.parent)
    return None, named.experiment if (named.folder / "settings.json").is_file() else None
