"""Near duplicates: perceptual hashes propose pairs, a comparison of the aligned pictures decides.

A perceptual hash alone is not to be trusted: of 64 bits, two different cartoon faces differ in as few as 2, and a shift
by one pixel of 32 changes up to 16. So hashes only say which pairs to look at, generously, and pixels have the word:

1. Each picture is shrunk to 32x32 and hashed (imagehash's pHash: signs of its 64 lowest frequencies).
2. The hashes are sorted again and again, each time with their bits in another random order, and each is held against
   its neighbours in the sorted list. Two hashes that differ in few bits are neighbours in some of the orders (Charikar
   2002; Ravichandran, Pantel, Hovy 2005). Work is bounded per image, however many there are; the price is that of
   pairs with very different hashes fewer are found in larger sets.
3. Of the pairs with at most RADIUS differing bits, those go on whose 4x4 thumbnails agree; most do not.
4. One picture is laid on the other by the affine map that makes them correlate best (OpenCV's ECC), brightness and
   contrast are taken off, and what remains in the worst 6x6 pixels must be small. The worst place and not the mean,
   because different pictures of one kind (a face that smiles, and one that does not) differ in one place, and JPEG a
   little everywhere.

Pictures at 32x32 that differ in less than that do count as the same: of drawn faces that differ in nothing but the
mouth 1 in 10, in nothing but the eyes 1 in 2.
"""

import itertools

import cv2
import imagehash
import numpy as np
from PIL import Image
from tqdm import tqdm

from utils.data.dedup.exact import chunks, find_exact
from utils.data.pixels import fit

SIDE = 32  # pictures are compared at this size, in pixels

# Which pairs to look at.
RADIUS = 20  # bits of 64: nearly all crops to 90% stay within it; unrelated pictures differ in 32 on average
ORDERS = 64  # random orders of the bits: with 16 of them, a quarter fewer crops of CelebA are found
NEIGHBOURS = 8  # in each order, on one side
THUMBNAIL = 4  # side of a thumbnail, in pixels
LIKENESS = 0.9  # least correlation of two thumbnails: 98 of 100 crops to 90% have it, and 1 of 20 pairs of other faces
MOST_LIKE = 4  # pairs of each image with earlier ones that are looked at

# When two pictures are the same. Chosen so that 98 of 100 pairs of the kinds in `benchmarks/dedup.py` are.
LUMA_BLUR, CHROMA_BLUR = 0.6, 2.5  # pixels; JPEG halves the resolution of colours, so their details do not count
WINDOW = 6  # side of the place where they differ most, in pixels
DIFFERENCE = 0.25  # most RMS difference there, in units of the pictures' own contrast
BRIGHTER, STRONGER = 40, 1.4  # most difference of brightness (levels of 255), most ratio of contrasts
LEAST_CONTRAST = 4.0  # levels; below it a picture counts as flat, and its noise is not blown up
OVERLAP = 0.75  # least share of a picture that the other covers when it is laid on it


def find_near(images: np.ndarray, seed: int = 0, progress: bool = True) -> np.ndarray:
    """Find near duplicates, equal pixels among them.

    Args:
        images: uint8 (N, S, S, 3).
        seed: of the orders of the bits.
        progress: whether to show progress bars.

    Returns:
        The leader of each image: int64 (N,), an earlier row that leads itself, or the row itself. Images were compared
        with their leaders, or with images that first led them and then found a leader themselves.
    """
    leaders = find_exact(images, progress)
    rows = np.flatnonzero(leaders == np.arange(len(images)))  # equal pixels need no second look
    hashes, thumbnails = _describe(images, rows, progress)
    rng = np.random.default_rng(seed)
    looked_at = np.arange(len(rows))
    while len(looked_at):
        pairs = rows[looked_at[_pairs(hashes[looked_at], thumbnails[looked_at], rng, progress)]]
        followed = set()
        for earlier, later in tqdm(pairs, "Comparing pairs", unit=" pairs", disable=not progress):
            if leaders[later] == later:
                leader = leaders[earlier]  # settled: pairs come in the order of their later row
                if show_the_same(images[leader], images[later]):
                    leaders[later] = leader
                    followed.add(leader)
        leaders = leaders[leaders]
        # Not all of many takes of one picture are neighbours in a sorted list, so it may have several leaders by now.
        looked_at = np.flatnonzero(np.isin(rows, list(followed)))
    return leaders


