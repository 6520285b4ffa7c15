"""Two runs compared bit by bit."""

import io
import shutil
from pathlib import Path
from zipfile import ZipFile

import h5py
import numpy as np

from utils.runs import Run


def contents(run: Run) -> dict:
    """Every file whose bits a run decides; a .keras file is a zip with times in it, so its weights stand for it."""
    files = {
        str(path.relative_to(run.folder)): path.read_bytes()
        for path in sorted(run.folder.rglob("*"))
        if path.suffix in (".jsonl", ".png", ".npy", ".mp4") or path.name == "experiment.json"
    }
    for path in sorted(run.folder.rglob("*.keras")):
        files |= {f"{path.relative_to(run.folder)} {name}": bits for name, bits in weights_in(path).items()}
    newest = max((run.folder / "checkpoints").iterdir())
    with np.load(newest) as file:
        files |= {f"{newest.name} {name}": file[name].tobytes() for name in file.files if name != "state"}
    return files


def weights_in(path: Path) -> dict[str, bytes]:
    """The bits of each weight in a .keras file, by its place there."""
    found = {}
    with ZipFile(path) as model, h5py.File(io.BytesIO(model.read("model.weights.h5"))) as file:
        file.visititems(lambda name, node: found.update({name: node[()].tobytes()} if hasattr(node, "dtype") else {}))
    return found


def killed_late(run: Run, folder: Path) -> Run:
    """A copy of a run, in a folder of runs, as if it had been killed behind the checkpoint before its last."""
    copy = Run(shutil.copytree(run.folder, folder / run.folder.parent.name / run.folder.name))
    max(copy.checkpoints.glob("*.npz")).unlink()
    return copy


def assert_same_contents(one: Run, other: Run) -> None:
    a, b = contents(one), contents(other)
    assert a.keys() == b.keys()
    assert [name for name in a if a[name] != b[name]] == []
