"""
Forget flags: erased in a store and in its copies, with a receipt that tells nothing about anybody.

Each place keeps the ids of what it erased, so that no later copy from elsewhere brings it back.
What is to be erased, and where, is noted beside the stores before anything goes: after a crash the
next `forget` or `doctor` of one of them finishes it in all of them.
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
from flagstone.errors.safe_logs import logger_of
from flagstone.fs.tempdirs import drop_copies_of, has_copies_of, sweep_scratch
from flagstone.operations.replicas import UnreachableStore, copies_of, open_noted, url_of
from flagstone.stores.base import Store, of_flags
from flagstone.stores.erasures import Erasure, Erasures

logger = logger_of(__name__)

_Answer = TypeVar("_Answer")

_TIMEOUT = 10.0
_PAUSE = 0.05
"""Seconds to wait for those who show flags to drop what was erased; how often it is looked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ErasedStore:
    """
    What one place has forgotten: so many flags, and in all so many records, files and bytes.

    A file that another flag needs, too, stays and is not counted. `finished` are the records of
    earlier erasures that were cut off, and are finished now.
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
    The ids of what was forgotten, what that was in each place, and the places that may still have
    it: `unreached` could not be asked, `unfinished` show it to nobody but have it on their medium
    for now. `unknown` are the ids, and the user, that were asked for and that no place knows.
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
        whole = _Places([_Place(store) for store in (*stores, *copies)], unreached)
        parts = [part for store in (*stores, *copies) for part in store.parts]
        places = _Places([_Place(part) for part in parts], whole.lost)
        if not dry_run:
            places.ask(_Place.finish)
        asked = set(flag_ids)
        wanted = set(asked)
        if query is not None:
            # Of whole stores: a folder of several gives flags the names of their apps.
            wanted = wanted.union(*whole.ask(lambda place: place.ids_of(query)))
        flags = set[str]().union(*places.ask(lambda place: place.find(wanted)))
        # With the ids of what was said about them: a copy from elsewhere would bring it back alone.
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
    Finish what was to be erased in *store*, and in others together with it, and was cut off.

    Says of how many records it was; with *dry_run* nothing is done, with *search* all is looked
    through. Raises `UnfinishedErasureError` where something can still be found for now, and what
    opening another store raises.
    """
    orders = _orders_of(store)
    if dry_run:
        begun = sum(len(order.record_ids) for orders in orders for order in orders.pending())
        return begun or store.finish_erasures(search=search, dry_run=True)
    records = 0
    for found in orders:
        carry_out = partial(_carry_out, store=store, noted_in=str(found.folder))
        records += found.finish(carry_out)
    done = store.finish_erasures(search=search)
    sweep_scratch()
    if records or done:
        _drop_copies(store)
    return max(records, done)


def finish_on_open(store: Store) -> None:
    """
    Finish what a `forget` that was cut off noted beside *store*, unless another is at it.

    A failure is logged: it is no reason not to read or keep flags.
    """
    for orders in _orders_of(store):
        if orders:
            try:
                orders.finish(
                    partial(_carry_out, store=store, noted_in=str(orders.folder)), wait=False
                )
            except (FlagstoneError, OSError) as error:
                logger.warning("An erasure in %s is not finished yet: %s", store.location, error)


def damage_of_orders(store: Store) -> list[str]:
    """A sentence for each note beside *store* that does not say any more what is to be erased."""
    return [sentence for orders in _orders_of(store) for sentence in orders.verify()]


def _carry_out(order: Erasure, *, store: Store, noted_in: str) -> None:
    """Erase in *store* what *order*, in the folder *noted_in*, says; and in its other places."""
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
    """Where it is noted what is to be erased in *store*, and in others together with it."""
    found = [store, *(part for part in store.parts if part is not store)]
    notes = dict.fromkeys(one.targets for one in found if one.targets is not None)
    return [Erasures(_order_beside(targets)) for targets in notes]


def _order_beside(targets: Path) -> Path:
    return targets.with_name(f"{targets.name.removesuffix('targets')}forgetting")


@contextmanager
def _noted(
    stores: Iterable[Store], flags: set[str], doomed: Iterable[str], urls: Iterable[str]
) -> Iterator[None]:
    """Have it noted beside *stores* what is to be erased, and in which places, until it is."""
    order = Erasure(flag_ids=frozenset(flags), record_ids=frozenset(doomed), places=frozenset(urls))
    with ExitStack() as noted:
        for store in stores:
            for orders in _orders_of(store)[:1]:
                noted.enter_context(orders.noting(order))
        yield


def _drop_copies(store: Store) -> None:
    """
    Have processes that show flags of *store* drop the copies that they read.

    Raises `UnfinishedErasureError` where one does not.
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
    """A store, and what it has of the flags that are wanted: their records, and own files."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.record_ids: set[str] = set()
        self.no_flags: set[str] = set()  # ids that were asked for, and are of what was said
        self.finished = 0
        self.unfinished: str | None = None
        self._flags = 0
        self._files: list[FileRef] = []

    def finish(self) -> None:
        """Finish what was cut off before."""
        try:
            self.finished = finish_erasures(self.store)
        except UnfinishedErasureError as error:
            self.unfinished = str(error)

    def ids_of(self, query: Query) -> set[str]:
        """The ids of the flags that *query* asks for."""
        return {flag.id for flag in self.store.find(query)}

    def find(self, wanted: set[str]) -> set[str]:
        """The ids of the *wanted* flags that are here."""
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
        """What goes with the records that are *doomed*; with *dry_run*, what would."""
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
    """Places that are asked one thing after the other; those that fail are *lost* from then on."""

    def __init__(self, places: list[_Place], lost: list[UnreachableStore]) -> None:
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
                if place.store.location not in {lost.location for lost in self.lost}:
                    self.lost.append(
                        UnreachableStore(location=place.store.location, reason=str(error))
                    )
        return answers

    def record_ids(self) -> set[str]:
        """The ids of all records that were found."""
        return {record_id for place in self._places for record_id in place.record_ids}

    def urls(self) -> list[str]:
        """The URLs of the places that have some of them."""
        found = [
            (place.store.url, url_of(place.store)) for place in self._places if place.record_ids
        ]
        # One that had a secret, which is not written down, cannot be opened again.
        return [url for url, written in found if url is not None and url == written]

    @property
    def unfinished(self) -> list[UnreachableStore]:
        """The places that have what they erased on their medium for now."""
        return [
            UnreachableStore(location=place.store.location, reason=place.unfinished)
            for place in self._places
            if place.unfinished is not None
        ]

    def has_finished(self) -> bool:
        """Whether an earlier erasure was finished in any."""
        return any(place.finished for place in self._places)


def _unknown(
    places: _Places, ids: Collection[str], query: Query | None, *, found: bool
) -> Iterator[str]:
    """What was asked for and no place knows, now or as erased."""
    if ids:
        erased = places.ask(lambda place: place.store.existing_ids(ids) - place.no_flags)
        yield from sorted(set(ids).difference(*erased))
    if query is None or query.user is None or found or places.has_finished():
        return
    user = Query(user=query.user, limit=1)
    if not any(places.ask(lambda place: place.store.count(user))):
        yield f"user:{query.user}"
