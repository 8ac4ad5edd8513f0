"""
Logs that each real Gradio wrote, read back: every value that Gradio did not itself destroy.

The newest Gradio is in this environment; FLAGSTONE_GRADIOS names the Pythons of older ones, which
`make compat` sets up.
"""

import json
import os
import shutil
import subprocess
import sys
from functools import cached_property
from pathlib import Path

import pytest

from flagstone import FileRef, Flag, open_store
from flagstone.errors import (
    NoStoreError,
    SamePlaceError,
    UnknownFieldError,
    UnreadableRecordError,
)
from flagstone.operations.check import check_store
from flagstone.operations.import_gradio import import_gradio_logs
from flagstone.stores.csv_folder import gradio_cells as why
from flagstone.stores.csv_folder.gradio_log import NO_MESSAGE, NO_TIME, UNPLACED
from flagstone.stores.csv_folder.gradio_rows import SURPLUS
from flagstone.stores.memory import MemoryStore

PYTHONS = [sys.executable, *os.environ.get("FLAGSTONE_GRADIOS", "").split()]


class Logs:
    """What one Gradio logged, moved to another place since."""

    def __init__(self, python: str, folder: Path) -> None:
        script = Path(__file__).with_name("make_log.py")
        environment = os.environ | {"GRADIO_TEMP_DIR": str(folder / "there/uploads")}
        subprocess.run(
            [Path(python).absolute(), script, "there"],
            cwd=folder,
            check=True,
            timeout=200,
            env=environment,
        )
        self.folder = folder / "elsewhere"
        shutil.move(folder / "there", self.folder)
        self.flagged = json.loads((self.folder / "flagged.json").read_text())
        self.uploads = {path.name: path for path in (self.folder / "uploads").iterdir()}
        self.is_gradio_3 = not isinstance(self.flagged["fields"][0]["file"].get("path"), str)

    def read(self, name: str, **options) -> list[Flag]:
        store = MemoryStore()
        import_gradio_logs(self.folder / name, store, **options)
        return list(store.scan())

    @cached_property
    def fields(self) -> list[Flag]:
        return self.read("fields")


@pytest.fixture(scope="module", params=PYTHONS, ids=lambda python: Path(python).parts[-3])
def logs(request, tmp_path_factory):
    return Logs(request.param, tmp_path_factory.mktemp("logs"))


def told(flag: Flag, name: str) -> object:
    """What *flag* says the field *name* held; of a file its bytes."""
    value = (flag.inputs | flag.outputs)[name]
    if isinstance(value.data, FileRef):
        with value.files.open(value.data) as file:
            return file.read()
    return value.data


UPLOADS = {"image": "scan.png", "audio": "voice.wav", "file": "notes.txt"}


def test_every_value_is_read_or_doubted(logs):
    """
    A value is equal to what was flagged, files byte for byte; where it is not, the flag says so.
    """
    read = {told(flag, "text"): flag for flag in logs.fields}
    different = set()
    for row, flag in zip(logs.flagged["fields"], logs.fields, strict=True):
        for name, original in row.items():
            expected = logs.uploads[UPLOADS[name]].read_bytes() if name in UPLOADS else original
            found = told(flag, name)
            if name == "table":
                found = {key: found[key] for key in ("headers", "data")}
            if found != expected:
                assert name in flag.context["in_doubt"]
                different.add((name, str(original), str(found)))

    destroyed = {("no image", "None", "")} | (
        set() if logs.is_gradio_3 else {("text", "1e5", "100000.0")}
    )
    assert different == destroyed
    assert len(read) == len(logs.flagged["fields"])
    assert {(flag.option, flag.user) for flag in logs.fields} == {("wrong", "ana")}
    assert logs.fields == sorted(logs.fields, key=lambda flag: flag.created_at)


