"""
Verify every record and file of a store, and clean up after crashes.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from flagstone.core.codec import FileRef
from flagstone.core.records import NewerRecord
from flagstone.errors import StoreError, UnfinishedErasureError
from flagstone.fs.atomic import hash_of
from flagstone.operations.forget import damage_of_orders, finish_erasures
from flagstone.stores.base import Store

_GRACE = 3600.0
"""Seconds for which an unreferenced file may still be waiting for its record."""

_MAX_NEWER = 1_000
"""Records of a newer version that are listed individually."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckReport:
    """
    The result of `check_store`: number of records and files, and what is damaged.

    `damage` has a sentence for each damaged record or file. `swept` maps the name of each
    unreferenced file to its size in bytes. If a record is damaged, `records` and `files` are 0.
    `newer` lists records that this version cannot read because a newer version or Gradio wrote
    them, with the reason. They stay in the store and are not damage. `finished` is the number of
    records in interrupted erasures that are now finished, `unfinished` says why one is not.
    """

    records: int
    files: int
    damage: tuple[str, ...]
    swept: dict[str, int]
    newer: tuple[str, ...] = ()
    finished: int = 0
    unfinished: str | None = None


def check_store(store: Store, *, dry_run: bool = False) -> CheckReport:
    """
    Read everything in *store*, finish interrupted erasures, and remove unreferenced files.

    Also remove what killed processes left in the temporary folder. If a record is damaged, files
    are not checked, because it may refer to them. If anything is damaged or of a newer version,
    no file of the store is removed. Files added within the last hour are not removed either. With
    *dry_run*, nothing is removed.
    """
    began = time.monotonic()
    finished, unfinished, failed = 0, None, None
    try:
        finished = finish_erasures(store, search=True, dry_run=dry_run)
    except UnfinishedErasureError as error:
        unfinished = str(error)
    except StoreError as error:  # such as damage, which is reported below
        failed = str(error)
    finding = partial(CheckReport, finished=finished, unfinished=unfinished)
    damage = [*store.verify(), *damage_of_orders(store)] or [*filter(None, [failed])]
    if damage:
        return finding(records=0, files=0, damage=tuple(damage), swept={})
    records = 0
    needed: dict[str, FileRef] = {}
    newer: list[str] = []
    for record in store.scan():
        records += 1
        if isinstance(record, NewerRecord):
            newer.append(f"{store.location}, id {record.id}: {record.reason}")
        needed.update((ref.sha256, ref) for ref in record.files())
    newer += [f"{where}: {reason}" for where, reason in store.skipped]
    damage += _damaged_files(store, needed)
    swept: dict[str, int] = {}
    if not damage and not newer:  # newer records may refer to files in unknown ways
        age = _GRACE + time.monotonic() - began
        swept = store.files.sweep(needed, age=age, dry_run=dry_run)
    return finding(
        records=records,
        files=len(needed),
        damage=tuple(damage),
        swept=swept,
        newer=tuple(newer[:_MAX_NEWER]),
    )


def _damaged_files(store: Store, needed: dict[str, FileRef]) -> Iterator[str]:
    for sha256, ref in needed.items():
        name = f"The file {ref.name!r} ({sha256[:12]}…) in {store.location}"
        try:
            with store.files.open(ref) as file:
                is_sound = hash_of(file) == sha256
        except FileNotFoundError:
            yield f"{name} is missing. Restore it from a copy of the store."
        except OSError as error:
            yield f"{name} cannot be read: {error.strerror}."
        else:
            if not is_sound:
                yield f"{name} does not match its hash. Restore it from a copy of the store."
