"""
The review page in Chromium: a day's work by keyboard, two people at once, pictures and players.
"""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from all_kinds import keep_every_kind
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from flagstone import Flag, Value, open_store
from flagstone.review import Users, create_app
from flagstone.stores.memory import MemoryStore
from flagstone.testing import make_flag

pytestmark = pytest.mark.browser


def press(page: Page, keys: str) -> None:
    """Press *keys* one after the other, each when the page listens."""
    for key in keys.split():
        expect(page.locator("html[data-ready]")).to_be_attached()
        page.keyboard.press(key)


def press_and_go(page: Page, key: str) -> None:
    """Press *key*, which leads to another page."""
    expect(page.locator("html[data-ready]")).to_be_attached()
    with page.expect_navigation():
        page.keyboard.press(key)


def search(page: Page, text: str) -> None:
    press(page, "/")
    page.keyboard.type(text)
    with page.expect_navigation():
        page.keyboard.press("Enter")


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_a_day_by_keyboard(
    page: Page, serve: Callable[..., str], tmp_path: Path, gradio_cache: Path
) -> None:
    """
    Every kind of flag is found, looked at, decided, corrected, tagged and undone by keys alone.
    """
    store = open_store(tmp_path / "flags.db")
    flags = keep_every_kind(store, gradio_cache)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    page.goto(serve(create_app(store)))

    press(page, "?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("Escape")
    search(page, "verdict:open order:oldest")
    expect(page.locator(".row.current")).to_have_attribute("data-flag", flags[0].id)
    press(page, "j j k")
    expect(page.locator(".row.current")).to_have_attribute("data-flag", flags[1].id)
    press(page, "x x")  # two at once, with a tag
    expect(page.locator("#selected")).to_have_text("2 selected")
    press(page, "t")
    page.keyboard.type("pair easy")
    page.keyboard.press("Enter")
    expect(page.locator(".toast")).to_contain_text("Tagged: 2 flags.")
    press(page, "k k k")
    press_and_go(page, "Enter")

    for n, _ in enumerate(flags):
        press_and_go(page, "arf"[n % 3])
    press_and_go(page, "u")  # the last one
    expect(page.locator(".toast")).to_contain_text("Undone.")
    assert [store.state(flag.id).verdict for flag in flags] == [
        *(["accepted", "rejected", "fixed"][n % 3] for n in range(len(flags) - 1)), "open",
    ]  # fmt: skip
    assert [flag.option for flag in flags if store.state(flag.id).tags] == [
        flags[1].option, flags[2].option,
    ]  # fmt: skip

    press_and_go(page, "l")
    search(page, 'option:"Textbox plain"')
    press_and_go(page, "Enter")
    press(page, "e")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type('good "bye"')
    with page.expect_navigation():
        page.keyboard.press("Control+Enter")
    expect(page.locator("#correction .text")).to_have_text('good "bye"')
    press(page, "n")
    page.keyboard.type("as agreed")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.locator(".history")).to_contain_text("as agreed")
    press_and_go(page, "d")
    expect(page.locator("h1")).to_have_text("1 flag")
    (first,) = [flag for flag in flags if flag.option == "Textbox plain"]
    assert store.state(first.id).correction["output"].data == 'good "bye"'
    known = ("404 (Not Found)", "decode", "ERR_")  # files of the table that are no film, no scan
    assert [error for error in errors if not any(word in error for word in known)] == []


def test_two_people_at_once(browser: Browser, serve: Callable[..., str], tmp_path: Path) -> None:
    """
    Each hears what the other has just decided, and overwrites nothing without having seen it.
    """
    store = MemoryStore()
    flag, other = make_flag("first"), make_flag("second")
    store.append([flag, other])
    users = Users(tmp_path / "users.txt")
    pages = []
    for name in ("ana", "bo"):
        users.add(name, "password", "reviewer")
    url = serve(create_app(store, users=users.path))
    for name in ("ana", "bo"):
        page = browser.new_context().new_page()
        page.goto(f"{url}/flag?id={flag.id}")
        page.get_by_label("Name").fill(name)
        page.get_by_label("Password").fill("password")
        page.keyboard.press("Enter")
        expect(page.locator("html[data-ready=flag]")).to_be_attached()
        pages.append(page)
    ana, bo = pages
    bo.route("**/news*", lambda route: route.abort())  # the news comes too late

    press_and_go(ana, "a")
    bo.keyboard.press("r")
    expect(bo.locator("#faster")).to_contain_text("ana has just accepted this.")
    expect(bo.locator("#faster")).to_contain_text("Your decision was not saved")
    assert store.state(flag.id).verdict == "accepted"
    press_and_go(bo, "r")
    assert [(r.by, r.verdict) for r in store.state(flag.id).reviews] == [
        ("ana", "accepted"), ("bo", "rejected"),
    ]  # fmt: skip

    ana.goto(f"{url}/flag?id={other.id}")
    bo.goto(f"{url}/")
    press(bo, "k f")
    expect(bo.locator(".row").first.locator(".verdict")).to_have_text("fixed")
    expect(ana.locator("#faster")).to_have_text("bo has just fixed this. Show it.")
    for page in pages:
        page.context.close()


