"""
Previews: a thumbnail of a picture, or the waveform of a sound.

It runs in a process with limits (`worker.py`) and imports nothing from Flagstone.
"""

import io

_SIDE = 96
_MAX_PIXELS = 60_000_000
_FORMATS = frozenset(["AVIF", "BMP", "GIF", "JPEG", "PNG", "WEBP"])
"""PIL's formats that browsers show; fewer decoders are a smaller target for malicious files."""

_SMALL_AS_THEY_ARE = frozenset(["L", "LA", "RGB", "RGBA"])
"""Modes that can be resized before conversion, which needs much less memory."""

_MAX_SAMPLES = 60_000_000
"""Ten minutes of stereo; compressed silence of many channels grows a thousandfold."""
_BARS = 48
_HEIGHT = 32


def prepare(argument: str) -> None:
    """Load the library that reads an `image` or `audio`."""
    if argument == "image":
        from PIL import Image

        Image.init()
    else:
        import soundfile  # noqa: F401 - loaded for the forked processes


def read(argument: str, content: bytes) -> bytes:
    """Return *content*, an `image` as WebP or `audio` as SVG. May raise any error."""
    return thumbnail(content) if argument == "image" else wave(content)


def thumbnail(content: bytes) -> bytes:
    """Return a picture's thumbnail as WebP."""
    from PIL import Image

    Image.init()
    with Image.open(io.BytesIO(content), formats=tuple(_FORMATS & Image.OPEN.keys())) as image:
        if image.width * image.height > _MAX_PIXELS:
            raise ValueError("it is too large")
        image.draft("RGB", (2 * _SIDE, 2 * _SIDE))
        if image.mode in _SMALL_AS_THEY_ARE:
            image.thumbnail((_SIDE, _SIDE))
        small = image.convert("RGBA")
        small.thumbnail((_SIDE, _SIDE))
    written = io.BytesIO()
    small.save(written, "WEBP", quality=70)
    return written.getvalue()


def wave(content: bytes) -> bytes:
    """Return the peaks of a sound as an SVG of bars."""
    import numpy as np
    import soundfile

    with soundfile.SoundFile(io.BytesIO(content)) as sound:
        edges = np.linspace(0, min(sound.frames, _MAX_SAMPLES // sound.channels), _BARS + 1)
        lengths = np.diff(edges.astype(int)).tolist()
        parts = (sound.read(n, dtype="float32", always_2d=True) for n in lengths)
        peaks = [float(np.nan_to_num(np.abs(part).max(initial=0.0))) for part in parts]
    return _bars(peaks).encode()


def _bars(peaks: list[float]) -> str:
    top = max(*peaks, 1e-9)
    bars = []
    for n, peak in enumerate(peaks):
        height = max(1.0, _HEIGHT * min(1.0, peak / top))
        y = (_HEIGHT - height) / 2
        bars.append(f'<rect x="{2 * n}" y="{y:.1f}" width="1.2" height="{height:.1f}" rx=".6"/>')
    size = f'viewBox="0 0 {2 * _BARS} {_HEIGHT}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} fill="#7c8699">{"".join(bars)}</svg>'
