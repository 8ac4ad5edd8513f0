"""
Forget flags: erased in a store and in its copies, with a receipt that tells nothing about anybody.

Each place keeps the ids of what it erased, so that no later copy from elsewhere brings it back.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TypeVar

from flagstone.codec import FileRef
from flagstone.errors import FlagstoneError
from flagstone.query import Query
from flagstone.store import Store, of_flags
from flagstone.targets import Unreached, copies_of

_Answer = TypeVar("_Answer")


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
    """
    The ids of what was forgotten, what that was in each place, and the places that may still have
    it, as they could not be asked.
    """

    flag_ids: tuple[str, ...]
    places: tuple[Forgotten, ...]
    unreached: tuple[Unreached, ...] = ()


def forget(
    stores: Sequence[Store],
    *,
    flag_ids: Iterable[str] = (),
    query: Query | None = None,
    everywhere: bool = False,
    dry_run: bool = False,
) -> Receipt:
    """
    Erase flags in each of *stores*: those with *flag_ids*, and those that *query* finds in any.

    What was said about them and their files go, too. With *everywhere* they go from all that the
    stores were copied to by `sync`, as well. With *dry_run*, tells what that would be.

    A place that fails keeps no other from forgetting: look at the receipt's `unreached`, and do it
    again when they can be reached. To do it again changes nothing, and ends what a failure cut off.
    """
    with ExitStack() as opened:
        copies, unreached = copies_of(stores) if everywhere else ([], [])
        for copy in copies:
            opened.enter_context(copy)
        places = _Places([_Place(store) for store in (*stores, *copies)], unreached)
        wanted = set(flag_ids)
        if query is not None:
            wanted = wanted.union(*places.ask(lambda place: place.ids_of(query)))
        flags = set[str]().union(*places.ask(lambda place: place.find(wanted)))
        # With the ids of what was said about them: a copy from elsewhere would bring it back alone.
        doomed = sorted(places.record_ids())
        forgotten = places.ask(lambda place: place.forget(doomed, dry_run=dry_run))
        return Receipt(
            flag_ids=tuple(sorted(flags)), places=tuple(forgotten), unreached=tuple(places.lost)
        )


class _Place:
    """A store, and what it has of the flags that are wanted: their records, and own files."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.record_ids: set[str] = set()
        self._flags = 0
        self._files: list[FileRef] = []

    def ids_of(self, query: Query) -> set[str]:
        """The ids of the flags that *query* asks for."""
        return {flag.id for flag in self.store.find(query)}

    def find(self, wanted: set[str]) -> set[str]:
        """The ids of the *wanted* flags that are here."""
        self.record_ids, files = of_flags(wanted, self.store.scan())
        flag_ids = self.record_ids & wanted
        self._flags, self._files = len(flag_ids), list(files.values())
        return flag_ids

    def forget(self, doomed: Sequence[str], *, dry_run: bool) -> Forgotten:
        """What goes with the records that are *doomed*; with *dry_run*, what would."""
        files = self._files
        if not dry_run and self.record_ids:
            self.store.erase(doomed)
            files = self.store.files.missing(files)
        return Forgotten(
            where=self.store.where,
            flags=self._flags,
            records=len(self.record_ids),
            files=len(files),
            bytes=sum(ref.size for ref in files),
        )


class _Places:
    """Places that are asked one thing after the other; those that fail are *lost* from then on."""

    def __init__(self, places: list[_Place], lost: list[Unreached]) -> None:
        self._places = places
        self.lost = lost

    def ask(self, question: Callable[[_Place], _Answer]) -> list[_Answer]:
        """The answers of those that have one."""
        answers = []
        for place in list(self._places):
            try:
                answers.append(question(place))
            except FlagstoneError as error:
                self._places.remove(place)
                self.lost.append(Unreached(where=place.store.where, reason=str(error)))
        return answers

    def record_ids(self) -> set[str]:
        """The ids of all records that were found."""
        return {record_id for place in self._places for record_id in place.record_ids}
