"""
Recent reviews for pages that poll; the store is read at most once a second.
"""

import threading
import time
from collections import deque

from flagstone.core.records import Review
from flagstone.stores.base import Store

_PAUSE = 1.0
_MAX_KEPT = 1000


class News:
    """Numbered reviews that any process appends to *store* from now on."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._mutex = threading.Lock()
        self._mark: str | None = None
        self._asked_at = 0.0
        self._reviews: deque[tuple[int, Review]] = deque(maxlen=_MAX_KEPT)
        self._known: set[str] = set()
        self._number = 0

    def latest(self) -> int:
        """Return the number of the last review; a page then asks for the reviews after it."""
        with self._mutex:
            self._follow()
            return self._number

    def since(self, number: int) -> tuple[int, list[Review]]:
        """Return the latest number and the reviews after *number*."""
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
            # Some records from before the mark may be returned again.
            if isinstance(record, Review) and record.id not in self._known:
                self._number += 1
                self._reviews.append((self._number, record))
                self._known.add(record.id)
        self._mark = mark
        self._known &= {review.id for _, review in self._reviews}
