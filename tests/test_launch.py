"""`./dcgan launch` with workers that start no TensorFlow: what reaches them, what is passed on, and the exit code."""

import errno
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from utils import cli
from utils.cli import launch
from utils.runs import PROJECT

BEGINNING = """
import json, os, signal, sys, time
cluster = json.loads(os.environ["TF_CONFIG"])
index = cluster["task"]["index"]
"""
HANGING = 40
"""Seconds that a worker would take that nobody ends; each test that has one claims to be over long before."""


def worker(body: str) -> list[str]:
    """The command line of a worker that does what `body` says, which knows its `index`."""
    return [sys.executable, "-I", "-S", "-c", BEGINNING + body]


@pytest.fixture
def launched(monkeypatch):
    """Run the command in this process, with workers that do what a text says."""
    before = {number: signal.getsignal(number) for number in launch.SIGNALS}

    def run(body: str, workers: int = 2, *, grace: float = launch.GRACE, options=()) -> int:
        monkeypatch.setattr(launch, "command", lambda module: worker(body))
        monkeypatch.setattr(launch, "GRACE", grace)
        return cli.main(["launch", "--workers", str(workers), "train", *options])

    yield run
    for number, handler in before.items():
        signal.signal(number, handler)


def started(body: str, workers: int, also: str = "", **options) -> subprocess.Popen:
    """The command in a process and a session of its own, as a terminal starts it; `also` runs before it."""
    program = f"""
import os, signal, sys
sys.path.insert(0, {str(PROJECT)!r})
from utils import cli
from utils.cli import launch
launch.command = lambda module: {worker(body)!r}
{also}
sys.exit(cli.main(["launch", "--workers", "{workers}", "train"]))
"""
    return subprocess.Popen(
        [sys.executable, "-I", "-c", program],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True, **options,
    )  # fmt: skip


# --- what workers are told --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("workers", "strategy"), [(1, "one"), (2, "workers"), (3, "workers")])
def test_each_worker_gets_the_options_the_strategy_and_its_place_among_the_same_addresses(
    launched, tmp_path, workers, strategy
):
    body = f"""
with open({str(tmp_path)!r} + f"/{{index}}", "w") as file:
    json.dump([sys.argv[1:], cluster["task"], cluster["cluster"]["worker"]], file)
"""
    assert launched(body, workers, options=["--preset", "quick", "--updates=3"]) == 0
    told = [json.loads((tmp_path / str(index)).read_text()) for index in range(workers)]
    options = ["train", "--preset", "quick", "--updates=3", "--strategy", strategy]
    assert [each[:2] for each in told] == [[options, {"type": "worker", "index": i}] for i in range(workers)]
    addresses = told[0][2]
    assert len(set(addresses)) == workers and all(each[2] == addresses for each in told)
    assert all(address.startswith("127.0.0.1:") for address in addresses)


@pytest.mark.parametrize("option", [["--strategy", "one"], ["--strategy=workers"], ["--updates", "3", "--strategy=x"]])
def test_a_strategy_is_refused_in_one_sentence_before_any_worker_starts(launched, capfd, option):
    assert launched("print('started')", options=option) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err == "dcgan: launch says itself who computes the updates: leave --strategy out.\n"


@pytest.mark.parametrize(("given", "level"), [({}, "3"), ({"TF_CPP_MIN_LOG_LEVEL": "0"}, "0")])
def test_workers_are_quiet_about_losses_unless_the_user_wants_tensorflows_words(given, level):
    """In a process of its own: importing the project sets the level that other commands have."""
    names = ("TF_CPP_MIN_LOG_LEVEL", "GRPC_VERBOSITY")
    environment = {name: value for name, value in os.environ.items() if name not in names} | given
    process = started(f"print(*(os.environ[name] for name in {names}))", 1, env=environment)
    output, _ = process.communicate(timeout=HANGING)
    assert (process.returncode, output) == (0, f"{level} NONE\n")


@pytest.mark.parametrize(
    ("cores", "workers", "shares"),
    [
        ({0, 1}, 1, [{0, 1}]),
        ({0, 1}, 2, [{0}, {1}]),
        ({2, 3, 5, 7, 8}, 2, [{2, 3}, {5, 7, 8}]),
        ({4}, 2, [None, {4}]),
    ],
)
def test_workers_share_the_cores_of_this_process_and_no_core_is_given_twice(monkeypatch, cores, workers, shares):
    given = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: cores, raising=False)
    monkeypatch.setattr(os, "sched_setaffinity", lambda process, own: given.append((process, set(own))), raising=False)
    for index, share in enumerate(shares):
        before = launch.on_cores(index, workers)
        assert (before is None) == (share is None)
        if before:
            before()
            assert given.pop() == (0, share) and given == []


