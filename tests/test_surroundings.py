"""What lies around the product stays out of it: the user's modules, settings, closed streams, and odd paths."""

import ast
import contextlib
import json
import os
import pty
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from utils import cli
from utils.cli.options import as_meant
from utils.config import preset, replace
from utils.data.catalogue import find_source
from utils.errors import InputError
from utils.runs import PROJECT, Run, runs_folder
from utils.training import train

ENVIRONMENT = Path(sys.prefix)
ready = pytest.mark.skipif(
    not (ENVIRONMENT / "requirements.hash").is_file(), reason="this Python is not the environment that ./dcgan set up"
)


def launched(*arguments, home=PROJECT, shell="", **options) -> subprocess.CompletedProcess:
    """Run the launcher in an environment of its own; `shell` is what follows the command in a shell ("2>&-")."""
    settings = {"PATH": os.environ["PATH"], "HOME": "/", "DCGAN_VENV": str(ENVIRONMENT)} | options.pop("env", {})
    command = ["bash", "-c", f'exec "$0" "$@" {shell}', str(home / "dcgan"), *map(str, arguments)]
    return subprocess.run(command, env=settings, capture_output=True, text=True, timeout=200, **options)


@pytest.fixture
def hostile(tmp_path):
    """A current folder, a home and variables in which everything would break what it is taken for."""
    here = tmp_path / "here"
    for module in ("keras", "tensorflow", "numpy", "queue", "typing", "multiprocessing", "cv2", "sitecustomize"):
        for folder in (here, tmp_path / "path", tmp_path / "path" / module):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{module}.py").write_text(f"raise SystemExit('the user's own {module}')")
    (here / "utils").mkdir()
    (here / "utils" / "__init__.py").write_text("raise SystemExit('the user's own utils')")
    (tmp_path / "home" / ".keras").mkdir(parents=True)
    odd = {"backend": "jax", "floatx": "float16", "epsilon": 1e-3, "image_data_format": "channels_first"}
    (tmp_path / "home" / ".keras" / "keras.json").write_text(json.dumps(odd))
    (tmp_path / "home" / ".config" / "matplotlib").mkdir(parents=True)
    for folder in (here, tmp_path / "home" / ".config" / "matplotlib"):
        (folder / "matplotlibrc").write_text("text.usetex: True\naxes.facecolor: red\n")
    variables = {
        "HOME": str(tmp_path / "home"),
        "PYTHONPATH": f"{tmp_path / 'path'}:.",
        "PYTHONHOME": "/nowhere",
        "PYTHONSTARTUP": str(here / "keras.py"),
        "PYTHONOPTIMIZE": "2",  # takes the help texts away
        "PYTHONWARNINGS": "error",
        "KERAS_BACKEND": "jax",
        "MPLBACKEND": "nothing",
    }
    return {"cwd": here, "env": variables}


# --- modules and settings ---------------------------------------------------------------------------------------------


@ready
def test_the_users_modules_and_python_settings_do_not_enter(hostile):
    for arguments in (["datasets", "--json"], ["train", "--help"], ["test", "--version"], ["--help"]):
        calm, odd = launched(*arguments), launched(*arguments, **hostile)
        assert calm.returncode == odd.returncode == 0, odd.stderr
        assert odd.stdout == calm.stdout and odd.stderr == calm.stderr


@ready
@pytest.mark.slow
def test_a_training_among_foreign_modules_and_without_standard_error_has_the_same_bits(hostile, tmp_path):
    pictures = tmp_path / "here" / "pictures.npy"  # many enough for two worker processes
    np.save(pictures, np.random.default_rng(1).integers(0, 256, (600, 32, 32, 3), np.uint8))
    settings = {"count": 16, "batch_size": 8, "epochs": 1, "width": 0.0625, "summary_samples": 8}
    options = [word for name, value in settings.items() for word in (f"--{name.replace('_', '-')}", value)]
    places = ["--runs-dir=~/runs", "--data-dir", "~/data"]
    answer = launched(
        *("train", "--preset", "report32", "--data", pictures, *options, *places), shell="2>&-", **hostile
    )
    assert answer.returncode == 0 and "Done in" in answer.stdout, answer.stdout
    run = Run.find("last", tmp_path / "home" / "runs")
    expected = train(
        replace(preset("report32"), name=str(pictures), **settings),
        runs_dir=str(tmp_path / "calm"), data_dir=str(tmp_path / "home" / "data"), progress=False,
    )  # fmt: skip
    assert run.steps_file.read_bytes() == expected.steps_file.read_bytes()
    for name in ("grids/true.png", "grids/epoch_0001.png", "losses.png"):
        assert (run.folder / name).read_bytes() == (expected.folder / name).read_bytes(), name
    assert not (tmp_path / "here" / "~").exists()


# --- streams ----------------------------------------------------------------------------------------------------------


@ready
@pytest.mark.parametrize("closed", ["<&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_change_no_exit_code_where_something_is_told(closed):
    answer = launched("datasets", shell=closed)
    assert answer.returncode == 0 and ("house_numbers" in answer.stdout or ">&-" in closed)


@ready
@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&- >&- 2>&-"])
def test_closed_streams_change_no_exit_code_where_something_is_refused(closed):
    answer = launched("study", "nothing", shell=closed)
    assert answer.returncode == 2
    assert answer.stderr.startswith("dcgan: STUDY must be one of") or "2>&-" in closed


def test_a_terminal_that_was_closed_is_outlived_and_a_full_disk_is_not():
    from utils.runtime import _Outliving

    shown, terminal = os.openpty()
    os.close(shown)
    with open("/dev/full", "wb", buffering=0) as full:
        try:
            with pytest.raises(OSError, match="Input/output error"):
                os.write(terminal, b"words")
            assert [_Outliving(terminal, "w", closefd=False).write(b"words") for _ in range(2)] == [5, 5]
            with pytest.raises(OSError, match="No space left"):
                _Outliving(full.fileno(), "w", closefd=False).write(b"words")
        finally:
            os.close(terminal)


@pytest.mark.slow
@ready
def test_a_reader_that_leaves_ends_a_list_and_not_a_training(tmp_path):
    leave = "2>&1 | head -n 1; exit ${PIPESTATUS[0]}"
    answer = launched("train", "--help", shell=leave)
    assert answer.returncode == 0 and answer.stdout == "usage: ./dcgan train [-h] [OPTIONS]\n"
    answer = launched("presets", shell="> /dev/full")
    sentence = "dcgan: writing: No space left on device; choose another place.\n"
    assert (answer.returncode, answer.stderr) == (2, sentence)
    np.save(tmp_path / "pictures.npy", np.random.default_rng(1).integers(0, 256, (8, 32, 32, 3), np.uint8))
    options = ["--updates", 2, "--batch-size", 8, "--width", 0.0625, "--summary-samples", 8]
    places = ["--runs-dir", tmp_path / "runs", "--data-dir", tmp_path / "data"]
    answer = launched("train", "--data", tmp_path / "pictures.npy", *options, *places, shell=leave)
    assert answer.returncode == 0 and "Training" not in answer.stdout
    assert Run.find("last", tmp_path / "runs").state.status == "finished"


def test_a_library_call_without_standard_streams_does_not_write_into_its_files(tmp_path):
    code = "import utils, sys; f = open('first', 'w'); print(f.fileno() > 2); sys.stderr.write('words')"
    command = ["bash", "-c", '"$0" -c "$1" 2>&- <&-', sys.executable, code]
    answer = subprocess.run(command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(PROJECT)}, capture_output=True)
    assert answer.returncode == 0 and answer.stdout == b"True\n" and (tmp_path / "first").read_bytes() == b""


# --- paths ------------------------------------------------------------------------------------------------------------


def test_a_tilde_is_the_home_folder_wherever_the_shell_left_it(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    typed = ["--out=~/x", "--data", "~/pics", "~", "-n", "5", "--about", "a ~ b", "--boxes=./~", "./~x"]
    meant = ["--out=/home/me/x", "--data", "/home/me/pics", "/home/me", "-n", "5", "--about", "a ~ b", "--boxes=./~"]
    assert as_meant(typed) == [*meant, "./~x"]
    monkeypatch.setenv("DCGAN_RUNS_DIR", "~/runs")
    monkeypatch.setenv("DCGAN_DATA_DIR", "~/data")
    assert runs_folder() == Path("/home/me/runs") and cli.main(["show", "faces/1", "--runs-dir", "~/elsewhere"]) == 2
    from utils.data.fetching import data_folder

    assert data_folder() == Path("/home/me/data")


@ready
def test_the_launcher_takes_paths_with_spaces_and_a_tilde(tmp_path):
    home = tmp_path / "my home"
    (home / "a python").mkdir(parents=True)
    (home / "a python" / "python3").symlink_to(sys.executable)
    (home / "venv").symlink_to(ENVIRONMENT)
    odd = {"HOME": str(home), "DCGAN_PYTHON": "~/a python/python3", "DCGAN_VENV": "~/venv", "DCGAN_DATA_DIR": "~/d"}
    answer = launched("datasets", env=odd, cwd=tmp_path)
    assert answer.returncode == 0 and "Datasets live in my home/d." in answer.stdout, answer.stderr
    assert launched("--help", env=odd).returncode == 0
    answer = launched("--help", env=odd | {"DCGAN_PYTHON": "~/no python"})
    assert answer.returncode == 2 and f"found no {home}/no python." in answer.stderr


def test_a_script_takes_a_tilde_too(tmp_path):
    settings = os.environ | {"HOME": str(tmp_path), "DCGAN_DATA_DIR": "~/d", "DCGAN_PYTHON": "~/none"}
    script = PROJECT / "data_scripts" / "get_cifar10.sh"
    told = subprocess.run(["bash", script, "--help"], env=settings, capture_output=True, text=True)
    assert f"(default: {tmp_path}/d)" in told.stdout
    refused = subprocess.run(["bash", script, "--from", "~/x"], env=settings, capture_output=True, text=True)
    assert f"there is no file {tmp_path}/x." in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["train", "--data", ""], "--data"),
        (["train", "--runs-dir="], "--runs-dir"),
        (["datasets", ""], "an argument"),
        (["sample", "last", "--out", ""], "--out"),
        (["study", ""], "an argument"),
    ],
)
def test_an_empty_name_or_place_is_refused(capsys, arguments, what):
    assert cli.main(arguments) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and err.startswith(f"dcgan: The value of {what} is empty; is a variable not set?")


