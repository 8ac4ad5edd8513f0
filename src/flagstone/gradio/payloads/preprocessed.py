"""
Detect preprocessed values: what Gradio passes to a function, rather than what the page holds.

An event that calls `flag()` without `preprocess=False` gets images, arrays and paths. Most are not
valid payloads of their component; some are, and would be saved as values that the page never held.
"""

from collections.abc import Iterable
from typing import Any

from gradio.components import Component, Dataset
from pydantic import BaseModel

from flagstone.gradio.payloads.kinds import kind_of

_OF_A_PAGE = (str, bool, int, float, type(None), BaseModel)


def find_preprocessed(payload: Any, roots: tuple[str, ...]) -> str:
    """
    Return, in words, what in *payload* only a function gets; "" if there is nothing.

    *roots* are the folders of Gradio's files: a page names these in an object, never as plain text.
    """
    match payload:
        case str() if payload.startswith(roots):
            return "the path of a file"
        case dict():
            return _first(payload.values(), roots)
        case list():
            return _first(payload, roots)
    if type(payload) is tuple or not isinstance(payload, _OF_A_PAGE):
        kind = type(payload)
        module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
        return f"a {module}{kind.__qualname__}"
    return ""


def _first(parts: Iterable[Any], roots: tuple[str, ...]) -> str:
    return next(filter(None, (find_preprocessed(part, roots) for part in parts)), "")


def is_disguised(component: Component, payload: Any) -> bool:
    """Whether *payload* is preprocessed, although it is also a valid payload of *component*."""
    if payload is None:
        return False
    if isinstance(component, Dataset):
        return not isinstance(payload, int)
    kind = kind_of(component)
    if kind == "datetime":
        return not isinstance(payload, str)
    if kind in ("choice", "choices") and getattr(component, "type", "") == "index":
        chosen = payload if isinstance(payload, list) else [payload]
        values = [value for _, value in getattr(component, "choices", None) or ()]
        are_texts = all(isinstance(value, str) for value in values)  # else it is ambiguous
        return are_texts and any(type(index) is int for index in chosen)
    fields = getattr(component.data_model, "model_fields", {})
    is_object = isinstance(payload, dict) and payload and fields and "root" not in fields
    return bool(is_object) and not (payload.keys() & fields.keys())  # the model would drop all keys
