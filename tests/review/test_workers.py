"""
Previews and models of files that are made to hurt: the page goes on, and nothing is left running.
"""

import asyncio
import io
import os
import socket
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

import httpx
import numpy as np
import psutil
import pytest
from hostile_files import large_png, slow_jpeg
from starlette.requests import Request
from test_login import running

from flagstone import Value
from flagstone.review import create_app
from flagstone.review.workers.pool import Bounded, Limits
from flagstone.stores.memory import MemoryStore
from flagstone.testing import make_flag

T = TypeVar("T")
LIMITS = Limits(cpu=5, wall=10, memory=1024, size=1_000_000)


@pytest.fixture(scope="module")
def slow():
    content = slow_jpeg()
    assert len(content) < 500_000
    assert content.count(b"\xff\xda") > 3000
    return content


def workers() -> list[psutil.Process]:
    """The processes that read files for this one, and those that they have begun."""
    found = psutil.Process().children()
    ours = [each for each in found if any("workers/worker.py" in word for word in _line(each))]
    return [*ours, *(child for each in ours for child in each.children())]


def _line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:  # it has just ended
        return []


def in_use() -> int:
    """The memory that they have, in bytes."""
    total = 0
    for each in workers():
        try:
            total += each.memory_info().rss
        except psutil.Error:
            continue
    return total


