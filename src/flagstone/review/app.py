"""
The review page as an ASGI app: its routes, and what stands before them.
"""

import getpass
import secrets
from collections.abc import Callable
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
from starlette.types import ASGIApp

from flagstone.errors import FlagstoneError
from flagstone.review.access import Access, BehindProxy, OnThisMachine, WithLogin
from flagstone.review.browsing import Browsing
from flagstone.review.frames import Frames
from flagstone.review.gate import Gate, Shell
from flagstone.review.libraries import send_library
from flagstone.review.news import News
from flagstone.review.people import Users
from flagstone.review.posting import LoggingIn, Posting
from flagstone.review.preparing import Preparing
from flagstone.review.rendering import STATIC, render
from flagstone.review.telling import Told
from flagstone.store import Store
from flagstone.stores import reader_of

_SESSION = 12 * 3600
"""Seconds after which one has to log in again."""


def create_app(
    store: Store,
    *,
    users: str | Path | None = None,
    trusted_header: str | None = None,
    https: bool = False,
    secret: str | None = None,
) -> ASGIApp:
    """
    The review page of *store*, to be served, or mounted in another app below a prefix.

    Without *users* it answers this machine only. With the path of a file of *users*
    (`flagstone review-user` writes it) people log in. With *trusted_header* a proxy on this
    machine has asked them already, and names them in that header; *users* then gives roles.

    *https* says that browsers reach it by HTTPS only, so that cookies go no other way. *secret*
    signs the sessions; without one they end when the process does.

    Raises `UsersError` where the file of users cannot be read.
    """
    access = _access(users, trusted_header)
    store = reader_of(store)
    session: dict[str, Any] = {
        "session_cookie": "flagstone_review", "max_age": _SESSION, "same_site": "lax",
        "https_only": https, "secret_key": secret or secrets.token_urlsafe(32),
    }  # fmt: skip
    handlers: dict[Any, Callable[..., Any]] = {HTTPException: _refuse, FlagstoneError: _fail}
    app = Starlette(
        routes=_routes(store, access),
        middleware=[
            Middleware(SessionMiddleware, **session),
            Middleware(Gate, access=access),
            Middleware(Preparing, store=store),
        ],
        exception_handlers=handlers,
    )
    app.state.access = access
    return Shell(app)


def _routes(store: Store, access: Access) -> list[BaseRoute]:
    browsing, frames, posting = Browsing(store, News(store)), Frames(store), Posting(store)
    routes: list[BaseRoute] = [
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
    if isinstance(access, WithLogin):
        login = LoggingIn(access.users)
        routes += [
            Route("/login", login.page),
            Route("/login", login.log_in, methods=["POST"]),
            Route("/logout", login.log_out, methods=["POST"]),
        ]
    return routes


class _Static(StaticFiles):
    """Our own files: a browser keeps them, and asks whether they have changed."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["cache-control"] = "no-cache"
        response.headers["cross-origin-resource-policy"] = "cross-origin"  # for frames of no origin
        return response


def _access(users: str | Path | None, trusted_header: str | None) -> Access:
    people = Users(Path(users)) if users is not None else None
    if people is not None:
        people.get("")  # a file that cannot be read is told now, not to the first visitor
    if trusted_header is not None:
        return BehindProxy(trusted_header, people)
    return WithLogin(people) if people is not None else OnThisMachine(getpass.getuser())


def _refuse(request: Request, error: HTTPException) -> Response:
    return _problem(request, error.detail, error.status_code)


def _fail(request: Request, error: FlagstoneError) -> Response:
    return _problem(request, str(error), 503)


def _problem(request: Request, sentence: str, status: int) -> Response:
    if request.method in ("GET", "HEAD"):
        return render(request, "problem.html", status=status, sentence=sentence)
    return Told({"error": sentence}, status)
