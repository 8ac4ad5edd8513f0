"""
Tests for a store of your own, and failing and slow stores for testing an app.

    class TestMyStore(StoreTests):
        def open(self, place):
            return MyStore(place)

        def texts(self, place):
            return …  # the JSON of every record on the medium, read without MyStore

Requires pytest. Do not override a test: a store that fails these tests is not a valid store.
"""

import io
import threading
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flagstone.core.codec import dumps
from flagstone.core.query import Query
from flagstone.core.records import FileRef, Flag, Outcome, Record, Review, Value
from flagstone.errors import (
    MissingFileError,
    StoreError,
    UnknownFlagError,
    UnserializableValueError,
)
from flagstone.stores.base import Store, StoreWrapper

__all__ = ["EXACT_TEXTS", "FailingStore", "SlowStore", "StoreTests", "make_flag"]

EXACT_TEXTS = {
    "empty": "",
    "formula": "=1+1",
    "apostrophe-formula": "'=1+1",
    "minus": "- item",
    "looks-like-a-float": "1e5",
    "looks-like-a-decimal": "1.10",
    "looks-like-null": "null",
    "quoted": '"quoted"',
    "csv-syntax": 'a,"b"\r\nc;d\te',
    "row-end": '""row"":17}"\r\n',
    "record-cell": ',"{""flagstone"":1,""type"":""flag"",""id"":""x""}"\r\n',
    "line-ends": "a\rb\nc\r\nd",
    "json": '{"a": 1, "a": 2}',
    "not-ascii": "e\u0301 日本語 \U0001f6a9",
    "line-separators": "a\u2028b\u2029c\x85d",
    "nul": "a\x00b",
    "lone-surrogate": "a\ud800b",
    "byte-order-mark": "\ufeffa",
    "5000-digits": "9" * 5000,
    "10-MB": "flag " * 2_000_000,
    "deep-json": "[" * 5000 + "]" * 5000,
}

EXACT_DATA: dict[str, Any] = {
    "none": None,
    "true": True,
    "false": False,
    "integer": 7,
    "negative-zero": -0.0,
    "float-that-is-whole": 7.0,
    "large-float": 1e300,
    "infinity": float("inf"),
    "65-bit-integer": 2**64,
    "5000-digit-integer": 10**5000,
    "empty-list": [],
    "empty-dict": {},
    "tuple": (1, ("a", [])),
    "bytes": b"\x00\xff",
    "keys-that-are-not-text": {1: "a", None: "b", (1, 2): "c"},
    "looks-like-a-tag": {"$tuple": [1]},
    "nested": {"a": [{"b": [None, True, "x"]}]},
    "surrogate-key": {"\udfff": 1},
}


def make_flag(text: str = "a digit", **fields: Any) -> Flag:
    """Return a flag with one input and one output; *fields* override its defaults."""
    label = {"label": "3", "confidences": [{"label": "3", "confidence": 0.7}]}
    defaults: dict[str, Any] = {
        "app": "digits",
        "inputs": {"text": Value(kind="text", data=text)},
        "outputs": {"label": Value(kind="label", data=label)},
        "option": "wrong",
    }
    return Flag(**(defaults | fields))


class FailingStore(StoreWrapper):
    """Wrap *store*; every *every*-th append raises *error* before anything is saved."""

    def __init__(self, store: Store, *, every: int = 1, error: Exception | None = None) -> None:
        super().__init__(store)
        self._every = every
        self._error = error or StoreError(
            doing="save the flag in", where=self.location, reason="the medium is out of order"
        )
        self._appends = 0

    def append(self, records: Iterable[Record]) -> None:
        self._appends += 1
        if self._appends % self._every == 0:
            raise self._error
        super().append(records)


class SlowStore(StoreWrapper):
    """Wrap *store*; each append takes *seconds* longer."""

    def __init__(self, store: Store, *, seconds: float) -> None:
        super().__init__(store)
        self._seconds = seconds

    def append(self, records: Iterable[Record]) -> None:
        time.sleep(self._seconds)
        super().append(records)


