"""
Media types that browsers may show; all other files are downloads.

The list is fixed: a file's content and its own type cannot extend it.
"""

from typing import Literal

from flagstone.core.codec import FileRef

Medium = Literal["image", "audio", "video"]

UNKNOWN = "application/octet-stream"

_TYPES = {
    "aac": "audio/aac",
    "avif": "image/avif",
    "bmp": "image/bmp",
    "flac": "audio/flac",
    "gif": "image/gif",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "m4a": "audio/mp4",
    "mov": "video/quicktime",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "oga": "audio/ogg",
    "ogg": "audio/ogg",
    "ogv": "video/ogg",
    "opus": "audio/ogg",
    "png": "image/png",
    "svg": "image/svg+xml",
    "wav": "audio/wav",
    "webm": "video/webm",
    "webp": "image/webp",
}


def type_of(ref: FileRef) -> str:
    """Return the media type to send *ref* as: by its name, else by its stored type."""
    ending = ref.name.rpartition(".")[2].lower()
    if ending in _TYPES:
        return _TYPES[ending]
    kept = ref.mime_type or UNKNOWN
    return kept if kept in _TYPES.values() else UNKNOWN


def media_of(ref: FileRef) -> Medium | None:
    """Return how a browser shows *ref*; None for a download."""
    match type_of(ref).partition("/")[0]:
        case "image":
            return "image"
        case "audio":
            return "audio"
        case "video":
            return "video"
    return None
