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
import json
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.limits import memory_group
from utils.config import preset
from utils.presets import presets
from utils.runs import PROJECT
from utils.start import command
from utils.tables import table

PRESETS = ("quick", "quick64", "report32", "paper_svhn", "lab32", "regularised64")
GOAL = 0.25
"""How far the estimate may be off, as a share of what was measured."""


def peak_of(arguments: list[str], inside=None) -> tuple[int, str, int]:
    """Run the command line in a process of its own.

    Args:
        arguments: of `./dcgan`.
        inside: a control group to run it in, or None.

    Returns:
        The most bytes that the process held; what it said; its exit code.
    """
    with tempfile.TemporaryFile("w+") as said:

        def join() -> None:
            if inside is not None:
                inside.take(os.getpid())

        process = subprocess.Popen(
            command("utils", *arguments), cwd=PROJECT, stdout=said, stderr=subprocess.DEVNULL, preexec_fn=join
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        return used.ru_maxrss * 1024, said.read(), process.returncode


def compare(name: str, updates: int, work: Path) -> dict:
    """What is said, and what is measured, of one preset."""
    experiment = preset(name)
    size, batch = experiment.model.image_size, experiment.training.batch_size
    data = work / f"{size}-{batch}.npy"
    if not data.exists():
        np.save(data, np.random.default_rng(0).integers(0, 256, (4 * batch, size, size, 3), np.uint8))
    asked = ["train", "--preset", name, "--data", str(data), "--updates", str(updates)]
    asked += ["--summary-updates", str(updates), "--runs-dir", str(work / "runs"), "--data-dir", str(work / "data")]
    _, said, code = peak_of([*asked, "--dry-run", "--json"])
    if code:
        raise SystemExit(f"{name}: the dry run failed.")
    expected = json.loads(said)["estimate"]["memory_bytes"]
    peak, _, code = peak_of(asked)
    if code:
        raise SystemExit(f"{name}: the training failed.")
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

    The images are made in the same group, a piece at a time, and prepared by the training itself.
    """
    size, data = 64, work / "many.npy"
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, size, size, 3)}
    chance = np.random.default_rng(0)
    with data.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, count, 1_000):
            file.write(chance.bytes(min(1_000, count - start) * size * size * 3))
    asked = ["train", "--preset", name, "--data", str(data), "--updates", str(updates), "--image-size", str(size)]
    asked += ["--summary-updates", str(updates), "--runs-dir", str(work / "runs"), "--data-dir", str(work / "data")]
    with memory_group(megabytes * 1_000_000) as group:
        peak, _, code = peak_of(asked, group)
        held = group.peak
    return {
        "preset": name,
        "images": count,
        "limit MB": megabytes,
        "ended": "well" if code == 0 else f"with {code}",
        "process MB": round(peak / 1e6),
        "group MB": None if held is None else round(held / 1e6),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--presets", nargs="+", choices=presets(), default=list(PRESETS), metavar="PRESET")
    parser.add_argument("--updates", type=int, default=6, help="of each training")
    parser.add_argument("--limit", type=int, help="MB that a training may take, in place of the comparison")
    parser.add_argument("--count", type=int, default=300_000, help="with --limit: images of 64x64")
    parser.add_argument("--folder", help="where to make the temporary folder")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as temporary:
        work = Path(temporary)
        if options.limit is None:
            rows = [compare(name, options.updates, work) for name in options.presets]
        else:
            name = options.presets[0] if options.presets != list(PRESETS) else "quick64"
            try:
                rows = [under_limit(name, options.limit, options.count, options.updates, work)]
            except OSError as error:
                raise SystemExit(f"Control groups are not permitted here ({error.strerror}).") from error
    print(json.dumps(rows, indent=2) if options.json else table(rows))


if __name__ == "__main__":
    main()
