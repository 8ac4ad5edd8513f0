"""
Middleware for every request and response.

Unknown users get no further than the login page. Requests from other sites cannot change anything.
Responses run only Flagstone's scripts, cannot be framed by other sites, and keep their media type.
"""

import secrets
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flagstone.errors import UsersError
from flagstone.review.auth.access import Access, OnThisMachine
from flagstone.review.auth.users import Person

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
_AGAIN = '<!doctype html><title>Flagstone</title><meta http-equiv="refresh" content="0">'


class Shell:
    """
    Wraps *app*: gives it its own scope when it is mounted, and adds headers to every response.

    `token` opens the page if there are no users; it is None if users log in.
    """

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app = app
        self.token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, text in _HEADERS.items():
                    headers.setdefault(name, text)
            await send(message)

        await self._app(dict(scope), receive, send_with_headers)


class Gate:
    """Middleware that lets only users known to *access* reach *app*."""

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
        except UsersError as error:  # the file existed when the app was created
            await PlainTextResponse(str(error), 503)(scope, receive, send)
            return
        scope.setdefault("state", {})["person"] = person
        answer = self._opening(request) or self._refusal(request, person)
        await (answer or self._app)(scope, receive, send)

    def _opening(self, request: Request) -> Response | None:
        """Return a redirect to the address without its token, if that token is right."""
        access, token = self._access, request.query_params.get("token")
        if token is None or not isinstance(access, OnThisMachine):
            return None
        if request.method not in _READING or not access.open(request, token):
            return None
        rest = [pair for pair in parse_qsl(request.url.query, True) if pair[0] != "token"]
        to = f"{base_of(request)}{quote(path_of(request))}"
        address = f"{to}?{urlencode(rest)}" if rest else to
        return RedirectResponse(address, 303, headers={"referrer-policy": "no-referrer"})

    def _refusal(self, request: Request, person: Person | None) -> Response | None:
        if request.method not in _READING and _is_foreign(request):
            return PlainTextResponse("This is from another site. Nothing was changed.", 403)
        path = path_of(request)
        may_knock = self._access.may_knock(request)
        # Static files are not secret, and sandboxed frames request them without cookies.
        is_open = path.startswith("/static/") or (may_knock and path == self._access.door)
        if person is not None or is_open:
            return None
        if not may_knock:
            return PlainTextResponse("You have no access to this page.", 403)
        if request.method in _READING and "text/html" in request.headers.get("accept", ""):
            return self._door(request)
        return PlainTextResponse("Log in, or open the page with its token.", 401)

    def _door(self, request: Request) -> Response:
        """Return a redirect to the login page or the page that asks for the token."""
        query = urlencode([p for p in parse_qsl(request.url.query, True) if p[0] != "token"])
        wanted = "?".join(filter(None, [quote(path_of(request)), query]))
        if isinstance(self._access, OnThisMachine) and _comes_from_elsewhere(request):
            # The browser sends the cookie only from our own pages: reload from one of them.
            return HTMLResponse(_AGAIN, 401)
        place = f"{base_of(request)}{self._access.door}"
        return RedirectResponse(f"{place}?to={quote(wanted, safe='')}", 303)


def base_of(request: HTTPConnection) -> str:
    """Return the prefix below which the app is mounted; empty if it is not mounted."""
    return str(request.scope.get("root_path", "")).rstrip("/")


def path_of(request: HTTPConnection) -> str:
    """Return the path of a page below the prefix where the app is mounted."""
    return str(request.scope["path"]).removeprefix(base_of(request))


def person_of(request: HTTPConnection) -> Person:
    """Return the user of the request, as identified by `Gate`."""
    person: Person = request.scope["state"]["person"]
    return person


def token_of(request: HTTPConnection) -> str:
    """Return the token which shows that a POST comes from a page of this session (CSRF)."""
    token = request.session.setdefault("token", secrets.token_urlsafe(24))
    return str(token)


def _comes_from_elsewhere(request: Request) -> bool:
    return request.headers.get("sec-fetch-site") in ("cross-site", "same-site")


def _is_foreign(request: Request) -> bool:
    """Whether the request's headers show that it comes from another site."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin")
    own = request.headers.get("host", "")
    return site != "same-origin" or (origin is not None and _host_of(origin) != own)


def _host_of(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:  # not an address
        return ""
