"""
The content of a shard: records as an Arrow table, and the table as Parquet.

`record` is the whole record as JSON; records are read back only from this column. The others are
for other programs that read shards: common properties and, for each field of a flag, a column
`inputs.NAME`, `outputs.NAME` or `correction.NAME` of the type of its values. Images and audio are
stored in Hugging Face's layout, a struct of `bytes` and `path`.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO
from zlib import crc32

import pyarrow as pa
import pyarrow.parquet as pq

from flagstone.core import codec
from flagstone.core.records import FileRef, Flag, Record, Review, Value, new_id

MEDIA = {"image": "Image", "audio": "Audio"}
"""Kinds whose bytes are embedded, and their names in Hugging Face's features."""

FileContent = Callable[[FileRef], bytes | str]
"""Returns the bytes of a file to embed, or the address of any other file."""

ERASED = "erased"
"""The type of a row that only stores the id of an erased record."""

_MEDIUM = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_EMBEDDED = pa.list_(pa.struct([("sha256", pa.string()), ("column", pa.string())]))

_FIXED = pa.schema(
    [
        ("id", pa.string()),
        ("type", pa.string()),
        ("flag_id", pa.string()),
        ("created_at", pa.timestamp("us", tz="UTC")),
        ("app", pa.string()),
        ("option", pa.string()),
        ("comment", pa.string()),
        ("user", pa.string()),
        ("session", pa.string()),
        ("verified", pa.bool_()),
        ("fingerprint", pa.string()),
        ("verdict", pa.string()),
        ("embedded", _EMBEDDED),
        ("record", pa.string()),
    ]
)
_PARTS = "flagstone.parts"
_REPLACES = b"flagstone.replaces"
_CHECKED = b"flagstone.checked"
_CRC = b"flagstone.crc32"
_NO_CRC = b"00000000"
_BEFORE_CRC = _CRC + b"\x18\x08"  # in Thrift's compact protocol: a string of eight bytes
DAMAGE = (pa.ArrowException, OSError, ValueError)
"""Errors raised when a damaged shard is read."""

_SECTIONS = ("inputs", "outputs", "correction")
_GROUP_BYTES = 16 << 20
_MAX_ROWS = 1_000
_LARGE = 2.0**1000


def table_of(records: Sequence[Record], content_of: FileContent) -> pa.Table:
    """Return a table with a row per record; *content_of* decides which media are embedded."""
    fields = _fields_of(records)
    media = {name: kind for name, values in fields.items() if (kind := _medium_kind(values))}
    rows = [_row_of(record) for record in records]
    for name in media:
        for row, value in zip(rows, fields[name], strict=True):
            if value is not None and value.data and isinstance(content_of(value.data), bytes):
                row["embedded"].append({"sha256": value.data.sha256, "column": name})
    table = pa.Table.from_pylist(rows, schema=_FIXED)
    for name, values in fields.items():
        table = table.append_column(name, _column(values, content_of))
    return table.replace_schema_metadata(_hugging_face(table.schema, media))


def tombstones(ids: Iterable[str]) -> pa.Table:
    """Return a table of rows that mark *ids* as erased."""
    return pa.Table.from_pylist([{"id": id_, "type": ERASED} for id_ in ids], schema=_FIXED)


def to_parquet(table: pa.Table) -> bytes:
    """
    Return *table* as a Parquet file, with row groups small enough to read one for a single row.

    Each page has Parquet's own checksum, which readers verify. The metadata has a CRC-32 of the
    whole file, computed with zeros in its own place.
    """
    sink = pa.BufferOutputStream()
    rows = max(1, min(_MAX_ROWS, table.num_rows * _GROUP_BYTES // max(1, table.nbytes)))
    checks = {_CHECKED: b"crc32", _CRC: _NO_CRC}
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), **checks})
    pq.write_table(table, sink, compression="zstd", row_group_size=rows, write_page_checksum=True)
    content = bytes(sink.getvalue())
    place = content.rindex(_BEFORE_CRC) + len(_BEFORE_CRC)
    crc = f"{crc32(content):08x}".encode()
    return content[:place] + crc + content[place + len(crc) :]


def damage_of(content: bytes) -> str | None:
    """Return what is wrong with the shard *content*; None if intact or without a checksum."""
    place = content.rfind(_BEFORE_CRC)
    if place < 0:
        return "its checksum is damaged" if _CHECKED in content or _CRC in content else None
    place += len(_BEFORE_CRC)
    crc, rest = content[place : place + len(_NO_CRC)], content[place + len(_NO_CRC) :]
    found = crc32(rest, crc32(_NO_CRC, crc32(content[:place])))
    return None if crc == f"{found:08x}".encode() else "its checksum does not match"


