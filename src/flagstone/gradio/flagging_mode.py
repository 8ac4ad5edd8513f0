"""
Determine the flagging mode from the argument or the environment.
"""

import os
from collections.abc import Sequence


def find_mode(
    given: str | None, modes: Sequence[str], variables: Sequence[str], default: str
) -> str:
    """
    Return the mode *given*, else the value of the first environment variable of *variables* set.

    Raises `ValueError` if it is not one of *modes*; the message lists them in this order.
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
