"""
One CSV file to which many threads and processes can append.

Every row ends in the same way: with its number, within the JSON of its last cell. So the tail of
the file shows whether the last row is complete and how many rows there are; an append takes as
long after a million rows as after none.

The file itself is the lock: there is no second file that could be left behind.
"""

import contextlib
import csv
import io
import os
import re
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import orjson

from flagstone.core.codec import escape_surrogates
from flagstone.errors.safe_logs import logger_of
from flagstone.fs.atomic import is_still, replace_durably, sync_directory
from flagstone.fs.locks import lock

logger = logger_of(__name__)

Row = Sequence[str]

NUMBER = "row"
"""The key, last in the JSON of a row's last cell, that holds the row's number."""

SUMS = "sums"
"""The key before it: the CRC-32 of the record and of the other cells, eight digits each."""

_END_OF_RECORD = re.compile(
    rf'(?:,"{SUMS}":"(?P<record>[0-9a-f]{{8}})(?P<cells>[0-9a-f]{{8}})")?,"{NUMBER}":(?P<row>\d+)}}$'
)
"""The end of a row's last cell, which is not part of the record itself."""

_MAX_END_LENGTH = 80

END = re.compile(rb'""row"":(\d+)}"\r?\n')
# Within a quoted cell each quote is doubled, so user text cannot look like this.
_WHOLE_RECORD = re.compile(rb'""flagstone"":.*(\n\Z|""row"":\d+}"(?!\r?\n?\Z))', re.DOTALL)
"""JSON has no line end inside: a record followed by one is complete, or was damaged."""

_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}\+00:00")
_TAIL = 64

_sync = getattr(os, "fdatasync", os.fsync)  # the size counts as data; Windows has fsync only

_BLOCK = 1 << 16

csv.field_size_limit(2**31 - 1)  # the default, 128 KiB, is less than one long text


class _End(NamedTuple):
    """The end of a log: the offset of the next row, the last number, and bytes to put between."""

    place: int
    number: int
    joint: bytes


class OtherColumnsError(Exception):
    """The columns of the file differ from those of the rows to append."""


class CsvLog:
    """
    The CSV file *path*, open and locked against other writers.

    *header* is None for a log without a header line. Raises `OtherColumnsError` if the file has a
    different header.
    """

    def __init__(self, path: Path, handle: int, header: tuple[str, ...] | None) -> None:
        self.path = path
        self.header = header
        self._handle = handle
        self._head = _head_of(header)
        self.start = self.end = 0  # offsets of what was appended
        self._size = os.fstat(handle).st_size
        self._is_new = _is_beginning(handle, self._head)
        if not has_header(handle, header):
            raise OtherColumnsError

    def append(self, rows: Sequence[Row]) -> int:
        """
        Write *rows*, numbered, at once; they are on the medium when this returns.

        The last cell of each row is a JSON object, to which the number is added. Returns the
        number of the last row. Raises `OSError` if they cannot be written; then call `undo`.
        """
        end = self._find_end()
        if not rows:
            return end.number
        lines = [end.joint]
        lines += [
            _numbered(row, number, self.header and self.header[:-1])
            for number, row in enumerate(rows, end.number + 1)
        ]
        content = b"".join(lines)
        self.start, self.end = end.place, end.place + len(content)
        if end.place < self._size:
            os.ftruncate(self._handle, end.place)
        _write_all(self._handle, content)
        _sync(self._handle)
        if self._is_new:
            sync_directory(self.path.parent)
        return end.number + len(rows)

    def read_header(self) -> list[str]:
        """Return the first row."""
        return read_header(self._handle)

    def undo(self) -> None:
        """Remove what was appended, even if it was written only in part."""
        if self.end:
            os.ftruncate(self._handle, self.start)
            _sync(self._handle)

    def _find_end(self) -> _End:
        """
        Find where the next row goes.

        A row that a crash cut short was never acknowledged: the next row overwrites it.
        """
        if self._is_new:
            return _End(0, 0, self._head)
        tail = read_at(self._handle, max(0, self._size - _TAIL), _TAIL)
        if (last := last_end(tail)) and last.end() == len(tail):
            return _End(self._size, int(last[1]), b"")
        start, number, tail = find_tail(self._handle, self._size)
        if is_damaged(tail):  # damaged rows are not removed
            return _End(self._size, number + 1, b"" if tail.endswith(b"\n") else b"\r\n")
        rows, kept, joint = self._measure(tail, has_header=start == 0 and self.header is not None)
        if kept < len(tail):
            logger.warning(
                "%s ended with an incomplete row, probably after a crash; it was never "
                "acknowledged and is removed: %r",
                self.path,
                tail[kept:][:500],
            )
        return _End(start + kept, number + rows, joint)

    def _measure(self, tail: bytes, *, has_header: bool) -> tuple[int, int, bytes]:
        """Return the rows in *tail*, their size in bytes, and the missing part of a line end."""
        lines = io.BytesIO(tail).readlines()
        reader = csv.reader((line.decode(errors="replace") for line in lines), strict=True)
        ends = list(accumulate(map(len, lines)))
        rows, kept = -has_header, 0
        with contextlib.suppress(csv.Error):  # it ends within quotes: cut short
            for row in reader:
                end = ends[reader.line_num - 1]
                if end == len(tail) and not tail.endswith(b"\n"):
                    # No line end: cut short by a crash, or omitted by a text editor.
                    if not is_whole(row, self.header):
                        break
                    return rows + 1, end, b"\n" if tail.endswith(b"\r") else b"\r\n"
                rows, kept = rows + 1, end
        return max(rows, 0), kept, b""


