"""Files that appear whole or not at all."""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

_UNFINISHED = ".unfinished-"  # how the names of files begin that are being written


@contextlib.contextmanager
def appears_whole(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; when the block ends well it takes the place of `path` in one step.

    The temporary file keeps the suffix of `path`, so writers that choose a format by suffix work. When the block fails,
    or the process dies, `path` is as it was. The content is forced to disk before the rename, so that a machine that is
    switched off does not leave an empty file under the final name.

    Args:
        path: the file to write; its folder is made if need be.

    Yields:
        The path to write to.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f"{_UNFINISHED}{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp's 0600 would hide a run from its owner's group
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_unfinished(folder: str | Path) -> None:
    """Remove what writers that were killed left below `folder`; nobody else may be writing there."""
    for path in Path(folder).rglob(f"{_UNFINISHED}*"):
        path.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8; the file appears whole or not at all."""
    with appears_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: object) -> None:
    """Write `value` as readable JSON; the file appears whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: str | Path):
    """Read a JSON file."""
    return json.loads(Path(path).read_text(encoding="utf-8"))
