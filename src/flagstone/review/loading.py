"""
Progress page while a store prepares itself for reading, which may take minutes.
"""

import threading

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from flagstone.errors import FlagstoneError
from flagstone.review.auth.middleware import path_of
from flagstone.review.json_views import Told
from flagstone.review.templating import render
from flagstone.stores.base import PreparedStore, Store

_SOON = 1.0
"""Seconds that a request waits for the store before it gets the progress page."""

_ALWAYS = ("/login", "/logout", "/open", "/static/")


class Preparing:
    """Middleware that calls *app* once *store* is ready; the first request starts preparing it."""

    def __init__(self, app: ASGIApp, store: Store) -> None:
        self._app = app
        self._store = store
        self._mutex = threading.Lock()  # guards what follows
        self._thread: threading.Thread | None = None
        self._read = 0
        self._error: FlagstoneError | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if scope["type"] == "http" and not path_of(Request(scope)).startswith(_ALWAYS):
            sentence = await run_in_threadpool(self._sentence)
            if sentence is not None:
                app = _not_yet(Request(scope), sentence)
        await app(scope, receive, send)

    def _sentence(self) -> str | None:
        """Return why the store cannot be shown yet; None if it can."""
        if not isinstance(self._store, PreparedStore):
            return None
        try:
            thread = self._thread_of(self._store)
        except FlagstoneError as error:
            return str(error)
        if thread is not None:
            thread.join(_SOON)
            if self._error is not None:
                return str(self._error)
            if thread.is_alive():
                return f"The flags are being read: {self._read:,} so far."
        return None

    def _thread_of(self, store: PreparedStore) -> threading.Thread | None:
        """Return the thread that prepares *store*; None if it is ready. Raises `StoreError`."""
        with self._mutex:
            if self._thread is None and not store.is_ready():
                self._error, self._read = None, 0
                self._thread = threading.Thread(target=self._prepare, args=[store], daemon=True)
                self._thread.start()
            return self._thread

    def _prepare(self, store: PreparedStore) -> None:
        try:
            store.prepare(self._count)
        except FlagstoneError as error:
            self._error = error
        finally:
            self._thread = None

    def _count(self, records: int) -> None:
        self._read = records


def _not_yet(request: Request, sentence: str) -> Response:
    if request.method not in ("GET", "HEAD"):
        return Told({"error": f"{sentence} Nothing was changed; try again in a minute."}, 503)
    answer = render(request, "problem.html", status=503, sentence=sentence)
    answer.headers["refresh"] = answer.headers["retry-after"] = "1"
    return answer
