"""
A write-ahead log of SQLite's that is damaged: what was lost is said, for SQLite does not.
"""

import shutil
import sqlite3
import struct
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from command_line import run

from flagstone import open_store
from flagstone.testing import make_flag

HEADER, FRAME_HEADER, PAGE = 32, 24, 4096


@pytest.fixture
def crashed(tmp_path) -> Path:
    """A database and its log, as a killed process leaves them: ten flags in ten commits."""
    place = tmp_path / "running.db"
    store = open_store(place)
    for number in range(10):
        store.append([make_flag(f"flag {number}")])
    for path in tmp_path.glob("running.db-wal"):
        shutil.copyfile(path, tmp_path / "flags.db-wal")
    shutil.copyfile(place, tmp_path / "flags.db")
    store.close()
    return tmp_path / "flags.db"


def commits(log: bytes) -> list[int]:
    """The frames with which a commit ends."""
    frames = range((len(log) - HEADER) // (FRAME_HEADER + PAGE))
    offsets = [HEADER + frame * (FRAME_HEADER + PAGE) for frame in frames]
    return [n for n, at in enumerate(offsets) if struct.unpack_from(">I", log, at + 4)[0]]


@pytest.mark.parametrize("command", ["list", "doctor"])
@pytest.mark.parametrize("left", [9, 4, 1, 0])
def test_lost_commits_are_told(crashed, left, command):
    """
    A bit that flips in the log's page, or in its header, is named with the number of commits lost.
    """
    log = crashed.with_name("flags.db-wal")
    content = bytearray(log.read_bytes())
    last = commits(content)[-10 + left]
    at = HEADER + last * (FRAME_HEADER + PAGE) + FRAME_HEADER + PAGE // 2 if left else 20
    content[at] ^= 1
    log.write_bytes(content)

    told = run(*(["doctor", crashed] if command == "doctor" else ["list", "-s", crashed]),
               code=1 if command == "doctor" else 3)  # fmt: skip

    lost = 10 - left if left else len(commits(content))
    assert "flags.db-wal" in told
    assert f"it is damaged, and {lost} commits after the damage are lost" in told.replace("\n", " ")
    assert open_store(crashed).count() == left


def test_a_sound_log_is_no_damage(crashed):
    """
    Also while another process writes to it.
    """
    assert run("list", "-s", crashed, "--json").count("\n") == 10
    with open_store(crashed) as writer:
        writer.append([make_flag("more")])
        assert run("list", "-s", crashed, "--json").count("\n") == 11
    assert "no damage" in run("doctor", crashed)


def test_to_look_at_the_log_ends_no_lock(crashed):
    """
    While a process writes, no other can, also when it opens the same database once more.
    """
    with closing(sqlite3.connect(crashed, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        assert open_store(crashed).count() == 10
        write = "import sqlite3, sys; sqlite3.connect(sys.argv[1], 0).execute('BEGIN IMMEDIATE')"
        other = subprocess.run(
            [sys.executable, "-c", write, crashed], check=False, capture_output=True, text=True
        )

    assert "database is locked" in other.stderr


def test_a_commit_that_was_not_whole_is_no_damage(crashed):
    """
    The frames of a commit that a crash cut off were never acknowledged.
    """
    log = crashed.with_name("flags.db-wal")
    content = log.read_bytes()
    log.write_bytes(content[:-100])

    assert open_store(crashed).count() == 9
    assert "no damage" in run("doctor", crashed)
