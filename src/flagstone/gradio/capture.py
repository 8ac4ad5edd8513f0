"""
What the server itself produced, remembered so that a flag can be told from a forged one.

A flag says what its page saw, and anybody can post one. So each call of a function of the page is
remembered for its session: digests of what went in and came out, never the data. A flag whose
fields agree with them is verified. For each session the latest calls are kept, and for all sessions
together a bounded number, those seen least recently going first.
"""

import hashlib
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import anyio
import gradio
from gradio.blocks import Blocks
from gradio.components import Component
from gradio.context import Context, LocalContext

from flagstone.gradio.digests import digest_of
from flagstone.gradio.fields import number_of
from flagstone.gradio.payload import is_update
from flagstone.gradio.person import session_of

RUNS_OF_A_SESSION = 50
FIELDS_OF_A_SESSION = 500
"""The most calls of a session that are remembered, and the most fields of them together."""

FIELDS_OF_ALL = 200_000
"""The most fields that are remembered of all sessions together; each takes 200 to 500 bytes."""


@dataclass(kw_only=True)
class Run:
    """
    One call of a function of the page, with payloads as the page has them.

    `function` is Gradio's `BlockFunction`, with the function as `fn` and components on both sides.
    `outputs` of a generator are those of its last step. `seconds` is the time that the calls took.
    """

    function: Any
    inputs: list[Any]
    request: Any = None
    outputs: list[Any] = field(default_factory=list)
    seconds: float = 0.0
    error: Exception | None = None
    digests: dict[int, bytes] = field(default_factory=dict)
    trace: "_Trace | None" = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Trace:
    """What is remembered of a run; digests by the number of the component."""

    function: Callable[..., Any]
    inputs: Mapping[int, bytes]
    outputs: Mapping[int, bytes]
    seconds: float

    def agrees(self, inputs: Mapping[int, bytes]) -> bool:
        """Whether those of *inputs* that it took, or filled itself, are what it had."""
        had = {**self.outputs, **self.inputs}
        return all(had.get(number, digest) == digest for number, digest in inputs.items())


Listener = Callable[[Run], Awaitable[None]]


class Capture:
    """
    What one running Blocks produced.

    `listeners` hear of each call that has ended. `apps` are the names of the demos on the page.
    `fields` is how many fields are remembered, and one for each call.
    """

    def __init__(self) -> None:
        self.listeners: list[Listener] = []
        self.apps: list[str] = []
        self._sessions: OrderedDict[bytes, deque[_Trace]] = OrderedDict()
        self.fields = 0
        self._lock = Lock()
        self._unfinished: WeakKeyDictionary[Any, Run] = WeakKeyDictionary()

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
        with self._lock:
            traces = list(self._sessions.get(_short(session), ()))
        if functions is not None:
            traces = [trace for trace in traces if trace.function in functions]
        used = [_latest(traces, number, digest, inputs) for number, digest in outputs.items()]
        if not used or None in used:
            return None
        taken = {number for trace in used if trace for number in (*trace.inputs, *trace.outputs)}
        if not taken.issuperset(inputs):
            return None
        return sum({id(trace): trace.seconds for trace in used if trace}.values())

    def remember(self, session: str, run: Run) -> None:
        """Remember the digests of *run*."""
        made = {
            number_of(component): digest_of(component, payload)
            for _, component, payload in filled(run)
        }
        trace = _Trace(
            function=run.function.fn,
            inputs=run.digests,
            outputs=made,
            seconds=run.seconds,
        )
        key = _short(session)
        with self._lock:
            traces = self._sessions.setdefault(key, deque())
            self._sessions.move_to_end(key)
            if run.trace is not None and run.trace in traces:  # the generator's step before
                traces.remove(run.trace)
                self.fields -= _size(run.trace)
            run.trace = trace
            traces.append(trace)
            self.fields += _size(trace)
            while len(traces) > RUNS_OF_A_SESSION or sum(map(_size, traces)) > FIELDS_OF_A_SESSION:
                self.fields -= _size(traces.popleft())
            while self.fields > FIELDS_OF_ALL:
                _, forgotten = self._sessions.popitem(last=False)
                self.fields -= sum(map(_size, forgotten))

    def begin(self, function: Any, inputs: list[Any], request: Any, iterator: Any) -> Run:
        """The run that a call begins, or, with the *iterator* of a generator, goes on with."""
        run = self._unfinished.pop(iterator, None) if iterator is not None else None
        if run is None:
            run = Run(function=function, inputs=inputs, request=request)
            run.digests = {
                number_of(component): digest_of(component, payload)
                for component, payload in zip(function.inputs, inputs, strict=False)
                if isinstance(component, Component) and not component.stateful
            }
        return run

    def suspend(self, run: Run, iterator: Any) -> None:
        """*run* goes on when *iterator* is called again; it goes with it, too."""
        self._unfinished[iterator] = run


