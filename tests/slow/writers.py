"""
Processes that append flags, for the tests that race and kill them.

Started from a fork server that has imported the stores, so that a start takes milliseconds.
"""

import io
import itertools
import multiprocessing
import os
import threading
from collections.abc import Callable
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

from flagstone.stores.base import Store
from flagstone.stores.group_commit import GroupCommit
from flagstone.stores.open import open_store
from flagstone.testing import make_flag


def context() -> ForkServerContext:
    forkserver = multiprocessing.get_context("forkserver")
    forkserver.set_forkserver_preload(
        [__name__, "flagstone.stores.sql.store", "flagstone.stores.csv_folder.store"]
    )
    return forkserver


def open_kind(kind: str, place: Path) -> Store:
    match kind:
        case "csv":
            return open_store(place)
        case "sqlite":
            return open_store(place / "flags.db")
        case "sqlite-grouped":
            return GroupCommit(open_store(place / "flags.db"))
    raise ValueError(kind)


def run_threads(number: int, work: Callable[[], None]) -> None:
    threads = [threading.Thread(target=work) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def append_flags(kind: str, place: Path, start: Any, threads: int, flags: int) -> None:
    """From all *threads* at once, *flags* each; *start* is the barrier of all processes."""
    ready = threading.Barrier(threads)

    def work() -> None:
        if ready.wait() == 0:
            start.wait()
        ready.wait()
        for _ in range(flags):
            store.append([make_flag()])

    store = open_kind(kind, place)
    run_threads(threads, work)


def append_until_killed(kind: str, place: Path, acks: Path) -> None:
    """Append without end, from two threads; after each append write the flag's id to *acks*."""
    store = open_kind(kind, place)
    handle = os.open(acks, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    numbers = itertools.count()

    def work() -> None:
        for number in numbers:
            content = f"content {number % 7}".encode()
            files = [store.files.put(io.BytesIO(content), name="a.txt")] if number % 5 == 0 else []
            flag = make_flag(
                f"flag\n{number}, {'x' * (number % 50) * 100}", context={"files": files}
            )
            store.append([flag])
            os.write(handle, f"{flag.id}\n".encode())

    run_threads(2, work)
