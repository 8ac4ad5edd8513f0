"""
Find and read logs of Gradio: a file, a folder of logs, or a project with such folders.

Only regular files are read. Links out of the folder are not followed.
"""

import json
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from flagstone.core.records import Flag, Record
from flagstone.errors import NoStoreError, UnreadableRecordError, megabytes
from flagstone.stores.csv_folder.encodings import decode
from flagstone.stores.csv_folder.foreign_csv import MAX_LOG_SIZE
from flagstone.stores.csv_folder.gradio_log import GradioLog
from flagstone.stores.csv_folder.log_names import logs_in
from flagstone.stores.csv_folder.reader import Hints, LogReader
from flagstone.stores.csv_folder.store import CsvFolder

_METADATA = "metadata.jsonl"
_LOG = re.compile(r"(log|dataset|data)\d*\.csv")
_FLAGGED = "flagged"
_DEPTH = 4
_NO_LOGS = frozenset(
    {"cached_examples", "gradio_cached_examples", "node_modules", "site-packages", "__pycache__"}
)
"""Folders without flags; Gradio also writes the outputs of examples to a log."""

Place = tuple[Path, frozenset[str] | None]
"""A folder and the names of its logs to read; None for all."""


class Logs(CsvFolder):
    """The logs in the folder *path* with these *names*, or all of them, read-only."""

    def __init__(self, path: Path, names: frozenset[str] | None, hints: Hints) -> None:
        self._names: frozenset[str] | None = frozenset()  # their ids are not needed
        super().__init__(path)
        self._names = names
        self._hints = hints

    def scan(self, after: str | None = None) -> Iterator[Record]:  # noqa: ARG002 - reads all
        for path in self._logs():
            for _, record in LogReader(path, self.files, self._hints).rows():
                yield self.as_read(record) if isinstance(record, Flag) else record
        for flag in self._flags_of_hub_saver():
            yield self.as_read(flag)

    def as_read(self, flag: Flag) -> Flag:
        """Return *flag* as `scan` yields it; a subclass may change it."""
        return flag

    def _logs(self) -> list[Path]:
        logs = [path for path in super()._logs() if self._is_meant(path.name)]
        for path in logs:
            if self._names is None and not path.resolve().is_relative_to(self.path.resolve()):
                reason = "it is a link that leads out of its folder; pass the log itself"
                raise UnreadableRecordError(where=str(path), reason=reason)
        return [path for path in logs if path.name != "erased.csv"]

    def _takes_link(self, path: str) -> bool:  # noqa: ARG002 - `_logs` raises for it
        return True

    def _is_meant(self, name: str) -> bool:
        return self._names is None or name in self._names

    def _flags_of_hub_saver(self) -> Iterator[Flag]:
        """Yield the flags of Gradio's Hub saver with `separate_dirs`: a directory for each."""
        rows: dict[tuple[str, ...], list[tuple[Path, list[str]]]] = defaultdict(list)
        for path in sorted(self.path.glob(f"*/{_METADATA}")) if self._names is None else ():
            is_here = path.resolve() == self.path.resolve() / path.relative_to(self.path)
            if not is_here or not path.is_file():
                continue
            for number, line in enumerate(_lines_of(path, self._hints), 1):
                cells = _cells_of(line, f"{path}, line {number}")
                rows[tuple(cells)].append((path, [str(cell) for cell in cells.values()]))
        met: Counter[str] = Counter()
        for header, of_header in rows.items():
            log = GradioLog(
                header,
                [cells for _, cells in of_header],
                folder=self.path,
                path=self.path / _METADATA,
                adopter=self.files,
                fields=self._hints.fields,
                met=met,
            )
            for path, row in of_header:
                flag = log.record(row, path)
                assert isinstance(flag, Flag)
                yield flag


def folders_with_logs(path: Path, hints: Hints) -> list[Place]:
    """
    Return the folders with the logs at *path*: a log, a folder of logs, or a project.

    Raises `NoStoreError` if *path* does not exist.
    """
    if path.is_file():
        return [(path.parent, frozenset([path.name]))]
    if not path.is_dir():
        raise NoStoreError(where=str(path))
    if _has_flags(path, hints):
        return [(path, None)]
    found = [folder for folder in _folders_below(path) if _is_flagging_folder(folder, path, hints)]
    return [(folder, None) for folder in found or [path]]


def _has_flags(folder: Path, hints: Hints) -> bool:
    """Return whether *folder* has a log with a Gradio header, or one of the Hub saver."""
    files = CsvFolder(folder).files
    is_log = (
        LogReader(path, files, hints).is_sure for path in logs_in(folder, takes_link=lambda _: True)
    )
    return any(is_log) or any(path.is_file() for path in folder.glob(f"*/{_METADATA}"))


def _is_flagging_folder(folder: Path, project: Path, hints: Hints) -> bool:
    """Return whether *folder* has flags, not other CSV files of a *project*."""
    logs = [path for path in folder.iterdir() if _LOG.fullmatch(path.name) and path.is_file()]
    is_named = _FLAGGED in folder.relative_to(project).parts[-2:]
    files = CsvFolder(folder).files
    has_header = any(LogReader(path, files, hints).is_sure for path in logs)
    return has_header or (is_named and (bool(logs) or _has_flags(folder, hints)))


def _folders_below(path: Path) -> Iterator[Path]:
    """Yield the folders below *path* that may hold flags, in order; links are not followed."""
    for place, folders, _ in os.walk(path):
        here = Path(place)
        depth = len(here.relative_to(path).parts)
        is_deep = depth >= _DEPTH
        folders[:] = [] if is_deep else sorted(f for f in folders if _may_hold_logs(here / f))
        if depth:
            yield here


def _may_hold_logs(folder: Path) -> bool:
    is_hidden = folder.name.startswith(".") and folder.name != ".gradio"
    is_environment = (folder / "pyvenv.cfg").exists()
    return not (folder.name in _NO_LOGS or is_hidden or is_environment)


def _lines_of(path: Path, hints: Hints) -> list[str]:
    if path.stat().st_size > MAX_LOG_SIZE:
        reason = f"it is larger than {megabytes(MAX_LOG_SIZE)}"
        raise UnreadableRecordError(where=str(path), reason=reason)
    text, _ = decode(path.read_bytes(), path, hints.encoding)
    return [line for line in text.split("\n") if line.strip()]  # JSON may contain other line ends


def _cells_of(line: str, where: str) -> dict[str, str]:
    try:
        cells = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UnreadableRecordError(where=where, reason=str(error)) from error
    if not isinstance(cells, dict):
        raise UnreadableRecordError(where=where, reason="it is not a JSON object")
    return cells
