"""
A folder for each flag: `<id>/metadata.jsonl`, as in Gradio's Hub saver.

The file is one line: cells for display, and the record's JSON as text in the last one. The flag's
files are next to it under `<field>/<hash>/<name>`, its reviews and outcomes as `<id>.json`.
"""

import shutil
import stat
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import orjson

from flagstone.core.codec import FileRef, escape_surrogates
from flagstone.core.records import Flag, Record, record_from_json
from flagstone.errors import UnreadableRecordError, store_error
from flagstone.fs.atomic import entries_of, replace_durably, sweep_parts, sync_directory
from flagstone.fs.locks import lock
from flagstone.stores.base import Store, flag_id_of, of_flags, require_files
from flagstone.stores.csv_folder.attachments import FolderFiles
from flagstone.stores.csv_folder.rows import RECORD, Address, columns_of, row_of
from flagstone.stores.erasures import Erasure, Erasures, flags_in, logging_failure
from flagstone.stores.files import safe_name

FLAG = "metadata.jsonl"

_GRADIOS = "Gradio's own saver wrote it; `flagstone import` copies it into a store"


class FlagFolders(Store):
    """
    Records in folders below *path*, created on first use, one for each flag.

    *order* is the order of the cells; *address* returns the Hub URL of the file at a path. If an
    `append` of several records crashes, only the first ones may be saved.
    """

    files: FolderFiles

    def __init__(
        self, path: Path, *, order: Sequence[str] = (), address: Address | None = None
    ) -> None:
        self.path = path
        self.location = str(path)
        self.files = FolderFiles(path)
        self._order = order
        self._address = address
        self._erasures = Erasures(path / ".erasing")
        self._lock = threading.Lock()  # file locks are only for processes
        self._latest = 0
        self._count: int | None = None
        self._has_looked = False

    @property
    def url(self) -> str:
        return str(self.path.resolve())

    @property
    def targets(self) -> Path:
        return self.path.resolve() / ".targets"

    def exists(self) -> bool:
        return bool(self._paths())

    def append(self, records: Iterable[Record]) -> None:
        records = list(records)
        texts = [record.to_json() for record in records]
        require_files(records, self.files, self.location)
        with self._telling("save the flag in"), self._locked():
            self._erasures.finish(self._erase)
            for record, text in zip(records, texts, strict=True):
                path = self._path_of(record)
                if not path.exists():
                    self._write(path, record, text)

    def save(self, flag: Flag) -> int:
        """Append one flag; return the number of flags."""
        if self._count is None:
            self._count = sum(1 for _ in self.path.glob(f"*/{FLAG}"))
        self.append([flag])
        self._count += 1
        return self._count

    def scan(self, after: str | None = None) -> Iterator[Record]:
        if self._erasures and not self._has_looked:
            with logging_failure(self.location):
                self.finish_erasures()
        yield from self._records(after)

    def _records(self, after: str | None = None) -> Iterator[Record]:
        going = flags_in(self._erasures.pending()) if self._erasures else ()
        for path, written in self._paths():
            record = self._try_to_read(path) if written > int(after or 0) else None
            if record is not None and flag_id_of(record) not in going:
                yield record

    def cursor(self) -> str:
        return str(max((written for _, written in self._paths()), default=0))

    def erase(self, flag_ids: Iterable[str]) -> None:
        with self._telling("erase flags in"), self._locked():
            self._erasures.finish(self._erase)
            wanted = frozenset(flag_ids)
            ids, files = of_flags(wanted, self._records())
            if ids:
                erasure = Erasure(
                    flag_ids=wanted, record_ids=frozenset(ids), hashes=frozenset(files)
                )
                self._erasures.carry_out(erasure, self._erase)

    def finish_erasures(self, *, search: bool = False, dry_run: bool = False) -> int:  # noqa: ARG002 - a record and its files are in one folder
        self._has_looked = True
        if dry_run or not self._erasures:
            return sum(len(erasure.record_ids) for erasure in self._erasures.pending())
        with self._telling("erase flags in"), self._locked():
            return self._erasures.finish(self._erase)

    def replace(self, flags: Iterable[Flag]) -> None:
        flags = list(flags)
        require_files(flags, self.files, self.location)
        with self._telling("correct flags in"), self._locked():
            for flag in flags:
                path = self._path_of(flag)
                if path.exists() and path.stat().st_size:
                    row = self._row_of(flag, flag.to_json(), path.parent.name)
                    # With its old time, so that it stays in its place in the order.
                    replace_durably(path, row, written=path.stat().st_mtime_ns)

    def verify(self) -> Iterator[str]:
        yield from (sentence for sentence in super().verify() if _GRADIOS not in sentence)
        yield from self._erasures.verify()

    def close(self) -> None:
        """Do nothing: no resource is held open."""

    def existing_ids(self, ids: Iterable[str]) -> set[str]:
        here = {_name_of(path) for path, _ in self._paths()}
        return {record_id for record_id in ids if safe_name(record_id) in here}

    def _erase(self, erasure: Erasure) -> None:
        """Carry out *erasure*; safe to repeat after a crash."""
        doomed = set(map(safe_name, erasure.record_ids))
        for path, _ in self._paths():
            if _name_of(path) in doomed:
                # An empty file stays, so that no copy brings the record back.
                if path.stat().st_size:
                    replace_durably(path, b"")
                for entry in entries_of(path.parent):
                    if entry.is_dir(follow_symlinks=False):
                        shutil.rmtree(entry.path)
            sweep_parts(path.parent)
        needed = {ref.sha256 for record in self._records() for ref in record.files()}
        self.files.remove(erasure.hashes - needed)
        self.files.sweep_parts()

    def _paths(self) -> list[tuple[Path, int]]:
        """Return the files of records in store order, with their modification times."""
        found = chain(self.path.glob(f"*/{FLAG}"), self.path.glob("*/*.json"))
        times = [
            (path, status.st_mtime_ns)
            for path in found
            if not path.parent.name.startswith(".")
            and not path.parent.is_symlink()
            and stat.S_ISREG((status := path.lstat()).st_mode)  # no link, no pipe, no directory
        ]
        return sorted(times, key=lambda each: each[1])

    def _path_of(self, record: Record) -> Path:
        name = FLAG if isinstance(record, Flag) else f"{safe_name(record.id)}.json"
        return self.path / safe_name(flag_id_of(record)) / name

    def _write(self, path: Path, record: Record, text: str) -> None:
        """Write the file *path* of *record*, whose JSON is *text*, as the last in the order."""
        path.parent.mkdir(exist_ok=True)
        if isinstance(record, Flag):
            content = self._row_of(record, text, path.parent.name)
        else:
            content = text.encode()
        self._latest = max(time.time_ns(), self._latest + 1)
        replace_durably(path, content, written=self._latest)
        sync_directory(self.path)

    def _row_of(self, flag: Flag, text: str, folder: str) -> bytes:
        columns = columns_of(flag, self._order, on_hub=self._address is not None)

        def show(field: str, ref: FileRef) -> str:
            return self.files.show(ref, field, below=f"{folder}/")

        cells = row_of(flag, text, show, self._order, self._address)
        row = dict(zip(columns, map(escape_surrogates, cells), strict=True))
        return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Lock the store against other writers."""
        self.path.mkdir(parents=True, exist_ok=True)
        with self._lock, (self.path / ".lock").open("wb") as file:
            lock(file.fileno())
            yield

    def _read(self, path: Path) -> Record | None:
        """Read the record in the file *path*; None if it was erased or Gradio wrote it."""
        content = path.read_bytes()
        if not content:
            return None
        if path.name == FLAG:
            try:
                row = orjson.loads(content)
            except orjson.JSONDecodeError as error:
                raise UnreadableRecordError(where=str(path), reason=str(error)) from error
            if not isinstance(row, dict) or RECORD not in row:
                self.skipped.add(str(path), _GRADIOS)
                return None
            content = str(row[RECORD]).encode()
        return record_from_json(content, where=str(path), files=self.files)

    def _try_to_read(self, path: Path) -> Record | None:
        """Read the record in the file *path*; None, added to `skipped`, if unreadable."""
        try:
            return self._read(path)
        except UnreadableRecordError as error:
            self.skipped.note(error)
        except OSError as error:
            self.skipped.add(str(path), error.strerror or str(error))
        return None

    @contextmanager
    def _telling(self, doing: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise store_error(error, doing=doing, where=self.location) from error


def _name_of(path: Path) -> str:
    """Return the `safe_name` of the id of the record in the file *path*."""
    return path.parent.name if path.name == FLAG else path.stem
