"""
Verified capture: a flag says whether the server itself made its outputs from its inputs.
"""

import subprocess
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import gradio
import pandas as pd
import pytest
from demo_page import PREFIX, running

import flagstone.gradio as gr
from flagstone.core.query import Query
from flagstone.gradio.recording import capture as capturing
from flagstone.gradio.recording.capture import Capture, Run, capture_of
from flagstone.gradio.recording.digests import digest_of
from flagstone.stores.memory import MemoryStore


def predict(text):
    return text.upper()


def shouting(store, fn=predict, **arguments):
    return gr.Interface(
        fn, gr.Textbox(label="said"), gr.Textbox(label="heard"),
        flagging_callback=gr.FlagLogger(store), **arguments,
    )  # fmt: skip


def verdicts(store):
    return [flag.verified for flag in store.find(Query(order="oldest"))]


class TestVerified:
    def test_what_the_server_made(self):
        """
        A flag of what was predicted is verified, and says how long it took, of which model.
        """
        store = MemoryStore()
        with running(shouting(store, model="v7")) as open_page:
            page = open_page()
            page.predict("hello")
            page.flag("hello", "HELLO")

        (flag,) = store.find()
        assert flag.verified is True
        assert 0 < flag.context["latency"] < 30
        assert flag.context["model"] == "v7"
        assert flag.context["packages"]["gradio"] == gradio.__version__
        here = flag.context.get("commit", "")  # the tests may run outside of a repository
        command = ["git", "rev-parse", "HEAD"]
        commit = subprocess.run(command, capture_output=True, text=True, check=False)
        assert here == commit.stdout.strip()

    def test_what_only_the_page_says_is_unverified(self):
        """
        Forged outright, an altered output, an altered input: kept, unverified. What another session
        was given is neither: the record calls it restored.
        """
        store = MemoryStore()
        with running(shouting(store)) as open_page:
            page = open_page("session1")
            page.flag("never", "SUBMITTED")
            page.predict("hello")
            page.flag("hello", "HELLO!")
            page.flag("hello!", "HELLO")
            open_page("session2").flag("hello", "HELLO")
            page.flag("hello", "HELLO")

        assert verdicts(store) == [False, False, False, None, True]
        origins = [flag.context["origin"] for flag in store.find(Query(order="oldest"))]
        assert origins == ["page", "page", "page", "restored run", "run"]
        unverified = [flag.context for flag in store.find() if not flag.verified]
        assert all("latency" not in context for context in unverified)

    def test_an_earlier_prediction(self):
        """
        A session's earlier predictions count, too: those of the last fifty.
        """
        store = MemoryStore()
        with running(shouting(store)) as open_page:
            page = open_page()
            for n in range(capturing.RUNS_OF_A_SESSION + 1):
                page.predict(f"text {n}")
            page.flag("text 1", "TEXT 1")
            page.flag("text 0", "TEXT 0")

        assert verdicts(store) == [True, False]

    def test_outputs_of_several_functions(self):
        """
        In Blocks each output may come from another function; all of them have to agree.
        """
        store = MemoryStore()
        with gradio.Blocks() as demo:
            said = gradio.Textbox(label="said")
            loud, back = gradio.Textbox(label="loud"), gradio.Textbox(label="back")
            gradio.Button().click(predict, said, loud)
            gradio.Button().click(lambda text: text[::-1], said, back)
            gr.flag_panel(said, [loud, back], store, comment=False, correction=False)
        with running(demo) as open_page:
            page = open_page()
            page.call(page.number_of("predict"), ["ab"])
            page.flag("ab", "AB", "ba", None, None)
            page.call(page.number_of("<lambda>"), ["ab"])
            page.flag("ab", "AB", "ba", None, None)

        assert verdicts(store) == [False, True]

    def test_where_nobody_watches_nobody_knows(self, tmp_path):
        """
        With our logger in Gradio's own Interface a flag is neither verified nor not.
        """
        store = MemoryStore()
        demo = gradio.Interface(
            predict, gradio.Textbox(label="said"), gradio.Textbox(label="heard"),
            flagging_callback=gr.FlagLogger(store), flagging_dir=str(tmp_path),
        )  # fmt: skip
        with running(demo) as open_page:
            open_page().flag("hello", "HELLO")

        assert verdicts(store) == [None]


