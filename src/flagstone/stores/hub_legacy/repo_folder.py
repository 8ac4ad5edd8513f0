"""
A folder store in a dataset on the Hub: its folder is checked out, changed and committed.

It is for the layouts of Gradio's own saver, which are folders of files. A commit contains the
differences between the folder and the head. If another commit was faster, the newest head is
checked out, and the change is applied again.
"""

import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from flagstone.blobs.dataset_card import CARD, with_configs
from flagstone.blobs.hub_repo import Commits
from flagstone.core.records import Flag, Record
from flagstone.errors import StoreError
from flagstone.fs.atomic import BLOCK
from flagstone.fs.tempdirs import Scratch
from flagstone.stores.base import Store
from flagstone.stores.erasures import logging_failure

_UUID7 = "7"
_ERASING = ".erasing/"

Configs = Callable[[Iterable[str]], Mapping[str, str]]
"""Maps the paths of a dataset to its configs: the name of each, and its pattern for data files."""


class RepoFolderStore(Store):
    """
    The store that *make* opens in a folder, saved in the dataset of *commits*.

    The dataset is created immediately. Before an append, only files that end in *log* are
    downloaded; others are empty placeholders. The dataset card lists *configs* for loaders. *once*
    are files created with the first commit; they identify a dataset of this kind. To read files of
    the records from `scan`, keep a reference to the store.
    """

    most_at_once = 10_000

    def __init__(
        self,
        commits: Commits,
        make: Callable[[Path], Store],
        *,
        log: str,
        configs: Configs,
        once: Mapping[str, bytes],
    ) -> None:
        self.location = commits.location
        self._commits = commits
        self._make = make
        self._log = log
        self._configs = configs
        self._once = once
        self._lock = threading.RLock()
        self._scratch = Scratch()
        # Named like the dataset: the ids of rows that Gradio wrote depend on it.
        self._folder = self._scratch.path / commits.id.rpartition("/")[2]
        self._folder.mkdir()
        self._head: str | None = None
        self._is_whole = False
        self._before: dict[str, os.stat_result] = {}
        commits.make()
        self._store = self._check_out()
        self.files = self._store.files

    @property
    def url(self) -> str:
        return self.location

    def append(self, records: Iterable[Record]) -> None:
        records = list(records)
        with self._lock:
            self._change("Add flags", lambda store: store.append(records))
            if self._begun():
                with logging_failure(self.location):
                    self._forget_history()

    def scan(self, after: str | None = None) -> Iterator[Record]:
        with self._lock:
            store = self._check_out(whole=True)
            store.skipped = self.skipped
        yield from store.scan(after)  # keeps the folder alive, too

    def cursor(self) -> str:
        with self._lock:
            return self._check_out().cursor()

    def erase(self, flag_ids: Iterable[str]) -> None:
        flag_ids = list(flag_ids)
        with self._lock:
            # In the same commit as the erasure, so that a crash cannot separate them.
            note = {f"{_ERASING}{os.urandom(8).hex()}.json": b'{"flagstone_erasure": 1}\n'}
            self._change("Erase flags", lambda store: store.erase(flag_ids), whole=True, note=note)
            self._forget_history()

    def finish_erasures(self, *, search: bool = False, dry_run: bool = False) -> int:  # noqa: ARG002 - erased data is only in the history
        with self._lock:
            self._commits.look()
            return len(self._begun()) if dry_run else self._forget_history()

    def replace(self, flags: Iterable[Flag]) -> None:
        flags = list(flags)
        with self._lock:
            self._change("Correct flags", lambda store: store.replace(flags), whole=True)

    def existing_ids(self, ids: Iterable[str]) -> set[str]:
        ids = set(ids)
        with self._lock:
            store = self._check_out()
            found = store.existing_ids(ids)
            # The ids of rows that Gradio wrote are computed from the rows.
            if rest := {id_ for id_ in ids - found if id_[14:15] != _UUID7}:
                found |= Store.existing_ids(store, rest)
            return found

    def close(self) -> None:
        self._store.close()

    def _begun(self) -> list[str]:
        """Return the files that mark erasures whose data is still in the history."""
        return [path for path in self._commits.head.files if path.startswith(_ERASING)]

    def _forget_history(self) -> int:
        """Squash the history if it has erased data; return the number of such erasures."""
        done = len(self._begun())
        if done:
            self._commits.forget_history()
        while begun := self._begun():
            if not self._commits.commit("Erasures are complete", {}, begun):
                self._commits.look()
        return done

    def _change(
        self,
        message: str,
        change: Callable[[Store], None],
        *,
        whole: bool = False,
        note: Mapping[str, bytes] | None = None,
    ) -> None:
        is_done = False
        while not is_done:  # if another commit was faster, apply the change to the newest head
            change(self._check_out(whole=whole))
            is_done = self._commit(message, note or {})

    def _check_out(self, *, whole: bool = False) -> Store:
        """Check out the newest commit; unless *whole*, only logs have their content."""
        self._commits.look()
        head = self._commits.head
        if self._head == head.commit and self._is_whole >= whole:
            return self._store
        self._commits.require_ours(is_ours=any(name in head.files for name in self._once))
        for path in self._paths():
            (self._folder / path).unlink()
        data = [path for path in head.files if self._is_data(path)]
        for path in data:
            self._fetch(path, is_needed=whole or path.endswith(self._log))
        self._store = self._make(self._folder)
        self.files = self._store.files
        for path in data if whole else ():
            self.files.put(self._folder / path, name=path)
        self._before = {path: (self._folder / path).stat() for path in data}
        self._head, self._is_whole = head.commit, whole
        return self._store

    def _fetch(self, path: str, *, is_needed: bool) -> None:
        place = PurePosixPath(path)
        if place.is_absolute() or ".." in place.parts:
            reason = f"its file {path!r} is outside of the dataset"
            raise StoreError(doing="read", where=self.location, reason=reason)
        target = self._folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as writer:
            if is_needed:
                with self._commits.open(path) as reader:
                    shutil.copyfileobj(reader, writer, BLOCK)

    def _commit(self, message: str, note: Mapping[str, bytes]) -> bool:
        """
        Commit the differences from the head, with *note*; False if another commit was faster.
        """
        paths = self._paths()
        after = {path: (self._folder / path).stat() for path in paths}
        changed = [path for path in paths if not _is_same(self._before.get(path), after[path])]
        gone = [path for path in self._before if path not in after]
        if not changed and not gone:
            return True
        commits = self._commits
        additions: dict[str, bytes | Path] = {path: self._folder / path for path in changed}
        additions |= note
        additions |= {path: self._once[path] for path in self._once.keys() - commits.head.files}
        card = commits.read(CARD)
        described = with_configs(card, self._configs(paths), commits.id)
        if described != card:
            additions[CARD] = described
        if not commits.commit(message, additions, gone):
            return False
        self._head = None  # committed files need not stay here
        shutil.rmtree(self._folder)
        self._folder.mkdir()
        return True

    def _paths(self) -> list[str]:
        """Return the data files in the folder, without the store's internal files."""
        found = (path for path in self._folder.rglob("*") if path.is_file())
        paths = (path.relative_to(self._folder).as_posix() for path in found)
        return sorted(path for path in paths if self._is_data(path))

    def _is_data(self, path: str) -> bool:
        return not path.startswith(".") and path != CARD and path not in self._once


def _is_same(before: os.stat_result | None, after: os.stat_result) -> bool:
    return before is not None and (
        (before.st_ino, before.st_size, before.st_mtime_ns)
        == (after.st_ino, after.st_size, after.st_mtime_ns)
    )
