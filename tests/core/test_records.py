"""
The records: made once, read back, and told apart.
"""

import json
import math
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from flagstone import FileRef, Flag, Outcome, Review, Value
from flagstone.core.records import new_id, record_from_json, unique_names
from flagstone.errors import (
    InvalidRecordError,
    UnreadableRecordError,
    UnserializableValueError,
)
from flagstone.testing import make_flag


def test_ids_are_uuid7():
    """
    An id is a UUIDv7 that carries the present moment, and no two are the same.
    """
    before = time.time_ns() // 1_000_000
    ids = [new_id() for _ in range(10_000)]
    after = time.time_ns() // 1_000_000

    parsed = [UUID(id_) for id_ in ids]
    assert {(uuid.version, uuid.variant) for uuid in parsed} == {(7, "specified in RFC 4122")}
    assert all(before <= uuid.int >> 80 <= after for uuid in parsed)
    assert len(set(ids)) == 10_000


def test_the_json_is_plain():
    """
    A record's JSON names its type and schema, and leaves out what holds its default.
    """
    review = Review(
        id="i", created_at=datetime(2026, 1, 2, tzinfo=UTC), flag_id="f", verdict="fixed"
    )

    assert review.to_json() == (
        '{"flagstone":1,"type":"review","id":"i","created_at":"2026-01-02T00:00:00.000000+00:00",'
        '"flag_id":"f","verdict":"fixed"}'
    )


def test_times_are_kept_in_utc():
    """
    A moment in another zone is the same moment; one without a zone is refused.
    """
    moment = datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=5)))

    read = record_from_json(make_flag(created_at=moment).to_json(), where="here")

    assert read.created_at == moment
    assert read.created_at.tzinfo is UTC
    with pytest.raises(ValueError, match="a datetime with a time zone"):
        make_flag(created_at=datetime(2026, 1, 2))  # noqa: DTZ001


def test_equal_inputs_have_equal_fingerprints():
    """
    The fingerprint tells inputs apart by what they are: names of files do not matter.
    """

    def flag_of(data: object, **fields: object) -> Flag:
        return make_flag(inputs={"x": Value(kind="json", data=data)}, **fields)

    def file(name: str, digit: str) -> FileRef:
        return FileRef(sha256=digit * 64, name=name, size=1)

    assert flag_of("a", option="b").fingerprint == flag_of("a", option="c").fingerprint
    assert flag_of([file("a", "0")]).fingerprint == flag_of([file("b", "0")]).fingerprint
    different = ["a", "b", 1, 1.0, True, None, [], (), {}, file("a", "0"), file("a", "1")]
    assert len({flag_of(data).fingerprint for data in different}) == len(different)


@pytest.mark.parametrize("bad", ["", "a\nb", "\ud800", "é"])
def test_an_id_is_plain(bad):
    """
    An id that would trouble a database, a file or a log is refused.
    """
    with pytest.raises(ValueError, match="an id of printable ASCII"):
        make_flag(id=bad)
    with pytest.raises(ValueError, match="an id of printable ASCII"):
        Review(flag_id=bad)
    with pytest.raises(ValueError, match="an id of printable ASCII"):
        Outcome(flag_id=bad, run_id="r", model="m", status="changed")
    if bad:  # without one it is made of the inputs
        with pytest.raises(ValueError, match="a fingerprint of printable ASCII"):
            make_flag(fingerprint=bad)


REF = FileRef(sha256="0" * 64, name="a.txt", size=1)


@pytest.mark.parametrize(
    ("plain", "kind"),
    [
        ("text", "text"), ("", "text"), (True, "boolean"), (False, "boolean"), (1, "number"),
        (1.5, "number"), (math.inf, "number"), (2**70, "number"), (["a", 1], "json"),
        (("a", 1), "json"), ({"a": [None]}, "json"), ({1: 2}, "json"), ([], "json"),
        (None, "json"), (REF, "file"),
    ],
)  # fmt: skip
def test_plain_python_becomes_a_value_of_its_kind(plain, kind):
    """
    Plain Python in place of a value becomes a value of its kind, and comes back as it was.
    """
    value = Value(kind=kind, data=plain)
    flag = Flag(inputs={"x": plain}, outputs={"y": value}, correction={"y": plain})
    review = Review(flag_id="f", correction={"y": plain})
    outcome = Outcome(flag_id="f", run_id="r", model="m", status="changed", outputs={"y": plain})

    assert (flag.inputs, flag.correction) == ({"x": value}, {"y": value})
    assert (review.correction, outcome.outputs) == ({"y": value}, {"y": value})
    assert flag.outputs["y"] is value
    for record in (flag, review, outcome):
        assert record_from_json(record.to_json(), where="here") == record
    if plain is not REF:
        assert type(value.to_python()) is type(plain)
        assert value.to_python() == plain


