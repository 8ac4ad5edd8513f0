"""
The commands that count and decide, and the one query language that all of them take.
"""

import getpass
import json

import pytest
from command_line import run

from flagstone import Flag, Query, Review, open_store
from flagstone.testing import make_flag


@pytest.fixture
def flags(place) -> list[Flag]:
    flags = [
        make_flag("one", user="ana"),
        make_flag("two words", option="unsure"),
        make_flag("three", app="my demo"),
    ]
    open_store(place).append(flags)
    return flags


def reviews_in(place) -> list[Review]:
    return [record for record in open_store(place).scan() if isinstance(record, Review)]


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["app:digits"], [1, 0]),
        (["app:digits order:oldest"], [0, 1]),
        (['app:"my demo"'], [2]),
        (["--where", "option:wrong", "app:digits"], [0]),
        (["option:unsure", "--app", "digits"], [1]),
        (["--app", "my demo", "--text", "THREE"], [2]),
        (['"two words"'], [1]),
        (["verdict:accepted"], []),
    ],
)
def test_list_takes_a_query(place, flags, arguments, found):
    """
    A query, --where and the options restrict, alone and together.
    """
    lines = run("list", *arguments, "-s", place, "--json").splitlines()

    assert [json.loads(line)["id"] for line in lines] == [flags[n].id for n in found]


@pytest.mark.parametrize("arguments", [["colour:red"], ["app:a", "--app", "b"], ["--where", '"a']])
def test_a_query_that_says_nothing_is_a_sentence(place, flags, arguments):
    """
    What is not of the language, or said twice, is refused and explained.
    """
    assert run("list", *arguments, "-s", place, code=1).startswith("Cannot search for")


def test_stats_count_by_facet(place, flags):
    """
    Each facet has its values with their counts; a query restricts them; --json has a line for each.
    """
    run("tag", "hard", flags[0].id, "-s", place)

    table = run("stats", "-s", place)
    lines = [json.loads(line) for line in run("stats", "app:digits", "-s", place, "--json").split()]

    assert "3 flags in" in table
    assert "my demo" in table
    assert "(none)" in table
    assert {(line["facet"], line["value"], line["flags"]) for line in lines} == {
        ("app", "digits", 2), ("option", "wrong", 1), ("option", "unsure", 1), ("user", "ana", 1),
        ("user", None, 1), ("verdict", "open", 2), ("tag", "hard", 1), ("assignee", None, 2),
        ("verified", None, 2),
    }  # fmt: skip


@pytest.mark.parametrize("verb", ["tag", "note", "assign"])
def test_an_empty_word_is_refused(place, flags, verb):
    """
    To say nothing about a flag is an error, and no review.
    """
    assert "The value must not be empty" in run(verb, " ", flags[0].id, "-s", place, code=2)
    assert reviews_in(place) == []


def test_stats_of_many_values_are_short(place):
    """
    The table has the most frequent values of a facet, and says how many more there are.
    """
    with open_store(place) as store:
        users = [f"user {n}" for n in range(25)]
        store.append([make_flag(user=user) for user in [*users, "user 24"]])

    table = run("stats", "-s", place)

    assert table.index("user 24") < table.index("user 0")
    assert "and 5 others" in table
    assert len(run("stats", "-s", place, "--json").splitlines()) == 25 + 5


@pytest.mark.parametrize(
    ("verb", "said", "decided"),
    [
        ("accept", [], {"verdict": "accepted"}),
        ("reject", [], {"verdict": "rejected"}),
        ("fixed", [], {"verdict": "fixed"}),
        ("tag", ["hard"], {"tags": ("hard",)}),
        ("note", ["see =1"], {"note": "see =1"}),
        ("assign", ["bo"], {"assignee": "bo"}),
    ],
)
def test_a_decision_is_a_review_of_each_flag(place, flags, verb, said, decided):
    """
    Several ids, named twice or not, get a review each, by the user of the system or whom --by says.
    """
    ids = [flags[0].id, flags[2].id, flags[0].id]

    told = run(verb, *said, *ids, "-s", place)
    run(verb, *said, flags[1].id, "-s", place, "--by", "ana")

    assert "2 flags." in told
    assert reviews_in(place) == [
        Review(
            id=found.id,
            created_at=found.created_at,
            flag_id=flag.id,
            by=by,
            speaker="reviewer",
            **decided,
        )
        for found, flag, by in zip(
            reviews_in(place),
            [flags[0], flags[2], flags[1]],
            [getpass.getuser(), getpass.getuser(), "ana"],
            strict=True,
        )
    ]


def test_a_query_names_all_it_asks_for(place, flags):
    """
    With --where all flags that it asks for are decided about, beside those named; --json tells.
    """
    lines = run("accept", flags[2].id, "--where", "app:digits", "-s", place, "--json").splitlines()

    assert [review.to_json() for review in reviews_in(place)] == lines
    assert open_store(place).count(Query(verdict="accepted")) == 3


def test_nothing_is_decided_where_one_id_is_unknown(place, flags):
    """
    An id that is not there refuses them all; to name no flag is an error of the command.
    """
    unknown = run("accept", flags[0].id, "no-such-id", "-s", place, code=1)
    run("accept", "-s", place, code=2)

    assert unknown.startswith("Cannot find flag 'no-such-id'")
    assert reviews_in(place) == []
