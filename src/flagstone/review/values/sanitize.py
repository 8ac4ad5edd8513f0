"""
Flagged text as a page may show it: what cannot be seen, or turns writing round, is spelled out.
"""

import unicodedata
from typing import Any

from markupsafe import Markup

from flagstone.core.codec import escape_surrogates
from flagstone.review.values.budget import cut, spend

_SHOWN = frozenset("\n\t\u200c\u200d\xad")  # joiners make letters and emoji, and hide nothing
_SPELLED = frozenset(["Cc", "Cf", "Cs", "Zl", "Zp"])


class Exact(str):
    """Text that is to be edited, not only looked at: it stands in the page as it is."""

    __slots__ = ()


def plain(shown: Any) -> Any:
    """*shown*, any text in it cut and harmless to the eye; markup is not touched."""
    if not isinstance(shown, str) or isinstance(shown, Markup):
        return shown
    if isinstance(shown, Exact):
        spend(len(shown))
        return shown
    shown = cut(shown)
    if shown.isprintable():
        return shown
    return "".join(
        char if char in _SHOWN or unicodedata.category(char) not in _SPELLED else _spelled(char)
        for char in shown.replace("\r\n", "\n")
    )


def typed(text: str) -> str:
    """*text* as a field of a page gives it back when nobody has touched it."""
    return escape_surrogates(text).replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")


def _spelled(char: str) -> str:
    return ascii(char)[1:-1]
