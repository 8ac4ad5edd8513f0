"""
The SQLite-specific part of the SQL store: open, create and write to a database, and erase from it.
"""

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.pool import PoolProxiedConnection
from sqlalchemy.schema import CreateIndex, CreateTable

from flagstone.errors import (
    StoreError,
    StoreFullError,
    UnfinishedErasureError,
    UnknownStoreError,
)
from flagstone.errors.safe_logs import logger_of
from flagstone.fs.atomic import sync_directory
from flagstone.fs.tempdirs import Scratch
from flagstone.stores.sql.schema import ABOUT, COLUMNS, ERASING, RECORD
from flagstone.stores.sql.wal import count_lost_commits

logger = logger_of(__name__)

_PLACES = f"({', '.join('?' * len(COLUMNS))})"


_CHECKSUM = "checksum INTEGER"
_ADD_CHECKSUM = f"ALTER TABLE {RECORD.name} ADD COLUMN {_CHECKSUM}"
_SEEM_TO_HAVE_CHECKSUM = (
    f"CREATE TEMP VIEW {RECORD.name} AS SELECT *, NULL AS checksum FROM main.{RECORD.name}"  # noqa: S608 - constants
)
_HAS_CHECKSUM = (
    f"SELECT count(*) FROM pragma_table_info('{RECORD.name}', 'main') WHERE name = 'checksum'"  # noqa: S608 - constants
)
_HAS_TABLE = "SELECT count(*) FROM main.sqlite_master WHERE name = ?"


class TornDatabaseError(StoreError):
    """Some pages of the database are damaged; the others can be read."""


class UndecodableTextError(StoreError):
    """Some text in the database is not UTF-8."""


