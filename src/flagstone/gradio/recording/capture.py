"""
Remember what the server produced, to distinguish genuine flags from forged ones.

A flag contains what the page claims to have seen, and any client can post one. So each call of a
function of the page is recorded (`call_log.py`).
"""

import copy
import traceback
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import gradio
from gradio.blocks import Blocks
from gradio.components import Component

from flagstone.gradio.payloads.convert import as_plain, as_sent, is_update
from flagstone.gradio.payloads.fields import number_of
from flagstone.gradio.recording.call_log import Call, CallLog, Kept, find_calls, keep
from flagstone.gradio.recording.digests import Digest, digests_of
from flagstone.gradio.recording.server_messages import Spoken, carriers_of, replies_of

RUNS_OF_A_SESSION = 50
FIELDS_OF_A_SESSION = 500
"""Maximum number of remembered calls per session, and of their fields in total."""

FIELDS_OF_ALL = 200_000
"""Maximum number of remembered fields of all sessions; each takes 200 to 500 bytes."""

_MAX_STEPS = 16
"""Number of latest steps of a generator that are remembered until it ends."""


@dataclass(kw_only=True)
class Run:
    """
    One call of a function of the page, with payloads as the page has them.

    `function` is Gradio's `BlockFunction`, with `fn`, `inputs` and `outputs`. `states` and
    `made_states` are copies of the states that it took and returned, by component number. For a
    generator, `outputs` are those of its last step; `streamed` is what Gradio streams in place of
    them, if that may differ. `seconds` is the duration. `heard` are the messages that it took,
    `spoken` those that it wrote (`server_messages.py`), `made_up` the inputs with messages that no
    function wrote.
    """

    function: Any
    inputs: list[Any]
    request: Any = None
    outputs: list[Any] = field(default_factory=list)
    streamed: list[Any] | None = None
    states: Mapping[int, Kept] = field(default_factory=dict)
    made_states: Mapping[int, Kept] = field(default_factory=dict)
    seconds: float = 0.0
    error: Exception | None = None
    digests: dict[int, Digest] = field(default_factory=dict)
    taken: dict[int, Kept] = field(default_factory=dict)
    blank: set[int] = field(default_factory=set)
    steps: deque[dict[int, Digest]] = field(default_factory=lambda: deque(maxlen=_MAX_STEPS))
    heard: frozenset[int] | None = None
    spoken: frozenset[int] = frozenset()
    made_up: frozenset[int] = frozenset()
    call: Call | None = None


Listener = Callable[[Run], Awaitable[None]]


class Capture(CallLog):
    """
    The recorded calls of one running page.

    `listeners` are called with each finished call. `apps` are the names of the demos on the page.
    *overwritten* returns the numbers of the components that functions of the page write to.
    """

    def __init__(self, overwritten: Callable[[], set[int]] = set) -> None:
        super().__init__(
            calls=RUNS_OF_A_SESSION, fields=FIELDS_OF_A_SESSION, fields_of_all=FIELDS_OF_ALL
        )
        self.listeners: list[Listener] = []
        self.apps: list[str] = []
        self._spoken = Spoken()
        self._unfinished: WeakKeyDictionary[Any, Run] = WeakKeyDictionary()
        self._overwritten = overwritten

    def seconds_of(
        self,
        session: str | None,
        *,
        inputs: Mapping[int, bytes],
        outputs: Mapping[int, bytes],
        functions: set[Any] | None = None,
    ) -> float | None:
        """
        Return how long the server took to make *outputs* from *inputs*; None if it did not.

        Both are digests by component number. With *functions*, only calls of these count.
        """
        calls = self.calls_of(session)
        if functions is not None:
            calls = [call for call in calls if call.function.fn in functions]
        used = find_calls(calls, inputs=inputs, outputs=outputs)
        return None if used is None else sum(call.seconds for call in used)

    def listen(self, run: Run, left: Iterable[Any]) -> None:
        """Remember the messages that *run* wrote to outputs, and to the states *left* after it."""
        if run.heard is None:  # its first step
            states = {c: kept.value() for c, kept in _by_component(run.function.inputs, run.states)}
            taken = carriers_of(zip(run.function.inputs, run.inputs, strict=False)) | states
            run.made_up = self._spoken.made_up(taken)
            run.heard = replies_of(taken.values())
        made = [kept.value() for kept in run.made_states.values()]
        given = carriers_of((c, payload) for _, c, payload in filled(run))
        run.spoken = self._spoken.hear(
            [*given.values(), *made, *left],
            taken=run.heard,
            instead_of=run.spoken,
        )

    def remember(self, session: str, run: Run, *, goes_on: bool = False) -> None:
        """Remember *run* up to its latest step."""
        made = {} if run.error else {number_of(c): (c, payload) for _, c, payload in filled(run)}
        streamed = {number_of(c): [payload] for _, c, payload in filled(run, run.streamed or [])}
        digests = {
            number: digests_of(*value, streamed.get(number, ())) for number, value in made.items()
        }
        changed = {
            number: keep(as_plain(*made[number]))
            for number, digest in digests.items()
            if digest.others
        }
        call = Call(
            function=run.function,
            inputs=run.digests,
            outputs=digests,
            taken={**run.taken, **run.states},
            given={**changed, **run.made_states},
            blank=frozenset(run.blank),
            reset=frozenset(number for number, value in made.items() if is_reset(*value)),
            seconds=run.seconds,
            kind="cached example" if _is_cached_example(run.function) else "run",
            steps=tuple(run.steps) if goes_on else (),
            made_up=run.made_up,
            error=error_facts(run.error) if run.error else None,
        )
        run.steps.append(digests)
        self.add(session, call, instead_of=run.call)
        run.call = call

    def begin(self, function: Any, inputs: list[Any], request: Any, iterator: Any) -> Run:
        """Return a new run, or the one that a generator's *iterator* continues."""
        run = self._unfinished.pop(iterator, None) if iterator is not None else None
        if run is None:
            run = Run(function=function, inputs=copy.deepcopy(inputs), request=request)
            lost = self._overwritten()
            for component, payload in zip(function.inputs, inputs, strict=False):
                if isinstance(component, Component) and not component.stateful:
                    number = number_of(component)
                    run.digests[number] = digests_of(component, payload)
                    if number in lost:
                        run.taken[number] = keep(payload)
                    if is_reset(component, payload):
                        run.blank.add(number)
        return run

    def suspend(self, run: Run, iterator: Any) -> None:
        """Store *run* until *iterator* is called again; it is dropped along with *iterator*."""
        self._unfinished[iterator] = run


