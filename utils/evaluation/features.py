"""The feature spaces that distances are measured in: a classifier that the project trains itself, or a network that
others trained on ImageNet (EfficientNet-Lite0, or Inception).

A figure belongs to its space: it is called by the space's name, and never FID or KID, which are figures of one
Inception network on pictures of 299x299 pixels. No space is believed alone: `ladder.py` finds where each misleads.
"""

import contextlib
import dataclasses
import hashlib
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import keras
import numpy as np
from keras import layers
from tqdm.auto import tqdm

from utils import runtime
from utils.config import DataConfig
from utils.data import Dataset, load, scale
from utils.data.catalogue import find_entry, is_own
from utils.data.conditions import are_classes
from utils.data.dataset import Description
from utils.data.drawn import SIZES
from utils.data.fetching import data_folder
from utils.data.pixels import fit
from utils.errors import InputError
from utils.evaluation.held_out import held_out, source_there
from utils.evaluation.imagenet import PACKAGE, SHA256, VERSION, efficientnet_lite0, imagenet_weights
from utils.files import appears_whole, read_json, write_json
from utils.models import load_network, weights_digest
from utils.runs import PROJECT
from utils.tables import duration, roughly
from utils.text import one_line, slug

RECIPE_VERSION = 1  # raise it whenever a change of this file changes what the classifier learns
FALLBACK = "faces"
"""The built-in dataset whose classifier serves where nothing is known that tells the images of another apart."""
FALLBACK_SIDES = (32, 64)
"""At which it comes with the project, for images of sizes that the dataset cannot be drawn at."""
FEATURES = 128
"""Values that the classifier describes an image with."""
FILTERS = (16, 32, 64, 128)
"""Of the convolutions, each followed by pooling to half the side; more of the last until it is 4 pixels."""
TRAIN_COUNT, TEST_COUNT = 50_000, 2_000
"""The most images to learn from, and to be judged by; a built-in dataset draws as many as it does by default."""
EPOCHS, LEAST_UPDATES, BATCH_SIZE, LEARNING_RATE = 6, 300, 128, 2e-3
"""How it is trained; the learning rate falls to 0 along a cosine."""
SHIPPED = PROJECT / "saved_models" / "classifiers"
"""Those that come with the project, in folders named as under `<data_dir>/features/`."""
LEAST_IMAGES = 200
"""A dataset with fewer images has no classifier of its own."""
_USUAL = "two cores of an AMD EPYC with AVX-512"
"""On which the two below were measured, to say how long the training takes before it begins."""
_START_SECONDS, _PIXEL_SECONDS = 2, 1.2e-7
"""Before the second update; and of an update, for each pixel of its images: 174, 130, 117 and 112 ns at sides of 16,
32, 64 and 128."""
_WARM, _TIMED = 2, 10  # updates from and to which the time is taken, to say how long the training takes
INCEPTION_SIDE = 299
IMAGENET_SIDE = 128
"""Pixels that images are brought to for EfficientNet-Lite0: a whole multiple of 32 and 64. Its own size is 224. On
CIFAR-10, 1,500 images to learn from and 500 others, a linear classifier of its features is right on 66% at 64 pixels,
76% at 112, 77% at 128, 82% at 224; an image takes 2.4, 4.7, 6.5 and 19 ms of an AMD EPYC core."""


