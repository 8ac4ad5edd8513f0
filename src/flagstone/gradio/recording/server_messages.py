"""
Which messages of a conversation the server itself wrote.

A page posts the conversation so far, and anybody can post one in which the assistant says what it
never said. So what functions say is remembered, of all sessions: a message that a call gave, or
left in a state, and had not taken, is the server's. So are those that a page begins with.
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
"""The latest messages of the server that are remembered."""

_MAX_PARTS = 400_000
"""The most parts of a value that are looked at; a state that is kept has no more."""

_LEAVES = (str, int, float, type(None))

_CARRIERS = ("chat", "state", "json")
"""The kinds of components whose values can hold messages."""


class Spoken:
    """The messages that the functions of one page wrote, as hashes."""

    def __init__(self) -> None:
        self._messages: OrderedDict[int, None] = OrderedDict()
        self._begun: dict[int, frozenset[int]] = {}
        self._lock = Lock()

    def hear(
        self, given: Iterable[Any], *, taken: frozenset[int], instead_of: frozenset[int]
    ) -> frozenset[int]:
        """
        Remember what is in *given* and not *taken*; a step of a stream *instead_of* the last.

        Returns what is remembered of it.
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
        The numbers of the components whose *values* have a reply that is not the server's.

        Only conversations and states: what is typed may hold anything.
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
    """Those of *values*, by their component, that can hold a conversation."""
    return {
        component: value
        for component, value in values
        if isinstance(component, Component) and kind_of(component) in _CARRIERS
    }


def replies_of(values: Iterable[Any]) -> frozenset[int]:
    """Hashes of all messages in *values* but the user's; of too much, one that nobody has."""
    found: set[int] = set()
    parts = list(values)
    with suppress(RuntimeError):  # it is nested without end, or a function changes it meanwhile
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
    """Whether *data* is of pairs, of what was said and what was answered."""
    return (
        isinstance(data, list | tuple)
        and len(data) > 0
        and all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in data)  # noqa: PLR2004
    )


def _hash(role: str, said: Any) -> int:
    """The same for all forms in which Gradio has one message; spaces, which it strips, aside."""
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
