"""
How many rounds a proof has: some by default, all of them with `make proofs`.
"""

import os

_ALL = "FLAGSTONE_PROOFS" in os.environ


def rounds(of_all: int) -> int:
    """*of_all* rounds, or an eighth of them."""
    return of_all if _ALL else max(of_all // 8, 1)
