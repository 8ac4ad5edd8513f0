"""
Place the components for reactions on a chat's page, and attach the events.

The server answers each event with what is recorded; `chat.js` makes the page show exactly that.
"""

import inspect
import json
from collections.abc import Callable, Sequence
from typing import Any

import gradio
from gradio.components import Component

from flagstone.gradio.chat.details import Details
from flagstone.gradio.executor import in_thread
from flagstone.gradio.nesting import inside
from flagstone.gradio.payloads.fields import page_of
from flagstone.gradio.ui import messages
from flagstone.gradio.ui.scripts import HIDDEN, chat_script, told_as_text

Handler = Callable[..., Any]

_SHOWS_REACTIONS = "feedback_value" in inspect.signature(gradio.Chatbot.__init__).parameters

_FORGETS_REACTIONS = _SHOWS_REACTIONS and gradio.__version__.startswith("5.")
"""Whether loading a conversation from the history resets the reactions on the page."""


class ChatPage:
    """The page of *demo*; *others* are its additional inputs."""

    def __init__(self, demo: gradio.ChatInterface, others: Sequence[Component]) -> None:
        self._demo: Any = demo
        self._chatbot: Any = demo.chatbot
        self._others = others

    def place(self, make: Callable[[], Details]) -> Details:
        """Place what *make* creates, and a notice, directly below the conversation."""
        column = self._chatbot.parent
        before = list(column.children)
        with inside(self._demo, column):
            details = make()
            self._notice = gradio.HTML(visible=False)
            details.again.render()  # type: ignore[no-untyped-call]
            self._told = gradio.Textbox(visible=False)
        placed = [child for child in column.children if child not in before]
        at = before.index(self._chatbot) + 1
        column.children = [*before[:at], *placed, *before[at:]]
        return details

    def attach(
        self,
        details: Details,
        *,
        react: Handler,
        show: Handler,
        show_loaded: Handler,
        show_saved: Handler,
        shorten: Handler,
        forget: Handler,
    ) -> None:
        """Attach the events of the chat to their handlers."""
        self._details, self._name = details, json.dumps(details.id)
        with inside(self._demo, self._demo):
            details.attach(self._notice, self._told)
            self._attach_reactions(react)
            shown = [self._chatbot, self._told]
            page: Any = page_of([self._chatbot]) or self._demo
            self._attach_shown(page.load, show_loaded, shown, another=True)
            changed = getattr(getattr(self._demo, "chatbot_value", None), "change", None)
            self._attach_shown(changed, show, shown)
            chosen = _click_of(self._demo, "chat_history_dataset")
            if chosen is not None:
                saved = [self._demo.chat_history_dataset, self._demo.saved_conversations]
                inputs = [*saved, self._told]
                self._attach_shown(chosen, show_saved, inputs, another=True, preprocess=True)
            self._demo.textbox.submit(
                None, None, [self._notice, details.again], js=chat_script("[hide, hide]"), **HIDDEN
            )
            if _FORGETS_REACTIONS:
                again = chat_script(f"shownAgain({self._name})")
                self._chatbot.change(None, None, self._chatbot, js=again, **HIDDEN)
            self._attach_shortened(shorten)
            self._attach_emptied(forget)

    def _attach_reactions(self, react: Handler) -> None:
        details = self._details
        inputs = [self._chatbot, *self._others, self._told, *details.consent]
        shown = [self._notice, details.box, details.message, details.again]
        shown += [details.comment, details.answer, *self._reactions()]
        pressed = self._chatbot.like(
            in_thread(told_as_text(react)), inputs, [self._told, details.subject],
            js=self._telling(inputs), trigger_mode="multiple", **self._call(),
        )  # fmt: skip
        self._then(
            pressed.then,
            f"reacted({self._name}, values[0]).slice(0, {len(shown)})",
            shown,
        )
        if hasattr(pressed, "failure"):
            lost = f"lost({self._name}, {json.dumps(messages.LOST)})"
            self._then(pressed.failure, lost, [self._notice, *self._reactions()])

    def _then(self, event: Handler, expression: str, shown: list[Any]) -> None:
        """
        Show the result of *expression*, then the reactions, since Gradio notices only changes.

        Both are chained to *event*: in Gradio 5 nothing can follow a browser-only event.
        """
        event(None, self._told, shown, js=chat_script(expression), **HIDDEN)
        shows = "" if self._reactions() else ", []"  # an event without outputs returns []
        listening = f"(listen({self._name}), await settled({self._name}){shows})"
        event(None, None, self._reactions(), js=chat_script(listening), **HIDDEN)

    def _attach_shown(
        self, event: Any, show: Handler, inputs: list[Any], *, another: bool = False, **how: Any
    ) -> None:
        """Show the recorded reactions whenever the page shows another conversation."""
        if event is not None and _SHOWS_REACTIONS:
            js = self._telling(inputs, another=another)
            called = event(
                in_thread(told_as_text(show)), inputs, self._told, js=js, **self._call() | how
            )
            js = chat_script(f"shown({self._name}, values[0])")
            called.then(None, self._told, self._chatbot, js=js, **HIDDEN)

    def _attach_shortened(self, shorten: Handler) -> None:
        """Clear the reactions of messages that are regenerated; flags of the old reply stay."""
        demo, chatbot = self._demo, self._chatbot
        events = [getattr(chatbot, name, None) for name in ("undo", "retry", "edit")]
        events += [_click_of(demo, name) for name in ("undo_btn", "retry_btn")]  # Gradio 4
        for event in filter(None, events):
            inputs = [chatbot, self._told]
            called = event(
                in_thread(told_as_text(shorten)), inputs, self._told,
                js=self._telling(inputs), **self._call(),
            )  # fmt: skip
            shown = self._emptied()
            js = chat_script(f"shortened({self._name}, values[0]).slice(0, {len(shown)})")
            called.then(None, self._told, shown, js=js, **HIDDEN)

    def _attach_emptied(self, forget: Handler) -> None:
        events = [getattr(self._chatbot, "clear", None)]
        events += [_click_of(self._demo, name) for name in ("new_chat_button", "clear_btn")]
        for event in filter(None, events):
            event(in_thread(forget), None, None, **self._call())
            shown = self._emptied()
            js = chat_script(f"emptied({self._name}).slice(0, {len(shown)})")
            event(None, None, shown, js=js, **HIDDEN)

    def _emptied(self) -> list[Any]:
        return [self._notice, self._details.box, self._details.again, *self._reactions()]

    def _reactions(self) -> list[Any]:
        """Return the components that show reactions; none if this Gradio cannot set them."""
        return [self._chatbot] if _SHOWS_REACTIONS else []

    def _telling(self, inputs: list[Any], *, another: bool = False) -> str:
        """Return a browser function that adds the page's own state to *inputs*."""
        values = f"values.slice(0, {len(inputs)})"  # Gradio 4 appends the outputs
        known = f"{inputs.index(self._told)}, {json.dumps(another)}"
        return chat_script(f"telling({self._name}, {values}, {known})")

    def _call(self) -> dict[str, Any]:
        """Return the arguments of an event that calls the server."""
        return {"preprocess": False, "queue": False, "show_progress": "hidden", **HIDDEN}


def _click_of(demo: Any, name: str) -> Any:
    return getattr(getattr(demo, name, None), "click", None)
