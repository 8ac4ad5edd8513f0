"""
A thread pool for saving flags, so that Gradio's own threads stay free for predictions.
"""

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

_MAX_ITEMS = 40
"""As many threads as Gradio has for predictions; a store batches what waits at the same time."""

_threads = ThreadPoolExecutor(_MAX_ITEMS, thread_name_prefix="flagstone")


def in_thread(function: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    """Return an async *function* that runs in our threads, in the context of its caller."""

    @functools.wraps(function)
    async def run(*args: Any) -> Any:
        call = functools.partial(copy_context().run, function, *args)
        return await asyncio.get_running_loop().run_in_executor(_threads, call)

    return run


def unwrap(function: Any) -> Any:
    """Return the object that *function*, perhaps wrapped, is a method of; else the function."""
    unwrapped = inspect.unwrap(function)
    return getattr(unwrapped, "__self__", unwrapped)
