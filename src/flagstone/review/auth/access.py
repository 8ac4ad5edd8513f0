"""
How the page knows who is there: a token, a login, or a proxy that has asked already.

An address proves nothing by itself. A reverse proxy on this machine connects from 127.0.0.1 for the
whole world, and a server that trusts `X-Forwarded-For` lets anybody choose an address.
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
"""How long a session lasts, from the login on."""

PROXY_SECRET = "x-proxy-secret"  # noqa: S105 - the name of a header
_FORWARDED = ("x-forwarded-for", "x-real-ip", "forwarded")


class Access(ABC):
    """Who is at the other end of a connection; *door* is the page by which one comes in."""

    door: str | None = None

    @abstractmethod
    def person(self, connection: HTTPConnection) -> Person | None:
        """Who it is; None for somebody who may see nothing."""

    def may_knock(self, connection: HTTPConnection) -> bool:
        """Whether the door is shown to who is not known."""
        return self.door is not None and connection is not None


class OnThisMachine(Access):
    """
    Who has opened the page with *token* on this machine is *name*, an admin.

    The peer and the address asked for must be this machine's as well; that alone opens nothing.
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
        """Open the page for the session of *connection*, if this is the token."""
        is_right = hmac.compare_digest(_digest(token).encode(), self._token.encode())
        if not is_right or not self.may_knock(connection):
            return False
        connection.session.clear()
        connection.session["opened"] = self._token
        return True


class WithLogin(Access):
    """People in a file, who log in with a password; *ended* are the sessions they logged out of."""

    door = "/login"

    def __init__(self, users: Users, ended: EndedSessions) -> None:
        self.users = users
        self._ended = ended

    def person(self, connection: HTTPConnection) -> Person | None:
        session = connection.session
        person = self.users.get(str(session.get("name", "")))
        if person is None or not self._stands(connection):
            if "name" in session:  # or each refusal would sign it anew
                session.clear()
            return None
        return person

    def begin(self, connection: HTTPConnection, person: Person, session_id: str) -> None:
        """Begin a session of *person*, who has given the password."""
        connection.session.clear()
        connection.session.update(
            name=person.name, proof=self.users.proof(person.name), id=session_id, since=time.time()
        )

    def end(self, connection: HTTPConnection) -> None:
        """End the session, wherever a copy of its cookie is."""
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
    The proxies whose headers are believed: those at one of *addresses* (or networks) that send
    *secret* in the header `X-Proxy-Secret`. Without a secret the address alone is believed.
    """

    addresses: Collection[str] = ()
    secret: str | None = None

    def speak(self, connection: HTTPConnection) -> bool:
        """Whether it is one of them that has sent this."""
        peer = _peer_of(connection)
        if not any(_is_in(peer, each) for each in self.addresses):
            return False
        if self.secret is None:
            return not _is_claimed(connection, peer)
        given = connection.headers.getlist(PROXY_SECRET)
        return len(given) == 1 and hmac.compare_digest(given[0].encode(), self.secret.encode())

    def client_of(self, connection: HTTPConnection) -> str:
        """The address that asks; of IPv6 the network, of which anybody has all addresses."""
        client = _peer_of(connection)
        if self.speak(connection):
            client = connection.headers.get("x-forwarded-for", client).rpartition(",")[2].strip()
        address = _parse_address(client)
        if isinstance(address, IPv6Address):
            return str(IPv6Network((address, 64), strict=False))
        return str(address or client[:100])


class BehindProxy(Access):
    """
    People whom one of *proxies* names in *header*.

    Somebody in the file of users has the role given there; others, and all where there is no
    file, are reviewers.
    """

    def __init__(self, header: str, users: Users | None, proxies: Proxies) -> None:
        self._header = header
        self._users = users
        self._proxies = proxies

    def person(self, connection: HTTPConnection) -> Person | None:
        names = connection.headers.getlist(self._header)
        name = names[0] if len(names) == 1 else ""  # of two, one is not the proxy's
        if not name or not name.isprintable() or not self._proxies.speak(connection):
            return None
        known = self._users.get(name) if self._users else None
        return known or Person(name=name, role="reviewer")


def is_loopback(host: str) -> bool:
    """Whether *host*, a name or an address, is this machine as only it can reach it."""
    address = _parse_address(host)
    return host.lower() == "localhost" or (address is not None and address.is_loopback)


def _peer_of(connection: HTTPConnection) -> str:
    return connection.client.host if connection.client else ""


def _host_of(connection: HTTPConnection) -> str:
    """The name or address in the header `Host`, of IPv6 without its brackets."""
    try:
        return urlsplit(f"//{connection.headers.get('host', '')}").hostname or ""
    except ValueError:  # no address at all
        return ""


def _is_claimed(connection: HTTPConnection, peer: str) -> bool:
    """
    Whether a header may have made *peer* up: a server that trusts such headers puts what they say
    in the place of the peer, uvicorn with the port 0.
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
