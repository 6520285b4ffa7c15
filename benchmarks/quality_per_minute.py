"""What do minutes of training give? This project beside the usual ways to train a DCGAN, on the same machine.

    python benchmarks/quality_per_minute.py --work FOLDER --data NAME|FOLDER|FILE --torch-python PYTHON
    python benchmarks/quality_per_minute.py --work FOLDER --score [--json]

The first trains. Each contender (`contenders.py`) is a process of its own; they take turns of some seconds of training
in one run, so that a busy moment of the machine hits all of them, and at marks of minutes each draws samples, which are
kept in FOLDER. A result that is there already is taken, so several sessions can add to one table, one after the other:
while one trains, a second is refused. The second command measures what is kept against images that nobody has trained
on; see `quality_scores.py`. What came stands in QUALITY.md, what was predicted before in PREDICTIONS.md.

Time is that of training alone, from a contender's first update on, with all that it compiles: not loading, building,
drawing samples or waiting. So nobody's grids, summaries and checkpoints are in it either. A mark is reached by the
first update that ends behind it, which favours slow contenders by up to one update.
"""

import argparse
import contextlib
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.contenders import CONTENDERS, PEERS, settings_of
from benchmarks.kept import Data, Result, alone, check_possible, set_apart
from benchmarks.sentences import in_a_sentence, last_line
from utils.errors import InputError
from utils.evaluation.distances import SAMPLES
from utils.files import make_folder

MARKS = (1.0, 2.5, 5.0, 10.0, 20.0)
TURN = 20.0
"""Seconds of training in a turn."""
SIZES = (32, 64)
"""Of images, in pixels: those that the peers' networks were written for."""
OF_TRAINING = {
    "size": 64,
    "count": None,
    "turn": TURN,
    "seeds": [0],
    "samples": SAMPLES,
    "networks": False,
    "torch_python": None,
}
OF_SCORING = {"spaces": ["auto", "imagenet"], "json": False}
"""Options that only one of the two commands has, with their defaults."""


# --- taking turns -----------------------------------------------------------------------------------------------------


class Gone(Exception):
    """A contender's process has ended."""


class Contender(Protocol):
    """Whoever takes turns: `contenders.Clock.answer`, here or in a process of its own."""

    def answer(self, asked: dict) -> dict: ...


