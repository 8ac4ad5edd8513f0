"""
The login page, and the page that asks for the token.
"""

import asyncio
import secrets

from itsdangerous import BadSignature, URLSafeSerializer
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from flagstone.review.auth.access import OnThisMachine, Proxies, WithLogin
from flagstone.review.auth.attempts import Attempts, Slot, keys_of
from flagstone.review.auth.middleware import base_of
from flagstone.review.auth.users import LONGEST_NAME, Person
from flagstone.review.routes.forms import read_form
from flagstone.review.templating import render

_MAX_PASSWORD_LENGTH = 1_000
_DEVICE_SECONDS = 365 * 86_400
_WAIT = "Too many attempts. Wait a minute."
_BUSY = "Too many logins at once. Try again in a moment."
_WRONG = "Wrong name or password."


class LoggingIn:
    """The login page; *secret* signs the cookie of browsers that were used to log in."""

    def __init__(
        self, access: WithLogin, proxies: Proxies, secret: str, *, cookie: str, https: bool
    ) -> None:
        self._access = access
        self._proxies = proxies
        self._signer = URLSafeSerializer(secret, salt="flagstone device")
        self._cookie = f"{cookie}_device"
        self._https = https
        self._attempts = Attempts()
        self._slots = {False: Slot(), True: Slot()}  # a separate one for known browsers

    def page(self, request: Request) -> Response:
        """The form."""
        return _form(request, request.query_params.get("to", ""))

    async def log_in(self, request: Request) -> Response:
        """Begin a session if name and password are right."""
        form = await read_form(request)
        name, password, to = (form.get(field, "") for field in ("name", "password", "to"))
        device = self._device_of(request, name)
        address = self._proxies.client_of(request)
        keys = keys_of(address, name[:LONGEST_NAME], device)
        if not self._attempts.begin(keys):
            return _form(request, to, _WAIT, 429)
        if len(name) > LONGEST_NAME or len(password) > _MAX_PASSWORD_LENGTH:
            return _form(request, to, _WRONG, 401)
        slot = self._slots[device is not None]
        with slot.place(address) as is_free:
            if not is_free:
                self._attempts.forgive(keys)
                return _form(request, to, _BUSY, 503)
            person = await asyncio.get_running_loop().run_in_executor(
                slot.pool, self._access.users.check, name, password
            )
        if person is None:
            return _form(request, to, _WRONG, 401)
        self._attempts.forgive(keys)
        return self._let_in(request, person, device, to)

    async def log_out(self, request: Request) -> Response:
        """End the session and invalidate all copies of its cookie."""
        await read_form(request)
        self._access.end(request)
        return RedirectResponse(f"{base_of(request)}/login", 303)

    def _let_in(self, request: Request, person: Person, device: str | None, to: str) -> Response:
        self._access.begin(request, person, secrets.token_urlsafe(16))
        answer = RedirectResponse(f"{base_of(request)}{local(to)}", 303)
        answer.set_cookie(
            self._cookie,
            str(self._signer.dumps([person.name, device or secrets.token_urlsafe(16)])),
            max_age=_DEVICE_SECONDS, httponly=True, secure=self._https, samesite="strict",
        )  # fmt: skip
        return answer

    def _device_of(self, request: Request, name: str) -> str | None:
        """Return the browser's id if *name* has logged in with it before."""
        try:
            owner, device = self._signer.loads(request.cookies.get(self._cookie, ""))
        except (BadSignature, ValueError, TypeError):
            return None
        return str(device) if owner == name else None


class Opening:
    """The page that asks for the token of *access*."""

    def __init__(self, access: OnThisMachine) -> None:
        self._access = access

    def page(self, request: Request) -> Response:
        """The form."""
        return self._form(request, request.query_params.get("to", ""), None)

    async def open(self, request: Request) -> Response:
        """Give this browser access if the token is right."""
        form = await read_form(request)
        to = form.get("to", "")
        if not self._access.open(request, form.get("key", "").strip()):
            return self._form(request, to, "Wrong token.")
        return RedirectResponse(f"{base_of(request)}{local(to)}", 303)

    @staticmethod
    def _form(request: Request, to: str, error: str | None) -> Response:
        return render(request, "open.html", status=401, to=to, error=error)


def local(to: str) -> str:
    """Return *to* if it is a path on this site, else `/`."""
    is_ours = to.startswith("/") and not to.startswith(("//", "/\\")) and to.isprintable()
    return to if is_ours and to.isascii() and "\\" not in to else "/"


def _form(request: Request, to: str, error: str | None = None, status: int = 200) -> Response:
    return render(request, "login.html", status=status, to=to, error=error)
