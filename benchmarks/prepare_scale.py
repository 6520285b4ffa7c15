"""What it takes to prepare very many pictures: images a second, memory, disk; also killed on the way, and in parts.

    python -m benchmarks.prepare_scale --count 1000000                  # an LMDB database of JPEGs of 64x64, as LSUN's
    python -m benchmarks.prepare_scale --count 1000000 --kind files     # the same as files in folders
    python -m benchmarks.prepare_scale --count 20000 --kills 3          # SIGKILL on the way; the array must be the same
    python -m benchmarks.prepare_scale --count 20000 --parts 2          # two processes at a time, as two machines would

The pictures are synthetic (DISTINCT different ones, again and again), and `./dcgan datasets --prepare` prepares them in
a process of its own with as many workers as there are cores (--cores). Memory is the most that it and its workers held
for themselves at a time; pages of mapped files, which the system takes back when it likes, do not count. Beside wall
clock there is processor time, on which other work of the machine has less influence; with --kills it is left out, since
nobody counts that of workers whose process was killed. Where a preparation was disturbed, all bytes of the arrays are
compared with those of one that was not. Needs Linux, and for a million pictures of 64x64 some 17 GB of disk, which are
freed in the end.
"""

import argparse
import contextlib
import hashlib
import io
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.sentences import ChildFailed, at_least_one, at_least_zero, existing_folder, in_a_sentence
from utils.children import ending_with_us
from utils.runs import PROJECT
from utils.start import command

DISTINCT = 2_000
PER_FOLDER = 1_000
PIECE = 1 << 20  # bytes of an array in memory at a time


def pictures(side: int) -> list[bytes]:
    """DISTINCT JPEGs of smooth colours with some noise, of about the size that photographs have."""
    chance, made = np.random.default_rng(0), []
    for _ in range(DISTINCT):
        coarse = Image.fromarray(chance.integers(0, 256, (8, 8, 3), np.uint8))
        smooth = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC), np.int16)
        pixels = np.clip(smooth + chance.integers(-12, 13, smooth.shape), 0, 255).astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=90)
        made.append(file.getvalue())
    return made


def write_database(home: Path, count: int, side: int) -> str:
    """An LMDB database where the reader of LSUN's bedrooms looks for it; the name of the dataset."""
    import lmdb

    distinct, folder = pictures(side), home / "lsun_bedroom" / "bedroom_train_lmdb"
    folder.mkdir(parents=True)
    size = 2 * count * (max(map(len, distinct)) + 8192)  # of the map; the file grows as it is filled
    with lmdb.open(str(folder), map_size=size, writemap=True, map_async=True, sync=False) as database:
        for start in range(0, count, 10_000):
            with database.begin(write=True) as transaction:
                for number in range(start, min(start + 10_000, count)):
                    transaction.put(b"%040d" % number, distinct[number % DISTINCT], append=True)
        database.sync(True)
    return "lsun_bedroom"


def write_files(home: Path, count: int, side: int) -> str:
    """Files in folders; the path of all."""
    distinct, folder = pictures(side), home / "pictures"
    for number in range(count):
        if number % PER_FOLDER == 0:
            place = folder / "all" / f"{number // PER_FOLDER:06d}"
            place.mkdir(parents=True)
        (place / f"{number:09d}.jpg").write_bytes(distinct[number % DISTINCT])
    return str(folder)


