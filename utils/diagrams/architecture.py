"""What a network is made of, read off any Keras model, and drawn: boxes whose height is the side of a map.

Layers that only follow another (normalisation, activations, dropout, a reshape) share its box. Boxes are drawn in the
manner of Radford, Metz, Chintala (arXiv:1511.06434), Fig 1.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import keras
from keras import layers
from matplotlib.figure import Figure

from utils.diagrams.canvas import DATA, FAINT, INK, LINE, Canvas, colour_of, width_of
from utils.errors import InputError

_FOLLOWING = (layers.BatchNormalization, layers.LayerNormalization, layers.GroupNormalization)
_LEGEND = "grey: parameters. Lengths: square roots of side and number of maps"
_RESHAPING = (layers.Reshape, layers.Flatten)


@dataclass(frozen=True)
class Block:
    """A layer with those that follow it and share its box.

    Attributes:
        layers: in words, each layer in turn; the name of an input.
        shape: of what comes out, without the batch; an axis of any length is None.
        parameters: of these layers, those that are not trained included.
        inputs: the blocks that it takes, by their place among all blocks; none for an input.
    """

    layers: tuple[str, ...]
    shape: tuple[int | None, ...]
    parameters: int
    inputs: tuple[int, ...]


@dataclass(frozen=True)
class Architecture:
    """What a network is made of.

    Attributes:
        name: the network's.
        blocks: each after those that it takes.
        parameters: of the whole network.
        trained: those of them that training changes.
    """

    name: str
    blocks: tuple[Block, ...]
    parameters: int
    trained: int


def architecture(model: keras.Model) -> Architecture:
    """Read off what a network is made of.

    Args:
        model: a Sequential or Functional model; a model inside it is one layer.

    Raises:
        InputError: a model of another kind, whose layers do not say how they are connected, or one without shapes.
    """
    if not (isinstance(model, keras.Sequential) or hasattr(model, "operations")) or not model.built:
        raise InputError(
            "A diagram needs a Sequential or Functional model that knows the shape of its input. "
            f"Received: {model.name} of class {type(model).__name__}{'' if model.built else ', not built'}."
        )
    blocks: list[Block] = []
    at: dict[str, int] = {}  # the block of each layer
    steps = list(_steps(model))
    taken = [name for _, _, inputs in steps for name in inputs]
    for name, layer, inputs in steps:
        places = tuple(dict.fromkeys(at[one] for one in inputs))
        shape = _shape(layer)
        count = sum(math.prod(weight.shape) for weight in getattr(layer, "weights", ()))
        before = blocks[places[0]] if len(places) == 1 else None
        if before and before.inputs and taken.count(inputs[0]) == 1 and _follows(layer, before, shape):
            at[name] = places[0]
            blocks[places[0]] = Block((*before.layers, *_words(layer)), shape, before.parameters + count, before.inputs)
        else:
            at[name] = len(blocks)
            blocks.append(Block(_words(layer), shape, count, places))
    trained = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    return Architecture(model.name, tuple(blocks), model.count_params(), trained)


def draw_architectures(models: Sequence[keras.Model], heading: str = "") -> Figure:
    """Draw networks, one above the other, to one scale.

    The height of a box is the side of its maps, its width their number, its depth the side again; a vector is a thin
    bar. Lengths grow with the square root, so that 4 beside 64 and 3 beside 1,024 can both be seen.

    Args:
        models: as for `architecture`.
        heading: what stands above them.
    """
    records = [architecture(model) for model in models]
    sizes = [_side(block.shape) for record in records for block in record.blocks]
    channels = [block.shape[-1] or 1 for record in records for block in record.blocks if len(block.shape) > 1]
    scale = _Scale(max(sizes), max(channels, default=1))
    plans = [_Plan(record, scale) for record in records]
    width = max([0.5 + width_of(heading, 13), *(plan.width for plan in plans)])
    height = 0.35 * bool(heading) + sum(plan.height for plan in plans) + 0.4
    canvas = Canvas(width, height)
    top = height - 0.1
    if heading:
        canvas.text(0.25, top - 0.16, heading, size=13, ha="left", weight="bold")
        top -= 0.35
    for plan in plans:
        plan.draw(canvas, top)
        top -= plan.height
    canvas.text(0.25, 0.15, _LEGEND, size=7.5, colour=FAINT, ha="left")
    return canvas.figure


def shape_in_words(shape: Sequence[int | None]) -> str:
    """A shape as it is read: 4 × 4 × 256."""
    return " × ".join("any" if length is None else f"{length:,}" for length in shape) or "one number"


def _steps(model: keras.Model) -> Iterator[tuple[str, object, list[str]]]:
    """The layers of a model, each with the names of those that it takes."""
    if isinstance(model, keras.Sequential):
        before = model.inputs[0].name
        yield before, model.inputs[0], []
        for number, layer in enumerate(model.layers):
            if not isinstance(layer, layers.InputLayer):
                name = f"{number} {layer.name}"  # one layer may come twice
                yield name, layer, [before]
                before = name
        return
    operations = {operation.name: operation for operation in model.operations}
    for layer in model.get_config()["layers"]:
        for number, node in enumerate(layer["inbound_nodes"] or [None]):
            inputs = [f"{name} {use}" for name, use in _taken(node)]
            yield f"{layer['name']} {number}", operations[layer["name"]], inputs


def _taken(node: object) -> list[tuple[str, int]]:
    """The layers whose outputs stand anywhere in a node of a configuration, with the number of their use."""
    if isinstance(node, dict):
        if "keras_history" in node:
            return [tuple(node["keras_history"][:2])]
        node = list(node.values())
    return [found for part in node for found in _taken(part)] if isinstance(node, list | tuple) else []


def _shape(layer) -> tuple[int | None, ...]:
    output = layer if isinstance(layer, keras.KerasTensor) else layer.output
    return tuple((output[0] if isinstance(output, list | tuple) else output).shape[1:])


def _follows(layer, before: Block, shape: tuple) -> bool:
    """Whether a layer shares the box of the one before."""
    if isinstance(layer, _RESHAPING):  # flattening a map is a step of its own
        return math.prod(n or 1 for n in before.shape[:-1]) == 1
    plain = not getattr(layer, "weights", ()) and not isinstance(layer, keras.Model)
    return shape == before.shape and (plain or isinstance(layer, _FOLLOWING))


def _words(layer) -> tuple[str, ...]:
    """A layer in words, by the names that Keras gives things."""
    if isinstance(layer, keras.KerasTensor | layers.InputLayer):
        return (layer.name,)
    if isinstance(layer, keras.Model):
        return (layer.name, type(layer).__name__)
    words = [type(layer).__name__]
    if hasattr(layer, "kernel_size"):
        side = "×".join(map(str, layer.kernel_size))
        strides = sorted(set(layer.strides))
        stride = "×".join(map(str, layer.strides if len(strides) > 1 else strides))
        words.append(f"{side}, stride {stride}{', valid' if layer.padding == 'valid' else ''}")
    if isinstance(layer, layers.Activation):
        return (keras.activations.serialize(layer.activation),)
    if isinstance(layer, layers.LeakyReLU):
        words = [f"LeakyReLU {layer.negative_slope:g}"]
    elif isinstance(layer, layers.Dropout):
        words = [f"Dropout {layer.rate:g}"]
    elif isinstance(layer, layers.BatchNormalization):
        words = ["BatchNorm"]
    activation = getattr(layer, "activation", None)
    if activation not in (None, keras.activations.linear):
        words.append(getattr(activation, "__name__", type(activation).__name__))
    return tuple(words)


def _side(shape: Sequence[int | None]) -> int:
    """What decides a box's height: the side of maps, for a vector 1."""
    return max((n or 1 for n in shape[:-1]), default=1)


