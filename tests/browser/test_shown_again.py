"""
Flagged in one page, shown in another that is fed from the store; and what is streamed.
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image
from playwright.sync_api import Page, expect

import flagstone.gradio as gr
from flagstone import Flag, Store, open_store
from flagstone.gradio.payloads.convert import to_payload
from flagstone.stores.memory import MemoryStore

pytestmark = pytest.mark.browser


def inputs() -> list[gr.Component]:
    """One of each input kind, found in the page by its label as id."""
    made = {
        "text": gr.Textbox,
        "number": gr.Number,
        "slider": lambda **a: gr.Slider(0, 10, **a),
        "checkbox": gr.Checkbox,
        "radio": lambda **a: gr.Radio(["a", "- b"], **a),
        "choices": lambda **a: gr.Dropdown(["=x", "y", "z"], multiselect=True, **a),
        "image": lambda **a: gr.Image(sources=["upload"], **a),
        "audio": lambda **a: gr.Audio(sources=["upload"], **a),
        "video": lambda **a: gr.Video(sources=["upload"], **a),
        "file": gr.File,
        "table": lambda **a: gr.Dataframe([["1.10", "=1"]], headers=["x", "x"], **a),
        "sketch": lambda **a: gr.Sketchpad(canvas_size=(200, 200), **a),
        "multi": gr.MultimodalTextbox,
    }
    return [make(label=name, elem_id=name) for name, make in made.items()]


def page_of(store: Store) -> gr.Interface:
    return gr.Interface(
        lambda *_: "done", inputs(), gr.Textbox(label="out"), flagging_callback=gr.FlagLogger(store)
    )


def fill(page: Page, uploads: dict[str, Path]) -> None:
    page.locator("#text textarea").fill('- "é"\n1e5')
    page.locator("#number input").fill("-0.5")
    page.locator("#slider input[type=number]").fill("7")
    page.locator("#checkbox input").check()
    page.locator("#radio").get_by_label("- b").check()
    for choice in ("z", "=x"):
        page.locator("#choices input").click()
        page.get_by_role("option", name=choice).click()
    page.locator("#choices input").press("Escape")
    for name in ("image", "audio", "video", "file", "multi"):
        page.locator(f"#{name} input[type=file]").first.set_input_files(uploads[name])
    page.locator("#multi textarea").fill("=multi")
    draw(page)
    for name in ("image img", "audio audio", "video video", "file a"):
        expect(page.locator(f"#{name}").first).to_be_attached()
    expect(page.locator("#multi .thumbnail-item")).to_be_attached()


def draw(page: Page) -> None:
    canvas = page.locator("#sketch canvas").first
    page.locator("#sketch").get_by_role("button", name="Brush").first.click()
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + 50, middle[1] + 30, steps=8)
    page.mouse.up()


def press_flag(page: Page, store: Store) -> Flag:
    page.get_by_role("button", name="Flag").click()
    expect(page.get_by_text("Receipt:")).to_be_visible()
    (flag,) = store.scan()
    assert isinstance(flag, Flag)
    return flag


@pytest.fixture
def ffmpeg() -> str:
    """By which Gradio streams, and by which a film is made here."""
    found = shutil.which("ffmpeg")
    if found is None and "CI" not in os.environ:
        pytest.skip("ffmpeg is not installed (Debian's package is `ffmpeg`)")
    return found or "ffmpeg"


@pytest.fixture
def uploads(tmp_path: Path, ffmpeg: str) -> dict[str, Path]:
    rng = np.random.default_rng(3)
    Image.fromarray(rng.integers(0, 255, (20, 20, 3), dtype=np.uint8)).save(tmp_path / "scan.png")
    soundfile.write(tmp_path / "voice.wav", rng.random(8000) - 0.5, 8000)
    film = ["-f", "lavfi", "-i", "testsrc=duration=1:size=64x64:rate=5", "-pix_fmt", "yuv420p"]
    subprocess.run([ffmpeg, "-loglevel", "error", *film, tmp_path / "clip.mp4"], check=True)
    (tmp_path / "notes é.txt").write_bytes(b"a\r\nb")
    names = {"image": "scan.png", "audio": "voice.wav", "video": "clip.mp4"}
    return {n: tmp_path / names.get(n, "notes é.txt") for n in (*names, "file", "multi")}


def test_what_was_flagged_is_shown_again(
    page: Page, launch: Callable[..., str], tmp_path: Path, uploads: dict[str, Path]
) -> None:
    """
    A second page that shows a flag from the store posts, when flagged, the very same values.
    """
    first, second = open_store(tmp_path / "flags"), MemoryStore()
    page.goto(launch(page_of(first)))
    fill(page, uploads)
    flag = press_flag(page, first)
    assert flag.inputs["text"].data == '- "é"\n1e5'
    assert flag.inputs["choices"].data == ["z", "=x"]
    for name, path in uploads.items():
        (ref,) = flag.inputs[name].data["files"] if name == "multi" else [flag.inputs[name].data]
        with first.files.open(ref) as file:
            assert (ref.name, file.read()) == (path.name, path.read_bytes())

    again = page_of(second)
    with open_store(tmp_path / "flags") as reopened:
        (stored,) = reopened.scan()
    with again:
        components = again.input_components
        again.load(
            lambda: [to_payload(stored.inputs[c.label], c) for c in components],
            outputs=components, postprocess=False,
        )  # fmt: skip
    page.goto(launch(again))
    expect(page.locator("#text textarea")).to_have_value('- "é"\n1e5')
    expect(page.locator("#multi .thumbnail-item")).to_be_attached()
    shown = press_flag(page, second)

    def told(flag: Flag) -> dict[str, object]:
        return {n: value.data for n, value in flag.inputs.items() if n != "sketch"}

    assert told(shown) == told(flag)
    drawn = [f.inputs["sketch"].to_python()["composite"].convert("RGBA") for f in (flag, shown)]
    assert drawn[0].getextrema()[3] != (0, 0)
    assert drawn[0].tobytes() == drawn[1].tobytes()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Gradio's files
@pytest.mark.usefixtures("ffmpeg")
def test_a_stream_is_kept_as_one_file(page: Page, launch: Callable[..., str]) -> None:
    """
    Audio that a generator streamed to the page is flagged whole.
    """
    store = MemoryStore()
    seconds, rate = 3, 8000
    sound = (np.sin(np.arange(rate) / 4) * 9000).astype(np.int16)

    def speak(_: str):
        for _ in range(seconds):
            yield rate, sound

    speech = gr.Audio(label="speech", streaming=True, autoplay=True)
    demo = gr.Interface(speak, "text", speech, flagging_callback=gr.FlagLogger(store))
    page.goto(launch(demo))
    page.get_by_role("button", name="Submit").click()
    while not any(
        stream.ended
        for runs in demo.pending_streams.values()
        for outputs in runs.values()
        for stream in outputs.values()
    ):
        page.wait_for_timeout(100)  # the test's own time-out ends it

    flag = press_flag(page, store)

    kept = flag.outputs["speech"]
    assert not isinstance(kept.to_python(), Path)
    heard, samples = kept.to_python()
    assert seconds <= len(samples) / heard < seconds + 1
