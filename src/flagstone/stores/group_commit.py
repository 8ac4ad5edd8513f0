"""
Many threads that wait for the medium at once share one append, and so one fsync.
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
    """Requests that are appended together. Its gate opens for one thread after the other."""

    __slots__ = ("gate", "requests", "settled")

    def __init__(self) -> None:
        self.requests: list[_Request] = []
        self.settled = False
        self.gate = threading.Lock()
        self.gate.acquire()


class GroupCommit(StoreWrapper):
    """
    *store*, with the appends of threads that arrive while another append is under way put together.

    No thread of its own, no delay: whoever comes first goes at once and alone; those who arrive
    meanwhile go together next. The promise of `append` is kept for each caller: its records are
    durable when it returns, and an error reaches the one whose records caused it.
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
                group.gate.acquire()  # opened by the group before, or by one of ours
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
            self._settle(group)  # the first one through appends for all
        group.gate.release()

    def _settle(self, group: _Group) -> None:
        with self._mutex:
            self._arriving = _Group()  # who comes now goes with the next
        error = self._try([record for request in group.requests for record in request.records])
        for request in group.requests:
            # One bad record must not fail its neighbours: each goes again on its own. That is
            # safe even where the first attempt came through, as known ids are passed over.
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
        except BaseException as error:  # noqa: BLE001 - raised again by those it concerns
            return error
        return None
