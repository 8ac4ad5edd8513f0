"""
Pages: the list, a flag, the dashboard, and files.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from flagstone.core.codec import FileRef, files_in
from flagstone.core.query import FACETS, VERIFIED, Query, State
from flagstone.core.query_syntax import parse_query
from flagstone.core.records import Flag
from flagstone.errors import BadQueryError, MissingExtraError
from flagstone.review.auth.middleware import person_of
from flagstone.review.dashboard.agreement import Measure, agreement
from flagstone.review.dashboard.statistics import Figures, figures_of
from flagstone.review.decisions import may_be_withdrawn
from flagstone.review.json_views import Told, last_review, review_told, state_told
from flagstone.review.routes.downloads import HARMLESS, attachment, send
from flagstone.review.routes.listing import neighbours, page_of
from flagstone.review.routes.lookups import file_of, open_file, ref_of, state_of
from flagstone.review.speakers import is_by
from flagstone.review.templating import MOST_PARTS, render
from flagstone.review.updates import News
from flagstone.review.values import charts
from flagstone.review.values.budget import size_of
from flagstone.review.values.editors import Editor, editor_for
from flagstone.review.values.thumbnails import Previews, has_preview
from flagstone.stores.base import Store

_GROUP = 12
_MAX_VALUES = 8
_MAX_BARS = 10
_MAX_TERM_LENGTH = 200
_MAX_QUERY_LENGTH = 4_000
_MAX_TO_EDIT = 1_000_000
_SINCE = {"24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}
_SERIES = {"open": 0, "accepted": 1, "rejected": 2, "fixed": 3}


@dataclass(frozen=True, slots=True)
class Link:
    """A term of a facet: its text, the number of matching flags, and the query it leads to."""

    text: str
    count: int | None
    query: Query
    chosen: bool


class Browsing:
    """The pages that show the contents of *store*."""

    def __init__(self, store: Store, news: News) -> None:
        self._store = store
        self._news = news
        self._previews = Previews()
        self._figures: tuple[tuple[str, int, Query], Figures] | None = None

    def list(self, request: Request) -> Response:
        """Respond with the list of flags that match `q`."""
        text = _text_of(request)
        try:
            query = parse_query(text)
        except BadQueryError as error:
            return render(
                request, "list.html", status=400, text=text, error=str(error),
                news=self._news.latest(), facets=[], total=0, page=None,
            )  # fmt: skip
        counts = self._store.facets(query)
        return render(
            request, "list.html", text=text, query=query, error=None, news=self._news.latest(),
            facets=list(_facets(query, counts)), total=sum(counts.get("verdict", {}).values()),
            page=page_of(self._store, query), skipped=str(self._store.skipped), **_LIST,
        )  # fmt: skip

    def rows(self, request: Request) -> Response:
        """Respond with the next rows of the list, without the rest of the page."""
        query = replace(_query_of(request), after=request.query_params.get("after"))
        return render(
            request, "rows.html", query=replace(query, after=None),
            page=page_of(self._store, query), **_LIST,
        )  # fmt: skip

    def flag(self, request: Request) -> Response:
        """Respond with one flag in full."""
        query = _query_of(request)
        state = state_of(self._store, request, "id")
        flag = state.flag
        before, after = neighbours(self._store, query, flag.id)
        group: list[Flag] = []
        if flag.inputs:
            alike = Query(fingerprint=flag.fingerprint, limit=_GROUP)
            group = [other for other in self._store.find(alike) if other.id != flag.id]
        editors = _editors_of(state)
        return render(
            request, "flag.html", state=state, flag=flag, query=query, before=before, after=after,
            group=group, editors=editors,
            seen=last_review(state), news=self._news.latest(),
            standing={r.id for r in state.standing},
            undoable={r.id for r in state.standing if may_be_withdrawn(r, person_of(request))},
        )  # fmt: skip

    def dashboard(self, request: Request) -> Response:
        """Respond with statistics and charts of the flags that match `q`."""
        query = _query_of(request)
        figures = self._figures_of(query)
        measures: list[Measure] | None
        try:
            measures = agreement(figures.ratings)
        except MissingExtraError as error:
            measures, missing = None, str(error)
        else:
            missing = ""
        models = sorted(figures.models.items(), key=lambda item: -item[1].total())[:_MAX_BARS]
        return render(
            request, "dashboard.html", query=query, figures=figures, measures=measures,
            missing=missing, news=self._news.latest(), series=_SERIES,
            by_option=charts.over_time(figures.by_option),
            by_app=charts.over_time(figures.by_app),
            models=[(name, said, charts.shares(_in_order(said), said.total(), _SERIES))
                    for name, said in models],
            verdicts=charts.shares(_in_order(figures.verdicts), figures.total, _SERIES),
            confusions=figures.confusions.most_common(_MAX_BARS),
            users=figures.users.most_common(_MAX_BARS),
        )  # fmt: skip

    def news(self, request: Request) -> Response:
        """Respond with the reviews of others after the number that the page sends."""
        since = request.query_params.get("since", "")
        number = int(since) if since.isascii() and since.isdigit() and len(since) < 16 else 0  # noqa: PLR2004
        latest, reviews = self._news.since(number)
        me = person_of(request).name
        by_others = [review for review in reviews if not is_by(review, me)]
        states = self._store.states(review.flag_id for review in by_others)
        decided = [review for review in by_others if review.flag_id in states]  # not erased since
        return Told(
            {
                "latest": latest,
                "decided": list(map(review_told, decided)),
                "states": list(map(state_told, states.values())),
            }
        )

    def file(self, request: Request) -> Response:
        """Respond with a file, which a record of the flag must name by its hash."""
        return send(request, *file_of(self._store, request))

    async def preview(self, request: Request) -> Response:
        """Respond with the preview of a picture or sound."""
        ref = await run_in_threadpool(ref_of, self._store, request)
        found = await self._previews.of(request, ref, partial(open_file, self._store, ref))
        if found is None:
            raise HTTPException(404)
        headers = {**HARMLESS, "cache-control": "private, max-age=86400"}
        return Response(found[0], headers=headers, media_type=found[1])

    def records(self, request: Request) -> Response:
        """Respond with a flag's stored records, one line of JSON each."""
        state = state_of(self._store, request)
        lines = [record.to_json() for record in state.records]
        headers = {**HARMLESS, "content-disposition": attachment(f"flag-{state.flag.id}.jsonl")}
        text = "\n".join([*lines, ""])
        return Response(text.encode(), headers=headers, media_type="application/jsonl")

    def _figures_of(self, query: Query) -> Figures:
        """Return the statistics, recomputed when the store or the query has changed."""
        asked = self._store.cursor(), self._store.count(query), query
        if self._figures is None or self._figures[0] != asked:
            self._figures = asked, figures_of(self._store, query)
        return self._figures[1]


