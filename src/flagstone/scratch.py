"""
A folder for what can be made again: it goes with the process, however that ends.

Whoever makes one removes those that a killed process left, which nobody has locked any more.
"""

import os
import shutil
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import IO

_PREFIX = "flagstone-"
_LOCK = "lock"
_YOUNG = 60.0
"""Seconds in which a folder may not be locked yet."""


class Scratch(TemporaryDirectory[str]):
    """A new folder, for its owner only; locked until it is cleaned up."""

    def __init__(self) -> None:
        _sweep()
        super().__init__(prefix=_PREFIX)
        self._lock = (Path(self.name) / _LOCK).open("w")
        _try_to_lock(self._lock)

    def cleanup(self) -> None:
        self._lock.close()
        super().cleanup()


def _sweep() -> None:
    for lock in Path(gettempdir()).glob(f"{_PREFIX}*/{_LOCK}"):
        try:
            if _is_left(lock):
                shutil.rmtree(lock.parent)
        except OSError:  # somebody else was faster, or it is not ours to remove
            continue


def _is_left(lock: Path) -> bool:
    """Whether the folder of *lock* is one of ours that no process has any more."""
    status = lock.lstat()
    is_own = sys.platform != "win32" and status.st_uid == os.getuid()
    if not is_own or time.time() - status.st_mtime < _YOUNG:
        return False
    with lock.open("r+") as file:
        return _try_to_lock(file)


def _try_to_lock(file: IO[str]) -> bool:
    """Lock *file* if nobody has; where the system has no such locks it is not locked."""
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
