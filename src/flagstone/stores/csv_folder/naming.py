"""
Which log of a folder takes rows with which columns: one log never has two headers.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from flagstone.stores.csv_folder.log import read_header

_NUMBERED = re.compile(r"(?P<stem>.*?)(?P<number>\d*)(?P<suffix>\.[^.]*)?")


def choose_log(first: Path, columns: Sequence[str] | None) -> Path:
    """
    The newest log from *first* on that has these *columns*; where none has, the next to be made.

    From `dataset1.csv` they go on `dataset2.csv`; from `log.csv` they go on `log2.csv`. Without
    columns there is nothing to compare, and all goes to *first*.
    """
    stem, number, suffix = _split(first.name)
    if columns is None:
        return first
    numbers = {
        found: path
        for path in logs_in(first.parent, suffix)
        if (found := _number_of(path, stem, suffix)) >= number
    }
    for found in sorted(numbers, reverse=True):
        if _header_of(numbers[found]) == list(columns):
            return numbers[found]
    if not numbers:
        return first
    return first.with_name(f"{stem}{max(numbers) + 1}{suffix}")


def logs_in(folder: Path, suffix: str = ".csv") -> list[Path]:
    """The logs in *folder*, in an order that does not change: `dataset2.csv` before `dataset10.csv`."""
    try:
        names = [name for name in os.listdir(folder) if name.endswith(suffix)]  # noqa: PTH208
    except FileNotFoundError:
        return []
    return [folder / name for name in sorted(names, key=lambda name: (len(name), name))]


def _split(name: str) -> tuple[str, int, str]:
    match = _NUMBERED.fullmatch(name)
    assert match is not None, name  # noqa: S101 - every name matches
    return match["stem"], int(match["number"] or 1), match["suffix"] or ""


def _number_of(path: Path, stem: str, suffix: str) -> int:
    found = _split(path.name)
    return found[1] if (found[0], found[2]) == (stem, suffix) else 0


def _header_of(path: Path) -> list[str]:
    with path.open("rb") as file:
        return read_header(file.fileno())
