"""What trainings survive: real processes that are killed, stopped, starved and lied to, again and again.

    python -m benchmarks.faults                         # all faults, 4 tries each: an hour or two
    python -m benchmarks.faults --only killed --tries 100
    python -m benchmarks.faults --soak 120              # minutes of resuming one run: do memory or open files grow?

Each try trains a tiny network in processes of its own, does the harm, goes on with `resume` as often as it takes, and
compares the run with one that nobody harmed: "tries" counts those in which harm was done, "survived" runs of them that
reached their last update, "lost" the most updates that a try had to compute anew after its last checkpoint, "differing"
the files and arrays that have other bits, "ended after s" how long it took from the first signal, or from the cut,
until all workers had ended, or had finished. Runs by two workers are compared with an unharmed run by two. What the
machine does not permit (mounting, cgroups) is left out and said. `tests/test_interruptions.py` and
`tests/test_workers.py` hold the short versions. A training on 300,000 images under a hard limit of memory: `python -m
benchmarks.memory --limit 1500`.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.limits import memory_group
from benchmarks.sentences import above_zero, at_least_one, in_a_sentence
from tests.comparing import contents
from utils.cli.launch import on_cores
from utils.cluster import Cluster, free_ports
from utils.errors import Interrupted
from utils.runs import PROJECT, Run
from utils.start import command
from utils.tables import table
from utils.training import checkpoint

UPDATES = 36
TINY = [
    *("--preset", "quick", "--width", "0.0625", "--batch-size", "8", "--summary-samples", "16"),
    *("--updates", str(UPDATES), "--summary-updates", "12", "--watch-updates", "6", "--checkpoint-seconds", "0"),
]
NORMALISED, JOINT = ["--batch-norm", "on"], ["--discriminator-updates", "joint"]
APART = [*NORMALISED, "--no-shared-latents"]  # fakes are made in two modes
RECIPES: dict[str, list[str]] = {
    "quick": [],
    "bfloat16": ["--precision", "mixed_bfloat16", "--force-precision"],
    "not normalised": ["--batch-norm", "off"],
    "moving": [*APART, "--statistics", "moving"],
    "moving_judge": [*NORMALISED, "--statistics", "moving_judge"],
    "moving_fakes": [*APART, "--statistics", "moving_fakes"],
    "parts": [*NORMALISED, "--batch-norm-parts", "2"],
    "average": ["--ema-decay", "0.9"],
    "lazy penalties": ["--loss", "relativistic", *JOINT, "--r1", "1", "--penalty-every", "4"],
    "conditional": ["--conditions", "attributes"],
    "regularised": ["--recipe", "regularised"],
}
TRIES = 4
PATIENCE = 600.0
"""Seconds after which a process counts as hanging."""


@dataclass
class Tried:
    """What became of the tries of one fault."""

    fault: str
    tries: int = 0
    survived: int = 0
    lost: int = 0
    differing: int = 0
    seconds: float = 0.0
    noticed: float = 0.0
    notes: list[str] = field(default_factory=list)

    def row(self) -> dict:
        """For the table."""
        plain = {"fault": self.fault, "tries": self.tries, "survived": self.survived, "lost updates": self.lost}
        took = {"ended after s": round(self.noticed, 1), "longest s": round(self.seconds, 1)}
        return plain | {"differing": self.differing} | took | {"note": "; ".join(self.notes)}


class Leave(Exception):
    """This machine does not permit the fault."""


class Unharmed(Exception):
    """Nothing was left to harm: the training had come to its end."""


class Job:
    """One training, of which processes come and go; none of them outlives the `with` block of it.

    Args:
        home: a folder of its own.
        data: an .npy of images, or the name of a built-in dataset.
        options: beside TINY.
        workers: how many.
    """

    def __init__(self, home: Path, data: str, options: list[str], workers: int = 1):
        self.runs, self.options, self.workers = home / "runs", [*TINY, *options, "--data", data], workers
        self.runs.mkdir(parents=True)
        self.lost, self.noticed = 0, 0.0
        self._started: list[subprocess.Popen] = []

    def __enter__(self) -> "Job":
        return self

    def __exit__(self, *_) -> None:
        for process in self._started:
            self.kill(process)

    @property
    def run(self) -> Run:
        return Run.find("last", self.runs)

    def start(self, *arguments: str) -> subprocess.Popen:
        """Start, or go on."""
        launch = ["launch", "--workers", str(self.workers)] if self.workers > 1 else []
        words = arguments or ("train", *self.options)
        process = subprocess.Popen(
            command("utils", *launch, *words, "--runs-dir", str(self.runs)),
            cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self._started.append(process)
        return process

    def wait_for(self, updates: int, process: subprocess.Popen) -> None:
        """Until so many updates are recorded.

        Raises:
            Unharmed: the process has come to its end.
            RuntimeError: it has ended otherwise.
            TimeoutError: PATIENCE is over.
        """
        until = time.monotonic() + PATIENCE
        while process.poll() is None and self.recorded() < updates:
            if time.monotonic() > until:
                raise TimeoutError("no updates")
            time.sleep(0.002)
        if process.poll() is not None:
            said = self.end(process)
            if process.returncode:
                raise RuntimeError(f"it ended by itself with {process.returncode}: {said[-300:]}")
            raise Unharmed("it had come to its end before")

    def recorded(self) -> int:
        """Updates in the records."""
        files = list(self.runs.glob("*/*/steps.jsonl"))
        return files[0].read_bytes().count(b"\n") if files else 0

    def saved(self) -> int:
        """Updates in the newest checkpoint."""
        return checkpoint.latest(self.run.checkpoints) or 0

    def end(self, process: subprocess.Popen) -> str:
        """Wait for the end; what was said."""
        try:
            return process.communicate(timeout=PATIENCE)[0]
        except subprocess.TimeoutExpired:
            self.kill(process)
            raise

    def kill(self, process: subprocess.Popen) -> None:
        """SIGKILL, unless it has ended; its workers with it."""
        if process.poll() is not None:
            return
        workers = self.workers_of(process) if self.workers > 1 else []
        process.kill()
        for worker in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
        process.wait()

    def go_on(self) -> None:
        """Resume until it is finished."""
        before = self.recorded()
        if list(self.runs.glob("*/*/state.json")):
            self.lost = max(self.lost, before - self.saved())
            process = self.start("resume", "last")
        else:
            process = self.start()
        output = self.end(process)
        if process.returncode:
            raise RuntimeError(output[-500:])

    def workers_of(self, launcher: subprocess.Popen) -> list[int]:
        """Processes of the workers, the chief first."""
        children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
        return sorted(map(int, children))


# --- faults: functions (job, chance) that harm a job, or raise Unharmed; it is resumed afterwards ---------------------


def killed(job: Job, chance: random.Random) -> None:
    """SIGKILL at a random moment, three times, or as often as it is before its end."""
    for number in range(3):
        process = job.start(*(("resume", "last") if list(job.runs.glob("*/*/state.json")) else ()))
        with contextlib.suppress(Unharmed):
            job.wait_for(min(job.recorded() + chance.randrange(1, 12), UPDATES - 1), process)
            time.sleep(chance.random() * 0.1)
            job.kill(process)
        job.end(process)
        if not process.returncode:
            if number:
                return
            raise Unharmed("it had come to its end before")
        if list(job.runs.glob("*/*/state.json")):
            job.lost = max(job.lost, job.recorded() - job.saved())


def _harm_worker(number: int, *signals: int, pause: float = 0.0) -> Callable:
    def harm(job: Job, chance: random.Random) -> None:
        first, *later = signals
        process = job.start()
        job.wait_for(chance.randrange(3, 24), process)
        try:
            worker = job.workers_of(process)[number]
            os.kill(worker, first)
        except (IndexError, FileNotFoundError, ProcessLookupError) as gone:
            raise Unharmed("the worker had ended before") from gone
        began = time.monotonic()
        for one in later:
            time.sleep(pause)
            os.kill(worker, one)
        job.end(process)
        job.noticed = time.monotonic() - began

    return harm


def _check_harmed(job: Job) -> None:
    """Refuse a try whose training came to its end all the same: nobody resumes it, so that nothing was tried."""
    if job.run.state.status == "finished":
        raise Unharmed("it came to its end all the same")


def terminated(job: Job, chance: random.Random) -> None:
    """SIGTERM, as a preemption notice: it saves and ends."""
    process = job.start()
    job.wait_for(chance.randrange(3, 24), process)
    process.send_signal(signal.SIGTERM)
    said = job.end(process)
    if process.returncode not in (0, 143):
        raise RuntimeError(f"it ended with {process.returncode}: {said[-300:]}")
    _check_harmed(job)


def _after_half(harm: Callable[[Job, random.Random], None]) -> Callable:
    """A fault that is done to a run that was stopped half-way."""

    def fault(job: Job, chance: random.Random) -> None:
        terminated(job, chance)
        harm(job, chance)

    return fault


def _newest(job: Job) -> Path:
    return max(job.run.checkpoints.glob("update_*.npz"))


def truncate(job: Job, chance: random.Random) -> None:
    """The newest checkpoint ends too early."""
    content = _newest(job).read_bytes()
    _newest(job).write_bytes(content[: chance.randrange(len(content))])


def flip(job: Job, chance: random.Random) -> None:
    """A bit of the newest checkpoint is turned round."""
    content = bytearray(_newest(job).read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    _newest(job).write_bytes(content)


def move(job: Job, chance: random.Random) -> None:
    """The run's folder is moved."""
    new = job.runs / "elsewhere" / job.run.folder.name
    new.parent.mkdir()
    job.run.folder.rename(new)


