"""
`--demo app.py:demo`: a demo is loaded without being served, and says what a log's fields are.
"""

import csv
import io
import sys
import threading

import gradio as gr
import pytest

from flagstone import FileRef
from flagstone.errors import OtherDemoError, UnloadableDemoError
from flagstone.gradio.demos.load import load_demo
from flagstone.gradio.demos.log_fields import fields_of_demo
from flagstone.operations.import_gradio import import_gradio_logs
from flagstone.stores.memory import MemoryStore

HEX = "0123456789abcdef0123"


def log(labels: list[str], cells: list[str]) -> str:
    """A log of Gradio 4 with one row."""
    text = io.StringIO()
    ends = ["flag", "username", "timestamp"]
    csv.writer(text).writerows([[*labels, *ends], [*cells, "", "", "2026-01-02 03:04:05.000006"]])
    return text.getvalue()


INTERFACE = """
import gradio as gr
demo = gr.Interface(lambda x: x, gr.Textbox(label="q"), gr.Textbox(label="a"))
"""
SERVING = {
    "launch": "demo.launch()",
    "a chain of calls": "app, url, share = demo.queue().launch(share=True); assert url == ''",
    "waiting": "demo.launch(prevent_thread_lock=True); demo.block_thread()",
    "uvicorn": "import fastapi, uvicorn\n"
    "uvicorn.run(gr.mount_gradio_app(fastapi.FastAPI(), demo, path='/'))",
    "in a way of its own": "class Mine(gr.Blocks):\n  def launch(self): super().launch()\n"
    "Mine().launch()",
    "arguments": "import argparse; argparse.ArgumentParser().parse_args()",
    "output": "print('hello')",
}


@pytest.fixture
def app(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(text: str) -> str:
        (tmp_path / "app.py").write_text(text)
        return f"{tmp_path}/app.py"

    return write


@pytest.mark.parametrize("end", SERVING.values(), ids=SERVING)
def test_a_demo_is_loaded_and_not_served(app, end, capsys):
    """
    Whatever its file ends with; what serves is as it was when it is loaded.
    """
    launch, threads = gr.Blocks.launch, threading.active_count()

    demo = load_demo(f"{app(INTERFACE + end)}:demo")

    assert type(demo) is gr.Interface
    assert not demo.is_running
    assert gr.Blocks.launch is launch
    assert threading.active_count() == threads
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (INTERFACE, ""),
        (INTERFACE.replace("demo =", "page ="), ""),
        (INTERFACE.replace("demo =", "page ="), ":page"),
        ("import gradio as gr\ndef main():\n  gr.Blocks(title='x').launch()\nmain()", ""),
        ("from beside import demo", ":demo"),
        ("from dataclasses import dataclass\n@dataclass\nclass A:\n  x: 'int'\n" + INTERFACE, ""),
    ],
)
def test_which_demo_is_meant(app, tmp_path, text, name):
    """
    That of the name, `demo`, or the only one, also where it is launched under no name.
    """
    (tmp_path / "beside.py").write_text(INTERFACE)

    assert isinstance(load_demo(app(text) + name), gr.Blocks)
    sys.modules.pop("beside", None)


@pytest.mark.parametrize(
    ("target", "text", "words"),
    [
        ("none.py:demo", "", "there is no none.py."),
        ("nowhere.at.all:demo", "", "there is no file or module nowhere.at.all."),
        ("app.py:page", INTERFACE, "it has no page: its demos are demo."),
        ("app.py", "x = 1", "it has no demo: it contains no demos."),
        ("app.py:gr", INTERFACE, "its gr is a module, not a Gradio demo."),
        ("app.py:demo", "1 / 0", "it raised ZeroDivisionError: division by zero."),
        ("app.py:demo", "raise SystemExit(3)", "it raised SystemExit: 3."),
        ("app.py:demo", "def", "it raised SyntaxError: "),
        ("app.py:demo", "open('model.pt')", "it raised FileNotFoundError: "),
        ("app.py:demo", "import no_such_module", "it raised ModuleNotFoundError: "),
    ],
)
def test_a_demo_that_cannot_be_loaded(app, target, text, words):
    """
    Is told by its cause, and leaves what serves as it was.
    """
    app(text)
    launch = gr.Blocks.launch

    with pytest.raises(UnloadableDemoError) as raised:
        load_demo(target)

    assert f"Cannot load the demo {target}: {words}" in str(raised.value)
    assert gr.Blocks.launch is launch


