"""Who takes part in a training: networks, each with its optimiser."""

from dataclasses import dataclass

import keras

from utils.config import Experiment, TrainingConfig
from utils.registries import PLAYERS, chosen
from utils.training.recipes import players_of, recipe_of


@dataclass(frozen=True)
class Player:
    """A network that is trained, and the optimiser that changes it (Adam with its moments)."""

    network: keras.Model
    optimizer: keras.optimizers.Optimizer


@dataclass(frozen=True)
class Players:
    """Everything that training changes.

    Attributes:
        by_name: "generator", "discriminator", and whoever else the recipe names.
        averaged: the moving average of the generator that samples are drawn from; the generator itself where the
            experiment does not average.
    """

    by_name: dict[str, Player]
    averaged: keras.Model

    def __getitem__(self, name: str) -> Player:
        return self.by_name[name]

    @property
    def generator(self) -> keras.Model:
        return self["generator"].network

    @property
    def discriminator(self) -> keras.Model:
        return self["discriminator"].network

    def variables(self) -> dict[str, keras.Variable]:
        """All variables by a name that is unique and the same in every process; the state of dropout is among them."""
        owners = {name: player.network for name, player in self.by_name.items()}
        owners |= {f"{name}_optimizer": player.optimizer for name, player in self.by_name.items()}
        if self.averaged is not self.generator:
            owners["averaged"] = self.averaged
        return {f"{name}/{i:03d}": v for name, owner in owners.items() for i, v in enumerate(owner.variables)}


def build_players(experiment: Experiment) -> Players:
    """Build the networks that the recipe names, with their optimisers and the initial weights that the seed decides."""
    model, training = experiment.model, experiment.training
    names = players_of(recipe_of(experiment))
    players = {name: player_of(name, chosen(PLAYERS, name)(model, training.seed), training) for name in names}
    generator = players["generator"].network
    averaged = chosen(PLAYERS, "generator")(model, training.seed) if training.ema_decay else generator
    return Players(players, averaged)


def player_of(name: str, network: keras.Model, training: TrainingConfig) -> Player:
    """A network with the optimiser that the settings of a training give the player of that name."""
    rate = learning_rate(training, name)
    optimizer = keras.optimizers.Adam(rate, beta_1=training.beta_1, beta_2=training.beta_2)
    if training.precision == "mixed_float16":  # gradients below float16's range would be lost
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(network.trainable_variables)
    return Player(network, optimizer)


def learning_rate(training: TrainingConfig, player: str) -> float:
    """Adam's step size of a player at the first update."""
    own = training.discriminator_learning_rate if player == "discriminator" else None
    return own or training.learning_rate
