"""Text that users gave (names of folders, files, classes, models), for all the places that it is put into.

Such text is data: it may hold whatever a file system allows, and must not become a line of its own in a log, a command
to a terminal, a formula in a heading or a part of a path.
"""

import functools
import hashlib
import os
import shlex
import sys
import unicodedata
from collections.abc import Sequence
from pathlib import Path

NAME_BYTES = 80
"""Names made from names are cut here: file systems take 255 bytes, and something is put before and behind them."""


def one_line(text: str) -> str:
    """User text as one line that can be written as UTF-8, whatever its characters would do to a terminal or a page.

    Each character that is not shown (line breaks and other controls, marks that turn the direction of writing, bytes of
    a file name that are no UTF-8) becomes U+FFFD, the sign for what cannot be shown. All else stays as it is.
    """
    if text.isprintable():
        return text
    return "".join(_BAD if unicodedata.category(c) in _UNSEEN and c not in _JOINERS else c for c in text)


def shorten(text: str, length: int) -> str:
    """Text of at most `length` characters; of a longer one the beginning and the end, which tells names apart."""
    if len(text) <= length:
        return text
    end = (length - 1) // 3
    return f"{text[: length - 1 - end]}…{text[len(text) - end :]}"


def slug(text: str) -> str:
    """A part of a path made from user text, readable in its own script; "" if nothing can be kept.

    Letters, digits, symbols such as emojis, and `_ . -` stay, composed (NFC); all else becomes `-`, which together with
    `.` is stripped from the ends. At most NAME_BYTES bytes of UTF-8.
    """
    return _in_a_path(text).encode()[:NAME_BYTES].decode(errors="ignore").strip("-.")


def telling_slug(text: str, length: int = NAME_BYTES) -> str:
    """A `slug` that tells a text from others: of one of over `length` characters, or that `slug` would cut, that of
    its beginning and end, with some digits of a hash for what is cut out."""
    if len(text) <= length and len(_in_a_path(text).encode()) <= NAME_BYTES:
        return slug(text)
    digits = hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()[:6]
    return f"{slug(shorten(text, length))}-{digits}"


def _in_a_path(text: str) -> str:
    kept = "".join(c if _in_names(c) else " " for c in unicodedata.normalize("NFC", text))
    return "-".join(kept.split())


def find_name(name: str, names: Sequence[str]) -> int | None:
    """The place of the name that a user means; None if it is none of them, or may be more than one.

    Capitals do not count, nor whether words are parted by spaces or by underscores, but a name as it is comes first.
    """

    def plain(text: str) -> str:
        return text.strip().casefold().replace(" ", "_")

    for same in (str, plain):
        found = [place for place, known in enumerate(names) if same(known) == same(name)]
        if len(found) == 1:
            return found[0]
    return None


@functools.cache
def say_once(sentence: str) -> None:
    """Write a note about what a user may have meant to standard error; the same note is written once."""
    print(f"Note: {one_line(sentence)}", file=sys.stderr)


def command(*words: str | Path) -> str:
    """A command of this project that can be pasted into a shell: `./dcgan resume 'my runs/cats/0001-quick'`.

    Args:
        words: the command and its arguments; a Path is given as seen from the current folder.
    """
    return " ".join(["./dcgan", *(_quoted(from_here(w) if isinstance(w, Path) else w) for w in words)])


def unkept(data_dir: str | Path | None, force_precision: bool) -> list[str]:
    """The options of a training that its run does not keep, which have to be typed again to go on with it."""
    return [*(["--data-dir", str(data_dir)] if data_dir else []), *(["--force-precision"] if force_precision else [])]


def from_here(path: str | Path) -> str:
    """A path as the user would type it here; never like an option."""
    try:
        typed = str(Path(path).relative_to(Path.cwd()))
    except (ValueError, OSError):  # it lies elsewhere, or the current folder is gone
        typed = str(path)
    return f"./{typed}" if typed.startswith("-") else typed


_BAD = "\ufffd"
_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # controls, marks of formatting, halves of surrogate pairs, breaks
_JOINERS = "\u200c\u200d"  # formatting, too, but words of several scripts and emojis are written with them


def _in_names(c: str) -> bool:
    if c.isascii():
        return c.isalnum() or c in "_.-"
    category = unicodedata.category(c)
    return category[0] in "LMN" or category == "So"


def _quoted(word: str) -> str:
    if one_line(word) == word:
        return shlex.quote(word)
    # What must not reach the terminal is spelt out byte by byte, as bash and zsh read it.
    spelt = (c if one_line(c) == c else "".join(f"\\x{byte:02x}" for byte in os.fsencode(c)) for c in word)
    return "$'" + "".join({"\\": "\\\\", "'": "\\'"}.get(c, c) for c in spelt) + "'"
