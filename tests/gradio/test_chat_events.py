"""
Reactions as events: what a page posts, rightly or not.
"""

import cProfile
import csv
import functools
import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import gradio
import pytest
from demo_page import numbers_of, running

import flagstone.gradio as gr
from flagstone import Review
from flagstone.gradio.chat.interface import function_name
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


def react(page, payload, index, liked, told=None):
    data = {"index": index, "value": "", "liked": liked}
    number = page.number_of("_react")
    return page.call(number, [payload, json.dumps(told), None], event_data=data)


def recorded(answer):
    """What the page is told is recorded, and the notice."""
    return json.loads(answer.json()["data"][0])


def comment(page, text, better=""):
    """What the page is told after a comment on its latest reaction."""
    return recorded(page.call(page.number_of("_say"), [None, text, better, None, None]))


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

        sentence = re.search(
            r"(This reply no longer exists|There is no such option)\. Nothing was", answer.text
        )
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

    def test_many_at_once_take_it_back_once(self):
        """
        However many take the same flag back at the same time, from whatever session: it is once.
        """
        store = MemoryStore()
        said = conversation("one", "Hello")
        with running(chat(gr.FlagLogger(store))) as open_page:
            pages = [open_page(name) for name in ("one", "two")]
            first = recorded(react(pages[0], said, place(0), True))
            receipts = {"receipts": {first["key"]: [first["flag"], 5]}, "began": [[0, 0]]}
            with ThreadPoolExecutor(24) as threads:
                for page in pages * 12:
                    threads.submit(react, page, said, place(0), "", receipts)

        reviews = [record for record in store.scan() if isinstance(record, Review)]
        assert [(review.flag_id, review.verdict) for review in reviews] == [
            (first["flag"], "rejected")
        ]
        assert len(list(store.find())) == 1

    def test_a_receipt_that_is_none_of_this_conversation(self):
        """
        What is older than the conversation, what no store knows and what is no receipt counts not.
        """
        store = MemoryStore()
        said = conversation("one", "Hello")
        with running(chat(gr.FlagLogger(store))) as open_page:
            first = recorded(react(open_page("first"), said, place(0), True))
            flag = first["flag"]
            tales = [
                ([flag, 5], [[0, 6]]),
                ([flag, 5], [[0, 0], [0, 6]]),
                (["another", 5], [[0, 0]]),
                (flag, [[0, 0]]),
                ([flag], [[0, 0]]),
                ([{}, 5], [[0, 0]]),
                ([flag, "5"], [[0, 1]]),
                ([flag, 5], [[0, 2**53 - 1]]),
            ]
            for number, (receipt, began) in enumerate(tales):
                told = {"receipts": {first["key"]: receipt}, "began": began, "at": 7}
                react(open_page(str(number)), said, place(0), True, told)
            told = {"receipts": {first["key"]: [flag, 5]}, "began": [[0, 5], [2, 6]]}
            again = recorded(react(open_page("last"), said, place(0), True, told))

        assert again["flag"] == flag
        assert len(list(store.find())) == 1 + len(tales)

    def test_what_no_page_tells(self):
        """
        Whatever stands where the page tells of itself, the reaction is kept.
        """
        store = MemoryStore()
        tales = [5, "x", [], {"receipts": 5, "began": 5, "at": "x"},
                 {"receipts": {"x": 5}, "began": [[{}, 1], 5, ["0", 2]]}]  # fmt: skip
        said = conversation("one", "Hello")
        with running(chat(gr.FlagLogger(store))) as open_page:
            for n, told in enumerate(tales):
                react(open_page(str(n)), said, place(0), True, told)

        assert len(list(store.find())) == len(tales)

    def test_an_index_is_a_number_before_it_reaches_the_log(self, caplog):
        """
        What a page says of the index begins no line of the log.
        """
        forged = "1\nERROR forged"
        indexes = [forged, [forged], {"a": "\n"}, 10**300, 1.5, True, -7]
        with running(chat(gr.FlagLogger(MemoryStore()))) as open_page:
            for index in indexes:
                react(open_page(), conversation("one", "Hello"), index, True)

        errors = [str(record.exc_info[1]) for record in caplog.records if record.exc_info]
        assert set(errors) == {
            "Cannot save the reaction to message -1: the conversation has no such reply. Nothing "
            "was saved. React to a reply that is shown."
        }
        assert len(errors) == len(indexes)

    def test_what_is_no_conversation(self):
        """
        A payload that no chatbot has is refused, by Gradio or by us, and nothing is kept of it.
        """
        store = MemoryStore()
        payloads = [5, "x", {"a": 1}, [5], [None], [{}], [{"role": 5}], [[1, 2, 3]],
                    [{"role": "assistant"}]]  # fmt: skip
        with running(chat(gr.FlagLogger(store))) as open_page:
            answers = [react(open_page(), each, place(0), True) for each in payloads]

        assert [each.text for each in answers if "✓ Saved" in each.text] == []
        assert list(store.scan()) == []

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


