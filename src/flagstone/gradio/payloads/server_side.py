"""
What the running demo holds for a page that names it only: drawings sent ahead, and streams.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

from gradio.components import Component
from gradio.context import LocalContext

from flagstone.gradio.payloads.fields import running_blocks


def held_drawing(component: Component, name: str) -> Any:
    """
    What the page of an ImageEditor sent ahead under this *name*: Gradio's `EditorDataBlobs`.

    None where there are none: a submit takes them away, and the page sends files then.
    """
    return cast(Any, component).blob_storage.get(name)


def held_stream(path: str) -> Path | None:
    """
    The file of all that was streamed to *path*: `…/session/run/component/playlist.m3u8`.

    None where the running demo has no such stream of this session, or has not ended it. Gradio 4
    forgets each part as it is played, and so never has one.
    """
    blocks = running_blocks()
    request = LocalContext.request.get(None)
    *_, session, run, component, _ = ["", "", "", *path.split("/")]
    if blocks is None or session != getattr(request, "session_hash", None):
        return None
    streams = {
        (str(number), str(output)): stream
        for number, outputs in blocks.pending_streams.get(session, {}).items()
        for output, stream in outputs.items()
    }
    stream: Any = streams.get((run, component))
    if not getattr(stream, "ended", False):  # none, or Gradio 4's list of what is not played yet
        return None
    combining = cast(Any, blocks.blocks[int(component)]).combine_stream(
        [segment["data"] for segment in stream.segments],
        desired_output_format=stream.desired_output_format,
        only_file=True,
    )
    # A thread of its own: where we are called from, a loop may be running.
    with ThreadPoolExecutor(1) as thread:
        combined = thread.submit(asyncio.run, combining).result()
    return Path(combined.path)
