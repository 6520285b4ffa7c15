"""Prepare any source once: arrays on disk, memory-mapped from then on, with a fingerprint.

A prepared folder holds `images.npy`, one more `.npy` for each field of the source, and `meta.json`, which appears last:
where it is, the folder is complete. Until then it holds

- `*.npy.part`: arrays for all rows. Workers write chunks of rows into them, each at its place;
- `journal.jsonl`: one line for each finished chunk, written when its rows are on disk. A chunk without a line is read
  again, so a preparation can be killed at any moment, goes on from there, and ends with the same bytes;
- `unpacked/`: what the source had to unpack in order to be read;
- `lock`: one process at a time prepares (flock); others wait, then find the folder complete.
- `journal-2-of-8.jsonl`, `lock-2-of-8`: the same of a part. Parts can be prepared at the same time, by machines that
  share the disk; whoever prepares all does what is left, when no part is under way any more.

Rows that failed are left out at the end. The finished array is then copied without them, a piece at a time.
"""

import contextlib
import dataclasses
import errno
import hashlib
import json
import multiprocessing
import os
import re
import shutil
import signal
import sys
import threading
import types
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from tqdm import tqdm

from utils.data.dataset import Dataset, Description, Source
from utils.errors import InputError
from utils.files import (
    NO_ARRAY,
    appears_whole,
    is_locked,
    is_the_systems,
    locked,
    make_folder,
    read_json,
    remove_unfinished,
    write_json,
    write_text,
)

VERSION = 1  # part of the folder's name: raise it when the layout on disk, or what a chunk is, changes
CHUNK_ROWS = 256  # few enough that a kill costs little, many enough that the journal does
CHUNK_BYTES = 16 << 20  # large pictures come in smaller chunks, to bound what a worker holds
TOO_MANY, A_FEW = 0.05, 5  # more failures than this share of the rows, and than this number, are the dataset's fault

Layout = dict[str, tuple[tuple[int, ...], str]]  # array name -> shape of one row, dtype; "images" comes first


def prepare(
    source: Source,
    size: int,
    folder: str | Path,
    progress: bool = True,
    verb: str = "Reading",
    workers: int | None = None,
) -> Dataset:
    """Prepare a source, or open what was prepared before from the same source.

    Args:
        source: gives images of (size, size, 3).
        size: side of the images, in pixels.
        folder: where prepared folders live. This one is called `<title>-<size>-<digest of the source's identity>`.
        progress: show a progress bar with images per second and the time left.
        verb: what the bar says is happening to the title: "Reading", or "Drawing".
        workers: processes that read; by default as many as there are free cores, and work for. The result does not
            depend on it.

    Returns:
        The dataset; its arrays are memory maps.

    Raises:
        InputError: the disk is or becomes full, too many rows failed, or the prepared folder is damaged.
    """
    description, layout, home = _place(source, size, folder)
    if not (home / "meta.json").exists():
        with _disk_explained(description.title, home), _alone(home, progress):
            if not (home / "meta.json").exists():  # nobody finished it while this process waited
                _prepare(source, description, layout, home, progress, verb, workers)
    dataset = _open(home, description, layout)
    _check_failures(source, description, home, dict(enumerate(dataset.skipped)))  # less may be tolerated than then
    if dataset.skipped and getattr(source, "unwatched", False):
        note = f"Pictures that were left out and are mended are read again once {home} is deleted."
        dataset = dataclasses.replace(dataset, notes=(*dataset.notes, note))
    return dataset


