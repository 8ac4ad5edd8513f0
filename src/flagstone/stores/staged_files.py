"""
Files of a flag that may still be rejected: hashed in place, and saved only on `commit`.
"""

import io
from collections.abc import Container, Iterable
from pathlib import Path
from typing import BinaryIO

from flagstone.core.codec import FileRef
from flagstone.core.records import Flag
from flagstone.errors import ChangingFileError, store_error
from flagstone.fs.atomic import hash_of
from flagstone.stores.files import Files


class StagedFiles(Files):
    """
    Files to be saved in *into*: nothing is written there before `commit`.

    A file given as a path stays where it is; other bytes are held in memory.
    """

    def __init__(self, into: Files) -> None:
        self._into = into
        self._sources: dict[str, Path | bytes] = {}

    def put(self, source: Path | BinaryIO, *, name: str, mime_type: str | None = None) -> FileRef:
        staged = source if isinstance(source, Path) else source.read()
        sha256, size = _examine(staged)
        self._sources[sha256] = staged
        return FileRef(sha256=sha256, name=name, mime_type=mime_type, size=size)

    def commit(self, flag: Flag) -> None:
        """Save the files that *flag* refers to."""
        needed = [ref for ref in flag.files() if ref.sha256 in self._sources]
        for ref in needed:  # before any is saved: a changed file was never checked
            source = self._sources[ref.sha256]
            if _examine(source)[0] != ref.sha256:
                raise ChangingFileError(path=str(source))
        for ref in needed:
            source = self._sources[ref.sha256]
            reader = source if isinstance(source, Path) else io.BytesIO(source)
            kept = self._into.put(reader, name=ref.name, mime_type=ref.mime_type)
            if kept.sha256 != ref.sha256:
                raise ChangingFileError(path=str(source))

    def open(self, ref: FileRef) -> BinaryIO:
        source = self._sources.get(ref.sha256)
        if source is None:
            return self._into.open(ref)
        return source.open("rb") if isinstance(source, Path) else io.BytesIO(source)

    def has(self, ref: FileRef) -> bool:
        return ref.sha256 in self._sources or self._into.has(ref)

    def remove(self, hashes: Iterable[str], *, before: float | None = None) -> None:
        self._into.remove(hashes, before=before)

    def sweep(self, needed: Container[str], *, age: float, dry_run: bool = False) -> dict[str, int]:
        return self._into.sweep(needed, age=age, dry_run=dry_run)


def _examine(source: Path | bytes) -> tuple[str, int]:
    """Return the SHA-256 of *source* and its size in bytes."""
    try:
        with source.open("rb") if isinstance(source, Path) else io.BytesIO(source) as reader:
            return hash_of(reader), reader.tell()
    except OSError as error:
        raise store_error(error, doing="read a file for a flag from", where=str(source)) from error