@dataclass(frozen=True)
class Extractor:
    """Gives each image a vector of features, always the same one.

    Attributes:
        name: what to call the space in a table ("classifier of the built-in faces, 13 attributes").
        fingerprint: hex digest of the network; the same digest means the same features.
        card: what is known of it, in plain values.
        size: side of the images it takes, in pixels; None if it takes any.
        batch_size: images at a time; decides speed and memory, not the result.
        resizer: how images are brought to the network's size, with the library and its version.
        value_range: what pixels become before the network sees them.
    """

    name: str
    fingerprint: str
    card: dict
    _features: Callable[[np.ndarray], np.ndarray]
    _answers: Callable[[np.ndarray], np.ndarray] | None = None
    size: int | None = None
    batch_size: int = 256
    resizer: str = "none: images have the network's size"
    value_range: str = "[0, 255] -> [-1, 1]"

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Features of uint8 (N, S, S, 3) images in [0, 255], RGB, as float32 (N, D).

        Raises:
            InputError: these are no such images, or none.
        """
        return self._of(self._features, images)

    def answers(self, images: np.ndarray) -> np.ndarray:
        """What a classifier says of such images: logits, float32 (N, K), one for each class or attribute.

        Raises:
            InputError: as for features.
        """
        return self._of(self._answers, images)

    def _of(self, function: Callable[[np.ndarray], np.ndarray], images: np.ndarray) -> np.ndarray:
        side = self.size or "S"
        fits = images.ndim == 4 and images.shape[3] == 3 and self.size in (None, *images.shape[1:2])
        if images.dtype != np.uint8 or not fits or images.shape[1] != images.shape[2] or not len(images):
            raise InputError(
                f"The {self.name} takes uint8 images in [0, 255], not scaled, of shape (N, {side}, {side}, 3), N at "
                f"least 1. Received: {images.dtype} {images.shape}."
            )
        starts = range(0, len(images), self.batch_size)
        return np.concatenate([function(np.asarray(images[s : s + self.batch_size])) for s in starts])


def extractor_for(
    dataset: str | Path,
    size: int = 32,
    *,
    features: str = "auto",
    seed: int = 0,
    small: str = DataConfig.small,
    data_dir: str | Path | None = None,
    progress: bool = True,
) -> Extractor:
    """The feature space for images of a dataset.

    Args:
        dataset: name of a dataset, or the path of own pictures.
        size: side of the images in pixels.
        features: "auto" for the classifier of that dataset, or, where nothing is known that tells its images apart, of
            the built-in faces; "imagenet" for the last pooling of EfficientNet-Lite0, whose weights a package brings;
            "inception" for that of InceptionV3 (keras.applications), whose weights are downloaded; or the name of
            another dataset, for its classifier.
        seed: of the classifier's training.
        small: what becomes of own pictures that are too small, as in `DataConfig`.
        data_dir: where datasets are; classifiers are kept in `features/` in there and may be deleted at any time.
        progress: whether to show progress bars.

    Raises:
        InputError: weights cannot be had, or there is nothing to classify in the dataset named.
    """
    if features in _ON_IMAGENET:
        return _ON_IMAGENET[features]()
    name, side = _chosen(dataset, size, features, data_dir)
    found = classifier(name, side, seed=seed, small=small, data_dir=data_dir, progress=progress)
    return found if side == size else taking(found, size)


def fingerprint_of(
    dataset: str | Path,
    size: int = 32,
    *,
    features: str = "auto",
    small: str = DataConfig.small,
    data_dir: str | Path | None = None,
) -> str | None:
    """The fingerprint of what `extractor_for` gives, as far as it is known without training or loading anything.

    Args:
        dataset, size, features, small, data_dir: as for `extractor_for`.

    Returns:
        None of a classifier that has yet to be trained, and of a network that others trained.

    Raises:
        InputError: the dataset is not there.
    """
    if features in _ON_IMAGENET:
        return None
    name, side = _chosen(dataset, size, features, data_dir)
    home = _home(name, _described(name, side, small, data_dir), side, data_dir=data_dir)
    with contextlib.suppress(OSError, ValueError, KeyError):  # it is not there, or damaged
        return read_json(home / "card.json")["fingerprint"]
    return None


def _chosen(dataset: str | Path, size: int, features: str, data_dir: str | Path | None) -> tuple[str, int]:
    """The dataset whose classifier gives the features, and the side of the images that it takes."""
    if features != "auto":
        return features, size
    if _has_classifier(dataset, size, data_dir):
        return str(dataset), size
    return FALLBACK, size if size in SIZES else min(FALLBACK_SIDES, key=lambda side: abs(side - size))


def taking(extractor: Extractor, size: int | None) -> Extractor:
    """The same features for images of another size, or (None) of any: they are brought to the one that it takes."""
    side = extractor.size
    if side is None:
        return extractor

    def brought(images: np.ndarray) -> np.ndarray:
        return np.stack([fit(image, side) for image in images])

    return dataclasses.replace(
        extractor,
        size=size,
        resizer=f"OpenCV {cv2.__version__}: linear up to {side}, by area down",
        _features=lambda images: extractor(brought(images)),
        _answers=extractor._answers and (lambda images: extractor.answers(brought(images))),
    )


def classifier(
    dataset: str | Path,
    size: int = 32,
    *,
    seed: int = 0,
    small: str = DataConfig.small,
    attributes: bool = False,
    data_dir: str | Path | None = None,
    progress: bool = True,
) -> Extractor:
    """The features of a small classifier of a dataset's labels, or else attributes; the first time it is trained.

    They are its last hidden layer, 128 values that batch normalisation has brought to one scale. The same seed on the
    same machine gives the same bits. The classifier is kept in `<data_dir>/features/` with a card that tells its
    accuracy on held-out images. Those of the built-in sets come with the project, so that nobody waits for them, and
    distances that were measured in them on two machines can be compared.

    Args:
        dataset: name of a dataset, or the path of own pictures with labels or attributes (an .npz file).
        size, seed, small, data_dir, progress: as for `extractor_for`.
        attributes: whether it is of the attributes also where there are labels.

    Raises:
        InputError: there is nothing to classify, or too little, or a kept classifier was changed.
    """
    how = {"seed": seed, "small": small, "attributes": attributes, "data_dir": data_dir, "progress": progress}
    return _extractor(*kept_classifier(dataset, size, **how))


def kept_classifier(
    dataset: str | Path,
    size: int = 32,
    *,
    seed: int = 0,
    small: str = DataConfig.small,
    attributes: bool = False,
    data_dir: str | Path | None = None,
    progress: bool = True,
) -> tuple[keras.Sequential, dict]:
    """The network behind `classifier`, as `train_classifier` gives it, and its card. Takes and raises the same."""
    if not _has_classifier(dataset, size, data_dir, attributes):
        raise InputError(
            f"There is no classifier of {dataset}, since it has neither labels of classes nor attributes that tell its "
            f"images apart, or fewer than {LEAST_IMAGES} images; name another dataset, such as faces or cifar10 (on "
            "the command line --features, or --classifier where a command has that)."
        )
    there = _described(dataset, size, small, data_dir)
    home = _home(dataset, there, size, seed, attributes, data_dir)
    if not (home / "card.json").is_file():  # it is written last
        if progress:
            count = min(TRAIN_COUNT, there.count)
            print(
                f"First a classifier of {there.title} is trained, once: distances are measured in its features. With "
                f"{count:,} images of {size}x{size} pixels that takes about {roughly(_usual_seconds(count, size))} on "
                f"{_USUAL}, and several times that on an older or busy machine; how long it takes here is said after "
                f"its first updates. It is kept in {one_line(str(home))}.",
                file=sys.stderr,
            )
        train, test = learned_from(dataset, size, small=small, data_dir=data_dir, progress=progress)
        if attributes and "labels" in there.fields:
            train, test = (data and dataclasses.replace(data, labels=None) for data in (train, test))
        network, card = train_classifier(train, test, seed, progress)
        with appears_whole(home / "classifier.keras") as temporary:
            network.save(temporary, include_optimizer=False)
        write_json(home / "card.json", card)
    try:
        network, card = load_network(home / "classifier.keras"), read_json(home / "card.json")
        whole = card["fingerprint"] == weights_digest(network)
    except (InputError, ValueError, KeyError):
        whole = False
    if not whole:
        raise InputError(f"{home} was changed after its classifier was trained: delete that folder and start again.")
    return network, card


def _described(dataset: str | Path, size: int, small: str, data_dir: str | Path | None) -> Description:
    # One more than a classifier learns from tells that these are not all.
    return source_there(dataset, size, (TRAIN_COUNT + 1,), data_dir=data_dir, small=small, tolerated=1.0).describe()


def _home(
    dataset: str | Path,
    there: Description,
    size: int,
    seed: int = 0,
    attributes: bool = False,
    data_dir: str | Path | None = None,
) -> Path:
    """The folder of a classifier: where it came with the project, or else is kept once it is trained."""
    entry = find_entry(dataset)
    count = None if entry and entry.built_in else min(TRAIN_COUNT, there.count)
    identity = {"recipe": RECIPE_VERSION, "seed": seed, "size": size, "count": count, "data": there.identity}
    if attributes and "labels" in there.fields:
        identity["of"] = "attributes"
    if Path(dataset).is_dir() and there.label_names:  # which may also change by folders that it does not learn from
        identity["classes"] = list(there.label_names)
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]
    name = f"classifier-{slug(Path(dataset).resolve().stem)}-{size}-{digest}"
    home = data_folder(data_dir) / "features" / name
    if not (home / "card.json").is_file() and (SHIPPED / name / "card.json").is_file():
        return SHIPPED / name
    return home


def learned_from(
    dataset: str | Path,
    size: int = 32,
    *,
    small: str = DataConfig.small,
    data_dir: str | Path | None = None,
    progress: bool = True,
) -> tuple[Dataset, Dataset | None]:
    """The images that the classifier of a dataset learns from, and those that it is judged by.

    Where there are none of the second kind (None), `rows_apart` says which of the first it is judged by instead.

    Args:
        dataset, size, small, data_dir, progress: as for `extractor_for`.
    """
    own = {"small": small, "tolerated": 1.0}  # own pictures
    entry, there = find_entry(dataset), _described(dataset, size, small, data_dir)
    # A built-in dataset draws as many as it does by default; own pictures are copied where they are counted off.
    count = None if (entry and entry.built_in) or there.count <= TRAIN_COUNT else TRAIN_COUNT
    train = load(dataset, size, count, data_dir=data_dir, progress=progress, **own)
    test = held_out(dataset, size, TEST_COUNT, small=small, data_dir=data_dir, progress=progress)
    if test is not None and (test.labels is None) != (train.labels is None):  # own pictures without classes
        test = None
    return train, test


def rows_apart(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Which of `count` images a classifier is judged by where it has no others, in order, and which it learns from."""
    return _parted(np.random.default_rng(0).permutation(count))  # as `train_classifier` draws them, by its usual seed