class TestComments:
    def test_the_rules_hold(self):
        """
        A comment is redacted, and one without a reaction, too large, too often or without consent
        keeps nothing.
        """
        store = MemoryStore()

        def shout(flag):
            return replace(flag, comment=flag.comment and flag.comment.upper())

        rules = {"redact": shout, "flagging_size": 1_000, "flagging_rate": 3}
        with running(chat(gr.FlagLogger(store), flagging_comment=True, **rules)) as open_page:
            page = open_page()
            nothing = comment(page, "nothing yet")
            react(page, conversation("one", "Hello"), place(0), True)
            large = comment(page, "x" * 1_001)
            kept = comment(page, "fine")
            often = comment(page, "fine, really")

        sentences = [re.sub("<[^>]*>", "", each["refusal"]) for each in (nothing, large, often)]
        assert sentences == [
            "Not saved. This reply no longer exists. Nothing was saved.",
            "Not saved. It is larger than 1,000 bytes, the limit of this demo. Nothing was saved.",
            "Not saved. You sent more than 3 in a minute. Nothing was saved; wait and try again.",
        ]
        assert {flag.comment for flag in store.find()} == {None, "FINE"}
        assert store.state(kept["flag"]).verdict == "open"

    def test_consent_is_needed_for_a_comment_too(self):
        """
        A comment that comes without the consent that the demo asks for keeps nothing.
        """
        store = MemoryStore()
        demo = chat(gr.FlagLogger(store), flagging_comment=True, consent="Yes?")
        with running(demo) as open_page:
            page = open_page()
            said = conversation("one", "Hello")
            data = {"index": place(0), "value": "", "liked": True}
            page.call(page.number_of("_react"), [said, None, True], event_data=data)
            number = page.number_of("_say")
            without = recorded(page.call(number, [None, "good", "", None, False]))
            withit = recorded(page.call(number, [None, "good", "", None, True]))

        assert "Tick the consent box above first" in without["refusal"]
        assert store.get(withit["flag"]).comment == "good"
        assert len(list(store.find())) == 2

    def test_saved_many_times_at_once_it_is_one(self):
        """
        The same comment, saved by many presses at the same time, is one flag more.
        """
        store = MemoryStore()
        with running(chat(gr.FlagLogger(store), flagging_comment=True)) as open_page:
            page = open_page()
            react(page, conversation("one", "Hello"), place(0), True)
            with ThreadPoolExecutor(24) as threads:
                list(threads.map(comment, [page] * 24, ["good"] * 24))

        flags = sorted(store.find(), key=lambda flag: flag.id)
        assert [(f.comment, store.state(f.id).verdict) for f in flags] == [
            (None, "rejected"), ("good", "open"),
        ]  # fmt: skip

    def test_nothing_is_lost_in_between(self):
        """
        Where the medium fails between the new flag and the former's withdrawal, both are there,
        and the next press takes the former back.
        """
        inner = MemoryStore()
        said = conversation("one", "Hello")
        store = FailingStore(inner, every=3)
        with running(chat(gr.FlagLogger(store), flagging_comment=True)) as open_page:
            page = open_page()
            react(page, said, place(0), True)
            answer = comment(page, "good")
            verdicts = {flag.comment: inner.state(flag.id).verdict for flag in inner.find()}
            react(page, said, place(0), True)

        assert "Saved" in answer["notice"]
        assert "could not be withdrawn yet; the next press tries again" in answer["notice"]
        assert verdicts == {None: "open", "good": "open"}
        verdicts = {flag.comment: inner.state(flag.id).verdict for flag in inner.find()}
        assert verdicts == {None: "rejected", "good": "open"}

    def test_what_was_erased_does_not_come_back(self):
        """
        A comment on a flag that was erased meanwhile, or taken back, brings nothing back.
        """
        store = MemoryStore()
        said = conversation("one", "Hello")
        with running(chat(gr.FlagLogger(store), flagging_comment=True)) as open_page:
            page = open_page()
            store.erase([recorded(react(page, said, place(0), True))["flag"]])
            erased = comment(page, "good")
            react(page, said, place(0), "")
            withdrawn = comment(page, "good")

        for answer in (erased, withdrawn):
            assert "The reaction was withdrawn. Nothing was saved" in answer["refusal"]
        assert list(store.find()) == []


