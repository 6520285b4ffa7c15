"""From images to the vectors that a linear classifier is given, on disk, because they seldom fit into memory.

A discriminator's features are the activations of each of its convolutions, after normalisation and nonlinearity,
reduced to a grid of 4x4 by taking the largest value in each cell, and joined: 28,672 values for the preset paper_cifar,
7,168 for paper_svhn. Batch normalisation goes by fixed statistics, so that the features of an image depend on it alone.

Reference:
    Radford, Metz, Chintala (arXiv:1511.06434), §5.1, and the released code of §5.2 (svhn_semisup_analysis.py).
"""

import functools
import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import keras
import numpy as np
from tqdm.auto import tqdm

from utils.data import Dataset, scale
from utils.errors import InputError
from utils.evaluation.features import Extractor
from utils.explain.fixed import Convolution, FixedDiscriminator, normalises
from utils.files import appears_whole, locked, make_folder, write_json
from utils.models import fix_statistics, forward
from utils.text import one_line, slug

VERSION = 1
"""Raise it whenever a change of this room changes what comes out of it: what is kept on disk then no longer counts."""
GRID = 4
"""Cells in a row of the grid that a map is reduced to."""
BATCH_SIZE = 128
"""Images whose statistics are averaged with those of other batches, and images at a time."""


@dataclass(frozen=True)
class Part:
    """Some images of a dataset, in an order of their own.

    Attributes:
        dataset: the dataset.
        rows: int64 (n,), which of its images.
    """

    dataset: Dataset
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def labels(self) -> np.ndarray:
        """int64 (n,), the class of each image."""
        return np.asarray(self.dataset.labels)[self.rows]

    @cached_property
    def fingerprint(self) -> str:
        """Hex digest of the images and their order."""
        return digest_of(
            self.dataset.fingerprint, hashlib.sha256(np.ascontiguousarray(self.rows, np.int64)).hexdigest()
        )

    def take(self, places: np.ndarray | slice) -> "Part":
        """The images at these places of this part."""
        return Part(self.dataset, self.rows[places])

    def images(self, places: np.ndarray | slice = slice(None)) -> np.ndarray:
        """uint8 (n, S, S, 3), read into memory."""
        return np.asarray(self.dataset.images[self.rows[places]])

    def batches(self, size: int = BATCH_SIZE) -> Iterator[np.ndarray]:
        """The images, `size` at a time, the last ones fewer."""
        for start in range(0, len(self), size):
            yield self.images(slice(start, start + size))


def digest_of(*parts: object) -> str:
    """Hex digest of plain values, and of the version of this room."""
    return hashlib.sha256(json.dumps([VERSION, *parts], sort_keys=True, default=str).encode()).hexdigest()


def cells_of(convolution: Convolution) -> int:
    """How many features a convolution gives an image."""
    return min(convolution.side, GRID) ** 2 * convolution.maps


def width_of(network: FixedDiscriminator) -> int:
    """How many features a discriminator gives an image."""
    return sum(map(cells_of, network.convolutions))


def discriminator_features(network: FixedDiscriminator, reference: Part, name: str) -> Extractor:
    """The features of a discriminator, random weights or trained ones.

    Args:
        network: without reference images; its statistics are fixed here, when features are asked for the first time.
        reference: the images whose statistics batch normalisation goes by: of batches of 128, averaged.
        name: what to call the features.
    """
    weights = hashlib.sha256()
    for layer in network.layers:
        config = {key: value for key, value in layer.get_config().items() if key not in ("name", "trainable")}
        weights.update(json.dumps([type(layer).__name__, config], sort_keys=True, default=str).encode())
        for array in layer.get_weights():
            weights.update(np.ascontiguousarray(array))

    @functools.cache
    def settled() -> Callable:
        fix_statistics(network.layers, map(scale, reference.batches()))
        return _pooled(network)

    normalised_by = reference.fingerprint if normalises(network) else ""
    return Extractor(
        name=name,
        fingerprint=digest_of("discriminator", weights.hexdigest(), normalised_by),
        card={"name": name, "features": width_of(network)},
        _features=lambda images: np.asarray(settled()(images)),
        size=network.side,
        batch_size=BATCH_SIZE,
    )


def joined(name: str, *extractors: Extractor) -> Extractor:
    """The features of several networks that look at the same images, one after the other."""
    return Extractor(
        name=name,
        fingerprint=digest_of("joined", *(each.fingerprint for each in extractors)),
        card={"name": name, "features": sum(each.card["features"] for each in extractors)},
        _features=lambda images: np.concatenate([each(images) for each in extractors], axis=1),
        size=extractors[0].size,
        batch_size=BATCH_SIZE,
    )


