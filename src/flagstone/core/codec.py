r"""
Encode the data of values as strict JSON, without loss.

The JSON is strict, so that databases, browsers and other languages read it in the same way. Values
that JSON does not support are written as an object with one key that starts with a dollar sign:

    {"$file": {…}}         a `FileRef`: the content is stored beside the records
    {"$tuple": […]}        a tuple
    {"$dict": [[k, v], …]} a dict with keys that are not text, or that looks like such an object
    {"$int": "0x1f…"}      an integer beyond 64 bits, in base 16
    {"$float": "nan"}      nan, inf or -inf
    {"$text": "\\ud800"}    text with a lone surrogate, escaped as in Python
    {"$bytes": "…"}        bytes, in base 64

Everything else raises `UnserializableValueError`: a wrong value is worse than a missing one.
"""

import base64
import math
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson

from flagstone.errors import InvalidRecordError, UnserializableValueError

_SHA256 = re.compile("[0-9a-f]{64}")
_A_TAG = re.compile(r"\$[a-z][a-z0-9_]*")
_INT64 = range(-(2**63), 2**63)
_MAX_LEVELS = 249
"""Maximum depth of the JSON of a value: 254 levels in orjson, minus five of record and file."""
_TOO_DEEP = "it is nested too deeply (the limit is about 250 levels)"


@dataclass(frozen=True, kw_only=True, slots=True)
class FileRef:
    """
    A reference to a file of a value; the store saves its content under the hash.

    `name` is the original file name, unchanged; it is never used as a path. `sha256` is in
    hexadecimal, `size` in bytes.
    """

    sha256: str
    name: str
    mime_type: str | None = None
    size: int

    def __post_init__(self) -> None:
        if type(self.sha256) is not str or not _SHA256.fullmatch(self.sha256):
            raise self._misfit("sha256", "64 hexadecimal digits", self.sha256)
        if type(self.name) is not str:
            raise self._misfit("name", "text", self.name)
        if self.mime_type is not None and type(self.mime_type) is not str:
            raise self._misfit("mime_type", "text or None", self.mime_type)
        if type(self.size) is not int or self.size < 0:
            raise self._misfit("size", "a number of bytes", self.size)

    @staticmethod
    def _misfit(field: str, expected: str, given: object) -> InvalidRecordError:
        return InvalidRecordError(record="FileRef", field=field, expected=expected, given=given)


class UnknownTagError(ValueError):
    """An object with an unknown dollar key, which a newer version may have written."""


def dumps(value: Any, where: str = "") -> str:
    """
    Encode *value* as strict JSON.

    Raises `UnserializableValueError` with the path within *value*, prefixed by *where*.
    """
    try:
        return _dumps(value).decode()
    except _CannotEncodeError as error:
        raise _refusal(value, error.value, where) from None
    except (RecursionError, orjson.JSONEncodeError) as error:
        raise UnserializableValueError(where=where, reason=_TOO_DEEP) from error


def copied(value: Any, where: str = "") -> Any:
    """
    Return a deep copy of *value*.

    Raises `UnserializableValueError`, as `dumps` does, if a record cannot hold the value.
    """
    try:
        return _copy(value, _MAX_LEVELS)
    except _CannotEncodeError as error:
        raise _refusal(value, error.value, where) from None
    except RecursionError as error:
        raise UnserializableValueError(where=where, reason=_TOO_DEEP) from error


def loads(text: str | bytes) -> Any:
    """
    Decode the output of `dumps`.

    Raises `ValueError` for invalid JSON and invalid tags, and its subclass `UnknownTagError` for a
    tag that a newer version may have written.
    """
    data = orjson.loads(text)
    tagged = b'"$' if isinstance(text, bytes) else '"$'
    return _decode(data) if tagged in text else data  # type: ignore[operator]


def files_in(data: Any) -> Iterator[FileRef]:
    """Iterate over every `FileRef` in *data*, in order, including repeats."""
    if isinstance(data, FileRef):
        yield data
    elif isinstance(data, dict):
        for part in data.values():
            yield from files_in(part)
    elif isinstance(data, list | tuple):
        for part in data:
            yield from files_in(part)


def files_tagged_in(text: str) -> Iterator[FileRef]:
    """Iterate over every `FileRef` in the JSON *text*, ignoring unknown tags."""
    if '"$file"' in text:
        yield from _files_tagged(orjson.loads(text))


def _files_tagged(data: Any) -> Iterator[FileRef]:
    if isinstance(data, dict) and data.keys() == {"$file"}:
        with suppress(ValueError, TypeError):  # of a newer version, with more fields
            yield _untag("$file", data["$file"])
    elif isinstance(data, dict | list):
        for part in data.values() if isinstance(data, dict) else data:
            yield from _files_tagged(part)


def _dumps(value: Any) -> bytes:
    if _is_plain(value):
        try:
            return orjson.dumps(value, _tag_file, orjson.OPT_PASSTHROUGH_DATACLASS)
        except orjson.JSONEncodeError:  # an integer beyond 64 bits, a surrogate, or too deep
            pass
    return orjson.dumps(_encode(value))


