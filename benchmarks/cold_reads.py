"""How fast batches come from a cold disk, shuffled in full and in blocks.

    python -m benchmarks.cold_reads --gb 8 --seconds 60
    python -m benchmarks.cold_reads --gb 0.5 --seconds 5        # to see that it works

Writes an array of random images to a temporary folder and reads batches of it as a training does (`utils.data.order`),
while the system may keep only a part of it in memory: by a control group where permitted (--cache MB beside what
the process itself holds), else by dropping the file from the system's cache after each batch, which is said. Nothing is
computed, so figures are what the disk allows at most. "read" is what came from the device, by /proc/self/io, for each
byte of the images that were used: the system reads more than it is asked for, expecting neighbours to be wanted next.
"""

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.limits import memory_group
from benchmarks.sentences import above_zero, at_least_one, existing_folder, in_a_sentence
from utils.data.order import MIXED, InBlocks, shuffled
from utils.tables import table

SLACK = 64 << 20
"""Bytes beside the cache and the blocks that are kept: NumPy, a batch, the order of the rows."""


def write(path: Path, count: int, size: int) -> None:
    """An array of random images, on the disk and no longer in memory."""
    random, rows = np.random.default_rng(0), max(1, (16 << 20) // (size * size * 3))
    shape = (count, size, size, 3)
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, count, rows):
            file.write(random.bytes(min(rows, count - start) * size * size * 3))
        file.flush()
        os.fsync(file.fileno())
    drop(path)


def drop(path: Path) -> None:
    """Ask the system to forget a file's content; what somebody has mapped it keeps."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def device_bytes() -> int:
    """Bytes that this process has had read from disks so far."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("read_bytes"))


@contextlib.contextmanager
def little_cache(cache: int) -> Iterator[tuple[str, Callable[[int], None] | None]]:
    """Let the system keep little of what this process reads.

    Args:
        cache: bytes that it may keep.

    Yields:
        By which means, and a function that is told how many bytes the process itself will take from now on; None in its
        place if the file has to be dropped after each batch.
    """
    with contextlib.ExitStack() as stack:
        try:
            group = stack.enter_context(memory_group())
            group.limit(1 << 40)
            group.take(os.getpid())
        except OSError as error:
            yield f"dropped after each batch (control groups: {error.strerror})", None
            return
        yield f"{cache >> 20} MB, by a control group", lambda own: group.limit(own + cache + SLACK)


def measure(path: Path, block: int, batch: int, seconds: float, dropping: bool) -> dict:
    """Read batches in one order for some seconds, at least one.

    Args:
        path: the array.
        block: rows of a block; 0 for a full shuffle.
        batch: images of a batch.
        seconds: how long.
        dropping: whether to drop the file after each batch, for which it is mapped anew: what is mapped is kept.
    """
    images = np.load(path, mmap_mode="r")
    order = shuffled(len(images), np.random.default_rng(1), block)
    reader = InBlocks(images, block) if block else images
    row = int(np.prod(images.shape[1:]))
    read, began, done, longest = device_bytes(), time.perf_counter(), 0, 0.0
    while (not done or time.perf_counter() - began < seconds) and done + batch <= len(order):
        start = time.perf_counter()
        assert len(reader[order[done : done + batch]]) == batch
        longest = max(longest, time.perf_counter() - start)
        done += batch
        if dropping:
            images = None
            if block:
                reader.images = None
            else:
                reader = None
            drop(path)
            images = np.load(path, mmap_mode="r")
            if block:
                reader.images = images
            else:
                reader = images
    took = time.perf_counter() - began
    return {
        "order": f"blocks of {block}" if block else "full",
        "images/s": round(done / took),
        "MB/s": round(done * row / took / 1e6, 1),
        "longest batch ms": round(1000 * longest, 1),
        "read": round((device_bytes() - read) / (done * row), 2),
        "images": done,
    }


@in_a_sentence
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gb", type=above_zero, default=8.0, help="size of the array")
    parser.add_argument("--size", type=at_least_one, default=64, help="side of the images")
    parser.add_argument("--batch-size", type=at_least_one, default=128)
    parser.add_argument(
        "--blocks", type=at_least_one, nargs="+", default=[64, 256, 1024], help="images of a block, to compare"
    )
    parser.add_argument("--seconds", type=above_zero, default=60.0, help="of each order")
    parser.add_argument(
        "--cache", type=at_least_one, default=256, help="MB that the system may keep, where it can be limited"
    )
    parser.add_argument(
        "--folder", type=existing_folder, help="where to make the temporary folder: the disk to measure"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    count = int(options.gb * 1e9 / (options.size**2 * 3))
    if count < options.batch_size:
        parser.error(
            f"--gb {options.gb:g} holds {count:,} images of {options.size}x{options.size}, fewer than the "
            f"{options.batch_size:,} of a batch: use a larger --gb or a smaller --batch-size"
        )
    rows = []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "images.npy"
        write(path, count, options.size)
        with little_cache(options.cache << 20) as (means, expect):
            for block in [0, *options.blocks]:
                drop(path)
                if expect:
                    expect(2 * MIXED * block * options.size**2 * 3)
                rows.append(measure(path, block, options.batch_size, options.seconds, expect is None))
    if options.json:
        asked = {name: getattr(options, name) for name in ("gb", "size", "batch_size", "seconds")}
        print(json.dumps({"images": count, **asked, "means": means, "rows": rows}, indent=2))
    else:
        print(f"{count:,} images of {options.size}x{options.size}, {options.gb:g} GB; cache: {means}\n\n{table(rows)}")


if __name__ == "__main__":
    sys.exit(main())
