"""
What a person may add to their reaction to a reply: a comment, and a better answer.
"""

import logging
from collections.abc import Callable
from typing import Any

import gradio

from flagstone.gradio import notices
from flagstone.gradio.keeping import Keeper
from flagstone.gradio.looks import COMMENT, consent_boxes, place_style
from flagstone.gradio.scripts import HIDDEN, change
from flagstone.gradio.threads import aside

logger = logging.getLogger(__name__)


class Details:
    """A comment and a better answer, asked for below the conversation after a reaction."""

    def __init__(
        self, keeper: Keeper, payload_of: Callable[[str], Any], *, comment: bool, correction: bool
    ) -> None:
        self._keeper, self._payload_of = keeper, payload_of
        self._asks = comment or correction
        self.consent = consent_boxes(keeper.rules.consent)
        self._message = gradio.HTML(visible=False, render=False)
        name = f"flagstone-panel-{self._message._id}"  # noqa: SLF001 - unique on the page
        with gradio.Column(visible=False, elem_id=name, elem_classes="flagstone-panel") as self.box:
            self._comment = gradio.Textbox(**COMMENT, visible=comment)
            self._answer = gradio.Textbox(
                label="Expected reply", lines=3, visible=correction, interactive=True
            )
            self._message.render()  # type: ignore[no-untyped-call]
            place_style()
            with gradio.Row():
                save = gradio.Button("Save", size="sm", variant="primary", elem_id=f"{name}-save")
                close = gradio.Button("Close", size="sm", elem_id=f"{name}-cancel")
        self._about = gradio.State(None)
        self.id = name
        self.shown = [self.box, self._comment, self._answer, self._message, self._about]
        gradio.on(
            [save.click, self._comment.submit],
            aside(self._say),
            [self._about, self._comment, self._answer],
            [self.box, self._message, self._about],
            queue=False, show_progress="hidden", **HIDDEN,
        )  # fmt: skip
        close.click(None, None, self.box, js=change(visible=False), **HIDDEN)

    def opened(self, flag_id: str, text: str) -> list[Any]:
        """Updates for `shown`: open, about a flag whose reply has this *text*."""
        about = (flag_id, text)
        return [gradio.Column(visible=self._asks), "", text, gradio.HTML(visible=False), about]

    def closed(self) -> list[Any]:
        """Updates for `shown`: closed."""
        return [gradio.Column(visible=False), "", "", gradio.HTML(visible=False), None]

    def unchanged(self) -> list[Any]:
        """Updates for `shown` that leave them as they are."""
        return [gradio.skip() for _ in self.shown]

    def _say(
        self, about: tuple[str, str] | None, comment: str, answer: str, request: gradio.Request
    ) -> Any:
        """Updates for the box, its message and what it is about."""
        closed = gradio.Column(visible=False), gradio.HTML(visible=False), None
        better = answer if about and answer and answer != about[1] else None
        if about is None or not (comment or better):
            return closed
        try:
            position = len(self._keeper.fields.components) - 1  # of the reply
            corrections = {position: self._payload_of(better)} if better else {}
            self._keeper.say(about[0], request, note=comment or None, corrections=corrections)
        except Exception as error:
            logger.exception("A comment was not kept")
            return gradio.Column(), gradio.HTML(value=notices.refusal(error), visible=True), about
        return closed
