"""
A record as a row of a CSV file: cells for display, and the whole record in the last one.

The cells are safe to open in a spreadsheet; nothing is read back from them if the last cell
exists. A flag has cells for its fields, `flag`, `comment`, the correction of each output,
`username` and `timestamp`: the same for all flags of a demo, with or without a comment.
"""

import json
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

from flagstone.core.codec import FileRef, escape_surrogates, files_in
from flagstone.core.records import (
    Flag,
    NewerRecord,
    Outcome,
    Record,
    Review,
    Value,
    unique_names,
    utc_text,
)

RECORD = "record"
OPTION = "flag"
COMMENT = "comment"
CORRECTION = " correction"
"""Suffix of an output's name for the column of its correction."""

WHO_AND_WHEN = ("username", "timestamp", RECORD)
HUB_END = ("flag", "username")
"""The last columns of Gradio's Hub saver."""

_PREVIEWED = ("image", "audio")
"""Kinds with a second column on the Hub, for the URL of their file."""

REVIEW_COLUMNS = (
    *("flag_id", "verdict", "tags", "note", "assignee", "username", "timestamp"),
    RECORD,
)
OUTCOME_COLUMNS = ("flag_id", "run", "model", "status", "seconds", "timestamp", RECORD)
NEWER_COLUMNS = ("flag_id", "type", "timestamp", RECORD)
"""The columns for a record of a newer version, which this version cannot read."""

Link = Callable[[str, FileRef], Any]
"""Makes a file visible under a field's name and returns its value for the cell."""

Address = Callable[[str], str]
"""Returns the Hub URL of the file at a path."""

_UNSEEN = (
    r"[\s\0-\x20\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2000-\u200f"
    r"\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    r"\U000e0000-\U000e0fff]*"
)
"""Invisible characters, some of which spreadsheets drop: blanks, controls, direction marks."""

_SIGNS = "=+\\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u2212"
"""Characters that begin a formula, also in the wide and small forms that some accept."""

_FORMULA = re.compile(f"^{_UNSEEN}[{_SIGNS}]|^[\\t\\r\\n\\0]|[,;]{_UNSEEN}[{_SIGNS}\\t\\n]")


def spreadsheet_safe(value: Any) -> Any:
    """
    Return *value*, with an apostrophe before text that a spreadsheet would run as a formula.

    Numbers are unchanged; the items of a list are made safe one by one.
    Source: OWASP, CSV Injection; Gradio's own rule, and cases it misses (blanks, semicolons).
    """
    if isinstance(value, list):
        return [spreadsheet_safe(part) for part in value]
    if isinstance(value, str) and _FORMULA.search(value):
        return f"'{value}"
    return value


def columns_of(
    record: Record, order: Sequence[str] = (), *, on_hub: bool = False
) -> tuple[str, ...]:
    """
    Return the header for *record*: a flag has a column per field, in *order* if it lists the same.

    With *on_hub*, flags have the columns of Gradio's Hub saver.
    """
    if isinstance(record, Review):
        return REVIEW_COLUMNS
    if isinstance(record, Outcome):
        return OUTCOME_COLUMNS
    if isinstance(record, NewerRecord):
        return NEWER_COLUMNS
    fields = _fields(record, order)
    if not on_hub:
        names = tuple(name for name, _ in fields)
        return _flag_columns(names, tuple(_correctable(record, order)))
    pairs = [[name, f"{name} file"] if _is_previewed(value) else [name] for name, value in fields]
    return _hub_columns(tuple(chain.from_iterable(pairs)))


@lru_cache
def _flag_columns(names: tuple[str, ...], outputs: tuple[str, ...]) -> tuple[str, ...]:
    taken = (OPTION, COMMENT, *WHO_AND_WHEN)
    fields = unique_names(names, taken=taken)
    right = unique_names((f"{name}{CORRECTION}" for name in outputs), taken=(*taken, *fields))
    return (*map(_title, fields), OPTION, COMMENT, *map(_title, right), *WHO_AND_WHEN)


