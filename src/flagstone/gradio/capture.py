"""
What the server itself produced, watched as it happens, so that a flag can be told from a forged one.

A flag says what its page saw, and anybody can post one. So each call of a function of the page is
remembered (`call_log.py`). Inputs are taken before the call and copied: a function may change
them in place. Outputs are what the page was sent.
"""

import copy
import time
import traceback
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import anyio
import gradio
from gradio.blocks import Blocks
from gradio.components import Component
from gradio.context import Context, LocalContext

from flagstone.gradio.call_log import Call, CallLog, Kept, find_calls, keep
from flagstone.gradio.digests import Digest, digests_of
from flagstone.gradio.fields import number_of
from flagstone.gradio.payload import as_plain, as_sent, is_update
from flagstone.gradio.person import session_of

RUNS_OF_A_SESSION = 50
FIELDS_OF_A_SESSION = 500
"""The most calls of a session that are remembered, and the most fields of them together."""

FIELDS_OF_ALL = 200_000
"""The most fields that are remembered of all sessions together; each takes 200 to 500 bytes."""

_MAX_STEPS = 16
"""The latest steps of a generator that are remembered until it ends."""


@dataclass(kw_only=True)
class Run:
    """
    One call of a function of the page, with payloads as the page has them.

    `function` is Gradio's `BlockFunction`, with the function as `fn` and components on both sides.
    `states` and `made_states` are copies of the states that it was given, and that it made, by the
    number of the component. `outputs` of a generator are those of its last step. `seconds` is the
    time that the calls took.
    """

    function: Any
    inputs: list[Any]
    request: Any = None
    outputs: list[Any] = field(default_factory=list)
    states: Mapping[int, Kept] = field(default_factory=dict)
    made_states: Mapping[int, Kept] = field(default_factory=dict)
    seconds: float = 0.0
    error: Exception | None = None
    digests: dict[int, Digest] = field(default_factory=dict)
    taken: dict[int, Kept] = field(default_factory=dict)
    blank: set[int] = field(default_factory=set)
    steps: deque[dict[int, Digest]] = field(default_factory=lambda: deque(maxlen=_MAX_STEPS))
    call: Call | None = None


Listener = Callable[[Run], Awaitable[None]]


class Capture(CallLog):
    """
    What one running page produced.

    `listeners` hear of each call that has ended. `apps` are the names of the demos on the page.
    """

    def __init__(self) -> None:
        super().__init__(
            calls=RUNS_OF_A_SESSION, fields=FIELDS_OF_A_SESSION, fields_of_all=FIELDS_OF_ALL
        )
        self.listeners: list[Listener] = []
        self.apps: list[str] = []
        self._unfinished: WeakKeyDictionary[Any, Run] = WeakKeyDictionary()
        self.overwritten: Callable[[], set[int]] = set

    def seconds_of(
        self,
        session: str | None,
        *,
        inputs: Mapping[int, bytes],
        outputs: Mapping[int, bytes],
        functions: set[Any] | None = None,
    ) -> float | None:
        """
        How long the server took to make *outputs* from *inputs*; None where it did not.

        Both are digests by the number of the component. With *functions* only their calls count.
        """
        calls = self.calls_of(session)
        if functions is not None:
            calls = [call for call in calls if call.function.fn in functions]
        used = find_calls(calls, inputs=inputs, outputs=outputs)
        return None if used is None else sum(call.seconds for call in used)

    def remember(self, session: str, run: Run, *, goes_on: bool = False) -> None:
        """Remember *run* as far as it came."""
        made = {} if run.error else {number_of(c): (c, payload) for _, c, payload in filled(run)}
        digests = {number: digests_of(*value) for number, value in made.items()}
        changed = {
            number: keep(as_plain(*made[number]))
            for number, digest in digests.items()
            if digest.exact is not None
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
            error=error_facts(run.error) if run.error else None,
        )
        run.steps.append(digests)
        self.add(session, call, instead_of=run.call)
        run.call = call

    def begin(self, function: Any, inputs: list[Any], request: Any, iterator: Any) -> Run:
        """The run that a call begins, or, with the *iterator* of a generator, goes on with."""
        run = self._unfinished.pop(iterator, None) if iterator is not None else None
        if run is None:
            run = Run(function=function, inputs=copy.deepcopy(inputs), request=request)
            lost = self.overwritten()
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
        """*run* goes on when *iterator* is called again; it goes with it, too."""
        self._unfinished[iterator] = run


