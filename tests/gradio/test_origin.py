"""
Where a flag's values come from: what the function was given, and how the record says so.
"""

from functools import partial

import gradio
import numpy as np
import pytest
from component_cases import GRADIO
from demo_page import running
from flagging_ways import predict_as_browser
from test_capture import in_queue

import flagstone.gradio as gr
from flagstone.core.query import Query
from flagstone.stores.memory import MemoryStore


def kept(store):
    return list(store.find(Query(order="oldest")))


def data(values):
    return {name: value.data for name, value in values.items()}


def facts(flag):
    """What went in, what came out, whether it is verified, and what it is."""
    return data(flag.inputs), data(flag.outputs), flag.verified, flag.context["origin"]


def count(text, state):
    """Answer with the state, which is changed in place where it can be."""
    if isinstance(state, list):
        state.append(text)
    return f"{text} {state}", state if isinstance(state, list) else state + 1


def counting(store, start, fn=count, **arguments):
    state = gradio.State(start)
    return gr.Interface(
        fn, [gr.Textbox(label="t"), state], [gr.Textbox(label="out"), state],
        flagging_callback=gr.FlagLogger(store), **arguments,
    )  # fmt: skip


class TestStates:
    @pytest.mark.parametrize("mode", ["manual", "auto"])
    def test_a_state_is_what_the_function_was_given(self, mode):
        """
        The second call was given what the first one left, and the flag says just that.
        """
        store = MemoryStore()
        with running(counting(store, 0, flagging_mode=mode)) as open_page:
            page = open_page()
            number = page.number_of("count")
            for text in ("a", "b"):
                out = page.call(number, [text, None]).json()["data"]
            if mode == "manual":
                page.flag("b", None, out[0], None)

        flag = kept(store)[-1]
        assert facts(flag) == (
            {"t": "b", "state": 1}, {"out": "b 1", "state_2": 2}, True, "run",
        )  # fmt: skip
        assert flag.context["replayable"] is True

    @pytest.mark.parametrize("mode", ["manual", "auto"])
    def test_a_list_that_is_changed_in_place(self, mode):
        """
        The copy is taken before the call.
        """
        store = MemoryStore()
        with running(counting(store, [], flagging_mode=mode)) as open_page:
            page = open_page()
            out = page.call(page.number_of("count"), ["a", None]).json()["data"]
            if mode == "manual":
                page.flag("a", None, out[0], None)

        (flag,) = kept(store)
        assert facts(flag) == (
            {"t": "a", "state": []}, {"out": "a ['a']", "state_2": ["a"]}, True, "run",
        )  # fmt: skip

    @pytest.mark.parametrize("mode", ["manual", "auto"])
    @pytest.mark.parametrize(
        ("start", "reason"),
        [
            (["x" * 1_000_001], "it is larger than 1 MB"),
            ([[0] * 300_000], "it is larger than 1 MB"),
            ([{1, 2}], "it cannot be written as JSON: it is a builtins.set"),
        ],
    )
    def test_a_state_that_is_not_copied(self, mode, start, reason):
        """
        It is None, the context says why, and the flag is not verified nor good for a replay.
        """
        store = MemoryStore()
        demo = counting(store, start, fn=lambda t, state: (t, state), flagging_mode=mode)
        with running(demo) as open_page:
            page = open_page()
            page.call(page.number_of("<lambda>"), ["a", None])
            if mode == "manual":
                page.flag("a", None, "a", None)

        (flag,) = kept(store)
        assert facts(flag) == (
            {"t": "a", "state": None}, {"out": "a", "state_2": None}, None, "run",
        )  # fmt: skip
        assert flag.context["missing_inputs"]["state"] == reason
        assert flag.context["replayable"] is False

    def test_a_state_of_no_known_call(self):
        """
        It is the session's at the flag, where Gradio hands it over, and the context says that.
        """
        store = MemoryStore()
        with running(counting(store, 5)) as open_page:
            open_page().flag("a", None, "forged", None)

        (flag,) = kept(store)
        assert facts(flag)[2:] == (False, "page")
        known = (
            (None, "what the call was given is not known")
            if GRADIO == 4
            else (5, "this is the state of the session when it was flagged, not at the call")
        )
        assert (flag.inputs["state"].data, flag.context["missing_inputs"]["state"]) == known

    def test_a_value_that_is_changed_in_place(self):
        """
        Not only a state: what a page posted is kept as it was posted.
        """
        store = MemoryStore()
        demo = gr.Interface(
            lambda chosen: str(chosen.pop()), gr.CheckboxGroup(["a", "b"], label="c"),
            gr.Textbox(label="out"), flagging_mode="auto", flagging_callback=gr.FlagLogger(store),
        )  # fmt: skip
        with running(demo) as open_page:
            page = open_page()
            page.call(page.number_of("<lambda>"), [["a", "b"]])

        (flag,) = kept(store)
        assert facts(flag)[:2] == ({"c": ["a", "b"]}, {"out": "b"})


