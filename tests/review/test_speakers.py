"""
Visitors and reviewers: nobody is taken for the other because of a name.
"""

import re
from datetime import UTC, datetime, timedelta

import pytest
from reviewer import Reviewer, people

from flagstone import Flag, Review, Value
from flagstone.cli.output import card_of
from flagstone.core.query import Query
from flagstone.core.records import record_from_json
from flagstone.operations.decide import decide
from flagstone.review.dashboard.statistics import figures_of
from flagstone.stores.memory import MemoryStore
from flagstone.testing import make_flag

THEN = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def ana(tmp_path):
    """The reviewer ana, logged in."""
    store = MemoryStore()
    reviewer = Reviewer(store, users=people(tmp_path))
    reviewer.log_in("ana", "anaana")
    reviewer.store = store
    return reviewer


def history(page: str) -> list[str]:
    """Each line of the history, its marks in brackets."""
    found = re.search(r'<ol class="history">(.*?)</ol>', page, re.DOTALL)
    assert found is not None
    marked = re.sub(r"<button.*?</button>|<time.*?</time>", "", found[1], flags=re.DOTALL)
    marked = re.sub(r'<span class="chip visitor"[^>]*>visitor</span>', "[visitor]", marked)
    lines = re.sub(r"<(?!/?li)[^>]+>", "", marked)
    return [" ".join(line.split()) for line in re.findall(r"<li[^>]*>(.*?)</li>", lines, re.DOTALL)]


def test_a_visitor_called_as_a_reviewer_is_told_apart(ana):
    """
    A visitor with the name of a reviewer, or without one, has a mark on every line they wrote.
    """
    flag = make_flag(user="ana", session="admin", created_at=THEN)
    right = {"label": Value(kind="text", data="right")}
    said = [
        Review(flag_id=flag.id, by="ana", speaker="visitor", note="by her who flags"),
        Review(flag_id=flag.id, speaker="visitor", verdict="rejected"),
        Review(flag_id=flag.id, by="ana", speaker="reviewer", note="by her who reviews"),
        Review(flag_id=flag.id, by="bo", note="of an older version", correction=right),
    ]
    ana.store.append([flag, *said])

    page = ana.get("/flag", params={"id": flag.id}).text

    assert history(page) == [
        "bo corrected rightadded a note of an older version", "ana added a note by her who reviews",
        "[visitor] rejected",
        "[visitor] ana added a note by her who flags", "[visitor] ana flagged it as wrong",
    ]  # fmt: skip
    assert "<bdi>admin</bdi></b>" not in page


def test_what_stands_because_of_a_visitor_says_so(ana):
    """
    A verdict or correction that a visitor gave is marked in the list and on the flag's page.
    """
    right = {"label": Value(kind="text", data="right")}
    by_visitor, by_reviewer = make_flag("v", correction=right), make_flag("r")
    ana.store.append([
        by_visitor, Review(flag_id=by_visitor.id, speaker="visitor", verdict="rejected"),
        by_reviewer,
        Review(flag_id=by_reviewer.id, by="bo", speaker="reviewer", verdict="rejected",
               correction=right),
    ])  # fmt: skip
    marks = {}
    for article in re.findall(r"<article.*?</article>", ana.get("/").text, re.DOTALL):
        (flag_id,) = re.findall(r'data-flag="([^"]+)"', article)
        marks[flag_id] = article.count('class="chip visitor"')

    assert marks == {by_visitor.id: 2, by_reviewer.id: 0}
    page = ana.get("/flag", params={"id": by_visitor.id}).text
    assert re.search(r'<h2>Correction <span class="chip visitor"', page)
    assert re.search(r'rejected</span> <span class="chip visitor"', page)


def test_a_name_gives_no_right_over_what_a_visitor_said(ana):
    """
    The reviewer ana can neither undo what a visitor called ana said, nor passes it over as her own.
    """
    flag = make_flag()
    visitors = Review(flag_id=flag.id, by="ana", speaker="visitor", verdict="rejected")
    ana.store.append([flag, visitors])
    ana.get("/")

    undone = ana.post("/undo", {"reviews": {flag.id: visitors.id}})
    answer = ana.decide(flag.id, verdict="accepted")

    assert undone.status_code == 409
    assert [told["by"] for told in answer["faster"]] == ["Visitor ana"]
    assert "data-undo" not in ana.get("/flag", params={"id": flag.id}).text


def test_news_of_a_visitor_with_my_name_are_news(ana):
    """
    What a visitor called ana says reaches the page of the reviewer ana.
    """
    flag = make_flag()
    ana.store.append([flag])
    ana.http.get("/news")
    ana.store.append([Review(flag_id=flag.id, by="ana", speaker="visitor", note="x"),
                      Review(flag_id=flag.id, speaker="visitor", note="y")])  # fmt: skip
    told: list[str] = []
    while not told:
        told = [each["by"] for each in ana.http.get("/news").json()["decided"]]

    assert told == ["Visitor ana", "A visitor"]


def test_agreement_is_of_reviewers():
    """
    A visitor who takes a flag back is no second opinion.
    """
    store = MemoryStore()
    flag = make_flag()
    said = (("bo", "reviewer", "accepted"), ("eve", "visitor", "rejected"))
    reviews = [Review(flag_id=flag.id, by=by, speaker=who, verdict=v) for by, who, v in said]
    store.append([flag, *reviews])

    assert figures_of(store, Query()).ratings == {}


def test_the_record_says_who_speaks(ana):
    """
    The page and the library write the speaker; a record without one reads as not known.
    """
    flag = make_flag()
    ana.store.append([flag])
    decide(ana.store, [flag], by="bo", note="x")
    ana.decide(flag.id, seen=ana.store.state(flag.id).reviews[-1].id, verdict="fixed")

    assert [(r.by, r.speaker) for r in ana.store.state(flag.id).reviews] == [
        ("bo", "reviewer"), ("ana", "reviewer"),
    ]  # fmt: skip
    old = Review(flag_id="f", by="bo")
    assert '"speaker"' not in old.to_json()
    assert record_from_json(old.to_json(), where="here") == old
    with pytest.raises(ValueError, match="speaker must be one of visitor, reviewer, None"):
        Review(flag_id="f", speaker="admin")


def test_a_terminal_tells_them_apart(capsys):
    """
    The card of a flag says which note is a visitor's.
    """
    from rich.console import Console

    store = MemoryStore()
    flag = Flag(created_at=THEN - timedelta(days=1))
    store.append([flag, Review(flag_id=flag.id, speaker="visitor", note="mine"),
                  Review(flag_id=flag.id, by="bo", speaker="reviewer", note="ours")])  # fmt: skip
    Console(width=100).print(card_of(store.state(flag.id)))

    printed = capsys.readouterr().out
    assert "Note by a visitor: mine" in printed
    assert "Note: ours" in printed
