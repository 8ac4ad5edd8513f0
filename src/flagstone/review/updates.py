"""
What has just been decided: pages ask again and again, the store is asked once a second at most.
"""

import threading
import time
from collections import deque

from flagstone.core.records import Review
from flagstone.stores.base import Store

_PAUSE = 1.0
_MAX_KEPT = 1000


class News:
    """The reviews that reach *store* from now on, whoever appends them, with a number each."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._mutex = threading.Lock()
        self._mark: str | None = None
        self._asked_at = 0.0
        self._reviews: deque[tuple[int, Review]] = deque(maxlen=_MAX_KEPT)
        self._known: set[str] = set()
        self._number = 0

    def latest(self) -> int:
        """The number of the last review so far: a page asks for those since."""
        with self._mutex:
            self._follow()
            return self._number

    def since(self, number: int) -> tuple[int, list[Review]]:
        """The latest number, and the reviews that came after *number*."""
        with self._mutex:
            self._follow()
            return self._number, [review for n, review in self._reviews if n > number]

    def _follow(self) -> None:
        now = time.monotonic()
        if self._mark is None:
            self._mark = self._store.cursor()
        elif now - self._asked_at < _PAUSE:
            return
        self._asked_at = now
        mark = self._store.cursor()
        if mark == self._mark:
            return
        for record in self._store.scan(after=self._mark):
            # Some from before the mark may come again.
            if isinstance(record, Review) and record.id not in self._known:
                self._number += 1
                self._reviews.append((self._number, record))
                self._known.add(record.id)
        self._mark = mark
        self._known &= {review.id for _, review in self._reviews}