def echo(store, fn, outputs="text", **arguments):
    return gr.Interface(
        fn, gr.Textbox(label="t"), outputs, flagging_callback=gr.FlagLogger(store), **arguments
    )


def cached_examples(*, lazily):
    """How an Interface is told to cache its examples."""
    if GRADIO == 4:
        return {"cache_examples": "lazy" if lazily else True}
    return {"cache_examples": True, "cache_mode": "lazy" if lazily else "eager"}


class TestWhatAFlagIsOf:
    def test_json_in_auto_mode(self):
        """
        What the function returned is data, not a text that describes it.
        """
        store = MemoryStore()
        demo = echo(store, lambda t: {"a": 1, "t": t}, gr.JSON(label="j"), flagging_mode="auto")
        with running(demo) as open_page:
            page = open_page()
            page.call(page.number_of("<lambda>"), ["x"])

        (flag,) = kept(store)
        assert facts(flag) == ({"t": "x"}, {"j": {"a": 1, "t": "x"}}, True, "run")

    @pytest.mark.parametrize("mode", ["auto", "manual"])
    @pytest.mark.parametrize(
        ("component", "made", "said"),
        [
            (gr.Number, np.float32(0.1), 0.1), (gr.Number, np.float64(0.1), 0.1),
            (gr.Number, np.int64(3), 3), (gr.Slider, np.float32(0.5), 0.5),
            (gr.Number, type("Mine", (float,), {})(0.5), 0.5), (gr.Checkbox, np.bool_(True), True),
            (partial(gr.Radio, choices=[1, 2]), np.int64(2), 2),
        ],
    )  # fmt: skip
    def test_numbers_of_numpy(self, mode, component, made, said):
        """
        Gradio streams them to its page as text, which the page posts; the record has the number.
        """
        store = MemoryStore()
        out = component(label="out")
        with running(echo(store, lambda t: made, out, flagging_mode=mode)) as open_page:
            page = open_page()
            shown = predict_as_browser(page, page.number_of("<lambda>"), ["x"])
            if mode == "manual":
                page.flag("x", *shown)

        (flag,) = kept(store)
        assert facts(flag) == ({"t": "x"}, {"out": said}, True, "run")
        assert type(flag.outputs["out"].data) is type(said)

    def test_a_stream_of_numpy_that_raises(self):
        """
        The person is told what the function raised, also behind a step that held such a number.
        """

        def fn(t):
            yield np.float32(0.5)
            raise gradio.Error("no more of it")

        store = MemoryStore()
        with running(echo(store, fn, gr.Number(label="out"), flagging_mode="auto")) as open_page:
            page = open_page()
            with pytest.raises(AssertionError, match="no more of it"):
                predict_as_browser(page, page.number_of("fn"), ["x"])

        (flag,) = kept(store)
        assert facts(flag) == ({"t": "x"}, {}, None, "failed run")
        assert flag.context["error"]["message"] == "'no more of it'"

    def test_another_session(self):
        """
        A page that restored a run of the same server is no forger, and not verified either.
        """
        store = MemoryStore()
        with running(echo(store, str.upper)) as open_page:
            page = open_page("one")
            page.call(page.number_of("upper"), ["x"])
            open_page("two").flag("x", "X")
            open_page("two").flag("x", "Y")

        assert [facts(flag)[2:] for flag in kept(store)] == [
            (None, "restored run"), (False, "page"),
        ]  # fmt: skip

    def test_a_page_that_says_it_was_restored(self):
        """
        After a restart no call is known: what the page says of itself is not "verified: no".
        """
        store = MemoryStore()
        with running(echo(store, str.upper)) as open_page:
            page = open_page()
            page.client.cookies.set("flagstone_restored", "1")
            page.flag("x", "X")

        assert [facts(flag)[2:] for flag in kept(store)] == [(None, "restored run")]

    @pytest.mark.parametrize("mode", ["manual", "auto"])
    def test_a_prediction_that_raised(self, mode):
        """
        No outputs, the error in the context, and nothing that was verified.
        """
        store = MemoryStore()
        with running(echo(store, lambda t: t[5], flagging_mode=mode)) as open_page:
            page = open_page()
            number = page.number_of("<lambda>")
            page.call(number, ["x" * 9])
            page.call(number, ["x"])
            if mode == "manual":
                page.flag("x", "x")  # what the page still shows is of the call before

        flag = kept(store)[-1]
        assert facts(flag) == ({"t": "x"}, {}, None, "failed run")
        assert flag.context["error"]["type"] == "IndexError"

    def test_a_step_of_a_stream(self):
        """
        What is flagged before the end says so.
        """
        store = MemoryStore()

        def fn(t):
            yield t[:2]
            while not kept(store):
                yield t[:3]
            yield t

        with running(echo(store, fn)) as open_page:
            page = open_page()
            number = page.number_of("fn")
            page.post(
                "queue/join", {"data": ["hello"], "fn_index": number, "session_hash": "session1"}
            )
            with page.client.stream(
                "GET", page.url("queue/data"), params={"session_hash": "session1"}
            ) as stream:
                steps = (line for line in stream.iter_lines() if "process_generating" in line)
                next(steps), next(steps)
                page.flag("hello", "hel")
                list(steps)
            page.flag("hello", "hello")

        assert [facts(flag) for flag in kept(store)] == [
            ({"t": "hello"}, {"output": "hel"}, True, "partial run"),
            ({"t": "hello"}, {"output": "hello"}, True, "run"),
        ]

    @pytest.mark.parametrize("lazily", [False, True])
    def test_a_cached_example(self, lazily, tmp_path, monkeypatch):
        """
        An answer that Gradio cached is told from one that was just made.
        """
        monkeypatch.chdir(tmp_path)
        store = MemoryStore()
        demo = echo(store, str.upper, examples=[["one"], ["two"]], **cached_examples(lazily=lazily))
        with running(demo) as open_page:
            page = open_page()
            for number, function in demo.fns.items():
                if any(isinstance(block, gradio.Dataset) for block in function.inputs):
                    in_queue(page, [1, *["two"] * (len(function.inputs) - 1)], number=number)
            page.flag("two", "TWO")
            page.flag("one", "TWO")

        assert [facts(flag)[2:] for flag in kept(store)] == [
            (True, "cached example"), (False, "page"),
        ]  # fmt: skip