class Sqlite:
    """
    The SQLite database at *url*.

    A read-only database, such as one on a read-only mount, is only read.

    It uses WAL, so that readers and the writer do not wait for each other; synchronous FULL, so
    that a commit is on the medium; secure_delete, so that erased data is overwritten.
    """

    driver_error = sqlite3.Error

    _TIMEOUT = 60.0
    """Seconds to wait for other processes before giving up."""

    def __init__(self, url: sa.URL) -> None:
        if not url.database or url.database == ":memory:":
            raise UnknownStoreError(url=str(url))
        self.path = Path(url.database)
        self.location = str(self.path)
        place = self.path.resolve()
        self.url = str(place) if place.suffix == ".db" else f"sqlite:///{place}"
        self.files = place.with_name(f"{place.name}.files")
        self.targets = place.with_name(f"{place.name}.targets")
        self.index = place.with_name(f"{place.name}.index")
        self.engine = sa.create_engine(
            url,
            paramstyle="qmark",
            # No implicit BEGIN by the driver: it would read before it locks, and could then fail.
            connect_args={"isolation_level": None, "timeout": self._TIMEOUT},
        )
        insert = sqlite.insert(RECORD).on_conflict_do_nothing()
        self._insert = str(insert.compile(self.engine, column_keys=COLUMNS))
        self._made: os.stat_result | None = None
        self._wal: tuple[int, int] | None = None
        self._scratch: Scratch | None = None
        self.is_read_only = False
        self.lost_commits = 0
        self._is_lenient = False
        self.address = f"{place.as_uri()}?mode=ro"
        sa.event.listen(self.engine, "do_connect", self._connect)
        sa.event.listen(self.engine, "connect", self._configure)

    def _connect(self, *_: object) -> sqlite3.Connection | None:
        """Return a read-only connection, or None to use the driver's default."""
        if not self.is_read_only:
            return None
        return sqlite3.connect(
            self.address,
            uri=True,
            isolation_level=None,
            timeout=self._TIMEOUT,
            check_same_thread=False,
        )

    def _configure(self, connection: sqlite3.Connection, _: object) -> None:
        if self._is_lenient:
            connection.text_factory = _decode
        if self.is_read_only:
            self._seem_current(connection)
            return
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")

    def _seem_current(self, connection: sqlite3.Connection) -> None:
        """Add temporarily what a read-only database of an older version lacks."""
        if _number(connection.execute(_HAS_TABLE, [RECORD.name])) and not _number(
            connection.execute(_HAS_CHECKSUM)
        ):
            connection.execute(_SEEM_TO_HAVE_CHECKSUM)
        if not _number(connection.execute(_HAS_TABLE, [ERASING.name])):
            table = CreateTable(ERASING).compile(self.engine)
            connection.execute(str(table).replace("CREATE TABLE", "CREATE TEMP TABLE"))

    def read_leniently(self) -> None:
        """From now on, read text that is not UTF-8, too, with its bytes as surrogates."""
        self._is_lenient = True
        self.engine.dispose()

    def is_ready(self) -> bool:
        """Whether the opened file is still the same: it may have been deleted or replaced."""
        try:
            found = os.stat(self.path)  # noqa: PTH116 - half the time
        except OSError:
            return False
        if self._made is None or not os.path.samestat(found, self._made):
            return False
        return not self.is_read_only or (self._wal, found.st_mtime_ns) == (
            _status_of_wal(self.path), self._made.st_mtime_ns,
        )  # fmt: skip

    def create(self) -> None:
        """
        Create the database and its tables if they do not exist.

        A read-only database is only opened.
        """
        self.is_read_only = self.path.is_file() and not (
            os.access(self.path, os.W_OK) and os.access(self.path.resolve().parent, os.W_OK)
        )
        if self.is_read_only:
            self._open_to_read()
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with closing(self.engine.raw_connection()) as connection:
            self._wait_for_wal(connection)
            cursor = connection.cursor()
            self._require_ours(cursor)
            self.lost_commits = self.lost_commits or self._count_lost(cursor)
            for table in (
                CreateTable(RECORD, if_not_exists=True),
                CreateIndex(ABOUT, if_not_exists=True),
                CreateTable(ERASING, if_not_exists=True),
            ):
                cursor.execute(str(table.compile(self.engine)))
            self._add_checksum(cursor)
        sync_directory(self.path.parent)
        self._made = self.path.stat()

    def _count_lost(self, cursor: Any) -> int:
        """Return how many commits of the write-ahead log are lost, before they are overwritten."""
        place = self.path.resolve()
        # Checked twice: another process may be finishing a commit.
        return count_lost_commits(place, cursor) and count_lost_commits(place, cursor)

    def _add_checksum(self, cursor: DBAPICursor) -> None:
        """Add the checksum column to a table of an older version; only new rows have a value."""
        if not _number(cursor.execute(_HAS_CHECKSUM)):
            try:
                cursor.execute(_ADD_CHECKSUM)
            except sqlite3.OperationalError:  # another process was faster
                if not _number(cursor.execute(_HAS_CHECKSUM)):
                    raise

    def _open_to_read(self) -> None:
        """
        Choose how to read a read-only database.

        In WAL mode, SQLite needs a writable place for shared memory. Without a log, the file is
        complete and is opened as immutable; with a log that cannot be shared, database and log are
        copied.
        """
        place = self.path.resolve()
        self._wal, self._made = _status_of_wal(self.path), self.path.stat()
        self.address = f"{place.as_uri()}?mode=ro"
        if self._wal is None or self._wal[0] == 0:
            self.address += "&immutable=1"
        elif not self._can_share():
            self._scratch = Scratch()
            copy = self._scratch.path / place.name
            for suffix in ("", "-wal"):
                shutil.copyfile(f"{place}{suffix}", f"{copy}{suffix}")
            self.address = copy.resolve().as_uri()
        with closing(self.engine.raw_connection()) as connection:
            self._require_ours(connection.cursor())

    def _can_share(self) -> bool:
        try:
            with closing(sqlite3.connect(self.address, uri=True)) as connection:
                connection.execute(_HAS_TABLE, [RECORD.name])
        except sqlite3.Error:
            return False
        return True

    def _require_ours(self, cursor: DBAPICursor) -> None:
        """Raise if the table is missing, or a trigger or view could change reads or writes."""
        cursor.execute(
            "SELECT type, name FROM main.sqlite_master WHERE tbl_name IN (?, ?) "
            "AND type IN ('trigger', 'view')",
            (RECORD.name, ERASING.name),
        )
        for kind, name in cursor.fetchall():
            reason = (
                f"it has a {kind} {name!r} that Flagstone did not create and that may change what "
                "is read or written; remove it if you know it, or use another copy of the flags"
            )
            raise StoreError(doing="use", where=self.location, reason=reason)
        if not _number(cursor.execute(_HAS_TABLE, (RECORD.name,))) and (
            _number(cursor.execute(_HAS_TABLE, (ERASING.name,)))
            or _number(cursor.execute(_HAS_TABLE, (ABOUT.name,)))
        ):
            reason = f"its schema is damaged: the table {RECORD.name} is missing"
            raise TornDatabaseError(doing="read", where=self.location, reason=reason)

    def _wait_for_wal(self, connection: PoolProxiedConnection) -> None:
        # SQLite itself does not wait here when several processes open a new database at once.
        deadline = time.monotonic() + self._TIMEOUT
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

    def insert(self, rows: int) -> str:
        """Return the statement that inserts this many *rows* and skips ids already stored."""
        if rows == 1:
            return self._insert
        return self._insert.replace(_PLACES, ", ".join([_PLACES] * rows))

    def begin(self, cursor: DBAPICursor) -> None:
        """Begin a transaction of several statements; a single one needs no BEGIN."""
        cursor.execute("BEGIN IMMEDIATE")

    def forget(self, patience: float) -> None:
        """
        Empty the write-ahead log and delete the index: both may contain erased data.

        Raises `UnfinishedErasureError` if a reader still uses the old data after *patience*
        seconds.
        """
        with closing(self.engine.raw_connection()) as connection:
            cursor = connection.cursor()
            cursor.execute(f"PRAGMA busy_timeout = {patience * 1000:.0f}")
            try:
                busy, _, _ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                cursor.execute(f"PRAGMA busy_timeout = {self._TIMEOUT * 1000:.0f}")
        if patience or not busy:  # a failed quick attempt keeps the index: it may be new
            for path in (self.index, self.index.with_name(f"{self.index.name}-journal")):
                path.unlink(missing_ok=True)
        if busy:
            reason = "a program that reads the database still uses the old data"
            raise UnfinishedErasureError(where=self.location, reason=reason)

    def verify(self) -> Iterator[str]:
        """Yield the problems that SQLite's own check finds in the file, and changed schemas."""
        try:
            with closing(self.engine.raw_connection()) as connection:
                cursor = connection.cursor()
                findings = cursor.execute("PRAGMA integrity_check").fetchall()
                others = self._changed_schema(cursor)
        except (sqlite3.Error, UnicodeDecodeError) as error:  # its messages quote the schema
            raise self.error(error, doing="read") from error
        for (finding,) in findings:
            if finding != "ok":
                yield f"{self.location}: {finding}"
        for name in others:
            yield f"{self.location}: the definition of {name} was changed"

    def _changed_schema(self, cursor: DBAPICursor) -> list[str]:
        """Return Flagstone's tables and indexes with a definition that no version wrote."""
        made = {
            element.element.name: str(element.compile(self.engine)).strip()
            for element in (CreateTable(RECORD), CreateIndex(ABOUT), CreateTable(ERASING))
        }
        before = made[RECORD.name].replace(f"\t{_CHECKSUM}, \n", "")
        altered = before.replace("json TEXT NOT NULL", f"json TEXT NOT NULL, {_CHECKSUM}")
        known = {*made.items(), (RECORD.name, before), (RECORD.name, altered)}
        cursor.execute(
            "SELECT name, sql FROM main.sqlite_master WHERE name IN (?, ?, ?)", tuple(made)
        )
        return [name for name, sql in cursor.fetchall() if (name, sql) not in known]

    def error(self, error: BaseException, *, doing: str) -> StoreError:
        code = getattr(error, "sqlite_errorcode", None)
        if code == sqlite3.SQLITE_FULL:
            return StoreFullError(where=self.location)
        kind = StoreError
        if code is not None and code & 0xFF == sqlite3.SQLITE_CORRUPT:
            kind = TornDatabaseError
        elif code is None and str(error).startswith("Could not decode"):
            kind = UndecodableTextError
        return kind(doing=doing, where=self.location, reason=str(error))


def _number(rows: Any) -> int:
    """Return the single number in *rows*."""
    return int(rows.fetchone()[0])


def _decode(text: bytes) -> str:
    return text.decode(errors="surrogateescape")


def _status_of_wal(path: Path) -> tuple[int, int] | None:
    """Return the size and the modification time of the write-ahead log, or None."""
    with suppress(OSError):
        status = os.stat(f"{path.resolve()}-wal")  # noqa: PTH116 - half the time
        return status.st_size, status.st_mtime_ns
    return None
