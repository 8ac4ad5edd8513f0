"""
Plots and 3D models are drawn on a flag's page, and the page's own keys go on to work.
"""

import io
import json
from collections.abc import Callable

import pytest
from PIL import Image
from playwright.sync_api import FrameLocator, Locator, Page, expect
from plots import PLOTS, flag_with, model_value, models, plot_value

from flagstone import Flag, Value
from flagstone.review import create_app
from flagstone.stores.memory import MemoryStore

pytestmark = pytest.mark.browser

DRAWN = {
    "plotly": (".barlayer .point", 2),
    "bokeh": (".bk-Figure canvas", 2),
    "altair": ("svg.marks [aria-roledescription=bar]", 2),
}
"""What each library makes of its plot, and how often."""


def open_flag(page: Page, url: str, flag: Flag) -> None:
    page.goto(f"{url}/flag?id={flag.id}")
    expect(page.locator("html[data-ready=flag]")).to_be_attached()


def drawn(frame: Locator) -> FrameLocator:
    """What is in *frame*, once it is drawn."""
    frame.scroll_into_view_if_needed()
    expect(frame.content_frame.locator("html[data-ready=drawn]")).to_be_attached()
    return frame.content_frame


def red_part(shot: Locator) -> float:
    """How much of what is seen of *shot* is red, of 1."""
    picture = Image.open(io.BytesIO(shot.screenshot())).convert("HSV")
    pixels = list(picture.get_flattened_data())
    return sum((h < 12 or h > 243) and s > 120 for h, s, _ in pixels) / len(pixels)


@pytest.mark.parametrize("library", PLOTS)
def test_a_plot_is_drawn(page: Page, serve: Callable[..., str], library: str) -> None:
    """
    A plot of each library is drawn by that library, and its JSON can be looked at below.
    """
    store = MemoryStore()
    flag = flag_with(store, plot=plot_value(PLOTS[library]()))
    open_flag(page, serve(create_app(store)), flag)

    marks, number = DRAWN[library]
    expect(drawn(page.locator("iframe")).locator(marks)).to_have_count(number)
    expect(page.get_by_title(f"{library} plot")).to_be_visible()
    expect(page.locator("iframe").content_frame.locator("#said")).to_be_empty()
    if library == "bokeh":  # draws on a canvas
        expect_red(page.locator("iframe"))
    page.get_by_text("As JSON").click()
    expect(page.locator(".tree").first).to_be_visible()


def expect_red(frame: Locator) -> None:
    """A canvas is drawn on a little after it is there."""
    for _ in range(50):
        if red_part(frame) > 0.005:
            return
        frame.page.wait_for_timeout(100)
    assert red_part(frame) > 0.005


@pytest.mark.parametrize("name", models())
def test_a_model_is_drawn(page: Page, serve: Callable[..., str], name: str) -> None:
    """
    A model of each format is drawn in its colours, and its file can be downloaded.
    """
    store = MemoryStore()
    flag = flag_with(store, model=model_value(store, name, models()[name]))
    open_flag(page, serve(create_app(store)), flag)

    frame = page.get_by_title("3D model")
    expect(drawn(frame).locator(".gl-container canvas").first).to_be_visible()
    if not name.endswith(".stl"):  # has no colours
        expect_red(frame)
    before = frame.screenshot()
    frame.hover()
    page.mouse.down()
    page.mouse.move(0, 0, steps=4)
    page.mouse.up()
    page.wait_for_timeout(300)
    assert frame.screenshot() != before
    with page.expect_download() as download:
        page.get_by_role("link", name=name).click()
    assert download.value.suggested_filename == name


def test_keys_go_on_to_work(page: Page, serve: Callable[..., str]) -> None:
    """
    No frame takes the keys by itself; after one was used by mouse, the page has them again.
    """
    store = MemoryStore()
    flag = flag_with(store, plot=plot_value(PLOTS["plotly"]()))
    flag_with(store, plot=plot_value(PLOTS["altair"]()))
    url = serve(create_app(store))
    open_flag(page, url, flag)
    drawn(page.locator("iframe"))
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("Escape")

    page.keyboard.press("z")
    page.wait_for_function("() => document.fullscreenElement?.title === 'plotly plot'")
    page.evaluate("document.exitFullscreen()")
    page.wait_for_function("() => document.fullscreenElement === null")
    page.locator("iframe").click(position={"x": 8, "y": 8})  # beside the plot, which takes no focus
    page.wait_for_function("() => document.activeElement.localName === 'iframe'")
    page.mouse.move(5, 5)
    page.wait_for_function("() => document.activeElement.localName === 'body'")
    with page.expect_navigation():
        page.keyboard.press("a")

    assert store.state(flag.id).verdict == "accepted"


@pytest.mark.parametrize(
    ("library", "plot"),
    [
        ("plotly", {"data": 3}),
        ("bokeh", {"a": 1}),
        ("altair", {"a": 1}),
        ("altair", {"mark": "bar", "encoding": {"x": {"field": "x", "type": "no such type"}}}),
    ],
)
def test_what_cannot_be_drawn_is_told(
    page: Page, serve: Callable[..., str], library: str, plot: object
) -> None:
    """
    Where a library refuses a plot, the frame has a sentence and the page the JSON.
    """
    store = MemoryStore()
    value = Value(kind="plot", data={"type": library, "plot": json.dumps(plot)})
    open_flag(page, serve(create_app(store)), flag_with(store, plot=value))

    frame = page.locator("iframe").content_frame
    expect(frame.locator("#said")).to_contain_text("This cannot be drawn: ")
    expect(page.get_by_text("As JSON")).to_be_visible()


def test_a_model_that_cannot_be_read_is_told(page: Page, serve: Callable[..., str]) -> None:
    """
    Where a model is none, the frame has a sentence, and its file can be downloaded.
    """
    store = MemoryStore()
    flag = flag_with(store, model=model_value(store, "duck.glb", b"glTF" + bytes(500)))
    open_flag(page, serve(create_app(store)), flag)

    expect(page.get_by_title("3D model").content_frame.locator("#said")).to_have_text(
        "This model cannot be shown. Its file can be downloaded."
    )
    expect(page.get_by_role("link", name="duck.glb")).to_be_visible()


def test_on_every_screen(screen: tuple[Page, str], serve: Callable[..., str]) -> None:
    """
    In both colour schemes, on a desk and on a phone, what is drawn is as wide as its frame.
    """
    page, _ = screen
    store = MemoryStore()
    plots = {library: plot_value(make()) for library, make in PLOTS.items()}
    model = model_value(store, "torus.glb", models()["torus.glb"])
    flag = flag_with(store, **plots, model=model)
    width = page.viewport_size["width"] if page.viewport_size else 0
    page.set_viewport_size({"width": width, "height": 2600})  # frames in sight only are pictured
    open_flag(page, serve(create_app(store)), flag)

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for frame in page.locator("iframe").all():
        inside = drawn(frame).locator("html")
        assert inside.evaluate("(root) => root.scrollWidth <= innerWidth")
        assert inside.evaluate("() => getComputedStyle(document.body).backgroundColor") == (
            "rgb(255, 255, 255)"
        )
