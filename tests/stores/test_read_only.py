"""
A database where nothing may be written is read, by every command that reads.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from flagstone import open_store
from flagstone.testing import make_flag

COMMANDS = """
set -e
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
! touch "$1/probe" 2>/dev/null
"$2" -m flagstone list --store "$1/flags.db" --json
"$2" -m flagstone show "$3" --store "$1/flags.db" --json
"$2" -m flagstone stats --store "$1/flags.db" --json
"$2" -m flagstone list --store "$1" --json
"$2" -m flagstone export "$1/flags.db" "$4/out" --format jsonl
"$2" -m flagstone sync "$1/flags.db" "$4/copy.db"
"$2" -m flagstone doctor "$1/flags.db" --dry-run
"$2" -c '
import sys
from flagstone import open_store
from flagstone.stores import with_index
with with_index(open_store(sys.argv[1])) as store:
    print(store.count(), len(list(store.find())), store.facets()["app"])
' "$1/flags.db"
"""


def can_mount() -> bool:
    try:
        done = subprocess.run(["unshare", "-rm", "true"], check=False, capture_output=True)
    except FileNotFoundError:
        return False
    return done.returncode == 0


def leave_a_log(path) -> None:
    """Leave the database at *path* as a killed process does: the last flags are in its log."""
    live = path.with_name("live.db")
    with closing(sqlite3.connect(live)) as db:
        db.execute("PRAGMA journal_mode = WAL")
    with open_store(live) as store:
        store.append([make_flag("in the log")])
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{live}{suffix}", f"{path}{suffix}")
    live.unlink()


@pytest.mark.skipif(not can_mount(), reason="may not mount here")
@pytest.mark.parametrize("state", ["closed", "with a log", "of before checksums"])
def test_a_read_only_mount_is_read(tmp_path, state):
    """
    Where the medium is mounted to be read, all that reads does so, and writes nothing there.
    """
    folder = tmp_path / "flags"
    folder.mkdir()
    path = folder / "flags.db"
    if state == "with a log":
        leave_a_log(path)
    else:
        with open_store(path) as store:
            store.append([make_flag("seen")])
    if state == "of before checksums":
        with closing(sqlite3.connect(path)) as db:
            db.execute("ALTER TABLE flagstone_record DROP COLUMN checksum")
            db.execute("DROP TABLE flagstone_erasing")
    with open_store(shutil.copytree(folder, tmp_path / "other") / "flags.db") as store:
        (flag,) = store.find()
    before = {p.name: p.read_bytes() for p in folder.iterdir()}

    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", COMMANDS, "sh", folder, sys.executable, flag.id, tmp_path],
        check=False, capture_output=True, text=True, env=os.environ,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert json.loads(lines[0])["id"] == json.loads(lines[1])["id"] == flag.id
    assert "1 1 Counter({'digits': 1})" in lines
    assert (tmp_path / "out" / "flags.jsonl").exists()
    with open_store(tmp_path / "copy.db") as copy:
        assert list(copy.find()) == [flag]
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
