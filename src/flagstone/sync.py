"""
Copy what is missing: `sync` appends to one store what it lacks of another.

A record's id was made with the record, so that to copy again changes nothing: import, backup and
catching up after an outage are this one verb, and each copies exactly once.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from flagstone.durable import hash_of
from flagstone.errors import UnreadableRecordError
from flagstone.record import FileRef, Record
from flagstone.store import Store

_BATCH = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Synced:
    """What a `sync` did: records copied and passed over as known, and files copied."""

    copied: int = 0
    known: int = 0
    files: int = 0


def sync(source: Store, target: Store, *, dry_run: bool = False) -> Synced:
    """
    Append to *target* every record of *source* that it lacks, files first.

    May be cut off at any moment and begun again. With *dry_run* nothing is written. Raises
    `StoreError` where either fails; what was copied before stays.
    """
    copied = known = 0
    files: set[str] = set()
    records = iter(source.scan())
    while batch := list(islice(records, _BATCH)):
        here = target.known(record.id for record in batch)
        missing = [record for record in batch if record.id not in here]
        missing_files = _missing_files(missing, target)
        if not dry_run:
            for ref, record in missing_files.items():
                _copy_file(ref, record, source, target)
            target.append(missing)
        copied += len(missing)
        known += len(here)
        files.update(ref.sha256 for ref in missing_files)
    return Synced(copied=copied, known=known, files=len(files))


def _missing_files(records: Iterable[Record], target: Store) -> dict[FileRef, Record]:
    """The files of *records* that *target* lacks, each content once, and a record that has it."""
    refs = {ref.sha256: (ref, record) for record in records for ref in record.files()}
    return {ref: record for ref, record in refs.values() if not target.files.has(ref)}


def _copy_file(ref: FileRef, record: Record, source: Store, target: Store) -> None:
    where = f"{source.where}, id {record.id}"
    try:
        with source.files.open(ref) as file:
            found = hash_of(file)
        if found == ref.sha256:
            with source.files.open(ref) as file:
                target.files.put(file, name=ref.name, mime_type=ref.mime_type)
    except FileNotFoundError as error:
        reason = f"its file {ref.name!r} is not there"
        raise UnreadableRecordError(where=where, reason=reason) from error
    if found != ref.sha256:
        reason = f"the bytes of its file {ref.name!r} are not those that were kept"
        raise UnreadableRecordError(where=where, reason=reason)
