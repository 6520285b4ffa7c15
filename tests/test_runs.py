import errno
import fcntl
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from utils.config import preset, replace
from utils.data import Dataset
from utils.errors import InputError
from utils.files import appears_whole, is_locked, locked, read_json, remove_unfinished, write_json
from utils.runs import Curves, Rows, Run, State, Thinned, columns, dataset_slug, results_slug
from utils.runtime import cpu_name

ENVIRONMENT = {"images": 3, "fingerprint": "f"}


def test_runs_are_numbered_and_none_overwrites_another_even_when_many_start_at_once(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda _: Run.create(preset("quick"), ENVIRONMENT, tmp_path), range(16)))
    assert sorted(run.folder.name for run in runs) == [f"{i:04d}-quick" for i in range(1, 17)]
    assert {run.folder.parent.name for run in runs} == {"faces"}


def test_a_run_is_found_by_path_by_name_and_as_the_last(tmp_path):
    first = Run.create(preset("quick"), ENVIRONMENT, tmp_path)
    first.log("older")
    second = Run.create(replace(preset("report32"), epochs=7), ENVIRONMENT, tmp_path)
    assert Run.find("last", tmp_path).folder == second.folder and Run.all(tmp_path) == [first, second]
    first.save_state(State("stopped"))  # heard of last
    assert Run.find("last", tmp_path).folder == first.folder and Run.all(tmp_path) == [second, first]
    second.save_state(State("running"))
    assert Run.find(first.folder).experiment == preset("quick")
    assert Run.find("cifar10/0001-report32", tmp_path).experiment.training.epochs == 7
    assert Run.find("last", tmp_path).folder == second.folder
    with pytest.raises(InputError, match="faces/0001-quick"):
        Run.find("0009", tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"status": 1}', '{"status": "stopped", "written": "now"}', None])
def test_a_run_that_does_not_say_how_it_stands_hides_no_other_and_is_told_to_who_uses_it(tmp_path, content):
    first, second = (Run.create(preset("quick"), ENVIRONMENT, tmp_path) for _ in range(2))
    state = first.folder / "state.json"
    if content is None:
        state.unlink()
        state.mkdir()
    else:
        state.write_text(content)
    for age, order in ((-60, [first, second]), (60, [second, first])):
        os.utime(state, (time.time() + age,) * 2)
        assert Run.all(tmp_path) == order and Run.find("last", tmp_path).folder == order[-1].folder
    with pytest.raises((InputError, IsADirectoryError), match="state.json"):
        _ = first.state


def test_a_line_that_is_only_half_written_is_not_read(tmp_path):
    run = Run.create(preset("quick"), ENVIRONMENT, tmp_path)
    run.steps_file.write_text('{"update": 1, "loss_true": 0.5}\n{"update": 2, "lo')
    assert {name: values.tolist() for name, values in run.steps().items()} == {"update": [1], "loss_true": [0.5]}


