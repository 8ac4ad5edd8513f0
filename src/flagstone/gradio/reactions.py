"""
Reactions to the replies of a chat: each is one flag, of the conversation up to a reply, and it.

A reply has one standing flag for each session. To react otherwise takes the former back, and so
does to un-react; a comment and a better answer, given afterwards, are reviews of the flag by the
same person. The page holds the receipts of its reactions, so that they are shown again when the
conversation is.
"""

import inspect
import json
import logging
from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import Any

import gradio
from gradio.blocks import Blocks
from gradio.components import Component

from flagstone.errors import FlagstoneError, NoSuchOptionError, NoSuchReplyError, UnknownFlagError
from flagstone.gradio import notices
from flagstone.gradio.callbacks import StoreCallback
from flagstone.gradio.capture import capture_of
from flagstone.gradio.conversation import Reply, option_of, position_of, replies_of
from flagstone.gradio.details import Details
from flagstone.gradio.digests import digest_of
from flagstone.gradio.fields import Fields, describe, number_of, running_blocks
from flagstone.gradio.keeping import Keeper, Press, Receipt
from flagstone.gradio.pages import inside
from flagstone.gradio.person import session_of
from flagstone.gradio.rules import Rules
from flagstone.gradio.scripts import HIDDEN, script
from flagstone.gradio.threads import aside
from flagstone.gradio.watching import watch
from flagstone.record import unique_names

logger = logging.getLogger(__name__)

_MOST_REACTIONS = 100_000
_MOST_RECEIPTS = 500


class ChatFields(Fields):
    """The fields of a chat's flag: the conversation, what else the model was given, the reply."""

    def __init__(self, chatbot: Component, others: Sequence[Component]) -> None:
        super().__init__(others)
        self.components = [chatbot, *others, chatbot]
        first, *between, last = unique_names(["conversation", *self.names, "reply"])
        self.names = [first, *between, last]
        described = describe(chatbot)
        self.descriptions = [described, *self.descriptions, described]
        self.declare_last(1)  # the reply is what the model made