# --- what they say ----------------------------------------------------------------------------------------------------


def test_lines_of_the_chief_are_as_they_are_and_others_stand_behind_their_number(launched, capfd):
    body = """
print(f"{index} says", flush=True)
print(f"{index} warns", file=sys.stderr, flush=True)
print(f"{index} ends", end="")
"""
    assert launched(body, 3) == 0
    out, err = capfd.readouterr()
    assert out == "0 says\n0 ends"
    # Two threads pass lines on: what each worker says is in its order, and comes whole where it ends in a line.
    for index in (1, 2):
        begins = [err.index(f"worker {index}: {index} {word}") for word in ("says\n", "warns\n", "ends")]
        assert begins == sorted(begins)
    assert "0 warns\n" in err and "worker 0" not in err and err.count("worker ") == 6


def test_a_worker_whose_words_are_no_text_is_passed_on_to_the_last_line_and_ends(launched, capfd):
    """More lines than a pipe holds: who writes them waits for ever if nobody reads on."""
    body = r"""
if index:
    signal.alarm(20)  # so that this ends, whatever becomes of its reader
    os.write(1, b"caf\xff\n")
    for number in range(3000):
        print(f"line {number:04} " + 50 * ".")
"""
    assert launched(body, grace=10.0) == 0
    lines = capfd.readouterr().err.splitlines()
    assert lines[0] == r"worker 1: caf\xff"
    assert [line[:20] for line in lines[1:]] == [f"worker 1: line {number:04} "[:20] for number in range(3000)]


# --- how they end -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ends", "code"),
    [
        ([0, 0], 0),
        ([3, 0], 3),
        ([75, 5], 75),  # cli.TRY_AGAIN, whatever became of the others
        ([0, 5], 5),
        ([0, 0, 6], 6),
        ([0, 7, 6], 7),
        ([-signal.SIGKILL, 0], 128 + 9),
        ([0, -signal.SIGTERM], 128 + 15),
        ([4, -signal.SIGKILL], 4),
    ],
    ids=str,
)
def test_the_exit_code_is_the_chiefs_or_of_the_first_worker_that_did_not_end_well(launched, ends, code):
    body = f"""
end = {[int(end) for end in ends]}[index]
if end < 0:
    os.kill(os.getpid(), -end)
sys.exit(end)
"""
    assert launched(body, len(ends)) == code


@pytest.mark.parametrize(
    ("ends", "code"),
    [
        ({0: 3}, 3),  # a worker hangs
        ({1: 3}, 128 + 9),  # the chief does, and is killed for it
        ({0: 0}, 128 + 9),  # so is a worker that does not notice that all is done
        ({2: 5}, 128 + 9),  # two hang, and the last failed
    ],
    ids=str,
)
def test_who_hangs_when_another_has_ended_is_killed_after_the_grace_and_not_before(launched, capfd, ends, code):
    """They ignore signals, as a process does that is stuck; `ends` has the exit codes of those who do not."""
    body = f"""
if index in {ends}:
    sys.exit({ends}[index])
signal.signal(signal.SIGTERM, signal.SIG_IGN)
time.sleep({HANGING})
print("woke up")
"""
    began = time.monotonic()
    assert launched(body, 3 if 2 in ends else 2, grace=0.3) == code
    assert 0.3 <= time.monotonic() - began < HANGING / 2
    out, err = capfd.readouterr()
    assert "woke up" not in out + err


def test_who_ends_by_itself_within_the_grace_is_left_to(launched, capfd):
    body = """
if index == 0:
    sys.exit(4)
time.sleep(0.5)
print("saw that the chief is gone")
"""
    assert launched(body, grace=20.0) == 4
    assert capfd.readouterr().err == "worker 1: saw that the chief is gone\n"


# --- signals ----------------------------------------------------------------------------------------------------------

