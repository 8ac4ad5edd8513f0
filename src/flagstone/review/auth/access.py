"""
Authentication: by a token, a login, or a proxy that has authenticated the user.

An address alone is no proof. A reverse proxy on this machine connects from 127.0.0.1 for any
client, and with a server that trusts `X-Forwarded-For`, any client can choose its address.
"""

import hashlib
import hmac
import time
from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from flagstone.review.auth.sessions import EndedSessions
from flagstone.review.auth.users import Person, Users

SESSION_SECONDS = 12 * 3600
"""How long a session lasts after the login."""

PROXY_SECRET = "x-proxy-secret"  # noqa: S105 - the name of a header
_FORWARDED = ("x-forwarded-for", "x-real-ip", "forwarded")


class Access(ABC):
    """Identifies the user of a connection; *door* is the path of the page to log in or open."""

    door: str | None = None

    @abstractmethod
    def person(self, connection: HTTPConnection) -> Person | None:
        """Return the user; None if they have no access."""

    def may_knock(self, connection: HTTPConnection) -> bool:
        """Whether an unknown user may see the page *door*."""
        return self.door is not None and connection is not None


class OnThisMachine(Access):
    """
    Access with *token* on this machine, as the admin *name*.

    The peer and the header `Host` must be loopback addresses as well; these alone give no access.
    """

    door = "/open"

    def __init__(self, name: str, token: str) -> None:
        self._person = Person(name=name, role="admin")
        self._token = _digest(token)

    def person(self, connection: HTTPConnection) -> Person | None:
        opened = str(connection.session.get("opened", ""))
        is_open = hmac.compare_digest(opened.encode(), self._token.encode())
        return self._person if is_open and self.may_knock(connection) else None

    def may_knock(self, connection: HTTPConnection) -> bool:
        return is_loopback(_peer_of(connection)) and is_loopback(_host_of(connection))

    def open(self, connection: HTTPConnection, token: str) -> bool:
        """Give the session of *connection* access if *token* is right; return whether it is."""
        is_right = hmac.compare_digest(_digest(token).encode(), self._token.encode())
        if not is_right or not self.may_knock(connection):
            return False
        connection.session.clear()
        connection.session["opened"] = self._token
        return True


class WithLogin(Access):
    """Users from a file, who log in with a password; *ended* are the sessions they logged out."""

    door = "/login"

    def __init__(self, users: Users, ended: EndedSessions) -> None:
        self.users = users
        self._ended = ended

    def person(self, connection: HTTPConnection) -> Person | None:
        session = connection.session
        person = self.users.get(str(session.get("name", "")))
        if person is None or not self._stands(connection):
            if "name" in session:  # otherwise each refusal would sign the cookie again
                session.clear()
            return None
        return person

    def begin(self, connection: HTTPConnection, person: Person, session_id: str) -> None:
        """Begin a session of *person*, whose password was checked."""
        connection.session.clear()
        connection.session.update(
            name=person.name, proof=self.users.proof(person.name), id=session_id, since=time.time()
        )

    def end(self, connection: HTTPConnection) -> None:
        """End the session and invalidate all copies of its cookie."""
        if "id" in connection.session:
            self._ended.add(str(connection.session["id"]))
        connection.session.clear()

    def _stands(self, connection: HTTPConnection) -> bool:
        session = connection.session
        proof = self.users.proof(str(session.get("name", "")))
        return (
            session.get("proof") == proof
            and time.time() - float(session.get("since", 0)) < SESSION_SECONDS
            and not self._ended.has(str(session.get("id", "")))
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Proxies:
    """
    The trusted proxies: those at one of *addresses* (or networks) that send *secret* in the header
    `X-Proxy-Secret`. Without a secret, the address alone is trusted.
    """

    addresses: Collection[str] = ()
    secret: str | None = None

    def speak(self, connection: HTTPConnection) -> bool:
        """Whether *connection* comes from a trusted proxy."""
        peer = _peer_of(connection)
        if not any(_is_in(peer, each) for each in self.addresses):
            return False
        if self.secret is None:
            return not _is_claimed(connection, peer)
        given = connection.headers.getlist(PROXY_SECRET)
        return len(given) == 1 and hmac.compare_digest(given[0].encode(), self.secret.encode())

    def client_of(self, connection: HTTPConnection) -> str:
        """Return the client's address; for IPv6 its /64 network, as one client owns all of it."""
        client = _peer_of(connection)
        if self.speak(connection):
            client = connection.headers.get("x-forwarded-for", client).rpartition(",")[2].strip()
        address = _parse_address(client)
        if isinstance(address, IPv6Address):
            return str(IPv6Network((address, 64), strict=False))
        return str(address or client[:100])


class BehindProxy(Access):
    """
    Users named in *header* by one of *proxies*.

    Users in the users file have the role given there. All others are reviewers.
    """

    def __init__(self, header: str, users: Users | None, proxies: Proxies) -> None:
        self._header = header
        self._users = users
        self._proxies = proxies

    def person(self, connection: HTTPConnection) -> Person | None:
        names = connection.headers.getlist(self._header)
        name = names[0] if len(names) == 1 else ""  # a second one is not from the proxy
        if not name or not name.isprintable() or not self._proxies.speak(connection):
            return None
        known = self._users.get(name) if self._users else None
        return known or Person(name=name, role="reviewer")


def is_loopback(host: str) -> bool:
    """Whether *host*, a name or an address, is a loopback address."""
    address = _parse_address(host)
    return host.lower() == "localhost" or (address is not None and address.is_loopback)


def _peer_of(connection: HTTPConnection) -> str:
    return connection.client.host if connection.client else ""


def _host_of(connection: HTTPConnection) -> str:
    """Return the name or address in the header `Host`, without the brackets of IPv6."""
    try:
        return urlsplit(f"//{connection.headers.get('host', '')}").hostname or ""
    except ValueError:  # not an address
        return ""


def _is_claimed(connection: HTTPConnection, peer: str) -> bool:
    """
    Whether *peer* may come from a header: a server that trusts such headers replaces the peer by
    their value, and uvicorn then sets the port to 0.
    """
    claims = " ".join(",".join(connection.headers.getlist(name)) for name in _FORWARDED)
    return peer in claims or (connection.client is not None and connection.client.port == 0)


def _is_in(peer: str, addresses: str) -> bool:
    address = _parse_address(peer)
    return address is not None and address in ip_network(addresses, strict=False)


def _parse_address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()