def two_at_once(job: Job, chance: random.Random) -> None:
    """A second process is started on a run at which one is at work: it has to be refused."""
    process = job.start()
    job.wait_for(3, process)
    process.send_signal(signal.SIGSTOP)  # it holds the run, and cannot come to its end, while the second tries
    if process.poll() is not None:
        raise Unharmed("it had ended before the second came")
    second = job.start("resume", "last")
    said = job.end(second)
    process.send_signal(signal.SIGCONT)
    if second.returncode != 2 or "Another process" not in said:
        raise RuntimeError(f"the second was not refused: {said[-300:]}")
    job.end(process)


def read_only(job: Job, chance: random.Random) -> None:
    """Nothing in the folder can be opened for writing for a while: the process has to end in a sentence."""

    def immutable(sign: str) -> int:  # what lies on a file system with open files cannot be made read-only as a whole
        try:
            return subprocess.run(["chattr", "-R", f"{sign}i", job.runs], capture_output=True, check=False).returncode
        except FileNotFoundError:  # there is no such program here
            return 127

    process = job.start()
    job.wait_for(5, process)
    try:
        refused = immutable("+")
        said = job.end(process)
    finally:
        immutable("-")
    if refused:
        raise Leave("files cannot be made immutable")
    if process.returncode != 2 or "Traceback" in said:
        raise RuntimeError(said[-300:])


