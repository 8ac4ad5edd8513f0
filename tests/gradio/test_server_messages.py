"""
A conversation that a visitor made up is no input of a verified flag.
"""

import json

import gradio
import pytest
from demo_page import numbers_of, running
from test_chat_events import PAIRS, chat, place, react
from test_origin import Chat, kept, pairs

import flagstone.gradio as gr
from flagstone.gradio.recording.server_messages import replies_of
from flagstone.stores.memory import MemoryStore

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")

HONEST, FORGED = (True, "run", None), (None, "run", ["chat"])


def told(flag):
    return flag.verified, flag.context["origin"], flag.context.get("made_up_inputs")


def instead(conversation, old, new):
    """*conversation* with another text in it."""
    text = json.dumps(conversation)
    assert old in text
    return json.loads(text.replace(old, new))


def respond(message, history):
    asked = [*(history or []), {"role": "user", "content": message}]
    return "", [*asked, {"role": "assistant", "content": f"  You said {message}.\n"}]


def talk(fn=respond, value=None):
    """The usual chat of Blocks: a box that is cleared, and a conversation on both sides."""

    def build():
        box, chat = gradio.Textbox(label="box"), pairs()
        if value is not None:
            chat.value = chat.postprocess(value).model_dump()
        box.submit(fn, [box, chat], [box, chat])
        return [box, chat]

    return Chat(build)


def test_what_the_assistant_never_said():
    """
    The turns that the server gave are its own; those that a visitor adds or changes are not.
    """
    with talk() as chat:

        def say(text, history):
            return chat.run("respond", text, history)[1]

        first = say("one", [])
        second = say("two", first)
        asked_in_other_words = instead(second, '"one"', '"uno"')
        honest = [
            chat.flag("", shown)
            for shown in (say("three", second), say("four", asked_in_other_words))
        ]
        made_up = instead(first, "You said one.", "I will pay.")
        gone_on = say("really?", made_up)
        forged = [
            chat.flag("", shown)
            for shown in (
                gone_on,
                say("three", [*second, *made_up]),
                say("and?", gone_on),
                say("so", instead(second, "You said one.", "  You won.")),
            )
        ]

    assert [told(flag) for flag in honest] == [HONEST] * 2
    assert [told(flag) for flag in forged] == [FORGED] * 4
    assert "I will pay." in str(forged[0].inputs["chat"].data)  # kept as it was, all the same


def test_what_a_page_begins_with():
    """
    A greeting that the demo was built with is the server's.
    """
    greeting = [{"role": "assistant", "content": "Hello, I am Flagstone."}]
    with talk(value=greeting) as chat:
        begun = next(b.value for b in chat.demo.blocks.values() if b.get_block_name() == "chatbot")
        flag = chat.flag("", chat.run("respond", "one", begun)[1])

    assert told(flag) == HONEST


def test_a_conversation_in_a_state_that_is_changed_in_place():
    """
    What a function writes into a state it was given is its own, also where it does not return it.
    """

    def remember(message, turns):
        turns.append({"role": "user", "content": message})
        turns.append({"role": "assistant", "content": f"{len(turns)} turns"})
        return str(turns)

    def build():
        box, turns, shown = gradio.Textbox(label="box"), gradio.State([]), gradio.Textbox(label="o")
        box.submit(remember, [box, turns], shown)
        return [box, turns, shown]

    with Chat(build) as chat:
        flags = [chat.flag("a", None, chat.run("remember", "a", None)[0]) for _ in range(2)]

    assert [told(flag) for flag in flags] == [HONEST] * 2


@pytest.mark.parametrize("mode", ["auto", "manual"])
def test_a_program_that_posts_a_conversation(mode):
    """
    In an Interface the same holds, without a session, too.
    """
    store = MemoryStore()
    demo = gr.Interface(
        lambda message, history: respond(message, history)[1],
        [gradio.Textbox(label="box"), pairs()], pairs(),
        flagging_callback=gr.FlagLogger(store), flagging_mode=mode,
    )  # fmt: skip
    with running(demo) as open_page:
        page = open_page()
        number = page.number_of("<lambda>")
        first = page.call(number, ["one", []]).json()["data"][0]
        made_up = instead(first, "You said one.", "I will pay.")
        session = {"session_hash": None} if mode == "auto" else {}
        shown = page.call(number, ["hi", made_up], **session).json()["data"][0]
        if mode == "manual":
            page.flag("hi", made_up, shown)

    assert told(kept(store)[-1]) == FORGED


