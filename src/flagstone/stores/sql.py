"""
Keep records in one table of an SQL database.

A row is a record's JSON; the other columns are an index over it and can be rebuilt from it at any
time. One file for every database: what differs between them is a `_Dialect`.

Reading and the schema are SQLAlchemy Core. An append is a statement that Core compiled, run on
the driver's own connection: Core's way to execute costs as much as the fsync itself.
"""

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.pool import PoolProxiedConnection
from sqlalchemy.schema import CreateIndex, CreateTable

from flagstone.errors import StoreError, StoreFullError, UnknownFlagError, UnknownStoreError
from flagstone.files import DirectoryFiles, store_error, sync_directory
from flagstone.record import Flag, Record, record_from_json, utc_text
from flagstone.store import Query, State, Store, fold, require_files

logger = logging.getLogger(__name__)

_CHUNK = 500
"""Rows read at a time, each time by a query of its own: no reader holds a snapshot open."""

_metadata = sa.MetaData()
_record = sa.Table(
    "flagstone_record",
    _metadata,
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("type", sa.Text, nullable=False),  # flag, review, outcome, or erased
    sa.Column("flag_id", sa.Text),  # the flag that a review or an outcome is about
    sa.Column("created_at", sa.Text),  # ISO 8601, UTC, microseconds: text that sorts by time
    sa.Column("app", sa.Text),
    sa.Column("option", sa.Text),
    sa.Column("user", sa.Text),
    sa.Column("verified", sa.Boolean),
    sa.Column("fingerprint", sa.Text),
    sa.Column("json", sa.Text, nullable=False),
)
_about = sa.Index(
    "flagstone_about",
    _record.c.flag_id,
    # A flag's own row is not in it: a page less to write for each flag.
    sqlite_where=_record.c.flag_id.is_not(None),
    postgresql_where=_record.c.flag_id.is_not(None),
)


