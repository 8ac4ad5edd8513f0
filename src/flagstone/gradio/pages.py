"""
A demo that is built on afterwards, or put in another page, such as a tab.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from gradio.blocks import Blocks
from gradio.context import Context

from flagstone.files import safe_name
from flagstone.gradio.callbacks import StoreCallback
from flagstone.gradio.capture import watch
from flagstone.gradio.fields import name_of, text_of, title_of
from flagstone.gradio.keeping import Keeper
from flagstone.record import unique_names


@contextmanager
def inside(demo: Blocks, block: Any) -> Iterator[None]:
    """Build on in *block* of *demo*, which was built before; it may be *demo* itself."""
    with demo, nullcontext() if block is demo else block:
        yield


def settle(demo: Any, keeper: Keeper, callback: StoreCallback, *, folder: str | None) -> None:
    """
    Let *demo*, just rendered into another page, keep its flags as one of several.

    Its app is its title, else its tab, else its function, with a number if that is taken. With
    *folder*, the default one, its flags get a folder of their own below it.
    """
    page = Context.root_block
    if page is None or page is demo:
        return
    capture = watch(page)
    tab = getattr(Context.block, "label", None)
    name = title_of(demo) or text_of(tab) or name_of(demo) or "demo"
    (keeper.app,) = unique_names([name], taken=capture.apps)
    capture.apps.append(keeper.app)
    if folder is not None:
        place = Path(folder) / safe_name(keeper.app)
        keeper.store = callback.open_store(place, keeper.fields.names)
