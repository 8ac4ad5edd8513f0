"""
The files of a folder: stored under their hash and shown under their field and name, and those that
Gradio stored next to its own log.
"""

import mimetypes
import os
import shutil
import threading
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from flagstone.core.codec import FileRef
from flagstone.fs.atomic import entries_of, hash_of, open_part, sweep_parts
from flagstone.stores.files import DirectoryFiles, safe_name

_HEAD = 8192
_MEDIA = ("image/", "audio/", "video/")
_SHOWN = 20  # digits of a file's hash in the path under which it is shown


class FolderFiles(DirectoryFiles):
    """
    The files of the CSV logs in *folder*: `.files/ab/abcdef…`, shown as `<field>/<hash>/<name>`.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / ".files")
        self._folder = folder
        self._adopted: dict[str, set[Path]] = {}
        self._seen: dict[tuple[Path, int, int], FileRef] = {}
        self._noted = threading.local()

    def show(self, ref: FileRef, field: str, below: str = "") -> str:
        """Show *ref* under its field, as a hard link if possible; return the path."""
        shown = below + _shown_as(field, ref.sha256, ref.name)
        if not os.path.exists(f"{self._folder}/{shown}"):  # noqa: PTH110 - half the time
            place = self._folder / shown
            place.parent.mkdir(parents=True, exist_ok=True)
            _link_or_copy(self._find(ref), place)
        return shown

    def adopt(self, path: Path) -> FileRef:
        """Return the file at *path*, which stays where it is, as a file of this store."""
        status = path.stat()
        key = (path, status.st_size, status.st_mtime_ns)
        if key not in self._seen:
            mime_type, _ = mimetypes.guess_type(path.name)
            with path.open("rb") as file:
                mime_type = mime_type or _type_by_content(file.read(_HEAD))
                file.seek(0)
                sha256 = hash_of(file)
            self._seen[key] = FileRef(
                sha256=sha256, name=path.name, mime_type=mime_type, size=status.st_size
            )
        ref = self._seen[key]
        self._adopted.setdefault(ref.sha256, set()).add(path)
        return ref

    def note(self, path: Path) -> None:
        """Record that the file at *path* belongs to the row that is being read."""
        noted: set[Path] | None = getattr(self._noted, "paths", None)
        if noted is not None:
            noted.add(path)

    def open(self, ref: FileRef) -> BinaryIO:
        return self._find(ref).open("rb")

    def has(self, ref: FileRef) -> bool:
        return super().has(ref) or self._find(ref).is_file()

    def _find(self, ref: FileRef) -> Path:
        adopted = self._adopted.get(ref.sha256, ())
        return next((path for path in adopted if path.is_file()), self.path(ref.sha256))

    @contextmanager
    def noting(self) -> Iterator[set[Path]]:
        """Collect Gradio's files that this thread finds while it reads one row."""
        noted: set[Path] = set()
        self._noted.paths = noted
        try:
            yield noted
        finally:
            self._noted.paths = None

    def remove(self, hashes: Iterable[str], *, before: float | None = None) -> None:
        hashes = list(hashes)
        super().remove(hashes, before=before)
        self._hide({sha256 for sha256 in hashes if not self.path(sha256).exists()})

    def sweep(self, needed: Container[str], *, age: float, dry_run: bool = False) -> dict[str, int]:
        swept = super().sweep(needed, age=age, dry_run=dry_run)
        if not dry_run:
            self._hide(swept)
        return swept

    def sweep_parts(self, *, dry_run: bool = False) -> dict[str, int]:
        swept = super().sweep_parts(dry_run=dry_run)
        return swept | sweep_parts(self._folder.resolve(), dry_run=dry_run)

    def _hide(self, hashes: Iterable[str]) -> None:
        """Undo `show`."""
        shown = {sha256[:_SHOWN] for sha256 in hashes}
        for field in entries_of(self._folder.resolve()) if shown else ():
            for place in entries_of(Path(field.path)):
                if place.name in shown and place.is_dir(follow_symlinks=False):
                    shutil.rmtree(place.path)


def _type_by_content(head: bytes) -> str | None:
    """Return the MIME type of a file that begins with *head*, if it is image, audio or video."""
    import filetype

    found = filetype.guess(head)
    mime_type = None if found is None else str(found.mime)
    return mime_type if mime_type and mime_type.startswith(_MEDIA) else None


@lru_cache(maxsize=1000)
def _shown_as(field: str, sha256: str, name: str) -> str:
    directory = safe_name(field)
    if directory.lower().endswith(".csv"):  # a name for logs
        directory += ".files"
    return f"{directory}/{sha256[:_SHOWN]}/{safe_name(name)}"


def _link_or_copy(source: Path, place: Path) -> None:
    with suppress(FileExistsError):
        try:
            os.link(source, place)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            with open_part(place.parent) as part, source.open("rb") as reader:
                shutil.copyfileobj(reader, part.file)
                part.become(place)
