"""Anime faces from Kaggle: splcher/animefacedataset (63,632, of many sizes) or soumikrakshit/anime-faces (21,551)."""

import dataclasses
import hashlib
from pathlib import Path

from utils.data.dataset import Description
from utils.data.folder import Folder

FOLDERS = ("images", "data/data", "data")  # as the first calls its, and the second, whose archive holds all twice
TOLERATED = 0.5  # share that may be too small


class Anime(Folder):
    """All pictures in `<data_dir>/anime/images/` (or `data/data/` or `data/`), in the order of the hashes of their
    paths; see `Folder`.

    Their names are numbers that rise with the years of the drawings: in their order the last, which are measured
    against where a training takes the first, would be of few years. They are cut out by a detector, at whatever size it
    found a face. So at sizes such as 64 many may be too small; they are skipped, as everywhere.

    Args:
        size: side of the images to give; pictures with a shorter side are skipped.
        data_dir: where datasets live.
        split: "train", the only one.
    """

    cure = ""

    def __init__(self, size: int, data_dir: str | Path, split: str = "train"):
        home = Path(data_dir) / "anime"
        super().__init__(next((home / name for name in FOLDERS if (home / name).exists()), home), size, rules=1)
        self.tolerated = TOLERATED
        self.names.sort(key=lambda name: hashlib.sha256(name.encode(errors="surrogateescape")).digest())
        self.classes = []  # sub-folders, should there be any, say nothing about the pictures

    @staticmethod
    def available(data_dir: str | Path) -> tuple[str, ...]:
        """The one split, if its folder is there."""
        return ("train",) if any((Path(data_dir) / "anime" / name).exists() for name in FOLDERS) else ()

    def describe(self) -> Description:
        described = super().describe()
        identity = described.identity | {"order": "hashes of the paths"}
        return dataclasses.replace(described, title="anime faces", identity=identity)
