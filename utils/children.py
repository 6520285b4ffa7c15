"""Processes that are started, and must not outlive whoever started them."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1  # of Linux's prctl


def ending_with_us(then: Callable[[], None] | None = None) -> Callable[[], None]:
    """What a process does before it runs what it was started for (`preexec_fn`), so that it ends when this one does.

    On Linux it is sent SIGTERM as soon as the thread that starts it has ended, however that ended: SIGKILL leaves
    nobody who could end it. It is not sent SIGKILL itself, because `./dcgan launch` passes only on what it can answer.

    Args:
        then: what it does beside.
    """
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None  # here: a lock may be held in a forked process
    parent = os.getpid()

    def prepare() -> None:
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:  # it had ended before that
                os._exit(1)
        if then is not None:
            then()

    return prepare
