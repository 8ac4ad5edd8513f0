"""
What the outputs of a flag are worth is told in the same words wherever a flag is shown.
"""

import io
import re

import pytest
from reviewer import Reviewer
from rich.console import Console

from flagstone.cli.output import card_of
from flagstone.stores.memory import MemoryStore
from flagstone.testing import make_flag


@pytest.mark.parametrize(
    ("verified", "origin", "told"),
    [
        (True, "run", "yes: the server made these outputs from these inputs"),
        (True, "partial run", "yes: the server made these outputs; the run had not ended"),
        (True, "cached example",
         "yes: the server made these outputs once, and kept them for the example"),
        (True, None, "yes: the server made these outputs from these inputs"),
        (False, "page",
         "no: the page says so, but the server did not make these outputs from these inputs"),
        (False, "run",
         "no: the page says so, but the server did not make these outputs from these inputs"),
        (None, "restored run", "not known: the page shows a run of another session"),
        (None, "failed run", "not known: the call raised an error, and made no outputs"),
        (None, ["run"], "not known"),
    ],
)  # fmt: skip
def test_what_verified_means_is_told(verified, origin, told):
    """
    A terminal and the review page tell a restored run from a forged one, and the rest.
    """
    flag = make_flag(verified=verified, context={"origin": origin})
    store = MemoryStore()
    store.append([flag])
    console = Console(width=200, file=io.StringIO())
    console.print(card_of(store.state(flag.id)))
    page = Reviewer(store).get("/flag", params={"id": flag.id}).text

    assert re.search(rf"verified +{re.escape(told)}\s", console.file.getvalue())
    assert f"<dt>verified</dt><dd>{told}</dd>" in page
