"""
A conversation as a page has it: its replies, and what an event says of one.

Gradio 6 has messages of parts, 5 messages or pairs, 4 pairs of what was said and answered. The page
puts messages that follow each other in one bubble, with one set of reactions: that is a reply.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from gradio.components import Component

from flagstone.gradio.recording.digests import digest_of

THUMBS = ("Like", "Dislike")

_MAX_MESSAGES = 10_000
"""Replies beyond it take no reactions: a page that shows so many is nobody's."""

_MAX_INDEX = 2**31


@dataclass(frozen=True, kw_only=True)
class Reply:
    """
    One reply in a *conversation*, which is a payload of the *chatbot*.

    It was told by the `first` to the `last` message, or pair. `place` is its position among the
    reactions of the page, of which it has `width`. `key` tells it, with all that came before, from
    any other; `open_key` tells only what came before, and so is that of a reply that still grows.
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
        """What came before it."""
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
        """The conversation that ends with it."""
        return list(self.conversation[: self.last + 1])

    @property
    def is_last(self) -> bool:
        """Whether the conversation ends with it."""
        return self.last == len(self.conversation) - 1

    @property
    def digest(self) -> bytes:
        """What the capture remembers of the conversation that ends with it."""
        return digest_of(self.chatbot, self.upto)

    @property
    def text(self) -> str:
        """Its text, where it has one."""
        if _are_pairs(self.conversation):
            return "\n".join(answer for _, answer in self.reply if isinstance(answer, str))
        return "\n".join(_texts(self.reply))


@dataclass(frozen=True, kw_only=True)
class _Message:
    """Who said it, where, as a payload of its own; the page shows it as so many `parts`."""

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
    """Each reply of the *conversation*, in order, in linear time; none where it is none."""
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
    """The option that a like event tells of; None where the person took theirs back."""
    if isinstance(liked, bool):
        return THUMBS[0] if liked else THUMBS[1]
    return None if liked is None or liked == "" else str(liked)


def position_of(index: Any) -> int:
    """Of which message, or pair, an event tells; -1 where its *index* is no such number."""
    first = index[0] if isinstance(index, list | tuple) and index else index
    return first if type(first) is int and 0 <= first < _MAX_INDEX else -1


def last_question(conversation: Any) -> int:
    """The position of the latest message, or pair, that the person said; 0 where there is none."""
    messages = list(_messages(conversation))
    return next((m.index for m in reversed(messages) if m.role == "user"), 0)


def _bubbles(chatbot: Component, conversation: Any) -> Iterator[_Bubble]:
    """The messages as the page puts them together, as Gradio's `group_messages` does."""
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
    """As how many parts the page shows *message*; a thought within one of *thoughts* as none."""
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
