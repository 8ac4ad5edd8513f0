"""
The automatic mode: every prediction, whoever asked for it, as far as the rules want it.
"""

import json
import logging

import gradio
import numpy as np
import pandas as pd
import pytest
from demo_page import running
from gradio_client import Client

import flagstone.gradio as gr
from flagstone.core.query import Query
from flagstone.filters import confidence_below, raised
from flagstone.stores.files import DirectoryFiles
from flagstone.stores.memory import MemoryStore
from flagstone.testing import FailingStore


def invert(number):
    return 1 / number


def automatic(store, fn=invert, outputs=None, **arguments):
    return gr.Interface(
        fn, gr.Number(label="number"), outputs or gr.Number(label="inverse"),
        flagging_mode="auto", flagging_callback=gr.FlagLogger(store), title="Invert", **arguments,
    )  # fmt: skip


def kept(store):
    return list(store.find(Query(order="oldest")))


def ask(demo, *numbers, session="session1"):
    """Predict from each of *numbers* as a page does."""
    with running(demo) as open_page:
        page = open_page(session)
        for number in numbers:
            page.call(page.number_of("invert", "predict", "unsure"), [number])


class TestEveryPrediction:
    def test_one_flag_for_each(self):
        """
        Inputs, outputs, latency: what the server made is kept, verified, before it is answered.
        """
        store = MemoryStore()
        ask(automatic(store), 2, 4)

        flags = kept(store)
        assert [flag.inputs["number"].data for flag in flags] == [2, 4]
        assert [flag.outputs["inverse"].data for flag in flags] == [0.5, 0.25]
        for flag in flags:
            assert (flag.app, flag.option, flag.verified) == ("Invert", None, True)
            assert flag.context["automatic"] is True
            assert 0 < flag.context["latency"] < 30
            assert flag.session == "session1"

    def test_a_table_of_dates(self):
        """
        What the function returned is kept as the page got it.
        """

        def predict(number):
            return pd.DataFrame({"when": pd.to_datetime(["2024-01-02"]), "n": [number]})

        store = MemoryStore()
        ask(automatic(store, fn=predict, outputs=gr.Dataframe(label="table")), 2)

        (flag,) = kept(store)
        assert flag.outputs["table"].data["data"][0][0].startswith("2024-01-02")

    def test_those_of_api_clients(self):
        """
        A program that calls the API is kept like a page.
        """
        store = MemoryStore()
        demo = automatic(store)
        _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
        try:
            client = Client(url, verbose=False)
            assert client.predict(2, api_name=next(iter(names(demo)))) == 0.5
        finally:
            demo.close()

        (flag,) = kept(store)
        assert flag.outputs["inverse"].data == 0.5

    def test_one_that_raised(self):
        """
        An exception is a flag without outputs, with the error in its context.
        """
        store = MemoryStore()
        ask(automatic(store), 0, 2)

        failed, fine = kept(store)
        assert (failed.inputs["number"].data, failed.outputs) == (0, {})
        error = failed.context["error"]
        assert (error["type"], error["message"]) == ("ZeroDivisionError", "division by zero")
        assert "in invert" in error["traceback"]
        assert "error" not in fine.context

    def test_a_batch(self):
        """
        Each sample of a batch is a flag of its own.
        """

        def predict(numbers):
            return [[1 / number for number in numbers]]

        store = MemoryStore()
        demo = automatic(store, fn=predict, batch=True, max_batch_size=4)
        ask(demo, 2, 4)

        assert [flag.outputs["inverse"].data for flag in kept(store)] == [0.5, 0.25]

    def test_in_tabs_and_in_blocks(self):
        """
        An Interface in a tab is watched there; a panel in "auto" has no button.
        """
        store, other = MemoryStore(), MemoryStore()
        with gradio.Blocks() as demo:
            automatic(store).render()
            number, inverse = gradio.Number(label="a"), gradio.Number(label="b")
            gradio.Button().click(lambda given: given * 2, number, inverse)
            assert gr.flag_panel(number, inverse, other, mode="auto") is None
        with running(demo) as open_page:
            page = open_page()
            page.call(page.number_of("invert"), [2])
            page.call(page.number_of("<lambda>"), [4])

        assert [flag.outputs["inverse"].data for flag in kept(store)] == [0.5]
        assert [flag.outputs["b"].data for flag in kept(other)] == [8]

    def test_in_a_page_of_somebody_elses(self):
        """
        Blocks with a panel, and a demo that was attached, are watched where they end up.
        """
        store, other = MemoryStore(), MemoryStore()
        with gradio.Blocks(title="mine") as inner:
            number, inverse = gradio.Number(label="a"), gradio.Number(label="b")
            gradio.Button().click(lambda given: given * 2, number, inverse)
            gr.flag_panel(number, inverse, store, mode="auto")
        theirs = gradio.Interface(invert, gradio.Number(label="n"), gradio.Number(label="i"))
        gr.attach(theirs, other, comment=False, correction=False)
        with running(gradio.TabbedInterface([inner, theirs], ["1", "2"])) as open_page:
            page = open_page()
            page.call(page.number_of("<lambda>"), [4])
            page.call(page.number_of("invert"), [2])
            page.call(page.number_of("_keep"), [2, 0.5, None, None])

        assert [(flag.app, flag.outputs["b"].data) for flag in kept(store)] == [("mine", 8)]
        assert [(flag.app, flag.verified) for flag in kept(other)] == [("invert", True)]

    def test_components_that_a_function_returns(self):
        """
        The value within a change of looks is the value; what is skipped is absent.
        """

        def invert(number):
            return gradio.Number(value=1 / number, visible=True), gradio.update(visible=False)

        store = MemoryStore()
        outputs = [gr.Number(label="inverse"), gr.Textbox(label="note")]
        ask(automatic(store, fn=invert, outputs=outputs), 2)

        (flag,) = kept(store)
        assert {name: value.data for name, value in flag.outputs.items()} == {"inverse": 0.5}

    def test_a_component_on_both_sides(self):
        """
        What went in and what came out are told apart, though one component held both.
        """

        def invert(number):
            return 1 / number

        store = MemoryStore()
        both = gr.Number(label="number")
        demo = gr.Interface(
            invert, both, both, flagging_mode="auto", flagging_callback=gr.FlagLogger(store)
        )
        ask(demo, 2)

        (flag,) = kept(store)
        assert {name: value.data for name, value in flag.inputs.items()} == {"number": 2}
        assert {name: value.data for name, value in flag.outputs.items()} == {"number_2": 0.5}

    def test_examples_made_at_the_start_are_none(self, tmp_path, monkeypatch):
        """
        What Gradio predicts to cache its examples was seen by nobody.
        """
        monkeypatch.chdir(tmp_path)
        store = MemoryStore()
        ask(automatic(store, examples=[[2], [4]], cache_examples=True), 8)

        assert [flag.inputs["number"].data for flag in kept(store)] == [8]

    def test_a_store_that_fails(self, caplog):
        """
        The prediction is answered all the same; the log says what was not kept.
        """
        inner = MemoryStore()
        demo = automatic(FailingStore(inner))
        with running(demo) as open_page, caplog.at_level(logging.ERROR):
            page = open_page()
            answer = page.call(page.number_of("invert"), [2])

        assert answer.json()["data"] == [0.5]
        assert kept(inner) == []
        (logged,) = [r for r in caplog.records if r.name.startswith("flagstone")]
        assert logged.getMessage() == "A prediction was not saved"
        assert "the medium is out of order" in str(logged.exc_info)


