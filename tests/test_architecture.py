"""The shape of the house."""

import subprocess
import sys

from utils.runs import PROJECT


def test_imports_point_downwards_only():
    checked = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"],
        cwd=PROJECT, capture_output=True, text=True,
    )  # fmt: skip
    assert checked.returncode == 0 and "1 kept, 0 broken" in checked.stdout, checked.stdout + checked.stderr


def test_settings_help_and_data_need_no_tensorflow():
    modules = (
        "utils.config",
        "utils.presets",
        "utils.tables",
        "utils.intervals",
        "utils.fitting",
        "utils.lengths",
        "utils.parameters",
        "utils.runtime",
        "utils.cli",
        "utils.data",
        "utils.runs",
        "utils.sampling",
        "utils.networks",
    )
    for module in (*modules, "utils.studies.losses", "utils.studies.amount_of_data"):
        code = f"import sys, {module}; sys.exit('tensorflow' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT).returncode == 0, module


def test_the_top_level_holds_what_a_newcomer_expects():
    listed = subprocess.run(["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True).stdout.split()
    assert {path.split("/")[0] for path in listed} <= {
        "notebooks", "utils", "data_scripts", "saved_models", "tests", "requirements.txt", "README.md", "dcgan",
        "pyproject.toml", "LICENSE", "benchmarks", ".ci", ".gitignore",
    }  # fmt: skip
