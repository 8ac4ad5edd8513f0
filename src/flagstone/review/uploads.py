"""
Files uploaded for a correction: for a limited time, their sender may use them in one.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from flagstone.core.codec import FileRef

LIFE = 3600.0
"""Seconds an upload is valid; then `flagstone doctor` removes it if no record names it."""

_MAX_ITEMS = 10_000


class Uploads:
    """The uploads of each person; *clock* returns seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._mutex = threading.Lock()
        self._sent: OrderedDict[tuple[str, FileRef], float] = OrderedDict()

    def add(self, person: str, ref: FileRef) -> None:
        """Record that *person* has uploaded *ref*, which is already stored."""
        with self._mutex:
            self._sent[person, ref] = self._clock()
            self._sent.move_to_end((person, ref))
            self._forget()

    def of(self, person: str) -> list[FileRef]:
        """Return the files that *person* may use, latest first."""
        with self._mutex:
            self._forget()
            return [ref for name, ref in reversed(self._sent) if name == person]

    def _forget(self) -> None:
        oldest = self._clock() - LIFE
        while self._sent and (
            len(self._sent) > _MAX_ITEMS or next(iter(self._sent.values())) < oldest
        ):
            self._sent.popitem(last=False)
