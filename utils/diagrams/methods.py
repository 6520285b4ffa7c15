"""How convolutions reach, how Grad-CAM flows, what guided backpropagation lets pass: computed, then drawn.

Shapes are those of the network at hand; counts and gradients are what its layers, or the project's own rule, give.
"""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from matplotlib.figure import Figure

from utils.diagrams.architecture import shape_in_words
from utils.diagrams.canvas import DATA, FAINT, INK, Canvas, colour_of, tint
from utils.errors import InputError
from utils.explain.fixed import fixed_discriminator
from utils.explain.guided import guide


def reach(layer: keras.layers.Conv2D | keras.layers.Conv2DTranspose, side: int) -> tuple[np.ndarray, np.ndarray]:
    """How a convolution connects places of its input with places of its output.

    Args:
        layer: its kernel, strides and padding count, not its weights; a Conv2DTranspose will do.
        side: of the input, in places.

    Returns:
        int (side, side): the input's places that the output's middle place is computed from, 1 each; and
        int (S, S): how many pairs of input place and kernel weight each place of the output is a sum of.
    """
    kind = layers.Conv2DTranspose if isinstance(layer, layers.Conv2DTranspose) else layers.Conv2D
    ones = kind(1, layer.kernel_size, layer.strides, layer.padding, use_bias=False, kernel_initializer="ones")
    image = tf.Variable(tf.ones((1, side, side, 1)))
    with tf.GradientTape() as tape:
        counts = ones(image)
        middle = counts[0, counts.shape[1] // 2, counts.shape[2] // 2, 0]
    seen = tape.gradient(middle, image).numpy()[0, ..., 0]
    return seen.round().astype(int), counts.numpy()[0, ..., 0].round().astype(int)


def draw_convolutions(networks: Sequence[keras.Model]) -> Figure:
    """Draw, for each network's first convolution with a stride, what one place of its output is computed from, and of
    how many products each place is a sum: where neighbours differ, a network draws checkerboards easily (Odena et al.,
    Distill 2016).

    Raises:
        InputError: no network has such a layer.
    """
    chosen = []
    for network in networks:
        for layer in network.layers:
            if isinstance(layer, layers.Conv2D | layers.Conv2DTranspose) and max(layer.strides) > 1:
                chosen.append((network.name, layer))
                break
    if not chosen:
        raise InputError("None of these networks has a convolution with a stride, so there is nothing to draw.")
    canvas = Canvas(9.6, 0.3 + 4.15 * len(chosen))
    top = 4.15 * len(chosen) + 0.2
    for name, layer in chosen:
        seen, counts = reach(layer, _side_drawn(layer))
        colour = colour_of(name)
        kernel = "×".join(map(str, layer.kernel_size))
        title = f"{name}: {type(layer).__name__} {kernel}, stride {max(layer.strides)}"
        canvas.text(0.25, top - 0.2, title, size=12, weight="bold", colour=colour, ha="left")
        size = 2.6
        for left, grid, caption in (
            (0.6, seen, "coloured: the places of the input that\nthe framed place of the output is computed from"),
            (5.6, counts, f"the output; the number of products in each sum:\n{_evenness(layer)}"),
        ):
            cell, most = size / max(grid.shape), grid.max()
            for (row, column), value in np.ndenumerate(grid):
                place = (left + column * cell, top - 0.6 - (row + 1) * cell)
                canvas.cell(*place, cell, tint(colour, 0.08 + 0.6 * value / most))
                if grid is counts:
                    canvas.text(place[0] + cell / 2, place[1] + cell / 2, str(value), size=min(9, cell * 28))
            canvas.text(left + size / 2, top - 0.6 - size - 0.3, caption, size=9, colour=DATA)
        (row, column), cell = (length // 2 for length in counts.shape), size / max(counts.shape)
        y = top - 0.6 - (row + 1) * cell
        canvas.cell(5.6 + column * cell, y, cell, "none", INK, 2.2)
        canvas.arrow((0.6 + size + 0.15, y + cell / 2), (5.45, y + cell / 2), colour)
        top -= 4.15
    return canvas.figure


def _side_drawn(layer: keras.layers.Conv2D | keras.layers.Conv2DTranspose) -> int:
    """Side of the input in a picture: a convolution's output has five places along its larger stride."""
    if isinstance(layer, layers.Conv2DTranspose):
        return 6
    kernel, stride = max(layer.kernel_size), max(layer.strides)
    return 4 * stride + kernel if layer.padding == "valid" else 5 * stride


def _evenness(layer: keras.layers.Conv2D | keras.layers.Conv2DTranspose) -> str:
    """Whether neighbours in the output are sums of as many products, in a map so large that no edge is near."""
    _, counts = reach(layer, 4 * (max(layer.kernel_size) + max(layer.strides)))
    row, column = (length // 2 for length in counts.shape)
    inner = counts[row : row + layer.strides[0], column : column + layer.strides[1]]  # counts repeat with the stride
    same = inner.min() == inner.max()
    return "all alike away from the edge" if same else f"{inner.min()} to {inner.max()}, a checkerboard"


def draw_grad_cam(discriminator: keras.Model) -> Figure:
    """Draw how Grad-CAM (arXiv:1610.02391, eq. 1 and 2) comes to a map, at the last convolution of a discriminator."""
    fixed = fixed_discriminator(discriminator)
    last = fixed.convolution("last")
    side = fixed.side
    head = [type(layer).__name__ for layer in fixed.head(last) if layer.weights or isinstance(layer, layers.Flatten)]
    colour, back, result = colour_of("discriminator"), colour_of("encoder"), colour_of("generator")
    canvas = Canvas(11.6, 5.5)
    canvas.text(0.25, 5.22, f"Grad-CAM at {last}", size=13, weight="bold", ha="left")

    def thing(x, y, lengths, face, name, shape):
        width, height, depth = lengths
        canvas.cuboid(x - (width + 0.42 * depth) / 2, y - (height + 0.3 * depth) / 2, width, height, depth, face)
        canvas.text(x, y - 0.82, name, size=10, weight="bold")
        canvas.text(x, y - 1.03, shape, size=8.5, colour=FAINT)

    maps = shape_in_words((last.side, last.side, last.maps))
    up, down = 3.95, 1.55
    thing(0.95, up, (0.08, 0.95, 0.95), DATA, "image", shape_in_words((side, side, 3)))
    canvas.arrow((1.5, up), (2.15, up))
    canvas.box(3.0, up, 1.6, 0.7, colour)
    canvas.text(3.0, up + 0.1, f"convolution{'s 1 to ' + str(last.number) if last.number > 1 else ' 1'}", size=9.5)
    canvas.text(3.0, up - 0.13, "with what follows each", size=8, colour=DATA)
    canvas.arrow((3.82, up), (4.45, up))
    thing(5.05, up, (0.7, 0.5, 0.5), colour, "activations A", maps)
    canvas.arrow((5.65, up), (6.5, up))
    canvas.box(7.4, up, 1.7, 0.7, colour)
    canvas.text(7.4, up, ", ".join(head), size=9.5)
    canvas.arrow((8.27, up), (9.15, up))
    thing(9.45, up, (0.12, 0.16, 0.12), DATA, "logit a", "one number")

    thing(9.45, down, (0.7, 0.5, 0.5), back, "gradient ∂a/∂A", maps)
    canvas.polyline([(10.0, up), (10.95, up), (10.95, down), (10.1, down)], back)
    canvas.text(10.72, (up + down) / 2, "back", size=9, colour=back, rotation=90)
    canvas.arrow((8.85, down), (7.75, down), back)
    canvas.text(8.3, down + 0.2, "mean over places", size=8.5, colour=back)
    canvas.text(8.3, down - 0.18, "eq. 1", size=8, colour=FAINT)
    thing(7.45, down, (0.1, 0.9, 0.1), back, "weights α", f"{last.maps:,} numbers")
    canvas.arrow((7.2, down), (6.25, down), back)
    canvas.arrow((5.05, up - 1.15), (5.75, down + 0.35), colour)
    canvas.text(6.72, down + 0.2, "Σ α A", size=9.5, colour=INK)
    thing(5.8, down, (0.07, 0.5, 0.5), result, "sum over maps", shape_in_words((last.side, last.side)))
    for y, sign, name in ((down + 0.5, "", "true"), (down - 0.5, "-", "fake")):
        canvas.arrow((5.3, down + 0.2 * (1 if not sign else -1)), (4.15, y), result)
        canvas.box(3.1, y, 1.95, 0.5, result)
        canvas.text(3.1, y + 0.09, f"map for {name}: max(0, {sign}Σ)", size=9, weight="bold", colour=result)
        canvas.text(3.1, y - 0.11, f"eq. 2, enlarged to {side} × {side}", size=8, colour=DATA)
        canvas.arrow((2.1, y), (1.6, y), result)
        canvas.text(0.95, y, f"what speaks\nfor {name}", size=9)
    return canvas.figure


def draw_guided() -> Figure:
    """Draw what a LeakyReLU lets pass, forwards, backwards and under guided backpropagation, by numbers that are
    computed (Springenberg et al., arXiv:1412.6806, Fig 1)."""
    x = tf.Variable([[4.0, -2.0, 3.0], [-3.0, 1.0, -5.0], [2.0, -4.0, 5.0]])
    coming = tf.constant([[3.0, 2.0, -5.0], [-1.0, 1.0, 5.0], [-3.0, -1.0, 2.0]])
    rectifier = layers.LeakyReLU(negative_slope=0.2)
    with tf.GradientTape(persistent=True) as tape:
        forwards = rectifier(x)
        guided = guide(forwards)
    grids = {
        "what comes in": x.numpy(),
        "LeakyReLU 0.2": forwards.numpy(),
        "gradient that comes back": coming.numpy(),
        "the gradient: times 1 or 0.2": tape.gradient(forwards, x, output_gradients=coming).numpy(),
        "guided: both above 0, or 0": tape.gradient(guided, x, output_gradients=coming).numpy(),
    }
    canvas = Canvas(11.2, 5.1)
    canvas.text(0.25, 4.8, "Guided backpropagation through one rectifier", size=13, weight="bold", ha="left")
    places = [(0.5, 2.75), (4.4, 2.75), (8.3, 0.45), (4.4, 0.45), (0.5, 0.45)]
    faces = [DATA, colour_of("generator"), colour_of("discriminator"), colour_of("discriminator"), colour_of("encoder")]
    for (left, bottom), (title, grid), colour in zip(places, grids.items(), faces):
        for (row, column), value in np.ndenumerate(grid):
            corner = (left + 0.5 * column, bottom + 0.5 * (2 - row))
            canvas.cell(*corner, 0.5, tint(colour, 0.45 if value > 0 else 0.12 if value < 0 else 0.0))
            canvas.text(corner[0] + 0.25, corner[1] + 0.25, f"{value:g}", size=10)
        canvas.text(left + 0.75, bottom + 1.66, title, size=9.5, weight="bold", colour=colour)
    canvas.arrow((2.15, 3.5), (4.25, 3.5))
    canvas.text(3.2, 3.65, "forwards", size=9, colour=DATA)
    canvas.arrow((8.15, 1.2), (6.05, 1.2), faces[2])
    canvas.text(7.1, 1.35, "backwards", size=9, colour=faces[2])
    canvas.text(3.2, 1.35, "or, guided", size=9, colour=faces[4])
    canvas.text(
        3.2, 1.0, "where what went forwards\nand what comes back\nare positive", size=8, colour=faces[4], va="top"
    )
    return canvas.figure
