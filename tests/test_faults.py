"""What disks and clocks do to a run (killed processes: `test_interruptions.py`; lost workers: `test_workers.py`)."""

import dataclasses
import errno
import os
import shutil
import time

import pytest

from utils import files, runtime
from utils.config import replace
from utils.errors import InputError
from utils.runs import Run
from utils.training import checkpoint, resume, train
from utils.training.estimate import try_updates


def test_content_reaches_the_disk_before_its_name_and_the_name_before_what_comes_next(tmp_path, monkeypatch):
    done, force, rename = [], os.fsync, os.replace

    def forced(handle):
        done.append(os.readlink(f"/proc/self/fd/{handle}"))
        force(handle)

    monkeypatch.setattr(os, "fsync", forced)
    monkeypatch.setattr(os, "replace", lambda a, b: (done.append("renamed"), rename(a, b)))
    files.write_text(tmp_path / "a.txt", "words")
    unfinished, name, folder = done
    assert unfinished.startswith(f"{tmp_path}/.unfinished-") and name == "renamed" and folder == str(tmp_path)


def test_records_reach_the_disk_before_the_checkpoint_that_counts_them(
    tiny, noise_dataset, light, tmp_path, monkeypatch
):
    done, save = [], checkpoint.save
    run = train(tiny, dataset=noise_dataset, runs_dir=tmp_path, progress=False)
    monkeypatch.setattr("utils.training.loop.force", lambda file: done.append(file.name))
    monkeypatch.setattr(checkpoint, "save", lambda *given: (done.append("saved"), save(*given))[1])
    longer = replace(tiny, epochs=tiny.training.epochs + 1)
    resume(run, changed=longer, dataset=noise_dataset, progress=False)
    assert done == ["steps.jsonl", "epochs.jsonl", "watch.jsonl", "saved"]


def test_a_checkpoint_whose_records_a_disk_has_lost_is_passed_over_for_the_one_before(noise_dataset, trained):
    whole = trained.steps_file.read_bytes()
    trained.steps_file.write_bytes(whole[:-20])
    resume(trained, dataset=noise_dataset, progress=False)
    assert trained.steps_file.read_bytes() == whole and trained.state.status == "finished"
    said = "update_00000006.npz cannot be used (the end of steps.jsonl is lost); looking for the one before."
    assert said in (trained.folder / "log.txt").read_text()


@pytest.mark.parametrize("harm", ["missing", "damaged", "records are shorter"])
def test_a_run_that_has_had_updates_never_begins_anew(noise_dataset, trained, tiny, harm):
    """Its networks would be replaced by untrained ones, its records by empty ones."""
    if harm == "missing":
        shutil.rmtree(trained.checkpoints)
    elif harm == "damaged":
        for file in trained.checkpoints.rglob("*.npz"):
            file.write_bytes(file.read_bytes()[:-9])
    else:
        trained.steps_file.write_bytes(trained.steps_file.read_bytes()[:20])

    def contents():
        files = [trained.steps_file, trained.epochs_file, trained.watch_file, *trained.models.rglob("*")]
        return {file: file.read_bytes() for file in files if file.is_file()}

    before = contents()
    for changed in (None, replace(tiny, epochs=3)):
        with pytest.raises(InputError, match=r"has had 6 updates, and none of its checkpoints .*: bring checkpoints/"):
            resume(trained, changed=changed, dataset=noise_dataset, progress=False)
        assert contents() == before and len(before) >= 5


def test_where_no_checkpoint_can_be_read_that_is_said(tmp_path):
    said = []
    for update in (1, 2):
        (tmp_path / f"update_{update:08d}.npz").write_bytes(b"PK")
    assert checkpoint.restore(tmp_path, {}, said.append) is None
    assert len(said) == 3 and said[-1] == f"None of the checkpoints in {tmp_path.name}/ can be used."


def test_a_clock_that_goes_backwards_changes_nothing(tiny, noise_dataset, light, tmp_path, monkeypatch):
    whole = train(tiny, dataset=noise_dataset, runs_dir=tmp_path / "whole", progress=False)
    now = iter(range(10**9, 0, -3600))
    monkeypatch.setattr(time, "time", lambda: float(next(now)))
    again = train(tiny, dataset=noise_dataset, runs_dir=tmp_path / "again", progress=False)
    assert again.state.status == "finished" and again.state.seconds > 0
    assert again.steps_file.read_bytes() == whole.steps_file.read_bytes()


def test_a_folder_that_disappears_is_said_and_not_made_anew(tiny, noise_dataset, tmp_path, monkeypatch, light):
    begin = checkpoint.save

    def save(folder, update, *given):
        path = begin(folder, update, *given)
        if update:
            shutil.move(folder.parent, tmp_path / "away")
        return path

    monkeypatch.setattr(checkpoint, "save", save)
    with pytest.raises(InputError, match="is not there any more, or its disk fails .*bring it back, then go on with"):
        train(tiny, dataset=noise_dataset, runs_dir=tmp_path / "runs", progress=False)
    assert not list((tmp_path / "runs").rglob("*.*"))


@pytest.mark.parametrize("again", [{}, {"data_dir": "far", "force_precision": True}])
def test_after_a_full_disk_the_command_says_all_that_is_needed_to_go_on(
    tiny, noise_dataset, light, tmp_path, monkeypatch, again
):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("utils.training.loop.performance_summarizer", full)
    with pytest.raises(InputError, match="is full, so training stopped; .*Free some space, then go on") as refused:
        train(tiny, dataset=noise_dataset, runs_dir=tmp_path, progress=False, **again)
    options = " --data-dir far --force-precision" if again else ""
    assert str(refused.value).endswith(f"`./dcgan resume {tmp_path}/faces/0001-report32{options}`.")


def test_a_device_with_too_little_memory_is_said_in_a_sentence(tiny, noise_dataset, tmp_path, monkeypatch):
    import tensorflow as tf

    def too_much(*_, **__):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[8,4,4,512]")

    monkeypatch.setattr("utils.training.step.Update.__call__", too_much)
    said = "The memory of .* is not enough to train in batches of 8 images of 32x32 pixels: train with a smaller --b"
    with pytest.raises(InputError, match=said):
        train(tiny, dataset=noise_dataset, runs_dir=tmp_path, progress=False)
    run = Run.find("last", tmp_path)
    assert run.state.status == "failed" and run.state.why.startswith("The memory of ")
    with pytest.raises(InputError, match=said):
        try_updates(tiny)
    full = tf.errors.ResourceExhaustedError(None, None, "/there; No space left on device")
    elsewhere = tf.errors.ResourceExhaustedError(None, None, "Collective ops is aborted by: OOM when allocating tensor")
    for other in (full, elsewhere):
        with pytest.raises(tf.errors.ResourceExhaustedError), runtime.memory_in_words(tiny):
            raise other


def test_images_of_another_size_are_refused_before_a_run_is_made(tiny, noise_dataset, trained, tmp_path):
    small = dataclasses.replace(noise_dataset, images=noise_dataset.images[:, ::2, ::2])
    said = r"The images have 16x16 pixels, and image_size is 32: load them at that size, or .*at_size\(experiment, 16\)"
    with pytest.raises(InputError, match=said):
        train(tiny, dataset=small, runs_dir=tmp_path / "new", progress=False)
    assert not (tmp_path / "new").exists()
    with pytest.raises(InputError, match=said):
        resume(trained, dataset=small, progress=False)
    assert trained.state.status == "finished"
