"""
The rules of a demo: which flags are saved, and what each flag contains.

`Interface`, `ChatInterface`, `flag_panel` and `attach` accept them as keywords.
"""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypedDict

from flagstone.core.records import Flag
from flagstone.errors import RedactedError
from flagstone.filters import Predicate
from flagstone.redact import RedactFunction

_MAX_KEYS = 10_000


class RuleOptions(TypedDict, total=False):
    """The fields of `Rules` as keywords."""

    consent: str | None
    redact: RedactFunction | Sequence[RedactFunction] | None
    record_request: Sequence[str]
    model: str | None
    flagging_rate: int | None
    flagging_size: int | None
    when: Predicate | None
    sample_rate: float
    max_per_hour: int | None


@dataclass(frozen=True, kw_only=True)
class Rules:
    """
    Rules for saving the flags of a demo.

    `consent` is a statement that visitors must tick before anything is saved. `redact` is one or
    more functions `Flag -> Flag | None`, run in order before anything is written to disk; if one
    returns None, nothing is saved. `record_request` lists request data to record: "ip", or a header
    such as "user-agent". `model` is the model's name in the records. `flagging_rate` is the maximum
    number of flags per session and minute. `flagging_size` is the maximum size of a flag in bytes,
    including files. None means no limit.

    For the automatic mode: `when` selects the predictions to save. `sample_rate` is the share of
    them to save, from 0 to 1; it always selects the same inputs. `max_per_hour` is the maximum
    number per user, or session.
    """

    consent: str | None = None
    redact: RedactFunction | Sequence[RedactFunction] | None = None
    record_request: Sequence[str] = ()
    model: str | None = None
    flagging_rate: int | None = 600
    flagging_size: int | None = 1_000_000_000
    when: Predicate | None = None
    sample_rate: float = 1.0
    max_per_hour: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.sample_rate <= 1:
            raise ValueError(f"sample_rate must be between 0 and 1, not {self.sample_rate!r}")
        for name in ("flagging_rate", "flagging_size", "max_per_hour"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, or None for no limit, not {value!r}")
        if isinstance(self.record_request, str):
            raise TypeError(f'record_request must be a list: ["{self.record_request}"]')

    @classmethod
    def take_from(cls, keywords: dict[str, Any]) -> "Rules":
        """Return the rules among *keywords*, and remove them from it."""
        names = {field.name for field in fields(cls)}
        return cls(**{name: keywords.pop(name) for name in names & set(keywords)})

    def may_refuse(self, *, automatic: bool) -> bool:
        """Whether the rules may reject a complete flag, so that its files must be staged first."""
        chooses = self.when is not None or self.sample_rate < 1 or self.max_per_hour is not None
        return self.redact is not None or (automatic and chooses)

    def redacted(self, flag: Flag) -> Flag:
        """Return *flag* after redaction. Raises `RedactedError` if it must not be saved."""
        redact = self.redact or ()
        functions: Sequence[Callable[[Flag], Flag | None]]
        functions = [redact] if callable(redact) else redact
        for function in functions:
            changed = function(flag)
            if changed is None:
                raise RedactedError
            flag = changed
        return flag

    def wants(self, flag: Flag) -> bool:
        """Whether the automatic mode saves *flag*, ignoring `max_per_hour`."""
        share = int(flag.fingerprint[:8], 16) / 0x1_0000_0000
        return share < self.sample_rate and (self.when is None or bool(self.when(flag)))


class Rate:
    """Allow *most* events per key within *seconds*; only the most recent keys are remembered."""

    def __init__(self, most: int | None, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._times: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def allows(self, key: str) -> bool:
        """Whether another event for *key* is allowed; if so, count it."""
        if self._most is None:
            return True
        now = time.monotonic()
        with self._lock:
            times = self._times.setdefault(key, deque())
            self._times.move_to_end(key)
            if len(self._times) > _MAX_KEYS:
                self._times.popitem(last=False)
            while times and times[0] <= now - self._seconds:
                times.popleft()
            if len(times) >= self._most:
                return False
            times.append(now)
            return True
