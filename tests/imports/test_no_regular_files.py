"""
What is no regular file, or leads out of its folder, is no log, and a log of NULs ends at once.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

UUID = "01a21320-cca3-7baf-a17c-4d2961498ea{}"


def pipe(folder: Path) -> None:
    os.mkfifo(folder / "dataset1.csv")


def pipe_of_the_hub_saver(folder: Path) -> None:
    (folder / "a").mkdir()
    os.mkfifo(folder / "a" / "metadata.jsonl")


def directory(folder: Path) -> None:
    (folder / UUID.format(1) / "metadata.jsonl").mkdir(parents=True)


def beside_a_flag(folder: Path) -> None:
    """A flag of the Hub saver, with a pipe and a directory where what is said about it would be."""
    flag = folder / UUID.format(2)
    flag.mkdir()
    (flag / "metadata.jsonl").write_text('{"a": "b"}\n')
    os.mkfifo(flag / "x.json")
    (flag / "y.json").mkdir()
    os.mkfifo(folder / "z.csv")


def link(folder: Path) -> None:
    flag = folder / UUID.format(3)
    flag.mkdir()
    (flag / "metadata.jsonl").symlink_to("/etc/passwd")


def nuls(folder: Path) -> None:
    with (folder / "dataset1.csv").open("wb") as file:
        file.write(b"a,flag,timestamp\r\n")
        file.truncate(200 << 20)


def too_large(folder: Path) -> None:
    with (folder / "dataset1.csv").open("wb") as file:
        file.truncate(3 << 30)


NOTHING = "no flags were saved there"


@pytest.mark.parametrize(
    ("make", "told", "listed", "examined"),
    [
        (pipe, NOTHING, 0, 0),
        (pipe_of_the_hub_saver, NOTHING, 0, 0),
        (directory, NOTHING, 0, 0),
        (beside_a_flag, None, 3, 3),
        (link, NOTHING, 0, 0),
        (nuls, "line 2: it contains only NULs", 3, 1),
        (too_large, "it is larger than 1,073.7 MB", 3, 1),
    ],
)
def test_what_is_no_log_is_told_at_once(tmp_path, make, told, listed, examined):
    """
    `import` says what it is, `list` and `doctor` go on; none waits for what never comes.
    """
    make(tmp_path)

    def run(*args: object) -> tuple[int, str]:
        command = [sys.executable, "-m", "flagstone", *map(str, args)]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=200)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stderr

    status, error = run("import", tmp_path, "memory:", "--dry-run")
    assert status == (0 if told is None else 1)
    assert (told or "") in error
    assert run("list", "--store", tmp_path)[0] == listed
    assert run("doctor", tmp_path, "--dry-run")[0] == examined
