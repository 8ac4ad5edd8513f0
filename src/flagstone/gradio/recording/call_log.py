"""
The calls of a page's functions, remembered for a while: what went in and what came out.

What is remembered are digests, and the data only of the few values that a page loses: a state,
an input that a call overwrites, a number that JavaScript cannot hold. For each session the latest
calls are kept, and for all sessions together a bounded number, those seen least recently going
first.
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
"""The most characters of JSON that are kept of one value."""

MAX_KEPT_SIZE_OF_ALL = 64_000_000

Kind = Literal["run", "cached example"]


class Kept(NamedTuple):
    """A value as it was at one moment, as `codec` writes it; or why it is not here."""

    text: str | None
    reason: str = ""

    def value(self) -> Any:
        """A copy of the value; None where it is not here."""
        return None if self.text is None else codec.loads(self.text)


def keep(value: Any) -> Kept:
    """A copy of *value*, as long as it is small enough and can be written."""
    try:
        text = "" if _is_larger(value, MAX_KEPT_SIZE) else codec.dumps(value)
    except UnserializableValueError as error:
        return Kept(None, f"it cannot be written as JSON: {error.reason}")
    except RuntimeError:  # another thread changes it
        return Kept(None, "it changed while it was copied")
    if not 0 < len(text) <= MAX_KEPT_SIZE:
        return Kept(None, f"it is larger than {MAX_KEPT_SIZE // 1_000_000} MB")
    return Kept(text)


def _is_larger(value: Any, size: int) -> bool:
    """Whether *value* takes more than about *size* characters; looks no further than that."""
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
    One call, with digests and kept values by the number of the component.

    `function` is Gradio's `BlockFunction`. `blank` are the inputs that held no value, `reset` the
    outputs that were given none.
    `steps` are the outputs of the steps of a generator that has not ended. `error` is what it
    raised. `made_up` are the inputs in which somebody says what the server never said.
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
        """How many fields are remembered, and one for the call."""
        return len(self.inputs) + len(self.outputs) + 1

    @property
    def size(self) -> int:
        """The characters of all values kept."""
        return sum(len(kept.text or "") for kept in (*self.taken.values(), *self.given.values()))

    def made(self, number: int, posted: bytes) -> bool:
        """Whether this is what component *number* was given, by the end or by a step so far."""
        return any(
            digest is not None and digest.matches(posted)
            for digest in (outputs.get(number) for outputs in (self.outputs, *self.steps))
        )


class CallLog:
    """
    The calls of all sessions of one page.

    At most *calls* and *fields* of one session, and *fields_of_all* fields of all sessions.
    """

    def __init__(self, *, calls: int, fields: int, fields_of_all: int) -> None:
        self._limits = calls, fields, fields_of_all
        self._sessions: OrderedDict[bytes, deque[Call]] = OrderedDict()
        self._by_output: dict[tuple[int, bytes], list[Call]] = {}
        self._lock = Lock()
        self.fields = 0
        self._size = 0

    def add(self, session: str, call: Call, *, instead_of: Call | None = None) -> None:
        """Remember *call* as the latest of *session*; it may replace a generator's step before."""
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
        """The calls of *session*, the latest last."""
        with self._lock:
            return list(self._sessions.get(_key(session), ()))

    def find_elsewhere(
        self, *, inputs: Mapping[int, bytes], outputs: Mapping[int, bytes]
    ) -> Call | None:
        """A call of any session that made all of *outputs* from *inputs*."""
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
    Those of *calls*, of one session in order, that made *outputs* from *inputs*.

    Both are digests of what is posted, by the number of the component. Where a call took what an
    earlier one gave, the earlier one counts, too, as far as it takes to reach the inputs. None
    where any output was not made, or not from these inputs.
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
    """The places of the calls that gave the call at *place* what it took."""
    for number, taken in calls[place].inputs.items():
        for earlier in range(place - 1, -1, -1):
            given = calls[earlier].outputs.get(number)
            if given is not None:
                if given.matches(taken.seen):
                    yield earlier
                break


def _agrees(calls: list[Call], place: int, inputs: Mapping[int, bytes]) -> bool:
    """Whether the call at *place* took *inputs*, or the page lost those since."""
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
    """What the example filled whose cached answer *call* gave; empty for any other call."""
    return {
        number: digest
        for other in (calls if call.kind == "cached example" else ())
        if other.kind == call.kind and other.inputs == call.inputs
        for number, digest in other.outputs.items()
    }


def _was_given(calls: list[Call], number: int, posted: bytes) -> bool:
    """Whether the latest of *calls* that gave component *number* a value gave it this one."""
    giver = next((call for call in reversed(calls) if number in call.outputs), None)
    return giver is not None and giver.made(number, posted)


def _covered(calls: list[Call], places: set[int]) -> set[int]:
    """What the calls at *places* took or filled; with a cached answer, what its example filled."""
    covered: set[int] = set()
    for call in (calls[place] for place in places):
        covered |= {*call.inputs, *call.outputs, *_shown_by_example(call, calls)}
    return covered


def _keys_of(call: Call) -> Iterator[tuple[int, bytes]]:
    for number, digest in call.outputs.items():
        for each in {digest.seen, *digest.others}:
            yield number, each


def _key(session: str | None) -> bytes:
    """A key for *session*, whose name the page makes up, as long as it likes."""
    return hashlib.blake2b(str(session).encode("utf-8", "replace"), digest_size=16).digest()
