"""What the benchmarks decide before they measure anything, and how they end; timings themselves are not tested."""

import contextlib
import errno
import importlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from benchmarks import cold_reads, memory, prepare_scale, train_step, workers
from benchmarks.sentences import ChildFailed, in_a_sentence
from utils.errors import InputError
from utils.runs import PROJECT


def test_bfloat16_is_left_out_where_the_processor_would_emulate_it():
    with_it, without = train_step.usual_contenders(True), train_step.usual_contenders(False)
    assert set(with_it) - set(without) == {"ours_shared_bfloat16"} and without
    assert train_step.usual_contenders(None) == with_it == list(train_step.CONTENDERS)  # nobody knows: it is tried


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.fixture
def ends(monkeypatch, capsys):
    """Runs a benchmark; gives its exit code and what it said on both streams."""

    def run(name, *arguments):
        module = importlib.import_module(f"benchmarks.{name}")
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        try:
            code = module.main()
        except SystemExit as stop:  # argparse's
            code = stop.code
        return code, *capsys.readouterr()

    return run


@pytest.mark.parametrize(
    ("name", "arguments", "sentence"),
    [
        ("studio", ["--models", "nosuch"], "nosuch"),
        ("studio", ["--repeats", "0"], "argument --repeats: must be a whole number, at least 1. Received: '0'."),
        ("dedup", ["--data", "none.npy"], "There is no dataset 'none.npy'"),
        ("block_shuffle", ["--data", "nosuch"], "There is no dataset 'nosuch'"),
        ("doctor", ["--data", "x:7"], "images of 32 or 64 pixels; use these. Received: --data x:7."),
        ("doctor", ["--only", "Glorot weights", "--data", "faces:64"], "no outcome is known of Glorot weights"),
        ("with_ray", ["--data", "none"], "There is no dataset 'none'"),
        ("with_ray", ["--preset", "nosuch"], "nosuch"),
        ("memory", ["--folder", "nowhere"], "must be a folder that is there"),
        ("memory", ["--count", "5"], "--count goes with --limit. Received: --count 5 alone"),
        ("memory", ["--limit", "10", "--presets", "quick", "quick64"], "one preset. Received: --presets quick quick64"),
        ("faults", ["--only", "SIG", "nosuch"], "begins with nosuch; there are killed: quick, "),
        ("cold_reads", ["--gb", "0.001"], "81 images of 64x64, fewer than the 128 of a batch"),
        ("cold_reads", ["--seconds", "nan"], "must be a number above 0. Received: 'nan'."),
        ("workers", ["--turns", "0"], "at least 1. Received: '0'."),
        ("train_step", ["--rounds", "0"], "at least 1. Received: '0'."),
        ("train_step", ["--updates", "some"], "at least 1. Received: 'some'."),
        ("train_step", ["--profile", "--json"], "leave --json out"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence(ends, name, arguments, sentence):
    code, out, said = ends(name, *arguments)
    assert (code, out) == (2, "") and sentence in said.splitlines()[-1] and "Traceback" not in said


@pytest.mark.parametrize(
    ("name", "arguments", "module", "asked_for"),
    [
        ("studio", [], "playwright.sync_api", "playwright"),
        ("fuzz", [], "atheris", "atheris"),
        ("with_ray", [], "ray", "'ray[train]'"),
        ("prepare_scale", ["--count", "1"], "lmdb", "'lmdb<4'"),
    ],
)
def test_a_package_that_is_missing_is_named_with_what_installs_it(
    ends, monkeypatch, name, arguments, module, asked_for
):
    monkeypatch.setitem(sys.modules, module, None)
    code, _, said = ends(name, *arguments)
    package = module.partition(".")[0]
    assert code == 2
    assert said == f"This needs {package}, which this Python lacks: {sys.executable} -m pip install {asked_for}\n"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (InputError("No such thing."), "No such thing."),
        (
            PermissionError(errno.EACCES, "Permission denied", "/there"),
            "/there: Permission denied; choose another place.",
        ),
        (OSError(errno.ENOSPC, "No space left on device"), "writing: No space left on device; choose another place."),
        (
            OSError("400 requested and 12 written"),  # NumPy, of a full disk
            "writing: 400 requested and 12 written; choose another place.",
        ),
        (KeyError("matmul"), None),
        (ModuleNotFoundError("No module named 'utils.no'", name="utils.no"), None),
        (ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), None),
    ],
)
def test_only_faults_of_our_own_end_in_a_traceback(error, sentence, capsys):
    @in_a_sentence
    def main():
        raise error

    if sentence is None:
        with pytest.raises(type(error)):
            main()
    else:
        assert main() == 2 and capsys.readouterr().err == f"{sentence}\n"


