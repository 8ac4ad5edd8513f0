"""
The table as one Parquet file with Hugging Face's types; images and audio are embedded.
"""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from flagstone.core.codec import FileRef, escape_surrogates
from flagstone.exporters.attachments import Media
from flagstone.exporters.columns import MEDIA, Batch, Column, Table
from flagstone.exporters.source import FlagsInOrder

_MEDIUM = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_TYPES = {
    "text": pa.string(),
    "texts": pa.list_(pa.string()),
    "moment": pa.timestamp("us", tz="UTC"),
    "boolean": pa.bool_(),
    "number": pa.float64(),
    "image": _MEDIUM,
    "audio": _MEDIUM,
}
_TEXT = {"dtype": "string", "_type": "Value"}
_FEATURES: dict[str, dict[str, Any]] = {
    "text": _TEXT,
    "texts": {"feature": _TEXT, "_type": "List"},
    "moment": {"dtype": "timestamp[us, tz=UTC]", "_type": "Value"},
    "boolean": {"dtype": "bool", "_type": "Value"},
    "number": {"dtype": "float64", "_type": "Value"},
    "image": {"_type": "Image"},
    "audio": {"_type": "Audio"},
}
_REPEATED = ["app", "option", "user", "verdict", "assignee"]
"""Columns with dictionary encoding; for ids and texts it costs more time than it saves."""

_BATCHES = 100
_GROUP_ROWS = 50_000
_GROUP_BYTES = 32 << 20
"""Limits of a row group: rows, and bytes of its data."""


def write_parquet(flags: FlagsInOrder, folder: Path, name: str = "flags.parquet") -> int:
    """Write *flags* to *folder*; return the number of rows."""
    media = Media(flags, folder)
    table = Table(flags, media.place, embedded=True)
    return table.write(
        lambda table: write_batches(table.batches(), table.columns, media, folder / name)
    )


def write_batches(
    batches: Iterator[Batch], columns: Sequence[Column], media: Media, path: Path
) -> int:
    """Write *batches* of these *columns* to the file *path*; return the number of rows."""
    rows = 0
    schema = _schema_of(columns)
    writing: list[Future[None]] = []
    with (
        pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=_REPEATED) as writer,
        ThreadPoolExecutor(1) as thread,  # one group is compressed while the next is read
    ):
        for group in _groups(batches, columns, media, schema):
            for written in writing:
                written.result()
            writing = [thread.submit(writer.write_table, group, group.num_rows)]
            rows += group.num_rows
        for written in writing:
            written.result()
    return rows


def _groups(
    batches: Iterator[Batch], columns: Sequence[Column], media: Media, schema: pa.Schema
) -> Iterator[pa.Table]:
    """Yield the rows as tables that fit into memory."""
    parts: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in _larger(batches):
        for part in _parts_of(batch, columns):
            parts.append(_arrow_of(part, columns, media, schema))
            rows += parts[-1].num_rows
            size += parts[-1].nbytes
            if rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
                yield pa.Table.from_batches(parts, schema)
                parts, rows, size = [], 0, 0
    if parts:
        yield pa.Table.from_batches(parts, schema)


def _larger(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Merge *batches* into larger ones: Arrow builds long arrays almost as fast as short ones."""
    while some := list(islice(batches, _BATCHES)):
        yield [list(chain.from_iterable(cells)) for cells in zip(*some, strict=True)]


def _parts_of(batch: Batch, columns: Sequence[Column]) -> Iterator[Batch]:
    """Yield *batch* in parts, so that the embedded files of each are not too large."""
    media = [cells for cells, column in zip(batch, columns, strict=True) if column.type in MEDIA]
    start = size = 0
    for row in range(len(batch[0])) if media else ():
        size += sum(cells[row].size for cells in media if cells[row] is not None)
        if size >= _GROUP_BYTES:
            yield [cells[start : row + 1] for cells in batch]
            start, size = row + 1, 0
    if start < len(batch[0]):
        yield [cells[start:] for cells in batch]


def _arrow_of(
    batch: Batch, columns: Sequence[Column], media: Media, schema: pa.Schema
) -> pa.RecordBatch:
    arrays = []
    for cells, column in zip(batch, columns, strict=True):
        if column.type == "moment":
            arrays.append(pa.array(cells, pa.string()).cast(_TYPES["moment"]))
        elif column.type in MEDIA:
            arrays.append(pa.array([_medium(ref, media) for ref in cells], _MEDIUM))
        else:
            arrays.append(pa.array(cells, _TYPES[column.type]))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _medium(ref: FileRef | None, media: Media) -> dict[str, Any] | None:
    return (
        None if ref is None else {"bytes": media.content(ref), "path": escape_surrogates(ref.name)}
    )


def _schema_of(columns: Sequence[Column]) -> pa.Schema:
    features = {column.name: _FEATURES[column.type] for column in columns}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    return pa.schema([(column.name, _TYPES[column.type]) for column in columns], metadata)
