"""
Combine appends of concurrent threads into one, so that they share one fsync.
"""

import threading
from collections.abc import Iterable

from flagstone.core.records import Record
from flagstone.stores.base import Store, StoreWrapper


class _Request:
    __slots__ = ("error", "records")

    def __init__(self, records: list[Record]) -> None:
        self.records = records
        self.error: BaseException | None = None


class _Group:
    """Requests that are appended together. Its gate lets one thread through after another."""

    __slots__ = ("gate", "requests", "settled")

    def __init__(self) -> None:
        self.requests: list[_Request] = []
        self.settled = False
        self.gate = threading.Lock()
        self.gate.acquire()


class GroupCommit(StoreWrapper):
    """
    Wrap *store* so that appends that arrive while another one is running are combined.

    It needs no thread of its own and adds no delay: the first append runs immediately and alone;
    those that arrive meanwhile run together next. Each caller's records are durable when `append`
    returns, and an error is raised only to the caller whose records caused it.
    """

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._mutex = threading.Lock()  # protects the two fields below
        self._arriving = _Group()
        self._busy = False  # whether some thread appends now

    def append(self, records: Iterable[Record]) -> None:
        request = _Request(list(records))
        group, waits = None, True
        try:
            with self._mutex:
                waits, self._busy = self._busy, True
                group = self._arriving
                group.requests.append(request)
            if waits:
                group.gate.acquire()  # opened by the previous group, or by a thread of this one
        except BaseException:  # Ctrl-C: the others still wait for this thread's turn
            if group is not None:
                turn = self._take_turn if waits else self._pass
                threading.Thread(target=turn, args=(group,)).start()
            raise
        self._pass(group)
        if request.error is not None:
            raise request.error

    def _take_turn(self, group: _Group) -> None:
        group.gate.acquire()
        self._pass(group)

    def _pass(self, group: _Group) -> None:
        if not group.settled:
            self._settle(group)  # the first thread through the gate appends for all
        group.gate.release()

    def _settle(self, group: _Group) -> None:
        with self._mutex:
            self._arriving = _Group()  # new requests go to the next group
        error = self._try([record for request in group.requests for record in request.records])
        for request in group.requests:
            # One bad record must not fail the others: each request is retried alone. That is safe
            # even if the first attempt succeeded, as ids already stored are skipped.
            alone = len(group.requests) == 1
            request.error = self._try(request.records) if error and not alone else error
        group.settled = True
        with self._mutex:
            self._busy = bool(self._arriving.requests)
            if self._busy:
                self._arriving.gate.release()

    def _try(self, records: list[Record]) -> BaseException | None:
        try:
            self.store.append(records)
        except BaseException as error:  # noqa: BLE001 - raised again in the threads concerned
            return error
        return None
