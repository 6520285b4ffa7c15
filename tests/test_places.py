"""Places that cannot be written to, of which every command tells at once, and folders whose files appear together."""

import errno
import importlib
import os
import re
import signal
import tempfile
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from utils import cli, data, files, runtime
from utils.cli import COMMANDS
from utils.data import arrays, catalogue
from utils.data.prepare import prepare
from utils.errors import InputError
from utils.runs import PROJECT

NOWHERE = "/proc/nowhere/x"  # where the system says of a folder that is to be made that it is missing
NEEDED = {"dedup": ["faces"], "arithmetic": ["faces", "a", "-", "b"], "invert": ["a.png"], "publish": ["last", "name"]}


def writing(option: str) -> list[str]:
    """Commands that write to where an option says."""
    found = []
    for name, place in COMMANDS.items():
        module, command = place.split(":")
        kind = getattr(importlib.import_module(f"utils.cli.{module}"), command)
        found += [name] if option in {field.name for field in fields(kind)} else []
    return found


def told(capsys, *arguments) -> str:
    assert cli.main([str(argument) for argument in arguments]) == 2
    out, err = capsys.readouterr()
    assert not out and err.count("\n") == 1 and err.startswith("dcgan: ")
    return err


@pytest.mark.parametrize(("name", "option"), [(n, o) for o in ("out", "export") for n in writing(o)])
def test_a_command_that_cannot_write_says_so_in_a_sentence_at_once(capsys, monkeypatch, name, option):
    module, command = COMMANDS[name].split(":")
    kind = getattr(importlib.import_module(f"utils.cli.{module}"), command)
    monkeypatch.setattr(kind, "run", lambda self: pytest.fail("it has begun"))
    said = told(capsys, name, *NEEDED.get(name, []), f"--{option}", NOWHERE)
    assert said == f"dcgan: {NOWHERE}: Operation not permitted; choose another place.\n"


def test_there_are_such_commands():
    assert len(writing("out")) >= 14 and writing("export") == ["studio"]


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.ENOTDIR, errno.ENOSPC, errno.ENOENT, errno.ELOOP])
def test_whatever_the_system_says_of_a_place_is_told(capsys, monkeypatch, tmp_path, code):
    def fail(**_):
        raise OSError(code, os.strerror(code), "a temporary name")

    monkeypatch.setattr(tempfile, "TemporaryFile", fail)
    words = os.strerror(errno.EPERM if code == errno.ENOENT else code)
    assert told(capsys, "sample", "faces", "--out", tmp_path) == f"dcgan: {tmp_path}: {words}; choose another place.\n"


def test_asking_leaves_nothing_and_any_place_that_can_be_made_is_good(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("kept")
    monkeypatch.chdir(tmp_path)
    for good in (tmp_path, tmp_path / "new", tmp_path / "a" / "b" / "c.png", tmp_path / "file", "new/relative.png"):
        files.expect_writable(good)
    for bad in (tmp_path / "file" / "x", tmp_path / "file" / "x" / "y"):
        with pytest.raises(NotADirectoryError):
            files.expect_writable(bad)
    assert [path.name for path in tmp_path.iterdir()] == ["file"] and (tmp_path / "file").read_text() == "kept"


@pytest.mark.parametrize("name", ["train", "study"])
def test_runs_that_cannot_be_kept_are_refused_before_data_are_read(capsys, monkeypatch, name):
    monkeypatch.setattr(data, "load_for", lambda *_: pytest.fail("data are read"))
    options = {"train": ["--preset", "quick", "--updates", "1"], "study": ["losses"]}[name]
    assert NOWHERE in told(capsys, name, *options, "--runs-dir", NOWHERE)


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["datasets", "faces", "--show"], "--out"),
        (["dedup", "faces"], "--out"),
        (["explain", "faces"], "--out"),
        (["compare", "faces", "house_numbers"], "--out"),
        (["study", "losses"], "--out"),
        (["study", "losses"], "--runs-dir"),
    ],
)
def test_a_file_where_a_folder_is_meant_is_refused_before_anything_is_begun(
    capsys, monkeypatch, tmp_path, arguments, option
):
    for module, name in ((data, "load"), (catalogue, "load"), (runtime, "start")):
        monkeypatch.setattr(module, name, lambda *_, **__: pytest.fail("it has begun"))
    (tmp_path / "mine.txt").write_text("mine")
    said = told(capsys, *arguments, option, tmp_path / "mine.txt")
    assert said == f"dcgan: {option} must be a folder. Received: {tmp_path / 'mine.txt'}, which is a file.\n"
    assert (tmp_path / "mine.txt").read_text() == "mine"
    files.expect_folder(None)
    for good in (tmp_path, tmp_path / "new" / "one"):
        files.expect_folder(good)


def test_data_that_cannot_be_kept_are_told_with_the_cure(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((4, 8, 8, 3), np.uint8))
    with pytest.raises(InputError, match="may not be written to .*or set DCGAN_DATA_DIR to another folder"):
        prepare(arrays.ArrayFile(tmp_path / "a.npy", 8), 8, NOWHERE, progress=False)


@pytest.mark.parametrize("write", [lambda: files.write_text(NOWHERE, ""), lambda: files.write_text("/proc/x", "")])
def test_no_file_is_said_to_be_missing_where_one_was_to_be_made(write):
    with pytest.raises(PermissionError, match=r"not permitted: '/proc/"):
        write()


