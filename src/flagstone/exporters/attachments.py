"""
The files of exported flags: each once, named by its hash, never by its original name.
"""

import hashlib
import re
from pathlib import Path
from typing import Protocol

from flagstone.core.codec import FileRef
from flagstone.errors import DamagedFileError
from flagstone.stores.files import Files, damaged_file

FILES = "files"
"""Name of the folder for files in an export."""

_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,10}", re.ASCII)
_PIECE = 1 << 18


class _Source(Protocol):
    """The owner of the files."""

    location: str
    files: Files


class Media:
    """Copies files of *source* into the export in *folder*."""

    def __init__(self, source: _Source, folder: Path) -> None:
        self._source = source
        self._folder = folder

    def place(self, ref: FileRef) -> str:
        """Return the path of *ref* in the folder, after copying it there if needed."""
        place = f"{FILES}/{ref.sha256[:2]}/{ref.sha256}{suffix_of(ref)}"
        self.copy(ref, self._folder / place)
        return place

    def copy(self, ref: FileRef, path: Path) -> None:
        """Copy *ref* to *path*. Raises `DamagedFileError` if it is missing or damaged."""
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
            raise self._error(ref, is_missing=True) from error
        if digest.hexdigest() != ref.sha256:
            raise self._error(ref)

    def content(self, ref: FileRef) -> bytes:
        """Return the bytes of *ref*. Raises `DamagedFileError` if it is missing or damaged."""
        try:
            with self._source.files.open(ref) as reader:
                content = reader.read()
        except FileNotFoundError as error:
            raise self._error(ref, is_missing=True) from error
        if hashlib.sha256(content).hexdigest() != ref.sha256:
            raise self._error(ref)
        return content

    def _error(self, ref: FileRef, *, is_missing: bool = False) -> DamagedFileError:
        return damaged_file(ref, self._source.location, is_missing=is_missing)


def suffix_of(ref: FileRef) -> str:
    """Return the suffix of *ref*'s name in lower case, such as `.png`, or an empty string."""
    dot, suffix = ref.name.rpartition(".")[1:]
    return f".{suffix.lower()}" if _SUFFIX.fullmatch(dot + suffix) else ""
