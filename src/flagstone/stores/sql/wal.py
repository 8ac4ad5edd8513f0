"""
Find commits that SQLite does not read because its write-ahead log is damaged before them.

SQLite silently treats the first frame with a wrong checksum as the end of the log, as it is after a
power failure. A commit after that frame is lost. The formats:
https://sqlite.org/fileformat2.html#the_write_ahead_log and https://sqlite.org/walformat.html.
"""

import os
import sqlite3
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_HEADER = struct.Struct(">8I")
_FRAME = struct.Struct(">6I")
_BIG_ENDIAN = 0x377F0683
"""The magic number of a log whose checksums use big-endian words."""


def count_lost_commits(database: Path, cursor: sqlite3.Cursor) -> int:
    """
    Return the number of commits in the log of *database* that SQLite does not read.

    *cursor* is one of that database. Only the log is opened: closing the database file or its
    shared memory outside of SQLite would release all locks that SQLite holds in this process
    (https://sqlite.org/howtocorrupt.html).
    """
    try:
        with Path(f"{database}-wal").open("rb") as log:
            header = log.read(_HEADER.size)
            numbers = _HEADER.unpack(header)
            (page_size,) = cursor.execute("PRAGMA page_size").fetchone()
            _, frames_read, _ = cursor.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            frames = list(_frames_after(log, max(frames_read, 0), page_size))
    except (FileNotFoundError, struct.error):  # no log, or an empty one
        return 0
    is_sound = _checksum(header) == numbers[6:]
    # Frames from before the log was reset have other salts; the database has their content.
    return sum(pages > 0 and (salts == numbers[4:6] or not is_sound) for pages, salts in frames)


def _frames_after(
    log: BinaryIO, start: int, page_size: int
) -> Iterator[tuple[int, tuple[int, int]]]:
    """Yield the size of the database, set at a commit, and the salts of each frame from *start*."""
    size = _FRAME.size + page_size
    end = os.fstat(log.fileno()).st_size - size
    for offset in range(_HEADER.size + start * size, end + 1, size):
        _, pages, *salts = _FRAME.unpack(os.pread(log.fileno(), _FRAME.size, offset))[:4]
        yield pages, tuple(salts)


def _checksum(header: bytes) -> tuple[int, int]:
    """Return the checksum of a log's *header*, as the format defines it."""
    order = ">" if _HEADER.unpack(header)[0] == _BIG_ENDIAN else "<"
    words = struct.unpack(f"{order}6I", header[:24])
    first = second = 0
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second
