"""Two runs compared bit by bit."""

import numpy as np

from utils.models import load_network
from utils.runs import Run


def contents(run: Run) -> dict:
    """Every file whose bits a run decides; a .keras file is a zip with times in it, so its weights stand for it."""
    files = {
        str(path.relative_to(run.folder)): path.read_bytes()
        for path in sorted(run.folder.rglob("*"))
        if path.suffix in (".jsonl", ".png", ".npy") or path.name == "experiment.json"
    }
    for name in ("generator", "discriminator"):
        for i, weights in enumerate(load_network(run.model(name)).get_weights()):
            files[f"{name} {i}"] = weights.tobytes()
    newest = max((run.folder / "checkpoints").iterdir())
    with np.load(newest) as file:
        files |= {f"{newest.name} {name}": file[name].tobytes() for name in file.files if name != "state"}
    return files


def assert_same_contents(one: Run, other: Run) -> None:
    a, b = contents(one), contents(other)
    assert a.keys() == b.keys()
    assert [name for name in a if a[name] != b[name]] == []
