"""How the command line puts things into words."""

from pathlib import Path

from utils.text import from_here, one_line, slug


def label(found) -> str:
    """A file name's part that tells which network a thing was made of: "faces", "faces-0001-quick-epoch_0007"."""
    if found.run is None:
        home = found.file.resolve().parent.name
        return home if home == found.title else slug(f"{home}-{found.file.stem}")  # the first: a model with a name
    kept = found.file.parent.name
    at = [kept] if kept == "best" or kept.startswith(("epoch_", "update_")) else []
    return "-".join([found.run.folder.parent.name, found.run.folder.name, *at])


def place_for(trained, inside: str, name: str) -> Path:
    """Where a command puts what it makes of a network: into its run's folder, else here, named after it.

    Args:
        trained: the `utils.networks.TrainedNetwork`.
        inside: the place in a run's folder, "samples/8.png".
        name: what stands behind the network's label elsewhere, "8.png".
    """
    in_run = trained.run and trained.home == trained.run.folder
    return trained.home / (inside if in_run else f"{label(trained)}-{name}")


def written(path: Path, was_there: bool) -> str:
    """A file or folder that was written, and whether it replaces one, in words."""
    return f"{short(path)}{' (replaces what was there)' if was_there else ''}"


def short(path: Path) -> str:
    """A path as seen from here, to be read; see `utils.text.command` for one to be pasted."""
    return one_line(from_here(path))