class StoreTests:
    """Tests for every store. Implement `open` and `texts`; `place` may be overridden."""

    def open(self, place: Path) -> Store:
        """Open the store at *place*; opened again, it must have everything saved before."""
        raise NotImplementedError

    def texts(self, place: Path) -> list[str]:
        """Return the JSON of every record on the medium at *place*, in order, without the store."""
        raise NotImplementedError

    def content(self, place: Path) -> bytes:
        """Return all bytes on the medium at *place*."""
        return b"".join(path.read_bytes() for path in place.rglob("*") if path.is_file())

    @pytest.fixture
    def place(self, tmp_path: Path) -> Path:
        return tmp_path / "place"

    def test_a_flag_is_kept_before_append_returns(self, place: Path) -> None:
        """
        When append() returns, the flag is on the medium, without a close().
        """
        flag = make_flag()

        self.open(place).append([flag])

        assert self.texts(place) == [flag.to_json()]

    @pytest.mark.parametrize("text", EXACT_TEXTS.values(), ids=EXACT_TEXTS.keys())
    def test_text_comes_back_exactly(self, place: Path, text: str) -> None:
        """
        Text in any field of a record is read back exactly.
        """
        flag = make_flag(
            text, app=text[:99], option=text[:99], comment=text, user=text[:99], session=text[:99]
        )

        self.open(place).append([flag])

        assert list(self.open(place).scan()) == [flag]

    @pytest.mark.parametrize("data", EXACT_DATA.values(), ids=EXACT_DATA.keys())
    def test_data_comes_back_exactly(self, place: Path, data: Any) -> None:
        """
        Data is read back with its types.
        """
        flag = make_flag(outputs={"x": Value(kind="json", data=data)})

        self.open(place).append([flag])

        (read,) = self.open(place).scan()
        assert isinstance(read, Flag)
        # Distinguishes 7 from 7.0, and 1 from True.
        assert dumps(read.outputs["x"].data) == dumps(data)
        assert read == flag

    def test_records_of_all_types_come_back_in_order(self, place: Path) -> None:
        """
        Flags, reviews and outcomes are read back equal, each type in the order it was saved.
        """
        flags = [make_flag(f"flag {n}") for n in range(5)]
        reviews = [
            Review(flag_id=flag.id, by="ana", verdict="accepted", tags=("a", "b"), note="=1")
            for flag in flags
        ]
        outcomes = [
            Outcome(
                flag_id=flag.id, run_id="r1", model="m2", status="fixed", seconds=0.5,
                outputs={"label": Value(kind="label", data="4")}, scores={"exact": 1.0},
            )
            for flag in flags
        ]  # fmt: skip

        store = self.open(place)
        store.append(flags)
        store.append(reviews)
        store.append(outcomes)

        read = list(self.open(place).scan())
        for kept in (flags, reviews, outcomes):
            assert [record for record in read if type(record) is type(kept[0])] == kept
        assert read[:5] == flags

    def test_unknown_keys_are_kept(self, place: Path) -> None:
        """
        Fields written by a newer version are preserved.
        """
        flag = make_flag(extra={"from_the_future": {"a": [1]}})

        self.open(place).append([flag])

        assert list(self.open(place).scan()) == [flag]

    def test_a_known_id_is_passed_over(self, place: Path) -> None:
        """
        Appending a record again changes nothing: in one call, the same store or a reopened one.
        """
        flag, other = make_flag(), make_flag("other")
        store = self.open(place)

        store.append([flag, flag])
        store.append([flag])
        self.open(place).append([flag, other])

        assert list(store.scan()) == [flag, other]

    def test_known_ids_are_told(self, place: Path) -> None:
        """
        Of many ids, existing_ids() returns exactly those that are stored.
        """
        store = self.open(place)
        flags = [make_flag(str(n)) for n in range(3)]
        store.append(flags)
        unknown = [f"unknown {n}" for n in range(1500)]

        told = self.open(place).existing_ids([*unknown, flags[2].id, flags[0].id])

        assert told == {flags[0].id, flags[2].id}
        assert store.existing_ids([]) == set()

    def test_a_sound_store_has_no_damage(self, place: Path) -> None:
        """
        verify() finds no problem in what the store itself wrote, erased flags included.
        """
        store = self.open(place)
        flags = [make_flag(text) for text in EXACT_TEXTS.values()]
        store.append(flags)
        store.append([Review(flag_id=flags[0].id, verdict="accepted")])
        store.erase([flags[1].id])

        assert list(self.open(place).verify()) == []

    def test_all_or_none(self, place: Path) -> None:
        """
        A record that cannot be saved fails its whole append, but no later one.
        """
        store = self.open(place)
        data: list[Any] = []
        bad = make_flag(outputs={"x": Value(kind="state", data=data)})
        bad.outputs["x"].data.append(object())  # which its constructor would have rejected
        later = make_flag("later")

        with pytest.raises(UnserializableValueError, match=r"outputs\.x\.data.*builtins\.object"):
            store.append([make_flag(), bad])
        store.append([later])

        assert list(store.scan()) == [later]

    def test_a_file_comes_back_byte_for_byte(self, place: Path) -> None:
        """
        A file is read back with its bytes and its name, whatever the name, and is stored once.
        """
        store = self.open(place)
        content = bytes(range(256)) * 5000
        names = ["digit.png", "../../etc/passwd", "a\x00b", "x" * 300, "", "..", "é\ud800.png"]

        refs = [store.files.put(io.BytesIO(content), name=name) for name in names]
        flag = make_flag(outputs={"files": Value(kind="file", data=refs)})
        store.append([flag])

        (read,) = self.open(place).scan()
        assert [ref.name for ref in read.files()] == names
        for ref in read.files():
            with self.open(place).files.open(ref) as file:
                assert file.read() == content
        assert len({ref.sha256 for ref in refs}) == 1

    def test_a_record_without_its_file_is_refused(self, place: Path) -> None:
        """
        A record cannot be saved before the files that it refers to.
        """
        store = self.open(place)
        ref = FileRef(sha256="0" * 64, name="digit.png", size=3)

        with pytest.raises(MissingFileError, match=r"digit\.png"):
            store.append([make_flag(outputs={"file": Value(kind="file", data=ref)})])

        assert list(store.scan()) == []

    def test_scan_goes_on_after_a_mark(self, place: Path) -> None:
        """
        scan(after=…) yields all records appended since that cursor, also in a reopened store.
        """
        store = self.open(place)
        start = store.cursor()
        store.append([make_flag("before")])
        mark = store.cursor()
        later = make_flag("after")
        other = make_flag("other fields", outputs={})
        store.append([later, other])
        review = Review(flag_id=later.id, verdict="fixed")
        store.append([review])

        everything = list(self.open(place).scan(start))
        assert everything == list(store.scan())
        assert list(self.open(place).scan(mark)) == [later, other, review]
        assert list(store.scan(store.cursor())) == []

    def test_what_was_erased_is_gone(self, place: Path) -> None:
        """
        An erased flag leaves nothing behind: no text, review, outcome or file.
        """
        store = self.open(place)
        ref = store.files.put(io.BytesIO(b"secret content"), name="secret name")
        shared = store.files.put(io.BytesIO(b"shared content"), name="shared")
        files = Value(kind="file", data=[ref, shared])
        flag = make_flag("secret text", outputs={"f": files}, user="secret user")
        other = make_flag("other text", outputs={"f": Value(kind="file", data=shared)})
        review = Review(flag_id=flag.id, note="secret note", by="ana")
        outcome = Outcome(flag_id=flag.id, run_id="r", model="secret model", status="broken")
        store.append([flag, other, review, outcome])

        store.erase([flag.id, "no such id"])

        assert self.open(place).finish_erasures(search=True) == 0  # nothing is left to do
        assert list(self.open(place).scan()) == [other]
        assert b"secret" not in self.content(place)
        assert not store.files.has(ref)
        assert store.files.has(shared)

    def test_what_was_erased_does_not_come_back(self, place: Path) -> None:
        """
        A later copy of an erased flag and its reviews is skipped.
        """
        store = self.open(place)
        flag, other = make_flag(), make_flag("other")
        review = Review(flag_id=flag.id, note="a note")
        store.append([flag, review])
        store.erase([flag.id])

        store.append([flag, review, other])
        self.open(place).append([flag, review])

        assert list(self.open(place).scan()) == [other]

    def test_the_latest_review_counts(self, place: Path) -> None:
        """
        The state of a flag follows from its records, in the order of their creation times.
        """
        store = self.open(place)
        flag = make_flag()
        now = datetime.now(UTC)
        better = {"label": Value(kind="label", data="5")}
        late = Review(
            flag_id=flag.id, created_at=now + timedelta(seconds=2), verdict="rejected", tags=("b",)
        )
        early = Review(
            flag_id=flag.id, created_at=now, verdict="accepted", tags=("a",), note="n",
            correction=better, assignee="bo",
        )  # fmt: skip
        outcome = Outcome(flag_id=flag.id, run_id="r", model="m", status="fixed")
        store.append([late, flag, outcome, early])

        state = self.open(place).state(flag.id)

        assert (state.flag, state.reviews, state.outcomes) == (flag, (early, late), (outcome,))
        assert (state.verdict, state.tags, state.notes) == ("rejected", ("a", "b"), ("n",))
        assert (state.correction, state.assignee) == (better, "bo")
        assert store.get(flag.id) == flag

    def test_a_withdrawn_review_does_not_count(self, place: Path) -> None:
        """
        A retracted review stays in the log but does not affect the flag's state.
        """
        store = self.open(place)
        flag = make_flag()
        first = Review(flag_id=flag.id, verdict="fixed", tags=("a",), note="n", assignee="bo")
        second = Review(flag_id=flag.id, verdict="accepted", tags=("b",))
        store.append([flag, first, second])
        store.append([Review(flag_id=flag.id, retracts=second.id)])

        state = store.state(flag.id)

        assert (state.verdict, state.tags, state.notes) == ("fixed", ("a",), ("n",))
        assert state.standing[0] == first
        assert second in state.reviews
        assert store.count(Query(verdict="fixed", tag="a")) == 1
        assert store.count(Query(tag="b")) == 0
        assert store.facets()["verdict"] == {"fixed": 1}

    def test_the_edition_tells_of_erasures(self, place: Path) -> None:
        """
        generation() is unchanged by appends and changes on an erasure, also by another object.
        """
        store = self.open(place)
        first, second = make_flag("first"), make_flag("second")
        store.append([first])
        edition = store.generation()
        store.append([second])
        assert store.generation() == edition
        self.open(place).erase([first.id])
        assert store.generation() != edition or edition == ""

    def test_an_unknown_flag_is_an_error(self, place: Path) -> None:
        """
        Getting a flag that is not stored raises UnknownFlagError.
        """
        with pytest.raises(UnknownFlagError, match="no-such-id"):
            self.open(place).get("no-such-id")

    def test_find_count_and_facets(self, place: Path) -> None:
        """
        Every field of a query filters, alone and combined; order, limit and after give pages.
        """
        start = datetime(2026, 1, 1, tzinfo=UTC)
        flags = [
            make_flag(
                f"Straße {n}", app=f"app {n % 2}", option="abc"[n % 3], user=[None, "ana"][n % 2],
                verified=[None, True, False][n % 3], created_at=start + timedelta(hours=n),
            )
            for n in range(12)
        ]  # fmt: skip
        store = self.open(place)
        store.append(flags)
        review = Review(flag_id=flags[3].id, verdict="accepted", tags=("hard",), assignee="bo")
        store.append([review])
        newest = flags[::-1]

        def found(**query: Any) -> list[Flag]:
            asked = Query(**query)
            result = list(store.find(asked))
            assert store.count(asked) == len(result)
            return result

        assert found() == newest
        assert found(order="oldest") == flags
        assert found(app="app 1") == newest[::2]
        assert found(option="b", user="ana") == [flags[7], flags[1]]
        assert found(verified=False, limit=2) == [flags[11], flags[8]]
        assert found(verdict="accepted") == found(tag="hard") == [flags[3]]
        assert found(assignee="bo") == [flags[3]]
        assert found(assignee="bo", option="b") == []
        assert found(verdict="open") == [flag for flag in newest if flag != flags[3]]
        assert found(since=start + timedelta(hours=10)) == newest[:2]
        assert found(until=start + timedelta(hours=1)) == [flags[0]]
        assert found(text="STRASSE 1") == [flags[11], flags[10], flags[1]]
        assert found(fingerprint=flags[4].fingerprint) == [flags[4]]
        assert found(after=flags[5].id, limit=2) == [flags[4], flags[3]]
        assert found(after="no-such-id") == []
        assert found(after=flags[5].id, option="b") == [flags[4], flags[1]]
        states = store.states([flags[3].id, flags[4].id, "no-such-id"])
        assert {each: state.verdict for each, state in states.items()} == {
            flags[3].id: "accepted",
            flags[4].id: "open",
        }
        alike = [flags[4].fingerprint, "no-such-print"]
        assert +store.count_by_fingerprint(alike) == {flags[4].fingerprint: 1}
        facets = store.facets(Query(app="app 1"))
        assert facets["option"] == {"a": 2, "b": 2, "c": 2}
        assert facets["verdict"] == {"open": 5, "accepted": 1}
        assert facets["tag"] == {"hard": 1}
        assert facets["assignee"] == {"bo": 1, None: 5}
        assert facets["verified"] == {"yes": 2, "no": 2, None: 2}
        of_days, of_verdicts = store.crosstab(
            Query(option="a"), ("day", "app"), ("verdict", "user")
        )
        assert of_days == {("2026-01-01", "app 0"): 2, ("2026-01-01", "app 1"): 2}
        assert of_verdicts == {("accepted", "ana"): 1, ("open", "ana"): 1, ("open", None): 2}
        assert [state.flag for state in store.reviewed(Query())] == [flags[3]]
        assert list(store.reviewed(Query(app="app 0"))) == []

    def test_threads_lose_nothing(self, place: Path) -> None:
        """
        Flags appended by eight threads at once, from the first one on, are each stored once.
        """
        store = self.open(place)
        flags = [make_flag(f"{n}") for n in range(80)]
        barrier = threading.Barrier(8)

        def append(part: list[Flag]) -> None:
            barrier.wait()
            for flag in part:
                store.append([flag])

        threads = [threading.Thread(target=append, args=(flags[n::8],)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(record.id for record in store.scan()) == sorted(flag.id for flag in flags)

    def test_what_is_read_is_a_copy(self, place: Path) -> None:
        """
        Later changes by the caller do not affect stored data.
        """
        data = ["a"]
        flag = make_flag(outputs={"x": Value(kind="json", data=data)})
        store = self.open(place)
        store.append([flag])
        before = replace(flag, outputs={"x": Value(kind="json", data=["a"])})

        data.append("b")

        assert list(store.scan()) == [before]
