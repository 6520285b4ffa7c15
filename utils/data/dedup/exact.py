"""Equal pixels."""

import hashlib
from collections.abc import Iterator

import numpy as np
from tqdm import tqdm

CHUNK = 1024  # images at a time, large ones too: none is copied, and how codes are rounded depends on this number


def find_exact(images: np.ndarray, progress: bool = True) -> np.ndarray:
    """Find images of equal pixels, by a digest of 128 bits.

    Args:
        images: uint8 (N, S, S, 3).
        progress: whether to show a progress bar.

    Returns:
        The leader of each image: int64 (N,), the first row with the same pixels.
    """
    digests = np.empty((len(images), 16), np.uint8)
    for start, pictures in chunks(images, "Comparing pixels", progress):
        for row, picture in enumerate(pictures, start):
            digests[row] = np.frombuffer(digest_of(picture), np.uint8)
    return leaders_of_equal(digests)


def digest_of(picture: np.ndarray) -> bytes:
    """128 bits that tell pictures of one shape and type apart, by their pixels."""
    return hashlib.blake2b(picture.tobytes(), digest_size=16).digest()


def leaders_of_equal(keys: np.ndarray) -> np.ndarray:
    """For each of the keys, uint8 (N, 16), the first row with the same key: int64 (N,)."""
    _, first, group = np.unique(keys.view("V16").ravel(), return_index=True, return_inverse=True)
    return first[group]


def chunks(images: np.ndarray, doing: str, progress: bool) -> Iterator[tuple[int, np.ndarray]]:
    """Give the images piece by piece, each with its first row, behind a progress bar."""
    with tqdm(desc=doing, total=len(images), unit=" images", disable=not progress) as bar:
        for start in range(0, len(images), CHUNK):
            pictures = np.asarray(images[start : start + CHUNK])
            yield start, pictures
            bar.update(len(pictures))
