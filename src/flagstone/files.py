"""
Where the bytes of flagged files lie: beside the store, under their hash, each once.

A file is put before the record that refers to it, and is on the medium when `put` returns.
"""

import errno
import hashlib
import io
import os
import re
import time
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Container, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from flagstone.codec import FileRef
from flagstone.errors import ChangingFileError, StoreError, StoreFullError

_BLOCK = 8 << 20
"""Bytes of a file in memory at a time; a smaller one is written only if it is new."""

_PIECE = 1 << 18
"""Bytes hashed at a time: few enough to stay in the processor's cache."""

_RENEWAL = 600.0
"""Seconds after which a file put again counts as new, so that no `sweep` takes it for left over."""

_TICK = 2.0
"""Seconds within which a file's times may not tell that it was written to."""

_MOST_RECENT = 10_000

_UNSAFE_IN_NAMES = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')
_LONGEST_NAME = 180  # bytes; with what is put behind it still below every file system's 255
_LONGEST_SUFFIX = 16


class Files(ABC):
    """The files of one store."""

    @abstractmethod
    def put(self, source: Path | BinaryIO, *, name: str, mime_type: str | None = None) -> FileRef:
        """
        Keep the bytes of *source* and say under which hash; durable when it returns.

        *source* is read once, in constant memory. Raises `ChangingFileError` for a file that is
        written to meanwhile, and `StoreError`; with nothing half-kept.
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

    @abstractmethod
    def sweep(self, needed: Container[str], *, age: float, dry_run: bool = False) -> dict[str, int]:
        """
        Delete what a crash left behind: files that are not *needed*, and parts of files.

        What was put less than *age* seconds ago stays, as its record may be on its way. Says the
        names and sizes; with *dry_run*, of what would be deleted.
        """

    def export(self, ref: FileRef, folder: Path) -> Path:
        """
        A copy of *ref* at `folder/<its hash>/<its name>`, made if it is not there yet.

        The name is the person's own as far as a file system allows.
        """
        place = folder / ref.sha256 / safe_name(ref.name)
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            part = place.parent / f"part-{os.urandom(8).hex()}"
            with self.open(ref) as reader, part.open("x+b", buffering=0) as writer:
                _copy_and_hash(reader, writer)
            part.replace(place)
        return place


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

    def sweep(self, needed: Container[str], *, age: float, dry_run: bool = False) -> dict[str, int]:  # noqa: ARG002 - nothing here outlives a crash
        return {}


class DirectoryFiles(Files):
    """Files in the directory *root*, made on first use: `ab/abcdef…` for the hash abcdef…"""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._recent = _RecentHashes()
        self._durable: dict[str, int] = {}  # the inodes whose names are known to be on the medium

    def path(self, sha256: str) -> Path:
        """Where the bytes with this hash lie, if they are here."""
        return self.root / sha256[:2] / sha256

    def put(self, source: Path | BinaryIO, *, name: str, mime_type: str | None = None) -> FileRef:
        part = self.root / f"part-{os.urandom(8).hex()}"
        try:
            if isinstance(source, Path):
                sha256, size = self._keep_path(source, part)
            else:
                sha256, size = self._keep(source, part)
            if part.exists():
                self._settle(part, self.path(sha256))
        except OSError as error:
            part.unlink(missing_ok=True)
            raise store_error(error, doing="keep a file in", where=str(self.root)) from error
        return FileRef(sha256=sha256, name=name, mime_type=mime_type, size=size)

    def _keep_path(self, source: Path, part: Path) -> tuple[str, int]:
        with source.open("rb", buffering=0) as reader:
            before = os.fstat(reader.fileno())
            known = self._recent.get(before)
            if known is not None and self._renew(known):
                return known, before.st_size
            sha256, size = self._keep(reader, part)
            after = os.fstat(reader.fileno())
        if _identity(after) != _identity(before):
            part.unlink(missing_ok=True)
            raise ChangingFileError(path=str(source))
        self._recent.add(before, sha256)
        return sha256, size

    def _keep(self, reader: BinaryIO, part: Path) -> tuple[str, int]:
        """Write what *reader* gives to *part*, unless it is here: its hash and its size."""
        head = reader.read(_BLOCK)
        if len(head) < _BLOCK:  # all of it
            sha256 = hashlib.sha256(head).hexdigest()
            if self._renew(sha256):
                return sha256, len(head)
        self.root.mkdir(parents=True, exist_ok=True)
        with part.open("x+b", buffering=0) as writer:
            return _copy_and_hash(reader, writer, head)

    def _renew(self, sha256: str) -> bool:
        """Whether a file is here; if so, it is safe from a `sweep` for a while."""
        place = self.path(sha256)
        try:
            status = place.stat()
            if time.time() - status.st_mtime > _RENEWAL:
                os.utime(place)
        except FileNotFoundError:
            return False
        if self._durable.get(sha256) != status.st_ino:
            # Whoever put it may not have come so far yet.
            sync_directory(place.parent)
            if len(self._durable) >= _MOST_RECENT:
                self._durable.clear()
            self._durable[sha256] = status.st_ino
        return True

    def _settle(self, part: Path, place: Path) -> None:
        # The name appears only when the bytes are safe: a file under its hash is always whole.
        made = not place.parent.exists()
        place.parent.mkdir(exist_ok=True)
        part.replace(place)
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

    def sweep(self, needed: Container[str], *, age: float, dry_run: bool = False) -> dict[str, int]:
        latest = time.time() - age
        swept: dict[str, int] = {}
        for path in [*self.root.glob("part-*"), *self.root.glob("[0-9a-f][0-9a-f]/*")]:
            with suppress(FileNotFoundError):  # somebody else has finished it, or swept it
                status = path.stat()
                is_left = path.name not in needed and status.st_mtime < latest
                if is_left and (dry_run or self._discard(path, latest)):
                    swept[path.name] = status.st_size
        return swept

    def _discard(self, path: Path, latest: float) -> bool:
        """Delete *path*, unless somebody puts it anew in this very moment."""
        doomed = self.root / f"part-{os.urandom(8).hex()}"
        path.replace(doomed)
        if doomed.stat().st_mtime >= latest:  # renewed before it was moved
            doomed.replace(path)
            return False
        doomed.unlink()
        return True


def safe_name(name: str) -> str:
    """
    *name* as one part of a path, the same wherever it can be; never empty, `.` or `..`.

    Different names stay different: one that had to be changed carries a piece of its hash.
    """
    plain = name.encode(errors="backslashreplace").decode()  # no lone surrogates
    safe = unicodedata.normalize("NFC", _UNSAFE_IN_NAMES.sub("", plain)).strip(" .")
    if safe and safe == name and len(safe.encode()) <= _LONGEST_NAME:
        return name
    stem, dot, suffix = safe.rpartition(".")
    if not stem or len(suffix) > _LONGEST_SUFFIX:
        stem, dot, suffix = safe, "", ""
    mark = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:8]
    stem = stem.encode()[:_LONGEST_NAME].decode(errors="ignore")
    return f"{stem}-{mark}{dot}{suffix}".lstrip("-")


def hash_of(path: Path) -> str:
    """The SHA-256 of the file *path*, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _RecentHashes:
    """
    The hashes of files read lately, by what of a file changes when it is written to.

    A file written to within the clock's tick in which it was read looks unchanged, so one that
    changed just now is not remembered (as Git has it: Documentation/technical/racy-git).
    """

    def __init__(self) -> None:
        self._hashes: dict[tuple[int, ...], str] = {}

    def get(self, status: os.stat_result) -> str | None:
        return self._hashes.get(_identity(status))

    def add(self, status: os.stat_result, sha256: str) -> None:
        if time.time() - max(status.st_mtime, status.st_ctime) > _TICK:
            if len(self._hashes) >= _MOST_RECENT:
                self._hashes.clear()
            self._hashes[_identity(status)] = sha256


