"""What `--dry-run` says of memory beside what a training takes: the most that its process held (resident set size).

    python -m benchmarks.memory                                # six presets, some minutes each
    python -m benchmarks.memory --presets quick --updates 4
    python -m benchmarks.memory --limit 1500 --count 300000    # a training under a hard limit of so many MB (cgroup)

Each preset is asked in one process and trained in another, on random images from a file that is small beside what the
networks take, for a few updates, with summaries, checkpoints and the film. The goal is a ratio from 0.75 to 1.25.
With --limit one preset trains on so many images of 64x64 (3.7 GB for 300,000; twice that on disk) in a control group
that may not hold more, pages of the array counted: whether it ends well, and what the group held at most.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.limits import MemoryGroup, memory_group
from benchmarks.sentences import ChildFailed, at_least_one, existing_folder, in_a_sentence
from utils.children import ending_with_us
from utils.errors import InputError
from utils.presets import preset, presets
from utils.runs import PROJECT
from utils.start import command
from utils.tables import table

PRESETS = ("quick", "quick64", "report32", "paper_svhn", "lab32", "regularised64")
COUNT = 300_000  # images, under a limit
GOAL = 0.25
"""How far the estimate may be off, as a share of what was measured."""


class Ended(NamedTuple):
    """A process that has ended.

    Attributes:
        command: what was run.
        code: its exit code, or minus the number of the signal that ended it.
        peak: the most bytes that it held.
        out, err: what it wrote to standard output and standard error.
    """

    command: list[str]
    code: int
    peak: int
    out: str
    err: str

    def checked(self) -> "Ended":
        """Itself, if it has ended well.

        Raises:
            ChildFailed: it has not.
        """
        if self.code:
            raise ChildFailed(self.command, self.code, self.err)
        return self


def run(arguments: list[str], inside: MemoryGroup | None = None) -> Ended:
    """Run the command line in a process of its own.

    Args:
        arguments: of `./dcgan`.
        inside: a control group to run it in, or None.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+", errors="replace") as err:

        def join() -> None:
            if inside is not None:
                inside.take(os.getpid())

        process = subprocess.Popen(
            command("utils", *arguments), cwd=PROJECT, stdout=out, stderr=err, preexec_fn=ending_with_us(join)
        )
        try:
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            if process.returncode is None:  # a signal has ended the waiting
                process.kill()
                process.wait()
        for stream in (out, err):
            stream.seek(0)
        return Ended(process.args, process.returncode, used.ru_maxrss * 1024, out.read(), err.read())


def compare(name: str, updates: int, work: Path) -> dict:
    """What is said, and what is measured, of one preset.

    Raises:
        ChildFailed: it was not said, or the training has failed.
    """
    experiment = preset(name)
    size, batch = experiment.model.image_size, experiment.training.batch_size
    data = work / f"{size}-{batch}.npy"
    if not data.exists():
        np.save(data, np.random.default_rng(0).integers(0, 256, (4 * batch, size, size, 3), np.uint8))
    asked = ["train", "--preset", name, "--data", str(data), "--updates", str(updates)]
    asked += ["--summary-updates", str(updates), "--runs-dir", str(work / "runs"), "--data-dir", str(work / "data")]
    expected = json.loads(run([*asked, "--dry-run", "--json"]).checked().out)["estimate"]["memory_bytes"]
    peak = run(asked).checked().peak
    ratio = expected / peak
    return {
        "preset": name,
        "batch": batch,
        "said MB": round(expected / 1e6),
        "measured MB": round(peak / 1e6),
        "ratio": round(ratio, 2),
        "within 25%": "yes" if abs(ratio - 1) <= GOAL else "no",
    }


def under_limit(name: str, megabytes: int, count: int, updates: int, work: Path) -> dict:
    """Train on very many images with little memory.

    The images are written a piece at a time; the training, which alone is in the group, prepares them itself.

    Raises:
        InputError: control groups are not permitted here.
    """
    with contextlib.ExitStack() as stack:
        try:
            group = stack.enter_context(memory_group(megabytes * 1_000_000))
        except OSError as error:
            raise InputError(
                f"--limit needs control groups, which are not permitted here ({error.strerror}): use it as root, or "
                "leave it out."
            ) from error
        return _under(group, name, megabytes, count, updates, work)


def _under(group: MemoryGroup, name: str, megabytes: int, count: int, updates: int, work: Path) -> dict:
    size, data = 64, work / "many.npy"
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, size, size, 3)}
    chance = np.random.default_rng(0)
    with data.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, count, 1_000):
            file.write(chance.bytes(min(1_000, count - start) * size * size * 3))
    asked = ["train", "--preset", name, "--data", str(data), "--updates", str(updates), "--image-size", str(size)]
    asked += ["--summary-updates", str(updates), "--runs-dir", str(work / "runs"), "--data-dir", str(work / "data")]
    trained = run(asked, group)
    held = group.peak
    return {
        "preset": name,
        "images": count,
        "limit MB": megabytes,
        "ended": "well" if trained.code == 0 else f"with {trained.code}",
        "process MB": round(trained.peak / 1e6),
        "group MB": None if held is None else round(held / 1e6),
    }


@in_a_sentence
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--presets", nargs="+", choices=presets(), metavar="PRESET", help=f"else {' '.join(PRESETS)}")
    parser.add_argument("--updates", type=at_least_one, default=6, help="of each training")
    parser.add_argument("--limit", type=at_least_one, help="MB that a training may take, in place of the comparison")
    parser.add_argument("--count", type=at_least_one, help=f"with --limit: images of 64x64; else {COUNT:,}")
    parser.add_argument("--folder", type=existing_folder, help="where to make the temporary folder")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    if options.limit and len(options.presets or ()) > 1:
        parser.error(f"--limit is for one preset. Received: --presets {' '.join(options.presets)}")
    if options.count and options.limit is None:
        parser.error(f"--count goes with --limit. Received: --count {options.count} alone")
    with tempfile.TemporaryDirectory(dir=options.folder) as temporary:
        work = Path(temporary)
        if options.limit is None:
            rows = [compare(name, options.updates, work) for name in options.presets or PRESETS]
        else:
            (name,) = options.presets or ("quick64",)
            rows = [under_limit(name, options.limit, options.count or COUNT, options.updates, work)]
    print(json.dumps(rows, indent=2) if options.json else table(rows))


if __name__ == "__main__":
    sys.exit(main())
