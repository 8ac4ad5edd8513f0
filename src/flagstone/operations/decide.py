"""
Review flags: append a review of each; earlier reviews do not change.
"""

from collections.abc import Iterable, Sequence

from flagstone.core.records import Flag, Review, Values, Verdict
from flagstone.stores.base import Store


def decide(
    store: Store,
    flags: Iterable[Flag],
    *,
    by: str | None,
    verdict: Verdict | None = None,
    correction: Values | None = None,
    tags: Sequence[str] | str = (),
    note: str | None = None,
    assignee: str | None = None,
) -> list[Review]:
    """
    Append to *store* a review of each of *flags* by the reviewer *by*, and return the reviews.

    All are saved or none. Raises `InvalidRecordError` for an invalid value and `StoreError` if the
    store fails; then nothing is saved.
    """
    reviews = [
        Review(
            flag_id=flag.id,
            by=by,
            speaker="reviewer",
            verdict=verdict,
            correction=correction or {},
            tags=(tags,) if isinstance(tags, str) else tuple(tags),
            note=note,
            assignee=assignee,
        )
        for flag in flags
    ]
    store.append(reviews)
    return reviews
