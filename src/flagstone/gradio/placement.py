"""
The flag panel in a Blocks of one's own, and in a demo that somebody else built.
"""

import inspect
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar, Unpack

import gradio
from gradio.blocks import Block, Blocks
from gradio.components import Button, Component
from gradio.context import Context
from gradio.flagging import FlagMethod

from flagstone.errors import AmbiguousFieldsError
from flagstone.gradio.auto_mode import ask_consent, keep_each
from flagstone.gradio.callbacks import DEFAULT_FOLDER, FlagLogger
from flagstone.gradio.chat.interface import attach_to_chat
from flagstone.gradio.executor import unwrap
from flagstone.gradio.nesting import inside
from flagstone.gradio.payloads.fields import components_of, name_of, number_of, page_of
from flagstone.gradio.recording.policy import RuleOptions
from flagstone.gradio.recording.watcher import watch
from flagstone.gradio.ui.panel import Asking, Options, Panel
from flagstone.stores.base import Store

Given = Component | Sequence[Component] | None
Demo = TypeVar("Demo", bound=Blocks)


def flag_panel(
    inputs: Given = None,
    outputs: Given = None,
    store: str | Path | Store | None = None,
    options: Options = (),
    *,
    comment: bool = True,
    correction: bool = True,
    label: str = "⚑ Flag",
    mode: str = "manual",
    app: str | None = None,
    **rules: Unpack[RuleOptions],
) -> Button | None:
    """
    Place, in the Blocks that is being built, a Flag button and the panel that it opens.

    *inputs* and *outputs* are the components that a flag is of. *store* is a URL, a path or a
    `Store`, by default `flags.db` where Gradio keeps its flags. *options* are shown as chips. With
    *mode* "auto" there is no button: each call of a function from just these inputs to just these
    outputs is kept. *app* names the demo in the records; without it, the title of the page does.

    Returns the button, if there is one. Raises `ValueError` outside of a Blocks.
    """
    page = Context.root_block
    if page is None:
        raise ValueError(
            "flag_panel() is called within a Blocks, `with gr.Blocks() as demo:`, "
            "and not within gr.render."
        )
    if mode not in ("manual", "auto"):
        raise ValueError(f"mode is 'manual' or 'auto', not {mode!r}")
    taken, made = _as_list(inputs), _as_list(outputs)
    if not taken and not made:
        raise ValueError("flag_panel() needs the components to flag: inputs=…, outputs=…")
    callback = FlagLogger(store)
    callback.setup([*taken, *made], DEFAULT_FOLDER, app=app, **rules)
    callback.recorder.fields.declare_last(len(made))
    capture = watch(page)
    if mode == "auto":
        capture.listeners.append(keep_each(callback.recorder, taken, made))
        ask_consent(callback.recorder)
        return None
    button = Button(label)
    asking = Asking(options=options, comment=comment, correction=correction)
    Panel(callback.recorder, asking).opened_by(button)
    return button


def attach(
    demo: Demo,
    store: str | Path | Store | None = None,
    options: Options = (),
    *,
    inputs: Given = None,
    outputs: Given = None,
    comment: bool = True,
    correction: bool = True,
    app: str | None = None,
    **others: Any,
) -> Demo:
    """
    Add the flag panel to a *demo* that somebody else built: an Interface, a ChatInterface, Blocks.

    An Interface gets it in place of its own Flag buttons, a ChatInterface gets thumbs (or
    *options*) that are kept. For other Blocks *inputs* and *outputs* say which fields; without
    them, those of its only function count. The other arguments are those of `flag_panel`; a chat
    takes the rules, and shows options by their values.

    Returns *demo*. Raises `AmbiguousFieldsError` where there are several functions, or none.
    """
    asked: dict[str, Any] = {"comment": comment, "correction": correction, "app": app, **others}
    if isinstance(demo, gradio.ChatInterface):
        if inputs or outputs or others.keys() - RuleOptions.__annotations__:
            raise TypeError(
                "A chat takes options, comment, correction, app and rules, and nothing else: "
                "its replies are what is flagged."
            )
        attach_to_chat(demo, store, options, **asked)
    elif inputs is None and outputs is None and isinstance(demo, gradio.Interface):
        _attach_to_interface(demo, store=store, options=options, **asked)
    else:
        if inputs is None and outputs is None:
            inputs, outputs = _fields_of(demo)
        with demo:
            flag_panel(inputs, outputs, store, options, **asked)
    return demo


def _attach_to_interface(demo: gradio.Interface, *, options: Options, **asked: Any) -> None:
    """Put the panel where the Flag buttons are, else below the outputs."""
    inputs, outputs = components_of(demo)
    page = page_of([*inputs, *outputs]) or demo  # the one that *demo* was built in, if any
    buttons = [
        page.blocks[target]
        for function in page.fns.values()
        if _is_flag_method(function.fn, demo.flagging_callback)
        for target, _ in function.targets
        if target is not None and isinstance(page.blocks.get(target), Button)
    ]
    beside: Any = (buttons or outputs or inputs)[0]
    for button in buttons:
        button.visible = False
    own: Options = [pair for pair in demo.flagging_options if pair[1]] if buttons else ()
    asked["app"] = asked["app"] or name_of(demo)
    column = beside.parent.parent if buttons else beside.parent
    with inside(page, column):
        flag_panel(inputs, outputs, options=options or own, **asked)


def _is_flag_method(function: Any, callback: Any) -> bool:
    """Whether *function* hands flags to *callback*, and is not what resets its button on Clear."""
    method = unwrap(function)
    is_reset = getattr(inspect.unwrap(function), "__name__", "") == "reset"
    return isinstance(method, FlagMethod) and method.flagging_callback is callback and not is_reset


def _fields_of(demo: Blocks) -> tuple[list[Component], list[Component]]:
    """The inputs and outputs of the only function of *demo* that has both."""
    found: dict[tuple[tuple[int, ...], tuple[int, ...]], Any] = {}
    for function in demo.fns.values():
        inputs, outputs = _components(function.inputs), _components(function.outputs)
        is_example = any(isinstance(component, gradio.Dataset) for component in inputs)
        if function.fn is not None and inputs and outputs and not is_example:
            key = (tuple(number_of(c) for c in inputs), tuple(number_of(c) for c in outputs))
            found.setdefault(key, (inputs, outputs, function.name))
    if len(found) != 1:
        raise AmbiguousFieldsError(functions=[name for *_, name in found.values()])
    ((inputs, outputs, _),) = found.values()
    return inputs, outputs


def _components(blocks: Iterable[Block]) -> list[Component]:
    return [block for block in blocks if isinstance(block, Component)]


def _as_list(fields: Given) -> list[Component]:
    if fields is None:
        return []
    return [fields] if isinstance(fields, Component) else list(fields)
