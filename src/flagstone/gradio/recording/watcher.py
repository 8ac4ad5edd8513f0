"""
Watch a running page: record each call of its functions.

Inputs are copied before the call, since a function may change them in place. Outputs are recorded
as they are sent to the page.
"""

import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import anyio
import gradio
from gradio.blocks import Blocks
from gradio.context import Context, LocalContext

from flagstone.gradio.payloads.convert import as_sent, differs_streamed
from flagstone.gradio.payloads.fields import number_of
from flagstone.gradio.recording.call_log import Kept, keep
from flagstone.gradio.recording.capture import Capture, Run, capture_of, is_ours, written_by
from flagstone.gradio.recording.requester import session_of


@dataclass(kw_only=True)
class _Seen:
    """Data recorded so far of the current task's call, with one item per sample of a batch."""

    outputs: list[list[Any]] = field(default_factory=list)
    streamed: list[list[Any] | None] = field(default_factory=list)
    states: list[dict[int, Kept]] = field(default_factory=list)
    made_states: list[dict[int, Kept]] = field(default_factory=list)


_seen: ContextVar[_Seen] = ContextVar("seen")


def watch(blocks: Blocks) -> Capture:
    """
    Start recording the calls of *blocks*; return its `Capture`, the same one each time.

    A demo that is built within another page runs in that page, so the outer page is watched.
    """
    page = Context.root_block
    if page is not None and page is not blocks:
        return watch(page)
    found = capture_of(blocks)
    if found is not None:
        return found
    capture = Capture(lambda: written_by(blocks))
    watched = _Watched(blocks, capture)
    _follow(blocks, capture)
    blocks.process_api = watched.process_api  # type: ignore[method-assign]
    blocks.preprocess_data = watched.preprocess_data  # type: ignore[method-assign]
    blocks.postprocess_data = watched.postprocess_data  # type: ignore[method-assign]
    return capture


