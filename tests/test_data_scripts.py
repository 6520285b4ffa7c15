"""The scripts in data_scripts/, run as a user runs them, against a real HTTP server that misbehaves."""

import errno
import hashlib
import importlib.util
import io
import json
import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import time
import warnings
import zipfile
from pathlib import Path

import genuine
import numpy as np
import pytest
from misbehaving_server import (
    MisbehavingServer,
    breaking_off,
    falling_silent,
    saying,
    sending_on,
    without_ranges,
)

from utils import cli
from utils.cli.datasets import Datasets
from utils.cli.import_paper import ImportPaper
from utils.cli.options import read
from utils.cli.train import Train
from utils.config import preset, replace
from utils.data import Dataset, load
from utils.data.catalogue import catalogue, find_entry
from utils.data.cifar10 import Cifar10
from utils.errors import InputError
from utils.paper_weights import read_networks
from utils.runs import PROJECT

SCRIPTS = PROJECT / "data_scripts"
CIFAR10 = "/~kriz/cifar-10-binary.tar.gz"
KAGGLE = "/api/v1/datasets/download"
CONTENT = np.random.default_rng(0).bytes(300_000)
QUOTA = "<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head><body>Too many users have viewed"
LOGIN = "\n <html lang='en'><title>Login | Kaggle</title><form><input type='password'></form></html>"
OTHER = "<HTML><head><title>We are\nmoving&hellip;</title>"
UNREADABLE = Path("/proc/self/mem")  # every attempt to read its beginning ends in EIO, as of a disk that fails

spec = importlib.util.spec_from_file_location("unpack", SCRIPTS / "unpack.py")
unpack = importlib.util.module_from_spec(spec)
spec.loader.exec_module(unpack)


class World:
    """A copy of the scripts, a server that they fetch from, and a folder for datasets."""

    def __init__(self, folder: Path, server: MisbehavingServer):
        self.folder, self.server, self.data = folder, server, folder / "data"
        self.scripts = Path(shutil.copytree(SCRIPTS, folder / "data_scripts"))

    def publish(self, script: str, *contents: bytes) -> None:
        """Make a script expect `contents`: their checksums take the places of those in it, in their order."""
        path, digests = self.scripts / script, iter(contents)

        def digest(old: re.Match) -> str:
            content = next(digests, None)
            algorithm = {32: hashlib.md5, 64: hashlib.sha256}[len(old[0])]
            return old[0] if content is None else algorithm(content).hexdigest()

        path.write_text(re.sub(r"\b([0-9a-f]{64}|[0-9a-f]{32})\b", digest, path.read_text()))
        assert next(digests, None) is None

    def change(self, script: str, old: str, new: str) -> None:
        """Put another number into a script."""
        text = (self.scripts / script).read_text()
        assert old in text
        (self.scripts / script).write_text(text.replace(old, new))

    def start(self, script: str, *options: object, **environment: str) -> subprocess.Popen:
        """Start a script, as a user without any settings of his own but `environment`."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DCGAN_", "KAGGLE_"))}
        kept |= {"HOME": str(self.folder / "home"), "DCGAN_PYTHON": sys.executable, "DCGAN_MIRROR": self.server.url}
        kept |= {"DCGAN_DATA_DIR": str(self.data), "DCGAN_RETRY_DELAY": "0", **environment}
        command = ["bash", self.scripts / script, *map(str, options)]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=kept, stdout=pipe, stderr=pipe, text=True, start_new_session=True)

    def run(self, *arguments: object, **environment: str) -> subprocess.CompletedProcess:
        """The same, until it has ended."""
        with self.start(*arguments, **environment) as process:
            try:
                out, err = process.communicate(timeout=300)
            finally:
                process.kill()
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def failing_python(self, command: str, deed: str) -> str:
        """A Python that does a deed instead of one of unpack.py's commands."""
        path = self.folder / "failing python"
        path.write_text(f'#!/bin/bash\n[[ "$*" != *"/unpack.py {command} "* ]] || {deed}\nexec {sys.executable} "$@"\n')
        path.chmod(0o755)
        return str(path)

    def read(self, name: str, **settings) -> Dataset:
        """What the project's reader makes of what a script left."""
        return load(name, data_dir=self.data, progress=False, **settings)

    def there(self, folder: str) -> dict[str, bytes]:
        """What is in a folder of the datasets, but for the file of the lock: contents by path."""
        home = self.data / folder
        files = [path for path in sorted(home.rglob("*")) if path.is_file() and path.name != ".fetching"]
        return {str(path.relative_to(home)): path.read_bytes() for path in files}


@pytest.fixture
def world(tmp_path):
    with MisbehavingServer() as server:
        yield World(tmp_path, server)


@pytest.fixture
def cifar(world):
    """A world where CIFAR-10 is CONTENT."""
    world.publish("get_cifar10.sh", CONTENT)
    world.server.put(CIFAR10, CONTENT)
    return world


