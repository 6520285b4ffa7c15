"""One update of all players, compiled.

With the settings of the report it computes what the report's three calls compute (`discriminator.train_on_batch` on
true samples, the same on fake samples, `combined.train_on_batch` on latents), without leaving the compiled graph in
between. Gradients are taken with respect to one player's variables at a time, so no `trainable` flag is ever flipped:
Keras 3 reads that flag when it traces, and the freeze idiom would leave the discriminator untrained.
"""

import functools
import operator
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from utils import replicas, runtime
from utils.config import Experiment, TrainingConfig
from utils.errors import InputError
from utils.training.batches import Batch
from utils.training.players import Players, learning_rate
from utils.training.recipes import Phase, Recipe, due_at, recipe_of, what_is_due
from utils.training.team import Team
from utils.training.view import Drawing, Given, View

MEASURED = ("score_true", "score_fake", "gradient_norm")
"""What is recorded of every update beside the terms of its phases: the discriminator's mean scores of true and fake
samples while it was updated, and the Euclidean norm of the gradient that the generator was updated with (0 where
mixed_float16 skipped an update that overflowed)."""


class Update:
    """Does updates: update(batch) -> {name: value}, all of them float32 scalars still on the device.

    Names are those of the terms that were due, in the order of the phases, then `MEASURED`. Which phases and terms are
    due is decided in Python by the update's number; each combination that occurs is compiled once.

    Args:
        players: what is changed.
        experiment: its recipe decides what is done, its `.training` section the numbers in it.
        recipe: another one, of players that no experiment names.
        team: with whom updates are computed, by all of them at the same time; alone by default.
    """

    def __init__(
        self, players: Players, experiment: Experiment, recipe: Recipe | None = None, team: Team | None = None
    ):
        self._players, self._training, self._team = players, experiment.training, team
        self._recipe = recipe or recipe_of(experiment)
        self._compiled: dict[tuple, tuple[list[str], Callable]] = {}

    @property
    def combinations(self) -> int:
        """How many combinations of phases and terms have been compiled so far."""
        return len(self._compiled)

    def __call__(self, batch: Batch, stop: bool = False) -> "Record":
        """Do an update.

        Args:
            batch: what it takes; of the images the rows of this worker.
            stop: whether this worker is asked to stop, which the records of all workers then say (`Record.stop`).
        """
        due = due_at(self._recipe, batch.update)
        which = what_is_due(due)
        if which not in self._compiled:
            self._compiled[which] = self._compile(due)
        names, step = self._compiled[which]
        number = np.asarray(batch.update, np.float32)  # a Python number would be compiled in
        given = (batch.images, batch.latents, batch.conditions, batch.mismatching, batch.key, number)
        if self._team:
            return Record(batch.update, names, step(np.float32(stop), *given))
        return Record(batch.update, names, step(*given))

    def _compile(self, due: dict[int, Phase]) -> tuple[list[str], Callable]:
        names: list[str] = []

        def step(players, images, latents, conditions, mismatching, key, update):
            self._begin(players, update)
            others = tf.roll(latents, 1, 1)  # of the whole batch: however many replicas, the same pairs
            if self._team:
                places = range(latents.shape[0])
                latents, others = ([replicas.own(of[place]) for place in places] for of in (latents, others))
            recorded = {}
            drawings: dict[tuple, Drawing] = {}
            for number, phase in due.items():
                given = None if conditions is None else conditions[phase.images]

                def draw(place=(phase.latents, phase.drawn_by), given=given, group=phase.images):
                    # Fakes are drawn for the conditions of the phase's true images.
                    drawn = place if given is None else (*place, group)
                    if drawn not in drawings:
                        own = None if given is None else replicas.own(given)
                        drawings[drawn] = Drawing(players, latents[place[0]], place[1], own)
                    return drawings[drawn]

                recorded |= run_phase(
                    phase,
                    players,
                    self._training,
                    images=images[phase.images],
                    draw=draw,
                    latents=latents[phase.latents],
                    others=others[phase.latents],
                    conditions=given,
                    mismatching=None if mismatching is None else mismatching[phase.images],
                    key=tf.random.experimental.stateless_fold_in(key, number),
                )
                if "generator" in phase.terms:
                    drawings.clear()  # they were drawn by a generator that is no more
            if self._training.ema_decay:
                self._average(players, update)
            ordered = [name for name in recorded if name not in MEASURED] + [n for n in MEASURED if n in recorded]
            names[:] = ordered
            return tf.stack([tf.cast(recorded[name], tf.float32) for name in ordered])

        if self._team:
            return names, self._team.compiled(step, self._players)

        def alone(*given):
            return step(self._players, *given)

        return names, compiled(alone, self._training.xla)

    def _begin(self, players: Players, update) -> None:
        """What comes before the phases: the day's step sizes, and a step of spectral normalisation's iteration."""
        training = self._training
        if training.learning_rate_decay != 1.0:
            factor = tf.pow(tf.cast(training.learning_rate_decay, tf.float32), (update - 1.0) / 1000.0)
            for name, player in players.by_name.items():
                player.optimizer.learning_rate = learning_rate(training, name) * factor
        for player in players.by_name.values():
            for layer in player.network.layers:
                if hasattr(layer, "iterate"):
                    layer.iterate()

    def _average(self, players: Players, update) -> None:
        generator = players.generator
        updates = tf.cast(update, generator.variable_dtype)
        decay = tf.minimum(self._training.ema_decay, (1.0 + updates) / (10.0 + updates))
        for average, value in zip(players.averaged.variables, generator.variables):
            average.assign(decay * average + (1.0 - decay) * value)


