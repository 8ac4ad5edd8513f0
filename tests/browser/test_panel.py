"""
The flag panel as a person uses it: why, and what would have been right, asked in place.
"""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio
import pytest
from playwright.sync_api import Locator, Page, expect

import flagstone.gradio as gr
from flagstone import Flag, Review
from flagstone.errors import StoreFullError
from flagstone.stores.base import Store, StoreWrapper
from flagstone.stores.memory import MemoryStore
from flagstone.testing import FailingStore

pytestmark = pytest.mark.browser

SCREENSHOTS = Path(__file__).parents[2] / "screenshots"
OPTIONS = ["wrong", ("Not sure", "unsure"), "rude"]


def classify(text: str, number: float) -> Any:
    chances = {"cat": 0.3, "dog": 0.7}
    return chances, text.upper(), number * 2, {"a": [1, 2.5, None]}, [[1, "x"], [2, "y"]]


def animals(store: Store) -> gr.Interface:
    return gr.Interface(
        classify,
        [gr.Textbox(label="text"), gr.Number(label="number")],
        [
            gr.Label(label="animal"),
            gr.Textbox(label="loud"),
            gr.Number(label="double"),
            gr.JSON(label="json"),
            gr.Dataframe(label="table", headers=["a", "b"]),
        ],
        title="Animals",
        flagging_callback=gr.FlagLogger(store),
        flag_options=OPTIONS,
        flagging_comment=True,
        flagging_correction=True,
    )


def shout(store: Store, **arguments: Any) -> gr.Interface:
    return gr.Interface(
        lambda text: text.upper(),
        gr.Textbox(label="text"),
        gr.Textbox(label="loud"),
        flagging_callback=gr.FlagLogger(store),
        **{"flagging_comment": True} | arguments,
    )


def submit(page: Page, text: str = "hello") -> None:
    page.get_by_label("text", exact=True).fill(text)
    number = page.get_by_label("number", exact=True)
    if number.count():
        number.fill("4")
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_label("loud", exact=True)).to_have_value(text.upper())


def open_panel(page: Page, button: str = "Flag") -> Locator:
    page.get_by_role("button", name=button, exact=True).click()
    panel = page.get_by_role("group", name="Flag this output")
    expect(panel).to_be_visible()
    return panel


def receipt(page: Page) -> str:
    """The id of the flag whose receipt the page shows."""
    expect(page.get_by_text("Receipt:")).to_be_visible()
    return page.get_by_role("status").locator("code").inner_text()


def only_flag(store: Store) -> Flag:
    (flag,) = store.find()
    return flag


