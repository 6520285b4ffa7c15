"""Run a module as `python -m` would, with nothing of the user's surroundings on the way to it.

    python -I utils/start.py MODULE [arguments]

`-I` leaves out the current folder, this file's folder, PYTHONPATH, every other PYTHON variable and the user's own
site-packages, and passes itself on to the worker processes of `multiprocessing`. (`-P`, which is made for this, came
with Python 3.11.) What is found is the project, then the packages of its environment.
"""

import os
import runpy
import sys

PROJECT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def command(module: str, *arguments: str) -> list[str]:
    """The command line that runs a module so, with this Python."""
    return [sys.executable, "-I", os.path.join(PROJECT, "utils", "start.py"), module, *arguments]


if __name__ == "__main__":
    sys.path.insert(0, PROJECT)
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
