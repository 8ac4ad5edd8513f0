"""
Store records in memory, for tests and experiments; they are lost when the process ends.
"""

import threading
from collections.abc import Iterable, Iterator

from flagstone.core.records import Flag, Record
from flagstone.stores.base import Store, of_flags, require_files
from flagstone.stores.files import MemoryFiles


class MemoryStore(Store):
    """
    Records in a dict, each as JSON: a read never returns the object that was appended.
    """

    def __init__(self) -> None:
        self.location = "memory:"
        self.files = MemoryFiles()
        self._texts: dict[str, str] = {}  # id -> JSON, or "" for one that was erased
        self._lock = threading.Lock()

    def append(self, records: Iterable[Record]) -> None:
        records = list(records)
        require_files(records, self.files, self.location)
        texts = {record.id: record.to_json() for record in records}
        with self._lock:
            for record_id, text in texts.items():
                self._texts.setdefault(record_id, text)

    def scan(self, after: str | None = None) -> Iterator[Record]:
        with self._lock:
            entries = list(self._texts.items())[int(after or 0) :]
        for record_id, text in entries:
            where = f"{self.location} record {record_id}"
            if text and (record := self._parse(text, where)) is not None:
                yield record

    def cursor(self) -> str:
        return str(len(self._texts))

    def erase(self, flag_ids: Iterable[str]) -> None:
        ids, hashes = of_flags(flag_ids, self.scan())
        self._texts.update(dict.fromkeys(ids, ""))
        self.files.remove(hashes)

    def replace(self, flags: Iterable[Flag]) -> None:
        flags = list(flags)
        require_files(flags, self.files, self.location)
        texts = {flag.id: flag.to_json() for flag in flags}
        with self._lock:
            self._texts.update((id_, text) for id_, text in texts.items() if self._texts.get(id_))

    def existing_ids(self, ids: Iterable[str]) -> set[str]:
        return set(ids) & self._texts.keys()

    def close(self) -> None:
        """Do nothing: no resource is held open."""
