"""
Reactions to the replies of a chat, in Chromium.
"""

import itertools
import re
import threading
from collections.abc import Callable
from dataclasses import replace
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
    ask(page, text, f"You said {text}.")


def reactions(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def told(page: Page) -> str:
    """The id in the receipt that the page shows."""
    expect(page.get_by_text("Receipt:")).to_be_visible()
    return page.get_by_role("status").locator("code").inner_text()


def told_other_than(page: Page, former: str) -> str:
    """The id in the next receipt that the page shows."""
    expect(page.get_by_role("status").locator("code")).not_to_have_text(former)
    return told(page)


def ask(page: Page, text: str, answer: str) -> None:
    box = page.locator("textarea").last
    box.fill(text)
    box.press("Enter")
    expect(page.get_by_text(answer)).to_be_visible()
    expect(page.get_by_role("button", name="Retry")).to_be_visible()


def standing(store: MemoryStore) -> list[tuple[str | None, str]]:
    """The options and ids of the flags that were not taken back, the earliest first."""
    flags = sorted(store.find(), key=lambda flag: flag.id)
    return [(f.option, f.id) for f in flags if store.state(f.id).verdict != "rejected"]


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
    expect(page.get_by_text("Reaction withdrawn.")).to_be_visible()

    assert store.state(second).verdict == "rejected"
    reviews = [record for record in store.scan() if isinstance(record, Review)]
    assert [review.flag_id for review in reviews] == [first, second]
    assert {(review.by, review.speaker) for review in reviews} == {(None, "visitor")}


def test_an_option_of_ones_own_is_kept_once(page: Page, launch: Callable[..., str]) -> None:
    """
    Gradio tells of a custom option twice; it is one flag, and taken back once.
    """
    store = MemoryStore()
    page.goto(launch(chat(store, flagging_options=["Like", "Spam", "Too long"])))
    say(page, "one")
    reactions(page, "Feedback").click()

    page.get_by_text("Too long", exact=True).click()

    told(page)
    say(page, "two")  # whatever the page sent is worked on by now
    assert [flag.option for flag in store.find()] == ["Too long"]

    reactions(page, "Feedback").first.hover()
    page.get_by_text("Too long", exact=True).first.click()
    expect(page.get_by_text("Reaction withdrawn.")).to_be_visible()
    say(page, "three")
    assert standing(store) == []
    assert len([record for record in store.scan() if isinstance(record, Review)]) == 1


def test_a_comment_and_a_better_answer(page: Page, launch: Callable[..., str]) -> None:
    """
    They become the comment and the correction of a flag that takes the place of the former one.
    """
    store = MemoryStore()
    page.goto(launch(chat(store, flagging_comment=True, flagging_correction=True)))
    say(page, "one")
    reactions(page, "Dislike").click()
    first = told(page)
    expect(page.get_by_label("Expected reply")).to_have_value("You said one.")
    page.get_by_label("Expected reply").fill("Hello.")
    page.get_by_label("Comment").fill("A parrot!")
    page.screenshot(path=SCREENSHOTS / "chat-comment.png")

    page.get_by_label("Comment").press("Enter")

    expect(page.get_by_label("Comment")).to_be_hidden()
    second = told_other_than(page, first)
    former, flag, review = store.scan()
    assert isinstance(former, Flag)
    assert isinstance(flag, Flag)
    assert isinstance(review, Review)
    assert (former.id, former.comment, former.correction) == (first, None, {})
    assert (flag.id, flag.comment) == (second, "A parrot!")
    assert texts(flag.correction["reply"].data) == ["Hello."]
    assert flag.correction["reply"].kind == flag.outputs["reply"].kind == "chat"
    kept = replace(flag, id=first, created_at=former.created_at, comment=None, correction={})
    assert kept == former
    assert (review.flag_id, review.verdict, review.by) == (first, "rejected", None)
    assert review.speaker == "visitor"
    assert review.note == f"replaced by {second} from the same user"
    expect(reactions(page, "Disliked")).to_have_count(1)


def test_a_comment_is_edited_and_goes_with_its_reaction(
    page: Page, launch: Callable[..., str]
) -> None:
    """
    Each edit is a flag in the place of the former; saving the same again is none; to take the
    reaction back retracts the commented flag.
    """
    store = MemoryStore()
    page.goto(launch(chat(store, flagging_comment=True)))
    say(page, "one")
    reactions(page, "Like").click()
    receipt = told(page)
    for comment in ("good", "very good"):
        page.get_by_label("Comment").fill(comment)
        page.get_by_role("button", name="Save").dblclick()
        receipt = told_other_than(page, receipt)
        expect(page.get_by_label("Comment")).to_be_hidden()
        page.get_by_role("button", name="Edit comment").click()
        expect(page.get_by_label("Comment")).to_have_value(comment)
    page.get_by_role("button", name="Close").click()
    expect(reactions(page, "Liked")).to_have_count(1)

    reactions(page, "Liked").click()

    expect(page.get_by_text("Reaction withdrawn.")).to_be_visible()
    expect(page.get_by_role("button", name="Comment")).to_be_hidden()
    assert standing(store) == []
    flags = sorted(store.find(), key=lambda flag: flag.id)
    assert [flag.comment for flag in flags] == [None, "good", "very good"]
    assert len([record for record in store.scan() if isinstance(record, Review)]) == 3


@pytest.mark.parametrize("answers", [["Hello."], ["Hello.", "Good day."]])
def test_a_retried_reply_is_another_one(
    page: Page, launch: Callable[..., str], answers: list[str]
) -> None:
    """
    After Retry, whatever it gives, the reply has neither reaction nor receipt; what was said of the
    former one stands.
    """
    store = MemoryStore()
    given = itertools.cycle(answers)
    demo = gr.ChatInterface(lambda *_: next(given), flagging_callback=gr.FlagLogger(store))
    page.goto(launch(demo))
    ask(page, "one", "Hello.")
    reactions(page, "Like").click()
    first = told(page)
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_text("Receipt:")).to_be_hidden()
    expect(page.get_by_text(answers[-1])).to_be_visible()
    expect(reactions(page, "Liked")).to_have_count(0)

    reactions(page, "Like").click()

    second = told(page)
    assert first != second
    assert standing(store) == [("Like", first), ("Like", second)]
    expect(reactions(page, "Liked")).to_have_count(1)


