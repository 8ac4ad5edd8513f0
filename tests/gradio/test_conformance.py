"""
What Gradio's own tests assert of its flagging, asserted of ours.

The numbers are those of the list of cases in docs/gradio.md.
"""

import csv
from pathlib import Path

import gradio
import gradio.flagging
import httpx
import pytest
from demo_page import numbers_of
from PIL import Image

import flagstone.gradio as gr
from flagstone.gradio import interface
from flagstone.stores.csv_folder.rows import spreadsheet_safe


def identity(x):
    return x


def launch(demo: gradio.Blocks) -> str:
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    return url


@pytest.fixture
def in_cache(gradio_cache):
    """A file that Gradio took in: in its directory for uploads."""

    def make(name: str) -> Path:
        path = gradio_cache / "0123456789abcdef" / name
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (4, 4), "red").save(path)
        return path

    return make


class TestDefaultCallback:
    def test_case_1_rows_are_counted_from_one(self, tmp_path):
        """
        The first flag returns 1 and the second 2: the header does not count.
        """
        demo = gr.Interface(identity, "text", "text", flagging_dir=str(tmp_path))

        assert isinstance(demo.flagging_callback, gr.CSVLogger)
        assert demo.flagging_callback.flag(["test", "test"]) == 1
        assert demo.flagging_callback.flag(["test", "test"]) == 2

    def test_case_2_files_are_shown_as_paths(self, tmp_path, in_cache):
        """
        The cell of a flagged image is a path that ends with the image's name.
        """
        demo = gr.Interface(
            identity, "image", "image", flagging_dir=str(tmp_path), flagging_mode="auto"
        )
        image = {"path": str(in_cache("bus.png"))}

        demo.flagging_callback.flag([image, image])

        with (tmp_path / "dataset1.csv").open(newline="") as file:
            cell = list(csv.reader(file))[1][0]
        assert cell.endswith("bus.png")
        assert (tmp_path / cell).read_bytes() == in_cache("bus.png").read_bytes()

    def test_case_3_text_makes_no_directories(self, tmp_path):
        """
        After a flag of text the directory holds the log and nothing else.
        """
        callback = gr.CSVLogger()
        callback.setup([gr.Textbox(label="a"), gr.Textbox(label="b")], tmp_path)

        callback.flag(["test", "test"])

        assert [path.name for path in tmp_path.iterdir()] == ["dataset1.csv"]

    def test_case_3_classic_log(self, tmp_path):
        """
        The classic logger's log is log.csv.
        """
        callback = gr.ClassicCSVLogger()
        callback.setup([gr.Textbox(label="a")], tmp_path)

        assert callback.flag(["test"]) == 1
        assert callback.flag(["test"]) == 2
        assert [path.name for path in tmp_path.iterdir()] == ["log.csv"]


def test_case_4_the_simple_logger_counts_from_zero(tmp_path):
    """
    The simple logger returns 0 for the first flag: without a header it takes one off all the same.
    """
    callback = gr.SimpleCSVLogger()
    callback.setup([gr.Textbox(label="a"), gr.Textbox(label="b")], tmp_path)

    assert [callback.flag(["test", "test"]), callback.flag(["test", "test"])] == [0, 1]


def test_case_5_never_touches_no_directory(tmp_path):
    """
    In mode "never" an unusable flagging directory stops nobody.
    """
    occupied = tmp_path / "file"
    occupied.write_text("")
    demo = gr.Interface(
        identity, "text", "text", flagging_mode="never", flagging_dir=str(occupied / "x")
    )

    launch(demo)
    demo.close()

    assert occupied.read_text() == ""


@pytest.mark.parametrize(
    ("mode", "times"), [("manual", 1), ("auto", 1), ("never", 0)], ids=["manual", "auto", "never"]
)
def test_case_6_the_flag_method_is_made_where_flags_are_taken(monkeypatch, tmp_path, mode, times):
    """
    A FlagMethod is made for "manual" and "auto" and not for "never".
    """
    made = []

    class Counted(interface.FlagMethod):
        def __init__(self, *args, **kwargs):
            made.append(self)
            super().__init__(*args, **kwargs)

    monkeypatch.setattr(interface, "FlagMethod", Counted)

    gr.Interface(identity, "text", "text", flagging_mode=mode, flagging_dir=str(tmp_path))

    assert len(made) == times


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param(None, [("Flag", None)], id="case-7"),
        pytest.param(["yes", "no"], [("Flag as yes", "yes"), ("Flag as no", "no")], id="case-8"),
        pytest.param([("abc", "de"), ("123", "45")], [("abc", "de"), ("123", "45")], id="case-9"),
    ],
)
def test_flagging_options(tmp_path, options, expected):
    """
    Options are given as strings or as pairs of label and value.
    """
    demo = gr.Interface(
        identity, "text", "text", flagging_options=options, flagging_dir=str(tmp_path)
    )

    if options is None and gradio.__version__.startswith("4."):
        expected = [("Flag", "")]
    assert demo.flagging_options == expected


