"""
The records: made once, read back, and told apart.
"""

import time
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from flagstone import FileRef, Flag, Outcome, Review, Value
from flagstone.errors import UnreadableRecordError
from flagstone.record import new_id, record_from_json, unique_names
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
    with pytest.raises(ValueError, match="must say its time zone"):
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
    with pytest.raises(ValueError, match="an id is made of printable ASCII"):
        make_flag(id=bad)
    with pytest.raises(ValueError, match="an id is made of printable ASCII"):
        Review(flag_id=bad)
    with pytest.raises(ValueError, match="an id is made of printable ASCII"):
        Outcome(flag_id=bad, run_id="r", model="m", status="changed")
    if bad:  # without one it is made of the inputs
        with pytest.raises(ValueError, match="a fingerprint is made of printable ASCII"):
            make_flag(fingerprint=bad)


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
        ('{"type":"nonsense","flagstone":1}', "'nonsense' is missing or unknown"),
        ('{"type":"flag","flagstone":1,"id":3}', "'3' stands where str should"),
        ('{"type":"flag","flagstone":1,"inputs":[]}', r"'\[\]' stands where dict should"),
        ('{"type":"flag","flagstone":1,"inputs":{"a":1}}', "."),
        ('{"type":"flag","flagstone":1,"inputs":{"a":{}}}', "kind"),
        ('{"type":"flag","flagstone":1,"verified":"yes"}', "'yes' stands where bool should"),
        ('{"type":"flag","flagstone":1,"created_at":"noon"}', "noon"),
        ('{"type":"review","flagstone":1}', "flag_id"),
        ('{"type":"review","flagstone":1,"flag_id":"f","tags":[1]}', "'1' stands where str should"),
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
