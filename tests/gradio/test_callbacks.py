"""
The flagging callbacks: what is kept, where, and what is refused.
"""

import csv
import json
import logging
import shutil
from datetime import datetime
from pathlib import Path

import gradio
import gradio.flagging
import pytest
from http_client import post_flag
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import flagstone.gradio as gr
from flagstone import Flag, open_store
from flagstone.errors import (
    NotSetUpError,
    StoreError,
    UnserializableValueError,
    UntrustedFileError,
    WrongFieldsError,
)
from flagstone.stores.memory import MemoryStore
from flagstone.testing import EXACT_TEXTS, FailingStore


def read_flags(place: Path) -> list[Flag]:
    with open_store(place) as store:
        return [record for record in store.scan() if isinstance(record, Flag)]


def read_rows(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def cells(path: Path) -> list[list[str]]:
    """The rows without their timestamp and record."""
    return [row[:-2] for row in read_rows(path)]


@pytest.fixture(params=["csv", "classic", "simple", "sqlite"])
def callback(request):
    return {
        "csv": gr.CSVLogger,
        "classic": gr.ClassicCSVLogger,
        "simple": gr.SimpleCSVLogger,
        "sqlite": gr.FlagLogger,
    }[request.param]()


class TestEveryCallback:
    def test_is_gradios_own_kind(self, callback):
        """
        Each is an instance of Gradio's FlaggingCallback, which is ours, too.
        """
        assert isinstance(callback, gradio.FlaggingCallback)
        assert gr.FlaggingCallback is gradio.FlaggingCallback

    def test_keeps_the_whole_flag(self, callback, tmp_path):
        """
        Fields, option, user and time are read back; the returned receipt names the flag.
        """
        a, b, out = gr.Textbox(label="a"), gr.Number(label="b"), gr.Label(label="out")
        callback.setup([a, b, out], tmp_path, outputs=[out], app="sums")
        label = {"label": "dog", "confidences": [{"label": "dog", "confidence": 0.7}]}

        receipt = callback.flag(["text", -1.5, label], flag_option="wrong", username="ana")

        (flag,) = read_flags(tmp_path)
        assert receipt.flag_id == flag.id
        assert {name: value.data for name, value in flag.inputs.items()} == {"a": "text", "b": -1.5}
        assert {name: value.kind for name, value in flag.inputs.items()} == {
            "a": "text", "b": "number",
        }  # fmt: skip
        assert {name: value.data for name, value in flag.outputs.items()} == {"out": label}
        assert flag.outputs["out"].component == {
            "class": "gradio.components.label.Label",
            "arguments": {"label": "out"},
        }
        assert (flag.app, flag.option, flag.user) == ("sums", "wrong", "ana")
        assert flag.context == {"gradio": gradio.__version__, "outputs_are": "declared"}

    @pytest.mark.parametrize("text", EXACT_TEXTS.values(), ids=EXACT_TEXTS.keys())
    def test_text_comes_back_exactly(self, callback, tmp_path, text):
        """
        What was typed is read back character for character, and the next flag works.
        """
        callback.setup([gr.Textbox(label="t"), gr.Textbox(label="u")], tmp_path)

        callback.flag([text, text])
        callback.flag(["next", None])

        first, second = read_flags(tmp_path)
        assert first.inputs["t"].data == first.inputs["u"].data == text
        assert (second.inputs["t"].data, second.inputs["u"].data) == ("next", None)

    @settings(
        max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
    )
    @given(text=st.text(st.characters(codec=None, categories=None), max_size=80), option=st.text())
    def test_any_text_comes_back_exactly(self, callback, tmp_path, text, option):
        """
        Whatever Hypothesis thinks of is read back character for character.
        """
        place = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        callback.setup([gr.Textbox(label="t")], place)

        callback.flag([text], flag_option=option)

        (flag,) = read_flags(place)
        assert (flag.inputs["t"].data, flag.option) == (text, option or None)

    def test_an_unserialisable_state_is_refused(self, callback, tmp_path):
        """
        The sentence names the field; nothing is kept, and the next flag works.
        """
        callback.setup([gr.Textbox(label="t"), gr.State()], tmp_path)

        with pytest.raises(
            UnserializableValueError, match=r"field 'component 1'\.a\.1: it is a builtins\.object"
        ):
            callback.flag(["x", {"a": [1, object()]}])
        callback.flag(["y", (1, {2: "z"})])

        (flag,) = read_flags(tmp_path)
        assert [value.data for value in flag.inputs.values()] == ["y", (1, {2: "z"})]

    @pytest.mark.parametrize("values", [[], ["a"], ["a", "b", "c"], ["a", "b", "c", "d"]])
    def test_not_one_value_for_each_field_is_refused(self, callback, tmp_path, values):
        """
        Too few or too many values are refused, and the sentence names the fields.
        """
        callback.setup([gr.Textbox(label="t"), gr.Textbox(label="u")], tmp_path)

        with pytest.raises(WrongFieldsError, match=rf"{len(values)} values? for 2 fields \(t, u\)"):
            callback.flag(values)
        callback.flag(["x", "y"])

        assert len(read_flags(tmp_path)) == 1

    def test_before_setup_it_says_so(self, callback):
        """
        A flag before any setup() is refused with a sentence.
        """
        with pytest.raises(NotSetUpError, match="1 value for 0 fields") as caught:
            callback.flag(["x"])
        assert f"setup() of this {type(callback).__name__} was not called" in str(caught.value)

    def test_a_deep_value_is_refused(self, callback, tmp_path):
        """
        Data nested deeper than can be kept is refused, and the next flag works.
        """
        deep: list[object] = []
        for _ in range(100_000):
            deep = [deep]
        callback.setup([gr.State()], tmp_path)

        with pytest.raises(UnserializableValueError, match="nested too deeply"):
            callback.flag([deep])
        callback.flag([[[[]]]])

        assert len(read_flags(tmp_path)) == 1

    def test_labels_of_all_sorts(self, callback, tmp_path):
        """
        Labels that are hostile, reserved, repeated, long or missing name their fields all the same.
        """
        labels = ["..", "a/b", "ab", "flag", "username", "timestamp", "record", "t", "t", "x" * 300,
                  None, "", "=1+1", "low,-high", "né\x00\n", "\ud800", "dataset1.csv"]  # fmt: skip
        callback.setup([gr.Textbox(label=label) for label in labels], tmp_path / "in")
        values = [f"value {n}" for n in range(len(labels))]

        callback.flag(values)
        callback.flag(values)

        first, second = read_flags(tmp_path / "in")
        expected = [*labels[:8], "t_2", "x" * 300, "component 10", "component 11", *labels[12:]]
        assert list(first.inputs) == list(second.inputs) == expected
        assert [value.data for value in first.inputs.values()] == values
        assert [path.name for path in tmp_path.iterdir()] == ["in"]

    def test_a_deleted_directory_is_made_again(self, callback, tmp_path):
        """
        A flag after the directory was deleted is kept, in a log with its header.
        """
        callback.setup([gr.Textbox(label="t")], tmp_path / "flags")
        callback.flag(["before"])
        shutil.rmtree(tmp_path / "flags")

        callback.flag(["after"])

        (flag,) = read_flags(tmp_path / "flags")
        assert flag.inputs["t"].data == "after"

    def test_an_unusable_directory_is_told(self, callback, tmp_path, caplog):
        """
        Where the directory cannot be made, each flag says so, in the log with its traceback.
        """
        (tmp_path / "file").write_text("")
        callback.setup([gr.Textbox(label="t")], tmp_path / "file" / "flags")

        with pytest.raises(StoreError, match=r"Cannot .*flags.*: .+ The stored data is"):
            callback.flag(["x"])

        (record,) = [r for r in caplog.records if r.levelno == logging.ERROR]
        assert record.exc_info
        (tmp_path / "file").unlink()
        callback.flag(["y"])
        assert len(read_flags(tmp_path / "file" / "flags")) == 1

    def test_one_callback_for_two_interfaces(self, callback, tmp_path):
        """
        Each interface's flags go to its own directory, whichever was set up last.
        """
        demos = [
            gr.Interface(
                lambda x: x, gr.Textbox(label=name), gr.Textbox(label="out"),
                flagging_callback=callback, flagging_dir=str(tmp_path / name),
            )
            for name in ("a", "b")
        ]  # fmt: skip
        for demo in demos:
            post_flag(demo, ["in", "out"])

        for name in ("a", "b"):
            (flag,) = read_flags(tmp_path / name)
            assert list(flag.inputs) == [name]


class TestRoles:
    """Which fields are inputs and which outputs."""

    def test_found_in_gradios_interface(self, tmp_path):
        """
        Gradio's own Interface knows its outputs while it runs.
        """
        demo = gradio.Interface(
            lambda x: x, "text", "text",
            flagging_callback=gr.FlagLogger(), flagging_dir=str(tmp_path), title="Echo",
        )  # fmt: skip

        post_flag(demo, ["a", "b"], auth=("ana", "pw"))

        (flag,) = read_flags(tmp_path)
        assert (list(flag.inputs), list(flag.outputs)) == (["x"], ["output"])
        assert flag.context["outputs_are"] == "found"
        assert (flag.app, flag.user, flag.session) == ("Echo", "ana", "session1")

    def test_found_in_blocks(self, tmp_path):
        """
        In Blocks the function that fills a field makes it an output, in whatever order it is given.
        """
        callback = gr.CSVLogger()
        with gr.Blocks() as demo:
            out, box = gr.Textbox(label="out"), gr.Textbox(label="in")
            gr.Button("Run").click(lambda x: x, box, out)
            gr.ClearButton([box, out])
            callback.setup([out, box], tmp_path)

            def flag(*values):
                callback.flag(list(values))

            gr.Button("Flag").click(flag, [out, box], None, preprocess=False, queue=False)

        post_flag(demo, ["made", "given"])

        (kept,) = read_flags(tmp_path)
        assert {name: value.data for name, value in kept.inputs.items()} == {"in": "given"}
        assert {name: value.data for name, value in kept.outputs.items()} == {"out": "made"}
        assert kept.context["outputs_are"] == "found"
        assert cells(tmp_path / "dataset1.csv") == [
            ["out", "in", "flag", "comment", "out correction", "username"],
            ["made", "given", "", "", "", ""],
        ]

    def test_unknown_to_nobody_in_particular(self, tmp_path):
        """
        Where nobody knows, all fields are inputs, and the record says so.
        """
        callback = gr.FlagLogger()
        callback.setup([gr.Textbox(label="a"), gr.Textbox(label="b")], tmp_path)

        callback.flag(["x", "y"])

        (flag,) = read_flags(tmp_path)
        assert (list(flag.inputs), list(flag.outputs)) == (["a", "b"], [])
        assert flag.context["outputs_are"] == "unknown"

    def test_gradios_unified_interface_in_auto_mode(self, tmp_path):
        """
        Where inputs are outputs, Gradio passes each value twice: it is kept once.
        """
        box = gr.Textbox(label="t")
        callback = gr.CSVLogger()
        gradio.Interface(
            lambda x: x, box, box, flagging_callback=callback, flagging_dir=str(tmp_path)
        )

        callback.flag(["a", "a"])

        (flag,) = read_flags(tmp_path)
        assert [value.data for value in flag.inputs.values()] == ["a"]


class TestFiles:
    """Only what the demo took in is read."""

    @pytest.fixture
    def uploaded(self, gradio_cache):
        path = gradio_cache / "abc" / "a b.txt"
        path.parent.mkdir()
        path.write_bytes(b"\x00content")
        return path

    @pytest.fixture(params=["csv", "sqlite"])
    def logger(self, request, tmp_path):
        logger = gr.CSVLogger() if request.param == "csv" else gr.FlagLogger()
        logger.setup([gr.File(label="f")], tmp_path / "flags")
        return logger

    def payload(self, path) -> dict[str, object]:
        return {"path": str(path), "orig_name": "../a b.txt", "meta": {"_type": "gradio.FileData"}}

    def test_a_file_is_kept_with_its_name(self, logger, uploaded, tmp_path):
        """
        An uploaded file is read back byte for byte, under the name the person gave it.
        """
        logger.flag([self.payload(uploaded)])
        logger.flag([None])

        flag, without = read_flags(tmp_path / "flags")
        (ref,) = flag.files()
        assert ref.name == "../a b.txt"
        with open_store(tmp_path / "flags").files.open(ref) as file:
            assert file.read() == b"\x00content"
        assert without.inputs["f"].data is None
        assert not list(tmp_path.glob("*.txt"))

    def test_a_foreign_file_is_refused(self, logger, uploaded, tmp_path):
        """
        What was never uploaded is not read: no path, link, directory or stream leads to it.
        """
        secret = tmp_path / "secret.txt"
        secret.write_text("secret")
        link = uploaded.parent / "link.txt"
        link.symlink_to(secret)
        foreign = {
            str(secret): "it is neither an upload nor an output",
            str(link): "it is neither an upload nor an output",
            f"{uploaded.parent}/../../{tmp_path.name}/secret.txt": "neither an upload|no such file",
            str(uploaded.parent): "it is not a regular file",
            str(uploaded.parent / "none.txt"): "there is no such file",
            "a\x00b": "there is no such file",
            "/etc/passwd": "it is neither an upload nor an output",
            "https://example.com/a.txt": "there is no such file",
        }

        for path, reason in foreign.items():
            with pytest.raises(UntrustedFileError, match=reason):
                logger.flag([self.payload(path)])
        with pytest.raises(UntrustedFileError, match="the stream has not ended"):
            logger.flag([{**self.payload(uploaded), "is_stream": True}])
        logger.flag([self.payload(uploaded)])

        assert len(read_flags(tmp_path / "flags")) == 1
        kept = [p for p in (tmp_path / "flags").rglob("*") if p.is_file()]
        assert not any(b"secret" in path.read_bytes() for path in kept)

    def test_a_foreign_file_is_refused_over_http(self, uploaded, tmp_path):
        """
        A page that posts the path of somebody else's file gets nothing kept.
        """
        secret = tmp_path / "secret.txt"
        secret.write_text("secret")
        demo = gr.Interface(
            lambda f: "x",
            gr.File(label="f"),
            gr.Textbox(label="o"),
            flagging_dir=str(tmp_path / "f"),
        )

        post_flag(demo, [self.payload(secret), "x"])

        assert not list((tmp_path / "f").rglob("*"))

    def test_data_that_looks_like_a_file_is_data(self, tmp_path):
        """
        JSON and State are kept as they are, also where they look like a file or an update.
        """
        data = [self.payload("/etc/passwd"), {"__type__": 1}, {"__type__": "update", "value": 1}]
        logger = gr.FlagLogger()
        logger.setup([gr.JSON(label="j"), gr.State()], tmp_path)

        logger.flag([data, data])

        (flag,) = read_flags(tmp_path)
        assert [value.data for value in flag.inputs.values()] == [data, data]

    def test_what_the_component_does_not_hold_is_refused(self, logger):
        """
        A payload that is not the component's is refused, naming the field.
        """
        with pytest.raises(
            UnserializableValueError, match="field 'f': it is not the payload of File"
        ):
            logger.flag([{"nonsense": 1}])

    def test_full_file_data_in_the_cell(self, uploaded, tmp_path):
        """
        Without simplification the cell has Gradio's FileData, which the component reads back.
        """
        box = gr.File(label="f")
        logger = gr.CSVLogger(simplify_file_data=False)
        logger.setup([box], tmp_path)

        logger.flag([self.payload(uploaded)])

        (_, row) = read_rows(tmp_path / "dataset1.csv")
        read = box.read_from_flag(row[0])
        assert (tmp_path / read.path).read_bytes() == b"\x00content"


class TestCsvLogger:
    def test_columns_do_not_depend_on_the_first_flag(self, tmp_path):
        """
        Whether the first flag has an option or a user, the columns are the same.
        """
        for number, (option, user) in enumerate([(None, None), ("bad", None), ("bad", "bob")]):
            logger = gr.CSVLogger()
            logger.setup([gr.Textbox(label="a")], tmp_path / str(number))
            logger.flag(["x"], flag_option=option, username=user)
            logger.flag(["y"])

            assert read_rows(tmp_path / str(number) / "dataset1.csv")[0] == [
                "a", "flag", "comment", "username", "timestamp", "record",
            ]  # fmt: skip
            assert cells(tmp_path / str(number) / "dataset1.csv")[1:] == [
                ["x", option or "", "", user or ""], ["y", "", "", ""],
            ]  # fmt: skip

    def test_the_same_fields_share_a_log(self, tmp_path):
        """
        At each start the log with these columns is found again; other fields get the next number.
        """
        for _ in range(3):
            for label in ("low,-high", "other"):
                logger = gr.CSVLogger()
                logger.setup([gr.Textbox(label=label)], tmp_path)
                logger.flag(["x"])

        assert sorted(path.name for path in tmp_path.iterdir()) == ["dataset1.csv", "dataset2.csv"]
        assert [row[0] for row in cells(tmp_path / "dataset1.csv")] == ["'low,-high", *["x"] * 3]

    def test_a_stray_file_is_left_alone(self, tmp_path):
        """
        dataset_backup.csv is nobody's log.
        """
        (tmp_path / "dataset_backup.csv").write_text("foo,bar\n1,2\n")
        logger = gr.CSVLogger()
        logger.setup([gr.Textbox(label="a")], tmp_path)

        logger.flag(["x"])

        assert (tmp_path / "dataset_backup.csv").read_text() == "foo,bar\n1,2\n"
        assert cells(tmp_path / "dataset1.csv")[1:] == [["x", "", "", ""]]

    def test_a_named_log_never_mixes_columns(self, tmp_path):
        """
        A named log with other columns is left as it is, and the next name is used.
        """
        for label, rows in (("a", 1), ("b", 2), ("a", 1)):
            logger = gr.CSVLogger(dataset_file_name="mine.csv")
            logger.setup([gr.Textbox(label=label)], tmp_path)
            for _ in range(rows):
                logger.flag(["x"])

        assert [row[0] for row in cells(tmp_path / "mine.csv")] == ["a", "x", "x"]
        assert [row[0] for row in cells(tmp_path / "mine2.csv")] == ["b", "x", "x"]

    def test_timestamps_say_their_zone(self, tmp_path):
        """
        The timestamp has microseconds and an offset, and is the record's.
        """
        logger = gr.CSVLogger()
        logger.setup([gr.Textbox(label="a")], tmp_path)
        logger.flag(["x"])

        (_, row) = read_rows(tmp_path / "dataset1.csv")
        assert datetime.fromisoformat(row[-2]) == read_flags(tmp_path)[0].created_at
        assert row[-2].endswith("+00:00")

    def test_the_record_has_the_row_number(self, tmp_path):
        """
        A logger set up again counts on from the log, and the record cell is the record.
        """
        for expected in (1, 2, 3):
            logger = gr.CSVLogger()
            logger.setup([gr.Textbox(label="a")], tmp_path)
            assert logger.flag(["x"]) == expected

        records = [json.loads(row[-1]) for row in read_rows(tmp_path / "dataset1.csv")[1:]]
        assert [record["row"] for record in records] == [1, 2, 3]


if hasattr(gradio, "I18n"):  # since Gradio 5.30

    def test_a_translated_label_is_its_key(tmp_path):
        """
        A label or title that the browser translates names its field or demo by the key.
        """
        i18n = gr.I18n(en={"greeting": "Hello"}, de={"greeting": "Hallo"})
        logger = gr.CSVLogger()
        logger.setup([gr.Textbox(label=i18n("greeting"))], tmp_path)

        logger.flag(["x"])

        header, row = cells(tmp_path / "dataset1.csv")
        assert (header, row) == (["greeting", "flag", "comment", "username"], ["x", "", "", ""])
        demo = gr.Interface(
            lambda x: x, "text", "text", title=i18n("greeting"), flagging_dir=str(tmp_path / "f")
        )
        demo.flagging_callback.flag(["x", "y"])
        assert read_flags(tmp_path / "f")[0].app == "greeting"


class TestFlagLogger:
    def test_stores_of_all_sorts(self, tmp_path):
        """
        A URL, a path or a store says where flags go; one store serves all interfaces.
        """
        memory = MemoryStore()
        for store in (memory, f"sqlite:///{tmp_path}/a.db", tmp_path / "b.db", f"csv:{tmp_path}/c"):
            logger = gr.FlagLogger(store)
            for app in ("one", "two"):
                logger.setup([gr.Textbox(label="a")], tmp_path / "unused", app=app)
                logger.flag(["x"])
        places = [tmp_path / "a.db", tmp_path / "b.db", tmp_path / "c"]
        kept = [read_flags(place) for place in places] + [list(memory.scan())]

        assert [[flag.app for flag in flags] for flags in kept] == [["one", "two"]] * 4
        assert not (tmp_path / "unused").exists()

    def test_a_failing_store_is_told_and_mended(self, tmp_path, caplog):
        """
        When the store fails the error comes out; when it works again so does the flag.
        """
        memory = MemoryStore()
        logger = gr.FlagLogger(FailingStore(memory, every=2))
        logger.setup([gr.Textbox(label="a")], tmp_path)

        logger.flag(["1"])
        with pytest.raises(StoreError, match="the medium is out of order"):
            logger.flag(["2"])
        logger.flag(["3"])

        assert [flag.inputs["a"].data for flag in memory.scan()] == ["1", "3"]
