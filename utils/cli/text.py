"""How the command line puts things into words."""

from pathlib import Path

from utils.text import from_here, one_line


def label(found) -> str:
    """A file name's part that tells which network a thing was made of: "faces", "faces-0001-quick-epoch_0007"."""
    if found.run is None and found.file.suffix == ".keras" and found.title != str(found.file):
        return found.title  # a model with a name
    if found.run is None:
        return f"{found.file.resolve().parent.name}-{found.file.stem}"
    kept = found.file.parent.name
    parts = [found.run.folder.parent.name, found.run.folder.name, *([kept] if kept.startswith("epoch_") else [])]
    return "-".join(parts)


def written(path: Path, was_there: bool) -> str:
    """A file or folder that was written, and whether it replaces one, in words."""
    return f"{short(path)}{' (replaces what was there)' if was_there else ''}"


def short(path: Path) -> str:
    """A path as seen from here, to be read; see `utils.text.command` for one to be pasted."""
    return one_line(from_here(path))
