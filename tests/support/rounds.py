"""
How many rounds a proof has: some by default, all of them with `make proofs`.
"""

import os

PROOFS = "FLAGSTONE_PROOFS" in os.environ


def rounds(of_all: int, *, by_default: int | None = None) -> int:
    """*of_all* rounds, or so many *by_default*: an eighth of them."""
    if by_default is None:
        by_default = max(of_all // 8, 1)
    return of_all if PROOFS else by_default