class TestOneComponentOnBothSides:
    def test_pressed_is_as_automatic(self):
        """
        What went in and what came out are both kept, though the page holds one of them.
        """
        flags = []
        for mode in ("manual", "auto"):
            store = MemoryStore()
            box = gr.Textbox(label="t")
            demo = gr.Interface(
                str.upper, box, box, flagging_mode=mode, flagging_callback=gr.FlagLogger(store)
            )
            with running(demo) as open_page:
                page = open_page()
                page.call(page.number_of("upper"), ["x"])
                if mode == "manual":
                    page.flag("X")
            flags += kept(store)

        assert [facts(flag) for flag in flags] == [({"t": "x"}, {"t_2": "X"}, True, "run")] * 2


class Chat:
    """Blocks in which people type, and handlers write: what Flag posts, and what is kept."""

    def __init__(self, build):
        self.store = MemoryStore()
        logger = gr.FlagLogger(self.store)

        def press(*values):
            logger.flag(list(values))

        with gradio.Blocks() as self.demo:
            fields = build()
            logger.setup(fields, "unused")
            gradio.Button().click(press, fields, None, preprocess=False)

    def __enter__(self):
        self._running = running(self.demo)
        self.page = self._running.__enter__()()
        return self

    def __exit__(self, *error):
        self._running.__exit__(*error)

    def run(self, name, *values):
        return self.page.call(self.page.number_of(name), list(values)).json()["data"]

    def flag(self, *values):
        assert self.page.call(self.page.number_of("press"), list(values)).status_code == 200
        return kept(self.store)[-1]


