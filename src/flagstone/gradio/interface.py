"""
Gradio's Interface, with a Flag button that says what became of the flag.

Gradio builds the page; the wiring of the Flag buttons is ours. While a flag is kept no worker
thread sleeps: what is shown for a moment is timed in the browser.
"""

import html
import json
import logging
import os
from typing import Any

import gradio
import gradio.flagging
from gradio.components import HTML, Button, ClearButton, Component
from gradio.data_classes import InterfaceTypes
from gradio.events import Dependency
from gradio.flagging import FlaggingCallback
from gradio.utils import get_upload_folder

from flagstone.errors import FlagstoneError
from flagstone.gradio.callbacks import CSVLogger, Receipt, StoreCallback
from flagstone.gradio.fields import components_of, text_of

logger = logging.getLogger(__name__)

_MODES = ("manual", "auto", "never")
_IS_6 = int(gradio.__version__.split(".")[0]) >= 6  # noqa: PLR2004
_MODE_ARGUMENT = "allow_flagging" if gradio.__version__.startswith("4.") else "flagging_mode"
_HIDDEN: dict[str, Any] = {"api_visibility": "undocumented"} if _IS_6 else {"show_api": False}
_DONE_FOR = 1500
"""Milliseconds that a button says "Saved" before it can be pressed again."""

_NOT_OURS = (
    "Something went wrong on the server, and its log says what. Count it as not saved; "
    "you can try again."
)


class Interface(gradio.Interface):
    """
    Gradio's Interface: all its parameters, and the flagging parameters of every version.

    `flagging_mode`, or its name in 4.x, `allow_flagging`, is "manual", "auto" or "never"; without
    it the environment decides, GRADIO_FLAGGING_MODE before GRADIO_ALLOW_FLAGGING. Below the Flag
    buttons the page shows the receipt of what was saved, or a sentence that says why not.
    """

    def __init__(
        self,
        *args: Any,
        flagging_mode: str | None = None,
        allow_flagging: str | bool | None = None,
        flagging_callback: FlaggingCallback | None = None,
        **kwargs: Any,
    ) -> None:
        mode = _find_mode(flagging_mode, allow_flagging)
        self._flagging_mode = mode
        kwargs[_MODE_ARGUMENT] = mode
        if flagging_callback is None:
            flagging_callback = CSVLogger()
        super().__init__(*args, flagging_callback=flagging_callback, **kwargs)
        self.allow_flagging = self.flagging_mode = mode
        flags = mode != "never" and self.interface_type is not InterfaceTypes.INPUT_ONLY
        if flags and isinstance(flagging_callback, StoreCallback):
            _, outputs = components_of(self)
            unified = self.interface_type is InterfaceTypes.UNIFIED
            flagging_callback.declare(
                outputs=[] if unified else outputs,
                app=text_of(kwargs.get("title")) or self.__name__,
            )

    def attach_flagging_events(
        self,
        flag_btns: list[Button] | None,
        _clear_btn: ClearButton,
        _submit_event: Dependency,
    ) -> None:
        """Wire the Flag buttons, or, in auto mode, the end of each prediction."""
        if not flag_btns or self.interface_type is InterfaceTypes.INPUT_ONLY:
            return
        row = flag_btns[0].parent
        assert row is not None and row.parent is not None  # noqa: PT018 - Gradio's own layout
        with row.parent:  # the column that the row of buttons stands in
            receipt = HTML(visible=False, elem_id=f"flagstone-receipt-{flag_btns[0]._id}")  # noqa: SLF001
        hide_receipt = {"fn": None, "outputs": receipt, "js": _js(visible=False), **_HIDDEN}
        if self._flagging_mode == "auto":
            method = FlagMethod(self.flagging_callback, "", None, visual_feedback=False)
            _submit_event.success(method, self._flagged(), receipt, **self._event())
            return
        for button, (label, value) in zip(flag_btns, self.flagging_options, strict=True):
            self._attach_button(button, receipt, label, value, _clear_btn)
        _clear_btn.click(**hide_receipt)
        _submit_event.then(**hide_receipt)

    def _attach_button(
        self, button: Button, receipt: HTML, label: str, value: str | None, clear: ClearButton
    ) -> None:
        if value is not None and not isinstance(value, str):
            raise TypeError(f"Flagging option value must be a string, not {value!r}")
        method = FlagMethod(self.flagging_callback, label, value)
        reset = {"fn": None, "outputs": button, **_HIDDEN}
        saving = button.click(js=_js(value="Saving…", interactive=False), **reset)
        saved = saving.then(method, self._flagged(), [button, receipt], **self._event())
        saved.then(js=_js(after=_DONE_FOR, value=label, interactive=True), **reset)
        clear.click(js=_js(value=label, interactive=True), **reset)

    def _event(self) -> dict[str, Any]:
        """How a flag is sent; with a stream among the outputs, by a name that Gradio lets pass."""
        event: dict[str, Any] = {"preprocess": False, "queue": False, **_HIDDEN}
        if any(getattr(component, "streaming", False) for component in self._flagged()):
            event["js"] = _JS_STREAMS % json.dumps(get_upload_folder())
        return event

    def _flagged(self) -> list[Component]:
        inputs, outputs = components_of(self)
        return inputs if self.interface_type is InterfaceTypes.UNIFIED else inputs + outputs


