"""
Add the flag panel to your own Blocks (`flag_panel`), or to a finished demo (`attach`).
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
    Place a Flag button and its panel in the Blocks that is being built.

    *inputs* and *outputs* are the components to flag. *store* is a URL, a path or a `Store`, by
    default `flags.db` in Gradio's flagging directory. *options* are shown as chips. With *mode*
    "auto" there is no button: each call of a function with exactly these inputs and outputs is
    saved. *app* is the demo's name in the records, by default the title of the page.

    Returns the button, or None in automatic mode. Raises `ValueError` outside a Blocks context.
    """
    page = Context.root_block
    if page is None:
        raise ValueError(
            "flag_panel() must be called inside a Blocks context, `with gr.Blocks() as demo:`, "
            "and not inside gr.render."
        )
    if mode not in ("manual", "auto"):
        raise ValueError(f"mode must be 'manual' or 'auto', not {mode!r}")
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
    Add the flag panel to a finished *demo*: an Interface, a ChatInterface or Blocks.

    In an Interface the panel replaces the Flag buttons. A ChatInterface gets thumbs (or *options*)
    that are saved as flags. For other Blocks, *inputs* and *outputs* are the fields to flag, by
    default those of its only function. The other arguments are those of `flag_panel`; a chat
    accepts only the rules, and shows options by their values.

    Returns *demo*. Raises `AmbiguousFieldsError` if there is not exactly one function to flag.
    """
    asked: dict[str, Any] = {"comment": comment, "correction": correction, "app": app, **others}
    if isinstance(demo, gradio.ChatInterface):
        if inputs or outputs or others.keys() - RuleOptions.__annotations__:
            raise TypeError(
                "A chat accepts only options, comment, correction, app and rules: "
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
    """Place the panel where the Flag buttons are, else below the outputs."""
    inputs, outputs = components_of(demo)
    page = page_of([*inputs, *outputs]) or demo  # the page that *demo* was built in, if any
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
    """Whether *function* passes flags to *callback*, and is not the one that resets its button."""
    method = unwrap(function)
    is_reset = getattr(inspect.unwrap(function), "__name__", "") == "reset"
    return isinstance(method, FlagMethod) and method.flagging_callback is callback and not is_reset


def _fields_of(demo: Blocks) -> tuple[list[Component], list[Component]]:
    """Return the inputs and outputs of the only function of *demo* that has both."""
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
