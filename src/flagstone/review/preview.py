"""
A flagged picture or sound in small, for the list: a thumbnail, or the shape of the wave.
"""

import io
from importlib.util import find_spec
from typing import BinaryIO

from flagstone.codec import FileRef
from flagstone.review.media import media_of, type_of

_SIDE = 96
_MOST_PIXELS = 60_000_000
_FORMATS = frozenset(["AVIF", "BMP", "GIF", "JPEG", "PNG", "WEBP"])
"""Of all that PIL can read, what a browser shows: fewer readers for whoever sends what is none."""

_MOST_SAMPLES = 60_000_000
"""Ten minutes of stereo; packed silence of many channels is a thousand times what its file is."""
_BARS = 48
_HEIGHT = 32


def has_preview(ref: FileRef) -> bool:
    """Whether `preview` may have something for *ref*, as far as its name and size tell."""
    match media_of(ref):
        case "image":
            return type_of(ref) != "image/svg+xml" and find_spec("PIL") is not None
        case "audio":
            return find_spec("soundfile") is not None
    return False


def preview(ref: FileRef, file: BinaryIO) -> tuple[bytes, str] | None:
    """The picture and its media type; None for what cannot be read, or is too large to."""
    if not has_preview(ref):
        return None
    return _thumbnail(file) if media_of(ref) == "image" else _wave(file)


def _thumbnail(file: BinaryIO) -> tuple[bytes, str] | None:
    from PIL import Image

    try:
        Image.init()
        with Image.open(file, formats=tuple(_FORMATS & Image.OPEN.keys())) as image:
            if image.width * image.height > _MOST_PIXELS:
                return None
            image.draft("RGB", (2 * _SIDE, 2 * _SIDE))
            small = image.convert("RGBA")
            small.thumbnail((_SIDE, _SIDE))
    except Exception:  # noqa: BLE001 - of a damaged file PIL tells by any error at all
        return None
    written = io.BytesIO()
    small.save(written, "WEBP", quality=70)
    return written.getvalue(), "image/webp"


def _wave(file: BinaryIO) -> tuple[bytes, str] | None:
    import numpy as np
    import soundfile

    try:
        with soundfile.SoundFile(file) as sound:
            edges = np.linspace(0, min(sound.frames, _MOST_SAMPLES // sound.channels), _BARS + 1)
            lengths = np.diff(edges.astype(int)).tolist()
            parts = (sound.read(n, dtype="float32", always_2d=True) for n in lengths)
            peaks = [float(np.nan_to_num(np.abs(part).max(initial=0.0))) for part in parts]
    except (soundfile.LibsndfileError, RuntimeError, ValueError, TypeError):
        return None
    return _bars(peaks).encode(), "image/svg+xml"


def _bars(peaks: list[float]) -> str:
    top = max(*peaks, 1e-9)
    bars = []
    for n, peak in enumerate(peaks):
        height = max(1.0, _HEIGHT * min(1.0, peak / top))
        y = (_HEIGHT - height) / 2
        bars.append(f'<rect x="{2 * n}" y="{y:.1f}" width="1.2" height="{height:.1f}" rx=".6"/>')
    size = f'viewBox="0 0 {2 * _BARS} {_HEIGHT}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} fill="#7c8699">{"".join(bars)}</svg>'
