"""
3D models, read in a separate process with limits of time and memory.

The reader trusts the sizes that files state. If it fails, the page still works.
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
    """Plotly figures of flagged models, by hash."""

    def __init__(self) -> None:
        self._bounded = Bounded("model3d", _LIMITS, at_once=1)

    async def figure_of(
        self, request: Request, ref: FileRef, content: Callable[[], BinaryIO]
    ) -> str | None:
        """Return a model as a Plotly figure in JSON; None if it cannot be read."""
        if not (is_model(ref) and can_show_models()):
            return None
        key = f"{format_of(ref)} {ref.sha256}"
        figure = await self._bounded.ask(request, key, format_of(ref), content)
        return None if figure is None else figure.decode()


def is_model(ref: FileRef) -> bool:
    """Whether *ref* has the name and size of a 3D model that can be shown."""
    return format_of(ref) in _FORMATS and ref.size <= _LIMITS.size


def can_show_models() -> bool:
    """Whether the packages that read and draw models are installed."""
    return find_spec("trimesh") is not None and has_library("plotly")


def format_of(ref: FileRef) -> str:
    """Return the file extension of *ref* in lower case."""
    return ref.name.rpartition(".")[2].lower()
