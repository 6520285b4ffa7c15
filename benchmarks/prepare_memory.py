"""How much memory it takes to prepare a large dataset and to read random batches from it.

    python -m benchmarks.prepare_memory --count 300000 --size 64

The dataset is written to a temporary folder (3.7 GB for this command), which is deleted in the end. Resident memory
counts mapped pages of files too (the system takes them back whenever it likes), so anonymous memory is given beside it:
that is what the process holds for itself. Needs Linux (/proc).
"""

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.sentences import at_least_one, existing_folder, in_a_sentence
from utils.data.dataset import Dataset, Description
from utils.data.prepare import prepare


@dataclass(frozen=True)
class Stripes:
    """Images that follow from their row and cost next to nothing to make."""

    count: int
    size: int

    def describe(self) -> Description:
        return Description(title="stripes", count=self.count, identity={}, fields={"labels": ((), "int64")})

    def read(self, rows: range) -> tuple[dict[str, np.ndarray], dict[int, str]]:
        pixels = np.arange(rows.start, rows.stop)[:, None] * 31 + np.arange(self.size * self.size * 3) * 7
        images = pixels.astype(np.uint8).reshape(-1, self.size, self.size, 3)
        return {"images": images, "labels": np.arange(rows.start, rows.stop)}, {}


class MemoryWatch:
    """Samples the memory of this process and of its workers; `peaks` are MB by (who, kind)."""

    KINDS = {"RssAnon": "anonymous", "VmRSS": "resident"}

    def __init__(self):
        self.peaks: dict[tuple[str, str], float] = defaultdict(float)
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while True:
            for pid in [os.getpid(), *(child.pid for child in multiprocessing.active_children())]:
                who = "parent" if pid == os.getpid() else "worker"
                try:
                    status = Path(f"/proc/{pid}/status").read_text()
                except OSError:  # it has just ended
                    continue
                for line in status.splitlines():
                    kind = self.KINDS.get(line.split(":")[0])
                    if kind:
                        self.peaks[who, kind] = max(self.peaks[who, kind], int(line.split()[1]) / 1024)
            time.sleep(0.05)


def read_batches(dataset: Dataset, batches: int, batch_size: int) -> None:
    """Read random batches and check that the rows are the ones that were asked for."""
    random = np.random.default_rng(0)
    for _ in range(batches):
        rows = random.integers(0, len(dataset), batch_size)
        images = dataset.images[rows]
        first = (rows * 31).astype(np.uint8)
        if not (np.array_equal(images[:, 0, 0, 0], first) and np.array_equal(dataset.labels[rows], rows)):
            raise SystemExit("A batch holds other rows than it should.")


@in_a_sentence
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=at_least_one, default=300_000, help="images to prepare")
    parser.add_argument("--size", type=at_least_one, default=64, help="side of the images")
    parser.add_argument("--batches", type=at_least_one, default=2000, help="random batches to read")
    parser.add_argument("--batch-size", type=at_least_one, default=128)
    parser.add_argument("--folder", type=existing_folder, help="where to make the temporary folder")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()

    from benchmarks import prepare_memory  # by its own name, because workers import the source from there

    watch = MemoryWatch()
    figures: dict[str, float] = {"images": options.count, "size": options.size, "batches": options.batches}
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        start = time.perf_counter()
        dataset = prepare(prepare_memory.Stripes(options.count, options.size), options.size, folder, not options.json)
        figures["seconds to prepare"] = time.perf_counter() - start
        figures |= {f"{who} {kind} MB, preparing": peak for (who, kind), peak in sorted(watch.peaks.items())}
        watch.peaks.clear()
        start = time.perf_counter()
        read_batches(dataset, options.batches, options.batch_size)
        figures["ms per batch"] = (time.perf_counter() - start) / options.batches * 1000
        time.sleep(0.1)  # one more sample
        figures |= {f"{who} {kind} MB, reading": peak for (who, kind), peak in sorted(watch.peaks.items())}
        figures["MB on disk"] = dataset.images.nbytes / 2**20
    figures = {name: round(value, 2) for name, value in figures.items()}
    table = "\n".join(f"{name:>32}  {value:,}" for name, value in figures.items())
    print(json.dumps(figures) if options.json else table)


if __name__ == "__main__":
    sys.exit(main())