def train_classifier(
    train: Dataset, test: Dataset | None = None, seed: int = 0, progress: bool = True
) -> tuple[keras.Sequential, dict]:
    """Train a classifier of a dataset's labels, or else of its attributes.

    Args:
        train: what to learn from, with labels or attributes.
        test: what to be judged by; a fifth of `train`, drawn by the seed, is set apart for it if there is nothing else.
        seed: decides the initial weights and the order of the images.
        progress: whether to show a progress bar.

    Returns:
        The network, float32 (N, S, S, 3) in [-1, 1] -> logits (N, K), whose last layer but one gives the features; and
        its card.
    """
    runtime.start(keras.config.dtype_policy().name)  # for operations that repeat their bits
    classes = train.labels is not None
    known = _known(train)
    names = train.label_names if classes else train.attribute_names
    outputs = (len(names) or int(known.max()) + 1) if classes else known.shape[1]
    title = f"{'the ' if train.title.startswith('built-in') else ''}{train.title}"

    random = np.random.default_rng(seed)
    rows = random.permutation(len(train))
    if test is None:
        apart, rows = _parted(rows)
        judged, answers = train.images[apart], known[apart]
    else:
        judged, answers = test.images, _known(test)
    updates, batch_size = _updates(len(rows))
    with runtime.full_precision():
        network = _build(train.images.shape[1], outputs, seed)
    network.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(LEARNING_RATE, updates)),
        (keras.losses.SparseCategoricalCrossentropy if classes else keras.losses.BinaryCrossentropy)(from_logits=True),
        jit_compile=False,  # XLA would do without oneDNN
    )
    order = np.empty(0, int)
    bar = tqdm(range(updates), f"Training a classifier of {title}", unit=" updates", disable=not progress)
    for update in bar:
        if update == _WARM:
            begun = time.perf_counter()
        elif update == _TIMED and progress:
            seconds = (time.perf_counter() - begun) / (_TIMED - _WARM) * (updates - update)
            bar.write(
                f"{updates:,} updates: about {duration(seconds)} on {runtime.device()}, as busy as it is.", sys.stderr
            )
        if len(order) < batch_size:
            order = random.permutation(rows)
        batch, order = np.sort(order[:batch_size]), order[batch_size:]  # sorted: a memory map is read in its order
        network.train_on_batch(scale(np.asarray(train.images[batch])), known[batch])

    parts = (np.asarray(judged[start : start + 256]) for start in range(0, len(judged), 256))
    logits = np.concatenate([np.asarray(network(scale(part), training=False)) for part in parts])
    right = logits.argmax(1) == answers if classes else (logits > 0) == answers
    often = np.bincount(answers).max() / len(answers) if classes else np.maximum(answers.mean(0), 1 - answers.mean(0))
    card = {
        "name": f"classifier of {title}, {outputs} {'classes' if classes else 'attributes'}",
        "size": train.images.shape[1],
        "features": FEATURES,
        "parameters": network.count_params(),
        "images": len(rows),
        "data": train.fingerprint,
        "updates": updates,
        "batch_size": batch_size,
        "seed": seed,
        "held_out_images": len(judged),
        "accuracy": round(float(np.mean(right)), 4),
        "accuracy_of_the_most_frequent_answer": round(float(np.mean(often)), 4),
        "fingerprint": weights_digest(network),
        "versions": _versions(),
    }
    if not classes:
        card["accuracies"] = {name: round(float(share), 4) for name, share in zip(names, right.mean(0))}
    return network, card