def test_a_dataset_with_a_namesake_here_is_said_to_be_the_one_of_the_catalogue(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "house_numbers").mkdir()
    for _ in range(2):
        find_source("house_numbers")
    said = capsys.readouterr().err
    assert said == (
        "Note: house_numbers means the built-in house numbers of the catalogue; "
        "for the folder house_numbers here write ./house_numbers.\n"
    )
    (tmp_path / "cifar10").mkdir()
    with pytest.raises(InputError, match="not in"):
        find_source("cifar10", data_dir=tmp_path)  # it is the very folder that is meant
    assert capsys.readouterr().err == ""
    (tmp_path / "svhn").mkdir()
    assert cli.main(["datasets", "svhn"]) == 0 and "write ./svhn." in capsys.readouterr().err


def public_paths():
    """(place, function, name of a parameter that is a path) for all public functions below the command line."""
    for file in sorted((PROJECT / "utils").rglob("*.py")):
        nodes = [ast.parse(file.read_text(encoding="utf-8"))] * ("cli" not in file.parts)
        while nodes:
            for node in nodes.pop().body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    nodes.append(node)
                if isinstance(node, ast.FunctionDef) and (node.name == "__init__" or not node.name.startswith("_")):
                    for one in [*node.args.args, *node.args.kwonlyargs]:
                        kinds = re.findall(r"\w+", ast.unparse(one.annotation)) if one.annotation else []
                        if "Path" in kinds and "dict" not in kinds and "list" not in kinds:
                            yield f"{file.relative_to(PROJECT)}: {node.name}({one.arg})", node, one.arg, kinds


