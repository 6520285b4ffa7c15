#!/usr/bin/env python3
"""Looks into what was downloaded, and unpacks it without ever leaving its folder. Needs Python 3.10, nothing else.

    unpack.py page FILE                                   is it no web page in place of a file?
    unpack.py md5|sha256 FILE CHECKSUM                    is it the published file?
    unpack.py values FILE CHECKSUM                        is it an array of NumPy with these numbers (sha256)?
    unpack.py holds FILE PATTERN=COUNT…                   is it a whole archive with so many files so named?
    unpack.py unpack FILE PATTERN=COUNT LIMIT NOTES FOLDER   unpack those files into FOLDER, and note them in NOTES
    unpack.py copy FILE TO                                copy a file
    unpack.py verify FOLDER NOTES                         are the unpacked files as they were noted?
    unpack.py alone LOCK                                  lock LOCK, which the caller has open as its file 9, for him

PATTERN is a regular expression for a whole name in the archive; COUNT is a number, or two with a dash between; LIMIT is
in bytes. What is wrong is said in one sentence on standard output, and by the exit code: 0 nothing; 3 try again later;
4 it is not what it should be; 5 there is not enough space; 6 an account is asked for; 7 something could not be read or
written, so that nothing is known about the file.
"""

import contextlib
import errno
import fcntl
import hashlib
import html
import lzma
import os
import re
import shutil
import stat
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

TRY_LATER, WRONG, NO_SPACE, ACCOUNT, UNKNOWN = 3, 4, 5, 6, 7
PIECE = 1 << 20  # bytes read at a time
DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, ValueError, OverflowError, RuntimeError),
    OSError,
)  # what reading a damaged archive may raise
NO_DISK = (None, errno.EINVAL)  # numbers of OSErrors by damage alone: bz2's, and of a place before the beginning


class Trouble(Exception):
    """What is wrong with a file, as words that follow "it is" or "it holds"; and the exit code."""

    def __init__(self, reason: str, code: int = WRONG):
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True)
class Member:
    """A regular file in an archive: its name, its declared size in bytes, and how to read it."""

    name: str
    bytes: int
    open: Callable[[], BinaryIO]


