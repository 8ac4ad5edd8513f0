"""
The flags to export, each with its current state, oldest first.

A million flags are sorted without loading all of them into memory. SQLite sorts them, in the table
that docs/stores.md describes; records of another store are first copied to such a table in a
temporary file. Flags are read as JSON: building `Flag` objects takes longer than all the rest.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

import orjson

from flagstone.core import codec
from flagstone.core.codec import FileRef, escape_surrogates
from flagstone.core.query import Query, build_states
from flagstone.core.records import SCHEMA, Flag, NewerRecord, Record, record_from_json, utc_text
from flagstone.errors import DamagedFileError, StoreError, UnreadableRecordError
from flagstone.stores.base import Store
from flagstone.stores.files import Files, require_intact

Flagged = dict[str, Any]
"""A flag as in its JSON, plus the current `verdict`, `assignee`, `tags`, `notes`, `correction`."""

_BATCH_SIZE = 50
"""Flags in memory at a time; with more, the garbage collector scans them repeatedly."""

_UTC = "+00:00"
_UTC_LENGTH = len("2026-01-31T12:00:00.000000+00:00")

_TABLE = """
    CREATE TABLE flagstone_record (
        id TEXT PRIMARY KEY, type TEXT, flag_id TEXT, created_at TEXT, checksum INTEGER, json TEXT
    )
"""
_COLUMNS = "PRAGMA main.table_info(flagstone_record)"
_SEEM_TO_HAVE_CHECKSUM = """
    CREATE TEMP VIEW flagstone_record AS
    SELECT rowid AS rowid, *, NULL AS checksum FROM main.flagstone_record
"""
_ORDER = """
    CREATE TEMP TABLE in_order AS
    SELECT rowid AS row FROM flagstone_record
    WHERE type NOT IN ('review', 'outcome', 'erased')
    AND is_sound(rowid, typeof(json), CAST(json AS BLOB), checksum) ORDER BY created_at, id
"""
_IN_ORDER = """
    SELECT flag.id, flag.json, (
        SELECT group_concat(json, char(30)) FROM (
            SELECT json FROM flagstone_record
            WHERE flag_id = flag.id AND type = 'review'
            AND is_sound(rowid, typeof(json), CAST(json AS BLOB), checksum)
            ORDER BY created_at, id
        )
    )
    FROM in_order CROSS JOIN flagstone_record AS flag ON flag.rowid = in_order.row
    ORDER BY in_order.rowid
"""
_BETWEEN = "\x1e"  # RFC 7464; JSON escapes it within strings


class FlagsInOrder:
    """
    The flags of *store* that match *query*, oldest first; can be iterated repeatedly.

    `order`, `limit` and `after` of the query are ignored. *scratch* is the path of a temporary
    database, created if the store needs one.
    """

    def __init__(
        self,
        store: Store,
        query: Query,
        scratch: Path,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.location = store.location
        self.files: Files = store.files
        self._query = query
        self._asks = query != Query(order=query.order, limit=query.limit, after=query.after)
        self._store = store
        self._database = _database_of(store) or _database_from(store, scratch)
        self._progress = progress
        self._damaged: dict[str, str] = {}
        self.found = 0
        """Number of matching flags read so far."""

    def __iter__(self) -> Iterator[Flagged]:
        for batch in self.batches():
            yield from batch

    def batches(self) -> Iterator[list[Flagged]]:
        """Yield the flags in batches; unreadable ones are skipped. Raises `StoreError`."""
        self.found = 0
        for rows in self._rows():
            if self._asks:
                rows = [row for row in rows if self._is_asked_for(*row)]  # noqa: PLW2901
            if self._damaged:
                rows = [row for row in rows if self._has_its_files(*row)]  # noqa: PLW2901
            try:
                flags = self._read_all([flag for _, flag, _ in rows])
            except UnreadableRecordError:
                rows = [row for row in rows if self._is_readable(row[1], row[0])]  # noqa: PLW2901
                flags = self._read_all([flag for _, flag, _ in rows])
            for flag, (id_, _, reviews) in zip(flags, rows, strict=True):
                flag.update(_OPEN)
                if reviews:
                    _tell_state(flag, self._read_reviews(reviews.split(_BETWEEN), id_))
            self.found += len(flags)
            if flags:
                yield flags

    def skip_damaged_files(self) -> None:
        """Check all files; from now on, skip flags with damaged files."""
        refs = {
            ref.sha256: ref
            for rows in self._rows()
            for row in rows
            for record in self._records(*row)
            for ref in record.files()
        }
        for sha256, ref in refs.items():
            try:
                require_intact(self.files, ref, self.location)
            except DamagedFileError as error:
                self._damaged[sha256] = error.reason

    def _has_its_files(self, id_: str, flag: str, reviews: str | None) -> bool:
        """Return whether no file of a flag or its reviews is damaged; else record it as skipped."""
        for record in self._records(id_, flag, reviews):
            for ref in record.files():
                if ref.sha256 in self._damaged:
                    reason = self._damaged[ref.sha256]
                    self._store.skipped.add(f"{self.location}, id {id_}", reason)
                    return False
        return True

    def _records(self, id_: str, flag: str, reviews: str | None) -> list[Record]:
        """Return the readable records of a flag: itself and its reviews."""
        texts = [flag, *(reviews.split(_BETWEEN) if reviews else ())]
        return [self._record(text) for text in texts if self._is_readable(text, id_)]

    def _is_asked_for(self, id_: str, flag: str, reviews: str | None) -> bool:
        return any(map(self._query.matches, build_states(self._records(id_, flag, reviews))))

    def _read_reviews(self, texts: list[str], flag_id: str) -> list[dict[str, Any]]:
        try:
            return self._read_all(texts)
        except UnreadableRecordError:
            return self._read_all([text for text in texts if self._is_readable(text, flag_id)])

    def _is_readable(self, text: str, flag_id: str) -> bool:
        """Return whether *text* is a valid record of this flag; else record it as skipped."""
        try:
            self._record(text)
        except UnreadableRecordError as error:
            self._store.skipped.add(f"{self.location}, id {flag_id}", error.reason)
            return False
        return True

    def _is_sound(self, row: int, kind: str, content: bytes | None, checksum: int | None) -> bool:
        """Return whether *content* matches its *checksum*, if any; else record it as skipped."""
        if kind == "text" and checksum in (None, crc32(content or b"")):
            return True
        reason = "it is not text" if kind != "text" else "its checksum is that of another record"
        self._store.skipped.add(f"{self.location}, row {row}", reason)
        return False

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
        # Not in our format: raise an error with location and reason, or normalize it.
        return self._read_all([self._record(text).to_json() for text in texts])

    def _record(self, text: str) -> Record:
        record = record_from_json(text, where=self.location)
        if isinstance(record, NewerRecord):
            raise UnreadableRecordError(where=self.location, reason=record.reason)
        return record

    def _rows(self) -> Iterator[list[tuple[str, str, str | None]]]:
        """Yield ids, JSON, and the reviews' JSON of flags, all from one snapshot."""
        with self._reading() as database:
            database.execute("BEGIN")
            database.execute(_ORDER)
            ((total,),) = database.execute("SELECT count(*) FROM in_order")
            rows = database.execute(_IN_ORDER)
            read = 0
            while some := rows.fetchmany(_BATCH_SIZE):
                read += len(some)
                yield some
                if self._progress:
                    self._progress(read, total)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(
                sqlite3.connect(self._database, uri=True, isolation_level=None)
            ) as database:
                self._prepare(database)
                yield database
        except sqlite3.Error as error:
            raise StoreError(doing="read", where=self.location, reason=str(error)) from error

    def _prepare(self, database: sqlite3.Connection) -> None:
        columns = [name for _, name, *_ in database.execute(_COLUMNS)]
        if "checksum" not in columns:  # as in an old, read-only database
            database.execute(_SEEM_TO_HAVE_CHECKSUM)
        database.text_factory = lambda text: text.decode(errors="replace")
        database.create_function("is_sound", 4, self._is_sound)


