"""
Which log of a folder takes rows with which columns: one log never has two headers.
"""

import os
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

from flagstone.stores.csv_folder.log import has_header

_NUMBERED = re.compile(r"(?P<stem>.*?)(?P<number>\d*)(?P<suffix>\.[^.]*)?")


def choose_log(first: Path, columns: tuple[str, ...] | None, taken: Iterable[Path] = ()) -> Path:
    """
    The newest log from *first* on that has these *columns*; where none has, the next to be made.

    From `dataset1.csv` they go on `dataset2.csv`; from `log.csv` they go on `log2.csv`. Without
    columns there is nothing to compare, and all goes to *first*. Logs *taken* for other columns
    are passed over, also those not made yet.
    """
    stem, number, suffix = _split(first.name)
    if columns is None:
        return first
    logs = {_number_of(path, stem, suffix): path for path in logs_in(first.parent, suffix)}
    for found in sorted(logs, reverse=True):
        if found >= number and _has_header(logs[found], columns):
            return logs[found]
    latest = max([*logs, *(_number_of(path, stem, suffix) for path in taken)], default=0)
    return first if latest < number else first.with_name(f"{stem}{latest + 1}{suffix}")


def logs_in(
    folder: Path, suffix: str = ".csv", takes_link: Callable[[str], bool] = lambda _: False
) -> list[Path]:
    """
    The logs in *folder*, in the order they were begun: 2 before 10.

    A link may lead to anything: it counts only if *takes_link* says so of its path.
    """
    try:
        with os.scandir(folder) as found:
            names = [
                each.name
                for each in found
                if each.name.endswith(suffix)
                and each.is_file()
                and (not each.is_symlink() or takes_link(each.path))
            ]
    except FileNotFoundError:
        return []
    return _paths(folder, tuple(sorted(names, key=lambda name: (len(name), name))))


@lru_cache
def _paths(folder: Path, names: tuple[str, ...]) -> list[Path]:
    return [folder / name for name in names]  # to make these takes longer than to list them


def _split(name: str) -> tuple[str, int, str]:
    match = _NUMBERED.fullmatch(name)
    assert match is not None, name  # every name does
    return match["stem"], int(match["number"] or 1), match["suffix"] or ""


def _number_of(path: Path, stem: str, suffix: str) -> int:
    found = _split(path.name)
    return found[1] if (found[0], found[2]) == (stem, suffix) else 0


def _has_header(path: Path, columns: tuple[str, ...]) -> bool:
    with path.open("rb") as file:
        return has_header(file.fileno(), columns)
