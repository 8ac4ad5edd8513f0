"""
The query syntax of the search box, of URLs and of `--where`.

    app:digits verdict:open since:7d "looks like a"

`property:value` filters by one property; all other words are searched for. Put text with a space or
a colon in double quotes; within them, escape quotes and backslashes with a backslash.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from flagstone.core.query import VERIFIED, Query
from flagstone.core.records import Verdict
from flagstone.errors import BadQueryError

_TERM = re.compile(r'(?:([a-z]+):)?(?:"((?:[^"\\]|\\.)*)"|([^\s"]+))(?=\s|$)', re.DOTALL)
_AGO = re.compile(r"(\d{1,6})([mhdw])", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_PLAIN = re.compile(r'[^\s":\\]+')


def parse_query(text: str, *, now: datetime | None = None) -> Query:
    """
    Parse *text* as a query; an empty one matches all flags.

    A time is a date, a date and time (ISO 8601, by default in UTC), or a duration before *now*:
    `30m`, `12h`, `7d`, `2w`. Raises `BadQueryError` for invalid text.
    """
    now = now or datetime.now(UTC)
    found: dict[str, Any] = {}
    words: list[str] = []
    place = 0
    text = text.strip()
    while place < len(text):
        term = _TERM.match(text, place)
        if term is None:
            raise _refusal(text[place:], "a quote in it is not closed")
        place = len(text) - len(text[term.end() :].lstrip())
        key, quoted, plain = term.groups()
        said = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)
        if key in (None, "text") or said.startswith("//"):  # a URL is text, too
            words.append(said if key in (None, "text") else term[0])
        elif key not in _READ:
            raise _refusal(term[0], f"there is no property {key!r}")
        elif key in found:
            raise _refusal(term[0], f"{key!r} is given twice")
        else:
            found[key] = _read(key, said, term[0], now)
    return Query(**found, text=" ".join(words) or None)


def format_query(query: Query) -> str:
    """Format *query* for `parse_query`, without `limit` and `after`."""
    terms = []
    for field in fields(Query):
        value = getattr(query, field.name)
        if field.name in _READ and value != field.default:
            terms.append(f"{field.name}:{_quoted(_said(value))}")
    if query.text:
        terms.append(_quoted(query.text))
    return " ".join(terms)


def _read(key: str, said: str, part: str, now: datetime) -> Any:
    try:
        return _READ[key](said, now)
    except (ValueError, OverflowError) as error:
        raise _refusal(part, str(error)) from error


def _refusal(part: str, reason: str) -> BadQueryError:
    return BadQueryError(part=part, reason=reason, properties=tuple(_READ))


def _said(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.astimezone(UTC).isoformat()
    return str(value)


def _quoted(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return text
    return '"' + text.replace("\\", r"\\").replace('"', r"\"") + '"'


def _one_of(*words: str) -> Callable[[str, datetime], str]:
    def read(said: str, _: datetime) -> str:
        if said not in words:
            raise ValueError(f"it must be one of {', '.join(words)}")
        return said

    return read


def _moment(said: str, now: datetime) -> datetime:
    if ago := _AGO.fullmatch(said):
        return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        moment = datetime.fromisoformat(said)
    except ValueError as error:
        raise ValueError("a time must look like 2026-01-31, 2026-01-31T12:00 or 7d") from error
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _text(said: str, _: datetime) -> str:
    return said


_READ: Mapping[str, Callable[[str, datetime], Any]] = {
    **dict.fromkeys(("app", "option", "user", "tag", "assignee", "fingerprint"), _text),
    "verdict": _one_of(*get_args(Verdict)),
    "since": _moment,
    "until": _moment,
    "verified": lambda said, now: _one_of("yes", "no")(said, now) == VERIFIED[True],
    "order": _one_of("newest", "oldest"),
}
