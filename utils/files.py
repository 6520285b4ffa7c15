"""Files that appear whole or not at all, and locks between processes."""

import contextlib
import errno
import fcntl
import glob
import hashlib
import json
import lzma
import os
import platform
import shutil
import signal
import struct
import tempfile
import threading
import time
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from utils.errors import InputError

DAMAGED_ZIP = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, ValueError, OverflowError, RuntimeError),
    OSError,
)
"""What reading a damaged zip may raise: RuntimeError where it is locked by a password or packed in an odd way, OSError
where it leads to a place before the file's beginning."""
NO_ARRAY = (*DAMAGED_ZIP, SyntaxError, tokenize.TokenError, MemoryError)
"""What NumPy may raise of a file that is no .npy or .npz: also what Python's parser does, since a header is Python's
text (the parser calls deep nesting a lack of memory)."""
_UNFINISHED = ".unfinished-"  # how the names of files begin that are being written
_ABANDONED = 3600  # seconds without a new byte after which nobody is still writing a folder of such a name


def is_the_systems(error: BaseException | None) -> bool:
    """Whether an error is the system's word on a place, such as a disk that fails, and none on what a file holds.

    An OSError without a number is none of the system's; its EINVAL is a place in the file that cannot be.
    """
    return isinstance(error, OSError) and error.errno not in (None, errno.EINVAL)


def save_array(path: str | Path, array) -> None:
    """Write a NumPy array as .npy. NumPy's own way loses what the system says where a disk is full.

    Raises:
        OSError: with its number.
    """
    import numpy as np  # of most that use this module nothing needs it

    with open(path, "wb") as file:
        header = np.lib.format.header_data_from_array_1_0(np.ascontiguousarray(array))
        np.lib.format.write_array_header_1_0(file, header)
        file.write(np.ascontiguousarray(array))


def expanded(path: str | Path) -> Path:
    """A path with its ~ written out; as it was typed where there is no such user, for which pathlib would raise."""
    return Path(os.path.expanduser(path))


def make_folder(path: str | Path) -> Path:
    """Make a folder, and those above it, unless it is there.

    Raises:
        OSError: it cannot be made; PermissionError where the system allows nothing there.
    """
    with _of_place(path):
        Path(path).mkdir(parents=True, exist_ok=True)
    return Path(path)


def expect_writable(path: str | Path) -> None:
    """Find out whether a file or folder can be written, before time is spent on what is to be in it. Nothing is left.

    Raises:
        OSError: it cannot; as `make_folder`.
    """
    with _of_place(path):
        there = Path(path).absolute()
        there = there if there.is_dir() else there.parent
        while not os.path.lexists(there):
            there = there.parent
        with tempfile.TemporaryFile(dir=there):
            pass


def expect_folder(path: str | Path | None, option: str = "--out") -> None:
    """Refuse a file where a folder is meant, before time is spent on what is to be in it. None is no place.

    Raises:
        InputError: something is there that is no folder; the message names the option.
    """
    if path is not None and os.path.lexists(path) and not Path(path).is_dir():
        raise InputError(f"{option} must be a folder. Received: {path}, which is a file.")


@contextlib.contextmanager
def _of_place(path: str | Path) -> Iterator[None]:
    """Errors of the system name the path. No file is missing where one is to be made: /proc only says so."""
    try:
        yield
    except OSError as error:
        code = errno.EPERM if error.errno == errno.ENOENT else error.errno
        raise OSError(code, os.strerror(code), str(path)) from error


