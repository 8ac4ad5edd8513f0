"""
The files of shards: small ones are embedded in the shard, others are stored under their hash.
"""

import io
import shutil
import threading
import time
from collections.abc import Container, Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, Protocol

from flagstone.blobs.base import Place
from flagstone.core.codec import FileRef
from flagstone.errors import store_error
from flagstone.fs.atomic import BLOCK, PART, hash_of
from flagstone.stores.files import Files

SMALL = 1 << 20
"""Size in bytes up to which a file is embedded in its record's shard."""

_MAX_WAITING = 64 << 20


class Embedded(Protocol):
    """The files embedded in shards."""

    def embedded_hashes(self) -> set[str]:
        """Return the hashes of all of them, with one listing of the place."""

    def embedded_content(self, sha256: str) -> bytes | None:
        """Return the bytes of the file with this hash, or None."""


class EmbeddedFiles(Files):
    """
    Files in *place*, below `files/`, and those *embedded* in shards.

    A small file waits in memory for its record, whose `append` makes both durable together. A
    larger one is durable when `put` returns or, in a place with commits, with its record.
    """

    def __init__(self, place: Place, embedded: Embedded) -> None:
        self._place = place
        self._embedded = embedded
        self._waiting: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def put(self, source: Path | BinaryIO, *, name: str, mime_type: str | None = None) -> FileRef:
        try:
            with _reading(source) as reader, TemporaryFile() as spool:
                shutil.copyfileobj(reader, spool, BLOCK)
                size = spool.tell()
                spool.seek(0)
                sha256 = hash_of(spool)
                spool.seek(0)
                if size > SMALL or not self._wait(sha256, spool.read(SMALL)):
                    spool.seek(0)
                    self._place.upload(path_of(sha256), spool)
        except OSError as error:
            raise store_error(
                error, doing=f"save {name!r} in", where=self._place.location
            ) from error
        return FileRef(sha256=sha256, name=name, mime_type=mime_type, size=size)

    def open(self, ref: FileRef) -> BinaryIO:
        content = self._waiting.get(ref.sha256)
        if content is not None:
            return io.BytesIO(content)
        try:
            return self._place.open(path_of(ref.sha256))
        except FileNotFoundError:
            content = self._embedded.embedded_content(ref.sha256)
            if content is None:
                raise
            return io.BytesIO(content)

    def has(self, ref: FileRef) -> bool:
        try:
            self.open(ref).close()
        except FileNotFoundError:
            return False
        return True

    def missing(self, refs: Iterable[FileRef]) -> list[FileRef]:
        here = self._embedded.embedded_hashes() | set(self._waiting)
        return [
            ref
            for ref in refs
            if ref.sha256 not in here and not self._place.has(path_of(ref.sha256))
        ]

    def settle(self, hashes: Iterable[str]) -> None:
        """Store those of *hashes* that are only in memory or embedded as separate files."""
        for sha256 in hashes:
            content = self._waiting.get(sha256)
            if content is None:
                content = self._embedded.embedded_content(sha256)
            if content is not None:
                self._place.upload(path_of(sha256), io.BytesIO(content))

    def forget(self, hashes: Iterable[str]) -> None:
        """Release these *hashes* from memory: the shard of their record has them."""
        with self._lock:
            for sha256 in hashes:
                self._waiting.pop(sha256, None)

    def remove(self, hashes: Iterable[str], *, before: float | None = None) -> None:
        for sha256 in hashes:
            if before is None or self._modified(sha256) <= before:
                self._place.delete(path_of(sha256))

    def sweep(self, needed: Container[str], *, age: float, dry_run: bool = False) -> dict[str, int]:
        swept = {}
        for folder in ("", *(f"files/{first:02x}/" for first in range(256))):
            for blob in self._place.list(folder.rstrip("/")):
                is_left = blob.name not in needed if folder else blob.name.startswith(PART)
                if is_left and time.time() - blob.modified > age:
                    swept[blob.name] = blob.size
                    if not dry_run:
                        self._place.delete(f"{folder}{blob.name}")
        return swept

    def _wait(self, sha256: str, content: bytes) -> bool:
        """Hold *content* in memory for its record; return False if there is no room."""
        with self._lock:
            room = _MAX_WAITING - sum(map(len, self._waiting.values()))
            if len(content) <= room:
                self._waiting[sha256] = content
            return len(content) <= room

    def _modified(self, sha256: str) -> float:
        blobs = self._place.list(path_of(sha256).rpartition("/")[0])
        return next((blob.modified for blob in blobs if blob.name == sha256), 0.0)


def _reading(source: Path | BinaryIO) -> AbstractContextManager[BinaryIO]:
    return source.open("rb") if isinstance(source, Path) else nullcontext(source)


def path_of(sha256: str) -> str:
    """Return the name of the blob with this hash, next to the shards."""
    return f"files/{sha256[:2]}/{sha256}"
