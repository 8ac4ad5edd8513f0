"""
Read a CSV log as records.

A row with a `record` cell is read exactly from it. A row without one, written by Gradio or by hand,
is read from its other cells as well as possible.
"""

import codecs
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from operator import eq
from pathlib import Path
from typing import BinaryIO

from flagstone.core.records import Flag, Record, Value, record_from_json
from flagstone.errors import UnreadableRecordError
from flagstone.stores.csv_folder.attachments import FolderFiles
from flagstone.stores.csv_folder.foreign_csv import ForeignLog, Section
from flagstone.stores.csv_folder.gradio_cells import Field
from flagstone.stores.csv_folder.gradio_columns import unescaped
from flagstone.stores.csv_folder.gradio_log import GradioLog
from flagstone.stores.csv_folder.log import (
    SUMS,
    Row,
    encode_row,
    end_of_record,
    find_end,
    find_tail,
    last_end,
    read_at,
    read_header,
    sums_of,
)
from flagstone.stores.csv_folder.rows import CORRECTION, RECORD, aside_of
from flagstone.stores.csv_folder.whole_rows import Pass, Unparsed, raise_it, whole_rows

Place = list[int]
"""A place in a log: the inode of the file, which changes on a rewrite, and the byte offset."""

_GRADIO_LOG = re.compile(r"(dataset|log)\d*\.csv")
_OURS = '{"flagstone":'
_TAIL = 4096
_END = 1 << 16
_MAX_LOOKED_THROUGH = 64 << 20
"""Bytes at the end of a log that are searched for a Flagstone row; without one it is foreign."""

_MAX_TOLD = 3
"""Rows with changed display cells that are reported one by one; further ones are only counted."""