class TestWhatAPageCannotTellApart:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (5, 5.0),
            ({"a": (1, 2)}, {"a": [1, 2]}),
            ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
            (float("nan"), None),
            (float("inf"), None),
            (-0.0, 0),
            (2**53 + 1, float(2**53)),
            ({1: "a"}, {"1": "a"}),
            (datetime(2026, 1, 2, 3, tzinfo=UTC), "2026-01-02T03:00:00+00:00"),
            (pd.Timestamp("2026-01-02"), "2026-01-02 00:00:00"),
        ],
    )
    def test_is_equal(self, one, other):
        """
        JavaScript has one kind of number, lists, and text for keys.
        """
        component = gradio.JSON()
        assert digest_of(component, one) == digest_of(component, other)

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (1, 2),
            ("1", 1),
            (True, 1),
            (False, None),
            ("", None),
            ("a", "a "),
            ([], {}),
            (2**1100, 1),
        ],
    )
    def test_is_all(self, one, other):
        """
        Everything else is told apart.
        """
        component = gradio.JSON()
        assert digest_of(component, one) != digest_of(component, other)

    def test_a_file_is_where_the_demo_has_it(self):
        """
        Its URL is the page's matter; its path and its name are not.
        """
        component = gradio.File()

        def file(**changes: Any) -> Any:
            return {
                "path": "/tmp/gradio/x/a.txt", "url": None, "size": None, "orig_name": "a.txt",
                "mime_type": None, "is_stream": False, "meta": {"_type": "gradio.FileData"},
            } | changes  # fmt: skip

        same = digest_of(component, file(url="http://127.0.0.1/a.txt", size=3))
        assert digest_of(component, file()) == same
        assert digest_of(component, file(path="/tmp/gradio/y/a.txt")) != same
        assert digest_of(component, file(orig_name="b.txt")) != same

    def test_what_no_page_can_send_agrees_with_nothing(self):
        """
        What nests too deeply is not even equal to itself.
        """
        deep: Any = []
        for _ in range(5_000):
            deep = [deep]
        component = gradio.JSON()
        assert digest_of(component, deep) != digest_of(component, deep)


class TestBounds:
    def run(self, component, text):
        function = SimpleNamespace(fn=predict, inputs=[component], outputs=[component], batch=False)
        run = Capture().begin(function, [text], None, None)
        run.outputs = [text]
        return run

    def test_what_is_remembered_is_bounded(self, monkeypatch):
        """
        Sessions seen least recently are forgotten, and the count of what is kept is exact.
        """
        monkeypatch.setattr(capturing, "FIELDS_OF_ALL", 300)
        component = gradio.Textbox()
        remembered = Capture()
        for session in range(50):
            for n in range(60):
                remembered.remember(f"s{session}", self.run(component, f"{session} {n}"))

        def knows(session, n):
            digests = {component._id: digest_of(component, f"{session} {n}")}
            found = remembered.seconds_of(f"s{session}", inputs=digests, outputs=digests)
            return found is not None

        assert knows(49, 59)
        assert knows(49, 10)
        assert not knows(49, 9)  # fifty of a session
        assert not knows(47, 59)
        assert remembered.fields <= 300

    def test_a_wide_page_is_bounded_by_its_fields(self):
        """
        A session of a page with many fields is remembered for fewer predictions.
        """
        components = [gradio.Textbox() for _ in range(200)]
        function = SimpleNamespace(fn=predict, inputs=components, outputs=components, batch=False)
        remembered = Capture()
        for n in range(5):
            run = Run(function=function, inputs=[], outputs=[f"{n}"] * 200)
            remembered.remember("s", run)

        def knows(n):
            digests = {components[0]._id: digest_of(components[0], f"{n}")}
            return remembered.seconds_of("s", inputs={}, outputs=digests) is not None

        assert [knows(n) for n in range(5)] == [False, False, False, True, True]


class TestGenerators:
    def test_the_last_step_counts(self):
        """
        Of a generator's steps only the last is what it produced, and it takes one place.
        """
        store = MemoryStore()

        def predict(text):
            for end in range(1, len(text) + 1):
                yield text[:end].upper()

        demo = shouting(store, fn=predict)
        with running(demo) as open_page:
            page = open_page()
            in_queue(page, ["hello"])
            page.flag("hello", "HELL")
            page.flag("hello", "HELLO")

        assert verdicts(store) == [False, True]
        assert capture_of(demo).fields == 3  # one call, from one field to one


def in_queue(page, data, number=None):
    """Predict as pages do with a queue, until the last step."""
    number = page.number_of("predict") if number is None else number
    joined = page.client.post(
        f"{PREFIX}/queue/join",
        json={"data": data, "fn_index": number, "session_hash": page.session, "event_data": None},
    )
    joined.raise_for_status()
    with page.client.stream(
        "GET", f"{PREFIX}/queue/data", params={"session_hash": page.session}
    ) as stream:
        for line in stream.iter_lines():
            if "process_completed" in line:
                assert '"success":true' in line.replace(" ", "")
                return line
    pytest.fail("the queue ended")