def test_folders_are_made_in_one_place():
    made = {
        f"{path.relative_to(PROJECT)}: {line.strip()}"
        for path in (PROJECT / "utils").rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"\bmkdir\(|makedirs\(", line)
    }
    one = "utils/files.py: Path(path).mkdir(parents=True, exist_ok=True)"
    assert made == {one, "utils/runs.py: folder.mkdir()"}  # the second must not be there before


# --- files that appear together ---------------------------------------------------------------------------------------

FORMER = {"pictures/001-a.png": "old a", "pictures/002-b.png": "old b", "report.json": "old", "mine.txt": "mine"}
LATER = {"pictures/001-c.png": "new c", "report.html": "new", "report.json": "new"}


def content(folder) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


def put(folder, files_there) -> None:
    for name, text in files_there.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def test_a_folder_is_as_it_was_until_all_that_is_new_has_taken_its_place(tmp_path):
    put(tmp_path, FORMER)
    with files.appear_together(tmp_path) as made:
        put(made, LATER)
        assert content(tmp_path) == FORMER | {f"{made.name}/{name}": text for name, text in LATER.items()}
    assert content(tmp_path) == LATER | {"mine.txt": "mine"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.txt", "pictures", "report.html", "report.json"]
    with files.appear_together(tmp_path / "new" / "folder") as made:
        put(made, LATER)
    assert content(tmp_path / "new" / "folder") == LATER


def test_what_has_no_successor_goes_in_the_same_step(tmp_path):
    put(tmp_path, FORMER)
    with files.appear_together(tmp_path, instead_of=("report.html", "report.json", "pictures", "never there")) as made:
        put(made, {"report.html": "new"})
        assert content(tmp_path) == FORMER | {f"{made.name}/report.html": "new"}
    assert content(tmp_path) == {"report.html": "new", "mine.txt": "mine"}


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(errno.ENOSPC, "full"), InputError("no")])
def test_a_failure_leaves_the_former_files_whole_and_nothing_beside_them(tmp_path, error):
    put(tmp_path, FORMER)
    with pytest.raises(type(error) if isinstance(error, Exception) else error), files.appear_together(tmp_path) as made:
        put(made, LATER)
        raise error
    assert content(tmp_path) == FORMER and len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_the_last_step_waits_for_its_end(tmp_path, monkeypatch, number):
    put(tmp_path, FORMER)
    seen, rename = [], Path.replace
    before = signal.signal(number, lambda *_: seen.append(content(tmp_path)))
    monkeypatch.setattr(Path, "replace", lambda self, other: (os.kill(os.getpid(), number), rename(self, other))[1])
    try:
        with files.appear_together(tmp_path) as made:
            put(made, LATER)
    finally:
        signal.signal(number, before)
    assert content(tmp_path) == LATER | {"mine.txt": "mine"}
    assert len(seen) == 5 and all(LATER.items() <= each.items() for each in seen)


@pytest.mark.parametrize("failing", range(1, 7))
def test_a_rename_that_fails_in_the_last_step_leaves_the_former_files_whole(tmp_path, monkeypatch, failing):
    put(tmp_path, FORMER | {"old/only.txt": "old"})
    before, rename, calls = content(tmp_path), Path.replace, []

    def replace(self, other):
        calls.append(self.name)
        if len(calls) == failing:
            raise OSError(errno.EIO, "broken")
        return rename(self, other)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(OSError, match="broken"), files.appear_together(tmp_path, instead_of=("old",)) as made:
        put(made, LATER)
    assert content(tmp_path) == before and len(list(tmp_path.iterdir())) == 4


def test_what_cannot_be_put_back_is_not_removed(tmp_path, monkeypatch):
    put(tmp_path, FORMER)
    rename, broken = Path.replace, []

    def replace(self, other):
        if broken or self.name == "report.html":
            broken.append(self)
            raise OSError(errno.EIO, "broken")
        return rename(self, other)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(OSError, match="broken"), files.appear_together(tmp_path) as made:
        put(made, LATER)
    assert set(FORMER.values()) <= set(content(tmp_path).values())


def test_what_a_killed_process_left_is_removed_when_nobody_can_be_at_it_any_more(tmp_path):
    for name, age in (("abandoned", 7200), ("in use", 60)):
        (tmp_path / f".unfinished-{name}").mkdir()
        then = (tmp_path / f".unfinished-{name}").stat().st_mtime - age
        os.utime(tmp_path / f".unfinished-{name}", (then, then))
    with files.appear_together(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [".unfinished-in use"]


def test_who_has_been_writing_for_long_is_not_taken_for_dead(tmp_path):
    written = {".unfinished-writing/pages/1.html": 60, ".unfinished-killed/pages/1.html": 7200}
    put(tmp_path, dict.fromkeys(written, "page"))
    for name, age in written.items():
        page = tmp_path / name
        for path, seconds in ((page, age), (page.parent, age), (page.parent.parent, 9000)):  # the last is older
            then = path.stat().st_mtime - seconds
            os.utime(path, (then, then))
    with files.appear_together(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [".unfinished-writing"]


def test_what_another_process_removes_at_the_same_time_ends_nothing(tmp_path, monkeypatch):
    (tmp_path / ".unfinished-killed").mkdir()
    is_dir = Path.is_dir

    def then_removed(path, **options):
        there = is_dir(path, **options)
        if path.name == ".unfinished-killed" and there:
            path.rmdir()
        return there

    monkeypatch.setattr(Path, "is_dir", then_removed)
    with files.appear_together(tmp_path) as made:
        put(made, LATER)
    assert content(tmp_path) == LATER
