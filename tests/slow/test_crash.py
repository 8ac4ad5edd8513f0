"""
kill -9 at random moments: every acknowledged flag is there, once, and the next start needs no help.
"""

import csv
import os
import random
import signal
import time
from pathlib import Path
from uuid import UUID

import pytest
import writers
from rounds import rounds

from flagstone.core.records import Flag

pytestmark = pytest.mark.slow

ROUNDS = rounds(200)
WRITERS = 3


def count_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def acknowledged(path: Path) -> set[str]:
    """The ids in whole lines; a kill may tear the line of one, to which the next is appended."""
    lines = path.read_text().split("\n")[:-1]
    return {line[-len(str(UUID(int=0))) :] for line in lines}


def crash(kind: str, place: Path, acks: Path, chance: random.Random) -> None:
    """Let some writers append, and kill them all after a random number of flags."""
    context = writers.context()
    running = [
        context.Process(target=writers.append_until_killed, args=(kind, place, acks), daemon=True)
        for _ in range(WRITERS)
    ]
    for process in running:
        process.start()
    enough = count_lines(acks) + chance.randint(1, 40)
    while count_lines(acks) < enough:
        assert all(process.is_alive() for process in running)
    time.sleep(chance.random() * 0.003)  # not only just after an acknowledgement
    for process in running:
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
    for process in running:
        process.join()


def assert_nothing_lost(kind: str, place: Path, acks: Path) -> None:
    with writers.open_kind(kind, place) as store:
        kept = list(store.scan())
        ids = [record.id for record in kept]
        assert len(ids) == len(set(ids))
        assert acknowledged(acks) <= set(ids)
        for record in kept:
            assert isinstance(record, Flag)
            assert record.app == "digits"  # and not one read from the cells of a torn row
            for ref in record.context.get("files", ()):
                with store.files.open(ref) as file:
                    assert len(file.read()) == ref.size


@pytest.mark.parametrize("kind", ["csv", "sqlite", "sqlite-grouped"])
def test_kill_9_at_random_moments(tmp_path, kind):
    """
    Through the crashes of several writers no acknowledged flag is lost or doubled.
    """
    chance = random.Random(f"{kind} 1")
    place, acks = tmp_path / "place", tmp_path / "acks"

    for number in range(ROUNDS):
        crash(kind, place, acks, chance)
        if number % 10 == 9:
            assert_nothing_lost(kind, place, acks)

    with writers.open_kind(kind, place) as store:
        store.append([writers.make_flag("after all")])
    assert_nothing_lost(kind, place, acks)
    for log in place.glob("*.csv"):
        with log.open(newline="") as file:
            assert {len(row) for row in csv.reader(file, strict=True)} == {8}
