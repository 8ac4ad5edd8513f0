"""
Find where the values of a flag come from: a recorded call, or only the page.

A page posts the values of its fields when Flag is pressed. These may differ from what the function
was given: a chat clears its textbox, a state advances, a number loses digits in JavaScript. If the
call is found, the flag records the values of the call.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from gradio.blocks import Blocks

from flagstone.gradio.payloads.fields import Fields, Roles, number_of, running_blocks
from flagstone.gradio.recording.call_log import Call, Kept, find_calls, keep
from flagstone.gradio.recording.capture import (
    Capture,
    Run,
    capture_of,
    error_facts,
    filled,
    is_reset,
)
from flagstone.gradio.recording.digests import posted_digest_of
from flagstone.gradio.recording.roles import find_carried, find_roles, sources_of

Word = Literal["run", "partial run", "cached example", "restored run", "failed run", "page"]
"""
The source of a flag's values: a call of this session; a call that had not ended; an answer that
Gradio cached for an example; a call of another session, such as a run loaded from Gradio's run
history; a call that raised; only the page.
"""

_NOT_FLAGGED = "it is not among the fields of the flag"
_NOT_AT_THE_CALL = "this is the state of the session when it was flagged, not at the call"
_NOT_HANDED_OVER = "what the call was given is not known"
_FORGOTTEN = "the page lost it, and the server no longer has it"


@dataclass(kw_only=True)
class Origin:
    """
    The source of the values of one flag.

    `payloads` are keyed by field position. `before` holds the values of outputs that the call also
    took as inputs. `carried` are such outputs (a conversation, for example) whose earlier value is
    unknown. `missing` maps the name of an input to the reason why its value is not in the flag.
    `made_up` names inputs with assistant messages that this server never wrote. `word` is None if
    no page is watched.
    """

    roles: Roles
    payloads: dict[int, Any]
    word: Word | None = None
    carried: frozenset[int] = frozenset()
    before: dict[int, Any] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    made_up: list[str] = field(default_factory=list)
    seconds: float | None = None
    error: Mapping[str, str] | None = None
    function: Any = None

    def replace(self, n: int, name: str, kept: Kept) -> None:
        """Set the field at *n* to the *kept* value, or record why it is missing."""
        self.payloads[n] = kept.value()
        if kept.text is None:
            self.missing[name] = kept.reason

    @property
    def verified(self) -> bool | None:
        """Whether the server made these outputs from these inputs; None if unknown."""
        if self.word in ("run", "partial run", "cached example"):
            return None if self._lacks_a_state or self.made_up else True
        return False if self.word == "page" else None

    @property
    def _lacks_a_state(self) -> bool:
        return any(reason != _NOT_FLAGGED for reason in self.missing.values())

    def context(self) -> dict[str, Any]:
        """Return the entries for the flag's context."""
        told: dict[str, Any] = {"outputs_are": self.roles.known}
        if self.word is not None:
            told["origin"] = self.word
            told["replayable"] = self.function is not None and not self.missing
        if self.missing:
            told["missing_inputs"] = self.missing
        if self.made_up:
            told["made_up_inputs"] = self.made_up
        if self.function is not None:
            told["api_name"] = getattr(self.function, "api_name", None) or None
        if self.seconds is not None:
            told["latency"] = self.seconds
        if self.error is not None:
            told["error"] = dict(self.error)
        return told


def find_origin(
    fields: Fields, payloads: Mapping[int, Any], session: str | None, *, is_restored: bool = False
) -> Origin:
    """
    Return the origin of the *payloads* that a page of *session* posts for *fields*.

    *is_restored*: the page says that it was loaded from Gradio's run history.
    """
    blocks = running_blocks()
    capture = capture_of(blocks)
    if blocks is None or capture is None:
        roles = find_roles(fields, blocks)
        carried = find_carried(fields, blocks, roles)
        return Origin(roles=roles, payloads=dict(payloads), carried=carried)
    search = _Search(fields, payloads, blocks, capture, session)
    return search.origin(is_restored=is_restored)