@contextlib.contextmanager
def appears_whole(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; when the block ends well it takes the place of `path` in one step.

    The temporary file keeps the suffix of `path`, so writers that choose a format by suffix work. When the block fails,
    or the process dies, `path` is as it was. The content is forced to disk before the rename, so that a machine that is
    switched off does not leave an empty file under the final name, and the folder after it, so that what is done next
    (removing an older file) cannot reach the disk before.

    Args:
        path: the file to write; its folder is made if need be.

    Yields:
        The path to write to.
    """
    path = Path(path)
    make_folder(path.parent)
    with _of_place(path):
        handle, name = tempfile.mkstemp(prefix=_unfinished(path), suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp's 0600 would hide a run from its owner's group
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
        _force(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _unfinished(path: Path) -> str:
    """How the temporary names of a file begin; a long one would become too long."""
    return f"{_UNFINISHED}{path.stem[:40]}-"


@contextlib.contextmanager
def appear_together(folder: str | Path, instead_of: Iterable[str] = ()) -> Iterator[Path]:
    """Give an empty folder; when the block ends well, all that is in it takes the places of its names in `folder`.

    Until then `folder` is as it was, and it stays so when the block fails or the process is killed. The last step are a
    few renames, which Ctrl-C and SIGTERM wait for: only a kill within a millisecond could part them. If one of them
    fails, those before it are taken back. What else is in `folder` is not touched.

    Args:
        folder: where the files and folders are to be; it is made if need be. What it has by their names is removed.
        instead_of: names of what is removed with it, whether there is anything new of that name or not.

    Yields:
        The folder to write to.
    """
    folder = make_folder(folder)
    for left in folder.glob(f"{_UNFINISHED}*"):  # by a process that was killed, unless another is writing here now
        with contextlib.suppress(OSError):  # it is gone: another process cleans here, too
            if left.is_dir() and time.time() - _last_written(left) > _ABANDONED:
                shutil.rmtree(left, ignore_errors=True)
    with _of_place(folder):
        made = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=folder))
    moved: list[tuple[Path, Path]] = []
    try:
        yield made
        names = sorted(path.name for path in made.iterdir())
        former = [name for name in sorted({*names, *instead_of}) if os.path.lexists(folder / name)]
        before = make_folder(made / _UNFINISHED)
        moves = [(folder / name, before / name) for name in former] + [(made / name, folder / name) for name in names]
        with _uninterrupted():
            try:
                for source, target in moves:
                    source.replace(target)
                    moved.append((source, target))
            except BaseException:
                while moved:
                    source, target = moved[-1]
                    target.replace(source)
                    moved.pop()
                raise
        moved.clear()
        _force(folder)
    finally:
        if not moved:  # else what could not be put back is in there
            shutil.rmtree(made, ignore_errors=True)


def _last_written(folder: Path) -> float:
    """When anything in a folder or below was last written. Its own time tells of new names in it alone."""
    return max(path.lstat().st_mtime for path in (folder, *folder.rglob("*")))


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Signals that would end the process are answered when the block has ended."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread may handle signals
        yield
        return
    came: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda number, _: came.append(number)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in came:
            signal.raise_signal(number)


def _force(folder: Path) -> None:
    """Force to disk which names a folder has."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):  # some network disks do not offer it
            raise
    finally:
        os.close(handle)


def force(path: str | Path) -> None:
    """Force to disk what was written to a file that grows, if it is there."""
    with contextlib.suppress(FileNotFoundError), Path(path).open("rb") as file:
        os.fsync(file.fileno())


def remove_unfinished(places: Iterable[str | Path]) -> None:
    """Remove what writers that were killed left of these files, and of all files in these folders and below.

    Args:
        places: files that `appears_whole` writes, and folders of such; nobody else may be writing them.
    """
    for place in map(Path, places):
        if place.is_dir():
            left = place.rglob(f"{_UNFINISHED}*")
        else:
            left = place.parent.glob(f"{glob.escape(_unfinished(place))}*{glob.escape(place.suffix)}")
        for path in list(left):
            path.unlink(missing_ok=True)


def digest(file: str | Path) -> str:
    """The SHA-256 of a file, in hex digits: so that what was found out of it is not taken for that of another."""
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()


def names_in(folder: str | Path) -> list[str]:
    """What is in a folder, sorted; [] if it is not there. Hidden names are left out: a system puts such everywhere, and
    writers that were killed leave them."""
    folder = Path(folder)
    return sorted(path.name for path in folder.iterdir() if path.name[0] != ".") if folder.is_dir() else []


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8; the file appears whole or not at all.

    Bytes of file names that are no UTF-8 are written as escapes (\\udcff), which JSON reads back as they were.
    """
    with appears_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: str | Path, value: object) -> None:
    """Write `value` as readable JSON; the file appears whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: str | Path):
    """Read a JSON file.

    Raises:
        ValueError: it is no JSON, no UTF-8, or nested without end.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def read_object(path: str | Path) -> dict:
    """Read a JSON file that holds an object.

    Raises:
        InputError: it is not there, is no JSON, or holds something else.
    """
    try:
        value = read_json(path)
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing: take it from a copy.") from error
    except ValueError as error:
        raise InputError(f"{path} is not readable JSON: {error}.") from error
    if not isinstance(value, dict):
        raise InputError(f"{path} should be a JSON object. Received: {type(value).__name__}.")
    return value


_CONTENTION = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)  # the last where flock is made from fcntl's locks (NFS)
_PATIENCE = 0.2  # seconds: whoever only asks whether a lock is free holds it for a moment


@contextlib.contextmanager
def locked(path: str | Path, taken: Callable[[], None], say: Callable[[str], None]) -> Iterator[None]:
    """Hold a lock that one process can hold at a time; the system frees it when the process ends, however it ends.

    Args:
        path: the file of the lock; it is made if need be and stays.
        taken: is called when another process holds it. If it raises, that is the end; else the lock is waited for.
        say: is told if the file system has no such locks (some network disks). The block is then run without one.
    """
    with Path(path).open("a") as file:
        until = time.monotonic() + _PATIENCE
        free = _try(file, fcntl.LOCK_EX)
        while free is False and time.monotonic() < until:
            time.sleep(0.01)
            free = _try(file, fcntl.LOCK_EX)
        if free is False:
            taken()
            fcntl.flock(file, fcntl.LOCK_EX)
        elif free is None:
            say(f"The disk of {Path(path).parent} has no locks: see to it that only one process works there at a time.")
        file.truncate(0)
        file.write(f"{os.getpid()} {platform.node()}")  # for whoever wants to ask this process to stop
        file.flush()
        yield


def is_locked(path: str | Path) -> bool | None:
    """Whether a process holds a lock; None where the file system has no locks."""
    try:
        with Path(path).open() as file:
            free = _try(file, fcntl.LOCK_SH)
    except FileNotFoundError:
        return False
    return None if free is None else not free


def holder(path: str | Path) -> int | None:
    """The number of the process on this machine that holds a lock; None if none does, or one of another machine."""
    if not is_locked(path):
        return None
    number, _, machine = Path(path).read_text().partition(" ")
    return int(number) if number.isdecimal() and machine == platform.node() else None


def _try(file, kind: int) -> bool | None:
    """Take a lock if it is free, and say whether it was; None if there are no locks here."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in _CONTENTION else None
    return True