class SqlStore(Store):
    """
    Records in the database at *url*: the path of an SQLite file, or an SQLAlchemy URL.

    The table is made on first use; nothing is touched before. Files lie in a directory beside an
    SQLite database: `flags.files` for `flags.db`.
    """

    def __init__(self, url: str | Path) -> None:
        if isinstance(url, Path):
            self._dialect = _Sqlite(sa.URL.create("sqlite", database=str(url)))
        else:
            self._dialect = _Sqlite(sa.make_url(url))
        self._engine = self._dialect.engine
        self.where = self._dialect.where
        self.files = DirectoryFiles(self._dialect.files)
        self._insert = _InsertStatement(self._dialect)
        self._preparing = threading.Lock()
        self._appending = threading.Lock()  # one connection appends: a database has one writer
        self._appender: PoolProxiedConnection | None = None
        self._appender_pid = 0

    def append(self, records: Iterable[Record]) -> None:
        records = list(records)
        rows = [_row(record) for record in records]
        if any('"$file"' in row[-1] for row in rows):
            require_files(records, self.files, self.where)
        with self._appending:
            self._append_rows(rows)

    def scan(self, after: str | None = None) -> Iterator[Record]:
        seq = int(after or 0)
        columns = sa.select(_record.c.seq, _record.c.json)
        while rows := self._read(
            columns.where(_record.c.seq > seq).order_by(_record.c.seq).limit(_CHUNK)
        ):
            for seq, text in rows:
                if text:
                    yield record_from_json(text, where=f"{self.where}, row {seq}")

    def mark(self) -> str:
        ((seq,),) = self._read(sa.select(sa.func.max(_record.c.seq)))
        return str(seq or 0)

    def erase(self, flag_ids: Iterable[str]) -> None:
        ids = iter(flag_ids)
        while chunk := list(islice(ids, _CHUNK)):
            self._erase(chunk)

    def close(self) -> None:
        with self._appending:
            self._drop_appender()
        self._engine.dispose()

    def state(self, flag_id: str) -> State:
        c = _record.c
        rows = self._read(
            sa.select(c.id, c.json).where((c.id == flag_id) | (c.flag_id == flag_id), c.json != "")
        )
        for state in fold(self._records(rows)):
            return state
        raise UnknownFlagError(flag_id=flag_id, where=self.where)

    def find(self, query: Query | None = None) -> Iterator[Flag]:
        query = query or Query()
        flags = (state.flag for state in self._find_states(query) if query.matches(state))
        return islice(flags, query.limit)

    def count(self, query: Query | None = None) -> int:
        query = query or Query()
        if query.after or query.text or query.verdict or query.tag:
            return super().count(query)
        ((number,),) = self._read(sa.select(sa.func.count()).where(*_conditions(query)))
        return int(number) if query.limit is None else min(int(number), query.limit)

    def _states(self) -> Iterator[State]:
        return self._find_states(Query(order="oldest"))

    def _find_states(self, query: Query) -> Iterator[State]:
        """The states of the flags whose columns match *query*, in its order."""
        c = _record.c
        key = sa.tuple_(c.created_at, c.id)
        newest = query.order == "newest"
        statement = (
            sa.select(c.created_at, c.id, c.json)
            .where(*_conditions(query))
            .order_by(*(column.desc() if newest else column for column in (c.created_at, c.id)))
            .limit(_CHUNK)
        )
        last: Any = None
        if query.after:
            place = sa.select(c.created_at, c.id).where(c.id == query.after, c.type == Flag.type)
            last = next(iter(self._read(place)), None)
            if last is None:
                return
        while True:
            page = statement
            if last is not None:
                bound = sa.tuple_(sa.literal(last[0]), sa.literal(last[1]))
                page = statement.where(key < bound if newest else key > bound)
            rows = self._read(page)
            if not rows:
                return
            about = self._read(
                sa.select(c.id, c.json).where(c.flag_id.in_([row[1] for row in rows]))
            )
            yield from fold(self._records([row[1:] for row in rows] + about))
            last = rows[-1]

    def _records(self, rows: Iterable[Any]) -> Iterator[Record]:
        for record_id, text in rows:
            yield record_from_json(text, where=f"{self.where}, id {record_id}")

    def _erase(self, flag_ids: list[str]) -> None:
        c = _record.c
        doomed = c.id.in_(flag_ids) | c.flag_id.in_(flag_ids)
        with_files = sa.select(c.id, c.json).where(c.json.contains('"$file"'))
        dropped = self._hashes(with_files.where(doomed))
        # The id stays known, and the row keeps its place in the order.
        kept = {"id": c.id, "type": "erased", "json": ""}
        empty = {name: kept.get(name) for name in _COLUMNS}
        with self._telling(doing="erase records in"), self._engine.begin() as connection:
            connection.execute(sa.update(_record).where(doomed).values(empty))
        self._dialect.forget()
        if dropped:
            self.files.remove(dropped - self._hashes(with_files))

    def _hashes(self, statement: "sa.Select[Any]") -> set[str]:
        records = self._records(self._read(statement))
        return {ref.sha256 for record in records for ref in record.files()}

    def _read(self, statement: "sa.Select[Any]") -> list[Any]:
        with self._telling(doing="read"), self._engine.connect() as connection:
            return list(connection.execute(statement))

    def _append_rows(self, rows: list[tuple[Any, ...]]) -> None:
        try:
            self._make_ready()
            self._insert_rows(self._open_appender(), rows)
        except BaseException as error:
            self._drop_appender()
            self._tell(error, doing="keep records in")
            raise

    def _insert_rows(self, connection: PoolProxiedConnection, rows: list[tuple[Any, ...]]) -> None:
        # As few calls as can be: at each the driver lets go of the interpreter's lock, and with
        # many threads about it waits long to get it back.
        cursor = connection.cursor()
        if len(rows) > _CHUNK:
            self._dialect.begin(cursor)
        for start in range(0, len(rows), _CHUNK):
            chunk = rows[start : start + _CHUNK]
            cursor.execute(self._insert.of(len(chunk)), list(chain.from_iterable(chunk)))
        connection.commit()

    def _open_appender(self) -> PoolProxiedConnection:
        if self._appender is None or self._appender_pid != os.getpid():  # a fork needs its own
            self._appender = self._engine.raw_connection()
            self._appender_pid = os.getpid()
        return self._appender

    def _drop_appender(self) -> None:
        if self._appender is not None and self._appender_pid == os.getpid():
            self._appender.close()  # rolls back what was not committed
        self._appender = None

    def _make_ready(self) -> None:
        """See to it that the table is there: on first use, and after it was deleted."""
        if not self._dialect.is_ready():
            with self._preparing:
                if not self._dialect.is_ready():
                    self._appender = None
                    self._engine.dispose()
                    self._dialect.create()

    @contextmanager
    def _telling(self, *, doing: str) -> Iterator[None]:
        try:
            self._make_ready()
            yield
        except Exception as error:
            self._tell(error, doing=doing)
            raise

    def _tell(self, error: BaseException, *, doing: str) -> None:
        """Raise one of our errors for *error*, where it is of the driver or the system."""
        cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        if isinstance(cause, self._dialect.driver_error):
            raise self._dialect.error(cause, doing=doing) from error
        if isinstance(cause, OSError):
            raise store_error(cause, doing=doing, where=self.where) from error


_COLUMNS = [column.name for column in _record.columns if column.name != "seq"]
_PLACES = f"({', '.join('?' * len(_COLUMNS))})"