@pytest.mark.parametrize("times", [2, 3])
def test_presses_in_a_row(page: Page, launch: Callable[..., str], times: int) -> None:
    """
    However fast it is pressed: the page ends as the records do, which are those of the last press.
    """
    store = MemoryStore()
    page.goto(launch(chat(store)))
    say(page, "one")
    button = page.get_by_role("button", name=re.compile("^Liked?$"))

    button.click(click_count=times)

    stands = times % 2 == 1
    end = "Receipt:" if stands else "Reaction withdrawn."
    expect(page.get_by_text(end)).to_be_visible()
    say(page, "two")  # whatever the page sent is worked on by now
    expect(reactions(page, "Liked")).to_have_count(int(stands))
    assert [option for option, _ in standing(store)] == ["Like"] * stands
    assert len(list(store.find())) == times - times // 2


def test_replies_pressed_one_after_the_other(page: Page, launch: Callable[..., str]) -> None:
    """
    Presses on several replies, each before the one before is answered, are all kept.
    """
    store = MemoryStore()
    page.goto(launch(chat(store)))
    for text in ("one", "two", "three"):
        say(page, text)

    page.evaluate("document.querySelectorAll('button[aria-label=Dislike]').forEach(b => b.click())")

    expect(reactions(page, "Disliked")).to_have_count(3)
    say(page, "four")
    assert [option for option, _ in standing(store)] == ["Dislike"] * 3
    expect(reactions(page, "Disliked")).to_have_count(3)


