"""Generators side by side: which settings differ, whether their distances may stand in one table, who is nearer.

Plain values and records in (see `records.py`), a plain record out. No TensorFlow here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from utils import config
from utils.errors import InputError
from utils.evaluation.passport import differing
from utils.evaluation.records import passports_of, spaces_of
from utils.intervals import Interval

OF_MEASURING = {"passport", "space", "weights", "resizer", "value_range", "samples", "latents_seed", "true_seed"}
"""Entries that measuring anew makes the same; the others are of the generators and of the true images."""
NO_PASSPORT = "no passport"
"""In place of the entries of a figure that an earlier version measured."""


@dataclass(frozen=True)
class Table:
    """Distances in one feature space.

    Attributes:
        space: its name; several where that differs.
        rows: what was measured of each generator, as `quality.Measured` has it.
        differs: entries of the passports that forbid to compare, with their values; {} if the table may be trusted.
        said: entries that may differ, with their values.
    """

    space: str
    rows: list[dict]
    differs: dict[str, list]
    said: dict[str, list]


@dataclass(frozen=True)
class Order:
    """Which of two generators is nearer to the true images, by the kernel distance.

    Attributes:
        pair: their places in the comparison.
        nearer: for each space the place of the one that is nearer; None where they are as near.
        clear: for each space whether the two intervals have nothing in common.
    """

    pair: tuple[int, int]
    nearer: dict[str, int | None]
    clear: dict[str, bool]

    @property
    def agreed(self) -> bool:
        """Whether all spaces name the same."""
        return len(set(self.nearer.values())) == 1

    @property
    def contradicted(self) -> bool:
        """Whether two spaces name different ones, and neither by chance."""
        return len({place for space, place in self.nearer.items() if self.clear[space]}) > 1


def settings_that_differ(records: Sequence[dict]) -> dict[str, list]:
    """Settings that are not the same in all experiments, each with its values; {} where an experiment is not known."""
    known = [record.get("experiment") for record in records]
    if None in known:
        return {}
    first, *others = [config.from_dict(values) for values in known]
    changes = [config.differences(first, other) for other in others]
    names = dict.fromkeys(name for change in changes for name in change)
    was = {name: old for change in changes for name, (old, _) in change.items()}
    return {name: [was[name], *(change.get(name, (None, was[name]))[1] for change in changes)] for name in names}


def surroundings_that_differ(environments: Sequence[dict]) -> dict[str, list]:
    """What trainings were made of beside their settings, where it is not the same: images, commit, versions, device.

    Args:
        environments: of each training, as a run has it or as much of that as is known.
    """
    found = {}
    for name in ("images", "fingerprint", "commit", "device", "python", "tensorflow", "keras", "numpy"):
        values = [environment.get(name) for environment in environments]
        values = [value["name"] if isinstance(value, dict) else value for value in values]
        values = ["not recorded" if value is None else str(value)[:40] for value in values]
        if name == "fingerprint":
            values = [value[:12] for value in values]
        if len(set(values)) > 1:
            found[name] = values
    return found


def tables(records: Sequence[dict], names: Sequence[str], anyway: bool = False, files: bool = False) -> list[Table]:
    """Distances side by side, a table for each feature space in which all generators were measured.

    Args:
        records: what was measured of each generator.
        names: what to call them in a refusal.
        anyway: whether to make a table also where the passports forbid to compare; it then says what differs.
        files: whether some are files of figures, so that not all can be measured anew here.

    Raises:
        InputError: the passports differ, and it was not told to go on; it names what differs.
    """
    by_weights = [{measured["fingerprint"]: place for place, measured in enumerate(spaces_of(r))} for r in records]
    common = [weights for weights in by_weights[0] if all(weights in places for places in by_weights)]
    # Without a space in common only the first ones can stand beside each other, and their passports say why not to.
    places = [[of_one[weights] for of_one in by_weights] for weights in common] or [[0] * len(records)]
    made = []
    for chosen in places:
        rows = [spaces_of(record)[place] for record, place in zip(records, chosen)]
        passports = [passports_of(record)[place] for record, place in zip(records, chosen)]
        if None in passports:
            differs = {"passport": ["has one" if passport else NO_PASSPORT for passport in passports]}
            said = {}
        else:
            differs, said = differing(passports), differing(passports, said=True)
        space = " / ".join(dict.fromkeys(row["space"] for row in rows))
        if space in (table.space for table in made):  # two classifiers, say, of two datasets of one name
            space = f"{space} ({rows[0]['fingerprint'][:8]})"
        made.append(Table(space, rows, differs, said))
    forbidden = {name: values for table in made for name, values in table.differs.items()}
    if forbidden and not anyway:
        what = "; ".join(f"{name}: {' and '.join(_short(value) for value in of)}" for name, of in forbidden.items())
        how = "`./dcgan evaluate --out FILE`" if files else "--measure"
        cure = f"measure all anew in the same way with {how}, or " if forbidden.keys() <= OF_MEASURING else ""
        raise InputError(
            f"The distances of {' and '.join(names)} do not belong into one table, since they were measured in "
            f"different ways ({what}): {cure}compare them all the same with --anyway."
        )
    return made


def check_comparable(about: Sequence[dict], names: Sequence[str]) -> None:
    """Refuse generators whose distances cannot belong into one table, before anything is measured.

    Args:
        about: of each generator what its distance will depend on, by the name of that: the same names in all.
        names: what to call them in the refusal.

    Raises:
        InputError: something is not the same; it is named.
    """
    differs = {name: [of[name] for of in about] for name in about[0] if len({of[name] for of in about}) > 1}
    if differs:
        what = "; ".join(f"{name}: {' and '.join(map(str, of))}" for name, of in differs.items())
        raise InputError(
            f"The distances of {' and '.join(names)} do not belong into one table ({what}): compare them all the same "
            "with --anyway, or without distances (--no-distances)."
        )


def orders(made: Sequence[Table]) -> list[Order]:
    """Which of each two generators is nearer, in each space where they were measured in the same way."""
    made, found = [table for table in made if not table.differs], []
    if not made:
        return []
    for one, other in combinations(range(len(made[0].rows)), 2):
        nearer, clear = {}, {}
        for table in made:
            a, b = (Interval.of(table.rows[place]["kernel"]) for place in (one, other))
            nearer[table.space] = None if a.value == b.value else one if a.value < b.value else other
            clear[table.space] = a.high < b.low or b.high < a.low
        found.append(Order((one, other), nearer, clear))
    return found


def _short(value: object) -> str:
    """A value of a passport for a sentence; of digests the beginning tells enough."""
    text = ", ".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)
    return text[:12] if len(text) == 64 and all(c in "0123456789abcdef" for c in text) else text
