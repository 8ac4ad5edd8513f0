"""
What the rules of a demo let be kept: identity, consent, redaction, limits; over HTTP, as pages do.
"""

import base64
import json
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from threading import Event, Semaphore
from types import SimpleNamespace

import gradio
import itsdangerous
import pytest
from demo_page import numbers_of, running

import flagstone.gradio as gr
from flagstone import Flag, redact
from flagstone.core.query import Query
from flagstone.errors import AmbiguousFieldsError, TooLargeError, TooLongError
from flagstone.gradio.recording.policy import Rules
from flagstone.stores.base import StoreWrapper
from flagstone.stores.files import DirectoryFiles
from flagstone.stores.memory import MemoryStore
from flagstone.testing import FailingStore, make_flag


def shouting(store, **arguments):
    return gr.Interface(
        lambda text: text.upper(), gr.Textbox(label="said"), gr.Textbox(label="heard"),
        flagging_callback=gr.FlagLogger(store), **arguments,
    )  # fmt: skip


def kept(store):
    return list(store.find(Query(order="oldest")))


def said(answer):
    """What the page is told, as one text."""
    return json.dumps(answer.json()["data"], ensure_ascii=False)


class TestWho:
    def test_the_user_of_gradios_login(self):
        """
        Who logged in is the user, with a panel and without.
        """
        store = MemoryStore()
        for arguments in ({}, {"flagging_comment": True}):
            with running(shouting(store, **arguments), auth=("ana", "secret")) as open_page:
                page = open_page()
                page.client.post("/login", data={"username": "ana", "password": "secret"})
                page.flag("a", "A", *([None, "why"] if arguments else []))

        assert [(flag.user, flag.comment) for flag in kept(store)] == [
            ("ana", None),
            ("ana", "why"),
        ]

    @pytest.mark.parametrize(("expires_in", "user"), [(100, "ben"), (-100, None)])
    def test_the_user_of_hugging_faces_login(self, monkeypatch, expires_in, user):
        """
        Who logged in by a LoginButton is the user, until their login expires (D32).
        """
        monkeypatch.setenv("HF_TOKEN", "hf_test")
        store = MemoryStore()
        with gradio.Blocks() as demo:
            said, heard = gradio.Textbox(label="said"), gradio.Textbox(label="heard")
            gr.flag_panel(said, heard, store, comment=False, correction=False)
        with running(demo) as open_page:
            with_sessions(demo.app)
            profile = {"preferred_username": "ben", "name": "Ben"}
            session = {"oauth_info": {"userinfo": profile, "expires_at": time.time() + expires_in}}
            signed = itsdangerous.TimestampSigner(SECRET).sign(
                base64.b64encode(json.dumps(session).encode())
            )
            open_page(cookies={"session": signed.decode()}).flag("a", "A", None, None)

        assert [flag.user for flag in kept(store)] == [user]

    def test_nothing_else_unless_asked(self):
        """
        Of the request nothing is kept but what `record_request` names.
        """
        nothing, asked = MemoryStore(), MemoryStore()
        demos = (
            shouting(nothing), shouting(asked, record_request=["ip", "user-agent", "x-none"])
        )  # fmt: skip
        for demo in demos:
            with running(demo) as open_page:
                open_page(headers={"user-agent": "Test/1.0"}).flag("a", "A")

        assert "request" not in kept(nothing)[0].context
        assert "Test/1.0" not in kept(nothing)[0].to_json()
        assert kept(asked)[0].context["request"] == {"ip": "127.0.0.1", "user-agent": "Test/1.0"}


class TestConsent:
    def test_a_posted_flag_needs_it_too(self):
        """
        The server asks, not only the page.
        """
        store = MemoryStore()
        with running(shouting(store, consent="I agree.")) as open_page:
            page = open_page()
            for consented in (False, None, True):
                page.flag("a", "A", None, None, consented)

        assert len(kept(store)) == 1


