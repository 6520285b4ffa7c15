"""What the networks descend: terms as formulas, each with its source, and the losses made of them.

t and f are the discriminator's logits of true and fake images, means are over the batch, and softplus(x) is
log(1 + exp(x)): -log D is softplus(-logit) for a score D = sigmoid(logit). A term is a pure function of a
`training.view.View`; nothing here knows an optimiser.
"""

from dataclasses import dataclass

import tensorflow as tf

from utils import replicas
from utils.registries import LOSSES, chosen
from utils.training.recipes import Term
from utils.training.view import View


@dataclass(frozen=True)
class Loss:
    """What the two networks descend.

    Attributes:
        discriminator: its terms.
        generator: its terms.
        penalties: of the discriminator, which belong to the loss and may be lazy (`penalty_every`).
        undecided: the logit of which the discriminator calls an image neither true nor fake; None where only
            differences of logits count, so that all of them may be shifted alike.
        probability: whether the sigmoid of a logit is the probability that an image is true, as cross-entropy makes it.
    """

    discriminator: tuple[Term, ...]
    generator: tuple[Term, ...]
    penalties: tuple[Term, ...] = ()
    undecided: float | None = 0.0
    probability: bool = False


def undecided_logit(loss: str) -> float | None:
    """`Loss.undecided` of the loss of that name; of one that was planted in a run and is not there any more, 0."""
    return chosen(LOSSES, loss).undecided if loss in LOSSES else Loss.undecided


def gives_probability(loss: str) -> bool:
    """`Loss.probability` of the loss of that name; of one that is not there any more, False."""
    return loss in LOSSES and chosen(LOSSES, loss).probability


def _cross_entropy(logits, label):
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(tf.zeros_like(logits) + label, logits))


# --- cross-entropy: Goodfellow et al., arXiv:1406.2661, eq. 1 and §3 --------------------------------------------------


def true(view: View):
    """mean -log D(true); with label smoothing s (Salimans et al., arXiv:1606.03498, §3.4) the label is 1 - s."""
    label = 1.0 - view.settings.label_smoothing
    if view.settings.label_noise:  # some labels turned round (Chintala et al., "How to train a GAN", 2016)
        logits = view.true_logits
        shape = replicas.whole(tf.shape(logits))
        drawn = tf.random.stateless_uniform(shape, view.random("label noise"), dtype=logits.dtype)
        label = tf.where(replicas.own(drawn) < view.settings.label_noise, tf.zeros_like(logits), label)
    return _cross_entropy(view.true_logits, label)


def fake(view: View):
    """mean -log(1 - D(fake))."""
    return _cross_entropy(view.fake_logits, 0.0)


def non_saturating(view: View):
    """mean -log D(fake)."""
    return _cross_entropy(view.fake_logits, 1.0)


def saturating(view: View):
    """mean log(1 - D(fake)): its gradient vanishes where the discriminator is sure of the fakes."""
    return -_cross_entropy(view.fake_logits, 0.0)


# --- matching-aware: Reed et al., arXiv:1605.05396, Algorithm 1 (GAN-CLS) and eq. 5 (GAN-INT) -------------------------


def mismatched(view: View):
    """mean -log(1 - D(true, wrong condition)) / 2, of the images that the batch has a wrong condition for."""
    there = tf.cast(view.mismatching[:, None] >= 0, view.mismatched_logits.dtype)
    wrong, images = tf.reduce_sum(there * tf.nn.softplus(view.mismatched_logits)), tf.reduce_sum(there)
    return replicas.mean(wrong) / tf.maximum(replicas.mean(images), 1.0 / replicas.count()) / 2.0


def half_fake(view: View):
    """mean -log(1 - D(fake)) / 2."""
    return fake(view) / 2.0


def interpolated(view: View):
    """mean -log D(G(latents, c), c) for means c of the conditions of two images (beta 0.5)."""
    between = replicas.own((view.all_conditions + tf.roll(view.all_conditions, 1, 0)) / 2.0)
    drawn = view.augmented(view.draw(view.latents, between), "augmentation of fake")
    return _cross_entropy(view.judge(drawn, between), 1.0)


# --- mode seeking: Mao et al., arXiv:1903.05628 (MSGAN), eq. 3 and 5 --------------------------------------------------


