"""
Ended sessions: after a logout, no copy of the session's cookie is accepted.

A session is a signed cookie that the server does not store. The server stores the ids of ended
sessions until they expire, in a file if the cookies outlive the process.
"""

import os
import threading
import time
from pathlib import Path

from flagstone.errors.safe_logs import logger_of

logger = logger_of(__name__)


class EndedSessions:
    """Ids of ended sessions, each stored for *seconds*; processes share them in the file *path*."""

    def __init__(self, seconds: float, path: Path | None = None) -> None:
        self._seconds = seconds
        self._path = path
        self._mutex = threading.Lock()
        self._until: dict[str, float] = {}
        self._read_at: tuple[int, int] | None = None

    def add(self, session_id: str) -> None:
        """End the session *session_id*."""
        until = time.time() + self._seconds
        with self._mutex:
            self._until = {each: end for each, end in self._until.items() if end > time.time()}
            self._until[session_id] = until
            if self._path is not None:
                self._append(f"{session_id} {until:.0f}\n", self._path)

    def has(self, session_id: str) -> bool:
        """Whether the session was ended."""
        with self._mutex:
            if self._path is not None:
                self._follow(self._path)
            return session_id in self._until

    def _append(self, line: str, path: Path) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        try:
            file = os.open(path, flags, 0o600)
            try:
                os.write(file, line.encode())
                os.fsync(file)
            finally:
                os.close(file)
        except OSError as error:
            logger.warning("Cannot record in %s that a session ended: %s", path, error)

    def _follow(self, path: Path) -> None:
        """Read the file if it has changed."""
        try:
            status = path.stat()
            read_at = status.st_mtime_ns, status.st_size
            if read_at == self._read_at:
                return
            lines = path.read_text(encoding="ascii", errors="replace").splitlines()
        except OSError:  # no one has logged out yet
            return
        self._read_at = read_at
        for line in lines:
            session_id, _, until = line.partition(" ")
            if until.isdigit() and float(until) > time.time():
                self._until[session_id] = float(until)
