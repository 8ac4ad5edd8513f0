"""
Storage for flagged files: next to the store, named by their hash, without duplicates.

A file is stored before the record that refers to it, and is on the medium when `put` returns.
"""

import errno
import hashlib
import io
import os
import re
import stat
import time
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Container, Iterable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, BinaryIO

from flagstone.core.codec import FileRef, escape_surrogates
from flagstone.errors import ChangingFileError, DamagedFileError, store_error
from flagstone.fs.atomic import (
    BLOCK,
    Part,
    copy_and_hash,
    entries_of,
    hash_of,
    open_part,
    sweep_parts,
    sync_directory,
)
from flagstone.fs.locks import try_lock

_RENEWAL = 0.1
"""Seconds after which using a file updates its time, so that no `sweep` or erasure deletes it."""

_ATTEMPTS = 4
_PAUSE = 0.05
"""How often a file that changes while it is read is retried, and after how many seconds."""

_TICK = 2.0
"""Seconds within which a file's times may not show that it was written to."""

_MAX_RECENT = 10_000

_PART = "part-"
_DOOMED = "doomed-"
"""Prefix of the name of a file that is being deleted; its hash follows."""

_SHORT_HASH = re.compile("[0-9a-f]{2}")

_Kept = tuple[str, int, Part | None]
"""The hash and size of a file, and the part to rename to it if it is not stored yet."""

_UNSAFE_IN_NAMES = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')
_MAX_NAME_LENGTH = 180  # bytes; with the suffix still below the 255 of every file system
_MAX_SUFFIX_LENGTH = 16


class Files(ABC):
    """The files of one store."""

    @abstractmethod
    def put(self, source: Path | BinaryIO, *, name: str, mime_type: str | None = None) -> FileRef:
        """
        Save the bytes of *source*, durably, and return a reference with their hash.

        *source* is read once, in constant memory. Raises `ChangingFileError` if the file is
        written to while it is read, and `StoreError`. On an error, nothing is saved.
        """

    @abstractmethod
    def open(self, ref: FileRef) -> BinaryIO:
        """Open the bytes of *ref* for reading. Raises `FileNotFoundError` if not stored."""

    @abstractmethod
    def has(self, ref: FileRef) -> bool:
        """Whether the bytes of *ref* are stored; if so, no running `sweep` or `remove` has them."""

    def missing(self, refs: Iterable[FileRef]) -> list[FileRef]:
        """Return those of *refs* that are not stored; faster than `has` for many of them."""
        return [ref for ref in refs if not self.has(ref)]

    @abstractmethod
    def remove(self, hashes: Iterable[str], *, before: float | None = None) -> None:
        """
        Delete the files with these hashes; those that are not stored are skipped.

        With *before*, seconds since 1970, only those not stored or used since then.
        """

    @abstractmethod
    def sweep(self, needed: Container[str], *, age: float, dry_run: bool = False) -> dict[str, int]:
        """
        Delete what a crash left behind: files that are not *needed*, and parts of files.

        Files stored less than *age* seconds ago stay, as their record may not be saved yet.
        Returns the names and sizes of deleted files; with *dry_run*, nothing is deleted.
        """

    def export(self, ref: FileRef, folder: Path) -> Path:
        """
        Copy *ref* to a new directory in *folder*, and return the path. The caller owns the copy.

        It has the name of the uploaded file, as far as the file system allows.
        """
        import shutil
        import tempfile

        with self.open(ref) as reader:
            folder.mkdir(parents=True, exist_ok=True)
            place = Path(tempfile.mkdtemp(dir=folder)) / safe_name(ref.name)
            with place.open("xb") as writer:
                shutil.copyfileobj(reader, writer, BLOCK)
        return place


class MemoryFiles(Files):
    """Files in a dict, for tests and for demos that need not persist data."""

    def __init__(self) -> None:
        self._contents: dict[str, bytes] = {}

    def put(self, source: Path | BinaryIO, *, name: str, mime_type: str | None = None) -> FileRef:
        try:
            content = source.read_bytes() if isinstance(source, Path) else source.read()
        except OSError as error:
            raise store_error(error, doing="save a file in", where="memory:") from error
        sha256 = hashlib.sha256(content).hexdigest()
        self._contents[sha256] = content
        return FileRef(sha256=sha256, name=name, mime_type=mime_type, size=len(content))

    def open(self, ref: FileRef) -> BinaryIO:
        if ref.sha256 not in self._contents:
            raise FileNotFoundError(errno.ENOENT, "no such file in this store", ref.sha256)
        return io.BytesIO(self._contents[ref.sha256])

    def has(self, ref: FileRef) -> bool:
        return ref.sha256 in self._contents

    def remove(self, hashes: Iterable[str], *, before: float | None = None) -> None:  # noqa: ARG002
        for sha256 in hashes:
            self._contents.pop(sha256, None)

    def sweep(self, needed: Container[str], *, age: float, dry_run: bool = False) -> dict[str, int]:  # noqa: ARG002 - nothing here outlives a crash
        return {}