def _pooled(network: FixedDiscriminator) -> Callable:
    """Images uint8 (N, S, S, 3) -> float32 (N, D): the largest activations in each cell, convolution by convolution."""
    import tensorflow as tf

    # One trace for batches of all sizes; XLA would do without oneDNN.
    some = tf.TensorSpec((None, network.side, network.side, 3), tf.uint8)

    @tf.function(input_signature=[some], jit_compile=False)
    def features(images):
        x, done, parts = scale(images), 0, []
        for convolution in network.convolutions:
            x, done = forward(network.layers[done : convolution.stop], x), convolution.stop
            cells = largest_in_cells(x)
            parts.append(keras.ops.reshape(cells, (-1, int(np.prod(cells.shape[1:])))))
        return keras.ops.concatenate(parts, axis=1)

    return features


def largest_in_cells(maps):
    """The largest values of maps (N, S, S, C) in a grid of cells: (N, GRID, GRID, C). A smaller map stays as it is.

    The cells of a map of 32, 16, 8 or 4 places are 8, 4, 2 or 1 of them wide. If the side cannot be divided they
    overlap by a place where they have to, so that none of them is left out.
    """
    side = maps.shape[1]
    if side <= GRID:
        return maps
    edges = [(number * side // GRID, -(-(number + 1) * side // GRID)) for number in range(GRID)]
    maps = keras.ops.stack([keras.ops.max(maps[:, start:stop], axis=1) for start, stop in edges], axis=1)
    return keras.ops.stack([keras.ops.max(maps[:, :, start:stop], axis=2) for start, stop in edges], axis=2)


@dataclass(frozen=True)
class Features:
    """Features on disk.

    Attributes:
        values: float32 (n, D), memory-mapped.
        folder: where they are.
    """

    values: np.ndarray
    folder: Path

    def forget(self) -> None:
        """Delete them."""
        shutil.rmtree(self.folder, ignore_errors=True)


def extract(extractor: Extractor, part: Part, folder: str | Path, progress: bool = True) -> Features:
    """The features of the images of a part; the first time they are made, a batch at a time, and kept.

    Memory holds a batch and what the network makes of it, whatever the number of images.

    Args:
        extractor: what makes them.
        part: the images.
        folder: where features are kept; what is in there may be deleted at any time.
        progress: whether to say how large they are, and to show a progress bar.

    Raises:
        InputError: the disk has not enough space.
    """
    home = Path(folder) / f"{slug(extractor.name)[:60]}-{digest_of(extractor.fingerprint, part.fingerprint)[:16]}"
    file = home / "features.npy"

    def say(sentence: str) -> None:
        if progress:
            print(sentence, file=sys.stderr)

    if not file.is_file():
        make_folder(home)
        with locked(home / "lock", lambda: say(f"Waiting for another process that makes {file}."), say):
            if not file.is_file():
                _write(extractor, part, file, say, progress)
    return Features(np.load(file, mmap_mode="r", allow_pickle=False), home)


def _write(extractor: Extractor, part: Part, file: Path, say: Callable[[str], None], progress: bool) -> None:
    for left in file.parent.glob(".unfinished-*"):  # by a process that was killed; this one holds the lock
        left.unlink()
    first = extractor(part.images(slice(0, 1)))
    width = first.shape[1]
    needed, free = 4 * width * len(part), shutil.disk_usage(file.parent).free
    if needed > free:
        raise InputError(
            f"The features of {len(part):,} images ({extractor.name}) take {needed / 1e9:.1f} GB, but only "
            f"{free / 1e9:.1f} GB are free in {file.parent.parent}: free some space, set DCGAN_DATA_DIR to a folder on "
            "a larger disk, or take a smaller --scale."
        )
    if needed > 1e8:
        say(
            f"{extractor.name}: {width:,} values for each of {len(part):,} images, {needed / 1e9:.1f} GB in "
            f"{one_line(str(file.parent))}"
        )
    bar = tqdm(total=len(part), desc=extractor.name, unit=" images", disable=not progress, leave=False)
    with appears_whole(file) as temporary, temporary.open("wb") as out, bar:
        header = {"descr": "<f4", "fortran_order": False, "shape": (len(part), width)}
        np.lib.format.write_array_header_1_0(out, header)
        for images in part.batches():
            out.write(np.ascontiguousarray(extractor(images), np.float32))
            bar.update(len(images))
    write_json(file.parent / "card.json", {"images": part.dataset.title, "count": len(part), **extractor.card})