def pairs():
    new = {"type": "messages"} if gradio.__version__.startswith(("4.", "5.")) else {}
    return gradio.Chatbot(label="chat", **new)


def said(value):
    """The texts of a conversation."""
    texts = []
    for message in value.data or []:
        content = message["content"]
        texts.append(content if isinstance(content, str) else content[0]["text"])
    return texts


class TestRolesInBlocks:
    def test_the_box_of_a_chat_that_is_cleared(self):
        """
        `msg.submit(respond, [msg, chat], [msg, chat])`: what was said is an input, and so is the
        conversation before; two conversations are two.
        """

        def build():
            msg, chat = gradio.Textbox(label="msg"), pairs()

            def respond(message, history):
                history = history or []
                said = {"role": "user", "content": message}
                return "", [*history, said, {"role": "assistant", "content": message.upper()}]

            msg.submit(respond, [msg, chat], [msg, chat])
            return [msg, chat]

        with Chat(build) as chat:
            _, one = chat.run("respond", "hi", [])
            first = chat.flag("", one)
            _, two = chat.run("respond", "hi", one)
            second = chat.flag("", two)

        assert [data(f.inputs)["msg"] for f in (first, second)] == ["hi", "hi"]
        assert [said(f.inputs["chat"]) for f in (first, second)] == [[], ["hi", "HI"]]
        assert said(second.outputs["chat"]) == ["hi", "HI", "hi", "HI"]
        assert first.fingerprint != second.fingerprint
        for flag in (first, second):
            assert list(flag.outputs) == ["chat"]
            assert (flag.verified, flag.context["origin"]) == (True, "run")
            assert (flag.context["outputs_are"], flag.context["replayable"]) == ("run", True)

    def test_a_chat_of_two_steps(self):
        """
        One function takes what was said, the next one answers: the flag is of both.
        """

        def build():
            msg, chat = gradio.Textbox(label="msg"), pairs()

            def user(message, history):
                return "", [*(history or []), {"role": "user", "content": message}]

            def bot(history):
                yield [*history, {"role": "assistant", "content": "so"}]
                yield [*history, {"role": "assistant", "content": "so what"}]

            msg.submit(user, [msg, chat], [msg, chat]).then(bot, chat, chat)
            return [msg, chat]

        with Chat(build) as chat:
            _, asked = chat.run("user", "hi", [])
            number = chat.page.number_of("bot")
            answered = in_queue(chat.page, [asked], number=number)
            flag = chat.flag("", said_in_full(answered, asked, "so what"))

        assert data(flag.inputs)["msg"] == "hi"
        assert said(flag.inputs["chat"]) == []
        assert said(flag.outputs["chat"]) == ["hi", "so what"]
        assert (flag.verified, flag.context["origin"]) == (True, "run")

    def test_conversations_of_which_nothing_is_known(self):
        """
        Without a known call two conversations are two all the same.
        """

        def build():
            msg, chat = gradio.Textbox(label="msg"), pairs()
            msg.submit(lambda m, h: ("", h), [msg, chat], [msg, chat])
            return [msg, chat]

        def talk(text):
            return pairs().postprocess([{"role": "assistant", "content": text}]).model_dump()

        with Chat(build) as chat:
            first, again, other = (chat.flag("", talk(text)) for text in ("a", "a", "b"))

        assert first.fingerprint == again.fingerprint != other.fingerprint
        assert [list(flag.inputs) for flag in (first, other)] == [["msg"], ["msg"]]

    def test_fields_that_a_handler_resets(self):
        """
        A comment that its handler empties and evidence that a prediction resets were typed.
        """

        def build():
            text, label = gradio.Textbox(label="text"), gradio.Textbox(label="label")
            evidence, comment = gradio.Textbox(label="evidence"), gradio.Textbox(label="comment")

            def predict(given):
                return given.upper(), ""

            def save(given, made, why):
                return ""

            gradio.Button().click(predict, text, [label, evidence])
            gradio.Button().click(save, [text, label, comment], comment)
            return [text, label, evidence, comment]

        with Chat(build) as chat:
            chat.run("predict", "x")
            typed = chat.flag("x", "X", "seen it", "why")
            chat.run("save", "x", "X", "why")
            emptied = chat.flag("x", "X", "seen it", "")

        for flag, comment in ((typed, "why"), (emptied, "")):
            assert facts(flag) == (
                {"text": "x", "evidence": "seen it", "comment": comment}, {"label": "X"},
                True, "run",
            )  # fmt: skip

    def test_a_field_that_is_put_in_order(self):
        """
        What the person typed went in, though the handler wrote it anew.
        """

        def build():
            text, label = gradio.Textbox(label="text"), gradio.Textbox(label="label")

            def tidy(given):
                return given.strip(), given.strip().upper()

            gradio.Button().click(tidy, text, [text, label])
            return [text, label]

        with Chat(build) as chat:
            chat.run("tidy", "  x ")
            flag = chat.flag("x", "X")

        assert facts(flag) == ({"text": "  x "}, {"label": "X"}, True, "run")

    def test_a_box_that_is_cleared_afterwards(self):
        """
        `.then(lambda: "", None, msg)`: the call had what was typed.
        """

        def build():
            msg, out = gradio.Textbox(label="msg"), gradio.Textbox(label="out")

            def shout(given):
                return given.upper()

            def clear():
                return ""

            msg.submit(shout, msg, out).then(clear, None, msg)
            return [msg, out]

        with Chat(build) as chat:
            chat.run("shout", "x")
            chat.run("clear")
            flag = chat.flag("", "X")

        assert facts(flag) == ({"msg": "x"}, {"out": "X"}, True, "run")

    def test_an_output_that_came_out_empty(self):
        """
        A model that finds no text has an output all the same.
        """

        def build():
            text, out = gradio.Textbox(label="text"), gradio.Textbox(label="out")

            def read(given):
                return ""

            gradio.Button().click(read, text, out)
            return [text, out]

        with Chat(build) as chat:
            chat.run("read", "x")
            flag = chat.flag("x", "")

        assert facts(flag) == ({"text": "x"}, {"out": ""}, True, "run")

    def test_a_step_by_way_of_a_field_that_is_not_flagged(self):
        """
        What was typed is found through the field that carried it to the model.
        """

        def build():
            msg, out = gradio.Textbox(label="msg"), gradio.Textbox(label="out")
            held = gradio.Textbox(visible=False)

            def hold(given):
                return "", given

            def shout(given):
                return given.upper()

            msg.submit(hold, msg, [msg, held]).then(shout, held, out)
            return [msg, out]

        with Chat(build) as chat:
            chat.run("hold", "x")
            chat.run("shout", "x")
            flag = chat.flag("", "X")

        assert facts(flag) == ({"msg": "x"}, {"out": "X"}, True, "run")


def said_in_full(answered, asked, text):
    """The last step of a stream, which is sent as what changed."""
    assert answered is not None
    like = asked[-1]["content"]
    content = text if isinstance(like, str) else [{**like[0], "text": text}]
    return [*asked, {**asked[-1], "role": "assistant", "content": content}]


class TestAttached:
    def test_the_clear_button_stays(self):
        """
        The panel takes the place of the Flag buttons only.
        """
        theirs = gradio.Interface(str.upper, "text", "text")
        gr.attach(theirs, MemoryStore())

        shown = {
            block.value: block.visible
            for block in theirs.blocks.values()
            if isinstance(block, gradio.Button)
        }
        assert shown["Clear"] is True
        assert shown["Submit"] is True
        assert shown["Flag"] is False
        assert shown["⚑ Flag"] is True
