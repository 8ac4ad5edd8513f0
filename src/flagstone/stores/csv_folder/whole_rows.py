"""
Read the rows of a Flagstone log, separated by the bytes at the end of each row.

So a damaged row is skipped and the next one is read, even if quotes are garbled.
"""

import csv
import os
import re
import time
from collections.abc import Callable, Iterator
from itertools import accumulate, chain
from pathlib import Path
from typing import BinaryIO

from flagstone.errors import UnreadableRecordError
from flagstone.stores.csv_folder.log import (
    END,
    Row,
    find_end,
    is_damaged,
    is_whole,
)
from flagstone.stores.csv_folder.rows import RECORD

Pass = Callable[[UnreadableRecordError], None]
"""Called with the error of each skipped row; it may raise the error."""

_SETTLED = 60.0
"""Seconds without a write after which the last row of another program's log is complete."""

_MAX_TRIED = 200
"""Maximum number of lines tried as the beginning of the next row."""


_LINE = re.compile(rb"[^\n]*\n|[^\n]+")
_BROKEN_END = re.compile(rb'(?:""row"":\d+}"|\brecord)\r[^\n]')


class Unparsed(list[str]):
    """Bytes of a log that cannot be read as a row; they have no cells and are preserved."""

    def __init__(self, raw: bytes) -> None:
        super().__init__()
        self.raw = raw


def raise_it(error: UnreadableRecordError) -> None:
    """Raise *error* instead of skipping the row."""
    raise error


def whole_rows(
    file: BinaryIO,
    path: Path,
    header: Row | None,
    note: Pass = raise_it,
    *,
    has_lost_header: bool = False,
) -> Iterator[Row]:
    """
    Yield the rows from the current position, without the *header* and an incomplete last row.

    For a damaged row or header, *note* is called with an error, and an `Unparsed` is yielded in
    its place.
    """
    number = 1
    pending: list[bytes] = []
    if (header is not None or has_lost_header) and file.tell() == 0:
        lines_of_header, is_whole_header = _lines_of_header(file)
        if has_lost_header or not is_whole_header:
            reason = "it is not the header that was written"
            note(UnreadableRecordError(where=f"{path}, line 1", reason=reason))
        if not is_whole_header:
            pending = lines_of_header  # and the row after it
        else:
            number += len(lines_of_header)
            if has_lost_header:
                yield Unparsed(b"".join(lines_of_header))
    lines: list[bytes] = []  # up to the end of a Flagstone row
    for line in chain(pending, file):
        lines.append(line)
        if line.endswith((b'}"\r\n', b'}"\n')) and END.search(line):
            yield from _rows_of(lines, f"{path}, line", number, header, note)
            number += len(lines)
            lines = []
    yield from _last_rows(file, lines, f"{path}, line", number, header, note)


def _lines_of_header(file: BinaryIO) -> tuple[list[bytes], bool]:
    """Read the lines of the header; return them, and whether they are valid CSV."""
    lines: list[bytes] = []

    def noted() -> Iterator[str]:
        for line in file:
            lines.append(line)
            yield line.decode(errors="replace")

    try:
        next(csv.reader(noted()), None)
    except csv.Error:
        return lines, False
    return lines, True


def _rows_of(
    lines: list[bytes], where: str, number: int, header: Row | None, note: Pass
) -> Iterator[Row]:
    """Yield the rows in *lines*, the last of which ends like a Flagstone row."""
    reason = ""
    raw = b"".join(lines)
    for start in _starts_in(lines, raw):
        try:
            rows = _parse(_LINE.findall(raw, start) if start else lines)
        except csv.Error as error:
            reason = reason or f"its quotes do not match ({error})"
            continue
        # After damage a row may begin here, but the end of one may look like a row, too.
        if _is_ours(rows[-1], header) and (start == 0 or len(rows) == 1):
            if start:
                note(UnreadableRecordError(where=f"{where} {number}", reason=reason))
                yield Unparsed(raw[:start])
            yield from rows
            return
        reason = reason or "its cells do not match the columns of the log"
    note(UnreadableRecordError(where=f"{where} {number}", reason=reason))
    yield Unparsed(raw)


def _starts_in(lines: list[bytes], raw: bytes) -> Iterator[int]:
    """Yield where in *raw* (joined *lines*) a row may begin: at lines and broken line ends."""
    yield 0
    ends = accumulate(map(len, lines[:_MAX_TRIED]))
    yield from sorted({*ends, *(found.end() for found in _BROKEN_END.finditer(raw))} - {len(raw)})


def _is_ours(row: Row, header: Row | None) -> bool:
    """Whether *row* is a complete Flagstone row."""
    is_wide = header is None or len(row) == len(header)
    return is_wide and bool(find_end(row[-1]))


def _parse(lines: list[bytes]) -> list[Row]:
    texts = [line.decode(errors="surrogateescape") for line in lines]
    return list(filter(None, csv.reader(texts, strict=True)))


def _counted(lines: list[bytes]) -> Iterator[tuple[int, Row]]:
    """Yield the rows in *lines*, each with the number of lines up to its end."""
    reader = csv.reader((line.decode(errors="surrogateescape") for line in lines), strict=True)
    for row in reader:
        if row:
            yield reader.line_num, row


def _last_rows(
    file: BinaryIO, lines: list[bytes], where: str, number: int, header: Row | None, note: Pass
) -> Iterator[Row]:
    """Yield the rows in *lines*, after the last Flagstone row."""
    is_ours = header is not None and header[-1:] == [RECORD]
    # Whether a row that Gradio is writing is complete cannot be seen from its cells.
    is_settled = is_ours or time.time() - os.fstat(file.fileno()).st_mtime > _SETTLED
    start = tries = 0
    while start < len(lines):
        first = read = start
        start = len(lines)
        try:
            for count, row in _counted(lines[first:]):
                if lines[first + count - 1].endswith(b"\n") or (
                    is_settled and is_whole(row, header)
                ):
                    yield row
                read = first + count
        except csv.Error as error:
            rest = lines[read:]
            if not is_damaged(b"".join(rest)) and _ends_within(rest, error, header):
                return
            reason = f"its quotes do not match ({error})"
            note(UnreadableRecordError(where=f"{where} {number + read}", reason=reason))
            tries += 1
            start = read + 1 if tries < _MAX_TRIED else len(lines)
            yield Unparsed(b"".join(lines[read:start]))


def _ends_within(lines: list[bytes], error: csv.Error, header: Row | None) -> bool:
    """Whether the log just ends within a cell: the last row is being written or was cut short."""
    if "unexpected end of data" not in str(error):
        return False
    # An unclosed quote swallows the rows after it: lines with as many cells as the header.
    rows = (next(csv.reader([line.decode(errors="replace")]), []) for line in lines[1:])
    return header is None or len(header) == 1 or all(len(row) != len(header) for row in rows)