def rows_of(
    file: BinaryIO, columns: Sequence[str], note: Callable[[str], None]
) -> Iterator[dict[str, Any]]:
    """
    Yield the rows of a shard with only *columns*, read one row group at a time.

    For a damaged row group, *note* is called with the reason, and all values are None.
    """
    shard = pq.ParquetFile(file, page_checksum_verification=True)
    present = set(shard.schema_arrow.names)
    if missing := [name for name in columns if name not in present]:
        raise pa.ArrowInvalid(f"it has no column {missing[0]!r}")
    nothing = dict.fromkeys(columns)
    for group in range(shard.num_row_groups):
        try:
            rows = shard.read_row_group(group, columns=list(columns)).to_pylist()
        except DAMAGE as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # an error of the medium or the network
            count = shard.metadata.row_group(group).num_rows
            note(f"row group {group + 1}, of {count:,} records, cannot be read ({error})")
            rows = [nothing] * min(count, _MAX_ROWS)
        yield from rows


def embedded_bytes(file: BinaryIO, sha256: str) -> bytes | None:
    """Return the bytes of the embedded file with this hash, or None."""
    shard = pq.ParquetFile(file, page_checksum_verification=True)
    for group in range(shard.num_row_groups):
        index = shard.read_row_group(group, columns=["embedded"])["embedded"].to_pylist()
        for row, parts in enumerate(index):
            for part in parts or ():
                if part["sha256"] == sha256 and _is_medium(shard.schema_arrow, part["column"]):
                    column = shard.read_row_group(group, columns=[part["column"]])
                    found: bytes = column[part["column"]][row]["bytes"].as_py()
                    return found
    return None


def _is_medium(schema: pa.Schema, column: str) -> bool:
    """Whether the column exists and has media; another program may have written the shard."""
    return column in schema.names and schema.field(column).type == _MEDIUM


def features_of(schema: pa.Schema) -> dict[str, Any]:
    """Return Hugging Face's features of a shard's columns; {} if its metadata has none."""
    try:
        text = json.loads((schema.metadata or {})[b"huggingface"])
        features: dict[str, Any] = text["info"]["features"]
        return {name: features[name] for name in schema.names}
    except (KeyError, TypeError, ValueError):
        return {}


def without(table: pa.Table, ids: set[str], *, renamed: bool = False) -> pa.Table:
    """
    Return *table* with the records with these *ids* replaced by rows that mark them as erased.

    With *renamed*, those rows get new ids, so that the original ids can be used again.
    """
    rows = list(zip(table["id"].to_pylist(), table["type"].to_pylist(), strict=True))
    doomed = [row for row, (id_, kind) in enumerate(rows) if kind != ERASED and id_ in ids]
    stones = tombstones(new_id() if renamed else rows[row][0] for row in doomed)
    order = list(range(len(rows)))
    for stone, row in enumerate(doomed):
        order[row] = len(rows) + stone
    return pa.concat_tables([table, stones], promote_options="default").take(order)


def replacing(table: pa.Table) -> pa.Table:
    """Mark *table*: its rows replace those of earlier shards with the same ids."""
    return table.replace_schema_metadata({**(table.schema.metadata or {}), _REPLACES: b"1"})


def replaces(schema: pa.Schema) -> bool:
    """Whether it is the schema of a table marked by `replacing`."""
    return _REPLACES in (schema.metadata or {})


def merged(tables: Sequence[pa.Table], parts: Mapping[int, int]) -> pa.Table:
    """
    Combine the rows of *tables*; *parts* maps shard numbers to their numbers of rows.

    Raises `ArrowInvalid` or `ArrowTypeError` if a column has different types.
    """
    features: dict[str, Any] = {}
    for table in tables:
        features |= features_of(table.schema)
    whole = pa.concat_tables(tables, promote_options="default")
    return whole.replace_schema_metadata(
        {"huggingface": _info_of(features), _PARTS: json.dumps(parts)}
    )


def parts_of(schema: pa.Schema) -> dict[int, int]:
    """Return, for a merged shard, the numbers of the original shards and their row counts."""
    try:
        parts = json.loads((schema.metadata or {})[_PARTS.encode()])
        return {int(number): int(rows) for number, rows in parts.items()}
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


