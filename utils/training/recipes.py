"""An update as data: phases, one after the other, each with what its players descend.

A recipe is a tuple of phases. Everything that a training can be asked for becomes terms in phases here, once; the
compiled step (`training.step`) goes through them and knows no option of its own.
"""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

from utils.config import STATISTICS, Experiment
from utils.registries import LOSSES, RECIPES, chosen


@dataclass(frozen=True)
class Term:
    """A summand of what a player descends.

    Attributes:
        name: in the records of a run; those of losses begin with "loss".
        value: a pure function of a `View`, a scalar.
        recorded: what is recorded under the name, if it is not the value.
        every: updates between its turns. Its value is multiplied by as much, so that it weighs the same on average.
        judges: the images whose logits it asks for, "true", "fake" or both; terms of one phase share these.
        passes: players that it sends more through, by their names, one for each pass. `training.traffic` counts both.
    """

    name: str
    value: Callable
    recorded: Callable | None = None
    every: int = 1
    judges: tuple[str, ...] = ()
    passes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Phase:
    """One part of an update. Its players see the same view, and all their gradients are taken before any is applied.

    Attributes:
        terms: for each player what it descends: the sum of these terms.
        images: which of the update's batches of images it sees, from 0.
        latents: which of the update's batches of latents. Phases with the same latents share one pass of the generator,
            as long as the generator has not changed in between.
        drawn_by: the statistics by which the generator draws, "batch" or "moving".
        judged_by: the statistics by which the discriminator judges.
        joined: whether true and fake images go through the discriminator as one batch.
        every: updates between its turns.
    """

    terms: dict[str, tuple[Term, ...]]
    images: int = 0
    latents: int = 0
    drawn_by: str = "batch"
    judged_by: str = "batch"
    joined: bool = False
    every: int = 1


Recipe = tuple[Phase, ...]


def due_at(recipe: Recipe, update: int) -> dict[int, Phase]:
    """The phases whose turn it is at an update, counted from 1, by their place in the recipe, each with its due terms.

    What has its turn every k updates is due at 1, 1 + k, 1 + 2k, …
    """

    def due(part: Phase | Term) -> bool:
        return (update - 1) % part.every == 0

    phases = {}
    for number, phase in enumerate(recipe):
        terms = {player: tuple(filter(due, terms)) for player, terms in phase.terms.items()}
        terms = {player: those for player, those in terms.items() if those}
        if due(phase) and terms:
            phases[number] = dataclasses.replace(phase, terms=terms)
    return phases


def what_is_due(due: dict[int, Phase]) -> tuple[tuple[int, str], ...]:
    """What `due_at` found, by names: equal where the same is to be done."""
    return tuple((n, term.name) for n, phase in due.items() for terms in phase.terms.values() for term in terms)


def period(recipe: Recipe) -> int:
    """After so many updates, what is due begins anew."""
    terms = [term for phase in recipe for terms in phase.terms.values() for term in terms]
    return math.lcm(*(part.every for part in (*recipe, *terms)))


def recipe_of(experiment: Experiment) -> Recipe:
    """The phases of an experiment's update.

    Raises:
        InputError: there is no such recipe or loss.
    """
    return chosen(RECIPES, experiment.training.recipe)(experiment)


def players_of(recipe: Recipe) -> tuple[str, ...]:
    """Names of those who take part: generator and discriminator, and whoever else has terms."""
    return tuple(dict.fromkeys(["generator", "discriminator", *(name for phase in recipe for name in phase.terms)]))


def images_per_update(recipe: Recipe) -> int:
    """How many batches of images an update takes."""
    return 1 + max(phase.images for phase in recipe)


def latents_per_update(recipe: Recipe) -> int:
    """How many batches of latents an update takes."""
    return 1 + max(phase.latents for phase in recipe)


