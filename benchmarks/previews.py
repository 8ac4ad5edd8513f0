"""
Measure how previews of hostile images delay other pages, in worker processes and in the server.

    python -m benchmarks.previews

A progressive JPEG of half a megabyte with 3,000 scans, and twelve PNGs of 60 megapixels, are
requested at once; meanwhile another page is requested repeatedly for 20 seconds.
"""

import io
import multiprocessing
import socket
import statistics
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil
import uvicorn
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from flagstone import Value, open_store
from flagstone.review import create_app
from flagstone.review.workers.thumbnail import thumbnail
from flagstone.testing import make_flag

SECONDS = 20
PNGS = 12


def slow_jpeg(scans: int = 3000, side: int = 7700) -> bytes:
    made = io.BytesIO()
    Image.new("L", (side, side), 90).save(made, "JPEG", progressive=True)
    head, *found = made.getvalue().removesuffix(b"\xff\xd9").split(b"\xff\xda")
    return b"\xff\xda".join([head, *found, *[found[-1]] * (scans - len(found))]) + b"\xff\xd9"


def large_png(shade: int, side: int = 7745) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (side, side), (shade, 0, 0)).save(made, "PNG", compress_level=1)
    return made.getvalue()


def serve(app: Any, listener: socket.socket) -> None:
    uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listener])


def serve_apart(listener: socket.socket, folder: str) -> None:
    serve(create_app(open_store(Path(folder) / "flags.db"), token="token"), listener)


def serve_itself(listener: socket.socket, folder: str) -> None:
    """Decode in a thread of the server, as an earlier version did."""
    pictures = sorted(Path(folder).glob("*.picture"))

    def preview(request: Request) -> Response:
        try:
            return Response(thumbnail(pictures[int(request.query_params["n"])].read_bytes()))
        except Exception:  # noqa: BLE001 - any error at all
            return Response(status_code=404)

    routes = [Route("/preview", preview), Route("/", lambda _: PlainTextResponse("a page"))]
    serve(Starlette(routes=routes), listener)


def main() -> None:
    multiprocessing.set_start_method("spawn")
    with tempfile.TemporaryDirectory() as folder:
        paths = fill(Path(folder))
        numbers = [f"/preview?n={n}" for n in range(len(paths))]
        print(f"previews of {len(paths)} hostile pictures, another page meanwhile, {SECONDS} s")
        report("apart, within limits", measure(partial(serve_apart, folder=folder), paths))
        report("in the server itself", measure(partial(serve_itself, folder=folder), numbers))


def fill(folder: Path) -> list[str]:
    """Save the images in a store and as files; return the paths of their previews."""
    paths = []
    with open_store(folder / "flags.db") as store:
        for n, content in enumerate([slow_jpeg(), *map(large_png, range(PNGS))]):
            (folder / f"{n:02}.picture").write_bytes(content)
            ref = store.files.put(io.BytesIO(content), name="a.png" if n else "a.jpg")
            flag = make_flag(str(n), inputs={"picture": Value(kind="image", data=ref)})
            store.append([flag])
            paths.append(f"/preview?flag={flag.id}&sha256={ref.sha256}")
    return paths


def measure(target: Any, paths: list[str]) -> tuple[list[float], int]:
    """Return the seconds of each page, and the peak memory in bytes of all processes."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    process = multiprocessing.Process(target=target, args=[listener])
    process.start()
    with httpx.Client(base_url=url, timeout=600) as client:
        client.get("/", params={"token": "token"}).close()
        client.get("/").raise_for_status()
        before = memory_of(process.pid or 0)
        for path in paths:
            threading.Thread(target=ask, args=[url + path, client.cookies], daemon=True).start()
        times, most, began = [], 0, time.perf_counter()
        while time.perf_counter() - began < SECONDS:
            asked = time.perf_counter()
            client.get("/").raise_for_status()
            times.append(time.perf_counter() - asked)
            most = max(most, memory_of(process.pid or 0) - before)
    for each in psutil.Process(process.pid).children(recursive=True):
        each.kill()
    process.kill()
    process.join()
    return times, most


def ask(url: str, cookies: httpx.Cookies) -> None:
    try:
        httpx.get(url, cookies=cookies, timeout=600)
    except httpx.HTTPError:  # the server was killed
        return


def memory_of(pid: int) -> int:
    process = psutil.Process(pid)
    total = 0
    for each in (process, *process.children(recursive=True)):
        try:
            total += each.memory_info().rss
        except psutil.Error:  # it has just exited
            continue
    return total


def report(what: str, measured: tuple[list[float], int]) -> None:
    times, most = measured
    print(
        f"  {what}: {1000 * statistics.median(times):.0f} ms (median), "
        f"{1000 * max(times):.0f} ms (worst), {most / 1e6:,.0f} MB more memory"
    )


if __name__ == "__main__":
    main()
