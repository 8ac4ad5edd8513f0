"""
How a correction is entered: the control for a kind, and what was entered as a value again.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from flagstone import codec
from flagstone.codec import FileRef
from flagstone.errors import UnkeepableValueError
from flagstone.record import Value
from flagstone.review.plain import Exact
from flagstone.review.shown import argument_of
from flagstone.review.tree import spell

_LONGEST = 200_000
_MOST_CELLS = 5_000
_BRIEF = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Editor:
    """A *control* of pages/editors.html that holds *text* (or *cells*), with what to choose."""

    control: str
    text: str = ""
    choices: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    cells: tuple[tuple[str, ...], ...] = ()


def editor_for(value: Value) -> Editor | None:
    """The editor for an output like *value*; None where there is nothing a page can edit."""
    try:
        editor = _MAKERS.get(value.kind, _json_editor)(value)
    except (LookupError, TypeError, AttributeError, ValueError):
        editor = _json_editor(value)
    too_long = editor is not None and len(editor.text) > _LONGEST
    return None if too_long else editor


def read(value: Value, entered: Any, *, field: str) -> Value:
    """
    *entered* by the editor for *value*, as a value like it.

    Raises `UnkeepableValueError` for what the editor cannot have given.
    """
    editor = editor_for(value)
    if editor is None or editor.control == "file":
        raise UnkeepableValueError(where=field, reason="it is not edited so")
    try:
        data = _READERS[editor.control](value, entered)
    except (LookupError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise UnkeepableValueError(where=field, reason=str(error)[:_BRIEF]) from error
    return replace(value, data=data)


def read_file(value: Value, ref: FileRef, *, field: str) -> Value:
    """The file *ref* as a value like *value*. Raises `UnkeepableValueError` as `read` does."""
    if (editor := editor_for(value)) is None or editor.control != "file":
        raise UnkeepableValueError(where=field, reason="it is no file")
    return replace(value, data=ref)


# --- editors ------------------------------------------------------------------------------------


def _lines(value: Value) -> Editor:
    return Editor(control="lines", text=Exact(_expect(str, value.data or "")))


def _line(value: Value) -> Editor:
    return Editor(control="line", text=Exact("" if value.data is None else str(value.data)))


def _number(value: Value) -> Editor:
    return Editor(control="number", text="" if value.data is None else repr(value.data))


def _boolean(value: Value) -> Editor:
    return Editor(control="choice", text="yes" if value.data else "no", choices=("yes", "no"))


def _label(value: Value) -> Editor:
    data = value.data or {"label": "", "confidences": []}
    names = [spell(part["label"], _BRIEF) for part in data["confidences"] or ()]
    text = spell(data["label"], _BRIEF)
    return Editor(control="label", text=Exact(text), choices=tuple(map(Exact, names)))


def _choice(value: Value) -> Editor:
    if isinstance(value.data, list):
        return _choices(value)
    text = "" if value.data is None else spell(value.data, _BRIEF)
    return Editor(control="choice", text=Exact(text), choices=tuple(_offered(value)))


def _choices(value: Value) -> Editor:
    chosen = [spell(choice, _BRIEF) for choice in value.data or ()]
    return Editor(control="choices", text=Exact("\n".join(chosen)), choices=tuple(_offered(value)))


def _table(value: Value) -> Editor | None:
    headers, rows = value.data["headers"], value.data["data"]
    if len(headers) * len(rows) > _MOST_CELLS:
        return None
    cells = tuple(tuple(Exact(_cell(cell)) for cell in row) for row in rows)
    return Editor(control="table", headers=tuple(map(str, headers)), cells=cells)


def _chat(value: Value) -> Editor:
    return Editor(control="reply", text=Exact(_reply_in(value.data)))


def _file(value: Value) -> Editor | None:
    is_file = value.data is None or isinstance(value.data, FileRef)
    return Editor(control="file") if is_file else None


def _json_editor(value: Value) -> Editor | None:
    try:
        text = json.dumps(json.loads(codec.dumps(value.data)), indent=2, ensure_ascii=False)
    except (UnkeepableValueError, ValueError, RecursionError):
        return None
    return Editor(control="json", text=Exact(text))


def _offered(value: Value) -> list[str]:
    return [Exact(spell(choice, _BRIEF)) for choice in _choices_of(value)]


def _choices_of(value: Value) -> list[Any]:
    """What can be chosen: Gradio's choices are values, or pairs of what is shown and the value."""
    choices = argument_of(value, "choices") or ()
    return [choice[1] if isinstance(choice, list | tuple) else choice for choice in choices]


