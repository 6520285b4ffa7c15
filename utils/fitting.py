"""Networks for other sizes of images than a preset's."""

import dataclasses
import math

from utils.config import Experiment, ModelConfig, replace
from utils.errors import InputError
from utils.presets import (
    FIRST,
    FIRST_32,
    WIDE_32_FROM,
    WIDE_32_LEAST,
    WIDER,
    WIDER_FROM,
    WIDER_LEAST,
    WIDER_PENALTY,
    preset,
)

LARGEST, FARTHEST = 512, 16_384
"""How far others are looked for where networks do not fit a size: up to the first, or up to twice what was asked for,
but not above the second."""
AUGMENTATION = ("colour", "translation")
"""How few images are augmented."""
TOO_SMALL = 0.1
"""A size is not recommended where more than this share of the pictures are smaller."""


def fitted(model: ModelConfig, size: int) -> ModelConfig:
    """The networks of `model` for images of another size: the same kind of blocks, more or fewer of them.

    The generator's first map is at least three quarters as large as it was and less than double, so 4 pixels become 3
    to 7, and blocks that double the side make up for the rest: 28 = 7 x 2 x 2, 48 = 6 x 2 x 2 x 2. The discriminator
    gets or loses as many blocks that halve the side, so that it ends at that map, too. What is added continues the
    generator's channels (256, 128, then 64) and repeats the discriminator's last block.

    Args:
        model: two networks that fit their own `image_size`.
        size: side of the images in pixels.

    Raises:
        InputError: there is no such size of these networks; the message names the nearest that there are.
    """
    if found := _fitted(model, size):
        return found
    there = [other for other in range(4, max(LARGEST, min(2 * size, FARTHEST)) + 1) if _fitted(model, other)]
    near = [*[other for other in there if other < size][-1:], *[other for other in there if other > size][:1]]
    raise InputError(
        f"Networks of this kind are made for images of {_either(near)} pixels, since each block doubles or halves the "
        f"side. Received: image_size={size}."
    )


def recommended(size: int, images: int | None = None, updates: int | None = None) -> Experiment:
    """The preset to start from where none is named: what works in minutes on a CPU.

    Up to 32 pixels it is `quick32`, above `quick64`; the report's networks for 64 pixels draw stripes after hours. Few
    images are augmented, in colour and by translation, and come in smaller batches if they do not fill one. Where there
    is time for `presets.WIDER_FROM` updates, the discriminator of `quick64` is `presets.WIDER` times as wide and held
    back by `presets.WIDER_PENALTY`; where there is for `presets.WIDE_32_FROM`, both networks of `quick32` are twice as
    wide. Unless images are few: that is not measured.

    Args:
        size: side of the images in pixels.
        images: how many there are, if it is known.
        updates: how many it would do as it is in the time that there is, if that is known.

    Raises:
        InputError: as `fitted`.
    """
    experiment, few = at_size(_start_for(size), size), images is not None and images < few_images(size)
    if updates is not None and not few:
        experiment = _for_much_time(experiment, updates)
    return for_images(experiment, images)


def least_of_wider(experiment: Experiment) -> int:
    """Updates that what much time makes of what is recommended has to have itself, or it is behind what it was."""
    return WIDER_LEAST if experiment.preset == FIRST else WIDE_32_LEAST


def wider_in_words(experiment: Experiment) -> str:
    """What much time makes of what is recommended, and from how many updates on, as the end of a sentence."""
    keeps = f"--width {experiment.model.width:g} leaves"
    if experiment.preset == FIRST:
        return (
            f"its discriminator is {WIDER:g} times as wide, with a learning rate as much smaller, and held back by R1 "
            f"({keeps} all three): from {WIDER_FROM:,} updates on, as many minutes give clearer pictures so "
            "(notebook 10)"
        )
    return (
        f"both networks are twice as wide ({keeps} them as they are): from {WIDE_32_FROM:,} updates on, as many "
        "minutes give pictures that are as near or nearer (measured on CIFAR-10; notebook 10)"
    )


def for_images(experiment: Experiment, images: int | None) -> Experiment:
    """The experiment as so many images want it, whatever its networks: few are augmented, in batches that they fill.

    Args:
        experiment: what is to be trained on them.
        images: how many there are; None where that is not known, which changes nothing.
    """
    if images is None:
        return experiment
    if images < few_images(experiment.model.image_size):
        experiment = replace(experiment, augment=AUGMENTATION)
    return with_fitting_batches(experiment, images)