def prepare_part(
    source: Source,
    size: int,
    folder: str | Path,
    part: int,
    parts: int,
    progress: bool = True,
    workers: int | None = None,
) -> None:
    """Prepare a part of what `prepare` does, which then finds it done; it may be stopped and goes on where it was.

    Args:
        source, size, folder, progress, workers: as for `prepare`; the folder is one that all machines share.
        part, parts: which of how many parts of about the same length, counted from 1.

    Raises:
        InputError: as `prepare`; the source has to be unpacked first, which is one process's work; another process is
            at this part; or the arrays are gone, since another part had too many failures, or somebody deleted them.
    """
    if not 1 <= part <= parts:
        raise InputError(f"A part must be one of those that there are, such as 2/8. Received: {part}/{parts}.")
    description, layout, home = _place(source, size, folder)
    if hasattr(source, "unpack"):
        raise InputError(f"{description.title} may have to be unpacked first, so one machine prepares it as a whole.")
    if (home / "meta.json").exists():
        return
    name = f"{part}-of-{parts}"
    with _disk_explained(description.title, home), contextlib.ExitStack() as at_part:
        with _alone(home, progress):
            if (home / "meta.json").exists():  # somebody finished it while this process waited
                return
            if not (home / "journal.jsonl").exists():
                _start_anew(description, layout, home)
            # While the whole is still locked: whoever prepares all of it, and comes next, has to see this part.
            lock = locked(home / f"lock-{name}", lambda: _refuse_part(name, home), lambda sentence: None)
            at_part.enter_context(lock)
        with _shared_fate(home):
            chunks = _chunks(description, layout)
            journal = home / f"journal-{name}.jsonl"
            digests, failed = _journals(home, journal)
            own = range(len(chunks) * (part - 1) // parts, len(chunks) * part // parts)
            todo = {index: chunks[index] for index in own if index not in digests}
            read = _read(source, description, layout, home, todo, journal, failed, progress, "Reading", workers)
            with contextlib.closing(read) as results:
                digests |= results


def _refuse_part(name: str, home: Path) -> None:
    raise InputError(f"Another process is preparing part {name.replace('-of-', ' of ')} of {home.name}.")


@contextlib.contextmanager
def _shared_fate(home: Path) -> Iterator[None]:
    """Say what it means when the arrays are gone that parts write to, unless all is prepared."""
    try:
        yield
    except FileNotFoundError as error:
        if list(home.glob("*.part")):
            raise
        if (home / "meta.json").exists():  # on a disk without locks, by a process that did not know of this part
            return
        why = "somebody has deleted it"
        if (home / "left_out.txt").exists():
            why = "another part had too many pictures that cannot be used (left_out.txt lists them)"
        raise InputError(f"What was prepared in {home} is gone: {why}.") from error


def prepared_count(source: Source, size: int, folder: str | Path) -> int | None:
    """How many images there are after preparing, some may have been left out; None if it was not prepared yet."""
    description, layout, home = _place(source, size, folder)
    return len(_open(home, description, layout)) if (home / "meta.json").exists() else None


def _place(source: Source, size: int, folder: str | Path) -> tuple[Description, Layout, Path]:
    """What is prepared, as which arrays, and in which folder."""
    description = source.describe()
    layout: Layout = {"images": ((size, size, 3), "uint8"), **description.fields}
    return description, layout, Path(folder) / f"{_slug(description.title)}-{size}-{_key(description, layout)[:12]}"


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:40] or "images"


def _key(description: Description, layout: Layout) -> str:
    """Digest of everything that decides the prepared arrays."""
    known = dataclasses.asdict(description)
    for name in ("title", "terms", "others", "notes", "encoding"):  # words about the images, free to be improved
        del known[name]
    return _digest({"version": VERSION, "layout": layout, **known})


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _prepare(
    source: Source,
    description: Description,
    layout: Layout,
    home: Path,
    progress: bool,
    verb: str,
    workers: int | None,
) -> None:
    """Do what is left to do in `home`. The caller holds the lock."""
    chunks, journal = _chunks(description, layout), home / "journal.jsonl"
    _expect_no_part(home)
    before = _finished_before(home, layout)
    if before is None:
        _start_anew(description, layout, home)
    digests, failed = before or ({}, {})
    todo = {index: rows for index, rows in enumerate(chunks) if index not in digests}
    if todo and hasattr(source, "unpack"):
        try:
            source.unpack(home / "unpacked")
        except InputError:  # it is damaged; what takes its place is prepared in another folder, and this one forgotten
            shutil.rmtree(home / "unpacked", ignore_errors=True)
            raise
    read = _read(source, description, layout, home, todo, journal, failed, progress, verb, workers)
    with contextlib.closing(read) as results:
        digests |= results
    for name in layout:
        _settle(home, name, sorted(failed))
    shutil.rmtree(home / "unpacked", ignore_errors=True)
    known = dataclasses.asdict(dataclasses.replace(description, others=(), notes=()))  # they are looked at each time
    del known["encoding"]  # so is this
    names = {name: known[name] for name in ("label_names", "attribute_names", "box_names")}
    in_order = [digests[index] for index in range(len(chunks))]
    meta = {
        **known,
        "count": description.count - len(failed),
        "fingerprint": _digest({"layout": layout, **names, "chunks": in_order}),
        "skipped": [failed[row] for row in sorted(failed)],
    }
    write_json(home / "meta.json", meta)
    for done in (journal, *home.glob("journal-*.jsonl"), *home.glob("lock-*")):
        done.unlink(missing_ok=True)


