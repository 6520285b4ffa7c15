"""What can be chosen by name, and where it is: to add one, write it anywhere and add one line here.

An entry is "module:attribute", which is imported only when it is chosen, so that the command line can offer the names
without TensorFlow; or it is the thing itself. So other packages may add to these, too:

    from utils.registries import LOSSES
    LOSSES["mine"] = Loss(discriminator=(...), generator=(...))

What is part of an update is traced without AutoGraph: what depends on a tensor's values is decided by `tf.where` or
`tf.cond`, not by Python's `if`.
"""

import importlib

from utils.errors import InputError


class Registry(dict[str, object]):
    """Entries by their names.

    Attributes:
        what: what each of them is, in a word.
    """

    def __init__(self, what: str, **entries: object):
        super().__init__(entries)
        self.what = what


LOSSES = Registry(
    "loss",
    non_saturating="utils.training.losses:NON_SATURATING",
    saturating="utils.training.losses:SATURATING",
    relativistic="utils.training.losses:RELATIVISTIC",
    hinge="utils.training.losses:HINGE",
    least_squares="utils.training.losses:LEAST_SQUARES",
    wasserstein="utils.training.losses:WASSERSTEIN",
    gan_cls="utils.training.losses:GAN_CLS",
    gan_int_cls="utils.training.losses:GAN_INT_CLS",
)
"""What the two networks descend: a `training.losses.Loss`."""

AUGMENTATIONS = Registry(
    "augmentation",
    colour="utils.training.augmentations:colour",
    translation="utils.training.augmentations:translation",
    cutout="utils.training.augmentations:cutout",
    mirror="utils.training.augmentations:mirror",
    noise="utils.training.augmentations:noise",
)
"""What the discriminator sees instead of the images: functions (images, seed) -> images."""

PLAYERS = Registry(
    "player",
    generator="utils.models:build_generator",
    discriminator="utils.models:build_discriminator",
    encoder="utils.models:build_encoder",
    rotation="utils.models:build_rotation_head",
)
"""Networks that are trained: functions (ModelConfig, seed) -> network. A discriminator is a Sequential model, or a
functional one that uses each layer once, and its last layer is the sigmoid alone: the logit is what goes into that."""

RECIPES = Registry(
    "recipe",
    dcgan="utils.training.recipes:dcgan",
    regularised="utils.training.recipes:regularised",
    rotation="utils.training.recipes:rotation",
)
"""Who is updated by what, and in which order: functions (Experiment) -> tuple of `training.recipes.Phase`."""


def chosen(registry: Registry, name: str) -> object:
    """The entry of that name, imported if need be.

    Raises:
        InputError: there is none; the message lists those that there are.
    """
    if name not in registry:
        raise InputError(f"There is no {registry.what} {name!r}; choose one of {', '.join(registry)}.")
    entry = registry[name]
    if isinstance(entry, str):
        module, attribute = entry.split(":")
        entry = getattr(importlib.import_module(module), attribute)
    return entry
