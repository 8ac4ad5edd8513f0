"""
Rate limit of password attempts, which are counted before anything is hashed.

Attempts are counted by address and name, so that an attacker elsewhere cannot lock a user out. A
browser in which the user has logged in before has a cookie and is counted separately, so that
others at the same address or behind the same proxy cannot lock it out either.
"""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

WITHIN = 60.0
"""Seconds for which an attempt counts."""

_BY_NAME, _BY_ADDRESS = 10, 30
_MAX_KEYS = 10_000
_MAX_AT_ONCE, _MAX_WAITING = 2, 8

Key = tuple[str, ...]


class Attempts:
    """Attempts by key in the last minute; *clock* returns seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._mutex = threading.Lock()
        self._made: OrderedDict[Key, deque[float]] = OrderedDict()

    def begin(self, keys: dict[Key, int]) -> bool:
        """Count an attempt under each of *keys*; return False if one has reached its limit."""
        with self._mutex:
            now = self._clock()
            if any(self._count(key, now) >= most for key, most in keys.items()):
                return False
            for key in keys:
                self._made.setdefault(key, deque()).append(now)
                self._made.move_to_end(key)
            while len(self._made) > _MAX_KEYS:
                self._made.popitem(last=False)
            return True

    def forgive(self, keys: dict[Key, int]) -> None:
        """Remove the last attempt under *keys*, which was right or was not checked."""
        with self._mutex:
            for key in keys:
                if self._made.get(key):
                    self._made[key].pop()

    def _count(self, key: Key, now: float) -> int:
        made = self._made.get(key, deque())
        while made and now - made[0] >= WITHIN:
            made.popleft()
        return len(made)


def keys_of(address: str, name: str, device: str | None) -> dict[Key, int]:
    """Return the keys of an attempt with their limits; *device* is a known browser of *name*."""
    if device is not None:
        return {("device", device): _BY_NAME}
    return {("name", address, name): _BY_NAME, ("address", address): _BY_ADDRESS}


@dataclass(slots=True)
class Slot:
    """A thread that hashes one password at a time, with a short queue."""

    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "flagstone"))
    _mutex: threading.Lock = field(default_factory=threading.Lock)
    _waiting: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def place(self, address: str) -> Iterator[bool]:
        """Hold a place in the queue while the context lasts; yield False if there is none."""
        with self._mutex:
            own = self._waiting.get(address, 0)
            is_free = own < _MAX_AT_ONCE and sum(self._waiting.values()) < _MAX_WAITING
            if is_free:
                self._waiting[address] = own + 1
        try:
            yield is_free
        finally:
            if is_free:
                with self._mutex:
                    self._waiting[address] -= 1
                    if not self._waiting[address]:
                        del self._waiting[address]
