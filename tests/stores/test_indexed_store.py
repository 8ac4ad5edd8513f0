"""
The index beside a database: it answers as the records do, whatever came in which order.
"""

import itertools
import random
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flagstone import Query, Review, Value, open_store
from flagstone.core.query import texts_of
from flagstone.errors import StoreError
from flagstone.stores.memory import MemoryStore
from flagstone.stores.open import with_index
from flagstone.stores.sql.indexed_store import IndexedStore
from flagstone.testing import make_flag

START = datetime(2026, 3, 1, tzinfo=UTC)
WORDS = [
    "dark",
    "Straße",
    'a "quoted" word',
    "=1+1",
    "100%",
    "x_y",
    "no",
    "darkness",
    "n1234",
    "日本語",
    "हिन्दी",
    "x\0y",
    "\ud800",
    "İstanbul",
    "a²b",
]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "flags.db"


def flags_at(*hours, **fields):
    return [make_flag(created_at=START + timedelta(hours=hour), **fields) for hour in hours]


def random_flag(chance, number):
    return make_flag(
        " ".join(chance.choices(WORDS, k=3)),
        app=f"app {chance.randrange(3)}",
        option=chance.choice(["wrong", "rude", None]),
        user=chance.choice(["ana", "bob", None]),
        verified=chance.choice([True, False, None]),
        created_at=START + timedelta(hours=number + chance.choice([0, 0, -7, -90])),
        context=chance.choice([{}, {"version": "m1"}, {"commit": "0123456789abcdef"}]),
        correction={"label": Value(kind="text", data="5")} if chance.random() < 0.1 else {},
    )


TEXTS = [
    "",
    "d",
    "ar",
    "DARK",
    "kne",
    "23",
    "234",
    "1234",
    "n1",
    "語",
    "本語",
    "日本語",
    "िन्द",
    " ",
    "x\0",
    "x\0y",
    "\0",
    "\ud800",
    "?",
    "i̇st",
    "İS",
    "²",
    "a²b",
    "k n",
    "\n",
    '" w',
    "zz",
    "darks",
]


QUERIES = [
    Query(),
    Query(app="app 1"),
    Query(app="nowhere"),
    Query(option="rude", user="bob"),
    Query(verified=False, verdict="open"),
    Query(verdict="accepted"),
    Query(tag="hard"),
    Query(assignee="bo", verdict="accepted"),
    Query(since=START, until=START + timedelta(days=2)),
    Query(since=START + timedelta(hours=30)),
    Query(until=START + timedelta(hours=50), app="app 0"),
    Query(text="STRASSE"),
    Query(text='"quoted" w'),
    Query(text="1+1"),
    Query(text="no"),
    Query(text="%"),
    Query(text="x_y =1", user="ana"),
]


PAIRS = [("day", "app"), ("option", "day"), ("model", "verdict"), ("user", "verdict")]


def reviewed(store, query):
    return {state.flag.id: state for state in store.reviewed(query)}


