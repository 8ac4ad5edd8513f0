"""
Folders for what can be made again: they go with the process, however that ends.

A folder holds a lock as long as it is in use. Whoever makes one, forgets flags or runs the doctor
removes those that nobody has locked any more: what a killed process left.
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
    """A new folder in the temporary directory, for its owner only; locked until `cleanup`."""

    def __init__(self) -> None:
        sweep_scratch()
        self.name, self._remove = _make(self)

    @property
    def path(self) -> Path:
        """The folder."""
        return Path(self.name)

    def cleanup(self) -> None:
        """Remove the folder with all that is in it."""
        self._remove()

    def note_copy_of(self, urls: Iterable[str]) -> None:
        """Note that it holds a copy of the stores at *urls*, for `drop_copies_of`."""
        (self.path / _COPY_OF).write_text(json.dumps(list(urls)))

    def is_dropped(self) -> bool:
        """Whether something was erased in the store that it holds a copy of."""
        return (self.path / _ERASED).exists()


@contextmanager
def scratch_in(folder: Path) -> Iterator[Path]:
    """
    A new folder for what is made in *folder* and renamed when it is whole; removed at the end.

    A scratch folder notes it, so that it is removed after a crash, too.
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
    """Remove the folders that a killed process left."""
    for entry in entries_of(_place()):
        if _OURS.fullmatch(entry.name):
            _remove_if_left(Path(entry.path))


def drop_copies_of(urls: Collection[str]) -> None:
    """Have all processes that hold a copy of the stores at *urls* drop it, which takes a moment."""
    for folder in _copies_of(urls):
        with suppress(OSError):
            (folder / _ERASED).touch()


def has_copies_of(urls: Collection[str]) -> bool:
    """Whether a process that was to drop its copy of the stores at *urls* still has it."""
    return any((folder / _ERASED).exists() for folder in _copies_of(urls))


def _place() -> Path:
    """The temporary directory, which may be a link."""
    return Path(tempfile.gettempdir()).resolve()


def _copies_of(urls: Collection[str]) -> Iterator[Path]:
    for entry in entries_of(_place()):
        folder = Path(entry.path)
        if _OURS.fullmatch(entry.name) and _is_own(folder, stat.S_ISDIR):
            with suppress(OSError, ValueError, TypeError):
                if not set(urls).isdisjoint(json.loads((folder / _COPY_OF).read_text())):
                    yield folder


def _make(owner: object) -> tuple[str, Callable[[], object]]:
    """A new locked folder that goes with its *owner*; and what removes it."""
    lock = None
    while lock is None:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        lock = _claim(folder)
    return str(folder), weakref.finalize(owner, _remove_own, folder, lock, os.getpid())


def _claim(folder: Path) -> IO[str] | None:
    """The lock of the new *folder*, locked; None where somebody took that for a crash's."""
    with suppress(FileNotFoundError):
        lock = (folder / _LOCK).open("x")
        if try_lock(lock.fileno()) is not False and is_still(folder / _LOCK, lock.fileno()):
            return lock
        lock.close()
    return None


def _remove_own(folder: Path, lock: IO[str], pid: int) -> None:
    if os.getpid() == pid:  # and not in a fork, whose parent still needs it
        _remove(folder)
    lock.close()


def _remove_if_left(folder: Path) -> None:
    """Remove *folder* if it is one of ours that no process has any more."""
    lock = folder / _LOCK
    if not _is_own(folder, stat.S_ISDIR):
        return
    with suppress(OSError):  # somebody else was faster
        if not _is_own(lock, stat.S_ISREG):
            folder.rmdir()  # empty: a process was killed as it made it, or as it removed it
            return
        with lock.open("r+") as file:
            if try_lock(file.fileno()):
                _remove_elsewhere(folder)
                _remove(folder)


def _remove_elsewhere(folder: Path) -> None:
    """Remove the folder that *folder* notes, if that is in use no more."""
    with suppress(FileNotFoundError, ValueError):
        elsewhere = Path(json.loads((folder / _ELSEWHERE).read_text()))
        if elsewhere.name.startswith(PART):
            _remove_if_left(elsewhere)


def _is_own(path: Path, is_kind: Callable[[int], bool]) -> bool:
    """Whether *path* is of this kind and this user's: no link, and nothing that others put here."""
    try:
        status = path.lstat()
    except OSError:
        return False
    return sys.platform != "win32" and is_kind(status.st_mode) and status.st_uid == os.getuid()


def _remove(folder: Path) -> None:
    """Remove *folder*, its lock last: what is left by a kill meanwhile is removed by the next."""
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
