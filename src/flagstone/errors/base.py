"""
The base class of all errors.
"""

import reprlib

from flagstone.errors.safe_text import mask_text, one_line

SHORT = reprlib.Repr()
SHORT.maxstring = SHORT.maxother = 80
"""Shortens values that are quoted in messages."""


class FlagstoneError(Exception):
    """Base class of all Flagstone errors."""

    to_person = "Something went wrong. Nothing was saved; you can try again."
    """The message for visitors of the demo; it contains no paths and no internal causes."""

    def __init__(self, sentence: str = "") -> None:
        super().__init__(one_line(mask_text(sentence)))


def megabytes(size: int) -> str:
    """Format a *size* in bytes for display."""
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size:,} byte{'s' * (size != 1)}"  # noqa: PLR2004
