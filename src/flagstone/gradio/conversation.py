"""
A conversation as a page has it: its replies, and what an event says of one.

Gradio 6 has messages of parts, 5 messages or pairs, 4 pairs of what was said and answered.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gradio.components import Component

from flagstone.gradio.digests import digest_of

THUMBS = ("Like", "Dislike")


@dataclass(frozen=True, kw_only=True)
class Reply:
    """
    One reply in a conversation, as payloads of the *chatbot*.

    `before` is what came before it, `upto` the conversation that ends with it; it was told of by
    the `first` to the `last` message, or pair.
    """

    chatbot: Component
    before: list[Any]
    reply: list[Any]
    upto: list[Any]
    first: int
    last: int

    @cached_property
    def digest(self) -> bytes:
        """What tells it, with all that came before, from any other."""
        return digest_of(self.chatbot, self.upto)

    @property
    def text(self) -> str:
        """Its text, where it has one."""
        if self.reply and not isinstance(self.reply[0], dict):
            return str(self.reply[0][1]) if isinstance(self.reply[0][1], str) else ""
        return "\n".join(_texts(self.reply))


def replies_of(chatbot: Component, payload: Any) -> Iterator[Reply]:
    """Each reply of the conversation, in order."""
    messages = payload or []
    if messages and not isinstance(messages[0], dict):
        yield from _replies_in_pairs(chatbot, messages)
        return
    first = 0
    for n, message in enumerate(messages):
        ends = n + 1 == len(messages) or messages[n + 1].get("role") != "assistant"
        if message.get("role") != "assistant":
            first = n + 1
        elif ends:
            before, upto = messages[:first], messages[: n + 1]
            yield Reply(
                chatbot=chatbot, before=before, reply=upto[first:], upto=upto, first=first, last=n
            )


def _replies_in_pairs(chatbot: Component, pairs: Any) -> Iterator[Reply]:
    for n, (said, answer) in enumerate(pairs):
        before, reply = [*pairs[:n], [said, None]], [[None, answer]]
        yield Reply(
            chatbot=chatbot, before=before, reply=reply, upto=pairs[: n + 1], first=n, last=n
        )


def option_of(liked: Any) -> str | None:
    """The option that a like event tells of; None where the person took theirs back."""
    if isinstance(liked, bool):
        return THUMBS[0] if liked else THUMBS[1]
    return str(liked) if liked else None


def position_of(index: Any) -> int:
    """Of which message, or pair, a like event tells."""
    first = index[0] if isinstance(index, list | tuple) and index else index
    return first if type(first) is int else -1


def _texts(messages: list[Any]) -> Iterator[str]:
    for message in messages:
        content = message.get("content")
        for part in content if isinstance(content, list) else [content]:
            if isinstance(part, str):
                yield part
            elif isinstance(part, dict) and isinstance(part.get("text"), str):
                yield part["text"]
