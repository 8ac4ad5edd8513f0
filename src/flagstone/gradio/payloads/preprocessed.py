"""
Whether a value is what Gradio gives a function, and not what the page holds.

An event that calls `flag()` without `preprocess=False` gets images, arrays and paths. Most are no
payload of their component; some would pass for one, and be kept as what nobody saw.
"""

from collections.abc import Iterable
from typing import Any

from gradio.components import Component, Dataset
from pydantic import BaseModel

from flagstone.gradio.payloads.kinds import kind_of

_OF_A_PAGE = (str, bool, int, float, type(None), BaseModel)


def find_preprocessed(payload: Any, roots: tuple[str, ...]) -> str:
    """
    What in *payload* only a function gets, in words; "" for nothing.

    *roots* are where Gradio keeps files: a page names them within an object, never as a text.
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
    """Whether *payload* would pass for one of *component*, and is what a function gets of it."""
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
        are_texts = all(isinstance(value, str) for value in values)  # else who knows
        return are_texts and any(type(index) is int for index in chosen)
    fields = getattr(component.data_model, "model_fields", {})
    is_object = isinstance(payload, dict) and payload and fields and "root" not in fields
    return bool(is_object) and not (payload.keys() & fields.keys())  # the model drops all of it
