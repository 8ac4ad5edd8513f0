"""
A program that reads files of strangers: each in a process of its own, within limits.

    python -P worker.py

A job on its standard input is a line `READER ARGUMENT BYTES SECONDS MEGABYTES` and so many bytes;
an answer is a line `1 BYTES` and the bytes, or `0 0` for what cannot be read. READER is a file
beside this one: its `prepare(argument)` loads libraries once, `read(argument, content)` gives the
bytes. It imports nothing of Flagstone, so that it starts fast, and ends when nobody has asked for a
while, or when who asks has ended.
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
    """Answer one job after the other."""
    if hasattr(os, "nice"):
        os.nice(10)  # whoever waits for a page goes first
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
    """What *reader* makes of *content* in a process of its own; None where that ends otherwise."""
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
    except BaseException:  # noqa: BLE001 - of a damaged file a decoder tells by any error at all
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
