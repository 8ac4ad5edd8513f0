"""
Copy in the background: what one store gets is taken to another at intervals, and at the end.

The other may be far, slow or away. What waits for it is in the first store, durable, so nothing
is lost with this process: the next one looks at both and goes on.
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
"""Seconds before the next try after a failure; each is twice as long as the one before."""


class BackgroundSync:
    """
    Copies *source* to the store that *open_target* gives, *every* so many seconds, on a thread.

    It goes at once when *most* records were noted, when `flush` asks, and a last time when the
    interpreter ends. A failure is logged with what waits, and tried again.
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
        self._turn = threading.Condition()  # guards what follows
        self._begun = 0  # copies, of which so many
        self._settled = 0
        self._wanted = 0
        self._ending = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, with a first copy at once; to start again changes nothing."""
        with self._turn:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="flagstone", daemon=True)
                self._thread.start()
                # Not atexit: by then no thread pool works any more, which the Hub's client needs.
                threading._register_atexit(self.close)  # type: ignore[attr-defined] # noqa: SLF001

    def note(self) -> None:
        """Say that *source* got a record."""
        self.start()
        with self._turn:
            self._noted += 1
            if self._noted >= self._most:
                self._ask()

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until what is in *source* by now was copied, or could not be; says which."""
        self.start()
        with self._turn:
            wanted = self._ask()
            is_settled = self._turn.wait_for(lambda: self._settled >= wanted, timeout)
            return is_settled and self.error is None

    def waiting(self) -> PendingSync:
        """What the target does not have yet, as far as this process knows."""
        return waiting_in(self._source, after=self._mark)

    def close(self) -> None:
        """Copy a last time, and end."""
        with self._turn:
            self._ending = True
            self._turn.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _ask(self) -> int:
        """Ask for a copy that begins from now on; gives its number."""
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
        """Copy what is new; gives what went wrong."""
        try:
            mark = self._source.cursor()
            if mark != self._mark:
                if self._target is None:
                    self._target = self._open_target()
                done = sync(self._source, self._target, after=self._mark)
                self._mark = mark
                logger.info("%d records were copied to %s", done.copied, self.to)
        except FlagstoneError as error:
            return error
        except Exception as error:  # whatever it is, what is flagged later must be copied, too
            logger.exception("The copy to %s failed", self.to)
            return error
        return None

    def _tell(self, error: Exception, pause: float | None) -> None:
        then = "The next start goes on" if pause is None else f"Trying again in {pause:.0f} s"
        try:
            what = str(self.waiting())
        except FlagstoneError:
            what = "What waits cannot be read"
        logger.warning("%s for %s: %s %s.", what, self.to, error, then)