def test_nothing_in_place_of_a_field_leaves_it_empty():
    """
    None is an empty field wherever one may be empty; one text is one tag.
    """
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    nothing: Any = None
    empty = Flag(
        id="i", created_at=moment, app=nothing, inputs=nothing, outputs=nothing, extra=nothing,
        correction=nothing, context=nothing, fingerprint=nothing,
    )  # fmt: skip

    assert empty == Flag(id="i", created_at=moment)
    assert Review(flag_id="f", tags=nothing, correction=nothing).tags == ()
    assert Review(flag_id="f", tags="two words").tags == ("two words",)  # type: ignore[arg-type]
    assert Review(flag_id="f", tags=["a", "b"]).tags == ("a", "b")  # type: ignore[arg-type]
    outcome = Outcome(
        flag_id="f", run_id="r", model="m", status="fixed", outputs=nothing, scores=nothing
    )
    assert (outcome.outputs, outcome.scores) == ({}, {})
    assert Value(kind="text", extra=nothing).extra == {}


def test_what_is_more_than_plain_becomes_plain():
    """
    Texts and numbers of a subclass, such as numpy's, are kept as what they are of.
    """
    outcome = Outcome(
        flag_id=np.str_("f"), run_id="r", model="m", status=np.str_("fixed"),  # type: ignore[arg-type]
        scores={"exact": np.float64(0.5)}, seconds=np.float64(2.0),
    )  # fmt: skip
    flag = Flag(context=OrderedDict(model="m"), inputs=MappingProxyType({"x": "y"}))  # type: ignore[arg-type]

    found = (outcome.flag_id, outcome.status, outcome.scores["exact"], outcome.seconds)
    assert found == ("f", "fixed", 0.5, 2.0)
    assert list(map(type, found)) == [str, str, float, float]
    assert (type(flag.context), type(flag.inputs)) == (dict, dict)
    assert record_from_json(outcome.to_json(), where="here") == outcome


def test_a_record_does_not_change_with_what_it_was_made_of():
    """
    A caller who changes dicts and lists afterwards changes no record.
    """
    part, context, component = ["a"], {"versions": {"model": 1}}, {"arguments": {"lines": 1}}
    inputs: dict[str, Any] = {"x": part}
    flag = Flag(inputs=inputs, context=context, extra=context)
    value = Value(kind="json", data=part, component=component, extra=component)
    scores = {"exact": 1.0}
    outcome = Outcome(flag_id="f", run_id="r", model="m", status="fixed", scores=scores)
    before = (flag.to_json(), outcome.to_json(), repr(value))

    part.append("b")
    inputs["y"] = "more"
    context["versions"]["model"] = 2
    component["arguments"]["lines"] = 2
    scores["exact"] = 0.0

    assert (flag.to_json(), outcome.to_json(), repr(value)) == before


