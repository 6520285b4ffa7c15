"""Pictures of one domain drawn as pictures of another (DTN): losses, recipe and networks; two sets of images, no pairs.

What is to stay the same is said by a frozen function f, here the features of a classifier of the source domain. The
generator g draws from features, so G(x) = g(f(x)). The discriminator D tells three kinds: G of source images, G of
target images, and target images. It is no recipe of `registries.RECIPES`: an experiment has one set of images.

Reference:
    Taigman, Polyak, Wolf: Unsupervised Cross-Domain Image Generation (arXiv:1611.02200), §4.
"""

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from utils.config import Experiment
from utils.models import build_discriminator, build_generator
from utils.streams import key, stream
from utils.training.batches import Batch
from utils.training.players import Players, player_of
from utils.training.recipes import Phase, Recipe, Term
from utils.training.view import View

OF_SOURCE, OF_TARGET, TARGET = range(3)
"""The three kinds that D tells, in the order of its outputs: G(source), G(target), target images."""


@dataclass(frozen=True)
class Weights:
    """How much each loss weighs beside that of the game, L_GANG.

    Attributes:
        constancy: of L_CONST, alpha in the paper.
        identity: of L_TID, beta.
        variation: of L_TV, gamma.
    """

    # The paper's alpha (15 for digits, 100 for faces) goes with its own f. With means over values and this f, 15 draws
    # faces as coloured noise at first (distance 1.4 after 300 updates, 0.5 with 2), and keeps no more digits than 3.
    constancy: float = 3.0
    identity: float = 15.0
    variation: float = 0.0


def recipe(f: Callable, weights: Weights) -> Recipe:
    """D's phase, then g's, on the same fakes. A view's latents are f of source images and then of target images, as
    many; its images are these target images.

    Args:
        f: float32 (N, S, S, 3) in [-1, 1] -> features (N, D); gradients go through it, and it never changes.
        weights: of the losses; what weighs nothing is left out.
    """
    drawn = [Term("loss_generator", told_as_target)]
    for name, weight, loss in (
        ("loss_constancy", weights.constancy, lambda view: constancy(f, view)),
        ("loss_identity", weights.identity, identity),
        ("loss_variation", weights.variation, variation),
    ):
        if weight:
            drawn.append(Term(name, _weighted(weight, loss), recorded=loss))
    return Phase({"discriminator": (Term("loss_discriminator", told_apart),)}), Phase({"generator": tuple(drawn)})


def told_apart(view: View):
    """L_D (eq. 3): mean -log D1(G(source)) + mean -log D2(G(target)) + mean -log D3(target)."""
    of_source, of_target = _halves(view.fake_logits)
    return _told(of_source, OF_SOURCE) + _told(of_target, OF_TARGET) + _told(view.true_logits, TARGET)


def told_as_target(view: View):
    """L_GANG (eq. 4): mean -log D3(G(source)) + mean -log D3(G(target))."""
    of_source, of_target = _halves(view.fake_logits)
    return _told(of_source, TARGET) + _told(of_target, TARGET)


def constancy(f: Callable, view: View):
    """L_CONST (eq. 5): d(f(x), f(G(x))) of source images x; d is the mean squared difference."""
    features, _ = _halves(view.latents)
    of_source, _ = _halves(view.fake)
    return tf.reduce_mean(tf.square(f(of_source) - features))


def identity(view: View):
    """L_TID (eq. 6): d2(x, G(x)) of target images x; d2 is the mean squared difference of values in [-1, 1]."""
    _, of_target = _halves(view.fake)
    return tf.reduce_mean(tf.square(of_target - view.images))


def variation(view: View):
    """L_TV: how much neighbouring pixels differ, the length of a pixel's two differences (exponent B = 1 of the sum of
    their squares, as a root); the mean over pixels and channels."""
    down = view.fake[:, 1:, :-1] - view.fake[:, :-1, :-1]
    right = view.fake[:, :-1, 1:] - view.fake[:, :-1, :-1]
    return tf.reduce_mean(tf.sqrt(tf.square(down) + tf.square(right) + 1e-8))  # a root has no slope at 0


def build_transfer(experiment: Experiment) -> Players:
    """g and D with their optimisers: the experiment's networks, latents as long as f's features, three outputs of D."""
    model, training = experiment.model, experiment.training
    networks = {
        "generator": build_generator(model, training.seed),
        "discriminator": three_way_discriminator(experiment),
    }
    players = {name: player_of(name, network, training) for name, network in networks.items()}
    averaged = build_generator(model, training.seed) if training.ema_decay else networks["generator"]
    return Players(players, averaged)


def three_way_discriminator(experiment: Experiment) -> keras.Sequential:
    """The experiment's discriminator with three logits in place of one, and a softmax in place of the sigmoid.

    Shapes:
        float32 (N, S, S, 3) in [-1, 1] -> float32 (N, 3), how likely an image is of each kind.
    """
    usual = build_discriminator(experiment.model, experiment.training.seed)
    seed = int(stream(experiment.training.seed, "cross-domain: weights").integers(2**31))
    logits = keras.layers.Dense(3, kernel_initializer=keras.initializers.RandomNormal(0.0, 0.02, seed=seed))
    score = keras.layers.Activation("softmax", name="score")
    body = usual.layers[:-2]  # without the logit and its sigmoid
    return keras.Sequential([keras.Input(usual.input_shape[1:]), *body, logits, score], name="discriminator")


def transfer_batches(
    source_features: np.ndarray, target_features: np.ndarray, target_images: np.ndarray, experiment: Experiment
) -> Iterator[Batch]:
    """Everything that the updates take, each decided by the seed and its number.

    Args:
        source_features, target_features: f of the images of each domain, float32 (N, D) and (M, D).
        target_images: uint8 (M, S, S, 3) in [0, 255].
        experiment: its `.training` says how many updates, of how many images of each domain.
    """
    training = experiment.training
    for update in range(1, training.updates + 1):
        random = stream(training.seed, "cross-domain: rows", update)
        of_source = random.integers(len(source_features), size=training.batch_size)
        of_target = np.sort(random.integers(len(target_images), size=training.batch_size))
        features = np.concatenate([source_features[of_source], target_features[of_target]])
        images = np.asarray(target_images[of_target])
        yield Batch(update, images[None], features[None], None, key(training.seed, update))


def whole(f: keras.Sequential, g: keras.Sequential) -> keras.Sequential:
    """G = g after f as one network: images, float32 (N, S, S, 3) in [-1, 1], -> images of the target domain."""
    # As two networks in one: layers of a classifier that was loaded may be called like those of g.
    return keras.Sequential([keras.Input(f.input_shape[1:]), f, g], name="transfer")


def fitted_to(experiment: Experiment, features: int) -> Experiment:
    """The experiment with latents as long as f's features."""
    return dataclasses.replace(experiment, model=dataclasses.replace(experiment.model, latent_dim=features))


def _weighted(weight: float, loss: Callable) -> Callable:
    return lambda view: weight * loss(view)


def _told(logits, kind: int):
    """mean -log of how likely the images are of a kind."""
    labels = tf.fill(tf.shape(logits)[:1], kind)
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))


def _halves(of_both):
    """What belongs to source images, and what to target images."""
    return tf.split(of_both, 2)
