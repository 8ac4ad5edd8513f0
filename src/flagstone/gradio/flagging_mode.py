"""
When flags are kept: the mode as it was given, or as the environment has it.
"""

import os
from collections.abc import Sequence


def find_mode(
    given: str | None, modes: Sequence[str], variables: Sequence[str], default: str
) -> str:
    """
    The mode *given*, else that of the first of the environment's *variables* that is set.

    Raises `ValueError` for one that is none of *modes*, which are in the order to be named.
    """
    if given is not None:
        return _checked(given, modes, "`flagging_mode` parameter")
    for name in variables:
        found = os.getenv(name)
        if found is not None:
            return _checked(found.lower(), modes, f"environment variable {name}")
    return default


def _checked(mode: str, modes: Sequence[str], where: str) -> str:
    if mode not in modes:
        *others, last = map(repr, modes)
        allowed = f"{', '.join(others)}{',' * (len(others) > 1)} or {last}"
        raise ValueError(f"Invalid value of the {where}: {mode!r}. Must be: {allowed}.")
    return mode