class Record:
    """What one update recorded, fetched from the device only when it is asked for.

    Attributes:
        update: its number.
    """

    def __init__(self, update: int, names: list[str], values: tf.Tensor):
        self.update, self._names, self._values = update, names, values

    def read(self) -> dict[str, float]:
        """Values by name, in the recorded order; waits until they are there."""
        return dict(zip(self._names, np.asarray(self._values).tolist()))

    @property
    def stop(self) -> bool:
        """Whether a worker of the team was asked to stop: the same in all of them. Waits until it is there."""
        return bool(np.asarray(self._values)[-1] > 0)


def discriminator_update(players: Players, experiment: Experiment) -> Callable[..., dict]:
    """The discriminator's part of an update, against fakes that are given; part of a compiled step, or run as it is.

    Nothing in it is drawn at random or counts updates, so an experiment that does either is refused.

    Returns:
        update(images, fake) -> what is recorded, by name.

    Raises:
        InputError: an experiment whose discriminator is not updated by itself, or in that way.

    Shapes:
        images: uint8 (B, S, S, 3) in [0, 255]; fake: float32 (B, S, S, 3) in [-1, 1].
    """
    phases = [phase for phase in recipe_of(experiment) if set(phase.terms) == {"discriminator"}]
    training = experiment.training
    for odd, what in (
        (not phases, "a discriminator that is updated together with another player"),
        (training.augment, "--augment"),
        (training.label_noise, "--label-noise"),
        (training.learning_rate_decay != 1.0, "--learning-rate-decay"),
        (experiment.model.spectral_norm, "--spectral-norm"),
    ):
        if odd:
            raise InputError(f"The discriminator is updated alone here, which is not made for {what}: leave it out.")

    def update(images, fake):
        recorded = {}
        for phase in phases:
            recorded |= run_phase(phase, players, experiment.training, images=images, draw=lambda: Given(fake))
        return recorded

    return update


