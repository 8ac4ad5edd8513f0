"""
Keep records in immutable Parquet files, in a directory or a bucket, without a lock service.

Shards are numbered from one: `000000000001.parquet`. A writer makes the next number, which only
one can; who comes second reads what the first one wrote and takes the number after. So no record
is there twice, whoever appends it, and whoever has read up to a number has read all below it.
"""

import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from flagstone.errors import StoreError, UnreadableRecordError
from flagstone.places import place_at
from flagstone.places.place import Blob, Contents, Place
from flagstone.record import FileRef, Flag, Record, Review, record_from_json
from flagstone.store import Query, State, Store, fold, of_flags, require_files, select
from flagstone.stores.shards.files import SMALL, ShardFiles, path_of
from flagstone.stores.shards.table import (
    ERASED,
    embedded_bytes,
    features_of,
    rows_of,
    table_of,
    to_parquet,
    tombstones,
    without,
)

_CHUNK = 500
_OUTLINE = ("id", "created_at", "app", "option", "user", "verified", "fingerprint")
_NAME = re.compile(r"(\d{12})\.parquet")


@dataclass(frozen=True, slots=True)
class _Shard:
    """
    What is known of one shard: its ids, how many are of flags, those it calls erased, the hashes
    embedded in it, its features.
    """

    blob: Blob
    ids: frozenset[str] = frozenset()
    flags: int = 0
    erased: frozenset[str] = frozenset()
    features: dict[str, Any] = field(default_factory=dict, repr=False)
    embedded: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def number(self) -> int:
        return int(self.blob.name[:12])