class TestTheAnswers:
    def test_why_and_what_would_have_been_right(
        self, page: Page, launch: Callable[..., str]
    ) -> None:
        """
        The option, the comment and each correction are in the record, in the output's own form.
        """
        store = MemoryStore()
        page.goto(launch(animals(store)))
        submit(page)
        panel = open_panel(page)

        panel.get_by_label("Not sure").check()
        panel.get_by_label("Comment").fill("dogs don't say hello")
        panel.get_by_label("Expected animal").fill("crow")
        panel.get_by_label("Expected animal").press("Tab")
        panel.get_by_label("Expected loud").fill("HELLO!")
        panel.get_by_label("Expected double").fill("9.5")
        panel.locator(".cm-content").fill('{"b": "é"}')
        panel.get_by_role("gridcell", name="x").dblclick()
        cell = panel.get_by_label("Edit cell")
        cell.fill("z")
        cell.press("Enter")
        panel.get_by_role("button", name="Save").click()

        assert receipt(page) == only_flag(store).id
        flag = only_flag(store)
        assert (flag.option, flag.comment) == ("unsure", "dogs don't say hello")
        right = {name: value.data for name, value in flag.correction.items()}
        table = right.pop("table")
        assert right == {
            "animal": {"label": "crow", "confidences": None},
            "loud": "HELLO!",
            "double": 9.5,
            "json": {"b": "é"},
        }
        assert table["data"] == [[1, "z"], [2, "y"]]
        assert {n: v.kind for n, v in flag.correction.items()} == {
            name: value.kind for name, value in flag.outputs.items()
        }
        assert flag.outputs["loud"].data == "HELLO"
        assert flag.verified is True
        assert flag.context["latency"] > 0

    def test_what_is_left_as_it_is_is_no_correction(
        self, page: Page, launch: Callable[..., str]
    ) -> None:
        """
        A panel that is saved untouched keeps no option, no comment and no correction.
        """
        store = MemoryStore()
        page.goto(launch(animals(store)))
        submit(page)

        open_panel(page).get_by_role("button", name="Save").click()

        receipt(page)
        flag = only_flag(store)
        assert (flag.option, flag.comment, flag.correction) == (None, None, {})

    def test_a_file_as_correction(
        self, page: Page, launch: Callable[..., str], tmp_path: Path
    ) -> None:
        """
        The right file is uploaded in the panel and kept byte for byte.
        """
        made, right = tmp_path / "made.txt", tmp_path / "right.txt"
        made.write_text("wrong")
        right.write_text("right, é")
        store = MemoryStore()
        demo = gr.Interface(
            lambda: str(made), None, gr.File(label="file"),
            flagging_callback=gr.FlagLogger(store), flagging_correction=True,
        )  # fmt: skip
        page.goto(launch(demo, allowed_paths=[str(tmp_path)]))
        page.get_by_role("button", name="Generate").click()
        expect(page.get_by_text("made")).to_be_visible()
        panel = open_panel(page)
        panel.get_by_label("Clear").or_(panel.get_by_label("Remove this file")).first.click()
        panel.locator("input[type=file]").set_input_files(right)
        expect(panel.get_by_text("right")).to_be_visible()

        panel.get_by_role("button", name="Save").click()

        receipt(page)
        flag = only_flag(store)
        ref = flag.correction["file"].data
        with store.files.open(ref) as file:
            assert file.read() == right.read_bytes()
        assert ref.name == "right.txt"
        with store.files.open(flag.outputs["file"].data) as file:
            assert file.read() == b"wrong"

    def test_json_that_is_none_is_told(self, page: Page, launch: Callable[..., str]) -> None:
        """
        Invalid JSON is reported; the panel stays open, and saves once it is fixed.
        """
        store = MemoryStore()
        page.goto(launch(animals(store)))
        submit(page)
        panel = open_panel(page)
        panel.locator(".cm-content").fill('{"b": ')
        panel.get_by_role("button", name="Save").click()

        expect(panel.get_by_role("alert")).to_contain_text(
            "Expected json cannot be saved: the correction is not valid JSON"
        )
        assert list(store.find()) == []
        panel.locator(".cm-content").fill('{"b": 1}')
        panel.get_by_role("button", name="Save").click()
        receipt(page)
        assert only_flag(store).correction["json"].data == {"b": 1}

    def test_the_button_pressed_is_the_option_chosen(
        self, page: Page, launch: Callable[..., str]
    ) -> None:
        """
        With several Flag buttons, each opens the panel with its own option chosen.
        """
        store = MemoryStore()
        page.goto(launch(shout(store, flagging_options=[("Bad", "bad"), ("Odd", "odd")])))
        submit(page)

        panel = open_panel(page, "Odd")
        expect(panel.get_by_label("Odd")).to_be_checked()
        panel.get_by_role("button", name="Save").click()

        receipt(page)
        assert only_flag(store).option == "odd"

    def test_a_plain_interface_asks_nothing(self, page: Page, launch: Callable[..., str]) -> None:
        """
        Without its parameters there is no panel: a press of Flag saves.
        """
        store = MemoryStore()
        page.goto(launch(shout(store, flagging_comment=False)))
        submit(page)

        page.get_by_role("button", name="Flag", exact=True).click()

        receipt(page)
        expect(page.get_by_label("Comment")).to_have_count(0)
        expect(page.get_by_role("button", name="Undo")).to_have_count(0)


