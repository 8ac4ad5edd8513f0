"""
What every test stands on: no telemetry, and a directory of its own for what Gradio takes in.
"""

import os
from pathlib import Path

import pytest

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
