"""
Withdrawn flags, so that simultaneous presses withdraw each flag only once.
"""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_MAX_FLAGS = 100_000


class Withdrawn:
    """The ids of the latest flags that this process has seen withdrawn."""

    def __init__(self) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._lock = Lock()
        self._turns = [Lock() for _ in range(64)]

    def __contains__(self, flag_id: str) -> bool:
        with self._lock:
            return flag_id in self._ids

    @contextmanager
    def once(self, flag_id: str) -> Iterator[bool]:
        """Yield whether the flag is still active; mark it withdrawn unless the block raises."""
        with self._turns[hash(flag_id) % len(self._turns)]:
            is_first = flag_id not in self
            yield is_first
            if is_first:
                self._add(flag_id)

    def _add(self, flag_id: str) -> None:
        with self._lock:
            self._ids[flag_id] = None
            while len(self._ids) > _MAX_FLAGS:
                self._ids.popitem(last=False)