def _values_of(record: Record) -> Iterator[tuple[str, Value]]:
    if isinstance(record, Flag):
        for section in _SECTIONS:
            values: Mapping[str, Value] = getattr(record, section)
            for name, value in values.items():
                yield _plain(f"{section}.{name}"), value


def _fields_of(records: Sequence[Record]) -> dict[str, list[Value | None]]:
    """Return, for each field of any flag, its value in every record."""
    fields: dict[str, list[Value | None]] = {}
    for row, record in enumerate(records):
        for name, value in _values_of(record):
            fields.setdefault(name, [None] * len(records))[row] = value
    return fields


def _column(values: list[Value | None], content_of: FileContent) -> pa.Array:
    """Return *values* in the column type of their kind, or as text if one does not fit."""
    data = [None if value is None else value.data for value in values]
    present = [datum for datum in data if datum is not None]
    if _medium_kind(values):
        return pa.array([_medium(ref, content_of) for ref in data], _MEDIUM)
    match _kinds_of(values):
        case ["boolean"] if all(isinstance(datum, bool) for datum in present):
            return pa.array(data, pa.bool_())
        case ["number"] if all(map(_is_number, present)):
            floats = [None if datum is None else float(datum) for datum in data]
            return pa.array(floats, pa.float64())
        case ["label"]:
            data = [datum.get("label") if isinstance(datum, dict) else datum for datum in data]
    return pa.array([None if datum is None else _text_of(datum) for datum in data], pa.string())


def _kinds_of(values: Iterable[Value | None]) -> list[str]:
    return sorted({value.kind for value in values if value is not None})


def _medium_kind(values: Iterable[Value | None]) -> str | None:
    """Return "image" if all *values* are images, "audio" if all are audio, else None."""
    present = [value for value in values if value is not None]
    kinds = _kinds_of(present)
    are_files = all(value.data is None or isinstance(value.data, FileRef) for value in present)
    return kinds[0] if len(kinds) == 1 and kinds[0] in MEDIA and are_files else None


def _is_number(datum: Any) -> bool:
    """Whether *datum* fits a float column; NaN and infinities are stored as JSON."""
    return type(datum) in (int, float) and abs(datum) < _LARGE


def _text_of(datum: Any) -> str:
    return _plain(datum) if isinstance(datum, str) else codec.dumps(datum)


def _medium(ref: FileRef | None, content_of: FileContent) -> dict[str, Any] | None:
    if ref is None:
        return None
    content = content_of(ref)
    if isinstance(content, str):
        return {"bytes": None, "path": content}
    return {"bytes": content, "path": _plain(ref.name)}


def _row_of(record: Record) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": record.id,
        "type": record.type,
        "created_at": record.created_at,
        "embedded": [],
        "record": record.to_json(),
    }
    match record:
        case Flag():
            row |= {"verified": record.verified, "fingerprint": record.fingerprint}
            for name in ("app", "option", "comment", "user", "session"):
                text = getattr(record, name)
                row[name] = None if text is None else _plain(text)
        case Review():
            row |= {"flag_id": record.flag_id, "verdict": record.verdict}
        case _:
            row["flag_id"] = record.flag_id
    return row


def _plain(text: str) -> str:
    """Return *text* without lone surrogates, which UTF-8 cannot encode; `record` has them."""
    return text.encode(errors="replace").decode()


_DTYPES = {
    pa.string(): "string",
    pa.bool_(): "bool",
    pa.float64(): "float64",
    pa.timestamp("us", tz="UTC"): "timestamp[us, tz=UTC]",
}


def _hugging_face(schema: pa.Schema, media: Mapping[str, str]) -> dict[str, str]:
    """Return the metadata with which `datasets` decodes media; it must name every column."""
    text = {"dtype": "string", "_type": "Value"}
    features: dict[str, Any] = {}
    for column in schema:
        if column.name in media:
            features[column.name] = {"_type": MEDIA[media[column.name]]}
        elif column.type == _EMBEDDED:
            features[column.name] = {
                "_type": "List", "feature": {"sha256": text, "column": text}
            }  # fmt: skip
        else:
            features[column.name] = {"dtype": _DTYPES[column.type], "_type": "Value"}
    return {"huggingface": _info_of(features)}


def _info_of(features: Mapping[str, Any]) -> str:
    return json.dumps({"info": {"features": features}})
