"""
Flags as the page sends them: over HTTP, to a demo that is running.
"""

import gradio
import httpx
from demo_page import Page, numbers_of


def post_flag(demo: gradio.Blocks, data: list[object], **launch: object) -> httpx.Response:
    """Press the first Flag button of *demo* as the page does."""
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", **launch)
    try:
        with httpx.Client(base_url=url) as client:
            if auth := launch.get("auth"):
                client.post("/login", data=dict(zip(("username", "password"), auth, strict=True)))
            number, *_ = numbers_of(demo, "FlagMethod", "flag")
            return Page(demo, client, "session1").call(number, data)
    finally:
        demo.close()
