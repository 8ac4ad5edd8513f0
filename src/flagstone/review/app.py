"""
The review page as an ASGI app: routes, middleware and access control.
"""

import getpass
import hashlib
import secrets
from collections.abc import Callable, Collection
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from flagstone.errors import FlagstoneError, UntrustedProxyError
from flagstone.errors.safe_logs import logger_of
from flagstone.operations.forget import finish_on_open
from flagstone.review.auth.access import (
    SESSION_SECONDS,
    Access,
    BehindProxy,
    OnThisMachine,
    Proxies,
    WithLogin,
)
from flagstone.review.auth.middleware import Gate, Shell
from flagstone.review.auth.sessions import EndedSessions
from flagstone.review.auth.users import Users
from flagstone.review.json_views import Told
from flagstone.review.loading import Preparing
from flagstone.review.routes.actions import Posting
from flagstone.review.routes.embeds import Frames
from flagstone.review.routes.login import LoggingIn, Opening
from flagstone.review.routes.pages import Browsing
from flagstone.review.templating import STATIC, render
from flagstone.review.updates import News
from flagstone.review.values.js_libraries import send_library
from flagstone.stores.base import Store
from flagstone.stores.open import reader_of

logger = logger_of(__name__)


def create_app(
    store: Store,
    *,
    users: str | Path | None = None,
    token: str | None = None,
    trusted_header: str | None = None,
    proxies: Collection[str] = (),
    proxy_secret: str | None = None,
    trust_proxy_address: bool = False,
    https: bool = False,
    secret: str | None = None,
) -> Shell:
    """
    Return the review page of *store*, to be served or mounted in another app below a prefix.

    Without *users*, it answers only browsers on this machine that opened it with *token*, as
    `?token=…` in its address. If no token is given, a random one is created, logged, and available
    as the attribute `token` of the returned app. With *users*, the path of a file that `flagstone
    review-user` writes, users log in with a password.

    *proxies* are addresses or networks of reverse proxies. Their headers are trusted if they send
    *proxy_secret* in the header `X-Proxy-Secret`, or if *trust_proxy_address* states that only the
    proxy can connect from there. Then *trusted_header* names the user, *users* assigns roles, and
    password attempts are counted by the last address in `X-Forwarded-For`.

    *https* restricts cookies to HTTPS. *secret* signs the sessions; without it, sessions end with
    the process.

    Raises `UsersError` if the users file cannot be read, and `UntrustedProxyError` if a header
    would be trusted from any sender.
    """
    trusted = _proxies(proxies, proxy_secret, trust=trust_proxy_address, header=trusted_header)
    key = secret or secrets.token_urlsafe(32)
    opens = None if users is not None or trusted_header is not None else token or _new_token(token)
    access = _access(users, trusted_header, trusted, opens, outlives=secret is not None)
    finish_on_open(store)
    store = reader_of(store)
    # A unique name, because browsers send the cookies of 127.0.0.1 to all of its ports.
    cookie = f"flagstone_review_{hashlib.sha256(key.encode()).hexdigest()[:8]}"
    session: dict[str, Any] = {
        "session_cookie": cookie, "max_age": SESSION_SECONDS, "https_only": https,
        "same_site": "lax" if opens is None else "strict", "secret_key": key,
    }  # fmt: skip
    doors = _doors(access, trusted, key, cookie=cookie, https=https)
    handlers: dict[Any, Callable[..., Any]] = {HTTPException: _refuse, FlagstoneError: _fail}
    app = Starlette(
        routes=[*_routes(store), *doors],
        middleware=[
            Middleware(SessionMiddleware, **session),
            Middleware(Gate, access=access),
            Middleware(Preparing, store=store),
        ],
        exception_handlers=handlers,
    )
    app.state.access = access
    return Shell(app, opens)


def _routes(store: Store) -> list[BaseRoute]:
    browsing, frames, posting = Browsing(store, News(store)), Frames(store), Posting(store)
    return [
        Route("/", browsing.list),
        Route("/rows", browsing.rows),
        Route("/flag", browsing.flag),
        Route("/file", browsing.file),
        Route("/preview", browsing.preview),
        Route("/plot", frames.plot),
        Route("/model", frames.model),
        Route("/records", browsing.records),
        Route("/dashboard", browsing.dashboard),
        Route("/news", browsing.news),
        Route("/decide", posting.decide, methods=["POST"]),
        Route("/undo", posting.undo, methods=["POST"]),
        Route("/upload", posting.upload, methods=["POST"]),
        Route("/static/libraries/{name}.js", send_library),
        Mount("/static", _Static(directory=STATIC)),
    ]


def _doors(
    access: Access, proxies: Proxies, secret: str, *, cookie: str, https: bool
) -> list[BaseRoute]:
    match access:
        case WithLogin():
            login = LoggingIn(access, proxies, secret, cookie=cookie, https=https)
            return [
                Route("/login", login.page),
                Route("/login", login.log_in, methods=["POST"]),
                Route("/logout", login.log_out, methods=["POST"]),
            ]
        case OnThisMachine():
            opening = Opening(access)
            return [
                Route("/open", opening.page),
                Route("/open", opening.open, methods=["POST"]),
            ]
    return []


class _Static(StaticFiles):
    """Flagstone's own static files: browsers cache them and revalidate on each use."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["cache-control"] = "no-cache"
        response.headers["cross-origin-resource-policy"] = "cross-origin"  # for sandboxed frames
        return response


def _new_token(token: str | None) -> str:
    if token is not None:
        raise ValueError("the token must not be empty: it would open the page to anyone")
    token = secrets.token_urlsafe(32)
    logger.warning("Open the review page with ?token=%s at the end of its address", token)
    return token


def _proxies(
    addresses: Collection[str], secret: str | None, *, trust: bool, header: str | None
) -> Proxies:
    """Return the trusted proxies. Raises `UntrustedProxyError`."""
    if isinstance(addresses, str):
        addresses = [addresses]
    if secret is not None and not secret:
        raise UntrustedProxyError(header=header, reason="the proxy's secret is empty")
    if header is not None and not addresses:
        raise UntrustedProxyError(header=header, reason="no proxy address is given")
    if addresses and secret is None and not trust:
        raise UntrustedProxyError(header=header, reason="an address alone is no proof")
    try:
        for each in addresses:
            ip_network(each, strict=False)
    except ValueError as error:
        reason = f"{each!r} is not an address or network"
        raise UntrustedProxyError(header=header, reason=reason) from error
    return Proxies(addresses=tuple(addresses), secret=secret)


def _access(
    users: str | Path | None, header: str | None, proxies: Proxies, token: str | None,
    *, outlives: bool,
) -> Access:  # fmt: skip
    people = Users(Path(users)) if users is not None else None
    if people is not None:
        people.get("")  # report an unreadable file now, not to the first visitor
    if header is not None:
        return BehindProxy(header, people, proxies)
    if people is None:
        return OnThisMachine(getpass.getuser(), token or "")
    # If sessions outlive the process, so must the list of ended sessions.
    path = people.path.with_name(f"{people.path.name}.ended") if outlives else None
    return WithLogin(people, EndedSessions(SESSION_SECONDS, path))


def _refuse(request: Request, error: HTTPException) -> Response:
    return _problem(request, error.detail, error.status_code)


def _fail(request: Request, error: FlagstoneError) -> Response:
    return _problem(request, str(error), 503)


def _problem(request: Request, sentence: str, status: int) -> Response:
    if request.method in ("GET", "HEAD"):
        return render(request, "problem.html", status=status, sentence=sentence)
    return Told({"error": sentence}, status)
