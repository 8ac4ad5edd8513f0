"""
Reactions as events: what a page posts, rightly or not.
"""

import csv
import json
import re

import gradio
import pytest
from page import running

import flagstone.gradio as gr
from flagstone.stores.memory import MemoryStore
from flagstone.testing import FailingStore

PAIRS = gradio.__version__.startswith("4.")


def chat(callback, **arguments):
    kind = {"type": "messages"} if gradio.__version__.startswith("5.") else {}
    return gr.ChatInterface(
        lambda message, history: "Hello", flagging_callback=callback, **kind, **arguments
    )


def conversation(*texts):
    """A chatbot's payload: what was said and answered, in turn."""
    if PAIRS:
        return [list(pair) for pair in zip(texts[::2], texts[1::2], strict=True)]
    roles = ["user", "assistant"] * (len(texts) // 2)
    parts = gradio.__version__.startswith("6.")
    return [
        {
            "role": role, "metadata": None, "options": None,
            "content": [{"type": "text", "text": text}] if parts else text,
        }
        for role, text in zip(roles, texts, strict=True)
    ]  # fmt: skip


def place(reply):
    """The index that an event gives for the reply of this number."""
    return [reply, 1] if PAIRS else 2 * reply + 1


def react(page, payload, index, liked):
    data = {"index": index, "value": "", "liked": liked}
    number = page.number_of("_react")
    return page.call(number, [payload, None, None], event_data=data)


class TestReactions:
    def test_once_for_each_reply(self):
        """
        The same reaction told twice is one flag; of each reply there may be one.
        """
        store = MemoryStore()
        said = conversation("one", "Hello", "two", "Hello")
        with running(chat(gr.FlagLogger(store))) as open_page:
            page = open_page()
            for index, liked in ((0, True), (0, True), (1, False), (1, False)):
                react(page, said, place(index), liked)

        assert sorted(flag.option for flag in store.find()) == ["Dislike", "Like"]

    @pytest.mark.parametrize(
        ("index", "liked"),
        [(999, True), (-1, True), (0, True), (None, True), ("1", True), ({}, True),
         (1, "AnyStringNotInOptions"), ([[1]], True)],
    )  # fmt: skip
    def test_a_reaction_to_nothing_is_refused(self, index, liked):
        """
        An index that is no reply's, or an option that the chat has not, keeps nothing (D7).
        """
        if PAIRS and index == 0:
            index = 5
        store = MemoryStore()
        with running(chat(gr.FlagLogger(store))) as open_page:
            answer = react(open_page(), conversation("one", "Hello"), index, liked)

        sentence = re.search(r"There is no such (reply any more|option)\. Nothing was", answer.text)
        assert sentence is not None
        assert list(store.scan()) == []

    def test_a_conversation_nobody_had(self):
        """
        A conversation that is made up is kept as unverified.
        """
        store = MemoryStore()
        with running(chat(gr.FlagLogger(store))) as open_page:
            react(open_page(), conversation("one", "I never said this"), place(0), True)

        (flag,) = store.find()
        assert flag.verified is False

    def test_another_session_does_not_take_it_back(self):
        """
        What one session flagged stands, whatever another does to the same words.
        """
        store = MemoryStore()
        said = conversation("one", "Hello")
        with running(chat(gr.FlagLogger(store))) as open_page:
            react(open_page("one"), said, place(0), True)
            react(open_page("two"), said, place(0), False)

        verdicts = {flag.option: store.state(flag.id).verdict for flag in store.find()}
        assert verdicts == {"Like": "open", "Dislike": "open"}

    def test_a_failed_change_of_mind_leaves_one_flag(self):
        """
        Where the medium fails in between, the same press again leaves one flag that stands.
        """
        inner = MemoryStore()
        store = FailingStore(inner, every=3)  # the third append, of the new flag
        said = conversation("one", "Hello")
        with running(chat(gr.FlagLogger(store))) as open_page:
            page = open_page()
            for liked in (True, False, False):
                react(page, said, place(0), liked)

        standing = [f.option for f in inner.find() if inner.state(f.id).verdict == "open"]
        assert standing == ["Dislike"]

    def test_its_log_is_as_wide_as_its_header(self, tmp_path):
        """
        In a CSV log a reaction is a row like any other (D6).
        """
        demo = chat(gr.CSVLogger(), flagging_dir=str(tmp_path))
        with running(demo) as open_page:
            react(open_page(), conversation("one", "Hello"), place(0), True)

        with (tmp_path / "dataset1.csv").open(newline="") as file:
            header, row = csv.reader(file)
        assert len(header) == len(row)
        assert header[:3] == ["conversation", "reply", "flag"]
        assert "one" in row[0]
        assert json.loads(row[-1])["option"] == row[2] == "Like"

    def test_the_modes(self, monkeypatch):
        """
        Off unless asked for, by a callback, by name or by the environment.
        """
        assert gr.ChatInterface(str).flagging_mode == "never"
        assert chat(gr.CSVLogger()).flagging_mode == "manual"
        assert chat(gr.CSVLogger(), flagging_mode="never").flagging_mode == "never"
        monkeypatch.setenv("GRADIO_CHAT_FLAGGING_MODE", "manual")
        assert gr.ChatInterface(str).flagging_mode == "manual"
        with pytest.raises(ValueError, match=r"'auto'\. Must be: 'manual' or 'never'"):
            gr.ChatInterface(str, flagging_mode="auto")
