"""
Flags as the page sends them: over HTTP, to a demo that is running.
"""

import gradio
import httpx

from flagstone.gradio.threads import behind


def post_flag(demo: gradio.Blocks, data: list[object], **launch: object) -> httpx.Response:
    """Press the first Flag button of *demo* as the page does."""
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", **launch)
    try:
        with httpx.Client(base_url=url) as client:
            if auth := launch.get("auth"):
                client.post("/login", data=dict(zip(("username", "password"), auth, strict=True)))
            number = next(
                n for n, f in demo.fns.items()
                if isinstance(behind(f.fn), gradio.flagging.FlagMethod)
                or getattr(f.fn, "__name__", "") == "flag"
            )  # fmt: skip
            prefix = "" if gradio.__version__.startswith("4.") else "/gradio_api"
            return client.post(
                f"{prefix}/run/predict",
                json={"data": data, "fn_index": number, "session_hash": "session1"},
            )
    finally:
        demo.close()
