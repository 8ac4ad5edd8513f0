"""
Editors in which a visitor enters the expected value of an output.

If the output's component is editable, the editor is a copy of it. Otherwise it is the most similar
editable component, and the entered value is converted to a payload of the output's component.
"""

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import gradio
from gradio.components import Component

from flagstone.errors import UnserializableValueError
from flagstone.gradio.payloads.fields import arguments_of
from flagstone.gradio.recording.digests import digest_of

_Fill = Literal["same", "label", "json"]


@dataclass(frozen=True, kw_only=True)
class Editor:
    """
    An editor on the page.

    `fill` names the conversion, on the page, from the output's value to the editor's value; `read`
    converts the entered value to a payload of the output's component.
    """

    component: Component
    output: Component
    fill: _Fill
    read: Callable[[Any], Any]

    def correction(self, entered: Any, payload: Any) -> Any:
        """Return the entered payload; None if it equals the output's *payload*."""
        right = self.read(entered)
        if self.fill == "label" and right and str((payload or {}).get("label")) == right["label"]:
            return None
        if right is None or digest_of(self.output, right) == digest_of(self.output, payload):
            return None
        return right


def editor_for(output: Component, label: str) -> Editor | None:
    """Return an editor labelled *label* for *output*; None if it has none."""
    names = {base.__name__ for base in type(output).__mro__}
    for name, make in _MAKERS.items():
        if name in names:
            return make(output, label)
    return _another(output, label)


def _choose_label(output: Component, label: str) -> Editor:
    choose = gradio.Dropdown(
        choices=[], label=label, allow_custom_value=True, interactive=True, render=False,
        info="Choose, or type another.",
    )  # fmt: skip
    return Editor(component=choose, output=output, fill="label", read=_label_payload)


def _label_payload(entered: Any) -> Any:
    return None if entered in (None, "", []) else {"label": entered, "confidences": None}


def _write_json(output: Component, label: str) -> Editor:
    code = gradio.Code(language="json", label=label, interactive=True, render=False)

    def read(entered: Any) -> Any:
        try:
            return json.loads(entered) if entered else None
        except ValueError as error:
            reason = f"the correction is not valid JSON ({error})"
            raise UnserializableValueError(where=label, reason=reason) from error

    return Editor(component=code, output=output, fill="json", read=read)


def _write_text(output: Component, label: str) -> Editor:
    return _as_it_is(output, gradio.Textbox(label=label, lines=3, interactive=True, render=False))


def _another(output: Component, label: str) -> Editor | None:
    kind = type(output)
    accepted = inspect.signature(kind.__init__).parameters
    if "interactive" not in accepted or not {"value", "label"} <= set(accepted):
        return None
    arguments = {
        name: argument
        for name, argument in arguments_of(output).items()
        if name in accepted and name not in _OWN
    }
    made = kind(**arguments, label=label, interactive=True, visible=True, render=False)
    return _as_it_is(output, made)


def _as_it_is(output: Component, component: Component) -> Editor:
    return Editor(component=component, output=output, fill="same", read=lambda entered: entered)


def _none(_output: Component, _label: str) -> None:
    """Return no editor."""


_OWN = {"label", "interactive", "visible", "render", "elem_id", "streaming", "info", "show_label"}

_MAKERS: dict[str, Callable[[Component, str], Editor | None]] = {
    "Label": _choose_label,
    "JSON": _write_json,
    "Markdown": _write_text,
    "HTML": _write_text,
    "Chatbot": _none,
    "State": _none,
    "BrowserState": _none,
    "Timer": _none,
    "Button": _none,
    "NativePlot": _none,
}
