"""
Which components a flag is of: their names, what each is, and which of them are outputs.

A callback is given a list of components and is not told which the model saw and which it made.
The running Blocks knows: it has the functions that the page calls, with their inputs and outputs.
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
    Which fields are outputs, by position, and how that is known.

    The demo's author declared it, a run of the session told, the functions of the page did, or it
    is unknown.
    """

    outputs: frozenset[int]
    known: Literal["declared", "run", "found", "unknown"]


class Fields:
    """
    The components that one `setup` was given.

    *outputs* are those of them that the model made, if the caller says so; `declared` has their
    positions. `optional` are the positions of outputs that a page posts only as inputs: one
    component is both.
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
        """Say which of the components the model made."""
        self.declared = self.positions(outputs)

    def declare_last(self, count: int) -> None:
        """Say that the model made the last *count* fields; a component may be on both sides."""
        total = len(self.components)
        self.declared = frozenset(range(total - count, total))

    def are_running(self) -> bool:
        """Whether all of them belong to the Blocks that is running."""
        blocks = running_blocks()
        return blocks is not None and all(number_of(c) in blocks.blocks for c in self.components)

    def take(self, count: int) -> bool:
        """Whether *count* values are one for each field, or for each that a page posts."""
        total = len(self.components)
        return count in (total, total - len(self.optional))

    def positions(self, components: Iterable[Block]) -> frozenset[int]:
        """The positions of those fields that are among *components*."""
        numbers = {number_of(component) for component in components}
        return frozenset(n for n, c in enumerate(self.components) if number_of(c) in numbers)


def components_of(interface: gradio.Interface) -> tuple[list[Component], list[Component]]:
    """The inputs and the outputs of *interface*, both of which Gradio fills as it is made."""
    return cast(Any, interface.input_components), cast(Any, interface.output_components)


def page_of(components: Iterable[Component]) -> Blocks | None:
    """The page that is being built, else the one that *components* stand in, if they do."""
    page: Blocks | None = Context.root_block
    for component in () if page is not None else components:
        block: Any = component
        while (block := getattr(block, "parent", None)) is not None:
            page = block if isinstance(block, Blocks) else page
    return page


def running_blocks() -> Blocks | None:
    """The Blocks whose event this thread works on, if any."""
    return LocalContext.blocks.get(None)


def describe(component: Component) -> Mapping[str, Any]:
    """The class of *component* and the arguments that make another one like it."""
    kind = type(component)
    arguments = arguments_of(component)
    if component.label is not None:
        arguments["label"] = text_of(component.label)
    return {"class": f"{kind.__module__}.{kind.__qualname__}", "arguments": arguments}


def arguments_of(component: Component) -> dict[str, Any]:
    """What *component* was made with, but for its value and what cannot be kept as data."""
    return {
        name: copy.deepcopy(argument)  # which a function may be given, and change
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
    """*label*, or the key under which its translations are found."""
    if label is None:
        return ""
    return label if isinstance(label, str) else str(getattr(label, "key", label))


def title_of(demo: Any) -> str:
    """The title of *demo*; "" where it has none, for which Gradio puts its own name."""
    title = text_of(getattr(demo, "title", None))
    return "" if title == "Gradio" else title


def title_here() -> str:
    """The title of the innermost demo that is being built and has one; "" where none has."""
    block: Any = Context.block
    while block is not None:
        if isinstance(block, Blocks) and title_of(block):
            return title_of(block)
        block = getattr(block, "parent", None)
    return ""


def name_of(demo: Any) -> str:
    """The title of *demo*, else the name of its function."""
    return title_of(demo) or str(getattr(demo, "__name__", None) or "")


def number_of(component: Block) -> int:
    """The number by which Gradio tells *component* from all others."""
    number: int = component._id  # noqa: SLF001 - it has no other name
    return number
