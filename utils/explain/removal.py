"""Making the generator forget a part: find the feature maps that draw it, drop them, and look at what is left.

As in the paper: in the second-highest convolution of the generator, a logistic regression tells features inside the
boxes of a part from features elsewhere in the same images, and the maps with positive weights are dropped from all
places. What the paper did not do: count how often the part is gone, and drop as many random maps beside.

Which convolution "second-highest" means: the paper dropped 200 maps, but the map that goes into the last convolution of
its Fig 1 has 128 channels only. So the last convolution, which makes the image, does not count: of the others it is the
second from the top (256 maps of 16x16 in Fig 1).

Reference:
    Radford, Metz, Chintala (arXiv:1511.06434), §6.3.1.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers
from sklearn.linear_model import LogisticRegression

from utils.data import scale_back
from utils.errors import InputError
from utils.explain.parts import Detector
from utils.intervals import Interval, student, wilson
from utils.models import forward
from utils.sampling import Sampler
from utils.streams import stream

LEAST_SHOWING = 10  # samples that must show the part, both to learn from and to measure on
MEASURED = 200  # at most so many samples are measured on
SHOWN = 8  # of them are kept as pictures
DRAWS = 10  # times that random maps are chosen
SHARES = (1 / 8, 1 / 4, 1 / 2, 1)  # of the maps with positive weights; the last is the paper's

_BOUNDS = {"gone": (0, 1), "inside": (0, 255), "outside": (0, 255), "kept": (0, 1)}  # of each value of a `Change`


@dataclass(frozen=True)
class Change:
    """What dropping some maps does to samples that show the part.

    Attributes:
        gone: share of them in which the part is no longer found; NaN where boxes were drawn by hand.
        inside: mean change of a pixel inside the part's boxes, in [0, 255].
        outside: the same in the rest of the picture.
        kept: share of the other parts found in these samples that are still found; NaN as above.
    """

    gone: float
    inside: float
    outside: float
    kept: float


@dataclass(frozen=True)
class Dropping:
    """The effect of dropping so many maps: those that the regression chose, and as many random ones.

    Attributes:
        maps: how many.
        chosen: the effect of dropping those with the largest weights.
        random: the effect of dropping random ones, for each draw.
        pictures: uint8 (P, S, S, 3), the record's samples without the chosen maps.
        random_pictures: the same without those of the first draw.
    """

    maps: int
    chosen: Change
    random: tuple[Change, ...]
    pictures: np.ndarray
    random_pictures: np.ndarray

    def of_random(self, name: str) -> Interval:
        """Mean over the draws of one value of `Change`, with Student's interval within what the value can be."""
        return student([getattr(change, name) for change in self.random], _BOUNDS[name])


@dataclass(frozen=True)
class Removal:
    """What `remove_part` found.

    Attributes:
        part: the part.
        layer: the layer whose maps were dropped, with its shape ("leaky_re_lu_2, 128 maps of 16x16").
        weights: float64 (C,), the regression's weight of each map, per standard deviation of the map.
        boxes: how many boxes it learnt from.
        accuracy: how often it is right about features of samples that it did not learn from; 0.5 is chance.
        measured: how many samples the effects were measured on; all of them show the part.
        droppings: effects of dropping ever more maps; the last is the paper's choice, all with positive weights.
        pictures: uint8 (P, S, S, 3), the first of those samples as they are.
        picture_boxes: for each of them the part's boxes, int16 (B, 4).
    """

    part: str
    layer: str
    weights: np.ndarray
    boxes: int
    accuracy: float
    measured: int
    droppings: tuple[Dropping, ...]
    pictures: np.ndarray
    picture_boxes: tuple[np.ndarray, ...]

    @property
    def dropped(self) -> np.ndarray:
        """The maps with positive weights, the largest first: int64 (K,)."""
        return _strongest(self.weights)

    def gone(self, dropping: Dropping) -> Interval:
        """Share of the samples that lose the part, with Wilson's interval."""
        share = dropping.chosen.gone
        return Interval(share, share, share) if np.isnan(share) else wilson(round(share * self.measured), self.measured)

    def table(self) -> list[dict]:
        """One row for each number of maps, of plain values; NaN where nothing can be told."""
        rows = []
        for dropping in self.droppings:
            row = {"part": self.part, "maps": dropping.maps, "of": len(self.weights)}
            for name, share in (("gone", self.gone(dropping)), ("random_gone", dropping.of_random("gone"))):
                row |= share.columns(name)
            for name in ("inside", "outside", "kept"):
                row |= {name: getattr(dropping.chosen, name), f"random_{name}": dropping.of_random(name).value}
            rows.append(row)
        return rows


