"""
What readers of a store passed over, because it is damaged or a newer version wrote it.

One bad record never hides good ones: who reads goes on, and notes here what was not read, so that
nobody takes an answer for whole that is not.
"""

import threading
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from flagstone.core.records import Flag, NewerRecord, Outcome, Record, Review
from flagstone.errors import UnreadableRecordError
from flagstone.errors.safe_text import mask_url

_MAX_ITEMS = 1_000
"""Places that are held; of more only the number is known."""


class Passed(NamedTuple):
    """A place that was passed over: where it is, and why it was not read."""

    location: str
    reason: str


class SkippedPlaces:
    """The places in a store that its readers passed over, each once, in the order they were met."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._places: dict[str, Passed] = {}
        self.more = 0
        """How often something was passed over when there was no more room to note it."""

    def note(self, error: UnreadableRecordError) -> None:
        """Note what *error* says of a place."""
        self.add(error.location, error.reason)

    def add(self, where: str, reason: str) -> None:
        """Note that the record at *where* was not read, and why."""
        where = mask_url(where)
        with self._lock:
            if where in self._places or len(self._places) < _MAX_ITEMS:
                self._places.setdefault(where, Passed(where, reason))
            else:
                self.more += 1

    def readable(self, records: Iterable[Record], where: str) -> Iterator[Flag | Review | Outcome]:
        """Those of *records* of the store *where* that this version reads; the others are noted."""
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
        """One sentence: how many, which is the first, and the way out; "" where there are none."""
        if not self:
            return ""
        first = next(iter(self))
        number = f"{len(self):,}{'+' * bool(self.more)} record{'s' * (len(self) > 1)}"
        others = f", and {len(self) - 1:,} more" if len(self) > 1 else ""
        return (
            f"Passed over {number} that could not be read: {first.location} ({first.reason})"
            f"{others}. All others are told, and the store was not changed; "
            "`flagstone doctor` names each."
        )
