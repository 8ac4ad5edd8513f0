"""
Gradio's ChatInterface, with reactions that are saved as flags.
"""

import functools
import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import gradio
from gradio.flagging import FlaggingCallback

from flagstone.errors import ForeignCallbackError
from flagstone.gradio.callbacks import DEFAULT_FOLDER, CSVLogger, FlagLogger, StoreCallback
from flagstone.gradio.chat.feedback import Reactions
from flagstone.gradio.chat.messages import THUMBS
from flagstone.gradio.flagging_mode import find_mode
from flagstone.gradio.nesting import settle
from flagstone.gradio.payloads.fields import name_of
from flagstone.gradio.recording.policy import Rules
from flagstone.gradio.signatures import takes_all_of
from flagstone.gradio.ui.panel import Asking, Options
from flagstone.stores.base import Store


class ChatInterface(gradio.ChatInterface):
    """
    Gradio's ChatInterface, whose reactions are saved by *flagging_callback*.

    With `flagging_mode="manual"`, or with a callback, each reply has *flagging_options*: "Like" and
    "Dislike" are thumbs, other options are listed under a flag icon. *flagging_comment* and
    *flagging_correction* then ask for a comment and the expected reply. The fields of `Rules` are
    accepted as keywords.
    """

    _reactions: Reactions | None = None

    @takes_all_of(gradio.ChatInterface, and_of=Rules)
    def __init__(
        self,
        *args: Any,
        flagging_mode: str | None = None,
        flagging_options: Sequence[str] | None = THUMBS,
        flagging_dir: str | None = None,
        flagging_callback: FlaggingCallback | None = None,
        flagging_comment: bool = False,
        flagging_correction: bool = False,
        **kwargs: Any,
    ) -> None:
        rules = Rules.take_from(kwargs)
        default = "never" if flagging_callback is None else "manual"
        mode = find_mode(
            flagging_mode, ("manual", "never"), ("GRADIO_CHAT_FLAGGING_MODE",), default
        )
        if "flagging_mode" in _PARAMETERS:
            kwargs["flagging_mode"] = "never"  # Gradio's own logger
        super().__init__(*args, **kwargs)
        callback = CSVLogger() if flagging_callback is None else flagging_callback
        self.flagging_mode, self.flagging_callback = cast(Any, mode), callback
        self.flagging_options = list(flagging_options or THUMBS)
        self.flagging_dir = flagging_dir or DEFAULT_FOLDER
        self._default_folder = DEFAULT_FOLDER if flagging_dir is None else None
        if mode == "manual":
            if not isinstance(callback, StoreCallback):
                raise ForeignCallbackError(callback=callback, what="conversations")
            self._reactions = Reactions(
                self, callback, self.flagging_dir, self.flagging_options, rules
            )
            self._reactions.recorder.app = _name_by_function(self)
            self._reactions.place(comment=flagging_comment, correction=flagging_correction)
        self._settle()

    def render(self) -> Any:
        """As in Gradio; flags are then recorded under the enclosing page, for example its tab."""
        rendered = super().render()  # type: ignore[no-untyped-call]
        self._settle()
        return rendered

    def _settle(self) -> None:
        callback = self.flagging_callback
        if self._reactions is not None and isinstance(callback, StoreCallback):
            settle(self, self._reactions.recorder, callback, folder=self._default_folder)


def attach_to_chat(
    demo: gradio.ChatInterface,
    store: str | Path | Store | None,
    options: Options,
    *,
    comment: bool = True,
    correction: bool = True,
    app: str | None = None,
    **rules: Any,
) -> None:
    """Save the reactions to the replies of *demo* in *store*."""
    names = [value for _, value in Asking(options=options).choices()]
    reactions = Reactions(
        demo, FlagLogger(store), DEFAULT_FOLDER, names or list(THUMBS), Rules(**rules)
    )
    reactions.recorder.app = app or _name_by_function(demo)
    reactions.place(comment=comment, correction=correction)


def _name_by_function(demo: gradio.ChatInterface) -> str | None:
    """Return the title of *demo*, else its function's name, as Gradio names an Interface."""
    if not getattr(demo, "__name__", None):
        cast(Any, demo).__name__ = function_name(demo.fn)
    return name_of(demo) or None


def function_name(function: Any) -> str:
    """Return the name of *function*, looking through partials; else the name of its class."""
    while isinstance(function, functools.partial | functools.partialmethod):
        function = function.func
    return str(getattr(function, "__name__", None) or type(function).__name__)


_PARAMETERS = inspect.signature(gradio.ChatInterface.__init__).parameters
