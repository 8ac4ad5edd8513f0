"""
Erase flags in a store and its copies, and return a receipt without personal data.

Each store keeps the ids of erased records, so that a later copy does not restore them. The ids and
stores of an erasure are written beside the stores before anything is erased: after a crash, the
next `forget` or `doctor` on one of them finishes the erasure in all of them.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from flagstone.core.codec import FileRef
from flagstone.core.query import Query
from flagstone.core.records import Flag, Record
from flagstone.errors import FlagstoneError, UnfinishedErasureError
from flagstone.fs.tempdirs import drop_copies_of, has_copies_of, sweep_scratch
from flagstone.operations.replicas import UnreachableStore, copies_of, open_noted, url_of
from flagstone.stores.base import Store, of_flags
from flagstone.stores.erasures import Erasure, Erasures, logging_failure

_Answer = TypeVar("_Answer")

_TIMEOUT = 10.0
_PAUSE = 0.05
"""Seconds to wait for other processes to drop erased flags, and between two checks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ErasedStore:
    """
    What was erased in one store: number of flags, and in total of records, files and bytes.

    A file that another flag also needs stays and is not counted. `finished` is the number of
    records of earlier, interrupted erasures that are now finished.
    """

    location: str
    flags: int
    records: int
    files: int
    bytes: int
    finished: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class ErasureReceipt:
    """
    The ids of erased flags, what was erased in each store, and the stores that may still have them.

    Stores in `unreached` could not be reached. Stores in `unfinished` no longer show the flags, but
    still have them on disk for now. `unknown` lists requested ids, and the user, that no store has.
    """

    flag_ids: tuple[str, ...]
    places: tuple[ErasedStore, ...]
    unreached: tuple[UnreachableStore, ...] = ()
    unfinished: tuple[UnreachableStore, ...] = ()
    unknown: tuple[str, ...] = ()


def forget(
    stores: Sequence[Store],
    *,
    flag_ids: Iterable[str] = (),
    query: Query | None = None,
    everywhere: bool = False,
    dry_run: bool = False,
) -> ErasureReceipt:
    """
    Erase flags in each of *stores*: those with *flag_ids*, and those that match *query* in any.

    Their reviews, outcomes and files are erased, too. With *everywhere*, they are also erased in
    all copies that `sync` recorded. With *dry_run*, report what would be erased.

    A store that fails does not stop the others: it is in `unreached` of the receipt. Call `forget`
    again when it can be reached. Repeating it is safe, and finishes an interrupted erasure.
    """
    with ExitStack() as opened:
        copies, unreached = copies_of(stores) if everywhere else ([], [])
        for copy in copies:
            opened.enter_context(copy)
        whole = _Places([_Place(store) for store in (*stores, *copies)], unreached)
        parts = [part for store in (*stores, *copies) for part in store.parts]
        places = _Places([_Place(part) for part in parts], whole.lost)
        if not dry_run:
            places.ask(_Place.finish)
        asked = set(flag_ids)
        wanted = set(asked)
        if query is not None:
            # On whole stores: a combined folder sets the app names of its flags.
            wanted = wanted.union(*whole.ask(lambda place: place.ids_of(query)))
        flags = set[str]().union(*places.ask(lambda place: place.find(wanted)))
        # Including ids of reviews: otherwise a later copy would restore them without their flag.
        doomed = sorted(places.record_ids())
        with ExitStack() as noted:
            if doomed and not dry_run:
                noted.enter_context(_noted(stores, flags, doomed, places.urls()))
            forgotten = places.ask(lambda place: place.forget(doomed, dry_run=dry_run))
        return ErasureReceipt(
            flag_ids=tuple(sorted(flags)),
            places=tuple(forgotten),
            unreached=tuple(places.lost),
            unfinished=tuple(places.unfinished),
            unknown=tuple(_unknown(places, asked - flags, query, found=bool(flags))),
        )


def finish_erasures(store: Store, *, search: bool = False, dry_run: bool = False) -> int:
    """
    Finish interrupted erasures in *store*, and in the other stores of the same erasure.

    Return the number of their records. With *dry_run*, only count them. With *search*, read the
    whole store for leftovers. Raises `UnfinishedErasureError` if erased data can still be found on
    disk, and the errors of opening another store.
    """
    orders = _orders_of(store)
    if dry_run:
        begun = sum(len(order.record_ids) for orders in orders for order in orders.pending())
        return begun or store.finish_erasures(search=search, dry_run=True)
    records = sum(_finish(found, store) for found in orders)
    done = store.finish_erasures(search=search)
    sweep_scratch()
    if done:
        _drop_copies(store)
    return max(records, done)


def finish_on_open(store: Store) -> None:
    """
    Finish an interrupted `forget` of *store*, unless another process is doing so.

    A failure is only logged, so that flags can still be read and saved.
    """
    for orders in filter(None, _orders_of(store)):
        with logging_failure(store.location):
            _finish(orders, store, wait=False)


def _finish(orders: Erasures, store: Store, *, wait: bool = True) -> int:
    """Finish *orders*, in *store* and the other stores; return the number of their records."""
    carry_out = partial(_carry_out, store=store, noted_in=str(orders.folder))
    return orders.finish(carry_out, wait=wait)


def damage_of_orders(store: Store) -> list[str]:
    """Return a sentence for each damaged erasure file beside *store*."""
    return [sentence for orders in _orders_of(store) for sentence in orders.verify()]