def inception(weights: str | Path | None = "imagenet") -> Extractor:
    """The last pooling of InceptionV3 as keras.applications has it: 2,048 features of images of any size.

    Images are enlarged linearly to 299x299, or shrunk by area. The weights are Keras's, trained on ImageNet, and not
    those that published FIDs are made with, so figures cannot be compared with published ones.

    Args:
        weights: "imagenet" (downloaded the first time, 84 MiB), the path of a weights file, or None for random ones.

    Raises:
        InputError: the weights cannot be downloaded or read.
    """
    try:
        # Keras tells of the download on standard output, which --json needs for itself.
        with runtime.full_precision(), contextlib.redirect_stdout(sys.stderr):
            network = keras.applications.InceptionV3(include_top=False, weights=weights, pooling="avg")
    except Exception as error:  # Keras passes on whatever the download raised
        reason = " ".join(str(error).split())
        raise InputError(
            f"Inception's weights cannot be had ({reason}): connect to the network once, or take the features of a "
            "classifier that is trained here (on the command line --features auto)."
        ) from error
    name = f"InceptionV3 of keras.applications, weights {Path(weights).name if weights else 'random'}"
    fingerprint = weights_digest(network)

    def features(images: np.ndarray) -> np.ndarray:
        large = np.stack([fit(image, INCEPTION_SIDE) for image in images])
        return np.asarray(network(scale(large), training=False), np.float32)  # Inception takes [-1, 1], too

    resizer = f"OpenCV {cv2.__version__}: linear up to {INCEPTION_SIDE}, by area down"
    card = {"name": name, "fingerprint": fingerprint}
    return Extractor(name, fingerprint, card, features, batch_size=32, resizer=resizer)


