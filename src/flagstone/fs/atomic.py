"""
Copy, hash and write files atomically and durably.
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
"""Size in bytes of the blocks that files are copied in."""

_PIECE = 1 << 18
"""Size in bytes of the pieces that are hashed; small enough for the CPU cache."""


def copy_and_hash(reader: BinaryIO, writer: io.FileIO, head: bytes = b"") -> tuple[str, int]:
    """
    Write *head* and the rest of *reader* durably; return SHA-256 (hexadecimal) and size in bytes.

    A second thread hashes the copy while the first one writes and waits for the medium.
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
    """Copy the next block; return its size in bytes, 0 at the end."""
    if isinstance(reader, io.FileIO):
        with suppress(OSError, AttributeError):  # not supported for these files or on this system
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
"""Prefix of the names of incomplete files."""

_RANDOM = 16  # digits after the prefix
_GRACE = 3600.0
"""Seconds before a part counts as left over, where locks are not supported."""


def new_part(folder: Path, prefix: str = PART) -> Path:
    """Return an unused name in *folder* for an incomplete file."""
    return folder / f"{prefix}{os.urandom(_RANDOM // 2).hex()}"


class Part:
    """An incomplete file, open and locked, so that `sweep_parts` skips it."""

    def __init__(self, path: Path, file: io.FileIO) -> None:
        self.path = path
        self.file = file

    def become(self, path: Path) -> None:
        """Rename the part to *path*, replacing an existing file."""
        if sys.platform == "win32":  # which cannot rename open files
            self.file.close()
        self.path.replace(path)


@contextmanager
def open_part(folder: Path, prefix: str = PART) -> Iterator[Part]:
    """Create a part in *folder*; it is removed at the end unless `become` was called."""
    while True:
        path = new_part(folder, prefix)
        with path.open("x+b", buffering=0) as file:
            # Between these two calls, `sweep_parts` may have deleted it as a leftover.
            if try_lock(file.fileno()) is not False and is_still(path, file.fileno()):
                try:
                    yield Part(path, file)
                finally:
                    path.unlink(missing_ok=True)
                return


def is_still(path: str | Path, handle: int) -> bool:
    """Return whether *path* is still the opened file, neither deleted nor replaced."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.stat(path), os.fstat(handle))  # noqa: PTH116 - twice as fast
    return False


def sweep_parts(folder: Path, prefix: str = PART, *, dry_run: bool = False) -> dict[str, int]:
    """
    Delete the parts that a crash left directly in *folder*; return their names and sizes.

    With *dry_run* nothing is deleted. Links are not followed.
    """
    swept: dict[str, int] = {}
    is_part = re.compile(rf"{re.escape(prefix)}[0-9a-f]{{{_RANDOM}}}")
    for entry in entries_of(folder):
        if is_part.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
            with suppress(
                FileNotFoundError, PermissionError
            ):  # of another user, or finished by now
                size = entry.stat(follow_symlinks=False).st_size
                if _sweep_part(Path(entry.path), dry_run=dry_run):
                    swept[entry.name] = size
    return swept


def _sweep_part(path: Path, *, dry_run: bool) -> bool:
    """Delete the part *path* if it is a leftover, except in a *dry_run*; return whether it is."""
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
    """Return the entries of *folder*; none if it does not exist or is a link."""
    try:
        if folder.is_symlink():
            return []
        with os.scandir(folder) as found:
            return list(found)
    except (FileNotFoundError, NotADirectoryError):
        return []


def replace_durably(path: Path, content: bytes, *, written: int | None = None) -> None:
    """
    Replace the file *path* by *content*; after a crash it is complete, either old or new.

    *written* sets its modification time, in nanoseconds since 1970; the default is now.
    """
    with open_part(path.parent) as part:
        _write_all(part.file, content)
        if written is not None:
            os.utime(part.path, ns=(written, written))
        os.fsync(part.file.fileno())
        part.become(path)
    sync_directory(path.parent)


def append_durably(path: Path, line: bytes) -> None:
    """Append *line* to the file *path*, creating it if needed; safe for concurrent writers."""
    with path.open("a+b", buffering=0) as file:
        if file.tell() and _last_byte(file) != b"\n":  # a crash truncated the last line
            line = b"\n" + line
        file.write(line + b"\n")  # one call, so that lines of others do not mix with it
        os.fsync(file.fileno())
    sync_directory(path.parent)


def _last_byte(file: io.FileIO) -> bytes:
    file.seek(-1, os.SEEK_END)
    return file.read(1)


def sync_directory(path: Path) -> None:
    """Make the names in the directory *path* durable, on systems that support it (POSIX)."""
    if os.name == "posix":
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def hash_of(file: BinaryIO) -> str:
    """Return the SHA-256 of the rest of *file*, in hexadecimal."""
    digest = hashlib.sha256()
    while piece := file.read(_PIECE):
        digest.update(piece)
    return digest.hexdigest()
