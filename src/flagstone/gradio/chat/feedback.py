"""
Save reactions to chat replies: each is one flag of a reply and the conversation before it.

Each visitor has at most one active flag per reply. Records are only appended: another reaction, or
a comment, first saves a new flag, then a review that withdraws the old one. In this order a crash
loses nothing. `docs/chat.md` lists each action, what it records and what the page then shows.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio
from gradio.components import Component

from flagstone.core.records import unique_names
from flagstone.errors import (
    FlagstoneError,
    NoSuchOptionError,
    NoSuchReplyError,
    WithdrawnFlagError,
)
from flagstone.errors.safe_logs import logger_of
from flagstone.gradio.callbacks import StoreCallback
from flagstone.gradio.chat.active_flags import Memory, Standing, Told, keys_of
from flagstone.gradio.chat.answers import Answers
from flagstone.gradio.chat.details import Comment, Details, Subject
from flagstone.gradio.chat.messages import Reply, last_question, option_of, position_of, replies_of
from flagstone.gradio.chat.page import ChatPage
from flagstone.gradio.payloads.fields import Fields, describe, number_of, page_of, running_blocks
from flagstone.gradio.recording.policy import Rules
from flagstone.gradio.recording.recorder import FlagReceipt, Press, Recorder
from flagstone.gradio.recording.requester import session_of, user_of
from flagstone.gradio.ui import messages

logger = logger_of(__name__)


class ChatFields(Fields):
    """The fields of a chat's flag: the conversation, the additional inputs, the reply."""

    def __init__(self, chatbot: Component, others: Sequence[Component]) -> None:
        super().__init__(others)
        self.components = [chatbot, *others, chatbot]
        first, *between, last = unique_names(["conversation", *self.names, "reply"])
        self.names = [first, *between, last]
        described = describe(chatbot)
        self.descriptions = [described, *self.descriptions, described]
        self.declare_last(1)  # the reply is the output


@dataclass(frozen=True, kw_only=True)
class Reaction:
    """A press on *reply*: the option, or None to withdraw, and the rest of what the page sent."""

    reply: Reply
    others: list[Any]
    option: str | None
    told: Told
    consented: bool


_NOTHING: dict[str, Any] = {
    "option": None, "width": 0, "place": 0, "notice": None, "opens": None,
    "taken": False, "idle": False,
}  # fmt: skip
"""The answer to a press that had no effect."""

_NONE = "No reaction to this reply is saved."
_FORMER = "Your previous reaction could not be withdrawn yet; the next press tries again."