@dataclass(frozen=True)
class HiddenConvolution:
    """A convolution of a generator that does not make the image.

    Attributes:
        number: its place among them, from 1 at the latents.
        stop: how many layers of the generator make its features, after normalisation and nonlinearity.
        last: name of the last of these layers.
        side, maps: shape of the features.
    """

    number: int
    stop: int
    last: str
    side: int
    maps: int

    def __str__(self) -> str:
        return f"{self.last}, {self.maps} maps of {self.side}x{self.side}"


def remove_part(
    sampler: Sampler,
    boxes_of: Detector | Mapping[int, np.ndarray],
    *,
    part: str,
    samples: int = 1000,
    draws: int = DRAWS,
    seed: int = 0,
) -> Removal:
    """Drop the feature maps that draw a part, and measure what that does beside dropping as many random ones.

    Args:
        sampler: its generator is a Sequential model. Nothing in it is changed.
        boxes_of: a detector, which then also tells whether the part is gone; or boxes drawn by hand (see
            `parts.read_boxes`) on the samples that `./dcgan sample RUN -n SAMPLES --seed SEED --as files` writes.
        part: which part of the detector; for boxes drawn by hand only its name.
        samples: how many samples are looked at to learn from, and how many fresh ones to measure on. Boxes drawn by
            hand are both learnt from and measured on.
        draws: how many times random maps are chosen.
        seed: decides latents, negatives and random maps.

    Raises:
        InputError: there is no such part, the generator has no hidden convolution, or the part is hardly ever shown.
    """
    generator = sampler.generator
    hidden = hidden_convolution(generator)
    below, above = generator.layers[: hidden.stop], generator.layers[hidden.stop :]
    by_hand = isinstance(boxes_of, Mapping)

    learnt = _in_batches(below, sampler.make_latents(samples, seed))
    size = generator.output_shape[1]
    boxes = _boxes(boxes_of, part, lambda: _draw(above, learnt), samples, size)
    weights, accuracy = _regression(learnt, boxes, size, part, stream(seed, "removal: negatives"))

    features, to_measure = learnt, boxes
    if not by_hand:
        fresh = sampler.make_latents(samples, stream(seed, "removal: fresh latents"))
        features = _in_batches(below, fresh)
        to_measure = _boxes(boxes_of, part, lambda: _draw(above, features), samples, size)
    rows = [row for row, drawn in to_measure.items() if len(drawn)][:MEASURED]
    features, to_measure = features[rows], tuple(to_measure[row] for row in rows)
    before = _draw(above, features)
    inside = np.stack([_inside(drawn, size, size) for drawn in to_measure])
    shown_before = None if by_hand else boxes_of(before).shown

    def drop(maps: np.ndarray) -> tuple[Change, np.ndarray]:
        after = _draw(above, np.where(np.isin(np.arange(hidden.maps), maps), np.float32(0), features))
        moved = np.abs(after.astype(np.int16) - before).mean(-1)
        gone = kept = np.nan
        if not by_hand:
            still, number = boxes_of(after).shown, boxes_of.number(part)
            others = np.delete(shown_before, number, axis=1)
            gone = float((~still[:, number]).mean())
            kept = float(np.delete(still, number, axis=1)[others].mean()) if others.any() else np.nan
        change = Change(gone, float(moved[inside].mean()), float(moved[~inside].mean()), kept)
        return change, after[:SHOWN]

    strongest, droppings = _strongest(weights), []
    random = stream(seed, "removal: random maps")
    for count in sorted({max(1, round(share * len(strongest))) for share in SHARES}):
        change, pictures = drop(strongest[:count])
        by_chance = [drop(random.choice(hidden.maps, count, replace=False)) for _ in range(draws)]
        droppings.append(Dropping(count, change, tuple(c for c, _ in by_chance), pictures, by_chance[0][1]))
    return Removal(
        part=part,
        layer=str(hidden),
        weights=weights,
        boxes=sum(map(len, boxes.values())),
        accuracy=accuracy,
        measured=len(rows),
        droppings=tuple(droppings),
        pictures=before[:SHOWN],
        picture_boxes=to_measure[:SHOWN],
    )


def hidden_convolution(generator: keras.Sequential) -> HiddenConvolution:
    """The second convolution from the top of those that do not make the image; the only one, where there is one.

    Raises:
        InputError: there is none.
    """
    network = getattr(generator, "layers", [])
    places = [i for i, one in enumerate(network) if isinstance(one, layers.Conv2D | layers.Conv2DTranspose)]
    if len(places) < 2:
        raise InputError(
            "Removing a part needs a generator with a convolution before the one that makes the image. Received: "
            f"{type(generator).__name__} of {', '.join(type(one).__name__ for one in network) or 'no layers'}."
        )
    number = max(1, len(places) - 2)
    stop = places[number]
    side, maps = network[stop - 1].output.shape[1], network[stop - 1].output.shape[3]
    return HiddenConvolution(number, stop, network[stop - 1].name, side, maps)


