"""
Store records in one table of an SQL database.

A row holds a record's JSON; the other columns are an index over it and can be rebuilt at any time.
This module is the same for every database; `sqlite` has what is specific to SQLite.

Reads and the schema use SQLAlchemy Core. An append runs a statement compiled by Core directly on
the driver's connection: executing it through Core would take as long as the fsync itself.
"""

import json
import os
import re
import threading
import time
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import PoolProxiedConnection

from flagstone.core.query import Query, State, build_states, select
from flagstone.core.records import Flag, NewerRecord, Record, new_id, record_from_json
from flagstone.errors import (
    StoreError,
    UnfinishedErasureError,
    UnknownStoreError,
    UnreadableRecordError,
    store_error,
)
from flagstone.stores.base import Store, require_files
from flagstone.stores.erasures import logging_failure
from flagstone.stores.files import DirectoryFiles, Files, begin_removal
from flagstone.stores.sql.schema import COLUMNS, ERASING, RECORD, checksum_of, conditions_of, row_of
from flagstone.stores.sql.sqlite import Sqlite, TornDatabaseError, UndecodableTextError

_HASH = re.compile(r"\b[0-9a-f]{64}\b")

_LOOKS = 1.0
"""Seconds between an append's checks for erasures that another process did not finish."""

_READERS_TIMEOUT = 2.0
"""Seconds to wait for readers before an erasure is left to be finished later."""

_LAST_SEQ = 2**63 - 1
_CHUNK = 500
"""Rows read by one query; each batch is a new query, so that no reader keeps a snapshot open."""


_TO_READ = (RECORD.c.seq, RECORD.c.id, RECORD.c.json, RECORD.c.checksum)
"""The columns from which a record is read."""


