"""
What draws itself stands in a frame that may do nothing but draw.

The frame is of no origin and in a sandbox: it has no cookie, sees no page, asks nobody for
anything, and runs our script and one library of an installed package. What is flagged reaches it
as text.
"""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from flagstone.review.finding import file_of, plot_of
from flagstone.review.libraries import Library, has_library, library_address
from flagstone.review.models import figure_of
from flagstone.review.rendering import render
from flagstone.store import Store

_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        "img-src data: blob:; font-src data:; form-action 'none'; base-uri 'none'; "
        "frame-ancestors 'self'; sandbox allow-scripts"
    )
}


class Frames:
    """The frames of what is in *store*."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def plot(self, request: Request) -> Response:
        """A plot of a flag, by the hash of its text."""
        plot = plot_of(self._store, request)
        return _frame(request, plot.library, plot.text)

    def model(self, request: Request) -> Response:
        """A 3D model of a flag, by the hash of its file."""
        ref, file = file_of(self._store, request)
        with file:
            figure = figure_of(ref, file)
        return _frame(request, "plotly", figure)


def _frame(request: Request, library: Library, text: str | None) -> Response:
    """A page that draws *text* with *library*, for a frame of ours only."""
    if request.headers.get("sec-fetch-dest", "iframe") != "iframe" or not has_library(library):
        raise HTTPException(404)
    page = render(
        request, "frame.html", library=library, address=library_address(library), text=text
    )
    page.headers.update(_HEADERS)
    return page