def disk_full(job: Job, chance: random.Random) -> None:
    """The disk is full for a while: the process has to end in a sentence."""
    with _mounted(job.runs), job:  # which no process holds when it is unmounted
        process = job.start()
        job.wait_for(5, process)
        with contextlib.suppress(OSError), (job.runs / "filler").open("wb", buffering=0) as filler:
            while True:
                filler.write(bytes(4096))
        said = job.end(process)
        if process.returncode not in (0, 2) or "Traceback" in said:
            raise RuntimeError(said[-300:])
        _check_harmed(job)
        (job.runs / "filler").unlink()
        job.go_on()
        _keep(job)


def disappears(job: Job, chance: random.Random) -> None:
    """The folder is gone for a while (a disk that was pulled): the process ends, the folder comes back."""
    process = job.start()
    job.wait_for(5, process)
    away = job.runs.parent / "away"
    job.runs.rename(away)
    job.end(process)
    if job.runs.exists():  # what was written to the place where it had been
        shutil.rmtree(job.runs)
    away.rename(job.runs)


@contextlib.contextmanager
def _mounted(folder: Path, size: str = "16m") -> Iterator[Callable[[str], None]]:
    """A file system of its own, in memory."""

    def mount(options: str) -> None:
        if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=False).returncode:
            raise Leave("mounting is not permitted")

    if os.geteuid():
        raise Leave("mounting needs root")
    mount(f"size={size}")
    try:
        yield mount
    finally:
        subprocess.run(["umount", folder], check=False)


