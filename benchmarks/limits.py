"""A limit of memory for processes, by the system's control groups (both of their versions), where that is permitted."""

import contextlib
import itertools
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
_numbers = itertools.count()


@dataclass(frozen=True)
class MemoryGroup:
    """Processes that share a limit of memory; mapped pages and the cache of files they read count, too.

    Attributes:
        folder: of the group.
        new: whether it is one of version 2.
    """

    folder: Path
    new: bool

    def limit(self, most: int) -> None:
        """Limit it to so many bytes; swap counts where the system counts it."""
        if self.new:
            (self.folder / "memory.max").write_text(str(most))
            return
        with_swap = self.folder / "memory.memsw.limit_in_bytes"  # never less than that without
        with contextlib.suppress(OSError):
            with_swap.write_text("-1")
        (self.folder / "memory.limit_in_bytes").write_text(str(most))
        with contextlib.suppress(OSError):
            with_swap.write_text(str(most))

    def take(self, process: int) -> None:
        """Put a process in, with all that it starts from then on."""
        (self.folder / "cgroup.procs").write_text(str(process))

    @property
    def peak(self) -> int | None:
        """The most bytes that it has held; None where the system does not say."""
        try:
            return int((self.folder / ("memory.peak" if self.new else "memory.max_usage_in_bytes")).read_text())
        except OSError:
            return None


@contextlib.contextmanager
def memory_group(most: int | None = None) -> Iterator[MemoryGroup]:
    """A new group; when the block ends, this process leaves it, if it is in, and the group is removed.

    Args:
        most: its limit in bytes, or None for none yet.

    Raises:
        OSError: groups are not permitted here.
    """
    new = (ROOT / "cgroup.controllers").exists()
    home = ROOT if new else ROOT / "memory"
    folder = home / f"dcgan-{os.getpid()}-{next(_numbers)}"
    folder.mkdir()
    group = MemoryGroup(folder, new)
    try:
        if most is not None:
            group.limit(most)
        yield group
    finally:
        if str(os.getpid()) in (folder / "cgroup.procs").read_text().split():
            (home / "cgroup.procs").write_text(str(os.getpid()))
        for _ in range(50):  # a process that has just ended is still in it for a moment
            with contextlib.suppress(OSError):
                folder.rmdir()
                break
            time.sleep(0.1)
