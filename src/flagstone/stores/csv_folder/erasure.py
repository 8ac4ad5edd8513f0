"""
What an erasure does to the logs of a folder, and to the files that Gradio put beside its own.

A row with its record is known by the record's id. The id of a row that Gradio wrote depends on the
rows before it, so such rows go only from the very file in which they were found.
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
    """The files that rows name: those of ours by their hashes, those of Gradio's by their paths."""

    hashes: set[str] = field(default_factory=set)
    paths: set[Path] = field(default_factory=set)

    def add(self, record: Record, named: Iterable[Path]) -> None:
        """Take in the files of a row."""
        self.hashes.update(ref.sha256 for ref in record.files())
        self.paths.update(named)

    def add_unread(self, row: Row) -> None:
        """Take in what may be the hash of a file in a row that cannot be read."""
        raw = row.raw.decode(errors="replace") if isinstance(row, Unparsed) else " ".join(row)
        self.hashes.update(_HASH.findall(raw))

    def paths_in(self, folder: Path) -> set[str]:
        """The paths as seen from *folder*."""
        root = folder.resolve()
        return {path.relative_to(root).as_posix() for path in self.paths}


def plan_erasure(
    flag_ids: frozenset[str], logs: Iterable[Path], files: FolderFiles, note: Pass
) -> Erasure:
    """What has to go with the flags *flag_ids*, as the *logs* have it now; *note* what is not."""
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
    Write the log *path* anew if it has rows that go; *kept* takes in the files of the others.

    Flags in *going* need no files any more: another erasure that has begun is of them.
    """
    with open_log(path, None):
        reader = LogReader(path, files, _TO_THE_END, lambda _: None)  # noted when it was planned
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
        if has_doomed:  # any other file is not ours to touch, and need not be
            replace_durably(path.resolve(), reader.render(rows))


def remove_paths(folder: Path, paths: Iterable[str]) -> None:
    """Delete the files *paths* of *folder*, and the directories that have nothing else."""
    root = folder.resolve()
    for name in paths:
        path = (root / name).resolve()
        if not path.is_relative_to(root) or not _is_file_of_field(path.relative_to(root)):
            continue  # nothing that Gradio would have written
        if not path.is_file():
            continue
        path.unlink()
        with suppress(OSError):  # not empty
            path.parent.rmdir()
        with suppress(OSError):
            sync_directory(path.parent)


def _is_file_of_field(path: PurePath) -> bool:
    """Whether a file at *path* can be one that Gradio kept of a field, and not a log, or ours."""
    is_hidden = any(part.startswith(".") for part in path.parts)
    return len(path.parts) > 1 and not is_hidden and not _LOG.fullmatch(path.name)


def _lines(reader: LogReader, files: FolderFiles) -> Iterator[tuple[Row, Record | None, set[Path]]]:
    """The lines of a log with their records, and the files of Gradio's that each names."""
    lines = reader.lines()
    while True:
        with files.noting() as named:
            found = next(lines, None)
        if found is None:
            return
        yield *found, named
