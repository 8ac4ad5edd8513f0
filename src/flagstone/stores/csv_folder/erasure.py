"""
Erase from the logs of a folder, and delete the files that Gradio stored next to its own logs.

A row with a record is identified by the record's id. The id of a row that Gradio wrote depends on
the rows before it, so such rows are deleted only from the same file in which they were found.
"""

import re
from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from flagstone.core.records import Record
from flagstone.fs.atomic import replace_durably, sync_directory
from flagstone.stores.base import flag_id_of
from flagstone.stores.csv_folder.attachments import FolderFiles
from flagstone.stores.csv_folder.log import Row, open_log
from flagstone.stores.csv_folder.reader import Hints, LogReader
from flagstone.stores.csv_folder.whole_rows import Pass, Unparsed
from flagstone.stores.erasures import Erasure

_LOG = re.compile(r"(dataset|log|data)\d*\.csv|(reviews|outcomes|erased)\.csv|flags\.db.*")
_HASH = re.compile(r"\b[0-9a-f]{64}\b")
_TO_THE_END = Hints(waits=True)


@dataclass
class Named:
    """The files that rows refer to: Flagstone's by their hashes, Gradio's by their paths."""

    hashes: set[str] = field(default_factory=set)
    paths: set[Path] = field(default_factory=set)

    def add(self, record: Record, named: Iterable[Path]) -> None:
        """Add the files of a row."""
        self.hashes.update(ref.sha256 for ref in record.files())
        self.paths.update(named)

    def add_unread(self, row: Row) -> None:
        """Add everything that looks like the hash of a file in an unreadable row."""
        raw = row.raw.decode(errors="replace") if isinstance(row, Unparsed) else " ".join(row)
        self.hashes.update(_HASH.findall(raw))

    def paths_in(self, folder: Path) -> set[str]:
        """Return the paths relative to *folder*."""
        root = folder.resolve()
        return {path.relative_to(root).as_posix() for path in self.paths}


def plan_erasure(
    flag_ids: frozenset[str], logs: Iterable[Path], files: FolderFiles, note: Pass
) -> Erasure:
    """Return what to delete for *flag_ids* in *logs*; *note* gets the errors of bad rows."""
    ids: set[str] = set()
    theirs, rows_in = Named(), dict[str, int]()
    folder: Path | None = None
    for path in logs:
        folder, number = path.parent, path.stat().st_ino
        reader = LogReader(path, files, note=note)
        for row, record, named in _lines(reader, files):
            if record is not None and flag_id_of(record) in flag_ids:
                ids.add(record.id)
                theirs.add(record, named)
                if not reader.is_told(row):
                    rows_in[path.name] = number
    return Erasure(
        flag_ids=flag_ids,
        record_ids=frozenset(ids),
        hashes=frozenset(theirs.hashes),
        paths=frozenset(theirs.paths_in(folder) if folder else ()),
        rows_in=rows_in,
    )


def rewrite(
    path: Path, erasure: Erasure, files: FolderFiles, kept: Named, going: Container[str]
) -> None:
    """
    Rewrite the log *path* if it has rows to delete; the files of other rows are added to *kept*.

    The files of flags in *going* are not added: another pending erasure deletes these flags.
    """
    with open_log(path, None):
        reader = LogReader(path, files, _TO_THE_END, lambda _: None)  # `plan_erasure` noted errors
        is_as_found = erasure.rows_in.get(path.name) == path.stat().st_ino
        rows = []
        has_doomed = False
        for row, record, named in _lines(reader, files):
            is_doomed = (
                record is not None
                and flag_id_of(record) in erasure.flag_ids
                and (is_as_found or reader.is_told(row))
            )
            has_doomed |= is_doomed
            if not is_doomed:
                rows.append(reader.with_record(row))
                kept.add_unread(row if record is None else ())
                if record is not None and flag_id_of(record) not in going:
                    kept.add(record, named)
        if has_doomed:  # leave other files untouched
            replace_durably(path.resolve(), reader.render(rows))


def remove_paths(folder: Path, paths: Iterable[str]) -> None:
    """Delete the files *paths* in *folder*, and directories that become empty."""
    root = folder.resolve()
    for name in paths:
        path = (root / name).resolve()
        if not path.is_relative_to(root) or not _is_file_of_field(path.relative_to(root)):
            continue  # not a path that Gradio would have written
        if not path.is_file():
            continue
        path.unlink()
        with suppress(OSError):  # not empty
            path.parent.rmdir()
        with suppress(OSError):
            sync_directory(path.parent)


def _is_file_of_field(path: PurePath) -> bool:
    """Whether *path* can be a field's file written by Gradio, not a log or a Flagstone file."""
    is_hidden = any(part.startswith(".") for part in path.parts)
    return len(path.parts) > 1 and not is_hidden and not _LOG.fullmatch(path.name)


def _lines(reader: LogReader, files: FolderFiles) -> Iterator[tuple[Row, Record | None, set[Path]]]:
    """Yield the lines of a log with their records, and Gradio's files that each refers to."""
    lines = reader.lines()
    while True:
        with files.noting() as named:
            found = next(lines, None)
        if found is None:
            return
        yield *found, named
