"""
What reads a flagged file runs apart, in processes with limits of time and memory; few at once.

A file of a few kilobytes can keep a decoder busy for minutes, or fill the memory. So pages go on
meanwhile; an answer is kept by what was asked, also that there is none; and a process that nobody
waits for any more is ended.
"""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from starlette.requests import Request

_PROGRAM = Path(__file__).with_name("worker.py")
_ENVIRONMENT = ("PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
"""What a process needs to find Python and its libraries; there may be secrets in the rest."""

_MAX_JOBS = 500
"""After so many a process is replaced by a new one."""

_LARGEST_KEPT = 100_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Seconds of the processor, seconds in all, megabytes of memory, and bytes of the file."""

    cpu: int
    wall: float
    memory: int
    size: int


@dataclass(slots=True)
class _Pending:
    """An answer that is waited for by so many."""

    answer: "Future[bytes | None]" = field(default_factory=Future)
    waiters: int = 0
    process: "subprocess.Popen[bytes] | None" = None


class Bounded:
    """Answers of *reader*, a file beside this one, from at most *at_once* processes."""

    def __init__(self, reader: str, limits: Limits, *, at_once: int, most_kept: int = 1000) -> None:
        self._reader = reader
        self._limits = limits
        self._most_kept = most_kept
        self._mutex = threading.Lock()  # guards what follows
        self._kept: OrderedDict[str, bytes | None] = OrderedDict()
        self._pending: dict[str, _Pending] = {}
        self._threads = ThreadPoolExecutor(at_once, "flagstone-bounded")
        self._workers = threading.local()

    async def ask(
        self, request: Request, key: str, argument: str, content: Callable[[], BinaryIO]
    ) -> bytes | None:
        """
        What the reader makes of *content*, a file that *key* names; None for what it cannot read.

        It goes on as long as somebody waits for it who has not gone away.
        """
        with self._mutex:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            pending = self._pending.get(key) or _Pending()
            pending.waiters += 1
            if key not in self._pending:
                self._pending[key] = pending
                self._threads.submit(self._answer, pending, key, argument, content)
        try:
            await _first_of(request, pending.answer)
        finally:
            self._leave(pending, key)
        return pending.answer.result() if pending.answer.done() else None

    def _leave(self, pending: _Pending, key: str) -> None:
        with self._mutex:
            pending.waiters -= 1
            if pending.waiters == 0 and not pending.answer.done():
                if self._pending.get(key) is pending:
                    del self._pending[key]
                if pending.process is not None:
                    _end(pending.process)

    def _answer(
        self, pending: _Pending, key: str, argument: str, content: Callable[[], BinaryIO]
    ) -> None:
        try:
            answer = self._work(pending, argument, content)
        except BaseException as error:  # noqa: BLE001 - told to those who wait
            with self._mutex:
                self._pending.pop(key, None)
            pending.answer.set_exception(error)
            return
        with self._mutex:
            if self._pending.get(key) is pending:  # somebody still waits, or did to the end
                del self._pending[key]
                if answer is None or len(answer) <= _LARGEST_KEPT:
                    self._kept[key] = answer
                while len(self._kept) > self._most_kept:
                    self._kept.popitem(last=False)
        pending.answer.set_result(answer)

    def _work(
        self, pending: _Pending, argument: str, content: Callable[[], BinaryIO]
    ) -> bytes | None:
        if not pending.waiters:  # they went while it waited for its turn
            return None
        with content() as file:
            data = file.read(self._limits.size + 1)
        if len(data) > self._limits.size:
            return None
        if not hasattr(self._workers, "worker"):
            self._workers.worker = _Worker(self._reader, self._limits)
        worker: _Worker = self._workers.worker
        for _ in range(2):  # it may just have ended, for want of work or memory
            with self._mutex:
                if pending.waiters == 0:
                    return None
                pending.process = worker.process()
            try:
                return worker.ask(argument, data)
            except EOFError:
                continue
            finally:
                with self._mutex:
                    pending.process = None
        return None


class _Worker:
    """A process of ours, begun again when it has ended."""

    def __init__(self, reader: str, limits: Limits) -> None:
        self._reader = reader
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._close: Callable[[], object] | None = None
        self._jobs = 0

    def process(self) -> "subprocess.Popen[bytes]":
        """The process, which may have ended for want of work."""
        self._jobs += 1
        if self._process is None or self._process.poll() is not None or self._jobs > _MAX_JOBS:
            if self._close is not None:
                self._close()
            self._jobs = 0
            self._process = _begin()
            self._close = weakref.finalize(self, _close, self._process)
        return self._process

    def ask(self, argument: str, content: bytes) -> bytes | None:
        """The answer, None if there is none in time. Raises `EOFError` if the process has ended."""
        limits = self._limits
        numbers = f"{len(content)} {limits.cpu} {limits.memory}"
        job = f"{self._reader} {argument} {numbers}\n".encode() + content
        process = self.process()
        is_late = threading.Event()
        timer = threading.Timer(limits.wall, _end, [process, is_late])
        timer.daemon = True
        timer.start()
        try:
            return _exchange(process, job)
        except (OSError, ValueError) as error:
            _end(process)
            if is_late.is_set():
                return None
            raise EOFError from error
        finally:
            timer.cancel()


def _exchange(process: "subprocess.Popen[bytes]", job: bytes) -> bytes | None:
    """The answer to *job*. Raises `OSError` or `ValueError` where the process ends before."""
    if process.stdin is None or process.stdout is None:
        raise ValueError("it has no pipes")
    process.stdin.write(job)
    process.stdin.flush()
    is_read, size = map(int, process.stdout.readline().split())
    answer = process.stdout.read(size)
    if len(answer) < size:
        raise ValueError("the answer is cut")
    return answer if is_read else None


def _begin() -> "subprocess.Popen[bytes]":
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    # Each thread of OpenBLAS takes of the memory, and a process that forks must have but one.
    environment |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(  # noqa: S603 - a program of ours
        [sys.executable, "-P", _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, env=environment, cwd=Path("/"), start_new_session=True,
    )  # fmt: skip


def _end(process: "subprocess.Popen[bytes]", is_late: threading.Event | None = None) -> None:
    """End *process* and what it has begun; *is_late* says that this was why."""
    if is_late is not None:
        is_late.set()
    if process.poll() is None:
        with suppress(ProcessLookupError, PermissionError):
            if sys.platform == "win32":
                process.kill()
            else:
                os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _close(process: "subprocess.Popen[bytes]") -> None:
    """End *process* and close its pipes, which nobody else may be using."""
    _end(process)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):  # what could not be sent any more
                pipe.close()


async def _first_of(request: Request, answer: "Future[bytes | None]") -> None:
    """Wait for *answer*, or until who sent *request* has gone away."""
    loop, is_answered = asyncio.get_running_loop(), asyncio.Event()

    def wake(_: object) -> None:
        with suppress(RuntimeError):  # the loop has ended, and nobody waits
            loop.call_soon_threadsafe(is_answered.set)

    answer.add_done_callback(wake)
    tasks = [asyncio.create_task(_gone(request)), asyncio.create_task(is_answered.wait())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


async def _gone(request: Request) -> bool:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    return True
