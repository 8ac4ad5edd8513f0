"""
Bytes on the medium: copied, hashed, and there after a crash.
"""

import hashlib
import io
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

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


def new_part(folder: Path, prefix: str = PART) -> Path:
    """A name in *folder* that nobody has, for what is not whole yet."""
    return folder / f"{prefix}{os.urandom(8).hex()}"


def replace_durably(path: Path, content: bytes) -> None:
    """Make *content* the file *path*: after a crash it is the old one or the new one, whole."""
    part = new_part(path.parent)
    with part.open("xb") as writer:
        writer.write(content)
        writer.flush()
        os.fsync(writer.fileno())
    part.replace(path)
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
