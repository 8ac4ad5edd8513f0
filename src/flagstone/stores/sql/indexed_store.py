"""
An SQL store with fast reads: frequent queries are answered from an index next to it.
"""

import sqlite3
import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from heapq import merge
from itertools import islice

from pyroaring import BitMap

from flagstone.core.query import Pair, Query, State, model_of, texts_of
from flagstone.core.records import Flag, Review, utc_text
from flagstone.errors import StoreError
from flagstone.stores.base import PreparedStore
from flagstone.stores.sql.bitmap_index import Entry, Index, Key
from flagstone.stores.sql.store import SqlStore

_BATCH = 2_000
_TIMEOUT = 0.2
"""Seconds to wait for the lock before `is_ready` reports that the index is being built."""

_SOON = 5_000
"""Rows that may be indexed while a query waits: half a second."""

_PAGE = 100
_FEW = 2_000
"""Number of late flags up to which sorting them is faster than reading them in order."""

_FIRST: Key = ("", "")
_LAST: Key = ("~", "")


class IndexedStore(PreparedStore):
    """
    Wrap *store* with an index in the file `flags.db.index` for `flags.db`.

    The index is built by the first query or by `prepare`, and updated by each query. It contains
    nothing that the records do not, and may be deleted.
    """

    store: SqlStore

    def __init__(self, store: SqlStore) -> None:
        super().__init__(store)
        self._lock = threading.RLock()  # guards the index
        self._index: Index | None = None

    def prepare(self, progress: Callable[[int], None] | None = None) -> None:
        with self._asking(progress):
            pass

    def is_ready(self) -> bool:
        if not self._lock.acquire(timeout=_TIMEOUT):
            return False
        try:
            return int(self.store.cursor()) - self._opened().seq < _SOON
        finally:
            self._lock.release()

    def find(self, query: Query | None = None) -> Iterator[Flag]:
        query = query or Query()
        return islice(self._find(query), query.limit)

    def count(self, query: Query | None = None) -> int:
        query = query or Query()
        if query.after:
            return super().count(query)
        with self._asking() as index:
            number = len(self._select(index, query))
        return number if query.limit is None else min(number, query.limit)

    def facets(self, query: Query | None = None) -> dict[str, Counter[str | None]]:
        query = query or Query()
        with self._asking() as index:
            return index.count(self._select(index, query))

    def crosstab(self, query: Query, *pairs: tuple[str, str]) -> list[Counter[Pair]]:
        with self._asking() as index:
            found = self._select(index, query)
            return [index.cross(found, one, other) for one, other in pairs]

    def reviewed(self, query: Query) -> Iterator[State]:
        with self._asking() as index:
            found = self._select(index, query) & index.having("discussed")
        for start in range(0, len(found), _PAGE):
            states = self.store.states_of(list(found[start : start + _PAGE]))
            yield from filter(query.matches, states)

    def count_by_fingerprint(self, fingerprints: Iterable[str]) -> Counter[str]:
        with self._asking() as index:
            return Counter(
                {each: len(index.select(Query(fingerprint=each))) for each in set(fingerprints)}
            )

    def erase(self, flag_ids: Iterable[str]) -> None:
        with self._lock:
            self._drop()
            self.store.erase(flag_ids)

    def replace(self, flags: Iterable[Flag]) -> None:
        with self._lock:
            self._drop()
            self.store.replace(flags)

    def close(self) -> None:
        with self._lock:
            if self.store.skipped:
                self._drop()  # so that the next reader skips, and reports, the same records
            elif self._index is not None:
                self._index.close()
                self._index = None
        self.store.close()

    def _find(self, query: Query) -> Iterator[Flag]:
        place = _start(query)
        size = min(query.limit or _PAGE, _PAGE)
        if query.after is not None:
            place = self.store.key_of(query.after)
            if place is None:
                return
        while True:
            with self._asking() as index:
                found = self._select(index, query)
                page = self._page(index, found, query, place, size)
            for state in self.store.states_of([seq for _, seq in page]):
                if query.matches(state):
                    yield state.flag
            if len(page) < size:
                return
            place = page[-1][0]

    def _page(
        self, index: Index, found: BitMap, query: Query, after: Key | None, size: int
    ) -> list[tuple[Key, int]]:
        """Return the next *size* flags of those *found* after the key *after*."""
        is_newest = query.order == "newest"
        after = after or (_LAST if is_newest else _FIRST)
        ordered, late = found & index.having("ordered"), found & index.having("late")
        place = self._rank(ordered, after)
        if is_newest:
            seqs = ordered[max(0, place - size) : place]
        else:
            place += bool(place < len(ordered) and self._key(ordered[place]) == after)
            seqs = ordered[place : place + size]
        in_order = sorted(self.store.keys_of(list(seqs)), reverse=is_newest)
        if not late:
            return in_order
        if len(late) <= _FEW:
            keys = self.store.keys_of(list(late))
            beyond = [each for each in keys if (each[0] < after if is_newest else each[0] > after)]
            others: Iterable[tuple[Key, int]] = sorted(beyond, reverse=is_newest)
        else:
            others = (each for each in index.late(after, is_newest=is_newest) if each[1] in late)
        return list(islice(merge(in_order, others, reverse=is_newest), size))

    def _select(self, index: Index, query: Query) -> BitMap:
        found = index.select(query)
        if query.since is None and query.until is None:
            return found
        ordered = index.having("ordered")
        since, until = _moment(query.since, _FIRST[0]), _moment(query.until, _LAST[0])
        first, end = self._rank(ordered, (since, "")), self._rank(ordered, (until, ""))
        between = BitMap()
        if first < end:
            between.add_range(ordered[first], ordered[end - 1] + 1)
            between &= ordered
        return found & (between | index.late_between(since, until))

    def _rank(self, ordered: BitMap, key: Key) -> int:
        """Return how many of the flags *ordered* come before *key*."""
        if key == _LAST:
            return len(ordered)
        if key == _FIRST:
            return 0
        return bisect_left(ordered, key, key=self._key)

    def _key(self, seq: int) -> Key:
        [(key, _)] = self.store.keys_of([seq])
        return key

    @contextmanager
    def _asking(self, progress: Callable[[int], None] | None = None) -> Iterator[Index]:
        """Yield the updated index to one thread at a time; delete it if it is damaged."""
        with self._lock:
            try:
                yield self._current(progress)
            except sqlite3.Error as error:  # of the index: the store itself raises `StoreError`
                if self._index is not None:
                    self._index.discard()
                    self._index = None
                self.store.index.unlink(missing_ok=True)
                where, reason = str(self.store.index), str(error)
                raise StoreError(doing="look up in", where=where, reason=reason) from error

    def _opened(self) -> Index:
        """Return the index without updating it."""
        if self._index is not None and not self._index.is_current():
            self._index = None  # another process erased flags
        if self._index is None:
            self._index = Index(self.store.index)
        if not self._is_ours(self._index):
            self._drop()
            self._index = Index(self.store.index)
        return self._index

    def _is_ours(self, index: Index) -> bool:
        """Whether the last row of *index* exists: the database may have been replaced."""
        there = [record_id for (_, record_id), _ in self.store.keys_of([index.seq])]
        return there == ([index.last] if index.seq else [])

    def _current(self, progress: Callable[[int], None] | None = None) -> Index:
        """Return the updated index."""
        index = self._opened()
        while rows := self.store.rows_after(index.seq, _BATCH):
            flags = [(seq, record) for seq, record in rows if isinstance(record, Flag)]
            touched = {record.flag_id for _, record in rows if isinstance(record, Review)}
            touched |= index.learn([_entry(seq, flag) for seq, flag in flags])
            index.seq = rows[-1][0]
            index.last = self._key(index.seq)[1]
            for flag_id in touched:
                self._judge(index, flag_id)
            index.save()
            if progress is not None:
                progress(index.seq)
        return index

    def _judge(self, index: Index, flag_id: str) -> None:
        seq = self.store.seq_of(flag_id)
        if seq is None or seq > index.seq:
            index.expect(flag_id)
            return
        state = self.store.state(flag_id)
        index.judge(seq, state.verdict, state.assignee, state.tags)

    def _drop(self) -> None:
        if self._index is not None:
            self._index.close()
            self._index = None
        self.store.index.unlink(missing_ok=True)


def _entry(seq: int, flag: Flag) -> Entry:
    return Entry(
        seq=seq,
        id=flag.id,
        made=utc_text(flag.created_at),
        app=flag.app,
        option=flag.option,
        user=flag.user,
        verified=flag.verified,
        fingerprint=flag.fingerprint,
        model=model_of(flag),
        corrected=bool(flag.correction),
        text=texts_of(flag),
    )


def _start(query: Query) -> Key | None:
    """Return the key after which the results of *query* begin, if it has a time limit."""
    start = query.until if query.order == "newest" else query.since
    return (utc_text(start), "") if start else None


def _moment(moment: datetime | None, otherwise: str) -> str:
    return otherwise if moment is None else utc_text(moment)