class Preparation:
    """One process that prepares, and its workers.

    Args:
        options: of `./dcgan datasets`.
        cores: how many the process and its workers may use.
    """

    def __init__(self, options: list[str], cores: int):
        allowed = sorted(os.sched_getaffinity(0))[:cores]
        self._errors = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115  as long as the process
        self.process = subprocess.Popen(
            command("utils", "datasets", *options, "--prepare", "--json"),
            cwd=PROJECT, stdout=subprocess.PIPE, stderr=self._errors, text=True,
            preexec_fn=ending_with_us(lambda: os.sched_setaffinity(0, allowed)),
        )  # fmt: skip
        self.peak = 0

    def look(self) -> None:
        """Note the memory that it holds now."""
        self.peak = max(self.peak, sum(map(_own_memory, _family(self.process.pid))))

    def kill(self) -> None:
        """SIGKILL, unless it has ended; the workers end by themselves, and are waited for."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()

    def result(self) -> dict:
        """Wait for the end; what it says.

        Raises:
            ChildFailed: it has ended badly.
        """
        while self.process.poll() is None:
            self.look()
            time.sleep(0.1)
        if self.process.returncode:
            self._errors.seek(0)
            raise ChildFailed(self.process.args, self.process.returncode, self._errors.read())
        return json.loads(self.process.stdout.read())


def _family(process: int) -> list[int]:
    """A process and all that it has started."""
    found = [process]
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{process}/task/{process}/children").read_text().split():
            found += _family(int(child))
    return found


def _own_memory(process: int) -> int:
    with contextlib.suppress(OSError, StopIteration):
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("RssAnon"))
    return 0


def contents(prepared: Path) -> dict[str, str]:
    """A digest of the bytes of each array below a folder. (A dataset's fingerprint is one of what was read.)"""
    found = {}
    for path in sorted(prepared.rglob("*.npy")):
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                digest.update(piece)
        found[str(path.relative_to(prepared))] = digest.hexdigest()
    return found


def finished(data: Path) -> int:
    """Chunks that the journals in a data folder tell of."""
    return sum(file.read_bytes().count(b"\n") for file in (data / "prepared").glob("*/journal*.jsonl"))


def on_disk(folder: Path) -> int:
    """Bytes that a folder takes of the disk."""
    return sum(file.stat().st_blocks * 512 for file in folder.rglob("*") if file.is_file())


@in_a_sentence
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=at_least_one, default=1_000_000, help="pictures")
    parser.add_argument("--kind", choices=("lmdb", "files"), default="lmdb", help="how they are kept")
    parser.add_argument("--side", type=at_least_one, default=64, help="of the pictures")
    parser.add_argument("--size", type=at_least_one, default=64, help="side of the images in the array")
    parser.add_argument(
        "--cores", type=at_least_one, default=len(os.sched_getaffinity(0)), help="of each process that prepares"
    )
    parser.add_argument("--kills", type=at_least_zero, default=0, help="how often to kill it on the way")
    parser.add_argument("--parts", type=at_least_one, default=1, help="parts that are prepared at the same time")
    parser.add_argument("--folder", type=existing_folder, help="where to make the temporary folder")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    figures: dict = {"pictures": options.count, "kind": options.kind, "cores": options.cores}
    with tempfile.TemporaryDirectory(dir=options.folder) as temporary, contextlib.ExitStack() as at_the_end:
        data = Path(temporary) / "data"
        data.mkdir()
        began = time.perf_counter()
        write = {"lmdb": write_database, "files": write_files}[options.kind]
        name = write(data if options.kind == "lmdb" else Path(temporary), options.count, options.side)
        figures["s to write the pictures"] = round(time.perf_counter() - began, 1)
        source = data / "lsun_bedroom" if options.kind == "lmdb" else Path(name)
        figures["MB of pictures"] = round(on_disk(source) / 1e6)

        def preparation(*part: str) -> Preparation:
            asked = [name, "--size", str(options.size), "--data-dir", str(data), *part]
            one = Preparation(asked, options.cores)
            at_the_end.callback(one.kill)
            return one

        chance, chunks, before = random.Random(0), -(-options.count // 256), os.times()
        began, peak = time.perf_counter(), 0
        for _ in range(options.kills):
            doomed = preparation()
            goal = finished(data) + chance.randrange(1, max(2, chunks // (options.kills + 1)))
            while finished(data) < goal and doomed.process.poll() is None:
                time.sleep(0.01)
            doomed.kill()
        figures["chunks that kills had left"] = f"{finished(data)} of {chunks}"
        if options.parts > 1:
            parts = [preparation("--part", f"{part}/{options.parts}") for part in range(1, options.parts + 1)]
            while any(part.process.poll() is None for part in parts):
                for part in parts:
                    part.look()
                time.sleep(0.1)
            for part in parts:
                part.result()
            peak = sum(part.peak for part in parts)
        last = preparation()
        result = last.result()
        took, after = time.perf_counter() - began, os.times()
        spent = after.children_user + after.children_system - before.children_user - before.children_system
        prepared = data / "prepared"
        figures |= {
            "s to prepare": round(took, 1),
            "images/s": round(options.count / took),
            # Workers count when they have ended and their process has asked; one that was killed never does.
            "images/s of a core's time": None if options.kills else round(options.count / spent),
            "MB of memory, all processes": round(max(peak, last.peak) / 1e6),
            "MB prepared": round(on_disk(prepared) / 1e6),
            "images": result["images"],
            "fingerprint": result["fingerprint"][:12],
        }
        if options.kills or options.parts > 1:  # must be what nobody disturbs
            disturbed = result, contents(prepared)
            shutil.rmtree(prepared)
            figures["the same undisturbed"] = (preparation().result(), contents(prepared)) == disturbed
    width = max(map(len, figures))
    lines = [f"{name:>{width}}  {'–' if value is None else value}" for name, value in figures.items()]
    print(json.dumps(figures) if options.json else "\n".join(lines))


if __name__ == "__main__":
    sys.exit(main())
