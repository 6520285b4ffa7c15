"""The ways in which a command ends early that are no fault of the project."""

from pathlib import Path


class InputError(ValueError):
    """Bad input: the message is one sentence that says what was expected, what was received and what to do.

    The command line prints the message without a traceback and exits with code 2.
    """


class TrainingFailed(InputError):
    """A training has ended by what its numbers have become: they are not finite, or the doctor was told to stop it."""


class Interrupted(Exception):
    """A training was asked to stop by a signal, and has saved its state.

    Attributes:
        signal: the signal's number.
        folder: the run's folder, ready for `resume`.
    """

    def __init__(self, signal: int, folder: Path, update: int):
        super().__init__(f"Stopped after update {update:,}; everything is saved.")
        self.signal, self.folder = signal, folder


class WorkerLost(Exception):
    """A worker of a training by several has ended, or was not heard of for too long, so the others ended, too.

    Attributes:
        folder: the run's folder, as far as it is known; the training goes on from its last checkpoint.
    """

    def __init__(self, folder: str | Path, workers: int):
        super().__init__(
            f"One of the {workers} workers has ended or is not heard of any more, so all of them end here; what came "
            "after the last checkpoint is lost."
        )
        self.folder = folder
