"""
Scratch folders: nothing of them outlives the process that made them for long.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from flagstone.scratch import Scratch

MAKE_AND_DIE = """
import os, signal
from pathlib import Path
from flagstone.scratch import Scratch
folder = Scratch()
(Path(folder.name) / "secret").write_text("secret")
print(folder.name, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def grow_old(folder):
    os.utime(Path(folder) / "lock", (0, 0))


def test_it_is_its_owners(place):
    """
    Nobody else may look into it, and nothing of it is left.
    """
    folder = Scratch()
    assert Path(folder.name).stat().st_mode & 0o777 == 0o700
    folder.cleanup()
    assert list(place.iterdir()) == []


def test_what_a_killed_process_left_is_removed(place):
    """
    The next one removes it, and leaves alone what somebody still has and what was just made.
    """
    run = [sys.executable, "-c", MAKE_AND_DIE]
    left = [
        subprocess.run(run, capture_output=True, text=True, check=False).stdout.strip()
        for _ in range(2)
    ]
    assert (Path(left[0]) / "secret").read_text() == "secret"
    in_use = Scratch()
    grow_old(in_use.name)
    grow_old(left[0])
    others = place / "flagstone-of-nobody"
    others.mkdir()

    new = Scratch()

    assert {*place.iterdir()} == {Path(left[1]), Path(in_use.name), Path(new.name), others}
    in_use.cleanup()
    new.cleanup()
