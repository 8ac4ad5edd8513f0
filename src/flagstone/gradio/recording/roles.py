"""
Determine which fields of a flag are inputs, and which are outputs.

A declaration by the demo's author wins. Otherwise the functions of the page decide: a field that
they fill is an output, but a field that users type in is an input, even if a function writes to it
(a chat clears its textbox, a handler resets a field). The calls of the session distinguish the two:
a field that was only ever reset is not an output, and a field that was taken with another value
than it was last given was typed in.
"""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import gradio
from gradio.blocks import Blocks
from gradio.components import Component

from flagstone.gradio.payloads.fields import Fields, Roles, components_of, number_of
from flagstone.gradio.recording.call_log import Call
from flagstone.gradio.recording.capture import is_reset, predictors_of


def find_roles(
    fields: Fields,
    blocks: Blocks | None,
    calls: Sequence[Call] = (),
    payloads: Mapping[int, Any] | None = None,
) -> Roles:
    """
    Return the roles of *fields* on the page *blocks*, for *payloads* of a session with *calls*.
    """
    if fields.declared is not None:
        return Roles(outputs=fields.declared, known="declared")
    if blocks is None:
        return Roles(outputs=frozenset(), known="unknown")
    payloads = payloads or {}
    read, written = _read_and_written(fields, blocks)
    outputs = set()
    by_calls = False
    for n in written:
        number = number_of(fields.components[n])
        in_doubt = n in read or _was_only_reset(number, calls)
        by_calls |= in_doubt and _is_known(number, calls)
        if not in_doubt or _is_made(fields, n, calls, payloads, is_read=n in read):
            outputs.add(n)
    if len(outputs) == len(fields.components):
        outputs -= read
    outputs -= _given_again(fields, outputs)
    if by_calls:
        return Roles(outputs=frozenset(outputs), known="run")
    return Roles(outputs=frozenset(outputs), known="found" if outputs else "unknown")


def sources_of(blocks: Blocks, outputs: Iterable[int]) -> set[int]:
    """Return the numbers of all components that *outputs* depend on, directly or indirectly."""
    functions = predictors_of(blocks)
    made, sources = set(outputs), set[int]()
    while made:
        taken = {
            number_of(component)
            for function in functions
            if made & {number_of(component) for component in function.outputs}
            for component in function.inputs
        }
        made = taken - sources
        sources |= taken
    return sources


def _given_again(fields: Fields, outputs: Iterable[int]) -> set[int]:
    """Return those of *outputs* whose component is repeated later; the later one is the output."""
    last = {number_of(fields.components[n]): n for n in sorted(outputs)}
    return {n for n in outputs if last[number_of(fields.components[n])] != n}


def find_carried(fields: Fields, blocks: Blocks | None, roles: Roles) -> frozenset[int]:
    """Return the outputs that functions of *blocks* also take, as a chat takes its conversation."""
    if blocks is None or isinstance(blocks, gradio.Interface):
        return frozenset()
    read, written = _read_and_written(fields, blocks)
    return frozenset(read & written & roles.outputs)


def _read_and_written(fields: Fields, blocks: Blocks) -> tuple[set[int], set[int]]:
    """
    Return the positions of the fields that functions take, and of those that they fill.

    Only functions that do both count. This excludes the clear button, which takes none, and the
    flag button, which fills none.
    """
    read: set[int] = set()
    written: set[int] = set()
    if isinstance(blocks, gradio.Interface):
        inputs, outputs = components_of(blocks)
        return set(fields.positions(inputs)), set(fields.positions(outputs))
    for function in predictors_of(blocks):
        taken, made = fields.positions(function.inputs), fields.positions(function.outputs)
        if taken and made:
            read |= taken
            written |= made
        elif made and _comes_from(fields, blocks, function):
            written |= made
    return read, written


def _comes_from(fields: Fields, blocks: Blocks, function: Any) -> bool:
    """Whether the inputs of *function* depend, through other functions, on one of *fields*."""
    sources = sources_of(blocks, map(number_of, function.inputs))
    return any(number_of(component) in sources for component in fields.components)


def _is_made(
    fields: Fields, n: int, calls: Sequence[Call], payloads: Mapping[int, Any], *, is_read: bool
) -> bool:
    """Whether the field at *n* is an output, rather than typed in or only reset."""
    component = fields.components[n]
    number = number_of(component)
    if not _can_be_typed(component):
        return True
    if _was_typed(number, calls):
        return False
    if _was_only_reset(number, calls):
        return not is_read and is_reset(component, payloads.get(n))
    return _is_known(number, calls) or not is_read


def _is_known(number: int, calls: Iterable[Call]) -> bool:
    return any(number in call.outputs for call in calls)


def _was_only_reset(number: int, calls: Iterable[Call]) -> bool:
    given = [number in call.reset for call in calls if number in call.outputs]
    return bool(given) and all(given)


def _was_typed(number: int, calls: Iterable[Call]) -> bool:
    """Whether a call took another value than the field was last given."""
    given = None
    for call in calls:
        taken = call.inputs.get(number)
        if taken is not None and given is not None and taken.seen != given.seen:
            return True
        if taken is not None and given is None and number not in call.blank:
            return True
        given = call.outputs.get(number, given)
    return False


def _can_be_typed(component: Component) -> bool:
    """Whether users can enter a value in *component*."""
    accepted = inspect.signature(type(component).__init__).parameters
    return "interactive" in accepted and getattr(component, "interactive", None) is not False
