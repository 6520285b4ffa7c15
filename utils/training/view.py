"""What the terms of a phase see: true and fake images, and the players that judge, draw and encode."""

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

from utils import replicas
from utils.config import TrainingConfig
from utils.data import scale
from utils.models import QUARTER_TURNS, features_before_head, forward
from utils.registries import AUGMENTATIONS, chosen
from utils.streams import WITHIN_AN_UPDATE
from utils.training.players import Players


class Drawing:
    """Fakes with the tape that leads from them back to the generator.

    Attributes:
        latents: float32 (B, latent_dim).
        conditions: float32 (B, condition_size) that they were drawn for, or None.
        fake: float32 (B, S, S, 3) in [-1, 1].
    """

    def __init__(self, players: Players, latents, statistics: str, conditions=None):
        self.latents, self.conditions = latents, conditions
        with tf.GradientTape(persistent=True) as self._tape:
            self.fake = forward(players.generator, latents, conditions, training=True, statistics=statistics)

    def gradient(self, variables, of_fake):
        """Gradients of the generator's variables from that of the fakes; the pass is not repeated."""
        return self._tape.gradient(self.fake, variables, output_gradients=of_fake)


@dataclass(frozen=True)
class Given:
    """Fakes that no generator drew, in place of a `Drawing`."""

    fake: tf.Tensor


class _once:
    """A property that is computed when it is first asked for. `functools.cached_property` holds a lock meanwhile, until
    Python 3.12 one for all views: replicas, which wait for each other inside, would wait for ever."""

    def __init__(self, compute: Callable):
        self._compute, self.__doc__ = compute, compute.__doc__

    def __set_name__(self, owner: type, name: str):
        self._name = name

    def __get__(self, view, owner: type):
        return view.__dict__.setdefault(self._name, self._compute(view)) if view is not None else self


