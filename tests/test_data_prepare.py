"""Preparing: the same bytes however often it is killed, however many processes work, whatever fails on the way."""

import contextlib
import errno
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from utils.data import prepare as module
from utils.data.dataset import Description
from utils.data.house_numbers import HouseNumbers
from utils.data.prepare import CHUNK_ROWS, prepare, prepare_part
from utils.errors import InputError
from utils.files import save_array

ROOT = Path(__file__).parents[1]
SIZE = 4
CHUNKS = 24


@dataclass(frozen=True)
class Numbers:
    """A source whose pixels follow from the row. It can be slow, fail, and write down which rows it was asked for."""

    count: int = CHUNKS * CHUNK_ROWS
    failing: tuple[int, ...] = ()
    log: str | None = None
    seconds: float = 0.0
    shift: int = 0
    names: tuple[str, ...] = ("even", "odd")

    def describe(self):
        return Description(
            title="Numbers, from 0",
            count=self.count,
            identity={"count": self.count, "shift": self.shift},
            fields={"labels": ((), "int64"), "captions": ((), "S12"), "boxes": ((2, 4), "int16")},
            label_names=self.names,
            terms="none",
        )

    def read(self, rows):
        if self.log:
            with open(self.log, "a") as file:
                file.write(f"{rows.start} {os.getpid()}\n")
        time.sleep(self.seconds)
        numbers = np.arange(rows.start, rows.stop)
        pixels = numbers[:, None] * 7 + np.arange(SIZE * SIZE * 3) + self.shift
        arrays = {
            "images": (pixels % 256).astype(np.uint8).reshape(-1, SIZE, SIZE, 3),
            "labels": numbers % 2,
            "captions": np.array([b"number %d" % number for number in numbers], "S12"),
            "boxes": np.broadcast_to(numbers[:, None, None] % 100, (len(rows), 2, 4)).astype(np.int16),
        }
        return arrays, {row: f"{row}.png: broken" for row in rows if row in self.failing}


class Loads(Numbers):
    """Its labels say whether the reading process has TensorFlow."""

    def read(self, rows):
        arrays, failed = super().read(rows)
        return arrays | {"labels": np.full(len(rows), int("tensorflow" in sys.modules))}, failed


class Dies(Numbers):
    def read(self, rows):
        os.kill(os.getpid(), signal.SIGKILL)


class Stalls(Numbers):
    """Reads two chunks, and then nothing for a long time."""

    def read(self, rows):
        time.sleep(0 if rows.start < 2 * CHUNK_ROWS else 60)
        return super().read(rows)


class FillsDisk(Numbers):
    """Takes all that is left of the disk in the middle of the work, once the journal (in p, beside `log`) has a line.

    The parent of two quick workers may not have come to write one by then.
    """

    def read(self, rows):
        filler = Path(self.log).with_name("filler")
        if rows.start == 12 * CHUNK_ROWS and not filler.exists():
            _wait_until(lambda: _lines(filler.with_name("p")))
            with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
        return super().read(rows)


class WrongShape(Numbers):
    def read(self, rows):
        arrays, failed = super().read(rows)
        return arrays | {"boxes": arrays["boxes"][:, :1]}, failed


def _prepare(source, folder, workers=1):
    return prepare(source, SIZE, folder, progress=False, workers=workers)


def _home(folder):
    (home,) = Path(folder).iterdir()
    return home


def _files(folder):
    """The bytes of everything in a prepared folder, but for the lock, which says who held it last."""
    return {path.name: path.read_bytes() for path in _home(folder).iterdir() if path.name != "lock"}


def _reads(log):
    return Path(log).read_text().splitlines()