def imagenet() -> Extractor:
    """The last pooling of EfficientNet-Lite0, trained on ImageNet: 1,280 features of images of any size.

    Nobody here trained it, and it needs no download beside its package (see `imagenet_weights`). Images are
    brought to `IMAGENET_SIDE` pixels: enlarged linearly, or shrunk by area.

    Raises:
        InputError: the package with its weights is not installed.
    """
    weights = imagenet_weights()
    runtime.import_tensorflow()
    import tensorflow as tf

    with runtime.full_precision():
        network = efficientnet_lite0(weights)
    pooled = keras.Model(network.input, network.output["features"])

    @tf.function(input_signature=[tf.TensorSpec((None, IMAGENET_SIDE, IMAGENET_SIDE, 3))], jit_compile=False)
    def compiled(pictures):
        return pooled(pictures, training=False)

    def features(images: np.ndarray) -> np.ndarray:
        return compiled(scale(np.stack([fit(image, IMAGENET_SIDE) for image in images]))).numpy()

    resizer = f"OpenCV {cv2.__version__}: linear up to {IMAGENET_SIDE}, by area down"
    value_range = "[0, 255] -> (pixel - 127) / 128"
    card = {
        "name": "EfficientNet-Lite0, trained on ImageNet",
        "package": f"{PACKAGE} {VERSION}",
        "weights_sha256": SHA256,
        "input_size": IMAGENET_SIDE,
        "resizer": resizer,
        "value_range": value_range,
        "features": pooled.output_shape[1],
        "parameters": network.count_params(),
        "fingerprint": hashlib.sha256(f"{weights_digest(network)} {IMAGENET_SIDE}".encode()).hexdigest(),
        "versions": _versions(),
    }
    return Extractor(
        card["name"], card["fingerprint"], card, features, batch_size=32, resizer=resizer, value_range=value_range
    )