def zipped(files: dict[str, bytes]) -> bytes:
    """A zip archive of these files."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def noise(count: int, size: int = 32) -> np.ndarray:
    """uint8 (count, size, size, 3), all different."""
    return np.random.default_rng(count).integers(0, 256, (count, size, size, 3), np.uint8)


def last_line(answer: subprocess.CompletedProcess) -> str:
    return answer.stderr.splitlines()[-1]


def next_of(answer: subprocess.CompletedProcess) -> list[str]:
    """The command of the project that a script says is next, and its options."""
    program, *words = shlex.split(answer.stdout.splitlines()[-1].split(" is complete. Next: ")[1])
    assert program == "./dcgan"
    return words


# Downloads, with CIFAR-10 for an example


def test_a_download_that_breaks_off_goes_on_where_it_stopped_and_a_second_run_asks_for_nothing(cifar):
    cifar.server.put(CIFAR10, CONTENT, breaking_off(100_000), breaking_off(50_000))
    answer = cifar.run("get_cifar10.sh")
    assert answer.returncode == 0, answer.stderr
    assert cifar.server.ranges(CIFAR10) == [None, "bytes=100000-", "bytes=150000-"]
    assert cifar.there("cifar10") == {"cifar-10-binary.tar.gz": CONTENT}
    again = cifar.run("get_cifar10.sh")
    assert again.returncode == 0 and "there and whole" in again.stdout and len(cifar.server.asked) == 3


def test_a_download_that_gets_no_further_is_given_up_and_the_next_run_goes_on(cifar):
    cifar.server.put(CIFAR10, CONTENT, breaking_off(100_000), *[breaking_off(0)] * 5)
    answer = cifar.run("get_cifar10.sh")
    assert answer.returncode == 3 and "run this again later to go on" in last_line(answer)
    assert cifar.there("cifar10") == {"cifar-10-binary.tar.gz.part": CONTENT[:100_000]}
    assert len(cifar.server.asked) == 5
    cifar.server.put(CIFAR10, CONTENT)
    assert cifar.run("get_cifar10.sh").returncode == 0
    assert cifar.server.asked[-1].range == "bytes=100000-" and cifar.there("cifar10").popitem()[1] == CONTENT


def test_a_server_without_ranges_corrupts_nothing(cifar):
    cifar.server.put(CIFAR10, CONTENT, breaking_off(100_000), without_ranges, breaking_off(7), without_ranges)
    answer = cifar.run("get_cifar10.sh")
    assert answer.returncode == 0, answer.stderr
    assert cifar.there("cifar10") == {"cifar-10-binary.tar.gz": CONTENT}
    assert cifar.server.ranges(CIFAR10) == [None, "bytes=100000-", None, None]


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_passing_trouble_of_the_server_is_waited_for(cifar, status):
    cifar.server.put(CIFAR10, CONTENT, saying(status), saying(status))
    assert cifar.run("get_cifar10.sh").returncode == 0 and len(cifar.server.asked) == 3


def test_a_slow_server_is_waited_for(cifar):
    """Also for longer than it may be silent."""

    def in_slow_pieces(handler, content):
        handler.send(200, content, upto=0)
        for start in range(0, len(content), len(content) // 5):
            handler.wfile.write(content[start : start + len(content) // 5])
            time.sleep(0.5)

    cifar.server.put(CIFAR10, CONTENT, in_slow_pieces)
    assert cifar.run("get_cifar10.sh", DCGAN_PATIENCE="1").returncode == 0 and len(cifar.server.asked) == 1
    assert cifar.there("cifar10") == {"cifar-10-binary.tar.gz": CONTENT}


def test_a_silent_connection_is_given_up_and_the_download_goes_on(cifar):
    cifar.server.put(CIFAR10, CONTENT, falling_silent(200_000))
    assert cifar.run("get_cifar10.sh", DCGAN_PATIENCE="1").returncode == 0
    first, *others = cifar.server.ranges(CIFAR10)
    assert first is None and set(others) == {"bytes=200000-"}
    assert cifar.there("cifar10") == {"cifar-10-binary.tar.gz": CONTENT}


def test_a_file_that_is_gone_is_not_asked_for_again(cifar):
    cifar.server.put(CIFAR10, CONTENT, saying(404, OTHER))
    answer = cifar.run("get_cifar10.sh")
    assert answer.returncode == 3 and "404" in last_line(answer) and "--from FILE" in last_line(answer)
    assert len(cifar.server.asked) == 1 and not cifar.there("cifar10")


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_ends_with_the_exit_code_of_accounts(cifar, status):
    cifar.server.put(CIFAR10, CONTENT, saying(status, LOGIN))
    answer = cifar.run("get_cifar10.sh")
    assert answer.returncode == 6 and str(status) in last_line(answer) and len(cifar.server.asked) == 1


def test_without_a_server_the_download_fails_after_five_attempts(cifar):
    answer = cifar.run("get_cifar10.sh", DCGAN_MIRROR="http://127.0.0.1:9")
    assert answer.returncode == 3 and answer.stderr.count("next attempt") == 4


@pytest.mark.parametrize(("page", "code", "name"), [
    (QUOTA, 3, "Google Drive - Quota exceeded"),
    (LOGIN, 6, "Login | Kaggle"),
    (OTHER, 4, "We are moving…"),
])  # fmt: skip
def test_a_web_page_with_status_200_is_named_and_not_kept(cifar, page, code, name):
    cifar.server.put(CIFAR10, CONTENT, saying(200, page))
    answer = cifar.run("get_cifar10.sh")
    assert answer.returncode == code and f"a web page ({name})" in last_line(answer)
    assert "--from FILE" in last_line(answer) and not cifar.there("cifar10")


def test_a_web_page_does_not_cost_what_was_fetched_before(cifar):
    cifar.server.put(CIFAR10, CONTENT, breaking_off(100_000), *[saying(200, QUOTA)] * 2)
    answer = cifar.run("get_cifar10.sh")
    assert answer.returncode == 3 and "Quota exceeded" in last_line(answer)
    assert cifar.there("cifar10") == {"cifar-10-binary.tar.gz.part": CONTENT[:100_000]}


def test_another_file_than_the_published_one_is_refused_and_removed(cifar):
    cifar.server.put(CIFAR10, b"another file")
    answer = cifar.run("get_cifar10.sh")
    assert answer.returncode == 4 and hashlib.md5(b"another file").hexdigest() in last_line(answer)
    assert len(cifar.server.asked) == 1 and not cifar.there("cifar10")


def test_an_empty_answer_is_refused(cifar):
    cifar.server.put(CIFAR10, b"")
    assert cifar.run("get_cifar10.sh").returncode == 4 and not cifar.there("cifar10")


@pytest.mark.parametrize("left", [b"of another file", CONTENT[:-1] + b"?"], ids=["start", "whole"])
def test_a_wrong_start_from_an_earlier_run_costs_a_second_download_and_no_more(cifar, left):
    part = cifar.data / "cifar10" / "cifar-10-binary.tar.gz.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(left)
    answer = cifar.run("get_cifar10.sh")
    assert answer.returncode == 0 and "fetched once more" in last_line(answer)
    assert cifar.server.ranges(CIFAR10) == [f"bytes={len(left)}-", None]
    assert cifar.there("cifar10") == {"cifar-10-binary.tar.gz": CONTENT}


def test_a_download_that_was_complete_is_only_checked_and_renamed(cifar):
    part = cifar.data / "cifar10" / "cifar-10-binary.tar.gz.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT)
    assert cifar.run("get_cifar10.sh").returncode == 0
    assert cifar.server.ranges(CIFAR10) == [f"bytes={len(CONTENT)}-"]
    assert cifar.there("cifar10") == {"cifar-10-binary.tar.gz": CONTENT}


def test_a_damaged_file_in_the_cache_is_named_removed_and_fetched_anew(cifar):
    archive = cifar.data / "cifar10" / "cifar-10-binary.tar.gz"
    archive.parent.mkdir(parents=True)
    archive.write_bytes(CONTENT[:-1] + b"?")
    answer = cifar.run("get_cifar10.sh")
    assert answer.returncode == 0 and f"{archive} is not the published file" in last_line(answer)
    assert archive.read_bytes() == CONTENT and cifar.server.ranges(CIFAR10) == [None]


@pytest.mark.parametrize(("deed", "code"), [("kill -9 $$", 137), ("exit 1", 1), ("exit 127", 127)])
def test_a_check_that_comes_to_no_answer_leaves_the_file_as_it_is(cifar, deed, code):
    archive = cifar.data / "cifar10" / "cifar-10-binary.tar.gz"
    archive.parent.mkdir(parents=True)
    archive.write_bytes(CONTENT)
    answer = cifar.run("get_cifar10.sh", DCGAN_PYTHON=cifar.failing_python("md5", deed))
    assert answer.returncode == 7 and f"{archive} could not be checked: " in last_line(answer), answer.stderr
    assert f"ended with code {code}; it is left as it is" in last_line(answer)
    assert cifar.there("cifar10") == {archive.name: CONTENT} and not cifar.server.asked
    assert cifar.run("get_cifar10.sh").returncode == 0 and not cifar.server.asked


def test_a_file_on_a_disk_that_fails_is_left_as_it_is(cifar):
    archive = cifar.data / "cifar10" / "cifar-10-binary.tar.gz"
    archive.parent.mkdir(parents=True)
    archive.symlink_to(UNREADABLE)
    answer = cifar.run("get_cifar10.sh")
    assert answer.returncode == 7 and answer.stderr.count("\n") == 1
    assert f"{archive} could not be checked: [Errno 5]" in answer.stderr
    assert archive.is_symlink() and not cifar.server.asked


def test_what_came_is_kept_when_its_check_fails_and_is_not_fetched_again(cifar):
    answer = cifar.run("get_cifar10.sh", DCGAN_PYTHON=cifar.failing_python("md5", "kill -9 $$"))
    assert answer.returncode == 7 and "tar.gz.part could not be checked" in last_line(answer)
    assert cifar.there("cifar10") == {"cifar-10-binary.tar.gz.part": CONTENT}
    assert cifar.run("get_cifar10.sh").returncode == 0
    assert cifar.server.ranges(CIFAR10) == [None, f"bytes={len(CONTENT)}-"]


def test_a_file_given_by_hand_is_not_called_wrong_when_its_check_fails(cifar):
    mine = cifar.folder / "mine.tgz"
    mine.write_bytes(CONTENT)
    answer = cifar.run("get_cifar10.sh", "--from", mine, DCGAN_PYTHON=cifar.failing_python("md5", "kill -9 $$"))
    assert answer.returncode == 7 and "could not be checked" in last_line(answer) and mine.read_bytes() == CONTENT


def test_a_second_run_at_once_is_refused_and_one_that_was_killed_stops_nobody(cifar):
    cifar.server.put(CIFAR10, CONTENT, falling_silent(100_000))
    home = cifar.data / "cifar10"
    with cifar.start("get_cifar10.sh") as first:
        until = time.monotonic() + 60
        while not (home / "cifar-10-binary.tar.gz.part").exists() and time.monotonic() < until:
            time.sleep(0.05)
        second = cifar.run("get_cifar10.sh")
        os.killpg(first.pid, signal.SIGKILL)
    assert second.returncode == 2 and second.stderr.count("\n") == 1, second.stderr
    assert f"another run is at work in {home}; wait until" in second.stderr
    assert len(cifar.server.asked) == 1 and (home / ".fetching").exists()
    assert cifar.run("get_cifar10.sh").returncode == 0
    assert cifar.there("cifar10") == {"cifar-10-binary.tar.gz": CONTENT}


def test_what_a_run_that_was_stopped_still_fetches_is_not_fetched_beside_it(cifar):
    """The shell alone is stopped: its curl goes on, and would write into the same file."""
    cifar.server.put(CIFAR10, CONTENT, falling_silent(100_000))
    with cifar.start("get_cifar10.sh") as first:
        until = time.monotonic() + 60
        while not (cifar.data / "cifar10" / "cifar-10-binary.tar.gz.part").exists() and time.monotonic() < until:
            time.sleep(0.05)
        first.terminate()
        assert first.wait() not in (0, None)
        second = cifar.run("get_cifar10.sh")
        os.killpg(first.pid, signal.SIGKILL)
    assert second.returncode == 2 and "another run is at work" in second.stderr and len(cifar.server.asked) == 1
    assert cifar.run("get_cifar10.sh").returncode == 0


def test_without_enough_space_nothing_is_asked_for(cifar):
    cifar.change("get_cifar10.sh", "170052171", str(10**18))
    answer = cifar.run("get_cifar10.sh")
    assert answer.returncode == 5 and "953674316407 MiB" in last_line(answer) and not cifar.server.asked


def test_a_file_fetched_by_hand_is_checked_taken_and_left_where_it_is(cifar):
    mine = cifar.folder / "from my browser.tgz"
    mine.write_bytes(b"another")
    answer = cifar.run("get_cifar10.sh", "--from", mine)
    assert answer.returncode == 4 and str(mine) in last_line(answer) and not cifar.there("cifar10")
    mine.write_bytes(CONTENT)
    assert cifar.run("get_cifar10.sh", "--from", mine).returncode == 0
    assert cifar.there("cifar10") == {"cifar-10-binary.tar.gz": CONTENT} and mine.read_bytes() == CONTENT
    assert not cifar.server.asked


@pytest.mark.parametrize(("mine", "code", "reason"), [
    ("unreadable", 7, "mine.tgz could not be copied: [Errno 5] Input/output error; it is left as it is. Mend"),
    ("too large", 5, "mine.tgz is too large for the disk (full)."),
    ("another", 4, "mine.tgz is not the published file"),
])  # fmt: skip
def test_a_file_given_by_hand_that_cannot_be_taken_costs_nothing_of_what_was_fetched_before(cifar, mine, code, reason):
    part, given, python = cifar.data / "cifar10" / "cifar-10-binary.tar.gz.part", cifar.folder / "mine.tgz", {}
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT[:100_000])
    if mine == "unreadable":
        given.symlink_to(UNREADABLE)
    else:
        given.write_bytes(b"another file")
    if mine == "too large":
        deed = "{ echo 'too large for the disk (full)'; exit 5; }"
        python = {"DCGAN_PYTHON": cifar.failing_python("copy", deed)}
    answer = cifar.run("get_cifar10.sh", "--from", given, **python)
    assert answer.returncode == code and reason in answer.stderr and answer.stderr.count("\n") == 1, answer.stderr
    assert cifar.there("cifar10") == {part.name: CONTENT[:100_000]}
    assert cifar.run("get_cifar10.sh").returncode == 0
    assert cifar.server.ranges(CIFAR10) == ["bytes=100000-"]


def test_of_a_copy_that_fails_nothing_is_left_and_a_full_disk_is_told(tmp_path, monkeypatch, capsys):
    def fill(file, to):
        to.write_bytes(b"some of it")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(unpack.shutil, "copyfile", fill)
    assert unpack.main("copy", str(tmp_path / "mine"), str(tmp_path / "copy")) == 5
    assert capsys.readouterr().out.startswith("too large for the disk") and not list(tmp_path.iterdir())


def test_a_file_given_by_hand_takes_the_place_of_what_was_fetched_before(cifar):
    part, mine = cifar.data / "cifar10" / "cifar-10-binary.tar.gz.part", cifar.folder / "mine.tgz"
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT[:100_000])
    mine.write_bytes(CONTENT)
    assert cifar.run("get_cifar10.sh", "--from", mine).returncode == 0
    assert cifar.there("cifar10") == {"cifar-10-binary.tar.gz": CONTENT} and mine.exists()


def test_options_take_the_place_of_the_environment(cifar):
    assert cifar.run("get_cifar10.sh", "--data-dir", cifar.folder / "else where").returncode == 0
    assert (cifar.folder / "else where" / "cifar10" / "cifar-10-binary.tar.gz").exists() and not cifar.data.exists()


@pytest.mark.parametrize(("script", "options", "reason"), [
    ("get_cifar10.sh", ["--frm", "x"], "--frm"),
    ("get_cifar10.sh", ["x"], "'x'"),
    ("get_cifar10.sh", ["--"], "'--'"),
    ("get_cifar10.sh", ["--from"], "needs a value"),
    ("get_cifar10.sh", ["--data-dir", ""], "needs a value"),
    ("get_cifar10.sh", ["--from", "missing"], "no file missing"),
    ("get_cifar10.sh", ["--extra"], "--extra"),
    ("get_cifar10.sh", ["--data-dir", "/proc/nowhere"], "/proc/nowhere/cifar10"),
    ("get_svhn.sh", ["--from", "pyproject.toml"], "train_32x32.mat or test_32x32.mat or extra_32x32.mat"),
    ("get_celeba.sh", ["--source", "dropbox"], "drive or kaggle"),
    ("get_lsun_bedroom.sh", ["--split", "val", "--source", "kaggle"], "no splits"),
    ("get.sh", [], "--list"),
    ("get.sh", ["mnist"], "'mnist'"),
    ("get.sh", ["../data_scripts/cifar10"], "--list"),
])  # fmt: skip
def test_wrong_options_are_refused_with_code_2_and_one_sentence(script, options, reason):
    environment = os.environ | {"DCGAN_PYTHON": sys.executable, "DCGAN_MIRROR": "http://127.0.0.1:9"}
    answer = subprocess.run(
        ["bash", SCRIPTS / script, *options], cwd=PROJECT, env=environment, capture_output=True, text=True
    )
    assert answer.returncode == 2 and answer.stderr.count("\n") == 1 and reason in answer.stderr, answer.stderr


@pytest.mark.parametrize(("script", "options", "given", "taken"), [
    ("get_celeba.sh", ["--source", "kaggle"], ["img_align_celeba.zip"], "archive.zip"),
    ("get_celeba.sh", ["--source", "drive"], ["archive.zip"],
     "list_attr_celeba.txt and one as list_eval_partition.txt and one as img_align_celeba.zip"),
    ("get_celeba.sh", [], ["archive.zip", "list_attr_celeba.txt"], "archive.zip"),
    ("get_lsun_bedroom.sh", ["--source", "official"], ["archive.zip"], "bedroom_val_lmdb.zip"),
    ("get_lsun_bedroom.sh", ["--source", "kaggle"], ["bedroom_train_lmdb.zip"], "archive.zip"),
    ("get_lsun_bedroom.sh", ["--split", "val"], ["bedroom_train_lmdb.zip"], "bedroom_val_lmdb.zip"),
    ("get_lsun_bedroom.sh", [], ["bedroom_train_lmdb.zip", "bedroom_val_lmdb.zip"], "bedroom_train_lmdb.zip"),
    ("get_svhn.sh", [], ["extra_32x32.mat"], "train_32x32.mat and one as test_32x32.mat"),
    ("get_anime.sh", [], ["mine.zip", "mine too.zip"], "archive.zip"),
])  # fmt: skip
def test_a_file_of_ones_own_that_would_not_be_used_is_refused(world, script, options, given, taken):
    for name in given:
        (world.folder / name).write_bytes(b"mine")
    answer = world.run(script, *options, *[part for name in given for part in ("--from", world.folder / name)])
    assert answer.returncode == 2 and answer.stderr.count("\n") == 1, answer.stderr
    assert f"would not be used: with these options one file is taken as {taken}; see --help." in answer.stderr
    assert not world.server.asked and {path.name for path in world.data.rglob("*") if path.is_file()} <= {".fetching"}


def test_the_sample_of_bedrooms_has_no_splits_also_where_its_archive_says_that_it_is_meant(world):
    (world.folder / "archive.zip").write_bytes(b"mine")
    answer = world.run("get_lsun_bedroom.sh", "--split", "val", "--from", world.folder / "archive.zip")
    assert answer.returncode == 2 and answer.stderr.count("\n") == 1 and "has no splits" in answer.stderr


def test_without_a_python_that_can_check_nothing_is_fetched(cifar):
    answer = cifar.run("get_cifar10.sh", DCGAN_PYTHON="no-such-python")
    assert answer.returncode == 2 and "Python 3.10" in last_line(answer) and not cifar.server.asked


# One dataset after the other


def test_cifar10_arrives_as_its_reader_wants_it(world, monkeypatch):
    monkeypatch.setattr(Cifar10, "RECORDS", 2)
    images = noise(12)
    archive = genuine.write_cifar10(world.folder / "made", images, np.arange(12) % 10).read_bytes()
    world.publish("get_cifar10.sh", archive)
    world.server.put(CIFAR10, archive)
    assert world.run("get_cifar10.sh").returncode == 0
    assert (world.read("cifar10").images == images[:10]).all()


def test_svhn_is_three_files_of_which_extra_comes_only_when_asked_for(world):
    images, digits = noise(6), np.arange(6)
    parts = {"train": slice(0, 3), "test": slice(3, 5), "extra": slice(5, 6)}
    for split, part in parts.items():
        genuine.write_svhn(world.folder / "made", images[part], digits[part], split)
    files = {f"{split}_32x32.mat": (world.folder / "made" / f"{split}_32x32.mat").read_bytes() for split in parts}
    world.publish("get_svhn.sh", *files.values())
    for name, content in files.items():
        world.server.put(f"/housenumbers/{name}", content)
    answer = world.run("get_svhn.sh")
    assert answer.returncode == 0 and "non-commercial" in answer.stdout.splitlines()[0]
    assert world.there("svhn") == {name: files[name] for name in ("test_32x32.mat", "train_32x32.mat")}
    train = world.read("svhn")
    assert (train.images == images[:3]).all() and list(train.labels) == [0, 1, 2]
    assert world.run("get_svhn.sh", "--extra").returncode == 0
    assert (world.read("svhn", split="extra").images == images[5:]).all() and len(world.server.asked) == 3


def test_files_fetched_by_hand_are_known_by_their_names_and_the_others_are_fetched(world):
    train, test = b"MATLAB 5.0 train", b"MATLAB 5.0 test"
    world.publish("get_svhn.sh", train, test)
    world.server.put("/housenumbers/train_32x32.mat", train)
    (world.folder / "test_32x32.mat").write_bytes(test)
    assert world.run("get_svhn.sh", "--from", world.folder / "test_32x32.mat").returncode == 0
    assert world.there("svhn") == {"test_32x32.mat": test, "train_32x32.mat": train}
    assert [asked.path for asked in world.server.asked] == ["/housenumbers/train_32x32.mat"]


DRIVE = "/download?id={}&export=download&confirm=t"
CELEBA_IDS = {
    "list_attr_celeba.txt": "0B7EVK8r0v71pblRyaVFSWGxPY0U",
    "list_eval_partition.txt": "0B7EVK8r0v71pY0NSMzRuSXJEVkk",
    "img_align_celeba.zip": "0B7EVK8r0v71pZjFTYXZWM3FlRnM",
}


def make_celeba(world: World, form: str) -> np.ndarray:
    """Three genuine pictures in `made/`, one of each split; gives their attributes."""
    attributes = np.random.default_rng(1).integers(0, 2, (3, 40), np.uint8)
    pictures = [genuine.encoded(np.full((218, 178, 3), shade, np.uint8)) for shade in (50, 100, 200)]
    genuine.write_celeba(world.folder / "made", pictures, [0, 1, 2], attributes, form)
    return attributes


def test_celeba_comes_from_google_drive_past_its_confirm_page(world):
    attributes = make_celeba(world, "zip")
    contents = {name: (world.folder / "made" / name).read_bytes() for name in CELEBA_IDS}
    world.publish("get_celeba.sh", *contents.values())
    for name, content in contents.items():
        world.server.put(DRIVE.format(CELEBA_IDS[name]), content)
    answer = world.run("get_celeba.sh")
    assert answer.returncode == 0 and "non-commercial research only" in answer.stdout.splitlines()[0]
    assert world.there("celeba") == contents
    test = world.read("celeba", split="test")
    assert (test.attributes == attributes[2:]).all() and abs(test.images.astype(int) - 200).max() < 3


def test_when_google_drive_refuses_celeba_the_second_source_is_offered(world):
    world.server.put(DRIVE.format(CELEBA_IDS["list_attr_celeba.txt"]), b"", saying(200, QUOTA))
    answer = world.run("get_celeba.sh")
    assert answer.returncode == 3 and "quota" in last_line(answer) and "--source kaggle" in last_line(answer)


@pytest.mark.parametrize("end", ["", "\n", "\r\n"], ids=["no end of line", "Unix", "Windows"])
@pytest.mark.parametrize("where", ["key", "token", "kaggle.json", "access_token"])
def test_celeba_comes_from_kaggle_with_a_token_that_nobody_sees(world, where, end):
    attributes, address = make_celeba(world, "kaggle"), f"{KAGGLE}/jessicali9530/celeba-dataset"
    archive = (world.folder / "made" / "archive.zip").read_bytes()
    world.change("get_celeba.sh", "=202599", "=3")
    environment, home = {}, world.folder / "home" / ".kaggle"
    home.mkdir(parents=True)
    if where == "key":
        rest = end.rstrip("\n")  # what a shell leaves of it
        environment = {"KAGGLE_USERNAME": f"student{rest}", "KAGGLE_KEY": f"0123abcd{rest}"}
    elif where == "token":
        environment = {"KAGGLE_API_TOKEN": "KGAT_0123abcd" + end.rstrip("\n")}
    elif where == "kaggle.json":
        account = json.dumps({"username": "student", "key": "0123abcd"}, indent=2).replace("\n", end) + end
        (home / where).write_bytes(account.encode("utf-8-sig" if end == "\r\n" else "utf-8"))
    else:
        (home / where).write_bytes(f"KGAT_0123abcd{end}".encode())
    with MisbehavingServer() as storage:  # where Kaggle keeps its archives: another host
        storage.put("/archive.zip", archive)
        world.server.put(address, b"", sending_on(f"{storage.url}/archive.zip"))
        answer = world.run("get_celeba.sh", "--source", "kaggle", **environment)
        assert answer.returncode == 0, answer.stderr
        assert [asked.authorization for asked in storage.asked] == [None]
    basic = "Basic c3R1ZGVudDowMTIzYWJjZA=="  # base64 of student:0123abcd
    expected = basic if where in ("key", "kaggle.json") else "Bearer KGAT_0123abcd"
    assert [asked.authorization for asked in world.server.asked] == [expected]
    assert b"curl" in world.server.command_lines and b"0123abcd" not in world.server.command_lines
    assert "0123abcd" not in answer.stdout + answer.stderr and world.there("celeba") == {"archive.zip": archive}
    assert world.run("get_celeba.sh").returncode == 0 and len(world.server.asked) == 1  # it knows what it has
    assert (world.read("celeba", split="valid").attributes == attributes[1:2]).all()


def test_without_a_token_kaggle_is_not_asked_and_the_way_to_one_is_told(world):
    for script, option in [("get_celeba.sh", "kaggle"), ("get_lsun_bedroom.sh", "kaggle"), ("get_anime.sh", "splcher")]:
        answer = world.run(script, "--source", option, KAGGLE_USERNAME="student")
        assert answer.returncode == 6 and "https://www.kaggle.com/settings/api" in last_line(answer)
    assert not world.server.asked


@pytest.mark.parametrize(("where", "content", "words"), [
    ("access_token", "KGAT_sEc ReT\n", "holds more than letters, digits and the signs _ . -; copy it anew"),
    ("KAGGLE_API_TOKEN", '"KGAT_sEcReT"', "holds more than letters"),
    ("KAGGLE_KEY", "sEc ReT", "holds more than letters"),
    ("kaggle.json", '{"username": "student", "key": "sEc ReT"}', "holds more than letters"),
    ("kaggle.json", '{"username": "student"}', "kaggle.json holds no username and key"),
    ("kaggle.json", "KGAT_sEcReT", "kaggle.json holds no username and key"),
])  # fmt: skip
def test_a_token_that_cannot_be_one_is_not_called_none(world, where, content, words):
    home, environment = world.folder / "home" / ".kaggle", {"KAGGLE_USERNAME": "student"}
    home.mkdir(parents=True)
    if where.isupper():
        environment[where] = content
    else:
        (home / where).write_text(content)
    answer = world.run("get_anime.sh", **environment)
    assert answer.returncode == 6 and answer.stderr.count("\n") == 1 and words in answer.stderr, answer.stderr
    assert "ReT" not in answer.stdout + answer.stderr and not world.server.asked


@pytest.mark.parametrize(("harm", "reason"), [
    ("a picture less", "2 files"), ("no table", "0 files"), ("a damaged picture", "CRC"), ("cut short", "no zip"),
    ("a web page", "a web page (Login | Kaggle)"),
])  # fmt: skip
def test_an_archive_without_published_checksum_is_counted_and_read(world, harm, reason):
    world.change("get_celeba.sh", "=202599", "=3")
    pictures = {f"img_align_celeba/img_align_celeba/{number:06d}.jpg": os.urandom(999) for number in (1, 2, 3)}
    tables = dict.fromkeys(("list_attr_celeba.csv", "list_eval_partition.csv"), b"image_id")
    last = pictures["img_align_celeba/img_align_celeba/000003.jpg"]
    archive = {
        "a picture less": lambda: zipped(dict(list(pictures.items())[:2]) | tables),
        "no table": lambda: zipped(pictures | {"list_attr_celeba.csv": b"image_id"}),
        "a damaged picture": lambda: zipped(pictures | tables).replace(last, bytes(999)),
        "cut short": lambda: zipped(pictures | tables)[:-100],
        "a web page": lambda: LOGIN.encode(),
    }[harm]()
    (world.folder / "archive.zip").write_bytes(archive)
    answer = world.run("get_celeba.sh", "--from", world.folder / "archive.zip")
    assert answer.returncode == 4 and reason in last_line(answer) and not world.there("celeba")


@pytest.fixture
def bedrooms(world):
    """A world with the validation database of LSUN, three grey pictures, as the archive that it comes in."""
    world.pictures = {digit * 40: genuine.encoded(np.full((256, 300, 3), 70, np.uint8), "webp") for digit in "abc"}
    folder = genuine.write_lsun(world.folder / "made", world.pictures, "val")
    world.database = (folder / "data.mdb").read_bytes()
    files = {f"{folder.name}/{name}": (folder / name).read_bytes() for name in ("data.mdb", "lock.mdb")}
    archive = zipped({f"{folder.name}/": b""} | files)
    world.publish("get_lsun_bedroom.sh", b"the training set", archive)
    world.server.put("/lsun/scenes/bedroom_val_lmdb.zip", archive)
    return world


def test_lsun_is_unpacked_to_a_database_that_can_be_read_and_a_second_run_asks_for_nothing(bedrooms):
    answer = bedrooms.run("get_lsun_bedroom.sh")
    assert answer.returncode == 0, answer.stderr
    noted = f"{hashlib.sha256(bedrooms.database).hexdigest()}  data.mdb\n".encode()
    assert bedrooms.there("lsun_bedroom") == {
        "bedroom_val_lmdb.sha256": noted,
        "bedroom_val_lmdb/data.mdb": bedrooms.database,
    }
    dataset = bedrooms.read("lsun_bedroom", size=64, split="val")
    assert len(dataset) == 3 and abs(dataset.images.astype(int) - 70).max() < 3
    assert bedrooms.run("get_lsun_bedroom.sh").returncode == 0 and len(bedrooms.server.asked) == 1


def test_the_bedrooms_for_validation_are_shown_by_the_command_that_is_next(bedrooms, monkeypatch, capsys):
    monkeypatch.setattr("utils.data.statistics.draw", lambda *_: [])  # it takes a while
    answer = bedrooms.run("get_lsun_bedroom.sh", "--data-dir", bedrooms.data)
    assert cli.main(next_of(answer)) == 0
    assert "LSUN bedrooms val: 3 images of 32x32, 0 skipped" in capsys.readouterr().out


def test_a_damaged_unpacked_file_is_named_and_comes_anew_and_other_files_stay(bedrooms):
    bedrooms.run("get_lsun_bedroom.sh")
    folder = bedrooms.data / "lsun_bedroom" / "bedroom_val_lmdb"
    (folder / "data.mdb").write_bytes(b"damaged")
    (folder / "lock.mdb").write_bytes(b"of a reader")
    answer = bedrooms.run("get_lsun_bedroom.sh")
    assert answer.returncode == 0 and "1 of 1 files" in answer.stderr and "data.mdb" in answer.stderr
    assert (folder / "data.mdb").read_bytes() == bedrooms.database
    assert (folder / "lock.mdb").read_bytes() == b"of a reader" and len(bedrooms.server.asked) == 2


def test_unpacked_files_on_a_disk_that_fails_are_not_fetched_again(bedrooms):
    bedrooms.run("get_lsun_bedroom.sh")
    folder = bedrooms.data / "lsun_bedroom" / "bedroom_val_lmdb"
    (folder / "data.mdb").unlink()
    (folder / "data.mdb").symlink_to(UNREADABLE)
    answer = bedrooms.run("get_lsun_bedroom.sh")
    assert answer.returncode == 7 and f"{folder} could not be checked: [Errno 5]" in last_line(answer)
    assert len(bedrooms.server.asked) == 1 and (folder / "data.mdb").is_symlink()


def test_an_archive_stays_when_unpacking_it_is_killed(bedrooms):
    answer = bedrooms.run("get_lsun_bedroom.sh", DCGAN_PYTHON=bedrooms.failing_python("unpack", "kill -9 $$"))
    assert answer.returncode == 7 and "bedroom_val_lmdb.zip could not be unpacked: " in last_line(answer)
    assert list(bedrooms.there("lsun_bedroom")) == ["bedroom_val_lmdb.zip"]
    assert bedrooms.run("get_lsun_bedroom.sh").returncode == 0 and len(bedrooms.server.asked) == 1


@pytest.mark.parametrize("notes", [b"", b"\0" * 77, b"\xff\n"], ids=["empty", "zeros", "noise"])
def test_damaged_notes_say_nothing_and_the_files_come_anew(bedrooms, notes):
    bedrooms.run("get_lsun_bedroom.sh")
    path = bedrooms.data / "lsun_bedroom" / "bedroom_val_lmdb.sha256"
    good = path.read_bytes()
    path.write_bytes(notes)
    answer = bedrooms.run("get_lsun_bedroom.sh")
    assert answer.returncode == 0 and f"{path} is damaged; it is fetched anew" in answer.stderr, answer.stderr
    assert path.read_bytes() == good and len(bedrooms.server.asked) == 2


def test_a_folder_that_somebody_else_has_made_is_left_alone(bedrooms):
    folder = bedrooms.data / "lsun_bedroom" / "bedroom_val_lmdb"
    folder.mkdir(parents=True)
    (folder / "data.mdb").write_bytes(b"mine")
    answer = bedrooms.run("get_lsun_bedroom.sh")
    assert answer.returncode == 4 and "move it away" in last_line(answer)
    assert bedrooms.there("lsun_bedroom") == {"bedroom_val_lmdb/data.mdb": b"mine"} and not bedrooms.server.asked


def test_lsun_training_is_another_archive_and_known_by_its_name(bedrooms):
    bedrooms.change("get_lsun_bedroom.sh", "space=107374182400", "space=1")
    assert bedrooms.run("get_lsun_bedroom.sh", "--split", "train").returncode == 3
    assert bedrooms.server.asked[0].path == "/lsun/scenes/bedroom_train_lmdb.zip"
    (bedrooms.folder / "bedroom_train_lmdb.zip").write_bytes(b"not the training set")
    answer = bedrooms.run("get_lsun_bedroom.sh", "--from", bedrooms.folder / "bedroom_train_lmdb.zip")
    assert answer.returncode == 4 and hashlib.sha256(b"the training set").hexdigest() in last_line(answer)


def test_of_the_sample_on_kaggle_only_the_pictures_below_data0_count(bedrooms):
    bedrooms.change("get_lsun_bedroom.sh", "=303125", "=3")
    archive = genuine.write_lsun_sample(bedrooms.folder / "made", bedrooms.pictures, zipped=True)
    assert len(zipfile.ZipFile(archive).namelist()) == 4
    assert bedrooms.run("get_lsun_bedroom.sh", "--from", archive).returncode == 0
    assert bedrooms.there("lsun_bedroom") == {"archive.zip": archive.read_bytes()}
    assert len(bedrooms.read("lsun_bedroom", size=64)) == 3


def test_anime_faces_are_unpacked_once_from_an_archive_that_holds_them_twice(world):
    world.change("get_anime.sh", "=21551", "=2")
    images = noise(2, 64)
    faces = {f"{number}.png": genuine.encoded(image, "png") for number, image in enumerate(images, start=1)}
    archive = zipped({f"{folder}/{name}": face for folder in ("data", "data/data") for name, face in faces.items()})
    world.server.put(f"{KAGGLE}/soumikrakshit/anime-faces", archive)
    answer = world.run("get_anime.sh", "--source", "soumikrakshit", KAGGLE_API_TOKEN="KGAT_1")
    assert answer.returncode == 0 and "education only" in answer.stdout.splitlines()[0]
    there = world.there("anime")
    assert sorted(there) == ["anime-faces.sha256", "images/1.png", "images/2.png"]
    assert {name: there[f"images/{name}"] for name in faces} == faces
    read = world.read("anime", size=64).images  # in the order of the hashes of their names
    assert {image.tobytes() for image in read} == {image.tobytes() for image in images} and len(read) == 2
    again = world.run("get_anime.sh", "--source", "soumikrakshit")  # needs no token
    assert again.returncode == 0 and len(world.server.asked) == 1
    other = world.run("get_anime.sh", "--source", "splcher", KAGGLE_API_TOKEN="KGAT_1")
    assert other.returncode == 4 and "move it away" in last_line(other) and world.there("anime") == there


def test_pictures_of_two_sources_never_mix_however_often_the_source_is_changed(world):
    world.change("get_anime.sh", "=63000-64000", "=1")
    world.change("get_anime.sh", "=21551", "=1")
    pictures = {"splcher": "images/1_2001.jpg", "soumikrakshit": "data/1.png"}
    for (source, picture), name in zip(pictures.items(), ("animefacedataset", "anime-faces")):
        world.server.put(f"{KAGGLE}/{source}/{name}", zipped({picture: source.encode()}))
    for turn, source in enumerate(["splcher", "soumikrakshit", "splcher"]):
        (other,) = pictures.keys() - {source}
        for _ in range(2):
            answer = world.run("get_anime.sh", "--source", source, KAGGLE_API_TOKEN="KGAT_1")
            assert answer.returncode == 0, answer.stderr
            there = world.there("anime")
            assert [content for name, content in there.items() if name.startswith("images/")] == [source.encode()]
            refused = world.run("get_anime.sh", "--source", other, KAGGLE_API_TOKEN="KGAT_1")
            assert refused.returncode == 4 and "move it away" in last_line(refused) and world.there("anime") == there
        (world.data / "anime" / "images").rename(world.folder / f"moved away {turn}")


@pytest.mark.parametrize(("count", "code"), [(2, 4), (3, 0), (4, 0), (5, 4)])
def test_a_count_that_could_not_be_confirmed_has_two_bounds(world, count, code):
    world.change("get_anime.sh", "=63000-64000", "=3-4")
    (world.folder / "mine.zip").write_bytes(zipped({f"images/{number}_2001.jpg": b"face" for number in range(count)}))
    answer = world.run("get_anime.sh", "--from", world.folder / "mine.zip")
    assert answer.returncode == code and len(world.there("anime")) == (0 if code else count + 1)


@pytest.fixture
def imagenet(world):
    """A world with both archives of ImageNet 32x32, one of them with its files in a folder."""
    made, world.images = world.folder / "made", noise(12)
    genuine.write_imagenet32(made, world.images[:10], np.arange(10))
    genuine.write_imagenet32(made, world.images[10:], np.array([0, 999]), "val")
    world.files = {path.name: path.read_bytes() for path in made.iterdir()}
    train = {name: content for name, content in world.files.items() if name != "val_data.npz"}
    world.archives = {
        "Imagenet32_val_npz.zip": zipped({"Imagenet32_val_npz/val_data.npz": world.files["val_data.npz"]}),
        "Imagenet32_train_npz.zip": zipped(train),
    }
    world.publish("get_imagenet32.sh", *world.archives.values())
    for name, archive in world.archives.items():
        world.server.put(f"/data/downsample/{name}", archive)
        (world.folder / name).write_bytes(archive)
    return world


def test_imagenet_is_not_asked_for_before_its_terms_are_accepted(imagenet):
    answer = imagenet.run("get_imagenet32.sh")
    assert answer.returncode == 6 and "https://image-net.org/download-images" in last_line(answer)
    assert not imagenet.server.asked and not imagenet.there("imagenet32")
    assert imagenet.run("get_imagenet32.sh", "--accept-terms").returncode == 0
    assert len(imagenet.server.asked) == 2


def test_imagenet_is_unpacked_from_files_fetched_by_hand(imagenet):
    given = [part for name in imagenet.archives for part in ("--from", imagenet.folder / name)]
    answer = imagenet.run("get_imagenet32.sh", *given)
    assert answer.returncode == 0, answer.stderr
    there = imagenet.there("imagenet32")
    assert imagenet.files.items() <= there.items()
    assert there.keys() - imagenet.files.keys() == {"Imagenet32_train_npz.sha256", "Imagenet32_val_npz.sha256"}
    assert (imagenet.read("imagenet32").images == imagenet.images[:10]).all()
    assert list(imagenet.read("imagenet32", split="val").labels) == [0, 999]
    assert imagenet.run("get_imagenet32.sh").returncode == 0 and not imagenet.server.asked


def test_the_papers_networks_arrive_as_arrays_that_make_networks_and_a_changed_number_is_refused(world):
    made = world.folder / "made"
    arrays = genuine.write_paper_weights(made, width=1 / 32)
    world.publish("get_paper_weights.sh", *(array.tobytes() for array in arrays.values()))
    files = {file.name: file.read_bytes() for file in sorted(made.iterdir())}
    address = re.search(
        "^source=https://[^/]+(.+)$", (world.scripts / "get_paper_weights.sh").read_text(), re.MULTILINE
    )
    folder = "models/svhn_unsup_all_conv_dcgan_100z_gaussian_lr_0.0005_64mb"
    for name, content in files.items():
        world.server.put(f"{address[1]}/{folder}/{name}", content)
    answer = world.run("get_paper_weights.sh")
    assert answer.returncode == 0 and "MIT licence" in answer.stdout.splitlines()[0], answer.stderr
    assert world.there("paper_weights") == files and "import-paper" in answer.stdout.splitlines()[-1]
    generator, _ = read_networks(world.data / "paper_weights", replace(preset("paper_svhn"), width=1 / 32))
    assert generator.output_shape == (None, 32, 32, 3)
    path = world.data / "paper_weights" / "200_gen_params.jl_10.npy"
    path.write_bytes(files[path.name][:-1] + b"?")
    published = hashlib.sha256(arrays["gen_10"].tobytes()).hexdigest()
    checked = subprocess.run([sys.executable, SCRIPTS / "unpack.py", "values", path, published], capture_output=True)
    assert checked.returncode == 4 and checked.stdout.startswith(b"not the published array (the sha256 of its numbers")


def test_get_hands_over_by_name_and_lists_every_script(cifar):
    assert cifar.run("get.sh", "cifar10").returncode == 0
    assert cifar.there("cifar10") == {"cifar-10-binary.tar.gz": CONTENT}
    listed = cifar.run("get.sh", "--list").stdout.splitlines()
    datasets = ["anime", "celeba", "cifar10", "imagenet32", "lsun_bedroom", "paper_weights", "svhn"]
    assert [line.split()[0] for line in listed] == datasets
    assert all(line.rstrip().endswith(".") and len(line) <= 120 for line in listed)
    assert cifar.run("get.sh", "svhn", "--help").stdout == cifar.run("get_svhn.sh", "--help").stdout


# What is next


@pytest.fixture
def offline(world):
    """A world whose scripts fetch nothing and leave empty files and folders where each would leave its own."""
    with (world.scripts / "lib.sh").open("a") as library:
        library.write(
            'obtain() { touch -- "$folder/$1"; }\n'
            'was_unpacked() { mkdir -p -- "$2" && touch -- "$2"/{train_data_batch_1,val_data}.npz; }\n'
        )
    return world


@pytest.mark.parametrize("place", [None, "else where"])
@pytest.mark.parametrize(("script", "options"), [
    ("get_anime.sh", "--source splcher"), ("get_anime.sh", "--source soumikrakshit"),
    ("get_celeba.sh", "--source drive"), ("get_celeba.sh", "--source kaggle"), ("get_cifar10.sh", ""),
    ("get_imagenet32.sh", ""), ("get_lsun_bedroom.sh", ""), ("get_lsun_bedroom.sh", "--split val"),
    ("get_lsun_bedroom.sh", "--split train"), ("get_lsun_bedroom.sh", "--source kaggle"), ("get_paper_weights.sh", ""),
    ("get_svhn.sh", ""), ("get_svhn.sh", "--extra"),
])  # fmt: skip
def test_the_command_that_is_next_reads_what_was_fetched(offline, monkeypatch, script, options, place):
    monkeypatch.chdir(offline.folder)
    answer = offline.run(script, *options.split(), *(["--data-dir", place] if place else []))
    assert answer.returncode == 0, answer.stderr
    monkeypatch.chdir(offline.scripts)  # the next command may be given elsewhere
    command, *words = next_of(answer)
    if command == "import-paper":
        assert (read(ImportPaper, words, command).folder / "200_gen_params.jl_10.npy").exists()
        return
    if command == "train":
        asked = read(Train, words, command, Train.default(words))
        data, data_dir = asked.settings.data, asked.places.data_dir
        name, split = data.name, data.split
    else:
        asked = read(Datasets, words, command)
        name, split, data_dir = asked.name, asked.split, asked.data_dir
    assert split in find_entry(name).available(data_dir or offline.data)


FETCHED = [entry for entry in catalogue() if not entry.built_in]


def run_of(offline: World, command: str) -> None:
    """Do what a user is told to do to get a dataset."""
    program, script, *options = shlex.split(command)
    answer = offline.run(Path(script).relative_to("data_scripts"), *options)
    assert (program, answer.returncode) == ("bash", 0), answer.stderr


@pytest.mark.parametrize("entry", FETCHED, ids=lambda entry: entry.name)
def test_the_command_that_the_catalogue_names_fetches_what_is_trained_on(offline, entry):
    run_of(offline, entry.fetch())
    assert next(iter(entry.splits)) in entry.available(offline.data)


@pytest.mark.parametrize(("entry", "split"), [(entry, split) for entry in FETCHED for split in entry.splits])
def test_the_command_that_is_told_where_a_split_is_missing_fetches_it(offline, entry, split):
    place = offline.folder / "else where"
    with pytest.raises(InputError) as error:
        load(entry.name, split=split, data_dir=place)
    run_of(offline, re.search("fetch it with `([^`]+)`", str(error.value))[1])
    assert split in entry.available(place)


# Archives that mean harm


def zip_with(name: str, kind: int = stat.S_IFREG, content: bytes = b"x") -> bytes:
    """A zip of one good picture and one member of this name and kind of file."""
    stream = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")  # of zipfile, which minds a name that is there twice
        archive.writestr("images/good.jpg", b"good")
        info = zipfile.ZipInfo("placeholder")
        info.filename = name  # as it is: ZipInfo would clean it
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = (kind | 0o644) << 16
        archive.writestr(info, content)
    return stream.getvalue()


def tarred(name: str) -> bytes:
    """A tar of one picture."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo(name))
    return stream.getvalue()


