"""
What a component held, as a digest that is equal for what a page cannot tell apart.
"""

import hashlib
import logging
import math
import os
from pathlib import PurePath
from typing import Any

import orjson
from gradio.components import Component
from gradio.processing_utils import hash_bytes

from flagstone.gradio.held import held_drawing
from flagstone.gradio.payload import as_plain, as_sent, is_file_data

logger = logging.getLogger(__name__)

_LARGEST = 2**1023
"""Beyond it an integer is no number of JavaScript's."""


def digest_of(component: Component, payload: Any) -> bytes:
    """128 bits that are equal for what a page cannot tell apart as the value of *component*."""
    try:
        seen = _as_seen(as_plain(component, payload), drawn=hasattr(component, "blob_storage"))
        if isinstance(seen, dict) and seen.get("id") and hasattr(component, "blob_storage"):
            seen = _as_drawn(held_drawing(component, seen["id"]))
        text = orjson.dumps(seen, option=orjson.OPT_SORT_KEYS)
    except (ValueError, TypeError, RecursionError) as error:  # no page can have sent this
        logger.debug("A value of %s cannot be remembered: %s", component, error)
        text = os.urandom(16)
    return hashlib.blake2b(text, digest_size=16).digest()


def _as_seen(data: Any, *, drawn: bool) -> Any:
    """*data* as JavaScript has it; files by where the demo has them, *drawn* ones by content."""
    match data:
        case bool() | str() | None:
            return data
        case int() | float():
            # JavaScript has one kind of number, and JSON no word for those that are not finite.
            return float(data) + 0.0 if abs(data) < _LARGEST and math.isfinite(data) else None
        case dict():
            if is_file_data(data):
                return _file_as_seen(data, drawn=drawn)
            return {str(key): _as_seen(part, drawn=drawn) for key, part in data.items()}
        case list() | tuple():
            return [_as_seen(part, drawn=drawn) for part in data]
    return as_sent(data)


def _file_as_seen(data: dict[str, Any], *, drawn: bool) -> Any:
    if data.get("is_stream"):  # which `to_value` takes only if the demo has it, for this session
        return "a stream"
    if drawn:  # sent again by each event, each time under another name
        return PurePath(data["path"]).parent.name  # which is the hash of what was uploaded
    return [data["path"], data.get("orig_name")]


def _as_drawn(drawing: Any) -> Any:
    """What `_as_seen` gives for the files of the drawing that the page sent ahead."""

    def hash_of(image: bytes | None) -> str | None:
        return None if image is None else hash_bytes(image)

    if drawing is None:
        raise ValueError("the demo has no such drawing")
    return {
        "background": hash_of(drawing.background),
        "layers": [hash_of(layer) for layer in drawing.layers if layer is not None],
        "composite": hash_of(drawing.composite),
        "id": None,
    }
