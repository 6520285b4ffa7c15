"""Networks as ONNX graphs, for a browser: each computes what the Python it is made of computes.

Gradients have no place in ONNX, so the one that explanations need is part of the graph: guided backpropagation is
written out by TensorFlow's tape, with a rule for rectifiers that uses comparisons only.
"""

import logging
from collections.abc import Callable

import numpy as np

from utils import runtime
from utils.config import TEXT_DIM
from utils.data import scale_back
from utils.explain.fixed import FixedDiscriminator, is_rectifier
from utils.models import forward, is_conditional
from utils.sampling import Sampler
from utils.text_encoder import WORDS, TextEncoder

runtime.import_tensorflow()

import keras  # noqa: E402
import onnx  # noqa: E402
import tensorflow as tf  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

OPSET = 17
LARGE = 1 << 10
"""Values of a weight from which on it is stored in half precision."""
TESTED = 16
"""Samples that say whether half precision keeps the pictures."""


def generator_graph(sampler: Sampler) -> bytes:
    """latents (N, D), and conditions (N, C) of a conditional one -> images (N, S, S, 3) in [-1, 1].

    Weights are stored in half precision, half as large, where that leaves samples within 1/255 of what Python draws, as
    tested on `TESTED` of seed 0. Else they stay in float32, which is not tested here. The arithmetic is in float32
    either way.
    """
    generator = sampler.generator
    latents = tf.TensorSpec((None, sampler.latent_dim), tf.float32, name="latents")
    if is_conditional(generator):
        conditions = tf.TensorSpec((None, sampler.conditions.shape[1]), tf.float32, name="conditions")
        model = _graph(lambda z, c: generator([z, c], training=False), ("images",), latents, conditions)
    else:
        model = _graph(lambda z: generator(z, training=False), ("images",), latents)
    smaller = halved(model)
    return (smaller if difference(smaller, sampler) <= 1 else model).SerializeToString()


def discriminator_graph(discriminator: keras.Model, fixed: FixedDiscriminator | None) -> bytes:
    """images (N, S, S, 3) in [-1, 1], and conditions of a conditional one -> logits (N, 1), positive for true.

    Of one that can be looked into also Grad-CAM's combination and contributions, (N, H, W) each, at the last
    convolution (see `explain.gradcam`).
    """
    size = discriminator.inputs[0].shape[1]
    images = tf.TensorSpec((None, size, size, 3), tf.float32, name="images")
    if fixed is None:
        conditions = tf.TensorSpec((None, discriminator.inputs[1].shape[1]), tf.float32, name="conditions")
        judged = _graph(lambda x, c: forward(discriminator, x, c, logits=True), ("logits",), images, conditions)
        return judged.SerializeToString()
    last = fixed.convolution("last")
    body, head = fixed.body(last), fixed.head(last)

    def judge(x):
        activations = forward(body, x)
        with tf.GradientTape() as tape:
            tape.watch(activations)
            logits = forward(head, activations)
        gradients = tape.gradient(logits, activations)
        weights = tf.reduce_mean(gradients, (1, 2), keepdims=True)
        return logits, tf.reduce_sum(weights * activations, -1), tf.reduce_sum(gradients * activations, -1)

    return _graph(judge, ("logits", "combination", "contributions"), images).SerializeToString()