# What `prepare` calls of a reader, what readers open, and what is raised.
_NOT_FOR_USERS = ("unpack(", "pictures.py: __init__(", "lsun.py: __init__(path", "errors.py", "explain/sections/")


def test_every_public_function_takes_a_path_as_text():
    checked = 0
    for place, node, name, kinds in public_paths():
        if any(words in place for words in _NOT_FOR_USERS):
            continue
        checked += 1
        assert "str" in kinds, f"{place} should say str | Path"
        made = [s.lineno for s in ast.walk(node) if isinstance(s, ast.Assign) and name in _assigned(s)]
        for use in ast.walk(node):
            divided = isinstance(use, ast.BinOp) and isinstance(use.op, ast.Div) and use.left
            asked = isinstance(use, ast.Attribute) and use.value
            raw = next((e for e in (divided, asked) if isinstance(e, ast.Name) and e.id == name), None)
            assert raw is None or any(line < raw.lineno for line in made), f"{place} needs Path({name}) before its use"
    assert checked > 50


def _assigned(statement: ast.Assign) -> set[str]:
    return {name.id for target in statement.targets for name in ast.walk(target) if isinstance(name, ast.Name)}


def test_a_run_is_found_and_drawn_by_paths_that_are_text(tmp_path):
    (tmp_path / "faces" / "0001-quick").mkdir(parents=True)
    (tmp_path / "faces" / "0001-quick" / "experiment.json").write_text("{}")
    found = Run.find("faces/0001-quick", str(tmp_path))
    assert found == Run(str(tmp_path / "faces" / "0001-quick")) == Run.find("last", str(tmp_path))
    assert found.steps_file == tmp_path / "faces" / "0001-quick" / "steps.jsonl"


