"""
An S3 server for tests: SeaweedFS, on the loopback and free ports, stopped by its process.
"""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

KEY, SECRET = "flagstone", "not-a-secret"
_PORTS = (
    "master.port", "master.port.grpc", "volume.port", "volume.port.grpc",
    "filer.port", "filer.port.grpc", "s3.port", "s3.port.grpc",
)  # fmt: skip


class S3Server:
    """One server whose data lies below *folder*; may be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = dict(zip(_PORTS, _free_ports(len(_PORTS)), strict=True))
        self.url = f"http://127.0.0.1:{self.ports['s3.port']}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def options(self) -> dict[str, Any]:
        """What s3fs must know to reach this server."""
        return {"key": KEY, "secret": SECRET, "client_kwargs": {"endpoint_url": self.url}}

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "s3.json"
        credentials = [{"accessKey": KEY, "secretKey": SECRET}]
        identity = {"name": "test", "credentials": credentials, "actions": ["Admin"]}
        config.write_text(json.dumps({"identities": [identity]}))
        settings = {
            "dir": self.folder, "ip": "127.0.0.1", "ip.bind": "127.0.0.1", "s3.config": config,
            "s3.port.iceberg": 0, "s3.port.lance": 0,
            "master.telemetry": "false", "master.volumeSizeLimitMB": 64,
            "volume.max": 200, "volume.preStopSeconds": 0, **self.ports,
        }  # fmt: skip
        command = [Path(sys.executable).with_name("weed"), "server", "-s3"]
        command += [f"-{name}={value}" for name, value in settings.items()]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        self._await_start()

    def make_bucket(self, name: str) -> None:
        import s3fs

        s3fs.S3FileSystem(**self.options, skip_instance_cache=True).mkdir(name)

    def kill(self) -> None:
        """As by `kill -9`; its data is on the disk. A gentle end takes it 15 seconds."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @classmethod
    @contextmanager
    def running(cls, folder: Path) -> Iterator["S3Server"]:
        """A server with the bucket `flags`, killed at the end."""
        server = cls(folder)
        try:
            server.start()
            server.make_bucket("flags")
            yield server
        finally:
            server.kill()

    def _await_start(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._process and self._process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.url}/status", timeout=1):
                    return
            except urllib.error.HTTPError:
                return  # it answers
            except OSError:
                time.sleep(0.1)
        raise TimeoutError(f"no S3 server: {(self.folder / 'log').read_text()[-2000:]}")


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports
