"""
The commands `flagstone review` and `flagstone review-user`.
"""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from flagstone import open_store
from flagstone.cli import app
from flagstone.review import Users
from flagstone.testing import make_flag


def run(*arguments: object, entered: str = "") -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(a) for a in arguments], input=entered)
    return result.exit_code, " ".join(result.output.split())


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_it_serves_until_ctrl_c(tmp_path, options):
    """
    The command says where the page is, in words or as JSON, serves it, and ends by Ctrl-C.
    """
    open_store(tmp_path / "flags.db").append([make_flag("what was flagged")])
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code += "from flagstone.cli import app; app()"
    command = [sys.executable, "-c", code, "review", tmp_path / "flags.db", "--port", "0"]

    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            told = process.stdout.readline()
            url = re.search(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{40,}", told)
            assert url is not None
            if options:
                assert json.loads(told) == {"store": str(tmp_path / "flags.db"), "url": url[0]}
            assert httpx.get(url[0].partition("?")[0]).status_code == 401
            with httpx.Client(follow_redirects=True) as browser:
                assert "what was flagged" in browser.get(url[0]).text
        finally:
            process.send_signal(signal.SIGINT)
        process.wait(30)


@pytest.mark.parametrize(
    ("terminal", "options", "is_opened"),
    [(True, [], True), (True, ["--no-browser"], False), (False, [], False),
     (False, ["--browser"], True), (True, ["--json"], False)],
)  # fmt: skip
def test_it_opens_in_a_browser(terminal, options, is_opened, tmp_path):
    """
    At a terminal where there is a browser the page opens in it, and no list of programs shows its
    token.
    """
    open_store(tmp_path / "flags.db").append([make_flag()])
    seen, script = tmp_path / "seen", tmp_path / "browser"
    script.write_text(f'#!/bin/sh\nprintf "%s " "$@" > {seen}.part\n'
                      f'cat "${{1#file://}}" >> {seen}.part\nmv {seen}.part {seen}\n')  # fmt: skip
    script.chmod(0o700)
    ours, theirs = pty.openpty() if terminal else os.pipe()
    command = [sys.executable, "-m", "flagstone", "review", tmp_path / "flags.db", "--port", "0"]
    environment = {**os.environ, "BROWSER": f"{script} %s", "TMPDIR": str(tmp_path)}
    environment.pop("DISPLAY", None)

    with subprocess.Popen([*command, *options], stdout=theirs, env=environment) as process:
        try:
            os.close(theirs)
            told = os.fdopen(ours)
            url = re.search(r"http://127[^\s\"]+", told.readline())
            assert url is not None
            waited = 0
            while is_opened and not seen.exists():
                process.poll()
                waited += 1
                assert httpx.get(url[0]).status_code == 303
                assert waited < 1000
        finally:
            process.send_signal(signal.SIGTERM)
        process.wait(30)
        told.close()

    assert seen.exists() == is_opened
    if is_opened:
        argument, _, page = seen.read_text().partition(" ")
        assert "token" not in argument
        assert f'content="0;url={url[0]}"' in page
    assert list(tmp_path.glob("flagstone-*")) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_nothing_is_left_when_it_is_ended(number, tmp_path):
    """
    A service manager, or a terminal that is closed, ends it without a scratch folder left behind.
    """
    store, scratch = tmp_path / "flags", tmp_path / "scratch"
    scratch.mkdir()
    open_store(f"csv:{store}").append([make_flag("a secret")])
    # As a terminal starts it: what runs the tests may be deaf to the end of one.
    code = f"import signal; signal.signal({int(number)}, signal.SIG_DFL); "
    code += "from flagstone.cli import app; app()"
    command = [sys.executable, "-c", code, "review", store, "--port", "0"]
    environment = {**os.environ, "TMPDIR": str(scratch)}

    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("Review ")
            assert len(list(scratch.iterdir())) == 1
        finally:
            process.send_signal(number)
        try:
            assert process.wait(30) == 128 + number
        finally:
            process.kill()

    assert list(scratch.iterdir()) == []


def test_others_need_a_login(tmp_path):
    """
    On an address that others reach it does not start without users, and says what to do.
    """
    open_store(tmp_path / "flags.db").append([make_flag()])

    code, told = run("review", tmp_path / "flags.db", "--host", "0.0.0.0")

    assert code == 1
    assert told.startswith("Cannot serve the review page on 0.0.0.0:")
    assert run("review", tmp_path / "none.db")[0] == 1


def test_a_person_is_added(tmp_path: Path):
    """
    The command asks for the password twice, and the person can log in with it.
    """
    path = tmp_path / "users.txt"

    code, told = run("review-user", path, "ana", "--role", "admin", entered="secret\nsecret\n")

    assert code == 0
    assert told.endswith(f"ana may log in as admin, with --users {path}.")
    assert "secret" not in told
    person = Users(path).check("ana", "secret")
    assert person is not None
    assert person.role == "admin"
    assert run("review-user", path, "a:b", entered="secret\nsecret\n")[0] == 1
