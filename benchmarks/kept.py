"""What `quality_per_minute.py` keeps in its folder, where `quality_scores.py` finds it.

WORK/.lock                  held by the session that trains or measures there
WORK/<data>-<size>/         data.json, train.npy, held_out.npy
    <contender>/<seed>/     record.json, samples_<minutes>.npy and .png, scores.json, log.txt; networks_<minutes>/
"""

import hashlib
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.contenders import CONTENDERS, RECIPES, settings_of
from utils.data import load, scale_back
from utils.data.catalogue import check_asked, check_count, find_source, place_of
from utils.data.dedup.exact import digest_of
from utils.errors import InputError
from utils.evaluation.distances import LEAST_SAMPLES
from utils.files import appears_whole, expect_writable, locked, make_folder, read_json, write_json
from utils.runs import dataset_slug
from utils.viz import grid, write_png

GRID_SAMPLES = 64
LEAST_IMAGES = 256
"""To train on: the largest batch."""


@dataclass(frozen=True)
class Data:
    """Images to train on, and others to measure with, in a folder.

    Attributes:
        folder: holds train.npy, held_out.npy, both uint8 (N, S, S, 3), and data.json.
    """

    folder: Path

    @property
    def train(self) -> Path:
        return self.folder / "train.npy"

    @property
    def held_out(self) -> Path:
        return self.folder / "held_out.npy"

    @property
    def about(self) -> dict:
        """Name, size, title, fingerprint, how many there are, their split, and how they were stored before."""
        return read_json(self.folder / "data.json")

    def results(self) -> list["Result"]:
        """What is kept of contenders, in the order in which they are listed."""
        known = list(CONTENDERS)
        folders = [path.parent for path in self.folder.glob("*/*/record.json")]
        found = [Result(folder) for folder in folders if folder.name.isdecimal() and folder.parent.name in known]
        return sorted(found, key=lambda result: (known.index(result.name), result.seed))


def alone(work: str | Path, make: bool = True) -> AbstractContextManager[None]:
    """Keep other sessions out of a folder while one trains or measures there: they would write to the same files, and
    take cores from whoever trains.

    Args:
        work: the folder.
        make: whether to make it if need be, as who trains wants it.

    Raises:
        InputError: another session does already; or there is no such folder, and none is to be made.
        OSError: the folder cannot be made.
    """
    if not make and not Path(work).is_dir():
        raise InputError(f"There is no folder {work}: --work names the one that was trained in.")

    def taken() -> None:
        raise InputError(f"Another session works in {work}: wait for its end, or name another --work folder.")

    return locked(make_folder(work) / ".lock", taken, lambda sentence: print(sentence, file=sys.stderr))


def check_possible(
    name: str, size: int, work: str | Path, samples: int, count: int | None = None, data_dir: str | Path | None = None
) -> None:
    """Refuse what `set_apart` can be known to refuse before an image is read or drawn.

    Args:
        name, size, work, samples, count, data_dir: as for `set_apart`.

    Raises:
        InputError: there is no such dataset, or there are too few images.
        OSError: `work` cannot be written.
    """
    if samples < LEAST_SAMPLES:
        raise InputError(f"--samples must be at least {LEAST_SAMPLES}, which distances need. Received: {samples}.")
    check_asked(size, count)
    expect_writable(_data_of(name, size, work).folder / "data.json")
    source = find_source(name, size, count, data_dir=data_dir)
    check_count(source, count)
    _check_enough(name, count or source.describe().count, samples)


def set_apart(
    name: str, size: int, work: str | Path, samples: int, count: int | None = None, data_dir: str | Path | None = None
) -> Data:
    """Load images and set `samples` of them apart, always the same, drawn from all; what was set apart before is taken.
    Exact copies of those are not trained on: whoever learnt them by heart would seem to draw well.

    Args:
        name: a dataset, or the path of own pictures.
        size: side of the images in pixels.
        work: where to keep them; a folder for the data and the size is made in there.
        samples: how many to set apart.
        count: how many to load; all by default.
        data_dir: where datasets are.

    Raises:
        InputError: there are too few, or the folder holds others.
    """
    dataset, data = load(name, size, count, data_dir=data_dir), _data_of(name, size, work)
    _check_enough(name, len(dataset), samples)  # some may have been left out
    apart, rest = _without_copies(dataset.images, samples)
    _check_enough(name, samples + len(rest), samples)  # some may be copies
    about = {
        "name": place_of(name),
        "title": dataset.title,
        "size": size,
        "images": len(rest),
        "held_out": samples,
        "encoding": dataset.encoding,
        "split": dataset.split,
        "fingerprint": hashlib.sha256(f"{dataset.fingerprint} {samples} apart".encode()).hexdigest(),
    }
    if (data.folder / "data.json").is_file():
        if data.about["fingerprint"] != about["fingerprint"]:
            raise InputError(
                f"{data.folder} holds other images, or another number set apart ({data.about['images']:,} and "
                f"{data.about['held_out']:,}, here {about['images']:,} and {samples:,}): name another --work folder."
            )
        return data
    for path, rows in ((data.held_out, apart), (data.train, rest)):
        with appears_whole(path) as temporary:
            np.save(temporary, dataset.images[rows])
    write_json(data.folder / "data.json", about)  # the last: all is there
    return data