def test_what_each_cell_may_have_lost(logs):
    """
    Each cell in doubt is named with its reason; those that no text could look like are certain.
    """
    doubts = {told(flag, "text"): flag.context["in_doubt"] for flag in logs.fields}

    texts = {text: doubt["text"] for text, doubt in doubts.items() if "text" in doubt}
    respelled = {'{"a": 1}'} | (set() if logs.is_gradio_3 else {"100000.0"})
    assert texts == {
        "=1+1": why.APOSTROPHE,
        "a,-b\r\nc": why.APOSTROPHE,
        "": why.EMPTY,
        **dict.fromkeys(respelled, why.RESPELLED),
    }
    guessed = ("number", "slider", "checkbox", "choices", "json")
    others = {"no image": why.EMPTY} | dict.fromkeys(guessed, why.LOOKS_SO)
    if logs.is_gradio_3:
        others |= dict.fromkeys(UPLOADS, why.NAMELESS)
    for doubt in doubts.values():
        assert {name: reason for name, reason in doubt.items() if name != "text"} == others


def test_files_have_their_names_and_kinds(logs):
    """
    A file is an image, a sound or a file, under the name that Gradio kept.
    """
    values = logs.fields[0].inputs
    assert {name: values[name].kind for name in UPLOADS} == {
        "image": "image", "audio": "audio", "file": "file",
    }  # fmt: skip
    if not logs.is_gradio_3:
        assert {name: values[name].data.name for name in UPLOADS} == UPLOADS
    assert values["image"].to_python().size == (4, 4)
    assert values["label"].to_python() == {"dog": 0.7}
    assert values["table"].to_python().to_dict("list") == {"x": [1, 2], "y": ["a", "=b"]}


@pytest.mark.parametrize("target", ["flags.db", "csv", "memory:"])
def test_to_import_again_adds_nothing(logs, tmp_path, target):
    """
    An import makes a sound store; a second one copies no flag and no file.
    """
    url = target if target == "memory:" else str(tmp_path / target)
    with open_store(url) as store:
        first = import_gradio_logs(logs.folder / "fields", store, outputs=["label"])
        flags = list(store.scan())
        again = import_gradio_logs(logs.folder / "fields", store, outputs=["label"])

        assert (first.synced.copied, first.synced.known) == (len(flags), 0)
        assert (again.synced.copied, again.synced.known, again.synced.files) == (0, len(flags), 0)
        assert list(store.scan()) == flags
        assert [list(flag.outputs) for flag in flags] == [["label"]] * len(flags)
        assert check_store(store).damage == ()


def test_a_dry_run_tells_all_and_writes_nothing(logs):
    """
    What would be copied and what is in doubt is told as by an import; nothing is kept.
    """
    store = MemoryStore()
    dry = import_gradio_logs(logs.folder / "fields", store, dry_run=True)
    assert list(store.scan()) == []
    wet = import_gradio_logs(logs.folder / "fields", store)

    assert dry == wet
    assert dry.kinds["checkbox"] == ("boolean",)
    assert len(dry.doubts) == sum(len(flag.context["in_doubt"]) for flag in logs.fields)


def test_changed_fields(logs):
    """
    Flags from before and after a demo changed its fields are all read: of several datasets, and
    of the one log that older Gradios went on with.
    """
    flags = logs.read("changed")

    assert [[value.data for value in flag.inputs.values()] for flag in flags] == [
        ["one"], ["two"], ["three", "more"],
    ]  # fmt: skip
    doubts = [flag.context.get("in_doubt", {}) for flag in flags]
    is_one_log = len(list((logs.folder / "changed").glob("*.csv"))) == 1
    assert doubts == [{}, {}, {"component 1": SURPLUS} if is_one_log else {}]


def test_the_simple_log(logs):
    """
    A log without header is read, and says that it does not know when.
    """
    flags = logs.read("simple")

    assert [[value.data for value in flag.inputs.values()] for flag in flags] == [
        [1, "- x"], [2, "y"],
    ]  # fmt: skip
    assert flags[0].context["in_doubt"] == {
        "component 0": why.LOOKS_SO, "component 1": why.APOSTROPHE, "timestamp": NO_TIME,
    }  # fmt: skip


def test_chat_feedback(logs):
    """
    A reaction is a flag of the conversation up to a message, and of the message.
    """
    if "chat" not in logs.flagged:
        assert not (logs.folder / "chat").exists()  # this Gradio had no chat feedback
        return
    flags = logs.read("chat")

    for row, flag in zip(logs.flagged["chat"], flags, strict=True):
        assert flag.inputs["conversation"].data == row["conversation"][: row["index"]]
        assert flag.outputs["message"].data == [row["conversation"][row["index"]]]
        assert flag.option == row["value"]
    assert {value.kind for value in (flags[0].inputs | flags[0].outputs).values()} == {"chat"}


