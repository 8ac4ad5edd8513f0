"""
What a demo keeps of what is flagged: the rules that its author gives, under one name everywhere.

`Interface`, `ChatInterface`, `flag_panel` and `attach` take them as keywords.
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
    """The rules as keywords; `Rules` says what each means."""

    consent: str | None
    redact: RedactFunction | Sequence[RedactFunction] | None
    record_request: Sequence[str]
    model: str | None
    flag_rate: int | None
    flag_size: int | None
    when: Predicate | None
    sample: float
    limit: int | None


@dataclass(frozen=True, kw_only=True)
class Rules:
    """
    What is kept of a demo's flags.

    `consent` is a line that must be ticked before anything is kept. `redact` are functions
    `Flag -> Flag | None` that run in turn before anything touches a disk; None keeps nothing.
    `record_request` names what else is kept of the request: "ip", or a header such as "user-agent".
    `model` names the model in the records. `flag_rate` is the most flags that one session presses
    in a minute, `flag_size` the most bytes of one flag, files included; None for no limit.

    For the automatic mode: `when` says which predictions are kept, `sample` which share of them,
    from 0 to 1, always the same inputs, and `limit` how many of one user, or session, in an hour.
    """

    consent: str | None = None
    redact: RedactFunction | Sequence[RedactFunction] | None = None
    record_request: Sequence[str] = ()
    model: str | None = None
    flag_rate: int | None = 600
    flag_size: int | None = 1_000_000_000
    when: Predicate | None = None
    sample: float = 1.0
    limit: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.sample <= 1:
            raise ValueError(f"sample is a share from 0 to 1, not {self.sample!r}")
        for name in ("flag_rate", "flag_size", "limit"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is at least 1, or None for no limit, not {value!r}")
        if isinstance(self.record_request, str):
            raise TypeError(f'record_request is a list: ["{self.record_request}"]')

    @classmethod
    def take_from(cls, keywords: dict[str, Any]) -> "Rules":
        """The rules among *keywords*, which are taken out of it."""
        names = {field.name for field in fields(cls)}
        return cls(**{name: keywords.pop(name) for name in names & set(keywords)})

    def may_refuse(self, *, automatic: bool) -> bool:
        """Whether a flag may yet be refused when it is made, so that its files must wait."""
        chooses = self.when is not None or self.sample < 1 or self.limit is not None
        return self.redact is not None or (automatic and chooses)

    def redacted(self, flag: Flag) -> Flag:
        """*flag* as it may be kept. Raises `RedactedError` where nothing of it may."""
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
        """Whether the automatic mode keeps *flag*, `limit` aside."""
        share = int(flag.fingerprint[:8], 16) / 0x1_0000_0000
        return share < self.sample and (self.when is None or bool(self.when(flag)))


class Rate:
    """At most *most* times within *seconds* for one key; the keys seen last are remembered."""

    def __init__(self, most: int | None, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._times: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def allows(self, key: str) -> bool:
        """Whether *key* may once more; if so, this counts."""
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