def _fails(script):
    """In place of `utils.start.command`: a command of the same length, which ends badly."""
    return lambda *arguments: ["sh", "-c", script, *arguments]


@pytest.mark.parametrize(
    ("script", "code", "words"),
    [
        ("echo; echo '  ValueError: no' >&2; exit 1", 1, "ended with code 1:   ValueError: no"),
        ("echo Traceback >&2; echo 'dcgan: There is none.' >&2; exit 2", 2, "ended with code 2: dcgan: There is none."),
        ("kill -9 $$", 1, "ended with code -9: it said nothing"),
    ],
)
@pytest.mark.parametrize(
    ("module", "arguments", "command"),
    [
        (memory, ["--presets", "quick"], "./dcgan train --preset quick "),
        (prepare_scale, ["--kind", "files", "--count", "1"], "./dcgan datasets "),
    ],
)
def test_a_process_that_fails_is_named_with_what_it_said_last(
    ends, monkeypatch, module, arguments, command, script, code, words
):
    monkeypatch.setattr(module, "command", _fails(script))
    monkeypatch.setattr(prepare_scale, "DISTINCT", 1)
    ended, out, said = ends(module.__name__.partition(".")[2], *arguments)
    assert (ended, out) == (code, "")
    assert said.startswith(command) and said.endswith(f"{words}\n") and said.count("\n") == 1


def test_a_training_that_ends_before_it_was_measured_is_named_too(monkeypatch):
    monkeypatch.setattr(workers, "command", _fails("echo no >&2; exit 1"))
    arm = workers.Arm(["launch"], sorted(os.sched_getaffinity(0))[:1])
    with pytest.raises(ChildFailed, match=r"^\./dcgan launch train --preset quick .* ended with code 1: no$"):
        arm.seconds_per_update(["--preset", "quick"], 1.0)


def test_nothing_of_the_project_is_imported_before_atheris_instruments_what_is():
    script = """if True:
        import sys, types

        def instrument_imports(include):
            sys.exit(f"{include} before {[name for name in sys.modules if name.partition('.')[0] in include]}")

        sys.modules["atheris"] = types.SimpleNamespace(instrument_imports=instrument_imports)
        from benchmarks.fuzz import main

        main()
    """
    ended = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert ended.stderr == "['utils'] before []\n"


# --- the step ---------------------------------------------------------------------------------------------------------


def test_contenders_that_end_are_left_out_with_what_they_said_last(capsys):
    scripts = {
        "ours": "echo ready; while read updates; do echo 0.5; done",
        "torch": "echo no torch >&2; exit 2",
        "report": "echo ready; read updates; echo 0.5; read updates; echo broken >&2",
        "matmul": "kill -9 $$",
    }
    processes = train_step.started({name: ["sh", "-c", script] for name, script in scripts.items()}, dict(os.environ))
    assert list(processes) == ["ours", "report"]
    assert capsys.readouterr().err == "torch is left out: no torch\nmatmul is left out: it ended with code -9\n"
    assert train_step.take_turns(processes, rounds=3, updates=5) == {"ours": [0.1] * 3}
    assert capsys.readouterr().err == "report is left out: broken\n"
    for process in processes.values():
        process.end()


