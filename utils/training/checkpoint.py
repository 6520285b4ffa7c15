"""Checkpoints: one file holds everything that an update changes, so that a training can go on bit for bit."""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from utils.errors import InputError
from utils.files import appears_whole
from utils.text import one_line

KEPT = 2
"""Newest checkpoints that stay on disk: the last, and one more in case the disk loses it."""


def save(
    folder: str | Path, update: int, variables: dict[str, keras.Variable], state: dict, kept: int = KEPT
) -> Path | None:
    """Write a checkpoint, then remove old ones, and those of later updates, which the training has gone back behind.

    Args:
        folder: where checkpoints are.
        update: updates done so far.
        variables: all that training changes, by name.
        state: plain JSON values to keep with them.
        kept: newest checkpoints that stay.

    Returns:
        The file, or None if a weight is not finite: such a checkpoint would be of no use, and the last good ones stay.
    """
    values = {name: np.asarray(variable) for name, variable in variables.items()}
    if not all_finite(values):
        return None
    path = Path(folder) / f"update_{update:08d}.npz"
    with appears_whole(path) as temporary, temporary.open("wb") as file:
        state = {"update": update} | state | {"checksum": _checksum(values)}
        np.savez(file, state=np.array(json.dumps(state)), **values)
    there = _files(folder)
    later = [file for file in there if _update(file) > update]
    for other in (*later, *there[len(later) + kept :]):
        other.unlink(missing_ok=True)
    return path


def all_finite(variables: dict[str, keras.Variable | np.ndarray]) -> bool:
    """Whether no weight is infinite or not a number."""
    values = map(np.asarray, variables.values())
    return all(np.isfinite(value).all() for value in values if np.issubdtype(value.dtype, np.floating))


def restore(
    folder: str | Path,
    variables: dict[str, keras.Variable],
    say: Callable[[str], None],
    lacks: Callable[[dict], str] = lambda state: "",
) -> dict | None:
    """Put the newest checkpoint that can be read into the variables.

    Args:
        folder: where checkpoints are.
        variables: as in `save`; all of them are set, or none.
        say: told when a checkpoint cannot be read and the one before is taken.
        lacks: says what else is missing to go on from a checkpoint with this state; "" if nothing is.

    Returns:
        The state that was saved, with "update"; None if there is no checkpoint.

    Raises:
        InputError: the checkpoint belongs to other networks.
    """
    for path in _files(folder):
        try:
            state, values = _read(path)
            if missing := lacks(state):
                raise ValueError(missing)
        except MemoryError:
            raise
        except Exception as error:  # a damaged archive fails in as many ways as it has fields
            say(f"Checkpoint {path.name} cannot be used ({one_line(str(error))}); looking for the one before.")
            continue
        odd = sorted(
            name
            for name in values.keys() | variables.keys()
            if name not in values or name not in variables or values[name].shape != tuple(variables[name].shape)
        )
        if odd:
            raise InputError(f"Checkpoint {path} does not fit the networks of experiment.json; differing: {odd[:3]}.")
        for name, variable in variables.items():
            variable.assign(values[name])
        return state
    if _files(folder):
        say(f"None of the checkpoints in {Path(folder).name}/ can be used.")
    return None


def _read(path: Path) -> tuple[dict, dict[str, np.ndarray]]:
    """The state and the arrays of a checkpoint.

    Raises:
        ValueError: it does not hold what was written; zipfile and NumPy raise much else.
    """
    with np.load(path, allow_pickle=False) as file:
        values = {name: file[name] for name in file.files}
    state = json.loads(str(values.pop("state")))
    if state.pop("checksum", None) not in (None, _checksum(values)):  # None in those of earlier versions
        raise ValueError("its checksum is not that of its arrays")
    return state, values


def _checksum(values: dict[str, np.ndarray]) -> str:
    """A digest of all arrays with their names, kinds and shapes, which the archive's own checksums say nothing of."""
    digest = hashlib.sha256()
    for name in sorted(values):
        array = np.ascontiguousarray(values[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def latest(folder: str | Path) -> int | None:
    """Updates done at the newest checkpoint, or None."""
    files = _files(folder)
    return _update(files[0]) if files else None


def _update(file: Path) -> int:
    return int(file.stem.split("_")[1])


def _files(folder: Path) -> list[Path]:
    """Checkpoints, newest first."""
    folder = Path(folder)
    if not folder.is_dir():
        return []
    return sorted((f for f in folder.iterdir() if re.fullmatch(r"update_\d{8,}\.npz", f.name)), reverse=True)