_ON_IMAGENET = {"imagenet": imagenet, "inception": inception}


def _has_classifier(dataset: str | Path, size: int, data_dir: str | Path | None, attributes: bool = False) -> bool:
    """Whether enough images are there, and labels of classes, or else attributes, that tell them apart.

    A classifier of what is the same of all images, as of a folder to train on with one class, would learn nothing.
    """
    entry = find_entry(dataset)
    if entry and next(iter(entry.splits)) not in entry.available(data_dir):  # what it would learn from is not there
        return False
    source = source_there(dataset, size, (LEAST_IMAGES,), data_dir=data_dir)
    there = source.describe()
    of = "labels" if "labels" in there.fields and not attributes else "attributes"
    if of not in there.fields or there.count < LEAST_IMAGES:
        return False
    if not is_own(dataset):
        return True
    known = getattr(source, of)
    return bool((known != known[0]).any()) and (of == "attributes" or are_classes(known, there.label_names))


def _build(side: int, outputs: int, seed: int) -> keras.Sequential:
    """Convolutions at full resolution, then pooling to the largest values.

    Strided convolutions would classify as well, at half the price, but they average fine detail away: on the
    built-in faces, noise of 15 of 255 leaves distances between their features as they are, and here it does not.
    """
    seeds = iter(np.random.default_rng(seed).integers(2**31, size=32).tolist())

    def weights() -> dict:
        return {"use_bias": False, "kernel_initializer": keras.initializers.HeNormal(seed=next(seeds))}

    def normalised() -> list[keras.Layer]:
        return [layers.BatchNormalization(momentum=0.9), layers.LeakyReLU(negative_slope=0.2)]

    stack, blocks = [keras.Input((side, side, 3), name="images")], 0
    while side > 4:
        filters = FILTERS[min(blocks, len(FILTERS) - 1)]
        stack += [layers.Conv2D(filters, 3, padding="same", **weights()), layers.MaxPooling2D(), *normalised()]
        side, blocks = side // 2, blocks + 1
    stack += [layers.Flatten(), layers.Dense(FEATURES, **weights()), *normalised()]
    head = layers.Dense(outputs, kernel_initializer=keras.initializers.GlorotUniform(seed=next(seeds)))
    return keras.Sequential([*stack, head], name="classifier")


def _extractor(network: keras.Sequential, card: dict) -> Extractor:
    """The last hidden layer of a classifier."""
    hidden, head = keras.Sequential(network.layers[:-1]), network.layers[-1]
    return Extractor(
        name=card["name"],
        fingerprint=card["fingerprint"],
        card=card,
        _features=lambda images: np.asarray(hidden(scale(images), training=False)),
        _answers=lambda images: np.asarray(head(hidden(scale(images), training=False))),
        size=card["size"],
    )


def _updates(count: int) -> tuple[int, int]:
    """How many updates a classifier takes to learn from `count` images, and of how many images each is."""
    batch_size = min(BATCH_SIZE, count)
    return max(LEAST_UPDATES, EPOCHS * count // batch_size), batch_size


def _usual_seconds(count: int, size: int) -> float:
    """About how long the training takes on `_USUAL`; a little less where some of the `count` images are set apart."""
    updates, batch_size = _updates(count)
    return _START_SECONDS + updates * batch_size * size**2 * _PIXEL_SECONDS


def _parted(order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    apart, rest = np.split(order, [min(TEST_COUNT, len(order) // 5)])
    return np.sort(apart), rest


def _known(dataset: Dataset) -> np.ndarray:
    """What is to be learned: int64 (N,) classes, or float32 (N, K) of 0 and 1."""
    return np.asarray(dataset.labels) if dataset.labels is not None else np.asarray(dataset.attributes, np.float32)


def _versions() -> dict[str, str]:
    return {name: runtime.environment()[name] for name in ("tensorflow", "keras", "numpy")}
