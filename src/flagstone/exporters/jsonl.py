"""
The table as JSON Lines: an object for each row, files beside it.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

from flagstone.exporters.attachments import Media
from flagstone.exporters.columns import Table
from flagstone.exporters.source import FlagsInOrder


def write_jsonl(flags: FlagsInOrder, folder: Path) -> int:
    """Write *flags* to *folder*; return the number of rows."""
    table = Table(flags, Media(flags, folder).place)
    return table.write(lambda table: _write(table, folder / "flags.jsonl"))


def _write(table: Table, path: Path) -> int:
    rows = 0
    with path.open("wb") as file:
        for objects in rows_of(table):
            lines = [orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in objects]
            file.write(b"".join(lines))
            rows += len(lines)
    return rows


def rows_of(table: Table) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of *table* as objects, in batches."""
    names = [column.name for column in table.columns]
    for batch in table.batches():
        yield [dict(zip(names, cells, strict=True)) for cells in zip(*batch, strict=True)]


def write_array(path: Path, objects: Iterable[dict[str, Any]]) -> int:
    """Write *objects* as a JSON array, one per line; return their number."""
    count = 0
    with path.open("wb") as file:
        file.write(b"[")
        for each in objects:
            file.write(b",\n" if count else b"\n")
            file.write(orjson.dumps(each))
            count += 1
        file.write(b"\n]\n")
    return count
