"""
The medium of a shard store: named blobs in a directory or a bucket, made once.

What a store needs of it is little: to make a blob only where there is none, to put one in place
of another, to list and to delete. A directory keeps that by hard links and fsync, a bucket by
conditional writes (`If-None-Match`), without a lock service.
"""

import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from flagstone.durable import BLOCK, copy_and_hash, new_part, replace_durably, sync_directory
from flagstone.errors import StoreError, UnknownStoreError
from flagstone.files import store_error

_BUCKETS = {"s3", "gs", "abfs"}
"""Protocols of fsspec where a folder may be missing, its bucket not."""

_TAKEN = {"PreconditionFailed", "ConditionalRequestConflict"}
"""What S3 answers to who comes second (or at the same time) with a conditional write."""


@dataclass(frozen=True, slots=True)
class Blob:
    """What a listing says of one blob: its name, its size in bytes, when it was written."""

    name: str
    size: int
    modified: float


class Place(ABC):
    """Blobs below one root; a name is a relative path of our own making, never a person's."""

    where: str

    errors: tuple[type[Exception], ...] = (OSError,)
    """What reading a blob may raise when the medium fails."""

    @abstractmethod
    def create(self, name: str, content: bytes) -> bool:
        """Make the blob *name*, durably, unless there is one; says whether it was made."""

    @abstractmethod
    def upload(self, name: str, reader: BinaryIO) -> None:
        """Make the blob *name* of what *reader* gives, in constant memory; durable at the end."""

    @abstractmethod
    def replace(self, name: str, content: bytes) -> None:
        """Put *content* in the place of the blob *name*, whole or not at all."""

    @abstractmethod
    def open(self, name: str) -> BinaryIO:
        """The blob *name*, for reading anywhere in it. Raises `FileNotFoundError`."""

    @abstractmethod
    def list(self, folder: str = "") -> Iterator[Blob]:
        """The blobs that lie in *folder* itself."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Delete the blob *name*; one that is not there is passed over."""


class Directory(Place):
    """Blobs that are files below *root*."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.where = str(root)

    def create(self, name: str, content: bytes) -> bool:
        path = self._root / name
        with self._telling(f"write {name} in"):
            path.parent.mkdir(parents=True, exist_ok=True)
            part = new_part(path.parent)
            replace_durably(part, content)
            try:
                os.link(part, path)  # unlike a rename, it fails where somebody was faster
            except FileExistsError:
                return False
            finally:
                part.unlink()
            sync_directory(path.parent)
            return True

    def upload(self, name: str, reader: BinaryIO) -> None:
        path = self._root / name
        with self._telling(f"write {name} in"):
            path.parent.mkdir(parents=True, exist_ok=True)
            part = new_part(path.parent)
            try:
                with part.open("xb", buffering=0) as writer:
                    copy_and_hash(reader, writer)
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
            sync_directory(path.parent)

    def replace(self, name: str, content: bytes) -> None:
        with self._telling(f"write {name} in"):
            replace_durably(self._root / name, content)

    def open(self, name: str) -> BinaryIO:
        return (self._root / name).open("rb")

    def list(self, folder: str = "") -> Iterator[Blob]:
        with self._telling("list what is in"):
            try:
                entries = list(os.scandir(self._root / folder))
            except FileNotFoundError:
                return
            for entry in entries:
                with suppress(FileNotFoundError):  # somebody's part, whole by now
                    if entry.is_file():
                        status = entry.stat()
                        yield Blob(entry.name, status.st_size, status.st_mtime)

    def delete(self, name: str) -> None:
        with self._telling(f"delete {name} in"):
            (self._root / name).unlink(missing_ok=True)

    @contextmanager
    def _telling(self, doing: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise store_error(error, doing=doing, where=self.where) from error


class Bucket(Place):
    """Blobs at *url*, on any file system of fsspec that can write only where nothing is."""

    errors = (Exception,)  # each file system has its driver's own

    def __init__(self, url: str, options: dict[str, Any] | None = None) -> None:
        import fsspec

        options = {"use_listings_cache": False, "skip_instance_cache": True, **(options or {})}
        try:
            self._fs, root = fsspec.core.url_to_fs(url, **options)
        except (ValueError, ImportError) as error:
            raise UnknownStoreError(url=url) from error
        self._root = root.rstrip("/")
        self.where = url

    def create(self, name: str, content: bytes) -> bool:
        with self._telling(f"write {name} in"):
            try:
                self._fs.pipe_file(f"{self._root}/{name}", content, mode="create")
            except OSError as error:
                if _is_taken(error):
                    return False
                raise
            return True

    def upload(self, name: str, reader: BinaryIO) -> None:
        with (
            self._telling(f"write {name} in"),
            self._fs.open(f"{self._root}/{name}", "wb") as writer,
        ):
            shutil.copyfileobj(reader, writer, BLOCK)

    def replace(self, name: str, content: bytes) -> None:
        with self._telling(f"write {name} in"):
            self._fs.pipe_file(f"{self._root}/{name}", content, mode="overwrite")

    def open(self, name: str) -> BinaryIO:
        try:
            return cast(BinaryIO, self._fs.open(f"{self._root}/{name}", "rb"))
        except FileNotFoundError:
            raise
        except self.errors as error:
            raise self._error(error, f"read {name} in") from error

    def list(self, folder: str = "") -> Iterator[Blob]:
        path = "/".join(filter(None, [self._root, folder]))
        with self._telling("list what is in"):
            try:
                entries = self._fs.ls(path, detail=True)
            except FileNotFoundError:
                self._require_bucket()
                return
            for entry in entries:
                if entry["type"] == "file":
                    modified = entry.get("LastModified") or entry.get("created")
                    yield Blob(entry["name"].rpartition("/")[2], entry["size"], _seconds(modified))

    def delete(self, name: str) -> None:
        with self._telling(f"delete {name} in"), suppress(FileNotFoundError):
            self._fs.rm_file(f"{self._root}/{name}")

    def _require_bucket(self) -> None:
        """Raise `FileNotFoundError` where not a folder is missing but the bucket itself."""
        protocols = self._fs.protocol
        if _BUCKETS & set([protocols] if isinstance(protocols, str) else protocols):
            self._fs.ls(self._root.partition("/")[0], detail=False)

    @contextmanager
    def _telling(self, doing: str) -> Iterator[None]:
        try:
            yield
        except StoreError:
            raise
        except self.errors as error:
            raise self._error(error, doing) from error

    def _error(self, error: Exception, doing: str) -> StoreError:
        return StoreError(doing=doing, where=self.where, reason=_words(error))


def place_at(url: str, options: dict[str, Any] | None = None) -> Place:
    """A bucket for a URL with a scheme, otherwise a directory."""
    path = url.removeprefix("file://")
    return Bucket(url, options) if "://" in path else Directory(Path(path))


def _is_taken(error: OSError) -> bool:
    """Whether a conditional write failed because the name is taken, as S3 and fsspec say it."""
    response = getattr(error.__cause__, "response", None) or {}
    code = response.get("Error", {}).get("Code")
    return isinstance(error, FileExistsError) or code in _TAKEN


def _seconds(moment: Any) -> float:
    return float(moment.timestamp()) if hasattr(moment, "timestamp") else float(moment or 0)


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
