"""How the command line puts things into words."""

from pathlib import Path

from utils.text import from_here, one_line


def short(path: Path) -> str:
    """A path as seen from here, to be read; see `utils.text.command` for one to be pasted."""
    return one_line(from_here(path))