def _start(code, **settings):
    """Run code in a new process that can import this file; in a session of its own, as if in its own terminal."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": paths},
        start_new_session=True,
        **settings,
    )


def _prepare_elsewhere(source, folder, **settings):
    code = f"from test_data_prepare import *\nprepare({source!r}, {SIZE}, {str(folder)!r}, progress=False, workers=2)"
    return _start(code, **settings)


def _wait_until(true, seconds=30):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)


def _lines(folder):
    """How many chunks the journal in a folder says are finished."""
    journals = list(Path(folder).glob("*/journal.jsonl"))
    return journals[0].read_bytes().count(b"\n") if journals else 0


def _alive(pid):
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


# --- what is prepared -------------------------------------------------------------------------------------------------


def test_prepared_rows_are_the_rows_of_the_source(tmp_path):
    source = Numbers(count=3 * CHUNK_ROWS + 5)
    dataset = _prepare(source, tmp_path, workers=2)
    expected, _ = source.read(range(source.count))
    for name, array in expected.items():
        assert np.array_equal(getattr(dataset, name), array), name
        assert isinstance(getattr(dataset, name), np.memmap)
    assert dataset.label_names == ("even", "odd") and dataset.terms == "none" and dataset.skipped == ()


def test_bytes_do_not_depend_on_the_number_of_workers(tmp_path):
    failing = (0, 700, 701, CHUNKS * CHUNK_ROWS - 1)
    for workers in (1, 2, 3):
        _prepare(Numbers(failing=failing), tmp_path / str(workers), workers=workers)
    assert _files(tmp_path / "1") == _files(tmp_path / "2") == _files(tmp_path / "3")


def test_processes_are_started_for_drawn_images_where_they_are_worth_it(tmp_path, monkeypatch):
    asked = []

    def start(workers, *_):
        asked.append(workers)
        raise InterruptedError

    monkeypatch.setattr(module, "ProcessPoolExecutor", start)
    monkeypatch.setattr(module, "_free_cores", lambda: 3)
    prepare(HouseNumbers(16, 7 * CHUNK_ROWS), 16, tmp_path / "few", progress=False)
    for chunks in (8, 9, 100):
        with pytest.raises(InterruptedError):
            prepare(HouseNumbers(16, chunks * CHUNK_ROWS), 16, tmp_path / str(chunks), progress=False)
    with pytest.raises(InterruptedError):
        prepare(Numbers(), SIZE, tmp_path / "read", progress=False)
    assert asked == [2, 2, 3, min(3, CHUNKS)]


def test_the_second_time_nothing_is_read(tmp_path):
    source = Numbers(log=str(tmp_path / "log"))
    first = _prepare(source, tmp_path / "p")
    reads = _reads(source.log)
    second = _prepare(source, tmp_path / "p")
    assert _reads(source.log) == reads
    assert second.fingerprint == first.fingerprint and np.array_equal(second.images, first.images)


@pytest.mark.parametrize(
    "change", [{"shift": 1}, {"count": 600}, {"names": ("a", "b")}, {"failing": (3,)}], ids=lambda change: str(*change)
)
def test_other_rows_other_pixels_or_other_names_have_another_fingerprint(tmp_path, change):
    source = Numbers(count=601)
    prints = [_prepare(s, tmp_path / str(i)).fingerprint for i, s in enumerate((source, replace(source, **change)))]
    assert prints[0] != prints[1]


def test_failed_rows_leave_all_arrays_and_are_listed_in_order(tmp_path):
    failing = (1, CHUNK_ROWS, CHUNK_ROWS + 1, 4 * CHUNK_ROWS - 1)
    source = Numbers(count=4 * CHUNK_ROWS, failing=failing)
    dataset = _prepare(source, tmp_path, workers=2)
    expected, _ = source.read(range(source.count))
    for name, array in expected.items():
        assert np.array_equal(getattr(dataset, name), np.delete(array, failing, axis=0)), name
    assert dataset.skipped == tuple(f"{row}.png: broken" for row in failing)


def test_a_chunk_of_nothing_but_failures_is_left_out(tmp_path):
    failing = tuple(range(CHUNK_ROWS, 2 * CHUNK_ROWS))
    dataset = _prepare(Numbers(failing=failing), tmp_path)
    assert len(dataset) == (CHUNKS - 1) * CHUNK_ROWS
    assert dataset.captions[CHUNK_ROWS] == b"number %d" % (2 * CHUNK_ROWS)


def test_too_many_failures_are_an_error_and_nothing_is_kept_of_them(tmp_path):
    count = 2 * CHUNK_ROWS
    with pytest.raises(InputError, match="of the 512 pictures of Numbers, from 0 .* 0.png: broken; 2.png: broken"):
        _prepare(Numbers(count=count, failing=tuple(range(0, count, 2))), tmp_path)
    assert list(_files(tmp_path)) == ["left_out.txt"]
    assert len(_prepare(Numbers(count=count), tmp_path)) == count  # the same source, mended
    assert "left_out.txt" not in _files(tmp_path)


def test_what_a_source_tolerates_counts_also_for_what_was_prepared_before(tmp_path):
    class Lenient(Numbers):
        tolerated = 0.5

    class Strict(Numbers):
        tolerated = 0.4

    which = {"count": 40, "failing": tuple(range(20))}
    assert len(_prepare(Lenient(**which), tmp_path)) == 20
    with pytest.raises(InputError, match="20 or more of the 40 pictures"):
        _prepare(Strict(**which), tmp_path)
    assert len(_prepare(Lenient(**which), tmp_path)) == 20


def test_a_reader_that_breaks_its_word_is_found_out(tmp_path):
    with pytest.raises(ValueError, match=r"boxes should be int16 \(10, 2, 4\). Received: int16 \(10, 1, 4\)"):
        _prepare(WrongShape(count=10), tmp_path)


@pytest.mark.parametrize("damage", ["lost", "cut", "empty", "other rows", "[]", "{}", "3"])
def test_a_prepared_folder_with_a_damaged_file_is_an_error_that_says_what_to_do(tmp_path, damage):
    _prepare(Numbers(count=10), tmp_path)
    path = _home(tmp_path) / "labels.npy"
    content = path.read_bytes()
    path.unlink()
    if damage == "cut":
        path.write_bytes(content[:-8])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "other rows":
        np.save(path, np.arange(9))
    elif damage != "lost":  # another JSON
        path.write_bytes(content)
        path.with_name("meta.json").write_text(damage)
    with pytest.raises(InputError, match="delete that folder"):
        _prepare(Numbers(count=10), tmp_path)


@pytest.mark.parametrize("error", [*(errno.EIO, errno.EMFILE, errno.ENOMEM, errno.EACCES), MemoryError()], ids=repr)
def test_a_prepared_folder_that_cannot_be_read_now_is_not_to_be_deleted(tmp_path, monkeypatch, error):
    def fail(*_, **__):
        raise OSError(error, os.strerror(error)) if isinstance(error, int) else error

    _prepare(Numbers(count=10), tmp_path)
    why = os.strerror(error) if isinstance(error, int) else "memory ran out"
    with monkeypatch.context() as patch:
        patch.setattr(np, "load", fail)
        with pytest.raises(InputError, match=rf"cannot be read \({why}\): mend that, .* nothing has to be deleted"):
            _prepare(Numbers(count=10), tmp_path)
    assert len(_prepare(Numbers(count=10), tmp_path)) == 10


# --- killed, interrupted, disturbed -----------------------------------------------------------------------------------


def test_killed_at_any_moment_it_goes_on_and_ends_with_the_same_bytes(tmp_path):
    source = Numbers(failing=(5, 3000), seconds=0.1, log=str(tmp_path / "log"))
    random = np.random.default_rng(20)
    for wanted in (1, 6, 12):  # of 24, so that it is killed long before the end
        process = _prepare_elsewhere(source, tmp_path / "killed")
        _wait_until(lambda: _lines(tmp_path / "killed") >= wanted)
        time.sleep(random.uniform(0, 0.1))
        process.kill()
        process.wait()
        # Its workers notice that they are alone after what they are reading; until then they write into the log.
        _wait_until(lambda: not any(_alive(read.split()[1]) for read in _reads(source.log)))
        assert not list((tmp_path / "killed").glob("*/meta.json"))
    finished, before, quick = _lines(tmp_path / "killed"), len(_reads(source.log)), replace(source, seconds=0)
    _prepare(quick, tmp_path / "killed", workers=2)
    assert len(_reads(source.log)) - before == CHUNKS - finished
    _prepare(quick, tmp_path / "undisturbed", workers=1)
    assert _files(tmp_path / "killed") == _files(tmp_path / "undisturbed")


def test_killed_before_anything_was_finished_it_starts_anew(tmp_path):
    process = _prepare_elsewhere(Numbers(seconds=60), tmp_path / "p")
    _wait_until(lambda: list((tmp_path / "p").glob("*/journal.jsonl")))
    process.kill()
    process.wait()
    assert len(_prepare(Numbers(), tmp_path / "p")) == CHUNKS * CHUNK_ROWS


@pytest.mark.parametrize("failing", [(), (7, 2000)])
def test_stopped_while_files_take_their_final_names_it_goes_on(tmp_path, monkeypatch, failing):
    settle = module._settle

    def stop_at_captions(home, name, failed):
        if name == "captions":
            raise KeyboardInterrupt
        settle(home, name, failed)

    source = Numbers(failing=failing, log=str(tmp_path / "log"))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module, "_settle", stop_at_captions)
        _prepare(source, tmp_path / "stopped")
    reads = _reads(source.log)
    _prepare(source, tmp_path / "stopped")
    assert _reads(source.log) == reads
    _prepare(source, tmp_path / "undisturbed")
    assert _files(tmp_path / "stopped") == _files(tmp_path / "undisturbed")


def test_a_line_of_the_journal_that_was_cut_off_does_not_count(tmp_path):
    source = Numbers(seconds=0.02)

    def kill_after(lines):
        process = _prepare_elsewhere(source, tmp_path / "p")
        _wait_until(lambda: _lines(tmp_path / "p") >= lines)
        process.kill()
        process.wait()

    kill_after(5)
    journal = _home(tmp_path / "p") / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines)[:-20])
    with (_home(tmp_path / "p") / "images.npy.part").open("r+b") as file:  # what a crash may leave of that chunk
        file.seek(-SIZE * SIZE * 3 * CHUNK_ROWS * (CHUNKS - json.loads(lines[-1])["chunk"]), os.SEEK_END)
        file.write(bytes(SIZE * SIZE * 3 * CHUNK_ROWS))
    kill_after(8)
    _prepare(source, tmp_path / "p")
    _prepare(Numbers(), tmp_path / "undisturbed")
    assert _files(tmp_path / "p") == _files(tmp_path / "undisturbed")


def test_a_line_of_the_journal_that_a_power_cut_left_as_zeros_does_not_count(tmp_path):
    source = replace(Numbers(failing=(3,)), log=str(tmp_path / "log"))
    prepare_part(source, SIZE, tmp_path / "p", 1, 2, progress=False, workers=1)
    journal = _home(tmp_path / "p") / "journal-1-of-2.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    zeros = bytes(len(lines[5]) - 1)
    # A line that is lost, and zeros that the next line was written behind.
    journal.write_bytes(b"".join([*lines[:5], zeros + b"\n", *lines[6:8], zeros + lines[8], *lines[9:]]))
    _prepare(source, tmp_path / "p")
    assert len(_reads(source.log)) == CHUNKS + 2
    _prepare(replace(source, log=None), tmp_path / "undisturbed")
    assert _files(tmp_path / "p") == _files(tmp_path / "undisturbed")


def test_a_line_of_the_journal_that_is_json_and_no_record_does_not_count(tmp_path):
    source = replace(Numbers(failing=(3,)), log=str(tmp_path / "log"))
    prepare_part(source, SIZE, tmp_path / "p", 1, 2, progress=False, workers=1)
    journal = _home(tmp_path / "p") / "journal-1-of-2.jsonl"
    bad = [b"null", b"3", b"{}", b"[]", b'"chunk"', b'{"chunk": 0, "digest": "0", "failed": 3}', b"[" * 100_000]
    bad += [b'{"chunk": [], "digest": "0", "failed": {}}', b'{"chunk": 0, "digest": "0", "failed": {"a": "b"}}']
    lines = journal.read_bytes().splitlines()
    journal.write_bytes(b"".join(line + b"\n" for line in [*bad, *lines[len(bad) :]]))
    _prepare(source, tmp_path / "p")
    assert len(_reads(source.log)) == CHUNKS + len(bad)
    _prepare(replace(source, log=None), tmp_path / "undisturbed")
    assert _files(tmp_path / "p") == _files(tmp_path / "undisturbed")


def test_of_what_lies_hidden_in_an_interrupted_folder_only_what_is_unfinished_goes(tmp_path):
    prepare_part(Numbers(), SIZE, tmp_path, 1, 2, progress=False, workers=1)
    home = _home(tmp_path)
    (home / ".ipynb_checkpoints").mkdir()
    for name in (".ipynb_checkpoints/a", ".nfs0001", ".unfinished-images-abc.npy"):
        (home / name).write_bytes(b"half")
    assert len(_prepare(Numbers(), tmp_path)) == CHUNKS * CHUNK_ROWS
    hidden = sorted(str(path.relative_to(home)) for path in home.rglob("*") if "/." in str(path.relative_to(tmp_path)))
    assert hidden == [".ipynb_checkpoints", ".ipynb_checkpoints/a", ".nfs0001"]


def test_workers_die_with_the_process_that_started_them(tmp_path):
    source = Numbers(seconds=1, log=str(tmp_path / "log"))
    process = _prepare_elsewhere(source, tmp_path / "p")
    _wait_until(lambda: Path(source.log).exists() and len({line.split()[1] for line in _reads(source.log)}) == 2)
    workers = {int(line.split()[1]) for line in _reads(source.log)}
    assert process.pid not in workers and all(map(_alive, workers))
    process.kill()
    process.wait()
    _wait_until(lambda: not any(map(_alive, workers)), seconds=0.9)  # not even at the end of their chunk


@pytest.mark.parametrize("moment", ["starting", "reading"])
def test_ctrl_c_stops_at_once_without_a_word_from_the_workers_and_keeps_what_is_finished(tmp_path, moment):
    process = _prepare_elsewhere(Stalls(), tmp_path / "p", stderr=subprocess.PIPE)
    wanted = {"starting": 0, "reading": 2}[moment]
    _wait_until(lambda: list((tmp_path / "p").glob("*/journal.jsonl")) and _lines(tmp_path / "p") >= wanted)
    time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)  # what a terminal does: everybody gets it
    _, complaints = process.communicate(timeout=20)
    assert complaints.decode().count("Traceback") == 1 and complaints.decode().strip().endswith("KeyboardInterrupt")
    assert _lines(tmp_path / "p") >= wanted


def test_parts_by_several_machines_end_with_the_bytes_of_one(tmp_path):
    """Also after a part was stopped in the middle of a line; what no part has done is read in the end, once."""
    source = replace(Numbers(failing=(3, 3000)), log=str(tmp_path / "log"))
    whole = prepare(replace(source, log=None), SIZE, tmp_path / "undisturbed", progress=False, workers=1)
    options = {"progress": False, "workers": 1}
    prepare_part(source, SIZE, tmp_path / "p", 3, 4, **options)
    prepare_part(source, SIZE, tmp_path / "p", 1, 4, **options)
    assert len(_reads(source.log)) == CHUNKS // 2 and _lines(tmp_path / "p") == 0
    home = _home(tmp_path / "p")
    journal = home / "journal-1-of-4.jsonl"
    journal.write_bytes(journal.read_bytes()[:-10])  # its last chunk is lost
    prepare_part(source, SIZE, tmp_path / "p", 1, 4, **options)
    assert len(_reads(source.log)) == CHUNKS // 2 + 1
    made = prepare(source, SIZE, tmp_path / "p", progress=False, workers=1)
    assert len(_reads(source.log)) == CHUNKS + 1
    assert made.fingerprint == whole.fingerprint and made.skipped == whole.skipped
    assert _files(tmp_path / "p") == _files(tmp_path / "undisturbed")
    prepare_part(source, SIZE, tmp_path / "p", 2, 4, **options)  # nothing is left to do, and nothing is undone
    assert len(_reads(source.log)) == CHUNKS + 1 and _files(tmp_path / "p") == _files(tmp_path / "undisturbed")


def test_a_part_is_not_taken_twice_nor_finished_over(tmp_path):
    prepare_part(Numbers(), SIZE, tmp_path / "p", 1, 12, progress=False, workers=1)
    with (_home(tmp_path / "p") / "lock-1-of-12").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="Another process is preparing part 1 of 12"):
            prepare_part(Numbers(), SIZE, tmp_path / "p", 1, 12, progress=False, workers=1)
        with pytest.raises(InputError, match=r"still being prepared \(1-of-12\): wait for them"):
            _prepare(Numbers(), tmp_path / "p")
    for part, parts in ((0, 3), (4, 3), (1, 0)):
        with pytest.raises(InputError, match=f"such as 2/8. Received: {part}/{parts}"):
            prepare_part(Numbers(), SIZE, tmp_path / "p", part, parts)


def test_who_prepares_all_in_the_moment_in_which_a_part_begins_hears_of_the_part(tmp_path, monkeypatch):
    alone, tried = module._alone, []

    @contextlib.contextmanager
    def then_another(home, progress):
        with alone(home, progress):
            yield
        if not tried:  # the part has let go of the whole, and has read nothing yet
            tried.append(home)
            with pytest.raises(InputError, match=r"still being prepared \(1-of-2\): wait for them"):
                _prepare(Numbers(), tmp_path / "p")

    monkeypatch.setattr(module, "_alone", then_another)
    prepare_part(Numbers(), SIZE, tmp_path / "p", 1, 2, progress=False, workers=1)
    assert (tried[0] / "journal-1-of-2.jsonl").read_bytes().count(b"\n") == CHUNKS // 2


@pytest.mark.parametrize(
    ("fate", "words"),
    [
        ("finished", None),
        ("failed", "is gone: another part had too many pictures that cannot be used"),
        ("deleted", "is gone: somebody has deleted it"),
    ],
)
def test_a_part_whose_arrays_are_gone_says_why_and_is_done_if_all_is_prepared(tmp_path, monkeypatch, fate, words):
    class Disturbed(Numbers):
        def read(self, rows):
            if rows.start == 0:
                befall(_home(tmp_path / "p"))
            return super().read(rows)

    def befall(home):
        if fate == "finished":
            monkeypatch.setattr(module, "is_locked", lambda path: None)  # as on a disk without locks
            _prepare(Numbers(), tmp_path / "p")
        elif fate == "deleted":
            shutil.rmtree(home)
        else:
            failed = dict.fromkeys(range(CHUNKS * CHUNK_ROWS), "broken")
            with pytest.raises(InputError, match="None of"):
                module._check_failures(Numbers(), Numbers().describe(), home, failed)

    with pytest.raises(InputError, match=words) if words else contextlib.nullcontext():
        prepare_part(Disturbed(), SIZE, tmp_path / "p", 1, 2, progress=False, workers=1)
    assert fate != "finished" or len(_prepare(Numbers(), tmp_path / "p")) == CHUNKS * CHUNK_ROWS


@pytest.mark.parametrize(("end", "kept"), [(InputError("it is damaged"), False), (KeyboardInterrupt(), True)])
def test_what_was_unpacked_of_a_damaged_file_goes_and_stays_when_unpacking_is_stopped(tmp_path, end, kept):
    class Packed(Numbers):
        def unpack(self, folder):
            folder.mkdir()
            (folder / "some").write_bytes(b"of it")
            raise end

    with pytest.raises(type(end)):
        _prepare(Packed(count=10), tmp_path)
    assert (_home(tmp_path) / "unpacked" / "some").exists() == kept


def test_what_was_killed_while_it_unpacked_goes_before_it_unpacks_again(tmp_path):
    found = []

    class Packed(Numbers):
        def unpack(self, folder):
            found.append(sorted(path.name for path in folder.glob("*")))
            folder.mkdir(exist_ok=True)
            for name in ("whole.npy", f".unfinished-images-{len(found)}.npy"):
                (folder / name).write_bytes(b"some")
            if len(found) < 3:
                raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            _prepare(Packed(count=10), tmp_path)
    assert len(_prepare(Packed(count=10), tmp_path)) == 10
    assert found == [[], ["whole.npy"], ["whole.npy"]]


def test_two_processes_at_once_share_the_work_of_one(tmp_path):
    source = Numbers(seconds=0.01, log=str(tmp_path / "log"))
    both = [_prepare_elsewhere(source, tmp_path / "p") for _ in range(2)]
    assert [process.wait(timeout=60) for process in both] == [0, 0]
    assert len(_reads(source.log)) == CHUNKS
    _prepare(source, tmp_path / "alone")
    assert _files(tmp_path / "p") == _files(tmp_path / "alone")


def test_a_worker_that_is_killed_is_an_error_that_names_the_likely_cause(tmp_path):
    with pytest.raises(InputError, match="memory ran out"):
        _prepare(Dies(), tmp_path, workers=2)


# --- what workers load ------------------------------------------------------------------------------------------------


def test_workers_do_not_import_tensorflow_even_if_their_parent_did(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", sys)
    assert _prepare(Loads(count=10), tmp_path / "here").labels.all()
    assert not _prepare(Loads(), tmp_path / "workers", workers=2).labels.any()


def test_a_script_without_a_main_guard_runs_once_and_is_not_run_by_workers(tmp_path):
    (tmp_path / "script.py").write_text(
        textwrap.dedent(f"""
            print("running")
            import sys
            sys.modules["tensorflow"] = sys
            from test_data_prepare import Loads, prepare
            print(prepare(Loads(), {SIZE}, {str(tmp_path / "p")!r}, progress=False, workers=2).labels.any())
        """)
    )
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    ran = subprocess.run(
        [sys.executable, tmp_path / "script.py"],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert ran.stdout.split() == ["running", "False"]


def test_a_source_defined_in_a_notebook_can_be_prepared(tmp_path):
    code = f"""
        from test_data_prepare import Numbers, prepare
        class Mine(Numbers): pass
        print(len(prepare(Mine(), {SIZE}, {str(tmp_path)!r}, progress=False, workers=2)))
    """
    process = _start(textwrap.dedent(code), stdout=subprocess.PIPE)
    assert int(process.communicate()[0]) == CHUNKS * CHUNK_ROWS


# --- the disk ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    """A real disk of 1.5 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = os.geteuid() == 0 and shutil.which("mount")
    if not mounted or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", disk]).returncode:
        pytest.skip("only root can mount a small disk")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_disk_that_becomes_full_is_told_in_a_sentence_and_what_is_finished_is_kept(small_disk, tmp_path, workers):
    source = FillsDisk(log=str(small_disk / "log"))
    with pytest.raises(InputError, match="is full .*set DCGAN_DATA_DIR"):
        _prepare(source, small_disk / "p", workers=workers)
    finished = _lines(small_disk / "p")
    assert 0 < finished < CHUNKS
    (small_disk / "filler").write_bytes(b"")
    before = len(_reads(source.log))
    _prepare(source, small_disk / "p", workers=workers)
    assert len(_reads(source.log)) - before == CHUNKS - finished
    _prepare(Numbers(), tmp_path / "undisturbed")
    assert _files(small_disk / "p") == _files(tmp_path / "undisturbed")


