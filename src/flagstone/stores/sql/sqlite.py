"""
What is SQLite's own: how a database is opened, made, written to and emptied of what was erased.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.pool import PoolProxiedConnection
from sqlalchemy.schema import CreateIndex, CreateTable

from flagstone.durable import sync_directory
from flagstone.errors import (
    StoreError,
    StoreFullError,
    UnfinishedErasureError,
    UnknownStoreError,
)
from flagstone.safe_logs import logger_of
from flagstone.stores.sql.table import ABOUT, COLUMNS, ERASING, RECORD

logger = logger_of(__name__)

_PLACES = f"({', '.join('?' * len(COLUMNS))})"


class Sqlite:
    """
    The SQLite database at *url*.

    WAL, so that readers and the writer do not wait for each other; synchronous FULL, so that a
    commit is on the medium; secure_delete, so that what is erased is overwritten.
    """

    driver_error = sqlite3.Error

    _PATIENCE = 60.0
    """Seconds to wait for other processes before giving up."""

    def __init__(self, url: sa.URL) -> None:
        if not url.database or url.database == ":memory:":
            raise UnknownStoreError(url=str(url))
        self.path = Path(url.database)
        self.where = str(self.path)
        place = self.path.resolve()
        self.url = str(place) if place.suffix == ".db" else f"sqlite:///{place}"
        self.files = place.with_name(f"{place.name}.files")
        self.targets = place.with_name(f"{place.name}.targets")
        self.index = place.with_name(f"{place.name}.index")
        self.engine = sa.create_engine(
            url,
            paramstyle="qmark",
            # No implicit BEGIN by the driver: it would read before it locks, and then may fail.
            connect_args={"isolation_level": None, "timeout": self._PATIENCE},
        )
        insert = sqlite.insert(RECORD).on_conflict_do_nothing()
        self._insert = str(insert.compile(self.engine, column_keys=COLUMNS))
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
        """Make the database and its table where they are not there yet."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with closing(self.engine.raw_connection()) as connection:
            self._wait_for_wal(connection)
            cursor = connection.cursor()
            self._require_ours(cursor)
            for table in (
                CreateTable(RECORD, if_not_exists=True),
                CreateIndex(ABOUT, if_not_exists=True),
                CreateTable(ERASING, if_not_exists=True),
            ):
                cursor.execute(str(table.compile(self.engine)))
        sync_directory(self.path.parent)
        self._made = self.path.stat()

    def _require_ours(self, cursor: DBAPICursor) -> None:
        """Raise where something in the database would run, or stand in, when we read or write."""
        cursor.execute(
            "SELECT type, name FROM sqlite_master WHERE tbl_name IN (?, ?) "
            "AND type IN ('trigger', 'view')",
            (RECORD.name, ERASING.name),
        )
        for kind, name in cursor.fetchall():
            reason = (
                f"it has a {kind} {name!r} that Flagstone did not make and that may change what is "
                "read or written; remove it if you know it, or have the flags from another copy"
            )
            raise StoreError(doing="use", where=self.where, reason=reason)

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

    def insert(self, rows: int) -> str:
        """The statement that inserts this many *rows*, and passes over known ids."""
        if rows == 1:
            return self._insert
        return self._insert.replace(_PLACES, ", ".join([_PLACES] * rows))

    def begin(self, cursor: DBAPICursor) -> None:
        """Begin a transaction of several statements; one alone is a transaction by itself."""
        cursor.execute("BEGIN IMMEDIATE")

    def forget(self, patience: float) -> None:
        """
        Empty the write-ahead log, and delete the index: what was erased may stand there, too.

        Raises `UnfinishedErasureError` if after *patience* seconds somebody still reads what was
        there before.
        """
        with closing(self.engine.raw_connection()) as connection:
            cursor = connection.cursor()
            cursor.execute(f"PRAGMA busy_timeout = {patience * 1000:.0f}")
            try:
                busy, _, _ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                cursor.execute(f"PRAGMA busy_timeout = {self._PATIENCE * 1000:.0f}")
        if patience or not busy:  # who only looks whether it can be done leaves what is made anew
            for path in (self.index, self.index.with_name(f"{self.index.name}-journal")):
                path.unlink(missing_ok=True)
        if busy:
            reason = "a program that reads the database holds on to what was there before"
            raise UnfinishedErasureError(where=self.where, reason=reason)

    def damage(self) -> Iterator[str]:
        """What SQLite itself finds wrong with the file."""
        try:
            with closing(self.engine.raw_connection()) as connection:
                findings = connection.cursor().execute("PRAGMA integrity_check").fetchall()
        except sqlite3.Error as error:
            raise self.error(error, doing="read") from error
        for (finding,) in findings:
            if finding != "ok":
                yield f"{self.where}: {finding}"

    def error(self, error: BaseException, *, doing: str) -> StoreError:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            return StoreFullError(where=self.where)
        return StoreError(doing=doing, where=self.where, reason=str(error))
