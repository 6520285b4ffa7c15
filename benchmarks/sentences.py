"""How a benchmark ends that cannot do what it was asked: with one sentence on standard error and exit code 2; or 1
where it is a process that it has started that has failed. One that is asked to end by a signal ends what it has begun.

Nothing of the project is imported at the top: that switches oneDNN on, and `train_step` measures TensorFlow without it.
"""

import argparse
import contextlib
import errno
import functools
import math
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

EXTRAS = {"atheris": "atheris", "playwright": "playwright", "ray": "'ray[train]'", "torch": "torch", "lmdb": "'lmdb<4'"}
"""Packages without which the other benchmarks go on, and what to ask pip for."""
ENDING = (signal.SIGTERM, signal.SIGHUP)
"""Signals that ask a process to end, and by themselves would end it on the spot."""
_FULL = (errno.ENOSPC, errno.EDQUOT, None)  # NumPy tells of a full disk without a number


class ChildFailed(Exception):
    """A process of `./dcgan` that a benchmark has started ended badly; the message is one sentence.

    Args:
        command: what was run, as `utils.start.command("utils", ...)` gives it.
        code: its exit code, or minus the number of the signal that ended it.
        said: what it wrote to standard error.

    Attributes:
        exit_code: of the benchmark: 2 where the process refused what it was given, as `./dcgan` does; else 1.
    """

    def __init__(self, command: Sequence[str], code: int, said: str):
        from utils import start, text

        words = text.command(*command[len(start.command("utils")) :])
        super().__init__(f"{words} ended with code {code}: {last_line(said) or 'it said nothing'}")
        self.exit_code = 2 if code == 2 else 1


def last_line(said: str) -> str:
    """The last line that is not blank; "" if there is none."""
    return next((line for line in reversed(said.splitlines()) if line.strip()), "")


def in_a_sentence(main: Callable) -> Callable[..., int]:
    """The `main` of a benchmark, giving its exit code: 2, without a traceback, for what `sentence_of` has words for
    (and of a `ChildFailed` its own). A signal of `ENDING` ends it with 128 and the signal's number."""

    @functools.wraps(main)
    def ending(*arguments) -> int:
        try:
            with _signals_unwind():
                return main(*arguments) or 0
        except Exception as error:
            if not (sentence := sentence_of(error)):
                raise
            print(sentence, file=sys.stderr)
            return error.exit_code if isinstance(error, ChildFailed) else 2

    return ending


@contextlib.contextmanager
def _signals_unwind() -> Iterator[None]:
    """While it lasts, signals of `ENDING` raise `SystemExit`, so that every `finally` runs: processes that were started
    are ended, and temporary folders go.

    A signal that is ignored (`nohup`) or answered already stays so. Only the main thread can answer any.
    """

    def stop(number, _frame) -> None:
        raise SystemExit(128 + number)

    ours = ENDING if threading.current_thread() is threading.main_thread() else ()
    ours = [number for number in ours if signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def sentence_of(error: Exception) -> str | None:
    """What to say of bad input, a process that failed, a missing package or a place that cannot be used; None of a
    fault of our own."""
    from utils.errors import InputError
    from utils.text import one_line

    if isinstance(error, (InputError, ChildFailed)):
        return one_line(str(error))
    if isinstance(error, ModuleNotFoundError) and error.name and (name := error.name.partition(".")[0]) in EXTRAS:
        return f"This needs {name}, which this Python lacks: {sys.executable} -m pip install {EXTRAS[name]}"
    if isinstance(error, OSError) and (error.filename or error.errno in _FULL):
        place = one_line(str(error.filename or "writing"))
        return f"{place}: {error.strerror or error}; choose another place."
    return None


# --- what options take, as `type=` of argparse ------------------------------------------------------------------------


def at_least_one(text: str) -> int:
    """A whole number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number, at least 1. Received: {text!r}.")
    return int(text)


def at_least_zero(text: str) -> int:
    """A whole number from 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number, at least 0. Received: {text!r}.")
    return int(text)


def above_zero(text: str) -> float:
    """A finite number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0. Received: {text!r}.")
    return number


def existing_folder(text: str) -> Path:
    """A folder that is there."""
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(
            f"must be a folder that is there: make it, or name another. Received: {text!r}."
        )
    return Path(text)
