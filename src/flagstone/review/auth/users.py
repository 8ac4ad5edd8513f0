"""
Users of the page: a file with names, roles and hashed passwords.

A line is `name:role:scrypt:n:r:p:salt:hash`, the last two in hexadecimal.
"""

import hashlib
import hmac
import os
import re
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from flagstone.errors import UsersError

Role = Literal["viewer", "reviewer", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)

_COST, _BLOCK, _LANES = 2**15, 8, 3
"""scrypt parameters of OWASP's Password Storage Cheat Sheet, with 32 MiB."""
_MAX_MEMORY = 2**27
LONGEST_NAME = 100
_HASHED = re.compile(r"scrypt:\d+:\d+:\d+:(?:[0-9a-f]{2})+:[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """A user. A viewer reads, a reviewer also decides, an admin also undoes others' reviews."""

    name: str
    role: Role

    @property
    def may_decide(self) -> bool:
        return self.role != "viewer"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Entry:
    person: Person
    password: str

    def line(self) -> str:
        return f"{self.person.name}:{self.person.role}:{self.password}\n"


class Users:
    """
    The users in the file *path*, which is read again when it changes.

    Raises `UsersError` if the file is missing or invalid.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read_at: tuple[int, int] | None = None
        self._entries: dict[str, _Entry] = {}

    def get(self, name: str) -> Person | None:
        """Return the person called *name*; None if there is none."""
        entry = self._all().get(name)
        return entry.person if entry else None

    def proof(self, name: str) -> str:
        """Return a digest of the stored password, so that sessions end when it changes."""
        entry = self._all().get(name)
        return hashlib.sha256(entry.password.encode()).hexdigest()[:32] if entry else ""

    def check(self, name: str, password: str) -> Person | None:
        """Return the person if *password* is right; unknown names take the same time."""
        entry = self._all().get(name)
        is_right = _matches(password, entry.password if entry else _NOBODY)
        return entry.person if entry and is_right else None

    def add(self, name: str, password: str, role: Role) -> None:
        """Add a person, or replace the password and role of an existing one."""
        if not name.isprintable() or not 0 < len(name) <= LONGEST_NAME or ":" in name:
            reason = f"{name[:LONGEST_NAME]!r} is not a valid name: use letters and no colon"
            raise UsersError(doing="write", where=str(self.path), reason=reason)
        if not password:
            raise UsersError(doing="write", where=str(self.path), reason="the password is empty")
        entries = dict(self._all()) if self.path.exists() else {}
        person = Person(name=name, role=role)
        entries[name] = _Entry(person=person, password=_hashed(password, secrets.token_bytes(16)))
        self._write("".join(entry.line() for entry in entries.values()))

    def _all(self) -> dict[str, _Entry]:
        try:
            status = self.path.stat()
            read_at = status.st_mtime_ns, status.st_ino
            if read_at != self._read_at:
                lines = self.path.read_text(encoding="utf-8").splitlines()
                self._entries = dict(_parsed(line) for line in lines if line.strip())
                self._read_at = read_at
        except OSError as error:
            reason = error.strerror or str(error)
            raise UsersError(doing="read", where=str(self.path), reason=reason) from error
        except ValueError as error:
            reason = "it is not a users file"
            raise UsersError(doing="read", where=str(self.path), reason=reason) from error
        return self._entries

    def _write(self, text: str) -> None:
        try:
            handle, part = tempfile.mkstemp(dir=self.path.parent)  # readable only by its owner
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            Path(part).replace(self.path)
        except OSError as error:
            reason = error.strerror or str(error)
            raise UsersError(doing="write", where=str(self.path), reason=reason) from error


def _parsed(line: str) -> tuple[str, _Entry]:
    name, role, password = line.split(":", 2)
    if role not in ROLES or not _HASHED.fullmatch(password):
        raise ValueError(line)
    return name, _Entry(person=Person(name=name, role=role), password=password)


def _hashed(password: str, salt: bytes) -> str:
    digest = _scrypt(password, salt, _COST, _BLOCK, _LANES)
    return f"scrypt:{_COST}:{_BLOCK}:{_LANES}:{salt.hex()}:{digest.hex()}"


def _matches(password: str, hashed: str) -> bool:
    _, n, r, p, salt, digest = hashed.split(":")
    found = _scrypt(password, bytes.fromhex(salt), int(n), int(r), int(p))
    return hmac.compare_digest(found, bytes.fromhex(digest))


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    secret = password.encode(errors="surrogatepass")
    return hashlib.scrypt(secret, salt=salt, n=n, r=r, p=p, maxmem=_MAX_MEMORY, dklen=32)


_NOBODY = f"scrypt:{_COST}:{_BLOCK}:{_LANES}:{'00' * 16}:{'00' * 32}"
