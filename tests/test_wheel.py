"""
The wheel: all files of the package are in it, and it works where nothing else of ours is.
"""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import flagstone

ROOT = Path(__file__).parents[1]
SOURCE = Path(flagstone.__file__).parent

CONTRACT = """
import sqlite3
from flagstone import open_store
from flagstone.testing import StoreTests

class TestSqlite(StoreTests):
    def open(self, place):
        return open_store(place / "flags.db")

    def texts(self, place):
        rows = sqlite3.connect(place / "flags.db").execute(
            "SELECT json FROM flagstone_record WHERE json != '' ORDER BY seq"
        )
        return [text for (text,) in rows]
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """A folder with what the wheel installs."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        check=True, cwd=ROOT, capture_output=True,
    )  # fmt: skip
    (built,) = folder.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_every_file_of_the_package_is_in_the_wheel(wheel):
    """
    The wheel has the modules, templates, scripts, styles and `py.typed`, and no other package.
    """
    source = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    installed = wheel / "flagstone"

    assert {
        p.relative_to(installed).as_posix() for p in installed.rglob("*") if p.is_file()
    } == source
    assert {path.name.split("-")[0] for path in wheel.iterdir()} == {"flagstone"}


def test_the_wheel_passes_the_contract_of_stores(wheel, tmp_path):
    """
    The tests for stores that the wheel ships pass against the wheel itself.
    """
    (tmp_path / "test_contract.py").write_text(CONTRACT)
    environment = {**os.environ, "PYTHONPATH": str(wheel)}
    where = [sys.executable, "-c", "import flagstone; print(flagstone.__file__)"]
    found = subprocess.run(where, check=True, capture_output=True, text=True, env=environment)
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path]
    run = subprocess.run(
        tests, check=False, capture_output=True, text=True, env=environment, cwd=tmp_path
    )

    assert Path(found.stdout.strip()).is_relative_to(wheel)
    assert run.returncode == 0, run.stdout
    assert "58 passed" in run.stdout
