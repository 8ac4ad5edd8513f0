"""
What is known of the model's code: a commit, whether it was changed since, and versions.

Each is asked in a process of its own, as git is asked once and for its working directory.
"""

import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

PYTHON = {"python": platform.python_version()}

ASK = """
import json
from flagstone.operations.provenance import provenance
print(json.dumps(provenance()))
"""

IDENTITY = ["-c", "user.name=Ana", "-c", "user.email=ana@example.org", "-c", "commit.gpgsign=false"]


def asked(place: Path, code: str = ASK, **environment: str) -> Any:
    """What *code* prints, as JSON, run in *place*, where no repository above it is seen."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=place,
        env={**own, "GIT_CEILING_DIRECTORIES": str(place.parent), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stderr == ""
    return json.loads(run.stdout)


def git(repository: Path, *arguments: str) -> str:
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", *IDENTITY, *arguments]
    run = subprocess.run(
        command, cwd=repository, env=own, capture_output=True, text=True, check=True
    )
    return run.stdout.strip()


@pytest.fixture
def repository(tmp_path) -> Path:
    """A git repository with one file, committed."""
    place = tmp_path / "repository"
    place.mkdir()
    git(place, "init", "--quiet")
    (place / "app.py").write_text("model = 1\n")
    git(place, "add", "app.py")
    git(place, "commit", "--quiet", "--message", "The first model")
    return place


def test_a_clean_tree(repository):
    """
    The commit is the one git names, and nothing was changed since; asked below the root, too.
    """
    expected = {"commit": git(repository, "rev-parse", "HEAD"), "dirty": False, "packages": PYTHON}
    below = repository / "below"
    below.mkdir()

    assert asked(repository) == expected
    assert asked(below, GIT_CEILING_DIRECTORIES="") == expected
    assert len(expected["commit"]) == 40


@pytest.mark.parametrize("added", [False, True], ids=["in the tree", "in the index"])
def test_a_dirty_tree(repository, added):
    """
    A file that git knows and that was changed makes it dirty, added to the index or not.
    """
    (repository / "app.py").write_text("model = 2\n")
    if added:
        git(repository, "add", "app.py")

    assert asked(repository) == {
        "commit": git(repository, "rev-parse", "HEAD"),
        "dirty": True,
        "packages": PYTHON,
    }


def test_a_file_that_git_does_not_know(repository):
    """
    New files beside the code, such as the flags themselves, do not make it dirty.
    """
    (repository / "flags.db").write_text("")

    assert asked(repository)["dirty"] is False


def test_outside_of_a_repository(tmp_path):
    """
    Where there is no repository, neither commit nor dirty is there, and nothing is printed.
    """
    assert asked(tmp_path) == {"packages": PYTHON}


def test_before_the_first_commit(tmp_path):
    """
    A repository without a commit has none to name.
    """
    place = tmp_path / "new"
    place.mkdir()
    git(place, "init", "--quiet")

    assert asked(place) == {"packages": PYTHON}


def test_without_git(repository, tmp_path):
    """
    Where git is not installed the versions are known all the same.
    """
    assert asked(repository, PATH=str(tmp_path)) == {"packages": PYTHON}


def test_the_packages_are_those_in_use(tmp_path):
    """
    A library that was imported is there with its version; one that only is installed is not.
    """
    assert asked(tmp_path, "import numpy; " + ASK) == {
        "packages": {**PYTHON, "numpy": version("numpy")}
    }


def test_git_is_asked_once(repository):
    """
    The commit is that of the start: code that changes under a running demo is not what runs.
    """
    code = (
        "import json, pathlib; from flagstone.operations.provenance import provenance\n"
        "first = provenance()\n"
        "pathlib.Path('app.py').write_text('model = 2')\n"
        "print(json.dumps([first, provenance()]))"
    )

    first, second = asked(repository, code)

    assert first == second
    assert first["dirty"] is False
    assert asked(repository)["dirty"] is True