WRONG: list[tuple[Any, dict[str, Any], str]] = [
    (Flag, {"id": None}, "id must be an id of printable ASCII characters, not None"),
    (Flag, {"id": 7}, "id must be an id of printable ASCII characters, not 7"),
    (Flag, {"created_at": "2026-01-02"}, "created_at must be a datetime, not '2026-01-02'"),
    (Flag, {"created_at": date(2026, 1, 2)}, "must be a datetime, not datetime.date(2026, 1, 2)"),
    (Flag, {"created_at": None}, "created_at must be a datetime, not None"),
    (
        Flag,
        {"created_at": datetime.max.replace(tzinfo=timezone(timedelta(hours=-5)))},
        "created_at must be a datetime of the years 1 to 9999 in UTC, not ",
    ),
    (Flag, {"app": b"digits"}, "app must be text, not b'digits'"),
    (Flag, {"inputs": "text"}, "inputs must be a dict, not 'text'"),
    (Flag, {"inputs": ["text"]}, "inputs must be a dict, not ['text']"),
    (Flag, {"inputs": {1: "a"}}, "inputs has a key that must be text, not 1"),
    (
        Flag,
        {"inputs": {"x": {1, 2}}},
        "inputs['x'] must be a Value, text, a number, a bool, a list, a dict or a FileRef, "
        "not {1, 2}",
    ),
    (Flag, {"outputs": {"x": b"a"}}, "outputs['x'] must be a Value, text, a number"),
    (Flag, {"outputs": {"x": np.float64(1)}}, "outputs['x'] must be a Value, text, a number"),
    (Flag, {"outputs": {"x": datetime(2026, 1, 2, tzinfo=UTC)}}, "outputs['x'] must be a Value"),
    (Flag, {"correction": "seven"}, "correction must be a dict, not 'seven'"),
    (Flag, {"correction": {"x": Path("a")}}, "correction['x'] must be a Value, text"),
    (Flag, {"option": b"wrong"}, "option must be text or None, not b'wrong'"),
    (Flag, {"comment": 7}, "comment must be text or None, not 7"),
    (Flag, {"user": 7}, "user must be text or None, not 7"),
    (Flag, {"session": {}}, "session must be text or None, not {}"),
    (Flag, {"context": "v1"}, "context must be a dict, not 'v1'"),
    (Flag, {"context": {1: "v1"}}, "context has a key that must be text, not 1"),
    (Flag, {"extra": []}, "extra must be a dict, not []"),
    (Flag, {"verified": "yes"}, "verified must be True, False or None, not 'yes'"),
    (Flag, {"verified": 1}, "verified must be True, False or None, not 1"),
    (Flag, {"fingerprint": 7}, "fingerprint must be a fingerprint of printable"),
    (Review, {"flag_id": None}, "flag_id must be an id of printable ASCII characters"),
    (Review, {"by": 7}, "by must be text or None, not 7"),
    (
        Review,
        {"verdict": "maybe"},
        "verdict must be one of open, accepted, rejected, fixed, None, not 'maybe'",
    ),
    (Review, {"verdict": ["open"]}, "verdict must be one of open, accepted, rejected, fixed"),
    (Review, {"correction": []}, "correction must be a dict, not []"),
    (Review, {"tags": {"a"}}, "tags must be a list of texts, not {'a'}"),
    (Review, {"tags": b"a"}, "tags must be a list of texts, not b'a'"),
    (Review, {"tags": 7}, "tags must be a list of texts, not 7"),
    (Review, {"tags": {"a": "b"}}, "tags must be a list of texts, not {'a': 'b'}"),
    (Review, {"tags": ["a", 7]}, "tags[1] must be text that is not empty, not 7"),
    (Review, {"tags": ["a", " "]}, "tags[1] must be text that is not empty, not ' '"),
    (Review, {"tags": ""}, "tags[0] must be text that is not empty, not ''"),
    (Review, {"tags": list("abcdefghijklmnopqrstu")}, "tags must be at most 20 texts, not 21"),
    (Review, {"note": ["a"]}, "note must be text or None, not ['a']"),
    (Review, {"assignee": 7}, "assignee must be text or None, not 7"),
    (Review, {"retracts": 7}, "retracts must be an id of printable ASCII characters"),
    (Outcome, {"run_id": None, "model": 7}, "model must be text, not 7"),
    (Outcome, {"status": None}, "status must be one of fixed, still_failing, changed, broken"),
    (Outcome, {"outputs": {"x": object}}, "outputs['x'] must be a Value, text, a number"),
    (Outcome, {"scores": [1.0]}, "scores must be a dict, not [1.0]"),
    (Outcome, {"scores": {"exact": "1.0"}}, "scores['exact'] must be a number, not '1.0'"),
    (Outcome, {"scores": {"exact": True}}, "scores['exact'] must be a number, not True"),
    (Outcome, {"seconds": "1"}, "seconds must be a number of seconds or None, not '1'"),
    (Outcome, {"seconds": -1.0}, "seconds must be a number of seconds or None, not -1.0"),
    (Value, {"kind": ""}, "kind must be text that is not empty, not ''"),
    (Value, {"kind": None}, "kind must be text that is not empty, not None"),
    (Value, {"component": "Textbox"}, "component must be a dict, not 'Textbox'"),
    (Value, {"extra": {None: 1}}, "extra has a key that must be text, not None"),
    (FileRef, {"sha256": "0"}, "sha256 must be 64 hexadecimal digits, not '0'"),
    (FileRef, {"sha256": "0" * 64 + "\n"}, "sha256 must be 64 hexadecimal digits, not "),
    (FileRef, {"sha256": None}, "sha256 must be 64 hexadecimal digits, not None"),
    (FileRef, {"name": Path("a")}, "name must be text, not "),
    (FileRef, {"mime_type": 7}, "mime_type must be text or None, not 7"),
    (FileRef, {"size": -1}, "size must be a number of bytes, not -1"),
    (FileRef, {"size": True}, "size must be a number of bytes, not True"),
]
RIGHT: dict[Any, dict[str, Any]] = {
    Flag: {},
    Review: {"flag_id": "f"},
    Outcome: {"flag_id": "f", "run_id": "r", "model": "m", "status": "fixed"},
    Value: {"kind": "text"},
    FileRef: {"sha256": "0" * 64, "name": "a", "size": 1},
}


