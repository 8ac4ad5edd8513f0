"""
The files of exported flags: each once, under its hash; what people called them is no path.
"""

import hashlib
import re
from pathlib import Path
from typing import Protocol

from flagstone.core.codec import FileRef
from flagstone.errors import DamagedFileError
from flagstone.stores.files import Files

FILES = "files"
"""The folder of an export in which files lie."""

_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,10}", re.ASCII)
_PIECE = 1 << 18


class _Source(Protocol):
    """Whose files they are."""

    location: str
    files: Files


class Media:
    """The files of *source*, to be put into the export in *folder*."""

    def __init__(self, source: _Source, folder: Path) -> None:
        self._source = source
        self._folder = folder

    def place(self, ref: FileRef) -> str:
        """Where in the folder *ref* lies, which is copied there if it is not yet."""
        place = f"{FILES}/{ref.sha256[:2]}/{ref.sha256}{suffix_of(ref)}"
        self.copy(ref, self._folder / place)
        return place

    def copy(self, ref: FileRef, path: Path) -> None:
        """Copy *ref* to *path*. Raises `DamagedFileError` where it is not what was kept."""
        if path.exists():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        try:
            with self._source.files.open(ref) as reader, path.open("xb") as writer:
                while piece := reader.read(_PIECE):
                    digest.update(piece)
                    writer.write(piece)
        except FileNotFoundError as error:
            raise self._error(ref, "is not there") from error
        if digest.hexdigest() != ref.sha256:
            raise self._error(ref, "is not what was kept")

    def content(self, ref: FileRef) -> bytes:
        """The bytes of *ref*. Raises `DamagedFileError` where they are not what was kept."""
        try:
            with self._source.files.open(ref) as reader:
                content = reader.read()
        except FileNotFoundError as error:
            raise self._error(ref, "is not there") from error
        if hashlib.sha256(content).hexdigest() != ref.sha256:
            raise self._error(ref, "is not what was kept")
        return content

    def _error(self, ref: FileRef, what: str) -> DamagedFileError:
        return DamagedFileError(where=self._source.location, reason=f"its file {ref.name!r} {what}")


def suffix_of(ref: FileRef) -> str:
    """How the name of *ref* ends, where that says of what kind it is: `.png`, or nothing."""
    dot, suffix = ref.name.rpartition(".")[1:]
    return f".{suffix.lower()}" if _SUFFIX.fullmatch(dot + suffix) else ""
