"""Trained models with a name and a card: those that come with the project, and those that a user publishes.

A folder `saved_models/pretrained/<name>/` holds `generator.keras`, `discriminator.keras` and those of the other players
that the run had (`encoder.keras`, `rotation.keras`), `samples.png` (drawn by the generator, never images of the
dataset), `settings.json` (an experiment; under another name than a run's, which this is not) and `card.json`; of a
conditional model also `conditions.npy`, as in a run, and of one on texts `text_encoder.keras` and `.json`; its samples
have a row for each class or attribute, or for each of some sentences. What `./dcgan directions` has found may be kept
beside them, as `directions.npy` and `.json`.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from utils import config, runtime
from utils.config import Experiment
from utils.data.conditions import GRID_COLUMNS
from utils.data.dataset import Dataset
from utils.errors import InputError
from utils.files import appear_together, appears_whole, digest, read_object, write_json
from utils.presets import presets, told_by
from utils.registries import PLAYERS, chosen
from utils.runs import PROJECT, Run, read_conditions
from utils.sampling import Sampler
from utils.viz import grid, write_png

if TYPE_CHECKING:  # it brings TensorFlow
    from utils.text_encoder import TextEncoder

SHIPPED = PROJECT / "saved_models" / "pretrained"
"""Where they are."""
SAMPLES = 64
"""Pictures in `samples.png`; their latents have the seed of the run's grids."""
# What every card says; of a model that was trained here more is known.
_CARD = {"name": str, "data": str, "terms of the data": str, "parameters": dict, "distance": dict}
# Files that only some models have: those of an earlier one do not fit what replaces it.
_OF_SOME = ("conditions.npy", "text_encoder.json", "text_encoder.keras", "directions.json", "directions.npy")


@dataclass(frozen=True)
class Pretrained:
    """One model.

    Attributes:
        folder: where its files are.
    """

    folder: Path

    def __post_init__(self):
        object.__setattr__(self, "folder", Path(self.folder))

    @property
    def name(self) -> str:
        return self.folder.name

    @cached_property
    def experiment(self) -> Experiment:
        """What it was trained with."""
        return config.from_dict(read_object(self.folder / "settings.json"))

    @cached_property
    def card(self) -> dict:
        """What it is, in plain values.

        Raises:
            InputError: card.json is damaged.
        """
        file = self.folder / "card.json"
        card = read_object(file)
        if odd := [key for key, kind in _CARD.items() if not isinstance(card.get(key), kind)]:
            raise InputError(f"{file} should say of its model: {', '.join(odd)}; take it from a copy.")
        return card

    @property
    def samples(self) -> Path:
        return self.folder / "samples.png"

    @property
    def conditions_file(self) -> Path:
        return self.folder / "conditions.npy"

    @property
    def conditions(self) -> np.ndarray | None:
        """As `Run.conditions`."""
        known = (self.folder / "settings.json").is_file()  # a network's file may lie anywhere
        return read_conditions(self.conditions_file, self.experiment.model if known else None)

    def model(self, network: str) -> Path:
        """The file of the "generator", the "discriminator" or another player (see `registries.PLAYERS`)."""
        return self.folder / f"{network}.keras"


def names(folder: str | Path = SHIPPED) -> list[str]:
    """Names of the models there are."""
    return sorted(card.parent.name for card in Path(folder).glob("*/card.json"))


def find(name: str, folder: str | Path = SHIPPED) -> Pretrained | None:
    """The model of that name; None if there is none."""
    return Pretrained(Path(folder) / name) if name in names(folder) else None


def publish(
    run: Run,
    name: str,
    dataset: Dataset,
    distance: dict | None = None,
    about: str = "",
    folder: str | Path = SHIPPED,
    agreement: dict | None = None,
    measured: str | None = None,
) -> Pretrained:
    """Keep a run's networks in float32 under a name, write their card and draw their samples.

    Args:
        run: where the networks come from.
        name: what to call them; an earlier model of that name is replaced.
        dataset: what they were trained on.
        distance: of their samples to held-out true images, as plain values.
        about: a sentence for the card.
        folder: where models with a name are.
        agreement: of a conditional one, whether it draws what it is asked for: "asked" or "texts" of a record, as it
            goes into the card.
        measured: the SHA-256 of the generator's file that `distance` and `agreement` are of.

    Raises:
        InputError: the name cannot be that of a model, or the run has no networks yet, or not the encoder of its texts,
            or another generator than was measured.
    """
    from utils.models import load_network

    check_name(name)
    check_networks(run)
    experiment, encoder = run.experiment, None
    if experiment.model.conditions == "text":
        from utils.text_encoder import encoder_beside

        encoder = encoder_beside(run.model("generator"))
    base, told = told_by(experiment)
    changed = config.differences(base, told)
    networks = {}
    for network in (player for player in PLAYERS if run.model(player).is_file()):
        trained = load_network(run.model(network))
        with runtime.full_precision():  # whatever it was trained in: it then draws the same on every machine
            networks[network] = chosen(PLAYERS, network)(experiment.model, 0)
        networks[network].set_weights(trained.get_weights())
    if measured not in (None, digest(run.model("generator"))):
        raise InputError(
            f"{run.folder} has been trained on since its generator was measured, so the figures are not those of its "
            "networks: publish it when the training has ended."
        )
    environment = run.environment
    card = {
        "name": name,
        "about": about,
        "data": f"{dataset.title}, {environment['images']:,} images, fingerprint {environment['fingerprint'][:12]}",
        "terms of the data": dataset.terms,
        "preset": base.preset,
        "changed settings": {key: value for key, (_, value) in changed.items()},
        "parameters": {name: network.count_params() for name, network in networks.items()},
        "updates": run.updates,
        "batch size": experiment.training.batch_size,
        "seconds of training": run.seconds and round(run.seconds),
        "device": environment["device"]["name"],
        "seed": experiment.training.seed,
        "versions": runtime.versions_of(environment),
        "commit": environment.get("commit"),
        "distance": distance or {},
    }
    if experiment.model.is_conditional:
        card |= {"conditions": _conditions(experiment, encoder and encoder.card)} | (agreement or {})
    return keep(name, networks, experiment, card, folder, run.conditions, encoder)


