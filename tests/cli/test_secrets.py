"""
Commands: whatever they print of a place, no secret of its URL is in it.
"""

import pytest
from typer.testing import CliRunner

from flagstone import open_store
from flagstone.cli import app
from flagstone.testing import make_flag

SECRET = "Xs3cret"
WORKING = [
    f"parquet:memory://ana:{SECRET}@host/NAME?sig={SECRET}",
    f"parquet:memory://{SECRET}@host/NAME#token={SECRET}",
    f"parquet:memory://ana:pa/{SECRET}@host/NAME;key={SECRET}",
]
FAILING = [
    f"postgresql://ana:{SECRET}@host/flags", f"nosuch:ana:{SECRET}@host", f"nosuch:?key={SECRET}",
    f"csv:https://ana:{SECRET}@host/NAME?x={SECRET}", f"sqlite://ana:{SECRET}@host/x.db",
    f"hf://datasets/ana/x?token={SECRET}", f"parquet:http://ana:{SECRET}@127.0.0.1:9/NAME",
]  # fmt: skip
COMMANDS = [
    "list -s URL", "list -s URL --json", "list -s URL -w URL", "list URL", "show x -s URL",
    "show ID -s URL", "show ID -s URL --json", "show x --json -s URL",
    "stats -s URL", "stats -s URL --json", "doctor URL", "doctor URL --json", "doctor URL URL",
    "accept ID -s URL", "accept -w app:digits -s URL --json", "reject x -s URL", "fixed ID -s URL",
    "tag a ID -s URL", "note a ID -s URL --json", "assign ana ID -s URL", "note a -s URL",
    "sync URL copy.db", "sync URL copy.db --json", "sync URL copy.db --status",
    "sync URL copy.db --dry-run", "sync flags.db URL", "sync flags.db URL --json",
    "sync flags.db URL --status", "sync flags.db URL --status --json", "sync URL URL",
    "import logged URL", "import logged URL --json", "import URL copy.db",
    "export URL out", "export URL out --json", "export URL out --format nosuch",
    "export URL out -w app:none", "export flags.db URL",
    "forget x -s URL", "forget ID -s URL --dry-run", "forget ID -s URL --dry-run --json",
    "forget ID -s flags.db --also URL --dry-run --json", "forget ID -s flags.db --everywhere",
    "forget ID -s flags.db --everywhere --yes", "forget ID -s URL --yes",
    "review URL --host 0.0.0.0", "review URL --users URL", "review-user URL ana",
    "demo --nosuch URL", "nosuch URL", "--nosuch URL",
]  # fmt: skip


def all_that_is_printed(command: str, url: str, flag_id: str, caplog) -> str:
    words = [{"URL": url, "ID": flag_id}.get(word, word) for word in command.split()]
    caplog.clear()
    result = CliRunner().invoke(app, words, input="secret\nsecret\n")
    error = result.exception
    told = "" if error is None or isinstance(error, SystemExit) else repr(error)
    return f"{result.output}{told}{caplog.text}".replace("\n", "")


@pytest.mark.parametrize("url", [*WORKING, *FAILING])
def test_no_command_prints_a_secret(url, tmp_path, monkeypatch, caplog):
    """
    Each command, on a URL with a secret in it, prints everything but that, whether it works or not.
    """
    monkeypatch.chdir(tmp_path)
    url = url.replace("NAME", tmp_path.name)
    flag = make_flag()
    if SECRET in url and "parquet:memory" in url:
        open_store(url).append([flag])
    open_store("flags.db").append([flag, make_flag("other")])
    open_store("csv:logged").append([flag])

    told = {each: all_that_is_printed(each, url, flag.id, caplog) for each in COMMANDS}

    assert told["list -s URL"]
    assert {command: words for command, words in told.items() if SECRET in words} == {}

    for notes in tmp_path.rglob("*targets"):
        assert SECRET not in notes.read_text()