class FlagMethod(gradio.flagging.FlagMethod):
    """What a press of a Flag button calls: the callback, and what the page then shows."""

    def __call__(self, request: gradio.Request, *flag_data: Any) -> Any:
        """Updates for the button, unless there is none, and for the receipt."""
        try:
            kept = self.flagging_callback.flag(
                list(flag_data), flag_option=self.value, username=request.username
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, the person must know
            return self._shown(label=self.label, receipt=self._refusal(error))
        return self._shown(label="✓ Saved", receipt=_receipt(kept))

    def _refusal(self, error: Exception) -> str:
        if not isinstance(self.flagging_callback, StoreCallback):  # ours has logged it
            logger.error("A flag was not kept", exc_info=error)
        sentence = _NOT_OURS
        if isinstance(error, FlagstoneError):
            sentence = error.to_person
        elif isinstance(error, gradio.Error):  # which a callback raises to be shown
            sentence = str(error.message)
        return f'<p role="alert"><strong>Not saved.</strong> {html.escape(sentence)}</p>'

    def _shown(self, *, label: str, receipt: str) -> Any:
        shown = HTML(value=receipt, visible=self.visual_feedback or "alert" in receipt)
        if not self.visual_feedback:
            return shown
        return Button(value=label, interactive=label == self.label), shown


# Gradio takes from the page no path but those below its upload folder; a stream is no file there.
_JS_STREAMS = """(...fields) => fields.map(
    field => field?.is_stream ? { ...field, path: %s + "/" + field.path } : field
)"""


def _receipt(kept: int) -> str:
    name = f" Its receipt is <code>{kept.flag_id}</code>." if isinstance(kept, Receipt) else ""
    return f'<p role="status">✓ Saved.{name}</p>'


def _js(*, after: int = 0, **update: Any) -> str:
    """A function for the browser: wait *after* milliseconds, then update a component."""
    wait = f"await new Promise(done => setTimeout(done, {after})); " if after else ""
    return f"async () => {{ {wait}return {json.dumps({'__type__': 'update', **update})} }}"


def _find_mode(flagging_mode: str | None, allow_flagging: str | bool | None) -> str:
    mode: Any = flagging_mode if flagging_mode is not None else allow_flagging
    if mode is None:
        return _mode_of_environment()
    if isinstance(mode, bool):  # as in Gradio 3
        return "manual" if mode else "never"
    if mode not in _MODES:
        raise ValueError(
            f"Invalid value for `flagging_mode` parameter: {mode!r}. "
            "Must be: 'auto', 'manual', or 'never'."
        )
    return str(mode)


def _mode_of_environment() -> str:
    for name in ("GRADIO_FLAGGING_MODE", "GRADIO_ALLOW_FLAGGING"):
        mode = os.getenv(name)
        if mode is not None:
            if mode.lower() not in _MODES:
                raise ValueError(
                    f"Invalid value of the environment variable {name}: {mode!r}. "
                    "Must be: 'auto', 'manual', or 'never'."
                )
            return mode.lower()
    return "manual"