def show_the_same(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two pictures, uint8 (S, S, 3), differ only in compression, brightness, contrast or a slight move."""
    one, other = _view(one), _view(other)
    return _agree(one, other, np.ones((SIDE, SIDE), bool)) or _agree(one, *_laid_on(one, other))


# --- which pairs to look at -------------------------------------------------------------------------------------------


def _describe(images: np.ndarray, rows: np.ndarray, progress: bool) -> tuple[np.ndarray, np.ndarray]:
    """Perceptual hashes of some rows, uint8 (M, 8), and their thumbnails, see `_thumbnail`."""
    wanted = np.zeros(len(images), bool)
    wanted[rows] = True
    hashes = np.empty((len(rows), 8), np.uint8)
    thumbnails = np.empty((len(rows), 3 * THUMBNAIL**2), np.float16)
    place = 0
    for start, pictures in chunks(images, "Hashing", progress):
        for picture in itertools.compress(pictures, wanted[start:]):  # one by one: a copy of large ones takes gigabytes
            small = fit(picture, SIDE)
            hashes[place] = np.packbits(imagehash.phash(Image.fromarray(small)).hash)
            thumbnails[place] = _thumbnail(small)
            place += 1
    return hashes, thumbnails


def _thumbnail(picture: np.ndarray) -> np.ndarray:
    """Float32 (48,): the picture at 4x4 pixels without its brightness and contrast; of length 1, or less if flat."""
    pixels = cv2.resize(picture, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
    pixels -= pixels.mean()
    return pixels / (max(pixels.std(), LEAST_CONTRAST) * np.sqrt(len(pixels)))


def _pairs(hashes: np.ndarray, thumbnails: np.ndarray, rng: np.random.Generator, progress: bool) -> np.ndarray:
    """The pairs to look at: int64 (P, 2), the earlier one first; ordered by the later one, the most alike first."""
    count = len(hashes)
    bits = np.unpackbits(hashes, axis=1)
    numbers = hashes.view(np.uint64).ravel()
    codes, distances = np.empty(0, np.int64), np.empty(0, np.float32)  # a pair as later * count + earlier
    for _ in tqdm(range(ORDERS), "Sorting hashes", disable=not progress):
        mixed = np.packbits(np.ascontiguousarray(bits[:, rng.permutation(64)]), axis=1)
        order = np.argsort(mixed.view(">u8").ravel(), kind="stable")
        for step in range(1, min(NEIGHBOURS + 1, count)):
            left, right = order[:-step], order[step:]
            near = np.bitwise_count(numbers[left] ^ numbers[right]) <= RADIUS
            left, right = left[near], right[near]
            distance = _distances(thumbnails, left, right)
            alike = distance <= 2 - 2 * LIKENESS
            left, right = left[alike], right[alike]
            codes = np.append(codes, np.maximum(left, right) * count + np.minimum(left, right))
            distances = np.append(distances, distance[alike])
        codes, distances = _most_alike(codes, distances, count)
    later, earlier = np.divmod(codes, max(count, 1))
    return np.column_stack([earlier, later])


def _distances(thumbnails: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Squared distances of thumbnails, float32: twice what their correlation lacks to 1 (0 for two flat ones)."""
    parts = range(0, len(left), 1 << 16)
    squares = [
        np.square(thumbnails[left[i : i + (1 << 16)]].astype(np.float32) - thumbnails[right[i : i + (1 << 16)]]).sum(1)
        for i in parts
    ]
    return np.concatenate([np.empty(0, np.float32), *squares])


def _most_alike(codes: np.ndarray, distances: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Each pair once, and of each later row the few most alike pairs; ordered by later row, then distance."""
    codes, places = np.unique(codes, return_index=True)
    distances, later = distances[places], codes // max(count, 1)
    order = np.lexsort((distances, later))
    codes, distances, later = codes[order], distances[order], later[order]
    rank = np.arange(len(later)) - np.searchsorted(later, later)
    return codes[rank < MOST_LIKE], distances[rank < MOST_LIKE]


# --- whether two pictures show the same -------------------------------------------------------------------------------


def _view(picture: np.ndarray) -> np.ndarray:
    """Float32 (32, 32, 3): luma and, further blurred, two chromas, around 0; what a recompression leaves as it is."""
    planes = cv2.cvtColor(fit(picture, SIDE), cv2.COLOR_RGB2YCrCb).astype(np.float32) - 128
    luma = cv2.GaussianBlur(planes[..., 0], (0, 0), LUMA_BLUR)
    return np.dstack([luma, cv2.GaussianBlur(planes[..., 1:], (0, 0), CHROMA_BLUR)])


def _laid_on(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`other` moved, turned and scaled so that its luma correlates best with that of `one`.

    Returns:
        Float32 (32, 32, 3), and where it covers `one`, bool (32, 32): nowhere if no such map was found.
    """
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 30, 1e-3)
    lumas = one[..., 0].copy(), other[..., 0].copy()
    try:
        _, move = cv2.findTransformECC(*lumas, np.eye(2, 3, dtype=np.float32), cv2.MOTION_AFFINE, stop, None, 1)
    except cv2.error:  # it does not converge, as on flat pictures
        return other, np.zeros((SIDE, SIDE), bool)
    linear = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(other, move, (SIDE, SIDE), flags=linear, borderMode=cv2.BORDER_REPLICATE)
    covered = cv2.warpAffine(np.ones((SIDE, SIDE), np.float32), move, (SIDE, SIDE), flags=linear)
    return moved, covered > 0.99


def _agree(one: np.ndarray, other: np.ndarray, covered: np.ndarray) -> bool:
    """Whether two views differ little in each place where they cover each other."""
    if covered.mean() < OVERLAP:
        return False
    brightness = [view[covered, 0].mean() for view in (one, other)]
    centred = [view - (level, 0, 0) for view, level in zip((one, other), brightness)]
    contrast = [max(np.sqrt(np.square(view[covered]).mean()), LEAST_CONTRAST) for view in centred]
    if abs(brightness[0] - brightness[1]) > BRIGHTER or max(contrast) / min(contrast) > STRONGER:
        return False
    squares = np.square(centred[0] / contrast[0] - centred[1] / contrast[1]).mean(-1) * covered
    return float(cv2.boxFilter(squares, -1, (WINDOW, WINDOW), borderType=cv2.BORDER_CONSTANT).max()) <= DIFFERENCE**2
