"""
What a record's constructor takes for a field, and what it keeps of it.

Plain Python is taken where its meaning is clear: None for an empty field, one text for one tag.
All else is refused: a record is never changed, so what it cannot mean must not get in. Dicts and
lists are copied, so that nobody changes a record through them.

Each `parse_` function gives what the record keeps, or raises `MisfitError`.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple, NoReturn

from flagstone.core import codec
from flagstone.errors import InvalidRecordError, UnserializableValueError

MAX_TAGS = 20
"""How many tags one review may add."""

Parse = Callable[[Any], Any]


class MisfitError(Exception):
    """What was *given*, *within* a field, is not what is *expected* there."""

    def __init__(self, expected: str, given: object, within: str = "") -> None:
        super().__init__(expected)
        self.expected, self.given, self.within = expected, given, within


class Parser(NamedTuple):
    """How the field *name* is parsed: not at all where it was given one of the *plain* types."""

    name: str
    plain: Collection[type]
    parse: Parse


def parse_fields(record: Any, parsers: Iterable[Parser]) -> None:
    """
    Give the fields of the new *record* what their parsers make of them.

    Raises `InvalidRecordError`, which names the field, and `UnserializableValueError`.
    """
    for name, plain, parse in parsers:
        given = getattr(record, name)
        if type(given) in plain:  # most are: a call for each would double the cost of a flag
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
    """Text; "" for None."""
    return "" if given is None else _parse_subclass(given, "text")


def parse_text_or_none(given: Any) -> str | None:
    """Text or None."""
    return None if given is None else _parse_subclass(given, "text or None")


def parse_word(given: Any) -> str:
    """Text that is not empty."""
    if given == "" or not isinstance(given, str):
        raise MisfitError("text that is not empty", given)
    return parse_text(given)


def parse_identifier(what: str) -> Parse:
    """Make a parser for *what*, which every store can look up."""

    def parse(given: Any) -> str:
        if not (isinstance(given, str) and is_identifier(given)):
            raise MisfitError(f"text, and {what} is made of printable ASCII", given)
        return parse_text(given)

    return parse


def is_identifier(text: str) -> bool:
    """Whether a database, a file and a log can have *text* for a name."""
    return bool(text) and text.isascii() and text.isprintable()


def parse_optional(parse: Parse) -> Parse:
    """Make a parser that takes None, too."""

    def parse_unless_none(given: Any) -> Any:
        return None if given is None else parse(given)

    return parse_unless_none


def parse_one_of(*words: str | None) -> Parse:
    """Make a parser for one of *words*."""

    def parse(given: Any) -> str | None:
        if not (given is None or isinstance(given, str)) or given not in words:
            raise MisfitError(f"one of {', '.join(map(str, words))}", given)
        return parse_text_or_none(given)

    return parse


def parse_moment(given: Any) -> datetime:
    """A moment that every time zone agrees on."""
    if not isinstance(given, datetime):
        raise MisfitError("a datetime", given)
    if given.tzinfo is not UTC:
        if given.utcoffset() is None:
            raise MisfitError("a datetime, and must say its time zone", given)
        try:
            given.astimezone(UTC)
        except OverflowError as error:
            raise MisfitError("a datetime of the years 1 to 9999 in UTC", given) from error
    return given


def parse_bool_or_none(given: Any) -> NoReturn:
    """True, False or None, which are plain: nothing that is merely equal to one of them."""
    raise MisfitError("True, False or None", given)


def parse_duration(given: Any) -> float | None:
    """A number of seconds or None."""
    if given is None:
        return None
    if _is_number(given) and not given < 0:
        return _parse_number(given)
    raise MisfitError("a number of seconds or None", given)


def parse_mapping(given: Any) -> dict[str, Any]:
    """A dict whose keys are text, copied; empty for None."""
    parsed = {} if given is None else _parse_dict(given)
    return codec.copied(parsed) if parsed else parsed


def parse_mapping_or_none(given: Any) -> dict[str, Any] | None:
    """A dict whose keys are text, copied, or None."""
    return None if given is None else parse_mapping(given)


def parse_numbers(given: Any) -> dict[str, float]:
    """Numbers by name."""
    numbers = {} if given is None else _parse_dict(given)
    for name, number in numbers.items():
        if not _is_number(number):
            raise MisfitError("a number", number, f"[{name!r}]")
        numbers[name] = _parse_number(number)
    return numbers


def parse_values(make: Callable[[Any], Any], kind: type) -> Parse:
    """Make a parser for values by name; *make* makes one of *kind* from plain Python."""

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
    """Tags, at most `MAX_TAGS`; one text is one tag."""
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
    """A copy of the dict that was *given*, or of another mapping."""
    if not (type(given) is dict or isinstance(given, Mapping)):
        raise MisfitError("a dict", given)
    copy = dict(given)
    for name in copy:
        if type(name) is not str:
            raise MisfitError("text", name, " has a key that")
    return copy


def _parse_subclass(given: Any, expected: str) -> str:
    """The plain text of a subclass, such as numpy's or that of an enum."""
    if not isinstance(given, str):
        raise MisfitError(expected, given)
    return str.__str__(given)


def _is_number(given: Any) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool)


def _parse_number(given: Any) -> float:
    """The plain number of a subclass, such as numpy's float."""
    if type(given) is int or type(given) is float:
        return given
    return float.__float__(given) if isinstance(given, float) else int.__int__(given)