class View:
    """What the terms of one phase see, at the update's own moment. Augmentation and statistics are applied here only.

    Whatever is used by several terms (scores of true and fake images) is computed once.

    Args:
        players: the networks.
        settings: of the training, for terms that have a number in it.
        images: uint8 (B, S, S, 3) in [0, 255], the true images: where several replicas compute the update, the rows of
            this one.
        draw_fake: gives the phase's fakes, float32 (B, S, S, 3) in [-1, 1]; called at most once.
        latents: float32 (B, latent_dim) that they are drawn from.
        others: float32 (B, latent_dim), for each row the latent of another row of the whole batch.
        conditions: float32 (B, condition_size), what goes with the true images, and what the fakes are drawn for; or
            None. They and `mismatching` are those of the whole batch.
        mismatching: int32 (B,), for each image the place of a condition that is wrong of it; -1 where there is none.
        key: int32 (2,), decides all random numbers of the phase.
        judged_by: statistics by which the discriminator judges, "batch" or "moving".
        joined: whether it judges true and fake images as one batch.
    """

    def __init__(
        self,
        players: Players,
        settings: TrainingConfig,
        *,
        images,
        draw_fake: Callable,
        latents=None,
        others=None,
        conditions=None,
        mismatching=None,
        key=(0, 0),
        judged_by: str = "batch",
        joined: bool = False,
    ):
        self.players, self.settings = players, settings
        self.latents, self.others, self.all_conditions = latents, others, conditions
        self.conditions = None if conditions is None else replicas.own(conditions)
        self.mismatching = None if mismatching is None else replicas.own(mismatching)
        self._images, self._draw_fake, self._key, self._judged_by = images, draw_fake, key, judged_by
        self._logits = _Logits(self, joined)

    @_once
    def images(self):
        """True images as they are: float32 (B, S, S, 3) in [-1, 1]."""
        return scale(self._images)

    @_once
    def true(self):
        """True images as the discriminator sees them: float32 (B, S, S, 3), in [-1, 1] where nothing is augmented."""
        return self.augmented(self.images, "augmentation of true")

    @_once
    def fake(self):
        """Fake images as the discriminator sees them: float32 (B, S, S, 3), in [-1, 1] where nothing is augmented."""
        return self.augmented(self._draw_fake(), "augmentation of fake")

    @_once
    def true_logits(self):
        """The discriminator's logits of `true`: float32 (B, 1)."""
        return self._logits["true"]

    @_once
    def fake_logits(self):
        """The discriminator's logits of `fake`: float32 (B, 1)."""
        return self._logits["fake"]

    @_once
    def mismatched_logits(self):
        """The discriminator's logits of `true` with conditions that are wrong of them: float32 (B, 1)."""
        return self.judge(self.true, tf.gather(self.all_conditions, tf.maximum(self.mismatching, 0)))

    @_once
    def reconstruction(self):
        """What the generator makes of the codes of the true images, none of them augmented: float32 (B, S, S, 3).

        It is normalised by the batch of codes, and leaves the generator's moving averages alone: samples are drawn by
        these, so they have to be averages over latents.
        """
        return forward(self.players.generator, self.encode(self.images), self.conditions, statistics="batch")

    @_once
    def reconstruction_logits(self):
        """The discriminator's logits of `reconstruction`, augmented like true and fake images: float32 (B, 1)."""
        return self.judge(self.augmented(self.reconstruction, "augmentation of reconstructions"))

    @_once
    def turned_true_logits(self):
        """What the player "rotation" makes of turned true images; see `_turned_logits`."""
        return self._turned_logits(self.true)

    @_once
    def turned_fake_logits(self):
        """What the player "rotation" makes of turned fake images; see `_turned_logits`."""
        return self._turned_logits(self.fake)

    def _turned_logits(self, images):
        """What the player "rotation" makes of images that are turned by 0, 1, 2 and 3 quarters.

        Every fourth image of the batch is turned, so as many images are looked at as the discriminator judges. They
        are looked at by themselves, and leave the moving averages alone.

        Returns:
            float32 (4 * ceil(B / 4), 4): all of the images unturned, then all of them turned by one quarter, and so on.
        """
        some = images[::QUARTER_TURNS]  # wherever a batch is cut into whole fours, these are the same ones
        lying = tf.transpose(some, (0, 2, 1, 3))
        # By hand: tf.image.rot90 decides inside the graph by how much to turn.
        turned = [some, tf.reverse(lying, [1]), tf.reverse(some, [1, 2]), tf.reverse(lying, [2])]
        whole, by = tf.concat(turned, 0), self._judged_by
        features = features_before_head(self.players.discriminator, whole, statistics=by, batches=QUARTER_TURNS)
        return self.players["rotation"].network(features)

    def slope(self, of: str):
        """Gradients of the logits of "true" or "fake" with respect to these images: float32 (B, S, S, 3).

        It is the gradient of their sum. Where the discriminator is normalised by the batch, an image's logit depends on
        the others a little, and so does its slope.
        """
        logits, images = getattr(self, f"{of}_logits"), getattr(self, of)
        return self._logits.tapes[of].gradient(logits, images)

    @property
    def judged(self) -> dict[str, tf.Tensor]:
        """The logits that were asked for so far, of "true" and of "fake"."""
        return dict(self._logits.known)

    def judge(self, images, conditions=None, batches: int = 1):
        """The discriminator's logits of images as they are: float32 (N, 1), in full precision.

        Args:
            images: float32 (N, S, S, 3).
            conditions: float32 (N, condition_size) to judge them by; the phase's own by default, if there are any.
            batches: how many batches the images are, one after the other.
        """
        return self.through("discriminator", images, self.conditions if conditions is None else conditions, batches)

    def draw(self, latents, conditions=None):
        """More fakes than the phase's own: float32 (N, S, S, 3) in [-1, 1]; `conditions` as for `judge`."""
        return self.through("generator", latents, self.conditions if conditions is None else conditions)

    def encode(self, images):
        """What the player "encoder" makes of images."""
        return self.through("encoder", images)

    def through(self, player: str, x, conditions=None, batches: int = 1):
        """What a player makes of `x`, and of conditions where it takes any, in this phase."""
        network = self.players[player].network
        if player != "discriminator":
            return forward(network, x, conditions, training=True, statistics="batch")
        by = self._judged_by
        logits = forward(network, x, conditions, training=True, statistics=by, logits=True, batches=batches)
        return tf.cast(logits, network.variable_dtype)  # losses are in full precision also under mixed precision

    def random(self, stream: str):
        """The seed of one stream of `streams.WITHIN_AN_UPDATE` in this phase: int32 (2,)."""
        return tf.random.experimental.stateless_fold_in(self._key, WITHIN_AN_UPDATE.index(stream))

    def augmented(self, images, stream: str):
        """Images as the settings augment them, by random numbers of a stream."""
        for number, name in enumerate(self.settings.augment):
            seed = tf.random.experimental.stateless_fold_in(self.random(stream), number)
            images = chosen(AUGMENTATIONS, name)(images, seed)
        return images


class _Logits:
    """Logits of true and fake images, judged when they are first asked for: apart, or as one batch.

    Each comes with a tape that knows its slope. Recording costs nothing when a compiled update runs.
    """

    def __init__(self, view: View, joined: bool):
        self._view, self._joined = view, joined
        self.known: dict[str, tf.Tensor] = {}
        self.tapes: dict[str, tf.GradientTape] = {}

    def __getitem__(self, of: str):
        if of not in self.known:
            view = self._view
            parts = ("true", "fake") if self._joined else (of,)
            images = [getattr(view, part) for part in parts]
            with tf.GradientTape(persistent=True) as tape:
                for each in images:
                    tape.watch(each)
                whole = tf.concat([tf.cast(each, images[-1].dtype) for each in images], 0) if images[1:] else images[0]
                of_whole = view.conditions
                if images[1:] and of_whole is not None:
                    of_whole = tf.concat([of_whole] * len(parts), 0)
                logits = view.judge(whole, of_whole, len(parts))
                logits = tf.split(logits, len(parts)) if images[1:] else [logits]
            self.known |= dict(zip(parts, logits))
            self.tapes |= dict.fromkeys(parts, tape)
        return self.known[of]
