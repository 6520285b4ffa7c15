"""What lies in and below a folder of pictures and does not belong to them: one list, with the reason for each.

Left out are whole folders and single files that systems, cameras and network disks leave behind, known by their names;
and folders that this project wrote (a run's grids would be learned from), known by a JSON file in them and what it
says, never by a name alone.
"""

from pathlib import Path

from utils.files import read_json

_HIDDEN = "hidden"
_THUMBNAILS = "thumbnails that a system, a camera or a network disk made"
_TRASH = "deleted files, snapshots and what else a system keeps for itself"
_OWN = "written by this project"

_NAMES = {
    "__macosx": _HIDDEN,  # what a Mac's zip holds beside the files
    "@eadir": _THUMBNAILS,  # Synology
    "@__thumb": _THUMBNAILS,  # QNAP
    "thmbnl": _THUMBNAILS,  # Sony's cameras
    "canonmsc": _THUMBNAILS,  # Canon's cameras
    "thumbs.db": _THUMBNAILS,
    "ehthumbs.db": _THUMBNAILS,
    "ehthumbs_vista.db": _THUMBNAILS,
    "#recycle": _TRASH,  # Synology
    "@recycle": _TRASH,  # QNAP
    "#snapshot": _TRASH,  # Synology
    "@recently-snapshot": _TRASH,  # QNAP
    "@tmp": _TRASH,  # Synology
    "$recycle.bin": _TRASH,  # Windows, as the next four
    "recycler": _TRASH,
    "recycled": _TRASH,
    "system volume information": _TRASH,
    "desktop.ini": _TRASH,
    "network trash folder": _TRASH,  # Macs on network disks, as the next
    "temporary items": _TRASH,
    "icon\r": _TRASH,  # the Mac's icon of a folder
    "lost+found": _TRASH,  # Linux
}
"""Names of files and folders, in small letters. Those with a dot in front (.Trashes, .thumbnails, ._a.jpg, .DS_Store,
.picasaoriginals) are hidden anyway."""
_SUFFIXES = {".thm": _THUMBNAILS}  # a small JPEG beside each film of a camera

_MARKS = {
    "experiment.json": {"preset", "data", "model", "training"},  # a run
    "settings.json": {"preset", "data", "model", "training"},  # a model with a name
    "explain.json": {"title", "about", "sections"},
    "statistics.json": {"fingerprint", "mean_rgb"},  # `datasets --show`
    "duplicates.json": {"fingerprint", "groups"},  # `dedup`
    "meta.json": {"fingerprint", "skipped", "identity"},  # a prepared copy
}
"""Files that tell a folder of this project's, with some of the names that the object in them has."""


def why_foreign(name: str) -> str | None:
    """Why a file or a folder of that name is left out; None if it is not."""
    if name.startswith("."):
        return _HIDDEN
    return _NAMES.get(name.lower()) or _SUFFIXES.get(Path(name).suffix.lower())


def why_own(folder: str, names: list[str]) -> str | None:
    """Why a folder, in which files of these names lie, is left out as this project's own; None if it is not."""
    return _OWN if any(_is_mark(Path(folder, name)) for name in _MARKS.keys() & set(names)) else None


def _is_mark(path: Path) -> bool:
    try:
        content = read_json(path)
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and _MARKS[path.name] <= set(content)
