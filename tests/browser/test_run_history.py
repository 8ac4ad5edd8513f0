"""
A run that Gradio's run history loaded again is flagged as that: restored, not forged.
"""

from collections.abc import Callable

import gradio
import pytest
from playwright.sync_api import Page, expect

import flagstone.gradio as gr
from flagstone.core.query import Query
from flagstone.stores.memory import MemoryStore

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("panel", [False, True])
def test_a_run_that_is_loaded_again(page: Page, launch: Callable[..., str], panel: bool) -> None:
    """
    What the page of the history loads has its own word, also when the server does not know it.
    """
    store = MemoryStore()
    demo = gr.Interface(
        lambda text: text.upper(), gradio.Textbox(label="said"), gradio.Textbox(label="heard"),
        flagging_callback=gr.FlagLogger(store), flagging_comment=panel,
    )  # fmt: skip
    url = launch(demo)

    def flag() -> None:
        page.get_by_role("button", name="Flag", exact=True).click()
        if panel:
            page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Receipt:")).to_be_visible()

    page.goto(url)
    page.get_by_label("said").fill("hello")
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_label("heard")).to_have_value("HELLO")
    flag()
    page.goto(f"{url}gradio_api/runs")
    page.get_by_role("button", name="Load run").click()
    expect(page.get_by_label("heard")).to_have_value("HELLO")
    flag()
    page.get_by_label("said").fill("something else")
    flag()

    flags = list(store.find(Query(order="oldest")))
    told = [(flag.inputs["said"].data, flag.verified, flag.context["origin"]) for flag in flags]
    assert told == [
        ("hello", True, "run"),
        ("hello", None, "restored run"),
        ("something else", None, "restored run"),
    ]
