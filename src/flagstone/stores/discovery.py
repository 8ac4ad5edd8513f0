"""
Find the stores in a folder and in its subfolders, such as those of tabs.

Visitors choose the names of the files they upload, so folders of uploaded files are never searched
for stores. Links are not followed.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from flagstone.fs.atomic import entries_of

DATABASE = "flags.db"
"""The database whose presence makes a folder an SQLite store."""

_DEPTH = 4
_LOG = re.compile(r"(dataset|log|data)\d*\.csv")
_UPLOAD = re.compile(r"(tmp\w{8}|\d+)\.csv")
"""How Gradio 2 and 3 named uploaded files."""

_OUR_LOG = re.compile(rb"[^\n]*\brecord\r?\n")
_MAX_HEADER_LENGTH = 1 << 16
_SHARD = re.compile(r"\d{12}(-\d{12})?\.parquet")
_OF_FILES = re.compile(r"[0-9a-f]{20,64}")
"""The folder of a file, named by the hash of its content."""

_FLAG = "metadata.jsonl"
_OF_FLAG = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""The folder of a flag, named by its id."""

_EXPORT = "manifest.json"


def stores_in(folder: Path) -> Iterator[str]:
    """Yield the stores in *folder* itself: "database", "logs", "parquet", "flags" (folders)."""
    entries = entries_of(folder)
    names = {entry.name for entry in entries if entry.is_file(follow_symlinks=False)}
    if DATABASE in names:
        yield "database"
    if any(_is_log(folder, name) for name in names):
        yield "logs"
    if any(map(_SHARD.fullmatch, names)):
        yield "parquet"
    if any(_OF_FLAG.fullmatch(entry.name) and _has(entry.path, _FLAG) for entry in entries):
        yield "flags"


def folders_below(folder: Path, depth: int = _DEPTH) -> Iterator[Path]:
    """Yield the subfolders of *folder* that may contain stores, sorted by name."""
    found = [entry for entry in entries_of(folder) if _may_hold_stores(entry)] if depth else []
    for entry in sorted(found, key=lambda entry: entry.name):
        yield Path(entry.path)
        yield from folders_below(Path(entry.path), depth - 1)


def _may_hold_stores(entry: "os.DirEntry[str]") -> bool:
    return (
        not entry.name.startswith(".")
        and not entry.name.endswith(".files")
        and not _OF_FILES.fullmatch(entry.name)
        and not _OF_FLAG.fullmatch(entry.name)
        and entry.is_dir(follow_symlinks=False)
        and not _has(entry.path, _EXPORT)
    )


def _is_log(folder: Path, name: str) -> bool:
    """Whether the file *name* is a log, by its name or by the header of a Flagstone log."""
    if _LOG.fullmatch(name):
        return True
    if not name.endswith(".csv") or _UPLOAD.fullmatch(name):
        return False
    try:
        with (folder / name).open("rb") as file:
            return bool(_OUR_LOG.match(file.read(_MAX_HEADER_LENGTH)))
    except OSError:
        return False


def _has(folder: str, name: str) -> bool:
    return os.path.isfile(f"{folder}/{name}")  # noqa: PTH113 - building a Path takes as long
