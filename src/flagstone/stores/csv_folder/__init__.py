"""
Keep records in a folder of CSV files: one that a spreadsheet opens, and a full store.

The layout is Gradio's: `dataset1.csv` and so on, a new number for each set of columns, and the
files of a field under `<label>/<hash>/<name>`. The last column, `record`, holds the whole record
as JSON; the columns before it are for people. Reviews and outcomes have logs of their own.
"""

import json
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from flagstone import codec
from flagstone.codec import FileRef
from flagstone.durable import replace_durably
from flagstone.files import begin_removal, store_error
from flagstone.record import SCHEMA, Flag, Record
from flagstone.store import Store, flag_id_of, of_flags, require_files
from flagstone.stores.csv_folder.cells import Address, columns_of, row_of
from flagstone.stores.csv_folder.folder_files import FolderFiles
from flagstone.stores.csv_folder.known import KnownIds
from flagstone.stores.csv_folder.log import (
    CsvLog,
    OtherColumnsError,
    add_column,
    open_log,
)
from flagstone.stores.csv_folder.naming import choose_log, logs_in
from flagstone.stores.csv_folder.reading import NUMBER_OF_ROW, Grown, LogReader, end_of

Rows = dict[str, list[str]]
"""Rows by the id of their record."""


class _Kind(NamedTuple):
    """What decides the log that a row goes to: the name of the first one, and the columns."""

    first: str
    columns: tuple[str, ...] | None


_ERASED = "erased.csv"
_ERASED_COLUMNS = ("flag_id", "record")
_FIRST_LOGS = {"review": "reviews.csv", "outcome": "outcomes.csv"}
_ABOUT_FLAGS = ("reviews", "outcomes", "erased")


