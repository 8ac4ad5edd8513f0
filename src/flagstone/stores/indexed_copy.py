"""
Fast reads of any store: its records are copied to a database with an index.

A folder of CSV files or shards is read completely for each query. So a reader has a copy of its
own, updates it before each query, and rebuilds it after an erasure. Writes go to the store; files
are not copied.
"""

import threading
import weakref
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import suppress
from itertools import count, islice
from pathlib import Path
from typing import BinaryIO

from flagstone.core.codec import FileRef
from flagstone.core.query import Pair, Query, State
from flagstone.core.records import Flag
from flagstone.errors import StoreError
from flagstone.fs.tempdirs import Scratch
from flagstone.stores.base import PreparedStore, Store
from flagstone.stores.files import Files

_BATCH_SIZE = 5_000
_TIMEOUT = 0.2
"""Seconds to wait for the lock before `is_ready` reports that the copy is being updated."""

_WATCH = 0.5
"""Seconds between checks whether a process on this machine has erased something."""

_LOOK = 60
"""One in this many checks queries the store itself, where other machines may erase, too."""

Make = Callable[[Path, Files], Store]
"""Creates an empty store in a folder, with the given files."""


class IndexedCopy(PreparedStore):
    """Wrap *store*; reads use a copy that *make* creates in a temporary folder."""

    def __init__(self, store: Store, make: Make) -> None:
        super().__init__(store)
        self._make = make
        self._lock = threading.Lock()  # guards what follows
        self._copy: Store | None = None
        self._edition = ""
        self._mark: str | None = None
        self._scratch: Scratch | None = None
        self._closed = threading.Event()

    def prepare(self, progress: Callable[[int], None] | None = None) -> None:
        self._current(progress).count()  # builds the index, too

    def is_ready(self) -> bool:
        if not self._lock.acquire(timeout=_TIMEOUT):
            return False
        try:
            return self._copy is not None and self.store.generation() == self._edition
        finally:
            self._lock.release()

    def states(self, flag_ids: Iterable[str]) -> dict[str, State]:
        return self._current().states(flag_ids)

    def count_by_fingerprint(self, fingerprints: Iterable[str]) -> Counter[str]:
        return self._current().count_by_fingerprint(fingerprints)

    def find(self, query: Query | None = None) -> Iterator[Flag]:
        return self._current().find(query)

    def count(self, query: Query | None = None) -> int:
        return self._current().count(query)

    def facets(self, query: Query | None = None) -> dict[str, Counter[str | None]]:
        return self._current().facets(query)

    def crosstab(self, query: Query, *pairs: tuple[str, str]) -> list[Counter[Pair]]:
        return self._current().crosstab(query, *pairs)

    def reviewed(self, query: Query) -> Iterator[State]:
        return self._current().reviewed(query)

    def erase(self, flag_ids: Iterable[str]) -> None:
        try:
            self.store.erase(flag_ids)
        finally:
            self._drop()

    def close(self) -> None:
        self._closed.set()
        with self._lock:
            if self._copy is not None:
                self._copy.close()
            self._copy = self._scratch = None
        self.store.close()

    def drop_if_erased(self, *, look: bool) -> None:
        """Drop the copy if something was erased; with *look*, query the store itself, too."""
        with self._lock:
            scratch, edition = self._scratch, self._edition
        with suppress(StoreError, OSError):
            if scratch and (scratch.is_dropped() or (look and self.store.generation() != edition)):
                self._drop(scratch)

    def is_dropped(self) -> bool:
        """Whether there is currently no copy."""
        return self._scratch is None

    def _drop(self, scratch: Scratch | None = None) -> None:
        """Release the copy, if it is the one in *scratch*; its last reader deletes it."""
        with self._lock:
            if scratch is None or scratch is self._scratch:
                self._copy = self._scratch = None

    def _current(self, progress: Callable[[int], None] | None = None) -> Store:
        """Return the updated copy."""
        with self._lock:
            edition, mark = self.store.generation(), self.store.cursor()
            if self._copy is None or edition != self._edition:
                folder = Scratch()
                urls = [store.url for store in (self.store, *self.store.parts)]
                folder.note_copy_of(filter(None, urls))
                self._copy = self._make(folder.path, FilesElsewhere(self.store.files))
                # Deleted with its last reader, which may outlive the creation of the next copy.
                weakref.finalize(self._copy, folder.cleanup)
                if self._scratch is None:
                    _watch(self, self._closed)
                self._scratch = folder
                self._edition, self._mark = edition, None
            if mark != self._mark:
                records, done = self._readable(self.store.scan(after=self._mark)), 0
                while some := list(islice(records, _BATCH_SIZE)):
                    self._copy.append(some)
                    done += len(some)
                    if progress is not None:
                        progress(done)
                self._mark = mark
            return self._copy


def _watch(store: IndexedCopy, closed: threading.Event) -> None:
    """Drop the copy of *store* soon after an erasure, even without a query."""
    watched = weakref.ref(store)

    def watch() -> None:
        for number in count(1):
            if closed.wait(_WATCH) or (store := watched()) is None:
                return
            store.drop_if_erased(look=number % _LOOK == 0)
            if store.is_dropped():
                return
            del store

    threading.Thread(target=watch, name="flagstone-copy", daemon=True).start()


class FilesElsewhere(Files):
    """*files* for a copy of records: they can be opened, but not removed."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def put(self, source: Path | BinaryIO, *, name: str, mime_type: str | None = None) -> FileRef:
        return self._files.put(source, name=name, mime_type=mime_type)

    def open(self, ref: FileRef) -> BinaryIO:
        return self._files.open(ref)

    def has(self, ref: FileRef) -> bool:
        return True  # if not, the original store does not have it either

    def remove(self, hashes: Iterable[str], *, before: float | None = None) -> None:
        """Do nothing: the files belong to the original store."""

    def sweep(self, needed: Container[str], *, age: float, dry_run: bool = False) -> dict[str, int]:
        """Do nothing: the files belong to the original store."""
        return {}
