"""
How often somebody may guess a password: counted before anything is hashed.

A guess counts by the address it comes from and the name it is for, so that a stranger elsewhere
locks nobody out. Who has logged in with a browser before is known by a cookie of it, and counted
apart: not even strangers at the same address, behind the same proxy, stand in their way.
"""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

WITHIN = 60.0
"""Seconds within which guesses count."""

_BY_NAME, _BY_ADDRESS = 10, 30
_MAX_KEYS = 10_000
_MAX_AT_ONCE, _MAX_WAITING = 2, 8

Key = tuple[str, ...]


class Attempts:
    """Guesses by key, in the last minute of *clock* (seconds)."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._mutex = threading.Lock()
        self._made: OrderedDict[Key, deque[float]] = OrderedDict()

    def begin(self, keys: dict[Key, int]) -> bool:
        """Count a guess under each of *keys*, unless one of them has had its number of guesses."""
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
        """Count the last guess under *keys* no more: it was right."""
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
    """Under what a guess counts, and how often a minute; *device* is a known browser of *name*."""
    if device is not None:
        return {("device", device): _BY_NAME}
    return {("name", address, name): _BY_NAME, ("address", address): _BY_ADDRESS}


@dataclass(slots=True)
class Slot:
    """A thread that hashes, one password after the other, with a short queue before it."""

    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "flagstone"))
    _mutex: threading.Lock = field(default_factory=threading.Lock)
    _waiting: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def place(self, address: str) -> Iterator[bool]:
        """A place in the queue while the context lasts; False where *address* may have none."""
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