class Reactions:
    """What people think of the replies of one chat, kept as flags."""

    def __init__(
        self,
        demo: gradio.ChatInterface,
        callback: StoreCallback,
        folder: str,
        options: Sequence[str],
        rules: Rules,
    ) -> None:
        self._demo = demo
        self._chatbot: Any = demo.chatbot
        self._others = list(demo.additional_inputs)
        self._options = list(options)
        fields = ChatFields(self._chatbot, self._others)
        callback.setup_fields(fields, folder)
        self.keeper: Keeper = callback.keeper
        self.keeper.set_rules(rules)
        self._standing = _Standing()
        self._chatbot.feedback_options = self._options
        watch(demo)

    def place(self, *, comment: bool, correction: bool) -> None:
        """Put what the reactions need on the page, and wire it."""
        with inside(self._demo, self._chatbot.parent):
            self._notice = gradio.HTML(visible=False)
            self._receipts = _receipts_of_page(self._chatbot)
            self._details = Details(
                self.keeper, self._payload_of, comment=comment, correction=correction
            )
        column = self._chatbot.parent.children
        below = (self._details.box, self._notice, *self._details.consent)
        for placed in below:  # right below the conversation, the last one first
            column.remove(placed)
            column.insert(column.index(self._chatbot) + 1, placed)
        with self._demo:
            self._attach()

    def _attach(self) -> None:
        self._chatbot.like(
            aside(self._react),
            [self._chatbot, *self._others, self._receipts, *self._details.consent],
            [self._receipts, self._notice, *self._details.shown],
            preprocess=False, queue=False, show_progress="hidden", **HIDDEN,
        ).then(
            None, None, None, js=script(f"listen({json.dumps(self._details.id)})"), **HIDDEN
        )  # fmt: skip
        if _SHOWS_REACTIONS:
            self._attach_reactions()

    def _attach_reactions(self) -> None:
        """Show the reactions of the conversation that the page shows, whenever it is another."""
        again: dict[str, Any] = {
            "preprocess": False, "queue": False, "show_progress": "hidden", **HIDDEN
        }  # fmt: skip
        shown = [self._chatbot, self._receipts]
        for event in (self._demo.load, self._chatbot.undo, self._chatbot.retry):
            event(aside(self._shown_reactions), shown, self._chatbot, **again)
        emptied = [self._chatbot, self._notice, self._details.box]
        for event in (self._chatbot.clear, _click_of(self._demo, "new_chat_button")):
            if event is not None:
                event(_empty, None, emptied, **again)
        if not getattr(self._demo, "save_history", False):  # what is cleared is never shown again
            self._chatbot.clear(self._forget, None, self._receipts, **again)
        chosen = _click_of(self._demo, "chat_history_dataset")
        if chosen is not None:
            saved: Any = self._demo
            chosen(
                aside(self._reactions_of_saved),
                [saved.chat_history_dataset, saved.saved_conversations, self._receipts],
                self._chatbot,
                **again | {"preprocess": True},
            )

    def _react(self, request: gradio.Request, like: gradio.LikeData, *values: Any) -> Any:
        """Updates for the receipts, the notice and the details."""
        payload, *rest = values
        others, rest = rest[: len(self._others)], rest[len(self._others) :]
        receipts, consented = _known(rest[0]), rest[1:] == [True]
        option = option_of(like.liked)
        try:
            reply = self._reply_at(payload, like.index, option)
            with self._standing.turn(request, reply.digest):
                return self._settle(
                    reply, others, option, request, receipts=receipts, consented=consented
                )
        except Exception as error:
            logger.exception("A reaction was not kept")
            return receipts, _shown(notices.refusal(error)), *self._details.closed()

    def _settle(
        self,
        reply: Reply,
        others: list[Any],
        option: str | None,
        request: gradio.Request,
        *,
        receipts: dict[str, Any],
        consented: bool,
    ) -> Any:
        """Let the flag of *option*, or none, stand for *reply*; the updates of `_react`."""
        key = reply.digest.hex()
        standing = self._standing.find(request, key) or self._restored(receipts.get(key))
        if standing and standing[1] == option:  # Gradio 6 tells of some reactions twice
            again = notices.receipt(Receipt(0, standing[0]))
            return receipts, _shown(again), *self._details.unchanged()
        if standing:
            self.keeper.withdraw(standing[0], request)
            self._standing.remember(request, key, None)
            receipts.pop(key, None)
        if option is None:
            return receipts, _shown(notices.status("Taken back.")), *self._details.closed()
        kept = self._keep(reply, others, option, request, consented=consented)
        self._standing.remember(request, key, (kept.flag_id, option))
        receipts[key] = [kept.flag_id, option]
        latest = dict(list(receipts.items())[-_MOST_RECEIPTS:])
        details = self._details.opened(kept.flag_id, reply.text)
        return latest, _shown(notices.receipt(kept)), *details

    def _keep(
        self, reply: Reply, others: list[Any], option: str, request: Any, *, consented: bool
    ) -> Receipt:
        verified, seconds = self._verify(reply, others, request)
        payloads = [reply.before, *others, reply.reply]
        press = Press(
            payloads=dict(enumerate(payloads)),
            option=option,
            consented=consented,
            verified=verified,
            context={} if seconds is None else {"latency": seconds},
        )
        return self.keeper.keep(press, request)

    def _verify(
        self, reply: Reply, others: list[Any], request: Any
    ) -> tuple[bool | None, float | None]:
        """Whether the chat's own function ended a conversation with just this reply."""
        blocks = running_blocks()
        capture = capture_of(blocks)
        if blocks is None or capture is None:
            return None, None
        number = number_of(self._chatbot)
        seconds = capture.seconds_of(
            session_of(request),
            inputs={
                number_of(component): digest_of(component, payload)
                for component, payload in zip(self._others, others, strict=True)
                if not component.stateful  # a state stays on the server
            },
            outputs={number: reply.digest},
            functions={f.fn for f in blocks.fns.values() if _is_answering(f, number)},
        )
        return seconds is not None, seconds

    def _reply_at(self, payload: Any, index: Any, option: str | None) -> Reply:
        if option is not None and option not in self._options:
            raise NoSuchOptionError(option=option, options=self._options)
        for reply in replies_of(self._chatbot, payload):
            if reply.first <= position_of(index) <= reply.last:
                return reply
        raise NoSuchReplyError(index=str(index)[:80])

    def _payload_of(self, text: str) -> Any:
        """A reply of this *text* as a payload of the chatbot."""
        pairs = getattr(self._chatbot, "type", "messages") == "tuples"
        value: Any = [[None, text]] if pairs else [{"role": "assistant", "content": text}]
        return self._chatbot.postprocess(value)

    def _reactions_of_saved(
        self, index: int, saved: list[Any], receipts: Any, request: gradio.Request
    ) -> Any:
        conversation = saved[index] if saved and 0 <= index < len(saved) else []
        shown = self._chatbot.postprocess(conversation)
        return self._shown_reactions(shown.model_dump(), receipts, request)

    def _shown_reactions(self, payload: Any, receipts: Any, request: gradio.Request) -> Any:
        """An update for the chatbot: the reactions to its replies that still stand."""
        known = _known(receipts)
        shown: list[str | None] = []
        for reply in replies_of(self._chatbot, payload):
            key = reply.digest.hex()
            standing = self._restored(known.get(key))
            if standing:
                self._standing.remember(request, key, standing)
            shown.append(standing[1] if standing else None)
        return gradio.update(feedback_value=shown)

    def _forget(self, request: gradio.Request) -> dict[str, Any]:
        """Empty receipts: the same words, said again, are another conversation."""
        self._standing.forget(request)
        return {}

    def _restored(self, receipt: list[str] | None) -> tuple[str, str] | None:
        """The id and option of a *receipt* that the page has, if its flag still stands."""
        if receipt is None or not self._stands(receipt[0]):
            return None
        return receipt[0], receipt[1]

    def _stands(self, flag_id: str) -> bool:
        try:
            return self.keeper.store.state(flag_id).verdict != "rejected"
        except UnknownFlagError:
            return False
        except FlagstoneError:
            logger.exception("A reaction cannot be shown again")
            return False


