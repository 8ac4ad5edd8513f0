"""
The size of a flag, and length limits for its short texts.

Everything that a press posts counts, including what the page says about a file.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from gradio.components import Component
from pydantic import BaseModel

from flagstone.errors import TooLongError
from flagstone.gradio.payloads.convert import is_file_data
from flagstone.gradio.payloads.server_side import held_drawing

MAX_NAME = 1_000
"""Maximum number of characters of a file name, user name, media type or option."""

MAX_COMMENT = 100_000
"""Maximum number of characters of a comment."""


def require_short(**texts: str | None) -> None:
    """Raise `TooLongError` if the comment, or another of *texts*, exceeds its limit."""
    for what, text in texts.items():
        most = MAX_COMMENT if what == "comment" else MAX_NAME
        if text is not None and len(text) > most:
            raise TooLongError(what=what, most=most)


def require_short_files(payload: Any) -> None:
    """Raise `TooLongError` if *payload* has a file whose name or media type is too long."""
    for file in _files_in(payload):
        name, mime_type = file.get("orig_name"), file.get("mime_type")
        require_short(
            name=None if name is None else str(name),
            mime_type=None if mime_type is None else str(mime_type),
        )


def size_of(payload: Any) -> int:
    """Return the approximate size of *payload* in bytes, including its files."""
    match payload:
        case str():
            return len(payload)
        case dict():
            size = sum(size_of(key) + size_of(part) for key, part in payload.items())
            if is_file_data(payload):
                with suppress(OSError, ValueError):  # `to_value` rejects it
                    size += Path(str(payload.get("path"))).stat().st_size
            return size
        case list() | tuple():
            return sum(map(size_of, payload))
        case BaseModel():
            return size_of(payload.model_dump())
    return 8


def size_of_drawing(component: Component, payload: Any) -> int:
    """Return the size in bytes of the uploaded drawing that *payload* of *component* names."""
    name = payload.get("id") if isinstance(payload, dict) else getattr(payload, "id", None)
    if not isinstance(name, str) or not hasattr(component, "blob_storage"):
        return 0
    drawing = held_drawing(component, name)
    parts = [drawing.background, drawing.composite, *drawing.layers] if drawing else []
    return sum(len(part) for part in parts if part is not None)


def _files_in(payload: Any) -> Iterator[Mapping[str, Any]]:
    match payload:
        case dict():
            if is_file_data(payload):
                yield payload
            for part in payload.values():
                yield from _files_in(part)
        case list() | tuple():
            for part in payload:
                yield from _files_in(part)
        case BaseModel():
            yield from _files_in(payload.model_dump())
