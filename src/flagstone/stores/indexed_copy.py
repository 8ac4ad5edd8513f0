"""
Any store for those who read it: its records are copied to a database, which has an index.

A folder of CSV files or of shards is read whole for each question. So a reader keeps a copy of its
own, brings it up to date before it asks, and makes it anew when something was erased. What is
written goes to the store; files stay where they are.
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
"""Seconds for which somebody may bring the copy up to date before it is being made."""

_WATCH = 0.5
"""Seconds between two looks at whether a process on this machine has erased something."""

_LOOK = 60
"""Of so many of them one looks at the store itself, where others erase, too."""

Make = Callable[[Path, Files], Store]
"""Makes an empty store in a folder, whose files are elsewhere."""


class IndexedCopy(PreparedStore):
    """*store*, read by way of a copy in a scratch folder that *make* makes a store in."""

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
        self._current(progress).count()  # and its index

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
        """Drop the copy if something was erased in the store; *look* there, or only be told."""
        with self._lock:
            scratch, edition = self._scratch, self._edition
        with suppress(StoreError, OSError):
            if scratch and (scratch.is_dropped() or (look and self.store.generation() != edition)):
                self._drop(scratch)

    def is_dropped(self) -> bool:
        """Whether there is no copy now."""
        return self._scratch is None

    def _drop(self, scratch: Scratch | None = None) -> None:
        """Let go of the copy, if it is the one in *scratch*: it goes with its last reader."""
        with self._lock:
            if scratch is None or scratch is self._scratch:
                self._copy = self._scratch = None

    def _current(self, progress: Callable[[int], None] | None = None) -> Store:
        """The copy, up to date."""
        with self._lock:
            edition, mark = self.store.generation(), self.store.cursor()
            if self._copy is None or edition != self._edition:
                folder = Scratch()
                urls = [store.url for store in (self.store, *self.store.parts)]
                folder.note_copy_of(filter(None, urls))
                self._copy = self._make(folder.path, FilesElsewhere(self.store.files))
                # It goes with its last reader, who may not be done when the next one is made.
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
    """Have the copy of *store* dropped soon when something is erased, though nobody asks."""
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
    """*files* for a copy of the records that refer to them: to be opened, and left as they are."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def put(self, source: Path | BinaryIO, *, name: str, mime_type: str | None = None) -> FileRef:
        return self._files.put(source, name=name, mime_type=mime_type)

    def open(self, ref: FileRef) -> BinaryIO:
        return self._files.open(ref)

    def has(self, ref: FileRef) -> bool:
        return True  # or it is not there either

    def remove(self, hashes: Iterable[str], *, before: float | None = None) -> None:
        """They are not the copy's to remove."""

    def sweep(self, needed: Container[str], *, age: float, dry_run: bool = False) -> dict[str, int]:
        """They are not the copy's to sweep."""
        return {}
