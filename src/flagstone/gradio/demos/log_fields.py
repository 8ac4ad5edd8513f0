"""
Derive the columns of a log from a demo: labels, kinds, and inputs or outputs.

With a demo an import need not guess: a Textbox holds text, even if that is digits or JSON.
"""

import json
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, cast

import gradio
from gradio.blocks import Blocks
from gradio.components import Component

from flagstone.gradio.payloads.convert import as_plain
from flagstone.gradio.payloads.fields import components_of, describe, number_of, text_of
from flagstone.gradio.payloads.kinds import kind_of
from flagstone.stores.csv_folder.gradio_cells import Field
from flagstone.stores.csv_folder.gradio_columns import parse

_TEXTS = frozenset({"text", "code", "markdown", "html", "color", "datetime"})
_MEDIA = frozenset({"image", "audio", "video", "file", "gallery", "model3d", "paths"})


def fields_of_demo(demo: Blocks) -> list[Field]:
    """
    Return the fields of *demo* in a Gradio log: the inputs and outputs of an Interface, or all
    components that the functions of other Blocks take and fill.
    """
    inputs, outputs = _sides_of(demo)
    made = {number_of(component) for component in outputs}
    taken = [component for component in inputs if number_of(component) not in made]
    if isinstance(demo, gradio.Interface):  # a component on both sides is one column
        taken, made = inputs, {number_of(c) for c in outputs} - {number_of(c) for c in inputs}
    unique = {number_of(component): component for component in (*taken, *outputs)}
    return [
        _field_of(component, number, is_output=number_of(component) in made)
        for number, component in enumerate(unique.values())
    ]


def _sides_of(demo: Blocks) -> tuple[list[Component], list[Component]]:
    if isinstance(demo, gradio.Interface):
        return components_of(demo)
    inputs: dict[int, Component] = {}
    outputs: dict[int, Component] = {}
    for function in demo.fns.values():
        taken, filled = _shown(function.inputs), _shown(function.outputs)
        # Excludes the clear button, which takes nothing, and the flag button, which fills nothing.
        if function.fn is not None and taken and filled:
            inputs |= {number_of(component): component for component in taken}
            outputs |= {number_of(component): component for component in filled}
    typed = {n for n, c in outputs.items() if n in inputs and kind_of(c) in _TEXTS}
    made = [component for n, component in outputs.items() if n not in typed]
    return list(inputs.values()), made


def _shown(blocks: Iterable[Any]) -> list[Component]:
    hidden = (gradio.State, gradio.Button, gradio.Dataset)
    return [b for b in blocks if isinstance(b, Component) and not isinstance(b, hidden)]


def _field_of(component: Component, number: int, *, is_output: bool) -> Field:
    kind = kind_of(component)
    return Field(
        name=text_of(getattr(component, "label", None)) or f"component {number}",
        kind=kind,
        component=describe(component),
        is_output=is_output,
        holds_files=kind in _MEDIA or component.data_model is not None,
        parse=_parse_for(component, kind),
    )


def _parse_for(component: Component, kind: str) -> Callable[[str], Any] | None:
    """Return a function that parses the text of a cell; None if the text is the data."""
    own = type(component).read_from_flag
    if not own.__module__.startswith("gradio."):  # a custom component parses its own format
        return partial(_read_from_flag, component)
    if kind in _TEXTS:
        return None
    choices = getattr(component, "choices", None)
    if choices is not None and kind in ("choice", "choices"):
        values = {_as_written(value): value for _, value in choices}
        return partial(_parse_choice, values)
    return partial(_parse_as, kind)


def _read_from_flag(component: Component, text: str) -> Any:
    try:
        return as_plain(component, component.read_from_flag(text))
    except Exception as error:  # third-party code
        raise ValueError(str(error)) from error


def _as_written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _parse_choice(values: dict[str, Any], text: str) -> Any:
    """Return a choice, or a list of choices; else the text, since custom values are possible."""
    if text in values:
        return values[text]
    data = parse(text, literals=True)
    return text if data is None else data


_BOOLEANS = {"true": True, "True": True, "false": False, "False": False}


def _parse_as(kind: str, text: str) -> Any:
    """Parse *text* as data of this *kind*."""
    if kind == "boolean":
        if text not in _BOOLEANS:
            raise ValueError("it is neither true nor false")
        return _BOOLEANS[text]
    if kind == "number":
        number = json.loads(text)
        if type(number) not in (int, float):
            raise ValueError("it is not a number")
        return number
    try:
        data = json.loads(text)
    except ValueError:
        data = parse(text, literals=True)
        if data is None:
            raise ValueError("it is not valid JSON") from None
    if kind == "label" and isinstance(data, dict) and "label" not in data:
        return _label_of(data)
    return data


def _label_of(confidences: dict[str, Any]) -> dict[str, Any]:
    """Return a label in the format since Gradio 3.4; earlier logs hold only *confidences*."""
    if not all(isinstance(each, int | float) for each in confidences.values()):
        raise ValueError("it is not a label")
    ranked = sorted(confidences.items(), key=lambda each: -cast(float, each[1]))
    parts = [{"label": label, "confidence": confidence} for label, confidence in ranked]
    return {"label": ranked[0][0] if ranked else None, "confidences": parts}
