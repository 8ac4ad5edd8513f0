"""
Sandboxed frames that draw plots and 3D models.

A frame has an opaque origin: it has no cookies, cannot access the page, makes no requests to other
servers, and runs only our script and one library of an installed package. Flagged data reaches it
as text.
"""

from functools import partial

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from flagstone.review.routes.lookups import open_file, plot_of, ref_of
from flagstone.review.templating import render
from flagstone.review.values.js_libraries import Library, has_library, library_address
from flagstone.review.values.model3d import Models
from flagstone.stores.base import Store

_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        "img-src data: blob:; font-src data:; form-action 'none'; base-uri 'none'; "
        "frame-ancestors 'self'; sandbox allow-scripts"
    )
}


class Frames:
    """The frames for plots and models in *store*."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._models = Models()

    def plot(self, request: Request) -> Response:
        """Respond with a frame for a flag's plot, identified by the hash of its text."""
        plot = plot_of(self._store, request)
        return _frame(request, plot.library, plot.text)

    async def model(self, request: Request) -> Response:
        """Respond with a frame for a flag's 3D model, identified by the hash of its file."""
        ref = await run_in_threadpool(ref_of, self._store, request)
        content = partial(open_file, self._store, ref)
        figure = await self._models.figure_of(request, ref, content)
        return _frame(request, "plotly", figure)


def _frame(request: Request, library: Library, text: str | None) -> Response:
    """Return a page that draws *text* with *library*; it loads only in a frame."""
    if request.headers.get("sec-fetch-dest", "iframe") != "iframe" or not has_library(library):
        raise HTTPException(404)
    page = render(
        request, "frame.html", library=library, address=library_address(library), text=text
    )
    page.headers.update(_HEADERS)
    return page