class TestUndo:
    def test_undo_is_a_review(self, page: Page, launch: Callable[..., str]) -> None:
        """
        Undo rejects the flag in the name of who flagged, and keeps it.
        """
        store = MemoryStore()
        page.goto(launch(shout(store)))
        submit(page)
        open_panel(page).get_by_role("button", name="Save").click()
        flag_id = receipt(page)

        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_text("Undone")).to_be_visible()

        expect(page.get_by_role("button", name="Undo")).to_be_hidden()
        flag, review = store.scan()
        assert isinstance(flag, Flag)
        assert isinstance(review, Review)
        assert flag.id == flag_id == review.flag_id
        assert (review.verdict, review.speaker) == ("rejected", "visitor")
        assert store.state(flag_id).verdict == "rejected"

    def test_undo_goes_after_ten_seconds(self, page: Page, launch: Callable[..., str]) -> None:
        """
        The button goes by itself; the receipt stays.
        """
        page.goto(launch(shout(MemoryStore())))
        submit(page)
        page.clock.install()
        open_panel(page).get_by_role("button", name="Save").click()
        receipt(page)
        expect(page.get_by_role("button", name="Undo")).to_be_visible()

        page.clock.run_for(9_000)
        expect(page.get_by_role("button", name="Undo")).to_be_visible()
        page.clock.run_for(2_000)

        expect(page.get_by_role("button", name="Undo")).to_be_hidden()
        expect(page.get_by_text("Receipt:")).to_be_visible()


class TestKeys:
    def test_a_flag_by_keyboard_alone(self, page: Page, launch: Callable[..., str]) -> None:
        """
        Enter opens, Tab goes through the questions in order, Enter saves; focus comes back.
        """
        store = MemoryStore()
        page.goto(launch(shout(store, flag_options=OPTIONS, flagging_correction=True)))
        submit(page)
        button = page.get_by_role("button", name="Flag", exact=True)
        button.focus()
        page.keyboard.press("Enter")
        panel = page.get_by_role("group", name="Flag this output")
        expect(panel.get_by_label("wrong")).to_be_focused()
        page.keyboard.press("ArrowRight")
        expect(panel.get_by_label("Not sure")).to_be_checked()
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        expect(panel.get_by_label("Comment")).to_be_focused()
        page.keyboard.type("one")
        page.keyboard.press("Shift+Enter")
        page.keyboard.type("two")
        page.keyboard.press("Tab")
        expect(panel.get_by_label("Expected loud")).to_be_focused()
        page.keyboard.type("!")
        page.keyboard.press("Shift+Tab")

        page.keyboard.press("Enter")

        receipt(page)
        expect(panel).to_be_hidden()
        expect(button).to_be_focused()
        flag = only_flag(store)
        assert (flag.option, flag.comment) == ("unsure", "one\ntwo")

    def test_enter_in_a_line_saves_and_escape_closes(
        self, page: Page, launch: Callable[..., str]
    ) -> None:
        """
        Enter on an option or in a one-line field saves; Escape closes and keeps nothing.
        """
        store = MemoryStore()
        page.goto(launch(animals(store)))
        submit(page)
        panel = open_panel(page)
        panel.get_by_label("rude").check()
        page.keyboard.press("Escape")
        expect(panel).to_be_hidden()
        expect(page.get_by_role("button", name="Flag", exact=True)).to_be_focused()
        assert list(store.find()) == []

        panel = open_panel(page)
        expect(panel.get_by_label("rude")).not_to_be_checked()
        panel.get_by_label("Expected double").fill("7")
        page.keyboard.press("Enter")
        receipt(page)
        assert only_flag(store).correction["double"].data == 7

    def test_every_field_has_a_name_and_tab_leads_out(
        self, page: Page, launch: Callable[..., str]
    ) -> None:
        """
        In Chromium's accessibility tree nothing in the panel lacks a name, and Tab is not trapped.
        """
        page.goto(launch(animals(MemoryStore())))
        submit(page)
        panel = open_panel(page)
        panel.evaluate("panel => panel.setAttribute('data-panel', '')")
        session = page.context.new_cdp_session(page)
        session.send("Accessibility.enable")
        document = session.send("DOM.getDocument")["root"]["nodeId"]
        found = session.send("DOM.querySelector", {"nodeId": document, "selector": "[data-panel]"})[
            "nodeId"
        ]
        tree = session.send("Accessibility.queryAXTree", {"nodeId": found})["nodes"]
        controls = {
            "button", "checkbox", "combobox", "listbox", "radio", "spinbutton", "textbox", "group",
        }  # fmt: skip
        seen = [
            (node["role"]["value"], node.get("name", {}).get("value"))
            for node in tree
            if not node["ignored"] and node["role"]["value"] in controls
        ]
        assert {"radio", "textbox", "button"} <= {role for role, _ in seen}
        assert [control for control in seen if not control[1]] == []

        inside = True
        for _ in range(60):
            page.keyboard.press("Tab")
            inside = page.evaluate("!!document.activeElement.closest('[data-panel]')")
            if not inside:
                break
        assert not inside


