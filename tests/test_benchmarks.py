"""What the benchmarks decide before they measure anything, and how they end; timings themselves are not tested."""

import contextlib
import errno
import importlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import cold_reads, faults, memory, prepare_scale, train_step, workers
from benchmarks.sentences import ChildFailed, in_a_sentence
from utils.errors import InputError, Interrupted
from utils.runs import PROJECT
from utils.training import loop


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
        ("doctor", ["--data", "64", "--no-kept"], "There is no dataset '64'"),
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
        ("train_step", ["--profile", "--only", "ours"], "leave --only out"),
        ("train_step", ["--profile", "--rounds", "5", "--updates", "3"], "leave --rounds, --updates out"),
        ("faults", ["--soak", "1", "--tries", "4", "--seed", "0"], "leave --tries, --seed out"),
        ("faults", ["--soak", "1", "--only", "killed"], "leave --only out"),
        ("prepare_scale", ["--kills", "-1"], "argument --kills: must be a whole number, at least 0. Received: '-1'."),
        ("dedup", ["--seed", "-1"], "argument --seed: must be a whole number, at least 0. Received: '-1'."),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence(ends, name, arguments, sentence):
    code, out, said = ends(name, *arguments)
    assert (code, out) == (2, "") and sentence in said.splitlines()[-1] and "Traceback" not in said


def test_what_a_later_training_cannot_take_is_refused_before_the_first(ends, monkeypatch):
    monkeypatch.setattr("utils.data.load_for", lambda *_, **__: pytest.fail("images are read"))
    monkeypatch.setattr("utils.training.train", lambda *_, **__: pytest.fail("somebody trains"))
    code, out, said = ends("block_shuffle", "--data", "faces", "--seeds", "0", "-1")
    assert (code, out) == (2, "") and "seed" in said and "-1" in said and said.count("\n") == 1


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


# --- signals, and who outlives whom -----------------------------------------------------------------------------------