class ShardStore(Store):
    """
    Records in Parquet shards at *url*: a directory, or any URL of fsspec, such as `s3://…`.

    *options* are those of the file system (keys, an endpoint). Each `append` makes one shard, so
    append many records at a time, as `sync` does.
    """

    most_at_once = 10_000

    def __init__(self, url: str | Path, options: dict[str, Any] | None = None) -> None:
        self._place: Place = place_at(str(url), options)
        self.where = self._place.where
        self.files: ShardFiles = ShardFiles(self._place, self._find_embedded)
        self._known: dict[str, _Shard] = {}
        self._lock = threading.RLock()

    def append(self, records: Iterable[Record]) -> None:
        unique = {record.id: record for record in records}
        ids = frozenset(unique)
        with self._lock:
            require_files(unique.values(), self.files, self.where)
            made = False
            while not made:  # who comes second looks again at what is missing
                shards = self._shards()
                here = {id_ for shard in shards for id_ in shard.ids & ids}
                missing = [record for id_, record in unique.items() if id_ not in here]
                made = not missing or self._create(self._table_of(missing), after=shards)
            refs = {ref.sha256 for record in unique.values() for ref in record.files()}
            self.files.forget(refs)

    def scan(self, after: str | None = None) -> Iterator[Record]:
        shards = self._shards()
        erased = _erased_in(shards)
        for shard in shards:
            if shard.number > int(after or 0):
                for row in self._rows(shard, ["id", "record"]):
                    if row["record"] is not None and row["id"] not in erased:
                        yield self._record(shard, row)

    def mark(self) -> str:
        return str(_last(self._shards()))

    def known(self, ids: Iterable[str]) -> set[str]:
        wanted = set(ids)
        return {id_ for shard in self._shards() for id_ in shard.ids & wanted}

    def find(self, query: Query | None = None) -> Iterator[Flag]:
        query = query or Query()
        if query.text is not None:  # which only whole records have
            return super().find(query)
        return self._whole(select(self._outlines(query), query))

    def count(self, query: Query | None = None) -> int:
        query = query or Query()
        if query.text is not None:
            return super().count(query)
        return sum(1 for _ in select(self._outlines(query), query))

    def erase(self, flag_ids: Iterable[str]) -> None:
        with self._lock:
            doomed, hashes = of_flags(flag_ids, self.scan())
            if not doomed:
                return
            # First they are hidden from all readers, then they go.
            shards = self._shards()
            while not self._create(tombstones(doomed), after=shards):
                shards = self._shards()
            for shard in self._shards():
                if shard.ids - shard.erased & doomed:
                    self._rewrite(shard, doomed)
            self.files.remove(hashes)
            self.files.forget(hashes)
            self._place.forget_history()

    def damage(self) -> Iterator[str]:
        for blob in self._blobs():
            shard = _Shard(blob)
            try:
                for row in self._rows(shard, ["id", "type", "embedded", "record"]):
                    if row["record"] is not None:
                        self._record(shard, row)
            except UnreadableRecordError as error:
                yield str(error)

    def close(self) -> None:
        """Nothing is held open."""

    # --- writing --------------------------------------------------------------------------------

    def _table_of(self, records: list[Record]) -> pa.Table:
        """*records* as a table; files that it does not embed are durable when this returns."""
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
        """Make *table* the shard *after* these, unless somebody was faster; says whether."""
        self._place.describe(_contents(after, table))
        return self._place.create(f"{_last(after) + 1:012d}.parquet", to_parquet(table))

    def _rewrite(self, shard: _Shard, doomed: set[str]) -> None:
        with self._reading(shard) as file:
            table = without(pq.read_table(file), doomed)
        self._place.replace(shard.blob.name, to_parquet(table))

    # --- reading --------------------------------------------------------------------------------

    def _blobs(self) -> list[Blob]:
        found = (blob for blob in self._place.list() if _NAME.fullmatch(blob.name))
        return sorted(found, key=lambda blob: blob.name)

    def _shards(self) -> list[_Shard]:
        """All shards in order; one that is new, or was written anew, is read for its ids."""
        with self._lock:
            blobs = self._blobs()
            for blob in blobs:
                if blob.name not in self._known or self._known[blob.name].blob != blob:
                    self._known[blob.name] = self._examine(blob)
            return [self._known[blob.name] for blob in blobs]

    def _examine(self, blob: Blob) -> _Shard:
        with self._reading(_Shard(blob)) as file:
            features = features_of(pq.read_schema(file))
            file.seek(0)
            rows = list(rows_of(file, ["id", "type", "embedded"]))
        return _Shard(
            blob,
            features=features,
            ids=frozenset(row["id"] for row in rows),
            flags=sum(row["type"] == Flag.type for row in rows),
            erased=frozenset(row["id"] for row in rows if row["type"] == ERASED),
            embedded=frozenset(part["sha256"] for row in rows for part in row["embedded"] or ()),
        )

    def _rows(self, shard: _Shard, columns: list[str]) -> Iterator[dict[str, Any]]:
        with self._reading(shard) as file:
            yield from rows_of(file, columns)

    @contextmanager
    def _reading(self, shard: _Shard) -> Iterator[BinaryIO]:
        """The shard's file; what is wrong with it is told as one error of ours."""
        name = shard.blob.name
        try:
            with self._place.open(name) as file:
                yield file
        except StoreError:
            raise
        except (pa.ArrowException, OSError) as error:
            where = f"{self.where}, shard {name}"
            raise UnreadableRecordError(where=where, reason=str(error)) from error
        except self._place.errors as error:
            reason = str(error) or type(error).__name__
            raise StoreError(doing=f"read {name} in", where=self.where, reason=reason) from error

    def _record(self, shard: _Shard, row: dict[str, Any]) -> Record:
        where = self._whence(shard, row)
        return record_from_json(row["record"], where=where, files=self.files)

    def _whence(self, shard: _Shard, row: dict[str, Any]) -> str:
        return f"{self.where}, shard {shard.blob.name}, id {row['id']}"

    def _find_embedded(self, sha256: str) -> bytes | None:
        for shard in self._shards():
            if sha256 in shard.embedded:
                with self._reading(shard) as file:
                    content = embedded_bytes(file, sha256)
                if content is not None:
                    return content
        return None

    def _outlines(self, query: Query) -> Iterator[State]:
        """
        The states of all flags, by the columns that a query goes by.

        Of whole records only the reviews are read, and those only where *query* asks for them.
        """
        shards = self._shards()
        erased = _erased_in(shards)
        records: list[Record] = []
        for shard in shards:
            records += [
                self._outline(shard, row)
                for row in self._rows(shard, [*_OUTLINE, "type"])
                if row["type"] == Flag.type and row["id"] not in erased
            ]
            if query.verdict or query.tag:
                records += [
                    self._record(shard, row)
                    for row in self._rows(shard, ["id", "type", "record"])
                    if row["type"] == Review.type and row["id"] not in erased
                ]
        return fold(records)

    def _outline(self, shard: _Shard, row: dict[str, Any]) -> Flag:
        """A flag with no more in it than the columns of *row*."""
        try:
            return Flag(**{name: row[name] for name in _OUTLINE} | {"app": row["app"] or ""})
        except (ValueError, AttributeError) as error:  # an id or a moment that is none
            where = self._whence(shard, row)
            raise UnreadableRecordError(where=where, reason=str(error)) from error

    def _whole(self, outlines: Iterator[Flag]) -> Iterator[Flag]:
        """The flags of which *outlines* are the ids, read some at a time."""
        shards = self._shards()
        while ids := [flag.id for flag in islice(outlines, _CHUNK)]:
            wanted = frozenset(ids)
            found = {
                row["id"]: self._record(shard, row)
                for shard in shards
                if shard.ids & wanted
                for row in self._rows(shard, ["id", "record"])
                if row["id"] in wanted and row["record"] is not None
            }
            yield from (cast(Flag, found[id_]) for id_ in ids)


def _last(shards: list[_Shard]) -> int:
    return shards[-1].number if shards else 0


def _contents(shards: list[_Shard], table: pa.Table) -> Contents:
    """What a place holds once *table* is beside *shards*."""
    features: dict[str, Any] = {}
    for some in (*(shard.features for shard in shards), features_of(table.schema)):
        for name, feature in some.items():
            is_new = features.setdefault(name, feature) == feature
            if not is_new:  # a field that changed its kind: text can say either
                features[name] = {"dtype": "string", "_type": "Value"}
    flags = sum(shard.flags for shard in shards)
    return Contents(flags + table["type"].to_pylist().count(Flag.type), features)


def _erased_in(shards: list[_Shard]) -> set[str]:
    return {id_ for shard in shards for id_ in shard.erased}
