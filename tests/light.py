"""Trainings that cost little: what stands in for the compiled update and for what is drawn (fixtures of conftest)."""

import tensorflow as tf

from utils.training.step import Record


class Light:
    """In place of the compiled update: changes all that it changes, by the batch, the step size and what there is."""

    combinations = 0  # of those that are compiled

    def __init__(self, players, experiment, team=None):
        self.players = players

    def __call__(self, batch, stop=False):
        for player in self.players.by_name.values():
            step = float(player.optimizer.learning_rate) * float(batch.images.mean() / 255 + batch.latents.mean())
            for variable in player.network.trainable_variables:
                variable.assign(0.9 * variable + step)
            player.optimizer.iterations.assign_add(1)
        names = ["loss_generator", "score_true", "gradient_norm"]
        return Record(batch.update, names, tf.constant([float(batch.latents.mean()), 0.5, 1.0]))


class Nothing:
    """In place of curves, film and TensorBoard's events, which are drawn from the records."""

    def __init__(self, *of):
        pass

    def draw(self):
        pass

    keep_up = draw

    def write_summary(self, record):
        pass


def leave_undrawn(patch):
    """Draw nothing from the records until a `MonkeyPatch` is undone; everything else of a training is as it is."""
    for name in ("Curves", "Board", "draw_film"):
        patch.setattr(f"utils.training.loop.{name}", Nothing)
