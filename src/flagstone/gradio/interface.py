"""
Gradio's Interface, with a Flag button that reports whether the flag was saved.

Gradio builds the page; Flagstone attaches the events of the Flag buttons. No worker thread sleeps
to time a message: the browser does that.
"""

import json
from typing import Any

import gradio
import gradio.flagging
from gradio.components import HTML, Button, ClearButton, Component
from gradio.data_classes import InterfaceTypes
from gradio.events import Dependency
from gradio.flagging import FlaggingCallback
from gradio.utils import get_upload_folder

from flagstone.errors import ForeignCallbackError
from flagstone.errors.safe_logs import logger_of
from flagstone.gradio.auto_mode import ask_consent, keep_each
from flagstone.gradio.callbacks import DEFAULT_FOLDER, CSVLogger, StoreCallback
from flagstone.gradio.executor import in_thread
from flagstone.gradio.flagging_mode import find_mode
from flagstone.gradio.nesting import settle
from flagstone.gradio.payloads.fields import components_of, name_of
from flagstone.gradio.recording.capture import Listener
from flagstone.gradio.recording.policy import Rules
from flagstone.gradio.recording.recorder import Recorder
from flagstone.gradio.recording.watcher import watch
from flagstone.gradio.signatures import takes_all_of
from flagstone.gradio.ui import messages
from flagstone.gradio.ui.panel import Asking, Options, Panel
from flagstone.gradio.ui.scripts import HIDDEN, change, script

logger = logger_of(__name__)

_MODES = ("manual", "auto", "never")
_MODE_ARGUMENT = "allow_flagging" if gradio.__version__.startswith("4.") else "flagging_mode"
_DONE_FOR = 1500
"""Milliseconds that a button shows "Saved" before it can be pressed again."""


