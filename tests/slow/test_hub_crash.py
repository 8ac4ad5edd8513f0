"""
Three replicas on one dataset, killed at random moments, with a Hub that fails at random.
"""

import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hub_server import Hub
from hub_server.faults import Chaos

from flagstone.core.records import FileRef
from flagstone.fs.atomic import hash_of
from flagstone.stores.parquet.store import ParquetStore

pytestmark = pytest.mark.slow

LIVES = int(os.environ.get("FLAGSTONE_LIVES", "12"))
"""How often a replica is killed; by hand, more: the whole takes some 2 s for each."""

DATASET = "ana/raced"
REPLICAS = 3


class Replica:
    """A program in a folder of its own, where it also writes what it has acknowledged."""

    def __init__(self, folder: Path, hub: Hub) -> None:
        folder.mkdir()
        self.told = folder / "told"
        program = Path(__file__).with_name("replica.py")
        self.command = [sys.executable, str(program), str(folder), hub.url, DATASET]
        self.log = (folder / "log").open("ab")
        self.start()

    def start(self) -> None:
        environ = {**os.environ, "HF_HUB_OFFLINE": "0"}
        with self.told.open("ab") as told:
            self.process = subprocess.Popen(self.command, stdout=told, stderr=self.log, env=environ)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def drain(self) -> None:
        environ = {**os.environ, "HF_HUB_OFFLINE": "0"}
        command = [*self.command, "--drain"]
        subprocess.run(command, stderr=self.log, env=environ, check=True, timeout=200)
        self.log.close()

    def acknowledged(self) -> list[tuple[str, str]]:
        # A kill may tear a line, to which the next one is appended.
        whole = re.compile(r"([0-9a-f-]{36}) ([0-9a-f]{64})\n")
        return whole.findall(self.told.read_text())


@pytest.mark.timeout(60 + 30 * LIVES)
def test_every_acknowledged_flag_is_in_the_dataset_once(hub, tmp_path):
    """
    Whoever is killed, and whatever the Hub answers: each flag is there once, with its file.
    """
    chance = random.Random(LIVES)
    hub.chaos.append(Chaos(rate=0.05, seed=LIVES))
    replicas = [Replica(tmp_path / f"{number}", hub) for number in range(REPLICAS)]
    time.sleep(3)
    for _ in range(LIVES):
        time.sleep(chance.uniform(0.2, 1.8))
        replica = chance.choice(replicas)
        replica.kill()
        replica.start()
    for replica in replicas:
        replica.kill()
    hub.chaos.clear()
    for replica in replicas:
        replica.drain()

    store = ParquetStore(f"hf://datasets/{DATASET}", {"token": "hf_ana", "endpoint": hub.url})
    files: dict[str, FileRef] = {}
    count = 0
    for record in store.scan():
        (files[record.id],) = record.files()
        count += 1
    assert count == len(files)
    acknowledged = [pair for replica in replicas for pair in replica.acknowledged()]
    assert acknowledged
    for flag_id, sha256 in acknowledged:
        assert files[flag_id].sha256 == sha256
        with store.files.open(files[flag_id]) as file:
            assert hash_of(file) == sha256
