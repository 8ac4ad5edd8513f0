"""
A CSV log read back as records.

Where a row has its `record` cell, that is what it says, to the character. A row without one, as
Gradio and people write, is read from its other cells as well as they tell.
"""

import csv
import os
import re
import time
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from flagstone.errors import UnreadableRecordError
from flagstone.logs import logger_of
from flagstone.record import Record, record_from_json
from flagstone.stores.csv_folder.cells import HUB_END, RECORD
from flagstone.stores.csv_folder.folder_files import FolderFiles
from flagstone.stores.csv_folder.gradio_log import GradioLog
from flagstone.stores.csv_folder.log import END, NUMBER, Row, find_tail, is_whole, read_header

logger = logger_of(__name__)

Place = list[int]
"""A place in a log: the number of its file, by which a rewritten one is told, and the byte."""

_NUMBER = re.compile(rf',"{NUMBER}":\d+}}$')
_GRADIO_LOG = re.compile(r"(dataset|log)\d*\.csv")
_OURS = '{"flagstone":'
_TAIL = 4096
_SETTLED = 60.0
"""Seconds after which nobody is still writing the last row of somebody else's log."""


class LogReader:
    """The log *path*, for reading; has no rows where it is no log but some file of a person's."""

    def __init__(self, path: Path, files: FolderFiles) -> None:
        self.path = path
        self._files = files
        with path.open("rb") as file:
            first = read_header(file.fileno())
        ours = bool(first) and first[-1].startswith(_OURS)
        has_header = {RECORD, "timestamp"} & set(first) or first[-2:] == [*HUB_END]
        self.header = first if has_header and not ours else None
        self.is_ours = ours or first[-1:] == [RECORD]
        self._is_log = self.header is not None or ours or bool(_GRADIO_LOG.fullmatch(path.name))

    def rows(self, after: Place | None = None) -> Iterator[tuple[Row, Record]]:
        """Each row with its record, in order; the header is none."""
        if not self._is_log:
            return
        for row in self._rows(after):
            yield row, self._record(row)

    def damage(self) -> Iterator[str]:
        """A sentence for each row whose record cannot be read."""
        try:
            for row in self._rows() if self._is_log else ():
                if text := self._record_cell(row):
                    try:
                        self._read_record(text)
                    except UnreadableRecordError as error:
                        yield str(error)
        except UnreadableRecordError as error:  # no row can be told from here on
            yield str(error)

    def _rows(self, after: Place | None = None) -> Iterator[Row]:
        with self.path.open("rb") as file:
            same_file = after is not None and after[0] == os.fstat(file.fileno()).st_ino
            start = after[1] if after is not None and same_file else 0
            file.seek(start)
            rows = _whole_rows(file, self.path, self.header)
            if start == 0 and self.header is not None:
                next(rows, None)
            for row in rows:
                if any(row):
                    yield row

    def _record(self, row: Row) -> Record:
        text = self._record_cell(row)
        if text:
            try:
                return self._read_record(text)
            except UnreadableRecordError as error:
                logger.warning("%s It is read from its other cells instead.", error)
        return self._gradio_log.flag(self._cells(row), self.path)

    def _read_record(self, text: str) -> Record:
        return record_from_json(_NUMBER.sub("}", text), where=str(self.path), files=self._files)

    @cached_property
    def _gradio_log(self) -> GradioLog:
        rows = (self._cells(row) for row in self._rows() if not self._record_cell(row))
        header = None if self.header is None else self._cells(self.header)
        return GradioLog(header, rows, folder=self.path.parent, adopt=self._files.adopt)

    def _cells(self, row: Row) -> Row:
        """*row* without its record."""
        return row[:-1] if self.header and self.header[-1] == RECORD else row

    def _record_cell(self, row: Row) -> str:
        if self.header is None:
            return row[-1] if row[-1].startswith(_OURS) else ""
        cells = dict(zip(self.header, row, strict=False))
        return cells.get(RECORD, "")


def end_of(path: Path) -> Place:
    """The place after the last numbered row."""
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        end, _, _ = find_tail(file.fileno(), status.st_size)
    return [status.st_ino, end]


class Grown:
    """How far the log *path* has grown: whether what it had is still there can be told later."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            self._inode, self._size = status.st_ino, status.st_size
            self._tail = _tail_at(file, self._size)

    def goes_on(self, path: Path) -> bool:
        """
        Whether *path* is that log, with no more than rows added; false for one that was written
        anew. A cell that was edited in place is noticed if the log has another size.
        """
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            return (
                status.st_ino == self._inode
                and status.st_size >= self._size
                and _tail_at(file, self._size) == self._tail
            )


def _tail_at(file: BinaryIO, end: int) -> bytes:
    start = max(0, end - _TAIL)
    file.seek(start)
    return file.read(end - start)


def _whole_rows(file: BinaryIO, path: Path, header: Row | None) -> Iterator[Row]:
    """The rows from here on, without a last one that is being written or was cut short."""
    line_number = 1
    is_ours = header is not None and header[-1:] == [RECORD]
    # Of a row that Gradio is writing no cell tells whether it is the whole one.
    is_settled = is_ours or time.time() - os.fstat(file.fileno()).st_mtime > _SETTLED
    lines: list[bytes] = []  # of the row being read

    def decoded() -> Iterator[str]:
        for line in file:
            lines.append(line)
            yield line.decode(errors="surrogateescape")

    try:
        for row in csv.reader(decoded(), strict=True):
            if lines[-1].endswith(b"\n") or (is_settled and is_whole(row, header)):
                yield row
            line_number += len(lines)
            lines.clear()
    except csv.Error as error:
        if not _ends_within(lines, error, header):
            where = f"{path}, line {line_number}"
            reason = f"its quotes do not match ({error})"
            raise UnreadableRecordError(where=where, reason=reason) from error


def _ends_within(lines: list[bytes], error: csv.Error, header: Row | None) -> bool:
    """Whether the log only ends within a cell: a last row that is being written, or was cut."""
    if "unexpected end of data" not in str(error) or END.search(b"".join(lines)):
        return False
    # Quotes that are never closed swallow what follows: rows of as many cells as the header.
    rows = (next(csv.reader([line.decode(errors="replace")]), []) for line in lines[1:])
    return header is None or len(header) == 1 or all(len(row) != len(header) for row in rows)
