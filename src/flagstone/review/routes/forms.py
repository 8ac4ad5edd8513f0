"""
What a browser posts: read up to a limit, and only with the token of a page of this session.
"""

import hmac
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.requests import Request

_MAX_FORM = 64_000


async def read_body(request: Request, most: int) -> bytes:
    """The body, of at most so many bytes. Raises `HTTPException`."""
    parts = bytearray()
    async for part in request.stream():
        parts += part
        if len(parts) > most:
            raise HTTPException(413, f"More than {most:,} bytes. Nothing was changed.")
    return bytes(parts)


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form of ours. Raises `HTTPException`."""
    body = await read_body(request, _MAX_FORM)
    try:
        fields = parse_qs(body.decode(errors="replace"), max_num_fields=20)
    except ValueError as error:
        raise HTTPException(400, "This is no form of ours. Nothing was changed.") from error
    form = {name: texts[0] for name, texts in fields.items()}
    require_token(request, form.get("token", ""))
    return form


def require_token(request: Request, token: str) -> None:
    """Raise `HTTPException` unless *token* is that of a page of this session."""
    own = str(request.session.get("token", ""))
    if not own or not hmac.compare_digest(own.encode(), token.encode(errors="replace")):
        raise HTTPException(403, "This page is too old. Nothing was changed; load it again.")
