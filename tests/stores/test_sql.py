"""
The SQL store: what the medium shows to others, and what happens when it misbehaves.
"""

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flagstone import Query, open_store
from flagstone.errors import StoreError, UnknownStoreError
from flagstone.stores.sql.store import SqlStore
from flagstone.testing import make_flag


def test_nothing_is_touched_before_it_is_used(tmp_path):
    """
    To open a store makes no file.
    """
    open_store(tmp_path / "a" / "flags.db")

    assert list(tmp_path.iterdir()) == []


def test_the_medium_is_as_durable_as_promised(tmp_path):
    """
    The database is in WAL mode, and commits are synchronous.
    """
    store = SqlStore(tmp_path / "flags.db")
    store.append([make_flag()])

    with closing(sqlite3.connect(tmp_path / "flags.db")) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection = store._open_appender()
    assert connection.cursor().execute("PRAGMA synchronous").fetchone() == (2,)


def test_the_index_columns_say_what_the_record_says(tmp_path):
    """
    Others can query the columns; odd characters in them are marked, and found all the same.
    """
    flag = make_flag(app="a\x00b", user="\ud800", option="wrong", verified=True)
    store = SqlStore(tmp_path / "flags.db")
    store.append([flag])

    with closing(sqlite3.connect(tmp_path / "flags.db")) as db:
        row = db.execute(
            "SELECT id, type, app, option, user, verified, fingerprint FROM flagstone_record"
        ).fetchone()
    assert row == (flag.id, "flag", "a?b", "wrong", "?", 1, flag.fingerprint)
    assert list(store.find(Query(app="a\x00b", user="\ud800"))) == [flag]


def test_many_flags_are_found_page_by_page(tmp_path):
    """
    Flags beyond one chunk are found, in both orders, also where they were made at one moment.
    """
    moment = make_flag().created_at
    flags = [make_flag(str(n), created_at=moment) for n in range(1200)]
    store = SqlStore(tmp_path / "flags.db")
    store.append(flags)
    ordered = sorted(flags, key=lambda flag: flag.id)

    assert list(store.find(Query(order="oldest"))) == ordered
    assert list(store.find()) == ordered[::-1]
    assert list(store.find(Query(after=ordered[600].id))) == ordered[:600][::-1]
    assert list(store.scan()) == flags


def test_a_damaged_row_is_told(tmp_path):
    """
    A row that somebody garbled is passed over, and named.
    """
    store = SqlStore(tmp_path / "flags.db")
    store.append([make_flag()])
    with closing(sqlite3.connect(tmp_path / "flags.db")) as db:
        db.execute("UPDATE flagstone_record SET json = '{}'")
        db.commit()

    assert list(store.scan()) == []
    reason = "its checksum does not match"
    assert list(store.skipped) == [(f"{tmp_path / 'flags.db'}, row 1", reason)]


def test_a_file_that_is_no_database_is_told(tmp_path):
    """
    A file of another kind is refused and not overwritten.
    """
    (tmp_path / "flags.db").write_text("my notes, which are long enough to be no empty file")

    with pytest.raises(StoreError, match="file is not a database"):
        SqlStore(tmp_path / "flags.db").append([make_flag()])

    assert (tmp_path / "flags.db").read_text().startswith("my notes")


def test_a_deleted_database_is_made_again(tmp_path):
    """
    After its directory was deleted the store goes on in a new one, and says nothing is there.
    """
    store = SqlStore(tmp_path / "a" / "flags.db")
    store.append([make_flag("before")])
    shutil.rmtree(tmp_path / "a")

    assert list(store.scan()) == []
    store.append([after := make_flag("after")])

    assert list(SqlStore(tmp_path / "a" / "flags.db").scan()) == [after]


def test_a_database_made_again_by_another_is_the_one_written_to(tmp_path):
    """
    After another process deleted the directory and made it again, the store goes on in the new one.
    """
    store = SqlStore(tmp_path / "a" / "flags.db")
    store.append([make_flag("before")])
    shutil.rmtree(tmp_path / "a")
    SqlStore(tmp_path / "a" / "flags.db").append([theirs := make_flag("theirs")])

    store.append([ours := make_flag("ours")])

    assert list(store.scan()) == [theirs, ours]
    assert list(SqlStore(tmp_path / "a" / "flags.db").scan()) == [theirs, ours]


def test_a_fork_gets_a_connection_of_its_own(tmp_path):
    """
    A child that a server forked appends safely beside its parent.
    """
    code = f"""
import os
from flagstone.stores.sql.store import SqlStore
from flagstone.testing import make_flag
store = SqlStore("sqlite:///{tmp_path}/flags.db")
store.append([make_flag("parent")])
child = os.fork()
for n in range(50):
    store.append([make_flag(str(n))])
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-c", code], check=True)

    assert SqlStore(tmp_path / "flags.db").count() == 101


def test_no_connection_is_left_behind(tmp_path):
    """
    After close() the process holds no handle of the database.
    """
    store = SqlStore(tmp_path / "flags.db")
    store.append([make_flag()])
    list(store.find())

    store.close()

    handles = [link for link in Path("/proc/self/fd").iterdir() if link.exists()]
    assert not [link for link in handles if link.readlink().is_relative_to(tmp_path)]


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "mysql://x", "hf://spaces/a/b", "nonsense:x"]
)
def test_a_url_that_names_no_store_is_refused(url):
    """
    The sentence says which URLs there are.
    """
    with pytest.raises(UnknownStoreError, match="Use a folder or csv:PATH for CSV files"):
        open_store(url)


def test_a_path_with_odd_characters(tmp_path):
    """
    Percent signs, question marks and blanks in a path are part of the path.
    """
    place = tmp_path / "a %41?b#c" / "flags.db"

    open_store(place).append([make_flag()])

    assert place.is_file()


def test_many_flags_are_put_in_order_once(tmp_path, monkeypatch):
    """
    Flags of many chunks come in the order of the query, whatever is appended meanwhile.
    """
    monkeypatch.setattr("flagstone.stores.sql.store._CHUNK", 3)
    store = open_store(tmp_path / "flags.db")
    start = datetime(2026, 3, 1, tzinfo=UTC)
    flags = [make_flag(created_at=start + timedelta(hours=n * 7 % 11)) for n in range(11)]
    store.append(flags)
    in_order = sorted(flags, key=lambda flag: flag.created_at)

    found = store.find()
    some = [next(found) for _ in range(4)]
    store.append([make_flag(created_at=start + timedelta(days=9))])

    assert [*some, *found] == in_order[::-1]
    assert list(store.find(Query(order="oldest", limit=8))) == in_order[:8]
    assert list(store.find(Query(after=in_order[5].id))) == in_order[4::-1]
    assert store.facets()["app"].total() == 12
    assert store.count(Query(verdict="open")) == 12
