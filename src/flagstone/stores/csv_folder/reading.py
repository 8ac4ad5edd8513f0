"""
A CSV log read back as records.

Where a row has its `record` cell, that is what it says, to the character. A row without one, as
other programs and people write, is read from its other cells as well as they tell: all text.
"""

import csv
import json
import logging
import os
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO
from uuid import NAMESPACE_URL, uuid5

from flagstone.errors import UnreadableRecordError
from flagstone.files import Files
from flagstone.record import Flag, Record, Value, record_from_json, unique_names
from flagstone.stores.csv_folder.cells import RECORD
from flagstone.stores.csv_folder.log import END, NUMBER, Row, find_tail, is_whole, read_header

logger = logging.getLogger(__name__)

Place = list[int]
"""A place in a log: the number of its file, by which a rewritten one is told, and the byte."""

_NUMBER = re.compile(rf',"{NUMBER}":\d+}}$')
_GRADIO_LOG = re.compile(r"(dataset|log)\d*\.csv")
_OURS = '{"flagstone":'


class LogReader:
    """The log *path*, for reading; has no rows where it is no log but some file of a person's."""

    def __init__(self, path: Path, files: Files) -> None:
        self.path = path
        self._files = files
        with path.open("rb") as file:
            first = read_header(file.fileno())
        ours = bool(first) and first[-1].startswith(_OURS)
        self.header = None if ours or not {RECORD, "timestamp"} & set(first) else first
        self._is_log = self.header is not None or ours or bool(_GRADIO_LOG.fullmatch(path.name))
        self._met: Counter[str] = Counter()

    def rows(self, after: Place | None = None) -> Iterator[tuple[Row, Record]]:
        """Each row with its record, in order; the header is none."""
        if not self._is_log:
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
                    yield row, self._record(row)

    def _record(self, row: Row) -> Record:
        text = self._record_cell(row)
        if text:
            try:
                return record_from_json(
                    _NUMBER.sub("}", text), where=str(self.path), files=self._files
                )
            except UnreadableRecordError as error:
                logger.warning("%s It is read from its other cells instead.", error)
        return self._flag_from_cells(row)

    def _record_cell(self, row: Row) -> str:
        if self.header is None:
            return row[-1] if row[-1].startswith(_OURS) else ""
        cells = dict(zip(self.header, row, strict=False))
        return cells.get(RECORD, "")

    def _flag_from_cells(self, row: Row) -> Flag:
        """The flag that *row* tells of: the same each time it is read, though it has no id."""
        header = self.header or [f"component {n}" for n in range(len(row))]
        cells = dict(zip(unique_names(header), row, strict=False))
        text = json.dumps([self.path.name, *row])
        self._met[text] += 1
        option, user, timestamp, _ = (
            cells.pop(name, "") for name in ("flag", "username", "timestamp", RECORD)
        )
        return Flag(
            id=str(uuid5(NAMESPACE_URL, f"{text} {self._met[text]}")),
            created_at=self._moment(timestamp),
            inputs={name: Value(kind="text", data=cell) for name, cell in cells.items()},
            option=option or None,
            user=user or None,
            context={"read_from": "the cells of a CSV log: types, and which are outputs, are lost"},
        )

    def _moment(self, timestamp: str) -> datetime:
        try:
            moment = datetime.fromisoformat(timestamp)  # a naive one is in local time
        except ValueError:
            moment = datetime.fromtimestamp(self.path.stat().st_mtime, UTC)
        return moment.astimezone(UTC)


def end_of(path: Path) -> Place:
    """The place after the last numbered row."""
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        end, _, _ = find_tail(file.fileno(), status.st_size)
    return [status.st_ino, end]


def flag_id_of(record: Record) -> str:
    """The id of the flag that *record* is, or is about."""
    return record.id if isinstance(record, Flag) else record.flag_id


def _whole_rows(file: BinaryIO, path: Path, header: Row | None) -> Iterator[Row]:
    """The rows from here on, without a last one that is being written or was cut short."""
    line_number = 1
    lines: list[bytes] = []  # of the row being read

    def decoded() -> Iterator[str]:
        for line in file:
            lines.append(line)
            yield line.decode(errors="surrogateescape")

    try:
        for row in csv.reader(decoded(), strict=True):
            if lines[-1].endswith(b"\n") or is_whole(row, header):
                yield row
            line_number += len(lines)
            lines.clear()
    except csv.Error as error:  # the file ends within quotes
        if END.search(b"".join(lines)):
            where = f"{path}, line {line_number}"
            reason = f"its quotes do not match ({error})"
            raise UnreadableRecordError(where=where, reason=reason) from error