class CsvFolder(Store):
    """
    Records in CSV files in the folder *path*, made on first use; nothing is touched before.

    Flags go to *file_name* or, where that has other columns than they, to the next number:
    `dataset1.csv`, `dataset2.csv`; `log.csv`, `log2.csv`. *header* says whether logs begin with
    the names of their columns. *order* is the order of the columns for flags of just these
    fields. With *simplify_file_data* a cell shows a file as its path, otherwise as Gradio's
    FileData. With *address*, which says where on the Hub the file at a path is, flags have the
    columns of Gradio's Hub saver, and go on in a log of its.
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
        self.where = str(path)
        self.files = FolderFiles(self.path)
        self._first_logs = {**_FIRST_LOGS, "flag": file_name}
        self._header = header
        self._order = order
        self._simplify_file_data = simplify_file_data
        self._address = address
        self._lock = threading.Lock()  # threads queue here, and not for the system's file locks
        self._chosen: dict[_Kind, Path] = {}
        self._grown: dict[str, Grown] = {}
        self._editions = 0
        try:
            self._known = KnownIds(self._logs())
        except OSError:  # told when something is to be kept there
            self._known = KnownIds(())

    @property
    def url(self) -> str:
        return f"csv:{self.path.resolve()}"

    @property
    def targets(self) -> Path:
        return self.path.resolve() / ".targets"

    def is_there(self) -> bool:
        with self._telling(doing="read"):
            return bool(self._logs())

    def append(self, records: Iterable[Record]) -> None:
        self._append(list(records))

    def keep(self, flag: Flag) -> int:
        """Append one flag and say the number of its row, not counting the header."""
        return self._append([flag])

    def scan(self, after: str | None = None) -> Iterator[Record]:
        places = json.loads(after) if after else {}
        for path in self._logs():
            if path.name != _ERASED:
                for _, record in LogReader(path, self.files).rows(after=places.get(path.name)):
                    yield record

    def mark(self) -> str:
        return json.dumps({path.name: end_of(path) for path in self._logs()})

    def erase(self, flag_ids: Iterable[str]) -> None:
        doomed = set(flag_ids)
        kept: set[str] = set()
        dropped: set[str] = set()
        began = begin_removal()
        with self._lock, self._telling(doing="erase flags in"):
            # First what keeps them from coming back, then what makes them go: a crash between
            # the two leaves flags that can be erased again.
            found, _ = of_flags(doomed, self.scan())
            with open_log(self.path / _ERASED, _ERASED_COLUMNS) as log:
                log.append([[record_id, _tomb(record_id)] for record_id in sorted(found)])
            for path in self._logs():
                self._rewrite(path, doomed, kept, dropped)
            self._known = KnownIds(self._logs())
            self.files.remove(dropped - kept, before=began)

    def replace(self, flags: Iterable[Flag]) -> None:
        new = {flag.id: flag for flag in flags}
        require_files(new.values(), self.files, self.where)
        with self._lock, self._telling(doing="correct flags in"):
            for path in self._logs():
                if path.name != _ERASED:
                    self._correct(path, new)
            self._known = KnownIds(self._logs())

    def edition(self) -> str:
        logs = {path.name: path for path in self._logs()}
        erased = logs[_ERASED].stat().st_size if _ERASED in logs else 0
        with self._lock:
            self._editions += any(
                name not in logs or not grown.goes_on(logs[name])
                for name, grown in self._grown.items()
            )
            self._grown = {name: Grown(path) for name, path in logs.items()}
            return f"{self._editions} {erased}"

    def known(self, ids: Iterable[str]) -> set[str]:
        with self._lock:
            return self._known.among(ids, self._logs())

    def damage(self) -> Iterator[str]:
        for path in self._logs():
            if path.name != _ERASED:
                yield from LogReader(path, self.files).damage()

    def close(self) -> None:
        """Nothing is held open."""

    def _append(self, records: list[Record]) -> int:
        texts = [record.to_json() for record in records]
        if any('"$file"' in text for text in texts):
            require_files(records, self.files, self.where)
        rows: dict[_Kind, Rows] = defaultdict(dict)
        with self._telling(doing="keep the flag in"):
            for record, text in zip(records, texts, strict=True):
                row = row_of(
                    record, text, self._link, self._order, self._address, is_titled=self._header
                )
                rows[self._kind(record)][record.id] = row
            with self._lock:
                return self._write(rows)

    def _kind(self, record: Record) -> _Kind:
        columns = None
        if self._header:
            columns = columns_of(record, self._order, on_hub=self._address is not None)
        return _Kind(self._first_logs[record.type], columns)

    def _write(self, rows: Mapping[_Kind, Rows]) -> int:
        """Write *rows* to the logs of their kinds, all or none; the number of the last one."""
        while True:
            try:
                with ExitStack() as stack:
                    # In the order of their names, so that no two processes wait for each other.
                    places = sorted((self._choose(kind), kind) for kind in rows)
                    logs = [
                        (stack.enter_context(open_log(path, kind.columns)), rows[kind])
                        for path, kind in places
                    ]
                    return self._write_to(logs)
            except OtherColumnsError:  # somebody else made that log, or edited its header
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
        # Flags first: what is read in this order finds the flag before what is said about it.
        return sorted(logs_in(self.path), key=lambda path: path.name.startswith(_ABOUT_FLAGS))

    def _link(self, field: str, ref: FileRef) -> str | dict[str, Any]:
        """Show the file *ref* under its field, and say what stands for it in the cell."""
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

    def _rewrite(self, path: Path, doomed: set[str], kept: set[str], dropped: set[str]) -> None:
        """Write the log *path* anew if it has flags in *doomed*; say whose files were met."""
        if path.name == _ERASED:
            return
        with open_log(path, None):
            reader = LogReader(path, self.files)
            lines = []
            has_doomed = False
            for row, record in reader.lines():
                is_doomed = record is not None and flag_id_of(record) in doomed
                has_doomed |= is_doomed
                files = record.files() if record is not None else ()
                (dropped if is_doomed else kept).update(ref.sha256 for ref in files)
                if not is_doomed:
                    lines.append(reader.encode(row))
            if has_doomed:  # any other file is not ours to touch, and need not be
                replace_durably(path, b"".join(lines))

    def _correct(self, path: Path, new: Mapping[str, Flag]) -> None:
        """Write the log *path* anew with these flags in place of those with their ids."""
        with open_log(path, None):
            reader = LogReader(path, self.files)
            lines = []
            has_old = False
            for row, record in reader.lines():
                number = NUMBER_OF_ROW.search(row[-1]) if record is not None else None
                if number and record is not None and record.id in new:
                    # The cells for people stay: their columns are those of the log.
                    text = new[record.id].to_json().removesuffix("}") + number[0]
                    row, has_old = [*row[:-1], text], True  # noqa: PLW2901 - the row to write
                lines.append(reader.encode(row))
            if has_old:
                replace_durably(path, b"".join(lines))

    @contextmanager
    def _telling(self, *, doing: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise store_error(error, doing=doing, where=self.where) from error


def _tomb(record_id: str) -> str:
    return codec.dumps({"flagstone": SCHEMA, "type": "erased", "id": record_id})
