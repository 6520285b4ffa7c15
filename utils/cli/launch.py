"""`./dcgan launch`: several workers on this machine."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from utils import runtime
from utils.children import ending_with_us
from utils.cli.options import read
from utils.cluster import LAUNCHED, Cluster, free_ports
from utils.errors import InputError
from utils.start import command

COMMANDS = ("train", "resume")
GRACE = 30.0
"""Seconds that the other workers have, once one has ended, to notice it and to end by themselves."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What workers are sent on: at Ctrl-C, SIGTERM and the signal of a terminal that is closed they save and stop."""


@dataclass(frozen=True)
class Launch:
    """Start several workers of a training on this machine, to try what several machines do.

    ./dcgan launch --workers 2 train --preset quick --updates 500

    What follows `train` or `resume` are its options. The workers share the processor's cores equally, and every
    batch; the first of them is the chief: what it says is printed as it is, what others say with their number before
    it. If one ends, all end, and `resume` goes on from the last checkpoint, with as many workers as you like. Not
    every run can be shared: one that goes back when it fails (on_collapse rollback) goes on without launch.
    """

    workers: int = 2
    """How many processes share every batch."""

    @classmethod
    def run_with(cls, options: list[str]) -> int:
        """Run with the options of this command and, behind them, the command that workers run."""
        place = next((i for i, option in enumerate(options) if option in COMMANDS), len(options))
        launch = read(cls, options[:place], "launch")
        if place == len(options):
            raise InputError(f"launch needs the command that workers run, {' or '.join(COMMANDS)}, behind its options.")
        if launch.workers < 1:
            raise InputError(f"--workers must be at least 1. Received: {launch.workers}.")
        if any(option.split("=", 1)[0] == "--strategy" for option in options[place:]):
            raise InputError("launch says itself who computes the updates: leave --strategy out.")
        return launch.run([*options[place:], "--strategy", "workers" if launch.workers > 1 else "one"])

    def run(self, arguments: list[str]) -> int:
        """Start the workers and wait for them; none outlives this, however it ends.

        Returns:
            The exit code of the chief; of the first worker that ended otherwise than well, if the chief did; else 0.

        Raises:
            InputError: as `_start`.
        """
        started, asked, readers = [], [], []
        _answer(asked.append)  # until all are there who are to get it
        try:
            self._start(arguments, started)
            for index, process in enumerate(started[1:], 1):
                readers.append(threading.Thread(target=_pass_on, args=(index, process.stdout), daemon=True))
                readers[-1].start()
            _answer(lambda number: _send(started, number))
            for number in asked:
                _send(started, number)
            code = _wait(started)
        finally:
            _send(started, signal.SIGKILL)
        for reader in readers:
            reader.join(1.0)
        return code

    def _start(self, arguments: list[str], started: list[subprocess.Popen]) -> None:
        """Start the workers; each is added to `started` once it is there, whatever becomes of those after it.

        Raises:
            InputError: the system does not let so many be started.
        """
        # TensorFlow's own words about a loss are many and frightening; ours are one sentence.
        users = {name: value for name, value in os.environ.items() if name not in runtime.OWN}
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "GRPC_VERBOSITY": "NONE"} | users
        text = {"text": True, "errors": "backslashreplace"}  # nobody would read on behind a byte that is none
        try:
            addresses = tuple(f"127.0.0.1:{port}" for port in free_ports(self.workers))
            for index in range(self.workers):
                pipe = {} if index == 0 else {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT} | text
                process = subprocess.Popen(
                    [*command("utils"), *arguments],
                    env=quiet | {"TF_CONFIG": Cluster(addresses, index).tf_config(), LAUNCHED: str(self.workers)},
                    start_new_session=True,  # signals come from here, once
                    preexec_fn=ending_with_us(on_cores(index, self.workers)),
                    **pipe,
                )
                started.append(process)
        except OSError as error:  # a limit on processes, on open files, on memory
            raise InputError(
                f"{f'Only {len(started)}' if started else 'None'} of {self.workers} workers could be started "
                f"({error.strerror}): ask for fewer with --workers, or raise the limits on processes and open files "
                "(ulimit -u, ulimit -n)."
            ) from error


def on_cores(index: int, workers: int) -> Callable[[], None] | None:
    """What gives a process that starts (`preexec_fn`) its share of the cores; None where there are too few."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    cores = sorted(os.sched_getaffinity(0))
    own = cores[index * len(cores) // workers : (index + 1) * len(cores) // workers]
    return (lambda: os.sched_setaffinity(0, own)) if own else None


def _answer(send: Callable[[int], None]) -> None:
    """Let `send` have what workers are to be sent, whenever a signal comes."""
    for number in SIGNALS:
        # What was started with nohup is to outlive its terminal.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda number, _frame: send(number))


def _send(processes: list[subprocess.Popen], number: int) -> None:
    for process in processes:
        if process.poll() is None:
            process.send_signal(number)


def _wait(processes: list[subprocess.Popen]) -> int:
    """Wait until all have ended; those that do not within GRACE of the chief, or the first that failed, are ended."""
    until, chief = None, processes[0]
    while [process for process in processes if process.poll() is None]:  # all are asked, not up to the first that runs
        if until is None and (chief.returncode is not None or any(process.returncode for process in processes)):
            until = time.monotonic() + GRACE
        if until is not None and time.monotonic() > until:
            _send(processes, signal.SIGKILL)
        time.sleep(0.1)
    code = next((process.returncode for process in processes if process.returncode), 0)  # the chief's, if it has one
    return 128 - code if code < 0 else code


def _pass_on(index: int, lines) -> None:
    for line in lines:
        print(f"worker {index}: {line}", end="", file=sys.stderr, flush=True)
