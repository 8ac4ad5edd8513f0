"""
Reactions to the replies of a chat, in Chromium.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

import flagstone.gradio as gr
from flagstone import Flag, Review
from flagstone.stores.memory import MemoryStore
from flagstone.testing import FailingStore

pytestmark = pytest.mark.browser

SCREENSHOTS = Path(__file__).parents[2] / "screenshots"


def echo(message: str, history: Any) -> str:
    return f"You said {message}."


def chat(store: Any, **arguments: Any) -> gr.ChatInterface:
    return gr.ChatInterface(echo, flagging_callback=gr.FlagLogger(store), **arguments)


def say(page: Page, text: str) -> None:
    box = page.locator("textarea").last
    box.fill(text)
    box.press("Enter")
    expect(page.get_by_text(f"You said {text}.")).to_be_visible()
    expect(page.get_by_role("button", name="Retry")).to_be_visible()


def reactions(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def told(page: Page) -> str:
    """The id in the receipt that the page shows."""
    expect(page.get_by_text("Its receipt is")).to_be_visible()
    return page.get_by_role("status").locator("code").inner_text()


def texts(messages: Any) -> list[str]:
    return [part["text"] for message in messages for part in message["content"]]


def test_a_thumb_keeps_the_conversation_and_the_reply(
    page: Page, launch: Callable[..., str]
) -> None:
    """
    The input is the conversation up to the reply, the output the reply; the server made it.
    """
    store = MemoryStore()
    page.goto(launch(chat(store, title="Echo")))
    say(page, "one")
    say(page, "two")

    reactions(page, "Like").nth(1).click()

    assert told(page) == next(iter(store.find())).id
    (flag,) = store.find()
    assert texts(flag.inputs["conversation"].data) == ["one", "You said one.", "two"]
    assert texts(flag.outputs["reply"].data) == ["You said two."]
    assert (flag.app, flag.option, flag.verified) == ("Echo", "Like", True)
    assert flag.context["latency"] > 0
    assert flag.session


def test_an_earlier_reply(page: Page, launch: Callable[..., str]) -> None:
    """
    A reply in the middle is flagged with what came before it only, and is verified, too.
    """
    store = MemoryStore()
    page.goto(launch(chat(store)))
    say(page, "one")
    say(page, "two")

    reactions(page, "Dislike").first.click()

    told(page)
    (flag,) = store.find()
    assert texts(flag.inputs["conversation"].data) == ["one"]
    assert (flag.option, flag.verified) == ("Dislike", True)


def test_a_change_of_mind(page: Page, launch: Callable[..., str]) -> None:
    """
    One flag stands for a reply: another thumb takes the first back, and so does the same again.
    """
    store = MemoryStore()
    page.goto(launch(chat(store)))
    say(page, "one")
    reactions(page, "Like").click()
    first = told(page)
    reactions(page, "Dislike").click()
    expect(page.get_by_role("status").locator("code")).not_to_have_text(first)
    second = told(page)
    assert [flag.option for flag in store.find()] == ["Dislike", "Like"]
    assert store.state(first).verdict == "rejected"
    assert store.state(second).verdict == "open"

    reactions(page, "Disliked").click()
    expect(page.get_by_text("Taken back.")).to_be_visible()

    assert store.state(second).verdict == "rejected"
    reviews = [record for record in store.scan() if isinstance(record, Review)]
    assert [review.flag_id for review in reviews] == [first, second]
    assert {(review.by, review.speaker) for review in reviews} == {(None, "visitor")}


def test_an_option_of_ones_own_is_kept_once(page: Page, launch: Callable[..., str]) -> None:
    """
    Gradio tells of a custom option twice; it is one flag.
    """
    store = MemoryStore()
    page.goto(launch(chat(store, flagging_options=["Like", "Spam", "Too long"])))
    say(page, "one")
    reactions(page, "Feedback").click()

    page.get_by_text("Too long", exact=True).click()

    told(page)
    say(page, "two")  # whatever the page sent is worked on by now
    assert [flag.option for flag in store.find()] == ["Too long"]


def test_a_comment_and_a_better_answer(page: Page, launch: Callable[..., str]) -> None:
    """
    They are asked after the thumb, and kept as a review by the same person.
    """
    store = MemoryStore()
    page.goto(launch(chat(store, flag_comment=True, flag_correction=True)))
    say(page, "one")
    reactions(page, "Dislike").click()
    flag_id = told(page)
    expect(page.get_by_label("Expected reply")).to_have_value("You said one.")
    page.get_by_label("Expected reply").fill("Hello.")
    page.get_by_label("Comment").fill("A parrot!")
    page.screenshot(path=SCREENSHOTS / "chat-comment.png")

    page.get_by_label("Comment").press("Enter")

    expect(page.get_by_label("Comment")).to_be_hidden()
    flag, review = store.scan()
    assert isinstance(flag, Flag)
    assert isinstance(review, Review)
    assert (review.flag_id, review.speaker, review.note) == (flag_id, "visitor", "A parrot!")
    assert texts(review.correction["reply"].data) == ["Hello."]
    assert store.state(flag_id).correction == review.correction
    assert review.correction["reply"].kind == flag.outputs["reply"].kind == "chat"


def test_what_else_the_model_was_given(page: Page, launch: Callable[..., str]) -> None:
    """
    Additional inputs are inputs of the flag.
    """
    store = MemoryStore()
    demo = gr.ChatInterface(
        lambda message, history, manner, state: f"You said {message}.",
        additional_inputs=[gr.Textbox("polite", label="manner"), gr.State(3)],
        flagging_callback=gr.FlagLogger(store),
    )
    page.goto(launch(demo))
    box = page.locator("textarea").first
    box.fill("one")
    box.press("Enter")
    expect(page.get_by_role("button", name="Retry")).to_be_visible()

    reactions(page, "Like").click()

    told(page)
    (flag,) = store.find()
    assert list(flag.inputs)[:2] == ["conversation", "manner"]
    assert flag.inputs["manner"].data == "polite"
    assert flag.verified is True


def test_a_stream_counts_as_it_ended(page: Page, launch: Callable[..., str]) -> None:
    """
    Of a reply that comes in steps the last one counts.
    """

    def stream(message: str, history: Any) -> Any:
        for end in range(1, 4):
            yield "You said one."[: end * 5]

    store = MemoryStore()
    page.goto(launch(gr.ChatInterface(stream, flagging_callback=gr.FlagLogger(store))))
    say(page, "one")

    reactions(page, "Like").click()

    told(page)
    (flag,) = store.find()
    assert texts(flag.outputs["reply"].data) == ["You said one."]
    assert flag.verified is True


def test_conversations_and_their_reactions(page: Page, launch: Callable[..., str]) -> None:
    """
    A new conversation begins without reactions; the old one is shown again with its own.
    """
    store = MemoryStore()
    page.goto(launch(chat(store, save_history=True)))
    say(page, "one")
    reactions(page, "Like").click()
    told(page)
    expect(reactions(page, "Liked")).to_have_count(1)

    page.get_by_role("button", name="New chat").click()
    expect(page.get_by_text("You said one.")).to_have_count(0)
    say(page, "two")
    expect(reactions(page, "Liked")).to_have_count(0)
    reactions(page, "Dislike").click()
    expect(reactions(page, "Disliked")).to_have_count(1)

    page.reload()
    page.get_by_text("one", exact=True).click()
    expect(page.get_by_text("You said one.")).to_be_visible()
    expect(reactions(page, "Liked")).to_have_count(1)
    expect(reactions(page, "Disliked")).to_have_count(0)

    reactions(page, "Liked").click()  # and can be taken back, from another session
    expect(page.get_by_text("Taken back.")).to_be_visible()
    verdicts = {flag.option: store.state(flag.id).verdict for flag in store.find()}
    assert verdicts == {"Like": "rejected", "Dislike": "open"}


def test_a_cleared_conversation_is_gone(page: Page, launch: Callable[..., str]) -> None:
    """
    The same words, said again after "Clear", are another conversation with flags of its own.
    """
    store = MemoryStore()
    page.goto(launch(chat(store)))
    say(page, "one")
    reactions(page, "Like").click()
    first = told(page)
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_text("Its receipt is")).to_be_hidden()

    say(page, "one")
    expect(reactions(page, "Liked")).to_have_count(0)
    reactions(page, "Dislike").click()
    second = told(page)

    assert [store.state(flag_id).verdict for flag_id in (first, second)] == ["open", "open"]


def test_another_person_sees_no_reactions(
    browser: Browser, page: Page, launch: Callable[..., str]
) -> None:
    """
    Reactions are those of one browser: the same words said by another have none.
    """
    store = MemoryStore()
    url = launch(chat(store))
    page.goto(url)
    say(page, "one")
    reactions(page, "Like").click()
    told(page)

    other = browser.new_page()
    other.goto(url)
    say(other, "one")
    expect(reactions(other, "Liked")).to_have_count(0)
    reactions(other, "Dislike").click()
    told(other)
    other.close()

    assert [(flag.option, store.state(flag.id).verdict) for flag in store.find()] == [
        ("Dislike", "open"), ("Like", "open"),
    ]  # fmt: skip
    assert len({flag.session for flag in store.find()}) == 2


def test_a_store_that_fails_is_told(page: Page, launch: Callable[..., str]) -> None:
    """
    A reaction that was not kept is said not to be, and can be pressed again.
    """
    inner = MemoryStore()
    page.goto(launch(chat(FailingStore(inner, every=2))))
    say(page, "one")
    say(page, "two")
    reactions(page, "Like").first.click()
    told(page)
    reactions(page, "Like").first.click()  # the second reply: the first says "Liked" by now
    expect(page.get_by_role("alert")).to_have_text(
        "Not saved. It could not be saved. Nothing was kept; you can try again."
    )
    assert len(list(inner.find())) == 1


def test_attached_to_gradios_chat(page: Page, launch: Callable[..., str]) -> None:
    """
    A chat that somebody else built gets thumbs, comment and better answer in one line.
    """
    store = MemoryStore()
    page.goto(launch(gr.attach(gradio.ChatInterface(echo), store)))
    say(page, "one")

    reactions(page, "Like").click()

    told(page)
    expect(page.get_by_label("Expected reply")).to_be_visible()
    (flag,) = store.find()
    assert (flag.option, flag.verified) == ("Like", True)


def test_without_a_callback_nothing_is_asked(page: Page, launch: Callable[..., str]) -> None:
    """
    A plain ChatInterface looks as Gradio's does.
    """
    page.goto(launch(gr.ChatInterface(echo)))
    say(page, "one")

    expect(reactions(page, "Like")).to_have_count(0)


def test_on_every_screen(screen: tuple[Page, str], launch: Callable[..., str]) -> None:
    """
    In both colour schemes, and on a phone, all that is asked is there, and nothing sticks out.
    """
    page, scheme = screen
    demo = chat(MemoryStore(), flag_comment=True, flag_correction=True)
    page.goto(f"{launch(demo)}?__theme={scheme}")
    say(page, "one")
    reactions(page, "Dislike").click()
    told(page)
    for button in ("Save", "Close"):
        expect(page.get_by_role("button", name=button, exact=True)).to_be_in_viewport()
    page.get_by_label("Comment").fill("A parrot!")

    sizes = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert sizes[0] <= sizes[1]
