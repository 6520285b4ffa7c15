"""What the studio shows: models with a name and runs, each under an id that is safe in an address."""

import base64
import hashlib
import json
import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from utils import config, pretrained
from utils.config import Experiment
from utils.data.catalogue import find_entry
from utils.data.conditions import Conditions
from utils.data.dataset import Dataset
from utils.errors import InputError
from utils.networks import TrainedNetwork, find_model, find_network, find_run
from utils.runs import Run
from utils.text import one_line, slug

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Under these names only this machine can ask."""
PAGE = Path(__file__).with_name("page")
"""The front end of both forms."""
KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
"""Its files, by suffix."""
TRUE_IMAGES = 192
"""True images that are shown, and played with; the training has not seen them."""
FEWEST_IMAGES = 20
"""With fewer there is no game."""
UNREADABLE = (InputError, OSError)
"""What reading an offer's files may raise: they are of another version, damaged, gone or not allowed."""
# An absolute path up to its last name, or ~ and what follows it. Where a folder's name ends nobody knows, for it may
# have spaces, so all from the first path to the last slash counts. An address on the web is none.
_FOLDERS = re.compile(r"(?<![\w./])(?!(?<=:)//\w)(?:~[\w.-]*)?/(?=\S)(?:.*/)?", re.DOTALL)


@dataclass(frozen=True)
class Offer:
    """One thing to look at.

    Attributes:
        id: letters, digits, `_`, `.` and `-` only: it stands in addresses and file names.
        title: what to call it.
        folder: where its files are.
        run: the run, or None of a model with a name.
    """

    id: str
    title: str
    folder: Path
    run: Run | None = None

    @property
    def experiment(self) -> Experiment:
        """How it was trained, or is being trained."""
        return self.run.experiment if self.run else pretrained.Pretrained(self.folder).experiment

    def network(self, player: str) -> TrainedNetwork | None:
        """Its "generator" or "discriminator" as it is now; None while a run has none, or for a model without one."""
        try:
            trained = find_network(str(self.run.folder) if self.run else self.title, player)
        except InputError:
            return None
        return trained if trained.file.is_file() else None

    @property
    def card(self) -> dict:
        """Of a model with a name its card; a run has records in place of one, and {} here."""
        return {} if self.run else pretrained.Pretrained(self.folder).card

    @property
    def about(self) -> str:
        """A sentence."""
        said = without_folders(one_line(str(self.card.get("about", ""))))
        return said or f"{self.experiment.preset} on {self.data_title}."

    @property
    def data_title(self) -> str:
        """What it was trained on, without the folders of own pictures."""
        entry = find_entry(self.experiment.data.name)
        return entry.title if entry else one_line(Path(self.experiment.data.name).name)

    def plain(self) -> dict:
        """For the list of everything that there is.

        Raises:
            InputError, OSError: its settings cannot be read, or a run does not say how it stands.
        """
        experiment = self.experiment
        if self.run:
            _ = self.run.state  # who is shown a run watches it
        return {
            "id": self.id,
            "title": one_line(self.title),
            "about": self.about,
            "kind": "run" if self.run else "model",
            "size": experiment.model.image_size,
            "conditions": experiment.model.conditions if experiment.model.is_conditional else "",
            "draws": self.network("generator") is not None,
        }


def find_offers(names: Sequence[str] = (), runs_dir: str | Path | None = None) -> list[Offer]:
    """What is named, or everything: the models that come with the project, and all runs, the newest first.

    Raises:
        InputError: there is no such run or model.
    """
    if names:
        found = [_named(name, runs_dir) for name in names]
    else:
        found = sorted(map(_of_model, pretrained.names()), key=_show_first)
        found += [_of_run(run) for run in reversed(Run.all(runs_dir))]
    return _with_own_ids(found)


def _named(name: str, runs_dir: str | Path | None) -> Offer:
    if model := find_model(name):
        return _of_model(model.name)
    if Path(name).suffix == ".keras":
        raise InputError(f"The studio shows models and runs: name the run that {name} belongs to.")
    return _of_run(find_run(name, runs_dir))


def _of_model(name: str) -> Offer:
    return Offer(name, name, pretrained.find(name).folder)


def _of_run(run: Run) -> Offer:
    return Offer(f"{run.folder.parent.name}-{run.folder.name}", run.name, run.folder, run)


def _show_first(offer: Offer) -> tuple:
    """Those with true images to show first, and of them the largest pictures; those that cannot be read last."""
    try:
        return (not may_show_true(offer, public=True), -offer.experiment.model.image_size, offer.title)
    except UNREADABLE:
        return (True, 0, offer.title)


def _with_own_ids(found: Iterable[Offer]) -> list[Offer]:
    """The offers, each once, with ids that are ASCII and differ.

    An id never becomes that of another run, in whatever order runs come and go: by it an open page stops the run that
    it shows. So where a name alone does not do, digits of a hash of the folder follow.
    """
    once: dict[Path, Offer] = {}
    for offer in found:
        once.setdefault(offer.folder, offer)
    names = Counter(offer.id for offer in once.values())
    result = []
    for offer in once.values():
        own = slug(offer.id.encode("ascii", "ignore").decode())
        if own != offer.id or names[offer.id] > 1:
            own = f"{own or 'run'}-{hashlib.sha256(os.fsencode(offer.folder)).hexdigest()[:6]}"
        result.append(replace(offer, id=own))
    return result