@pytest.mark.parametrize("few", [0, 2000])
@pytest.mark.parametrize("seed", range(3))
def test_it_answers_as_the_records_do(path, seed, few, monkeypatch):
    """
    Whatever is asked, in whichever order, page by page: the same flags, counts and states.
    """
    monkeypatch.setattr("flagstone.stores.sql.indexed_store._FEW", few)
    monkeypatch.setattr("flagstone.stores.sql.indexed_store._BATCH", 7)
    monkeypatch.setattr("flagstone.stores.sql.bitmap_index._UNSAVED", 25)
    monkeypatch.setattr("flagstone.stores.sql.text_index._FREQUENT", 6)
    monkeypatch.setattr("flagstone.stores.sql.text_index._BATCH_SIZE", 10)
    chance = random.Random(seed)
    plain, indexed = MemoryStore(), with_index(open_store(path))
    assert isinstance(indexed, IndexedStore)
    flags = [random_flag(chance, number) for number in range(80)]
    for some in [flags[start : start + 20] for start in range(0, 80, 20)]:
        said = [
            Review(
                flag_id=chance.choice(flags).id,  # some of them are not here yet
                verdict=chance.choice(["accepted", "rejected", "open", None]),
                tags=tuple(chance.sample(["hard", "dup"], chance.randrange(3))),
                assignee=chance.choice(["bo", "cy", None]),
            )
            for _ in range(9)
        ]
        said[8] = Review(flag_id=said[0].flag_id, retracts=said[0].id)
        for store in (plain, indexed):
            store.append([*said[:4], *some, *said[4:]])
        for query, order in itertools.product(QUERIES, ["newest", "oldest"]):
            asked = replace(query, order=order)
            expected = list(plain.find(asked))
            assert list(indexed.find(asked)) == expected
            assert indexed.count(asked) == len(expected)
            facets = {name: +counts for name, counts in indexed.facets(asked).items()}
            assert facets == {name: {} for name in facets} | plain.facets(asked)
            assert indexed.crosstab(asked, *PAIRS) == plain.crosstab(asked, *PAIRS)
            assert reviewed(indexed, asked) == reviewed(plain, asked)
            pages, after = [], None
            while page := list(indexed.find(replace(asked, limit=7, after=after))):
                pages += page
                after = page[-1].id
            assert pages == expected
    same = replace(Query(), fingerprint=flags[0].fingerprint)
    assert list(indexed.find(same)) == list(plain.find(same))
    indexed.close()


@pytest.mark.parametrize("most_at_once", [3, 1000])
def test_texts_are_found_as_in_the_records(path, most_at_once, monkeypatch):
    """
    Short or long, a word's or not, frequent or rare, in any script: the flags that have it.
    """
    monkeypatch.setattr("flagstone.stores.sql.bitmap_index._UNSAVED", 25)
    monkeypatch.setattr("flagstone.stores.sql.text_index._FREQUENT", 6)
    monkeypatch.setattr("flagstone.stores.sql.text_index._BATCH_SIZE", most_at_once)
    chance = random.Random(most_at_once)
    indexed = with_index(open_store(path))
    flags = [random_flag(chance, number) for number in range(90)]
    for some in (flags[:40], flags[40:60], flags[60:]):  # some of it written down, some not
        indexed.append(some)
        for text in TEXTS:
            folded = text.casefold()
            having = {flag.id for flag in indexed.find() if folded in texts_of(flag).casefold()}
            assert {flag.id for flag in indexed.find(Query(text=text))} == having, text
            assert indexed.count(Query(text=text)) == len(having), text
    indexed.close()


def test_it_is_kept(path, monkeypatch):
    """
    What an index has learnt it knows after a restart, and learns what came since.
    """
    monkeypatch.setattr("flagstone.stores.sql.bitmap_index._UNSAVED", 3)
    monkeypatch.setattr("flagstone.stores.sql.bitmap_index._WORTH_SAVING", 1)
    first = with_index(open_store(path))
    first.append(flags_at(1, 2, 3, 0, 4))
    assert first.count() == 5
    first.close()
    with open_store(path) as writer:
        writer.append(flags_at(5))
    read = []
    second = with_index(open_store(path), read.append)
    assert read == [6]
    assert second.count() == 6
    second.close()


def test_a_reader_that_dies_leaves_it_sound(path, monkeypatch):
    """
    What was not written down yet is learnt again.
    """
    monkeypatch.setattr("flagstone.stores.sql.bitmap_index._UNSAVED", 4)
    first = with_index(open_store(path))
    first.append(flags_at(1, 2, 3, 4, text="alpha"))
    assert first.count() == 4
    first.append(flags_at(5, text="alpha"))
    assert first.count(Query(text="alpha")) == 5
    first._index._db.close()  # as a kill does
    second = with_index(open_store(path))
    assert second.count(Query(text="alpha")) == second.count() == 5
    second.close()
    first._index = None
    first.close()


