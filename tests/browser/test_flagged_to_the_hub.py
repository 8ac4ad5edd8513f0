"""
From a press of the Flag button in Chromium to a dataset that `datasets` loads.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hub_server import Hub
from PIL import Image
from playwright.sync_api import Page, expect

import flagstone.gradio as gr

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("_hub_by_default")]

LOAD = """
import io, json, sys
import numpy as np
import soundfile
from datasets import Audio, load_dataset

rows = load_dataset("ana/image-classification-mistakes", split="train", token="hf_ana")
kinds = {name: type(rows.features[name]).__name__ for name in rows.features}
if kinds["inputs.inp"] == "Audio":  # to decode it, `datasets` wants torch
    rows = rows.cast_column("inputs.inp", Audio(decode=False))
[row] = rows
seen = row["inputs.inp"]
if kinds["inputs.inp"] == "Audio":
    seen, _ = soundfile.read(io.BytesIO(seen["bytes"]))
json.dump([kinds, np.asarray(seen).tolist(), row["outputs.output"]], sys.stdout)
"""


def load(hub: Hub, home: Path) -> Any:
    """The kinds of the columns, what was seen, and the label, as `datasets` has them."""
    env = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", LOAD], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def flag(page: Page, url: str, path: Path) -> None:
    page.goto(url)
    page.locator("input[type=file]").first.set_input_files(path)
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_text("70%")).to_be_visible()
    page.get_by_role("button", name="Flag").click()
    expect(page.get_by_text("Receipt:")).to_be_visible()


def test_the_third_example_of_gradio_4(
    hub: Hub, page: Page, launch: Callable[..., str], tmp_path: Path, monkeypatch: Any
) -> None:
    """
    The page's example runs as it stands; the picture is an `Image` with its pixels, the label text.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_API_TOKEN", "hf_ana")
    # --- as it stands in Gradio 4.41's documentation, but for launch() ---
    HF_API_TOKEN = os.getenv("HF_API_TOKEN")  # noqa: N806
    hf_writer = gr.HuggingFaceDatasetSaver(HF_API_TOKEN, "image-classification-mistakes")

    def image_classifier(inp):  # type: ignore[no-untyped-def]
        return {"cat": 0.3, "dog": 0.7}

    demo = gr.Interface(
        fn=image_classifier,
        inputs="image",
        outputs="label",
        allow_flagging="manual",
        flagging_callback=hf_writer,
    )
    # ---
    shades = np.arange(48 * 48 * 3, dtype=np.uint32).reshape(48, 48, 3).astype(np.uint8)
    Image.fromarray(shades).save(tmp_path / "cat.png")
    flag(page, launch(demo), tmp_path / "cat.png")
    assert hf_writer.flush(60)
    kinds, pixels, label = load(hub, tmp_path / "home")
    assert kinds["inputs.inp"] == "Image"
    assert pixels == shades.tolist()
    assert label == "dog"
    assert kinds["outputs.output"] == "Value"


def test_the_same_for_audio(
    hub: Hub, page: Page, launch: Callable[..., str], tmp_path: Path
) -> None:
    """
    A sound is an `Audio` column with its samples.
    """
    saver = gr.HuggingFaceDatasetSaver("hf_ana", "image-classification-mistakes")
    demo = gr.Interface(
        lambda inp: {"cat": 0.3, "dog": 0.7},
        gr.Audio(label="inp", type="filepath"),
        gr.Label(label="output"),
        flagging_mode="manual",
        flagging_callback=saver,
        flagging_dir=str(tmp_path / "flagged"),
    )
    samples = np.sin(np.arange(4000) / 20) / 2
    soundfile.write(tmp_path / "voice.wav", samples, 8000, subtype="PCM_16")
    flag(page, launch(demo), tmp_path / "voice.wav")
    assert saver.flush(60)
    kinds, heard, label = load(hub, tmp_path / "home")
    assert kinds["inputs.inp"] == "Audio"
    assert np.allclose(heard, samples, atol=1e-3)
    assert label == "dog"