@lru_cache
def _hub_columns(names: tuple[str, ...]) -> tuple[str, ...]:
    end = (*HUB_END, RECORD)
    return (*map(_title, unique_names(names, taken=end)), *end)


def _title(name: str) -> str:
    return str(spreadsheet_safe(escape_surrogates(name)))


def aside_of(columns: Sequence[str]) -> slice:
    """Return where a Flagstone log has `comment` and corrections, which Gradio does not have."""
    if columns[-1:] == [RECORD] and OPTION in columns:
        start = columns.index(OPTION) + 1
        if columns[start] == COMMENT:
            return slice(start, len(columns) - len(WHO_AND_WHEN))
    return slice(0, 0)


def row_of(
    record: Record,
    text: str,
    link: Link,
    order: Sequence[str] = (),
    address: Address | None = None,
    *,
    is_titled: bool = True,
) -> list[str]:
    """
    Return the cells of *record*, whose JSON is *text*: one for each of its columns.

    With *address*, those of Gradio's Hub saver. Without a header (*is_titled*), a flag's comment
    and corrections are only in its record, as their cells could not be identified.
    """
    timestamp = utc_text(record.created_at).replace("T", " ")
    match record:
        case Flag() if address is not None:
            fields = []
            for name, value in _fields(record, order):
                fields.append(_cell(name, value, link))
                if _is_previewed(value):
                    fields.append(_address(name, value, link, address))
            cells = [record.option, record.user]
        case Flag():
            fields = [_cell(name, value, link) for name, value in _fields(record, order)]
            cells = [record.user, timestamp]
            fields.append(spreadsheet_safe(record.option or ""))
            if is_titled:
                fields.append(spreadsheet_safe(record.comment or ""))
                fields += [_right_cell(record, name, link) for name in _correctable(record, order)]
        case Review():
            fields = [spreadsheet_safe(record.flag_id), record.verdict or ""]
            tags = ", ".join(record.tags)
            cells = [tags, record.note, record.assignee, record.by, timestamp]
        case Outcome():
            seconds = "" if record.seconds is None else str(record.seconds)
            fields = [spreadsheet_safe(record.flag_id)]
            cells = [record.run_id, record.model, record.status, seconds, timestamp]
        case NewerRecord():
            fields, cells = [spreadsheet_safe(record.flag_id), record.type], [timestamp]
    return [*fields, *(spreadsheet_safe(cell or "") for cell in cells), text]


def _cell(field: str, value: Value, link: Link) -> str:
    """Return the cell for *value*: text unchanged, files as paths, anything else as JSON."""

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


def _right_cell(flag: Flag, output: str, link: Link) -> str:
    """Return the cell for the correction of *output*, "" if there is none; a label as its name."""
    value = flag.correction.get(output)
    if value is None:
        return ""
    if value.kind == "label" and isinstance(value.data, dict):
        label = value.data.get("label")
        if isinstance(label, str):
            return str(spreadsheet_safe(label))
    return _cell(output, value, link)


def _is_previewed(value: Value) -> bool:
    return value.kind in _PREVIEWED


def _address(field: str, value: Value, link: Link, address: Address) -> str:
    """Return the URL of the file of *value*, or "" if it has none."""
    ref = next(files_in(value.data), None)
    return address(str(link(field, ref))) if ref else ""


def _fields(flag: Flag, order: Sequence[str]) -> list[tuple[str, Value]]:
    fields = [*flag.inputs.items(), *flag.outputs.items()]
    if sorted(order) == sorted(name for name, _ in fields):
        fields.sort(key=lambda field: order.index(field[0]))
    return fields


def _correctable(flag: Flag, order: Sequence[str]) -> list[str]:
    """Return the outputs of *flag*, and other fields with a correction."""
    names = [*dict.fromkeys([*flag.outputs, *flag.correction])]
    return sorted(names, key=order.index) if set(names) <= set(order) else names


_encode = json.JSONEncoder(ensure_ascii=False).encode


def _json(data: Any) -> str:
    try:
        return _encode(data)
    except ValueError:  # an integer with more digits than Python converts; the record has it
        return "…"
