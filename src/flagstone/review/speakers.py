"""
Who says something on a page: a reviewer by name, or a visitor of the demo, who is no reviewer.

What a visitor calls themselves is chosen by the visitor, so a name alone says nothing.
"""

from flagstone.core.query import State
from flagstone.core.records import Review, Speaker


def is_by(review: Review, name: str) -> bool:
    """Whether the reviewer called *name* made *review*."""
    return review.speaker != "visitor" and review.by == name


def name_of(review: Review) -> str:
    """Who made *review*, as the beginning of a sentence."""
    if review.speaker != "visitor":
        return review.by or "Somebody"
    return f"Visitor {review.by}" if review.by else "A visitor"


def decider_of(state: State) -> Speaker | None:
    """Who gave a flag its verdict; None where nobody did, or that is not known."""
    return next((r.speaker for r in reversed(state.standing) if r.verdict), None)


def corrector_of(state: State) -> Speaker | None:
    """Who corrected a flag last; a correction that came with the flag is the visitor's."""
    return next((r.speaker for r in reversed(state.standing) if r.correction), "visitor")