def _network_cut(seconds: float | None) -> Callable:
    """Two workers on two machines, whose network is cut: for so many seconds, or (None) for good.

    The machines are network namespaces with a cable between; while it is unplugged, no packet is answered or refused.
    """

    def cut(job: Job, chance: random.Random) -> None:
        with _two_machines() as (machines, addresses, cable):
            workers = tuple(f"{address}:{port}" for address, port in zip(addresses, free_ports(2)))
            processes = [
                subprocess.Popen(
                    ["ip", "netns", "exec", machine, *command("utils", "train", *job.options), "--strategy", "workers",
                     "--runs-dir", str(job.runs)],
                    cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                    env=os.environ | {"TF_CONFIG": Cluster(workers, index).tf_config()},
                    preexec_fn=on_cores(index, 2),  # threads as `launch` gives the unharmed run: they round alike
                )
                for index, machine in enumerate(machines)
            ]  # fmt: skip
            try:
                job.wait_for(chance.randrange(3, 24), processes[0])
                cable("down")
                began = time.monotonic()
                if seconds is not None:
                    time.sleep(seconds)
                    cable("up")
                for process in processes:
                    job.end(process)
                job.noticed = time.monotonic() - began
            finally:
                for process in processes:
                    process.kill()

    return cut


@contextlib.contextmanager
def _two_machines() -> Iterator[tuple[list[str], list[str], Callable[[str], None]]]:
    """Two network namespaces: their names, their addresses, and what plugs the cable between them ("up", "down")."""
    machines, addresses = [f"dcgan{os.getpid()}{end}" for end in "ab"], ["10.77.0.1", "10.77.0.2"]

    def ip(*words: str) -> None:
        done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Leave(f"network namespaces are not permitted ({done.stderr.strip()})")

    try:
        for machine in machines:
            ip("netns", "add", machine)
        ends = [("link", "add", "cable", "netns", machines[0]), ("type", "veth", "peer", "name", "cable")]
        ip(*ends[0], *ends[1], "netns", machines[1])
        for machine, address in zip(machines, addresses):
            ip("-n", machine, "address", "add", f"{address}/24", "dev", "cable")
            for link in ("lo", "cable"):
                ip("-n", machine, "link", "set", link, "up")
        yield machines, addresses, lambda state: ip("-n", machines[0], "link", "set", "cable", state)
    except FileNotFoundError as error:
        raise Leave("there is no program ip (iproute2)") from error
    finally:
        for machine in machines:
            with contextlib.suppress(FileNotFoundError):
                subprocess.run(["ip", "netns", "delete", machine], capture_output=True, check=False)


def _keep(job: Job) -> None:
    """Keep what is on a file system that goes away."""
    kept = job.runs.parent / "kept"
    shutil.copytree(job.runs, kept)
    job.runs = kept


def out_of_memory(job: Job, chance: random.Random) -> None:
    """The system's limit of memory kills the process: a control group that gets less than it needs."""
    with contextlib.ExitStack() as stack:
        process = job.start()
        job.wait_for(3, process)
        try:
            group = stack.enter_context(memory_group())
            stack.enter_context(job)  # no process is in the group when that is removed
            group.take(process.pid)
            group.limit(8 << 20)  # of what it takes from now on
        except OSError as error:
            raise Leave(f"control groups are not permitted ({error.strerror})") from error
        job.end(process)
    _check_harmed(job)
    if process.returncode != -signal.SIGKILL:
        raise RuntimeError(f"it was not killed, but ended with {process.returncode}")


