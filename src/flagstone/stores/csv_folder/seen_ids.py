"""
Find which ids are in the logs of a folder, usually without reading the logs from the start.

A flag's id (UUIDv7) contains its creation time, before which it cannot have been stored. So for a
flag created after this object, only rows appended since then are read; for an older one, such as
one from `sync`, everything is read once.
"""

import os
import re
import time
from collections.abc import Iterable
from pathlib import Path

from flagstone.stores.csv_folder.log import END, CsvLog
from flagstone.stores.csv_folder.reader import end_of

_RECORD = b'"{""flagstone"":'
# The beginning of a row's last cell. User text in an earlier cell may look the same; within the
# last cell it cannot, as JSON puts a backslash before its quotes.
_ID = re.compile(rb'"{""flagstone"":\d+,""type"":""\w+"",""id"":""([^"]+)""')
_BLOCK = 1 << 24
_GENERATION = 20_000
"""Recent ids are dropped in generations of this size: at most two are held, about 5 MB."""


class KnownIds:
    """The ids in a folder's logs; *logs* are the current ones."""

    def __init__(self, logs: Iterable[Path]) -> None:
        self._read_to = {path: end_of(path)[1] for path in logs}  # the end of a complete row
        self._sizes = dict(self._read_to)  # of the file at the last read
        self._recent: set[str] = set()
        self._older: set[str] = set()
        self._recent_since = self._since = _now()

    def among(self, ids: Iterable[str], logs: Iterable[Path]) -> set[str]:
        """Return those of *ids* that are in *logs*."""
        ids = set(ids)
        if any(_made_at(record_id) < self._since for record_id in ids):
            self._since = 0  # from now on all ids are read and none is dropped
            self._sizes.clear()
            self._read_to.clear()
        for path in logs:
            self._catch_up(path)
        return (ids & self._recent) | (ids & self._older)

    def add(self, ids: Iterable[str], log: CsvLog) -> None:
        """Record that *ids* were just appended to *log*, so that it is not read again."""
        self._remember(ids)
        if log.end and log.start <= self._read_to.get(log.path, 0):
            self._sizes[log.path] = self._read_to[log.path] = log.end

    def _catch_up(self, path: Path) -> None:
        size = os.stat(path).st_size  # noqa: PTH116 - half the time
        if size == self._sizes.get(path):
            return
        if size < self._sizes.get(path, 0):  # rewritten
            self._read_to.pop(path, None)
        with path.open("rb") as file:
            file.seek(self._read_to.get(path, 0))
            rest = b""
            while block := file.read(_BLOCK):
                rest = self._remember_rows(path, rest + block)
            self._sizes[path] = file.tell()

    def _remember_rows(self, path: Path, block: bytes) -> bytes:
        """Add the ids of complete rows in *block*; return the rest, which may be undone."""
        end = 0
        for found in END.finditer(block):
            start, end = end, found.end()
            record = _ID.match(block, block.rfind(_RECORD, start, end))
            if record:
                self._remember([record[1].decode()])
        self._read_to[path] = self._read_to.get(path, 0) + end
        return block[end:]

    def _remember(self, ids: Iterable[str]) -> None:
        self._recent.update(ids)
        if self._since and len(self._recent) > _GENERATION:
            self._older, self._recent = self._recent, set()
            self._since, self._recent_since = self._recent_since, _now()


def _now() -> int:
    return time.time_ns() // 1_000_000


def _made_at(record_id: str) -> int:
    """Return the time in a UUIDv7, in milliseconds since 1970; 0 for any other id."""
    if record_id[14:15] != "7":
        return 0
    try:
        return int(record_id[:8] + record_id[9:13], 16)
    except ValueError:
        return 0
