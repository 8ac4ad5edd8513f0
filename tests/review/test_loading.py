"""
A store that takes long to be made ready is told so, and does not keep anybody waiting.
"""

import sqlite3
import threading
from contextlib import closing

import pytest
from reviewer import Reviewer, people

from flagstone import open_store
from flagstone.review import loading
from flagstone.stores.sql.indexed_store import IndexedStore
from flagstone.testing import make_flag


@pytest.fixture
def path(tmp_path):
    with open_store(tmp_path / "flags.db") as store:
        store.append([make_flag(f"number {n}") for n in range(3)])
    return tmp_path / "flags.db"


@pytest.fixture
def gate(monkeypatch):
    """What `prepare` waits for after it has told of 3 records; pages do not wait for it."""
    gate = threading.Event()
    prepare = IndexedStore.prepare

    def slow(self, progress=None):
        progress(3)
        gate.wait(30)
        prepare(self, progress)

    monkeypatch.setattr(IndexedStore, "prepare", slow)
    monkeypatch.setattr(IndexedStore, "is_ready", lambda _: gate.is_set())
    monkeypatch.setattr(loading, "_SOON", 0.01)
    yield gate
    gate.set()


def test_how_far_it_is(path, gate):
    """
    Until the index is made pages say how much was read, and come again; then they are shown.
    """
    reviewer = Reviewer(open_store(path))

    page = reviewer.get("/")
    assert (page.status_code, page.headers["refresh"]) == (503, "1")
    assert "The flags are being read: 3 so far." in page.text
    answer = reviewer.post("/decide", {"flags": {"x": ""}, "verdict": "fixed"})
    assert answer.json() == {
        "error": "The flags are being read: 3 so far. Nothing was changed; try again in a minute."
    }
    assert reviewer.get("/static/style.css").status_code == 200
    gate.set()
    while reviewer.get("/").status_code == 503:
        pass
    assert "number 2" in reviewer.get("/").text


def test_nobody_is_told_before_the_login(path, gate, tmp_path):
    """
    Who has not logged in sees the login page, and nothing of how many flags there are.
    """
    stranger = Reviewer(open_store(path), users=people(tmp_path))

    assert stranger.get("/").status_code == 401
    assert stranger.get("/login").status_code == 200


@pytest.mark.parametrize("soon", [1, 5000])
def test_a_damaged_record_is_told_and_hides_no_other(path, soon, monkeypatch):
    """
    A damaged record is named on the page beside all others, each time somebody asks.
    """
    monkeypatch.setattr("flagstone.stores.sql.indexed_store._SOON", soon)
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE flagstone_record SET json = '{' WHERE seq = 2")
        database.commit()
    reviewer = Reviewer(open_store(path))

    for _ in range(2):
        page = reviewer.get("/")
        assert page.status_code == 200
        assert f"Skipped 1 record that could not be read: {path}, row 2" in page.text
        assert "number 0" in page.text
        assert "number 2" in page.text


def test_a_mounted_page_reads_by_an_index(path):
    """
    `create_app` is as fast as the command: it brings the index of a database along.
    """
    assert "number 1" in Reviewer(open_store(path)).get("/", params={"q": "number 1"}).text
    assert path.with_name("flags.db.index").exists()