@pytest.mark.parametrize(("record", "fields", "reason"), WRONG)
def test_what_a_field_cannot_mean_is_refused(record, fields, reason):
    """
    A wrong value is refused when the record is made, by an error that names field and value.
    """
    a = "an" if record is Outcome else "a"
    with pytest.raises(InvalidRecordError, match=re.escape(reason)) as caught:
        record(**RIGHT[record] | fields)
    assert str(caught.value).startswith(f"Cannot create {a} {record.__name__}: ")
    assert str(caught.value).endswith(". Nothing was saved.")
    assert caught.value.field.split("[")[0].split(" ")[0] in fields
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, ValueError)


def nested(levels: int, around: Callable[[Any], Any]) -> Any:
    data: Any = REF
    for _ in range(levels):
        data = around(data)
    return data


@pytest.mark.parametrize(
    ("around", "most"),
    [
        (lambda d: [d], 249),
        (lambda d: {"a": d}, 249),
        (lambda d: (d,), 124),
        (lambda d: {1: d}, 83),
    ],
)
def test_what_is_too_deep_is_refused_when_it_is_made(around, most):
    """
    A value is as deep as a record can hold, or it is refused when it is made.
    """
    flag = Flag(outputs={"x": Value(kind="json", data=nested(most, around))})

    assert record_from_json(flag.to_json(), where="here") == flag
    for levels in (most + 1, 5_000):
        with pytest.raises(UnserializableValueError, match="nested too deeply"):
            Value(kind="json", data=nested(levels, around))


def test_what_cannot_be_kept_is_refused_when_it_is_made():
    """
    Data that would not come back as it is, is refused with its place, wherever it stands.
    """
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(UnserializableValueError, match=r"data\.a\.1: it is a builtins\.object"):
        Value(kind="json", data={"a": [1, object()]})
    with pytest.raises(UnserializableValueError, match=r"save inputs\.x\.data\.0: it is a b"):
        Flag(inputs={"x": [{1}]})  # type: ignore[dict-item]
    with pytest.raises(UnserializableValueError, match=r"data: it is a numpy\.float64"):
        Value(kind="number", data=np.float64(1))
    with pytest.raises(UnserializableValueError, match="nested too deeply"):
        Value(kind="json", data=circle)
    with pytest.raises(UnserializableValueError, match=r"save context\.x: it is a builtins\.set"):
        Flag(context={"x": {1}})
    with pytest.raises(
        UnserializableValueError, match=r"save component\.arguments: it is a builtins"
    ):
        Value(kind="text", component={"arguments": object()})


def test_what_is_stored_is_read_whatever_a_constructor_takes():
    """
    A review with more tags than one may be made with, and keys that are not known, is read.
    """
    tags = [f"t{n}" for n in range(30)]
    text = json.dumps({"type": "review", "flagstone": 1, "flag_id": "f", "tags": tags, "new": [1]})

    review = record_from_json(text, where="here")

    assert isinstance(review, Review)
    assert (review.tags, review.extra) == (tuple(tags), {"new": [1]})
    assert json.loads(review.to_json())["new"] == [1]


def test_an_unknown_verdict_or_status_is_refused():
    """
    Words outside the list are refused when the record is made.
    """
    with pytest.raises(ValueError, match="verdict must be one of open, accepted"):
        Review(flag_id="f", verdict="maybe")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="status must be one of fixed, still_failing"):
        Outcome(flag_id="f", run_id="r", model="m", status="ok")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "unexpected end|EOF|expected"),
        ("[]", "str"),
        ("{}", "'type' is missing or unknown"),
        ('{"type":"flag"}', "'flagstone' is missing or unknown"),
        ('{"type":"nonsense","flagstone":1}', "'id' is missing"),
        ('{"type":"flag","flagstone":1,"id":3}', "'3' is not of type str"),
        ('{"type":"flag","flagstone":1,"inputs":[]}', r"'\[\]' is not of type dict"),
        ('{"type":"flag","flagstone":1,"inputs":{"a":1}}', "."),
        ('{"type":"flag","flagstone":1,"inputs":{"a":{}}}', "kind"),
        ('{"type":"flag","flagstone":1,"verified":"yes"}', "'yes' is not of type bool"),
        ('{"type":"flag","flagstone":1,"created_at":"noon"}', "noon"),
        ('{"type":"review","flagstone":1}', "flag_id"),
        ('{"type":"review","flagstone":1,"flag_id":"f","tags":[1]}', "'1' is not of type str"),
    ],
)
def test_a_damaged_record_says_where(text, reason):
    """
    Whatever is wrong with a stored record is told with its place.
    """
    with pytest.raises(UnreadableRecordError, match=reason) as caught:
        record_from_json(text, where="flags.db, row 7")
    assert "at flags.db, row 7: " in str(caught.value)


def test_names_become_unique():
    """
    A name met before gets a number, and never one that is taken.
    """
    assert unique_names(["t", "t", "t_2", "t", "flag"], taken=["flag"]) == [
        "t", "t_2", "t_2_2", "t_3", "flag_2",
    ]  # fmt: skip
