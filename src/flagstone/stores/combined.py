"""
The stores in one folder, such as those of a demo with tabs, as one store.

Reads and erasures apply to all of them. A new flag goes to the first one; a review or an outcome
goes to the store that has its flag, so that each store is complete on its own.
"""

import json
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from flagstone.core.codec import FileRef
from flagstone.core.records import Flag, Record
from flagstone.errors import FlagstoneError, StoreError, UnfinishedErasureError
from flagstone.stores.base import Store, flag_id_of
from flagstone.stores.files import Files

_UUID7 = "7"


class CombinedStore(Store):
    """
    The store *main* combined with *parts*, in the folder *where*.

    The key of a part is its kind, a colon, and its path below that folder.

    A flag without an app, as in Gradio's own logs, gets the name of its folder as its app. A
    record in several stores is read once.
    """

    def __init__(self, where: Path, main: Store, parts: Mapping[str, Store]) -> None:
        self.location = str(where)
        self._main = main
        self._parts = dict(parts)
        for store in self.parts:
            store.skipped = self.skipped
        self.files: Files = CombinedFiles(main.files, [store.files for store in parts.values()])

    @property
    def url(self) -> str:
        return str(Path(self.location).resolve())

    @property
    def targets(self) -> Path | None:
        return self._main.targets

    @property
    def parts(self) -> tuple[Store, ...]:
        return (self._main, *self._parts.values())

    def exists(self) -> bool:
        return any(store.exists() for store in self.parts)

    def append(self, records: Iterable[Record]) -> None:
        records = list(records)
        elsewhere: set[str] = set()
        for store in self._parts.values():
            elsewhere |= store.existing_ids(record.id for record in records)
        new = [record for record in records if record.id not in elsewhere]
        for store, theirs in self._divide(new):
            self._copy_files(theirs, store)
            store.append(theirs)

    def _divide(self, records: list[Record]) -> list[tuple[Store, list[Record]]]:
        """Return which of *records* go to which store: those about a flag go to its store."""
        about = {flag_id_of(record) for record in records if not isinstance(record, Flag)}
        homes: dict[str, Store] = {}
        for store in self._parts.values() if about else ():
            homes |= dict.fromkeys(_flags_in(store, about), store)
        return [
            (store, theirs)
            for store in self.parts
            if (theirs := [r for r in records if _home_of(r, homes, self._main) is store])
        ]

    def scan(self, after: str | None = None) -> Iterator[Record]:
        marks = json.loads(after) if after else {}
        seen: set[str] = set()
        for name, store in self._named():
            app = name.partition(":")[2].rpartition("/")[2]
            for record in self._readable_of(store, marks.get(name)):
                if record.id not in seen:
                    seen.add(record.id)
                    if isinstance(record, Flag) and app and not record.app:
                        yield replace(record, app=app)
                    else:
                        yield record

    def _readable_of(self, store: Store, after: str | None) -> Iterator[Record]:
        """Yield the records of *store*; if it fails, the other stores are still read."""
        try:
            yield from store.scan(after)
        except StoreError as error:
            self.skipped.add(store.location, error.reason)

    def cursor(self) -> str:
        return json.dumps({name: store.cursor() for name, store in self._named()})

    def erase(self, flag_ids: Iterable[str]) -> None:
        flag_ids = list(flag_ids)
        self._in_each(lambda store: store.erase(flag_ids))

    def finish_erasures(self, *, search: bool = False, dry_run: bool = False) -> int:
        done = self._in_each(lambda store: store.finish_erasures(search=search, dry_run=dry_run))
        return sum(done)

    def replace(self, flags: Iterable[Flag]) -> None:
        new = {flag.id: flag for flag in flags}
        for store in self.parts:
            if theirs := [new[flag_id] for flag_id in store.existing_ids(new)]:
                self._copy_files(theirs, store)
                store.replace(theirs)

    def generation(self) -> str:
        editions = [store.generation() for store in self.parts]
        return json.dumps(editions) if all(editions) else ""

    def existing_ids(self, ids: Iterable[str]) -> set[str]:
        ids = set(ids)
        return set[str]().union(*(store.existing_ids(ids) for store in self.parts))

    def verify(self) -> Iterator[str]:
        for store in self.parts:
            yield from store.verify()

    def close(self) -> None:
        for store in self.parts:
            store.close()

    def _named(self) -> list[tuple[str, Store]]:
        return [*self._parts.items(), ("", self._main)]

    def _in_each(self, do: Callable[[Store], int | None]) -> list[int]:
        """Call *do* for each store, even if it fails for some, then raise the worst error."""
        done, errors = [], []
        for store in self.parts:
            try:
                done.append(do(store) or 0)
            except FlagstoneError as error:
                errors.append(error)
        for worst in sorted(errors, key=lambda each: isinstance(each, UnfinishedErasureError)):
            raise worst  # an erasure that failed is worse than an unfinished one
        return done

    def _copy_files(self, records: Iterable[Record], to: Store) -> None:
        """Copy to *to* the files of *records* that only another store has."""
        for record in records:
            for ref in record.files():
                if not to.files.has(ref):
                    with suppress(FileNotFoundError), self.files.open(ref) as file:
                        to.files.put(file, name=ref.name, mime_type=ref.mime_type)


def _home_of(record: Record, homes: Mapping[str, Store], main: Store) -> Store:
    return main if isinstance(record, Flag) else homes.get(record.flag_id, main)


def _flags_in(store: Store, ids: set[str]) -> set[str]:
    """Return those of *ids* that are in *store*."""
    found = store.existing_ids(ids)
    # The ids of rows that Gradio wrote are computed from the rows.
    rest = {record_id for record_id in ids - found if record_id[14:15] != _UUID7}
    return found | (Store.existing_ids(store, rest) if rest else set())


class CombinedFiles(Files):
    """The files *main*, and *others*, which are read but not added to."""

    def __init__(self, main: Files, others: list[Files]) -> None:
        self._main = main
        self._all = [main, *others]

    def put(self, source: Path | BinaryIO, *, name: str, mime_type: str | None = None) -> FileRef:
        return self._main.put(source, name=name, mime_type=mime_type)

    def open(self, ref: FileRef) -> BinaryIO:
        for files in self._all[:-1]:
            with suppress(FileNotFoundError):
                return files.open(ref)
        return self._all[-1].open(ref)

    def has(self, ref: FileRef) -> bool:
        here = [files.has(ref) for files in self._all]  # no any(): each must protect it from sweep
        return any(here)

    def missing(self, refs: Iterable[FileRef]) -> list[FileRef]:
        missing = list(refs)
        for files in self._all:
            missing = files.missing(missing)
        return missing

    def remove(self, hashes: Iterable[str], *, before: float | None = None) -> None:
        hashes = list(hashes)
        for files in self._all:
            files.remove(hashes, before=before)

    def sweep(self, needed: Container[str], *, age: float, dry_run: bool = False) -> dict[str, int]:
        swept: dict[str, int] = {}
        for files in self._all:
            swept |= files.sweep(needed, age=age, dry_run=dry_run)
        return swept