# --- learning which maps draw the part --------------------------------------------------------------------------------


def _boxes(
    boxes_of: Detector | Mapping[int, np.ndarray], part: str, draw: Callable[[], np.ndarray], samples: int, size: int
) -> dict[int, np.ndarray]:
    """The part's boxes, int16 (B, 4), of each sample that was looked at; none where they cover the whole picture, since
    that does not tell where the part is."""
    if isinstance(boxes_of, Mapping):
        if max(boxes_of, default=0) >= samples:
            raise InputError(f"Boxes are for samples 0 to {samples - 1}. Received: sample {max(boxes_of)}.")
        boxes = dict(sorted(boxes_of.items()))
    else:
        number = boxes_of.number(part)
        detections = boxes_of(draw())
        pairs = zip(detections.boxes[:, [number]], detections.shown[:, [number]])
        boxes = {row: one[shown] for row, (one, shown) in enumerate(pairs)}
    boxes = {row: one[:0] if _inside(one, size, size).all() else one for row, one in boxes.items()}
    showing = sum(len(one) > 0 for one in boxes.values())
    if showing < LEAST_SHOWING:
        raise InputError(
            f"Only {showing} of the {len(boxes):,} samples looked at show {part}, and at least {LEAST_SHOWING} are "
            "needed, in boxes that leave some of the picture out: look at more samples, or choose another part."
        )
    return boxes


def _regression(
    features: np.ndarray, boxes: dict[int, np.ndarray], size: int, part: str, random: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Tell features inside the boxes from as many outside, in the same samples.

    Returns:
        The weight of each map per standard deviation, and the accuracy on every fifth sample, which is not learnt from.
    """
    side = features.shape[1]
    masks = {row: _inside(drawn, side, size) for row, drawn in boxes.items()}
    masks = {row: inside for row, inside in masks.items() if inside.any() and not inside.all()}
    if len(masks) < LEAST_SHOWING:
        raise InputError(
            f"Boxes around {part} hold some places of the {side}x{side} maps, and leave others out, in only "
            f"{len(masks)} of the {len(boxes):,} samples looked at, and at least {LEAST_SHOWING} are needed: a place "
            f"counts by its centre and is {size / side:g} pixels wide, so draw boxes at least so wide and high, around "
            "the part alone."
        )
    vectors, answers, samples = [], [], []
    for row, inside in masks.items():
        count = min(inside.sum(), (~inside).sum())
        for answer, places in ((1, inside), (0, ~inside)):
            vectors.append(random.choice(features[row][places], count, replace=False))
            answers += [answer] * count
            samples += [row] * count
    vectors, answers = np.concatenate(vectors).astype(np.float64), np.array(answers)
    order = {row: place for place, row in enumerate(sorted(set(samples)))}
    held_out = np.array([order[row] % 5 == 4 for row in samples])
    deviation = vectors.std(0)
    vectors /= np.where(deviation > 0, deviation, 1)
    model = LogisticRegression(max_iter=1000).fit(vectors[~held_out], answers[~held_out])
    if not (model.coef_ > 0).any():
        raise InputError("No feature map speaks for the part, so there is nothing to drop: check the boxes.")
    return model.coef_[0], float(model.score(vectors[held_out], answers[held_out]))


def _inside(boxes: np.ndarray, side: int, size: int) -> np.ndarray:
    """Which places of a side x side map have their centre in one of the boxes (N, 4) in pixels: bool (side, side)."""
    centres = (np.arange(side) + 0.5) * size / side
    inside = np.zeros((side, side), bool)
    for left, top, right, bottom in boxes:
        inside |= ((centres >= top) & (centres < bottom))[:, None] & ((centres >= left) & (centres < right))
    return inside


def _strongest(weights: np.ndarray) -> np.ndarray:
    """The maps with positive weights, the largest first."""
    order = np.argsort(-weights, kind="stable")
    return order[weights[order] > 0]


def _draw(above: list[keras.Layer], features: np.ndarray) -> np.ndarray:
    return scale_back(_in_batches(above, features))


def _in_batches(network: list[keras.Layer], x: np.ndarray, batch_size: int = 256) -> np.ndarray:
    batches = (x[start : start + batch_size] for start in range(0, len(x), batch_size))
    return np.concatenate([np.asarray(forward(network, batch, training=False), np.float32) for batch in batches])
