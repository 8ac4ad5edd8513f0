"""
What can be done: log in and out, decide, correct, undo. Each post shows that a page of ours
sent it.
"""

import hmac
import io
import threading
import time
from collections import deque
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from flagstone.errors import FlagstoneError, RefusedError, UnknownFlagError
from flagstone.review.deciding import Decider, read_decision, read_undo
from flagstone.review.gate import base_of, person_of
from flagstone.review.people import Person, Users
from flagstone.review.rendering import render
from flagstone.review.telling import Told, review_told, state_told
from flagstone.review.uploads import Uploads
from flagstone.store import Store

_MOST_JSON = 2_000_000
_MOST_FILE = 200_000_000
_ATTEMPTS = 10
_WITHIN = 60.0
"""Failed logins of one name within so many seconds, after which it has to wait."""


class Posting:
    """The actions upon *store*."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._uploads = Uploads()
        self._decider = Decider(store, self._uploads)

    async def decide(self, request: Request) -> Response:
        """Append a review to each of some flags."""
        person, body = await _json_of(request)

        def act() -> Response:
            decision = read_decision(body)
            decided = self._decider.decide(decision, person)
            return Told(
                {
                    "decided": list(map(review_told, decided.reviews)),
                    "faster": list(map(review_told, decided.faster)),
                    "states": self._states(decision.seen),
                }
            )

        return await _answer(act)

    async def undo(self, request: Request) -> Response:
        """Withdraw each of some reviews."""
        person, body = await _json_of(request)

        def act() -> Response:
            asked = read_undo(body)
            withdrawals = self._decider.undo(asked, person)
            if not withdrawals:
                return _sentence("This can no longer be undone. Nothing was changed.", 409)
            states = self._states(review.flag_id for review in withdrawals)
            return Told({"states": states, "left": len(asked) - len(withdrawals)})

        return await _answer(act)

    def _states(self, flag_ids: Iterable[str]) -> list[dict[str, Any]]:
        return list(map(state_told, self._store.states(flag_ids).values()))

    async def upload(self, request: Request) -> Response:
        """Put the file sent where a correction by the same person may name it by its hash."""
        person = _reviewer_of(request)
        _require_token(request, request.headers.get("x-token", ""))
        content = await _body_of(request, _MOST_FILE)
        name = request.query_params.get("name", "file")

        def act() -> Response:
            ref = self._store.files.put(io.BytesIO(content), name=name)
            self._uploads.add(person.name, ref)
            return Told({"sha256": ref.sha256, "name": ref.name, "size": ref.size})

        return await _answer(act)


class LoggingIn:
    """The login page of *users*."""

    def __init__(self, users: Users) -> None:
        self._users = users
        self._mutex = threading.Lock()
        self._failures: dict[str, deque[float]] = {}

    def page(self, request: Request) -> Response:
        """The form."""
        return render(request, "login.html", to=request.query_params.get("to", ""), error=None)

    async def log_in(self, request: Request) -> Response:
        """Begin a session, if name and password are right."""
        form = await _form_of(request)
        name, to = form.get("name", ""), form.get("to", "")
        if self._must_wait(name):
            error = "Too many attempts. Wait a minute."
            return render(request, "login.html", status=429, to=to, error=error)
        password = form.get("password", "")
        person = await run_in_threadpool(self._users.check, name, password)
        if person is None:
            self._note_failure(name)
            error = "This name and password do not go together."
            return render(request, "login.html", status=401, to=to, error=error)
        request.session.clear()
        request.session.update(name=person.name, proof=self._users.proof(person.name))
        return RedirectResponse(f"{base_of(request)}{_local(to)}", 303)

    async def log_out(self, request: Request) -> Response:
        """End the session."""
        await _form_of(request)
        request.session.clear()
        return RedirectResponse(f"{base_of(request)}/login", 303)

    def _must_wait(self, name: str) -> bool:
        with self._mutex:
            failures = self._failures.get(name, ())
            return sum(time.monotonic() - at < _WITHIN for at in failures) >= _ATTEMPTS

    def _note_failure(self, name: str) -> None:
        with self._mutex:
            if len(self._failures) >= 10_000:  # noqa: PLR2004 - names that nobody has cost memory
                self._failures.clear()
            self._failures.setdefault(name, deque(maxlen=_ATTEMPTS)).append(time.monotonic())


def _local(to: str) -> str:
    """*to*, if it is a page of ours."""
    is_ours = to.startswith("/") and not to.startswith(("//", "/\\")) and to.isprintable()
    return to if is_ours and to.isascii() and "\\" not in to else "/"


async def _json_of(request: Request) -> tuple[Person, Any]:
    person = _reviewer_of(request)
    _require_token(request, request.headers.get("x-token", ""))
    body = await _body_of(request, _MOST_JSON)
    try:
        return person, orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise HTTPException(400, "This is no JSON. Nothing was changed.") from error


async def _form_of(request: Request) -> dict[str, str]:
    body = await _body_of(request, _MOST_JSON)
    try:
        fields = parse_qs(body.decode(errors="replace"), max_num_fields=20)
    except ValueError as error:
        raise HTTPException(400, "This is no form of ours. Nothing was changed.") from error
    form = {name: texts[0] for name, texts in fields.items()}
    _require_token(request, form.get("token", ""))
    return form


async def _body_of(request: Request, most: int) -> bytes:
    parts = bytearray()
    async for part in request.stream():
        parts += part
        if len(parts) > most:
            raise HTTPException(413, f"More than {most:,} bytes. Nothing was changed.")
    return bytes(parts)


def _reviewer_of(request: Request) -> Person:
    person = person_of(request)
    if not person.may_decide:
        raise HTTPException(403, "A viewer may look, and not decide. Nothing was changed.")
    return person


def _require_token(request: Request, token: str) -> None:
    own = str(request.session.get("token", ""))
    if not own or not hmac.compare_digest(own.encode(), token.encode(errors="replace")):
        raise HTTPException(403, "This page is too old. Nothing was changed; load it again.")


async def _answer(act: Any) -> Response:
    """What *act* answers, in a thread; its errors as a sentence for the page."""
    try:
        response: Response = await run_in_threadpool(act)
    except UnknownFlagError as error:
        return _sentence(str(error), 404)
    except RefusedError as error:
        return _sentence(str(error), 400)
    except FlagstoneError as error:
        return _sentence(str(error), 503)
    return response


def _sentence(text: str, status: int) -> Response:
    return Told({"error": text}, status)
