"""
A 3D model of whoever flagged it, read apart, within limits of time and memory.

What reads it trusts what files say of their size. Whatever it comes to, the page goes on.
"""

from collections.abc import Callable
from importlib.util import find_spec
from typing import BinaryIO

from starlette.requests import Request

from flagstone.core.codec import FileRef
from flagstone.review.values.js_libraries import has_library
from flagstone.review.workers.pool import Bounded, Limits

_FORMATS = frozenset(["glb", "gltf", "obj", "ply", "splat", "stl"])
_LIMITS = Limits(cpu=30, wall=60, memory=4096, size=50_000_000)


class Models:
    """Figures of flagged models, by their hash."""

    def __init__(self) -> None:
        self._bounded = Bounded("model3d", _LIMITS, at_once=1)

    async def figure_of(
        self, request: Request, ref: FileRef, content: Callable[[], BinaryIO]
    ) -> str | None:
        """A model as a figure of Plotly's, as JSON; None for what cannot be read."""
        if not (is_model(ref) and can_show_models()):
            return None
        key = f"{format_of(ref)} {ref.sha256}"
        figure = await self._bounded.ask(request, key, format_of(ref), content)
        return None if figure is None else figure.decode()


def is_model(ref: FileRef) -> bool:
    """Whether *ref* may be a 3D model that can be shown, as far as its name and size tell."""
    return format_of(ref) in _FORMATS and ref.size <= _LIMITS.size


def can_show_models() -> bool:
    """Whether what reads models and what draws them is installed."""
    return find_spec("trimesh") is not None and has_library("plotly")


def format_of(ref: FileRef) -> str:
    """The format that the name of *ref* ends with, in small letters."""
    return ref.name.rpartition(".")[2].lower()