def is_damaged(tail: bytes) -> bool:
    """Whether *tail*, after the last numbered row, is a complete row that was damaged later."""
    return bool(_WHOLE_RECORD.search(tail))


@lru_cache(maxsize=2)  # several functions call it for the same row
def find_end(text: str) -> re.Match[str] | None:
    """Find the end of *text*, a row's last cell, that is not part of the record itself."""
    return _END_OF_RECORD.search(text, max(len(text) - _MAX_END_LENGTH, 0))


def end_of_record(cells: Row, text: str, number: int, header: Row | None) -> str:
    """
    Return what follows the record *text* in the last cell of row *number*.

    A CRC-32 detects every error burst of up to 32 bits and takes a microsecond per row. The record
    and the other cells have one each: a user may edit cells without damaging the record.
    """
    record, others = sums_of(cells, text, number, header)
    return f',"{SUMS}":"{record:08x}{others:08x}","{NUMBER}":{number}}}'


def sums_of(cells: Row, text: str, number: int, header: Row | None) -> tuple[int, int]:
    """Return the checksums of the record *text* and of the other *cells* of a row."""
    others = "\x1f".join([*(header or ()), "\x1e", *cells])
    return crc32(_encode(f"{text},{number}")), crc32(_encode(others))


def _encode(text: str) -> bytes:
    try:
        return text.encode(errors="surrogateescape")  # bytes that are not UTF-8, as they were read
    except UnicodeEncodeError:
        return text.encode(errors="backslashreplace")  # as they are written


def find_tail(handle: int, size: int, most: int | None = None) -> tuple[int, int, bytes]:
    """
    Return the end of the last numbered row, its number, and the bytes after it.

    If the last *most* bytes have none, return the end of the file, as if all of it was one row.
    """
    length = _BLOCK
    while True:
        start = max(0, size - length)
        block = read_at(handle, start, size - start)
        if last := last_end(block):
            return start + last.end(), int(last[1]), block[last.end() :]
        if start == 0:
            return 0, 0, block
        if most is not None and length > most:
            return size, 0, b""
        length *= 8


