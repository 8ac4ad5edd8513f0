"""
Copy a store to another one in the background: at intervals, and at exit.

The target may be remote, slow or unreachable. Pending records are durable in the source, so nothing
is lost if this process ends: the next one compares both stores and continues.
"""

import threading
from collections.abc import Callable

from flagstone.errors import FlagstoneError
from flagstone.errors.safe_logs import logger_of
from flagstone.operations.sync import PendingSync, sync, waiting_in
from flagstone.stores.base import Store

logger = logger_of(__name__)

_FIRST_PAUSE = 2.0
_MAX_PAUSE = 60.0
"""Seconds before a retry after a failure; doubled each time, up to the maximum."""


class BackgroundSync:
    """
    Copies *source* to the store that *open_target* returns, on a thread, *every* so many seconds.

    It copies at once after *most* new records and on `flush`, and a last time at interpreter
    exit. A failure is logged with the number of pending records, and retried.
    """

    def __init__(
        self,
        source: Store,
        open_target: Callable[[], Store],
        *,
        to: str,
        every: float = 300.0,
        most: int = 1000,
    ) -> None:
        self.to = to
        self.error: Exception | None = None
        self._source = source
        self._open_target = open_target
        self._target: Store | None = None
        self._every = every
        self._most = most
        self._mark: str | None = None
        self._noted = 0
        self._turn = threading.Condition()  # guards the attributes below
        self._begun = 0  # number of copies started, and below: finished, requested
        self._settled = 0
        self._wanted = 0
        self._ending = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread with an immediate first copy; calling it again has no effect."""
        with self._turn:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="flagstone", daemon=True)
                self._thread.start()
                # Not atexit: thread pools, which the Hub's client needs, no longer work by then.
                threading._register_atexit(self.close)  # type: ignore[attr-defined] # noqa: SLF001

    def note(self) -> None:
        """Record that *source* has a new record."""
        self.start()
        with self._turn:
            self._noted += 1
            if self._noted >= self._most:
                self._ask()

    def flush(self, timeout: float | None = None) -> bool:
        """Copy all records now in *source*; return whether that succeeded within *timeout*."""
        self.start()
        with self._turn:
            wanted = self._ask()
            is_settled = self._turn.wait_for(lambda: self._settled >= wanted, timeout)
            return is_settled and self.error is None

    def waiting(self) -> PendingSync:
        """Return the records that this process has not copied yet."""
        return waiting_in(self._source, after=self._mark)

    def close(self) -> None:
        """Copy a last time, and stop the thread."""
        with self._turn:
            self._ending = True
            self._turn.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _ask(self) -> int:
        """Request a copy that starts after now; return its number."""
        self._wanted = self._begun + 1
        self._turn.notify_all()
        return self._wanted

    def _run(self) -> None:
        pause, next_pause = 0.0, _FIRST_PAUSE
        while True:
            with self._turn:
                self._turn.wait_for(lambda: self._ending or self._wanted > self._begun, pause)
                self._begun += 1
                is_last, self._noted = self._ending, 0
            self.error = self._copy()
            if self.error is None:
                pause, next_pause = self._every, _FIRST_PAUSE
            else:
                pause, next_pause = next_pause, min(2 * next_pause, _MAX_PAUSE)
                self._tell(self.error, None if is_last else pause)
            with self._turn:
                self._settled = self._begun
                self._turn.notify_all()
            if is_last:
                return

    def _copy(self) -> Exception | None:
        """Copy new records; return the error, if any."""
        try:
            mark = self._source.cursor()
            if mark != self._mark:
                if self._target is None:
                    self._target = self._open_target()
                done = sync(self._source, self._target, after=self._mark)
                self._mark = mark
                logger.info("Copied %d records to %s", done.copied, self.to)
        except FlagstoneError as error:
            return error
        except Exception as error:  # of any kind: later flags must still be copied
            logger.exception("Copying to %s failed", self.to)
            return error
        return None

    def _tell(self, error: Exception, pause: float | None) -> None:
        then = "The next start continues" if pause is None else f"Retrying in {pause:.0f} s"
        try:
            what = str(self.waiting())
        except FlagstoneError:
            what = "Pending records cannot be read"
        logger.warning("%s for %s: %s %s.", what, self.to, error, then)