@pytest.mark.parametrize("layout", ["hub_csv", "hub_jsonl"])
def test_the_hub_savers_folders(logs, layout):
    """
    What Gradio 4's saver left is read in both its layouts, without the columns of addresses.
    """
    if layout not in logs.flagged:
        assert not (logs.folder / layout).exists()  # only Gradio 4 is asked to
        return
    flags = logs.read(f"{layout}/mistakes", outputs=["label"])
    rows = {row["text"]: row for row in logs.flagged[layout]}

    assert len(flags) == len(rows)
    for flag in flags:
        assert list(flag.inputs) == ["image", "number", "text"]
        assert told(flag, "image") == logs.uploads["scan.png"].read_bytes()
        text = told(flag, "text")
        row = rows["1e5" if text == "100000.0" else text]
        assert (told(flag, "label"), told(flag, "number")) == (row["label"], row["number"])
        assert flag.context["in_doubt"]["timestamp"] == NO_TIME
        assert (flag.option, flag.user) == ("wrong", "ana")


class TestByHand:
    """Logs as Gradio's defects, and hostile hands, have left them."""

    def read(self, folder: Path, name: str, text: str) -> list[Flag]:
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(text)
        store = MemoryStore()
        import_gradio_logs(folder, store)
        return list(store.scan())

    def test_rows_longer_and_shorter_than_the_header(self, tmp_path):
        """
        The cells of misaligned rows are put where they belong, or named as unplaced.
        """
        stamp = "2026-01-01 10:00:00.5"
        plain = self.read(
            tmp_path / "a", "dataset1.csv",
            f"a,timestamp\r\nx,{stamp}\r\ny,bob,{stamp}\r\nz,bad,bob,{stamp}\r\n",
        )  # fmt: skip
        full = self.read(
            tmp_path / "b", "dataset1.csv", f"a,flag,username,timestamp\r\nx,{stamp}\r\n"
        )

        assert [flag.inputs["a"].data for flag in plain + full] == ["x", "y", "z", "x"]
        assert plain[1].context["in_doubt"] == {"surplus cell": UNPLACED}
        assert plain[1].context["surplus_cells"] == ["bob"]
        assert (plain[2].option, plain[2].user) == ("bad", "bob")
        assert {flag.created_at for flag in plain + full} == {plain[0].created_at}

    def test_labels_twice_and_reserved(self, tmp_path):
        """
        Fields of one name, or named like Gradio's own columns, keep their values.
        """
        (flag,) = self.read(
            tmp_path, "dataset1.csv",
            "t,t,flag,timestamp,component 4,flag,timestamp\r\n"
            "a,b,c,d,e,wrong,2026-01-01 10:00:00\r\n",
        )  # fmt: skip

        assert {name: value.data for name, value in flag.inputs.items()} == {
            "t": "a", "t_2": "b", "flag": "c", "timestamp": "d", "component 4": "e",
        }  # fmt: skip
        assert flag.option == "wrong"

    def test_no_file_outside_the_folder_is_read(self, tmp_path):
        """
        A path that leads out of the folder, also through a link, is not followed.
        """
        outside = tmp_path / "outside" / ("ab" * 10)
        outside.mkdir(parents=True)
        (outside / "secret.txt").write_text("secret")
        folder = tmp_path / "flagged"
        (folder / "im").mkdir(parents=True)
        (folder / "im" / ("ab" * 10)).symlink_to(outside, target_is_directory=True)
        cells = [
            f"im/{'ab' * 10}/secret.txt",
            f"../outside/{'ab' * 10}/secret.txt",
            f"{tmp_path}/outside/{'ab' * 10}/secret.txt",
            f"im/{'cd' * 10}/gone.png",
        ]
        rows = "".join(f"{cell},2026-01-01 10:00:00\r\n" for cell in cells)

        flags = self.read(folder, "log.csv", f"im,timestamp\r\n{rows}")

        assert [flag.inputs["im"].data for flag in flags] == [None] * 4
        assert [flag.inputs["im"].extra["cell"] for flag in flags] == cells
        assert all(flag.context["in_doubt"] == {"im": why.NO_FILE} for flag in flags)

    def test_a_time_that_cannot_be(self, tmp_path):
        """
        A moment before the first is none: the flag says that it does not know when.
        """
        (flag,) = self.read(tmp_path, "log.csv", "a,timestamp\r\nx,0001-01-01 00:00:00+10:00\r\n")

        assert flag.context["in_doubt"] == {"timestamp": NO_TIME}

    def test_a_forged_chat_index(self, tmp_path):
        """
        A reaction to a message that is not there is kept with the whole conversation.
        """
        (flag,) = self.read(
            tmp_path, "log.csv",
            "conversation,index,value,flag,timestamp\r\n"
            '"[[""hi"", ""yo""]]",999,Like,2026-01-01 10:00:00\r\n',
        )  # fmt: skip

        assert flag.inputs["conversation"].data == [["hi", "yo"]]
        assert flag.context["in_doubt"] == {"index": NO_MESSAGE}
        assert (flag.outputs, flag.option) == ({}, "Like")

    @pytest.mark.parametrize(
        "text",
        [
            "[" * 9000,
            "9" * 9000,
            '{"a":' * 5000,
            "1e999",
            "\x00",
            "[...]",
            "[{1, 2}]",
            "[" * 300 + "]" * 300,
            "[1," * 40_000,
        ],
    )
    def test_text_that_is_hard_to_parse(self, tmp_path, text):
        """
        What looks like a number or like JSON, and is neither, is text.
        """
        (flag,) = self.read(tmp_path, "log.csv", f'a,timestamp\r\n"{text}",2026-01-01\r\n'.replace(
            '{"a"', '{""a""'
        ))  # fmt: skip

        assert flag.inputs["a"].data == text

    def test_logs_that_do_not_say_when(self, tmp_path):
        """
        Equal rows of two such logs are two flags; equal rows of one log, too.
        """
        for name, rows in (("a", "x,cat\r\ny,dog\r\n"), ("b", "y,dog\r\ny,dog\r\n")):
            (tmp_path / name).mkdir()
            (tmp_path / name / "log.csv").write_text(rows)
        store = MemoryStore()

        for name in ("a", "b", "a", "b"):
            import_gradio_logs(tmp_path / name, store)

        assert [flag.inputs["component 1"].data for flag in store.scan()] == ["cat", *["dog"] * 3]

    def test_a_folder_is_not_imported_into_itself(self, tmp_path):
        """
        Nor into a database in it twice: what was a log is read, however often.
        """
        (tmp_path / "log.csv").write_text("a,timestamp\r\nx,2026-01-01\r\n")
        with pytest.raises(SamePlaceError):
            import_gradio_logs(tmp_path, open_store(tmp_path))

        for copied in (1, 0):
            with open_store(tmp_path / "flags.db") as store:
                assert import_gradio_logs(tmp_path, store).synced.copied == copied
        assert (tmp_path / "log.csv").read_bytes().count(b"\n") == 2

    def test_an_output_that_is_no_field(self, tmp_path):
        """
        A misspelt output is an error before anything is copied.
        """
        (tmp_path / "log.csv").write_text("label,timestamp\r\nx,2026-01-01\r\n")
        store = MemoryStore()

        with pytest.raises(UnknownFieldError, match=r"'lable'.*The fields are label"):
            import_gradio_logs(tmp_path, store, outputs=["lable"])

        assert list(store.scan()) == []

    def test_a_damaged_line_of_the_hub_saver(self, tmp_path):
        """
        A line that is no JSON object is named.
        """
        (tmp_path / "0a").mkdir()
        for line in ('{"a": "x"', "[1]"):
            (tmp_path / "0a" / "metadata.jsonl").write_text('{"a": "x"}\n' + line)
            with pytest.raises(UnreadableRecordError, match=r"metadata\.jsonl, line 2"):
                import_gradio_logs(tmp_path, MemoryStore())

    def test_nothing_to_import(self, tmp_path):
        """
        A folder without flags, or none at all, is an error and not an empty success.
        """
        for path in (tmp_path, tmp_path / "none"):
            with pytest.raises(NoStoreError):
                import_gradio_logs(path, MemoryStore())
