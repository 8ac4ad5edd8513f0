"""
Track which messages of a conversation the server itself wrote.

A page posts the conversation so far, and any client can post one with invented assistant messages.
So messages of functions are remembered, for all sessions: a message that a call returned, or left
in a state, without having taken it, is the server's. So are a component's initial messages.
"""

import os
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from threading import Lock
from typing import Any

from gradio import ChatMessage
from gradio.components import Component

from flagstone.gradio.payloads.fields import number_of
from flagstone.gradio.payloads.kinds import kind_of

_MAX_MESSAGES = 200_000
"""Number of latest server messages that are remembered."""

_MAX_PARTS = 400_000
"""Maximum number of parts of a value that are searched; stored states have no more."""

_LEAVES = (str, int, float, type(None))

_CARRIERS = ("chat", "state", "json")
"""The kinds of components whose values can hold messages."""


class Spoken:
    """Hashes of the messages that the functions of one page wrote."""

    def __init__(self) -> None:
        self._messages: OrderedDict[int, None] = OrderedDict()
        self._begun: dict[int, frozenset[int]] = {}
        self._lock = Lock()

    def hear(
        self, given: Iterable[Any], *, taken: frozenset[int], instead_of: frozenset[int]
    ) -> frozenset[int]:
        """
        Remember the messages in *given* that were not *taken*, and return them.

        For a stream, they replace *instead_of*, the messages of the previous step.
        """
        new = replies_of(given) - taken
        with self._lock:
            for message in instead_of - new:
                self._messages.pop(message, None)
            for message in new:
                self._messages[message] = None
                self._messages.move_to_end(message)
            while len(self._messages) > _MAX_MESSAGES:
                self._messages.popitem(last=False)
        return new

    def made_up(self, values: Mapping[Component, Any]) -> frozenset[int]:
        """
        Return the numbers of the components whose *values* have a reply the server never wrote.

        Only conversations and states are checked: typed values may contain anything.
        """
        return frozenset(
            number_of(component)
            for component, value in values.items()
            if kind_of(component) in ("chat", "state") and not self._knows(component, value)
        )

    def _knows(self, component: Component, value: Any) -> bool:
        unknown = replies_of([value])
        if not unknown:
            return True
        number = number_of(component)
        if number not in self._begun:
            self._begun[number] = replies_of([getattr(component, "value", None)])
        unknown -= self._begun[number]
        with self._lock:
            return all(message in self._messages for message in unknown)


def carriers_of(values: Iterable[tuple[Any, Any]]) -> dict[Component, Any]:
    """Return those of *values* that can hold a conversation, by component."""
    return {
        component: value
        for component, value in values
        if isinstance(component, Component) and kind_of(component) in _CARRIERS
    }


def replies_of(values: Iterable[Any]) -> frozenset[int]:
    """Return hashes of all non-user messages in *values*; plus a random one if too large."""
    found: set[int] = set()
    parts = list(values)
    with suppress(RuntimeError):  # endless nesting, or a function changes it meanwhile
        for _ in range(_MAX_PARTS):
            if not parts:
                return frozenset(found)
            part = parts.pop()
            if _are_pairs(part):
                found |= {_hash("assistant", said) for _, said in part if said is not None}
            elif isinstance(part, dict) and isinstance(part.get("role"), str) and "content" in part:
                if part["role"] != "user":
                    found.add(_hash(part["role"], [part["content"], _title_of(part)]))
            else:
                parts += _inside(part)
    return frozenset([*found, hash(os.urandom(16))])


def _inside(part: Any) -> list[Any]:
    match part:
        case dict():
            inside = list(part.values())
        case list() | tuple():
            inside = list(part)
        case ChatMessage():
            return [{"role": part.role, "content": part.content, "metadata": part.metadata}]
        case _:
            return []
    return [each for each in inside if not isinstance(each, _LEAVES)]


def _title_of(message: dict[str, Any]) -> Any:
    metadata = message.get("metadata")
    return metadata.get("title") if isinstance(metadata, dict) else None


def _are_pairs(data: Any) -> bool:
    """Whether *data* is a list of pairs (message, answer)."""
    return (
        isinstance(data, list | tuple)
        and len(data) > 0
        and all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in data)  # noqa: PLR2004
    )


def _hash(role: str, said: Any) -> int:
    """Return a hash that is equal for all Gradio forms of a message; ignores whitespace."""
    return hash((role, "".join("".join(_texts(said)).split())))


def _texts(said: Any) -> Iterator[str]:
    match said:
        case None:
            return
        case str():
            yield said
        case {"path": str(path)} | (str(path),):
            yield path.replace("\\", "/").rpartition("/")[2]
        case {"text": part} | {"file": part} | {"value": part}:
            yield from _texts(part)
        case list() | tuple():
            for part in said:
                yield from _texts(part)
        case _:
            yield str(said) if isinstance(said, _LEAVES) else type(said).__name__
