"""
A program that reads untrusted files, each in its own process with limits.

    python -P worker.py

A job on its standard input is a line `READER ARGUMENT BYTES SECONDS MEGABYTES`, followed by that
many bytes. An answer is a line `1 BYTES` followed by the bytes, or `0 0` if the file cannot be
read. READER is a module in this folder: its `prepare(argument)` loads libraries, and its
`read(argument, content)` returns the bytes. The program imports nothing from Flagstone, so that it
starts fast. It ends when it has been idle for a while, or when its parent has ended.
"""

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
_IDLE_SECONDS = 30
_MAX_FILES = 64
_BLOCK = 1 << 20


def main() -> None:
    """Answer one job at a time."""
    if hasattr(os, "nice"):
        os.nice(10)  # pages have priority
    jobs, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    readers: dict[str, Any] = {}
    while _is_asked() and (line := jobs.readline()):
        name, argument, *numbers = line.decode().split()
        size, seconds, megabytes = map(int, numbers)
        content = jobs.read(size)
        if name not in readers:
            readers[name] = _load(name)
        readers[name].prepare(argument)
        answer = _read_apart(readers[name], argument, content, (seconds, megabytes))
        answers.write(b"0 0\n" if answer is None else b"1 %d\n" % len(answer) + answer)
        answers.flush()


def _is_asked() -> bool:
    if sys.platform == "win32":
        return True
    import select

    return bool(select.select([0], [], [], _IDLE_SECONDS)[0])


def _load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, _HERE / f"{name}.py")
    if spec is None or spec.loader is None:
        raise ImportError(name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _read_apart(
    reader: Any, argument: str, content: bytes, limits: tuple[int, int]
) -> bytes | None:
    """Return what *reader* reads from *content* in a new process; None if that fails."""
    if sys.platform == "win32":
        return _try(reader, argument, content)
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ours)
        _limit(*limits)
        answer = _try(reader, argument, content)
        if answer is not None:
            with os.fdopen(theirs, "wb") as pipe:
                pipe.write(answer)
        os._exit(0 if answer is not None else 1)
    os.close(theirs)
    parts = bytearray()
    while part := os.read(ours, _BLOCK):
        parts += part
    os.close(ours)
    return bytes(parts) if os.waitpid(child, 0)[1] == 0 else None


def _try(reader: Any, argument: str, content: bytes) -> bytes | None:
    try:
        answer: bytes = reader.read(argument, content)
    except BaseException:  # noqa: BLE001 - decoders raise any error for a damaged file
        return None
    return answer


def _limit(seconds: int, megabytes: int) -> None:
    import resource

    for kind, most in (
        (resource.RLIMIT_AS, megabytes << 20),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, _MAX_FILES),
    ):
        resource.setrlimit(kind, (most, most))


if __name__ == "__main__":
    main()