class TestLongChats:
    @pytest.mark.parametrize("texts", [("some words of a person", "and of a model"), ("x", "y")])
    def test_a_reload_is_linear(self, texts):
        """
        What a conversation costs grows as the conversation does, also where each message is small.
        """
        demo = chat(gr.FlagLogger(MemoryStore()))
        taken = {}
        for exchanges in (250, 250, 1_000):
            said = conversation(*texts * exchanges)
            profile = cProfile.Profile()
            with profile:
                shown = demo._reactions._show(gradio.Request(session_hash="a"), said, None)
            taken[exchanges] = sum(entry.callcount for entry in profile.getstats())
            assert shown == {"shown": [None] * exchanges, "length": len(said)}

        assert taken[1_000] < 5 * taken[250]

    def test_it_is_bounded(self):
        """
        Replies beyond ten thousand messages take no reactions; those before them do.
        """
        store = MemoryStore()
        said = conversation(*("x", "y") * 12_000)
        with running(chat(gr.FlagLogger(store))) as open_page:
            page = open_page()
            beyond = recorded(react(page, said, place(11_000), True))
            before = recorded(react(page, said, place(4_000), True))

        assert "This reply no longer exists" in beyond["notice"]
        assert [flag.id for flag in store.find()] == [before["flag"]]


class Echo:
    def __call__(self, message, history):
        return "Hello"

    def reply(self, message, history):
        return "Hello"


def answer(message, history):
    return "Hello"


class TestNames:
    def test_a_function_is_named(self):
        """
        By itself, or what a partial calls, or the class of an object that can be called.
        """
        functions = [
            answer,
            functools.partial(answer),
            functools.partial(functools.partial(Echo().reply)),
            Echo(),
            Echo().reply,
            lambda message, history: "Hello",
        ]
        names = [function_name(function) for function in functions]
        assert names == ["answer", "answer", "reply", "Echo", "reply", "<lambda>"]

    @pytest.mark.parametrize("attached", [False, True])
    def test_without_a_title_it_is_named_by_its_function(self, attached):
        """
        The app of a flag is the title, else the name of the function, however the chat was built.
        """
        store = MemoryStore()
        kind = {"type": "messages"} if gradio.__version__.startswith("5.") else {}
        if attached:
            demo = gr.attach(gradio.ChatInterface(answer, **kind), store)
        else:
            demo = gr.ChatInterface(answer, flagging_callback=gr.FlagLogger(store), **kind)
        with running(demo) as open_page:
            react(open_page(), conversation("one", "Hello"), place(0), True)

        assert [flag.app for flag in store.find()] == ["answer"]

    def test_in_tabs_and_blocks(self):
        """
        A title goes before the tab, the tab before the function, and the function before the page.
        """
        stores = [MemoryStore() for _ in range(4)]
        kind = {"type": "messages"} if gradio.__version__.startswith("5.") else {}
        chats = [
            gr.ChatInterface(answer, flagging_callback=gr.FlagLogger(store), **title, **kind)
            for store, title in zip(stores, [{"title": "Mine"}, {}, {}, {}], strict=True)
        ]
        with gr.Blocks(title="The page") as demo:
            with gr.Tab("First"):
                chats[0].render()
            with gr.Tab("Second"):
                chats[1].render()
            chats[2].render()
            chats[3].render()
        with running(demo) as open_page:
            page = open_page()
            for number in numbers_of(demo, "_react"):
                data = {"index": place(0), "value": "", "liked": True}
                page.call(number, [conversation("one", "Hello"), None, None], event_data=data)

        apps = [[flag.app for flag in store.find()] for store in stores]
        assert apps == [["Mine"], ["Second"], ["answer"], ["answer_2"]]
