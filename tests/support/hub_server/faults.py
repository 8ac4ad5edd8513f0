"""
What may go wrong between a client and the Hub, by request or at random.
"""

import asyncio
import random
import re
from dataclasses import dataclass, field
from typing import Literal

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Kind = Literal["status", "cut before", "cut after", "delay"]


@dataclass
class Fault:
    """
    What happens to the next *times* requests whose method and path *matches* finds.

    "cut before" closes the connection and does nothing; "cut after" does all that was asked, and
    then closes it without an answer.
    """

    matches: str
    kind: Kind = "status"
    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    times: int = 1

    def hits(self, request: str) -> bool:
        return self.times > 0 and re.search(self.matches, request) is not None


@dataclass
class Chaos:
    """Faults at random: of *rate* of all requests that matter, drawn from *seed*."""

    rate: float
    seed: int

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def fault(self) -> Fault | None:
        if self._random.random() >= self.rate:
            return None
        kind = self._random.choice(["cut before", "cut after", 429, 500, 503])
        headers = {"Retry-After": "0.05"} if kind == 429 else {}
        if isinstance(kind, int):
            return Fault("", status=kind, headers=headers)
        return Fault("", kind="cut after" if kind == "cut after" else "cut before")


class Faults:
    """The middle between the net and *app*, where faults happen."""

    def __init__(self, app: ASGIApp, planned: list[Fault], chaos: list[Chaos]) -> None:
        self._app = app
        self._planned = planned
        self._chaos = chaos

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        fault = (
            self._next(f"{scope['method']} {scope['path']}") if scope["type"] == "http" else None
        )
        if fault is None:
            await self._app(scope, receive, send)
        elif fault.kind == "delay":
            await asyncio.sleep(fault.seconds)
            await self._app(scope, receive, send)
        elif fault.kind == "status":
            await _drain(receive)
            answer = Response(status_code=fault.status, headers=fault.headers)
            await answer(scope, receive, send)
        else:
            if fault.kind == "cut after":
                await self._app(scope, receive, _nowhere)
            else:
                await _drain(receive)
            # A length that is never sent: the server closes, and the client sees it cut off.
            headers = [(b"content-length", b"1000")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})

    def _next(self, request: str) -> Fault | None:
        for fault in self._planned:
            if fault.hits(request):
                fault.times -= 1
                return fault
        return next((found for chaos in self._chaos if (found := chaos.fault())), None)


async def _drain(receive: Receive) -> None:
    while (await receive()).get("more_body"):
        pass


async def _nowhere(message: Message) -> None:
    """Send nothing."""
