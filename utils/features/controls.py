"""What a discriminator's features are compared with, on the same images in the same run."""

import functools

import keras
import numpy as np
from keras import layers
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from utils.data import scale
from utils.evaluation.features import Extractor
from utils.explain.fixed import FixedDiscriminator
from utils.features.extract import Part, digest_of
from utils.models import fix_statistics
from utils.streams import stream

PATCH = 6
"""Side of a patch in pixels: the best of Coates and Ng's on CIFAR-10."""
CONTRAST, WHITENING = 10.0, 0.1
"""Added to the variance of a patch, with pixels in [0, 255], and to the eigenvalues of the patches' covariance."""
ROUNDS = 50
"""Of k-means, at most."""
AT_ONCE = 16
"""Images whose patches are compared with all centroids at a time."""
BATCH_SIZE = 64
RATES = (3e-4, 1e-3, 3e-3)
"""Adam's step sizes that supervised training tries."""


def pixels(size: int) -> Extractor:
    """The pixels themselves, in [-1, 1]."""
    return Extractor(
        name="raw pixels",
        fingerprint=digest_of("pixels"),
        card={"name": "raw pixels", "features": size * size * 3},
        _features=lambda images: scale(images).reshape(len(images), -1),
        size=size,
    )


def principal_components(part: Part, width: int, size: int) -> Extractor:
    """Principal components of the pixels, as many as `width`, or all there are, partly whitened.

    Each is divided by sqrt(its variance + the mean variance of all). As they are, a linear classifier could not tell
    all of them from the pixels, since its penalty does not see a rotation; wholly whitened, most of what it would see
    is noise.

    Args:
        part: the images whose components they are.
        width: how many are wanted.
        size: side of the images.
    """
    values_each = size * size * 3
    width = min(width, values_each, len(part) - 1)

    @functools.cache
    def projection() -> tuple[np.ndarray, np.ndarray]:
        if 2 * len(part) < values_each:  # what few images span is found sooner from them than from all products
            flat = scale(part.images()).reshape(len(part), -1)
            mean = flat.mean(0, dtype=np.float64)
            _, lengths, rows = np.linalg.svd(flat - mean, full_matrices=False)
            variances, vectors = lengths**2 / len(part), rows.T
            typical = variances.sum() / values_each
        else:
            total, products = 0.0, 0.0
            for images in part.batches(1024):
                flat = scale(images).reshape(len(images), -1)
                total, products = total + flat.sum(0, dtype=np.float64), products + flat.T @ flat
            mean = total / len(part)
            variances, vectors = np.linalg.eigh(products / len(part) - np.outer(mean, mean))
            typical = variances.mean()
            variances, vectors = variances[::-1].clip(0), vectors[:, ::-1]
        components = vectors / np.sqrt(variances + typical)
        return mean.astype(np.float32), components[:, :width].astype(np.float32)

    def features(images: np.ndarray) -> np.ndarray:
        mean, components = projection()
        return (scale(images).reshape(len(images), -1) - mean) @ components

    return Extractor(
        name="principal components",
        fingerprint=digest_of("principal components", width, part.fingerprint),
        card={"name": "principal components", "features": width},
        _features=features,
        size=size,
    )


def k_means(part: Part, centroids: int, patches: int, seed: int = 0) -> Extractor:
    """One layer of k-means: how near each patch of an image is to each centroid, added up in the four quarters.

    Patches of 6x6 pixels, each brought to one contrast, are whitened and clustered. The code of a patch is max(0, mean
    distance - distance) for each centroid ("triangle"). The features are standardised, as in the authors' code, here by
    the first 1,000 images.

    Args:
        part: the images whose patches are clustered.
        centroids: how many; each gives four features.
        patches: how many are clustered.
        seed: of which.

    Reference:
        Coates, Lee and Ng: An Analysis of Single-Layer Networks in Unsupervised Feature Learning (AISTATS 2011).
    """
    size = part.dataset.images.shape[1]

    @functools.cache
    def learned() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        random = stream(seed, "features: patches")
        chosen = random.integers(0, [len(part), size - PATCH + 1, size - PATCH + 1], (patches, 3))
        found = np.empty((patches, PATCH * PATCH * 3), np.float32)
        order = np.argsort(chosen[:, 0], kind="stable")  # read image by image
        for place in order:
            image, row, column = chosen[place]
            patch = part.dataset.images[part.rows[image], row : row + PATCH, column : column + PATCH]
            found[place] = patch.reshape(-1)
        found = _one_contrast(found)
        mean = found.mean(0)
        values, vectors = np.linalg.eigh(np.cov(found, rowvar=False))
        whitening = ((vectors / np.sqrt(values + WHITENING)) @ vectors.T).astype(np.float32)
        # One thread: several add up in an order of their own, and the same command gives the same bits.
        with threadpool_limits(1):
            clustered = KMeans(centroids, init="random", n_init=1, max_iter=ROUNDS, random_state=seed % 2**32).fit(
                (found - mean) @ whitening
            )
        return mean, whitening, clustered.cluster_centers_.astype(np.float32)

    def code(images: np.ndarray) -> np.ndarray:
        # A few images at a time: a thousand have 4.7 GB of distances to 1,600 centroids.
        pieces = [images[first : first + AT_ONCE] for first in range(0, len(images), AT_ONCE)]
        return np.concatenate([np.asarray(_triangles(piece, *learned())) for piece in pieces])

    @functools.cache
    def standard() -> tuple[np.ndarray, np.ndarray]:
        some = code(part.images(slice(0, 1000)))
        return some.mean(0), np.sqrt(some.var(0) + 0.01)

    def features(images: np.ndarray) -> np.ndarray:
        mean, deviation = standard()
        return (code(images) - mean) / deviation

    name = f"k-means, {centroids:,} centroids"
    return Extractor(
        name=name,
        fingerprint=digest_of("k-means", centroids, patches, seed, part.fingerprint),
        card={"name": name, "features": 4 * centroids},
        _features=features,
        size=size,
        batch_size=AT_ONCE,
    )