def _without_copies(images: np.ndarray, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to set apart, and of the others those whose images are no copies of them, in order."""
    order = np.random.default_rng(0).permutation(len(images))
    apart, rest = np.sort(order[:samples]), np.sort(order[samples:])
    known = {digest_of(images[row]) for row in apart}
    return apart, np.array([row for row in rest if digest_of(images[row]) not in known], int)


def _data_of(name: str, size: int, work: str | Path) -> Data:
    return Data(Path(work) / f"{dataset_slug(name)}-{size}")


def _check_enough(name: str, there: int, samples: int) -> None:
    if there < samples + max(samples, LEAST_IMAGES):
        raise InputError(
            f"{samples:,} images are set apart, and as many (at least {LEAST_IMAGES}) must be left to train on. "
            f"Received: {name} with {there:,}; use fewer --samples."
        )


@dataclass(frozen=True)
class Result:
    """What one contender made of one dataset with one seed.

    Attributes:
        folder: DATA/CONTENDER/SEED; holds record.json, and the samples of each mark as uint8 .npy and as a grid.
    """

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.parent.name

    @property
    def seed(self) -> int:
        return int(self.folder.name)

    @property
    def record(self) -> dict:
        return read_json(self.folder / "record.json")

    def samples(self, minutes: float) -> Path:
        return self.folder / f"samples_{minutes:g}.npy"

    def networks(self, minutes: float) -> Path:
        return self.folder / f"networks_{minutes:g}"

    def clear(self) -> None:
        """Remove what an earlier training left."""
        for pattern in ("record.json", "scores.json", "drawn_*", "samples_*.npy", "samples_*.png"):
            for path in self.folder.glob(pattern):
                path.unlink()
        for path in self.folder.glob("networks_*"):
            shutil.rmtree(path)

    def is_whole(self, marks: Sequence[float], samples: int, fingerprint: str, networks: bool | None = False) -> bool:
        """Whether all these marks are kept already, of so many samples each. A mark whose samples are gone is not.

        Args:
            marks: in minutes.
            samples: at each.
            fingerprint: of the data.
            networks: whether the networks of each mark are wanted, too, of contenders that keep any.

        Raises:
            InputError: something is kept, of a contender of that name with other settings, or of other data; or of
                marks, or networks, that training anew for these would lose.
        """
        if not (self.folder / "record.json").is_file():
            return False
        record = self.record
        now = {"settings": settings_of(self.name, record["size"]), "data": fingerprint}
        if other := [what for what, value in now.items() if record[what] != value]:
            raise InputError(
                f"{self.folder} was trained with other {' and '.join(other)} than {self.name} has now: remove that "
                "folder, or name another --work folder."
            )
        kept = {mark["minutes"] for mark in record["marks"] if self.samples(mark["minutes"]).is_file()}
        saved = {minutes for minutes in kept if (self.networks(minutes) / "averaged.keras").is_file()}
        whole = saved if networks and self.name in RECIPES else kept
        if record["samples_count"] >= samples and whole >= set(marks):
            return True
        if saved and not networks:
            raise InputError(
                f"{self.folder} holds networks of {_listed(saved)} minutes, which training anew without --networks "
                "would remove: add --networks, or name another --work folder."
            )
        if lost := kept - set(marks):
            raise InputError(
                f"{self.folder} holds what was drawn after {_listed(lost)} minutes, which training anew for "
                f"{_listed(marks)} would remove: ask for all of them (--minutes {_listed(kept | set(marks))}), or name "
                "another --work folder."
            )
        return False

    def keep(self, minutes: float, images: np.ndarray, state: dict, record: dict) -> None:
        """Keep what was drawn at a mark: float32 (N, S, S, 3) in [-1, 1], and how the contender stood."""
        pixels = scale_back(images)
        with appears_whole(self.samples(minutes)) as temporary:
            np.save(temporary, pixels)
        write_png(self.samples(minutes).with_suffix(".png"), grid(pixels[:GRID_SAMPLES]))
        record["marks"].append({"minutes": minutes, **state, "load": round(os.getloadavg()[0], 2)})
        write_json(self.folder / "record.json", record)


def _listed(marks: Iterable[float]) -> str:
    return " ".join(f"{minutes:g}" for minutes in sorted(marks))