def capture_of(blocks: Blocks | None) -> Capture | None:
    """Return the capture of *blocks*, or None."""
    watched = getattr(getattr(blocks, "process_api", None), "__self__", None)
    return getattr(watched, "capture", None)


def filled(run: Run, outputs: list[Any] | None = None) -> Iterator[tuple[int, Component, Any]]:
    """Yield (position, component, payload) for each output with a value; default: the run's."""
    outputs = run.outputs if outputs is None else outputs
    for n, (component, payload) in enumerate(zip(run.function.outputs, outputs, strict=False)):
        if isinstance(component, Component) and not component.stateful:
            if not is_update(payload):
                yield n, component, payload
            elif "value" in payload:
                yield n, component, payload["value"]


def predictors_of(blocks: Blocks) -> list[Any]:
    """Return the functions of *blocks* that are neither Flagstone's nor browser-only."""
    return [function for function in blocks.fns.values() if not is_ours(function)]


def _by_component(components: Any, kept: Mapping[int, Kept]) -> Iterator[tuple[Component, Kept]]:
    for component in components:
        if number_of(component) in kept:
            yield component, kept[number_of(component)]


def is_reset(component: Component, payload: Any) -> bool:
    """Whether *payload* is empty, or the initial value of *component*."""
    return _is_blank(payload) or payload == as_sent(getattr(component, "value", None))


def _is_blank(payload: Any) -> bool:
    match payload:
        case dict():
            return all(map(_is_blank, payload.values()))
        case list() | tuple():
            return all(map(_is_blank, payload))
    return payload is None or payload == ""


def written_by(blocks: Blocks) -> set[int]:
    """Return the numbers of the components that functions of *blocks* write to."""
    return {
        number_of(component)
        for function in predictors_of(blocks)
        for component in function.outputs
        if isinstance(component, Component)
    }


def is_ours(function: Any) -> bool:
    """Whether *function* is Flagstone's or browser-only, so not a prediction."""
    called = function.fn
    return called is None or _module_of(called).startswith("flagstone.gradio.")


def _is_cached_example(function: Any) -> bool:
    """Whether *function* is Gradio's for showing an example: its inputs, or its cached answer."""
    is_example = _module_of(function.fn).startswith("gradio.helpers")
    return is_example and any(isinstance(c, gradio.Dataset) for c in function.inputs)


def error_facts(error: Exception) -> dict[str, str]:
    """Return the entries of a record for an exception that a prediction raised."""
    return {
        "type": type(error).__name__,
        "message": str(error),
        "traceback": "".join(traceback.format_exception(error)),
    }


def _module_of(function: Any) -> str:
    return str(getattr(function, "__module__", None) or type(function).__module__)