def _row(record: Record) -> tuple[Any, ...]:
    """The cells of *record*, in the order of `_COLUMNS`."""
    head = (record.id, record.type)
    made, text = utc_text(record.created_at), record.to_json()
    if not isinstance(record, Flag):
        return (*head, record.flag_id, made, None, None, None, None, None, text)
    app, option, user = map(_indexable, (record.app, record.option, record.user))
    return (*head, None, made, app, option, user, record.verified, record.fingerprint, text)


def _indexable(text: str | None) -> str | None:
    """*text* as a column can hold it: a lone surrogate or a NUL becomes "?"; the JSON has it."""
    if text is None or text.isprintable():
        return text
    return text.encode(errors="replace").decode().replace("\0", "?")


def _conditions(query: Query) -> list["sa.ColumnElement[bool]"]:
    """What of *query* the columns can tell."""
    c = _record.c
    conditions: list[sa.ColumnElement[bool]] = [c.type == Flag.type]
    wanted = {
        c.app: _indexable(query.app),
        c.option: _indexable(query.option),
        c.user: _indexable(query.user),
        c.verified: query.verified,
        c.fingerprint: query.fingerprint,
    }
    conditions += [column == asked for column, asked in wanted.items() if asked is not None]
    if query.since is not None:
        conditions.append(c.created_at >= utc_text(query.since))
    if query.until is not None:
        conditions.append(c.created_at < utc_text(query.until))
    return conditions


class _InsertStatement:
    """The statement that inserts so many rows, as the driver takes it."""

    def __init__(self, dialect: "_Sqlite") -> None:
        self._one = str(dialect.insert.compile(dialect.engine, column_keys=_COLUMNS))

    def of(self, rows: int) -> str:
        """The statement for this many *rows*."""
        if rows == 1:
            return self._one
        return self._one.replace(_PLACES, ", ".join([_PLACES] * rows))


class _Sqlite:
    """
    What is SQLite's own.

    WAL, so that readers and the writer do not wait for each other; synchronous FULL, so that a
    commit is on the medium; secure_delete, so that what is erased is overwritten.
    """

    insert = sqlite.insert(_record).on_conflict_do_nothing()
    driver_error = sqlite3.Error

    _PATIENCE = 60.0
    """Seconds to wait for other processes before giving up."""

    def __init__(self, url: sa.URL) -> None:
        if not url.database or url.database == ":memory:":
            raise UnknownStoreError(url=str(url))
        self.path = Path(url.database)
        self.where = str(self.path)
        self.files = self.path.with_suffix(".files")
        self.engine = sa.create_engine(
            url,
            paramstyle="qmark",
            # No implicit BEGIN by the driver: it would read before it locks, and then may fail.
            connect_args={"isolation_level": None, "timeout": self._PATIENCE},
        )
        self._made: os.stat_result | None = None
        sa.event.listen(self.engine, "connect", self._configure)

    def _configure(self, connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")

    def is_ready(self) -> bool:
        """Whether the file that was opened is still the one: it may have been deleted since."""
        try:
            found = os.stat(self.path)  # noqa: PTH116 - half the time
        except OSError:
            return False
        return self._made is not None and os.path.samestat(found, self._made)

    def create(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with closing(self.engine.raw_connection()) as connection:
            self._wait_for_wal(connection)
            cursor = connection.cursor()
            for table in (
                CreateTable(_record, if_not_exists=True),
                CreateIndex(_about, if_not_exists=True),
            ):
                cursor.execute(str(table.compile(self.engine)))
        sync_directory(self.path.parent)
        self._made = self.path.stat()

    def _wait_for_wal(self, connection: PoolProxiedConnection) -> None:
        # SQLite does not wait here by itself when several processes open a new database at once.
        deadline = time.monotonic() + self._PATIENCE
        while True:
            try:
                connection.cursor().execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if (
                    error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY
                    or time.monotonic() > deadline
                ):
                    raise
                time.sleep(0.005)
            else:
                return

    def begin(self, cursor: DBAPICursor) -> None:
        """Begin a transaction of several statements; one alone is a transaction by itself."""
        cursor.execute("BEGIN IMMEDIATE")

    def forget(self) -> None:
        """Empty the write-ahead log, where what was erased may still stand."""
        with closing(self.engine.raw_connection()) as connection:
            busy, _, _ = connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            logger.warning(
                "%s is being read: what was erased leaves its log when that ends", self.where
            )

    def error(self, error: BaseException, *, doing: str) -> StoreError:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            return StoreFullError(where=self.where)
        return StoreError(doing=doing, where=self.where, reason=str(error))
