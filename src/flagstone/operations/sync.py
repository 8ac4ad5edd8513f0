"""
Copy records and files from one store to another.

Each record has a permanent id, so copying again changes nothing. Import, backup and catching up
after an outage all use `sync`, which copies each record exactly once.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from flagstone.core.records import FileRef, Record
from flagstone.errors import DamagedFileError, StoreError
from flagstone.errors.safe_logs import logger_of
from flagstone.operations.replicas import remember
from flagstone.stores.base import Store
from flagstone.stores.files import damaged_file, require_intact

logger = logger_of(__name__)

_MAX_BYTES = 64 << 20
"""Bytes of files in one batch; a batch's files are copied before its records."""

_MAX_LOOKED_UP = 1000
_PAUSE = 1.0
_MAX_PAUSE = 60.0
"""Seconds between two reads of a followed source."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SyncResult:
    """The result of a `sync`: records copied, records already in the target, and files copied."""

    copied: int = 0
    known: int = 0
    files: int = 0


Progress = Callable[[SyncResult], None]
"""Callback that receives the totals so far, after each batch."""


def sync(
    source: Store,
    target: Store,
    *,
    after: str | None = None,
    dry_run: bool = False,
    follow: bool = False,
    stop: threading.Event | None = None,
    progress: Progress | None = None,
) -> SyncResult:
    """
    Copy every record of *source* that *target* does not have, files first.

    The URL of *target* is recorded beside *source*, for `forget`. With *after*, a cursor of
    *source*, only records appended since then are read.

    A sync can be interrupted at any time and run again. With *dry_run*, nothing is written. Raises
    `StoreError` if either store fails; records copied before that stay. A record whose file is
    missing or damaged is not copied, and is added to `source.skipped`.

    With *follow*, copy new records of *source* until *stop* is set. A failure is logged and retried
    at growing intervals of at most a minute.
    """
    progress = progress or _silent
    if not follow:
        return _copy(source, after, target, SyncResult(), progress, dry_run=dry_run)
    stop = stop or threading.Event()
    done, mark, pause = SyncResult(), after, _PAUSE
    while not stop.is_set():
        try:
            next_mark = source.cursor()
            done = _copy(source, mark, target, done, progress, dry_run=dry_run)
            mark, pause = next_mark, _PAUSE
        except StoreError:
            logger.exception("The copy to %s waits; trying again in %.0f s", target.location, pause)
            pause = min(2 * pause, _MAX_PAUSE)
        stop.wait(pause)
    return done


def _copy(
    source: Store, after: str | None, target: Store, done: SyncResult, progress: Progress, *,
    dry_run: bool,
) -> SyncResult:  # fmt: skip
    """Copy records of *source* after the cursor *after*; return *done* plus what was copied."""
    files: set[str] = set()  # each counts once, even in a dry run
    lost: set[str] = set()
    for batch in _batches(source.scan(after), target.most_at_once):
        here = target.existing_ids(record.id for record in batch)
        missing = [record for record in batch if record.id not in here]
        missing_files = _missing_files(missing, target)
        if not dry_run:
            remember(source, target)  # first: an interrupted copy is also a copy
            lost = _copy_files(missing_files, source, target)
            missing = [r for r in missing if not any(ref.sha256 in lost for ref in r.files())]
            target.append(missing)
        new_files = {ref.sha256 for ref in missing_files} - files - lost
        files |= new_files
        done = SyncResult(
            copied=done.copied + len(missing),
            known=done.known + len(here),
            files=done.files + len(new_files),
        )
        progress(done)
    return done


@dataclass(frozen=True, kw_only=True, slots=True)
class PendingSync:
    """Records that a target does not have yet: how many, and when the oldest was created."""

    records: int = 0
    oldest: datetime | None = None

    def __str__(self) -> str:
        if self.oldest is None:
            return "No records pending"
        some = "1 record pending" if self.records == 1 else f"{self.records:,} records pending"
        return f"{some} (oldest: {self.oldest.astimezone():%Y-%m-%d %H:%M:%S})"


def waiting_in(
    source: Store, target: Store | None = None, *, after: str | None = None
) -> PendingSync:
    """Count records of *source* after the cursor *after* that *target*, if given, lacks."""
    count, oldest = 0, None
    for batch in _batches(source.scan(after), _MAX_LOOKED_UP):
        here = target.existing_ids(record.id for record in batch) if target else set()
        moments = [record.created_at for record in batch if record.id not in here]
        count += len(moments)
        oldest = min([*moments, *([oldest] if oldest else [])], default=None)
    return PendingSync(records=count, oldest=oldest)


def _batches(records: Iterable[Record], most: int) -> Iterator[list[Record]]:
    """Yield *records* in batches of at most *most*, fewer if their files are large."""
    batch: list[Record] = []
    size = 0
    for record in records:
        record_size = sum(ref.size for ref in record.files())
        if batch and (len(batch) >= most or size + record_size > _MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += record_size
    if batch:
        yield batch


def _silent(done: SyncResult) -> None:
    """Report nothing."""


def _missing_files(records: Iterable[Record], target: Store) -> dict[FileRef, Record]:
    """Return the files of *records* that *target* lacks, each with a record that has it."""
    refs = {ref.sha256: (ref, record) for record in records for ref in record.files()}
    missing = target.files.missing(ref for ref, _ in refs.values())
    return {ref: refs[ref.sha256][1] for ref in missing}


def _copy_files(files: dict[FileRef, Record], source: Store, target: Store) -> set[str]:
    """Copy *files*; skip missing and damaged ones and return their hashes."""
    lost = set()
    for ref, record in files.items():
        try:
            _copy_file(ref, record, source, target)
        except DamagedFileError as error:
            logger.warning("%s", error)
            source.skipped.note(error)
            lost.add(ref.sha256)
    return lost


def copy_files(records: Iterable[Record], source: Store, target: Store) -> None:
    """Copy those files of *records* from *source* that *target* lacks."""
    for ref, record in _missing_files(records, target).items():
        _copy_file(ref, record, source, target)


def _copy_file(ref: FileRef, record: Record, source: Store, target: Store) -> None:
    where = f"{source.location}, id {record.id}"
    require_intact(source.files, ref, where)
    try:
        with source.files.open(ref) as file:
            target.files.put(file, name=ref.name, mime_type=ref.mime_type)
    except FileNotFoundError as error:  # deleted since
        raise damaged_file(ref, where, is_missing=True) from error
