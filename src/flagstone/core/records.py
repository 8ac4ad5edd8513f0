"""
The records of a store: flags, reviews, and outcomes of newer models.

Records are immutable. Each is written as one JSON object with its type and a schema number. Unknown
keys are preserved, so that an older version does not damage the records of a newer one.
"""

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, NamedTuple, get_args

import orjson

from flagstone.core import codec
from flagstone.core.codec import FileRef
from flagstone.core.fields import (
    MAX_TAGS,
    MisfitError,
    Parse,
    Parser,
    is_identifier,
    parse_bool_or_none,
    parse_duration,
    parse_fields,
    parse_identifier,
    parse_mapping,
    parse_mapping_or_none,
    parse_moment,
    parse_numbers,
    parse_one_of,
    parse_optional,
    parse_tags,
    parse_text,
    parse_text_or_none,
    parse_values,
    parse_word,
)
from flagstone.core.python_values import NO_FILES, FilesOfValue, as_python
from flagstone.errors import UnreadableRecordError

__all__ = [
    "MAX_TAGS",
    "FileRef",
    "Flag",
    "NewerRecord",
    "Outcome",
    "Record",
    "Review",
    "Value",
    "new_id",
    "record_from_json",
    "unique_names",
    "utc_text",
]

SCHEMA = 1
_A_TYPE = re.compile("[a-z][a-z0-9_]{0,63}")

Verdict = Literal["open", "accepted", "rejected", "fixed"]
Speaker = Literal["visitor", "reviewer"]
Status = Literal["fixed", "still_failing", "changed", "broken", "error"]


def new_id() -> str:
    """Return a UUIDv7 (RFC 9562, section 5.7): 48 bits of milliseconds since 1970, then random."""
    bits = time.time_ns() // 1_000_000 << 80 | int.from_bytes(os.urandom(10))
    bits = bits & ~(0xF << 76) | 7 << 76  # the version
    bits = bits & ~(0x3 << 62) | 2 << 62  # the variant
    digits = f"{bits:032x}"
    return "-".join([digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]])


def unique_names(names: Iterable[str], *, taken: Iterable[str] = ()) -> list[str]:
    """Return *names* in order; repeats and those in *taken* get a number: t, t_2, t_3."""
    used = set(taken)
    result = []
    for name in names:
        candidate, number = name, 1
        while candidate in used:
            number += 1
            candidate = f"{name}_{number}"
        used.add(candidate)
        result.append(candidate)
    return result


@dataclass(frozen=True, kw_only=True, slots=True)
class Value:
    """
    The value of one field.

    `kind` is the kind of value: text, number, boolean, choice, label, image, table, …
    `data` is anything that `flagstone.core.codec` can encode; each file in it is a `FileRef`.
    `component` is the component class and the configuration needed to show the value again.
    `files` gives access to the content of its files; a store sets it on the values that it reads.

    The data is copied. Raises `UnserializableValueError` if it cannot be stored without loss.
    """

    kind: str
    data: Any = None
    component: Mapping[str, Any] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    files: FilesOfValue = field(default=NO_FILES, compare=False, repr=False)

    def __post_init__(self) -> None:
        parse_fields(self, _PARSERS[Value])

    def to_python(self) -> Any:
        """
        Return the value as a Python object: text, numbers and JSON unchanged; `PIL.Image` for an
        image, (rate, array) for audio, `pandas.DataFrame` for a table, `pathlib.Path` for a file (a
        copy, deleted when this process ends), confidences by label for a label, None if empty.

        Raises `UnreadableValueError` if it cannot be read, `MissingExtraError` if a library is
        missing.
        """
        return as_python(self.kind, self.data, self.files)


Values = Mapping[str, Value]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Record:
    """
    The base of all records: an id, a creation time, and conversion to JSON.

    Plain Python values are accepted as a `Value`: text, bools, numbers, files, and lists, tuples
    and dicts as JSON; None is an empty field. None also stands for an empty dict or no tags, and a
    string for one tag.

    The constructors raise `InvalidRecordError` for invalid field values.
    """

    type: ClassVar[str]

    id: str = field(default_factory=new_id)
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        parse_fields(self, _PARSERS[type(self)])

    def to_json(self) -> str:
        """
        Return the record as one line of strict JSON, without fields that are empty.

        Raises `UnserializableValueError` for a value that cannot be stored without loss.
        """
        return codec.dumps(_to_dict(self), where=self.type)

    def values(self) -> Iterator["Value"]:
        """Iterate over the values in all fields of the record."""
        for values in _values_of(self):
            yield from values.values()

    def files(self) -> Iterator[FileRef]:
        """Iterate over the files that the record refers to, including repeats."""
        for value in self.values():
            yield from codec.files_in(value.data)


