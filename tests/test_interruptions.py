"""Real processes, killed and stopped: a run that goes on ends with the bits of one that nobody stopped."""

import contextlib
import io
import os
import random
import re
import shlex
import signal
import subprocess
import sys
import time

import pytest
from comparing import assert_same_contents

from utils.cli import main
from utils.runs import PROJECT, Run
from utils.training import checkpoint, loop, resume

SETTINGS = ["--data", "house_numbers", "--count", "64", "--width", "0.0625", "--batch-size", "8", "--averaging", "0.9"]
SETTINGS += ["--preset", "quick", "--summary-samples", "16", "--batch-norm", "batch"]
ALWAYS, SELDOM = ["--checkpoint-seconds", "0"], ["--checkpoint-seconds", "1000"]
"""A checkpoint after every update, or none but those of the epochs and of signals."""


def dcgan(*arguments, data_dir, runs_dir, **options):
    environment = dict(os.environ, DCGAN_DATA_DIR=str(data_dir), DCGAN_RUNS_DIR=str(runs_dir), PYTHONPATH=str(PROJECT))
    return subprocess.Popen(
        [sys.executable, "-m", "utils", *arguments], env=environment, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, **options,
    )  # fmt: skip


def in_a_terminal():
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def wait_for(condition, process, seconds=120):
    until = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, "waited too long"
        time.sleep(0.002)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A run of six epochs that nobody stopped, as the command line trains it."""
    data_dir, runs_dir, output = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("runs"), io.StringIO()
    places = ["--data-dir", str(data_dir), "--runs-dir", str(runs_dir)]
    with contextlib.redirect_stdout(output):
        assert main(["train", *SETTINGS, *SELDOM, "--epochs", "6", *places]) == 0
    return Run.find("last", runs_dir), data_dir, output.getvalue()


@pytest.mark.slow
def test_a_run_killed_while_it_writes_a_checkpoint_and_at_a_random_moment_ends_with_the_same_bits(
    undisturbed, tmp_path
):
    """SIGKILL, of a training and of what goes on with it; a checkpoint is written after every update, so the second may
    hit one, too. `benchmarks/faults.py` kills more often."""
    whole, data_dir, _ = undisturbed
    moments = random.Random(20)
    places = {"data_dir": data_dir, "runs_dir": tmp_path}
    process = dcgan("train", *SETTINGS, *ALWAYS, "--epochs", "6", **places)
    # A temporary file beside the checkpoints that is not empty: one is being written at this moment.
    wait_for(
        lambda: any(f.stat().st_size for f in _existing(tmp_path.glob("*/*/checkpoints/.unfinished-update_*"))), process
    )
    run = Run.find("last", tmp_path)
    _kill(process, run)
    assert len(run.steps().get("update", ())) < 48
    process = dcgan("resume", "last", *ALWAYS, **places)
    enough = len(run.steps().get("update", ())) + moments.randrange(1, 12)
    wait_for(lambda: len(run.steps().get("update", ())) >= min(enough, 47), process)
    time.sleep(moments.random() * 0.1)
    assert run.in_words() == "running"
    _kill(process, run)
    resume(run, data_dir=data_dir, progress=False)
    assert_same_contents(whole, Run.find("last", tmp_path))
    assert run.state.status == "finished" and run.state.update == 48


def _kill(process, run):
    process.kill()
    process.communicate()
    assert run.state.status == "running" and run.in_words() == "no process is at work on it: it was killed"


def _existing(paths):
    return [path for path in paths if path.exists()]


@pytest.mark.slow
def test_ctrl_c_sigterm_and_a_closed_terminal_save_say_how_to_go_on_and_lose_nothing(undisturbed, tmp_path):
    """One after the other, of the same run."""
    whole, data_dir, _ = undisturbed
    # Whoever started the tests may ignore the last.
    places = {"data_dir": data_dir, "runs_dir": tmp_path, "preexec_fn": in_a_terminal}
    process = dcgan("train", *SETTINGS, *SELDOM, "--epochs", "6", **places)
    wait_for(lambda: any(tmp_path.glob("*/*/steps.jsonl")), process)
    run, before = Run.find("last", tmp_path), 0
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)):
        wait_for(lambda: len(run.steps().get("update", ())) >= before + 2, process)
        for _ in range(1 + (number == signal.SIGHUP)):  # of a closed terminal both the shell and the system tell
            process.send_signal(number)
        output, errors = process.communicate()
        assert process.returncode == code
        assert "Traceback" not in errors and "\nStopping after this update.\n" in output
        command = re.search(r"Go on with: \./dcgan (resume \S+)", output)[1].split()
        before = len(run.steps()["update"])
        assert checkpoint.latest(run.checkpoints) == before == run.state.update < 48
        assert run.in_words() == f"stopped (by signal {int(number)})" and run.seconds is None
        if number != signal.SIGHUP:
            process = dcgan(*command, **places)
    assert main([*command, "--data-dir", str(data_dir), "--runs-dir", str(tmp_path)]) == 0
    assert_same_contents(whole, run)


@pytest.mark.parametrize(("before", "noted"), [(signal.SIG_DFL, [signal.SIGHUP]), (signal.SIG_IGN, [])])
def test_a_closed_terminal_is_noted_once_and_not_at_all_by_what_is_to_outlive_it(before, noted):
    handler = signal.signal(signal.SIGHUP, before)
    try:
        with loop._signals() as asked:
            for _ in range(2):
                signal.raise_signal(signal.SIGHUP)
        assert asked == noted and signal.getsignal(signal.SIGHUP) == before
    finally:
        signal.signal(signal.SIGHUP, handler)


def test_a_signal_that_comes_while_something_is_printed_is_noted_all_the_same(monkeypatch, capfd):
    class Interrupted(io.RawIOBase):
        written = b""

        def writable(self):
            return True

        def write(self, data):
            if not self.written:
                signal.raise_signal(signal.SIGINT)
            self.written += bytes(data)
            return len(data)

    raw = Interrupted()
    with loop._signals() as asked, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(raw), line_buffering=True))
        print("something")
    assert asked == [signal.SIGINT] and raw.written == b"something\n"
    assert capfd.readouterr().out == "\nStopping after this update.\n"


@pytest.mark.slow
def test_a_study_that_is_stopped_names_the_same_command_to_go_on_with(tmp_path):
    places = {"data_dir": tmp_path / "data", "runs_dir": tmp_path / "runs"}
    study = ["study", "losses", "--scale", "smallest", "--seeds", "0", "--out", str(tmp_path / "a folder")]
    process = dcgan(*study, **places)
    wait_for(lambda: any(tmp_path.glob("runs/studies/*/*/*/steps.jsonl")), process)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate()
    assert process.returncode == 130 and "Traceback" not in errors
    assert shlex.split(output.splitlines()[-1].removeprefix("Go on with: ./dcgan ")) == study


def test_the_command_line_ends_by_naming_files_that_exist_and_commands(undisturbed):
    run, _, output = undisturbed
    for label, path in (("run", run.folder), ("film", run.film), ("curves", run.losses_plot)):
        assert f"  {label:<8}{path}" in output and path.exists()
    assert str(run.grid(6)) in output
    assert output.count("./dcgan ") == 3
