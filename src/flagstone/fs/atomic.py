"""
Bytes on the medium: copied, hashed, and there after a crash.
"""

import hashlib
import io
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from flagstone.fs.locks import try_lock

BLOCK = 8 << 20
"""Bytes of a file in memory at a time."""

_PIECE = 1 << 18
"""Bytes hashed at a time: few enough to stay in the processor's cache."""


def copy_and_hash(reader: BinaryIO, writer: io.FileIO, head: bytes = b"") -> tuple[str, int]:
    """
    Copy *head* and the rest of *reader* to the medium: the SHA-256 of the copy, in hexadecimal, and
    its size in bytes.

    The copy is hashed by a second thread, behind the one that writes it and waits for the medium.
    """
    from concurrent.futures import ThreadPoolExecutor

    digest = hashlib.sha256()
    size = 0
    with Path(writer.name).open("rb", buffering=0) as copy, ThreadPoolExecutor(1) as hashing:
        hashed = []
        count = _write_all(writer, head) or _copy_block(reader, writer)
        while count:
            hashed.append(hashing.submit(_hash_next, digest, copy, count))
            size += count
            count = _copy_block(reader, writer)
        os.fsync(writer.fileno())
        for part in hashed:
            part.result()
    return digest.hexdigest(), size


def _copy_block(reader: BinaryIO, writer: io.FileIO) -> int:
    """Copy the next block; says how many bytes that were, 0 at the end."""
    if isinstance(reader, io.FileIO):
        with suppress(OSError, AttributeError):  # not between these two, or not on this system
            return os.copy_file_range(reader.fileno(), writer.fileno(), BLOCK)
    return _write_all(writer, reader.read(BLOCK))


def _write_all(writer: io.FileIO, content: bytes) -> int:
    view = memoryview(content)
    while view:
        view = view[writer.write(view) :]
    return len(content)


def _hash_next(digest: Any, copy: io.FileIO, count: int) -> None:
    while count:
        piece = copy.read(min(_PIECE, count))
        digest.update(piece)
        count -= len(piece)


PART = ".part-"
"""How the name of a file begins that is not whole yet."""

_RANDOM = 16  # digits behind that
_GRACE = 3600.0
"""Seconds for which a part may be in use where no lock can tell."""


def new_part(folder: Path, prefix: str = PART) -> Path:
    """A name in *folder* that nobody has, for what is not whole yet."""
    return folder / f"{prefix}{os.urandom(_RANDOM // 2).hex()}"


class Part:
    """A file that is not whole yet, open and locked, so that `sweep_parts` leaves it alone."""

    def __init__(self, path: Path, file: io.FileIO) -> None:
        self.path = path
        self.file = file

    def become(self, path: Path) -> None:
        """Be the file *path* from now on, in place of the one that may be there."""
        if sys.platform == "win32":  # which renames no open file
            self.file.close()
        self.path.replace(path)


@contextmanager
def open_part(folder: Path, prefix: str = PART) -> Iterator[Part]:
    """A new part in *folder*; removed at the end unless it has become something."""
    while True:
        path = new_part(folder, prefix)
        with path.open("x+b", buffering=0) as file:
            # Between these two calls somebody may have taken it for one that a crash left.
            if try_lock(file.fileno()) is not False and is_still(path, file.fileno()):
                try:
                    yield Part(path, file)
                finally:
                    path.unlink(missing_ok=True)
                return


def is_still(path: str | Path, handle: int) -> bool:
    """Whether *path* is the file that was opened: it may have been deleted or replaced since."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.stat(path), os.fstat(handle))  # noqa: PTH116 - half the time
    return False


def sweep_parts(folder: Path, prefix: str = PART, *, dry_run: bool = False) -> dict[str, int]:
    """
    Delete the parts in *folder* itself that a crash left. Says their names and sizes.

    With *dry_run* they stay. Links are not followed.
    """
    swept: dict[str, int] = {}
    is_part = re.compile(rf"{re.escape(prefix)}[0-9a-f]{{{_RANDOM}}}")
    for entry in entries_of(folder):
        if is_part.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
            with suppress(FileNotFoundError, PermissionError):  # somebody's, or finished by now
                size = entry.stat(follow_symlinks=False).st_size
                if _sweep_part(Path(entry.path), dry_run=dry_run):
                    swept[entry.name] = size
    return swept


def _sweep_part(path: Path, *, dry_run: bool) -> bool:
    """Delete the part *path* if a crash left it; says whether, with *dry_run* whether it would."""
    with path.open("r+b") as file:
        is_left = try_lock(file.fileno())
        if is_left is None:
            is_left = time.time() - os.fstat(file.fileno()).st_mtime > _GRACE
        if is_left and not dry_run and sys.platform != "win32":
            path.unlink()
    if is_left and not dry_run:
        path.unlink(missing_ok=True)
    return is_left


def entries_of(folder: Path) -> list[os.DirEntry[str]]:
    """What is in *folder*; nothing where there is no such folder, or it is a link to one."""
    try:
        if folder.is_symlink():
            return []
        with os.scandir(folder) as found:
            return list(found)
    except (FileNotFoundError, NotADirectoryError):
        return []


def replace_durably(path: Path, content: bytes, *, written: int | None = None) -> None:
    """
    Make *content* the file *path*: after a crash it is the old one or the new one, whole.

    It says that it was *written* so many nanoseconds after 1970, or now.
    """
    with open_part(path.parent) as part:
        _write_all(part.file, content)
        if written is not None:
            os.utime(part.path, ns=(written, written))
        os.fsync(part.file.fileno())
        part.become(path)
    sync_directory(path.parent)


def append_durably(path: Path, line: bytes) -> None:
    """Append *line*, which ends the file *path* or makes it; others may append at the same time."""
    with path.open("a+b", buffering=0) as file:
        if file.tell() and _last_byte(file) != b"\n":  # a crash cut the line before
            line = b"\n" + line
        file.write(line + b"\n")  # one call: lines of others come before or behind it
        os.fsync(file.fileno())
    sync_directory(path.parent)


def _last_byte(file: io.FileIO) -> bytes:
    file.seek(-1, os.SEEK_END)
    return file.read(1)


def sync_directory(path: Path) -> None:
    """Make the names in the directory *path* durable, where the system can (POSIX)."""
    if os.name == "posix":
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def hash_of(file: BinaryIO) -> str:
    """The SHA-256 of the rest of *file*, in hexadecimal."""
    digest = hashlib.sha256()
    while piece := file.read(_PIECE):
        digest.update(piece)
    return digest.hexdigest()
