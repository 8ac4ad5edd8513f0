"""
Browser code for events: expressions that use the functions of `panel.js` and `chat.js`.
"""

import functools
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import gradio

HIDDEN: dict[str, Any] = (
    {"api_visibility": "undocumented"}
    if int(gradio.__version__.split(".")[0]) >= 6  # noqa: PLR2004
    else {"show_api": False}
)
"""Event arguments that hide an event from the page's documented API."""


def script(expression: str) -> str:
    """Return a browser function that returns *expression*; `values` are its inputs."""
    return f"async (...values) => {{\n{_functions('panel.js')}\nreturn {expression};\n}}"


def chat_script(expression: str) -> str:
    """As `script`, with the functions of `chat.js` as well."""
    functions = f"{_functions('panel.js')}\n{_functions('chat.js')}"
    return f"async (...values) => {{\n{functions}\nreturn {expression};\n}}"


def told_as_text(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap *function* so that its result, or the first of its results, is sent as JSON text."""

    @functools.wraps(function)
    def tell(*args: Any) -> Any:
        answer = function(*args)
        if isinstance(answer, tuple):
            return json.dumps(answer[0]), *answer[1:]
        return json.dumps(answer)

    return tell


def change(*, after: int = 0, **update: Any) -> str:
    """Return a browser function that waits *after* milliseconds, then updates one component."""
    wait = f"await new Promise(done => setTimeout(done, {after})); " if after else ""
    return f"async () => {{ {wait}return {json.dumps({'__type__': 'update', **update})} }}"


@cache
def _functions(file: str) -> str:
    lines = (Path(__file__).parent / file).read_text().splitlines()
    return "\n".join(line for line in lines if line and not line.startswith("//"))