def test_undo_and_edit_end_what_comes_after(page: Page, launch: Callable[..., str]) -> None:
    """
    What was answered before keeps its reaction; what is answered instead has none, nor a receipt,
    even in the same words.
    """
    store = MemoryStore()
    demo = chat(store, editable=True)
    page.goto(launch(demo))
    say(page, "one")
    reactions(page, "Dislike").click()
    kept = told(page)
    say(page, "two")
    reactions(page, "Like").nth(1).click()
    undone = told_other_than(page, kept)

    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Receipt:")).to_be_hidden()
    say(page, "two")
    expect(reactions(page, "Liked")).to_have_count(0)
    expect(reactions(page, "Disliked")).to_have_count(1)
    reactions(page, "Like").nth(1).click()
    edited = told(page)

    page.get_by_role("button", name="Edit").nth(1).click()
    page.locator("textarea.edit-textarea").fill("three")
    page.get_by_role("button", name="Submit", exact=True).click()
    expect(page.get_by_text("You said three.")).to_be_visible()
    expect(page.get_by_text("Receipt:")).to_be_hidden()
    expect(reactions(page, "Liked")).to_have_count(0)
    expect(reactions(page, "Disliked")).to_have_count(1)

    expected = [("Dislike", kept), ("Like", undone), ("Like", edited)]
    assert standing(store) == expected


def test_the_same_words_again_are_another_reply(page: Page, launch: Callable[..., str]) -> None:
    """
    In a new chat, or when the page is loaded again, the same words have no reaction yet.
    """
    store = MemoryStore()
    page.goto(launch(chat(store, save_history=True)))
    for again in (page.get_by_role("button", name="New chat").click, page.reload, None):
        say(page, "one")
        expect(reactions(page, "Liked")).to_have_count(0)
        reactions(page, "Like").click()
        told(page)
        expect(reactions(page, "Liked")).to_have_count(1)
        if again is not None:
            again()
            expect(page.get_by_text("You said one.")).to_have_count(0)

    assert [option for option, _ in standing(store)] == ["Like"] * 3


def test_two_tabs(browser: Browser, launch: Callable[..., str]) -> None:
    """
    Tabs of one browser share what stands: each press begins from that, and a reload shows it.
    """
    store = MemoryStore()
    url = launch(chat(store, save_history=True))
    context = browser.new_context()
    one = context.new_page()
    one.goto(url)
    say(one, "one")
    reactions(one, "Like").click()
    first = told(one)
    two = context.new_page()
    two.goto(url)
    two.get_by_text("one", exact=True).click()
    expect(reactions(two, "Liked")).to_have_count(1)

    reactions(two, "Dislike").click()
    second = told(two)
    reactions(one, "Liked").click()  # which it is no more
    expect(one.get_by_text("Reaction withdrawn.")).to_be_visible()
    assert standing(store) == []
    reactions(two, "Disliked").click()
    expect(two.get_by_text("No reaction to this reply is saved.")).to_be_visible()
    reactions(two, "Like").click()
    third = told(two)

    one.reload()
    one.get_by_text("one", exact=True).click()
    expect(reactions(one, "Liked")).to_have_count(1)
    assert standing(store) == [("Like", third)]
    reviews = [record.flag_id for record in store.scan() if isinstance(record, Review)]
    assert reviews == [first, second]
    context.close()


def test_a_reaction_that_was_refused_is_not_shown(page: Page, launch: Callable[..., str]) -> None:
    """
    A press that kept nothing leaves the page as it was, and says why.
    """
    store = MemoryStore()
    page.goto(launch(chat(store, consent="I agree.")))
    say(page, "one")
    reactions(page, "Like").click()
    expect(page.get_by_role("alert")).to_have_text(
        "Not saved. Tick the consent box above first. Nothing was saved."
    )
    expect(reactions(page, "Liked")).to_have_count(0)

    page.get_by_label("I agree.").check()
    reactions(page, "Like").click()
    first = told(page)
    page.get_by_label("I agree.").uncheck()
    reactions(page, "Dislike").click()

    expect(page.get_by_role("alert")).to_be_visible()
    expect(reactions(page, "Disliked")).to_have_count(0)
    expect(reactions(page, "Liked")).to_have_count(1)
    assert standing(store) == [("Like", first)]


