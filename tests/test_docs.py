"""
README and docs: their shell blocks are real, their links lead somewhere, their store is a store.

Their Python blocks are tests of their own (conftest.py at the root).
"""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

import flagstone
from flagstone.cli import app
from flagstone.stores.base import Store
from flagstone.testing import StoreTests, make_flag

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


def shell_lines() -> list[str]:
    return sorted(
        {line for page in PAGES for block in blocks(page, "sh") for line in block.splitlines()}
    )


@pytest.mark.parametrize("line", shell_lines())
def test_shell_lines_are_real(line, tmp_path, monkeypatch):
    """
    A make target is one of the Makefile, a flagstone command runs, a package is ours.
    """
    monkeypatch.chdir(tmp_path)
    flagstone.open_store(".gradio/flagged").append([make_flag(user="ana")])
    program, *arguments = line.split()
    match Path(program).name:
        case "make":
            subprocess.run([program, "-C", ROOT, "-n", *arguments], check=True, capture_output=True)
        case "flagstone":
            assert CliRunner().invoke(app, arguments).exit_code == 0
        case "pip":
            project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
            extra = re.fullmatch(r"'flagstone\[(\w+)\]'", arguments[-1])
            assert extra is not None
            assert extra[1] in project["optional-dependencies"]
        case _:
            pytest.fail(f"nobody knows how to try {line!r}")


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_blocks_are_of_a_tested_kind(page):
    """
    Every fenced block is Python, which runs, or shell, which is tried.
    """
    assert set(re.findall(r"```(\w+)\n", page.read_text())) <= {"python", "sh"}


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_links_lead_somewhere(page):
    """
    A relative link is a file of ours.
    """
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_every_command_is_documented():
    """
    docs/cli.md has a section for each command.
    """
    text = (ROOT / "docs" / "cli.md").read_text()
    for command in app.registered_commands:
        assert f"## flagstone {command.name or command.callback.__name__}" in text


def test_every_defect_is_answered():
    """
    docs/gradio.md answers each defect that concerns a logger.
    """
    text = (ROOT / "docs" / "gradio.md").read_text()
    answered = {int(number) for number in re.findall(r"^\| D(\d+) \|", text, re.MULTILINE)}
    assert answered == set(range(1, 35))


def test_the_changelog_has_this_version():
    """
    The newest entry of the changelog is the version of the package.
    """
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest[1] == flagstone.__version__


namespace: dict[str, type[Store]] = {}
exec(blocks(ROOT / "docs" / "extending.md", "python")[0], namespace)  # it is ours


class TestTheDocumentedStore(StoreTests):
    """The store that docs/extending.md prints passes the contract."""

    def open(self, place: Path) -> Store:
        return namespace["JsonFile"](place / "flags.json")  # type: ignore[call-arg]

    def texts(self, place: Path) -> list[str]:
        import json

        return [text for text in json.loads((place / "flags.json").read_text()).values() if text]