def in_a_loop(work: Coroutine[Any, Any, T]) -> T:
    """What *work* gives, in a thread of its own: where Chromium is driven this one has a loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def ask(
    bounded: Bounded, *keys: str, content: bytes, argument: str = "image"
) -> list[bytes | None]:
    """What is answered to those who ask at once, and wait."""

    async def never() -> dict[str, str]:
        return await asyncio.Future()

    async def all_at_once() -> list[bytes | None]:
        request = Request({"type": "http"}, never)
        asked = (bounded.ask(request, key, argument, lambda: io.BytesIO(content)) for key in keys)
        return await asyncio.gather(*asked)

    return in_a_loop(all_at_once())


def send(url: str, path: str) -> socket.socket:
    """Ask for a page, and do not wait for it."""
    host, _, port = url.removeprefix("http://").partition(":")
    connection = socket.create_connection((host, int(port)), 60)
    head = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n"
    connection.sendall(f"{head}Cookie: {send.cookies}\r\n\r\n".encode())
    return connection


def test_hostile_pictures_hold_up_no_page(slow):
    """
    While a JPEG of 3,000 scans and pictures of 60 megapixels are read, pages come, and what reads
    them stays within its memory; the pictures have previews, the JPEG has none.
    """
    store, paths = MemoryStore(), []
    for n, content in enumerate([slow, *map(large_png, range(4))]):
        ref = store.files.put(io.BytesIO(content), name=["a.jpg", "a.png"][n > 0])
        flag = make_flag(str(n), outputs={"picture": Value(kind="image", data=ref)})
        store.append([flag])
        paths.append(f"/preview?flag={flag.id}&sha256={ref.sha256}")
    with running(create_app(store, token="token")) as url, httpx.Client(base_url=url) as client:
        client.get("/?token=token")
        send.cookies = "; ".join(f"{name}={text}" for name, text in client.cookies.items())
        connections = [send(url, path) for path in paths for _ in range(10)]
        pages, most = 0, 0
        while workers()[2:] or pages == 0:
            client.get(["/", "/news", "/static/style.css"][pages % 3]).raise_for_status()
            pages, most = pages + bool(workers()[2:]), max(most, in_use())
        statuses = [int(each.makefile("rb").readline().split()[1]) for each in connections]

    assert statuses == [404] * 10 + [200] * 40
    assert pages > 0
    assert most < 2 * (1024 + 100) * 2**20


def test_what_nobody_waits_for_is_ended(slow):
    """
    When those who asked have gone away, what reads the file for them ends before its time.
    """
    store = MemoryStore()
    ref = store.files.put(io.BytesIO(slow), name="a.jpg")
    flag = make_flag(outputs={"picture": Value(kind="image", data=ref)})
    store.append([flag])
    before = {each.pid for each in workers()}
    with running(create_app(store, token="token")) as url:
        cookies = httpx.get(url, params={"token": "token"}).cookies
        send.cookies = "; ".join(f"{name}={text}" for name, text in cookies.items())
        asked = [send(url, f"/preview?flag={flag.id}&sha256={ref.sha256}") for _ in range(3)]
        while len(workers()) < len(before) + 2:
            assert httpx.get(f"{url}/static/style.css").status_code == 200
        for connection in asked:
            connection.close()
        while new := [each for each in workers() if each.pid not in before]:
            for each in new:
                with suppress(psutil.Error):  # it has just ended
                    assert each.cpu_times().user < 4  # of the 5 seconds that it may take


@pytest.mark.parametrize(
    "limits",
    [
        Limits(cpu=1, wall=60, memory=1024, size=1_000_000),
        Limits(cpu=60, wall=1, memory=1024, size=1_000_000),
        Limits(cpu=60, wall=60, memory=64, size=1_000_000),
        Limits(cpu=60, wall=60, memory=1024, size=1_000),
    ],
    ids=["cpu", "wall", "memory", "size"],
)
def test_each_limit_holds(slow, limits):
    """
    What needs more time, memory or bytes than it may is ended, and the next file is read.
    """
    bounded = Bounded("thumbnail", limits, at_once=1)

    assert ask(bounded, "slow", content=slow) == [None]

    small = io.BytesIO()
    from PIL import Image

    Image.new("RGB", (20, 20)).save(small, "PNG")
    (found,) = ask(bounded, "small", content=small.getvalue())
    assert found is not None
    assert found.startswith(b"RIFF")


def test_nothing_is_read_twice():
    """
    Who asks for the same at once, or later, gets what was read once; also that there is nothing.
    """
    opened = []

    def content() -> io.BytesIO:
        opened.append(1)
        return io.BytesIO(b"no picture")

    async def never() -> dict[str, str]:
        return await asyncio.Future()

    async def many() -> list[bytes | None]:
        request = Request({"type": "http"}, never)
        asked = (bounded.ask(request, "a", "image", content) for _ in range(20))
        return await asyncio.gather(*asked)

    bounded = Bounded("thumbnail", LIMITS, at_once=2)
    assert in_a_loop(many()) + in_a_loop(many()) == [None] * 40
    assert len(opened) == 1


def test_an_error_of_the_store_is_told_and_not_kept():
    """
    A file that cannot be opened now can be a moment later.
    """
    bounded = Bounded("thumbnail", LIMITS, at_once=1)

    async def never() -> dict[str, str]:
        return await asyncio.Future()

    def fail() -> io.BytesIO:
        raise OSError("the bucket is away")

    async def once() -> None:
        await bounded.ask(Request({"type": "http"}, never), "a", "image", fail)

    with pytest.raises(OSError, match="the bucket is away"):
        in_a_loop(once())
    small = io.BytesIO()
    from PIL import Image

    Image.new("L", (9, 9)).save(small, "PNG")
    assert ask(bounded, "a", content=small.getvalue())[0]


@pytest.mark.parametrize(
    ("reader", "argument", "content"),
    [("thumbnail", "image", b""), ("model3d", "obj", b"v 0 0 0\n")],
)
def test_no_secret_of_the_environment_reaches_them(reader, argument, content, monkeypatch):
    """
    What reads files of strangers has of the environment what Python needs, and nothing else.
    """
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("FLAGSTONE_PROXY_SECRET", "s3cret")
    bounded = Bounded(reader, LIMITS, at_once=1)
    ask(bounded, "a", content=content, argument=argument)

    found = [each.environ() for each in workers()]

    needed = {"PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH"} & set(os.environ)
    allowed = needed | {"OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "LC_CTYPE"}
    assert found
    assert all(set(each) <= allowed for each in found)


def test_sounds_are_read_by_the_same_process():
    """
    A picture and a sound, one after the other, and again after the process was ended.
    """
    import soundfile

    bounded = Bounded("thumbnail", LIMITS, at_once=1)
    sound = io.BytesIO()
    soundfile.write(sound, np.zeros(800), 8000, format="WAV")
    for n in range(2):
        (found,) = ask(bounded, f"sound {n}", content=sound.getvalue(), argument="audio")
        assert found is not None
        assert found.startswith(b"<svg")
        for each in workers():
            each.kill()
