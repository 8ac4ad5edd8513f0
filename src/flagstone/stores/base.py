"""
The interface of every store: an append-only log of records.

A store gives five methods and a place for files; all else is built on them here, and overridden
only for speed. `flagstone.testing.StoreTests` is this specification as tests.
"""

from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Self

from flagstone.core.codec import FileRef
from flagstone.core.query import FACETS, SAID, Pair, Query, State, build_states, select
from flagstone.core.records import Flag, Outcome, Record, Review, record_from_json
from flagstone.errors import (
    MissingFileError,
    StoreError,
    UnknownFlagError,
    UnreadableRecordError,
)
from flagstone.stores.files import Files
from flagstone.stores.skipped import SkippedPlaces


class Store(ABC):
    """
    An append-only log of records, and their files.

    Safe for many threads and, where the medium outlives the process, for many processes.
    `where` names the place for people. Use it as a context manager, or call `close`.
    """

    location: str
    files: Files

    @cached_property
    def skipped(self) -> SkippedPlaces:
        """What those who read here passed over, since it was opened."""
        return SkippedPlaces()

    most_at_once = 500
    """As many records are worth one `append` where many are to be copied."""

    @abstractmethod
    def append(self, records: Iterable[Record]) -> None:
        """
        Keep *records*, all or none; when it returns they are on the medium.

        A record whose id is known, or was erased, is passed over. Raises `StoreError` when the
        medium fails, `RejectedFlagError` for a record that cannot be kept exactly and
        `MissingFileError` for one whose file was not put before; then nothing was kept.
        """

    @abstractmethod
    def scan(self, after: str | None = None) -> Iterator[Record]:
        """
        All records in the order of the store; with *after*, those appended since that `mark`.

        Some from before the mark may come again, none from after it is missed. What is damaged is
        passed over, and noted in `skipped`; what a newer version wrote is a `NewerRecord`.
        """

    @abstractmethod
    def cursor(self) -> str:
        """A word for "all up to now", for `scan(after=…)` of this store, also after a restart."""

    @abstractmethod
    def erase(self, flag_ids: Iterable[str]) -> None:
        """
        Delete these flags with their reviews, outcomes and the files that nothing else needs.

        The data is gone from the medium. Unknown ids are passed over; an erased one stays known,
        so that no later copy brings it back. What has to go is written down first, so that an
        erasure that was cut off is finished by the next `append`, `erase` or `finish_erasures`.

        Raises `UnfinishedErasureError` where something can still be found for now.
        """

    def replace(self, flags: Iterable[Flag]) -> None:  # noqa: ARG002 - a store may not have it
        """
        Put each of *flags* in place of the one here that has its id; all else stays.

        For what was read from a log of others, and is read better now: ids, reviews and outcomes
        stay valid. Ids that are not here, or were erased, are passed over. Those who follow with
        `scan(after=…)` need not see it. Raises `StoreError` where the store cannot.
        """
        raise StoreError(
            doing="correct flags in", where=self.location, reason="such a store only appends"
        )

    @abstractmethod
    def close(self) -> None:
        """Let go of what is held open. Nothing waits to be written: `append` did that."""

    @property
    def url(self) -> str | None:
        """What `open_store` opens this place by, from any directory; None where nothing does."""
        return None

    @property
    def targets(self) -> Path | None:
        """The file beside it that notes where it is copied to; None where nothing lies beside."""
        return None

    @property
    def parts(self) -> "tuple[Store, ...]":
        """The stores that it is made of, each with copies of its own; itself where it is one."""
        return (self,)

    def exists(self) -> bool:
        """Whether anything was ever kept here, as far as the store can tell; makes nothing."""
        return True

    def generation(self) -> str:
        """
        A word that stays while records are only appended, and is another once some were erased,
        by anybody. This object's word says nothing to another one. "" where the store cannot tell.
        """
        return ""

    def finish_erasures(self, *, search: bool = False, dry_run: bool = False) -> int:  # noqa: ARG002 - most have nothing to finish
        """
        Finish erasures that were cut off: of how many records they are.

        With *search* everything is looked through for what an erasure may have left. With *dry_run*
        nothing is done. Raises `UnfinishedErasureError` as `erase` does.
        """
        return 0

    def existing_ids(self, ids: Iterable[str]) -> set[str]:
        """Those of *ids* that are here, and as far as the store can tell those erased here."""
        wanted = set(ids)
        return {record.id for record in self.scan() if record.id in wanted}

    def verify(self) -> Iterator[str]:
        """A sentence for everything that is wrong with the records; nothing for a sound store."""
        before = self.skipped
        self.skipped = SkippedPlaces()
        try:
            for _ in self.scan():
                pass
            for where, reason in self.skipped:
                yield str(UnreadableRecordError(where=where, reason=reason))
        finally:
            self.skipped = before

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def get(self, flag_id: str) -> Flag:
        """The flag with this id. Raises `UnknownFlagError`."""
        return self.state(flag_id).flag

    def state(self, flag_id: str) -> State:
        """Where the flag with this id stands. Raises `UnknownFlagError`."""
        for state in self.states([flag_id]).values():
            return state
        raise UnknownFlagError(flag_id=flag_id, where=self.location)

    def states(self, flag_ids: Iterable[str]) -> dict[str, State]:
        """Where the flags with these ids stand, by id; unknown ids are passed over."""
        wanted = set(flag_ids)
        return {state.flag.id: state for state in self._states() if state.flag.id in wanted}

    def count_by_fingerprint(self, fingerprints: Iterable[str]) -> Counter[str]:
        """How many flags have each of these fingerprints."""
        wanted = set(fingerprints)
        records = self._readable(self.scan())
        found = (record.fingerprint for record in records if isinstance(record, Flag))
        return Counter(fingerprint for fingerprint in found if fingerprint in wanted)

    def find(self, query: Query | None = None) -> Iterator[Flag]:
        """The flags that *query* asks for, in its order."""
        return select(self._states(), query or Query())

    def count(self, query: Query | None = None) -> int:
        """How many flags *query* asks for; `limit` counts too."""
        return sum(1 for _ in self.find(query))

    def facets(self, query: Query | None = None) -> dict[str, Counter[str | None]]:
        """How the flags that *query* asks for divide by each of `FACETS`."""
        facets: dict[str, Counter[str | None]] = defaultdict(Counter)
        query = replace(query or Query(), limit=None, after=None)
        for state in self._states():
            if query.matches(state):
                for name in FACETS:
                    said = state.tags if name == "tag" else [SAID[name](state)]
                    facets[name].update(said)
        return dict(facets)

    def crosstab(self, query: Query, *pairs: tuple[str, str]) -> list[Counter[Pair]]:
        """
        For each of *pairs*, how many flags have which two values: ("day", "app").

        There are day (in UTC, ISO 8601), app, option, user, verdict and model.
        """
        counters: list[Counter[Pair]] = [Counter() for _ in pairs]
        for state in self._states_asked(query):
            for counter, (one, other) in zip(counters, pairs, strict=True):
                counter[SAID[one](state), SAID[other](state)] += 1
        return counters

    def reviewed(self, query: Query) -> Iterator[State]:
        """The states of those flags that were reviewed or came with a correction, in any order."""
        for state in self._states_asked(query):
            if state.reviews or state.flag.correction:
                yield state

    def _states(self) -> Iterator[State]:
        return build_states(self._readable(self.scan()))

    def _readable(self, records: Iterable[Record]) -> Iterator[Flag | Review | Outcome]:
        """Those of *records* that this version reads; the others are noted as passed over."""
        return self.skipped.readable(records, self.location)

    def _parse(self, text: str | bytes, where: str) -> Record | None:
        """The record *text*, which stands at *where*; None, and noted, where it is damaged."""
        try:
            return record_from_json(text, where=where, files=self.files)
        except UnreadableRecordError as error:
            self.skipped.note(error)
            return None

    def _states_asked(self, query: Query) -> Iterator[State]:
        """In two passes, of which only what was said about flags is held in memory."""
        about: dict[str, list[Record]] = defaultdict(list)
        for record in self._readable(self.scan()):
            if isinstance(record, Review):
                about[record.flag_id].append(record)
        for each in self.scan():
            if isinstance(each, Flag):
                yield from filter(query.matches, build_states([each, *about.get(each.id, ())]))


