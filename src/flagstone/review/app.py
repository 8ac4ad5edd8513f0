"""
The review page as an ASGI app: its routes, and what stands before them.
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
    The review page of *store*, to be served, or mounted in another app below a prefix.

    Without *users* it answers this machine only, and only who has opened it with *token*: by
    `?token=…` behind its address. One is made up where none is given; the log has it, and so has
    the attribute `token` of what is returned. With the path of a file of *users* (`flagstone
    review-user` writes it) people log in.

    *proxies* are addresses or networks of reverse proxies. What they say is believed if they send
    *proxy_secret* in the header `X-Proxy-Secret`, or if you say by *trust_proxy_address* that
    nobody else can send from there. Then *trusted_header* names who is there, and *users* gives
    roles; and guesses of passwords count by the last address in `X-Forwarded-For`.

    *https* says that browsers reach it by HTTPS only, so that cookies go no other way. *secret*
    signs the sessions; without one they end when the process does.

    Raises `UsersError` where the file of users cannot be read, `UntrustedProxyError` where a header
    would be believed from anybody.
    """
    trusted = _proxies(proxies, proxy_secret, trust=trust_proxy_address, header=trusted_header)
    key = secret or secrets.token_urlsafe(32)
    opens = None if users is not None or trusted_header is not None else token or _new_token(token)
    access = _access(users, trusted_header, trusted, opens, outlives=secret is not None)
    finish_on_open(store)
    store = reader_of(store)
    # A name of its own: browsers send the cookies of 127.0.0.1 to all of its ports.
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
    """Our own files: a browser keeps them, and asks whether they have changed."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["cache-control"] = "no-cache"
        response.headers["cross-origin-resource-policy"] = "cross-origin"  # for frames of no origin
        return response


def _new_token(token: str | None) -> str:
    if token is not None:
        raise ValueError("an empty token opens the page to everybody")
    token = secrets.token_urlsafe(32)
    logger.warning("The review page is opened by its address with ?token=%s behind it", token)
    return token


def _proxies(
    addresses: Collection[str], secret: str | None, *, trust: bool, header: str | None
) -> Proxies:
    """The proxies to be believed. Raises `UntrustedProxyError`."""
    if isinstance(addresses, str):
        addresses = [addresses]
    if secret is not None and not secret:
        raise UntrustedProxyError(header=header, reason="the proxy's secret is empty")
    if header is not None and not addresses:
        raise UntrustedProxyError(header=header, reason="no address of a proxy is named")
    if addresses and secret is None and not trust:
        raise UntrustedProxyError(header=header, reason="an address alone proves nothing")
    try:
        for each in addresses:
            ip_network(each, strict=False)
    except ValueError as error:
        reason = f"{each!r} is no address and no network"
        raise UntrustedProxyError(header=header, reason=reason) from error
    return Proxies(addresses=tuple(addresses), secret=secret)


def _access(
    users: str | Path | None, header: str | None, proxies: Proxies, token: str | None,
    *, outlives: bool,
) -> Access:  # fmt: skip
    people = Users(Path(users)) if users is not None else None
    if people is not None:
        people.get("")  # a file that cannot be read is told now, not to the first visitor
    if header is not None:
        return BehindProxy(header, people, proxies)
    if people is None:
        return OnThisMachine(getpass.getuser(), token or "")
    # Where sessions outlive the process, so must it be known which of them were ended.
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