def page(file: Path) -> None:
    """Raise Trouble if the file is a web page, and name what the page says."""
    with file.open("rb") as stream:
        start = stream.read(1 << 16)
    if b"\0" in start[:1024] or not re.search(rb"<(!doctype\s+html|html[\s>])", start[:1024], re.IGNORECASE):
        return
    text = start.decode("utf-8", "replace")
    title = re.search("<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
    title = _printable(" ".join(html.unescape(title[1]).split())) if title else "without a title"
    if re.search("quota exceeded|too many users have viewed or downloaded", text, re.IGNORECASE):
        raise Trouble(f"a web page ({title}): the quota for downloads of this file is used up for now", TRY_LATER)
    if re.search(r"\b(sign|log)[ -]?in\b", title, re.IGNORECASE) or re.search("type=.?password", text, re.IGNORECASE):
        raise Trouble(f"a web page ({title}) that asks to log in", ACCOUNT)
    raise Trouble(f"a web page ({title})")


def checksum(algorithm: str, file: Path, published: str) -> None:
    """Raise Trouble unless the file has the published checksum."""
    page(file)
    digest, size = hashlib.new(algorithm, usedforsecurity=False), file.stat().st_size
    with file.open("rb") as stream:
        _pour(stream, (digest.update,), "Checking", size)
    if digest.hexdigest() != published:
        raise Trouble(f"not the published file (its {algorithm} is {digest.hexdigest()}, not {published})")


def values(file: Path, published: str) -> None:
    """Raise Trouble unless the file is an array of NumPy whose numbers, as they lie in it, have the published checksum.

    What stands before them may differ: every version of NumPy pads it in another way.
    """
    page(file)
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        if stream.read(6) != b"\x93NUMPY":
            raise Trouble("no array of NumPy")
        version, length = stream.read(2), int.from_bytes(stream.read(2), "little")
        header = stream.read(length)
        if version != b"\1\0" or len(header) < length or b"'fortran_order': False" not in header:
            raise Trouble("an array of NumPy in another form than the published one")
        _pour(stream, (digest.update,))
    if digest.hexdigest() != published:
        raise Trouble(f"not the published array (the sha256 of its numbers is {digest.hexdigest()}, not {published})")


def holds(file: Path, *expected: str) -> None:
    """Raise Trouble unless the archive holds the expected files, and each of them can be read to its end."""
    page(file)
    with _members(file) as members:
        wanted = [member for each in expected for member in _wanted(members, each)]
        size, done = sum(member.bytes for member in wanted), 0
        for member in wanted:
            with member.open() as stream:  # reading compares with the checksums in the archive
                _pour(stream, (), "Checking", size, done)
            done += member.bytes


def unpack(file: Path, expected: str, limit: int, notes: Path, folder: Path) -> None:
    """Unpack the expected files of an archive side by side into a folder.

    Nothing is written before every member of the archive was looked at. The files are unpacked into a fresh folder
    beside `notes`. When all are there it becomes `folder`; if that exists, each file takes its place in there. At the
    end all of it is on the disk, so the archive may be removed.

    Args:
        file: the archive. Its folders are not made again.
        expected: pattern and count of the files to unpack.
        limit: bytes that its members may take in all, by their declared sizes.
        notes: where to note their checksums, in the format of sha256sum.
        folder: where they go.
    """
    fresh = notes.with_suffix(".unpacking")
    shutil.rmtree(fresh, ignore_errors=True)
    with _members(file, limit) as members:
        wanted = _wanted(members, expected)
        names = [PurePosixPath(member.name).name for member in wanted]
        if len(set(names)) < len(names):
            raise Trouble("an archive with files of the same name")
        needed, free = sum(member.bytes for member in wanted), shutil.disk_usage(notes.parent).free
        if needed > free:
            raise Trouble(f"an archive of {needed >> 20} MiB unpacked, with {free >> 20} MiB free", NO_SPACE)
        fresh.mkdir()
        try:
            lines, done = [], 0
            for name, member in zip(names, wanted):
                digest = hashlib.sha256()
                with member.open() as packed, (fresh / name).open("xb") as unpacked:
                    _pour(packed, (digest.update, unpacked.write), "Unpacking", needed, done)
                done += member.bytes
                lines.append(f"{digest.hexdigest()}  {name}\n")
            _write(notes, "".join(lines))  # before the files: files without notes were put there by somebody else
            if folder.exists():
                for name in names:
                    (fresh / name).replace(folder / name)
            else:
                fresh.rename(folder)
            _force(*(folder / name for name in names), folder, notes.parent)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


def copy(file: Path, to: Path) -> None:
    """Copy a file. If that fails, nothing is left of the copy."""
    try:
        shutil.copyfile(file, to)
    except BaseException:
        to.unlink(missing_ok=True)
        raise


def verify(folder: Path, notes: Path) -> None:
    """Raise Trouble unless the files in the folder are those that were noted."""
    lines = notes.read_text(encoding="utf-8", errors="replace").splitlines()
    noted_files = [re.fullmatch(r"([0-9a-f]{64})  ([^/]+)", line) for line in lines]
    if not lines or None in noted_files:
        raise Trouble(f"not to be checked, for {notes} is damaged")
    damaged = []
    for noted, name in (match.groups() for match in noted_files):
        digest = hashlib.sha256()
        with contextlib.suppress(FileNotFoundError), (folder / name).open("rb") as stream:
            _pour(stream, (digest.update,))
        if digest.hexdigest() != noted:
            damaged.append(name)
    if damaged:
        raise Trouble(f"damaged: {len(damaged)} of {len(lines)} files are not as unpacked, {damaged[0]} the first")


def alone(lock: Path) -> None:
    """Raise Trouble if another run holds the lock. The caller has opened it as its file 9, and holds it from then on.

    On a disk without locks, as some network disks are, nobody is kept away.
    """
    try:
        fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(9), lock.stat()):
            return
    except FileNotFoundError:  # as with another file: a run that ended just now has removed the one that is open
        pass
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES):
            return
    raise Trouble("taken")