def dcgan(experiment: Experiment) -> Recipe:
    """The discriminator's phases, then the generator's, as the settings say.

    Reference:
        Goodfellow et al. (arXiv:1406.2661), Algorithm 1; Radford, Metz, Chintala (arXiv:1511.06434), §4.
    """
    from utils.training import losses  # recipes are data; only what they are made of needs TensorFlow

    training, statistics = experiment.training, STATISTICS[experiment.training.statistics]
    loss = chosen(LOSSES, training.loss)
    steps = training.discriminator_steps
    penalties = (
        *loss.penalties,
        *((losses.R1,) if training.r1 else ()),
        *((losses.R2,) if training.r2 else ()),
    )
    for_discriminator = (
        *loss.discriminator,
        *(dataclasses.replace(term, every=training.penalty_every) for term in penalties),
    )
    for_generator = (*loss.generator, *((losses.MODE_SEEKING,) if training.mode_seeking else ()))
    if training.simultaneous:
        both = {"discriminator": for_discriminator, "generator": for_generator}
        return (Phase(both, joined=training.join_batches),)
    # Separate updates take the terms one by one, each in a phase of its own.
    parts = [for_discriminator] if training.discriminator_updates == "joint" else [(t,) for t in for_discriminator]
    return (
        *(
            Phase(
                {"discriminator": terms},
                images=step,
                latents=step,
                drawn_by=statistics.fakes,
                joined=training.join_batches,
            )
            for step in range(steps)
            for terms in parts
        ),
        *(
            Phase(
                {"generator": for_generator},
                images=steps - 1,
                latents=0 if training.shared_latents else steps + step,
                judged_by=statistics.judge,
            )
            for step in range(training.generator_steps)
        ),
    )


def regularised(experiment: Experiment) -> Recipe:
    """The DCGAN with an encoder E as a third player, which the generator has to serve as well (RDCGAN).

    Before each step of the generator the encoder takes one. It descends BCE(D(G(E(x))), 1) + |G(E(x)) - x|², squares
    added up over pixels and channels, the mean over the batch; the generator descends that beside its own loss. The
    discriminator never sees a reconstruction in its own updates. Everything else is as `dcgan` has it, so on any preset
    `recipe` alone says whether there is a regulariser, and `reconstruction` how much the squared error weighs.

    Where the released code does otherwise than what it says, or than what the DCGAN's paper says (the text of RDCGAN's
    own paper was not at hand, so nothing is claimed of it):

    - What it calls MSE is no mean but a sum, a number of thousands beside cross-entropies of about one. A line that is
      commented out has the weight 0.00005 on half the sum over the batch: at its batches of 64 images 0.0016 on this.
    - Codes lie in (-1, 1), latents are N(0, 1): with 100 of them every code is shorter than 10, and half of the latents
      are longer.
    - The discriminator is batch-normalised in its first layer, where the paper leaves it out (§3); the encoder is not.
    - It is set up for one dataset as released: MNIST, 28x28, with two latents. At 32x32 the sides of its generator's
      maps do not fit their strides (4 to 4 with stride 2); at 64x64 they do.

    Where this does otherwise than the released code: each step of the generator has latents of its own, as in `dcgan`,
    where there all steps of an update share one batch; and reconstructions leave the generator's moving averages alone
    (see `View.reconstruction`), where there they move them like samples do.

    Reference:
        Mehralian and Karasfi: RDCGAN, Unsupervised Representation Learning With Regularized Deep Convolutional
        Generative Adversarial Networks (2018, 10.1109/AIAR.2018.8769811); github.com/MMehralian/RDCGAN.
    """
    from utils.training.losses import RECONSTRUCTION

    phases = []
    for phase in dcgan(experiment):
        if "generator" in phase.terms:
            phases.append(dataclasses.replace(phase, terms={"encoder": RECONSTRUCTION}))
            both = (*phase.terms["generator"], *RECONSTRUCTION)
            phase = dataclasses.replace(phase, terms={**phase.terms, "generator": both})
        phases.append(phase)
    return tuple(phases)


def rotation(experiment: Experiment) -> Recipe:
    """The DCGAN whose discriminator also tells by how many quarters a true image was turned, and whose generator draws
    images of which that can be told.

    A linear head on the discriminator's features is the third player; it learns from true images alone, in the
    discriminator's step. Everything else is as `dcgan` has it.

    Reference:
        Chen, Zhai, Ritter, Lucic, Houlsby (arXiv:1811.11212), Self-Supervised GANs via Auxiliary Rotation Loss.
    """
    from utils.training.losses import ROTATION_OF_FAKE, ROTATION_OF_TRUE

    first = chosen(LOSSES, experiment.training.loss).discriminator[0]
    phases = []
    for phase in dcgan(experiment):
        terms = dict(phase.terms)
        if first in terms.get("discriminator", ()):  # separate updates have phases for penalties and fakes, too
            terms["discriminator"] += (ROTATION_OF_TRUE,)
            terms["rotation"] = (ROTATION_OF_TRUE,)
        if "generator" in terms:
            terms["generator"] += (ROTATION_OF_FAKE,)
        phases.append(dataclasses.replace(phase, terms=terms))
    return tuple(phases)
