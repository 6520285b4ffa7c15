"""Where datasets live, and the commands that fetch them.

A dataset, its script in `data_scripts/` and its folder have one name; where the folder is, `lib.sh` there knows, too.
"""

import os
import shlex
from pathlib import Path

from utils.files import expanded


def data_folder(data_dir: str | Path | None = None) -> Path:
    """Where datasets live: as given, else the environment's DCGAN_DATA_DIR, else `data/` in this project."""
    return expanded(data_dir or os.environ.get("DCGAN_DATA_DIR") or Path(__file__).parents[2] / "data")


def fetch_command(name: str, data_dir: str | Path | None = None, options: str = "") -> str:
    """The command that fetches a dataset to where datasets are.

    Args:
        name: of the dataset.
        data_dir: where datasets live.
        options: of the script, for what it does not fetch by itself.
    """
    folder, words = data_folder(data_dir), ["bash", f"data_scripts/get_{name}.sh", *options.split()]
    if folder.resolve() != data_folder().resolve():  # where the script does not put it by itself
        words += ["--data-dir", shlex.quote(str(folder.absolute()))]
    return " ".join(words)


def in_words(home: str | Path, options: str = "") -> str:
    """The command that fetches a dataset's folder anew, for a sentence."""
    return f"`{fetch_command(Path(home).name, Path(home).parent, options)}`"
