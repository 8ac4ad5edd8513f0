"""
Choose the log in a folder for rows with given columns: a log never has two headers.
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
    Return the newest log from *first* on with these *columns* or, if none has them, the next name.

    `dataset1.csv` is followed by `dataset2.csv`, `log.csv` by `log2.csv`. Without columns, all rows
    go to *first*. Logs *taken* for other columns are skipped, even if not created yet.
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
    Return the logs in *folder*, in the order of their creation: 2 before 10.

    A link may point to anything: it is included only if *takes_link* returns True for its path.
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
    return [folder / name for name in names]  # cached: slower than listing the folder


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
