"""
One record of a reaction, wherever the chat was built, and whichever way it was asked for.
"""

import gradio
import pytest
from demo_page import numbers_of
from flagging_ways import PLACES, TITLE, opened

import flagstone.gradio as gr
from flagstone import Flag
from flagstone.core.query import Query
from flagstone.stores.memory import MemoryStore

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning"),
    pytest.mark.slow,
]

VERSION = int(gradio.__version__.split(".")[0])
KIND = {"type": "messages"} if VERSION == 5 else {}


def answer(message, history, manner, state):
    state.append("changed by the function")
    return f"You said {message}, {manner}."


def others():
    return [gradio.Textbox("kindly", label="manner"), gradio.State(["first"])]


def own(store):
    return gr.ChatInterface(
        answer, additional_inputs=others(), title=TITLE,
        flagging_callback=gr.FlagLogger(store), flagging_comment=True, **KIND,
    )  # fmt: skip


def attached(store):
    demo = gradio.ChatInterface(answer, additional_inputs=others(), title=TITLE, **KIND)
    return gr.attach(demo, store)


def ask(page, message):
    """Ask for a reply as the page does; the conversation that it then shows."""

    def call(name, *data):
        (number, *_) = numbers_of(page.demo, name)
        reply = page.call(number, list(data))
        assert reply.status_code == 200, reply.text
        return reply.json()["data"]

    call("_clear_and_save_textbox", message)
    if VERSION == 4:
        (shown,) = call("_display_input", None, [])
        return call("_submit_fn", None, shown, "kindly", None)[0]
    call("_append_message_to_history", None, [])
    return call("_submit_fn", None, None, "kindly", None)[1]


def react(page, shown):
    index = [0, 1] if VERSION == 4 else 1
    data = [shown, "kindly", None, None]
    reply = page.call(
        page.number_of("_react"), data, event_data={"index": index, "value": "", "liked": True}
    )
    assert reply.status_code == 200, reply.text
    return reply


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("make", [own, attached])
def test_one_record_of_a_reaction(make, place):
    """
    The conversation, what else the function was given, the reply: verified, the same everywhere.
    """
    store = MemoryStore()
    with opened(place, lambda: make(store)) as page:
        for session in ("one", "two"):
            page.session = session
            assert "Receipt:" in react(page, ask(page, "one")).text

    flags = list(store.find(Query(order="oldest")))
    assert [flag.session for flag in flags] == ["one", "two"]
    for flag in flags:
        assert list(flag.inputs) == ["conversation", "manner", flag_state(flag)]
        assert flag.inputs["manner"].data == "kindly"
        assert flag.inputs[flag_state(flag)].data == ["first"]
        assert "You said one, kindly." in str(flag.outputs["reply"].data)
        assert (flag.app, flag.option, flag.comment) == (TITLE, "Like", None)
        assert flag.fingerprint == Flag(inputs=flag.inputs).fingerprint
        assert (flag.verified, flag.context["origin"]) == (True, "run")
        assert flag.context["replayable"] is True


def flag_state(flag):
    """The name of the field for the state, which has no label."""
    return list(flag.inputs)[-1]