def last_end(block: bytes) -> re.Match[bytes] | None:
    """Find the end of the last numbered row in *block*."""
    place = len(block)
    while (place := block.rfind(b'""' + NUMBER.encode() + b'"":', 0, place)) >= 0:
        if found := END.match(block, place):
            return found
    return None


def is_whole(row: Row, header: Row | None) -> bool:
    """Whether a row without a line end is complete (written in an editor), not cut short."""
    if header is not None and len(row) != len(header):
        return False
    if row[-1] == "":  # in a Flagstone row, such a timestamp is followed by a record
        return len(row) > 1 and not _TIMESTAMP.fullmatch(row[-2])
    return _is_json(row[-1])


def encode_row(row: Row, errors: str = "backslashreplace") -> bytes:
    """Return *row* as a line of CSV (RFC 4180) in UTF-8, with lone surrogates escaped."""
    text = io.StringIO()
    csv.writer(text).writerow(row)
    return text.getvalue().encode(errors=errors)


def has_header(handle: int, header: tuple[str, ...] | None) -> bool:
    """Whether the file *handle* has this header, is about to get it, or needs none."""
    head = _head_of(header)
    if read_at(handle, 0, len(head)) == head or _is_beginning(handle, head):
        return True
    return header is None or read_header(handle) == list(header)


def add_column(path: Path, columns: tuple[str, ...]) -> None:
    """Add the last of *columns*, with empty cells, to the log *path* if it has the others."""
    if not path.exists():
        return
    with open_log(path, None) as log:
        if log.read_header() != list(columns[:-1]):
            return
        text = path.read_bytes().decode("utf-8-sig", errors="surrogateescape")
        _, *rows = csv.reader(io.StringIO(text, newline=""))
        width = len(columns)
        padded = [[*row, *[""] * (width - len(row))] for row in rows if row]
        lines = [encode_row(row, errors="surrogateescape") for row in (columns, *padded)]
        replace_durably(path, b"".join(lines))


def _numbered(row: Row, number: int, header: Row | None) -> bytes:
    *cells, record = row
    cells = [escape_surrogates(cell) for cell in cells]
    # Quoted by hand, as the csv module is slow for a long cell full of quotes.
    text = record[:-1] + end_of_record(cells, record[:-1], number, header)
    text = text.replace('"', '""')
    return encode_row(cells).removesuffix(b"\r\n") + b',"' + text.encode() + b'"\r\n'


@cache
def _head_of(header: tuple[str, ...] | None) -> bytes:
    return b"" if header is None else encode_row(header)


def _is_beginning(handle: int, head: bytes) -> bool:
    """Whether the file has at most a part of *head*, cut short by a crash; it is rewritten."""
    return head.startswith(read_at(handle, 0, len(head) + 1))


def read_header(handle: int) -> list[str]:
    """Return the first row of the file *handle*, without a byte order mark."""
    block = read_at(handle, 0, _BLOCK).decode("utf-8-sig", errors="replace")
    try:
        return next(csv.reader(io.StringIO(block, newline="")), [])
    except csv.Error:
        return []


@contextlib.contextmanager
def open_log(path: Path, header: tuple[str, ...] | None) -> Iterator[CsvLog]:
    """Open and lock the log *path*, creating it if necessary; wait for other writers."""
    while True:
        handle = _open(path)
        try:
            lock(handle)
            if is_still(path, handle):
                yield CsvLog(path, handle, header)
                return
        finally:
            os.close(handle)  # releases the lock, too


def _open(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
    try:
        return os.open(path, flags, 0o666)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, flags, 0o666)


def read_at(handle: int, place: int, length: int) -> bytes:
    """Read *length* bytes at offset *place*, or as many as there are."""
    os.lseek(handle, place, os.SEEK_SET)  # harmless: O_APPEND always writes at the end
    blocks = []
    while length and (block := os.read(handle, length)):
        blocks.append(block)
        length -= len(block)
    return b"".join(blocks)


def _write_all(handle: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(handle, view) :]


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True