class Interface(gradio.Interface):
    """
    Gradio's Interface with all its parameters, and the flagging parameters of every version.

    `flagging_mode` (`allow_flagging` in Gradio 4) is "manual", "auto" or "never"; the default comes
    from GRADIO_FLAGGING_MODE, then GRADIO_ALLOW_FLAGGING. Below the Flag buttons the page shows a
    receipt for the saved flag, or why it was not saved.

    With *flag_options*, *flagging_comment*, *flagging_correction* or a `consent`, Flag opens a
    panel. It asks for one of the options (shown as chips), a comment, and the expected value of
    each output.
    The fields of `Rules` are accepted as keywords. All of these need a Flagstone callback.
    """

    _recorder: Recorder | None = None
    _listener: Listener | None = None

    @takes_all_of(gradio.Interface, and_of=Rules)
    def __init__(
        self,
        *args: Any,
        flagging_mode: str | None = None,
        allow_flagging: str | bool | None = None,
        flagging_callback: FlaggingCallback | None = None,
        flag_options: Options | None = None,
        flagging_comment: bool = False,
        flagging_correction: bool = False,
        **kwargs: Any,
    ) -> None:
        rules = Rules.take_from(kwargs)
        mode = _find_mode(flagging_mode, allow_flagging)
        options = flag_options or kwargs.get("flagging_options") or ()
        self._asking = Asking(
            options=options, comment=flagging_comment, correction=flagging_correction
        )
        asks = bool(flag_options or flagging_comment or flagging_correction or rules.consent)
        self._has_panel = asks and mode == "manual"
        if flag_options and kwargs.get("flagging_options"):
            raise ValueError("Pass either flag_options or flagging_options, not both.")
        if flagging_callback is None:
            flagging_callback = CSVLogger()
        self._ours = flagging_callback if isinstance(flagging_callback, StoreCallback) else None
        if self._ours is None and (asks or rules != Rules()):
            raise ForeignCallbackError(callback=flagging_callback, what="comments or rules")
        self._flagging_mode, self._rules = mode, rules
        self._default_folder = None if "flagging_dir" in kwargs else DEFAULT_FOLDER
        kwargs[_MODE_ARGUMENT] = mode
        self.allow_flagging = self.flagging_mode = mode  # for overridden attach_flagging_events
        super().__init__(*args, flagging_callback=flagging_callback, **kwargs)
        self.allow_flagging = self.flagging_mode = mode
        self._settle()

    def render(self) -> Any:
        """As in Gradio; flags are then recorded under the enclosing page, for example its tab."""
        rendered = super().render()  # type: ignore[no-untyped-call]
        self._settle()
        return rendered

    def _settle(self) -> None:
        if self._recorder is not None and self._ours is not None:
            settle(self, self._recorder, self._ours, folder=self._default_folder)

    def attach_flagging_events(
        self,
        flag_btns: list[Button] | None,
        _clear_btn: ClearButton,
        _submit_event: Dependency,
    ) -> None:
        """Attach the Flag buttons, or, in auto mode, the end of each prediction."""
        if not flag_btns or self.interface_type is InterfaceTypes.INPUT_ONLY:
            return
        if self._ours is not None:
            self._recorder = self._declare(self._ours)
        row = flag_btns[0].parent
        assert row is not None and row.parent is not None  # noqa: PT018 - Gradio's own layout
        with row.parent:  # the column that contains the row of buttons
            if self._flagging_mode == "auto":
                self._attach_automatic(_submit_event)
            elif self._has_panel and self._recorder is not None:
                panel = Panel(self._recorder, self._asking)
                for button, (_, value) in zip(flag_btns, self.flagging_options, strict=True):
                    panel.opened_by(button, value)
                panel.closed_by(_clear_btn.click)
                panel.closed_by(_submit_event.then)
            else:
                self._attach_buttons(flag_btns, _clear_btn, _submit_event)
        if self._recorder is not None:
            watch(self).listeners += [self._listener] if self._listener else []

    def _declare(self, callback: StoreCallback) -> Recorder:
        _, outputs = components_of(self)
        if self.interface_type is InterfaceTypes.UNIFIED:
            callback.mirror(outputs)
        callback.declare(outputs=len(outputs), app=name_of(self), rules=self._rules)
        return callback.recorder

    def _attach_automatic(self, submit_event: Dependency) -> None:
        method = FlagMethod(self.flagging_callback, "", None, visual_feedback=False)
        if self._recorder is None:  # a third-party callback, which cannot save runs
            receipt = HTML(visible=False)
            kept = submit_event.success(method, self._flagged(), receipt, **self._event())
            kept.then(None, receipt, receipt, js=script("shownIfRefused(values[0])"), **HIDDEN)
            return
        self._listener = keep_each(self._recorder, *components_of(self))
        ask_consent(self._recorder)

    def _attach_buttons(
        self, buttons: list[Button], clear: ClearButton, submit_event: Dependency
    ) -> None:
        receipt = HTML(visible=False, elem_classes=["flagstone-receipt"])
        hide_receipt = {"fn": None, "outputs": receipt, "js": change(visible=False), **HIDDEN}
        for button, (label, value) in zip(buttons, self.flagging_options, strict=True):
            self._attach_button(button, receipt, label, value, clear)
        clear.click(**hide_receipt)
        submit_event.then(**hide_receipt)

    def _attach_button(
        self, button: Button, receipt: HTML, label: str, value: str | None, clear: ClearButton
    ) -> None:
        if value is not None and not isinstance(value, str):
            raise TypeError(f"Flagging option value must be a string, not {value!r}")
        flag = in_thread(FlagMethod(self.flagging_callback, label, value).__call__)
        reset = {"fn": None, "outputs": button, **HIDDEN}
        saving = button.click(js=script("savingButton()"), **reset)
        answered = saving.then(flag, self._flagged(), receipt, **self._event())
        told = answered.then(
            None,
            receipt,
            [button, receipt],
            js=script(f"answered({json.dumps(label)}, values[0])"),
            **HIDDEN,
        )
        told.then(js=change(after=_DONE_FOR, value=label, interactive=True), **reset)
        clear.click(js=change(value=label, interactive=True), **reset)

    def _event(self) -> dict[str, Any]:
        """Return the event arguments of a flag; a stream is posted under a path Gradio accepts."""
        event: dict[str, Any] = {"preprocess": False, "queue": False, **HIDDEN}
        if any(getattr(component, "streaming", False) for component in self._flagged()):
            folder = json.dumps(get_upload_folder())
            event["js"] = script(f"passStreams({folder}, values, {len(self._flagged())})")
        return event

    def _flagged(self) -> list[Component]:
        inputs, outputs = components_of(self)
        return inputs if self.interface_type is InterfaceTypes.UNIFIED else inputs + outputs


class FlagMethod(gradio.flagging.FlagMethod):
    """Handle a press of a Flag button: call the callback and return the notice to show."""

    def __call__(self, request: gradio.Request, *flag_data: Any) -> str:
        """
        Return the notice to show: a receipt, or why nothing was saved.

        It is plain text, and the browser updates the components: for the server, a component
        update costs more than saving the flag.
        """
        try:
            kept = self.flagging_callback.flag(
                list(flag_data), flag_option=self.value, username=request.username
            )
        except Exception as error:  # noqa: BLE001 - the visitor must see any failure
            return self._refusal(error)
        return messages.receipt(kept)

    def _refusal(self, error: Exception) -> str:
        if not isinstance(self.flagging_callback, StoreCallback):  # which logs it itself
            logger.error("A flag was not saved", exc_info=error)
        return messages.refusal(error)


def _find_mode(flagging_mode: str | None, allow_flagging: str | bool | None) -> str:
    mode = flagging_mode if flagging_mode is not None else allow_flagging
    if isinstance(mode, bool):  # as in Gradio 3
        return "manual" if mode else "never"
    return find_mode(mode, _MODES, ("GRADIO_FLAGGING_MODE", "GRADIO_ALLOW_FLAGGING"), "manual")
