"""The shape of the house."""

import re
import subprocess
import sys

import pytest

from utils.cli import COMMANDS
from utils.runs import PROJECT


def test_imports_point_downwards_only():
    checked = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"],
        cwd=PROJECT, capture_output=True, text=True,
    )  # fmt: skip
    assert checked.returncode == 0 and " 0 broken" in checked.stdout, checked.stdout + checked.stderr


def imported_with(*modules):
    """What is in memory once these modules are."""
    code = f"import sys; {'; '.join(f'import {module}' for module in modules)}; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines())


def test_settings_help_and_data_need_no_tensorflow():
    commands = {f"utils.cli.{place.split(':')[0]}" for place in COMMANDS.values()}
    others = (
        "utils.presets",
        "utils.intervals",
        "utils.fitting",
        "utils.lengths",
        "utils.parameters",
        "utils.runtime",
        "utils.tables",
        "utils.data",
        "utils.runs",
        "utils.sampling",
        "utils.networks",
        "utils.explain",
        "utils.latent.terms",
        "utils.latent.paths",
        "utils.evaluation.names",
        "utils.studies.losses",
        "utils.studies.amount_of_data",
    )
    assert not imported_with(*commands, *others) & {"tensorflow", "keras"}


def test_statistics_need_numpy_and_scipy_only():
    heavy = {"tensorflow", "keras", "sklearn", "matplotlib", "cv2", "PIL"}
    assert not imported_with("utils.intervals", "utils.evaluation.copying") & heavy


def test_the_readmes_map_has_every_folder_and_all_that_it_names_exists():
    if not (PROJECT / ".git").exists():
        pytest.skip("only a clone knows what belongs to the project")
    git = subprocess.run(["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True, check=True)
    listed = git.stdout.splitlines()
    folders = {f"{path.split('/')[0]}/" for path in listed if "/" in path and not path.startswith(".")}
    folders |= {"/".join(path.split("/")[:2]) + "/" for path in listed if re.match("utils/.*/", path)}
    table = (PROJECT / "README.md").read_text(encoding="utf-8").split("## Map")[1].split("##")[0]
    named = {
        name for row in table.splitlines() for name in re.findall("`([^`]+)`", row.split("|")[1] if "|" in row else "")
    }
    assert len(folders) > 15 and folders - {"utils/"} <= named  # utils/ stands there by its parts
    assert not [name for name in named if not (PROJECT / name).exists()]
