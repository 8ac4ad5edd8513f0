"""
Store records in immutable Parquet files, in a directory or a bucket, without a lock service.

Shards are numbered from one: `000000000001.parquet`. A writer creates the next number, which only
one writer can; a second one reads what the first wrote and tries the number after it. So no record
is stored twice, and a reader who has read up to a number has read everything below it.

Every hundred small shards are merged into one that replaces them,
`000000000001-000000000100.parquet`, and a hundred of those again. A reader whose shard was deleted
lists the shards again, and continues at the same place in the merged one.
"""

import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from flagstone.blobs.base import Blob, Contents, Place
from flagstone.blobs.open import place_at
from flagstone.core.query import Query, State, build_states, select
from flagstone.core.records import FileRef, Flag, Record, Review
from flagstone.errors import StoreError, UnfinishedErasureError, UnreadableRecordError
from flagstone.errors.safe_logs import logger_of
from flagstone.stores.base import Store, of_flags, require_files
from flagstone.stores.erasures import Erasure, damage_of_note, erasure_from_json, logging_failure
from flagstone.stores.parquet.embedded_files import SMALL, EmbeddedFiles, path_of
from flagstone.stores.parquet.schema import (
    DAMAGE,
    ERASED,
    damage_of,
    embedded_bytes,
    features_of,
    merged,
    parts_of,
    replaces,
    replacing,
    rows_of,
    table_of,
    to_parquet,
    tombstones,
    without,
)
from flagstone.stores.skipped import SkippedPlaces

logger = logger_of(__name__)

_T = TypeVar("_T")

_CHUNK = 500
_OUTLINE = ("id", "created_at", "app", "option", "user", "verified", "fingerprint")
_NAME = re.compile(r"(\d{12})(?:-(\d{12}))?\.parquet")
_ERASING = "erasing-"
_BLOCKS = (100, 10_000)
_MAX_VERIFIED_FAR = 1 << 20
"""Size up to which a shard in a bucket is read completely, to verify it, and not only its ids."""

_MAX_MERGED = 64 << 20
"""Total bytes up to which shards are merged; larger ones are few enough."""


@dataclass(frozen=True, slots=True)
class _Shard:
    """
    What is known about one shard: its ids, the number of flags, the ids it marks as erased, the
    hashes of embedded files, its features, the row counts of the shards it was merged from, whether
    it replaces records of earlier shards, and whether it is damaged and may contain more.
    """

    blob: Blob
    ids: frozenset[str] = frozenset()
    flags: int = 0
    erased: frozenset[str] = frozenset()
    features: dict[str, Any] = field(default_factory=dict, repr=False)
    parts: dict[int, int] = field(default_factory=dict, repr=False)
    embedded: frozenset[str] = field(default=frozenset(), repr=False)
    replaces: bool = False
    is_damaged: bool = False

    @property
    def first(self) -> int:
        return int(self.blob.name[:12])

    @property
    def last(self) -> int:
        """The last number that it covers, starting from `first`."""
        return int(self.blob.name.removesuffix(".parquet")[-12:])

    def rows_up_to(self, number: int) -> int:
        """Return how many of its rows come from shards up to this *number*."""
        return sum(rows for part, rows in self.parts.items() if part <= number)


