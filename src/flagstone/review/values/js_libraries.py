"""
JavaScript libraries that draw plots, taken from installed Python packages.

Flagstone ships none of them and loads none from other servers.
"""

import gzip
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

Library = Literal["plotly", "bokeh", "altair"]

_PACKAGES: dict[Library, tuple[str, str]] = {
    "plotly": ("plotly", "plotly"),
    "bokeh": ("bokeh", "bokeh"),
    "altair": ("vl_convert", "vl-convert-python"),  # Altair's own package has no JavaScript
}
"""The module that has each library's JavaScript, and the distribution that has the module."""
_VEGA = "window.vegaEmbed = vegaEmbed;"
_HEADERS = {
    # The address contains the version, so it can be cached forever. (Chromium does not cache
    # requests of sandboxed frames: responses are compressed.)
    "cache-control": "public, max-age=31536000, immutable",
    "cross-origin-resource-policy": "cross-origin",  # for sandboxed frames
    "vary": "accept-encoding",
}


def has_library(library: Library) -> bool:
    """Whether the package that contains *library* is installed."""
    return find_spec(_PACKAGES[library][0]) is not None


def library_address(library: Library) -> str:
    """Return the address of the installed version of *library*, below the base."""
    return f"/static/libraries/{library}.js?{version(_PACKAGES[library][1])}"


def send_library(request: Request) -> Response:
    """Respond with the JavaScript of the library named in the path."""
    for library in get_args(Library):
        if library == request.path_params["name"] and has_library(library):
            return _packed_or_not(request, _packed(library))
    raise HTTPException(404)


def _packed_or_not(request: Request, packed: bytes) -> Response:
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(gzip.decompress(packed), headers=_HEADERS, media_type="text/javascript")
    headers = {**_HEADERS, "content-encoding": "gzip"}
    return Response(packed, headers=headers, media_type="text/javascript")


@cache
def _packed(library: Library) -> bytes:
    return gzip.compress(_script(library))


def _script(library: Library) -> bytes:
    match library:
        case "plotly":
            return (_folder("plotly") / "package_data" / "plotly.min.js").read_bytes()
        case "bokeh":
            scripts = _folder("bokeh") / "server" / "static" / "js"
            parts = ("bokeh", "bokeh-widgets", "bokeh-tables")
            return b"\n".join((scripts / f"{part}.min.js").read_bytes() for part in parts)
        case "altair":
            import vl_convert

            return vl_convert.javascript_bundle(_VEGA).encode()


def _folder(module: str) -> Path:
    """Return the folder where *module* is installed, without importing it."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise HTTPException(404)
    return Path(spec.origin).parent
