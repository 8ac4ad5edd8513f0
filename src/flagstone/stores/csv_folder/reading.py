"""
A CSV log read back as records.

Where a row has its `record` cell, that is what it says, to the character. A row without one, as
Gradio and people write, is read from its other cells as well as they tell.
"""

import csv
import os
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from flagstone.errors import UnreadableRecordError
from flagstone.record import Flag, Record, Value, record_from_json
from flagstone.safe_logs import logger_of
from flagstone.stores.csv_folder.cells import CORRECTION, RECORD, aside_of
from flagstone.stores.csv_folder.folder_files import FolderFiles
from flagstone.stores.csv_folder.foreign import ForeignLog
from flagstone.stores.csv_folder.gradio_cells import Field
from flagstone.stores.csv_folder.gradio_columns import unescaped
from flagstone.stores.csv_folder.gradio_log import GradioLog
from flagstone.stores.csv_folder.log import (
    END,
    NUMBER,
    Row,
    encode_row,
    find_tail,
    is_whole,
    last_end,
    read_at,
    read_header,
)

logger = logger_of(__name__)

Place = list[int]
"""A place in a log: the number of its file, by which a rewritten one is told, and the byte."""

NUMBER_OF_ROW = re.compile(rf',"{NUMBER}":\d+}}$')
"""The end of a row's record: what is not of the record itself."""

_GRADIO_LOG = re.compile(r"(dataset|log)\d*\.csv")
_OURS = '{"flagstone":'
_TAIL = 4096
_END = 1 << 16
_SETTLED = 60.0
"""Seconds after which nobody is still writing the last row of somebody else's log."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Hints:
    """
    What a person says of logs that others wrote: their *encoding*, and what the demo's *fields*
    are. With *waits*, a last row that somebody is writing is waited for.
    """

    encoding: str | None = None
    fields: tuple[Field, ...] = ()
    waits: bool = False


NO_HINTS = Hints()


class LogReader:
    """
    The log *path*, for reading; has no rows where it is no log but some file of a person's.

    `hints` are what a person says of logs that others wrote.
    """

    def __init__(self, path: Path, files: FolderFiles, hints: Hints = NO_HINTS) -> None:
        self.path = path
        self._files = files
        self._hints = hints
        self._met: Counter[str] = Counter()
        with path.open("rb") as file:
            first = read_header(file.fileno())
        ours = bool(first) and first[-1].startswith(_OURS)
        self._foreign: ForeignLog | None = None
        self.header: Row | None = None
        if not ours and first[-1:] == [RECORD]:
            self.header = first
        elif not ours and not _ends_with_ours(path):
            self._foreign = ForeignLog(path, hints.encoding)
            self.header = self._foreign.header
        self._titles = self.header or ()
        self._aside = aside_of(self._titles)
        self._is_log = self.is_sure or bool(_GRADIO_LOG.fullmatch(path.name))

    @property
    def is_sure(self) -> bool:
        """Whether the file itself tells that it is a log, and not only its name."""
        return self._foreign is None or self.header is not None

    def rows(self, after: Place | None = None) -> Iterator[tuple[Row, Record]]:
        """Each row with its record, in order; the header is none."""
        for row, record in self.lines(after):
            if record is not None:
                yield row, record

    def lines(self, after: Place | None = None) -> Iterator[tuple[Row, Record | None]]:
        """Each row with its record, in order; a header has none."""
        if not self._is_log:
            return
        if self._foreign is not None:
            yield from self._foreign_lines(self._foreign)
            return
        if self.header is not None:
            yield self.header, None
        for row in self._rows(after):
            yield row, self._record(row)

    def is_told(self, row: Row) -> bool:
        """Whether the record of *row* is what a cell says, and not read from the other cells."""
        text = self._record_cell(row)
        try:
            return bool(text) and bool(self._read_record(text))
        except UnreadableRecordError:
            return False

    def render(self, rows: Iterable[Row]) -> bytes:
        """This log with these *rows*, its header among them."""
        if self._foreign is not None:
            return self._foreign.render(rows)
        return b"".join(encode_row(row, errors="surrogateescape") for row in rows)

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
        if self._foreign is not None:
            for section in self._foreign.sections():
                yield from section.rows
            return
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

    def _foreign_lines(self, foreign: ForeignLog) -> Iterator[tuple[Row, Record | None]]:
        for section in foreign.sections(waits=self._hints.waits):
            if section.header is not None:
                yield section.header, None
            texts = [self._record_cell(row) for row in section.rows]
            others = (row for row, text in zip(section.rows, texts, strict=True) if not text)
            log = self._log_of(section.header, others)
            for row, text in zip(section.rows, texts, strict=True):
                yield row, self._record_in(text) or log.record(row, self.path)

    def _record(self, row: Row) -> Record:
        found = self._record_in(self._record_cell(row))
        return found or self._with_aside(self._gradio_log.record(self._cells(row), self.path), row)

    def _record_in(self, text: str) -> Record | None:
        """The record in the cell *text*; None where there is none, or a damaged one."""
        if text:
            try:
                return self._read_record(text)
            except UnreadableRecordError as error:
                logger.warning("%s It is read from its other cells instead.", error)
        return None

    def _with_aside(self, record: Record, row: Row) -> Record:
        """*record* with what our own columns say of it, which Gradio's logs have not."""
        if not (isinstance(record, Flag) and self._has_aside(row)):
            return record
        comment, *right = map(unescaped, row[self._aside])
        _, *names = self._titles[self._aside]
        correction = {
            unescaped(name).removesuffix(CORRECTION): Value(kind="text", data=text)
            for name, text in zip(names, right, strict=True)
            if text
        }
        return replace(record, comment=comment or None, correction=correction)

    def _read_record(self, text: str) -> Record:
        return record_from_json(
            NUMBER_OF_ROW.sub("}", text), where=str(self.path), files=self._files
        )

    @cached_property
    def _gradio_log(self) -> GradioLog:
        rows = (self._cells(row) for row in self._rows() if not self._record_cell(row))
        return self._log_of(None if self.header is None else self._cells(self.header), rows)

    def _log_of(self, header: Row | None, rows: Iterable[Row]) -> GradioLog:
        old = self._foreign is not None and self._foreign.dialect.is_of_old_gradio
        return GradioLog(
            header,
            rows,
            folder=self.path.parent,
            path=self.path,
            adopter=self._files,
            fields=self._hints.fields,
            escaped=not old,
            met=self._met,
        )

    def _cells(self, row: Row) -> Row:
        """*row* as Gradio would have written it: without its record and what stands aside."""
        if self._titles[-1:] != [RECORD]:
            return row
        if self._has_aside(row):
            return [*row[: self._aside.start], *row[self._aside.stop : -1]]
        gradios = len(self._titles) - (self._aside.stop - self._aside.start) - 1
        return row if len(row) == gradios else row[:-1]  # Gradio may have gone on in our log

    def _has_aside(self, row: Row) -> bool:
        return self._aside.stop > 0 and len(row) == len(self._titles)

    def _record_cell(self, row: Row) -> str:
        if self.header is None:
            return row[-1] if row[-1].startswith(_OURS) else ""
        cells = dict(zip(self.header, row, strict=False))
        return cells.get(RECORD, "")


def _ends_with_ours(path: Path) -> bool:
    """Whether rows of ours are the last ones in a log that somebody else began."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        tail = read_at(file.fileno(), max(0, size - _END), _END)
    return last_end(tail) is not None


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
