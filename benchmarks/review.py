"""
Measure the first review page in Chromium: bytes, and milliseconds until its keys work.

    python -m benchmarks.review [--flags N]

The SQLite store has one image per flag; every load is without a cache.
"""

import argparse
import io
import shutil
import socket
import statistics
import tempfile
import threading
from pathlib import Path
from typing import Any

import uvicorn
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from flagstone import Store, Value, open_store
from flagstone.review import create_app
from flagstone.testing import make_flag

LOADS = 15
FLAGS = "--headless --no-sandbox --disable-gpu --disable-background-networking --no-first-run"
READY = """
new MutationObserver((_, observer) => {
  if (!document.documentElement?.dataset.ready) return;
  window.readyAt = performance.now();
  observer.disconnect();
}).observe(document, {subtree: true, attributes: true, childList: true});
"""


def fill(store: Store, flags: int) -> None:
    made = []
    for number in range(flags):
        picture = io.BytesIO()
        Image.new("RGB", (640, 480), (number % 256, 90, 160)).save(picture, "PNG")
        picture.seek(0)
        ref = store.files.put(picture, name=f"picture {number}.png", mime_type="image/png")
        inputs = {"picture": Value(kind="image", data=ref)}
        made.append(make_flag(str(number), inputs=inputs, user=f"user {number % 7}"))
    store.append(made)


def load(page: Page, url: str) -> tuple[float, int]:
    """Return milliseconds until the keys work, and bytes received."""
    received = [0]
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})

    def add(event: dict[str, Any]) -> None:
        received[0] += int(event["encodedDataLength"])

    session.on("Network.loadingFinished", add)
    page.goto(url)
    page.wait_for_function("window.readyAt")
    page.wait_for_load_state("networkidle")
    session.detach()
    return float(page.evaluate("window.readyAt")), received[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flags", type=int, default=500)
    flags = parser.parse_args().flags
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "flags.db") as store:
        fill(store, flags)
        listener = socket.create_server(("127.0.0.1", 0))
        app = create_app(store, token="token")
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            report(f"http://127.0.0.1:{listener.getsockname()[1]}/", flags)
        finally:
            server.should_exit = True
            thread.join()


def report(url: str, flags: int) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=FLAGS.split()
        )
        page = browser.new_page(viewport={"width": 1280, "height": 860})
        page.add_init_script(READY)
        load(page, f"{url}?token=token")
        loads = [load(page, url) for _ in range(LOADS)]
        browser.close()
    times = [ready for ready, _ in loads]
    print(f"first page of {flags:,} flags, {LOADS} loads without a cache")
    print(
        f"  keys work after  {statistics.median(times):.0f} ms (median), {max(times):.0f} (worst)"
    )
    print(f"  bytes            {max(size for _, size in loads):,} with pictures")


if __name__ == "__main__":
    main()
