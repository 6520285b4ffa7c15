"""The streams of random numbers that trainings, evaluations and analyses draw from, by name.

A stream is decided by a seed, its own number and counters (an epoch, an update), so nothing has to be remembered in
order to go on, and no stream depends on how many numbers another has given. NumPy pads the entropy of a seed with
zeros, so [3, 1] and [3, 1, 0] would be one stream: numbers are unique below a seed, and a stream always has the same
counters, so no two streams of this table that have the same kind of seed can meet.

What is not in the table has generators of its own, which may meet these where seeds are equal: the drawing of built-in
images (see `data.drawn`), and what draws some rows, pieces or resamples by a seed alone.
"""

from typing import NamedTuple

import numpy as np


class Stream(NamedTuple):
    """One stream.

    Attributes:
        seed: which seed decides it: that of the training (weights, order, latents), of its samples (what is looked at
            while it runs), of the data, of an evaluation or of an analysis. Streams of different seeds need not differ.
        number: what tells it from the others that have the same seed.
        counters: what it takes beside the seed, in words. They count from 1.
    """

    seed: str
    number: int
    counters: tuple[str, ...] = ()


# Numbers are part of every result: they never change, and a new stream takes a new one. (0 and 1 are taken twice, which
# is no clash: a counter is never 0.)
STREAMS: dict[str, Stream] = {
    "order of images": Stream("training", 0, ("epoch",)),
    "weights of the generator": Stream("training", 0),
    "latents": Stream("training", 1, ("update",)),
    "weights of the discriminator": Stream("training", 1),
    "update": Stream("training", 6, ("update",)),
    "weights of the encoder": Stream("training", 7),
    "weights of the rotation head": Stream("training", 8),
    "captions": Stream("data", 11, ("row",)),
    "text encoder": Stream("data", 12),
    "text encoder: sentences": Stream("data", 13, ("round",)),
    "summary: true samples": Stream("samples", 2),
    "summary: latents": Stream("samples", 3),
    "watch: latents": Stream("samples", 4),
    "watch: true samples": Stream("samples", 5),
    "evaluation: true samples": Stream("evaluation", 4),
    "best: latents": Stream("evaluation", 5),
    "asked: latents": Stream("evaluation", 6),
    "asked: true images": Stream("evaluation", 7),
    "asked: variety": Stream("evaluation", 11),
    "memory: held-out images": Stream("memory", 1),
    "memory: copying control": Stream("memory", 2),
    "memory: bootstraps": Stream("memory", 3),
    "removal: fresh latents": Stream("removal", 1),
    "removal: negatives": Stream("removal", 2),
    "removal: random maps": Stream("removal", 3),
    "texts: true images": Stream("evaluation", 8),
    "texts: latents": Stream("evaluation", 9),
    "audit: copies": Stream("audit", 1),
    "audit: draws": Stream("audit", 2, ("draw",)),
    "audit: projection": Stream("audit", 3),
    "ladder: true images": Stream("ladder", 1),
    "ladder: noise": Stream("ladder", 2),
    "walk: ends": Stream("latent", 1),
    "walk: true images": Stream("latent", 10),
    "arithmetic: noise": Stream("latent", 2),
    "arithmetic: trials": Stream("latent", 3),
    "turn: latents": Stream("latent", 4),
    "directions: latents": Stream("latent", 5),
    "directions: random": Stream("latent", 6),
    "inversion: starts": Stream("latent", 7),
    "inversion: samples": Stream("latent", 8),
    "inversion: clipping": Stream("latent", 9),
    "imported networks: latents": Stream("import", 1),
    "features: parts": Stream("features", 1),
    "features: draws": Stream("features", 2, ("draw",)),
    "features: draws that choose C": Stream("features", 3, ("C", "draw")),
    "features: folds": Stream("features", 4),
    "features: patches": Stream("features", 5),
    "features: supervised": Stream("features", 6, ("draw",)),
    "features: test part": Stream("features", 7),
    "features: labels": Stream("features", 8),
    "cross-domain: rows": Stream("training", 9, ("update",)),
    "cross-domain: weights": Stream("training", 10),
    "cross-domain: others": Stream("evaluation", 10),
}

WITHIN_AN_UPDATE = (
    "augmentation of true",
    "augmentation of fake",
    "label noise",
    "interpolation",
    "augmentation of reconstructions",
)
"""Random numbers that are drawn inside a compiled update: their place in this list is folded into the update's key."""


def stream(seed: int, name: str, *counters: int) -> np.random.Generator:
    """The random numbers of a stream.

    Args:
        seed: a seed of the experiment.
        name: one of `STREAMS`.
        counters: as many as the stream takes.
    """
    _, number, takes = STREAMS[name]
    if len(counters) != len(takes):
        raise TypeError(f"The stream {name!r} takes {takes or 'no counter'}. Received: {counters}.")
    return np.random.default_rng([seed, number, *counters])


def key(seed: int, update: int) -> np.ndarray:
    """What all random numbers inside one update derive from: int32 (2,), for TensorFlow's stateless operations."""
    return stream(seed, "update", update).integers(0, 2**31, 2, dtype=np.int32)