def _carry_out(order: Erasure, *, store: Store, noted_in: str) -> None:
    """Erase the records of *order*, from the folder *noted_in*, in *store* and its other stores."""
    errors: list[UnfinishedErasureError] = []
    for url in sorted(order.places - {url_of(store)}):
        try:
            with open_noted(url, noted_in=noted_in) as other:
                other.erase(order.record_ids)
                _drop_copies(other)
        except UnfinishedErasureError as error:
            errors.append(error)
        except FlagstoneError as error:
            errors.append(UnfinishedErasureError(where=url, reason=str(error).rstrip(".")))
    store.erase(order.record_ids)
    _drop_copies(store)
    if errors:
        raise errors[0]


def _orders_of(store: Store) -> list[Erasures]:
    """Return the pending erasures recorded beside *store* and its parts."""
    found = [store, *(part for part in store.parts if part is not store)]
    notes = dict.fromkeys(one.targets for one in found if one.targets is not None)
    return [Erasures(_order_beside(targets)) for targets in notes]


def _order_beside(targets: Path) -> Path:
    return targets.with_name(f"{targets.name.removesuffix('targets')}forgetting")


@contextmanager
def _noted(
    stores: Iterable[Store], flags: set[str], doomed: Iterable[str], urls: Iterable[str]
) -> Iterator[None]:
    """Record the erasure beside *stores* until the block ends."""
    order = Erasure(flag_ids=frozenset(flags), record_ids=frozenset(doomed), places=frozenset(urls))
    with ExitStack() as noted:
        for store in stores:
            for orders in _orders_of(store)[:1]:
                noted.enter_context(orders.noting(order))
        yield


def _drop_copies(store: Store) -> None:
    """
    Make processes that show flags of *store* drop their copies.

    Raises `UnfinishedErasureError` if one does not.
    """
    urls = [one.url for one in (store, *store.parts) if one.url is not None]
    drop_copies_of(urls)
    deadline = time.monotonic() + _TIMEOUT
    while has_copies_of(urls):
        if time.monotonic() > deadline:
            reason = "a program that shows its flags still has a copy in the temporary folder"
            raise UnfinishedErasureError(where=store.location, reason=reason)
        time.sleep(_PAUSE)


class _Place:
    """A store, with the records and files of the flags to erase."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.record_ids: set[str] = set()
        self.no_flags: set[str] = set()  # requested ids that belong to reviews or outcomes
        self.finished = 0
        self.unfinished: str | None = None
        self._flags = 0
        self._files: list[FileRef] = []

    def finish(self) -> None:
        """Finish earlier, interrupted erasures."""
        try:
            self.finished = finish_erasures(self.store)
        except UnfinishedErasureError as error:
            self.unfinished = str(error)

    def ids_of(self, query: Query) -> set[str]:
        """Return the ids of flags that match *query*."""
        return {flag.id for flag in self.store.find(query)}

    def find(self, wanted: set[str]) -> set[str]:
        """Return the ids of *wanted* flags that this store has."""
        self.record_ids, files = of_flags(wanted, self._noting(wanted))
        flag_ids = (self.record_ids & wanted) - self.no_flags
        self._flags, self._files = len(flag_ids), list(files.values())
        return flag_ids

    def _noting(self, wanted: set[str]) -> Iterator[Record]:
        for record in self.store.scan():
            if record.id in wanted and not isinstance(record, Flag):
                self.no_flags.add(record.id)
            yield record

    def forget(self, doomed: Sequence[str], *, dry_run: bool) -> ErasedStore:
        """Erase the *doomed* records; with *dry_run*, only report."""
        files = self._files
        if not dry_run and self.record_ids:
            try:
                self.store.erase(doomed)
                _drop_copies(self.store)
                self.unfinished = None
            except UnfinishedErasureError as error:
                self.unfinished = str(error)
            files = self.store.files.missing(files)
        return ErasedStore(
            location=self.store.location,
            flags=self._flags,
            records=len(self.record_ids),
            files=len(files),
            bytes=sum(ref.size for ref in files),
            finished=self.finished,
        )


class _Places:
    """The stores of one `forget`; a store that fails moves to *lost*."""

    def __init__(self, places: list[_Place], lost: list[UnreachableStore]) -> None:
        self._places = places
        self.lost = lost

    def ask(self, question: Callable[[_Place], _Answer]) -> list[_Answer]:
        """Return the answers of all stores that do not fail."""
        answers = []
        for place in list(self._places):
            try:
                answers.append(question(place))
            except FlagstoneError as error:
                self._places.remove(place)
                if place.store.location not in {lost.location for lost in self.lost}:
                    self.lost.append(
                        UnreachableStore(location=place.store.location, reason=str(error))
                    )
        return answers

    def record_ids(self) -> set[str]:
        """Return the ids of all records found."""
        return {record_id for place in self._places for record_id in place.record_ids}

    def urls(self) -> list[str]:
        """Return the URLs of the stores that have some of them."""
        found = [
            (place.store.url, url_of(place.store)) for place in self._places if place.record_ids
        ]
        # A URL with a masked secret is left out: it cannot be opened again.
        return [url for url, written in found if url is not None and url == written]

    @property
    def unfinished(self) -> list[UnreachableStore]:
        """The stores that still have erased data on disk."""
        return [
            UnreachableStore(location=place.store.location, reason=place.unfinished)
            for place in self._places
            if place.unfinished is not None
        ]

    def has_finished(self) -> bool:
        """Return whether any store finished an earlier erasure."""
        return any(place.finished for place in self._places)


def _unknown(
    places: _Places, ids: Collection[str], query: Query | None, *, found: bool
) -> Iterator[str]:
    """Yield requested ids, and the user, that no store has or has erased."""
    if ids:
        erased = places.ask(lambda place: place.store.existing_ids(ids) - place.no_flags)
        yield from sorted(set(ids).difference(*erased))
    if query is None or query.user is None or found or places.has_finished():
        return
    user = Query(user=query.user, limit=1)
    if not any(places.ask(lambda place: place.store.count(user))):
        yield f"user:{query.user}"
