"""Precision and recall of de-duplication on planted duplicates, per kind and method.

    python -m benchmarks.dedup [--size 32] [--count 10000] [--data FILE_OR_FOLDER ...] [--groups FOLDER] [--json]

Copies of some images, changed in one of seven ways, are appended to a dataset. A copy is found if it is put with its
own image; it is wrong if it is put with another. Images of the dataset itself that are removed count as false
positives. Those of the built-in datasets surely are: all are drawn by themselves. Those of real pictures may be true
duplicates, so that precision is at least what is printed; `--groups` draws them, to be judged by eye.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.sentences import at_least_one, at_least_zero, in_a_sentence
from utils.data import Dataset, load
from utils.data.dedup import METHODS, Duplicates, draw_groups, find_duplicates
from utils.errors import InputError
from utils.tables import table


def recompressed(quality: int):
    """A function that sends uint8 (S, S, 3) through JPEG, with the usual halved resolution of colours."""

    def change(picture: np.ndarray) -> np.ndarray:
        _, packed = cv2.imencode(".jpg", picture[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, quality))
        return cv2.imdecode(packed, cv2.IMREAD_COLOR)[..., ::-1]

    return change


def brightened(factor: float):
    """A function that multiplies uint8 (S, S, 3) by a factor."""
    return lambda picture: np.clip(np.rint(picture * np.float32(factor)), 0, 255).astype(np.uint8)


def shifted(picture: np.ndarray) -> np.ndarray:
    """One pixel to the right; the edge is repeated."""
    return np.concatenate([picture[:, :1], picture[:, :-1]], axis=1)


def cropped(picture: np.ndarray) -> np.ndarray:
    """The centre 90%, resized back."""
    side = len(picture)
    margin = 0.05 * side + 0.45 - 0.5  # OpenCV counts from the centre of the first pixel
    zoom = np.array([[0.9, 0, margin], [0, 0.9, margin]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(picture, zoom, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)


KINDS = {
    "identical": np.copy,
    "JPEG 75": recompressed(75),
    "JPEG 50": recompressed(50),
    "+10%": brightened(1.1),
    "-10%": brightened(0.9),
    "1 pixel": shifted,
    "crop 90%": cropped,
}


def plant(images: np.ndarray, copies: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Append changed copies to images; no image is copied twice.

    Returns:
        Uint8 (N + kinds * copies, S, S, 3), the copies kind by kind; and the row that each was made of.

    Raises:
        InputError: there are fewer images than copies.
    """
    if len(KINDS) * copies > len(images):
        raise InputError(
            f"{len(KINDS)} kinds of {copies:,} copies take {len(KINDS) * copies:,} different images. Received: "
            f"{len(images):,}; use --copies {len(images) // len(KINDS):,} at most, or more images (--count)."
        )
    rows = np.random.default_rng(seed).choice(len(images), len(KINDS) * copies, replace=False)
    made = [change(images[row]) for change, part in zip(KINDS.values(), np.split(rows, len(KINDS))) for row in part]
    return np.concatenate([images, made]), rows


def judge(found: Duplicates, made_of: np.ndarray) -> dict:
    """Recall and precision of each kind, and what was removed beside the copies."""
    leaders = np.arange(found.count)
    for group in found.groups:
        leaders[group] = group[0]
    originals = found.count - len(made_of)
    copies = np.arange(originals, found.count)
    removed = leaders[copies] != copies
    right = leaders[copies] == leaders[made_of]
    per_kind = [np.split(a, len(KINDS)) for a in (removed & right, removed & ~right)]
    false = int((leaders[:originals] != np.arange(originals)).sum())
    return {
        "recall": {kind: float(hits.mean()) for kind, hits in zip(KINDS, per_kind[0])},
        "wrong": {kind: int(wrong.sum()) for kind, wrong in zip(KINDS, per_kind[1])},
        "originals": originals,
        "originals removed": false,
        "precision": float((removed & right).sum() / max(1, removed.sum() + false)),
    }


def among_originals(found: Duplicates, originals: int) -> Duplicates:
    """The duplicates without the copies."""
    groups = [group[group < originals] for group in found.groups]
    groups = tuple(group for group in groups if len(group) > 1)
    gone = np.concatenate([np.empty(0, np.int64), *[group[1:] for group in groups]])
    return Duplicates(found.method, np.setdiff1d(np.arange(originals), gone), groups, originals, found.settings)


def datasets(options: argparse.Namespace) -> Iterator[Dataset]:
    """The datasets to try, as named by the options."""
    for name in options.data or ("faces", "house_numbers"):
        yield load(name, options.size, data_dir=options.data_dir, progress=False)


def measure(dataset: Dataset, method: str, options: argparse.Namespace) -> dict:
    """Plant copies in a dataset, look for duplicates, and judge what was found."""
    images, made_of = plant(dataset.images[: options.count], options.copies, options.seed)
    began = time.perf_counter()
    found = find_duplicates(images, method, options.seed, progress=False)
    seconds = time.perf_counter() - began
    natural = among_originals(found, len(images) - len(made_of))
    if options.groups and natural.groups:
        path = options.groups / f"{Path(dataset.name).stem}-{options.size}-{method}.png"
        draw_groups(images, natural, path)
    return {"dataset": Path(dataset.name).stem, "method": method, **judge(found, made_of), "seconds": seconds}


@in_a_sentence
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", help="datasets, folders, .npy or .npz files; else both built-in ones")
    parser.add_argument("--size", type=at_least_one, default=32, help="side of the images")
    parser.add_argument("--count", type=at_least_one, default=10_000, help="images of each dataset")
    parser.add_argument("--copies", type=at_least_one, default=250, help="planted copies of each kind")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--seed", type=at_least_zero, default=0)
    parser.add_argument("--data-dir", help="folder of the datasets; data/ by default")
    parser.add_argument("--groups", type=Path, help="folder for pictures of the originals that were removed")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    results = [measure(dataset, method, options) for dataset in datasets(options) for method in options.methods]
    if options.json:
        print(json.dumps({"copies": options.copies, "size": options.size, "rows": results}, indent=2))
        return
    rows = [
        {
            "dataset": r["dataset"],
            "method": r["method"],
            **{kind: f"{recall:.2f}" for kind, recall in r["recall"].items()},
            "wrong": sum(r["wrong"].values()),
            "originals removed": r["originals removed"],
            "precision": f"{r['precision']:.4f}",
            "seconds": f"{r['seconds']:.0f}",
        }
        for r in results
    ]
    print(f"Recall of {options.copies} planted copies of each kind; images of {options.size} pixels.\n" + table(rows))


if __name__ == "__main__":
    sys.exit(main())