@dataclass(frozen=True)
class _Scale:
    """From shapes to lengths in inches."""

    side: int
    channels: int

    def lengths(self, shape: Sequence[int | None]) -> tuple[float, float, float]:
        """Width, height and depth of a box."""
        if len(shape) < 2:  # a vector: a bar, longer for more numbers
            return 0.09, min(1.5, 0.14 + 0.025 * math.sqrt(math.prod(n or 1 for n in shape))), 0.09
        side = 1.25 * math.sqrt(_side(shape) / self.side)
        return 0.04 + 0.62 * math.sqrt((shape[-1] or 1) / self.channels), max(side, 0.06), max(side, 0.06)


class _Plan:
    """Where the blocks of a network are drawn: columns by their depth, lanes where it branches."""

    def __init__(self, record: Architecture, scale: _Scale):
        self.record, self._scale = record, scale
        self.columns: list[int] = []
        self.lanes: list[int] = []
        for block in record.blocks:
            column = 1 + max((self.columns[place] for place in block.inputs), default=-1)
            taken = {lane for at, lane in zip(self.columns, self.lanes) if at == column}
            wanted = self.lanes[block.inputs[0]] if block.inputs else 0
            self.columns.append(column)
            self.lanes.append(
                min((n for n in range(len(taken) + wanted + 1) if n not in taken), key=lambda n: abs(n - wanted))
            )
        pitches = [0.0] * (1 + max(self.columns))
        for column, block in zip(self.columns, record.blocks):
            box, _, depth = scale.lengths(block.shape)
            texts = [shape_in_words(block.shape), *block.layers]
            wide = max(max(map(width_of, texts)) + 0.16, box + 0.42 * depth + 0.45)
            pitches[column] = max(pitches[column], wide)
        self._centres = [0.25 + sum(pitches[:n]) + pitch / 2 for n, pitch in enumerate(pitches)]
        self.width = max(sum(pitches), width_of(record.name, 12) + width_of(self._counted(), 10)) + 0.5
        skips = [
            self.columns[number] - self.columns[place]
            for number, block in enumerate(record.blocks)
            for place in block.inputs
        ]
        self._head = 0.42 if max(skips, default=1) < 2 else 0.75  # arrows over boxes need room
        self._tops, self._heights, top = [], [], self._head
        for lane in range(1 + max(self.lanes)):
            blocks = [block for at, block in zip(self.lanes, record.blocks) if at == lane]
            boxes = 0.15 + max(height + 0.30 * depth for _, height, depth in map(self._lengths, blocks))
            self._tops.append(top)
            self._heights.append(boxes)
            top += boxes + LINE * (2 + max(len(block.layers) for block in blocks)) + 0.12
        self.height = top

    def _lengths(self, block: Block) -> tuple[float, float, float]:
        return self._scale.lengths(block.shape)

    def _counted(self) -> str:
        fixed = self.record.parameters - self.record.trained
        return f"{self.record.parameters:,} parameters" + (f", {fixed:,} of them not trained" if fixed else "")

    def draw(self, canvas: Canvas, top: float) -> None:
        record, colour = self.record, colour_of(self.record.name)
        canvas.text(0.25, top - 0.2, record.name, size=12, colour=colour, ha="left", weight="bold")
        canvas.text(0.25 + width_of(record.name, 12) + 0.12, top - 0.2, self._counted(), size=10, colour=INK, ha="left")
        middle = [
            (self._centres[column], top - self._tops[lane] - self._heights[lane] / 2)
            for column, lane in zip(self.columns, self.lanes)
        ]
        ends = [i for i in range(len(record.blocks)) if not any(i in block.inputs for block in record.blocks)]
        for number, block in enumerate(record.blocks):
            width, height, depth = self._lengths(block)
            x, y = middle[number]
            left, bottom = x - (width + 0.42 * depth) / 2, y - (height + 0.30 * depth) / 2
            of_data = not block.inputs or (number in ends and block.shape[-1:] in ((1,), (3,)))
            canvas.cuboid(left, bottom, width, height, depth, DATA if of_data else colour)
            lines = [(shape_in_words(block.shape), {"weight": "bold"}), *((one, {"size": 8.5}) for one in block.layers)]
            if block.parameters:
                lines.append((f"{block.parameters:,}", {"size": 8.5, "colour": FAINT}))
            canvas.lines(x, y - self._heights[self.lanes[number]] / 2, lines)
            for place in block.inputs:
                self._connect(
                    canvas,
                    record.blocks[place],
                    middle[place],
                    block,
                    middle[number],
                    self.columns[number] - self.columns[place],
                )

    def _connect(self, canvas: Canvas, before: Block, start, after: Block, end, columns: int) -> None:
        """An arrow between two boxes; over those that stand between them."""
        (w0, h0, d0), (w1, h1, d1) = self._lengths(before), self._lengths(after)
        right = start[0] + (w0 + 0.42 * d0) / 2 + 0.05
        left = end[0] - (w1 + 0.42 * d1) / 2 - 0.05
        if columns > 1 and start[1] == end[1]:
            over = (start[0], start[1] + (h0 + 0.3 * d0) / 2 + 0.03), (end[0], end[1] + (h1 + 0.3 * d1) / 2 + 0.03)
            canvas.arrow(*over, bend=-0.22)
        else:
            canvas.arrow((right, start[1]), (left, end[1]))