class SqlStore(Store):
    """
    Records in the database at *url*: the path of an SQLite file, or an SQLAlchemy URL.

    The table is created on first use; nothing is touched before. Files are stored in *files* or,
    by default, in a directory next to the database: `flags.db.files` for `flags.db`.
    """

    def __init__(self, url: str | Path, *, files: Files | None = None) -> None:
        if isinstance(url, Path):
            self._dialect = Sqlite(sa.URL.create("sqlite", database=str(url)))
        else:
            self._dialect = Sqlite(_parse(url))
        self._engine = self._dialect.engine
        self.location = self._dialect.location
        self.files = files or DirectoryFiles(self._dialect.files)
        self.index = self._dialect.index
        self._preparing = threading.Lock()
        self._appending = threading.Lock()  # one connection appends: SQLite allows one writer
        self._appender: PoolProxiedConnection | None = None
        self._appender_pid = 0
        self._looked = 0.0

    @property
    def url(self) -> str:
        return self._dialect.url

    @property
    def targets(self) -> Path:
        return self._dialect.targets

    def exists(self) -> bool:
        return self._dialect.path.is_file()

    def append(self, records: Iterable[Record]) -> None:
        records = list(records)
        rows = [row_of(record) for record in records]
        if any('"$file"' in row[-1] for row in rows):
            require_files(records, self.files, self.location)
        if time.monotonic() - self._looked > _LOOKS:
            self._try_to_finish()
        with self._appending:
            self._append_rows(rows)

    def scan(self, after: str | None = None) -> Iterator[Record]:
        seq = int(after or 0)
        while rows := self._texts_after(seq, _CHUNK):
            for seq, text, checksum in rows:
                if text and (record := self._record(seq, text, checksum)) is not None:
                    yield record

    def cursor(self) -> str:
        ((seq,),) = self._read(sa.select(sa.func.max(RECORD.c.seq)))
        return str(seq or 0)

    def erase(self, flag_ids: Iterable[str]) -> None:
        if self._empty_rows(list(flag_ids)):
            self.finish_erasures()

    def finish_erasures(self, *, search: bool = False, dry_run: bool = False) -> int:  # noqa: ARG002 - a row and its data are erased together
        begun = self._read(sa.select(ERASING))
        if begun and not dry_run:
            self._finish(begun, patience=_READERS_TIMEOUT)
        return sum(row.records for row in begun)

    def _finish(self, begun: list[Any], *, patience: float) -> None:
        """Delete everything besides their rows that the erasures *begun* have to delete."""
        these = ERASING.c.id.in_([row.id for row in begun])
        if hashes := set[str]().union(*(json.loads(row.hashes) for row in begun)):
            before = begin_removal()
            self.files.remove(hashes - self._needed(), before=before)
            self._write(sa.update(ERASING).where(these).values(hashes="[]"))
        if isinstance(self.files, DirectoryFiles):
            self.files.sweep_parts()
        self._dialect.forget(patience)
        self._write(sa.delete(ERASING).where(these))

    def replace(self, flags: Iterable[Flag]) -> None:
        flags = list(flags)
        require_files(flags, self.files, self.location)
        c = RECORD.c
        with self._telling(doing="correct flags in"), self._engine.begin() as connection:
            for flag in flags:
                row = dict(zip(COLUMNS, row_of(flag), strict=True))
                here = (c.id == flag.id) & (c.type == Flag.type)
                connection.execute(sa.update(RECORD).where(here).values(row))
            # An empty row: `generation` counts these, so that readers notice the change.
            stone = {"id": new_id(), "type": "erased", "json": ""}
            connection.execute(sa.insert(RECORD).values(stone))
        with suppress(UnfinishedErasureError):  # a reader still has the old rows open
            self._dialect.forget(patience=0.0)

    def generation(self) -> str:
        erased = sa.select(sa.func.count()).where(RECORD.c.type == "erased")
        return str(self._read(erased)[0][0])

    def existing_ids(self, ids: Iterable[str]) -> set[str]:
        wanted = iter(set(ids))
        found: set[str] = set()
        while chunk := list(islice(wanted, _CHUNK)):
            rows = self._read(sa.select(RECORD.c.id).where(RECORD.c.id.in_(chunk)))
            found.update(record_id for (record_id,) in rows)
        return found

    def verify(self) -> Iterator[str]:
        try:
            with self._telling(doing="read"):
                lost = self._dialect.lost_commits
            if lost:
                yield str(UnreadableRecordError(where=self._wal, reason=self._lost))
            yield from self._dialect.verify()
            yield from self._damaged_rows()
        except StoreError as error:  # nothing more can be read
            yield str(error)

    @property
    def _wal(self) -> str:
        return f"{self.location}-wal"

    @property
    def _lost(self) -> str:
        count = self._dialect.lost_commits
        return f"it is damaged, and {count:,} commits after the damage are lost"

    def _damaged_rows(self) -> Iterator[str]:
        seq = 0
        everything = sa.select(RECORD).order_by(RECORD.c.seq).limit(_CHUNK)
        while rows := self._read(everything.where(RECORD.c.seq > seq)):
            for seq, *cells in rows:
                if damage := _damage_of(cells, f"{self.location}, row {seq}"):
                    yield str(damage)

    def close(self) -> None:
        with self._appending:
            self._drop_appender()
        self._engine.dispose()

    def states(self, flag_ids: Iterable[str]) -> dict[str, State]:
        c = RECORD.c
        ids = iter(set(flag_ids))
        found: dict[str, State] = {}
        while chunk := list(islice(ids, _CHUNK)):
            rows = self._rows_where(c.id, chunk)
            found |= {state.flag.id: state for state in self._states_in(rows)}
        return found

    def count_by_fingerprint(self, fingerprints: Iterable[str]) -> Counter[str]:
        c = RECORD.c
        wanted = iter(set(fingerprints))
        found: Counter[str] = Counter()
        while chunk := list(islice(wanted, _CHUNK)):
            rows = self._read(
                sa.select(c.fingerprint, sa.func.count())
                .where(c.fingerprint.in_(chunk), c.type == Flag.type)
                .group_by(c.fingerprint)
            )
            found.update(dict(map(tuple, rows)))
        return found

    def find(self, query: Query | None = None) -> Iterator[Flag]:
        query = query or Query()
        flags = (state.flag for state in self._find_states(query) if query.matches(state))
        return islice(flags, query.limit)

    def count(self, query: Query | None = None) -> int:
        query = query or Query()
        if query.after or query.text or query.asks_reviews:
            return super().count(query)
        try:
            # A flag of a newer version, which is not read, has no fingerprint here.
            is_flag = (RECORD.c.type == Flag.type) & RECORD.c.fingerprint.is_not(None)
            asked = sa.select(sa.func.count()).where(is_flag, *conditions_of(query))
            ((number,),) = self._read(asked)
        except TornDatabaseError:
            return super().count(query)
        return int(number) if query.limit is None else min(int(number), query.limit)

    def address_to_read(self) -> str | None:
        """Return the URI for opening the database read-only, or None if there is none."""
        self.cursor()  # creates the table if necessary
        return self._dialect.address if self._dialect.path.is_file() else None

    def rows_after(self, seq: int, most: int) -> list[tuple[int, Record | None]]:
        """
        Return up to *most* rows after row number *seq*, with their numbers; None for a record that
        was erased or cannot be read.
        """
        rows = self._texts_after(seq, most)
        read = [
            (seq, self._record(seq, text, checksum) if text else None)
            for seq, text, checksum in rows
        ]
        return [
            (seq, next(self._readable([record]), None) if record is not None else None)
            for seq, record in read
        ]

    def states_of(self, seqs: Sequence[int]) -> list[State]:
        """Return the states of the flags in these rows, in this order, without erased ones."""
        c = RECORD.c
        flags = self._rows_where(c.seq, seqs)
        order = {seq: place for place, seq in enumerate(seqs)}
        place = {row.id: order[row.seq] for row in flags}
        states = self._states_in(flags)
        return sorted(states, key=lambda state: place.get(state.flag.id, 0))

    def keys_of(self, seqs: Sequence[int]) -> list[tuple[tuple[str, str], int]]:
        """Return the creation times (UTC), the ids and the row numbers of these rows."""
        c = RECORD.c
        rows = self._read(sa.select(c.created_at, c.id, c.seq).where(c.seq.in_(seqs)))
        return [((made or "", record_id), seq) for made, record_id, seq in rows]

    def key_of(self, flag_id: str) -> tuple[str, str] | None:
        """Return the creation time and the id of the flag with this id, or None."""
        c = RECORD.c
        rows = self._read(sa.select(c.created_at, c.id).where(c.id == flag_id, c.type == Flag.type))
        return next(((made, record_id) for made, record_id in rows), None)

    def seq_of(self, flag_id: str) -> int | None:
        """Return the row number of the flag with this id, or None."""
        c = RECORD.c
        rows = self._read(sa.select(c.seq).where(c.id == flag_id, c.type == Flag.type))
        return next((seq for (seq,) in rows), None)

    def _states(self) -> Iterator[State]:
        return self._find_states(Query(order="oldest"))

    def _find_states(self, query: Query) -> Iterator[State]:
        """Yield the states of the flags whose columns match *query*, in its order."""
        c = RECORD.c
        is_newest = query.order == "newest"
        key = sa.tuple_(c.created_at, c.id)

        def beyond(last: tuple[str, str]) -> sa.ColumnElement[bool]:
            bound = sa.tuple_(*map(sa.literal, last))
            return key < bound if is_newest else key > bound

        wanted = (
            sa.select(c.seq, c.created_at, c.id)
            .where(*conditions_of(query))
            .order_by(*(column.desc() if is_newest else column for column in (c.created_at, c.id)))
        )
        if query.after:
            last = self.key_of(query.after)
            if last is None:
                return
            wanted = wanted.where(beyond(last))
        try:
            first = self._read(wanted.limit(_CHUNK))
        except TornDatabaseError:
            yield from self._salvage_states(query)
            return
        yield from self.states_of([seq for seq, *_ in first])
        if len(first) == _CHUNK:  # enough for most callers; all others are sorted in one query
            others = self._seqs(wanted.where(beyond(first[-1][1:])))
            for start in range(0, len(others), _CHUNK):
                yield from self.states_of(others[start : start + _CHUNK])

    def _salvage_states(self, query: Query) -> Iterator[State]:
        """Yield the states of all readable flags of a database with damaged pages."""
        states = {state.flag.id: state for state in build_states(self._readable(self.scan()))}
        asked = replace(query, limit=None)
        yield from (states[flag.id] for flag in select(states.values(), asked))

    def _seqs(self, statement: "sa.Select[Any]") -> Sequence[int]:
        """Return the numbers of the rows that *statement* selects; there may be millions."""
        seqs = array("q")
        with self._telling(doing="read"), self._engine.connect() as connection:
            for rows in connection.execute(statement.with_only_columns(RECORD.c.seq)).partitions():
                seqs.extend(seq for (seq,) in rows)
        return seqs

    def _texts_after(self, seq: int, most: int) -> list[Any]:
        c = RECORD.c
        rows = sa.select(c.seq, c.json, c.checksum).order_by(c.seq).limit(most)
        try:
            return self._read(rows.where(c.seq > seq))
        except TornDatabaseError as error:
            if most > 1:
                return self._texts_after(seq, most // 2)
            after = self._find_end_of_tear(seq)
            reason = str(error).partition(": ")[2].partition(". What")[0]
            self.skipped.add(f"{self.location}, rows from {seq + 1} up to {after}", reason)
            return self._texts_after(after, _CHUNK) if after < _LAST_SEQ else []

    def _find_end_of_tear(self, seq: int) -> int:
        """Return the smallest number above *seq* after which a row can be read again."""
        low, step = seq, 1
        while not self._can_read_after(low + step):
            low, step = low + step, 2 * step
            if low + step >= _LAST_SEQ:
                return _LAST_SEQ
        high = low + step
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self._can_read_after(middle) else (middle, high)
        return high

    def _can_read_after(self, seq: int) -> bool:
        c = RECORD.c
        try:
            self._read(sa.select(c.json).where(c.seq > seq).order_by(c.seq).limit(1))
        except TornDatabaseError:
            return False
        return True

    def _states_in(self, flags: Sequence[Any]) -> Iterator[State]:
        """Return the states of *flags*, which are rows of `_TO_READ`, in this order."""
        ids = [row.id for row in flags]
        about = self._rows_where(RECORD.c.flag_id, ids)
        return build_states(self._readable(self._records([*flags, *about])))

    def _rows_where(self, column: "sa.Column[Any]", values: Sequence[Any]) -> list[Any]:
        """Return the rows whose *column* has one of *values*, without those on damaged pages."""
        asked = column.in_(values), RECORD.c.json != ""
        try:
            return self._read(sa.select(*_TO_READ).where(*asked))
        except TornDatabaseError as error:
            if len(values) > 1:
                return [row for value in values for row in self._rows_where(column, [value])]
            where = f"{self.location}, {column.name} {values[0]}"
            self.skipped.add(where, str(error).partition(": ")[2].partition(". What")[0])
            return []

    def _record(self, seq: int, text: str, checksum: int | None) -> Record | None:
        """Parse the record of a row; None, added to `skipped`, if the row is damaged."""
        where = f"{self.location}, row {seq}"
        if reason := _why_damaged(text, checksum):
            self.skipped.add(where, reason)
            return None
        return self._parse(text, where)

    def _records(self, rows: Iterable[Any]) -> Iterator[Record]:
        for row in rows:
            if row.json and (record := self._record(row.seq, row.json, row.checksum)) is not None:
                yield record

    def _empty_rows(self, flag_ids: list[str]) -> int:
        """
        Empty the rows of these flags and record what else to delete, in one transaction.

        Returns the number of rows. They keep their ids and their place in the order.
        """
        c = RECORD.c
        kept = {"id": c.id, "type": "erased", "json": ""}
        empty = {name: kept.get(name) for name in COLUMNS}
        hashes: set[str] = set()
        records = 0
        with self._telling(doing="erase records in"), self._engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # the driver does not begin by itself
            try:
                for start in range(0, len(flag_ids), _CHUNK):
                    ids = flag_ids[start : start + _CHUNK]
                    doomed = (c.id.in_(ids) | c.flag_id.in_(ids)) & (c.json != "")
                    texts = connection.execute(sa.select(c.json).where(doomed)).scalars()
                    hashes.update(*map(_hashes_in, texts))
                    done = connection.execute(sa.update(RECORD).where(doomed).values(empty))
                    records += done.rowcount
                if records:
                    erasing = {"records": records, "hashes": json.dumps(sorted(hashes))}
                    connection.execute(sa.insert(ERASING).values(erasing))
                connection.exec_driver_sql("COMMIT")
            except BaseException:
                connection.exec_driver_sql("ROLLBACK")
                raise
        return records

    def _needed(self) -> set[str]:
        """Return the hashes of all files that records refer to."""
        seq, needed = 0, set[str]()
        c = RECORD.c
        rows = sa.select(c.seq, c.json).order_by(c.seq).limit(_CHUNK)
        with_files = rows.where(c.json.contains('"$file"'))
        while found := self._read(with_files.where(c.seq > seq)):
            needed.update(*(_hashes_in(row.json) for row in found))
            seq = found[-1].seq
        return needed

    def _try_to_finish(self) -> None:
        """Finish interrupted erasures; a failure must not prevent saving a flag."""
        self._looked = time.monotonic()
        with logging_failure(self.location):
            if begun := self._read(sa.select(ERASING)):
                self._finish(begun, patience=0.0)

    def _read(self, statement: "sa.Select[Any]") -> list[Any]:
        try:
            return self._read_once(statement)
        except UndecodableTextError:
            self._dialect.read_leniently()
            return self._read_once(statement)

    def _read_once(self, statement: "sa.Select[Any]") -> list[Any]:
        with self._telling(doing="read"), self._engine.connect() as connection:
            return list(connection.execute(statement))

    def _write(self, statement: "sa.Update | sa.Delete") -> None:
        with self._telling(doing="erase records in"), self._engine.connect() as connection:
            connection.execute(statement)

    def _append_rows(self, rows: list[tuple[Any, ...]]) -> None:
        try:
            self._make_ready()
            self._insert_rows(self._open_appender(), rows)
        except BaseException as error:
            self._drop_appender()
            self._tell(error, doing="save records in")
            raise

    def _insert_rows(self, connection: PoolProxiedConnection, rows: list[tuple[Any, ...]]) -> None:
        # As few calls as possible: the driver releases the GIL in each one and, with many threads
        # running, waits long to get it back.
        cursor = connection.cursor()
        if len(rows) > _CHUNK:
            self._dialect.begin(cursor)
        for start in range(0, len(rows), _CHUNK):
            chunk = rows[start : start + _CHUNK]
            cursor.execute(self._dialect.insert(len(chunk)), list(chain.from_iterable(chunk)))
        connection.commit()

    def _open_appender(self) -> PoolProxiedConnection:
        if self._appender is None or self._appender_pid != os.getpid():  # forked
            self._appender = self._engine.raw_connection()
            self._appender_pid = os.getpid()
        return self._appender

    def _drop_appender(self) -> None:
        if self._appender is not None and self._appender_pid == os.getpid():
            self._appender.close()  # rolls back what was not committed
        self._appender = None

    def _make_ready(self) -> None:
        """Create the table if necessary: on first use, and after the file was deleted."""
        is_first = False
        if not self._dialect.is_ready():
            with self._preparing:
                if not self._dialect.is_ready():
                    self._appender = None
                    self._engine.dispose()
                    self._dialect.create()
                    is_first = True
        if is_first:
            if self._dialect.lost_commits:
                self.skipped.add(self._wal, self._lost)
            self._try_to_finish()

    @contextmanager
    def _telling(self, *, doing: str) -> Iterator[None]:
        try:
            self._make_ready()
            yield
        except Exception as error:
            self._tell(error, doing=doing)
            raise

    def _tell(self, error: BaseException, *, doing: str) -> None:
        """Raise a `StoreError` for *error* if it comes from the driver or the system."""
        cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        if isinstance(cause, UnicodeDecodeError):  # in SQLite's message about its schema
            raise TornDatabaseError(doing=doing, where=self.location, reason=str(cause)) from error
        if isinstance(cause, self._dialect.driver_error):
            raise self._dialect.error(cause, doing=doing) from error
        if isinstance(cause, OSError):
            raise store_error(cause, doing=doing, where=self.location) from error


def _hashes_in(text: str) -> set[str]:
    """Return the file hashes in the record *text*; if damaged, everything that looks like one."""
    if '"$file"' not in text:
        return set()
    try:
        return {ref.sha256 for ref in record_from_json(text, where="").files()}
    except UnreadableRecordError:
        return set(_HASH.findall(text))


def _why_damaged(text: object, checksum: int | None) -> str | None:
    """Return why the JSON of a row is damaged, or None if no damage is found."""
    if not isinstance(text, str):
        return "it is not text"
    if checksum is not None and checksum != checksum_of(text):
        return "its checksum does not match"
    return None


def _parse(url: str) -> sa.URL:
    try:
        return sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise UnknownStoreError(url=url) from error


def _damage_of(cells: list[Any], where: str) -> UnreadableRecordError | None:
    """Return what is wrong with a row: its JSON, or index columns that differ from it."""
    *_, checksum, text = cells
    if text == "":
        return _damage_of_erased(cells, where)
    if reason := _why_damaged(text, checksum):
        return UnreadableRecordError(where=where, reason=reason)
    try:
        record = record_from_json(text, where=where)
    except UnreadableRecordError as error:
        return error
    # A newer version may fill the other columns differently.
    names = COLUMNS[:2] if isinstance(record, NewerRecord) else COLUMNS[:-2]
    differing = [
        name
        for name, is_cell, should in zip(names, cells, row_of(record), strict=False)
        if is_cell != should
    ]
    if not differing:
        return None
    reason = f"these columns differ from its JSON: {', '.join(differing)}"
    return UnreadableRecordError(where=where, reason=reason)


def _damage_of_erased(cells: list[Any], where: str) -> UnreadableRecordError | None:
    """Return what is wrong with an erased row, which should have only its id."""
    _, kind, *others = cells
    if kind == "erased" and not any(others):
        return None
    reason = "it is neither a record nor an erased record"
    return UnreadableRecordError(where=where, reason=reason)