class TestWhatIsPosted:
    @pytest.mark.parametrize(
        ("option", "comment", "reason"),
        [
            ("forged", None, "There is no such option."),
            (["bad"], None, "There is no such option."),
            ("bad", {"a": 1}, "The comment cannot be saved: it is not text."),
        ],
    )
    def test_only_what_the_panel_can_send(self, option, comment, reason):
        """
        A forged option or a comment that is no text is refused with a sentence.
        """
        store = MemoryStore()
        with running(shouting(store, flag_options=["bad"])) as open_page:
            answer = open_page().flag("a", "A", option, comment)

        assert reason in said(answer)
        assert kept(store) == []


class TestRedact:
    def test_it_runs_before_anything_touches_the_disk(self, tmp_path):
        """
        Neither the log nor a file on the medium has what was redacted.
        """
        uploads = tmp_path / "uploads"
        demo = gr.Interface(
            lambda text, file: text, [gr.Textbox(label="said"), gr.File(label="file")],
            gr.Textbox(label="heard"), flagging_dir=str(tmp_path / "flags"),
            redact=[redact.emails, without_files],
        )  # fmt: skip
        uploads.mkdir()
        with running(demo) as open_page:
            page = open_page()
            file = {"files": ("ana@example.org.txt", b"a private file")}
            (path,) = page.client.post(f"{prefix()}/upload", files=file).json()
            data = {"path": path, "orig_name": "a.txt", "meta": {"_type": "gradio.FileData"}}
            answer = page.flag("I am ana@example.org", data, "Hello ana@example.org")

        assert "Saved" in said(answer)
        on_disk = [p for p in (tmp_path / "flags").rglob("*") if p.is_file()]
        assert [p.name for p in on_disk] == ["dataset1.csv"]
        assert b"example.org" not in on_disk[0].read_bytes()
        assert b"I am [e-mail]" in on_disk[0].read_bytes()

    def test_the_receipt_is_of_what_was_kept(self):
        """
        A redactor that builds another flag does not change its id.
        """
        store = MemoryStore()
        with running(shouting(store, redact=lambda flag: Flag(inputs=flag.inputs))) as open_page:
            answer = open_page().flag("a", "A")

        (flag,) = kept(store)
        assert flag.id in said(answer)

    def test_none_keeps_nothing(self):
        """
        Where the function gives None the person is told, and nothing is kept.
        """
        store = MemoryStore()
        with running(shouting(store, redact=lambda flag: None)) as open_page:
            answer = open_page().flag("a", "A")

        assert "This demo does not save what you entered. Nothing was saved." in said(answer)
        assert kept(store) == []

    def test_a_comment_on_a_reply_is_redacted_too(self):
        """
        What is said after a chat's reaction goes the same way.
        """
        store = MemoryStore()
        demo = gr.ChatInterface(
            lambda message, history: "Hello", flagging_callback=gr.FlagLogger(store),
            flagging_comment=True, flagging_correction=True, redact=redact.emails,
        )  # fmt: skip
        flag = make_flag(user=None, session="s1")
        store.append([flag])
        recorder = demo._reactions.recorder
        reply = len(recorder.fields.components) - 1
        better = demo._reactions._payload_of("I am bo@example.org")

        receipt = recorder.amend(
            flag.id, None, comment="ask ana@example.org", corrections={reply: better}
        )

        _, said = store.scan()
        assert (said.id, said.comment) == (receipt.flag_id, "ask [e-mail]")
        assert "I am [e-mail]" in said.to_json()
        assert "example.org" not in said.to_json()


