"""
Decisions: each is a review appended to the log with its author; nothing is overwritten.

A page sends the last review of a flag that it has seen. If another reviewer has decided since then,
nothing is appended, and the page shows this. Its user may then decide again.
"""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from flagstone.core.codec import FileRef, files_in
from flagstone.core.query import State
from flagstone.core.records import MAX_TAGS, Review, Value, Verdict
from flagstone.errors import UnknownFlagError, UnserializableValueError
from flagstone.review.auth.users import Person
from flagstone.review.speakers import is_by
from flagstone.review.uploads import Uploads
from flagstone.review.values.parsing import read
from flagstone.stores.base import Store

_MAX_FLAGS = 500
_MAX_WORD_LENGTH = 100
_MAX_NOTE_LENGTH = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """
    A decision about the flags in *seen*, which maps flag ids to the last review the page has seen.

    `entered` maps output names to the content of the correction's editor.
    """

    seen: Mapping[str, str]
    verdict: Verdict | None = None
    tags: tuple[str, ...] = ()
    note: str | None = None
    assignee: str | None = None
    entered: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Decided:
    """The reviews that were appended, and those by other reviewers who were faster."""

    reviews: list[Review] = field(default_factory=list)
    faster: list[Review] = field(default_factory=list)


def read_decision(body: Any) -> Decision:
    """
    Return the decision that a page posted as JSON.

    Raises `UnserializableValueError` if the JSON has another form.
    """
    seen = _expect(dict, body.get("flags") if isinstance(body, dict) else None, "flags")
    if not 0 < len(seen) <= _MAX_FLAGS:
        raise _refusal("flags", f"one to {_MAX_FLAGS} can be decided at once")
    verdict = body.get("verdict")
    if verdict not in (*get_args(Verdict), None):
        raise _refusal("verdict", "unknown verdict")
    tags = _expect(list, body.get("tags", []), "tags")
    if len(tags) > MAX_TAGS:
        raise _refusal("tags", f"at most {MAX_TAGS} can be added at once, not {len(tags)}")
    return Decision(
        seen={_word(flag_id): _expect(str, review, "flags") for flag_id, review in seen.items()},
        verdict=verdict,
        tags=tuple(map(_word, tags)),
        note=_text(body.get("note"), "note", _MAX_NOTE_LENGTH),
        assignee=_text(body.get("assignee"), "assignee", _MAX_WORD_LENGTH),
        entered=_expect(dict, body.get("correction", {}), "correction"),
    )


def read_undo(body: Any) -> Mapping[str, str]:
    """Return the review to undo, by flag. Raises the same errors as `read_decision`."""
    asked = _expect(dict, body.get("reviews") if isinstance(body, dict) else None, "reviews")
    if len(asked) > _MAX_FLAGS:
        raise _refusal("reviews", f"at most {_MAX_FLAGS} can be undone at once")
    return {flag_id: _expect(str, review, "reviews") for flag_id, review in asked.items()}


class Decider:
    """Appends decisions to *store*, one at a time; *uploads* are the files users have sent."""

    def __init__(self, store: Store, uploads: Uploads) -> None:
        self._store = store
        self._uploads = uploads
        self._mutex = threading.Lock()

    def decide(self, decision: Decision, person: Person) -> Decided:
        """
        Append the decision of *person* for each flag that no one else has decided meanwhile.

        Raises `UnknownFlagError`, and `UnserializableValueError` for an invalid correction.
        """
        decided = Decided()
        with self._mutex:
            states = self._store.states(decision.seen)
            for flag_id, seen in decision.seen.items():
                if flag_id not in states:
                    raise UnknownFlagError(flag_id=flag_id, where=self._store.location)
                state = states[flag_id]
                if faster := _decided_since(state, seen, person):
                    decided.faster.append(faster)
                else:
                    decided.reviews.append(self._review(state, decision, person))
            self._store.append(decided.reviews)
        return decided

    def undo(self, reviews: Mapping[str, str], person: Person) -> list[Review]:
        """
        Append a review that retracts each of *reviews*, given by flag.

        Reviews that are already retracted are skipped, and so are those of other reviewers unless
        *person* is an admin.
        """
        with self._mutex:
            withdrawals = [
                Review(flag_id=flag_id, by=person.name, speaker="reviewer", retracts=review.id)
                for flag_id, state in self._store.states(reviews).items()
                for review in state.standing
                if review.id == reviews[flag_id] and may_be_withdrawn(review, person)
            ]
            self._store.append(withdrawals)
        return withdrawals

    def _review(self, state: State, decision: Decision, person: Person) -> Review:
        corrected = {
            name: self._corrected(state, name, entered, person)
            for name, entered in decision.entered.items()
        }
        return Review(
            flag_id=state.flag.id,
            by=person.name,
            speaker="reviewer",
            verdict=decision.verdict,
            tags=decision.tags,
            note=decision.note,
            assignee=decision.assignee,
            correction={**state.correction, **corrected} if corrected else {},
        )

    def _corrected(self, state: State, name: str, entered: Any, person: Person) -> Value:
        """
        Return the output *name* as it was *entered*.

        It may name files of the flag's own records and files that *person* has uploaded recently.
        """
        own = _files_of(state)
        right = read(
            _current(state, name), entered, field=name, files=[*own, *self._uploads.of(person.name)]
        )
        if self._store.files.missing(set(files_in(right.data)) - set(own)):
            raise _refusal(name, "a file uploaded for it no longer exists")
        return right


def may_be_withdrawn(review: Review, person: Person) -> bool:
    """Whether *person* may retract *review*: their own, or any as an admin; never a retraction."""
    is_theirs = is_by(review, person.name) or person.role == "admin"
    return person.may_decide and is_theirs and review.retracts is None


def _decided_since(state: State, seen: str, person: Person) -> Review | None:
    """Return the last decision by another reviewer after the review *seen* that still counts."""
    ids = [review.id for review in state.reviews]
    place = ids.index(seen) + 1 if seen in ids else 0
    before, standing = ids[:place], {review.id for review in state.standing}
    others: Iterable[Review] = (
        r for r in reversed(state.reviews[place:]) if not is_by(r, person.name)
    )
    return next(
        (
            r
            for r in others
            if (r.id in standing and (r.verdict or r.correction)) or r.retracts in before
        ),
        None,
    )


def _files_of(state: State) -> list[FileRef]:
    return [ref for record in state.records for ref in record.files()]


def _current(state: State, name: str) -> Value:
    """Return the output *name* as last corrected, or as the model produced it."""
    current = state.correction.get(name) or state.flag.outputs.get(name)
    if current is None:
        raise _refusal(name, "the flag has no such output")
    return current


def _expect(kind: type, value: Any, name: str) -> Any:
    if not isinstance(value, kind):
        raise _refusal(name, f"expected {kind.__name__}")
    return value


def _word(value: Any) -> str:
    word = str(_expect(str, value, "a word")).strip()
    if not 0 < len(word) <= _MAX_WORD_LENGTH:
        raise _refusal("a word", f"it must have one to {_MAX_WORD_LENGTH} characters")
    return word


def _text(value: Any, name: str, longest: int) -> str | None:
    if value is None:
        return None
    text = str(_expect(str, value, name)).strip()
    if len(text) > longest:
        raise _refusal(name, f"it has more than {longest:,} characters")
    return text or None


def _refusal(name: str, reason: str) -> UnserializableValueError:
    return UnserializableValueError(where=name, reason=reason)
