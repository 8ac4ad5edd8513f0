"""
Blobs in a bucket, or on any other fsspec file system.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO, cast

from flagstone.blobs.base import Blob, Place
from flagstone.errors import StoreError, UnknownStoreError
from flagstone.errors.safe_text import mask_secrets_of, mask_url
from flagstone.fs.atomic import BLOCK

_BUCKETS = {"s3", "gs", "abfs"}
"""fsspec protocols where a missing folder is normal, but a missing bucket is an error."""

_TAKEN = {"PreconditionFailed", "ConditionalRequestConflict"}
"""S3 error codes for a conditional write that another writer preceded."""


class Bucket(Place):
    """Blobs at *url*, on any fsspec file system that can create files exclusively."""

    errors = (Exception,)  # depends on the driver of the file system

    def __init__(self, url: str, options: dict[str, Any] | None = None) -> None:
        import fsspec

        options = {"use_listings_cache": False, "skip_instance_cache": True, **(options or {})}
        try:
            self._fs, root = fsspec.core.url_to_fs(url, **options)
        except (ValueError, ImportError) as error:
            raise UnknownStoreError(url=url) from error
        self._root = root.rstrip("/")
        self.url, self.location = url, mask_url(url)

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
        """Raise `FileNotFoundError` if the bucket itself is missing."""
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
        return StoreError(
            doing=doing, where=self.location, reason=mask_secrets_of(self.url, _words(error))
        )


def _is_taken(error: OSError) -> bool:
    """Return whether a conditional write failed because the file exists (S3 and fsspec)."""
    response = getattr(error.__cause__, "response", None) or {}
    code = response.get("Error", {}).get("Code")
    return isinstance(error, FileExistsError) or code in _TAKEN


def _seconds(moment: Any) -> float:
    return float(moment.timestamp()) if hasattr(moment, "timestamp") else float(moment or 0)


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
