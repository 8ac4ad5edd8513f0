"""
Validate and convert the arguments of record constructors.

Plain Python values are accepted if their meaning is clear: None for an empty field, a string for
one tag. Everything else is refused, because records are immutable and invalid data would stay in
them. Dicts and lists are copied, so that a record cannot be changed through them.

Each `parse_` function returns the value for the record, or raises `MisfitError`.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple, NoReturn

from flagstone.core import codec
from flagstone.errors import InvalidRecordError, UnserializableValueError

MAX_TAGS = 20
"""Maximum number of tags in one review."""

Parse = Callable[[Any], Any]


class MisfitError(Exception):
    """The *given* value, at the path *within* a field, is not what is *expected*."""

    def __init__(self, expected: str, given: object, within: str = "") -> None:
        super().__init__(expected)
        self.expected, self.given, self.within = expected, given, within


class Parser(NamedTuple):
    """The parser of the field *name*; values of *plain* types need no parsing."""

    name: str
    plain: Collection[type]
    parse: Parse


def parse_fields(record: Any, parsers: Iterable[Parser]) -> None:
    """
    Replace the fields of the new *record* with their parsed values.

    Raises `InvalidRecordError`, which names the field, or `UnserializableValueError`.
    """
    for name, plain, parse in parsers:
        given = getattr(record, name)
        if type(given) in plain:  # most are; calling each parser would double the time
            continue
        try:
            parsed = parse(given)
        except MisfitError as misfit:
            raise InvalidRecordError(
                record=type(record).__name__,
                field=f"{name}{misfit.within}",
                expected=misfit.expected,
                given=misfit.given,
            ) from None
        except UnserializableValueError as error:
            raise _within(name, error) from error.__cause__
        if parsed is not given:
            object.__setattr__(record, name, parsed)


def parse_text(given: Any) -> str:
    """Return text; None becomes ""."""
    return "" if given is None else _parse_subclass(given, "text")


def parse_text_or_none(given: Any) -> str | None:
    """Return text or None."""
    return None if given is None else _parse_subclass(given, "text or None")


def parse_word(given: Any) -> str:
    """Return text that is not empty."""
    if given == "" or not isinstance(given, str):
        raise MisfitError("text that is not empty", given)
    return parse_text(given)


def parse_identifier(what: str) -> Parse:
    """Return a parser for *what*, an identifier that every store can look up."""

    def parse(given: Any) -> str:
        if not (isinstance(given, str) and is_identifier(given)):
            raise MisfitError(f"{what} of printable ASCII characters", given)
        return parse_text(given)

    return parse


def is_identifier(text: str) -> bool:
    """Return whether *text* is usable as a name in databases, files and logs."""
    return bool(text) and text.isascii() and text.isprintable()


def parse_optional(parse: Parse) -> Parse:
    """Return a parser that also accepts None."""

    def parse_unless_none(given: Any) -> Any:
        return None if given is None else parse(given)

    return parse_unless_none


def parse_one_of(*words: str | None) -> Parse:
    """Return a parser for one of *words*."""

    def parse(given: Any) -> str | None:
        if not (given is None or isinstance(given, str)) or given not in words:
            raise MisfitError(f"one of {', '.join(map(str, words))}", given)
        return parse_text_or_none(given)

    return parse


def parse_moment(given: Any) -> datetime:
    """Return a datetime that has a time zone."""
    if not isinstance(given, datetime):
        raise MisfitError("a datetime", given)
    if given.tzinfo is not UTC:
        if given.utcoffset() is None:
            raise MisfitError("a datetime with a time zone", given)
        try:
            given.astimezone(UTC)
        except OverflowError as error:
            raise MisfitError("a datetime of the years 1 to 9999 in UTC", given) from error
    return given


def parse_bool_or_none(given: Any) -> NoReturn:
    """Raise: True, False and None are plain, and values merely equal to them are refused."""
    raise MisfitError("True, False or None", given)


def parse_duration(given: Any) -> float | None:
    """Return a number of seconds or None."""
    if given is None:
        return None
    if _is_number(given) and not given < 0:
        return _parse_number(given)
    raise MisfitError("a number of seconds or None", given)


def parse_mapping(given: Any) -> dict[str, Any]:
    """Return a copy of a dict whose keys are text; None becomes an empty one."""
    parsed = {} if given is None else _parse_dict(given)
    return codec.copied(parsed) if parsed else parsed


def parse_mapping_or_none(given: Any) -> dict[str, Any] | None:
    """Return a copy of a dict whose keys are text, or None."""
    return None if given is None else parse_mapping(given)


def parse_numbers(given: Any) -> dict[str, float]:
    """Return a dict of numbers by name."""
    numbers = {} if given is None else _parse_dict(given)
    for name, number in numbers.items():
        if not _is_number(number):
            raise MisfitError("a number", number, f"[{name!r}]")
        numbers[name] = _parse_number(number)
    return numbers


def parse_values(make: Callable[[Any], Any], kind: type) -> Parse:
    """Return a parser for values by name; *make* converts plain Python to *kind*."""

    def parse(given: Any) -> dict[str, Any]:
        values = {} if given is None else _parse_dict(given)
        for name, part in values.items():
            if type(part) is not kind:
                try:
                    values[name] = make(part)
                except MisfitError as misfit:
                    misfit.within = f"[{name!r}]"
                    raise
                except UnserializableValueError as error:
                    raise _within(name, error) from error.__cause__
        return values

    return parse


def parse_tags(given: Any) -> tuple[str, ...]:
    """Return at most `MAX_TAGS` tags; a string is one tag."""
    if given is None:
        return ()
    if isinstance(given, str):
        given = [given]
    if not isinstance(given, list | tuple):
        raise MisfitError("a list of texts", given)
    if len(given) > MAX_TAGS:
        raise MisfitError(f"at most {MAX_TAGS} texts", len(given))
    for number, tag in enumerate(given):
        if not isinstance(tag, str) or not tag.strip():
            raise MisfitError("text that is not empty", tag, f"[{number}]")
    return tuple(map(parse_text, given))


def _within(name: str, error: UnserializableValueError) -> UnserializableValueError:
    return UnserializableValueError(
        where=f"{name}.{error.location}".strip("."), reason=error.reason
    )


def _parse_dict(given: Any) -> dict[str, Any]:
    """Return a copy of the *given* mapping as a dict."""
    if not (type(given) is dict or isinstance(given, Mapping)):
        raise MisfitError("a dict", given)
    copy = dict(given)
    for name in copy:
        if type(name) is not str:
            raise MisfitError("text", name, " has a key that")
    return copy


def _parse_subclass(given: Any, expected: str) -> str:
    """Return a plain `str`, also for subclasses such as those of numpy and enum."""
    if not isinstance(given, str):
        raise MisfitError(expected, given)
    return str.__str__(given)


def _is_number(given: Any) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool)


def _parse_number(given: Any) -> float:
    """Return a plain number, also for subclasses such as numpy's float."""
    if type(given) is int or type(given) is float:
        return given
    return float.__float__(given) if isinstance(given, float) else int.__int__(given)
