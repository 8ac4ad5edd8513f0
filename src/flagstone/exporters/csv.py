"""
The table as CSV that is safe to open in a spreadsheet: no cell runs as a formula.

An empty cell is None; two quotes are an empty string.
"""

import math
from pathlib import Path
from typing import Any

from flagstone.exporters.attachments import Media
from flagstone.exporters.columns import Table
from flagstone.exporters.source import FlagsInOrder
from flagstone.stores.csv_folder.rows import spreadsheet_safe


def write_csv(flags: FlagsInOrder, folder: Path) -> int:
    """Write *flags* to *folder*; return the number of rows."""
    table = Table(flags, Media(flags, folder).place)
    return table.write(lambda table: _write(table, folder / "flags.csv"))


def _write(table: Table, path: Path) -> int:
    rows = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(_cell(column.name) for column in table.columns) + "\r\n")
        for batch in table.batches():
            for cells in zip(*batch, strict=True):
                file.write(",".join(map(_cell, cells)) + "\r\n")
                rows += 1
    return rows


def _cell(cell: Any) -> str:
    match cell:
        case None:
            return ""
        case bool():
            return "true" if cell else "false"
        case float():
            return repr(cell) if math.isfinite(cell) else _quoted(str(cell))
        case list() | tuple():
            return _quoted(", ".join(cell)) if cell else ""
    return _quoted(str(cell))


def _quoted(text: str) -> str:
    safe: str = spreadsheet_safe(text.replace("\0", "\N{SYMBOL FOR NULL}"))
    return '"' + safe.replace('"', '""') + '"'
