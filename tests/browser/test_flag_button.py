"""
The Flag button of our Interface, in Chromium.
"""

import logging
import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

import flagstone.gradio as gr
from flagstone.gradio.callbacks import FlaggingCallback
from flagstone.stores.base import Store, StoreWrapper
from flagstone.stores.memory import MemoryStore
from flagstone.testing import FailingStore

pytestmark = pytest.mark.browser


def echo(callback: FlaggingCallback, tmp_path: Path, **kwargs: object) -> gr.Interface:
    return gr.Interface(
        lambda text: text.upper(),
        gr.Textbox(label="said"),
        gr.Textbox(label="heard"),
        flagging_callback=callback,
        flagging_dir=str(tmp_path),
        **kwargs,
    )


def say(page: Page, text: str) -> None:
    page.get_by_label("said").fill(text)
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_label("heard")).to_have_value(text.upper())


def test_what_the_page_shows_is_what_is_kept(
    page: Page, launch: Callable[..., str], tmp_path: Path
) -> None:
    """
    The record has the fields as shown, the option pressed and the session.
    """
    store = MemoryStore()
    demo = echo(gr.FlagLogger(store), tmp_path, flagging_options=["bad", "odd"])
    page.goto(launch(demo))

    say(page, '=1+1 "é" <b>x</b>')
    page.get_by_role("button", name="Flag as odd").click()
    expect(page.get_by_text("Receipt:")).to_be_visible()

    (flag,) = store.find()
    assert flag.inputs["said"].data == '=1+1 "é" <b>x</b>'
    assert flag.outputs["heard"].data == '=1+1 "É" <B>X</B>'
    assert flag.option == "odd"
    assert flag.session
    assert page.get_by_text(flag.id).is_visible()


class HeldStore(StoreWrapper):
    """A store whose appends wait until they are let go."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.go = threading.Event()

    def append(self, records) -> None:
        assert self.go.wait(30)
        super().append(records)


def test_the_button_says_what_happens(
    page: Page, launch: Callable[..., str], tmp_path: Path
) -> None:
    """
    While a flag is kept the button says so and cannot be pressed; then it says "Saved", then Flag.
    """
    store = HeldStore(MemoryStore())
    page.goto(launch(echo(gr.FlagLogger(store), tmp_path)))
    say(page, "a")

    page.get_by_role("button", name="Flag", exact=True).click()

    expect(page.get_by_role("button", name="Saving…")).to_be_disabled()
    assert page.get_by_text("Receipt:").count() == 0
    store.go.set()
    expect(page.get_by_role("button", name="✓ Saved")).to_be_disabled()
    expect(page.get_by_text("Receipt:")).to_be_visible()
    expect(page.get_by_role("button", name="Flag", exact=True)).to_be_enabled()
    say(page, "b")
    expect(page.get_by_text("Receipt:")).to_be_hidden()


@pytest.mark.parametrize("kind", ["ours", "a user's own"])
def test_an_error_is_told_and_the_button_comes_back(
    page: Page,
    launch: Callable[..., str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    kind: str,
) -> None:
    """
    A failing callback: the person reads a sentence, the log has the traceback, another press works.
    """
    store = MemoryStore()

    class Mine(FlaggingCallback):
        def __init__(self) -> None:
            self.calls = 0

        def setup(self, components, flagging_dir) -> None:
            pass

        def flag(self, flag_data, flag_option=None, username=None) -> int:
            self.calls += 1
            if self.calls == 1:
                raise RuntimeError("secret of the server")
            return self.calls

    ours = kind == "ours"
    # The first append fails, the second works.
    failing = FailingStore(store, every=2)
    failing._appends = 1
    callback: FlaggingCallback = gr.FlagLogger(failing) if ours else Mine()
    page.goto(launch(echo(callback, tmp_path)))
    say(page, "a")

    with caplog.at_level(logging.ERROR):
        page.get_by_role("button", name="Flag", exact=True).click()
        alert = page.get_by_role("alert").filter(has_text="Not saved.")
        expect(alert).to_be_visible()

    assert "secret" not in alert.inner_text()
    assert "you can try again" in alert.inner_text()
    (record,) = [r for r in caplog.records if r.name.startswith("flagstone")]
    assert record.exc_info
    assert re.search("secret of the server|medium is out of order", str(record.exc_info[1]))
    expect(page.get_by_role("button", name="Flag", exact=True)).to_be_enabled()
    page.get_by_role("button", name="Flag", exact=True).click()
    expect(page.get_by_text("✓ Saved.")).to_be_visible()
    assert store.count() == (1 if ours else 0)


def test_clear_brings_the_button_back(
    page: Page, launch: Callable[..., str], tmp_path: Path
) -> None:
    """
    Clear empties the fields, hides the receipt and leaves a button that can be pressed.
    """
    page.goto(launch(echo(gr.FlagLogger(MemoryStore()), tmp_path)))
    say(page, "a")
    page.get_by_role("button", name="Flag", exact=True).click()
    expect(page.get_by_text("Receipt:")).to_be_visible()

    page.get_by_role("button", name="Clear").click()

    expect(page.get_by_text("Receipt:")).to_be_hidden()
    expect(page.get_by_role("button", name="Flag", exact=True)).to_be_enabled()


def test_auto_mode(page: Page, launch: Callable[..., str], tmp_path: Path) -> None:
    """
    In auto mode there is no button, and every submitted prediction is kept.
    """
    store = MemoryStore()
    page.goto(launch(echo(gr.FlagLogger(store), tmp_path, flagging_mode="auto")))

    for text in ("a", "b"):
        say(page, text)  # a prediction is kept before it is answered
    expect(page.get_by_role("button", name="Flag")).to_have_count(0)

    kept = [(f.inputs["said"].data, f.outputs["heard"].data) for f in store.find()]
    assert sorted(kept) == [("a", "A"), ("b", "B")]


def test_auto_mode_where_the_store_fails(
    page: Page, launch: Callable[..., str], tmp_path: Path
) -> None:
    """
    The prediction is shown, and the person is told that it was not kept.
    """
    callback = gr.FlagLogger(FailingStore(MemoryStore()))
    page.goto(launch(echo(callback, tmp_path, flagging_mode="auto")))

    say(page, "a")

    expect(page.get_by_text("Not saved. Something went wrong.")).to_be_visible()


def test_auto_mode_asks_for_consent(page: Page, launch: Callable[..., str], tmp_path: Path) -> None:
    """
    Nothing is kept before the line is ticked.
    """
    store = MemoryStore()
    demo = echo(gr.FlagLogger(store), tmp_path, flagging_mode="auto", consent="You may keep it.")
    page.goto(launch(demo))
    say(page, "a")

    with page.expect_response(lambda response: "run/predict" in response.url):
        page.get_by_label("You may keep it.").check()
    say(page, "b")

    assert [flag.inputs["said"].data for flag in store.find()] == ["b"]