def origin_of_run(fields: Fields, run: Run) -> Origin:
    """Return the origin of *run*, for an automatic flag; *fields* are its inputs, then outputs."""
    roles = Roles(outputs=fields.declared or frozenset(), known="declared")
    word: Word = "failed run" if run.error else "run"
    origin = Origin(roles=roles, payloads=dict(enumerate(run.inputs)), word=word)
    origin.function, origin.seconds = run.function, run.seconds
    origin.made_up = names_of_made_up([run])
    states: dict[int, Kept] = {
        n: run.states.get(number_of(component), Kept(None, _FORGOTTEN))
        for n, component in enumerate(run.function.inputs)
        if component.stateful
    }
    if run.error is None:
        taken = len(run.inputs)
        origin.payloads |= {taken + n: payload for n, _, payload in filled(run)}
        states |= {
            taken + n: run.made_states[number_of(component)]
            for n, component in enumerate(run.function.outputs)
            if number_of(component) in run.made_states
        }
    else:
        origin.error = error_facts(run.error)
    for n, kept in states.items():
        origin.replace(n, fields.names[n], kept)
    return origin


def names_of_made_up(calls: Iterable[Call | Run]) -> list[str]:
    """Return the labels of the inputs of *calls* with made-up assistant messages."""
    names = [
        str(getattr(component, "label", None) or f"input {place}")
        for call in calls
        for place, component in enumerate(call.function.inputs)
        if number_of(component) in call.made_up
    ]
    return list(dict.fromkeys(names))


