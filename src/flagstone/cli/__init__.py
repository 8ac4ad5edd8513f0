"""
The command line: the library's verbs, for people at a terminal and for scripts.

Errors of ours are one sentence and exit status 1; with `--json` the output is JSON, a record a
line, as the store has it.
"""

from flagstone.cli import decide, maintain, read, serve, transfer
from flagstone.cli.app import app

__all__ = ["app", "decide", "maintain", "read", "serve", "transfer"]
