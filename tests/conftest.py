"""
What every test stands on: no telemetry, and a directory of its own for what Gradio takes in.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from weed import Weed

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(autouse=True)
def gradio_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch) -> Path:
    """Where Gradio puts uploads and outputs during the test."""
    cache = tmp_path_factory.mktemp("gradio")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(cache))
    for name in ("GRADIO_FLAGGING_MODE", "GRADIO_ALLOW_FLAGGING", "FLAGSTONE_STORE"):
        monkeypatch.delenv(name, raising=False)
    return cache


@pytest.fixture(scope="session")
def weed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Weed]:
    """An S3 server with the bucket `flags`."""
    with Weed.running(tmp_path_factory.mktemp("weed")) as server:
        yield server


@pytest.fixture
def _ctrl_c():
    """Python's own answer to Ctrl-C, which shells take from what they start in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before or signal.SIG_DFL)