def guided_graph(fixed: FixedDiscriminator) -> bytes:
    """images (1, S, S, 3) in [-1, 1] -> guided gradient of the logit by the pixels, (1, S, S, 3)."""

    def saliency(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = x
            for layer in fixed.layers:
                y = _rectify(layer)(y) if is_rectifier(layer) else layer(y, training=False)
        return tape.gradient(y, x)

    image = tf.TensorSpec((1, fixed.side, fixed.side, 3), tf.float32, name="images")
    return _graph(saliency, ("saliency",), image).SerializeToString()


def text_graph(encoder: TextEncoder) -> bytes:
    """words (N, WORDS), by their numbers from 1, 0 before the first -> their meaning for networks, (N, TEXT_DIM)."""

    def unrolled(layer):  # a graph without a loop is one that every runtime knows
        settings = layer.get_config()
        return type(layer).from_config(settings | {"unroll": True} if "unroll" in settings else settings)

    network = keras.models.clone_model(encoder.network, clone_function=unrolled)
    network.set_weights(encoder.network.get_weights())
    words = tf.TensorSpec((None, WORDS), tf.float32, name="words")
    read = _graph(lambda w: network(tf.cast(w, tf.int32), training=False) * TEXT_DIM**0.5, ("vectors",), words)
    return read.SerializeToString()


def difference(model: onnx.ModelProto, sampler: Sampler) -> int:
    """The largest difference between samples of a generator's graph and of the generator, in levels of [0, 255]."""
    import onnxruntime

    latents, conditions = sampler.inputs(TESTED, 0)
    inputs = {"latents": latents} | ({} if conditions is None else {"conditions": conditions})
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (drawn,) = session.run(None, inputs)
    wanted = scale_back(sampler.images(latents, conditions))
    return int(np.abs(scale_back(drawn).astype(int) - wanted).max())


def halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """A graph whose large weights are stored as float16 and widened when it is loaded."""
    smaller = onnx.ModelProto()
    smaller.CopyFrom(model)
    kept, casts = [], []
    for weight in smaller.graph.initializer:
        if weight.data_type != TensorProto.FLOAT or np.prod(weight.dims) < LARGE:
            kept.append(weight)
            continue
        kept.append(numpy_helper.from_array(numpy_helper.to_array(weight).astype(np.float16), f"{weight.name}/half"))
        casts.append(helper.make_node("Cast", [f"{weight.name}/half"], [weight.name], to=TensorProto.FLOAT))
    nodes = [*casts, *smaller.graph.node]
    del smaller.graph.initializer[:], smaller.graph.node[:]
    smaller.graph.initializer.extend(kept)
    smaller.graph.node.extend(nodes)
    return smaller


def _rectify(layer) -> Callable:
    """A rectifier with guided backpropagation's rule; see `explain.guided.guide`."""

    @tf.custom_gradient
    def rectified(x):
        y = layer(x)
        passed = (y > 0) & (y == x)  # as it came: ReLU6 cuts off at the top
        return y, lambda gradient: tf.where(passed & (gradient > 0), gradient, tf.zeros_like(gradient))

    return rectified


def _graph(function: Callable, outputs: tuple[str, ...], *inputs: tf.TensorSpec) -> onnx.ModelProto:
    import tf2onnx
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    for name in ("tf2onnx", "tensorflow"):  # they remark on every rewrite, and on functions that the other deprecates
        logging.getLogger(name).setLevel(logging.ERROR)
    names = [*(spec.name for spec in inputs), *outputs]
    frozen = convert_variables_to_constants_v2(tf.function(function).get_concrete_function(*inputs))
    model, _ = tf2onnx.convert.from_graph_def(
        _with_known_shapes(frozen.graph),
        input_names=[tensor.name for tensor in frozen.inputs],
        output_names=[tensor.name for tensor in frozen.outputs],
        opset=OPSET,
        tensors_to_rename=dict(zip((tensor.name for tensor in [*frozen.inputs, *frozen.outputs]), names)),
    )
    return model


def _with_known_shapes(graph: tf.Graph) -> tf.compat.v1.GraphDef:
    """A graph in which shapes that are known are constants. The gradient of a convolution asks for several at once
    (ShapeN), which ONNX has no operation for."""
    plain, constants = graph.as_graph_def(), {}
    for node in plain.node:
        shapes = (
            [tensor.shape for tensor in graph.get_operation_by_name(node.name).inputs] if node.op == "ShapeN" else ()
        )
        if shapes and all(shape.is_fully_defined() for shape in shapes):
            constants[node.name] = [np.array(shape.as_list(), np.int32) for shape in shapes]
    result = tf.compat.v1.GraphDef()
    result.CopyFrom(plain)
    del result.node[:]
    result.node.extend(node for node in plain.node if node.name not in constants)
    for node in result.node:
        for place, name in enumerate(node.input):
            source, _, number = name.partition(":")
            if source in constants:
                node.input[place] = f"{source}/{number or 0}"
    for name, shapes in constants.items():
        for number, shape in enumerate(shapes):
            value = tf.compat.v1.AttrValue(tensor=tf.make_tensor_proto(shape))
            kind = tf.compat.v1.AttrValue(type=tf.int32.as_datatype_enum)
            result.node.add(name=f"{name}/{number}", op="Const", attr={"value": value, "dtype": kind})
    return result
