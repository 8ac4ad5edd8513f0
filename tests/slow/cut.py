"""
A process that forgets ana, and is killed at a chosen step: before its n-th change of the medium.

    python cut.py KIND PLACE N [HUB]

A step is whatever Python tells its audit hooks of the file system, and each statement of SQL.
"""

import os
import signal
import sqlite3
import sys
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from flagstone import Query, Store, open_store
from flagstone.operations.forget import forget

_CHANGES = {
    "os.rename", "os.remove", "os.rmdir", "os.link", "os.mkdir", "os.truncate", "os.utime",
    "shutil.rmtree", "shutil.copyfile", "tempfile.mkdtemp",
}  # fmt: skip
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Cut:
    """Kills this process before the step numbered *number*; 0 never."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.steps = 0

    def step(self, *_: object) -> None:
        self.steps += 1
        if self.steps == self.number:
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(self, event: str, args: tuple[Any, ...]) -> None:
        is_writing = event == "open" and isinstance(args[2], int) and args[2] & _WRITING
        if event in _CHANGES or is_writing:
            self.step()

    def trace(self, connection: sqlite3.Connection, _: object) -> None:
        connection.set_trace_callback(self.step)


def open_kind(kind: str, place: Path, hub: str = "") -> Store:
    """The store that is forgotten in."""
    match kind:
        case "csv" | "tabs" | "gradio" | "folders":
            return open_store(place / "flags")
        case "sqlite":
            return open_store(place / "flags.db")
        case "shards":
            return open_store(f"parquet:{place / 'shards'}")
        case "hub":
            from flagstone.stores.parquet.store import ParquetStore

            return ParquetStore("hf://datasets/ana/cut", {"token": "hf_ana", "endpoint": hub})
    from flagstone.blobs.hub_repo import Commits
    from flagstone.stores.csv_folder.store import CsvFolder
    from flagstone.stores.hub_legacy.flag_folders import FlagFolders
    from flagstone.stores.hub_legacy.repo_folder import RepoFolderStore

    def make(folder: Path) -> Store:
        if kind == "hub-folders":
            return FlagFolders(folder, address=commits.address)
        return CsvFolder(folder, file_name="data.csv", address=commits.address)

    commits = Commits("hf://datasets/ana/cut", token="hf_ana", endpoint=hub)
    info = {"info.json": b"{}"}
    return RepoFolderStore(commits, make, log=".csv", configs=lambda _: {}, once=info)


def go_online(cut: Cut) -> None:
    """Ask the Hub; each request is a step, and so is each answer."""
    import huggingface_hub
    import huggingface_hub.constants
    from huggingface_hub.utils._http import default_client_factory

    huggingface_hub.constants.HF_HUB_OFFLINE = False
    huggingface_hub.constants.HF_HUB_DISABLE_XET = True

    def make_client() -> Any:
        client = default_client_factory()
        for event in ("request", "response"):
            client.event_hooks[event].append(cut.step)
        return client

    huggingface_hub.set_client_factory(make_client)


def run(kind: str, place: Path, number: int, hub: str = "") -> None:
    """Forget ana; killed at this step, if there are so many."""
    import tempfile

    tempfile.tempdir = str(place / "tmp")
    cut = Cut(number)
    if hub:
        go_online(cut)
    store = open_kind(kind, place, hub)
    sys.addaudithook(cut.hook)
    sa.event.listen(sa.pool.Pool, "connect", cut.trace)
    receipt = forget([store], query=Query(user="ana"), everywhere=True)
    assert receipt.unreached == receipt.unfinished == (), receipt
    cut.number = 0
    (place / "steps").write_text(str(cut.steps))


if __name__ == "__main__":
    run(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])
