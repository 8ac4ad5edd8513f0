"""
The interface of every store: an append-only log of records.

A store implements five methods and provides `files`. Everything else is built on them here and
overridden only for speed. `flagstone.testing.StoreTests` tests this specification.
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

    Thread-safe and, if the data outlives the process, safe for several processes. `location` is
    the name shown to users. Use the store as a context manager, or call `close`.
    """

    location: str
    files: Files

    @cached_property
    def skipped(self) -> SkippedPlaces:
        """The records skipped by reads since the store was opened."""
        return SkippedPlaces()

    most_at_once = 500
    """Batch size for `append` when many records are copied."""

    @abstractmethod
    def append(self, records: Iterable[Record]) -> None:
        """
        Save *records*, all or none. They are on the medium when this returns.

        A record whose id is already stored, or was erased, is skipped. Raises `StoreError` if the
        medium fails, `RejectedFlagError` for a record that cannot be saved exactly and
        `MissingFileError` if a file was not stored first with `files.put`. On an error, nothing
        is saved.
        """

    @abstractmethod
    def scan(self, after: str | None = None) -> Iterator[Record]:
        """
        Yield all records in store order or, with *after*, those appended since that `cursor`.

        Some records from before the cursor may be repeated; none after it are missed. A damaged
        record is skipped and recorded in `skipped`. A record written by a newer version is yielded
        as a `NewerRecord`.
        """

    @abstractmethod
    def cursor(self) -> str:
        """Return an opaque cursor for `scan(after=…)` of this store; it survives a restart."""

    @abstractmethod
    def erase(self, flag_ids: Iterable[str]) -> None:
        """
        Delete these flags, their reviews and outcomes, and the files that nothing else needs.

        The data is removed from the medium. Unknown ids are skipped. The id of an erased flag
        stays stored, so that a later copy cannot bring the flag back. The plan is saved first: an
        interrupted erasure is finished by the next `append`, `erase` or `finish_erasures`.

        Raises `UnfinishedErasureError` if some data can still be found for now.
        """

    def replace(self, flags: Iterable[Flag]) -> None:  # noqa: ARG002 - optional
        """
        Replace each stored flag that has the id of one of *flags*; everything else is unchanged.

        Used when an imported log can now be read more accurately: ids, reviews and outcomes stay
        valid. Ids that are not stored, or were erased, are skipped. `scan(after=…)` does not have
        to yield replaced flags. Raises `StoreError` if the store does not support it.
        """
        raise StoreError(
            doing="correct flags in", where=self.location, reason="this kind of store only appends"
        )

    @abstractmethod
    def close(self) -> None:
        """Release open resources. Nothing is left to be written: `append` does not buffer."""

    @property
    def url(self) -> str | None:
        """The URL with which `open_store` opens this store from any directory, or None."""
        return None

    @property
    def targets(self) -> Path | None:
        """The file next to the store that lists its copies, or None if it cannot have one."""
        return None

    @property
    def parts(self) -> "tuple[Store, ...]":
        """The stores it consists of, each with its own copies; a single store returns itself."""
        return (self,)

    def exists(self) -> bool:
        """Whether anything was ever saved here, as far as the store knows; creates nothing."""
        return True

    def generation(self) -> str:
        """
        Return a token that changes whenever records are erased, by any process.

        Compare only tokens of the same object. "" if the store cannot detect erasures.
        """
        return ""

    def finish_erasures(self, *, search: bool = False, dry_run: bool = False) -> int:  # noqa: ARG002 - most have nothing to finish
        """
        Finish interrupted erasures; return the number of records they cover.

        With *search*, also search the whole store for remains of erased records. With *dry_run*,
        change nothing. Raises `UnfinishedErasureError` as `erase` does.
        """
        return 0

    def existing_ids(self, ids: Iterable[str]) -> set[str]:
        """Return those of *ids* that are stored or, as far as the store knows, were erased."""
        wanted = set(ids)
        return {record.id for record in self.scan() if record.id in wanted}

    def verify(self) -> Iterator[str]:
        """Yield one sentence for each problem with the records; nothing for an intact store."""
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
        """Return the flag with this id. Raises `UnknownFlagError`."""
        return self.state(flag_id).flag

    def state(self, flag_id: str) -> State:
        """Return the state of the flag with this id. Raises `UnknownFlagError`."""
        for state in self.states([flag_id]).values():
            return state
        raise UnknownFlagError(flag_id=flag_id, where=self.location)

    def states(self, flag_ids: Iterable[str]) -> dict[str, State]:
        """Return the states of the flags with these ids, by id; unknown ids are skipped."""
        wanted = set(flag_ids)
        return {state.flag.id: state for state in self._states() if state.flag.id in wanted}

    def count_by_fingerprint(self, fingerprints: Iterable[str]) -> Counter[str]:
        """Return the number of flags with each of these fingerprints."""
        wanted = set(fingerprints)
        records = self._readable(self.scan())
        found = (record.fingerprint for record in records if isinstance(record, Flag))
        return Counter(fingerprint for fingerprint in found if fingerprint in wanted)

    def find(self, query: Query | None = None) -> Iterator[Flag]:
        """Yield the flags that match *query*, in its order."""
        return select(self._states(), query or Query())

    def count(self, query: Query | None = None) -> int:
        """Return the number of flags that match *query*, at most its `limit`."""
        return sum(1 for _ in self.find(query))

    def facets(self, query: Query | None = None) -> dict[str, Counter[str | None]]:
        """Count the flags that match *query* by each of `FACETS`; limit and after are ignored."""
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
        Count flags by each pair of properties in *pairs*, such as ("day", "app").

        The properties are day (in UTC, ISO 8601), app, option, user, verdict and model.
        """
        counters: list[Counter[Pair]] = [Counter() for _ in pairs]
        for state in self._states_asked(query):
            for counter, (one, other) in zip(counters, pairs, strict=True):
                counter[SAID[one](state), SAID[other](state)] += 1
        return counters

    def reviewed(self, query: Query) -> Iterator[State]:
        """Yield the states of flags that have a review or a correction, in any order."""
        for state in self._states_asked(query):
            if state.reviews or state.flag.correction:
                yield state

    def _states(self) -> Iterator[State]:
        return build_states(self._readable(self.scan()))

    def _readable(self, records: Iterable[Record]) -> Iterator[Flag | Review | Outcome]:
        """Yield those of *records* that this version can read; the others go to `skipped`."""
        return self.skipped.readable(records, self.location)

    def _parse(self, text: str | bytes, where: str) -> Record | None:
        """Parse the record *text*, stored at *where*; None, added to `skipped`, if damaged."""
        try:
            return record_from_json(text, where=where, files=self.files)
        except UnreadableRecordError as error:
            self.skipped.note(error)
            return None

    def _states_asked(self, query: Query) -> Iterator[State]:
        """Yield the states that match *query*. Reads twice, so only reviews are held in memory."""
        about: dict[str, list[Record]] = defaultdict(list)
        for record in self._readable(self.scan()):
            if isinstance(record, Review):
                about[record.flag_id].append(record)
        for each in self.scan():
            if isinstance(each, Flag):
                yield from filter(query.matches, build_states([each, *about.get(each.id, ())]))


class StoreWrapper(Store):
    """A store that delegates to another one; subclass it to change a few methods."""

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
    """A store for frequent reads, which has to be prepared first."""

    @abstractmethod
    def prepare(self, progress: Callable[[int], None] | None = None) -> None:
        """Prepare the store; *progress* is called with the number of records read so far."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether it can answer immediately; does not wait for a running `prepare`."""


def flag_id_of(record: Record) -> str:
    """Return the id of the flag that *record* is or refers to."""
    return record.id if isinstance(record, Flag) else record.flag_id


def of_flags(
    flag_ids: Iterable[str], records: Iterable[Record]
) -> tuple[set[str], dict[str, FileRef]]:
    """
    Return the ids of those of *records* that are these flags or refer to them, and, by hash, the
    files that no other record needs.
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