class Process:
    """A contender in a process of its own, which waits whenever it is not asked for anything.

    Args:
        name: which one.
        images: file of the images that it trains on.
        seed: of its weights, order and latents.
        python: what runs it.
        log: file for what it prints.

    Attributes:
        facts: what it says of itself once it is ready.

    Raises:
        Gone: it did not get ready.
    """

    def __init__(self, name: str, images: Path, seed: int, python: str, log: Path):
        script = Path(__file__).with_name("contenders.py")
        # What this project sets is set for all: oneDNN, which TensorFlow as installed leaves off on some processors.
        environment = dict(os.environ, TF_CPP_MIN_LOG_LEVEL="2")
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log = log
        with log.open("w") as errors:
            try:
                self._process = subprocess.Popen(
                    [python, str(script), name, "--images", str(images), "--seed", str(seed)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    text=True,
                    env=environment,
                    start_new_session=True,  # Ctrl-C is for whoever started them all
                )
            except OSError as error:
                raise Gone(f"{python} cannot be run ({error.strerror})") from error
        self.facts = self._read()

    def answer(self, asked: dict) -> dict:
        try:
            self._process.stdin.write(json.dumps(asked) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # reading tells why
        return self._read()

    def end(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:  # in the middle of an update
            self._process.kill()
            self._process.wait()

    def _read(self) -> dict:
        if line := self._process.stdout.readline():
            return json.loads(line)
        code = self._process.wait()
        said = last_line(self.log.read_text(errors="replace"))
        raise Gone(f"{said or f'it ended with code {code}'}; {self.log} has all that it said")


def stops(marks: Iterable[float], turn: float) -> list[tuple[float, float | None]]:
    """When all contenders stop, in seconds of training, and at which mark, in minutes: the ends of turns, and marks."""
    at = {minutes * 60: minutes for minutes in marks}
    last = max(at)
    ends = {turn * number for number in range(1, int(last / turn) + 1)}
    return [(seconds, at.get(seconds)) for seconds in sorted(ends | set(at))]


def take_turns(contenders: dict[str, Contender], marks: Iterable[float], turn: float, at_mark, gone, tell=None) -> None:
    """Let contenders train in turns, all up to the first stop, then all up to the next.

    Args:
        contenders: by name.
        marks: in minutes.
        turn: seconds of training between stops.
        at_mark: is called with the name of a contender, the minutes and its state when it stands at a mark.
        gone: is called with the name and the reason when one cannot go on; the others do.
        tell: is called with the name and the state after each turn.
    """
    left = dict(contenders)
    for seconds, minutes in stops(marks, turn):
        for name, contender in list(left.items()):
            try:
                state = contender.answer({"until": seconds})
                if tell:
                    tell(name, state)
                if minutes is not None:
                    at_mark(name, minutes, state)
            except Gone as reason:
                gone(name, str(reason))
                del left[name]


def _results(data: Data, names: Sequence[str], seed: int) -> dict[str, Result]:
    return {name: Result(data.folder / name / str(seed)) for name in names}


def _lacking(data: Data, results: dict[str, Result], options: argparse.Namespace) -> list[str]:
    """Which of these have not got all marks yet."""
    asked = (options.minutes, options.samples, data.about["fingerprint"], options.networks)
    return [name for name, result in results.items() if not result.is_whole(*asked)]


def train(data: Data, names: Sequence[str], seed: int, options: argparse.Namespace, start=Process) -> None:
    """One session: the contenders that have not got all marks yet, in turns.

    Args:
        data: what they train on.
        names, seed: of the contenders.
        options: `minutes`, `turn`, `samples`, `networks` and `torch_python`, as on the command line.
        start: makes a contender, as `Process` does.
    """
    from utils.tables import duration

    results, whose = _results(data, names, seed), f"{data.folder.name}, seed {seed}"
    wanted = _lacking(data, results, options)
    if taken := [name for name in names if name not in wanted]:
        print(f"{whose}: kept before: {', '.join(taken)}.", file=sys.stderr)
    if wanted:
        print(f"{whose}: {len(wanted)} contenders get ready.", file=sys.stderr)
    with contextlib.ExitStack() as ending:
        processes = {}
        for name in wanted:
            if process := _started(name, data, seed, options, results[name].folder / "log.txt", start):
                processes[name] = process
                ending.callback(process.end)
        records = _records(processes, data, seed, options)
        for name in processes:
            results[name].folder.mkdir(parents=True, exist_ok=True)
        if not processes:
            return

        def at_mark(name: str, minutes: float, state: dict) -> None:
            drawn = results[name].folder / ".drawn.npy"
            try:
                processes[name].answer({"sample": str(drawn), "count": options.samples})
                if not records[name]["marks"]:  # with the first mark of a training goes what an earlier one left
                    results[name].clear()
                if options.networks:  # before the mark is recorded: what is recorded is whole
                    processes[name].answer({"save": str(make_folder(results[name].networks(minutes)))})
                results[name].keep(minutes, np.load(drawn, mmap_mode="r"), state, records[name])
            finally:
                drawn.unlink(missing_ok=True)

        last = max(options.minutes)
        print(
            f"{whose}: {len(processes)} contenders train for {last:g} minutes each, "
            f"{duration(len(processes) * last * 60)} in all; building them and drawing samples comes on top.",
            file=sys.stderr,
        )
        with _progress(processes, last * 60) as tell:
            take_turns(processes, options.minutes, options.turn, at_mark, _left_out, tell)


def _left_out(name: str, reason: str) -> None:
    print(f"{CONTENDERS[name].about} ({name}) is left out: {reason}.", file=sys.stderr)


def _started(
    name: str, data: Data, seed: int, options: argparse.Namespace, log: Path, start: Callable[..., Process]
) -> Process | None:
    """A contender that is ready; None of one that cannot take part, of which it is said why."""
    needs_torch = name in PEERS and PEERS[name].torch
    python = (options.torch_python or sys.executable) if needs_torch else sys.executable
    try:
        return start(name, data.train, seed, python, log)
    except Gone as reason:
        hint = ". --torch-python names a Python that has torch and numpy" if needs_torch else ""
        _left_out(name, f"{reason}{hint}")


def _records(processes: dict[str, Process], data: Data, seed: int, options: argparse.Namespace) -> dict[str, dict]:
    """What is known of each contender before its first mark."""
    from utils.runtime import cpu_name

    size = data.about["size"]
    session = {
        "began": time.strftime("%Y-%m-%d %H:%M:%S"),
        "contenders": list(processes),
        "turn": options.turn,
        "device": cpu_name(),
        "cores": len(os.sched_getaffinity(0)),
    }
    return {
        name: {
            "contender": name,
            "size": size,
            "seed": seed,
            "data": data.about["fingerprint"],
            "settings": settings_of(name, size),
            "samples_count": options.samples,
            **process.facts,
            "session": session,
            "marks": [],
        }
        for name, process in processes.items()
    }


@contextlib.contextmanager
def _progress(names: Iterable[str], each: float) -> Iterator[Callable[[str, dict], None]]:
    """A bar over the seconds of training of all contenders, `each` of them for so many; gives what tells it how far one
    has come."""
    from tqdm.auto import tqdm

    trained = dict.fromkeys(names, 0.0)

    def tell(name: str, state: dict) -> None:
        bar.set_postfix_str(f"{name}: {state['updates']} updates", refresh=False)
        now = min(state["seconds"], each)
        bar.update(now - trained[name])
        trained[name] = now

    with tqdm(
        total=len(trained) * each,
        mininterval=1 if os.isatty(2) else 60,
        smoothing=0.02,
        bar_format="{l_bar}{bar}| {n:.0f} of {total:.0f} s trained in {elapsed}, {remaining} left{postfix}",
    ) as bar:
        yield tell


# --- the command ------------------------------------------------------------------------------------------------------


@in_a_sentence
def main(arguments: Sequence[str] | None = None) -> int:
    names = "\n".join(f"  {name:<20} {contender.about}" for name, contender in CONTENDERS.items())
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=f"contenders:\n{names}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="folder of the results; those in there are taken")
    parser.add_argument("--data", nargs="+", help="datasets, folders of pictures, .npy or .npz files (faces)")
    parser.add_argument("--size", type=int, choices=SIZES, help="side of the images in pixels (64)")
    parser.add_argument("--count", type=int, help="how many images to take of each; by default all")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, metavar="CONTENDER", help="by default all")
    parser.add_argument(
        "--minutes",
        type=float,
        nargs="+",
        help=f"of training, at which samples are drawn ({' '.join(map(str, MARKS))})",
    )
    parser.add_argument("--turn", type=float, help="seconds of training in a turn (20)")
    parser.add_argument("--seeds", type=int, nargs="+", help="of weights, order and latents, one after the other (0)")
    parser.add_argument("--samples", type=int, help="samples at each mark, and images set apart (2000)")
    parser.add_argument(
        "--networks", action="store_true", default=None, help="keep this project's networks of each mark, too"
    )
    parser.add_argument("--torch-python", help="a Python that has torch and numpy, for PyTorch's example")
    parser.add_argument("--data-dir", type=Path, help="folder of the datasets; data/ by default")
    parser.add_argument("--score", action="store_true", help="measure what is kept, draw figures, train nothing")
    parser.add_argument("--spaces", nargs="+", help="feature spaces to measure in (auto imagenet)")
    parser.add_argument("--json", action="store_true", default=None, help="print the scores as JSON")
    options = parser.parse_args(arguments)
    try:
        return _run(options)
    except KeyboardInterrupt:
        print("\nStopped. Contenders that had reached all marks are kept; the others begin anew.", file=sys.stderr)
        return 130


def _run(options: argparse.Namespace) -> int:
    others, what = (OF_TRAINING, "--score measures") if options.score else (OF_SCORING, "Without --score it trains")
    if odd := [f"--{name.replace('_', '-')}" for name in others if getattr(options, name) is not None]:
        raise InputError(f"{what}, so it takes no {', '.join(odd)}; --data, --only and --minutes say what it is about.")
    for name, value in (OF_TRAINING | OF_SCORING).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    if not all(0 < number < math.inf for number in (*(options.minutes or MARKS), options.turn)):
        raise InputError(f"--minutes and --turn must be above 0. Received: {options.minutes} and {options.turn}.")
    if options.score:
        from benchmarks.quality_scores import Wanted, report

        wanted = Wanted(options.data, options.only, options.minutes, options.spaces)
        with alone(options.work, make=False):  # a training that begins anew removes figures meanwhile
            print(report(options.work, wanted, options.data_dir, as_json=options.json))
        return 0
    if min(options.seeds) < 0:
        raise InputError(f"--seeds must be at least 0. Received: {min(options.seeds)}.")
    options.minutes = sorted(set(options.minutes or MARKS))
    how = (options.size, options.work, options.samples, options.count, options.data_dir)
    asked = options.data or ["faces"]
    for name in asked:  # all of them before the images of one are drawn, which may take minutes
        check_possible(name, *how)
    names = options.only or list(CONTENDERS)
    with alone(options.work):
        sets = [set_apart(name, *how) for name in asked]
        for seed in options.seeds:
            for data in sets:
                _lacking(data, _results(data, names, seed), options)  # what is refused is said before others' hours
        for seed in options.seeds:  # a session that is stopped has whole seeds
            for data in sets:
                train(data, names, seed, options)
    if not any(result.name in names and result.seed in options.seeds for data in sets for result in data.results()):
        raise InputError("Nothing was trained, and nothing was kept before: the lines above say what each lacks.")
    print(f"To measure what is kept: python {sys.argv[0]} --work {options.work} --score", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
