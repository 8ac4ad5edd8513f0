"""
Blobs as files in a directory.
"""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from flagstone.blobs.base import Blob, Place
from flagstone.errors import store_error
from flagstone.fs.atomic import copy_and_hash, entries_of, open_part, sweep_parts, sync_directory


class Directory(Place):
    """Blobs as files below *root*."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.location = str(root)

    def create(self, name: str, content: bytes) -> bool:
        path = self._root / name
        with self._telling(f"write {name} in"):
            path.parent.mkdir(parents=True, exist_ok=True)
            with open_part(path.parent) as part:
                copy_and_hash(io.BytesIO(content), part.file)
                try:
                    os.link(part.path, path)  # unlike a rename, it fails if the file exists
                except FileExistsError:
                    return False
            sync_directory(path.parent)
            return True

    def upload(self, name: str, reader: BinaryIO) -> None:
        path = self._root / name
        with self._telling(f"write {name} in"):
            path.parent.mkdir(parents=True, exist_ok=True)
            with open_part(path.parent) as part:
                copy_and_hash(reader, part.file)
                part.become(path)
            sync_directory(path.parent)

    def replace(self, name: str, content: bytes) -> None:
        self.upload(name, io.BytesIO(content))

    def open(self, name: str) -> BinaryIO:
        return (self._root / name).open("rb")

    def list(self, folder: str = "") -> Iterator[Blob]:
        with self._telling("list what is in"):
            try:
                # A link may lead to files of others, which must not be deleted.
                entries = (
                    entries_of(self._root / folder) if folder else list(os.scandir(self._root))
                )
            except FileNotFoundError:
                return
            for entry in entries:
                with suppress(FileNotFoundError):  # a part that was completed by now
                    if entry.is_file(follow_symlinks=False):
                        status = entry.stat()
                        yield Blob(entry.name, status.st_size, status.st_mtime)

    def delete(self, name: str) -> None:
        with self._telling(f"delete {name} in"):
            (self._root / name).unlink(missing_ok=True)

    def sweep_parts(self) -> None:
        with self._telling("delete leftovers of a crash in"):
            files = entries_of(self._root / "files")
            for folder in (self._root.resolve(), *(Path(entry.path) for entry in files)):
                sweep_parts(folder)

    @contextmanager
    def _telling(self, doing: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise store_error(error, doing=doing, where=self.location) from error