class TestFailures:
    def test_a_store_that_fails(self, page: Page, launch: Callable[..., str]) -> None:
        """
        The person reads a sentence, Save comes back, and the second press is kept once.
        """
        inner = MemoryStore()
        page.goto(launch(shout(FailingStore(inner, every=2))))
        submit(page)
        open_panel(page).get_by_role("button", name="Save").click()
        receipt(page)
        panel = open_panel(page)
        panel.get_by_label("Comment").fill("second")

        panel.get_by_role("button", name="Save").click()
        expect(panel.get_by_role("alert")).to_have_text(
            "Not saved. Something went wrong. Nothing was saved; you can try again."
        )
        expect(panel.get_by_label("Comment")).to_have_value("second")
        panel.get_by_role("button", name="Save").click()

        receipt(page)
        assert [flag.comment for flag in inner.find()] == ["second", None]

    def test_a_store_that_took_it_and_failed_all_the_same(
        self, page: Page, launch: Callable[..., str]
    ) -> None:
        """
        Where the medium has the flag though it said it has not, a second press adds nothing.
        """
        inner = MemoryStore()
        page.goto(launch(shout(LateFailure(inner))))
        submit(page)
        panel = open_panel(page)
        panel.get_by_role("button", name="Save").click()
        expect(panel.get_by_role("alert")).to_be_visible()

        panel.get_by_role("button", name="Save").click()

        assert receipt(page) == only_flag(inner).id

    def test_a_slow_store(self, page: Page, launch: Callable[..., str]) -> None:
        """
        While it is saved the panel takes no second press, by mouse or key.
        """
        inner = MemoryStore()
        gate = threading.Event()
        page.goto(launch(shout(Gated(inner, gate))))
        submit(page)
        panel = open_panel(page)
        save = panel.get_by_role("button", name="Save")
        save.click()
        expect(panel).to_have_attribute("aria-busy", "true")
        save.dispatch_event("click")
        panel.get_by_label("Comment").press("Enter")
        gate.set()

        first = receipt(page)
        open_panel(page).get_by_role("button", name="Save").click()
        expect(page.get_by_role("status").locator("code")).not_to_have_text(first)
        assert len(list(inner.find())) == 2  # one for each time the panel was opened

    def test_a_full_store(self, page: Page, launch: Callable[..., str]) -> None:
        """
        Where no space is left the person is told whom to tell.
        """
        full = FailingStore(MemoryStore(), error=StoreFullError(where="x"))
        page.goto(launch(shout(full)))
        submit(page)
        panel = open_panel(page)
        panel.get_by_role("button", name="Save").click()

        expect(panel.get_by_role("alert")).to_have_text(
            "Not saved. There is no space left to save it. Nothing was saved; please inform the "
            "owner of the demo."
        )

    def test_consent_first(self, page: Page, launch: Callable[..., str]) -> None:
        """
        Nothing is kept before the line is ticked.
        """
        store = MemoryStore()
        demo = shout(store, flagging_comment=False, consent="Keep this to improve the demo.")
        page.goto(launch(demo))
        submit(page)
        panel = open_panel(page)
        panel.get_by_role("button", name="Save").click()
        expect(panel.get_by_role("alert")).to_have_text(
            "Not saved. Tick the consent box above first. Nothing was saved."
        )
        assert list(store.find()) == []

        panel.get_by_label("Keep this to improve the demo.").check()
        panel.get_by_role("button", name="Save").click()
        receipt(page)


def test_on_every_screen(screen: tuple[Page, str], launch: Callable[..., str]) -> None:
    """
    In both colour schemes, and on a phone, all of the panel is there, and nothing sticks out.
    """
    page, scheme = screen
    page.goto(f"{launch(animals(MemoryStore()))}?__theme={scheme}")
    submit(page)
    panel = open_panel(page)
    expect(panel.get_by_label("Expected loud")).to_have_value("HELLO")
    panel.get_by_label("Comment").fill("It says what I said, but louder.")

    sizes = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert sizes[0] <= sizes[1]
    for name in ("Save", "Cancel"):
        box = panel.get_by_role("button", name=name).bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= sizes[1]


