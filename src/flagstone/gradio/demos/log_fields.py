"""
What a demo tells of the columns of a log: its components' labels, kinds and sides.

With it an import need not guess: a Textbox holds text, also where that is digits or JSON.
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
    The fields of *demo* as a log of Gradio's has them: of an Interface its inputs and outputs, of
    other Blocks all that its functions take and fill.
    """
    inputs, outputs = _sides_of(demo)
    made = {number_of(component) for component in outputs}
    taken = [component for component in inputs if number_of(component) not in made]
    if isinstance(demo, gradio.Interface):  # a component may be on both sides, and is one column
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
        # Not the clear button, which takes nothing, nor the flag button, which fills nothing.
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
    """What makes data of the text of a cell; None where the text is the data."""
    own = type(component).read_from_flag
    if not own.__module__.startswith("gradio."):  # it knows best what its `flag` wrote
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
    except Exception as error:  # it is anybody's code
        raise ValueError(str(error)) from error


def _as_written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _parse_choice(values: dict[str, Any], text: str) -> Any:
    """One of a component's choices, or a list of them; else the text, as one may type others."""
    if text in values:
        return values[text]
    data = parse(text, literals=True)
    return text if data is None else data


_BOOLEANS = {"true": True, "True": True, "false": False, "False": False}


def _parse_as(kind: str, text: str) -> Any:
    """The data that *text* is, of a component whose values are of this *kind*."""
    if kind == "boolean":
        if text not in _BOOLEANS:
            raise ValueError("it is neither true nor false")
        return _BOOLEANS[text]
    if kind == "number":
        number = json.loads(text)
        if type(number) not in (int, float):
            raise ValueError("it is no number")
        return number
    try:
        data = json.loads(text)
    except ValueError:
        data = parse(text, literals=True)
        if data is None:
            raise ValueError("it is no JSON") from None
    if kind == "label" and isinstance(data, dict) and "label" not in data:
        return _label_of(data)
    return data


def _label_of(confidences: dict[str, Any]) -> dict[str, Any]:
    """A label as Gradio has had it since 3.4: before, it was what is *confidences*, by name."""
    if not all(isinstance(each, int | float) for each in confidences.values()):
        raise ValueError("it is no label")
    ranked = sorted(confidences.items(), key=lambda each: -cast(float, each[1]))
    parts = [{"label": label, "confidence": confidence} for label, confidence in ranked]
    return {"label": ranked[0][0] if ranked else None, "confidences": parts}
