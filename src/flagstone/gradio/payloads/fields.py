"""
The fields of a flag: its components, their names and descriptions, and which are outputs.

A callback receives a list of components that does not distinguish inputs from outputs. The running
Blocks does: it has the functions that the page calls, with their inputs and outputs.
"""

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import gradio
from gradio.blocks import Block, Blocks
from gradio.components import Component
from gradio.context import Context, LocalContext

from flagstone.core import codec
from flagstone.core.records import unique_names
from flagstone.errors import UnserializableValueError

_NOT_SHOWN = {"value", "render", "every", "inputs", "load_fn", "key", "preserved_by_key"}


@dataclass(frozen=True, kw_only=True)
class Roles:
    """
    The positions of the outputs, and how they are known.

    `known` is "declared" by the demo's author, "run" (from a run of the session), "found" (from the
    functions of the page), or "unknown".
    """

    outputs: frozenset[int]
    known: Literal["declared", "run", "found", "unknown"]


class Fields:
    """
    The components that one `setup` received.

    *outputs* are the components that the model fills, if known; `declared` has their positions.
    `optional` are the positions of outputs that a page posts only as inputs, because one component
    is both.
    """

    def __init__(
        self, components: Sequence[Component], outputs: Iterable[Component] | None = None
    ) -> None:
        self.components = list(components)
        self.names = unique_names(_label_of(c, n) for n, c in enumerate(self.components))
        self.descriptions = [describe(component) for component in self.components]
        self.declared: frozenset[int] | None = None
        self.optional: frozenset[int] = frozenset()
        if outputs is not None:
            self.declare(outputs)

    def declare(self, outputs: Iterable[Block]) -> None:
        """Declare which of the components are outputs."""
        self.declared = self.positions(outputs)

    def declare_last(self, count: int) -> None:
        """Declare the last *count* fields as outputs; a component may be on both sides."""
        total = len(self.components)
        self.declared = frozenset(range(total - count, total))

    def are_running(self) -> bool:
        """Whether all of them belong to the running Blocks."""
        blocks = running_blocks()
        return blocks is not None and all(number_of(c) in blocks.blocks for c in self.components)

    def take(self, count: int) -> bool:
        """Whether *count* is the number of fields, or of those that a page posts."""
        total = len(self.components)
        return count in (total, total - len(self.optional))

    def positions(self, components: Iterable[Block]) -> frozenset[int]:
        """Return the positions of the fields that are among *components*."""
        numbers = {number_of(component) for component in components}
        return frozenset(n for n, c in enumerate(self.components) if number_of(c) in numbers)


def components_of(interface: gradio.Interface) -> tuple[list[Component], list[Component]]:
    """Return the input and the output components of *interface*."""
    return cast(Any, interface.input_components), cast(Any, interface.output_components)


def page_of(components: Iterable[Component]) -> Blocks | None:
    """Return the page that is being built, else the outermost one that contains *components*."""
    page: Blocks | None = Context.root_block
    for component in () if page is not None else components:
        block: Any = component
        while (block := getattr(block, "parent", None)) is not None:
            page = block if isinstance(block, Blocks) else page
    return page


def running_blocks() -> Blocks | None:
    """Return the Blocks whose event is being handled, if any."""
    return LocalContext.blocks.get(None)


def describe(component: Component) -> Mapping[str, Any]:
    """Return the class of *component* and the arguments that create a copy of it."""
    kind = type(component)
    arguments = arguments_of(component)
    if component.label is not None:
        arguments["label"] = text_of(component.label)
    return {"class": f"{kind.__module__}.{kind.__qualname__}", "arguments": arguments}


def arguments_of(component: Component) -> dict[str, Any]:
    """Return the arguments of *component*, except its value and those that are not data."""
    return {
        name: copy.deepcopy(argument)  # a function could change the original
        for name, argument in component.constructor_args.items()
        if name not in _NOT_SHOWN and _is_keepable(argument)
    }


def _is_keepable(argument: Any) -> bool:
    try:
        codec.dumps(argument)
    except UnserializableValueError:  # a function, a theme: not needed to show a value
        return False
    return True


def _label_of(component: Component, number: int) -> str:
    return text_of(getattr(component, "label", None)) or f"component {number}"


def text_of(label: Any) -> str:
    """Return *label* as text; for a translated label, its translation key."""
    if label is None:
        return ""
    return label if isinstance(label, str) else str(getattr(label, "key", label))


def title_of(demo: Any) -> str:
    """Return the title of *demo*; "" if it has none, which Gradio shows as "Gradio"."""
    title = text_of(getattr(demo, "title", None))
    return "" if title == "Gradio" else title


def title_here() -> str:
    """Return the title of the innermost titled demo that is being built; "" if none has one."""
    block: Any = Context.block
    while block is not None:
        if isinstance(block, Blocks) and title_of(block):
            return title_of(block)
        block = getattr(block, "parent", None)
    return ""


def name_of(demo: Any) -> str:
    """Return the title of *demo*, else the name of its function."""
    return title_of(demo) or str(getattr(demo, "__name__", None) or "")


def number_of(component: Block) -> int:
    """Return Gradio's unique number of *component*."""
    number: int = component._id  # noqa: SLF001 - it has no other name
    return number
