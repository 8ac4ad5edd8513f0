"""
Small files that keep a decoder busy, or fill the memory.
"""

import io

from PIL import Image


def slow_jpeg(scans: int = 3000, side: int = 7700) -> bytes:
    """A progressive JPEG of half a megabyte, of which each scan goes over the whole picture."""
    made = io.BytesIO()
    Image.new("L", (side, side), 90).save(made, "JPEG", progressive=True)
    head, *found = made.getvalue().removesuffix(b"\xff\xd9").split(b"\xff\xda")
    last = found[-1]
    most = max(1, (500_000 - len(made.getvalue())) // len(last))
    return b"\xff\xda".join([head, *found, *[last] * min(scans, most)]) + b"\xff\xd9"


def large_png(shade: int, side: int = 7745) -> bytes:
    """A PNG of 60 megapixels in less than a megabyte."""
    made = io.BytesIO()
    Image.new("RGB", (side, side), (shade, 0, 0)).save(made, "PNG", compress_level=1)
    return made.getvalue()
