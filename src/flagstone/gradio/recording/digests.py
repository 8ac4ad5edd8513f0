"""
Digests of component values; equal for values that a page cannot distinguish.

JavaScript numbers are 64-bit floats, and JSON cannot represent NaN or infinity. So a page that is
sent 1.0, NaN or 2^53+1 holds 1, null and 2^53. Values of the server are compared as a page sees
them; values that a page posts are compared as posted.
"""

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import PurePath
from typing import Any, NamedTuple

import orjson
from gradio.components import Component
from gradio.processing_utils import hash_bytes

from flagstone.errors.safe_logs import logger_of
from flagstone.gradio.payloads.convert import as_plain, as_sent, is_file_data
from flagstone.gradio.payloads.server_side import held_drawing

logger = logger_of(__name__)

_MAX_EXACT = 2**53
"""JavaScript represents all integers up to this one exactly."""

_MAX_NUMBER = 2**1023
"""JavaScript cannot represent larger integers as numbers."""


class Digest(NamedTuple):
    """
    The digests of a server value: `seen` is the digest of the value as a page sees it.

    `others` are digests of other forms that may be posted: the exact value, if a page would post a
    different one, and the text that Gradio streams in place of some numbers.
    """

    seen: bytes
    others: tuple[bytes, ...] = ()

    def matches(self, posted: bytes) -> bool:
        """Whether a page, or a client with exact numbers, would post a value with this digest."""
        return posted == self.seen or posted in self.others


def digest_of(component: Component, payload: Any) -> bytes:
    """Return a 128-bit digest of *payload*, equal for values that a page cannot distinguish."""
    return _digest(component, payload, _as_javascript)


def posted_digest_of(component: Component, payload: Any) -> bytes:
    """Return the digest of a posted value; equals `digest_of` the value that the page was sent."""
    return _digest(component, payload, _as_posted)


def digests_of(component: Component, payload: Any, streamed: Iterable[Any] = ()) -> Digest:
    """Return all digests of a server value; *streamed* are the forms that Gradio streams of it."""
    changed: list[float] = []

    def number(value: float) -> float | None:
        result = _as_javascript(value)
        if type(result) is not type(value) or result != value:
            changed.append(value)
        return result

    seen = _digest(component, payload, number)
    others = [_digest(component, payload, _as_posted)] if changed else []
    others += [_digest(component, form, _as_javascript) for form in streamed]
    return Digest(seen, tuple(digest for digest in others if digest != seen))


Number = Callable[[float], float | None]


def _digest(component: Component, payload: Any, number: Number) -> bytes:
    drawn = hasattr(component, "blob_storage")
    try:
        seen = _as_seen(as_plain(component, payload), number, drawn=drawn)
        if isinstance(seen, dict) and seen.get("id") and drawn:
            seen = _as_drawn(held_drawing(component, seen["id"]))
        text = _written(seen)
    except (ValueError, TypeError, RecursionError) as error:  # no page can post this
        logger.debug("A value of %s has no digest: %s", component, error)
        text = os.urandom(16)
    return hashlib.blake2b(text, digest_size=16).digest()


def _written(seen: Any) -> bytes:
    try:
        return orjson.dumps(seen, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # an integer beyond 64 bits, or a lone surrogate
        return json.dumps(seen, sort_keys=True).encode()


def _as_javascript(number: float) -> float | None:
    """Return *number* as a page holds it."""
    if not (abs(number) < _MAX_NUMBER and math.isfinite(number)):
        return None
    return _short(float(number))


def _as_posted(number: float) -> float | None:
    """Return *number* as posted; a float if JavaScript writes that float as this integer."""
    if not isinstance(number, int):
        if not math.isfinite(number):
            raise ValueError("a page cannot post a number that is not finite")
        return number
    if abs(number) <= _MAX_EXACT or abs(number) >= _MAX_NUMBER:
        return number
    nearest = float(number)
    # JavaScript writes the fewest digits that identify the float, then zeros.
    return nearest if number in (int(nearest), int(Decimal(repr(nearest)))) else number


def _short(number: float) -> float:
    return int(number) if number.is_integer() and abs(number) <= _MAX_EXACT else number


def _as_seen(data: Any, number: Number, *, drawn: bool) -> Any:
    """Return *data* with numbers mapped by *number*, files by path, drawings by content."""
    match data:
        case bool() | str() | None:
            return data
        case int() | float():
            return number(data)
        case dict():
            if is_file_data(data) and isinstance(
                data.get("path"), str
            ):  # otherwise it is plain data
                return _file_as_seen(data, drawn=drawn)
            return {str(key): _as_seen(part, number, drawn=drawn) for key, part in data.items()}
        case list() | tuple():
            return [_as_seen(part, number, drawn=drawn) for part in data]
    return as_sent(data)


def _file_as_seen(data: dict[str, Any], *, drawn: bool) -> Any:
    if data.get("is_stream"):  # `to_value` accepts only streams of this session
        return "a stream"
    if drawn:  # each event uploads it again under another name
        return PurePath(data["path"]).parent.name  # the hash of the upload
    return [data["path"], data.get("orig_name"), data.get("mime_type")]


def _as_drawn(drawing: Any) -> Any:
    """Return what `_as_seen` returns for the same drawing posted as files."""

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
