"""`./dcgan publish`."""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional, arg

from utils.cli.places import DataDir, RunsDir
from utils.cli.text import short
from utils.errors import InputError
from utils.text import command


@dataclass(frozen=True)
class Publish:
    """Give a run's networks a name and a card, in saved_models/pretrained/; other commands then take that name."""

    run_name: Annotated[Positional[str], arg(metavar="RUN")]
    """The run."""
    name: Annotated[Positional[str], arg(metavar="NAME")]
    """What to call the model."""
    about: str = ""
    """A sentence for the card."""
    distance: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Measure the distance of its samples to held-out true images for the card, with its passport, and of a conditional
    model whether it draws what it is asked for; what `evaluate` has kept of the run is taken."""
    anyway: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Publish also what has hardly been trained, or still is, or what the training's last warning says has failed; and
    replace a model that has this name already."""
    runs_dir: RunsDir = None
    data_dir: DataDir = None

    def run(self) -> None:
        from utils import pretrained, runtime
        from utils.data import load_for
        from utils.files import digest
        from utils.runs import Run, check_place

        pretrained.check_name(self.name)
        if not self.anyway and pretrained.find(self.name):
            raise InputError(
                f"There is a model {self.name} already: choose another name, or add --anyway to replace it."
            )
        run = Run.find(self.run_name, self.runs_dir)
        where = command("resume", run.folder, "--data", "FOLDER")
        check_place(run.name, run.experiment.data.name, f"`{where}`")
        pretrained.check_networks(run)
        if not self.anyway and (reason := _unfit(run)):
            raise InputError(
                f"{run.folder} is not fit to be published: {reason} Add --anyway to publish it all the same."
            )
        runtime.start()
        distance = agreement = measured = None
        if self.distance:
            measured = digest(run.model("generator"))  # before: a training may write another meanwhile
            distance, agreement = measured_for_card(run, self.data_dir)
        dataset = load_for(run.experiment, self.data_dir)
        known = {"agreement": agreement, "measured": measured}
        model = pretrained.publish(run, self.name, dataset, distance, self.about, **known)
        print(f"{short(model.folder)}\nNext: {command('sample', self.name)}")


def measured_for_card(run, data_dir: Path | None) -> tuple[dict, dict]:
    """The distance for a card, and whether it draws what it is asked for, as the card has both."""
    from utils.evaluation import records
    from utils.evaluation.distances import SAMPLES
    from utils.evaluation.evaluation import agreement, evaluate
    from utils.files import write_json
    from utils.networks import TrainedNetwork

    trained = TrainedNetwork(run.name, run.model("generator"), run.folder, run, run.experiment)
    kind = {"none": None, "text": "texts"}.get(run.experiment.model.conditions, "asked")
    record = records.kept(trained) or {}
    as_here = record.get("samples", 0) >= SAMPLES and record.get("features") == "auto"
    as_here = as_here and None not in records.passports_of(record)  # an earlier version did not say how it measured
    if not as_here or record["true_images_trained_on"]:
        record = evaluate(trained, run.experiment.data, only_unseen=True, data_dir=data_dir)
        if records.kept(trained) is None:  # for who publishes again; of what was asked for otherwise nothing is lost
            with contextlib.suppress(OSError):
                write_json(run.quality_file, record)
    if kind and kind not in record:
        record[kind] = agreement(trained, data_dir=data_dir).plain()
    return records.for_card(record), {kind: record[kind]} if kind else {}


def _unfit(run) -> str | None:
    """Why a run's networks are not to be given to anybody, in a sentence; None if nothing speaks against them."""
    from utils import lengths

    if run.is_running:
        return "it is being trained, and its networks may be replaced meanwhile (wait for it or stop it)."
    if run.updates < lengths.FEW_UPDATES:
        return (
            f"its networks have had {run.updates:,} updates, too few for more than rough shapes (train on with "
            "`resume`, to its next summary at least)."
        )
    from utils.training.doctor import Diagnosis  # it brings TensorFlow

    return Diagnosis(run.experiment, run.watch()).verdict