NOTING = """
got = []
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, _: got.append(int(number)))
print("ready", flush=True)
until = time.monotonic() + 20
while not got and time.monotonic() < until:
    time.sleep(0.01)
time.sleep(0.3)  # for a second one
print("got", got, flush=True)
sys.exit(40 + index)
"""
IN_A_TERMINAL, BY_NOHUP = (f"signal.signal(signal.SIGHUP, signal.{how})" for how in ("SIG_DFL", "SIG_IGN"))
"""How the command begins, which is not to depend on how the tests were started."""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_reaches_every_worker_once_and_the_chiefs_exit_code_is_the_answer(number):
    process = started(NOTING, 3, IN_A_TERMINAL)
    lines = [process.stdout.readline() for _ in range(3)]
    assert sorted(lines) == ["ready\n", "worker 1: ready\n", "worker 2: ready\n"]
    # A terminal sends Ctrl-C to all that it has started, and `kill` to the one that is named.
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
    output, code = process.stdout.read(), process.wait(timeout=HANGING)
    got = f"got [{int(number)}]\n"
    assert sorted(output.splitlines(keepends=True)) == [got, f"worker 1: {got}", f"worker 2: {got}"]
    assert code == 40


def test_a_terminal_that_is_closed_ends_nothing_that_was_started_to_outlive_it():
    process = started('print("ready", flush=True); time.sleep(0.7); print("done")', 2, BY_NOHUP)
    assert sorted(process.stdout.readline() for _ in range(2)) == ["ready\n", "worker 1: ready\n"]
    os.kill(process.pid, signal.SIGHUP)
    output, _ = process.communicate(timeout=HANGING)
    assert (process.returncode, sorted(output.splitlines())) == (0, ["done", "worker 1: done"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_workers_are_being_started_leaves_none_of_them_behind(number):
    also = f"""
{IN_A_TERMINAL}
share = launch.on_cores
def on_cores(index, workers):
    if index == 1:
        os.kill(os.getpid(), {int(number)})
    return share(index, workers)
launch.on_cores = on_cores
"""
    began = time.monotonic()
    process = started(f"time.sleep({HANGING / 3})", 2, also)
    output, _ = process.communicate()  # ends when nobody holds its other end any more, workers included
    assert time.monotonic() - began < HANGING / 4
    assert (process.returncode, output) == (128 + number, "")


@pytest.mark.skipif(sys.platform != "linux", reason="nobody tells a process elsewhere that its parent has ended")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGQUIT])
def test_a_signal_that_cannot_be_answered_leaves_no_worker_behind(number, tmp_path):
    body = f"""
def note(what):
    with open({str(tmp_path)!r} + f"/{{index}}", "a") as file:
        file.write(what)

signal.signal(signal.SIGTERM, lambda *_: (note("saved"), sys.exit(0)))
note("ready ")
print("ready", flush=True)
time.sleep({HANGING})
"""
    process = started(body, 3, "signal.signal(signal.SIGQUIT, signal.SIG_DFL)")  # in a shell's background it is ignored
    assert sorted(process.stdout.readline() for _ in range(3)) == ["ready\n", "worker 1: ready\n", "worker 2: ready\n"]
    os.kill(process.pid, number)
    process.communicate(timeout=HANGING / 2)  # the chief's end of it, too
    began = time.monotonic()
    while time.monotonic() - began < HANGING / 4 and any("saved" not in p.read_text() for p in tmp_path.iterdir()):
        time.sleep(0.01)
    assert process.returncode == -number
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys("012", "ready saved")


# --- what cannot be started -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("there", "said"), [(0, "None of 3"), (1, "Only 1 of 3"), (2, "Only 2 of 3")])
def test_where_not_all_workers_can_be_started_none_is_left_and_a_sentence_says_how_many_could(
    launched, monkeypatch, capfd, there, said
):
    start, known = subprocess.Popen, []

    def limited(*given, **options):
        if len(known) == there:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        known.append(start(*given, **options))
        return known[-1]

    monkeypatch.setattr(subprocess, "Popen", limited)
    try:
        assert launched(f"time.sleep({HANGING})", 3) == 2
        assert [process.wait(HANGING / 4) for process in known] == [-signal.SIGKILL] * there
    finally:
        for process in known:
            process.kill()
    out, err = capfd.readouterr()
    assert out == "" and err.count("\n") == 1
    assert err.startswith(f"dcgan: {said} workers could be started (Resource temporarily unavailable): ask for fewer")


def test_more_workers_than_there_are_ports_to_be_had_are_refused_in_the_same_words():
    process = started("", 64, "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))")
    output, _ = process.communicate(timeout=HANGING)
    said = "dcgan: None of 64 workers could be started (Too many open files): ask for fewer with --workers, or "
    assert process.returncode == 2 and output.startswith(said) and output.count("\n") == 1, output
