"""Where the parts of a picture are: a detector that the project trains on the exact boxes of its built-in datasets, and
boxes that somebody drew by hand.

The detector is a small convolutional network on pictures of 32x32 pixels; others are brought to that size and its boxes
back. It learns from pictures of the split "train", half of them blurred and all with noise, since no generator draws as
cleanly as the drawings. Its card says how well it does on the split "test".
"""

import functools
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import keras
import numpy as np
from keras import layers
from tqdm import tqdm

from utils.data import Dataset, load, scale
from utils.data.catalogue import catalogue, find_source
from utils.data.fetching import data_folder
from utils.errors import InputError
from utils.files import appears_whole, read_json, write_json
from utils.models import load_network
from utils.text import shorten

RECIPE_VERSION = 1  # raise it whenever a change of this file changes what the detector learns

SIDE = 32  # of the pictures that the network sees, in pixels
FILTERS = (32, 64, 64, 128)  # of its convolutions
STRIDES = (2, 1, 2, 2)
BOXED = 1_000  # samples that a part is looked for in; boxes drawn by hand are on the first so many of a seed
TRAIN_COUNT, TEST_COUNT = 8_000, 2_000  # pictures to learn from, and to be judged by
EPOCHS, BATCH_SIZE, LEARNING_RATE = 6, 64, 1e-3
BLUR = (0.3, 1.0)  # standard deviation in pixels, from which half of the pictures draw theirs
NOISE = (0.0, 10.0)  # standard deviation out of 255, from which every picture draws its own


@dataclass(frozen=True)
class Detections:
    """What a detector found in N pictures, of P parts.

    Attributes:
        presence: float32 (N, P) in (0, 1), how probable it is that the picture shows the part.
        boxes: int16 (N, P, 4) as left, top, right, bottom in pixels (right and bottom exclusive), -1 where the part is
            not shown (presence below 0.5).
    """

    presence: np.ndarray
    boxes: np.ndarray

    @property
    def shown(self) -> np.ndarray:
        """bool (N, P), which parts each picture shows."""
        return self.presence >= 0.5


@dataclass(frozen=True)
class Detector:
    """Finds the parts of pictures: uint8 (N, S, S, 3) in [0, 255] -> `Detections`.

    Attributes:
        network: float32 (N, 32, 32, 3) in [-1, 1] -> {"presence": logits (N, P), "boxes": (N, P, 4) in pixels}.
        parts: names of the P parts.
        card: what it was trained on, and how well it does on pictures that it has never seen.
    """

    network: keras.Model
    parts: tuple[str, ...]
    card: dict

    def __call__(self, images: np.ndarray, batch_size: int = 256) -> Detections:
        """Find all parts.

        Raises:
            InputError: not uint8 images of shape (N, S, S, 3), or none.
        """
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (images.shape[1],) * 2 + (3,):
            raise InputError(
                "Parts are looked for in uint8 images in [0, 255] of shape (N, S, S, 3); do not scale them. "
                f"Received: {images.dtype} {images.shape}."
            )
        if not len(images):
            raise InputError("Parts are looked for in at least one image. Received: none.")
        presence, boxes = [], []
        for start in range(0, len(images), batch_size):
            seen = self.network(scale(_at_side(images[start : start + batch_size])), training=False)
            presence.append(np.asarray(keras.ops.sigmoid(seen["presence"])))
            boxes.append(np.asarray(seen["boxes"]))
        presence, size = np.concatenate(presence), images.shape[1]
        boxes = np.clip(np.rint(np.concatenate(boxes) * (size / SIDE)), 0, size).astype(np.int16)
        return Detections(presence, np.where((presence >= 0.5)[..., None], boxes, np.int16(-1)))

    def number(self, part: str) -> int:
        """The place of a part among `parts`.

        Raises:
            InputError: it does not know the part; the message lists those that it knows.
        """
        if part not in self.parts:
            raise InputError(f"There is no part {part!r}; choose one of {', '.join(self.parts)}.")
        return self.parts.index(part)


