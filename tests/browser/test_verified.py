"""
Verified capture in Chromium: of no kind of component does a page change what it was given.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from playwright.sync_api import Page, expect
from test_shown_again import ffmpeg, fill, inputs, uploads  # noqa: F401 - fixtures among them

import flagstone.gradio as gr
from flagstone import Flag
from flagstone.stores.memory import MemoryStore

pytestmark = pytest.mark.browser


def flagged(page: Page, store: MemoryStore) -> Flag:
    page.get_by_role("button", name="Flag").click()
    expect(page.get_by_text("Receipt:")).to_be_visible()
    (flag,) = store.find()
    return flag


@pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_every_kind_of_input(
    page: Page,
    launch: Callable[..., str],
    uploads: dict[str, Path],  # noqa: F811
) -> None:
    """
    Text, numbers, choices, media, a table and a drawing, as a person enters them.
    """
    store = MemoryStore()
    demo = gr.Interface(
        lambda *_: "done", inputs(), gr.Textbox(label="out"), flagging_callback=gr.FlagLogger(store)
    )
    page.goto(launch(demo))
    fill(page, uploads)
    page.get_by_role("button", name="Submit").last.click()
    expect(page.get_by_role("textbox", name="out")).to_have_value("done")

    assert flagged(page, store).verified is True


def values(folder: Path) -> dict[str, Any]:
    """
    By the name of a component, a value that a page might be tempted to change.

    No ImageEditor: no page of Gradio 6.31 ever posts one that is an output, Gradio's own included.
    """
    figure = Figure()
    figure.subplots().plot([1, 2])
    text = folder / "a b.txt"
    text.write_text("é")
    table = pd.DataFrame(
        {"when": pd.to_datetime(["2024-01-02"]), "n": [1.50], "nan": [float("nan")], "t": ["1.10"]}
    )
    picture = np.zeros((8, 8, 3), np.uint8)
    return {
        "Textbox": "a\r\nb\tc é 😀",
        "Number": 5.0,
        "Label": {"a": 1 / 3, "b": 2 / 3},
        "JSON": {"b": [1.0, None, True, 12345678901234567890], "a": {"1": float("nan")}},
        "HighlightedText": [("a", "x"), ("b", None), ("c", 0.5)],
        "Markdown": "# a\n\n- b  \n",
        "HTML": "<b>a</b>&nbsp;&lt;",
        "Code": "a = 1\r\n\n",
        "Dataframe": table,
        "Gallery": [(picture, "one"), picture],
        "Image": picture,
        "Audio": (8000, np.zeros(800, np.int16)),
        "File": [str(text)],
        "Plot": figure,
        "BarPlot": table[["n", "t"]],
        "AnnotatedImage": (picture, [((0, 0, 4, 4), "x")]),
        "Chatbot": [
            {"role": "user", "content": "**a**"},
            {"role": "assistant", "content": "b\n\n- c"},
            {"role": "assistant", "content": {"path": str(text)}},
        ],
        "Checkbox": True,
        "CheckboxGroup": ["x"],
        "Radio": "x",
        "Dropdown": ["x"],
        "Slider": 3,
        "ColorPicker": "rgb(1, 2, 3)",
        "DateTime": "2024-01-02 03:04:05",
        "MultimodalTextbox": {"text": "a", "files": [str(text)]},
        "Model3D": None,
        "Video": None,
    }


def component(name: str) -> Any:
    arguments: dict[str, Any] = {"label": name}
    if name in ("CheckboxGroup", "Radio", "Dropdown"):
        arguments["choices"] = ["x", "y"]
    if name == "Dropdown":
        arguments["multiselect"] = True
    if name == "File":
        arguments["file_count"] = "multiple"
    if name == "BarPlot":
        arguments |= {"x": "t", "y": "n"}
    return getattr(gr, name)(**arguments)


def test_every_kind_of_output(page: Page, launch: Callable[..., str], tmp_path: Path) -> None:
    """
    What a function returned is posted back by the page as the server sent it.
    """
    shown = values(tmp_path)
    store = MemoryStore()
    demo = gr.Interface(
        lambda: [*shown.values(), "done"],
        None,
        [*map(component, shown), gr.Textbox(label="out")],
        flagging_callback=gr.FlagLogger(store),
    )
    page.goto(launch(demo, allowed_paths=[str(tmp_path)]))
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_role("textbox", name="out", exact=True)).to_have_value("done")

    flag = flagged(page, store)
    assert flag.verified is True
    assert list(flag.outputs) == [*shown, "out"]