class ParquetStore(Store):
    """
    Records in Parquet shards at *url*: a directory or any fsspec URL, such as `s3://…`.

    *options* are passed to the file system (keys, an endpoint). Each `append` creates one shard,
    so append many records at a time, as `sync` does.
    """

    most_at_once = 10_000

    def __init__(self, url: str | Path, options: dict[str, Any] | None = None) -> None:
        self._place: Place = place_at(str(url), options)
        self._url = str(url)
        self.location = self._place.location
        self.files: EmbeddedFiles = EmbeddedFiles(self._place, self)
        self._known: dict[str, _Shard] = {}
        self._lock = threading.RLock()
        self._has_begun = False
        self._has_looked = False

    @property
    def url(self) -> str:
        if self.location.startswith("hf://"):
            return self.location
        return f"parquet:{self._url if self._is_far else Path(self.location).resolve()}"

    @property
    def targets(self) -> Path | None:
        return None if self._is_far else Path(self.location).resolve() / ".targets"

    def exists(self) -> bool:
        return bool(self._listed())

    @property
    def _is_far(self) -> bool:
        return "://" in self.location

    def append(self, records: Iterable[Record]) -> None:
        unique = {record.id: record for record in records}
        ids = frozenset(unique)
        with self._lock:
            require_files(unique.values(), self.files, self.location)
            made, shards = False, self._shards()
            if self._has_begun or any(_replaced_in(shards)):
                self._try_to_finish()
                shards = self._shards()
            while not made:
                here = {id_ for shard in shards for id_ in shard.ids & ids}
                missing = [record for id_, record in unique.items() if id_ not in here]
                if not missing:
                    break
                made = self._create(self._table_of(missing), after=shards)
                if not made:  # another writer was faster: check again what is missing
                    shards = self._shards()
            if made:
                self._merge(_last(shards) + 1)
            refs = {ref.sha256 for record in unique.values() for ref in record.files()}
            self.files.forget(refs)

    def scan(self, after: str | None = None) -> Iterator[Record]:
        number, rows_read = int(after or 0), 0  # all shards up to number, and rows_read after it
        is_done = False
        while not is_done:
            shards = self._shards()
            skipped = _passed_over(shards)
            try:
                for shard in shards:
                    if shard.last > number:
                        start = shard.rows_up_to(number) + rows_read
                        rows = self._rows(shard, ["id", "record"])
                        for row in islice(rows, start, None):
                            rows_read += 1
                            if (
                                row["record"] is not None
                                and row["id"] not in skipped[shard.blob.name]
                                and (record := self._record(shard, row)) is not None
                            ):
                                yield record
                        number, rows_read = shard.last, 0
                is_done = True
            except FileNotFoundError:  # it was merged meanwhile
                continue

    def cursor(self) -> str:
        return str(_last(self._shards()))

    def generation(self) -> str:
        return str(len(_erased_in(self._shards())))

    def existing_ids(self, ids: Iterable[str]) -> set[str]:
        wanted = set(ids)
        return {id_ for shard in self._shards() for id_ in shard.ids & wanted}

    def find(self, query: Query | None = None) -> Iterator[Flag]:
        query = query or Query()
        if query.text is not None:  # which needs whole records
            return super().find(query)
        return self._whole(select(self._outlines(query), query))

    def count(self, query: Query | None = None) -> int:
        query = query or Query()
        if query.text is not None:
            return super().count(query)
        return sum(1 for _ in select(self._outlines(query), query))

    def erase(self, flag_ids: Iterable[str]) -> None:
        wanted = frozenset(flag_ids)
        with self._lock:
            self.finish_erasures()
            doomed, files = of_flags(wanted, self.scan())
            if doomed:
                erasure = Erasure(
                    flag_ids=wanted, record_ids=frozenset(doomed), hashes=frozenset(files)
                )
                name = f"{_ERASING}{os.urandom(8).hex()}.json"
                self._place.replace(name, erasure.to_json())
                self._erase(name, erasure)

    def finish_erasures(self, *, search: bool = False, dry_run: bool = False) -> int:
        self._has_looked = True
        with self._lock:
            if not dry_run:
                self._finish_replacing()
            left = self._left_by_erasures() if search else set()
            begun = {name: self._read_erasure(name) for name in self._begun()}
            erasures = {name: erasure for name, erasure in begun.items() if erasure is not None}
            if not dry_run:
                for name, erasure in erasures.items():
                    self._erase(name, erasure)
                if left:
                    self._scrub(_erased_in(self._shards()))
                    self._tidy()
                    self._place.forget_history()
            return sum(len(erasure.record_ids) for erasure in erasures.values()) + len(left)

    def replace(self, flags: Iterable[Flag]) -> None:
        with self._lock:
            self._finish_replacing()
            shards = self._shards()
            here = {id_ for shard in shards for id_ in shard.ids} - _erased_in(shards)
            new = {flag.id: flag for flag in flags if flag.id in here}
            require_files(new.values(), self.files, self.location)
            if not new:
                return
            while not self._create(replacing(self._table_of(list(new.values()))), after=shards):
                shards = self._shards()
            self._finish_replacing()
            self._merge(_last(shards) + 1)

    def verify(self) -> Iterator[str]:
        for name in self._begun():
            if self._read_erasure(name) is None:
                yield damage_of_note(f"{self.location}, {name}")
        for blob in self._blobs():
            with suppress(FileNotFoundError):  # it was merged meanwhile
                yield from self._damage_of(_Shard(blob))

    def _damage_of(self, shard: _Shard) -> Iterator[str]:
        before, self.skipped = self.skipped, SkippedPlaces()
        try:
            with self._reading(shard) as file:
                if reason := damage_of(file.read()):
                    self._note(shard, reason)
            for row in self._rows(shard, ["id", "type", "embedded", "record"]):
                if row["record"] is not None:
                    self._record(shard, row)
            found = self.skipped
        finally:
            self.skipped = before
        for where, reason in found:
            yield str(UnreadableRecordError(where=where, reason=reason))

    def _note(self, shard: _Shard, reason: str) -> None:
        where = f"{self.location}, shard {shard.blob.name}"
        self.skipped.add(where, reason)

    def close(self) -> None:
        """Do nothing: no resource is held open."""

    # --- writing --------------------------------------------------------------------------------

    def _table_of(self, records: list[Record]) -> pa.Table:
        """Return *records* as a table; files not embedded in it are durable on return."""
        contents: dict[str, bytes | None] = {}

        def content_of(ref: FileRef) -> bytes | str:
            if ref.size <= SMALL and ref.sha256 not in contents:
                with self.files.open(ref) as file:
                    start = file.read(SMALL + 1)
                contents[ref.sha256] = start if len(start) <= SMALL else None
            content = contents.get(ref.sha256)
            return self._place.address(path_of(ref.sha256)) if content is None else content

        table = table_of(records, content_of)
        for record, parts in zip(records, table["embedded"].to_pylist(), strict=True):
            embedded = {part["sha256"] for part in parts}
            self.files.settle({ref.sha256 for ref in record.files()} - embedded)
        return table

    def _create(self, table: pa.Table, *, after: list[_Shard]) -> bool:
        """Create the shard *after* these from *table*; False if another writer was faster."""
        self._place.describe(_contents(after, table))
        name = f"{_last(after) + 1:012d}.parquet"
        made = self._place.create(name, to_parquet(table))
        # If its number was merged since these were listed, no reader would find it.
        return made and any(blob.name == name for blob in self._blobs())

    def _rewrite(self, shard: _Shard, doomed: set[str], *, renamed: bool = False) -> None:
        with self._reading(shard) as file:
            table = without(_read_all(file), doomed, renamed=renamed)
        self._place.replace(shard.blob.name, to_parquet(table))

    def _erase(self, name: str, erasure: Erasure) -> None:
        """Carry out *erasure* and delete its blob *name*; safe to repeat after a crash."""
        # First hide the records from all readers, then delete them.
        shards = self._shards()
        while missing := erasure.record_ids - _erased_in(shards):
            self._create(tombstones(missing), after=shards)
            shards = self._shards()
        # A concurrent rewrite may have brought back records of earlier erasures, too.
        self._scrub(_erased_in(shards))
        self._tidy()
        self.files.forget(erasure.hashes)
        if erasure.hashes:
            self._require_whole(shards)
            needed = {ref.sha256 for record in self.scan() for ref in record.files()}
            self.files.remove(erasure.hashes - needed)
        self._place.sweep_parts()
        self._place.forget_history()
        self._place.delete(name)

    def _require_whole(self, shards: list[_Shard]) -> None:
        """Raise if a damaged shard makes it impossible to know which files are needed."""
        for shard in shards:
            if shard.is_damaged:
                reason = f"shard {shard.blob.name} is damaged and may need the same files"
                raise UnfinishedErasureError(where=self.location, reason=reason)

    def _begun(self) -> list[str]:
        """Return the names of the blobs of pending erasures."""
        return [blob.name for blob in self._place.list() if blob.name.startswith(_ERASING)]

    def _finish_replacing(self) -> None:
        """Delete records that a later shard replaces; until then readers skip them."""
        for shard, ids in _replaced_in(self._shards()):
            with suppress(FileNotFoundError):  # it was merged, which did this, too
                self._rewrite(shard, set(ids), renamed=True)

    def _read_erasure(self, name: str) -> Erasure | None:
        try:
            with self._place.open(name) as file:
                return erasure_from_json(file.read())
        except FileNotFoundError:  # another process has finished it
            return None
        except ValueError:
            logger.warning(
                "%s in %s is damaged: it does not describe an erasure", name, self.location
            )
            return None

    def _try_to_finish(self) -> None:
        """Finish interrupted erasures; a failure must not prevent saving or reading flags."""
        with logging_failure(self.location):
            self.finish_erasures()

    def _left_by_erasures(self) -> set[str]:
        """Return the erased ids that still have a record in some shard."""
        shards = self._shards()
        erased = _erased_in(shards)
        return {id_ for shard in shards for id_ in (shard.ids - shard.erased) & erased}

    def _tidy(self) -> None:
        """Delete shards that a merged one covers, which a crash or a late writer left."""
        last = 0
        for shard in self._listed():
            if shard.last <= last:
                self._place.delete(shard.blob.name)
            last = max(last, shard.last)

    def _scrub(self, doomed: set[str]) -> None:
        """Rewrite all shards, new ones included, that have records with *doomed* ids."""
        while unclean := [s for s in self._shards() if (s.ids - s.erased) & doomed]:
            for shard in unclean:
                with suppress(FileNotFoundError):
                    self._rewrite(shard, doomed)

    def _merge(self, number: int) -> None:
        """Merge the blocks that the shard of this *number* completes, if they are small."""
        for block in _BLOCKS:
            if number % block == 0:
                try:
                    self._merge_block(number - block + 1, number)
                except (StoreError, FileNotFoundError, pa.ArrowException) as error:
                    logger.warning("Small shards of %s are not merged: %s", self.location, error)

    def _merge_block(self, first: int, last: int) -> None:
        self._finish_replacing()
        shards = [shard for shard in self._shards() if first <= shard.first <= last]
        if len(shards) == 1 or sum(shard.blob.size for shard in shards) > _MAX_MERGED:
            return
        if any(shard.is_damaged for shard in shards):  # unmerged, it may still be repaired
            return
        tables: list[pa.Table] = []
        parts: dict[int, int] = {}
        for shard in shards:
            with self._reading(shard) as file:
                tables.append(_read_all(file))
            parts |= shard.parts or {shard.last: tables[-1].num_rows}
        table = merged(tables, parts)
        if any(shard.replaces for shard in shards):
            table = replacing(table)
        name = f"{first:012d}-{last:012d}.parquet"
        self._place.merge(name, to_parquet(table), [shard.blob.name for shard in shards])
        self._tidy()
        # It may contain records erased meanwhile; the tombstones list them.
        self._scrub(_erased_in(self._shards()))

    # --- reading --------------------------------------------------------------------------------

    def _blobs(self) -> list[Blob]:
        """Return the shards in order, without those that a merged one covers."""
        blobs: list[Blob] = []
        last = 0
        for shard in self._listed():
            if shard.last > last:
                blobs.append(shard.blob)
                last = shard.last
        return blobs

    def _listed(self) -> list[_Shard]:
        blobs = list(self._place.list())
        self._has_begun = any(blob.name.startswith(_ERASING) for blob in blobs)
        found = (_Shard(blob) for blob in blobs if _NAME.fullmatch(blob.name))
        return sorted(found, key=lambda shard: (shard.first, -shard.last))

    def _shards(self) -> list[_Shard]:
        """Return all shards in order; new and rewritten ones are read for their ids."""
        with self._lock:
            while True:
                blobs = self._blobs()
                if self._has_begun and not self._has_looked:
                    self._try_to_finish()
                    continue
                try:
                    known = [self._known.get(blob.name) for blob in blobs]
                    shards = [
                        shard if shard is not None and shard.blob == blob else self._examine(blob)
                        for shard, blob in zip(known, blobs, strict=True)
                    ]
                except FileNotFoundError:  # it was merged meanwhile
                    continue
                self._known = {shard.blob.name: shard for shard in shards}
                return shards

    def _examine(self, blob: Blob) -> _Shard:
        reasons: list[str] = []
        shard = _Shard(blob)
        try:
            with self._reading(shard) as file:
                if blob.size <= (_MAX_VERIFIED_FAR if self._is_far else _MAX_MERGED):
                    reasons += filter(None, [damage_of(file.read())])
                    file.seek(0)
                schema = pq.read_schema(file)
                file.seek(0)
                rows = list(rows_of(file, ["id", "type", "embedded"], reasons.append))
        except UnreadableRecordError as error:
            self.skipped.note(error)
            return replace(shard, is_damaged=True)
        for reason in reasons:
            self._note(shard, reason)
        rows = [row for row in rows if row["id"] is not None]
        return _Shard(
            blob,
            features=features_of(schema),
            parts=parts_of(schema),
            replaces=replaces(schema),
            ids=frozenset(row["id"] for row in rows),
            flags=sum(row["type"] == Flag.type for row in rows),
            erased=frozenset(row["id"] for row in rows if row["type"] == ERASED),
            embedded=frozenset(part["sha256"] for row in rows for part in row["embedded"] or ()),
            is_damaged=bool(reasons),
        )

    def _rows(self, shard: _Shard, columns: list[str]) -> Iterator[dict[str, Any]]:
        try:
            with self._reading(shard) as file:
                yield from rows_of(file, columns, partial(self._note, shard))
        except UnreadableRecordError as error:
            self.skipped.note(error)

    @contextmanager
    def _reading(self, shard: _Shard) -> Iterator[BinaryIO]:
        """Open the shard's file; any damage or failure is raised as a `StoreError`."""
        name = shard.blob.name
        try:
            with self._place.open(name) as file:
                yield file
        except (StoreError, FileNotFoundError):
            raise
        except DAMAGE as error:
            where = f"{self.location}, shard {name}"
            raise UnreadableRecordError(where=where, reason=str(error)) from error
        except self._place.errors as error:
            reason = str(error) or type(error).__name__
            raise StoreError(doing=f"read {name} in", where=self.location, reason=reason) from error

    def _record(self, shard: _Shard, row: dict[str, Any]) -> Record | None:
        return self._parse(row["record"], self._whence(shard, row))

    def _whence(self, shard: _Shard, row: dict[str, Any]) -> str:
        return f"{self.location}, shard {shard.blob.name}, id {row['id']}"

    def embedded_hashes(self) -> set[str]:
        return {sha256 for shard in self._shards() for sha256 in shard.embedded}

    def embedded_content(self, sha256: str) -> bytes | None:
        def find(shards: list[_Shard]) -> bytes | None:
            for shard in shards:
                if sha256 in shard.embedded:
                    with self._reading(shard) as file:
                        content = embedded_bytes(file, sha256)
                    if content is not None:
                        return content
            return None

        return self._steadily(find)

    def _steadily(self, read: Callable[[list[_Shard]], _T]) -> _T:
        """Return `read(shards)` for all shards; retry if one is merged meanwhile."""
        while True:
            with suppress(FileNotFoundError):
                return read(self._shards())

    def _outlines(self, query: Query) -> Iterator[State]:
        """
        Yield the states of all flags, with only the columns that a query needs.

        Whole records are read only for reviews, and only if *query* needs those.
        """
        return build_states(self._steadily(lambda shards: self._outlined(shards, query)))

    def _outlined(self, shards: list[_Shard], query: Query) -> list[Record]:
        skipped = _passed_over(shards)
        records: list[Record] = []
        for shard in shards:
            found = [
                self._outline(shard, row)
                for row in self._rows(shard, [*_OUTLINE, "type"])
                if row["type"] == Flag.type
                and row["fingerprint"] is not None  # of a newer version, which is not read
                and row["id"] not in skipped[shard.blob.name]
            ]
            if query.asks_reviews:
                found += [
                    self._record(shard, row)
                    for row in self._rows(shard, ["id", "type", "record"])
                    if row["type"] == Review.type and row["id"] not in skipped[shard.blob.name]
                ]
            records += filter(None, found)
        return records

    def _outline(self, shard: _Shard, row: dict[str, Any]) -> Record | None:
        """Return a flag with only the columns of *row*; None, and skipped, if invalid."""
        try:
            return Flag(**{name: row[name] for name in _OUTLINE} | {"app": row["app"] or ""})
        except (ValueError, AttributeError) as error:  # an invalid id or time
            self.skipped.add(self._whence(shard, row), str(error))
            return None

    def _whole(self, outlines: Iterator[Flag]) -> Iterator[Flag]:
        """Yield the full flags for *outlines*, read in batches."""
        while ids := [flag.id for flag in islice(outlines, _CHUNK)]:
            found = self._steadily(partial(self._flags, frozenset(ids)))
            yield from (found[id_] for id_ in ids if id_ in found)

    def _flags(self, ids: frozenset[str], shards: list[_Shard]) -> dict[str, Flag]:
        skipped = _passed_over(shards)
        found = {
            row["id"]: self._record(shard, row)
            for shard in shards
            if (wanted := (shard.ids & ids) - skipped[shard.blob.name])
            for row in self._rows(shard, ["id", "record"])
            if row["id"] in wanted and row["record"] is not None
        }
        return {id_: flag for id_, flag in found.items() if isinstance(flag, Flag)}