class TestLimits:
    def test_too_many_in_a_minute(self):
        """
        A session that sends more is told to wait; another one is not.
        """
        store = MemoryStore()
        with running(shouting(store, flagging_rate=2)) as open_page:
            first = open_page("one")
            answers = [said(first.flag(f"{n}", "A")) for n in range(3)]
            other = said(open_page("two").flag("3", "A"))

        assert ["Saved" in answer for answer in [*answers, other]] == [True, True, False, True]
        assert (
            "You sent more than 2 in a minute. Nothing was saved; wait and try again." in answers[2]
        )
        assert [flag.inputs["said"].data for flag in kept(store)] == ["0", "1", "3"]

    def test_too_large(self, tmp_path):
        """
        A flag of more bytes than allowed is refused before a file of it is kept.
        """
        store = MemoryStore()
        store.files = DirectoryFiles(tmp_path / "kept")
        demo = gr.Interface(
            lambda file: "text", gr.File(label="file"), gr.Textbox(label="text"),
            flagging_callback=gr.FlagLogger(store), flagging_size=500_000,
        )  # fmt: skip
        with running(demo) as open_page:
            page = open_page()
            file = {"files": ("a.bin", b"x" * 600_000)}
            (path,) = page.client.post(f"{prefix()}/upload", files=file).json()
            data = {"path": path, "orig_name": "a.bin", "meta": {"_type": "gradio.FileData"}}
            large = said(page.flag(data, "text"))
            long = said(page.flag(None, "x" * 500_001))
            fine = said(page.flag(None, "x" * 400_000))

        assert "It is larger than 0.5 MB, the limit of this demo. Nothing was saved." in large
        assert "larger than 0.5 MB" in long
        assert "Saved" in fine
        assert not (tmp_path / "kept").exists()
        assert len(kept(store)) == 1

    @pytest.mark.parametrize(
        ("where", "told"),
        [
            ("orig_name", "Its name is longer than 1,000 characters. Nothing was saved."),
            ("mime_type", "Its mime type is longer than 1,000 characters. Nothing was saved."),
        ],
    )
    def test_what_stands_beside_a_file_is_bounded(self, where, told, tmp_path):
        """
        The name of a file and its type of media are refused when they are long.
        """
        store = MemoryStore()
        store.files = DirectoryFiles(tmp_path / "kept")
        demo = gr.Interface(
            lambda file: "text", gr.File(label="file"), gr.Textbox(label="text"),
            flagging_callback=gr.FlagLogger(store),
        )  # fmt: skip
        with running(demo) as open_page:
            page = open_page()
            file = {"files": ("a.bin", b"x")}
            (path,) = page.client.post(f"{prefix()}/upload", files=file).json()
            data = {"path": path, "meta": {"_type": "gradio.FileData"}, where: "y" * 1_001}
            answer = said(page.flag(data, "text"))

        assert told in answer
        assert not (tmp_path / "kept").exists()
        assert kept(store) == []

    def test_what_stands_beside_a_file_counts(self):
        """
        Whatever else stands in the mark of a file is of the flag's size.
        """
        store = MemoryStore()
        logger = gr.FlagLogger(store)
        logger.setup([gr.JSON(label="json")], "unused", flagging_size=500_000)
        mark = {"path": "a.bin", "meta": {"_type": "gradio.FileData"}, "junk": "y" * 600_000}

        with pytest.raises(TooLargeError, match=r"Cannot save a flag of 600,0\d\d bytes"):
            logger.flag([[{"file": mark}]])

    def test_what_is_said_is_bounded(self):
        """
        A comment, an option and a name of a user are refused when they are long, whoever calls.
        """
        store = MemoryStore()
        logger = gr.FlagLogger(store)
        logger.setup([gr.Textbox(label="text")], "unused")
        names = {"flag_option": "x" * 1_001, "username": "x" * 1_001}
        refused = {}

        for name, value in names.items():
            with pytest.raises(TooLongError) as caught:
                logger.flag(["a"], **{name: value})
            refused[name] = caught.value.to_person
        with running(
            gr.Interface(str, "text", "text", flagging_callback=logger, flagging_comment=True)
        ) as open_page:
            answer = said(open_page().flag("a", "a", None, "x" * 100_001))

        assert refused == {
            "flag_option": "Its option is longer than 1,000 characters. Nothing was saved.",
            "username": "Its user is longer than 1,000 characters. Nothing was saved.",
        }
        assert "Its comment is longer than 100,000 characters. Nothing was saved." in answer
        assert kept(store) == []

    def test_a_session_of_any_length(self):
        """
        The name that a page gives its session stands as a digest when it is long.
        """
        store = MemoryStore()
        with running(shouting(store)) as open_page:
            for name in ("a" * 200, "a" * 201, "a" * 8_000_000):
                assert "Saved" in said(open_page(name).flag("a", "A"))

        sessions = [flag.session for flag in kept(store)]
        assert [len(session) for session in sessions] == [200, 32, 32]
        assert len(set(sessions)) == 3

    def test_undone_many_times_at_once(self):
        """
        However often the same Undo arrives at the same time, it is one withdrawal.
        """
        store = MemoryStore()
        with running(shouting(store, flagging_comment=True)) as open_page:
            page = open_page()
            assert "Saved" in said(page.flag("a", "A", None, None))
            undo = page.number_of("_take_back")
            with ThreadPoolExecutor(24) as threads:
                answers = list(threads.map(lambda _: page.call(undo, [None]), range(24)))

        assert {answer.status_code for answer in answers} == {200}
        (flag,) = kept(store)
        reviews = store.state(flag.id).reviews
        assert [(each.speaker, each.verdict) for each in reviews] == [("visitor", "rejected")]

    @pytest.mark.parametrize(
        ("redact", "by"),
        [
            (None, "eve@example.com"), (lambda flag: replace(flag, user=flag.user[:1]), "e"),
            (lambda flag: replace(flag, user=None), None),
            (lambda flag: replace(flag, user=flag.context["once"]), None),
        ],
    )  # fmt: skip
    def test_it_is_taken_back_in_ones_own_name(self, redact, by):
        """
        Whoever takes a flag back does so in their own name, redacted as the flagger's was.
        """
        store = MemoryStore()
        logger = gr.FlagLogger(store)
        logger.setup([gr.Textbox(label="text")], "unused", redact=redact)
        flag = make_flag(user="ana@example.com")
        store.append([flag])
        eve = SimpleNamespace(username="eve@example.com", session_hash="two")

        logger.recorder.withdraw(flag.id, eve)

        (review,) = store.state(flag.id).reviews
        assert (review.speaker, review.by) == ("visitor", by)