def test_two_readers(path):
    """
    The second one has an index of its own.
    """
    first, second = with_index(open_store(path)), with_index(open_store(path))
    first.append(flags_at(1, 2))
    assert first.count() == second.count() == 2
    second.append(flags_at(3))
    assert first.count() == second.count() == 3
    first.close()
    second.close()


@pytest.mark.parametrize("by_another", [False, True])
def test_what_is_erased_is_in_no_index(path, by_another):
    """
    An erased flag is found no more, and no byte of it is left, whoever erased it.
    """
    indexed = with_index(open_store(path))
    secret, other = flags_at(1, text="a secret"), flags_at(2, text="b")
    indexed.append([*secret, *other])
    assert indexed.count(Query(text="secret")) == 1
    indexed.close()
    indexed = with_index(open_store(path))
    assert indexed.count() == 2
    if by_another:
        with open_store(path) as store:
            store.erase([secret[0].id])
    else:
        indexed.erase([secret[0].id])
    assert indexed.count(Query(text="secret")) == 0
    assert list(indexed.find()) == other
    indexed.close()
    assert b"secret" not in b"".join(p.read_bytes() for p in path.parent.iterdir() if p.is_file())


def test_what_is_erased_is_in_no_index_of_a_second_reader(path):
    """
    A reader that could not have the index beside the database forgets what was erased, too.
    """
    first, second = with_index(open_store(path)), with_index(open_store(path))
    secret, other = flags_at(1, text="a secret"), flags_at(2, text="b")
    first.append([*secret, *other])
    assert first.count() == second.count() == 2
    with open_store(path) as store:
        store.erase([secret[0].id])
    for reading in (second, first, second):
        assert reading.count() == 1
        assert reading.count(Query(text="secret")) == 0
    first.close()
    second.close()


def test_an_index_that_proves_damaged_is_made_anew(path, monkeypatch):
    """
    Damage that shows only when something is looked up is told once, and gone at the next question.
    """
    monkeypatch.setattr("flagstone.stores.sql.bitmap_index._WORTH_SAVING", 1)
    with with_index(open_store(path)) as indexed:
        indexed.append(flags_at(*range(500), text="dark"))
        assert indexed.count(Query(text="dark ")) == 0
    file = Path(f"{path}.index")
    page = sqlite3.connect(file).execute("SELECT rootpage FROM sqlite_master WHERE name = 'late'")
    start = (page.fetchone()[0] - 1) * 4096
    content = bytearray(file.read_bytes())
    content[start : start + 4096] = b"x" * 4096
    file.write_bytes(content)
    indexed = with_index(open_store(path))
    indexed.append(flags_at(*range(-9, 0)))
    with pytest.raises(StoreError, match="malformed"):
        indexed.count()
    assert indexed.count() == 509
    indexed.close()


@pytest.mark.parametrize("content", [b"no database", b""])
def test_a_damaged_index_is_made_anew(path, content):
    """
    The index is nothing but what the records say: where it cannot be read it is made again.
    """
    with open_store(path) as store:
        store.append(flags_at(1))
    Path(f"{path}.index").write_bytes(content * 999)
    indexed = with_index(open_store(path))
    assert indexed.count() == 1
    indexed.close()


@pytest.mark.parametrize("rows", [1, 5])
@pytest.mark.parametrize("is_open", [False, True])
def test_another_database_under_the_name(path, rows, is_open, monkeypatch):
    """
    An index of a database that was replaced is not believed, whichever of the two is longer.
    """
    monkeypatch.setattr("flagstone.stores.sql.bitmap_index._WORTH_SAVING", 1)
    reading = with_index(open_store(path))
    reading.append(flags_at(1, 2, 3, user="ana"))
    assert reading.count() == 3
    if not is_open:
        reading.close()
    for file in path.parent.glob("flags.db*"):
        if file.is_file() and ".index" not in file.name:
            file.unlink()
    with open_store(path) as store:
        store.append(flags_at(*range(rows), user="bo"))
    if not is_open:
        reading = with_index(open_store(path))
    assert reading.facets()["user"] == {"bo": rows}
    assert reading.count(Query(user="ana")) == 0
    reading.close()
