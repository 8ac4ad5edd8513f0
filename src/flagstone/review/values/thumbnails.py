"""
Previews of flagged pictures and sounds for the list, created in a separate process with limits.
"""

from collections.abc import Callable
from importlib.util import find_spec
from typing import BinaryIO

from starlette.requests import Request

from flagstone.core.codec import FileRef
from flagstone.review.values.media_types import media_of, type_of
from flagstone.review.workers.pool import Bounded, Limits

_LIMITS = Limits(cpu=5, wall=10, memory=1024, size=100_000_000)
_TYPES = {"image": "image/webp", "audio": "image/svg+xml"}


class Previews:
    """Previews of flagged files, by hash."""

    def __init__(self) -> None:
        self._bounded = Bounded("thumbnail", _LIMITS, at_once=2)

    async def of(
        self, request: Request, ref: FileRef, content: Callable[[], BinaryIO]
    ) -> tuple[bytes, str] | None:
        """Return the preview and its media type; None if it cannot be read within the limits."""
        if not has_preview(ref):
            return None
        medium = str(media_of(ref))
        found = await self._bounded.ask(request, f"{medium} {ref.sha256}", medium, content)
        return None if found is None else (found, _TYPES[medium])


def has_preview(ref: FileRef) -> bool:
    """Whether *ref* may have a preview, by its name, its size and the installed packages."""
    if ref.size > _LIMITS.size:
        return False
    match media_of(ref):
        case "image":
            return type_of(ref) != "image/svg+xml" and find_spec("PIL") is not None
        case "audio":
            return find_spec("soundfile") is not None
    return False
