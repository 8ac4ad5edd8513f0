"""
How the page knows who is there: this machine's owner, a login, or a proxy that has asked already.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection
from ipaddress import ip_address

from starlette.requests import HTTPConnection

from flagstone.review.people import Person, Users

LOOPBACK = ("127.0.0.1", "::1")


class Access(ABC):
    """Who is at the other end of a connection."""

    @abstractmethod
    def person(self, connection: HTTPConnection) -> Person | None:
        """Who it is; None for somebody who may see nothing."""


class OnThisMachine(Access):
    """
    Whoever works at this machine is *name*, an admin; nobody else may see anything.

    The address asked for must be this machine's as well: a page elsewhere whose name was turned
    to 127.0.0.1 (DNS rebinding) is refused.
    """

    def __init__(self, name: str) -> None:
        self._person = Person(name=name, role="admin")

    def person(self, connection: HTTPConnection) -> Person | None:
        client = connection.client.host if connection.client else ""
        host = connection.headers.get("host", "").rsplit(":", 1)[0].strip("[]")
        return self._person if is_loopback(client) and is_loopback(host) else None


class WithLogin(Access):
    """People in a file, who log in with a password."""

    def __init__(self, users: Users) -> None:
        self.users = users

    def person(self, connection: HTTPConnection) -> Person | None:
        name = connection.session.get("name", "")
        person = self.users.get(name)
        proved = person and connection.session.get("proof") == self.users.proof(name)
        return person if proved else None


class BehindProxy(Access):
    """
    People whom a proxy names in *header*; it is believed from the addresses *proxies* only.

    Somebody in the file of users has the role given there; others, and all where there is no
    file, are reviewers.
    """

    def __init__(
        self, header: str, users: Users | None, proxies: Collection[str] = LOOPBACK
    ) -> None:
        self._header = header
        self._users = users
        self._proxies = frozenset(proxies)

    def person(self, connection: HTTPConnection) -> Person | None:
        names = connection.headers.getlist(self._header)
        name = names[0] if len(names) == 1 else ""  # of two, one is not the proxy's
        client = connection.client.host if connection.client else ""
        if not name or client not in self._proxies or not name.isprintable():
            return None
        known = self._users.get(name) if self._users else None
        return known or Person(name=name, role="reviewer")


def is_loopback(host: str) -> bool:
    """Whether *host*, a name or an address, is this machine as only it can reach it."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
