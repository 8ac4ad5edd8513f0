"""
Predicates for `when=` of the automatic mode: they select the predictions to save.

A predicate is a function `Flag -> bool`, so a lambda works as well.
"""

from collections.abc import Callable, Iterator
from typing import Any

from flagstone.core.records import Flag

__all__ = ["Predicate", "confidence_below", "raised", "slower_than"]

Predicate = Callable[[Flag], bool]


def confidence_below(threshold: float) -> Predicate:
    """Select flags with a label output whose highest confidence is below *threshold*, 0 to 1."""

    def is_unsure(flag: Flag) -> bool:
        return any(surest < threshold for surest in _surest(flag))

    return is_unsure


def slower_than(seconds: float) -> Predicate:
    """Select predictions that took longer than *seconds*."""

    def is_slow(flag: Flag) -> bool:
        return bool(flag.context.get("latency", 0) > seconds)

    return is_slow


def raised(flag: Flag) -> bool:
    """Return whether the prediction raised an exception."""
    return "error" in flag.context


def _surest(flag: Flag) -> Iterator[float]:
    for value in flag.outputs.values():
        data: Any = value.data
        if value.kind == "label" and data and data.get("confidences"):
            known = [each["confidence"] for each in data["confidences"]]
            yield max((c for c in known if c is not None and c == c), default=0.0)  # noqa: PLR0124 - skips NaN
