"""
Render pages from templates; all values are escaped, and invisible characters are spelled out.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse

import flagstone
from flagstone.core.query import Query
from flagstone.core.query_syntax import format_query
from flagstone.core.records import Value
from flagstone.core.text import tell_verified
from flagstone.review.auth.access import WithLogin
from flagstone.review.auth.middleware import base_of, token_of
from flagstone.review.speakers import corrector_of, decider_of
from flagstone.review.values.budget import budget, size_of, spend
from flagstone.review.values.media_types import media_of
from flagstone.review.values.presenter import Shown, brief, shown
from flagstone.review.values.sanitize import Exact, plain
from flagstone.review.values.tree import Node, tree_of

_HERE = Path(__file__).parent
STATIC = _HERE / "static"

_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    finalize=plain,
    trim_blocks=True,
    lstrip_blocks=True,
)
MOST_PARTS = 100
"""Maximum number shown of each: fields, tags, reviews, outcomes, and entries of the context."""

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))
_RECENTLY = 60
_LONG_AGO = 30 * 86_400


def render(
    request: Request, template: str, *, status: int = 200, query: Query | None = None, **parts: Any
) -> HTMLResponse:
    """Return the page *template* rendered with *parts*."""
    base = base_of(request)
    with budget():
        text = _ENVIRONMENT.get_template(template).render(
            base=base,
            person=request.scope["state"]["person"],
            token=token_of(request),
            has_login=isinstance(request.app.state.access, WithLogin),
            version=flagstone.__version__,
            query=query,
            **parts,
        )
    # A lone surrogate is spelled out, because UTF-8 cannot encode it.
    return HTMLResponse(text.encode(errors="backslashreplace"), status)


def address(path: str, **arguments: str | None) -> str:
    """Return *path* with those *arguments* that are not None or empty as its query string."""
    given = [
        f"{name}={quote(text, safe='', errors='replace')}"
        for name, text in arguments.items()
        if text
    ]
    return f"{path}?{'&'.join(given)}" if given else path


def list_address(query: Query, after: str | None = None, path: str = "/") -> str:
    """Return the address of the list of the flags that match *query*."""
    return address(path, q=format_query(query), after=after)


def _ago(moment: datetime) -> str:
    """Return how long ago *moment* was, or its date if it was more than 30 days ago."""
    seconds = (datetime.now(moment.tzinfo) - moment).total_seconds()
    if seconds < _RECENTLY:
        return "now"
    if seconds > _LONG_AGO:
        return f"{moment:%Y-%m-%d}"
    return next(f"{seconds / size:.0f} {unit}" for unit, size in _UNITS if seconds >= size)


def _bytes(size: int) -> str:
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:,.1f} {unit}"
    return f"{size} bytes"


def _shown(value: Value) -> Shown:
    """Return *value* as it is shown, or the shape `cut` if the page is full."""
    found = shown(value)
    return found if spend(size_of(found.part)) else Shown("cut", value.kind)


def _tree(data: Any) -> Node:
    node = tree_of(data)
    return node if spend(size_of(node)) else Node("leaf", "…")


def _first(parts: Any) -> list[Any]:
    """Return the first `MOST_PARTS` of *parts*."""
    return list(islice(parts.items() if isinstance(parts, Mapping) else parts, MOST_PARTS))


_FILTERS: Mapping[str, Any] = {
    "ago": _ago,
    "brief": brief,
    "bytes": _bytes,
    "corrector": corrector_of,
    "decider": decider_of,
    "exact": Exact,
    "medium": media_of,
    "first_ones": _first,
    "shown": _shown,
    "spelled": lambda text: plain(str(text)),
    "tell_verified": tell_verified,
    "tree": _tree,
}
_ENVIRONMENT.filters.update(_FILTERS)
_ENVIRONMENT.globals.update(
    address=address,
    list_address=list_address,
    most_parts=MOST_PARTS,
    list_order=lambda query, order: format_query(replace(query, order=order)),
    narrowed=replace,
    query_of=Query,
    format_query=format_query,
)
