"""
Read the rows of a CSV file from another program: any version of Gradio, an editor, Excel.

Its encoding, delimiter and quotes are detected. Lines that are not rows of a log, such as Git's
conflict markers, are rejected by line number.
"""

import csv
import io
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple

from flagstone.errors import UnreadableRecordError, megabytes
from flagstone.stores.csv_folder.encodings import OF_MARKS, decode, encode
from flagstone.stores.csv_folder.log import Row
from flagstone.stores.csv_folder.rows import HUB_END, RECORD
from flagstone.stores.csv_folder.whole_rows import Pass, Unparsed, raise_it

MAX_LOG_SIZE = 1 << 30
"""Maximum size in bytes of a log; it is read at once."""

CHAT_HEADER = ("conversation", "index", "value", "flag", "timestamp")

_HEAD = 1 << 16
_TIMESTAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{6}|(?!\.))"
_WHOLE_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}")
_JOINT = re.compile(rf"(?<=,)({_TIMESTAMP})(?=[^,\r\n])")
_QUOTED_ROW = re.compile(
    r"('([^']|'')*'|-?[\d.eE+-]+|True|False)?(,('([^']|'')*'|-?[\d.eE+-]+|True|False)?)*"
)
_SEPARATOR_LINE = re.compile("\ufeff?(sep=[^\r\n]*\r?\n)")
"""A line that Excel reads as the delimiter."""

_LFS = "version https://git-lfs.github.com/spec/"
_CONFLICT = ("<<<<<<< ", "||||||| ", ">>>>>>> ")
_SETTLED = 60.0
"""Seconds without a write after which the last row of another program's log is complete."""

_NULS = bytes(1 << 16)
_MAX_WITH_NULS = 16 << 20
"""Maximum size in bytes of a log with many consecutive NULs; it is read line by line."""

_PAUSE = 0.5
"""Seconds within which Gradio finishes writing a row."""


class Dialect(NamedTuple):
    """How a file delimits and quotes its cells."""

    delimiter: str = ","
    quote: str = '"'

    @property
    def is_of_old_gradio(self) -> bool:
        """Whether it is that of Gradio up to 3.1, which did not escape formulas."""
        return self.quote == "'"


_DIALECTS = (
    Dialect(),
    Dialect(quote="'"),
    Dialect(delimiter=";"),
    Dialect(delimiter="\t"),
    Dialect(delimiter="|"),
)


@dataclass(frozen=True, slots=True)
class Section:
    """The rows below one header, or all rows if there is none."""

    header: Row | None
    rows: list[Row] = field(default_factory=list)