def test_each_reaction_is_shown_at_its_reply(page: Page, launch: Callable[..., str]) -> None:
    """
    Where replies are of several messages and thoughts, or begin a chat, each shows its own.
    """

    def think(message: str, history: Any) -> Any:
        thought = {"title": "Thinking", "id": "t"}
        within = {"title": "Deeper", "id": "u", "parent_id": "t"}
        return [
            gradio.ChatMessage(content="So", metadata=thought),
            gradio.ChatMessage(content="So so", metadata=within),
            f"First {message}.",
            f"You said {message}.",
        ]

    greeting = [{"role": "assistant", "content": "Welcome"}]
    bot = gradio.Chatbot(value=greeting)
    store = MemoryStore()
    demo = gr.ChatInterface(think, chatbot=bot, flagging_callback=gr.FlagLogger(store))
    page.goto(launch(demo))
    say(page, "one")
    say(page, "two")
    expect(reactions(page, "Like")).to_have_count(3)
    receipt = ""
    for number in (2, 0):
        reactions(page, "Like").nth(number).click()
        receipt = told_other_than(page, receipt)

    expect(reactions(page, "Liked")).to_have_count(2)
    expect(page.get_by_role("button", name=re.compile("^Liked?$")).nth(1)).to_have_accessible_name(
        "Like"
    )
    later, earlier = sorted(store.find(), key=lambda flag: flag.id)
    assert texts(later.outputs["reply"].data) == ["So", "So so", "First two.", "You said two."]
    assert texts(earlier.outputs["reply"].data) == ["Welcome"]
    assert earlier.inputs["conversation"].data == []

    page.reload()  # what the page begins with has its reaction still
    expect(reactions(page, "Liked")).to_have_count(1)


def test_a_reply_that_still_grows(page: Page, launch: Callable[..., str]) -> None:
    """
    A reaction before the end of a stream says so, and stands for the reply when it has ended.
    """
    goes_on = threading.Event()

    def stream(message: str, history: Any) -> Any:
        yield "You"
        yield "You said"
        goes_on.wait(60)
        yield "You said one."

    store = MemoryStore()
    page.goto(launch(gr.ChatInterface(stream, flagging_callback=gr.FlagLogger(store))))
    box = page.locator("textarea").last
    box.fill("one")
    box.press("Enter")
    expect(page.get_by_text("You said", exact=True)).to_be_visible()
    reactions(page, "Like").click()
    first = told(page)
    goes_on.set()
    expect(page.get_by_text("You said one.")).to_be_visible()
    expect(page.get_by_role("button", name="Retry")).to_be_enabled()
    expect(reactions(page, "Liked")).to_have_count(1)

    flag = store.get(first)
    assert texts(flag.outputs["reply"].data) == ["You said"]
    assert (flag.context["origin"], flag.verified) == ("partial run", True)
    reactions(page, "Dislike").click()
    second = told_other_than(page, first)
    assert texts(store.get(second).outputs["reply"].data) == ["You said one."]
    assert store.get(second).context["origin"] == "run"
    assert standing(store) == [("Dislike", second)]


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
    expect(page.get_by_text("Reaction withdrawn.")).to_be_visible()
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
    expect(page.get_by_text("Receipt:")).to_be_hidden()

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
        "Not saved. Something went wrong. Nothing was saved; you can try again."
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
    demo = chat(MemoryStore(), flagging_comment=True, flagging_correction=True)
    page.goto(f"{launch(demo)}?__theme={scheme}")
    say(page, "one")
    reactions(page, "Dislike").click()
    told(page)
    for button in ("Save", "Close"):
        expect(page.get_by_role("button", name=button, exact=True)).to_be_in_viewport()
    page.get_by_label("Comment").fill("A parrot!")

    sizes = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert sizes[0] <= sizes[1]
