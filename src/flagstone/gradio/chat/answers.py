"""
Find the call that made a reply: a call of this session, of another session, or none.

Only calls of the chat's own function count, and answers that Gradio cached for examples: other
functions of the page may return what the page sent them.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any

from gradio.blocks import Blocks
from gradio.components import Component

from flagstone.gradio.chat.messages import Reply
from flagstone.gradio.payloads.fields import Fields, Roles, number_of, running_blocks
from flagstone.gradio.recording.call_log import Call, Kept, find_calls
from flagstone.gradio.recording.capture import Run, capture_of
from flagstone.gradio.recording.digests import digest_of
from flagstone.gradio.recording.origin import Origin, names_of_made_up
from flagstone.gradio.recording.requester import session_of
from flagstone.gradio.recording.watcher import watch

_MAX_ANSWERS = 10_000
"""Number of latest answers remembered across all sessions, to recognize restored replies."""

_FORGOTTEN = "the server no longer has it"
_ANSWERING = ("_submit_fn", "_stream_fn", "example_clicked")


class Answers:
    """The calls that made the replies of the chat on *page*."""

    def __init__(
        self, page: Blocks, fields: Fields, chatbot: Component, others: Sequence[Component]
    ) -> None:
        self._fields, self._others = fields, others
        self._number = number_of(chatbot)
        self._made: OrderedDict[bytes, Call] = OrderedDict()
        self._lock = Lock()
        watch(page).listeners.append(self._hear)

    def origin_of(self, reply: Reply, others: Sequence[Any], request: Any) -> Origin:
        """Return the origin of *reply*; *others* are the page's values of the additional inputs."""
        payloads = dict(enumerate([reply.before, *others, reply.reply]))
        roles = Roles(outputs=self._fields.declared or frozenset(), known="declared")
        origin = Origin(roles=roles, payloads=payloads)
        capture = capture_of(running_blocks())
        if capture is None:
            return origin
        inputs = {
            number_of(component): digest_of(component, payload)
            for component, payload in zip(self._others, others, strict=True)
            if not component.stateful  # a state stays on the server
        }
        calls = [call for call in capture.calls_of(session_of(request)) if self._answers(call)]
        used = find_calls(calls, inputs=inputs, outputs={self._number: reply.digest})
        if used is not None:
            self._fill(origin, used[-1])
        elif self._was_made(reply, inputs):
            origin.word = "restored run"
        else:
            origin.word = "page"
        return origin

    def _fill(self, origin: Origin, call: Call) -> None:
        """Record in *origin* that *call* made the reply, and with which states."""
        is_example = call.function.fn.__name__ == "example_clicked" or call.kind == "cached example"
        if is_example:
            origin.word = "cached example"
        else:
            origin.word = "partial run" if call.steps else "run"
            origin.seconds, origin.function = call.seconds, call.function
        origin.made_up = names_of_made_up([call])
        for n, component in enumerate(self._others, start=1):
            if component.stateful and not is_example:
                kept = call.taken.get(number_of(component), Kept(None, _FORGOTTEN))
                origin.replace(n, self._fields.names[n], kept)

    async def _hear(self, run: Run) -> None:
        """Remember the answer of a finished call."""
        call = run.call
        if call is None or not self._answers(call) or self._number not in call.outputs:
            return
        made = call.outputs[self._number]
        with self._lock:
            for digest in (made.seen, *made.others):
                self._made[digest] = call
            while len(self._made) > _MAX_ANSWERS:
                self._made.popitem(last=False)

    def _was_made(self, reply: Reply, inputs: Mapping[int, bytes]) -> bool:
        """Whether a call of any session made *reply* from *inputs*."""
        call = self._made.get(reply.digest)
        return call is not None and all(
            number in call.inputs and call.inputs[number].matches(posted)
            for number, posted in inputs.items()
        )

    def _answers(self, call: Call) -> bool:
        """Whether *call* is of the chat's own function, or of its cached answers."""
        fills = any(number_of(c) == self._number for c in call.function.outputs)
        name = getattr(call.function.fn, "__name__", "")
        return fills and (name in _ANSWERING or call.kind == "cached example")
