"""
The records a store keeps: what somebody saw, what somebody decided, what a newer model did.

All are frozen, made once and never changed. Each is written as one JSON object that carries its
type and a schema number, and keeps the keys it does not know: what a newer version wrote passes
through an older one unharmed.
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, NamedTuple, get_args

from flagstone import codec
from flagstone.as_python import NO_FILES, FilesOfValue, as_python
from flagstone.codec import FileRef
from flagstone.errors import UnreadableRecordError

__all__ = [
    "FileRef",
    "Flag",
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
    `data` is anything `flagstone.codec` can write; each file in it is a `FileRef`.
    `component` names the exact component class and the configuration that shows it again.
    `files` is where the bytes of its files are; a store gives it to what it reads.
    """

    kind: str
    data: Any = None
    component: Mapping[str, Any] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    files: FilesOfValue = field(default=NO_FILES, compare=False, repr=False)

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
    """What every record has: an id made with it, the moment it was made, and JSON both ways."""

    type: ClassVar[str]

    id: str = field(default_factory=new_id)
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _printable("an id", self.id)
        if self.created_at.tzinfo is None:
            raise ValueError(f"created_at must say its time zone: {self.created_at!r} does not")

    def to_json(self) -> str:
        """
        This record as one line of strict JSON; fields that hold their default are left out.

        Raises `UnkeepableValueError` for a value that would not come back as it is.
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
        if not self.fingerprint:
            object.__setattr__(self, "fingerprint", _fingerprint(self.inputs))
        _printable("a fingerprint", self.fingerprint)


@dataclass(frozen=True, kw_only=True, slots=True)
class Review(_Record):
    """
    What somebody decided about a flag; each part may be absent.

    `withdraws` is the id of another review of the flag, which counts no more. `speaker` says if
    `by` names a visitor of the demo or a reviewer, who may have the same name; None: not known.
    """

    type: ClassVar[str] = "review"

    flag_id: str
    by: str | None = None
    verdict: Verdict | None = None
    correction: Values = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    note: str | None = None
    assignee: str | None = None
    withdraws: str | None = None
    speaker: Speaker | None = None

    def __post_init__(self) -> None:
        _Record.__post_init__(self)
        _printable("an id", self.flag_id)
        _one_of("verdict", self.verdict, (*get_args(Verdict), None))
        _one_of("speaker", self.speaker, (*get_args(Speaker), None))


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

    def __post_init__(self) -> None:
        _Record.__post_init__(self)
        _printable("an id", self.flag_id)
        _one_of("status", self.status, get_args(Status))


Record = Flag | Review | Outcome

_TYPES: dict[str, type[Record]] = {kind.type: kind for kind in (Flag, Review, Outcome)}


def record_from_json(text: str | bytes, *, where: str, files: FilesOfValue = NO_FILES) -> Record:
    """
    Read what `to_json` wrote; the bytes of its files are in *files*.

    Raises `UnreadableRecordError`, which names *where*, for anything else.
    """
    try:
        data = codec.loads(text)
        kind = _TYPES[data.pop("type")]
        data.pop("flagstone")
        record: Record = _from_dict(kind, data)
    except KeyError as error:
        raise UnreadableRecordError(where=where, reason=f"{error} is missing or unknown") from error
    except (ValueError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise UnreadableRecordError(where=where, reason=str(error)) from error
    for values in _values_of(record):
        for value in values.values():
            object.__setattr__(value, "files", files)
    return record


def _values_of(record: Any) -> Iterator[Values]:
    return (getattr(record, spec.name) for spec in _SPECS[type(record)] if spec.holds_values)


def _printable(name: str, text: str) -> None:
    if not (text and text.isascii() and text.isprintable()):  # or no database would look it up
        raise ValueError(f"{name} is made of printable ASCII, not {text!r}")


def _one_of(name: str, value: str | None, allowed: tuple[str | None, ...]) -> None:
    if value not in allowed:
        words = ", ".join(str(word) for word in allowed)
        raise ValueError(f"{name} must be one of {words}, not {value!r}")


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


# --- records as dicts ---------------------------------------------------------------------------


class _Spec(NamedTuple):
    """How one field is written and read."""

    name: str
    write: Callable[[Any], Any] | None
    read: Callable[[Any], Any]
    omit_empty: bool
    holds_values: bool


def _to_dict(record: Any) -> dict[str, Any]:
    result: dict[str, Any] = {}
    if isinstance(record, _Record):
        result = {"flagstone": SCHEMA, "type": record.type}
    for name, write, _, omit_empty, _ in _SPECS[type(record)]:
        value = getattr(record, name)
        if value is not None and (value or not omit_empty):
            result[name] = write(value) if write else value
    # What is known comes first, and wins.
    return {**result, **record.extra, **result} if record.extra else result


def _from_dict(kind: type[Any], data: dict[str, Any]) -> Any:
    known = {
        spec.name: spec.read(data.pop(spec.name)) for spec in _SPECS[kind] if spec.name in data
    }
    return kind(**known, extra=data)


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
    Verdict | None: _expect(str),
    Speaker | None: _expect(str),
    Status: _expect(str),
}

_SPECS: dict[Any, tuple[_Spec, ...]] = {
    kind: tuple(
        _Spec(
            name=spec.name,
            write=_WRITE.get(spec.type),
            read=_READ[spec.type],
            omit_empty=spec.default_factory is dict or spec.default == (),
            holds_values=spec.type == Values,
        )
        for spec in fields(kind)
        if spec.name not in ("extra", "files")
    )
    for kind in (Value, Flag, Review, Outcome)
}
