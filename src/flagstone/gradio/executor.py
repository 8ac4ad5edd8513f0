"""
Threads in which flags wait for their store: Gradio's own are left to the predictions.
"""

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

_MAX_ITEMS = 40
"""As many as Gradio has for predictions; a store puts together what waits at once."""

_threads = ThreadPoolExecutor(_MAX_ITEMS, thread_name_prefix="flagstone")


def in_thread(function: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    """*function*, to be awaited while it runs in a thread of ours, in the context of its caller."""

    @functools.wraps(function)
    async def run(*args: Any) -> Any:
        call = functools.partial(copy_context().run, function, *args)
        return await asyncio.get_running_loop().run_in_executor(_threads, call)

    return run


def unwrap(function: Any) -> Any:
    """What *function* is a method of, be it run `aside` or not; else what it wraps, or itself."""
    unwrapped = inspect.unwrap(function)
    return getattr(unwrapped, "__self__", unwrapped)
