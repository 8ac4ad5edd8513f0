"""
Records as a table of Arrow, and the table as Parquet: what is in one shard.

`record` is the whole record as JSON, and the only column that is read back as one. The others are
for those who read shards without us: what is asked for most, and for each field of a flag a column
`inputs.NAME`, `outputs.NAME` or `correction.NAME` of the type that its values have. Pictures and
sound are there in Hugging Face's layout, a struct of `bytes` and `path`.
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
"""Kinds whose bytes are embedded, and what Hugging Face calls them."""

FileContent = Callable[[FileRef], bytes | str]
"""The bytes of a file that is to be embedded; for another the address where it lies."""

ERASED = "erased"
"""The type of a row that only says which id must not come back."""

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
_BEFORE_CRC = _CRC + b"\x18\x08"  # in Thrift's compact protocol: a text of eight bytes
DAMAGE = (pa.ArrowException, OSError, ValueError)
"""What a damaged shard raises when it is read."""

_SECTIONS = ("inputs", "outputs", "correction")
_GROUP_BYTES = 16 << 20
_MAX_ROWS = 1_000
_LARGE = 2.0**1000


def table_of(records: Sequence[Record], content_of: FileContent) -> pa.Table:
    """*records*, a row each; *content_of* says which of their pictures and sounds are embedded."""
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
    """Rows that say that *ids* were erased."""
    return pa.Table.from_pylist([{"id": id_, "type": ERASED} for id_ in ids], schema=_FIXED)


def to_parquet(table: pa.Table) -> bytes:
    """
    *table* as a Parquet file, in row groups small enough to read one for one row.

    Each page has Parquet's own checksum, which readers verify as they read it, and the whole file
    a CRC-32 among its metadata, in place of which it has zeros.
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
    """What is wrong with the shard *content*; None where it is as it was written, or cannot tell"""
    place = content.rfind(_BEFORE_CRC)
    if place < 0:
        return "its checksum is damaged" if _CHECKED in content or _CRC in content else None
    place += len(_BEFORE_CRC)
    crc, rest = content[place : place + len(_NO_CRC)], content[place + len(_NO_CRC) :]
    found = crc32(rest, crc32(_NO_CRC, crc32(content[:place])))
    return None if crc == f"{found:08x}".encode() else "it is not what was written"


def rows_of(
    file: BinaryIO, columns: Sequence[str], note: Callable[[str], None]
) -> Iterator[dict[str, Any]]:
    """
    The rows of a shard, of which only *columns* are read, a row group at a time.

    Of a damaged row group all is None, after *note* was called with what is wrong with it.
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
                raise  # of the medium, or the way to it
            count = shard.metadata.row_group(group).num_rows
            note(f"row group {group + 1}, of {count:,} records, cannot be read ({error})")
            rows = [nothing] * min(count, _MAX_ROWS)
        yield from rows


def embedded_bytes(file: BinaryIO, sha256: str) -> bytes | None:
    """The bytes of the embedded file with this hash; None where the shard has none such."""
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
    """Whether the shard that says so has such a column, too; others may have written it."""
    return column in schema.names and schema.field(column).type == _MEDIUM


def features_of(schema: pa.Schema) -> dict[str, Any]:
    """The columns of a shard as Hugging Face's features; none where it does not name them."""
    try:
        text = json.loads((schema.metadata or {})[b"huggingface"])
        features: dict[str, Any] = text["info"]["features"]
        return {name: features[name] for name in schema.names}
    except (KeyError, TypeError, ValueError):
        return {}


def without(table: pa.Table, ids: set[str], *, renamed: bool = False) -> pa.Table:
    """
    *table* where of the records with these *ids* no more is left than that they were erased.

    With *renamed* not even that: what is left has ids of its own, and theirs are free.
    """
    rows = list(zip(table["id"].to_pylist(), table["type"].to_pylist(), strict=True))
    doomed = [row for row, (id_, kind) in enumerate(rows) if kind != ERASED and id_ in ids]
    stones = tombstones(new_id() if renamed else rows[row][0] for row in doomed)
    order = list(range(len(rows)))
    for stone, row in enumerate(doomed):
        order[row] = len(rows) + stone
    return pa.concat_tables([table, stones], promote_options="default").take(order)


def replacing(table: pa.Table) -> pa.Table:
    """*table* as one whose rows replace those of earlier shards with their ids."""
    return table.replace_schema_metadata({**(table.schema.metadata or {}), _REPLACES: b"1"})


def replaces(schema: pa.Schema) -> bool:
    """Whether it is the schema of a table that `replacing` gave."""
    return _REPLACES in (schema.metadata or {})


def merged(tables: Sequence[pa.Table], parts: Mapping[int, int]) -> pa.Table:
    """
    The rows of *tables* as one; *parts* says how many of them are of the shard of which number.

    Raises `ArrowInvalid` or `ArrowTypeError` where a column has one type here, another there.
    """
    features: dict[str, Any] = {}
    for table in tables:
        features |= features_of(table.schema)
    whole = pa.concat_tables(tables, promote_options="default")
    return whole.replace_schema_metadata(
        {"huggingface": _info_of(features), _PARTS: json.dumps(parts)}
    )


def parts_of(schema: pa.Schema) -> dict[int, int]:
    """Of a merged shard: the numbers of those it was made of, and how many rows each had."""
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
    """For each field of some flag its value in every record."""
    fields: dict[str, list[Value | None]] = {}
    for row, record in enumerate(records):
        for name, value in _values_of(record):
            fields.setdefault(name, [None] * len(records))[row] = value
    return fields


def _column(values: list[Value | None], content_of: FileContent) -> pa.Array:
    """*values* as the type of their kind, which all shards have; as text where they do not fit."""
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
    """Whether all *values* are pictures, or all are sounds: "image", "audio" or None."""
    present = [value for value in values if value is not None]
    kinds = _kinds_of(present)
    are_files = all(value.data is None or isinstance(value.data, FileRef) for value in present)
    return kinds[0] if len(kinds) == 1 and kinds[0] in MEDIA and are_files else None


def _is_number(datum: Any) -> bool:
    """Whether *datum* has a place among floats; NaN and the infinities are JSON."""
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
    """*text* without lone surrogates, which UTF-8 has no word for; `record` has them exactly."""
    return text.encode(errors="replace").decode()


_DTYPES = {
    pa.string(): "string",
    pa.bool_(): "bool",
    pa.float64(): "float64",
    pa.timestamp("us", tz="UTC"): "timestamp[us, tz=UTC]",
}


def _hugging_face(schema: pa.Schema, media: Mapping[str, str]) -> dict[str, str]:
    """What `datasets` reads to show pictures as pictures; it wants every column named."""
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
