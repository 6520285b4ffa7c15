"""How much devices that compute updates together tell each other, counted from the settings, and a model of the time.

What each replica sends is averaged over all (`utils.replicas`): the gradients of a player each time it is updated, and,
where a network is normalised by the batch, two numbers a channel in every pass, and two more on the way back. Where it
is normalised by parts of the batch, each device has whole ones, and only the moving averages are shared: two numbers a
channel in every pass that moves them, for which nothing waits.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from utils.config import Experiment, replace
from utils.parameters import PER_NORMALISED, network_parameters
from utils.training.recipes import Phase, due_at, period, recipe_of

BYTES = 4
"""Of a number: gradients and statistics are float32 in every precision."""
WAITS = 3
"""Of a layer normalised by the batch in a pass: the mean, the variance, which is about it, and their gradients on the
way back."""
_ASIDE = {
    ("loss_encoder", "generator"): 1,
    ("loss_rotation", "discriminator"): 4,
    ("loss_rotation_fake", "discriminator"): 4,
}
"""Passes of terms that leave the moving averages alone (see `view.View`); into how many batches they cut a batch."""


@dataclass(frozen=True)
class Traffic:
    """What one update has to add up over all replicas, on average.

    Attributes:
        gradients, statistics: bytes.
        waits: sums that come one after the other, because each is needed before the next can be computed.
    """

    gradients: float
    statistics: float
    waits: float

    @property
    def bytes(self) -> float:
        return self.gradients + self.statistics


@dataclass(frozen=True)
class Link:
    """What connects replicas.

    Attributes:
        about: in words.
        replicas: how many.
        rate: bytes/s that the slowest of them can send while it receives as much.
        latency: seconds that a sum takes however little is summed.
    """

    about: str
    replicas: int
    rate: float
    latency: float


LINKS = (
    Link("8 GPUs of a machine, NVLink", 8, 200e9, 30e-6),
    Link("8 GPUs of a machine, PCIe 4", 8, 20e9, 50e-6),
    Link("8 machines, 10 Gbit/s", 8, 1.25e9, 200e-6),
)
"""Assumptions, not measurements."""


def traffic(experiment: Experiment) -> Traffic:
    """What an update of an experiment has to add up; lazy terms count as often as they have their turn.

    Of a loss the passes are counted that its terms name (`Term.judges`, `Term.passes`). Not counted: what a penalty on
    slopes adds up once more where it is itself differentiated.
    """
    model, recipe = experiment.model, recipe_of(experiment)
    trained, channels = _trained(experiment)
    often, updates, through = period(recipe), Counter(), Counter()
    for number in range(1, often + 1):
        for phase in due_at(recipe, number).values():
            updates.update(phase.terms.keys())
            through.update(_passes(phase))
    gradients = BYTES * sum(trained[player] * count for player, count in updates.items())

    blocks = len(model.discriminator.filters)
    mixed = model.is_conditional and model.conditioning == "concatenation"
    layers = {
        "generator": 1 + len(model.generator.filters),
        "discriminator": blocks - (not model.discriminator.norm_first) + mixed,
        "encoder": blocks - 1,
    }
    # Phases share what is drawn from the same latents.
    through["generator", 0] += often * len({phase.latents for phase in recipe if phase.drawn_by == "batch"})
    parts, statistics, waits = model.batch_norm_parts, 0, sum(updates.values())
    for (player, aside), count in through.items():
        if not channels[player]:
            continue
        # A batch that cannot be cut into the parts is normalised as a whole (`models.PartsNormalization`).
        if parts > 1 and experiment.training.batch_size // (aside or 1) % parts == 0:
            statistics += 2 * BYTES * channels[player] * count * (not aside)
        else:
            statistics += 2 * 2 * BYTES * channels[player] * count
            waits += WAITS * layers[player] * count
    return Traffic(gradients / often, statistics / often, waits / often)


def _passes(phase: Phase) -> Iterator[tuple[str, int]]:
    """The players that a phase sends something through, normalised by the batch, beside drawing its fakes; each once
    for every pass, with 0 or what `_ASIDE` says of it."""
    terms = {term for those in phase.terms.values() for term in those}  # several players may descend the same one
    passes = [(player, _ASIDE.get((term.name, player), 0)) for term in terms for player in term.passes]
    judged = {images for term in terms for images in term.judges}
    passes += [("discriminator", 0)] * (min(len(judged), 1) if phase.joined else len(judged))
    yield from (each for each in passes if each[0] != "discriminator" or phase.judged_by == "batch")


def _trained(experiment: Experiment) -> tuple[dict[str, int], dict[str, int]]:
    """Of each player the parameters that are trained, and the channels that are normalised."""
    whole = network_parameters(experiment)
    plain = network_parameters(replace(experiment, batch_norm="off", batch_norm_parts=1, statistics="batch"))
    channels = {player: (count - plain[player]) // PER_NORMALISED for player, count in whole.items()}
    return {player: count - 2 * channels[player] for player, count in whole.items()}, channels


def sent_by_each(size: float, replicas: int) -> float:
    """Bytes that each of some replicas sends, and receives, to add up so many over all of them, in a ring.

    Each sum goes round twice, in as many pieces as there are replicas: once to be added up, once to be told.

    Reference:
        Patarasuk and Yuan (2009), Bandwidth optimal all-reduce algorithms for clusters of workstations, J. Parallel
        Distrib. Comput. 69: no way of adding up sends less.
    """
    return 2 * (replicas - 1) / replicas * size


def seconds_to_share(amount: Traffic, link: Link) -> float:
    """A model of the seconds of an update that go into telling each other, nothing of which is hidden by computing."""
    return sent_by_each(amount.bytes, link.replicas) / link.rate + amount.waits * link.latency


def efficiency(seconds: float, amount: Traffic, link: Link) -> float:
    """A model of the share of their time in which replicas compute; times their number it is the speed-up.

    Args:
        seconds: of an update on one of them alone, whose batch they then share equally.
        amount: what they tell each other.
        link: by which means.
    """
    alone = seconds / link.replicas
    return alone / (alone + seconds_to_share(amount, link))
