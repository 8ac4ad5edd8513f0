"""
Forget flags: erased in a store and in its copies, with a receipt that tells nothing about anybody.

Each place keeps the ids of what it erased, so that no later copy from elsewhere brings it back.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flagstone.store import Query, Store, of_flags


@dataclass(frozen=True, kw_only=True, slots=True)
class Forgotten:
    """
    What one place has forgotten: so many flags, and in all so many records, files and bytes.

    A file that another flag needs, too, stays and is not counted.
    """

    where: str
    flags: int
    records: int
    files: int
    bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """The ids of what was forgotten, and what that was in each place."""

    flag_ids: tuple[str, ...]
    places: tuple[Forgotten, ...]


def forget(
    stores: Sequence[Store],
    *,
    flag_ids: Iterable[str] = (),
    query: Query | None = None,
    dry_run: bool = False,
) -> Receipt:
    """
    Erase flags in each of *stores*: those with *flag_ids*, and those that *query* finds in any.

    What was said about them and their files go, too. With *dry_run*, tells what that would be. To
    do it again changes nothing, and ends what a failure cut off. Raises `StoreError` where a place
    fails; those before it have forgotten.
    """
    wanted = set(flag_ids)
    for store in stores if query is not None else ():
        wanted |= {flag.id for flag in store.find(query)}
    found = [_Found(store, wanted) for store in stores]
    # With the ids of what was said about them: a copy from elsewhere would bring it back alone.
    doomed = sorted({record_id for each in found for record_id in each.record_ids})
    places = tuple(each.forgotten(doomed, dry_run=dry_run) for each in found)
    flags = sorted({flag_id for each in found for flag_id in each.flag_ids})
    return Receipt(flag_ids=tuple(flags), places=places)


class _Found:
    """What *store* has of the flags that are wanted: their records, and files of their own."""

    def __init__(self, store: Store, wanted: set[str]) -> None:
        self._store = store
        self.record_ids, files = of_flags(wanted, store.scan())
        self.flag_ids = self.record_ids & wanted
        self._files = list(files.values())

    def forgotten(self, doomed: Sequence[str], *, dry_run: bool) -> Forgotten:
        """What goes with the records that are *doomed*; with *dry_run*, what would."""
        files = self._files
        if not dry_run and self.record_ids:
            self._store.erase(doomed)
            files = self._store.files.missing(files)
        return Forgotten(
            where=self._store.where,
            flags=len(self.flag_ids),
            records=len(self.record_ids),
            files=len(files),
            bytes=sum(ref.size for ref in files),
        )