def damaged_bz2() -> bytes:
    """A zip whose only member is packed by bz2, of which Python raises an OSError that no disk is to blame for."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("images/good.jpg", b"good")
    return stream.getvalue().replace(b"BZh9", b"BZh?")


def understated() -> bytes:
    """A zip whose second member is larger than it says."""
    honest = zip_with("images/bomb.jpg", content=bytes(5000))
    return honest.replace((5000).to_bytes(4, "little"), (50).to_bytes(4, "little"))


HARMFUL = {
    "zip: absolute": (zip_with("/tmp/escaped.jpg"), "leads elsewhere"),
    "zip: upwards": (zip_with("images/../../escaped.jpg"), "leads elsewhere"),
    "zip: upwards with backslashes": (zip_with("images\\..\\..\\escaped.jpg"), "leads elsewhere"),
    "zip: a drive": (zip_with("C:/escaped.jpg"), "leads elsewhere"),
    "zip: a share": (zip_with("\\\\host\\escaped.jpg"), "leads elsewhere"),
    "zip: a line break": (zip_with("images/a\nb.jpg"), "leads elsewhere"),
    "zip: symbolic link": (zip_with("images/link.jpg", stat.S_IFLNK, b"/etc/passwd"), "link or a device"),
    "zip: device": (zip_with("images/device.jpg", stat.S_IFCHR), "link or a device"),
    "zip: pipe": (zip_with("images/pipe.jpg", stat.S_IFIFO), "link or a device"),
    "zip: bomb": (zip_with("images/bomb.jpg", content=bytes(3 << 20)), "more than the 1 MiB"),
    "zip: bomb that is not even wanted": (zip_with("bomb.bin", content=bytes(3 << 20)), "more than the 1 MiB"),
    "zip: larger than declared": (understated(), "CRC"),
    "zip: same name twice": (zip_with("images/good.jpg"), "same name"),
    "zip: damaged inside": (damaged_bz2(), "damaged one (Invalid data stream)"),
    "tar": (tarred("images/good.jpg"), "no zip archive"),
}


@pytest.mark.parametrize(("archive", "reason"), HARMFUL.values(), ids=HARMFUL)
def test_a_harmful_archive_is_refused_and_writes_nothing_anywhere(tmp_path, archive, reason):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "archive").write_bytes(archive)
    before = sorted(tmp_path.rglob("*"))
    folder = tmp_path / "in" / "deep"
    answer = unpacked(
        tmp_path / "archive", r"images/[^/]+\.jpg=1-2", 1 << 20, folder / "notes.sha256", folder / "images"
    )
    assert answer.returncode == 4 and reason in answer.stdout and answer.stdout.count("\n") == 1, answer
    assert sorted(tmp_path.rglob("*")) == before and not Path("/tmp/escaped.jpg").exists()


def unpacked(*arguments: object) -> subprocess.CompletedProcess:
    """What unpack.py says, on a Python with nothing installed."""
    command = [sys.executable, "-I", "-S", SCRIPTS / "unpack.py", "unpack", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_harmless_archive_is_unpacked_and_noted(tmp_path):
    (tmp_path / "archive").write_bytes(zip_with("images/b.jpg"))
    answer = unpacked(tmp_path / "archive", r"images/.+=2", 1 << 20, tmp_path / "notes.sha256", tmp_path / "images")
    assert answer.returncode == 0 and answer.stdout == ""
    assert sorted(path.name for path in (tmp_path / "images").iterdir()) == ["b.jpg", "good.jpg"]
    noted = subprocess.run(["sha256sum", "--check", "--strict", "../notes.sha256"], cwd=tmp_path / "images")
    assert noted.returncode == 0


@pytest.mark.parametrize("there", [False, True], ids=["new folder", "folder that is there"])
def test_all_that_was_unpacked_is_on_the_disk_before_the_archive_may_go(tmp_path, monkeypatch, there):
    (tmp_path / "archive").write_bytes(zip_with("images/b.jpg"))
    notes, folder, forced, fsync = tmp_path / "notes.sha256", tmp_path / "images", set(), os.fsync
    if there:
        folder.mkdir()

    def noting(handle: int) -> None:
        place = Path(os.readlink(f"/proc/self/fd/{handle}"))
        forced.add((place.name, os.fstat(handle).st_ino))
        assert place.suffix == ".part" or notes.exists()  # files without notes would be taken for somebody else's
        fsync(handle)

    monkeypatch.setattr(os, "fsync", noting)
    unpack.unpack(tmp_path / "archive", r"images/.+=2", 1 << 20, notes, folder)
    expected = {path.name: path for path in (folder / "good.jpg", folder / "b.jpg", folder, tmp_path)}
    expected["notes.sha256.part"] = notes
    assert forced == {(name, path.stat().st_ino) for name, path in expected.items()}


class FailingDisk(io.BytesIO):
    """A file of which nothing can be read."""

    def read(self, *_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_an_archive_on_a_disk_that_fails_is_not_called_damaged():
    with pytest.raises(OSError, match="Errno 5"):
        with unpack._members(FailingDisk(zip_with("images/b.jpg"))):
            pass


def test_a_harmful_archive_in_place_of_a_dataset_is_refused(world):
    world.change("get_anime.sh", "=63000-64000", "=1-2")
    (world.folder / "archive.zip").write_bytes(zip_with("images/../../../escaped.jpg"))
    answer = world.run("get_anime.sh", "--from", world.folder / "archive.zip")
    assert answer.returncode == 4 and "leads elsewhere" in last_line(answer)
    assert not world.there("anime") and not list(world.folder.rglob("escaped.jpg"))


def test_an_archive_that_would_fill_the_disk_is_refused_before_anything_is_written(tmp_path):
    with zipfile.ZipFile(tmp_path / "archive", "w") as archive:
        archive.writestr("images/huge.jpg", b"x")
        archive.infolist()[0].file_size = 1 << 60  # what the list at the end of the archive will declare
    before = sorted(tmp_path.rglob("*"))
    answer = unpacked(tmp_path / "archive", r"images/.+=1", 1 << 60, tmp_path / "notes.sha256", tmp_path / "images")
    assert answer.returncode == 5 and f"{1 << 40} MiB unpacked" in answer.stdout
    assert sorted(tmp_path.rglob("*")) == before


# The scripts themselves


def test_the_scripts_are_clean_for_bash_and_shellcheck():
    scripts = sorted(SCRIPTS.glob("*.sh"))
    assert len(scripts) == 9
    for script in scripts:
        assert subprocess.run(["bash", "-n", script]).returncode == 0
    shellcheck = Path(sys.executable).with_name("shellcheck")
    checked = subprocess.run([shellcheck, "--external-sources", *scripts], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("script", sorted(path.name for path in SCRIPTS.glob("get*.sh")))
def test_where_the_users_cd_looks_for_folders_changes_nothing(script):
    command = ["bash", f"{SCRIPTS.name}/{script}", "--help"]
    plain = {name: value for name, value in os.environ.items() if name != "CDPATH"}
    calm, odd = (
        subprocess.run(command, cwd=PROJECT, env=plain | more, capture_output=True, text=True)
        for more in ({}, {"CDPATH": f"{PROJECT}/tests:."})
    )
    assert odd.returncode == calm.returncode == 0, odd.stderr
    assert (odd.stdout, odd.stderr) == (calm.stdout, calm.stderr)


def test_every_script_tells_its_exit_codes_its_source_and_its_terms():
    for script in sorted(SCRIPTS.glob("get_*.sh")):
        text = script.read_text()
        assert "set -euo pipefail\n" in text and os.access(script, os.X_OK), script
        told = subprocess.run(["bash", script, "--help"], capture_output=True, text=True)
        assert told.returncode == 0 and told.stderr == ""
        assert all(word in told.stdout for word in ("--data-dir DIR", "--from FILE", "Exit codes: 0 all is there; 2"))
        assert "://" in told.stdout and max(map(len, told.stdout.splitlines())) <= 120, script
        assert re.search(r'^begin [a-z0-9_]+ "', text, re.MULTILINE), script
        assert ("checksums" in told.stdout) or ("checksum is" in told.stdout), script


@pytest.mark.parametrize(("script", "facts"), [
    ("get_cifar10.sh", ["https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"]),
    ("get_svhn.sh", ["http://ufldl.stanford.edu/housenumbers/", "e26dedcc434d2e4c54c9b2d4a06d8373",
                     "eb5a983be6a315427106f1b164d9cef3", "a93ce644f1a588dc4d68dda5feec44a7"]),
    ("get_celeba.sh", ["img_align_celeba.zip 1443490838 00d2c5bc6d35e252742224ab0c1e8fcb 0B7EVK8r0v71pZjFTYXZWM3FlRnM",
                       "list_attr_celeba.txt 26721026 75e246fa4810816ffd6ee81facbd244c 0B7EVK8r0v71pblRyaVFSWGxPY0U",
                       "list_eval_partition.txt 2836386 d32c9cbf5e040fd4025c592c306e6668 0B7EVK8r0v71pY0NSMzRuSXJEVkk",
                       "jessicali9530/celeba-dataset", "=202599"]),
    ("get_lsun_bedroom.sh", ["http://dl.yf.io/lsun/scenes/", "jhoward/lsun_bedroom", "=303125",
                             "a15644c2e7153106867f0adb3491fc41224102d1f01b24494fb47d9f5d1f174e",
                             "5d022e781b241c25ec2e1f1f769afcdb8091d7fd58362667aec03137b8114b12"]),
    ("get_anime.sh", ["splcher|soumikrakshit", "animefacedataset", "anime-faces", "=63000-64000", "=21551"]),
    ("get_paper_weights.sh", ["https://raw.githubusercontent.com/Newmu/dcgan_code/ee12b2d15a3856794b8dae77d1eb263c67c36e47",
                              "models/svhn_unsup_all_conv_dcgan_100z_gaussian_lr_0.0005_64mb",
                              "jl_01.npy 19200 72f8e8e36590db3ab93abfe708597438c3e237e4b303aa14cccb5f0900a99a69",
                              "jl_10.npy 19200 33a06a97d3e52008087c523f93e620a31acc9202067252d8895802af119b3183"]),
    ("get_imagenet32.sh", ["https://image-net.org/data/downsample/",
                           "94226337ecc1b0309d9fcd0167127aaadc931587035fbcb53925235edbaec4fc",
                           "013990e6dec1237dcd1f9beadbab81ead6604cc119af5cacbfb59ae28148377a"]),
])  # fmt: skip
def test_the_scripts_ask_for_what_is_published(script, facts):
    text = (SCRIPTS / script).read_text()
    assert [fact for fact in facts if fact not in text] == []
