"""
Editors of corrections: the control for each kind of value, and its content.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from flagstone.core import codec
from flagstone.core.records import Value
from flagstone.core.text import summarize
from flagstone.errors import UnserializableValueError
from flagstone.review.values.budget import size_of
from flagstone.review.values.file_fields import Parts, parts_of
from flagstone.review.values.presenter import argument_of, expect
from flagstone.review.values.sanitize import Exact

_MAX_LENGTH = 200_000
_LARGEST = 600_000
_MAX_CELLS = 5_000
_COLOR = re.compile("#[0-9a-fA-F]{6}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)

BRIEF = 200
"""Maximum number of characters shown of a choice."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Editor:
    """A *control* of templates/editors.html, its *text*, *cells* or *parts*, and its *choices*."""

    control: str
    text: str = ""
    choices: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    cells: tuple[tuple[str, ...], ...] = ()
    parts: Parts | None = None


def editor_for(value: Value, output: Value | None = None) -> Editor | None:
    """
    Return the editor for *value*; None if a page cannot edit it.

    *output* is the model's output: its labels are also offered after a correction.
    """
    try:
        editor = _MAKERS.get(value.kind, _json_editor)(value)
        if output and editor and editor.control == "label" == output.kind:
            editor = replace(editor, choices=_label(output).choices)
    except (LookupError, TypeError, AttributeError, ValueError):
        editor = _json_editor(value)
    too_long = editor is not None and (len(editor.text) > _MAX_LENGTH or size_of(editor) > _LARGEST)
    return None if too_long else editor


# --- editors ------------------------------------------------------------------------------------


def _lines(value: Value) -> Editor:
    return Editor(control="lines", text=Exact(expect(str, value.data or "")))


def _line(value: Value) -> Editor:
    return Editor(control="line", text=Exact("" if value.data is None else str(value.data)))


def _number(value: Value) -> Editor:
    return Editor(control="number", text="" if value.data is None else repr(value.data))


def _boolean(value: Value) -> Editor:
    return Editor(control="choice", text="yes" if value.data else "no", choices=("yes", "no"))


def _label(value: Value) -> Editor:
    data = value.data or {"label": "", "confidences": []}
    names = [summarize(part["label"], BRIEF) for part in data["confidences"] or ()]
    text = summarize(data["label"], BRIEF)
    return Editor(control="label", text=Exact(text), choices=tuple(map(Exact, names)))


def _choice(value: Value) -> Editor:
    if isinstance(value.data, list):
        return _choices(value)
    text = "" if value.data is None else summarize(value.data, BRIEF)
    return Editor(control="choice", text=Exact(text), choices=tuple(_offered(value)))


def _choices(value: Value) -> Editor:
    chosen = [summarize(choice, BRIEF) for choice in value.data or ()]
    return Editor(control="choices", text=Exact("\n".join(chosen)), choices=tuple(_offered(value)))


def _table(value: Value) -> Editor | None:
    headers, rows = value.data["headers"], value.data["data"]
    if len(headers) * len(rows) > _MAX_CELLS:
        return None
    cells = tuple(tuple(Exact(cell_of(cell)) for cell in row) for row in rows)
    return Editor(control="table", headers=tuple(map(str, headers)), cells=cells)


def _chat(value: Value) -> Editor:
    return Editor(control="reply", text=Exact(_reply_in(value.data)))


def _highlighted(value: Value) -> Editor:
    parts = value.data or ()
    if 2 * len(parts) > _MAX_CELLS:
        raise ValueError("it has more parts than a page can edit")
    cells = tuple((Exact(expect(str, each["token"])), Exact(class_of(each))) for each in parts)
    return Editor(control="highlighted", headers=("token", "class"), cells=cells)


def _files(value: Value) -> Editor:
    parts = parts_of(value)
    control = "drawing" if value.kind == "image_editor" else "files"
    return Editor(control=control, text=Exact(parts.text or ""), parts=parts)


def _color(value: Value) -> Editor:
    is_plain = isinstance(value.data, str) and _COLOR.fullmatch(value.data)
    return Editor(control="color", text=value.data) if is_plain else _line(value)


def _moment(value: Value) -> Editor:
    """Return a field for date and time if one can hold the value, else a text field."""
    if not isinstance(value.data, str) or not _is_moment(value.data):
        return _line(value)
    return Editor(control="moment", text=value.data.replace(" ", "T"))


def _is_moment(text: str) -> bool:
    try:
        return bool(_MOMENT.fullmatch(text) and datetime.fromisoformat(text))
    except ValueError:  # the 30th of February
        return False


def _json_editor(value: Value) -> Editor | None:
    try:
        text = json.dumps(json.loads(codec.dumps(value.data)), indent=2, ensure_ascii=False)
    except (UnserializableValueError, ValueError, RecursionError):
        return None
    return Editor(control="json", text=Exact(text))


def _offered(value: Value) -> list[str]:
    return [Exact(summarize(choice, BRIEF)) for choice in choices_of(value)]


def choices_of(value: Value) -> list[Any]:
    """Return the choices' values. Gradio's choices are values or pairs of a name and a value."""
    choices = argument_of(value, "choices") or ()
    return [choice[1] if isinstance(choice, list | tuple) else choice for choice in choices]


def cell_of(cell: Any) -> str:
    """Return the text of *cell* in a table's field."""
    return "" if cell is None else summarize(cell, _MAX_LENGTH)


def class_of(part: Any) -> str:
    """Return the text of the class of *part*, a piece of highlighted text, in its field."""
    name = part["class_or_confidence"]
    if not isinstance(name, str | int | float | None):
        raise TypeError("a class must be text or a number")
    return "" if name is None else str(name)


def _reply_in(messages: Any) -> str:
    """Return the text of the last message, from its content or the second item of its pair."""
    last = messages[-1]
    content = last["content"] if isinstance(last, dict) else last[1]
    if isinstance(content, list):
        (part,) = content
        content = part["text"]
    return str(expect(str, content))


_MAKERS: dict[str, Callable[[Value], Editor | None]] = {
    "annotated_image": _files,
    "audio": _files,
    "boolean": _boolean,
    "chat": _chat,
    "choice": _choice,
    "choices": _choices,
    "code": _lines,
    "color": _color,
    "datetime": _moment,
    "file": _files,
    "gallery": _files,
    "highlighted_text": _highlighted,
    "html": _lines,
    "image": _files,
    "image_editor": _files,
    "image_pair": _files,
    "label": _label,
    "markdown": _lines,
    "model3d": _files,
    "multimodal": _files,
    "number": _number,
    "plot": lambda _: None,
    "table": _table,
    "text": _lines,
    "video": _files,
}
