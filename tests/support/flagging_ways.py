"""
The ways a flag is made, and the places a demo is built in, with every component on both sides.
"""

import copy
import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import fastapi
import gradio
import httpx
import uvicorn
from component_cases import CASES, GRADIO, Files, sent
from demo_page import PREFIX, Page, running
from gradio.components import Component
from gradio.data_classes import GradioModel, GradioRootModel
from gradio.processing_utils import move_files_to_cache
from ports import free_port

import flagstone.gradio as gr
from flagstone.gradio.payloads.kinds import kind_of
from flagstone.stores.base import Store

TITLE = "Matrix"


class Sides:
    """A component of each case of *names* as an input, another as an output, and what both hold."""

    def __init__(self, names: list[str], files: Files) -> None:
        self.names = names
        self._files = files
        self.inputs = [self._make(name, "in") for name in names]
        self.outputs = [
            taken if taken.stateful else self._make(name, "out")  # as Gradio's Interface has it
            for name, taken in zip(names, self.inputs, strict=True)
        ]
        pairs = zip(names, self.inputs, strict=True)
        self.payloads = [self._payload(name, component) for name, component in pairs]
        for name, taken, made, payload in zip(
            names, self.inputs, self.outputs, self.payloads, strict=True
        ):
            if not made.stateful:
                _let_hold(made, payload)
            if GRADIO in CASES[name].unread:
                taken.preprocess = lambda payload: payload

    def fn(self, *given: Any) -> Any:
        """Let each output hold what its case holds; change in place what can be changed."""
        for value in given:
            if isinstance(value, list):
                value.append("changed by the function")
            elif isinstance(value, dict):
                value["changed"] = "by the function"
        made = copy.deepcopy(self.payloads)
        return made[0] if len(made) == 1 else made

    def _make(self, name: str, side: str) -> Component:
        case = CASES[name]
        component = case.make()
        component.label = f"{name}, {side}"
        if component.stateful and side == "in":
            component.value = case.payload(self._files)
        if side == "in" and kind_of(component) == "chat":  # what nobody can have made up
            component.value = self._payload(name, component)
        return component

    def _payload(self, name: str, component: Component) -> Any:
        case = CASES[name]
        if case.value is None:
            return _without_urls(case.payload(self._files))
        shown = component.postprocess(case.value(self._files))
        if isinstance(shown, GradioModel | GradioRootModel):
            shown = shown.model_dump()
        return sent(move_files_to_cache(shown, component, postprocess=True))


def _without_urls(data: Any) -> Any:
    """*data* with files of no address: the page of the running demo gives them one of its own."""
    if isinstance(data, dict):
        is_file = "meta" in data and not str(data.get("url")).startswith("data:")
        address = {"url": None} if is_file else {}
        return {key: _without_urls(part) for key, part in data.items()} | address
    return type(data)(map(_without_urls, data)) if isinstance(data, list | tuple) else data


def _let_hold(component: Component, payload: Any) -> None:
    """Let *component* make *payload* of whatever a function returns, in the form that it would."""
    model = component.data_model
    component.postprocess = lambda _value: payload if model is None else model.from_json(payload)


# --- the ways ------------------------------------------------------------------------------------


def pressed(sides: Sides, store: Store) -> gradio.Blocks:
    return _interface(sides, store)


def automatic(sides: Sides, store: Store) -> gradio.Blocks:
    return _interface(sides, store, flagging_mode="auto")


def panel(sides: Sides, store: Store) -> gradio.Blocks:
    return _interface(sides, store, flagging_comment=True)


def attached(sides: Sides, store: Store) -> gradio.Blocks:
    demo = gradio.Interface(sides.fn, sides.inputs, sides.outputs, title=TITLE)
    return gr.attach(demo, store, correction=False)


def automatic_panel(sides: Sides, store: Store) -> gradio.Blocks:
    with _blocks(sides) as demo:
        gr.flag_panel(sides.inputs, sides.outputs, store, mode="auto")
    return demo


def callback(sides: Sides, store: Store) -> gradio.Blocks:
    with _blocks(sides) as demo:
        logger = gr.FlagLogger(store)
        fields = [*sides.inputs, *sides.outputs]
        logger.setup(fields, "unused")

        def press(*values):
            logger.flag(list(values))

        gradio.Button("Flag").click(press, fields, None, preprocess=False)
    return demo


