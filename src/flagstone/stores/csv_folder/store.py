"""
Store records in a folder of CSV files that spreadsheets can open.

The layout is Gradio's: `dataset1.csv` and so on, a new number for each set of columns, and the
files of a field under `<label>/<hash>/<name>`. The last column, `record`, holds the whole record
as JSON; the columns before it are for display. Reviews and outcomes have separate logs.
"""

import json
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from flagstone.core import codec
from flagstone.core.codec import FileRef
from flagstone.core.records import SCHEMA, Flag, NewerRecord, Record
from flagstone.errors import store_error
from flagstone.fs.atomic import replace_durably
from flagstone.stores.base import Store, flag_id_of, require_files
from flagstone.stores.csv_folder.attachments import FolderFiles
from flagstone.stores.csv_folder.erasure import Named, plan_erasure, remove_paths, rewrite
from flagstone.stores.csv_folder.log import (
    CsvLog,
    OtherColumnsError,
    add_column,
    open_log,
)
from flagstone.stores.csv_folder.log_names import choose_log, logs_in
from flagstone.stores.csv_folder.reader import Grown, LogReader, end_of
from flagstone.stores.csv_folder.rows import Address, columns_of, row_of, spreadsheet_safe
from flagstone.stores.csv_folder.seen_ids import KnownIds
from flagstone.stores.erasures import Erasure, Erasures, flags_in, logging_failure
from flagstone.stores.files import begin_removal

Rows = dict[str, list[str]]
"""Rows by record id."""


class _Kind(NamedTuple):
    """What determines the log of a row: the name of the first such log, and the columns."""

    first: str
    columns: tuple[str, ...] | None


_ERASED = "erased.csv"
_ERASED_COLUMNS = ("flag_id", "record")
_FIRST_LOGS = {"review": "reviews.csv", "outcome": "outcomes.csv"}
_FIRST_OF_OTHERS = "others.csv"
_ABOUT_FLAGS = ("reviews", "outcomes", "others", "erased")


