"""
Extend a demo after it was built, and handle demos nested in another page, such as a tab.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import gradio
from gradio.blocks import Blocks
from gradio.context import Context

from flagstone.core.records import unique_names
from flagstone.gradio.callbacks import StoreCallback
from flagstone.gradio.payloads.fields import name_of, text_of, title_of
from flagstone.gradio.recording.recorder import Recorder
from flagstone.gradio.recording.watcher import watch
from flagstone.stores.files import safe_name


@contextmanager
def inside(demo: Blocks, block: Any) -> Iterator[None]:
    """
    Add components to *block* of the finished *demo*; *block* may be *demo* itself.

    A demo that was built within another page is part of that page, which is already open.
    """
    is_open = Context.root_block is not None
    with nullcontext() if is_open else demo, nullcontext() if block is demo else block:
        yield


def settle(demo: Any, recorder: Recorder, callback: StoreCallback, *, folder: str | None) -> None:
    """
    Give *demo*, just nested in another page, its own app name and folder.

    The app name is its title, else its tab, else its function, with a number if already used. With
    *folder*, the default one, its flags go to a subfolder of it.
    """
    page = Context.root_block
    if page is None or page is demo:
        return
    capture = watch(page)
    name = title_of(demo) or _tab_of(Context.block) or name_of(demo) or "demo"
    (recorder.app,) = unique_names([name], taken=capture.apps)
    capture.apps.append(recorder.app)
    if folder is not None:
        place = Path(folder) / safe_name(recorder.app)
        recorder.store = callback.open_store(place, recorder.fields.names)


def _tab_of(block: Any) -> str:
    """Return the label of the innermost tab around *block*; "" if there is none."""
    while block is not None:
        if isinstance(block, gradio.Tab):
            return text_of(block.label)
        block = getattr(block, "parent", None)
    return ""
