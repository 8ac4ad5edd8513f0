"""
What our own scripts are told: of a review, and of where a flag stands.
"""

import json
from typing import Any

from starlette.responses import JSONResponse

from flagstone.core.query import State
from flagstone.core.records import Review
from flagstone.review.speakers import name_of
from flagstone.review.values.sanitize import plain


class Told(JSONResponse):
    """JSON for a script of ours; of ASCII, as UTF-8 has no bytes for a lone surrogate."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content).encode()


def review_told(review: Review) -> dict[str, Any]:
    """What *review* says, for those who did not make it."""
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
    """Where a flag stands, with the id of the last review of it."""
    return {
        "id": last_review(state),
        "flag": state.flag.id,
        "verdict": state.verdict,
        "tags": list(map(plain, state.tags)),
        "assignee": plain(state.assignee),
    }


def last_review(state: State) -> str:
    """The id of the last review, by which a page says what it has seen."""
    return state.reviews[-1].id if state.reviews else ""
