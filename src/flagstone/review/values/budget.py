"""
Size limit of a page: what exceeds it is cut, and the page shows that it was cut.

Any field of a record may hold megabytes, and a page shows many fields. Each text has a limit, and
so has the page.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import fields, is_dataclass
from typing import Any

MOST_ON_A_PAGE = 1_500_000
MOST_OF_A_TEXT = 20_000
_WHEN_FULL = 200
"""Characters shown of each text on a full page, so that links keep working."""

_MARKUP = 60
"""Approximate size of the markup around one part."""

_left: ContextVar[list[int] | None] = ContextVar("left", default=None)


@contextmanager
def budget(size: int = MOST_ON_A_PAGE) -> Iterator[None]:
    """Limit the page rendered in this context to about *size* characters."""
    token = _left.set([size])
    try:
        yield
    finally:
        _left.reset(token)


def spend(size: int) -> bool:
    """Use *size* characters of the budget; return False if it is exceeded."""
    left = _left.get()
    if left is None:
        return True
    left[0] -= size
    return left[0] >= 0


def cut(text: str) -> str:
    """Return *text*, cut to its limit, or to fewer characters if the page is full."""
    most = MOST_OF_A_TEXT if spend(min(len(text), MOST_OF_A_TEXT)) else _WHEN_FULL
    return text if len(text) <= most else f"{text[:most]}…"


def size_of(part: Any) -> int:
    """Return the approximate number of characters a page needs for *part*."""
    match part:
        case str():
            return len(part)
        case Mapping():
            return sum(_MARKUP + size_of(key) + size_of(each) for key, each in part.items())
        case list() | tuple():
            return sum(_MARKUP + size_of(each) for each in part)
    if is_dataclass(part):
        return sum(size_of(getattr(part, each.name)) for each in fields(part))
    return 0