class TestRetries:
    def test_a_second_press_does_not_duplicate(self):
        """
        What failed after the medium had it is passed over when it is pressed again.
        """
        inner = MemoryStore()
        store = LateFailure(inner)
        with running(shouting(store)) as open_page:
            page = open_page()
            first, second = said(page.flag("a", "A")), said(page.flag("a", "A"))

        assert "Not saved" in first
        (flag,) = kept(inner)
        assert flag.id in second

    def test_a_second_flag_is_another(self):
        """
        To flag the same again, after it was saved, is a flag of its own.
        """
        store = MemoryStore()
        with running(shouting(store)) as open_page:
            page = open_page()
            page.flag("a", "A")
            page.flag("a", "A")

        assert len({flag.id for flag in kept(store)}) == 2


class TestWrongUse:
    def test_somebody_elses_callback_has_no_rules(self):
        """
        What our callbacks alone can do is refused for others, by name.
        """

        class Mine(gr.FlaggingCallback):
            def setup(self, components, flagging_dir):
                pass

            def flag(self, flag_data, flag_option=None, username=None):
                return 1

        for arguments in (
            {"flagging_comment": True},
            {"redact": redact.emails},
            {"sample_rate": 0.5},
        ):
            with pytest.raises(TypeError) as caught:
                gr.Interface(str, "text", "text", flagging_callback=Mine(), **arguments)
            assert str(caught.value) == (
                "Cannot use Mine here: it does not support comments or rules. The demo was "
                "not built. Use FlagLogger, CSVLogger or ClassicCSVLogger of flagstone.gradio."
            )

    def test_options_said_twice(self):
        """
        The options are given under one of both names.
        """
        with pytest.raises(ValueError, match="Pass either flag_options"):
            gr.Interface(str, "text", "text", flag_options=["a"], flagging_options=["b"])

    def test_a_panel_needs_a_place_and_fields(self):
        """
        flag_panel() says what it misses.
        """
        with pytest.raises(ValueError, match="inside a Blocks"):
            gr.flag_panel(gr.Textbox(), gr.Textbox())
        with gradio.Blocks(), pytest.raises(ValueError, match="needs the components"):
            gr.flag_panel()
        with gradio.Blocks(), pytest.raises(ValueError, match="mode must be 'manual' or 'auto'"):
            gr.flag_panel(gr.Textbox(), mode="always")

    def test_attach_needs_to_know_which_fields(self):
        """
        A demo with several functions is not guessed at, and stays as it is.
        """
        with gradio.Blocks() as demo:
            one, two = gradio.Textbox(label="one"), gradio.Textbox(label="two")
            gradio.Button().click(str.upper, one, two)
            gradio.Button().click(str.lower, two, one)
        functions = len(demo.fns)

        with pytest.raises(AmbiguousFieldsError) as caught:
            gr.attach(demo, MemoryStore())

        assert str(caught.value) == (
            "Cannot determine what to flag: the demo has several functions (upper, lower) with "
            "inputs and outputs. The demo was not changed. Pass the fields: "
            "attach(demo, inputs=[…], outputs=[…]), once for each panel."
        )
        assert len(demo.fns) == functions

    def test_rules_in_blocks(self):
        """
        `setup()` takes the rules, too.
        """
        callback = gr.CSVLogger()
        callback.setup([gr.Textbox(label="a")], "flags", model="v1", flagging_size=10)

        assert callback.recorder.rules == Rules(model="v1", flagging_size=10)