class TestElsewhere:
    def test_in_blocks(self, page: Page, launch: Callable[..., str]) -> None:
        """
        One line places the panel in any Blocks; what it keeps is verified.
        """
        store = MemoryStore()
        with gradio.Blocks(title="greeter") as demo:
            name = gr.Textbox(label="text")
            greeting = gr.Textbox(label="loud")
            gr.Button("Submit").click(lambda text: text.upper(), name, greeting)
            gr.flag_panel(name, greeting, store, OPTIONS)
        page.goto(launch(demo))
        submit(page)
        panel = open_panel(page, "⚑ Flag")
        panel.get_by_label("rude").check()
        panel.get_by_role("button", name="Save").click()

        receipt(page)
        flag = only_flag(store)
        assert (flag.app, flag.option, flag.verified) == ("greeter", "rude", True)
        assert flag.inputs["text"].data == "hello"
        assert flag.outputs["loud"].data == "HELLO"

    @pytest.mark.parametrize("mode", ["manual", "never"])
    def test_attached_to_gradios_interface(
        self, page: Page, launch: Callable[..., str], mode: str
    ) -> None:
        """
        An Interface that somebody else built gets the panel in place of its own buttons.
        """
        store = MemoryStore()
        name = "allow_flagging" if gradio.__version__.startswith("4.") else "flagging_mode"
        demo = gradio.Interface(
            lambda text: text.upper(), gradio.Textbox(label="text"), gradio.Textbox(label="loud"),
            flagging_options=["bad", "odd"], **{name: mode},
        )  # fmt: skip
        page.goto(launch(gr.attach(demo, store)))
        submit(page)
        expect(page.get_by_role("button", name="Flag as bad")).to_have_count(0)
        panel = open_panel(page, "⚑ Flag")
        if mode == "manual":
            panel.get_by_label("Flag as bad").check()
        panel.get_by_role("button", name="Save").click()

        receipt(page)
        flag = only_flag(store)
        assert flag.option == ("bad" if mode == "manual" else None)
        assert flag.verified is True

    def test_in_tabs(self, page: Page, launch: Callable[..., str], tmp_path: Path) -> None:
        """
        In a TabbedInterface each tab's flags are its own, told apart by name.
        """
        store = MemoryStore()
        callback = gr.FlagLogger(store)
        tabs = [
            gr.Interface(
                change, gr.Textbox(label="text"), gr.Textbox(label="loud"),
                flagging_callback=callback, flagging_comment=True,
            )
            for change in (lambda text: text.upper(), lambda text: f"{text}!".upper()[:-1])
        ]  # fmt: skip
        page.goto(launch(gradio.TabbedInterface(tabs, ["First", "Second"])))
        for number, name in enumerate(["First", "Second"]):
            page.get_by_role("tab", name=name).click()
            page.locator("textarea:visible").first.fill(f"text {number}")
            page.locator("button:visible", has_text="Submit").click()
            expect(page.locator("textarea:visible").nth(1)).to_have_value(f"TEXT {number}")
            page.get_by_role("button", name="Flag", exact=True).filter(visible=True).click()
            page.locator("button:visible", has_text="Save").click()
            expect(page.locator("code:visible")).to_be_visible()

        kept = [(flag.app, flag.inputs["text"].data, flag.verified) for flag in store.find()]
        assert kept == [("Second", "text 1", True), ("First", "text 0", True)]


class LateFailure(StoreWrapper):
    """A store whose first append fails after it took the record."""

    failed = False

    def append(self, records: Any) -> None:
        super().append(records)
        if not self.failed:
            self.failed = True
            FailingStore(self.store).append([])


class Gated(StoreWrapper):
    """A store that takes nothing before its gate is open."""

    def __init__(self, store: Store, gate: threading.Event) -> None:
        super().__init__(store)
        self._gate = gate

    def append(self, records: Any) -> None:
        assert self._gate.wait(30)
        super().append(records)
