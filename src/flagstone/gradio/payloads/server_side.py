"""
Data that the server holds and a page refers to only by name: uploaded drawings, and streams.
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
    Return the drawing that an ImageEditor uploaded under *name*: Gradio's `EditorDataBlobs`.

    Returns None if there is none: a submit removes it, and the page then posts files.
    """
    return cast(Any, component).blob_storage.get(name)


def held_stream(path: str) -> Path | None:
    """
    Return a file of the complete stream at *path*: `…/session/run/component/playlist.m3u8`.

    Returns None if the running demo has no such stream of this session, or it has not ended. It is
    always None in Gradio 4, which drops each part once it is played.
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
    if not getattr(stream, "ended", False):  # None, or Gradio 4's list of unplayed parts
        return None
    combining = cast(Any, blocks.blocks[int(component)]).combine_stream(
        [segment["data"] for segment in stream.segments],
        desired_output_format=stream.desired_output_format,
        only_file=True,
    )
    # In a separate thread: an event loop may be running in this one.
    with ThreadPoolExecutor(1) as thread:
        combined = thread.submit(asyncio.run, combining).result()
    return Path(combined.path)
