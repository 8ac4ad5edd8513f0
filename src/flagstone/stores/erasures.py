"""
Erasures that were begun: written down before anything goes, and dropped when all of it is gone.

So what has to go is never read from what the first step has removed: after a crash the next append,
`forget` or `doctor` goes on where it stopped.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from flagstone.errors import StoreError
from flagstone.errors.safe_logs import logger_of
from flagstone.fs.atomic import PART, entries_of, replace_durably, sweep_parts, sync_directory
from flagstone.fs.locks import lock, try_lock

logger = logger_of(__name__)

_SETS = ("flag_ids", "record_ids", "hashes", "paths", "places")


@dataclass(frozen=True, kw_only=True, slots=True)
class Erasure:
    """
    What has to go: flags with all that is about them, and files that no other record needs.

    `flag_ids` are those that were asked for, `record_ids` those of all that was found. `paths` are
    files that Gradio wrote, relative to the store; `rows_in` says in which of Gradio's logs rows
    have to go, by the number (inode) of the file that had them. `places` are the URLs of the stores
    in which it is to be done, where that is more than the one beside which it is noted.

    No word of anybody's is in it.
    """

    flag_ids: frozenset[str]
    record_ids: frozenset[str]
    hashes: frozenset[str] = frozenset()
    paths: frozenset[str] = frozenset()
    rows_in: Mapping[str, int] = field(default_factory=dict)
    places: frozenset[str] = frozenset()

    def to_json(self) -> bytes:
        """The text of the file that says it."""
        facts = {name: sorted(getattr(self, name)) for name in _SETS}
        return json.dumps({"flagstone_erasure": 1, **facts, "rows_in": dict(self.rows_in)}).encode()


def erasure_from_json(text: bytes) -> Erasure:
    """What `to_json` wrote. Raises `ValueError` for anything else."""
    try:
        data = json.loads(text)
        found = {name: frozenset(map(str, data[name])) for name in _SETS}
        rows_in = {str(name): int(number) for name, number in data["rows_in"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(error) from error
    return Erasure(**found, rows_in=rows_in)


class Erasures:
    """The erasures of one store on this machine that are not finished, a file each in *folder*."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __bool__(self) -> bool:
        """Whether there is any; as cheap as can be."""
        return os.path.exists(self.folder)  # noqa: PTH110 - half the time

    def carry_out(self, erasure: Erasure, do: Callable[[Erasure], None]) -> None:
        """Write *erasure* down, *do* it, and drop it. A crash or an error leaves it to be done."""
        with self.noting(erasure):
            do(erasure)

    @contextmanager
    def noting(self, erasure: Erasure) -> Iterator[None]:
        """Write *erasure* down until it is done; a crash or an error leaves it to be done."""
        path = self.folder / f"{os.urandom(8).hex()}.json"
        while not path.exists():
            with suppress(FileNotFoundError):  # who finishes another removes the folder
                self.folder.mkdir(parents=True, exist_ok=True)
                replace_durably(path, erasure.to_json())
                sync_directory(self.folder.parent)
        with self._claimed(path, wait=True):
            yield
            self._drop(path)

    def finish(self, do: Callable[[Erasure], None], *, wait: bool = True) -> int:
        """
        *do* each that is not finished: of how many records they were.

        Without *wait*, those that another process is at are passed over.
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
        """All that are not finished."""
        found = []
        for path in self._paths():
            with suppress(FileNotFoundError):
                found += self._read(path)
        return found

    def verify(self) -> Iterator[str]:
        """A sentence for each note that does not say any more what is to be erased."""
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
            logger.warning("%s says of no erasure what is left to be done", path)
            return []

    @contextmanager
    def _claimed(self, path: Path, *, wait: bool) -> Iterator[Erasure | None]:
        """The erasure in the file *path*, for this process; None where it is done, or taken."""
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
        with suppress(FileNotFoundError):  # somebody else has done it, too
            path.unlink()
            sync_directory(self.folder)
        self._remove_folder()

    def _remove_folder(self) -> None:
        with suppress(OSError):  # others are at work
            self.folder.rmdir()


def damage_of_note(where: str) -> str:
    """What the doctor says of a damaged note *where*."""
    reason = "that note is damaged; forget the same flags again, and delete it then"
    return str(StoreError(doing="finish the erasure that is noted in", where=where, reason=reason))


def flags_in(erasures: Iterable[Erasure]) -> frozenset[str]:
    """The ids of all flags that are being erased."""
    return frozenset[str]().union(*(erasure.flag_ids for erasure in erasures))
