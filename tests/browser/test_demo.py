"""
The demo as a person uses it: `flagstone demo`, the command behind `make demo`, in Chromium.
"""

import hashlib
import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from ports import free_port

from flagstone import open_store

pytestmark = pytest.mark.browser


def flagstone(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "flagstone", *map(str, arguments)]


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[str]:
    port = free_port()
    with (tmp_path / "log").open("wb") as log:
        command = flagstone("demo", "--port", port, "--flagging-dir", tmp_path / "flags")
        process = subprocess.Popen(command, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}/"
    try:
        wait_for(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        assert process.poll() is None
        try:
            urllib.request.urlopen(url).close()
        except OSError:
            time.sleep(0.1)  # it is starting
        else:
            return
    pytest.fail(f"nothing answers at {url}")


def submit(page: Page) -> list[str]:
    """Press Submit; what the page then shows: the label, and each label with its chance."""
    page.get_by_role("button", name="Submit").click()
    prediction = page.get_by_test_id("label-output-value")
    expect(prediction).to_be_visible()
    return [prediction.inner_text(), *page.locator(".confidence-set").all_inner_texts()]


def as_shown(label: dict[str, Any]) -> list[str]:
    """How the page shows what was kept of a label."""
    chances = [
        f"{each['label']}\n{round(each['confidence'] * 100)}%" for each in label["confidences"]
    ]
    return [label["label"], *chances]


def test_each_flag_option_is_kept(demo: str, page: Page, tmp_path: Path) -> None:
    """
    A digit submitted, each option pressed: the receipt is seen, and the record is what was shown.
    """
    page.goto(demo)
    page.locator(".gallery button, table button").first.click()
    expect(page.get_by_text("select the draw tool")).to_be_hidden()
    receipts = []
    for option, chip in (("wrong", "Wrong"), ("unsure", "Not sure")):
        shown = submit(page)
        expect(page.get_by_text("Receipt:")).to_be_hidden()  # that of the flag before
        page.get_by_role("button", name="Flag", exact=True).click()
        page.get_by_label(chip).check()
        page.get_by_label("Expected prediction").fill("8")
        page.get_by_label("Expected prediction").press("Tab")
        page.get_by_label("Comment").fill(f"I am {option}")
        with page.expect_request(
            lambda request: "run/predict" in request.url or "/api/" in request.url
        ) as posted:
            page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Receipt:")).to_be_visible()
        status = page.get_by_role("status").filter(has_text="Receipt:")
        receipt = re.search(r"[0-9a-f-]{36}", status.inner_text())
        assert receipt is not None
        receipts.append(receipt[0])
        sketch, label, *_ = posted.value.post_data_json["data"]

        with open_store(tmp_path / "flags") as store:
            flag = store.get(receipt[0])
            assert (flag.option, flag.comment) == (option, f"I am {option}")
            assert flag.correction["prediction"].data["label"] == "8"
            assert flag.verified is True
            assert flag.outputs["prediction"].data == label
            assert as_shown(label) == shown
            assert flag.app == "Which digit is it?"
            data = flag.inputs["digit"].data
            for part in ("background", "composite"):
                with store.files.open(data[part]) as file:
                    kept = file.read()
                assert kept == urllib.request.urlopen(sketch[part]["url"]).read()
                assert data[part].sha256 == hashlib.sha256(kept).hexdigest()

    listed = subprocess.run(
        flagstone("list", "--store", tmp_path / "flags", "--json", "--order", "oldest"),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert [json.loads(line)["id"] for line in listed.stdout.splitlines()] == receipts


def test_a_drawn_digit(demo: str, page: Page, tmp_path: Path) -> None:
    """
    A digit drawn with the brush is classified, and its drawing is kept.
    """
    page.goto(demo)
    page.get_by_role("button", name="Brush").first.click()
    box = page.locator("canvas").first.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y - 90)
    page.mouse.down()
    page.mouse.move(x, y + 90, steps=20)
    page.mouse.up()

    shown = submit(page)
    page.get_by_role("button", name="Flag", exact=True).click()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Receipt:")).to_be_visible()

    with open_store(tmp_path / "flags") as store:
        (flag,) = store.find()
        assert as_shown(flag.outputs["prediction"].data) == shown
        assert shown[0] == "1"
        assert flag.inputs["digit"].data["composite"].size > 100