class StoreWrapper(Store):
    """A store that hands everything to the store within; wrap one to change a method or two."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.location = store.location
        self.files = store.files
        self.skipped = store.skipped

    @property
    def url(self) -> str | None:
        return self.store.url

    @property
    def targets(self) -> Path | None:
        return self.store.targets

    @property
    def parts(self) -> tuple[Store, ...]:
        return self.store.parts

    def exists(self) -> bool:
        return self.store.exists()

    def append(self, records: Iterable[Record]) -> None:
        self.store.append(records)

    def scan(self, after: str | None = None) -> Iterator[Record]:
        return self.store.scan(after)

    def cursor(self) -> str:
        return self.store.cursor()

    def erase(self, flag_ids: Iterable[str]) -> None:
        self.store.erase(flag_ids)

    def finish_erasures(self, *, search: bool = False, dry_run: bool = False) -> int:
        return self.store.finish_erasures(search=search, dry_run=dry_run)

    def replace(self, flags: Iterable[Flag]) -> None:
        self.store.replace(flags)

    def close(self) -> None:
        self.store.close()

    def generation(self) -> str:
        return self.store.generation()

    def existing_ids(self, ids: Iterable[str]) -> set[str]:
        return self.store.existing_ids(ids)

    def verify(self) -> Iterator[str]:
        return self.store.verify()

    def states(self, flag_ids: Iterable[str]) -> dict[str, State]:
        return self.store.states(flag_ids)

    def count_by_fingerprint(self, fingerprints: Iterable[str]) -> Counter[str]:
        return self.store.count_by_fingerprint(fingerprints)

    def find(self, query: Query | None = None) -> Iterator[Flag]:
        return self.store.find(query)

    def count(self, query: Query | None = None) -> int:
        return self.store.count(query)

    def facets(self, query: Query | None = None) -> dict[str, Counter[str | None]]:
        return self.store.facets(query)

    def crosstab(self, query: Query, *pairs: tuple[str, str]) -> list[Counter[Pair]]:
        return self.store.crosstab(query, *pairs)

    def reviewed(self, query: Query) -> Iterator[State]:
        return self.store.reviewed(query)


class PreparedStore(StoreWrapper):
    """A store for those who read much, which has to make itself ready for it."""

    @abstractmethod
    def prepare(self, progress: Callable[[int], None] | None = None) -> None:
        """Make ready; *progress* is called with the number of records read so far."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether it would answer at once; does not wait for a `prepare` that is under way."""


def flag_id_of(record: Record) -> str:
    """The id of the flag that *record* is, or is about."""
    return record.id if isinstance(record, Flag) else record.flag_id


def of_flags(
    flag_ids: Iterable[str], records: Iterable[Record]
) -> tuple[set[str], dict[str, FileRef]]:
    """
    The ids of those of *records* that are these flags or about them, and, by hash, the files that
    no other record needs.
    """
    wanted = set(flag_ids)
    ids: set[str] = set()
    theirs: dict[str, FileRef] = {}
    others: set[str] = set()
    for record in records:
        files = {ref.sha256: ref for ref in record.files()}
        if flag_id_of(record) in wanted:
            ids.add(record.id)
            theirs |= files
        else:
            others |= files.keys()
    return ids, {sha256: ref for sha256, ref in theirs.items() if sha256 not in others}


def require_files(records: Iterable[Record], files: Files, where: str) -> None:
    """Raise `MissingFileError` unless the bytes of every file of *records* are in *files*."""
    for record in records:
        for ref in record.files():
            if not files.has(ref):
                raise MissingFileError(
                    where=where, record=record.id, name=ref.name, sha256=ref.sha256
                )