def _read_all(file: BinaryIO) -> pa.Table:
    """Read a whole shard. Raises `ArrowInvalid` if it is damaged."""
    content = file.read()
    if reason := damage_of(content):
        raise pa.ArrowInvalid(reason)
    return pq.read_table(pa.BufferReader(content), page_checksum_verification=True)


def _last(shards: list[_Shard]) -> int:
    return shards[-1].last if shards else 0


def _contents(shards: list[_Shard], table: pa.Table) -> Contents:
    """Return the contents of a place with *shards* and *table*."""
    features: dict[str, Any] = {}
    for some in (*(shard.features for shard in shards), features_of(table.schema)):
        for name, feature in some.items():
            is_new = features.setdefault(name, feature) == feature
            if not is_new:  # a field that changed its kind: text can represent both
                features[name] = {"dtype": "string", "_type": "Value"}
    flags = sum(shard.flags for shard in shards)
    return Contents(flags + table["type"].to_pylist().count(Flag.type), features)


def _replaced_in(shards: list[_Shard]) -> Iterator[tuple[_Shard, frozenset[str]]]:
    """Yield those of *shards* with records that a later one replaces, and their ids."""
    for later in (shard for shard in shards if shard.replaces):
        for shard in shards:
            ids = (shard.ids - shard.erased) & later.ids if shard.first < later.first else ()
            if ids:
                yield shard, ids


def _passed_over(shards: list[_Shard]) -> dict[str, set[str]]:
    """Return, by the name of each of *shards*, the ids to skip in it."""
    erased = _erased_in(shards)
    skipped = {shard.blob.name: erased for shard in shards}
    for shard, ids in _replaced_in(shards):
        skipped[shard.blob.name] = skipped[shard.blob.name] | ids
    return skipped


def _erased_in(shards: list[_Shard]) -> set[str]:
    return {id_ for shard in shards for id_ in shard.erased}
