"""The command line: one dataclass per command, read by tyro; `./dcgan` calls it.

To add a command: write its dataclass, with a method `run`, in a file of this folder, and add one line to `COMMANDS` and
one to the help text in `utils/__main__.py`. No file of this folder imports TensorFlow at its top, so that help and
refusals come at once.
"""

import contextlib
import errno
import importlib
import os
import sys
from typing import TextIO

from utils.cli.options import as_meant, read, todays
from utils.cluster import launched
from utils.errors import InputError, Interrupted, WorkerLost
from utils.files import expanded, expect_writable
from utils.text import command, one_line

COMMANDS = {
    "train": "train:Train",
    "resume": "train:Resume",
    "launch": "launch:Launch",
    "sample": "sample:Sample",
    "film": "sample:Film",
    "show": "show:Show",
    "evaluate": "evaluate:Evaluate",
    "compare": "compare:Compare",
    "explain": "explain:Explain",
    "walk": "walk:Walk",
    "arithmetic": "arithmetic:Arithmetic",
    "directions": "directions:Directions",
    "invert": "invert:Invert",
    "features": "features:Features",
    "presets": "show:Presets",
    "draw": "draw:Draw",
    "datasets": "datasets:Datasets",
    "dedup": "dedup:Dedup",
    "publish": "publish:Publish",
    "import-paper": "import_paper:ImportPaper",
    "study": "study:Study",
    "report": "report:Report",
    "grade": "grade:Grade",
    "claims": "report:Claims",
    "studio": "studio:Studio",
    "notebooks": "notebooks:Notebooks",
    "lab": "notebooks:Lab",
    "completion": "completion:Completion",
}
"""Module of this folder and class of each command; only the one that is asked for is imported. A class may have a
method `default(options)` that gives its options as they are before any is read."""

TRY_AGAIN = 75  # as sysexits.h has it: what started the workers may start them again
# What the system says of places that the user chose: full, not allowed, not a folder. A file that is missing is none of
# these, and folders that cannot be made are told as not allowed (`utils.files`).
_USERS_PLACES = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.EEXIST,
    errno.ENAMETOOLONG,
    errno.ELOOP,
)


def main(arguments: list[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code: 0; 2 for bad input, with one sentence on standard error; 128 + n when signal n stopped it.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    name, *options = arguments
    asked = None
    for place in ("DCGAN_DATA_DIR", "DCGAN_RUNS_DIR"):  # notebooks are executed in a folder of their own
        if os.environ.get(place):
            os.environ[place] = str(expanded(os.environ[place]).absolute())
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # names may hold what a terminal's encoding has not
            stream.reconfigure(errors="backslashreplace")
    try:
        if name not in COMMANDS:
            raise InputError(f"There is no command {name!r}; choose one of {', '.join(COMMANDS)}, test.")
        module, class_name = COMMANDS[name].split(":")
        chosen = getattr(importlib.import_module(f"utils.cli.{module}"), class_name)
        options = todays(as_meant(options))
        if hasattr(chosen, "run_with"):  # it runs another command, whose options are none of its own
            return chosen.run_with(options)
        default = chosen.default(options) if hasattr(chosen, "default") else None
        asked = read(chosen, options, name, default)
        if (seed := getattr(asked, "seed", None) or 0) < 0:
            raise InputError(f"--seed must be at least 0. Received: {seed}.")
        for place in ("out", "export"):
            if (path := getattr(asked, place, None)) is not None:
                expect_writable(path)  # before minutes are spent on what is to be written there
        asked.run()
        return 0
    except InputError as error:
        print(f"dcgan: {one_line(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("dcgan: stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output, such as `head`, has seen enough
        _say_no_more(sys.stdout, sys.stderr)
        return 0
    except OSError as error:
        if error.errno not in _USERS_PLACES:
            raise
        place = one_line(str(error.filename or "writing"))
        print(f"dcgan: {place}: {error.strerror}; choose another place.", file=sys.stderr)
        if error.filename is None:  # it may be our output that cannot be written, which Python would try again
            _say_no_more(sys.stdout)
        return 2
    except Interrupted as stop:
        # A study has more to train than the run that was stopped; the same command takes up all of it.
        again = arguments if name == "study" else ("resume", stop.folder, *getattr(asked, "unkept", ()))
        print(f"{stop}\nGo on with: {command(*launched(), *again)}")
        return 128 + stop.signal
    except WorkerLost as loss:
        print(f"dcgan: {loss}", file=sys.stderr)
        if loss.folder:
            words, where = launched(), "" if launched() else " on all workers."
            print(f"Go on with: {command(*words, 'resume', loss.folder, *getattr(asked, 'unkept', ()))}{where}")
        return TRY_AGAIN


def _say_no_more(*streams: TextIO) -> None:
    """Send what is still to be written nowhere."""
    for stream in streams:
        with contextlib.suppress(OSError, ValueError):  # io.UnsupportedOperation: no file behind it
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
