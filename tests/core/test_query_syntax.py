"""
A query as text: what each word means, what is refused, and that it comes back as it was.
"""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagstone import Query
from flagstone.core.query_syntax import format_query, parse_query
from flagstone.errors import BadQueryError

NOW = datetime(2026, 3, 8, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("", Query()),
        ("  app:digits\tverdict:open ", Query(app="digits", verdict="open")),
        ('option:"wrong answer" tag:a:b', Query(option="wrong answer", tag="a:b")),
        ("verified:no order:oldest", Query(verified=False, order="oldest")),
        ("verified:yes fingerprint:ab", Query(verified=True, fingerprint="ab")),
        ("since:2026-03-01", Query(since=datetime(2026, 3, 1, tzinfo=UTC))),
        ("since:7d", Query(since=NOW - timedelta(days=7))),
        ("until:2w", Query(until=NOW - timedelta(weeks=2))),
        ('until:"2026-03-01T12:00+02:00"', Query(until=datetime(2026, 3, 1, 10, tzinfo=UTC))),
        ("looks like  a", Query(text="looks like a")),
        ('"app:digits  \\"so\\""', Query(text='app:digits  "so"')),
        ("text:b user:ana", Query(text="b", user="ana")),
        ("https://example.com/x", Query(text="https://example.com/x")),
        ("12:30", Query(text="12:30")),
        ('app:""', Query(app="")),
    ],
)
def test_what_it_means(text, query):
    """
    Properties restrict, all else is text; a moment may be a date or so long ago.
    """
    assert parse_query(text, now=NOW) == query


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("colour:red", "there is no property 'colour'"),
        ("app:a app:b", "'app' is given twice"),
        ("verdict:maybe", "it must be one of open, accepted, rejected, fixed"),
        ("verified:perhaps", "it must be one of yes, no"),
        ("since:yesterday", "a time must look like 2026-01-31, 2026-01-31T12:00 or 7d"),
        ("since:999999w", "date value out of range"),
        ('so "it', "a quote in it is not closed"),
        ('app:"a"b', "a quote in it is not closed"),
    ],
)
def test_what_it_cannot_mean(text, said):
    """
    What is none is refused with the part and what it should be.
    """
    with pytest.raises(BadQueryError, match=said):
        parse_query(text, now=NOW)


@given(
    st.builds(
        Query,
        app=st.none() | st.text(),
        option=st.none() | st.text(),
        user=st.none() | st.text(),
        verdict=st.sampled_from([None, "open", "fixed"]),
        tag=st.none() | st.text(),
        since=st.none() | st.datetimes(timezones=st.just(UTC)),
        until=st.none() | st.datetimes(timezones=st.just(UTC)),
        text=st.none() | st.text(min_size=1),
        verified=st.sampled_from([None, True, False]),
        fingerprint=st.none() | st.text(),
        order=st.sampled_from(["newest", "oldest"]),
    )
)
def test_there_and_back(query):
    """
    Any query is written as a text that reads as the same query.
    """
    assert parse_query(format_query(query)) == query