@pytest.fixture
def started(monkeypatch):
    """The processes that benchmarks start in a test; what is left of them in the end is killed."""
    processes, start = [], subprocess.Popen

    class Noted(start):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            processes.append(self)

    monkeypatch.setattr(subprocess, "Popen", Noted)
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def _is_alive(process: int) -> bool:
    """Whether a process runs; one that has ended may be listed until somebody asks for its exit code."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _wait_until(what, seconds=10.0) -> bool:
    """Whether something has become true in time."""
    until = time.monotonic() + seconds
    while not what():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_lets_a_benchmark_end_what_it_has_begun(started, number):
    script = """if True:
        import signal, sys, time
        from benchmarks.sentences import in_a_sentence

        @in_a_sentence
        def main():
            try:
                print("begun", flush=True)
                time.sleep(60)
            finally:
                print("ended", flush=True)

        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever started the tests may ignore it
        sys.exit(main())
    """
    process = subprocess.Popen([sys.executable, "-c", script], cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "begun\n"
    process.send_signal(number)
    assert process.communicate(timeout=10) == ("ended\n", None) and process.returncode == 128 + number


def test_a_signal_that_is_ignored_or_answered_already_stays_so():
    came = []
    before = [signal.signal(signal.SIGHUP, signal.SIG_IGN), signal.signal(signal.SIGTERM, lambda *_: came.append(1))]

    @in_a_sentence
    def main():
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGTERM)

    try:
        assert main() == 0 and came == [1]
    finally:
        for number, handler in zip((signal.SIGHUP, signal.SIGTERM), before):
            signal.signal(number, handler)


@pytest.mark.parametrize(
    ("name", "arguments", "place", "waits"),
    [
        ("memory", ["--presets", "quick"], os, "wait4"),
        ("prepare_scale", ["--kind", "files", "--count", "1"], prepare_scale.Preparation, "look"),
    ],
)
def test_a_process_is_ended_when_the_waiting_for_it_is(ends, monkeypatch, started, name, arguments, place, waits):
    def asked_to_end(*_):
        raise SystemExit(143)

    module = importlib.import_module(f"benchmarks.{name}")
    monkeypatch.setattr(module, "command", lambda *_: ["sleep", "60"])
    monkeypatch.setattr(prepare_scale, "DISTINCT", 1)
    monkeypatch.setattr(place, waits, asked_to_end)
    assert ends(name, *arguments) == (143, "", "")
    (process,) = started
    assert process.returncode == -signal.SIGKILL


def test_no_process_outlives_a_benchmark_that_is_killed(started, tmp_path):
    script = """if True:
        import os, sys, threading, time
        from benchmarks import memory, prepare_scale, workers

        sleeps = ["sh", "-c", "echo $$ >> $0; exec sleep 60", sys.argv[1]]
        for module in (memory, prepare_scale, workers):
            module.command = lambda *_: sleeps
        prepares, arm = prepare_scale.Preparation([], 1), workers.Arm([], list(os.sched_getaffinity(0)))
        for waits in (lambda: memory.run([]), lambda: arm.seconds_per_update([], 60.0)):
            threading.Thread(target=waits, daemon=True).start()
        time.sleep(60)
    """
    numbers = tmp_path / "numbers"
    numbers.touch()
    process = subprocess.Popen([sys.executable, "-c", script, str(numbers)], cwd=PROJECT)
    children = []
    try:
        assert _wait_until(lambda: numbers.read_text().count("\n") == 3)
        children = list(map(int, numbers.read_text().split()))
        assert all(map(_is_alive, children))
        process.kill()
        process.wait()
        assert _wait_until(lambda: not any(map(_is_alive, children)), 5.0)
    finally:
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)


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


@pytest.mark.parametrize("flipped", [False, True])
def test_what_was_disturbed_is_compared_by_every_byte_and_tells_no_time_that_is_not_counted(ends, monkeypatch, flipped):
    made, times = [], iter(range(100))

    class Prepares:
        """In place of a process that prepares: it has written its array at once, the second perhaps a wrong bit."""

        peak, process = 0, SimpleNamespace(poll=lambda: 0)

        def __init__(self, options, cores):
            made.append(self)
            array = Path(options[options.index("--data-dir") + 1]) / "prepared" / "pictures" / "images.npy"
            array.parent.mkdir(parents=True, exist_ok=True)
            array.write_bytes(bytes([*range(10), flipped and len(made) == 2]))

        def look(self):
            pass

        kill = look

        def result(self):
            return {"images": 1, "fingerprint": "0123456789abcdef"}

    monkeypatch.setattr(prepare_scale, "Preparation", Prepares)
    monkeypatch.setattr(prepare_scale, "PIECE", 4, raising=False)
    monkeypatch.setattr(prepare_scale, "DISTINCT", 1)
    monkeypatch.setattr(os, "times", lambda: SimpleNamespace(children_user=next(times), children_system=0))
    asked = ["--kind", "files", "--count", "1"]
    code, out, _ = ends("prepare_scale", *asked, "--kills", "1", "--json")
    figures = json.loads(out)
    assert code == 0 and figures["the same undisturbed"] is not flipped and len(made) == 3
    assert figures["images/s of a core's time"] is None
    made.clear()
    code, out, _ = ends("prepare_scale", *asked, "--kills", "1")
    assert code == 0 and "images/s of a core's time  –\n" in out
    code, out, _ = ends("prepare_scale", *asked, "--parts", "2", "--json")
    assert code == 0 and json.loads(out)["images/s of a core's time"] == 1


def test_figures_in_json_say_what_they_were_measured_with(ends, monkeypatch):
    monkeypatch.setattr(cold_reads, "little_cache", lambda most: contextlib.nullcontext(("all of it", None)))
    asked = {"gb": 1e-5, "size": 8, "batch_size": 4, "seconds": 0.001}
    words = [word for name, value in asked.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    code, out, _ = ends("cold_reads", *words, "--blocks", "4", "--json")
    figures = json.loads(out)
    assert code == 0 and asked.items() <= figures.items() and figures["images"] == 52 and len(figures["rows"]) == 2
    for words, seconds in (([], None), (["--seconds", "0.1"], 0.1)):
        code, out, _ = ends("scaling", "--presets", "quick", "--json", *words)
        figures = json.loads(out)
        assert code == 0 and figures["seconds"] == seconds and figures["rows"][0]["preset"] == "quick"


# --- the studio -------------------------------------------------------------------------------------------------------


def test_a_browser_that_fails_ends_in_a_sentence(ends, monkeypatch):
    class Error(Exception):
        pass

    def hangs(*_):
        raise Error("Page.goto: Timeout 1ms exceeded.\nCall log:\n  - navigating")

    studio = importlib.import_module("benchmarks.studio")
    chromium = SimpleNamespace(launch=lambda executable_path: SimpleNamespace(close=lambda: None))
    driver = contextlib.nullcontext(SimpleNamespace(chromium=chromium))
    playwright = SimpleNamespace(Error=Error, sync_playwright=lambda: driver)
    monkeypatch.setitem(sys.modules, "playwright.sync_api", playwright)
    monkeypatch.setattr(studio, "find_offers", lambda names: names)
    monkeypatch.setattr(studio.shutil, "which", lambda name: name)
    monkeypatch.setattr(studio, "rows_of", hangs)
    assert ends("studio") == (2, "", "The browser chromium has failed: Page.goto: Timeout 1ms exceeded.\n")


def test_every_visitor_is_waited_for_longer_than_a_busy_machine_takes():
    studio, opened = importlib.import_module("benchmarks.studio"), []

    class Page:
        def goto(self, address, wait_until=None):
            assert opened[-1].waits >= 120_000  # ms

        def wait_for_selector(self, what):
            pass

        def evaluate(self, *_):
            return 1.0

    class Context:
        waits = 30_000  # Playwright's

        def __init__(self):
            opened.append(self)

        def set_default_timeout(self, milliseconds):
            self.waits = milliseconds

        def new_page(self):
            return Page()

        def close(self):
            pass

    browser = SimpleNamespace(new_context=Context)
    studio.measure(browser, "", 2)
    studio.visit(browser, "", 3)
    assert len(opened) == 5 and all(context.waits >= 120_000 for context in opened)


# --- faults -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def whole(monkeypatch):
    """Runs that are whole whatever is done to them; what a process of theirs runs is for a test to say."""
    monkeypatch.setattr(faults.Job, "run", SimpleNamespace(state=SimpleNamespace(status="finished")))
    monkeypatch.setattr(faults.Job, "recorded", lambda job: 0)
    monkeypatch.setattr(faults.Job, "go_on", lambda job: None)
    monkeypatch.setattr(faults, "contents", lambda run: {})


def test_how_long_workers_took_to_end_counts_from_the_harm(monkeypatch):
    now, sent = [0.0], []

    def passes(seconds):
        now[0] += seconds

    monkeypatch.setattr(faults, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=passes))
    monkeypatch.setattr(os, "kill", lambda process, number: sent.append((now[0], process, number)))
    job = SimpleNamespace(
        start=lambda: SimpleNamespace(poll=lambda: None),
        wait_for=lambda *_: None,
        workers_of=lambda _: [7, 8],
        end=lambda _: passes(9.2 - now[0]),
    )
    harm, _ = faults.FAULTS["a worker stopped for 3 s"]
    harm(job, random.Random(0))
    assert sent == [(0.0, 8, signal.SIGSTOP), (3.0, 8, signal.SIGCONT)] and job.noticed == pytest.approx(9.2)


@pytest.mark.parametrize(
    "name", ["SIGTERM", "a worker killed", "two processes on one run", "killed: quick", "run moved"]
)
def test_tries_in_which_nothing_was_left_to_harm_do_not_count(whole, started, monkeypatch, tmp_path, name):
    monkeypatch.setattr(faults, "command", lambda *_: ["true"])
    tried = faults.try_fault(name, 2, tmp_path, {}, seed=0)
    assert (tried.tries, tried.survived) == (0, 0)
    assert len(tried.notes) == 2 and all("not harmed" in note for note in tried.notes)


def test_a_training_that_ended_badly_before_it_was_harmed_counts_and_has_not_survived(
    whole, started, monkeypatch, tmp_path
):
    monkeypatch.setattr(faults, "command", lambda *_: ["sh", "-c", "echo corrupted; exit 3"])
    tried = faults.try_fault("a worker killed", 1, tmp_path, {}, seed=0)
    assert (tried.tries, tried.survived) == (1, 0) and "ended by itself with 3: corrupted" in tried.notes[0]


def test_a_folder_of_work_can_be_used_again(whole, monkeypatch, tmp_path):
    monkeypatch.setattr(faults, "FAULTS", {"none": (lambda job, chance: None, 1)})
    for _ in range(2):
        tried = faults.try_fault("none", 2, tmp_path, {}, seed=0)
        assert (tried.tries, tried.survived, tried.notes) == (2, 2, [])


def test_without_chattr_a_folder_that_is_read_only_is_left_out(monkeypatch, tmp_path):
    def missing(*_, **__):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory: 'chattr'")

    monkeypatch.setattr(faults, "subprocess", SimpleNamespace(run=missing))
    job = SimpleNamespace(start=lambda: None, wait_for=lambda *_: None, end=lambda process: "", runs=tmp_path)
    with pytest.raises(faults.Leave, match="cannot be made immutable"):
        faults.read_only(job, random.Random(0))


@pytest.mark.parametrize("code", [0, 143])
def test_a_training_that_ended_all_the_same_was_not_harmed(code):
    """Nobody resumes it, so that it would count as one that survived what it never met."""
    status = "finished" if code == 0 else "stopped"
    process = SimpleNamespace(returncode=code, send_signal=lambda _: None)
    job = SimpleNamespace(
        start=lambda: process,
        wait_for=lambda *_: None,
        end=lambda _: "",
        run=SimpleNamespace(state=SimpleNamespace(status=status)),
    )
    with pytest.raises(faults.Unharmed) if code == 0 else contextlib.nullcontext():
        faults.terminated(job, random.Random(0))


def test_the_first_of_two_processes_is_held_while_the_second_tries():
    done = []
    first = SimpleNamespace(poll=lambda: None, send_signal=done.append)
    second = SimpleNamespace(returncode=2)

    def start(*words):
        done.append(words)
        return second if words else first

    def end(process):
        done.append(process)
        return "Another process is training"

    faults.two_at_once(SimpleNamespace(start=start, wait_for=lambda *_: None, end=end), random.Random(0))
    assert done == [(), signal.SIGSTOP, ("resume", "last"), second, signal.SIGCONT, first]


@pytest.mark.parametrize(
    "error",
    [
        IndexError("list index out of range"),
        FileNotFoundError(errno.ENOENT, "No such file"),
        TimeoutError("no updates"),
    ],
)
def test_what_goes_wrong_in_a_try_is_a_note_and_leaves_no_process(ends, whole, started, monkeypatch, tmp_path, error):
    def breaks(job, chance):
        process = job.start()
        assert _wait_until(lambda: job.workers_of(process))
        workers.extend(job.workers_of(process))
        raise error

    workers = []
    monkeypatch.setattr(faults, "command", lambda *_: ["sh", "-c", "sleep 60 & wait"])
    monkeypatch.setattr(faults, "FAULTS", {"breaks": (breaks, 2), "none": (lambda job, chance: None, 2)})
    code, out, _ = ends("faults", "--tries", "1", "--work", str(tmp_path / "work"), "--json")
    broken, other = json.loads(out)
    assert code == 0 and (other["tries"], other["survived"]) == (1, 1)
    assert (broken["tries"], broken["survived"]) == (1, 0) and type(error).__name__ in broken["note"]
    (launcher,) = started
    assert launcher.returncode == -signal.SIGKILL and _wait_until(lambda: not any(map(_is_alive, workers)), 2.0)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, SystemExit])
def test_a_soak_ends_with_its_figures_when_somebody_else_asks(monkeypatch, tmp_path, stop):
    steps = tmp_path / "soak" / "faces" / "0001-quick" / "steps.jsonl"
    steps.parent.mkdir(parents=True)
    trained = []

    def train(*_, **__):
        """Two trainings record an update, for which the soak stops them; the next are stopped by somebody else."""
        trained.append(None)
        if len(trained) > 2 and stop is SystemExit:  # what a signal raises where no training answers it
            raise SystemExit(128 + signal.SIGTERM)
        with loop._signals() as asked:
            if len(trained) > 2:
                os.kill(os.getpid(), stop)
            else:
                steps.write_text("{}\n" * len(trained))
            assert _wait_until(lambda: asked)
        raise Interrupted(asked[0], steps.parent, len(trained))

    run = SimpleNamespace(folder=steps.parent, state=SimpleNamespace(update=2))
    monkeypatch.setattr("utils.training.train", train)
    monkeypatch.setattr("utils.training.resume", train)
    monkeypatch.setattr(faults, "Run", SimpleNamespace(find=lambda *_: run, all=lambda *_: [run]))
    found = faults.soak(0.02, tmp_path)
    assert len(trained) == 3 and (found["resumes"], found["updates"]) == (2, 2) and found["files late"] > 0