def _empty() -> Any:
    """Updates for the chatbot, the notice and the details of a conversation that begins."""
    hide = gradio.update(visible=False)
    return gradio.update(feedback_value=[]), hide, hide


class _Standing:
    """The flags that stand, by session and reply; the latest."""

    def __init__(self) -> None:
        self._flags: OrderedDict[tuple[str | None, str], tuple[str, str]] = OrderedDict()
        self._lock = Lock()
        self._turns = [Lock() for _ in range(64)]

    def turn(self, request: Any, reply: bytes) -> Lock:
        """What is held while the flag of a *reply* changes: events may come at once."""
        return self._turns[hash((session_of(request), reply)) % len(self._turns)]

    def find(self, request: Any, key: str) -> tuple[str, str] | None:
        """The id and the option of the flag that stands for this reply."""
        with self._lock:
            return self._flags.get((session_of(request), key))

    def remember(self, request: Any, key: str, flag: tuple[str, str] | None) -> None:
        """This *flag*, or none, stands for the reply now."""
        with self._lock:
            self._flags.pop((session_of(request), key), None)
            if flag is not None:
                self._flags[session_of(request), key] = flag
            while len(self._flags) > _MOST_REACTIONS:
                self._flags.popitem(last=False)

    def forget(self, request: Any) -> None:
        """No flag of this session stands for any reply: its conversation is gone."""
        with self._lock:
            for known in [known for known in self._flags if known[0] == session_of(request)]:
                del self._flags[known]


_SHOWS_REACTIONS = "feedback_value" in inspect.signature(gradio.Chatbot.__init__).parameters


def _receipts_of_page(chatbot: Component) -> Any:
    """Where the page holds its receipts: in the browser, where Gradio can, else in the session."""
    if not hasattr(gradio, "BrowserState"):
        return gradio.State({})
    # The key is the page's own; it hides nothing, and outlives a restart of the server.
    key = f"flagstone_receipts_{number_of(chatbot)}"
    return gradio.BrowserState({}, storage_key=key, secret="flagstone")  # noqa: S106


def _known(receipts: Any) -> dict[str, Any]:
    """*receipts* as the page sent them, without what is none."""
    if not isinstance(receipts, dict):
        return {}
    return {
        key: [str(part) for part in receipt]
        for key, receipt in receipts.items()
        if isinstance(receipt, list) and len(receipt) == 2 and str(receipt[0]).isascii()  # noqa: PLR2004 - id and option
    }


def _is_answering(function: Any, chatbot: int) -> bool:
    """Whether *function* is the one that asks the chat's own for a reply."""
    fills = any(number_of(component) == chatbot for component in function.outputs)
    return fills and getattr(function.fn, "__name__", "") in ("_submit_fn", "_stream_fn")


def _click_of(demo: Blocks, name: str) -> Any:
    return getattr(getattr(demo, name, None), "click", None)


def _shown(text: str) -> gradio.HTML:
    return gradio.HTML(value=text, visible=True)