def run_phase(
    phase: Phase,
    players: Players,
    training: TrainingConfig,
    *,
    images,
    draw: Callable[[], "Drawing | Given"],
    latents=None,
    others=None,
    conditions=None,
    mismatching=None,
    key=(0, 0),
) -> dict:
    """Update the players of one phase; part of a compiled step, or run as it is.

    Args:
        phase: what to do.
        players: what is changed.
        training: numbers for the terms.
        images: uint8 (B, S, S, 3) in [0, 255], those of this replica.
        draw: gives the fakes, when the terms ask for them.
        latents, others, conditions, mismatching, key: as for `View`.

    Returns:
        What is recorded, by name: every term, and those of `MEASURED` that this phase has.
    """
    recorded, drawn = {}, []
    with tf.GradientTape(persistent=True) as tape:

        def fakes():
            with tape.stop_recording():  # the drawing has a tape of its own, so that phases can share it
                drawn.append(draw())
            tape.watch(drawn[0].fake)
            return drawn[0].fake

        view = View(
            players,
            training,
            images=images,
            draw_fake=fakes,
            latents=latents,
            others=others,
            conditions=conditions,
            mismatching=mismatching,
            key=key,
            judged_by=phase.judged_by,
            joined=phase.joined,
        )
        descended = {}
        for name, terms in phase.terms.items():
            values = [term.value(view) for term in terms]
            for term, value in zip(terms, values):
                recorded[term.name] = value if term.recorded is None else term.recorded(view)
            weighted = [value * term.every if term.every > 1 else value for term, value in zip(terms, values)]
            descended[name] = players[name].optimizer.scale_loss(functools.reduce(operator.add, weighted))
        # Not where a penalty has a phase of its own: after the discriminator's steps it would see other scores.
        if any(term.name.startswith("loss") for term in phase.terms.get("discriminator", ())):
            recorded |= {f"score_{of}": tf.reduce_mean(tf.sigmoid(logits)) for of, logits in view.judged.items()}
    gradients = {name: _gradient(name, value, tape, players, drawn) for name, value in descended.items()}
    for name, values in gradients.items():
        optimizer, variables = players[name].optimizer, players[name].network.trainable_variables
        values = replicas.mean(values)
        if name == "generator":  # before the step, which may change the scale for the next one
            norm = tf.linalg.global_norm(values) / tf.cast(optimizer.scale_loss(1.0), variables[0].dtype)
            recorded["gradient_norm"] = tf.where(tf.math.is_finite(norm), norm, 0.0)
        # A penalty in a phase of its own says nothing of the last bias, of which Keras would warn.
        reached = [(value, variable) for value, variable in zip(values, variables) if value is not None]
        _apply(optimizer, *map(list, zip(*reached)))
    return recorded


def _gradient(name: str, value, tape: tf.GradientTape, players: Players, drawn: list[Drawing]) -> list:
    """Gradients of a player's variables; the generator's come through the fakes, too."""
    variables = players[name].network.trainable_variables
    if name != "generator" or not drawn:
        return tape.gradient(value, variables)
    of_fake, *direct = tape.gradient(value, [drawn[0].fake, *variables])
    through = drawn[0].gradient(variables, of_fake) if of_fake is not None else [None] * len(variables)
    return [a if b is None else b if a is None else a + b for a, b in zip(through, direct)]


def _apply(optimizer: keras.Optimizer, gradients: list, variables: list) -> None:
    """Let an optimiser take one step.

    Not by Keras's own `apply`, but for the scaled losses of mixed_float16: that goes through `tf.distribute`, which
    adds the gradients of the replicas up, and hands the step to the strategy, which takes variables of its own only.
    Here each replica has plain variables and the same mean gradients, so each takes the plain step. With one replica
    it has the same bits; but each time Keras's is traced, its sum over replicas registers a gradient with TensorFlow
    that holds the whole graph as long as the process lives: 15 MB for each of many trainings in one process.
    """
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        optimizer.apply(gradients, variables)
        return
    for gradient, variable in zip(gradients, variables):
        optimizer.update_step(gradient, variable, optimizer.learning_rate)
    optimizer.iterations.assign_add(1)


def compiled(step: Callable, xla: str) -> Callable:
    """An update as a function of tensors that is traced once; with XLA as the setting says (`use_xla`).

    Without AutoGraph, as for a team: it lets Python's `if` and `while` decide by what a tensor holds, which they do
    nowhere here, and to rewrite all functions of an update takes nearly as long as to trace it.
    """
    return tf.function(step, autograph=False, jit_compile=use_xla(xla))


def use_xla(setting: str) -> bool:
    """Whether to compile with XLA: as the setting says, and for "auto" where there is a GPU."""
    return setting == "on" or (setting == "auto" and runtime.device().kind == "GPU")