def few_images(size: int) -> int:
    """Below so many images of a size, true and fake ones are augmented alike before the discriminator sees them.

    It comes to know few by heart. At 32 pixels (10,008 updates, seed 0; notebook 06) 282 bedrooms end at a distance of
    0.020 with augmentation and 0.063 without, 4,460 at 0.009 and 0.008, in the features of a network that knows
    ImageNet at 0.35 and 0.43. At 64 pixels (2,000 updates, seed 0) 300 faces of CelebA end at 0.59 with it and 0.87
    without, but 1,946 bedrooms, which are soft shapes without it, at grey holes and white squares with it (both
    were trained once, and no record is kept).
    """
    return 5_000 if size <= 32 else 1_000


def with_fitting_batches(experiment: Experiment, images: int) -> Experiment:
    """The experiment with batches halved until so many images fill those of one update, but not below 8."""
    batch_size = experiment.training.batch_size
    while batch_size * experiment.training.discriminator_steps > images and batch_size >= 16:
        batch_size //= 2
    return replace(experiment, batch_size=batch_size)


def largest_size(most: int) -> int | None:
    """The largest size up to `most` that there are recommended networks for; None if there is none."""
    return next((size for size in range(most, 3, -1) if _fitted(_start_for(size).model, size)), None)


def _for_much_time(experiment: Experiment, updates: int) -> Experiment:
    if experiment.preset == FIRST and updates >= WIDER_FROM:
        return _with_wider_discriminator(experiment)
    if experiment.preset == FIRST_32 and updates >= WIDE_32_FROM:
        return replace(experiment, width=2 * experiment.model.width)
    return experiment


def _with_wider_discriminator(experiment: Experiment) -> Experiment:
    """A step of Adam moves every weight by about as much, so where more of them add up, steps have to be smaller."""
    return replace(
        experiment,
        discriminator={
            "filters": tuple(round(WIDER * channels) for channels in experiment.model.discriminator.filters)
        },
        discriminator_learning_rate=experiment.training.learning_rate / WIDER,
        **WIDER_PENALTY,
    )


def _start_for(size: int) -> Experiment:
    small = preset(FIRST_32)
    return small if size <= small.model.image_size else preset(FIRST)


def at_size(experiment: Experiment, size: int) -> Experiment:
    """An experiment on images of another size, with its networks fitted; as it is if the size is its own."""
    if size == experiment.model.image_size:
        return experiment
    return dataclasses.replace(experiment, model=fitted(experiment.model, size))


def _fitted(model: ModelConfig, size: int) -> ModelConfig | None:
    start, doublings = model.generator.start, math.log2(model.image_size / model.generator.start)
    if doublings % 1:
        raise InputError(
            "Only networks whose blocks double and halve the side can be fitted to another size: set their own options "
            f"(--generator.start, …) for image_size {size}."
        )
    for change in sorted(range(-int(doublings), 10), key=lambda change: (abs(change), change)):
        new_start, rest = divmod(size, 2 ** (int(doublings) + change))
        if rest or not 0.75 * start <= new_start < 2 * start:
            continue
        generator = _with_blocks(model.generator, change, continued=True)
        discriminator = _with_blocks(model.discriminator, change, continued=False)
        if generator and discriminator:
            generator = dataclasses.replace(generator, start=new_start)
            return dataclasses.replace(model, image_size=size, generator=generator, discriminator=discriminator)
    return None


def _with_blocks(network, change: int, continued: bool):
    """A network with `change` blocks of stride 2 more, or fewer; None if it has not so many, or none would be left."""
    filters, strides = list(network.filters), list(network.strides)
    for _ in range(change):
        before = filters[-2] if len(filters) > 1 else filters[-1]
        filters.append(max(8, min(filters[-1], filters[-1] ** 2 // before)) if continued else filters[-1])
        strides.append(2)
    for _ in range(-change):
        last = max((number for number, stride in enumerate(strides) if stride == 2), default=None)
        if last is None or len(strides) == 1:
            return None
        del filters[last], strides[last]
    return dataclasses.replace(network, filters=tuple(filters), strides=tuple(strides))


def _either(sizes: list[int]) -> str:
    return " or ".join(map(str, sizes))
