"""
Parse the content of an editor into a value of the output's kind, or refuse it.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from flagstone.core import codec
from flagstone.core.codec import FileRef
from flagstone.core.records import Value
from flagstone.core.text import summarize
from flagstone.errors import UnserializableValueError
from flagstone.review.values.editors import BRIEF, cell_of, choices_of, class_of, editor_for
from flagstone.review.values.file_fields import (
    MOST_ITEMS,
    Item,
    Part,
    Parts,
    parts_of,
    put_together,
)
from flagstone.review.values.presenter import expect
from flagstone.review.values.sanitize import typed

_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(:\d\d)?", re.ASCII)


def read(value: Value, entered: Any, *, field: str, files: Sequence[FileRef] = ()) -> Value:
    """
    Return *value* with the data *entered* in its editor.

    It may name the files of *value* and *files*. Raises `UnserializableValueError` for data that
    the editor cannot produce.
    """
    editor = editor_for(value)
    if editor is None:
        raise UnserializableValueError(where=field, reason="it cannot be edited")
    try:
        if editor.parts is not None:
            data = _read_parts(value, entered, files)
        else:
            data = _READERS[editor.control](value, entered)
    except (LookupError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise UnserializableValueError(where=field, reason=str(error)[:BRIEF]) from error
    return replace(value, data=data)


# --- text, numbers, choices, tables -------------------------------------------------------------


def _read_text(value: Value, entered: Any) -> str:
    text = str(expect(str, entered))
    is_same = isinstance(value.data, str) and text == typed(value.data)
    return value.data if is_same else text


def _read_number(value: Value, entered: Any) -> int | float | None:
    text = expect(str, entered).strip()
    if not text:
        return None
    try:
        return int(text) if not isinstance(value.data, float) else float(text)
    except ValueError:
        return float(text)


def _read_moment(_: Value, entered: Any) -> str | None:
    """Return a moment as Gradio writes it; browsers omit seconds that are zero."""
    if not expect(str, entered):
        return None
    found = _MOMENT.fullmatch(entered)
    if found is None:
        raise ValueError("it is not a date and time")
    day, minute, second = found.groups()
    moment = f"{day} {minute}{second or ':00'}"
    datetime.fromisoformat(moment)
    return moment


def _read_choice(value: Value, entered: Any) -> Any:
    text = expect(str, entered)
    if value.kind == "boolean":
        return {"yes": True, "no": False}[text]
    return _of_offered(value, text)


def _read_choices(value: Value, entered: Any) -> list[Any]:
    return [_of_offered(value, text) for text in expect(str, entered).split("\n") if text]


def _of_offered(value: Value, text: str) -> Any:
    """Return the choice shown as *text*, with its type."""
    choices = choices_of(value)
    return next((choice for choice in choices if summarize(choice, BRIEF) == text), text)


def _rows_of(entered: Any, width: int) -> list[list[str]]:
    rows = [[expect(str, cell) for cell in expect(list, row)] for row in expect(list, entered)]
    if {len(row) for row in rows} - {width}:
        raise ValueError("its rows and its header differ in width")
    return rows


def _read_table(value: Value, entered: Any) -> dict[str, Any]:
    before = value.data["data"]
    rows = [
        [_like(before, r, c, cell) for c, cell in enumerate(row)]
        for r, row in enumerate(_rows_of(entered, len(value.data["headers"])))
    ]
    return {**value.data, "data": rows, "metadata": None}


def _like(before: list[list[Any]], row: int, column: int, text: str) -> Any:
    """Return the cell at this place if it reads *text*, else *text* converted to its type."""
    cell = before[min(row, len(before) - 1)][column] if before else text
    if row < len(before) and text == typed(cell_of(cell)):
        return cell
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        try:
            return float(text) if isinstance(cell, float) else int(text)
        except ValueError:
            return text
    return text


def _read_highlighted(value: Value, entered: Any) -> Any:
    before = list(value.data or ())
    after = [_part_like(before, *row) for row in _rows_of(entered, 2)]
    return value.data if after == before else after


def _part_like(before: list[dict[str, Any]], token: str, name: str) -> dict[str, Any]:
    """Return the equal part of *before*; else a new one, with a class of the same type."""
    named = [(typed(part["token"]), typed(class_of(part)), part) for part in before]
    for old_token, old_name, part in named:
        if (old_token, old_name) == (token, name):
            return part
    token = next((part["token"] for old, _, part in named if old == token), token)
    classes = {old: part["class_or_confidence"] for _, old, part in named if old}
    return {"token": token, "class_or_confidence": _class_like(classes, name)}


def _class_like(classes: dict[str, Any], name: str) -> Any:
    if not name or name in classes:
        return classes.get(name)
    if classes and not any(isinstance(known, str) for known in classes.values()):
        return float(name)
    return name


# --- conversations and JSON ---------------------------------------------------------------------


def _read_reply(value: Value, entered: Any) -> list[Any]:
    text = expect(str, entered)
    *before, last = value.data
    if not isinstance(last, dict):
        return [*before, [last[0], text]]
    content = text if isinstance(last["content"], str) else [{**last["content"][0], "text": text}]
    return [*before, {**last, "content": content}]


def _read_json(value: Value, entered: Any) -> Any:
    data = codec.loads(expect(str, entered))
    known = {ref.sha256 for ref in codec.files_in(value.data)}
    if not {ref.sha256 for ref in codec.files_in(data)} <= known:
        raise ValueError("it names a file that the output does not have")
    return data


# --- files --------------------------------------------------------------------------------------


def _read_parts(value: Value, entered: Any, files: Sequence[FileRef]) -> Any:
    """
    Return the data from `{"text": …, "places": {name: file or null}, "items": [file, …]}`.

    A key is read only if the kind has it.
    """
    before = parts_of(value)
    entered = expect(dict, entered)
    own = [*filter(None, before.places.values()), *(item.part for item in before.items or ())]
    known = _Known([*own, *map(Part, files)])
    places = expect(dict, entered.get("places", {}))
    if places.keys() != before.places.keys():
        raise ValueError("its places do not match")
    after = replace(
        before,
        text=None if before.text is None else _text_like(before.text, entered.get("text")),
        places={name: None if part is None else known.named(part) for name, part in places.items()},
        items=None if before.items is None else _read_items(before, entered.get("items"), known),
    )
    return put_together(value, after)


class _Known:
    """The *parts* that may be named, by hash."""

    def __init__(self, parts: Iterable[Part]) -> None:
        self._parts: dict[str, list[Part]] = {}
        for part in parts:
            self._parts.setdefault(part.key, []).append(part)

    def named(self, entered: Any) -> Part:
        """Return the part with the hash entered and, among several, the name entered."""
        key, name = (str(expect(dict, entered).get(word)) for word in ("sha256", "name"))
        found = self._parts.get(key)
        if not found:
            raise LookupError("it names a file not of this flag and not just uploaded by you")
        return next((part for part in found if typed(part.name) == name), found[0])


def _read_items(before: Parts, entered: Any, known: _Known) -> tuple[Item, ...]:
    """Return the items entered; unchanged ones are the items of *before*."""
    if len(expect(list, entered)) > MOST_ITEMS:
        raise ValueError(f"it can have at most {MOST_ITEMS} files")
    left = list(before.items or ())
    items = []
    for each in entered:
        part, caption = known.named(each), expect(str, each.get("caption", ""))
        same = [item for item in left if item.part == part]
        same.sort(key=lambda item: typed(item.caption or "") != caption)
        if same:
            left.remove(same[0])
        items.append(_item_like(same[0] if same else Item(part), caption, before.captions))
    return tuple(items)


def _item_like(item: Item, caption: str, captions: str) -> Item:
    if not captions or typed(item.caption or "") == caption:
        return item
    return replace(item, caption=caption or None)


def _text_like(before: str, entered: Any) -> str:
    text = str(expect(str, entered))
    return before if text == typed(before) else text


_READERS: dict[str, Callable[[Value, Any], Any]] = {
    "choice": _read_choice,
    "choices": _read_choices,
    "color": _read_text,
    "highlighted": _read_highlighted,
    "json": _read_json,
    "label": lambda value, entered: {"label": _read_text(value, entered), "confidences": None},
    "line": _read_text,
    "lines": _read_text,
    "moment": _read_moment,
    "number": _read_number,
    "reply": _read_reply,
    "table": _read_table,
}
