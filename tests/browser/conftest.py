"""
Chromium, and demos to point it at. Servers listen on the loopback, on free ports.
"""

import itertools
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio
import httpx
import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect, sync_playwright
from ports import free_port

FLAGS = "--headless --no-sandbox --disable-gpu --disable-background-networking --no-first-run"
SCREENSHOTS = Path(__file__).parents[2] / "screenshots"

# A page of Gradio's on a busy machine with two cores can take longer than Playwright's 5 s.
expect.set_options(timeout=30_000)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None and "CI" not in os.environ:
        pytest.skip("Chromium is not installed (Debian's package is `chromium`)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS.split())
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page that leaves a screenshot of how the test left it, outside the repository's files."""
    page = browser.new_page(viewport={"width": 1100, "height": 900})
    yield page
    SCREENSHOTS.mkdir(exist_ok=True)
    name = "".join(char if char.isalnum() else "-" for char in request.node.name)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")
    page.close()


@pytest.fixture(params=itertools.product(["light", "dark"], [1100, 390]), ids=str)
def screen(browser: Browser, request: pytest.FixtureRequest) -> Iterator[tuple[Page, str]]:
    """In both colour schemes, on a desk and on a phone: a page, and its scheme."""
    scheme, width = request.param
    page = browser.new_page(viewport={"width": width, "height": 1100}, color_scheme=scheme)
    yield page, scheme
    SCREENSHOTS.mkdir(exist_ok=True)
    name = f"{request.path.stem[5:]}-{scheme}-{width}"
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
    page.close()


@pytest.fixture
def launch() -> Iterator[Callable[..., str]]:
    """Serve a demo and say where; it is closed when the test ends."""
    demos: list[gradio.Blocks] = []

    def start(demo: gradio.Blocks, **arguments: Any) -> str:
        demos.append(demo)
        _, url, _ = demo.launch(
            prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", server_port=free_port(),
            **arguments,
        )  # fmt: skip
        return url

    yield start
    for demo in demos:
        demo.close(verbose=False)


@pytest.fixture
def serve(browser: Browser) -> Iterator[Callable[..., str]]:
    """
    Serve an ASGI app and say where; it is closed when the test ends.

    A review page that asks for a token is open in all pages that there are.
    """
    running: list[tuple[uvicorn.Server, threading.Thread]] = []

    def start(app: Any) -> str:
        port = free_port()
        server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))
        thread = threading.Thread(target=server.run)
        thread.start()
        running.append((server, thread))
        while not server.started:
            thread.join(0.01)
        url = f"http://127.0.0.1:{port}"
        if token := getattr(app, "token", None):
            cookies = httpx.get(url, params={"token": token}).cookies
            for context in browser.contexts:
                context.add_cookies(
                    [{"name": name, "value": value, "url": url} for name, value in cookies.items()]
                )
        return url

    yield start
    for server, thread in running:
        server.should_exit = True
        thread.join()