def may_show_true(offer: Offer, public: bool) -> bool:
    """Whether its true images may be shown: built-in drawings to everybody, others on this machine only."""
    entry = find_entry(offer.experiment.data.name)
    return bool(entry and entry.built_in) or not public


@dataclass(frozen=True)
class TrueImages:
    """True images to show.

    Attributes:
        images: uint8 (N, S, S, 3).
        conditions: what a conditional model is told of each of them, float32 (N, C); None for any other model.
    """

    images: np.ndarray
    conditions: np.ndarray | None = None

    def packed(self) -> bytes:
        """As the page reads them: all images, then all conditions as little-endian float32."""
        told = b"" if self.conditions is None else np.ascontiguousarray(self.conditions, "<f4").tobytes()
        return np.ascontiguousarray(self.images).tobytes() + told


def true_images(offer: Offer, data_dir: str | Path | None = None) -> TrueImages | None:
    """Some images like those that it was trained on, if possible such that it has not seen.

    None if they are not there, if nobody knows what a conditional model is to be told of them, or if they are too few.
    """
    from utils.evaluation.held_out import unseen

    experiment = offer.experiment
    try:
        apart = unseen(experiment.data, experiment.model.image_size, TRUE_IMAGES, data_dir=data_dir)
        if apart is None or len(apart) < FEWEST_IMAGES:
            return None
        told = _conditions_of(apart, offer) if experiment.model.is_conditional else None
    except InputError:  # it has not been fetched, or own pictures were moved
        return None
    rows = slice(0, TRUE_IMAGES)
    return TrueImages(np.asarray(apart.images[rows]), None if told is None else told[rows])


def _conditions_of(dataset: Dataset, offer: Offer):
    experiment = offer.experiment
    if experiment.model.conditions != "text":
        return Conditions.of(dataset, experiment.model)
    from utils.text_encoder import TextConditions, encoder_beside

    return TextConditions.of(dataset, encoder_beside(_generator_file(offer)), experiment)


def describe(offer: Offer, public: bool = False) -> dict:
    """All that the page has to know of a model before it draws, in plain values.

    Args:
        offer: of what.
        public: whether others may read it: where own pictures lie is then left out.
    """
    from utils.training.losses import gives_probability, undecided_logit

    experiment, model = offer.experiment, offer.experiment.model
    kept = {"card": offer.card, "settings": config.to_dict(experiment)}
    return offer.plain() | {
        "latent_dim": model.latent_dim,
        "latents": model.latents,
        "data": offer.data_title,
        "undecided": undecided_logit(experiment.training.loss),
        "probability": gives_probability(experiment.training.loss),
        "conditions": _conditions(offer) if model.is_conditional else None,
        **(without_folders(kept, experiment.data.name) if public else kept),
    }


def without_folders(value, data: str = ""):
    """Plain values as others than this machine's user may read them: of each absolute path only its last name is left.

    Args:
        value: a text that is a path or names one, or a dict or list with such texts in it, or anything else.
        data: name of a dataset; of own pictures it is their path, and need not be absolute.
    """
    if isinstance(value, str):
        return Path(value).name if value == data else _FOLDERS.sub("", value)
    if isinstance(value, dict):
        return {key: without_folders(one, data) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_folders(one, data) for one in value]
    return value


def plain_directions(directions: Iterable) -> list[dict]:
    """`latent.directions.Direction`s in plain values."""
    return [
        {"kind": d.kind, "name": d.name, "title": d.title, "about": d.about, "vector": packed(d.vector)}
        for d in directions
    ]


def _conditions(offer: Offer) -> dict:
    """What a conditional model can be asked for, and conditions as they occur."""
    model, trained = offer.experiment.model, offer.network("generator")
    kept = None if trained is None else trained.conditions
    kept = np.empty((0, model.condition_size), np.float32) if kept is None else np.asarray(kept, np.float32)
    known = {
        "kind": model.conditions,
        "names": list(model.condition_names),
        "kept": packed(kept),
        "size": kept.shape[1],
    }
    if model.conditions == "text" and trained is not None:
        from utils.text_encoder import WORDS, encoder_beside

        known |= {"words": WORDS, "vocabulary": encoder_beside(trained.file).vocabulary}
    return known


def _generator_file(offer: Offer) -> Path:
    trained = offer.network("generator")
    if trained is None:
        raise InputError(f"{offer.title} has no generator yet; a training saves one after its first summary.")
    return trained.file


def packed(values: np.ndarray) -> str:
    """Numbers as base64 of little-endian float32, row by row: shorter than JSON's, and exact."""
    return base64.b64encode(np.ascontiguousarray(values, "<f4").tobytes()).decode()


def plain_json(value: object) -> str:
    """Plain values as JSON in one line; None stands for what is not a number."""
    return json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _finite(value):
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    return value
