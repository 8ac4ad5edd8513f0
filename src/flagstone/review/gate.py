"""
What every request passes before a page sees it, and every answer after.

Nobody who is not known gets further than the login page; nothing is changed at the wish of another
site; no answer may run a script but ours, be shown in a frame, or be taken for what it is not.
"""

import secrets
from urllib.parse import quote, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flagstone.errors import UsersError
from flagstone.review.access import Access, WithLogin
from flagstone.review.people import Person

_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "media-src 'self'; connect-src 'self'; frame-src 'self'; form-action 'self'; "
        "base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
_READING = ("GET", "HEAD")


class Shell:
    """*app* with a scope of its own, whatever it is mounted in, and headers on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, text in _HEADERS.items():
                    headers.setdefault(name, text)
            await send(message)

        await self._app(dict(scope), receive, send_with_headers)


class Gate:
    """*app*, for those whom *access* knows."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        try:
            person = self._access.person(request)
        except UsersError as error:  # the file was there when the app was made
            await PlainTextResponse(str(error), 503)(scope, receive, send)
            return
        scope.setdefault("state", {})["person"] = person
        refusal = self._refusal(request, person)
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, request: Request, person: Person | None) -> Response | None:
        if request.method not in _READING and _is_foreign(request):
            return PlainTextResponse("This came from another site. Nothing was changed.", 403)
        path = path_of(request)
        has_login = isinstance(self._access, WithLogin)
        # What is installed is no secret, and frames of no origin ask for it without cookies.
        is_open = path.startswith("/static/") or (has_login and path.startswith("/login"))
        if person is not None or is_open:
            return None
        if not has_login:
            return PlainTextResponse("This page is not open to you.", 403)
        if request.method in _READING and "text/html" in request.headers.get("accept", ""):
            wanted = "?".join(filter(None, [quote(path), request.url.query]))
            return RedirectResponse(f"{base_of(request)}/login?to={quote(wanted, safe='')}", 303)
        return PlainTextResponse("Log in first.", 401)


def base_of(request: HTTPConnection) -> str:
    """What stands before the path of every page, where the app is mounted below a prefix."""
    return str(request.scope.get("root_path", "")).rstrip("/")


def path_of(request: HTTPConnection) -> str:
    """The path of a page, below the prefix where the app is mounted."""
    return str(request.scope["path"]).removeprefix(base_of(request))


def person_of(request: HTTPConnection) -> Person:
    """Who asks; the gate let nobody else through."""
    person: Person = request.scope["state"]["person"]
    return person


def token_of(request: HTTPConnection) -> str:
    """The word that shows a post to come from a page of this session."""
    token = request.session.setdefault("token", secrets.token_urlsafe(24))
    return str(token)


def _is_foreign(request: Request) -> bool:
    """Whether the browser says that another site sent this."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin")
    own = request.headers.get("host", "")
    return site != "same-origin" or (origin is not None and _host_of(origin) != own)


def _host_of(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:  # no address at all
        return ""
