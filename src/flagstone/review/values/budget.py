"""
How much one page shows: what comes when it is full is cut, and says so.

A record may hold megabytes in any of its fields, and a page shows many. Each text has a limit, and
all together have one.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import fields, is_dataclass
from typing import Any

MOST_ON_A_PAGE = 1_500_000
MOST_OF_A_TEXT = 20_000
_WHEN_FULL = 200
"""So many characters of a text are shown on a page that is full: its links go on to work."""

_MARKUP = 60
"""About what stands around one part."""

_left: ContextVar[list[int] | None] = ContextVar("left", default=None)


@contextmanager
def budget(size: int = MOST_ON_A_PAGE) -> Iterator[None]:
    """A page with room for about *size* characters."""
    token = _left.set([size])
    try:
        yield
    finally:
        _left.reset(token)


def spend(size: int) -> bool:
    """Take room for *size* characters; False where there is none left."""
    left = _left.get()
    if left is None:
        return True
    left[0] -= size
    return left[0] >= 0


def cut(text: str) -> str:
    """*text*, or its beginning, as far as there is room for it."""
    most = MOST_OF_A_TEXT if spend(min(len(text), MOST_OF_A_TEXT)) else _WHEN_FULL
    return text if len(text) <= most else f"{text[:most]}…"


def size_of(part: Any) -> int:
    """About how many characters a page needs for *part*."""
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
