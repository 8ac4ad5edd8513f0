"""
The author of a review: a named reviewer, or a visitor of the demo.

Visitors choose their own names, so a name alone does not identify a reviewer.
"""

from flagstone.core.query import State
from flagstone.core.records import Review, Speaker


def is_by(review: Review, name: str) -> bool:
    """Whether the reviewer called *name* made *review*."""
    return review.speaker != "visitor" and review.by == name


def name_of(review: Review) -> str:
    """Return the author of *review*, to begin a sentence with."""
    if review.speaker != "visitor":
        return review.by or "Someone"
    return f"Visitor {review.by}" if review.by else "A visitor"


def decider_of(state: State) -> Speaker | None:
    """Return who gave a flag its verdict; None if it has none, or the speaker is unknown."""
    return next((r.speaker for r in reversed(state.standing) if r.verdict), None)


def corrector_of(state: State) -> Speaker | None:
    """Return who last corrected a flag; a correction in the flag itself is the visitor's."""
    return next((r.speaker for r in reversed(state.standing) if r.correction), "visitor")