class DirectoryFiles(Files):
    """Files in the directory *root*, created on first use: `ab/abcdef…` for the hash abcdef…"""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._recent = _RecentHashes()
        # What is known to be on the medium: hashes of files, each with its device and inode (a
        # later file of that name has others), and directories.
        self._durable: dict[str, tuple[int, ...]] = {}
        self._synced: set[Path] = set()

    def path(self, sha256: str) -> Path:
        """Return the path of the bytes with this hash, stored or not."""
        return self.root / sha256[:2] / sha256

    def put(self, source: Path | BinaryIO, *, name: str, mime_type: str | None = None) -> FileRef:
        try:
            with ExitStack() as parts:
                if isinstance(source, Path):
                    sha256, size, part = self._keep_path(source, parts)
                else:
                    sha256, size, part = self._keep(source, parts)
                if part is not None and not self._renew(sha256, size):
                    self._settle(part, self.path(sha256))
        except OSError as error:
            raise store_error(error, doing="save a file in", where=str(self.root)) from error
        return FileRef(sha256=sha256, name=name, mime_type=mime_type, size=size)

    def _keep_path(self, source: Path, parts: ExitStack) -> _Kept:
        for _ in range(_ATTEMPTS):
            with source.open("rb", buffering=0) as reader:
                before = os.fstat(reader.fileno())
                known = self._recent.get(before)
                if known is not None and self._renew(known, before.st_size):
                    return known, before.st_size, None
                sha256, size, part = self._keep(reader, parts)
                after = os.fstat(reader.fileno())
            if (size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns):
                self._recent.add(before, sha256)
                return sha256, size, part
            parts.close()
            time.sleep(_PAUSE)  # Gradio rewrites an upload that it already has; that is quick
        raise ChangingFileError(path=str(source))

    def _keep(self, reader: BinaryIO, parts: ExitStack) -> _Kept:
        """Write *reader* to a part unless already stored; return its hash, its size, the part."""
        head = _read_block(reader)
        if len(head) < BLOCK:  # the whole file
            sha256 = hashlib.sha256(head).hexdigest()
            if self._renew(sha256, len(head)):
                return sha256, len(head), None
        self.root.mkdir(parents=True, exist_ok=True)
        part = parts.enter_context(open_part(self.root, _PART))
        return *copy_and_hash(reader, part.file, head), part

    def _renew(self, sha256: str, size: int) -> bool:
        """Whether a file is stored completely; if so, protect it from `sweep` for a while."""
        place = f"{self.root}/{sha256[:2]}/{sha256}"  # building a Path takes as long as the call
        try:
            status = os.stat(place)  # noqa: PTH116
            if time.time() - status.st_mtime > _RENEWAL:
                _touch(place)
        except FileNotFoundError:
            return False
        if status.st_size != size or not stat.S_ISREG(status.st_mode):
            return False  # damaged: storing it again repairs it
        if self._durable.get(sha256) != (status.st_dev, status.st_ino):
            self._sync_name(Path(place))  # the process that stored it may not have synced it yet
            _remember(self._durable, sha256, (status.st_dev, status.st_ino))
        return True

    def _settle(self, part: Part, place: Path) -> None:
        # The name appears only when the bytes are durable: a stored file is always complete.
        if not place.parent.exists():
            place.parent.mkdir(exist_ok=True)
            self._synced.discard(place.parent)
        _touch(part.path)
        part.become(place)
        self._sync_name(place)

    def _sync_name(self, place: Path) -> None:
        """Make the name *place* durable, and those of its parent directories."""
        sync_directory(place.parent)
        if place.parent not in self._synced:  # its creator may not have synced it yet
            sync_directory(self.root)
            sync_directory(self.root.parent)
            self._synced.add(place.parent)

    def open(self, ref: FileRef) -> BinaryIO:
        return self.path(ref.sha256).open("rb")

    def has(self, ref: FileRef) -> bool:
        return self._renew(ref.sha256, ref.size)

    def remove(self, hashes: Iterable[str], *, before: float | None = None) -> None:
        for sha256 in hashes:
            self._bring_back(sha256)
            with suppress(FileNotFoundError):
                self._discard(self.path(sha256), before)
            with suppress(OSError):  # not empty: other files share the directory
                self.path(sha256).parent.rmdir()

    def sweep(self, needed: Container[str], *, age: float, dry_run: bool = False) -> dict[str, int]:
        latest = time.time() - age
        swept = self.sweep_parts(dry_run=dry_run)
        for path in self._files():
            with suppress(FileNotFoundError):  # another process deleted it
                status = path.lstat()
                is_left = path.name not in needed and status.st_mtime < latest
                if is_left and (dry_run or self._discard(path, latest)):
                    swept[path.name] = status.st_size
        return swept

    def sweep_parts(self, *, dry_run: bool = False) -> dict[str, int]:
        """Delete the parts of files that a crash left; return their names and sizes."""
        for entry in [] if dry_run else entries_of(self.root):
            if entry.name.startswith(_DOOMED):
                self._bring_back(entry.name.removeprefix(_DOOMED))
        return sweep_parts(self.root, _PART, dry_run=dry_run)

    def _files(self) -> Iterator[Path]:
        """Yield the paths of stored files; links are ignored."""
        for folder in entries_of(self.root):
            if _SHORT_HASH.fullmatch(folder.name):
                for entry in entries_of(Path(folder.path)):
                    if entry.is_file(follow_symlinks=False):
                        yield Path(entry.path)

    def _discard(self, path: Path, before: float | None) -> bool:
        """Delete *path* unless its time was updated since *before*, even at this moment."""
        doomed = self.root / f"{_DOOMED}{path.name}"
        with path.open("rb") as file:
            try_lock(file.fileno())  # shows `_bring_back` that this deletion is still running
            path.replace(doomed)
            if before is not None and doomed.stat().st_mtime >= before:
                doomed.replace(path)
                return False
            doomed.unlink()
        return True

    def _bring_back(self, sha256: str) -> None:
        """Undo a `_discard` that a crash interrupted, so that the check is repeated."""
        doomed, path = self.root / f"{_DOOMED}{sha256}", self.path(sha256)
        with suppress(FileNotFoundError), doomed.open("rb") as file:
            if try_lock(file.fileno()) is False:
                return
            if path.exists():
                doomed.unlink()
            else:
                path.parent.mkdir(exist_ok=True)
                doomed.replace(path)


