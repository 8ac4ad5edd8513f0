"""
Details that a visitor can add to a reaction: a comment and the expected reply.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio

from flagstone.errors import NoSuchReplyError
from flagstone.errors.safe_logs import logger_of
from flagstone.gradio.executor import in_thread
from flagstone.gradio.recording.recorder import Recorder
from flagstone.gradio.ui import messages
from flagstone.gradio.ui.scripts import HIDDEN, chat_script, told_as_text
from flagstone.gradio.ui.styles import COMMENT, consent_boxes, place_style

logger = logger_of(__name__)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """
    The flag being commented on; `text` is the text of the flagged reply.

    `key` is the reply's key; `open_key` is the key of the conversation before it.
    """

    flag_id: str
    key: str
    open_key: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Comment:
    """The comment and expected reply that were entered, and whether consent was ticked."""

    text: str | None
    better: str | None
    consented: bool


Save = Callable[[Subject, Comment, Any], tuple[dict[str, Any], Subject]]
"""Save a comment for a request; return the answer to the page, and the next subject."""


class Details:
    """A form below the conversation for a comment and the expected reply, after a reaction."""

    def __init__(self, recorder: Recorder, save: Save, *, comment: bool, correction: bool) -> None:
        self._save_comment = save
        self.asks = comment or correction
        self.consent = consent_boxes(recorder.rules.consent)
        self.message = gradio.HTML(visible=False, render=False)
        self.id = f"flagstone-panel-{self.message._id}"  # noqa: SLF001 - unique on the page
        with gradio.Column(
            visible=False, elem_id=self.id, elem_classes="flagstone-panel", scale=0
        ) as self.box:
            self.comment = gradio.Textbox(**COMMENT, visible=comment)
            self.answer = gradio.Textbox(
                label="Expected reply", lines=3, visible=correction, interactive=True
            )
            self.message.render()  # type: ignore[no-untyped-call]
            place_style()
            with gradio.Row():
                looks: dict[str, Any] = {"size": "sm"}
                self._save = gradio.Button(
                    "Save", variant="primary", elem_id=f"{self.id}-save", **looks
                )
                self._close = gradio.Button("Close", elem_id=f"{self.id}-cancel", **looks)
        self.again = gradio.Button("Comment", size="sm", scale=0, visible=False, render=False)
        self.subject = gradio.State(None)

    def attach(self, notice: gradio.HTML, told: gradio.Textbox) -> None:
        """Attach the events; *notice* shows the result of a comment, *told* carries the answer."""
        name, shown = json.dumps(self.id), [notice, self.box, self.message, self.again]
        inputs = [self.subject, self.comment, self.answer, told, *self.consent]
        gradio.on(
            [self._save.click, self.comment.submit],
            in_thread(told_as_text(self._say)), inputs, [told, self.subject],
            js=chat_script(f"telling({name}, values.slice(0, {len(inputs)}), 3)"),
            queue=False, show_progress="hidden", trigger_mode="multiple", **HIDDEN,
        ).then(
            None, told, shown, js=chat_script(f"said({name}, values[0])"), **HIDDEN
        )  # fmt: skip
        places = [self.box, self.again]
        self._close.click(None, None, places, js=chat_script("closed()"), **HIDDEN)
        self.again.click(None, None, places, js=chat_script("opened()"), **HIDDEN)

    def _say(
        self,
        request: gradio.Request,
        subject: Subject | None,
        comment: Any,
        answer: Any,
        _told: Any,
        *consented: Any,
    ) -> tuple[dict[str, Any], Subject | None]:
        """Save the comment; return the answer to the page, and the next subject."""
        if subject is None:  # the server was restarted meanwhile
            return {"refusal": messages.refusal(NoSuchReplyError(index=-1))}, None
        entered = Comment(
            text=str(comment) if comment else None,
            better=str(answer) if answer and answer != subject.text else None,
            consented=list(consented) == [True],
        )
        try:
            return self._save_comment(subject, entered, request)
        except Exception as error:
            logger.exception("A comment was not saved")
            return {"refusal": messages.refusal(error)}, subject
