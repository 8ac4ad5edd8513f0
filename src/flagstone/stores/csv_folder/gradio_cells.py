"""
A cell that Gradio wrote, read back as what it was, as far as Gradio left that to be told.

Gradio writes all as text: `false`, `7`, a path, JSON. What a column holds is told by all its
cells together; a cell that may have been something else says so. Files are looked for in the
log's own folder only, wherever it is now.
"""

import ast
import json
import math
import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from flagstone import codec
from flagstone.codec import FileRef
from flagstone.record import Value

_NUMBER = re.compile(r"-?(0|[1-9]\d{0,39})(\.\d{1,40})?([eE][+-]?\d{1,3})?")
_NUMBER_LIKE = re.compile(r"-?\d+\.\d+(e[+-]\d+)?")
_BOOLEANS = {"true": True, "false": False, "True": True, "False": False}
_KEPT_BY_GRADIO = re.compile(r"(^|/)[0-9a-f]{20,40}/[^/]+$")
_JSON_BY_GRADIO_3 = re.compile(r"(^|/)tmp\w{8}\.json$")
_NAMED_BY_GRADIO_3 = re.compile(r"tmp\w{8}(\.\w+)?")
_LONGEST_PATH = 4096
_LONGEST_LITERAL = 100_000  # characters: a longer one takes Python seconds and a gigabyte

_UNSAFE_STARTS = ("=", "+", "-", "@", "\t", "\n")
_UNSAFE_PARTS = (",=", ",+", ",-", ",@", ",\t", ",\n")

EMPTY = "nothing, or the empty text: Gradio writes both alike"
APOSTROPHE = "an apostrophe at its start was taken for Gradio's, and removed"
RESPELLED = "Gradio respells such text: 1e5 as 100000.0, JSON in its own way"
NAMELESS = "Gradio 3 did not keep the name of its file"
NO_FILE = "its file is not in the folder of the log"


class Read(NamedTuple):
    """A cell as it was read, and what of it cannot be told for sure, if anything."""

    value: Value
    doubt: str | None


class Column:
    """What the cells of one column have in common; each is to be shown to it once."""

    def __init__(self) -> None:
        self._looks = list(_LOOKS)
        self._is_empty = True

    def show(self, text: str) -> None:
        """Take the cell *text* into account."""
        if text:
            self._is_empty = False
            plain = unescaped(text)
            self._looks = [look for look in self._looks if _LOOKS[look](plain)]

    @property
    def look(self) -> str:
        """What all of them look like: file, json, boolean, number or text."""
        return self._looks[0] if self._looks and not self._is_empty else "text"


def unescaped(text: str) -> str:
    """*text* without the apostrophe that Gradio puts before what a spreadsheet would run."""
    rest = text[1:]
    escaped = rest.startswith(_UNSAFE_STARTS) or any(part in rest for part in _UNSAFE_PARTS)
    return rest if text.startswith("'") and escaped else text


def _looks_like_file(text: str) -> bool:
    path = text.replace("\\", "/")
    return bool(_KEPT_BY_GRADIO.search(path) or _JSON_BY_GRADIO_3.search(path))


def _looks_like_json(text: str) -> bool:
    return text[:1] in "[{" and _parsed(text) is not None


_LOOKS: dict[str, Callable[[str], bool]] = {
    "file": _looks_like_file,
    "json": _looks_like_json,
    "boolean": _BOOLEANS.__contains__,
    "number": lambda text: _NUMBER.fullmatch(text) is not None and math.isfinite(float(text)),
}


class Cells:
    """Reads the cells of the logs in *folder*; *adopt* makes a `FileRef` of a file there."""

    def __init__(self, folder: Path, adopt: Callable[[Path], FileRef]) -> None:
        self._folder = folder
        self._adopt = adopt

    def read(self, text: str, look: str) -> Read:
        """The cell *text* of a column that looks so."""
        plain = unescaped(text)
        if look == "text":
            return _read_text(text, plain)
        if not text:
            return Read(Value(kind=look), None)
        read = {"file": self._read_file, "json": self._read_json}.get(look, _read_scalar)(plain)
        return Read(Value(kind=read[0], data=read[1], extra={"cell": text}), read[2])

    def _read_file(self, text: str) -> tuple[str, Any, str | None]:
        path = self._find(text)
        if path is None:
            return "file", None, NO_FILE
        if _JSON_BY_GRADIO_3.search(text):
            data = _parsed(path.read_text(encoding="utf-8", errors="replace"))
            return _kind_of(data), _completed(data), None
        ref = self._adopt(path)
        nameless = NAMELESS if _NAMED_BY_GRADIO_3.fullmatch(ref.name) else None
        return _kind_of(ref), ref, nameless

    def _read_json(self, text: str) -> tuple[str, Any, str | None]:
        missing: list[str] = []
        data = _completed(self._with_files(_parsed(text), missing))
        return _kind_of(data), data, NO_FILE if missing else None

    def _with_files(self, data: Any, missing: list[str]) -> Any:
        """*data* with a `FileRef` for each path that Gradio wrote in place of a file."""
        match data:
            case {"path": str(written), "meta": {"_type": "gradio.FileData"}}:
                return self._with_files(written, missing)
            case dict():
                return {key: self._with_files(part, missing) for key, part in data.items()}
            case list():
                return [self._with_files(part, missing) for part in data]
            case str() if _looks_like_file(data):
                path = self._find(data)
                missing += [] if path else [data]
                return self._adopt(path) if path else data
        return data

    def _find(self, text: str) -> Path | None:
        """
        The file that the path *text* meant, below the folder and nowhere else.

        Gradio wrote it as seen from where the demo ran; its end is the same wherever it is now.
        """
        parts = PurePosixPath(text.replace("\\", "/")).parts if len(text) < _LONGEST_PATH else ()
        root = self._folder.resolve()
        for length in (4, 3, 2):
            try:
                path = self._folder.joinpath(*parts[-length:]).resolve(strict=True)
            except (OSError, ValueError):
                continue
            if path.is_relative_to(root) and path.is_file():
                return path
        return None


def _read_text(text: str, plain: str) -> Read:
    doubt = None
    if not text:
        doubt = EMPTY
    elif plain != text:
        doubt = APOSTROPHE
    elif _NUMBER_LIKE.fullmatch(plain) or _looks_like_json(plain):
        doubt = RESPELLED
    extra = {"cell": text} if plain != text else {}
    return Read(Value(kind="text", data=plain, extra=extra), doubt)


def _read_scalar(text: str) -> tuple[str, Any, str | None]:
    if text in _BOOLEANS:
        return "boolean", _BOOLEANS[text], None
    return "number", json.loads(text), None


def _parsed(text: str) -> Any:
    """
    The data that *text* is, in JSON or, as Gradio 3 wrote, in Python.

    None where it is none, or none that can be kept.
    """
    try:
        data = _parsed_json(text)
        codec.dumps(data)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return data


def _parsed_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        if len(text) > _LONGEST_LITERAL:
            raise
        return ast.literal_eval(text)


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


def _kind_of(data: Any) -> str:
    """What *data* is to a person, by its shape."""
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
    return "json"


def _kind_by_keys(kinds: dict[frozenset[str], str], data: dict[str, Any]) -> str:
    return next((kind for keys, kind in kinds.items() if keys <= data.keys()), "json")


def _completed(data: Any) -> Any:
    """*data* with the key that tables have had since Gradio 4."""
    is_table = isinstance(data, dict) and {"headers", "data"} <= data.keys()
    return {"metadata": None, **data} if is_table else data