class Reactions:
    """The reactions to the replies of one chat, saved as flags."""

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
        self.recorder: Recorder = callback.recorder
        self.recorder.set_rules(rules)
        self._memory = Memory()
        self._chatbot.feedback_options = self._options
        page = page_of([self._chatbot]) or demo
        self._answers = Answers(page, fields, self._chatbot, self._others)

    def place(self, *, comment: bool, correction: bool) -> None:
        """Place the components for reactions on the page, and attach the events."""
        page = ChatPage(self._demo, self._others)
        self._details = page.place(
            lambda: Details(self.recorder, self._comment, comment=comment, correction=correction)
        )
        page.attach(
            self._details,
            react=self._react,
            show=self._show,
            show_loaded=self._show_loaded,
            show_saved=self._show_saved,
            shorten=self._shorten,
            forget=self._forget,
        )

    def _react(self, request: gradio.Request, like: gradio.LikeData, *values: Any) -> Any:
        """Handle a press; return the answer to the page, and the subject of a comment."""
        payload, *rest = values
        others, (told, *consented) = rest[: len(self._others)], rest[len(self._others) :]
        option = option_of(like.liked)
        answer = _NOTHING | {"asked": option}
        try:
            reaction = Reaction(
                reply=self._reply_at(payload, like.index, option),
                others=others,
                option=option,
                told=Told.parse(told),
                consented=consented == [True],
            )
        except Exception as error:
            logger.exception("A reaction was not saved")
            return answer | {"notice": messages.refusal(error)}, gradio.skip()
        with self._memory.turn(request, reaction.reply.open_key):
            try:
                changed, subject = self._settle(reaction, request)
            except Exception as error:
                logger.exception("A reaction was not saved")
                changed, subject = {"notice": messages.refusal(error)}, None
            answer |= changed | self._recorded(reaction, request)
        return answer, gradio.skip() if subject is None else subject

    def _settle(
        self, reaction: Reaction, request: gradio.Request
    ) -> tuple[dict[str, Any], Subject | None]:
        """Make the pressed option, or none, the active flag; return what `_react` returns."""
        key, standing = self._find(reaction, request)
        if standing and standing.former:
            self._take_former_back(key, standing, request)
        if standing and standing.option == reaction.option:  # Gradio 6 sends some events twice
            again = messages.receipt(FlagReceipt(0, standing.flag_id))
            return {"notice": again, "idle": True}, None
        if reaction.option is not None:
            return self._keep(reaction, reaction.option, request, before=standing)
        if standing is None:
            return {"notice": messages.status(_NONE), "idle": True}, None
        self.recorder.withdraw(standing.flag_id, request)
        self._memory.remember(request, keys_of(reaction.reply), None)
        return {"notice": messages.status("Reaction withdrawn."), "taken": True}, None

    def _keep(
        self, reaction: Reaction, option: str, request: Any, *, before: Standing | None
    ) -> tuple[dict[str, Any], Subject | None]:
        """Save a new flag that replaces the one *before*."""
        reply = reaction.reply
        origin = self._answers.origin_of(reply, reaction.others, request)
        key, other = keys_of(reply)
        if self._still_grows(reply, request):
            origin.word = "partial run" if origin.word == "run" else origin.word
            key, other = other, key
        press = Press(
            payloads=origin.payloads, option=option, consented=reaction.consented, origin=origin
        )
        kept = self.recorder.save(press, request)
        standing = Standing(kept.flag_id, option, before.flag_id if before else None)
        self._memory.remember(request, (key, other), standing)
        subject = Subject(flag_id=kept.flag_id, key=key, open_key=reply.open_key, text=reply.text)
        opens = reply.text if self._details.asks else None
        return {"notice": self._replaced(key, standing, kept, request), "opens": opens}, subject

    def _replaced(self, key: str, standing: Standing, kept: FlagReceipt, request: Any) -> str:
        """Withdraw the former flag, if any, and return the notice that *kept* was saved."""
        saved = messages.receipt(kept)
        if standing.former is None:
            return saved
        try:
            self._take_former_back(key, standing, request)
        except FlagstoneError:
            logger.exception("A former reaction was not withdrawn; the next press tries again")
            return saved + messages.status(_FORMER)
        return saved

    def _take_former_back(self, key: str, standing: Standing, request: Any) -> None:
        assert standing.former is not None
        self.recorder.withdraw(standing.former, request, replaced_by=standing.flag_id)
        self._memory.remember(request, (key,), replace(standing, former=None))

    def _comment(
        self, subject: Subject, entered: Comment, request: Any
    ) -> tuple[dict[str, Any], Subject]:
        """Save a flag with this comment that replaces the one being commented on."""
        with self._memory.turn(request, subject.open_key):
            standing = self._memory.find(request, subject.key)
            if standing is None:
                raise WithdrawnFlagError(flag_id=subject.flag_id)
            if standing.said == (entered.text, entered.better):
                return {"notice": None}, subject
            last = len(self.recorder.fields.components) - 1  # the reply
            kept = self.recorder.amend(
                standing.flag_id,
                request,
                comment=entered.text,
                corrections={last: self._payload_of(entered.better)} if entered.better else {},
                consented=entered.consented,
            )
            said = (entered.text, entered.better)
            standing = Standing(kept.flag_id, standing.option, standing.flag_id, said)
            self._memory.remember(request, (subject.key,), standing)
            notice = self._replaced(subject.key, standing, kept, request)
        told = {"key": subject.key, "dropped": [], "flag": kept.flag_id, "notice": notice}
        return told, replace(subject, flag_id=kept.flag_id)

    def _still_grows(self, reply: Reply, request: Any) -> bool:
        """Whether the chat's own function is still producing *reply* for this session."""
        queue: Any = getattr(running_blocks(), "_queue", None)
        if queue is None or not reply.is_last:
            return False
        running = [event for job in list(queue.active_jobs) if job for event in job]
        return any(
            event.session_hash == session_of(request)
            and _is_answering(event.fn, number_of(self._chatbot))
            for event in running
        )

    def _reply_at(self, payload: Any, index: Any, option: str | None) -> Reply:
        if option is not None and option not in self._options:
            raise NoSuchOptionError(option=option, options=self._options)
        position = position_of(index)
        for reply in replies_of(self._chatbot, payload):
            if reply.first <= position <= reply.last:
                return reply
        raise NoSuchReplyError(index=position)

    def _payload_of(self, text: str) -> Any:
        """Return a reply with this *text* as a payload of the chatbot."""
        pairs = getattr(self._chatbot, "type", "messages") == "tuples"
        value: Any = [[None, text]] if pairs else [{"role": "assistant", "content": text}]
        return self._chatbot.postprocess(value)

    def _find(self, reaction: Reaction, request: Any) -> tuple[str, Standing | None]:
        """Return the key and the active flag of the reply; None if there is no flag."""
        reply, told = reaction.reply, reaction.told
        found = self._remembered(reply, request)
        if found is not None:
            return found
        wanted = {key: told.receipt(key, reply) for key in keys_of(reply)}
        read = self._read(wanted.values(), request)
        for key, flag_id in wanted.items():
            if flag_id in read:
                self._memory.remember(request, (key,), read[flag_id])
                return key, read[flag_id]
        return reply.key, None

    def _remembered(self, reply: Reply, request: Any) -> tuple[str, Standing] | None:
        for key in keys_of(reply):
            standing = self._memory.find(request, key)
            if standing and standing.flag_id not in self.recorder.withdrawn:
                return key, standing
        return None

    def _read(self, flag_ids: Iterable[str | None], request: Any) -> dict[str | None, Standing]:
        """Return those of these flags that are active in the store and not of another user."""
        asked = [each for each in flag_ids if each and each not in self.recorder.withdrawn]
        if not asked:
            return {}
        user, redacts = user_of(request), self.recorder.rules.redact is not None
        return {
            flag_id: Standing(flag_id, state.flag.option)
            for flag_id, state in self.recorder.store.states(asked).items()
            if state.verdict != "rejected" and (redacts or state.flag.user in (None, user))
        }

    def _recorded(self, reaction: Reaction, request: Any) -> dict[str, Any]:
        """Return the part of the answer that says what is recorded now, even after a failure."""
        reply = reaction.reply
        key, standing = self._remembered(reply, request) or (reply.key, None)
        return {
            "place": reply.place,
            "width": reply.width,
            "option": standing.option if standing else None,
            "key": key,
            "dropped": keys_of(reply),
            "flag": standing.flag_id if standing else None,
            "at": reaction.told.at,
        }

    def _show(self, request: gradio.Request, payload: Any, told: Any) -> dict[str, Any]:
        """Return the reactions of the conversation that the page shows."""
        return self._reactions_of(payload, Told.parse(told), request)

    def _show_loaded(self, request: gradio.Request, payload: Any, told: Any) -> dict[str, Any]:
        """Return the reactions of the conversation that a page starts with."""
        self._forget(request)
        return self._reactions_of(payload, Told.parse(told), request) | {"another": True}

    def _show_saved(
        self, request: gradio.Request, index: int, saved: list[Any], told: Any
    ) -> dict[str, Any]:
        """Return the reactions of the conversation chosen from *saved*."""
        conversation = saved[index] if saved and 0 <= index < len(saved) else []
        return self._show_loaded(
            request, self._chatbot.postprocess(conversation).model_dump(), told
        )

    def _reactions_of(self, payload: Any, told: Told, request: Any) -> dict[str, Any]:
        replies = list(replies_of(self._chatbot, payload))
        found = {reply.key: self._remembered(reply, request) for reply in replies}
        wanted = {
            (reply.key, key): flag_id
            for reply in replies
            if found[reply.key] is None
            for key in keys_of(reply)
            if (flag_id := told.receipt(key, reply))
        }
        try:
            read = self._read(wanted.values(), request)
        except FlagstoneError:
            logger.exception("Saved reactions could not be read")
            read = {}
        for (name, key), flag_id in wanted.items():
            if flag_id in read:
                self._memory.remember(request, (key,), read[flag_id])
                found[name] = key, read[flag_id]
        shown: list[str | None] = []
        for reply in replies:
            known = found[reply.key]
            shown += [known[1].option if known else None] * reply.width
        return {"shown": shown, "length": len(payload or [])}

    def _shorten(
        self,
        request: gradio.Request,
        event: gradio.EventData,
        payload: Any,
        _told: Any,
    ) -> dict[str, Any]:
        """Return the message from which the conversation restarts after Retry, Undo or an edit."""
        told = event._data if isinstance(event._data, dict) else {}  # noqa: SLF001 - it has no other
        place = position_of(told.get("index"))
        if place < 0:
            place = last_question(payload)
        left = [reply for reply in replies_of(self._chatbot, payload) if reply.last < place]
        self._memory.retain(request, [key for reply in left for key in keys_of(reply)])
        return {"place": place, "replies": sum(reply.width for reply in left)}

    def _forget(self, request: gradio.Request) -> None:
        """Forget the conversation of this session; another one begins."""
        self._memory.retain(request, [])


def _is_answering(function: Any, chatbot: int) -> bool:
    """Whether *function* is Gradio's wrapper that calls the chat's own function."""
    fills = any(number_of(component) == chatbot for component in function.outputs)
    return fills and getattr(function.fn, "__name__", "") in ("_submit_fn", "_stream_fn")
