"""
JSON for the page's scripts: a review, and the state of a flag.
"""

import json
from typing import Any

from starlette.responses import JSONResponse

from flagstone.core.query import State
from flagstone.core.records import Review
from flagstone.review.speakers import name_of
from flagstone.review.values.sanitize import plain


class Told(JSONResponse):
    """JSON response in ASCII, because UTF-8 cannot encode a lone surrogate."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content).encode()


def review_told(review: Review) -> dict[str, Any]:
    """Return the content of *review* as a dict."""
    return {
        "id": review.id,
        "flag": review.flag_id,
        "by": plain(name_of(review)),
        "verdict": review.verdict,
        "tags": list(map(plain, review.tags)),
        "corrected": bool(review.correction),
        "retracts": bool(review.retracts),
    }


def state_told(state: State) -> dict[str, Any]:
    """Return the state of a flag as a dict, with the id of its last review."""
    return {
        "id": last_review(state),
        "flag": state.flag.id,
        "verdict": state.verdict,
        "tags": list(map(plain, state.tags)),
        "assignee": plain(state.assignee),
    }


def last_review(state: State) -> str:
    """Return the id of the last review, which a page sends back as what it has seen."""
    return state.reviews[-1].id if state.reviews else ""
