"""How much devices that compute updates together tell each other, counted from the settings, and a model of the time.

What each replica sends is averaged over all (`utils.replicas`): the gradients of a player each time it is updated, and,
where a network is normalised by the batch, two numbers a channel in every pass, and two more on the way back.
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
"""Of a normalised layer in a pass: the mean, the variance, which is about it, and their gradients on the way back."""


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
    steps = {player: count / often for player, count in updates.items()}
    gradients = BYTES * sum(trained[player] * count for player, count in steps.items())

    blocks = len(model.discriminator.filters)
    mixed = model.is_conditional and model.conditioning == "concatenation"
    layers = {
        "generator": 1 + len(model.generator.filters),
        "discriminator": blocks - (not model.discriminator.norm_first) + mixed,
        "encoder": blocks - 1,
    }
    # Phases share what is drawn from the same latents.
    through["generator"] += often * len({phase.latents for phase in recipe if phase.drawn_by == "batch"})
    passes = {player: count / often for player, count in through.items() if channels[player]}
    statistics = 2 * 2 * BYTES * sum(count * channels[player] for player, count in passes.items())
    waits = sum(steps.values()) + WAITS * sum(count * layers[player] for player, count in passes.items())
    return Traffic(gradients, statistics, waits)


def _passes(phase: Phase) -> Iterator[str]:
    """The players that a phase sends something through, normalised by the batch, beside drawing its fakes; each once
    for every pass."""
    terms = {term for those in phase.terms.values() for term in those}  # several players may descend the same one
    passes = [player for term in terms for player in term.passes]
    judged = {images for term in terms for images in term.judges}
    passes += ["discriminator"] * (min(len(judged), 1) if phase.joined else len(judged))
    yield from (player for player in passes if player != "discriminator" or phase.judged_by == "batch")


def _trained(experiment: Experiment) -> tuple[dict[str, int], dict[str, int]]:
    """Of each player the parameters that are trained, and the channels that are normalised."""
    whole = network_parameters(experiment)
    plain = network_parameters(replace(experiment, batch_norm="off", statistics="batch"))
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
