"""
Read posted data up to a size limit, and check the token of the session's pages.
"""

import hmac
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.requests import Request

_MAX_FORM = 64_000


async def read_body(request: Request, most: int) -> bytes:
    """Return the body, of at most *most* bytes. Raises `HTTPException`."""
    parts = bytearray()
    async for part in request.stream():
        parts += part
        if len(parts) > most:
            raise HTTPException(413, f"More than {most:,} bytes. Nothing was changed.")
    return bytes(parts)


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form, after checking its token. Raises `HTTPException`."""
    body = await read_body(request, _MAX_FORM)
    try:
        fields = parse_qs(body.decode(errors="replace"), max_num_fields=20)
    except ValueError as error:
        raise HTTPException(400, "This is not a valid form. Nothing was changed.") from error
    form = {name: texts[0] for name, texts in fields.items()}
    require_token(request, form.get("token", ""))
    return form


def require_token(request: Request, token: str) -> None:
    """Raise `HTTPException` unless *token* is that of this session's pages."""
    own = str(request.session.get("token", ""))
    if not own or not hmac.compare_digest(own.encode(), token.encode(errors="replace")):
        raise HTTPException(403, "This page is outdated. Nothing was changed; reload the page.")