def _is_plain(value: Any) -> bool:
    """
    Return whether *value* needs no tags, except where orjson raises an error.

    Most values are plain; the check takes a quarter of the time of encoding them.
    """
    kind = type(value)
    if kind is dict:
        if len(value) == 1 and str(next(iter(value))).startswith("$"):
            return False
        for key, part in value.items():
            if type(key) is not str or not (type(part) in _PLAIN or _is_plain(part)):
                return False
        return True
    if kind is list:
        return all(type(part) in _PLAIN or _is_plain(part) for part in value)
    return kind in _PLAIN or (kind is float and math.isfinite(value))


def _copy(value: Any, levels: int) -> Any:
    """Return a deep copy of *value*, whose JSON may have at most *levels* levels."""
    kind = type(value)
    if kind in _LEAVES:
        return value
    if kind is list:
        levels -= 1
    elif kind is tuple:
        levels -= 2  # the tag adds one
    elif kind is dict:
        levels -= 1 if all(type(key) is str for key in value) else 3
    else:
        raise _CannotEncodeError(value)
    if levels < 0:
        raise RecursionError
    if kind is dict:
        return {
            key if type(key) in _LEAVES else _copy(key, levels): part
            if type(part) in _LEAVES
            else _copy(part, levels)
            for key, part in value.items()
        }
    parts = [part if type(part) in _LEAVES else _copy(part, levels) for part in value]
    return parts if kind is list else tuple(parts)


def _tag_file(ref: FileRef) -> dict[str, Any]:
    return {"$file": _fields_of(ref)}


def _fields_of(ref: FileRef) -> dict[str, Any]:
    return {"sha256": ref.sha256, "name": ref.name, "mime_type": ref.mime_type, "size": ref.size}


_PLAIN = frozenset([str, int, bool, type(None), FileRef])
_LEAVES = _PLAIN | {float, bytes}


class _CannotEncodeError(Exception):
    def __init__(self, value: Any) -> None:
        self.value = value


def _encode(value: Any) -> Any:
    kind = type(value)
    if kind is str:
        return value if value.isascii() else _encode_text(value)
    if value is None or kind is bool:
        return value
    if kind is dict:
        return _encode_dict(value)
    if kind is list:
        return [_encode(part) for part in value]
    # Exact types only: a subclass (an Enum, a numpy float) would come back as its parent.
    if kind not in _ENCODE:
        raise _CannotEncodeError(value)
    return _ENCODE[kind](value)


_ENCODE: dict[type, Callable[[Any], Any]] = {
    int: lambda value: value if value in _INT64 else {"$int": hex(value)},
    float: lambda value: value if math.isfinite(value) else {"$float": str(value)},
    tuple: lambda value: {"$tuple": [_encode(part) for part in value]},
    bytes: lambda value: {"$bytes": base64.b64encode(value).decode()},
    FileRef: lambda value: {"$file": _encode(_fields_of(value))},
}


def _encode_text(text: str) -> Any:
    try:
        text.encode()
    except UnicodeEncodeError:
        return {"$text": text.encode("unicode_escape").decode()}
    return text


def _encode_dict(value: dict[Any, Any]) -> Any:
    looks_tagged = len(value) == 1 and str(next(iter(value))).startswith("$")
    if not looks_tagged and all(_is_plain_key(key) for key in value):
        return {key: _encode(part) for key, part in value.items()}
    return {"$dict": [[_encode(key), _encode(part)] for key, part in value.items()]}


def _is_plain_key(key: Any) -> bool:
    return type(key) is str and (key.isascii() or _encode_text(key) is key)


def _refusal(value: Any, culprit: Any, where: str) -> UnserializableValueError:
    kind = type(culprit)
    where = ".".join([where, *_trail(value, culprit)]).strip(".")
    reason = f"it is a {kind.__module__}.{kind.__qualname__}"
    return UnserializableValueError(where=where, reason=reason)


def _trail(value: Any, culprit: Any) -> list[str]:
    """Return the path of keys from *value* to *culprit* within it."""
    parts: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, list | tuple):
        parts = enumerate(value)
    for key, part in parts:
        if part is culprit or key is culprit:
            return [str(key)[:80]]
        if below := _trail(part, culprit):
            return [str(key)[:80], *below]
    return []


def escape_surrogates(text: str) -> str:
    r"""Return *text* with lone surrogates, which UTF-8 cannot encode, escaped as `\ud800`."""
    return text.encode(errors="backslashreplace").decode()


def _decode(data: Any) -> Any:
    if isinstance(data, list):
        return [_decode(part) for part in data]
    if not isinstance(data, dict):
        return data
    if len(data) == 1:
        tag, body = next(iter(data.items()))
        if tag.startswith("$"):
            return _untag(tag, body)
    return {key: _decode(part) for key, part in data.items()}


def _untag(tag: str, body: Any) -> Any:
    if tag not in _UNTAG and _A_TAG.fullmatch(tag):
        raise UnknownTagError(f"this version does not support the tag {tag!r}")
    try:
        return _UNTAG[tag](body)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"the content of {tag!r} is invalid") from error


_UNTAG: dict[str, Callable[[Any], Any]] = {
    "$file": lambda body: FileRef(**_decode(body)),
    "$tuple": lambda body: tuple(_decode(part) for part in body),
    "$dict": lambda body: {_decode(key): _decode(part) for key, part in body},
    "$int": lambda body: int(body, 16),
    "$float": float,
    "$text": lambda body: body.encode("ascii").decode("unicode_escape"),
    "$bytes": lambda body: base64.b64decode(body, validate=True),
}
