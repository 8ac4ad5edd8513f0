"""
A bounded log of the calls of a page's functions: inputs and outputs.

The log stores digests. It stores data only for values that a page loses: a state, an input that a
call overwrites, a number that JavaScript cannot represent. Each session keeps its latest calls;
if all sessions together exceed the limit, the least recently active sessions are dropped.
"""

import hashlib
from collections import OrderedDict, deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Literal, NamedTuple

from flagstone.core import codec
from flagstone.errors import UnserializableValueError
from flagstone.gradio.recording.digests import Digest

MAX_KEPT_SIZE = 1_000_000
"""Maximum size of one stored value, in characters of JSON."""

MAX_KEPT_SIZE_OF_ALL = 64_000_000

Kind = Literal["run", "cached example"]


class Kept(NamedTuple):
    """A snapshot of a value, as `codec` writes it; or the reason why there is none."""

    text: str | None
    reason: str = ""

    def value(self) -> Any:
        """Return a copy of the value; None if there is none."""
        return None if self.text is None else codec.loads(self.text)


def keep(value: Any) -> Kept:
    """Return a snapshot of *value*, if it is small enough and can be written as JSON."""
    try:
        text = "" if _is_larger(value, MAX_KEPT_SIZE) else codec.dumps(value)
    except UnserializableValueError as error:
        return Kept(None, f"it cannot be written as JSON: {error.reason}")
    except RuntimeError:  # another thread changed it
        return Kept(None, "it changed while it was copied")
    if not 0 < len(text) <= MAX_KEPT_SIZE:
        return Kept(None, f"it is larger than {MAX_KEPT_SIZE // 1_000_000} MB")
    return Kept(text)


def _is_larger(value: Any, size: int) -> bool:
    """Whether *value* takes more than about *size* characters; stops as soon as it does."""
    parts = [value]
    while parts and size >= 0:
        part = parts.pop()
        size -= len(part) if isinstance(part, str | bytes | dict | list | tuple) else 4
        if size >= 0 and isinstance(part, dict):
            parts += [*part.keys(), *part.values()]
        elif size >= 0 and isinstance(part, list | tuple):
            parts += part
    return size < 0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Call:
    """
    One call, with digests and stored values by component number.

    `function` is Gradio's `BlockFunction`. `taken` and `given` are stored values of inputs and
    outputs. `blank` are the inputs that were empty or had their initial value, `reset` the outputs
    that the call set to such a value.
    `steps` are the outputs of each step of a generator that has not ended. `error` describes the
    exception. `made_up` are the inputs with messages that the server never wrote.
    """

    function: Any
    inputs: Mapping[int, Digest]
    outputs: Mapping[int, Digest]
    taken: Mapping[int, Kept] = field(default_factory=dict)
    given: Mapping[int, Kept] = field(default_factory=dict)
    blank: frozenset[int] = frozenset()
    reset: frozenset[int] = frozenset()
    seconds: float = 0.0
    kind: Kind = "run"
    steps: tuple[Mapping[int, Digest], ...] = ()
    error: Mapping[str, str] | None = None
    made_up: frozenset[int] = frozenset()

    @property
    def fields(self) -> int:
        """The number of remembered fields, plus one for the call."""
        return len(self.inputs) + len(self.outputs) + 1

    @property
    def size(self) -> int:
        """The number of characters of all stored values."""
        return sum(len(kept.text or "") for kept in (*self.taken.values(), *self.given.values()))

    def made(self, number: int, posted: bytes) -> bool:
        """Whether the call, or a step of it, set component *number* to the *posted* value."""
        return any(
            digest is not None and digest.matches(posted)
            for digest in (outputs.get(number) for outputs in (self.outputs, *self.steps))
        )


