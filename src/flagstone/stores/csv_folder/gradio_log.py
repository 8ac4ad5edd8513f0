"""
Read the rows of a log written by Gradio, or by hand, as flags.

The layouts: fields, then some of flag, username and timestamp (2.x to 6.x); no header
(SimpleCSVLogger); the Hub saver's `data.csv` and `metadata.jsonl`, with no timestamp and with URLs
next to files; and `ChatCSVLogger`, whose rows `gradio_chat` reads.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from flagstone.core.records import Flag, Record
from flagstone.stores.csv_folder.foreign_csv import CHAT_HEADER
from flagstone.stores.csv_folder.gradio_cells import Field, Read, read_cell, read_cell_of
from flagstone.stores.csv_folder.gradio_chat import NO_MESSAGE, NO_TIME, ChatRows
from flagstone.stores.csv_folder.gradio_columns import Column, unescaped
from flagstone.stores.csv_folder.gradio_files import (
    Adopter,
    ColumnFiles,
    folder_in,
    folders_of,
    looks_like_path,
)
from flagstone.stores.csv_folder.gradio_rows import UNPLACED, Layout, Split, moment_of
from flagstone.stores.csv_folder.log import Row

__all__ = ["NO_MESSAGE", "NO_TIME", "READ_BY_DEMO", "UNPLACED", "GradioLog"]

_READ_FROM_CELLS = "the cells of a CSV log: types are guessed, inputs and outputs not distinguished"
READ_BY_DEMO = "the cells of a CSV log, read by the demo's components"


class GradioLog:
    """
    A log with this *header* in the file *path*; the columns are inferred from all its *rows*.

    Ids of flags depend on the path relative to *folder*; *adopter* imports files. *fields* are the
    demo's definitions. *escaped*: whether cells are escaped, as in Gradio since 3.2. *met* counts
    equal rows, over all logs that share it.
    """

    def __init__(
        self,
        header: Row | None,
        rows: Iterable[Row],
        *,
        folder: Path,
        path: Path,
        adopter: Adopter,
        fields: Sequence[Field] = (),
        escaped: bool = True,
        met: Counter[str] | None = None,
    ) -> None:
        self._folder = folder
        self._adopter = adopter
        self._met = Counter() if met is None else met
        self._layout = Layout(header and [unescaped(name) for name in header], path.name)
        self._chat = ChatRows(unescaped) if tuple(header or ()) == CHAT_HEADER else None
        rows = [] if self._chat else list(rows)
        self._mark: Row = ()
        if "timestamp" not in self._layout.end and not self._chat and rows:
            # Distinguishes logs whose rows have no timestamp.
            self._mark = [folder.resolve().name, *rows[0]]
        self._columns = self._find_columns(rows, path, escaped=escaped)
        self._fields = self._match(fields)

    def record(self, row: Row, path: Path) -> Record:
        """
        Return the flag in *row* of the file *path*, or the review that withdraws one.

        Its id is the same on each read, although the log has no ids.
        """
        text = json.dumps([path.relative_to(self._folder).as_posix(), *self._mark, *row])
        self._met[text] += 1
        record_id = str(uuid5(NAMESPACE_URL, f"{text} {self._met[text]}"))
        written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        if self._chat is not None:
            return self._chat.record(row, record_id, written)
        return self._flag(row, record_id, written, path.parent)

    def _flag(self, row: Row, flag_id: str, written: datetime, root: Path) -> Flag:
        split = self._layout.split(row, self._fits)
        read = {name: self._read(name, text, root) for name, text in split.fields.items()}
        doubts = {name: cell.doubt for name, cell in read.items() if cell.doubt} | split.doubts
        moment = moment_of(split.timestamp)
        if moment is None:
            doubts["timestamp"] = NO_TIME
        outputs = {name for name, field in self._fields.items() if field.is_output}
        return Flag(
            id=flag_id,
            created_at=moment or written,
            inputs={name: cell.value for name, cell in read.items() if name not in outputs},
            outputs={name: cell.value for name, cell in read.items() if name in outputs},
            option=unescaped(split.option) or None,
            user=unescaped(split.user) or None,
            context=self._context(doubts, split.surplus),
        )

    def _read(self, name: str, text: str, root: Path) -> Read:
        column = self._columns.get(name) or self._empty_column
        files = column.files.are_in(root)
        if field := self._fields.get(name):
            return read_cell_of(field, text, column, files)
        return read_cell(text, column, files)

    def _fits(self, name: str, text: str) -> bool:
        column = self._columns[name]
        return not text or column.fits(column.plain(text), column.look)

    def _find_columns(self, rows: Sequence[Row], path: Path, *, escaped: bool) -> dict[str, Column]:
        """Infer the columns, from the rows that are as long as the header if there are any."""
        literals = not path.name.startswith("dataset")

        def column(folders: frozenset[str]) -> Column:
            files = ColumnFiles(path.parent, folders, self._adopter)
            return Column(files, escaped=escaped, literals=literals)

        self._empty_column = column(frozenset())
        splits = [self._layout.split(row) for row in rows]
        splits = [split for split in splits if split.is_whole] or splits
        if not self._layout.has_header:
            folders = _folders_in(split.fields for split in splits)
        else:
            names = zip(self._layout.fields, self._layout.labels, strict=True)
            folders = {name: folders_of(label) for name, label in names}
            folders |= dict.fromkeys(_copiers(folders, splits), frozenset())
        columns: dict[str, Column] = {name: column(found) for name, found in folders.items()}
        for split in splits:
            for name, text in split.fields.items():
                if name not in columns:
                    columns[name] = column(frozenset())
                columns[name].show(text)
        return columns

    def _match(self, fields: Sequence[Field]) -> dict[str, Field]:
        """Return the demo's *fields* by their names in this log."""
        names = list(self._columns) if not self._layout.has_header else self._layout.fields
        if not self._layout.has_header and len(names) != len(fields):
            return {}
        if len(names) == len(fields):
            labels = [*self._layout.labels] or [field.name for field in fields]
            if labels == [field.name for field in fields]:
                return dict(zip(names, fields, strict=True))
        by_name = {field.name: field for field in reversed(fields)}
        return {name: by_name[name] for name in names if name in by_name}

    def _context(self, doubts: Mapping[str, str], surplus: Sequence[str]) -> dict[str, Any]:
        is_known = bool(self._fields) and self._fields.keys() >= set(self._layout.fields)
        context: dict[str, Any] = {"read_from": READ_BY_DEMO if is_known else _READ_FROM_CELLS}
        if doubts:
            context["in_doubt"] = dict(doubts)
        if surplus:
            context["surplus_cells"] = list(surplus)
        return context


def _copiers(folders: Mapping[str, frozenset[str]], rows: Iterable[Split]) -> set[str]:
    """
    Return the fields that name a file of another field with the same folder (equal labels).

    Gradio stores one file per cell, so a visitor must have typed the path.
    """
    owners: dict[tuple[frozenset[str], str], str] = {}
    copiers = set()
    for row in rows:
        for name, text in row.fields.items():
            if looks_like_path(text) and name in folders:
                owner = owners.setdefault((folders[name], text), name)
                copiers |= {name} - {owner}
    return copiers


def _folders_in(rows: Iterable[Mapping[str, str]]) -> dict[str, frozenset[str]]:
    """
    Return, for each field of a log without a header, the folder that all its cells name.

    A folder that two fields name is ignored: a visitor may have typed the path in one of them.
    """
    found: dict[str, set[str | None]] = {}
    for row in rows:
        for name, text in row.items():
            found.setdefault(name, set()).update([folder_in(text)] if text else [])
    named = [folder for folders in found.values() for folder in folders]
    return {
        name: frozenset(
            folder for folder in folders
            if folder is not None and len(folders) == 1 and named.count(folder) == 1
        )
        for name, folders in found.items()
    }  # fmt: skip
