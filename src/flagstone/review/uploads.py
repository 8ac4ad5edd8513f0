"""
Files that people have just sent for a correction: whoever sent one may name it, for a while.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from flagstone.core.codec import FileRef

LIFE = 3600.0
"""Seconds after which it is forgotten; `flagstone doctor` then removes what no record names."""

_MAX_ITEMS = 10_000


class Uploads:
    """What was sent, by person, by *clock* (seconds)."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._mutex = threading.Lock()
        self._sent: OrderedDict[tuple[str, FileRef], float] = OrderedDict()

    def add(self, person: str, ref: FileRef) -> None:
        """*person* has sent *ref*, which is in the store."""
        with self._mutex:
            self._sent[person, ref] = self._clock()
            self._sent.move_to_end((person, ref))
            self._forget()

    def of(self, person: str) -> list[FileRef]:
        """What *person* may name, the latest first."""
        with self._mutex:
            self._forget()
            return [ref for name, ref in reversed(self._sent) if name == person]

    def _forget(self) -> None:
        oldest = self._clock() - LIFE
        while self._sent and (
            len(self._sent) > _MAX_ITEMS or next(iter(self._sent.values())) < oldest
        ):
            self._sent.popitem(last=False)
