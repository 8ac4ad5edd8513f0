"""
`flagstone export`: the same as the function, for people at a terminal and for scripts.
"""

import json

import pytest
from command_line import run

from flagstone import open_store
from flagstone.core.query_syntax import parse_query
from flagstone.exporters.export import export
from flagstone.testing import make_flag


@pytest.fixture
def place(tmp_path):
    flags = [make_flag("one"), make_flag("two", option="unsure"), make_flag("three")]
    open_store(tmp_path / "flags.db").append(flags)
    return tmp_path / "flags.db"


def test_it_says_what_it_made(place, tmp_path):
    """
    A sentence with the counts and the version; with --json the manifest.
    """
    told = run("export", place, tmp_path / "out", "--where", "option:wrong", "--format", "jsonl")
    again = run(
        "export", place, tmp_path / "out", "-w", "option:wrong", "--format", "jsonl", "--json"
    )

    expected = export(
        open_store(place), tmp_path / "expected", query=parse_query("option:wrong"), format="jsonl"
    )
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_bytes())
    version = expected.sha256[:12]
    assert told == f"Exported 2 rows of 2 flags to {tmp_path / 'out'}: version {version}.\n"
    assert json.loads(again) == {k: v for k, v in manifest.items() if k != "flagstone_export"}


def test_errors_are_a_sentence(place, tmp_path):
    """
    No store, no flags, a folder of somebody's, a query that is none: status 1 and nothing made.
    """
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")

    for arguments in (
        [tmp_path / "none.db", tmp_path / "out"],
        [place, tmp_path / "out", "--where", "option:nothing"],
        [place, tmp_path / "out", "--where", "colour:red"],
        [place, tmp_path / "mine"],
        [place, place],
    ):
        assert run("export", *arguments, code=1).startswith("Cannot")
    assert not (tmp_path / "out").exists()
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_it_imports_no_arrow_before_it_is_asked_to():
    """
    The command line, and a table without Arrow, come without it.
    """
    import subprocess
    import sys

    code = "import sys, flagstone.cli, flagstone.exporters.jsonl; print('pyarrow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