EVERYTHING = """
import gradio as gr

class Spelled(gr.Textbox):
    def flag(self, payload, flag_dir=""):
        return payload[::-1]

    def read_from_flag(self, payload):
        return payload[::-1]

demo = gr.Interface(
    lambda *_: None,
    [
        gr.Textbox(label="text"), gr.Textbox(label="json"), gr.Number(label="number"),
        gr.Checkbox(label="sure"), gr.Radio([1, "2"], label="one"),
        gr.Dropdown([("A", 1), ("B", 2)], multiselect=True, label="some"),
        gr.Image(label="im"), Spelled(label="own"),
    ],
    [gr.Label(label="verdict"), gr.JSON(label="data")],
)
demo.launch()
"""


def test_fields_are_read_by_their_components(app, tmp_path):
    """
    Text that looks like anything is text; numbers, choices, pictures and one's own are theirs.
    """
    labels = ["text", "json", "number", "sure", "one", "some", "im", "own", "verdict", "data"]
    cells = [
        "007", '{"a": 1}', "7", "false", "1", "[1, 2]", f"flagged/im/{HEX}/a.png", "cba",
        '{"cat": 0.7, "dog": 0.3}', "[1]",
    ]  # fmt: skip
    (tmp_path / "log.csv").write_text(log(labels, cells))
    (tmp_path / "im" / HEX).mkdir(parents=True)
    (tmp_path / "im" / HEX / "a.png").write_bytes(b"picture")
    store = MemoryStore()

    done = import_gradio_logs(tmp_path, store, fields=fields_of_demo(load_demo(app(EVERYTHING))))

    (flag,) = store.scan()
    picture = flag.inputs["im"].data
    assert isinstance(picture, FileRef)
    assert {name: (value.kind, value.data) for name, value in flag.inputs.items()} == {
        "text": ("text", "007"),
        "json": ("text", '{"a": 1}'),
        "number": ("number", 7),
        "sure": ("boolean", False),
        "one": ("choice", 1),
        "some": ("choice", [1, 2]),
        "im": ("image", picture),
        "own": ("text", "abc"),
    }
    confidences = [{"label": "cat", "confidence": 0.7}, {"label": "dog", "confidence": 0.3}]
    assert {name: (value.kind, value.data) for name, value in flag.outputs.items()} == {
        "verdict": ("label", {"label": "cat", "confidences": confidences}),
        "data": ("json", [1]),
    }
    assert [doubt.field for doubt in done.doubts] == ["json"]  # Gradio respells it
    assert flag.inputs["number"].component["class"] == "gradio.components.number.Number"


def test_fields_of_blocks(tmp_path):
    """
    What a function fills is an output, but for a text that somebody types.
    """
    with gr.Blocks() as demo:
        q, a, chat = gr.Textbox(label="q"), gr.Textbox(label="a"), gr.Chatbot(label="chat")
        gr.Button().click(lambda m, h: ("", h), [q, chat], [q, chat])
        gr.Button().click(lambda m: m, q, a)
        gr.Button("Clear").click(lambda: "", None, q)

    assert {field.name: field.is_output for field in fields_of_demo(demo)} == {
        "q": False, "chat": True, "a": True,
    }  # fmt: skip


def test_a_log_of_another_demo(tmp_path):
    """
    Is refused before anything is copied.
    """
    (tmp_path / "log.csv").write_text(log(["image"], ["x"]))
    demo = gr.Interface(lambda x: x, gr.Textbox(label="q"), gr.Textbox(label="a"))
    store = MemoryStore()

    with pytest.raises(OtherDemoError):
        import_gradio_logs(tmp_path, store, fields=fields_of_demo(demo))
    assert list(store.scan()) == []
