"""
The records that reads skipped because they are damaged or were written by a newer version.

A bad record never hides good ones: reading continues, and what was skipped is recorded here, so
that an incomplete answer is never taken for a complete one.
"""

import threading
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from flagstone.core.records import Flag, NewerRecord, Outcome, Record, Review
from flagstone.errors import UnreadableRecordError
from flagstone.errors.safe_text import mask_url

_MAX_ITEMS = 1_000
"""Number of places stored; further ones are only counted."""


class Passed(NamedTuple):
    """A place that was skipped: where it is, and why it was not read."""

    location: str
    reason: str


class SkippedPlaces:
    """The places in a store that reads skipped, without duplicates, in the order of reading."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._places: dict[str, Passed] = {}
        self.more = 0
        """How often a place was skipped that could no longer be stored."""

    def note(self, error: UnreadableRecordError) -> None:
        """Record the location and the reason of *error*."""
        self.add(error.location, error.reason)

    def add(self, where: str, reason: str) -> None:
        """Record that the record at *where* was not read, and why."""
        where = mask_url(where)
        with self._lock:
            if where in self._places or len(self._places) < _MAX_ITEMS:
                self._places.setdefault(where, Passed(where, reason))
            else:
                self.more += 1

    def readable(self, records: Iterable[Record], where: str) -> Iterator[Flag | Review | Outcome]:
        """Yield those of *records*, of the store *where*, that this version can read."""
        for record in records:
            if isinstance(record, NewerRecord):
                self.add(f"{where}, id {record.id}", record.reason)
            else:
                yield record

    def __iter__(self) -> Iterator[Passed]:
        with self._lock:
            return iter(list(self._places.values()))

    def __len__(self) -> int:
        return len(self._places)

    def __bool__(self) -> bool:
        return bool(self._places)

    def __str__(self) -> str:
        """A summary: how many, the first one, and what to do next; "" if there are none."""
        if not self:
            return ""
        first = next(iter(self))
        number = f"{len(self):,}{'+' * bool(self.more)} record{'s' * (len(self) > 1)}"
        others = f", and {len(self) - 1:,} more" if len(self) > 1 else ""
        return (
            f"Skipped {number} that could not be read: {first.location} ({first.reason})"
            f"{others}. All other records were read, and the store was not changed; "
            "`flagstone doctor` lists each one."
        )
