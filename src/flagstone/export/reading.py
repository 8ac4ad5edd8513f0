"""
The flags to be exported, each with today's state: oldest first, whatever the order of the store.

A million flags are put in order without being held. An SQLite database puts them in order itself,
from the table that docs/stores.md describes; the records of another store first go to such a table
of their own, in a scratch file. Flags are read as their JSON: to make a `Flag` of each takes longer
than all the rest.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import orjson

from flagstone import codec
from flagstone.codec import FileRef, spelled
from flagstone.errors import StoreError
from flagstone.files import Files
from flagstone.query import Query, fold
from flagstone.record import Flag, Record, record_from_json, utc_text
from flagstone.store import Store

Flagged = dict[str, Any]
"""A flag as its JSON has it, with today's `verdict`, `assignee`, `tags`, `notes`, `correction`."""

_AT_ONCE = 50
"""Flags held at a time: more of them, and the garbage collector looks at them again and again."""

_UTC = "+00:00"
_UTC_LENGTH = len("2026-01-31T12:00:00.000000+00:00")

_TABLE = """
    CREATE TABLE flagstone_record (
        id TEXT PRIMARY KEY, type TEXT, flag_id TEXT, created_at TEXT, json TEXT
    )
"""
_ORDER = """
    CREATE TEMP TABLE in_order AS
    SELECT rowid AS row FROM flagstone_record WHERE type = 'flag' ORDER BY created_at, id
"""
_IN_ORDER = """
    SELECT flag.json, (
        SELECT group_concat(json, char(30)) FROM (
            SELECT json FROM flagstone_record
            WHERE flag_id = flag.id AND type = 'review' ORDER BY created_at, id
        )
    )
    FROM in_order CROSS JOIN flagstone_record AS flag ON flag.rowid = in_order.row
    ORDER BY in_order.rowid
"""
_BETWEEN = "\x1e"  # RFC 7464; within JSON it would be escaped


class FlagsInOrder:
    """
    The flags of *store* that *query* asks for, oldest first, to be read as often as one likes.

    `order`, `limit` and `after` of the query do not matter. What needs a *scratch* file makes it.
    """

    def __init__(
        self,
        store: Store,
        query: Query,
        scratch: Path,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.where = store.where
        self.files: Files = store.files
        self._query = query
        self._asks = query != Query(order=query.order, limit=query.limit, after=query.after)
        self._database = _database_of(store) or _database_from(store, scratch)
        self._progress = progress
        self.found = 0
        """How many flags the query asked for, as far as they were read."""

    def __iter__(self) -> Iterator[Flagged]:
        for batch in self.batches():
            yield from batch

    def batches(self) -> Iterator[list[Flagged]]:
        """The flags, some at a time. Raises `UnreadableRecordError` and `StoreError`."""
        self.found = 0
        for rows in self._rows():
            if self._asks:
                rows = [row for row in rows if self._is_asked_for(*row)]  # noqa: PLW2901
            flags = self._read_all([flag for flag, _ in rows])
            for flag, (_, reviews) in zip(flags, rows, strict=True):
                flag.update(_OPEN)
                if reviews:
                    _tell_state(flag, self._read_all(reviews.split(_BETWEEN)))
            self.found += len(flags)
            if flags:
                yield flags

    def _is_asked_for(self, flag: str, reviews: str | None) -> bool:
        texts = [flag, *(reviews.split(_BETWEEN) if reviews else ())]
        (state,) = fold(map(self._record, texts))
        return self._query.matches(state)

    def _read_all(self, texts: list[str]) -> list[dict[str, Any]]:
        together = f"[{','.join(texts)}]"
        try:
            records: list[dict[str, Any]] = orjson.loads(together)
            if '"$' in together:
                records = [
                    _readable(codec.loads(text)) if '"$' in text else record
                    for text, record in zip(texts, records, strict=True)
                ]
            if all(map(_is_as_written, records)):
                return records
        except (ValueError, KeyError, TypeError):
            pass
        # Not as we write it: an error that says where and why, or what means the same.
        return self._read_all([self._record(text).to_json() for text in texts])

    def _record(self, text: str) -> Record:
        return record_from_json(text, where=self.where)

    def _rows(self) -> Iterator[list[tuple[str, str | None]]]:
        """The JSON of flags, and of the reviews of each, of one moment."""
        with self._reading() as database:
            database.execute("BEGIN")
            database.execute(_ORDER)
            ((total,),) = database.execute("SELECT count(*) FROM in_order")
            rows = database.execute(_IN_ORDER)
            read = 0
            while some := rows.fetchmany(_AT_ONCE):
                read += len(some)
                yield some
                if self._progress:
                    self._progress(read, total)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        address = f"{self._database.as_uri()}?mode=ro"
        try:
            with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as database:
                yield database
        except sqlite3.Error as error:
            raise StoreError(doing="read", where=self.where, reason=str(error)) from error


def _is_as_written(record: Mapping[str, Any]) -> bool:
    """Whether moments are in UTC, as in what this version writes, so that they sort as text."""
    made: str = record["created_at"]
    return len(made) == _UTC_LENGTH and made.endswith(_UTC)


_OPEN: Flagged = {"verdict": "open", "assignee": None, "tags": (), "notes": ()}


def _tell_state(flag: Flagged, reviews: Sequence[Mapping[str, Any]]) -> None:
    """Put into *flag* what `State` says of it and its *reviews*."""
    withdrawn = {review.get("withdraws") for review in reviews}
    reviews = [review for review in reviews if review["id"] not in withdrawn]
    for name in ("verdict", "assignee", "correction"):
        said = [review[name] for review in reviews if review.get(name)]
        if said:
            flag[name] = said[-1]
    flag["tags"] = list(dict.fromkeys(tag for review in reviews for tag in review.get("tags", ())))
    flag["notes"] = [review["note"] for review in reviews if review.get("note")]


def _readable(data: Any) -> Any:
    """*data* with its text `spelled`."""
    match data:
        case str():
            return spelled(data)
        case dict():
            return {_readable(key): _readable(part) for key, part in data.items()}
        case list() | tuple():
            return type(data)(_readable(part) for part in data)
        case FileRef():
            return FileRef(
                sha256=data.sha256,
                name=spelled(data.name),
                mime_type=data.mime_type,
                size=data.size,
            )
    return data


def _database_of(store: Store) -> Path | None:
    """The SQLite database that *store* is, if it is one."""
    from flagstone.stores.sql import SqlStore

    if not isinstance(store, SqlStore):
        return None
    store.mark()  # sees to it that there is a table
    path = Path(store.where).resolve()
    return path if path.is_file() else None


def _database_from(store: Store, path: Path) -> Path:
    """The records of *store* as a database at *path*."""
    rows = (
        (
            record.id,
            record.type,
            None if isinstance(record, Flag) else record.flag_id,
            utc_text(record.created_at),
            record.to_json(),
        )
        for record in store.scan()
    )
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = OFF")
        database.execute(_TABLE)
        database.executemany("INSERT OR IGNORE INTO flagstone_record VALUES (?, ?, ?, ?, ?)", rows)
        database.execute("CREATE INDEX about ON flagstone_record (flag_id)")
        database.commit()
    return path.resolve()