# --- the set-up -------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_project(tmp_path):
    """The launcher with two packages to install, from wheels that lie beside it, and a PATH without uv."""
    wheels, names = tmp_path / "wheels", ("one", "two")
    wheels.mkdir()
    for name in names:
        about = f"{name}-1.0.dist-info"
        with zipfile.ZipFile(wheels / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}.py", "")
            wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{about}/RECORD", "")
    home = tmp_path / "project"
    home.mkdir()
    shutil.copy(PROJECT / "dcgan", home)
    (home / "utils").symlink_to(PROJECT / "utils")
    elsewhere = "".join(f"never-{i}==1 ; sys_platform == 'win32'\n" for i in range(2))
    (home / "requirements.txt").write_text("".join(f"{name}==1.0\n" for name in names) + elsewhere)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").symlink_to(os.path.realpath(sys.executable))
    return {
        "home": home,
        "env": {
            "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "DCGAN_VENV": str(tmp_path / "a venv"), "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(wheels), "PIP_CONFIG_FILE": os.devnull, "PIP_USER": "1", "TMPDIR": str(tmp_path),
        },
    }  # fmt: skip


def test_set_up_says_how_far_it_is_in_one_line_of_a_terminal(small_project, tmp_path):
    mine, its = pty.openpty()
    process = subprocess.Popen(
        [small_project["home"] / "dcgan", "nothing"], env=small_project["env"] | {"HOME": str(tmp_path)},
        cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=its,
    )  # fmt: skip
    os.close(its)
    with process, open(mine, encoding="utf-8", newline="") as screen, contextlib.suppress(OSError):  # EIO is its end
        said = ""
        while letters := screen.read(1):
            said += letters
    assert "Setting up " in said and re.search(r"Set up after \d+ s\.", said), said
    lines = said.replace("\r\n", "\n").split("\r\x1b[K")
    steps = [line for line in lines if line.startswith("  ")]
    known = "looking for the packages|(fetched|installed) [012] of 2 packages|fetched all packages, installing"
    assert steps and all(re.fullmatch(rf"  ({known}), \d+ s", line) for line in steps), steps
    assert process.returncode == 1  # the environment holds the two packages, and no tyro
    assert list((tmp_path / "a venv").glob("lib/*/site-packages/two-1.0.dist-info"))  # not where PIP_USER says
    assert not list(tmp_path.glob("tmp.*"))  # the installer's log


def test_an_environment_whose_python_has_gone_is_made_anew(small_project, tmp_path):
    home, venv = small_project["home"], tmp_path / "a venv"
    (venv / "bin").mkdir(parents=True)
    for link, target in (("python", "python3"), ("python3", str(tmp_path / "gone"))):
        (venv / "bin" / link).symlink_to(target)
    (venv / "lib" / "python3.9" / "site-packages").mkdir(parents=True)
    (venv / "pyvenv.cfg").write_text(f"home = {tmp_path}\n")
    with (home / "requirements.txt").open() as requirements, (venv / "requirements.hash").open("w") as note:
        subprocess.run(["cksum"], stdin=requirements, stdout=note, check=True)
    answer = subprocess.run(
        [home / "dcgan", "nothing"], env=small_project["env"] | {"HOME": str(tmp_path)}, cwd=tmp_path,
        capture_output=True, text=True,
    )  # fmt: skip
    assert f"{venv} was made with is not there any more, so it is made anew.\n" in answer.stderr
    assert answer.returncode == 1 and "tyro" in answer.stderr  # it is not among the packages
    assert list(venv.glob("lib/*/site-packages/two-1.0.dist-info")) and not (venv / "lib" / "python3.9").exists()
