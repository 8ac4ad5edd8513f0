"""
A record as a row of a CSV file: cells for people, and the whole record in the last one.

The cells are what a spreadsheet shows, safe to open in one; nothing is ever read back from them
where the last cell is there.
"""

import json
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from flagstone.codec import FileRef
from flagstone.record import Flag, Outcome, Record, Review, Value, unique_names, utc_text

RECORD = "record"
FLAG_COLUMNS = ("flag", "username", "timestamp", RECORD)
REVIEW_COLUMNS = (
    *("flag_id", "verdict", "tags", "note", "assignee", "username", "timestamp"),
    RECORD,
)
OUTCOME_COLUMNS = ("flag_id", "run", "model", "status", "seconds", "timestamp", RECORD)

Link = Callable[[str, FileRef], Any]
"""Makes a file visible under a field's name and says what stands for it in the cell."""

_FORMULA = re.compile(r"^\s*[=+\-@\t\r\n]|^[\t\r\n]|[,;]\s*[=+\-@\t\n]")


def spreadsheet_safe(value: Any) -> Any:
    """
    *value*, with an apostrophe before text that a spreadsheet would run as a formula.

    Numbers are safe as they are; the parts of a list are made safe one by one.
    Source: OWASP, CSV Injection; Gradio's own rule, and what it lets pass (blanks, semicolons).
    """
    if isinstance(value, list):
        return [spreadsheet_safe(part) for part in value]
    if isinstance(value, str) and _FORMULA.search(value):
        return f"'{value}"
    return value


def columns_of(record: Record, order: Sequence[str] = ()) -> tuple[str, ...]:
    """The header for *record*: for a flag a column a field, in *order* if it names just these."""
    if isinstance(record, Review):
        return REVIEW_COLUMNS
    if isinstance(record, Outcome):
        return OUTCOME_COLUMNS
    return _columns_of_fields(tuple(name for name, _ in _fields(record, order)))


@lru_cache
def _columns_of_fields(names: tuple[str, ...]) -> tuple[str, ...]:
    unique = unique_names(names, taken=FLAG_COLUMNS)
    return (*(spreadsheet_safe(_plain(name)) for name in unique), *FLAG_COLUMNS)


def row_of(record: Record, text: str, link: Link, order: Sequence[str] = ()) -> list[str]:
    """The cells of *record*, whose JSON is *text*: one for each of its columns."""
    timestamp = utc_text(record.created_at).replace("T", " ")
    match record:
        case Flag():
            fields = [_cell(name, value, link) for name, value in _fields(record, order)]
            cells = [record.option, record.user, timestamp]
        case Review():
            fields = [record.flag_id, record.verdict or ""]
            tags = ", ".join(record.tags)
            cells = [tags, record.note, record.assignee, record.by, timestamp]
        case Outcome():
            seconds = "" if record.seconds is None else str(record.seconds)
            fields = [record.flag_id]
            cells = [record.run_id, record.model, record.status, seconds, timestamp]
    return [*fields, *(spreadsheet_safe(cell or "") for cell in cells), text]


def _cell(field: str, value: Value, link: Link) -> str:
    """What a person sees of *value*: text as it is, files as paths, anything else as JSON."""

    def simple(data: Any) -> Any:
        match data:
            case FileRef():
                return link(field, data)
            case dict():
                return {str(key): simple(part) for key, part in data.items()}
            case list() | tuple():
                return [simple(part) for part in data]
            case bytes():
                return f"{len(data)} bytes"
        return data

    data = simple(value.data)
    if data is None:
        return ""
    return spreadsheet_safe(data) if isinstance(data, str) else _json(data)


def _fields(flag: Flag, order: Sequence[str]) -> list[tuple[str, Value]]:
    fields = [*flag.inputs.items(), *flag.outputs.items()]
    if sorted(order) == sorted(name for name, _ in fields):
        fields.sort(key=lambda field: order.index(field[0]))
    return fields


def _plain(text: str) -> str:
    """*text* without lone surrogates, which no file and no name can hold."""
    return text.encode(errors="backslashreplace").decode()


_encode = json.JSONEncoder(ensure_ascii=False).encode


def _json(data: Any) -> str:
    try:
        return _encode(data)
    except ValueError:  # an integer longer than Python spells out; the record has it
        return "…"
