"""
What the Hub for tests remembers: users, repositories, their commits and large files.
"""

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from hub_server.faults import Chaos, Fault

BINARY = (".parquet", ".png", ".jpg", ".jpeg", ".webp", ".gif", ".wav", ".mp3", ".mp4", ".zip")
LARGE = 10 << 20


@dataclass(frozen=True)
class Blob:
    """A file at some commit."""

    content: bytes = field(repr=False)
    is_large: bool = False

    @property
    def git_oid(self) -> str:
        content = self.content
        if self.is_large:
            content = (
                "version https://git-lfs.github.com/spec/v1\n"
                f"oid sha256:{self.sha256}\nsize {len(self.content)}\n"
            ).encode()
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def etag(self) -> str:
        return self.sha256 if self.is_large else self.git_oid

    def entry(self, path: str) -> dict[str, Any]:
        """What a listing says of it at *path*."""
        entry: dict[str, Any] = {
            "type": "file",
            "path": path,
            "oid": self.git_oid,
            "size": len(self.content),
        }
        if self.is_large:
            entry["lfs"] = {"oid": self.sha256, "size": len(self.content), "pointerSize": 130}
        return entry


@dataclass(frozen=True)
class Commit:
    title: str
    files: dict[str, Blob]
    oid: str = field(default_factory=lambda: secrets.token_hex(20))
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass
class Repo:
    id: str
    kind: str
    private: bool = False
    commits: list[Commit] = field(default_factory=list)
    large: dict[str, bytes] = field(default_factory=dict)

    @property
    def head(self) -> Commit:
        return self.commits[-1]

    def at(self, revision: str) -> Commit | None:
        if revision in ("main", "refs/heads/main", "HEAD"):
            return self.head
        return next((commit for commit in self.commits if commit.oid == revision), None)


@dataclass(frozen=True)
class User:
    name: str
    may_write: bool = True


@dataclass
class Hub:
    """All of it, and what was asked of it."""

    url: str = ""
    users: dict[str, User] = field(default_factory=dict)
    repos: dict[tuple[str, str], Repo] = field(default_factory=dict)
    """By kind ("datasets", "models", "spaces") and id."""
    requests: list[str] = field(default_factory=list)
    received: int = 0
    """Bytes of the bodies of all requests."""
    unknown: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    chaos: list[Chaos] = field(default_factory=list)

    def add_user(self, name: str, token: str, *, may_write: bool = True) -> None:
        self.users[token] = User(name, may_write)

    def dataset(self, id_: str) -> Repo:
        return self.repos["datasets", id_]

    def make(self, kind: str, id_: str, *, private: bool = False) -> Repo:
        first = Commit("initial commit", {".gitattributes": Blob(b"*.parquet filter=lfs\n")})
        repo = self.repos[kind, id_] = Repo(id_, kind, private=private, commits=[first])
        return repo