@contextlib.contextmanager
def _members(file: Path, limit: float = float("inf")) -> Iterator[list[Member]]:
    """Open a zip archive and give its regular files. Raise Trouble if it holds anything that could do harm.

    These are names that lead elsewhere, links, devices, and more bytes than `limit` by their declared sizes. zipfile
    cannot write more than a member's declared size, so a lie about it is no way around.
    """
    try:
        with contextlib.ExitStack() as stack:
            members, declared = [], 0
            for member in _zipped(file, stack):
                declared += member.bytes
                if declared > limit:
                    raise Trouble(f"an archive that declares more than the {limit >> 20} MiB it may take unpacked")
                members.append(member)
            yield members
    except DAMAGED as error:
        for system in (error, error.__context__):  # zipfile says there is no zip if it cannot read the file's end
            if isinstance(system, OSError) and system.errno not in NO_DISK:
                raise system from None
        raise Trouble(f"no zip archive, or a damaged one ({_printable(str(error))})") from error


def _zipped(file: Path, stack: contextlib.ExitStack) -> Iterator[Member]:
    archive = stack.enter_context(zipfile.ZipFile(file))
    for info in archive.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        _refuse_elsewhere(info.orig_filename)  # zipfile mends `filename`; a zip that needs it is none of ours
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise Trouble(f"an archive with a link or a device ({_printable(info.filename)})")
        if info.flag_bits & 1:
            raise Trouble(f"an archive with a password ({_printable(info.filename)})")
        if not info.is_dir():
            yield Member(info.filename, info.file_size, lambda info=info: archive.open(info))


def _refuse_elsewhere(name: str) -> None:
    """Raise Trouble if a name leads out of the folder that it is unpacked into, on any system."""
    parts = re.split(r"[/\\]", name)
    if parts[0] == "" or ".." in parts or re.match("[A-Za-z]:", name) or not name.isprintable():
        raise Trouble(f"an archive with a name that leads elsewhere ({_printable(name)})")


def _wanted(members: list[Member], expected: str) -> list[Member]:
    """The members of a name, for "PATTERN=COUNT". Raise Trouble unless they are so many."""
    pattern, count = expected.rsplit("=", 1)
    least, most = (int(number) for number in (count.split("-") * 2)[:2])
    wanted = [member for member in members if re.fullmatch(pattern, member.name)]
    if not least <= len(wanted) <= most:
        raise Trouble(f"an archive with {len(wanted)} files {pattern}, not {count}")
    return wanted


def _pour(stream: BinaryIO, into: tuple[Callable, ...], doing: str = "", size: int = 0, done: int = 0) -> None:
    """Read a stream to its end into every one of `into`; on a terminal show how much of `size` bytes is done."""
    while piece := stream.read(PIECE):
        for take in into:
            take(piece)
        done += len(piece)
        if size > 100 * PIECE and sys.stderr.isatty():
            print(f"\r{doing} {done / size:4.0%}", end="\r" if done >= size else "", file=sys.stderr, flush=True)


def _write(path: Path, text: str) -> None:
    """Write a text that appears whole or not at all, also if the machine is switched off."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    _force(part)
    part.replace(path)


def _force(*paths: Path) -> None:
    """Force files and folders to disk.

    A sync takes thousands of files in one go, where as many fsync would each wait for the disk. But it does not say
    whether it worked, nor wait on every system; the fsync that follow do, and find little left to do.
    """
    os.sync()
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):  # of folders some network disks refuse it
                raise
        finally:
            os.close(handle)


def _printable(text: str) -> str:
    """A text from outside, short, without what a terminal would obey."""
    return "".join(char if char.isprintable() else "?" for char in text)[:100]


def main(command: str, file: str, *rest: str) -> int:
    """Run one command; see the top of this file."""
    path = Path(file)
    try:
        if command == "page":
            page(path)
        elif command in ("md5", "sha256"):
            checksum(command, path, *rest)
        elif command == "values":
            values(path, *rest)
        elif command == "holds":
            holds(path, *rest)
        elif command == "unpack":
            expected, limit, notes, folder = rest
            unpack(path, expected, int(limit), Path(notes), Path(folder))
        elif command == "copy":
            copy(path, Path(rest[0]))
        elif command == "verify":
            verify(path, Path(rest[0]))
        elif command == "alone":
            alone(path)
        else:
            raise ValueError(f"there is no command {command}")
    except Trouble as trouble:
        print(trouble)
        return trouble.code
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        print(f"too large for the disk ({error})" if full else error)
        return NO_SPACE if full else UNKNOWN
    except MemoryError:
        print("there is not enough memory")
        return UNKNOWN
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
