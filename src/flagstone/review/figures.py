"""
What the dashboard tells of the flags that a query asks for, counted in one pass over them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

from flagstone.record import Flag, Outcome, Review, Value, Verdict
from flagstone.review.tree import spell
from flagstone.store import Query, State, Store, fold

_BRIEF = 60
_VERDICTS: tuple[Verdict, ...] = ("open", "accepted", "rejected", "fixed")


@dataclass(kw_only=True, slots=True)
class Figures:
    """
    Counts: by day and option or app, by verdict, by model and verdict, of predictions and what
    they were corrected to, by user; and the verdict of each reviewer by flag.
    """

    total: int = 0
    by_option: Counter[tuple[date, str]] = field(default_factory=Counter)
    by_app: Counter[tuple[date, str]] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    models: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    confusions: Counter[tuple[str, str]] = field(default_factory=Counter)
    users: Counter[str] = field(default_factory=Counter)
    ratings: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, state: State) -> None:
        """Count one flag."""
        flag = state.flag
        day = flag.created_at.date()
        self.total += 1
        self.by_option[day, flag.option or "no option"] += 1
        self.by_app[day, flag.app or "no app"] += 1
        self.verdicts[state.verdict] += 1
        self.models[_model_of(flag)][state.verdict] += 1
        self.confusions.update(_confusions_of(flag.outputs, state.correction))
        if flag.user:
            self.users[flag.user] += 1
        said = {r.by: r.verdict for r in state.reviews if r.by and r.verdict in _VERDICTS[1:]}
        if said:
            self.ratings[flag.id] = {by: verdict for by, verdict in said.items() if by and verdict}


def figures_of(store: Store, query: Query) -> Figures:
    """The figures of the flags that *query* asks for. Reads the whole store, twice."""
    figures = Figures()
    for state in _states(store):
        if query.matches(state):
            figures.add(state)
    return figures


def _states(store: Store) -> Iterator[State]:
    """The states of all flags, of which only what was said about them is held in memory."""
    about: dict[str, list[Review | Outcome]] = defaultdict(list)
    for record in store.scan():
        if isinstance(record, Review):
            about[record.flag_id].append(record)
    for record in store.scan():
        if isinstance(record, Flag):
            yield from fold([record, *about.get(record.id, ())])


def _model_of(flag: Flag) -> str:
    for name in ("model", "version", "commit"):
        if isinstance(known := flag.context.get(name), str) and known:
            return known[:12] if name == "commit" else known[:_BRIEF]
    return "not known"


def _confusions_of(
    outputs: Mapping[str, Value], correction: Mapping[str, Value]
) -> Iterator[tuple[str, str]]:
    for name, right in correction.items():
        if name in outputs and right.kind in ("label", "choice", "text", "boolean", "number"):
            yield _said(outputs[name]), _said(right)


def _said(value: Value) -> str:
    """What *value* says, a label without its confidence."""
    data = value.data
    if isinstance(data, dict) and "label" in data:
        data = data["label"]
    return spell(data, _BRIEF)
