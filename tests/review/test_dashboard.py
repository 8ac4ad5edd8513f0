"""
The dashboard: what it counts, and how far reviewers agree.
"""

from datetime import UTC, date, datetime, timedelta

import pytest
from reviewer import Reviewer

from flagstone import Query, Review, Value, open_store
from flagstone.review.dashboard.agreement import agreement
from flagstone.review.dashboard.statistics import figures_of
from flagstone.review.values.charts import over_time, plot_of
from flagstone.stores.memory import MemoryStore
from flagstone.testing import make_flag

DAY = datetime(2026, 3, 1, 12, tzinfo=UTC)


def label(word):
    return {"label": Value(kind="label", data={"label": word, "confidences": None})}


@pytest.fixture
def store():
    store = MemoryStore()
    flags = [
        make_flag(
            str(n), created_at=DAY + timedelta(days=n // 2), user=["ana", None, "bo"][n % 3],
            option=["wrong", "unsure"][n % 2], context={"version": f"m{n // 3}"},
            correction=label("5") if n < 2 else {},
        )
        for n in range(6)
    ]  # fmt: skip
    corrected = Review(flag_id=flags[5].id, by="cy", correction=label("8"), verdict="fixed")
    confirmed = Review(flag_id=flags[4].id, by="cy", correction=label("3"))
    store.append(
        [*flags, corrected, confirmed, Review(flag_id=flags[0].id, by="cy", verdict="accepted")]
    )
    return store


def test_the_figures_are_counted(store):
    """
    Days by option, verdicts, models, corrections and users are what the records say.
    """
    figures = figures_of(store, Query())

    assert figures.total == 6
    assert figures.by_option[date(2026, 3, 1), "wrong"] == 1
    assert figures.by_app[date(2026, 3, 3), "digits"] == 2
    assert figures.verdicts == {"open": 4, "accepted": 1, "fixed": 1}
    assert {name: dict(said) for name, said in figures.models.items()} == {
        "m0": {"accepted": 1, "open": 2}, "m1": {"open": 2, "fixed": 1},
    }  # fmt: skip
    assert figures.confusions == {("3", "5"): 2, ("3", "8"): 1}
    assert figures.users == {"ana": 2, "bo": 2}
    assert figures_of(store, Query(option="unsure")).total == 3


def test_the_dashboard_shows_them(store):
    """
    The page has a picture and a number for each figure, and links into the list.
    """
    reviewer = Reviewer(store)
    page = reviewer.get("/dashboard").text

    assert page.count("<svg") >= 8
    assert "<bdi>3</bdi> → <bdi>5</bdi>" in page
    assert "/?q=user%3Aana" in page
    assert "No flag has been decided by two reviewers yet." in page
    assert "6 flags" in page
    assert "3 flags" in reviewer.get("/dashboard", params={"q": "option:wrong"}).text
    assert reviewer.get("/dashboard", params={"q": "colour:red"}).status_code == 400
    assert "No flags." in Reviewer(MemoryStore()).get("/dashboard").text


def test_who_was_erased_is_counted_no_more(tmp_path):
    """
    The dashboard forgets with the store, whoever erased.
    """
    store = open_store(tmp_path / "flags.db")
    flags = [make_flag("1", user="ana"), make_flag("2", user="bo")]
    store.append(flags)
    reviewer = Reviewer(store)
    assert "ana" in reviewer.get("/dashboard").text

    with open_store(tmp_path / "flags.db") as other:
        other.erase([flags[0].id])

    page = reviewer.get("/dashboard").text
    assert "ana" not in page
    assert "bo" in page


def test_bars_are_days_or_weeks():
    """
    Each bar is a day, or a week where there are many; rare names are put together.
    """
    day = date(2026, 1, 1)
    few = over_time({(day, "a"): 3, (day + timedelta(days=9), "b"): 1})
    assert few is not None
    assert [(m.series, m.title) for m in few.marks] == [
        (0, "2026-01-01: 3 a"), (1, "2026-01-10: 1 b"),
    ]  # fmt: skip
    assert few.marks[0].height == 160
    assert few.marks[1].x + few.marks[1].width <= 640
    many = over_time({(day + timedelta(days=n), str(n % 9)): 1 for n in range(100)})
    assert many is not None
    assert many.names[-1] == "others"
    assert len({mark.x for mark in many.marks}) == 15
    assert over_time({}) is None


def test_bars_of_a_plot_stand_on_nothing():
    """
    What is above zero goes up from its line, what is below goes down.
    """
    chart = plot_of({"columns": ["x", "y"], "data": [["a", 3], ["b", -1]], "mark": "bar"})

    assert chart is not None
    assert [(mark.y, mark.height) for mark in chart.marks] == [(0, 120), (120, 40)]
    assert plot_of({"columns": ["x", "y"], "data": [["a", "b"]], "mark": "line"}) is None


def test_agreement_is_that_of_the_literature():
    """
    The measures of published tables come out as published.

    Both are the worked examples of Wikipedia: three coders with data missing, for nominal data
    0.691; two of 50 grants, 0.4.
    """
    rows = {
        "a": "* * * * * 3 4 1 2 1 1 3 3 * 3", "b": "1 * 2 1 3 3 4 3 * * * * * * *",
        "c": "* * 2 1 3 4 4 * 2 1 1 3 3 * 4",
    }  # fmt: skip
    ratings: dict[str, dict[str, str]] = {}
    for by, row in rows.items():
        for unit, word in enumerate(row.split()):
            if word != "*":
                ratings.setdefault(str(unit), {})[by] = word
    alpha = agreement(ratings)[0]
    assert alpha.value == pytest.approx(0.691, abs=0.001)

    pairs = ["yes yes"] * 20 + ["yes no"] * 5 + ["no yes"] * 10 + ["no no"] * 15
    said = {str(n): dict(zip("ab", pair.split(), strict=True)) for n, pair in enumerate(pairs)}
    _, fleiss, cohen = agreement(said)
    assert cohen.value == pytest.approx(0.4)
    assert (cohen.whose, cohen.flags) == ("a and b", 50)
    assert fleiss.value == pytest.approx(0.3939, abs=0.0001)


def test_where_all_say_the_same_there_is_no_kappa():
    """
    One word from everybody has no measure, and no warning; fewer than two have none at all.
    """
    same = {str(n): {"a": "fixed", "b": "fixed"} for n in range(3)}

    assert [measure.value for measure in agreement(same)] == [None, None, None]
    assert agreement({"1": {"a": "fixed"}}) == []
    assert agreement({}) == []


def test_the_page_has_the_agreement(store):
    """
    Reviewers who decided about the same flags are compared on the page.
    """
    for n, flag in enumerate(store.find()):
        store.append([
            Review(flag_id=flag.id, by="ana", verdict=["accepted", "rejected"][n % 2]),
            Review(flag_id=flag.id, by="bo", verdict=["accepted", "rejected"][n % 3 == 1]),
        ])  # fmt: skip

    page = Reviewer(store).get("/dashboard").text

    assert "Krippendorff&#39;s alpha" in page
    assert "<bdi>ana and bo</bdi>" in page