def _interface(sides: Sides, store: Store, **arguments: Any) -> gradio.Blocks:
    return gr.Interface(
        sides.fn, sides.inputs, sides.outputs, title=TITLE,
        flagging_callback=gr.FlagLogger(store), **arguments,
    )  # fmt: skip


@contextmanager
def _blocks(sides: Sides) -> Iterator[gradio.Blocks]:
    with gradio.Blocks(title=TITLE) as demo:
        for component in dict.fromkeys((*sides.inputs, *sides.outputs)):
            component.render()
        gradio.Button("Run").click(sides.fn, sides.inputs, sides.outputs, api_name="run")
        yield demo


WAYS = {
    "pressed": pressed,
    "auto": automatic,
    "panel": panel,
    "panel auto": automatic_panel,
    "callback": callback,
    "attached": attached,
}


# --- the places ----------------------------------------------------------------------------------

Make = Callable[[], gradio.Blocks]


def alone(make: Make) -> gradio.Blocks:
    return make()


def in_blocks(make: Make) -> gradio.Blocks:
    with gradio.Blocks() as page:
        make()
    return page


def in_a_tab(make: Make) -> gradio.Blocks:
    with gradio.Blocks() as page, gradio.Tab("one"), gradio.Row():
        make()
    return page


def rendered_later(make: Make) -> gradio.Blocks:
    demo = make()
    with gradio.Blocks() as page:
        demo.render()
    return page


def in_tabs(make: Make) -> gradio.Blocks:
    return gradio.TabbedInterface([make()], ["one"])


PLACES = {
    "alone": alone,
    "in Blocks": in_blocks,
    "in a Tab": in_a_tab,
    "rendered later": rendered_later,
    "TabbedInterface": in_tabs,
    "mounted": alone,
}


@contextmanager
def opened(place: str, make: Make) -> Iterator[Page]:
    """A page of the demo that *make* makes, built in *place* and served."""
    demo = PLACES[place](make)
    if place == "mounted":
        with _mounted(demo) as page:
            yield page
    else:
        with running(demo) as open_page:
            yield open_page()


@contextmanager
def _mounted(demo: gradio.Blocks) -> Iterator[Page]:
    """*demo* in an application of somebody else's, at an address of its own."""
    demo.queue(api_open=True)
    app = gradio.mount_gradio_app(fastapi.FastAPI(), demo, path="/demo")
    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", ws="none")
    )
    thread = Thread(target=server.run)
    thread.start()
    try:
        transport = httpx.HTTPTransport(retries=50)  # until it listens
        base = f"http://127.0.0.1:{port}/demo"
        with httpx.Client(base_url=base, timeout=60, transport=transport) as client:
            yield Page(demo, client, "session1")
    finally:
        server.should_exit = True
        thread.join()


# --- who posts -----------------------------------------------------------------------------------


def as_browser(data: Any) -> Any:
    """*data* as a page posts it that was sent it."""
    match data:
        case dict():
            return {key: as_browser(part) for key, part in data.items()}
        case list() | tuple():
            return [as_browser(part) for part in data]
        case float() if not math.isfinite(data):
            return None
        case float() if data.is_integer() and abs(data) < 1e21:
            return int(data)
    return data


def predict_as_browser(page: Page, number: int, data: list[Any]) -> list[Any]:
    """What function *number* gives, asked as a page asks: through the queue."""
    page.post("queue/join", {"data": data, "fn_index": number, "session_hash": page.session})
    message = page.last_event("queue/data", {"session_hash": page.session})
    assert message["success"], message
    return message["output"]["data"]


def predict_as_program(page: Page, number: int, data: list[Any]) -> list[Any]:
    """What function *number* gives, asked as a program asks: by its name in the API."""
    name = page.demo.fns[number].api_name
    body = {"data": data, "session_hash": page.session}
    if GRADIO < 6:  # a call that is joined later is of no session there
        return page.post(f"run/{name}", body).json()["data"]
    event = page.post(f"call/{name}", body).json()["event_id"]
    return page.last_event(f"call/{name}/{event}", {})


POSTERS = {
    "page": (as_browser, predict_as_browser),
    "program": (lambda data: json.loads(json.dumps(data)), predict_as_program),
}

__all__ = ["PLACES", "POSTERS", "PREFIX", "WAYS", "Sides", "opened"]