def mode_seeking(view: View):
    """weight * mean |latent - other latent| / mean |fake - other fake|: the other fake is drawn from another latent for
    the same condition, so that what a condition leaves open is not always drawn alike. As in their code, which descends
    the inverse of eq. 3's ratio, with means over pixels and channels, over latent dimensions, and over the batch."""
    other = view.augmented(view.draw(view.others), "augmentation of fake")  # augmented in the same way
    pictures, latents = (
        replicas.mean(tf.reduce_mean(tf.cast(tf.abs(one - two), tf.float32)))
        for one, two in ((view.fake, other), (view.latents, view.others))
    )
    return view.settings.mode_seeking / (pictures / latents + 1e-5)


# --- relativistic pairs: Huang et al., arXiv:2501.05441 (R3GAN), eq. 2, after Jolicoeur-Martineau, arXiv:1807.00734 ---


def relativistic_discriminator(view: View):
    """mean softplus(f - t): each true image is to score above the fake one beside it."""
    return tf.reduce_mean(tf.nn.softplus(view.fake_logits - view.true_logits))


def relativistic_generator(view: View):
    """mean softplus(t - f): the other way round; the generator's loss sees true images, too."""
    return tf.reduce_mean(tf.nn.softplus(view.true_logits - view.fake_logits))


# --- hinge: Lim and Ye, arXiv:1705.02894, eq. 6; Miyato et al., arXiv:1802.05957, eq. 16 and 17 -----------------------


def hinge_true(view: View):
    """mean max(0, 1 - t)."""
    return tf.reduce_mean(tf.nn.relu(1.0 - view.true_logits))


def hinge_fake(view: View):
    """mean max(0, 1 + f)."""
    return tf.reduce_mean(tf.nn.relu(1.0 + view.fake_logits))


# --- least squares: Mao et al., arXiv:1611.04076, eq. 9 (labels 0 for fake, 1 for true and for the generator) ---------


def least_squares_true(view: View):
    """mean (t - 1)^2 / 2."""
    return tf.reduce_mean(tf.square(view.true_logits - 1.0)) / 2.0


def least_squares_fake(view: View):
    """mean f^2 / 2."""
    return tf.reduce_mean(tf.square(view.fake_logits)) / 2.0


def least_squares_generator(view: View):
    """mean (f - 1)^2 / 2."""
    return tf.reduce_mean(tf.square(view.fake_logits - 1.0)) / 2.0


# --- Wasserstein: Arjovsky et al., arXiv:1701.07875; penalty: Gulrajani et al., arXiv:1704.00028, eq. 3 ---------------


def higher_true(view: View):
    """mean -t."""
    return -tf.reduce_mean(view.true_logits)


def lower_fake(view: View):
    """mean f."""
    return tf.reduce_mean(view.fake_logits)


def higher_fake(view: View):
    """mean -f; what the generator descends under the hinge and the Wasserstein loss."""
    return -tf.reduce_mean(view.fake_logits)


def gradient_penalty(view: View):
    """weight * mean (|slope| - 1)^2 of the logits at random points between a true and a fake image."""
    true_images, fake_images = tf.cast(view.true, view.fake.dtype), view.fake
    shape = replicas.whole(tf.concat([tf.shape(fake_images)[:1], [1, 1, 1]], 0))
    share = replicas.own(tf.random.stateless_uniform(shape, view.random("interpolation"), dtype=fake_images.dtype))
    between = share * true_images + (1.0 - share) * fake_images
    with tf.GradientTape() as tape:
        tape.watch(between)
        logits = view.judge(between)
    slope = tape.gradient(logits, between)
    length = tf.sqrt(tf.reduce_sum(tf.square(slope), axis=[1, 2, 3]) + 1e-12)  # a root has no slope at 0
    return view.settings.gradient_penalty * tf.reduce_mean(tf.square(length - 1.0))


# --- R1 and R2: Mescheder et al., arXiv:1801.04406, eq. 9 and 10 ------------------------------------------------------


def _squared_slope(view: View, of: str):
    slope = tf.cast(view.slope(of), getattr(view, f"{of}_logits").dtype)
    return tf.reduce_mean(tf.reduce_sum(tf.square(slope), axis=[1, 2, 3]))


def r1(view: View):
    """weight / 2 * mean squared length of the logit's slope at true images."""
    return view.settings.r1 / 2.0 * _squared_slope(view, "true")


def r2(view: View):
    """weight / 2 * mean squared length of the logit's slope at fake images."""
    return view.settings.r2 / 2.0 * _squared_slope(view, "fake")


# --- reconstructions: Mehralian and Karasfi 2018 (RDCGAN), as in their released code (see `recipes.regularised`) ------