@dataclass(frozen=True, kw_only=True, slots=True)
class Flag(_Record):
    """
    The inputs and outputs that a user flagged.

    `inputs` and `outputs` hold the fields in the order of the demo, `correction` the correct
    outputs. `option` is the value of the selected flagging option. `verified` is True if the server
    produced these outputs from these inputs, False if it did not, None if unknown. `fingerprint`
    is equal for flags with equal inputs.
    """

    type: ClassVar[str] = "flag"

    app: str = ""
    inputs: Values = field(default_factory=dict)
    outputs: Values = field(default_factory=dict)
    option: str | None = None
    comment: str | None = None
    correction: Values = field(default_factory=dict)
    user: str | None = None
    session: str | None = None
    context: Mapping[str, Any] = field(default_factory=dict)
    verified: bool | None = None
    fingerprint: str = ""

    def __post_init__(self) -> None:
        _Record.__post_init__(self)
        _complete(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class Review(_Record):
    """
    A decision about a flag; every part is optional.

    `retracts` is the id of another review of the flag, which is ignored from then on. `speaker`
    says whether `by` is a visitor of the demo or a reviewer, since both may have the same name;
    None means unknown. A review adds at most 20 tags; a flag has the tags of all its reviews.
    """

    type: ClassVar[str] = "review"

    flag_id: str
    by: str | None = None
    verdict: Verdict | None = None
    correction: Values = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    note: str | None = None
    assignee: str | None = None
    retracts: str | None = None
    speaker: Speaker | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome(_Record):
    """The result of running a newer model on the inputs of a flag; `seconds` is the duration."""

    type: ClassVar[str] = "outcome"

    flag_id: str
    run_id: str
    model: str
    status: Status
    outputs: Values = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class NewerRecord:
    """
    A record of a newer version: stored and copied byte for byte, but not interpreted.

    `text` is its JSON, `reason` why it cannot be interpreted. `flag_id` is the id of its flag if it
    has one, else its own id.
    """

    id: str
    created_at: datetime
    type: str
    flag_id: str
    text: str
    reason: str

    def to_json(self) -> str:
        """Return its JSON unchanged."""
        return self.text

    def values(self) -> Iterator["Value"]:
        """Return nothing: this version does not know its values."""
        return iter(())

    def files(self) -> Iterator[FileRef]:
        """Iterate over the files that it refers to in a form that this version knows."""
        return codec.files_tagged_in(self.text)


Record = Flag | Review | Outcome | NewerRecord

_TYPES: dict[str, type[Flag | Review | Outcome]] = {
    kind.type: kind for kind in (Flag, Review, Outcome)
}


def record_from_json(text: str | bytes, *, where: str, files: FilesOfValue = NO_FILES) -> Record:
    """
    Decode the output of `to_json`; *files* gives access to the content of its files.

    Return a `NewerRecord` for a record of a newer version. Raises `UnreadableRecordError`, which
    names *where*, for invalid text.
    """
    try:
        data = codec.loads(text)
        kind = _TYPES.get(data["type"])
        if kind is None or data["flagstone"] != SCHEMA:
            return _newer(text, where)
        del data["type"], data["flagstone"]
        record: Record = _from_dict(kind, data)
    except codec.UnknownTagError as error:
        return _newer(text, where, str(error))
    except KeyError as error:
        raise UnreadableRecordError(where=where, reason=f"{error} is missing or unknown") from error
    except (ValueError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise UnreadableRecordError(where=where, reason=str(error)) from error
    for values in _values_of(record):
        for value in values.values():
            object.__setattr__(value, "files", files)
    return record


def _why_newer(data: Mapping[str, Any], tag: str) -> str:
    if data["flagstone"] != SCHEMA:
        return f"it has schema {data['flagstone']!r}, and this version supports {SCHEMA}"
    if data["type"] not in _TYPES:
        return f"this version does not support records of type {data['type']!r}"
    return tag


def _is_of_a_version(data: Mapping[str, Any]) -> bool:
    schema = data["flagstone"]
    return type(schema) is int and schema >= SCHEMA and bool(_A_TYPE.fullmatch(data["type"]))


def _newer(text: str | bytes, where: str, tag: str = "") -> NewerRecord:
    """Return a `NewerRecord` if *text* has the common fields; *tag* describes an unknown tag."""
    text = text if isinstance(text, str) else text.decode()
    try:
        data = orjson.loads(text)
        record_id, reason = _identifier(data["id"]), _why_newer(data, tag)
        if not _is_of_a_version(data):
            raise ValueError(reason)  # noqa: TRY301 - like the functions called here
        return NewerRecord(
            id=record_id,
            created_at=_moment(data["created_at"]),
            type=data["type"],
            flag_id=_identifier(data.get("flag_id", record_id)),
            text=text,
            reason=reason,
        )
    except KeyError as error:
        raise UnreadableRecordError(where=where, reason=f"{error} is missing") from error
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise UnreadableRecordError(where=where, reason=str(error)) from error


def _values_of(record: Any) -> Iterator[Values]:
    return (getattr(record, spec.name) for spec in _SPECS[type(record)] if spec.holds_values)


def _complete(flag: Flag) -> None:
    """Set the fingerprint of *flag* from its inputs unless it has one."""
    if not flag.fingerprint:
        object.__setattr__(flag, "fingerprint", _fingerprint(flag.inputs))


def _fingerprint(inputs: Values) -> str:
    """Return 128 bits of the SHA-256 of the inputs, with files by content and not by name."""
    parts = {name: {"kind": value.kind, "data": value.data} for name, value in inputs.items()}
    text = codec.dumps(parts, "inputs")
    if '"$file"' in text:
        text = codec.dumps(_without_names(parts))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _without_names(data: Any) -> Any:
    if isinstance(data, FileRef):
        return replace(data, name="", mime_type=None)
    if isinstance(data, dict):
        return {key: _without_names(part) for key, part in data.items()}
    if isinstance(data, list | tuple):
        return type(data)([_without_names(part) for part in data])
    return data


# --- records from plain Python ------------------------------------------------------------------

_KINDS = {
    str: "text",
    bool: "boolean",
    int: "number",
    float: "number",
    FileRef: "file",
    list: "json",
    tuple: "json",
    dict: "json",
    type(None): "json",
}
"""The kinds of values given as plain Python."""


def _value_of(plain: Any) -> Value:
    kind = _KINDS.get(type(plain))
    if kind is None:
        raise MisfitError("a Value, text, a number, a bool, a list, a dict or a FileRef", plain)
    return Value(kind=kind, data=plain)


_parse_id = parse_identifier("an id")
_parse_fingerprint = parse_identifier("a fingerprint")

_PARSE_NAMED: dict[str, Parse] = {
    "id": _parse_id,
    "flag_id": _parse_id,
    "retracts": parse_optional(_parse_id),
    "fingerprint": lambda given: "" if given in ("", None) else _parse_fingerprint(given),
    "kind": parse_word,
}
"""Parsers of fields with more rules than their type."""

_PARSE: dict[Any, Parse] = {
    Any: codec.copied,
    str: parse_text,
    str | None: parse_text_or_none,
    bool | None: parse_bool_or_none,
    float | None: parse_duration,
    datetime: parse_moment,
    Values: parse_values(_value_of, Value),
    tuple[str, ...]: parse_tags,
    Mapping[str, Any]: parse_mapping,
    Mapping[str, Any] | None: parse_mapping_or_none,
    Mapping[str, float]: parse_numbers,
    Verdict | None: parse_one_of(*get_args(Verdict), None),
    Speaker | None: parse_one_of(*get_args(Speaker), None),
    Status: parse_one_of(*get_args(Status)),
}

_PLAIN: dict[Any, set[type]] = {
    Any: {str, bool, int, float, bytes, FileRef, type(None)},
    str: {str},
    str | None: {str, type(None)},
    bool | None: {bool, type(None)},
    Verdict | None: {type(None)},
    Mapping[str, Any] | None: {type(None)},
}
"""Types that need no parsing, by the type of the field."""

_PARSERS: dict[Any, tuple[Parser, ...]] = {
    kind: tuple(
        Parser(spec.name, (), _PARSE_NAMED[spec.name])
        if spec.name in _PARSE_NAMED
        else Parser(spec.name, _PLAIN.get(spec.type, ()), _PARSE[spec.type])
        for spec in fields(kind)
        if spec.name != "files"
    )
    for kind in (Value, Flag, Review, Outcome)
}


# --- records as dicts ---------------------------------------------------------------------------


class _Spec(NamedTuple):
    """How one field is encoded and decoded."""

    name: str
    write: Callable[[Any], Any] | None
    read: Callable[[Any], Any]
    make: Callable[[], Any] | None
    omit_empty: bool
    holds_values: bool


def _to_dict(record: Any) -> dict[str, Any]:
    result: dict[str, Any] = {}
    if isinstance(record, _Record):
        result = {"flagstone": SCHEMA, "type": record.type}
    for name, write, _, _, omit_empty, _ in _SPECS[type(record)]:
        value = getattr(record, name)
        if value is not None and (value or not omit_empty):
            result[name] = write(value) if write else value
    # Known fields come first and take precedence.
    return {**result, **record.extra, **result} if record.extra else result


def _from_dict(kind: type[Any], data: dict[str, Any]) -> Any:
    """
    Build a record from the output of `_to_dict`. It was validated when it was created.
    """
    record = object.__new__(kind)
    set_field = object.__setattr__
    for name, _, read, make, _, _ in _SPECS[kind]:
        if name in data:
            set_field(record, name, read(data.pop(name)))
        elif make is not None:
            set_field(record, name, make())
        else:
            raise KeyError(name)
    set_field(record, "extra", data)
    if kind is Value:
        set_field(record, "files", NO_FILES)
    elif kind is Flag:
        _complete(record)
    return record


def utc_text(moment: datetime) -> str:
    """Return *moment* in UTC as ISO 8601 with microseconds; the text sorts by time."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds")


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _expect(*kinds: type) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if not isinstance(value, kinds):
            names = " or ".join(kind.__name__ for kind in kinds)
            raise TypeError(f"{str(value)[:80]!r} is not of type {names}")
        return value

    return check


def _named(parts: Any) -> dict[str, Any]:
    for name in _expect(dict)(parts):
        _expect(str)(name)
    return dict(parts)


def _identifier(value: Any) -> Any:
    if not is_identifier(_expect(str)(value)):
        raise ValueError(f"{value!r} is not printable ASCII")
    return value


def _one_of(*words: str) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if value not in words:
            raise ValueError(f"{str(value)[:80]!r} is not one of {', '.join(words)}")
        return value

    return check


def _texts(items: Any) -> tuple[str, ...]:
    return tuple(_expect(str)(item) for item in _expect(list)(items))


_WRITE: dict[Any, Callable[[Any], Any]] = {
    datetime: utc_text,
    Values: lambda values: {name: _to_dict(value) for name, value in values.items()},
    tuple[str, ...]: list,
}

_READ: dict[Any, Callable[[Any], Any]] = {
    Any: lambda value: value,
    str: _expect(str),
    str | None: _expect(str),
    bool | None: _expect(bool),
    float | None: _expect(float, int),
    datetime: _moment,
    Values: lambda values: {
        name: _from_dict(Value, value) for name, value in _named(values).items()
    },
    tuple[str, ...]: _texts,
    Mapping[str, Any]: _named,
    Mapping[str, Any] | None: _named,
    Mapping[str, float]: _named,
    Verdict | None: _one_of(*get_args(Verdict)),
    Speaker | None: _one_of(*get_args(Speaker)),
    Status: _one_of(*get_args(Status)),
}

_READ_NAMED = {"id": _identifier, "flag_id": _identifier, "fingerprint": _identifier}


def _default_of(spec: "Field[Any]") -> Callable[[], Any] | None:
    """Return the factory of a field's default, or None for a required field."""
    if spec.default_factory is not MISSING:
        return spec.default_factory
    return None if spec.default is MISSING else lambda: spec.default


_SPECS: dict[Any, tuple[_Spec, ...]] = {
    kind: tuple(
        _Spec(
            name=spec.name,
            write=_WRITE.get(spec.type),
            read=_READ_NAMED.get(spec.name) or _READ[spec.type],
            make=_default_of(spec),
            omit_empty=spec.default_factory is dict or spec.default == (),
            holds_values=spec.type == Values,
        )
        for spec in fields(kind)
        if spec.name not in ("extra", "files")
    )
    for kind in (Value, Flag, Review, Outcome)
}
