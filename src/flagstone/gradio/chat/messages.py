"""
Split a conversation, as the page posts it, into replies, and read the chatbot's events.

Gradio 6 has messages made of parts, Gradio 5 messages or pairs, Gradio 4 pairs of question and
answer. The page shows consecutive messages in one bubble with one set of reactions: a reply.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from gradio.components import Component

from flagstone.gradio.recording.digests import digest_of

THUMBS = ("Like", "Dislike")

_MAX_MESSAGES = 10_000
"""Replies after so many messages take no reactions; no real page shows that many."""

_MAX_INDEX = 2**31


@dataclass(frozen=True, kw_only=True)
class Reply:
    """
    One reply in a *conversation*, which is a payload of the *chatbot*.

    It spans the messages, or pairs, `first` to `last`. `place` is the index of its first reaction
    on the page, `width` the number of its reactions. `key` identifies the reply together with the
    conversation before it; `open_key` identifies only the conversation before it, so it does not
    change while the reply is streamed.
    """

    chatbot: Component
    conversation: Sequence[Any]
    first: int
    last: int
    place: int
    width: int
    key: str
    open_key: str

    @property
    def before(self) -> list[Any]:
        """The conversation before the reply."""
        earlier = list(self.conversation[: self.first])
        if _are_pairs(self.conversation) and self.conversation[self.first][0] is not None:
            earlier.append([self.conversation[self.first][0], None])
        return earlier

    @property
    def reply(self) -> list[Any]:
        """The reply alone."""
        told = self.conversation[self.first : self.last + 1]
        if _are_pairs(self.conversation):
            return [[None, answer] for _, answer in told]
        return [message for message in told if message.get("role") == "assistant"]

    @property
    def upto(self) -> list[Any]:
        """The conversation up to and including the reply."""
        return list(self.conversation[: self.last + 1])

    @property
    def is_last(self) -> bool:
        """Whether it is the end of the conversation."""
        return self.last == len(self.conversation) - 1

    @property
    def digest(self) -> bytes:
        """The digest that the capture remembers for the conversation up to this reply."""
        return digest_of(self.chatbot, self.upto)

    @property
    def text(self) -> str:
        """The text of the reply; "" if it has none."""
        if _are_pairs(self.conversation):
            return "\n".join(answer for _, answer in self.reply if isinstance(answer, str))
        return "\n".join(_texts(self.reply))


@dataclass(frozen=True, kw_only=True)
class _Message:
    """A message as a payload of its own; the page shows it as `parts` parts."""

    role: str
    index: int
    payload: list[Any]
    parts: int = 1


@dataclass(kw_only=True)
class _Bubble:
    role: str
    first: int
    last: int
    width: int
    key: bytes
    open_key: bytes = field(repr=False)


def replies_of(chatbot: Component, conversation: Any) -> Iterator[Reply]:
    """Yield each reply of *conversation* in order, in linear time; none if it is not valid."""
    place = 0
    for bubble in _bubbles(chatbot, conversation):
        if bubble.role == "assistant":
            yield Reply(
                chatbot=chatbot,
                conversation=conversation,
                first=bubble.first,
                last=bubble.last,
                place=place,
                width=bubble.width,
                key=bubble.key.hex(),
                open_key=bubble.open_key.hex(),
            )
            place += bubble.width


def option_of(liked: Any) -> str | None:
    """Return the option of a like event; None if the visitor withdrew the reaction."""
    if isinstance(liked, bool):
        return THUMBS[0] if liked else THUMBS[1]
    return None if liked is None or liked == "" else str(liked)


def position_of(index: Any) -> int:
    """Return the message, or pair, that an event's *index* refers to; -1 if it is not valid."""
    first = index[0] if isinstance(index, list | tuple) and index else index
    return first if type(first) is int and 0 <= first < _MAX_INDEX else -1


def last_question(conversation: Any) -> int:
    """Return the position of the user's latest message, or pair; 0 if there is none."""
    messages = list(_messages(conversation))
    return next((m.index for m in reversed(messages) if m.role == "user"), 0)


def _bubbles(chatbot: Component, conversation: Any) -> Iterator[_Bubble]:
    """Group messages as the page does, following Gradio's `group_messages`."""
    in_pairs = getattr(chatbot, "type", "messages") == "tuples"
    together = getattr(chatbot, "group_consecutive_messages", not in_pairs)
    bubble: _Bubble | None = None
    key = b""
    for message in _messages(conversation):
        before = key
        key = hashlib.blake2b(key + digest_of(chatbot, message.payload), digest_size=16).digest()
        follows = bubble is not None and bubble.role == message.role
        if follows and bubble is not None and (together or not message.parts):
            bubble.last, bubble.key = message.index, key
        elif message.parts and message.role in ("user", "assistant"):
            if bubble is not None:
                yield bubble
            bubble = _Bubble(
                role=message.role,
                first=message.index,
                last=message.index,
                width=1 if together else message.parts,
                key=key,
                open_key=before,
            )
    if bubble is not None:
        yield bubble


def _messages(conversation: Any) -> Iterator[_Message]:
    if not isinstance(conversation, list):
        return
    if _are_pairs(conversation):
        yield from _messages_of_pairs(conversation[:_MAX_MESSAGES])
        return
    thoughts: set[str] = set()
    for n, message in enumerate(conversation[:_MAX_MESSAGES]):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            return
        yield _Message(
            role=message["role"], index=n, payload=[message], parts=_parts(message, thoughts)
        )


def _messages_of_pairs(pairs: list[Any]) -> Iterator[_Message]:
    for n, pair in enumerate(pairs):
        if not isinstance(pair, list | tuple) or len(pair) != 2:  # noqa: PLR2004 - a pair
            return
        said, answer = pair
        if said is not None:
            yield _Message(role="user", index=n, payload=[[said, None]])
        if answer is not None:
            yield _Message(role="assistant", index=n, payload=[[None, answer]])


def _parts(message: dict[str, Any], thoughts: set[str]) -> int:
    """Return how many parts the page shows for *message*; 0 if nested in one of *thoughts*."""
    metadata = message.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    is_within = str(metadata.get("parent_id") or "") in thoughts
    if metadata.get("id") and metadata.get("title"):
        thoughts.add(str(metadata["id"]))
    content = message.get("content")
    return 0 if is_within else len(content) if isinstance(content, list) else 1


def _are_pairs(conversation: Sequence[Any]) -> bool:
    return bool(conversation) and not isinstance(conversation[0], dict)


def _texts(messages: list[Any]) -> Iterator[str]:
    for message in messages:
        content = message.get("content")
        for part in content if isinstance(content, list) else [content]:
            if isinstance(part, str):
                yield part
            elif isinstance(part, dict) and isinstance(part.get("text"), str):
                yield part["text"]
