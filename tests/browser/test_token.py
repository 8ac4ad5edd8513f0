"""
The doors of the review page in a browser: its token, from wherever the address is followed.
"""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

from flagstone.review import Users, create_app
from flagstone.stores.memory import MemoryStore
from flagstone.testing import make_flag

pytestmark = pytest.mark.browser


def test_the_printed_address_opens_it(browser: Browser, serve: Callable[..., str]) -> None:
    """
    Typed in, or followed from another site, the address opens the page and shows no token then.
    """
    store = MemoryStore()
    store.append([make_flag("what was flagged")])
    app = create_app(store)
    url = serve(app)
    link = f'<a href="{url}/?token={app.token}">open</a>'
    elsewhere = serve(Starlette(routes=[Route("/", lambda _: HTMLResponse(link))]))
    for start in (None, elsewhere.replace("127.0.0.1", "localhost")):
        context = browser.new_context()
        page = context.new_page()
        if start is None:
            page.goto(f"{url}/?token={app.token}")
        else:
            page.goto(start)
            page.get_by_role("link").click()
        expect(page.locator(".row")).to_have_count(1)
        assert page.url == f"{url}/"
        assert page.evaluate("document.cookie") == ""
        context.close()


def test_the_door(page: Page, serve: Callable[..., str]) -> None:
    """
    Without the token there is a page that says what to do, and takes it.
    """
    store = MemoryStore()
    store.append([flag := make_flag("what was flagged")])
    app = create_app(store)
    url = serve(app)
    page.context.clear_cookies()
    page.goto(f"{url}/flag?id={flag.id}")
    page.get_by_label("Token").fill("guess")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("Wrong token.")
    page.screenshot(path=Path(__file__).parents[2] / "screenshots" / "door.png")
    page.get_by_label("Token").fill(app.token)
    page.keyboard.press("Enter")
    expect(page.locator("html[data-ready=flag]")).to_be_attached()
    assert page.url == f"{url}/flag?id={flag.id}"


def test_logging_out_of_a_copy(
    screen: tuple[Page, str], serve: Callable[..., str], tmp_path: Path
) -> None:
    """
    Who logs out in one window is out wherever the cookie was copied to; the login page asks again.
    """
    page, _ = screen
    users = Users(tmp_path / "users.txt")
    users.add("ana", "password", "reviewer")
    url = serve(create_app(MemoryStore(), users=users.path))
    page.goto(url)
    page.get_by_label("Name").fill("ana")
    page.get_by_label("Password").fill("password")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Log out")).to_be_visible()
    copy = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
    assert httpx.get(url, cookies=copy).status_code == 200

    page.get_by_role("button", name="Log out").click()

    expect(page.get_by_label("Password")).to_be_visible()
    assert httpx.get(url, cookies=copy).status_code == 401