def safe_name(name: str) -> str:
    """
    Return *name* as one path component, unchanged if possible; never empty, `.` or `..`.

    Different names stay different: a changed name contains part of the hash of the original.
    """
    safe = unicodedata.normalize("NFC", _UNSAFE_IN_NAMES.sub("", escape_surrogates(name))).strip(
        " ."
    )
    if safe and safe == name and len(safe.encode()) <= _MAX_NAME_LENGTH:
        return name
    stem, dot, suffix = safe.rpartition(".")
    if not stem or len(suffix) > _MAX_SUFFIX_LENGTH:
        stem, dot, suffix = safe, "", ""
    mark = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:8]
    stem = stem.encode()[:_MAX_NAME_LENGTH].decode(errors="ignore")
    return f"{stem}-{mark}{dot}{suffix}".lstrip("-")


def require_intact(files: Files, ref: FileRef, where: str) -> None:
    """Raise `DamagedFileError` if the file *ref* of a record at *where* is missing or damaged."""
    try:
        with files.open(ref) as file:
            is_sound = hash_of(file) == ref.sha256
    except FileNotFoundError as error:
        raise damaged_file(ref, where, is_missing=True) from error
    if not is_sound:
        raise damaged_file(ref, where)


def damaged_file(ref: FileRef, where: str, *, is_missing: bool = False) -> DamagedFileError:
    """Return the error for the file *ref* of a record at *where*."""
    what = "is missing" if is_missing else "does not match its hash"
    return DamagedFileError(where=where, reason=f"its file {ref.name!r} {what}")


def begin_removal() -> float:
    """Return the time for `remove(before=…)`; later uses of a file update its time."""
    began = time.time()
    time.sleep(2 * _RENEWAL)
    return began


def _touch(path: str | Path) -> None:
    """Set the time of *path* to now; the system's own clock for this is coarser."""
    now = time.time_ns()
    os.utime(path, ns=(now, now))


def _read_block(reader: BinaryIO) -> bytes:
    """Read a full block, unless *reader* ends; a pipe or socket may return less at a time."""
    block = reader.read(BLOCK)
    while block and len(block) < BLOCK and (more := reader.read(BLOCK - len(block))):
        block += more
    return block


class _RecentHashes:
    """
    The hashes of recently read files, by the `stat` fields that change on a write.

    A file written to within the clock tick in which it was read looks unchanged, so a file that
    has just changed is not cached (as in Git: Documentation/technical/racy-git).
    """

    def __init__(self) -> None:
        self._hashes: dict[tuple[int, ...], str] = {}

    def get(self, status: os.stat_result) -> str | None:
        return self._hashes.get(_identity(status))

    def add(self, status: os.stat_result, sha256: str) -> None:
        if time.time() - max(status.st_mtime, status.st_ctime) > _TICK:
            _remember(self._hashes, _identity(status), sha256)


def _remember(known: dict[Any, Any], key: Any, value: Any) -> None:
    """Cache *value*; the cache is emptied when it is full."""
    if len(known) >= _MAX_RECENT:
        known.clear()
    known[key] = value


def _identity(status: os.stat_result) -> tuple[int, ...]:
    """Return what identifies a file, and what changes when it is written to."""
    times = status.st_mtime_ns, status.st_ctime_ns
    return status.st_dev, status.st_ino, status.st_size, *times
