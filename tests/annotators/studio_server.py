"""
Label Studio's own server, with a new SQLite database.
"""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from ports import free_port

_TOKEN = "flagstone" * 4
_START = 240.0  # seconds, of which it spends 30 on the tables of its database


class LabelStudio:
    """A client of the server at *url*."""

    def __init__(self, url: str) -> None:
        headers = {"Authorization": f"Token {_TOKEN}"}
        self._client = httpx.Client(base_url=url, headers=headers, timeout=60)

    @classmethod
    @contextmanager
    def running(cls, command: Path, folder: Path, **settings: str) -> Iterator["LabelStudio"]:
        """A server with these *settings* and all that it keeps in *folder*, until it is left."""
        url = f"http://127.0.0.1:{(port := free_port())}"
        environment = os.environ | settings | {
            "COLLECT_ANALYTICS": "false", "FRONTEND_SENTRY_DSN": "", "SENTRY_DSN": "",
            "LATEST_VERSION_CHECK": "false", "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        }  # fmt: skip
        options = {
            "data-dir": folder, "host": url, "internal-host": "127.0.0.1", "port": port,
            "username": "ana@example.com", "password": "flagstone", "user-token": _TOKEN,
        }  # fmt: skip
        arguments = [f"--{name}={value}" for name, value in options.items()]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [command, "start", "--no-browser", *arguments],
                stdout=log, stderr=log, env=environment,
            )  # fmt: skip
        server = cls(url)
        try:
            server._await_start(process, folder / "log")
            yield server
        finally:
            server._client.close()
            process.kill()
            process.wait()

    def get(self, address: str) -> bytes:
        """What is at *address*, as a page that shows it would ask for it."""
        return self._client.get(address).raise_for_status().content

    def import_export(self, folder: Path) -> int:
        """The number of a new project with the labelling interface and the tasks in *folder*."""
        config = (folder / "config.xml").read_text(encoding="utf-8")
        project = self._post("/api/projects/", json={"title": "flags", "label_config": config})
        tasks = ("tasks.json", (folder / "tasks.json").read_bytes(), "application/json")
        self._post(f"/api/projects/{project['id']}/import", files={"tasks.json": tasks})
        return int(project["id"])

    def add_storage(self, project: int, folder: Path) -> None:
        """Let *project* show the files in *folder*."""
        self._post("/api/storages/localfiles", json={"project": project, "path": str(folder)})

    def tasks(self, project: int) -> list[dict[str, Any]]:
        """What *project* asks, in order, with all that was answered."""
        asked = {"project": project, "fields": "all", "ordering": "id"}
        answer = self._client.get("/api/tasks/", params=asked).raise_for_status()
        return list(answer.json()["tasks"])

    def _post(self, path: str, **content: Any) -> dict[str, Any]:
        answer = self._client.post(path, **content)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def _await_start(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        end = time.monotonic() + _START
        while time.monotonic() < end:
            assert process.poll() is None, log.read_text()
            try:
                self.get("/health")
            except httpx.HTTPError:
                time.sleep(0.2)
            else:
                return
        raise TimeoutError(log.read_text())
