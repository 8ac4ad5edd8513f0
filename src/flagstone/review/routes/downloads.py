"""
Send flagged files to browsers as attachments, with range requests.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from flagstone.core.codec import FileRef
from flagstone.review.values.media_types import type_of
from flagstone.review.values.sanitize import plain
from flagstone.stores.files import safe_name

_BLOCK = 2**18
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")

HARMLESS = {"content-security-policy": "default-src 'none'; sandbox"}
"""Headers of untrusted files: opened in a tab, they cannot run anything."""


def send(request: Request, ref: FileRef, file: BinaryIO) -> Response:
    """
    Send *file* as an attachment; a `Range` of one part is served, so that players can seek
    (RFC 9110, 14).

    `img` elements and players still show an attachment; a tab downloads it.
    """
    headers = {
        **HARMLESS,
        "content-disposition": attachment(ref.name),
        "accept-ranges": "bytes",
        "etag": f'"{ref.sha256}"',
        "cache-control": "private, max-age=3600",
    }
    asked = _RANGE.fullmatch(request.headers.get("range", ""))
    first, last, status = 0, ref.size - 1, 200
    if asked and any(asked.groups()):
        first, last = _part(*asked.groups(), size=ref.size)
        if first > last:
            file.close()
            return Response(status_code=416, headers={"content-range": f"bytes */{ref.size}"})
        headers["content-range"] = f"bytes {first}-{last}/{ref.size}"
        status = 206
    headers["content-length"] = str(last - first + 1)
    content = _blocks(file, first, last - first + 1)
    return StreamingResponse(content, status, headers, media_type=type_of(ref))


def attachment(name: str) -> str:
    """Return the `Content-Disposition` to save a file as *name*, made safe (RFC 6266)."""
    return f"attachment; filename*=UTF-8''{quote(safe_name(str(plain(name))), safe='')}"


def _part(first: str, last: str, *, size: int) -> tuple[int, int]:
    """Return the first and last byte of the range; the first is greater if it is empty."""
    if not first:  # the last bytes of the file
        return max(0, size - int(last)), size - 1
    return int(first), min(int(last), size - 1) if last else size - 1


def _blocks(file: BinaryIO, first: int, length: int) -> Iterator[bytes]:
    with file:
        file.seek(first)
        while length > 0 and (block := file.read(min(_BLOCK, length))):
            length -= len(block)
            yield block