def test_an_array_that_a_full_disk_does_not_take_is_told_by_the_systems_number(small_disk):
    with pytest.raises(OSError, match="No space left") as told:
        save_array(small_disk / "a.npy", np.zeros(4_000_000, np.uint8))
    assert told.value.errno == errno.ENOSPC  # NumPy's own way has none
    (small_disk / "a.npy").unlink()
    for array in (np.arange(6).reshape(2, 3), np.arange(6).reshape(2, 3).T, np.ones(0)):
        save_array(small_disk / "b.npy", array)
        np.testing.assert_array_equal(np.load(small_disk / "b.npy", allow_pickle=False), array)


@dataclass(frozen=True)
class TooLarge(Numbers):
    def read(self, rows):
        raise MemoryError


@pytest.mark.parametrize("workers", [1, 2])
def test_memory_that_runs_out_is_told_in_a_sentence(tmp_path, workers):
    with pytest.raises(InputError, match="Memory ran out while images were read. What is finished is kept"):
        _prepare(TooLarge(), tmp_path / "p", workers=workers)


def test_a_disk_that_is_too_small_is_refused_before_anything_is_read(small_disk, tmp_path):
    source = Numbers(count=40_000, log=str(tmp_path / "log"))
    with pytest.raises(InputError, match=r"needs 3 MB, but only \d MB are free in .*DCGAN_DATA_DIR"):
        _prepare(source, small_disk / "p")
    assert not Path(source.log).exists()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_errors_of_the_disk_become_one_sentence(tmp_path, monkeypatch, code):
    def fail(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(module, "_start_anew", fail)
    with pytest.raises(InputError, match=os.strerror(code)):
        _prepare(Numbers(count=10), tmp_path)


def test_a_file_of_the_source_that_may_not_be_read_is_no_fault_of_the_disk_that_is_written_to(tmp_path):
    class Locked(Numbers):
        def read(self, rows):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/pictures/a.npy")

    with pytest.raises(PermissionError, match="/pictures/a.npy"):
        _prepare(Locked(count=10), tmp_path)

    class ReadOnly(Numbers):
        def read(self, rows):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(_home(tmp_path) / "images.npy.part"))

    with pytest.raises(InputError, match="may not be written to .*images.npy.part"):
        _prepare(ReadOnly(count=10), tmp_path)


def test_large_pictures_come_in_smaller_chunks(tmp_path, monkeypatch):
    row = SIZE * SIZE * 3 + 8 + 12 + 2 * 4 * 2  # bytes of image, label, caption, boxes
    monkeypatch.setattr(module, "CHUNK_BYTES", 10 * row)
    source = Numbers(count=35, log=str(tmp_path / "log"))
    _prepare(source, tmp_path / "p", workers=1)
    assert [int(line.split()[0]) for line in _reads(source.log)] == [0, 10, 20, 30]
