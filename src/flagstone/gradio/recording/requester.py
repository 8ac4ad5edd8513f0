"""
Who flagged: the name that they logged in with, and of their request what the demo asks for.
"""

import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

_MAX_SESSION = 200

RESTORED_COOKIE = "flagstone_restored"
"""What `panel.js` sets for a moment, when a flag is pressed on such a page."""


def user_of(request: Any) -> str | None:
    """The user of Gradio's own login, else of Hugging Face's (`LoginButton`), else None."""
    name = getattr(request, "username", None)
    return name if name is not None else _oauth_user(request)


def session_of(request: Any) -> str | None:
    """
    The session that the page says it is: made by the page, and new with each of its loads.

    A name of more than 200 characters, which no page of Gradio's makes, stands as its digest.
    """
    name = getattr(request, "session_hash", None)
    if name is None or len(str(name)) <= _MAX_SESSION:
        return name
    return hashlib.blake2b(str(name).encode("utf-8", "replace"), digest_size=16).hexdigest()


def is_restored(request: Any) -> bool:
    """Whether the page says that it was loaded from Gradio's run history (`panel.js` does)."""
    cookies = getattr(getattr(request, "request", None), "cookies", None) or {}
    return cookies.get(RESTORED_COOKIE) == "1"


def details_of(request: Any, names: Sequence[str]) -> dict[str, str]:
    """What *request* says of itself under *names*: "ip", or a header. What it has not is absent."""
    raw = getattr(request, "request", None)
    if raw is None:
        return {}
    client = getattr(raw, "client", None)
    known = {name: raw.headers.get(name) for name in names}
    if "ip" in names:
        known["ip"] = getattr(client, "host", None)
    return {name: value for name, value in known.items() if value is not None}


def _oauth_user(request: Any) -> str | None:
    # The signed cookie of Starlette's SessionMiddleware; there is none without a LoginButton.
    scope: Mapping[str, Any] = getattr(getattr(request, "request", None), "scope", None) or {}
    info = (scope.get("session") or {}).get("oauth_info") or {}
    if info.get("expires_at", time.time() + 1) < time.time():
        return None
    name = (info.get("userinfo") or {}).get("preferred_username")
    return str(name) if name is not None else None