def _is_as_written(record: Mapping[str, Any]) -> bool:
    """Return whether times are in UTC, as this version writes them, so that they sort as text."""
    made: str = record["created_at"]
    return record["flagstone"] == SCHEMA and len(made) == _UTC_LENGTH and made.endswith(_UTC)


_OPEN: Flagged = {"verdict": "open", "assignee": None, "tags": (), "notes": ()}


def _tell_state(flag: Flagged, reviews: Sequence[Mapping[str, Any]]) -> None:
    """Set the current state in *flag*, as `State` computes it from *reviews*."""
    withdrawn = {review.get("retracts") for review in reviews}
    reviews = [review for review in reviews if review["id"] not in withdrawn]
    for name in ("verdict", "assignee", "correction"):
        said = [review[name] for review in reviews if review.get(name)]
        if said:
            flag[name] = said[-1]
    flag["tags"] = list(dict.fromkeys(tag for review in reviews for tag in review.get("tags", ())))
    flag["notes"] = [review["note"] for review in reviews if review.get("note")]


def _readable(data: Any) -> Any:
    """Return *data* with surrogates in its text escaped."""
    match data:
        case str():
            return escape_surrogates(data)
        case dict():
            return {_readable(key): _readable(part) for key, part in data.items()}
        case list() | tuple():
            return type(data)(_readable(part) for part in data)
        case FileRef():
            return FileRef(
                sha256=data.sha256,
                name=escape_surrogates(data.name),
                mime_type=data.mime_type,
                size=data.size,
            )
    return data


def _database_of(store: Store) -> str | None:
    """Return the URI of the SQLite database of *store*, or None if it has none."""
    from flagstone.stores.sql.store import SqlStore

    if not isinstance(store, SqlStore):
        return None
    return store.address_to_read()


def _database_from(store: Store, path: Path) -> str:
    """Copy the records of *store* to a database at *path*; return its URI."""
    rows = (
        (
            record.id,
            record.type,
            None if isinstance(record, Flag) else record.flag_id,
            utc_text(record.created_at),
            record.to_json(),
        )
        for record in store.skipped.readable(store.scan(), store.location)
    )
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = OFF")
        database.execute(_TABLE)
        database.executemany(
            "INSERT OR IGNORE INTO flagstone_record VALUES (?, ?, ?, ?, NULL, ?)", rows
        )
        database.execute("CREATE INDEX about ON flagstone_record (flag_id)")
        database.commit()
    return f"{path.resolve().as_uri()}?mode=ro"
