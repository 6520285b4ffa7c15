"""Which latents are meant: by the number of a sample, or by a file of latents such as `./dcgan invert` writes.

Sample number i of a seed is row i of the latents of that seed, however many are drawn: the numbers that
`./dcgan sample MODEL --numbers` draws on its grid.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from utils.errors import InputError
from utils.files import NO_ARRAY, digest, expanded
from utils.sampling import Sampler
from utils.text import from_here, shorten

MOST = 100_000
"""Samples are numbered below this."""
_DIGITS = 20  # of a number; Python refuses to read some thousands of digits


@dataclass(frozen=True)
class Stops:
    """Latents with what they were called.

    Attributes:
        latents: float32 (K, D).
        names: K words: "12" for a sample, "me 0" for row 0 of me.npy.
        files: SHA-256 of the files that they were read from, by their paths.
    """

    latents: np.ndarray
    names: tuple[str, ...]
    files: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.latents)


def is_stop(word: str) -> bool:
    """Whether a word can mean latents: the number of a sample, a file, or a row of a file ("me.npy:3")."""
    return word.isdecimal() or _file(word)[0].endswith(".npy")


def title_of(word: str) -> str:
    """What to call latents, or a picture, in the name of a folder: "12", or of a file where it lies, its name and the
    row: "me latents 0"."""
    path, row = _file(word)
    parts = [Path(path).parent.name, Path(path).stem, "" if row is None else str(row)]
    return " ".join(filter(None, parts))


def is_there(word: str) -> bool:
    """Whether a word names a file of latents that exists, or a row of one."""
    return is_stop(word) and os.path.isfile(expanded(_file(word)[0]))  # pathlib's raises where a name is too long


def find_stops(sampler: Sampler, words: Sequence[str], seed: int = 0) -> Stops:
    """The latents that words mean.

    Args:
        sampler: of the generator that will draw them.
        words: numbers of samples, and files of latents (.npy, float (K, D)), with ":ROW" for one row.
        seed: of the samples.

    Raises:
        InputError: a word that means nothing, or a file that holds no latents of this generator.
    """
    latents, names, files = [], [], {}
    numbers = [word for word in words if word.isdecimal()]
    if beyond := [word for word in numbers if len(word) > _DIGITS or int(word) >= MOST]:
        raise InputError(f"Samples are numbered from 0 to {MOST - 1:,}. Received: {shorten(beyond[0], 100)}.")
    largest = max(map(int, numbers), default=-1)
    samples = sampler.make_latents(largest + 1, seed) if largest >= 0 else None  # once for all of them
    for word in words:
        if word.isdecimal():
            number = int(word)
            latents.append(samples[number : number + 1])
            names.append(str(number))
        elif is_stop(word):
            path, row = _file(word)
            found = read_latents(path, sampler.latent_dim)
            files[str(expanded(path).resolve())] = digest(expanded(path))
            if row is not None and row >= len(found):
                raise InputError(f"{path} holds {len(found)} latents, numbered from 0. Received: {word}.")
            rows = range(len(found)) if row is None else [row]
            latents.append(found[rows])
            names += [f"{Path(path).stem} {row}" for row in rows]
        else:
            raise InputError(
                f"Latents are named by the number of a sample, such as 12, or by a file such as latents.npy or "
                f"latents.npy:3 for its row 3. Received: {shorten(word, 100)!r}."
            )
    return Stops(np.concatenate(latents), tuple(names), files)


def read_latents(path: str | Path, latent_dim: int) -> np.ndarray:
    """Read latents from an .npy file: float32 (K, latent_dim).

    Raises:
        InputError: there is no such file, or it holds something else.
    """
    path = expanded(path)
    if not path.is_file():
        raise InputError(f"There is no file {from_here(path)}.")
    try:
        latents = np.load(path, mmap_mode="r", allow_pickle=False)  # a header may promise more than memory holds
    except NO_ARRAY as error:
        raise InputError(f"{from_here(path)} should be an .npy file of latents, but cannot be read: {error}") from error
    fits = isinstance(latents, np.ndarray) and latents.dtype.kind == "f" and latents.ndim == 2 and len(latents)
    if not fits or latents.shape[1] != latent_dim or not np.isfinite(latents).all():
        received = f"{latents.dtype} {latents.shape}" if isinstance(latents, np.ndarray) else "several arrays"
        raise InputError(
            f"{from_here(path)} should hold finite latents of this generator, float (K, {latent_dim}); were they made "
            f"with another model? Received: {received}."
        )
    return np.array(latents, np.float32)


def _file(word: str) -> tuple[str, int | None]:
    """The file and the row that a word names."""
    path, colon, row = word.rpartition(":")
    return (path, int(row)) if colon and row.isdecimal() and len(row) <= _DIGITS else (word, None)
