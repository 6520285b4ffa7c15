"""Reads the weights that PyTorch saved, as arrays, without PyTorch and without running what a pickle asks for.

The files are those of `torch.save(model.state_dict(), …)` before PyTorch 1.6: pickles of a magic number, a version, the
byte order, the tensors (where each lies in which storage) and the storages' names, then each storage as its number of
values and their bytes.
"""

import io
import math
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from utils.errors import InputError

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
"""What such a file begins with."""
LARGEST = 1 << 28
"""Bytes that a file may have; all of it is held in memory."""


def read_torch_weights(path: str | Path) -> dict[str, np.ndarray]:
    """The tensors of a file, by name, in its order.

    Pickles are programs, so this one may call nothing: it may name a dictionary, PyTorch's way to rebuild a tensor and
    its kinds of storages, for which stand-ins are given that note what is asked for. Each tensor has to lie within its
    storage, and each storage within the file.

    Args:
        path: a file of at most `LARGEST` bytes.

    Returns:
        float32 and int64 arrays of their own memory.

    Raises:
        InputError: it is no such file, is damaged, or asks for anything else.
    """
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"it has more than {LARGEST:,} bytes")
        return _tensors(path.read_bytes())
    except Exception as error:  # whatever a pickle, which may hold anything, makes of the stand-ins
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{path} cannot be read as weights of PyTorch, of which nothing is run ({reason}): it must be the file "
            "that torch.save(model.state_dict(), …) wrote before PyTorch 1.6."
        ) from error


class _Kind(NamedTuple):
    """A kind of storage."""

    dtype: np.dtype


class _Storage(NamedTuple):
    """Values that a tensor takes its own from."""

    dtype: np.dtype
    key: str
    count: int


class _Tensor(NamedTuple):
    """Where a tensor lies in its storage, in values."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Rebuild:
    """What stands for torch._utils._rebuild_tensor_v2: notes what it is called with."""

    __slots__ = ()  # a pickle can change nothing of it

    def __call__(self, storage, offset, shape, strides, requires_grad, hooks, *rest) -> _Tensor:
        return _Tensor(storage, offset, shape, strides)


_ADMITTED = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _Rebuild(),
    ("torch", "FloatStorage"): _Kind(np.dtype("<f4")),
    ("torch", "LongStorage"): _Kind(np.dtype("<i8")),
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str):
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return _ADMITTED[module, name]

    def persistent_load(self, wanted) -> _Storage:
        what, kind, key, _, count, view = wanted
        if what != "storage" or type(kind) is not _Kind or not _is_count(count) or view is not None:
            raise pickle.UnpicklingError("a storage is of no known kind")
        return _Storage(kind.dtype, str(key), count)


def _tensors(content: bytes) -> dict[str, np.ndarray]:
    file = io.BytesIO(content)  # which gives no more than there is, whatever length a pickle claims
    magic, version, system = (_Unpickler(file).load() for _ in range(3))
    if (magic, version) != (MAGIC, VERSION) or system.get("little_endian") is not True:
        raise ValueError("it does not begin as such a file does")
    weights, keys = _Unpickler(file).load(), _Unpickler(file).load()
    tensors = dict(weights.items())
    for name, tensor in tensors.items():
        if type(name) is not str or type(tensor) is not _Tensor or type(tensor.storage) is not _Storage:
            raise ValueError("it holds something else than tensors")
    storages = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    if sorted(keys) != sorted(storages):
        raise ValueError("its tensors and its storages do not belong together")
    values = {key: _values(content, file, storages[key]) for key in keys}
    if file.tell() != len(content):
        raise ValueError("something follows its last storage")
    return {name: _array(name, tensor, values[tensor.storage.key]) for name, tensor in tensors.items()}


def _values(content: bytes, file: io.BytesIO, storage: _Storage) -> np.ndarray:
    """The values of the storage that comes next."""
    count = int.from_bytes(file.read(8), "little")
    start = file.tell()
    end = start + count * storage.dtype.itemsize
    if count != storage.count or end > len(content):
        raise ValueError(f"its storage {storage.key} is cut off")
    file.seek(end)
    return np.frombuffer(content, storage.dtype, count, start)


def _array(name: str, tensor: _Tensor, values: np.ndarray) -> np.ndarray:
    """A tensor from the values of its storage."""
    _, offset, shape, strides = tensor
    fits = (
        tensor.storage.count == len(values)
        and tensor.storage.dtype == values.dtype
        and type(shape) is type(strides) is tuple
        and len(shape) == len(strides)
        and all(map(_is_count, (offset, *shape, *strides)))
        and math.prod(shape) <= len(values)  # or a stride of 0 could ask for any number
        and (0 in shape or offset + sum((n - 1) * stride for n, stride in zip(shape, strides)) < len(values))
    )
    if not fits:
        raise ValueError(f"its tensor {name} does not lie within its storage")
    strided = np.lib.stride_tricks.as_strided(
        values[offset:], shape, [stride * values.itemsize for stride in strides], writeable=False
    )
    return np.array(strided, strided.dtype.newbyteorder("="), order="C")


def _is_count(value) -> bool:
    return type(value) is int and value >= 0
