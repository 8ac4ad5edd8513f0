"""
What a shard store needs of its medium: named blobs, made once.

That is little: to make a blob only where there is none, to put one in place of another, to list
and to delete. A directory keeps it by hard links and fsync, a bucket by conditional writes, a
repository by commits that name their parent; none of them needs a lock service.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO


@dataclass(frozen=True, slots=True)
class Blob:
    """
    What a listing says of one blob: its name, its size in bytes, when it was written.

    `modified` is in seconds since 1970; endless where the medium does not say it. `version` names
    the content where the medium does.
    """

    name: str
    size: int
    modified: float
    version: str = ""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a place holds, for those who read about it: flags, and the features of their table."""

    flags: int
    features: Mapping[str, Any]


class Place(ABC):
    """Blobs below one root; a name is a relative path of our own making, never a person's."""

    location: str

    errors: tuple[type[Exception], ...] = (OSError,)
    """What reading a blob may raise when the medium fails."""

    @abstractmethod
    def create(self, name: str, content: bytes) -> bool:
        """Make the blob *name*, durably, unless there is one; says whether it was made."""

    @abstractmethod
    def upload(self, name: str, reader: BinaryIO) -> None:
        """
        Make the blob *name* of what *reader* gives, in constant memory.

        It can be opened at the end, and is durable at the latest when the next `create` is.
        """

    @abstractmethod
    def replace(self, name: str, content: bytes) -> None:
        """Put *content* in the place of the blob *name*, whole or not at all."""

    @abstractmethod
    def open(self, name: str) -> BinaryIO:
        """The blob *name*, for reading anywhere in it. Raises `FileNotFoundError`."""

    def has(self, name: str) -> bool:
        """Whether there is a blob *name*, as of the latest look at what is here."""
        try:
            self.open(name).close()
        except FileNotFoundError:
            return False
        return True

    @abstractmethod
    def list(self, folder: str = "") -> Iterator[Blob]:
        """The blobs that lie in *folder* itself."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Delete the blob *name*; one that is not there is passed over."""

    def merge(self, name: str, content: bytes, covered: Sequence[str]) -> None:
        """Make the blob *name*, which stands for the *covered* ones, and then delete those."""
        if self.create(name, content):
            for one in covered:
                self.delete(one)

    def sweep_parts(self) -> None:  # noqa: B027 - most leave none
        """Delete what writers that were killed left of blobs that were not whole yet."""

    def address(self, name: str) -> str:
        """Where readers of a blob beside *name* find it: by a path relative to both."""
        return name

    def describe(self, contents: Contents) -> None:  # noqa: B027 - most do nothing
        """Say what is here, with the next `create`; most media have no page for it."""

    def forget_history(self) -> None:  # noqa: B027 - most do nothing
        """Let go of what was replaced or deleted; most media do so at once."""
