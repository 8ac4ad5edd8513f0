"""
The user, session and request details of a flag.
"""

import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

_MAX_SESSION = 200

RESTORED_COOKIE = "flagstone_restored"
"""Set by `panel.js` for a few seconds when Flag is pressed on a restored page."""


def user_of(request: Any) -> str | None:
    """Return the user of Gradio's login, else of Hugging Face's (`LoginButton`), else None."""
    name = getattr(request, "username", None)
    return name if name is not None else _oauth_user(request)


def session_of(request: Any) -> str | None:
    """
    Return the session that the page names; the page creates a new one at each load.

    A name of more than 200 characters, which no Gradio page creates, is replaced by its digest.
    """
    name = getattr(request, "session_hash", None)
    if name is None or len(str(name)) <= _MAX_SESSION:
        return name
    return hashlib.blake2b(str(name).encode("utf-8", "replace"), digest_size=16).hexdigest()


def is_restored(request: Any) -> bool:
    """Whether the page says, through `panel.js`, that it was loaded from Gradio's run history."""
    cookies = getattr(getattr(request, "request", None), "cookies", None) or {}
    return cookies.get(RESTORED_COOKIE) == "1"


def details_of(request: Any, names: Sequence[str]) -> dict[str, str]:
    """Return the values of *names* in *request*: "ip", or a header. Missing ones are omitted."""
    raw = getattr(request, "request", None)
    if raw is None:
        return {}
    client = getattr(raw, "client", None)
    known = {name: raw.headers.get(name) for name in names}
    if "ip" in names:
        known["ip"] = getattr(client, "host", None)
    return {name: value for name, value in known.items() if value is not None}


def _oauth_user(request: Any) -> str | None:
    # From the signed cookie of Starlette's SessionMiddleware; only there with a LoginButton.
    scope: Mapping[str, Any] = getattr(getattr(request, "request", None), "scope", None) or {}
    info = (scope.get("session") or {}).get("oauth_info") or {}
    if info.get("expires_at", time.time() + 1) < time.time():
        return None
    name = (info.get("userinfo") or {}).get("preferred_username")
    return str(name) if name is not None else None