def test_kept_networks_are_known_by_the_updates_they_have_had(tmp_path):
    for changes, unit, numbers, updates in (
        ({"epochs": 4, "summary_epochs": 2}, "epoch", (0, 2), [0, 6]),
        ({"updates": 8, "summary_updates": 5}, "update", (0, 5), [0, 5]),
    ):
        run = Run.create(replace(preset("quick"), keep_models=True, **changes), ENVIRONMENT, tmp_path)
        assert run.kept("generator") == {}
        for number in numbers:
            run.model("generator", number).parent.mkdir(parents=True)
            run.model("generator", number).touch()
        steps = [{"update": n, "epoch": 1 + (n - 1) // 3} for n in range(1, 9)]  # it was stopped in its third epoch
        run.steps_file.write_text("".join(json.dumps(row) + "\n" for row in steps))
        run.epochs_file.write_text("".join(json.dumps({unit: number}) + "\n" for number in (*numbers, 7)))
        assert run.kept("generator") == dict(zip(updates, (run.model("generator", number) for number in numbers)))
        assert run.kept("discriminator") == {}


def test_its_networks_have_had_the_updates_before_its_last_summary_however_far_its_records_are(tmp_path):
    steps = [{"update": n, "epoch": 1 + (n - 1) // 3} for n in range(1, 9)]
    for unit, each in (("epoch", 3), ("update", 1)):
        run = Run.create(replace(preset("quick"), **{f"{unit}s": 9}), ENVIRONMENT, tmp_path)
        assert run.updates == 0
        for number in (0, 1, 2):
            with run.epochs_file.open("a") as file:
                file.write(json.dumps({unit: number}) + "\n")
            for done in range(each * number, 9):  # it was stopped that far on
                run.steps_file.write_text("".join(json.dumps(row) + "\n" for row in steps[:done]))
                assert run.updates == each * number, (unit, number, done)


def test_a_folder_in_use_is_not_trained_in_twice(tmp_path):
    run = Run.create(preset("quick"), ENVIRONMENT, tmp_path)
    with run.locked(), pytest.raises(InputError, match="Another process is training"), run.locked():
        pass
    with run.locked():  # and is free again afterwards
        pass


@pytest.mark.parametrize("number", [errno.EWOULDBLOCK, errno.EACCES])
def test_only_what_says_that_a_lock_is_taken_counts_as_taken(tmp_path, monkeypatch, number):
    run = Run.create(preset("quick"), ENVIRONMENT, tmp_path)
    monkeypatch.setattr(fcntl, "flock", _flock_that_gives(number))
    with pytest.raises(InputError, match="Another process is training"), run.locked():
        pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EIO])
def test_a_disk_without_locks_is_a_note_and_no_other_process(tmp_path, monkeypatch, number):
    run, told = Run.create(preset("quick"), ENVIRONMENT, tmp_path), []
    monkeypatch.setattr(fcntl, "flock", _flock_that_gives(number))
    with run.locked(told.append):
        assert run.in_words() == "running, or killed (this disk has no locks that would tell)"
    assert told == [f"The disk of {run.folder} has no locks: see to it that only one process works there at a time."]
    with run.locked():
        pass
    assert run.logged() == told


def _flock_that_gives(number):
    def flock(file, kind):
        raise OSError(number, "as some disks do")

    return flock


def test_a_taken_lock_is_waited_for_if_the_caller_says_so_and_asking_does_not_take_it(tmp_path):
    lock, heard = tmp_path / "lock", []
    assert is_locked(lock) is False and not lock.exists()
    code = "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.flock(f, fcntl.LOCK_EX); print('held', flush=True); "
    code += "sys.stdin.read()"
    other = subprocess.Popen([sys.executable, "-c", code, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout.readline() == b"held\n" and is_locked(lock) is True
    with locked(lock, lambda: heard.append(other.stdin.close()), heard.append):  # it ends, and with it its lock
        assert other.wait() == 0 and heard == [None]
        assert is_locked(lock) is True
    assert is_locked(lock) is False
    other.stdout.close()


# --- how a run stands -------------------------------------------------------------------------------------------------


def test_a_run_says_how_it_stands_in_a_file_and_the_lock_says_whether_anybody_is_at_it(tmp_path):
    run, began = Run.create(preset("quick"), ENVIRONMENT, tmp_path), time.time()
    assert run.state.status == "running" and run.in_words() == "no process is at work on it: it was killed"
    with run.locked():
        assert run.in_words() == "running"
    run.save_state(State("failed", 7, 2, 3.5, "The disk is full."))
    assert run.in_words() == "failed (The disk is full)" and run.seconds is None
    record = read_json(run.folder / "state.json")
    assert began <= record.pop("written") <= time.time()
    expected = {"status": "failed", "update": 7, "epoch": 2, "seconds": 3.5, "why": "The disk is full."}
    assert record == expected | {"rollbacks": [], "replicas": []}
    write_json(run.folder / "state.json", record | {"of_a_later_version": 1})
    assert run.state == State("failed", 7, 2, 3.5, "The disk is full.")
    run.save_state(State("finished", 9, 3, 4.5))
    assert run.in_words() == "finished" and run.seconds == 4.5


@pytest.mark.parametrize(
    ("log", "state"),
    [
        (["Started on a CPU.", "Finished after 4 updates and 9 s of training."], State("finished", 4, 2, 9)),
        (
            ["Finished after 4 updates and 9 s of training.", "Resumed on a CPU.", "It has all."],
            State("finished", 4, 2, 9),
        ),
        (["Finished after 2 updates and 5 s of training.", "Resumed on a CPU."], State("running", 4, 2)),
        (["Stopped by signal 15 after update 4."], State("stopped", 4, 2, why="Stopped by signal 15 after update 4.")),
        ([], State("running", 4, 2)),
    ],
)
def test_a_run_made_before_there_was_a_state_stands_as_its_log_and_records_say(tmp_path, log, state):
    run = Run.create(preset("quick"), ENVIRONMENT, tmp_path)
    (run.folder / "state.json").unlink()
    run.steps_file.write_text("".join(json.dumps({"update": u, "epoch": (u + 1) // 2}) + "\n" for u in range(1, 5)))
    run.epochs_file.write_text('{"epoch": 1}\n{"epoch": 2}\n')
    for sentence in log:
        run.log(sentence)
    assert run.state == state and run.seconds == (9 if state.status == "finished" else None)


@pytest.mark.parametrize(
    ("about", "name"),
    [
        (
            "{f}: 25\nmodel\t\t: 17\nmodel name\t: AMD EPYC\nflags\t: sse2 a:b\n\n{f}: 26\n",
            "AMD EPYC (family 25, model 17)",
        ),
        ("{f}: 25\nmodel\t\t: 1\nmodel name\t: AMD EPYC 7763 64-Core Processor\n", "AMD EPYC 7763 64-Core Processor"),
        ("model name\t: Cortex\n", "Cortex"),  # not every kind of processor has families
    ],
    ids=("virtual", "with_a_number", "without_family"),
)
def test_the_processor_is_told_from_another_generation_of_the_same_name(tmp_path, about, name):
    (tmp_path / "cpuinfo").write_text(about.replace("{f}", "cpu family\t"))
    assert cpu_name(tmp_path / "cpuinfo") == name


def test_a_system_that_tells_nothing_of_its_processor_still_has_a_name_for_it(tmp_path):
    (tmp_path / "cpuinfo").write_text("Features: fp asimd\n")
    assert cpu_name(tmp_path / "cpuinfo") == cpu_name(tmp_path / "missing") != ""


def test_a_log_in_which_names_broke_lines_is_told_in_sentences(tmp_path):
    run = Run.create(preset("quick"), ENVIRONMENT, tmp_path)
    (run.folder / "log.txt").write_text(
        "2024-01-31 10:00:00 Left out a\nb\n\nc.jpg: no picture.\n2024-01-31 10:00:01 On.\n"
    )
    assert run.logged() == ["Left out a b c.jpg: no picture.", "On."]


# --- records that grow ------------------------------------------------------------------------------------------------


def write_rows(path, numbers) -> list[dict]:
    rows = [{"update": n, "loss": float(np.sin(n) / 3)} for n in numbers]
    with path.open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return rows


def test_a_record_is_read_once_however_often_it_is_looked_at(tmp_path):
    path = tmp_path / "steps.jsonl"
    rows = Rows(path)
    assert rows.read() == []
    first = write_rows(path, range(5))
    assert rows.read(2) == first[:2] and rows.read(7) == first[2:] and rows.read() == []
    path.write_bytes(b"?" * path.stat().st_size)  # what was read is not looked at again
    second = write_rows(path, range(5, 8))
    with path.open("a") as file:
        file.write('{"update": 8, "lo')
    assert rows.read() == second
    with path.open("a") as file:
        file.write('ss": 1}\n')
    assert rows.read() == [{"update": 8, "loss": 1}]


@pytest.mark.parametrize("count", [0, 1, 4, 5, 3000])
def test_the_last_rows_are_read_from_the_end(tmp_path, count):
    run = Run.create(preset("quick"), ENVIRONMENT, tmp_path)
    rows = write_rows(run.epochs_file, range(count))
    content = run.epochs_file.read_bytes()
    run.epochs_file.write_bytes(content + b'{"upd')
    assert run.epochs(4) == rows[-4:] and run.epochs() == rows and run.epochs(5000) == rows
    if count == 3000:
        run.epochs_file.write_bytes(b"?" * 70_000 + content[70_000:])  # the beginning is not needed
        assert run.epochs(100) == rows[-100:]


def test_curves_have_all_points_until_there_are_many_then_means_and_never_more(tmp_path):
    path = tmp_path / "steps.jsonl"
    growing, counts, rows = Thinned(path, points=8), [], []
    assert growing.columns() == {}
    for start, end in ((0, 3), (3, 15), (15, 16), (16, 37), (37, 200)):
        rows += write_rows(path, range(start, end))
        seen = growing.columns()
        counts.append(len(seen["loss"]))
        at_once = Thinned(path, points=8).columns()
        assert all(np.array_equal(seen[name], at_once[name]) for name in ("update", "loss"))
        if end < 16:
            assert all(np.array_equal(seen[name], values) for name, values in columns(rows).items())
    assert counts == [3, 15, 8, 9, 12]  # the last ones are means over 16 rows
    losses = np.array([row["loss"] for row in rows])
    np.testing.assert_allclose(seen["loss"], losses[:192].reshape(12, 16).mean(1), rtol=1e-12)
    np.testing.assert_array_equal(seen["update"], np.arange(192).reshape(12, 16).mean(1))


@pytest.mark.parametrize(
    ("name", "slug"), [("faces", "faces"), ("/data/my cats/", "my-cats"), ("../x/pictures.npz", "pictures")]
)
def test_a_dataset_gives_its_runs_folder_a_plain_name(name, slug):
    assert dataset_slug(name) == slug


def test_what_is_found_out_about_a_dataset_has_a_folder_of_its_own():
    images = np.zeros((1, 16, 16, 3), np.uint8)
    own, faces = (Dataset(name, "title", images, "0123456789abcdef", split="test") for name in ("/a/my cats", "faces"))
    assert results_slug(own, None, "near") == results_slug(own, 20, "near") == "my-cats-test-16-near-01234567"
    assert (results_slug(faces, None), results_slug(faces, 20)) == ("faces-test-16", "faces-test-16-20")


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / f"{'é' * 120}.json"  # as long a name as there may be
    path.write_text("old")
    with pytest.raises(RuntimeError), appears_whole(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old" and [*tmp_path.iterdir()] == [path]
    with appears_whole(path) as temporary:
        temporary.write_text(json.dumps({"new": 1}))
        assert path.read_text() == "old"
    assert json.loads(path.read_text()) == {"new": 1} and [*tmp_path.iterdir()] == [path]


def test_what_a_killed_writer_left_is_removed_and_nothing_else(tmp_path):
    named = tmp_path / f"{'[x]*' * 20}.mp4"  # longer than a temporary name has it, and like a pattern
    written = (tmp_path / "grids" / "a" / "epoch_0001.png", tmp_path / "film.mp4", named)
    others = (
        tmp_path / "film.gif",
        tmp_path / "quality.json",
        tmp_path / f"{12 * 'x'}.mp4",
        tmp_path / "report" / "film.mp4",
    )
    writing = [appears_whole(path) for path in (*written, *others)]
    for each in writing:
        each.__enter__().write_bytes(b"half")  # and never leaves the block, as if it had been killed
    (tmp_path / "grids" / "epoch_0000.png").write_bytes(b"whole")
    (tmp_path / ".lock").touch()
    assert len(list(tmp_path.rglob(".unfinished-*"))) == 7
    remove_unfinished([tmp_path / "grids", tmp_path / "film.mp4", named, tmp_path / "never there.json"])
    left = {str(p.relative_to(tmp_path)).rpartition("-")[0] for p in tmp_path.rglob(".unfinished-*")}
    assert left == {".unfinished-film", ".unfinished-quality", f".unfinished-{12 * 'x'}", "report/.unfinished-film"}
    assert (tmp_path / "grids" / "epoch_0000.png").exists() and (tmp_path / ".lock").exists()


def test_drawing_curves_while_training_takes_a_twentieth_of_the_time_at_most(tiny, tmp_path, monkeypatch):
    now, drawn = [0.0], []
    monkeypatch.setattr("utils.runs.time.monotonic", lambda: now[0])
    curves = Curves(Run.create(tiny, {}, tmp_path))

    def draw():
        drawn.append(now[0])
        now[0] += 2.0

    monkeypatch.setattr(curves, "draw", draw)
    while now[0] < 200:
        now[0] += 1.0
        curves.keep_up()
    assert drawn == [11.0, 54.0, 97.0, 140.0, 183.0]