def test_the_list_has_no_end(page: Page, serve: Callable[..., str]) -> None:
    """
    The next page comes as the end of the list comes into sight, until all are there, once each.
    """
    store = MemoryStore()
    store.append([make_flag(f"{n % 100}") for n in range(300)])
    page.goto(serve(create_app(store)))
    expect(page.locator("html[data-ready]")).to_be_attached()

    for _ in range(100):
        page.keyboard.press("j")
        page.wait_for_timeout(5)  # as fast as somebody who leans on the key
    expect(page.locator(".row")).to_have_count(100)
    page.keyboard.press("*")
    expect(page.locator("#selected")).to_have_text("100 selected")
    page.keyboard.press("a")
    expect(page.locator(".toast")).to_contain_text("Accepted: 100 flags.")
    assert store.facets()["verdict"] == {"open": 200, "accepted": 100}
    page.keyboard.press("u")
    expect(page.locator(".toast")).to_have_text("Undone.")
    assert store.facets()["verdict"] == {"open": 300}


def test_editors_of_other_kinds(page: Page, serve: Callable[..., str], tmp_path: Path) -> None:
    """
    A label is chosen, a cell and a choice are changed, a picture is replaced: by the page's own
    editors.
    """
    store = MemoryStore()
    picture = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(picture, "PNG")
    (tmp_path / "right.png").write_bytes(picture.getvalue())
    ref = store.files.put(io.BytesIO(picture.getvalue()), name="wrong.png")
    choices = {"arguments": {"choices": ["a", "b", "c"]}}
    table = {"headers": ["n", "t"], "data": [[1, "x"], [2, "y"]], "metadata": None}
    flag = Flag(
        outputs={
            "label": Value(kind="label", data={"label": "3", "confidences": None}),
            "table": Value(kind="table", data=table),
            "some": Value(kind="choices", data=["a"], component=choices),
            "picture": Value(kind="image", data=ref),
        }
    )
    store.append([flag])
    page.goto(f"{serve(create_app(store))}/flag?id={flag.id}")
    expect(page.locator("html[data-ready]")).to_be_attached()
    page.keyboard.press("z")
    expect(page.locator("#zoomed img")).to_be_visible()
    page.keyboard.press("Escape")

    def edit(times: int, fill: Callable[[], None]) -> None:
        expect(page.locator("html[data-ready]")).to_be_attached()
        for _ in range(times):
            page.locator("[data-do=edit]").click()
        fill()
        with page.expect_navigation():
            page.locator(".editor:visible .main").click()

    edit(1, lambda: page.locator(".editor:visible input").fill("7"))
    edit(2, lambda: page.locator(".editor:visible td input").first.fill("5"))
    edit(3, lambda: page.locator(".editor:visible").get_by_label("c").check())
    edit(4, lambda: page.locator("input[type=file]").set_input_files(tmp_path / "right.png"))

    right = store.state(flag.id).correction
    assert right["label"].data == {"label": "7", "confidences": None}
    assert right["table"].data["data"] == [[5, "x"], [2, "y"]]
    assert right["some"].data == ["a", "c"]
    assert right["picture"].data.name == "right.png"


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("path", ["/", "/flag", "/dashboard"])
def test_nothing_sticks_out(
    browser: Browser, serve: Callable[..., str], width: int, path: str
) -> None:
    """
    On a wide screen and on a telephone no page is wider than the window.
    """
    store = MemoryStore()
    wide = {"headers": list("abcdefghij" * 3), "data": [["long" * 20] * 30] * 3, "metadata": None}
    flag = make_flag("x" * 500, outputs={"t": Value(kind="table", data=wide)}, comment="y" * 300)
    store.append([flag])
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.goto(f"{serve(create_app(store))}{path}?id={flag.id}")

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()
