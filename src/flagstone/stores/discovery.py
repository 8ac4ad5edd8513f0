"""
Which stores lie in a folder: in itself, and in the folders below it, such as those of tabs.

A visitor chooses the names of the files that they upload, so what lies where the files of fields
lie is taken for no store. No link is followed.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from flagstone.fs.atomic import entries_of

DATABASE = "flags.db"
"""The database within a folder that makes the folder an SQLite store."""

_DEPTH = 4
_LOG = re.compile(r"(dataset|log|data)\d*\.csv")
_UPLOAD = re.compile(r"(tmp\w{8}|\d+)\.csv")
"""How Gradio 2 and 3 called what a visitor uploaded."""

_OUR_LOG = re.compile(rb"[^\n]*\brecord\r?\n")
_MAX_HEADER_LENGTH = 1 << 16
_SHARD = re.compile(r"\d{12}(-\d{12})?\.parquet")
_OF_FILES = re.compile(r"[0-9a-f]{20,64}")
"""The folder of a file: it is called by the hash of what it holds."""

_FLAG = "metadata.jsonl"
_OF_FLAG = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""The folder of a flag: it is called by its id."""

_EXPORT = "manifest.json"


def stores_in(folder: Path) -> Iterator[str]:
    """What lies in *folder* itself: "database", "logs", "parquet" or "flags", a folder for each."""
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
    """The folders below *folder* in which stores may lie, in the order of their names."""
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
    """Whether the file *name* is a log: it is called so, or its header is that of one of ours."""
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
    return os.path.isfile(f"{folder}/{name}")  # noqa: PTH113 - a Path takes as long as the call
