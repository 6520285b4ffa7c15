"""Records of how good samples are, as `evaluation.evaluate` makes them: where they are kept, and what is in them.

A record is plain values: "distance" is that in the first feature space, with its "floor" and its "passport" (see
`quality.Measured`), "other_spaces" the same in others. Of a conditional generator "asked" or "texts" says whether it
draws what it is asked for (see `asked.Asked`, `texts.Texts`). The card of a model has these, too. No TensorFlow here.
"""

import contextlib
from pathlib import Path

from utils import config
from utils.errors import InputError
from utils.evaluation.passport import Passport
from utils.files import digest, read_json
from utils.intervals import Interval
from utils.networks import TrainedNetwork
from utils.pretrained import Pretrained

MEASURES = {
    "kernel": ("kernel distance", ".4f"),
    "frechet": ("Fréchet distance", ".2f"),
    "frechet_at_infinity": ("  of infinitely many", ".2f"),
    "precision": ("precision", ".3f"),
    "recall": ("recall", ".3f"),
    "density": ("density", ".3f"),
    "coverage": ("coverage", ".3f"),
}
"""What is measured in a space: what to call it in a table, and how many digits to show."""


def spaces_of(record: dict) -> list[dict]:
    """What was measured, space by space."""
    return [record["distance"], *record["other_spaces"]]


def passports_of(record: dict) -> list[Passport | None]:
    """The passport of each space; None of what an earlier version measured."""
    return [Passport.read(measured.get("passport")) for measured in spaces_of(record)]


def in_words(measured: dict, name: str) -> str:
    """One of MEASURES with its interval; "" if it was not measured."""
    return format(Interval.of(measured[name]), MEASURES[name][1]) if name in measured else ""


def model_of(trained: TrainedNetwork) -> Pretrained | None:
    """The model whose generator this is; None of a run's, and of any other file in a model's folder."""
    home = Pretrained(trained.file.parent)
    return home if trained.run is None and trained.file == home.model("generator") else None


def checkpoint_of(trained: TrainedNetwork) -> str:
    """Which of its training's generators a network is, as `Origin` has it."""
    unit, _, number = trained.file.resolve().parent.name.partition("_")
    if trained.run and unit in ("epoch", "update"):
        return f"{unit} {int(number)}"
    if trained.run and unit == "best":  # of those after which the run was summed up
        return f"best of {sum(row[trained.run.unit] > 0 for row in trained.run.epochs())}"
    return "last" if trained.experiment else "unknown"


def kept(trained: TrainedNetwork) -> dict | None:
    """The record that a run keeps of a generator, or the card of a model; None if there is none of these weights."""
    if trained.run is not None:
        record = read_record(trained.run.quality_file) if trained.run.quality_file.is_file() else {}
        return record if record.get("generator_sha256") == digest(trained.file) else None
    home = model_of(trained)
    if home is None or trained.experiment is None:
        return None
    if not (home.folder / "card.json").is_file() or not home.card["distance"]:
        return None
    distance = dict(home.card["distance"])
    passport = Passport.read(distance.get("passport"))
    how = {"samples": passport.samples[0], "seed": passport.latents_seed} if passport else {}
    return how | {
        "name": trained.title,
        "generator": str(trained.file),
        "experiment": config.to_dict(trained.experiment),
        "other_spaces": distance.pop("other_spaces", []),
        "distance": distance,
    }


def for_card(record: dict) -> dict:
    """What the card of a model holds of a record."""
    others = record["other_spaces"]
    return record["distance"] | ({"other_spaces": others} if others else {})


def read_record(file: str | Path) -> dict:
    """Read a record.

    Raises:
        InputError: the file holds none.
    """
    try:
        record = read_json(file)
        for measured in spaces_of(record):
            for side in (measured, measured["floor"]):
                Interval.of(side["kernel"]), [in_words(side, name) for name in MEASURES]
            hash((measured["space"], measured["fingerprint"]))  # they tell spaces apart
        passports_of(record)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise InputError(f"{file} is not what `./dcgan evaluate --out FILE` writes.") from error
    return record


def kept_before(file: str | Path, record: dict) -> dict:
    """What a file holds of the same weights as a record, which is to be added to it; {} if nothing.

    So what was found out of them before and is not measured anew, such as "combinations", stays.
    """
    with contextlib.suppress(InputError):  # there is none, or it is damaged
        before = read_record(file)
        if before.get("generator_sha256") == record["generator_sha256"]:
            return before
    return {}