class CsvFolder(Store):
    """
    Records in CSV files in the folder *path*, created on first use; nothing is touched before.

    Flags go to *file_name* or, if that file has other columns, to the next number: `dataset1.csv`,
    `dataset2.csv`; `log.csv`, `log2.csv`. *header*: whether logs begin with a header row.
    *order*: the column order for flags with exactly these fields. *simplify_file_data*: whether a
    cell shows a file as its path instead of as Gradio's FileData. *address* returns the Hub URL of
    the file at a path; with it, flags have the columns of Gradio's Hub saver and are appended to
    its log.
    """

    files: FolderFiles

    def __init__(
        self,
        path: str | Path,
        *,
        file_name: str = "dataset1.csv",
        header: bool = True,
        order: Sequence[str] = (),
        simplify_file_data: bool = True,
        address: Address | None = None,
    ) -> None:
        self.path = Path(path)
        self.location = str(path)
        self.files = FolderFiles(self.path)
        self._first_logs = {**_FIRST_LOGS, "flag": file_name}
        self._header = header
        self._order = order
        self._simplify_file_data = simplify_file_data
        self._address = address
        self._erasures = Erasures(self.path / ".erasing")
        self._lock = threading.Lock()  # so that threads do not wait for the system's file locks
        self._chosen: dict[_Kind, Path] = {}
        self._grown: dict[str, Grown] = {}
        self._editions = 0
        self._has_looked = False
        try:
            self._known = KnownIds(self._logs())
        except OSError:  # raised again by the first append
            self._known = KnownIds(())

    @property
    def url(self) -> str:
        return f"csv:{self.path.resolve()}"

    @property
    def targets(self) -> Path:
        return self.path.resolve() / ".targets"

    def exists(self) -> bool:
        with self._telling(doing="read"):
            return bool(self._logs())

    def append(self, records: Iterable[Record]) -> None:
        self._append(list(records))

    def save(self, flag: Flag) -> int:
        """Append one flag; return its row number, not counting the header."""
        return self._append([flag])

    def scan(self, after: str | None = None) -> Iterator[Record]:
        places = json.loads(after) if after else {}
        if self._erasures and not self._has_looked:
            self._try_to_finish()
        going = flags_in(self._erasures.pending()) if self._erasures else ()
        for path in self._logs_of_records():
            for _, record in self._reader(path).rows(after=places.get(path.name)):
                if not going or flag_id_of(record) not in going:
                    yield record

    def cursor(self) -> str:
        return json.dumps({path.name: end_of(path) for path in self._logs()})

    def erase(self, flag_ids: Iterable[str]) -> None:
        self.finish_erasures()
        with self._lock, self._telling(doing="erase flags in"):
            erasure = plan_erasure(
                frozenset(flag_ids), self._logs_of_records(), self.files, self.skipped.note
            )
            if erasure.record_ids:
                self._erasures.carry_out(erasure, self._erase)

    def finish_erasures(self, *, search: bool = False, dry_run: bool = False) -> int:
        self._has_looked = True
        with self._telling(doing="erase flags in"):
            left = self._left_by_erasures() if search else frozenset()
            if dry_run:
                return sum(len(one.record_ids) for one in self._erasures.pending()) + len(left)
            with self._lock:
                done = self._erasures.finish(self._erase)
                if search:
                    left = self._left_by_erasures()
            if left:
                self.erase(left)
            return done + len(left)

    def replace(self, flags: Iterable[Flag]) -> None:
        new = {flag.id: flag for flag in flags}
        require_files(new.values(), self.files, self.location)
        with self._lock, self._telling(doing="correct flags in"):
            for path in self._logs():
                if path.name != _ERASED:
                    self._correct(path, new)
            self._known = KnownIds(self._logs())

    def generation(self) -> str:
        logs = {path.name: path for path in self._logs()}
        erased = logs[_ERASED].stat().st_size if _ERASED in logs else 0
        with self._lock:
            self._editions += any(
                name not in logs or not grown.goes_on(logs[name])
                for name, grown in self._grown.items()
            )
            self._grown = {name: Grown(path) for name, path in logs.items()}
            return f"{self._editions} {erased}"

    def existing_ids(self, ids: Iterable[str]) -> set[str]:
        with self._lock:
            return self._known.among(ids, self._logs())

    def verify(self) -> Iterator[str]:
        for path in self._logs():
            yield from self._reader(path).verify(of_erased=path.name == _ERASED)
        yield from self._erasures.verify()

    def close(self) -> None:
        """Do nothing: no resource is held open."""

    def _append(self, records: list[Record]) -> int:
        if self._erasures:
            self._try_to_finish()
        texts = [record.to_json() for record in records]
        if any('"$file"' in text for text in texts):
            require_files(records, self.files, self.location)
        rows: dict[_Kind, Rows] = defaultdict(dict)
        with self._telling(doing="save the flag in"):
            for record, text in zip(records, texts, strict=True):
                row = row_of(
                    record, text, self._link, self._order, self._address, is_titled=self._header
                )
                rows[self._kind(record)][record.id] = row
            with self._lock:
                return self._write(rows)

    def _reader(self, path: Path) -> LogReader:
        return LogReader(path, self.files, note=self.skipped.note)

    def _kind(self, record: Record) -> _Kind:
        columns = None
        if self._header:
            columns = columns_of(record, self._order, on_hub=self._address is not None)
        if isinstance(record, NewerRecord):
            return _Kind(_FIRST_OF_OTHERS, columns)
        return _Kind(self._first_logs[record.type], columns)

    def _write(self, rows: Mapping[_Kind, Rows]) -> int:
        """Write *rows* to the logs of their kinds, all or none; return the last row number."""
        while True:
            try:
                with ExitStack() as stack:
                    # In a fixed order, so that two processes cannot deadlock.
                    places = sorted((self._choose(kind), kind) for kind in rows)
                    logs = [
                        (stack.enter_context(open_log(path, kind.columns)), rows[kind])
                        for path, kind in places
                    ]
                    return self._write_to(logs)
            except OtherColumnsError:  # another process created it, or its header was edited
                self._chosen.clear()

    def _write_to(self, logs: list[tuple[CsvLog, Rows]]) -> int:
        number = 0
        known = self._known.among(chain.from_iterable(rows for _, rows in logs), self._logs())
        try:
            for log, rows in logs:
                number = log.append([rows[name] for name in rows if name not in known])
        except BaseException:
            for log, _ in logs:
                log.undo()
            raise
        for log, rows in logs:
            self._known.add(rows, log)
        return number

    def _choose(self, kind: _Kind) -> Path:
        if kind not in self._chosen:
            if self._address is not None and kind.columns is not None:
                add_column(self.path / kind.first, kind.columns)
            taken = self._chosen.values()
            self._chosen[kind] = choose_log(self.path / kind.first, kind.columns, taken)
        return self._chosen[kind]

    def _logs(self) -> list[Path]:
        # Flags first, so that a flag is read before its reviews and outcomes.
        logs = logs_in(self.path, takes_link=self._takes_link)
        return sorted(logs, key=lambda path: path.name.startswith(_ABOUT_FLAGS))

    def _takes_link(self, path: str) -> bool:
        """Return False: a log that is a link is not read, and is recorded as skipped."""
        self.skipped.add(path, "it is a link; open the folder that it points to")
        return False

    def _link(self, field: str, ref: FileRef) -> str | dict[str, Any]:
        """Show the file *ref* under its field; return its value for the cell."""
        path = self.files.show(ref, field)
        if self._simplify_file_data:
            return path
        return {
            "path": path,
            "orig_name": ref.name,
            "mime_type": ref.mime_type,
            "size": ref.size,
            "meta": {"_type": "gradio.FileData"},
        }

    def _logs_of_records(self) -> list[Path]:
        return [path for path in self._logs() if path.name != _ERASED]

    def _erase(self, erasure: Erasure) -> None:
        """Carry out *erasure*; safe to repeat after a crash."""
        began = begin_removal() if erasure.hashes else 0.0
        # First store the ids, so that no copy brings them back; then delete.
        with open_log(self.path / _ERASED, _ERASED_COLUMNS) as log:
            known = KnownIds(()).among(erasure.record_ids, [log.path])
            new = sorted(erasure.record_ids - known)
            log.append([[spreadsheet_safe(record_id), _tomb(record_id)] for record_id in new])
        kept, going = Named(), flags_in(self._erasures.pending()) - erasure.flag_ids
        for path in self._logs_of_records():
            rewrite(path, erasure, self.files, kept, going)
        self._known = KnownIds(self._logs())
        self.files.remove(erasure.hashes - kept.hashes, before=began)
        remove_paths(self.path, erasure.paths - kept.paths_in(self.path))
        self.files.sweep_parts()

    def _try_to_finish(self) -> None:
        """
        Finish interrupted erasures that no other process is working on.

        A failure must not prevent saving or reading flags.
        """
        self._has_looked = True
        with logging_failure(self.location), self._lock:
            self._erasures.finish(self._erase, wait=False)

    def _left_by_erasures(self) -> frozenset[str]:
        """Return the ids of erased flags that still have records here."""
        erased = self.path / _ERASED
        if not erased.exists():
            return frozenset()
        ids = KnownIds(())
        left: set[str] = set()
        for path in self._logs_of_records():
            reader = self._reader(path)
            found = {flag_id_of(record) for row, record in reader.rows() if reader.is_told(row)}
            left |= ids.among(found, [erased])
        return frozenset(left)

    def _correct(self, path: Path, new: Mapping[str, Flag]) -> None:
        """Rewrite the log *path* with these flags in place of those with their ids."""
        with open_log(path, None):
            reader = self._reader(path)
            rows = []
            has_old = False
            for row, record in reader.lines():
                text = None
                if record is not None and record.id in new and reader.is_told(row):
                    # The other cells stay: their columns are those of the log.
                    text, has_old = new[record.id].to_json(), True
                rows.append(reader.with_record(row, text))
            if has_old:
                replace_durably(path.resolve(), reader.render(rows))

    @contextmanager
    def _telling(self, *, doing: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise store_error(error, doing=doing, where=self.location) from error


def _tomb(record_id: str) -> str:
    return codec.dumps({"flagstone": SCHEMA, "type": "erased", "id": record_id})
