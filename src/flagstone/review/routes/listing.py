"""
A page of the list: flags with their states, grouped by equal inputs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from flagstone.core.query import Query, State
from flagstone.core.records import Flag
from flagstone.stores.base import Store

PAGE = 30
_LOOK_AHEAD = 90
"""Flags read for a page; more than `PAGE`, because some share a group."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A flag in the list; `repeats` is how often its inputs were flagged in total."""

    state: State
    repeats: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """The rows, and the id after which the next page begins; None on the last page."""

    rows: Sequence[Row]
    after: str | None


def page_of(store: Store, query: Query) -> Page:
    """Return the page of flags that match *query*, after its `after`; a group is one row."""
    flags = list(store.find(replace(query, limit=_LOOK_AHEAD)))
    leaders: dict[str, Flag] = {}
    read = 0
    for flag in flags:
        group = flag.fingerprint if flag.inputs and not query.fingerprint else flag.id
        if group not in leaders and len(leaders) == PAGE:
            break
        leaders.setdefault(group, flag)
        read += 1
    more = read < len(flags) or len(flags) == _LOOK_AHEAD
    shown = list(leaders.values())
    states = store.states(flag.id for flag in shown)
    repeats = store.count_by_fingerprint(flag.fingerprint for flag in shown)
    rows = [Row(state=states[flag.id], repeats=repeats[flag.fingerprint]) for flag in shown]
    return Page(rows=rows, after=flags[read - 1].id if more else None)


def neighbours(store: Store, query: Query, flag_id: str) -> tuple[str | None, str | None]:
    """Return the ids of the flags before and after this one, in the order of *query*."""
    forth = replace(query, after=flag_id, limit=1)
    back = replace(forth, order="oldest" if query.order == "newest" else "newest")
    before, after = ([flag.id for flag in store.find(asked)] for asked in (back, forth))
    return next(iter(before), None), next(iter(after), None)