def _one_contrast(patches: np.ndarray) -> np.ndarray:
    """Patches (n, 108) in [0, 255] without their mean, over their deviation."""
    centred = patches - patches.mean(1, keepdims=True)
    return centred / np.sqrt(centred.var(1, ddof=1, keepdims=True) + CONTRAST)


def _triangles(images: np.ndarray, mean: np.ndarray, whitening: np.ndarray, centres: np.ndarray):
    """float32 (N, 4 K): the codes of all patches of uint8 (N, S, S, 3) images, added up in the four quarters."""
    ops, steps = keras.ops, images.shape[1] - PATCH + 1
    found = ops.image.extract_patches(ops.cast(images, "float32"), PATCH, strides=1, padding="valid")
    found = ops.reshape(found, (-1, PATCH * PATCH * 3))
    found -= ops.mean(found, 1, keepdims=True)
    variance = ops.sum(found * found, 1, keepdims=True) / (found.shape[1] - 1)
    found = ops.matmul(found / ops.sqrt(variance + CONTRAST) - mean, whitening)
    squares = ops.sum(found * found, 1, keepdims=True) + ops.sum(centres * centres, 1)
    distance = ops.sqrt(ops.maximum(squares - 2 * ops.matmul(found, ops.transpose(centres)), 0))
    codes = ops.maximum(ops.mean(distance, 1, keepdims=True) - distance, 0)
    codes = ops.reshape(codes, (-1, steps, steps, len(centres)))
    half = (steps + 1) // 2
    quarters = [
        ops.sum(codes[:, rows, columns], (1, 2))
        for columns in (slice(0, half), slice(half, None))
        for rows in (slice(0, half), slice(half, None))
    ]
    return ops.concatenate(quarters, 1)


def train_with_labels(
    network: FixedDiscriminator,
    part: Part,
    classes: int,
    updates: int,
    rate: float,
    random: np.random.Generator,
    progress: str | None = None,
) -> keras.Sequential:
    """A classifier of the same architecture: the discriminator anew, but for its last layer, which tells the classes.

    Batch normalisation ends with fixed statistics, averaged over batches of what it learned from.

    Args:
        network: the discriminator; nothing in it is changed.
        part: labelled images to learn from.
        classes: how many.
        updates: on batches of 64 images.
        rate: Adam's step size, which falls to 0 along a cosine.
        random: decides weights and the order of the images.
        progress: what to call it on a progress bar; without one by default.

    Returns:
        float32 (N, S, S, 3) in [-1, 1] -> logits (N, classes).
    """
    fresh = network.randomised(int(random.integers(2**31)))
    score = max(place for place, layer in enumerate(fresh.layers) if layer.weights)  # the layer that makes it
    body = fresh.layers[:score]  # which may be flat already: to be flattened again changes nothing
    head = layers.Dense(classes, kernel_initializer=keras.initializers.GlorotUniform(seed=int(random.integers(2**31))))
    classifier = keras.Sequential(
        [keras.Input((network.side, network.side, 3)), *body, layers.Flatten(), head]
    )  # of flat values it changes nothing
    classifier.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, updates)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    labels, order = part.labels, np.empty(0, int)
    size = min(BATCH_SIZE, len(part))
    for _ in tqdm(range(updates), progress, unit=" updates", disable=progress is None, leave=False):
        if len(order) < size:
            order = random.permutation(len(part))
        batch, order = order[:size], order[size:]
        classifier.train_on_batch(scale(part.images(batch)), labels[batch])
    # Rows may come class by class: batches are to be as mixed as those of training.
    mixed = random.permutation(len(part))[: 100 * BATCH_SIZE]
    fix_statistics(classifier.layers, map(scale, part.take(mixed).batches()))
    return classifier


def predictions(classifier: keras.Sequential, part: Part) -> np.ndarray:
    """int64 (n,), the class of each image."""
    answers = [np.asarray(classifier(scale(images), training=False)).argmax(1) for images in part.batches(256)]
    return np.concatenate(answers)