def test_default_directories_do_not_mix(tmp_path, monkeypatch):
    """
    Interfaces of one page, each with the default directory, keep their flags apart.
    """
    monkeypatch.chdir(tmp_path)
    tabs = [
        gr.Interface(change, gr.Textbox(label="a"), gr.Textbox(label="b"))
        for change in (str.upper, str.lower)
    ]
    demo = gradio.TabbedInterface(tabs, ["Up", "Up"])
    with running(demo) as open_page:
        page = open_page()
        for number in numbers_of(demo, "FlagMethod"):
            page.call(number, ["x", "y"])

    logs = sorted(str(path.parent.name) for path in tmp_path.rglob("dataset1.csv"))
    assert logs == ["Up", "Up_2"]


class HeldStore(StoreWrapper):
    """A store whose appends wait until they are let go."""

    def __init__(self, store):
        super().__init__(store)
        self.arrived, self.let_go = Semaphore(0), Event()

    def append(self, records):
        self.arrived.release()
        assert self.let_go.wait(30)
        self.store.append(records)


@pytest.mark.parametrize("panel", [False, True])
def test_predictions_do_not_wait_for_flags(panel):
    """
    More flags than Gradio has threads wait for a store that hangs; a prediction is answered.
    """
    store = HeldStore(MemoryStore())
    demo = gr.Interface(
        str.upper, "text", "text", flagging_callback=gr.FlagLogger(store), flagging_comment=panel
    )
    asked = [None, "a comment"] if panel else []
    with running(demo) as open_page, ThreadPoolExecutor(60) as people:
        pages = [open_page(f"session{number}") for number in range(60)]
        flags = [people.submit(page.flag, "x", "X", *asked) for page in pages]
        assert store.arrived.acquire(timeout=30)
        while sum(map(Future.running, flags)) < len(flags):
            time.sleep(0.01)
        time.sleep(0.5)  # for all of them to reach the server

        answered = open_page("another").call(pages[0].number_of("upper"), ["a"])

        store.let_go.set()
        assert answered.json()["data"] == ["A"]
        assert all(flag.result().status_code == 200 for flag in flags)
    assert store.count() == 60


class LateFailure(FailingStore):
    """A store that takes the first record, and says that it failed."""

    def append(self, records):
        self.store.append(records)
        if self._appends == 0:
            self._appends = self._every - 1
            super().append([])


SECRET = "a secret of the tests"


def with_sessions(app):
    """Give the *app* that is running the sessions that a LoginButton gives it."""
    from starlette.middleware.sessions import SessionMiddleware

    app.middleware_stack = SessionMiddleware(app.middleware_stack, secret_key=SECRET)


def without_files(flag):
    from dataclasses import replace

    inputs = {n: v for n, v in flag.inputs.items() if v.kind != "file"}
    return replace(flag, inputs=inputs)


def name_of(function):
    return getattr(function, "__name__", "")


def prefix():
    return "" if gradio.__version__.startswith("4.") else "/gradio_api"
