"""
Temporary directories, cleaned up even after kill -9.

Each directory is locked while it is in use. Creating one, erasing flags and the doctor remove the
directories that are no longer locked, which killed processes left.
"""

import json
import os
import re
import shutil
import stat
import sys
import tempfile
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from flagstone.fs.atomic import PART, entries_of, is_still, new_part
from flagstone.fs.locks import try_lock

_PREFIX = "flagstone-"
_OURS = re.compile(rf"{_PREFIX}[a-z0-9_]{{8}}")
_LOCK = "lock"
_ELSEWHERE = "elsewhere"
_COPY_OF = "copy-of"
_ERASED = "erased"


class Scratch:
    """A new private folder in the temporary directory, locked until `cleanup`."""

    def __init__(self) -> None:
        sweep_scratch()
        self.name, self._remove = _make(self)

    @property
    def path(self) -> Path:
        """The folder."""
        return Path(self.name)

    def cleanup(self) -> None:
        """Remove the folder and its content."""
        self._remove()

    def note_copy_of(self, urls: Iterable[str]) -> None:
        """Record that the folder holds a copy of the stores at *urls*, for `drop_copies_of`."""
        (self.path / _COPY_OF).write_text(json.dumps(list(urls)))

    def is_dropped(self) -> bool:
        """Return whether records were erased in a store that the folder holds a copy of."""
        return (self.path / _ERASED).exists()


@contextmanager
def scratch_in(folder: Path) -> Iterator[Path]:
    """
    Create a folder in *folder* for files that are renamed when complete; it is removed at the end.

    A `Scratch` records its path, so that it is also removed after a crash.
    """
    for left in entries_of(folder.resolve()):
        if left.name.startswith(PART):
            _remove_if_left(Path(left.path))
    note, lock = Scratch(), None
    try:
        while lock is None:
            part = new_part(folder)
            (note.path / _ELSEWHERE).write_text(json.dumps(str(part.absolute())))
            part.mkdir(parents=True)
            lock = _claim(part)
        with lock:
            try:
                yield part
            finally:
                _remove(part)
    finally:
        note.cleanup()


def sweep_scratch() -> None:
    """Remove the folders that killed processes left."""
    for entry in entries_of(_place()):
        if _OURS.fullmatch(entry.name):
            _remove_if_left(Path(entry.path))


def drop_copies_of(urls: Collection[str]) -> None:
    """Request that all processes drop their copies of the stores at *urls*; do not wait."""
    for folder in _copies_of(urls):
        with suppress(OSError):
            (folder / _ERASED).touch()


def has_copies_of(urls: Collection[str]) -> bool:
    """Return whether a process still has a copy of the stores at *urls* that it must drop."""
    return any((folder / _ERASED).exists() for folder in _copies_of(urls))


def _place() -> Path:
    """Return the temporary directory, with links resolved."""
    return Path(tempfile.gettempdir()).resolve()


def _copies_of(urls: Collection[str]) -> Iterator[Path]:
    for entry in entries_of(_place()):
        folder = Path(entry.path)
        if _OURS.fullmatch(entry.name) and _is_own(folder, stat.S_ISDIR):
            with suppress(OSError, ValueError, TypeError):
                if not set(urls).isdisjoint(json.loads((folder / _COPY_OF).read_text())):
                    yield folder


def _make(owner: object) -> tuple[str, Callable[[], object]]:
    """Create a locked folder that is removed with its *owner*; return it and its finalizer."""
    lock = None
    while lock is None:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        lock = _claim(folder)
    return str(folder), weakref.finalize(owner, _remove_own, folder, lock, os.getpid())


def _claim(folder: Path) -> IO[str] | None:
    """Lock the new *folder*; return None if another process removed it as a leftover."""
    with suppress(FileNotFoundError):
        lock = (folder / _LOCK).open("x")
        if try_lock(lock.fileno()) is not False and is_still(folder / _LOCK, lock.fileno()):
            return lock
        lock.close()
    return None


def _remove_own(folder: Path, lock: IO[str], pid: int) -> None:
    if os.getpid() == pid:  # not in a fork: the parent still needs the folder
        _remove(folder)
    lock.close()


def _remove_if_left(folder: Path) -> None:
    """Remove *folder* if it is ours and no process uses it."""
    lock = folder / _LOCK
    if not _is_own(folder, stat.S_ISDIR):
        return
    with suppress(OSError):  # another process was faster
        if not _is_own(lock, stat.S_ISREG):
            folder.rmdir()  # empty: a process was killed while it created or removed it
            return
        with lock.open("r+") as file:
            if try_lock(file.fileno()):
                _remove_elsewhere(folder)
                _remove(folder)


def _remove_elsewhere(folder: Path) -> None:
    """Remove the folder whose path *folder* records, if no process uses it."""
    with suppress(FileNotFoundError, ValueError):
        elsewhere = Path(json.loads((folder / _ELSEWHERE).read_text()))
        if elsewhere.name.startswith(PART):
            _remove_if_left(elsewhere)


def _is_own(path: Path, is_kind: Callable[[int], bool]) -> bool:
    """Return whether *path* is of this kind, not a link, and owned by this user."""
    try:
        status = path.lstat()
    except OSError:
        return False
    return sys.platform != "win32" and is_kind(status.st_mode) and status.st_uid == os.getuid()


def _remove(folder: Path) -> None:
    """Remove *folder*, its lock last, so that the next sweep can finish after a kill."""
    for entry in entries_of(folder):
        if entry.name == _LOCK:
            continue
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            with suppress(OSError):
                Path(entry.path).unlink()
    if [entry.name for entry in entries_of(folder)] == [_LOCK]:
        with suppress(OSError):
            (folder / _LOCK).unlink()
            folder.rmdir()
