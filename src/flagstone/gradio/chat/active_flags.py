"""
Find the active flag of a reply: from the server's memory, or from receipts that the page holds.

The server remembers the flags of the conversation that a session currently shows. For earlier
conversations, and for other tabs of the same browser, the page sends its receipts. A receipt is
valid for a reply if it is not older than the reply's place in the conversation: the same text
written again is another reply.
"""

import json
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from flagstone.gradio.chat.messages import Reply
from flagstone.gradio.recording.requester import session_of

_MAX_REACTIONS = 100_000
_MAX_RECEIPTS = 500
_MAX_PLACES = 1_000


@dataclass(frozen=True)
class Standing:
    """
    The active flag of a reply, and its option.

    `former` is the previous flag, if it still has to be withdrawn. `said` holds the comment and the
    expected reply that were entered.
    """

    flag_id: str
    option: str | None
    former: str | None = None
    said: tuple[str | None, str | None] = (None, None)


@dataclass(frozen=True, kw_only=True)
class Told:
    """
    State that the page sends; times are in milliseconds of the page's own clock.

    `receipts` are (flag id, time) by reply key. `began` are pairs (message position, start time):
    the conversation from that message on is no older than that. `at` is the time of the event.
    """

    receipts: dict[str, tuple[str, float]] = field(default_factory=dict)
    began: Sequence[tuple[int, float]] = ()
    at: float = 0

    @classmethod
    def parse(cls, told: Any) -> "Told":
        """Parse *told*, JSON text from the page; invalid parts are dropped."""
        try:
            told = json.loads(told)
        except (TypeError, ValueError, RecursionError):
            return cls()
        if not isinstance(told, dict):
            return cls()
        receipts, began = told.get("receipts"), told.get("began")
        pairs = list(receipts.items())[-_MAX_RECEIPTS:] if isinstance(receipts, dict) else []
        places = began[-_MAX_PLACES:] if isinstance(began, list) else []
        return cls(
            receipts={
                key: (each[0], _moment(each[1]))
                for key, each in pairs
                if _is_pair(each) and isinstance(each[0], str) and each[0].isascii()
            },
            began=[
                (each[0], _moment(each[1]))
                for each in places
                if _is_pair(each) and type(each[0]) is int
            ],
            at=_moment(told.get("at")),
        )

    def receipt(self, key: str, reply: Reply) -> str | None:
        """Return the flag id that the page holds for *key* of *reply*, unless it is outdated."""
        flag_id, moment = self.receipts.get(key, (None, 0))
        age = max((begin for place, begin in self.began if place <= reply.first), default=0)
        return flag_id if moment >= age else None


def keys_of(reply: Reply) -> tuple[str, str]:
    """Return the keys for flags of *reply*: flagged when complete, flagged while streaming."""
    return reply.key, f"{reply.open_key}+"


class Memory:
    """The active flags by session and reply key; least recently used sessions are dropped."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[str | None, dict[str, Standing]] = OrderedDict()
        self._lock = Lock()
        self._count = 0
        self._turns = [Lock() for _ in range(64)]

    def turn(self, request: Any, open_key: str) -> Lock:
        """Return the lock to hold while the flag of a reply changes."""
        return self._turns[hash((session_of(request), open_key)) % len(self._turns)]

    def find(self, request: Any, key: str) -> Standing | None:
        """Return the active flag under *key* in the session of *request*."""
        with self._lock:
            return self._sessions.get(session_of(request), {}).get(key)

    def remember(self, request: Any, keys: Iterable[str], standing: Standing | None) -> None:
        """Set the active flag, or None, under the first of *keys*; clear the other keys."""
        key, *others = keys
        with self._lock:
            flags = self._sessions.setdefault(session_of(request), {})
            self._sessions.move_to_end(session_of(request))
            self._count -= len(flags)
            for known in (key, *others):
                flags.pop(known, None)
            if standing is not None:
                flags[key] = standing
            self._count += len(flags)
            while self._count > _MAX_REACTIONS:
                self._count -= len(self._sessions.popitem(last=False)[1])

    def retain(self, request: Any, keys: Iterable[str]) -> None:
        """Forget all flags of this session except those under *keys*."""
        left = set(keys)
        with self._lock:
            flags = self._sessions.get(session_of(request), {})
            for key in flags.keys() - left:
                del flags[key]
                self._count -= 1
            if not flags:
                self._sessions.pop(session_of(request), None)


def _is_pair(each: Any) -> bool:
    return isinstance(each, list) and len(each) == 2  # noqa: PLR2004 - a pair


def _moment(value: Any) -> float:
    return float(value) if type(value) in (int, float) and 0 <= value < 2**53 else 0