class CallLog:
    """
    The calls of all sessions of one page.

    It holds at most *calls* and *fields* per session, and *fields_of_all* fields in total.
    """

    def __init__(self, *, calls: int, fields: int, fields_of_all: int) -> None:
        self._limits = calls, fields, fields_of_all
        self._sessions: OrderedDict[bytes, deque[Call]] = OrderedDict()
        self._by_output: dict[tuple[int, bytes], list[Call]] = {}
        self._lock = Lock()
        self.fields = 0
        self._size = 0

    def add(self, session: str, call: Call, *, instead_of: Call | None = None) -> None:
        """Add *call* as the latest of *session*; it replaces *instead_of*, an earlier step."""
        calls, fields, fields_of_all = self._limits
        with self._lock:
            found = self._sessions.setdefault(_key(session), deque())
            self._sessions.move_to_end(_key(session))
            if instead_of is not None and instead_of in found:
                found.remove(instead_of)
                self._count(instead_of, -1)
            found.append(call)
            self._count(call, 1)
            while len(found) > calls or sum(each.fields for each in found) > fields:
                self._count(found.popleft(), -1)
            while self.fields > fields_of_all or self._size > MAX_KEPT_SIZE_OF_ALL:
                _, forgotten = self._sessions.popitem(last=False)
                for each in forgotten:
                    self._count(each, -1)

    def calls_of(self, session: str | None) -> list[Call]:
        """Return the calls of *session*, latest last."""
        with self._lock:
            return list(self._sessions.get(_key(session), ()))

    def find_elsewhere(
        self, *, inputs: Mapping[int, bytes], outputs: Mapping[int, bytes]
    ) -> Call | None:
        """Return a call of any session that made all of *outputs* from *inputs*."""
        if not outputs:
            return None
        with self._lock:
            candidates = list(self._by_output.get(next(iter(outputs.items())), ()))
        for call in reversed(candidates):
            if all(call.made(number, posted) for number, posted in outputs.items()) and all(
                number in call.inputs and call.inputs[number].matches(posted)
                for number, posted in inputs.items()
            ):
                return call
        return None

    def _count(self, call: Call, sign: int) -> None:
        self.fields += sign * call.fields
        self._size += sign * call.size
        for key in _keys_of(call):
            calls = self._by_output.setdefault(key, [])
            if sign > 0:
                calls.append(call)
            else:
                calls.remove(call)
            if not calls:
                del self._by_output[key]


def find_calls(
    calls: Collection[Call], *, inputs: Mapping[int, bytes], outputs: Mapping[int, bytes]
) -> list[Call] | None:
    """
    Return those of *calls*, one session's in order, that made *outputs* from *inputs*.

    Both are posted digests by component number. If a call took the output of an earlier call, the
    earlier call is included, too, as far back as needed to reach the inputs. Returns None if any
    output was not made, or not from these inputs.
    """
    ordered = list(calls)
    places: set[int] = set()
    for number, posted in outputs.items():
        place = next(
            (
                place
                for place in range(len(ordered) - 1, -1, -1)
                if ordered[place].made(number, posted) and _agrees(ordered, place, inputs)
            ),
            None,
        )
        if place is None:
            return None
        places.add(place)
    latest = set(places)
    while places and not _covered(ordered, places).issuperset(inputs):
        latest = {
            earlier
            for place in latest
            for earlier in _givers(ordered, place)
            if _agrees(ordered, earlier, inputs)
        } - places
        if not latest:
            return None
        places |= latest
    return [ordered[place] for place in sorted(places)] or None


def _givers(calls: list[Call], place: int) -> Iterator[int]:
    """Yield the places of the earlier calls whose outputs the call at *place* took."""
    for number, taken in calls[place].inputs.items():
        for earlier in range(place - 1, -1, -1):
            given = calls[earlier].outputs.get(number)
            if given is not None:
                if given.matches(taken.seen):
                    yield earlier
                break


def _agrees(calls: list[Call], place: int, inputs: Mapping[int, bytes]) -> bool:
    """Whether the call at *place* took *inputs*, or later calls overwrote them on the page."""
    call = calls[place]
    shown = _shown_by_example(call, calls)
    for number, posted in inputs.items():
        if number in call.inputs:
            took = call.inputs[number].matches(posted)
            agrees = took or _was_given(calls[place:], number, posted)
        elif number in call.outputs:
            agrees = call.made(number, posted)
        else:
            agrees = number not in shown or shown[number].matches(posted)
        if not agrees:
            return False
    return True


def _shown_by_example(call: Call, calls: list[Call]) -> dict[int, Digest]:
    """Return what the example filled in, if *call* returned its cached answer; else empty."""
    return {
        number: digest
        for other in (calls if call.kind == "cached example" else ())
        if other.kind == call.kind and other.inputs == call.inputs
        for number, digest in other.outputs.items()
    }


def _was_given(calls: list[Call], number: int, posted: bytes) -> bool:
    """Whether the latest of *calls* that set component *number* set it to the *posted* value."""
    giver = next((call for call in reversed(calls) if number in call.outputs), None)
    return giver is not None and giver.made(number, posted)


def _covered(calls: list[Call], places: set[int]) -> set[int]:
    """Return the components that the calls at *places* took, or filled directly or by example."""
    covered: set[int] = set()
    for call in (calls[place] for place in places):
        covered |= {*call.inputs, *call.outputs, *_shown_by_example(call, calls)}
    return covered


def _keys_of(call: Call) -> Iterator[tuple[int, bytes]]:
    for number, digest in call.outputs.items():
        for each in {digest.seen, *digest.others}:
            yield number, each


def _key(session: str | None) -> bytes:
    """Return a key of fixed size for *session*, whose name the page chooses freely."""
    return hashlib.blake2b(str(session).encode("utf-8", "replace"), digest_size=16).digest()
