"""
Commits that SQLite does not read, since its write-ahead log is damaged before them.

SQLite takes the first frame whose checksum is wrong for the end of the log, as it is after a loss
of power, and says nothing. A commit behind that place is one that was lost. The formats:
https://sqlite.org/fileformat2.html#the_write_ahead_log and https://sqlite.org/walformat.html.
"""

import os
import struct
from pathlib import Path
from typing import BinaryIO

_HEADER = struct.Struct(">8I")
_FRAME = struct.Struct(">6I")
_INDEX = struct.Struct("=12xBBHI")
"""How the shared memory begins; the last number is that of the frames that are read."""

_PAGE_SIZE = 16
_BIG_ENDIAN = 0x377F0683
"""Where a database says how large its pages are; and that checksums are of big-endian words."""


def count_lost_commits(database: Path) -> int:
    """How many commits the log of *database*, which is open and was read, has but does not give."""
    try:
        with (
            database.open("rb") as pages,
            Path(f"{database}-wal").open("rb") as log,
            Path(f"{database}-shm").open("rb") as shared,
        ):
            *_, frames_read = _INDEX.unpack(shared.read(_INDEX.size))
            (page_size,) = struct.unpack(">H", os.pread(pages.fileno(), 2, _PAGE_SIZE))
            return _count_commits(log, frames_read, 1 << 16 if page_size == 1 else page_size)
    except (FileNotFoundError, struct.error):  # there is no log, or nothing in it
        return 0


def _count_commits(log: BinaryIO, frames_read: int, page_size: int) -> int:
    header = log.read(_HEADER.size)
    numbers = _HEADER.unpack(header)
    is_sound = _checksum(header) == numbers[6:]
    size, commits = _FRAME.size + page_size, 0
    end = os.fstat(log.fileno()).st_size - size
    for offset in range(_HEADER.size + frames_read * size, end + 1, size):
        _, pages, *salts = _FRAME.unpack(os.pread(log.fileno(), _FRAME.size, offset))[:4]
        # Frames of an earlier round have other salts; what they say is in the database.
        commits += pages > 0 and (tuple(salts) == numbers[4:6] or not is_sound)
    return commits


def _checksum(header: bytes) -> tuple[int, int]:
    """The checksum of a log's *header*, by the rule of the format."""
    order = ">" if _HEADER.unpack(header)[0] == _BIG_ENDIAN else "<"
    words = struct.unpack(f"{order}6I", header[:24])
    first = second = 0
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second