class Timed:
    """A contender whose updates take so many seconds."""

    def __init__(self, seconds):
        self.each = seconds

    def seconds(self, updates):
        return self.each * updates

    def end(self):
        pass


def test_the_step_is_given_in_plain_numbers_with_what_they_were_measured_by(ends, monkeypatch):
    timed = {"report": Timed(4.0), "ours": Timed(2.0), "matmul": Timed(0.5)}
    monkeypatch.setattr(train_step, "started", lambda commands, environment: timed)
    code, out, _ = ends("train_step", "--rounds", "2", "--updates", "1", "--batch-size", "8", "--json")
    figures = json.loads(out)
    assert code == 0 and {name: figures[name] for name in ("preset", "batch_size", "rounds", "updates")} == {
        "preset": "report32", "batch_size": 8, "rounds": 2, "updates": 1,
    }  # fmt: skip
    assert figures["versions"]["numpy"] == np.__version__ and figures["cores"] >= 1 and figures["device"]
    assert figures["ceiling_gflops"] == pytest.approx(2 * 4096**3 / 0.5 / 1e9)
    _, ours = figures["steps"]
    assert (ours["images/s"], ours["spread"], ours["x report"], ours["x PyTorch's best"]) == (
        4.0,
        [4.0, 4.0],
        2.0,
        None,
    )
    assert ours["of ceiling"] == pytest.approx(ours["GFLOP/s"] / figures["ceiling_gflops"], abs=0.001)
    code, out, _ = ends("train_step")
    assert code == 0 and "Ceiling: 275 GFLOP/s" in out


def test_the_step_without_a_ceiling_leaves_it_open_and_without_anybody_is_refused(ends, monkeypatch):
    timed = {"ours": Timed(2.0)}
    monkeypatch.setattr(train_step, "started", lambda commands, environment: timed)
    code, out, _ = ends("train_step")
    assert code == 0 and "this project" in out and "Ceiling" not in out and "None" not in out
    timed.clear()
    code, out, said = ends("train_step")
    assert (code, out) == (2, "") and said.startswith("No contender could be measured")


def test_a_profile_of_nothing_says_why():
    for script, sentence in (
        ("echo no tensorflow >&2; exit 1", "cannot be measured here: no tensorflow"),
        ("echo ready; echo 1.0", "oneDNN has recorded no kernels"),
    ):
        with pytest.raises(InputError, match=sentence):
            train_step.profile(["sh", "-c", script], dict(os.environ))


# --- memory and disks -------------------------------------------------------------------------------------------------


def test_only_a_group_that_cannot_be_made_is_told_as_one(monkeypatch, tmp_path):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(memory, "run", full)
    monkeypatch.setattr(memory, "memory_group", lambda most: contextlib.nullcontext())
    with pytest.raises(OSError, match="No space left"):
        memory.under_limit("quick64", 10, 2, 1, tmp_path)

    def forbidden(most):
        raise PermissionError(errno.EACCES, "Permission denied", "/sys/fs/cgroup/dcgan")

    monkeypatch.setattr(memory, "memory_group", forbidden)
    with pytest.raises(InputError, match=r"not permitted here \(Permission denied\)"):
        memory.under_limit("quick64", 10, 2, 1, tmp_path)


@pytest.mark.parametrize(("asked", "count"), [([], 300_000), (["--count", "5"], 5)])
def test_under_a_limit_as_many_images_are_trained_on_as_are_asked_for(ends, monkeypatch, asked, count):
    monkeypatch.setattr(memory, "under_limit", lambda name, megabytes, count, *_: {"images": count})
    code, out, _ = ends("memory", "--limit", "10", "--json", *asked)
    assert code == 0 and json.loads(out) == [{"images": count}]


def test_at_least_one_batch_is_read_however_short_the_time_is(tmp_path):
    cold_reads.write(tmp_path / "images.npy", 16, 8)
    assert cold_reads.measure(tmp_path / "images.npy", 0, 4, 0.0, dropping=False)["images"] == 4