def _identity(status: os.stat_result) -> tuple[int, ...]:
    """Which file it is, and what changes when it is written to."""
    times = status.st_mtime_ns, status.st_ctime_ns
    return status.st_dev, status.st_ino, status.st_size, *times


def _copy_and_hash(reader: BinaryIO, writer: Any, head: bytes = b"") -> tuple[str, int]:
    """
    Copy *head* and the rest of *reader* to the medium: the SHA-256 of the copy, and its size.

    The copy is hashed by a second thread, behind the one that writes it and waits for the medium.
    """
    from concurrent.futures import ThreadPoolExecutor

    digest = hashlib.sha256()
    with ThreadPoolExecutor(1) as hashing:
        hashed = []
        size, count = 0, _write_all(writer, head) or _copy_block(reader, writer)
        while count:
            hashed.append(hashing.submit(_hash_range, digest, writer.fileno(), size, count))
            size += count
            count = _copy_block(reader, writer)
        os.fsync(writer.fileno())
        for part in hashed:
            part.result()
    return digest.hexdigest(), size


def _copy_block(reader: BinaryIO, writer: Any) -> int:
    """Copy the next block; says how many bytes that were, 0 at the end."""
    if isinstance(reader, io.FileIO):
        with suppress(OSError, AttributeError):  # not between these two, or not on this system
            return os.copy_file_range(reader.fileno(), writer.fileno(), _BLOCK)
    return _write_all(writer, reader.read(_BLOCK))


def _write_all(writer: Any, content: bytes) -> int:
    view = memoryview(content)
    while view:
        view = view[writer.write(view) :]
    return len(content)


def _hash_range(digest: Any, handle: int, start: int, count: int) -> None:
    for place in range(start, start + count, _PIECE):
        digest.update(os.pread(handle, min(_PIECE, start + count - place), place))


def replace_durably(path: Path, content: bytes) -> None:
    """Make *content* the file *path*: after a crash it is the old one or the new one, whole."""
    part = path.with_name(f".part-{os.urandom(8).hex()}")
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