def judged_reconstruction(view: View):
    """mean -log D(G(E(true)))."""
    return _cross_entropy(view.reconstruction_logits, 1.0)


def reconstruction(view: View):
    """weight * mean squared length of G(E(true)) - true: squares are added up over the pixels of an image."""
    return view.settings.reconstruction * tf.reduce_mean(tf.reduce_sum(_squared_error(view), axis=[1, 2, 3]))


def reconstruction_error(view: View):
    """The mean square of a value of G(E(true)) - true, whose values lie in [-2, 2]: what is recorded."""
    return tf.reduce_mean(_squared_error(view))


def _squared_error(view: View):
    return tf.square(view.reconstruction - tf.cast(view.images, view.reconstruction.dtype))


RECONSTRUCTION = (
    Term("loss_encoder", judged_reconstruction, passes=("encoder", "generator", "discriminator")),
    Term("loss_reconstruction", reconstruction, recorded=reconstruction_error),  # the same one, already passed
)
# --- rotations: Chen et al., arXiv:1811.11212 (self-supervised GAN), §3, weights of its experiments ------------------


def rotation_of_true(view: View):
    """mean -log Q(turn | true image turned), with weight 1."""
    return _of_turns(view.turned_true_logits)


def rotation_of_fake(view: View):
    """mean -log Q(turn | fake image turned), with weight 0.2: the generator is to draw what has an upright."""
    return 0.2 * _of_turns(view.turned_fake_logits)


def _of_turns(logits):
    turns = tf.repeat(tf.range(logits.shape[1]), logits.shape[0] // logits.shape[1])
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(turns, logits))


ROTATION_OF_TRUE, ROTATION_OF_FAKE = (
    Term("loss_rotation", rotation_of_true, passes=("discriminator",)),
    Term("loss_rotation_fake", rotation_of_fake, passes=("discriminator",)),
)
_OF_TRUE, _OF_FAKE, _OF_BOTH = {"judges": ("true",)}, {"judges": ("fake",)}, {"judges": ("true", "fake")}
R1, R2 = Term("penalty_r1", r1, **_OF_TRUE), Term("penalty_r2", r2, **_OF_FAKE)
MODE_SEEKING = Term("loss_mode_seeking", mode_seeking, passes=("generator",))
_TRUE_FAKE = (Term("loss_true", true, **_OF_TRUE), Term("loss_fake", fake, **_OF_FAKE))
_HIGHER_FAKE = (Term("loss_generator", higher_fake, **_OF_FAKE),)

NON_SATURATING = Loss(_TRUE_FAKE, (Term("loss_generator", non_saturating, **_OF_FAKE),), probability=True)
SATURATING = Loss(
    _TRUE_FAKE, (Term("loss_generator", saturating, recorded=non_saturating, **_OF_FAKE),), probability=True
)
RELATIVISTIC = Loss(
    (Term("loss_discriminator", relativistic_discriminator, **_OF_BOTH),),
    (Term("loss_generator", relativistic_generator, **_OF_BOTH),),
    undecided=None,
)
HINGE = Loss((Term("loss_true", hinge_true, **_OF_TRUE), Term("loss_fake", hinge_fake, **_OF_FAKE)), _HIGHER_FAKE)
LEAST_SQUARES = Loss(
    (Term("loss_true", least_squares_true, **_OF_TRUE), Term("loss_fake", least_squares_fake, **_OF_FAKE)),
    (Term("loss_generator", least_squares_generator, **_OF_FAKE),),
    undecided=0.5,
)
_TRUE_WRONG_FAKE = (
    Term("loss_true", true, **_OF_TRUE),
    Term("loss_mismatched", mismatched, passes=("discriminator",)),
    Term("loss_fake", half_fake, **_OF_FAKE),
)
_INTERPOLATED = Term("loss_interpolated", interpolated, passes=("generator", "discriminator"))
GAN_CLS = Loss(_TRUE_WRONG_FAKE, NON_SATURATING.generator, probability=True)
GAN_INT_CLS = Loss(_TRUE_WRONG_FAKE, (*NON_SATURATING.generator, _INTERPOLATED), probability=True)
WASSERSTEIN = Loss(
    (Term("loss_true", higher_true, **_OF_TRUE), Term("loss_fake", lower_fake, **_OF_FAKE)),
    _HIGHER_FAKE,
    penalties=(Term("penalty_gradient", gradient_penalty, passes=("discriminator",)),),
    undecided=None,
)