class TestSpreadsheetSafe:
    @pytest.mark.parametrize("formula", ["=OPEN()", "=1+2", '=1+2";=1+2', "=1+2'\" ;,=1+2"])
    def test_case_14_formulas_are_defused(self, formula):
        """
        Text that a spreadsheet would run gets an apostrophe before it.
        """
        assert spreadsheet_safe(formula) == f"'{formula}"

    @pytest.mark.parametrize("plain", [4, -44.44, "1+1=2", "1aaa2"])
    def test_case_15_the_rest_is_as_it_is(self, plain):
        """
        Numbers and harmless text are unchanged.
        """
        assert spreadsheet_safe(plain) == plain

    def test_case_16_lists(self):
        """
        The parts of a list, and of lists within it, are made safe one by one.
        """
        assert spreadsheet_safe([4, "def=", "=gh+ij", "gh,+ij"]) == [
            4, "def=", "'=gh+ij", "'gh,+ij",
        ]  # fmt: skip
        assert spreadsheet_safe([["=abc", "def", "gh,+ij"], ["abc", "=def", "=gh+ij"]]) == [
            ["'=abc", "def", "'gh,+ij"],
            ["abc", "'=def", "'=gh+ij"],
        ]

    @pytest.mark.parametrize("formula", ["\r=1+1", " =1+1", "x;=1", "\t=1"])
    def test_what_gradio_lets_pass(self, formula):
        """
        Formulas behind blanks and semicolons are defused, too.
        """
        assert spreadsheet_safe(formula) == f"'{formula}"


def test_case_20_text_with_a_comma_reads_back(tmp_path):
    """
    The cell of a cached example is what the component reads the text back from.
    """
    box = gr.Textbox(label="a")
    callback = gr.CSVLogger(simplify_file_data=False, verbose=False, dataset_file_name="log.csv")
    callback.setup([box], tmp_path)

    callback.flag(["Hello, World"])

    with (tmp_path / "log.csv").open(newline="") as file:
        assert box.read_from_flag(list(csv.reader(file))[1][0]) == "Hello, World"


def test_case_22_a_flagged_directory_serves_as_examples(tmp_path):
    """
    What the classic logger wrote can be given to an Interface as its examples.
    """
    demo = gr.Interface(
        lambda a, b: a + b,
        [gr.Textbox(label="a"), gr.Textbox(label="b")],
        "text",
        flagging_callback=gr.ClassicCSVLogger(),
        flagging_dir=str(tmp_path),
    )
    demo.flagging_callback.flag(["hello,", "world", "hello,world"])

    other = gr.Interface(
        lambda a, b: a + b, ["text", "text"], "text", examples=str(tmp_path), flagging_mode="never"
    )

    assert other.examples_handler.examples == [["hello,", "world"]]


def test_case_23_setup_may_be_called_again(tmp_path):
    """
    After another setup() by hand the page still flags its own fields.
    """
    demo = gr.Interface(lambda x: x + x, "text", "text", flagging_dir=str(tmp_path))
    demo.flagging_callback.setup([gr.Number(label="n")], demo.flagging_dir)

    url = launch(demo)
    flag, *_ = numbers_of(demo, "FlagMethod")
    prefix = "" if gradio.__version__.startswith("4.") else "gradio_api/"
    answer = httpx.post(
        f"{url}{prefix}run/predict",
        json={"data": ["a", "aa"], "fn_index": flag, "session_hash": "s"},
    )
    demo.close()

    assert answer.status_code == 200
    assert demo.flagging_callback.flag([7]) == 1
    with (tmp_path / "dataset1.csv").open(newline="") as file:
        assert [row[:2] for row in csv.reader(file)] == [["x", "output"], ["a", "aa"]]
    with (tmp_path / "dataset2.csv").open(newline="") as file:
        assert [row[:1] for row in csv.reader(file)] == [["n"], ["7"]]