def _cell(cell: Any) -> str:
    return "" if cell is None else spell(cell, _LONGEST)


def _reply_in(messages: Any) -> str:
    """The text of the last message: of its content, or of its pair."""
    last = messages[-1]
    content = last["content"] if isinstance(last, dict) else last[1]
    if isinstance(content, list):
        (part,) = content
        content = part["text"]
    return str(_expect(str, content))


_MAKERS: dict[str, Callable[[Value], Editor | None]] = {
    "audio": _file,
    "boolean": _boolean,
    "chat": _chat,
    "choice": _choice,
    "choices": _choices,
    "code": _lines,
    "color": _line,
    "datetime": _line,
    "file": _file,
    "html": _lines,
    "image": _file,
    "label": _label,
    "markdown": _lines,
    "model3d": _file,
    "number": _number,
    "plot": lambda _: None,
    "table": _table,
    "text": _lines,
    "video": _file,
}


# --- what was entered ---------------------------------------------------------------------------


def _read_text(_: Value, entered: Any) -> str:
    return str(_expect(str, entered))


def _read_number(value: Value, entered: Any) -> int | float | None:
    text = _expect(str, entered).strip()
    if not text:
        return None
    try:
        return int(text) if not isinstance(value.data, float) else float(text)
    except ValueError:
        return float(text)


def _read_choice(value: Value, entered: Any) -> Any:
    text = _expect(str, entered)
    if value.kind == "boolean":
        return {"yes": True, "no": False}[text]
    return _of_offered(value, text)


def _read_choices(value: Value, entered: Any) -> list[Any]:
    return [_of_offered(value, text) for text in _expect(str, entered).split("\n") if text]


def _of_offered(value: Value, text: str) -> Any:
    """The choice that is spelled *text*, with its type."""
    choices = _choices_of(value)
    return next((choice for choice in choices if spell(choice, _BRIEF) == text), text)


def _read_table(value: Value, entered: Any) -> dict[str, Any]:
    before = value.data["data"]
    rows = [
        [_like(before, r, c, _expect(str, cell)) for c, cell in enumerate(_expect(list, row))]
        for r, row in enumerate(_expect(list, entered))
    ]
    if {len(row) for row in rows} - {len(value.data["headers"])}:
        raise ValueError("its rows are not as wide as its head")
    return {**value.data, "data": rows, "metadata": None}


def _like(before: list[list[Any]], row: int, column: int, text: str) -> Any:
    """*text* as the cell that stood there, or above it, has it: the same, or of its type."""
    cell = before[min(row, len(before) - 1)][column] if before else text
    if row < len(before) and text == _cell(cell):
        return cell
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        try:
            return float(text) if isinstance(cell, float) else int(text)
        except ValueError:
            return text
    return text


def _read_reply(value: Value, entered: Any) -> list[Any]:
    text = _expect(str, entered)
    *before, last = value.data
    if not isinstance(last, dict):
        return [*before, [last[0], text]]
    content = text if isinstance(last["content"], str) else [{**last["content"][0], "text": text}]
    return [*before, {**last, "content": content}]


def _read_json(value: Value, entered: Any) -> Any:
    data = codec.loads(_expect(str, entered))
    known = {ref.sha256 for ref in codec.files_in(value.data)}
    if not {ref.sha256 for ref in codec.files_in(data)} <= known:
        raise ValueError("it names a file that the output has not")
    return data


def _expect(kind: type, entered: Any) -> Any:
    if not isinstance(entered, kind):
        raise TypeError(f"{kind.__name__} was expected")
    return entered


_READERS: dict[str, Callable[[Value, Any], Any]] = {
    "choice": _read_choice,
    "choices": _read_choices,
    "json": _read_json,
    "label": lambda value, entered: {"label": _read_text(value, entered), "confidences": None},
    "line": _read_text,
    "lines": _read_text,
    "number": _read_number,
    "reply": _read_reply,
    "table": _read_table,
}