def detector_for(
    dataset: str = "faces",
    *,
    count: int = TRAIN_COUNT,
    seed: int = 0,
    data_dir: str | Path | None = None,
    progress: bool = True,
) -> Detector:
    """The detector of a built-in dataset's parts; the first time it is trained, which a progress bar shows.

    It is kept in `features/` of the data folder and may be deleted at any time.

    Args:
        dataset: name of a built-in dataset.
        count: how many pictures it learns from; fewer only for a look at everything that follows.
        seed: decides the initial weights and the order of the pictures.
        data_dir: where datasets live (see `load`).
        progress: whether to show progress bars.

    Raises:
        InputError: the dataset has no boxes to learn from.
    """
    known = [entry.name for entry in catalogue() if entry.built_in]
    if dataset not in known:
        raise InputError(
            f"A detector of parts learns from the exact boxes of a built-in dataset ({', '.join(known)}); for "
            f"{str(dataset)!r} draw boxes yourself and pass the file."
        )
    folder = data_folder(data_dir)
    identity = {
        "recipe": [RECIPE_VERSION, seed, keras.__version__],
        "data": find_source(dataset, SIDE, count, data_dir=folder).describe().identity,
    }
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]
    home = folder / "features" / f"parts-{dataset}-{digest}"
    if (home / "card.json").is_file():  # written last, so the network is there
        card = read_json(home / "card.json")
        return Detector(load_network(home / "detector.keras"), tuple(card["parts"]), card)
    take = functools.partial(load, dataset, SIDE, data_dir=folder, progress=progress)
    others = take(min(max(1, count // 4), TEST_COUNT), split="test")  # a quarter as many
    detector = train_detector(take(count), others, seed=seed, progress=progress)
    with appears_whole(home / "detector.keras") as temporary:
        detector.network.save(temporary)
    write_json(home / "card.json", detector.card)
    return detector


def train_detector(train: Dataset, test: Dataset, *, seed: int = 0, progress: bool = True) -> Detector:
    """Train a detector on a dataset's boxes and judge it on another's. The same arguments give the same bits.

    Args:
        train, test: datasets of 32x32 images with boxes of the same parts.
        seed: decides the initial weights, the order, the blur and the noise.
        progress: whether to show a progress bar.

    Returns:
        The detector; its card has, for each part, the share of test images whose presence it tells right, the mean
        intersection over union with the true box where it is shown and found, and the same for blurred test images.
    """
    random = np.random.default_rng(seed)
    boxes = np.asarray(train.boxes, np.float32)
    images = scale(_worn(_at_side(np.asarray(train.images)), random))
    network = _build(boxes, int(random.integers(2**31)))
    updates = EPOCHS * (len(images) // BATCH_SIZE)
    rate = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, updates)
    network.compile(
        keras.optimizers.Adam(rate), {"presence": _presence_loss, "boxes": _box_loss(boxes)}, jit_compile=False
    )
    shown = (boxes[..., 0] >= 0).astype(np.float32)
    with tqdm(total=updates, desc="Learning to find parts", unit="update", disable=not progress) as bar:
        for _ in range(EPOCHS):
            order = random.permutation(len(images))[: updates // EPOCHS * BATCH_SIZE]
            for rows in order.reshape(-1, BATCH_SIZE):
                network.train_on_batch(images[rows], {"presence": shown[rows], "boxes": boxes[rows]})
                bar.update()
    detector = Detector(network, train.box_names, card={})
    seen = np.asarray(test.images)
    blurred = np.stack([cv2.GaussianBlur(image, (0, 0), 0.7) for image in seen])
    card = {
        "title": f"detector of the parts of the {train.title}",
        "parts": list(train.box_names),
        "trained_on": {"images": len(train), "fingerprint": train.fingerprint, "epochs": EPOCHS, "seed": seed},
        "tested_on": {"images": len(test), "fingerprint": test.fingerprint},
        "test": _accuracy(detector, seen, test.boxes),
        "test_blurred": _accuracy(detector, blurred, test.boxes),
    }
    return Detector(network, train.box_names, card)


def read_boxes(path: str | Path, count: int, size: int) -> dict[int, np.ndarray]:
    """Read boxes that were drawn by hand around one part: a JSON object of image number -> list of boxes.

    `{"0": [[4, 10, 12, 20]], "7": []}` says that image 0 shows the part once, image 7 not at all, and that nobody has
    looked at the others.

    Args:
        path: the file.
        count: how many images there are, numbered from 0.
        size: side of the images in pixels.

    Returns:
        For each image that was looked at, int16 (B, 4): left, top, right, bottom, right and bottom exclusive.

    Raises:
        InputError: the file is not of that form.
    """
    try:
        read = read_json(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} should be a JSON file of boxes, but cannot be read ({error}).") from error
    if not isinstance(read, dict) or not read:
        raise InputError(f'{path} should be a JSON object such as {{"0": [[4, 10, 12, 20]]}}, with at least one image.')
    drawn = {}
    for key, boxes in read.items():
        number = _image_number(path, key, count)
        if number in drawn:
            raise InputError(f"{path} should name each image once. Received: image {number} again, as {key!r}.")
        drawn[number] = _hand_drawn(path, key, boxes, size)
    return drawn


_DIGITS = 20  # of a number of an image; Python refuses to read some thousands of digits


def _image_number(path: str | Path, key: str, count: int) -> int:
    if not (key.isdecimal() and len(key) < _DIGITS and int(key) < count):
        raise InputError(f"{path} should number images from 0 to {count - 1}. Received: {shorten(key, 100)!r}.")
    return int(key)


def _hand_drawn(path: str | Path, key: str, boxes: object, size: int) -> np.ndarray:
    def is_box(box: object) -> bool:
        whole = isinstance(box, list) and len(box) == 4 and all(type(edge) is int for edge in box)
        return whole and 0 <= box[0] < box[2] <= size and 0 <= box[1] < box[3] <= size

    if not isinstance(boxes, list) or not all(map(is_box, boxes)):
        raise InputError(
            f"{path} should give image {int(key)} a list of boxes [left, top, right, bottom] of whole pixels from 0 to "
            f"{size}, with left < right and top < bottom. Received: {shorten(repr(boxes), 200)}."
        )
    return np.array(boxes, np.int16).reshape(-1, 4)


# --- the network and what it learns from ------------------------------------------------------------------------------


def _build(boxes: np.ndarray, seed: int) -> keras.Model:
    """Convolutions, then one linear layer each for presence and boxes. Boxes are learnt in standard deviations from
    their mean, so that both outputs are of one size and neither drowns the other."""
    seeds = iter(np.random.default_rng(seed).integers(2**31, size=len(FILTERS) + 2).tolist())

    def kernel() -> dict:
        return {"kernel_initializer": keras.initializers.GlorotUniform(seed=next(seeds))}

    images = x = keras.Input((SIDE, SIDE, 3), name="images")
    for filters, stride in zip(FILTERS, STRIDES, strict=True):
        x = layers.Conv2D(filters, 3, strides=stride, padding="same", use_bias=False, **kernel())(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.ReLU()(x)
    x = layers.Flatten()(x)
    parts = boxes.shape[1]
    mean, deviation = _spread(boxes)
    offsets = layers.Dense(parts * 4, **kernel())(x)
    offsets = layers.Rescaling(deviation.ravel().tolist(), mean.ravel().tolist())(offsets)
    outputs = {
        "presence": layers.Dense(parts, name="presence", **kernel())(x),
        "boxes": layers.Reshape((parts, 4), name="boxes")(offsets),
    }
    return keras.Model(images, outputs, name="parts")


def _spread(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each part's box where it is shown, both float32 (P, 4); no deviation is below a
    tenth of a pixel."""
    shown = np.ma.masked_array(boxes, np.broadcast_to(boxes[..., :1] < 0, boxes.shape))
    return shown.mean(0).filled(SIDE / 2), np.maximum(shown.std(0).filled(1), np.float32(0.1))


def _presence_loss(shown, logits):
    """Binary cross-entropy, summed over the parts."""
    return keras.ops.sum(keras.ops.binary_crossentropy(shown, logits, from_logits=True), axis=-1)


def _box_loss(boxes: np.ndarray):
    """Distance of the edges in standard deviations: mean over the four, sum over the parts that are shown."""
    deviation = _spread(boxes)[1]

    def loss(true, detected):
        shown = keras.ops.cast(true[..., 0] >= 0, detected.dtype)
        return keras.ops.sum(shown * keras.ops.mean(keras.ops.abs(true - detected) / deviation, axis=-1), axis=-1)

    return loss


def _at_side(images: np.ndarray) -> np.ndarray:
    """uint8 (N, S, S, 3) as (N, 32, 32, 3)."""
    if images.shape[1] == SIDE:
        return images
    how = cv2.INTER_AREA if images.shape[1] > SIDE else cv2.INTER_LINEAR
    return np.stack([cv2.resize(image, (SIDE, SIDE), interpolation=how) for image in images])


def _worn(images: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Blur every second picture, and add noise to all."""
    worn = images.copy()
    for row in range(0, len(images), 2):
        worn[row] = cv2.GaussianBlur(images[row], (0, 0), random.uniform(*BLUR))
    deviations = random.uniform(*NOISE, (len(images), 1, 1, 1)).astype(np.float32)
    noise = random.standard_normal(images.shape, np.float32) * deviations
    return np.clip(np.rint(worn + noise), 0, 255).astype(np.uint8)


def _accuracy(detector: Detector, images: np.ndarray, boxes: np.ndarray) -> dict[str, dict[str, float]]:
    """For each part: share of the images that show it, share told right, mean intersection over union of its boxes."""
    detections = detector(images)
    result = {}
    for part, name in enumerate(detector.parts):
        truly, told = boxes[:, part, 0] >= 0, detections.shown[:, part]
        both = truly & told
        overlap = overlap_of(detections.boxes[both, part], boxes[both, part])
        result[name] = {
            "shown": round(float(truly.mean()), 4),
            "accuracy": round(float((truly == told).mean()), 4),
            "overlap": round(float(overlap.mean()), 4) if both.any() else 0.0,
        }
    return result


def overlap_of(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes (N, 4) with their counterparts: float (N,) in [0, 1]."""
    one, other = one.astype(np.int32), other.astype(np.int32)

    def area(boxes: np.ndarray) -> np.ndarray:
        return np.prod(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None), axis=1)

    common = np.concatenate([np.maximum(one[:, :2], other[:, :2]), np.minimum(one[:, 2:], other[:, 2:])], axis=1)
    shared = area(common)
    return shared / np.maximum(area(one) + area(other) - shared, 1)
