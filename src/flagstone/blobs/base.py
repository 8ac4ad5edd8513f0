"""
The storage interface of Parquet stores: named blobs.

It needs few operations: create a blob only if there is none, replace, list and delete. A directory
implements them with hard links and fsync, a bucket with conditional writes, a repository with
commits that name their parent. None of them needs a lock service.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO


@dataclass(frozen=True, slots=True)
class Blob:
    """
    An entry of a listing: name, size in bytes, and modification time of a blob.

    `modified` is in seconds since 1970, or infinite if unknown. `version` identifies the content,
    if the medium supports it.
    """

    name: str
    size: int
    modified: float
    version: str = ""


@dataclass(frozen=True, slots=True)
class Contents:
    """A summary for the dataset card: the number of flags, and the features of their table."""

    flags: int
    features: Mapping[str, Any]


class Place(ABC):
    """Blobs below one root; names are generated relative paths, never user input."""

    location: str

    errors: tuple[type[Exception], ...] = (OSError,)
    """The exceptions that reading a blob may raise if the medium fails."""

    @abstractmethod
    def create(self, name: str, content: bytes) -> bool:
        """Create the blob *name* durably, unless it exists; return whether it was created."""

    @abstractmethod
    def upload(self, name: str, reader: BinaryIO) -> None:
        """
        Create the blob *name* from *reader*, in constant memory.

        Afterwards it can be opened. It is durable when the next `create` is, or earlier.
        """

    @abstractmethod
    def replace(self, name: str, content: bytes) -> None:
        """Replace the blob *name* by *content* atomically."""

    @abstractmethod
    def open(self, name: str) -> BinaryIO:
        """Open the blob *name* as a seekable file. Raises `FileNotFoundError`."""

    def has(self, name: str) -> bool:
        """Return whether the blob *name* exists, as of the latest listing."""
        try:
            self.open(name).close()
        except FileNotFoundError:
            return False
        return True

    @abstractmethod
    def list(self, folder: str = "") -> Iterator[Blob]:
        """Iterate over the blobs directly in *folder*."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Delete the blob *name*; a missing one is ignored."""

    def merge(self, name: str, content: bytes, covered: Sequence[str]) -> None:
        """Create the blob *name*, which replaces the *covered* ones, and then delete those."""
        if self.create(name, content):
            for one in covered:
                self.delete(one)

    def sweep_parts(self) -> None:  # noqa: B027 - most have none
        """Delete the incomplete blobs that killed writers left."""

    def address(self, name: str) -> str:
        """Return the address of *name* for readers of another blob, such as a relative path."""
        return name

    def describe(self, contents: Contents) -> None:  # noqa: B027 - most do nothing
        """Set the dataset card written by the next `create`; most media have none."""

    def forget_history(self) -> None:  # noqa: B027 - most do nothing
        """Delete what was replaced or deleted for good; most media do so at once."""