class ForeignLog:
    """
    The file *path*, in *encoding* if it is given.

    `header` is None if the first row is not the header of a log.
    """

    def __init__(self, path: Path, encoding: str | None = None) -> None:
        self.path = path
        self._encoding = encoding
        with path.open("rb") as file:
            self._head = file.read(_HEAD)
        self.dialect, self.header = _find_dialect(self._text_of_head(), path.name)

    def sections(self, *, waits: bool = False, note: Pass = raise_it) -> list[Section]:
        """
        Return all rows, grouped by header.

        A last row that is being written is omitted or, with *waits*, waited for. For a line that
        is not a row of a log, *note* is called, and an `Unparsed` takes its place. Raises
        `UnreadableRecordError` if the file cannot be read at all.
        """
        size = self.path.stat().st_size
        if size > MAX_LOG_SIZE:
            reason = f"it is larger than {megabytes(MAX_LOG_SIZE)}: split it, repeating the header"
            raise UnreadableRecordError(where=str(self.path), reason=reason)
        content = self.path.read_bytes()
        if waits and not content.endswith((b"\n", b"\r")):
            content = self._wait(content)
        if (place := content.find(_NULS)) >= 0:  # parsing them would take minutes
            reason = "it contains only NULs, probably after a crash"
            line = content.count(b"\n", 0, place) + 1
            if waits or len(content) > _MAX_WITH_NULS:
                raise self._error(line, reason)
        text, self._encoding = decode(content, self.path, self._encoding)
        if text.startswith(_LFS):
            raise self._error(1, "it is only a Git LFS pointer: run `git lfs pull`")
        sections = [Section(self.header)]
        is_settled = waits or self._is_settled()
        for row in self._rows(text, is_settled=is_settled, note=note):
            header = sections[-1].header
            if header is None or isinstance(row, Unparsed) or not _is_new_header(row, header):
                sections[-1].rows.append(row)
            elif row != header:
                sections.append(Section(row))
        return sections

    def render(self, rows: Iterable[Row]) -> bytes:
        """Return this log with these *rows* (headers included), in its original format."""
        text = io.StringIO()
        if self.header is not None and (line := _SEPARATOR_LINE.match(self._text_of_head())):
            text.write(line[1])
        delimiter, quote = self.dialect
        is_old = self.dialect.is_of_old_gradio
        quoting: Literal[0, 1] = csv.QUOTE_ALL if is_old else csv.QUOTE_MINIMAL
        writer = csv.writer(text, delimiter=delimiter, quotechar=quote, quoting=quoting)
        for row in rows:
            if isinstance(row, Unparsed):
                text.write(row.raw.decode(errors="surrogateescape"))
            else:
                writer.writerow(row)
        return encode(text.getvalue(), self._encoding or "utf-8", like=self._head)

    def _text_of_head(self) -> str:
        """Decode the beginning, at least well enough to find a header, which ends in ASCII."""
        for mark, name in OF_MARKS.items():
            if self._head.startswith(mark):
                return self._head.removeprefix(mark).decode(name, errors="replace")
        if self._head[1:2] == b"\0":
            return self._head.decode("utf-16-le", errors="replace")
        if self._head[:1] == b"\0":
            return self._head.decode("utf-16-be", errors="replace")
        try:
            return decode(self._head, self.path, self._encoding).text
        except UnreadableRecordError:  # raised again when the rows are read
            return self._head.decode("utf-8-sig", errors="replace")

    def _is_settled(self) -> bool:
        return time.time() - self.path.stat().st_mtime > _SETTLED

    def _wait(self, content: bytes) -> bytes:
        """Wait until the file, which had this *content*, stops growing; return its content."""
        while not self._is_settled():
            time.sleep(_PAUSE)
            if self.path.stat().st_size == len(content):
                break
            content = self.path.read_bytes()
        return content

    def _rows(self, text: str, *, is_settled: bool, note: Pass) -> Iterator[Row]:
        number = 1
        if self.header is not None and text.startswith("sep="):
            _, _, text = text.partition("\n")
            number += 1
        is_first = self.header is not None
        rest = list(io.StringIO(text, newline=""))
        while rest:
            read = 0
            try:
                for count, row in _counted(rest, self.dialect):
                    raw = "".join(rest[read:count])
                    is_complete = raw.endswith(("\n", "\r")) or is_settled or self._is_whole(row)
                    if (reason := _why_no_row(row, raw)) and not is_first:
                        note(self._error(number + read, reason))
                        yield Unparsed(raw.encode(errors="surrogateescape"))
                    elif any(row) and is_complete and not is_first:
                        yield from self._parted(row, raw)
                    is_first = is_first and not any(row)
                    read = count
            except csv.Error as error:
                if not is_settled and self._may_grow(rest[read:], error):
                    return
                note(self._error(number + read, f"its quotes do not match ({error})"))
                yield Unparsed(rest[read].encode(errors="surrogateescape"))
                read += 1
            else:
                return
            number, rest = number + read, rest[read:]

    def _is_whole(self, row: Row) -> bool:
        return (
            self.header is not None
            and len(row) == len(self.header)
            and bool(_WHOLE_TIMESTAMP.fullmatch(row[-1]))
        )

    def _may_grow(self, lines: Sequence[str], error: csv.Error) -> bool:
        """Whether the log just ends within a cell: the last row is being written."""
        if "unexpected end of data" not in str(error) or self.header is None:
            return False
        # An unclosed quote swallows the rows after it: lines with as many cells as the header.
        rows = (next(_reader([line], self.dialect, strict=False), []) for line in lines[1:])
        return all(len(row) != len(self.header) for row in rows)

    def _parted(self, row: Row, raw: str) -> Iterator[Row]:
        """Yield *row*, or the rows in one line if two processes wrote at the same time."""
        rows = []
        if self.header is not None and len(row) > len(self.header):
            ends = [0, *(joint.end() for joint in _JOINT.finditer(raw)), len(raw)]
            parts = (raw[start:end] for start, end in pairwise(ends))
            rows = [next(_reader([part], self.dialect, strict=False), []) for part in parts]
        if self.header is not None and all(len(each) == len(self.header) for each in rows):
            yield from rows or [row]
        else:
            yield row

    def _error(self, line: int, reason: str) -> UnreadableRecordError:
        return UnreadableRecordError(where=f"{self.path}, line {line}", reason=reason)


def _why_no_row(row: Row, raw: str) -> str | None:
    """Return why the line *raw* cannot be a row of a log, or None."""
    if any(row) and not raw.strip("\0\r\n\ufeff "):
        return "it contains only NULs, probably after a crash"
    if raw.startswith(_CONFLICT) or raw.strip() == "=======":
        return "it is a Git conflict marker: resolve the conflict"
    return None


def _counted(lines: Sequence[str], dialect: Dialect) -> Iterator[tuple[int, Row]]:
    """Yield the rows in *lines*, each with the number of lines up to its end."""
    reader = csv.reader(lines, delimiter=dialect.delimiter, quotechar=dialect.quote, strict=True)
    for row in reader:
        yield reader.line_num, row


def _reader(
    lines: Iterator[str] | Sequence[str], dialect: Dialect, *, strict: bool = True
) -> "Iterator[Row]":
    return csv.reader(lines, delimiter=dialect.delimiter, quotechar=dialect.quote, strict=strict)


def _find_dialect(head: str, name: str) -> tuple[Dialect, Row | None]:
    """Return the dialect and the header of the file *name*, which begins with *head*."""
    if head.startswith("sep="):  # a line of Excel
        _, _, head = head.partition("\n")
    head = head.removeprefix("\ufeff")
    for dialect in _DIALECTS:
        try:
            rows = (row for row in _reader(io.StringIO(head, newline=""), dialect) if any(row))
            first = next(rows, [])
        except csv.Error:
            continue
        if _is_header(first, name):
            return dialect, first
    first_line = head.splitlines()[0] if head else ""
    is_quoted = first_line.startswith("'") and _QUOTED_ROW.fullmatch(first_line)
    return Dialect(quote="'") if is_quoted else Dialect(), None


def _is_header(row: Row, name: str) -> bool:
    """Whether *row* of the file *name* is the header of a log."""
    last = row[-1] if row else ""
    is_hub = tuple(row[-2:]) == HUB_END or (name == "data.csv" and last == "flag")
    # A user may have added columns.
    has_more = "timestamp" in row and bool({"flag", "username"} & set(row))
    return last in ("timestamp", RECORD) or is_hub or has_more


def _is_new_header(row: Row, header: Row) -> bool:
    """Whether *row*, below *header*, repeats it or is another header."""
    if row[0].startswith("\ufeff"):
        row = [row[0][1:], *row[1:]]
    is_other = row[-1] == header[-1] == "timestamp" or tuple(row[-2:]) == HUB_END
    return list(row) == list(header) or (is_other and header[-1] == row[-1])