class _Search:
    """The search for the call, or calls, that produced the flagged values."""

    def __init__(
        self,
        fields: Fields,
        payloads: Mapping[int, Any],
        blocks: Blocks,
        capture: Capture,
        session: str | None,
    ) -> None:
        self._fields, self._blocks, self._capture = fields, blocks, capture
        self._payloads = dict(payloads)
        self._calls = capture.calls_of(session)
        self._posted = {
            n: posted_digest_of(fields.components[n], payload)
            for n, payload in payloads.items()
            if not fields.components[n].stateful  # a state stays on the server
        }
        self._roles = find_roles(fields, blocks, self._calls, self._payloads)
        self._unify()

    def origin(self, *, is_restored: bool) -> Origin:
        inputs, outputs = self._digests()
        if outputs:
            used = find_calls(self._calls, inputs=inputs, outputs=outputs)
            if used is not None:
                return self._of_calls(used)
            failed = self._find_failed(inputs)
            if failed is not None:
                return self._of_failed(failed)
            elsewhere = self._capture.find_elsewhere(inputs=inputs, outputs=outputs)
            if elsewhere is not None or is_restored:
                return self._of_page("restored run", elsewhere)
        return self._of_page("page" if outputs else None)

    def _unify(self) -> None:
        """For a component that is input and output but posted once, find which value it holds."""
        for n in sorted(self._fields.optional - self._payloads.keys()):
            first = self._numbers().index(self._numbers()[n])
            posted = self._posted.get(first)
            if posted is not None and any(
                call.made(self._numbers()[n], posted) for call in self._calls
            ):
                self._payloads[n], self._posted[n] = self._payloads[first], posted

    def _numbers(self) -> list[int]:
        return [number_of(component) for component in self._fields.components]

    def _digests(self) -> tuple[dict[int, bytes], dict[int, bytes]]:
        """Return the digests of posted inputs and of posted outputs, by component number."""
        numbers = self._numbers()
        outputs = {numbers[n]: d for n, d in self._posted.items() if n in self._roles.outputs}
        used = sources_of(self._blocks, outputs)
        inputs = {
            numbers[n]: digest
            for n, digest in self._posted.items()
            if n not in self._roles.outputs
            and numbers[n] not in outputs  # if it is both, the page has only the output
            and numbers[n] in used  # the others do not affect these outputs
        }
        return inputs, outputs

    def _of_calls(self, calls: list[Call]) -> Origin:
        unfinished = any(call.steps for call in calls)
        is_example = any(call.kind == "cached example" for call in calls)
        word: Word = "partial run" if unfinished else "cached example" if is_example else "run"
        origin = self._new(word)
        origin.seconds = None if is_example else sum(call.seconds for call in calls)
        origin.made_up = names_of_made_up(calls)
        self._fill(origin, calls)
        return origin

    def _of_failed(self, call: Call) -> Origin:
        """Return the origin for a failed call; outputs on the page are older, so drop them."""
        origin = self._new("failed run")
        origin.seconds, origin.error = call.seconds, call.error
        for n in self._roles.outputs:
            origin.payloads.pop(n, None)
        self._fill(origin, [call])
        return origin

    def _of_page(self, word: Word | None, call: Call | None = None) -> Origin:
        origin = self._new(word)
        origin.carried = find_carried(self._fields, self._blocks, self._roles)
        for n in self._fields.optional:
            origin.payloads.pop(n, None)  # the input, posted twice
        for n, component in enumerate(self._fields.components):
            if component.stateful and n in origin.payloads:
                kept = call.taken.get(number_of(component)) if call else None
                payload = origin.payloads[n]
                origin.replace(n, self._fields.names[n], kept or keep(payload))
                if kept is None and n not in self._roles.outputs:
                    reason = _NOT_HANDED_OVER if payload is None else _NOT_AT_THE_CALL
                    origin.missing.setdefault(self._fields.names[n], reason)
        return origin

    def _new(self, word: Word | None) -> Origin:
        return Origin(roles=self._roles, payloads=dict(self._payloads), word=word)

    def _fill(self, origin: Origin, calls: list[Call]) -> None:
        """Replace the page's values with the values that *calls* took and returned."""
        for n, component in enumerate(self._fields.components):
            if n not in origin.payloads:
                continue
            number = number_of(component)
            if n in self._roles.outputs:
                self._fill_output(origin, n, number, calls)
            else:
                self._fill_input(origin, n, number, calls)
        origin.function = calls[0].function if len(calls) == 1 else None
        for call in reversed(calls):  # in a chain the first call wins
            self._fill_before(origin, call)

    def _fill_input(self, origin: Origin, n: int, number: int, calls: list[Call]) -> None:
        component = self._fields.components[n]
        for call in calls:
            if component.stateful and number in call.taken:
                origin.replace(n, self._fields.names[n], call.taken[number])
            elif number in call.inputs and not call.inputs[number].matches(self._posted[n]):
                origin.replace(
                    n, self._fields.names[n], call.taken.get(number, Kept(None, _FORGOTTEN))
                )

    def _fill_output(self, origin: Origin, n: int, number: int, calls: list[Call]) -> None:
        for call in calls:
            kept = call.given.get(number)
            if self._fields.components[n].stateful:
                if kept is not None:
                    origin.replace(n, self._fields.names[n], kept)
            elif (
                kept is not None
                and kept.text is not None
                and number in call.outputs
                and call.outputs[number].matches(self._posted[n])
            ):
                origin.payloads[n] = kept.value()

    def _fill_before(self, origin: Origin, call: Call) -> None:
        """Record the outputs that *call* took as inputs, and its inputs that are not flagged."""
        numbers = self._numbers()
        inputs = {numbers[n] for n in origin.payloads if n not in self._roles.outputs}
        outputs = {numbers[n]: n for n in self._roles.outputs if n in self._payloads}
        for place, component in enumerate(call.function.inputs):
            number = number_of(component)
            if number in inputs or call.kind == "cached example":
                continue
            if number in outputs:
                kept = call.taken.get(number, Kept(None, _FORGOTTEN))
                origin.before[outputs[number]] = kept.value()
                if kept.text is None:
                    origin.missing[self._fields.names[outputs[number]]] = kept.reason
            else:
                label = getattr(component, "label", None)
                origin.missing[str(label or f"input {place}")] = _NOT_FLAGGED

    def _find_failed(self, inputs: Mapping[int, bytes]) -> Call | None:
        """Return the latest call if it raised, took *inputs*, and the page shows nothing newer."""
        call = self._calls[-1] if self._calls else None
        if call is None or call.error is None:
            return None
        took_them = all(
            number not in call.inputs or call.inputs[number].matches(posted)
            for number, posted in inputs.items()
        )
        numbers = self._numbers()
        written = {number_of(component) for component in call.function.outputs}
        is_old = all(
            numbers[n] in written and self._is_old(n)
            for n in self._roles.outputs & self._posted.keys()
        )
        return call if took_them and is_old else None

    def _is_old(self, n: int) -> bool:
        """Whether the output at *n* is empty, or shows the result of an earlier call."""
        component = self._fields.components[n]
        return is_reset(component, self._payloads[n]) or any(
            call.made(number_of(component), self._posted[n]) for call in self._calls
        )
