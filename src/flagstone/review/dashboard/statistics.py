"""
Statistics of the flags that match a query.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

from flagstone.core.query import Pair, Query, State
from flagstone.core.records import Value
from flagstone.core.text import summarize
from flagstone.stores.base import Store

_BRIEF = 60


@dataclass(kw_only=True, slots=True)
class Figures:
    """
    Counts by day and option or app, by verdict, by model and verdict, by user, and of pairs of a
    prediction and its correction; and the verdicts of flags with several reviewers.
    """

    total: int
    by_option: Counter[tuple[date, str]]
    by_app: Counter[tuple[date, str]]
    verdicts: Counter[str]
    models: dict[str, Counter[str]]
    users: Counter[str]
    confusions: Counter[tuple[str, str]] = field(default_factory=Counter)
    ratings: dict[str, dict[str, str]] = field(default_factory=dict)

    def discuss(self, state: State) -> None:
        """Count the reviews of one flag."""
        flag = state.flag
        self.confusions.update(_confusions_of(flag.outputs, state.correction))
        said: dict[str, str] = {
            r.by: r.verdict
            for r in state.standing
            if r.by and r.speaker != "visitor" and r.verdict and r.verdict != "open"
        }
        if len(said) > 1:  # agreement needs at least two reviewers
            self.ratings[flag.id] = said


def figures_of(store: Store, query: Query) -> Figures:
    """Return the statistics for *query*; a store without an index is read completely."""
    by_option, by_app, by_model, by_user = store.crosstab(
        query, ("day", "option"), ("day", "app"), ("model", "verdict"), ("user", "verdict")
    )
    figures = Figures(
        total=by_model.total(),
        by_option=_by_day(by_option, "no option"),
        by_app=_by_day(by_app, "no app"),
        verdicts=Counter(),
        models=defaultdict(Counter),
        users=Counter(),
    )
    for (model, verdict), number in by_model.items():
        figures.verdicts[verdict or ""] += number
        figures.models[model or "unknown"][verdict or ""] += number
    for (user, _), number in by_user.items():
        if user:
            figures.users[user] += number
    for state in store.reviewed(query):
        figures.discuss(state)
    return figures


def _by_day(pairs: Counter[Pair], unnamed: str) -> Counter[tuple[date, str]]:
    counted: Counter[tuple[date, str]] = Counter()
    for (day, name), number in pairs.items():
        counted[date.fromisoformat(day or ""), name or unnamed] += number
    return counted


def _confusions_of(
    outputs: Mapping[str, Value], correction: Mapping[str, Value]
) -> Iterator[tuple[str, str]]:
    for name, right in correction.items():
        if name in outputs and right.kind in ("label", "choice", "text", "boolean", "number"):
            pair = _said(outputs[name]), _said(right)
            if pair[0] != pair[1]:  # otherwise the output was confirmed
                yield pair


def _said(value: Value) -> str:
    """Return the text of *value*; for a label without its confidence."""
    data = value.data
    if isinstance(data, dict) and "label" in data:
        data = data["label"]
    return summarize(data, _BRIEF)
