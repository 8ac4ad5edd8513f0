"""
Examine a store: every record, every file's hash; and clear away what a crash left behind.
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
"""Seconds for which a file that no record refers to may be on its way to one."""

_MAX_NEWER = 1_000
"""Records of a newer version that are told one by one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckReport:
    """
    What a store is found to be: how many records and files it has, and what is wrong.

    `damage` has a sentence for each record or file that is not as it was kept; `swept` the name
    and the bytes of each file that no record refers to. Where a record is damaged, the others are
    not counted. `newer` are the records that this version does not read, since a newer one wrote
    them, or Gradio did, each with the reason: they are kept, and no damage.
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
    Read everything in *store*, finish erasures that were cut off, and remove files that nothing
    refers to, with what killed processes left in the temporary folder.

    Where a record is damaged, files are not examined, as it may need them. No file that may be
    needed is removed where anything is damaged, nor what was put within the last hour, and nothing
    at all with *dry_run*.
    """
    began = time.monotonic()
    finished, unfinished, failed = 0, None, None
    try:
        finished = finish_erasures(store, search=True, dry_run=dry_run)
    except UnfinishedErasureError as error:
        unfinished = str(error)
    except StoreError as error:  # as of a damaged one, which is told below
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
    if not damage and not newer:  # which may need files in a way that is not known here
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
            yield f"{name} is gone. Bring it back from a copy of the store."
        except OSError as error:
            yield f"{name} cannot be read: {error.strerror}."
        else:
            if not is_sound:
                yield f"{name} is not what was kept. Bring it back from a copy of the store."
