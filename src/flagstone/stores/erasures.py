"""
Pending erasures: each is saved before anything is deleted, and removed when it is complete.

So the plan never depends on data that the first step has deleted: after a crash, the next append,
`forget` or `doctor` continues where the erasure stopped.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from flagstone.errors import FlagstoneError, StoreError
from flagstone.errors.safe_logs import logger_of
from flagstone.fs.atomic import PART, entries_of, replace_durably, sweep_parts, sync_directory
from flagstone.fs.locks import lock, try_lock

logger = logger_of(__name__)

_SETS = ("flag_ids", "record_ids", "hashes", "paths", "places")


@dataclass(frozen=True, kw_only=True, slots=True)
class Erasure:
    """
    What to delete: flags with all records that refer to them, and files that no other needs.

    `flag_ids` are the requested flags, `record_ids` all records found for them. `paths` are files
    that Gradio wrote, relative to the store. `rows_in` maps each of Gradio's logs that has rows to
    delete to the inode of that file. `places` are the URLs of the stores to erase from, if that is
    more than the store this is saved next to.

    It contains no user data.
    """

    flag_ids: frozenset[str]
    record_ids: frozenset[str]
    hashes: frozenset[str] = frozenset()
    paths: frozenset[str] = frozenset()
    rows_in: Mapping[str, int] = field(default_factory=dict)
    places: frozenset[str] = frozenset()

    def to_json(self) -> bytes:
        """Return the content of the file that stores this erasure."""
        facts = {name: sorted(getattr(self, name)) for name in _SETS}
        return json.dumps({"flagstone_erasure": 1, **facts, "rows_in": dict(self.rows_in)}).encode()


def erasure_from_json(text: bytes) -> Erasure:
    """Parse what `to_json` wrote. Raises `ValueError` for anything else."""
    try:
        data = json.loads(text)
        found = {name: frozenset(map(str, data[name])) for name in _SETS}
        rows_in = {str(name): int(number) for name, number in data["rows_in"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(error) from error
    return Erasure(**found, rows_in=rows_in)


class Erasures:
    """The pending erasures of one store on this machine, one file each in *folder*."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __bool__(self) -> bool:
        """Whether there may be any; a cheap check."""
        return os.path.exists(self.folder)  # noqa: PTH110 - half the time

    def carry_out(self, erasure: Erasure, do: Callable[[Erasure], None]) -> None:
        """Save *erasure*, *do* it, and remove it. A crash or an error leaves it pending."""
        with self.noting(erasure):
            do(erasure)

    @contextmanager
    def noting(self, erasure: Erasure) -> Iterator[None]:
        """Save *erasure* for as long as the block runs; a crash or an error leaves it pending."""
        path = self.folder / f"{os.urandom(8).hex()}.json"
        while not path.exists():
            with suppress(FileNotFoundError):  # a process that finished another removed the folder
                self.folder.mkdir(parents=True, exist_ok=True)
                replace_durably(path, erasure.to_json())
                sync_directory(self.folder.parent)
        with self._claimed(path, wait=True):
            yield
            self._drop(path)

    def finish(self, do: Callable[[Erasure], None], *, wait: bool = True) -> int:
        """
        *do* each pending erasure; return the number of records they cover.

        Without *wait*, those that another process is working on are skipped.
        """
        records = 0
        for path in self._paths():
            with self._claimed(path, wait=wait) as erasure:
                if erasure is not None:
                    do(erasure)
                    records += len(erasure.record_ids)
                    self._drop(path)
        if self:
            sweep_parts(self.folder)
            self._remove_folder()
        return records

    def pending(self) -> list[Erasure]:
        """Return all pending erasures."""
        found = []
        for path in self._paths():
            with suppress(FileNotFoundError):
                found += self._read(path)
        return found

    def verify(self) -> Iterator[str]:
        """Yield one sentence for each damaged file, which no longer lists what to erase."""
        for path in self._paths():
            with suppress(FileNotFoundError):
                if not self._read(path):
                    yield damage_of_note(str(path))

    def _paths(self) -> list[Path]:
        entries = entries_of(self.folder) if self else []
        return [Path(entry.path) for entry in entries if not entry.name.startswith(PART)]

    def _read(self, path: Path) -> list[Erasure]:
        try:
            return [erasure_from_json(path.read_bytes())]
        except ValueError:
            logger.warning("%s is damaged: it does not describe an erasure", path)
            return []

    @contextmanager
    def _claimed(self, path: Path, *, wait: bool) -> Iterator[Erasure | None]:
        """Lock and yield the erasure in the file *path*; None if it is done or locked."""
        try:
            file = path.open("rb")
        except FileNotFoundError:
            yield None
            return
        with file:
            if try_lock(file.fileno()) is False:
                if not wait:
                    yield None
                    return
                lock(file.fileno())
            found = self._read(path) if path.exists() else []
            yield found[0] if found else None

    def _drop(self, path: Path) -> None:
        with suppress(FileNotFoundError):  # another process finished it, too
            path.unlink()
            sync_directory(self.folder)
        self._remove_folder()

    def _remove_folder(self) -> None:
        with suppress(OSError):  # not empty: other erasures are pending
            self.folder.rmdir()


@contextmanager
def logging_failure(location: str) -> Iterator[None]:
    """Log why an erasure in *location* is not finished: flags can still be read and saved."""
    try:
        yield
    except (FlagstoneError, OSError) as error:
        logger.warning("An erasure in %s is not finished yet: %s", location, error)


def damage_of_note(where: str) -> str:
    """Return the sentence that `doctor` prints for the damaged erasure file *where*."""
    reason = "that file is damaged; forget the same flags again, then delete it"
    return str(StoreError(doing="finish the erasure saved in", where=where, reason=reason))


def flags_in(erasures: Iterable[Erasure]) -> frozenset[str]:
    """Return the ids of all flags of these *erasures*."""
    return frozenset[str]().union(*(erasure.flag_ids for erasure in erasures))