_made: ContextVar[list[list[Any]]] = ContextVar("made")
"""What the call that this task works on has produced so far, a list for each of its samples."""


def watch(blocks: Blocks) -> Capture:
    """From now on remember what *blocks* produces; the same `Capture` for each call with it."""
    found = capture_of(blocks)
    if found is not None:
        return found
    capture = Capture()
    process, postprocess = blocks.process_api, blocks.postprocess_data

    async def process_api(*args: Any, **kwargs: Any) -> Any:
        call = _Call(blocks, *args, **kwargs)
        if call.is_ours():
            return await process(*args, **kwargs)
        made: list[list[Any]] = []
        _made.set(made)
        LocalContext.event_id.set(call.event_id)  # by which a listener may say something
        runs = await anyio.to_thread.run_sync(call.runs, capture)
        start = time.perf_counter()

        async def end(output: Any, error: Exception | None = None) -> None:
            for number, run in enumerate(runs):
                run.seconds += time.perf_counter() - start
                run.error = error
                run.outputs = made[number] if number < len(made) else run.outputs
                await _end(capture, run, output)

        try:
            output = await process(*args, **kwargs)
        except Exception as error:  # not a cancellation: it ends nothing, what was given stands
            await end({}, error)
            raise
        await end(output)
        return output

    async def postprocess_data(block_fn: Any, predictions: Any, *args: Any, **kwargs: Any) -> Any:
        data = await postprocess(block_fn, predictions, *args, **kwargs)
        if not _is_end_of_generator(predictions):
            _made.get([]).append(list(data))
        return data

    _follow(blocks, capture)
    blocks.process_api = process_api  # type: ignore[method-assign]
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
        """Whether it is no prediction: a function of Flagstone's, or one of the browser's."""
        called = self.function.fn
        return called is None or _module_of(called).startswith("flagstone.gradio.")

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
    if session and run.error is None:
        await anyio.to_thread.run_sync(capture.remember, session, run)
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


def _latest(
    traces: list[_Trace], number: int, digest: bytes, inputs: Mapping[int, bytes]
) -> _Trace | None:
    """The latest of *traces* that made this of component *number* from *inputs*."""
    for trace in reversed(traces):
        if trace.outputs.get(number) == digest and trace.agrees(inputs):
            return trace
    return None


def _is_end_of_generator(predictions: Any) -> bool:
    first = predictions[0] if isinstance(predictions, list | tuple) and predictions else predictions
    return first is gradio.components._Keywords.FINISHED_ITERATING  # noqa: SLF001 - Gradio's mark


def _short(session: str | None) -> bytes:
    """A key for *session*, whose name the page makes up, as long as it likes."""
    return hashlib.blake2b(str(session).encode("utf-8", "replace"), digest_size=16).digest()


def _module_of(function: Any) -> str:
    return str(getattr(function, "__module__", None) or type(function).__module__)


def _size(trace: _Trace) -> int:
    return len(trace.inputs) + len(trace.outputs) + 1