FAULTS: dict[str, tuple[Callable, int]] = {
    **{f"killed: {recipe}": (killed, 1) for recipe in RECIPES},
    **{f"killed: {recipe}, two workers": (killed, 2) for recipe in ("quick", "lazy penalties")},
    "SIGTERM": (terminated, 1),
    "SIGTERM to the launcher of two workers": (terminated, 2),
    "SIGTERM to one of two workers": (_harm_worker(1, signal.SIGTERM), 2),
    "a worker killed": (_harm_worker(1, signal.SIGKILL), 2),
    "the chief killed": (_harm_worker(0, signal.SIGKILL), 2),
    "a worker stopped for good": (_harm_worker(1, signal.SIGSTOP), 2),
    "a worker stopped for 3 s": (_harm_worker(1, signal.SIGSTOP, signal.SIGCONT, pause=3.0), 2),
    "network cut for good": (_network_cut(None), 2),
    "network cut for 3 s": (_network_cut(3.0), 2),
    "checkpoint cut off": (_after_half(truncate), 1),
    "checkpoint with a bit flipped": (_after_half(flip), 1),
    "run moved": (_after_half(move), 1),
    "two processes on one run": (two_at_once, 1),
    "folder read-only for a while": (read_only, 1),
    "disk full for a while": (disk_full, 1),
    "folder gone for a while": (disappears, 1),
    "out of memory": (out_of_memory, 1),
}  # fmt: skip


def _home(work: Path, what: str) -> Path:
    """A folder that nobody has used, in one that may have been used before."""
    return Path(tempfile.mkdtemp(prefix=f"{what}-", dir=work))


def try_fault(name: str, tries: int, work: Path, wholes: dict, seed: int) -> Tried:
    """Try one fault so many times.

    What goes wrong in a try becomes a note; one in which no harm was done is noted, too, and does not count.
    """
    fault, workers = FAULTS[name]
    recipe = name.removeprefix("killed: ").removesuffix(", two workers") if name.startswith("killed: ") else "quick"
    data, tried = _data(recipe, work), Tried(name)
    for number in range(tries):
        job = Job(_home(work, "try"), data, RECIPES[recipe], workers)
        began = time.monotonic()
        try:
            with job:
                if (recipe, workers) not in wholes:
                    with Job(_home(work, "whole"), data, RECIPES[recipe], workers) as whole:
                        whole.go_on()
                    wholes[recipe, workers] = contents(whole.run)
                began = time.monotonic()
                fault(job, random.Random(f"{seed} {name} {number}"))
                if job.recorded() < UPDATES or job.run.state.status != "finished":
                    job.go_on()
                tried.survived += job.run.state.status == "finished"
                found, expected = contents(job.run), wholes[recipe, workers]
                tried.differing += sum(found.get(each) != expected.get(each) for each in found.keys() | expected.keys())
        except Leave as reason:
            tried.notes.append(f"left out: {reason}")
            break
        except Unharmed as reason:
            tried.notes.append(f"try {number}: not harmed, {reason}")
            continue
        except Exception as error:  # of one try: hours of others are not lost for it
            tried.notes.append(f"try {number}: {type(error).__name__}: {' '.join(str(error).split())[-200:]}")
        tried.tries += 1
        tried.lost = max(tried.lost, job.lost)
        tried.noticed = max(tried.noticed, job.noticed)
        tried.seconds = max(tried.seconds, time.monotonic() - began)
        if not tried.notes:
            shutil.rmtree(job.runs.parent)
    return tried


def _data(recipe: str, work: Path) -> str:
    if recipe == "conditional":
        return "faces"
    file = work / "images.npy"
    if not file.exists():
        np.save(file, np.random.default_rng(5).integers(0, 256, (48, 32, 32, 3), np.uint8))
    return str(file)


