"""The passport of a distance: what it depends on beside the generator, so that nobody compares what cannot be.

Its interval, and the floor at the same number of samples, stand beside it in the record (see `quality.Measured`).
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field

from utils.intervals import LEVEL

INTERVAL = (
    f"{LEVEL:.0%}, jackknife over single vectors (kernel) and over 20 groups (all others); shares at least Wilson's"
)
"""How the intervals of all figures are made."""
_SAID = {"forbids": False}  # of entries that may differ between figures in one table: they are said beside it


@dataclass(frozen=True)
class Origin:
    """What a generator's samples are, as far as it is known.

    Attributes:
        checkpoint: which of the training's generators: "last", "epoch 7", "best of 12"; "unknown" of a file alone. The
            best of several by the distance that is measured is better by that choice alone.
        ema_decay: decay of the average of the generator's weights that is drawn from; 0 for the weights themselves;
            None if it is not known.
        statistics: what batch normalisation used while drawing: "moving" averages, or "none" where there is none.
    """

    checkpoint: str = "unknown"
    ema_decay: float | None = None
    statistics: str = "unknown"


@dataclass(frozen=True)
class Passport:
    """Everything that a distance depends on. All values are plain.

    Attributes:
        space: name of the feature space.
        weights: hex digest of the feature network's weights.
        resizer: how images are brought to the size that the network takes, with the library and its version.
        value_range: what pixels become before the network sees them.
        reference: what the true images are ("built-in faces test").
        split: the part of the dataset that they are from.
        reference_fingerprint: of all true images that were chosen from; it decides every pixel.
        encoding: how those were stored before (see `Dataset.encoding`).
        dedup: what was left out of them because it repeats others (see `TrueImages.dedup`).
        seen: whether the generator was trained on them, or on how many; "unknown" where nobody knows what it was
            trained on.
        samples: how many fake and true images.
        latents_seed, true_seed: of the latents, and of the choice among the true images.
        interval: how the intervals are made.
        checkpoint, ema_decay, statistics: see `Origin`.
        versions: of the libraries that compute; they may change the last digits.
    """

    space: str
    weights: str
    resizer: str
    value_range: str
    reference: str
    split: str
    reference_fingerprint: str
    encoding: str
    dedup: str
    seen: bool | str
    samples: tuple[int, int]
    latents_seed: int
    true_seed: int
    interval: str = field(metadata=_SAID)
    checkpoint: str
    ema_decay: float | None = field(metadata=_SAID)
    statistics: str = field(metadata=_SAID)
    versions: dict[str, str] = field(metadata=_SAID)

    def plain(self) -> dict:
        """As plain values, for a record."""
        return dataclasses.asdict(self) | {"samples": list(self.samples)}

    @classmethod
    def read(cls, plain: dict | None) -> "Passport | None":
        """The passport that `plain` wrote; None if there is none, or one of a version that knew less or more."""
        names = {f.name for f in dataclasses.fields(cls)}
        if plain is None or plain.keys() != names:
            return None
        return cls(**plain | {"samples": tuple(plain["samples"])})


def differing(passports: Sequence[Passport], said: bool = False) -> dict[str, list]:
    """Entries that are not the same in all passports, each with its values in their order.

    Args:
        passports: of figures that are to be compared.
        said: whether to look at what the generators' own settings and the machine decide, which may differ between
            figures in one table and is said beside it; else at what has to be the same.
    """
    names = [f.name for f in dataclasses.fields(Passport) if f.metadata.get("forbids", True) is not said]
    values = {name: [getattr(passport, name) for passport in passports] for name in names}
    return {name: of_all for name, of_all in values.items() if any(value != of_all[0] for value in of_all)}
