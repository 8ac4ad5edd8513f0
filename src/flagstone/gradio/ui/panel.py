"""
The flag panel: it opens when Flag is pressed and asks why, and for the expected output.

It consists of Gradio components, so it looks like the page around it. Opening and editing happen
in the browser (`panel.js`); the server is called only when a flag is saved.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio
from gradio.events import Dependency
from gradio.utils import get_upload_folder

from flagstone.errors import NoSuchOptionError, UnserializableValueError
from flagstone.errors.safe_logs import logger_of
from flagstone.gradio.executor import in_thread
from flagstone.gradio.recording.recorder import Press, Recorder
from flagstone.gradio.ui import messages
from flagstone.gradio.ui.editors import Editor, editor_for
from flagstone.gradio.ui.scripts import HIDDEN, script
from flagstone.gradio.ui.styles import COMMENT, consent_boxes, place_style

logger = logger_of(__name__)

_UNDO_FOR = 10.0
"""Seconds that the page offers Undo; the server allows twice that, for latency."""

Options = Sequence[str | tuple[str, str | None]]


@dataclass(frozen=True, kw_only=True)
class Asking:
    """What a panel asks for: one of *options* (shown as chips), a comment, corrected outputs."""

    options: Options = ()
    comment: bool = False
    correction: bool = False

    def choices(self) -> list[tuple[str, str]]:
        """Return the options as (label, value)."""
        pairs = [(each, each) if isinstance(each, str) else tuple(each) for each in self.options]
        return [(str(label), str(value)) for label, value in pairs if value is not None]


class Panel:
    """
    A panel for the flags of *recorder*, placed where it is created; closed at first.
    """

    def __init__(self, recorder: Recorder, asking: Asking) -> None:
        self._recorder = recorder
        self._fields = recorder.fields.components
        self._message = gradio.HTML(visible=False, render=False)
        self.id = f"flagstone-panel-{self._message._id}"  # noqa: SLF001 - unique on the page
        self._editors = _editors_of(recorder) if asking.correction else {}
        with gradio.Column(
            visible=False, elem_id=self.id, elem_classes="flagstone-panel"
        ) as self._box:
            self._place_questions(asking)
            self._message.render()  # type: ignore[no-untyped-call]
            with gradio.Row():
                self._save = _button("Save", f"{self.id}-save", variant="primary")
                self._cancel = _button("Cancel", f"{self.id}-cancel")
        with gradio.Row():
            self._receipt = gradio.HTML(visible=False, elem_id=f"{self.id}-receipt")
            self._undo = _button("Undo", f"{self.id}-undo", visible=False, scale=0, min_width=80)
        self._last = gradio.State(None)
        self._attach()

    def _place_questions(self, asking: Asking) -> None:
        choices = asking.choices()
        self._values = [value for _, value in choices]
        self._option = gradio.Radio(
            choices=choices, label="Reason", visible=bool(choices), interactive=True
        )
        self._comment = gradio.Textbox(**COMMENT, visible=asking.comment)
        for editor in self._editors.values():
            editor.component.render()  # type: ignore[no-untyped-call]
        self._consent = consent_boxes(self._recorder.rules.consent)
        place_style()

    def opened_by(self, button: gradio.Button, option: str | None = None) -> None:
        """Open the panel when *button* is pressed, with *option* chosen."""
        outputs = [self._fields[n] for n in self._editors]
        editors = [editor.component for editor in self._editors.values()]
        asked = {
            "option": option,
            "consents": bool(self._consent),
            "fills": [editor.fill for editor in self._editors.values()],
        }
        shown = [self._box, self._option, self._comment, *self._consent, *editors]
        button.click(
            None, outputs, [*shown, self._message, self._receipt, self._undo], **HIDDEN,
            js=script(f"open({json.dumps(self.id)}, {json.dumps(asked)}, values)"),

        )  # fmt: skip

    def closed_by(self, event: Any) -> None:
        """Close the panel and hide the receipt on *event*, for example `button.click`."""
        hide = "update({visible: false})"
        event(
            None, None, [self._box, self._receipt, self._undo], **HIDDEN,
            js=script(f"[{hide}, {hide}, {hide}]"),
        )  # fmt: skip

    def _attach(self) -> None:
        name = json.dumps(self.id)
        editors = [editor.component for editor in self._editors.values()]
        inputs = [*self._fields, self._option, self._comment, *self._consent, *editors]
        folder = json.dumps(get_upload_folder())
        saved: Dependency = gradio.on(
            [self._save.click, self._comment.submit],
            in_thread(self._keep),
            inputs,
            [self._message, self._last],
            js=script(f"saving({name}, passStreams({folder}, values, {len(inputs)}))"),
            preprocess=False, queue=False, show_progress="hidden", **HIDDEN,
        )  # fmt: skip
        shown = [self._box, self._message, self._receipt, self._undo]
        saved.then(
            None, self._message, shown, js=script(f"told({name}, values[0])"), **HIDDEN
        ).then(
            None, None, self._undo, js=script(f"expire({name}, {_UNDO_FOR * 1000:.0f})"), **HIDDEN
        )  # fmt: skip
        self._undo.click(
            in_thread(self._take_back), self._last, [self._receipt, self._last],
            queue=False, show_progress="hidden", **HIDDEN,
        ).then(
            None, self._receipt, self._undo, js=script("undone(values[0])"), **HIDDEN
        )  # fmt: skip
        self._cancel.click(None, None, self._box, js=script(f"close({name})"), **HIDDEN)

    def _keep(self, request: gradio.Request, *values: Any) -> tuple[str, Any]:
        """Save the flag; return the notice to show, and what Undo needs to withdraw it."""
        try:
            kept = self._recorder.save(self._press_of(list(values)), request)
        except Exception as error:
            logger.exception("A flag was not saved")
            return messages.refusal(error), None
        return messages.receipt(kept), (kept.flag_id, time.monotonic())

    def _press_of(self, values: list[Any]) -> Press:
        fields, rest = values[: len(self._fields)], values[len(self._fields) :]
        option, comment, *rest = rest
        if option is not None and option not in self._values:
            raise NoSuchOptionError(option=option, options=self._values)
        if comment is not None and not isinstance(comment, str):
            raise UnserializableValueError(where="The comment", reason="it is not text")
        consented = rest.pop(0) is True if self._consent else False
        corrections = {}
        for (position, editor), entered in zip(self._editors.items(), rest, strict=True):
            corrected = editor.correction(entered, fields[position])
            if corrected is not None:
                corrections[position] = corrected
        return Press(
            payloads=dict(enumerate(fields)),
            option=option,
            comment=comment or None,
            corrections=corrections,
            consented=consented,
        )

    def _take_back(self, last: tuple[str, float] | None, request: gradio.Request) -> Any:
        """Withdraw the flag; return the notice to show, and what can still be withdrawn."""
        if last is None or time.monotonic() - last[1] > 2 * _UNDO_FOR:
            return messages.status("Too late to undo: the flag stays saved."), None
        try:
            self._recorder.withdraw(last[0], request)
        except Exception as error:
            logger.exception("A flag was not withdrawn")
            return messages.refusal(error), last
        return messages.status("Undone. The flag will not be counted."), None


def _editors_of(recorder: Recorder) -> dict[int, Editor]:
    """Return the editors of the outputs that have one, by field position."""
    made = {
        n: editor_for(recorder.fields.components[n], f"Expected {recorder.fields.names[n]}")
        for n in sorted(recorder.fields.declared or ())
    }
    return {n: editor for n, editor in made.items() if editor is not None}


def _button(label: str, name: str, **looks: Any) -> gradio.Button:
    return gradio.Button(label, elem_id=name, size="sm", **looks)
