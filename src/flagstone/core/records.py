"""
The records a store keeps: what somebody saw, what somebody decided, what a newer model did.

All are frozen, made once and never changed. Each is written as one JSON object that carries its
type and a schema number, and keeps the keys it does not know: what a newer version wrote passes
through an older one unharmed.
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
    """A UUIDv7 (RFC 9562, section 5.7): 48 bits of milliseconds since 1970, then 74 random ones."""
    bits = time.time_ns() // 1_000_000 << 80 | int.from_bytes(os.urandom(10))
    bits = bits & ~(0xF << 76) | 7 << 76  # the version
    bits = bits & ~(0x3 << 62) | 2 << 62  # the variant
    digits = f"{bits:032x}"
    return "-".join([digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]])


def unique_names(names: Iterable[str], *, taken: Iterable[str] = ()) -> list[str]:
    """*names* in order, those met before, or in *taken*, with a number behind: t, t_2, t_3."""
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
    What one field held.

    `kind` is what it is to a person: text, number, boolean, choice, label, image, table, …
    `data` is anything `flagstone.core.codec` can write; each file in it is a `FileRef`.
    `component` names the exact component class and the configuration that shows it again.
    `files` is where the bytes of its files are; a store gives it to what it reads.

    The data is copied. Raises `UnserializableValueError` for data that would not come back equal.
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
        The value as Python has it: text, numbers and JSON as they are; `PIL.Image` for an image,
        (rate, array) for audio, `pandas.DataFrame` for a table, `pathlib.Path` for a file (a copy
        that lives as long as this process), confidences by label for a label; None for nothing.

        Raises `UnreadableValueError` where it cannot be read, `MissingExtraError` where a library
        is missing.
        """
        return as_python(self.kind, self.data, self.files)


Values = Mapping[str, Value]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Record:
    """
    What every record has: an id made with it, the moment it was made, and JSON both ways.

    Where a `Value` belongs, plain Python is taken: text, a bool, a number, a file, and lists,
    tuples and dicts, which are JSON; None is a field that held nothing. None in place of a dict or
    of tags is none of them, and one text in place of tags is one tag.

    The constructors raise `InvalidRecordError` for what a field cannot mean.
    """

    type: ClassVar[str]

    id: str = field(default_factory=new_id)
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        parse_fields(self, _PARSERS[type(self)])

    def to_json(self) -> str:
        """
        This record as one line of strict JSON; fields that hold their default are left out.

        Raises `UnserializableValueError` for a value that would not come back as it is.
        """
        return codec.dumps(_to_dict(self), where=self.type)

    def values(self) -> Iterator["Value"]:
        """The values this record holds, in all its fields."""
        for values in _values_of(self):
            yield from values.values()

    def files(self) -> Iterator[FileRef]:
        """The files this record refers to, repeats included."""
        for value in self.values():
            yield from codec.files_in(value.data)


@dataclass(frozen=True, kw_only=True, slots=True)
class Flag(_Record):
    """
    What somebody saw and marked.

    `inputs` and `outputs` hold the fields in the order of the demo; `correction` what the outputs
    should have been. `option` is the value of the flag option pressed. `verified` is True where
    the server itself made these outputs from these inputs, False where it did not, None where
    nobody knows. `fingerprint` is equal for flags with equal inputs.
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
    What somebody decided about a flag; each part may be absent.

    `retracts` is the id of another review of the flag, which counts no more. `speaker` says if
    `by` names a visitor of the demo or a reviewer, who may have the same name; None: not known.
    One review adds at most 20 tags; a flag has those of all its reviews.
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
    """What a newer model did with a flag's inputs, in one run; `seconds` is how long it took."""

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
    A record of a newer version: kept and copied as it is, to the byte, and read by none here.

    `text` is its JSON, `reason` why it is not read; `flag_id` the flag that it is about, as far as
    it says, else its own id.
    """

    id: str
    created_at: datetime
    type: str
    flag_id: str
    text: str
    reason: str

    def to_json(self) -> str:
        """Its JSON, as it was."""
        return self.text

    def values(self) -> Iterator["Value"]:
        """None: this version does not know them."""
        return iter(())

    def files(self) -> Iterator[FileRef]:
        """The files it refers to in the way that this version knows."""
        return codec.files_tagged_in(self.text)


Record = Flag | Review | Outcome | NewerRecord

_TYPES: dict[str, type[Flag | Review | Outcome]] = {
    kind.type: kind for kind in (Flag, Review, Outcome)
}


def record_from_json(text: str | bytes, *, where: str, files: FilesOfValue = NO_FILES) -> Record:
    """
    Read what `to_json` wrote; the bytes of its files are in *files*.

    What a newer version wrote is a `NewerRecord`. Raises `UnreadableRecordError`, which names
    *where*, for anything else.
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
        return f"it has schema {data['flagstone']!r}, and this version reads {SCHEMA}"
    if data["type"] not in _TYPES:
        return f"this version knows no record of type {data['type']!r}"
    return tag


def _is_of_a_version(data: Mapping[str, Any]) -> bool:
    schema = data["flagstone"]
    return type(schema) is int and schema >= SCHEMA and bool(_A_TYPE.fullmatch(data["type"]))


def _newer(text: str | bytes, where: str, tag: str = "") -> NewerRecord:
    """The record *text*, if it has what every version's has; *tag* says what tag is not known."""
    text = text if isinstance(text, str) else text.decode()
    try:
        data = orjson.loads(text)
        record_id, reason = _identifier(data["id"]), _why_newer(data, tag)
        if not _is_of_a_version(data):
            raise ValueError(reason)  # noqa: TRY301 - as what is called here does
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
    """Give *flag* the fingerprint of its inputs unless it has one."""
    if not flag.fingerprint:
        object.__setattr__(flag, "fingerprint", _fingerprint(flag.inputs))


def _fingerprint(inputs: Values) -> str:
    """128 bits of the SHA-256 of the inputs; files count by their content, not their name."""
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
"""Of which kind a value is that is given as plain Python."""


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
"""How fields are parsed that are more than their type says."""

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
"""Of which types what a field was given is kept as it is."""

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
    """How one field is written and read."""

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
    # What is known comes first, and wins.
    return {**result, **record.extra, **result} if record.extra else result


def _from_dict(kind: type[Any], data: dict[str, Any]) -> Any:
    """
    What `_to_dict` wrote. It was checked when it was made and is not checked again.
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
    """*moment* in UTC as ISO 8601 with microseconds: texts that sort as the moments do."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds")


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _expect(*kinds: type) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if not isinstance(value, kinds):
            names = " or ".join(kind.__name__ for kind in kinds)
            raise TypeError(f"{str(value)[:80]!r} stands where {names} should")
        return value

    return check


def _named(parts: Any) -> dict[str, Any]:
    for name in _expect(dict)(parts):
        _expect(str)(name)
    return dict(parts)


def _identifier(value: Any) -> Any:
    if not is_identifier(_expect(str)(value)):
        raise ValueError(f"{value!r} stands where printable ASCII should")
    return value


def _one_of(*words: str) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if value not in words:
            raise ValueError(f"{str(value)[:80]!r} is none of {', '.join(words)}")
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
    """What makes the default of a field; None for one that has to be given."""
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