class _Watched:
    """Gradio's steps of a call of *blocks*, wrapped to record them in *capture*."""

    def __init__(self, blocks: Blocks, capture: Capture) -> None:
        self._blocks = blocks
        self.capture = capture
        self._process = blocks.process_api
        self._preprocess = blocks.preprocess_data
        self._postprocess = blocks.postprocess_data

    async def process_api(self, *args: Any, **kwargs: Any) -> Any:
        call = _Call(self._blocks, *args, **kwargs)
        if is_ours(call.function):
            return await self._process(*args, **kwargs)
        seen = _Seen()
        _seen.set(seen)
        LocalContext.event_id.set(call.event_id)  # lets a listener show a warning
        runs = await anyio.to_thread.run_sync(call.runs, self.capture)
        start = time.perf_counter()
        try:
            output = await self._process(*args, **kwargs)
        except Exception as error:  # not cancellation: earlier outputs stay valid
            await self._end(call, runs, seen, time.perf_counter() - start, {}, error)
            raise
        await self._end(call, runs, seen, time.perf_counter() - start, output)
        return output

    async def preprocess_data(self, block_fn: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        given = await self._preprocess(block_fn, inputs, *args, **kwargs)
        if (seen := _seen.get(None)) is not None:
            seen.states.append(await _kept(_states_of(block_fn.inputs, given)))
        return given

    async def postprocess_data(
        self, block_fn: Any, predictions: Any, state: Any, *args: Any, **kwargs: Any
    ) -> Any:
        data = await self._postprocess(block_fn, predictions, state, *args, **kwargs)
        if (seen := _seen.get(None)) is not None and not _is_end_of_generator(predictions):
            made = list(data)
            seen.outputs.append(as_sent(made))
            streamed = as_sent(made, streamed=True) if differs_streamed(made) else None
            seen.streamed.append(streamed)
            numbers = [number_of(c) for c in block_fn.outputs if getattr(c, "stateful", False)]
            states = {number: state[number] for number in numbers if state is not None}
            seen.made_states.append(await _kept(states))
        return data

    async def _end(
        self,
        call: "_Call",
        runs: list[Run],
        seen: _Seen,
        seconds: float,
        output: Any,
        error: Exception | None = None,
    ) -> None:
        for number, run in enumerate(runs):
            run.seconds += seconds
            run.error = error
            run.outputs = _item(seen.outputs, number, run.outputs)
            run.streamed = _item(seen.streamed, number, run.streamed)
            run.states = _item(seen.states, number, run.states)
            run.made_states = _item(seen.made_states, number, run.made_states)
            await _end(self.capture, run, output, call.states())


def _follow(blocks: Blocks, capture: Capture) -> None:
    """When *blocks* is rendered in another page, watch that page, too."""
    render = blocks.render

    def rendered() -> Any:
        result = render()  # type: ignore[no-untyped-call]
        page = Context.root_block
        if page is not None and page is not blocks:
            watch(page).listeners.extend(capture.listeners)
        return result

    blocks.render = rendered  # type: ignore[method-assign]


class _Call:
    """The arguments of a call of `Blocks.process_api` that matter here."""

    def __init__(
        self,
        blocks: Blocks,
        block_fn: Any,
        inputs: list[Any],
        state: Any = None,
        request: Any = None,
        iterator: Any = None,
        session_hash: str | None = None,  # noqa: ARG002
        event_id: str | None = None,
        **_others: Any,
    ) -> None:
        self.function = blocks.fns[block_fn] if isinstance(block_fn, int) else block_fn
        self.inputs, self.request, self.iterator = inputs, request, iterator
        self.event_id = event_id
        self._state = state

    def states(self) -> list[Any]:
        """Return the current values of the states that it takes."""
        if self._state is None:
            return []
        stateful = [c for c in self.function.inputs if getattr(c, "stateful", False)]
        return [self._state[number_of(component)] for component in stateful]

    def runs(self, capture: Capture) -> list[Run]:
        """Return one run, or one for each sample of a batch."""
        if not self.function.batch:
            request = self.request[0] if isinstance(self.request, list) else self.request
            return [capture.begin(self.function, self.inputs, request, self.iterator)]
        samples = [list(sample) for sample in zip(*self.inputs, strict=False)]
        requests = self.request if isinstance(self.request, list) else [self.request] * len(samples)
        return [
            capture.begin(self.function, sample, request, None)
            for sample, request in zip(samples, requests, strict=False)
        ]


async def _end(capture: Capture, run: Run, output: Any, left: list[Any]) -> None:
    """
    Remember *run* up to its latest step; call the listeners if it has ended.

    *left* are the current values of the states that it was given.
    """
    goes_on = run.error is None and bool(output.get("is_generating"))
    if goes_on:
        capture.suspend(run, output["iterator"])
    session = session_of(run.request)

    def note() -> None:
        capture.listen(run, left)
        if session:
            capture.remember(session, run, goes_on=goes_on)

    await anyio.to_thread.run_sync(note)
    if not goes_on:
        for listener in capture.listeners:
            await listener(run)


def _states_of(components: Any, given: Any) -> dict[int, Any]:
    return {
        number_of(component): value
        for component, value in zip(components, given, strict=False)
        if getattr(component, "stateful", False)
    }


async def _kept(values: Mapping[int, Any]) -> dict[int, Kept]:
    """Return copies of *values*, made in a thread."""

    def copied() -> dict[int, Kept]:
        return {number: keep(value) for number, value in values.items()}

    return await anyio.to_thread.run_sync(copied) if values else {}


def _item(items: list[Any], number: int, default: Any) -> Any:
    return items[number] if number < len(items) else default


def _is_end_of_generator(predictions: Any) -> bool:
    first = predictions[0] if isinstance(predictions, list | tuple) and predictions else predictions
    return first is gradio.components._Keywords.FINISHED_ITERATING  # noqa: SLF001 - Gradio's mark