def _chunks(description: Description, layout: Layout) -> list[range]:
    """The rows of each chunk."""
    each = max(1, min(CHUNK_ROWS, CHUNK_BYTES // sum(_row_bytes(layout, name) for name in layout)))
    return [range(start, min(start + each, description.count)) for start in range(0, description.count, each)]


def _read(
    source: Source,
    description: Description,
    layout: Layout,
    home: Path,
    todo: dict[int, range],
    journal: Path,
    failed: dict[int, str],
    progress: bool,
    verb: str,
    workers: int | None,
) -> Iterator[tuple[int, str]]:
    """Read chunks into the arrays, and note each in a journal; gives (chunk, digest) and adds to `failed`."""
    read = contextlib.closing(_read_chunks(source, layout, home, todo, workers))
    bar = tqdm(
        desc=f"{verb} {description.title}",
        total=description.count,
        initial=description.count - sum(map(len, todo.values())),
        unit=" images",
        disable=not progress,
    )
    with bar, read as results, journal.open("a", encoding="utf-8") as lines:
        for index, digest, failures in results:
            lines.write(json.dumps({"chunk": index, "digest": digest, "failed": failures}) + "\n")
            lines.flush()
            os.fsync(lines.fileno())
            failed |= failures
            bar.update(len(todo[index]))
            _check_failures(source, description, home, failed)
            yield index, digest


def _expect_no_part(home: Path) -> None:
    """Refuse to go on while another process prepares a part."""
    busy = [lock.name.removeprefix("lock-") for lock in home.glob("lock-*") if is_locked(lock)]
    if busy:
        raise InputError(
            f"Parts of {home.name} are still being prepared ({', '.join(sorted(busy))}): wait for them, then start "
            "again."
        )


def _row_bytes(layout: Layout, name: str) -> int:
    shape, dtype = layout[name]
    return int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize


def _part(home: Path, name: str) -> Path:
    return home / f"{name}.npy.part"


def _start_anew(description: Description, layout: Layout, home: Path) -> None:
    """Make empty arrays for all rows (sparse files: they take their space as rows are written) and an empty journal.

    Raises:
        InputError: the disk has not enough space for them.
    """
    for old in (*home.glob("*.npy*"), *home.glob("left_out.txt"), *home.glob("journal*.jsonl")):
        old.unlink()
    needed = description.count * sum(_row_bytes(layout, name) for name in layout)
    free = shutil.disk_usage(home).free
    if needed > free:
        raise InputError(
            f"Preparing {description.title} needs {needed / 1e6:,.0f} MB, but only {free / 1e6:,.0f} MB are free in "
            f"{home.parent}: free some space, or set DCGAN_DATA_DIR to a folder on a larger disk."
        )
    for name, (shape, dtype) in layout.items():
        shape = (description.count, *shape)
        np.lib.format.open_memmap(_part(home, name), mode="w+", dtype=np.dtype(dtype), shape=shape)
    (home / "journal.jsonl").write_bytes(b"")


def _finished_before(home: Path, layout: Layout) -> tuple[dict[int, str], dict[int, str]] | None:
    """What an earlier, interrupted preparation finished.

    Returns:
        Digests by chunk, and reasons by failed row; or None if there is nothing to go on from.
    """
    remove_unfinished([home])  # what was killed amid a copy, or while it unpacked, which is gigabytes each time
    there = all(_part(home, name).exists() or (home / f"{name}.npy").exists() for name in layout)
    return _journals(home) if there and (home / "journal.jsonl").exists() else None


def _journals(home: Path, own: Path | None = None) -> tuple[dict[int, str], dict[int, str]]:
    """Digests by chunk, and reasons by failed row, of all parts; a line that was cut off does not count, nor one that a
    power cut left as zeros, nor any other that is no record: their chunks are read again.

    Args:
        home: the prepared folder.
        own: the journal that the caller writes, if others write others.
    """
    digests, failed = {}, {}
    for journal in home.glob("journal*.jsonl"):
        content = journal.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if own in (None, journal):
            os.truncate(journal, len(whole))  # what was cut off must not spoil the next line
        for line in whole.splitlines():
            try:
                record = json.loads(line)
                failures = {int(row): reason for row, reason in record["failed"].items()}
                digests[record["chunk"]] = record["digest"]
            except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
                continue
            failed |= failures
    return digests, failed


def _check_failures(source: Source, description: Description, home: Path, failed: dict[int, str]) -> None:
    """Give up when more than the share of rows that the source tolerates, and more than a few, failed so far.

    Raises:
        InputError: too many. What was prepared so far is dropped, so that nothing is taken from it later.
    """
    tolerated = getattr(source, "tolerated", TOO_MANY)
    if len(failed) == description.count or len(failed) > max(A_FEW, tolerated * description.count):
        for path in [*home.glob("journal*.jsonl"), *home.glob("*.part")]:
            path.unlink(missing_ok=True)
        shutil.rmtree(home / "unpacked", ignore_errors=True)
        reasons = [failed[row] for row in sorted(failed)]
        write_text(home / "left_out.txt", "".join(f"{reason}\n" for reason in reasons))
        what = f"of the {description.count:,} pictures of {description.title}"
        if len(failed) == description.count:
            what = f"None {what} can be used"
        else:
            what = f"{len(failed):,} or more {what} cannot be used, too many to go on without them"
        raise InputError(
            f"{what}. The first: {'; '.join(reasons[:3])}; all so far are listed in "
            f"{home / 'left_out.txt'}. {getattr(source, 'cure', '')}".rstrip()
        )


def _settle(home: Path, name: str, failed: list[int]) -> None:
    """Turn a filled `.npy.part` into the final `.npy` without its failed rows. May be repeated after a kill."""
    part, final = _part(home, name), home / f"{name}.npy"
    if not part.exists():
        return
    if not failed:
        part.replace(final)
        return
    rows = np.load(part, mmap_mode="r")
    keep = np.ones(len(rows), bool)
    keep[failed] = False
    header = np.lib.format.header_data_from_array_1_0(rows) | {"shape": (int(keep.sum()), *rows.shape[1:])}
    with appears_whole(final) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, len(rows), CHUNK_ROWS):
            piece = slice(start, start + CHUNK_ROWS)
            file.write(np.ascontiguousarray(rows[piece][keep[piece]]))
    part.unlink()


def _open(home: Path, description: Description, layout: Layout) -> Dataset:
    """Map a complete folder.

    Raises:
        InputError: a file of it is missing or is not what `meta.json` says; or it cannot be read now, which says
            nothing against it.
    """
    try:
        meta = read_json(home / "meta.json")
        arrays = {name: np.load(home / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in layout}
        count, fingerprint, skipped = meta["count"], meta["fingerprint"], tuple(meta["skipped"])
        whole = all(arrays[name].shape == (count, *layout[name][0]) for name in layout)
    except (*NO_ARRAY, KeyError, TypeError) as error:  # the last two where the JSON is another than was written
        if isinstance(error, MemoryError) or (is_the_systems(error) and not isinstance(error, FileNotFoundError)):
            why = error.strerror if isinstance(error, OSError) else "memory ran out"
            raise InputError(
                f"{home} cannot be read ({why}): mend that, and start again; nothing has to be deleted."
            ) from error
        whole = False
    if not whole:
        raise InputError(f"{home} was changed after it was prepared: delete that folder and start again.")
    return Dataset(
        name=description.title,
        title=description.title,
        fingerprint=fingerprint,
        label_names=description.label_names,
        attribute_names=description.attribute_names,
        box_names=description.box_names,
        terms=description.terms,
        skipped=skipped,
        found=count + len(skipped),
        others=description.others,
        notes=description.notes,
        encoding=description.encoding,
        **arrays,
    )


# --- one process at a time, and failures of the disk ------------------------------------------------------------------


@contextlib.contextmanager
def _alone(home: Path, progress: bool) -> Iterator[None]:
    """Hold the lock of a prepared folder. The system frees it when this process ends, however it ends."""
    make_folder(home)

    def say(sentence: str) -> None:
        if progress:
            print(sentence, file=sys.stderr)

    with locked(home / "lock", lambda: say(f"Waiting for another process that prepares {home.name}."), say):
        yield


@contextlib.contextmanager
def _disk_explained(title: str, home: Path) -> Iterator[None]:
    """Say in one sentence that the disk is full or may not be written to. Errors of the source's own files pass."""
    try:
        yield
    except OSError as error:
        if error.filename is not None and not Path(str(error.filename)).absolute().is_relative_to(home.absolute()):
            raise
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            reason, cure = "is full", "What is finished is kept: free some space and start again"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            reason, cure = "may not be written to", "Ask its owner"
        elif error.errno == errno.EIO:  # without a name it may be that of what is read
            reason, cure = "fails, or that of its files", "Mend that"
        else:
            raise
        raise InputError(
            f"{title} cannot be prepared because the disk of {home.parent} {reason} ({error}). {cure}, or set "
            "DCGAN_DATA_DIR to another folder (of datasets that were fetched, links in there will do)."
        ) from error


# --- reading, here or in worker processes -----------------------------------------------------------------------------


_NO_MEMORY = (
    "Memory ran out while images were read. What is finished is kept: close other programs and start again, or move "
    "the largest pictures away."
)


def _read_chunks(
    source: Source, layout: Layout, home: Path, chunks: dict[int, range], workers: int | None
) -> Iterator[tuple[int, str, dict[int, str]]]:
    """Read chunks into the arrays, in any order; gives (chunk, digest, failed rows) as each is safely on disk."""
    if workers is None:
        workers = min(_free_cores(), len(chunks) // getattr(source, "chunks_each", 1))
    workers = min(workers, len(chunks))
    # Workers could not import a source that a notebook or the main script defines.
    if workers <= 1 or type(source).__module__ == "__main__":
        try:
            for index, rows in chunks.items():
                yield index, *_read_chunk(source, layout, home, rows)
        except MemoryError as error:
            raise InputError(_NO_MEMORY) from error
        return
    context = multiprocessing.get_context("spawn")  # TensorFlow's threads, if it is loaded here, do not survive a fork
    far_end, lifeline = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(workers, context, _start_worker, (source, layout, home, far_end))
    try:
        with _clean_start():
            futures = {pool.submit(_work, rows): index for index, rows in chunks.items()}
        for future in as_completed(futures):
            yield futures[future], *future.result()
    except MemoryError as error:
        raise InputError(_NO_MEMORY) from error
    except BrokenProcessPool as error:
        raise InputError(
            "A process that reads images was killed, most often because memory ran out. What is finished is kept: "
            "close other programs and start again."
        ) from error
    except BaseException:  # Ctrl-C, a full disk, too many failures: do not wait for chunks that nobody will use
        lifeline.close()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        lifeline.close()
        far_end.close()


def _free_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def _clean_start() -> Iterator[None]:
    """Processes started in this block do not run the caller's main script again and never see Ctrl-C.

    Spawned processes import the main script. A script without `if __name__ == "__main__"` would then start itself again
    and again, and one that imports TensorFlow would load it into every worker.
    """
    main = sys.modules["__main__"]
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # inherited
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


_job: tuple[Source, Layout, Path]  # what a worker process works on, set when it starts


def _start_worker(source: Source, layout: Layout, home: Path, lifeline: Connection) -> None:
    global _job
    _job = (source, layout, home)
    threading.Thread(target=_die_with_parent, args=(lifeline,), daemon=True).start()


def _die_with_parent(lifeline: Connection) -> None:
    lifeline.poll(None)  # nothing is ever sent: it returns when the other end is closed, by the parent or by its death
    os._exit(1)


def _work(rows: range) -> tuple[str, dict[int, str]]:
    return _read_chunk(*_job, rows)


def _read_chunk(source: Source, layout: Layout, home: Path, rows: range) -> tuple[str, dict[int, str]]:
    """Read rows and force them to disk at their places.

    Writes through files, not through memory maps: on a full disk a map kills the process (SIGBUS), a file tells.

    Returns:
        Digest of the good rows, and the failed rows with their reasons.
    """
    arrays, failed = source.read(rows)
    good = [row not in failed for row in rows]
    digest = hashlib.sha256()
    for name in layout:
        array = _checked(arrays[name], name, layout, len(rows))
        digest.update(np.ascontiguousarray(array[good]))
        with _part(home, name).open("r+b") as file:
            file.seek(np.load(_part(home, name), mmap_mode="r").offset + rows.start * _row_bytes(layout, name))
            file.write(array)
            file.flush()
            os.fsync(file.fileno())
    return digest.hexdigest(), failed


def _checked(array: np.ndarray, name: str, layout: Layout, count: int) -> np.ndarray:
    """The array in the layout's dtype, contiguous; a reader that breaks its word is found out here."""
    shape, dtype = layout[name]
    if array.shape != (count, *shape) or not np.can_cast(array.dtype, dtype, "safe"):
        raise ValueError(f"{name} should be {dtype} {(count, *shape)}. Received: {array.dtype} {array.shape}.")
    return np.ascontiguousarray(array, dtype)