def soak(minutes: float, work: Path) -> dict:
    """Resume one run again and again in this process; each time it is stopped by a signal after its first updates.

    Args:
        minutes: how long; Ctrl-C or SIGTERM by somebody else ends it before.
        work: folder to work in.

    Returns:
        How long and how many times, and of memory and open files the means of the second and of the last tenth.
    """
    from utils.config import replace
    from utils.presets import preset
    from utils.training import resume, train

    experiment = replace(preset("quick"), name=_data("quick", work), count=None, width=0.0625, batch_size=8,
                         summary_samples=16, updates=10**7, summary_updates=10**7, watch_updates=0)  # fmt: skip
    runs, seen, began, enough = work / "soak", [], time.monotonic(), False
    while not enough and time.monotonic() < began + 60 * minutes:
        try:
            with _stopped_after_updates(runs) as sent:
                if seen:
                    resume(Run.find("last", runs).folder, progress=False)
                else:
                    train(experiment, runs_dir=runs, progress=False)
        except Interrupted as stop:
            enough = stop.signal != signal.SIGTERM or not sent.is_set()
        except (KeyboardInterrupt, SystemExit):  # before or after the updates, where no training answers it
            enough = True
        memory = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        seen.append((memory / 2**20, len(os.listdir("/proc/self/fd"))))
        if len(seen) % 50 == 0:
            print(f"{len(seen)} resumes: {seen[-1][0]:.0f} MiB, {seen[-1][1]} files", file=sys.stderr, flush=True)
    tenth = max(1, len(seen) // 10)
    early, late = np.mean(seen[tenth : 2 * tenth] or seen, axis=0), np.mean(seen[-tenth:], axis=0)
    found = {"minutes": round((time.monotonic() - began) / 60, 1), "resumes": len(seen) - 1}
    found |= {"updates": Run.find("last", runs).state.update if Run.all(runs) else 0}
    found |= {"MiB early": early[0], "MiB late": late[0], "most MiB": max(memory for memory, _ in seen)}
    return found | {"files early": early[1], "files late": late[1]}


@contextlib.contextmanager
def _stopped_after_updates(runs: Path) -> Iterator[threading.Event]:
    """Send this process SIGTERM when more updates are recorded than there were; what is given tells whether it was."""

    def size() -> int:
        return sum(file.stat().st_size for file in runs.glob("*/*/steps.jsonl"))

    def watch() -> None:
        while not done.is_set():
            if size() > before:
                sent.set()
                os.kill(os.getpid(), signal.SIGTERM)
                return
            time.sleep(0.01)

    before, done, sent = size(), threading.Event(), threading.Event()
    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield sent
    finally:
        done.set()
        watching.join()


@in_a_sentence
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tries", type=at_least_one, help=f"of each fault; else {TRIES}")
    parser.add_argument("--only", nargs="+", default=[], help="faults whose names begin so")
    parser.add_argument("--seed", type=int, help="of the moments at which harm is done; else 0")
    parser.add_argument("--soak", type=above_zero, help="minutes of resuming, in place of faults")
    parser.add_argument("--work", type=Path, help="folder to work in, which is kept; a temporary one by default")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    of_faults = {"--tries": options.tries, "--only": options.only or None, "--seed": options.seed}
    if options.soak is not None and (odd := [name for name, value in of_faults.items() if value is not None]):
        parser.error(f"--soak takes the place of faults: leave {', '.join(odd)} out")
    if odd := [start for start in options.only if not any(name.startswith(start) for name in FAULTS)]:
        parser.error(f"argument --only: no fault's name begins with {', '.join(odd)}; there are {', '.join(FAULTS)}")
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(options.work or temporary)
        work.mkdir(parents=True, exist_ok=True)
        if options.soak is not None:
            print(json.dumps(soak(options.soak, work), indent=2))
            return
        chosen = [name for name in FAULTS if not options.only or name.startswith(tuple(options.only))]
        rows, wholes = [], {}
        for name in chosen:
            print(f"{name}…", file=sys.stderr)
            rows.append(try_fault(name, options.tries or TRIES, work, wholes, options.seed or 0).row())
            print(f"  {rows[-1]}", file=sys.stderr)  # hours may pass until the table
    print(json.dumps(rows, indent=2) if options.json else table(rows))


if __name__ == "__main__":
    sys.exit(main())