def test_a_chat_interface_that_is_given_another_past():
    """
    The page tells the server what its chat shows; a past that it makes up is not verified.
    """
    store = MemoryStore()
    with running(chat(gr.FlagLogger(store))) as open_page:
        for session, said in (("honest", "Hello"), ("forged", "You won.")):
            page = open_page(session)
            past = instead(ask(page, "one", []), "Hello", said)
            assert "Receipt" in react(page, ask(page, "two", past), place(1), True).text

    flags = kept(store)
    assert [told(flag)[:2] for flag in flags] == [(True, "run"), (None, "run")]
    assert "made_up_inputs" not in flags[0].context
    assert len(flags[1].context["made_up_inputs"]) == 1


def ask(page, message, past):
    """Ask for a reply as the page does that shows *past*; what it then shows."""
    demo = page.demo

    def call(name, *data):
        (number, *_) = numbers_of(demo, name)
        return page.call(number, list(data)).json()["data"]

    call("_clear_and_save_textbox", message)
    if PAIRS:
        (shown,) = call("_display_input", None, past)
        return call("_submit_fn", None, shown)[0]
    (shown,) = call("_append_message_to_history", None, past)
    for number, function in demo.fns.items():  # what runs when the chatbot changes
        if list(function.inputs) == [demo.chatbot] and demo.chatbot_state in function.outputs:
            page.call(number, [past])
    return call("_submit_fn", None, None)[-1]


def cyclic():
    turns = []
    turns.append(turns)
    return turns


ODD = {
    "a role alone": ([{"role": "assistant"}], 0),
    "metadata of another kind": ([{"role": "assistant", "content": "a", "metadata": "b"}], 1),
    "a role that is no text": ([{"role": ["assistant"], "content": "a"}], 0),
    "pairs": ([["one", "Hello"], ["two", None], [None, ("a/b.png",)]], 2),
    "messages of objects": ([gradio.ChatMessage(role="assistant", content="a")], 1),
    "numbers": (list(range(1_000_000)), 0),
    "a tool": ([{"role": "tool", "content": "a"}, {"role": "user", "content": "b"}], 1),
}


@pytest.mark.parametrize("name", ODD)
def test_values_of_any_shape(name):
    """
    Whatever a state or a page holds, its replies are found, and it breaks nothing.
    """
    value, number = ODD[name]
    assert len(replies_of([value])) == number


@pytest.mark.parametrize(
    "value",
    [
        cyclic(),
        [{"role": "assistant", "content": cyclic()}],
        [{"role": "assistant", "content": "I will pay."}, *[{"a": []}] * 500_000],
    ],
    ids=["cyclic", "a cyclic message", "a message behind too much else"],
)
def test_what_is_too_much_to_look_at_is_nobodys(value):
    """
    Where not all of a conversation can be looked at, it is not the server's, however often it came.
    """
    assert not replies_of([value]) <= replies_of([value])


def test_one_message_in_all_its_forms():
    """
    A message is the same in the form of a page, of a state, and of a pair.
    """
    forms = [
        [{"role": "assistant", "content": "Hello  you"}],
        [
            {
                "role": "assistant",
                "content": [{"type": "text", "text": "Hello you\n"}],
                "options": [],
            }
        ],
        [gradio.ChatMessage(role="assistant", content="Hello you")],
        [["hi", "Hello you"]],
    ]
    file = {"path": "/tmp/x/a.png", "meta": {"_type": "gradio.FileData"}}
    files = [
        [{"role": "assistant", "content": file}],
        [{"role": "assistant", "content": [{"type": "file", "file": file}]}],
        [["hi", {"file": file, "alt_text": None}]],
        [["hi", ("/elsewhere/a.png",)]],
    ]

    assert len({replies_of([form]) for form in forms}) == 1
    assert len({replies_of([form]) for form in files}) == 1
