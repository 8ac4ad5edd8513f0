"""
Infer the type of a column in a log that Gradio wrote, from all its cells together.

Gradio writes each value in one format. Similar text in another format, such as indented JSON or
`007`, was typed by a user.
"""

import ast
import json
import re
from typing import Any

from flagstone.core import codec
from flagstone.stores.csv_folder.gradio_files import ColumnFiles, looks_like_path

BOOLEANS = {"true": True, "false": False, "True": True, "False": False}

_MAX_LITERAL_LENGTH = 100_000  # characters: a longer one takes Python seconds and a gigabyte
_MAX_NUMBER_LENGTH = 40
_DIGITS = re.compile(r"[+-]?[\d.,_ ]*\d[\d.,_ ]*([eE][+-]?\d+)?")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_SPACED = re.compile(r"(?:[^\s,:]|[,:] (?=\S))*")
_COMPACT = re.compile(r"\S*")
_UNSAFE_STARTS = ("=", "+", "-", "@", "\t", "\n")
_UNSAFE_PARTS = (",=", ",+", ",-", ",@", ",\t", ",\n")
_FILE_DATA = {"path", "url", "size", "orig_name", "mime_type", "is_stream", "meta"}


class Column:
    """
    What the cells of one column have in common; call `show` once for each.

    *files* are those of its field. *escaped*: Gradio put apostrophes before formulas (since 3.2).
    *literals*: Gradio wrote lists as Python literals (up to 4.21).
    """

    def __init__(self, files: ColumnFiles, *, escaped: bool, literals: bool) -> None:
        self.files = files
        self._escaped = escaped
        self.literals = literals
        self._looks: list[str] = ["file", "json", "boolean", "number", "digits"]
        self._has_files = False
        self._is_empty = True

    def show(self, text: str) -> None:
        """Take the cell *text* into account."""
        if text:
            self._is_empty = False
            plain = self.plain(text)
            self._looks = [look for look in self._looks if self.fits(plain, look)]
            self._has_files = self._has_files or (
                "file" in self._looks and self._names_own_file(plain)
            )

    @property
    def look(self) -> str:
        """The type that fits all cells: file, json, boolean, number, digits or text."""
        looks = [look for look in self._looks if look != "file" or self._has_files]
        return looks[0] if looks and not self._is_empty else "text"

    def plain(self, text: str) -> str:
        """Return the cell *text* without Gradio's escaping."""
        return unescaped(text) if self._escaped else text

    def fits(self, plain: str, look: str) -> bool:
        """Whether the cell *plain* fits the type *look*."""
        match look:
            case "file":
                is_path = looks_like_path(plain) or self.files.has(plain)
                return is_path or bool(file_data_in(plain))
            case "json":
                return self.parse(plain) is not None
            case "boolean":
                return plain in BOOLEANS
            case "number":
                return _is_number(plain)
            case "digits":
                return len(plain) <= _MAX_NUMBER_LENGTH * 2 and bool(_DIGITS.fullmatch(plain))
        return True

    def parse(self, plain: str) -> Any:
        """Return the data of a cell in Gradio's format, or None if it is text."""
        return parse(plain, literals=self.literals)

    def _names_own_file(self, plain: str) -> bool:
        if self.files.has(plain):
            return True
        return any(self.files.has(str(each["path"])) for each in file_data_in(plain))


def unescaped(text: str) -> str:
    """Return *text* without the apostrophe that Gradio puts before formulas."""
    rest = text[1:]
    escaped = rest.startswith(_UNSAFE_STARTS) or any(part in rest for part in _UNSAFE_PARTS)
    return rest if text.startswith("'") and escaped else text


def parse(text: str, *, literals: bool) -> Any:
    """
    Parse *text* as JSON in Gradio's format or, with *literals*, as a Python literal.

    Returns None if it is neither, is in another format, or cannot be saved.
    """
    if text[:1] not in ("[", "{"):
        return None
    try:
        data = _parse_json(text, literals=literals)
        codec.dumps(data)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return data


def file_data_in(text: str) -> list[dict[str, Any]]:
    """Return the FileData in *text*: a single one or a list."""
    data = parse(text, literals=False) if '"path"' in text else None
    parts = data if isinstance(data, list) else [data]
    return [*parts] if all(map(is_file_data, parts)) else []


def is_file_data(data: Any) -> bool:
    """Whether *data* is a FileData of Gradio 4 or later; up to 4.20 it had no `meta`."""
    if not isinstance(data, dict) or not isinstance(data.get("path"), str):
        return False
    is_marked = data.get("meta") == {"_type": "gradio.FileData"}
    return data.keys() <= _FILE_DATA and (is_marked or {"url", "size", "orig_name"} <= data.keys())


def _parse_json(text: str, *, literals: bool) -> Any:
    try:
        data = json.loads(text)
    except ValueError:
        if not literals or len(text) > _MAX_LITERAL_LENGTH:
            raise
        data = ast.literal_eval(text)
        if repr(data) != text:
            raise ValueError("not in the format of Gradio") from None
        return data
    outline = _STRING.sub("", text)
    if not (_COMPACT.fullmatch(outline) or _SPACED.fullmatch(outline)):
        raise ValueError("not in the format of Gradio")
    return data


def _is_number(text: str) -> bool:
    """Whether *text* is a number in the format of Python or JSON, so that nothing is lost."""
    if len(text) > _MAX_NUMBER_LENGTH or not _DIGITS.fullmatch(text):
        return False
    try:
        number = json.loads(text)
    except ValueError:
        return False
    return type(number) in (int, float) and text in (repr(number), json.dumps(number))
