"""
What a page does, without a browser: it calls functions of a running demo over HTTP.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gradio
import httpx
from ports import free_port

from flagstone.gradio.executor import unwrap

PREFIX = "" if gradio.__version__.startswith("4.") else "/gradio_api"


class Page:
    """One page of a running *demo*, with a session of its own."""

    def __init__(self, demo: gradio.Blocks, client: httpx.Client, session: str) -> None:
        self.demo = demo
        self.client = client
        self.session = session

    def call(self, number: int, data: list[Any], **body: Any) -> httpx.Response:
        """Call function *number* of the demo with *data*, as its page does."""
        return self.post(
            "run/predict", {"data": data, "fn_index": number, "session_hash": self.session} | body
        )

    def post(self, place: str, body: dict[str, Any]) -> httpx.Response:
        """Post *body* to a *place* of Gradio's API, in ASCII: text may hold what UTF-8 cannot."""
        headers = {"content-type": "application/json"}
        content = json.dumps(body)
        return self.client.post(f"{PREFIX}/{place}", content=content, headers=headers)

    def url(self, place: str) -> str:
        """The path of a *place* of Gradio's API."""
        return f"{PREFIX}/{place}"

    def last_event(self, place: str, parameters: dict[str, str]) -> Any:
        """The data of the event with which a stream at *place* completes."""
        with self.client.stream("GET", f"{PREFIX}/{place}", params=parameters) as stream:
            event = ""
            for line in stream.iter_lines():
                if line.startswith("event: "):
                    event = line.removeprefix("event: ")
                if line.startswith("data: "):
                    data = json.loads(line.removeprefix("data: "))
                    is_message = isinstance(data, dict) and "msg" in data
                    if event in ("complete", "error") or (
                        is_message and data["msg"] == "process_completed"
                    ):
                        return data
        raise EOFError(place)

    def predict(self, *data: Any) -> list[Any]:
        """The outputs of the demo's own function, the first that it has."""
        answer = self.call(self.number_of("predict", "<lambda>", "fn"), list(data))
        return answer.json()["data"]

    def flag(self, *data: Any) -> httpx.Response:
        """Press the first Flag button, or Save of the panel."""
        return self.call(self.number_of("FlagMethod", "_keep"), list(data))

    def number_of(self, *names: str) -> int:
        """The number of the first function with one of these *names*."""
        return numbers_of(self.demo, *names)[0]


def numbers_of(demo: gradio.Blocks, *names: str) -> list[int]:
    """The numbers of the functions with one of these *names*, or methods of such a class."""
    numbers = [
        number
        for number, function in demo.fns.items()
        if {type(unwrap(function.fn)).__name__, getattr(function.fn, "__name__", "")} & set(names)
    ]
    if not numbers:
        raise LookupError(names)
    return numbers


@contextmanager
def running(demo: gradio.Blocks, **launch: Any) -> Iterator[Any]:
    """Launch *demo* and give a function that opens pages of it: `page(session="a")`."""
    demo.queue(api_open=True)
    place = {"server_name": "127.0.0.1", "server_port": free_port()}
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **place, **launch)
    clients = []

    def page(session: str = "session1", **client: Any) -> Page:
        clients.append(httpx.Client(base_url=url, timeout=30, **client))
        return Page(demo, clients[-1], session)

    try:
        yield page
    finally:
        for client in clients:
            client.close()
        demo.close()
