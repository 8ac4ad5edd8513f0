"""
A store that has no index, for those who read it: a copy answers, and knows what the store knows.
"""

import gc
import io
import tempfile
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flagstone import Flag, Query, Review, Value, open_store
from flagstone.stores.group_commit import GroupCommit
from flagstone.stores.indexed_copy import IndexedCopy
from flagstone.stores.open import with_index
from flagstone.stores.sql.indexed_store import IndexedStore
from flagstone.testing import make_flag

START = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(params=["csv:{}", "parquet:{}"])
def url(request, tmp_path):
    return request.param.format(tmp_path / "flags")


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """Where scratch folders are made."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def without_zeros(facets):
    return {name: +counts for name, counts in facets.items() if +counts}


def flags_at(*hours, **fields):
    return [make_flag(created_at=START + timedelta(hours=hour), **fields) for hour in hours]


def test_it_answers_as_the_store_does(url, scratch):
    """
    What is asked of the copy has the store's answer, also after somebody else has written.
    """
    store, other = open_store(url), open_store(url)
    flags = [*flags_at(3, app="a"), *flags_at(1, 2, app="b", text="dark")]
    store.append(flags)
    reading = with_index(store)
    assert isinstance(reading, IndexedCopy)

    for written in ([], flags_at(0, text="dark"), [Review(flag_id=flags[0].id, tags=("t",))]):
        other.append(written)
        for query in (Query(), Query(app="b"), Query(text="dark"), Query(tag="t", order="oldest")):
            assert list(reading.find(query)) == list(other.find(query))
            assert reading.count(query) == other.count(query)
            assert without_zeros(reading.facets(query)) == without_zeros(other.facets(query))
            pairs = [("day", "app"), ("user", "verdict")]
            assert reading.crosstab(query, *pairs) == other.crosstab(query, *pairs)
            assert list(reading.reviewed(query)) == list(other.reviewed(query))
        assert reading.states([flags[0].id]) == other.states([flags[0].id])
        prints = [flags[0].fingerprint]
        assert reading.count_by_fingerprint(prints) == other.count_by_fingerprint(prints)
    reading.close()


def test_what_is_written_reaches_the_store(url, scratch):
    """
    A decision is in the store when `append` returns, and a file comes from where it lies.
    """
    store = open_store(url)
    ref = store.files.put(io.BytesIO(b"bytes"), name="a.bin")
    flag = Flag(inputs={"file": Value(kind="file", data=ref)})
    store.append([flag])
    reading = with_index(store)

    reading.append([Review(flag_id=flag.id, verdict="fixed")])

    assert open_store(url).state(flag.id).verdict == reading.state(flag.id).verdict == "fixed"
    kept = reading.state(flag.id).flag.inputs["file"].to_python()
    assert Path(kept).read_bytes() == b"bytes"
    reading.close()


def test_a_file_that_is_gone_is_in_nobodys_way(tmp_path, scratch):
    """
    A flag is read all the same where somebody deleted its picture.
    """
    store = open_store(f"csv:{tmp_path / 'flags'}")
    ref = store.files.put(io.BytesIO(b"bytes"), name="a.png")
    flag = Flag(inputs={"file": Value(kind="file", data=ref)})
    store.append([flag])
    store.files.remove([ref.sha256])

    assert list(with_index(store).find()) == [flag]


@pytest.mark.parametrize("by_another", [False, True])
def test_what_is_erased_is_in_no_copy(url, scratch, by_another):
    """
    An erased flag is found no more, and no byte of it is left in a scratch folder.
    """
    secret, other = flags_at(1, text="a secret"), flags_at(2, text="b")
    store = open_store(url)
    store.append([*secret, *other])
    reading = with_index(store)
    assert reading.count(Query(text="secret")) == 1

    (open_store(url) if by_another else reading).erase([secret[0].id])

    assert reading.count(Query(text="secret")) == 0
    assert list(reading.find()) == other
    gc.collect()
    copied = b"".join(path.read_bytes() for path in scratch.rglob("*") if path.is_file())
    assert b"secret" not in copied
    reading.close()


def test_a_log_written_anew_twice_may_be_the_same_file(tmp_path, scratch):
    """
    A file system gives the number of a file that is gone to the next: after two erasures the log
    has the one that it had.
    """
    store = open_store(f"csv:{tmp_path}/flags")
    secret, (other,), (late,) = flags_at(1), flags_at(2), flags_at(3, text="longer" * 99)
    store.append([*secret, other])
    with with_index(open_store(f"csv:{tmp_path}/flags")) as reading:
        assert reading.count() == 2
        log, same = tmp_path / "flags/dataset1.csv", tmp_path / "flags/same"
        same.hardlink_to(log)
        store.erase([secret[0].id])
        same.write_bytes(log.read_bytes())
        same.replace(log)
        store.append([late])
        assert list(reading.find(Query(order="oldest"))) == [other, late]


def test_rows_deleted_within_a_log_are_gone(tmp_path, scratch):
    """
    An editor may write the rows that are left into the file that was there.
    """
    store = open_store(f"csv:{tmp_path}/flags")
    flags = flags_at(1, 2, 3)
    store.append(flags)
    with with_index(open_store(f"csv:{tmp_path}/flags")) as reading:
        assert reading.count() == 3
        log = tmp_path / "flags/dataset1.csv"
        head, _, *rest = log.read_bytes().splitlines(keepends=True)
        log.write_bytes(b"".join([head, *rest]))
        assert list(reading.find(Query(order="oldest"))) == flags[1:]


def test_nothing_is_left_of_it(url, scratch):
    """
    The scratch folder is for its owner alone, and goes when the store is closed.
    """
    store = open_store(url)
    store.append(flags_at(1))
    reading = with_index(store)
    (folder,) = scratch.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    reading.close()
    del reading
    gc.collect()
    assert list(scratch.iterdir()) == []


def test_many_threads_read_one_copy(url, scratch):
    """
    Threads that ask while others write see each flag once.
    """
    store = open_store(url)
    store.append(flags_at(*range(5)))
    reading = with_index(store)
    seen: list[list[str]] = []

    def ask():
        seen.extend([flag.id for flag in reading.find()] for _ in range(5))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    reading.append(flags_at(*range(5, 10)))
    for thread in threads:
        thread.join()

    assert all(len(ids) == len(set(ids)) in (5, 10) for ids in seen)
    assert reading.count() == 10
    reading.close()


def test_a_store_in_memory_is_read_as_it_is():
    """
    Nothing is gained by a copy of what is in memory already.
    """
    store = open_store("memory:")
    assert with_index(store) is store


def test_what_is_edited_by_hand_is_read_anew(tmp_path, scratch):
    """
    Rows that a person takes out of a log are gone; a record changed in place is no more read.
    """
    store = open_store(f"csv:{tmp_path / 'flags'}")
    flags = flags_at(1, text="first")
    store.append([*flags, *flags_at(2, text="second"), *flags_at(3, text="third")])
    reading = with_index(store)
    log = tmp_path / "flags" / "dataset1.csv"
    assert reading.count() == 3

    log.write_bytes(log.read_bytes().replace(b"second", b"another"))
    assert reading.count(Query(text="second")) == 0
    assert reading.count(Query(text="another")) == 0
    reasons = [passed.reason for passed in reading.skipped]
    assert reasons == ["its checksum does not match"]

    rows = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(row for row in rows if b"another" not in row))
    assert [flag.inputs["text"].data for flag in reading.find()] == ["third", "first"]
    reading.close()


def test_a_store_whose_appends_are_grouped_has_its_own_index(tmp_path):
    """
    A database behind a group commit is no other store, and is not copied.
    """
    assert isinstance(with_index(GroupCommit(open_store(tmp_path / "flags.db"))), IndexedStore)
