"""
Scratch folders: nothing of them outlives the process that made them for long.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from flagstone.fs.tempdirs import Scratch, scratch_in, sweep_scratch

MAKE_AND_DIE = """
import os, signal
from pathlib import Path
from flagstone.fs.tempdirs import Scratch
folder = Scratch()
(Path(folder.name) / "secret").write_text("secret")
print(folder.name, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""

MAKE_ELSEWHERE_AND_DIE = """
import os, signal
from pathlib import Path
from flagstone.fs.tempdirs import scratch_in
with scratch_in(Path({elsewhere!r})) as folder:
    (folder / "secret").write_text("secret")
    print(folder, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def killed(code: str) -> Path:
    """The folder of a process that ran *code* and was killed."""
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    return Path(done.stdout.strip())


def test_it_is_its_owners(temporary):
    """
    Nobody else may look into it, and nothing of it is left.
    """
    folder = Scratch()
    assert Path(folder.name).stat().st_mode & 0o777 == 0o700
    folder.cleanup()
    assert list(temporary.iterdir()) == []


def test_what_a_killed_process_left_is_removed(temporary):
    """
    The next one removes it at once, and leaves alone what somebody still has or did not make.
    """
    left = killed(MAKE_AND_DIE)
    assert (left / "secret").read_text() == "secret"
    in_use = Scratch()
    assert not left.exists()
    others = temporary / "flagstone-of-nobody"
    others.mkdir()
    foreign = temporary / "flagstone-01234567"
    foreign.mkdir()
    (foreign / "theirs").write_text("theirs")

    new = Scratch()

    assert {*temporary.iterdir()} == {in_use.path, new.path, others, foreign}
    in_use.cleanup()
    new.cleanup()


def test_a_removal_that_was_cut_off_is_finished(temporary):
    """
    The lock goes last, so what a kill during the removal left is found by the next sweep.
    """
    left = killed(MAKE_AND_DIE)
    (left / "secret").unlink()
    empty = temporary / "flagstone-76543210"
    empty.mkdir()

    sweep_scratch()

    assert list(temporary.iterdir()) == []


def test_the_temporary_directory_may_be_a_link(temporary, tmp_path, monkeypatch):
    """
    As it is on macOS: what a killed process left there is removed all the same.
    """
    left = killed(MAKE_AND_DIE)
    (tmp_path / "link").symlink_to(temporary)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "link"))

    sweep_scratch()

    assert not left.exists()


def test_no_link_is_followed(temporary, tmp_path):
    """
    A link that is called as our folders are leads nobody to what it points to.
    """
    home = tmp_path / "home"
    home.mkdir()
    (home / "lock").touch()
    (home / "theirs").write_text("theirs")
    (temporary / "flagstone-abcdefgh").symlink_to(home)

    sweep_scratch()

    assert (home / "theirs").read_text() == "theirs"


def test_what_was_being_made_elsewhere_is_removed(temporary, tmp_path):
    """
    A folder beside something, of a process that was killed, goes by any sweep, wherever it is.
    """
    elsewhere = tmp_path / "exports"
    left = killed(MAKE_ELSEWHERE_AND_DIE.format(elsewhere=str(elsewhere)))
    assert (left / "secret").exists()
    with scratch_in(elsewhere) as in_use:
        assert list(elsewhere.iterdir()) == [in_use]
        sweep_scratch()
        assert in_use.exists()

    assert list(elsewhere.iterdir()) == []
    killed(MAKE_ELSEWHERE_AND_DIE.format(elsewhere=str(elsewhere)))
    sweep_scratch()
    assert list(elsewhere.iterdir()) == []
    assert list(temporary.iterdir()) == []


def test_a_fork_leaves_the_folder_of_its_parent(temporary):
    """
    A child that ends as programs do takes nothing from the process that it was forked from.
    """
    folder = Scratch()
    child = os.fork()
    if child == 0:
        folder.cleanup()
        os._exit(0)
    os.waitpid(child, 0)

    assert folder.path.exists()
    folder.cleanup()
