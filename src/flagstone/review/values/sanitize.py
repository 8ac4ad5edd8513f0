"""
Make flagged text safe to show: spell out invisible characters and those that change direction.
"""

import unicodedata
from typing import Any

from markupsafe import Markup

from flagstone.core.codec import escape_surrogates
from flagstone.review.values.budget import cut, spend

_SHOWN = frozenset("\n\t\u200c\u200d\xad")  # joiners form letters and emoji, and hide nothing
_SPELLED = frozenset(["Cc", "Cf", "Cs", "Zl", "Zp"])


class Exact(str):
    """Text to be edited: it is put into the page unchanged."""

    __slots__ = ()


def plain(shown: Any) -> Any:
    """Return *shown*; text is cut and its invisible characters spelled out, markup is unchanged."""
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
    """Return *text* as a browser submits it from an unchanged field."""
    return escape_surrogates(text).replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")


def _spelled(char: str) -> str:
    return ascii(char)[1:-1]