def _conditions(experiment: Experiment, encoder: dict | None) -> str:
    """What a conditional model can be asked for, in words; `encoder` is the card of what reads its texts."""
    model = experiment.model
    judged = f"the discriminator judges by {model.conditioning}"
    left_out = f"; never seen in training: {', '.join(experiment.data.without)}" if experiment.data.without else ""
    if encoder is None:
        return f"{model.conditions}: {', '.join(model.condition_names)}; {judged}{left_out}"
    return (
        f"text, read by a {encoder['name']} ({encoder['parameters']:,} parameters, {len(encoder['vocabulary'])} words; "
        f"of {encoder['held_out_images']:,} held-out images, {encoder['right']:.1%} of the pairs are told from wrong "
        f"ones); {judged}{left_out}"
    )


def environment_of(card: dict) -> dict:
    """What a card says of the machine, the images and the commit, as the environment of a run has it. The card of a
    model that was not trained here has none of this."""
    environment = {"commit": card.get("commit"), **card.get("versions", {})}
    if "device" in card:
        environment["device"] = {"name": card["device"]}
    if found := re.search(r", ([\d,]+) images, fingerprint (\S+)$", card["data"]):
        environment |= {"images": int(found[1].replace(",", "")), "fingerprint": found[2]}
    return environment


def check_name(name: str) -> None:
    """Refuse a name that cannot be the name of a folder, or that commands take for something else.

    Raises:
        InputError: it says what a name is made of, or what has it already.
    """
    if not name or not name.replace("-", "").replace("_", "").isalnum():
        raise InputError(f"name must be made of letters, digits, - and _. Received: {name!r}.")
    if name == "last":
        raise InputError("name must be another than last, which means the newest run.")
    if name in presets():
        raise InputError(f"name must be another than that of a preset, which `./dcgan draw` draws. Received: {name!r}.")


def check_networks(run: Run) -> None:
    """Refuse a run that has none.

    Raises:
        InputError: it says so.
    """
    if not run.model("generator").is_file():
        raise InputError(f"{run.folder} has no networks yet: train it for an epoch first.")


def keep(
    name: str,
    networks: dict,
    experiment: Experiment,
    card: dict,
    folder: str | Path = SHIPPED,
    conditions: np.ndarray | None = None,
    encoder: "TextEncoder | None" = None,
) -> Pretrained:
    """Write a model's files; an earlier model of that name is replaced by all of them together.

    Args:
        name: what to call it.
        networks: its "generator", its "discriminator" and other players, in float32.
        experiment: what it was trained with.
        card: what it is, in plain values.
        folder: where models with a name are.
        conditions: of a conditional one, as `Run.conditions`.
        encoder: of one on texts.
    """
    home = Path(folder) / name
    sampler, seed = Sampler.of(networks["generator"], experiment, conditions), experiment.training.samples_seed
    with appear_together(home, instead_of=(*(f"{player}.keras" for player in PLAYERS), *_OF_SOME)) as made:
        model = Pretrained(made)
        for network, trained in networks.items():
            with appears_whole(model.model(network)) as temporary:
                trained.save(temporary)
        if encoder:
            encoder.save(made)
        if conditions is None:
            drawn, names = sampler.draw(SAMPLES, seed), None
        else:
            with appears_whole(model.conditions_file) as temporary, temporary.open("wb") as file:
                np.save(file, conditions)
            drawn, names = sampler.row_by_row(experiment.model, sampler.make_latents(GRID_COLUMNS, seed))
        write_png(model.samples, grid(drawn, names=names))
        write_json(made / "settings.json", config.to_dict(experiment))
        write_json(made / "card.json", card)
    return Pretrained(home)
