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
        (True, "run", "yes: the server produced these outputs from these inputs"),
        (True, "partial run", "yes: the server produced these outputs; the run had not finished"),
        (True, "cached example",
         "yes: the server produced these outputs once and cached them for the example"),
        (True, None, "yes: the server produced these outputs from these inputs"),
        (False, "page",
         "no: the page sent them, but the server did not produce these outputs from these inputs"),
        (False, "run",
         "no: the page sent them, but the server did not produce these outputs from these inputs"),
        (None, "restored run", "unknown: the page shows a run of another session"),
        (None, "failed run", "unknown: the call raised an error and returned no outputs"),
        (None, ["run"], "unknown"),
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
