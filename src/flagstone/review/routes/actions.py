"""
Actions: decide, correct, undo. Each POST needs the token of a page of the session.
"""

import io
from collections.abc import Iterable
from typing import Any

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from flagstone.errors import FlagstoneError, RejectedFlagError, UnknownFlagError
from flagstone.review.auth.middleware import person_of
from flagstone.review.auth.users import Person
from flagstone.review.decisions import Decider, read_decision, read_undo
from flagstone.review.json_views import Told, review_told, state_told
from flagstone.review.routes.forms import read_body, require_token
from flagstone.review.uploads import Uploads
from flagstone.stores.base import Store

_MAX_JSON = 2_000_000
_MAX_FILE = 200_000_000


class Posting:
    """The actions on *store*."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._uploads = Uploads()
        self._decider = Decider(store, self._uploads)

    async def decide(self, request: Request) -> Response:
        """Append a review to each of the posted flags."""
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
        """Retract each of the posted reviews."""
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
        """Store the posted file, so that a correction by the same person may name its hash."""
        person = _reviewer_of(request)
        require_token(request, request.headers.get("x-token", ""))
        content = await read_body(request, _MAX_FILE)
        name = request.query_params.get("name", "file")

        def act() -> Response:
            ref = self._store.files.put(io.BytesIO(content), name=name)
            self._uploads.add(person.name, ref)
            return Told({"sha256": ref.sha256, "name": ref.name, "size": ref.size})

        return await _answer(act)


async def _json_of(request: Request) -> tuple[Person, Any]:
    person = _reviewer_of(request)
    require_token(request, request.headers.get("x-token", ""))
    body = await read_body(request, _MAX_JSON)
    try:
        return person, orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise HTTPException(400, "This is not JSON. Nothing was changed.") from error


def _reviewer_of(request: Request) -> Person:
    person = person_of(request)
    if not person.may_decide:
        raise HTTPException(403, "A viewer cannot decide. Nothing was changed.")
    return person


async def _answer(act: Any) -> Response:
    """Return the response of *act*, called in a thread; errors become a sentence for the page."""
    try:
        response: Response = await run_in_threadpool(act)
    except UnknownFlagError as error:
        return _sentence(str(error), 404)
    except RejectedFlagError as error:
        return _sentence(str(error), 400)
    except FlagstoneError as error:
        return _sentence(str(error), 503)
    return response


def _sentence(text: str, status: int) -> Response:
    return Told({"error": text}, status)