def _editors_of(state: State) -> dict[str, Editor]:
    """Return the editors of the outputs by name, up to the size limit of a page."""
    right = {**state.flag.outputs, **state.correction}
    editors: dict[str, Editor] = {}
    size = 0
    for name, was in islice(state.flag.outputs.items(), MOST_PARTS):
        editor = editor_for(right[name], was)
        size += size_of(editor)
        if editor is not None and size <= _MAX_TO_EDIT:
            editors[name] = editor
    return editors


def _text_of(request: Request) -> str:
    text = request.query_params.get("q", "")
    if len(text) > _MAX_QUERY_LENGTH:
        raise HTTPException(400, f"A query has at most {_MAX_QUERY_LENGTH:,} characters.")
    return text


def _query_of(request: Request) -> Query:
    try:
        return parse_query(_text_of(request))
    except BadQueryError as error:
        raise HTTPException(400, str(error)) from error


def _facets(query: Query, counts: Any) -> Iterator[tuple[str, list[Link]]]:
    """Yield the terms that narrow *query*, each with the number of matching flags."""
    for name in FACETS:
        found = counts.get(name, Counter())
        links = [
            _link(query, name, text, found[text])
            for text, _ in found.most_common(_MAX_VALUES) if text and len(text) <= _MAX_TERM_LENGTH
        ]  # fmt: skip
        if links:
            yield name, links
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    yield (
        "since",
        [Link(word, None, replace(query, since=now - ago), False) for word, ago in _SINCE.items()],
    )


def _link(query: Query, name: str, text: str, count: int) -> Link:
    """Return the term *name*:*text*; if *query* already has it, its link removes it."""
    value: Any = text == VERIFIED[True] if name == "verified" else text
    chosen = getattr(query, name) == value
    narrowed: dict[str, Any] = {name: None if chosen else value}
    return Link(text, count, replace(query, **narrowed), chosen)


def _pictures_of(flag: Flag) -> list[FileRef]:
    """Return the first two different files of *flag* that have a preview."""
    values = (*flag.inputs.values(), *flag.outputs.values())
    refs = {ref.sha256: ref for value in values for ref in files_in(value.data) if has_preview(ref)}
    return list(refs.values())[:2]


def _in_order(said: Any) -> dict[str, int]:
    return {verdict: said[verdict] for verdict in _SERIES if said[verdict]}


_LIST: dict[str, Any] = {"last_review": last_review, "pictures_of": _pictures_of}
