"""
Read a cell that Gradio wrote back as the original value, as far as that can be determined.

Gradio writes everything as text: `false`, `7`, a path, JSON. An ambiguous cell is reported as a
doubt. A field for which the demo gives its component is not guessed.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from flagstone.core.codec import FileRef
from flagstone.core.records import Value
from flagstone.stores.csv_folder.gradio_columns import (
    BOOLEANS,
    Column,
    file_data_in,
    is_file_data,
    parse,
)
from flagstone.stores.csv_folder.gradio_files import (
    NAMELESS,
    NO_FILE,
    ColumnFiles,
    looks_like_path,
)

__all__ = ["NAMELESS", "NO_FILE", "Field", "Read", "kind_of", "read_cell", "read_cell_of"]

_NUMBER_LIKE = re.compile(r"-?\d+\.\d+(e[+-]\d+)?")
_JSON_BY_GRADIO_3 = re.compile(r"tmp\w{8}\.json")
_CAPTIONS = "captions.json"
_PAIR = 2

EMPTY = "None or the empty text: Gradio writes both alike"
APOSTROPHE = "an apostrophe at its start was removed: Gradio adds one before formulas"
RESPELLED = "Gradio rewrites such text: 1e5 as 100000.0, JSON in its own format"
LOOKS_SO = "it may have been text that looks the same"
DIGITS = "it may have been a number in the format of a user or a spreadsheet"
OTHER_FIELD = "it looks like the path of a file, but not of a file of this field"
NOT_ITS = "it is not a value of the demo's component"


class Read(NamedTuple):
    """The value read from a cell, and why it is in doubt, if it is."""

    value: Value
    doubt: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """
    A field as defined by the demo: its name in a log, its kind, its component, input or output.

    `parse` converts the text of a cell to data, and raises `ValueError` for invalid text. Without
    it, the cell is text or, if it `holds_files`, the path of a file.
    """

    name: str
    kind: str
    component: Mapping[str, Any] | None = None
    is_output: bool = False
    holds_files: bool = False
    parse: Callable[[str], Any] | None = None


def read_cell(text: str, column: Column, files: ColumnFiles) -> Read:
    """Read the cell *text* of *column*, with the *files* of its row."""
    plain = column.plain(text)
    look = column.look
    if look in ("text", "digits"):
        return _read_text(text, plain, column, DIGITS if look == "digits" else None)
    if not text:
        return Read(Value(kind=look), None if look == "file" else EMPTY)
    if look == "file":
        kind, data, doubt = _read_file(plain, files)
    elif look == "json":
        kind, data, doubt = _read_data(column.parse(plain), files)
    elif look == "boolean":
        kind, data, doubt = "boolean", BOOLEANS[plain], LOOKS_SO
    else:
        kind, data, doubt = "number", json.loads(plain), LOOKS_SO
    return Read(Value(kind=kind, data=data, extra={"cell": text}), doubt)


def read_cell_of(field: Field, text: str, column: Column, files: ColumnFiles) -> Read:
    """Read the cell *text* of a *field* that the demo defines."""
    plain = column.plain(text)
    if field.parse is None and not field.holds_files:
        read = _read_text(text, plain, column, None)
        value = Value(
            kind=field.kind, data=read.value.data, component=field.component, extra=read.value.extra
        )
        return Read(value, None if read.doubt in (LOOKS_SO, OTHER_FIELD) else read.doubt)
    doubt: str | None = None
    data: Any = None
    if text:
        try:
            data, doubt = _read_known(field, plain, files)
        except (ValueError, RecursionError):
            data, doubt = plain, NOT_ITS
    extra = {"cell": text} if text else {}
    kind = "text" if doubt == NOT_ITS else field.kind
    return Read(Value(kind=kind, data=data, component=field.component, extra=extra), doubt)


def _read_known(field: Field, plain: str, files: ColumnFiles) -> tuple[Any, str | None]:
    """Return the data of a cell of *field*. Raises `ValueError` if it is invalid."""
    if field.holds_files and (files.has(plain) or file_data_in(plain)):
        _, data, doubt = _read_file(plain, files)
        return data, doubt
    if field.holds_files and looks_like_path(plain):
        return None, NO_FILE
    if files.has(plain):  # Gradio 3 stored data in files
        _, data, doubt = _read_file(plain, files)
        return (data, None) if doubt == LOOKS_SO else (data, doubt)
    missing: list[str] = []
    assert field.parse is not None, field.name
    data = field.parse(plain)
    data = _with_files(data, files, missing) if field.holds_files else data
    return _completed(data), missing[0] if missing else None


def _read_text(text: str, plain: str, column: Column, doubt: str | None) -> Read:
    if not text:
        doubt = EMPTY
    elif plain != text:
        doubt = APOSTROPHE
    elif doubt is None and looks_like_path(plain):
        doubt = OTHER_FIELD
    elif doubt is None and (_NUMBER_LIKE.fullmatch(plain) or column.parse(plain) is not None):
        doubt = RESPELLED
    extra = {"cell": text} if plain != text else {}
    return Read(Value(kind="text", data=plain, extra=extra), doubt)


def _read_file(plain: str, files: ColumnFiles) -> tuple[str, Any, str | None]:
    if file_data_in(plain):
        return _read_data(parse(plain, literals=False), files)
    path = files.find(plain)
    if path is not None and path.is_dir():
        return _read_gallery(path, files)
    if path is not None and _JSON_BY_GRADIO_3.fullmatch(path.name):
        data = files.read_json(path)
        if data is not None:
            kind, data, doubt = _read_data(data, files)
            return kind, data, doubt
    ref, doubt = files.take(plain)
    return "file" if ref is None else kind_of(ref), ref, doubt


def _read_gallery(path: Path, files: ColumnFiles) -> tuple[str, Any, str | None]:
    """Read a gallery that Gradio 3 stored in a folder: its images and their captions."""
    captions = files.read_json(path / _CAPTIONS)
    parts, missing = [], []
    for name, caption in captions.items() if isinstance(captions, dict) else ():
        own = f"{path.parent.name}/{path.name}/{str(name).replace(chr(92), '/').rpartition('/')[2]}"
        ref, doubt = files.take(own)
        missing += [doubt] if doubt else []
        parts.append({"image": ref, "caption": caption if isinstance(caption, str) else None})
    return "gallery", parts, missing[0] if missing else None


def _read_data(data: Any, files: ColumnFiles) -> tuple[str, Any, str | None]:
    """Return the kind of *data*, parsed from JSON, the data with its files, and any doubt."""
    missing: list[str] = []
    data = _completed(_with_files(data, files, missing))
    kind = kind_of(data)
    if missing:
        return ("file" if data is None else kind), data, missing[0]
    is_sure = kind not in ("json", "choices") and not _are_pairs(data)
    return kind, data, None if is_sure else LOOKS_SO


def _with_files(data: Any, files: ColumnFiles, missing: list[str]) -> Any:
    """Return *data* with a `FileRef` for each file; reasons for missing ones go to *missing*."""
    match data:
        case dict() if is_file_data(data):
            ref, doubt = files.take_all(data)
            missing += [doubt] if doubt else []
            return ref
        case dict():
            return {key: _with_files(part, files, missing) for key, part in data.items()}
        case list() | tuple():
            return [_with_files(part, files, missing) for part in data]
        case str() if files.has(data):
            ref, doubt = files.take(data)
            missing += [doubt] if doubt else []
            return ref or data
        case str() if looks_like_path(data):
            missing.append(OTHER_FIELD)
    return data


_BY_KEYS: dict[frozenset[str], str] = {
    frozenset(["label", "confidences"]): "label",
    frozenset(["headers", "data"]): "table",
    frozenset(["background", "layers", "composite"]): "image_editor",
    frozenset(["image", "annotations"]): "annotated_image",
    frozenset(["text", "files"]): "multimodal",
    frozenset(["type", "plot"]): "plot",
    frozenset(["columns", "data"]): "plot",
    frozenset(["video", "subtitles"]): "video",
}
_BY_KEYS_OF_PARTS: dict[frozenset[str], str] = {
    frozenset(["token", "class_or_confidence"]): "highlighted_text",
    frozenset(["image", "caption"]): "gallery",
    frozenset(["video", "caption"]): "gallery",
    frozenset(["role", "content"]): "chat",
}


def kind_of(data: Any) -> str:
    """Return the kind of *data*, by its shape."""
    match data:
        case FileRef():
            major = (data.mime_type or "").partition("/")[0]
            return major if major in ("image", "audio", "video") else "file"
        case dict():
            return _kind_by_keys(_BY_KEYS, data)
        case [FileRef(), *_]:
            return "file"
        case [dict() as part, *_]:
            return _kind_by_keys(_BY_KEYS_OF_PARTS, part)
        case [str(), *_]:
            return "choices"
    return "chat" if _are_pairs(data) else "json"


def _are_pairs(data: Any) -> bool:
    """Whether *data* may be a conversation up to Gradio 5: pairs of message and answer."""
    return bool(data) and isinstance(data, list) and all(map(_is_pair, data))


def _is_pair(data: Any) -> bool:
    return (
        isinstance(data, list)
        and len(data) == _PAIR
        and any(isinstance(part, str) for part in data)
        and all(part is None or isinstance(part, str | FileRef | list) for part in data)
    )


def _kind_by_keys(kinds: dict[frozenset[str], str], data: dict[str, Any]) -> str:
    return next((kind for keys, kind in kinds.items() if keys <= data.keys()), "json")


def _completed(data: Any) -> Any:
    """Return *data*, with the key that tables have had since Gradio 4."""
    is_table = isinstance(data, dict) and {"headers", "data"} <= data.keys()
    return {"metadata": None, **data} if is_table else data
