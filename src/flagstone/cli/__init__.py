"""
The command line, for terminals and scripts.

Errors are one sentence and exit status 1. With `--json` the output is JSON: one record per line, as
stored.
"""

from flagstone.cli import decide, maintain, read, serve, transfer
from flagstone.cli.app import app

__all__ = ["app", "decide", "maintain", "read", "serve", "transfer"]
