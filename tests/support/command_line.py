"""
The command line, called in this process.
"""

import re

from typer.testing import CliRunner

from flagstone.cli import app


def run(*arguments: object, code: int = 0) -> str:
    """What `flagstone` with these *arguments* prints, without colours; it must exit with *code*."""
    result = CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "80"})
    assert result.exit_code == code, result.output
    return re.sub(r"\x1b\[[0-9;]*m", "", result.output)
