"""`./dcgan show` and `./dcgan presets`."""

import json
import math
from dataclasses import dataclass
from typing import Annotated

from tyro.conf import Positional, arg

from utils import config
from utils.cli.places import Json, RunsDir
from utils.cli.train import command_for
from utils.config import Experiment
from utils.presets import preset, presets, told_by
from utils.tables import card_text, table
from utils.text import command, one_line

SHOWN_UPDATES, SHOWN_EPOCHS = 100, 10
"""The last so many are shown; a record is not read whole for them."""


@dataclass(frozen=True)
class Show:
    """Print a run's settings, where it stands and its last figures; or the card of a model with a name."""

    name: Annotated[Positional[str], arg(metavar="RUN|MODEL")] = "last"
    """A run, a model that comes with the project, or "last" for the newest run."""
    json: Json = False
    runs_dir: RunsDir = None

    def run(self) -> None:
        from utils.networks import find_model

        if model := find_model(self.name):
            if self.json:
                print(json.dumps(model.card, indent=2))
            else:
                print(f"{model.folder}\n\n{card_text(model.card)}\n{_settings_in_words(model.experiment)}")
        else:
            _show(self)


@dataclass(frozen=True)
class Presets:
    """Print the presets with their parameter counts."""

    json: Json = False

    def run(self) -> None:
        _presets(self.json)


def _show(options: Show) -> None:
    from utils.networks import find_run

    run = find_run(options.name, options.runs_dir)
    experiment, steps, epochs = run.experiment, run.steps(SHOWN_UPDATES), run.epochs(SHOWN_EPOCHS)
    updates = int(steps["update"][-1]) if steps else 0
    last = epochs[-1] if epochs else {}
    done = run.is_finished
    if options.json:
        record = {
            "folder": str(run.folder),
            "experiment": config.to_dict(experiment),
            "environment": run.environment,
            "updates": updates,
            "finished": done,
            "state": vars(run.state),
            "best": run.best,
            "stands": run.in_words(),
            "last_epoch": last,
            # What has its turn every few updates has no value at the others: NaN, which JSON does not know.
            "last_update": {name: values[-1].item() for name, values in steps.items() if math.isfinite(values[-1])},
        }
        print(json.dumps(record, indent=2))
        return
    about = run.environment
    if run.unit == "update":
        at = f"update {updates:,} of {run.goal:,}"
    else:
        at = f"epoch {max(run.state.epoch, last.get('epoch', 0))} of {run.goal}, update {updates:,}"
    if updates > run.state.update:
        at += f" (saved: {run.state.update:,})"
    losses = ", ".join(
        f"{name.removeprefix('loss_')} {values.mean():.3f}" for name, values in steps.items() if name.startswith("loss")
    )
    stands = one_line(run.in_words())
    stands += "" if done or stands == "running" else f"; go on with {command('resume', run.folder)}"
    print(
        f"{one_line(str(run.folder))}\n\n"
        f"{_settings_in_words(experiment)}\n"
        f"data      {one_line(experiment.data.name)}: {about['images']:,} images, "
        f"fingerprint {about['fingerprint'][:12]}\n"
        f"started   on {about['device']['name']}, TensorFlow {about['tensorflow']}, Keras {about['keras']}\n"
        f"stands    at {at}, {stands}"
    )
    for back in run.state.rollbacks:
        print(f"back      from update {back['from']:,} to {back['to']:,}, step sizes times {back['step_sizes']:g}")
    if best := run.best:
        print(f"best      {run.unit} {best[run.unit]:,}, distance {best['distance']['value']:.4f} (--kept best)")
    if losses:
        print(f"losses    mean of the last {min(SHOWN_UPDATES, updates)} updates: {losses}")
    if epochs:
        print("\n" + table([{n: v if n == run.unit else f"{v:.3f}" for n, v in row.items()} for row in epochs]))


def _settings_in_words(experiment: Experiment) -> str:
    """The preset, what differs from it, the command that trains the same, and what that needs of a machine."""
    base, experiment = told_by(experiment)
    changed = config.differences(base, experiment)
    changes = ", ".join(f"{name}={now}" for name, (_, now) in changed.items())
    lines = [
        f"preset    {base.preset}{', with ' if changes else ''}{changes}",
        f"command   {command_for(experiment)}",
    ]
    if experiment.training.precision == "mixed_bfloat16":
        lines.append(
            "          needs a GPU, or a processor with bfloat16 (avx512_bf16, amx_bf16); elsewhere put "
            "--precision float32, which takes longer and gives other bits"
        )
    return "\n".join(map(one_line, lines))


def _presets(as_json: bool) -> None:
    from utils.parameters import network_parameters

    rows = []
    for name, about in presets().items():
        experiment = preset(name)
        parameters = network_parameters(experiment)
        rows.append(
            {
                "preset": name,
                "image": experiment.model.image_size,
                **parameters | {"encoder": parameters.get("encoder", "")},
                "batch_norm": experiment.model.batch_norm,
                "data": experiment.data.name,
                "about": about,
            }
        )
    print(json.dumps(rows, indent=2) if as_json else table(rows))