_SUMS_DAMAGED = 8
"""How many of the ten characters around a checksum must match to recognize a damaged one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Hints:
    """
    The caller's information about foreign logs: their *encoding* and the demo's *fields*.

    With *waits*, wait for a last row that is being written.
    """

    encoding: str | None = None
    fields: tuple[Field, ...] = ()
    waits: bool = False


NO_HINTS = Hints()


class LogReader:
    """
    The log *path*, for reading; it has no rows if the file is not a log.

    *hints* are the caller's information about foreign logs. *note* is called with the error of each
    unreadable row, which is then skipped; without *note* the error is raised.
    """

    def __init__(
        self,
        path: Path,
        files: FolderFiles,
        hints: Hints = NO_HINTS,
        note: Pass = raise_it,
    ) -> None:
        self.path = path
        self._files = files
        self._hints = hints
        self._note = note
        self._met: Counter[str] = Counter()
        with path.open("rb") as file:
            first = read_header(file.fileno())
        ours = bool(first) and first[-1].startswith(_OURS)
        self._foreign: ForeignLog | None = None
        self.header: Row | None = None
        is_headless = False
        if not ours and first[-1:] == [RECORD] and not _ends_lines_with_cr(path, first):
            self.header = first
        elif not ours:
            foreign = ForeignLog(path, hints.encoding)
            # A spreadsheet may have saved a Flagstone log with other delimiters.
            is_headless = RECORD not in (foreign.header or ()) and _ends_with_ours(path)
            if not is_headless:
                self._foreign = foreign
                self.header = foreign.header
        self._has_lost_header = is_headless and bool(first) and self._begins_with_header()
        self._titles = self.header or ()
        self._place: int | None = None
        if RECORD in self._titles:
            self._place = len(self._titles) - 1 - self._titles[::-1].index(RECORD)
        self._aside = aside_of(self._titles)
        self._is_log = self.is_sure or bool(_GRADIO_LOG.fullmatch(path.name))

    @property
    def is_sure(self) -> bool:
        """Whether the content shows that it is a log, and not only the name."""
        return self._foreign is None or self.header is not None

    def rows(self, after: Place | None = None) -> Iterator[tuple[Row, Record]]:
        """Yield each row with its record, in order, without the header and unreadable rows."""
        for row, record in self.lines(after):
            if record is not None:
                yield row, record

    def lines(self, after: Place | None = None) -> Iterator[tuple[Row, Record | None]]:
        """Yield each row with its record, in order; None for headers and unreadable rows."""
        if not self._is_log:
            return
        if self._foreign is not None:
            yield from self._foreign_lines(self._foreign)
            return
        if self.header is not None:
            yield self.header, None
        for row in self._rows(after):
            yield row, self._record(row) if row else None

    def is_told(self, row: Row) -> bool:
        """Whether *row* has its record in a cell, so that it is not read from the other cells."""
        text = self._record_cell(row) if row else ""
        try:
            return bool(text) and bool(self._read_record(row, text))
        except UnreadableRecordError:
            return False

    def render(self, rows: Iterable[Row]) -> bytes:
        """Return the content of this log with these *rows*, header included."""
        if self._foreign is not None:
            return self._foreign.render(rows)
        return b"".join(
            row.raw if isinstance(row, Unparsed) else encode_row(row, errors="surrogateescape")
            for row in rows
        )

    def verify(self, *, of_erased: bool = False) -> Iterator[str]:
        """
        Yield one sentence for each damaged row; *of_erased* for the log of erased ids.
        """
        found: list[UnreadableRecordError] = []
        note, self._note = self._note, found.append
        others = 0
        try:
            for row in self._rows() if self._is_log else ():
                others += self._examine(row, others, of_erased=of_erased)
                yield from map(str, found)
                found.clear()
            yield from map(str, found)
        except UnreadableRecordError as error:  # no row can be read from here on
            yield str(error)
        finally:
            self._note = note
        if others > _MAX_TOLD:
            reason = f"{others - _MAX_TOLD:,} more rows have changed cells"
            yield str(UnreadableRecordError(where=str(self.path), reason=reason))

    def _examine(self, row: Row, told: int, *, of_erased: bool) -> bool:
        """
        Note what is wrong with *row*; return whether the cells next to its record were changed.

        *told* is the number of earlier rows with changed cells; only the first few are noted.
        """
        text = self._record_cell(row) if row else ""
        end = find_end(text)
        try:
            if text and of_erased:
                self._require_sound(row, text)
            elif text:
                self._read_record(row, text)
            elif row:
                self._require_cells(row)
        except UnreadableRecordError as error:
            self._note(error)
            return False
        if end is None or end["cells"] is None:
            return False
        _, others = self._sums_of(row, text, end)
        are_others = str(end["cells"]) != f"{others:08x}"
        if are_others and told < _MAX_TOLD:
            reason = "the record is intact, but the other cells or the header were changed"
            self._note(UnreadableRecordError(where=self._where(text), reason=reason))
        return are_others

    def _sums_of(self, row: Row, text: str, end: re.Match[str]) -> tuple[int, int]:
        return sums_of(
            self._without_record(row),
            text[: end.start()],
            int(end["row"]),
            self.header and self._without_record(self.header),
        )

    def _without_record(self, row: Row) -> Row:
        place = (-1 if self.header is None else self._titles.index(RECORD)) % len(row)
        return [*row[:place], *row[place + 1 :]]

    def with_record(self, row: Row, text: str | None = None) -> Row:
        """Return *row* with a checksum and, if given, *text* as its record, if it has a record."""
        record = self._record_cell(row) if row else ""
        if (end := find_end(record)) is None or (text is None and end["record"]):
            return row
        text = record[: end.start()] if text is None else text.removesuffix("}")
        header = self.header and self._without_record(self.header)
        ending = end_of_record(self._without_record(row), text, int(end["row"]), header)
        return [text + ending if cell is record else cell for cell in row]

    def _where(self, text: str) -> str:
        end = find_end(text)
        return f"{self.path}, row {end['row']}" if end else str(self.path)

    def _require_sound(self, row: Row, text: str) -> None:
        """Raise `UnreadableRecordError` if the checksum of the record *text* does not match."""
        end, reason = find_end(text), None
        if end is None:
            reason = "it does not end like a record of a log"
        elif end["record"] is None:
            about = text[: end.start()][-26:]
            agree = sum(map(eq, about[:9] + about[-1:], f',"{SUMS}":""'))
            reason = "its checksum is damaged" if agree >= _SUMS_DAMAGED else None
        elif f"{self._sums_of(row, text, end)[0]:08x}" != end["record"]:
            reason = "its checksum does not match"
        if reason:
            raise UnreadableRecordError(where=self._where(text), reason=reason)

    def _rows(self, after: Place | None = None) -> Iterator[Row]:
        if self._foreign is not None:
            for section in self._sections_of(self._foreign):
                yield from section.rows
            return
        with self.path.open("rb") as file:
            same_file = after is not None and after[0] == os.fstat(file.fileno()).st_ino
            start = after[1] if after is not None and same_file else 0
            file.seek(start)
            for row in whole_rows(
                file, self.path, self.header, self._note, has_lost_header=self._has_lost_header
            ):
                if any(row) or isinstance(row, Unparsed):
                    yield row

    def _quiet_rows(self) -> Iterator[Row]:
        """Yield the rows without noting errors again."""
        note, self._note = self._note, lambda _: None
        try:
            yield from self._rows()
        finally:
            self._note = note

    def _begins_with_header(self) -> bool:
        """Whether the checksum of the first row shows that the file has lost its header."""
        with self.path.open("rb") as file:
            for row in whole_rows(file, self.path, None, lambda _: None):
                end = find_end(row[-1]) if row else None
                if end is not None and end["cells"] is not None:
                    _, others = self._sums_of(row, row[-1], end)
                    return bool(f"{others:08x}" != end["cells"])
        return False

    def _sections_of(self, foreign: ForeignLog) -> list[Section]:
        """Return the rows of a foreign log; none if it cannot be read at all."""
        try:
            return foreign.sections(waits=self._hints.waits, note=self._note)
        except UnreadableRecordError as error:
            self._note(error)
            return []

    def _foreign_lines(self, foreign: ForeignLog) -> Iterator[tuple[Row, Record | None]]:
        for section in self._sections_of(foreign):
            if section.header is not None:
                yield section.header, None
            texts = [self._record_cell(row) if row else "" for row in section.rows]
            others = (
                row for row, text in zip(section.rows, texts, strict=True) if row and not text
            )
            log = self._log_of(section.header, others)
            for row, text in zip(section.rows, texts, strict=True):
                if isinstance(row, Unparsed):
                    yield row, None
                else:
                    yield row, self._record_in(row, text) if text else log.record(row, self.path)

    def _record(self, row: Row) -> Record | None:
        try:
            if text := self._record_cell(row):
                self._note_zeros(row, text)
                return self._read_record(row, text)
            self._require_cells(row)
        except UnreadableRecordError as error:
            self._note(error)
            return None
        return self._with_aside(self._gradio_log.record(self._cells(row), self.path), row)

    def _require_cells(self, row: Row) -> None:
        if not self._is_long_enough(row):
            reason = f"it has {len(row)} of {len(self._titles)} cells"
            raise UnreadableRecordError(where=f"{self.path}, {row!r:.80}", reason=reason)

    def _note_zeros(self, row: Row, text: str) -> None:
        """Note a row with NULs that were not written: they may replace the row before it."""
        if any("\0" in cell for cell in row) and (end := find_end(text)):
            _, others = self._sums_of(row, text, end)
            if end["cells"] not in (None, f"{others:08x}"):
                reason = "there are NULs before it, where another row may have been"
                where = f"{self._where(text)}, before its record"
                self._note(UnreadableRecordError(where=where, reason=reason))

    def _is_long_enough(self, row: Row) -> bool:
        """Whether *row*, in a Flagstone log, can be one that Gradio appended."""
        if not row or self._titles[-1:] != [RECORD]:
            return bool(row)
        gradios = len(self._titles) - (self._aside.stop - self._aside.start) - 1
        return bool(len(row) >= gradios)

    def _record_in(self, row: Row, text: str) -> Record | None:
        """Read the record in the cell *text* of *row*; None, after a call of *note*, if damaged."""
        try:
            return self._read_record(row, text)
        except UnreadableRecordError as error:
            self._note(error)
            return None

    def _with_aside(self, record: Record, row: Row) -> Record:
        """Add to *record* the comment and corrections from columns that Gradio does not have."""
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

    def _read_record(self, row: Row, text: str) -> Record:
        end = find_end(text)
        has_sum = end is not None and end["record"] is not None
        if has_sum:
            self._require_sound(row, text)  # first: a garbled record may still parse
        record_text = text if end is None else f"{text[: end.start()]}}}"
        record = record_from_json(record_text, where=self._where(text), files=self._files)
        if not has_sum:
            self._require_sound(row, text)
        return record

    @cached_property
    def _gradio_log(self) -> GradioLog:
        rows = (
            self._cells(row)
            for row in self._quiet_rows()
            if self._is_long_enough(row) and not self._record_cell(row)
        )
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
        """Return *row* as Gradio would write it: without record, comment and corrections."""
        if self._titles[-1:] != [RECORD]:
            return row
        if self._has_aside(row):
            return [*row[: self._aside.start], *row[self._aside.stop : -1]]
        gradios = len(self._titles) - (self._aside.stop - self._aside.start) - 1
        return row if len(row) == gradios else row[:-1]  # Gradio may have appended to this log

    def _has_aside(self, row: Row) -> bool:
        return self._aside.stop > 0 and len(row) == len(self._titles)

    def _record_cell(self, row: Row) -> str:
        if self.header is None:
            is_ours = row[-1].startswith(_OURS) or find_end(row[-1])
            return row[-1] if is_ours else ""
        return "" if self._place is None or self._place >= len(row) else row[self._place]


def _ends_lines_with_cr(path: Path, header: Row) -> bool:
    """Whether a spreadsheet saved it with CR line ends; a damaged CRLF does not count."""
    with path.open("rb") as file:
        head = file.read(_END).removeprefix(codecs.BOM_UTF8)
    line = encode_row(header).removesuffix(b"\r\n")
    # A header may have unnecessary quotes.
    end = len(line) if head.startswith(line) else head.find(b"\r")
    is_cr = head[end : end + 1] == b"\r" and head[end + 1 : end + 2] != b"\n"
    return is_cr and not _ends_with_ours(path)


def _ends_with_ours(path: Path) -> bool:
    """Whether a log begun by another program ends with Flagstone rows."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        tail = read_at(file.fileno(), max(0, size - _END), _END)
    return last_end(tail) is not None


def end_of(path: Path) -> Place:
    """Return the place after the last numbered row."""
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        end, _, _ = find_tail(file.fileno(), status.st_size, _MAX_LOOKED_THROUGH)
    return [status.st_ino, end]


class Grown:
    """The size and the end of the log *path*, to check later whether it was only appended to."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            self._inode, self._size = status.st_ino, status.st_size
            self._tail = _tail_at(file, self._size)

    def goes_on(self, path: Path) -> bool:
        """
        Whether *path* is the same log, possibly with rows added; False if it was rewritten.

        A cell edited in place is noticed if the edit changes the size of the log.
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
