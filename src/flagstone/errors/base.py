"""
The base of every error of ours.
"""

import reprlib

from flagstone.errors.safe_text import mask_text, one_line

SHORT = reprlib.Repr()
SHORT.maxstring = SHORT.maxother = 80
"""How a value is quoted in a sentence."""


class FlagstoneError(Exception):
    """`except FlagstoneError` catches all of ours, and nothing else."""

    to_person = "It could not be saved. Nothing was kept; you can try again."
    """What a visitor of the demo may read: no path, no cause that is not theirs to know."""

    def __init__(self, sentence: str = "") -> None:
        super().__init__(one_line(mask_text(sentence)))


def megabytes(size: int) -> str:
    """*size* in bytes, for people."""
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size:,} byte{'s' * (size != 1)}"  # noqa: PLR2004