@dataclass(kw_only=True)
class _Seen:
    """What the call that this task works on has shown so far; an item for each of its samples."""

    outputs: list[list[Any]] = field(default_factory=list)
    states: list[dict[int, Kept]] = field(default_factory=list)
    made_states: list[dict[int, Kept]] = field(default_factory=list)


_seen: ContextVar[_Seen] = ContextVar("seen")


def watch(blocks: Blocks) -> Capture:
    """
    From now on remember what *blocks* produces; the same `Capture` for each call with it.

    A demo that is built within another page runs in that page, which is then watched.
    """
    page = Context.root_block
    if page is not None and page is not blocks:
        return watch(page)
    found = capture_of(blocks)
    if found is not None:
        return found
    capture = Capture()
    capture.overwritten = lambda: _written_by(blocks)
    process, preprocess, postprocess = (
        blocks.process_api,
        blocks.preprocess_data,
        blocks.postprocess_data,
    )

    async def process_api(*args: Any, **kwargs: Any) -> Any:
        call = _Call(blocks, *args, **kwargs)
        if call.is_ours():
            return await process(*args, **kwargs)
        seen = _Seen()
        _seen.set(seen)
        LocalContext.event_id.set(call.event_id)  # by which a listener may say something
        runs = await anyio.to_thread.run_sync(call.runs, capture)
        start = time.perf_counter()

        async def end(output: Any, error: Exception | None = None) -> None:
            for number, run in enumerate(runs):
                run.seconds += time.perf_counter() - start
                run.error = error
                run.outputs = _item(seen.outputs, number, run.outputs)
                run.states = _item(seen.states, number, run.states)
                run.made_states = _item(seen.made_states, number, run.made_states)
                await _end(capture, run, output)

        try:
            output = await process(*args, **kwargs)
        except Exception as error:  # not a cancellation: it ends nothing, what was given stands
            await end({}, error)
            raise
        await end(output)
        return output

    async def preprocess_data(block_fn: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        given = await preprocess(block_fn, inputs, *args, **kwargs)
        if (seen := _seen.get(None)) is not None:
            states = _states_of(block_fn.inputs, given)
            seen.states.append(await anyio.to_thread.run_sync(_kept, states) if states else {})
        return given

    async def postprocess_data(
        block_fn: Any, predictions: Any, state: Any, *args: Any, **kwargs: Any
    ) -> Any:
        data = await postprocess(block_fn, predictions, state, *args, **kwargs)
        if (seen := _seen.get(None)) is not None and not _is_end_of_generator(predictions):
            seen.outputs.append(as_sent(list(data)))
            numbers = [number_of(c) for c in block_fn.outputs if getattr(c, "stateful", False)]
            states = {number: state[number] for number in numbers if state is not None}
            seen.made_states.append(await anyio.to_thread.run_sync(_kept, states) if states else {})
        return data

    _follow(blocks, capture)
    blocks.process_api = process_api  # type: ignore[method-assign]
    blocks.preprocess_data = preprocess_data  # type: ignore[method-assign]
    blocks.postprocess_data = postprocess_data  # type: ignore[method-assign]
    process_api.capture = capture  # type: ignore[attr-defined]
    return capture


def _follow(blocks: Blocks, capture: Capture) -> None:
    """When *blocks* is put in another page, where it then runs, watch that page, too."""
    render = blocks.render

    def rendered() -> Any:
        result = render()  # type: ignore[no-untyped-call]
        page = Context.root_block
        if page is not None and page is not blocks:
            watch(page).listeners.extend(capture.listeners)
        return result

    blocks.render = rendered  # type: ignore[method-assign]


def capture_of(blocks: Blocks | None) -> Capture | None:
    """What remembers for *blocks*, if anything does."""
    return getattr(getattr(blocks, "process_api", None), "capture", None)


class _Call:
    """The arguments of a call of `Blocks.process_api` that matter here."""

    def __init__(
        self,
        blocks: Blocks,
        block_fn: Any,
        inputs: list[Any],
        state: Any = None,  # noqa: ARG002
        request: Any = None,
        iterator: Any = None,
        session_hash: str | None = None,  # noqa: ARG002
        event_id: str | None = None,
        **_others: Any,
    ) -> None:
        self.function = blocks.fns[block_fn] if isinstance(block_fn, int) else block_fn
        self.inputs, self.request, self.iterator = inputs, request, iterator
        self.event_id = event_id

    def is_ours(self) -> bool:
        """Whether it is no prediction."""
        return _is_ours(self.function)

    def runs(self, capture: Capture) -> list[Run]:
        """One run, or one for each sample of a batch."""
        if not self.function.batch:
            request = self.request[0] if isinstance(self.request, list) else self.request
            return [capture.begin(self.function, self.inputs, request, self.iterator)]
        samples = [list(sample) for sample in zip(*self.inputs, strict=False)]
        requests = self.request if isinstance(self.request, list) else [self.request] * len(samples)
        return [
            capture.begin(self.function, sample, request, None)
            for sample, request in zip(samples, requests, strict=False)
        ]


async def _end(capture: Capture, run: Run, output: Any) -> None:
    """Remember *run* as far as it came; when it has ended, tell who listens."""
    goes_on = run.error is None and bool(output.get("is_generating"))
    if goes_on:
        capture.suspend(run, output["iterator"])
    session = session_of(run.request)
    if session:
        await anyio.to_thread.run_sync(lambda: capture.remember(session, run, goes_on=goes_on))
    if not goes_on:
        for listener in capture.listeners:
            await listener(run)


def filled(run: Run) -> Iterator[tuple[int, Component, Any]]:
    """The outputs that *run* gave a value: position, component, payload."""
    for n, (component, payload) in enumerate(zip(run.function.outputs, run.outputs, strict=False)):
        if isinstance(component, Component) and not component.stateful:
            if not is_update(payload):
                yield n, component, payload
            elif "value" in payload:
                yield n, component, payload["value"]


def predictors_of(blocks: Blocks) -> list[Any]:
    """The functions of *blocks* that are neither Flagstone's nor only the browser's."""
    return [function for function in blocks.fns.values() if not _is_ours(function)]


def is_reset(component: Component, payload: Any) -> bool:
    """Whether *payload* is no value, or the one that *component* begins with."""
    return _is_blank(payload) or payload == as_sent(getattr(component, "value", None))


def _is_blank(payload: Any) -> bool:
    match payload:
        case dict():
            return all(map(_is_blank, payload.values()))
        case list() | tuple():
            return all(map(_is_blank, payload))
    return payload is None or payload == ""


def _written_by(blocks: Blocks) -> set[int]:
    """The numbers of the components that functions of *blocks* write to."""
    return {
        number_of(component)
        for function in predictors_of(blocks)
        for component in function.outputs
        if isinstance(component, Component)
    }


def _is_ours(function: Any) -> bool:
    """Whether it is no prediction: a function of Flagstone's, or one of the browser's."""
    called = function.fn
    return called is None or _module_of(called).startswith("flagstone.gradio.")


def _is_cached_example(function: Any) -> bool:
    """Whether Gradio shows an example by *function*: its inputs, or the answer from its cache."""
    is_example = _module_of(function.fn).startswith("gradio.helpers")
    return is_example and any(isinstance(c, gradio.Dataset) for c in function.inputs)


def error_facts(error: Exception) -> dict[str, str]:
    """What a record says of what a prediction raised."""
    return {
        "type": type(error).__name__,
        "message": str(error),
        "traceback": "".join(traceback.format_exception(error)),
    }


def _states_of(components: Any, given: Any) -> dict[int, Any]:
    return {
        number_of(component): value
        for component, value in zip(components, given, strict=False)
        if getattr(component, "stateful", False)
    }


def _kept(values: Mapping[int, Any]) -> dict[int, Kept]:
    return {number: keep(value) for number, value in values.items()}


def _item(items: list[Any], number: int, default: Any) -> Any:
    return items[number] if number < len(items) else default


def _is_end_of_generator(predictions: Any) -> bool:
    first = predictions[0] if isinstance(predictions, list | tuple) and predictions else predictions
    return first is gradio.components._Keywords.FINISHED_ITERATING  # noqa: SLF001 - Gradio's mark


def _module_of(function: Any) -> str:
    return str(getattr(function, "__module__", None) or type(function).__module__)
