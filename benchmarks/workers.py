"""How much faster two workers are than one, each with one core: updates a second of the same training.

    python -m benchmarks.workers                                # two presets, about 7 minutes
    python -m benchmarks.workers --presets quick64 --turns 1    # to see that it works

Real trainings by the command line on random images: one worker on one core, two workers on a core each (`launch`), and,
as what a shared memory gives without any worker, one process with two cores. They take turns; the median of the turns
counts. The clock runs from the first updates, when all is compiled, over --seconds. Efficiency is the speed of two
workers as a share of twice the speed of one. "model" is `utils.training.traffic`'s of two workers that are connected as
here, where each sum passes through the system's loopback (LOCAL, assumed before anything was measured).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.sentences import ChildFailed, above_zero, at_least_one, in_a_sentence
from utils.children import ending_with_us
from utils.errors import InputError
from utils.presets import preset, presets
from utils.runs import PROJECT
from utils.start import command
from utils.tables import table

WARM = 10
"""Updates before the clock runs."""


LOCAL = (1e9, 5e-4)
"""Bytes/s and seconds of a sum between two processes: assumed, of gRPC over loopback."""


class Arm:
    """One way to train: its words before `train`, and its cores."""

    def __init__(self, words: list[str], cores: list[int]):
        self.words, self.cores = words, cores

    def seconds_per_update(self, options: list[str], seconds: float) -> float:
        """Train for so many seconds after the first updates, and stop."""
        with tempfile.TemporaryDirectory() as runs:
            process = subprocess.Popen(
                command("utils", *self.words, "train", *options, "--runs-dir", runs),
                cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                preexec_fn=ending_with_us(lambda: os.sched_setaffinity(0, self.cores)),
            )  # fmt: skip
            try:
                start, began = self._at(Path(runs), WARM, 0.0, process)
                end, ended = self._at(Path(runs), start + 1, began + seconds, process)
            finally:
                process.terminate()
                process.communicate()
        return (ended - began) / (end - start)

    def _at(self, runs: Path, updates: int, moment: float, process: subprocess.Popen) -> tuple[int, float]:
        """The first look after a moment at which there are at least so many updates, as a new one is written."""
        seen = None
        while True:
            file = next(runs.glob("*/*/steps.jsonl"), None)
            done = file.read_bytes().count(b"\n") if file else 0
            now = time.monotonic()
            if seen is not None and done > seen and done >= updates and now >= moment:
                return done, now
            seen = done
            if process.poll() is not None:
                raise ChildFailed(process.args, process.returncode, process.stderr.read())
            time.sleep(0.001)


def compare(name: str, turns: int, seconds: float, work: Path) -> dict:
    """The arms beside each other for one preset."""
    from utils.training.traffic import Link, efficiency, traffic

    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        raise InputError("Two workers with a core each need two cores; this process may use one.")
    arms = {
        "one worker, one core": Arm([], cores[:1]),
        "two workers, a core each": Arm(["launch", "--workers", "2"], cores),
        "one worker, two cores": Arm([], cores),
    }
    experiment = preset(name)
    size, batch = experiment.model.image_size, experiment.training.batch_size
    data = work / f"{size}.npy"
    if not data.exists():
        np.save(data, np.random.default_rng(0).integers(0, 256, (1024, size, size, 3), np.uint8))
    options = ["--preset", name, "--data", str(data), "--data-dir", str(work / "data"), "--updates", "100000"]
    options += ["--summary-updates", "100000", "--watch-updates", "0", "--checkpoint-seconds", "100000"]
    taken = {about: [] for about in arms}
    for _ in range(turns):
        for about, arm in arms.items():
            taken[about].append(arm.seconds_per_update(options, seconds))
    medians = {about: statistics.median(times) for about, times in taken.items()}
    alone, together, _ = medians.values()
    local = Link("two processes of this machine", 2, *LOCAL)
    return {
        "preset": name,
        "batch": batch,
        **{f"{about}: ms": round(1000 * value, 1) for about, value in medians.items()},
        "speed-up": round(alone / together, 2),
        "efficiency": round(alone / together / 2, 2),
        "model": round(efficiency(alone, traffic(experiment), local), 2),
    }


@in_a_sentence
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--presets", nargs="+", choices=presets(), default=["quick64", "paper_svhn"], metavar="PRESET")
    parser.add_argument("--turns", type=at_least_one, default=3)
    parser.add_argument("--seconds", type=above_zero, default=20.0, help="of each arm and turn")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        rows = [compare(name, options.turns, options.seconds, Path(work)) for name in options.presets]
    print(json.dumps(rows, indent=2) if options.json else table(rows))


if __name__ == "__main__":
    sys.exit(main())
