"""
`Query` filters flags; `State` is a flag with its reviews applied.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Literal

from flagstone.core.codec import FileRef
from flagstone.core.records import (
    Flag,
    NewerRecord,
    Outcome,
    Record,
    Review,
    Value,
    Verdict,
    utc_text,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """
    A filter and an order for flags. Fields that are None do not restrict.

    `since` is inclusive, `until` exclusive. `text` matches any text of the flag, ignoring case.
    `limit` is the maximum number of flags; `after` is the id of the last flag of the previous page.
    """

    app: str | None = None
    option: str | None = None
    user: str | None = None
    verdict: Verdict | None = None
    tag: str | None = None
    assignee: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None
    verified: bool | None = None
    fingerprint: str | None = None
    order: Literal["newest", "oldest"] = "newest"
    limit: int | None = None
    after: str | None = None

    @property
    def asks_reviews(self) -> bool:
        """Whether the query depends on reviews."""
        return bool(self.verdict or self.tag or self.assignee)

    def matches(self, state: "State") -> bool:
        """Return whether the flag in this state matches; `order`, `limit`, `after` are ignored."""
        flag = state.flag
        wanted: tuple[tuple[Any, Any], ...] = (
            (self.app, flag.app),
            (self.option, flag.option),
            (self.user, flag.user),
            (self.verified, flag.verified),
            (self.fingerprint, flag.fingerprint),
            (self.verdict, state.verdict),
            (self.assignee, state.assignee),
        )
        return (
            all(asked is None or asked == found for asked, found in wanted)
            and (self.tag is None or self.tag in state.tags)
            and (self.since is None or flag.created_at >= self.since)
            and (self.until is None or flag.created_at < self.until)
            and (self.text is None or self.text.casefold() in texts_of(flag).casefold())
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """
    A flag with its reviews applied.

    `verdict`, `assignee` and `correction` come from the latest review that sets them; `tags` and
    `notes` are those of all reviews, in order. Retracted reviews are ignored.
    """

    flag: Flag
    reviews: tuple[Review, ...] = ()
    outcomes: tuple[Outcome, ...] = ()

    @property
    def records(self) -> tuple[Record, ...]:
        """The flag, its reviews and its outcomes."""
        return (self.flag, *self.reviews, *self.outcomes)

    @property
    def standing(self) -> tuple[Review, ...]:
        """The reviews that were not retracted."""
        withdrawn = {review.retracts for review in self.reviews}
        return tuple(review for review in self.reviews if review.id not in withdrawn)

    @property
    def verdict(self) -> Verdict:
        return next((r.verdict for r in reversed(self.standing) if r.verdict), "open")

    @property
    def assignee(self) -> str | None:
        return next((r.assignee for r in reversed(self.standing) if r.assignee), None)

    @property
    def correction(self) -> Mapping[str, Value]:
        latest = (r.correction for r in reversed(self.standing) if r.correction)
        return next(latest, self.flag.correction)

    @property
    def tags(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(tag for review in self.standing for tag in review.tags))

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(review.note for review in self.standing if review.note)


FACETS = ("verdict", "app", "option", "tag", "user", "assignee", "verified")
"""The properties that flags are grouped by; a flag has one value of each, except for tags."""

VERIFIED: Mapping[bool | None, str | None] = {True: "yes", False: "no", None: None}
"""The names of `Flag.verified` in facets and queries."""

Pair = tuple[str | None, str | None]
"""A pair of facet values of a flag."""


SAID: dict[str, Callable[[State], str | None]] = {
    "day": lambda state: utc_text(state.flag.created_at)[:10],
    "app": lambda state: state.flag.app,
    "option": lambda state: state.flag.option,
    "user": lambda state: state.flag.user,
    "verdict": lambda state: state.verdict,
    "assignee": lambda state: state.assignee,
    "verified": lambda state: VERIFIED[state.flag.verified],
    "model": lambda state: model_of(state.flag),
}
"""Functions that return each facet of a state, except for tags."""


def model_of(flag: Flag) -> str | None:
    """Return the model name, version or commit from the context of *flag*, or None."""
    for name, most in (("model", 60), ("version", 60), ("commit", 12)):
        if isinstance(known := flag.context.get(name), str) and known:
            return known[:most].encode(errors="replace").decode()
    return None


def build_states(records: Iterable[Record]) -> Iterator[State]:
    """Build the states of the flags in *records*, in order; newer records are ignored."""
    flags: dict[str, Flag] = {}
    about: dict[str, list[Review | Outcome]] = defaultdict(list)
    for record in records:
        if isinstance(record, Flag):
            flags[record.id] = record
        elif not isinstance(record, NewerRecord):
            about[record.flag_id].append(record)
    for flag in flags.values():
        # By time: copies of a store may have received them in another order.
        said = sorted(about[flag.id], key=lambda record: (record.created_at, record.id))
        yield State(
            flag=flag,
            reviews=tuple(record for record in said if isinstance(record, Review)),
            outcomes=tuple(record for record in said if isinstance(record, Outcome)),
        )


def select(states: Iterable[State], query: Query) -> Iterator[Flag]:
    """Return the flags in *states* that match *query*, in its order."""
    is_newest = query.order == "newest"
    place = None
    found = []
    for state in states:
        key = (state.flag.created_at, state.flag.id)
        if state.flag.id == query.after:  # which may no longer match
            place = key
        if query.matches(state):
            found.append((key, state.flag))
    if query.after is not None:
        if place is None:
            return iter(())
        found = [each for each in found if (each[0] < place if is_newest else each[0] > place)]
    found.sort(key=lambda each: each[0], reverse=is_newest)
    return islice((flag for _, flag in found), query.limit)


def texts_of(flag: Flag) -> str:
    """Return the text that `Query.text` is searched in."""
    fields = (*flag.inputs.values(), *flag.outputs.values(), *flag.correction.values())
    texts = [text for value in fields for text in _strings(value.data)]
    return "\n".join([flag.app, flag.option or "", flag.comment or "", flag.user or "", *texts])


def _strings(data: Any) -> Iterator[str]:
    match data:
        case str():
            yield data
        case FileRef():
            yield data.name
        case dict():
            for key, part in data.items():
                yield str(key)
                yield from _strings(part)
        case list() | tuple():
            for part in data:
                yield from _strings(part)
