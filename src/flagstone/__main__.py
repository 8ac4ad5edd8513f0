"""`python -m flagstone` is `flagstone`."""

from flagstone.cli import app

app(prog_name="flagstone")
