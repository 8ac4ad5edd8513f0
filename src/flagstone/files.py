"""
Where the bytes of flagged files lie: beside the store, under their hash, each once.

A file is put before the record that refers to it, and is on the medium when `put` returns.
"""

import errno
import hashlib
import io
import os
import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from flagstone.codec import FileRef
from flagstone.errors import StoreError, StoreFullError

_BLOCK = 1 << 20


class Files(ABC):
    """The files of one store."""

    @abstractmethod
    def put(self, source: Path | BinaryIO, *, name: str, mime_type: str | None = None) -> FileRef:
        """
        Keep the bytes of *source* and say under which hash; durable when it returns.

        *source* is read once, in constant memory. Raises `StoreError` with nothing half-kept.
        """

    @abstractmethod
    def open(self, ref: FileRef) -> BinaryIO:
        """The bytes of *ref*, for reading. Raises `FileNotFoundError` where there are none."""

    @abstractmethod
    def has(self, ref: FileRef) -> bool:
        """Whether the bytes of *ref* are here."""

    @abstractmethod
    def remove(self, hashes: Iterable[str]) -> None:
        """Delete the files with these hashes; those that are not here are passed over."""


class MemoryFiles(Files):
    """Files in a dict: for tests and for demos that may forget."""

    def __init__(self) -> None:
        self._contents: dict[str, bytes] = {}

    def put(self, source: Path | BinaryIO, *, name: str, mime_type: str | None = None) -> FileRef:
        content = source.read_bytes() if isinstance(source, Path) else source.read()
        sha256 = hashlib.sha256(content).hexdigest()
        self._contents[sha256] = content
        return FileRef(sha256=sha256, name=name, mime_type=mime_type, size=len(content))

    def open(self, ref: FileRef) -> BinaryIO:
        if ref.sha256 not in self._contents:
            raise FileNotFoundError(errno.ENOENT, "no such file in this store", ref.sha256)
        return io.BytesIO(self._contents[ref.sha256])

    def has(self, ref: FileRef) -> bool:
        return ref.sha256 in self._contents

    def remove(self, hashes: Iterable[str]) -> None:
        for sha256 in hashes:
            self._contents.pop(sha256, None)


class DirectoryFiles(Files):
    """Files in the directory *root*, made on first use: `ab/abcdef…` for the hash abcdef…"""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, sha256: str) -> Path:
        """Where the bytes with this hash lie, if they are here."""
        return self.root / sha256[:2] / sha256

    def put(self, source: Path | BinaryIO, *, name: str, mime_type: str | None = None) -> FileRef:
        part = self.root / f"part-{secrets.token_hex(8)}"
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with _opened(source) as reader, part.open("xb") as writer:
                sha256, size = _copy_and_hash(reader, writer)
                if not self.path(sha256).exists():
                    writer.flush()
                    os.fsync(writer.fileno())
            self._settle(part, self.path(sha256))
        except OSError as error:
            part.unlink(missing_ok=True)
            raise store_error(error, doing="keep a file in", where=str(self.root)) from error
        return FileRef(sha256=sha256, name=name, mime_type=mime_type, size=size)

    def _settle(self, part: Path, place: Path) -> None:
        # The name appears only when the bytes are safe: a file under its hash is always whole.
        made = not place.parent.exists()
        place.parent.mkdir(exist_ok=True)
        if place.exists():
            part.unlink()
        else:
            part.replace(place)
        # Also where the file was there: whoever put it may not have come so far yet.
        sync_directory(place.parent)
        if made:
            sync_directory(self.root)
            sync_directory(self.root.parent)

    def open(self, ref: FileRef) -> BinaryIO:
        return self.path(ref.sha256).open("rb")

    def has(self, ref: FileRef) -> bool:
        return self.path(ref.sha256).exists()

    def remove(self, hashes: Iterable[str]) -> None:
        for sha256 in hashes:
            self.path(sha256).unlink(missing_ok=True)
            with suppress(OSError):  # not empty: other files share the directory
                self.path(sha256).parent.rmdir()


def _opened(source: Path | BinaryIO) -> BinaryIO:
    return source.open("rb") if isinstance(source, Path) else source


def _copy_and_hash(reader: BinaryIO, writer: BinaryIO) -> tuple[str, int]:
    """Copy all of *reader* to *writer* in one pass: the SHA-256 in hexadecimal, and the bytes."""
    digest = hashlib.sha256()
    size = 0
    while block := reader.read(_BLOCK):
        digest.update(block)
        writer.write(block)
        size += len(block)
    return digest.hexdigest(), size


def replace_durably(path: Path, content: bytes) -> None:
    """Make *content* the file *path*: after a crash it is the old one or the new one, whole."""
    part = path.with_name(f".part-{secrets.token_hex(8)}")
    with part.open("xb") as writer:
        writer.write(content)
        writer.flush()
        os.fsync(writer.fileno())
    part.replace(path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the names in the directory *path* durable, where the system can (POSIX)."""
    if os.name == "posix":
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def store_error(error: OSError, *, doing: str, where: str) -> StoreError:
    """*error* as one of ours: full, or the system's reason in words."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StoreFullError(where=where)
    return StoreError(doing=doing, where=where, reason=error.strerror or str(error))