class TestWhatIsWanted:
    def test_when(self):
        """
        Only predictions of which the predicate says yes: here those that raised.
        """
        store = MemoryStore()
        ask(automatic(store, when=raised), 2, 0, 4)

        assert [flag.inputs["number"].data for flag in kept(store)] == [0]

    def test_confidence(self):
        """
        A label that is unsure is kept, a sure one is not.
        """

        def unsure(number):
            return {"cat": number, "dog": 1 - number}

        store = MemoryStore()
        demo = automatic(store, fn=unsure, outputs=gr.Label(), when=confidence_below(0.6))
        ask(demo, 0.5, 0.9, 0.1, 0.45)

        assert [flag.inputs["number"].data for flag in kept(store)] == [0.5, 0.45]

    def test_what_is_not_wanted_leaves_no_file(self, tmp_path):
        """
        A prediction that is passed over has not put a file on the disk.
        """
        store = MemoryStore()
        store.files = DirectoryFiles(tmp_path / "kept")
        demo = gr.Interface(
            lambda: np.zeros((4, 4, 3), np.uint8), None, gr.Image(label="image"),
            flagging_mode="auto", flagging_callback=gr.FlagLogger(store), sample_rate=0.0,
        )  # fmt: skip
        with running(demo) as open_page:
            page = open_page()
            page.call(page.number_of("<lambda>"), [])

        assert kept(store) == []
        assert not (tmp_path / "kept").exists()

    def test_sample(self):
        """
        A share of the inputs, and always the same ones.
        """
        numbers = list(range(1, 101))
        first, second = MemoryStore(), MemoryStore()
        for store in (first, second):
            ask(automatic(store, sample_rate=0.3), *numbers)

        sampled = [flag.inputs["number"].data for flag in kept(first)]
        assert sampled == [flag.inputs["number"].data for flag in kept(second)]
        assert 15 < len(sampled) < 45

    def test_limit(self):
        """
        So many of one session in an hour; another has its own.
        """
        store = MemoryStore()
        demo = automatic(store, max_per_hour=2)
        with running(demo) as open_page:
            for session in ("a", "b"):
                page = open_page(session)
                for number in (1, 2, 4):
                    page.call(page.number_of("invert"), [number])

        assert [flag.session for flag in kept(store)] == ["a", "a", "b", "b"]

    def test_consent(self):
        """
        Before the line is ticked nothing is kept, and nothing after it is taken back.
        """
        store = MemoryStore()
        demo = automatic(store, consent="Keep what I do.")
        with running(demo) as open_page:
            page = open_page()
            for given in (None, True, False):
                if given is not None:
                    page.call(page.number_of("hear"), [given])
                page.call(page.number_of("invert"), [2])
            open_page("other").call(page.number_of("invert"), [2])

        assert len(kept(store)) == 1

    def test_a_predicate_that_fails(self, caplog):
        """
        A mistake in the predicate is logged, and the prediction is answered.
        """

        def broken(flag):
            raise KeyError("confidence")

        store = MemoryStore()
        with running(automatic(store, when=broken)) as open_page:
            page = open_page()
            assert page.call(page.number_of("invert"), [2]).json()["data"] == [0.5]

        assert kept(store) == []
        assert "A prediction was not saved" in caplog.text


def names(demo):
    """The names of the functions that the API has."""
    described = json.loads(json.dumps(demo.get_api_info()))
    return described["named_endpoints"]


@pytest.fixture(autouse=True)
def _quiet(caplog):
    """Gradio logs what a prediction raised; the tests look at our own log only."""
    caplog.set_level(logging.ERROR)
