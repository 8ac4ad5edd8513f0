"""
A value for every component of Gradio, as its page posts it, and what it is in Python.

The same table serves Gradio 4.44, 5.50 and 6.x. `gone` says on which a case cannot be, and why;
`unread`, on which the component itself cannot take its own payload. Tests hold both.
"""

import base64
import importlib
import io
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pandas as pd
import soundfile
from custom_components import Knob, Molecule, Ward
from gradio import templates
from gradio._simple_templates import SimpleDropdown, SimpleImage, SimpleTextbox
from gradio.components import Component, Fallback
from gradio.routes import ORJSONResponse
from PIL import Image

GRADIO = int(gr.__version__.split(".")[0])


class Files:
    """Files in the *folder* where Gradio puts what was uploaded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        rng = np.random.default_rng(7)
        self.image = Image.fromarray(rng.integers(0, 255, (40, 30, 3), dtype=np.uint8))
        self.sound = rng.integers(-(2**15), 2**15, (800, 2), dtype=np.int16)
        self.image.save(self.path("chest scan ü.png"))
        self.image.save(self.path("photo.jpg"))
        soundfile.write(self.path("voice.wav"), self.sound, 8000, subtype="PCM_16")
        soundfile.write(self.path("voice.flac"), self.sound, 8000, subtype="PCM_16")
        self.path("icon.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
        self.path("clip.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + rng.bytes(5000))
        self.path("clip.vtt").write_text("WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n")
        self.path("duck.glb").write_bytes(b"glTF" + rng.bytes(500))
        self.path("notes.txt").write_bytes(b"line\r\nline")
        self.path("empty.bin").write_bytes(b"")

    def path(self, name: str) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / name

    def posted(self, name: str) -> dict[str, Any]:
        """The file as the page posts it."""
        return {
            "path": str(self.path(name)),
            "url": f"http://127.0.0.1:7860/file={self.path(name)}",
            "size": self.path(name).stat().st_size,
            "orig_name": name,
            "mime_type": "image/png" if name.endswith(".png") else None,
            "is_stream": False,
            "meta": {"_type": "gradio.FileData"},
        }

    @cached_property
    def data_url(self) -> str:
        png = io.BytesIO()
        self.image.save(png, "PNG")
        return "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()


Made = Callable[[Files], Any]
SAME = object()
"""In Python the value is what the payload is."""


@dataclass(frozen=True)
class Case:
    """
    *make* a component that holds *payload*: as posted, or made by the component of a *value*.

    *python* is what the value is to a programmer.
    """

    name: str
    make: Callable[[], Component]
    payload: Made | None = None
    value: Made | None = None
    python: Any = SAME
    kind: str | None = None
    gone: dict[int, str] = field(default_factory=dict)
    unread: dict[int, str] = field(default_factory=dict)


def _cases() -> Iterator[Case]:
    yield from _text()
    yield from _choices_and_numbers()
    yield from _media()
    yield from _structures()
    yield from _plots()
    yield from _others()


NOT_YET = "no such component then"
NO_MORE = "no such component any more"

TEXTS = {
    "plain": "hello",
    "empty": "",
    "null": "null",
    "1e5": "1e5",
    "007": "007",
    "1.10": "1.10",
    "quoted": '"quoted"',
    "json with a key twice": '{"a": 1, "a": 2}',
    "json not in ASCII": '["é"]',
    "dash": "- item",
    "comma dash": "a,-b",
    "apostrophe": "'tis",
    "telephone": "+49 170 1234567",
    "formula": "=1+1",
    "CJK and emoji": "日本語 🎉",
    "line ends": "a\r\nb\rc\nd",
    "NUL": "a\x00b",
    "lone surrogate": "a\ud800b",
    "30 digits": "1" * 30,
    "5000 digits": "9" * 5000,
    "deep json": "[" * 3000 + "]" * 3000,
    "200 kB": "x" * 200_000,
}


def _text() -> Iterator[Case]:
    for name, text in TEXTS.items():
        yield Case(f"Textbox {name}", gr.Textbox, lambda _, text=text: text, kind="text")
    for make in (gr.TextArea, SimpleTextbox, gr.Markdown, gr.HTML, gr.Code):
        yield Case(make.__name__, make, lambda _: "<b>- x</b>\r\n=1")
    yield Case("ColorPicker", gr.ColorPicker, lambda _: "#ff00e5", kind="color")
    for make in (gr.Button, gr.ClearButton, gr.DuplicateButton, gr.LoginButton):
        yield Case(make.__name__, make, lambda _: "- Press -", kind="text")
    yield _named("LogoutButton", lambda _: "Logout", module="gradio.components.logout_button",
                 gone={6: NO_MORE})  # fmt: skip
    yield _named("DeepLinkButton", lambda _: "Share", gone={4: NOT_YET})


def _choices_and_numbers() -> Iterator[Case]:
    for name, make, numbers in (
        ("Number", gr.Number, (7, -0.5, 1e30, 0.1, -0.0, 2**53)),
        ("Slider", lambda: gr.Slider(-10, 10), (5, -5, 0.5)),
        ("Timer", gr.Timer, (1.5,)),
    ):
        for number in numbers:
            yield Case(f"{name} {number}", make, lambda _, n=number: n, kind="number")
    for truth in (True, False):
        yield Case(f"Checkbox {truth}", gr.Checkbox, lambda _, t=truth: t, kind="boolean")
    for chosen in (["a", "c"], [1, 3], []):
        yield Case(
            f"CheckboxGroup {chosen}",
            lambda: gr.CheckboxGroup(["a", "b", "c", 1, 2, 3]),
            lambda _, chosen=chosen: chosen,
        )
    for chosen in ("a", 2, 1.5):
        yield Case(f"Radio {chosen}", lambda: gr.Radio(["a", 2, 1.5]), lambda _, c=chosen: c)
        yield Case(f"Dropdown {chosen}", lambda: gr.Dropdown(["a", 2, 1.5]), lambda _, c=chosen: c)
    for several in (["a", "b"], [1, "a"], []):
        yield Case(
            f"Dropdown {several}",
            lambda: gr.Dropdown(["a", "b", 1], multiselect=True),
            lambda _, several=several: several,
        )
    yield Case("SimpleDropdown", lambda: SimpleDropdown(["a", "-b"]), lambda _: "-b")
    yield Case(
        "DateTime", gr.DateTime, lambda _: "2020-10-01 05:20:15",
        python=lambda _: datetime(2020, 10, 1, 5, 20, 15), kind="datetime",  # noqa: DTZ001
    )  # fmt: skip


def _media() -> Iterator[Case]:
    def image(f: Files) -> Any:
        return Image.open(f.path("chest scan ü.png"))

    def path(name: str) -> Made:
        return lambda f: f.path(name)

    decodes = {4: "Gradio 4 decodes all audio, and this is none"}
    by_ffmpeg = {} if shutil.which("ffmpeg") else {4: "Gradio 4 decodes all audio by ffmpeg"}
    png, wav = "chest scan ü.png", "voice.wav"
    yield Case("Image", gr.Image, lambda f: f.posted(png), python=image, kind="image")
    yield Case("Image JPEG", gr.Image, lambda f: f.posted("photo.jpg"),
               python=lambda f: Image.open(f.path("photo.jpg")))  # fmt: skip
    yield Case("Image SVG", lambda: gr.Image(type="filepath"), lambda f: f.posted("icon.svg"),
               python=path("icon.svg"))  # fmt: skip
    yield Case(
        "Image returned",
        lambda: gr.Image(format="png"),
        value=lambda f: f.image,
        python=lambda f: f.image,
    )
    yield Case("Image inline", gr.Image, _inline, python=lambda f: f.image,
               gone={4: "an image is always a file then"})  # fmt: skip
    yield Case("SimpleImage", SimpleImage, lambda f: f.posted(png), python=image)
    for make in (gr.ImageEditor, gr.ImageMask, gr.Paint, gr.Sketchpad):
        yield Case(make.__name__, make, _drawing, kind="image_editor", python=lambda f: {
            "background": image(f), "layers": [image(f)], "composite": image(f),
        })  # fmt: skip
    yield Case("ImageEditor empty", gr.ImageEditor, lambda _: {
        "background": None, "layers": [], "composite": None, "id": None,
    }, python=lambda _: {"background": None, "layers": [], "composite": None})  # fmt: skip
    yield _named("ImageSlider", lambda f: (f.posted(png), f.posted("photo.jpg")),
                 python=lambda f: (image(f), Image.open(f.path("photo.jpg"))),
                 gone={4: NOT_YET})  # fmt: skip
    yield _named("ImageSlider", lambda f: (f.posted(png), None), name="ImageSlider half",
               python=lambda f: (image(f), None), gone={4: NOT_YET})  # fmt: skip
    yield Case("Gallery", gr.Gallery, lambda f: [
        {"image": f.posted(png), "caption": None}, {"image": f.posted("photo.jpg"), "caption": "-"},
    ], python=lambda f: [(image(f), None), (Image.open(f.path("photo.jpg")), "-")])  # fmt: skip
    yield Case("Gallery of videos", gr.Gallery, lambda f: [
        {"video": f.posted("clip.mp4"), "caption": "a"},
    ], python=lambda f: [(f.path("clip.mp4"), "a")],
       gone={4: "a gallery holds images only then"})  # fmt: skip
    yield Case("Gallery empty", gr.Gallery, lambda _: [])
    yield Case("AnnotatedImage", gr.AnnotatedImage, lambda f: {
        "image": f.posted(png), "annotations": [{"image": f.posted(png), "label": "nodule"}],
    }, python=lambda f: (image(f), [(image(f), "nodule")]), kind="annotated_image")  # fmt: skip
    for make in (gr.Audio, gr.Microphone):
        yield Case(make.__name__, make, lambda f: f.posted(wav), kind="audio",
                   python=lambda f: (8000, f.sound))  # fmt: skip
    yield Case("Audio FLAC", lambda: gr.Audio(type="filepath"),
               lambda f: f.posted("voice.flac"), python=lambda f: (8000, f.sound),
               unread=by_ffmpeg)  # fmt: skip
    yield Case("Audio that is none", lambda: gr.Audio(type="filepath"),
               lambda f: f.posted("clip.mp4"), python=path("clip.mp4"),
               unread=decodes)  # fmt: skip
    for make in (gr.Video, gr.PlayableVideo):
        yield Case(make.__name__, make, _video(None), python=path("clip.mp4"), kind="video")
    yield Case("Video with subtitles", gr.Video, _video("clip.vtt"),
               python=lambda f: (f.path("clip.mp4"), f.path("clip.vtt")),
               gone={6: "subtitles belong to the component since"})  # fmt: skip
    yield Case("Model3D", gr.Model3D, lambda f: f.posted("duck.glb"), python=path("duck.glb"))
    yield Case("File", gr.File, lambda f: f.posted("notes.txt"), python=path("notes.txt"),
               kind="file")  # fmt: skip
    yield Case("File empty", gr.File, lambda f: f.posted("empty.bin"), python=path("empty.bin"))
    several = {
        "payload": lambda f: [f.posted("notes.txt"), f.posted(png)],
        "python": lambda f: [f.path("notes.txt"), f.path(png)],
    }
    yield Case("File multiple", lambda: gr.File(file_count="multiple"), **several)
    yield Case("File directory", lambda: gr.File(file_count="directory"), **several)
    yield Case("Files", gr.Files, **several)
    yield Case("UploadButton", gr.UploadButton, lambda f: f.posted(wav), python=path(wav))
    yield Case("UploadButton multiple", lambda: gr.UploadButton(file_count="multiple"), **several)
    yield Case("DownloadButton", gr.DownloadButton, lambda f: f.posted(wav), python=path(wav))
    yield Case("FileExplorer", lambda: gr.FileExplorer(root_dir=Path(__file__).parent),
               lambda _: [["component_cases.py"]], kind="paths")  # fmt: skip


def _inline(f: Files) -> dict[str, Any]:
    return f.posted("photo.jpg") | {
        "path": None, "url": f.data_url, "orig_name": None, "size": None,
    }  # fmt: skip


def _drawing(f: Files) -> dict[str, Any]:
    file = f.posted("chest scan ü.png")
    return {"background": file, "layers": [file], "composite": file, "id": None}


def _video(subtitles: str | None) -> Made:
    def payload(f: Files) -> dict[str, Any]:
        video = f.posted("clip.mp4")
        if GRADIO == 6 and subtitles is None:
            return video
        return {"video": video, "subtitles": f.posted(subtitles) if subtitles else None}

    return payload


def _structures() -> Iterator[Case]:
    yield Case("JSON dict", gr.JSON, lambda _: {"a": [1, None, {"b": True}]}, kind="json")
    yield Case("JSON list", gr.JSON, lambda _: [1.0, "x", []])
    yield Case("JSON like a tag", gr.JSON, lambda _: {"$file": {"sha256": "00"}})
    yield Case("JSON like an update", gr.JSON, lambda _: {"__type__": "1"})
    for state in ({"a": 1}, [1, "x"], (1, (2,)), {1: "a"}, 2**70):
        yield Case(f"State {str(state)[:12]}", gr.State, lambda _, s=state: s, kind="state")
    yield _named("BrowserState", lambda _: {"a": 1}, gone={4: NOT_YET})
    yield Case("ParamViewer", gr.ParamViewer, lambda _: {
        "a": {"type": "int", "description": "d", "default": "1"},
    })  # fmt: skip
    yield Case("Dataset", lambda: gr.Dataset(components=["textbox"], samples=[["a"], ["b"]]),
               lambda _: 1)  # fmt: skip
    confidences = [{"label": "dog", "confidence": 0.7}, {"label": "-cat", "confidence": 0.3}]
    yield Case("Label", gr.Label, lambda _: {"label": "dog", "confidences": confidences},
               python=lambda _: {"dog": 0.7, "-cat": 0.3}, kind="label")  # fmt: skip
    for label in ("cat", "1.10", 3):
        yield Case(f"Label {label}", gr.Label, lambda _, x=label: {"label": x, "confidences": None},
                   python=lambda _, x=label: x)  # fmt: skip
    yield Case("HighlightedText", gr.HighlightedText, lambda _: [
        {"token": "The ", "class_or_confidence": None}, {"token": "-", "class_or_confidence": "+"},
        {"token": "x", "class_or_confidence": 0.5},
    ], python=lambda _: [("The ", None), ("-", "+"), ("x", 0.5)])  # fmt: skip
    yield Case("MultimodalTextbox", gr.MultimodalTextbox, lambda f: {
        "text": "- hi", "files": [f.posted("notes.txt"), f.posted("photo.jpg")],
    }, python=lambda f: {
        "text": "- hi", "files": [f.path("notes.txt"), f.path("photo.jpg")],
    }, kind="multimodal")  # fmt: skip
    yield Case("MultimodalTextbox text", gr.MultimodalTextbox, lambda _: {"text": "", "files": []})
    yield from _tables()
    yield from _chats()
    yield _named("Dialogue", lambda _: [{"speaker": "A", "text": "- Hello"}], gone={4: NOT_YET})
    yield _named("Dialogue", lambda _: "A: Hello", name="Dialogue text", gone={4: NOT_YET})
    yield _named("Navbar", lambda _: [["About", "about"]], gone={4: NOT_YET})
    yield _named("WorkflowCanvas", lambda _: '{"nodes": []}',
                 gone={4: NOT_YET, 5: NOT_YET})  # fmt: skip
    yield Case("Fallback", Fallback, lambda _: {"foo": ["bar"]}, kind="json")
    yield Case("Api", lambda: _class("gradio.components.api_component", "Api")(None, {}),
               lambda _: {"foo": 1}, gone={4: NOT_YET})  # fmt: skip


def _tables() -> Iterator[Case]:
    rows = [[1, 3.5, "a"], [2, -4.0, "=b"]]
    headers = ["x", "x", "-c"]
    plain = {"headers": headers, "data": rows, "metadata": None}
    yield Case("Dataframe", gr.Dataframe, lambda _: plain, kind="table",
               python=lambda _: pd.DataFrame(rows, columns=headers))  # fmt: skip
    yield Case("Dataframe of dates", gr.Dataframe, value=lambda _: pd.DataFrame(
        {"d": pd.to_datetime(["2024-01-01", "2024-02-02"]), "n": [1.5, None]},
    ), python=lambda f: _shown_table(gr.Dataframe(), f))  # fmt: skip
    styled = {"styling": [["", "color: red", ""], ["", "", ""]], "display_value": None}
    yield Case("Dataframe styled", gr.Dataframe, lambda _: {**plain, "metadata": styled},
               python=lambda _: pd.DataFrame(rows, columns=headers))  # fmt: skip
    yield Case("Dataframe empty", gr.Dataframe, lambda _: {
        "headers": ["a"], "data": [], "metadata": None,
    }, python=lambda _: pd.DataFrame([], columns=["a"]))  # fmt: skip
    for make in (templates.List, templates.Matrix, templates.Numpy):
        yield Case(make.__name__, make, lambda _: {
            "headers": ["1", "2"], "data": [[1, 2], [3, 4]], "metadata": None,
        }, python=lambda _: pd.DataFrame([[1, 2], [3, 4]], columns=["1", "2"]))  # fmt: skip


def _shown_table(component: Component, _: Files) -> pd.DataFrame:
    frame = pd.DataFrame({"d": pd.to_datetime(["2024-01-01", "2024-02-02"]), "n": [1.5, None]})
    shown = sent(component.postprocess(frame).model_dump())
    return pd.DataFrame(shown["data"], columns=shown["headers"])


def _chats() -> Iterator[Case]:
    def messages() -> gr.Chatbot:
        return gr.Chatbot() if GRADIO == 6 else gr.Chatbot(type="messages")

    def pairs() -> gr.Chatbot:
        return gr.Chatbot() if GRADIO == 4 else gr.Chatbot(type="tuples")

    def shown(talk: Made) -> Made:
        # What the component makes of messages differs by version; the page posts just that.
        def python(f: Files) -> Any:
            return _paths(messages().postprocess(talk(f)).model_dump())

        return python

    def talk(f: Files) -> list[dict[str, Any]]:
        return [
            {"role": "user", "content": "- hi"},
            {"role": "user", "content": {"path": str(f.path("photo.jpg"))}},
            {"role": "assistant", "content": "=yo", "metadata": {"title": "Thinking"}},
        ]

    yield Case("Chatbot", messages, value=lambda f: talk(f)[::2], kind="chat",
               python=shown(lambda f: talk(f)[::2]))  # fmt: skip
    yield Case("Chatbot with a file", messages, value=talk, python=shown(talk))
    yield Case("Chatbot empty", messages, value=lambda _: [], python=lambda _: [])
    gone = {6: "messages only since"}
    yield Case("Chatbot of pairs", pairs, lambda _: [["- hi", "yo"], ["a", None]],
               gone=gone)  # fmt: skip
    yield Case("Chatbot of pairs with a file", pairs, lambda f: [
        [{"file": f.posted("photo.jpg"), "alt_text": "me"}, "nice"],
    ], python=lambda f: [[{"file": f.path("photo.jpg"), "alt_text": "me"}, "nice"]],
       gone=gone)  # fmt: skip


def _paths(data: Any) -> Any:
    if isinstance(data, dict):
        if data.get("meta") == {"_type": "gradio.FileData"}:
            return Path(data["path"])
        return {key: _paths(part) for key, part in data.items()}
    return [_paths(part) for part in data] if isinstance(data, list) else data


FRAME = pd.DataFrame({"x": [1, 2], "y": [3.5, -4.0], "c": ["a", "b"]})


def _plots() -> Iterator[Case]:
    table = {
        "columns": ["x", "y", "c"], "data": [[1, 3.5, "a"], [2, -4.0, "b"]],
        "datatypes": {"x": "quantitative", "y": "quantitative", "c": "nominal"}, "mark": "bar",
    }  # fmt: skip
    native = _class("gradio.components.native_plot", "NativePlot")
    for make in (gr.BarPlot, gr.LinePlot, gr.ScatterPlot, native):
        yield Case(make.__name__, lambda make=make: make(FRAME, x="x", y="y"), lambda _: table,
                   python=lambda _: FRAME, kind="plot")  # fmt: skip
    for name in ("bar_plot.BarPlot", "line_plot.LinePlot", "scatter_plot.ScatterPlot"):
        module, _, kind = name.partition(".")
        gone = {6: NO_MORE} if kind == "ScatterPlot" else {5: NO_MORE, 6: NO_MORE}
        yield Case(f"Altair's {kind}",
                   lambda m=module, k=kind: _class(f"gradio.components.{m}", k)(),
                   lambda _, k=kind: {"type": "altair", "plot": '{"a": 1}', "chart": _chart(k)},
                   python=lambda _: {"a": 1}, kind="plot", gone=gone)  # fmt: skip
    yield Case("Plot by matplotlib", gr.Plot, value=_matplotlib, kind="plot",
               python=lambda f: _picture(gr.Plot().postprocess(_matplotlib(f)).plot))  # fmt: skip
    for make in (_plotly, _bokeh, _altair):
        yield Case(f"Plot by {make.__name__[1:]}", gr.Plot, value=make,
                   python=lambda f, make=make: json.loads(gr.Plot().postprocess(make(f)).plot),
                   kind="plot")  # fmt: skip


def _chart(kind: str) -> str:
    return kind.removesuffix("Plot").lower()


def _picture(url: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(url.partition("base64,")[2])))


def _matplotlib(_: Files) -> Any:
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().plot([1, 2], [3, 1])
    return figure


def _plotly(_: Files) -> Any:
    import plotly.graph_objects as go

    return go.Figure(go.Scatter(x=[1, 2], y=[3, 1]))


@cache  # bokeh draws lots for the ids of its parts
def _bokeh(_: Files) -> Any:
    from bokeh.plotting import figure

    plot = figure()
    plot.line([1, 2], [3, 1])
    return plot


def _altair(_: Files) -> Any:
    import altair as alt

    return alt.Chart(FRAME).mark_bar().encode(x="x", y="y")


def _others() -> Iterator[Case]:
    yield Case("A custom file", Molecule, lambda f: f.posted("duck.glb"), kind="file",
               python=lambda f: f.path("duck.glb"))  # fmt: skip
    yield Case("A custom model", Ward, lambda f: {
        "patient": "- A", "scans": [f.posted("photo.jpg")], "score": None,
    }, kind="json", python=lambda f: {
        "patient": "- A", "scans": [f.path("photo.jpg")], "score": None,
    })  # fmt: skip
    yield Case("A custom value", Knob, lambda _: {"angle": [1, -0.5]}, kind="json")


def _named(
    component: str,
    payload: Made,
    *,
    name: str = "",
    module: str = "gradio",
    gone: dict[int, str],
    **fields: Any,
) -> Case:
    """A case of a component that some versions have not."""

    def make() -> Component:
        return _class(module, component)()

    return Case(name or component, make, payload, gone=gone, **fields)


def sent(data: Any) -> Any:
    """*data* as the page gets it."""
    return json.loads(ORJSONResponse(data).body)


def _class(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)


ALL = list(_cases())
CASES = {case.name: case for case in ALL if GRADIO not in case.gone}
