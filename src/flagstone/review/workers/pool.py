"""
Pool of a few worker processes with limits of time and memory, which read flagged files.

A file of a few kilobytes can keep a decoder busy for minutes, or fill the memory. So pages do not
wait for other pages' files; answers are cached, including failures; and a process whose answer no
request waits for is killed.
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
"""Variables needed to find Python and its libraries; the others may hold secrets."""

_MAX_JOBS = 500
"""Number of jobs after which a process is replaced."""

_LARGEST_KEPT = 100_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Limits: CPU seconds, wall-clock seconds, megabytes of memory, and bytes of the file."""

    cpu: int
    wall: float
    memory: int
    size: int


@dataclass(slots=True)
class _Pending:
    """An answer that *waiters* requests wait for."""

    answer: "Future[bytes | None]" = field(default_factory=Future)
    waiters: int = 0
    process: "subprocess.Popen[bytes] | None" = None


class Bounded:
    """Runs *reader*, a module in this folder, in at most *at_once* processes."""

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
        Return the reader's answer for *content*, a file identified by *key*; None if it fails.

        The job runs as long as at least one waiting client is connected.
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
        except BaseException as error:  # noqa: BLE001 - raised in the waiting requests
            with self._mutex:
                self._pending.pop(key, None)
            pending.answer.set_exception(error)
            return
        with self._mutex:
            if self._pending.get(key) is pending:  # requests still wait, or waited to the end
                del self._pending[key]
                if answer is None or len(answer) <= _LARGEST_KEPT:
                    self._kept[key] = answer
                while len(self._kept) > self._most_kept:
                    self._kept.popitem(last=False)
        pending.answer.set_result(answer)

    def _work(
        self, pending: _Pending, argument: str, content: Callable[[], BinaryIO]
    ) -> bytes | None:
        if not pending.waiters:  # all clients disconnected while it was queued
            return None
        with content() as file:
            data = file.read(self._limits.size + 1)
        if len(data) > self._limits.size:
            return None
        if not hasattr(self._workers, "worker"):
            self._workers.worker = _Worker(self._reader, self._limits)
        worker: _Worker = self._workers.worker
        for _ in range(2):  # it may just have ended: idle, or out of memory
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
    """A worker process, restarted when it has ended."""

    def __init__(self, reader: str, limits: Limits) -> None:
        self._reader = reader
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._close: Callable[[], object] | None = None
        self._jobs = 0

    def process(self) -> "subprocess.Popen[bytes]":
        """Return the process, and start one if there is none; it may end when idle."""
        self._jobs += 1
        if self._process is None or self._process.poll() is not None or self._jobs > _MAX_JOBS:
            if self._close is not None:
                self._close()
            self._jobs = 0
            self._process = _begin()
            self._close = weakref.finalize(self, _close, self._process)
        return self._process

    def ask(self, argument: str, content: bytes) -> bytes | None:
        """Return the answer; None if it is not in time. Raises `EOFError` if the process ended."""
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
    """Return the answer to *job*. Raises `OSError` or `ValueError` if the process ends first."""
    if process.stdin is None or process.stdout is None:
        raise ValueError("it has no pipes")
    process.stdin.write(job)
    process.stdin.flush()
    is_read, size = map(int, process.stdout.readline().split())
    answer = process.stdout.read(size)
    if len(answer) < size:
        raise ValueError("the answer is incomplete")
    return answer if is_read else None


def _begin() -> "subprocess.Popen[bytes]":
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    # Each OpenBLAS thread uses memory, and a process that forks must have only one thread.
    environment |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-P", _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, env=environment, cwd=Path("/"), start_new_session=True,
    )  # fmt: skip


def _end(process: "subprocess.Popen[bytes]", is_late: threading.Event | None = None) -> None:
    """Kill *process* and its children; *is_late* is set if the reason is a timeout."""
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
    """Kill *process* and close its pipes, which must not be in use."""
    _end(process)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):  # unsent data
                pipe.close()


async def _first_of(request: Request, answer: "Future[bytes | None]") -> None:
    """Wait for *answer*, or until the client of *request* disconnects."""
    loop, is_answered = asyncio.get_running_loop(), asyncio.Event()

    def wake(_: object) -> None:
        with suppress(RuntimeError):  # the loop is closed, and nothing waits
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
