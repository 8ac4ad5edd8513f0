"""
What every test stands on: no telemetry, and a directory of its own for what Gradio takes in.
"""

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hub_server import Hub, running_hub
from s3_server import S3Server

from flagstone.operations.mirror import BackgroundSync

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(autouse=True)
def gradio_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch) -> Path:
    """Where Gradio puts uploads and outputs during the test."""
    cache = tmp_path_factory.mktemp("gradio")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(cache))
    flagstones = ("FLAGSTONE_STORE", "FLAGSTONE_TARGETS")
    for name in ("GRADIO_FLAGGING_MODE", "GRADIO_ALLOW_FLAGGING", *flagstones):
        monkeypatch.delenv(name, raising=False)
    return cache


@pytest.fixture(autouse=True, scope="session")
def _patient_launch() -> Iterator[None]:
    """A demo's launch waits a minute for its own page, not three seconds: tests share two cores."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gradio.networking.url_ok", lambda url: bool(httpx.head(url, timeout=60)))
        yield


@pytest.fixture
def temporary(tmp_path, monkeypatch) -> Path:
    """Where temporary folders are made, here and by programs that are started."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """An S3 server with the bucket `flags`."""
    with S3Server.running(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def _online(monkeypatch) -> None:
    """The client of the Hub asks whom it is told to, by the protocol that our Hub speaks."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)


@pytest.fixture(scope="session")
def shared_hub() -> Iterator[Hub]:
    """A Hugging Face Hub for all tests, each with datasets of its own."""
    with running_hub() as server:
        server.add_user("ana", "hf_ana")
        yield server


@pytest.fixture
def hub(_online) -> Iterator[Hub]:
    """A Hugging Face Hub where ana may write and eve may only read."""
    with running_hub() as server:
        server.add_user("ana", "hf_ana")
        server.add_user("eve", "hf_eve", may_write=False)
        yield server


@pytest.fixture
def _hub_by_default(hub, monkeypatch) -> Iterator[None]:
    """That Hub is the one asked where none is named, as with `HF_ENDPOINT`."""
    copiers: list[BackgroundSync] = []
    start = BackgroundSync.start

    def start_noted(copier: BackgroundSync) -> None:
        copiers.append(copier)
        start(copier)

    monkeypatch.setattr(BackgroundSync, "start", start_noted)
    template = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    yield
    hub.faults.clear()
    for copier in copiers:  # or they go on, to the Hub of the next test
        copier.close()


@pytest.fixture
def _ctrl_c():
    """Python's own answer to Ctrl-C, which shells take from what they start in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before or signal.SIG_DFL)
